//! One document, one task.
//!
//! Messages are verified as they come; verified updates gather while the previous append runs,
//! then go to the log together. Only when the log says "durable" are they applied, broadcast and
//! acknowledged. The index is therefore ahead of the document by what is on its way to disk.

mod abroad;
mod catch_up;

use self::abroad::Abroad;
use self::catch_up::{Base, Landing, mark_deleted, missed};
use crate::access::{Change, Grant, Level};
use crate::bus::{NodeId, Note, Sighting};
use crate::erasure::{Past, standing};
use crate::frame::{Code, Frame, decode_state, refusal};
use crate::hub::{
    Aside, Changed, FieldAuthor, HubError, Link, Permit, Shared, View, code_of, hub_error,
};
use crate::identity::{Author, Identity};
use crate::journal::Journal;
use crate::log::{Entry, Loaded, LogError, Snapshot, Span, Version};
use crate::order;
use crate::presence;
use crate::seed::{declare_roots, document as empty_document};
use crate::shape::{PersonalNumberCheck, Shape};
use crate::walker::{ContainerAt, Index, Refused, Trial, Writer};
use bytes::Bytes;
use domain::id::{DocumentId, MunicipalityId};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{BranchID, Doc, GetString, ID, ReadTxn, StateVector, TextRef, Transact, TransactionMut};

/// How long an append that was begun within the patience may still take.
const NO_ANSWER: Duration = Duration::from_secs(5);

