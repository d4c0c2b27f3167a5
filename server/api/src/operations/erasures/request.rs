//! `POST /erasures`: ask for an erasure.

use axum::{Json, extract::State, http::StatusCode};
use domain::erasure::{ErasedObject, ErasureGround, ErasureScope};
use serde::{Deserialize, Serialize};
use store::erasure::{self, NewErasure, Object};

use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
pub struct ErasureRequest {
    /// `past` (the present text stays), `document` or `case`.
    pub scope: String,
    /// `mistaken_entry`, `retention_expired` (closed cases only) or `correction`.
    pub ground: String,
    /// For `case`.
    pub case_id: Option<String>,
    /// For `past` and `document`.
    pub document_id: Option<String>,
    /// Erased along with a document of a case.
    #[serde(default)]
    pub objects: Vec<ErasureObject>,
    /// Why; 1,000 characters at most. Sealed, and gone with the erasure.
    pub reason: String,
}

// The reason may speak of persons.
impl std::fmt::Debug for ErasureRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasureRequest")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct ErasureObject {
    /// `progress_record`, `transcript` or `attachment`.
    pub kind: String,
    pub id: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestedErasure {
    pub id: String,
}

fn known<T>(
    field: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, ApiError> {
    parse(text).ok_or_else(|| ApiError::invalid_field(field, "unknown"))
}

/// Ask. Somebody else must approve it before anything happens.
#[utoipa::path(post, path = "/erasures", tag = "erasures", request_body = ErasureRequest,
    responses((status = 201, body = RequestedErasure), (status = 403), (status = 404), (status = 409, description = "conflict: asked for already"), (status = 422)))]
pub async fn request(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<ErasureRequest>,
) -> Result<(StatusCode, Json<RequestedErasure>), ApiError> {
    call.caller
        .require(domain::role::Capability::EraseRequest)?;
    let mut objects = Vec::with_capacity(request.objects.len());
    for object in request.objects {
        objects.push(Object {
            kind: known("objects", &object.kind, ErasedObject::from_code)?,
            id: object.id,
        });
    }
    let new = NewErasure {
        scope: known("scope", &request.scope, ErasureScope::from_code)?,
        ground: known("ground", &request.ground, ErasureGround::from_code)?,
        case: request.case_id.map(Into::into),
        document: request.document_id.map(Into::into),
        objects,
        reason: request.reason,
    };
    let mut tx = state.db().write().await?;
    let id = erasure::request(&mut tx, &call.caller, &new).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(RequestedErasure { id: id.0 })))
}
