//! `GET /statistics/new-consultations`: 新規相談受付件数 per month, by route or by issue.

use axum::{Json, extract::State};
use serde::Serialize;

use super::{Question, count};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

/// How the figures were counted: shown before the figures.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DefinitionAnswer {
    pub title: String,
    /// `相談経路別`.
    pub breakdown: String,
    pub unit: String,
    pub text: String,
    /// Compared with the ministry's own form. `false` = 未検証.
    pub verified: bool,
    /// What is not verified about it, in words.
    pub source: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CountAnswer {
    /// `2026-11`.
    pub month: String,
    /// Code of the option list; `unrecorded` for cases without an entry.
    pub category: String,
    pub label: String,
    /// `null`: left out because the number is small.
    pub count: Option<u32>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MonthAnswer {
    pub month: String,
    pub cases: u32,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewConsultationsAnswer {
    pub definition: DefinitionAnswer,
    /// Every month × category, zero included, categories in the order of the form.
    pub rows: Vec<CountAnswer>,
    /// Cases per month, each once.
    pub months: Vec<MonthAnswer>,
    /// Cases in the period, each once.
    pub total_cases: u32,
}

/// Counts with their definition. Needs `read_statistics`.
#[utoipa::path(get, path = "/statistics/new-consultations", tag = "statistics", params(Question),
    responses((status = 200, body = NewConsultationsAnswer), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn new_consultations(
    State(state): State<AppState>,
    call: CallContext,
    Query(question): Query<Question>,
) -> Result<Json<NewConsultationsAnswer>, ApiError> {
    let table = count(&state, &call, &question, "statistics.read", "json").await?;
    let definition = table.definition;
    // The screen marks 未検証 itself and says what that means.
    let (open, lines): (Vec<String>, Vec<String>) = definition
        .lines
        .into_iter()
        .partition(|line| line.starts_with("未検証"));
    Ok(Json(NewConsultationsAnswer {
        definition: DefinitionAnswer {
            title: definition.title,
            breakdown: definition.suffix,
            unit: definition.unit,
            text: lines.concat(),
            verified: definition.verified,
            source: (!open.is_empty()).then(|| open.concat()),
        },
        rows: table
            .rows
            .into_iter()
            .map(|row| CountAnswer {
                month: row.month.to_string(),
                category: row.code,
                label: row.label,
                count: Some(row.count),
            })
            .collect(),
        months: table
            .month_totals
            .into_iter()
            .map(|(month, cases)| MonthAnswer {
                month: month.to_string(),
                cases,
            })
            .collect(),
        total_cases: table.total_cases,
    }))
}
