//! What the NER model proposes.

use models::{Entity, NerLabel};

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::{WORDS, name_cue_after, name_cue_before};
use crate::{Candidate, Label, Source};

pub(crate) fn find(text: &Text, entities: &[Entity]) -> Vec<Candidate> {
    entities
        .iter()
        .flat_map(|entity| {
            let (Some(start), Some(end)) = (text.fold(entity.start), text.fold(entity.end)) else {
                return Vec::new();
            };
            pieces(text, start, end)
                .into_iter()
                .filter_map(|(start, end)| candidate(text, entity, start, end))
                .collect()
        })
        .collect()
}

/// Numbers have rules of their own: a doubtful one of the model's is a price or an error code.
const NUMBER: f32 = 0.2;
const PHONE_DIGITS: usize = 6;
/// From this score on a word with an honorific is a name, whatever the word list says.
const CALLED: f32 = 0.8;

fn digits(text: &Text, start: usize, end: usize) -> usize {
    text.chars[start..end]
        .iter()
        .filter(|c| c.is_numeric())
        .count()
}

/// The model reads a line break as a space and at times runs over brackets and commas: no name does.
fn pieces(text: &Text, start: usize, end: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut from = start;
    for at in start..=end {
        let cut = at == end
            || matches!(
                text.chars[at],
                '\n' | '、'
                    | '。'
                    | '('
                    | ')'
                    | '「'
                    | '」'
                    | '『'
                    | '』'
                    | '【'
                    | '】'
                    | ':'
                    | ';'
                    | '→'
                    | ','
            );
        if cut {
            if from < at {
                out.push((from, at));
            }
            from = at + 1;
        }
    }
    out
}

fn candidate(text: &Text, entity: &Entity, mut start: usize, mut end: usize) -> Option<Candidate> {
    let label = match entity.label {
        NerLabel::Person => Label::Person,
        NerLabel::Address => Label::Address,
        NerLabel::Facility | NerLabel::Company | NerLabel::Group => Label::Facility,
        // A city's own school or hospital reveals an affiliation; its offices do not.
        NerLabel::PublicBody => {
            WORDS.facility_suffixes.ends(text, end)?;
            Label::Facility
        }
        NerLabel::Phone => Label::Phone,
        NerLabel::Email => Label::Email,
        NerLabel::IdNumber => Label::IdNumber,
        NerLabel::Birthdate => Label::Birthdate,
        NerLabel::PostalCode => Label::PostalCode,
        NerLabel::Account => Label::Account,
        NerLabel::OtherId => Label::OtherId,
        NerLabel::Product | NerLabel::Event => return None,
    };
    // Punctuation at the edges is never part of a name.
    let edge = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '、' | '。' | '(' | ')' | '「' | '」' | ':' | '・' | ',' | '.' | '=' | '→' | '/'
            )
    };
    while start < end && edge(text.chars[start]) {
        start += 1;
    }
    while end > start && edge(text.chars[end - 1]) {
        end -= 1;
    }
    if label == Label::Address {
        // 「○○町のアパート」「○○のほう」: only the place.
        for tail in &WORDS.place_tails {
            if text.slice(start, end).ends_with(tail) {
                end -= tail.chars().count();
            }
        }
    }
    if label == Label::Person {
        while start < end
            && (text.chars[start].is_ascii_digit() || matches!(text.chars[start], ' ' | '/' | '-'))
        {
            start += 1;
        }
        // Honorifics and roles are read, not masked.
        while let Some(length) = WORDS
            .honorifics
            .ends(text, end)
            .or_else(|| WORDS.roles.ends(text, end))
        {
            // Not サン of ハッサン.
            let inside = is_katakana(text.chars[end - length])
                && text.before(end - length).is_some_and(is_katakana);
            if end - start <= length || inside {
                break;
            }
            end -= length;
        }
        start = skip_cues(text, start, end);
    }
    if start >= end {
        return None;
    }
    let found = text.slice(start, end);
    let length = end - start;
    let named = matches!(label, Label::Person | Label::Address | Label::Facility);
    if !named && (entity.score < NUMBER || length == 1) {
        return None;
    }
    // No telephone number is that short: prices and counts are.
    if label == Label::Phone && digits(text, start, end) < PHONE_DIGITS {
        return None;
    }
    // A single character is a name only beside a cue: the model is fond of 「国」「市」「父」.
    let cued = length > 1
        || label == Label::Person
            && is_kanji(text.chars[start])
            && (name_cue_after(text, end) || name_cue_before(text, start));
    if !found.chars().any(char::is_alphabetic) && matches!(label, Label::Person | Label::Facility) {
        return None;
    }
    // 「今さん」「中さん」: a word that mostly is no name, where the model is sure of it.
    let called = label == Label::Person
        && entity.score >= CALLED
        && is_kanji(text.chars[start])
        && WORDS.honorifics.starts(text, end).is_some();
    if (WORDS.not_names.contains(found) && !called)
        || WORDS.kinship.contains(found)
        || WORDS.roles.contains(found)
    {
        return None;
    }
    if label == Label::Facility
        && (WORDS.facility_suffixes.contains(found)
            || WORDS.generic_heads.contains(found)
            || WORDS.facility_prefixes.contains(found))
    {
        return None;
    }
    if cuts_latin(text, start) || cuts_latin(text, end) {
        return None;
    }
    let plausible = cued && is_plausible(text, start, end, label, entity.score);
    Some(Candidate {
        doubted: !plausible,
        ..Candidate::new(start, end, label, entity.score, Source::Model)
    })
}

