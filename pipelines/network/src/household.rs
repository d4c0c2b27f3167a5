//! A household as a soft enclosure around those who live together.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::PI;

use crate::layout::{Box, Position, SYMBOL, text_width};
use crate::model::{Household, Network};

/// How far the enclosure reaches beyond the middle of a member's symbol.
const REACH: f64 = 46.0;
/// The name below a symbol belongs inside: the middle lies a little lower.
const LOWER: f64 = 9.0;
/// Width of the line around the enclosure.
const BORDER: f64 = 2.0;
pub(crate) const NAME_SIZE: f64 = 12.0;
/// Longest name in full-width characters.
const NAME_LONGEST: f64 = 16.0;

type Stretch = ([f64; 2], [f64; 2]);

/// What is drawn of one household.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Enclosure {
    pub name: String,
    /// Middle of the name's plate, its width and height.
    pub plate: [f64; 4],
    members: Vec<[f64; 2]>,
    joined: Vec<Stretch>,
    /// Connections that pass somebody who does not live there: a thin line instead of a ground.
    pub loose: Vec<Stretch>,
}

impl Enclosure {
    /// Polygons whose union is the enclosure; the `border` ones are painted first.
    pub(crate) fn polygons(&self, border: bool) -> Vec<Vec<[f64; 2]>> {
        let radius = if border { REACH } else { REACH - BORDER };
        let alone = self.members.iter().map(|at| capsule(*at, *at, radius));
        let pairs = self.joined.iter().map(|(a, b)| capsule(*a, *b, radius));
        alone.chain(pairs).collect()
    }

    /// Everything it covers, its name too.
    pub(crate) fn area(&self) -> Box {
        let plate = around(self.plate);
        self.members.iter().fold(plate, |area, at| {
            area.with(Box {
                left: at[0] - REACH,
                top: at[1] - REACH,
                right: at[0] + REACH,
                bottom: at[1] + REACH,
            })
        })
    }
}

fn around([x, y, w, h]: [f64; 4]) -> Box {
    Box {
        left: x - w / 2.0,
        top: y - h / 2.0,
        right: x + w / 2.0,
        bottom: y + h / 2.0,
    }
}

/// Enclosures of all households that have somebody on the map; large ones first, so that one
/// within another stays visible. Masked: numbers instead of names, which are free text and mostly
/// hold a surname. `taken` is what the names keep clear of: all symbols with their labels.
pub(crate) fn enclosures(
    network: &Network,
    positions: &BTreeMap<String, Position>,
    mut taken: Vec<Box>,
    masked: bool,
) -> Vec<Enclosure> {
    let mut shown: Vec<(usize, Enclosure)> = network
        .households
        .values()
        .filter_map(|household| {
            let members: BTreeSet<&str> = present(household, positions).collect();
            (!members.is_empty()).then_some((household, members))
        })
        .enumerate()
        .map(|(at, (household, members))| {
            let name = household.name.trim();
            let name = if masked {
                format!("世帯{}", at + 1)
            } else if name.is_empty() {
                "世帯".to_owned()
            } else {
                shortened(name)
            };
            let made = enclosure(name, &members, positions, &taken);
            taken.push(around(made.plate));
            (members.len(), made)
        })
        .collect();
    shown.sort_by_key(|(members, _)| std::cmp::Reverse(*members));
    shown.into_iter().map(|(_, enclosure)| enclosure).collect()
}

/// Members that are on the map.
fn present<'a>(
    household: &'a Household,
    positions: &'a BTreeMap<String, Position>,
) -> impl Iterator<Item = &'a str> {
    household
        .members
        .iter()
        .filter(|id| positions.contains_key(*id))
        .map(String::as_str)
}

fn shortened(name: &str) -> String {
    let mut short = String::new();
    for c in name.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        short.push(c);
        if text_width(&short, 1.0) > NAME_LONGEST {
            short.pop();
            short.pop();
            short.push('…');
            break;
        }
    }
    short
}

fn enclosure(
    name: String,
    own: &BTreeSet<&str>,
    positions: &BTreeMap<String, Position>,
    taken: &[Box],
) -> Enclosure {
    let members: Vec<[f64; 2]> = own
        .iter()
        .filter_map(|id| positions.get(*id))
        .map(|at| [at.x, at.y + LOWER])
        .collect();
    let others: Vec<[f64; 2]> = positions
        .iter()
        .filter(|(id, _)| !own.contains(id.as_str()))
        .map(|(_, at)| [at.x, at.y])
        .collect();
    let (joined, loose) = connections(&members, &others);
    let width = text_width(&name, NAME_SIZE) + 18.0;
    // Above the highest member, else above or below another; high enough for lines to end below.
    let mut by_height = members.clone();
    by_height.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let above = by_height.iter().map(|at| (at, -1.0));
    let below = by_height.iter().rev().map(|at| (at, 1.0));
    let places: Vec<[f64; 4]> = above
        .chain(below)
        .map(|(at, side)| [at[0], at[1] + side * (REACH + 10.0), width, 22.0])
        .collect();
    let free = |place: &&[f64; 4]| !taken.iter().any(|b| b.touches(&around(**place), 1.0));
    let plate = places.iter().find(free).or(places.first());
    Enclosure {
        name,
        plate: plate.copied().unwrap_or_default(),
        members,
        joined,
        loose,
    }
}

