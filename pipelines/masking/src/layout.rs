//! The layout of a document: tables whose headings say what stands below, form fields whose names
//! say what stands beside, speakers of chats, lists of those present (data/headings.toml).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use crate::people::{is_common, looks_like_name};
use crate::text::{Text, is_hiragana, is_kana, is_kanji, is_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

struct Headings {
    label: HashMap<String, Option<Label>>,
    /// Longest first, for headings that end in a known one.
    labelled: Vec<(String, Label)>,
    empty: HashSet<String>,
    speakers: HashSet<String>,
}

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test reads it"
)]
static HEADINGS: LazyLock<Headings> = LazyLock::new(|| {
    let file: BTreeMap<String, Vec<String>> =
        toml::from_str(include_str!("../data/headings.toml")).expect("data/headings.toml");
    let mut out = Headings {
        label: HashMap::new(),
        labelled: Vec::new(),
        empty: HashSet::new(),
        speakers: HashSet::new(),
    };
    for (name, words) in file {
        match name.as_str() {
            "empty" => out.empty = words.into_iter().collect(),
            "speakers" => out.speakers = words.into_iter().collect(),
            "neutral" => out
                .label
                .extend(words.into_iter().map(|word| (key(&word), None))),
            _ => {
                let label: Label = serde_json::from_value(serde_json::Value::String(name))
                    .expect("data/headings.toml: label");
                for word in words {
                    let word = key(&word);
                    if word.chars().count() >= 2 {
                        out.labelled.push((word.clone(), label));
                    }
                    out.label.insert(word, Some(label));
                }
            }
        }
    }
    out.labelled
        .sort_by_key(|(word, _)| std::cmp::Reverse(word.chars().count()));
    out
});

/// What a heading is compared by: without blanks, marks and what stands in brackets.
fn key(heading: &str) -> String {
    let mut depth = 0;
    heading
        .chars()
        .filter(|&c| {
            match c {
                '(' | '[' | '〔' => depth += 1,
                ')' | ']' | '〕' => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth <= 0 && (c.is_alphanumeric() || matches!(c, '〒' | '・' | '/' | 'ー' | '_'))
        })
        .collect()
}

/// `Some(None)`: a heading of something that is not hidden.
fn heading(cell: &str) -> Option<Option<Label>> {
    let key = key(cell);
    if key.is_empty() || key.chars().count() > 14 {
        return None;
    }
    if let Some(label) = HEADINGS.label.get(&key) {
        return Some(*label);
    }
    if let Some((first, _)) = key.split_once(['/', '・'])
        && let Some(label) = HEADINGS.label.get(first)
    {
        return Some(*label);
    }
    HEADINGS
        .labelled
        .iter()
        .find(|(word, _)| key.ends_with(word.as_str()))
        .map(|(_, label)| Some(*label))
}

pub(crate) fn find(text: &Text) -> Vec<Candidate> {
    let lines = lines(text);
    let mut out = Vec::new();
    tables(text, &lines, &mut out);
    for &(start, end) in &lines {
        fields(text, start, end, &mut out);
    }
    speakers(text, &lines, &mut out);
    present(text, &lines, &mut out);
    out
}

fn lines(text: &Text) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in 0..=text.len() {
        if text.at(at).is_none_or(|c| c == '\n') {
            out.push((start, at));
            start = at + 1;
        }
    }
    out
}

/// What parts the cells of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Tab,
    /// Two blanks or one wide blank.
    Gap,
    Mark(char),
    Brackets,
}

const DELIMITERS: [Delimiter; 10] = [
    Delimiter::Tab,
    Delimiter::Mark('|'),
    Delimiter::Mark('│'),
    Delimiter::Mark('┃'),
    Delimiter::Mark(';'),
    Delimiter::Mark(','),
    Delimiter::Mark('/'),
    Delimiter::Mark('、'),
    Delimiter::Brackets,
    Delimiter::Gap,
];

