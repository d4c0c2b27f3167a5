//! Ecomap layout: the clients in the middle, everyone else on rings around them, ordered by
//! sector clockwise from the top.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

use crate::model::{Network, NodeKind, Sector};
use crate::names;

/// Middle of a node's symbol. The origin is the middle of an untouched map; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub x: f64,
    pub y: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Of every node.
    pub positions: BTreeMap<String, Position>,
    /// Nodes that had no position and were given one now.
    pub placed: Vec<String>,
}

pub(crate) const SYMBOL: f64 = 46.0;
pub(crate) const LABEL: f64 = 14.0;
pub(crate) const LINE: f64 = 18.0;
/// Free space around every symbol and its label.
pub(crate) const MARGIN: f64 = 7.0;
/// Beyond this a position is taken for a slip and placed anew.
const FARTHEST: f64 = 20_000.0;
/// Rings are wider than high: the paper is A4 landscape.
const WIDER: f64 = 1.25;

/// Extent of a node around its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extent {
    pub lines: Vec<String>,
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Box {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Box {
    pub(crate) fn around(extent: &Extent, at: Position) -> Self {
        Self {
            left: at.x + extent.left,
            top: at.y + extent.top,
            right: at.x + extent.right,
            bottom: at.y + extent.bottom,
        }
    }

    pub(crate) fn touches(&self, other: &Self, margin: f64) -> bool {
        self.left < other.right + margin
            && other.left < self.right + margin
            && self.top < other.bottom + margin
            && other.top < self.bottom + margin
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Width of a text, slightly generous so that any of the fonts in use fits.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let ems: f64 = text
        .chars()
        .map(|c| {
            if c.is_ascii() || ('\u{ff61}'..='\u{ff9f}').contains(&c) {
                0.62
            } else {
                1.0
            }
        })
        .sum();
    ems * size
}

/// Lines of at most `width` full-width characters, at most `most` lines.
fn wrap(label: &str, width: f64, most: usize) -> Vec<String> {
    // Lines of about equal length instead of a last line with one character.
    let all = text_width(label, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a handful of lines")]
    let most_lines = most as f64;
    let count = (all / width).ceil().max(1.0);
    let width = if count <= most_lines {
        width.min((all / count).ceil() + 0.6)
    } else {
        width
    };
    let mut lines = vec![String::new()];
    for c in label.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        let last = lines.len() - 1;
        let mut longer = lines[last].clone();
        longer.push(c);
        if text_width(&longer, 1.0) > width && !lines[last].is_empty() {
            if lines.len() == most {
                lines[last].pop();
                lines[last].push('…');
                break;
            }
            lines.push(c.to_string());
        } else {
            lines[last] = longer;
        }
    }
    lines
}

/// What a node needs, as it is drawn: people have their label under the symbol, everything else
/// inside an ellipse.
pub(crate) fn extent(kind: NodeKind, label: &str, second: Option<&str>) -> Extent {
    match kind {
        NodeKind::Person | NodeKind::Pet => {
            let mut lines = wrap(label, 8.0, 2);
            lines.extend(second.map(|s| wrap(s, 9.0, 1).remove(0)));
            let width = lines
                .iter()
                .map(|l| text_width(l, LABEL))
                .fold(SYMBOL + 8.0, f64::max);
            #[expect(clippy::cast_precision_loss, reason = "at most three lines")]
            let text = LINE * lines.len() as f64;
            Extent {
                left: -width / 2.0,
                right: width / 2.0,
                top: -SYMBOL / 2.0 - 6.0,
                bottom: SYMBOL / 2.0 + 6.0 + text,
                lines,
            }
        }
        NodeKind::Agency | NodeKind::Group | NodeKind::Place => {
            let mut lines = wrap(label, 7.5, 3);
            lines.extend(second.map(|s| wrap(s, 8.0, 1).remove(0)));
            let text = lines
                .iter()
                .map(|l| text_width(l, LABEL))
                .fold(0.0, f64::max);
            #[expect(clippy::cast_precision_loss, reason = "at most four lines")]
            let high = LINE * lines.len() as f64;
            // The ellipse around the text's rectangle.
            let (w, h) = (
                (text * 1.22 + 26.0).max(104.0),
                (high * 1.3 + 18.0).max(58.0),
            );
            Extent {
                left: -w / 2.0,
                right: w / 2.0,
                top: -h / 2.0,
                bottom: h / 2.0,
                lines,
            }
        }
    }
}

/// Second line of a node: how often, from the tie to a client. Never in the masked variant.
pub(crate) fn second_lines(network: &Network) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for tie in network.ties.values() {
        let is_client = |id: &str| network.nodes.get(id).is_some_and(|n| n.index);
        let outer = match (is_client(&tie.from), is_client(&tie.to)) {
            (true, false) => &tie.to,
            (false, true) => &tie.from,
            _ => continue,
        };
        if let Some(text) = tie
            .frequency
            .as_deref()
            .map(str::trim)
            .filter(|t| !t.is_empty())
        {
            lines
                .entry(outer.clone())
                .or_insert_with(|| text.to_owned());
        }
    }
    lines
}

/// Extents that hold for both variants of the picture, so that the masked one needs no other
/// layout (which would tell how long a name is).
pub(crate) fn extents(network: &Network) -> BTreeMap<String, Extent> {
    let shown = names::labels(network, false);
    let masked = names::labels(network, true);
    let second = second_lines(network);
    network
        .nodes
        .iter()
        .map(|(id, node)| {
            let a = extent(node.kind, &shown[id], second.get(id).map(String::as_str));
            let b = extent(node.kind, &masked[id], None);
            let joined = Extent {
                left: a.left.min(b.left),
                top: a.top.min(b.top),
                right: a.right.max(b.right),
                bottom: a.bottom.max(b.bottom),
                lines: a.lines,
            };
            (id.clone(), joined)
        })
        .collect()
}

/// Places every node that has no position yet. Positions in the document are returned unchanged.
#[must_use]
pub fn layout(network: &Network) -> Layout {
    let extents = extents(network);
    let mut positions: BTreeMap<String, Position> = BTreeMap::new();
    for (id, node) in &network.nodes {
        if let (Some(x), Some(y)) = (node.x, node.y)
            && x.is_finite()
            && y.is_finite()
            && x.abs() <= FARTHEST
            && y.abs() <= FARTHEST
        {
            positions.insert(id.clone(), Position { x, y });
        }
    }
    let mut placed = Vec::new();
    let clients = network.clients();
    let middle = {
        let fixed: Vec<Position> = clients
            .iter()
            .filter_map(|id| positions.get(*id).copied())
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a case has few clients")]
        let count = fixed.len().max(1) as f64;
        Position {
            x: fixed.iter().map(|p| p.x).sum::<f64>() / count,
            y: fixed.iter().map(|p| p.y).sum::<f64>() / count,
        }
    };
    let mut taken: Vec<Box> = positions
        .iter()
        .map(|(id, at)| Box::around(&extents[id], *at))
        .collect();

    // Clients in rows of up to four around the middle.
    let waiting: Vec<&str> = clients
        .iter()
        .filter(|id| !positions.contains_key(**id))
        .copied()
        .collect();
    let rows: Vec<&[&str]> = waiting.chunks(4).collect();
    let row_height = 124.0;
    // Between two of them a family tie with its sign needs room.
    let apart = if waiting.len() > 1 {
        MARGIN + 12.0
    } else {
        MARGIN
    };
    for (row, ids) in rows.iter().enumerate() {
        let width: f64 = ids
            .iter()
            .map(|id| extents[*id].right * 2.0 + apart * 2.0)
            .sum();
        let mut x = middle.x - width / 2.0;
        #[expect(clippy::cast_precision_loss, reason = "a case has few clients")]
        let y = middle.y + row_height * (row as f64 - (rows.len() - 1) as f64 / 2.0);
        for id in *ids {
            let half = extents[*id].right + apart;
            let mut at = Position { x: x + half, y };
            x += half * 2.0;
            // Something moved into the middle by hand: go on to the right until there is room.
            while taken
                .iter()
                .any(|b| b.touches(&Box::around(&extents[*id], at), MARGIN))
            {
                at.x += 24.0;
            }
            let at = rounded(at);
            taken.push(Box::around(&extents[*id], at));
            positions.insert((*id).to_owned(), at);
            placed.push((*id).to_owned());
        }
    }
    let core = clients
        .iter()
        .map(|id| Box::around(&extents[*id], positions[*id]))
        .reduce(Box::with)
        .unwrap_or(Box {
            left: middle.x - 40.0,
            top: middle.y - 40.0,
            right: middle.x + 40.0,
            bottom: middle.y + 40.0,
        });

    // Everyone else in the order of the sectors; the order is the place on the ring.
    let mut order: Vec<&str> = network
        .nodes
        .keys()
        .map(String::as_str)
        .filter(|id| !network.nodes[*id].index)
        .collect();
    let homes = homes(network);
    order.sort_by_key(|id| {
        let node = &network.nodes[*id];
        let home = homes.get(*id).copied().unwrap_or(usize::MAX);
        (Sector::of(node), node.kind, home, *id)
    });
    // Half of the widest symbol lies inside the ring's radius.
    let (half_w, half_h) = (
        (core.right - core.left) / 2.0,
        (core.bottom - core.top) / 2.0,
    );
    let first = (half_w / WIDER + 96.0).max(half_h + 86.0).max(176.0);
    let centre = Position {
        x: f64::midpoint(core.left, core.right),
        y: f64::midpoint(core.top, core.bottom),
    };
    let on_one_ring = 10;
    let many = order.len() > on_one_ring;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a network has at most some hundred nodes"
    )]
    for (at, id) in order.iter().enumerate() {
        if positions.contains_key(*id) {
            continue;
        }
        let angle = -PI / 2.0
            + TAU * (at as f64 + 0.5 * f64::from(u8::from(order.len() == 2))) / order.len() as f64;
        let near = !many || matches!(network.nodes[*id].kind, NodeKind::Person | NodeKind::Pet);
        let spot = free_spot(
            &extents[*id],
            centre,
            first,
            angle,
            usize::from(!near),
            &taken,
        );
        taken.push(Box::around(&extents[*id], spot));
        positions.insert((*id).to_owned(), spot);
        placed.push((*id).to_owned());
    }
    placed.sort();
    Layout { positions, placed }
}

