//! Fields that a municipality adds to its sheets: while the sheet is open, masked, final, renamed and
//! withdrawn, and unknown to everybody else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Peer, each_database};
use serde_json::{Value, json};
use yrs::{Doc, Map, Out, Transact};

use crate::history::fill;
use crate::world::{OPEN_CASE, World, field_text, step, type_field};

const FORM: &str = "intake_assessment";

async fn join(world: &World, document: &str, login_id: &str) -> Result<Peer> {
    Peer::join(&world.server.url, document, &world.token(login_id)?)
        .await
        .with_context(|| format!("{login_id} joins"))
}

/// What an administrator adds.
fn additions() -> Value {
    json!({
        "forms": { FORM: {
            "sections": [{ "id": "new_section", "title": "市独自の項目" }],
            "fields": [
                { "id": "new_name", "section": "new_section", "label": "地区の民生委員", "type": "text", "pii": "name", "person": "staff" },
                { "id": "new_text", "section": "new_section", "label": "地区のようす", "type": "textarea", "pii": "free_text" },
                { "id": "new_choice", "section": "basic", "label": "見守りの頻度", "type": "select", "options": "new_list" },
            ],
        } },
        "lists": [{ "id": "new_list", "title": "頻度", "options": [{ "code": "new_daily", "label": "毎日" }, { "code": "new_weekly", "label": "毎週" }] }],
        "options": {},
    })
}

async fn draft(admin: &Client, extension: &Value) -> Result<Value> {
    let before = admin.get("/local-forms").await?.ok()?;
    let body = json!({ "revision": before["draft"]["revision"], "extension": extension });
    admin.put("/local-forms/draft", body).await?.ok()
}

async fn publish(admin: &Client, extension: &Value, note: &str) -> Result<Value> {
    let kept = draft(admin, extension).await?;
    let problems = &kept["draft"]["problems"];
    ensure!(*problems == json!([]), "{problems}");
    let body = json!({ "revision": kept["draft"]["revision"], "note": note });
    let made = admin.post("/local-forms/publications", body).await?.ok()?;
    Ok(made["published"].clone())
}

fn own(extension: &Value, at: usize) -> Result<String> {
    let id = extension["forms"][FORM]["fields"][at]["id"].as_str();
    Ok(id.context("own field")?.to_owned())
}

/// The field of a definition, if it has one of that id.
fn field_of<'a>(form: &'a Value, id: &str) -> Option<&'a Value> {
    let sections = form["sections"].as_array()?;
    let mut fields = sections
        .iter()
        .filter_map(|s| s["fields"].as_array())
        .flatten();
    fields.find(|field| field["id"] == id)
}

fn has_text(doc: &Doc, field: &str) -> bool {
    let root = doc.get_or_insert_map("fields");
    matches!(root.get(&doc.transact(), field), Some(Out::YText(_)))
}

/// Added while two people have the sheet open: both get the fields and write into them at once.
async fn added_to_an_open_sheet(world: &World, sheet: &str) -> Result<Value> {
    let mut first = join(world, sheet, "aoba-coord").await?;
    let mut second = join(world, sheet, "aoba-houkatsu").await?;
    // Under way while it is published: nothing of it is lost.
    type_field(&first.doc, "summary", "公開の前から書いている。")?;
    first.push().await?;
    let admin = world.as_user("aoba-admin")?;
    let published = publish(&admin, &additions(), "地区の見守りを記録するため").await?;
    let (name, text, choice) = (
        own(&published, 0)?,
        own(&published, 1)?,
        own(&published, 2)?,
    );
    for id in [&name, &text, &choice] {
        ensure!(id.starts_with("x_"), "{id}");
    }
    type_field(&first.doc, "summary", "公開の後も。")?;
    first.push().await?;
    let grown = |doc: &Doc| has_text(doc, &name) && has_text(doc, &text);
    first.until(grown).await?;
    second.until(grown).await?;
    type_field(&first.doc, &name, "鳩羽 文枝")?;
    type_field(&first.doc, &text, "回覧板は続いている。")?;
    type_field(&second.doc, &text, "夏祭りに来ている。")?;
    first.push().await?;
    second.push().await?;
    let both = |doc: &Doc| {
        let read = field_text(doc, &text);
        read.contains("回覧板は続いている。") && read.contains("夏祭りに来ている。")
    };
    first.until(both).await?;
    second.until(both).await?;
    let weekly = published["lists"][0]["options"][1]["code"]
        .as_str()
        .context("code")?;
    let root = second.doc.get_or_insert_map("fields");
    root.insert(&mut second.doc.transact_mut(), choice.as_str(), weekly);
    second.push().await?;
    second.barrier().await?;
    first.barrier().await?;
    let third = join(world, sheet, "aoba-coord2").await?;
    ensure!(both(&third.doc) && field_text(&third.doc, &name) == "鳩羽 文枝");
    let summary = field_text(&third.doc, "summary");
    ensure!(
        summary.contains("公開の前から書いている。") && summary.contains("公開の後も。"),
        "{summary}"
    );
    Ok(published)
}