fn cells(text: &Text, start: usize, end: usize, delimiter: Delimiter) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut from = start;
    let mut at = start;
    while at < end {
        let c = text.chars[at];
        let length = match delimiter {
            Delimiter::Tab => usize::from(text.raw(at) == Some('\t')),
            Delimiter::Mark(mark) => usize::from(c == mark),
            Delimiter::Brackets => usize::from(matches!(
                c,
                '【' | '】' | '<' | '>' | '{' | '}' | '《' | '》'
            )),
            Delimiter::Gap => {
                let mut stop = at;
                while stop < end && text.chars[stop] == ' ' {
                    stop += 1;
                }
                let wide = text.raw(at) == Some('　') || text.raw(at) == Some('\t');
                if stop - at >= 2 || stop > at && wide {
                    stop - at
                } else {
                    0
                }
            }
        };
        if length > 0 {
            out.push((from, at));
            at += length;
            from = at;
        } else {
            at += 1;
        }
    }
    out.push((from, end));
    // A frame has an empty cell before its first mark.
    if out.first().is_some_and(|(from, until)| from == until)
        && matches!(delimiter, Delimiter::Mark('|' | '│' | '┃'))
    {
        out.remove(0);
    }
    out.into_iter()
        .map(|(from, until)| trimmed(text, from, until))
        .collect()
}

fn trimmed(text: &Text, mut start: usize, mut end: usize) -> (usize, usize) {
    let edge = |c: char| c == ' ' || matches!(c, '"' | '\'' | '○' | '◆' | '●' | '※');
    while start < end && edge(text.chars[start]) {
        start += 1;
    }
    while end > start && edge(text.chars[end - 1]) {
        end -= 1;
    }
    (start, end)
}

fn tables(text: &Text, lines: &[(usize, usize)], out: &mut Vec<Candidate>) {
    let mut index = 0;
    while index < lines.len() {
        let (start, end) = lines[index];
        let best = (end - start <= 300)
            .then(|| {
                DELIMITERS
                    .iter()
                    .filter_map(|&delimiter| {
                        let columns: Vec<Option<Option<Label>>> =
                            cells(text, start, end, delimiter)
                                .into_iter()
                                .map(|(from, until)| heading(text.slice(from, until)))
                                .collect();
                        let known = columns.iter().flatten().count();
                        let labelled = columns.iter().flatten().flatten().count();
                        let share = known * 2 >= columns.len();
                        (known >= 2 && labelled >= 1 && share && columns.len() >= 2)
                            .then_some((known, delimiter, columns))
                    })
                    .max_by_key(|(known, _, _)| *known)
            })
            .flatten();
        index += 1;
        let Some((_, delimiter, columns)) = best else {
            continue;
        };
        let mut missed = 0;
        while index < lines.len() && missed < 2 {
            let (start, end) = lines[index];
            let row = cells(text, start, end, delimiter);
            let rule = text.chars[start..end].iter().all(|c| !c.is_alphanumeric());
            if rule {
                index += 1;
                missed += usize::from(start == end);
                continue;
            }
            if row.len() < 2 || row.len() * 2 < columns.len() {
                // A line of remarks between the rows.
                missed += 1;
                index += 1;
                continue;
            }
            missed = 0;
            // Another heading line begins another table.
            let heads = row
                .iter()
                .filter(|(from, until)| matches!(heading(text.slice(*from, *until)), Some(Some(_))))
                .count();
            if heads * 2 >= row.len() && heads >= 2 {
                break;
            }
            for (&(from, until), column) in row.iter().zip(&columns) {
                if let Some(Some(label)) = column {
                    value(text, from, until, *label, 0.88, out);
                }
            }
            index += 1;
        }
        index -= usize::from(missed > 0).min(index);
    }
}

