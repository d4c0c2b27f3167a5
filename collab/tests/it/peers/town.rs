//! Runs a plan and watches.

use super::actor::{Actor, Link, Own, content, letters};
use super::evil::{self, Circumstances};
use super::plan::{Disk, Nudge, Plan, Right, Step, Told};
use crate::support::{doc, number_check};
use async_trait::async_trait;
use bytes::Bytes;
use collab::access::{Access, Change, Denial, Grant, Level};
use collab::frame::{Code, Frame};
use collab::memory::Fault;
use collab::nodes::Pace;
use collab::shape::{Field, FieldContent, Scalar, Shape, one_of};
use collab::{
    Author, Authored, Entry, Hub, HubError, Identity, Incoming, Limits, Loaded, LogError,
    MemoryLog, Outgoing, Snapshot, UpdateLog, Version,
};
use domain::clock::SystemClock;
use domain::id::DocumentId;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, ID, Out, ReadTxn, StateVector, Text, Transact};

type Outcome<T = ()> = Result<T, String>;

macro_rules! ensure {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!($($said)+));
        }
    };
}

/// How long a taken right may take to act.
const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        update: 32 << 10,
        outbox_frames: 24,
        outbox_bytes: 64 << 10,
        lag: Duration::from_secs(5),
        presence: Duration::from_millis(5),
        idle: Duration::from_millis(500),
        append_patience: Duration::from_millis(400),
        recheck: Duration::from_secs(100_000),
        compact_entries: 25,
        compact_bytes: 1 << 20,
        ..Limits::default()
    }
}

fn sheet() -> Shape {
    let field = |id: &str, content| Field {
        id: id.into(),
        content,
    };
    let live = || FieldContent::LiveText { max: 5000 };
    let age = Scalar::Integer { min: 0, max: 130 };
    Shape::sheet(
        "intake",
        "intake_application",
        1,
        &[
            field("summary", live()),
            field(
                "route",
                FieldContent::Scalar(one_of(&["self", "family", "school"])),
            ),
            field("remark", FieldContent::Scalar(Scalar::Text { max: 50 })),
            field(
                "choices",
                FieldContent::Options(vec!["money".into(), "health".into()]),
            ),
            field(
                "household",
                FieldContent::Table(vec![
                    field("name", live()),
                    field("age", FieldContent::Scalar(age)),
                ]),
            ),
        ],
    )
}

/// The policy; what a check answers was true when it began.
struct Rights {
    of: Mutex<HashMap<String, Right>>,
    stopped: Mutex<HashSet<String>>,
    takes: Mutex<Duration>,
    shape: Arc<Shape>,
}

impl Rights {
    fn now(&self, who: &Identity) -> Right {
        if self.stopped.lock().unwrap().contains(who.account.as_str()) {
            return Right::None;
        }
        self.of.lock().unwrap()[who.membership.as_str()]
    }
}

#[async_trait]
impl Access for Rights {
    async fn check(&self, identity: &Identity, _: &DocumentId) -> Result<Grant, Denial> {
        let right = self.now(identity);
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            sleep(takes).await;
        }
        match right {
            Right::Edit => Ok(Grant { level: Level::Edit }),
            Right::Read => Ok(Grant { level: Level::Read }),
            Right::None => Err(Denial::NoPermission),
            Right::Masked => Err(Denial::Masked),
        }
    }

    async fn shape(&self, _: &DocumentId) -> Result<Arc<Shape>, Denial> {
        Ok(Arc::clone(&self.shape))
    }
}

/// The disk, and everything that ever was on it.
struct Durable {
    log: Mutex<MemoryLog>,
    document: DocumentId,
    entries: Mutex<BTreeMap<(u64, u64), Entry>>,
    /// What an epoch began with.
    bases: Mutex<BTreeMap<u64, Snapshot>>,
    nudges: Mutex<VecDeque<(usize, u64, u64)>>,
}

impl Durable {
    fn log(&self) -> MemoryLog {
        self.log.lock().unwrap().clone()
    }

    /// Remembers what compaction will drop.
    async fn note(&self, log: &MemoryLog) {
        if let Ok(loaded) = log.load(&self.document).await {
            let mut entries = self.entries.lock().unwrap();
            for (seq, entry) in loaded.entries {
                entries.insert((loaded.epoch, seq), entry);
            }
        }
    }
}

/// A hub's way to the disk, cut when the hub is killed.
struct NodeLog {
    node: usize,
    durable: Arc<Durable>,
    dead: Arc<AtomicBool>,
}

