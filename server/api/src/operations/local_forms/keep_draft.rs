//! `PUT /local-forms/draft`: keep what is being prepared.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::Value;
use store::audit::{self, Event};

use super::{LocalFormsAnswer, access, answer, read, refused};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepFormDraft {
    /// Revision of the draft that was changed; missing when there was none.
    pub revision: Option<i64>,
    /// Everything added so far and now. New things carry ids that begin with `new_`; the answer
    /// has those that the server gave.
    #[schema(value_type = Object)]
    pub extension: Value,
}

/// Keep a draft. It may be half done: what keeps it from being published is named in the answer.
#[utoipa::path(put, path = "/local-forms/draft", tag = "forms", request_body = KeepFormDraft,
    responses((status = 200, body = LocalFormsAnswer), (status = 403, description = "forbidden"), (status = 409, description = "stale_draft: somebody else changed it"), (status = 422)))]
pub async fn keep_draft(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<KeepFormDraft>,
) -> Result<Json<LocalFormsAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let access = access(&tx, &call)?;
    let extension = read(request.extension)?;
    access
        .keep_draft(&mut tx, request.revision, extension)
        .await?
        .map_err(refused)?;
    let event = Event::by(&call.caller, "forms.draft", "forms", "draft");
    audit::record(&mut tx, event);
    let kept = answer(&mut tx, &call, &access).await?;
    tx.commit().await?;
    Ok(Json(kept))
}
