//! `GET /imports/{id}/rows`: what becomes of the rows, a page at a time.

use ::exchange::{Table, Trouble};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::audit::{self, Event};

use super::{current, find};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    importing::{LikePerson, PART, Planned, PlannedChange},
    operations::persons::closed,
    standard_files,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RowsQuery {
    /// `create`, `update`, `same` or `error` (default).
    pub kind: Option<String>,
    /// From 0.
    #[serde(default)]
    pub page: u32,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImportRows {
    pub rows: Vec<ImportRow>,
    pub page: u32,
    pub pages: u32,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct ImportRow {
    /// Line of the file.
    pub line: u64,
    /// The person or entry that is there already.
    pub id: Option<String>,
    pub name: String,
    pub changes: Vec<PlannedChange>,
    /// What was mended, or should be looked at.
    pub notes: Vec<RowTrouble>,
    pub errors: Vec<RowTrouble>,
    pub alike: Vec<LikePerson>,
}

/// Something about a row or one of its cells.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RowTrouble {
    pub column: Option<String>,
    pub label: Option<String>,
    pub code: String,
    pub message: String,
}

closed!(ImportRow, RowTrouble);

pub(super) fn trouble(table: Option<&Table>, trouble: Trouble) -> RowTrouble {
    let label = trouble.header.or_else(|| {
        let table = table?;
        let at = table.position(trouble.column.as_deref()?)?;
        Some(table.columns[at].label.clone())
    });
    RowTrouble {
        column: trouble.column,
        label,
        code: trouble.code,
        message: trouble.message,
    }
}

/// Rows of one kind, 100 to a page.
#[utoipa::path(get, path = "/imports/{id}/rows", tag = "imports", params(("id" = String, Path), RowsQuery),
    responses((status = 200, body = ImportRows), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "import_rights_changed: check it again, `PUT /imports/{id}/choices`"), (status = 422, description = "invalid")))]
pub async fn rows(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<ImportRows>, ApiError> {
    let mut tx = state.db().read().await?;
    let import = find(&mut tx, &call, &id).await?;
    let kind = query.kind.as_deref().unwrap_or("error");
    if !["create", "update", "same", "error"].contains(&kind) {
        return Err(ApiError::invalid_field("kind", "unknown"));
    }
    let count = import.counts.get(kind).copied().unwrap_or(0);
    let pages = usize::try_from(count).unwrap_or(0).div_ceil(PART);
    let part: Vec<Planned> = import
        .part(&mut tx, kind, i64::from(query.page))
        .await?
        .unwrap_or_default();
    current(&mut tx, &import, &part).await?;
    let table = standard_files::one(&mut tx, &import.municipality, &import.table).await?;
    let persons: Vec<&str> = part
        .iter()
        .flat_map(|row| {
            let alike = row.alike.iter().map(|one| one.person_id.as_str());
            row.id.as_deref().into_iter().chain(alike)
        })
        .collect();
    let seen = json!({ "kind": kind, "page": query.page, "seen": persons });
    let viewed = Event::by(&call.caller, "import.view", "import", import.id.as_str()).detail(seen);
    audit::record(&mut tx, viewed);
    tx.commit().await?;
    let table = table.as_deref();
    Ok(Json(ImportRows {
        rows: part
            .into_iter()
            .map(|row| ImportRow {
                line: row.line,
                id: row.id,
                name: row.name,
                changes: row.changes,
                notes: row
                    .notes
                    .into_iter()
                    .map(|one| trouble(table, one))
                    .collect(),
                errors: row
                    .errors
                    .into_iter()
                    .map(|one| trouble(table, one))
                    .collect(),
                alike: row.alike,
            })
            .collect(),
        page: query.page,
        pages: u32::try_from(pages).unwrap_or(u32::MAX),
    }))
}