/// 「妻アナ」「保護司田中」: past kinship words, labels and roles in front of a name.
pub(crate) fn skip_cues(text: &Text, mut start: usize, end: usize) -> usize {
    if start < end && text.chars[start] == 'の' && WORDS.kinship.ends(text, start).is_some() {
        start += 1;
    }
    loop {
        let length = [&WORDS.kinship, &WORDS.roles, &WORDS.name_labels]
            .iter()
            .filter_map(|list| list.starts(text, start))
            .filter(|&length| start + length < end && text.is_boundary(start + length))
            .max();
        let Some(length) = length else { return start };
        start += length;
        while start < end && matches!(text.chars[start], ' ' | '・' | 'の' | '=') {
            start += 1;
        }
    }
}

fn cuts_latin(text: &Text, at: usize) -> bool {
    text.before(at).is_some_and(|c| c.is_ascii_alphabetic())
        && text.at(at).is_some_and(|c| c.is_ascii_alphabetic())
}

/// Whether the dictionary allows what the model says: phrases of everyday words (「岡の上」) are no
/// names unless a cue stands beside them.
fn is_plausible(text: &Text, start: usize, end: usize, label: Label, score: f32) -> bool {
    if !matches!(label, Label::Person | Label::Address | Label::Facility) {
        return true;
    }
    let words: Vec<_> = text
        .words
        .iter()
        .filter(|word| word.start < end && start < word.end)
        .collect();
    let proper = words
        .iter()
        .any(|word| word.pos[1] == "固有名詞" || !word.known);
    let inner = words.iter().any(|word| {
        word.is_particle() || matches!(word.pos[0].as_str(), "動詞" | "形容詞" | "副詞" | "接続詞")
    });
    if label == Label::Person {
        if name_cue_after(text, end) || name_cue_before(text, start) {
            return proper || !inner || text.chars[start..end].iter().all(|&c| !is_kanji(c));
        }
        if text.chars[start..end].iter().all(|&c| is_hiragana(c)) {
            return score >= 0.75
                && !words
                    .iter()
                    .any(|word| word.end - word.start >= 3 && word.known && word.pos[0] == "動詞");
        }
        return (proper && !(inner && words.len() > 2 && score < 0.8)) || (!inner && score >= 0.95);
    }
    let number = text.chars[start..end].iter().any(char::is_ascii_digit);
    let suffix = WORDS.facility_suffixes.ends(text, end).is_some();
    proper
        || number && label == Label::Address
        || suffix && label == Label::Facility && score >= 0.6
        || (!inner && score >= 0.9)
}
