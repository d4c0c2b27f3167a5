//! 検索: one search over persons, cases, sheets and records, with saved and recent searches. Words come
//! in bodies, never in addresses, and are sealed in the audit log.

use domain::role::Capability;
use store::Caller;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::ApiError, state::AppState};

pub mod find;
pub mod hits;
pub mod saved;
pub mod suggest;

/// Refuses who reads neither cases nor persons.
fn check(caller: &Caller) -> Result<(), ApiError> {
    if caller.may(Capability::ReadCases) || caller.may(Capability::ReadPersons) {
        Ok(())
    } else {
        Err(ApiError::forbidden())
    }
}

/// The operations of the search.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(find::find))
        .routes(routes!(suggest::suggest))
        .routes(routes!(saved::list, saved::save))
        .routes(routes!(saved::remove))
        .routes(routes!(saved::forget_recent))
}
