//! `POST /cases/{id}/network/layout`: places for nodes that have none, and what to paint.

use std::collections::BTreeMap;

use ::network::Drawing;
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

use super::{Variant, show};
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PositionAnswer {
    pub x: f64,
    pub y: f64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LayoutAnswer {
    /// The caller's level on the network.
    pub level: &'static str,
    /// The drawing is the masked variant, under ids that are not the document's.
    pub masked: bool,
    /// Of every node; the origin is the middle of an untouched map, y grows downwards.
    pub positions: BTreeMap<String, PositionAnswer>,
    /// Nodes that had no position in the document.
    pub placed: Vec<String>,
    /// `{title, view:[left,top,width,height], items:[…], positions}`: shapes in the order of
    /// painting; `type` is `path`, `ellipse` or `text`, `node` and `tie` say what they belong to.
    #[schema(value_type = Object)]
    pub drawing: Drawing,
}

/// Layout and drawing list from the document's present state. Nothing is written: who edits the
/// map takes over the positions.
#[utoipa::path(post, path = "/cases/{id}/network/layout", tag = "network", params(("id" = String, Path), Variant),
    responses((status = 200, body = LayoutAnswer), (status = 404)))]
pub async fn layout(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Query(variant): Query<Variant>,
) -> Result<Json<LayoutAnswer>, ApiError> {
    let shown = show(
        &state,
        &call,
        &id.into(),
        &variant,
        "network.view",
        "drawing",
    )
    .await?;
    let answer = blocking(move || {
        let laid = ::network::layout(&shown.network);
        LayoutAnswer {
            level: shown.level.code(),
            masked: shown.masked,
            positions: laid
                .positions
                .iter()
                .map(|(id, at)| (id.clone(), PositionAnswer { x: at.x, y: at.y }))
                .collect(),
            placed: laid.placed,
            drawing: shown.draw(),
        }
    })
    .await?;
    Ok(Json(answer))
}
