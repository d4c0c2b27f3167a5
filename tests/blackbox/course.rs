//! The course of a case over the interface: what steps need, the 支援決定, and requests between agencies.

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Peer, Reply};
use serde_json::{Value, json};
use yrs::{Map, MapRef, Out, Transact};

use crate::world::{EXCLUDED_CASE, World};

/// A name, an address and a number that stand in the register and in words of requests.
const CANARIES: &[&str] = &["雲雀", "ひばり", "0900-93-4321", "梟町"];

fn nothing_of(what: &str, reply: &Reply) -> Result<()> {
    let body = reply.text();
    let found: Vec<_> = CANARIES
        .iter()
        .filter(|told| body.contains(**told))
        .collect();
    ensure!(found.is_empty(), "{what} tells {found:?}: {body}");
    Ok(())
}

fn is(what: &str, reply: &Reply, status: u16, code: &str) -> Result<()> {
    ensure!(
        reply.status == status && (code.is_empty() || reply.code() == code),
        "{what}: {} {}, expected {status} {code}: {}",
        reply.status,
        reply.code(),
        reply.text()
    );
    Ok(())
}

async fn new_case(coordinator: &Client) -> Result<String> {
    let made = coordinator
        .post(
            "/cases",
            json!({
                "received_on": "2026-02-02", "urgency": "b",
                "clients": [{ "person": { "name": "雲雀 丘子", "kana": "ひばり おかこ", "address": "青葉市梟町1-2-3", "phone_mobile": "0900-93-4321" } }],
            }),
        )
        .await?
        .ok()?;
    Ok(made["id"].as_str().context("id")?.to_owned())
}

fn codes(missing: &Value) -> Vec<&str> {
    missing
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["code"].as_str())
        .collect()
}

/// Makes the screening sheet and finalises it with a result.
async fn screen(world: &World, coordinator: &Client, case: &str) -> Result<()> {
    let made = coordinator
        .post(
            &format!("/cases/{case}/sheets"),
            json!({ "form": "screening" }),
        )
        .await?
        .ok()?;
    let id = made["document_id"].as_str().context("document")?;
    let mut peer = Peer::join(&world.server.url, id, &world.token("aoba-coord")?).await?;
    let root: MapRef = peer.doc.get_or_insert_map("fields");
    let reasons = root.get(&peer.doc.transact(), "reasons");
    {
        let mut txn = peer.doc.transact_mut();
        root.insert(&mut txn, "urgency", "b");
        root.insert(&mut txn, "result", "outreach");
        match reasons {
            Some(Out::YMap(options)) => {
                options.insert(&mut txn, "multi_field", true);
            }
            _ => anyhow::bail!("reasons are no options"),
        }
    }
    peer.push().await?;
    peer.barrier().await?;
    let done = coordinator
        .post(&format!("/documents/{id}/finalise"), json!({}))
        .await?;
    is("finalising the screening", &done, 200, "")
}

