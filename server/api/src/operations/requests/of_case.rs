//! `GET /cases/{id}/requests`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use store::audit;

use super::{RequestAnswer, RequestList};
use crate::{
    context::CallContext,
    error::ApiError,
    operations::cases::{Mode, event, open},
    state::AppState,
};

/// The requests of a case that the caller may see.
#[utoipa::path(get, path = "/cases/{id}/requests", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = RequestList), (status = 404, description = "not_found")))]
pub async fn of_case(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<RequestList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let found = access.requests(&mut tx).await?;
    audit::record(&mut tx, event(&call, "request.list", &id));
    tx.commit().await?;
    let today = call.caller.viewer.today;
    Ok(Json(RequestList {
        items: found
            .into_iter()
            .map(|view| RequestAnswer::of(view, today))
            .collect(),
    }))
}
