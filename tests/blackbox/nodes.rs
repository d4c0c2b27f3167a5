//! Several nodes: real PostgreSQL, real NATS, two processes on one database, and links between them
//! that are cut, left hanging and healed. `compose.yaml` describes the same topology.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use musubi_tests::{Client, Cluster, Link, Nats, Peer, Server, socket::Heard};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use yaml_rust2::{Yaml, YamlLoader};
use yrs::{Doc, GetString, ReadTxn, Text, Transact, updates::encoder::Encode};

use crate::world::{OPEN_CASE, field_text, step, type_field};

const OVERLOADED: u64 = 7;
const NO_PERMISSION: u64 = 3;
const GONE: u64 = 6;
/// What a revoked right may take to reach a socket anywhere.
const REVOKED: Duration = Duration::from_secs(1);

/// Two nodes on one database. Each reaches PostgreSQL and NATS over links of its own.
struct Town {
    a: Server,
    b: Server,
    postgres: Cluster,
    nats: Option<Nats>,
    to_postgres: Link,
    to_nats: Option<Link>,
    tokens: BTreeMap<String, String>,
    _keys: tempfile::TempDir,
}

impl Town {
    fn start(with_nats: bool) -> Result<Self> {
        let postgres = Cluster::start()?;
        let database = postgres.create()?;
        let nats = with_nats.then(Nats::start).transpose()?;
        let keys = tempfile::tempdir()?;
        let to_postgres = Link::to(postgres.port())?;
        let to_nats = nats.as_ref().map(|n| Link::to(n.port())).transpose()?;
        let environment = |postgres: u16, nats: Option<u16>| {
            let mut all = vec![
                ("MUSUBI_LOG".to_owned(), "warn,async_nats=off".to_owned()),
                (
                    "DATABASE_URL".to_owned(),
                    format!("postgres://musubi@127.0.0.1:{postgres}/{database}"),
                ),
                // The folder of keys is what nodes share; the data folder is each one's own.
                (
                    "MUSUBI_KEYS".to_owned(),
                    keys.path().to_string_lossy().into_owned(),
                ),
            ];
            all.extend(
                nats.map(|port| ("NATS_URL".to_owned(), format!("nats://127.0.0.1:{port}"))),
            );
            all
        };
        let direct = nats.as_ref().map(Nats::port);
        let linked = to_nats.as_ref().map(Link::port);
        let mut a = Server::prepared(environment(postgres.port(), direct))?;
        let mut b = Server::prepared(environment(to_postgres.port(), linked))?;
        let dataset = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aoba");
        let dataset = dataset.to_str().context("path")?;
        a.command(&["demo", "--load-only", "--dataset", dataset])?;
        a.launch()?;
        b.launch()?;
        let mut tokens = BTreeMap::new();
        for login in [
            "aoba-coord",
            "aoba-coord2",
            "aoba-houkatsu",
            "aoba-viewer",
            "aoba-admin",
            "aoba-approver",
        ] {
            tokens.insert(login.to_owned(), a.token(login)?);
        }
        Ok(Self {
            a,
            b,
            postgres,
            nats,
            to_postgres,
            to_nats,
            tokens,
            _keys: keys,
        })
    }

    fn token(&self, login: &str) -> &str {
        &self.tokens[login]
    }

    fn client(&self, node: &Server, login: &str) -> Client {
        Client::with_token(&node.url, self.token(login))
    }

    async fn note(&self) -> Result<String> {
        let made = self
            .client(&self.a, "aoba-coord")
            .post("/documents", json!({"kind": "note"}))
            .await?
            .ok()?;
        Ok(made["id"].as_str().context("id")?.to_owned())
    }

    async fn join(&self, node: &Server, document: &str, login: &str) -> Result<Peer> {
        Peer::join(&node.url, document, self.token(login))
            .await
            .with_context(|| format!("{login} joins"))
    }

    /// Opens the document with what the client has, as a provider does after a lost connection.
    async fn rejoin(&self, node: &Server, document: &str, login: &str, doc: Doc) -> Result<Peer> {
        let mut peer = Peer::open(&node.url, document, self.token(login)).await?;
        peer.doc = doc;
        let state = peer.doc.transact().state_vector().encode_v1();
        let mut frame = vec![0, 0];
        block(&mut frame, &state);
        peer.send_raw(frame).await?;
        loop {
            match peer.hear().await? {
                Heard::Content => return Ok(peer),
                Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
                Heard::Closed => bail!("closed before the first sync"),
                _ => {}
            }
        }
    }

