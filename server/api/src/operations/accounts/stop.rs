//! `POST /accounts/{id}/stop`: the account cannot sign in any more.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::AccountId;

use super::{admin, finish, not_own};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Stop an account; its sessions and tokens end at once.
#[utoipa::path(post, path = "/accounts/{id}/stop", tag = "accounts", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "own_account")))]
pub async fn stop(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = AccountId(id);
    not_own(&call, &id)?;
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.stop_account(&mut tx, &id).await?;
    finish(&state, tx, &call, "account.stop", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
