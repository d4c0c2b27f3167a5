//! `POST /search`: everything that the caller may see and that holds all of the words.

use std::{collections::BTreeMap, time::Instant};

use ::search::{
    full_text::Sort,
    query::{Refused, Search},
};
use axum::{Json, extract::State};
use domain::stage::Stage;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    audit::{self, Event},
    saved_searches,
    search::{Conditions, Kind},
};

use super::{
    check,
    hits::{HitAnswer, shown},
};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Body},
    search_index::find::{self as index, Asked, COUNTED},
    state::AppState,
};

/// Most hits of a page.
const PAGE: usize = 50;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct SearchQuery {
    /// Words; all of them must be found. Quotation marks (`"…"`, `「…」`) keep words together. At most
    /// 200 characters and 10 words.
    pub q: String,
    /// `person`, `case`, `sheet`, `record`, `transcript`, `attachment`; all when empty.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Stage codes.
    #[serde(default)]
    pub stages: Vec<String>,
    /// Id of the agency in charge.
    pub agency: Option<String>,
    /// `open` or `closed`: cases in progress, or ended.
    pub state: Option<String>,
    /// First day (`2026-04-01`): of records the day it was done, of sheets the last change, of cases
    /// the reception.
    pub from: Option<String>,
    /// Last day.
    pub to: Option<String>,
    /// `relevance` (when missing), `newest` or `oldest`.
    pub sort: Option<String>,
    pub cursor: Option<String>,
    /// At most 50; 20 when missing.
    pub limit: Option<usize>,
}

impl std::fmt::Debug for SearchQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SearchQuery")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SearchAnswer {
    pub hits: Vec<HitAnswer>,
    pub next_cursor: Option<String>,
    /// What was found of each kind and may be seen; at most 100 in all are counted, and at most 40
    /// persons where other things are looked for too.
    pub counts: BTreeMap<&'static str, usize>,
    pub total: usize,
    /// There are more than were counted.
    pub more: bool,
    /// `no_words`: the text has nothing that can be looked for; `indexing`: the index is still being
    /// made, and more may be found later.
    pub notice: Option<&'static str>,
    /// With `indexing`: how far the index is, in hundredths. How much there is in all is nobody's to know.
    pub percent: Option<u8>,
}

fn kinds(codes: &[String]) -> Result<Vec<Kind>, ApiError> {
    let mut out = Vec::new();
    for code in codes {
        match code.as_str() {
            "person" => out.push(Kind::Person),
            "case" => out.push(Kind::Case),
            "sheet" => out.push(Kind::Sheet),
            "record" => out.extend([Kind::Record, Kind::Private]),
            "transcript" => out.push(Kind::Transcript),
            "attachment" => out.push(Kind::Attachment),
            _ => return Err(ApiError::invalid_field("kinds", "unknown_option")),
        }
    }
    Ok(out)
}

/// The kind as answers name it.
pub(super) const fn kind_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Person | Kind::Protected => "person",
        Kind::Case => "case",
        Kind::Sheet => "sheet",
        Kind::Record | Kind::Private => "record",
        Kind::Transcript => "transcript",
        Kind::Attachment => "attachment",
    }
}

