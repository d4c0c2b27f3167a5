//! The drawing list: what to paint, in order, in plain shapes. Black and white by design; kinds of
//! ties differ by width, dashes and teeth, never by colour alone.

use std::collections::{BTreeMap, BTreeSet};

use domain::wareki::PartialDate;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::family;
use crate::household::{Enclosure, NAME_SIZE, enclosures};
use crate::layout::{
    Box, Extent, LABEL, LINE, Layout, Position, SYMBOL, extent, extents, layout, second_lines,
    text_width,
};
use crate::model::{Family, Network, Node, NodeKind, Tie};
use crate::names;

const INK: &str = "#1a1a1a";
const GREY: &str = "#595959";
const PAPER: &str = "#ffffff";
/// Family ties are a little softer than the support that the map is about.
const KIN: &str = "#4a4a4a";
const HOUSE_LINE: &str = "#6b7fd6";
const HOUSE_GROUND: &str = "#eef3ff";
const HOUSE_NAME: &str = "#0017c1";

/// One thing to paint. `node` and `tie` name what it belongs to, for selection and events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    Path {
        points: Vec<[f64; 2]>,
        closed: bool,
        /// `None`: not filled.
        #[serde(skip_serializing_if = "Option::is_none")]
        fill: Option<String>,
        stroke: String,
        width: f64,
        /// Lengths of dashes and gaps in turn; empty: one unbroken line.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        dash: Vec<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tie: Option<String>,
    },
    Ellipse {
        x: f64,
        y: f64,
        rx: f64,
        ry: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        fill: Option<String>,
        stroke: String,
        width: f64,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        dash: Vec<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// `x` is the middle (or the left edge when `start`), `y` the middle of the line's height.
    Text {
        x: f64,
        y: f64,
        text: String,
        size: f64,
        bold: bool,
        fill: String,
        start: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    pub title: String,
    /// Left, top, width, height.
    pub view: [f64; 4],
    pub items: Vec<Item>,
    pub positions: BTreeMap<String, Position>,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// 続柄 or ［氏名n］ instead of names, 世帯n for households; no ages, no notes.
    pub masked: bool,
    /// Ages and valid ties as of this date; ages are left out without it.
    pub as_of: Option<Date>,
    /// Draw the legend under the map.
    pub legend: bool,
}

/// Lays out what has no position and draws the ecomap.
#[must_use]
pub fn draw(network: &Network, options: &Options) -> Drawing {
    let Layout { positions, .. } = layout(network);
    let labels = names::labels(network, options.masked);
    let second = if options.masked {
        BTreeMap::new()
    } else {
        second_lines(network)
    };
    let reserved = extents(network);
    let shown: BTreeMap<&str, Extent> = network
        .nodes
        .iter()
        .map(|(id, node)| {
            (
                id.as_str(),
                extent(node.kind, &labels[id], second.get(id).map(String::as_str)),
            )
        })
        .collect();
    let mut items = Vec::new();
    let mut used = Used::default();

    let symbols = |(id, at): (&String, &Position)| Box::around(&reserved[id], *at);
    let taken = positions.iter().map(symbols).collect();
    let houses = enclosures(network, &positions, taken, options.masked);
    used.household = !houses.is_empty();
    used.loose = houses.iter().any(|house| !house.loose.is_empty());
    for house in &houses {
        grounds(house, &mut items);
    }
    ties(network, options, &positions, &shown, &mut items, &mut used);
    for house in &houses {
        plate(house, &mut items);
    }
    for (id, node) in &network.nodes {
        symbol(
            id,
            node,
            network,
            options,
            positions[id],
            &shown[id.as_str()],
            &mut items,
            &mut used,
        );
    }

    let area = positions
        .iter()
        .map(|(id, at)| Box::around(&reserved[id], *at))
        .chain(houses.iter().map(Enclosure::area))
        .reduce(Box::with)
        .unwrap_or(Box {
            left: -240.0,
            top: -120.0,
            right: 240.0,
            bottom: 120.0,
        });
    if network.nodes.is_empty() {
        items.push(text(
            0.0,
            0.0,
            "人や機関がまだ登録されていません",
            16.0,
            false,
            None,
        ));
    }
    let pad = 28.0;
    let mut view = [
        area.left - pad,
        area.top - pad,
        area.right - area.left + pad * 2.0,
        area.bottom - area.top + pad * 2.0,
    ];
    if options.legend {
        legend(&used, options, &mut view, &mut items);
    }
    let title = if options.masked {
        "エコマップ（マスク済み・個人情報として取扱い）"
    } else {
        "エコマップ"
    };
    Drawing {
        title: title.to_owned(),
        view,
        items,
        positions,
    }
}

#[derive(Default)]
struct Used {
    ties: BTreeSet<String>,
    kin: BTreeSet<String>,
    shapes: BTreeSet<&'static str>,
    arrow: bool,
    client: bool,
    deceased: bool,
    key_person: bool,
    household: bool,
    /// Of a household, somebody stands apart behind others.
    loose: bool,
}

fn text(x: f64, y: f64, words: &str, size: f64, bold: bool, node: Option<&str>) -> Item {
    Item::Text {
        x: tidy(x),
        y: tidy(y),
        text: words.to_owned(),
        size,
        bold,
        fill: INK.to_owned(),
        start: false,
        node: node.map(str::to_owned),
    }
}

/// One decimal: no noise in files and snapshots.
fn tidy(value: f64) -> f64 {
    let value = (value * 10.0).round() / 10.0;
    if value == 0.0 { 0.0 } else { value }
}

fn path(points: &[[f64; 2]], closed: bool, fill: Option<&str>, width: f64, dash: &[f64]) -> Item {
    Item::Path {
        points: points.iter().map(|p| [tidy(p[0]), tidy(p[1])]).collect(),
        closed,
        fill: fill.map(str::to_owned),
        stroke: INK.to_owned(),
        width,
        dash: dash.to_vec(),
        node: None,
        tie: None,
    }
}

fn inked(mut item: Item, colour: &str) -> Item {
    if let Item::Path { stroke, .. } | Item::Ellipse { stroke, .. } = &mut item {
        colour.clone_into(stroke);
    }
    item
}

fn of_node(item: Item, id: &str) -> Item {
    match item {
        Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            tie,
            ..
        } => Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            node: Some(id.to_owned()),
            tie,
        },
        other => other,
    }
}

