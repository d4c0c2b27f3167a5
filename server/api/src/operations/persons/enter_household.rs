//! `POST /persons/{id}/households`: a person comes to a household, or founds one.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{household::HouseholdKind, id::PersonId};
use jiff::civil::Date;
use serde::Deserialize;
use store::households::NewStay;

use super::{PersonAnswer, closed, households, merge::refuse_merged};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnterHousehold {
    /// `registered` (住民票世帯) or `actual` (実世帯).
    #[schema(value_type = String)]
    pub kind: HouseholdKind,
    /// Missing: a new household.
    pub household_id: Option<String>,
    /// To the head, option list `kinship`; `self` is the head.
    pub kinship: Option<String>,
    pub kinship_other: Option<String>,
    /// First day. A stay in another household of the kind ends the day before; may be missing only
    /// where there is none.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// Last day, of a stay that is over.
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
    /// Why: 転入, 世帯分離, 同居 …
    pub reason: Option<String>,
}

closed!(EnterHousehold);

/// Put a person into a household, or move it there.
#[utoipa::path(post, path = "/persons/{id}/households", tag = "persons", params(("id" = String, Path)), request_body = EnterHousehold,
    responses((status = 201, body = PersonAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "merged"), (status = 422, description = "invalid or personal_number")))]
pub async fn enter_household(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<EnterHousehold>,
) -> Result<(StatusCode, Json<PersonAnswer>), ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().write().await?;
    let Some(access) = tx.person_for(&call.caller, &id).await? else {
        return Err(refuse_merged(&mut tx, &call, &id).await);
    };
    let texts = [
        ("kinship_other", request.kinship_other.as_deref()),
        ("reason", request.reason.as_deref()),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(field, text)| Some((field, text?)));
    households::check(request.kinship.as_deref(), texts)?;
    let new = NewStay {
        kind: request.kind,
        household: request.household_id,
        kinship: request.kinship,
        kinship_other: request.kinship_other,
        from: request.from,
        to: request.to,
        reason: request.reason,
    };
    let stay = access
        .enter_household(&mut tx, &new)
        .await
        .map_err(households::refused)?;
    let done = households::finish(&state, tx, &call, &access, "household.enter", &stay).await?;
    Ok((StatusCode::CREATED, Json(done)))
}
