//! Whether a document needs a scan at all, told without loading it.

use domain::id::DocumentId;
use store::projections::Audience;

use super::{
    record::{Position, read_scan},
    texts::is_scanned,
};
use crate::{error::ApiError, state::AppState};

/// Whether the stored scan and projections are of the document's present text and decisions, made
/// with the present model, program and register. In doubt they are not.
///
/// # Errors
/// Database away.
pub async fn is_current(state: &AppState, document: &DocumentId) -> Result<bool, ApiError> {
    let mut tx = state.db().read().await?;
    let Some(work) = tx
        .work_on(document)
        .await?
        .filter(|work| is_scanned(work.info().kind))
    else {
        return Ok(false);
    };
    let Some(version) = state.engines().version() else {
        // Nothing can be scanned: what needs no model counts.
        let full = work.projection(&mut tx, Audience::Full).await?;
        drop(tx);
        return Ok(match full {
            Some(full) => {
                let at = Position {
                    epoch: full.epoch,
                    seq: full.seq,
                };
                ends_at(state, document, at).await
            }
            None => false,
        });
    };
    let Some(stored) = read_scan(&mut tx, &work).await? else {
        return Ok(false);
    };
    let persons = work.register(&mut tx).await?;
    if !stored.scan.rests_on(&version, &persons) {
        return Ok(false);
    }
    let at = Position {
        epoch: stored.epoch,
        seq: stored.seq,
    };
    for audience in [Audience::Full, Audience::Masked] {
        let projection = work.projection(&mut tx, audience).await?;
        if projection.is_none_or(|made| (made.epoch, made.seq) != (at.epoch, at.seq)) {
            return Ok(false);
        }
    }
    drop(tx);
    let decided = match (work.masks(), stored.scan.masks) {
        (Some(masks), Some(at)) => ends_at(state, masks, at).await,
        (None, None) => true,
        _ => false,
    };
    Ok(decided && ends_at(state, document, at).await)
}

/// Whether nothing was written to a document since.
async fn ends_at(state: &AppState, document: &DocumentId, at: Position) -> bool {
    state
        .log()
        .since(document, at.epoch, at.seq)
        .await
        .is_ok_and(|entries| entries.is_empty())
}