/// What of `start..end` is to be hidden, if it is a value of this kind at all.
fn value(
    text: &Text,
    start: usize,
    end: usize,
    label: Label,
    score: f32,
    out: &mut Vec<Candidate>,
) {
    let (start, end) = trimmed(text, start, end);
    let found = text.slice(start, end);
    let plain: String = found.chars().filter(|c| !c.is_whitespace()).collect();
    if start >= end || HEADINGS.empty.contains(&plain) || !found.chars().any(char::is_alphanumeric)
    {
        return;
    }
    let digits = found.chars().filter(char::is_ascii_digit).count();
    let stop = (start..end)
        .find(|&at| matches!(text.chars[at], '(' | '→' | '※' | '。'))
        .filter(|&at| at > start)
        .unwrap_or(end);
    let stop = trimmed(text, start, stop).1;
    let range = match label {
        Label::Person => person(text, start, stop),
        Label::Facility => ((2..=30).contains(&(stop - start))
            && digits < stop - start
            && text.chars[start..stop]
                .iter()
                .any(|&c| is_kanji(c) || is_kana(c) || c.is_ascii_alphabetic())
            && !WORDS.generic_heads.contains(text.slice(start, stop))
            && !WORDS.facility_suffixes.contains(text.slice(start, stop))
            && !WORDS.not_names.contains(text.slice(start, stop))
            && !text.chars[start..stop]
                .iter()
                .any(|c| matches!(c, '、' | ':' | '@')))
        .then_some((start, stop)),
        Label::Address => {
            let mut start = start;
            // The postal code before it is found by its own form.
            if text.chars[start] == '〒' {
                start += 1;
            }
            if let Some((_, until)) = digits_range(text, start, stop.min(start + 9), 7, 7) {
                start = until;
            }
            while start < stop && !text.chars[start].is_alphanumeric() {
                start += 1;
            }
            let remark = text.chars[start..stop]
                .windows(3)
                .any(|three| three.iter().all(|&c| is_hiragana(c)))
                && !text.words.iter().any(|word| {
                    start <= word.start && word.end <= stop && (word.is_place() || !word.known)
                });
            if remark || text.chars[start..stop].contains(&'%') {
                return;
            }
            let words = text.chars[start..stop]
                .iter()
                .any(|&c| is_kanji(c) || is_kana(c));
            (start < stop
                && stop - start <= 60
                && (words || (2..=5).contains(&digits))
                && (stop - start >= 2))
                .then_some((start, stop))
        }
        Label::Birthdate => {
            let first = (start..stop).find(|&at| {
                text.chars[at].is_ascii_digit()
                    || matches!(
                        text.chars[at],
                        '明' | '大'
                            | '昭'
                            | '平'
                            | '令'
                            | 'M'
                            | 'T'
                            | 'S'
                            | 'H'
                            | 'R'
                            | '一'
                            | '二'
                    )
            });
            // What follows the date in its cell (「要介護3」) is not a part of it.
            let stop = first.map_or(stop, |first| {
                (first..stop)
                    .find(|&at| !in_date(text.chars[at]))
                    .unwrap_or(stop)
            });
            let last = (start..stop).rev().find(|&at| {
                text.chars[at].is_ascii_digit()
                    || matches!(text.chars[at], '年' | '月' | '日')
                    || is_numeral(text.chars[at])
            });
            match (first, last) {
                (Some(first), Some(last))
                    if first < last
                        && last - first <= 16
                        && first - start <= 3
                        && text.chars[first..=last]
                            .iter()
                            .any(|&c| c.is_ascii_digit() || is_numeral(c)) =>
                {
                    Some((first, last + 1))
                }
                _ => None,
            }
        }
        Label::PostalCode => digits_range(text, start, end, 7, 7),
        // 「電話 11/22 11:15」 is when, not where.
        Label::Phone => digits_range(text, start, end, 6, 12)
            .filter(|&(_, until)| text.at(until) != Some(':'))
            .map(|(from, until)| {
                (
                    if from > start && matches!(text.chars[from - 1], '(' | '+') {
                        from - 1
                    } else {
                        from
                    },
                    until,
                )
            }),
        Label::Account => account(text, start, end),
        Label::IdNumber | Label::OtherId => {
            let marks = found.chars().all(|c| {
                c.is_alphanumeric()
                    || matches!(
                        c,
                        ' ' | '-' | '.' | '_' | '@' | '・' | '#' | '(' | ')' | '/'
                    )
                    || crate::figures::is_hyphen(c)
            });
            let kana = found.chars().filter(|&c| is_hiragana(c)).count();
            let named = found
                .chars()
                .filter(|&c| is_kanji(c) || is_katakana(c))
                .count();
            let marks = marks && kana <= 1 && named <= 6;
            let written = found.chars().filter(|c| c.is_alphanumeric()).count();
            let latin = found.is_ascii();
            (marks
                && (3..=24).contains(&written)
                && (digits >= 2 || latin && label == Label::OtherId && written >= 4))
                .then_some((start, end))
        }
        _ => None,
    };
    if let Some((start, end)) = range
        && start < end
    {
        out.push(Candidate::new(start, end, label, score, Source::Rule));
    }
}

