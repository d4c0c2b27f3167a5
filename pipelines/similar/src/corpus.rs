//! The candidates and the ranking.

use std::collections::BTreeSet;

use models::Embedder;
use search::Analyzer;
use serde::{Deserialize, Serialize};

use crate::lexical::{Lexical, distinct, terms};
use crate::sentences::{split, without_marks};
use crate::{Error, Result};

/// A candidate case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    /// Masked text.
    pub text: String,
    /// [`vectors_of`] the text: the whole first, which ranks, then its sentences, which only explain and
    /// may be left out. Stored by the caller with the models' version; made again when that changes.
    pub vectors: Vec<Vec<f32>>,
    /// Structured features as comparable strings: `issue:debt`, `household:parent_child`.
    pub features: BTreeSet<String>,
}

/// Why a case was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// A telling word both share.
    Term { text: String },
    /// The sentence of the found case nearest in meaning to the query.
    Meaning { text: String },
    /// A structured feature both have.
    Feature { text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub id: String,
    pub score: f32,
    pub reasons: Vec<Reason>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    pub text: &'a str,
    /// [`query_vector`] of the text, where it is known already.
    pub whole: Option<&'a [f32]>,
    pub features: &'a BTreeSet<String>,
    pub limit: usize,
}

/// Vector of what is looked for: one inference.
///
/// # Errors
/// The model fails.
pub fn query_vector(embedder: &Embedder, text: &str) -> Result<Vec<f32>> {
    Ok(embedder.embed_query(&without_marks(text))?)
}

/// Weight of shared words against the cosine of the whole texts, both standardised over the
/// candidates. Of 0, 0.1, 0.2, 0.3 and 0.5, cases do best at 0.2 and schemes at 0.1, on the blind sets
/// (`similar-wide`, `resources-wide`) as on the development sets; 0.5 is worse than none.
const LEXICAL: f32 = 0.15;
/// Weight of the overlap (Jaccard) of structured features.
pub(crate) const FEATURE: f32 = 0.5;

/// The passages of a masked text that have vectors: the whole first, then each sentence.
#[must_use]
pub fn passages(text: &str) -> Vec<String> {
    let text = without_marks(text);
    let sentences = split(&text);
    let mut out = vec![text];
    if sentences.len() > 1 {
        out.extend(sentences);
    }
    out
}

/// Vectors of a masked text, one for each of its [`passages`]. One inference each (about 10 ms per 50
/// characters).
///
/// # Errors
/// The model fails.
pub fn vectors_of(embedder: &Embedder, text: &str) -> Result<Vec<Vec<f32>>> {
    passages(text)
        .iter()
        .map(|passage| Ok(embedder.embed_passage(passage)?))
        .collect()
}

/// Candidates ready for several queries.
#[derive(Debug)]
pub struct Corpus<'a> {
    analyzer: &'a Analyzer,
    embedder: &'a Embedder,
    entries: Vec<Entry>,
    lexical: Lexical,
}

impl<'a> Corpus<'a> {
    /// Entries whose `vectors` are empty take part by their words and features only.
    pub fn new(
        analyzer: &'a Analyzer,
        embedder: &'a Embedder,
        entries: Vec<Entry>,
    ) -> Result<Self> {
        let mut lexical = Lexical::default();
        for entry in &entries {
            for vector in &entry.vectors {
                if vector.len() != embedder.dimension() {
                    return Err(Error::Dimension {
                        expected: embedder.dimension(),
                        found: vector.len(),
                    });
                }
            }
            lexical.push(terms(analyzer, &without_marks(&entry.text))?);
        }
        Ok(Self {
            analyzer,
            embedder,
            entries,
            lexical,
        })
    }

