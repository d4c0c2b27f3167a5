//! `POST /cases/{id}/attachments`: a file that waits for the entry that is being written.

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Multipart, Path, Request, State, multipart::Field},
    http::{StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use domain::id::CaseId;
use futures_util::StreamExt;
use serde_json::json;
use store::{
    CaseAccess,
    audit::{self, Event},
    blobs::{Blob, PART},
};

use super::{
    AttachmentAnswer,
    kinds::{Kind, TextCheck, Wrong},
};
use crate::{
    context::CallContext,
    error::ApiError,
    operations::{
        cases::{Mode, open},
        persons::personal_number,
    },
    state::AppState,
};

/// Longest name of a file, in characters.
const LONGEST_NAME: usize = 200;
/// What multipart puts around a file, in bytes.
const AROUND: u64 = 64 << 10;
/// So many bytes of a file that is too large are still taken off the line, and thrown away, so that the
/// answer reaches who sends them.
const DRAINED: u64 = 1 << 30;

#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read part by part")]
pub struct UploadedAttachment {
    /// With its name. At most what the settings say (25 MB).
    #[schema(value_type = String, format = Binary)]
    file: Bytes,
}

/// Send a file for an entry that is being written. Name and content are kept sealed. PDF, PNG, JPEG,
/// HEIC, TXT, CSV, DOCX and XLSX are taken, by content and by the ending of the name.
#[utoipa::path(post, path = "/cases/{id}/attachments", tag = "progress", params(("id" = String, Path)),
    request_body(content = UploadedAttachment, content_type = "multipart/form-data"),
    responses((status = 201, body = AttachmentAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 413, description = "too_large with `limit` in bytes"),
        (status = 422, description = "unsupported_format, content_mismatch, empty, or personal_number in the name")))]
pub async fn receive(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    request: Request,
) -> Result<(StatusCode, Json<AttachmentAnswer>), ApiError> {
    let case = CaseId(id);
    // Before anything is received; the store asks again with each part.
    let (tx, access) = open(&state, &call, &case, Mode::Read).await?;
    drop(tx);
    if !access.may_write_progress() {
        return Err(ApiError::forbidden());
    }
    let limit = state.config().attachment_bytes;
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64 + AROUND) {
        drain(request.into_body()).await;
        return Err(too_large(limit));
    }
    let mut parts = Multipart::from_request(request, &state)
        .await
        .map_err(|_| malformed())?;
    while let Some(field) = parts.next_field().await.map_err(|_| malformed())? {
        if field.name() != Some("file") {
            continue;
        }
        let name = name_of(field.file_name().unwrap_or_default());
        personal_number::refuse([("file".to_owned(), name.as_str())])?;
        let mut incoming = Incoming {
            field,
            kept: BytesMut::new(),
            ended: false,
            seen: 0,
        };
        let blob = match take(&state, &access, &name, &mut incoming, limit).await {
            Ok(blob) => blob,
            Err(error) => {
                incoming.drain().await;
                return Err(error);
            }
        };
        return finish(&state, &call, &case, blob).await;
    }
    Err(ApiError::invalid_field("file", "required"))
}

async fn finish(
    state: &AppState,
    call: &CallContext,
    case: &CaseId,
    (id, size): (String, usize),
) -> Result<(StatusCode, Json<AttachmentAnswer>), ApiError> {
    // Rights may have ended while it was on its way.
    let (mut tx, access) = open(state, call, case, Mode::Write).await?;
    let blob: Blob = access.finish_blob(&mut tx, &id, size).await?;
    let detail = json!({ "type": blob.media_type, "size": blob.size });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "progress.attachment_add", "attachment", &id)
            .in_case(case)
            .detail(detail),
    );
    tx.commit().await?;
    state.unread().ring();
    Ok((StatusCode::CREATED, Json(AttachmentAnswer::of(blob, true))))
}

/// A file on its way.
struct Incoming<'a> {
    field: Field<'a>,
    kept: BytesMut,
    ended: bool,
    /// Bytes that have come.
    seen: u64,
}

