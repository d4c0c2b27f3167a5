//! `POST /local-forms/publications`: what was prepared becomes the municipality's sheets.

use axum::{Json, extract::State, http::StatusCode};
use collab::access::Change;
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use super::{LocalFormsAnswer, access, answer, refused};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Revision of the draft that was looked at.
    pub revision: i64,
    /// What was changed and why, for the history.
    pub note: String,
}

/// Publish the draft. Sheets that are open take the new fields over; final ones keep the definition
/// of their time.
#[utoipa::path(post, path = "/local-forms/publications", tag = "forms", request_body = Publish,
    responses((status = 201, body = LocalFormsAnswer), (status = 403, description = "forbidden"), (status = 409, description = "stale_draft, nothing_to_publish"), (status = 422)))]
pub async fn publish(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<Publish>,
) -> Result<(StatusCode, Json<LocalFormsAnswer>), ApiError> {
    let municipality = call.caller.viewer.municipality.clone();
    let mut tx = state.db().write().await?;
    let access = access(&tx, &call)?;
    let made = access
        .publish(&mut tx, request.revision, &request.note)
        .await?
        .map_err(refused)?;
    let event = Event::by(
        &call.caller,
        "forms.publish",
        "forms",
        made.version.to_string(),
    )
    .detail(json!({
        "added": made.changes.added,
        "changed": made.changes.changed,
        "retired": made.changes.retired,
        "forms": made.changes.forms,
    }));
    audit::record(&mut tx, event);
    let now = answer(&mut tx, &call, &access).await?;
    let everybody = Change::Municipality(municipality.clone());
    state.commit_rights(tx, &municipality, everybody).await?;
    Ok((StatusCode::CREATED, Json(now)))
}
