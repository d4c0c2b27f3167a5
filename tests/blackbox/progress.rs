//! 支援経過 from outside: pages and filters, drafts that survive a crash, attachments of wrong kinds and
//! sizes, and what masked readers learn of all this.

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, each_database};
use serde_json::{Value, json};

use crate::world::{OPEN_CASE, World, no_canary, step};

pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

fn id_of(value: &Value) -> Result<String> {
    Ok(value["id"].as_str().context("id")?.to_owned())
}

async fn add(client: &Client, case: &str, entry: Value) -> Result<Value> {
    client
        .post(&format!("/cases/{case}/progress-records"), entry)
        .await?
        .ok()
}

async fn found(client: &Client, case: &str, search: Value) -> Result<Value> {
    client
        .post(&format!("/cases/{case}/progress-records/search"), search)
        .await?
        .ok()
}

async fn pages_and_filters(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?.id;
    let coordinator = world.as_user("aoba-coord")?;
    let before = found(&coordinator, &case, json!({})).await?["total"]
        .as_u64()
        .context("total")?;
    for n in 0..12 {
        let kind = if n % 3 == 0 { "emergency" } else { "fact" };
        let entry = json!({"performed_on": format!("2026-09-{:02}", 1 + n), "method": "mail", "content": format!("第{n}回のたより。"), "log_kind": [kind]});
        add(&coordinator, &case, entry).await?;
    }
    let all = found(&coordinator, &case, json!({"limit": 5})).await?;
    ensure!(
        all["total"] == before + 12
            && all["items"]
                .as_array()
                .is_some_and(|items| items.len() == 5),
        "{all}"
    );
    let mut seen = Vec::new();
    let first = format!("/cases/{case}/progress-records?limit=5");
    let mut next = Some(first.clone());
    while let Some(path) = next {
        let page = coordinator.get(&path).await?.ok()?;
        for item in page["items"].as_array().context("items")? {
            seen.push(id_of(item)?);
        }
        let cursor = page["next_cursor"].as_str();
        next = cursor.map(|cursor| format!("{first}&cursor={cursor}"));
    }
    let whole = seen.len() as u64;
    seen.sort();
    seen.dedup();
    ensure!(
        whole == before + 12 && seen.len() as u64 == whole,
        "{whole} of {before} + 12"
    );
    for (search, expected) in [
        (json!({"methods": ["mail"]}), 12),
        (json!({"methods": ["mail"], "kinds": ["emergency"]}), 4),
        (
            json!({"methods": ["mail"], "from": "2026-09-03", "to": "2026-09-05"}),
            3,
        ),
        (json!({"words": "たより 第1回"}), 1),
        (json!({"words": "タヨリ　第11回"}), 1),
        (json!({"words": "、。"}), 0),
        (json!({"methods": ["mail"], "agencies": ["nobody"]}), 0),
        (json!({"methods": ["mail"], "with_attachments": true}), 0),
    ] {
        let page = found(&coordinator, &case, search.clone()).await?;
        ensure!(page["total"] == expected, "{search}: {}", page["total"]);
    }
    let reply = coordinator
        .post(
            &format!("/cases/{case}/progress-records/search"),
            json!({"words": "あ".repeat(1001)}),
        )
        .await?;
    ensure!(reply.status == 422, "{}", reply.status);
    let reply = coordinator
        .get(&format!("/cases/{case}/progress-records?cursor=abc"))
        .await?;
    ensure!(reply.status == 422, "{}", reply.status);
    Ok(())
}

