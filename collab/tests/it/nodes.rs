//! Several nodes on one log: hints, conflicts, presence and erasure across them, and randomised runs
//! in which the bus loses and reorders, nodes are cut off from the log and clients change nodes.

use crate::support::*;
use async_trait::async_trait;
use collab::access::{Access, Denial, Level};
use collab::bus::{Faults, Here, MemoryBus, MemoryLink, NodeId, Note, Sighting};
use collab::frame::{Code, Frame};
use collab::log::{Entry, Loaded, LogError, Snapshot, UpdateLog, Version};
use collab::nodes::{Pace, Word};
use collab::{Hub, Limits, MemoryLog, Shape, presence};
use domain::clock::SystemClock;
use domain::id::DocumentId;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use yrs::{Doc, GetString, ReadTxn, Text, Transact};

/// The log as one node sees it: may be cut off, slow, or lose the answer to what it did.
#[derive(Debug, Clone)]
struct NodeLog {
    log: MemoryLog,
    cut: Arc<AtomicBool>,
    answers_lost: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    /// The next answer lacks its first entry.
    holed: Arc<AtomicBool>,
    /// The document's first entry is lost.
    damaged: Arc<AtomicBool>,
    /// The document is erased before it is loaded next.
    erased: Arc<AtomicBool>,
}

impl NodeLog {
    fn new(log: &MemoryLog) -> Self {
        Self {
            log: log.clone(),
            cut: Arc::default(),
            answers_lost: Arc::default(),
            loads: Arc::default(),
            holed: Arc::default(),
            damaged: Arc::default(),
            erased: Arc::default(),
        }
    }

