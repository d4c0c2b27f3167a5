//! Memberships: account × agency × role × period.

use collab::access::Change;
use domain::id::MembershipId;
use serde::Serialize;
use store::{
    Tx,
    accounts::AdminAccess,
    audit::{self, Event},
    memberships::Membership,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, error::ApiError, state::AppState};

pub mod create;
pub mod list;
pub mod reactivate;
pub mod stop;
pub mod update;

/// The operations on memberships.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(update::update))
        .routes(routes!(stop::stop))
        .routes(routes!(reactivate::reactivate))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MembershipAnswer {
    pub id: String,
    pub account_id: String,
    pub agency: MembershipAgency,
    pub role: &'static str,
    pub role_label: &'static str,
    pub valid_from: String,
    /// Last day; `null` = open.
    pub valid_to: Option<String>,
    /// Neither the membership nor its agency is stopped.
    pub active: bool,
    pub version: i64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MembershipAgency {
    pub id: String,
    pub name: String,
    pub class: &'static str,
}

impl From<Membership> for MembershipAnswer {
    fn from(membership: Membership) -> Self {
        Self {
            id: membership.id.0,
            account_id: membership.account.0,
            agency: MembershipAgency {
                id: membership.agency.0,
                name: membership.agency_name,
                class: membership.agency_class.code(),
            },
            role: membership.role.code(),
            role_label: membership.role.label_ja(),
            valid_from: membership.valid_from.to_string(),
            valid_to: membership.valid_to.map(|day| day.to_string()),
            active: membership.active,
            version: membership.version,
        }
    }
}

async fn answer(
    tx: &mut Tx,
    admin: &AdminAccess,
    id: &MembershipId,
) -> Result<MembershipAnswer, ApiError> {
    Ok(admin
        .membership(tx, id)
        .await?
        .ok_or_else(ApiError::not_found)?
        .into())
}

/// The membership one acts in is not taken away by oneself: an administrator always remains.
fn not_own(call: &CallContext, id: &MembershipId) -> Result<(), ApiError> {
    if call.caller.viewer.membership == *id {
        Err(ApiError::conflict("own_membership"))
    } else {
        Ok(())
    }
}

/// Audits, commits and has the membership's open documents checked again.
async fn finish(
    state: &AppState,
    mut tx: Tx,
    event: Event,
    id: MembershipId,
) -> Result<(), ApiError> {
    let municipality = event.municipality.clone();
    audit::record(&mut tx, event);
    state
        .commit_rights(tx, &municipality, Change::Membership(id))
        .await
}
