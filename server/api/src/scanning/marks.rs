//! What a decision was about: the text under a span and beside it. With it a rejection is held
//! against the present text, and an accepted text is found again when it was cut and pasted.
//!
//! **Invariant:** a text that a person accepted and that left its place is masked wherever it stands
//! again, until a person rejects it there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use collab::difference;
use domain::{form::Definition, offset::CodePoint};
use serde::{Deserialize, Serialize};

use super::{
    decisions::RawSpan,
    reconcile::{Existing, Found, Range, Status},
    record::Scan,
    texts::texts,
};

/// How much of the text beside a span belongs to what a rejection was about, in code points.
const BESIDE: usize = 4;

/// The text under a span, and beside it as far as the clause goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub surface: String,
    before: String,
    after: String,
}

impl Seen {
    pub(super) fn at(text: &[char], range: Range) -> Self {
        let end = range.end.0.min(text.len());
        let start = range.start.0.min(end);
        let in_clause = |c: &&char| !ends_clause(**c);
        let before: Vec<char> = text[..start]
            .iter()
            .rev()
            .take(BESIDE)
            .take_while(in_clause)
            .copied()
            .collect();
        Self {
            surface: text[start..end].iter().collect(),
            before: before.into_iter().rev().collect(),
            after: text[end..]
                .iter()
                .take(BESIDE)
                .take_while(in_clause)
                .collect(),
        }
    }
}

/// How many letters at the end of a text are new.
fn written_last(former: &[char], now: &[char]) -> usize {
    let (former, now): (String, String) = (former.iter().collect(), now.iter().collect());
    let last = difference::steps(&former, &now, PATIENCE).pop();
    last.filter(|step| now.ends_with(&step.insert))
        .filter(|step| step.at as usize + utf16(&step.insert) == utf16(&now))
        .map_or(0, |step| step.insert.chars().count())
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

fn ends_clause(c: char) -> bool {
    c.is_control() || "、。，．・,.!?！？:;：；「」『』（）()［］[]【】〔〕".contains(c)
}

/// A surface that a person accepted for masking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub surface: String,
    pub label: String,
    pub person: Option<String>,
}

/// What the former scan knew.
#[derive(Debug, Clone, Default)]
pub(super) struct Former {
    /// Span id → what it covered, and whether it stood rejected.
    seen: HashMap<String, (Seen, bool)>,
    /// Span id → its text, and where it began in it.
    began: HashMap<String, (Arc<[char]>, usize)>,
    lost: Vec<Mark>,
}

/// How long it is looked for what was written before a span.
const PATIENCE: Duration = Duration::from_millis(200);

impl Former {
    pub(super) fn of(definition: &Definition, scan: &Scan) -> Self {
        let texts: BTreeMap<String, Arc<[char]>> = texts(definition, &scan.values)
            .into_iter()
            .map(|(path, text)| (path, text.chars().collect()))
            .collect();
        let (mut seen, mut began) = (HashMap::new(), HashMap::new());
        for (path, spans) in &scan.spans {
            let Some(text) = texts.get(path) else {
                continue;
            };
            for span in spans {
                let range = Range {
                    start: span.start,
                    end: span.end,
                };
                let start = span.start.0.min(text.len());
                seen.insert(span.id.clone(), (Seen::at(text, range), span.rejected));
                began.insert(span.id.clone(), (Arc::clone(text), start));
            }
        }
        for (id, (path, start)) in &scan.emptied {
            if let Some(text) = texts.get(path) {
                let start = start.0.min(text.len());
                began.insert(id.clone(), (Arc::clone(text), start));
            }
        }
        Self {
            seen,
            began,
            lost: scan.lost.clone(),
        }
    }

    /// Whether a decision is still about the text it was made on. Of a rejection nobody can say so
    /// when no earlier scan knows the span: it is asked again.
    pub(super) fn unchanged(&self, span: &RawSpan, now: Option<&Seen>) -> bool {
        match self.seen.get(&span.id) {
            Some((before, _)) => Some(before) == now,
            None => span.status != Status::Rejected,
        }
    }