    fn reach(&self) -> Result<(), LogError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable("cut off".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl UpdateLog for NodeLog {
    async fn create(&self, document: &DocumentId, seed: Option<Entry>) -> Result<(), LogError> {
        self.reach()?;
        self.log.create(document, seed).await
    }

    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError> {
        self.reach()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.erased.swap(false, Ordering::SeqCst) {
            let empty = Snapshot {
                state: vec![0, 0],
                authors: Vec::new(),
            };
            self.log.replace(document, 1, &empty).await?;
        }
        let mut loaded = self.log.load(document).await?;
        if self.damaged.load(Ordering::SeqCst) {
            loaded.entries.remove(0);
        }
        Ok(loaded)
    }

    async fn since(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        self.reach()?;
        let mut entries = self.log.since(document, epoch, after).await?;
        if self.holed.swap(false, Ordering::SeqCst) && !entries.is_empty() {
            entries.remove(0);
        }
        Ok(entries)
    }

    async fn heads(
        &self,
        documents: &[DocumentId],
    ) -> Result<Vec<(DocumentId, u64, u64)>, LogError> {
        self.reach()?;
        self.log.heads(documents).await
    }

    async fn append(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
        entries: &[Entry],
    ) -> Result<(), LogError> {
        self.reach()?;
        self.log.append(document, epoch, after, entries).await?;
        let lost = self
            .answers_lost
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if lost.is_ok() {
            return Err(LogError::Unavailable("answer lost".into()));
        }
        self.reach()
    }

    async fn compact(
        &self,
        document: &DocumentId,
        epoch: u64,
        upto: u64,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        self.reach()?;
        self.log.compact(document, epoch, upto, snapshot).await
    }

    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError> {
        self.reach()?;
        self.log.replace(document, epoch, snapshot).await
    }

    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError> {
        self.reach()?;
        self.log.keep_version(document, version).await
    }

    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError> {
        self.log.versions(document).await
    }

    async fn version(
        &self,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
    ) -> Result<Option<Version>, LogError> {
        self.log.version(document, epoch, seq).await
    }
}

struct Node {
    hub: Hub,
    log: NodeLog,
    link: Option<Arc<MemoryLink>>,
}

struct Town {
    log: MemoryLog,
    bus: MemoryBus,
    policy: Arc<Policy>,
    limits: Limits,
    salt: u64,
}

/// Looks so seldom that only hints can have been the cause.
const HINTS_ONLY: Pace = Pace {
    beat: Duration::from_millis(100),
    dead: Duration::from_millis(500),
    alone: Duration::from_secs(600),
    together: Duration::from_secs(600),
};

const QUICK: Pace = Pace {
    beat: Duration::from_millis(50),
    dead: Duration::from_millis(300),
    alone: Duration::from_millis(100),
    together: Duration::from_millis(250),
};

fn quick() -> Limits {
    Limits {
        presence: Duration::from_millis(5),
        presence_refresh: Duration::from_millis(400),
        append_patience: Duration::from_millis(600),
        ..Limits::default()
    }
}

impl Town {
    fn new(seed: u64) -> Self {
        Self {
            log: MemoryLog::new(),
            bus: MemoryBus::new(seed),
            policy: Arc::default(),
            limits: quick(),
            salt: seed.wrapping_mul(1000),
        }
    }

    fn hub(&mut self) -> (Hub, NodeLog) {
        self.salt += 1;
        let log = NodeLog::new(&self.log);
        let access: Arc<dyn Access> = self.policy.clone();
        let hub = Hub::new(
            Arc::new(log.clone()),
            access,
            Arc::new(SystemClock),
            self.limits.clone(),
            self.salt,
        );
        (hub, log)
    }

    fn node(&mut self, pace: Pace) -> Node {
        let (hub, log) = self.hub();
        let link = self.bus.link();
        hub.join_nodes(Some(link.clone()), pace);
        Node {
            hub,
            log,
            link: Some(link),
        }
    }

    fn without_bus(&mut self, pace: Pace) -> Node {
        let (hub, log) = self.hub();
        hub.join_nodes(None, pace);
        Node {
            hub,
            log,
            link: None,
        }
    }

    async fn two(&mut self, pace: Pace) -> (Node, Node, DocumentId) {
        let (one, two) = (self.node(pace), self.node(pace));
        let note: DocumentId = "note1".into();
        one.hub.create(&note, &Shape::note()).await.unwrap();
        within(Duration::from_secs(5), async || {
            one.hub.figures().nodes == 1 && two.hub.figures().nodes == 1
        })
        .await;
        (one, two, note)
    }
}

/// Waits until it is so.
async fn within(limit: Duration, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < limit, "not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_equal(a: &mut Peer, b: &mut Peer, length: usize) {
    let began = Instant::now();
    while a.content() != b.content() || a.content().len() != length {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{} ≠ {}",
            a.content(),
            b.content()
        );
        a.settle().await;
        b.settle().await;
    }
}

#[tokio::test]
async fn a_change_reaches_the_other_node_by_its_hint_and_without_loading() {
    let mut town = Town::new(1);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    for n in 0..20 {
        a.insert(0, "a").await;
        assert!(a.barrier(b"").await);
        until_equal(&mut a, &mut b, 2 * n + 1).await;
        b.insert(0, "b").await;
        assert!(b.barrier(b"").await);
        until_equal(&mut a, &mut b, 2 * n + 2).await;
    }
    for node in [&one, &two] {
        assert_eq!(node.log.loads.load(Ordering::SeqCst), 1, "opened once");
        let figures = node.hub.figures();
        assert_eq!((figures.taken_over, figures.reloads), (20, 0));
    }
    // Nobody is told of a change by the node that only heard of it.
    let mut feed = two.hub.subscribe();
    a.insert(0, "x").await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, 41).await;
    let changed = feed.recv().await.unwrap();
    assert_eq!((changed.seq, changed.here), (41, false));
}

/// Behind a hole and an erasure at once: what is loaded then is another document.
#[tokio::test]
async fn who_loads_again_after_an_erasure_starts_anew() {
    let mut town = Town::new(19);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    two.link.as_ref().unwrap().cut();
    a.insert(0, "秘").await;
    assert!(a.barrier(b"").await);
    // The erasure comes between the answer with the hole and the loading.
    two.log.holed.store(true, Ordering::SeqCst);
    two.log.erased.store(true, Ordering::SeqCst);
    b.insert(0, "密").await;
    assert_eq!(b.read_to_end().await, Some(Code::Gone as u64));
    let state = two.hub.read(&note, |view| {
        (
            view.epoch,
            view.txn.get_text("content").unwrap().get_string(&view.txn),
        )
    });
    assert_eq!(state.await.unwrap(), (2, String::new()));
}

