//! Live documents: rooms on yrs that lose nothing, leak nothing and cannot be forged.
//!
//! One task owns one document ([`Hub`] holds them). Every change, a browser's or the server's
//! own, takes the same way: verified by our own update walker against the permission, the
//! document's [`Shape`](shape::Shape) and the author's client ids → appended to the
//! [`UpdateLog`](log::UpdateLog) and durable → applied → broadcast → acknowledged.
//!
//! **Invariant:** nothing is visible to anyone before it is durable.
//! **Invariant:** nothing is applied that was not verified; yrs cannot take back.
//! **Invariant:** a client id belongs to one account and membership for the life of an epoch.
//!
//! This crate knows neither a database nor HTTP: storage comes in as `UpdateLog`, rights as
//! [`Access`](access::Access), a connection is a pair of bounded queues of frames.

pub mod access;
pub mod anchor;
pub mod bus;
pub mod difference;
pub mod erasure;
pub mod frame;
pub mod history;
pub mod hub;
pub mod identity;
mod journal;
pub mod log;
pub mod memory;
pub mod nodes;
pub mod order;
pub mod presence;
pub mod restore;
mod room;
pub mod seed;
pub mod shape;
pub mod update;
pub mod values;
pub mod walker;

pub use access::{Access, Change, Denial, Grant, Level};
pub use frame::{Code, refusal};
pub use hub::{
    Aside, Changed, Closed, Connection, FieldAuthor, Hub, HubError, Incoming, Limits, Outgoing,
    Restored, View,
};
pub use identity::{Author, Identity};
pub use log::{Authored, Entry, Loaded, LogError, Snapshot, Span, UpdateLog, Version};
pub use memory::MemoryLog;
pub use nodes::{Figures, Pace, Word};
pub use restore::Past;
pub use shape::Shape;
