//! Live documents where no WebSocket gets through: the same frames over plain HTTP, through proxies
//! that strip upgrades, hold streams back, lose connections and are slow.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::{
    Channel, Client, Peer, Proxy,
    channel::{Reading, Said, body_of},
    each_database,
    http::totp_code,
    proxy::{Behaviour, Upgrades},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use yrs::Doc;

use crate::world::{OPEN_CASE, World, field_text, step, type_field};

const MALFORMED: u64 = 1;
const TOO_LARGE: u64 = 2;
const NO_PERMISSION: u64 = 3;
const OVERLOADED: u64 = 7;
const MASKED: u64 = 8;

/// Edits through a proxy that loses a third of all requests.
const ROUNDS: usize = 30;

async fn channel_of(world: &World, document: &str, login_id: &str) -> Result<Channel> {
    let token = world.token(login_id)?;
    Channel::open(&world.server.url, document, &token, Reading::Polls).await
}

/// The code of a refusal frame.
fn refused(frame: &[u8]) -> Option<u64> {
    let (&101, rest) = frame.split_first()? else {
        return None;
    };
    rest.first().map(|code| u64::from(*code))
}

/// Everything that is said until the end, and how it ended.
async fn to_the_end(channel: &mut Channel) -> Result<(Vec<Vec<u8>>, u16)> {
    let mut frames = Vec::new();
    loop {
        match channel.next().await? {
            Said::Frame(_, frame) => frames.push(frame),
            Said::End(code) => return Ok((frames, code)),
        }
    }
}

/// The refusal is the last thing said, and the end says the same.
async fn ends_refused(channel: &mut Channel, code: u64) -> Result<Vec<Vec<u8>>> {
    let (frames, end) = to_the_end(channel).await?;
    let last = frames.last().and_then(|frame| refused(frame));
    ensure!(last == Some(code), "refused with {last:?}, not {code}");
    let range = if code == OVERLOADED { 4500 } else { 4400 };
    ensure!(u64::from(end) == range + code, "ended with {end}");
    Ok(frames)
}

fn barrier(number: u8) -> Vec<u8> {
    vec![100, 1, number]
}

async fn peers_behind_proxies_and_one_without(world: &World, sheet: &str) -> Result<()> {
    let strict = Behaviour {
        upgrades: Upgrades::Refused,
        holds_events: true,
        delay: Duration::from_millis(20),
        ..Behaviour::plain()
    };
    let holding = Proxy::start(&world.server.url, strict).await?;
    let stripping = Proxy::start(&world.server.url, Behaviour::plain()).await?;
    let token = |login: &str| world.token(login);
    for proxy in [&holding, &stripping] {
        let socket = Peer::join(&proxy.url, sheet, &token("aoba-coord")?).await;
        ensure!(socket.is_err(), "a WebSocket got through");
    }
    let mut held =
        Channel::open(&holding.url, sheet, &token("aoba-coord")?, Reading::Events).await?;
    let waiting = tokio::time::timeout(Duration::from_secs(1), held.next()).await;
    ensure!(waiting.is_err(), "events got through: {waiting:?}");

    let mut socket = Peer::join(&world.server.url, sheet, &token("aoba-coord")?).await?;
    let mut events = Peer::join_channel(
        &stripping.url,
        sheet,
        &token("aoba-coord2")?,
        Reading::Events,
    )
    .await?;
    let mut polls = Peer::join_channel(
        &holding.url,
        sheet,
        &token("aoba-houkatsu")?,
        Reading::Polls,
    )
    .await?;
    // All at once, before anybody hears of the others.
    let words = ["週に一度は電話がある。", "玄関に段差。", "長女は遠方。"];
    for (peer, words) in [&mut socket, &mut events, &mut polls]
        .into_iter()
        .zip(words)
    {
        type_field(&peer.doc, "summary", words)?;
        peer.push().await?;
    }
    let all = |doc: &Doc| {
        let text = field_text(doc, "summary");
        words.iter().all(|words| text.contains(words))
    };
    for (name, peer) in [
        ("socket", &mut socket),
        ("events", &mut events),
        ("polls", &mut polls),
    ] {
        if !all(&peer.doc) {
            peer.until(all).await.context(name)?;
        }
        peer.barrier().await.context(name)?;
    }
    ensure!(field_text(&socket.doc, "summary") == field_text(&events.doc, "summary"));
    ensure!(field_text(&socket.doc, "summary") == field_text(&polls.doc, "summary"));
    Ok(())
}

