//! `POST /documents/{id}/channels/{channel}/frames`: frames of the client.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
};
use bytes::{Buf, Bytes};
use collab::frame::Code;
use serde::{Deserialize, Serialize};

use super::{Place, find, out_of_turn};
use crate::{
    channels::NotSent,
    context::Unattended,
    error::{ApiError, Query},
    operations::documents::socket::LARGEST_MESSAGE,
    state::AppState,
};

/// What stands before each frame.
const LENGTH: usize = size_of::<u32>();
/// One frame as large as the socket takes it.
pub const LARGEST_REQUEST: usize = LARGEST_MESSAGE + LENGTH;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SendQuery {
    /// Number of the first frame in the body: 1 for the first that this client ever sent here.
    first: Option<u64>,
    /// Number of the last frame that arrived from the server, if that is to be confirmed too.
    after: Option<u64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReceivedFrames {
    /// Number of the last frame that the server has. Durable is what a barrier says, not this.
    pub received: u64,
    /// Number of the newest frame for the client: if it does not arrive, something holds the events
    /// back.
    pub newest: u64,
}

/// Send frames. The body is a sequence of: length (4 bytes, most significant first), frame; it may be
/// empty, which only confirms. Frames that came before are passed over, so a request without an answer
/// can be sent again; a request that leaves some out is refused with what was `received`.
#[utoipa::path(post, path = "/documents/{id}/channels/{channel}/frames", tag = "documents",
    params(("id" = String, Path), ("channel" = String, Path), SendQuery),
    request_body(content_type = "application/octet-stream", description = "frames"),
    responses((status = 200, body = ReceivedFrames), (status = 400, description = "malformed"),
        (status = 404, description = "not there (any more): open a new one"), (status = 409, description = "out_of_turn, with `received` when frames were left out"),
        (status = 410, description = "channel_ended: reading says why"), (status = 413, description = "too_large")))]
pub async fn send(
    State(state): State<AppState>,
    Path(place): Path<Place>,
    Unattended(caller): Unattended,
    Query(query): Query<SendQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReceivedFrames>, ApiError> {
    let channel = find(&state, &caller, &place)?;
    if !query.after.is_none_or(|after| channel.confirm(after)) {
        return Err(out_of_turn());
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            channel.refuse(Code::TooLarge).await;
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
        }
        // Broken off on the way.
        Err(_) => return Err(malformed()),
    };
    let (Some(frames), Some(first)) = (split(body), query.first.or(Some(1)).filter(|n| *n > 0))
    else {
        channel.refuse(Code::Malformed).await;
        return Err(malformed());
    };
    match channel.send(first, &frames).await {
        Ok(received) => Ok(Json(ReceivedFrames {
            received,
            newest: channel.newest(),
        })),
        Err(NotSent::Gap(received)) => Err(out_of_turn().with("received", received)),
        Err(NotSent::Ended) => Err(ApiError::new(StatusCode::GONE, "channel_ended")),
    }
}

fn malformed() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed")
}

/// The frames of a body; `None` when it ends in the middle of one.
fn split(mut body: Bytes) -> Option<Vec<Bytes>> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
        if length > body.len() {
            return None;
        }
        // A copy: a small frame that waits somewhere must not keep the whole body.
        frames.push(Bytes::copy_from_slice(&body[..length]));
        body.advance(length);
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_frames_or_nothing() {
        let parts = |body: &'static [u8]| split(Bytes::from_static(body));
        assert_eq!(parts(&[]), Some(vec![]));
        assert_eq!(
            parts(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0]),
            Some(vec![Bytes::from_static(&[7, 8]), Bytes::new()])
        );
        assert_eq!(parts(&[0, 0, 0]), None);
        assert_eq!(parts(&[0, 0, 0, 2, 7]), None);
        assert_eq!(parts(&[255, 255, 255, 255, 1]), None);
    }
}
