//! What other nodes appended: fetched by sequence number, applied and shown, and what is on its way
//! here is judged anew against it.
//!
//! The index is ahead of the document by what is on its way. To judge that again, the index without
//! it is needed: the room keeps a second one, `base`, while other nodes write to the document.

use super::{Core, Flight, Item, Room, apply, load_again};
use crate::frame::Frame;
use crate::log::{Entry, LogError};
use crate::shape::Shape;
use crate::walker::Index;
use domain::id::DocumentId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use yrs::{ReadTxn, Transact};

use crate::hub::Shared;

/// The second index is kept this long after the last entry of another node.
const KEEP_BASE: Duration = Duration::from_secs(60);

/// How an append, or a look into the log, ended.
pub(super) enum Landing {
    Durable,
    /// Nothing was written; these entries of other nodes are missing here.
    Missed(Vec<(u64, Entry)>),
    /// Nothing was written; the whole document as the log has it.
    Anew(Box<Core>),
    Failed(LogError),
}

/// The durable index beside the one that is ahead.
#[derive(Default)]
pub(super) struct Base {
    index: Option<Index>,
    foreign_at: Option<Instant>,
}

impl Base {
    /// The index is the durable one at this moment.
    pub(super) fn set(&mut self, index: &Index) {
        self.index = Some(index.clone());
        self.foreign_at = Some(Instant::now());
    }

    /// What is durable now, of this node.
    pub(super) fn follow(&mut self, items: &[Item], deleted: &[(u64, u32, u32)]) {
        if self.foreign_at.is_none_or(|at| at.elapsed() > KEEP_BASE) {
            self.index = None;
            return;
        }
        let Some(mut index) = self.index.take() else {
            return;
        };
        let taken = items
            .iter()
            .all(|item| index.replay(&item.update, &item.author).is_ok());
        if taken {
            mark_deleted(&mut index, deleted);
            self.index = Some(index);
        }
    }
}

pub(super) fn mark_deleted(index: &mut Index, deleted: &[(u64, u32, u32)]) {
    for &(client, clock, len) in deleted {
        index.mark_deleted(client, clock, len);
    }
}