async fn requests_are_lost(world: &World, sheet: &str, reading: Reading) -> Result<()> {
    let rounds = std::env::var("MUSUBI_FALLBACK_ROUNDS")
        .ok()
        .map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    let losing = Behaviour {
        loses: 33,
        seed: rounds as u64,
        ..Behaviour::plain()
    };
    let proxy = Proxy::start(&world.server.url, losing).await?;
    let token = world.token("aoba-coord")?;
    let mut other = Peer::join(&world.server.url, sheet, &token).await?;
    let mut writer =
        Peer::join_channel(&proxy.url, sheet, &world.token("aoba-houkatsu")?, reading).await?;
    let mut expected = field_text(&writer.doc, "daily_life");
    for round in 0..rounds {
        let words = format!("［{round}］");
        type_field(&writer.doc, "daily_life", &words)?;
        expected.push_str(&words);
        writer.push().await?;
        // Acknowledged: from here on it must not be lost.
        writer.barrier().await?;
    }
    ensure!(
        proxy.lost() > rounds / 3,
        "only {} requests were lost",
        proxy.lost()
    );
    let all = |doc: &Doc| field_text(doc, "daily_life") == expected;
    if !all(&other.doc) {
        other.until(all).await.context("the other one")?;
    }
    let fresh = Peer::join(&world.server.url, sheet, &token).await?;
    ensure!(all(&fresh.doc), "{}", field_text(&fresh.doc, "daily_life"));
    Ok(())
}

async fn what_comes_twice_counts_once(world: &World, sheet: &str) -> Result<()> {
    let mut channel = channel_of(world, sheet, "aoba-coord").await?;
    let send = async |channel: &Channel, first: u64, frames: &[Vec<u8>]| {
        let frames: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
        channel
            .ask(
                Method::POST,
                &format!("/frames?first={first}"),
                body_of(&frames)?,
            )
            .await
    };
    for (first, frames) in [
        (1, vec![barrier(1), barrier(2)]),
        (1, vec![barrier(1), barrier(2)]),
        (2, vec![barrier(2), barrier(3)]),
    ] {
        let (status, body) = send(&channel, first, &frames).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        ensure!(status == StatusCode::OK, "{status}: {body}");
    }
    // One is missing: it is neither applied nor forgotten.
    let (status, body) = send(&channel, 5, &[barrier(5)]).await?;
    let gap: serde_json::Value = serde_json::from_slice(&body)?;
    ensure!(
        status == StatusCode::CONFLICT && gap["code"] == "out_of_turn" && gap["received"] == 3,
        "{status} {gap}"
    );
    // What was not confirmed comes again.
    let (_, before) = channel.ask(Method::GET, "/frames", Vec::new()).await?;
    let (_, again) = channel.ask(Method::GET, "/frames", Vec::new()).await?;
    ensure!(
        !before.is_empty() && again.starts_with(&before),
        "it is kept"
    );
    let (status, _) = send(&channel, 4, &[barrier(4)]).await?;
    ensure!(status == StatusCode::OK);
    let mut echoes = Vec::new();
    while echoes.last() != Some(&4) {
        if let Said::Frame(_, frame) = channel.next().await?
            && let [100, 1, number] = frame[..]
        {
            echoes.push(number);
        }
    }
    ensure!(echoes == [1, 2, 3, 4], "{echoes:?}");
    let (status, _) = channel.ask(Method::DELETE, "", Vec::new()).await?;
    ensure!(status == StatusCode::NO_CONTENT);
    let (status, _) = channel.ask(Method::GET, "/frames", Vec::new()).await?;
    ensure!(status == StatusCode::NOT_FOUND, "closed is gone: {status}");
    Ok(())
}

