//! One text in the form the rules read, with the way back to the original positions.

use domain::offset::CodePoint;
use models::normalise::{fold_variant, full_width_kana, with_sound_mark};
use search::analysis::{Analyzer, Morpheme};
use unicode_normalization::UnicodeNormalization as _;

/// A word; `start..end` in characters of [`Text::chars`].
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub start: usize,
    pub end: usize,
    pub pos: [String; 4],
    pub known: bool,
}

impl Word {
    pub fn is_name(&self) -> bool {
        self.pos[1] == "固有名詞" && self.pos[2] == "人名"
    }

    pub fn is_surname(&self) -> bool {
        self.is_name() && self.pos[3] == "姓"
    }

    pub fn is_place(&self) -> bool {
        self.pos[1] == "固有名詞" && self.pos[2] == "地域" && self.pos[3] != "国"
    }

    pub fn is_noun(&self) -> bool {
        self.pos[0] == "名詞" || !self.known
    }

    pub fn is_particle(&self) -> bool {
        matches!(self.pos[0].as_str(), "助詞" | "助動詞")
    }
}

/// Full-width letters and digits made half-width, half-width kana composed, variant kanji folded;
/// line breaks stay. All positions in this crate's inside are indices into `chars`.
#[derive(Debug)]
pub(crate) struct Text {
    pub chars: Vec<char>,
    pub string: String,
    /// As given, one per original code point.
    source: Vec<char>,
    byte_at: Vec<usize>,
    /// Original code points of each character.
    origin: Vec<(usize, usize)>,
    /// Character of each original code point.
    folded_at: Vec<usize>,
    pub words: Vec<Word>,
    /// Index into `words` of the word that covers each character.
    word_at: Vec<Option<usize>>,
    /// What [`crate::merge`] reads off the text, once for all its rounds.
    pub fixed: std::sync::OnceLock<crate::merge::Fixed>,
}

impl Text {
    pub fn new(original: &str, analyzer: Option<&Analyzer>) -> search::Result<Self> {
        let source: Vec<char> = original.chars().collect();
        let mut chars = Vec::with_capacity(source.len());
        let mut origin = Vec::with_capacity(source.len());
        let mut folded_at = Vec::with_capacity(source.len());
        let mut at = 0;
        while at < source.len() {
            let mut c = source[at];
            let mut length = 1;
            if let Some(full) = full_width_kana(c) {
                c = full;
                if let Some(composed) = source
                    .get(at + 1)
                    .and_then(|&mark| with_sound_mark(full, mark))
                {
                    c = composed;
                    length = 2;
                }
            }
            for _ in 0..length {
                folded_at.push(chars.len());
            }
            let mut push = |c: char| {
                chars.push(c);
                origin.push((at, at + length));
            };
            match c {
                '\n' | '\r' => push('\n'),
                '\t' | '　' => push(' '),
                '〒' | '℡' => std::iter::once(c).nfkc().for_each(push),
                '～' | '〜' => push('~'),
                c if full_width_kana(c).is_some() => push(c),
                c => std::iter::once(fold_variant(c)).nfkc().for_each(push),
            }
            at += length;
        }
        let mut string = String::with_capacity(chars.len() * 3);
        let mut byte_at = Vec::with_capacity(chars.len() + 1);
        for &c in &chars {
            byte_at.push(string.len());
            string.push(c);
        }
        byte_at.push(string.len());
        folded_at.push(chars.len());
        let mut text = Self {
            word_at: vec![None; chars.len()],
            chars,
            string,
            source,
            byte_at,
            origin,
            folded_at,
            words: Vec::new(),
            fixed: std::sync::OnceLock::new(),
        };
        if let Some(analyzer) = analyzer {
            text.set_words(analyzer.morphemes(original)?);
        }
        Ok(text)
    }

