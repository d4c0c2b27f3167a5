//! Scanned spans as the masking pipeline replaces them.

use domain::mask::{MaskLabel, Numbering};
use masking::Hidden;

use super::ScannedSpan;

/// The text with every span that is not rejected replaced. Overlapping spans are replaced as one.
#[must_use]
pub fn replace(text: &str, spans: &[ScannedSpan], numbering: &mut Numbering) -> String {
    let hidden = spans
        .iter()
        .filter(|span| !span.rejected)
        .map(|span| Hidden {
            start: span.start,
            end: span.end,
            // An unknown label still hides.
            label: MaskLabel::from_code(&span.label).unwrap_or(MaskLabel::OtherId),
            person: span.person.as_deref(),
        });
    masking::replace(text, hidden, numbering).text
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::offset::CodePoint;

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
