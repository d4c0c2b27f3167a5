//! `GET /cases/{id}/progress-records`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::Serialize;
use serde_json::json;
use store::audit;

use super::{
    Mode, event, open,
    progress::{Entries, ProgressAnswer},
};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProgressList {
    pub items: Vec<ProgressAnswer>,
}

/// The entries the caller may see, the newest first. Masked readers get masked texts; what cannot
/// be masked now carries `withheld`.
#[utoipa::path(get, path = "/cases/{id}/progress-records", tag = "progress", params(("id" = String, Path)),
    responses((status = 200, body = ProgressList), (status = 404, description = "not_found")))]
pub async fn list_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<ProgressList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let entries = Entries::load(&mut tx, &access, None).await?;
    let level = json!({ "level": access.decision(domain::section::Section::Progress).level });
    audit::record(&mut tx, event(&call, "progress.list", &id).detail(level));
    tx.commit().await?;
    Ok(Json(ProgressList {
        items: entries.finish(&state).await?,
    }))
}
