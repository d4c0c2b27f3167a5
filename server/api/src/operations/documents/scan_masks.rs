//! `POST /documents/{id}/masks/scan`: look for names now.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::DocumentId;
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, scanning, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ScanAnswer {
    /// Suggestions nobody has decided on.
    pub pending: usize,
}

/// Scan the texts now instead of after the pause.
#[utoipa::path(post, path = "/documents/{id}/masks/scan", tag = "masks", params(("id" = String, Path)),
    responses((status = 200, body = ScanAnswer), (status = 403), (status = 404), (status = 503, description = "models_not_ready, overloaded")))]
pub async fn scan_masks(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<ScanAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if !access.may_review() {
        return Err(ApiError::forbidden());
    }
    drop(tx);
    let _turn = state.inference_turn().await?;
    let pending = scanning::scan(&state, &id).await?;
    Ok(Json(ScanAnswer { pending }))
}
