//! Two entries of the register become one and are taken apart again, over HTTP: who may, what others
//! see afterwards, and what nobody hears of.

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, each_database};
use serde_json::{Value, json};

use crate::world::{OPEN_CASE, World, step};

async fn register(client: &Client, body: Value) -> Result<String> {
    let person = client.post("/persons", body).await?.ok()?;
    Ok(person["id"].as_str().context("id")?.to_owned())
}

async fn receive(client: &Client, person: &str) -> Result<String> {
    let body = json!({"received_on": "2024-06-03", "clients": [{"person_id": person}]});
    let case = client.post("/cases", body).await?.ok()?;
    Ok(case["id"].as_str().context("id")?.to_owned())
}

async fn version(client: &Client, person: &str) -> Result<Value> {
    Ok(client.get(&format!("/persons/{person}")).await?.ok()?["version"].clone())
}

async fn two(world: &World) -> Result<(String, String)> {
    let coordinator = world.as_user("aoba-coord2")?;
    let kept = json!({"name": "鴇田 しの", "kana": "ときた しの", "birth_date": "1951-02-03", "phone_mobile": "090-0000-5511"});
    let merged = json!({"name": "鴇田 志乃", "kana": "ときた しの", "birth_date": "1951-02-03", "address": "青葉市鴇町1-1"});
    Ok((
        register(&coordinator, kept).await?,
        register(&coordinator, merged).await?,
    ))
}

async fn merged_and_taken_back(world: &World) -> Result<()> {
    let manager = world.as_user("aoba-coord")?;
    let coordinator = world.as_user("aoba-coord2")?;
    let (kept, merged) = two(world).await?;
    let case = receive(&coordinator, &merged).await?;
    let before = coordinator.get(&format!("/persons/{merged}")).await?.ok()?;

    let path = format!("/persons/{kept}/merge-preview/{merged}");
    let preview = manager.get(&path).await?.ok()?;
    ensure!(
        preview["differences"]
            == json!([{"field": "name", "kept": "鴇田 しの", "merged": "鴇田 志乃"}]),
        "{preview}"
    );
    ensure!(preview["merged_cases"][0]["id"] == json!(case), "{preview}");
    ensure!(coordinator.get(&path).await?.status == 403, "no manager");

    let path = format!("/persons/{kept}/merges");
    let body = json!({
        "other": merged, "version": preview["kept"]["version"], "other_version": preview["merged"]["version"],
        "choices": {"name": "merged"}, "reason": "本人に確認した",
    });
    let mut stale = body.clone();
    stale["other_version"] = json!(99);
    let reply = manager.post(&path, stale).await?;
    ensure!(
        reply.status == 409 && reply.code() == "conflict",
        "{}",
        reply.text()
    );
    let mut number = body.clone();
    number["reason"] = json!("個人番号 123456789018");
    ensure!(manager.post(&path, number).await?.code() == "personal_number");
    let mut silent = body.clone();
    silent["reason"] = json!(" ");
    ensure!(manager.post(&path, silent).await?.status == 422);
    ensure!(coordinator.post(&path, body.clone()).await?.status == 403);
    let done = manager.post(&path, body.clone()).await?;
    ensure!(done.status == 201, "{}", done.text());
    let done = done.ok()?;
    ensure!(done["person"]["fields"]["name"] == "鴇田 志乃", "{done}");
    ensure!(
        done["person"]["fields"]["address"] == "青葉市鴇町1-1",
        "{done}"
    );
    let former = done["person"]["former"].to_string();
    ensure!(former.contains("鴇田 しの"), "{former}");
    ensure!(
        manager.post(&path, body).await?.status == 404,
        "it is one already"
    );

    // The old id leads to who was kept; an editor that is still open hears why.
    let shown = coordinator.get(&format!("/persons/{merged}")).await?.ok()?;
    ensure!(shown["id"] == json!(kept), "{shown}");
    let patch = json!({"version": before["version"], "set": {"phone_home": "0000-00-0000"}});
    let reply = coordinator
        .patch(&format!("/persons/{merged}"), patch)
        .await?;
    ensure!(
        reply.status == 409 && reply.code() == "merged",
        "{}",
        reply.text()
    );
    let seen = coordinator.get(&format!("/cases/{case}")).await?.ok()?;
    ensure!(seen["persons"][0]["person_id"] == json!(kept), "{seen}");
    ensure!(
        seen["persons"][0]["former_ids"] == json!([merged]),
        "{seen}"
    );
    let found = coordinator
        .post("/persons/search", json!({"q": "鴇田"}))
        .await?
        .ok()?;
    ensure!(
        found["items"].as_array().map(Vec::len) == Some(1),
        "{found}"
    );

    let history = manager.get(&path).await?.ok()?;
    let one = &history["items"][0];
    ensure!(
        one["reason"] == "本人に確認した" && one["undoable"] == true,
        "{history}"
    );
    ensure!(coordinator.get(&path).await?.status == 403);
    let log = manager
        .get(&format!("/cases/{case}/access-log"))
        .await?
        .ok()?;
    ensure!(log.to_string().contains("person.merge"), "{log}");

    let undo = format!("{path}/{}/undo", one["id"].as_str().context("id")?);
    ensure!(manager.post(&undo, json!({"version": 0})).await?.status == 409);
    let now = version(&manager, &kept).await?;
    ensure!(
        coordinator
            .post(&undo, json!({"version": now}))
            .await?
            .status
            == 403
    );
    let undone = manager.post(&undo, json!({"version": now})).await?.ok()?;
    ensure!(undone["other_id"] == json!(merged), "{undone}");
    let after = coordinator.get(&format!("/persons/{merged}")).await?.ok()?;
    for part in ["fields", "former", "flags", "cases"] {
        ensure!(after[part] == before[part], "{part}: {after}");
    }
    let seen = coordinator.get(&format!("/cases/{case}")).await?.ok()?;
    ensure!(seen["persons"][0]["person_id"] == json!(merged), "{seen}");
    let again = manager
        .post(&undo, json!({"version": version(&manager, &kept).await?}))
        .await?;
    ensure!(again.status == 404, "taken back already");
    Ok(())
}