fn of_tie(item: Item, id: &str) -> Item {
    match item {
        Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            node,
            ..
        } => Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            node,
            tie: Some(id.to_owned()),
        },
        other => other,
    }
}

/// The enclosure of a household: its border, and its ground over it, so that the parts it is made
/// of melt into one.
fn grounds(house: &Enclosure, items: &mut Vec<Item>) {
    for (a, b) in &house.loose {
        let line = path(&[*a, *b], false, None, 2.0, &[3.0, 6.0]);
        items.push(inked(line, HOUSE_LINE));
    }
    for (border, colour) in [(true, HOUSE_LINE), (false, HOUSE_GROUND)] {
        for corners in house.polygons(border) {
            let ground = path(&corners, true, Some(colour), 0.0, &[]);
            items.push(inked(ground, colour));
        }
    }
}

/// The name of a household, above the lines.
fn plate(house: &Enclosure, items: &mut Vec<Item>) {
    let [x, y, w, h] = house.plate;
    let corners = round_corners(x, y, w, h, h / 2.0);
    items.push(inked(
        path(&corners, true, Some(PAPER), 1.0, &[]),
        HOUSE_LINE,
    ));
    let mut name = text(x, y, &house.name, NAME_SIZE, true, None);
    if let Item::Text { fill, .. } = &mut name {
        HOUSE_NAME.clone_into(fill);
    }
    items.push(name);
}

/// A rectangle around a middle, its corners rounded.
fn round_corners(x: f64, y: f64, w: f64, h: f64, round: f64) -> Vec<[f64; 2]> {
    let (l, r) = (x - w / 2.0 + round, x + w / 2.0 - round);
    let (t, b) = (y - h / 2.0 + round, y + h / 2.0 - round);
    [(r, t, -90.0), (r, b, 0.0), (l, b, 90.0), (l, t, 180.0)]
        .into_iter()
        .flat_map(|(x, y, from)| {
            (0..=6).map(move |step| {
                let (sin, cos) = f64::to_radians(from + 15.0 * f64::from(step)).sin_cos();
                [x + round * cos, y + round * sin]
            })
        })
        .collect()
}

