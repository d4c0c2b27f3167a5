//! Which of many candidates are worth ranking, without having them all in memory.

use std::collections::BTreeSet;

use crate::corpus::{FEATURE, dot, overlap, standard};

/// Candidates pass by one after the other; the nearest stay. While there are no more than twice as many
/// as are kept, all of them do. Words do not count here: what ranks is the meaning and the features.
#[derive(Debug)]
pub struct Sieve<'a, T> {
    whole: &'a [f32],
    features: &'a BTreeSet<String>,
    kept: usize,
    found: Vec<(f32, f32, T)>,
}

impl<'a, T> Sieve<'a, T> {
    /// `whole`: vector of what is looked for. `kept`: how many are kept at least.
    #[must_use]
    pub fn new(whole: &'a [f32], features: &'a BTreeSet<String>, kept: usize) -> Self {
        Self {
            whole,
            features,
            kept: kept.max(1),
            found: Vec::new(),
        }
    }

    /// `vector`: that of the candidate's whole text, if it has one.
    pub fn offer(&mut self, vector: Option<&[f32]>, features: &BTreeSet<String>, candidate: T) {
        let near = vector.map_or(0.0, |vector| dot(self.whole, vector));
        self.found
            .push((near, overlap(features, self.features), candidate));
        if self.found.len() > 2 * self.kept {
            self.shake();
        }
    }

    fn shake(&mut self) {
        let near: Vec<f32> = self.found.iter().map(|found| found.0).collect();
        let shared: Vec<f32> = self.found.iter().map(|found| found.1).collect();
        let score = standard(&near)
            .into_iter()
            .zip(standard(&shared))
            .map(|(near, shared)| near + FEATURE * shared);
        let mut scored: Vec<(f32, (f32, f32, T))> =
            score.zip(std::mem::take(&mut self.found)).collect();
        scored.sort_by(|one, other| other.0.total_cmp(&one.0));
        scored.truncate(self.kept);
        self.found = scored.into_iter().map(|(_, found)| found).collect();
    }

    /// Those that stayed, in no order.
    #[must_use]
    pub fn into_kept(self) -> Vec<T> {
        self.found
            .into_iter()
            .map(|(_, _, candidate)| candidate)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(codes: &[&str]) -> BTreeSet<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn a_few_all_stay_and_of_many_the_nearest() {
        let (whole, wanted) = ([1.0, 0.0], features(&["a"]));
        let kept = |count: usize| {
            let mut sieve = Sieve::new(&whole, &wanted, 10);
            for number in 0..count {
                // The later the nearer; the first shares the feature.
                let angle = (count - number) as f32 / count as f32;
                let vector = [angle.cos(), angle.sin()];
                let has = features(if number == 0 { &["a"] } else { &["b"] });
                sieve.offer(Some(&vector), &has, number);
            }
            sieve.into_kept()
        };
        assert_eq!(kept(20).len(), 20);
        let of_many = kept(1_000);
        assert!((10..=20).contains(&of_many.len()), "{}", of_many.len());
        assert!(
            (990..1_000).all(|number| of_many.contains(&number)),
            "{of_many:?}"
        );
    }

    #[test]
    fn a_shared_feature_counts_where_the_meaning_says_nothing() {
        let (whole, wanted) = ([1.0, 0.0], features(&["a", "b"]));
        let mut sieve = Sieve::new(&whole, &wanted, 5);
        for number in 0..100 {
            let has = features(if number == 7 { &["a"] } else { &["c"] });
            sieve.offer(None, &has, number);
        }
        assert!(sieve.into_kept().contains(&7));
    }
}