/// A client holds what one node showed it; the other node heard nothing of it, and the log has it in a
/// snapshot by now.
#[tokio::test]
async fn who_changes_nodes_after_a_compaction_is_not_taken_for_a_forger() {
    let mut town = Town::new(18);
    town.limits.compact_entries = 4;
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut there = Peer::join(&two.hub, "there", &note, 13).await.unwrap();
    two.link.as_ref().unwrap().cut();
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&one.hub, "b", &note, 12).await.unwrap();
    for _ in 0..12 {
        a.insert(0, "記").await;
        assert!(a.barrier(b"").await);
    }
    let log = town.log.clone();
    within(Duration::from_secs(5), async || {
        log.load(&note).await.unwrap().snapshot_seq > 0
    })
    .await;
    b.settle().await;
    b.insert(0, "録").await;
    // While the other node cannot ask the log, it says so instead of judging.
    two.log.cut.store(true, Ordering::SeqCst);
    let copy = copy_of(&b.doc);
    let refused = Peer::rejoin(&two.hub, "b", &note, copy).await.map(drop);
    assert_eq!(refused, Err(Code::Overloaded));
    two.log.cut.store(false, Ordering::SeqCst);
    let mut moved = Peer::rejoin(&two.hub, "b", &note, b.doc).await.unwrap();
    assert!(moved.barrier(b"").await, "{:?}", moved.refused);
    there.settle().await;
    assert_eq!(there.content(), format!("録{}", "記".repeat(12)));
}

/// The same replica once more.
fn copy_of(of: &Doc) -> Doc {
    let copy = doc(of.client_id().get());
    let state = of
        .transact()
        .encode_state_as_update_v1(&yrs::StateVector::default());
    let update = <yrs::Update as yrs::updates::decoder::Decode>::decode_v1(&state).unwrap();
    copy.transact_mut().apply_update(update).unwrap();
    copy
}

#[tokio::test]
async fn an_answer_with_a_hole_is_not_taken_for_the_log() {
    let mut town = Town::new(17);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    two.link.as_ref().unwrap().cut();
    // The entry that will be missing is one that nothing else refers to.
    let mut c = Peer::join(&one.hub, "c", &note, 13).await.unwrap();
    c.insert(0, "三").await;
    assert!(c.barrier(b"").await);
    for word in ["二", "一"] {
        a.insert(0, word).await;
        assert!(a.barrier(b"").await);
    }
    let loads = two.log.loads.load(Ordering::SeqCst);
    two.log.holed.store(true, Ordering::SeqCst);
    two.link.as_ref().unwrap().heal();
    a.insert(0, "零").await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, "零一二三".len()).await;
    assert!(!two.log.holed.load(Ordering::SeqCst));
    assert_eq!(two.log.loads.load(Ordering::SeqCst), loads + 1);
}

#[tokio::test]
async fn a_log_with_a_hole_is_not_opened() {
    let mut town = Town::new(19);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut c = Peer::join(&one.hub, "c", &note, 13).await.unwrap();
    c.insert(0, "三").await;
    assert!(c.barrier(b"").await);
    // Refers to nothing of the entry that will be missing.
    a.insert(0, "一").await;
    assert!(a.barrier(b"").await);
    two.log.damaged.store(true, Ordering::SeqCst);
    let refused = Peer::join(&two.hub, "b", &note, 12).await;
    assert_eq!(refused.err(), Some(Code::Damaged));
}

#[tokio::test]
async fn a_personal_number_typed_on_two_nodes_is_stopped() {
    let mut town = Town::new(18);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let shape = Shape::note().with_personal_number_check(Arc::new(number_check));
    town.policy
        .shapes
        .lock()
        .unwrap()
        .insert("note1".into(), Arc::new(shape));
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    // With so many digits in the text it is looked at as it will be.
    let words = "電話0312345678と090、";
    let length = words.chars().count() as u32;
    b.insert(0, words).await;
    assert!(b.barrier(b"").await);
    until_equal(&mut a, &mut b, words.len()).await;
    a.insert(length, &NUMBER[..6]).await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, words.len() + 6).await;
    b.insert(length + 6, &NUMBER[6..]).await;
    assert_eq!(b.read_to_end().await, Some(Code::PersonalNumber as u64));
}

