//! What the policy must know of cases, kept in memory as long as it is true. A search asks it of hundreds
//! of cases to show twenty hits: ten statements and some dozens of rows a case, though it seldom changes.
//!
//! **Invariant:** what is kept was true at one position of the outbox, and whatever changes it announces
//! itself there in the same transaction (as [`crate::case_list`] asks of it). A reading transaction is told
//! what is kept only when that position is the head of the outbox as it sees it; of an older or newer
//! snapshot it reads for itself, and so does a transaction that writes.
//! **Invariant:** this sieves, and no more. Whatever is shown or read goes through the policy once more
//! with [`cases::facts`], which asks the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use domain::disclosure::CaseFacts;
use domain::id::{CaseId, MunicipalityId, PersonId};
use lru::LruCache;
use sqlx::Row;

use crate::case_list::AGENCY;
use crate::database::{Tx, lock, rows_for};
use crate::error::Result;
use crate::{cases, outbox};

/// Cases kept of each municipality, the least asked for going first. Each takes one to four kilobytes.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Changes taken up at once.
const CHANGES: i64 = 1_000;
/// After more changes than these everything is read anew.
const FAR: i64 = 20_000;

/// Of every municipality.
#[derive(Debug, Default)]
pub(crate) struct Shelves(Mutex<HashMap<MunicipalityId, Kept>>);

#[derive(Debug)]
struct Kept {
    seq: i64,
    cases: LruCache<CaseId, Arc<CaseFacts>>,
}

/// Some changes after a position.
pub(crate) struct Changed {
    /// The last of them.
    pub seq: i64,
    /// The cases whose facts or times may be others; `None`: any.
    pub cases: Option<Vec<CaseId>>,
}

/// The next changes after `seq`, of which there are some.
///
/// # Errors
/// Database away.
pub(crate) async fn next_changes(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    seq: i64,
    head: i64,
) -> Result<Changed> {
    let changes = outbox::after(tx, municipality, seq, CHANGES).await?;
    let gapless = changes.first().is_some_and(|change| change.seq == seq + 1);
    if !gapless || changes.iter().any(|change| change.topic == AGENCY) {
        return Ok(Changed {
            seq: head,
            cases: None,
        });
    }
    let seq = changes.last().map_or(head, |change| change.seq);
    let (mut cases, mut persons) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        if change.topic == "person" {
            persons.insert(PersonId(change.object));
        }
        cases.extend(change.case);
    }
    let persons: Vec<PersonId> = persons.into_iter().collect();
    let rows = rows_for(
        tx,
        municipality,
        &persons,
        "SELECT case_id FROM case_persons WHERE municipality_id = $1 AND person_id IN",
        "",
    )
    .await?;
    for row in &rows {
        cases.insert(CaseId(row.try_get("case_id")?));
    }
    Ok(Changed {
        seq,
        cases: Some(cases.into_iter().collect()),
    })
}

impl Shelves {
    /// `change` on what is kept, if that is what is true at `head`.
    fn at<R>(
        &self,
        municipality: &MunicipalityId,
        head: i64,
        change: impl FnOnce(&mut LruCache<CaseId, Arc<CaseFacts>>) -> R,
    ) -> Option<R> {
        let mut shelves = lock(&self.0);
        let kept = shelves.get_mut(municipality)?;
        (kept.seq == head).then(|| change(&mut kept.cases))
    }

    /// Where it stands; it stands at `head` when nothing was kept yet.
    fn position(&self, municipality: &MunicipalityId, head: i64) -> i64 {
        let begin = || Kept {
            seq: head,
            cases: LruCache::new(KEPT),
        };
        lock(&self.0)
            .entry(municipality.clone())
            .or_insert_with(begin)
            .seq
    }

    /// Goes on from one position to another, unless somebody else did.
    fn advance(&self, municipality: &MunicipalityId, from: i64, changed: &Changed) {
        let mut shelves = lock(&self.0);
        let Some(kept) = shelves
            .get_mut(municipality)
            .filter(|kept| kept.seq == from)
        else {
            return;
        };
        match &changed.cases {
            Some(changed) => {
                for case in changed {
                    kept.cases.pop(case);
                }
            }
            None => kept.cases.clear(),
        }
        kept.seq = changed.seq;
    }
}

/// As [`cases::facts`], from memory where that is true.
///
/// # Errors
/// Database away.
pub(crate) async fn facts(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[CaseId],
) -> Result<BTreeMap<CaseId, Arc<CaseFacts>>> {
    let (head, mut out) = match kept(tx, municipality, ids).await? {
        Some((head, found)) => (Some(head), found),
        None => (None, BTreeMap::new()),
    };
    let missing: Vec<CaseId> = ids
        .iter()
        .filter(|id| !out.contains_key(*id))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(out);
    }
    let read: BTreeMap<CaseId, Arc<CaseFacts>> = cases::facts_anew(tx, municipality, &missing)
        .await?
        .into_iter()
        .map(|(id, facts)| (id, Arc::new(facts)))
        .collect();
    if let Some(head) = head {
        tx.database().case_facts().at(municipality, head, |cases| {
            for (case, facts) in &read {
                cases.put(case.clone(), Arc::clone(facts));
            }
        });
    }
    out.extend(read);
    Ok(out)
}

/// What is kept of these cases, and the position at which it is true; `None`: not what the transaction
/// sees.
pub(crate) async fn kept(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[CaseId],
) -> Result<Option<(i64, BTreeMap<CaseId, Arc<CaseFacts>>)>> {
    if tx.writes() {
        return Ok(None);
    }
    let head = match tx.told.heads.get(municipality) {
        Some(head) => *head,
        None => {
            let head = tx.outbox_head(municipality).await?;
            tx.told.heads.insert(municipality.clone(), head);
            head
        }
    };
    let db = tx.database().clone();
    let shelves = db.case_facts();
    loop {
        let seq = shelves.position(municipality, head);
        if seq >= head {
            break;
        }
        let changed = if head - seq > FAR {
            Changed {
                seq: head,
                cases: None,
            }
        } else {
            next_changes(tx, municipality, seq, head).await?
        };
        shelves.advance(municipality, seq, &changed);
    }
    Ok(shelves
        .at(municipality, head, |cases| {
            ids.iter()
                .filter_map(|id| Some((id.clone(), Arc::clone(cases.get(id)?))))
                .collect()
        })
        .map(|found| (head, found)))
}