type Look = Box<dyn FnOnce(Result<&View<'_>, HubError>) + Send>;
type Edit = Box<dyn FnOnce(&mut TransactionMut<'_>) + Send>;
type Reply<T> = oneshot::Sender<Result<T, HubError>>;

/// Every room keeps room for 32 of them, of which most have none: the large ones stand elsewhere.
pub(crate) enum Command {
    Join(Box<Join>, oneshot::Sender<Result<(), Code>>),
    Message(Box<Message>),
    Leave(u64),
    Read(Look),
    Write(Box<Write>),
    Authors(Reply<Vec<FieldAuthor>>),
    KeepVersion(Box<KeepVersion>),
    Replace(Box<Snapshot>, Reply<u64>),
    /// Entries set aside; with `clear` the log goes on without them.
    Aside {
        clear: bool,
        reply: Reply<Vec<Aside>>,
    },
}

pub(crate) struct Join {
    pub(crate) id: u64,
    pub(crate) identity: Arc<Identity>,
    pub(crate) level: Level,
    /// The epoch of the copy that the client has; another one is refused.
    pub(crate) epoch: Option<u64>,
    pub(crate) generation: u64,
    pub(crate) frames: mpsc::Sender<Bytes>,
    pub(crate) link: Arc<Link>,
}

pub(crate) struct Message {
    pub(crate) connection: u64,
    pub(crate) message: Bytes,
    pub(crate) permit: Permit,
}

pub(crate) struct Write {
    pub(crate) author: Author,
    /// Only in this generation of the document.
    pub(crate) epoch: Option<u64>,
    pub(crate) edit: Edit,
    pub(crate) reply: Reply<u64>,
}

pub(crate) struct KeepVersion {
    pub(crate) author: Author,
    pub(crate) label: String,
    pub(crate) reply: Reply<Version>,
}

/// Overtakes messages.
pub(crate) enum Control {
    Recheck(Box<Change>),
    /// What may stand in the document by now.
    Shaped(Arc<Shape>),
    Checked {
        connection: u64,
        result: Result<Grant, Code>,
    },
    Refuse(u64, Code),
    /// The document was erased: everybody is told that it is gone.
    Gone,
    Compacted {
        upto: u64,
        bytes: usize,
        done: bool,
    },
    Nudge {
        epoch: u64,
        seq: u64,
    },
    /// Another node says who is present there.
    Sighted(Box<(NodeId, Vec<Sighting>)>),
    /// Another node asks who is present here.
    WhoIsThere,
    /// Words of other nodes may have been missed.
    AfterGap,
    NodeGone(NodeId),
    Stop(oneshot::Sender<()>),
}

struct Member {
    identity: Arc<Identity>,
    author: Author,
    level: Level,
    frames: mpsc::Sender<Bytes>,
    link: Arc<Link>,
    /// Its sync step 1 was answered; before that an update would only wait for its beginning.
    synced: bool,
    /// The batch its last update went into.
    batch: u64,
    /// Behind since then, with the state it was sent completely.
    lag: Option<(StateVector, Instant)>,
    /// Acknowledgements that found no room in the queue.
    owed: VecDeque<Bytes>,
    presence: Option<Present>,
    checked: Instant,
}

struct Present {
    client: u64,
    /// As the client sent it; stamped when it goes out.
    json: String,
    /// When, ms since 1970.
    at: u64,
}

/// A verified update on its way to the log.
struct Item {
    update: Bytes,
    /// The whole message, when it can go out to the others as it came.
    frame: Option<Bytes>,
    connection: Option<u64>,
    author: Author,
    inserted: Vec<Span>,
    deleted: Vec<Span>,
    at: Timestamp,
    /// Who of the server itself waits for it.
    done: Vec<Reply<u64>>,
}

/// An append under way, or without items a look at what others appended.
struct Flight {
    items: Vec<Item>,
    batch: u64,
    append: Pin<Box<dyn Future<Output = Landing> + Send>>,
}

/// A copy of the document with everything that was judged good, on its way to disk or there: what
/// texts would say is read from it. Made when it is first needed, and dropped when it was not needed
/// for [`AHEAD_KEPT`].
struct Ahead {
    doc: Doc,
    used: Instant,
}

const AHEAD_KEPT: Duration = Duration::from_secs(20);

/// What is rebuilt from the log.
struct Core {
    doc: Doc,
    index: Index,
    journal: Journal,
    epoch: u64,
    seq: u64,
    snapshot_bytes: usize,
    tail_entries: usize,
    tail_bytes: usize,
    /// Entries of the log that could not be applied, and the check that says so.
    aside: BTreeMap<u64, &'static str>,
    municipality: Option<MunicipalityId>,
}

pub(crate) struct Room {
    shared: Arc<Shared>,
    document: DocumentId,
    /// The part of the bus that its hints go to.
    municipality: Option<MunicipalityId>,
    shape: Arc<Shape>,
    /// A newer one, to be taken as soon as nothing is on its way.
    reshape: Option<Arc<Shape>>,
    core: Core,
    base: Base,
    /// The last sequence number that a hint named, and what it was when the log was last asked.
    heard: u64,
    asked: u64,
    abroad: Abroad,
    ahead: Option<Ahead>,
    members: BTreeMap<u64, Box<Member>>,
    pending: Vec<Item>,
    flight: Option<Flight>,
    /// Number of the batch that is gathering; the one in flight has a smaller one.
    batch: u64,
    durable: u64,
    /// Barriers waiting for a batch.
    barriers: Vec<(u64, u64, Bytes)>,
    /// Live awareness ids and whose they are.
    present: HashMap<u64, u64>,
    /// Awareness ids whose state goes out at `presence_due`.
    presence_dirty: HashSet<u64>,
    presence_due: Option<Instant>,
    presence_clock: u64,
    control: mpsc::UnboundedSender<Control>,
    compacting: bool,
    last_version: Timestamp,
    /// Who last changed what no version holds yet.
    unkept: Option<Author>,
    last_use: Instant,
    stopping: Vec<oneshot::Sender<()>>,
    /// The room cannot go on; everybody is told this.
    broken: Option<Code>,
}

impl Room {
    pub(crate) async fn run(
        shared: Arc<Shared>,
        document: DocumentId,
        mut commands: mpsc::Receiver<Command>,
        mut signals: mpsc::UnboundedReceiver<Control>,
        control: mpsc::UnboundedSender<Control>,
    ) {
        let loaded = async {
            let shape = shared
                .access
                .shape(&document)
                .await
                .map_err(|denial| (code_of(denial), hub_denial(denial)))?;
            let core = load(&shared, &document, &shape).await.map_err(|error| {
                tracing::warn!(document = %document, %error, "document not loaded");
                let code = match error {
                    LogError::NotFound => Code::Gone,
                    LogError::Corrupt(_) => Code::Damaged,
                    _ => Code::Overloaded,
                };
                (code, hub_error(error))
            })?;
            Ok::<_, (Code, HubError)>((shape, core))
        }
        .await;
        let (shape, core) = match loaded {
            Ok(loaded) => loaded,
            Err((code, error)) => {
                forget(&shared, &document, &mut commands);
                while let Some(command) = commands.recv().await {
                    fail(command, code, &error);
                }
                return;
            }
        };
        let now = shared.clock.now();
        let mut room = Self {
            shared,
            document,
            municipality: core.municipality.clone(),
            shape,
            reshape: None,
            heard: core.seq,
            asked: core.seq,
            core,
            base: Base::default(),
            abroad: Abroad::default(),
            ahead: None,
            members: BTreeMap::new(),
            pending: Vec::new(),
            flight: None,
            batch: 1,
            durable: 0,
            barriers: Vec::new(),
            present: HashMap::new(),
            presence_dirty: HashSet::new(),
            presence_due: None,
            presence_clock: 0,
            control,
            compacting: false,
            last_version: now,
            unkept: None,
            last_use: Instant::now(),
            stopping: Vec::new(),
            broken: None,
        };
        room.grow();
        room.serve(&mut commands, &mut signals).await;
        forget(&room.shared, &room.document, &mut commands);
        let code = room.broken.unwrap_or(Code::Overloaded);
        let ids: Vec<u64> = room.members.keys().copied().collect();
        for id in ids {
            room.end(id, code, false);
        }
        while let Ok(command) = commands.try_recv() {
            fail(command, code, &HubError::Unavailable("room stopped".into()));
        }
        for stopped in room.stopping.drain(..) {
            let _ = stopped.send(());
        }
    }

    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        signals: &mut mpsc::UnboundedReceiver<Control>,
    ) {
        loop {
            if self.broken.is_some() {
                return;
            }
            if !self.stopping.is_empty() {
                // What was received before the stop becomes durable and is acknowledged.
                while let Ok(command) = commands.try_recv() {
                    self.command(command).await;
                }
                if self.flight.is_none() && self.pending.is_empty() {
                    return;
                }
            }
            if self.flight.is_none() {
                if let Some(shape) = self.reshape.take() {
                    self.shape = shape;
                    self.reload(Vec::new());
                } else if !self.pending.is_empty() {
                    self.start_append();
                } else if self.heard > self.core.seq {
                    self.fetch_missed();
                }
            }
            let deadline = self.deadline();
            let full = self.pending.len() >= 4096;
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => self.signal(signal).await,
                result = landed(&mut self.flight) => self.landed(result).await,
                command = commands.recv(), if !full => {
                    let Some(command) = command else { return };
                    self.command(command).await;
                    for _ in 0..256 {
                        let Ok(command) = commands.try_recv() else { break };
                        self.command(command).await;
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    if self.housekeeping() && self.leave_if_idle(commands).await {
                        return;
                    }
                }
            }
        }
    }

    fn deadline(&self) -> Instant {
        let idle = self.members.is_empty() && self.flight.is_none() && self.pending.is_empty();
        // With an append under way its end is what wakes the room.
        let mut deadline = if idle {
            self.last_use + self.shared.limits.idle
        } else {
            Instant::now() + Duration::from_secs(3600)
        };
        if let Some(oldest) = self.members.values().map(|m| m.checked).min() {
            deadline = deadline.min(oldest + self.shared.limits.recheck);
        }
        for due in [self.presence_due, self.abroad.deadline()] {
            deadline = due.map_or(deadline, |due| deadline.min(due));
        }
        if let Some(ahead) = &self.ahead {
            deadline = deadline.min(ahead.used + AHEAD_KEPT);
        }
        if self
            .members
            .values()
            .any(|m| m.lag.is_some() || !m.owed.is_empty())
        {
            deadline = deadline.min(Instant::now() + Duration::from_millis(50));
        }
        deadline
    }

    /// Timed work; `true` when the room looks idle.
    fn housekeeping(&mut self) -> bool {
        let now = Instant::now();
        if self.presence_due.is_some_and(|due| due <= now) {
            self.send_presence();
        }
        self.keep_abroad(now);
        self.ahead.take_if(|ahead| ahead.used + AHEAD_KEPT <= now);
        let behind: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, m)| m.lag.is_some() || !m.owed.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in behind {
            self.catch_up(id, now);
        }
        let stale: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, m)| m.checked + self.shared.limits.recheck <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            self.recheck(id);
        }
        self.members.is_empty()
            && self.flight.is_none()
            && self.pending.is_empty()
            && self.last_use + self.shared.limits.idle <= now
    }

    /// Unloads; nobody can slip in between, because the map is locked while the queue is looked at.
    async fn leave_if_idle(&mut self, commands: &mut mpsc::Receiver<Command>) -> bool {
        if self.compacting {
            self.last_use = Instant::now();
            return false;
        }
        if self.core.tail_entries >= 64 && self.core.aside.is_empty() {
            let upto = self.core.seq;
            let snapshot = self.snapshot();
            if let Ok(snapshot) = snapshot
                && self
                    .shared
                    .log
                    .compact(&self.document, self.core.epoch, upto, &snapshot)
                    .await
                    .is_ok()
            {
                self.core.tail_entries = 0;
            }
        }
        // How an afternoon's work ended is worth keeping, however short it was.
        if let Some(version) = self.automatic_version()
            && let Err(error) = self.shared.log.keep_version(&self.document, &version).await
        {
            tracing::warn!(document = %self.document, %error, "version not kept");
        }
        let mut rooms = self.shared.rooms.lock();
        if !commands.is_empty() {
            return false;
        }
        rooms.remove(&self.document);
        commands.close();
        // Whoever held a handle and sends now gets the command back and asks for the next room.
        commands.is_empty()
    }

    async fn command(&mut self, command: Command) {
        self.last_use = Instant::now();
        match command {
            Command::Join(join, reply) => {
                let _ = reply.send(self.join(*join));
            }
            Command::Message(given) => {
                self.message(given.connection, &given.message);
                drop(given.permit);
            }
            Command::Leave(id) => self.remove(id),
            Command::Read(look) => {
                let view = View {
                    txn: self.core.doc.transact(),
                    shape: Arc::clone(&self.shape),
                    epoch: self.core.epoch,
                    seq: self.core.seq,
                };
                look(Ok(&view));
            }
            Command::Write(write) if write.epoch.is_some_and(|epoch| epoch != self.core.epoch) => {
                drop(write.reply.send(Err(HubError::Gone)));
            }
            Command::Write(write) => self.write(write.author, write.edit, write.reply),
            Command::Authors(reply) => {
                let _ = reply.send(Ok(self.authors()));
            }
            Command::KeepVersion(asked) => {
                let KeepVersion {
                    author,
                    label,
                    reply,
                } = *asked;
                let version = self.snapshot().map(|snapshot| Version {
                    epoch: self.core.epoch,
                    seq: self.core.seq,
                    at: self.shared.clock.now(),
                    author,
                    label,
                    state: snapshot.state,
                });
                let _ = reply.send(version);
            }
            Command::Replace(snapshot, reply) => {
                let result = self
                    .shared
                    .log
                    .replace(&self.document, self.core.epoch, &snapshot)
                    .await;
                if result.is_ok() {
                    self.broken = Some(Code::Gone);
                }
                if let Ok(epoch) = result {
                    self.announce(epoch, self.core.seq + 1, Vec::new(), true);
                }
                let _ = reply.send(result.map_err(hub_error));
            }
            Command::Aside { clear, reply } => {
                let aside = self.core.aside.iter();
                let aside = aside.map(|(&seq, &check)| Aside { seq, check }).collect();
                let cleared = if clear {
                    self.clear_aside().await
                } else {
                    Ok(())
                };
                let _ = reply.send(cleared.map(|()| aside));
            }
        }
    }

    /// Writes the good state over everything durable, the entries set aside included. Nobody ever
    /// saw those, so the epoch stays.
    async fn clear_aside(&mut self) -> Result<(), HubError> {
        if self.core.aside.is_empty() {
            return Ok(());
        }
        let snapshot = self.snapshot()?;
        let (epoch, upto) = (self.core.epoch, self.core.seq);
        let log = &self.shared.log;
        log.compact(&self.document, epoch, upto, &snapshot)
            .await
            .map_err(hub_error)?;
        self.core.aside.clear();
        self.core.snapshot_bytes = snapshot.state.len();
        self.core.tail_entries = 0;
        self.core.tail_bytes = 0;
        Ok(())
    }

    async fn signal(&mut self, signal: Control) {
        match signal {
            Control::Recheck(change) => {
                if matches!(*change, Change::Municipality(_) | Change::Everything) {
                    self.ask_shape();
                }
                let covered: Vec<u64> = self
                    .members
                    .iter()
                    .filter(|(_, m)| match &*change {
                        Change::Documents(_) | Change::Everything => true,
                        Change::Municipality(municipality) => {
                            m.identity.municipality == *municipality
                        }
                        Change::Account(account) => m.identity.account == *account,
                        Change::Membership(membership) => m.identity.membership == *membership,
                    })
                    .map(|(id, _)| *id)
                    .collect();
                for id in covered {
                    self.recheck(id);
                }
            }
            Control::Checked { connection, result } => {
                let Some(member) = self.members.get_mut(&connection) else {
                    return;
                };
                match result {
                    // A lower level too: the client must learn that it is a reader now.
                    Ok(grant) if grant.level >= member.level => member.level = grant.level,
                    Ok(_) => self.end(connection, Code::NoPermission, true),
                    Err(code) => self.end(connection, code, true),
                }
            }
            Control::Shaped(shape) => {
                if !Arc::ptr_eq(&shape, &self.shape) {
                    self.reshape = Some(shape);
                }
            }
            Control::Refuse(connection, code) => self.end(connection, code, false),
            Control::Gone => self.broken = Some(Code::Gone),
            Control::Compacted { upto, bytes, done } => {
                self.compacting = false;
                if done {
                    self.core.snapshot_bytes = bytes;
                    self.core.tail_entries =
                        usize::try_from(self.core.seq.saturating_sub(upto)).unwrap_or(0);
                    self.core.tail_bytes = 0;
                }
            }
            Control::Nudge { epoch, seq } => {
                // A hint may be older than what is known.
                match epoch.cmp(&self.core.epoch) {
                    std::cmp::Ordering::Greater => self.broken = Some(Code::Gone),
                    std::cmp::Ordering::Equal => self.heard = self.heard.max(seq),
                    std::cmp::Ordering::Less => {}
                }
            }
            Control::Sighted(seen) => self.sighted(seen.0, seen.1),
            Control::WhoIsThere => self.tell_all_abroad(),
            Control::AfterGap => {
                self.ask_abroad();
                self.hint(self.core.epoch, self.core.seq);
            }
            Control::NodeGone(node) => self.node_gone(node),
            Control::Stop(reply) => self.stopping.push(reply),
        }
    }

    /// Asks what may stand in the document: its form may have got fields.
    fn ask_shape(&self) {
        let shared = Arc::clone(&self.shared);
        let document = self.document.clone();
        let control = self.control.clone();
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(100);
            // Until it is loaded again the room goes on with the shape it has.
            for _ in 0..8 {
                match shared.access.shape(&document).await {
                    Ok(shape) => return drop(control.send(Control::Shaped(shape))),
                    Err(crate::access::Denial::Unavailable) => tokio::time::sleep(pause).await,
                    Err(_) => return,
                }
                pause *= 2;
            }
        });
    }

    /// Gives the document the containers of fields that its form got since it was made: a change
    /// like any other, of nobody.
    fn grow(&mut self) {
        let missing = crate::seed::missing(&self.shape, &self.core.doc.transact());
        for (client, update) in missing {
            // On its way already.
            if self.core.index.author_of(client).is_some() {
                continue;
            }
            let author = Author::system();
            match self.verify(update.into(), None, None, author, true, true) {
                Ok(Some(item)) => self.push(item),
                Ok(None) => {}
                Err(refused) => {
                    tracing::error!(document = %self.document, check = refused.check, "a new field has no container");
                }
            }
        }
    }

    fn recheck(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.checked = Instant::now();
        let identity = Arc::clone(&member.identity);
        let shared = Arc::clone(&self.shared);
        let document = self.document.clone();
        let control = self.control.clone();
        tokio::spawn(async move {
            let check = shared.access.check(&identity, &document);
            let result = match tokio::time::timeout(shared.limits.check, check).await {
                Ok(result) => result.map_err(code_of),
                Err(_) => Err(Code::Overloaded),
            };
            let _ = control.send(Control::Checked {
                connection: id,
                result,
            });
        });
    }

    fn join(&mut self, join: Join) -> Result<(), Code> {
        if self.members.len() >= self.shared.limits.connections_per_document
            || !self.stopping.is_empty()
        {
            return Err(Code::Overloaded);
        }
        if join.epoch.is_some_and(|epoch| epoch != self.core.epoch) {
            return Err(Code::Gone);
        }
        let id = join.id;
        let author = join.identity.author();
        let member = Member {
            identity: join.identity,
            author,
            level: join.level,
            frames: join.frames,
            link: join.link,
            synced: false,
            batch: 0,
            lag: None,
            owed: VecDeque::new(),
            presence: None,
            checked: Instant::now(),
        };
        let writes = member.level >= Level::Edit;
        self.members.insert(id, Box::new(member));
        if self.members.len() == 1 {
            self.ask_abroad();
        }
        if self.shared.generation.load(Ordering::SeqCst) != join.generation {
            self.recheck(id);
        }
        if writes {
            let state = self.core.doc.transact().state_vector().encode_v1();
            self.send_owed(id, Frame::SyncStep1(&state).encode());
        }
        self.send_all_presence(id);
        Ok(())
    }

    fn message(&mut self, id: u64, message: &Bytes) {
        if !self.members.contains_key(&id) {
            return;
        }
        match Frame::decode(message) {
            Ok(Frame::SyncStep1(state)) => self.answer(id, state),
            Ok(Frame::SyncStep2(update)) => self.update(id, message, update, false),
            Ok(Frame::Update(update)) => self.update(id, message, update, true),
            Ok(Frame::Awareness(update)) => match presence::decode(update) {
                Ok(states) => self.presence(id, &states),
                Err(_) => self.end(id, Code::Malformed, false),
            },
            Ok(Frame::QueryAwareness) => self.send_all_presence(id),
            Ok(Frame::Auth | Frame::Refusal { .. }) => {}
            Ok(Frame::Barrier(_)) => {
                let batch = self.members.get(&id).map_or(0, |m| m.batch);
                if batch <= self.durable {
                    self.send_owed(id, message.clone());
                } else {
                    self.barriers.push((batch, id, message.clone()));
                }
            }
            Err(_) => self.end(id, Code::Malformed, false),
        }
    }

    /// Sync step 2: what the peer misses of the durable state.
    fn answer(&mut self, id: u64, state: &[u8]) {
        let Ok(state) = decode_state(state) else {
            return self.end(id, Code::Malformed, false);
        };
        let diff = self.core.doc.transact().encode_diff_v1(&state);
        if let Some(member) = self.members.get_mut(&id) {
            member.synced = true;
        }
        self.send_owed(id, Frame::SyncStep2(&diff).encode());
    }

    fn update(&mut self, id: u64, message: &Bytes, update: &[u8], relay: bool) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        if update.len() > self.shared.limits.update {
            return self.end(id, Code::TooLarge, false);
        }
        if self.core.snapshot_bytes + self.core.tail_bytes + update.len()
            > self.shared.limits.document
        {
            return self.end(id, Code::TooLarge, false);
        }
        let author = member.author.clone();
        let may_edit = member.level >= Level::Edit;
        let update = message.slice_ref(update);
        let frame = relay.then(|| message.clone());
        match self.verify(update, frame, Some(id), author, may_edit, false) {
            Ok(Some(item)) => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.batch = self.batch;
                }
                self.push(item);
            }
            // Known, but what makes it known may only be on its way to disk.
            Ok(None) => {
                let batch = self.on_its_way();
                if let Some(member) = self.members.get_mut(&id) {
                    member.batch = member.batch.max(batch);
                }
            }
            Err(refused) => {
                tracing::info!(document = %self.document, account = %self.account(id), code = refused.code as u8, check = refused.check, "update refused");
                self.end(id, refused.code, false);
            }
        }
    }

    /// The last batch that is not durable yet; 0 when everything is.
    fn on_its_way(&self) -> u64 {
        match &self.flight {
            _ if !self.pending.is_empty() => self.batch,
            Some(flight) => flight.batch,
            None => 0,
        }
    }

    /// Answers once everything that the index knows is durable.
    fn answer_when_durable(&mut self, replies: impl IntoIterator<Item = Reply<u64>>) {
        let in_flight = self.flight.as_mut().and_then(|f| f.items.last_mut());
        match self.pending.last_mut().or(in_flight) {
            Some(item) => item.done.extend(replies),
            None => {
                for reply in replies {
                    let _ = reply.send(Ok(self.core.seq));
                }
            }
        }
    }

    fn account(&self, id: u64) -> String {
        self.members
            .get(&id)
            .map(|m| m.identity.account.to_string())
            .unwrap_or_default()
    }

    fn push(&mut self, item: Item) {
        self.core.tail_bytes += item.update.len();
        self.pending.push(item);
    }

    /// `None` when it brings nothing new.
    fn verify(
        &mut self,
        update: Bytes,
        frame: Option<Bytes>,
        connection: Option<u64>,
        author: Author,
        may_edit: bool,
        server: bool,
    ) -> Result<Option<Item>, Refused> {
        if update[..] == [0, 0] {
            return Ok(None);
        }
        let writer = Writer {
            author: &author,
            may_edit,
            server,
        };
        let doc = &self.core.doc;
        let shape = &self.shape;
        let bytes = &update;
        let in_flight = self.flight.as_ref().map_or(&[][..], |f| &f.items);
        let pending = &self.pending;
        let ahead = &mut self.ahead;
        // It went into the copy that is ahead to see what it does.
        let mut tried = false;
        let mut trial = |trial: Trial<'_>| match trial {
            Trial::Misplaced(neighbours) => {
                let mut open = Vec::new();
                if order::is_broken(doc, neighbours, &mut open) {
                    return true;
                }
                !open.is_empty() && {
                    let on_their_way = in_flight.iter().chain(pending).map(|item| &item.update);
                    let scratch = copy(doc, shape, on_their_way.chain([bytes]), 0);
                    order::is_broken_in_copy(&scratch, &open)
                }
            }
            Trial::LeavesNumber(texts) => {
                let Some(check) = shape.personal_number() else {
                    return false;
                };
                let ahead = ahead.get_or_insert_with(|| {
                    let on_their_way = in_flight.iter().chain(pending);
                    Ahead {
                        doc: copy(doc, shape, on_their_way.map(|item| &item.update), 0),
                        used: Instant::now(),
                    }
                });
                ahead.used = Instant::now();
                let read = |at: &ContainerAt| text_of(&ahead.doc, at).unwrap_or_default();
                let before: Vec<String> = texts.iter().map(read).collect();
                apply_to(&ahead.doc, bytes);
                tried = true;
                texts
                    .iter()
                    .zip(before)
                    .any(|(at, before)| leaves_number(check, &before, &read(at)))
            }
        };
        let verdict = self.core.index.verify(&update, writer, &mut trial);
        if verdict.is_err() && tried {
            self.ahead = None;
        }
        let verdict = verdict?;
        if verdict.is_empty() {
            return Ok(None);
        }
        if let Some(ahead) = self.ahead.as_ref().filter(|_| !tried) {
            apply_to(&ahead.doc, &update);
        }
        let at = self.shared.clock.now();
        let frame = frame.filter(|_| !verdict.repeats);
        let (inserted, deleted) = (verdict.inserted, verdict.deleted);
        Ok(Some(Item {
            update,
            frame,
            connection,
            author,
            inserted,
            deleted,
            at,
            done: Vec::new(),
        }))
    }

    fn write(&mut self, author: Author, edit: Edit, reply: Reply<u64>) {
        let client = self.server_client(&author);
        let on_their_way = self
            .flight
            .iter()
            .flat_map(|f| &f.items)
            .chain(&self.pending)
            .map(|item| &item.update);
        let scratch = copy(&self.core.doc, &self.shape, on_their_way, client);
        let update = {
            let mut txn = scratch.transact_mut();
            edit(&mut txn);
            txn.encode_update_v1()
        };
        match self.verify(update.into(), None, None, author, true, true) {
            Ok(Some(mut item)) => {
                item.done.push(reply);
                self.push(item);
            }
            Ok(None) => self.answer_when_durable([reply]),
            Err(refused) => {
                let _ = reply.send(Err(HubError::Refused {
                    code: refused.code,
                    check: refused.check,
                }));
            }
        }
    }

    /// The client id under which this node writes for an author: above the 32 bits of browsers.
    fn server_client(&self, author: &Author) -> u64 {
        let mut hash = self.shared.salt ^ 0xcbf2_9ce4_8422_2325;
        for byte in author
            .account
            .as_str()
            .bytes()
            .chain([0])
            .chain(author.membership.as_str().bytes())
        {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        loop {
            let client = (hash >> 12) | (1 << 52);
            match self.core.index.author_of(client) {
                Some(bound)
                    if bound.account != author.account || bound.membership != author.membership =>
                {
                    hash = hash.wrapping_mul(0x0100_0000_01b3).wrapping_add(1);
                }
                _ => return client,
            }
        }
    }

    fn start_append(&mut self) {
        let items = std::mem::take(&mut self.pending);
        let entries: Vec<Entry> = items
            .iter()
            .map(|item| Entry {
                update: item.update.clone(),
                author: item.author.clone(),
                at: item.at,
                inserted: item.inserted.clone(),
                deleted: item.deleted.clone(),
            })
            .collect();
        let (shared, document) = (Arc::clone(&self.shared), self.document.clone());
        let (epoch, after) = (self.core.epoch, self.core.seq);
        let shape = Arc::clone(&self.shape);
        self.asked = self.heard;
        let append = Box::pin(async move {
            let give_up = Instant::now() + shared.limits.append_patience;
            let mut pause = Duration::from_millis(20);
            let trying = async {
                loop {
                    match shared.log.append(&document, epoch, after, &entries).await {
                        Ok(()) => return Landing::Durable,
                        Err(LogError::Behind { .. }) => {
                            let conflicts = &shared.abroad.conflicts;
                            conflicts.fetch_add(1, Ordering::Relaxed);
                            return missed(&shared, &document, &shape, epoch, after, give_up).await;
                        }
                        Err(LogError::Unavailable(_)) if Instant::now() + pause < give_up => {
                            tokio::time::sleep(pause).await;
                            pause = (pause * 2).min(Duration::from_secs(1));
                        }
                        Err(error) => return Landing::Failed(error),
                    }
                }
            };
            // A database that does not even answer must not keep the writers in the dark. Should the
            // append land after all, the next one is told that it is behind.
            match tokio::time::timeout_at(give_up + NO_ANSWER, trying).await {
                Ok(landing) => landing,
                Err(_) => Landing::Failed(LogError::Unavailable("no answer".into())),
            }
        });
        self.flight = Some(Flight {
            items,
            batch: self.batch,
            append,
        });
        self.batch += 1;
    }

    async fn landed(&mut self, landing: Landing) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        match landing {
            Landing::Durable => self.commit(flight.items, flight.batch).await,
            Landing::Missed(entries) => {
                self.take_over(flight.items, entries).await;
                self.answer_hints();
            }
            Landing::Anew(core) => {
                self.begin_again(flight.items, *core);
                self.answer_hints();
            }
            Landing::Failed(error) => {
                tracing::error!(document = %self.document, %error, "append failed");
                for item in flight
                    .items
                    .into_iter()
                    .chain(std::mem::take(&mut self.pending))
                {
                    for done in item.done {
                        let _ = done.send(Err(hub_error(error.clone())));
                    }
                }
                match error {
                    LogError::NotFound | LogError::EpochChanged { .. } => {
                        self.broken = Some(Code::Gone);
                    }
                    LogError::Corrupt(_) => self.broken = Some(Code::Damaged),
                    _ => self.nothing_saved(flight.batch),
                }
            }
        }
    }

    /// The log took nothing for as long as an append is tried. Whoever waits for an acknowledgement
    /// is told, keeps its copy and comes back with it; the others read on. Needs no database: the
    /// index, which was ahead by what is given up, is made anew from the durable document.
    fn nothing_saved(&mut self, batch: u64) {
        let waiting: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, m)| m.batch > self.durable)
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.end(id, Code::Overloaded, false);
        }
        self.barriers.clear();
        self.durable = batch;
        let state = self.snapshot().map(|snapshot| Loaded {
            epoch: self.core.epoch,
            snapshot_seq: self.core.seq,
            snapshot: Some(snapshot),
            entries: Vec::new(),
            municipality: self.municipality.clone(),
        });
        let Some(core) = state.ok().and_then(|s| build(&self.shape, &s).ok()) else {
            self.broken = Some(Code::Overloaded);
            return;
        };
        let aside = std::mem::take(&mut self.core.aside);
        let (tail_entries, snapshot_bytes) = (self.core.tail_entries, core.snapshot_bytes);
        self.ahead = None;
        self.core = Core {
            aside,
            tail_entries,
            snapshot_bytes,
            ..core
        };
        self.base.set(&self.core.index);
    }

    /// What was heard before the log was asked is answered by it, whatever the hint said.
    fn answer_hints(&mut self) {
        if self.heard == self.asked {
            self.heard = self.core.seq;
        }
    }

    /// Durable: apply, broadcast, acknowledge, tell the consumers.
    async fn commit(&mut self, mut items: Vec<Item>, batch: u64) {
        let only = match &items[..] {
            [item] => item.frame.clone(),
            _ => None,
        };
        let senders: HashSet<Option<u64>> = items.iter().map(|item| item.connection).collect();
        let except = if senders.len() == 1 {
            items[0].connection
        } else {
            None
        };
        let overflow = self
            .members
            .values()
            .any(|m| m.lag.is_none() && self.would_overflow(m));
        let before = self.core.doc.transact().state_vector();
        let (merged, deleted, sound) = {
            let mut txn = self.core.doc.transact_mut();
            let sound = items.iter().all(|item| apply(&mut txn, &item.update))
                && !txn.has_missing_updates();
            let merged = only.is_none().then(|| txn.encode_update_v1());
            (merged, deletions(&txn), sound)
        };
        mark_deleted(&mut self.core.index, &deleted);
        if !sound {
            return self.recover(items, batch, before).await;
        }
        self.base.follow(&items, &deleted);
        let first = self.core.seq + 1;
        self.core.seq += items.len() as u64;
        self.core.tail_entries += items.len();
        let mut authors: Vec<Author> = Vec::new();
        for (item, seq) in items.iter_mut().zip(first..) {
            self.core
                .journal
                .add(&item.author, item.at, &item.inserted, &item.deleted);
            if !authors.contains(&item.author) {
                authors.push(item.author.clone());
            }
            for done in item.done.drain(..) {
                let _ = done.send(Ok(seq));
            }
        }
        let frame = only.unwrap_or_else(|| Frame::Update(&merged.unwrap_or_default()).encode());
        self.broadcast(&frame, except, overflow.then_some(before));
        self.durable = batch;
        self.acknowledge();
        let last_author = authors.last().cloned();
        self.announce(self.core.epoch, self.core.seq, authors, true);
        self.compact_if_due();
        if last_author.is_some() {
            self.unkept = last_author;
            self.keep_version_if_due();
        }
    }

    /// To the consumers of this node, and what was committed `here` to the other nodes.
    fn announce(&self, epoch: u64, seq: u64, authors: Vec<Author>, here: bool) {
        let document = self.document.clone();
        if here {
            self.hint(epoch, seq);
        }
        let _ = self.shared.changes.send(Changed {
            document,
            epoch,
            seq,
            authors,
            here,
        });
    }

    /// Tells the other nodes where the log ends.
    fn hint(&self, epoch: u64, seq: u64) {
        let note = Note::Changed {
            document: self.document.clone(),
            epoch,
            seq,
        };
        let municipality = self.municipality.as_ref();
        self.shared.abroad.publish(municipality, note);
    }

    fn would_overflow(&self, member: &Member) -> bool {
        member.frames.capacity() <= 8
            || member.link.queued.load(Ordering::Relaxed) > self.shared.limits.outbox_bytes
    }

    fn broadcast(&mut self, frame: &Bytes, except: Option<u64>, before: Option<StateVector>) {
        let limit = self.shared.limits.outbox_bytes;
        for (id, member) in &mut self.members {
            if Some(*id) == except || !member.synced || member.lag.is_some() {
                continue;
            }
            let full =
                member.frames.capacity() <= 8 || member.link.queued.load(Ordering::Relaxed) > limit;
            if let (true, Some(before)) = (full, &before) {
                member.lag = Some((before.clone(), Instant::now()));
            } else {
                push_frame(member, frame.clone());
            }
        }
    }

    /// A frame that must arrive: an answer or an acknowledgement.
    fn send_owed(&mut self, id: u64, frame: Bytes) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if member.owed.is_empty() && push_frame(member, frame.clone()) {
            return;
        }
        if member.owed.len() >= 1024 {
            return self.end(id, Code::Overloaded, true);
        }
        member.owed.push_back(frame);
    }

    fn acknowledge(&mut self) {
        if self.barriers.is_empty() {
            return;
        }
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.barriers)
            .into_iter()
            .partition(|(batch, ..)| *batch <= self.durable);
        self.barriers = later;
        for (_, id, frame) in now {
            self.send_owed(id, frame);
        }
    }

    /// A reader that was behind and has read on: gets everything it missed in one piece.
    fn catch_up(&mut self, id: u64, now: Instant) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        while let Some(frame) = member.owed.pop_front() {
            if !push_frame(member, frame.clone()) {
                member.owed.push_front(frame);
                break;
            }
        }
        let Some((state, since)) = &member.lag else {
            return;
        };
        let drained = member.frames.capacity() * 4 >= member.frames.max_capacity() * 3
            && member.link.queued.load(Ordering::Relaxed) * 4 <= self.shared.limits.outbox_bytes;
        if drained && member.owed.is_empty() {
            let diff = self.core.doc.transact().encode_diff_v1(state);
            member.lag = None;
            push_frame(member, Frame::Update(&diff).encode());
            self.send_all_presence(id);
        } else if *since + self.shared.limits.lag <= now {
            self.end(id, Code::Overloaded, true);
        }
    }

    /// Ends a connection. `cut`: nothing that is queued goes out any more.
    fn end(&mut self, id: u64, code: Code, cut: bool) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        *member.link.end.lock() = Some(code);
        if cut || !push_frame(member, refusal(code)) {
            member.link.cut();
        }
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.last_use = Instant::now();
        if let Some(present) = member.presence
            && self.present.get(&present.client) == Some(&id)
        {
            self.present.remove(&present.client);
            self.mark_presence(present.client);
            self.tell_abroad(present.client, id);
        }
    }

    fn presence(&mut self, id: u64, states: &[presence::State<'_>]) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let own = member.presence.as_ref().map(|p| p.client);
        let mine = match own {
            Some(own) => states.iter().find(|s| s.client == own),
            // A stock client repeats others' states; only an id that is nobody's can become its own.
            None => states
                .iter()
                .find(|s| s.json != "null" && self.may_claim(id, s.client)),
        };
        let Some(state) = mine else { return };
        let client = state.client;
        let json = state.json.to_owned();
        let identity = Arc::clone(&member.identity);
        if let Some(previous) = self.present.insert(client, id)
            && previous != id
            && let Some(other) = self.members.get_mut(&previous)
        {
            // The same person came back before the old socket was noticed dead.
            debug_assert_eq!(other.identity.account, identity.account);
            other.presence = None;
        }
        self.abroad.came_here(client);
        let at = self.next_presence_clock();
        if let Some(member) = self.members.get_mut(&id) {
            member.presence = Some(Present { client, json, at });
        }
        self.mark_presence(client);
        self.tell_abroad(client, id);
    }

    fn may_claim(&self, id: u64, client: u64) -> bool {
        let Some(me) = self.members.get(&id) else {
            return false;
        };
        let same =
            |a: &Author| a.account == me.author.account && a.membership == me.author.membership;
        let free = self
            .present
            .get(&client)
            .and_then(|owner| self.members.get(owner))
            .is_none_or(|owner| same(&owner.author));
        free && !self.abroad.is_taken(client, &me.author)
            && self.core.index.author_of(client).is_none_or(same)
    }

    fn mark_presence(&mut self, client: u64) {
        self.presence_dirty.insert(client);
        self.presence_due
            .get_or_insert_with(|| Instant::now() + self.shared.limits.presence);
    }

    fn next_presence_clock(&mut self) -> u64 {
        // Milliseconds, so that it rises over reloads of the room too.
        let now = u64::try_from(self.shared.clock.now().as_millisecond()).unwrap_or(0);
        self.presence_clock = now.max(self.presence_clock + 1);
        self.presence_clock
    }

    fn stamped(&self, client: u64) -> String {
        let member = self
            .present
            .get(&client)
            .and_then(|owner| self.members.get(owner));
        match member.and_then(|m| m.presence.as_ref().map(|p| (p, &m.identity))) {
            Some((present, identity)) if present.json != "null" => {
                presence::stamp(&present.json, identity)
            }
            Some(_) => "null".to_owned(),
            None => self
                .abroad
                .stamped(client)
                .unwrap_or_else(|| "null".to_owned()),
        }
    }

    fn send_presence(&mut self) {
        self.presence_due = None;
        let dirty: Vec<u64> = std::mem::take(&mut self.presence_dirty)
            .into_iter()
            .collect();
        let clock = self.next_presence_clock();
        let states: Vec<(u64, String)> = dirty
            .iter()
            .map(|client| (*client, self.stamped(*client)))
            .collect();
        let frame = |without: Option<u64>| {
            let states: Vec<_> = states
                .iter()
                .filter(|(client, _)| Some(*client) != without)
                .map(|(client, json)| presence::State {
                    client: *client,
                    clock,
                    json,
                })
                .collect();
            (!states.is_empty())
                .then(|| Frame::Awareness(&presence::encode(states.into_iter())).encode())
        };
        let everyone = frame(None);
        for member in self.members.values() {
            let own = member
                .presence
                .as_ref()
                .map(|p| p.client)
                .filter(|own| dirty.contains(own));
            // One's own words coming back would undo newer ones.
            let frame = if own.is_some() {
                frame(own)
            } else {
                everyone.clone()
            };
            if let Some(frame) = frame
                && member.lag.is_none()
                && !self.would_overflow(member)
            {
                push_frame(member, frame);
            }
        }
    }

    fn send_all_presence(&mut self, to: u64) {
        let own = self
            .members
            .get(&to)
            .and_then(|m| m.presence.as_ref())
            .map(|p| p.client);
        let clients: Vec<u64> = self
            .present
            .keys()
            .copied()
            .chain(self.abroad.clients())
            .filter(|client| Some(*client) != own)
            .collect();
        if clients.is_empty() {
            return;
        }
        let clock = self.next_presence_clock();
        let states: Vec<(u64, String)> = clients
            .iter()
            .map(|client| (*client, self.stamped(*client)))
            .collect();
        let states: Vec<_> = states
            .iter()
            .map(|(client, json)| presence::State {
                client: *client,
                clock,
                json,
            })
            .collect();
        let frame = Frame::Awareness(&presence::encode(states.into_iter())).encode();
        self.send_owed(to, frame);
    }

    /// Cannot be: the walker let something pass that yrs does not take, and the log has it. Start
    /// again from the log, which sets it aside, and turn away who sent it.
    async fn recover(&mut self, items: Vec<Item>, batch: u64, before: StateVector) {
        tracing::error!(document = %self.document, seq = self.core.seq + 1, "verified update not applied; reloading");
        let first = self.core.seq + 1;
        if !self.fetch(before).await {
            return;
        }
        for (item, seq) in items.into_iter().zip(first..) {
            match self.core.aside.get(&seq) {
                Some(&check) => self.turn_away(
                    item,
                    Refused {
                        code: Code::Malformed,
                        check,
                    },
                ),
                None => {
                    for done in item.done {
                        let _ = done.send(Ok(seq));
                    }
                }
            }
        }
        self.durable = batch;
        self.judge_again(Vec::new());
    }

    /// Document and index as the log has them; the readers, who had `before`, are told what is new.
    /// `false`: the room cannot go on.
    async fn fetch(&mut self, before: StateVector) -> bool {
        let epoch = self.core.epoch;
        let core = match load_again(&self.shared, &self.document, &self.shape, epoch).await {
            Ok(core) => core,
            Err(LogError::EpochChanged { .. }) => {
                self.broken = Some(Code::Gone);
                return false;
            }
            Err(error) => {
                tracing::error!(document = %self.document, %error, "reload failed");
                self.broken = Some(match error {
                    LogError::Corrupt(_) => Code::Damaged,
                    _ => Code::Overloaded,
                });
                return false;
            }
        };
        self.core = core;
        self.ahead = None;
        self.base.set(&self.core.index);
        self.shared.abroad.reloads.fetch_add(1, Ordering::Relaxed);
        let diff = self.core.doc.transact().encode_diff_v1(&before);
        self.broadcast(&Frame::Update(&diff).encode(), None, Some(before));
        self.announce(self.core.epoch, self.core.seq, Vec::new(), true);
        true
    }

    fn turn_away(&mut self, item: Item, refused: Refused) {
        for done in item.done {
            let _ = done.send(Err(HubError::Refused {
                code: refused.code,
                check: refused.check,
            }));
        }
        if let Some(id) = item.connection {
            self.end(id, refused.code, false);
        }
    }

    fn judge_again(&mut self, flight: Vec<Item>) {
        let waiting: Vec<Item> = flight
            .into_iter()
            .chain(std::mem::take(&mut self.pending))
            .collect();
        let mut ours = false;
        for mut item in waiting {
            let server = item.connection.is_none();
            let done = std::mem::take(&mut item.done);
            match self.verify(
                item.update.clone(),
                item.frame.clone(),
                item.connection,
                item.author.clone(),
                true,
                server,
            ) {
                Ok(Some(mut again)) => {
                    again.done = done;
                    self.push(again);
                }
                // It is in the log already: the commit did happen, or the client had gone to another
                // node and came back. Unless somebody else took the client id there first.
                Ok(None) if self.is_by(&item) => {
                    ours = true;
                    self.answer_when_durable(done);
                }
                Ok(None) => {
                    item.done = done;
                    self.turn_away(
                        item,
                        Refused {
                            code: Code::ForeignAuthor,
                            check: "client id of another node",
                        },
                    );
                }
                Err(refused) => {
                    item.done = done;
                    self.turn_away(item, refused);
                }
            }
        }
        if ours {
            self.announce(self.core.epoch, self.core.seq, Vec::new(), true);
        }
        if self.pending.is_empty() {
            self.durable = self.batch;
            self.batch += 1;
            self.acknowledge();
        } else {
            // Everything unacknowledged is in the batch that gathers now.
            let batch = self.batch;
            for member in self.members.values_mut().filter(|m| m.batch > self.durable) {
                member.batch = batch;
            }
            for barrier in &mut self.barriers {
                barrier.0 = batch;
            }
        }
    }

    /// Whether what the log has under the item's client ids is its author's.
    fn is_by(&self, item: &Item) -> bool {
        item.inserted.iter().all(|span| {
            let bound = self.core.index.author_of(span.client);
            bound.is_some_and(|author| {
                author.account == item.author.account && author.membership == item.author.membership
            })
        })
    }

    /// The durable state replayed into a fresh gc document.
    fn snapshot(&self) -> Result<Snapshot, HubError> {
        let state = self
            .core
            .doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        let state = replayed(&self.shape, &state)
            .ok_or_else(|| HubError::Unavailable("replay differs".into()))?;
        Ok(Snapshot {
            state,
            authors: self.core.journal.all(),
        })
    }

    fn compact_if_due(&mut self) {
        let limits = &self.shared.limits;
        let due = self.core.tail_entries >= limits.compact_entries
            || self.core.tail_bytes >= limits.compact_bytes.max(self.core.snapshot_bytes);
        // What was set aside stays in the log for whoever looks into it.
        if !due || self.compacting || !self.core.aside.is_empty() {
            return;
        }
        self.compacting = true;
        let state = self
            .core
            .doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        let authors = self.core.journal.all();
        let (shared, document, shape) = (
            Arc::clone(&self.shared),
            self.document.clone(),
            Arc::clone(&self.shape),
        );
        let (epoch, upto, control) = (self.core.epoch, self.core.seq, self.control.clone());
        tokio::spawn(async move {
            let state = tokio::task::spawn_blocking(move || replayed(&shape, &state))
                .await
                .ok()
                .flatten();
            let mut bytes = 0;
            let done = match state {
                Some(state) => {
                    bytes = state.len();
                    shared
                        .log
                        .compact(&document, epoch, upto, &Snapshot { state, authors })
                        .await
                        .is_ok()
                }
                None => false,
            };
            if !done {
                tracing::warn!(document = %document, "compaction failed; the log stays as it is");
            }
            let _ = control.send(Control::Compacted { upto, bytes, done });
        });
    }

    fn keep_version_if_due(&mut self) {
        let now = self.shared.clock.now();
        let every = self.shared.limits.version_every;
        if now.duration_since(self.last_version).unsigned_abs() < every {
            return;
        }
        self.last_version = now;
        let Some(version) = self.automatic_version() else {
            return;
        };
        let (shared, document) = (Arc::clone(&self.shared), self.document.clone());
        tokio::spawn(async move {
            if let Err(error) = shared.log.keep_version(&document, &version).await {
                tracing::warn!(document = %document, %error, "version not kept");
            }
        });
    }

    /// The present state for an automatic version; `None` when nothing changed since the last.
    fn automatic_version(&mut self) -> Option<Version> {
        let author = self.unkept.take()?;
        let state = self
            .core
            .doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        Some(Version {
            epoch: self.core.epoch,
            seq: self.core.seq,
            at: self.shared.clock.now(),
            author,
            label: String::new(),
            state,
        })
    }

    fn authors(&self) -> Vec<FieldAuthor> {
        let mut found = Vec::new();
        for authored in self.core.journal.all() {
            for (span, field, container) in self.core.index.paths(authored.span) {
                found.push(FieldAuthor {
                    field,
                    container,
                    authored: crate::log::Authored {
                        span,
                        ..authored.clone()
                    },
                });
            }
        }
        found.sort_by_key(|f| f.authored.at);
        found
    }
}

