//! `GET /cases/{id}/access-log`: 閲覧履歴.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::Deserialize;
use store::audit;

use super::{Mode, event, open};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    operations::audit::{AuditPage, page, read_cursor},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct LogQuery {
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
}

/// Who looked at or changed the case, the newest first: for those who manage its disclosure.
#[utoipa::path(get, path = "/cases/{id}/access-log", tag = "cases", params(("id" = String, Path), LogQuery),
    responses((status = 200, body = AuditPage), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn access_log(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let events = access
        .access_log(
            &mut tx,
            read_cursor(query.cursor.as_deref())?,
            limit as i64 + 1,
        )
        .await?;
    let found = page(&mut tx, &call.caller.viewer.municipality, events, limit).await?;
    audit::record(&mut tx, event(&call, "case.access_log", &id));
    tx.commit().await?;
    Ok(Json(found))
}
