//! `GET /instance`: what the sign-in page must say before anybody has signed in.

use axum::{Json, extract::State};
use serde::Serialize;
use store::municipalities;

use crate::{error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Instance {
    /// Every municipality here is fictitious: no page may be taken for the real thing.
    pub demo: bool,
}

/// What this installation is, for everybody.
#[utoipa::path(get, path = "/instance", tag = "session", responses((status = 200, body = Instance)))]
pub async fn instance(State(state): State<AppState>) -> Result<Json<Instance>, ApiError> {
    let mut tx = state.db().read().await?;
    let all = municipalities::list(&mut tx).await?;
    Ok(Json(Instance {
        demo: !all.is_empty() && all.iter().all(|municipality| municipality.demo),
    }))
}
