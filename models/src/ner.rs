//! Named entities by token classification.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use domain::offset::CodePoint;
use lru::LruCache;
use ort::value::Tensor;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::manifest::Manifest;
use crate::normalise::{prepare, prepare_lines};
use crate::runtime::{Runtime, SessionPool};
use crate::viterbi::{Class, Grammar};
use crate::{Error, Result};

/// What the model can say a stretch of text is. The manifest maps the model's own classes to these,
/// so that a new model with finer classes needs no new code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NerLabel {
    Person,
    Address,
    Facility,
    /// Company or other corporate body: an affiliation, masked like a facility.
    Company,
    /// Club, group, institution without legal form.
    Group,
    /// Government, municipality, office: never masked by itself.
    PublicBody,
    Product,
    Event,
    Phone,
    Email,
    IdNumber,
    Birthdate,
    PostalCode,
    Account,
    OtherId,
}

/// A found entity; `start..end` in code points of the text given to [`Ner::tag`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entity {
    pub start: CodePoint,
    pub end: CodePoint,
    pub label: NerLabel,
    /// Mean probability of the chosen classes, 0..1.
    pub score: f32,
}

/// What the model makes of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Sorted, without overlap.
    pub entities: Vec<Entity>,
    /// For each code point how likely it belongs to some entity, 0..1: the model's word on what others
    /// propose. 0 where it read no token (blanks).
    pub inside: Vec<f32>,
}

/// Window of one inference in code points, without the context around it.
const WINDOW: usize = 280;
/// Text on either side that is read but whose entities belong to the neighbouring window.
const CONTEXT: usize = 60;
/// Longest input of the encoder in tokens, `<s>` and `</s>` included.
const MAX_TOKENS: usize = 512;

/// Windows whose readings are kept, each some 2 KiB. Who goes on writing a long text has all but the last
/// of its windows read again and again as they were.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2047);

/// The piece that stands for a line break in tokenizers that know one (`pipelines/training/base.py`).
pub const LINE_BREAK: &str = "\u{E00A}";

pub struct Ner {
    pool: Arc<SessionPool>,
    tokenizer: Tokenizer,
    grammar: Grammar,
    /// Label of each class name number of `grammar`; `None` is dropped.
    labels: Vec<Option<NerLabel>>,
    outside_bias: f32,
    line_breaks: bool,
    /// By the hash of what was read; positions and labels, no text.
    known: Mutex<LruCache<[u8; 32], Arc<Reading>>>,
}

