//! Attachments of the 支援経過. They are sent before their entry and wait for it; from then on who reads
//! the entry in the original has them. Contents pass through part by part: no file is ever whole in
//! memory.

use axum::extract::DefaultBodyLimit;
use serde::Serialize;
use store::blobs::Blob;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod discard;
pub mod kinds;
pub mod receive;
pub mod show;

/// The operations on attachments. What is received is counted as it comes.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(receive::receive))
        .layer(DefaultBodyLimit::disable())
        .routes(routes!(show::show, discard::discard))
}

/// An attachment without its content.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AttachmentAnswer {
    pub id: String,
    pub name: String,
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// It can be looked at in the browser (`?inline=true`).
    pub preview: bool,
    pub may_remove: bool,
    /// Its text in the search: `waiting` (nobody has looked yet), `read`, `none` (a picture, scanned
    /// pages), `locked` (a password), `unreadable` (damaged, or too much).
    pub text: &'static str,
}

impl std::fmt::Debug for AttachmentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AttachmentAnswer({})", self.id)
    }
}

impl AttachmentAnswer {
    pub(crate) fn of(blob: Blob, may_remove: bool) -> Self {
        Self {
            preview: kinds::shown_inline(&blob.media_type).is_some(),
            id: blob.id,
            name: blob.name,
            media_type: blob.media_type,
            size: blob.size,
            may_remove,
            text: blob.text.code(),
        }
    }
}
