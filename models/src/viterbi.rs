//! Constrained decoding of BIOES classes.

use crate::{Error, Result};

/// The place of a class within an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Outside,
    Begin(usize),
    Inside(usize),
    End(usize),
    Single(usize),
}

impl Class {
    /// Parses `O` or `B-name`; equal names get equal numbers, in order of first appearance.
    pub(crate) fn parse(text: &str, names: &mut Vec<String>) -> Result<Self> {
        if text == "O" {
            return Ok(Self::Outside);
        }
        let (prefix, name) = text
            .split_once('-')
            .ok_or_else(|| Error::Shape(format!("class {text}")))?;
        let kind = names
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
        match prefix {
            "B" => Ok(Self::Begin(kind)),
            "I" => Ok(Self::Inside(kind)),
            "E" => Ok(Self::End(kind)),
            "S" => Ok(Self::Single(kind)),
            _ => Err(Error::Shape(format!("class {text}"))),
        }
    }

    fn opens(self) -> bool {
        matches!(self, Self::Outside | Self::Begin(_) | Self::Single(_))
    }

    fn closes(self) -> bool {
        matches!(self, Self::Outside | Self::End(_) | Self::Single(_))
    }

    fn may_precede(self, next: Self) -> bool {
        match self {
            Self::Begin(kind) | Self::Inside(kind) => {
                matches!(next, Self::Inside(other) | Self::End(other) if other == kind)
            }
            _ => next.opens(),
        }
    }
}

/// Which class may follow which.
#[derive(Debug, Clone)]
pub(crate) struct Grammar {
    pub(crate) classes: Vec<Class>,
    allowed: Vec<Vec<usize>>,
}

impl Grammar {
    pub(crate) fn new(classes: Vec<Class>) -> Self {
        let allowed = classes
            .iter()
            .map(|&next| {
                (0..classes.len())
                    .filter(|&before| classes[before].may_precede(next))
                    .collect()
            })
            .collect();
        Self { classes, allowed }
    }

    /// The best legal path through `scores` (tokens × classes, log probabilities).
    pub(crate) fn decode(&self, scores: &[Vec<f32>]) -> Vec<usize> {
        let Some((first, rest)) = scores.split_first() else {
            return Vec::new();
        };
        let count = self.classes.len();
        let mut best: Vec<f32> = (0..count)
            .map(|class| {
                if self.classes[class].opens() {
                    first[class]
                } else {
                    f32::NEG_INFINITY
                }
            })
            .collect();
        let mut back: Vec<Vec<usize>> = Vec::with_capacity(rest.len());
        for row in rest {
            let mut next = vec![f32::NEG_INFINITY; count];
            let mut from = vec![0; count];
            for class in 0..count {
                for &before in &self.allowed[class] {
                    if best[before] > next[class] {
                        next[class] = best[before];
                        from[class] = before;
                    }
                }
                next[class] += row[class];
            }
            back.push(from);
            best = next;
        }
        let mut at = (0..count)
            .filter(|&class| self.classes[class].closes())
            .max_by(|&a, &b| best[a].total_cmp(&best[b]))
            .unwrap_or(0);
        let mut path = vec![at];
        for from in back.iter().rev() {
            at = from[at];
            path.push(at);
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_never_left_open() {
        let mut names = Vec::new();
        let classes = ["O", "B-人名", "I-人名", "E-人名", "S-人名"]
            .iter()
            .map(|class| Class::parse(class, &mut names).unwrap())
            .collect();
        let grammar = Grammar::new(classes);
        // Greedy would say B O: illegal.
        let scores = vec![
            vec![-1.0, -0.1, -9.0, -9.0, -3.0],
            vec![-0.1, -9.0, -9.0, -2.0, -9.0],
        ];
        assert_eq!(grammar.decode(&scores), vec![0, 0]);
        let scores = vec![
            vec![-5.0, -0.1, -9.0, -9.0, -7.0],
            vec![-0.1, -9.0, -9.0, -2.0, -9.0],
        ];
        assert_eq!(grammar.decode(&scores), vec![1, 3]);
        assert!(grammar.decode(&[]).is_empty());
    }
}
