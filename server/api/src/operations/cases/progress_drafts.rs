//! `PUT /cases/{id}/progress-drafts`, `POST …/{draft_id}/take`, `DELETE …/{draft_id}`: entries that are
//! being written. Kept at every pause, so the audit log holds beginning, taking over and giving up only.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::CaseId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::audit::{self, Event};

use super::{Mode, open, progress_desk::DraftAnswer};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::persons::personal_number,
    state::AppState,
};

/// Largest draft, in bytes of its JSON.
const LARGEST: usize = 256 << 10;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepDraft {
    /// The version that the caller knows; 0 when there is none yet.
    pub version: i64,
    /// The form as the screen keeps it.
    #[schema(value_type = Object)]
    pub content: Map<String, Value>,
}

impl std::fmt::Debug for KeepDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeepDraft")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DraftKept {
    pub id: String,
    pub version: i64,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeDraft {
    /// The version that the caller has seen.
    pub version: i64,
}

/// Keep what is being written. It is on disk when the answer comes.
#[utoipa::path(put, path = "/cases/{id}/progress-drafts", tag = "progress", params(("id" = String, Path)), request_body = KeepDraft,
    responses((status = 200, body = DraftKept), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict: another screen or person went on with it"), (status = 422, description = "too_long or personal_number")))]
pub async fn keep(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<KeepDraft>,
) -> Result<Json<DraftKept>, ApiError> {
    let case = CaseId(id);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    if !access.may_write_progress() {
        return Err(ApiError::forbidden());
    }
    let size = serde_json::to_vec(&request.content).map_err(ApiError::internal)?;
    if size.len() > LARGEST {
        return Err(ApiError::invalid_field("content", "too_long"));
    }
    personal_number::refuse(
        request
            .content
            .iter()
            .filter_map(|(field, value)| Some((field.clone(), value.as_str()?))),
    )?;
    let (id, version) = access
        .keep_progress_draft(&mut tx, request.version, &request.content)
        .await?;
    if version == 1 {
        audit::record(&mut tx, about(&call, &case, "progress.draft", &id));
    }
    tx.commit().await?;
    Ok(Json(DraftKept { id, version }))
}

/// Go on with a colleague's draft.
#[utoipa::path(post, path = "/cases/{id}/progress-drafts/{draft_id}/take", tag = "progress",
    params(("id" = String, Path), ("draft_id" = String, Path)), request_body = TakeDraft,
    responses((status = 200, body = DraftAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "taken: the caller has a draft; conflict: it changed meanwhile")))]
pub async fn take(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, draft)): Path<(String, String)>,
    Body(request): Body<TakeDraft>,
) -> Result<Json<DraftAnswer>, ApiError> {
    let case = CaseId(id);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    let taken = access
        .take_progress_draft(&mut tx, &draft, request.version)
        .await?;
    audit::record(
        &mut tx,
        about(&call, &case, "progress.draft_take", &taken.id),
    );
    tx.commit().await?;
    Ok(Json(taken.into()))
}

/// Throw the own draft away, with the attachments that wait for it.
#[utoipa::path(delete, path = "/cases/{id}/progress-drafts/{draft_id}", tag = "progress",
    params(("id" = String, Path), ("draft_id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn discard(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, draft)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let case = CaseId(id);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    access.discard_progress_draft(&mut tx, &draft).await?;
    audit::record(
        &mut tx,
        about(&call, &case, "progress.draft_discard", &draft),
    );
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn about(call: &CallContext, case: &CaseId, action: &'static str, draft: &str) -> Event {
    Event::by(&call.caller, action, "progress_draft", draft).in_case(case)
}