    /// The open case and its assessment sheet.
    async fn case(&self) -> Result<(String, String)> {
        let coordinator = self.client(&self.a, "aoba-coord");
        let found = coordinator.get("/cases").await?.ok()?;
        let id = found["items"]
            .as_array()
            .context("items")?
            .iter()
            .find(|case| case["case_no"] == OPEN_CASE)
            .and_then(|case| case["id"].as_str())
            .context("no such case")?
            .to_owned();
        let detail = coordinator.get(&format!("/cases/{id}")).await?.ok()?;
        let sheet = detail["sections"]
            .as_array()
            .context("sections")?
            .iter()
            .find(|section| section["section"] == "assessment")
            .and_then(|section| section["document_id"].as_str())
            .context("no sheet")?
            .to_owned();
        Ok((id, sheet))
    }

    async fn ready(&self, node: &Server) -> Result<Value> {
        let reply = self.client(node, "aoba-coord").get_raw("/readyz").await?;
        Ok(reply.json)
    }

    async fn metric(&self, node: &Server, name: &str) -> Result<u64> {
        let text = self
            .client(node, "aoba-coord")
            .get_raw("/metrics")
            .await?
            .text();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        Ok(line
            .with_context(|| format!("no {name}"))?
            .rsplit(' ')
            .next()
            .context("value")?
            .parse()?)
    }

