//! `musubi demo --cases N`: cases made in bulk are cases like any other. They are listed, opened, read,
//! printed, found and counted by those who may, and nothing of one shows in another.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use musubi_tests::{
    Client, Database, Server, database::fresh_postgres, each_database, server::fixture,
};
use serde_json::{Value, json};

use crate::world::step;

/// More than what is made in the ordinary way: most are copies.
const MANY: usize = 24;
const LOADED: usize = 3;

async fn listed(client: &Client, query: &str) -> Result<(Vec<Value>, usize)> {
    let (mut out, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client
            .get(&format!("/cases?limit=7{query}{cursor}"))
            .await?
            .ok()?;
        let total = usize::try_from(page["total"].as_u64().context("total")?)?;
        out.extend(page["items"].as_array().context("items")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => {
                cursor = format!("&cursor={}", next.replace('~', "%7E").replace(':', "%3A"))
            }
            None => return Ok((out, total)),
        }
    }
}

async fn they_are_listed(server: &Server) -> Result<Vec<Value>> {
    let coordinator = server.client_of("aoba-coord")?;
    let (all, total) = listed(&coordinator, "").await?;
    ensure!(all.len() == MANY + LOADED && total == all.len(), "{total}");
    let numbers: BTreeSet<&str> = all
        .iter()
        .filter_map(|case| case["case_no"].as_str())
        .collect();
    ensure!(
        numbers.len() == all.len(),
        "numbers are taken twice: {numbers:?}"
    );
    let times: Vec<&str> = all
        .iter()
        .filter_map(|case| case["updated_at"].as_str())
        .collect();
    ensure!(
        times.is_sorted_by(|a, b| a >= b),
        "not the newest first: {times:?}"
    );
    // A partner sees what it was given, no more and no less than a filter of its own list.
    let partner = server.client_of("aoba-houkatsu")?;
    let (seen, total) = listed(&partner, "").await?;
    ensure!(seen.len() == total && total > LOADED, "{total}");
    let ids: BTreeSet<&str> = all.iter().filter_map(|case| case["id"].as_str()).collect();
    ensure!(
        seen.iter()
            .all(|case| case["id"].as_str().is_some_and(|id| ids.contains(id)))
    );
    let (assessing, _) = listed(&coordinator, "&stage=assessing").await?;
    let expected = all
        .iter()
        .filter(|case| case["stage"] == "assessing")
        .count();
    ensure!(
        assessing.len() == expected,
        "{} of {expected}",
        assessing.len()
    );
    Ok(all)
}

async fn they_are_opened_and_printed(server: &Server, all: &[Value]) -> Result<Vec<String>> {
    let coordinator = server.client_of("aoba-coord")?;
    let (mut names, mut texts) = (Vec::new(), 0);
    for case in all {
        let id = case["id"].as_str().context("id")?;
        let detail = coordinator.get(&format!("/cases/{id}")).await?.ok()?;
        let name = detail["persons"][0]["display"].as_str().context("name")?;
        names.push(name.to_owned());
        let records = coordinator
            .get(&format!("/cases/{id}/progress-records"))
            .await?
            .ok()?;
        let made = case["case_no"]
            .as_str()
            .is_some_and(|number| number.len() == 10);
        ensure!(
            !made || records["items"].as_array().map(Vec::len) == Some(10),
            "{records}"
        );
        for section in detail["sections"].as_array().context("sections")? {
            let Some(document) = section["document_id"].as_str() else {
                continue;
            };
            if section["section"] == "network" {
                continue;
            }
            for print in ["", "?print=true"] {
                let shown = coordinator
                    .get(&format!("/documents/{document}/projection{print}"))
                    .await?
                    .ok()?;
                // Sentences: the copy's document was derived and read like any other.
                texts += usize::from(shown.to_string().contains('。'));
            }
        }
    }
    ensure!(texts >= MANY, "{texts} sheets with sentences");
    Ok(names)
}

async fn they_are_found_and_counted(server: &Server, names: &[String]) -> Result<()> {
    let coordinator = server.client_of("aoba-coord")?;
    let name = names
        .iter()
        .max_by_key(|name| names.iter().filter(|other| other == name).count())
        .context("name")?;
    let started = Instant::now();
    loop {
        let answer = coordinator.post("/search", json!({ "q": name })).await?;
        if answer.status == 200 && answer.json["notice"].is_null() {
            let kinds: BTreeSet<&str> = answer.json["hits"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|hit| hit["kind"].as_str())
                .collect();
            ensure!(kinds.contains("person"), "{name}: {}", answer.json);
            break;
        }
        ensure!(
            started.elapsed() < Duration::from_secs(90),
            "no index: {}",
            answer.text()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let found = coordinator
        .post("/cases/search", json!({ "q": name }))
        .await?
        .ok()?;
    ensure!(found["total"].as_u64() >= Some(1), "{found}");
    let counts = server
        .client_of("aoba-stat")?
        .get("/statistics/new-consultations?from=2017-01&to=2026-12&by=route")
        .await?
        .ok()?;
    let counted: u64 = counts["total_cases"].as_u64().context("total_cases")?;
    ensure!(counted == (MANY + LOADED) as u64, "{counts}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cases() {
    each_database(|database| async move {
        let url = match database {
            Database::Sqlite => None,
            Database::PostgreSql => Some(fresh_postgres()?),
        };
        let mut server = Server::on_folder(tempfile::tempdir()?, url);
        let dataset = fixture("aoba");
        let dataset = dataset.to_str().context("path")?;
        server.load(&[dataset.as_ref()])?;
        // Twice: the second go counts on from where the first one ended.
        for count in [MANY - 2, 2] {
            server.command(&[
                "demo",
                "--load-only",
                "--dataset",
                dataset,
                "--cases",
                &count.to_string(),
            ])?;
        }
        server.launch()?;
        let all = they_are_listed(&server).await?;
        let names = they_are_opened_and_printed(&server, &all)
            .await
            .context("opened")?;
        step("found", they_are_found_and_counted(&server, &names)).await?;
        server.stop()?;
        let (sound, said) = server.doctor()?;
        ensure!(sound, "{said}");
        Ok(())
    })
    .await;
}
