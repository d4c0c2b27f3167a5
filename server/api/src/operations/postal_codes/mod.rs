//! Postal codes and the places they stand for, from the table that ships. No case and no person is in
//! it, so reading it is not audited.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod search;
mod table;

/// The operations on postal codes.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(search::search))
}
