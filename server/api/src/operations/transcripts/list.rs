//! `GET /cases/{id}/transcripts`: what was brought in, the newest first.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::Serialize;
use serde_json::json;
use store::audit::{self, Event};

use super::content;
use crate::{context::CallContext, error::ApiError, state::AppState};

/// A line of the list, without what was said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TranscriptSummary {
    pub id: String,
    pub format: String,
    pub encoding: String,
    pub utterance_count: usize,
    pub draft_count: usize,
    pub accepted_count: usize,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TranscriptList {
    pub items: Vec<TranscriptSummary>,
}

/// The case's transcripts; none for readers of masked sheets.
#[utoipa::path(get, path = "/cases/{id}/transcripts", tag = "transcripts", params(("id" = String, Path)),
    responses((status = 200, body = TranscriptList), (status = 404)))]
pub async fn list(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
) -> Result<Json<TranscriptList>, ApiError> {
    let case: CaseId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .case_for(&call.caller, &case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let mut items = Vec::new();
    for transcript in access.transcripts(&mut tx).await? {
        let kept = content(&transcript)?;
        items.push(TranscriptSummary {
            id: transcript.id.0,
            format: transcript.format,
            encoding: transcript.encoding,
            utterance_count: kept.utterances.len(),
            draft_count: kept.draft.len(),
            accepted_count: kept.accepted.len(),
            created_at: transcript.created_at,
            updated_at: transcript.updated_at,
        });
    }
    let event = Event::by(&call.caller, "transcript.list", "case", case.as_str()).in_case(&case);
    audit::record(&mut tx, event.detail(json!({ "count": items.len() })));
    tx.commit().await?;
    Ok(Json(TranscriptList { items }))
}
