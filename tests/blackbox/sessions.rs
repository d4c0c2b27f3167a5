//! Sign-in as at the screen: password, one-time code, lock-out, enrolment, recovery, sign-out.

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Reply, each_database, http::totp_code, server::Account};
use serde_json::json;

use crate::world::{World, step};

fn expect(reply: &Reply, status: u16, code: &str) -> Result<()> {
    ensure!(
        reply.status == status && reply.code() == code,
        "{} {}, expected {status} {code}",
        reply.status,
        reply.text()
    );
    Ok(())
}

/// A code that is right at no step near now.
fn wrong_code(account: &Account) -> Result<String> {
    let near: Vec<String> = (-3..=3)
        .map(|step| totp_code(account, step))
        .collect::<Result<_>>()?;
    (0..100)
        .map(|n| format!("{n:06}"))
        .find(|code| !near.contains(code))
        .context("code")
}

async fn password_and_code(world: &World, account: &Account) -> Result<()> {
    let browser = Client::anonymous(&world.server.url)?;
    let body = json!({"login_id": account.login_id, "password": account.password});
    let opened = browser.post("/session", body.clone()).await?;
    let cookie = opened.cookie.clone().context("no cookie")?;
    ensure!(opened.ok()?["stage"] == "totp");
    expect(&browser.get("/cases").await?, 401, "unauthenticated")
        .context("between the two factors")?;
    expect(
        &browser
            .post("/session/totp", json!({"code": wrong_code(account)?}))
            .await?,
        401,
        "totp_invalid",
    )?;

    let code = totp_code(account, 0)?;
    let typed: String = code
        .chars()
        .filter_map(|c| char::from_u32(c as u32 + 0xFEE0))
        .collect();
    let signed_in = browser
        .post("/session/totp", json!({"code": typed}))
        .await?
        .ok()?;
    ensure!(
        signed_in["stage"] == "ready",
        "full-width digits: {signed_in}"
    );
    let session = browser.get("/session").await?.ok()?;
    ensure!(
        session["account"]["login_id"] == account.login_id.as_str()
            && session["municipality"]["name"] == "青葉市（試験用）",
        "{session}"
    );
    browser.get("/cases").await?.ok()?;

    let second = Client::anonymous(&world.server.url)?;
    second.post("/session", body).await?.ok()?;
    expect(
        &second.post("/session/totp", json!({"code": code})).await?,
        401,
        "totp_replayed",
    )?;

    let foreign = browser
        .unmarked()
        .post("/documents", json!({"kind": "note"}))
        .await?;
    expect(&foreign, 403, "cross_origin").context("a POST without X-Musubi")?;
    let framed = browser
        .with_header("Origin", "https://evil.example")
        .post("/documents", json!({"kind": "note"}))
        .await?;
    expect(&framed, 403, "cross_origin").context("a POST from another origin")?;

    let kept = Client::anonymous(&world.server.url)?.with_header("Cookie", &cookie);
    kept.get("/session")
        .await?
        .ok()
        .context("the cookie alone is the session")?;
    browser.delete("/session").await?.ok()?;
    expect(&kept.get("/session").await?, 401, "session_expired").context("after signing out")?;
    expect(&kept.get("/cases").await?, 401, "session_expired").context("after signing out")
}

async fn hats(world: &World, account: &Account) -> Result<()> {
    let browser = Client::anonymous(&world.server.url)?;
    browser
        .sign_in(account, &totp_code(account, 0)?)
        .await?
        .ok()?;
    let session = browser.get("/session").await?.ok()?;
    let hats = session["memberships"]
        .as_array()
        .context("memberships")?
        .clone();
    ensure!(hats.len() == 2, "{session}");
    let agency = hats
        .iter()
        .find(|hat| hat["role"] == "agency")
        .context("hat")?;
    browser
        .put(
            "/session/membership",
            json!({"membership_id": agency["id"]}),
        )
        .await?
        .ok()?;
    let now = browser.get("/session").await?.ok()?;
    ensure!(now["membership"]["role"] == "agency", "{now}");
    ensure!(
        browser.get("/mask-reviews").await?.status == 403,
        "the coordinator's rights stay with the other hat"
    );
    let foreign = browser
        .put("/session/membership", json!({"membership_id": "nobody"}))
        .await?;
    ensure!(foreign.status == 404);
    Ok(())
}

