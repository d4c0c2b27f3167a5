//! `DELETE /exchange-mappings/{id}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use store::{
    audit::{self, Event},
    mappings,
};

use crate::{context::CallContext, error::ApiError, state::AppState};

/// Remove a mapping. For administrators.
#[utoipa::path(delete, path = "/exchange-mappings/{id}", tag = "imports", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn remove(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    if !mappings::remove(&mut tx, &call.caller, &id).await? {
        return Err(ApiError::not_found());
    }
    audit::record(
        &mut tx,
        Event::by(&call.caller, "mapping.remove", "mapping", id),
    );
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