/// Steps: hard requirements stop, soft ones ask for a reason that is kept; everybody who sees the case
/// sees when, only those who answer for it see why.
pub async fn steps_and_what_they_need(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let case = new_case(&coordinator).await?;
    let stage = |body: Value| {
        let (coordinator, path) = (coordinator.clone(), format!("/cases/{case}/stage"));
        async move { coordinator.post(&path, body).await }
    };
    let refused = stage(json!({ "stage": "screening" })).await?;
    is("without a reason", &refused, 409, "reason_required")?;
    ensure!(
        codes(&refused.json["missing"]) == ["intake_final"],
        "{}",
        refused.text()
    );
    let number = stage(json!({ "stage": "screening", "reason": "番号 1234 5678 9018" })).await?;
    is(
        "a reason with a マイナンバー",
        &number,
        422,
        "personal_number",
    )?;
    let moved =
        stage(json!({ "stage": "screening", "reason": "雲雀さんが至急の判断を求めたため" }))
            .await?;
    is("with a reason", &moved, 200, "")?;
    let refused = stage(json!({ "stage": "planning", "reason": "急ぐ" })).await?;
    is(
        "planning without a screening",
        &refused,
        409,
        "requirements_missing",
    )?;
    ensure!(
        codes(&refused.json["missing"]).contains(&"screening_final"),
        "{}",
        refused.text()
    );
    is(
        "no such step",
        &stage(json!({ "stage": "decided" })).await?,
        422,
        "",
    )?;
    let early =
        stage(json!({ "stage": "closed", "closed_on": "2026-02-01", "reason": "誤り" })).await?;
    is(
        "closing before reception",
        &early,
        409,
        "requirements_missing",
    )?;
    ensure!(
        codes(&early.json["missing"]).contains(&"closed_after_reception"),
        "{}",
        early.text()
    );

    screen(world, &coordinator, &case).await?;
    let refused = stage(json!({ "stage": "planning" })).await?;
    is("planning without consent", &refused, 409, "reason_required")?;
    ensure!(
        codes(&refused.json["missing"]) == ["consent_given"],
        "{}",
        refused.text()
    );
    is(
        "planning with a reason",
        &stage(json!({ "stage": "planning", "reason": "来週、同意を得る予定" })).await?,
        200,
        "",
    )?;
    let meeting = stage(json!({ "stage": "meeting", "reason": "急ぐ" })).await?;
    is(
        "a 重層的支援会議 without plan and consent",
        &meeting,
        409,
        "requirements_missing",
    )?;
    for code in ["plan_final", "consent_given"] {
        ensure!(
            codes(&meeting.json["missing"]).contains(&code),
            "{}",
            meeting.text()
        );
    }

    let path = format!("/cases/{case}/course");
    let course = coordinator.get(&path).await?.ok()?;
    let way: Vec<_> = course["steps"]
        .as_array()
        .context("steps")?
        .iter()
        .map(|step| step["to"].as_str().unwrap_or_default())
        .collect();
    ensure!(way == ["received", "screening", "planning"], "{course}");
    ensure!(
        course["steps"][1]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("雲雀")),
        "{course}"
    );
    ensure!(
        course["steps"][2]["missing"]
            .as_array()
            .is_some_and(|missing| missing.len() == 1),
        "{course}"
    );
    let approver = world.as_user("aoba-approver")?;
    let seen = approver.get(&path).await?.ok()?;
    ensure!(
        seen["may_change"] == false && seen["steps"][1]["reason"].is_string(),
        "{seen}"
    );
    // The department asks nobody for a decision, and decides nothing that was not asked.
    let asks = json!({ "kind": "decision", "words": "お願いします" });
    is(
        "the department asks itself",
        &approver
            .post(&format!("/cases/{case}/requests"), asks.clone())
            .await?,
        403,
        "forbidden",
    )?;
    let early = coordinator
        .post(&format!("/cases/{case}/requests"), asks)
        .await?;
    is(
        "a decision without a plan",
        &early,
        409,
        "requirements_missing",
    )?;
    for login_id in [
        "aoba-outside",
        "aoba-houkatsu",
        "shiranami-coord",
        "aoba-admin",
    ] {
        let reply = world.as_user(login_id)?.get(&path).await?;
        is(login_id, &reply, 404, "not_found")?;
        nothing_of(login_id, &reply)?;
    }
    Ok(())
}

