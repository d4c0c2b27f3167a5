//! Plain text as recorders, meeting tools and people write it.

use std::sync::LazyLock;

use regex::Regex;

use super::{Parsed, clock_time};
use crate::transcript::{Format, Utterance};

const TIME: &str = r"[\[(（【<]?(?P<time>[0-9０-９]{1,2}[:：][0-9０-９]{2}(?:[:：][0-9０-９]{2})?(?:[.,][0-9]{1,3})?)[\])）】>]?";

fn pattern(text: String) -> Option<Regex> {
    Regex::new(&text).ok()
}

/// `話者1 00:01`, `00:01 話者1`, `氏名\t00:01:02`.
static HEAD: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        format!(r"^(?P<who>[^\s:：。、][^:：。、\t]{{0,28}}?)[ \t　]*{TIME}\s*$"),
        format!(r"^{TIME}[ \t　]+(?P<who>[^:：。、\t]{{1,28}}?)\s*[:：]?\s*$"),
    ]
    .into_iter()
    .filter_map(pattern)
    .collect()
});

/// `参加者 1 00:01 発話`, `[00:01] 話者: 発話`, `00:01 発話`.
static INLINE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        format!(r"^{TIME}[ \t　]*(?P<who>[^\s:：。、「][^:：。、「\t]{{0,28}}?)[ \t　]*(?:[:：]\s*|\t)(?P<text>.+)$"),
        format!(r"^(?P<who>[^\s:：。、「][^:：。、「\t]{{0,28}}?)[ \t　]*{TIME}[ \t　]*[:：]?[ \t　]*(?P<text>.+)$"),
        format!(r"^{TIME}[ \t　]+(?P<text>.+)$"),
    ]
    .into_iter()
    .filter_map(pattern)
    .collect()
});

/// `相談員：発話`, `相談員「発話」`.
static LABELLED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"^[・●○◆■]?\s*(?P<who>[^\s:：。、「」][^:：。、「」\t]{0,18}?)\s*[:：]\s*(?P<text>.+)$"
            .to_owned(),
        r"^[・●○◆■]?\s*(?P<who>[^\s:：。、「」]{1,14})[ 　]?「(?P<text>.+)」?$".to_owned(),
    ]
    .into_iter()
    .filter_map(pattern)
    .collect()
});

fn first_match<'t>(patterns: &[Regex], line: &'t str) -> Option<regex::Captures<'t>> {
    patterns
        .iter()
        .find_map(|p| p.captures(line).filter(|c| sensible(c, line)))
}

/// A time is a time, and `00:01` is not a speaker 0 at 0:01.
fn sensible(found: &regex::Captures<'_>, line: &str) -> bool {
    let time = found
        .name("time")
        .is_none_or(|t| clock_time(t.as_str()).is_some());
    let digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let torn = found
        .name("who")
        .is_some_and(|w| w.as_str().ends_with(digit) && line[w.end()..].starts_with(digit));
    time && !torn
}

fn time_of(found: &regex::Captures<'_>) -> Option<f64> {
    found.name("time").and_then(|t| clock_time(t.as_str()))
}

fn who_of(found: &regex::Captures<'_>) -> Option<String> {
    found.name("who").map(|w| w.as_str().trim().to_owned())
}

pub(super) fn parse(text: &str) -> Parsed {
    let lines: Vec<&str> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .collect();
    let filled: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !line.is_empty())
        .collect();
    let count = |patterns: &[Regex]| {
        filled
            .iter()
            .filter(|line| first_match(patterns, line).is_some())
            .count()
    };
    let heads = count(&HEAD);
    let inline = filled
        .iter()
        .filter(|line| first_match(&HEAD, line).is_none() && first_match(&INLINE, line).is_some())
        .count();
    let labelled = count(&LABELLED);
    if heads >= 1 && heads * 4 >= filled.len() && heads >= inline {
        return (Format::TxtBlock, blocks(&lines));
    }
    if inline >= 1 && inline * 2 >= filled.len() {
        return (Format::TxtInline, rows(&filled, &INLINE));
    }
    if labelled >= 2 && labelled * 2 >= filled.len() {
        return (Format::TxtInline, rows(&filled, &LABELLED));
    }
    let plain = filled
        .iter()
        .map(|line| Utterance {
            speaker: None,
            start: None,
            end: None,
            text: (*line).to_owned(),
        })
        .collect();
    (Format::TxtPlain, plain)
}

/// What stands before the first speaker is a title, not speech.
fn blocks(lines: &[&str]) -> Vec<Utterance> {
    let mut utterances: Vec<Utterance> = Vec::new();
    for line in lines {
        if let Some(found) = first_match(&HEAD, line) {
            utterances.push(Utterance {
                speaker: who_of(&found),
                start: time_of(&found),
                end: None,
                text: String::new(),
            });
        } else if !line.is_empty()
            && let Some(last) = utterances.last_mut()
        {
            if !last.text.is_empty() {
                last.text.push('\n');
            }
            last.text.push_str(line);
        }
    }
    utterances
}

/// A line without a head goes on with the one before.
fn rows(lines: &[&str], patterns: &[Regex]) -> Vec<Utterance> {
    let mut utterances: Vec<Utterance> = Vec::new();
    for line in lines {
        if let Some(found) = first_match(patterns, line) {
            let text = found
                .name("text")
                .map_or("", |t| t.as_str())
                .trim()
                .trim_end_matches('」');
            utterances.push(Utterance {
                speaker: who_of(&found),
                start: time_of(&found),
                end: None,
                text: text.to_owned(),
            });
        } else if let Some(last) = utterances.last_mut() {
            last.text.push('\n');
            last.text.push_str(line);
        }
    }
    utterances
}
