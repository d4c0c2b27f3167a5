//! `GET /healthz`: the process answers.

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, description = "up", body = String)))]
pub async fn healthz() -> &'static str {
    "ok"
}
