//! Utterances → draft. Rules and word lists only: the same conversation gives the same draft, and
//! every value points to the sentences it came from.

mod address;
mod agencies;
mod codes;
mod complaint;
mod conversation;
mod identity;
mod living;
mod people;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use agencies::Agency;
pub use conversation::Role;
pub use people::{Person, Relation};

use crate::error::Warning;
use crate::transcript::{Transcript, Utterance};
use conversation::{Clause, Conversation};

/// Where a value was said: code points within the utterance, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    pub utterance: usize,
    pub start: usize,
    pub end: usize,
}

impl Evidence {
    fn of(clause: &Clause) -> Self {
        Self {
            utterance: clause.utterance,
            start: clause.start,
            end: clause.end,
        }
    }

    fn within(clause: &Clause, bytes: std::ops::Range<usize>) -> Self {
        Self {
            utterance: clause.utterance,
            start: clause.code_point_of(bytes.start),
            end: clause.code_point(bytes.end),
        }
    }
}

/// A value for one field of the forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drafted {
    /// Text, number, ISO date, code, or list of codes.
    pub value: Value,
    /// 0 to 1: how often values found this way are right.
    pub confidence: f64,
    pub evidence: Vec<Evidence>,
}

/// A name an entity model found in a text. Code points, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameSpan {
    pub start: usize,
    pub end: usize,
    pub kind: NameKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Person,
    Agency,
    Place,
}

/// Finds names in one utterance.
pub type NameFinder<'a> = dyn Fn(&str) -> Vec<NameSpan> + 'a;

/// What `musubi ingest` prints and the transcript screen shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ingest {
    pub format: &'static str,
    pub encoding: &'static str,
    pub utterances: Vec<Utterance>,
    /// By field identifier; [`target`] says which sheet a field stands on.
    pub draft: BTreeMap<String, Drafted>,
    pub people: Vec<Person>,
    pub relations: Vec<Relation>,
    pub orgs: Vec<Agency>,
    pub speakers: BTreeMap<String, Role>,
    pub warnings: Vec<Warning>,
}

/// Drafts from a transcript. `roles`: what the user has set on the speakers; `names`: an entity
/// model, where one is loaded.
#[must_use]
pub fn draft(
    transcript: Transcript,
    roles: &BTreeMap<String, Role>,
    names: Option<&NameFinder<'_>>,
) -> Ingest {
    let Transcript {
        format,
        encoding,
        utterances,
        mut warnings,
    } = transcript;
    warnings.extend(personal_numbers(&utterances));
    let mut conversation = Conversation::new(&utterances, roles);
    let mut sheet = Sheet::default();
    identity::fill(&mut conversation, &utterances, names, &mut sheet);
    let complaint = complaint::fill(&conversation, &mut sheet);
    let mut people = people::find(&conversation, &sheet);
    living::household(&conversation, &mut sheet, &mut people);
    codes::fill(&conversation, &complaint, &mut sheet);
    living::marital(&conversation, &mut sheet, &mut people);
    living::money(&conversation, &mut sheet);
    people::complete(&conversation, &mut people, &sheet);
    codes::derive(&mut sheet, &people);
    let relations = people::relations(&conversation, &people);
    let orgs = agencies::find(&conversation, &utterances, names);
    complaint::summarise(&conversation, &complaint, &mut sheet);
    Ingest {
        format: format.code(),
        encoding,
        utterances,
        draft: sheet.fields,
        people,
        relations,
        orgs,
        speakers: conversation.roles,
        warnings,
    }
}

/// The sheet and field identifier a drafted field belongs to: `intake`, `assessment` or `person`.
#[must_use]
pub fn target(field: &str) -> Option<(&'static str, &str)> {
    const PERSON: [&str; 8] = [
        "name",
        "name_kana",
        "birth_date",
        "estimated_age",
        "gender",
        "address",
        "phone_mobile",
        "phone_home",
    ];
    const INTAKE: [&str; 4] = [
        "contact_method",
        "topics",
        "topic_primary",
        "consent_status",
    ];
    if PERSON.contains(&field) {
        Some(("person", field))
    } else if INTAKE.contains(&field) {
        Some(("intake", field))
    } else if field == "household_size" {
        Some(("household", field))
    } else {
        Some(("assessment", field))
    }
}

/// A 12-digit number with a right check digit may be a マイナンバー: named, never drafted.
fn personal_numbers(utterances: &[Utterance]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (at, one) in utterances.iter().enumerate() {
        let text: String = one
            .text
            .chars()
            .map(crate::number::narrow)
            .filter(|c| !matches!(c, ' ' | '-'))
            .collect();
        let runs = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|run| run.len() == 12);
        if runs.into_iter().any(check_digit) {
            warnings.push(Warning::utterance(
                "personal_number",
                at,
                "12桁の番号があります。個人番号（マイナンバー）の可能性があるため、下書きには使いません",
            ));
        }
    }
    warnings
}

/// Check digit of 行政手続における特定の個人を識別するための番号 (総務省令 85号 5条).
fn check_digit(digits: &str) -> bool {
    let values: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    if values.len() != 12 {
        return false;
    }
    let sum: u32 = (1..=11_u32)
        .map(|n| {
            let weight = if n <= 6 { n + 1 } else { n - 5 };
            values[11 - n as usize] * weight
        })
        .sum();
    let rest = sum % 11;
    values[11] == if rest <= 1 { 0 } else { 11 - rest }
}

/// The draft while it is being filled.
#[derive(Debug, Default)]
struct Sheet {
    fields: BTreeMap<String, Drafted>,
}

impl Sheet {
    fn set(&mut self, field: &str, value: Value, confidence: f64, evidence: Vec<Evidence>) {
        let mut evidence = evidence;
        let mut seen = std::collections::BTreeSet::new();
        evidence.retain(|e| seen.insert(*e));
        evidence.truncate(12);
        if evidence.is_empty() {
            return;
        }
        let confidence = (confidence.clamp(0.05, 0.97) * 100.0).round() / 100.0;
        self.fields.insert(
            field.to_owned(),
            Drafted {
                value,
                confidence,
                evidence,
            },
        );
    }

    fn set_if_empty(
        &mut self,
        field: &str,
        value: Value,
        confidence: f64,
        evidence: Vec<Evidence>,
    ) {
        if !self.fields.contains_key(field) {
            self.set(field, value, confidence, evidence);
        }
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(|d| d.value.as_str())
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.fields.get(field).and_then(|d| d.value.as_i64())
    }

    fn codes(&self, field: &str) -> Vec<String> {
        let list = self.fields.get(field).and_then(|d| d.value.as_array());
        list.into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    }

    fn has_code(&self, field: &str, code: &str) -> bool {
        self.codes(field).iter().any(|c| c == code)
    }

    fn evidence(&self, field: &str) -> Vec<Evidence> {
        self.fields
            .get(field)
            .map(|d| d.evidence.clone())
            .unwrap_or_default()
    }

    fn add_code(&mut self, field: &str, code: &str, confidence: f64, evidence: Vec<Evidence>) {
        let mut codes = self.codes(field);
        if codes.iter().any(|c| c == code) || evidence.is_empty() {
            return;
        }
        codes.retain(|c| c != "none");
        codes.push(code.to_owned());
        let (all, sure) = match self.fields.get(field) {
            Some(old) => (
                old.evidence.iter().copied().chain(evidence).collect(),
                old.confidence.min(confidence),
            ),
            None => (evidence, confidence),
        };
        self.set(field, json!(codes), sure, all);
    }
}
