//! `POST /memberships`: another hat for an account.

use axum::{Json, extract::State, http::StatusCode};
use domain::{
    id::{AccountId, AgencyId},
    role::Role,
};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    memberships::NewMembership,
};

use super::{MembershipAnswer, answer};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::accounts::admin,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct CreateMembership {
    pub account_id: String,
    pub agency_id: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// First day; today when missing.
    #[schema(value_type = Option<String>)]
    pub valid_from: Option<Date>,
    /// Last day; open when missing.
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Date>,
}

/// Give an account a role in an agency.
#[utoipa::path(post, path = "/memberships", tag = "memberships", request_body = CreateMembership,
    responses((status = 201, body = MembershipAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 422, description = "role does not fit the agency, or an empty period")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<CreateMembership>,
) -> Result<(StatusCode, Json<MembershipAnswer>), ApiError> {
    let new = NewMembership {
        account: AccountId(request.account_id),
        agency: AgencyId(request.agency_id),
        role: request.role,
        valid_from: request.valid_from.unwrap_or(call.caller.viewer.today),
        valid_to: request.valid_to,
    };
    let mut tx = state.db().write().await?;
    let admin = admin(&tx, &call)?;
    let id = admin.create_membership(&mut tx, &new).await?;
    let detail = json!({ "account": new.account, "agency": new.agency, "role": new.role });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "membership.create", "membership", id.as_str()).detail(detail),
    );
    let created = answer(&mut tx, &admin, &id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(created)))
}
