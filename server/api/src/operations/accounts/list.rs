//! `GET /accounts`: the accounts within reach.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use store::audit::{self, Event};

use super::{AccountAnswer, admin};
use crate::{
    context::CallContext, error::ApiError, operations::memberships::MembershipAnswer,
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AccountList {
    pub items: Vec<AccountAnswer>,
}

/// Accounts by login id, with their memberships.
#[utoipa::path(get, path = "/accounts", tag = "accounts",
    responses((status = 200, body = AccountList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<AccountList>, ApiError> {
    let mut tx = state.db().read().await?;
    let admin = admin(&tx, &call)?;
    let mut by_account: BTreeMap<_, Vec<MembershipAnswer>> = BTreeMap::new();
    for membership in admin.memberships(&mut tx, None).await? {
        by_account
            .entry(membership.account.clone())
            .or_default()
            .push(membership.into());
    }
    let accounts = admin.accounts(&mut tx).await?;
    let items = accounts
        .into_iter()
        .map(|account| {
            let memberships = by_account.remove(&account.id).unwrap_or_default();
            AccountAnswer::new(account, memberships)
        })
        .collect();
    audit::record(
        &mut tx,
        Event::by(&call.caller, "account.list", "account", ""),
    );
    tx.commit().await?;
    Ok(Json(AccountList { items }))
}
