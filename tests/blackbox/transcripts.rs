//! Transcripts as they come: pasted, in four file formats and three encodings, cut off, too large,
//! with markup; the draft's evidence; accepting into a sheet.

use anyhow::{Context, Result, ensure};
use encoding_rs::SHIFT_JIS;
use musubi_tests::{Peer, each_database};
use serde_json::{Value, json};

use crate::world::{OPEN_CASE, World, field_text, step, type_field};

const FIRST: &str = "今日はどうされましたか。";
const SECOND: &str =
    "夜眠れなくて、家賃を三か月滞納しています。母の介護もあり、どうしたらいいかわかりません。";

fn vtt() -> String {
    format!(
        "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\n<v 相談員>{FIRST}\n\n00:00:05.000 --> 00:00:09.500\n<v 本人>{SECOND}\n"
    )
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect()
}

fn cp932(text: &str) -> Vec<u8> {
    SHIFT_JIS.encode(text).0.into_owned()
}

/// Both sentences are there, and every piece of evidence points into an utterance.
fn check(transcript: &Value) -> Result<()> {
    let utterances = transcript["utterances"].as_array().context("utterances")?;
    let texts: Vec<&str> = utterances
        .iter()
        .filter_map(|one| one["text"].as_str())
        .collect();
    let all = texts.join("");
    ensure!(all.contains(FIRST) && all.contains(SECOND), "{texts:?}");
    let draft = transcript["draft"].as_object().context("draft")?;
    ensure!(
        draft.contains_key("assessment.arrears"),
        "nothing drafted: {:?}",
        draft.keys()
    );
    for (field, drafted) in draft {
        let evidence = drafted["evidence"].as_array().context("evidence")?;
        ensure!(!evidence.is_empty(), "{field} without evidence");
        for piece in evidence {
            let number = |key: &str| {
                piece[key]
                    .as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .context("offset")
            };
            let (at, start, end) = (number("utterance")?, number("start")?, number("end")?);
            let length = texts
                .get(at)
                .map(|text| text.chars().count())
                .with_context(|| format!("{field}: utterance {at}"))?;
            ensure!(
                start < end && end <= length,
                "{field}: {start}..{end} of {length}"
            );
        }
    }
    Ok(())
}

async fn formats_and_encodings(world: &World, path: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let pasted = format!("相談員：{FIRST}\n本人：{SECOND}\n");
    let reply = coordinator.post(path, json!({ "text": pasted })).await?;
    ensure!(reply.status == 201, "{}", reply.text());
    check(&reply.json).context("pasted")?;

    let srt = format!(
        "1\r\n00:00:01,000 --> 00:00:04,000\r\n相談員：{FIRST}\r\n\r\n2\r\n00:00:05,000 --> 00:00:09,500\r\n本人：{SECOND}\r\n"
    );
    let whisper = json!({"language": "ja", "segments": [
        {"id": 0, "start": 1.0, "end": 4.0, "text": FIRST}, {"id": 1, "start": 5.0, "end": 9.5, "text": SECOND},
    ]});
    let files: [(&str, Vec<u8>); 7] = [
        ("a.vtt", vtt().into_bytes()),
        ("a.srt", srt.clone().into_bytes()),
        ("a.json", whisper.to_string().into_bytes()),
        ("a.txt", cp932(&pasted)),
        ("b.srt", cp932(&srt)),
        ("b.vtt", utf16(&vtt())),
        ("b.txt", utf16(&pasted)),
    ];
    for (name, bytes) in files {
        let reply = coordinator.upload(path, name, bytes).await?;
        ensure!(reply.status == 201, "{name}: {}", reply.text());
        check(&reply.json).with_context(|| name.to_owned())?;
    }
    Ok(())
}