    async fn until_bus(&self, node: &Server, state: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let ready = self.ready(node).await?;
            if ready["bus"] == state {
                return Ok(());
            }
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "bus is not {state}: {ready}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_two(&self) -> Result<()> {
        let began = Instant::now();
        for node in [&self.a, &self.b] {
            while self.metric(node, "musubi_nodes").await? != 1 {
                ensure!(
                    began.elapsed() < Duration::from_secs(20),
                    "the nodes do not hear each other"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

fn block(frame: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes.len();
    while rest >= 0x80 {
        frame.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    frame.push(rest as u8);
    frame.extend_from_slice(bytes);
}

fn content(doc: &Doc) -> String {
    let text = doc.get_or_insert_text("content");
    text.get_string(&doc.transact())
}

async fn write(peer: &mut Peer, words: &str) -> Result<()> {
    let text = peer.doc.get_or_insert_text("content");
    text.push(&mut peer.doc.transact_mut(), words);
    peer.push().await
}

/// How long a word takes from one peer to the other, durable in between.
async fn seen(from: &mut Peer, to: &mut Peer, word: &str) -> Result<Duration> {
    let began = Instant::now();
    write(from, word).await?;
    to.until(|doc| content(doc).contains(word)).await?;
    Ok(began.elapsed())
}

/// Reads until the server ends it; the code it gave, and when.
async fn end(peer: &mut Peer, patience: Duration) -> Result<Option<u64>> {
    let began = Instant::now();
    let mut code = None;
    while began.elapsed() < patience {
        match timeout(patience.saturating_sub(began.elapsed()), peer.hear()).await {
            Ok(Ok(Heard::Refused { code: said, .. })) => code = Some(said),
            Ok(Ok(Heard::Closed)) => return Ok(code),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    bail!("not ended within {patience:?} (code so far: {code:?})")
}

async fn both_type_and_converge(town: &Town) -> Result<()> {
    let note = town.note().await?;
    let mut a = town.join(&town.a, &note, "aoba-coord").await?;
    let mut b = town.join(&town.b, &note, "aoba-coord2").await?;
    for n in 0..40 {
        write(&mut a, &format!("〔甲{n}〕")).await?;
        write(&mut b, &format!("〔乙{n}〕")).await?;
    }
    a.barrier().await?;
    b.barrier().await?;
    let all = |doc: &Doc| {
        let text = content(doc);
        (0..40).all(|n| {
            text.matches(&format!("〔甲{n}〕")).count() == 1
                && text.matches(&format!("〔乙{n}〕")).count() == 1
        })
    };
    a.until(all).await?;
    b.until(all).await?;
    ensure!(content(&a.doc) == content(&b.doc));
    // What each wrote goes over, one by one, well before anybody would look.
    let mut times = Vec::new();
    for n in 0..20 {
        times.push(seen(&mut a, &mut b, &format!("〔丙{n}〕")).await?);
    }
    times.sort();
    println!(
        "from node to node: median {:?}, longest {:?}",
        times[10], times[19]
    );
    ensure!(times[10] < Duration::from_millis(400), "{times:?}");
    Ok(())
}

async fn presence_crosses(town: &Town) -> Result<()> {
    let note = town.note().await?;
    let mut a = town.join(&town.a, &note, "aoba-coord").await?;
    let mut b = town.join(&town.b, &note, "aoba-coord2").await?;
    let client = a.doc.client_id().get();
    let state = br#"{"user":{"name":"somebody else"},"typing":true}"#;
    let mut update = vec![1];
    let mut rest = client;
    while rest >= 0x80 {
        update.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    update.push(rest as u8);
    update.push(1);
    block(&mut update, state);
    let mut frame = vec![1];
    block(&mut frame, &update);
    a.send_raw(frame).await?;
    let told = |update: &[u8]| String::from_utf8_lossy(update).into_owned();
    let shown = loop {
        if let Heard::Awareness(update) = b.hear().await? {
            break told(&update);
        }
    };
    ensure!(
        shown.contains("typing") && !shown.contains("somebody"),
        "{shown}"
    );
    ensure!(shown.contains("\"account\""), "{shown}");
    drop(a);
    let gone = loop {
        if let Heard::Awareness(update) = b.hear().await? {
            break told(&update);
        }
    };
    ensure!(gone.contains("null"), "{gone}");
    Ok(())
}

/// A screen on the other node hears of it, and the socket there ends, within a second.
async fn an_agency_leaves_the_case(town: &Town) -> Result<()> {
    let (case, sheet) = town.case().await?;
    let coordinator = town.client(&town.a, "aoba-coord");
    let agencies = town
        .client(&town.a, "aoba-admin")
        .get("/agencies")
        .await?
        .ok()?;
    let agency = agencies["items"]
        .as_array()
        .context("items")?
        .iter()
        .find(|agency| {
            agency["name"]
                .as_str()
                .is_some_and(|name| name.contains("包括"))
        })
        .and_then(|agency| agency["id"].as_str())
        .context("no such agency")?
        .to_owned();
    let mut writer = town.join(&town.a, &sheet, "aoba-coord").await?;
    let mut reader = town.join(&town.b, &sheet, "aoba-houkatsu").await?;
    type_field(&writer.doc, "summary", "まだ見える。")?;
    writer.push().await?;
    reader
        .until(|doc| field_text(doc, "summary").contains("まだ見える。"))
        .await?;
    let mut stream = town
        .client(&town.b, "aoba-coord2")
        .open(&format!("/cases/{case}/events"))
        .await?;
    let began = Instant::now();
    let left = coordinator
        .delete(&format!("/cases/{case}/members/{agency}"))
        .await?;
    ensure!(left.status.is_success(), "{}", left.text());
    let code = end(&mut reader, REVOKED).await?;
    ensure!(code == Some(NO_PERMISSION), "{code:?}");
    println!("revoked on A, closed on B after {:?}", began.elapsed());
    type_field(&writer.doc, "summary", "もう見えない。")?;
    writer.push().await?;
    for node in [&town.a, &town.b] {
        let mut again = Peer::open(&node.url, &sheet, town.token("aoba-houkatsu")).await?;
        let code = end(&mut again, REVOKED).await?;
        ensure!(code == Some(NO_PERMISSION), "{code:?}");
    }
    let heard = async {
        while let Some(chunk) = stream.chunk().await? {
            if String::from_utf8_lossy(&chunk).contains("event: case") {
                return anyhow::Ok(());
            }
        }
        bail!("stream ended")
    };
    timeout(Duration::from_secs(2), heard)
        .await
        .context("the other node's screens hear nothing")??;
    writer.barrier().await
}

/// The account is stopped on A: its socket on B ends.
async fn an_account_is_stopped(town: &Town) -> Result<()> {
    let login = "aoba-viewer";
    let (_, sheet) = town.case().await?;
    let mut socket = town.join(&town.b, &sheet, login).await?;
    let admin = town.client(&town.a, "aoba-admin");
    let accounts = admin.get("/accounts").await?.ok()?;
    let id = accounts["items"]
        .as_array()
        .context("items")?
        .iter()
        .find(|account| account["login_id"] == login)
        .and_then(|account| account["id"].as_str())
        .context("no such account")?
        .to_owned();
    let began = Instant::now();
    let stopped = admin
        .post(&format!("/accounts/{id}/stop"), json!({}))
        .await?;
    ensure!(stopped.status.is_success(), "{}", stopped.text());
    let code = end(&mut socket, REVOKED).await?;
    ensure!(code == Some(NO_PERMISSION), "{code:?}");
    println!("stopped on A, closed on B after {:?}", began.elapsed());
    Ok(())
}

/// What is erased on one node is let go of by the other within a second, whichever carries it out; keys
/// that were made meanwhile open everywhere.
async fn a_past_is_erased(town: &Town) -> Result<()> {
    let (_, sheet) = town.case().await?;
    let requester = town.client(&town.a, "aoba-coord");
    let approver = town.client(&town.a, "aoba-approver");
    for round in 1..=2_u64 {
        let mut sockets = [
            town.join(&town.a, &sheet, "aoba-coord").await?,
            town.join(&town.b, &sheet, "aoba-coord2").await?,
        ];
        let asked = requester
            .post("/erasures", json!({"scope": "past", "document_id": sheet, "ground": "mistaken_entry", "reason": "誤入力", "objects": []}))
            .await?
            .ok()?;
        let id = &asked["id"];
        let path = format!("/erasures/{}/approve", id.as_str().context("id")?);
        let approved = approver.post(&path, json!({})).await?;
        ensure!(approved.status == 202, "{}", approved.text());
        let [a, b] = &mut sockets;
        let ended = async |peer: &mut Peer| {
            let code = end(peer, Duration::from_secs(20)).await?;
            ensure!(code == Some(GONE), "{code:?}");
            anyhow::Ok(Instant::now())
        };
        let (on_a, on_b) = tokio::join!(ended(a), ended(b));
        let (on_a, on_b) = (on_a?, on_b?);
        let between = on_a.max(on_b) - on_a.min(on_b);
        ensure!(between < REVOKED, "{between:?} apart");
        let done = timeout(Duration::from_secs(60), async {
            loop {
                let all = requester.get("/erasures").await?.ok()?;
                let mut all = all["items"].as_array().into_iter().flatten();
                if all.any(|one| one["id"] == *id && one["state"] == "done") {
                    return anyhow::Ok(());
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        done.await.context("not carried out")??;
        // Both write on, under the new keys.
        for (node, login) in [(&town.a, "aoba-coord"), (&town.b, "aoba-coord2")] {
            // The present epoch and no other.
            let url = &node.url;
            let mut old = Peer::open_at(url, &sheet, town.token(login), round).await?;
            ensure!(end(&mut old, REVOKED).await? == Some(GONE));
            let mut peer = town.join(node, &sheet, login).await?;
            type_field(&peer.doc, "summary", &format!("{login}の後。"))?;
            peer.push().await?;
            peer.barrier().await?;
        }
    }
    Ok(())
}

/// Types until the connection is lost; what was acknowledged, and what was typed in all.
async fn type_on(peer: &mut Peer, name: &str, stop: &AtomicBool) -> (Vec<String>, Vec<String>) {
    let (mut typed, mut acknowledged) = (Vec::new(), Vec::new());
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let word = format!("〔{name}{n}〕");
        let sent = write(peer, &word).await;
        typed.push(word.clone());
        if sent.is_err() || peer.barrier().await.is_err() {
            break;
        }
        acknowledged.push(word);
    }
    (typed, acknowledged)
}

fn once_each(text: &str, words: &[String]) -> Result<()> {
    let wrong: Vec<_> = words
        .iter()
        .map(|word| (word, text.matches(word.as_str()).count()))
        .filter(|(_, count)| *count != 1)
        .collect();
    ensure!(wrong.is_empty(), "not once: {wrong:?}");
    Ok(())
}

/// Clients of a node that dies go to the other one with what was not acknowledged.
async fn a_node_is_killed(town: &mut Town) -> Result<()> {
    let note = town.note().await?;
    let mut first = town.join(&town.a, &note, "aoba-coord").await?;
    let mut second = town.join(&town.b, &note, "aoba-coord2").await?;
    let stop = AtomicBool::new(false);
    let (on_a, on_b, killed) = tokio::join!(
        type_on(&mut first, "甲", &stop),
        type_on(&mut second, "乙", &stop),
        async {
            sleep(Duration::from_millis(1500)).await;
            let killed = town.a.kill();
            sleep(Duration::from_millis(500)).await;
            stop.store(true, Ordering::SeqCst);
            killed
        }
    );
    killed?;
    ensure!(on_a.1.len() > 20, "hardly anything: {}", on_a.1.len());
    println!("acknowledged: {} on A, {} on B", on_a.1.len(), on_b.1.len());
    let doc = std::mem::take(&mut first.doc);
    // What A acknowledged is there before its client brings anything.
    let mut reader = town.join(&town.b, &note, "aoba-coord").await?;
    once_each(&content(&reader.doc), &on_a.1)?;
    let mut moved = town.rejoin(&town.b, &note, "aoba-coord", doc).await?;
    moved.barrier().await?;
    reader.barrier().await?;
    second.barrier().await?;
    for typed in [&on_a.0, &on_b.0] {
        once_each(&content(&second.doc), typed)?;
    }
    ensure!(content(&moved.doc) == content(&second.doc));
    town.a.launch()?;
    town.until_two().await?;
    let again = town.join(&town.a, &note, "aoba-coord").await?;
    ensure!(content(&again.doc) == content(&second.doc));
    Ok(())
}

async fn the_bus_is_lost(town: &mut Town) -> Result<()> {
    let note = town.note().await?;
    let mut a = town.join(&town.a, &note, "aoba-coord").await?;
    let mut b = town.join(&town.b, &note, "aoba-coord2").await?;
    town.nats.as_mut().context("nats")?.kill()?;
    for node in [&town.a, &town.b] {
        town.until_bus(node, "degraded").await?;
    }
    let reply = town
        .client(&town.b, "aoba-coord")
        .get_raw("/readyz")
        .await?;
    ensure!(reply.status.is_success(), "degraded is not down");
    let time = seen(&mut a, &mut b, "〔鳥〕").await?;
    println!("without the bus: {time:?}");
    ensure!(time < Duration::from_secs(3), "{time:?}");
    step("revoked without the bus", an_account_is_stopped(town)).await?;
    town.nats.as_mut().context("nats")?.launch()?;
    for node in [&town.a, &town.b] {
        town.until_bus(node, "ok").await?;
    }
    town.until_two().await?;
    seen(&mut b, &mut a, "〔花〕").await?;
    ensure!(content(&a.doc) == content(&b.doc));
    // A link that swallows everything is noticed too.
    town.to_nats.as_ref().context("link")?.hang();
    town.until_bus(&town.b, "degraded").await?;
    let time = seen(&mut a, &mut b, "〔風〕").await?;
    ensure!(time < Duration::from_secs(3), "{time:?}");
    town.to_nats.as_ref().context("link")?.heal();
    town.until_bus(&town.b, "ok").await?;
    town.until_two().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_nats() -> Result<()> {
    let mut town = Town::start(true)?;
    for node in [&town.a, &town.b] {
        town.until_bus(node, "ok").await?;
    }
    town.until_two().await?;
    step("both type", both_type_and_converge(&town)).await?;
    step("presence", presence_crosses(&town)).await?;
    step("the bus is lost", the_bus_is_lost(&mut town)).await?;
    step("an agency leaves", an_agency_leaves_the_case(&town)).await?;
    step("a past is erased", a_past_is_erased(&town)).await?;
    step("a node is killed", a_node_is_killed(&mut town)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_without_nats() -> Result<()> {
    let town = Town::start(false)?;
    for node in [&town.a, &town.b] {
        town.until_bus(node, "ok").await?;
    }
    town.until_two().await?;
    step("both type", both_type_and_converge(&town)).await?;
    step("presence", presence_crosses(&town)).await?;
    step("an agency leaves", an_agency_leaves_the_case(&town)).await?;
    step("a past is erased", a_past_is_erased(&town)).await
}

/// B cannot reach the database: nothing is acknowledged there, and its clients are told.
async fn a_node_is_cut_off(town: &Town, hanging: bool) -> Result<()> {
    let note = town.note().await?;
    let mut a = town.join(&town.a, &note, "aoba-coord").await?;
    let mut b = town.join(&town.b, &note, "aoba-coord2").await?;
    seen(&mut b, &mut a, "〔前〕").await?;
    if hanging {
        town.to_postgres.hang();
    } else {
        town.to_postgres.cut();
    }
    write(&mut b, "〔孤島〕").await?;
    let began = Instant::now();
    let acknowledged = timeout(Duration::from_secs(5), b.barrier()).await;
    ensure!(
        !matches!(acknowledged, Ok(Ok(()))),
        "acknowledged without a database"
    );
    seen_here(&mut a, "〔本土〕").await?;
    let code = end(&mut b, Duration::from_secs(40)).await?;
    ensure!(code == Some(OVERLOADED), "told {code:?}");
    println!(
        "cut off (hanging: {hanging}): told after {:?}",
        began.elapsed()
    );
    town.to_postgres.heal();
    let doc = std::mem::take(&mut b.doc);
    let mut back = rejoin_until(town, &town.b, &note, "aoba-coord2", doc).await?;
    back.barrier().await?;
    for word in ["〔前〕", "〔孤島〕", "〔本土〕"] {
        a.until(|doc| content(doc).contains(word)).await?;
        back.until(|doc| content(doc).contains(word)).await?;
    }
    ensure!(content(&a.doc) == content(&back.doc));
    Ok(())
}

async fn seen_here(peer: &mut Peer, word: &str) -> Result<()> {
    write(peer, word).await?;
    timeout(Duration::from_secs(20), peer.barrier())
        .await
        .context("the other node goes on")?
}

async fn rejoin_until(
    town: &Town,
    node: &Server,
    document: &str,
    login: &str,
    doc: Doc,
) -> Result<Peer> {
    let began = Instant::now();
    loop {
        match town.rejoin(node, document, login, doc.clone()).await {
            Ok(peer) => return Ok(peer),
            Err(error) => {
                ensure!(began.elapsed() < Duration::from_secs(60), "{error:#}");
                sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

/// PostgreSQL dies and comes back, while both type.
async fn the_database_crashes(town: &Town) -> Result<()> {
    let note = town.note().await?;
    let mut a = town.join(&town.a, &note, "aoba-coord").await?;
    let mut b = town.join(&town.b, &note, "aoba-coord2").await?;
    let stop = AtomicBool::new(false);
    let (on_a, on_b, crashed) = tokio::join!(
        type_on(&mut a, "甲", &stop),
        type_on(&mut b, "乙", &stop),
        async {
            sleep(Duration::from_secs(1)).await;
            town.postgres.stop_at_once()?;
            sleep(Duration::from_secs(2)).await;
            town.postgres.start_again()?;
            sleep(Duration::from_secs(3)).await;
            stop.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        }
    );
    crashed?;
    println!("acknowledged: {} on A, {} on B", on_a.1.len(), on_b.1.len());
    // Whoever was told to come back does, with what was not acknowledged.
    let (doc_a, doc_b) = (std::mem::take(&mut a.doc), std::mem::take(&mut b.doc));
    let mut a = rejoin_until(town, &town.a, &note, "aoba-coord", doc_a).await?;
    let mut b = rejoin_until(town, &town.b, &note, "aoba-coord2", doc_b).await?;
    a.barrier().await?;
    b.barrier().await?;
    let all = [on_a.0, on_b.0].concat();
    let everything = |doc: &Doc| once_each(&content(doc), &all).is_ok();
    a.until(everything).await?;
    b.until(everything).await?;
    ensure!(content(&a.doc) == content(&b.doc));
    let acknowledged = on_a.1.len() + on_b.1.len();
    ensure!(acknowledged > 20, "hardly anything: {acknowledged}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_lost_and_comes_back() -> Result<()> {
    let town = Town::start(true)?;
    town.until_two().await?;
    step("cut off", a_node_is_cut_off(&town, false)).await?;
    step("left hanging", a_node_is_cut_off(&town, true)).await?;
    step("the database crashes", the_database_crashes(&town)).await
}

fn part<'y>(yaml: &'y Yaml, path: &[&str]) -> &'y Yaml {
    path.iter().fold(yaml, |at, key| &at[*key])
}

/// A right that is taken away must reach every node: there is one way to commit it.
#[test]
fn rights_are_changed_in_one_place() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server");
    let mut folders = vec![root];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)?;
                let program = text.split("#[cfg(test)]").next().unwrap_or_default();
                if program.contains(".access_changed(") {
                    found.push(
                        path.file_name()
                            .map(|name| name.to_string_lossy().into_owned()),
                    );
                }
            }
        }
    }
    found.sort();
    // `erasing` hears of documents that another node removed.
    let expected = ["erasing.rs", "nodes.rs", "state.rs"].map(|name| Some(name.to_owned()));
    ensure!(
        found == expected,
        "rights are changed past `commit_rights`: {found:?}"
    );
    Ok(())
}

/// A part of a service, its own or merged in.
fn of<'y>(service: &'y Yaml, key: &str) -> &'y Yaml {
    match &service[key] {
        Yaml::BadValue => &service["<<"][key],
        own => own,
    }
}

/// No container engine is at hand, so `compose.yaml` itself is not run here: its structure is.
#[test]
fn compose_describes_the_same_topology() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose.yaml");
    let documents = YamlLoader::load_from_str(&std::fs::read_to_string(path)?)?;
    let compose = documents.first().context("empty")?;
    let services = compose["services"].as_hash().context("services")?;
    let names: Vec<&str> = services.keys().filter_map(Yaml::as_str).collect();
    ensure!(
        names == ["postgres", "nats", "node-a", "node-b", "proxy"],
        "{names:?}"
    );
    let listed = |yaml: &Yaml| -> Vec<String> {
        yaml.as_vec()
            .into_iter()
            .flatten()
            .filter_map(|item| Some(item.as_str()?.to_owned()))
            .collect()
    };
    for (name, service) in services {
        let name = name.as_str().context("name")?;
        ensure!(
            !of(service, "healthcheck")["test"].is_badvalue(),
            "{name} has no health check"
        );
        // Secrets come by file, volumes are declared, and whom one waits for exists.
        for secret in listed(of(service, "secrets")) {
            let file = part(compose, &["secrets", &secret, "file"]);
            ensure!(file.as_str().is_some(), "{name}: secret {secret}");
        }
        for volume in listed(of(service, "volumes")) {
            let source = volume.split(':').next().unwrap_or_default();
            ensure!(
                !part(compose, &["volumes", source]).is_badvalue(),
                "{name}: volume {volume}"
            );
        }
        for config in of(service, "configs").as_vec().into_iter().flatten() {
            let source = config["source"].as_str().context("source")?;
            let inline = part(compose, &["configs", source, "content"]);
            ensure!(inline.as_str().is_some(), "{name}: config {source}");
        }
        if let Some(waits) = of(service, "depends_on").as_hash() {
            for (other, condition) in waits {
                let other = other.as_str().context("name")?;
                ensure!(names.contains(&other), "{name} waits for {other}");
                ensure!(condition["condition"].as_str() == Some("service_healthy"));
            }
        }
        if let Some(environment) = of(service, "environment").as_hash() {
            for (variable, value) in environment {
                let variable = variable.as_str().context("variable")?;
                let open = ["PASSWORD", "URL"]
                    .iter()
                    .any(|part| variable.ends_with(part))
                    && variable != "MUSUBI_PUBLIC_URL";
                ensure!(!open, "{name}: {variable} stands open: {value:?}");
            }
        }
    }
    // Both nodes share the keys, and nothing else on disk.
    for node in ["node-a", "node-b"] {
        let service = &compose["services"][node];
        let environment = of(service, "environment");
        ensure!(environment["MUSUBI_KEYS"].as_str().is_some(), "{node}");
        let volumes = listed(of(service, "volumes"));
        ensure!(
            volumes.iter().any(|v| v.starts_with("keys:")),
            "{volumes:?}"
        );
        let own = format!("{}:", node.replace("node", "data"));
        ensure!(volumes.iter().any(|v| v.starts_with(&own)), "{volumes:?}");
    }
    let conf = part(compose, &["configs", "nginx", "content"])
        .as_str()
        .context("nginx")?;
    for needed in [
        "node-a:8400",
        "node-b:8400",
        "Upgrade",
        "proxy_buffering off",
    ] {
        ensure!(conf.contains(needed), "the proxy lacks {needed}");
    }
    Ok(())
}
