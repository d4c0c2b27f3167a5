//! `POST /accounts/{id}/reactivate`: the account may sign in again.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::AccountId;

use super::{admin, finish};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Let a stopped account sign in again.
#[utoipa::path(post, path = "/accounts/{id}/reactivate", tag = "accounts", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn reactivate(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = AccountId(id);
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.reactivate_account(&mut tx, &id).await?;
    finish(&state, tx, &call, "account.reactivate", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
