//! What must not be seen is not seen: canaries in every field, cell, label, entry and file name,
//! then every GET of the interface as somebody without a part and as a masked reader.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Peer, each_database, socket::Heard};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use yrs::{Any, Map, MapPrelim, Out, Transact};

use crate::world::{
    Case, OPEN_CASE, World, add_row, field_text, no_canary, operations, split, step, type_field,
};
use crate::{course, exclusion};

/// Every telephone number planted begins with this.
const PHONES: &str = "090-55";

/// Ids made while planting.
pub struct Planted {
    pub case: Case,
    pub transcript: String,
    texts: usize,
}

impl Planted {
    /// A case of the fixtures with a transcript, nothing else added.
    pub fn of(case: Case, transcript: String) -> Self {
        Self {
            case,
            transcript,
            texts: 0,
        }
    }
}

fn nothing_planted(what: &str, body: &str) -> Result<()> {
    no_canary(what, body)?;
    ensure!(
        !body.contains(PHONES),
        "{what} tells a telephone number: {body}"
    );
    Ok(())
}

async fn plant(world: &World) -> Result<Planted> {
    let coordinator = world.as_user("aoba-coord")?;
    let token = world.token("aoba-coord")?;
    let case = world.case(OPEN_CASE).await?;
    // Models load in the background.
    let started = Instant::now();
    while coordinator.get_raw("/readyz").await?.json["models"] != "ready" {
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "the models were not loaded within a minute"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut texts = 0;
    let mut canary = || {
        texts += 1;
        format!("鶸谷実里、{PHONES}01-{texts:04}")
    };
    for (section, form) in [
        ("intake", "intake_application"),
        ("assessment", "intake_assessment"),
    ] {
        let definition = coordinator.get(&format!("/forms/{form}")).await?.ok()?;
        let definition = definition.get("definition").cloned().unwrap_or(definition);
        let mut peer = Peer::join(&world.server.url, case.document(section), &token).await?;
        let sections = definition["sections"].as_array().context("sections")?;
        for field in sections
            .iter()
            .filter_map(|section| section["fields"].as_array())
            .flatten()
        {
            let id = field["id"].as_str().context("id")?;
            match field["type"].as_str().context("type")? {
                // Words that are read out are part of the form, not of the sheet.
                "text" | "textarea" if !["case_no", "apply_consent_text"].contains(&id) => {
                    type_field(&peer.doc, id, &canary())?
                }
                "table" => {
                    let columns = field["columns"].as_array().context("columns")?;
                    let cells: Vec<(String, String)> = columns
                        .iter()
                        .filter(|column| {
                            matches!(column["type"].as_str(), Some("text" | "textarea"))
                        })
                        .filter_map(|column| Some((column["id"].as_str()?.to_owned(), canary())))
                        .collect();
                    let cells: Vec<(&str, &str)> = cells
                        .iter()
                        .map(|(id, text)| (id.as_str(), text.as_str()))
                        .collect();
                    add_row(&peer.doc, id, "abcdefgh234567ab", &cells)?;
                }
                _ => continue,
            }
            peer.push().await?;
        }
        peer.barrier().await.with_context(|| section.to_owned())?;
    }
    let mut network = Peer::join(&world.server.url, case.document("network"), &token).await?;
    {
        let (nodes, ties) = (
            network.doc.get_or_insert_map("nodes"),
            network.doc.get_or_insert_map("ties"),
        );
        let mut txn = network.doc.transact_mut();
        let known: Vec<String> = nodes.keys(&txn).map(str::to_owned).collect();
        let to = known.first().context("a node")?.clone();
        nodes.insert(
            &mut txn,
            "abcdefgh234567ab",
            MapPrelim::from_iter([("kind", Any::from("group")), ("label", Any::from(canary()))]),
        );
        let tie = [
            ("family", Any::from("eco")),
            ("from", Any::from("abcdefgh234567ab")),
            ("to", Any::from(to)),
            ("kind", Any::from("normal")),
            ("note", Any::from(canary())),
        ];
        ties.insert(&mut txn, "abcdefgh234567ac", MapPrelim::from_iter(tie));
    }
    network.push().await?;
    network.barrier().await.context("network")?;
    let entry = json!({"performed_on": "2026-10-20", "method": "visit", "title": canary(), "content": format!("{}。青葉市鶸谷町5丁目4番3号を訪ねた。", canary())});
    coordinator
        .post(&format!("/cases/{}/progress-records", case.id), entry)
        .await?
        .ok()?;
    let transcript = coordinator
        .upload(
            &format!("/cases/{}/transcripts", case.id),
            "鶸谷実里090-5503-0001.txt",
            format!("相談員：{}\n本人：鶸谷です。\n", canary()).into_bytes(),
        )
        .await?;
    ensure!(
        !transcript.text().contains("5503"),
        "the file's name is kept"
    );
    let transcript = transcript.ok()?["id"].as_str().context("id")?.to_owned();
    for section in ["intake", "assessment"] {
        coordinator
            .post(
                &format!("/documents/{}/masks/scan", case.document(section)),
                json!({}),
            )
            .await?
            .ok()?;
    }
    // 11 and 34 text fields and 8 text columns of the two forms, and the network's.
    ensure!(texts >= 53, "only {texts} places planted");
    Ok(Planted {
        case,
        transcript,
        texts,
    })
}

/// Every GET of the interface with the planted ids; the answers by operation.
pub async fn every_get(
    world: &World,
    planted: &Planted,
    client: &Client,
) -> Result<Vec<(String, StatusCode, String)>> {
    let case = &planted.case;
    let mut answers = Vec::new();
    for operation in operations(client).await? {
        let (method, template) = split(&operation)?;
        if method != Method::GET
            || ["/healthz", "/readyz", "/metrics", "/session"].contains(&template)
        {
            continue;
        }
        let person = case.persons[0]["person_id"].as_str().context("person")?;
        let ids: Vec<&str> = match template.split('/').nth(1).unwrap_or_default() {
            "cases" => vec![&case.id],
            "documents" => vec![
                case.document("intake"),
                case.document("assessment"),
                case.document("network"),
            ],
            "persons" => vec![person],
            "transcripts" => vec![&planted.transcript],
            _ => vec!["intake_assessment"],
        };
        for id in ids {
            let mut path = template
                .replace("{id}", id)
                .replace("{seq}", "1")
                .replace("{agency_id}", &world.agency("青葉生活サポート").await?);
            if template.starts_with("/statistics") {
                path.push_str("?from=2026-09&to=2026-11");
            }
            if template.ends_with("/comparison") {
                path.push_str("?from=1-1&to=now");
            }
            let reply = client.get(&path).await?;
            answers.push((operation.clone(), reply.status, reply.text()));
        }
    }
    Ok(answers)
}

async fn without_a_part(world: &World, planted: &Planted) -> Result<()> {
    let outside = world.as_user("aoba-outside")?;
    for (operation, status, body) in every_get(world, planted, &outside).await? {
        nothing_planted(&operation, &body)?;
        let about_one = [
            "/cases/{id}",
            "/documents/{id}",
            "/persons/{id}",
            "/transcripts/{id}",
        ]
        .iter()
        .any(|path| operation.contains(path));
        // A capability the role never has is refused before anything is looked up.
        let never = operation.ends_with("/similar") || operation.contains("/merge");
        let refused = status == 404 || (status == 403 && never);
        ensure!(!about_one || refused, "{operation}: {status} {body}");
    }
    let persons = outside
        .post("/persons/search", json!({"q": "鶸谷"}))
        .await?
        .text();
    nothing_planted("search", &persons)?;
    let found = outside.get("/cases").await?.ok()?;
    ensure!(
        found["items"] == json!([]) && found["total"] == 0,
        "{found}"
    );
    Ok(())
}

async fn masked_reader(world: &World, planted: &Planted) -> Result<()> {
    let masked = world.as_user("aoba-masked")?;
    for section in ["intake", "assessment", "network"] {
        let mut peer = Peer::open(
            &world.server.url,
            planted.case.document(section),
            &world.token("aoba-masked")?,
        )
        .await?;
        let heard = loop {
            match peer.hear().await? {
                Heard::Other => {}
                heard => break heard,
            }
        };
        ensure!(
            matches!(heard, Heard::Refused { code: 8, .. }),
            "{section}: {heard:?}"
        );
    }
    let answers = every_get(world, planted, &masked).await?;
    ensure!(
        answers
            .iter()
            .filter(
                |(operation, status, _)| operation == "GET /documents/{id}/projection"
                    && status.is_success()
            )
            .count()
            == 2
    );
    for (operation, _, body) in &answers {
        nothing_planted(operation, body)?;
    }
    // A name that may not be read may not be guessed either.
    let guessed = masked
        .post("/cases/search", json!({"q": "鶸谷"}))
        .await?
        .ok()?;
    ensure!(
        guessed["items"] == json!([]),
        "found by a masked name: {guessed}"
    );
    nothing_planted(
        "search",
        &masked
            .post("/persons/search", json!({"q": "鶸谷"}))
            .await?
            .text(),
    )?;
    let projection = masked
        .get(&format!(
            "/documents/{}/projection",
            planted.case.document("assessment")
        ))
        .await?
        .ok()?;
    ensure!(
        projection["fields"]["summary"]["text"]
            .as_str()
            .is_some_and(|text| text.contains('［')),
        "{}",
        projection["fields"]["summary"]
    );
    let texts = answers
        .iter()
        .filter(|(operation, ..)| operation.ends_with("progress-records"));
    ensure!(
        texts.map(|(.., body)| body).all(|body| body.contains('［')),
        "entries are not shown at all"
    );
    Ok(())
}

/// Polls the projection until `done`.
async fn projected(
    client: &Client,
    document: &str,
    field: &str,
    done: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let started = Instant::now();
    loop {
        let projection = client
            .get(&format!("/documents/{document}/projection"))
            .await?
            .ok()?;
        let shown = projection["fields"][field].clone();
        if done(&shown) {
            return Ok(shown);
        }
        ensure!(
            started.elapsed() < Duration::from_secs(20),
            "after 20 s still {shown}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn review(world: &World, planted: &Planted) -> Result<()> {
    let (coordinator, masked) = (world.as_user("aoba-coord")?, world.as_user("aoba-masked")?);
    let sheet = planted.case.document("assessment");
    let shown = projected(&masked, sheet, "strengths", |shown| {
        shown["withheld"] == false
    })
    .await?;
    ensure!(!shown.to_string().contains(PHONES), "{shown}");

    let masks = coordinator
        .get(&format!("/documents/{sheet}"))
        .await?
        .ok()?["masks_document_id"]
        .as_str()
        .context("masks")?
        .to_owned();
    let mut outsider =
        Peer::open(&world.server.url, &masks, &world.token("aoba-houkatsu")?).await?;
    let heard = outsider.hear().await?;
    ensure!(
        matches!(heard, Heard::Refused { .. }),
        "only reviewers open the masks: {heard:?}"
    );
    let mut reviewer = Peer::join(&world.server.url, &masks, &world.token("aoba-coord")?).await?;
    let account = world.account("aoba-coord").await?;
    let rejected = {
        let spans = reviewer.doc.get_or_insert_map("spans");
        let mut txn = reviewer.doc.transact_mut();
        let keys: Vec<String> = spans.keys(&txn).map(str::to_owned).collect();
        let mut rejected = 0;
        for key in keys {
            let Some(Out::YMap(span)) = spans.get(&txn, &key) else {
                continue;
            };
            let read = |name: &str| match span.get(&txn, name) {
                Some(Out::Any(Any::String(text))) => text.to_string(),
                _ => String::new(),
            };
            if read("field") == "strengths" && read("label").to_lowercase().contains("phone") {
                span.insert(&mut txn, "status", "rejected");
                span.insert(&mut txn, "by", account.as_str());
                span.insert(&mut txn, "at", "2026-11-22T01:02:03.456Z");
                rejected += 1;
            }
        }
        rejected
    };
    ensure!(rejected == 1, "{rejected} telephone spans in strengths");
    reviewer.push().await?;
    reviewer.barrier().await?;
    let shown = projected(&masked, sheet, "strengths", |shown| {
        shown.to_string().contains(PHONES)
    })
    .await?;
    ensure!(
        !shown.to_string().contains("鶸谷"),
        "only the rejected span is shown: {shown}"
    );

    // Typed after the scan: not shown before it was looked at, and masked afterwards.
    let mut peer = Peer::join(&world.server.url, sheet, &world.token("aoba-coord")?).await?;
    type_field(
        &peer.doc,
        "assets",
        "。来月から通所を始める。連絡先は090-5577-0001",
    )?;
    peer.push().await?;
    peer.barrier().await?;
    let at_once = masked
        .get(&format!("/documents/{sheet}/projection"))
        .await?
        .ok()?;
    ensure!(
        at_once["fields"]["assets"]["withheld"] == true,
        "{}",
        at_once["fields"]["assets"]
    );
    ensure!(
        !at_once.to_string().contains("来月から通所を始める"),
        "shown before it was looked at"
    );
    let later = projected(&masked, sheet, "assets", |shown| shown["withheld"] == false).await?;
    ensure!(
        later.to_string().contains("来月から通所を始める") && !later.to_string().contains("5577"),
        "{later}"
    );
    Ok(())
}

async fn sharing_and_ending_it(world: &World, planted: &Planted) -> Result<()> {
    let (coordinator, outside) = (world.as_user("aoba-coord")?, world.as_user("aoba-outside")?);
    let agency = world.agency("青葉生活サポート").await?;
    let (case, sheet) = (&planted.case.id, planted.case.document("assessment"));
    let members = format!("/cases/{case}/members");
    let wish = |confirmation: Value| json!({"agency_id": agency, "disclosures": [{"section": "assessment", "level": "read"}], "confirmation": confirmation});

    let asked = coordinator.post(&members, wish(Value::Null)).await?;
    ensure!(
        asked.status == 409 && asked.code() == "consent_confirmation_required",
        "{} {}",
        asked.status,
        asked.text()
    );
    ensure!(
        asked.json["persons"][0]["display"] == "鶸谷 実里"
            && asked.json["agencies"][0]["id"] == agency.as_str(),
        "{}",
        asked.text()
    );
    ensure!(
        asked.json["bases"]
            .as_array()
            .is_some_and(|bases| bases.iter().any(|basis| basis["id"] == "life_protection")),
        "{}",
        asked.text()
    );
    for confirmation in [
        json!({"basis": "life_protection", "reason": " "}),
        json!({"basis": "consent", "reason": "同意があるはず"}),
        json!({"basis": "nothing", "reason": "理由"}),
        json!({"basis": "support_meeting", "reason": "会議で決めた"}),
    ] {
        let refused = coordinator
            .post(&members, wish(confirmation.clone()))
            .await?;
        ensure!(
            refused.status == 422,
            "{confirmation}: {} {}",
            refused.status,
            refused.text()
        );
    }
    let listed = coordinator.get(&members).await?.text();
    ensure!(
        !listed.contains(&agency),
        "a member before it was confirmed: {listed}"
    );
    ensure!(
        outside.get(&format!("/cases/{case}")).await?.status == 404,
        "visible before it was confirmed"
    );

    let confirmed = coordinator
        .post(
            &members,
            wish(json!({"basis": "life_protection", "reason": "安否を確かめるため"})),
        )
        .await?;
    ensure!(
        confirmed.status == 201,
        "{} {}",
        confirmed.status,
        confirmed.text()
    );
    outside.get(&format!("/cases/{case}")).await?.ok()?;
    ensure!(
        outside
            .get(&format!("/documents/{sheet}/projection"))
            .await?
            .text()
            .contains("鶸谷実里"),
        "閲覧 shows the text"
    );
    ensure!(
        outside
            .get(&format!("/documents/{}", planted.case.document("intake")))
            .await?
            .status
            == 404,
        "one section was shared, not two"
    );
    let mut peer = Peer::join(&world.server.url, sheet, &world.token("aoba-outside")?).await?;
    ensure!(field_text(&peer.doc, "summary").contains("鶸谷実里"));

    let ended = Instant::now();
    coordinator
        .delete(&format!("{members}/{agency}"))
        .await?
        .ok()?;
    loop {
        match peer.hear().await? {
            Heard::Refused { .. } | Heard::Closed => break,
            _ => {}
        }
    }
    ensure!(
        ended.elapsed() < Duration::from_secs(1),
        "the socket stayed open for {:?}",
        ended.elapsed()
    );
    without_a_part(world, planted)
        .await
        .context("after it ended")
}

/// What the partner may not see does not show in the case's line nor on its stream either.
async fn lines_and_streams_tell_no_more(world: &World, planted: &Planted) -> Result<()> {
    let (coordinator, masked) = (world.as_user("aoba-coord")?, world.as_user("aoba-masked")?);
    let case = &planted.case.id;
    let line = async || {
        let list = masked.get("/cases").await?.ok()?;
        let items = list["items"].as_array().context("items")?;
        let found = items.iter().find(|one| one["id"] == case.as_str());
        let found = found.context("the case")?;
        anyhow::Ok((
            found["last_progress_on"].clone(),
            found["updated_at"].clone(),
        ))
    };
    let before = line().await?;
    let mut stream = masked.open(&format!("/cases/{case}/events")).await?;
    ensure!(stream.status() == 200, "{}", stream.status());
    let entry = |visibility: &str, day: &str| json!({"performed_on": day, "method": "visit", "title": "訪問", "content": "様子を見た。", "visibility": visibility});
    let add = async |entry: Value| {
        coordinator
            .post(&format!("/cases/{case}/progress-records"), entry)
            .await?
            .ok()
    };
    add(entry("own_org", "2026-11-19")).await?;
    ensure!(
        line().await? == before,
        "an entry that is not shown tells of itself: {before:?}"
    );
    add(entry("case_members", "2026-11-18")).await?;
    let after = line().await?;
    ensure!(
        after.0 == "2026-11-18" && after.1 != before.1,
        "{before:?} → {after:?}"
    );
    // Both are long on their way when nothing more comes for two seconds.
    let mut heard = String::new();
    while let Ok(chunk) = tokio::time::timeout(Duration::from_secs(2), stream.chunk()).await {
        heard.push_str(&String::from_utf8_lossy(
            &chunk?.context("the stream ended")?,
        ));
    }
    ensure!(
        heard.matches("event: progress").count() == 1,
        "told of what is not shown: {heard}"
    );
    nothing_planted("stream", &heard)
}

/// An account has a score of streams and no more; one that ends makes room.
async fn streams_are_bounded(world: &World, planted: &Planted) -> Result<()> {
    let reader = world.as_user("aoba-viewer")?;
    let path = format!("/cases/{}/events", planted.case.id);
    let mut open = Vec::new();
    for n in 0..20 {
        let stream = reader.open(&path).await?;
        ensure!(stream.status() == 200, "{n}: {}", stream.status());
        open.push(stream);
    }
    let refused = reader.get(&path).await?;
    ensure!(
        refused.status == 429
            && refused.code() == "too_many_streams"
            && refused.json["message"]
                .as_str()
                .is_some_and(|message| message.contains("画面")),
        "{} {}",
        refused.status,
        refused.text()
    );
    ensure!(
        world.as_user("aoba-masked")?.open(&path).await?.status() == 200,
        "others have their own"
    );
    open.pop();
    let started = Instant::now();
    while reader.open(&path).await?.status() != 200 {
        ensure!(
            started.elapsed() < Duration::from_secs(20),
            "a stream that ended still counts"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn disclosure() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        let planted = plant(&world).await.context("planting")?;
        println!("{} canaries planted", planted.texts);
        step("without a part", without_a_part(&world, &planted)).await?;
        step("masked reader", masked_reader(&world, &planted)).await?;
        step("excluded", exclusion::hides_existence(&world)).await?;
        step("excluded about a person", exclusion::hides_a_person(&world)).await?;
        step(
            "lines and streams",
            lines_and_streams_tell_no_more(&world, &planted),
        )
        .await?;
        step("bounded streams", streams_are_bounded(&world, &planted)).await?;
        step("sharing", sharing_and_ending_it(&world, &planted)).await?;
        step("review", review(&world, &planted)).await?;
        step("steps", course::steps_and_what_they_need(&world)).await?;
        step("requests", course::requests_between_agencies(&world)).await?;
        step("not asked", course::the_excluded_are_not_asked(&world)).await
    })
    .await;
}
