//! What the NER model proposes.

use models::{Entity, NerLabel};

use crate::text::{Text, is_kanji};
use crate::words::{WORDS, name_cue_after};
use crate::{Candidate, Label, Source};

pub(crate) fn find(text: &Text, entities: &[Entity]) -> Vec<Candidate> {
    entities.iter().filter_map(|entity| candidate(text, entity)).collect()
}

fn candidate(text: &Text, entity: &Entity) -> Option<Candidate> {
    let (mut start, mut end) = (text.fold(entity.start)?, text.fold(entity.end)?);
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
    let edge = |c: char| c.is_whitespace() || matches!(c, '、' | '。' | '(' | ')' | '「' | '」' | ':' | '・' | ',' | '.' | '=' | '→' | '/');
    while start < end && edge(text.chars[start]) {
        start += 1;
    }
    while end > start && edge(text.chars[end - 1]) {
        end -= 1;
    }
    if label == Label::Person {
        // Honorifics and roles are read, not masked.
        while let Some(length) = WORDS.honorifics.ends(text, end).or_else(|| WORDS.roles.ends(text, end)) {
            if end - start <= length {
                break;
            }
            end -= length;
        }
    }
    if start >= end {
        return None;
    }
    let found = text.slice(start, end);
    let length = end - start;
    // A single character is a name only beside a cue: the model is fond of 「国」「市」「父」.
    if length == 1 && !(label == Label::Person && is_kanji(text.chars[start]) && name_cue_after(text, end)) {
        let cued = label == Label::Person && crate::words::name_cue_before(text, start) && is_kanji(text.chars[start]);
        if !cued {
            return None;
        }
    }
    if !found.chars().any(char::is_alphabetic) && matches!(label, Label::Person | Label::Facility) {
        return None;
    }
    if WORDS.not_names.contains(found) || WORDS.kinship.contains(found) || WORDS.roles.contains(found) {
        return None;
    }
    if label == Label::Facility && (WORDS.facility_suffixes.contains(found) || WORDS.generic_heads.contains(found) || WORDS.facility_prefixes.contains(found)) {
        return None;
    }
    Some(Candidate::new(start, end, label, entity.score, Source::Model))
}