async fn nobody_from_elsewhere(world: &World) -> Result<()> {
    let manager = world.as_user("aoba-coord")?;
    let (kept, merged) = two(world).await?;
    let body = json!({"other": merged, "version": 1, "other_version": 1, "reason": "x"});
    for (login, status) in [
        ("shiranami-coord", 404),
        ("aoba-houkatsu", 403),
        ("aoba-masked", 403),
        ("aoba-outside", 403),
        ("aoba-viewer", 403),
        ("aoba-admin", 403),
        ("aoba-auditor", 403),
        ("aoba-stat", 403),
    ] {
        let client = world.as_user(login)?;
        let reply = client
            .post(&format!("/persons/{kept}/merges"), body.clone())
            .await?;
        ensure!(reply.status == status, "{login}: {}", reply.text());
        let reply = client
            .get(&format!("/persons/{kept}/merge-preview/{merged}"))
            .await?;
        ensure!(
            reply.status == status && !reply.text().contains("鴇"),
            "{login}"
        );
    }
    let reply = manager
        .get(&format!("/persons/{kept}/merge-preview/{kept}"))
        .await?;
    ensure!(reply.status == 422, "{}", reply.text());
    let pairs = manager.get("/persons/duplicates").await?.ok()?;
    let found = pairs["items"].as_array().is_some_and(|items| {
        let both = |pair: &Value| pair.to_string().matches("鴇田").count() >= 2;
        items.iter().any(both)
    });
    ensure!(found, "{pairs}");
    Ok(())
}

/// A masked reader's case reads the same, whoever stands behind ［氏名1］, and names nobody.
async fn protection_holds(world: &World) -> Result<()> {
    let manager = world.as_user("aoba-coord")?;
    let coordinator = world.as_user("aoba-coord2")?;
    let (kept, merged) = two(world).await?;
    let own = world.agency("青葉市 多機関協働室").await?;
    let patch = json!({"version": 1, "address_confidential": true});
    coordinator
        .patch(&format!("/persons/{merged}"), patch)
        .await?
        .ok()?;
    let preview = format!("/persons/{kept}/merge-preview/{merged}");
    let reply = manager.get(&preview).await?;
    ensure!(
        reply.status == 403 && reply.code() == "address_withheld",
        "{}",
        reply.text()
    );
    ensure!(!reply.text().contains("鴇"), "says nothing of the person");
    // With a case, those in charge put their own agency on the list.
    let _ = receive(&coordinator, &merged).await?;
    let patch = json!({"version": version(&coordinator, &merged).await?, "address_allow": [own]});
    coordinator
        .patch(&format!("/persons/{merged}"), patch)
        .await?
        .ok()?;
    let preview = manager.get(&preview).await?.ok()?;
    ensure!(
        preview["address_confidential"] == true && preview["address_allow"] == json!([own]),
        "{preview}"
    );
    let body = json!({
        "other": merged, "version": preview["kept"]["version"], "other_version": preview["merged"]["version"], "reason": "本人に確認した",
    });
    let done = manager
        .post(&format!("/persons/{kept}/merges"), body)
        .await?
        .ok()?;
    ensure!(done["person"]["address_confidential"] == true, "{done}");
    let staff = world
        .as_user("aoba-staff")?
        .get(&format!("/persons/{kept}"))
        .await?
        .ok()?;
    ensure!(staff["address_withheld"] == true, "{staff}");
    ensure!(
        !staff.to_string().contains("鴇町") && !staff.to_string().contains("5511"),
        "of both"
    );
    Ok(())
}

