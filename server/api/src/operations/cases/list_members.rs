//! `GET /cases/{id}/members`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::Serialize;
use store::audit;

use super::{
    Mode,
    answers::{MemberAnswer, members},
    event, open,
};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MemberList {
    pub items: Vec<MemberAnswer>,
}

/// The agencies in a case, also those that left.
#[utoipa::path(get, path = "/cases/{id}/members", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, body = MemberList), (status = 404, description = "not_found")))]
pub async fn list_members(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<MemberList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let items = members(&mut tx, &access).await?;
    audit::record(&mut tx, event(&call, "member.list", &id));
    tx.commit().await?;
    Ok(Json(MemberList { items }))
}
