//! `GET /colleagues`: whom a 割当 can go to.

use axum::{Json, extract::State};
use serde::Serialize;
use store::memberships;

use crate::{
    context::CallContext, error::ApiError, operations::cases::answers::NamedAnswer, state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ColleagueList {
    pub items: Vec<NamedAnswer>,
}

/// Who works on cases for the caller's agency, by name, the caller included.
#[utoipa::path(get, path = "/colleagues", tag = "requests",
    responses((status = 200, body = ColleagueList), (status = 403, description = "forbidden")))]
pub async fn colleagues(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<ColleagueList>, ApiError> {
    let mut tx = state.db().read().await?;
    let found = memberships::colleagues(&mut tx, &call.caller).await?;
    Ok(Json(ColleagueList {
        items: found
            .into_iter()
            .map(|(id, name)| NamedAnswer { id: id.0, name })
            .collect(),
    }))
}