/// The free place nearest to the wanted angle on the wanted ring: first along the ring, then
/// outwards. There is always one, because rings grow without end.
fn free_spot(
    extent: &Extent,
    centre: Position,
    first: f64,
    angle: f64,
    ring: usize,
    taken: &[Box],
) -> Position {
    const STEP: f64 = TAU / 120.0;
    let mut tries: Vec<(u32, usize, i32)> = Vec::new();
    for out in 0..14 {
        for turn in -30_i32..=30 {
            // One ring outwards is as dear as 21 degrees along the ring.
            let cost = u32::try_from(out).unwrap_or(0) * 15
                + turn.unsigned_abs() * 2
                + u32::from(turn < 0);
            tries.push((cost, out, turn));
        }
    }
    tries.sort_unstable();
    let at = |ring: usize, angle: f64| {
        #[expect(clippy::cast_precision_loss, reason = "few rings")]
        let radius = first + 104.0 * ring as f64;
        rounded(Position {
            x: centre.x + radius * WIDER * angle.cos(),
            y: centre.y + radius * angle.sin(),
        })
    };
    for (_, out, turn) in tries {
        let spot = at(ring + out, angle + f64::from(turn) * STEP);
        let area = Box::around(extent, spot);
        if !taken.iter().any(|b| b.touches(&area, MARGIN)) {
            return spot;
        }
    }
    let right = taken.iter().map(|b| b.right).fold(centre.x, f64::max);
    rounded(Position {
        x: right + MARGIN * 2.0 - extent.left,
        y: centre.y,
    })
}

/// The household of each member, by its place: those of the clients first. Who lives together
/// stands side by side on the ring.
fn homes(network: &Network) -> BTreeMap<&str, usize> {
    let mut households: Vec<_> = network.households.values().collect();
    households.sort_by_key(|household| {
        let with_client = |id: &String| network.nodes.get(id).is_some_and(|node| node.index);
        !household.members.iter().any(with_client)
    });
    let mut homes = BTreeMap::new();
    for (at, household) in households.into_iter().enumerate() {
        for id in &household.members {
            homes.entry(id.as_str()).or_insert(at);
        }
    }
    homes
}

/// Whole pixels: the same number in every JSON, SVG and browser.
fn rounded(at: Position) -> Position {
    Position {
        x: at.x.round(),
        y: at.y.round(),
    }
}
