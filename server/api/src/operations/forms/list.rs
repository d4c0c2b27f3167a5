//! `GET /forms`: which sheets there are.

use axum::Json;
use serde::Serialize;

use crate::{context::CallContext, error::ApiError};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FormList {
    pub items: Vec<FormSummary>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FormSummary {
    pub id: &'static str,
    pub code: &'static str,
    pub title: &'static str,
    pub version: &'static str,
    pub schema: u32,
    /// Compared with the ministry's file; `false` is shown as 未検証.
    pub verified: bool,
}

/// The definitions that ship.
#[utoipa::path(get, path = "/forms", tag = "forms", responses((status = 200, body = FormList)))]
pub async fn list(_call: CallContext) -> Result<Json<FormList>, ApiError> {
    let items = domain::form::catalogue()
        .definitions()
        .iter()
        .map(|form| FormSummary {
            id: &form.id,
            code: &form.code,
            title: &form.title,
            version: &form.version,
            schema: form.schema,
            verified: form.verified,
        });
    Ok(Json(FormList {
        items: items.collect(),
    }))
}
