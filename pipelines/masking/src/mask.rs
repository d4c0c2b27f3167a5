//! Replaces spans by fixed forms: ［氏名1］, the same for the same person everywhere. The one place
//! where text is masked: the command, the projections and the entries of the 支援経過 come here.

use domain::{
    mask::{Numbering, token},
    offset::{CodePoint, OffsetMap},
};
use serde::{Deserialize, Serialize};

use crate::{Label, Span, people, text};

/// What is to be hidden: `start..end` in code points of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden<'a> {
    pub start: CodePoint,
    pub end: CodePoint,
    pub label: Label,
    /// Register id of the person it is about, where known.
    pub person: Option<&'a str>,
}

impl<'a> From<&'a Span> for Hidden<'a> {
    fn from(span: &'a Span) -> Self {
        Self {
            start: span.start,
            end: span.end,
            label: span.label,
            person: span.person.as_deref(),
        }
    }
}

/// The numbering of a case whose persons have the numbers 1, 2, … in the order given. Carry it over
/// the case's texts, so that ［氏名1］ is the same person in all of them. Holds personal values: keep
/// it where the register is kept.
#[must_use]
pub fn numbering<'a>(persons: impl IntoIterator<Item = &'a str>) -> Numbering {
    Numbering::with_persons(persons).folding(fold)
}

/// Same value in other notations (full-width, spaces, variant kanji; of numbers also hyphens) → same
/// key.
fn fold(label: Label, surface: &str) -> String {
    let Ok(text) = text::Text::new(surface, None) else {
        return surface.to_owned();
    };
    // 「みか」 and 「みかちゃん」 are one person.
    let ending = people::pet_ending(&text.chars).filter(|_| label == Label::Person);
    let chars = &text.chars[..text.len() - ending.unwrap_or(0)];
    let parted = !matches!(
        label,
        Label::Phone | Label::IdNumber | Label::PostalCode | Label::Account
    );
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let mut key = String::with_capacity(surface.len());
    for (at, &c) in chars.iter().enumerate() {
        if c.is_alphanumeric() {
            key.push(text::to_katakana(c));
        } else if parted && is_digit(text.before(at)) && is_digit(text.at(at + 1)) {
            // 3-8 is not 38, however it is written.
            key.push('-');
        }
    }
    if key.is_empty() {
        surface.to_owned()
    } else {
        key
    }
}

/// One replaced stretch, for showing which part of the original a replacement stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// In the original, code points.
    pub start: CodePoint,
    pub end: CodePoint,
    /// In the masked text, code points.
    pub masked_start: CodePoint,
    pub masked_end: CodePoint,
    pub label: Label,
    pub number: usize,
}

/// A masked text and what was replaced in it, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masked {
    pub text: String,
    pub map: Vec<Replacement>,
}

/// Replaces `spans` in `text`, numbering from 1.
#[must_use]
pub fn mask(text: &str, spans: &[Span]) -> Masked {
    replace(text, spans.iter().map(Hidden::from), &mut numbering([]))
}

/// Replaces what is `hidden` in `text` with the case's numbering. It may come unsorted and overlap:
/// what overlaps is replaced as one, under the label and number of what begins first (the longest
/// of those that begin together). What lies outside the text is cut to it.
#[must_use]
pub fn replace<'a>(
    text: &str,
    hidden: impl IntoIterator<Item = Hidden<'a>>,
    numbering: &mut Numbering,
) -> Masked {
    let offsets = OffsetMap::new(text);
    let length = offsets.len().0;
    let slice = |start: usize, end: usize| {
        let byte = |at| {
            offsets
                .to_byte(CodePoint(at))
                .map_or(text.len(), |byte| byte.0)
        };
        &text[byte(start)..byte(end)]
    };
    let mut out = String::with_capacity(text.len());
    let mut map = Vec::new();
    let (mut at, mut written) = (0, 0);
    for (first, end) in joined(hidden, length) {
        let start = first.start.0;
        out.push_str(slice(at, start));
        written += start - at;
        let key = first
            .person
            .filter(|_| first.label == Label::Person)
            .unwrap_or_else(|| slice(start, first.end.0.min(length)));
        let number = numbering.number(first.label, key);
        let replacement = token(first.label, number);
        let width = replacement.chars().count();
        map.push(Replacement {
            start: CodePoint(start),
            end: CodePoint(end),
            masked_start: CodePoint(written),
            masked_end: CodePoint(written + width),
            label: first.label,
            number,
        });
        out.push_str(&replacement);
        written += width;
        at = end;
    }
    out.push_str(slice(at, length));
    Masked { text: out, map }
}

