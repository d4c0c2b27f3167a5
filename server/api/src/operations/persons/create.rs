//! `POST /persons`: somebody new in the register.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    persons,
};

use super::{PersonAnswer, PersonInput, answer, check_agencies};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CreatedPerson {
    pub id: String,
    /// Missing for an agency, which sees persons only through a case.
    pub person: Option<PersonAnswer>,
}

/// Register a person.
#[utoipa::path(post, path = "/persons", tag = "persons", request_body = PersonInput,
    responses((status = 201, body = CreatedPerson), (status = 403, description = "forbidden"), (status = 422, description = "invalid or personal_number")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<PersonInput>,
) -> Result<(StatusCode, Json<CreatedPerson>), ApiError> {
    let new = request.check("", call.caller.viewer.today)?;
    let mut tx = state.db().write().await?;
    check_agencies(&mut tx, &call.caller, &new.address_allow).await?;
    let id = persons::create(&mut tx, &call.caller, &new).await?;
    let detail =
        json!({ "address_confidential": new.address_confidential, "flags": new.flags.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.create", "person", id.as_str()).detail(detail),
    );
    let person = match tx.person_for(&call.caller, &id).await? {
        Some(access) => Some(answer(&mut tx, &call.caller, &access).await?),
        None => None,
    };
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(CreatedPerson { id: id.0, person }),
    ))
}
