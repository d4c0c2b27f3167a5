//! `GET /erasures`: requests and 廃棄記録.

use axum::{Json, extract::State};
use serde::Serialize;
use store::erasure;

use super::ErasureAnswer;
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErasureList {
    pub items: Vec<ErasureAnswer>,
}

/// The newest first, up to 500. For those who may ask for an erasure, and for auditors.
#[utoipa::path(get, path = "/erasures", tag = "erasures",
    responses((status = 200, body = ErasureList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<ErasureList>, ApiError> {
    let mut tx = state.db().read().await?;
    let items = erasure::list(&mut tx, &call.caller).await?;
    tx.commit().await?;
    let account = &call.caller.viewer.account;
    Ok(Json(ErasureList {
        items: items
            .into_iter()
            .map(|erasure| ErasureAnswer::of(erasure, account))
            .collect(),
    }))
}