async fn lock_out(world: &World, account: &Account) -> Result<()> {
    let from = |address: &str| {
        anyhow::Ok(Client::anonymous(&world.server.url)?.with_header("X-Forwarded-For", address))
    };
    let wrong = json!({"login_id": account.login_id, "password": "ちがう合言葉です"});
    let right = json!({"login_id": account.login_id, "password": account.password});
    let attacker = from("203.0.113.7")?;
    let mut refused = None;
    for _ in 0..8 {
        let reply = attacker.post("/session", wrong.clone()).await?;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        expect(&reply, 401, "invalid_credentials")?;
    }
    let refused = refused.context("never locked")?;
    expect(&refused, 429, "locked")?;
    ensure!(
        refused.json["retry_after"]
            .as_u64()
            .is_some_and(|seconds| (1..=60).contains(&seconds)),
        "{}",
        refused.text()
    );
    expect(
        &attacker.post("/session", right.clone()).await?,
        429,
        "locked",
    )
    .context("the right password does not lift the lock")?;
    let elsewhere = from("203.0.113.8")?.post("/session", right).await?;
    ensure!(
        elsewhere.ok()?["stage"] == "totp",
        "the owner is not locked out by somebody else's guesses"
    );
    Ok(())
}

/// Codes are counted by account, wherever they come from; without the password nobody gets that far.
async fn codes_lock_the_account(world: &World, account: &Account) -> Result<()> {
    let from = |address: &str| {
        anyhow::Ok(Client::anonymous(&world.server.url)?.with_header("X-Forwarded-For", address))
    };
    let password = |text: &str| json!({"login_id": account.login_id, "password": text});
    for n in 0..12 {
        let outsider = from(&format!("198.51.100.{n}"))?;
        let reply = outsider
            .post("/session", password("ちがう合言葉です"))
            .await?;
        expect(&reply, 401, "invalid_credentials")?;
        let code = json!({"code": wrong_code(account)?});
        expect(
            &outsider.post("/session/totp", code).await?,
            401,
            "unauthenticated",
        )?;
    }
    let owner = from("192.0.2.1")?;
    let signed_in = owner
        .sign_in(account, &totp_code(account, 0)?)
        .await?
        .ok()?;
    ensure!(
        signed_in["stage"] == "ready",
        "locked out by who lacks the password: {signed_in}"
    );

    let mut refused = None;
    for n in 0..8 {
        let guesser = from(&format!("203.0.113.{}", 20 + n))?;
        guesser
            .post("/session", password(&account.password))
            .await?
            .ok()?;
        let reply = if n % 2 == 0 {
            let code = json!({"code": wrong_code(account)?});
            guesser.post("/session/totp", code).await?
        } else {
            let code = json!({"code": "0000-0000-0000-0000"});
            guesser.post("/session/recovery", code).await?
        };
        if reply.status == 429 {
            refused = Some((n, reply));
            break;
        }
        expect(&reply, 401, "totp_invalid")?;
    }
    let (after, refused) = refused.context("guessed from ever new addresses, never locked")?;
    expect(&refused, 429, "locked")?;
    ensure!(
        after == 5
            && refused.json["retry_after"]
                .as_u64()
                .is_some_and(|seconds| (1..=30).contains(&seconds)),
        "after {after}: {}",
        refused.text()
    );
    owner
        .get("/cases")
        .await?
        .ok()
        .context("who is in stays in")?;
    Ok(())
}

async fn nothing_tells_who_has_an_account(
    world: &World,
    known: &Account,
    stopped: &Account,
) -> Result<()> {
    let id = world.account(&stopped.login_id).await?;
    let earlier = world.as_user(&stopped.login_id)?;
    earlier.get("/cases").await?.ok()?;
    world
        .as_user("aoba-admin")?
        .post(&format!("/accounts/{id}/stop"), json!({}))
        .await?
        .ok()?;
    expect(&earlier.get("/cases").await?, 401, "unauthenticated")
        .context("the token of a stopped account")?;
    let attempt = |login_id: String, password: String| async move {
        let reply = Client::anonymous(&world.server.url)?
            .post(
                "/session",
                json!({"login_id": login_id, "password": password}),
            )
            .await?;
        anyhow::Ok((reply.status, reply.text()))
    };
    let unknown = attempt("nobody-here".into(), "何でもない文字列".into()).await?;
    ensure!(
        unknown.0 == 401 && unknown.1.contains("invalid_credentials"),
        "{unknown:?}"
    );
    ensure!(
        unknown == attempt(known.login_id.clone(), "ちがう".into()).await?,
        "a wrong password answers differently"
    );
    ensure!(
        unknown == attempt(stopped.login_id.clone(), stopped.password.clone()).await?,
        "a stopped account answers differently"
    );
    world
        .as_user("aoba-admin")?
        .post(&format!("/accounts/{id}/reactivate"), json!({}))
        .await?
        .ok()?;
    Ok(())
}