/// In order, what overlaps as one: the first of each, and where the last ends.
fn joined<'a>(
    hidden: impl IntoIterator<Item = Hidden<'a>>,
    length: usize,
) -> Vec<(Hidden<'a>, usize)> {
    let mut sorted: Vec<Hidden<'a>> = hidden
        .into_iter()
        .filter(|hidden| hidden.start < hidden.end && hidden.start.0 < length)
        .collect();
    sorted.sort_by_key(|hidden| (hidden.start, std::cmp::Reverse(hidden.end)));
    let mut joined: Vec<(Hidden<'a>, usize)> = Vec::with_capacity(sorted.len());
    for hidden in sorted {
        let end = hidden.end.0.min(length);
        match joined.last_mut() {
            Some((_, until)) if hidden.start.0 < *until => *until = end.max(*until),
            _ => joined.push((hidden, end)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use proptest::prelude::*;

    fn span(start: usize, end: usize, label: Label, person: Option<&str>) -> Span {
        Span {
            start: CodePoint(start),
            end: CodePoint(end),
            label,
            score: 1.0,
            source: Source::Rule,
            person: person.map(str::to_owned),
        }
    }

    #[test]
    fn one_person_has_one_number_over_all_texts() {
        let mut numbering = numbering(["p1"]);
        let mut mask = |text: &str, spans: &[Span]| {
            replace(text, spans.iter().map(Hidden::from), &mut numbering)
        };
        let first = mask(
            "𠮷田さんと髙橋さん",
            &[
                span(0, 2, Label::Person, Some("p1")),
                span(5, 7, Label::Person, None),
            ],
        );
        assert_eq!(first.text, "［氏名1］さんと［氏名2］さん");
        let second = mask(
            "高橋と太郎",
            &[
                span(0, 2, Label::Person, None),
                span(3, 5, Label::Person, Some("p1")),
            ],
        );
        assert_eq!(second.text, "［氏名2］と［氏名1］");
        assert_eq!(second.map[1].masked_start, CodePoint(6));
    }

    #[test]
    fn a_name_and_its_pet_form_are_one_person() {
        let masked = mask(
            "みか、ミカちゃん、みっちゃん、ハッサン、キム・クン、キム",
            &[
                span(0, 2, Label::Person, None),
                span(3, 8, Label::Person, None),
                span(9, 14, Label::Person, None),
                span(15, 19, Label::Person, None),
                span(20, 25, Label::Person, None),
                span(26, 28, Label::Person, None),
            ],
        );
        assert_eq!(
            masked.text,
            "［氏名1］、［氏名1］、［氏名2］、［氏名3］、［氏名4］、［氏名5］"
        );
    }

    #[test]
    fn another_notation_of_a_number_is_the_same_number() {
        let masked = mask(
            "０９０-1234-5678、09012345678",
            &[
                span(0, 13, Label::Phone, None),
                span(14, 25, Label::Phone, None),
            ],
        );
        assert_eq!(masked.text, "［電話1］、［電話1］");
        let masked = mask(
            "東町3-8、東町３－８、東町38",
            &[
                span(0, 5, Label::Address, None),
                span(6, 11, Label::Address, None),
                span(12, 16, Label::Address, None),
            ],
        );
        assert_eq!(masked.text, "［住所1］、［住所1］、［住所2］");
    }

    #[test]
    fn what_overlaps_is_replaced_as_one() {
        let masked = mask(
            "東町3丁目8番12号山本と",
            &[
                span(4, 12, Label::Address, None),
                span(0, 6, Label::Address, None),
                span(1, 3, Label::Person, None),
                span(12, 40, Label::OtherId, None),
            ],
        );
        assert_eq!(masked.text, "［住所1］［ID1］");
        assert_eq!(
            (masked.map[0].end, masked.map[1].end),
            (CodePoint(12), CodePoint(13))
        );
    }

    proptest! {
        #[test]
        fn nothing_covered_is_left(text in "[あ-おア-オ亜-伍𠮷a-e0-9 ]{0,30}", cuts in proptest::collection::vec((0_usize..35, 0_usize..35), 0..6)) {
            let spans: Vec<Span> = cuts.iter().map(|&(a, b)| span(a.min(b), a.max(b), Label::Person, None)).collect();
            let masked = mask(&text, &spans);
            let chars: Vec<char> = text.chars().collect();
            let covered = |at: usize| spans.iter().any(|s| s.start.0 <= at && at < s.end.0);
            let visible: String = chars.iter().enumerate().filter(|(at, _)| !covered(*at)).map(|(_, c)| *c).collect();
            let mut rest = masked.text.clone();
            for replacement in &masked.map {
                rest = rest.replacen(&format!("［氏名{}］", replacement.number), "", 1);
            }
            prop_assert_eq!(rest, visible);
            let out: Vec<char> = masked.text.chars().collect();
            for replacement in &masked.map {
                prop_assert!(replacement.end.0 <= chars.len());
                prop_assert_eq!(out[replacement.masked_start.0], '［');
                prop_assert_eq!(out[replacement.masked_end.0 - 1], '］');
            }
        }
    }
}
