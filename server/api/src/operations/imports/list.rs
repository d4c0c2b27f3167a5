//! `GET /imports`.

use axum::{Json, extract::State};
use serde::Serialize;
use store::imports;

use super::{ImportSummary, in_short};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImportList {
    pub items: Vec<ImportSummary>,
}

/// The caller's own imports, the newest first.
#[utoipa::path(get, path = "/imports", tag = "imports",
    responses((status = 200, body = ImportList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<ImportList>, ApiError> {
    if !imports::may_import(&call.caller) {
        return Err(ApiError::forbidden());
    }
    let mut tx = state.db().read().await?;
    let items = imports::list(&mut tx, &call.caller).await?;
    Ok(Json(ImportList {
        items: items
            .iter()
            .map(|import| in_short(&state, import))
            .collect(),
    }))
}