/// A tree of shortest connections, so that the enclosure bends around others instead of
/// swallowing them. Where somebody else stands between two members, they are only loosely
/// connected: it must not look as if that person lived there.
fn connections(members: &[[f64; 2]], others: &[[f64; 2]]) -> (Vec<Stretch>, Vec<Stretch>) {
    let (mut joined, mut loose) = (Vec::new(), Vec::new());
    let mut waiting = members.to_vec();
    if waiting.is_empty() {
        return (joined, loose);
    }
    let mut inside = vec![waiting.remove(0)];
    loop {
        let mut best: Option<(f64, bool, [f64; 2], usize)> = None;
        for from in &inside {
            for (at, to) in waiting.iter().enumerate() {
                let blocked = others
                    .iter()
                    .any(|other| distance(*other, *from, *to) < REACH + SYMBOL / 2.0 - 6.0);
                let length = (to[0] - from[0]).hypot(to[1] - from[1]);
                let cost = length + if blocked { 10_000.0 } else { 0.0 };
                if best.is_none_or(|(least, ..)| cost < least) {
                    best = Some((cost, blocked, *from, at));
                }
            }
        }
        let Some((_, blocked, from, at)) = best else {
            return (joined, loose);
        };
        let to = waiting.remove(at);
        if blocked { &mut loose } else { &mut joined }.push((from, to));
        inside.push(to);
    }
}

/// Distance of a point from the stretch between two points.
fn distance(point: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let square = dx * dx + dy * dy;
    let along = if square == 0.0 {
        0.0
    } else {
        (((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / square).clamp(0.0, 1.0)
    };
    (point[0] - a[0] - along * dx).hypot(point[1] - a[1] - along * dy)
}

/// All points within `radius` of the stretch: a circle where both ends are the same.
fn capsule(a: [f64; 2], b: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    let along = (b[1] - a[1]).atan2(b[0] - a[0]);
    [(b, along - PI / 2.0), (a, along + PI / 2.0)]
        .into_iter()
        .flat_map(|(end, from)| {
            (0..=24).map(move |step| {
                let (sin, cos) = (from + PI * f64::from(step) / 24.0).sin_cos();
                [end[0] + radius * cos, end[1] + radius * sin]
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_joined_by_the_shortest_way() {
        let members = [[0.0, 0.0], [300.0, 0.0], [150.0, 10.0]];
        let (joined, loose) = connections(&members, &[]);
        assert_eq!(
            joined,
            [([0.0, 0.0], [150.0, 10.0]), ([150.0, 10.0], [300.0, 0.0])]
        );
        assert!(loose.is_empty());
    }

    #[test]
    fn whoever_stands_between_is_not_enclosed() {
        let (joined, loose) = connections(&[[0.0, 0.0], [300.0, 0.0]], &[[150.0, 20.0]]);
        assert_eq!((joined.len(), loose.len()), (0, 1));
        // A way around through a third member is taken where there is one.
        let around = [[0.0, 0.0], [300.0, 0.0], [150.0, -200.0]];
        let (joined, loose) = connections(&around, &[[150.0, 20.0]]);
        assert_eq!((joined.len(), loose.len()), (2, 0));
    }

    #[test]
    fn a_capsule_keeps_its_radius() {
        for (a, b) in [([0.0, 0.0], [0.0, 0.0]), ([10.0, -5.0], [-80.0, 40.0])] {
            for point in capsule(a, b, 46.0) {
                assert!((distance(point, a, b) - 46.0).abs() < 1e-9, "{point:?}");
            }
        }
    }

    #[test]
    fn a_name_keeps_clear_of_symbols() {
        let positions = BTreeMap::from([("a".to_owned(), Position { x: 0.0, y: 0.0 })]);
        let plate = |taken: &[Box]| {
            let made = enclosure("家".to_owned(), &BTreeSet::from(["a"]), &positions, taken);
            made.plate
        };
        assert!(plate(&[])[1] < -30.0);
        let above = around([0.0, -60.0, 50.0, 50.0]);
        assert!(plate(&[above])[1] > 50.0);
        // Nowhere is free: the usual place.
        assert_eq!(plate(&[above, around([0.0, 60.0, 50.0, 50.0])]), plate(&[]));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(shortened("住民票の世帯"), "住民票の世帯");
        assert_eq!(shortened(&"あ".repeat(40)), format!("{}…", "あ".repeat(15)));
    }
}
