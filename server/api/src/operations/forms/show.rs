//! `GET /forms/{id}`: one definition with its option lists, as the caller's municipality has it.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::form::Definition;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FormQuery {
    /// Under this publication of the municipality (`forms_version` of a final sheet; 0 = as it
    /// ships); without it the newest.
    pub version: Option<u32>,
}

/// A definition as it is sent.
struct Prepared {
    body: Bytes,
    etag: HeaderValue,
}

impl Prepared {
    fn of(form: &Definition) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(form).map_err(ApiError::internal)?;
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        Ok(Self {
            body: body.into(),
            etag: HeaderValue::from_str(&etag).map_err(ApiError::internal)?,
        })
    }
}

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
#[utoipa::path(get, path = "/forms/{id}", tag = "forms", params(("id" = String, Path), FormQuery),
    responses((status = 200, description = "Definition with `lists` resolved", body = serde_json::Value), (status = 304), (status = 404, description = "not_found")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<FormQuery>,
) -> Result<Response, ApiError> {
    let municipality = &call.caller.viewer.municipality;
    let mut tx = state.db().read().await?;
    let forms = match query.version {
        Some(version) => tx.forms_at(municipality, version).await?,
        None => Some(tx.forms(municipality).await?),
    };
    drop(tx);
    let forms = forms.ok_or_else(ApiError::not_found)?;
    let form = forms.definition(&id).ok_or_else(ApiError::not_found)?;
    let form = Prepared::of(form)?;
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
    Ok((about, kind, form.body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_are_sent_with_their_lists_and_a_tag() {
        let form = domain::form::catalogue().definition("intake_application");
        let form = Prepared::of(form.unwrap()).unwrap();
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
