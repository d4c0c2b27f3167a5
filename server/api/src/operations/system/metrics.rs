//! `GET /metrics`: numbers for monitoring, in the Prometheus text format. Never personal data.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{engines::EngineState, state::AppState};

/// Open documents and the state of the models.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "Prometheus text format", body = String)))]
pub async fn metrics(State(state): State<AppState>) -> Response {
    let models = i32::from(state.engines().state() == EngineState::Ready);
    let mut text = String::new();
    let rooms = state.hub().rooms();
    text.push_str(&format!("# HELP musubi_rooms Documents that are open.\n# TYPE musubi_rooms gauge\nmusubi_rooms {rooms}\n"));
    let channels = state.channels().count();
    text.push_str(&format!("# HELP musubi_channels Live connections over plain HTTP.\n# TYPE musubi_channels gauge\nmusubi_channels {channels}\n"));
    text.push_str(&format!("# HELP musubi_models_ready 1 when the models are loaded.\n# TYPE musubi_models_ready gauge\nmusubi_models_ready {models}\n"));
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
