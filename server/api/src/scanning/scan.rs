//! One scan, from reading to storing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{form::Form, id::DocumentId};
use store::{
    claims::Claim, documents::DocumentWork, masking::ScanState, persons::Person,
    projections::Audience,
};
use tokio::time::{Instant, sleep};

use super::{
    cache::Basis,
    decisions::{Decisions, Moment},
    marks::Former,
    plan::{Plan, Suggested, plan},
    project::{address_protected, project},
    record::{PROGRAM, Position, Scan, read_scan},
    register::{fingerprint, numbering, register},
    texts::texts,
    write::write,
};
use crate::{
    background::PIECE, context::blocking, engines::Engines, error::ApiError, events::CaseEvent,
    state::AppState,
};

/// How long a scan waits for another node's, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

/// What a scan works on.
struct Sheet {
    work: DocumentWork,
    definition: Form,
    persons: Vec<(i64, Person)>,
    former: Former,
}

impl Sheet {
    /// `None`: a document without a form has no texts to scan.
    async fn open(state: &AppState, document: &DocumentId) -> Result<Option<Self>, ApiError> {
        let mut tx = state.db().read().await?;
        let work = tx
            .work_on(document)
            .await?
            .ok_or_else(ApiError::not_found)?;
        let Some(definition) = tx.form_of(work.info()).await? else {
            return Ok(None);
        };
        let persons = work.register(&mut tx).await?;
        let former = read_scan(&mut tx, &work)
            .await?
            .map(|stored| Former::of(&definition, &stored.scan))
            .unwrap_or_default();
        Ok(Some(Self {
            work,
            definition,
            persons,
            former,
        }))
    }
}

/// Scans a document now: suggests, reconciles with the reviewers' decisions, stores the scan.
/// Returns the number of undecided suggestions.
///
/// # Errors
/// 503 `models_not_ready` while the models are not there: the former scan stays.
pub async fn scan(state: &AppState, document: &DocumentId) -> Result<usize, ApiError> {
    let engines = state
        .engines()
        .get()
        .await
        .ok_or_else(|| ApiError::unavailable("models_not_ready"))?;
    let _turn = state.scan_turn().await;
    let claim = claimed(state, document).await?;
    let pending = scan_claimed(state, document, &engines).await;
    if let Err(error) = state.db().release(claim).await {
        tracing::warn!(%error, "the claim on a document ends by itself");
    }
    pending
}

/// Has the texts of a document looked through, a few at a time and giving way to people: a scan that
/// follows finds known what it would wait for.
///
/// # Errors
/// As [`scan`].
pub async fn foresee(state: &AppState, document: &DocumentId) -> Result<(), ApiError> {
    let engines = state
        .engines()
        .get()
        .await
        .ok_or_else(|| ApiError::unavailable("models_not_ready"))?;
    let Some(sheet) = Sheet::open(state, document).await? else {
        return Ok(());
    };
    let moment = Moment::look(state, document, Vec::new()).await?;
    let mut texts = texts(&sheet.definition, &moment.values);
    let register = Arc::new(register(&sheet.persons));
    while !texts.is_empty() {
        let (state_there, engines) = (state.clone(), Arc::clone(&engines));
        let register = Arc::clone(&register);
        let piece = move || {
            let began = std::time::Instant::now();
            let basis = Basis::new(&register, &engines);
            while let Some((_, text)) = texts.pop() {
                state_there.suggestions().suggest(&basis, &text)?;
                if began.elapsed() >= PIECE {
                    break;
                }
            }
            Ok::<_, masking::Error>(texts)
        };
        let left = state.background().piece(piece).await?;
        texts = left.map_err(ApiError::internal)?;
    }
    Ok(())
}

/// The claim on the document's scan, when another node has given it back. Two scans of one document
/// would undo each other's steps.
async fn claimed(state: &AppState, document: &DocumentId) -> Result<Claim, ApiError> {
    let mut tx = state.db().read().await?;
    let work = tx
        .work_on(document)
        .await?
        .ok_or_else(ApiError::not_found)?;
    drop(tx);
    let (name, holder) = (format!("scan {document}"), state.holder());
    let give_up = Instant::now() + PATIENCE;
    loop {
        let claim = state
            .db()
            .claim(&work.info().municipality, &name, &holder)
            .await?;
        match claim {
            Some(claim) => return Ok(claim),
            None if Instant::now() >= give_up => return Err(ApiError::unavailable("overloaded")),
            None => sleep(PAUSE).await,
        }
    }
}

