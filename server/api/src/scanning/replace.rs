//! Replacement of spans by ［氏名1］ and the like, with the case's own numbers.

use domain::{
    mask::{MaskLabel, Numbering},
    offset::{CodePoint, OffsetMap},
};

use super::ScannedSpan;

/// The text with every span that is not rejected replaced. Overlapping spans are replaced as one.
#[must_use]
pub fn replace(text: &str, spans: &[ScannedSpan], numbering: &mut Numbering) -> String {
    let offsets = OffsetMap::new(text);
    let length = offsets.len().0;
    let byte = |at: usize| {
        offsets
            .to_byte(CodePoint(at))
            .map_or(text.len(), |byte| byte.0)
    };
    let mut hidden: Vec<&ScannedSpan> = spans
        .iter()
        .filter(|span| !span.rejected && span.start < span.end && span.start.0 < length)
        .collect();
    hidden.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in hidden {
        let (start, end) = (span.start.0, span.end.0.min(length));
        if end <= at {
            continue;
        }
        if start >= at {
            out.push_str(&text[byte(at)..byte(start)]);
            // An unknown label still hides.
            let label = MaskLabel::from_code(&span.label).unwrap_or(MaskLabel::OtherId);
            let surface: String = text[byte(start)..byte(end)]
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            let key = span
                .person
                .as_deref()
                .filter(|_| label == MaskLabel::Person)
                .unwrap_or(&surface);
            out.push_str(&numbering.token(label, key));
        }
        // A span that begins within the former one only hides further.
        at = end;
    }
    out.push_str(&text[byte(at)..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize, label: &str) -> ScannedSpan {
        ScannedSpan {
            id: "a".into(),
            start: CodePoint(start),
            end: CodePoint(end),
            label: label.into(),
            person: None,
            rejected: false,
            pending: true,
        }
    }

    #[test]
    fn pending_is_hidden_and_rejected_is_shown() {
        let mut rejected = span(0, 2, "PERSON");
        rejected.rejected = true;
        let text = "山田が𠮷田を訪ねた";
        assert_eq!(
            replace(
                text,
                &[rejected, span(3, 5, "PERSON")],
                &mut Numbering::new()
            ),
            "山田が［氏名1］を訪ねた"
        );
    }

    #[test]
    fn overlapping_spans_leave_nothing_visible() {
        let text = "東町3丁目8番12号山本";
        let out = replace(
            text,
            &[span(0, 6, "ADDRESS"), span(4, 12, "ADDRESS")],
            &mut Numbering::new(),
        );
        assert_eq!(out, "［住所1］");
    }

    #[test]
    fn the_same_person_has_one_number() {
        let mut numbering = Numbering::with_persons(["p1"]);
        let mut by_name = span(0, 2, "PERSON");
        by_name.person = Some("p1".into());
        let mut by_given_name = span(3, 5, "PERSON");
        by_given_name.person = Some("p1".into());
        assert_eq!(
            replace("山本と健一", &[by_name, by_given_name], &mut numbering),
            "［氏名1］と［氏名1］"
        );
    }
}