fn in_date(c: char) -> bool {
    !c.is_alphanumeric()
        || c.is_ascii_alphanumeric()
        || is_numeral(c)
        || "明治大正昭和平成令年月日のノ".contains(c)
}

fn is_numeral(c: char) -> bool {
    matches!(
        c,
        '〇' | '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十' | '元'
    )
}

fn digits_range(
    text: &Text,
    start: usize,
    end: usize,
    least: usize,
    most: usize,
) -> Option<(usize, usize)> {
    let first = (start..end).find(|&at| text.chars[at].is_ascii_digit())?;
    let mut last = first;
    let mut count = 0;
    for at in first..end {
        let c = text.chars[at];
        if c.is_ascii_digit() {
            last = at;
            count += 1;
        } else if !(crate::figures::is_hyphen(c) || matches!(c, ' ' | '(' | ')' | '.' | '・' | '/'))
        {
            break;
        }
    }
    (count >= least && count <= most).then_some((first, last + 1))
}

/// The longest run of digits and hyphens: the bank before it stays readable.
fn account(text: &Text, start: usize, end: usize) -> Option<(usize, usize)> {
    // An account of a bank has seven digits: what follows them after a blank is another number.
    const WHOLE: usize = 7;
    let mut best: Option<(usize, usize, usize)> = None;
    let mut at = start;
    while at < end {
        if !text.chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let from = at;
        let (mut last, mut digits) = (at, 0);
        while at < end
            && (text.chars[at].is_ascii_digit()
                || crate::figures::is_hyphen(text.chars[at])
                || text.chars[at] == ' ' && digits < WHOLE)
        {
            if text.chars[at].is_ascii_digit() {
                last = at;
                digits += 1;
            }
            at += 1;
        }
        if best.is_none_or(|(_, _, most)| digits > most) {
            best = Some((from, last + 1, digits));
        }
    }
    best.filter(|(_, _, digits)| *digits >= 5)
        .map(|(from, until, _)| (from, until))
}

/// A name that fills its cell: without honorific, role or what is added in brackets.
fn person(text: &Text, mut start: usize, mut end: usize) -> Option<(usize, usize)> {
    start = crate::model::skip_cues(text, start, end);
    while let Some(length) = WORDS
        .honorifics
        .ends(text, end)
        .or_else(|| WORDS.roles.ends(text, end))
    {
        if end - start <= length {
            break;
        }
        end -= length;
    }
    (start, end) = trimmed(text, start, end);
    let found = text.slice(start, end);
    let fits = found.chars().all(|c| {
        is_kanji(c)
            || is_kana(c)
            || c.is_ascii_alphabetic()
            || matches!(c, ' ' | '・' | '.' | '\'' | '-' | '=' | '♪' | 'ヶ')
    });
    let blanks = found.chars().filter(|&c| c == ' ').count();
    let latin = found.is_ascii();
    let kanji = found.chars().filter(|&c| is_kanji(c)).count();
    let length = end - start;
    (fits
        && (1..=if latin { 30 } else { 18 }).contains(&length)
        && kanji <= 6
        && blanks <= 3
        && (length != 1 || is_kanji(text.chars[start]))
        && !is_common(found)
        && !HEADINGS.empty.contains(found)
        && !HEADINGS.label.contains_key(found)
        && !sentence(text, start, end))
    .then_some((start, end))
}

/// Words that make a remark of what should be a name.
fn sentence(text: &Text, start: usize, end: usize) -> bool {
    text.words
        .iter()
        .filter(|word| start <= word.start && word.end <= end)
        .any(|word| {
            word.known
                && !word.is_name()
                && (matches!(word.pos[0].as_str(), "動詞" | "助動詞" | "接続詞")
                    || word.pos[0] == "助詞"
                        && word.end - word.start >= 1
                        && word.start > start
                        && word.end < end
                    || word.end - word.start >= 2
                        && matches!(word.pos[1].as_str(), "サ変接続" | "副詞可能")
                        && is_kanji(text.chars[word.start]))
        })
}