/// つなぐ: nothing without a basis, the request alone before acceptance, then what was promised.
pub async fn requests_between_agencies(world: &World) -> Result<()> {
    let (coordinator, outside) = (world.as_user("aoba-coord")?, world.as_user("aoba-outside")?);
    let case = new_case(&coordinator).await?;
    let asked = |confirmation: Option<Value>, to: String, level: &'static str| {
        let mut body = json!({
            "kind": "refer", "to_agency_id": to, "words": "雲雀 丘子さん（青葉市梟町1-2-3、0900-93-4321）の見守りをお願いします。",
            "due_on": "2099-12-31", "disclosures": [{ "section": "progress", "level": level }],
        });
        if let Some(confirmation) = confirmation {
            body["confirmation"] = confirmation;
        }
        let (coordinator, path) = (coordinator.clone(), format!("/cases/{case}/requests"));
        async move { coordinator.post(&path, body).await }
    };
    let to = world.agency("青葉生活サポート").await?;
    let refused = asked(None, to.clone(), "masked").await?;
    is(
        "without a basis",
        &refused,
        409,
        "consent_confirmation_required",
    )?;
    let before = outside.get("/requests").await?.ok()?;
    ensure!(before["items"] == json!([]), "{before}");

    let masked = json!({ "basis": "masked", "reason": "個人を特定しない形で相談する" });
    let made = asked(Some(masked.clone()), to.clone(), "masked").await?;
    is("with a basis", &made, 201, "")?;
    let id = made.json["id"].as_str().context("id")?.to_owned();
    is(
        "asked twice",
        &asked(Some(masked), to, "masked").await?,
        409,
        "request_open",
    )?;

    // Before acceptance: the request, masked, and nothing of the case.
    for path in ["/requests".to_owned(), format!("/requests/{id}")] {
        let reply = outside.get(&path).await?;
        is(&path, &reply, 200, "")?;
        nothing_of(&path, &reply)?;
        ensure!(
            !reply.text().contains(&case),
            "{path} names the case: {}",
            reply.text()
        );
        ensure!(
            reply.text().contains("［氏名1］"),
            "masked words: {}",
            reply.text()
        );
    }
    for path in [
        format!("/cases/{case}"),
        format!("/cases/{case}/requests"),
        format!("/cases/{case}/course"),
    ] {
        let reply = outside.get(&path).await?;
        is(&path, &reply, 404, "not_found")?;
        nothing_of(&path, &reply)?;
    }
    let accept = json!({ "act": "accept", "words": "来週から訪問します。" });
    for login_id in [
        "aoba-houkatsu",
        "aoba-masked",
        "shiranami-coord",
        "aoba-admin",
        "aoba-auditor",
        "aoba-stat",
    ] {
        let client = world.as_user(login_id)?;
        for reply in [
            client.get(&format!("/requests/{id}")).await?,
            client
                .post(&format!("/requests/{id}/answer"), accept.clone())
                .await?,
        ] {
            is(login_id, &reply, 404, "not_found")?;
            nothing_of(login_id, &reply)?;
        }
        let listed = client.get("/requests").await?;
        ensure!(
            !listed.text().contains(&id),
            "{login_id}: {}",
            listed.text()
        );
    }
    is(
        "answered by who asked",
        &coordinator
            .post(&format!("/requests/{id}/answer"), accept.clone())
            .await?,
        403,
        "forbidden",
    )?;

    is(
        "accepted",
        &outside
            .post(&format!("/requests/{id}/answer"), accept.clone())
            .await?,
        200,
        "",
    )?;
    is(
        "accepted twice",
        &outside
            .post(&format!("/requests/{id}/answer"), accept)
            .await?,
        409,
        "conflict",
    )?;
    let shown = outside.get(&format!("/cases/{case}")).await?;
    is("the case after acceptance", &shown, 200, "")?;
    nothing_of("the case after acceptance", &shown)?;
    let course = outside.get(&format!("/cases/{case}/course")).await?;
    ensure!(
        course.json["next"] == json!([]) && course.json["may_ask"] == json!(["assign"]),
        "{}",
        course.text()
    );

    // Who asked is told, until somebody has read it.
    let path = format!("/requests/{id}");
    let told = coordinator.get(&path).await?.ok()?;
    ensure!(
        told["state"] == "accepted"
            && told["seen"] == false
            && told["answer"] == "来週から訪問します。",
        "{told}"
    );
    is(
        "read",
        &coordinator.post(&format!("{path}/seen"), json!({})).await?,
        204,
        "",
    )?;
    ensure!(coordinator.get(&path).await?.ok()?["seen"] == true);
    let log = coordinator
        .get(&format!("/cases/{case}/access-log"))
        .await?
        .ok()?;
    let actions: Vec<_> = log["items"]
        .as_array()
        .context("items")?
        .iter()
        .filter_map(|event| event["action"].as_str())
        .collect();
    for action in [
        "request.create",
        "request.accept",
        "consent.override",
        "consent.confirmation_required",
    ] {
        ensure!(actions.contains(&action), "{action} is not in {actions:?}");
    }

    // Taken back: no words stay with the agency that was asked.
    let houkatsu = world.agency("青葉地域包括支援センター").await?;
    let life = json!({ "basis": "life_protection", "reason": "安否を確かめるため" });
    let made = asked(Some(life), houkatsu, "masked").await?;
    is("asked on another ground", &made, 201, "")?;
    let path = format!("/requests/{}", made.json["id"].as_str().context("id")?);
    let member = world.as_user("aoba-houkatsu")?;
    ensure!(
        member.get(&path).await?.ok()?["words"]
            .as_str()
            .is_some_and(|words| words.contains("雲雀")),
        "covered by the ground"
    );
    let withdrawn = json!({ "act": "withdraw", "words": "別の機関に頼みました。" });
    is(
        "withdrawn by the other side",
        &member
            .post(&format!("{path}/answer"), withdrawn.clone())
            .await?,
        403,
        "forbidden",
    )?;
    is(
        "withdrawn",
        &coordinator
            .post(&format!("{path}/answer"), withdrawn)
            .await?,
        200,
        "",
    )?;
    nothing_of("a withdrawn request", &member.get(&path).await?)?;
    Ok(())
}

/// Whoever is shut out of a case is not asked, and the answer is that of an agency that is not there.
pub async fn the_excluded_are_not_asked(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let case = world.case(EXCLUDED_CASE).await?.id;
    for to in [
        world.agency("青葉地域包括支援センター").await?,
        "nobody".to_owned(),
    ] {
        let body = json!({ "kind": "refer", "to_agency_id": to, "words": "お願いします" });
        let refused = coordinator
            .post(&format!("/cases/{case}/requests"), body)
            .await?;
        is("asking who is shut out", &refused, 422, "invalid")?;
        ensure!(
            refused.json["fields"][0]["code"] == "unknown_agency",
            "{}",
            refused.text()
        );
    }
    Ok(())
}
