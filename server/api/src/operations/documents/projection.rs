//! `GET /documents/{id}/projection`: the document as the caller's level shows it.

use axum::{
    Json,
    extract::{Path, State},
};
use collab::values;
use domain::{
    disclosure::{self, Level},
    form::{self, Projected, Projection},
    id::DocumentId,
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    audit::{self, Event},
    documents::DocumentAccess,
};

use crate::{context::CallContext, error::ApiError, scanning, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProjectionAnswer {
    pub document_id: String,
    pub level: &'static str,
    /// State of the document that the texts were taken at.
    pub seq: u64,
    pub generated_at: Option<String>,
    /// Field id → `{text?, value?, rows?, withheld}`.
    #[schema(value_type = Object)]
    pub fields: Projection,
    /// `masked`: the reader sees masked text, which remains personal information;
    /// `not_scanned`: nothing was scanned yet, so nothing is shown.
    pub notice: Option<&'static str>,
}

/// What the caller may see of a sheet. A masked reader gets the state of the last scan with every
/// accepted and pending suggestion masked; a text that changed since carries `withheld`.
#[utoipa::path(get, path = "/documents/{id}/projection", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = ProjectionAnswer), (status = 404)))]
pub async fn projection(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<ProjectionAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let mut event = Event::by(&context.caller, "document.view", "document", id.as_str())
        .detail(serde_json::json!({"level": access.level()}));
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    answer(&state, &access, access.level() == Level::Masked)
        .await
        .map(Json)
}

/// Builds the answer; `masked` is also what reviewers preview and 見え方の確認 shows.
///
/// # Errors
/// 404 for documents without a form.
pub async fn answer(
    state: &AppState,
    access: &DocumentAccess,
    masked: bool,
) -> Result<ProjectionAnswer, ApiError> {
    let id = access.info().id.clone();
    let definition = access
        .info()
        .form
        .as_deref()
        .and_then(|form| form::catalogue().definition(form))
        .ok_or_else(ApiError::not_found)?;
    let (current, seq) = state
        .hub()
        .read(&id, |view| {
            (values::fields(&view.txn, &view.shape), view.seq)
        })
        .await
        .map_err(ApiError::internal)?;
    let current = match current {
        Value::Object(values) => values,
        _ => Map::new(),
    };
    if !masked {
        return Ok(ProjectionAnswer {
            document_id: id.0,
            level: access.level().code(),
            seq,
            generated_at: None,
            fields: plain(definition, &current),
            notice: None,
        });
    }
    let mut tx = state.db().read().await?;
    let work = tx.work_on(&id).await?.ok_or_else(ApiError::not_found)?;
    let Some(stored) = scanning::read_scan(&mut tx, &work).await? else {
        return Ok(ProjectionAnswer {
            document_id: id.0,
            level: Level::Masked.code(),
            seq: 0,
            generated_at: None,
            fields: Projection::new(),
            notice: Some("not_scanned"),
        });
    };
    let persons = work.register(&mut tx).await?;
    let facts = work.facts(&mut tx).await?;
    drop(tx);
    let protected = scanning::address_protected(facts.as_ref());
    let hidden = facts
        .as_ref()
        .map(|facts| disclosure::hidden_persons(&access.caller().viewer, facts))
        .unwrap_or_default();
    let fields = scanning::project(
        definition,
        &stored.scan.for_register(&persons),
        &current,
        protected,
        &mut scanning::numbering_for(&persons, &hidden),
    );
    Ok(ProjectionAnswer {
        document_id: id.0,
        level: Level::Masked.code(),
        seq: stored.seq,
        generated_at: Some(stored.at),
        fields,
        notice: Some("masked"),
    })
}

/// Readers of the original see the values as they are.
fn plain(definition: &form::Definition, values: &Map<String, Value>) -> Projection {
    let show = |field: &form::Field, value: &Value| match field.kind {
        form::FieldType::Text | form::FieldType::Textarea => Projected {
            text: value.as_str().map(str::to_owned),
            ..Projected::default()
        },
        _ => Projected {
            value: Some(value.clone()),
            ..Projected::default()
        },
    };
    definition
        .fields()
        .filter_map(|field| {
            let value = values
                .get(&field.id)
                .filter(|value| !form::is_empty(Some(value)))?;
            if field.kind != form::FieldType::Table {
                return Some((field.id.clone(), show(field, value)));
            }
            let rows = value
                .as_array()?
                .iter()
                .enumerate()
                .map(|(at, row)| form::ProjectedRow {
                    id: row["id"]
                        .as_str()
                        .map_or_else(|| format!("r{}", at + 1), str::to_owned),
                    cells: field
                        .columns
                        .iter()
                        .filter_map(|column| {
                            let value = row
                                .get(&column.id)
                                .filter(|value| !form::is_empty(Some(value)))?;
                            Some((column.id.clone(), show(column, value)))
                        })
                        .collect(),
                })
                .collect();
            Some((
                field.id.clone(),
                Projected {
                    rows: Some(rows),
                    ..Projected::default()
                },
            ))
        })
        .collect()
}
