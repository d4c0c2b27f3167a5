//! One file per operation: its request and answer, its OpenAPI description, its handler.

pub mod accounts;
pub mod agencies;
pub mod attachments;
pub mod audit;
pub mod cases;
pub mod channels;
pub mod disclosure_presets;
pub mod documents;
pub mod erasures;
pub mod exports;
pub mod forms;
pub mod imports;
pub mod local_forms;
pub mod mappings;
pub mod memberships;
pub mod network;
pub mod persons;
pub mod postal_codes;
pub mod process;
pub mod progress_templates;
pub mod requests;
pub mod search;
pub mod session;
pub mod similar;
pub mod statistics;
pub mod system;
pub mod transcripts;

/// Tells `null` (`Some(None)`) from missing (`None`, with `#[serde(default)]`).
#[expect(
    clippy::option_option,
    reason = "missing and emptied are different things in a PATCH"
)]
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}
