//! `POST /transcripts/{id}/acceptances`: drafted values into the live sheets.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use collab::{frame::Code, hub::HubError};
use domain::{
    clock::instant_text, disclosure::Level, id::DocumentId, id::TranscriptId, role::Capability,
    section::Section,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    StoreError,
    audit::{self, Event},
};
use yrs::ReadTxn;

use super::{AcceptedAnswer, accepted, find};
use crate::{
    access::identity_of,
    context::CallContext,
    drafting::{Accepted, Mode, Place, Written},
    error::{ApiError, Body},
    events::CaseEvent,
    state::AppState,
};

/// Others who accept at the same time: tried again this often.
const TRIES: usize = 8;
/// More than both forms have.
const MOST_FIELDS: usize = 500;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct AcceptFields {
    /// `assessment.<field>` or `intake.<field>`.
    pub fields: Vec<String>,
    /// `fill_empty` (default), `replace` or `append`.
    #[serde(default)]
    pub mode: Mode,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AcceptAnswer {
    pub results: BTreeMap<String, Written>,
    /// Everything accepted so far.
    pub accepted: BTreeMap<String, AcceptedAnswer>,
}

/// Write drafted values as the caller: they appear on every open screen, with the caller as their
/// author. What stands in the sheet is overwritten only with `replace`.
#[utoipa::path(post, path = "/transcripts/{id}/acceptances", tag = "transcripts", params(("id" = String, Path)), request_body = AcceptFields,
    responses((status = 200, body = AcceptAnswer), (status = 403, description = "forbidden"), (status = 404),
        (status = 422, description = "invalid, or personal_number"), (status = 503, description = "overloaded")))]
pub async fn accept(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Body(request): Body<AcceptFields>,
) -> Result<Json<AcceptAnswer>, ApiError> {
    if request.fields.len() > MOST_FIELDS {
        return Err(ApiError::invalid_field("fields", "too_many"));
    }
    let id: TranscriptId = id.into();
    let mut tx = state.db().read().await?;
    let (access, _, kept) = find(&mut tx, &call, &id).await?;
    // Noting what was accepted needs the same right as bringing the transcript in.
    if access.decision(Section::Intake).level < Level::Edit
        || !call.caller.may(Capability::EditCase)
    {
        return Err(ApiError::forbidden());
    }
    let mut sheets: BTreeMap<Section, Option<DocumentId>> = BTreeMap::new();
    for section in [Section::Intake, Section::Assessment] {
        let document = access
            .document(&mut tx, section)
            .await?
            .filter(|document| document.level() == Level::Edit);
        sheets.insert(section, document.map(|document| document.info().id.clone()));
    }
    let case = access.id().clone();
    drop(tx);

    let mut results = BTreeMap::new();
    let mut work: BTreeMap<Section, Vec<(String, Place, Value)>> = BTreeMap::new();
    for field in request.fields {
        let Some((drafted, place)) = kept.draft.get(&field).zip(Place::of(&field)) else {
            results.insert(field, Written::Unknown);
            continue;
        };
        match place.fitting(&drafted.value) {
            Some(value) => work
                .entry(place.section)
                .or_default()
                .push((field, place, value)),
            None => {
                results.insert(field, Written::Invalid);
            }
        }
    }
    let author = identity_of(&call.caller).author();
    let mode = request.mode;
    for (section, fields) in work {
        let Some(document) = sheets.get(&section).and_then(Option::as_ref) else {
            results.extend(
                fields
                    .into_iter()
                    .map(|(field, ..)| (field, Written::NotPermitted)),
            );
            continue;
        };
        let (_, written) = state
            .hub()
            .write_as(&author, document, move |txn| {
                let root = txn.get_map("fields");
                fields
                    .into_iter()
                    .map(|(field, place, value)| {
                        let done = root.as_ref().map_or(Written::Unknown, |root| {
                            place.write(txn, root, &value, mode)
                        });
                        (field, done)
                    })
                    .collect::<Vec<_>>()
            })
            .await
            .map_err(refused)?;
        results.extend(written);
    }

    let at = instant_text(state.clock().now());
    let by = call.caller.viewer.account.0.clone();
    let new: BTreeMap<String, Accepted> = results
        .iter()
        .filter(|(_, done)| **done == Written::Written)
        .map(|(field, _)| {
            (
                field.clone(),
                Accepted {
                    at: at.clone(),
                    by: by.clone(),
                },
            )
        })
        .collect();
    let accepted = note(&state, &call, &id, &new, mode, &results).await?;
    state.events().tell(
        &call.caller.viewer.municipality,
        &case,
        CaseEvent::Transcripts,
    );
    Ok(Json(AcceptAnswer { results, accepted }))
}

fn refused(error: HubError) -> ApiError {
    match error {
        HubError::Refused {
            code: Code::PersonalNumber,
            ..
        } => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "personal_number"),
        HubError::Gone => ApiError::not_found(),
        HubError::Unavailable(_) => ApiError::unavailable("overloaded"),
        other => ApiError::internal(other),
    }
}

/// Notes who accepted what. Several may do so at once: the notes are merged.
async fn note(
    state: &AppState,
    call: &CallContext,
    id: &TranscriptId,
    new: &BTreeMap<String, Accepted>,
    mode: Mode,
    results: &BTreeMap<String, Written>,
) -> Result<BTreeMap<String, AcceptedAnswer>, ApiError> {
    let mut left = TRIES;
    loop {
        let mut tx = state.db().write().await?;
        let (access, transcript, mut kept) = find(&mut tx, call, id).await?;
        if !new.is_empty() {
            kept.accepted.extend(new.clone());
            let value = serde_json::to_value(&kept).map_err(ApiError::internal)?;
            match access
                .update_transcript(&mut tx, id, transcript.version, &value)
                .await
            {
                Err(StoreError::Conflict) if left > 0 => {
                    left -= 1;
                    continue;
                }
                other => other?,
            };
        }
        // A field that is none may be any text: it is counted, not written down.
        let known: BTreeMap<&String, &Written> = results
            .iter()
            .filter(|(field, _)| Place::of(field).is_some())
            .collect();
        let detail =
            json!({ "mode": mode, "results": known, "unknown": results.len() - known.len() });
        audit::record(
            &mut tx,
            Event::by(&call.caller, "transcript.accept", "transcript", id.as_str())
                .in_case(access.id())
                .detail(detail),
        );
        let answer = accepted(&mut tx, call, &kept).await?;
        tx.commit().await?;
        return Ok(answer);
    }
}
