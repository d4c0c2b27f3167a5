//! `PUT /session/membership`: act as another of one's hats.

use axum::{extract::State, http::StatusCode};
use collab::access::Change;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    sessions,
};

use crate::{
    context::AnySession,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct SwitchRequest {
    pub membership_id: String,
}

/// Switch the active membership. Open documents of the former one are closed.
#[utoipa::path(put, path = "/session/membership", tag = "session", request_body = SwitchRequest,
    responses((status = 204), (status = 404, description = "not one of the account's memberships")))]
pub async fn switch_membership(
    State(state): State<AppState>,
    AnySession(mut session): AnySession,
    Body(request): Body<SwitchRequest>,
) -> Result<StatusCode, ApiError> {
    let former = session.membership.clone();
    let mut tx = state.db().write().await?;
    sessions::switch_membership(&mut tx, &mut session, &request.membership_id.into()).await?;
    let mut event = Event::system(
        &session.municipality,
        "session.membership",
        "account",
        session.account.as_str(),
    );
    event.account = Some(session.account.clone());
    event.membership.clone_from(&session.membership);
    audit::record(&mut tx, event.detail(json!({ "former": former })));
    match former {
        Some(former) => {
            let change = Change::Membership(former);
            state
                .commit_rights(tx, &session.municipality, change)
                .await?;
        }
        None => tx.commit().await?,
    }
    Ok(StatusCode::NO_CONTENT)
}