/// Masked readers see a token, never the name; readers of the original see everything.
async fn masked_like_any(world: &World, sheet: &str, published: &Value) -> Result<()> {
    let (name, text, choice) = (own(published, 0)?, own(published, 1)?, own(published, 2)?);
    let masked = world.as_user("aoba-masked")?;
    let started = Instant::now();
    loop {
        let projection = masked
            .get(&format!("/documents/{sheet}/projection"))
            .await?
            .ok()?;
        let fields = &projection["fields"];
        ensure!(!projection.to_string().contains("鳩羽"), "{projection}");
        let done = fields[&name]["text"]
            .as_str()
            .is_some_and(|token| token.starts_with('［'))
            && fields[&text]["text"]
                .as_str()
                .is_some_and(|words| words.contains("夏祭り"));
        if done {
            ensure!(fields[&choice]["value"].is_string(), "{}", fields[&choice]);
            break;
        }
        ensure!(
            started.elapsed() < Duration::from_secs(30),
            "never masked: {fields}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let print = world
        .as_user("aoba-houkatsu")?
        .get(&format!("/documents/{sheet}/projection?print=true"))
        .await?
        .ok()?;
    ensure!(
        print["fields"][&text]["text"]
            .to_string()
            .contains("夏祭り"),
        "{print}"
    );
    Ok(())
}

async fn finalise(world: &World, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let form = coordinator.get(&format!("/forms/{FORM}")).await?.ok()?;
    let mut writer = join(world, sheet, "aoba-coord").await?;
    for _ in 0..5 {
        let reply = coordinator
            .post(&format!("/documents/{sheet}/finalise"), json!({}))
            .await?;
        if reply.status == 200 {
            return Ok(());
        }
        ensure!(reply.status == 422, "{}", reply.text());
        for problem in reply.json["fields"].as_array().context("fields")? {
            fill(
                &writer.doc,
                &form,
                problem["path"].as_str().context("path")?,
            )?;
        }
        writer.push().await?;
        writer.barrier().await?;
    }
    anyhow::bail!("never final")
}

/// A final keeps the label of its time, whatever is renamed and withdrawn later.
async fn finals_keep_their_words(world: &World, sheet: &str, published: &Value) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    finalise(world, sheet).await?;
    let info = coordinator
        .get(&format!("/documents/{sheet}"))
        .await?
        .ok()?;
    ensure!(info["forms_version"] == 1, "{info}");
    let (name, text) = (own(published, 0)?, own(published, 1)?);
    let mut next = published.clone();
    next["forms"][FORM]["fields"][0]["label"] = json!("担当の民生委員");
    next["forms"][FORM]["fields"][1]["retired"] = json!(true);
    next["forms"][FORM]["fields"][1]["label"] = json!("地域のようす");
    let admin = world.as_user("aoba-admin")?;
    publish(&admin, &next, "言い方をそろえるため").await?;
    let then = coordinator
        .get(&format!("/forms/{FORM}?version=1"))
        .await?
        .ok()?;
    let now = coordinator.get(&format!("/forms/{FORM}")).await?.ok()?;
    let label = |form: &Value, id: &str| field_of(form, id).map(|field| field["label"].clone());
    ensure!(
        label(&then, &name) == Some(json!("地区の民生委員")),
        "{:?}",
        label(&then, &name)
    );
    ensure!(
        label(&now, &name) == Some(json!("担当の民生委員")),
        "{:?}",
        label(&now, &name)
    );
    ensure!(field_of(&now, &text).is_some_and(|field| field["retired"] == true));
    ensure!(field_of(&then, &text).is_some_and(|field| field["retired"].is_null()));
    let info = coordinator
        .get(&format!("/documents/{sheet}"))
        .await?
        .ok()?;
    ensure!(
        info["forms_version"] == 1,
        "the final stays under its version: {info}"
    );
    // What was written into the withdrawn field is still printed.
    let path = format!("/documents/{sheet}/projection?print=true");
    let print = coordinator.get(&path).await?.ok()?;
    ensure!(
        print["fields"][&text]["text"]
            .to_string()
            .contains("夏祭り"),
        "{print}"
    );
    let reopen = coordinator
        .post(&format!("/documents/{sheet}/reopen"), json!({}))
        .await?;
    ensure!(reopen.status.is_success(), "{}", reopen.text());
    finalise(world, sheet).await?;
    let info = coordinator
        .get(&format!("/documents/{sheet}"))
        .await?
        .ok()?;
    ensure!(info["forms_version"] == 2, "{info}");
    let history = admin.get("/local-forms").await?.ok()?["history"].clone();
    ensure!(
        history[0]["version"] == 2 && history[0]["retired"] == 1,
        "{history}"
    );
    ensure!(
        history[1]["note"] == "地区の見守りを記録するため",
        "{history}"
    );
    Ok(())
}

/// Nothing of it reaches another municipality.
async fn nobody_else_sees_it(world: &World, published: &Value) -> Result<()> {
    let other = world.as_user("shiranami-coord")?;
    let form = other.get(&format!("/forms/{FORM}")).await?.ok()?;
    ensure!(!form.to_string().contains("地区の民生委員"));
    ensure!(field_of(&form, &own(published, 0)?).is_none());
    for version in [1, 2] {
        let reply = other
            .get(&format!("/forms/{FORM}?version={version}"))
            .await?;
        ensure!(reply.status == 404, "version {version}: {}", reply.status);
    }
    let theirs = world
        .as_user("shiranami-admin")?
        .get("/local-forms")
        .await?
        .ok()?;
    ensure!(
        theirs["version"] == 0 && theirs["history"] == json!([]),
        "{theirs}"
    );
    Ok(())
}

/// What cannot be published is named; two administrators do not overwrite each other.
async fn mistakes_are_refused(world: &World, published: &Value) -> Result<()> {
    let admin = world.as_user("aoba-admin")?;
    let mut next = published.clone();
    let fields = next["forms"][FORM]["fields"]
        .as_array_mut()
        .context("fields")?;
    fields.remove(0);
    let kept = draft(&admin, &next).await?;
    ensure!(
        kept["draft"]["problems"][0]["code"] == "published",
        "{}",
        kept["draft"]["problems"]
    );
    let revision = kept["draft"]["revision"].clone();
    let body = json!({ "revision": revision, "note": "試し" });
    let reply = admin.post("/local-forms/publications", body).await?;
    ensure!(reply.status == 422, "{}", reply.text());
    let staff = world.as_user("aoba-staff")?;
    draft(&staff, published).await?;
    let late = json!({ "revision": revision, "extension": published });
    let reply = admin.put("/local-forms/draft", late).await?;
    ensure!(
        reply.status == 409 && reply.code() == "stale_draft",
        "{}",
        reply.text()
    );
    // An id that the server never gave.
    let mut forged = published.clone();
    forged["forms"][FORM]["fields"][0]["id"] = json!("x_aaaaaa");
    let now = admin.get("/local-forms").await?.ok()?;
    let body = json!({ "revision": now["draft"]["revision"], "extension": forged });
    ensure!(admin.put("/local-forms/draft", body).await?.status == 422);
    let dropped = admin.delete("/local-forms/draft").await?.ok()?;
    ensure!(dropped["draft"].is_null(), "{dropped}");
    Ok(())
}

/// After a restart the room is loaded from the log, and nothing is added twice.
async fn it_outlives_the_process(world: &mut World, sheet: &str, published: &Value) -> Result<()> {
    let text = own(published, 1)?;
    world.server.kill()?;
    world.server.launch()?;
    let peer = join(world, sheet, "aoba-coord").await?;
    ensure!(field_text(&peer.doc, &text).contains("夏祭り"));
    let (sound, said) = world.server.doctor()?;
    ensure!(sound, "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn own_fields_of_a_municipality() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?;
        let sheet = case.document("assessment").to_owned();
        let published = added_to_an_open_sheet(&world, &sheet)
            .await
            .context("added to an open sheet")?;
        step("masked", masked_like_any(&world, &sheet, &published)).await?;
        step(
            "finals",
            finals_keep_their_words(&world, &sheet, &published),
        )
        .await?;
        step("others", nobody_else_sees_it(&world, &published)).await?;
        let admin = world.as_user("aoba-admin")?;
        let now = admin.get("/local-forms").await?.ok()?["published"].clone();
        step("mistakes", mistakes_are_refused(&world, &now)).await?;
        step(
            "restart",
            it_outlives_the_process(&mut world, &sheet, &published),
        )
        .await
    })
    .await;
}
