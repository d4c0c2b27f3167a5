//! `GET /exchange-tables`: the standard files and their columns.

use ::exchange::Kind;
use axum::{Json, extract::State};
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, standard_files, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TableList {
    pub items: Vec<TableAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TableAnswer {
    /// The file is `id.csv`.
    pub id: String,
    pub title: String,
    /// Whether it can be brought in as well.
    pub import: bool,
    /// Compared with the ministry's file. `false` = 未検証.
    pub verified: bool,
    pub columns: Vec<ColumnAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ColumnAnswer {
    pub id: String,
    pub label: String,
    /// `text`, `long`, `code`, `phone`, `postal_code`, `int`, `number`, `bool`, `date`, `partial_date`,
    /// `date_time`, `select` or `multi`.
    #[schema(value_type = String)]
    pub kind: Kind,
    pub required: bool,
    /// Left alone by imports.
    pub output_only: bool,
    /// A field that the municipality added to its sheet.
    pub own: bool,
    pub options: Vec<OptionAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OptionAnswer {
    pub code: String,
    pub label: String,
}

/// The standard files, with the fields that the municipality added to its sheets. The same for everybody in it.
#[utoipa::path(get, path = "/exchange-tables", tag = "exports", responses((status = 200, body = TableList)))]
pub async fn tables(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<TableList>, ApiError> {
    let mut tx = state.db().read().await?;
    let tables = standard_files::all(&mut tx, &call.caller.viewer.municipality).await?;
    drop(tx);
    let items = tables
        .iter()
        .map(|table| TableAnswer {
            id: table.id.clone(),
            title: table.title.clone(),
            import: table.import,
            verified: table.verified,
            columns: table
                .columns
                .iter()
                .map(|column| ColumnAnswer {
                    id: column.id.clone(),
                    label: column.label.clone(),
                    kind: column.kind,
                    required: column.required,
                    output_only: column.output_only,
                    own: column.own,
                    options: column
                        .options
                        .as_ref()
                        .map(|list| list.options.as_slice())
                        .unwrap_or_default()
                        .iter()
                        .map(|option| OptionAnswer {
                            code: option.code.clone(),
                            label: option.label.clone(),
                        })
                        .collect(),
                })
                .collect(),
        })
        .collect();
    Ok(Json(TableList { items }))
}