fn ties(
    network: &Network,
    options: &Options,
    positions: &BTreeMap<String, Position>,
    shown: &BTreeMap<&str, Extent>,
    items: &mut Vec<Item>,
    used: &mut Used,
) {
    let mut parallel: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let as_of = options.as_of.map(|d| d.to_string());
    // The family first: where two lines lie beside each other, its line keeps the middle.
    let all = [Family::Gen, Family::Eco].into_iter().flat_map(|family| {
        let own = move |(_, tie): &(&String, &Tie)| tie.family == family;
        network.ties.iter().filter(own)
    });
    for (id, tie) in all {
        if let Some(day) = &as_of
            && (tie.valid_from.as_ref().is_some_and(|from| from > day)
                || tie.valid_to.as_ref().is_some_and(|to| to < day))
        {
            continue;
        }
        let pair = if tie.from < tie.to {
            (tie.from.as_str(), tie.to.as_str())
        } else {
            (tie.to.as_str(), tie.from.as_str())
        };
        let nth = parallel.entry(pair).or_default();
        // 0, +12, −12, +24 … beside each other
        let shift = f64::from(nth.div_ceil(2)) * if *nth % 2 == 1 { 12.0 } else { -12.0 };
        *nth += 1;
        let (from, to) = (&network.nodes[&tie.from], &network.nodes[&tie.to]);
        let (mut a, mut b) = (positions[&tie.from], positions[&tie.to]);
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length = dx.hypot(dy);
        if length < 1.0 {
            continue;
        }
        let (ux, uy) = (dx / length, dy / length);
        // Shifted to the side seen from the smaller id, so that the direction does not matter.
        let side = if tie.from < tie.to { shift } else { -shift };
        for p in [&mut a, &mut b] {
            p.x -= uy * side;
            p.y += ux * side;
        }
        let start = edge(from, &shown[tie.from.as_str()], ux, uy) + 4.0;
        let end = edge(to, &shown[tie.to.as_str()], -ux, -uy) + 4.0;
        if start + end + 8.0 > length {
            continue;
        }
        let p = [a.x + ux * start, a.y + uy * start];
        let q = [b.x - ux * end, b.y - uy * end];
        if tie.family == Family::Gen {
            if family::KINDS.iter().any(|(kind, _)| *kind == tie.kind) {
                used.kin.insert(tie.kind.clone());
            }
            items.extend(kin(p, q, &tie.kind).map(|item| of_tie(item, id)));
            continue;
        }
        let client_is_to = to.index && !from.index;
        let (mut at_from, mut at_to) = (false, false);
        match tie.direction.as_deref() {
            Some("to_client") if client_is_to => at_to = true,
            Some("to_client") => at_from = true,
            Some("from_client") if client_is_to => at_from = true,
            Some("from_client") => at_to = true,
            Some("both") => (at_from, at_to) = (true, true),
            _ => {}
        }
        let kind = if LINES.iter().any(|l| l.0 == tie.kind) {
            tie.kind.as_str()
        } else {
            "normal"
        };
        used.ties.insert(kind.to_owned());
        used.arrow |= at_from || at_to;
        line(p, q, kind, at_from, at_to, &mut |item| {
            items.push(of_tie(item, id))
        });
    }
}

/// A family tie.
fn kin(p: [f64; 2], q: [f64; 2], kind: &str) -> impl Iterator<Item = Item> {
    family::strokes(kind, p, q).into_iter().map(|stroke| {
        let fill = stroke.filled.then_some(KIN);
        let item = path(
            &stroke.points,
            stroke.filled,
            fill,
            stroke.width,
            stroke.dash,
        );
        inked(item, KIN)
    })
}

/// Kinds of `ecorel` in the legend's order.
const LINES: [(&str, &str); 8] = [
    ("strong", "強い・良好"),
    ("normal", "普通"),
    ("weak", "希薄・弱い"),
    ("stress", "ストレス・葛藤"),
    ("conflict", "対立"),
    ("broken", "断絶"),
    ("planned", "今後つなぐ予定"),
    ("unknown", "不明"),
];

