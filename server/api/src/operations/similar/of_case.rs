//! `GET /cases/{id}/similar`: cases like this one.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{disclosure::Level, id::CaseId, role::Capability, section::Section};
use serde_json::json;
use store::audit::{self, Event};

use super::{SimilarList, find};
use crate::{
    context::CallContext,
    error::ApiError,
    state::AppState,
    vectors::{self, SECTIONS},
};

/// Compares by the case's own masked digest, out of the sections the caller sees at least masked.
#[utoipa::path(get, path = "/cases/{id}/similar", tag = "similar", params(("id" = String, Path)),
    responses((status = 200, body = SimilarList), (status = 403, description = "forbidden"), (status = 404),
        (status = 503, description = "models_not_ready, model_unavailable, overloaded")))]
pub async fn of_case(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
) -> Result<Json<SimilarList>, ApiError> {
    call.caller.require(Capability::ReadSimilar)?;
    let case: CaseId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .case_for(&call.caller, &case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let sections: Vec<Section> = SECTIONS
        .into_iter()
        .filter(|section| access.decision(*section).level >= Level::Masked)
        .collect();
    let digest =
        vectors::digest(&mut tx, &call.caller.viewer.municipality, &case, &sections).await?;
    drop(tx);
    let answer = match digest {
        Some(digest) => find(&state, &call, digest, Some(&case)).await?,
        None => {
            vectors::engines(&state).await?;
            SimilarList::empty("not_scanned")
        }
    };
    let mut tx = state.db().read().await?;
    let event = Event::by(&call.caller, "similar.search", "case", case.as_str()).in_case(&case);
    audit::record(&mut tx, event.detail(json!({ "hits": answer.hits.len() })));
    tx.commit().await?;
    Ok(Json(answer))
}