/// Hidden names, kinds, persons and attachments find nothing for masked readers, and change no count.
async fn masked_readers_find_masked_text_alone(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let (coordinator, masked) = (world.as_user("aoba-coord")?, world.as_user("aoba-masked")?);
    let path = format!("/cases/{}/attachments", case.id);
    let file = coordinator
        .upload(&path, "鶸谷実里さんの診断書.png", PNG.to_vec())
        .await?
        .ok()?;
    let person = case.persons[0]["person_id"].clone();
    let entry = json!({"performed_on": "2026-08-01", "method": "info", "content": "鶸谷実里さんの住まいを確かめた。", "log_kind": ["complaint"],
        "persons": [person], "attachments": [file["id"]]});
    let made = add(&coordinator, &case.id, entry).await?;
    ensure!(
        made["attachments"][0]["name"] == "鶸谷実里さんの診断書.png",
        "{made}"
    );
    for (search, sees, hidden) in [
        (json!({"methods": ["info"], "words": "鶸谷"}), 1, 0),
        (json!({"methods": ["info"], "words": "実里"}), 1, 0),
        (json!({"methods": ["info"], "words": "診断書"}), 1, 0),
        (json!({"methods": ["info"], "kinds": ["complaint"]}), 1, 0),
        (json!({"methods": ["info"], "persons": [person]}), 1, 0),
        (json!({"methods": ["info"], "with_attachments": true}), 1, 0),
        (json!({"methods": ["info"]}), 1, 1),
    ] {
        let own = found(&coordinator, &case.id, search.clone()).await?;
        ensure!(own["total"] == sees, "{search}: {}", own["total"]);
        let theirs = found(&masked, &case.id, search.clone()).await?;
        ensure!(theirs["total"] == hidden, "{search} masked: {theirs}");
        ensure!(theirs["choices"]["persons"] == json!([]), "{theirs}");
        no_canary("search", &theirs.to_string())?;
        for item in theirs["items"].as_array().context("items")? {
            ensure!(item["attachments"] == json!([]), "{item}");
        }
    }
    let id = id_of(&file)?;
    for (login, status) in [
        ("aoba-coord", 200),
        ("aoba-houkatsu", 200),
        ("aoba-masked", 404),
        ("aoba-outside", 404),
        ("shiranami-coord", 404),
    ] {
        let response = world
            .as_user(login)?
            .open(&format!("{path}/{id}?inline=true"))
            .await?;
        ensure!(
            response.status() == status,
            "{login}: {}",
            response.status()
        );
        if status == 200 {
            let header = |name: &str| {
                let value = response.headers().get(name);
                value
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned()
            };
            ensure!(header("x-content-type-options") == "nosniff");
            ensure!(header("content-security-policy").starts_with("sandbox; default-src 'none'"));
            ensure!(
                header("content-disposition").starts_with("inline; filename*=UTF-8''%E9%B6%B8")
            );
            ensure!(header("content-type") == "image/png" && header("cache-control") == "no-store");
            ensure!(response.bytes().await? == PNG);
        }
    }
    Ok(())
}

