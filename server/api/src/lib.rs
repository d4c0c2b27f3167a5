//! The HTTP and WebSocket interface. One file per operation under [`operations`]; none of them
//! holds a rule of its own: they ask the store for an access value, and the store asks the policy.

pub mod access;
pub mod background;
pub mod channels;
pub mod context;
pub mod drafting;
mod embedding;
pub mod engines;
pub mod erasing;
pub mod error;
pub mod events;
mod exporting;
pub mod filling;
mod headers;
pub mod importing;
pub mod nodes;
pub mod operations;
pub mod proxies;
mod qr;
pub mod reading;
pub mod scanning;
pub mod search_index;
pub mod shapes;
pub mod shares;
mod standard_files;
pub mod state;
pub mod vectors;
mod web;
pub mod worker;

use std::time::Duration;

use axum::{
    Router, body::Bytes, extract::DefaultBodyLimit, http::header, middleware, routing::get,
};
use operations::{
    accounts, agencies, attachments, audit, cases, disclosure_presets, documents, erasures, forms,
    local_forms, memberships, network, persons, postal_codes, session, similar, statistics, system,
    transcripts,
};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::TimeoutLayer,
};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use state::AppState;

/// Largest JSON body; uploads have a limit of their own.
const LARGEST_BODY: usize = 2 << 20;

fn described() -> OpenApiRouter<AppState> {
    let info = InfoBuilder::new()
        .title("Musubi")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("相談記録プラットフォーム 結（むすび）"))
        .build();
    let v1 = OpenApiRouter::new()
        .merge(session::routes())
        .merge(accounts::routes())
        .merge(agencies::routes())
        .merge(memberships::routes())
        .merge(persons::routes())
        .merge(cases::routes())
        .merge(operations::requests::routes())
        .merge(operations::process::routes())
        .merge(attachments::routes())
        .merge(operations::progress_templates::routes())
        .merge(documents::routes())
        .merge(operations::channels::routes())
        .merge(transcripts::routes())
        .merge(network::routes())
        .merge(forms::routes())
        .merge(disclosure_presets::routes())
        .merge(local_forms::routes())
        .merge(postal_codes::routes())
        .merge(statistics::routes())
        .merge(similar::routes())
        .merge(operations::search::routes())
        .merge(audit::routes())
        .merge(erasures::routes())
        .merge(operations::imports::routes())
        .merge(operations::mappings::routes())
        .merge(operations::exports::routes());
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build())
        .nest("/api/v1", v1)
        .merge(system::routes())
}

/// The description of the interface, as committed in `web/openapi.json`.
#[must_use]
pub fn openapi() -> OpenApi {
    with_operation_ids(described().into_openapi())
}

/// Names every operation after its method and path: the handlers' own names repeat.
fn with_operation_ids(mut openapi: OpenApi) -> OpenApi {
    for (path, item) in &mut openapi.paths.paths {
        let name: String = path
            .trim_start_matches("/api/v1")
            .chars()
            .filter(|c| !"{}".contains(*c))
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{name}"));
            }
        }
    }
    openapi
}

/// Everything the server answers, below `base_path`.
pub fn router(state: AppState) -> Router {
    let (described, openapi) = described().split_for_parts();
    // As text it takes a tenth of the memory.
    let openapi = Bytes::from(serde_json::to_vec(&with_operation_ids(openapi)).unwrap_or_default());
    let app = described
        .route(
            "/api/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], openapi) }),
        )
        .route("/docs", get(system::docs::docs))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(120),
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            background::note,
        ))
        // Sockets and event streams live longer than any time-out.
        .route("/api/collab/{document}", get(documents::socket::socket))
        .route("/api/v1/cases/{id}/events", get(cases::events::events))
        .route(
            "/api/{*rest}",
            axum::routing::any(|| async { error::ApiError::not_found() }),
        )
        .fallback(web::serve)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            headers::same_origin,
        ))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(headers::secure))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state.clone());
    if state.config().base_path.is_empty() {
        app
    } else {
        Router::new().nest(&state.config().base_path.clone(), app)
    }
}

/// A panic is a defect; it must not tell what it was about.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> axum::response::Response {
    use axum::response::IntoResponse;
    error::ApiError::internal("handler panicked").into_response()
}
