//! `POST /cases/{id}/persons`: a family member or somebody else of the case.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::{CaseId, PersonId};
use serde::Deserialize;
use serde_json::json;
use store::{audit, cases::CaseRole, persons};

use super::{
    Mode, affected,
    answers::{CaseDetail, detail},
    event, open, rights_changed,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::persons::PersonInput,
    state::AppState,
};

/// Somebody of the register, or somebody new: exactly one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPerson {
    pub person_id: Option<String>,
    pub person: Option<PersonInput>,
    /// `client`, `household`, `relative` or `related`.
    #[schema(value_type = String)]
    pub role: CaseRole,
    /// Option list `kinship`.
    pub kinship: Option<String>,
}

impl std::fmt::Debug for AddPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddPerson")
    }
}

/// Add a person to a case. The person's consent is unconfirmed: agencies see everything about
/// everybody masked until it is registered or another basis covers them.
#[utoipa::path(post, path = "/cases/{id}/persons", tag = "cases", params(("id" = String, Path)), request_body = AddPerson,
    responses((status = 201, body = CaseDetail), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "taken"), (status = 422, description = "invalid or personal_number")))]
pub async fn add_person(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<AddPerson>,
) -> Result<(StatusCode, Json<CaseDetail>), ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    // Before anything is looked up: what is answered must not tell who is in the case.
    if !access.may_add_persons() {
        return Err(ApiError::forbidden());
    }
    let kinships = domain::form::catalogue().list("kinship");
    if request
        .kinship
        .as_deref()
        .is_some_and(|code| kinships.is_none_or(|list| list.option(code).is_none()))
    {
        return Err(ApiError::invalid_field("kinship", "unknown_option"));
    }
    let person = match (request.person_id, request.person) {
        (Some(person), None) => PersonId(person),
        (None, Some(person)) => {
            let new = person.check("person", call.caller.viewer.today)?;
            let person = persons::create(&mut tx, &call.caller, &new).await?;
            audit::record(
                &mut tx,
                audit::Event::by(&call.caller, "person.create", "person", person.as_str()),
            );
            person
        }
        _ => return Err(ApiError::invalid_field("person", "person_or_person_id")),
    };
    access
        .add_person(&mut tx, &person, request.role, request.kinship.as_deref())
        .await?;
    audit::record(
        &mut tx,
        event(&call, "case.person_add", &id)
            .detail(json!({ "person": person, "role": request.role })),
    );
    let access = tx
        .case_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let answer = detail(&mut tx, &access).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents.clone()).await?;
    state.rescan(&documents);
    Ok((StatusCode::CREATED, Json(answer)))
}
