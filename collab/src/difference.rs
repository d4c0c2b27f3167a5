//! What distinguishes two texts: for showing, and for turning one into the other with as little
//! change as possible.
//!
//! The unit is what a reader takes for one character (a grapheme cluster): a variant of a kanji, a
//! combined dakuten or an emoji is never cut.

use std::ops::Range;
use std::time::{Duration, Instant};
use text_diff::{Algorithm, DiffOp, capture_diff_slices_deadline};
use unicode_segmentation::UnicodeSegmentation;

/// What happened to a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Same,
    Removed,
    Added,
}

/// A piece of a comparison. All `Same` and `Removed` ones in a row are the text before, all `Same`
/// and `Added` ones the text after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    pub text: String,
}

/// One step on the way from one text to another: at `at` (UTF-16 units, in the text as the earlier
/// steps left it) so many units go and these words come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub at: u32,
    pub remove: u32,
    pub insert: String,
}

/// A stretch of both texts, in clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    same: bool,
    before: Range<usize>,
    after: Range<usize>,
}

/// Compares two texts for a reader. A letter or two that happen to be equal between two changes are
/// shown as changed with them: words, not confetti. `patience`: how long the best comparison is
/// looked for; after that a coarser one is given.
#[must_use]
pub fn pieces(before: &str, after: &str, patience: Duration) -> Vec<Piece> {
    let (old, new) = (clusters(before), clusters(after));
    let mut out: Vec<Piece> = Vec::new();
    let mut push = |kind, part: &[&str]| {
        if !part.is_empty() {
            out.push(Piece {
                kind,
                text: part.concat(),
            });
        }
    };
    for stretch in grouped(compare(&old, &new, patience), &old) {
        if stretch.same {
            push(Kind::Same, &old[stretch.before]);
        } else {
            push(Kind::Removed, &old[stretch.before]);
            push(Kind::Added, &new[stretch.after]);
        }
    }
    out
}

/// The steps that make `before` into `after`, from the front. What is equal is not touched.
#[must_use]
pub fn steps(before: &str, after: &str, patience: Duration) -> Vec<Step> {
    let (old, new) = (clusters(before), clusters(after));
    let mut at = 0;
    let mut out = Vec::new();
    for stretch in compare(&old, &new, patience) {
        let come = units(&new[stretch.after.clone()]);
        if !stretch.same {
            out.push(Step {
                at,
                remove: units(&old[stretch.before]),
                insert: new[stretch.after].concat(),
            });
        }
        at += come;
    }
    out
}

fn clusters(text: &str) -> Vec<&str> {
    text.graphemes(true).collect()
}

fn units(clusters: &[&str]) -> u32 {
    let count: usize = clusters.iter().map(|c| c.encode_utf16().count()).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Equal and different stretches in turn.
fn compare(old: &[&str], new: &[&str], patience: Duration) -> Vec<Stretch> {
    let until = Instant::now().checked_add(patience);
    let mut out: Vec<Stretch> = Vec::new();
    // The lengths of the steps count: where a step that only inserts or only deletes stands in the
    // other text is not always said rightly.
    let (mut from_old, mut from_new) = (0, 0);
    for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, until) {
        let (to_old, to_new) = (
            from_old + op.old_range().len(),
            from_new + op.new_range().len(),
        );
        let stretch = Stretch {
            same: matches!(op, DiffOp::Equal { .. }),
            before: from_old..to_old,
            after: from_new..to_new,
        };
        (from_old, from_new) = (to_old, to_new);
        add(&mut out, stretch);
    }
    out
}

fn add(out: &mut Vec<Stretch>, stretch: Stretch) {
    match out.last_mut() {
        Some(last) if last.same == stretch.same => {
            last.before.end = stretch.before.end;
            last.after.end = stretch.after.end;
        }
        _ => out.push(stretch),
    }
}

