//! Who asks: the caller of an operation, made from a session or an API token and from nothing else.

use domain::disclosure::Viewer;
use domain::role::Capability;
use jiff::tz::TimeZone;

use crate::error::{Result, StoreError};

/// A signed-in account in its active membership.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// What the disclosure policy looks at.
    pub viewer: Viewer,
    /// Display name of the account.
    pub name: String,
    /// Name of the active membership's agency.
    pub agency_name: String,
    /// Zone of the municipality's business dates.
    pub zone: TimeZone,
    /// Scopes of an API token; empty = everything the membership may.
    pub scopes: Vec<String>,
    /// Whether the account was signed in by an API token.
    pub by_token: bool,
    /// Which session or API token it was, as an id: what stays open ends with it
    /// ([`crate::sessions::holds`]).
    pub via: String,
}

impl Caller {
    /// Whether the role has the capability and the token's scopes (if any) name it.
    #[must_use]
    pub fn may(&self, capability: Capability) -> bool {
        self.viewer.role.has(capability)
            && (self.scopes.is_empty()
                || self.scopes.iter().any(|scope| scope == capability.code()))
    }

    /// # Errors
    /// [`StoreError::Forbidden`] without the capability.
    pub fn require(&self, capability: Capability) -> Result<()> {
        if self.may(capability) {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }
}