#[tokio::test]
async fn who_is_behind_fetches_what_is_missing_and_appends_again() {
    let mut town = Town::new(2);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    town.log.take(Duration::from_millis(3), Duration::ZERO);
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    for _ in 0..100 {
        a.insert(0, "a").await;
        b.insert(0, "b").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(a.barrier(b"").await && b.barrier(b"").await);
    until_equal(&mut a, &mut b, 200).await;
    let conflicts = one.hub.figures().conflicts + two.hub.figures().conflicts;
    assert!(conflicts >= 5, "they did not meet: {conflicts}");
    for node in [&one, &two] {
        let figures = node.hub.figures();
        assert!(figures.reloads <= 1, "{figures:?}");
    }
    // Nothing twice, and everything by its author.
    let (_, seq) = town.log.heads(std::slice::from_ref(&note)).await.unwrap()[0..1]
        .iter()
        .map(|(_, epoch, seq)| (*epoch, *seq))
        .next()
        .unwrap();
    assert_eq!(seq, 200);
    for who in two.hub.authors_of(&note).await.unwrap() {
        let name = if who.authored.span.client == 11 {
            "a"
        } else {
            "b"
        };
        assert_eq!(who.authored.author, author(name));
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_written_twice_and_is_followed_up_here() {
    let mut town = Town::new(3);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    let mut feed = one.hub.subscribe();
    one.log.answers_lost.store(1, Ordering::SeqCst);
    a.insert(0, "once").await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, 4).await;
    assert_eq!(town.log.tail(&note), 1);
    within(Duration::from_secs(2), async || {
        feed.try_recv().is_ok_and(|changed| changed.here)
    })
    .await;
}

#[tokio::test]
async fn a_client_id_has_one_owner_on_all_nodes() {
    let mut town = Town::new(4);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "mine").await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, 4).await;
    let mut forger = Peer::join(&two.hub, "evil", &note, 11).await.unwrap();
    forger.insert(0, "forged").await;
    assert_eq!(forger.read_to_end().await, Some(Code::ForeignAuthor as u64));

    // Before the other node can know of it: whoever is written first.
    for link in [&one.link, &two.link] {
        link.as_ref().unwrap().cut();
    }
    let mut first = Peer::join(&one.hub, "a", &note, 21).await.unwrap();
    let mut second = Peer::join(&two.hub, "evil", &note, 21).await.unwrap();
    first.insert(0, "first").await;
    assert!(first.barrier(b"").await);
    second.insert(0, "later").await;
    assert!(!second.barrier(b"").await, "never acknowledged");
    assert_eq!(second.refused, Some(Code::ForeignAuthor as u64));
    let text = two
        .hub
        .read(&note, |view| {
            view.txn.get_text("content").unwrap().get_string(&view.txn)
        })
        .await
        .unwrap();
    assert_eq!(text, "firstmine");
}

#[tokio::test]
async fn what_only_both_nodes_together_would_break_is_refused() {
    let mut town = Town::new(5);
    let (one, two, _) = town.two(HINTS_ONLY).await;
    let document: DocumentId = "sheet1".into();
    let shape = Arc::new(sheet());
    town.policy
        .shapes
        .lock()
        .unwrap()
        .insert("sheet1".into(), shape.clone());
    one.hub.create(&document, &shape).await.unwrap();
    for link in [&one.link, &two.link] {
        link.as_ref().unwrap().cut();
    }
    let mut a = Peer::join(&one.hub, "a", &document, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &document, 12).await.unwrap();
    let summary = |peer: &Peer| {
        let fields = peer.doc.get_or_insert_map("fields");
        let Some(yrs::Out::YText(text)) = yrs::Map::get(&fields, &peer.doc.transact(), "summary")
        else {
            panic!("no summary")
        };
        text
    };
    let (left, right) = NUMBER.split_at(6);
    let text = summary(&a);
    a.edit(|txn| text.insert(txn, 0, left)).await;
    assert!(a.barrier(b"").await);
    let text = summary(&b);
    b.edit(|txn| text.insert(txn, 0, right)).await;
    assert!(!b.barrier(b"").await);
    assert_eq!(b.refused, Some(Code::PersonalNumber as u64));
}

#[tokio::test]
async fn without_a_bus_the_log_is_looked_into() {
    let mut town = Town::new(6);
    let (one, two) = (town.without_bus(QUICK), town.without_bus(QUICK));
    let note: DocumentId = "note1".into();
    one.hub.create(&note, &Shape::note()).await.unwrap();
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "seen").await;
    assert!(a.barrier(b"").await);
    until_equal(&mut a, &mut b, 4).await;
    assert_eq!(two.hub.figures().reloads, 0);
    assert_eq!(two.hub.figures().bus, None);
}

#[tokio::test]
async fn what_was_missed_comes_when_the_bus_is_back() {
    let mut town = Town::new(7);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    let link = two.link.as_ref().unwrap();
    link.cut();
    a.insert(0, "missed").await;
    assert!(a.barrier(b"").await);
    b.settle().await;
    assert_eq!(b.content(), "");
    let mut words = two.hub.words();
    link.heal();
    until_equal(&mut a, &mut b, 6).await;
    assert_eq!(words.recv().await.unwrap(), Word::Gap);
}

