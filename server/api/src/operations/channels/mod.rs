//! A live document over plain HTTP: the frames of the socket, for networks that let no WebSocket
//! through. Opening gives a channel; frames go up in requests and come down as a stream of events or,
//! where something on the way holds streams back, as the answers to waiting requests.
//!
//! Frames are numbered from 1 in each direction. Upwards a request names the number of its first
//! frame, so that it can be sent again without being applied again. Downwards a frame is kept until
//! the client names it, or a later one, in `after`.

use axum::extract::DefaultBodyLimit;
use domain::id::DocumentId;
use serde::Deserialize;
use std::sync::Arc;
use store::Caller;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{channels::Channel, error::ApiError, state::AppState};

pub mod close;
pub mod events;
pub mod fetch;
pub mod open;
pub mod send;

/// The operations on channels. What goes up has a limit of its own.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(fetch::fetch, send::send))
        .layer(DefaultBodyLimit::max(send::LARGEST_REQUEST))
        .routes(routes!(open::open))
        .routes(routes!(events::events))
        .routes(routes!(close::close))
}

/// A channel of a document.
#[derive(Debug, Deserialize)]
pub struct Place {
    id: DocumentId,
    channel: String,
}

/// The channel, when it is this caller's. One that ended, that another node has or that somebody else
/// opened is not there: the client opens a new one and sends again what was not acknowledged.
fn find(state: &AppState, caller: &Caller, place: &Place) -> Result<Arc<Channel>, ApiError> {
    state
        .channels()
        .find(caller, &place.id, &place.channel)
        .ok_or_else(ApiError::not_found)
}

/// The client asks for frames that it confirmed already, confirms frames that never were, or leaves
/// some out.
fn out_of_turn() -> ApiError {
    ApiError::conflict("out_of_turn")
}
