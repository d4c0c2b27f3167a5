//! `GET /exchange-mappings`.

use axum::{Json, extract::State};
use serde::Serialize;
use store::mappings;

use super::{MappingAnswer, answer};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MappingList {
    pub items: Vec<MappingAnswer>,
    /// Whether the caller may keep and remove them.
    pub may_edit: bool,
}

/// The municipality's mappings.
#[utoipa::path(get, path = "/exchange-mappings", tag = "imports",
    responses((status = 200, body = MappingList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<MappingList>, ApiError> {
    let mut tx = state.db().read().await?;
    let kept = mappings::list(&mut tx, &call.caller).await?;
    Ok(Json(MappingList {
        items: kept.into_iter().map(answer).collect::<Result<_, _>>()?,
        may_edit: mappings::may_edit(&call.caller),
    }))
}
