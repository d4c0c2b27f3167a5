//! The command line, and dates that never were.

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, each_database};
use serde_json::{Value, json};

use crate::world::{CANARIES, World, step};

/// Exit code 0 means: models, database, durability and the audit chain are well.
async fn doctor(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    for _ in 0..3 {
        coordinator.get("/cases").await?.ok()?;
    }
    let said = world.server.command(&["doctor"])?;
    ensure!(!said.contains("要対応"), "{said}");
    ensure!(said.matches("改ざんはありません").count() == 2, "{said}");
    Ok(())
}

async fn mask_line_by_line(world: &World) -> Result<()> {
    let good = "{\"id\":1,\"text\":\"電話は090-1234-5678です。\"}\n\n{\"id\":\"b\",\"text\":\"変わりない。\"}\n";
    let (code, output, _) = world
        .server
        .command_with_input(&["mask"], good.as_bytes())?;
    ensure!(code == Some(0), "{code:?}");
    let lines: Vec<Value> = output
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(
        lines.len() == 2 && lines[0]["id"] == 1 && lines[1]["id"] == "b",
        "{output}"
    );
    ensure!(!lines[0]["masked"].to_string().contains("1234"), "{output}");

    let broken = format!("{good}{{\"id\":3,\"text\":\"金糸雀太郎さん\n");
    let (code, output, errors) = world
        .server
        .command_with_input(&["mask"], broken.as_bytes())?;
    ensure!(code == Some(2), "{code:?} {errors}");
    ensure!(
        errors.contains("4 行目") || errors.contains("4行目"),
        "the line is not named: {errors}"
    );
    ensure!(
        output.lines().count() == 2,
        "what came before is written: {output}"
    );
    ensure!(
        CANARIES.iter().all(|canary| !errors.contains(canary)),
        "the message quotes the text: {errors}"
    );
    Ok(())
}

/// The scheme that answers a plain need comes first; a broken catalogue is named by file and line.
async fn resources_by_need(world: &World) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalogue.jsonl");
    let catalogue = concat!(
        r#"{"id":7,"name":"就学援助","kind":"給付","fields":["教育"],"eligibility":"小中学生の保護者","detail":"学用品費・給食費の援助"}"#,
        "\n",
        r#"{"id":"rent","name":"住居確保給付金","kind":"給付","fields":["住まい"],"eligibility":"離職や収入減で住居を失うおそれのある人","detail":"家賃相当額を家主に支払う"}"#,
        "\n",
    );
    std::fs::write(&path, catalogue)?;
    let file = path.to_str().context("path")?;
    let arguments = ["search-resources", "--catalogue", file];
    let question = "{\"id\":\"q\",\"text\":\"失業して家賃が払えない\"}\n";
    let (code, output, errors) = world
        .server
        .command_with_input(&arguments, question.as_bytes())?;
    ensure!(code == Some(0), "{code:?} {errors}");
    let answer: Value = serde_json::from_str(output.trim())?;
    ensure!(
        answer["id"] == "q" && answer["hits"][0]["id"] == "rent" && answer["hits"][1]["id"] == 7,
        "{output}"
    );

    std::fs::write(&path, format!("{catalogue}{{\"name\":\"番号なし\"}}\n"))?;
    let (code, _, errors) = world
        .server
        .command_with_input(&arguments, question.as_bytes())?;
    ensure!(code == Some(2), "{code:?} {errors}");
    ensure!(errors.contains("catalogue.jsonl 3 行目"), "{errors}");
    Ok(())
}

/// Of an account with two hats a token names the one it is for.
async fn a_token_for_one_hat(world: &World) -> Result<()> {
    let create = |more: &[&str]| {
        let mut arguments = vec!["token", "create", "--user", "aoba-two-hats", "--ttl", "5m"];
        arguments.extend(more);
        world.server.command(&arguments)
    };
    let refused = create(&[])
        .expect_err("one of two hats was picked")
        .to_string();
    for said in [
        "--role coordinator",
        "--role agency",
        "青葉地域包括支援センター",
    ] {
        ensure!(refused.contains(said), "{said} is not said: {refused}");
    }
    for (role, may_review) in [("coordinator", true), ("agency", false)] {
        let token = create(&["--role", role])?;
        let client = Client::with_token(&world.server.url, token.trim());
        let reply = client.get("/mask-reviews").await?;
        ensure!(
            (reply.status == 200) == may_review,
            "{role}: {} {}",
            reply.status,
            reply.text()
        );
    }
    Ok(())
}

/// 昭和 ended in its 64th year.
async fn a_year_that_never_was(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let before = coordinator.get("/cases").await?.ok()?["total"].clone();
    let person = json!({"name": "試験 一人", "kana": "しけん ひとり"});
    for (path, body) in [
        (
            "received_on",
            json!({"received_on": "昭和65年4月1日", "clients": [{"person": person}]}),
        ),
        (
            "clients.0.person.birth_date",
            json!({"received_on": "2026-11-01", "clients": [{"person": {"name": "試験 一人", "kana": "しけん ひとり", "birth_date": "昭和65年4月1日"}}]}),
        ),
    ] {
        let reply = coordinator.post("/cases", body).await?;
        ensure!(
            reply.status == 422 && reply.code() == "invalid",
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
        let fields = reply.json["fields"].as_array().cloned().unwrap_or_default();
        ensure!(
            fields.iter().any(|field| field["path"] == path
                && field["code"].as_str().is_some_and(|code| !code.is_empty())),
            "{}",
            reply.text()
        );
        ensure!(!reply.text().contains("試験"), "{}", reply.text());
    }
    ensure!(
        coordinator.get("/cases").await?.ok()?["total"] == before,
        "something was kept"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("昭和65年", a_year_that_never_was(&world)).await?;
        step("mask", mask_line_by_line(&world)).await?;
        step("search-resources", resources_by_need(&world)).await?;
        step("token", a_token_for_one_hat(&world)).await?;
        step("doctor", doctor(&world)).await
    })
    .await;
}
