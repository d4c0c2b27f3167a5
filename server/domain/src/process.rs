//! The course of a case as a drawing that is data: `datasets/process.bpmn`, BPMN 2.0 with lanes and
//! diagram interchange (OMG formal/2011-01-03). Nodes that stand for a [`Stage`] carry it as
//! `musubi:stage`; a test holds that the paths between them are exactly the steps that
//! [`Stage::next`] allows. Lengths are the units of the diagram interchange (pixels at 100 %).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use roxmltree::{Document, Node as Element};
use serde::Serialize;

use crate::stage::Stage;

const TEXT: &str = include_str!("../../../datasets/process.bpmn");
const MODEL: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
const DIAGRAM: &str = "http://www.omg.org/spec/BPMN/20100524/DI";
const BOUNDS: &str = "http://www.omg.org/spec/DD/20100524/DC";
const LINES: &str = "http://www.omg.org/spec/DD/20100524/DI";
const OWN: &str = "urn:musubi:process";

static PROCESS: LazyLock<Process> = LazyLock::new(|| {
    // The embedded file is checked by the tests below; were it broken all the same, nothing is drawn.
    Process::parse(TEXT).unwrap_or_default()
});

/// The process that ships.
#[must_use]
pub fn process() -> &'static Process {
    &PROCESS
}

/// What is wrong in a process file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    #[error("not XML: {0}")]
    Syntax(String),
    /// An element that must be there is not, by its name.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A reference leads nowhere, a number or code cannot be read; by the element's id.
    #[error("{element}: {problem}")]
    Element {
        element: String,
        problem: &'static str,
    },
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A point of a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// Who acts: 本人・世帯, 支援関係機関, 多機関協働事業者, 市町村, 会議体.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lane {
    pub id: String,
    pub name: String,
    pub bounds: Bounds,
}

/// Kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    Start,
    Task,
    /// Exactly one of the ways out is taken.
    Gateway,
    End,
}

/// A task, gateway or event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    pub id: String,
    pub name: String,
    pub kind: NodeKind,
    /// The stage the case has while it is here.
    pub stage: Option<Stage>,
    /// Id of the lane.
    pub lane: String,
    pub bounds: Bounds,
    /// Where the name stands, unless inside.
    pub label: Option<Bounds>,
}

/// A way from one node to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    pub id: String,
    /// The condition in words; empty where there is only one way.
    pub name: String,
    pub from: String,
    pub to: String,
    pub points: Vec<Point>,
    pub label: Option<Bounds>,
}

/// A process with its drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Process {
    pub name: String,
    pub lanes: Vec<Lane>,
    pub nodes: Vec<Node>,
    pub flows: Vec<Flow>,
}

fn broken(element: Element<'_, '_>, problem: &'static str) -> ProcessError {
    ProcessError::Element {
        element: element.attribute("id").unwrap_or("?").to_owned(),
        problem,
    }
}

fn attribute(element: Element<'_, '_>, name: &str) -> Result<String, ProcessError> {
    element
        .attribute(name)
        .map(str::to_owned)
        .ok_or_else(|| broken(element, "an attribute is missing"))
}

fn number(element: Element<'_, '_>, name: &str) -> Result<f64, ProcessError> {
    element
        .attribute(name)
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|number| number.is_finite())
        .ok_or_else(|| broken(element, "a number cannot be read"))
}

fn bounds_in(element: Element<'_, '_>) -> Result<Option<Bounds>, ProcessError> {
    let Some(found) = element
        .children()
        .find(|child| child.has_tag_name((BOUNDS, "Bounds")))
    else {
        return Ok(None);
    };
    Ok(Some(Bounds {
        x: number(found, "x")?,
        y: number(found, "y")?,
        width: number(found, "width")?,
        height: number(found, "height")?,
    }))
}

/// What the diagram says of one element.
#[derive(Default)]
struct Drawn {
    bounds: Option<Bounds>,
    label: Option<Bounds>,
    points: Vec<Point>,
}

fn drawings(root: Element<'_, '_>) -> Result<BTreeMap<String, Drawn>, ProcessError> {
    let plane = root
        .descendants()
        .find(|node| node.has_tag_name((DIAGRAM, "BPMNPlane")))
        .ok_or(ProcessError::Missing("BPMNPlane"))?;
    let mut out = BTreeMap::new();
    for element in plane.children().filter(Element::is_element) {
        let mut drawn = Drawn {
            bounds: bounds_in(element)?,
            ..Drawn::default()
        };
        for child in element.children() {
            if child.has_tag_name((DIAGRAM, "BPMNLabel")) {
                drawn.label = bounds_in(child)?;
            } else if child.has_tag_name((LINES, "waypoint")) {
                drawn.points.push(Point {
                    x: number(child, "x")?,
                    y: number(child, "y")?,
                });
            }
        }
        out.insert(attribute(element, "bpmnElement")?, drawn);
    }
    Ok(out)
}

