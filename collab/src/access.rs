//! Rights: what a connection may do with a document, and how it learns of a change.

use crate::identity::Identity;
use crate::shape::Shape;
use async_trait::async_trait;
use domain::id::{DocumentId, MunicipalityId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a grant allows. Ordered: each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Sync and presence, no change.
    Read,
    /// As `Read` here; comments are documents of their own with their own rights.
    Comment,
    /// May change the document.
    Edit,
}

/// The answer to "may this person open this document?". Holding one is not enough to write:
/// the room keeps it current (see [`Hub::access_changed`](crate::hub::Hub::access_changed)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub level: Level,
}

/// Why a document is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No right, or the document is unknown (existence may be secret): code 3.
    #[error("no permission")]
    NoPermission,
    /// The reader gets the masked projection over HTTP, never the original: code 8.
    #[error("masked reader")]
    Masked,
    /// Erased or finalised: code 6.
    #[error("document gone")]
    Gone,
    /// The policy could not be asked (database down): code 7. Fails closed.
    #[error("access check unavailable")]
    Unavailable,
}

/// The disclosure policy, asked on joining and again after every change notification.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// # Errors
    /// A [`Denial`] when the person may not open the document.
    async fn check(&self, identity: &Identity, document: &DocumentId) -> Result<Grant, Denial>;

    /// What may stand in the document; from its kind, form definition and form version. Asked once
    /// when a room is loaded. Share one `Arc` per form version, a shape is not small.
    ///
    /// # Errors
    /// [`Denial::Gone`] when there is no such document, [`Denial::Unavailable`].
    async fn shape(&self, document: &DocumentId) -> Result<Arc<Shape>, Denial>;
}

/// Whose rights changed. Handed to [`Hub::access_changed`](crate::hub::Hub::access_changed);
/// every connection it covers is checked again, and closed when the right is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The matrix, membership or state of these documents (all of a case) changed.
    Documents(Vec<DocumentId>),
    /// The account was stopped, signed out, or its role changed.
    Account(domain::id::AccountId),
    /// The membership was stopped, or the active one was switched.
    Membership(domain::id::MembershipId),
    /// Everybody of the municipality (an agency was stopped, an address became confidential).
    Municipality(MunicipalityId),
    /// Everything (policy file, municipality capability).
    Everything,
}
