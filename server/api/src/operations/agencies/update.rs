//! `PATCH /agencies/{id}`. The class stays, for rights hang on it.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::AgencyId;
use serde::Deserialize;
use store::{
    agencies::AgencyPatch,
    audit::{self, Event},
};

use super::{AgencyAnswer, answer, create::check_org_type};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::accounts::admin,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct UpdateAgency {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    pub name: Option<String>,
    /// Option list `org_type`.
    pub org_type: Option<String>,
    pub phone: Option<String>,
}

/// Change an agency; its manager may change the own one.
#[utoipa::path(patch, path = "/agencies/{id}", tag = "agencies", params(("id" = String, Path)), request_body = UpdateAgency,
    responses((status = 200, body = AgencyAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "conflict or taken")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdateAgency>,
) -> Result<Json<AgencyAnswer>, ApiError> {
    check_org_type(request.org_type.as_deref())?;
    let id = AgencyId(id);
    let mut tx = state.db().write().await?;
    let patch = AgencyPatch {
        name: request.name,
        org_type: request.org_type,
        phone: request.phone,
    };
    admin(&tx, &call)?
        .update_agency(&mut tx, &id, request.version, &patch)
        .await?;
    audit::record(
        &mut tx,
        Event::by(&call.caller, "agency.update", "agency", id.as_str()),
    );
    let changed = answer(&mut tx, &call, &id).await?;
    tx.commit().await?;
    Ok(Json(changed))
}
