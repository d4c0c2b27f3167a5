//! `POST /documents`: a shared note.

use axum::{Json, extract::State, http::StatusCode};
use domain::section::DocumentKind;
use serde::{Deserialize, Serialize};
use store::{
    audit::{self, Event},
    documents,
};

use crate::{
    context::CallContext,
    error::{ApiError, Body},
    shapes,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct NewDocument {
    /// `note`: the other kinds belong to a case.
    pub kind: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CreatedDocument {
    pub id: String,
}

/// Create a 共有メモ: a document with the root Y.Text `content`.
#[utoipa::path(post, path = "/documents", tag = "documents", request_body = NewDocument,
    responses((status = 201, body = CreatedDocument), (status = 403), (status = 422, description = "unknown kind")))]
pub async fn create(
    State(state): State<AppState>,
    context: CallContext,
    Body(request): Body<NewDocument>,
) -> Result<(StatusCode, Json<CreatedDocument>), ApiError> {
    if request.kind != DocumentKind::Note.code() {
        return Err(ApiError::invalid_field("kind", "kind"));
    }
    let shape = shapes::of(DocumentKind::Note, domain::form::catalogue())
        .ok_or_else(|| ApiError::internal("no shape for notes"))?;
    let mut tx = state.db().write().await?;
    let id = documents::create_note(&mut tx, &context.caller).await?;
    audit::record(
        &mut tx,
        Event::by(&context.caller, "document.create", "document", id.as_str()),
    );
    tx.commit().await?;
    state
        .hub()
        .create(&id, &shape)
        .await
        .map_err(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(CreatedDocument { id: id.0 })))
}