/// Takes short equal stretches between two changes into them.
fn grouped(stretches: Vec<Stretch>, old: &[&str]) -> Vec<Stretch> {
    /// More clusters than this are worth showing as kept.
    const SHORT: usize = 3;
    let size = |stretch: &Stretch| stretch.before.len().max(stretch.after.len());
    let mut out: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for (n, stretch) in stretches.iter().enumerate() {
        let around = n
            .checked_sub(1)
            .and_then(|before| stretches.get(before))
            .zip(stretches.get(n + 1));
        let swallowed = stretch.same
            && !old[stretch.before.clone()].contains(&"\n")
            && around.is_some_and(|(left, right)| {
                let kept = stretch.before.len();
                kept == 1 || kept <= SHORT && kept < size(left) && kept < size(right)
            });
        add(
            &mut out,
            Stretch {
                same: stretch.same && !swallowed,
                ..stretch.clone()
            },
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(5);

    fn shown(before: &str, after: &str) -> String {
        pieces(before, after, LONG)
            .into_iter()
            .map(|piece| match piece.kind {
                Kind::Same => piece.text,
                Kind::Removed => format!("[-{}-]", piece.text),
                Kind::Added => format!("[+{}+]", piece.text),
            })
            .collect()
    }

    #[test]
    fn a_reader_sees_words_not_confetti() {
        assert_eq!(
            shown(
                "母と二人暮らし。夜は眠れない。",
                "母と二人暮らし。夜は少し眠れる。"
            ),
            "母と二人暮らし。夜は[+少し+]眠れ[-ない-][+る+]。"
        );
        assert_eq!(shown("訪問した", "電話をした"), "[-訪問-][+電話を+]した");
        // One letter in common between two changes says nothing.
        assert_eq!(shown("山の上", "海の底"), "[-山の上-][+海の底+]");
        assert_eq!(shown("", "新しい"), "[+新しい+]");
        assert_eq!(shown("古い", ""), "[-古い-]");
        assert_eq!(shown("同じ", "同じ"), "同じ");
    }

    #[test]
    fn a_character_is_never_cut() {
        // An ideographic variation sequence, a combined dakuten, a family of four.
        for (before, after) in [
            ("葛\u{e0100}城", "葛\u{e0101}城"),
            ("か\u{3099}", "か"),
            ("👨‍👩‍👧‍👦", "👨‍👩‍👧"),
        ] {
            let parts = pieces(before, after, LONG);
            let removed: String = parts
                .iter()
                .filter(|p| p.kind == Kind::Removed)
                .map(|p| p.text.as_str())
                .collect();
            assert_eq!(removed.graphemes(true).count(), 1, "{parts:?}");
        }
    }

    #[test]
    fn no_patience_gives_a_coarser_answer_and_still_a_right_one() {
        let before: String = (0..4000)
            .map(|n| char::from(b'a' + (n % 23) as u8))
            .collect();
        let after: String = (0..4000)
            .map(|n| char::from(b'a' + (n % 19) as u8))
            .collect();
        let parts = pieces(&before, &after, Duration::ZERO);
        assert_eq!(joined(&parts, Kind::Removed), before);
        assert_eq!(joined(&parts, Kind::Added), after);
    }

    fn joined(parts: &[Piece], other: Kind) -> String {
        parts
            .iter()
            .filter(|p| p.kind == Kind::Same || p.kind == other)
            .map(|p| p.text.as_str())
            .collect()
    }

    fn stepped(before: &str, steps: &[Step]) -> String {
        let mut text: Vec<u16> = before.encode_utf16().collect();
        for step in steps {
            let at = step.at as usize;
            text.splice(at..at + step.remove as usize, step.insert.encode_utf16());
        }
        String::from_utf16(&text).unwrap()
    }

    proptest! {
        #[test]
        fn both_texts_can_be_told_from_the_pieces(before in "[あいう漢字𠮷か\u{3099}葛\u{e0100}\n]{0,40}", after in "[あいう漢字𠮷か\u{3099}葛\u{e0100}\n]{0,40}") {
            let parts = pieces(&before, &after, LONG);
            prop_assert_eq!(joined(&parts, Kind::Removed), before);
            prop_assert_eq!(joined(&parts, Kind::Added), after);
            // Never two of a kind in a row.
            prop_assert!(parts.windows(2).all(|pair| pair[0].kind != pair[1].kind));
        }

        #[test]
        fn the_steps_lead_from_one_to_the_other(before in "\\PC{0,30}", after in "\\PC{0,30}") {
            prop_assert_eq!(stepped(&before, &steps(&before, &after, LONG)), after);
        }
    }
}