fn line(
    p: [f64; 2],
    q: [f64; 2],
    kind: &str,
    at_from: bool,
    at_to: bool,
    push: &mut dyn FnMut(Item),
) {
    let (dx, dy) = (q[0] - p[0], q[1] - p[1]);
    let length = dx.hypot(dy);
    let (ux, uy) = (dx / length, dy / length);
    let point = |along: f64, across: f64| {
        [
            p[0] + ux * along - uy * across,
            p[1] + uy * along + ux * across,
        ]
    };
    let head = if kind == "strong" { 15.0 } else { 12.0 };
    // The line stops inside the arrow head, or a thick line would blunt its tip.
    let from = if at_from { head * 0.7 } else { 0.0 };
    let to = length - if at_to { head * 0.7 } else { 0.0 };
    let bar = |push: &mut dyn FnMut(Item), along: f64| {
        push(path(
            &[point(along, -8.0), point(along, 8.0)],
            false,
            None,
            2.0,
            &[],
        ))
    };
    match kind {
        "strong" => push(path(
            &[point(from, 0.0), point(to, 0.0)],
            false,
            None,
            5.0,
            &[],
        )),
        "weak" => push(path(
            &[point(from, 0.0), point(to, 0.0)],
            false,
            None,
            1.8,
            &[8.0, 6.0],
        )),
        "planned" => push(path(
            &[point(from, 0.0), point(to, 0.0)],
            false,
            None,
            2.2,
            &[2.0, 6.0],
        )),
        "unknown" => push(path(
            &[point(from, 0.0), point(to, 0.0)],
            false,
            None,
            1.6,
            &[12.0, 5.0, 2.0, 5.0],
        )),
        "stress" | "conflict" => {
            let teeth = ((to - from - 16.0) / 9.0).floor().max(2.0);
            let (lead, step) = (8.0_f64.min((to - from) / 6.0), 0.0_f64);
            let step = step.max((to - from - lead * 2.0) / teeth);
            let mut points = vec![point(from, 0.0), point(from + lead, 0.0)];
            let mut at = 0.5;
            let mut up = true;
            while at < teeth {
                points.push(point(from + lead + step * at, if up { -6.0 } else { 6.0 }));
                up = !up;
                at += 1.0;
            }
            points.push(point(to - lead, 0.0));
            points.push(point(to, 0.0));
            push(path(
                &points,
                false,
                None,
                if kind == "conflict" { 2.6 } else { 1.8 },
                &[],
            ));
            if kind == "conflict" {
                let middle = f64::midpoint(from, to);
                for side in [-1.0, 1.0] {
                    push(path(
                        &[
                            point(middle - 10.0, side * 11.0),
                            point(middle + 10.0, -side * 11.0),
                        ],
                        false,
                        None,
                        2.6,
                        &[],
                    ));
                }
            }
        }
        "broken" => {
            let middle = f64::midpoint(from, to);
            push(path(
                &[point(from, 0.0), point(middle - 6.0, 0.0)],
                false,
                None,
                1.8,
                &[],
            ));
            push(path(
                &[point(middle + 6.0, 0.0), point(to, 0.0)],
                false,
                None,
                1.8,
                &[],
            ));
            bar(push, middle - 6.0);
            bar(push, middle + 6.0);
        }
        _ => push(path(
            &[point(from, 0.0), point(to, 0.0)],
            false,
            None,
            1.8,
            &[],
        )),
    }
    let half = head * 0.5;
    if at_to {
        push(path(
            &[
                point(length, 0.0),
                point(length - head, -half),
                point(length - head, half),
            ],
            true,
            Some(INK),
            1.0,
            &[],
        ));
    }
    if at_from {
        push(path(
            &[point(0.0, 0.0), point(head, -half), point(head, half)],
            true,
            Some(INK),
            1.0,
            &[],
        ));
    }
}

/// How far the outline lies from the middle in the given direction; under a person, below the label.
fn edge(node: &Node, extent: &Extent, ux: f64, uy: f64) -> f64 {
    match node.kind {
        NodeKind::Person | NodeKind::Pet => {
            let top = if uy < 0.0 {
                SYMBOL / 2.0 + 4.0
            } else {
                extent.bottom
            };
            // Beside the label the line may come close to the symbol only above the label's line.
            let side = if uy > 0.25 {
                extent.right
            } else {
                SYMBOL / 2.0 + 4.0
            };
            let by_x = if ux.abs() < 1e-9 {
                f64::INFINITY
            } else {
                side / ux.abs()
            };
            let by_y = if uy.abs() < 1e-9 {
                f64::INFINITY
            } else {
                top / uy.abs()
            };
            by_x.min(by_y)
        }
        NodeKind::Agency | NodeKind::Group | NodeKind::Place => {
            let (rx, ry) = (extent.right, extent.bottom);
            1.0 / ((ux / rx).powi(2) + (uy / ry).powi(2)).sqrt()
        }
    }
}

