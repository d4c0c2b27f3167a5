//! Clients that mean harm or cannot keep up: huge messages, floods, gaps, readers that stop reading.
//! They are refused or slowed, the server stays up, its memory bounded, and the others go on.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use musubi_tests::{Database, Peer, socket::Heard, typing::Place};
use tokio::time::sleep;
use yrs::{Doc, ReadTxn, StateVector, Text, Transact, encoding::write::Write};

use crate::world::{World, step};

const MALFORMED: u64 = 1;
const TOO_LARGE: u64 = 2;
const MIB: u64 = 1 << 20;

/// The code with which a connection ends; `None` when it is closed without one, which is how the
/// transport refuses what it does not even read.
async fn end(peer: &mut Peer) -> Result<Option<u64>> {
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

async fn join(world: &World, document: &str, login: &str) -> Result<Peer> {
    Peer::join(&world.server.url, document, &world.token(login)?).await
}

fn push_text(doc: &Doc, words: &str) {
    let text = doc.get_or_insert_text("content");
    text.push(&mut doc.transact_mut(), words);
}

/// The server answers and a writer is acknowledged soon.
async fn others_go_on(world: &World, document: &str) -> Result<()> {
    let mut writer = join(world, document, "aoba-coord2").await?;
    push_text(&writer.doc, "。");
    let since = Instant::now();
    writer.push().await?;
    writer.barrier().await?;
    ensure!(
        since.elapsed() < Duration::from_secs(5),
        "acknowledged after {:?}",
        since.elapsed()
    );
    Ok(())
}

fn grown(world: &World, before: u64, limit: u64, what: &str) -> Result<()> {
    let now = world.server.resident()?;
    let by = now.saturating_sub(before) / MIB;
    println!("{what}: resident memory grew by {by} MiB");
    ensure!(by < limit, "{what}: memory grew by {by} MiB");
    Ok(())
}

async fn a_hundred_megabytes(world: &World, document: &str) -> Result<()> {
    const SIZE: usize = 100 << 20;
    let before = world.server.resident()?;
    for pieces in [1, 1600] {
        let mut sender = join(world, document, "aoba-coord").await?;
        // Reset while it is still sending is an answer too.
        if sender.send_in_pieces(SIZE, SIZE / pieces).await.is_ok() {
            let code = end(&mut sender).await?;
            ensure!(code.is_none_or(|code| code == TOO_LARGE), "{code:?}");
        }
        grown(world, before, 24, &format!("100 MB in {pieces}"))?;
    }
    let senders = (0..20).map(|_| async {
        let mut sender = join(world, document, "aoba-coord").await?;
        let _reset = sender.send_in_pieces(8 << 20, 64 << 10).await;
        anyhow::Ok(())
    });
    for sent in join_all(senders).await {
        sent?;
    }
    grown(world, before, 64, "20 times 8 MB at once")?;
    others_go_on(world, document).await
}

/// An update whose beginning the server never received.
async fn a_gap(world: &World, document: &str) -> Result<()> {
    let mut sender = join(world, document, "aoba-coord").await?;
    push_text(&sender.doc, "一");
    let between = sender.doc.transact().state_vector();
    push_text(&sender.doc, "二");
    let second = sender.doc.transact().encode_diff_v1(&between);
    sender.send_update(&second).await?;
    let code = end(&mut sender).await?;
    ensure!(code == Some(MALFORMED), "{code:?}");
    // The whole is welcome.
    let whole = sender
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let mut again = join(world, document, "aoba-coord").await?;
    again.send_update(&whole).await?;
    again.barrier().await
}

fn awareness(client: u64, clock: u64, state: &str) -> Vec<u8> {
    let mut update: Vec<u8> = Vec::new();
    update.write_var(1_u64);
    update.write_var(client);
    update.write_var(clock);
    update.write_string(state);
    let mut frame: Vec<u8> = Vec::new();
    frame.write_var(1_u64);
    frame.write_buf(update);
    frame
}

async fn a_flood_of_presence(world: &World, document: &str) -> Result<()> {
    let before = world.server.resident()?;
    let mut watcher = join(world, document, "aoba-coord2").await?;
    let mut flooder = join(world, document, "aoba-coord").await?;
    let client = flooder.doc.client_id().get();
    let flood = async {
        for clock in 1..=30_000_u64 {
            let state = format!("{{\"cursor\":{clock}}}");
            if flooder
                .send_raw(awareness(client, clock, &state))
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let heard = async {
        let mut heard = 0;
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(4) {
            match tokio::time::timeout(Duration::from_millis(200), watcher.hear()).await {
                Ok(Ok(Heard::Awareness(_))) => heard += 1,
                Ok(Ok(Heard::Closed) | Err(_)) => break,
                _ => {}
            }
        }
        heard
    };
    let working = async {
        sleep(Duration::from_millis(300)).await;
        others_go_on(world, document).await
    };
    let ((), heard, others) = tokio::join!(flood, heard, working);
    others?;
    println!("30,000 states of presence: a watcher was sent {heard}");
    ensure!(
        (1..=400).contains(&heard),
        "a watcher heard {heard} of 30,000"
    );
    // A state of 200 KB is no cursor: refused, or at least not passed on for ever.
    let mut fat = join(world, document, "aoba-coord").await?;
    let client = fat.doc.client_id().get();
    let state = format!("{{\"x\":\"{}\"}}", "x".repeat(200 << 10));
    for clock in 1..=100 {
        if fat
            .send_raw(awareness(client, clock, &state))
            .await
            .is_err()
        {
            break;
        }
    }
    others_go_on(world, document).await?;
    grown(world, before, 48, "floods of presence")
}

/// Reads nothing while others write; then it hears everything, or that it was cut off.
async fn a_stalled_reader(world: &World, edits: usize, size: usize) -> Result<()> {
    let document = world.note().await?;
    let before = world.server.resident()?;
    let mut stalled = join(world, &document, "aoba-coord2").await?;
    let mut writer = join(world, &document, "aoba-coord").await?;
    let words = "あ".repeat(size);
    for edit in 0..edits {
        push_text(&writer.doc, &words);
        writer.push().await?;
        if edit % 50 == 49 {
            writer.barrier().await?;
        }
    }
    writer.barrier().await?;
    let written = Place::Note.read(&writer.doc)?;
    // What the document itself takes is no waste.
    let own = 8 * written.len() as u64 / MIB;
    grown(world, before, 40 + own, "a reader that stalls")?;
    // It reads again; whatever it was too slow for must reach it or end it.
    let since = Instant::now();
    let told = loop {
        if Place::Note.read(&stalled.doc)? == written {
            break "resynchronised";
        }
        ensure!(
            since.elapsed() < Duration::from_secs(60),
            "silently behind after 60 s"
        );
        match tokio::time::timeout(Duration::from_secs(5), stalled.hear()).await {
            Ok(Ok(Heard::Closed | Heard::Refused { .. })) => break "closed",
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            // Nothing comes and it is still behind.
            Err(_) => anyhow::bail!("silently behind: nothing came for 5 s"),
        }
    };
    println!("{edits} edits of {size} letters: the stalled reader was {told}");
    if told == "closed" {
        stalled = join(world, &document, "aoba-coord2").await?;
        ensure!(Place::Note.read(&stalled.doc)? == written);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile() -> Result<()> {
    let mut world = World::start(Database::Sqlite).await?;
    let note = world.note().await?;
    others_go_on(&world, &note).await?;
    world.calm().await?;
    step("100 MB", a_hundred_megabytes(&world, &note)).await?;
    step("gap", a_gap(&world, &note)).await?;
    step("presence", a_flood_of_presence(&world, &note)).await?;
    step("stalled, small", a_stalled_reader(&world, 250, 3)).await?;
    step("stalled, large", a_stalled_reader(&world, 250, 20_000)).await?;
    ensure!(world.server.is_up()?, "the server ended");
    let alive = world.as_user("aoba-coord")?.get_raw("/healthz").await?;
    ensure!(alive.status == 200, "{}", alive.status);
    Ok(())
}
