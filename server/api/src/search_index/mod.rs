//! The full-text indexes of this node, one for each municipality (ADR 0012).
//!
//! **Invariant:** what an index finds passes the policy before it is counted or shown
//! ([`crate::operations::search`]); the index holds no rights.
//! **Invariant:** an index stands on disk under a key of its own; after an erasure it is written anew
//! under another key, and the former key is overwritten.

pub mod find;
mod keeper;
mod masks;
pub mod texts;
mod worker;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::id::{CaseId, ErasureId, MunicipalityId};
use parking_lot::{Mutex, RwLock};
use search::FullText;
use tokio::sync::{Notify, oneshot};

pub(crate) use keeper::day_number;
pub use keeper::{discard, holds};
pub use worker::run;

use crate::{shares::Turns, state::AppState};

/// Searches at work at once, and with those that wait.
const AT_WORK: usize = 8;
const QUEUE: usize = 200;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How far the index of a municipality is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Everything that was there when it began is in it.
    pub whole: bool,
    pub done: u64,
    pub total: u64,
}

impl Progress {
    /// In hundredths, while something is missing.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let part = self.done.saturating_mul(100) / self.total.max(1);
        (!self.whole).then(|| u8::try_from(part.min(99)).unwrap_or(99))
    }
}

/// The index of one municipality.
#[derive(Debug, Default)]
pub struct Shelf {
    index: RwLock<Option<Arc<FullText>>>,
    progress: Mutex<Option<Progress>>,
}

impl Shelf {
    /// The index, unless it is not open yet.
    #[must_use]
    pub fn index(&self) -> Option<Arc<FullText>> {
        self.index.read().clone()
    }

    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or(Progress {
            whole: false,
            done: 0,
            total: 0,
        })
    }
}

/// Numbers for monitoring. No words.
#[derive(Debug, Default)]
pub struct Figures {
    searches: AtomicU64,
    micros: AtomicU64,
    indexed: AtomicU64,
}

/// Somebody who waits until an index holds nothing of what was erased.
#[derive(Debug)]
struct Renewal {
    municipality: MunicipalityId,
    erasure: ErasureId,
    case: Option<CaseId>,
    done: oneshot::Sender<()>,
}

/// See the module.
#[derive(Debug)]
pub struct Indexes {
    shelves: Mutex<HashMap<MunicipalityId, Arc<Shelf>>>,
    figures: Figures,
    /// `None` while no worker is there.
    renewals: Mutex<Option<Vec<Renewal>>>,
    asked: Notify,
    pub(crate) turns: Turns,
}

impl Default for Indexes {
    fn default() -> Self {
        Self {
            shelves: Mutex::default(),
            figures: Figures::default(),
            renewals: Mutex::default(),
            asked: Notify::new(),
            turns: Turns::new(AT_WORK, QUEUE, PATIENCE),
        }
    }
}

impl Indexes {
    #[must_use]
    pub fn shelf(&self, municipality: &MunicipalityId) -> Arc<Shelf> {
        Arc::clone(self.shelves.lock().entry(municipality.clone()).or_default())
    }

    pub(crate) fn searched(&self, took: std::time::Duration) {
        self.figures.searches.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.figures.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn indexed(&self, units: usize) {
        self.figures
            .indexed
            .fetch_add(units as u64, Ordering::Relaxed);
    }

    /// Searches made, microseconds they took in all, units written, units in all indexes, and whether
    /// all indexes are whole.
    #[must_use]
    pub fn numbers(&self) -> [u64; 5] {
        let shelves: Vec<Arc<Shelf>> = self.shelves.lock().values().cloned().collect();
        let units = shelves
            .iter()
            .filter_map(|shelf| shelf.index())
            .map(|index| index.len())
            .sum();
        let whole = !shelves.is_empty() && shelves.iter().all(|shelf| shelf.progress().whole);
        [
            self.figures.searches.load(Ordering::Relaxed),
            self.figures.micros.load(Ordering::Relaxed),
            self.figures.indexed.load(Ordering::Relaxed),
            units,
            u64::from(whole),
        ]
    }
}

/// Waits until this node's index of the municipality was written anew without what is no longer in the
/// database: for an erasure, of a case if there is one. Where no worker keeps it, it is thrown away.
///
/// # Errors
/// It could not be written anew, and may hold what was erased.
pub(crate) fn renewed<'a>(
    state: &'a AppState,
    municipality: &MunicipalityId,
    erasure: &ErasureId,
    case: Option<&CaseId>,
) -> impl Future<Output = store::Result<()>> + Send + use<'a> {
    let (municipality, case) = (municipality.clone(), case.cloned());
    let erasure = erasure.clone();
    async move {
        let waiting = {
            let mut renewals = state.search().renewals.lock();
            renewals.as_mut().map(|renewals| {
                let (done, waiting) = oneshot::channel();
                renewals.push(Renewal {
                    municipality: municipality.clone(),
                    erasure,
                    case,
                    done,
                });
                waiting
            })
        };
        let Some(waiting) = waiting else {
            return Ok(discard(state.db(), &municipality)?);
        };
        state.search().asked.notify_one();
        waiting
            .await
            .map_err(|_| std::io::Error::other("search index not written anew").into())
    }
}

/// Where the indexes of a municipality stand.
fn folder_of(data: &Path, municipality: &MunicipalityId) -> PathBuf {
    let name: String = municipality
        .as_str()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    data.join("index").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_a_share_and_no_number_of_things() {
        let percent = |whole, done, total| Progress { whole, done, total }.percent();
        assert_eq!(percent(false, 0, 0), Some(0));
        assert_eq!(percent(false, 123, 1_000), Some(12));
        assert_eq!(percent(false, 1_000, 1_000), Some(99));
        assert_eq!(percent(true, 1_000, 1_000), None);
    }
}
