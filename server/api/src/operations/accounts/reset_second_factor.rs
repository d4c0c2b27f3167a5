//! `POST /accounts/{id}/reset-second-factor`: a lost authenticator.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::AccountId;

use super::{admin, finish, not_own};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Take the second factor away: the next sign-in enrols anew.
#[utoipa::path(post, path = "/accounts/{id}/reset-second-factor", tag = "accounts", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "own_account")))]
pub async fn reset_second_factor(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = AccountId(id);
    not_own(&call, &id)?;
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.reset_second_factor(&mut tx, &id).await?;
    finish(&state, tx, &call, "account.reset_second_factor", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
