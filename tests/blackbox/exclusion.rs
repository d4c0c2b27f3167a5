//! 除外: whoever is shut out of a case does not learn that it exists, though role, membership, matrix
//! and consent would let in; whoever is shut out of what is about one person learns nothing of that
//! person. Both stand in the fixtures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::{Peer, socket::Heard};
use reqwest::Method;
use serde_json::json;

use crate::{
    disclosure::{Planted, every_get},
    world::{Case, EXCLUDED_CASE, World},
};

/// Its names, addresses and words, and its number.
const CANARIES: &[&str] = &[
    EXCLUDED_CASE,
    "鵲橋",
    "かささぎばし",
    "尾長",
    "おなが",
    "0900-92-7777",
    "水車小屋",
];

fn nothing_of(what: &str, case: &Case, body: &str) -> Result<()> {
    let ids = [&case.id].into_iter().chain(case.documents.values());
    let persons = case
        .persons
        .iter()
        .filter_map(|person| person["person_id"].as_str());
    let found: Vec<&str> = CANARIES
        .iter()
        .copied()
        .chain(ids.map(String::as_str))
        .chain(persons)
        .filter(|told| body.contains(told))
        .collect();
    ensure!(found.is_empty(), "{what} tells {found:?}: {body}");
    Ok(())
}

async fn find(world: &World) -> Result<Planted> {
    let case = world.case(EXCLUDED_CASE).await?;
    let transcript = world
        .as_user("aoba-coord")?
        .post(
            &format!("/cases/{}/transcripts", case.id),
            json!({"text": "相談員：水車小屋はどうですか。\n本人：鵲橋です。眠れません。"}),
        )
        .await?
        .ok()?["id"]
        .as_str()
        .context("id")?
        .to_owned();
    Ok(Planted::of(case, transcript))
}

/// Nobody but the excluded is kept away: the case is there, also among the similar ones.
async fn others_see_it(world: &World, situation: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let found = world
            .as_user("aoba-coord")?
            .post("/similar", json!({ "text": situation }))
            .await?
            .text();
        if found.contains(EXCLUDED_CASE) {
            return Ok(());
        }
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "not found by whoever may: {found}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub async fn hides_existence(world: &World) -> Result<()> {
    let planted = find(world).await?;
    let case = &planted.case;
    let situation = "水車小屋の番をしてきた高齢者。妻を亡くしてから眠れず、家賃を滞納している。";
    others_see_it(world, situation).await?;
    for login_id in ["aoba-coord2", "aoba-houkatsu", "aoba-houkatsu-mgr"] {
        let client = world.as_user(login_id)?;
        let as_user = |what: &str| format!("{what} as {login_id}");
        for (operation, status, body) in every_get(world, &planted, &client).await? {
            nothing_of(&as_user(&operation), case, &body)?;
            let about_one = [
                "/cases/{id}",
                "/documents/{id}",
                "/persons/{id}",
                "/transcripts/{id}",
            ]
            .iter()
            .any(|path| operation.contains(path));
            // A capability the role never has is refused before anything is looked up.
            let never = operation.contains("/merge")
                || (operation.ends_with("/similar") && login_id != "aoba-coord2");
            let refused = status == 404 || (status == 403 && never);
            ensure!(
                !about_one || refused,
                "{}: {status} {body}",
                as_user(&operation)
            );
        }
        let listed = client.get("/cases").await?.ok()?;
        ensure!(
            listed["total"].as_u64() == listed["items"].as_array().map(|items| items.len() as u64),
            "counted though not listed: {listed}"
        );
        for words in [
            EXCLUDED_CASE,
            "鵲橋",
            "かささぎばし",
            "尾長 舞",
            "0900-92-7777",
            "1949-07-07",
        ] {
            for path in ["/cases/search", "/persons/search"] {
                let found = client.post(path, json!({ "q": words })).await?;
                nothing_of(&as_user(path), case, &found.text())?;
                ensure!(found.json["items"] == json!([]), "{}", found.text());
            }
        }
        // Everything that is true of the person proposes nobody.
        let found = client
            .post(
                "/persons/alike",
                json!({"name": "鵲橋 渡", "kana": "かささぎばし わたる", "birth_date": "1949-07-07", "phone": "0900-92-7777"}),
            )
            .await?;
        ensure!(found.json["items"] == json!([]), "{}", found.text());
        let similar = client
            .post("/similar", json!({ "text": situation }))
            .await?;
        ensure!(
            similar.status == if login_id == "aoba-coord2" { 200 } else { 403 },
            "{}",
            similar.text()
        );
        nothing_of(&as_user("POST /similar"), case, &similar.text())?;

        for (section, document) in &case.documents {
            let token = world.token(login_id)?;
            let mut peer = Peer::open(&world.server.url, document, &token).await?;
            let heard = loop {
                match peer.hear().await? {
                    Heard::Other => {}
                    heard => break heard,
                }
            };
            ensure!(
                matches!(heard, Heard::Refused { code: 3, .. }),
                "{section}: {heard:?}"
            );
        }
        let stream = client.open(&format!("/cases/{}/events", case.id)).await?;
        ensure!(stream.status() == 404, "events: {}", stream.status());

        let person = case.persons[0]["person_id"].as_str().context("person")?;
        let (sheet, transcript) = (case.document("assessment"), &planted.transcript);
        let entry =
            json!({"performed_on": "2026-10-20", "method": "visit", "content": "訪問した。"});
        let changes = [
            (
                Method::PATCH,
                format!("/cases/{}", case.id),
                json!({"version": -1}),
            ),
            (
                Method::POST,
                format!("/cases/{}/stage", case.id),
                json!({"stage": "assessing", "version": -1}),
            ),
            (
                Method::POST,
                format!("/cases/{}/progress-records", case.id),
                entry,
            ),
            (
                Method::POST,
                format!("/cases/{}/transcripts", case.id),
                json!({"text": "本人：はい。"}),
            ),
            (
                Method::POST,
                format!("/documents/{sheet}/finalise"),
                json!({}),
            ),
            (
                Method::POST,
                format!("/documents/{sheet}/masks/scan"),
                json!({}),
            ),
            (
                Method::PATCH,
                format!("/transcripts/{transcript}"),
                json!({"speakers": {}}),
            ),
            (
                Method::POST,
                format!("/transcripts/{transcript}/acceptances"),
                json!({"fields": []}),
            ),
            (
                Method::PATCH,
                format!("/persons/{person}"),
                json!({"version": -1}),
            ),
            (
                Method::POST,
                "/cases".to_owned(),
                json!({"received_on": "2026-11-01", "clients": [{"person_id": person}]}),
            ),
        ];
        for (method, path, body) in changes {
            let reply = client.request(method.clone(), &path, Some(body)).await?;
            // The agencies have no part in the register at all.
            let refused = reply.status == 404
                || (reply.status == 403
                    && path.starts_with("/persons")
                    && login_id != "aoba-coord2");
            ensure!(
                refused,
                "{}: {} {}",
                as_user(&format!("{method} {path}")),
                reply.status,
                reply.text()
            );
            nothing_of(&as_user(&path), case, &reply.text().replace(&case.id, ""))?;
        }
    }
    // 見え方の確認 says so, and figures name nobody.
    let houkatsu = world.agency("青葉地域包括支援センター").await?;
    let shown = world
        .as_user("aoba-coord")?
        .get(&format!("/cases/{}/view-as/{houkatsu}", case.id))
        .await?
        .ok()?;
    ensure!(
        shown["visible"] == false && shown["case"].is_null(),
        "{shown}"
    );
    for by in ["route", "issue"] {
        let figures = world
            .as_user("aoba-coord2")?
            .get(&format!(
                "/statistics/new-consultations?from=2026-08&to=2026-08&by={by}"
            ))
            .await?;
        nothing_of("statistics", case, &figures.text())?;
    }
    Ok(())
}

