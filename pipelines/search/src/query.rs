//! What somebody typed into the search box, and where it stands in a text.

use std::collections::HashSet;

use domain::offset::CodePoint;

use crate::Result;
use crate::analysis::{Analyzer, Morpheme};
use crate::folding::{self, fold_kana, folded, has_kanji};

/// Longest search, in characters.
pub const LONGEST: usize = 200;
/// Most words of a search.
pub const MOST_WORDS: usize = 10;
/// Longest text that is looked through word by word for a highlight, in characters.
const LONGEST_ANALYSED: usize = 6_000;

/// Why a search cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("検索のことばが長すぎます")]
    TooLong,
    #[error("検索のことばが多すぎます")]
    TooManyWords,
}

/// One word, or what stood between quotation marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As typed, for looking into the register.
    pub typed: String,
    /// Its letters; each run must stand in the text.
    pub(crate) runs: Vec<String>,
    /// Base forms of its inflected words, and its other words: found in any form.
    pub(crate) forms: Option<Forms>,
    /// Its letters, when they are kana only: found by reading.
    pub(crate) kana: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forms {
    pub bases: Vec<String>,
    pub others: Vec<String>,
}

/// A search, understood: all words must be found.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Search {
    pub(crate) words: Vec<Word>,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Search({} words)", self.words.len())
    }
}

fn is_kana(text: &str) -> bool {
    text.chars().all(|c| matches!(c, 'ぁ'..='ゖ' | 'ー'))
}

/// Whether a word is looked for in all its forms.
pub(crate) fn inflects(word: &Morpheme) -> bool {
    matches!(word.pos[0].as_str(), "動詞" | "形容詞")
        && !matches!(word.pos[1].as_str(), "非自立" | "接尾")
        && !matches!(word.base.as_str(), "する" | "ある" | "いる" | "なる")
}

/// The text in words: blanks part them but within quotation marks.
fn split(text: &str) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut closing = None;
    for c in text.chars() {
        match (c, closing) {
            (c, Some(close)) if c == close => {
                out.push((std::mem::take(&mut word), true));
                closing = None;
            }
            (c, Some(_)) => word.push(c),
            ('"' | '＂', None) => {
                out.push((std::mem::take(&mut word), false));
                closing = Some(c);
            }
            ('“', None) => {
                out.push((std::mem::take(&mut word), false));
                closing = Some('”');
            }
            ('「', None) => {
                out.push((std::mem::take(&mut word), false));
                closing = Some('」');
            }
            (c, None) if c.is_whitespace() || c.is_control() => {
                out.push((std::mem::take(&mut word), false));
            }
            (c, None) => word.push(c),
        }
    }
    out.push((word, closing.is_some()));
    out.retain(|(word, _)| !word.trim().is_empty());
    out
}