async fn only_who_opened_it(world: &World, sheet: &str, other: &str) -> Result<()> {
    let mut channel = channel_of(world, sheet, "aoba-coord").await?;
    ensure!(matches!(channel.next().await?, Said::Frame(1, _)));
    let id = channel.address.rsplit('/').next().context("id")?.to_owned();
    let here = format!("/documents/{sheet}/channels/{id}");
    let operations = [
        (Method::GET, "/events"),
        (Method::GET, "/frames"),
        (Method::POST, "/frames"),
        (Method::DELETE, ""),
    ];
    // A colleague with the same rights, the same person with another token, another document, nobody.
    let second = world.server.token("aoba-coord")?;
    let second = Client::with_token(&world.server.url, &second);
    let elsewhere = format!("/documents/{other}/channels/{id}");
    for (who, client, path, expected) in [
        ("colleague", world.as_user("aoba-coord2")?, &here, 404),
        ("other token", second, &here, 404),
        (
            "other document",
            world.as_user("aoba-coord")?,
            &elsewhere,
            404,
        ),
        ("nobody", Client::anonymous(&world.server.url)?, &here, 401),
    ] {
        for (method, rest) in &operations {
            let reply = client
                .request(method.clone(), &format!("{path}{rest}"), None)
                .await?;
            ensure!(
                reply.status == expected,
                "{who}: {method} {rest}: {}",
                reply.status
            );
        }
    }
    channel.send(&barrier(7)).await?;
    let echo = channel.next().await?;
    ensure!(
        matches!(&echo, Said::Frame(2, frame) if *frame == barrier(7)),
        "nobody disturbed it: {echo:?}"
    );
    Ok(())
}

/// With a cookie, requests must come from our own pages; and the answer must not be kept or held.
async fn a_browser_of_ours(world: &World, sheet: &str) -> Result<()> {
    let accounts = world.server.accounts()?;
    let account = accounts.get("aoba-staff").context("account")?;
    let browser = Client::anonymous(&world.server.url)?;
    browser
        .sign_in(account, &totp_code(account, 0)?)
        .await?
        .ok()?;
    let channels = format!("/documents/{sheet}/channels");
    let opened = browser.post(&channels, json!(null)).await?.ok()?;
    let id = opened["id"].as_str().context("id")?;
    ensure!(id.len() == 43, "{id} can be guessed");
    for (what, client) in [
        ("without X-Musubi", browser.unmarked()),
        (
            "another origin",
            browser.with_header("Origin", "https://evil.example"),
        ),
    ] {
        let reply = client.post(&channels, json!(null)).await?;
        ensure!(reply.code() == "cross_origin", "{what}: {}", reply.status);
        let send = client
            .post(&format!("{channels}/{id}/frames"), json!(null))
            .await?;
        ensure!(send.code() == "cross_origin", "{what}: {}", send.status);
    }
    let stream = browser.open(&format!("{channels}/{id}/events")).await?;
    let header = |name: &str| {
        let value = stream.headers().get(name)?;
        value.to_str().ok()
    };
    ensure!(header("content-type") == Some("text/event-stream"));
    ensure!(header("x-accel-buffering") == Some("no"));
    ensure!(
        header("cache-control").is_some_and(|value| value.contains("no-store")),
        "{:?}",
        header("cache-control")
    );
    // Signing out ends the channel.
    browser.delete("/session").await?.ok()?;
    let reply = browser.get(&format!("{channels}/{id}/frames")).await?;
    ensure!(reply.status == 401, "{}", reply.status);
    Ok(())
}

async fn who_may_not_hears_why(world: &World, sheet: &str) -> Result<()> {
    for (login_id, code) in [
        ("aoba-masked", MASKED),
        ("aoba-outside", NO_PERMISSION),
        ("aoba-admin", NO_PERMISSION),
        ("aoba-stat", NO_PERMISSION),
        ("shiranami-coord", NO_PERMISSION),
    ] {
        let mut channel = channel_of(world, sheet, login_id).await?;
        let frames = ends_refused(&mut channel, code).await.context(login_id)?;
        ensure!(
            frames.len() == 1,
            "{login_id} heard {} frames",
            frames.len()
        );
    }
    Ok(())
}

