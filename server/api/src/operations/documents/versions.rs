//! `GET /documents/{id}/versions`: moments that were kept.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{clock::instant_text, disclosure::Level, id::DocumentId};
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VersionList {
    pub items: Vec<VersionItem>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VersionItem {
    pub seq: u64,
    pub at: String,
    /// `final`, or empty for the automatic ones.
    pub label: String,
    pub by: Option<String>,
}

/// Versions, oldest first. For readers of the original.
#[utoipa::path(get, path = "/documents/{id}/versions", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = VersionList), (status = 403), (status = 404)))]
pub async fn versions(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<VersionList>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if access.level() < Level::Read {
        return Err(ApiError::forbidden());
    }
    let kept = state
        .log()
        .versions(&id)
        .await
        .map_err(ApiError::internal)?;
    let accounts: Vec<_> = kept
        .iter()
        .map(|version| version.author.account.clone())
        .collect();
    let names = store::accounts::names(&mut tx, &access.info().municipality, &accounts).await?;
    let items = kept
        .into_iter()
        .map(|version| VersionItem {
            seq: version.seq,
            at: instant_text(version.at),
            label: version.label,
            by: names.get(&version.author.account).cloned(),
        })
        .collect();
    Ok(Json(VersionList { items }))
}
