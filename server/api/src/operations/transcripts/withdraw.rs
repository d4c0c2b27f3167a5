//! `DELETE /transcripts/{id}/acceptances/{field}`: an acceptance was undone.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::TranscriptId;
use serde::Serialize;
use serde_json::json;
use store::audit::{self, Event};

use super::{AcceptedAnswer, accepted, find, note};
use crate::{
    context::CallContext, drafting::Place, error::ApiError, events::CaseEvent, state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WithdrawAnswer {
    /// Everything that is accepted still.
    pub accepted: BTreeMap<String, AcceptedAnswer>,
}

/// Note that a field no longer counts as accepted, because its text was taken back. The sheet itself
/// is not touched: who undoes does so in the live document. 404 when the field is not accepted.
#[utoipa::path(delete, path = "/transcripts/{id}/acceptances/{field}", tag = "transcripts",
    params(("id" = String, Path), ("field" = String, Path, description = "`assessment.<field>` or `intake.<field>`")),
    responses((status = 200, body = WithdrawAnswer), (status = 403, description = "forbidden"), (status = 404)))]
pub async fn withdraw(
    State(state): State<AppState>,
    Path((id, field)): Path<(String, String)>,
    call: CallContext,
) -> Result<Json<WithdrawAnswer>, ApiError> {
    let id: TranscriptId = id.into();
    let mut tx = state.db().write().await?;
    let (access, _, kept) = find(&mut tx, &call, &id).await?;
    if !access.writes_transcripts() {
        return Err(ApiError::forbidden());
    }
    // A field that is none may be any text: it goes no further.
    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    if Place::of(&forms, &field).is_none() || !kept.accepted.contains_key(&field) {
        return Err(ApiError::not_found());
    }
    let noted = note(&mut tx, &call, &id, |kept| {
        kept.accepted.remove(&field).is_some()
    })
    .await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "transcript.withdraw",
            "transcript",
            id.as_str(),
        )
        .in_case(access.id())
        .detail(json!({ "field": field })),
    );
    let accepted = accepted(&mut tx, &call, &noted).await?;
    tx.commit().await?;
    state.events().tell(
        &call.caller.viewer.municipality,
        access.id(),
        CaseEvent::Transcripts,
    );
    Ok(Json(WithdrawAnswer { accepted }))
}
