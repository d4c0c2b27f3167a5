//! `POST /transcripts/{id}/acceptances`: drafted values into the live sheets.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use collab::{frame::Code, hub::HubError};
use domain::{
    clock::instant_text,
    disclosure::Level,
    id::{DocumentId, TranscriptId},
    section::Section,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    audit::{self, Event},
    sessions,
};
use yrs::ReadTxn;

use super::{AcceptedAnswer, accepted, find, note};
use crate::{
    access::{ROOM, identity_of},
    context::CallContext,
    drafting::{Accepted, Mode, Place, Written},
    error::{ApiError, Body},
    events::CaseEvent,
    state::AppState,
};

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
    let (access, ..) = find(&mut tx, &call, &id).await?;
    // Noting what was accepted needs the same right as bringing the transcript in.
    if !access.writes_transcripts() {
        return Err(ApiError::forbidden());
    }
    let case = access.id().clone();
    drop(tx);

    let mut tx = state.db().write().await?;
    // Asked again, and held: until what was written into the rooms is noted and committed, nobody
    // takes the right away. The rooms and their log need nothing of this transaction.
    let caller = sessions::caller_again(&mut tx, &call.caller)
        .await?
        .ok_or_else(ApiError::forbidden)?;
    let call = CallContext { caller, ..call };
    tx.hold_case(&call.caller.viewer.municipality, &case)
        .await?;
    let (access, _, kept) = find(&mut tx, &call, &id).await?;
    if !access.writes_transcripts() {
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

    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    let mut results = BTreeMap::new();
    let mut work: BTreeMap<Section, Vec<(String, Place, Value)>> = BTreeMap::new();
    for field in request.fields {
        let Some((drafted, place)) = kept.draft.get(&field).zip(Place::of(&forms, &field)) else {
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
        let writing = state.hub().write_as(&author, document, move |txn| {
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
        });
        let (_, written) = tokio::time::timeout(ROOM, writing)
            .await
            .map_err(|_| ApiError::unavailable("overloaded"))?
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
    let noted = note(&mut tx, &call, &id, |kept| {
        kept.accepted.extend(new.clone());
        !new.is_empty()
    })
    .await?;
    // A field that is none may be any text: it is counted, not written down.
    let known: BTreeMap<&String, &Written> = results
        .iter()
        .filter(|(field, _)| Place::of(&forms, field).is_some())
        .collect();
    let detail = json!({ "mode": mode, "results": known, "unknown": results.len() - known.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "transcript.accept", "transcript", id.as_str())
            .in_case(&case)
            .detail(detail),
    );
    let accepted = accepted(&mut tx, &call, &noted).await?;
    tx.commit().await?;
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
