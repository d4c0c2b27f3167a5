//! `GET /statistics/new-consultations/chart.svg`: the figures as a picture.

use ::statistics::{Chart, Format, draw};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{Question, count, file_name, fonts};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    headers,
    state::AppState,
};

/// Stacked months for routes, totals for issues. Needs `read_statistics`.
#[utoipa::path(get, path = "/statistics/new-consultations/chart.svg", tag = "statistics", params(Question),
    responses((status = 200, description = "chart", content_type = "image/svg+xml"), (status = 403, description = "forbidden"),
        (status = 422, description = "invalid"), (status = 503, description = "font_unavailable")))]
pub async fn new_consultations_svg(
    State(state): State<AppState>,
    call: CallContext,
    Query(question): Query<Question>,
) -> Result<Response, ApiError> {
    let table = count(&state, &call, &question, "statistics.read", "svg").await?;
    let name = file_name(&table, "svg");
    let picture = blocking(move || {
        let fonts = fonts(&state)?;
        draw(&table, &Chart::usual(table.by, Format::Svg), fonts).map_err(ApiError::internal)
    })
    .await??;
    Ok((headers::of_file("image/svg+xml", "inline", &name)?, picture).into_response())
}