    fn set_words(&mut self, morphemes: Vec<Morpheme>) {
        for morpheme in morphemes {
            let (Some(start), Some(end)) = (self.fold(morpheme.start), self.fold(morpheme.end))
            else {
                continue;
            };
            if start >= end {
                continue;
            }
            for slot in &mut self.word_at[start..end] {
                *slot = Some(self.words.len());
            }
            self.words.push(Word {
                start,
                end,
                pos: morpheme.pos,
                known: morpheme.known,
            });
        }
    }

    /// The character that an original position became.
    pub fn fold(&self, at: CodePoint) -> Option<usize> {
        self.folded_at.get(at.0).copied()
    }

    /// The character as it was written: tabs and wide spaces part cells, plain spaces part words.
    pub fn raw(&self, index: usize) -> Option<char> {
        self.origin
            .get(index)
            .and_then(|(start, _)| self.source.get(*start))
            .copied()
    }

    /// The original code points of `start..end`.
    pub fn original(&self, start: usize, end: usize) -> (CodePoint, CodePoint) {
        (
            CodePoint(self.origin[start].0),
            CodePoint(self.origin[end - 1].1),
        )
    }

    pub fn len(&self) -> usize {
        self.chars.len()
    }

    pub fn slice(&self, start: usize, end: usize) -> &str {
        &self.string[self.byte_at[start]..self.byte_at[end]]
    }

    pub fn tail(&self, start: usize) -> &str {
        &self.string[self.byte_at[start]..]
    }

    pub fn head(&self, end: usize) -> &str {
        &self.string[..self.byte_at[end]]
    }

    pub fn byte(&self, at: usize) -> usize {
        self.byte_at[at]
    }

    /// Character that starts at `byte`.
    pub fn index_at(&self, byte: usize) -> usize {
        self.byte_at.partition_point(|&start| start < byte)
    }

    pub fn at(&self, index: usize) -> Option<char> {
        self.chars.get(index).copied()
    }

    pub fn before(&self, index: usize) -> Option<char> {
        index.checked_sub(1).and_then(|index| self.at(index))
    }

    pub fn word_at(&self, index: usize) -> Option<&Word> {
        self.word_at
            .get(index)
            .copied()
            .flatten()
            .map(|word| &self.words[word])
    }

    /// Number of the word that starts exactly at `index`.
    pub fn word_from(&self, index: usize) -> Option<usize> {
        self.word_at
            .get(index)
            .copied()
            .flatten()
            .filter(|&word| self.words[word].start == index)
    }

    /// Number of the word that ends exactly at `index`.
    pub fn word_until(&self, index: usize) -> Option<usize> {
        let word = self.word_at.get(index.checked_sub(1)?).copied().flatten()?;
        (self.words[word].end == index).then_some(word)
    }

    /// Whether no word reaches across `index`.
    pub fn is_boundary(&self, index: usize) -> bool {
        if index == 0 || index >= self.len() {
            return true;
        }
        match (self.word_at[index - 1], self.word_at[index]) {
            (Some(left), Some(right)) => left != right,
            _ => true,
        }
    }

    /// All places where `needle` stands.
    pub fn find_all(&self, needle: &str) -> Vec<(usize, usize)> {
        let length = needle.chars().count();
        self.string
            .match_indices(needle)
            .map(|(byte, _)| self.index_at(byte))
            .map(|start| (start, start + length))
            .collect()
    }
}

pub(crate) fn is_kanji(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' | '々' | '〆' | '〇')
}

pub(crate) fn is_hiragana(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ')
}

pub(crate) fn is_katakana(c: char) -> bool {
    matches!(c, 'ァ'..='ヺ' | 'ー' | 'ヽ' | 'ヾ')
}

pub(crate) fn is_kana(c: char) -> bool {
    is_hiragana(c) || is_katakana(c)
}

/// Hiragana as katakana.
pub(crate) fn to_katakana(c: char) -> char {
    match c {
        'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
        other => other,
    }
}
