//! `POST /persons/search`: look into the register.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::audit::{self, Event};

use super::{PersonSummary, person_cases, summary};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
pub struct PersonQuery {
    /// Beginning of a name or its kana (given name, old names and variant characters too), a
    /// telephone number, or a birth date as `1950-04-01`.
    pub q: String,
    /// At most 50; 20 when missing.
    pub limit: Option<usize>,
}

impl std::fmt::Debug for PersonQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonQuery")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PersonList {
    pub items: Vec<PersonSummary>,
}

/// Persons whom the caller may see. The words come in the body: names never stand in an address.
#[utoipa::path(post, path = "/persons/search", tag = "persons", request_body = PersonQuery,
    responses((status = 200, body = PersonList), (status = 403, description = "forbidden")))]
pub async fn search(
    State(state): State<AppState>,
    call: CallContext,
    Body(query): Body<PersonQuery>,
) -> Result<Json<PersonList>, ApiError> {
    let limit = query.limit.unwrap_or(20).clamp(1, 50);
    let mut tx = state.db().read().await?;
    let found = tx.find_persons(&call.caller, &query.q, limit).await?;
    let mut items = Vec::with_capacity(found.len());
    for person in &found {
        let cases = match tx.person_for(&call.caller, &person.id).await? {
            Some(access) => person_cases(access.cases_as_client(&mut tx).await?),
            None => Vec::new(),
        };
        items.push(summary(person, cases, call.caller.viewer.today));
    }
    let event = Event::by(&call.caller, "person.search", "person", "")
        .terms(query.q)
        .detail(json!({ "count": items.len() }));
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(PersonList { items }))
}
