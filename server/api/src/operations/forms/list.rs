//! `GET /forms`: which sheets there are.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FormList {
    pub items: Vec<FormSummary>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FormSummary {
    pub id: String,
    pub code: String,
    pub title: String,
    pub version: String,
    pub schema: u32,
    /// Compared with the ministry's file; `false` is shown as 未検証.
    pub verified: bool,
}

/// The sheets of the caller's municipality.
#[utoipa::path(get, path = "/forms", tag = "forms", responses((status = 200, body = FormList)))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<FormList>, ApiError> {
    let mut tx = state.db().read().await?;
    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    let items = forms.definitions().iter().map(|form| FormSummary {
        id: form.id.clone(),
        code: form.code.clone(),
        title: form.title.clone(),
        version: form.version.clone(),
        schema: form.schema,
        verified: form.verified,
    });
    Ok(Json(FormList {
        items: items.collect(),
    }))
}
