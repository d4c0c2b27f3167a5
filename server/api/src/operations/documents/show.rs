//! `GET /documents/{id}`: what the caller may do with a document.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DocumentAnswer {
    pub id: String,
    pub kind: &'static str,
    pub case_id: Option<String>,
    pub section: Option<&'static str>,
    pub form: Option<String>,
    pub level: &'static str,
    pub comment: bool,
    #[schema(value_type = String)]
    pub state: store::documents::DocumentState,
    pub epoch: u64,
    /// For reviewers.
    pub masks_document_id: Option<String>,
    /// Which one of its kind in the case: プラン番号（回次）. Missing for sheets made with the case.
    pub number: Option<i64>,
    pub dated_on: Option<String>,
    /// Of a final sheet: the publication of the municipality's sheets that it was closed under
    /// (`version` of `GET /forms/{id}`).
    pub forms_version: Option<u32>,
    pub updated_at: String,
}

/// Kind, level and state of a document.
#[utoipa::path(get, path = "/documents/{id}", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = DocumentAnswer), (status = 404)))]
pub async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<DocumentAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id.into())
        .await?
        .ok_or_else(ApiError::not_found)?;
    let forms_version = access.forms_version(&mut tx).await?;
    let info = access.info();
    Ok(Json(DocumentAnswer {
        id: info.id.0.clone(),
        kind: info.kind.code(),
        case_id: info.case.clone().map(|case| case.0),
        section: info.section.map(domain::section::Section::code),
        form: info.form.clone(),
        level: access.level().code(),
        comment: access.comment(),
        state: info.state,
        epoch: info.epoch,
        masks_document_id: access.masks().map(|masks| masks.0.clone()),
        number: info.number,
        dated_on: info.dated_on.clone(),
        forms_version,
        updated_at: info.updated_at.clone(),
    }))
}
