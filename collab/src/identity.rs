//! Who sits at a connection, and whom a change is attributed to.

use domain::id::{AccountId, AgencyId, MembershipId, MunicipalityId};
use serde::{Deserialize, Serialize};

/// A signed-in person with the active membership, as the session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub municipality: MunicipalityId,
    pub account: AccountId,
    pub membership: MembershipId,
    pub agency: AgencyId,
    /// The account's own display name; shown to others in presence.
    pub name: String,
    /// Name of the agency of the active membership; shown to others in presence.
    pub agency_name: String,
    /// Scopes of an API token, for the access check; empty = everything the membership may.
    pub scopes: Vec<String>,
    /// Id of the session or token that the connection was opened with, for the access check: when
    /// that ends, the connection does. Never sent to anybody.
    pub via: String,
}

impl Identity {
    /// The part that is stored with every change.
    #[must_use]
    pub fn author(&self) -> Author {
        Author {
            account: self.account.clone(),
            membership: self.membership.clone(),
            agency: self.agency.clone(),
        }
    }
}

/// Whom a change is attributed to. Client ids are bound to an author at first sight.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Author {
    pub account: AccountId,
    pub membership: MembershipId,
    pub agency: AgencyId,
}

impl Author {
    /// The author of seeds and migrations: no person, so no account can collide with it.
    #[must_use]
    pub fn system() -> Self {
        Self {
            account: "system".into(),
            membership: "system".into(),
            agency: "system".into(),
        }
    }
}
