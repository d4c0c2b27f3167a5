//! `DELETE /documents/{id}/channels/{channel}`: leave a live document.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};

use super::{Place, find};
use crate::{context::Unattended, error::ApiError, state::AppState};

/// Close a channel. What was sent before stays sent.
#[utoipa::path(delete, path = "/documents/{id}/channels/{channel}", tag = "documents",
    params(("id" = String, Path), ("channel" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn close(
    State(state): State<AppState>,
    Path(place): Path<Place>,
    Unattended(caller): Unattended,
) -> Result<StatusCode, ApiError> {
    find(&state, &caller, &place)?.close();
    Ok(StatusCode::NO_CONTENT)
}