async fn what_is_no_frame(world: &World, sheet: &str) -> Result<()> {
    let mut huge = channel_of(world, sheet, "aoba-coord").await?;
    let (status, _) = huge
        .ask(Method::POST, "/frames?first=1", vec![0; 2 << 20])
        .await?;
    ensure!(status == StatusCode::PAYLOAD_TOO_LARGE, "{status}");
    ends_refused(&mut huge, TOO_LARGE).await.context("2 MiB")?;

    // An update of 1 MiB and a byte: small enough to be read, too large to be taken.
    let mut large = channel_of(world, sheet, "aoba-coord").await?;
    let mut frame = vec![0, 2, 0x81, 0x80, 0x40];
    frame.extend(vec![0; (1 << 20) + 1]);
    large.send(&frame).await?;
    ends_refused(&mut large, TOO_LARGE)
        .await
        .context("1 MiB and a byte")?;
    let (status, _) = large
        .ask(Method::POST, "/frames?first=2", body_of(&[&barrier(1)])?)
        .await?;
    ensure!(status == StatusCode::GONE, "after the end: {status}");

    for (what, path, body) in [
        ("half a length", "/frames?first=1", vec![0, 0]),
        ("half a frame", "/frames?first=1", vec![0, 0, 0, 9, 1]),
        (
            "frame number 0",
            "/frames?first=0",
            body_of(&[&barrier(1)])?,
        ),
    ] {
        let mut channel = channel_of(world, sheet, "aoba-coord").await?;
        let (status, _) = channel.ask(Method::POST, path, body).await?;
        ensure!(status == StatusCode::BAD_REQUEST, "{what}: {status}");
        ends_refused(&mut channel, MALFORMED).await.context(what)?;
    }
    let mut empty = channel_of(world, sheet, "aoba-coord").await?;
    empty.send(&[]).await?;
    ends_refused(&mut empty, MALFORMED).await.context("empty")?;

    let ahead = channel_of(world, sheet, "aoba-coord").await?;
    for (method, path) in [
        (Method::POST, "/frames?after=99"),
        (Method::GET, "/frames?after=99"),
        (Method::GET, "/events?after=99"),
    ] {
        let (status, _) = ahead.ask(method.clone(), path, Vec::new()).await?;
        ensure!(status == StatusCode::CONFLICT, "{method} {path}: {status}");
    }
    Ok(())
}

/// A right that ends takes the channel with it, and what was waiting in it too.
async fn a_right_ends(world: &World, case: &str, sheet: &str) -> Result<()> {
    let coordinator = world.as_user("aoba-coord")?;
    let agency = world.agency("青葉地域包括支援センター").await?;
    let token = world.token("aoba-houkatsu")?;
    let mut watching = Channel::open(&world.server.url, sheet, &token, Reading::Events).await?;
    let mut waiting = channel_of(world, sheet, "aoba-houkatsu").await?;
    let step1 = [0, 0, 1, 0];
    for channel in [&mut watching, &mut waiting] {
        channel.send(&step1).await?;
    }
    // Heard by the one that reads; kept for the one that does not.
    let mut writer = Peer::join(&world.server.url, sheet, &world.token("aoba-coord")?).await?;
    type_field(&writer.doc, "strengths", "鶸谷実里の近況。")?;
    writer.push().await?;
    writer.barrier().await?;
    let secret = "鶸谷実里".as_bytes();
    let tells = |frame: &[u8]| frame.windows(secret.len()).any(|part| part == secret);
    loop {
        match watching.next().await? {
            Said::Frame(_, frame) if tells(&frame) => break,
            Said::Frame(..) => {}
            Said::End(code) => anyhow::bail!("ended with {code}"),
        }
    }

    let none = json!({"agency_id": agency, "section": "assessment", "level": "none"});
    coordinator
        .put(
            &format!("/cases/{case}/disclosures"),
            json!({ "entries": [none] }),
        )
        .await?
        .ok()?;
    let ended = Instant::now();
    ends_refused(&mut watching, NO_PERMISSION).await?;
    ensure!(
        ended.elapsed() < Duration::from_secs(1),
        "the channel went on for {:?}",
        ended.elapsed()
    );
    // Within the same second the other one ended too, with what it kept.
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(ended.elapsed())).await;
    let frames = ends_refused(&mut waiting, NO_PERMISSION).await?;
    ensure!(
        frames.len() == 1,
        "{} frames after the right ended",
        frames.len()
    );
    let (status, _) = watching
        .ask(Method::POST, "/frames?first=2", body_of(&[&barrier(1)])?)
        .await?;
    ensure!(
        status == StatusCode::GONE,
        "writing after the end: {status}"
    );
    Ok(())
}

