//! What stands beside a found name: the next of a list of family members, the birth date after it.

use std::sync::LazyLock;

use regex::Regex;

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^[ (、,]{0,3}((?:明治|大正|昭和|平成|令和|[MTSHR明大昭平令])[ .]?(?:元|[0-9]{1,2})(?:年 ?[0-9]{1,2}月 ?[0-9]{1,2}日|[./・-][0-9]{1,2}[./・-][0-9]{1,2})|(?:19|20)[0-9]{2}(?:年 ?[0-9]{1,2}月 ?[0-9]{1,2}日|[./-][0-9]{1,2}[./-][0-9]{1,2}))")
        .expect("sequences: date")
});

#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static NEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(?:さん|くん|君|ちゃん|様|氏)?(?:\\([^)\\n]{1,12}\\))?(?:さん|くん|君|ちゃん|様|氏)?[、・,/ と]{1,2}").expect("sequences: next")
});

pub(crate) fn find(text: &Text, kept: &[Candidate]) -> Vec<Candidate> {
    let mut out = Vec::new();
    for candidate in kept
        .iter()
        .filter(|candidate| candidate.label == Label::Person)
    {
        birth_date(text, candidate, &mut out);
        next_in_list(text, candidate.end, &mut out);
    }
    out
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
    let Some(found) = DATE
        .captures(text.tail(end))
        .and_then(|captures| captures.get(1))
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
    let Some(found) = NEXT.find(text.tail(end)) else {
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
    let grade = text.tail(stop).strip_prefix('(').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            || ["小", "中", "高", "年", "長", "次", "幼", "保"]
                .iter()
                .any(|mark| rest.starts_with(mark))
    });
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