fn push_frame(member: &Member, frame: Bytes) -> bool {
    let len = frame.len();
    member.link.queued.fetch_add(len, Ordering::Relaxed);
    let sent = member.frames.try_send(frame).is_ok();
    if !sent {
        member.link.queued.fetch_sub(len, Ordering::Relaxed);
    }
    sent
}

async fn landed(flight: &mut Option<Flight>) -> Landing {
    match flight {
        Some(flight) => flight.append.as_mut().await,
        None => std::future::pending().await,
    }
}

fn hub_denial(denial: crate::access::Denial) -> HubError {
    match denial {
        crate::access::Denial::Unavailable => HubError::Unavailable(denial.to_string()),
        _ => HubError::Gone,
    }
}

/// Takes the room out of the map and lets no further command in.
fn forget(shared: &Shared, document: &DocumentId, commands: &mut mpsc::Receiver<Command>) {
    let mut rooms = shared.rooms.lock();
    commands.close();
    if rooms
        .get(document)
        .is_some_and(|handle| handle.commands.is_closed())
    {
        rooms.remove(document);
    }
}

fn fail(command: Command, code: Code, error: &HubError) {
    match command {
        Command::Join(_, reply) => drop(reply.send(Err(code))),
        Command::Read(look) => look(Err(error.clone())),
        Command::Write(write) => drop(write.reply.send(Err(error.clone()))),
        Command::Authors(reply) => drop(reply.send(Err(error.clone()))),
        Command::KeepVersion(asked) => drop(asked.reply.send(Err(error.clone()))),
        Command::Replace(_, reply) => drop(reply.send(Err(error.clone()))),
        Command::Aside { reply, .. } => drop(reply.send(Err(error.clone()))),
        Command::Message(_) | Command::Leave(_) => {}
    }
}