#[tokio::test]
async fn what_was_compacted_away_meanwhile_is_loaded() {
    let mut town = Town::new(8);
    town.limits.compact_entries = 10;
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    let link = two.link.as_ref().unwrap();
    link.cut();
    for _ in 0..25 {
        a.insert(0, "a").await;
        assert!(a.barrier(b"").await);
    }
    within(Duration::from_secs(5), async || town.log.tail(&note) < 20).await;
    // Behind by more than the log still has, with something of its own on the way.
    b.insert(0, "b").await;
    assert!(b.barrier(b"").await);
    link.heal();
    until_equal(&mut a, &mut b, 26).await;
    assert_eq!(two.hub.figures().reloads, 1);
}

#[tokio::test]
async fn an_erasure_ends_the_sockets_on_every_node() {
    for hint in [true, false] {
        let mut town = Town::new(9);
        let (one, two, note) = town.two(if hint { HINTS_ONLY } else { QUICK }).await;
        let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
        let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
        a.insert(0, "secret").await;
        assert!(a.barrier(b"").await);
        until_equal(&mut a, &mut b, 6).await;
        if !hint {
            two.link.as_ref().unwrap().cut();
        }
        let empty = Snapshot {
            state: vec![0, 0],
            authors: Vec::new(),
        };
        assert_eq!(one.hub.replace(&note, empty).await.unwrap(), 2);
        assert_eq!(
            b.read_to_end().await,
            Some(Code::Gone as u64),
            "hint {hint}"
        );
        let again = Peer::join(&two.hub, "b", &note, 13).await.unwrap();
        assert_eq!(again.content(), "");
    }
}

#[tokio::test]
async fn a_hint_from_before_the_erasure_does_no_harm() {
    let mut town = Town::new(10);
    let (one, two, note) = town.two(HINTS_ONLY).await;
    let empty = Snapshot {
        state: vec![0, 0],
        authors: Vec::new(),
    };
    one.hub.replace(&note, empty).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    two.hub.nudge(&note, 1, 900);
    // Nor one that says more than there is.
    two.hub.nudge(&note, 2, 900);
    b.insert(0, "still here").await;
    assert!(b.barrier(b"").await);
    assert!(!b.ended);
    assert_eq!(two.hub.figures().reloads, 0);
}

/// What was heard of an awareness id last.
fn last_state(peer: &Peer, client: u64) -> Option<serde_json::Value> {
    let states = peer.awareness.iter().rev().find_map(|update| {
        presence::decode(update)
            .unwrap()
            .into_iter()
            .find(|state| state.client == client)
            .map(|state| state.json.to_owned())
    })?;
    serde_json::from_str(&states).ok()
}

fn is_gone(peer: &Peer, client: u64) -> bool {
    last_state(peer, client).is_some_and(|state| state.is_null())
}

fn awareness(client: u64, clock: u64, json: &str) -> bytes::Bytes {
    let state = presence::State {
        client,
        clock,
        json,
    };
    Frame::Awareness(&presence::encode([state].into_iter())).encode()
}

