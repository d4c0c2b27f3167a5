//! The rooms of this process, and the way in for connections and for the server itself.

use crate::access::{Access, Change, Denial};
use crate::bus::{NodeId, Note};
use crate::frame::{Code, refusal};
use crate::identity::{Author, Identity};
use crate::log::{Authored, Entry, LogError, Snapshot, Span, UpdateLog, Version};
use crate::nodes::Abroad;
use crate::restore::{Outcome, Past};
use crate::room::{self, Command, Control, Join, Room};
use crate::shape::Shape;
use bytes::Bytes;
use domain::clock::Clock;
use domain::id::DocumentId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yrs::{ReadTxn, StateVector, TransactionMut};

/// How long a join waits for what other nodes committed before it.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(2);

/// Bounds on everything a client can make grow.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest update, bytes.
    pub update: usize,
    /// Largest document: state plus updates since, bytes.
    pub document: usize,
    pub connections_per_document: usize,
    /// Messages per second and connection; more is slowed down, not refused.
    pub messages_per_second: f64,
    pub message_burst: f64,
    /// Bytes received and not yet processed, per document; senders wait.
    pub inbox: usize,
    /// Frames and bytes waiting for a slow reader before it is taken off the stream and
    /// resynchronised later.
    pub outbox_frames: usize,
    pub outbox_bytes: usize,
    /// How long a reader may be behind before it is closed.
    pub lag: Duration,
    /// Presence goes out at most this often.
    pub presence: Duration,
    /// A room without connections is unloaded after this long.
    pub idle: Duration,
    /// How long an append is tried while the log is unavailable; senders wait.
    pub append_patience: Duration,
    /// How long the access check may take after a change, before the connection is cut.
    pub check: Duration,
    /// Rights are also checked again this often, should a notification be lost.
    pub recheck: Duration,
    /// Compact after so many entries, or when their bytes exceed the snapshot's and this.
    pub compact_entries: usize,
    pub compact_bytes: usize,
    /// A full version is kept this often while a document is being changed.
    pub version_every: Duration,
    /// Other nodes are told this often who is present. Who was not seen there for two and a half
    /// times as long is gone.
    pub presence_refresh: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            update: 1 << 20,
            document: 64 << 20,
            connections_per_document: 500,
            messages_per_second: 5_000.0,
            message_burst: 20_000.0,
            inbox: 16 << 20,
            outbox_frames: 512,
            outbox_bytes: 4 << 20,
            lag: Duration::from_secs(30),
            presence: Duration::from_millis(30),
            idle: Duration::from_secs(60),
            append_patience: Duration::from_secs(10),
            check: Duration::from_millis(800),
            recheck: Duration::from_secs(60),
            compact_entries: 2_000,
            compact_bytes: 256 << 10,
            version_every: Duration::from_secs(600),
            presence_refresh: Duration::from_secs(20),
        }
    }
}

/// A document changed and the change is durable. For consumers (projection, masks, index):
/// coalesce, then [`Hub::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub document: DocumentId,
    pub epoch: u64,
    pub seq: u64,
    /// By whom; several when they were committed together.
    pub authors: Vec<Author>,
    /// Committed here. Otherwise by another node, whose consumers see to it.
    pub here: bool,
}

/// Failure of a server-side operation on a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The walker refused the server's own change: a programming error, or a personal number.
    #[error("change refused ({code:?}: {check})")]
    Refused { code: Code, check: &'static str },
    #[error("document gone")]
    Gone,
    #[error("document unavailable: {0}")]
    Unavailable(String),
}

/// An entry of the log that could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    pub seq: u64,
    /// Which check says so; never content.
    pub check: &'static str,
}

/// A document as [`Hub::read`] shows it: durable state only.
#[derive(Debug)]
pub struct View<'t> {
    pub txn: yrs::Transaction<'t>,
    pub shape: Arc<Shape>,
    pub epoch: u64,
    pub seq: u64,
}