/// As [`load`], while the document is still of that epoch.
async fn load_again(
    shared: &Shared,
    document: &DocumentId,
    shape: &Arc<Shape>,
    epoch: u64,
) -> Result<Core, LogError> {
    let core = load(shared, document, shape).await?;
    if core.epoch == epoch {
        Ok(core)
    } else {
        Err(LogError::EpochChanged {
            current: core.epoch,
        })
    }
}

async fn load(
    shared: &Shared,
    document: &DocumentId,
    shape: &Arc<Shape>,
) -> Result<Core, LogError> {
    let loaded = shared.log.load(document).await?;
    let shape = Arc::clone(shape);
    let core = tokio::task::spawn_blocking(move || build(&shape, &loaded))
        .await
        .map_err(|_| LogError::Corrupt("replay failed".into()))??;
    if !core.aside.is_empty() {
        tracing::error!(
            document = %document,
            epoch = core.epoch,
            entries = ?core.aside,
            "log entries that cannot be applied are set aside; they stay in the log, which is not compacted any more"
        );
    }
    Ok(core)
}

/// The present state of what the log holds, as a snapshot of a gc document. With [`Past::Erase`]
/// nothing is left that speaks of former text: of the journal only who wrote what still stands.
pub(crate) fn present(
    shape: &Arc<Shape>,
    loaded: &Loaded,
    past: Past,
) -> Result<Snapshot, LogError> {
    let core = build(shape, loaded)?;
    let state = core
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let state = replayed(shape, &state)
        .ok_or_else(|| LogError::Corrupt("replay of the present state differs".into()))?;
    let authors = core.journal.all();
    let authors = match past {
        Past::Keep => authors,
        Past::Erase => {
            let deleted = core.doc.transact().snapshot().delete_set;
            let ranges: HashMap<u64, Vec<(u32, u32)>> = deleted
                .iter()
                .map(|(client, ranges)| {
                    let ranges = ranges.iter().map(|range| (range.start, range.end));
                    (client.get(), ranges.collect())
                })
                .collect();
            standing(authors, &ranges)
        }
    };
    Ok(Snapshot { state, authors })
}

