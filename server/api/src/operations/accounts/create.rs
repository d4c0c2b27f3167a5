//! `POST /accounts`: an account with a one-time password, and usually its first membership.

use axum::{Json, extract::State, http::StatusCode};
use domain::{id::AgencyId, role::Role};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    accounts::NewAccount,
    audit::{self, Event},
    memberships::NewMembership,
};

use super::{AccountAnswer, admin, answer, one_time_password};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct CreateAccount {
    /// 3 to 64 letters, digits, `. _ - @`; compared in lower case.
    pub login_id: String,
    pub name: String,
    pub kana: Option<String>,
    pub email: Option<String>,
    pub profession: Option<String>,
    /// Required of an agency's manager, who would not see the account otherwise.
    pub membership: Option<FirstMembership>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct FirstMembership {
    pub agency_id: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// Today when missing.
    #[schema(value_type = Option<String>)]
    pub valid_from: Option<Date>,
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Date>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedAccount {
    pub account: AccountAnswer,
    /// Shown this once; must be changed at the first sign-in, which also enrols the second factor.
    pub one_time_password: String,
}

impl std::fmt::Debug for CreatedAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreatedAccount")
    }
}

/// Create an account.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = CreateAccount,
    responses((status = 201, body = CreatedAccount), (status = 403, description = "forbidden"), (status = 409, description = "taken"), (status = 422, description = "invalid")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<CreateAccount>,
) -> Result<(StatusCode, Json<CreatedAccount>), ApiError> {
    let municipal = admin(&state.db().read().await?, &call)?.is_municipal();
    if !municipal && request.membership.is_none() {
        return Err(ApiError::invalid_field("membership", "required"));
    }
    // Hashing takes its time: before the transaction, which would hold up every other writer.
    let (password, password_hash) = one_time_password(&state, &request.login_id).await?;
    let mut tx = state.db().write().await?;
    let admin = admin(&tx, &call)?;
    let new = NewAccount {
        login_id: request.login_id,
        name: request.name,
        kana: request.kana,
        email: request.email,
        profession: request.profession,
        password_hash,
        must_change_password: true,
    };
    let id = admin.create_account(&mut tx, &new).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "account.create", "account", id.as_str()),
    );
    if let Some(first) = request.membership {
        let agency = AgencyId(first.agency_id);
        let new = NewMembership {
            account: id.clone(),
            agency: agency.clone(),
            role: first.role,
            valid_from: first.valid_from.unwrap_or(call.caller.viewer.today),
            valid_to: first.valid_to,
        };
        let membership = admin.create_membership(&mut tx, &new).await?;
        let detail = json!({ "account": id, "agency": agency, "role": first.role });
        audit::record(
            &mut tx,
            Event::by(
                &call.caller,
                "membership.create",
                "membership",
                membership.as_str(),
            )
            .detail(detail),
        );
    }
    let account = answer(&mut tx, &admin, &id).await?;
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(CreatedAccount {
            account,
            one_time_password: password,
        }),
    ))
}
