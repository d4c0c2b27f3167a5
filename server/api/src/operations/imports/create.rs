//! `POST /imports`: a file that is to be brought in. Nothing is written before it is applied.

use ::exchange::{MAX_BYTES, MAX_ROWS, Mapping, ReadError, read_any};
use axum::{
    Json,
    extract::{FromRequest, Multipart, Request, State, multipart::MultipartError},
    http::StatusCode,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    imports, mappings,
};

use super::{ImportAnswer, answer};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    importing::Choices,
    operations::mappings::table_of,
    state::AppState,
};

#[derive(Debug, utoipa::ToSchema)]
pub struct SentFile {
    /// CSV or a workbook, at most 64 MiB and 50,000 rows. Its name is not kept.
    #[schema(value_type = String, format = Binary)]
    pub file: Bytes,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// The standard file it is: one of `GET /exchange-tables` that can be brought in.
    pub table: Option<String>,
    /// An empty cell takes the value away; otherwise it says nothing.
    #[serde(default)]
    pub clear: bool,
    /// A kept mapping.
    pub mapping: Option<String>,
}

/// Send a file. It is read and compared in the background; see `GET /imports/{id}`.
#[utoipa::path(post, path = "/imports", tag = "imports", params(ImportQuery),
    request_body(content = SentFile, content_type = "multipart/form-data"),
    responses((status = 201, body = ImportAnswer), (status = 403, description = "forbidden"), (status = 413, description = "too_large"),
        (status = 422, description = "unreadable with the reason in `message`; too_many_rows; too_many")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<(StatusCode, Json<ImportAnswer>), ApiError> {
    if !imports::may_import(&call.caller) {
        return Err(ApiError::forbidden());
    }
    let wanted = query.table.as_deref().unwrap_or_default();
    let mut tx = state.db().read().await?;
    let table = table_of(&mut tx, &call.caller.viewer.municipality, wanted).await?;
    drop(tx);
    let mut choices = Choices {
        clear: query.clear,
        ..Choices::default()
    };
    if let Some(id) = &query.mapping {
        let mut tx = state.db().read().await?;
        let kept = mappings::find(&mut tx, &call.caller, id)
            .await?
            .filter(|kept| kept.table == table.id)
            .ok_or_else(|| ApiError::invalid_field("mapping", "unknown"))?;
        choices.mapping =
            serde_json::from_value::<Mapping>(kept.content).map_err(ApiError::internal)?;
    }
    let SentFile { file } = receive(request, &state).await?;
    // What cannot be read at all is said at once.
    let sent = file.clone();
    let rows = blocking(move || read_any(&sent).map(|sheet| sheet.records.len()))
        .await?
        .map_err(|error| unreadable(&error))?;
    if rows > MAX_ROWS {
        return Err(
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_rows")
                .with("rows", rows)
                .with("limit", MAX_ROWS),
        );
    }
    let mut tx = state.db().write().await?;
    let import = imports::create(&mut tx, &call.caller, &table.id, &file, &choices).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "import.create", "import", import.id.as_str())
            .detail(json!({ "table": import.table, "rows": rows })),
    );
    let answer = answer(&state, &mut tx, &import).await?;
    tx.commit().await?;
    state.imports().wake();
    Ok((StatusCode::CREATED, Json(answer)))
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with("limit", MAX_BYTES)
}

/// The reason in words; it says where and holds nothing of the file.
fn unreadable(error: &ReadError) -> ApiError {
    if matches!(error, ReadError::TooLarge { .. }) {
        return too_large();
    }
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable").with("message", error.to_string())
}

async fn receive(request: Request, state: &AppState) -> Result<SentFile, ApiError> {
    let malformed = || ApiError::new(StatusCode::BAD_REQUEST, "malformed");
    let broken = |error: MultipartError| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large()
        } else {
            malformed()
        }
    };
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|_| malformed())?;
    let mut file = None;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if part.name() == Some("file") {
            file = Some(part.bytes().await.map_err(broken)?);
        }
    }
    let file = file.ok_or_else(|| ApiError::invalid_field("file", "required"))?;
    if file.len() > MAX_BYTES {
        return Err(too_large());
    }
    Ok(SentFile { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let ApiError::Refused { code, extra, .. } = unreadable(&ReadError::OpenQuote { line: 7 })
        else {
            panic!("internal")
        };
        assert_eq!(code, "unreadable");
        assert!(extra["message"].as_str().unwrap().contains("7行目"));
        let large = ReadError::TooLarge { found: 9, limit: 1 };
        assert!(matches!(
            unreadable(&large),
            ApiError::Refused {
                code: "too_large",
                ..
            }
        ));
    }
}
