//! Many proposals, one answer: no overlaps, public words left readable.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use crate::text::{Text, is_kanji};
use crate::words::WORDS;
use crate::{Candidate, Label, Source, Span};

#[derive(Deserialize)]
struct Traps {
    trap: Vec<String>,
    notice: Vec<String>,
}

/// Phrases that hold names but identify nobody: public bodies, tests, diseases, laws.
static TRAPS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let bodies = WORDS
        .public_bodies
        .iter()
        .map(regex::escape)
        .collect::<Vec<_>>()
        .join("|");
    let prefectures = WORDS.prefectures.iter().collect::<Vec<_>>().join("|");
    compiled(FILE.trap.iter().map(|pattern| {
        pattern
            .replace("{bodies}", &bodies)
            .replace("{prefectures}", &prefectures)
    }))
});

/// Numbers of laws and of ministries' notices.
static NOTICES: LazyLock<Vec<Regex>> = LazyLock::new(|| compiled(FILE.notice.iter().cloned()));

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test reads it"
)]
static FILE: LazyLock<Traps> =
    LazyLock::new(|| toml::from_str(include_str!("../data/traps.toml")).expect("data/traps.toml"));

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test compiles every pattern"
)]
fn compiled(patterns: impl Iterator<Item = String>) -> Vec<Regex> {
    patterns
        .map(|pattern| Regex::new(&pattern).expect("data/traps.toml: pattern"))
        .collect()
}

/// What no proposal may take.
#[derive(Debug)]
pub(crate) struct Fixed {
    trapped: Vec<bool>,
    /// The same for numbers: those of laws and notices.
    noticed: Vec<bool>,
    /// Long role words are never part of a name, wherever a source cut (「架民生」 + 「委員」).
    roles: Vec<(usize, usize)>,
}

impl Fixed {
    fn new(text: &Text) -> Self {
        Self {
            trapped: covered(text, &TRAPS),
            noticed: covered(text, &NOTICES),
            roles: WORDS
                .roles
                .iter()
                .filter(|role| role.chars().count() >= 3)
                .flat_map(|role| text.find_all(role))
                .collect(),
        }
    }
}

/// For each character whether one of the patterns covers it.
fn covered(text: &Text, patterns: &[Regex]) -> Vec<bool> {
    let mut out = vec![false; text.len()];
    for pattern in patterns {
        for found in pattern.find_iter(&text.string) {
            out[text.index_at(found.start())..text.index_at(found.end())].fill(true);
        }
    }
    out
}

/// How much a label's own form tells: what is found by its form beats what is found by its look.
fn rank(candidate: &Candidate) -> f32 {
    let source = match candidate.source {
        Source::Manual => 4.0,
        Source::Register => 3.0,
        Source::Rule => 1.0,
        Source::Model if candidate.firm => 1.0,
        Source::Dictionary | Source::Model => 0.0,
    };
    let form = match candidate.label {
        Label::Person | Label::Address | Label::Facility => 0.0,
        _ => 1.0,
    };
    source + form + candidate.score
}

/// Kinds of numbers that differ by their issuer only: 「第…号」 belongs to whichever the digits are.
fn is_identifier(label: Label) -> bool {
    matches!(label, Label::IdNumber | Label::OtherId | Label::Account)
}

/// A rule that found more of a number than a stronger one: prefix and suffix belong to it.
fn encloses(candidate: &Candidate, kept: &Candidate) -> bool {
    candidate.source == Source::Rule
        && matches!(kept.source, Source::Rule | Source::Model)
        && is_identifier(candidate.label)
        && is_identifier(kept.label)
        && candidate.start <= kept.start
        && kept.end <= candidate.end
}

fn is_free_form(label: Label) -> bool {
    matches!(label, Label::Person | Label::Address | Label::Facility)
}

