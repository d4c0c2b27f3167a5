//! What is erased is really gone: a text is planted in every place that can hold it, found in each by
//! the diagnostic command (which opens every store through its own decoder), erased by two persons, and
//! found nowhere after: not in the databases, not in a backup made afterwards, and not in the backup
//! made before, once its key is destroyed. A process killed in the middle goes on where it was.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use musubi_tests::{
    Channel, Client, Database, Peer, channel::Said, database, each_database, server::binary,
    socket::Heard,
};
use serde_json::{Value, json};
use yrs::{
    Any, Assoc, Doc, GetString, IndexScope, IndexedSequence, Map, MapPrelim, Out, Text, TextRef,
    Transact,
};

use crate::world::{Case, EXCLUDED_CASE, OPEN_CASE, World, add_row, field_text, step, type_field};

/// In the passage that is deleted and then erased. No name, so that masking leaves it alone.
const GONE: &str = "昨夜は納屋の裏で泣いていた";
/// In text that stays.
const KEPT: &str = "朝は庭の水やりをする";
/// In a transcript, an entry of the 支援経過 and a cell: erased along, or deleted before.
const CELL: &str = "離れの鍵は鉢植えの下";
/// A value of another case: it survives everything.
const ELSEWHERE: &str = "避子";

/// Rounds of being killed in the middle; more with `MUSUBI_ERASURE_ROUNDS`.
fn rounds() -> u32 {
    std::env::var("MUSUBI_ERASURE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2)
}

/// Where a text is: `table.column` or part of the log, without row numbers. The text goes in on
/// standard input.
pub fn places(
    data: &Path,
    environment: &[(String, String)],
    text: &str,
) -> Result<BTreeSet<String>> {
    let mut child = Command::new(binary())
        .args(["doctor", "--find-text", "--data"])
        .arg(data)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    {
        use std::io::Write;
        let mut input = child.stdin.take().context("stdin")?;
        writeln!(input, "{text}")?;
    }
    let output = child.wait_with_output()?;
    let (found, errors) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    ensure!(
        !found.contains(text) && !errors.contains(text),
        "the command repeats the text"
    );
    let found: BTreeSet<String> = found
        .lines()
        .filter_map(|line| line.split('\t').next())
        .map(str::to_owned)
        .collect();
    // 1 = still there; anything else with findings, or without, is a failure of the command.
    ensure!(
        output.status.code() == Some(i32::from(!found.is_empty())),
        "doctor: {:?} {found:?} {errors}",
        output.status
    );
    Ok(found)
}

fn here(world: &World, text: &str) -> Result<BTreeSet<String>> {
    places(world.server.data.path(), world.server.environment(), text)
}

/// Polls until the text stands in all of these places.
async fn found_in(world: &World, text: &str, expected: &[&str]) -> Result<()> {
    let started = Instant::now();
    loop {
        let found = here(world, text)?;
        let missing: Vec<_> = expected
            .iter()
            .filter(|place| !found.contains(**place))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "not found in {missing:?}, only in {found:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Raw bytes of every file below a folder, in three encodings.
pub fn no_raw_bytes(folder: &Path, text: &str) -> Result<()> {
    let needles = [
        text.as_bytes().to_vec(),
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>(),
        text.encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<u8>>(),
    ];
    let mut folders = vec![folder.to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path)?;
            read += 1;
            for needle in &needles {
                ensure!(
                    !bytes.windows(needle.len()).any(|window| window == needle),
                    "{} holds it",
                    path.display()
                );
            }
        }
    }
    ensure!(read > 0, "no file was read");
    Ok(())
}

fn text_at(doc: &Doc, field: &str) -> Result<TextRef> {
    match doc.get_or_insert_map("fields").get(&doc.transact(), field) {
        Some(Out::YText(text)) => Ok(text),
        _ => bail!("{field} is no text"),
    }
}

/// Takes a passage out of a text field.
fn delete_passage(doc: &Doc, field: &str, passage: &str) -> Result<()> {
    let text = text_at(doc, field)?;
    let whole = text.get_string(&doc.transact());
    let at = whole.find(passage).context("passage")?;
    let start = u32::try_from(whole[..at].encode_utf16().count())?;
    let length = u32::try_from(passage.encode_utf16().count())?;
    text.remove_range(&mut doc.transact_mut(), start, length);
    Ok(())
}

/// An anchor in the encoding of `Y.encodeRelativePosition`, as base64.
fn anchor(doc: &Doc, text: &TextRef, at: u32, assoc: Assoc) -> Result<String> {
    let position = text
        .sticky_index(&doc.transact(), at, assoc)
        .context("anchor")?;
    let IndexScope::Relative(id) = position.scope() else {
        bail!("no relative position")
    };
    let mut out = vec![0];
    for mut number in [id.client.get(), u64::from(id.clock)] {
        while number >= 0x80 {
            out.push(u8::try_from(number & 0x7f)? | 0x80);
            number >>= 7;
        }
        out.push(u8::try_from(number)?);
    }
    out.push(if assoc == Assoc::After { 0 } else { 0x41 });
    Ok(base64::engine::general_purpose::STANDARD.encode(out))
}

async fn masks_document(world: &World, sheet: &str) -> Result<String> {
    let shown = world
        .as_user("aoba-coord")?
        .get(&format!("/documents/{sheet}"))
        .await?
        .ok()?;
    shown["masks_document_id"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("masks_document_id in {shown}"))
}

/// Plants the texts: typed letter by letter, in a cell, marked by hand, in a version, a final, a
/// snapshot, a transcript and an entry.
async fn plant(world: &World, case: &Case) -> Result<(Value, String, String)> {
    let coordinator = world.as_user("aoba-coord")?;
    let token = world.token("aoba-coord")?;
    let sheet = case.document("assessment");
    let mut peer = Peer::join(&world.server.url, sheet, &token).await?;
    type_field(&peer.doc, "chief_complaint_self", "眠れない日が続く。")?;
    type_field(&peer.doc, "summary", &format!("{KEPT}。"))?;
    peer.push().await?;
    // One struct per letter, as people type.
    for letter in format!("{GONE}。").chars() {
        type_field(&peer.doc, "summary", &letter.to_string())?;
        peer.push().await?;
    }
    add_row(
        &peer.doc,
        "services_used",
        "abcdefgh234567ab",
        &[("service", CELL)],
    )?;
    peer.push().await?;
    // Enough for a snapshot to take the place of the entries.
    for round in 0..1_100 {
        type_field(&peer.doc, "strengths", "あ")?;
        peer.push().await?;
        delete_passage(&peer.doc, "strengths", "あ")?;
        peer.push().await?;
        if round % 100 == 0 {
            peer.barrier().await?;
        }
    }
    peer.barrier().await?;

    // Marked by hand: the scan keeps the words of what was accepted and then deleted.
    let mut masks = Peer::join(
        &world.server.url,
        &masks_document(world, sheet).await?,
        &token,
    )
    .await
    .context("masks")?;
    {
        let text = text_at(&peer.doc, "summary")?;
        let whole = text.get_string(&peer.doc.transact());
        let at = whole.find("納屋").context("marked word")?;
        let start = u32::try_from(whole[..at].encode_utf16().count())?;
        let span = [
            ("field", "summary".to_owned()),
            ("start", anchor(&peer.doc, &text, start, Assoc::After)?),
            ("end", anchor(&peer.doc, &text, start + 2, Assoc::Before)?),
            ("label", "FACILITY".to_owned()),
            ("source", "manual".to_owned()),
            ("status", "accepted".to_owned()),
        ];
        let spans = masks.doc.get_or_insert_map("spans");
        spans.insert(
            &mut masks.doc.transact_mut(),
            "span12345678abcd",
            MapPrelim::from_iter(span.map(|(key, value)| (key, Any::from(value)))),
        );
    }
    masks.push().await?;
    masks.barrier().await.context("mark")?;

    coordinator
        .post(&format!("/documents/{sheet}/finalise"), json!({}))
        .await?
        .ok()
        .context("finalise")?;
    coordinator
        .post(&format!("/documents/{sheet}/reopen"), json!({}))
        .await?
        .ok()
        .context("reopen")?;
    let transcript = coordinator
        .post(
            &format!("/cases/{}/transcripts", case.id),
            json!({ "text": format!("相談員：昨日はどうでしたか。\n本人：{GONE}。{CELL}です。\n") }),
        )
        .await?
        .ok()?;
    // The text stands across two parts of the file.
    let mut bytes = vec![b'x'; (256 << 10) - 4];
    bytes.extend_from_slice(GONE.as_bytes());
    let file = coordinator
        .upload(
            &format!("/cases/{}/attachments", case.id),
            "記録.txt",
            bytes,
        )
        .await?
        .ok()?;
    let record = coordinator
        .post(
            &format!("/cases/{}/progress-records", case.id),
            json!({"performed_on": "2026-10-20", "method": "visit", "content": format!("訪問。{GONE}とのこと。"), "attachments": [file["id"]]}),
        )
        .await?
        .ok()?;
    let id = |value: &Value| value["id"].as_str().map(str::to_owned).context("id");
    let (transcript, record) = (id(&transcript)?, id(&record)?);
    let (attachment, request, step) = around(&coordinator, case).await?;
    let objects = json!([
        {"kind": "transcript", "id": transcript},
        {"kind": "progress_record", "id": record},
        {"kind": "attachment", "id": attachment},
        {"kind": "request", "id": request},
        {"kind": "step", "id": step},
    ]);
    Ok((objects, transcript, record))
}

/// The text in the name of a file that came with an amendment, in a request and in the reason of a step.
async fn around(coordinator: &Client, case: &Case) -> Result<(String, String, String)> {
    let id = |value: &Value| value["id"].as_str().map(str::to_owned).context("id");
    let path = format!("/cases/{}", case.id);
    let entry = coordinator
        .post(
            &format!("{path}/progress-records"),
            json!({"performed_on": "2026-10-21", "method": "tel", "content": "電話。"}),
        )
        .await?
        .ok()?;
    let file = coordinator
        .upload(
            &format!("{path}/attachments"),
            &format!("{GONE}.txt"),
            format!("memo {GONE}").into_bytes(),
        )
        .await?
        .ok()?;
    coordinator
        .post(
            &format!("{path}/progress-records/{}/amendments", id(&entry)?),
            json!({"reason": "添付を加えた。", "attachments": [file["id"]]}),
        )
        .await?
        .ok()?;
    let colleagues = coordinator.get("/colleagues").await?.ok()?;
    let asked = coordinator
        .post(
            &format!("{path}/requests"),
            json!({"kind": "assign", "to_account_id": colleagues["items"][0]["id"], "words": format!("{GONE}ため代わりに。")}),
        )
        .await?
        .ok()?;
    coordinator
        .post(
            &format!("{path}/stage"),
            json!({"stage": "screening", "reason": format!("{GONE}ので先に聞く。")}),
        )
        .await?
        .ok()?;
    let course = coordinator.get(&format!("{path}/course")).await?.ok()?;
    let steps = course["steps"].as_array().context("steps")?;
    let step = steps
        .iter()
        .find(|step| step["reason"].is_string())
        .context("a step with a reason")?;
    Ok((id(&file)?, id(&asked)?, id(step)?))
}

async fn release(world: &World, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let started = Instant::now();
    loop {
        let reply = coordinator
            .post(&format!("/documents/{sheet}/masks/scan"), json!({}))
            .await?;
        // The models are loaded after the server has begun to listen.
        if reply.status != 503 || started.elapsed() > Duration::from_secs(60) {
            reply.ok().context("scan")?;
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    coordinator
        .post(
            &format!("/documents/{sheet}/masks/finish"),
            json!({"override_reason": "確認済み"}),
        )
        .await?
        .ok()
        .context("release")?;
    Ok(())
}

async fn ask(client: &Client, request: &Value) -> Result<String> {
    let asked = client.post("/erasures", request.clone()).await?.ok()?;
    asked["id"].as_str().map(str::to_owned).context("id")
}

async fn record(client: &Client, id: &str) -> Result<Value> {
    let listed = client.get("/erasures").await?.ok()?;
    listed["items"]
        .as_array()
        .and_then(|items| items.iter().find(|item| item["id"] == id))
        .cloned()
        .with_context(|| format!("{id} is not listed"))
}

/// Waits until it is carried out; a server that is just starting may not answer yet.
async fn carried_out(client: &Client, id: &str) -> Result<Value> {
    let started = Instant::now();
    loop {
        if let Ok(found) = record(client, id).await
            && found["state"] == "done"
        {
            return Ok(found);
        }
        ensure!(
            started.elapsed() < Duration::from_secs(90),
            "not carried out: {:?}",
            record(client, id).await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A channel for a copy of the first epoch brings the refusal and nothing of the document; one for a
/// copy of the present epoch brings the document.
async fn channels_know_their_epoch(url: &str, sheet: &str, token: &str) -> Result<()> {
    let mut old = Channel::open_at(url, sheet, token, 1).await?;
    let Said::Frame(_, frame) = old.next().await? else {
        bail!("no refusal");
    };
    ensure!(frame.starts_with(&[101, 6]), "{:?}", frame.get(..2));
    ensure!(old.next().await? == Said::End(4406));
    let mut fresh = Channel::open_at(url, sheet, token, 2).await?;
    let Said::Frame(_, frame) = fresh.next().await? else {
        bail!("refused");
    };
    ensure!(frame.first() == Some(&0), "{:?}", frame.get(..2));
    Ok(())
}

async fn gone_with_code_6(peer: &mut Peer) -> Result<()> {
    loop {
        match peer.hear().await? {
            Heard::Refused { code: 6, .. } => return Ok(()),
            Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
            Heard::Closed => bail!("closed without a word"),
            _ => {}
        }
    }
}

async fn two_persons_are_needed(world: &World, request: &Value) -> Result<String> {
    let (coordinator, staff) = (world.as_user("aoba-coord")?, world.as_user("aoba-staff")?);
    for (login_id, status) in [
        ("aoba-coord2", 403),
        ("aoba-houkatsu-mgr", 403),
        ("aoba-auditor", 403),
        ("shiranami-coord", 404),
    ] {
        let reply = world
            .as_user(login_id)?
            .post("/erasures", request.clone())
            .await?;
        ensure!(reply.status == status, "{login_id}: {}", reply.status);
    }
    for (change, code) in [
        (json!({"ground": "retention_expired"}), "ground"),
        (json!({"reason": "　"}), "reason"),
        (
            json!({"objects": [{"kind": "transcript", "id": "nobody"}]}),
            "objects",
        ),
    ] {
        let mut wrong = request.clone();
        for (key, value) in change.as_object().context("change")? {
            wrong[key] = value.clone();
        }
        let reply = coordinator.post("/erasures", wrong).await?;
        ensure!(
            reply.status == 422 && reply.text().contains(code),
            "{code}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let id = ask(&coordinator, request).await?;
    let twice = coordinator.post("/erasures", request.clone()).await?;
    ensure!(twice.status == 409, "{}", twice.status);
    let path = format!("/erasures/{id}/approve");
    let own = coordinator.post(&path, json!({})).await?;
    ensure!(
        own.status == 422 && own.text().contains("same_person"),
        "{} {}",
        own.status,
        own.text()
    );
    let no_right = staff.post(&path, json!({})).await?;
    ensure!(no_right.status == 403, "{}", no_right.status);
    let elsewhere = world
        .as_user("shiranami-coord")?
        .post(&path, json!({}))
        .await?;
    ensure!(elsewhere.status == 404, "{}", elsewhere.status);
    let seen = record(&staff, &id).await?;
    ensure!(
        seen["state"] == "requested" && seen["reason"] == request["reason"],
        "{seen}"
    );
    let audited = record(&world.as_user("aoba-auditor")?, &id).await?;
    ensure!(audited["reason"].is_null(), "{audited}");
    Ok(id)
}

/// Another data folder with a backup restored into it.
pub struct Restored {
    pub data: tempfile::TempDir,
    pub environment: Vec<(String, String)>,
    /// What the command printed.
    said: String,
}

impl Restored {
    fn places(&self, text: &str) -> Result<BTreeSet<String>> {
        places(self.data.path(), &self.environment, text)
    }
}

/// Restores a backup beside the keys of `keys`.
pub fn restored(backup: &Path, keys: &Path, on: Database) -> Result<Restored> {
    let data = tempfile::tempdir()?;
    copy(keys, &data.path().join("keys"))?;
    let mut environment = Vec::new();
    if on == Database::PostgreSql {
        environment.push(("DATABASE_URL".to_owned(), database::fresh_postgres()?));
    }
    let output = Command::new(binary())
        .arg("restore")
        .arg(backup)
        .arg("--data")
        .arg(data.path())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()?;
    ensure!(
        output.status.success(),
        "restore: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Restored {
        data,
        environment,
        said: String::from_utf8(output.stdout)?,
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

async fn the_past_of_a_sheet(world: &World, on: Database) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let sheet = case.document("assessment").to_owned();
    let (coordinator, approver) = (
        world.as_user("aoba-coord")?,
        world.as_user("aoba-approver")?,
    );
    let token = world.token("aoba-coord")?;
    let (objects, ..) = plant(world, &case).await?;
    release(world, &sheet).await?;
    found_in(
        world,
        GONE,
        &[
            "document_log",
            "document_versions",
            "document_finals.value_sealed",
            "document_projections.value_sealed",
            "mask_scans.scan_sealed",
            "transcripts.content_sealed",
            "progress_records.content_sealed",
            "progress_amendments.content_sealed",
            "blobs.name_sealed",
            "blobs.text_sealed",
            "case_requests.content_sealed",
            "case_steps.reason_sealed",
        ],
    )
    .await?;
    // The marked word is masked in the release and in what vectors are made from; its sentence is not.
    found_in(
        world,
        "の裏で泣いていた",
        &["mask_releases.value_sealed", "vectors.vector_sealed"],
    )
    .await?;
    found_in(
        world,
        CELL,
        &[
            "document_log",
            "document_projections.value_sealed",
            "search_index",
            "transcripts.content_sealed",
        ],
    )
    .await?;

    let folder = tempfile::tempdir()?;
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    world
        .server
        .command(&["backup", before.to_str().context("path")?])?;
    let keys = world.server.data.path().join("keys");
    let keys_before = folder.path().join("keys-before");
    copy(&keys, &keys_before)?;

    // Deleted, as everybody would: gone from the screen, and from nowhere else.
    let mut peer = Peer::join(&world.server.url, &sheet, &token).await?;
    delete_passage(&peer.doc, "summary", &format!("{GONE}。"))?;
    {
        let rows = match peer
            .doc
            .get_or_insert_map("fields")
            .get(&peer.doc.transact(), "services_used")
        {
            Some(Out::YMap(rows)) => rows,
            _ => bail!("services_used is no table"),
        };
        rows.remove(&mut peer.doc.transact_mut(), "abcdefgh234567ab");
    }
    peer.push().await?;
    peer.barrier().await?;
    found_in(
        world,
        GONE,
        &[
            "document_log",
            "document_versions",
            "document_finals.value_sealed",
        ],
    )
    .await?;

    let request = json!({
        "scope": "past", "ground": "correction", "document_id": sheet, "objects": objects,
        "reason": format!("本人の請求による。{GONE}という記載は誤り。"),
    });
    let id = two_persons_are_needed(world, &request).await?;
    ensure!(here(world, GONE)?.contains("erasures.reason_sealed"));
    let mut neighbour = Peer::join(&world.server.url, case.document("intake"), &token).await?;
    ensure!(
        approver
            .post(&format!("/erasures/{id}/approve"), json!({}))
            .await?
            .status
            == 202
    );
    gone_with_code_6(&mut peer)
        .await
        .context("who had it open")?;
    gone_with_code_6(&mut neighbour)
        .await
        .context("sheets of the same case are loaded anew")?;
    let done = carried_out(&coordinator, &id).await?;
    ensure!(
        done["reason"].is_null()
            && done["counts"]["documents"].as_i64() >= Some(2)
            && done["counts"]["finals"] == 1
            && done["counts"]["keys"] == 1
            && done["counts"]["transcripts"] == 1
            && done["counts"]["progress_records"] == 1
            && done["documents"]
                .as_array()
                .is_some_and(|ids| ids.contains(&json!(sheet))),
        "{done}"
    );

    // Nowhere, but what stands still stands.
    for text in [GONE, CELL, "の裏で泣いていた"] {
        let left = here(world, text)?;
        ensure!(left.is_empty(), "still in {left:?}");
        no_raw_bytes(world.server.data.path(), text)?;
    }
    // That it was asked and that the step was taken stays.
    let asked = coordinator
        .get(&format!("/cases/{}/requests", case.id))
        .await?
        .ok()?;
    ensure!(
        asked["items"][0]["kind"] == "assign" && asked["items"][0]["words"].is_null(),
        "{asked}"
    );
    let course = coordinator
        .get(&format!("/cases/{}/course", case.id))
        .await?
        .ok()?;
    ensure!(
        course["stage"] == "screening"
            && course["steps"]
                .as_array()
                .is_some_and(|steps| steps.iter().all(|step| step["reason"].is_null())),
        "{course}"
    );
    // A client that comes back with its copy of then is refused; a new one reads the present.
    let mut old = Peer::open_at(&world.server.url, &sheet, &token, 1).await?;
    gone_with_code_6(&mut old).await.context("an old copy")?;
    channels_know_their_epoch(&world.server.url, &sheet, &token)
        .await
        .context("an old copy over plain HTTP")?;
    let mut fresh = Peer::join(&world.server.url, &sheet, &token).await?;
    ensure!(field_text(&fresh.doc, "summary") == format!("{KEPT}。"));
    type_field(&fresh.doc, "summary", "追記。")?;
    fresh.push().await?;
    fresh.barrier().await?;
    let versions = coordinator
        .get(&format!("/documents/{sheet}/versions"))
        .await?
        .ok()?;
    ensure!(versions["items"] == json!([]), "{versions}");
    let history = coordinator
        .get(&format!("/documents/{sheet}/history"))
        .await?
        .ok()?;
    ensure!(
        history["items"].as_array().is_some_and(|items| {
            let mut parts = items
                .iter()
                .flat_map(|item| item["parts"].as_array())
                .flatten();
            !items.is_empty() && parts.all(|part| part["deleted"] == 0)
        }),
        "{history}"
    );
    found_in(
        world,
        KEPT,
        &[
            "document_log",
            "document_projections.value_sealed",
            "mask_scans.scan_sealed",
            "vectors.vector_sealed",
        ],
    )
    .await
    .context("derived anew")?;
    let checked = world.server.command(&["doctor"])?;
    ensure!(checked.contains("改ざんはありません"), "{checked}");

    world
        .server
        .command(&["backup", after.to_str().context("path")?])?;
    let new = restored(&after, &keys, on)?;
    for text in [GONE, CELL] {
        let left = new.places(text)?;
        ensure!(
            left.is_empty(),
            "the backup made afterwards has it in {left:?}"
        );
    }
    ensure!(new.places(KEPT)?.contains("document_log"));

    let old = restored(&before, &keys, on)?;
    ensure!(old.said.contains(OPEN_CASE), "{}", old.said);
    let left = old.places(GONE)?;
    ensure!(left.is_empty(), "the old backup opens: {left:?}");
    ensure!(
        !old.places(ELSEWHERE)?.is_empty(),
        "other cases must come back"
    );
    // What makes it so is the key: with the key file of then it is all there. The test can fail.
    let with_old_keys = restored(&before, &keys_before, on)?;
    ensure!(with_old_keys.places(GONE)?.contains("document_log"));
    Ok(())
}

/// Each round types something, deletes it, has it erased, and kills the server on the way.
async fn killed_in_the_middle(world: &mut World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let sheet = case.document("assessment").to_owned();
    for round in 0..rounds() {
        let secret = format!("打ち切り{round}番の言葉");
        let kept = format!("残る言葉{round}。");
        {
            let token = world.token("aoba-coord")?;
            let mut peer = Peer::join(&world.server.url, &sheet, &token).await?;
            type_field(&peer.doc, "summary", &format!("{kept}{secret}"))?;
            peer.push().await?;
            delete_passage(&peer.doc, "summary", &secret)?;
            peer.push().await?;
            peer.barrier().await?;
        }
        ensure!(here(world, &secret)?.contains("document_log"));
        let coordinator = world.as_user("aoba-coord")?;
        let request = json!({"scope": "past", "ground": "mistaken_entry", "document_id": sheet, "reason": "誤入力"});
        let id = ask(&coordinator, &request).await?;
        world
            .as_user("aoba-approver")?
            .post(&format!("/erasures/{id}/approve"), json!({}))
            .await?
            .ok()?;
        // Later in every round: each step is hit sooner or later.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 700))).await;
        world.server.kill()?;
        world.server.launch()?;
        let done = carried_out(&coordinator, &id).await?;
        ensure!(done["counts"]["keys"] == 1, "round {round}: {done}");
        let left = here(world, &secret)?;
        ensure!(left.is_empty(), "round {round}: {left:?}");
        let token = world.token("aoba-coord")?;
        let peer = Peer::join(&world.server.url, &sheet, &token).await?;
        ensure!(
            field_text(&peer.doc, "summary").contains(&kept),
            "round {round}: what stood is gone"
        );
    }
    Ok(())
}

async fn a_whole_sheet(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let sheet = case.document("intake").to_owned();
    let token = world.token("aoba-coord")?;
    let word = "縁側で毛布にくるまる";
    let mut peer = Peer::join(&world.server.url, &sheet, &token).await?;
    type_field(&peer.doc, "request_text", word)?;
    peer.push().await?;
    peer.barrier().await?;
    ensure!(here(world, word)?.contains("document_log"));
    let (coordinator, approver) = (
        world.as_user("aoba-coord")?,
        world.as_user("aoba-approver")?,
    );
    let request = json!({"scope": "document", "ground": "correction", "document_id": sheet, "reason": "利用停止"});
    // By the command line too it takes two.
    let asked = world.server.command_in(
        &[
            "erase",
            "request",
            "--user",
            "aoba-staff",
            "--scope",
            "document",
            "--ground",
            "correction",
            "--document",
            &sheet,
        ],
        "利用停止\n".as_bytes(),
    )?;
    let id = asked.trim().to_owned();
    ensure!(
        coordinator.post("/erasures", request).await?.status == 409,
        "asked for already"
    );
    let own = world
        .server
        .command(&["erase", "approve", "--user", "aoba-staff", &id])
        .expect_err("without the right");
    ensure!(own.to_string().contains("役割"), "{own}");
    approver
        .post(&format!("/erasures/{id}/approve"), json!({}))
        .await?
        .ok()?;
    gone_with_code_6(&mut peer).await?;
    let done = carried_out(&coordinator, &id).await?;
    ensure!(done["document_kind"] == "intake", "{done}");
    ensure!(here(world, word)?.is_empty());
    ensure!(
        coordinator
            .get(&format!("/documents/{sheet}"))
            .await?
            .status
            == 404
    );
    // The section goes on with an empty sheet.
    let again = world.case(OPEN_CASE).await?;
    let new = again.document("intake");
    ensure!(!new.is_empty() && new != sheet, "{new}");
    let mut peer = Peer::join(&world.server.url, new, &token).await?;
    ensure!(field_text(&peer.doc, "request_text").is_empty());
    type_field(&peer.doc, "request_text", "書き直し。")?;
    peer.push().await?;
    peer.barrier().await
}

async fn a_note(world: &World) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let note = coordinator
        .post("/documents", json!({"kind": "note"}))
        .await?
        .ok()?;
    let note = note["id"].as_str().context("id")?;
    let token = world.token("aoba-coord")?;
    let mut peer = Peer::join(&world.server.url, note, &token).await?;
    let (gone, kept) = ("土蔵の二階", "市場の角");
    {
        let text = peer.doc.get_or_insert_text("content");
        let mut txn = peer.doc.transact_mut();
        text.push(&mut txn, gone);
        text.push(&mut txn, kept);
    }
    peer.push().await?;
    {
        let text = peer.doc.get_or_insert_text("content");
        let length = u32::try_from(gone.encode_utf16().count())?;
        text.remove_range(&mut peer.doc.transact_mut(), 0, length);
    }
    peer.push().await?;
    peer.barrier().await?;
    let request = json!({"scope": "past", "ground": "mistaken_entry", "document_id": note, "reason": "誤入力"});
    let id = ask(&coordinator, &request).await?;
    world
        .as_user("aoba-approver")?
        .post(&format!("/erasures/{id}/approve"), json!({}))
        .await?
        .ok()?;
    carried_out(&coordinator, &id).await?;
    ensure!(here(world, gone)?.is_empty());
    ensure!(here(world, kept)?.contains("document_log"));
    Ok(())
}

async fn a_whole_case(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let (coordinator, approver) = (
        world.as_user("aoba-coord")?,
        world.as_user("aoba-approver")?,
    );
    let names = ["鶸谷", "ひわたに", "0900-91-5678", KEPT];
    for name in names {
        ensure!(!here(world, name)?.is_empty(), "{name} is not there at all");
    }
    let mut request = json!({"scope": "case", "ground": "retention_expired", "case_id": case.id, "reason": "満了"});
    let open = coordinator.post("/erasures", request.clone()).await?;
    ensure!(
        open.status == 422 && open.text().contains("retention"),
        "an open case: {} {}",
        open.status,
        open.text()
    );
    request["ground"] = json!("mistaken_entry");
    let id = ask(&coordinator, &request).await?;
    approver
        .post(&format!("/erasures/{id}/approve"), json!({}))
        .await?
        .ok()?;
    let done = carried_out(&coordinator, &id).await?;
    ensure!(
        done["case_no"] == OPEN_CASE
            && done["counts"]["persons"] == 1
            && done["counts"]["cases"] == 1,
        "{done}"
    );
    for name in names {
        let left = here(world, name)?;
        ensure!(left.is_empty(), "{name} still in {left:?}");
    }
    ensure!(
        coordinator
            .get(&format!("/cases/{}", case.id))
            .await?
            .status
            == 404
    );
    let others = coordinator.get("/cases").await?.ok()?;
    ensure!(
        others["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|item| item["case_no"] == EXCLUDED_CASE)),
        "{others}"
    );
    let checked = world.server.command(&["doctor"])?;
    ensure!(checked.contains("改ざんはありません"), "{checked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        step("past", the_past_of_a_sheet(&world, database)).await?;
        step("kill", killed_in_the_middle(&mut world)).await?;
        step("note", a_note(&world)).await?;
        step("sheet", a_whole_sheet(&world)).await?;
        step("case", a_whole_case(&world)).await
    })
    .await;
}