/// The entries after `after`, or the whole document when some of them are compacted away. Tries
/// again while the log is unavailable, until `give_up`.
pub(super) async fn missed(
    shared: &Shared,
    document: &DocumentId,
    shape: &Arc<Shape>,
    epoch: u64,
    after: u64,
    give_up: Instant,
) -> Landing {
    let mut pause = Duration::from_millis(20);
    loop {
        let error = match shared.log.since(document, epoch, after).await {
            Ok(entries) if follow(after, &entries) => return Landing::Missed(entries),
            Ok(_) | Err(LogError::Compacted { .. }) => {
                match load_again(shared, document, shape, epoch).await {
                    Ok(core) => return Landing::Anew(Box::new(core)),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if !matches!(error, LogError::Unavailable(_)) || Instant::now() + pause >= give_up {
            return Landing::Failed(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn follow(after: u64, entries: &[(u64, Entry)]) -> bool {
    entries
        .iter()
        .zip(after + 1..)
        .all(|((seq, _), expected)| *seq == expected)
}

impl Room {
    /// Looks into the log for what others appended. Nothing of this room may be on its way.
    pub(super) fn fetch_missed(&mut self) {
        let (shared, document, shape) = (
            Arc::clone(&self.shared),
            self.document.clone(),
            Arc::clone(&self.shape),
        );
        let (epoch, after) = (self.core.epoch, self.core.seq);
        self.asked = self.heard;
        self.flight = Some(Flight {
            items: Vec::new(),
            batch: self.durable,
            append: Box::pin(async move {
                let give_up = Instant::now() + shared.limits.append_patience;
                missed(&shared, &document, &shape, epoch, after, give_up).await
            }),
        });
    }

    /// The whole document anew, without keeping the room waiting.
    pub(super) fn reload(&mut self, items: Vec<Item>) {
        let (shared, document, shape) = (
            Arc::clone(&self.shared),
            self.document.clone(),
            Arc::clone(&self.shape),
        );
        let epoch = self.core.epoch;
        let batch = if items.is_empty() {
            self.durable
        } else {
            self.batch - 1
        };
        self.asked = self.heard;
        self.flight = Some(Flight {
            items,
            batch,
            append: Box::pin(async move {
                match load_again(&shared, &document, &shape, epoch).await {
                    Ok(core) => Landing::Anew(Box::new(core)),
                    Err(error) => Landing::Failed(error),
                }
            }),
        });
    }

    /// Other nodes' entries: applied, shown, and what is on its way judged anew.
    pub(super) async fn take_over(&mut self, items: Vec<Item>, entries: Vec<(u64, Entry)>) {
        let known = self.core.seq;
        let entries: Vec<_> = entries
            .into_iter()
            .filter(|(seq, _)| *seq > known)
            .collect();
        if entries.is_empty() {
            if !items.is_empty() {
                // Behind, and behind nothing: the log is not what it seems.
                self.reload(items);
            }
            return;
        }
        // What is in it is judged again.
        self.ahead = None;
        let unsaved = !items.is_empty() || !self.pending.is_empty();
        if unsaved {
            match self.base.index.take() {
                Some(durable) => self.core.index = durable,
                None => return self.reload(items),
            }
        }
        let overflow = self
            .members
            .values()
            .any(|m| m.lag.is_none() && self.would_overflow(m));
        let before = self.core.doc.transact().state_vector();
        let (merged, deleted, sound) = {
            let mut txn = self.core.doc.transact_mut();
            let sound = entries
                .iter()
                .all(|(_, entry)| apply(&mut txn, &entry.update))
                && !txn.has_missing_updates();
            (txn.encode_update_v1(), super::deletions(&txn), sound)
        };
        let index = &mut self.core.index;
        let sound = sound
            && entries
                .iter()
                .all(|(_, entry)| index.replay(&entry.update, &entry.author).is_ok());
        if !sound {
            tracing::error!(document = %self.document, seq = known + 1, "entries of another node not applied; reloading");
            if self.fetch(before).await {
                self.judge_again(items);
            }
            return;
        }
        mark_deleted(index, &deleted);
        let count = entries.len() as u64;
        let unsent: usize = items
            .iter()
            .chain(&self.pending)
            .map(|item| item.update.len())
            .sum();
        self.core.tail_bytes = self.core.tail_bytes.saturating_sub(unsent);
        for (_, entry) in &entries {
            self.core.tail_bytes += entry.update.len();
            self.core
                .journal
                .add(&entry.author, entry.at, &entry.inserted, &entry.deleted);
        }
        self.core.seq += count;
        self.core.tail_entries += entries.len();
        self.base.set(&self.core.index);
        self.shared
            .abroad
            .taken_over
            .fetch_add(count, Ordering::Relaxed);
        self.broadcast(
            &Frame::Update(&merged).encode(),
            None,
            overflow.then_some(before),
        );
        self.announce(self.core.epoch, self.core.seq, Vec::new(), false);
        if unsaved {
            self.judge_again(items);
        }
    }

    /// The whole document came anew.
    pub(super) fn begin_again(&mut self, items: Vec<Item>, core: Core) {
        let before = self.core.doc.transact().state_vector();
        self.core = core;
        self.ahead = None;
        self.base.set(&self.core.index);
        self.shared.abroad.reloads.fetch_add(1, Ordering::Relaxed);
        let diff = self.core.doc.transact().encode_diff_v1(&before);
        self.broadcast(&Frame::Update(&diff).encode(), None, Some(before));
        self.announce(self.core.epoch, self.core.seq, Vec::new(), false);
        if !items.is_empty() || !self.pending.is_empty() {
            self.judge_again(items);
        }
        self.grow();
    }
}
