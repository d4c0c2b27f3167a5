//! `POST /memberships/{id}/reactivate`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::MembershipId;
use store::audit::Event;

use super::finish;
use crate::{context::CallContext, error::ApiError, operations::accounts::admin, state::AppState};

/// Take a stopped membership back.
#[utoipa::path(post, path = "/memberships/{id}/reactivate", tag = "memberships", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn reactivate(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = MembershipId(id);
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?
        .reactivate_membership(&mut tx, &id)
        .await?;
    finish(
        &state,
        tx,
        Event::by(
            &call.caller,
            "membership.reactivate",
            "membership",
            id.as_str(),
        ),
        id,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
