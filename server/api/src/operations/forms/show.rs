//! `GET /forms/{id}`: one definition with its option lists.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{context::CallContext, error::ApiError};

/// A definition as it is sent.
struct Prepared {
    body: Bytes,
    etag: HeaderValue,
}

/// The definitions are part of the binary: they are written out once.
static PREPARED: LazyLock<BTreeMap<String, Prepared>> = LazyLock::new(|| {
    let prepare = |form: &domain::form::Definition| {
        let body = serde_json::to_vec(form).ok()?;
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        Some((
            form.id.clone(),
            Prepared {
                body: body.into(),
                etag: HeaderValue::from_str(&etag).ok()?,
            },
        ))
    };
    domain::form::catalogue()
        .definitions()
        .iter()
        .filter_map(prepare)
        .collect()
});

fn known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let tags = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.flat_map(|line| line.split(','))
        .any(|tag| etag.as_bytes() == bare(tag).as_bytes() || tag.trim() == "*")
}

/// A definition; with `If-None-Match` 304 when it is still the same.
#[utoipa::path(get, path = "/forms/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 200, description = "Definition with `lists` resolved", body = serde_json::Value), (status = 304), (status = 404, description = "not_found")))]
pub async fn show(
    _call: CallContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let form = PREPARED.get(&id).ok_or_else(ApiError::not_found)?;
    let about = [
        (header::ETAG, form.etag.clone()),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
    ];
    if known(&headers, &form.etag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let kind = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    Ok((about, kind, form.body.clone()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_are_sent_with_their_lists_and_a_tag() {
        let form = &PREPARED["intake_application"];
        let body: serde_json::Value = serde_json::from_slice(&form.body).unwrap();
        assert!(
            body["lists"]
                .as_array()
                .is_some_and(|lists| !lists.is_empty())
        );
        let mut headers = HeaderMap::new();
        assert!(!known(&headers, &form.etag));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert!(!known(&headers, &form.etag));
        let both = format!("\"other\", W/{}", form.etag.to_str().unwrap());
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&both).unwrap());
        assert!(known(&headers, &form.etag));
    }
}