/// Who wrote or deleted a run, and in which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldAuthor {
    /// `name`, `table/row/column`, `nodes/<id>/label` …; `None` when it is garbage by now.
    pub field: Option<String>,
    /// It is a container itself (a text, a row), no content.
    pub container: bool,
    pub authored: Authored,
}

/// What [`Hub::restore_as`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where it is durable.
    pub seq: u64,
    /// The state before, as it was kept (without its bytes).
    pub before: Version,
    pub outcome: Outcome,
}

pub(crate) struct Shared {
    pub(crate) log: Arc<dyn UpdateLog>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    /// Part of the client ids of server-side writes, so that two nodes never share one.
    pub(crate) salt: u64,
    pub(crate) rooms: Mutex<HashMap<DocumentId, Handle>>,
    pub(crate) changes: broadcast::Sender<Changed>,
    /// Raised with every change of rights; a join that began before is checked again.
    pub(crate) generation: AtomicU64,
    pub(crate) abroad: Abroad,
    closing: AtomicBool,
    connections: AtomicU64,
}

impl Shared {
    pub(crate) fn nudge(&self, document: &DocumentId, epoch: u64, seq: u64) {
        if let Some(handle) = self.rooms.lock().get(document) {
            let _ = handle.control.send(Control::Nudge { epoch, seq });
        }
    }
}

#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) control: mpsc::UnboundedSender<Control>,
    inbox: Arc<Semaphore>,
}

