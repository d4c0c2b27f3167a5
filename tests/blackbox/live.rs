//! Live documents through the socket: convergence, refusals, durability, latency.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use musubi_tests::{Peer, each_database, socket::Heard};
use serde_json::json;
use yrs::{
    Doc, GetString, Map, Options, ReadTxn, StateVector, Text, Transact, Update,
    updates::decoder::Decode,
};

use crate::world::{OPEN_CASE, World, field_text, step, type_field};

const MALFORMED: u64 = 1;
const TOO_LARGE: u64 = 2;
const NO_PERMISSION: u64 = 3;
const SHAPE: u64 = 4;
const FOREIGN: u64 = 5;
const PERSONAL_NUMBER: u64 = 9;

async fn join(world: &World, document: &str, login_id: &str) -> Result<Peer> {
    Peer::join(&world.server.url, document, &world.token(login_id)?)
        .await
        .with_context(|| format!("{login_id} joins"))
}

/// Waits for the refusal or, where the transport itself refuses, for the close.
async fn refusal(peer: &mut Peer) -> Result<Option<u64>> {
    loop {
        match peer.hear().await? {
            Heard::Refused { code, reason } => {
                ensure!(!reason.is_empty(), "refusal {code} without words");
                return Ok(Some(code));
            }
            Heard::Closed => return Ok(None),
            _ => {}
        }
    }
}

async fn refused_with(peer: &mut Peer, expected: u64) -> Result<()> {
    let code = refusal(peer).await?;
    ensure!(
        code == Some(expected),
        "refused with {code:?}, expected {expected}"
    );
    Ok(())
}

async fn two_write_one_note(world: &World) -> Result<()> {
    let note = world
        .as_user("aoba-coord")?
        .post("/documents", json!({"kind": "note"}))
        .await?
        .ok()?;
    let note = note["id"].as_str().context("id")?;
    let (mut first, mut second) = (
        join(world, note, "aoba-coord").await?,
        join(world, note, "aoba-coord2").await?,
    );
    let write = |peer: &Peer, words: &str| {
        let text = peer.doc.get_or_insert_text("content");
        text.push(&mut peer.doc.transact_mut(), words);
    };
    let read = |doc: &Doc| {
        doc.get_or_insert_text("content")
            .get_string(&doc.transact())
    };
    // Both at once, before either hears of the other.
    write(&first, "ひとつ目。");
    write(&second, "ふたつ目。");
    first.push().await?;
    second.push().await?;
    let both = |doc: &Doc| read(doc).contains("ひとつ目。") && read(doc).contains("ふたつ目。");
    first.until(both).await?;
    second.until(both).await?;
    ensure!(
        read(&first.doc) == read(&second.doc),
        "{} ≠ {}",
        read(&first.doc),
        read(&second.doc)
    );
    for outsider in ["aoba-outside", "shiranami-coord", "aoba-stat"] {
        let mut peer = Peer::open(&world.server.url, note, &world.token(outsider)?).await?;
        refused_with(&mut peer, NO_PERMISSION)
            .await
            .with_context(|| outsider.to_owned())?;
    }
    Ok(())
}

async fn two_agencies_write_one_sheet(world: &World, sheet: &str) -> Result<()> {
    let (mut first, mut second) = (
        join(world, sheet, "aoba-coord").await?,
        join(world, sheet, "aoba-houkatsu").await?,
    );
    type_field(&first.doc, "summary", "長女が週末に来る。")?;
    type_field(&second.doc, "summary", "近所づきあいはない。")?;
    first.push().await?;
    second.push().await?;
    let both = |doc: &Doc| {
        let text = field_text(doc, "summary");
        text.contains("長女が週末に来る。") && text.contains("近所づきあいはない。")
    };
    first.until(both).await?;
    second.until(both).await?;
    ensure!(field_text(&first.doc, "summary") == field_text(&second.doc, "summary"));
    second.barrier().await?;
    let mut third = join(world, sheet, "aoba-coord2").await?;
    ensure!(
        field_text(&third.doc, "summary") == field_text(&first.doc, "summary"),
        "who comes later reads the same"
    );
    // 閲覧: reads, but cannot write.
    let mut reader = join(world, sheet, "aoba-viewer").await?;
    type_field(&reader.doc, "summary", "閲覧者の書込み")?;
    reader.push().await?;
    refused_with(&mut reader, NO_PERMISSION).await?;
    third.barrier().await?;
    ensure!(!field_text(&third.doc, "summary").contains("閲覧者"));
    for outsider in ["aoba-outside", "shiranami-coord", "aoba-admin"] {
        let mut peer = Peer::open(&world.server.url, sheet, &world.token(outsider)?).await?;
        refused_with(&mut peer, NO_PERMISSION)
            .await
            .with_context(|| outsider.to_owned())?;
    }
    Ok(())
}

