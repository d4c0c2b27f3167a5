//! `GET /documents/{id}/channels/{channel}/events`: frames as they come.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::{Place, find, out_of_turn};
use crate::{
    channels::Piece,
    context::Unattended,
    error::{ApiError, Query},
    state::AppState,
};

/// Proxies cut what is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Number of the last frame that arrived; 0 or missing at the beginning. `Last-Event-ID` goes
    /// before it.
    after: Option<u64>,
}

/// Follow a channel. The first event is `open`, so that a client notices when something on the way
/// holds events back. Then each frame is an event without a name: its id is the frame's number, its
/// data the frame in base64. The last one is `end` with the code a socket would be closed with; a
/// stream that ends without it can be asked for again. A second reader ends the first one's stream.
#[utoipa::path(get, path = "/documents/{id}/channels/{channel}/events", tag = "documents",
    params(("id" = String, Path), ("channel" = String, Path), EventsQuery),
    responses((status = 200, description = "events", content_type = "text/event-stream"),
        (status = 404, description = "not there (any more): open a new one"), (status = 409, description = "out_of_turn")))]
pub async fn events(
    State(state): State<AppState>,
    Path(place): Path<Place>,
    Unattended(caller): Unattended,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let channel = find(&state, &caller, &place)?;
    let after = last_event(&headers).or(query.after).unwrap_or(0);
    let reader = channel.read(after).ok_or_else(out_of_turn)?;
    let open = stream::iter([Event::default().event("open").data("")]);
    let frames = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        Some(match reader.next().await? {
            Piece::Frame(number, frame) => (
                Event::default()
                    .id(number.to_string())
                    .data(STANDARD.encode(frame)),
                Some(reader),
            ),
            Piece::End(code) => (Event::default().event("end").data(code.to_string()), None),
        })
    });
    let events = open.chain(frames).map(Ok::<_, Infallible>);
    Ok((
        [
            // Not to be kept, and not to be gathered for compression.
            (header::CACHE_CONTROL.as_str(), "no-store, no-transform"),
            // nginx: pass on each event at once.
            ("x-accel-buffering", "no"),
        ],
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    ))
}

fn last_event(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}
