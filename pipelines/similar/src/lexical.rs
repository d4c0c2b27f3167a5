//! BM25 over a handful to some thousands of texts, in memory: the candidates differ with every
//! caller's rights, so a stored index would answer for the wrong collection statistics.

use std::collections::{BTreeMap, HashMap};

use search::Analyzer;

use crate::Result;

const K1: f32 = 1.2;
const B: f32 = 0.75;

#[derive(Debug, Default)]
pub(crate) struct Lexical {
    bags: Vec<HashMap<String, f32>>,
    lengths: Vec<f32>,
    mean: f32,
    frequency: HashMap<String, usize>,
}

impl Lexical {
    pub fn push(&mut self, terms: Vec<String>) {
        let mut bag: HashMap<String, f32> = HashMap::new();
        let length = terms.len() as f32;
        for term in terms {
            *bag.entry(term).or_default() += 1.0;
        }
        for term in bag.keys() {
            *self.frequency.entry(term.clone()).or_default() += 1;
        }
        self.bags.push(bag);
        self.lengths.push(length);
        self.mean = self.lengths.iter().sum::<f32>() / self.lengths.len() as f32;
    }

    fn idf(&self, term: &str) -> f32 {
        let count = self.bags.len() as f32;
        let found = *self.frequency.get(term).unwrap_or(&0) as f32;
        (1.0 + (count - found + 0.5) / (found + 0.5)).ln()
    }

    /// BM25 of every text for the words of a query (each counted once).
    pub fn scores(&self, query: &[String]) -> Vec<f32> {
        self.bags
            .iter()
            .zip(&self.lengths)
            .map(|(bag, length)| {
                query
                    .iter()
                    .filter_map(|term| {
                        let count = bag.get(term)?;
                        Some(
                            self.idf(term) * count * (K1 + 1.0)
                                / (count + K1 * (1.0 - B + B * length / self.mean.max(1.0))),
                        )
                    })
                    .sum()
            })
            .collect()
    }

    /// The words that text `index` shares with the query, rarest first, common ones left out.
    pub fn shared(&self, index: usize, query: &[String], most: usize) -> Vec<String> {
        let mut found: Vec<(f32, &String)> = query
            .iter()
            .filter(|term| self.bags[index].contains_key(*term))
            .map(|term| (self.idf(term), term))
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let common = self.bags.len() as f32 * 0.4;
        found
            .into_iter()
            .filter(|(_, term)| {
                term.chars().count() >= 2
                    && !term.chars().all(char::is_numeric)
                    && (self.bags.len() < 5 || (self.frequency[*term] as f32) <= common)
            })
            .take(most)
            .map(|(_, term)| term.clone())
            .collect()
    }
}

/// Distinct words of `text` in order.
pub(crate) fn terms(analyzer: &Analyzer, text: &str) -> Result<Vec<String>> {
    Ok(analyzer
        .terms(text)?
        .into_iter()
        .map(|term| term.text)
        .collect())
}

pub(crate) fn distinct(terms: Vec<String>) -> Vec<String> {
    let mut seen = BTreeMap::new();
    terms
        .into_iter()
        .filter(|term| seen.insert(term.clone(), ()).is_none())
        .collect()
}
