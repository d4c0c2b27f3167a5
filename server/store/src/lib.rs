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
pub mod blobs;
mod case_facts;
pub mod case_import;
pub mod case_list;
pub mod cases;
pub mod claims;
pub mod consents;
pub mod copies;
pub mod course;
pub mod crypto;
pub mod data_keys;
mod database;
pub mod disclosure_presets;
pub mod documents;
pub mod documents_log;
pub mod erasure;
mod error;
pub mod finding;
pub mod forms;
pub mod households;
pub mod imports;
pub mod keys;
mod log_writer;
pub mod mappings;
mod marks;
pub mod masking;
pub mod memberships;
pub mod merges;
mod migrate;
pub mod municipalities;
pub mod notify;
pub mod outbox;
pub mod passed_on;
pub mod persons;
mod plans;
pub mod progress;
pub mod progress_drafts;
pub mod progress_templates;
pub mod projections;
pub mod register_import;
pub mod reminders;
pub mod requests;
pub mod rights;
pub mod saved_searches;
pub mod sealed;
pub mod search;
pub mod sessions;
pub mod statistics;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod transcripts;
pub mod vectors;

pub use access::Caller;
pub use accounts::AdminAccess;
pub use cases::CaseAccess;
pub use consents::Sharing;
pub use database::{Database, Dialect, Settings, Tx};
pub use documents::{DocumentAccess, DocumentWork};
pub use documents_log::DocumentLog;
pub use error::{Result, StoreError};
pub use persons::PersonAccess;