fn kind_of(element: Element<'_, '_>) -> Option<NodeKind> {
    if element.tag_name().namespace() != Some(MODEL) {
        return None;
    }
    match element.tag_name().name() {
        "startEvent" => Some(NodeKind::Start),
        "task" | "userTask" | "manualTask" => Some(NodeKind::Task),
        "exclusiveGateway" => Some(NodeKind::Gateway),
        "endEvent" => Some(NodeKind::End),
        _ => None,
    }
}

impl Process {
    /// Reads a BPMN 2.0 file with one process.
    ///
    /// # Errors
    /// No XML, no process or diagram, an element without its drawing, a reference that leads nowhere,
    /// an unknown stage.
    pub fn parse(text: &str) -> Result<Self, ProcessError> {
        let document =
            Document::parse(text).map_err(|error| ProcessError::Syntax(error.to_string()))?;
        let root = document.root_element();
        let process = root
            .children()
            .find(|child| child.has_tag_name((MODEL, "process")))
            .ok_or(ProcessError::Missing("process"))?;
        let mut drawn = drawings(root)?;
        let mut out = Self {
            name: attribute(process, "name")?,
            ..Self::default()
        };
        let mut lane_of = BTreeMap::new();
        for lane in process
            .descendants()
            .filter(|node| node.has_tag_name((MODEL, "lane")))
        {
            let id = attribute(lane, "id")?;
            for member in lane
                .children()
                .filter(|child| child.has_tag_name((MODEL, "flowNodeRef")))
            {
                lane_of.insert(
                    member.text().unwrap_or_default().trim().to_owned(),
                    id.clone(),
                );
            }
            out.lanes.push(Lane {
                bounds: drawn
                    .remove(&id)
                    .and_then(|drawn| drawn.bounds)
                    .ok_or_else(|| broken(lane, "is not drawn"))?,
                name: attribute(lane, "name")?,
                id,
            });
        }
        for element in process.children() {
            let Some(kind) = kind_of(element) else {
                continue;
            };
            let id = attribute(element, "id")?;
            let stage = element
                .attribute((OWN, "stage"))
                .map(|code| {
                    Stage::from_code(code).ok_or_else(|| broken(element, "has an unknown stage"))
                })
                .transpose()?;
            let drawn = drawn
                .remove(&id)
                .ok_or_else(|| broken(element, "is not drawn"))?;
            out.nodes.push(Node {
                name: attribute(element, "name")?,
                kind,
                stage,
                lane: lane_of
                    .remove(&id)
                    .ok_or_else(|| broken(element, "stands in no lane"))?,
                bounds: drawn
                    .bounds
                    .ok_or_else(|| broken(element, "is not drawn"))?,
                label: drawn.label,
                id,
            });
        }
        let known: BTreeSet<&str> = out.nodes.iter().map(|node| node.id.as_str()).collect();
        for element in process
            .children()
            .filter(|child| child.has_tag_name((MODEL, "sequenceFlow")))
        {
            let id = attribute(element, "id")?;
            let (from, to) = (
                attribute(element, "sourceRef")?,
                attribute(element, "targetRef")?,
            );
            if !known.contains(from.as_str()) || !known.contains(to.as_str()) {
                return Err(broken(element, "leads from or to nowhere"));
            }
            let drawn = drawn
                .remove(&id)
                .filter(|drawn| drawn.points.len() >= 2)
                .ok_or_else(|| broken(element, "is not drawn"))?;
            out.flows.push(Flow {
                name: element.attribute("name").unwrap_or_default().to_owned(),
                from,
                to,
                points: drawn.points,
                label: drawn.label,
                id,
            });
        }
        Ok(out)
    }

    /// The node that stands for a stage.
    #[must_use]
    pub fn node_of(&self, stage: Stage) -> Option<&Node> {
        self.nodes.iter().find(|node| node.stage == Some(stage))
    }

