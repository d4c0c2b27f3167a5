//! 支援経過 as answers show it.

use std::collections::HashMap;

use domain::{disclosure::Level, id::ProgressRecordId};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    CaseAccess, Tx,
    cases::CasePerson,
    progress::{Amendment, ProgressRecord, ProgressToMask},
};

use super::{
    answers::{NamedAnswer, person_key},
    masked::{self, MaskedEntry},
};
use crate::{error::ApiError, operations::persons::closed, state::AppState};

/// An entry as the caller sees it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProgressAnswer {
    pub id: String,
    pub performed_on: String,
    /// With the time of day, where it was given.
    pub performed_at: Option<String>,
    pub ended_at: Option<String>,
    /// Option list `log_method`.
    pub method: String,
    pub method_label: Option<&'static str>,
    pub method_other: Option<String>,
    /// Masked for masked readers.
    pub title: Option<String>,
    /// Masked for masked readers.
    pub content: Option<String>,
    /// The text cannot be shown now (確認中): no models, or nothing to mask it with.
    pub withheld: bool,
    /// Whom it is about; empty = everybody, or not shown.
    pub persons: Vec<PersonRef>,
    pub staff: NamedAnswer,
    pub agency: NamedAnswer,
    /// Option list `visibility`.
    pub visibility: Value,
    pub level: &'static str,
    pub minutes: Option<i64>,
    pub log_target: Vec<String>,
    pub log_kind: Vec<String>,
    pub involved_orgs: Vec<String>,
    pub plan_item: Option<String>,
    /// 機微メモ: the writing agency only.
    pub private_note: Option<String>,
    pub recorded_at: String,
    /// Goes up with each amendment.
    pub version: usize,
    pub may_amend: bool,
    pub amendments: Vec<AmendmentAnswer>,
}