    /// Where a span begins whose anchor's letter was deleted: what stands before it and did not at the
    /// last scan may be what stood under it, brought back. Of a span that no scan has seen nobody
    /// knows what that is: then it is all of the clause.
    pub(super) fn begins(&self, id: &str, text: &[char], range: Range) -> CodePoint {
        let before = &text[..range.start.0.min(text.len())];
        let back = match self.began.get(id) {
            Some((former, start)) => {
                let seen = self.seen.get(id).map(|(seen, _)| seen.surface.chars());
                let surface: Vec<char> = seen.into_iter().flatten().collect();
                let again = (1..=surface.len())
                    .rev()
                    .find(|&length| before.ends_with(&surface[..length]));
                again
                    .unwrap_or(0)
                    .max(written_last(&former[..*start], before))
            }
            None => before
                .iter()
                .rev()
                .take_while(|c| !ends_clause(**c))
                .count(),
        };
        CodePoint(before.len() - back)
    }

    /// Accepted surfaces that are no longer where they were accepted. Those of earlier scans stay
    /// until somebody rejects the surface where it came back.
    pub(super) fn lost(&self, raw: &[RawSpan], now: &HashMap<String, Seen>) -> Vec<Mark> {
        let rejected: Vec<&str> = raw
            .iter()
            .filter(|span| span.manual && span.status == Status::Rejected)
            .filter_map(|span| {
                let (before, already) = self.seen.get(&span.id)?;
                let here = now.get(&span.id)?;
                (!already && here.surface == before.surface).then_some(before.surface.as_str())
            })
            .collect();
        let kept = self
            .lost
            .iter()
            .filter(|mark| !rejected.contains(&mark.surface.as_str()))
            .cloned();
        let gone = raw.iter().filter(|span| is_kept(span)).filter_map(|span| {
            let (before, _) = self.seen.get(&span.id)?;
            let still = now
                .get(&span.id)
                .is_some_and(|here| here.surface.contains(&before.surface));
            (!still).then(|| Mark::of(span, &before.surface))
        });
        distinct(kept.chain(gone))
    }
}

/// Accepted by a person, or proposed because a person had accepted the surface elsewhere.
pub(super) fn is_kept(span: &RawSpan) -> bool {
    match span.status {
        Status::Accepted => true,
        Status::Pending => span.manual,
        Status::Rejected => false,
    }
}

impl Mark {
    fn of(span: &RawSpan, surface: &str) -> Self {
        Self {
            surface: surface.to_owned(),
            label: span.label.clone(),
            person: span.person.clone(),
        }
    }

    /// Every place in `text` where the surface stands as a word of its own.
    fn occurrences(&self, text: &[char]) -> Vec<Found> {
        let surface: Vec<char> = self.surface.chars().collect();
        if !surface.iter().any(|c| c.is_alphanumeric()) || surface.len() > text.len() {
            return Vec::new();
        }
        text.windows(surface.len())
            .enumerate()
            .filter(|(at, window)| *window == surface && stands_alone(text, *at, surface.len()))
            .map(|(at, _)| Found {
                range: Range::new(at, at + surface.len()),
                label: self.label.clone(),
                score: 1.0,
                source: "manual".to_owned(),
                person: self.person.clone(),
            })
            .collect()
    }
}

/// What is to be found in the whole document: what is marked by hand and what was lost.
pub(super) fn marks(raw: &[RawSpan], now: &HashMap<String, Seen>, lost: &[Mark]) -> Vec<Mark> {
    let by_hand = raw
        .iter()
        .filter(|span| span.manual && span.status == Status::Accepted)
        .filter_map(|span| Some(Mark::of(span, &now.get(&span.id)?.surface)));
    distinct(by_hand.chain(lost.iter().cloned()))
}

