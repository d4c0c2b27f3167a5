//! `POST /erasures/{id}/reject`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use store::erasure;

use crate::{context::CallContext, error::ApiError, state::AppState};

/// Turn a request down, or take the own one back.
#[utoipa::path(post, path = "/erasures/{id}/reject", tag = "erasures", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404), (status = 409, description = "conflict: decided already")))]
pub async fn reject(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    erasure::reject(&mut tx, &call.caller, &id.into()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
