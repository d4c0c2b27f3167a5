//! What follows from a change of a document: after a pause the projections are rebuilt, texts are
//! scanned, statistics and vectors are refreshed. Works from the hub's change feed; at start and
//! after falling behind it looks at every document.

use std::{collections::HashMap, time::Duration};

use collab::values;
use domain::{
    id::{CaseId, DocumentId, MunicipalityId},
    section::DocumentKind,
};
use serde_json::Value;
use store::{municipalities, projections::Audience, statistics::Facts};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::blocking, error::ApiError, events::CaseEvent, scanning, shapes, state::AppState,
    vectors,
};

/// Nothing was typed for so long.
const QUIET: Duration = Duration::from_millis(1200);
/// Even somebody who never pauses is scanned this often.
const AT_MOST: Duration = Duration::from_secs(10);
/// A failed document is tried again after this long.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Due {
    first: Instant,
    at: Instant,
}

/// Runs until `stop`. Waits for the models before the first scan; projections and statistics do
/// not wait for them.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut changes = state.hub().subscribe();
    let mut rescans = state.rescans();
    let mut due: HashMap<DocumentId, Due> = HashMap::new();
    let mut vectors_due: HashMap<(MunicipalityId, CaseId), Instant> = HashMap::new();
    let mut sweep = interval(Duration::from_secs(300));
    let models = async { state.engines().settled().await };
    tokio::pin!(models);
    let mut models_settled = false;

    loop {
        let next = due
            .values()
            .map(|due| due.at)
            .chain(vectors_due.values().copied())
            .min();
        tokio::select! {
            () = stop.cancelled() => return,
            () = &mut models, if !models_settled => {
                models_settled = true;
                everything(&state, &mut due).await;
            }
            changed = changes.recv() => match changed {
                Ok(changed) => postpone(&mut due, changed.document),
                Err(RecvError::Lagged(_)) => everything(&state, &mut due).await,
                Err(RecvError::Closed) => return,
            },
            again = rescans.recv() => match again {
                Ok(document) => postpone(&mut due, document),
                Err(RecvError::Lagged(_)) => everything(&state, &mut due).await,
                Err(RecvError::Closed) => return,
            },
            _ = sweep.tick() => {
                if let Err(error) = mend(&state).await {
                    tracing::warn!(%error, "missing documents not made");
                }
                if let Err(error) = sweep_sessions(&state).await {
                    tracing::warn!(%error, "sweeping sessions failed");
                }
            }
            () = async { match next { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {
                let now = Instant::now();
                let ready: Vec<DocumentId> = due.iter().filter(|(_, due)| due.at <= now).map(|(id, _)| id.clone()).collect();
                for document in ready {
                    due.remove(&document);
                    match follow(&state, &document).await {
                        Ok(Followed::Parent(parent)) => postpone(&mut due, parent),
                        Ok(Followed::Case(municipality, case)) => {
                            vectors_due.insert((municipality, case), Instant::now() + QUIET);
                        }
                        Ok(Followed::Nothing) => {}
                        Err(error) => {
                            if !is_waiting_for_models(&error) {
                                tracing::warn!(document = document.as_str(), %error, "derived state not refreshed");
                            }
                            let at = Instant::now() + RETRY;
                            due.insert(document, Due { first: at, at });
                        }
                    }
                    if stop.is_cancelled() {
                        return;
                    }
                }
                let cases: Vec<_> = vectors_due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
                for (municipality, case) in cases {
                    vectors_due.remove(&(municipality.clone(), case.clone()));
                    if let Err(error) = vectors::refresh(&state, &municipality, &case).await {
                        tracing::warn!(case = case.as_str(), %error, "vector not refreshed");
                    }
                    if stop.is_cancelled() {
                        return;
                    }
                }
            }
        }
    }
}

fn is_waiting_for_models(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Refused {
            code: "models_not_ready",
            ..
        }
    )
}

fn postpone(due: &mut HashMap<DocumentId, Due>, document: DocumentId) {
    let now = Instant::now();
    due.entry(document)
        .and_modify(|due| due.at = (now + QUIET).min(due.first + AT_MOST))
        .or_insert(Due {
            first: now,
            at: now + QUIET,
        });
}