    /// The stages that can be reached from a stage without passing another one.
    #[must_use]
    pub fn steps_from(&self, stage: Stage) -> BTreeSet<Stage> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<&str> = self
            .node_of(stage)
            .map(|node| node.id.as_str())
            .into_iter()
            .collect();
        while let Some(here) = ahead.pop() {
            for flow in self.flows.iter().filter(|flow| flow.from == here) {
                if !seen.insert(flow.to.as_str()) {
                    continue;
                }
                let next = self.nodes.iter().find(|node| node.id == flow.to);
                match next.and_then(|node| node.stage) {
                    Some(stage) => {
                        found.insert(stage);
                    }
                    None => ahead.push(&flow.to),
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Process {
        Process::parse(TEXT).unwrap()
    }

    #[test]
    fn its_paths_are_the_steps_that_are_allowed_and_no_others() {
        let process = shipped();
        for stage in Stage::ALL {
            let nodes = process
                .nodes
                .iter()
                .filter(|node| node.stage == Some(*stage));
            assert_eq!(nodes.count(), 1, "{stage}");
            let allowed: BTreeSet<Stage> = stage.next().iter().copied().collect();
            assert_eq!(process.steps_from(*stage), allowed, "from {stage}");
        }
    }

    #[test]
    fn the_lanes_and_branches_of_the_field_are_there() {
        let process = shipped();
        let lanes: Vec<&str> = process
            .lanes
            .iter()
            .map(|lane| lane.name.as_str())
            .collect();
        assert_eq!(
            lanes,
            [
                "本人・世帯",
                "支援関係機関",
                "多機関協働事業者",
                "市町村",
                "会議体"
            ]
        );
        let ways_out = |id: &str| -> BTreeSet<&str> {
            let flows = process.flows.iter().filter(|flow| flow.from == id);
            flows.map(|flow| flow.name.as_str()).collect()
        };
        for (gateway, branches) in [
            ("gw_consent", &["同意あり", "同意なし"][..]),
            (
                "gw_screened",
                &[
                    "助言で終了",
                    "既存の機関へつなぐ",
                    "受理",
                    "アウトリーチ",
                    "参加支援",
                ],
            ),
            ("gw_eval", &["再プラン", "終結・中断", "現プランのまま"]),
        ] {
            for branch in branches {
                assert!(ways_out(gateway).contains(branch), "{gateway}: {branch}");
            }
        }
        // Without consent: 支援会議, and from there back.
        let back = |from: &str, to: &str| {
            process
                .flows
                .iter()
                .any(|flow| flow.from == from && flow.to == to)
        };
        assert!(back("consent_work", "support_meeting") && back("gw_agreed", "assessing"));
    }

    #[test]
    fn everything_is_drawn_in_its_lane_and_lines_touch_what_they_join() {
        let process = shipped();
        let within = |point: Point, bounds: Bounds| {
            (bounds.x..=bounds.x + bounds.width).contains(&point.x)
                && (bounds.y..=bounds.y + bounds.height).contains(&point.y)
        };
        for node in &process.nodes {
            let lane = process
                .lanes
                .iter()
                .find(|lane| lane.id == node.lane)
                .unwrap();
            let Bounds {
                x,
                y,
                width,
                height,
            } = node.bounds;
            for corner in [
                Point { x, y },
                Point {
                    x: x + width,
                    y: y + height,
                },
            ] {
                assert!(within(corner, lane.bounds), "{} in {}", node.id, lane.name);
            }
            let joined = process
                .flows
                .iter()
                .any(|flow| flow.from == node.id || flow.to == node.id);
            assert!(joined, "{} stands alone", node.id);
            for other in process.nodes.iter().filter(|other| other.id > node.id) {
                let apart = other.bounds.x >= x + width
                    || x >= other.bounds.x + other.bounds.width
                    || other.bounds.y >= y + height
                    || y >= other.bounds.y + other.bounds.height;
                assert!(apart, "{} lies over {}", other.id, node.id);
            }
        }
        let at = |id: &str| {
            process
                .nodes
                .iter()
                .find(|node| node.id == id)
                .unwrap()
                .bounds
        };
        for flow in &process.flows {
            assert!(within(flow.points[0], at(&flow.from)), "{}", flow.id);
            assert!(
                within(*flow.points.last().unwrap(), at(&flow.to)),
                "{}",
                flow.id
            );
            for pair in flow.points.windows(2) {
                let straight = (pair[0].x - pair[1].x).abs() < f64::EPSILON
                    || (pair[0].y - pair[1].y).abs() < f64::EPSILON;
                assert!(straight, "{} runs aslant", flow.id);
            }
        }
    }

    #[test]
    fn what_is_broken_is_said() {
        assert!(matches!(
            Process::parse("<a>"),
            Err(ProcessError::Syntax(_))
        ));
        assert_eq!(
            Process::parse("<a/>"),
            Err(ProcessError::Missing("process"))
        );
        for (from, to) in [
            (r#"musubi:stage="received""#, r#"musubi:stage="nonsense""#),
            (
                r#"<sequenceFlow id="f1" sourceRef="start""#,
                r#"<sequenceFlow id="f1" sourceRef="nobody""#,
            ),
            (
                r#"<bpmndi:BPMNShape id="s_hear" bpmnElement="hear">"#,
                r#"<bpmndi:BPMNShape id="s_hear" bpmnElement="other">"#,
            ),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let broken = Process::parse(&TEXT.replacen(from, to, 1));
            assert!(
                matches!(broken, Err(ProcessError::Element { .. })),
                "{broken:?}"
            );
        }
    }
}
