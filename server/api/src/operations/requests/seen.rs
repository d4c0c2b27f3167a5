//! `POST /requests/{id}/seen`: the answer was read.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use store::requests;

use crate::{context::CallContext, error::ApiError, state::AppState};

/// Say that the answer was read: the reminder on the home screen goes, for the whole agency that asked.
#[utoipa::path(post, path = "/requests/{id}/seen", tag = "requests", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn seen(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    requests::saw(&mut tx, &call.caller, &id.into()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