    /// The candidates most like `search`, best first; equal scores in the order of ids.
    pub fn search(&self, search: &Search<'_>) -> Result<Vec<Hit>> {
        let text = without_marks(search.text);
        if self.entries.is_empty() || text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let whole = match search.whole {
            Some(whole) => whole.to_vec(),
            None => query_vector(self.embedder, search.text)?,
        };
        let words = distinct(terms(self.analyzer, &text)?);
        let dense: Vec<f32> = self
            .entries
            .iter()
            .map(|entry| {
                entry
                    .vectors
                    .first()
                    .map_or(0.0, |vector| dot(&whole, vector))
            })
            .collect();
        let lexical: Vec<f32> = self
            .lexical
            .scores(&words)
            .into_iter()
            .map(f32::sqrt)
            .collect();
        let shared: Vec<Vec<&String>> = self
            .entries
            .iter()
            .map(|entry| entry.features.intersection(search.features).collect())
            .collect();
        let feature: Vec<f32> = self
            .entries
            .iter()
            .map(|entry| overlap(&entry.features, search.features))
            .collect();
        let (dense, lexical, feature) = (standard(&dense), standard(&lexical), standard(&feature));
        let mut order: Vec<(f32, usize)> = (0..self.entries.len())
            .map(|at| {
                (
                    dense[at] + LEXICAL * lexical[at] + FEATURE * feature[at],
                    at,
                )
            })
            .collect();
        order.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| self.entries[a.1].id.cmp(&self.entries[b.1].id))
        });
        Ok(order
            .into_iter()
            .take(search.limit)
            .map(|(score, at)| Hit {
                id: self.entries[at].id.clone(),
                score,
                reasons: self.reasons(at, &words, &shared[at], &whole),
            })
            .collect())
    }

    fn reasons(
        &self,
        at: usize,
        words: &[String],
        features: &[&String],
        whole: &[f32],
    ) -> Vec<Reason> {
        let entry = &self.entries[at];
        let mut out: Vec<Reason> = features
            .iter()
            .map(|text| Reason::Feature {
                text: (*text).clone(),
            })
            .collect();
        out.extend(
            self.lexical
                .shared(at, words, 5)
                .into_iter()
                .map(|text| Reason::Term { text }),
        );
        out.extend(
            nearest_passage(whole, &entry.text, &entry.vectors)
                .map(|text| Reason::Meaning { text }),
        );
        out
    }
}

/// The sentence of a text nearest in meaning to what is looked for; the text itself where it is one
/// sentence, nothing without vectors. `vectors` are [`vectors_of`] the text.
#[must_use]
pub fn nearest_passage(whole: &[f32], text: &str, vectors: &[Vec<f32>]) -> Option<String> {
    // The whole comes first among the vectors; the rest are the sentences in order.
    let at = nearest(whole, vectors).1;
    let sentence = at
        .checked_sub(1)
        .and_then(|index| split(&without_marks(text)).into_iter().nth(index));
    sentence.or_else(|| (vectors.len() == 1).then(|| text.to_owned()))
}

/// Share of features that both have (Jaccard).
pub(crate) fn overlap(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f32 {
    match one.union(other).count() {
        0 => 0.0,
        all => one.intersection(other).count() as f32 / all as f32,
    }
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Best cosine with a sentence, and the number of its vector; the whole text where there is only that.
fn nearest(query: &[f32], vectors: &[Vec<f32>]) -> (f32, usize) {
    let from = usize::from(vectors.len() > 1);
    vectors
        .iter()
        .enumerate()
        .skip(from)
        .map(|(index, vector)| (dot(query, vector), index))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((0.0, 0))
}

/// Mean 0, deviation 1 over the candidates: raw cosines differ by a hundredth between like and unlike.
pub(crate) fn standard(values: &[f32]) -> Vec<f32> {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let deviation = (values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f32>()
        / count)
        .sqrt();
    if deviation < 1e-6 {
        return vec![0.0; values.len()];
    }
    values
        .iter()
        .map(|value| (value - mean) / deviation)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_says_nothing_changes_nothing() {
        assert_eq!(standard(&[0.5, 0.5, 0.5]), vec![0.0, 0.0, 0.0]);
        let scaled = standard(&[1.0, 2.0, 3.0]);
        assert!((scaled[0] + scaled[2]).abs() < 1e-6 && scaled[2] > 1.0);
    }

    #[test]
    fn the_whole_text_counts_as_a_sentence_only_alone() {
        let whole = vec![1.0, 0.0];
        let sentence = vec![0.6, 0.8];
        assert_eq!(nearest(&[1.0, 0.0], std::slice::from_ref(&whole)), (1.0, 0));
        assert_eq!(nearest(&[1.0, 0.0], &[whole, sentence]), (0.6, 1));
        assert_eq!(nearest(&[1.0, 0.0], &[]), (0.0, 0));
    }
}
