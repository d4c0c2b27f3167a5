//! How the sources are weighed against each other: for each letter the probability that it belongs to
//! what must be hidden, by a logistic model over what rules, dictionary and NER model say about it.
//! The weights are data (`data/fusion.toml`), learnt by `pipelines/training/fusion.py` for one NER model.
//!
//! **Invariant:** no source lowers the probability of what it proposes; only words in plain script do.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use models::Reading;
use serde::Deserialize;

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::{Candidate, Label, Source};

const KINDS: [Label; 3] = [Label::Person, Label::Address, Label::Facility];
const SIZE: usize = 15;

/// Names of the features; the file gives each its weight.
pub(crate) const FEATURES: [&str; SIZE] = [
    "bias",
    "inside",
    "rule_person",
    "rule_address",
    "rule_facility",
    "dictionary_person",
    "dictionary_address",
    "dictionary_facility",
    "model_person",
    "model_address",
    "model_facility",
    "doubted",
    "kanji",
    "hiragana",
    "katakana",
];
const BIAS: usize = 0;
const INSIDE: usize = 1;
const RULE: usize = 2;
const DICTIONARY: usize = 5;
const MODEL: usize = 8;
const DOUBTED: usize = 11;
const KANJI: usize = 12;
const HIRAGANA: usize = 13;
const KATAKANA: usize = 14;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// SHA-256 of the NER model whose word the weights were learnt for.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared in a test"))]
    model: String,
    keep: f32,
    trim: f32,
    weights: BTreeMap<String, f32>,
}

#[derive(Debug)]
struct Fusion {
    /// A proposal needs this mean probability over its letters.
    keep: f32,
    /// Words at its ends whose letters are all less likely than this are cut off: 勤務先, は, 父の職場
    /// before a name.
    trim: f32,
    weights: [f32; SIZE],
}

/// What a rule with a telling cue (an honorific, a label, an address block: score from [`CUED`]) proposes is
/// kept from this chance on that the model leaves it.
const FLOOR: f32 = 0.05;
const CUED: f32 = 0.85;
/// A span whose every letter is this probable is taken whole.
const FIRM: f32 = 0.9;

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test reads every weight"
)]
static FUSION: LazyLock<Fusion> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/fusion.toml")).expect("data/fusion.toml");
    Fusion {
        keep: file.keep,
        trim: file.trim,
        weights: FEATURES.map(|name| *file.weights.get(name).expect("data/fusion.toml: weights")),
    }
});

/// What the sources say about each letter of a text.
#[derive(Debug)]
pub(crate) struct Evidence {
    inside: Vec<f32>,
    rows: Vec<[f32; SIZE]>,
}

/// Log odds, cut at ±7 and brought to −1..1.
fn odds(probability: f32) -> f32 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln().clamp(-7.0, 7.0) / 7.0
}

fn flag(value: bool) -> f32 {
    f32::from(u8::from(value))
}

impl Evidence {
    /// `found` holds the proposals of all sources.
    pub(crate) fn new(text: &Text, reading: &Reading, found: &[Candidate]) -> Self {
        let inside: Vec<f32> = (0..text.len())
            .map(|at| {
                let (first, _) = text.original(at, at + 1);
                reading.inside.get(first.0).copied().unwrap_or(0.0)
            })
            .collect();
        let mut rows: Vec<[f32; SIZE]> = text
            .chars
            .iter()
            .zip(&inside)
            .map(|(&c, &inside)| {
                let mut row = [0.0; SIZE];
                row[BIAS] = 1.0;
                row[INSIDE] = odds(inside);
                row[KANJI] = flag(is_kanji(c));
                row[HIRAGANA] = flag(is_hiragana(c));
                row[KATAKANA] = flag(is_katakana(c));
                row
            })
            .collect();
        for candidate in found {
            let Some(kind) = KINDS.iter().position(|label| *label == candidate.label) else {
                continue;
            };
            let (said, value) = match candidate.source {
                Source::Rule => (RULE + kind, candidate.score),
                Source::Dictionary => (DICTIONARY + kind, candidate.score),
                // Its score is in `inside`; here counts that dictionary and cues bear it out.
                Source::Model if candidate.doubted => (DOUBTED, 1.0),
                Source::Model => (MODEL + kind, 1.0),
                Source::Register | Source::Manual => continue,
            };
            for row in &mut rows[candidate.start..candidate.end] {
                row[said] = row[said].max(value);
            }
        }
        Self { inside, rows }
    }

