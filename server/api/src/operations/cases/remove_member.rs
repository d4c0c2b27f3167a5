//! `DELETE /cases/{id}/members/{agency_id}`: an agency leaves the case.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::{AgencyId, CaseId};

use super::{Mode, affected, open, rights_changed};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// End an agency's membership: from now on it sees nothing of the case.
#[utoipa::path(delete, path = "/cases/{id}/members/{agency_id}", tag = "cases", params(("id" = String, Path), ("agency_id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn remove_member(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, agency)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (mut tx, access) = open(&state, &call, &CaseId(id), Mode::Write).await?;
    access.remove_member(&mut tx, &AgencyId(agency)).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents).await?;
    Ok(StatusCode::NO_CONTENT)
}
