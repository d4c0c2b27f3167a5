//! `POST /memberships/{id}/stop`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::MembershipId;
use store::audit::Event;

use super::{finish, not_own};
use crate::{context::CallContext, error::ApiError, operations::accounts::admin, state::AppState};

/// Stop a membership: its sessions end at once.
#[utoipa::path(post, path = "/memberships/{id}/stop", tag = "memberships", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "own_membership")))]
pub async fn stop(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = MembershipId(id);
    not_own(&call, &id)?;
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.stop_membership(&mut tx, &id).await?;
    finish(
        &state,
        tx,
        Event::by(&call.caller, "membership.stop", "membership", id.as_str()),
        id,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