async fn attachments_are_checked(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?.id;
    let coordinator = world.as_user("aoba-coord")?;
    let path = format!("/cases/{case}/attachments");
    for (name, bytes, status, code) in [
        ("a.exe", b"MZ\x90".to_vec(), 422, "unsupported_format"),
        (
            "請求書.pdf.exe",
            b"%PDF-1.7".to_vec(),
            422,
            "unsupported_format",
        ),
        ("a.html", b"<script>".to_vec(), 422, "unsupported_format"),
        ("a.pdf", PNG.to_vec(), 422, "content_mismatch"),
        ("a.png", b"%PDF-1.7".to_vec(), 422, "content_mismatch"),
        (
            "a.txt",
            b"<!DOCTYPE html><html>".to_vec(),
            422,
            "content_mismatch",
        ),
        ("a.csv", b"a,b\0c".to_vec(), 422, "content_mismatch"),
        ("a.xlsx", b"PK\x03\x04zip".to_vec(), 422, "content_mismatch"),
        ("a.txt", Vec::new(), 422, "empty"),
        ("123456789018.txt", b"x".to_vec(), 422, "personal_number"),
    ] {
        let reply = coordinator.upload(&path, name, bytes).await?;
        ensure!(
            reply.status == status && reply.code() == code,
            "{name}: {} {}",
            reply.status,
            reply.text()
        );
    }
    // Text that stops being one after the first part.
    let mut late = vec![b'a'; 600_000];
    late.push(0);
    let reply = coordinator.upload(&path, "late.txt", late).await?;
    ensure!(reply.code() == "content_mismatch", "{}", reply.text());
    let desk = coordinator
        .get(&format!("/cases/{case}/progress-entry"))
        .await?
        .ok()?;
    ensure!(
        desk["waiting"] == json!([]) && desk["attachment_limit"] == 25_000_000,
        "nothing of it stays: {desk}"
    );

    // Every byte comes back, over several parts.
    let content: String = (0..120_000).map(|n| format!("{n},あ\n")).collect();
    let file = coordinator
        .upload(&path, "大きな表.csv", content.clone().into_bytes())
        .await?
        .ok()?;
    let id = id_of(&file)?;
    let colleague = world
        .as_user("aoba-coord2")?
        .open(&format!("{path}/{id}"))
        .await?;
    ensure!(colleague.status() == 404, "it waits for its writer's entry");
    let response = coordinator
        .open(&format!("{path}/{id}?inline=true"))
        .await?;
    ensure!(
        response.headers()["content-disposition"]
            .to_str()?
            .starts_with("attachment;"),
        "a table is not shown"
    );
    ensure!(response.text().await? == content);
    let entry = json!({"performed_on": "2026-08-02", "method": "tel", "content": "表を受け取った。", "attachments": [id]});
    let record = add(&coordinator, &case, entry.clone()).await?;
    let again = coordinator
        .post(&format!("/cases/{case}/progress-records"), entry)
        .await?;
    ensure!(again.status == 422, "one file, one entry: {}", again.text());
    // Taken away with a trace, by who brought it in.
    let amend = format!(
        "/cases/{case}/progress-records/{}/amendments",
        id_of(&record)?
    );
    let remove = json!({"reason": "別の世帯の表", "remove_attachments": [id]});
    let other = world
        .as_user("aoba-coord2")?
        .post(&amend, remove.clone())
        .await?;
    ensure!(other.status == 403, "{}", other.text());
    let amended = coordinator.post(&amend, remove).await?.ok()?;
    ensure!(
        amended["attachments"] == json!([])
            && amended["amendments"][0]["detached"] == json!(["大きな表.csv"]),
        "{amended}"
    );
    ensure!(coordinator.open(&format!("{path}/{id}")).await?.status() == 404);
    Ok(())
}

/// 200 MB are refused, in words, and never in memory.
async fn what_is_too_large_is_refused(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?.id;
    let coordinator = world.as_user("aoba-coord")?;
    let path = format!("/cases/{case}/attachments");
    world.calm().await?;
    let before = world.server.resident()?;
    world.server.forget_peak()?;
    let mut file = b"%PDF-1.7\n".to_vec();
    file.resize(200_000_000, b' ');
    let reply = coordinator.upload(&path, "全部.pdf", file).await?;
    ensure!(
        reply.status == 413 && reply.code() == "too_large" && reply.json["limit"] == 25_000_000,
        "{} {}",
        reply.status,
        reply.text()
    );
    let grown = world.server.peak()?.saturating_sub(before);
    ensure!(grown < 60_000_000, "grew by {grown} bytes");
    // A little too much: found out while it comes.
    let mut file = b"%PDF-1.7\n".to_vec();
    file.resize(25_000_001, b' ');
    let reply = coordinator.upload(&path, "少し.pdf", file).await?;
    ensure!(reply.status == 413, "{} {}", reply.status, reply.text());
    let desk = coordinator
        .get(&format!("/cases/{case}/progress-entry"))
        .await?
        .ok()?;
    ensure!(desk["waiting"] == json!([]), "nothing of it stays");
    Ok(())
}

