//! `POST /documents/{id}/masks/finish`: the review is done.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::DocumentId;
use serde::{Deserialize, Serialize};

use super::projection::answer;
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    scanning,
    state::AppState,
};

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct FinishRequest {
    /// Why undecided suggestions may stay (they stay masked).
    pub override_reason: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FinishAnswer {
    pub release_id: String,
    pub pending: usize,
}

/// Release the reviewed state. Undecided suggestions answer 409 `masks_pending` with their number,
/// unless a reason is given.
#[utoipa::path(post, path = "/documents/{id}/masks/finish", tag = "masks", params(("id" = String, Path)), request_body = FinishRequest,
    responses((status = 200, body = FinishAnswer), (status = 403), (status = 404), (status = 409, description = "masks_pending"), (status = 503, description = "models_not_ready")))]
pub async fn finish_masks(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
    Body(request): Body<FinishRequest>,
) -> Result<Json<FinishAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    drop(tx);
    if !access.may_review() {
        return Err(ApiError::forbidden());
    }
    // What was typed a moment ago is part of what is released, or it waits as undecided.
    let turn = state.inference_turn().await?;
    let pending = scanning::scan(&state, &id).await?;
    drop(turn);
    let reason = request
        .override_reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty());
    if pending > 0 && reason.is_none() {
        return Err(ApiError::conflict("masks_pending").with("pending", pending));
    }
    let released = answer(&state, &access, true).await?;
    let value = serde_json::to_value(&released.fields).map_err(ApiError::internal)?;
    let mut tx = state.db().write().await?;
    // Asked again: the scan may have taken a while.
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let waiting = i64::try_from(pending).unwrap_or(i64::MAX);
    let release_id = access
        .release_masks(&mut tx, released.seq, waiting, reason, &value)
        .await?;
    tx.commit().await?;
    Ok(Json(FinishAnswer {
        release_id,
        pending,
    }))
}