/// 経過一覧 on paper: with 住所秘匿 in the case masked also for who reads it on the screen.
async fn paper_names_no_place(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let coordinator2 = world.as_user("aoba-coord2")?;
    let (person, _) = two(world).await?;
    let case = receive(&coordinator2, &person).await?;
    let entry = json!({"performed_on": "2026-11-02", "method": "visit", "content": "鴇田 しのさん（090-0000-5511）を訪ねた。"});
    coordinator
        .post(&format!("/cases/{case}/progress-records"), entry)
        .await?
        .ok()?;
    let path = format!("/cases/{case}/progress-records?print=true");
    let open = coordinator.get(&path).await?.ok()?;
    ensure!(
        open["items"][0]["content"]
            .as_str()
            .is_some_and(|text| text.contains("5511")),
        "{open}"
    );
    let own = world.agency("青葉市 多機関協働室").await?;
    let patch = json!({"version": version(&coordinator, &person).await?, "address_confidential": true, "address_allow": [own]});
    coordinator
        .patch(&format!("/persons/{person}"), patch)
        .await?
        .ok()?;
    let paper = coordinator.get(&path).await?.ok()?;
    ensure!(paper["items"][0]["level"] == "masked", "{paper}");
    ensure!(!paper.to_string().contains("5511"), "{paper}");
    let screen = coordinator
        .get(&format!("/cases/{case}/progress-records"))
        .await?
        .ok()?;
    ensure!(screen.to_string().contains("5511"), "{screen}");
    coordinator
        .get(&format!("/cases/{case}/consents?print=true"))
        .await?
        .ok()?;
    let log = coordinator
        .get(&format!("/cases/{case}/access-log"))
        .await?
        .ok()?
        .to_string();
    ensure!(
        log.contains("progress.print") && log.contains("consent.print"),
        "{log}"
    );
    Ok(())
}

/// What a withdrawal shows, and what comes due on the home screen.
async fn passed_on_and_due(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let case = world.case(OPEN_CASE).await?;
    let passed = format!("/cases/{}/passed-on", case.id);
    world
        .as_user("aoba-houkatsu")?
        .get(&format!("/cases/{}", case.id))
        .await?
        .ok()?;
    let found = coordinator.get(&passed).await?.ok()?;
    let items = found["items"].as_array().context("items")?;
    let partner = items
        .iter()
        .find(|item| item["opened"].to_string().contains("case.view"))
        .context("who opened the case")?;
    ensure!(
        partner["rights"].as_array().is_some_and(|rights| rights
            .iter()
            .all(|right| right["from"].is_string() && right["level"] != "none")
            && !rights.is_empty()),
        "{found}"
    );
    ensure!(
        !found.to_string().contains("青葉市 多機関協働室"),
        "not those in charge: {found}"
    );

    let (person, _) = two(world).await?;
    let own = receive(&coordinator, &person).await?;
    let consent = json!({"person_id": person, "status": "full", "obtained_on": "2026-01-01", "expires_on": "2026-02-01", "method": "paper"});
    coordinator
        .post(&format!("/cases/{own}/consents"), consent)
        .await?
        .ok()?;
    let patch = json!({"version": version(&coordinator, &person).await?, "add_flags": [{"flag": "violence", "basis": "申し送り", "review_on": "2026-03-01"}]});
    coordinator
        .patch(&format!("/persons/{person}"), patch)
        .await?
        .ok()?;
    let due = coordinator.get("/cases/reminders").await?.ok()?;
    let kinds: Vec<&str> = due["items"]
        .as_array()
        .context("items")?
        .iter()
        .filter(|item| item["person_id"] == json!(person))
        .filter_map(|item| item["kind"].as_str())
        .collect();
    ensure!(kinds == ["consent", "flag"], "{due}");
    let elsewhere = world
        .as_user("aoba-houkatsu")?
        .get("/cases/reminders")
        .await?
        .ok()?;
    ensure!(elsewhere["items"] == json!([]), "{elsewhere}");
    let withdrawn =
        json!({"person_id": person, "status": "withdrawn", "withdrawn_on": "2026-11-01"});
    coordinator
        .post(&format!("/cases/{own}/consents"), withdrawn)
        .await?
        .ok()?;
    let due = coordinator.get("/cases/reminders").await?.ok()?;
    let left = due["items"].to_string();
    ensure!(
        left.matches(person.as_str()).count() == 1,
        "only the flag: {due}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_become_one() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("merged and taken back", merged_and_taken_back(&world)).await?;
        step("nobody from elsewhere", nobody_from_elsewhere(&world)).await?;
        step("protection holds", protection_holds(&world)).await?;
        step("paper names no place", paper_names_no_place(&world)).await?;
        step("passed on and due", passed_on_and_due(&world)).await
    })
    .await;
}
