//! `PATCH /transcripts/{id}`: say who is who; the draft is made again.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::TranscriptId;
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use super::{TranscriptAnswer, answer, find};
use crate::{
    context::{CallContext, blocking},
    drafting::{self, Kept, ROLES},
    error::{ApiError, Body},
    events::CaseEvent,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
pub struct AssignSpeakers {
    /// Speaker → `worker`, `client`, `family`, `agency`, `other` or `unknown`. Speakers left out
    /// keep their role.
    pub speakers: BTreeMap<String, String>,
}

impl std::fmt::Debug for AssignSpeakers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AssignSpeakers")
    }
}

/// Set roles. Roles that are what they were count as inferred still. Accepted fields stay noted.
#[utoipa::path(patch, path = "/transcripts/{id}", tag = "transcripts", params(("id" = String, Path)), request_body = AssignSpeakers,
    responses((status = 200, body = TranscriptAnswer), (status = 403, description = "forbidden"), (status = 404),
        (status = 409, description = "conflict: changed meanwhile"), (status = 422, description = "invalid")))]
pub async fn assign_speakers(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Body(request): Body<AssignSpeakers>,
) -> Result<Json<TranscriptAnswer>, ApiError> {
    let id: TranscriptId = id.into();
    let mut tx = state.db().read().await?;
    let (_, transcript, kept) = find(&mut tx, &call, &id).await?;
    drop(tx);
    let given = given(&kept, request.speakers)?;
    let format = transcript.format.clone();
    let engines = state.engines().get().await;
    let turn = state.inference_turn().await?;
    let kept = blocking(move || {
        drafting::redraft(
            &format,
            kept,
            given,
            engines.as_deref().map(|engines| &*engines.models.ner),
        )
    })
    .await?;
    drop(turn);

    let value = serde_json::to_value(&kept).map_err(ApiError::internal)?;
    let mut tx = state.db().write().await?;
    let (access, ..) = find(&mut tx, &call, &id).await?;
    access
        .update_transcript(&mut tx, &id, transcript.version, &value)
        .await?;
    let detail = json!({ "speakers": kept.given.len(), "draft": kept.draft.len() });
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "transcript.speakers",
            "transcript",
            id.as_str(),
        )
        .in_case(access.id())
        .detail(detail),
    );
    let answer = answer(&mut tx, &call, transcript, kept).await?;
    tx.commit().await?;
    state.events().tell(
        &call.caller.viewer.municipality,
        access.id(),
        CaseEvent::Transcripts,
    );
    Ok(Json(answer))
}

fn given(
    kept: &Kept,
    asked: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut given = kept.given.clone();
    for (speaker, role) in asked {
        if !ROLES.contains(&role.as_str()) {
            return Err(ApiError::invalid_field("speakers", "role"));
        }
        let known = kept.speakers.get(&speaker);
        // Utterances without a speaker are listed under an empty name; they have no role.
        if known.is_none() && !speaker.is_empty() {
            return Err(ApiError::invalid_field("speakers", "speaker"));
        }
        if known.is_some_and(|before| *before != role) {
            given.insert(speaker, role);
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_changed_counts_as_set_by_hand() {
        let talk = "相談員：こんにちは。\n本人：こんにちは。\n";
        let kept = drafting::read(talk.as_bytes(), &intake::Hint::default(), None)
            .unwrap()
            .kept;
        let ask = |pairs: &[(&str, &str)]| {
            given(
                &kept,
                pairs
                    .iter()
                    .map(|(speaker, role)| ((*speaker).to_owned(), (*role).to_owned()))
                    .collect(),
            )
        };
        let asked = ask(&[("相談員", "worker"), ("本人", "family"), ("", "unknown")]).unwrap();
        assert_eq!(
            asked,
            BTreeMap::from([("本人".to_owned(), "family".to_owned())])
        );
        assert!(ask(&[("本人", "boss")]).is_err());
        assert!(ask(&[("知らない人", "client")]).is_err());
    }
}