/// Holds the rooms. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("rooms", &self.rooms())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// `salt`: random, new with every start of the process: the node's id, and part of the client
    /// ids under which it writes.
    #[must_use]
    pub fn new(
        log: Arc<dyn UpdateLog>,
        access: Arc<dyn Access>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        salt: u64,
    ) -> Self {
        let shared = Shared {
            log,
            access,
            clock,
            limits,
            salt,
            rooms: Mutex::new(HashMap::new()),
            changes: broadcast::channel(4096).0,
            generation: AtomicU64::new(0),
            abroad: Abroad::new(NodeId(salt)),
            closing: AtomicBool::new(false),
            connections: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes a document with its seed. Doing it again does nothing.
    ///
    /// # Errors
    /// The log's.
    pub async fn create(&self, document: &DocumentId, shape: &Shape) -> Result<(), LogError> {
        let seed = crate::seed::seed(shape).map(|update| {
            let inserted = crate::update::Update::parse(&update).map_or_else(
                |_| Vec::new(),
                |parsed| {
                    let mut ends = std::collections::BTreeMap::new();
                    for part in &parsed.structs {
                        ends.insert(part.id.client, part.end());
                    }
                    let span = |(client, len)| Span {
                        client,
                        clock: 0,
                        len,
                    };
                    ends.into_iter().map(span).collect()
                },
            );
            Entry {
                update: update.into(),
                author: Author::system(),
                at: self.shared.clock.now(),
                inserted,
                deleted: Vec::new(),
            }
        });
        self.shared.log.create(document, seed).await
    }

    /// Opens a document for a connection. Waits until it is loaded, so an answer always comes from
    /// the whole document.
    ///
    /// # Errors
    /// The code to refuse with (send [`refusal`], close with [`Code::close_code`]).
    pub async fn connect(
        &self,
        identity: Identity,
        document: &DocumentId,
    ) -> Result<Connection, Code> {
        self.connect_at(identity, document, None).await
    }

    /// As [`Hub::connect`], for a client that holds a copy of a certain epoch: when the document has
    /// another one by now (it was erased in part, or a backup restored), it is refused with
    /// [`Code::Gone`] and nothing of its copy is taken.
    ///
    /// # Errors
    /// As [`Hub::connect`].
    pub async fn connect_at(
        &self,
        identity: Identity,
        document: &DocumentId,
        epoch: Option<u64>,
    ) -> Result<Connection, Code> {
        if self.shared.closing.load(Ordering::Relaxed) {
            return Err(Code::Overloaded);
        }
        let generation = self.shared.generation.load(Ordering::SeqCst);
        let grant = self
            .shared
            .access
            .check(&identity, document)
            .await
            .map_err(code_of)?;
        self.catch_up(document).await?;
        let id = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let (frames, waiting) = mpsc::channel(self.shared.limits.outbox_frames);
        let link = Arc::new(Link {
            queued: AtomicUsize::new(0),
            end: Mutex::new(None),
            cut: CancellationToken::new(),
            is_cut: AtomicBool::new(false),
        });
        let mut join = Some(Box::new(Join {
            id,
            identity: Arc::new(identity),
            level: grant.level,
            epoch,
            generation,
            frames,
            link: Arc::clone(&link),
        }));
        loop {
            let handle = self.room(document);
            let (reply, answer) = oneshot::channel();
            let Some(joining) = join.take() else {
                return Err(Code::Overloaded);
            };
            match handle.commands.send(Command::Join(joining, reply)).await {
                Ok(()) => {
                    answer.await.unwrap_or(Err(Code::Overloaded))?;
                    let bucket = Bucket {
                        tokens: self.shared.limits.message_burst,
                        at: Instant::now(),
                        rate: self.shared.limits.messages_per_second,
                        burst: self.shared.limits.message_burst,
                    };
                    let incoming = Incoming {
                        id,
                        max: self.shared.limits.update + 64,
                        handle,
                        bucket,
                    };
                    return Ok(Connection {
                        incoming,
                        outgoing: Outgoing {
                            waiting,
                            link,
                            done: false,
                        },
                    });
                }
                // The room was just unloaded: the next one takes it.
                Err(mpsc::error::SendError(Command::Join(returned, _))) => join = Some(returned),
                Err(_) => return Err(Code::Overloaded),
            }
        }
    }

    /// Waits until the room has what is in the log now.
    ///
    /// A client that comes from another node may hold what that node committed and this one has not
    /// heard of yet. It would answer with other people's changes and be refused as a forger.
    async fn catch_up(&self, document: &DocumentId) -> Result<(), Code> {
        let give_up = Instant::now() + PATIENCE_WITH_OTHERS;
        // The epoch and sequence number to wait for.
        let mut head = None;
        while Instant::now() < give_up {
            let here = match self.read(document, |view| (view.epoch, view.seq)).await {
                Ok(here) => here,
                Err(HubError::Gone) => return Err(Code::Gone),
                // Joining tells why: away, or damaged.
                Err(_) => return Ok(()),
            };
            let head = match head {
                Some(head) => head,
                None => {
                    let heads = self.shared.log.heads(std::slice::from_ref(document));
                    match tokio::time::timeout_at(give_up, heads).await {
                        Ok(Ok(heads)) => match heads.first() {
                            Some((_, epoch, seq)) => *head.insert((*epoch, *seq)),
                            None => return Ok(()),
                        },
                        // Nobody knows what others wrote: a client that does comes back later.
                        _ if self.shared.abroad.is_joined() => return Err(Code::Overloaded),
                        _ => return Ok(()),
                    }
                }
            };
            if here >= head {
                return Ok(());
            }
            self.nudge(document, head.0, head.1);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Code::Overloaded)
    }

    /// Looks at the durable state of a document, loading it if necessary. `look` runs on the room's
    /// task: copy out what is needed and compute elsewhere.
    ///
    /// # Errors
    /// [`HubError::Gone`], [`HubError::Unavailable`].
    pub async fn read<R: Send + 'static>(
        &self,
        document: &DocumentId,
        look: impl FnOnce(&View<'_>) -> R + Send + 'static,
    ) -> Result<R, HubError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |view: Result<&View<'_>, HubError>| {
            let _ = reply.send(view.map(look));
        });
        self.send(document, Command::Read(look)).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Changes a document as `author`, through the same way as a browser's change: verified against
    /// the shape, durable, then visible. `edit` works on a scratch copy. Roots that only the server
    /// writes are allowed. Returns the sequence number at which it is durable (the present one when
    /// nothing changed) and what `edit` returned.
    ///
    /// The caller has checked that the author may do this.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn write_as<R: Send + 'static>(
        &self,
        author: &Author,
        document: &DocumentId,
        edit: impl FnOnce(&mut TransactionMut<'_>) -> R + Send + 'static,
    ) -> Result<(u64, R), HubError> {
        self.write(author, document, None, edit).await
    }

    /// Takes a document back to a version, as a new change of `author`: minimal, verified, visible to
    /// everybody at once, itself undone by another restore. The state before is kept as a version
    /// with the label `before`, the state after with the label `after`. What cannot stand in the
    /// document any more is left as it is and named.
    ///
    /// `version`: with its state, of the document's present epoch. The caller has checked that the
    /// author may do this.
    ///
    /// # Errors
    /// [`HubError::Gone`] when the version is of an earlier epoch (the document was erased
    /// meanwhile); otherwise as [`Hub::write_as`].
    pub async fn restore_as(
        &self,
        author: &Author,
        document: &DocumentId,
        version: Version,
        before: &str,
        after: &str,
    ) -> Result<Restored, HubError> {
        let shape = self.read(document, |view| Arc::clone(&view.shape)).await?;
        let kept = self.keep_version(author, document, before).await?;
        if kept.epoch != version.epoch {
            return Err(HubError::Gone);
        }
        let state = kept.state.clone();
        let (past, present) = tokio::task::spawn_blocking(move || {
            Past::open(&shape, &version.state).zip(Past::open(&shape, &state))
        })
        .await
        .ok()
        .flatten()
        .ok_or_else(|| HubError::Unavailable("version not readable".into()))?;
        let (seq, (missed, outcome)) = self
            .write(author, document, Some(kept.epoch), move |txn| {
                // Typed in between: what is taken back must stand in a version.
                let missed = (!present.is_seen_by(txn))
                    .then(|| txn.encode_state_as_update_v1(&StateVector::default()));
                (missed, past.restore(txn))
            })
            .await?;
        let mut kept = Version {
            state: Vec::new(),
            ..kept
        };
        if let Some(state) = missed
            && !outcome.changed.is_empty()
        {
            kept.seq = kept.seq.max(seq.saturating_sub(1));
            kept.at = self.shared.clock.now();
            let exact = Version {
                state,
                ..kept.clone()
            };
            self.shared
                .log
                .keep_version(document, &exact)
                .await
                .map_err(hub_error)?;
        }
        if !outcome.changed.is_empty() {
            self.keep_version(author, document, after).await?;
        }
        Ok(Restored {
            seq,
            before: kept,
            outcome,
        })
    }

    async fn write<R: Send + 'static>(
        &self,
        author: &Author,
        document: &DocumentId,
        epoch: Option<u64>,
        edit: impl FnOnce(&mut TransactionMut<'_>) -> R + Send + 'static,
    ) -> Result<(u64, R), HubError> {
        let (reply, durable) = oneshot::channel();
        let (give, result) = oneshot::channel();
        let edit = Box::new(move |txn: &mut TransactionMut<'_>| {
            let _ = give.send(edit(txn));
        });
        self.send(
            document,
            Command::Write(Box::new(room::Write {
                author: author.clone(),
                epoch,
                edit,
                reply,
            })),
        )
        .await?;
        let seq = durable.await.unwrap_or_else(|_| Err(stopped()))?;
        Ok((seq, result.await.map_err(|_| stopped())?))
    }

    /// Who wrote what, in the order of time.
    ///
    /// # Errors
    /// [`HubError::Gone`], [`HubError::Unavailable`].
    pub async fn authors_of(&self, document: &DocumentId) -> Result<Vec<FieldAuthor>, HubError> {
        let (reply, answer) = oneshot::channel();
        self.send(document, Command::Authors(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Keeps the present state as a named version (finalising, before a meeting …).
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn keep_version(
        &self,
        author: &Author,
        document: &DocumentId,
        label: &str,
    ) -> Result<Version, HubError> {
        let (reply, answer) = oneshot::channel();
        self.send(
            document,
            Command::KeepVersion(Box::new(room::KeepVersion {
                author: author.clone(),
                label: label.to_owned(),
                reply,
            })),
        )
        .await?;
        let version = answer.await.unwrap_or_else(|_| Err(stopped()))?;
        self.shared
            .log
            .keep_version(document, &version)
            .await
            .map_err(hub_error)?;
        Ok(version)
    }

    /// Replaces the whole document, past included, under a new epoch (erasure, restore). Every
    /// connection is closed with code 6 and starts anew. Returns the new epoch.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn replace(
        &self,
        document: &DocumentId,
        snapshot: Snapshot,
    ) -> Result<u64, HubError> {
        let (reply, answer) = oneshot::channel();
        self.send(document, Command::Replace(Box::new(snapshot), reply))
            .await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Entries of the log that could not be applied and were set aside when the document was loaded.
    /// Such a document works, but is not compacted.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn set_aside(&self, document: &DocumentId) -> Result<Vec<Aside>, HubError> {
        self.aside(document, false).await
    }

    /// Drops those entries for good, by a snapshot of the good state under the same epoch. Returns
    /// what was dropped. Keep a backup of the log for whoever wants to know where they came from.
    ///
    /// # Errors
    /// [`HubError`]; nothing is dropped then.
    pub async fn clear_aside(&self, document: &DocumentId) -> Result<Vec<Aside>, HubError> {
        self.aside(document, true).await
    }

    async fn aside(&self, document: &DocumentId, clear: bool) -> Result<Vec<Aside>, HubError> {
        let (reply, answer) = oneshot::channel();
        self.send(document, Command::Aside { clear, reply }).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Durable changes of all documents, from now on. A receiver that lags is told so by the channel
    /// and looks at every document again.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.shared.changes.subscribe()
    }

    /// Rights changed: whoever it covers is checked again, and is cut off when the right is gone or
    /// cannot be confirmed in time. Call it after the change is committed.
    /// Other nodes learn of it from the application, which knows the database.
    pub fn access_changed(&self, change: &Change) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
        let rooms = self.shared.rooms.lock();
        for (document, handle) in &*rooms {
            if !matches!(change, Change::Documents(some) if !some.contains(document)) {
                let _ = handle
                    .control
                    .send(Control::Recheck(Box::new(change.clone())));
            }
        }
    }

    /// Another node committed up to `seq`: a live room fetches what it misses.
    pub fn nudge(&self, document: &DocumentId, epoch: u64, seq: u64) {
        self.shared.nudge(document, epoch, seq);
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The document was erased: whoever has it open is told that it is gone (code 6), and what is held
    /// of it in memory goes.
    pub fn gone(&self, document: &DocumentId) {
        if let Some(handle) = self.shared.rooms.lock().get(document) {
            let _ = handle.control.send(Control::Gone);
        }
    }

    /// Stops: no new connections, everything received is made durable and acknowledged, then all
    /// connections are closed with code 7. `false` when it took longer than `patience`.
    pub async fn shutdown(&self, patience: Duration) -> bool {
        self.shared.closing.store(true, Ordering::SeqCst);
        let waiting: Vec<_> = {
            let rooms = self.shared.rooms.lock();
            rooms
                .values()
                .map(|handle| handle.control.clone())
                .collect()
        };
        let mut stopped = Vec::new();
        for control in waiting {
            let (reply, answer) = oneshot::channel();
            if control.send(Control::Stop(reply)).is_ok() {
                stopped.push(answer);
            }
        }
        let all = async {
            for answer in stopped {
                let _ = answer.await;
            }
        };
        let drained = tokio::time::timeout(patience, all).await.is_ok();
        self.shared.abroad.publish(None, Note::Bye);
        drained
    }

    /// Rooms in memory.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.shared.rooms.lock().len()
    }

    async fn send(&self, document: &DocumentId, mut command: Command) -> Result<(), HubError> {
        if self.shared.closing.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        loop {
            match self.room(document).commands.send(command).await {
                Ok(()) => return Ok(()),
                Err(mpsc::error::SendError(returned)) => command = returned,
            }
        }
    }

    /// The room's handle; starts its task, which loads first, when there is none.
    fn room(&self, document: &DocumentId) -> Handle {
        let mut rooms = self.shared.rooms.lock();
        if let Some(handle) = rooms
            .get(document)
            .filter(|handle| !handle.commands.is_closed())
        {
            return handle.clone();
        }
        let (commands, inbox) = mpsc::channel(256);
        let (control, signals) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(self.shared.limits.inbox));
        let handle = Handle {
            commands,
            control: control.clone(),
            inbox: permits,
        };
        rooms.insert(document.clone(), handle.clone());
        drop(rooms);
        tokio::spawn(Room::run(
            Arc::clone(&self.shared),
            document.clone(),
            inbox,
            signals,
            control,
        ));
        handle
    }
}

