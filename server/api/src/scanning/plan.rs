//! What a scan makes of the documents: steps for the spans, and how they stand afterwards. Pure but
//! for the ids of new spans.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use domain::offset::{CodePoint, OffsetMap, Utf16};

use super::{
    decisions::{Decisions, Moment, RawSpan},
    marks::{Former, Mark, Seen, is_kept, marks, with_marks},
    reconcile::{Existing, Found, Range, Status, Step, reconcile},
    record::ScannedSpan,
    write::fresh_key,
};

/// Path of a text → what the pipeline suggests.
pub(super) type Suggested = HashMap<String, Arc<Vec<masking::Span>>>;

/// A span whose anchors are to be written.
#[derive(Debug, Clone)]
pub(super) struct Anchoring {
    pub path: String,
    pub id: String,
    pub range: std::ops::Range<Utf16>,
    pub kind: Kind,
}

/// Which anchors are to be written.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    New(Found),
    /// Only the ends that move: an anchor at a deleted letter still tells where that comes back.
    Known {
        start: Start,
        end: bool,
    },
}

/// What a start is anchored to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// What it is anchored to already.
    Stays,
    /// The letter it begins with.
    Before,
    /// The letter in front: what comes back between is covered.
    Behind,
}

/// A span that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removal {
    pub id: String,
    /// Accepted already when the decisions were read: its text is gone.
    pub accepted: bool,
}

/// The outcome of a scan, before it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Path of a text → its spans as they stand afterwards.
    pub spans: BTreeMap<String, Vec<ScannedSpan>>,
    pub anchorings: Vec<Anchoring>,
    pub removals: Vec<Removal>,
    /// Of these, what still covers text, with its path: it comes back when a reviewer accepts it
    /// before it is gone.
    pub leaving: HashMap<String, (String, ScannedSpan)>,
    /// Spans of which nothing is left, with their texts' paths and their places.
    pub emptied: BTreeMap<String, (String, CodePoint)>,
    /// Accepted surfaces whose text is gone.
    pub lost: Vec<Mark>,
}

/// One text of the moment.
struct Field<'a> {
    path: &'a str,
    chars: Vec<char>,
    offsets: OffsetMap,
}

/// Says what becomes of every span. `texts` are those of the moment.
pub(super) fn plan(
    former: &Former,
    decisions: &Decisions,
    moment: &Moment,
    texts: &[(String, String)],
    suggested: &Suggested,
) -> Plan {
    let raw = &decisions.spans;
    let fields: Vec<Field<'_>> = texts
        .iter()
        .map(|(path, text)| Field {
            path,
            chars: text.chars().collect(),
            offsets: OffsetMap::new(text),
        })
        .collect();
    let ranges = ranges(former, raw, moment, &fields);
    let now = seen(raw, &ranges, &fields);
    let lost = former.lost(raw, &now);
    let marks = marks(raw, &now, &lost);

    let mut plan = Plan {
        removals: without_text(raw, texts),
        lost,
        ..Plan::default()
    };
    for field in &fields {
        let existing: Vec<Existing> = raw
            .iter()
            .filter(|span| span.field == field.path)
            .map(|span| Existing {
                id: span.id.clone(),
                range: ranges.get(&span.id).copied(),
                label: span.label.clone(),
                person: span.person.clone(),
                status: span.status,
                manual: span.manual,
                adrift: is_adrift(span, moment),
                unchanged: former.unchanged(span, now.get(&span.id)),
            })
            .collect();
        let found = with_marks(
            suggestions(suggested, field.path),
            &marks,
            &field.chars,
            &existing,
        );
        let steps = reconcile(&existing, &found);
        plan.follow(field, &existing, steps);
    }
    plan
}