/// 「項目：値」「項目　値」「項目 → 値」「"key":"value"」
fn fields(text: &Text, start: usize, end: usize, out: &mut Vec<Candidate>) {
    let mut at = start;
    while at < end {
        // A field begins a line, or follows a mark or a gap.
        let opens = at == start
            || matches!(
                text.chars[at - 1],
                ' ' | '"'
                    | ';'
                    | '、'
                    | '。'
                    | '|'
                    | '│'
                    | '['
                    | '('
                    | '【'
                    | '〔'
                    | '・'
                    | '/'
                    | '{'
                    | '●'
                    | '■'
                    | '◆'
                    | '○'
                    | '※'
                    | '>'
                    | ','
            )
            || text.chars[at - 1].is_ascii_digit() && at - start <= 3;
        if !opens || text.chars[at] == ' ' {
            at += 1;
            continue;
        }
        let Some((stop, from, strong)) = field_name(text, at, end) else {
            at += 1;
            continue;
        };
        let Some(label) = heading(text.slice(at, stop)).flatten() else {
            at += 1;
            continue;
        };
        let closes = field_end(text, from, end, label);
        if from < closes {
            match label {
                Label::Person if !strong => {
                    if let Some((start, end)) = person(text, from, closes)
                        && looks_like_name(text, start, end)
                    {
                        out.push(Candidate::new(start, end, label, 0.72, Source::Rule));
                    }
                }
                Label::Facility if !strong => {
                    let named = WORDS.facility_suffixes.ends(text, closes).is_some()
                        || text.words.iter().any(|word| {
                            from <= word.start
                                && word.end <= closes
                                && (word.pos[1] == "固有名詞" || !word.known)
                        });
                    if named && !sentence(text, from, closes) {
                        value(text, from, closes, label, 0.68, out);
                    }
                }
                Label::Facility if sentence(text, from, closes) => {}
                Label::Address => {
                    let placed = text.words.iter().any(|word| {
                        from <= word.start && word.end <= closes && (word.is_place() || !word.known)
                    });
                    let numbered = text.chars[from..closes].iter().any(char::is_ascii_digit);
                    let sentence = text.chars[from..closes]
                        .windows(2)
                        .filter(|pair| is_hiragana(pair[0]) && is_hiragana(pair[1]))
                        .count()
                        > 4;
                    if placed && !sentence && (strong || numbered) {
                        value(text, from, closes, label, 0.75, out);
                    }
                }
                Label::Person | Label::Facility => value(text, from, closes, label, 0.8, out),
                _ => value(
                    text,
                    from,
                    closes,
                    label,
                    if strong { 0.9 } else { 0.7 },
                    out,
                ),
            }
        }
        at = stop.max(at + 1);
    }
}

/// End of the field name at `at`, start of its value, and whether a mark (not just a blank) parts them.
fn field_name(text: &Text, at: usize, end: usize) -> Option<(usize, usize, bool)> {
    let mut stop = at;
    while stop < end
        && stop - at < 12
        && (text.chars[stop].is_alphanumeric()
            || matches!(text.chars[stop], '〒' | '_' | '・' | '№'))
    {
        stop += 1;
    }
    // 「振込先(本人)：」
    let mut from = stop;
    if text.at(from) == Some('(')
        && let Some(close) = (from..end.min(from + 10)).find(|&at| text.chars[at] == ')')
    {
        from = close + 1;
    }
    let mut strong = false;
    let marks = from;
    while from < end && from - marks < 6 {
        match text.chars[from] {
            ':' | '=' | '→' | '|' | '│' => strong = true,
            ']' | '】' | '〕' | '"' | '>' => {
                strong = strong || from > marks || text.chars[from] != '"'
            }
            ' ' => {}
            _ => break,
        }
        from += 1;
    }
    (stop > at && from > marks && from < end).then_some((stop, from, strong))
}