async fn a_foreign_client_id(world: &World, sheet: &str) -> Result<()> {
    let mut owner = join(world, sheet, "aoba-houkatsu").await?;
    type_field(&owner.doc, "strengths", "料理が得意")?;
    owner.push().await?;
    owner.barrier().await?;
    let mut forger = join(world, sheet, "aoba-coord2").await?;
    let known = forger
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let disguised = Doc::with_options(Options {
        client_id: owner.doc.client_id(),
        ..Options::default()
    });
    disguised
        .transact_mut()
        .apply_update(Update::decode_v1(&known)?)?;
    let before = disguised.transact().state_vector();
    type_field(&disguised, "strengths", "と書いたのは別人")?;
    let update = disguised.transact().encode_diff_v1(&before);
    forger.send_update(&update).await?;
    refused_with(&mut forger, FOREIGN).await
}

async fn what_a_sheet_may_not_hold(world: &World, sheet: &str) -> Result<()> {
    type Write = fn(&Doc);
    let cases: [(&str, Write); 6] = [
        ("an unknown field", |doc| {
            let _inserted =
                doc.get_or_insert_map("fields")
                    .insert(&mut doc.transact_mut(), "nothing", "x");
        }),
        ("a text replaced by a value", |doc| {
            let _inserted =
                doc.get_or_insert_map("fields")
                    .insert(&mut doc.transact_mut(), "summary", "x");
        }),
        ("an option that is not in the list", |doc| {
            let _inserted =
                doc.get_or_insert_map("fields")
                    .insert(&mut doc.transact_mut(), "route", "鶸谷");
        }),
        ("a seeded text deleted", |doc| {
            let _inserted = doc
                .get_or_insert_map("fields")
                .remove(&mut doc.transact_mut(), "summary");
        }),
        ("a root of its own", |doc| {
            let _inserted = doc
                .get_or_insert_map("鶸谷")
                .insert(&mut doc.transact_mut(), "a", 1);
        }),
        ("the server's own root", |doc| {
            let _inserted =
                doc.get_or_insert_map("meta")
                    .insert(&mut doc.transact_mut(), "form", "x");
        }),
    ];
    for (what, write) in cases {
        let mut peer = join(world, sheet, "aoba-coord").await?;
        write(&peer.doc);
        peer.push().await?;
        refused_with(&mut peer, SHAPE)
            .await
            .with_context(|| what.to_owned())?;
    }
    Ok(())
}

async fn frames_that_are_none(world: &World, sheet: &str) -> Result<()> {
    let mut large = join(world, sheet, "aoba-coord").await?;
    large.send_update(&vec![0; (1 << 20) + 1]).await?;
    let code = refusal(&mut large).await?;
    ensure!(code == Some(TOO_LARGE), "1 MiB and a byte: {code:?}");
    let mut huge = join(world, sheet, "aoba-coord").await?;
    if huge.send_raw(vec![0; 4 << 20]).await.is_ok() {
        let code = refusal(&mut huge).await?;
        ensure!(code.is_none_or(|code| code == TOO_LARGE), "4 MiB: {code:?}");
    }
    let mut honest = join(world, sheet, "aoba-coord").await?;
    type_field(&honest.doc, "adl", "歩行は安定している。")?;
    let update = honest
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    honest.push().await?;
    honest.barrier().await?;
    let mut frames: Vec<Vec<u8>> = vec![
        vec![],
        vec![255],
        vec![0],
        vec![0, 2],
        vec![0, 2, 255, 255, 255, 255, 15],
        vec![0, 9, 1, 0],
        vec![100],
        vec![101, 3],
        vec![1, 200],
    ];
    for cut in [1, 7, update.len() / 2, update.len() - 1] {
        let mut frame = vec![0, 2];
        let mut rest = cut;
        while rest >= 0x80 {
            frame.push(u8::try_from(rest & 0x7f)? | 0x80);
            rest >>= 7;
        }
        frame.push(u8::try_from(rest)?);
        frame.extend_from_slice(&update[..cut]);
        frames.push(frame);
    }
    // Noise from a fixed seed.
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    for length in [3_usize, 17, 200, 5000] {
        let noise = (0..length).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        });
        frames.push([0, 2].into_iter().chain(noise).collect());
    }
    for frame in frames {
        let mut peer = join(world, sheet, "aoba-coord").await?;
        let shown: Vec<u8> = frame.iter().copied().take(12).collect();
        peer.send_raw(frame).await?;
        let code = refusal(&mut peer)
            .await
            .with_context(|| format!("frame {shown:?}"))?;
        ensure!(
            code.is_none_or(|code| [MALFORMED, TOO_LARGE, SHAPE].contains(&code)),
            "frame {shown:?}: {code:?}"
        );
    }
    ensure!(
        world
            .as_user("aoba-coord")?
            .get_raw("/healthz")
            .await?
            .status
            == 200,
        "the server is gone"
    );
    let after = join(world, sheet, "aoba-houkatsu").await?;
    ensure!(
        field_text(&after.doc, "adl").contains("歩行は安定している。"),
        "what was there is still there"
    );
    Ok(())
}

