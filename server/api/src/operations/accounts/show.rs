//! `GET /accounts/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::AccountId;
use store::audit::{self, Event};

use super::{AccountAnswer, admin, answer};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// One account within reach.
#[utoipa::path(get, path = "/accounts/{id}", tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, body = AccountAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<AccountAnswer>, ApiError> {
    let id = AccountId(id);
    let mut tx = state.db().read().await?;
    let admin = admin(&tx, &call)?;
    let found = answer(&mut tx, &admin, &id).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "account.view", "account", id.as_str()),
    );
    tx.commit().await?;
    Ok(Json(found))
}
