//! `POST /disclosure-presets`.

use axum::{Json, extract::State, http::StatusCode};
use domain::role::Capability;
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

/// Define a preset of the municipality.
#[utoipa::path(post, path = "/disclosure-presets", tag = "disclosure", request_body = DisclosurePresetInput,
    responses((status = 201, body = DisclosurePresetList), (status = 403, description = "forbidden"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<DisclosurePresetInput>,
) -> Result<(StatusCode, Json<DisclosurePresetList>), ApiError> {
    call.caller.require(Capability::AdminForms)?;
    let preset = request.check()?;
    let mut tx = state.db().write().await?;
    let id = disclosure_presets::create(&mut tx, &call.caller, &preset).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "preset.create", "preset", id),
    );
    let all = presets(&mut tx, &call).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(all)))
}