impl std::fmt::Debug for Ner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ner")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Ner {
    /// Loads the classifier alone.
    pub fn load(runtime: &Runtime, dir: &Path, sessions: usize) -> Result<Self> {
        let manifest = Manifest::open(dir)?;
        let pool = SessionPool::new(runtime, &dir.join(&manifest.ner.model), sessions)?;
        Self::with_pool(&manifest, dir, Arc::new(pool))
    }

    pub(crate) fn with_pool(
        manifest: &Manifest,
        dir: &Path,
        pool: Arc<SessionPool>,
    ) -> Result<Self> {
        let tokenizer = Tokenizer::from_file(dir.join(&manifest.ner.tokenizer))
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        if manifest.ner.line_breaks && !reads_line_breaks(&tokenizer)? {
            return Err(Error::Tokenizer(format!(
                "{}: 改行を片 U+E00A として読みません",
                manifest.ner.tokenizer
            )));
        }
        let mut names = Vec::new();
        let classes = manifest
            .ner
            .classes
            .iter()
            .map(|class| Class::parse(class, &mut names))
            .collect::<Result<Vec<_>>>()?;
        let labels = names
            .iter()
            .map(|name| manifest.ner.labels.get(name).copied())
            .collect();
        Ok(Self {
            pool,
            tokenizer,
            grammar: Grammar::new(classes),
            labels,
            outside_bias: manifest.ner.outside_bias,
            line_breaks: manifest.ner.line_breaks,
            known: Mutex::new(LruCache::new(KEPT)),
        })
    }

    /// Entities of `text`, sorted and without overlap. Blocks for about 0.2 ms per character.
    ///
    /// The text is cut at sentence ends into windows of about 300 characters that overlap by their
    /// context, each run alone, so the result for a sentence does not depend on far-away text.
    pub fn tag(&self, text: &str) -> Result<Vec<Entity>> {
        Ok(self.read(text)?.entities)
    }

    /// Entities as [`Ner::tag`] finds them, and the probabilities behind them. Windows that were read
    /// before cost nothing.
    pub fn read(&self, text: &str) -> Result<Reading> {
        let chars: Vec<char> = text.chars().collect();
        let mut reading = Reading {
            entities: Vec::new(),
            inside: vec![0.0; chars.len()],
        };
        for window in windows(&chars) {
            let part = self.read_once(&chars[window.from..window.to], window)?;
            reading.inside[window.start..window.end].copy_from_slice(
                &part.inside[window.start - window.from..window.end - window.from],
            );
            let moved = |at: CodePoint| CodePoint(at.0 + window.from);
            reading
                .entities
                .extend(part.entities.iter().map(|entity| Entity {
                    start: moved(entity.start),
                    end: moved(entity.end),
                    ..*entity
                }));
        }
        let found = &mut reading.entities;
        found.sort_by_key(|entity| (entity.start, entity.end));
        found.dedup_by(|next, kept| next.start < kept.end);
        Ok(reading)
    }

    /// What a window of a text says, positions counted from its first character.
    fn read_once(&self, part: &[char], window: Window) -> Result<Arc<Reading>> {
        let within = Window {
            from: 0,
            start: window.start - window.from,
            end: window.end - window.from,
            to: part.len(),
        };
        let mut hash = Sha256::new();
        for at in [within.start, within.end] {
            hash.update((at as u64).to_be_bytes());
        }
        hash.update(part.iter().collect::<String>());
        let key: [u8; 32] = hash.finalize().into();
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let mut reading = Reading {
            entities: Vec::new(),
            inside: vec![0.0; part.len()],
        };
        self.read_window(part, within, &mut reading)?;
        let reading = Arc::new(reading);
        self.known.lock().put(key, Arc::clone(&reading));
        Ok(reading)
    }

    fn read_window(&self, chars: &[char], window: Window, reading: &mut Reading) -> Result<()> {
        let part = &chars[window.from..window.to];
        let prepared = if self.line_breaks {
            prepare_lines(part)
        } else {
            prepare(part)
        };
        if prepared.text.trim().is_empty() {
            return Ok(());
        }
        let encoding = self
            .tokenizer
            .encode_char_offsets(prepared.text.as_str(), true)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        if encoding.len() > MAX_TOKENS {
            // Only text that is almost all one token per character comes here; halving keeps it covered.
            let middle = window.start + (window.end - window.start) / 2;
            if middle == window.start {
                return Ok(());
            }
            let first = Window {
                from: window.from,
                start: window.start,
                end: middle,
                to: (middle + 20).min(window.to),
            };
            let second = Window {
                from: middle.saturating_sub(20).max(window.from),
                start: middle,
                end: window.end,
                to: window.to,
            };
            self.read_window(chars, first, reading)?;
            return self.read_window(chars, second, reading);
        }
        let ids: Vec<i64> = encoding.get_ids().iter().map(|&id| i64::from(id)).collect();
        let count = ids.len();
        let scores = self.pool.with(|session| {
            let mask = vec![1_i64; count];
            let outputs = session.run(ort::inputs![
                "input_ids" => Tensor::from_array(([1, count], ids))?,
                "attention_mask" => Tensor::from_array(([1, count], mask))?,
            ])?;
            let (shape, logits) = outputs["logits"].try_extract_tensor::<f32>()?;
            let classes = self.grammar.classes.len();
            if shape.len() != 3 || logits.len() != count * classes {
                return Err(Error::Shape(format!("logits {shape}")));
            }
            Ok(logits
                .chunks_exact(classes)
                .map(|row| self.log_softmax(row))
                .collect::<Vec<_>>())
        })?;
        // Without <s> and </s>.
        let inner = 1..count.saturating_sub(1);
        let path = self.grammar.decode(&scores[inner.clone()]);
        let offsets = &encoding.get_offsets()[inner.clone()];
        let scores = &scores[inner];
        self.mark_inside(offsets, scores, &prepared.origin, window, reading);
        let mut open = 0;
        for (token, &class) in path.iter().enumerate() {
            let kind = match self.grammar.classes[class] {
                Class::Begin(_) => {
                    open = token;
                    continue;
                }
                Class::Single(kind) => {
                    open = token;
                    kind
                }
                Class::End(kind) => kind,
                Class::Outside | Class::Inside(_) => continue,
            };
            let Some(label) = self.labels[kind] else {
                continue;
            };
            let probability: f32 = (open..=token)
                .map(|at| scores[at][path[at]].exp())
                .sum::<f32>()
                / (token + 1 - open) as f32;
            let (Some(first), Some(last)) = (
                prepared.origin.get(offsets[open].0),
                offsets[token]
                    .1
                    .checked_sub(1)
                    .and_then(|at| prepared.origin.get(at)),
            ) else {
                continue;
            };
            let (mut start, mut end) = (window.from + first.0, window.from + last.1);
            while start < end && chars[start].is_whitespace() {
                start += 1;
            }
            while end > start && chars[end - 1].is_whitespace() {
                end -= 1;
            }
            if start < end && start >= window.start && start < window.end {
                reading.entities.push(Entity {
                    start: CodePoint(start),
                    end: CodePoint(end),
                    label,
                    score: probability,
                });
            }
        }
        Ok(())
    }

    /// Each token's probability of not being outside, onto the characters the window answers for.
    fn mark_inside(
        &self,
        offsets: &[(usize, usize)],
        scores: &[Vec<f32>],
        origin: &[(usize, usize)],
        window: Window,
        reading: &mut Reading,
    ) {
        let Some(outside) = self
            .grammar
            .classes
            .iter()
            .position(|class| *class == Class::Outside)
        else {
            return;
        };
        for (&(start, end), scores) in offsets.iter().zip(scores) {
            let inside = 1.0 - scores[outside].exp();
            for &(first, last) in origin.get(start..end).unwrap_or_default() {
                let from = (window.from + first).max(window.start);
                let to = (window.from + last).min(window.end);
                if from < to {
                    reading.inside[from..to].fill(inside);
                }
            }
        }
    }

    fn log_softmax(&self, row: &[f32]) -> Vec<f32> {
        let mut row: Vec<f32> = row.to_vec();
        for (value, class) in row.iter_mut().zip(&self.grammar.classes) {
            if *class == Class::Outside {
                *value += self.outside_bias;
            }
        }
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = row
            .iter()
            .map(|value| (value - top).exp())
            .sum::<f32>()
            .ln()
            + top;
        row.iter().map(|value| value - sum).collect()
    }
}

