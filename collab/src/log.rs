//! The durable log of a document: the truth from which a room is loaded.
//!
//! What a store keeps per document: the epoch, at most one snapshot, the entries after it, and
//! named versions. Entries and snapshots are sealed as the opaque bytes of [`Entry::encode`] and
//! [`Snapshot::encode`]; nothing in them is needed for a query.

use crate::identity::Author;
use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{DocumentId, MunicipalityId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A run of clocks `[clock, clock + len)` of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub client: u64,
    pub clock: u32,
    pub len: u32,
}

/// One verified update as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Yjs update, v1 encoding.
    pub update: Bytes,
    pub author: Author,
    pub at: Timestamp,
    /// What the update inserts. New client ids among them are bound to `author` by this entry.
    pub inserted: Vec<Span>,
    /// What the update deletes.
    pub deleted: Vec<Span>,
}

/// A compacted document: the state replayed into a gc document, and who wrote what in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Yjs update, v1 encoding; holds no deleted text.
    pub state: Vec<u8>,
    pub authors: Vec<Authored>,
}

/// Who wrote (or deleted) a run of clocks, and when. Runs of one author within a minute are
/// joined, so `at` is exact to the minute in compacted parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authored {
    pub span: Span,
    pub author: Author,
    pub at: Timestamp,
    /// `false`: this author inserted the run; `true`: deleted it.
    pub deletion: bool,
}

/// What [`UpdateLog::load`] returns.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Whose document it is, where the log knows it: the part of the bus that hints go to.
    pub municipality: Option<MunicipalityId>,
    /// Generation of the document: raised by erasure and by restoring a backup.
    pub epoch: u64,
    /// The sequence number the snapshot covers, 0 without one.
    pub snapshot_seq: u64,
    pub snapshot: Option<Snapshot>,
    /// All entries with a greater sequence number, ascending and without a gap.
    pub entries: Vec<(u64, Entry)>,
}

/// A full state kept at a named moment, for comparing and restoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub epoch: u64,
    pub seq: u64,
    pub at: Timestamp,
    pub author: Author,
    /// What the version is for; empty for the automatic ones. A code (`[a-z0-9_:-]*`), or words of a
    /// user, which a store seals like content.
    pub label: String,
    /// Yjs update, v1 encoding, of a gc document.
    pub state: Vec<u8>,
}

/// Automatic versions (without a label) that have become too many, as positions in `versions`: of
/// the last two days all stay, of the last ninety the last of each day, of the time before the last
/// of each thirty days. Named ones always stay. Days are those of UTC+9.
#[must_use]
pub fn surplus<'v>(
    versions: impl IntoIterator<Item = (Timestamp, &'v str)>,
    now: Timestamp,
) -> Vec<usize> {
    const DAY: i64 = 86_400;
    let day = |at: Timestamp| (at.as_second() + 9 * 3600).div_euclid(DAY);
    let mut latest: std::collections::HashMap<(bool, i64), (Timestamp, usize)> =
        std::collections::HashMap::new();
    let mut drop = Vec::new();
    for (n, (at, label)) in versions.into_iter().enumerate() {
        let age = now.as_second() - at.as_second();
        if !label.is_empty() || age < 2 * DAY {
            continue;
        }
        let bucket = if age < 90 * DAY {
            (true, day(at))
        } else {
            (false, day(at).div_euclid(30))
        };
        match latest.get_mut(&bucket) {
            Some((known, kept)) if at >= *known => {
                drop.push(std::mem::replace(kept, n));
                *known = at;
            }
            Some(_) => drop.push(n),
            None => {
                latest.insert(bucket, (at, n));
            }
        }
    }
    drop.sort_unstable();
    drop
}

/// Failures of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No such document (it must be created first, see `Hub::create`).
    #[error("document not found")]
    NotFound,
    /// The document has another epoch: it was erased or restored meanwhile.
    #[error("epoch changed to {current}")]
    EpochChanged { current: u64 },
    /// Somebody else (another node) appended after the given sequence number; nothing was
    /// written. The room fetches what it missed, verifies anew and tries again.
    #[error("log is already at {last}")]
    Behind { last: u64 },
    /// The entries asked for stand in the snapshot, which covers this sequence number: load anew.
    #[error("log is compacted up to {upto}")]
    Compacted { upto: u64 },
    /// Database away, disk full. Nothing was written.
    #[error("log unavailable: {0}")]
    Unavailable(String),
    /// Checksum or decryption failed. The text names record numbers only.
    #[error("log corrupt: {0}")]
    Corrupt(String),
}

/// Where updates become durable. Two implementations: the store's and [`MemoryLog`](crate::memory::MemoryLog).
///
/// An implementation should put the appends of *different* documents that arrive while a commit
/// runs into the next one commit (group commit across documents): each room has at most one
/// append in flight and batches its own.
#[async_trait]
pub trait UpdateLog: Send + Sync + 'static {
    /// Makes the document known with its first entry (the seed) as sequence number 1, epoch 1.
    /// A document that is there already is left as it is (`Ok`).
    async fn create(&self, document: &DocumentId, seed: Option<Entry>) -> Result<(), LogError>;

    /// Snapshot and tail.
    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError>;

    /// All entries after `after`, ascending and without a gap, for a room that fell behind another
    /// node; [`LogError::Compacted`] when some of them stand in the snapshot only.
    async fn since(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError>;

    /// Epoch and last sequence number of documents, for a look at what other nodes appended; what
    /// is not there is left out. A log that belongs to one process may leave out everything.
    async fn heads(
        &self,
        documents: &[DocumentId],
    ) -> Result<Vec<(DocumentId, u64, u64)>, LogError>;

    /// Appends with the sequence numbers `after + 1 ..`, all or nothing, and returns when they are
    /// **on disk** (`synchronous=FULL`). The primary key (document, epoch, seq) makes a second
    /// writer fail with [`LogError::Behind`].
    async fn append(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
        entries: &[Entry],
    ) -> Result<(), LogError>;

    /// Replaces the snapshot and drops the entries up to `upto`, in one transaction.
    async fn compact(
        &self,
        document: &DocumentId,
        epoch: u64,
        upto: u64,
        snapshot: &Snapshot,
    ) -> Result<(), LogError>;

    /// Throws away the whole past (snapshot, entries, versions) for `snapshot`, under a new epoch
    /// that is returned (erasure, restore of a backup). `epoch` is the one the caller saw.
    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError>;

    /// Keeps a full state. Idempotent per (epoch, seq, label). Automatic ones that have become too
    /// many go (see [`surplus`]).
    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError>;

    /// All versions, oldest first, without their state (`state` empty).
    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError>;

    /// One version with its state.
    async fn version(
        &self,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
    ) -> Result<Option<Version>, LogError>;
}
