//! `GET /local-forms/draft/forms/{id}`: a sheet as it will be.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::form::Definition;

use super::access;
use crate::{context::CallContext, error::ApiError, state::AppState};

/// A sheet's definition as the draft would make it; without a draft as it is.
#[utoipa::path(get, path = "/local-forms/draft/forms/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 200, description = "Definition with `lists` resolved", body = serde_json::Value), (status = 403, description = "forbidden"), (status = 404)))]
pub async fn preview(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<Definition>, ApiError> {
    let mut tx = state.db().read().await?;
    let access = access(&tx, &call)?;
    let (version, published) = access.published(&mut tx).await?;
    let extension = match access.draft(&mut tx).await? {
        Some(draft) => draft.extension,
        None => published,
    };
    let forms = extension.extend(domain::form::catalogue(), version + 1);
    let form = forms.definition(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(form.clone()))
}
