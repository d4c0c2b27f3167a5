//! The process as a drawing: what the view 「支援の流れ」 shows.

use axum::Json;
use domain::process::{self, NodeKind};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, error::ApiError, state::AppState};

/// The operation on the process.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(process))
}

/// A rectangle, in the drawing's units.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BoundsAnswer {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl From<process::Bounds> for BoundsAnswer {
    fn from(bounds: process::Bounds) -> Self {
        Self {
            x: bounds.x,
            y: bounds.y,
            width: bounds.width,
            height: bounds.height,
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LaneAnswer {
    pub id: &'static str,
    pub name: &'static str,
    pub bounds: BoundsAnswer,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NodeAnswer {
    pub id: &'static str,
    pub name: &'static str,
    /// `start`, `task`, `gateway` or `end`.
    pub kind: &'static str,
    /// The stage the case has while it is here.
    pub stage: Option<&'static str>,
    /// Id of the lane.
    pub lane: &'static str,
    pub bounds: BoundsAnswer,
    /// Where the name stands, unless inside.
    pub label: Option<BoundsAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PointAnswer {
    pub x: f64,
    pub y: f64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FlowAnswer {
    pub id: &'static str,
    /// The condition in words; empty where there is only one way.
    pub name: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub points: Vec<PointAnswer>,
    pub label: Option<BoundsAnswer>,
}

/// The process with its drawing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProcessAnswer {
    pub name: &'static str,
    pub lanes: Vec<LaneAnswer>,
    pub nodes: Vec<NodeAnswer>,
    pub flows: Vec<FlowAnswer>,
}

const fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Start => "start",
        NodeKind::Task => "task",
        NodeKind::Gateway => "gateway",
        NodeKind::End => "end",
    }
}

/// The course of a case as it is meant to go (`datasets/process.bpmn`), with lanes, conditions and
/// where everything is drawn.
#[utoipa::path(get, path = "/process", tag = "cases", responses((status = 200, body = ProcessAnswer)))]
pub async fn process(_call: CallContext) -> Result<Json<ProcessAnswer>, ApiError> {
    let process = process::process();
    Ok(Json(ProcessAnswer {
        name: &process.name,
        lanes: process
            .lanes
            .iter()
            .map(|lane| LaneAnswer {
                id: &lane.id,
                name: &lane.name,
                bounds: lane.bounds.into(),
            })
            .collect(),
        nodes: process
            .nodes
            .iter()
            .map(|node| NodeAnswer {
                id: &node.id,
                name: &node.name,
                kind: kind(node.kind),
                stage: node.stage.map(|stage| stage.code()),
                lane: &node.lane,
                bounds: node.bounds.into(),
                label: node.label.map(Into::into),
            })
            .collect(),
        flows: process
            .flows
            .iter()
            .map(|flow| FlowAnswer {
                id: &flow.id,
                name: &flow.name,
                from: &flow.from,
                to: &flow.to,
                points: flow
                    .points
                    .iter()
                    .map(|point| PointAnswer {
                        x: point.x,
                        y: point.y,
                    })
                    .collect(),
                label: flow.label.map(Into::into),
            })
            .collect(),
    }))
}
