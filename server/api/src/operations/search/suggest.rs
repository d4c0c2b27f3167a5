//! `POST /search/suggestions`: what the caller may mean: own last searches, and persons and cases that
//! the caller may see. Never a term of the index.

use axum::{Json, extract::State};
use domain::role::Capability;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    audit::{self, Event},
    cases::CaseFilter,
    persons::normal,
    saved_searches,
};

use super::check;
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

/// Of each kind.
const MOST: usize = 5;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct SuggestionQuery {
    /// What was typed so far; empty: the last searches.
    #[serde(default)]
    pub q: String,
}

impl std::fmt::Debug for SuggestionQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SuggestionQuery")
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SuggestedPerson {
    pub id: String,
    pub name: String,
    pub kana: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SuggestedCase {
    pub id: String,
    pub case_no: String,
    pub title: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct Suggestions {
    /// Words of own searches.
    pub recent: Vec<String>,
    pub persons: Vec<SuggestedPerson>,
    pub cases: Vec<SuggestedCase>,
}

impl std::fmt::Debug for SuggestedPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SuggestedPerson")
    }
}

impl std::fmt::Debug for SuggestedCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SuggestedCase({})", self.id)
    }
}

impl std::fmt::Debug for Suggestions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Suggestions")
    }
}

/// Suggests while somebody types.
#[utoipa::path(post, path = "/search/suggestions", tag = "search", request_body = SuggestionQuery,
    responses((status = 200, body = Suggestions), (status = 403, description = "forbidden")))]
pub async fn suggest(
    State(state): State<AppState>,
    call: CallContext,
    Body(query): Body<SuggestionQuery>,
) -> Result<Json<Suggestions>, ApiError> {
    let caller = &call.caller;
    check(caller)?;
    let typed: String = query.q.trim().chars().take(100).collect();
    let wanted = normal(&typed);
    let numeric = typed.chars().all(|c| c.is_ascii_digit() || c == '-');
    let numbers = numeric && typed.len() >= 3 && caller.may(Capability::ReadCases);
    if numbers {
        state.db().prepare_case_list(caller).await?;
    }
    let mut tx = state.db().read().await?;
    let recent: Vec<String> = saved_searches::recent(&mut tx, caller)
        .await?
        .into_iter()
        .map(|recent| recent.kept.words)
        .filter(|words| normal(words).starts_with(&wanted))
        .take(MOST)
        .collect();
    let mut out = Suggestions {
        recent,
        persons: Vec::new(),
        cases: Vec::new(),
    };
    if !wanted.is_empty() {
        out.persons = tx
            .find_persons(caller, &typed, MOST)
            .await?
            .into_iter()
            .map(|person| SuggestedPerson {
                id: person.id.0.clone(),
                name: person.name().to_owned(),
                kana: person.fields.get("name_kana").cloned(),
            })
            .collect();
        if numbers {
            let filter = CaseFilter {
                case_no: Some(typed.clone()),
                limit: MOST,
                ..CaseFilter::default()
            };
            let page = tx.cases(caller, &filter, None).await?;
            out.cases = page
                .items
                .into_iter()
                .map(|case| SuggestedCase {
                    id: case.id.0,
                    case_no: case.case_no,
                    title: case.title.unwrap_or_default(),
                })
                .collect();
        }
        let event = Event::by(caller, "search.suggest", "search", "")
            .terms(typed)
            .detail(json!({ "persons": out.persons.len(), "cases": out.cases.len() }));
        audit::record(&mut tx, event);
        tx.commit().await?;
    }
    Ok(Json(out))
}
