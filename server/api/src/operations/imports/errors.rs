//! `GET /imports/{id}/errors.csv`: every error with line and column, to mend the file by.

use ::exchange::{Column, WriteOptions, write};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};

use super::{current, find, rows::trouble};
use crate::{
    context::{CallContext, blocking},
    error::ApiError,
    headers,
    importing::Planned,
    standard_files,
    state::AppState,
};

/// The errors as CSV (UTF-8 with BOM): line, column, what is wrong and what to do. Nothing of the cells.
#[utoipa::path(get, path = "/imports/{id}/errors.csv", tag = "imports", params(("id" = String, Path)),
    responses((status = 200, description = "CSV", content_type = "text/csv"), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "import_rights_changed: check it again, `PUT /imports/{id}/choices`")))]
pub async fn errors(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let mut tx = state.db().read().await?;
    let import = find(&mut tx, &call, &id).await?;
    let table = standard_files::one(&mut tx, &import.municipality, &import.table).await?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut number = 0;
    while let Some(part) = import
        .part::<Vec<Planned>>(&mut tx, "error", number)
        .await?
    {
        current(&mut tx, &import, &part).await?;
        for row in part {
            for error in row.errors {
                let error = trouble(table.as_deref(), error);
                rows.push(vec![
                    row.line.to_string(),
                    error.label.unwrap_or_default(),
                    error.column.unwrap_or_default(),
                    error.code,
                    error.message,
                ]);
            }
        }
        number += 1;
    }
    drop(tx);
    let bytes = blocking(move || {
        let columns = [
            Column::number("行", "line"),
            Column::text("列", "label"),
            Column::text("識別子", "column"),
            Column::text("コード", "code"),
            Column::text("内容", "message"),
        ];
        write(&columns, &rows, &WriteOptions::default()).map_err(ApiError::internal)
    })
    .await??
    .bytes;
    let headers = headers::of_file(
        "text/csv; charset=utf-8; header=present",
        "attachment",
        "import-errors.csv",
    )?;
    Ok((headers, bytes).into_response())
}
