//! `GET /cases`: the cases the caller may know of.

use axum::{Json, extract::State};
use domain::stage::Stage;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    audit::{self, Event},
    cases::CaseFilter,
};

use super::answers::{CaseSummary, summary};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Default, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(default)]
pub struct CaseQuery {
    /// A case number or a part of it. In the body of `POST /cases/search` also what finds a person:
    /// addresses are written down along the way, bodies are not.
    pub q: Option<String>,
    /// Stage codes, separated by commas.
    pub stage: Option<String>,
    /// Only cases that the caller is in charge of: of all, or for the own agency (割当).
    pub mine: Option<bool>,
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
}

impl std::fmt::Debug for CaseQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CaseQuery")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CaseList {
    pub items: Vec<CaseSummary>,
    pub next_cursor: Option<String>,
    /// Cases that match and that the caller may know of.
    pub total: usize,
}

fn stages(text: Option<&str>) -> Result<Vec<Stage>, ApiError> {
    text.unwrap_or_default()
        .split(',')
        .filter(|code| !code.is_empty())
        .map(|code| {
            Stage::from_code(code).ok_or_else(|| ApiError::invalid_field("stage", "unknown_option"))
        })
        .collect()
}

/// Cases, the latest change first. The policy speaks before anything is counted.
#[utoipa::path(get, path = "/cases", tag = "cases", params(CaseQuery),
    responses((status = 200, body = CaseList), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<CaseQuery>,
) -> Result<Json<CaseList>, ApiError> {
    if query.q.as_deref().is_some_and(|words| !is_number(words)) {
        return Err(ApiError::invalid_field("q", "case_number"));
    }
    // Digits may be a telephone number or a day of birth: in an address they find nobody.
    find(&state, &call, query, Words::Number).await
}

/// What the words of a search are compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Number,
    Everything,
}

fn is_number(words: &str) -> bool {
    words
        .chars()
        .all(|c| c.is_ascii_digit() || c == '-' || c.is_whitespace())
}

/// Lists and searches; the caller has looked at where the words came from.
pub(super) async fn find(
    state: &AppState,
    call: &CallContext,
    query: CaseQuery,
    compared: Words,
) -> Result<Json<CaseList>, ApiError> {
    call.caller.require(domain::role::Capability::ReadCases)?;
    let words = query
        .q
        .map(|words| words.trim().to_owned())
        .filter(|words| !words.is_empty());
    let filter = CaseFilter {
        q: words.clone().filter(|_| compared == Words::Everything),
        case_no: words.clone().filter(|_| compared == Words::Number),
        stages: stages(query.stage.as_deref())?,
        mine: query.mine.unwrap_or(false),
        limit: query.limit.unwrap_or(50).clamp(1, 200),
    };
    state.db().prepare_case_list(&call.caller).await?;
    let mut tx = state.db().read().await?;
    let page = tx
        .cases(&call.caller, &filter, query.cursor.as_deref())
        .await?;
    let mut event = Event::by(
        &call.caller,
        if words.is_some() {
            "case.search"
        } else {
            "case.list"
        },
        "case",
        "",
    );
    event = event.detail(json!({ "count": page.items.len(), "total": page.total }));
    if let Some(words) = words {
        event = event.terms(words);
    }
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(CaseList {
        items: page.items.into_iter().map(summary).collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_belong_into_an_address() {
        assert!(is_number("2026-0147") && is_number(""));
        assert!(!is_number("山本") && !is_number("yamamoto"));
    }

    #[test]
    fn stages_are_codes_or_nothing() {
        assert_eq!(stages(None).unwrap(), []);
        assert_eq!(stages(Some("")).unwrap(), []);
        assert_eq!(
            stages(Some("received,active")).unwrap(),
            [Stage::Received, Stage::Active]
        );
        assert!(stages(Some("nonsense")).is_err());
    }
}
