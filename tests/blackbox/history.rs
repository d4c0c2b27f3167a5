//! The past of a sheet through HTTP and the socket: who wrote what, comparing, keeping, going back;
//! and that nobody sees of it what the policy does not let them see.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Peer, each_database, socket::Heard};
use serde_json::{Value, json};
use yrs::{
    Doc, Map, Options, Out, ReadTxn, StateVector, Text, Transact, Update, updates::decoder::Decode,
};

use crate::world::{
    OPEN_CASE, PROTECTED_CASE, World, add_row, field_text, no_canary, step, type_field,
};

const WORDS: [&str; 2] = ["長男は県外にいる。", "電気が止まりかけている。"];

async fn join(world: &World, sheet: &str, login_id: &str) -> Result<Peer> {
    Peer::join(&world.server.url, sheet, &world.token(login_id)?)
        .await
        .with_context(|| format!("{login_id} joins"))
}

async fn history(client: &Client, sheet: &str, query: &str) -> Result<Value> {
    let path = format!("/documents/{sheet}/history{query}");
    client.get(&path).await?.ok()
}

fn items(list: &Value) -> Result<&Vec<Value>> {
    list["items"].as_array().context("items")
}

async fn two_agencies_are_told_apart(world: &World, sheet: &str) -> Result<()> {
    let mut first = join(world, sheet, "aoba-coord").await?;
    let mut second = join(world, sheet, "aoba-houkatsu").await?;
    type_field(&first.doc, "summary", WORDS[0])?;
    first.push().await?;
    first.barrier().await?;
    second
        .until(|doc| field_text(doc, "summary").contains(WORDS[0]))
        .await?;
    type_field(&second.doc, "summary", WORDS[1])?;
    add_row(&second.doc, "agencies", "row0000000001", &[])?;
    second.push().await?;
    second.barrier().await?;
    // The coordinator takes the last two characters of the other's words away.
    first
        .until(|doc| field_text(doc, "summary").contains(WORDS[1]))
        .await?;
    let Some(Out::YText(text)) = first
        .doc
        .get_or_insert_map("fields")
        .get(&first.doc.transact(), "summary")
    else {
        anyhow::bail!("no text");
    };
    let len = text.len(&first.doc.transact());
    text.remove_range(&mut first.doc.transact_mut(), len - 2, 2);
    first.push().await?;
    first.barrier().await?;

    let reader = world.as_user("aoba-viewer")?;
    let told = history(&reader, sheet, "?field=summary").await?;
    let by = |agency: &str| {
        items(&told)?
            .iter()
            .find(|item| {
                item["by"]["agency"]
                    .as_str()
                    .is_some_and(|name| name.contains(agency))
            })
            .cloned()
            .with_context(|| format!("{agency} in {told}"))
    };
    let (coordinator, agency) = (by("多機関協働室")?, by("包括")?);
    for item in [&coordinator, &agency] {
        ensure!(
            item["label"]
                .as_str()
                .is_some_and(|label| !label.is_empty()),
            "{item}"
        );
        ensure!(
            item["by"]["name"].is_string() && item["since"].is_string(),
            "{item}"
        );
    }
    let part = &coordinator["parts"][0];
    ensure!(part["words"].to_string().contains(WORDS[0]), "{part}");
    ensure!(part["deleted"] == 2, "{part}");
    let part = &agency["parts"][0];
    let left: String = WORDS[1]
        .chars()
        .take(WORDS[1].chars().count() - 2)
        .collect();
    ensure!(
        part["words"] == json!([left]),
        "deleted words are gone: {part}"
    );
    // Filters, and pages.
    let coordinator_id = coordinator["by"]["agency_id"].as_str().context("agency")?;
    let own = history(&reader, sheet, &format!("?agency_id={coordinator_id}")).await?;
    ensure!(
        items(&own)?
            .iter()
            .all(|item| item["by"]["agency_id"] == coordinator_id),
        "{own}"
    );
    let all = history(&reader, sheet, "?limit=200").await?;
    let mut paged = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = history(&reader, sheet, &query).await?;
        paged.extend(items(&page)?.iter().map(|item| item["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    let ids: Vec<_> = items(&all)?.iter().map(|item| item["id"].clone()).collect();
    ensure!(paged == ids, "{paged:?} ≠ {ids:?}");
    Ok(())
}

/// Words under another's client id are refused, and no history ever names that other for them.
async fn a_forged_author_does_not_appear(world: &World, sheet: &str) -> Result<()> {
    let mut owner = join(world, sheet, "aoba-houkatsu").await?;
    type_field(&owner.doc, "strengths", "釣りが得意。")?;
    owner.push().await?;
    owner.barrier().await?;
    let mut forger = join(world, sheet, "aoba-coord2").await?;
    let known = forger
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let disguised = Doc::with_options(Options {
        client_id: owner.doc.client_id(),
        ..Options::default()
    });
    disguised
        .transact_mut()
        .apply_update(Update::decode_v1(&known)?)?;
    let before = disguised.transact().state_vector();
    type_field(&disguised, "strengths", "偽りの一文。")?;
    let update = disguised.transact().encode_diff_v1(&before);
    forger.send_update(&update).await?;
    loop {
        match forger.hear().await? {
            Heard::Refused { code, .. } => {
                ensure!(code == 5, "refused with {code}");
                break;
            }
            Heard::Closed => anyhow::bail!("closed without a word"),
            _ => {}
        }
    }
    let told = history(&world.as_user("aoba-coord")?, sheet, "?field=strengths").await?;
    ensure!(told.to_string().contains("釣りが得意。"), "{told}");
    ensure!(!told.to_string().contains("偽り"), "{told}");
    ensure!(items(&told)?.len() == 1, "{told}");
    Ok(())
}

/// Keep, change, compare, go back, and back again.
async fn compare_and_restore(world: &World, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let kept = coordinator
        .post(
            &format!("/documents/{sheet}/versions"),
            json!({"label": " 会議の前 "}),
        )
        .await?;
    ensure!(kept.status == 201, "{}", kept.text());
    let kept = kept.ok()?;
    ensure!(
        kept["kind"] == "kept" && kept["label"] == "会議の前",
        "{kept}"
    );
    let version = kept["id"].as_str().context("id")?;
    // Nothing personal in a label.
    for bad in [
        "鶸谷さんの件",
        "番号 123456789018",
        "長".repeat(41).as_str(),
        " ",
    ] {
        let refused = coordinator
            .post(
                &format!("/documents/{sheet}/versions"),
                json!({ "label": bad }),
            )
            .await?;
        ensure!(refused.status == 422, "{bad}: {}", refused.status);
    }

    let mut other = join(world, sheet, "aoba-houkatsu").await?;
    let before = field_text(&other.doc, "summary");
    type_field(&other.doc, "summary", "これは取り消したい。")?;
    let root = other.doc.get_or_insert_map("fields");
    root.insert(&mut other.doc.transact_mut(), "urgency", "a");
    other.push().await?;
    other.barrier().await?;

    let path = format!("/documents/{sheet}/comparison?from={version}");
    let reader = world.as_user("aoba-viewer")?;
    let compared = reader.get(&path).await?.ok()?;
    let fields = compared["fields"].as_array().context("fields")?;
    let of = |field: &str| {
        fields
            .iter()
            .find(|one| one["field"] == field)
            .with_context(|| format!("{field} in {compared}"))
    };
    ensure!(fields.len() == 2, "{compared}");
    let summary = of("summary")?;
    ensure!(
        summary["pieces"]
            .as_array()
            .and_then(|pieces| pieces.last())
            == Some(&json!({"kind": "added", "text": "これは取り消したい。"})),
        "{summary}"
    );
    ensure!(
        summary["last"]["by"]["agency"]
            .as_str()
            .is_some_and(|name| name.contains("包括")),
        "{summary}"
    );
    ensure!(of("urgency")?["after"] == "a", "{compared}");

    // Somebody types while the coordinator goes back.
    let mut typist = join(world, sheet, "aoba-coord2").await?;
    type_field(&typist.doc, "daily_life", "いま打っている")?;
    typist.push().await?;
    type_field(&typist.doc, "summary", "（追記）")?;
    let restored = coordinator
        .post(
            &format!("/documents/{sheet}/restore"),
            json!({ "version": version }),
        )
        .await?
        .ok()?;
    ensure!(
        restored["changed"]
            .as_array()
            .is_some_and(|changed| changed.contains(&json!("summary"))),
        "{restored}"
    );
    typist.push().await?;
    typist.barrier().await?;
    // Every open screen has it, and what was typed into the replica meanwhile.
    let done = |doc: &Doc| {
        let text = field_text(doc, "summary");
        text.starts_with(&before) && text.ends_with("（追記）") && !text.contains("取り消したい")
    };
    other.until(done).await?;
    typist.until(done).await?;
    ensure!(field_text(&other.doc, "summary") == field_text(&typist.doc, "summary"));

    // The state before is a version, and going back to it takes the restore back.
    let versions = coordinator
        .get(&format!("/documents/{sheet}/versions"))
        .await?
        .ok()?;
    let kinds: Vec<_> = items(&versions)?
        .iter()
        .map(|one| one["kind"].clone())
        .collect();
    for kind in ["kept", "before_restore", "restored"] {
        ensure!(kinds.contains(&json!(kind)), "{kind} in {versions}");
    }
    let source = items(&versions)?
        .iter()
        .find(|one| one["kind"] == "restored")
        .context("restored")?;
    ensure!(source["restored_from"] == version, "{source}");
    let back = restored["before"].as_str().context("before")?;
    coordinator
        .post(
            &format!("/documents/{sheet}/restore"),
            json!({ "version": back }),
        )
        .await?
        .ok()?;
    let again = join(world, sheet, "aoba-houkatsu").await?;
    ensure!(field_text(&again.doc, "summary").contains("これは取り消したい。"));
    let urgency = again
        .doc
        .get_or_insert_map("fields")
        .get(&again.doc.transact(), "urgency");
    ensure!(
        matches!(&urgency, Some(Out::Any(value)) if value.to_string() == "a"),
        "{urgency:?}"
    );

    // It is the coordinator's doing, not the agency's, and stands in the log of who did what.
    let told = history(&coordinator, sheet, "?field=summary").await?;
    ensure!(
        items(&told)?.iter().any(|item| {
            item["parts"][0]["deleted"].as_u64() >= Some(10)
                && item["by"]["agency"]
                    .as_str()
                    .is_some_and(|name| name.contains("多機関協働室"))
        }),
        "{told}"
    );
    let log = world
        .as_user("aoba-auditor")?
        .get("/audit?limit=200")
        .await?
        .ok()?;
    for action in [
        "document.history",
        "document.compare",
        "document.keep_version",
        "document.restore",
    ] {
        ensure!(
            items(&log)?
                .iter()
                .any(|event| event["action"] == action && event.to_string().contains(sheet)),
            "{action} is not in the log"
        );
    }
    ensure!(
        !log.to_string().contains("会議の前"),
        "labels stay out of the log"
    );
    Ok(())
}

async fn who_may_not_gets_nothing(world: &World, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let versions = coordinator
        .get(&format!("/documents/{sheet}/versions"))
        .await?
        .ok()?;
    let version = items(&versions)?.first().context("a version")?["id"].clone();
    let version = version.as_str().context("id")?;
    let paths = [
        format!("/documents/{sheet}/history"),
        format!("/documents/{sheet}/versions"),
        format!("/documents/{sheet}/comparison?from={version}"),
    ];
    for stranger in [
        "aoba-masked",
        "aoba-outside",
        "aoba-admin",
        "aoba-auditor",
        "aoba-stat",
        "shiranami-coord",
    ] {
        let client = world.as_user(stranger)?;
        for path in &paths {
            let reply = client.get(path).await?;
            ensure!(
                reply.status == 404,
                "{path} as {stranger}: {}",
                reply.status
            );
            no_canary(path, &reply.text())?;
        }
        for (path, body) in [
            (
                format!("/documents/{sheet}/versions"),
                json!({"label": "x"}),
            ),
            (
                format!("/documents/{sheet}/restore"),
                json!({ "version": version }),
            ),
        ] {
            let reply = client.post(&path, body).await?;
            ensure!(
                reply.status == 404,
                "{path} as {stranger}: {}",
                reply.status
            );
        }
    }
    // A reader sees and changes nothing.
    let reader = world.as_user("aoba-viewer")?;
    for path in &paths {
        ensure!(reader.get(path).await?.status == 200, "{path}");
    }
    let refused = reader
        .post(
            &format!("/documents/{sheet}/restore"),
            json!({ "version": version }),
        )
        .await?;
    ensure!(refused.status == 403, "{}", refused.text());
    // A protected address makes every agency a masked reader: the past has the address too.
    let protected = world.case(PROTECTED_CASE).await?;
    let closed = protected.document("assessment");
    let reply = world
        .as_user("aoba-houkatsu")?
        .get(&format!("/documents/{closed}/history"))
        .await?;
    ensure!(reply.status == 404, "{}", reply.status);
    // No id reaches beyond the document and its present generation.
    for id in ["2-1", "1-999999", "now", "1-1' OR 1=1", ""] {
        let path = format!("/documents/{sheet}/restore");
        let reply = coordinator.post(&path, json!({ "version": id })).await?;
        ensure!(reply.status == 404, "{id}: {}", reply.status);
        let path = format!("/documents/{closed}/comparison?from={version}");
        ensure!(
            coordinator.get(&path).await?.status == 404,
            "another document's version"
        );
    }
    Ok(())
}

/// A final sheet is not taken back; opened for a correction it is.
async fn a_final_sheet_stays(world: &World, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let kept = coordinator
        .post(
            &format!("/documents/{sheet}/versions"),
            json!({"label": "前"}),
        )
        .await?
        .ok()?;
    let mut writer = join(world, sheet, "aoba-coord").await?;
    let form = coordinator.get("/forms/intake_assessment").await?.ok()?;
    let mut last = 0;
    for _ in 0..5 {
        let finalised = coordinator
            .post(&format!("/documents/{sheet}/finalise"), json!({}))
            .await?;
        last = finalised.status.as_u16();
        if last == 200 {
            break;
        }
        ensure!(finalised.status == 422, "{}", finalised.text());
        // What its rules still ask for, field by field.
        let missing = finalised.json["fields"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        ensure!(!missing.is_empty(), "{}", finalised.text());
        for problem in missing {
            let field = problem["path"].as_str().context("path")?.to_owned();
            fill(&writer.doc, &form, &field)?;
        }
        writer.push().await?;
        writer.barrier().await?;
    }
    ensure!(last == 200, "never final: {last}");
    let path = format!("/documents/{sheet}/restore");
    let restore = || coordinator.post(&path, json!({ "version": kept["id"] }));
    let refused = restore().await?;
    ensure!(
        refused.status == 409 && refused.code() == "final",
        "{}",
        refused.text()
    );
    coordinator
        .post(&format!("/documents/{sheet}/reopen"), json!({}))
        .await?;
    ensure!(restore().await?.status == 200);
    Ok(())
}

/// Something that a required field takes, by its definition.
pub fn fill(doc: &Doc, form: &Value, field: &str) -> Result<()> {
    let sections = form["sections"].as_array().context("sections")?;
    let definition = sections
        .iter()
        .flat_map(|section| section["fields"].as_array().into_iter().flatten())
        .find(|one| one["id"] == field)
        .with_context(|| format!("{field} in the form"))?;
    let code = form["lists"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|list| list["id"] == definition["options"])
        .and_then(|list| list["options"][0]["code"].as_str());
    let root = doc.get_or_insert_map("fields");
    let present = root.get(&doc.transact(), field);
    let mut txn = doc.transact_mut();
    match (present, code) {
        (Some(Out::YText(text)), _) => text.push(&mut txn, "未聴取"),
        (Some(Out::YMap(options)), Some(code)) => {
            options.insert(&mut txn, code, true);
        }
        (_, Some(code)) => {
            root.insert(&mut txn, field, code);
        }
        _ => {
            root.insert(&mut txn, field, "2026-11-02");
        }
    }
    Ok(())
}

/// What was written before a restart is told after it, and the end of the work was kept.
async fn it_outlives_the_process(world: &mut World, sheet: &str) -> Result<()> {
    let before = history(&world.as_user("aoba-coord")?, sheet, "?field=summary").await?;
    world.server.kill()?;
    world.server.launch()?;
    let after = history(&world.as_user("aoba-coord")?, sheet, "?field=summary").await?;
    ensure!(before["items"] == after["items"], "{before} ≠ {after}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_a_sheet() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?;
        let sheet = case.document("assessment").to_owned();
        step("told apart", two_agencies_are_told_apart(&world, &sheet)).await?;
        step("forged", a_forged_author_does_not_appear(&world, &sheet)).await?;
        step("compare and restore", compare_and_restore(&world, &sheet)).await?;
        step("who may not", who_may_not_gets_nothing(&world, &sheet)).await?;
        step("final", a_final_sheet_stays(&world, &sheet)).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        step("restart", it_outlives_the_process(&mut world, &sheet)).await
    })
    .await;
}
