//! Puts the steps of a scan into the masks document.

use std::collections::HashMap;

use collab::{Shape, anchor, identity::Author};
use domain::{clock::instant_text, id::DocumentId};
use rand::RngExt;
use yrs::{Any, Map, MapPrelim, MapRef, Out, ReadTxn, TransactionMut};

use super::{
    plan::{Anchoring, Kind, Plan, Removal, Start},
    reconcile::Found,
    record::{Position, ScannedSpan},
};
use crate::{error::ApiError, state::AppState};

/// A span whose anchors are made; of a known one those that move.
pub(super) struct Anchored {
    pub id: String,
    path: String,
    pub start: Option<String>,
    pub end: Option<String>,
    new: Option<Found>,
}

/// What came of writing.
#[derive(Debug, Default)]
struct Written {
    /// Spans that were to go and stay, because a reviewer accepted them meanwhile.
    kept: Vec<String>,
    changed: bool,
}

/// Writes the steps into the masks document and brings the plan in line with what was decided there
/// meanwhile. Anchors are made only where the text is still the scanned one; elsewhere the next scan
/// does it. `read` is where the decisions were read; returns up to where they are in the plan.
pub(super) async fn write(
    state: &AppState,
    document: &DocumentId,
    masks: &DocumentId,
    texts: HashMap<String, String>,
    plan: &mut Plan,
    read: Option<Position>,
) -> Result<Option<Position>, ApiError> {
    if plan.removals.is_empty() && plan.anchorings.is_empty() {
        return Ok(read);
    }
    let anchored = anchors(state, document, texts, std::mem::take(&mut plan.anchorings)).await?;
    let removals = std::mem::take(&mut plan.removals);
    let at = instant_text(state.clock().now());
    let (seq, written) = state
        .hub()
        .write_as(&Author::system(), masks, move |txn| {
            let mut written = Written::default();
            if let Some(spans) = txn.get_map("spans") {
                remove(txn, &spans, removals, &mut written);
                insert(txn, &spans, anchored, &at, &mut written);
            }
            written
        })
        .await
        .map_err(ApiError::internal)?;
    for id in &written.kept {
        plan.keep(id);
    }
    Ok(read.map(|read| {
        // Anything else that came in between is looked at by the next scan.
        let ours_only = written.changed && seq == read.seq + 1;
        Position {
            seq: if ours_only { seq } else { read.seq },
            ..read
        }
    }))
}

async fn anchors(
    state: &AppState,
    document: &DocumentId,
    texts: HashMap<String, String>,
    anchorings: Vec<Anchoring>,
) -> Result<Vec<Anchored>, ApiError> {
    state
        .hub()
        .read(document, move |view| {
            anchorings
                .into_iter()
                .filter_map(|wanted| anchored(&view.txn, &view.shape, &texts, wanted))
                .collect()
        })
        .await
        .map_err(ApiError::internal)
}

/// `None` when the text is no longer the scanned one.
pub(super) fn anchored<T: ReadTxn>(
    txn: &T,
    shape: &Shape,
    texts: &HashMap<String, String>,
    wanted: Anchoring,
) -> Option<Anchored> {
    let text = anchor::text_at(txn, shape, &wanted.path)?;
    if yrs::GetString::get_string(&text, txn) != *texts.get(&wanted.path)? {
        return None;
    }
    let range = wanted.range;
    let (start, end, new) = match wanted.kind {
        Kind::New(found) => {
            let (start, end) = anchor::anchor(txn, &text, range)?;
            (Some(start), Some(end), Some(found))
        }
        Kind::Known { start, end } => {
            let start = match start {
                Start::Stays => None,
                Start::Before => Some(anchor::before(txn, &text, range.start)?),
                Start::Behind => Some(anchor::behind(txn, &text, range.start)?),
            };
            let end = end.then(|| anchor::behind(txn, &text, range.end));
            (start, end.flatten(), None)
        }
    };
    Some(Anchored {
        id: wanted.id,
        path: wanted.path,
        start,
        end,
        new,
    })
}

fn remove(
    txn: &mut TransactionMut<'_>,
    spans: &MapRef,
    removals: Vec<Removal>,
    written: &mut Written,
) {
    for Removal { id, accepted } in removals {
        // A reviewer may have decided meanwhile: what was accepted then stays.
        if !accepted && is_accepted(txn, spans, &id) {
            written.kept.push(id);
        } else {
            written.changed |= spans.remove(txn, &id).is_some();
        }
    }
}

fn is_accepted<T: ReadTxn>(txn: &T, spans: &MapRef, id: &str) -> bool {
    let Some(Out::YMap(span)) = spans.get(txn, id) else {
        return false;
    };
    matches!(span.get(txn, "status"), Some(Out::Any(Any::String(status))) if &*status == "accepted")
}

fn insert(
    txn: &mut TransactionMut<'_>,
    spans: &MapRef,
    anchored: Vec<Anchored>,
    at: &str,
    written: &mut Written,
) {
    for span in anchored {
        let ends = [("start", span.start), ("end", span.end)];
        let ends = ends
            .into_iter()
            .filter_map(|(name, anchor)| Some((name, Any::from(anchor?))));
        match span.new {
            Some(found) => {
                let mut entries: Vec<(&str, Any)> = ends.collect();
                entries.extend([
                    ("field", span.path.into()),
                    ("label", found.label.into()),
                    ("score", Any::from(f64::from(found.score))),
                    ("source", found.source.into()),
                    ("status", "pending".into()),
                    ("at", at.into()),
                ]);
                if let Some(person) = found.person {
                    entries.push(("person", person.into()));
                }
                spans.insert(txn, span.id, MapPrelim::from_iter(entries));
                written.changed = true;
            }
            None => {
                if let Some(Out::YMap(known)) = spans.get(txn, &span.id) {
                    for (name, anchor) in ends {
                        known.insert(txn, name, anchor);
                        written.changed = true;
                    }
                }
            }
        }
    }
}

impl Plan {
    /// A span that was to go stays, accepted.
    fn keep(&mut self, id: &str) {
        let Some((path, span)) = self.leaving.remove(id) else {
            return;
        };
        let spans = self.spans.entry(path).or_default();
        spans.push(ScannedSpan {
            rejected: false,
            pending: false,
            ..span
        });
        spans.sort_by_key(|span| (span.start, span.end));
    }
}

/// An opaque key as browsers make them too: 16 letters and digits.
#[must_use]
pub fn fresh_key() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    (0..16)
        .map(|_| char::from(ALPHABET[usize::from(rng.random::<u8>() & 31)]))
        .collect()
}