fn distinct(marks: impl Iterator<Item = Mark>) -> Vec<Mark> {
    let mut out: Vec<Mark> = Vec::new();
    for mark in marks {
        if !out.iter().any(|known| known.surface == mark.surface) {
            out.push(mark);
        }
    }
    out
}

#[derive(PartialEq)]
enum Script {
    Kanji,
    Hiragana,
    Katakana,
    Letter,
    Digit,
    Other,
}

fn script(c: char) -> Script {
    match c {
        'ぁ'..='ゖ' => Script::Hiragana,
        'ァ'..='ヺ' | 'ー' | 'ｦ'..='ﾟ' => Script::Katakana,
        '々' | '〆' | '〇' => Script::Kanji,
        _ if c.is_numeric() => Script::Digit,
        'a'..='z' | 'A'..='Z' | 'ａ'..='ｚ' | 'Ａ'..='Ｚ' => Script::Letter,
        _ if c.is_alphabetic() => Script::Kanji,
        _ => Script::Other,
    }
}

/// A single character, a number or a Latin word within a longer one is something else (森 in 森林,
/// 12 in 2012). Longer Japanese words have no border that can be told.
fn stands_alone(text: &[char], at: usize, length: usize) -> bool {
    let (first, last) = (script(text[at]), script(text[at + length - 1]));
    let bound = |edge: &Script| length == 1 || matches!(edge, Script::Digit | Script::Letter);
    let before = at.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(at + length);
    !(bound(&first) && before.is_some_and(|c| script(*c) == first)
        || bound(&last) && after.is_some_and(|c| script(*c) == last))
}

/// The suggestions together with the places where a mark's surface stands and nothing covers it yet.
pub(super) fn with_marks(
    mut found: Vec<Found>,
    marks: &[Mark],
    text: &[char],
    existing: &[Existing],
) -> Vec<Found> {
    let covered = |range: Range| {
        existing
            .iter()
            .filter(|span| {
                span.status == Status::Accepted || span.manual && span.status == Status::Pending
            })
            .any(|span| span.range.is_some_and(|has| range.within(has)))
    };
    for mark in marks {
        for mut again in mark.occurrences(text) {
            if covered(again.range) || found.iter().any(|f| again.range.within(f.range)) {
                continue;
            }
            found.retain(|f| {
                let joins = f.label == again.label && f.range.overlaps(again.range);
                if joins {
                    again.range = again.range.union(f.range);
                }
                !joins
            });
            found.push(again);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn places(surface: &str, text: &str) -> Vec<usize> {
        let mark = Mark {
            surface: surface.into(),
            label: "PERSON".into(),
            person: None,
        };
        mark.occurrences(&chars(text))
            .iter()
            .map(|found| found.range.start.0)
            .collect()
    }

    #[test]
    fn what_stands_beside_ends_with_the_clause() {
        let text = chars("昨日、森の中を歩いた。");
        let seen = Seen::at(&text, Range::new(3, 4));
        assert_eq!(
            (&*seen.surface, &*seen.before, &*seen.after),
            ("森", "", "の中を歩")
        );
        let outside = Seen::at(&text, Range::new(40, 50));
        assert_eq!((&*outside.surface, &*outside.before), ("", ""));
    }

    #[test]
    fn a_surface_is_found_as_a_word_of_its_own() {
        assert_eq!(places("つばくろ荘", "つばくろ荘と𠮷つばくろ荘"), [0, 7]);
        assert_eq!(places("森", "森林と森さん"), [3]);
        assert_eq!(places("12", "2012年の12月"), [6]);
        assert_eq!(places("Kim", "Kimono、Kim氏"), [7]);
        assert_eq!(places("篠突原", "篠突原花"), [0]);
        assert_eq!(places("、", "、、"), [0; 0]);
        assert_eq!(places("長い語", "長"), [0; 0]);
    }
}