/// マイナンバー with a right check digit, one digit at a time.
async fn a_personal_number_digit_by_digit(world: &World, sheet: &str) -> Result<()> {
    let mut peer = join(world, sheet, "aoba-coord").await?;
    let mut refused = None;
    for digit in "123456789018".chars() {
        type_field(&peer.doc, "history", &digit.to_string())?;
        peer.push().await?;
        if let Err(error) = peer.barrier().await {
            refused = Some(error.to_string());
            break;
        }
    }
    ensure!(
        refused
            .as_deref()
            .is_some_and(|text| text.contains(&format!("refused {PERSONAL_NUMBER}"))),
        "{refused:?}"
    );
    let reader = join(world, sheet, "aoba-coord2").await?;
    ensure!(
        !field_text(&reader.doc, "history").contains("123456789018"),
        "it was kept"
    );
    Ok(())
}

async fn ten_in_one_sheet(world: &World, sheet: &str) -> Result<()> {
    const EDITS: usize = 30;
    let mut writer = join(world, sheet, "aoba-coord").await?;
    let names = [
        "aoba-coord",
        "aoba-coord2",
        "aoba-houkatsu",
        "aoba-houkatsu-mgr",
        "aoba-staff",
        "aoba-approver",
        "aoba-viewer",
        "aoba-coord2",
        "aoba-houkatsu",
    ];
    let mut others = Vec::new();
    for name in names {
        others.push(join(world, sheet, name).await?);
    }
    let start = field_text(&writer.doc, "daily_life").chars().count();
    let mut samples = Vec::new();
    for edit in 1..=EDITS {
        type_field(&writer.doc, "daily_life", "あ")?;
        let sent = Instant::now();
        writer.push().await?;
        let arrivals = join_all(others.iter_mut().map(|peer| async move {
            peer.until(|doc| field_text(doc, "daily_life").chars().count() >= start + edit)
                .await?;
            anyhow::Ok(sent.elapsed())
        }))
        .await;
        for arrival in arrivals {
            samples.push(arrival?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    samples.sort();
    let p = |percent: usize| samples[(samples.len() * percent / 100).min(samples.len() - 1)];
    println!(
        "edit → remote with 10 peers: p50 {:?}, p99 {:?}, {} samples",
        p(50),
        p(99),
        samples.len()
    );
    ensure!(p(99) < Duration::from_millis(500), "p99 {:?}", p(99));
    Ok(())
}

async fn kill_after_the_acknowledgement(world: &mut World, sheet: &str) -> Result<()> {
    let mut expected = String::new();
    for round in 0..4 {
        let mut peer = join(world, sheet, "aoba-coord").await?;
        let before = field_text(&peer.doc, "life_history");
        ensure!(
            before == expected,
            "round {round}: {before:?}, acknowledged was {expected:?}"
        );
        for edit in 0..=round * 3 {
            let words = format!("［{round}・{edit}］");
            type_field(&peer.doc, "life_history", &words)?;
            expected.push_str(&words);
            peer.push().await?;
        }
        peer.barrier().await?;
        world.server.kill()?;
        ensure!(
            matches!(refusal(&mut peer).await, Ok(None)),
            "the socket outlived the server"
        );
        world.server.launch()?;
    }
    let peer = join(world, sheet, "aoba-houkatsu").await?;
    if field_text(&peer.doc, "life_history") != expected {
        bail!(
            "acknowledged {expected:?}, found {:?}",
            field_text(&peer.doc, "life_history")
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn live() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?;
        let sheet = case.document("assessment");
        step("note", two_write_one_note(&world)).await?;
        step("sheet", two_agencies_write_one_sheet(&world, sheet)).await?;
        step("foreign client id", a_foreign_client_id(&world, sheet)).await?;
        step("shape", what_a_sheet_may_not_hold(&world, sheet)).await?;
        step("frames", frames_that_are_none(&world, sheet)).await?;
        step(
            "personal number",
            a_personal_number_digit_by_digit(&world, sheet),
        )
        .await?;
        step("ten peers", ten_in_one_sheet(&world, sheet)).await?;
        step("kill -9", kill_after_the_acknowledgement(&mut world, sheet)).await
    })
    .await;
}