impl std::fmt::Debug for ProgressAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProgressAnswer({})", self.id)
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonRef {
    pub person_id: String,
    pub display: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct AmendmentAnswer {
    pub id: Option<String>,
    pub at: String,
    pub by: NamedAnswer,
    pub reason: Option<String>,
    pub title: Option<String>,
    pub content: Option<String>,
}

closed!(PersonRef, AmendmentAnswer);

/// Entries out of the store, with what masks those the caller sees masked. Nothing of it is shown
/// before [`Entries::finish`].
pub(crate) struct Entries {
    records: Vec<ProgressRecord>,
    people: Vec<CasePerson>,
    material: Option<ProgressToMask>,
    agency: String,
    in_charge: bool,
    may_write: bool,
}

impl Entries {
    /// Loads all entries, or one.
    pub(crate) async fn load(
        tx: &mut Tx,
        access: &CaseAccess,
        only: Option<&ProgressRecordId>,
    ) -> Result<Self, ApiError> {
        let records = match only {
            Some(id) => access.progress_record(tx, id).await?.into_iter().collect(),
            None => access.progress_records(tx).await?,
        };
        let people = access.persons(tx).await?;
        let masked = records.iter().any(|record| record.level < Level::Read);
        let material = if masked {
            access.masked_progress(tx).await?
        } else {
            None
        };
        Ok(Self {
            records,
            people,
            material,
            agency: access.caller().viewer.agency.0.clone(),
            in_charge: access.is_owner(),
            may_write: access.may_write_progress(),
        })
    }

    /// Masks what must be masked; call it without an open transaction, it may take seconds.
    pub(crate) async fn finish(self, state: &AppState) -> Result<Vec<ProgressAnswer>, ApiError> {
        let Self {
            records,
            people,
            material,
            agency,
            in_charge,
            may_write,
        } = self;
        let mut masked = masked::mask(state, material).await?;
        Ok(records
            .into_iter()
            .map(|record| {
                let may_amend = may_write
                    && record.level == Level::Edit
                    && (in_charge || record.agency.id == agency);
                answer(record, &people, &mut masked, may_amend)
            })
            .collect())
    }
}

fn text(content: &Map<String, Value>, field: &str) -> Option<String> {
    content
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The codes of a multiple choice: a list of codes, or code → true.
fn codes(content: &Map<String, Value>, field: &str) -> Vec<String> {
    match content.get(field) {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Some(Value::Object(members)) => members
            .iter()
            .filter(|(_, on)| **on == Value::Bool(true))
            .map(|(code, _)| code.clone())
            .collect(),
        _ => Vec::new(),
    }
}

fn amendment(amendment: Amendment) -> AmendmentAnswer {
    AmendmentAnswer {
        id: Some(amendment.id),
        at: amendment.recorded_at,
        by: amendment.account.into(),
        reason: text(&amendment.content, "reason"),
        title: text(&amendment.content, "title"),
        content: text(&amendment.content, "content"),
    }
}

fn answer(
    record: ProgressRecord,
    people: &[CasePerson],
    masked: &mut HashMap<ProgressRecordId, MaskedEntry>,
    may_amend: bool,
) -> ProgressAnswer {
    let nothing = Map::new();
    // A masked reader has no content of its own; only what came out of the masker is shown.
    let own = record
        .content
        .as_ref()
        .filter(|_| record.level >= Level::Read);
    let content = own.unwrap_or(&nothing);
    let (title, body, withheld, amendments) = match (own, masked.remove(&record.id)) {
        (Some(content), _) => (
            text(content, "title"),
            text(content, "content"),
            false,
            record
                .amendments
                .into_iter()
                .map(amendment)
                .collect::<Vec<_>>(),
        ),
        (None, Some(shown)) => {
            let amendments = shown
                .amendments
                .into_iter()
                .map(|shown| AmendmentAnswer {
                    id: None,
                    at: shown.at,
                    by: shown.by.into(),
                    reason: shown.reason,
                    title: None,
                    content: shown.content,
                })
                .collect();
            (shown.title, shown.content, false, amendments)
        }
        (None, None) => (None, None, true, Vec::new()),
    };
    let persons = record.persons.unwrap_or_default();
    ProgressAnswer {
        performed_at: text(content, "performed_at"),
        ended_at: text(content, "ended_at"),
        method_label: domain::form::catalogue().label("log_method", &record.method),
        method_other: text(content, "method_other"),
        title,
        content: body,
        withheld,
        persons: people
            .iter()
            .filter(|person| {
                person
                    .person_id
                    .as_ref()
                    .is_some_and(|id| persons.contains(id))
            })
            .map(|person| PersonRef {
                person_id: person_key(person),
                display: person.display.clone(),
            })
            .collect(),
        staff: record.account.into(),
        agency: record.agency.into(),
        visibility: serde_json::to_value(record.visibility).unwrap_or(Value::Null),
        level: record.level.code(),
        minutes: content.get("minutes").and_then(Value::as_i64),
        log_target: codes(content, "log_target"),
        log_kind: codes(content, "log_kind"),
        involved_orgs: codes(content, "involved_orgs"),
        plan_item: text(content, "plan_item"),
        private_note: text(content, "private_note"),
        recorded_at: record.recorded_at,
        version: 1 + amendments.len(),
        may_amend,
        amendments,
        method: record.method,
        performed_on: record.performed_on.to_string(),
        id: record.id.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::{cases::Named, progress::Visibility};

    fn record(level: Level, content: Option<Value>) -> ProgressRecord {
        let named = |name: &str| Named {
            id: "x".into(),
            name: name.into(),
        };
        ProgressRecord {
            id: "r1".into(),
            performed_on: jiff::civil::date(2026, 11, 22),
            method: "tel".into(),
            agency: named("架空病院"),
            account: named("担当"),
            visibility: Visibility::CaseMembers,
            persons: None,
            level,
            content: content.and_then(|value| value.as_object().cloned()),
            amendments: Vec::new(),
            recorded_at: "2026-11-22T00:00:00.000Z".into(),
        }
    }

    #[test]
    fn a_masked_reader_gets_the_maskers_text_or_nothing() {
        let secret =
            json!({"title": "架空花子さん", "content": "花子さんに電話", "private_note": "秘"});
        // Even if the store handed a content out by mistake.
        let shown = answer(
            record(Level::Masked, Some(secret)),
            &[],
            &mut HashMap::new(),
            false,
        );
        assert!(shown.withheld);
        assert_eq!(
            (shown.title, shown.content, shown.private_note),
            (None, None, None)
        );
        let entry = MaskedEntry {
            title: None,
            content: Some("［氏名1］に電話".into()),
            amendments: Vec::new(),
        };
        let mut masked = HashMap::from([(ProgressRecordId::from("r1"), entry)]);
        let shown = answer(record(Level::Masked, None), &[], &mut masked, false);
        assert_eq!(shown.content.as_deref(), Some("［氏名1］に電話"));
        assert!(!shown.withheld);
    }

    #[test]
    fn choices_are_read_in_both_forms() {
        let content = json!({"a": ["x", "y"], "b": {"x": true, "y": false}});
        let content = content.as_object().unwrap();
        assert_eq!(codes(content, "a"), ["x", "y"]);
        assert_eq!(codes(content, "b"), ["x"]);
    }
}