/// Sorted candidates without overlap. Proposals of the same kind that overlap become one span that
/// covers both; of different kinds the stronger keeps its extent and the weaker what is left of it.
pub(crate) fn merge(text: &Text, mut found: Vec<Candidate>) -> Vec<Candidate> {
    let Fixed {
        trapped,
        noticed,
        roles,
    } = text.fixed.get_or_init(|| Fixed::new(text));
    found.retain(|candidate| {
        candidate.start < candidate.end
            && (matches!(candidate.source, Source::Manual | Source::Register)
                || !(if is_free_form(candidate.label) {
                    trapped
                } else {
                    noticed
                })[candidate.start..candidate.end]
                    .iter()
                    .all(|&t| t))
    });
    for candidate in &mut found {
        if candidate.label != Label::Person
            || matches!(candidate.source, Source::Manual | Source::Register)
        {
            continue;
        }
        for &(start, end) in roles {
            if candidate.start < start && start < candidate.end {
                candidate.end = start;
            } else if start <= candidate.start && candidate.start < end {
                candidate.start = end.min(candidate.end);
            }
        }
    }
    // What is partly trapped loses that part (「○○県の一時保護所」 found as a place).
    for candidate in &mut found {
        if matches!(candidate.source, Source::Manual | Source::Register)
            || !is_free_form(candidate.label)
            || candidate.firm
        {
            continue;
        }
        while candidate.start < candidate.end && trapped[candidate.start] {
            candidate.start += 1;
        }
        while candidate.end > candidate.start && trapped[candidate.end - 1] {
            candidate.end -= 1;
        }
    }
    found.retain(|candidate| candidate.start < candidate.end);
    found.sort_by(|a, b| {
        rank(b)
            .total_cmp(&rank(a))
            .then_with(|| (b.end - b.start).cmp(&(a.end - a.start)))
            .then_with(|| (a.start, a.label).cmp(&(b.start, b.label)))
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for mut candidate in found {
        // A proposal of the same kind is widened; any other overlap is cut off.
        if let Some(same) = kept.iter().position(|other| {
            encloses(&candidate, other)
                || other.label == candidate.label
                    && is_free_form(candidate.label)
                    && other.start < candidate.end
                    && candidate.start < other.end
        }) {
            let (start, end) = (
                kept[same].start.min(candidate.start),
                kept[same].end.max(candidate.end),
            );
            let person = kept[same].person.is_some();
            let clash = kept
                .iter()
                .enumerate()
                .any(|(index, other)| index != same && other.start < end && start < other.end);
            // A register hit keeps its extent: the rest becomes its own piece below.
            if !clash && !person {
                kept[same].start = start;
                kept[same].end = end;
                continue;
            }
        }
        let mut pieces = vec![(candidate.start, candidate.end)];
        for other in &kept {
            pieces = pieces
                .into_iter()
                .flat_map(|(start, end)| {
                    if other.end <= start || end <= other.start {
                        vec![(start, end)]
                    } else {
                        vec![(start, other.start.max(start)), (other.end.min(end), end)]
                    }
                })
                .filter(|(start, end)| start < end)
                .collect();
        }
        for (start, end) in pieces {
            let cut = (start, end) != (candidate.start, candidate.end);
            let letters = text.chars[start..end]
                .iter()
                .filter(|c| c.is_alphanumeric())
                .count();
            // What a cut leaves over is masked too unless it is next to nothing: 「の」「さん」「駅」; but
            // 「勇」 beside a surname that the register knows is a relative.
            let given = candidate.label == Label::Person
                && text.chars[start..end].iter().any(|&c| is_kanji(c))
                && kept.iter().any(|other| {
                    other.person.is_some() && (other.end == start || other.end + 1 == start)
                });
            if letters == 0
                || (cut && letters < 2 && candidate.source != Source::Register && !given)
            {
                continue;
            }
            candidate.start = start;
            candidate.end = end;
            kept.push(candidate.clone());
        }
    }
    kept.sort_by_key(|candidate| candidate.start);
    kept
}

/// Back to original positions. Characters that share one original (ﾊﾟ, ㈱) stay together.
pub(crate) fn spans(text: &Text, kept: Vec<Candidate>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::with_capacity(kept.len());
    for candidate in kept {
        let (mut start, mut end) = (candidate.start, candidate.end);
        while start < end && text.chars[start].is_whitespace() {
            start += 1;
        }
        while end > start && text.chars[end - 1].is_whitespace() {
            end -= 1;
        }
        if start >= end {
            continue;
        }
        let (mut start, end) = text.original(start, end);
        if let Some(last) = out.last() {
            start = start.max(last.end);
        }
        if start < end {
            out.push(Span {
                start,
                end,
                label: candidate.label,
                score: candidate.score.clamp(0.0, 1.0),
                source: candidate.source,
                person: candidate.person,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(start: usize, end: usize, label: Label, score: f32, source: Source) -> Candidate {
        Candidate::new(start, end, label, score, source)
    }

    #[test]
    fn a_number_beats_a_name_and_names_of_one_kind_unite() {
        let text = Text::new("架空太郎０９０１２３４５６７８", None).unwrap();
        let kept = merge(
            &text,
            vec![
                candidate(0, 2, Label::Person, 0.9, Source::Model),
                candidate(1, 4, Label::Person, 0.8, Source::Rule),
                candidate(4, 15, Label::Phone, 0.9, Source::Rule),
                candidate(3, 8, Label::Address, 0.99, Source::Model),
            ],
        );
        let got: Vec<_> = kept.iter().map(|c| (c.start, c.end, c.label)).collect();
        assert_eq!(got, vec![(0, 4, Label::Person), (4, 15, Label::Phone)]);
    }

    #[test]
    fn a_number_keeps_the_prefix_and_the_suffix_that_another_rule_saw() {
        let text = Text::new("免許第123456789018号は", None).unwrap();
        let kept = merge(
            &text,
            vec![
                candidate(3, 15, Label::IdNumber, 0.99, Source::Rule),
                candidate(2, 16, Label::IdNumber, 0.95, Source::Rule),
            ],
        );
        let got: Vec<_> = kept.iter().map(|c| (c.start, c.end, c.label)).collect();
        assert_eq!(got, vec![(2, 16, Label::IdNumber)]);
    }

    #[test]
    fn a_relative_of_a_known_surname_is_hidden_whole() {
        let text = Text::new("架空 勇と暮らす", None).unwrap();
        let mut known = candidate(0, 2, Label::Person, 0.9, Source::Register);
        known.person = Some("p1".to_owned());
        let kept = merge(
            &text,
            vec![known, candidate(0, 4, Label::Person, 0.9, Source::Model)],
        );
        let got: Vec<_> = kept.iter().map(|c| (c.start, c.end)).collect();
        assert_eq!(got, vec![(0, 2), (2, 4)]);
    }

    #[test]
    fn numbers_of_laws_and_notices_stay_readable() {
        for phrase in [
            "法律第144号",
            "厚生労働省令第1234号",
            "告示第12-3号",
            "障発第0331003号",
            "老介発0331第5号",
        ] {
            let text = Text::new(phrase, None).unwrap();
            let mut all = candidate(0, text.len(), Label::IdNumber, 0.99, Source::Model);
            assert!(merge(&text, vec![all.clone()]).is_empty(), "{phrase}");
            all.source = Source::Manual;
            assert_eq!(merge(&text, vec![all]).len(), 1, "{phrase}");
        }
        let text = Text::new("証書第144号", None).unwrap();
        let all = candidate(0, text.len(), Label::IdNumber, 0.99, Source::Model);
        assert_eq!(merge(&text, vec![all]).len(), 1);
    }

    #[test]
    fn public_bodies_and_tests_stay_readable() {
        let mut wrong = Vec::new();
        for phrase in [
            "青葉市役所",
            "青葉市福祉事務所",
            "青葉県の児童相談所",
            "青葉区社会福祉協議会",
            "青葉警察署",
            "青葉家庭裁判所",
            "長谷川式",
            "田中ビネー知能検査",
            "橋本病",
            "アルツハイマー型認知症",
            "内田クレペリン",
            "青葉市の生活福祉課",
            "生活保護法第6条",
            "児童福祉法",
        ] {
            let text = Text::new(phrase, None).unwrap();
            let all = candidate(0, text.len(), Label::Facility, 0.99, Source::Model);
            if !merge(&text, vec![all]).is_empty() {
                wrong.push(phrase);
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
