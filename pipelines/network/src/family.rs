//! Signs of family ties (`gengrel`), after the usual genogram conventions: marriage a double line,
//! common-law dotted, separation one slash and divorce two, adoption dashed with brackets, foster
//! dotted. Parent and child end in a small dot at the child, so that the direction shows without
//! an arrow, which means support in an ecomap.

/// Kinds of `gengrel` in the legend's order.
pub(crate) const KINDS: [(&str, &str); 11] = [
    ("marriage", "婚姻"),
    ("common_law", "内縁・事実婚"),
    ("engaged", "婚約・交際"),
    ("separated", "別居"),
    ("divorced", "離婚"),
    ("bio", "実親子"),
    ("adopted", "養親子"),
    ("foster", "里親子"),
    ("step", "継親子"),
    ("twin_id", "一卵性双生児"),
    ("twin_fr", "二卵性双生児"),
];

/// One stroke of a tie: a line, or a filled shape without one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stroke {
    pub points: Vec<[f64; 2]>,
    pub filled: bool,
    pub width: f64,
    pub dash: &'static [f64],
}

/// The strokes from `p` (of a parent) to `q` (of the child); none when there is no room.
pub(crate) fn strokes(kind: &str, p: [f64; 2], q: [f64; 2]) -> Vec<Stroke> {
    let length = (q[0] - p[0]).hypot(q[1] - p[1]);
    if length < 8.0 {
        return vec![];
    }
    let (ux, uy) = ((q[0] - p[0]) / length, (q[1] - p[1]) / length);
    let at = |along: f64, across: f64| {
        [
            p[0] + ux * along - uy * across,
            p[1] + uy * along + ux * across,
        ]
    };
    let open = |points: Vec<[f64; 2]>, width: f64, dash: &'static [f64]| Stroke {
        points,
        filled: false,
        width,
        dash,
    };
    let line =
        |width: f64, dash: &'static [f64]| open(vec![at(0.0, 0.0), at(length, 0.0)], width, dash);
    let double = |dash: &'static [f64]| {
        [-2.5, 2.5].map(|across| open(vec![at(0.0, across), at(length, across)], 1.4, dash))
    };
    let middle = length / 2.0;
    let slash = |place: f64| {
        open(
            vec![at(place - 4.0, 10.0), at(place + 4.0, -10.0)],
            2.0,
            &[],
        )
    };
    let child = || Stroke {
        points: (0..16)
            .map(|step| {
                let (sin, cos) = f64::to_radians(22.5 * f64::from(step)).sin_cos();
                [q[0] + 4.0 * cos, q[1] + 4.0 * sin]
            })
            .collect(),
        filled: true,
        width: 0.0,
        dash: &[],
    };
    match kind {
        "marriage" => double(&[]).to_vec(),
        "common_law" => double(&[2.0, 4.0]).to_vec(),
        "engaged" => vec![line(1.6, &[6.0, 4.0])],
        "separated" => [&double(&[])[..], &[slash(middle)]].concat(),
        "divorced" => [
            &double(&[])[..],
            &[slash(middle - 4.0), slash(middle + 4.0)],
        ]
        .concat(),
        "adopted" => {
            let bracket = |place: f64, turn: f64| {
                let points = vec![
                    at(place + turn, -7.0),
                    at(place, -7.0),
                    at(place, 7.0),
                    at(place + turn, 7.0),
                ];
                open(points, 1.6, &[])
            };
            vec![
                line(1.6, &[8.0, 5.0]),
                bracket(middle - 9.0, 4.0),
                bracket(middle + 9.0, -4.0),
                child(),
            ]
        }
        "foster" => vec![line(1.8, &[2.0, 5.0]), child()],
        "step" => vec![line(1.6, &[12.0, 4.0, 2.0, 4.0]), child()],
        "twin_id" => {
            let beside = |across: f64| {
                open(
                    vec![at(middle - 12.0, across), at(middle + 12.0, across)],
                    1.4,
                    &[],
                )
            };
            vec![line(1.4, &[]), beside(-5.0), beside(5.0)]
        }
        "twin_fr" => {
            let hook = vec![
                at(middle - 10.0, -6.0),
                at(middle, 0.0),
                at(middle + 10.0, -6.0),
            ];
            vec![line(1.4, &[]), open(hook, 1.4, &[])]
        }
        _ => vec![line(1.4, &[]), child()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sign_of_its_own() {
        let signs: Vec<Vec<Stroke>> = KINDS
            .iter()
            .map(|(kind, _)| strokes(kind, [0.0, 0.0], [100.0, 0.0]))
            .collect();
        for (at, sign) in signs.iter().enumerate() {
            assert!(!sign.is_empty(), "{}", KINDS[at].0);
            assert!(!signs[..at].contains(sign), "{}", KINDS[at].0);
        }
    }

    #[test]
    fn only_parent_and_child_have_a_direction() {
        for (kind, _) in KINDS {
            let dots: Vec<Stroke> = strokes(kind, [0.0, 0.0], [100.0, 0.0])
                .into_iter()
                .filter(|stroke| stroke.filled)
                .collect();
            let descent = matches!(kind, "bio" | "adopted" | "foster" | "step");
            assert_eq!(dots.len(), usize::from(descent), "{kind}");
            assert!(dots.iter().flat_map(|dot| &dot.points).all(|p| p[0] > 90.0));
        }
    }

    #[test]
    fn a_divorce_has_two_slashes_and_a_separation_one() {
        let slashes = |kind: &str| {
            strokes(kind, [0.0, 0.0], [100.0, 0.0])
                .iter()
                .filter(|stroke| (stroke.points[0][1] - stroke.points[1][1]).abs() > 15.0)
                .count()
        };
        assert_eq!(
            ["marriage", "separated", "divorced"].map(slashes),
            [0, 1, 2]
        );
    }

    #[test]
    fn symbols_that_touch_have_no_line_between_them() {
        assert!(strokes("marriage", [0.0, 0.0], [5.0, 0.0]).is_empty());
    }
}
