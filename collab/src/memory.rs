//! The log in memory, for tests: the same contract as the store's, with faults on demand.

use crate::log::{Entry, Loaded, LogError, Snapshot, UpdateLog, Version, surplus};
use async_trait::async_trait;
use domain::id::DocumentId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong at the next appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// Nothing is written; the append fails.
    Refuse,
    /// Everything is written; the append fails all the same (connection lost at commit).
    WriteAndFail,
}

#[derive(Debug, Default, Clone)]
struct Stored {
    epoch: u64,
    snapshot_seq: u64,
    snapshot: Option<Snapshot>,
    entries: Vec<(u64, Entry)>,
    versions: Vec<Version>,
}

impl Stored {
    fn last(&self) -> u64 {
        self.entries
            .last()
            .map_or(self.snapshot_seq, |(seq, _)| *seq)
    }

    fn at(&self, epoch: u64) -> Result<(), LogError> {
        if self.epoch == epoch {
            Ok(())
        } else {
            Err(LogError::EpochChanged {
                current: self.epoch,
            })
        }
    }
}

#[derive(Debug, Default)]
struct State {
    documents: HashMap<DocumentId, Stored>,
    fault: Fault,
    append_takes: Duration,
    load_takes: Duration,
    loads: usize,
    appends: usize,
}

/// See the module. Clones share the content, as two nodes share a database.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
}

impl MemoryLog {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an append and a load take.
    pub fn take(&self, append: Duration, load: Duration) {
        let mut state = self.state.lock();
        state.append_takes = append;
        state.load_takes = load;
    }

    pub fn set_fault(&self, fault: Fault) {
        self.state.lock().fault = fault;
    }

    /// Loads and appends so far.
    #[must_use]
    pub fn calls(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.loads, state.appends)
    }

    /// Entries held after the snapshot.
    #[must_use]
    pub fn tail(&self, document: &DocumentId) -> usize {
        self.state
            .lock()
            .documents
            .get(document)
            .map_or(0, |d| d.entries.len())
    }

    /// A copy as of now that shares nothing: what a crash would leave behind.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let documents = self.state.lock().documents.clone();
        Self {
            state: Arc::new(Mutex::new(State {
                documents,
                ..State::default()
            })),
        }
    }
}

fn known<'s>(state: &'s mut State, document: &DocumentId) -> Result<&'s mut Stored, LogError> {
    state.documents.get_mut(document).ok_or(LogError::NotFound)
}

#[async_trait]
impl UpdateLog for MemoryLog {
    async fn create(&self, document: &DocumentId, seed: Option<Entry>) -> Result<(), LogError> {
        let mut state = self.state.lock();
        state
            .documents
            .entry(document.clone())
            .or_insert_with(|| Stored {
                epoch: 1,
                entries: seed.map(|entry| (1, entry)).into_iter().collect(),
                ..Stored::default()
            });
        Ok(())
    }

    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError> {
        let wait = {
            let mut state = self.state.lock();
            state.loads += 1;
            state.load_takes
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        Ok(Loaded {
            municipality: None,
            epoch: stored.epoch,
            snapshot_seq: stored.snapshot_seq,
            snapshot: stored.snapshot.clone(),
            entries: stored.entries.clone(),
        })
    }

    async fn since(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        stored.at(epoch)?;
        if after < stored.snapshot_seq {
            return Err(LogError::Compacted {
                upto: stored.snapshot_seq,
            });
        }
        Ok(stored
            .entries
            .iter()
            .filter(|(seq, _)| *seq > after)
            .cloned()
            .collect())
    }

    async fn heads(
        &self,
        documents: &[DocumentId],
    ) -> Result<Vec<(DocumentId, u64, u64)>, LogError> {
        let state = self.state.lock();
        if state.fault == Fault::Refuse {
            return Err(LogError::Unavailable("fault".into()));
        }
        let head = |document: &DocumentId| {
            let stored = state.documents.get(document)?;
            Some((document.clone(), stored.epoch, stored.last()))
        };
        Ok(documents.iter().filter_map(head).collect())
    }

    async fn append(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
        entries: &[Entry],
    ) -> Result<(), LogError> {
        let (fault, wait) = {
            let mut state = self.state.lock();
            state.appends += 1;
            (state.fault, state.append_takes)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if fault == Fault::Refuse {
            return Err(LogError::Unavailable("fault".into()));
        }
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        stored.at(epoch)?;
        let last = stored.last();
        if last != after {
            return Err(LogError::Behind { last });
        }
        stored.entries.extend(
            entries
                .iter()
                .cloned()
                .zip(after + 1..)
                .map(|(entry, seq)| (seq, entry)),
        );
        if fault == Fault::WriteAndFail {
            return Err(LogError::Unavailable("fault".into()));
        }
        Ok(())
    }

    async fn compact(
        &self,
        document: &DocumentId,
        epoch: u64,
        upto: u64,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        stored.at(epoch)?;
        if upto > stored.snapshot_seq {
            stored.snapshot = Some(snapshot.clone());
            stored.snapshot_seq = upto;
            stored.entries.retain(|(seq, _)| *seq > upto);
        }
        Ok(())
    }

    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        stored.at(epoch)?;
        *stored = Stored {
            epoch: epoch + 1,
            snapshot_seq: stored.last() + 1,
            snapshot: Some(snapshot.clone()),
            ..Stored::default()
        };
        Ok(epoch + 1)
    }

    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        stored.at(version.epoch)?;
        let same = |v: &Version| {
            v.seq == version.seq && v.epoch == version.epoch && v.label == version.label
        };
        if !stored.versions.iter().any(same) {
            stored.versions.push(version.clone());
        }
        let all = stored.versions.iter().map(|v| (v.at, v.label.as_str()));
        let surplus = surplus(all, version.at);
        for at in surplus.into_iter().rev() {
            stored.versions.remove(at);
        }
        Ok(())
    }

    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        Ok(stored
            .versions
            .iter()
            .cloned()
            .map(|v| Version {
                state: Vec::new(),
                ..v
            })
            .collect())
    }

    async fn version(
        &self,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
    ) -> Result<Option<Version>, LogError> {
        let mut state = self.state.lock();
        let stored = known(&mut state, document)?;
        Ok(stored
            .versions
            .iter()
            .find(|v| v.epoch == epoch && v.seq == seq)
            .cloned())
    }
}
