//! Headers on every answer, and the check that a cookie is used by our own pages only.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{error::ApiError, state::AppState};

/// No outside host, no inline script, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
    form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

/// Headers of a file that an operation makes: its kind, whether it is shown (`inline`) or saved
/// (`attachment`), and an ASCII name.
///
/// # Errors
/// Kind or name cannot stand in a header.
pub(crate) fn of_file(
    kind: &'static str,
    disposition: &str,
    name: &str,
) -> Result<[(HeaderName, HeaderValue); 2], ApiError> {
    let disposition = HeaderValue::from_str(&format!("{disposition}; filename=\"{name}\""))
        .map_err(ApiError::internal)?;
    Ok([
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ])
}

pub async fn secure(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    );
    if api {
        // Shared office computers: nothing of a case stays in a browser's cache.
        set(header::CACHE_CONTROL, "no-store");
    }
    response
}

/// A request that changes something and carries the cookie must come from our own pages: the
/// header `X-Musubi` cannot be set across origins without a preflight, and `Origin`, where the
/// browser sends it, must be ours. Bearer tokens are not sent by themselves and need neither.
pub async fn same_origin(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let by_cookie = request.headers().contains_key(header::COOKIE)
        && !request.headers().contains_key(header::AUTHORIZATION);
    let marked = request.headers().contains_key("x-musubi");
    if by_cookie && ((changes && !marked) || !origin_is_ours(&state, request.headers())) {
        return ApiError::new(axum::http::StatusCode::FORBIDDEN, "cross_origin").into_response();
    }
    next.run(request).await
}

/// Whether `Origin` is missing (not a cross-origin request) or our own. Sockets ask this too:
/// browsers open them across origins without a preflight.
#[must_use]
pub fn origin_is_ours(state: &AppState, headers: &axum::http::HeaderMap) -> bool {
    let Some(origin) = headers
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok())
    else {
        return true;
    };
    if state.config().public_origin.as_deref() == Some(origin) {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host)
}
