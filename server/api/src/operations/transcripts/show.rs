//! `GET /transcripts/{id}`: a conversation with its draft.

use axum::{
    Json,
    extract::{Path, State},
};
use store::audit::{self, Event};

use super::{TranscriptAnswer, answer, find};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// For readers of the original sheets; 404 for everybody else.
#[utoipa::path(get, path = "/transcripts/{id}", tag = "transcripts", params(("id" = String, Path)),
    responses((status = 200, body = TranscriptAnswer), (status = 404)))]
pub async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
) -> Result<Json<TranscriptAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let (access, transcript, kept) = find(&mut tx, &call, &id.into()).await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "transcript.read",
            "transcript",
            transcript.id.as_str(),
        )
        .in_case(access.id()),
    );
    let answer = answer(&mut tx, &call, transcript, kept).await?;
    tx.commit().await?;
    Ok(Json(answer))
}
