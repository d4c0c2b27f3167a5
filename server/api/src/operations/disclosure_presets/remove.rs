//! `DELETE /disclosure-presets/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use store::{
    audit::{self, Event},
    disclosure_presets,
};

use super::{DisclosurePresetList, presets};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Remove a preset of the municipality. Cases in which it was chosen stay as they are.
#[utoipa::path(delete, path = "/disclosure-presets/{id}", tag = "disclosure", params(("id" = String, Path)),
    responses((status = 200, body = DisclosurePresetList), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn remove(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<DisclosurePresetList>, ApiError> {
    let mut tx = state.db().write().await?;
    disclosure_presets::remove(&mut tx, &call.caller, &id).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "preset.remove", "preset", id),
    );
    let all = presets(&mut tx, &call).await?;
    tx.commit().await?;
    Ok(Json(all))
}
