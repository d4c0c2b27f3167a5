//! `GET /persons/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::PersonId;
use store::audit::{self, Event};

use super::{PersonAnswer, answer, resolved};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// One person with periods, flags, households and possible duplicates. The id of somebody who was
/// merged into another answers with the one that was kept.
#[utoipa::path(get, path = "/persons/{id}", tag = "persons", params(("id" = String, Path)),
    responses((status = 200, body = PersonAnswer), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<PersonAnswer>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().read().await?;
    let (id, access) = match tx.person_for(&call.caller, &id).await? {
        Some(access) => (id, access),
        None => resolved(&mut tx, &call.caller, &id)
            .await?
            .ok_or_else(ApiError::not_found)?,
    };
    let person = answer(&mut tx, &call.caller, &access).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.view", "person", id.as_str()),
    );
    tx.commit().await?;
    Ok(Json(person))
}
