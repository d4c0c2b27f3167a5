//! The form in which letters are compared: widths, variants, case and the two kana folded as the
//! register folds them, marks taken out. Every letter knows where it stood.

use domain::likeness::{fold_in_names, hiragana};
use models::normalise::full_width_kana;

use crate::analysis::normalise;

/// A letter as it is compared; `start..end` in code points of the original text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    pub folded: char,
    pub start: usize,
    pub end: usize,
}

/// Letters without anything between them.
pub type Run = Vec<Letter>;

/// A reading or other katakana as it is compared.
#[must_use]
pub fn fold_kana(text: &str) -> String {
    text.chars().map(hiragana).collect()
}

fn is_letter(c: char) -> bool {
    (c.is_alphanumeric() || c == 'ー') && full_width_kana(c).is_none()
}

/// Hiragana, katakana and kanji.
fn is_japanese(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '々' | '〇' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Kanji, or what stands for one.
#[must_use]
pub fn has_kanji(text: &str) -> bool {
    text.chars()
        .any(|c| is_japanese(c) && !matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー'))
}

/// The letters of a text in runs. Marks and line breaks part them; a single blank between Japanese
/// letters (佐藤　花子) and a dash between digits (0900-90-1234) do not.
#[must_use]
pub fn runs(text: &str) -> Vec<Run> {
    let chars: Vec<char> = text.chars().collect();
    let normal = normalise(&chars);
    let letters: Vec<Letter> = normal
        .text
        .chars()
        .zip(&normal.origin)
        .map(|(c, (start, end))| Letter {
            folded: fold_in_names(hiragana(c)),
            start: *start,
            end: *end,
        })
        .collect();
    let mut out: Vec<Run> = Vec::new();
    let mut run = Run::new();
    for (at, letter) in letters.iter().enumerate() {
        if is_letter(letter.folded) {
            run.push(*letter);
            continue;
        }
        let blank = matches!(chars.get(letter.start), Some(' ' | '\u{3000}'));
        let joins = blank
            && run.last().is_some_and(|before| is_japanese(before.folded))
            && letters
                .get(at + 1)
                .is_some_and(|after| is_japanese(after.folded));
        let dash = matches!(letter.folded, '-' | '‐' | '‑' | '−' | '–');
        let in_number = dash
            && run
                .last()
                .is_some_and(|before| before.folded.is_ascii_digit())
            && letters
                .get(at + 1)
                .is_some_and(|after| after.folded.is_ascii_digit());
        if !joins && !in_number && !run.is_empty() {
            out.push(std::mem::take(&mut run));
        }
    }
    if !run.is_empty() {
        out.push(run);
    }
    out
}

/// The runs as texts.
#[must_use]
pub fn folded(text: &str) -> Vec<String> {
    runs(text)
        .iter()
        .map(|run| run.iter().map(|letter| letter.folded).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn letters_stand_in_the_text_in_order(text in "\\PC{0,40}") {
            let length = text.chars().count();
            let mut last = 0;
            for letter in runs(&text).iter().flatten() {
                prop_assert!(letter.start < letter.end && letter.end <= length);
                prop_assert!(letter.start >= last || letter.start + 1 >= last);
                last = letter.start;
            }
        }
    }

    #[test]
    fn variants_widths_and_kana_are_one() {
        assert_eq!(folded("髙橋 ﾊﾙｺ"), ["高橋はるこ"]);
        assert_eq!(folded("渡邉・ハルコ"), ["渡辺", "はるこ"]);
        // Whoever the register finds under a spelling is found here too.
        for name in ["齋藤", "斎藤", "齊藤"] {
            assert_eq!(folded(name), folded("斉藤"), "{name}");
        }
        assert_eq!(folded("デイサービス"), folded("ﾃﾞｲｻｰﾋﾞｽ"));
        assert_eq!(folded("ＡＢＣ 12-3"), ["abc", "123"]);
        assert_eq!(folded("、。！\n"), Vec::<String>::new());
        assert_eq!(folded("来所\n電話"), ["来所", "電話"]);
    }
}
