//! `GET /audit/{seq}/terms`: the sealed search words of one event. They may be personal, so they
//! are not part of the list, and opening them leaves an event of its own.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use store::audit::{self, Event};

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Serialize, utoipa::ToSchema)]
pub struct SearchTerms {
    pub terms: String,
}

impl std::fmt::Debug for SearchTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SearchTerms")
    }
}

/// What was searched for.
#[utoipa::path(get, path = "/audit/{seq}/terms", tag = "audit", params(("seq" = i64, Path)),
    responses((status = 200, body = SearchTerms), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn terms(
    State(state): State<AppState>,
    call: CallContext,
    Path(seq): Path<i64>,
) -> Result<Json<SearchTerms>, ApiError> {
    let mut tx = state.db().read().await?;
    let terms = audit::terms(&mut tx, &call.caller, seq)
        .await?
        .ok_or_else(ApiError::not_found)?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "audit.terms", "audit", seq.to_string()),
    );
    tx.commit().await?;
    Ok(Json(SearchTerms { terms }))
}