/// The vocabulary alone does not tell: its private-use characters are in every tokenizer of the base.
fn reads_line_breaks(tokenizer: &Tokenizer) -> Result<bool> {
    let encoding = tokenizer
        .encode_fast("。\n。", false)
        .map_err(|error| Error::Tokenizer(error.to_string()))?;
    Ok(tokenizer
        .token_to_id(LINE_BREAK)
        .is_some_and(|id| encoding.get_ids().contains(&id)))
}

/// `from..to` is read, entities that start in `start..end` are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from: usize,
    start: usize,
    end: usize,
    to: usize,
}

fn windows(chars: &[char]) -> Vec<Window> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < chars.len() {
        let end = if chars.len() - start <= WINDOW {
            chars.len()
        } else {
            let limit = start + WINDOW;
            let cut = |marks: &[char]| {
                (start + WINDOW / 2..limit)
                    .rev()
                    .find(|&at| marks.contains(&chars[at]))
                    .map(|at| at + 1)
            };
            cut(&['\n'])
                .or_else(|| cut(&['。', '！', '？', '!', '?', '｡']))
                .or_else(|| cut(&['、', ',', ' ', '　', '､']))
                .unwrap_or(limit)
        };
        out.push(Window {
            from: sentence_start(chars, start),
            start,
            end,
            to: sentence_end(chars, end),
        });
        start = end;
    }
    out
}

/// Start of the context before `at`: a sentence or line start not more than [`CONTEXT`] away.
fn sentence_start(chars: &[char], at: usize) -> usize {
    let low = at.saturating_sub(CONTEXT);
    if low == 0 {
        return 0;
    }
    (low..at)
        .find(|&i| matches!(chars[i - 1], '。' | '\n' | '！' | '？'))
        .unwrap_or(low)
}

fn sentence_end(chars: &[char], at: usize) -> usize {
    let high = (at + CONTEXT).min(chars.len());
    if high == chars.len() {
        return high;
    }
    (at + 1..high)
        .rev()
        .find(|&i| matches!(chars[i - 1], '。' | '\n' | '！' | '？'))
        .unwrap_or(high)
}

// The same cases as in pipelines/training/tests/test_preparation.py.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_at_a_line_end_before_a_full_stop() {
        let text = format!(
            "{}\n{}。{}",
            "あ".repeat(150),
            "い".repeat(100),
            "う".repeat(200)
        );
        let windows = windows(&text.chars().collect::<Vec<_>>());
        assert_eq!((windows[0].end, windows[1].start), (151, 151));
        assert!(windows[1].from < windows[1].start);
    }

    #[test]
    fn windows_cover_everything_once() {
        for length in [0, 1, 279, 280, 281, 900] {
            for fill in ['あ', '。', '\n'] {
                let chars = vec![fill; length];
                let mut next = 0;
                for window in windows(&chars) {
                    assert_eq!(window.start, next);
                    assert!(
                        window.from <= window.start
                            && window.start < window.end
                            && window.end <= window.to
                    );
                    assert!(window.to <= length);
                    next = window.end;
                }
                assert_eq!(next, length);
            }
        }
    }
}
