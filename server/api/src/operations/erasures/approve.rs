//! `POST /erasures/{id}/approve`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use store::erasure;

use crate::{context::CallContext, error::ApiError, state::AppState};

/// Approve somebody else's request. It is carried out at once and cannot be taken back.
#[utoipa::path(post, path = "/erasures/{id}/approve", tag = "erasures", params(("id" = String, Path)),
    responses((status = 202), (status = 403, description = "forbidden"), (status = 404), (status = 409, description = "conflict: decided already"), (status = 422, description = "same_person")))]
pub async fn approve(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    erasure::approve(&mut tx, &call.caller, &id.into()).await?;
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}