fn shape_points(shape: &str, x: f64, y: f64, half: f64) -> Vec<[f64; 2]> {
    match shape {
        "square" => vec![
            [x - half, y - half],
            [x + half, y - half],
            [x + half, y + half],
            [x - half, y + half],
        ],
        _ => vec![[x, y - half], [x + half, y], [x, y + half], [x - half, y]],
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, one place; a struct for it would only rename them"
)]
fn symbol(
    id: &str,
    node: &Node,
    network: &Network,
    options: &Options,
    at: Position,
    extent: &Extent,
    items: &mut Vec<Item>,
    used: &mut Used,
) {
    let (x, y) = (at.x, at.y);
    let black = node.deceased
        && network.settings.get("death_mark").and_then(|v| v.as_str()) == Some("fill");
    let fill = if black { INK } else { PAPER };
    match node.kind {
        NodeKind::Person | NodeKind::Pet => {
            let shape = match (node.kind, node.sex.as_deref()) {
                (NodeKind::Pet, _) => "pet",
                (_, Some("1")) => "square",
                (_, Some("2")) => "circle",
                _ => "diamond",
            };
            used.shapes.insert(shape);
            used.client |= node.index;
            used.deceased |= node.deceased;
            used.key_person |= node.key_person;
            let mut outline = |half: f64, fill: Option<&str>| {
                items.push(if shape == "circle" {
                    ellipse(x, y, half, half, fill, 2.0, &[], id)
                } else {
                    of_node(
                        path(
                            &shape_points(
                                shape,
                                x,
                                y,
                                if shape == "pet" { half * 0.7 } else { half },
                            ),
                            true,
                            fill,
                            2.0,
                            &[],
                        ),
                        id,
                    )
                });
            };
            let half = SYMBOL / 2.0;
            outline(half, Some(fill));
            if node.index {
                outline(half - 5.0, None);
            }
            if node.deceased && !black {
                let reach = if shape == "square" { half } else { half * 0.68 };
                for side in [-1.0, 1.0] {
                    items.push(of_node(
                        path(
                            &[[x - reach, y - side * reach], [x + reach, y + side * reach]],
                            false,
                            None,
                            1.6,
                            &[],
                        ),
                        id,
                    ));
                }
            }
            let age = if options.masked {
                None
            } else {
                options.as_of.and_then(|day| age(node, day))
            };
            if let Some(age) = age {
                let mut item = text(x, y, &age, 15.0, true, Some(id));
                if let Item::Text { fill, .. } = &mut item {
                    *fill = if black { PAPER } else { INK }.to_owned();
                }
                // A cross runs through the middle: give the figure its own ground.
                if node.deceased && !black {
                    let half = text_width(&age, 15.0) / 2.0 + 2.0;
                    items.push(Item::Path {
                        points: shape_points("square", x, y, half),
                        closed: true,
                        fill: Some(PAPER.to_owned()),
                        stroke: PAPER.to_owned(),
                        width: 0.0,
                        dash: vec![],
                        node: Some(id.to_owned()),
                        tie: None,
                    });
                }
                items.push(item);
            }
            if node.key_person {
                items.push(of_node(star(x + half - 2.0, y - half + 2.0, 8.5), id));
            }
            for (row, words) in extent.lines.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "at most three lines")]
                let line_y = y + SYMBOL / 2.0 + 6.0 + LINE * (row as f64 + 0.5);
                // A ground of its own, so that a line passing below stays legible.
                let half = text_width(words, LABEL) / 2.0;
                let corners = [
                    [x - half, line_y - 8.0],
                    [x + half, line_y - 8.0],
                    [x + half, line_y + 8.0],
                    [x - half, line_y + 8.0],
                ];
                if let Item::Path {
                    points,
                    closed,
                    fill,
                    dash,
                    node,
                    tie,
                    ..
                } = of_node(path(&corners, true, Some(PAPER), 0.0, &[]), id)
                {
                    items.push(Item::Path {
                        points,
                        closed,
                        fill,
                        stroke: PAPER.to_owned(),
                        width: 0.0,
                        dash,
                        node,
                        tie,
                    });
                }
                items.push(text(
                    x,
                    line_y,
                    words,
                    LABEL,
                    row == 0 && node.index,
                    Some(id),
                ));
            }
        }
        NodeKind::Agency | NodeKind::Group | NodeKind::Place => {
            used.shapes.insert(if node.kind == NodeKind::Agency {
                "agency"
            } else {
                "group"
            });
            let dash: &[f64] = if node.kind == NodeKind::Agency {
                &[]
            } else {
                &[9.0, 3.0]
            };
            items.push(ellipse(
                x,
                y,
                extent.right,
                extent.bottom,
                Some(PAPER),
                1.8,
                dash,
                id,
            ));
            #[expect(clippy::cast_precision_loss, reason = "at most four lines")]
            let top = y - LINE * extent.lines.len() as f64 / 2.0;
            for (row, words) in extent.lines.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "at most four lines")]
                items.push(text(
                    x,
                    top + LINE * (row as f64 + 0.5),
                    words,
                    LABEL,
                    false,
                    Some(id),
                ));
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the fields of one shape")]
fn ellipse(
    x: f64,
    y: f64,
    rx: f64,
    ry: f64,
    fill: Option<&str>,
    width: f64,
    dash: &[f64],
    id: &str,
) -> Item {
    Item::Ellipse {
        x: tidy(x),
        y: tidy(y),
        rx: tidy(rx),
        ry: tidy(ry),
        fill: fill.map(str::to_owned),
        stroke: INK.to_owned(),
        width,
        dash: dash.to_vec(),
        node: (!id.is_empty()).then(|| id.to_owned()),
    }
}

