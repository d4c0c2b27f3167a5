//! `GET /disclosure-presets`.

use axum::{Json, extract::State};

use super::{DisclosurePresetList, presets};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Presets of the disclosure matrix. They give nothing until the matrix of a case is saved.
#[utoipa::path(get, path = "/disclosure-presets", tag = "disclosure",
    responses((status = 200, body = DisclosurePresetList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<DisclosurePresetList>, ApiError> {
    let mut tx = state.db().read().await?;
    Ok(Json(presets(&mut tx, &call).await?))
}
