//! What stands beside a found name: the next of a list of family members, the birth date after it.

use crate::patterns::PATTERNS;
use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

/// So many rooms make a list of residents; fewer numbers before names may be anything.
const ROOMS: usize = 3;

pub(crate) fn find(text: &Text, kept: &[Candidate]) -> Vec<Candidate> {
    let mut out = rooms(text, kept);
    for candidate in kept
        .iter()
        .filter(|candidate| candidate.label == Label::Person)
    {
        birth_date(text, candidate, &mut out);
        next_in_list(text, candidate.end, &mut out);
    }
    out
}

/// 「101 架空太郎」「102 …」「103 …」: in a list of residents the number before a name is the room.
fn rooms(text: &Text, kept: &[Candidate]) -> Vec<Candidate> {
    let found: Vec<Candidate> = kept
        .iter()
        .filter(|candidate| candidate.label == Label::Person)
        .filter_map(|person| {
            let before = PATTERNS
                .room_before_name
                .captures(text.head(person.start))?;
            let room = before.name("x")?;
            Some(Candidate::new(
                text.index_at(room.start()),
                text.index_at(room.end()),
                Label::Address,
                0.7,
                Source::Rule,
            ))
        })
        .collect();
    if found.len() < ROOMS {
        return Vec::new();
    }
    found
}

/// 「対象者 架空 太郎 昭和45年1月2日」: a full date right after a name without an honorific.
fn birth_date(text: &Text, person: &Candidate, out: &mut Vec<Candidate>) {
    let mut end = person.end;
    // The reading in brackets and the honorific stand between.
    if let Some(length) = WORDS.honorifics.starts(text, end) {
        end += length;
    }
    if text.at(end) == Some('(')
        && let Some(close) = (end..text.len().min(end + 16)).find(|&at| text.chars[at] == ')')
        && text.chars[end + 1..close]
            .iter()
            .all(|&c| is_hiragana(c) || is_katakana(c) || c == ' ')
    {
        end = close + 1;
    }
    if !matches!(text.at(end), Some(' ' | '(' | '、' | ',')) {
        return;
    }
    let Some(found) = PATTERNS
        .date_after_name
        .captures(text.tail(end))
        .and_then(|captures| captures.name("x"))
    else {
        return;
    };
    let offset = text.byte(end);
    let (start, stop) = (
        text.index_at(offset + found.start()),
        text.index_at(offset + found.end()),
    );
    // A date of contact is followed by what was done; a birth date ends its field.
    let closed = text
        .tail(stop)
        .trim_start_matches(['日', '生'])
        .chars()
        .next()
        .is_none_or(|c| matches!(c, ' ' | '\n' | '(' | ')' | '、' | ','));
    if closed {
        out.push(Candidate::new(
            start,
            stop,
            Label::Birthdate,
            0.7,
            Source::Rule,
        ));
    }
}

/// 「長男太郎(小6)・花子(小4)」「太郎さんと花子さん」
fn next_in_list(text: &Text, end: usize, out: &mut Vec<Candidate>) {
    let Some(found) = PATTERNS.next_name.find(text.tail(end)) else {
        return;
    };
    let start = text.index_at(text.byte(end) + found.end());
    let start = crate::model::skip_cues(text, start, text.len());
    let Some(first) = text.at(start) else { return };
    let class: fn(char) -> bool = if is_kanji(first) {
        is_kanji
    } else if is_katakana(first) {
        is_katakana
    } else if is_hiragana(first) {
        is_hiragana
    } else {
        return;
    };
    let mut stop = start;
    while stop - start < 6 && text.at(stop).is_some_and(class) {
        stop += 1;
    }
    let grade = text.at(stop) == Some('(')
        && (text.at(stop + 1).is_some_and(|c| c.is_ascii_digit())
            || WORDS.grades.starts(text, stop + 1).is_some());
    let name = text.slice(start, stop);
    if grade
        && (1..=4).contains(&(stop - start))
        && !WORDS.not_names.contains(name)
        && !WORDS.kinship.contains(name)
        && !WORDS.roles.contains(name)
    {
        out.push(Candidate::new(
            start,
            stop,
            Label::Person,
            0.65,
            Source::Rule,
        ));
        next_in_list(text, stop, out);
    }
}
