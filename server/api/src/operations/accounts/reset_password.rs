//! `POST /accounts/{id}/reset-password`: a forgotten password.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::AccountId;

use super::{OneTimePassword, admin, finish, not_own, one_time_password};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Replace the password by a one-time password; sessions end.
#[utoipa::path(post, path = "/accounts/{id}/reset-password", tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, body = OneTimePassword), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "own_account")))]
pub async fn reset_password(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<OneTimePassword>, ApiError> {
    let id = AccountId(id);
    not_own(&call, &id)?;
    let mut tx = state.db().read().await?;
    let account = admin(&tx, &call)?
        .account(&mut tx, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    drop(tx);
    let (password, hash) = one_time_password(&state, &account.login_id).await?;
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?
        .reset_password(&mut tx, &id, &hash)
        .await?;
    finish(&state, tx, &call, "account.reset_password", &id).await?;
    Ok(Json(OneTimePassword {
        one_time_password: password,
    }))
}
