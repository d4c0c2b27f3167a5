//! `DELETE /local-forms/draft`: throw away what is being prepared.

use axum::{Json, extract::State};
use store::audit::{self, Event};

use super::{LocalFormsAnswer, access, answer};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Throw the draft away; what is published stays.
#[utoipa::path(delete, path = "/local-forms/draft", tag = "forms",
    responses((status = 200, body = LocalFormsAnswer), (status = 403, description = "forbidden")))]
pub async fn drop_draft(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<LocalFormsAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let access = access(&tx, &call)?;
    access.drop_draft(&mut tx).await?;
    let event = Event::by(&call.caller, "forms.draft_drop", "forms", "draft");
    audit::record(&mut tx, event);
    let left = answer(&mut tx, &call, &access).await?;
    tx.commit().await?;
    Ok(Json(left))
}