async fn cut_off_and_hostile(world: &World, path: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let mut cut = format!("{}\n00:00:10.000 --> 00:00:1", vtt());
    let reply = coordinator
        .upload(path, "cut.vtt", cut.clone().into_bytes())
        .await?;
    ensure!(reply.status == 201, "{}", reply.text());
    check(&reply.json).context("what came before the cut")?;
    let warned = reply.json["warnings"].as_array().context("warnings")?;
    ensure!(
        !warned.is_empty()
            && warned
                .iter()
                .all(|one| one["message"].as_str().is_some_and(|text| !text.is_empty())),
        "{warned:?}"
    );

    cut = vtt().replace(
        FIRST,
        &format!("{FIRST}<script>alert(1)</script><img src=x onerror=alert(2)>"),
    );
    let reply = coordinator
        .upload(path, "<b>.vtt", cut.into_bytes())
        .await?;
    ensure!(reply.status == 201, "{}", reply.text());
    let text = reply.text();
    for markup in ["<script", "onerror", "<img", "<b>"] {
        ensure!(!text.contains(markup), "{markup} survived: {text}");
    }
    for (name, bytes) in [
        ("leer.txt", Vec::new()),
        ("bild.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("kaputt.json", b"{\"segments\": [".to_vec()),
    ] {
        let reply = coordinator.upload(path, name, bytes).await?;
        ensure!(
            reply.status == 422 && !reply.code().is_empty(),
            "{name}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let number = coordinator
        .post(path, json!({"text": "本人：番号は1234 5678 9018です。"}))
        .await?;
    ensure!(
        number.status == 422 && number.code() == "personal_number",
        "{}",
        number.text()
    );
    Ok(())
}

async fn too_large(world: &World, path: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let reply = coordinator
        .upload(path, "large.txt", vec![b'a'; (20 << 20) + (64 << 10)])
        .await?;
    ensure!(
        reply.status == 413 && reply.code() == "too_large",
        "{} {}",
        reply.status,
        reply.text()
    );
    // Far above: the server may close before everything was sent.
    if let Ok(reply) = coordinator
        .upload(path, "larger.txt", vec![b'a'; 40 << 20])
        .await
    {
        ensure!(
            reply.status == 413 && reply.code() == "too_large",
            "{} {}",
            reply.status,
            reply.text()
        );
    }
    coordinator.get(path).await?.ok()?;
    Ok(())
}

async fn accepting(world: &World, path: &str, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let mut peer = Peer::join(&world.server.url, sheet, &world.token("aoba-houkatsu")?).await?;
    type_field(&peer.doc, "chief_complaint_self", "先に書いた主訴。")?;
    peer.push().await?;
    peer.barrier().await?;

    let transcript = coordinator
        .post(
            path,
            json!({"text": format!("相談員：{FIRST}\n本人：{SECOND}\n")}),
        )
        .await?
        .ok()?;
    let id = transcript["id"].as_str().context("id")?;
    let drafted = transcript["draft"]["assessment.chief_complaint_self"]["value"]
        .as_str()
        .context("draft")?
        .to_owned();
    let fields: Vec<&String> = transcript["draft"]
        .as_object()
        .context("draft")?
        .keys()
        .collect();
    let accept = format!("/transcripts/{id}/acceptances");
    let results = coordinator
        .post(&accept, json!({ "fields": fields }))
        .await?
        .ok()?["results"]
        .clone();
    ensure!(
        results["assessment.chief_complaint_self"] == "skipped_not_empty",
        "{results}"
    );
    ensure!(results["assessment.arrears"] == "written", "{results}");
    ensure!(results["assessment.summary"] == "written", "{results}");
    peer.until(|doc| !field_text(doc, "summary").is_empty())
        .await?;
    ensure!(
        field_text(&peer.doc, "chief_complaint_self") == "先に書いた主訴。",
        "overwritten unasked"
    );

    let again = coordinator
        .post(&accept, json!({ "fields": fields }))
        .await?
        .ok()?["results"]
        .clone();
    ensure!(
        again["assessment.summary"] == "skipped_not_empty",
        "{again}"
    );
    let unknown = coordinator
        .post(&accept, json!({"fields": ["assessment.nothing"]}))
        .await?
        .ok()?["results"]
        .clone();
    ensure!(unknown["assessment.nothing"] == "unknown", "{unknown}");
    let asked = json!({"fields": ["assessment.chief_complaint_self"], "mode": "replace"});
    coordinator.post(&accept, asked).await?.ok()?;
    peer.until(|doc| field_text(doc, "chief_complaint_self") == drafted)
        .await?;
    let kept = coordinator.get(&format!("/transcripts/{id}")).await?.ok()?;
    ensure!(
        kept["accepted"]["assessment.chief_complaint_self"]["by"] == "調整 真理",
        "{}",
        kept["accepted"]
    );
    // Undone on the page: the sheet was put right there, the note is taken back here.
    let undone = format!("{accept}/assessment.chief_complaint_self");
    let left = coordinator.delete(&undone).await?.ok()?;
    ensure!(
        left["accepted"]["assessment.chief_complaint_self"].is_null()
            && left["accepted"]["assessment.summary"].is_object(),
        "{left}"
    );
    let kept = coordinator.get(&format!("/transcripts/{id}")).await?.ok()?;
    ensure!(kept["accepted"] == left["accepted"], "{}", kept["accepted"]);
    ensure!(coordinator.delete(&undone).await?.status == 404, "twice");
    ensure!(
        field_text(&peer.doc, "chief_complaint_self") == drafted,
        "the sheet is left alone"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn transcripts() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?;
        let path = format!("/cases/{}/transcripts", case.id);
        step("formats", formats_and_encodings(&world, &path)).await?;
        step("cut off and hostile", cut_off_and_hostile(&world, &path)).await?;
        step("too large", too_large(&world, &path)).await?;
        step(
            "accepting",
            accepting(&world, &path, case.document("assessment")),
        )
        .await
    })
    .await;
}