    /// What is said about the letters that any source speaks about, by position: for learning the weights.
    pub(crate) fn features<'a>(
        &'a self,
        text: &'a Text,
    ) -> impl Iterator<Item = (usize, &'a [f32; SIZE])> {
        self.rows.iter().enumerate().filter(|&(at, row)| {
            text.chars[at].is_alphanumeric()
                && (self.inside[at] >= FLOOR || row[RULE..=DOUBTED].iter().any(|&said| said > 0.0))
        })
    }

    fn probability(&self, at: usize) -> f32 {
        let sum: f32 = self.rows[at]
            .iter()
            .zip(&FUSION.weights)
            .map(|(value, weight)| value * weight)
            .sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// Mean over the letters of `start..end`; 0 without letters.
    fn mean(text: &Text, start: usize, end: usize, value: impl Fn(usize) -> f32) -> f32 {
        let letters: Vec<f32> = (start..end)
            .filter(|&at| text.chars[at].is_alphanumeric())
            .map(value)
            .collect();
        letters.iter().sum::<f32>() / letters.len().max(1) as f32
    }

    /// What is left of a proposal once the words that are probably plain are cut off its ends; nothing
    /// when the rest is improbable. Numbers and what the register says stay as they are.
    pub(crate) fn weighed(&self, text: &Text, candidate: Candidate) -> Option<Candidate> {
        if !is_weighed(&candidate) {
            return Some(candidate);
        }
        let (start, end) = self.trimmed(text, candidate.start, candidate.end);
        let kept = Self::mean(text, start, end, |at| self.probability(at)) >= FUSION.keep
            || candidate.source == Source::Rule
                && candidate.score >= CUED
                && Self::mean(text, start, end, |at| self.inside[at]) >= FLOOR;
        let firm = (start..end)
            .filter(|&at| text.chars[at].is_alphanumeric())
            .all(|at| self.probability(at) >= FIRM);
        kept.then_some(Candidate {
            start,
            end,
            firm,
            ..candidate
        })
    }

    /// Without the words at the ends none of whose letters is likely; unchanged when nothing else would be
    /// left.
    fn trimmed(&self, text: &Text, start: usize, end: usize) -> (usize, usize) {
        let likely =
            |at: &usize| text.chars[*at].is_alphanumeric() && self.probability(*at) >= FUSION.trim;
        let (Some(first), Some(last)) =
            ((start..end).find(likely), (start..end).rev().find(likely))
        else {
            return (start, end);
        };
        let plain =
            |mut range: std::ops::Range<usize>| range.any(|at| text.chars[at].is_alphanumeric());
        let mut left = first;
        while left > start && !text.is_boundary(left) {
            left -= 1;
        }
        let mut right = last + 1;
        while right < end && !text.is_boundary(right) {
            right += 1;
        }
        (
            if plain(start..left) { left } else { start },
            if plain(right..end) { right } else { end },
        )
    }

    /// The score a reviewer sees: how probable the span is.
    pub(crate) fn rate(&self, text: &Text, candidate: &mut Candidate) {
        if is_weighed(candidate) {
            candidate.score = Self::mean(text, candidate.start, candidate.end, |at| {
                self.probability(at)
            });
        }
    }
}

