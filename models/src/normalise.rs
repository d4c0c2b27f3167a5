//! Character forms the tokenizer's vocabulary does not know, mapped to forms it does, with every
//! position kept.

pub use domain::likeness::fold_variant;

const HALF_WIDTH: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";

/// The full-width form of a half-width katakana letter or mark (U+FF61–FF9D).
#[must_use]
pub fn full_width_kana(c: char) -> Option<char> {
    let index = (c as u32).checked_sub(0xFF61)?;
    HALF_WIDTH.chars().nth(index as usize)
}

/// `kana` with ﾞ (U+FF9E) or ﾟ (U+FF9F) put on it.
#[must_use]
pub fn with_sound_mark(kana: char, mark: char) -> Option<char> {
    let at = kana as u32;
    let composed = match mark {
        '\u{FF9E}' | '゛' | '\u{3099}' => match kana {
            'ウ' => return Some('ヴ'),
            'カ' | 'キ' | 'ク' | 'ケ' | 'コ' | 'サ' | 'シ' | 'ス' | 'セ' | 'ソ' | 'タ' | 'チ'
            | 'ツ' | 'テ' | 'ト' | 'ハ' | 'ヒ' | 'フ' | 'ヘ' | 'ホ' => at + 1,
            _ => return None,
        },
        '\u{FF9F}' | '゜' | '\u{309A}' => match kana {
            'ハ' | 'ヒ' | 'フ' | 'ヘ' | 'ホ' => at + 2,
            _ => return None,
        },
        _ => return None,
    };
    char::from_u32(composed)
}

/// A text for the model, and where each of its characters came from.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub text: String,
    /// For each code point of `text`: first and one-past-last code point in the original.
    pub origin: Vec<(usize, usize)>,
}

/// Composes half-width katakana, folds variant kanji and the full-width tilde; line breaks become
/// spaces. The tokenizer does the rest (NFKC) itself.
#[must_use]
pub fn prepare(text: &[char]) -> Prepared {
    map(text, ' ')
}

/// Like [`prepare`], with line breaks kept, for a tokenizer that has a piece for them: the next line
/// of a form is no continuation of a name. `pipelines/training/preparation.py` does the same.
#[must_use]
pub fn prepare_lines(text: &[char]) -> Prepared {
    map(text, '\n')
}

fn map(text: &[char], line_break: char) -> Prepared {
    let mut out = String::with_capacity(text.len() * 3);
    let mut origin = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let mut c = text[at];
        let mut length = 1;
        if let Some(full) = full_width_kana(c) {
            c = full;
            if let Some(composed) = text
                .get(at + 1)
                .and_then(|&mark| with_sound_mark(full, mark))
            {
                c = composed;
                length = 2;
            }
        }
        let c = match c {
            '～' | '〜' => '~',
            '\n' => line_break,
            '\r' | '\t' | '　' => ' ',
            other => fold_variant(other),
        };
        out.push(c);
        origin.push((at, at + length));
        at += length;
    }
    Prepared { text: out, origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_composition() {
        let text: Vec<char> = "ｱﾊﾟｰﾄの𠮷﨑".chars().collect();
        let prepared = prepare(&text);
        assert_eq!(prepared.text, "アパートの吉崎");
        assert_eq!(prepared.origin[1], (1, 3));
        assert_eq!(prepared.origin[6], (7, 8));
    }

    // As in pipelines/training/tests/test_preparation.py: training sees what the runtime sees.
    #[test]
    fn training_prepares_the_same() {
        let kept = |text: &str| prepare_lines(&text.chars().collect::<Vec<_>>()).text;
        for (half, full) in [
            ("｡", "。"),
            ("ｱ", "ア"),
            ("ﾝ", "ン"),
            ("ｳﾞ", "ヴ"),
            ("ﾊﾞ", "バ"),
            ("ﾊﾟ", "パ"),
            ("ﾞ", "ﾞ"),
            ("ｱﾞ", "アﾞ"),
        ] {
            assert_eq!(kept(half), full);
        }
        assert_eq!(kept("1～2〜3\u{3000}a\tb\r\nc"), "1~2~3 a b \nc");
        assert_eq!(kept("ｱﾊﾟｰﾄの𠮷﨑"), "アパートの吉崎");
    }

    #[test]
    fn line_breaks_are_the_only_difference() {
        let text: Vec<char> = "氏名\n山田 ﾊﾅｺ\r\n\t髙﨑～\n\n".chars().collect();
        let (flat, kept) = (prepare(&text), prepare_lines(&text));
        assert_eq!(flat.text, "氏名 山田 ハナコ   高崎~  ");
        assert_eq!(kept.text.replace('\n', " "), flat.text);
        assert_eq!(kept.text.matches('\n').count(), 4);
        assert_eq!(kept.origin, flat.origin);
    }

    #[test]
    fn half_width_table_is_complete() {
        assert_eq!(full_width_kana('ｱ'), Some('ア'));
        assert_eq!(full_width_kana('ﾝ'), Some('ン'));
        assert_eq!(full_width_kana('｡'), Some('。'));
        assert_eq!(full_width_kana('ﾞ'), None);
        assert_eq!(full_width_kana('a'), None);
    }
}
