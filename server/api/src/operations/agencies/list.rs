//! `GET /agencies`.

use axum::{Json, extract::State};
use serde::Serialize;
use store::agencies;

use super::AgencyAnswer;
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AgencyList {
    pub items: Vec<AgencyAnswer>,
}

/// All agencies of the municipality, stopped ones included. No case and no person is in the
/// answer, so it is not audited.
#[utoipa::path(get, path = "/agencies", tag = "agencies", responses((status = 200, body = AgencyList)))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<AgencyList>, ApiError> {
    let mut tx = state.db().read().await?;
    let all = agencies::list(&mut tx, &call.caller.viewer.municipality).await?;
    tx.commit().await?;
    Ok(Json(AgencyList {
        items: all.into_iter().map(Into::into).collect(),
    }))
}
