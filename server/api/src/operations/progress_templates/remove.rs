//! `DELETE /progress-templates/{id}`: forget a template.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use store::audit::{self, Event};

use crate::{context::CallContext, error::ApiError, state::AppState};

/// Forget a template: one's own, or one of the agency by its manager.
#[utoipa::path(delete, path = "/progress-templates/{id}", tag = "progress", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn remove(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    store::progress_templates::remove(&mut tx, &call.caller, &id).await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "progress.template_remove",
            "progress_template",
            &id,
        ),
    );
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
