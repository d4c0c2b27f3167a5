//! Templates for entries of the 支援経過: a writer's own, and the agency's. They are read together with
//! everything else that writing starts from (`GET /cases/{id}/progress-entry`).

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod remove;
pub mod save;

/// The operations on templates.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(save::save))
        .routes(routes!(remove::remove))
}
