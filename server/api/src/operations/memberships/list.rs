//! `GET /memberships?account_id=`.

use axum::{Json, extract::State};
use domain::id::AccountId;
use serde::{Deserialize, Serialize};
use store::audit::{self, Event};

use super::MembershipAnswer;
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    operations::{accounts::admin, cases::is_id},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct MembershipFilter {
    /// Only this account's.
    pub account_id: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MembershipList {
    pub items: Vec<MembershipAnswer>,
}

/// Memberships within reach.
#[utoipa::path(get, path = "/memberships", tag = "memberships", params(MembershipFilter),
    responses((status = 200, body = MembershipList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
    Query(filter): Query<MembershipFilter>,
) -> Result<Json<MembershipList>, ApiError> {
    let account = filter.account_id.map(AccountId);
    let mut tx = state.db().read().await?;
    let found = admin(&tx, &call)?
        .memberships(&mut tx, account.as_ref())
        .await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "membership.list",
            "account",
            // Whatever else was asked for is not written down.
            account
                .map(|id| id.0)
                .filter(|id| is_id(id))
                .unwrap_or_default(),
        ),
    );
    tx.commit().await?;
    Ok(Json(MembershipList {
        items: found.into_iter().map(Into::into).collect(),
    }))
}