pub(crate) fn code_of(denial: Denial) -> Code {
    match denial {
        Denial::NoPermission => Code::NoPermission,
        Denial::Masked => Code::Masked,
        Denial::Gone => Code::Gone,
        Denial::Unavailable => Code::Overloaded,
    }
}

pub(crate) fn hub_error(error: LogError) -> HubError {
    match error {
        LogError::NotFound | LogError::EpochChanged { .. } => HubError::Gone,
        other => HubError::Unavailable(other.to_string()),
    }
}

fn stopped() -> HubError {
    HubError::Unavailable("room stopped".into())
}

/// The room's and the connection's common knowledge.
#[derive(Debug)]
pub(crate) struct Link {
    /// Bytes in the queue.
    pub(crate) queued: AtomicUsize,
    /// Why it ends.
    pub(crate) end: Mutex<Option<Code>>,
    /// Ends at once, without what is queued. The room lets go of its end of the queue with it.
    pub(crate) cut: CancellationToken,
    /// The same, asked for every frame: the token would lock for it.
    pub(crate) is_cut: AtomicBool,
}

impl Link {
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.cut.cancel();
    }
}

/// An open document: two halves for the two directions of a socket.
///
/// ```ignore
/// let (mut incoming, mut outgoing) = connection.split();
/// // reading half: while let Some(message) = socket.next() { if incoming.receive(message).await.is_err() { break } }
/// // writing half: while let Some(frame) = outgoing.next().await { socket.send(frame) }
/// //               socket.close(outgoing.end().map_or(1000, Code::close_code))
/// ```
#[derive(Debug)]
pub struct Connection {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Connection {
    #[must_use]
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }
}

