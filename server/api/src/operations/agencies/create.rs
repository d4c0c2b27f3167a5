//! `POST /agencies`.

use axum::{Json, extract::State, http::StatusCode};
use domain::agency::AgencyClass;
use serde::Deserialize;
use serde_json::json;
use store::{
    agencies::NewAgency,
    audit::{self, Event},
};

use super::{AgencyAnswer, answer};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::accounts::admin,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct CreateAgency {
    pub name: String,
    #[schema(value_type = String)]
    pub class: AgencyClass,
    /// Option list `org_type`.
    pub org_type: Option<String>,
    pub phone: Option<String>,
}

/// Create an agency.
#[utoipa::path(post, path = "/agencies", tag = "agencies", request_body = CreateAgency,
    responses((status = 201, body = AgencyAnswer), (status = 403, description = "forbidden"), (status = 409, description = "taken"), (status = 422, description = "invalid")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<CreateAgency>,
) -> Result<(StatusCode, Json<AgencyAnswer>), ApiError> {
    check_org_type(request.org_type.as_deref())?;
    let mut tx = state.db().write().await?;
    let new = NewAgency {
        name: request.name,
        class: request.class,
        org_type: request.org_type,
        phone: request.phone,
        organisation: None,
    };
    let id = admin(&tx, &call)?.create_agency(&mut tx, &new).await?;
    let event = Event::by(&call.caller, "agency.create", "agency", id.as_str());
    audit::record(&mut tx, event.detail(json!({ "class": request.class })));
    let created = answer(&mut tx, &call, &id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(created)))
}

pub(super) fn check_org_type(code: Option<&str>) -> Result<(), ApiError> {
    let list = domain::form::catalogue().list("org_type");
    match code {
        Some(code) if list.is_none_or(|list| list.option(code).is_none()) => {
            Err(ApiError::invalid_field("org_type", "unknown_option"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_agency_is_an_option() {
        let list = domain::form::catalogue().list("org_type").unwrap();
        assert!(check_org_type(Some(&list.options[0].code)).is_ok());
        assert!(check_org_type(None).is_ok());
        assert!(check_org_type(Some("nonsense")).is_err());
    }
}
