//! `DELETE /persons/{id}/households/{stay_id}`: a stay that was entered by mistake.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use domain::id::PersonId;
use serde::Deserialize;

use super::{PersonAnswer, households, merge::refuse_merged};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemoveStay {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
}

/// Take out a stay that was entered by mistake. Who left a household gets a last day instead.
#[utoipa::path(delete, path = "/persons/{id}/households/{stay_id}", tag = "persons",
    params(("id" = String, Path), ("stay_id" = String, Path), RemoveStay),
    responses((status = 200, body = PersonAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict or merged")))]
pub async fn remove_stay(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, stay)): Path<(String, String)>,
    Query(query): Query<RemoveStay>,
) -> Result<Json<PersonAnswer>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().write().await?;
    let Some(access) = tx.person_for(&call.caller, &id).await? else {
        return Err(refuse_merged(&mut tx, &call, &id).await);
    };
    access
        .remove_stay(&mut tx, &stay, query.version)
        .await
        .map_err(households::refused)?;
    let done = households::finish(&state, tx, &call, &access, "household.remove", &stay).await?;
    Ok(Json(done))
}
