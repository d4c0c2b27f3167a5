//! `POST /agencies/{id}/stop`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use collab::access::Change;
use domain::id::AgencyId;
use store::audit::{self, Event};

use crate::{context::CallContext, error::ApiError, operations::accounts::admin, state::AppState};

/// Stop an agency: sessions in its memberships end, it sees no case any more.
#[utoipa::path(post, path = "/agencies/{id}/stop", tag = "agencies", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "own_agency")))]
pub async fn stop(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = AgencyId(id);
    if call.caller.viewer.agency == id {
        return Err(ApiError::conflict("own_agency"));
    }
    let mut tx = state.db().write().await?;
    admin(&tx, &call)?.stop_agency(&mut tx, &id).await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "agency.stop", "agency", id.as_str()),
    );
    // The agency's people may have any document open.
    let municipality = &call.caller.viewer.municipality;
    let change = Change::Municipality(municipality.clone());
    state.commit_rights(tx, municipality, change).await?;
    Ok(StatusCode::NO_CONTENT)
}