/// Why a replay stops.
enum Stop {
    /// The log is not what it was.
    Corrupt(LogError),
    /// This entry, or in one transaction one of them, cannot be applied.
    Entry(u64, &'static str),
}

/// Document, index and journal from what the log holds.
///
/// One entry that yrs does not take must not keep everybody from the rest. It was never visible:
/// the room applies a batch before it shows or acknowledges it, and stops where that fails. So it
/// is set aside, and with it what builds on it, which nobody else can have seen either. A gap in
/// the log or a snapshot that cannot be read is another matter, and an error.
fn build(shape: &Arc<Shape>, loaded: &Loaded) -> Result<Core, LogError> {
    let mut aside = BTreeMap::new();
    let mut singly = false;
    loop {
        match replay(shape, loaded, &mut aside, singly) {
            Ok(core) => return Ok(Core { aside, ..core }),
            Err(Stop::Corrupt(error)) => return Err(error),
            // In one transaction nothing is collected in between, and yrs takes less than it did.
            Err(Stop::Entry(..)) if !singly => singly = true,
            // A part of it may be in the document by now: begin again without it.
            Err(Stop::Entry(seq, check)) => drop(aside.insert(seq, check)),
        }
    }
}

/// All entries but those set aside, in one transaction or `singly`.
fn replay(
    shape: &Arc<Shape>,
    loaded: &Loaded,
    aside: &mut BTreeMap<u64, &'static str>,
    singly: bool,
) -> Result<Core, Stop> {
    let doc = empty_document(0);
    declare_roots(&doc, shape);
    let mut index = Index::new(Arc::clone(shape));
    let mut journal = Journal::default();
    let mut seq = loaded.snapshot_seq;
    let (mut snapshot_bytes, mut tail_bytes) = (0, 0);
    let corrupt =
        |seq: u64, what: &str| Stop::Corrupt(LogError::Corrupt(format!("entry {seq}: {what}")));
    let mut txn = doc.transact_mut();
    if let Some(snapshot) = &loaded.snapshot {
        for authored in &snapshot.authors {
            if !authored.deletion {
                index.bind(authored.span.client, &authored.author);
            }
            journal.add_one(authored);
        }
        snapshot_bytes = snapshot.state.len();
        index
            .replay(&snapshot.state, &Author::system())
            .map_err(|r| corrupt(seq, r.check))?;
        if !apply(&mut txn, &snapshot.state) || txn.has_missing_updates() {
            return Err(corrupt(seq, "snapshot"));
        }
    }
    for (at, entry) in &loaded.entries {
        if *at != seq + 1 {
            return Err(corrupt(*at, "gap"));
        }
        seq = *at;
        if aside.contains_key(&seq) {
            continue;
        }
        if singly {
            drop(txn);
            txn = doc.transact_mut();
        }
        if let Err(refused) = index.replay(&entry.update, &entry.author) {
            if !singly {
                return Err(Stop::Entry(seq, refused.check));
            }
            aside.insert(seq, refused.check);
            continue;
        }
        if !apply(&mut txn, &entry.update) || (singly && txn.has_missing_updates()) {
            return Err(Stop::Entry(seq, "not applicable"));
        }
        tail_bytes += entry.update.len();
        journal.add(&entry.author, entry.at, &entry.inserted, &entry.deleted);
    }
    drop(txn);
    {
        let txn = doc.transact();
        if txn.has_missing_updates() {
            return Err(if singly {
                corrupt(seq, "missing updates")
            } else {
                Stop::Entry(seq, "missing updates")
            });
        }
        for (client, ranges) in txn.snapshot().delete_set.iter() {
            for range in ranges.iter() {
                index.mark_deleted(client.get(), range.start, range.end - range.start);
            }
        }
    }
    index.recount();
    Ok(Core {
        doc,
        index,
        journal,
        municipality: loaded.municipality.clone(),
        epoch: loaded.epoch,
        seq,
        snapshot_bytes,
        tail_entries: loaded.entries.len(),
        tail_bytes,
        aside: BTreeMap::new(),
    })
}

/// What a transaction deleted: client, first clock, length.
fn deletions(txn: &TransactionMut<'_>) -> Vec<(u64, u32, u32)> {
    let mut deleted = Vec::new();
    for (client, ranges) in txn.delete_set().iter() {
        for range in ranges.iter() {
            deleted.push((client.get(), range.start, range.end - range.start));
        }
    }
    deleted
}

fn apply(txn: &mut TransactionMut<'_>, update: &[u8]) -> bool {
    match yrs::Update::decode_v1(update) {
        Ok(update) => txn.apply_update(update).is_ok(),
        Err(_) => false,
    }
}

fn apply_to(doc: &Doc, update: &[u8]) -> bool {
    apply(&mut doc.transact_mut(), update)
}

/// A copy of the document with updates that are not in it yet.
fn copy<'u>(
    doc: &Doc,
    shape: &Shape,
    updates: impl Iterator<Item = &'u Bytes>,
    client: u64,
) -> Doc {
    let scratch = empty_document(client);
    declare_roots(&scratch, shape);
    apply_to(
        &scratch,
        &doc.transact()
            .encode_state_as_update_v1(&StateVector::default()),
    );
    for update in updates {
        apply_to(&scratch, update);
    }
    scratch
}

