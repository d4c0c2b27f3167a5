//! `GET /persons/duplicates`: persons of the register who are likely to be one (重複の候補).

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::audit::{self, Event};

use super::{PersonSummary, person_cases, summary};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DuplicatesQuery {
    /// Where the last answer ended.
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DuplicatePair {
    pub one: PersonSummary,
    pub other: PersonSummary,
    /// As of `POST /persons/alike`.
    pub reasons: Vec<&'static str>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DuplicateList {
    pub items: Vec<DuplicatePair>,
    /// More may follow.
    pub next_cursor: Option<String>,
}

/// Names looked at for one answer.
const KEYS: i64 = 50;

/// Pairs of persons who have the same name (in any variant) and are likely to be one, as far as the
/// caller sees both. A page may be empty and still have a next one.
#[utoipa::path(get, path = "/persons/duplicates", tag = "persons", params(DuplicatesQuery),
    responses((status = 200, body = DuplicateList), (status = 403, description = "forbidden")))]
pub async fn duplicates(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<DuplicatesQuery>,
) -> Result<Json<DuplicateList>, ApiError> {
    let mut tx = state.db().read().await?;
    let (pairs, next_cursor) = tx
        .duplicate_pairs(&call.caller, query.cursor.as_deref(), KEYS)
        .await?;
    let today = call.caller.viewer.today;
    let mut items = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let mut both = Vec::with_capacity(2);
        for person in [&pair.one, &pair.other] {
            let cases = match tx.person_for(&call.caller, &person.id).await? {
                Some(access) => person_cases(access.cases_as_client(&mut tx).await?),
                None => Vec::new(),
            };
            both.push(summary(person, cases, today));
        }
        if let (Some(other), Some(one)) = (both.pop(), both.pop()) {
            items.push(DuplicatePair {
                one,
                other,
                reasons: pair.reasons,
            });
        }
    }
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.duplicates", "person", "")
            .detail(json!({ "count": items.len() })),
    );
    tx.commit().await?;
    Ok(Json(DuplicateList { items, next_cursor }))
}
