//! What becomes of the spans in a `masks` document when its text has been scanned anew. Pure.
//!
//! **Invariant:** what a person accepted or marked by hand stays masked, and so does what is written
//! in its place: a deletion may be undone, by parts too. What the machine now finds is masked unless a
//! person rejected exactly that text where it stands.

use domain::offset::CodePoint;

/// Half-open range of code points within one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub start: CodePoint,
    pub end: CodePoint,
}

impl Range {
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: CodePoint(start),
            end: CodePoint(end),
        }
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    pub(super) fn within(self, other: Self) -> bool {
        other.start <= self.start && self.end <= other.end
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Accepted,
    Rejected,
}

/// A span as it stands in the masks document, resolved against the present text.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    pub id: String,
    /// `None`: the field it stood in is gone.
    pub range: Option<Range>,
    pub label: String,
    pub person: Option<String>,
    pub status: Status,
    /// Marked by hand: never removed by a scan.
    pub manual: bool,
    /// The letter that its beginning is anchored to was deleted and may come back in front of it.
    pub adrift: bool,
    /// Whether the text under the span and beside it is what it was at the last scan.
    pub unchanged: bool,
}

/// What the pipeline finds now.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub range: Range,
    pub label: String,
    pub score: f32,
    pub source: String,
    pub person: Option<String>,
}

/// What to do with the masks document.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Remove {
        id: String,
    },
    /// The span now covers another range (anchors are written anew).
    Move {
        id: String,
        to: Range,
    },
    Add(Found),
}