/// A state replayed into a fresh gc document; `None` when that differs.
fn replayed(shape: &Shape, state: &[u8]) -> Option<Vec<u8>> {
    let fresh = empty_document(0);
    declare_roots(&fresh, shape);
    if !apply_to(&fresh, state) {
        return None;
    }
    let txn = fresh.transact();
    (!txn.has_missing_updates()).then(|| txn.encode_state_as_update_v1(&StateVector::default()))
}

/// Whether a number stands where the text changed that did not stand there before.
///
/// Looked at is what changed and what is around it up to the next letter that no number and no
/// identifier holds, on both sides: the check says the same of that piece as of the whole text.
fn leaves_number(check: &PersonalNumberCheck, before: &str, after: &str) -> bool {
    let (old, new) = (before.as_bytes(), after.as_bytes());
    let mut head = longest(old.len().min(new.len()), |from, to| {
        old[from..to] == new[from..to]
    });
    while !before.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = longest((old.len() - head).min(new.len() - head), |from, to| {
        old[old.len() - to..old.len() - from] == new[new.len() - to..new.len() - from]
    });
    while !before.is_char_boundary(before.len() - tail) {
        tail -= 1;
    }
    let ends = |c: char| !c.is_ascii() && c.is_alphabetic();
    let start = before[..head].rfind(ends).unwrap_or(0);
    let piece = |text: &str| {
        let end = text.len() - tail;
        let end = text[end..].find(ends).map_or(text.len(), |more| end + more);
        check(&text[start..end])
    };
    piece(after) && !piece(before)
}

