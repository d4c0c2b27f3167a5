//! Finds what identifies people in consultation notes, and replaces it.
//!
//! Sources, strongest first: what a reviewer marked, the person register, rules (numbers, dates,
//! addresses, cues such as honorifics and roles), the dictionary, the NER model. They are merged
//! into spans without overlap; a name found once is then looked for in the whole text.
//!
//! **Invariant:** texts and names never appear in errors or logs.
//! **Invariant:** positions in and out are code points of the text as given.

mod dates;
mod facilities;
mod figures;
mod fusion;
mod layout;
pub mod lines;
mod mask;
mod merge;
mod model;
mod patterns;
mod people;
mod places;
mod register;
mod repeats;
mod rules;
mod sequences;
mod text;
mod words;

use std::sync::Arc;

use domain::offset::CodePoint;
use models::Ner;
use search::Analyzer;
use serde::{Deserialize, Serialize};

/// What a span is. The codes are part of the command-line and HTTP contract.
pub use domain::mask::MaskLabel as Label;
pub use mask::{Hidden, Masked, Replacement, mask, numbering, replace};
pub use register::{Register, RegisterPerson};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Model(#[from] models::Error),
    #[error(transparent)]
    Analysis(#[from] search::Error),
    /// A broken input line: 1-based number and what is wrong with it.
    #[error("{line} 行目: {message}")]
    Line { line: usize, message: String },
    #[error("入出力: {0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Whether the caller's input is at fault (exit code 2) rather than the machine (1).
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Who proposed a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Model,
    Dictionary,
    Rule,
    Register,
    Manual,
}

/// A stretch to be masked: `start..end` in code points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub start: CodePoint,
    pub end: CodePoint,
    pub label: Label,
    /// 0..1, how sure the source is.
    pub score: f32,
    pub source: Source,
    /// Register id of the person the span is about, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// Suggests what to mask.
#[derive(Debug, Clone)]
pub struct Masker {
    ner: Option<Arc<Ner>>,
    analyzer: Analyzer,
    /// None: every source.
    heard: Option<Vec<Source>>,
}

impl Masker {
    /// Without `ner` only register, rules and dictionary speak: for tests and ablation. A server
    /// that has lost its model must show masked readers nothing new instead.
    #[must_use]
    pub fn new(ner: Option<Arc<Ner>>, analyzer: Analyzer) -> Self {
        Self {
            ner,
            analyzer,
            heard: None,
        }
    }

    /// Listens to these sources only, and to the register: for measuring what each is worth.
    #[doc(hidden)]
    #[must_use]
    pub fn listening_to(mut self, sources: &[Source]) -> Self {
        self.heard = Some(sources.to_vec());
        self
    }

    /// For each letter of `text` that some source speaks about: its position in code points and what the
    /// sources say (`fusion::FEATURES`), from which the weights of `data/fusion.toml` are learnt. Empty
    /// without a model.
    #[doc(hidden)]
    pub fn evidence(&self, text: &str) -> Result<Vec<(CodePoint, Vec<f32>)>> {
        let prepared = text::Text::new(text, Some(&self.analyzer))?;
        let (_, evidence) = self.gather(text, &prepared)?;
        Ok(evidence
            .iter()
            .flat_map(|evidence| evidence.features(&prepared))
            .map(|(at, row)| (prepared.original(at, at + 1).0, row.to_vec()))
            .collect())
    }

    /// The proposals of every source but the register, and with a model what they say together.
    fn gather(
        &self,
        text: &str,
        prepared: &text::Text,
    ) -> Result<(Vec<Candidate>, Option<fusion::Evidence>)> {
        let hears = |source: Source| {
            self.heard
                .as_ref()
                .is_none_or(|sources| sources.contains(&source))
        };
        let figures = figures::Figures::new(prepared);
        let mut found = rules::find(prepared, &figures);
        found.extend(dates::find(prepared, &figures));
        found.extend(layout::find(prepared));
        found.extend(people::find(prepared));
        found.extend(places::find(prepared));
        found.extend(facilities::find(prepared));
        found.retain(|candidate| hears(candidate.source));
        let Some(ner) = self.ner.as_ref().filter(|_| hears(Source::Model)) else {
            return Ok((found, None));
        };
        let reading = ner.read(text)?;
        found.extend(model::find(prepared, &reading.entities));
        let evidence = fusion::Evidence::new(prepared, &reading, &found);
        Ok((found, Some(evidence)))
    }

    /// Spans of `text`, sorted, without overlap. Blocks: about 0.1 ms per character.
    pub fn suggest(&self, text: &str, register: &Register) -> Result<Vec<Span>> {
        let prepared = text::Text::new(text, Some(&self.analyzer))?;
        let (mut found, evidence) = self.gather(text, &prepared)?;
        if let Some(evidence) = &evidence {
            found = found
                .into_iter()
                .filter_map(|candidate| evidence.weighed(&prepared, candidate))
                .collect();
        }
        found.extend(register.find(&prepared));
        let mut kept = merge::merge(&prepared, found);
        for candidate in &mut kept {
            places::extended(&prepared, candidate);
            facilities::extended(&prepared, candidate);
        }
        let beside = sequences::find(&prepared, &kept);
        let kept = merge::merge(&prepared, kept.into_iter().chain(beside).collect());
        let repeated = repeats::find(&prepared, &kept);
        let mut kept = merge::merge(&prepared, kept.into_iter().chain(repeated).collect());
        places::join(&prepared, &mut kept);
        if let Some(evidence) = &evidence {
            for candidate in &mut kept {
                evidence.rate(&prepared, candidate);
            }
        }
        let mut kept: Vec<Candidate> = kept
            .into_iter()
            .filter_map(|candidate| figures::bare(&prepared, candidate))
            .collect();
        people::fuse(&prepared, &mut kept);
        Ok(merge::spans(&prepared, kept))
    }
}

/// A proposal before merging; positions are characters of [`text::Text`].
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    start: usize,
    end: usize,
    label: Label,
    score: f32,
    source: Source,
    person: Option<String>,
    /// The model's word alone: dictionary and cues do not bear it out.
    doubted: bool,
    /// Every letter is almost certain: no trap takes a part of it.
    firm: bool,
}

impl Candidate {
    fn new(start: usize, end: usize, label: Label, score: f32, source: Source) -> Self {
        Self {
            start,
            end,
            label,
            score,
            source,
            person: None,
            doubted: false,
            firm: false,
        }
    }
}