/// What the client sends. Dropping it leaves the room.
pub struct Incoming {
    id: u64,
    max: usize,
    handle: Handle,
    bucket: Bucket,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The room is gone or the connection was ended; the writing half knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection closed")]
pub struct Closed;

impl Incoming {
    /// Takes one message. Waits while the connection is over its rate or the document over its
    /// capacity, so the sender feels it; never drops a message.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn receive(&mut self, message: Bytes) -> Result<(), Closed> {
        self.bucket.take().await;
        if message.len() > self.max {
            self.refuse(Code::TooLarge);
            return Err(Closed);
        }
        let weight = u32::try_from(message.len().max(1)).map_err(|_| Closed)?;
        let permit = Arc::clone(&self.handle.inbox)
            .acquire_many_owned(weight)
            .await
            .map_err(|_| Closed)?;
        let command = Command::Message(Box::new(room::Message {
            connection: self.id,
            message,
            permit,
        }));
        self.handle.commands.send(command).await.map_err(|_| Closed)
    }

    /// Ends the connection over something that did not even become a message.
    pub fn refuse(&self, code: Code) {
        let _ = self.handle.control.send(Control::Refuse(self.id, code));
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let leave = Command::Leave(self.id);
        if let Err(mpsc::error::TrySendError::Full(leave)) = self.handle.commands.try_send(leave) {
            // After everything this connection sent.
            let commands = self.handle.commands.clone();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { commands.send(leave).await });
            }
        }
    }
}

