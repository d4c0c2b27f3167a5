//! `POST /similar`: cases like a situation in words. The words go in the body, never in an address,
//! and are kept nowhere but, sealed, in the audit log.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use domain::{my_number, role::Capability};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use super::{SimilarList, find};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
    vectors::Digest,
};

/// Longest text, in characters.
const LONGEST: usize = 4_000;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Situation {
    pub text: String,
}

impl std::fmt::Debug for Situation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Situation")
    }
}

/// Compares by words and meaning.
#[utoipa::path(post, path = "/similar", tag = "similar", request_body = Situation,
    responses((status = 200, body = SimilarList), (status = 403, description = "forbidden"),
        (status = 422, description = "invalid, or personal_number"), (status = 503, description = "models_not_ready, model_unavailable, overloaded")))]
pub async fn search(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<Situation>,
) -> Result<Json<SimilarList>, ApiError> {
    call.caller.require(Capability::ReadSimilar)?;
    let text = request.text.trim().to_owned();
    if text.is_empty() {
        return Err(ApiError::invalid_field("text", "required"));
    }
    if text.chars().count() > LONGEST {
        return Err(ApiError::invalid_field("text", "too_long"));
    }
    if !my_number::find(&text).is_empty() {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "personal_number",
        ));
    }
    let answer = find(
        &state,
        &call,
        Digest {
            text: text.clone(),
            features: BTreeSet::new(),
        },
        None,
    )
    .await?;
    let mut tx = state.db().read().await?;
    let event = Event::by(&call.caller, "similar.search", "case", "")
        .detail(json!({ "hits": answer.hits.len() }))
        .terms(text);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(answer))
}
