//! `GET /cases/{id}/network.svg`: the ecomap as a file.

use ::network::to_svg;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};

use super::{Variant, show};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    headers,
    state::AppState,
};

/// The picture as the caller may see it; `masked=true` for handing on.
#[utoipa::path(get, path = "/cases/{id}/network.svg", tag = "network", params(("id" = String, Path), Variant),
    responses((status = 200, description = "ecomap", content_type = "image/svg+xml"), (status = 404)))]
pub async fn svg(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Query(variant): Query<Variant>,
) -> Result<Response, ApiError> {
    let shown = show(&state, &call, &id.into(), &variant, "network.export", "svg").await?;
    let name = shown.file_name("svg");
    let picture = blocking(move || to_svg(&shown.draw())).await?;
    Ok((headers::of_file("image/svg+xml", "inline", &name)?, picture).into_response())
}