async fn a_draft_is_taken_over_and_ends_once(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?.id;
    let (first, second) = (world.as_user("aoba-coord")?, world.as_user("aoba-coord2")?);
    let drafts = format!("/cases/{case}/progress-drafts");
    let keep = |version: i64, text: &str| json!({"version": version, "content": {"content": text}});
    let kept = first.put(&drafts, keep(0, "鶸谷さんに")).await?.ok()?;
    let kept = first
        .put(
            &drafts,
            keep(
                kept["version"].as_i64().context("version")?,
                "鶸谷さんに電話",
            ),
        )
        .await?
        .ok()?;
    let (id, version) = (id_of(&kept)?, kept["version"].clone());
    let stale = first.put(&drafts, keep(1, "古い画面")).await?;
    ensure!(stale.status == 409, "{}", stale.text());
    let number = first.put(&drafts, keep(2, "123456789018")).await?;
    ensure!(number.code() == "personal_number", "{}", number.text());
    let desk = format!("/cases/{case}/progress-entry");
    for login in ["aoba-houkatsu", "aoba-masked", "aoba-staff"] {
        let other = world.as_user(login)?;
        ensure!(
            other.get(&desk).await?.ok()?["drafts"] == json!([]),
            "{login}"
        );
        let taken = other
            .post(&format!("{drafts}/{id}/take"), json!({"version": version}))
            .await?;
        ensure!(taken.status == 404, "{login}: {}", taken.text());
    }
    let seen = second.get(&desk).await?.ok()?;
    ensure!(
        seen["drafts"][0]["content"]["content"] == "鶸谷さんに電話"
            && seen["drafts"][0]["mine"] == false,
        "{seen}"
    );
    second
        .post(&format!("{drafts}/{id}/take"), json!({"version": version}))
        .await?
        .ok()?;
    let late = first.put(&drafts, keep(2, "まだ書いている")).await?;
    ensure!(late.status == 409, "{}", late.text());
    let entry = json!({"performed_on": "2026-08-03", "method": "tel", "content": "鶸谷さんに電話した。", "draft_id": id});
    let path = format!("/cases/{case}/progress-records");
    let before = found(&second, &case, json!({})).await?["total"].clone();
    let refused = first.post(&path, entry.clone()).await?;
    ensure!(refused.code() == "draft_gone", "{}", refused.text());
    second.post(&path, entry.clone()).await?.ok()?;
    let twice = second.post(&path, entry).await?;
    ensure!(twice.code() == "draft_gone", "{}", twice.text());
    let after = found(&second, &case, json!({})).await?["total"].clone();
    ensure!(
        after.as_u64() == before.as_u64().map(|n| n + 1),
        "{before} {after}"
    );
    ensure!(second.get(&desk).await?.ok()?["drafts"] == json!([]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn progress() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("pages and filters", pages_and_filters(&world)).await?;
        step("masked", masked_readers_find_masked_text_alone(&world)).await?;
        step("attachments", attachments_are_checked(&world)).await?;
        step("too large", what_is_too_large_is_refused(&world)).await?;
        step("drafts", a_draft_is_taken_over_and_ends_once(&world)).await
    })
    .await;
}

/// What was acknowledged is there after the server was killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_survives_the_servers_death() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?.id;
        let drafts = format!("/cases/{case}/progress-drafts");
        let file = world
            .as_user("aoba-coord")?
            .upload(
                &format!("/cases/{case}/attachments"),
                "写真.png",
                PNG.to_vec(),
            )
            .await?
            .ok()?;
        let content = json!({"content": "途中まで書いた", "attachments": [{"id": file["id"]}]});
        world
            .as_user("aoba-coord")?
            .put(&drafts, json!({"version": 0, "content": content}))
            .await?
            .ok()?;
        world.server.kill()?;
        world.server.launch()?;
        let after = World::of(world.server);
        let desk = after
            .as_user("aoba-coord")?
            .get(&format!("/cases/{case}/progress-entry"))
            .await?
            .ok()?;
        ensure!(
            desk["drafts"][0]["content"] == content && desk["waiting"][0]["name"] == "写真.png",
            "{desk}"
        );
        Ok(())
    })
    .await;
}
