//! Which documents need a scan at all, told without loading them.

use std::collections::{BTreeSet, HashMap};

use domain::id::{CaseId, DocumentId, MunicipalityId};
use serde::Deserialize;
use store::{documents::Register, masking::Standing};

use super::{
    record::{Position, Scan},
    texts::is_scanned,
};
use crate::{context::blocking, error::ApiError, state::AppState};

/// Those of a municipality's documents whose stored scan and projections are **not** of their present
/// text and decisions, made with the present model, program and register; a few hundred at most. In
/// doubt they are not. What was erased is left out.
///
/// # Errors
/// Database or log away.
pub async fn not_current(
    state: &AppState,
    municipality: &MunicipalityId,
    documents: &[DocumentId],
) -> Result<Vec<DocumentId>, ApiError> {
    let version = state.engines().version();
    let mut tx = state.db().read().await?;
    let standings = tx.standings(municipality, documents).await?;
    let registers = match version {
        Some(_) => {
            let cases: BTreeSet<CaseId> = standings.iter().filter_map(|s| s.case.clone()).collect();
            let cases: Vec<CaseId> = cases.into_iter().collect();
            tx.registers(municipality, &cases).await?
        }
        None => HashMap::new(),
    };
    drop(tx);
    let named: Vec<DocumentId> = standings
        .iter()
        .flat_map(|standing| [standing.document.clone(), standing.masks.clone()])
        .collect();
    let heads: HashMap<DocumentId, Position> = state
        .log()
        .heads(&named)
        .await
        .map_err(ApiError::internal)?
        .into_iter()
        .map(|(document, epoch, seq)| (document, Position { epoch, seq }))
        .collect();
    blocking(move || {
        standings
            .into_iter()
            .filter(|standing| !is_current(standing, version.as_deref(), &registers, &heads))
            .map(|standing| standing.document)
            .collect()
    })
    .await
}

fn is_current(
    standing: &Standing,
    version: Option<&str>,
    registers: &HashMap<CaseId, Option<Register>>,
    heads: &HashMap<DocumentId, Position>,
) -> bool {
    // Nothing was written since.
    let ends_at = |document: &DocumentId, at: Position| {
        heads
            .get(document)
            .is_some_and(|head| head.epoch == at.epoch && head.seq <= at.seq)
    };
    let made = |at: (u64, u64)| Position {
        epoch: at.0,
        seq: at.1,
    };
    if !is_scanned(standing.kind) {
        return false;
    }
    let Some(version) = version else {
        // Nothing can be scanned: what needs no model counts.
        return standing
            .full
            .is_some_and(|full| ends_at(&standing.document, made(full)));
    };
    let Some(stored) = &standing.scan else {
        return false;
    };
    let Ok(scan) = Scan::deserialize(&stored.value) else {
        return false;
    };
    let persons = match standing.case.as_ref().and_then(|case| registers.get(case)) {
        Some(Some(persons)) => persons.as_slice(),
        Some(None) => return false,
        None => &[],
    };
    if !scan.rests_on(version, persons) {
        return false;
    }
    let at = (stored.epoch, stored.seq);
    [standing.full, standing.masked] == [Some(at), Some(at)]
        && scan
            .masks
            .is_some_and(|decided| ends_at(&standing.masks, decided))
        && ends_at(&standing.document, made(at))
}
