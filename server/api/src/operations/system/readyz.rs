//! `GET /readyz`: the databases answer; says whether the models and the bus between nodes stand.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{engines::EngineState, state::AppState};

/// Ready to serve. `models` is `loading`, `ready`, `resting` (unloaded until somebody needs them) or
/// `failed`; the rest of the product works without them. `bus` is `none` (one node), `ok` or
/// `degraded`: then other nodes' changes are seen by looking into the database, later but completely.
#[utoipa::path(get, path = "/readyz", tag = "system",
    responses((status = 200, description = "ready"), (status = 503, description = "a database does not answer")))]
pub async fn readyz(State(state): State<AppState>) -> Response {
    let models = match state.engines().state() {
        EngineState::Loading => "loading",
        EngineState::Resting => "resting",
        EngineState::Ready => "ready",
        EngineState::Failed => "failed",
    };
    let bus = match state.hub().figures().bus {
        None => "none",
        Some(health) if health.up => "ok",
        Some(_) => "degraded",
    };
    match state.db().ping().await {
        Ok(()) => Json(json!({"database": "ok", "models": models, "bus": bus})).into_response(),
        Err(error) => {
            tracing::warn!(%error, "database does not answer");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({"database": "unavailable", "models": models, "bus": bus})),
            )
                .into_response()
        }
    }
}