impl NodeLog {
    async fn alive(&self) {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl UpdateLog for NodeLog {
    async fn create(&self, document: &DocumentId, seed: Option<Entry>) -> Result<(), LogError> {
        self.durable.log().create(document, seed).await
    }

    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError> {
        self.alive().await;
        self.durable.log().load(document).await
    }

    async fn since(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        self.alive().await;
        self.durable.log().since(document, epoch, after).await
    }

    async fn heads(
        &self,
        documents: &[DocumentId],
    ) -> Result<Vec<(DocumentId, u64, u64)>, LogError> {
        self.alive().await;
        self.durable.log().heads(documents).await
    }

    async fn append(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
        entries: &[Entry],
    ) -> Result<(), LogError> {
        self.alive().await;
        let result = self
            .durable
            .log()
            .append(document, epoch, after, entries)
            .await;
        self.alive().await;
        if result.is_ok() {
            let seq = after + entries.len() as u64;
            self.durable
                .nudges
                .lock()
                .unwrap()
                .push_back((self.node, epoch, seq));
        }
        result
    }

    async fn compact(
        &self,
        document: &DocumentId,
        epoch: u64,
        upto: u64,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        self.alive().await;
        let log = self.durable.log();
        self.durable.note(&log).await;
        log.compact(document, epoch, upto, snapshot).await
    }

    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError> {
        self.alive().await;
        let log = self.durable.log();
        self.durable.note(&log).await;
        let epoch = log.replace(document, epoch, snapshot).await?;
        self.durable
            .bases
            .lock()
            .unwrap()
            .insert(epoch, snapshot.clone());
        Ok(epoch)
    }

    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError> {
        self.durable.log().keep_version(document, version).await
    }

    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError> {
        self.durable.log().versions(document).await
    }

    async fn version(
        &self,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
    ) -> Result<Option<Version>, LogError> {
        self.durable.log().version(document, epoch, seq).await
    }
}

struct Node {
    hub: Hub,
    dead: Arc<AtomicBool>,
}

struct ServerWrite {
    author: Author,
    words: String,
    done: JoinHandle<Result<(u64, ()), HubError>>,
    epoch: u64,
}

struct Town {
    sheet: bool,
    document: DocumentId,
    durable: Arc<Durable>,
    rights: Arc<Rights>,
    nodes: Vec<Node>,
    actors: Vec<Actor>,
    lurkers: Vec<(usize, Incoming, Outgoing)>,
    server_writes: Vec<ServerWrite>,
    epoch: u64,
    starts: u64,
    next: u64,
    /// Whose client ids are.
    owners: HashMap<u64, Identity>,
    acked: Vec<Own>,
    /// Who deleted a unit by own hand.
    deleted_by: HashMap<(u64, u32), HashSet<Author>>,
    /// Memberships that ever had the right to edit.
    editors: HashSet<String>,
    lies: Vec<Vec<u8>>,
}

/// How much went on in a run.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub acked: usize,
    pub entries: usize,
    pub lies: usize,
    pub epochs: u64,
    pub compacted: usize,
}

pub async fn run(plan: &Plan) -> Outcome<Tally> {
    let mut town = Town::new(plan).await;
    for who in 0..plan.peers.len() {
        town.come_back(who, plan.peers[who].node, false).await?;
        town.read(who, 10).await?;
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let told = |reason: String| format!("step {at} {step:?}: {reason}");
        town.step(*step).await.map_err(told)?;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    town.finish().await
}

fn identity(number: usize, account: usize) -> Identity {
    Identity {
        municipality: "m1".into(),
        account: format!("acc-{account}").as_str().into(),
        membership: format!("mem-{number}").as_str().into(),
        agency: format!("ag-{number}").as_str().into(),
        name: format!("person {account}"),
        agency_name: format!("agency {number}"),
        scopes: Vec::new(),
        via: String::new(),
    }
}

fn has(bytes: &[u8], mark: &str) -> bool {
    bytes
        .windows(mark.len())
        .any(|part| part == mark.as_bytes())
}

impl Town {
    async fn new(plan: &Plan) -> Self {
        let shape = if plan.sheet { sheet() } else { Shape::note() };
        let shape = Arc::new(shape.with_personal_number_check(Arc::new(number_check)));
        let document: DocumentId = "doc1".into();
        let durable = Arc::new(Durable {
            log: Mutex::new(MemoryLog::new()),
            document: document.clone(),
            entries: Mutex::default(),
            bases: Mutex::default(),
            nudges: Mutex::default(),
        });
        let identities: Vec<_> = plan
            .peers
            .iter()
            .enumerate()
            .map(|(number, spec)| identity(number, spec.account))
            .collect();
        let right =
            |(who, spec): (&Identity, &super::plan::Spec)| (who.membership.to_string(), spec.right);
        let rights = Arc::new(Rights {
            of: Mutex::new(identities.iter().zip(&plan.peers).map(right).collect()),
            stopped: Mutex::default(),
            takes: Mutex::default(),
            shape: Arc::clone(&shape),
        });
        let mut town = Self {
            sheet: plan.sheet,
            document,
            durable,
            rights,
            nodes: Vec::new(),
            actors: Vec::new(),
            lurkers: Vec::new(),
            server_writes: Vec::new(),
            epoch: 1,
            starts: 0,
            next: 1000,
            owners: HashMap::new(),
            acked: Vec::new(),
            deleted_by: HashMap::new(),
            editors: HashSet::new(),
            lies: Vec::new(),
        };
        for node in 0..plan.nodes {
            let node = town.start(node);
            town.nodes.push(node);
        }
        let _ = town.nodes[0].hub.create(&town.document, &shape).await;
        for (number, (spec, identity)) in plan.peers.iter().zip(identities).enumerate() {
            if spec.right == Right::Edit {
                town.editors.insert(identity.membership.to_string());
            }
            let client = town.client(&identity);
            let actor = Actor::new(number, spec.clone(), identity, plan.sheet, client);
            town.actors.push(actor);
        }
        town
    }

    fn start(&mut self, node: usize) -> Node {
        self.starts += 1;
        let dead = Arc::new(AtomicBool::new(false));
        let log = NodeLog {
            node,
            durable: Arc::clone(&self.durable),
            dead: Arc::clone(&dead),
        };
        let access: Arc<dyn Access> = self.rights.clone();
        let hub = Hub::new(
            Arc::new(log),
            access,
            Arc::new(SystemClock),
            limits(),
            self.starts,
        );
        // One of several nodes, as outside: who comes from another one waits until this one has what it
        // saw there. Hints are the plan's own.
        let rarely = Duration::from_secs(600);
        hub.join_nodes(
            None,
            Pace {
                beat: rarely,
                dead: rarely,
                alone: rarely,
                together: rarely,
            },
        );
        Node { hub, dead }
    }

    fn unique(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn client(&mut self, whose: &Identity) -> u64 {
        let client = self.unique();
        self.owners.insert(client, whose.clone());
        client
    }

    fn right(&self, who: usize) -> Right {
        self.rights.now(&self.actors[who].identity)
    }

    async fn step(&mut self, step: Step) -> Outcome {
        match step {
            Step::Insert { who, text, at, len } => {
                let words = letters(who, at, len);
                self.edit(who, |actor| actor.insert(text, at, &words)).await
            }
            Step::Digits { who, text, at } => {
                self.edit(who, |actor| actor.insert(text, at, "5757")).await
            }
            Step::Delete { who, text, at, len } => {
                self.change(who, |actor| actor.delete(text, at, len)).await
            }
            Step::Choose { who, what } => {
                let code = ["self", "family", "school"][what];
                self.change(who, |actor| actor.set(None, "route", code))
                    .await
            }
            Step::Tick { who, what, on } => {
                let code = ["money", "health"][what];
                self.change(who, |actor| actor.set(Some("choices"), code, on))
                    .await
            }
            Step::Remark { who } => {
                let words = letters(who, 1, 4);
                self.change(who, |actor| actor.set(None, "remark", words))
                    .await
            }
            Step::AddRow { who } => {
                let id = format!("row{:09}", self.unique());
                self.change(who, |actor| actor.add_row(&id)).await
            }
            Step::MoveRow { who, row, to } => {
                self.change(who, |actor| actor.in_row(row, "order", format!("a{to}")))
                    .await
            }
            Step::Age { who, row, years } => {
                self.change(who, |actor| actor.in_row(row, "age", years as i64))
                    .await
            }
            Step::DropRow { who, row } => self.change(who, |actor| actor.drop_row(row)).await,
            Step::Undo { who } => self.change(who, Actor::undo).await,
            Step::Redo { who } => self.change(who, Actor::redo).await,
            Step::Read { who, frames } => self.read(who, frames).await,
            Step::Barrier { who } => self.barrier(who).await,
            Step::Presence { who } => self.presence(who, who).await,
            Step::ForgePresence { who, whose } => self.forge_presence(who, whose).await,
            Step::Leave { who } => {
                self.actors[who].link = None;
                Ok(())
            }
            Step::Return {
                who,
                node,
                new_copy,
            } => self.come_back(who, node, new_copy).await,
            Step::Lurk { who } => self.lurk(who).await,
            Step::Right { who, right, told } => {
                self.set_right(who, right, told);
                Ok(())
            }
            Step::StopAccount { who, stopped } => {
                self.stop_account(who, stopped);
                Ok(())
            }
            Step::RaceJoin { who, node } => self.race_join(who, node).await,
            Step::Evil { who, kind, whose } => self.lie(who, kind, whose).await,
            Step::ServerWrites { who, node } => {
                self.server_writes(who, node);
                Ok(())
            }
            Step::Disk(disk) => {
                self.disk(disk);
                Ok(())
            }
            Step::Kill { node, power } => self.kill(node, power).await,
            Step::Idle => {
                for actor in &mut self.actors {
                    actor.link = None;
                }
                self.lurkers.clear();
                sleep(limits().idle + Duration::from_millis(300)).await;
                Ok(())
            }
            Step::Nudge(how) => {
                self.nudge(how);
                Ok(())
            }
            Step::Replace => self.replace().await,
            Step::Pause { ms } => {
                sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
        }
    }

    async fn change(&mut self, who: usize, act: impl FnOnce(&mut Actor)) -> Outcome {
        let act = |actor: &mut Actor| {
            act(actor);
            None
        };
        self.edit(who, act).await
    }

    /// Whoever may edit does so, on line or off; `act` says which text it was, if only that.
    async fn edit(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Actor) -> Option<String>,
    ) -> Outcome {
        let actor = &mut self.actors[who];
        let online = actor.link.is_some();
        if actor.spoilt
            || !actor.backlog.is_empty()
            || (online && self.rights.now(&actor.identity) != Right::Edit)
            || !self.editors.contains(actor.identity.membership.as_str())
        {
            return Ok(());
        }
        let field = act(actor);
        self.take_own(who, field)?;
        self.send_own(who, None).await
    }

    /// What the copy wrote, for the record.
    fn take_own(&mut self, who: usize, field: Option<String>) -> Outcome {
        let actor = &mut self.actors[who];
        for update in actor.caught() {
            let parsed = collab::update::Update::parse(&update).map_err(|e| e.to_string())?;
            for &(client, clock, len) in &parsed.deletes {
                for clock in clock..clock + len {
                    let by = self.deleted_by.entry((client, clock)).or_default();
                    by.insert(actor.identity.author());
                }
            }
            actor.own.push(Own {
                update,
                field: field.clone(),
                acked: false,
            });
        }
        Ok(())
    }

    /// Sends the last update, or those from `first` on, once the first questions are answered.
    async fn send_own(&mut self, who: usize, first: Option<usize>) -> Outcome {
        let actor = &mut self.actors[who];
        let Some(link) = actor.link.as_mut().filter(|link| link.answered) else {
            return Ok(());
        };
        let last = actor.own.len().saturating_sub(1);
        for own in &actor.own[first.unwrap_or(last)..] {
            let frame = Frame::Update(&own.update).encode();
            let _ = link.incoming.receive(frame).await;
        }
        Ok(())
    }

    async fn barrier(&mut self, who: usize) -> Outcome {
        let payload = self.unique().to_le_bytes().to_vec();
        let actor = &mut self.actors[who];
        let upto = actor.own.len();
        if let Some(link) = actor
            .link
            .as_mut()
            .filter(|link| link.answered || upto == 0)
        {
            link.barriers.push_back((payload.clone(), Some(upto)));
            let _ = link
                .incoming
                .receive(Frame::Barrier(&payload).encode())
                .await;
        }
        Ok(())
    }

    fn presence_frame(client: u64, json: &str) -> Bytes {
        let state = collab::presence::State {
            client,
            clock: 7,
            json,
        };
        Frame::Awareness(&collab::presence::encode([state].into_iter())).encode()
    }

    async fn presence(&mut self, who: usize, whose: usize) -> Outcome {
        let client = self.actors[whose].client;
        let json = if who == whose {
            r#"{"cursor":"here","user":{"name":"議長","account":"acc-x"}}"#
        } else {
            r#"{"cursor":"forged"}"#
        };
        if let Some(link) = &mut self.actors[who].link {
            let _ = link
                .incoming
                .receive(Self::presence_frame(client, json))
                .await;
        }
        Ok(())
    }

    /// Speaks in the name of somebody who has written.
    async fn forge_presence(&mut self, who: usize, whose: usize) -> Outcome {
        let node = |actor: &Actor| actor.link.as_ref().map(|link| link.node);
        let bound = self.actors[whose].own.iter().any(|own| own.acked);
        if self.actors[who].identity.membership == self.actors[whose].identity.membership
            || !bound
            || node(&self.actors[who]).is_none()
            || node(&self.actors[who]) != node(&self.actors[whose])
        {
            return Ok(());
        }
        self.presence(who, whose).await?;
        let client = self.actors[whose].client;
        if let Some(link) = &mut self.actors[who].link {
            let _ = link
                .incoming
                .receive(Self::presence_frame(client, "null"))
                .await;
        }
        Ok(())
    }

    async fn come_back(&mut self, who: usize, node: usize, new_copy: bool) -> Outcome {
        if self.actors[who].link.is_some() {
            return Ok(());
        }
        let right = self.right(who);
        let identity = self.actors[who].identity.clone();
        let hub = self.nodes[node].hub.clone();
        let connection = match hub.connect(identity.clone(), &self.document).await {
            Ok(connection) => connection,
            Err(Code::Overloaded) => return Ok(()),
            Err(code) => {
                let meant = match right {
                    Right::None => Code::NoPermission,
                    Right::Masked => Code::Masked,
                    _ => return Err(format!("{right:?} not let in: {code:?}")),
                };
                ensure!(code == meant, "{right:?} refused with {code:?}");
                return Ok(());
            }
        };
        ensure!(
            matches!(right, Right::Edit | Right::Read),
            "{right:?} let in"
        );
        let unsaved =
            |actor: &Actor| actor.own.iter().any(|own| !own.acked) || !actor.backlog.is_empty();
        let actor = &self.actors[who];
        // Who reads only, or comes from before an erasure, throws away what was not saved.
        let spoilt =
            actor.spoilt || actor.epoch != self.epoch || (right == Right::Read && unsaved(actor));
        if spoilt || new_copy {
            let client = self.client(&identity);
            let actor = &mut self.actors[who];
            actor.renew(client);
            if spoilt {
                actor.backlog.clear();
            }
            actor.spoilt = false;
        }
        let epoch = self.epoch;
        let actor = &mut self.actors[who];
        actor.epoch = epoch;
        let (incoming, outgoing) = connection.split();
        let mut link = Link {
            incoming,
            outgoing,
            node,
            epoch,
            answered: false,
            synced: false,
            barriers: VecDeque::new(),
            lied: false,
            touched: false,
            lowered: None,
        };
        let state = actor.doc.transact().state_vector().encode_v1();
        let _ = link
            .incoming
            .receive(Frame::SyncStep1(&state).encode())
            .await;
        actor.link = Some(link);
        Ok(())
    }

    /// Reads up to so many frames, as long as they come at once.
    async fn read(&mut self, who: usize, frames: usize) -> Outcome {
        for _ in 0..frames {
            if !self.read_one(who, Duration::from_millis(1)).await? {
                break;
            }
        }
        Ok(())
    }

    async fn read_one(&mut self, who: usize, wait: Duration) -> Outcome<bool> {
        let Some(link) = &mut self.actors[who].link else {
            return Ok(false);
        };
        match timeout(wait, link.outgoing.next()).await {
            Err(_) => {
                let late = link.lowered.is_some_and(|at| at.elapsed() > SECOND);
                ensure!(
                    !late,
                    "peer {who}: the right is gone and the connection is not"
                );
                Ok(false)
            }
            Ok(Some(frame)) => {
                self.take(who, &frame).await?;
                Ok(true)
            }
            Ok(None) => {
                let code = link
                    .outgoing
                    .end()
                    .map_or(Code::Overloaded as u64, |code| code as u64);
                self.ended(who, code)?;
                Ok(false)
            }
        }
    }

    async fn take(&mut self, who: usize, frame: &Bytes) -> Outcome {
        let actor = &mut self.actors[who];
        let Some(link) = &mut actor.link else {
            return Ok(());
        };
        let frame = Frame::decode(frame).map_err(|e| e.to_string())?;
        if let Frame::Refusal { code, reason } = frame {
            ensure!(
                [1, 2, 3, 4, 5, 6, 7, 8, 9].contains(&code)
                    && !reason
                        .chars()
                        .any(|c| c as u32 >= 0xe000 && (c as u32) < 0xf900),
                "peer {who}: refused with {code}: {reason}"
            );
            return self.ended(who, code);
        }
        ensure!(
            // What a room that broke had sent before is on its way, and comes to its end.
            link.outgoing.end() == Some(Code::Overloaded)
                || link.lowered.is_none_or(|at| at.elapsed() <= SECOND),
            "peer {who}: the right is gone and {frame:?} came"
        );
        match frame {
            Frame::SyncStep1(state) => {
                let state = StateVector::decode_v1(state).map_err(|e| e.to_string())?;
                let diff = actor.doc.transact().encode_diff_v1(&state);
                link.answered = true;
                let _ = link
                    .incoming
                    .receive(Frame::SyncStep2(&diff).encode())
                    .await;
            }
            Frame::SyncStep2(update) | Frame::Update(update) => {
                link.synced |= matches!(frame, Frame::SyncStep2(_));
                ensure!(link.synced, "peer {who}: an update before the beginning");
                let _ = link;
                actor.apply(update)?;
            }
            Frame::Awareness(update) => {
                let states = collab::presence::decode(update).map_err(|e| e.to_string())?;
                self.check_presence(&states)?;
            }
            Frame::Barrier(payload) => {
                let at = link.barriers.iter().position(|(sent, _)| sent == payload);
                let Some((_, upto)) = at.and_then(|at| link.barriers.remove(at)) else {
                    return Err(format!("peer {who}: acknowledged what it never sent"));
                };
                let Some(upto) = upto else {
                    return Err(format!("peer {who}: a lie was acknowledged"));
                };
                for own in actor.own[..upto].iter_mut().filter(|own| !own.acked) {
                    own.acked = true;
                    self.acked.push(own.clone());
                }
            }
            Frame::Auth | Frame::QueryAwareness | Frame::Refusal { .. } => {}
        }
        self.resend(who).await
    }

    /// A new copy that has the document takes in what its forerunner could not save.
    async fn resend(&mut self, who: usize) -> Outcome {
        let actor = &mut self.actors[who];
        let ready = actor
            .link
            .as_ref()
            .is_some_and(|link| link.synced && link.answered);
        if !ready || actor.backlog.is_empty() {
            return Ok(());
        }
        let first = actor.own.len();
        for own in std::mem::take(&mut actor.backlog) {
            actor.apply(&own.update)?;
            actor.own.push(own);
        }
        self.send_own(who, Some(first)).await
    }

    /// Whether this end is one that the peer brought upon itself, or that the server may bring.
    fn ended(&mut self, who: usize, code: u64) -> Outcome {
        let epoch = self.epoch;
        let actor = &mut self.actors[who];
        let Some(link) = actor.link.take() else {
            return Ok(());
        };
        const NO_PERMISSION: u64 = Code::NoPermission as u64;
        const MASKED: u64 = Code::Masked as u64;
        const GONE: u64 = Code::Gone as u64;
        const OVERLOADED: u64 = Code::Overloaded as u64;
        match code {
            OVERLOADED => return Ok(()),
            _ if link.lied => {
                // Only the lie is gone, not what it wrote honestly.
                return Ok(());
            }
            NO_PERMISSION | MASKED if link.touched => {}
            GONE if link.epoch != epoch => {}
            _ => return Err(format!("peer {who} is honest and was refused with {code}")),
        }
        actor.spoilt = true;
        Ok(())
    }

    fn check_presence(&self, states: &[collab::presence::State<'_>]) -> Outcome {
        for state in states {
            if state.json == "null" {
                continue;
            }
            let json: serde_json::Value =
                serde_json::from_str(state.json).map_err(|e| e.to_string())?;
            let Some(owner) = self.owners.get(&state.client) else {
                return Err(format!("presence under {}", state.client));
            };
            let user = &json["user"];
            ensure!(
                user["account"] == owner.account.as_str()
                    && user["name"] == owner.name.as_str()
                    && user["agency"] == owner.agency_name.as_str()
                    && json["cursor"] == "here",
                "forged presence {json} of {}",
                owner.membership
            );
        }
        Ok(())
    }

    async fn lurk(&mut self, who: usize) -> Outcome {
        let identity = self.actors[who].identity.clone();
        let node = self.actors[who].spec.node;
        if let Ok(connection) = self.nodes[node].hub.connect(identity, &self.document).await {
            let (incoming, outgoing) = connection.split();
            self.lurkers.push((node, incoming, outgoing));
        }
        Ok(())
    }

    async fn check_lurkers(&mut self) -> Outcome {
        for (_, _, outgoing) in &mut self.lurkers {
            while let Ok(Some(frame)) = timeout(Duration::from_millis(1), outgoing.next()).await {
                let frame = Frame::decode(&frame).map_err(|e| e.to_string())?;
                ensure!(
                    !matches!(frame, Frame::Update(_) | Frame::SyncStep2(_)),
                    "content for one who never asked"
                );
            }
        }
        Ok(())
    }

    fn tell(&self, change: &Change) {
        for node in &self.nodes {
            node.hub.access_changed(change);
        }
    }

    /// Notes for every open connection what the change means for it.
    fn touch(&mut self, before: &[Right]) {
        for (who, &before) in before.iter().enumerate() {
            let after = self.right(who);
            if before == after {
                continue;
            }
            let level = |right| match right {
                Right::Edit => 2,
                Right::Read => 1,
                _ => 0,
            };
            if after == Right::Edit {
                self.editors
                    .insert(self.actors[who].identity.membership.to_string());
            }
            if let Some(link) = &mut self.actors[who].link {
                link.touched = true;
                if level(after) < level(before) {
                    link.lowered.get_or_insert_with(Instant::now);
                } else if link.lowered.is_some_and(|at| at.elapsed() < SECOND) {
                    // Back before anybody may have noticed.
                    link.lowered = None;
                }
            }
        }
    }

    fn all_rights(&self) -> Vec<Right> {
        (0..self.actors.len()).map(|who| self.right(who)).collect()
    }

    fn set_right(&mut self, who: usize, right: Right, told: Told) {
        let before = self.all_rights();
        let identity = self.actors[who].identity.clone();
        self.rights
            .of
            .lock()
            .unwrap()
            .insert(identity.membership.to_string(), right);
        self.touch(&before);
        self.tell(&match told {
            Told::Account => Change::Account(identity.account),
            Told::Membership => Change::Membership(identity.membership),
            Told::Documents => Change::Documents(vec![self.document.clone()]),
            Told::Everything => Change::Everything,
        });
    }

    fn stop_account(&mut self, who: usize, stopped: bool) {
        let before = self.all_rights();
        let account = self.actors[who].identity.account.clone();
        {
            let mut all = self.rights.stopped.lock().unwrap();
            if stopped {
                all.insert(account.to_string());
            } else {
                all.remove(account.as_str());
            }
        }
        self.touch(&before);
        self.tell(&Change::Account(account));
    }

    /// The policy says yes, the right goes, and only then the connection joins.
    async fn race_join(&mut self, who: usize, node: usize) -> Outcome {
        if self.actors[who].link.is_some() || self.right(who) != Right::Edit {
            return Ok(());
        }
        *self.rights.takes.lock().unwrap() = Duration::from_millis(300);
        let (hub, document) = (self.nodes[node].hub.clone(), self.document.clone());
        let identity = self.actors[who].identity.clone();
        let joining = tokio::spawn(async move { hub.connect(identity, &document).await });
        sleep(Duration::from_millis(100)).await;
        *self.rights.takes.lock().unwrap() = Duration::ZERO;
        self.set_right(who, Right::None, Told::Membership);
        let joined = joining.await.map_err(|e| e.to_string())?;
        if let Ok(connection) = joined {
            sleep(SECOND).await;
            let (_incoming, mut outgoing) = connection.split();
            let first = timeout(SECOND, outgoing.next()).await;
            let refused = matches!(
                &first,
                Ok(Some(frame)) if matches!(Frame::decode(frame), Ok(Frame::Refusal { .. }))
            );
            ensure!(
                refused || matches!(first, Ok(None)),
                "peer {who} came in with a right that was gone: {first:?}"
            );
        }
        self.set_right(who, Right::Edit, Told::Membership);
        Ok(())
    }

    async fn lie(&mut self, who: usize, kind: usize, whose: usize) -> Outcome {
        // What was taken a moment ago may still be on its way.
        if self.actors[who]
            .link
            .as_ref()
            .is_some_and(|link| link.touched)
        {
            sleep(SECOND + SECOND).await;
            self.read(who, 1000).await?;
        }
        let reader = self.right(who) == Right::Read;
        let victim = {
            let (me, other) = (&self.actors[who], &self.actors[whose]);
            // The server takes no notice of what it knows already.
            let known = other.doc.transact().state_vector();
            let clock = known.get(&yrs::ClientID::new(other.client));
            let mine = me.identity.membership == other.identity.membership;
            (!mine && clock > 0).then_some((other.client, clock))
        };
        let kind = match reader && kind.is_multiple_of(2) {
            true => 24 + kind / 2 % 2,
            false => kind,
        };
        let seed = self.unique();
        self.next += 100;
        let circumstances = Circumstances {
            client: 5_000_000 + seed * 100,
            victim,
            seed,
        };
        let actor = &mut self.actors[who];
        if actor.link.is_none() || actor.spoilt {
            return Ok(());
        }
        let Some(message) = evil::message(actor, kind, circumstances) else {
            return Ok(());
        };
        if let Ok(Frame::Update(update)) = Frame::decode(&message) {
            let parsed = collab::update::Update::parse(update);
            if let Ok(parsed) = parsed
                && parsed.structs.is_empty()
            {
                // A deletion that somebody else made meanwhile is no news, and no lie. One that
                // somebody makes later looks the same.
                let known = |d: &(u64, u32, u32)| self.deleted_by.contains_key(&(d.0, d.1));
                if parsed.deletes.iter().any(known) {
                    return Ok(());
                }
            } else {
                self.lies.push(update.to_vec());
            }
        }
        let payload = self.next.to_le_bytes().to_vec();
        if let Some(link) = &mut actor.link {
            link.lied = true;
            link.barriers.push_back((payload.clone(), None));
            let _ = link.incoming.receive(message).await;
            let _ = link
                .incoming
                .receive(Frame::Barrier(&payload).encode())
                .await;
        }
        let until = Instant::now() + Duration::from_secs(20);
        while self.actors[who].link.is_some() && Instant::now() < until {
            self.read_one(who, Duration::from_millis(50)).await?;
        }
        ensure!(
            self.actors[who].link.is_none(),
            "peer {who} lied ({kind}) and was not turned away"
        );
        Ok(())
    }

    fn server_writes(&mut self, who: usize, node: usize) {
        let author = self.actors[who].identity.author();
        if !self.editors.contains(author.membership.as_str()) {
            return;
        }
        let (hub, document) = (self.nodes[node].hub.clone(), self.document.clone());
        let words = letters(who, self.server_writes.len(), 3);
        let (by, sheet, said) = (author.clone(), self.sheet, words.clone());
        let done = tokio::spawn(async move {
            hub.write_as(&by, &document, move |txn| {
                let text = if sheet {
                    let fields = txn.get_map("fields");
                    match fields.and_then(|f| yrs::Map::get(&f, txn, "summary")) {
                        Some(Out::YText(text)) => Some(text),
                        _ => None,
                    }
                } else {
                    txn.get_text("content")
                };
                if let Some(text) = text {
                    text.insert(txn, 0, &said);
                }
            })
            .await
        });
        self.server_writes.push(ServerWrite {
            author,
            words,
            done,
            epoch: self.epoch,
        });
    }

    fn disk(&mut self, disk: Disk) {
        let log = self.durable.log();
        match disk {
            Disk::Works => {
                log.set_fault(Fault::None);
                log.take(Duration::ZERO, Duration::ZERO);
            }
            Disk::Refuses => log.set_fault(Fault::Refuse),
            Disk::WritesAndFails => log.set_fault(Fault::WriteAndFail),
            Disk::Slow(ms) => log.take(Duration::from_millis(ms.into()), Duration::ZERO),
        }
    }

    /// A process dies; with `power` all of them, and the disk is as it was at that moment.
    async fn kill(&mut self, node: usize, power: bool) -> Outcome {
        let dying: Vec<usize> = if power {
            (0..self.nodes.len()).collect()
        } else {
            vec![node]
        };
        for &node in &dying {
            self.nodes[node].dead.store(true, Ordering::SeqCst);
        }
        if power {
            let left = self.durable.log().after_crash();
            *self.durable.log.lock().unwrap() = left;
        }
        for &node in &dying {
            self.nodes[node] = self.start(node);
        }
        for actor in &mut self.actors {
            if actor
                .link
                .as_ref()
                .is_some_and(|link| dying.contains(&link.node))
            {
                actor.link = None;
            }
        }
        self.lurkers.retain(|(node, ..)| !dying.contains(node));
        self.check_acked(&self.stored().await?)
    }

    fn nudge(&self, how: Nudge) {
        let mut waiting = self.durable.nudges.lock().unwrap();
        let take = match how {
            Nudge::One => 1,
            Nudge::All | Nudge::Doubled => usize::MAX,
        };
        let take = take.min(waiting.len());
        for (from, epoch, seq) in waiting.drain(..take) {
            for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| *at != from) {
                let _ = at;
                node.hub.nudge(&self.document, epoch, seq);
                if matches!(how, Nudge::Doubled) {
                    node.hub.nudge(&self.document, epoch, seq);
                    node.hub.nudge(&self.document, epoch, seq.saturating_sub(3));
                }
            }
        }
        // Those of an erased past are late for ever.
        waiting.retain(|(_, epoch, _)| *epoch == self.epoch);
    }

    async fn nudge_all(&self) -> Outcome {
        let loaded = self
            .durable
            .log()
            .load(&self.document)
            .await
            .map_err(|e| e.to_string())?;
        let seq = loaded.entries.last().map_or(loaded.snapshot_seq, |e| e.0);
        for node in &self.nodes {
            node.hub.nudge(&self.document, loaded.epoch, seq);
        }
        Ok(())
    }

    /// Erasure: the present without its past, under a new epoch.
    async fn replace(&mut self) -> Outcome {
        self.disk(Disk::Works);
        sleep(Duration::from_secs(3)).await;
        self.nudge_all().await?;
        sleep(Duration::from_millis(200)).await;
        for who in 0..self.actors.len() {
            self.read(who, 10_000).await?;
        }
        let hub = self.nodes[0].hub.clone();
        let whole = |error: HubError| error.to_string();
        let state = hub
            .read(&self.document, |view| {
                view.txn.encode_state_as_update_v1(&StateVector::default())
            })
            .await
            .map_err(whole)?;
        let authors: Vec<Authored> = hub
            .authors_of(&self.document)
            .await
            .map_err(whole)?
            .into_iter()
            .map(|found| found.authored)
            .collect();
        let epoch = hub
            .replace(&self.document, Snapshot { state, authors })
            .await
            .map_err(whole)?;
        ensure!(
            epoch == self.epoch + 1,
            "epoch {epoch} after {}",
            self.epoch
        );
        self.epoch = epoch;
        self.nudge_all().await?;
        sleep(Duration::from_millis(50)).await;
        let connected: Vec<bool> = self
            .actors
            .iter()
            .map(|actor| actor.link.is_some())
            .collect();
        for (who, connected) in connected.into_iter().enumerate() {
            self.read(who, 10_000).await?;
            ensure!(
                !connected || self.actors[who].link.is_none(),
                "peer {who} stays in an erased document"
            );
        }
        Ok(())
    }

    /// What the log holds, put together by yrs alone.
    async fn stored(&self) -> Outcome<Doc> {
        let log = self.durable.log();
        self.durable.note(&log).await;
        let replica = doc(99);
        let apply = |update: &[u8]| -> Outcome {
            let update = yrs::Update::decode_v1(update).map_err(|e| e.to_string())?;
            replica
                .transact_mut()
                .apply_update(update)
                .map_err(|e| e.to_string())
        };
        if self.sheet {
            replica.get_or_insert_map("fields");
            replica.get_or_insert_map("meta");
        } else {
            replica.get_or_insert_text("content");
        }
        if let Some(base) = self.durable.bases.lock().unwrap().get(&self.epoch) {
            apply(&base.state)?;
        }
        for ((epoch, _), entry) in &*self.durable.entries.lock().unwrap() {
            if *epoch == self.epoch {
                apply(&entry.update)?;
            }
        }
        ensure!(
            !replica.transact().has_missing_updates(),
            "the log has a hole"
        );
        Ok(replica)
    }

    fn check_acked(&self, stored: &Doc) -> Outcome {
        let txn = stored.transact();
        let (state, deleted) = (txn.state_vector(), txn.snapshot().delete_set);
        for own in &self.acked {
            let parsed = collab::update::Update::parse(&own.update).map_err(|e| e.to_string())?;
            for part in &parsed.structs {
                let client = yrs::ClientID::new(part.id.client);
                ensure!(
                    state.get(&client) >= part.end(),
                    "acknowledged and lost: {}@{}",
                    part.id.clock,
                    part.id.client
                );
            }
            for &(client, clock, len) in &parsed.deletes {
                for clock in clock..clock + len {
                    let id = ID::new(yrs::ClientID::new(client), clock);
                    ensure!(
                        deleted.contains(&id),
                        "acknowledged deletion lost: {clock}@{client}"
                    );
                }
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Outcome<Tally> {
        self.disk(Disk::Works);
        self.check_lurkers().await?;
        self.lurkers.clear();
        sleep(Duration::from_secs(2)).await;
        self.nudge_all().await?;
        sleep(Duration::from_millis(100)).await;
        for who in 0..self.actors.len() {
            self.read(who, 10_000).await?;
        }
        let allowed: Vec<usize> = (0..self.actors.len())
            .filter(|who| matches!(self.right(*who), Right::Edit | Right::Read))
            .collect();
        for &who in &allowed {
            self.save(who).await?;
        }
        self.nudge_all().await?;
        sleep(Duration::from_millis(500)).await;
        for &who in &allowed {
            while self.read_one(who, Duration::from_millis(300)).await? {}
            ensure!(
                self.actors[who].link.is_some(),
                "peer {who} ended at the end"
            );
        }
        for write in std::mem::take(&mut self.server_writes) {
            if let Ok(Ok(Ok((seq, ())))) = timeout(Duration::from_secs(5), write.done).await {
                self.stored().await?;
                let entries = self.durable.entries.lock().unwrap();
                ensure!(
                    entries
                        .range((write.epoch, 0)..=(write.epoch, seq))
                        .any(|(_, entry)| {
                            entry.author == write.author && has(&entry.update, &write.words)
                        }),
                    "the server's words were called durable and are not"
                );
            }
        }

        let stored = self.stored().await?;
        self.check_acked(&stored)?;
        let whole = content(&stored, self.sheet);
        let state = stored.transact().state_vector();
        for &who in &allowed {
            let actor = &self.actors[who];
            ensure!(
                actor.content() == whole,
                "peer {who} has {:?}, the log {whole:?}",
                actor.content()
            );
            ensure!(
                actor.doc.transact().state_vector() == state,
                "peer {who} has another state"
            );
        }
        for node in &self.nodes {
            self.check_hub(&node.hub, &stored).await?;
        }
        self.check_log()?;
        self.check_authors(&stored).await?;
        // Once more, after everybody died.
        let crashed = self.durable.log().after_crash();
        *self.durable.log.lock().unwrap() = crashed;
        let fresh = self.start(0);
        self.check_hub(&fresh.hub, &stored).await?;
        let entries = self.durable.entries.lock().unwrap().len();
        Ok(Tally {
            acked: self.acked.len(),
            entries,
            lies: self.lies.len(),
            epochs: self.epoch - 1,
            compacted: entries - self.durable.log().tail(&self.document).min(entries),
        })
    }

    /// Connected, everything written and acknowledged.
    async fn save(&mut self, who: usize) -> Outcome {
        let node = self.actors[who].spec.node;
        for _ in 0..8 {
            self.come_back(who, node, false).await?;
            // Both ends have asked and answered.
            while self.read_one(who, Duration::from_millis(100)).await? {}
            self.barrier(who).await?;
            while self.read_one(who, Duration::from_millis(500)).await? {}
            let actor = &self.actors[who];
            let reads = self.right(who) == Right::Read;
            if actor.link.is_some() && (reads || actor.own.iter().all(|own| own.acked)) {
                return Ok(());
            }
            if actor.link.as_ref().is_some_and(|link| !link.answered) {
                // Joined as a reader: comes back as what it is now.
                self.actors[who].link = None;
            }
        }
        Err(format!("peer {who} cannot save"))
    }

    async fn check_hub(&self, hub: &Hub, stored: &Doc) -> Outcome {
        let sheet = self.sheet;
        let held = hub
            .read(&self.document, |view| {
                view.txn.encode_state_as_update_v1(&StateVector::default())
            })
            .await
            .map_err(|e| e.to_string())?;
        ensure!(!has(&held, evil::MARK), "a lie is in the document");
        let replica = doc(98);
        if sheet {
            replica.get_or_insert_map("fields");
        } else {
            replica.get_or_insert_text("content");
        }
        let update = yrs::Update::decode_v1(&held).map_err(|e| e.to_string())?;
        replica
            .transact_mut()
            .apply_update(update)
            .map_err(|e| e.to_string())?;
        ensure!(
            content(&replica, sheet) == content(stored, sheet)
                && replica.transact().state_vector() == stored.transact().state_vector(),
            "a hub shows {:?}, the log has {:?}",
            content(&replica, sheet),
            content(stored, sheet)
        );
        Ok(())
    }

    /// Nothing came in that should not.
    fn check_log(&self) -> Outcome {
        for ((_, seq), entry) in &*self.durable.entries.lock().unwrap() {
            let by = entry.author.membership.as_str();
            ensure!(
                !has(&entry.update, evil::MARK),
                "entry {seq} of {by} holds a lie"
            );
            ensure!(
                !self.lies.iter().any(|lie| *lie == entry.update[..]),
                "entry {seq} of {by} is a lie"
            );
            ensure!(
                by == "system" || self.editors.contains(by),
                "entry {seq}: {by} never had the right"
            );
        }
        Ok(())
    }

    /// Who wrote what, as the hub tells it, against what the peers did.
    async fn check_authors(&self, stored: &Doc) -> Outcome {
        let hub = &self.nodes[0].hub;
        let found = hub
            .authors_of(&self.document)
            .await
            .map_err(|e| e.to_string())?;
        let mut wrote: HashMap<(u64, u32), Option<String>> = HashMap::new();
        for run in found {
            let (span, author) = (run.authored.span, run.authored.author);
            for clock in span.clock..span.clock + span.len {
                if !run.authored.deletion {
                    let right = match self.owners.get(&span.client) {
                        Some(owner) => owner.author() == author,
                        None if span.client == 1 => author == Author::system(),
                        None => span.client >> 52 == 1,
                    };
                    ensure!(
                        right,
                        "{clock}@{} is said to be by {}",
                        span.client,
                        author.membership
                    );
                    wrote.insert((span.client, clock), run.field.clone());
                } else if matches!(run.field.as_deref(), Some("summary" | "content")) {
                    let by = self.deleted_by.get(&(span.client, clock));
                    ensure!(
                        by.is_some_and(|by| by.contains(&author)),
                        "{} is said to have deleted {clock}@{}",
                        author.membership,
                        span.client
                    );
                }
            }
        }
        for (client, next) in stored.transact().state_vector().iter() {
            for clock in 0..*next {
                ensure!(
                    wrote.contains_key(&(client.get(), clock)),
                    "nobody wrote {clock}@{}",
                    client.get()
                );
            }
        }
        for own in self.acked.iter().filter(|own| own.field.is_some()) {
            let parsed = collab::update::Update::parse(&own.update).map_err(|e| e.to_string())?;
            for part in &parsed.structs {
                for clock in part.id.clock..part.end() {
                    let field = wrote.get(&(part.id.client, clock)).cloned().flatten();
                    ensure!(
                        field.is_none() || field == own.field,
                        "{clock}@{} is said to stand in {field:?}, not {:?}",
                        part.id.client,
                        own.field
                    );
                }
            }
        }
        Ok(())
    }
}
