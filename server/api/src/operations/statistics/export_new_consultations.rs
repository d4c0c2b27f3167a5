//! `GET /statistics/new-consultations.csv`: the figures as a file, one line per month.

use ::exchange::{Column, Encoding, WriteError, WriteOptions, write};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Question, count, file_name};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    headers,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ExportQuestion {
    /// First month, `2026-04`.
    pub from: String,
    /// Last month, included.
    pub to: String,
    /// `route` (default) or `issue`.
    pub by: Option<String>,
    /// `utf-8-bom` (default), `utf-8` or `cp932`.
    pub encoding: Option<String>,
}

/// The first line holds the Japanese headings, the last one the totals. Needs `read_statistics`.
#[utoipa::path(get, path = "/statistics/new-consultations.csv", tag = "statistics", params(ExportQuestion),
    responses((status = 200, description = "CSV", content_type = "text/csv"), (status = 403, description = "forbidden"),
        (status = 422, description = "invalid, or unencodable in the encoding asked for")))]
pub async fn export_new_consultations(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<ExportQuestion>,
) -> Result<Response, ApiError> {
    let encoding: Encoding = query
        .encoding
        .as_deref()
        .unwrap_or("utf-8-bom")
        .parse()
        .map_err(|()| ApiError::invalid_field("encoding", "unknown"))?;
    let question = Question {
        from: query.from,
        to: query.to,
        by: query.by,
    };
    let table = count(&state, &call, &question, "statistics.export", "csv").await?;
    let name = file_name(&table, "csv");
    let bytes = blocking(move || {
        let (header, ids, records) = table.records();
        let columns: Vec<Column> = header
            .into_iter()
            .zip(ids)
            .enumerate()
            .map(|(at, (label, id))| {
                if at == 0 {
                    Column::text(label, id)
                } else {
                    Column::number(label, id)
                }
            })
            .collect();
        write(
            &columns,
            &records,
            &WriteOptions {
                encoding,
                ..WriteOptions::default()
            },
        )
    })
    .await?
    .map_err(|error| match error {
        WriteError::Unencodable(places) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unencodable")
                .with("count", places.len())
        }
        other => ApiError::internal(other),
    })?
    .bytes;
    let kind = if encoding == Encoding::Cp932 {
        "text/csv; charset=Shift_JIS; header=present"
    } else {
        "text/csv; charset=utf-8; header=present"
    };
    Ok((headers::of_file(kind, "attachment", &name)?, bytes).into_response())
}
