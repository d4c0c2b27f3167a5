//! `/search/saved` and `/search/recent`: searches that the account keeps. Nobody else reads them.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    audit::{self, Event},
    saved_searches::{self, Kept, SavedSearch},
};

use super::check;
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

/// Longest name and longest words, in characters.
const LONGEST: usize = 200;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewSavedSearch {
    pub name: String,
    pub words: String,
    /// The other members of the request of `POST /search`, as the screen wants them back.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filters: Value,
}

impl std::fmt::Debug for NewSavedSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewSavedSearch")
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SavedSearchAnswer {
    pub id: String,
    pub name: String,
    pub words: String,
    #[schema(value_type = Object)]
    pub filters: Value,
    pub used_at: String,
}

impl std::fmt::Debug for SavedSearchAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SavedSearchAnswer")
    }
}

impl From<SavedSearch> for SavedSearchAnswer {
    fn from(saved: SavedSearch) -> Self {
        Self {
            id: saved.id,
            name: saved.kept.name,
            words: saved.kept.words,
            filters: saved.kept.filters,
            used_at: saved.used_at,
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SavedSearches {
    pub saved: Vec<SavedSearchAnswer>,
    /// The last 20 of the own searches.
    pub recent: Vec<SavedSearchAnswer>,
}

/// The caller's saved searches and last ones.
#[utoipa::path(get, path = "/search/saved", tag = "search", responses((status = 200, body = SavedSearches)))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<SavedSearches>, ApiError> {
    check(&call.caller)?;
    let mut tx = state.db().read().await?;
    let saved = saved_searches::saved(&mut tx, &call.caller).await?;
    let recent = saved_searches::recent(&mut tx, &call.caller).await?;
    Ok(Json(SavedSearches {
        saved: saved.into_iter().map(Into::into).collect(),
        recent: recent.into_iter().map(Into::into).collect(),
    }))
}

/// Keeps a search under a name, in place of one of that name.
#[utoipa::path(post, path = "/search/saved", tag = "search", request_body = NewSavedSearch,
    responses((status = 201, body = SavedSearchAnswer), (status = 422, description = "invalid, too_many")))]
pub async fn save(
    State(state): State<AppState>,
    call: CallContext,
    Body(new): Body<NewSavedSearch>,
) -> Result<(StatusCode, Json<SavedSearchAnswer>), ApiError> {
    check(&call.caller)?;
    let kept = Kept {
        name: new.name.trim().to_owned(),
        words: new.words.trim().to_owned(),
        filters: new.filters,
    };
    for (field, text) in [("name", &kept.name), ("words", &kept.words)] {
        if text.is_empty() {
            return Err(ApiError::invalid_field(field, "required"));
        }
        if text.chars().count() > LONGEST {
            return Err(ApiError::invalid_field(field, "too_long"));
        }
    }
    if kept.filters.to_string().len() > 2_000 {
        return Err(ApiError::invalid_field("filters", "too_long"));
    }
    let mut tx = state.db().write().await?;
    let saved = saved_searches::save(&mut tx, &call.caller, &kept).await?;
    let event = Event::by(
        &call.caller,
        "search.save",
        "saved_search",
        saved.id.as_str(),
    )
    .terms(kept.words);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(saved.into())))
}

/// Forgets one of the caller's searches.
#[utoipa::path(delete, path = "/search/saved/{id}", tag = "search", params(("id" = String, Path)),
    responses((status = 204), (status = 404, description = "not_found")))]
pub async fn remove(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    check(&call.caller)?;
    let mut tx = state.db().write().await?;
    if !saved_searches::remove(&mut tx, &call.caller, &id).await? {
        return Err(ApiError::not_found());
    }
    let event = Event::by(&call.caller, "search.forget", "saved_search", id);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets what the caller searched for last.
#[utoipa::path(delete, path = "/search/recent", tag = "search", responses((status = 204)))]
pub async fn forget_recent(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<StatusCode, ApiError> {
    check(&call.caller)?;
    let mut tx = state.db().write().await?;
    saved_searches::forget_recent(&mut tx, &call.caller).await?;
    let event = Event::by(&call.caller, "search.forget", "saved_search", "")
        .detail(json!({ "kind": "recent" }));
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
