//! `POST /agencies/{id}/reactivate`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::AgencyId;
use store::audit::{self, Event};

use crate::{context::CallContext, error::ApiError, operations::accounts::admin, state::AppState};

/// Take a stopped agency back.
#[utoipa::path(post, path = "/agencies/{id}/reactivate", tag = "agencies", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn reactivate(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = AgencyId(id);
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.reactivate_agency(&mut tx, &id).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "agency.reactivate", "agency", id.as_str()),
    );
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
