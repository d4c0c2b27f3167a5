//! `PATCH /disclosure-presets/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::role::Capability;
use serde::Deserialize;
use store::{
    audit::{self, Event},
    disclosure_presets,
};

use super::{DisclosurePresetInput, DisclosurePresetList, presets};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct UpdateDisclosurePreset {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    #[serde(flatten)]
    pub preset: DisclosurePresetInput,
}

/// Change a preset of the municipality. Cases in which it was chosen stay as they are.
#[utoipa::path(patch, path = "/disclosure-presets/{id}", tag = "disclosure", params(("id" = String, Path)),
    request_body = UpdateDisclosurePreset,
    responses((status = 200, body = DisclosurePresetList), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict"), (status = 422, description = "invalid or personal_number")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdateDisclosurePreset>,
) -> Result<Json<DisclosurePresetList>, ApiError> {
    call.caller.require(Capability::AdminForms)?;
    let preset = request.preset.check()?;
    let mut tx = state.db().write().await?;
    disclosure_presets::update(&mut tx, &call.caller, &id, request.version, &preset).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "preset.update", "preset", id),
    );
    let all = presets(&mut tx, &call).await?;
    tx.commit().await?;
    Ok(Json(all))
}