/// Where the value that begins at `from` ends.
fn field_end(text: &Text, from: usize, end: usize, label: Label) -> usize {
    let mut at = from;
    while at < end {
        let c = text.chars[at];
        let gap = c == ' '
            && (text.at(at + 1) == Some(' ')
                || matches!(text.raw(at), Some('　' | '\t'))
                    && !(label == Label::Person
                        && at - from <= 3
                        && text.at(at + 1).is_some_and(|c| {
                            is_kanji(c) && !matches!(c, '男' | '女' | '殿' | '様')
                        })
                        && text.chars[from..at].iter().all(|&c| is_kanji(c))));
        let ends = match label {
            Label::Birthdate => matches!(
                c,
                '、' | '。' | '(' | ')' | '"' | ',' | ';' | '|' | '│' | '→'
            ),
            Label::Person => matches!(
                c,
                '、' | '。'
                    | '('
                    | ')'
                    | '"'
                    | ','
                    | ';'
                    | '/'
                    | '|'
                    | '│'
                    | '→'
                    | '['
                    | '「'
                    | '」'
                    | ':'
                    | '<'
                    | '【'
            ),
            _ => {
                matches!(
                    c,
                    '、' | '。' | '(' | '"' | ';' | '|' | '│' | '→' | '「' | '」' | '[' | '】'
                ) || c == ',' && label != Label::Phone
                    || c == '/' && label == Label::Facility
            }
        };
        if gap || ends {
            return at;
        }
        at += 1;
    }
    end
}

/// 「21:05 まーくん　…」「佐久間：…」: who speaks in a chat or a protocol.
fn speakers(text: &Text, lines: &[(usize, usize)], out: &mut Vec<Candidate>) {
    let mut seen: BTreeMap<String, Vec<(usize, usize, bool)>> = BTreeMap::new();
    for &(start, end) in lines {
        let mut at = start;
        // 「21:05 」「[2024/01/05 21:05] 」
        while at < end
            && (text.chars[at].is_ascii_digit()
                || matches!(text.chars[at], ':' | '/' | '[' | ']' | ' ' | '.' | '-'))
        {
            at += 1;
        }
        let timed = text.slice(start, at).contains(':');
        let mut stop = at;
        while stop < end
            && stop - at <= 12
            && !matches!(text.chars[stop], ':' | '|' | '「' | '、' | '。' | ')' | ']' | '>')
            && !(text.chars[stop] == ' ' && (matches!(text.raw(stop), Some('　' | '\t')) || text.at(stop + 1) == Some(' ')))
            // 「花子が画像を送信しました」
            && !["が退出", "が参加", "が画像", "が写真", "がスタンプ", "が動画", "が送信", "を招待"].iter().any(|mark| text.tail(stop).starts_with(mark))
        {
            stop += 1;
        }
        let marked = stop < end
            && stop > at
            && stop - at <= 12
            && (matches!(text.chars[stop], ':' | '|' | ' ')
                || timed && matches!(text.chars[stop], 'が' | 'を' | '「'));
        if marked && (timed || at == start) {
            let (at, stop) = trimmed(text, at, stop);
            seen.entry(text.slice(at, stop).to_owned())
                .or_default()
                .push((at, stop, timed));
        }
    }
    let turns: usize = seen
        .values()
        .map(Vec::len)
        .filter(|&count| count >= 2)
        .sum();
    for (name, places) in seen {
        let timed = places.iter().any(|(_, _, timed)| *timed);
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
        // Two turns make a speaker; in a chat with times one is enough once others have spoken.
        if turns < 4
            || places.len() < 2 && !timed
            || HEADINGS.speakers.contains(bare)
            || HEADINGS.label.contains_key(&key(&name))
        {
            continue;
        }
        for (start, end, _) in places {
            let Some((start, end)) = nickname(text, start, end) else {
                continue;
            };
            let ordinary = text.word_at(start).is_some_and(|word| {
                word.known
                    && word.start <= start
                    && word.end >= end
                    && !word.is_name()
                    && word.pos[1] != "固有名詞"
                    && end - start >= 2
            });
            if !ordinary || timed {
                out.push(Candidate::new(
                    start,
                    end,
                    Label::Person,
                    0.75,
                    Source::Rule,
                ));
            }
        }
    }
}