impl Search {
    /// Understands what was typed. A text of marks only has no words and finds nothing.
    ///
    /// # Errors
    /// The inner error: longer than [`LONGEST`], or more than [`MOST_WORDS`] words.
    pub fn parse(analyzer: &Analyzer, text: &str) -> Result<std::result::Result<Self, Refused>> {
        if text.chars().count() > LONGEST {
            return Ok(Err(Refused::TooLong));
        }
        let mut words: Vec<Word> = Vec::new();
        for (typed, quoted) in split(text) {
            let runs = folded(&typed);
            if runs.is_empty() || words.iter().any(|word| word.runs == runs) {
                continue;
            }
            let whole = runs.concat();
            let kana = (is_kana(&whole) && whole.chars().count() >= 2).then_some(whole);
            let forms = if quoted {
                None
            } else {
                forms(&analyzer.morphemes(&typed)?)
            };
            words.push(Word {
                typed,
                runs,
                forms,
                kana,
            });
        }
        if words.len() > MOST_WORDS {
            return Ok(Err(Refused::TooManyWords));
        }
        Ok(Ok(Self { words }))
    }

    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// One of its words alone.
    #[must_use]
    pub fn word(&self, at: usize) -> Self {
        Self {
            words: self.words.get(at).cloned().into_iter().collect(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

fn forms(words: &[Morpheme]) -> Option<Forms> {
    let bases: Vec<String> = words
        .iter()
        .filter(|word| inflects(word))
        .map(|word| word.base.clone())
        .collect();
    if bases.is_empty() {
        return None;
    }
    let others = words
        .iter()
        .filter(|word| word.pos[0] == "名詞" && word.pos[1] != "非自立")
        .flat_map(|word| folded(&word.surface))
        .collect();
    Some(Forms { bases, others })
}

/// Where words of a search stand in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// Code points, sorted, without overlap.
    pub ranges: Vec<(usize, usize)>,
    /// The words that were found, by their place in the search.
    pub words: HashSet<usize>,
}

/// Looks for the search's words in a text that the reader may see.
///
/// # Errors
/// The dictionary fails.
pub fn mark(analyzer: &Analyzer, search: &Search, text: &str) -> Result<Marked> {
    let letters = folding::runs(text);
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut words = HashSet::new();
    let mut morphemes: Option<Vec<Morpheme>> = None;
    for (at, word) in search.words.iter().enumerate() {
        let mut here = Vec::new();
        if word.runs.iter().all(|run| stands(&letters, run, &mut here)) {
            words.insert(at);
            found.append(&mut here);
            continue;
        }
        if word.forms.is_none() && word.kana.is_none() {
            continue;
        }
        if morphemes.is_none() {
            let start: String = text.chars().take(LONGEST_ANALYSED).collect();
            morphemes = Some(analyzer.morphemes(&start)?);
        }
        let known = morphemes.as_deref().unwrap_or_default();
        here.clear();
        let by_form = word.forms.as_ref().is_some_and(|forms| {
            forms.bases.iter().all(|base| {
                let before = here.len();
                here.extend(
                    known
                        .iter()
                        .filter(|word| inflects(word) && word.base == *base)
                        .map(|word| (word.start.0, word.end.0)),
                );
                here.len() > before
            }) && forms
                .others
                .iter()
                .all(|run| stands(&letters, run, &mut here))
        });
        let by_reading = !by_form
            && word.kana.as_ref().is_some_and(|kana| {
                here.clear();
                reads(known, kana, &mut here)
            });
        if by_form || by_reading {
            words.insert(at);
            found.append(&mut here);
        }
    }
    found.sort_unstable();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match ranges.last_mut() {
            Some(last) if last.1 >= start => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    Ok(Marked { ranges, words })
}

/// Adds every place where the letters stand; `false` when there is none.
fn stands(runs: &[folding::Run], wanted: &str, out: &mut Vec<(usize, usize)>) -> bool {
    let wanted: Vec<char> = wanted.chars().collect();
    let before = out.len();
    for run in runs {
        if wanted.is_empty() || run.len() < wanted.len() {
            continue;
        }
        for window in run.windows(wanted.len()) {
            let same = window
                .iter()
                .zip(&wanted)
                .all(|(letter, wanted)| letter.folded == *wanted);
            if let (true, [first, .., last] | [first @ last]) = (same, window) {
                out.push((first.start, last.end));
            }
        }
    }
    out.len() > before
}

/// Readings of neighbouring words with kanji, each letter with the word it belongs to.
pub(crate) fn readings(words: &[Morpheme]) -> Vec<Vec<(char, usize)>> {
    let mut out = Vec::new();
    let mut run: Vec<(char, usize)> = Vec::new();
    let mut end = None;
    for (at, word) in words.iter().enumerate() {
        let reading = word
            .reading
            .as_deref()
            .filter(|_| has_kanji(&word.surface))
            .map(fold_kana);
        // A blank may stand between (佐藤　花子); any other mark would be a word of its own.
        let follows = end.is_some_and(|end: CodePoint| word.start.0 <= end.0 + 1);
        if (!follows || reading.is_none()) && !run.is_empty() {
            out.push(std::mem::take(&mut run));
        }
        if let Some(reading) = reading {
            run.extend(reading.chars().map(|c| (c, at)));
        }
        end = Some(word.end);
    }
    if !run.is_empty() {
        out.push(run);
    }
    out
}

fn reads(words: &[Morpheme], kana: &str, out: &mut Vec<(usize, usize)>) -> bool {
    let wanted: Vec<char> = kana.chars().collect();
    let before = out.len();
    for run in readings(words) {
        if run.len() < wanted.len() {
            continue;
        }
        for window in run.windows(wanted.len()) {
            if window.iter().map(|(c, _)| *c).eq(wanted.iter().copied())
                && let (Some((_, first)), Some((_, last))) = (window.first(), window.last())
                && let (Some(first), Some(last)) = (words.get(*first), words.get(*last))
            {
                out.push((first.start.0, last.end.0));
            }
        }
    }
    out.len() > before
}

/// A part of a text to show.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Piece {
    pub text: String,
    /// A word of the search stands here.
    pub hit: bool,
}

/// Some `width` characters around the first place that was found, in pieces; `…` where text is left out.
#[must_use]
pub fn snippet(text: &str, ranges: &[(usize, usize)], width: usize) -> Vec<Piece> {
    let chars: Vec<char> = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let first = ranges.first().map_or(0, |range| range.0);
    let mut from = first.saturating_sub(width / 4);
    let to = (from + width).min(chars.len());
    from = from.min(to.saturating_sub(width));
    let mut out = Vec::new();
    let mut push = |text: String, hit: bool| {
        if !text.is_empty() {
            out.push(Piece { text, hit });
        }
    };
    let slice = |from: usize, to: usize| {
        chars
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .collect::<String>()
    };
    let mut at = from;
    let mut lead = if from > 0 {
        "…".to_owned()
    } else {
        String::new()
    };
    for (start, end) in ranges {
        let (start, end) = ((*start).clamp(at, to), (*end).clamp(at, to));
        if start == end {
            continue;
        }
        push(format!("{lead}{}", slice(at, start)), false);
        lead.clear();
        push(slice(start, end), true);
        at = end;
    }
    let tail = if to < chars.len() { "…" } else { "" };
    push(format!("{lead}{}{tail}", slice(at, to)), false);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blanks_part_words_but_within_quotation_marks() {
        let words = |text: &str| {
            split(text)
                .into_iter()
                .map(|(word, _)| word)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(" 佐藤　家賃\t滞納 "), ["佐藤", "家賃", "滞納"]);
        assert_eq!(words("\"家賃 滞納\" 佐藤"), ["家賃 滞納", "佐藤"]);
        assert_eq!(words("「開いたまま"), ["開いたまま"]);
        assert_eq!(words("\u{0}\u{1b}"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn a_snippet_is_the_text_in_pieces(
            text in "\\PC{0,80}",
            places in prop::collection::vec((0_usize..90, 0_usize..9), 0..4),
            width in 1_usize..60,
        ) {
            let mut ranges: Vec<(usize, usize)> = places.into_iter().map(|(at, long)| (at, at + long)).collect();
            ranges.sort_unstable();
            let pieces = snippet(&text, &ranges, width);
            let shown: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            prop_assert!(shown.chars().count() <= width + 2);
            prop_assert!(plain.contains(shown.trim_start_matches('…').trim_end_matches('…')));
        }
    }
}
