//! Replaces spans by fixed forms: ［氏名1］, the same for the same person everywhere.

use std::collections::BTreeMap;

use domain::offset::{CodePoint, OffsetMap};
use serde::{Deserialize, Serialize};

use crate::{Label, Span};

/// Which number stands for whom. Carried over the texts of one case, so that ［氏名1］ is the same
/// person in all of them. Holds personal values: keep it where the register is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// Key (register id, or the normalised surface) → number, per label.
    numbers: BTreeMap<Label, BTreeMap<String, usize>>,
}

impl Numbering {
    /// Number of what `span` stands for; a new one when it is new.
    fn number(&mut self, span: &Span, surface: &str) -> usize {
        let key = match &span.person {
            Some(person) if span.label == Label::Person => format!("person:{person}"),
            _ => format!("surface:{}", surface_key(surface)),
        };
        let known = self.numbers.entry(span.label).or_default();
        if let Some(number) = known.get(&key) {
            return *number;
        }
        let number = known.values().max().map_or(1, |last| last + 1);
        known.insert(key, number);
        number
    }
}

/// Same value in other notations (full-width, spaces, hyphens, variant kanji) → same key.
fn surface_key(surface: &str) -> String {
    crate::text::Text::new(surface, None).map_or_else(
        |_| surface.to_owned(),
        |text| {
            text.chars
                .iter()
                .filter(|c| c.is_alphanumeric())
                .map(|&c| crate::text::to_katakana(c))
                .collect()
        },
    )
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
    mask_with(text, spans, &mut Numbering::default())
}

/// Replaces `spans` in `text` with the case's numbering. Spans may come unsorted and overlap: what
/// any of them covers is replaced. A span outside the text is cut to it.
#[must_use]
pub fn mask_with(text: &str, spans: &[Span], numbering: &mut Numbering) -> Masked {
    let offsets = OffsetMap::new(text);
    let length = offsets.len().0;
    let byte = |at: usize| {
        offsets
            .to_byte(CodePoint(at))
            .map_or(text.len(), |byte| byte.0)
    };
    let mut sorted: Vec<&Span> = spans
        .iter()
        .filter(|span| span.start < span.end && span.start.0 < length)
        .collect();
    sorted.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out = String::with_capacity(text.len());
    let mut map = Vec::with_capacity(sorted.len());
    let (mut at, mut written) = (0, 0);
    for span in sorted {
        let start = span.start.0.max(at);
        let end = span.end.0.min(length);
        if start >= end {
            continue;
        }
        let kept = &text[byte(at)..byte(start)];
        written += start - at;
        out.push_str(kept);
        let number = numbering.number(span, &text[byte(start)..byte(end)]);
        let replacement = format!("［{}{number}］", span.label.word());
        let width = replacement.chars().count();
        map.push(Replacement {
            start: CodePoint(start),
            end: CodePoint(end),
            masked_start: CodePoint(written),
            masked_end: CodePoint(written + width),
            label: span.label,
            number,
        });
        out.push_str(&replacement);
        written += width;
        at = end;
    }
    out.push_str(&text[byte(at)..]);
    Masked { text: out, map }
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
        let mut numbering = Numbering::default();
        let first = mask_with(
            "𠮷田さんと髙橋さん",
            &[
                span(0, 2, Label::Person, Some("p1")),
                span(5, 7, Label::Person, None),
            ],
            &mut numbering,
        );
        assert_eq!(first.text, "［氏名1］さんと［氏名2］さん");
        let second = mask_with(
            "高橋と太郎",
            &[
                span(0, 2, Label::Person, None),
                span(3, 5, Label::Person, Some("p1")),
            ],
            &mut numbering,
        );
        assert_eq!(second.text, "［氏名2］と［氏名1］");
        assert_eq!(second.map[1].masked_start, CodePoint(6));
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
