//! `GET /imports/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::{ImportAnswer, answer, find};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// How far the import is, and what was found out about its file.
#[utoipa::path(get, path = "/imports/{id}", tag = "imports", params(("id" = String, Path)),
    responses((status = 200, body = ImportAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let import = find(&mut tx, &call, &id).await?;
    Ok(Json(answer(&state, &mut tx, &import).await?))
}
