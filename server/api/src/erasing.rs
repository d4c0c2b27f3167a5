//! Carries approved erasures out, tells the rooms, and has everything derived anew. A node also hears
//! here of what other nodes and the command line erased.

use std::{collections::HashMap, time::Duration};

use collab::hub::Hub;
use domain::{
    clock::instant_text,
    id::{DocumentId, ErasureId},
};
use store::{
    DocumentLog, StoreError,
    erasure::{self, Ended, Told, Touched},
};
use tokio_util::sync::CancellationToken;

use crate::{error::ApiError, events::CaseEvent, search_index, shapes, state::AppState, worker};

/// How often is looked for work that another process approved or did.
const EVERY: Duration = Duration::from_secs(2);

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let since = instant_text(state.clock().now());
    let mut heard: HashMap<ErasureId, Vec<Touched>> = HashMap::new();
    let mut committed = state.db().subscribe();
    if let Err(error) = state.db().take_up_erasures().await {
        tracing::warn!(%error, "erasures not taken up");
    }
    loop {
        match turn(&state).await {
            Ok(Some(Ended::Done)) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "erasure not finished; tried again"),
        }
        if let Err(error) = hear(&state, &since, &mut heard).await {
            tracing::warn!(%error, "erasures of other nodes not heard of");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
            // Mostly something else was committed; the look is one indexed query.
            _ = committed.changed() => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

/// One approved erasure, if there is any.
///
/// # Errors
/// Database, log or keys away.
pub async fn turn(state: &AppState) -> Result<Option<Ended>, ApiError> {
    let Some(job) = state.db().next_erasure().await? else {
        return Ok(None);
    };
    let municipality = job.municipality().clone();
    let case = job.erasure().case.clone();
    let mut rewritten = Vec::new();
    let derived = search_index::renewed(state, &municipality, case.as_ref());
    let tell = |told| {
        tell(state.hub(), &told);
        if let Told::Epoch(document, _) = told {
            rewritten.push(document);
        }
    };
    let ended = erasure::carry_out(
        state.db(),
        state.document_log(),
        shapes::of,
        job,
        derived,
        tell,
    )
    .await?;
    if ended == Ended::Done {
        worker::mend(state).await?;
        state.rescan(&rewritten);
    }
    if let Some(case) = case {
        state.events().tell(&municipality, &case, CaseEvent::Case);
    }
    Ok(Some(ended))
}

fn tell(hub: &Hub, told: &Told) {
    match told {
        // A room of another epoch ends with code 6 and is loaded anew.
        Told::Epoch(document, epoch) => hub.nudge(document, *epoch, 0),
        Told::Gone(document) => hub.gone(document),
    }
}

/// Rooms of documents that another process rewrote or removed.
async fn hear(
    state: &AppState,
    since: &str,
    heard: &mut HashMap<ErasureId, Vec<Touched>>,
) -> Result<(), StoreError> {
    let mut tx = state.db().read().await?;
    let all = erasure::touched_since(&mut tx, since).await?;
    drop(tx);
    for (id, touched) in all {
        if heard.get(&id) == Some(&touched) {
            continue;
        }
        let documents: Vec<DocumentId> = touched.iter().map(|t| t.id.clone()).collect();
        forget(state.document_log(), &documents);
        state.db().forget_keys();
        for document in &touched {
            tell(
                state.hub(),
                &match document.epoch {
                    Some(epoch) => Told::Epoch(document.id.clone(), epoch),
                    None => Told::Gone(document.id.clone()),
                },
            );
        }
        state.rescan(&documents);
        heard.insert(id, touched);
    }
    Ok(())
}

fn forget(log: &DocumentLog, documents: &[DocumentId]) {
    for document in documents {
        log.forget(document);
    }
}