/// The greatest length up to `most` for which all pieces are the same, by comparing halves.
fn longest(most: usize, same: impl Fn(usize, usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if same(low, middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn text_of(doc: &Doc, at: &ContainerAt) -> Option<String> {
    let txn = doc.transact();
    let branch = match at {
        ContainerAt::Root(name) => BranchID::Root(Arc::from(&**name)),
        ContainerAt::Item(id) => BranchID::Nested(ID::new(yrs::ClientID::new(id.client), id.clock)),
    };
    Some(TextRef::from(branch.get_branch(&txn)?).get_string(&txn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        !domain::my_number::find(text).is_empty()
    }

    #[test]
    fn a_new_number_is_found_wherever_it_comes_from() {
        let check: PersonalNumberCheck = Arc::new(check);
        let leaves = |before: &str, after: &str| leaves_number(&check, before, after);
        // Typed, joined by a deletion, completed in front, with full width digits.
        assert!(leaves("番号は12345678901です", "番号は123456789018です"));
        assert!(leaves("番号は1234あ56789018", "番号は123456789018"));
        assert!(leaves("番号は23456789018", "番号は123456789018"));
        assert!(leaves("１２３４５６７８９０１", "１２３４５６７８９０１８"));
        // Beside another one that was let in long ago.
        let old = "旧123456789018と";
        assert!(leaves(
            &format!("{old}12345678901"),
            &format!("{old}123456789018")
        ));
        // Nothing new: text before and behind it, or less of it.
        assert!(!leaves("旧123456789018", "旧い123456789018"));
        assert!(!leaves("旧123456789018です", "旧123456789018でした"));
        assert!(!leaves("旧123456789018", "旧12345678901"));
        // An identifier stays one, also when it is typed on.
        let id = "abcdefabcdefabcdefab123456789018";
        assert!(!leaves(&id[..31], id));
        assert!(!leaves("", ""));
        // Letters of which the first bytes are the same.
        assert!(leaves("あ12345678901い", "あ123456789018う"));
        assert!(!leaves("い", "あ"));
    }
}