/// Where the spans are, in code points.
fn ranges(
    former: &Former,
    raw: &[RawSpan],
    moment: &Moment,
    fields: &[Field<'_>],
) -> HashMap<String, Range> {
    raw.iter()
        .filter_map(|span| {
            let field = fields.iter().find(|field| field.path == span.field)?;
            let here = &moment.resolved.get(&span.id)?.range;
            let mut range = Range {
                start: field.offsets.from_utf16(here.start)?,
                end: field.offsets.from_utf16(here.end)?,
            };
            if is_adrift(span, moment) {
                range.start = former.begins(&span.id, &field.chars, range);
            }
            Some((span.id.clone(), range))
        })
        .collect()
}

/// Whether the beginning of what a person marked may come back in front of it.
fn is_adrift(span: &RawSpan, moment: &Moment) -> bool {
    is_kept(span) && moment.resolved.get(&span.id).is_some_and(|at| at.adrift)
}

fn seen(
    raw: &[RawSpan],
    ranges: &HashMap<String, Range>,
    fields: &[Field<'_>],
) -> HashMap<String, Seen> {
    raw.iter()
        .filter_map(|span| {
            let field = fields.iter().find(|field| field.path == span.field)?;
            let range = *ranges.get(&span.id)?;
            Some((span.id.clone(), Seen::at(&field.chars, range)))
        })
        .collect()
}

/// Spans of texts that are no longer there (a deleted row).
fn without_text(raw: &[RawSpan], texts: &[(String, String)]) -> Vec<Removal> {
    let present: HashSet<&str> = texts.iter().map(|(path, _)| path.as_str()).collect();
    raw.iter()
        .filter(|span| !present.contains(span.field.as_str()))
        .map(|span| Removal {
            id: span.id.clone(),
            accepted: span.status == Status::Accepted,
        })
        .collect()
}

fn suggestions(suggested: &Suggested, path: &str) -> Vec<Found> {
    suggested
        .get(path)
        .into_iter()
        .flat_map(|spans| spans.iter())
        .map(|span| Found {
            range: Range {
                start: span.start,
                end: span.end,
            },
            label: span.label.code().to_owned(),
            score: span.score,
            source: code_of(span.source).to_owned(),
            person: span.person.clone(),
        })
        .collect()
}

/// The source's code in the masks document.
fn code_of(source: masking::Source) -> &'static str {
    match source {
        masking::Source::Model => "model",
        masking::Source::Dictionary => "dictionary",
        masking::Source::Rule => "rule",
        masking::Source::Register => "register",
        masking::Source::Manual => "manual",
    }
}

impl Plan {
    /// Takes the steps of one text.
    fn follow(&mut self, field: &Field<'_>, existing: &[Existing], steps: Vec<Step>) {
        let mut spans: BTreeMap<String, ScannedSpan> = existing
            .iter()
            .filter_map(|span| Some((span.id.clone(), standing(span)?)))
            .collect();
        self.emptied.extend(existing.iter().filter_map(|span| {
            let range = span.range.filter(|range| range.start >= range.end)?;
            Some((span.id.clone(), (field.path.to_owned(), range.start)))
        }));
        for step in steps {
            match step {
                Step::Remove { id } => {
                    if let Some(span) = spans.remove(&id) {
                        self.leaving
                            .insert(id.clone(), (field.path.to_owned(), span));
                    }
                    let accepted = existing
                        .iter()
                        .any(|span| span.id == id && span.status == Status::Accepted);
                    self.emptied.remove(&id);
                    self.removals.push(Removal { id, accepted });
                }
                Step::Move { id, to } => {
                    if let Some(span) = spans.get_mut(&id) {
                        (span.start, span.end) = (to.start, to.end);
                    }
                    let known = existing.iter().find(|span| span.id == id);
                    if let Some((span, from)) = known.and_then(|span| Some((span, span.range?))) {
                        let start = match (span.adrift, to.start == from.start) {
                            (true, _) => Start::Behind,
                            (false, true) => Start::Stays,
                            (false, false) => Start::Before,
                        };
                        let end = to.end != from.end;
                        self.anchor(field, id, to, Kind::Known { start, end });
                    }
                }
                Step::Add(found) => {
                    let span = proposed(&found);
                    self.anchor(field, span.id.clone(), found.range, Kind::New(found));
                    spans.insert(span.id.clone(), span);
                }
            }
        }
        let mut spans: Vec<ScannedSpan> = spans.into_values().collect();
        spans.sort_by_key(|span| (span.start, span.end));
        self.spans.insert(field.path.to_owned(), spans);
    }

    fn anchor(&mut self, field: &Field<'_>, id: String, range: Range, kind: Kind) {
        let utf16 = |at| field.offsets.to_utf16(at);
        if let (Some(start), Some(end)) = (utf16(range.start), utf16(range.end)) {
            self.anchorings.push(Anchoring {
                path: field.path.to_owned(),
                id,
                range: start..end,
                kind,
            });
        }
    }
}

fn standing(span: &Existing) -> Option<ScannedSpan> {
    let range = span.range.filter(|range| range.start < range.end)?;
    Some(ScannedSpan {
        id: span.id.clone(),
        start: range.start,
        end: range.end,
        label: span.label.clone(),
        person: span.person.clone(),
        rejected: span.status == Status::Rejected,
        pending: span.status == Status::Pending,
    })
}

fn proposed(found: &Found) -> ScannedSpan {
    ScannedSpan {
        id: fresh_key(),
        start: found.range.start,
        end: found.range.end,
        label: found.label.clone(),
        person: found.person.clone(),
        rejected: false,
        pending: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanning::record::{Position, Scan};
    use collab::anchor::Place;
    use domain::form::{self, Definition};
    use serde_json::{Map, Value};

    fn assessment() -> &'static Definition {
        form::catalogue().definition("intake_assessment").unwrap()
    }

    /// A sheet whose texts and decisions change between scans.
    #[derive(Default)]
    struct Desk {
        scan: Option<Scan>,
        spans: Vec<RawSpan>,
        /// Field → text.
        texts: BTreeMap<&'static str, &'static str>,
    }

    impl Desk {
        fn write(&mut self, field: &'static str, text: &'static str) -> &mut Self {
            self.texts.insert(field, text);
            self
        }

        fn mark(&mut self, id: &str, field: &str, status: Status, manual: bool) -> &mut Self {
            self.spans.retain(|span| span.id != id);
            self.spans.push(RawSpan {
                id: id.to_owned(),
                field: field.to_owned(),
                start: String::new(),
                end: String::new(),
                label: "PERSON".to_owned(),
                person: None,
                status,
                manual,
            });
            self
        }

        /// One scan; `places` say where the spans' anchors are now, `found` what the pipeline finds.
        /// What it proposes joins the spans.
        fn scan(&mut self, places: &[(&str, &str, usize)], found: &[(&str, &str, usize)]) -> Plan {
            let range = |field: &str, word: &str, nth: usize| {
                let text = self.texts[field];
                let (byte, _) = text.match_indices(word).nth(nth).unwrap();
                let start = text[..byte].chars().count();
                Range::new(start, start + word.chars().count())
            };
            let resolved = places
                .iter()
                .map(|&(id, word, nth)| {
                    let span = self.spans.iter().find(|span| span.id == id).unwrap();
                    let text = OffsetMap::new(self.texts[span.field.as_str()]);
                    let range = range(&span.field, word, nth);
                    let utf16 = |at| text.to_utf16(at).unwrap();
                    let place = Place {
                        range: utf16(range.start)..utf16(range.end),
                        adrift: false,
                    };
                    (id.to_owned(), place)
                })
                .collect();
            let mut suggested: HashMap<String, Vec<masking::Span>> = HashMap::new();
            for &(field, word, nth) in found {
                let range = range(field, word, nth);
                suggested
                    .entry(field.to_owned())
                    .or_default()
                    .push(masking::Span {
                        start: range.start,
                        end: range.end,
                        label: masking::Label::Person,
                        score: 0.9,
                        source: masking::Source::Model,
                        person: None,
                    });
            }
            let values: Map<String, Value> = self
                .texts
                .iter()
                .map(|(field, text)| ((*field).to_owned(), Value::from(*text)))
                .collect();
            let texts = crate::scanning::texts(assessment(), &values);
            let former = self
                .scan
                .as_ref()
                .map(|scan| Former::of(assessment(), scan))
                .unwrap_or_default();
            let decisions = Decisions {
                spans: self.spans.clone(),
                at: None,
            };
            let moment = Moment {
                values: values.clone(),
                at: Position { epoch: 1, seq: 1 },
                resolved,
            };
            let suggested = suggested
                .into_iter()
                .map(|(field, spans)| (field, Arc::new(spans)))
                .collect();
            let plan = plan(&former, &decisions, &moment, &texts, &suggested);
            self.spans
                .retain(|span| !removed(&plan).contains(&span.id.as_str()));
            for anchoring in &plan.anchorings {
                if let Kind::New(found) = &anchoring.kind {
                    let manual = found.source == "manual";
                    self.mark(&anchoring.id, &anchoring.path, Status::Pending, manual);
                }
            }
            // What is kept between scans is what serde keeps.
            let scan = Scan {
                values,
                spans: plan.spans.clone(),
                lost: plan.lost.clone(),
                ..Scan::default()
            };
            self.scan = serde_json::from_value(serde_json::to_value(scan).unwrap()).unwrap();
            plan
        }
    }

    fn removed(plan: &Plan) -> Vec<&str> {
        plan.removals
            .iter()
            .map(|removal| removal.id.as_str())
            .collect()
    }

    /// (start, end, pending) of what is masked in a text.
    fn masked(plan: &Plan, field: &str) -> Vec<(usize, usize, bool)> {
        plan.spans[field]
            .iter()
            .filter(|span| !span.rejected)
            .map(|span| (span.start.0, span.end.0, span.pending))
            .collect()
    }

    #[test]
    fn a_mark_by_hand_follows_its_text_when_it_is_cut_and_pasted() {
        let mut desk = Desk::default();
        desk.write("summary", "𠮷いつもの喫茶つばくろで会う。")
            .write("budget", "とくになし")
            .mark("a", "summary", Status::Accepted, true);
        let plan = desk.scan(&[("a", "つばくろ", 0)], &[]);
        assert_eq!(masked(&plan, "summary"), [(7, 11, false)]);
        assert!(plan.lost.is_empty());

        // Cut and pasted between two scans, into another field too.
        desk.write("summary", "喫茶で会う。つばくろ")
            .write("budget", "つばくろに行く");
        let plan = desk.scan(&[], &[]);
        assert_eq!(removed(&plan), ["a"]);
        assert_eq!(masked(&plan, "summary"), [(6, 10, true)]);
        assert_eq!(masked(&plan, "budget"), [(0, 4, true)]);
        let Kind::New(new) = &plan.anchorings[0].kind else {
            panic!("not new");
        };
        assert_eq!((&*new.source, &*new.label), ("manual", "PERSON"));
    }

    #[test]
    fn a_mark_by_hand_is_remembered_while_its_text_is_nowhere() {
        let mut desk = Desk::default();
        desk.write("summary", "つばくろで会う。")
            .mark("a", "summary", Status::Accepted, false);
        desk.scan(&[("a", "つばくろ", 0)], &[]);
        desk.write("summary", "会う。");
        let plan = desk.scan(&[], &[]);
        assert_eq!(plan.lost.len(), 1);
        assert_eq!(desk.scan(&[], &[]).lost.len(), 1);
        desk.write("summary", "会う。つばくろ");
        let plan = desk.scan(&[], &[]);
        assert_eq!(masked(&plan, "summary"), [(3, 7, true)]);

        // Rejected where it came back: no longer looked for.
        let id = plan.spans["summary"][0].id.clone();
        desk.mark(&id, "summary", Status::Rejected, true);
        let plan = desk.scan(&[(&id, "つばくろ", 0)], &[]);
        assert_eq!((masked(&plan, "summary"), plan.lost.len()), (Vec::new(), 0));
        desk.write("budget", "つばくろ");
        let plan = desk.scan(&[(&id, "つばくろ", 0)], &[]);
        assert!(masked(&plan, "budget").is_empty());
    }

    #[test]
    fn a_row_that_is_deleted_leaves_its_marks_behind() {
        let mut desk = Desk::default();
        desk.write("summary", "つばくろ")
            .write("budget", "なし")
            .mark("a", "summary", Status::Accepted, true);
        desk.scan(&[("a", "つばくろ", 0)], &[]);
        desk.texts.remove("summary");
        desk.write("budget", "つばくろ");
        let plan = desk.scan(&[], &[]);
        assert_eq!(masked(&plan, "budget"), [(0, 4, true)]);
        assert_eq!(removed(&plan), ["a"]);
    }

    #[test]
    fn what_is_marked_by_hand_is_found_in_the_whole_document() {
        let mut desk = Desk::default();
        desk.write("summary", "つばくろで会う。つばくろは遠い。")
            .write("budget", "つばくろ")
            .mark("a", "summary", Status::Accepted, true);
        let plan = desk.scan(&[("a", "つばくろ", 0)], &[]);
        assert_eq!(masked(&plan, "summary"), [(0, 4, false), (8, 12, true)]);
        assert_eq!(masked(&plan, "budget"), [(0, 4, true)]);
        // Once proposed, nothing more is to be done.
        let ids: Vec<String> = ["summary", "budget"]
            .iter()
            .flat_map(|field| plan.spans[*field].iter().map(|span| span.id.clone()))
            .filter(|id| id != "a")
            .collect();
        let plan = desk.scan(
            &[
                ("a", "つばくろ", 0),
                (&ids[0], "つばくろ", 1),
                (&ids[1], "つばくろ", 0),
            ],
            &[],
        );
        assert!(plan.anchorings.is_empty() && plan.removals.is_empty());
        // The mark taken back: the proposals wait for a decision.
        desk.spans.retain(|span| span.id != "a");
        let plan = desk.scan(&[(&ids[0], "つばくろ", 1), (&ids[1], "つばくろ", 0)], &[]);
        assert_eq!(masked(&plan, "summary"), [(8, 12, true)]);
    }

    #[test]
    fn a_mark_and_a_suggestion_become_one_proposal() {
        let mut desk = Desk::default();
        desk.write("summary", "つばくろ花。")
            .write("budget", "つばくろ花が来た")
            .mark("a", "summary", Status::Accepted, true);
        let plan = desk.scan(&[("a", "つばくろ", 0)], &[("budget", "くろ花", 0)]);
        assert_eq!(masked(&plan, "budget"), [(0, 5, true)]);
    }

    #[test]
    fn a_rejection_holds_only_where_it_was_made() {
        let mut desk = Desk::default();
        desk.write("summary", "朝は森の中を歩いた。");
        let plan = desk.scan(&[], &[("summary", "森", 0)]);
        let id = plan.spans["summary"][0].id.clone();
        desk.mark(&id, "summary", Status::Rejected, false);
        let found = [("summary", "森", 0)];
        let plan = desk.scan(&[(&id, "森", 0)], &found);
        assert!(masked(&plan, "summary").is_empty());

        // Written elsewhere in the text: it stands.
        desk.write("summary", "朝は森の中を歩いた。昼は休んだ。");
        let plan = desk.scan(&[(&id, "森", 0)], &found);
        assert!(masked(&plan, "summary").is_empty());

        // Another word around it: asked again.
        desk.write("summary", "朝は森さんと歩いた。昼は休んだ。");
        let plan = desk.scan(&[(&id, "森", 0)], &found);
        assert_eq!(removed(&plan), [id]);
        assert_eq!(masked(&plan, "summary"), [(2, 3, true)]);
    }

    #[test]
    fn a_rejection_that_no_scan_knows_is_asked_again() {
        let mut desk = Desk::default();
        desk.write("summary", "森の中")
            .mark("a", "summary", Status::Rejected, false);
        let plan = desk.scan(&[("a", "森", 0)], &[("summary", "森", 0)]);
        assert_eq!(masked(&plan, "summary"), [(0, 1, true)]);
        // An acceptance holds without one.
        let mut desk = Desk::default();
        desk.write("summary", "森の中")
            .mark("a", "summary", Status::Accepted, false);
        let plan = desk.scan(&[("a", "森", 0)], &[]);
        assert_eq!(masked(&plan, "summary"), [(0, 1, false)]);
        assert_eq!(plan.spans["summary"][0].end, CodePoint(1));
    }
}
