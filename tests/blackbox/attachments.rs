//! Attachments of the 支援経過: their texts are found by those who have the files and by nobody else;
//! files that want to do harm do none; a backup has every byte of them, and none in clear.

use std::{
    io::{Cursor, Read as _, Write as _},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Server, each_database};
use reqwest::Method;
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    erasure::{no_raw_bytes, places, restored},
    search::{as_if_it_were_not_there, until, words},
    world::{OPEN_CASE, PROTECTED_CASE, World, step},
};

/// A PDF of these objects, numbered from 1; the first is the catalogue.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let end = format!(
        "{table}trailer<</Size {}/Root 1 0 R>>\nstartxref\n{}\n%%EOF\n",
        objects.len() + 1,
        out.len()
    );
    out.extend_from_slice(end.as_bytes());
    out
}

/// A PDF of one page with these contents, drawn with `/F` (MS 明朝, not embedded, CP932).
fn page(entries: &str, contents: &[u8]) -> Vec<u8> {
    let mut stream = format!("<<{entries}/Length {}>>stream\n", contents.len()).into_bytes();
    stream.extend_from_slice(contents);
    stream.extend_from_slice(b"\nendstream");
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>".to_vec(),
        stream,
        b"<</Type/Font/Subtype/Type0/BaseFont/MS-Mincho/Encoding/90ms-RKSJ-H/DescendantFonts[6 0 R]>>".to_vec(),
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/MS-Mincho/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>>>".to_vec(),
    ])
}

fn written(text: &str) -> Vec<u8> {
    let codes: String = encoding_rs::SHIFT_JIS
        .encode(text)
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    page(
        "",
        format!("BT /F 12 Tf 50 700 Td <{codes}> Tj ET").as_bytes(),
    )
}

/// Bytes, so many times.
type Repeated<'a> = (&'a [u8], usize);

