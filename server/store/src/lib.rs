//! The store: SQLite and PostgreSQL behind one portable schema, sealed content, and authority as a
//! type. Handlers begin with a [`Caller`] and get from [`Tx`] values such as [`CaseAccess`],
//! [`DocumentAccess`] and [`PersonAccess`]; only these read or write the parts.
//!
//! **Invariant:** no personal value stands unsealed in a column, a log line or an error.
//! **Invariant:** every query carries the municipality of the caller.
//! **Invariant:** whether something is shown is decided by `domain::disclosure`, never by SQL; SQL
//! only narrows down the candidates.

mod access;
pub mod accounts;
pub mod agencies;
pub mod audit;
pub mod crypto;
pub mod data_keys;
mod database;
mod error;
pub mod keys;
pub mod memberships;
mod migrate;
pub mod municipalities;
pub mod outbox;
pub mod sessions;

pub use access::Caller;
pub use database::{Database, Dialect, Settings, Tx};
pub use error::{Result, StoreError};