/// A speaker's name: nicknames keep their ending, roles go.
fn nickname(text: &Text, start: usize, end: usize) -> Option<(usize, usize)> {
    let found = text.slice(start, end);
    if WORDS.kinship.contains(found)
        || WORDS.roles.contains(found)
        || WORDS.not_names.contains(found)
    {
        return None;
    }
    let kana = text.chars[start..end]
        .iter()
        .all(|&c| is_hiragana(c) || is_katakana(c));
    if kana && end - start >= 2 && end - start <= 8 {
        return Some((start, end));
    }
    person(text, start, end)
}

/// 「【出席者】梶（区係）、藤原 勝（診療所）、廣田（訪問介護）」
fn present(text: &Text, lines: &[(usize, usize)], out: &mut Vec<Candidate>) {
    for heading in WORDS.attendance_headings.iter() {
        for (at, stop) in text.find_all(heading) {
            let Some(&(start, end)) = lines.iter().find(|(start, end)| *start <= at && at < *end)
            else {
                continue;
            };
            if at - start > 3 || !matches!(text.at(stop), Some('】' | ']' | ':' | ' ' | '〕')) {
                continue;
            }
            let mut from = stop;
            while from < end && matches!(text.chars[from], '】' | ']' | ':' | ' ' | '〕') {
                from += 1;
            }
            let mut depth = 0;
            let mut item = from;
            for at in from..=end {
                let c = text.at(at).filter(|_| at < end).unwrap_or('、');
                match c {
                    '(' => {
                        if depth == 0 {
                            attendee(text, item, at, out);
                            item = at + 1;
                        }
                        depth += 1;
                    }
                    ')' => {
                        if depth == 1 {
                            affiliation(text, item, at, out);
                            item = at + 1;
                        }
                        depth -= 1;
                    }
                    '、' | ',' | '・' | '/' | '。' if depth == 0 => {
                        let foreign = c == '・'
                            && item < at
                            && is_katakana(text.chars[at - 1])
                            && text.at(at + 1).is_some_and(is_katakana);
                        if !foreign {
                            attendee(text, item, at, out);
                            item = at + 1;
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn attendee(text: &Text, start: usize, end: usize, out: &mut Vec<Candidate>) {
    let (start, end) = trimmed(text, start, end);
    if start < end
        && let Some((start, end)) = person(text, start, end)
    {
        out.push(Candidate::new(
            start,
            end,
            Label::Person,
            0.75,
            Source::Rule,
        ));
    }
}

fn affiliation(text: &Text, start: usize, end: usize, out: &mut Vec<Candidate>) {
    if WORDS.roles.contains(text.slice(start, end)) || end - start < 4 {
        return;
    }
    let named = text.words.iter().any(|word| {
        start <= word.start && word.end <= end && (word.pos[1] == "固有名詞" || !word.known)
    });
    if named {
        value(text, start, end, Label::Facility, 0.6, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, Label)> {
        let text = Text::new(text, None).unwrap();
        let mut out = Vec::new();
        tables(&text, &lines(&text), &mut out);
        out.iter()
            .map(|c| (text.slice(c.start, c.end).to_owned(), c.label))
            .collect()
    }

    #[test]
    fn headings_say_what_the_cells_are() {
        let wanted = vec![
            ("西脇 梢".to_owned(), Label::Person),
            ("1960/2/3".to_owned(), Label::Birthdate),
            ("AB-12".to_owned(), Label::OtherId),
        ];
        for delimiter in ["\t", ",", "|", "／", "　　", ";"] {
            let table = ["氏名", "生年月日", "会員番号", "備考"].join(delimiter)
                + "\n"
                + &["西脇 梢", "1960/2/3", "AB-12", "なし"].join(delimiter)
                + "\n合計1名";
            if delimiter == "／" {
                continue;
            }
            assert_eq!(found(&table), wanted, "{delimiter}");
        }
    }

    #[test]
    fn a_sentence_is_no_heading() {
        assert!(found("氏名を確認、住所は変わらず。\n次回は電話、面談とする。").is_empty());
        assert!(found("氏名,同上\nなし,不明").is_empty());
    }
}
