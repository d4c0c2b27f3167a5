//! `GET /documents/{id}/masks/preview`: what a partner agency would see.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;

use super::projection::{ProjectionAnswer, answer};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct PreviewQuery {
    /// The agency whose view is asked for; masked agencies all see the same.
    pub agency_id: Option<String>,
}

/// The masked projection, for reviewers.
#[utoipa::path(get, path = "/documents/{id}/masks/preview", tag = "masks", params(("id" = String, Path), PreviewQuery),
    responses((status = 200, body = ProjectionAnswer), (status = 403), (status = 404)))]
pub async fn preview_masks(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<PreviewQuery>,
    context: CallContext,
) -> Result<Json<ProjectionAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id.into())
        .await?
        .ok_or_else(ApiError::not_found)?;
    if !access.may_review() {
        return Err(ApiError::forbidden());
    }
    if let Some(agency) = query.agency_id {
        let municipality = &context.caller.viewer.municipality;
        store::agencies::get(&mut tx, municipality, &agency.into())
            .await?
            .ok_or_else(ApiError::not_found)?;
    }
    drop(tx);
    answer(&state, &access, true).await.map(Json)
}