async fn so_many_and_no_more(world: &World, sheet: &str) -> Result<()> {
    let viewer = world.as_user("aoba-viewer")?;
    let path = format!("/documents/{sheet}/channels");
    let mut opened = Vec::new();
    let refused = loop {
        let reply = viewer.post(&path, json!(null)).await?;
        if reply.status != 201 {
            break reply;
        }
        opened.push(reply.json["id"].as_str().context("id")?.to_owned());
        ensure!(opened.len() <= 32, "channels without end");
    };
    ensure!(
        refused.status == 429 && refused.code() == "too_many_streams",
        "{} {}",
        refused.status,
        refused.code()
    );
    ensure!(opened.len() == 32, "{} channels", opened.len());
    for id in &opened {
        viewer.delete(&format!("{path}/{id}")).await?.ok()?;
    }
    // What was closed is given back, if not in the same moment.
    let since = Instant::now();
    while viewer.post(&path, json!(null)).await?.status != 201 {
        ensure!(
            since.elapsed() < Duration::from_secs(5),
            "nothing given back"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A server that stops says so; the next one knows nothing of the channel, and a new one carries on.
async fn the_server_stops(world: &mut World, sheet: &str) -> Result<()> {
    let url = world.server.url.clone();
    let token = world.token("aoba-coord")?;
    let mut writer = Peer::join_channel(&url, sheet, &token, Reading::Events).await?;
    type_field(&writer.doc, "strengths", "最後の一文。")?;
    writer.push().await?;
    writer.barrier().await?;
    let mut told = Channel::open(&url, sheet, &token, Reading::Events).await?;
    ensure!(matches!(told.next().await?, Said::Frame(..)));
    let pid = world.server.pid().context("pid")?.to_string();
    let status = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()?;
    ensure!(status.success());
    ends_refused(&mut told, OVERLOADED).await?;
    world.server.stopped()?;
    world.server.launch()?;
    let (status, _) = told.ask(Method::GET, "/frames", Vec::new()).await?;
    ensure!(status == StatusCode::NOT_FOUND, "{status}");
    let again = Peer::join_channel(&url, sheet, &token, Reading::Polls).await?;
    ensure!(field_text(&again.doc, "strengths").ends_with("最後の一文。"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fallback() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        let case = world.case(OPEN_CASE).await?;
        let sheet = case.document("assessment");
        step(
            "converge",
            peers_behind_proxies_and_one_without(&world, sheet),
        )
        .await?;
        step(
            "lost, events",
            requests_are_lost(&world, sheet, Reading::Events),
        )
        .await?;
        step(
            "lost, polls",
            requests_are_lost(&world, sheet, Reading::Polls),
        )
        .await?;
        step("twice", what_comes_twice_counts_once(&world, sheet)).await?;
        let other = case.document("intake");
        step("owner", only_who_opened_it(&world, sheet, other)).await?;
        step("browser", a_browser_of_ours(&world, sheet)).await?;
        step("refused", who_may_not_hears_why(&world, sheet)).await?;
        step("no frame", what_is_no_frame(&world, sheet)).await?;
        step("revoked", a_right_ends(&world, &case.id, sheet)).await?;
        step("too many", so_many_and_no_more(&world, sheet)).await?;
        step("stop", the_server_stops(&mut world, sheet)).await
    })
    .await;
}