async fn enrolment(world: &World) -> Result<()> {
    let admin = world.as_user("aoba-admin")?;
    let agency = world.agency("青葉地域包括支援センター").await?;
    let created = admin
        .post("/accounts", json!({"login_id": "shinjin", "name": "新任 一葉", "membership": {"agency_id": agency, "role": "agency"}}))
        .await?
        .ok()?;
    let once = created["one_time_password"]
        .as_str()
        .context("one-time password")?
        .to_owned();
    let again = admin
        .post(
            "/accounts",
            json!({"login_id": "SHINJIN", "name": "別の人"}),
        )
        .await?;
    expect(&again, 409, "taken")?;

    let browser = Client::anonymous(&world.server.url)?;
    let opened = browser
        .post("/session", json!({"login_id": "shinjin", "password": once}))
        .await?
        .ok()?;
    ensure!(opened["stage"] == "enrolment", "{opened}");
    let offer = browser.post("/session/enrolment", json!({})).await?.ok()?;
    ensure!(
        offer["qr_png_base64"]
            .as_str()
            .is_some_and(|png| png.starts_with("iVBORw0KGgo")),
        "no picture"
    );
    ensure!(
        offer["otpauth_url"]
            .as_str()
            .is_some_and(|url| url.starts_with("otpauth://totp/"))
    );
    let secret = offer["secret"].as_str().context("secret")?.to_owned();
    let account = Account {
        login_id: "shinjin".into(),
        password: once.clone(),
        totp_secret: secret,
    };
    expect(
        &browser
            .post(
                "/session/enrolment/confirm",
                json!({"code": wrong_code(&account)?}),
            )
            .await?,
        401,
        "totp_invalid",
    )?;
    let confirmed = browser
        .post(
            "/session/enrolment/confirm",
            json!({"code": totp_code(&account, 0)?}),
        )
        .await?
        .ok()?;
    ensure!(confirmed["stage"] == "password", "{confirmed}");
    let codes: Vec<String> = serde_json::from_value(confirmed["recovery_codes"].clone())?;
    ensure!(codes.len() == 10, "{}", codes.len());
    ensure!(
        browser.get("/cases").await?.status == 401,
        "before the password was changed"
    );
    let short = browser
        .post(
            "/session/password",
            json!({"current": once, "next": "short"}),
        )
        .await?;
    ensure!(short.status == 422, "{}", short.text());
    let next = "あたらしい合言葉 2026 みどり";
    let changed = browser
        .post("/session/password", json!({"current": once, "next": next}))
        .await?
        .ok()?;
    ensure!(changed["stage"] == "ready", "{changed}");
    browser.get("/cases").await?.ok()?;

    let old = Client::anonymous(&world.server.url)?
        .post("/session", json!({"login_id": "shinjin", "password": once}))
        .await?;
    expect(&old, 401, "invalid_credentials").context("the one-time password works once")?;
    let by_recovery = |code: String| async move {
        let browser = Client::anonymous(&world.server.url)?;
        browser
            .post("/session", json!({"login_id": "shinjin", "password": next}))
            .await?
            .ok()?;
        anyhow::Ok((
            browser
                .post("/session/recovery", json!({ "code": code }))
                .await?,
            browser,
        ))
    };
    let (first, browser) = by_recovery(codes[0].clone()).await?;
    ensure!(first.ok()?["stage"] == "ready");
    browser.get("/cases").await?.ok()?;
    let (second, _) = by_recovery(codes[0].clone()).await?;
    expect(&second, 401, "totp_invalid").context("a recovery code works once")?;
    let (other, _) = by_recovery(codes[1].to_lowercase()).await?;
    ensure!(other.ok()?["stage"] == "ready");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        let accounts = world.server.accounts()?;
        let account = |login_id: &str| accounts.get(login_id).context("account");
        step(
            "password and code",
            password_and_code(&world, account("aoba-coord")?),
        )
        .await?;
        step("two hats", hats(&world, account("aoba-two-hats")?)).await?;
        step("lock-out", lock_out(&world, account("aoba-stat")?)).await?;
        step(
            "codes lock the account",
            codes_lock_the_account(&world, account("aoba-approver")?),
        )
        .await?;
        step(
            "nothing tells",
            nothing_tells_who_has_an_account(
                &world,
                account("aoba-auditor")?,
                account("aoba-viewer")?,
            ),
        )
        .await?;
        step("enrolment", enrolment(&world)).await
    })
    .await;
}
