//! `GET /documents/{id}/projection`: the document as the caller's level shows it.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use collab::values;
use domain::{
    disclosure::{self, Level},
    form::{self, Projected, Projection},
    id::DocumentId,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
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

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProjectionQuery {
    /// For paper: noted in the audit as printed, and what 住所秘匿 protects is left out even for
    /// those who may read it on the screen.
    #[serde(default)]
    pub print: bool,
}

/// What the caller may see of a sheet. A masked reader gets the state of the last scan with every
/// accepted and pending suggestion masked; a text that changed since carries `withheld`.
#[utoipa::path(get, path = "/documents/{id}/projection", tag = "documents", params(("id" = String, Path), ProjectionQuery),
    responses((status = 200, body = ProjectionAnswer), (status = 404)))]
pub async fn projection(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ProjectionQuery>,
    context: CallContext,
) -> Result<Json<ProjectionAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let action = if query.print {
        "document.print"
    } else {
        "document.view"
    };
    let mut event = Event::by(&context.caller, action, "document", id.as_str())
        .detail(serde_json::json!({"level": access.level()}));
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    let mut shown = answer(&state, &access, access.level() == Level::Masked).await?;
    if query.print && access.level() > Level::Masked {
        leave_out_addresses(&state, &access, &mut shown).await?;
    }
    Ok(Json(shown))
}

/// Takes out of a print of the original what 住所秘匿 protects. Text is taken from the last scan; what
/// was written since is withheld.
pub(crate) async fn leave_out_addresses(
    state: &AppState,
    access: &DocumentAccess,
    shown: &mut ProjectionAnswer,
) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let work = tx
        .work_on(&access.info().id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let facts = work.facts(&mut tx).await?;
    if !scanning::address_protected(facts.as_ref()) {
        return Ok(());
    }
    let stored = scanning::read_scan(&mut tx, &work).await?;
    let persons = work.register(&mut tx).await?;
    let definition = tx.form_of(access.info()).await?;
    drop(tx);
    let definition = definition.ok_or_else(ApiError::not_found)?;
    let scan = stored.map(|stored| stored.scan.for_register(&persons));
    scanning::without_places(
        &definition,
        scan.as_ref(),
        &mut shown.fields,
        &mut scanning::numbering(&persons),
    );
    Ok(())
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
    let mut tx = state.db().read().await?;
    let definition = tx.form_of(access.info()).await?;
    drop(tx);
    let definition = definition.ok_or_else(ApiError::not_found)?;
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
    let mut tx = state.db().read().await?;
    let case = match &access.info().case {
        Some(case) => tx.case_for(access.caller(), case).await?,
        None => None,
    };
    let outside = match case {
        Some(case) => case.outside(&mut tx).await?,
        None => Map::new(),
    };
    drop(tx);
    let today = access.caller().viewer.today;
    if !masked {
        return Ok(ProjectionAnswer {
            document_id: id.0,
            level: access.level().code(),
            seq,
            generated_at: None,
            fields: calculated(
                &definition,
                plain(&definition, &current),
                &current,
                &outside,
                today,
            ),
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
    let scan = stored.scan.for_register(&persons);
    let fields = scanning::project(
        &definition,
        &scan,
        &current,
        protected,
        &mut scanning::numbering_for(&persons, &hidden),
    );
    let fields = calculated(&definition, fields, &scan.values, &outside, today);
    Ok(ProjectionAnswer {
        document_id: id.0,
        level: Level::Masked.code(),
        seq: stored.seq,
        generated_at: Some(stored.at),
        fields,
        notice: Some("masked"),
    })
}

/// Adds the calculated fields that hold nothing personal and whose inputs are all shown.
fn calculated(
    definition: &form::Definition,
    mut fields: Projection,
    values: &Map<String, Value>,
    outside: &Map<String, Value>,
    today: Date,
) -> Projection {
    for field in definition.fields() {
        let Some(calculation) = field
            .calculation
            .as_ref()
            .filter(|_| field.pii == form::Pii::None)
        else {
            continue;
        };
        let hidden = calculation.inputs().into_iter().any(|input| {
            let input = input.split('/').next().unwrap_or_default();
            let shown = fields.get(input);
            values.contains_key(input) && shown.is_none_or(|shown| shown.withheld)
        });
        if let Some(value) =
            form::calculate(definition, field, values, outside, today).filter(|_| !hidden)
        {
            let shown = Projected {
                value: Some(value),
                ..Projected::default()
            };
            fields.insert(field.id.clone(), shown);
        }
    }
    fields
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