/// Whatever was missed: every document with texts whose scan is older than its content.
async fn everything(state: &AppState, due: &mut HashMap<DocumentId, Due>) {
    let listed = async {
        let mut tx = state.db().read().await?;
        let mut all = Vec::new();
        for municipality in municipalities::list(&mut tx).await? {
            all.extend(tx.documents_with_masks(&municipality.id).await?);
        }
        Ok::<_, store::StoreError>(all)
    };
    match listed.await {
        Ok(documents) => {
            for document in documents {
                postpone(due, document);
            }
        }
        Err(error) => tracing::warn!(%error, "documents could not be listed"),
    }
}

/// Makes the documents that a case (or note) has in the database and not in the log: the process
/// ended between the two. They begin with their seed.
///
/// # Errors
/// Database away.
pub async fn mend(state: &AppState) -> Result<usize, ApiError> {
    let mut made = 0;
    for (document, kind) in state.db().documents_without_log().await? {
        let Some(shape) = shapes::of(kind) else {
            continue;
        };
        state
            .hub()
            .create(&document, &shape)
            .await
            .map_err(ApiError::internal)?;
        tracing::info!(
            document = document.as_str(),
            "document made that was missing"
        );
        made += 1;
    }
    Ok(made)
}

async fn sweep_sessions(state: &AppState) -> store::Result<()> {
    let mut tx = state.db().write().await?;
    store::sessions::sweep(&mut tx).await?;
    tx.commit().await
}

enum Followed {
    Nothing,
    /// Decisions changed: the text document is due.
    Parent(DocumentId),
    /// The case's vector is due.
    Case(MunicipalityId, CaseId),
}

async fn follow(state: &AppState, document: &DocumentId) -> Result<Followed, ApiError> {
    let mut tx = state.db().read().await?;
    let Some(work) = tx.work_on(document).await? else {
        return Ok(Followed::Nothing);
    };
    if work.info().kind == DocumentKind::Masks {
        return Ok(work
            .info()
            .parent
            .clone()
            .map_or(Followed::Nothing, Followed::Parent));
    }
    let Some(case) = work.info().case.clone() else {
        return Ok(Followed::Nothing);
    };
    let municipality = work.info().municipality.clone();
    let scanned_at = scanning::read_scan(&mut tx, &work)
        .await?
        .map(|stored| stored.seq);
    let masks = work.masks().cloned();
    drop(tx);

    let root = if work.info().kind == DocumentKind::Network {
        "nodes"
    } else {
        "fields"
    };
    let (value, epoch, seq) = state
        .hub()
        .read(document, move |view| {
            (
                values::root(&view.txn, &view.shape, root),
                view.epoch,
                view.seq,
            )
        })
        .await
        .map_err(ApiError::internal)?;
    let mut tx = state.db().write().await?;
    work.store_projection(&mut tx, Audience::Full, epoch, seq, &value)
        .await?;
    if let Some(facts) = facts(work.info().kind, &value) {
        work.set_statistics(&mut tx, &facts).await?;
    }
    work.touched(&mut tx).await?;
    tx.commit().await?;
    state.events().tell(&municipality, &case, CaseEvent::Case);

    if !scanning::is_scanned(work.info().kind) {
        return Ok(Followed::Nothing);
    }
    let _ = (scanned_at, masks);
    scanning::scan(state, document).await?;
    Ok(Followed::Case(municipality, case))
}

/// What statistics count of a sheet. Codes only.
fn facts(kind: DocumentKind, values: &Value) -> Option<Facts> {
    let text = |field: &str| values[field].as_str().map(str::to_owned);
    match kind {
        DocumentKind::Intake => Some(Facts {
            received_on: text("received_on").and_then(|day| day.parse().ok()),
            contact_method: text("contact_method"),
            ..Facts::default()
        }),
        DocumentKind::Assessment => Some(Facts {
            route: text("route"),
            urgency: text("urgency"),
            issues: values["issues"].as_array().map(|codes| {
                codes
                    .iter()
                    .filter_map(|code| code.as_str().map(str::to_owned))
                    .collect()
            }),
            ..Facts::default()
        }),
        _ => None,
    }
}

/// Scans everything that has no scan yet, now (after loading a demo municipality).
///
/// # Errors
/// Database away, or the models cannot be loaded.
pub async fn catch_up(state: &AppState) -> Result<(), ApiError> {
    state.engines().settled().await;
    let mut due = HashMap::new();
    everything(state, &mut due).await;
    for document in due.into_keys() {
        if let Followed::Case(municipality, case) = follow(state, &document).await? {
            vectors::refresh(state, &municipality, &case).await?;
        }
    }
    blocking(|| ()).await
}
