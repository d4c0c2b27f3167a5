//! `GET /cases/{id}/progress-records`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::audit;

use super::{
    Mode, event, open,
    progress::{Entries, ProgressAnswer},
};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProgressList {
    pub items: Vec<ProgressAnswer>,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProgressQuery {
    /// For paper (経過一覧): noted in the audit as printed, and masked when somebody of the case has
    /// 住所秘匿, also for those who read it on the screen.
    #[serde(default)]
    pub print: bool,
}

/// The entries the caller may see, the newest first. Masked readers get masked texts; what cannot
/// be masked now carries `withheld`.
#[utoipa::path(get, path = "/cases/{id}/progress-records", tag = "progress", params(("id" = String, Path), ProgressQuery),
    responses((status = 200, body = ProgressList), (status = 404, description = "not_found")))]
pub async fn list_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Query(query): Query<ProgressQuery>,
) -> Result<Json<ProgressList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let mut entries = Entries::load(&mut tx, &access, None).await?;
    if query.print {
        entries = entries.for_paper(&mut tx, &access).await?;
    }
    let level = json!({ "level": access.decision(domain::section::Section::Progress).level });
    let action = if query.print {
        "progress.print"
    } else {
        "progress.list"
    };
    audit::record(&mut tx, event(&call, action, &id).detail(level));
    tx.commit().await?;
    Ok(Json(ProgressList {
        items: entries.finish(&state).await?,
    }))
}