fn is_weighed(candidate: &Candidate) -> bool {
    KINDS.contains(&candidate.label)
        && !matches!(candidate.source, Source::Register | Source::Manual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(string: &str) -> Text {
        Text::new(string, None).unwrap()
    }

    fn reading(inside: &[f32]) -> Reading {
        Reading {
            entities: Vec::new(),
            inside: inside.to_vec(),
        }
    }

    fn person(start: usize, end: usize, score: f32, source: Source) -> Candidate {
        Candidate::new(start, end, Label::Person, score, source)
    }

    #[test]
    fn every_feature_has_a_weight_for_the_model_that_is_shipped() {
        let file: File = toml::from_str(include_str!("../data/fusion.toml")).unwrap();
        let mut wanted = FEATURES.to_vec();
        wanted.sort_unstable();
        assert_eq!(
            file.weights.keys().map(String::as_str).collect::<Vec<_>>(),
            wanted
        );
        assert!(0.0 < file.trim && file.trim <= file.keep && file.keep < 0.95);
        let manifest = include_str!("../../../models/artifacts/manifest.json");
        assert!(
            manifest.contains(&file.model),
            "another NER model is installed: learn the weights anew (make models-fusion)"
        );
    }

    #[test]
    fn the_positions_are_those_of_the_names() {
        for (at, name) in [
            (BIAS, "bias"),
            (INSIDE, "inside"),
            (RULE, "rule_person"),
            (DICTIONARY + 1, "dictionary_address"),
            (MODEL + 2, "model_facility"),
            (DOUBTED, "doubted"),
            (KATAKANA, "katakana"),
        ] {
            assert_eq!(FEATURES[at], name);
        }
    }

    #[test]
    fn no_source_lowers_what_it_proposes() {
        let text = text("架空");
        for inside in [0.02, 0.3, 0.6, 0.95] {
            let reading = reading(&[inside, inside]);
            let alone = Evidence::new(&text, &reading, &[]).probability(0);
            for source in [Source::Rule, Source::Dictionary, Source::Model] {
                for label in KINDS {
                    let found = Candidate::new(0, 2, label, 0.8, source);
                    let said = Evidence::new(&text, &reading, &[found]).probability(0);
                    assert!(said >= alone, "{source:?} {label:?} at {inside}");
                }
            }
            let mut doubted = person(0, 2, 0.8, Source::Model);
            doubted.doubted = true;
            let said = Evidence::new(&text, &reading, &[doubted]).probability(0);
            assert!(said >= alone, "doubted at {inside}");
        }
    }

    #[test]
    fn an_honorific_keeps_what_the_model_hardly_sees_and_a_guess_does_not() {
        let text = text("架空さん");
        let reading = reading(&[0.06, 0.06, 0.0, 0.0]);
        for (score, kept) in [(0.9, true), (0.2, false)] {
            let found = person(0, 2, score, Source::Rule);
            let evidence = Evidence::new(&text, &reading, std::slice::from_ref(&found));
            assert_eq!(evidence.weighed(&text, found).is_some(), kept, "{score}");
        }
    }

    #[test]
    fn plain_words_go_off_the_ends_and_marks_stay_with_their_letters() {
        // One word per letter without a dictionary.
        let text = text("は架空\u{E0101}");
        let reading = reading(&[0.001, 0.99, 0.99, 0.99]);
        let found = Candidate::new(0, 4, Label::Facility, 0.3, Source::Rule);
        let evidence = Evidence::new(&text, &reading, std::slice::from_ref(&found));
        let kept = evidence.weighed(&text, found).unwrap();
        assert_eq!((kept.start, kept.end), (1, 4));
    }

    #[test]
    fn what_the_register_says_is_not_weighed() {
        let text = text("架空");
        let mut found = person(0, 2, 1.0, Source::Register);
        let evidence = Evidence::new(&text, &reading(&[0.0, 0.0]), std::slice::from_ref(&found));
        assert!(evidence.weighed(&text, found.clone()).is_some());
        evidence.rate(&text, &mut found);
        assert!((found.score - 1.0).abs() < f32::EPSILON);
    }
}
