//! Files out (出力): what standard files there are, and a ZIP of those that are asked for.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod create;
pub mod tables;

/// The operations on exports.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(tables::tables))
        .routes(routes!(create::create))
}
