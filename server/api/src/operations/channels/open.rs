//! `POST /documents/{id}/channels`: open a live document without a WebSocket.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use collab::frame::Code;
use domain::{id::DocumentId, role::Capability};
use serde::{Deserialize, Serialize};

use crate::{
    access::identity_of,
    context::CallContext,
    error::{ApiError, Query},
    operations::documents::socket::record,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChannelQuery {
    /// The epoch of the copy the client holds; another one is refused with code 6.
    epoch: Option<u64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OpenedChannel {
    /// Of use only to the session or token that opened it.
    pub id: String,
}

/// Open a channel to a live document. A reader without the right gets one too: it says nothing but
/// the refusal, as the socket does.
#[utoipa::path(post, path = "/documents/{id}/channels", tag = "documents", params(("id" = String, Path), ChannelQuery),
    responses((status = 201, body = OpenedChannel), (status = 429, description = "too_many_streams")))]
pub async fn open(
    State(state): State<AppState>,
    Path(document): Path<DocumentId>,
    Query(query): Query<ChannelQuery>,
    call: CallContext,
) -> Result<(StatusCode, Json<OpenedChannel>), ApiError> {
    let caller = &call.caller;
    let place = state
        .channels()
        .place(&caller.viewer.account)
        .ok_or_else(too_many)?;
    let joined = if caller.may(Capability::ReadCases) {
        state
            .hub()
            .connect_at(identity_of(caller), &document, query.epoch)
            .await
    } else {
        Err(Code::NoPermission)
    };
    record(&state, caller, &document, &joined).await?;
    let id = state.db().fresh_token();
    state
        .channels()
        .open(id.clone(), place, caller, document, joined);
    Ok((StatusCode::CREATED, Json(OpenedChannel { id })))
}

fn too_many() -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams").with("retry_after", 30)
}
