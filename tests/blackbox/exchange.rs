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
    for table in ["meeting", "nonsense"] {
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

const REASON: &str = "移行の確認";

async fn of_cases(world: &World, body: Value) -> Result<Vec<u8>> {
    let mut body = body;
    body["confirmation"] = json!({"basis": "internal_use", "reason": REASON});
    export(world, "aoba-coord", body).await
}

/// Every case that the coordinator sees goes out and comes in again without difference.
async fn cases_out_and_in_again(world: &World) -> Result<()> {
    for encoding in ["utf-8-bom", "utf-8", "cp932"] {
        let body = json!({"tables": ["case"], "encoding": encoding, "replace": true});
        let archive = of_cases(world, body).await?;
        let import = checked(world, "table=case", file(&archive, "case.csv")?).await?;
        let counts = &import["counts"];
        ensure!(
            counts["same"].as_u64() > Some(1)
                && ["create", "update", "error"]
                    .iter()
                    .all(|kind| counts[*kind].is_null())
                && import["file"]["unknown_headers"] == json!([]),
            "{encoding}: {import}"
        );
        discard(world, &import).await?;
    }
    Ok(())
}

async fn person(world: &World, name: &str, birth_date: &str) -> Result<String> {
    let made = world
        .as_user("aoba-coord")?
        .post(
            "/persons",
            json!({"name": name, "kana": "いこう", "birth_date": birth_date}),
        )
        .await?
        .ok()?;
    Ok(made["id"].as_str().context("id")?.to_owned())
}

async fn case_numbered(world: &World, number: &str) -> Result<Value> {
    let client = world.as_user("aoba-coord")?;
    let page = client
        .post("/cases/search", json!({ "q": number }))
        .await?
        .ok()?;
    let found = page["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|case| case["case_no"] == number);
    let id = found
        .and_then(|case| case["id"].as_str())
        .context("no such case")?;
    client.get(&format!("/cases/{id}")).await?.ok()
}

/// Cases out of an Excel list: by id or by name and birth date, at the stage they had.
async fn cases_move_in(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let first = person(world, "移行 一郎", "1950-04-01").await?;
    person(world, "移行 二郎", "1961-05-02").await?;
    for _ in 0..2 {
        person(world, "移行 同名", "1970-01-01").await?;
    }
    let long = "あ".repeat(10_000);
    let csv = format!(
        "事案番号,事案名（表示名）,支援対象者ID,支援対象者,支援対象者の生年月日,段階,緊急性,受付日,終結日,主担当機関（伴走）\r\n\
         H30-12,移行の一,{first},,,支援中,,R3.4.1,,\r\n\
         ,移行の二,,移行 二郎,S36.5.2,,,2026-10-01,,\r\n\
         ,,{first},,,終結,,44287,令和5年3月31日,\r\n\
         2031-0001,,{first},,,,,2026-10-01,,\r\n\
         移行の番号,,{first},,,,,2026-10-01,,\r\n\
         ,,,移行 同名,1970-01-01,,,2026-10-01,,\r\n\
         ,,,移行 三郎,1970-01-01,,,2026-10-01,,\r\n\
         ,,{first},,,終結,,2026-10-01,,\r\n\
         ,{long},{first},,,,,昭和65年1月1日,,\r\n\
         ,,{first},,,,,2199-01-01,,架空の機関\r\n\
         ,,nobody,,,,,,,\r\n"
    );
    // At a later stage than the reception only a manager takes cases in.
    let coordinator = send(world, "aoba-coord2", "table=case", csv.clone().into_bytes()).await?;
    let coordinator = settled(world, "aoba-coord2", id(&coordinator)).await?;
    ensure!(
        coordinator["counts"] == json!({"create": 1, "error": 10}),
        "{coordinator}"
    );
    let import = checked(world, "table=case", csv.clone().into_bytes()).await?;
    ensure!(
        import["counts"] == json!({"create": 3, "error": 8}),
        "{import}"
    );
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    for wanted in [
        "5,事案番号,case_no,unknown_case",
        "6,事案番号,case_no,malformed",
        "7,支援対象者,clients,several",
        "8,支援対象者,clients,unknown_person",
        "9,終結日,closed_on,closed_on",
        "10,事案名（表示名）,case_title,too_long",
        "10,受付日,received_on,date,昭和は64年1月7日まで",
        "11,受付日,received_on,future",
        "11,主担当機関（伴走）,lead_org,unknown_agency",
        "12,支援対象者ID,person_ids,unknown_person",
        "12,受付日,received_on,required",
    ] {
        ensure!(errors.contains(wanted), "{wanted}: {errors}");
    }
    let done = apply(world, &import, json!({"skip_errors": true})).await?;
    ensure!(done["state"] == "done", "{done}");
    let moved = case_numbered(world, "H30-12").await?;
    ensure!(
        moved["stage"] == "active"
            && moved["received_on"] == "2021-04-01"
            && moved["title"] == "移行の一",
        "{moved}"
    );
    let case = moved["id"].as_str().context("id")?;
    let course = client.get(&format!("/cases/{case}/course")).await?.ok()?;
    ensure!(
        course["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|step| step["to"] == "active"
                && step["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.starts_with("取込による"))),
        "{course}"
    );
    // The sheets of the reception are there and know what the row said.
    let sheet = moved["sections"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|section| section["section"] == "intake")
        .and_then(|section| section["document_id"].as_str())
        .context("no intake sheet")?;
    let shown = client
        .get(&format!("/documents/{sheet}/projection"))
        .await?
        .ok()?;
    ensure!(
        shown["fields"]["received_on"]["value"] == "2021-04-01"
            && shown["fields"]["person_ref"]["value"] == first.as_str(),
        "{shown}"
    );
    // Once more: nothing comes in twice, also what had no number.
    let again = checked(world, "table=case", csv.into_bytes()).await?;
    ensure!(again["counts"] == json!({"same": 3, "error": 8}), "{again}");
    discard(world, &again).await?;
    cases_out_and_in_again(world).await
}

async fn cases_change(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let hidden = world.case(EXCLUDED_CASE).await?;
    ensure!(!hidden.id.is_empty());
    let csv = format!(
        "事案番号,事案名（表示名）,段階,受付日,緊急性\r\n{OPEN_CASE},取込の後の名前,,,\r\nH30-12,,終結,2020-01-01,\r\n"
    );
    let import = checked(world, "table=case", csv.into_bytes()).await?;
    ensure!(
        import["counts"] == json!({"update": 1, "error": 1}),
        "{import}"
    );
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    ensure!(
        errors.contains("3,段階,stage,fixed") && errors.contains("3,受付日,received_on,fixed"),
        "{errors}"
    );
    let done = apply(world, &import, json!({"skip_errors": true})).await?;
    ensure!(done["state"] == "done", "{done}");
    let case = case_numbered(world, OPEN_CASE).await?;
    ensure!(case["title"] == "取込の後の名前", "{case}");
    // A case that somebody may not know of is as one that there is not.
    let csv =
        format!("事案番号,事案名（表示名）\r\n{EXCLUDED_CASE},見えない\r\n2031-0001,ない\r\n");
    let theirs = send(world, "aoba-coord2", "table=case", csv.into_bytes()).await?;
    let theirs = settled(world, "aoba-coord2", id(&theirs)).await?;
    ensure!(theirs["counts"] == json!({"error": 2}), "{theirs}");
    let rows = world
        .as_user("aoba-coord2")?
        .get(&format!("/imports/{}/rows?kind=error", id(&theirs)))
        .await?
        .ok()?;
    let said = |at: usize| rows["rows"][at]["errors"].clone();
    ensure!(said(0) == said(1) && said(0) != Value::Null, "{rows}");
    Ok(())
}

/// The sheets that can be brought in.
const SHEETS: [&str; 7] = [
    "intake_application",
    "intake_assessment",
    "screening",
    "plan",
    "plan_item",
    "evaluation",
    "evaluation_item",
];

/// Every table that goes out comes in again without difference; at least so many rows of each.
async fn without_difference(
    world: &World,
    tables: &[&str],
    options: Value,
    least: u64,
) -> Result<()> {
    let mut body = json!({ "tables": tables, "replace": true });
    for (option, value) in options.as_object().into_iter().flatten() {
        body[option] = value.clone();
    }
    let archive = of_cases(world, body).await?;
    for table in tables {
        let sent = file(&archive, &format!("{table}.csv"))?;
        let import = checked(world, &format!("table={table}"), sent).await?;
        let counts = &import["counts"];
        ensure!(
            counts["same"].as_u64() >= Some(least)
                && ["create", "update", "error"]
                    .iter()
                    .all(|kind| counts[*kind].is_null())
                && import["file"]["unknown_headers"] == json!([]),
            "{table} {options}: {import}"
        );
        discard(world, &import).await?;
    }
    Ok(())
}

async fn sheets_out_and_in_again(world: &World) -> Result<()> {
    for (encoding, columns) in [("utf-8-bom", false), ("utf-8", true), ("cp932", false)] {
        let options =
            json!({ "encoding": encoding, "identifiers": columns, "choice_columns": columns });
        without_difference(world, &SHEETS, options, 1).await?;
    }
    Ok(())
}

/// The document of a case's only sheet of a kind.
async fn sheet(world: &World, case_no: &str, section: &str) -> Result<String> {
    let case = case_numbered(world, case_no).await?;
    let found = case["sections"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["section"] == section)
        .context("section")?;
    let id = found["document_id"]
        .as_str()
        .or_else(|| found["sheets"][0]["document_id"].as_str());
    Ok(id
        .with_context(|| format!("no {section}: {found}"))?
        .to_owned())
}

async fn fields(world: &World, document: &str) -> Result<Value> {
    let shown = world
        .as_user("aoba-coord")?
        .get(&format!("/documents/{document}/projection"))
        .await?
        .ok()?;
    Ok(shown["fields"].clone())
}

async fn brought_in(world: &World, table: &str, csv: &str, counts: Value) -> Result<Value> {
    let import = checked(world, &format!("table={table}"), csv.as_bytes().to_vec()).await?;
    ensure!(import["counts"] == counts, "{table}: {import}");
    let done = apply(world, &import, json!({})).await?;
    ensure!(
        done["state"] == "done" && done["counts"]["left"].is_null(),
        "{done}"
    );
    Ok(done)
}

/// Sheets and their rows out of lists, into a case that came from one.
async fn sheets_come_in(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let screening = "事案番号,実施日,課題の数（複数分野）,主な課題,緊急性\r\nH30-12,R3.5.1,,\"家賃の滞納\r\n孤立\",\r\n";
    brought_in(world, "screening", screening, json!({"create": 1})).await?;
    let document = sheet(world, "H30-12", "screening").await?;
    let shown = fields(world, &document).await?;
    ensure!(
        shown["screened_on"]["value"] == "2021-05-01"
            && shown["main_issues"]["text"] == "家賃の滞納\n孤立",
        "{shown}"
    );
    // Rows need their sheet.
    let items = "事案番号,回次,課題,目標（短期）,支援内容,期限,進捗\r\n\
        H30-12,1,家賃の滞納,分割で払う,家計相談,2021/9/30,\r\n\
        H30-12,1,孤立,週に1度出かける,居場所へ同行,44500,\r\n";
    let early = checked(world, "table=plan_item", items.into()).await?;
    ensure!(early["counts"] == json!({"error": 2}), "{early}");
    discard(world, &early).await?;
    let plan = "事案番号,作成日,作成担当者,支援の方向性・総合方針,プラン期間（自）\r\nH30-12,令和3年6月1日,,暮らしを立て直す,R3.6.1\r\n";
    brought_in(world, "plan", plan, json!({"create": 1})).await?;
    brought_in(world, "plan_item", items, json!({"create": 2})).await?;
    let document = sheet(world, "H30-12", "plan").await?;
    let shown = fields(world, &document).await?;
    let rows = &shown["items"]["rows"];
    ensure!(
        shown["planned_on"]["value"] == "2021-06-01"
            && shown["plan_kind"]["value"] == "first"
            && rows[0]["cells"]["issue"]["text"] == "家賃の滞納"
            && rows[1]["cells"]["due"]["value"] == "2021-10-31"
            && rows.as_array().map(Vec::len) == Some(2),
        "{shown}"
    );
    let evaluation = "事案番号,評価対象プラン番号,評価実施日,残された課題\r\nH30-12,1,R4.3.31,\"滞納\r\n（残り2か月）\"\r\n";
    brought_in(world, "evaluation", evaluation, json!({"create": 1})).await?;
    let results = "事案番号,プラン項目（課題）,実施状況,支援の回数\r\nH30-12,家賃の滞納,家計相談を続けた,１２\r\n";
    brought_in(world, "evaluation_item", results, json!({"create": 1})).await?;
    // Once more: nothing comes in twice.
    for (table, csv, same) in [
        ("screening", screening, 1),
        ("plan", plan, 1),
        ("plan_item", items, 2),
    ] {
        let again = checked(world, &format!("table={table}"), csv.into()).await?;
        ensure!(again["counts"] == json!({"same": same}), "{table}: {again}");
        discard(world, &again).await?;
    }
    // The importing account wrote it, through the room like anything else.
    let case = case_numbered(world, "H30-12").await?;
    let account = case["owner"]["id"].as_str().context("account")?;
    let history = client
        .get(&format!("/documents/{document}/history"))
        .await?
        .text();
    ensure!(history.contains(account), "{history}");
    sheets_change(world, &document).await
}

async fn sheets_change(world: &World, document: &str) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let item = "事案番号,回次,行,目標（短期）,支援内容\r\nH30-12,1,2,月に1度出かける,\r\n";
    let import = checked(world, "table=plan_item", item.into()).await?;
    ensure!(import["counts"] == json!({"update": 1}), "{import}");
    let rows = client
        .get(&format!("/imports/{}/rows?kind=update", id(&import)))
        .await?
        .ok()?;
    ensure!(
        rows["rows"][0]["changes"]
            == json!([{"field": "goal", "label": "目標（短期）", "before": "週に1度出かける", "after": "月に1度出かける"}]),
        "{rows}"
    );
    // Somebody else changes it after the check: it is looked at again, and nothing is written.
    let other = "事案番号,回次,行,目標（短期）\r\nH30-12,1,2,毎日出かける\r\n";
    brought_in(world, "plan_item", other, json!({"update": 1})).await?;
    let again = apply(world, &import, json!({})).await?;
    ensure!(
        again["state"] == "ready" && again["file"]["again"] == true,
        "{again}"
    );
    let done = apply(world, &again, json!({})).await?;
    ensure!(done["state"] == "done", "{done}");
    let shown = fields(world, document).await?;
    ensure!(
        shown["items"]["rows"][1]["cells"]["goal"]["text"] == "月に1度出かける"
            && shown["items"]["rows"][1]["cells"]["action"]["text"] == "居場所へ同行",
        "{shown}"
    );
    // What Excel and others do to files.
    let long = "あ".repeat(20_000);
    let csv = format!(
        "事案番号,回次,作成日,支援の方向性・総合方針,作成機関\r\n\
         H30-12,1,昭和65年1月1日,,\r\nH30-12,1,,{long},\r\nH30-12,1,1.23E+05,,\r\n\
         H30-12,2,2026-10-01,,\r\nH30-12,7,2026-10-01,,\r\nH30-12,1,,123456789018,\r\n\
         H30-12,1,,,架空の機関\r\n2031-0001,1,2026-10-01,,\r\nH30-12,1,,別の方針,\r\nH30-12,1,,二度目,\r\n"
    );
    let import = checked(world, "table=plan", csv.into_bytes()).await?;
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    for wanted in [
        "2,作成日,planned_on,date,昭和は64年1月7日まで",
        "3,支援の方向性・総合方針,policy,too_long",
        "4,作成日,planned_on,date",
        "5,回次,number,draft_sheet",
        "6,回次,number,number",
        "7,支援の方向性・総合方針,policy,personal_number",
        "8,作成機関,planned_org,reference",
        "9,事案番号,case_no,unknown_case",
        "11,事案番号,case_no,duplicate",
    ] {
        ensure!(errors.contains(wanted), "{wanted}: {errors}");
    }
    discard(world, &import).await?;
    // A final sheet is compared and left alone.
    let screening = "事案番号,緊急性,対応方針（スクリーニング結果）,単独機関で対応が難しい理由,判定者\r\nH30-12,b,outreach,multi_field,調整　真理\r\n";
    brought_in(world, "screening", screening, json!({"update": 1})).await?;
    let screened = sheet(world, "H30-12", "screening").await?;
    let finalised = client
        .post(&format!("/documents/{screened}/finalise"), json!({}))
        .await?;
    ensure!(finalised.status == 200, "{}", finalised.text());
    for (urgency, counts) in [("b", json!({"same": 1})), ("a", json!({"error": 1}))] {
        let csv = format!("事案番号,緊急性\r\nH30-12,{urgency}\r\n");
        let import = checked(world, "table=screening", csv.into_bytes()).await?;
        ensure!(import["counts"] == counts, "{import}");
        discard(world, &import).await?;
    }
    // Who reads the sheet masked, or not at all, changes nothing by a file.
    let csv = format!("事案番号,主な課題\r\n{EXCLUDED_CASE},見えない\r\n2031-0001,ない\r\n");
    let theirs = send(world, "aoba-coord2", "table=screening", csv.into_bytes()).await?;
    let theirs = settled(world, "aoba-coord2", id(&theirs)).await?;
    ensure!(theirs["counts"] == json!({"error": 2}), "{theirs}");
    sheets_out_and_in_again(world).await
}

/// Who belongs to a case, and what was agreed to on paper.
async fn relations_and_consents(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let mother = person(world, "移行 母子", "1949-03-03").await?;
    let relation =
        format!("事案番号,支援対象者ID,事案での立場,本人との続柄\r\nH30-12,{mother},世帯員,\r\n");
    brought_in(world, "relation", &relation, json!({"create": 1})).await?;
    let again = checked(world, "table=relation", relation.into_bytes()).await?;
    ensure!(again["counts"] == json!({"same": 1}), "{again}");
    discard(world, &again).await?;
    let case = case_numbered(world, "H30-12").await?;
    let first = case["clients"][0]["person_id"].as_str().context("id")?;
    let consent = format!(
        "事案番号,支援対象者ID,同意区分,取得日,取得方法,共有してよい項目（タブ）,共有してよい機関,共有してはいけない機関\r\n\
         H30-12,{first},full,令和3年4月2日,paper,,,\r\n\
         H30-12,{mother},limited,2021-04-02,paper,plan|会議,,青葉市　福祉課\r\n"
    );
    let wrong = format!(
        "事案番号,支援対象者ID,同意区分,取得日,取得方法,共有してよい項目（タブ）,共有してよい機関\r\n\
         H30-12,{first},withdrawn,2021-04-02,paper,,\r\n\
         H30-12,{mother},full,,,,\r\n\
         H30-12,nobody,full,2021-04-02,paper,,\r\n\
         2031-0001,{first},full,2021-04-02,paper,,\r\n"
    );
    let import = checked(world, "table=consent", wrong.clone().into_bytes()).await?;
    ensure!(import["counts"] == json!({"error": 4}), "{import}");
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    for wanted in [
        "2,同意区分,status,status",
        "3,取得日,obtained_on,required",
        "3,取得方法,method,required",
        "4,支援対象者ID,person_id,unknown_person",
        "5,事案番号,case_no,unknown_case",
    ] {
        ensure!(errors.contains(wanted), "{wanted}: {errors}");
    }
    discard(world, &import).await?;
    brought_in(world, "consent", &consent, json!({"create": 2})).await?;
    let case_id = case["id"].as_str().context("id")?;
    let registered = client
        .get(&format!("/cases/{case_id}/consents"))
        .await?
        .ok()?;
    ensure!(
        registered["items"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["person_id"] == mother.as_str()
                && one["status"] == "limited"
                && one["allowed_sections"] == json!(["plan", "meeting"])
                && one["excluded_agencies"].as_array().map(Vec::len) == Some(1)),
        "{registered}"
    );
    let again = checked(world, "table=consent", consent.into_bytes()).await?;
    ensure!(again["counts"] == json!({"same": 2}), "{again}");
    discard(world, &again).await?;
    // What is registered stays: nothing is narrowed, taken back or given again by a file.
    let other = format!(
        "事案番号,支援対象者ID,同意区分,取得日,取得方法\r\nH30-12,{mother},full,2021-04-03,paper\r\n"
    );
    let import = checked(world, "table=consent", other.into_bytes()).await?;
    ensure!(import["counts"] == json!({"error": 1}), "{import}");
    discard(world, &import).await?;
    for encoding in ["utf-8-bom", "utf-8", "cp932"] {
        let options = json!({ "encoding": encoding });
        without_difference(world, &["relation", "consent"], options, 3).await?;
    }
    what_was_withdrawn(world, &mother).await
}

/// A file does not bring back what was withdrawn, whatever came after, and says so at the check.
async fn what_was_withdrawn(world: &World, person: &str) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let case = case_numbered(world, "H30-12").await?;
    let path = format!("/cases/{}/consents", case["id"].as_str().context("id")?);
    for body in [
        json!({"person_id": person, "status": "withdrawn", "obtained_on": "2021-04-02"}),
        json!({"person_id": person, "status": "unconfirmed"}),
    ] {
        client.post(&path, body).await?.ok()?;
    }
    let csv = format!(
        "事案番号,支援対象者ID,同意区分,取得日,取得方法\r\nH30-12,{person},full,2021-04-03,paper\r\n"
    );
    let import = checked(world, "table=consent", csv.into_bytes()).await?;
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    ensure!(
        import["counts"] == json!({"error": 1})
            && errors.contains("2,支援対象者ID,person_id,registered"),
        "{import} {errors}"
    );
    discard(world, &import).await
}

/// Fields that the municipality added to its sheets are columns, out and in.
async fn own_fields(world: &World) -> Result<()> {
    let admin = world.as_user("aoba-admin")?;
    let extension = json!({
        "forms": { "plan": { "fields": [
            { "id": "new_text", "section": "plan", "label": "地区の見守り", "type": "textarea", "pii": "free_text" },
            { "id": "new_choice", "section": "plan", "label": "見守りの頻度", "type": "select", "options": "new_list" },
            { "id": "new_many", "section": "plan", "label": "見守る人", "type": "multiselect", "options": "new_list" },
        ] } },
        "lists": [{ "id": "new_list", "title": "頻度", "options": [{ "code": "new_daily", "label": "毎日" }, { "code": "new_weekly", "label": "毎週" }] }],
        "options": {},
    });
    let mut extension = extension;
    let form = admin.get("/forms/plan").await?.ok()?;
    let section = form["sections"][0]["id"].clone();
    for field in extension["forms"]["plan"]["fields"]
        .as_array_mut()
        .context("fields")?
    {
        field["section"] = section.clone();
    }
    let before = admin.get("/local-forms").await?.ok()?;
    let body = json!({ "revision": before["draft"]["revision"], "extension": extension });
    let kept = admin.put("/local-forms/draft", body).await?.ok()?;
    ensure!(kept["draft"]["problems"] == json!([]), "{kept}");
    let body = json!({ "revision": kept["draft"]["revision"], "note": "地区の見守り" });
    let made = admin.post("/local-forms/publications", body).await?.ok()?;
    let own = &made["published"]["forms"]["plan"]["fields"];
    let (text, choice) = (
        own[0]["id"].as_str().context("id")?,
        own[1]["id"].as_str().context("id")?,
    );
    let columns = |tables: Value| -> Vec<Value> {
        let tables = tables["items"].as_array().cloned().unwrap_or_default();
        let plan = tables.into_iter().find(|table| table["id"] == "plan");
        let columns = plan.map(|plan| plan["columns"].clone()).unwrap_or_default();
        columns
            .as_array()
            .into_iter()
            .flatten()
            .filter(|column| column["own"] == true)
            .cloned()
            .collect()
    };
    let client = world.as_user("aoba-coord")?;
    let ours = columns(client.get("/exchange-tables").await?.ok()?);
    ensure!(
        ours.len() == 3
            && ours[0]["label"] == "地区の見守り"
            && ours[1]["options"][0]["label"] == "毎日",
        "{ours:?}"
    );
    let theirs = world.as_user("shiranami-coord")?;
    let theirs = columns(theirs.get("/exchange-tables").await?.ok()?);
    ensure!(theirs.is_empty(), "{theirs:?}");
    // By header or by identifier; a choice that there is not is refused.
    let csv = format!(
        "事案番号,回次,地区の見守り,{choice},見守る人\r\nH30-12,1,\"回覧板は\r\n続いている\",毎週,毎日|毎週\r\n"
    );
    brought_in(world, "plan", &csv, json!({"update": 1})).await?;
    let wrong = "事案番号,回次,見守りの頻度\r\nH30-12,1,毎年\r\n";
    let import = checked(world, "table=plan", wrong.into()).await?;
    ensure!(
        import["counts"] == json!({"error": 1})
            && import["file"]["unknown_options"][choice] == json!(["毎年"]),
        "{import}"
    );
    let errors = client
        .get(&format!("/imports/{}/errors.csv", id(&import)))
        .await?
        .text();
    ensure!(errors.contains("2,見守りの頻度"), "{errors}");
    discard(world, &import).await?;
    let document = sheet(world, "H30-12", "plan").await?;
    let shown = fields(world, &document).await?;
    ensure!(
        shown[text]["text"] == "回覧板は\n続いている" && shown[choice]["value"].is_string(),
        "{shown}"
    );
    let archive = of_cases(world, json!({"tables": ["plan"], "encoding": "utf-8"})).await?;
    let plan = String::from_utf8(file(&archive, "plan.csv")?)?;
    ensure!(
        plan.contains("地区の見守り") && plan.contains("回覧板は"),
        "{plan}"
    );
    sheets_out_and_in_again(world).await
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
        step("cases out and in", cases_out_and_in_again(&world)).await?;
        step("cases move in", cases_move_in(&world)).await?;
        step("cases change", cases_change(&world)).await?;
        step("sheets come in", sheets_come_in(&world)).await?;
        step("relations and consents", relations_and_consents(&world)).await?;
        step("own fields", own_fields(&world)).await?;
        step("characters", characters(&world)).await
    })
    .await;
}