fn star(x: f64, y: f64, radius: f64) -> Item {
    let points: Vec<[f64; 2]> = (0..10)
        .map(|step| {
            let angle = f64::to_radians(-90.0 + 36.0 * f64::from(step));
            let r = if step % 2 == 0 { radius } else { radius * 0.42 };
            [x + r * angle.cos(), y + r * angle.sin()]
        })
        .collect();
    path(&points, true, Some("#ffd43d"), 1.2, &[])
}

/// Completed years on the day (for the dead: on the day of death); 「約」 stands before them where a day
/// is not known.
fn age(node: &Node, day: Date) -> Option<String> {
    let date = |text: &Option<String>| text.as_deref()?.parse::<PartialDate>().ok();
    let known = date(&node.birth_date)?;
    let died = date(&node.death_date);
    let about = !known.is_full() || died.is_some_and(|died| !died.is_full());
    let born = known.first_day();
    let until = match died {
        Some(died) => died.first_day().min(day),
        None if node.deceased => return None,
        None => day,
    };
    let years = until.year()
        - born.year()
        - i16::from((until.month(), until.day()) < (born.month(), born.day()));
    (0..=130)
        .contains(&years)
        .then(|| format!("{}{years}", if about { "約" } else { "" }))
}

fn legend(used: &Used, options: &Options, view: &mut [f64; 4], items: &mut Vec<Item>) {
    enum Sign {
        Shape(&'static str),
        Client,
        Dead,
        Key,
        House,
        Loose,
        Line(&'static str),
        Arrow,
        Kin(&'static str),
    }
    let mut entries: Vec<(Sign, &str)> = Vec::new();
    for (shape, name) in [
        ("square", "男性"),
        ("circle", "女性"),
        ("diamond", "その他・不明"),
        ("agency", "機関"),
        ("group", "団体・場所"),
        ("pet", "ペット"),
    ] {
        if used.shapes.contains(shape) {
            entries.push((Sign::Shape(shape), name));
        }
    }
    if used.client {
        entries.push((Sign::Client, "支援対象者"));
    }
    if used.deceased {
        entries.push((Sign::Dead, "死亡"));
    }
    if used.key_person {
        entries.push((Sign::Key, "キーパーソン"));
    }
    if used.household {
        entries.push((Sign::House, "同じ世帯"));
    }
    if used.loose {
        entries.push((Sign::Loose, "離れて描いた同じ世帯"));
    }
    for (kind, name) in LINES {
        if used.ties.contains(kind) {
            entries.push((Sign::Line(kind), name));
        }
    }
    if used.arrow {
        entries.push((Sign::Arrow, "支援・働きかけの向き"));
    }
    for (kind, name) in family::KINDS {
        if used.kin.contains(kind) {
            entries.push((Sign::Kin(kind), name));
        }
    }
    if entries.is_empty() {
        return;
    }
    let sign_width = 54.0;
    let narrow = 480.0;
    if view[2] < narrow {
        view[0] -= (narrow - view[2]) / 2.0;
        view[2] = narrow;
    }
    let (left, right) = (view[0] + 28.0, view[0] + view[2] - 28.0);
    let top = view[1] + view[3];
    items.push(Item::Path {
        points: vec![[left, top], [right, top]],
        closed: false,
        fill: None,
        stroke: GREY.to_owned(),
        width: 1.0,
        dash: vec![],
        node: None,
        tie: None,
    });
    let (mut x, mut y) = (left, top + 26.0);
    for (sign, name) in entries {
        let width = sign_width + text_width(name, 13.0) + 22.0;
        if x + width > right && x > left {
            x = left;
            y += 30.0;
        }
        let (cx, half) = (x + 22.0, 9.0);
        match sign {
            Sign::Shape("circle") => {
                items.push(ellipse(cx, y, half, half, Some(PAPER), 1.6, &[], ""))
            }
            Sign::Shape("agency") => {
                items.push(ellipse(cx, y, 18.0, 10.0, Some(PAPER), 1.6, &[], ""))
            }
            Sign::Shape("group") => items.push(ellipse(
                cx,
                y,
                18.0,
                10.0,
                Some(PAPER),
                1.6,
                &[9.0, 3.0],
                "",
            )),
            Sign::Shape("pet") => items.push(path(
                &shape_points("pet", cx, y, 7.0),
                true,
                Some(PAPER),
                1.6,
                &[],
            )),
            Sign::Shape(shape) => items.push(path(
                &shape_points(shape, cx, y, half),
                true,
                Some(PAPER),
                1.6,
                &[],
            )),
            Sign::Client => {
                items.push(path(
                    &shape_points("square", cx, y, 10.0),
                    true,
                    Some(PAPER),
                    1.6,
                    &[],
                ));
                items.push(path(
                    &shape_points("square", cx, y, 6.0),
                    true,
                    None,
                    1.6,
                    &[],
                ));
            }
            Sign::Dead => {
                items.push(path(
                    &shape_points("square", cx, y, half),
                    true,
                    Some(PAPER),
                    1.6,
                    &[],
                ));
                for side in [-1.0, 1.0] {
                    items.push(path(
                        &[[cx - half, y - side * half], [cx + half, y + side * half]],
                        false,
                        None,
                        1.4,
                        &[],
                    ));
                }
            }
            Sign::Key => items.push(star(cx, y, 9.0)),
            Sign::House => items.push(inked(
                path(
                    &round_corners(cx, y, 32.0, 16.0, 8.0),
                    true,
                    Some(HOUSE_GROUND),
                    1.4,
                    &[],
                ),
                HOUSE_LINE,
            )),
            Sign::Loose => items.push(inked(
                path(&[[x, y], [x + 44.0, y]], false, None, 2.0, &[3.0, 6.0]),
                HOUSE_LINE,
            )),
            Sign::Kin(kind) => items.extend(kin([x, y], [x + 44.0, y], kind)),
            Sign::Line(kind) => line([x, y], [x + 44.0, y], kind, false, false, &mut |item| {
                items.push(item)
            }),
            Sign::Arrow => line([x, y], [x + 44.0, y], "normal", false, true, &mut |item| {
                items.push(item)
            }),
        }
        items.push(Item::Text {
            x: tidy(x + sign_width),
            y: tidy(y),
            text: name.to_owned(),
            size: 13.0,
            bold: false,
            fill: INK.to_owned(),
            start: true,
            node: None,
        });
        x += width;
    }
    y += 30.0;
    if options.masked {
        items.push(Item::Text {
            x: tidy(left),
            y: tidy(y),
            text: "マスク済み（個人情報として取扱い）".to_owned(),
            size: 13.0,
            bold: false,
            fill: GREY.to_owned(),
            start: true,
            node: None,
        });
        y += 26.0;
    }
    view[3] = y - view[1];
    for value in view.iter_mut() {
        *value = tidy(*value);
    }
}
