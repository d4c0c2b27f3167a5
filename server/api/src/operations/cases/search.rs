//! `POST /cases/search`: cases by name, kana, number or words of the title.

use axum::{Json, extract::State};

use super::list::{CaseList, CaseQuery, Words, find};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

/// As `GET /cases`, with the words in the body: names never stand in an address.
#[utoipa::path(post, path = "/cases/search", tag = "cases", request_body = CaseQuery,
    responses((status = 200, body = CaseList), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn search(
    State(state): State<AppState>,
    call: CallContext,
    Body(query): Body<CaseQuery>,
) -> Result<Json<CaseList>, ApiError> {
    find(&state, &call, query, Words::Everything).await
}