/// What goes to the client.
#[derive(Debug)]
pub struct Outgoing {
    waiting: mpsc::Receiver<Bytes>,
    link: Arc<Link>,
    done: bool,
}

impl Outgoing {
    /// The next frame; `None` when the connection ends (see [`Outgoing::end`]). After a revoked
    /// right nothing queued comes any more, only the refusal.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        // A cut ends the waiting too: the room's end of the queue is gone then.
        let frame = self.waiting.recv().await;
        if self.link.is_cut.load(Ordering::Acquire) {
            self.done = true;
            let code = *self.link.end.lock();
            return code.map(refusal);
        }
        if let Some(frame) = &frame {
            self.link.queued.fetch_sub(frame.len(), Ordering::Relaxed);
        }
        frame
    }

    /// A frame that is there already; for sending several at once.
    pub fn try_next(&mut self) -> Option<Bytes> {
        if self.done || self.link.is_cut.load(Ordering::Acquire) {
            return None;
        }
        let frame = self.waiting.try_recv().ok()?;
        self.link.queued.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }

    /// Resolves when the connection is cut off: give up a send that hangs.
    pub fn cut(&self) -> CancellationToken {
        self.link.cut.clone()
    }

    /// Why the server ended it.
    #[must_use]
    pub fn end(&self) -> Option<Code> {
        *self.link.end.lock()
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    rate: f64,
    burst: f64,
}

