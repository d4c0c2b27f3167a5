//! Makes the texts of entries that masked readers search. Beside the following of changes, which waits for
//! no model; and giving way to people, unless somebody just wrote it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::id::{CaseId, MunicipalityId, ProgressRecordId};
use store::search::Kind;
use tokio::time::Instant;

use super::texts;
use crate::{background::PIECE, context::blocking, error::ApiError, state::AppState};

/// What is made is put into the index after this long at the latest: for whom somebody waits, and for the
/// rest. Each time files of the index are written and read anew.
const AT_MOST: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// Entries of a case whose masked texts are missing.
#[derive(Debug)]
pub(super) struct ToMask {
    pub case: CaseId,
    /// What their texts are to rest on besides the entry.
    pub basis: String,
    /// With the stamp of their content.
    pub entries: Vec<(ProgressRecordId, String)>,
}

/// What masked readers lack of some cases.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// In the order in which they were asked for; cases that lack nothing are left out.
    pub cases: Vec<ToMask>,
    /// There are masked texts that nobody reads any more.
    pub needless: bool,
}

/// The masked text of an entry, and what it rests on.
pub(super) struct MaskedEntry {
    pub stamp: String,
    pub basis: String,
    pub text: String,
}

/// What was made.
#[derive(Default)]
pub(super) struct Made {
    /// By key of the unit. What could not be masked is missing.
    pub texts: HashMap<String, MaskedEntry>,
    /// Cases that were begun with and not gone through to the end.
    pub left: Vec<CaseId>,
    /// There are no models now, and nothing was made.
    pub without_models: bool,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Made({})", self.texts.len())
    }
}

/// Makes masked texts, case by case, for a while. `urgent`: somebody wrote them just now, and they wait for
/// nobody.
///
/// # Errors
/// Database away.
pub(super) async fn make(
    state: AppState,
    municipality: MunicipalityId,
    wanted: Vec<ToMask>,
    urgent: bool,
) -> Result<Made, ApiError> {
    let mut made = Made::default();
    let Some(engines) = state.engines().get().await else {
        made.without_models = true;
        return Ok(made);
    };
    let at_most = AT_MOST[usize::from(!urgent)];
    let began = Instant::now();
    let mut cases = wanted.into_iter();
    while let Some(wanted) = cases.next() {
        let mut tx = state.db().read().await?;
        let material = tx.records_to_mask(&municipality, &wanted.case).await?;
        drop(tx);
        let material = Arc::new(material);
        let mut stamps: HashMap<_, _> = wanted.entries.iter().cloned().collect();
        let ids: Vec<_> = wanted.entries.into_iter().map(|(id, _)| id).collect();
        let mut from = 0;
        while from < ids.len() {
            if began.elapsed() >= at_most && !made.texts.is_empty() {
                made.left.push(wanted.case);
                made.left.extend(cases.map(|wanted| wanted.case));
                return Ok(made);
            }
            let piece = {
                let (state, material) = (state.clone(), Arc::clone(&material));
                let (engines, ids) = (Arc::clone(&engines), ids[from..].to_vec());
                move || texts::of_records(&material, &engines, state.suggestions(), &ids, PIECE)
            };
            let (texts, done) = if urgent {
                let _turn = state.scan_turn().await;
                blocking(piece).await?
            } else {
                state.background().piece(piece).await?
            };
            from += done;
            for (id, text) in texts {
                let Some(stamp) = stamps.remove(&id) else {
                    continue;
                };
                let masked = MaskedEntry {
                    stamp,
                    basis: wanted.basis.clone(),
                    text,
                };
                made.texts.insert(Kind::Record.key(id.as_str()), masked);
            }
        }
    }
    Ok(made)
}
