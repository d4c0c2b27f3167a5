//! `GET /cases/{id}/attachments/{attachment_id}`: the file itself.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use domain::id::CaseId;
use futures_util::stream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use super::kinds::shown_inline;
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    operations::cases::{Mode, open},
    state::AppState,
};

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub struct ShowQuery {
    /// Show it in the browser, if it is a picture or PDF; otherwise it is saved.
    pub inline: bool,
}

/// An attachment of an entry that the caller reads in the original, or one of the caller's that waits
/// for its entry. Anybody else learns nothing of it.
#[utoipa::path(get, path = "/cases/{id}/attachments/{attachment_id}", tag = "progress",
    params(("id" = String, Path), ("attachment_id" = String, Path), ShowQuery),
    responses((status = 200, description = "the file", content_type = "application/octet-stream"), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    Path((case, id)): Path<(String, String)>,
    call: CallContext,
    Query(query): Query<ShowQuery>,
) -> Result<Response, ApiError> {
    let case = CaseId(case);
    let (mut tx, access) = open(&state, &call, &case, Mode::Read).await?;
    let blob = access
        .blob(&mut tx, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let inline = shown_inline(&blob.media_type).filter(|_| query.inline);
    let detail = json!({ "type": blob.media_type, "inline": inline.is_some() });
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "progress.attachment_view",
            "attachment",
            &blob.id,
        )
        .in_case(&case)
        .detail(detail),
    );
    tx.commit().await?;

    let name = utf8_percent_encode(&blob.name, NON_ALPHANUMERIC);
    let kind = if inline.is_some() {
        "inline"
    } else {
        "attachment"
    };
    let disposition = HeaderValue::from_str(&format!("{kind}; filename*=UTF-8''{name}"))
        .map_err(ApiError::internal)?;
    let media_type = HeaderValue::from_str(&blob.media_type).map_err(ApiError::internal)?;
    let size = u64::try_from(blob.size).unwrap_or(0);
    // Part by part, each in a transaction of its own. One that is missing cuts the answer off, and the
    // length says so.
    let parts = stream::try_unfold((access, blob, 0_i64), move |(access, blob, number)| {
        let state = state.clone();
        async move {
            let mut tx = state.db().read().await?;
            let part = access.blob_part(&mut tx, &blob, number).await?;
            Ok::<_, store::StoreError>(part.map(|part| (part, (access, blob, number + 1))))
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(inline.unwrap_or("sandbox; default-src 'none'")),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        HeaderName::from_static("x-download-options"),
        HeaderValue::from_static("noopen"),
    );
    Ok(response)
}
