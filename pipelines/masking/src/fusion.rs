//! How the sources are weighed against each other: for each letter the probability that it belongs to
//! what must be hidden, by a logistic model over what rules, dictionary and NER model say about it.
//! The weights are data (`data/fusion.toml`), learnt by `pipelines/training/fusion.py`.

use std::sync::LazyLock;

use models::Reading;
use serde::Deserialize;

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::{Candidate, Label, Source};

/// Names of the features, in the order of [`Evidence::features`]; the file names each with its weight.
pub(crate) const FEATURES: [&str; 23] = [
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
    "rule_person_inside",
    "rule_address_inside",
    "rule_facility_inside",
    "dictionary_person_inside",
    "dictionary_address_inside",
    "dictionary_facility_inside",
    "rule_gap",
    "dictionary_gap",
    "kanji",
    "hiragana",
    "katakana",
];

#[derive(Deserialize)]
struct File {
    keep: f32,
    trim: f32,
    weights: std::collections::BTreeMap<String, f32>,
}

#[derive(Debug)]
struct Fusion {
    /// A proposal needs this probability over its letters.
    keep: f32,
    /// Letters at its ends less likely than this are plain: 勤務先, は, 父の職場 before a name.
    trim: f32,
    weights: [f32; FEATURES.len()],
}

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test reads every weight"
)]
static FUSION: LazyLock<Fusion> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/fusion.toml")).expect("data/fusion.toml");
    Fusion {
        keep: file.keep,
        trim: file.trim,
        weights: FEATURES.map(|name| file.weights.get(name).copied().unwrap_or(0.0)),
    }
});

const KINDS: [Label; 3] = [Label::Person, Label::Address, Label::Facility];

/// What the sources say about each letter.
#[derive(Debug)]
pub(crate) struct Evidence {
    rows: Vec<[f32; FEATURES.len()]>,
    /// Whether any source says anything.
    heard: Vec<bool>,
}

/// Log odds, cut at ±7 and brought to −1..1.
fn odds(probability: f32) -> f32 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln().clamp(-7.0, 7.0) / 7.0
}

impl Evidence {
    /// `found` holds the proposals of all sources; `doubted` those of the model that dictionary and cues
    /// do not bear out.
    pub(crate) fn new(
        text: &Text,
        reading: &Reading,
        found: &[Candidate],
        doubted: &[Candidate],
    ) -> Self {
        let inside: Vec<f32> = (0..text.len())
            .map(|at| {
                let (first, _) = text.original(at, at + 1);
                reading.inside.get(first.0).copied().unwrap_or(0.0)
            })
            .collect();
        let mut rows = vec![[0.0; FEATURES.len()]; text.len()];
        let mut heard: Vec<bool> = inside.iter().map(|&p| p >= 0.05).collect();
        for (at, row) in rows.iter_mut().enumerate() {
            let c = text.chars[at];
            row[0] = 1.0;
            row[1] = odds(inside[at]);
            row[20] = f32::from(u8::from(is_kanji(c)));
            row[21] = f32::from(u8::from(is_hiragana(c)));
            row[22] = f32::from(u8::from(is_katakana(c)));
        }
        for candidate in found {
            let Some(kind) = KINDS.iter().position(|label| *label == candidate.label) else {
                continue;
            };
            let span = candidate.start..candidate.end;
            let top = span.clone().map(|at| inside[at]).fold(0.0, f32::max);
            for at in span {
                heard[at] = true;
                let row = &mut rows[at];
                let (said, weighed, gap) = match candidate.source {
                    Source::Rule => (2 + kind, Some(12 + kind), Some(18)),
                    Source::Dictionary => (5 + kind, Some(15 + kind), Some(19)),
                    Source::Model => (8 + kind, None, None),
                    Source::Register | Source::Manual => continue,
                };
                row[said] = row[said].max(candidate.score);
                if let Some(weighed) = weighed {
                    row[weighed] = row[said] * row[1];
                }
                if let Some(gap) = gap {
                    row[gap] = row[gap].max(top - inside[at]);
                }
            }
        }
        for candidate in doubted {
            for at in candidate.start..candidate.end {
                heard[at] = true;
                rows[at][11] = rows[at][11].max(candidate.score);
            }
        }
        Self { rows, heard }
    }

    /// The numbers behind each letter that any source speaks about, for learning the weights.
    pub(crate) fn features<'a>(
        &'a self,
        text: &'a Text,
    ) -> impl Iterator<Item = (usize, &'a [f32; FEATURES.len()])> {
        self.rows
            .iter()
            .enumerate()
            .filter(|&(at, _)| self.heard[at] && text.chars[at].is_alphanumeric())
    }

    fn probability(&self, at: usize) -> f32 {
        let sum: f32 = self.rows[at]
            .iter()
            .zip(&FUSION.weights)
            .map(|(value, weight)| value * weight)
            .sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// Mean probability over the letters of `start..end`; 0 without letters.
    fn mean(&self, text: &Text, start: usize, end: usize) -> f32 {
        let letters: Vec<f32> = (start..end)
            .filter(|&at| text.chars[at].is_alphanumeric())
            .map(|at| self.probability(at))
            .collect();
        letters.iter().sum::<f32>() / letters.len().max(1) as f32
    }

    /// What is left of a proposal once the letters that are surely plain are cut off its ends; nothing
    /// when the rest is improbable. Numbers and what the register says stay as they are.
    pub(crate) fn weighed(&self, text: &Text, mut candidate: Candidate) -> Option<Candidate> {
        if !is_weighed(&candidate) {
            return Some(candidate);
        }
        let plain =
            |at: usize| !text.chars[at].is_alphanumeric() || self.probability(at) < FUSION.trim;
        while candidate.start < candidate.end && plain(candidate.start) {
            candidate.start += 1;
        }
        while candidate.start < candidate.end && plain(candidate.end - 1) {
            candidate.end -= 1;
        }
        (self.mean(text, candidate.start, candidate.end) >= FUSION.keep).then_some(candidate)
    }

    /// The score a reviewer sees: how probable the span is. What was found only because it stands
    /// elsewhere too keeps the score of its finder.
    pub(crate) fn rate(&self, text: &Text, candidate: &mut Candidate) {
        if is_weighed(candidate) {
            let probable = self.mean(text, candidate.start, candidate.end);
            if probable >= FUSION.keep {
                candidate.score = probable;
            }
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

    #[test]
    fn every_weight_has_a_feature_and_every_feature_a_weight() {
        let file: File = toml::from_str(include_str!("../data/fusion.toml")).unwrap();
        let mut named: Vec<&str> = file.weights.keys().map(String::as_str).collect();
        let mut wanted = FEATURES.to_vec();
        named.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(named, wanted);
        assert!(0.0 < file.trim && file.trim <= file.keep && file.keep < 0.95);
    }
}
