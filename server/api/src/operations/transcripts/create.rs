//! `POST /cases/{id}/transcripts`: bring in a conversation, as a file or as pasted text.

use axum::{
    Json,
    extract::{FromRequest, Multipart, Path, Request, State, multipart::MultipartError},
    http::{StatusCode, header},
};
use bytes::Bytes;
use domain::{disclosure::Level, id::CaseId, role::Capability, section::Section};
use intake::{Error as Unreadable, Hint, Kind, MAX_BYTES};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use super::{TranscriptAnswer, answer};
use crate::{
    context::{CallContext, blocking},
    drafting::{self, Refused},
    error::{ApiError, Body, FieldProblem},
    events::CaseEvent,
    state::AppState,
};

/// Largest file with what multipart puts around it.
pub const LARGEST_REQUEST: usize = MAX_BYTES + (256 << 10);

#[derive(Deserialize, utoipa::ToSchema)]
pub struct PastedTranscript {
    pub text: String,
    /// `auto` (default), `vtt`, `srt`, `json`, `txt` or `csv`.
    pub format: Option<String>,
}

impl std::fmt::Debug for PastedTranscript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PastedTranscript")
    }
}

#[derive(Debug, utoipa::ToSchema)]
pub struct UploadedTranscript {
    /// At most 20 MiB. Its name is not kept.
    #[schema(value_type = String, format = Binary)]
    pub file: Bytes,
    /// As for pasted text.
    pub format: Option<String>,
}

/// Read a conversation and draft from it. The file itself and its name are not kept. Needs the
/// right to edit the intake sheet.
#[utoipa::path(post, path = "/cases/{id}/transcripts", tag = "transcripts", params(("id" = String, Path)),
    request_body(content((PastedTranscript = "application/json"), (UploadedTranscript = "multipart/form-data"))),
    responses((status = 201, body = TranscriptAnswer), (status = 403, description = "forbidden"), (status = 404),
        (status = 413, description = "too_large"),
        (status = 422, description = "personal_number with `utterance`; empty, encoding, too_long or unsupported_format with the reason in `fields`")))]
pub async fn create(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    request: Request,
) -> Result<(StatusCode, Json<TranscriptAnswer>), ApiError> {
    let case: CaseId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .case_for(&call.caller, &case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    drop(tx);
    // Before anything is received; the store asks again when it is kept.
    if access.decision(Section::Intake).level < Level::Edit
        || !call.caller.may(Capability::EditCase)
    {
        return Err(ApiError::forbidden());
    }
    let (bytes, hint) = receive(request, &state).await?;
    let engines = state.engines().get().await;
    let turn = state.inference_turn().await?;
    let (read, value) = blocking(move || {
        let ner = engines.as_deref().map(|engines| &*engines.models.ner);
        let read = drafting::read(&bytes, &hint, ner).map_err(refusal)?;
        let value = serde_json::to_value(&read.kept).map_err(ApiError::internal)?;
        Ok::<_, ApiError>((read, value))
    })
    .await??;
    drop(turn);
    let mut tx = state.db().write().await?;
    let access = tx
        .case_for(&call.caller, &case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let id = access
        .add_transcript(&mut tx, &read.format, &read.encoding, &value)
        .await?;
    let detail = json!({ "format": read.format, "encoding": read.encoding, "utterances": read.kept.utterances.len(), "draft": read.kept.draft.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "transcript.create", "transcript", id.as_str())
            .in_case(&case)
            .detail(detail),
    );
    let (_, transcript) = tx
        .transcript_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let answer = answer(&mut tx, &call, transcript, read.kept).await?;
    tx.commit().await?;
    state.events().tell(
        &call.caller.viewer.municipality,
        &case,
        CaseEvent::Transcripts,
    );
    Ok((StatusCode::CREATED, Json(answer)))
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with("limit", MAX_BYTES)
}

fn hint(format: Option<&str>) -> Result<Hint, ApiError> {
    let kind: Kind = format
        .unwrap_or("auto")
        .parse()
        .map_err(|()| ApiError::invalid_field("format", "unknown"))?;
    Ok(Hint {
        kind,
        ..Hint::default()
    })
}

async fn receive(request: Request, state: &AppState) -> Result<(Bytes, Hint), ApiError> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        let Body(pasted) = Body::<PastedTranscript>::from_request(request, state).await?;
        if pasted.text.len() > MAX_BYTES {
            return Err(too_large());
        }
        let hint = hint(pasted.format.as_deref())?;
        return Ok((pasted.text.into(), hint));
    }
    let broken = |error: MultipartError| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large()
        } else {
            ApiError::new(StatusCode::BAD_REQUEST, "malformed")
        }
    };
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "malformed"))?;
    let (mut file, mut format) = (None, None);
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        match part.name() {
            Some("file") => file = Some(part.bytes().await.map_err(broken)?),
            Some("format") => format = Some(part.text().await.map_err(broken)?),
            _ => {}
        }
    }
    let file = file.ok_or_else(|| ApiError::invalid_field("file", "required"))?;
    if file.len() > MAX_BYTES {
        return Err(too_large());
    }
    Ok((file, hint(format.as_deref())?))
}

/// The screen's families of reasons as the code; the pipeline's own reason, which says where, as
/// the field's. Neither holds anything of the file.
fn refusal(refused: Refused) -> ApiError {
    let unreadable = match refused {
        Refused::PersonalNumber { utterance } => {
            return ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "personal_number")
                .with("utterance", utterance);
        }
        Refused::Unreadable(unreadable) => unreadable,
    };
    let code = match &unreadable {
        Unreadable::TooLarge { .. } => return too_large(),
        Unreadable::Empty => "empty",
        Unreadable::Encoding => "encoding",
        Unreadable::TooLong => "too_long",
        _ => "unsupported_format",
    };
    let mut reason = FieldProblem::new("file", unreadable.code());
    match &unreadable {
        Unreadable::Json { line, column } => {
            reason.params.insert("line".to_owned(), (*line).into());
            reason.params.insert("column".to_owned(), (*column).into());
        }
        Unreadable::Columns(count) => {
            reason.params.insert("columns".to_owned(), (*count).into());
        }
        _ => {}
    }
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code)
        .with("message", unreadable.to_string())
        .field(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    async fn problem(refused: Refused) -> (u16, serde_json::Value) {
        let response = refusal(refused).into_response();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn refusals_say_what_and_where() {
        let (status, body) = problem(Refused::PersonalNumber { utterance: 7 }).await;
        assert_eq!(
            (status, &body["code"], &body["utterance"]),
            (422, &json!("personal_number"), &json!(7))
        );
        let (status, body) =
            problem(Refused::Unreadable(Unreadable::Json { line: 3, column: 9 })).await;
        assert_eq!((status, &body["code"]), (422, &json!("unsupported_format")));
        assert_eq!(
            body["fields"][0],
            json!({"path": "file", "code": "json", "params": {"line": 3, "column": 9}})
        );
        assert!(body["message"].as_str().unwrap().contains("3行9文字目"));
        let (status, body) = problem(Refused::Unreadable(Unreadable::TooLarge {
            found: 9,
            limit: 1,
        }))
        .await;
        assert_eq!((status, &body["code"]), (413, &json!("too_large")));
    }

    #[test]
    fn formats_are_asked_for_by_code() {
        assert_eq!(hint(None).unwrap().kind, Kind::Auto);
        assert_eq!(hint(Some("vtt")).unwrap().kind, Kind::Vtt);
        assert!(hint(Some("mp3")).is_err());
    }
}
