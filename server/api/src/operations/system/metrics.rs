//! `GET /metrics`: numbers for monitoring, in the Prometheus text format. Never personal data.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{engines::EngineState, state::AppState};

/// Open documents, the state of the models, and how the nodes get on with each other.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "Prometheus text format", body = String)))]
pub async fn metrics(State(state): State<AppState>) -> Response {
    let models = i32::from(matches!(
        state.engines().state(),
        EngineState::Ready | EngineState::Resting
    ));
    let mut text = String::new();
    let rooms = state.hub().rooms();
    text.push_str(&format!("# HELP musubi_rooms Documents that are open.\n# TYPE musubi_rooms gauge\nmusubi_rooms {rooms}\n"));
    let channels = state.channels().count();
    text.push_str(&format!("# HELP musubi_channels Live connections over plain HTTP.\n# TYPE musubi_channels gauge\nmusubi_channels {channels}\n"));
    text.push_str(&format!("# HELP musubi_models_ready 1 when the models can be used.\n# TYPE musubi_models_ready gauge\nmusubi_models_ready {models}\n"));
    let figures = state.hub().figures();
    let mut number = |name: &str, kind: &str, help: &str, value: u64| {
        text.push_str(&format!(
            "# HELP musubi_{name} {help}\n# TYPE musubi_{name} {kind}\nmusubi_{name} {value}\n"
        ));
    };
    for (name, help, value) in [
        (
            "nodes_taken_over_total",
            "Changes of other nodes taken over one by one.",
            figures.taken_over,
        ),
        (
            "nodes_conflicts_total",
            "Writes that another node was faster than; they were made again.",
            figures.conflicts,
        ),
        (
            "nodes_reloads_total",
            "Documents loaded anew to follow another node.",
            figures.reloads,
        ),
    ] {
        number(name, "counter", help, value);
    }
    number("nodes", "gauge", "Other nodes heard lately.", figures.nodes);
    let [searches, micros, written, units, whole] = state.search().numbers();
    number(
        "searches_total",
        "counter",
        "Full-text searches made.",
        searches,
    );
    number(
        "search_microseconds_total",
        "counter",
        "Time that searches took in all.",
        micros,
    );
    number(
        "search_index_written_total",
        "counter",
        "Units written to the search indexes.",
        written,
    );
    number(
        "search_index_units",
        "gauge",
        "Units in the search indexes.",
        units,
    );
    number(
        "search_index_whole",
        "gauge",
        "1 when every search index holds everything.",
        whole,
    );
    if let Some(bus) = figures.bus {
        number(
            "bus_up",
            "gauge",
            "1 while the bus between nodes is connected.",
            u64::from(bus.up),
        );
        for (name, help, value) in [
            ("bus_sent_total", "Hints handed to the bus.", bus.sent),
            ("bus_heard_total", "Hints of other nodes heard.", bus.heard),
            (
                "bus_lost_total",
                "Hints given up because the bus was away.",
                bus.lost,
            ),
        ] {
            number(name, "counter", help, value);
        }
    }
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
