//! `POST /documents/{id}/reopen`: correct a final sheet; what was final stays.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::DocumentId;
use store::audit::{self, Event};

use crate::{
    context::CallContext, error::ApiError, operations::documents::draft_or_final, state::AppState,
};

/// Open a final document for a correction.
#[utoipa::path(post, path = "/documents/{id}/reopen", tag = "documents", params(("id" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 409, description = "conflict: not final")))]
pub async fn reopen(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<StatusCode, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().write().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    access.reopen(&mut tx).await?;
    let mut event = Event::by(&context.caller, "document.reopen", "document", id.as_str());
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    draft_or_final(&state, tx, &access).await?;
    Ok(StatusCode::NO_CONTENT)
}