impl Incoming<'_> {
    /// The next part: [`PART`] bytes, less at the end, none after it.
    async fn next(&mut self) -> Result<Bytes, ApiError> {
        while !self.ended && self.kept.len() < PART {
            match self.field.chunk().await.map_err(|_| malformed())? {
                Some(bytes) => {
                    self.seen += bytes.len() as u64;
                    self.kept.extend_from_slice(&bytes);
                }
                None => self.ended = true,
            }
        }
        let most = PART.min(self.kept.len());
        Ok(self.kept.split_to(most).freeze())
    }

    fn last(&self) -> bool {
        self.ended && self.kept.is_empty()
    }

    /// Throws away what is still to come.
    async fn drain(&mut self) {
        while !self.ended && self.seen < DRAINED {
            match self.field.chunk().await {
                Ok(Some(bytes)) => self.seen += bytes.len() as u64,
                _ => self.ended = true,
            }
        }
    }
}

/// Takes a file in, part by part. Nothing of one that is refused stays.
async fn take(
    state: &AppState,
    access: &CaseAccess,
    name: &str,
    incoming: &mut Incoming<'_>,
    limit: usize,
) -> Result<(String, usize), ApiError> {
    let first = incoming.next().await?;
    if first.is_empty() {
        return Err(refused("empty"));
    }
    let kind = Kind::of(name, &first).map_err(|wrong| refused(wrong.code()))?;
    let mut text = kind.text();
    check(&mut text, &first, incoming.last())?;
    let mut size = first.len();
    if size > limit {
        return Err(too_large(limit));
    }
    let mut tx = state.db().write().await?;
    let id = access
        .begin_blob(&mut tx, name, kind.media_type, &first)
        .await?;
    tx.commit().await?;
    let rest = async {
        for number in 1.. {
            let part = incoming.next().await?;
            if part.is_empty() {
                break;
            }
            size += part.len();
            if size > limit {
                return Err(too_large(limit));
            }
            check(&mut text, &part, incoming.last())?;
            let mut tx = state.db().write().await?;
            access.add_blob_part(&mut tx, &id, number, &part).await?;
            tx.commit().await?;
        }
        Ok(())
    };
    if let Err(error) = rest.await {
        let mut tx = state.db().write().await?;
        access.discard_blob(&mut tx, &id).await?;
        tx.commit().await?;
        return Err(error);
    }
    Ok((id, size))
}

fn check(text: &mut Option<TextCheck>, part: &[u8], last: bool) -> Result<(), ApiError> {
    let fits = text.as_mut().is_none_or(|text| text.take(part, last));
    if fits {
        Ok(())
    } else {
        Err(refused(Wrong::Mismatch.code()))
    }
}

/// The name alone, without folders and what cannot be shown; every other code point stays.
fn name_of(sent: &str) -> String {
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = |c: &char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = name.chars().filter(shown).collect();
    let count = name.chars().count();
    if count <= LONGEST_NAME {
        return name.trim().to_owned();
    }
    // The ending stays: the kind depends on it.
    name.chars().skip(count - LONGEST_NAME).collect()
}

async fn drain(body: Body) {
    let mut stream = body.into_data_stream();
    let mut seen = 0_u64;
    while let Some(Ok(bytes)) = stream.next().await {
        seen += bytes.len() as u64;
        if seen > DRAINED {
            return;
        }
    }
}

fn malformed() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed")
}

fn refused(code: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code)
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with("limit", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_path() {
        assert_eq!(name_of("C:\\書類\\診断書.pdf"), "診断書.pdf");
        assert_eq!(name_of("../../etc/passwd"), "passwd");
        assert_eq!(name_of("診断\u{202e}fdp.txt\n"), "診断fdp.txt");
        assert_eq!(name_of("葛\u{e0100}飾.png"), "葛\u{e0100}飾.png");
        let long = name_of(&format!("{}.pdf", "あ".repeat(300)));
        assert!(long.chars().count() == LONGEST_NAME && long.ends_with(".pdf"));
    }
}