/// Steps for one field.
#[must_use]
pub fn reconcile(existing: &[Existing], found: &[Found]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut taken = vec![false; found.len()];

    for span in existing {
        let kept = span.status == Status::Accepted || span.manual && span.status == Status::Pending;
        let Some(range) = span.range.filter(|range| kept || range.start < range.end) else {
            steps.push(Step::Remove {
                id: span.id.clone(),
            });
            continue;
        };
        if range.start >= range.end {
            if span.adrift {
                steps.push(Step::Move {
                    id: span.id.clone(),
                    to: range,
                });
            }
            continue;
        }
        match span.status {
            Status::Rejected => {
                let stands = span.unchanged
                    && found
                        .iter()
                        .all(|f| !f.range.overlaps(range) || f.range.within(range));
                if stands {
                    for (f, taken) in found.iter().zip(&mut taken) {
                        *taken |= f.range.within(range);
                    }
                } else {
                    steps.push(Step::Remove {
                        id: span.id.clone(),
                    });
                }
            }
            Status::Accepted => {
                let mut to = range;
                for (f, taken) in found.iter().zip(&mut taken) {
                    if !*taken && f.range.overlaps(to) {
                        to = to.union(f.range);
                        *taken = true;
                    }
                }
                if to != range || span.adrift {
                    steps.push(Step::Move {
                        id: span.id.clone(),
                        to,
                    });
                }
            }
            Status::Pending => {
                let again = found
                    .iter()
                    .enumerate()
                    .find(|(i, f)| !taken[*i] && f.range.overlaps(range) && f.label == span.label);
                match again {
                    Some((i, f)) => {
                        taken[i] = true;
                        let to = if span.manual {
                            f.range.union(range)
                        } else {
                            f.range
                        };
                        if to != range || span.manual && span.adrift {
                            steps.push(Step::Move {
                                id: span.id.clone(),
                                to,
                            });
                        }
                    }
                    None if span.manual => {
                        if span.adrift {
                            steps.push(Step::Move {
                                id: span.id.clone(),
                                to: range,
                            });
                        }
                    }
                    None => steps.push(Step::Remove {
                        id: span.id.clone(),
                    }),
                }
            }
        }
    }
    steps.extend(
        found
            .iter()
            .zip(taken)
            .filter(|(_, taken)| !taken)
            .map(|(f, _)| Step::Add(f.clone())),
    );
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(start: usize, end: usize) -> Found {
        Found {
            range: Range::new(start, end),
            label: "PERSON".into(),
            score: 0.9,
            source: "model".into(),
            person: None,
        }
    }

    fn span(status: Status, range: Option<(usize, usize)>) -> Existing {
        Existing {
            id: "a".into(),
            range: range.map(|(start, end)| Range::new(start, end)),
            label: "PERSON".into(),
            person: None,
            status,
            manual: false,
            adrift: false,
            unchanged: true,
        }
    }

    #[test]
    fn a_new_name_is_added_as_it_was_found() {
        assert_eq!(reconcile(&[], &[found(0, 2)]), [Step::Add(found(0, 2))]);
    }

    #[test]
    fn what_is_decided_is_not_proposed_again() {
        for status in [Status::Accepted, Status::Rejected, Status::Pending] {
            assert_eq!(
                reconcile(&[span(status, Some((3, 5)))], &[found(3, 5)]),
                [],
                "{status:?}"
            );
        }
    }

    #[test]
    fn a_rejection_does_not_outlive_the_text_it_was_about() {
        let mut rejected = span(Status::Rejected, Some((3, 5)));
        rejected.unchanged = false;
        assert_eq!(
            reconcile(&[rejected], &[found(3, 5)]),
            [Step::Remove { id: "a".into() }, Step::Add(found(3, 5))]
        );
        // 「森」 was rejected; now 「森山」 stands there.
        let rejected = span(Status::Rejected, Some((3, 4)));
        assert_eq!(
            reconcile(&[rejected], &[found(3, 5)]),
            [Step::Remove { id: "a".into() }, Step::Add(found(3, 5))]
        );
    }

    #[test]
    fn an_accepted_span_grows_and_never_shrinks() {
        let accepted = span(Status::Accepted, Some((3, 5)));
        assert_eq!(
            reconcile(std::slice::from_ref(&accepted), &[found(3, 8)]),
            [Step::Move {
                id: "a".into(),
                to: Range::new(3, 8)
            }]
        );
        assert_eq!(
            reconcile(std::slice::from_ref(&accepted), &[found(3, 4)]),
            []
        );
        assert_eq!(reconcile(&[accepted], &[]), []);
    }

    #[test]
    fn a_suggestion_no_longer_made_goes_but_a_mark_by_hand_stays() {
        let pending = span(Status::Pending, Some((3, 5)));
        assert_eq!(
            reconcile(std::slice::from_ref(&pending), &[]),
            [Step::Remove { id: "a".into() }]
        );
        let manual = Existing {
            manual: true,
            ..pending
        };
        assert_eq!(reconcile(&[manual], &[]), []);
    }

    #[test]
    fn a_span_whose_field_is_gone_goes() {
        assert_eq!(
            reconcile(&[span(Status::Accepted, None)], &[]),
            [Step::Remove { id: "a".into() }]
        );
    }

    #[test]
    fn a_span_whose_text_is_gone_waits_for_it_when_a_person_made_it() {
        let gone = |status, manual, adrift| {
            let span = Existing {
                manual,
                adrift,
                ..span(status, Some((4, 4)))
            };
            // What is found around the place is another matter.
            reconcile(&[span], &[found(2, 6)])
        };
        let goes = [Step::Remove { id: "a".into() }, Step::Add(found(2, 6))];
        assert_eq!(gone(Status::Pending, false, false), goes);
        assert_eq!(gone(Status::Rejected, true, false), goes);
        let stays = [Step::Add(found(2, 6))];
        assert_eq!(gone(Status::Accepted, false, false), stays);
        assert_eq!(gone(Status::Pending, true, false), stays);
        let held = Step::Move {
            id: "a".into(),
            to: Range::new(4, 4),
        };
        let held = [held, Step::Add(found(2, 6))];
        assert_eq!(gone(Status::Accepted, false, true), held);
    }
}
