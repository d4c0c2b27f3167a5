//! `GET /cases/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use store::audit;

use super::{
    Mode,
    answers::{CaseDetail, detail},
    event, open,
};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// A case as the caller sees it.
#[utoipa::path(get, path = "/cases/{id}", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, body = CaseDetail), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<CaseDetail>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let found = detail(&mut tx, &access).await?;
    let level = serde_json::json!({ "level": found.summary.level });
    audit::record(&mut tx, event(&call, "case.view", &id).detail(level));
    tx.commit().await?;
    Ok(Json(found))
}