/// A container of these parts.
fn archive(parts: &[(&str, &[Repeated<'_>])]) -> Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in parts {
        writer.start_file(*name, SimpleFileOptions::default())?;
        for (content, times) in *contents {
            for _ in 0..*times {
                writer.write_all(content)?;
            }
        }
    }
    Ok(writer.finish()?.into_inner())
}

/// A Word document whose one paragraph is this text, so many times.
fn document(text: &[u8], times: usize) -> Result<Vec<u8>> {
    archive(&[
        (
            "word/document.xml",
            &[
                (b"<w:document><w:body><w:p><w:r><w:t>", 1),
                (text, times),
                (b"</w:t></w:r></w:p></w:body></w:document>", 1),
            ],
        ),
        ("[Content_Types].xml", &[(b"<Types/>", 1)]),
        ("_rels/.rels", &[(b"<Relationships/>", 1)]),
    ])
}

/// A workbook whose texts unpack to 300 MB.
fn bloated_workbook() -> Result<Vec<u8>> {
    let line = vec![b' '; 1 << 20];
    let contents: &[Repeated<'_>] = &[(b"<sst><si><t>", 1), (&line, 300)];
    let bytes = archive(&[
        ("xl/workbook.xml", &[(b"<workbook/>", 1)]),
        ("[Content_Types].xml", &[(b"<Types/>", 1)]),
        ("_rels/.rels", &[(b"<Relationships/>", 1)]),
        ("xl/sharedStrings.xml", contents),
    ])?;
    ensure!(bytes.len() < 400_000, "{}", bytes.len());
    Ok(bytes)
}

async fn sent(client: &Client, case: &str, name: &str, bytes: Vec<u8>) -> Result<String> {
    let path = format!("/cases/{case}/attachments");
    let file = client.upload(&path, name, bytes).await?.ok()?;
    Ok(file["id"].as_str().context("id")?.to_owned())
}

async fn entry(client: &Client, case: &str, body: Value) -> Result<Value> {
    let path = format!("/cases/{case}/progress-records");
    client.post(&path, body).await?.ok()
}

/// What the search knows of the attachments of an entry, once all were looked at: (name, state).
async fn looked_at(client: &Client, case: &str, record: &Value) -> Result<Vec<(String, String)>> {
    let path = format!("/cases/{case}/progress-records/search");
    let started = Instant::now();
    loop {
        let page = client.post(&path, json!({ "limit": 100 })).await?.ok()?;
        let items = page["items"].as_array().context("items")?;
        let found = items.iter().find(|item| item["id"] == *record);
        let files = found.context("entry")?["attachments"].as_array();
        let states: Vec<(String, String)> = files
            .context("attachments")?
            .iter()
            .map(|file| {
                let text = |of: &str| file[of].as_str().unwrap_or_default().to_owned();
                (text("name"), text("text"))
            })
            .collect();
        if states.iter().all(|(_, state)| state != "waiting") {
            return Ok(states);
        }
        ensure!(started.elapsed() < Duration::from_secs(120), "{states:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn texts_are_found_by_who_has_the_files(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let coordinator = world.as_user("aoba-coord")?;
    let csv = encoding_rs::SHIFT_JIS
        .encode("品目,金額\r\n白鷺灯,3200\r\n")
        .0;
    let mut files = Vec::new();
    for (name, bytes) in [
        ("診断書.pdf", written("翡翠沢で転倒したと本人が話す。")),
        ("家計.csv", csv.into_owned()),
        ("報告.docx", document("雲雀坂の寮に入る。".as_bytes(), 1)?),
        ("翠鳥写真.png", crate::progress::PNG.to_vec()),
    ] {
        files.push(sent(&coordinator, &case.id, name, bytes).await?);
    }
    let typed = ["翡翠沢", "白鷺灯", "雲雀坂", "翠鳥写真"];
    // A file that waits for its entry is nobody's yet.
    let waiting = sent(&coordinator, &case.id, "待機.txt", "孔雀池".into()).await?;
    let record = entry(
        &coordinator,
        &case.id,
        json!({ "performed_on": "2026-11-20", "method": "tel", "visibility": "case_members",
            "content": "鴎橋から書類が届いた。", "attachments": files }),
    )
    .await?;
    for text in typed {
        for login in ["aoba-coord", "aoba-houkatsu"] {
            let (answer, _) = until(world, login, text, "attachment").await?;
            let hit = &answer["hits"][0];
            ensure!(
                answer["total"] == 1 && hit["id"] == record["id"] && hit["day"] == "2026-11-20",
                "{login} {text}: {answer}"
            );
            ensure!(
                hit["snippets"].to_string().contains(text),
                "{login} {text}: {hit}"
            );
        }
    }
    // Whoever reads the entry masked finds the entry, and nothing of its files.
    until(world, "aoba-masked", "書類が届いた", "record").await?;
    for login in ["aoba-masked", "aoba-outside", "shiranami-coord"] {
        as_if_it_were_not_there(world, login, &typed).await?;
        as_if_it_were_not_there(world, login, &["診断書", "転倒", "書類 転倒", "転倒した"]).await?;
    }
    as_if_it_were_not_there(world, "aoba-coord", &["孔雀池"]).await?;
    // In a case with a kept address, agencies that may not know it read masked.
    let kept = world.case(PROTECTED_CASE).await?;
    let person = kept.persons[0]["person_id"].clone();
    let file = sent(
        &coordinator,
        &kept.id,
        "転居.txt",
        "鸚鵡町に移った。".into(),
    )
    .await?;
    entry(
        &coordinator,
        &kept.id,
        json!({ "performed_on": "2026-11-20", "method": "tel", "visibility": "case_members",
            "content": "転居の知らせ。", "persons": [person], "attachments": [file] }),
    )
    .await?;
    until(world, "aoba-coord", "鸚鵡町", "attachment").await?;
    for login in ["aoba-houkatsu", "aoba-masked", "aoba-staff"] {
        as_if_it_were_not_there(world, login, &["鸚鵡町", "おうむ"]).await?;
    }
    // Taken away by an amendment: gone from the search, and from everywhere else.
    let id = record["id"].as_str().context("id")?;
    let found = places(
        world.server.data.path(),
        world.server.environment(),
        "翡翠沢で転倒した",
    )?;
    ensure!(found.contains("blobs.text_sealed"), "{found:?}");
    coordinator
        .post(
            &format!("/cases/{}/progress-records/{id}/amendments", case.id),
            json!({ "reason": "別人の書類", "remove_attachments": [files[0]] }),
        )
        .await?
        .ok()?;
    let started = Instant::now();
    while words(world, "aoba-coord", "翡翠沢").await?["total"] != 0 {
        ensure!(started.elapsed() < Duration::from_secs(30), "still found");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let left = places(
        world.server.data.path(),
        world.server.environment(),
        "翡翠沢で転倒した",
    )?;
    ensure!(!left.contains("blobs.text_sealed"), "{left:?}");
    let path = format!("/cases/{}/attachments/{waiting}", case.id);
    let gone = coordinator.request(Method::DELETE, &path, None).await?;
    ensure!(gone.status == 204, "{}", gone.text());
    Ok(())
}

async fn what_cannot_be_read_is_said_and_does_no_harm(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?.id;
    let coordinator = world.as_user("aoba-coord")?;
    let zeros = vec![b' '; 64 << 20];
    let packed = {
        // The stream of a ZIP entry is what FlateDecode unpacks, without its two first bytes.
        let zip = archive(&[("a", &[(zeros.as_slice(), 1)])])?;
        let from = 30 + 1;
        let to = zip
            .windows(4)
            .rposition(|window| window == b"PK\x01\x02")
            .context("list")?;
        [&b"\x78\x9c"[..], zip.get(from..to).context("stream")?].concat()
    };
    world.calm().await?;
    let before = world.server.resident()?;
    world.server.forget_peak()?;
    let started = Instant::now();
    let mut files = Vec::new();
    for (name, bytes) in [
        ("ふくらむ.pdf", page("/Filter/FlateDecode", &packed)),
        (
            "ふくらむ.docx",
            archive(&[
                (
                    "word/document.xml",
                    &[(b"<w:document><!-- ", 1), (&zeros, 2)],
                ),
                ("[Content_Types].xml", &[(b"<Types/>", 1)]),
            ])?,
        ),
        ("ふくらむ.xlsx", bloated_workbook()?),
        (
            "深い.pdf",
            [&b"%PDF-1.7\n1 0 obj\n"[..], &b"<</A".repeat(1 << 17)].concat(),
        ),
        ("白い.pdf", page("", b"0 0 m 9 9 l S")),
        ("後.txt", "何事もなく読まれる".into()),
    ] {
        files.push(sent(&coordinator, &case, name, bytes).await?);
    }
    let record = entry(
        &coordinator,
        &case,
        json!({ "performed_on": "2026-11-21", "method": "tel", "content": "怪しい書類。", "attachments": files }),
    )
    .await?;
    let mut states = looked_at(&coordinator, &case, &record["id"]).await?;
    println!(
        "{} files looked at in {:?}",
        states.len(),
        started.elapsed()
    );
    states.sort();
    let expected = [
        ("ふくらむ.docx", "unreadable"),
        ("ふくらむ.pdf", "unreadable"),
        ("ふくらむ.xlsx", "unreadable"),
        ("後.txt", "read"),
        ("深い.pdf", "unreadable"),
        ("白い.pdf", "none"),
    ];
    for (name, state) in expected {
        ensure!(
            states.contains(&(name.to_owned(), state.to_owned())),
            "{name}: {states:?}"
        );
    }
    let grown = world.server.peak()?.saturating_sub(before);
    println!("the server grew by {} MB at most", grown >> 20);
    ensure!(grown < 120 << 20, "grew by {grown} bytes");
    Ok(())
}

/// A workbook that unpacks to what memory cannot hold, at the import and at the command line.
async fn bloated_workbooks_are_refused(world: &World) -> Result<()> {
    let bytes = bloated_workbook()?;
    let coordinator = world.as_user("aoba-coord")?;
    world.calm().await?;
    let before = world.server.resident()?;
    world.server.forget_peak()?;
    let reply = coordinator
        .upload("/imports?table=person", "名簿.xlsx", bytes.clone())
        .await?;
    ensure!(
        reply.status == 422 && reply.code() == "unreadable",
        "{} {}",
        reply.status,
        reply.text()
    );
    let message = reply.json["message"].as_str().context("message")?;
    ensure!(
        message.contains("大きすぎます") && message.contains("分けて"),
        "{message}"
    );
    let grown = world.server.peak()?.saturating_sub(before);
    println!("the import grew the server by {} MB at most", grown >> 20);
    ensure!(grown < 60 << 20, "grew by {grown} bytes");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tool.xlsx");
    std::fs::write(&file, bytes)?;
    let output = Command::new(musubi_tests::server::binary())
        .args(["forms", "verify"])
        .arg(&file)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && said.contains("大きすぎます"),
        "{:?} {said}",
        output.status
    );
    Ok(())
}

/// A process that reads an attachment of plain text, behind `before` of a shell.
fn reader(before: &str) -> Result<std::process::Child> {
    let script = format!("{before} exec \"$0\" read-attachment text/plain");
    Ok(Command::new("sh")
        .args(["-c", &script])
        .arg(musubi_tests::server::binary())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?)
}

/// The reading process has no more memory than it is given, whatever it is sent; nor files, nor threads.
fn the_reader_is_held_to_its_limits() -> Result<()> {
    let started = Instant::now();
    let mut child = reader("")?;
    let mut said = [0];
    let mut stdout = child.stdout.take().context("stdout")?;
    stdout.read_exact(&mut said)?;
    ensure!(said == *b"+", "{said:?}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()))?;
    let limit = |name: &str| -> Vec<&str> {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default()
            .split_whitespace()
            .take(2)
            .collect()
    };
    for (name, expected) in [
        ("Max open files", ["3", "3"]),
        ("Max processes", ["0", "0"]),
        ("Max file size", ["0", "0"]),
        ("Max core file size", ["0", "0"]),
        ("Max cpu time", ["30", "35"]),
        ("Max data size", ["536870912", "536870912"]),
    ] {
        ensure!(limit(name) == expected, "{name}: {:?}", limit(name));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    ensure!(status.contains("NoNewPrivs:\t1"), "{status}");
    {
        let mut input = child.stdin.take().context("stdin")?;
        let part = vec![0x83_u8; 1 << 20];
        // More than the whole of its memory holds twice; it may end before all was sent.
        for _ in 0..250 {
            if input.write_all(&part).is_err() {
                break;
            }
        }
    }
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest)?;
    let status = child.wait()?;
    ensure!(!status.success() && rest.is_empty(), "{status:?}");
    ensure!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );

    // Held tighter by its surroundings, it says so and reads what it can.
    let mut child = reader("ulimit -t 20;")?;
    child
        .stdin
        .take()
        .context("stdin")?
        .write_all("電話をした。".as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success() && said.starts_with("-{") && said.contains("電話をした。"),
        "{:?} {said}",
        output.status
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_attachments() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("found", texts_are_found_by_who_has_the_files(&world)).await?;
        step("harm", what_cannot_be_read_is_said_and_does_no_harm(&world)).await?;
        step("workbooks", bloated_workbooks_are_refused(&world)).await?;
        the_reader_is_held_to_its_limits()
    })
    .await;
}

/// Every byte of a file comes back from a backup, and the backup shows none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_attachments() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?.id;
        let coordinator = world.as_user("aoba-coord")?;
        // Several parts, the last one shorter.
        let mut pdf = written("朱鷺色の封筒");
        pdf.extend((0..700_000_u32).flat_map(|n| n.to_le_bytes()));
        let text = "朱鷺色の手紙を預かった。".repeat(100);
        let mut files = Vec::new();
        for (name, bytes) in [("封筒.pdf", pdf.clone()), ("朱鷺色.txt", text.clone().into_bytes())] {
            files.push(sent(&coordinator, &case, name, bytes).await?);
        }
        let record = entry(
            &coordinator,
            &case,
            json!({ "performed_on": "2026-11-22", "method": "tel", "content": "預かった。", "attachments": files }),
        )
        .await?;
        looked_at(&coordinator, &case, &record["id"]).await?;
        let folder = tempfile::tempdir()?;
        let backup = folder.path().join("backup");
        world
            .server
            .command(&["backup", backup.to_str().context("path")?])?;
        no_raw_bytes(&backup, "朱鷺色")?;
        let restored = restored(&backup, &world.server.data.path().join("keys"), database)?;
        let url = restored
            .environment
            .into_iter()
            .find_map(|(name, value)| (name == "DATABASE_URL").then_some(value));
        let mut server = Server::on_folder(restored.data, url);
        server.launch()?;
        let after = World::of(server);
        let reader = after.as_user("aoba-coord")?;
        for (id, name, bytes) in [
            (&files[0], "%E5%B0%81%E7%AD%92.pdf", pdf.as_slice()),
            (&files[1], "%E6%9C%B1%E9%B7%BA%E8%89%B2.txt", text.as_bytes()),
        ] {
            let response = reader
                .open(&format!("/cases/{case}/attachments/{id}"))
                .await?;
            let named = response.headers()["content-disposition"].to_str()?;
            ensure!(
                response.status() == 200 && named.replace("%2E", ".").ends_with(name),
                "{named}"
            );
            ensure!(response.bytes().await? == bytes, "other bytes");
        }
        let masked = after.as_user("aoba-masked")?;
        let refused = masked
            .open(&format!("/cases/{case}/attachments/{}", files[0]))
            .await?;
        ensure!(refused.status() == 404);
        // The index is not in a backup, and made anew from it.
        until(&after, "aoba-coord", "朱鷺色の手紙", "attachment").await?;
        Ok(())
    })
    .await;
}