#[tokio::test]
async fn presence_crosses_nodes_and_ends_with_the_connection_and_the_node() {
    let mut town = Town::new(11);
    let (one, two, note) = town.two(QUICK).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    let words = r#"{"user":{"name":"偽物"},"note":"田中さんの件","cursor":{"anchor":1}}"#;
    a.send(awareness(11, 1, words)).await;
    b.settle().await;
    b.settle().await;
    let state = last_state(&b, 11).expect("told on the other node");
    assert_eq!(state["user"]["name"], "a");
    assert_eq!(state["user"]["account"], "acc-a");
    assert_eq!(state["cursor"]["anchor"], 1);
    assert!(!state.to_string().contains("田中"));

    // Who comes later is told of those who are there.
    let mut late = Peer::join(&two.hub, "late", &note, 13).await.unwrap();
    late.settle().await;
    assert_eq!(last_state(&late, 11).unwrap()["user"]["name"], "a");

    // An id that is somebody else's at another node cannot be taken.
    let mut forger = Peer::join(&two.hub, "evil", &note, 14).await.unwrap();
    forger.send(awareness(11, 9, r#"{"typing":true}"#)).await;
    forger.settle().await;
    late.settle().await;
    assert_eq!(last_state(&late, 11).unwrap()["user"]["name"], "a");

    // It lasts, longer than a sighting alone would.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    late.settle().await;
    assert_eq!(last_state(&late, 11).unwrap()["user"]["name"], "a");

    // The same person goes to the other node, while the old socket is not known to be dead.
    let moved = std::mem::replace(&mut a.doc, doc(99));
    let mut a_there = Peer::rejoin(&two.hub, "a", &note, moved).await.unwrap();
    a_there.send(awareness(11, 2, r#"{"typing":true}"#)).await;
    late.settle().await;
    late.settle().await;
    assert_eq!(last_state(&late, 11).unwrap()["typing"], true);
    a.incoming = None;
    late.settle().await;
    assert_eq!(
        last_state(&late, 11).unwrap()["typing"],
        true,
        "the old socket's end is not its own"
    );
    a_there.incoming = None;
    late.settle().await;
    assert!(is_gone(&late, 11));

    // A node that dies takes its people with it.
    let mut c = Peer::join(&one.hub, "c", &note, 15).await.unwrap();
    c.send(awareness(15, 1, r#"{"typing":true}"#)).await;
    late.settle().await;
    late.settle().await;
    assert_eq!(last_state(&late, 15).unwrap()["typing"], true);
    let mut words = two.hub.words();
    one.link.as_ref().unwrap().cut();
    assert_eq!(words.recv().await.unwrap(), Word::Gone(one.hub.node()));
    late.settle().await;
    assert!(is_gone(&late, 15));
    assert_eq!(two.hub.figures().nodes, 0);
}

#[tokio::test]
async fn what_another_node_says_is_stamped_and_bounded() {
    let mut town = Town::new(12);
    town.limits.connections_per_document = 3;
    let (_one, two, note) = town.two(HINTS_ONLY).await;
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    b.insert(0, "b").await;
    assert!(b.barrier(b"").await);
    // Present, and has written nothing yet.
    let mut c = Peer::join(&two.hub, "c", &note, 14).await.unwrap();
    c.send(awareness(14, 1, r#"{"typing":true}"#)).await;
    let sighting = |client: u64, name: &str, place: &str| Sighting {
        client,
        connection: client,
        at: 1,
        here: Some(Here {
            account: format!("acc-{name}").as_str().into(),
            membership: format!("mem-{name}").as_str().into(),
            agency: "ag1".into(),
            name: name.to_owned(),
            agency_name: "みどり野市".into(),
            place: place.to_owned(),
        }),
    };
    let long = format!(r#"{{"field":"{}"}}"#, "x".repeat(5000));
    let mut states = vec![
        sighting(21, "x", r#"{"note":"canary","typing":true}"#),
        // Somebody else is seen under this id.
        Sighting {
            at: 2,
            ..sighting(21, "evil", r#"{"typing":false}"#)
        },
        // Somebody else sits here under this one.
        Sighting {
            at: u64::MAX,
            ..sighting(14, "evil", r#"{"typing":false}"#)
        },
        // Bound to another author by what he wrote.
        sighting(12, "evil", r#"{"typing":true}"#),
        sighting(22, "y", &long),
    ];
    states.extend((30..50).map(|client| sighting(client, "many", "{}")));
    let stranger = town.bus.link();
    collab::bus::Bus::publish(
        &*stranger,
        collab::bus::Message {
            from: NodeId(4711),
            municipality: None,
            note: Note::Presence {
                document: note.clone(),
                states,
            },
        },
    );
    b.settle().await;
    b.settle().await;
    assert_eq!(last_state(&b, 21).unwrap()["typing"], true);
    assert!(!last_state(&b, 21).unwrap().to_string().contains("canary"));
    assert_eq!(last_state(&b, 12), None);
    assert_eq!(last_state(&b, 22), None);
    let shown = (30..50).filter(|c| last_state(&b, *c).is_some()).count();
    assert_eq!(shown, 2, "three in all");
    assert_eq!(last_state(&b, 14).unwrap()["user"]["name"], "c");

    // The node lives and says no more of them.
    for _ in 0..18 {
        collab::bus::Bus::publish(
            &*stranger,
            collab::bus::Message {
                from: NodeId(4711),
                municipality: None,
                note: Note::Alive,
            },
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    b.settle().await;
    assert!(is_gone(&b, 21));
    assert_eq!(last_state(&b, 14).unwrap()["user"]["name"], "c");
}

#[tokio::test]
async fn two_nodes_write_for_one_author_under_different_ids() {
    let mut town = Town::new(13);
    let (one, two, note) = town.two(QUICK).await;
    for round in 0..20 {
        let node = if round % 2 == 0 { &one } else { &two };
        let other = if round % 2 == 0 { &two } else { &one };
        let write = |hub: &Hub| {
            let (hub, note) = (hub.clone(), note.clone());
            async move {
                hub.write_as(&author("a"), &note, |txn| {
                    let text = yrs::WriteTxn::get_or_insert_text(txn, "content");
                    text.insert(txn, 0, "x");
                })
                .await
            }
        };
        let (x, y) = tokio::join!(write(&node.hub), write(&other.hub));
        assert_ne!(x.unwrap().0, y.unwrap().0);
    }
    for node in [&one, &two] {
        within(Duration::from_secs(5), async || {
            let length = node.hub.read(&note, |view| {
                let text = view.txn.get_text("content").unwrap();
                text.get_string(&view.txn).len()
            });
            length.await.unwrap() == 40
        })
        .await;
    }
    let clients: BTreeSet<u64> = one
        .hub
        .authors_of(&note)
        .await
        .unwrap()
        .iter()
        .map(|who| who.authored.span.client)
        .collect();
    assert_eq!(clients.len(), 2);
}

#[tokio::test]
async fn a_node_cut_off_from_the_log_acknowledges_nothing_and_says_so() {
    let mut town = Town::new(14);
    let (one, two, note) = town.two(QUICK).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    two.log.cut.store(true, Ordering::SeqCst);
    b.insert(0, "kept").await;
    b.send(Frame::Barrier(b"1").encode()).await;
    assert_eq!(b.read_to_end().await, Some(Code::Overloaded as u64));
    assert!(b.acks.is_empty());
    a.insert(0, "other").await;
    assert!(a.barrier(b"").await);
    // Somebody else's node takes it.
    let mut there = Peer::rejoin(&one.hub, "b", &note, b.doc).await.unwrap();
    assert!(there.barrier(b"").await);
    two.log.cut.store(false, Ordering::SeqCst);
    let mut back = Peer::rejoin(&two.hub, "b", &note, there.doc).await.unwrap();
    until_equal(&mut a, &mut back, 9).await;
}

#[tokio::test]
async fn a_right_of_one_municipality_is_asked_anew_there_only() {
    let mut town = Town::new(15);
    let (one, _two, note) = town.two(QUICK).await;
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    town.policy.set("a", Err(Denial::NoPermission));
    let other = collab::Change::Municipality("elsewhere".into());
    one.hub.access_changed(&other);
    assert!(a.barrier(b"").await);
    one.hub
        .access_changed(&collab::Change::Municipality("m1".into()));
    assert_eq!(a.read_to_end().await, Some(Code::NoPermission as u64));
    town.policy.set("a", Ok(Level::Edit));
}

/// A client that types whole markers, changes nodes, and knows what was acknowledged.
struct Typist {
    name: String,
    peer: Peer,
    written: Vec<String>,
    acknowledged: usize,
}

fn boundaries(text: &str) -> Vec<u32> {
    let ends = text.char_indices().filter(|(_, c)| *c == ']');
    std::iter::once(0)
        .chain(ends.map(|(at, _)| u32::try_from(at).unwrap() + 1))
        .collect()
}

fn markers(text: &str) -> Vec<String> {
    text.split_inclusive(']').map(str::to_owned).collect()
}

async fn random_run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut town = Town::new(seed);
    town.limits.compact_entries = *[8, 30, 2000].choose(&mut rng).unwrap();
    town.log.take(
        Duration::from_micros(rng.random_range(0..3000)),
        Duration::from_micros(rng.random_range(0..2000)),
    );
    let count = rng.random_range(2..=3);
    let with_bus = rng.random_bool(0.8);
    let nodes: Vec<Node> = (0..count)
        .map(|_| {
            if with_bus {
                town.node(QUICK)
            } else {
                town.without_bus(QUICK)
            }
        })
        .collect();
    let note: DocumentId = "note1".into();
    nodes[0].hub.create(&note, &Shape::note()).await.unwrap();
    town.bus.set_faults(Faults {
        loss: rng.random_range(0.0..0.5),
        doubling: rng.random_range(0.0..0.3),
        delay: Duration::from_millis(rng.random_range(0..30)),
    });
    let mut typists = Vec::new();
    for n in 0..rng.random_range(2..=5_u64) {
        let name = format!("p{n}");
        let node = nodes.choose(&mut rng).unwrap();
        let peer = Peer::join(&node.hub, &name, &note, 100 + n).await.unwrap();
        typists.push(Typist {
            name,
            peer,
            written: Vec::new(),
            acknowledged: 0,
        });
    }
    let mut deleted: BTreeSet<String> = BTreeSet::new();
    for step in 0..60 {
        let at = rng.random_range(0..typists.len());
        let typist = &mut typists[at];
        match rng.random_range(0..100) {
            0..55 => {
                let marker = format!("[{}.{step}]", typist.name);
                let text = typist.peer.content();
                let place = *boundaries(&text).choose(&mut rng).unwrap();
                typist.peer.insert(place, &marker).await;
                typist.written.push(marker);
            }
            55..63 => {
                let text = typist.peer.content();
                if let Some(marker) = markers(&text).choose(&mut rng) {
                    let start = u32::try_from(text.find(marker.as_str()).unwrap()).unwrap();
                    let len = u32::try_from(marker.len()).unwrap();
                    typist.peer.remove(start, len).await;
                    deleted.insert(marker.clone());
                }
            }
            63..75 => {
                let before = typist.written.len();
                if typist.peer.barrier(b"n").await {
                    typist.acknowledged = before;
                }
            }
            75..83 => move_on(typist, &nodes, &note, &mut rng).await,
            83..88 => {
                let node = nodes.choose(&mut rng).unwrap();
                node.log.cut.store(true, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
                node.log.cut.store(false, Ordering::SeqCst);
            }
            88..92 => {
                let node = nodes.choose(&mut rng).unwrap();
                node.log.answers_lost.store(1, Ordering::SeqCst);
            }
            92..96 => {
                if let Some(link) = &nodes.choose(&mut rng).unwrap().link {
                    link.cut();
                    tokio::time::sleep(Duration::from_millis(rng.random_range(0..80))).await;
                    link.heal();
                }
            }
            _ => typist.peer.settle().await,
        }
        check_refusal(typist, seed);
    }
    // Everything is well again: all come to an end on some node.
    town.bus.set_faults(Faults::default());
    for typist in &mut typists {
        let began = Instant::now();
        loop {
            if typist.peer.ended {
                move_on(typist, &nodes, &note, &mut rng).await;
            }
            let written = typist.written.len();
            if typist.peer.barrier(b"end").await {
                typist.acknowledged = written;
                break;
            }
            check_refusal(typist, seed);
            assert!(began.elapsed() < Duration::from_secs(20), "seed {seed}");
        }
    }
    let loaded = town.log.load(&note).await.unwrap();
    assert_eq!(loaded.epoch, 1);
    let began = Instant::now();
    let text = loop {
        for typist in &mut typists {
            typist.peer.settle().await;
        }
        let texts: BTreeSet<String> = typists.iter().map(|t| t.peer.content()).collect();
        if texts.len() == 1 {
            break texts.into_iter().next().unwrap();
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "seed {seed}: no convergence: {texts:?}"
        );
    };
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for marker in markers(&text) {
        *counted.entry(marker).or_default() += 1;
    }
    for typist in &typists {
        for marker in &typist.written[..typist.acknowledged] {
            let expected = usize::from(!deleted.contains(marker));
            assert_eq!(
                counted.remove(marker).unwrap_or(0),
                expected,
                "seed {seed}: {marker} in {text}"
            );
        }
    }
    assert!(counted.is_empty(), "seed {seed}: from nowhere: {counted:?}");
    // What a node that starts now reads.
    let (fresh, _) = town.hub();
    let kept = fresh.read(&note, |view| {
        view.txn.get_text("content").unwrap().get_string(&view.txn)
    });
    assert_eq!(kept.await.unwrap(), text, "seed {seed}");
}

fn check_refusal(typist: &Typist, seed: u64) {
    let refused = typist.peer.refused;
    assert!(
        refused.is_none_or(|code| code == Code::Overloaded as u64),
        "seed {seed}: {} refused with {refused:?}",
        typist.name
    );
}

/// To another node, or the same one, with everything that was not acknowledged.
async fn move_on(typist: &mut Typist, nodes: &[Node], note: &DocumentId, rng: &mut StdRng) {
    let began = Instant::now();
    loop {
        let node = nodes.choose(rng).unwrap();
        typist.peer.incoming = None;
        let copy = copy_of(&typist.peer.doc);
        match Peer::rejoin(&node.hub, &typist.name, note, copy).await {
            Ok(peer) => {
                typist.peer = peer;
                return;
            }
            Err(code) => {
                assert_eq!(code, Code::Overloaded);
                assert!(began.elapsed() < Duration::from_secs(10));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// `MUSUBI_NODE_ROUNDS` runs from seed `MUSUBI_NODE_SEED`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_nodes_converge_and_nothing_acknowledged_is_lost() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let first = number("MUSUBI_NODE_SEED", 1);
    for seed in first..first + number("MUSUBI_NODE_ROUNDS", 6) {
        random_run(seed).await;
    }
}
