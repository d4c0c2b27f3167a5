//! From a live document to what masked readers see.
//!
//! A *scan* is one moment of a document: its values, and for each text the spans that must not be
//! shown, with what reviewers decided. The projection is made from a scan alone, so text and spans
//! always belong together. Newer text is not shown until the next scan is done.
//!
//! One scan, in order: [`decisions`] reads the masks document and one moment of the text, [`cache`]
//! gives the pipeline's suggestions, [`plan`] says what becomes of the spans (with [`reconcile`] and
//! [`marks`]), [`write`] puts that into the masks document, [`scan`] stores the outcome.
//!
//! **Invariant:** fail closed. No model, no new scan; no scan, nothing shown; a span is shown only
//! when a reviewer rejected it and the text under it and beside it is what the reviewer saw.

mod cache;
mod current;
mod decisions;
mod marks;
mod plan;
mod project;
pub mod reconcile;
mod record;
mod register;
mod replace;
mod scan;
#[cfg(test)]
mod tests;
mod texts;
mod write;

pub(crate) use cache::Basis;
pub use cache::SuggestionCache;
pub use current::not_current;
pub use project::{address_protected, project, without_places};
pub(crate) use record::PROGRAM;
pub use record::{Scan, ScannedSpan, StoredScan, read_scan};
pub use register::{fingerprint_of, numbering, numbering_for, register};
pub use scan::{foresee, scan};
pub use texts::{is_scanned, texts};
pub use write::fresh_key;
