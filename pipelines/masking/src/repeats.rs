//! What was found once is looked for in the whole text: the full name without its space, the
//! surname, the given name, the same facility or address again. Not inside other words.

use std::collections::BTreeMap;

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::{WORDS, name_cue_after, name_cue_before};
use crate::{Candidate, Label, Source};

pub(crate) fn find(text: &Text, kept: &[Candidate]) -> Vec<Candidate> {
    let mut wanted: BTreeMap<(String, Label), (f32, Source)> = BTreeMap::new();
    let mut want = |needle: String, candidate: &Candidate| {
        let best = wanted
            .entry((needle, candidate.label))
            .or_insert((0.0, candidate.source));
        if candidate.score > best.0 {
            *best = (candidate.score, candidate.source);
        }
    };
    for candidate in kept {
        let found = text.slice(candidate.start, candidate.end);
        match candidate.label {
            Label::Person if candidate.person.is_none() => {
                for part in name_parts(text, candidate.start, candidate.end) {
                    want(part, candidate);
                }
            }
            Label::Facility | Label::Address if candidate.end - candidate.start >= 3 => {
                want(found.trim().to_owned(), candidate);
            }
            Label::Phone | Label::Email | Label::IdNumber | Label::Account | Label::OtherId
                if candidate.end - candidate.start >= 5 =>
            {
                want(found.to_owned(), candidate);
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    for ((needle, label), (score, source)) in wanted {
        // A guess is not spread over the whole text.
        if needle.is_empty() || score < 0.5 {
            continue;
        }
        for (start, end) in text.find_all(&needle) {
            if kept
                .iter()
                .any(|candidate| candidate.start <= start && end <= candidate.end)
            {
                continue;
            }
            let accepted = match label {
                Label::Person => is_whole_name(text, start, end),
                Label::Address | Label::Facility => {
                    text.is_boundary(start) && text.is_boundary(end)
                }
                _ => true,
            };
            if accepted {
                out.push(Candidate::new(start, end, label, score * 0.9, source));
            }
        }
    }
    out
}

/// Full name, surname and given name, as far as they can be told apart.
fn name_parts(text: &Text, start: usize, end: usize) -> Vec<String> {
    let whole = text.slice(start, end).to_owned();
    let mut parts = vec![whole.clone()];
    let pieces: Vec<&str> = whole
        .split([' ', '・', '='])
        .filter(|piece| !piece.is_empty())
        .collect();
    if pieces.len() > 1 {
        parts.push(pieces.concat());
        parts.extend(pieces.iter().map(|piece| (*piece).to_owned()));
    } else {
        let words: Vec<_> = text
            .words
            .iter()
            .filter(|word| word.start >= start && word.end <= end)
            .collect();
        if let [surname, rest @ ..] = words.as_slice() {
            let covers = surname.start == start && rest.last().is_some_and(|last| last.end == end);
            if surname.is_surname() && covers {
                parts.push(text.slice(start, surname.end).to_owned());
                parts.push(text.slice(surname.end, end).to_owned());
            }
        }
    }
    parts.retain(|part| {
        !WORDS.not_names.contains(part)
            && !WORDS.kinship.contains(part)
            && !WORDS.roles.contains(part)
    });
    parts
}

/// Whether `start..end` is a name of its own and not part of another word: 森 in 森の中, 林 in 林業,
/// 長野 in 長野市.
pub(crate) fn is_whole_name(text: &Text, start: usize, end: usize) -> bool {
    let first = text.chars[start];
    let last = text.chars[end - 1];
    let before = text.before(start);
    let after = text.at(end);
    let cue_after = name_cue_after(text, end);
    let cue_before = name_cue_before(text, start);
    if is_kanji(first)
        && before.is_some_and(is_kanji)
        && !cue_before
        && !text
            .word_until(start)
            .is_some_and(|word| text.words[word].is_name())
    {
        return false;
    }
    if is_kanji(last)
        && after.is_some_and(is_kanji)
        && !cue_after
        && WORDS.name_followers.starts(text, end).is_none()
        && WORDS.kinship.starts(text, end).is_none()
        && !text
            .word_from(end)
            .is_some_and(|word| text.words[word].is_name())
    {
        return false;
    }
    if is_katakana(first) && before.is_some_and(is_katakana)
        || is_katakana(last) && after.is_some_and(is_katakana)
    {
        return false;
    }
    if is_hiragana(first) || is_hiragana(last) {
        let left_ok = !before.is_some_and(is_hiragana)
            || text
                .word_until(start)
                .is_some_and(|word| text.words[word].is_particle())
            || cue_before;
        let right_ok = cue_after
            || !after.is_some_and(is_hiragana)
            || (end - start >= 3
                && text
                    .word_from(end)
                    .is_some_and(|word| text.words[word].is_particle()));
        // A hiragana name that is also a word (こころ, ひかり) needs a cue.
        let ordinary = text.word_at(start).is_some_and(|word| {
            word.start == start && word.end == end && word.known && !word.is_name()
        });
        return left_ok && right_ok && (!ordinary || cue_after || cue_before);
    }
    if end - start == 1 && is_kanji(first) {
        return cue_after
            || cue_before
                && !after.is_some_and(|c| {
                    is_kanji(c) || is_hiragana(c) && !matches!(c, 'は' | 'が' | 'も' | 'と' | 'を')
                });
    }
    // Two kanji that are an ordinary word too: 「豊か」 is one word, 「光」 stands alone.
    if is_kanji(first) && end - start >= 2 {
        return text.is_boundary(start) && text.is_boundary(end) || cue_after || cue_before;
    }
    true
}
