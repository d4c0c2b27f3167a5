//! The text as a reader of numbers hears it: kanji and spoken digits (「〇三の」「ゼロキューゼロ」),
//! digits misread by a scanner (O, l) and digits set apart by blanks become plain digits, and what
//! joins groups becomes a hyphen. The rules read this beside the text itself.

use crate::patterns::PATTERNS;
use crate::text::{Text, is_kanji, is_katakana, to_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

/// Spoken digits, longest first.
const SPOKEN: [(&str, char); 20] = [
    ("キュウ", '9'),
    ("キュー", '9'),
    ("ゼロ", '0'),
    ("レイ", '0'),
    ("マル", '0'),
    ("イチ", '1'),
    ("ニイ", '2'),
    ("ニー", '2'),
    ("フタ", '2'),
    ("サン", '3'),
    ("ヨン", '4'),
    ("ゴー", '5'),
    ("ゴウ", '5'),
    ("ロク", '6'),
    ("ナナ", '7'),
    ("シチ", '7'),
    ("ハチ", '8'),
    ("ニ", '2'),
    ("ゴ", '5'),
    ("ク", '9'),
];

/// What a speaker says while looking for the next digits.
const FILLERS: [&str; 10] = [
    "えーっと",
    "えーと",
    "えっと",
    "ええと",
    "あのー",
    "あの",
    "えー",
    "ええ",
    "んー",
    "そのー",
];

/// One character of the view.
#[derive(Debug, Clone, Copy)]
struct Unit {
    c: char,
    /// Characters of the text it stands for.
    start: usize,
    end: usize,
    /// Digits that were not written as such: kanji or spoken.
    said: bool,
}

#[derive(Debug)]
pub(crate) struct Figures {
    pub string: String,
    bytes: Vec<usize>,
    units: Vec<Unit>,
}

impl Figures {
    pub fn new(text: &Text) -> Self {
        let (units, scanned) = read(text);
        let units = join(text, &units, scanned);
        let mut string = String::with_capacity(text.string.len());
        let mut bytes = Vec::with_capacity(units.len());
        for unit in &units {
            bytes.push(string.len());
            string.push(unit.c);
        }
        Self {
            string,
            bytes,
            units,
        }
    }

    /// Characters of the text behind the bytes `start..end` of the view.
    pub fn locate(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.bytes.partition_point(|&byte| byte < start);
        let last = self.bytes.partition_point(|&byte| byte < end);
        match (
            self.units.get(first),
            last.checked_sub(1).and_then(|last| self.units.get(last)),
        ) {
            (Some(first), Some(last)) if first.start < last.end => (first.start, last.end),
            _ => (0, 0),
        }
    }
}

fn kanji_digit(c: char) -> Option<u32> {
    Some(match c {
        '〇' | '零' => 0,
        '一' => 1,
        '二' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

fn is_numeral(c: char) -> bool {
    kanji_digit(c).is_some() || matches!(c, '十' | '百')
}

fn is_misread(c: char) -> bool {
    matches!(c, 'O' | 'o' | 'l' | 'I')
}

pub(crate) fn is_hyphen(c: char) -> bool {
    matches!(
        c,
        '-' | '‐' | '‑' | '‒' | '–' | '—' | '−' | '―' | 'ー' | 'ｰ' | '─'
    )
}

/// 四十一 → 41, 百二 → 102.
fn value(run: &[char]) -> u32 {
    let (mut sum, mut last) = (0, 0);
    for &c in run {
        match c {
            '百' => {
                sum += last.max(1) * 100;
                last = 0;
            }
            '十' => {
                sum += last.max(1) * 10;
                last = 0;
            }
            c => last = kanji_digit(c).unwrap_or(0),
        }
    }
    sum + last
}

/// The units in order, and whether the text shows signs of a scanner.
fn read(text: &Text) -> (Vec<Unit>, bool) {
    let chars = &text.chars;
    let mut units: Vec<Unit> = Vec::with_capacity(chars.len());
    let mut misread = 0;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if is_numeral(c) {
            let mut end = at;
            while end < chars.len() && is_numeral(chars[end]) {
                end += 1;
            }
            if end - at <= 6 && chars[at..end].iter().any(|c| matches!(c, '十' | '百')) {
                for digit in value(&chars[at..end]).to_string().chars() {
                    units.push(Unit {
                        c: digit,
                        start: at,
                        end,
                        said: true,
                    });
                }
            } else {
                for (index, &c) in chars.iter().enumerate().take(end).skip(at) {
                    let digit = kanji_digit(c).and_then(|digit| char::from_digit(digit, 10));
                    units.push(Unit {
                        c: digit.unwrap_or(c),
                        start: index,
                        end: index + 1,
                        said: true,
                    });
                }
            }
            at = end;
            continue;
        }
        if let Some(end) = spoken(chars, at, &mut units) {
            at = end;
            continue;
        }
        if c.is_ascii_digit() || is_misread(c) {
            let mut end = at;
            while end < chars.len() && (chars[end].is_ascii_digit() || is_misread(chars[end])) {
                end += 1;
            }
            let alone = !at
                .checked_sub(1)
                .is_some_and(|before| chars[before].is_ascii_alphabetic())
                && !chars.get(end).is_some_and(char::is_ascii_alphabetic);
            let wrong = chars[at..end].iter().filter(|&&c| is_misread(c)).count();
            let digits = end - at - wrong;
            let beside = beside_digit(chars, at, end);
            let mend = wrong > 0
                && alone
                && (digits > 0 || end - at >= 3 && beside || spaced_out(chars, at));
            misread += usize::from(mend);
            for (index, &c) in chars.iter().enumerate().take(end).skip(at) {
                let c = match c {
                    'O' | 'o' if mend => '0',
                    'l' | 'I' if mend => '1',
                    c => c,
                };
                units.push(Unit {
                    c,
                    start: index,
                    end: index + 1,
                    said: false,
                });
            }
            at = end;
            continue;
        }
        units.push(Unit {
            c,
            start: at,
            end: at + 1,
            said: false,
        });
        at += 1;
    }
    (units, misread >= 2)
}

fn beside_digit(chars: &[char], start: usize, end: usize) -> bool {
    let part = |c: char| c == ' ' || is_hyphen(c);
    let left = chars[..start].iter().rev().find(|&&c| !part(c));
    let right = chars[end..].iter().find(|&&c| !part(c));
    left.is_some_and(char::is_ascii_digit) || right.is_some_and(char::is_ascii_digit)
}

/// Whether the character stands in a number that is set letter by letter: 「O 2 4 1-8 2-3 O 5 7」.
fn spaced_out(chars: &[char], at: usize) -> bool {
    const LETTERS: usize = 6;
    const DIGITS: usize = 4;
    let mut seen = (0, 0);
    let mut count = |places: &mut dyn Iterator<Item = &char>| {
        // A letter must follow one or more marks, a mark at most two others.
        let mut marks = 3;
        for &c in places {
            if c == ' ' || is_hyphen(c) {
                marks += 1;
                if marks > 3 {
                    break;
                }
            } else if (c.is_ascii_digit() || is_misread(c)) && marks > 0 {
                marks = 0;
                seen.0 += 1;
                seen.1 += usize::from(c.is_ascii_digit());
            } else {
                break;
            }
        }
    };
    count(&mut chars[at..].iter());
    count(&mut chars[..=at].iter().rev());
    seen.0 > LETTERS && seen.1 >= DIGITS
}

/// How many characters of `chars` from `at` on are fillers and the marks after them.
fn filler(text: &Text, mut at: usize) -> usize {
    let start = at;
    while let Some(length) = FILLERS.iter().find_map(|filler| {
        let length = filler.chars().count();
        (text.chars.get(at..at + length)? == filler.chars().collect::<Vec<_>>()).then_some(length)
    }) {
        at += length;
        while matches!(text.chars.get(at), Some(' ' | '、')) {
            at += 1;
        }
    }
    at - start
}

/// A run of at least three spoken digits that begins at `at`.
fn spoken(chars: &[char], at: usize, units: &mut Vec<Unit>) -> Option<usize> {
    let first = to_katakana(chars[at]);
    if !matches!(
        first,
        'ゼ' | 'レ'
            | 'マ'
            | 'イ'
            | 'ニ'
            | 'フ'
            | 'サ'
            | 'ヨ'
            | 'ゴ'
            | 'ロ'
            | 'ナ'
            | 'シ'
            | 'ハ'
            | 'キ'
            | 'ク'
    ) {
        return None;
    }
    let katakana = is_katakana(chars[at]);
    // The script of the words that follow.
    let mut script = katakana;
    if katakana
        && at
            .checked_sub(1)
            .is_some_and(|before| is_katakana(chars[before]))
    {
        return None;
    }
    let mut found = Vec::new();
    let mut end = at;
    loop {
        let said = |script: bool| {
            SPOKEN.iter().find(|(word, _)| {
                word.chars().enumerate().all(|(offset, wanted)| {
                    chars.get(end + offset).is_some_and(|&c| {
                        (c == 'ー' || is_katakana(c) == script) && to_katakana(c) == wanted
                    })
                })
            })
        };
        let mut word = said(script);
        // 「ゼロななさんご」: speech recognition changes the script inside a number. One letter (に, ご) is
        // rather a particle.
        if word.is_none() && script {
            word = said(false).filter(|(word, _)| word.chars().count() > 1);
            script = word.is_none();
        }
        // 「ゼロ九ゼロ」
        let written = chars.get(end).copied().and_then(kanji_digit);
        let (length, digit) = match (word, written) {
            (Some((word, digit)), _) => (word.chars().count(), *digit),
            (None, Some(digit)) if katakana => (1, char::from_digit(digit, 10).unwrap_or('0')),
            _ => break,
        };
        found.push(Unit {
            c: digit,
            start: end,
            end: end + length,
            said: true,
        });
        end += length;
    }
    let whole = !script || !chars.get(end).is_some_and(|&c| is_katakana(c));
    // The second group of a number may be short (「ロクニの」), the first may not.
    let goes_on = units
        .iter()
        .rev()
        .find(|unit| !matches!(unit.c, ' ' | 'の' | '、' | '-'))
        .is_some_and(|unit| unit.said);
    let joined = units.last().is_some_and(|unit| unit.c == 'の');
    let zero = found.len() == 2 && found[0].c == '0' && first == 'ゼ';
    if whole
        && (found.len() >= 3
            || katakana && zero
            || (katakana || joined) && goes_on && found.len() >= 2)
    {
        units.extend(found);
        return Some(end);
    }
    None
}

/// Joins groups: blanks around hyphens go, の and ・ between digits become hyphens.
fn join(text: &Text, units: &[Unit], scanned: bool) -> Vec<Unit> {
    let digit = |index: usize| {
        units
            .get(index)
            .is_some_and(|unit: &Unit| unit.c.is_ascii_digit())
    };
    let said = |index: usize| units.get(index).is_some_and(|unit| unit.said);
    let blank = |index: usize| {
        units.get(index).is_some_and(|unit| unit.c == ' ') && {
            let raw = text.raw(units[index].start);
            raw != Some('\t') && (scanned || raw != Some('　'))
        }
    };
    let mut out: Vec<Unit> = Vec::with_capacity(units.len());
    let mut at = 0;
    while at < units.len() {
        let unit = units[at];
        let after_digit = out.last().is_some_and(|last| last.c.is_ascii_digit());
        if !after_digit || unit.c.is_ascii_digit() {
            out.push(unit);
            at += 1;
            continue;
        }
        let mut next = at;
        while next - at < 2 && blank(next) {
            next += 1;
        }
        let blanks = next - at;
        let joint = units.get(next).map_or(' ', |unit| unit.c);
        if is_hyphen(joint) || matches!(joint, '・' | 'の' | '、') {
            let mut after = next + 1;
            if joint == 'の' && units.get(after).is_some_and(|unit| unit.c == '、') {
                after += 1;
            }
            let from = after;
            while after - from < 2 && blank(after) {
                after += 1;
            }
            if matches!(joint, 'の' | '、')
                && let Some(unit) = units.get(after)
            {
                let skipped = filler(text, unit.start);
                let behind = unit.start + skipped;
                after += units[after..]
                    .iter()
                    .take_while(|unit| unit.start < behind)
                    .count();
            }
            let spoken = at.checked_sub(1).is_some_and(said) && said(after);
            let takes = digit(after)
                && match joint {
                    '、' => spoken,
                    '・' => blanks == 0 && after == from,
                    'の' => blanks == 0 || spoken,
                    _ => true,
                };
            if takes {
                out.push(Unit {
                    c: '-',
                    start: unit.start,
                    end: units[after - 1].end,
                    said: false,
                });
                at = after;
                continue;
            }
        } else if blanks == 1 && digit(next) && text.raw(unit.start) != Some('　') {
            // 「4 4 1 0」: single digits set apart; in scanned text any blank inside a number.
            let single = |index: usize| digit(index) && !digit(index + 1);
            let lone_before =
                !(out.len() >= 2 && out[out.len() - 2].c.is_ascii_digit()) || out_is_spaced(&out);
            let chain = lone_before
                && single(next)
                && (units.get(next + 1).is_some_and(|u| u.c == ' ') && digit(next + 2)
                    || out_is_spaced(&out));
            if scanned || chain {
                at = next;
                continue;
            }
        }
        out.push(unit);
        at += 1;
    }
    out
}

/// Whether the last two units were set apart by a blank that is gone.
fn out_is_spaced(out: &[Unit]) -> bool {
    matches!(out, [.., before, last]
        if before.c.is_ascii_digit() && last.c.is_ascii_digit() && before.end < last.start)
}

/// Leaves readable what only says what number it is, or how the sentence goes on; nothing when that is all
/// there is.
pub(crate) fn bare(text: &Text, mut candidate: Candidate) -> Option<Candidate> {
    if !matches!(
        candidate.label,
        Label::IdNumber | Label::OtherId | Label::Account
    ) || matches!(candidate.source, Source::Register | Source::Manual)
    {
        return Some(candidate);
    }
    while let Some(length) = WORDS
        .number_heads
        .starts(text, candidate.start)
        .filter(|&length| is_head(text, &candidate, length))
    {
        candidate.start += length;
        while candidate.start + 1 < candidate.end && text.at(candidate.start) == Some(' ') {
            candidate.start += 1;
        }
    }
    let found = text.slice(candidate.start, candidate.end);
    if let Some(heading) = PATTERNS.number_heading.find(found)
        && found[heading.end()..].contains(|c: char| c.is_ascii_digit())
    {
        candidate.start = text.index_at(text.byte(candidate.start) + heading.end());
    }
    let found = text.slice(candidate.start, candidate.end);
    if let Some(tail) = PATTERNS.after_number.find(found)
        && (tail.start() == 0 || found[..tail.start()].chars().any(|c| c.is_ascii_digit()))
    {
        candidate.end = text.index_at(text.byte(candidate.start) + tail.start());
        while candidate.end > candidate.start && text.before(candidate.end) == Some(' ') {
            candidate.end -= 1;
        }
    }
    // 「保健福」, left over from what another rule took.
    let words = text.chars[candidate.start..candidate.end]
        .iter()
        .all(|&c| is_kanji(c) && !is_numeral(c));
    (candidate.start < candidate.end && !words).then_some(candidate)
}

/// Whether the word of `length` at the candidate's start is its heading and not the begin of an
/// identifier (「IDOL77」).
fn is_head(text: &Text, candidate: &Candidate, length: usize) -> bool {
    let end = candidate.start + length;
    let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    end <= candidate.end && !(end < candidate.end && latin(text.before(end)) && latin(text.at(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> String {
        Figures::new(&Text::new(text, None).unwrap()).string
    }

    #[test]
    fn said_and_misread_digits_become_digits() {
        for (given, wanted) in [
            ("〇九〇の一二三四の五六七八", "090-1234-5678"),
            ("昭和三十二年の十一月二日", "昭和32年の11月2日"),
            (
                "ゼロサンの、ロクニイイチゴの、ナナハチキュウゼロ",
                "03-6215-7890",
            ),
            ("ぜろきゅうぜろの", "090の"),
            ("ぜろきゅーぜろいちにいさん", "090123"),
            ("ゼロななさんごのさんななのはちにろくきゅう", "0735-37-8269"),
            ("ゼロキューゼロに電話", "090に電話"),
            ("人のさんぽ、庭のいちご", "人のさんぽ、庭のいちご"),
            ("4O3-OO1l", "403-0011"),
            ("口座 1 2 3 4 5 6 7 です", "口座 1234567 です"),
            ("045 - 123 - 4567", "045-123-4567"),
            ("082・123・4567", "082-123-4567"),
            ("ゼロ九ゼロ 三三五一 二零六八", "090 3351 2068"),
            ("0123の 45の えー 6789", "0123-45-6789"),
            ("0123の45の、えっと、6789です", "0123-45-6789です"),
            ("O 1 2 3-4 5-6 7 O l", "0123-45-6701"),
            ("血液型 O 5 人", "血液型 O 5 人"),
            ("3のあの人", "3のあの人"),
            ("イチゴとサンゴ", "イチゴとサンゴ"),
            ("IDとOLが12人", "IDとOLが12人"),
            ("5 月 1 日", "5 月 1 日"),
        ] {
            assert_eq!(view(given), wanted, "{given}");
        }
    }

    #[test]
    fn places_lead_back() {
        let text = Text::new("番号は〇三の一二", None).unwrap();
        let figures = Figures::new(&text);
        let at = figures.string.find("03-12").unwrap();
        assert_eq!(figures.locate(at, at + 5), (3, 8));
    }
}