impl Bucket {
    async fn take(&mut self) {
        if self.tokens < 1.0 {
            let now = Instant::now();
            self.tokens = (self.tokens + (now - self.at).as_secs_f64() * self.rate).min(self.burst);
            self.at = now;
            if self.tokens < 1.0 {
                tokio::time::sleep(Duration::from_secs_f64((1.0 - self.tokens) / self.rate)).await;
                self.tokens = 1.0;
                self.at = Instant::now();
            }
        }
        self.tokens -= 1.0;
    }
}

/// Held while a message waits in the inbox.
pub(crate) type Permit = OwnedSemaphorePermit;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Grant;
    use crate::memory::MemoryLog;
    use async_trait::async_trait;
    use domain::clock::SystemClock;
    use yrs::{Text, WriteTxn};

    struct Notes;

    #[async_trait]
    impl Access for Notes {
        async fn check(&self, _: &Identity, _: &DocumentId) -> Result<Grant, Denial> {
            Err(Denial::NoPermission)
        }

        async fn shape(&self, _: &DocumentId) -> Result<Arc<Shape>, Denial> {
            Ok(Arc::new(Shape::note()))
        }
    }

    /// A restore that began before an erasure and comes after it: the room itself says no.
    #[tokio::test]
    async fn a_write_meant_for_another_epoch_writes_nothing() {
        let log = MemoryLog::new();
        let hub = Hub::new(
            Arc::new(log.clone()),
            Arc::new(Notes),
            Arc::new(SystemClock),
            Limits::default(),
            1,
        );
        let note: DocumentId = "note1".into();
        hub.create(&note, &Shape::note()).await.unwrap();
        let author = Author::system();
        let write = |epoch| {
            hub.write(&author, &note, epoch, |txn| {
                let text = txn.get_or_insert_text("content");
                text.insert(txn, 0, "文");
            })
        };
        assert!(write(Some(1)).await.is_ok());
        let appends = log.calls().1;
        assert_eq!(write(Some(2)).await.unwrap_err(), HubError::Gone);
        assert_eq!(log.calls().1, appends);
        assert!(write(None).await.is_ok());
    }
}
