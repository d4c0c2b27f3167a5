//! `GET /local-forms`: what was added, what is being prepared, and the publications so far.

use axum::{Json, extract::State};

use super::{LocalFormsAnswer, access, answer};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// What the municipality added to its sheets, for those who may add to them.
#[utoipa::path(get, path = "/local-forms", tag = "forms",
    responses((status = 200, body = LocalFormsAnswer), (status = 403, description = "forbidden")))]
pub async fn show(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<LocalFormsAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let access = access(&tx, &call)?;
    Ok(Json(answer(&mut tx, &call, &access).await?))
}