fn conditions(query: &SearchQuery) -> Result<Conditions, ApiError> {
    let mut stages: Vec<Stage> = Vec::new();
    for code in &query.stages {
        let stage = Stage::from_code(code)
            .ok_or_else(|| ApiError::invalid_field("stages", "unknown_option"))?;
        // Each once, however often it is named: they become values of a query.
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    Ok(Conditions {
        stages,
        owner: query
            .agency
            .as_deref()
            .filter(|id| !id.is_empty())
            .map(Into::into),
        closed: match query.state.as_deref() {
            None | Some("") => None,
            Some("open") => Some(false),
            Some("closed") => Some(true),
            Some(_) => return Err(ApiError::invalid_field("state", "unknown_option")),
        },
    })
}

fn day(text: Option<&str>, field: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let day: Date = text
        .parse()
        .map_err(|_| ApiError::invalid_field(field, "date"))?;
    Ok(Some(crate::search_index::day_number(day)))
}

fn sort(text: Option<&str>) -> Result<Sort, ApiError> {
    Ok(match text {
        None | Some("" | "relevance") => Sort::Relevance,
        Some("newest") => Sort::Newest,
        Some("oldest") => Sort::Oldest,
        Some(_) => return Err(ApiError::invalid_field("sort", "unknown_option")),
    })
}

/// Searches persons, cases, sheets, 支援経過, transcripts and attachments of 支援経過. What the caller may see masked is searched
/// by its masked text; the policy speaks before anything is counted.
#[utoipa::path(post, path = "/search", tag = "search", request_body = SearchQuery,
    responses((status = 200, body = SearchAnswer), (status = 403, description = "forbidden"),
        (status = 422, description = "invalid: too_long, too_many_words"),
        (status = 503, description = "search_not_ready, overloaded")))]
pub async fn find(
    State(state): State<AppState>,
    call: CallContext,
    Body(query): Body<SearchQuery>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let caller = &call.caller;
    check(caller)?;
    let began = Instant::now();
    let (kinds, conditions) = (kinds(&query.kinds)?, conditions(&query)?);
    let days = (
        day(query.from.as_deref(), "from")?,
        day(query.to.as_deref(), "to")?,
    );
    let sort = sort(query.sort.as_deref())?;
    let limit = query.limit.unwrap_or(20).clamp(1, PAGE);
    let start = match query.cursor.as_deref() {
        None => 0,
        Some(cursor) => cursor
            .parse::<usize>()
            .ok()
            .filter(|start| *start <= COUNTED)
            .ok_or_else(|| ApiError::invalid_field("cursor", "malformed"))?,
    };
    let shelf = state.search().shelf(&caller.viewer.municipality);
    let index = shelf
        .index()
        .ok_or_else(|| ApiError::unavailable("search_not_ready").with("retry_after", 5))?;
    let _turn = state.search().turns.wait().await?;
    let words = query.q.trim().to_owned();
    let search = {
        let (index, words) = (index.clone(), words.clone());
        blocking(move || Search::parse(index.analyzer(), &words))
            .await?
            .map_err(ApiError::internal)?
            .map_err(|refused| {
                let code = match refused {
                    Refused::TooLong => "too_long",
                    Refused::TooManyWords => "too_many_words",
                };
                ApiError::invalid_field("q", code)
            })?
    };
    let asked = Asked {
        search,
        kinds,
        conditions,
        days,
        sort,
    };
    let mut tx = state.db().read().await?;
    let outcome = index::find(&state, &index, &mut tx, caller, &asked).await?;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for hit in &outcome.hits {
        *counts.entry(kind_code(hit.kind)).or_default() += 1;
    }
    let total = outcome.hits.len();
    let end = total.min(start + limit);
    let page = outcome.hits.get(start..end).unwrap_or_default();
    let hits = shown(
        &index,
        &mut tx,
        caller,
        &asked.search,
        page,
        &outcome.persons,
    )
    .await?;
    drop(tx);
    let percent = shelf.progress().percent();
    let answer = SearchAnswer {
        next_cursor: (end < total).then(|| end.to_string()),
        notice: if asked.search.is_empty() {
            Some("no_words")
        } else {
            percent.map(|_| "indexing")
        },
        hits,
        counts,
        total,
        more: outcome.more,
        percent,
    };
    let event = Event::by(caller, "search", "search", "")
        .detail(json!({ "count": answer.hits.len(), "total": answer.total }));
    let event = if words.is_empty() {
        event
    } else {
        event.terms(words.clone())
    };
    if start == 0 && !asked.search.is_empty() {
        let mut tx = state.db().write().await?;
        saved_searches::remember(&mut tx, caller, &words).await?;
        audit::record(&mut tx, event);
        tx.commit().await?;
    } else {
        let mut tx = state.db().read().await?;
        audit::record(&mut tx, event);
        tx.commit().await?;
    }
    state.search().searched(began.elapsed());
    Ok(Json(answer))
}
