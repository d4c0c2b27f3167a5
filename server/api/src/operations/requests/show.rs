//! `GET /requests/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::RequestId;
use store::{
    audit::{self, Event},
    requests,
};

use super::RequestAnswer;
use crate::{context::CallContext, error::ApiError, state::AppState};

/// One request.
#[utoipa::path(get, path = "/requests/{id}", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = RequestAnswer), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<RequestAnswer>, ApiError> {
    let id = RequestId(id);
    let mut tx = state.db().read().await?;
    let (view, case) = requests::get(&mut tx, &call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "request.view", "request", id.as_str()).in_case(&case),
    );
    tx.commit().await?;
    Ok(Json(RequestAnswer::of(view, call.caller.viewer.today)))
}
