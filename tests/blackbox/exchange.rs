//! Files in and out: what goes out comes in again without difference, nothing half done is written,
//! nobody gets in a file what the screen does not show, and an upload belongs to who sent it.

use std::io::{Cursor, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::each_database;
use serde_json::{Value, json};

use crate::world::{EXCLUDED_CASE, OPEN_CASE, PROTECTED_CASE, World, step};

async fn export(world: &World, login_id: &str, body: Value) -> Result<Vec<u8>> {
    let reply = world.as_user(login_id)?.post("/exports", body).await?;
    ensure!(
        reply.status == 200 && reply.content_type == "application/zip",
        "{} {}",
        reply.status,
        reply.text()
    );
    Ok(reply.bytes)
}

fn file(archive: &[u8], name: &str) -> Result<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut bytes = Vec::new();
    archive.by_name(name)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn send(world: &World, login_id: &str, query: &str, bytes: Vec<u8>) -> Result<Value> {
    world
        .as_user(login_id)?
        .upload(&format!("/imports?{query}"), "x.csv", bytes)
        .await?
        .ok()
}

/// Waits until the server has done what it is at.
async fn settled(world: &World, login_id: &str, id: &str) -> Result<Value> {
    let started = Instant::now();
    loop {
        let import = world
            .as_user(login_id)?
            .get(&format!("/imports/{id}"))
            .await?
            .ok()?;
        if ["ready", "done", "failed"].contains(&import["state"].as_str().unwrap_or_default()) {
            return Ok(import);
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "{import}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn checked(world: &World, query: &str, bytes: Vec<u8>) -> Result<Value> {
    let sent = send(world, "aoba-coord", query, bytes).await?;
    settled(world, "aoba-coord", sent["id"].as_str().context("id")?).await
}

fn id(import: &Value) -> &str {
    import["id"].as_str().unwrap_or_default()
}

async fn discard(world: &World, import: &Value) -> Result<()> {
    let reply = world
        .as_user("aoba-coord")?
        .delete(&format!("/imports/{}", id(import)))
        .await?;
    ensure!(reply.status == 204, "{}", reply.text());
    Ok(())
}

async fn apply(world: &World, import: &Value, body: Value) -> Result<Value> {
    let reply = world
        .as_user("aoba-coord")?
        .post(&format!("/imports/{}/apply", id(import)), body)
        .await?;
    ensure!(reply.status == 202, "{} {}", reply.status, reply.text());
    settled(world, "aoba-coord", id(import)).await
}

async fn found(world: &World, words: &str) -> Result<Vec<Value>> {
    let answer = world
        .as_user("aoba-coord")?
        .post("/persons/search", json!({ "q": words }))
        .await?
        .ok()?;
    Ok(answer["items"].as_array().cloned().unwrap_or_default())
}

async fn out_and_in_again(world: &World) -> Result<()> {
    for (encoding, columns) in [("utf-8-bom", false), ("utf-8", true), ("cp932", false)] {
        let body = json!({
            "tables": ["person"], "encoding": encoding, "replace": true, "identifiers": columns, "choice_columns": columns,
        });
        let archive = export(world, "aoba-coord", body).await?;
        let person = file(&archive, "person.csv")?;
        let (text, _, _) = if encoding == "cp932" {
            encoding_rs::SHIFT_JIS.decode(&person)
        } else {
            encoding_rs::UTF_8.decode(&person)
        };
        ensure!(text.contains("支援対象者ID") && text.lines().count() > 3);
        // 住所秘匿 holds for whoever asks.
        for secret in ["秘匿町", "0900-90-9999"] {
            ensure!(!text.contains(secret), "{secret} is in the file");
        }
        let import = checked(world, "table=person", person).await?;
        let counts = &import["counts"];
        ensure!(
            import["state"] == "ready"
                && counts["same"].as_u64() > Some(2)
                && counts["create"].is_null()
                && counts["update"].is_null()
                && counts["error"].is_null(),
            "{encoding}: {import}"
        );
        ensure!(import["file"]["unknown_headers"] == json!([]), "{import}");
        discard(world, &import).await?;
    }
    Ok(())
}

const MIXED: &str = "氏名,ふりがな（フリガナ）,生年月日,電話（携帯）,郵便番号\r\n\
    取込 一郎,とりこみ いちろう,S45.3.12,9012345678,600001\r\n\
    取込 二郎,とりこみ じろう,昭和65年1月1日,,\r\n\
    \"取込\r\n三郎\",とりこみ さぶろう,25639,,\r\n";

async fn nothing_half_done(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let import = checked(world, "table=person", MIXED.into()).await?;
    ensure!(
        import["counts"] == json!({"create": 2, "error": 1}),
        "{import}"
    );
    let path = format!("/imports/{}", id(&import));
    let refused = client.post(&format!("{path}/apply"), json!({})).await?;
    ensure!(
        refused.status == 409 && refused.code() == "import_errors",
        "{}",
        refused.text()
    );
    ensure!(found(world, "取込").await?.is_empty());
    let errors = client.get(&format!("{path}/errors.csv")).await?.text();
    ensure!(
        errors.contains("3,生年月日,birth_date,date,昭和は64年1月7日まで"),
        "{errors}"
    );
    let rows = client
        .get(&format!("{path}/rows?kind=create"))
        .await?
        .ok()?;
    ensure!(
        rows["rows"][0]["notes"].as_array().map(Vec::len) == Some(2)
            && rows["rows"][1]["name"] == "取込 三郎",
        "{rows}"
    );
    // It belongs to who sent it.
    for login_id in ["aoba-coord2", "shiranami-coord"] {
        for (what, status) in [("", 404), ("/rows", 404), ("/errors.csv", 404)] {
            let reply = world
                .as_user(login_id)?
                .get(&format!("{path}{what}"))
                .await?;
            ensure!(
                reply.status == status,
                "{login_id} {what}: {}",
                reply.status
            );
        }
    }
    let done = apply(world, &import, json!({"skip_errors": true})).await?;
    ensure!(done["state"] == "done" && done["file"].is_null(), "{done}");
    let persons = found(world, "とりこみ").await?;
    ensure!(persons.len() == 2, "{persons:?}");
    let person = client
        .get(&format!(
            "/persons/{}",
            found(world, "取込 一郎").await?[0]["id"]
                .as_str()
                .context("id")?
        ))
        .await?
        .ok()?;
    ensure!(
        person["fields"]["phone_mobile"] == "09012345678"
            && person["fields"]["postal_code"] == "0600001"
            && person["fields"]["birth_date"] == "1970-03-12",
        "{person}"
    );
    // The same file again: they look like those who are there.
    let again = checked(world, "table=person", MIXED.into()).await?;
    ensure!(again["file"]["alike"] == 2, "{again}");
    discard(world, &again).await?;
    let audit = world
        .as_user("aoba-auditor")?
        .get("/audit?action=import.apply")
        .await?
        .text();
    ensure!(
        audit.contains("import.apply") && !audit.contains("取込"),
        "{audit}"
    );
    Ok(())
}

async fn hostile(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let number = "123456789018";
    let long = "あ".repeat(10_000);
    let csv = format!(
        "氏名,連絡時の注意\r\n番号 一郎,{number}\r\n長文 二郎,{long}\r\n数式 三郎,'=1+1\r\n"
    );
    let import = checked(world, "table=person", csv.into_bytes()).await?;
    ensure!(
        import["counts"] == json!({"create": 1, "error": 2}),
        "{import}"
    );
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    ensure!(
        errors.contains("personal_number")
            && errors.contains("too_long")
            && !errors.contains(number),
        "{errors}"
    );
    discard(world, &import).await?;
    for (bytes, code) in [
        (b"PK\x03\x04broken".to_vec(), "unreadable"),
        (b"a,\"b\r\n".to_vec(), "unreadable"),
        (Vec::new(), "unreadable"),
    ] {
        let reply = client.upload("/imports?table=person", "x", bytes).await?;
        ensure!(
            reply.status == 422 && reply.code() == code,
            "{}",
            reply.text()
        );
    }
    for table in ["consent", "nonsense"] {
        let reply = client
            .upload(&format!("/imports?table={table}"), "x", b"a\r\n".to_vec())
            .await?;
        ensure!(reply.status == 422, "{table}: {}", reply.status);
    }
    // Twice the same person; somebody of another municipality; nobody.
    let ours = found(world, "取込 一郎").await?[0]["id"].clone();
    let ours = ours.as_str().context("id")?;
    let csv = format!(
        "支援対象者ID,氏名\r\n{ours},取込 一郎\r\n{ours},取込 一郎\r\nnobody,架空 五郎\r\n"
    );
    let import = checked(world, "table=person", csv.into_bytes()).await?;
    ensure!(
        import["counts"] == json!({"same": 1, "error": 2}),
        "{import}"
    );
    discard(world, &import).await
}

async fn names_of_others(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let import = checked(
        world,
        "table=person",
        "利用者氏名,性別,内部番号\r\n対応 一郎,M,1\r\n".into(),
    )
    .await?;
    ensure!(
        import["file"]["unknown_headers"] == json!(["利用者氏名", "内部番号"])
            && import["file"]["unknown_options"] == json!({"gender": ["M"]}),
        "{import}"
    );
    let mapping = json!({
        "columns": {"利用者氏名": "name", "内部番号": ""}, "options": {"gender": {"M": "1"}},
    });
    let wrong = client
        .put(
            &format!("/imports/{}/choices", id(&import)),
            json!({"mapping": {"columns": {"利用者氏名": "nonsense"}, "options": {}}}),
        )
        .await?;
    ensure!(wrong.status == 422, "{}", wrong.text());
    client
        .put(
            &format!("/imports/{}/choices", id(&import)),
            json!({ "mapping": mapping }),
        )
        .await?
        .ok()?;
    let import = settled(world, "aoba-coord", id(&import)).await?;
    ensure!(
        import["counts"] == json!({"create": 1}) && import["file"]["unknown_headers"] == json!([]),
        "{import}"
    );
    discard(world, &import).await?;
    let kept = client
        .post(
            "/exchange-mappings",
            json!({"table": "person", "name": "旧システム", "mapping": mapping}),
        )
        .await?
        .ok()?;
    let query = format!(
        "table=person&mapping={}",
        kept["id"].as_str().context("id")?
    );
    let import = checked(world, &query, "利用者氏名,性別\r\n対応 一郎,M\r\n".into()).await?;
    ensure!(import["counts"] == json!({"create": 1}), "{import}");
    discard(world, &import).await?;
    let other = world.as_user("shiranami-coord")?;
    let theirs = other.get("/exchange-mappings").await?.ok()?;
    ensure!(theirs["items"] == json!([]), "{theirs}");
    Ok(())
}

async fn changed_meanwhile(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let person = found(world, "取込 一郎").await?[0].clone();
    let person = person["id"].as_str().context("id")?;
    let csv = format!("支援対象者ID,町字・日常生活圏域\r\n{person},北地区\r\n");
    let import = checked(world, "table=person", csv.into_bytes()).await?;
    ensure!(import["counts"] == json!({"update": 1}), "{import}");
    let shown = client.get(&format!("/persons/{person}")).await?.ok()?;
    world
        .as_user("aoba-coord2")?
        .patch(
            &format!("/persons/{person}"),
            json!({"version": shown["version"], "set": {"district": "南地区"}}),
        )
        .await?
        .ok()?;
    let again = apply(world, &import, json!({})).await?;
    ensure!(
        again["state"] == "ready" && again["file"]["again"] == true,
        "{again}"
    );
    let rows = client
        .get(&format!("/imports/{}/rows?kind=update", id(&again)))
        .await?
        .ok()?;
    ensure!(
        rows["rows"][0]["changes"][0]["before"] == "南地区",
        "{rows}"
    );
    let done = apply(world, &again, json!({})).await?;
    ensure!(done["state"] == "done", "{done}");
    let shown = client.get(&format!("/persons/{person}")).await?.ok()?;
    ensure!(shown["fields"]["district"] == "北地区", "{shown}");
    Ok(())
}

async fn entries(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let case = world.case(OPEN_CASE).await?;
    let csv = format!(
        "事案番号,支援実施日,方法,記録内容,関与した機関（種別）\r\n\
         {OPEN_CASE},R8.10.1,電話相談・連絡,\"=確認の電話。\r\n二行目\",shakyo|minsei\r\n\
         9999-0001,2026-10-01,tel,ない事案,\r\n{OPEN_CASE},2999-01-01,tel,先の日付,\r\n"
    );
    let import = checked(world, "table=progress", csv.clone().into_bytes()).await?;
    ensure!(
        import["counts"] == json!({"create": 1, "error": 2}),
        "{import}"
    );
    let done = apply(world, &import, json!({"skip_errors": true})).await?;
    ensure!(done["state"] == "done", "{done}");
    let records = client
        .get(&format!("/cases/{}/progress-records", case.id))
        .await?
        .ok()?;
    ensure!(
        records["items"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|record| record["content"] == "=確認の電話。\n二行目"
                && record["performed_on"] == "2026-10-01"
                && record["involved_orgs"] == json!(["shakyo", "minsei"])),
        "{records}"
    );
    let again = checked(world, "table=progress", csv.into_bytes()).await?;
    ensure!(again["counts"] == json!({"same": 1, "error": 2}), "{again}");
    discard(world, &again).await?;
    // Out and in again: what is final is compared and left alone.
    let body = json!({
        "tables": ["progress"], "case_id": case.id,
        "confirmation": {"basis": "internal_use", "reason": "紙の記録との照合"},
    });
    let archive = export(world, "aoba-coord", body).await?;
    let import = checked(world, "table=progress", file(&archive, "progress.csv")?).await?;
    ensure!(
        import["counts"]["same"].as_u64() > Some(0)
            && import["counts"]["create"].is_null()
            && import["counts"]["error"].is_null(),
        "{import}"
    );
    discard(world, &import).await
}

async fn asks_first(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let body = json!({"tables": ["case", "plan", "plan_item", "consent", "relation", "progress", "intake_application"]});
    let reply = client.post("/exports", body.clone()).await?;
    ensure!(
        reply.status == 409 && reply.code() == "consent_confirmation_required",
        "{} {}",
        reply.status,
        reply.text()
    );
    ensure!(
        reply.json["case_count"].as_u64() > Some(0)
            && reply.json["bases"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|basis| basis["id"] == "internal_use"),
        "{}",
        reply.text()
    );
    for confirmation in [
        json!({"basis": "nonsense", "reason": "理由"}),
        json!({"basis": "internal_use", "reason": "  "}),
        json!({"basis": "internal_use", "reason": "番号 123456789018"}),
    ] {
        let mut asked = body.clone();
        asked["confirmation"] = confirmation;
        let reply = client.post("/exports", asked).await?;
        ensure!(reply.status == 422, "{}", reply.text());
    }
    let mut confirmed = body.clone();
    confirmed["confirmation"] = json!({"basis": "internal_use", "reason": "年度末の点検"});
    let archive = export(world, "aoba-coord", confirmed.clone()).await?;
    let cases = String::from_utf8(file(&archive, "case.csv")?)?;
    ensure!(
        cases.contains(OPEN_CASE) && cases.contains(PROTECTED_CASE),
        "{cases}"
    );
    for name in [
        "case.csv",
        "progress.csv",
        "intake_application.csv",
        "relation.csv",
    ] {
        let text = String::from_utf8(file(&archive, name)?)?;
        for secret in ["秘匿町", "0900-90-9999"] {
            ensure!(!text.contains(secret), "{secret} is in {name}");
        }
    }
    let case = world.case(PROTECTED_CASE).await?;
    let consents = client
        .get(&format!("/cases/{}/consents", case.id))
        .await?
        .ok()?;
    ensure!(
        consents["overrides"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|entry| entry["operation"] == "export" && entry["reason"] == "年度末の点検"),
        "{consents}"
    );
    // Who is excluded from a case has nothing of it in the file.
    let archive = export(world, "aoba-coord2", confirmed).await?;
    for name in ["case.csv", "progress.csv", "consent.csv", "relation.csv"] {
        let text = String::from_utf8(file(&archive, name)?)?;
        ensure!(!text.contains(EXCLUDED_CASE), "{name}: {text}");
    }
    let hidden = world.case(EXCLUDED_CASE).await?;
    let reply = world
        .as_user("aoba-coord2")?
        .post(
            "/exports",
            json!({"tables": ["case"], "case_id": hidden.id}),
        )
        .await?;
    ensure!(reply.status == 404, "{}", reply.text());
    let reply = world
        .as_user("shiranami-coord")?
        .post("/exports", json!({"tables": ["case"], "case_id": case.id}))
        .await?;
    ensure!(reply.status == 404, "{}", reply.text());
    Ok(())
}

async fn characters(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    client
        .post(
            "/persons",
            json!({"name": "𠮷野 一郎", "kana": "よしの いちろう"}),
        )
        .await?
        .ok()?;
    let body = json!({"tables": ["person"], "encoding": "cp932"});
    let reply = client.post("/exports", body).await?;
    ensure!(
        reply.status == 422
            && reply.code() == "unencodable"
            && reply.json["places"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|place| place["text"] == "𠮷" && place["file"] == "person.csv"),
        "{} {}",
        reply.status,
        reply.text()
    );
    let body = json!({"tables": ["person"], "encoding": "cp932", "replace": true});
    let archive = export(world, "aoba-coord", body).await?;
    let bytes = file(&archive, "person.csv")?;
    ensure!(encoding_rs::SHIFT_JIS.decode(&bytes).0.contains("〓野"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_and_out() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("out and in again", out_and_in_again(&world)).await?;
        step("nothing half done", nothing_half_done(&world)).await?;
        step("hostile files", hostile(&world)).await?;
        step("names of others", names_of_others(&world)).await?;
        step("changed meanwhile", changed_meanwhile(&world)).await?;
        step("entries", entries(&world)).await?;
        step("asks first", asks_first(&world)).await?;
        step("characters", characters(&world)).await
    })
    .await;
}