/// 青葉基幹 reads the case's sheets, and nothing about the younger sister.
pub async fn hides_a_person(world: &World) -> Result<()> {
    let case = world.case(EXCLUDED_CASE).await?;
    let (coordinator, kikan) = (world.as_user("aoba-coord")?, world.as_user("aoba-masked")?);
    let named = |name: &str| {
        let person = case.persons.iter().find(|person| person["name"] == name);
        person.with_context(|| name.to_owned())
    };
    let sister = named("尾長 舞")?["person_id"].as_str().context("id")?;
    let late = named("鵲橋 友")?;
    ensure!(
        late["age"] == 69 && late["deceased"] == true,
        "the dead grow older: {late}"
    );
    ensure!(named("鵲橋 渡")?["deceased"] == false);

    let path = format!("/cases/{}", case.id);
    let seen = kikan.get(&path).await?.ok()?;
    ensure!(
        seen["persons"]
            .as_array()
            .is_some_and(|persons| persons.len() == 2),
        "{}",
        seen["persons"]
    );
    ensure!(seen.to_string().contains("鵲橋 渡"), "{seen}");
    let mut bodies = vec![("the case", seen.to_string())];
    for (what, path) in [
        ("the list", "/cases".to_owned()),
        ("entries", format!("{path}/progress-records")),
        (
            "the sheet",
            format!("/documents/{}/projection", case.document("assessment")),
        ),
        ("the network", format!("{path}/network.svg")),
    ] {
        bodies.push((what, kikan.get(&path).await?.text()));
    }
    for words in ["尾長", "おなが まい", "1955-03-03"] {
        for path in ["/cases/search", "/persons/search"] {
            let found = kikan.post(path, json!({ "q": words })).await?;
            ensure!(found.json["items"] == json!([]), "{}", found.text());
        }
    }
    let sought = json!({"name": "尾長 舞", "kana": "おなが まい", "birth_date": "1955-03-03"});
    let found = kikan.post("/persons/alike", sought).await?;
    ensure!(found.json["items"] == json!([]), "{}", found.text());
    for (what, body) in bodies {
        ensure!(
            !body.contains("尾長") && !body.contains(sister) && !body.contains("妹への電話"),
            "{what} tells of the person: {body}"
        );
    }
    let person = kikan.get(&format!("/persons/{sister}")).await?;
    ensure!(person.status == 404, "{} {}", person.status, person.text());
    // Entries may be about everybody, so none is shown, and none dates the case.
    ensure!(
        seen["last_progress_on"].is_null(),
        "{}",
        seen["last_progress_on"]
    );
    let all = coordinator.get(&path).await?.ok()?;
    ensure!(
        all["last_progress_on"] == "2026-08-25",
        "{}",
        all["last_progress_on"]
    );
    Ok(())
}
