//! Words of a text, and the terms that are indexed and looked up.

use std::path::Path;
use std::sync::Arc;

use domain::offset::CodePoint;
use lindera::dictionary::load_fs_dictionary;
use lindera::mode::Mode;
use lindera::segmenter::Segmenter;
use models::normalise::{full_width_kana, prepare};
use unicode_normalization::UnicodeNormalization as _;

use crate::{Error, Result};

/// A word as the dictionary sees it; `start..end` in code points of the original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Morpheme {
    pub start: CodePoint,
    pub end: CodePoint,
    /// Surface after normalisation.
    pub surface: String,
    /// Part of speech and its subdivisions: `["名詞", "固有名詞", "人名", "姓"]`.
    pub pos: [String; 4],
    /// Base form; the surface where the dictionary has none.
    pub base: String,
    /// Katakana reading, where known.
    pub reading: Option<String>,
    /// Whether the dictionary has the word.
    pub known: bool,
}

/// A unit of the index; `start..end` in code points of the original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    pub start: CodePoint,
    pub end: CodePoint,
}

/// Morphological analyser on the built dictionary. Cheap to clone; usable from several threads.
#[derive(Clone)]
pub struct Analyzer {
    segmenter: Arc<Segmenter>,
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyzer").finish_non_exhaustive()
    }
}

impl Analyzer {
    /// Loads the dictionary folder made by [`crate::dictionary::build`]; its files are mapped, not read.
    pub fn load(dictionary: &Path) -> Result<Self> {
        let loaded = load_fs_dictionary(dictionary).map_err(|cause| Error::Dictionary {
            path: dictionary.to_path_buf(),
            message: cause.to_string(),
        })?;
        Ok(Self {
            segmenter: Arc::new(Segmenter::new(Mode::Normal, loaded, None)),
        })
    }

    /// All words of `text`, spaces left out.
    pub fn morphemes(&self, text: &str) -> Result<Vec<Morpheme>> {
        let chars: Vec<char> = text.chars().collect();
        let normal = normalise(&chars);
        let mut code_point_at = vec![0; normal.text.len() + 1];
        for (index, (byte, _)) in normal.text.char_indices().enumerate() {
            code_point_at[byte] = index;
        }
        let mut tokens = self
            .segmenter
            .segment(normal.text.as_str().into())
            .map_err(|cause| Error::Analysis(cause.to_string()))?;
        let mut out = Vec::with_capacity(tokens.len());
        for token in &mut tokens {
            let surface = token.surface.to_string();
            if surface.trim().is_empty() {
                continue;
            }
            let first = code_point_at[token.byte_start];
            let last = first + surface.chars().count() - 1;
            let (Some(start), Some(end)) = (normal.origin.get(first), normal.origin.get(last))
            else {
                continue;
            };
            let details = token.details();
            let known = details.len() > 4;
            let detail = |at: usize| {
                details
                    .get(at)
                    .filter(|value| **value != "*")
                    .map_or_else(String::new, |value| (*value).to_owned())
            };
            let base = detail(6);
            let reading = detail(7);
            out.push(Morpheme {
                start: CodePoint(start.0),
                end: CodePoint(end.1),
                pos: [detail(0), detail(1), detail(2), detail(3)],
                base: if base.is_empty() {
                    surface.clone()
                } else {
                    base
                },
                reading: (!reading.is_empty()).then_some(reading),
                known,
                surface,
            });
        }
        Ok(out)
    }

    /// Base forms without particles, auxiliaries, marks and the emptiest words.
    pub fn terms(&self, text: &str) -> Result<Vec<Term>> {
        Ok(self
            .morphemes(text)?
            .into_iter()
            .filter(carries_meaning)
            .map(|word| Term {
                text: word.base,
                start: word.start,
                end: word.end,
            })
            .collect())
    }
}

fn carries_meaning(word: &Morpheme) -> bool {
    if !word.surface.chars().any(char::is_alphanumeric) {
        return false;
    }
    match (word.pos[0].as_str(), word.pos[1].as_str()) {
        ("助詞" | "助動詞" | "記号" | "フィラー" | "感動詞" | "接続詞" | "連体詞", _) => {
            false
        }
        ("名詞", "非自立" | "代名詞") | ("動詞", "非自立" | "接尾") => false,
        ("動詞", _) => !matches!(
            word.base.as_str(),
            "する" | "ある" | "いる" | "なる" | "できる" | "思う" | "言う" | "行う"
        ),
        _ => true,
    }
}

/// Overlapping pairs of characters: finds what the dictionary cuts differently or does not know.
#[must_use]
pub fn bigrams(text: &str) -> Vec<Term> {
    let chars: Vec<char> = text.chars().collect();
    let normal = normalise(&chars);
    let kept: Vec<(char, (usize, usize))> = normal
        .text
        .chars()
        .zip(normal.origin.iter().copied())
        .collect();
    let mut out = Vec::new();
    for run in kept.split(|(c, _)| !(c.is_alphanumeric() || *c == 'ー')) {
        if let [(c, (start, end))] = run {
            out.push(Term {
                text: c.to_string(),
                start: CodePoint(*start),
                end: CodePoint(*end),
            });
        }
        for pair in run.windows(2) {
            out.push(Term {
                text: [pair[0].0, pair[1].0].iter().collect(),
                start: CodePoint(pair[0].1.0),
                end: CodePoint(pair[1].1.1),
            });
        }
    }
    out
}

pub(crate) struct Normal {
    pub text: String,
    pub origin: Vec<(usize, usize)>,
}

/// Half-width kana composed, variant kanji folded, NFKC, lower case; positions kept.
pub(crate) fn normalise(chars: &[char]) -> Normal {
    let prepared = prepare(chars);
    let mut text = String::with_capacity(prepared.text.len());
    let mut origin = Vec::with_capacity(prepared.origin.len());
    for (c, place) in prepared.text.chars().zip(prepared.origin) {
        // The half-width marks that stand alone (ﾞ) have no NFKC form worth indexing.
        if full_width_kana(c).is_some() {
            text.push(c);
            origin.push(place);
            continue;
        }
        for folded in std::iter::once(c).nfkc().flat_map(char::to_lowercase) {
            text.push(folded);
            origin.push(place);
        }
    }
    Normal { text, origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bigrams_lie_in_the_text(text in "\\PC{0,30}") {
            let length = text.chars().count();
            for term in bigrams(&text) {
                prop_assert!(term.start < term.end && term.end.0 <= length);
            }
        }
    }

    #[test]
    fn normal_form_keeps_positions() {
        let chars: Vec<char> = "㈱ﾊﾟｰﾄ髙橋Ａ".chars().collect();
        let normal = normalise(&chars);
        assert_eq!(normal.text, "(株)パート高橋a");
        assert_eq!(normal.origin[0], (0, 1));
        assert_eq!(normal.origin[3], (1, 3));
        assert_eq!(normal.origin.last(), Some(&(7, 8)));
    }
}
