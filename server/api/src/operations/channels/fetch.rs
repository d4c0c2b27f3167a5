//! `GET /documents/{id}/channels/{channel}/frames`: frames, waiting for the first one.

use std::time::Duration;

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Place, find, out_of_turn};
use crate::{
    channels::Piece,
    context::Unattended,
    error::{ApiError, Query},
    state::AppState,
};

/// Shorter than the patience of usual proxies (30 s and more).
const LONGEST_WAIT: u64 = 25;
/// An answer is not made longer than this by a further frame, bytes.
const ENOUGH: usize = 256 << 10;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FetchQuery {
    /// Number of the last frame that arrived; 0 or missing at the beginning.
    after: Option<u64>,
    /// How long to wait for the first frame, seconds; 25 at most. 0 or missing: what is there.
    wait: Option<u64>,
}

/// Fetch frames. The body is a sequence of: length (4 bytes), number (8 bytes), frame; numbers with the
/// most significant byte first. A length of 0 is the end of the channel, and the number is the code
/// a socket would be closed with.
#[utoipa::path(get, path = "/documents/{id}/channels/{channel}/frames", tag = "documents",
    params(("id" = String, Path), ("channel" = String, Path), FetchQuery),
    responses((status = 200, description = "frames; empty when there were none", content_type = "application/octet-stream"),
        (status = 404, description = "not there (any more): open a new one"), (status = 409, description = "out_of_turn")))]
pub async fn fetch(
    State(state): State<AppState>,
    Path(place): Path<Place>,
    Unattended(caller): Unattended,
    Query(query): Query<FetchQuery>,
) -> Result<Response, ApiError> {
    let channel = find(&state, &caller, &place)?;
    let mut reader = channel
        .read(query.after.unwrap_or(0))
        .ok_or_else(out_of_turn)?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT));
    let mut piece = match reader.ready() {
        None => timeout(wait, reader.next()).await.ok().flatten(),
        ready => ready,
    };
    let mut body = Vec::new();
    while let Some(heard) = piece {
        let last = write(&mut body, &heard);
        piece = if last || body.len() >= ENOUGH {
            None
        } else {
            reader.ready()
        };
    }
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// `true` after the last one.
fn write(body: &mut Vec<u8>, piece: &Piece) -> bool {
    let (number, frame): (u64, &[u8]) = match piece {
        Piece::Frame(number, frame) => (*number, frame),
        Piece::End(code) => (u64::from(*code), &[]),
    };
    // A frame is far smaller than 4 GiB: documents have a limit.
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&number.to_be_bytes());
    body.extend_from_slice(frame);
    frame.is_empty()
}
