//! `GET /cases/{id}/network.png`: the ecomap as a picture for documents and print.

use ::network::to_png;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};

use super::{Variant, fonts, show};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    headers,
    state::AppState,
};

/// Sharp enough for A4.
const SCALE: f64 = 2.0;

/// The picture as the caller may see it; `masked=true` for handing on.
#[utoipa::path(get, path = "/cases/{id}/network.png", tag = "network", params(("id" = String, Path), Variant),
    responses((status = 200, description = "ecomap", content_type = "image/png"), (status = 404), (status = 503, description = "font_unavailable")))]
pub async fn png(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Query(variant): Query<Variant>,
) -> Result<Response, ApiError> {
    let shown = show(&state, &call, &id.into(), &variant, "network.export", "png").await?;
    let name = shown.file_name("png");
    let picture = blocking(move || {
        let fonts = fonts(&state)?;
        to_png(&shown.draw(), SCALE, fonts).map_err(ApiError::internal)
    })
    .await??;
    Ok((headers::of_file("image/png", "inline", &name)?, picture).into_response())
}