async fn scan_claimed(
    state: &AppState,
    document: &DocumentId,
    engines: &Arc<Engines>,
) -> Result<usize, ApiError> {
    let Some(sheet) = Sheet::open(state, document).await? else {
        return Ok(0);
    };
    let decisions = Decisions::read(state, sheet.work.masks()).await?;
    let moment = Moment::look(state, document, decisions.spans.clone()).await?;
    let texts = texts(&sheet.definition, &moment.values);
    let suggested = suggest(state, &sheet, texts.clone(), engines).await?;

    let decided = decisions.at;
    let (former, at) = (sheet.former.clone(), moment.at);
    let (texts, values, mut plan) = blocking(move || {
        let plan = plan(&former, &decisions, &moment, &texts, &suggested);
        (texts, moment.values, plan)
    })
    .await?;
    let masks = match sheet.work.masks() {
        Some(masks) => {
            let texts: HashMap<String, String> = texts.into_iter().collect();
            write(state, document, masks, texts, &mut plan, decided).await?
        }
        None => None,
    };
    let Plan {
        spans,
        emptied,
        lost,
        ..
    } = plan;
    let scan = Scan {
        values,
        spans,
        model: engines.models.version.clone(),
        program: PROGRAM.to_owned(),
        register: fingerprint(&register(&sheet.persons)),
        masks,
        emptied,
        lost,
    };
    store(state, &sheet, &scan, at).await?;
    tell(state, &sheet.work, at);
    Ok(scan.pending())
}

async fn suggest(
    state: &AppState,
    sheet: &Sheet,
    texts: Vec<(String, String)>,
    engines: &Arc<Engines>,
) -> Result<Suggested, ApiError> {
    let (state, engines) = (state.clone(), Arc::clone(engines));
    let register = register(&sheet.persons);
    blocking(move || {
        let basis = Basis::new(&register, &engines);
        texts
            .into_iter()
            .map(|(path, text)| Ok((path, state.suggestions().suggest(&basis, &text)?)))
            .collect::<masking::Result<Suggested>>()
    })
    .await?
    .map_err(ApiError::internal)
}

/// Stores the scan and the projection that follows from it, together.
async fn store(state: &AppState, sheet: &Sheet, scan: &Scan, at: Position) -> Result<(), ApiError> {
    let work = &sheet.work;
    let value = serde_json::to_value(scan).map_err(ApiError::internal)?;
    let waiting = i64::try_from(scan.pending()).unwrap_or(i64::MAX);
    let mut tx = state.db().write().await?;
    // What is masked now, and was not, stands open in digests made before: they go with the old scan.
    let former = read_scan(&mut tx, work).await?.map(|stored| stored.scan);
    let masked_alike =
        former.is_some_and(|former| former.masks == scan.masks && former.register == scan.register);
    if let (Some(case), false) = (&work.info().case, masked_alike) {
        tx.hold_case(&work.info().municipality, case).await?;
        store::vectors::forget(&mut tx, &work.info().municipality, case).await?;
    }
    work.store_scan(&mut tx, at.epoch, at.seq, ScanState::Done, waiting, &value)
        .await?;
    let facts = work.facts(&mut tx).await?;
    let masked = project(
        &sheet.definition,
        scan,
        &scan.values,
        address_protected(facts.as_ref()),
        &mut numbering(&sheet.persons),
    );
    let masked = serde_json::to_value(&masked).map_err(ApiError::internal)?;
    work.store_projection(&mut tx, Audience::Masked, at.epoch, at.seq, &masked)
        .await?;
    tx.commit().await?;
    Ok(())
}

fn tell(state: &AppState, work: &DocumentWork, at: Position) {
    let info = work.info();
    let Some(case) = &info.case else {
        return;
    };
    for event in [
        CaseEvent::Projection {
            document_id: info.id.clone(),
            seq: at.seq,
        },
        CaseEvent::Masks {
            document_id: info.id.clone(),
        },
    ] {
        state.events().tell(&info.municipality, case, event);
    }
}
