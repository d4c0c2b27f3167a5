//! 支援経過 as answers show it.

use std::collections::{BTreeMap, HashMap};

use domain::{
    disclosure::Level,
    id::{AgencyId, DocumentId, ProgressRecordId},
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    CaseAccess, Tx, agencies,
    blobs::Blob,
    cases::CasePerson,
    progress::{Amendment, ProgressRecord, ProgressToMask},
};

use super::{
    answers::{NamedAnswer, person_key},
    masked::{self, MaskedEntry},
    plan_items::{self, PlanItem},
};
use crate::{
    error::ApiError,
    operations::{attachments::AttachmentAnswer, persons::closed},
    scanning,
    state::AppState,
};

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
    /// Agencies of the municipality that took part.
    pub involved_agencies: Vec<NamedAnswer>,
    pub plan_item: Option<String>,
    /// Items of plans, by reference.
    pub plan_items: Vec<PlanItemAnswer>,
    /// Empty for masked readers.
    pub attachments: Vec<AttachmentAnswer>,
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

/// An item of a plan that an entry belongs to, resolved for the reader.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PlanItemAnswer {
    pub document_id: String,
    pub row_id: String,
    /// What the item says now; missing when the reader does not read the plan, or the item is gone.
    pub words: Option<String>,
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
    /// Names of attachments that were added, and taken away.
    pub attached: Vec<String>,
    pub detached: Vec<String>,
}

closed!(PersonRef, AmendmentAnswer, PlanItemAnswer);

/// Entries out of the store, with what masks those the caller sees masked. Nothing of it is shown
/// before [`Entries::finish`].
pub(crate) struct Entries {
    records: Vec<ProgressRecord>,
    people: Vec<CasePerson>,
    material: Option<ProgressToMask>,
    /// Plans that the caller reads in the original.
    plans: Vec<DocumentId>,
    agencies: BTreeMap<AgencyId, String>,
    account: String,
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
        Self::of(tx, access, records).await
    }

    /// What showing these entries takes.
    pub(super) async fn of(
        tx: &mut Tx,
        access: &CaseAccess,
        records: Vec<ProgressRecord>,
    ) -> Result<Self, ApiError> {
        let people = access.persons(tx).await?;
        let masked = records.iter().any(|record| record.level < Level::Read);
        let material = if masked {
            access.masked_progress(tx).await?
        } else {
            None
        };
        let names = |field: &str| {
            records.iter().any(|record| {
                let content = record.content.as_ref();
                content.is_some_and(|content| content.contains_key(field))
            })
        };
        let plans = if names("plan_items") {
            let readable = plan_items::readable(tx, access).await?;
            readable.into_iter().map(|(id, _)| id).collect()
        } else {
            Vec::new()
        };
        let agencies = if names("involved_agencies") {
            let municipality = &access.caller().viewer.municipality;
            let known = agencies::by_id(tx, municipality).await?;
            known.into_iter().map(|(id, one)| (id, one.name)).collect()
        } else {
            BTreeMap::new()
        };
        let viewer = &access.caller().viewer;
        Ok(Self {
            records,
            people,
            material,
            plans,
            agencies,
            account: viewer.account.0.clone(),
            agency: viewer.agency.0.clone(),
            in_charge: access.is_owner(),
            may_write: access.may_write_progress(),
        })
    }

    /// Makes them fit for paper: with 住所秘匿 in the case everything is masked, also for those who read
    /// it on the screen.
    pub(super) async fn for_paper(
        mut self,
        tx: &mut Tx,
        access: &CaseAccess,
    ) -> Result<Self, ApiError> {
        if scanning::address_protected(Some(access.facts())) {
            let material = access.progress_for_paper(tx, &mut self.records).await?;
            self.material = Some(material);
        }
        Ok(self)
    }

    /// The persons as the caller sees them.
    pub(super) fn people(&self) -> &[CasePerson] {
        &self.people
    }

    /// Masks what must be masked; call it without an open transaction, it may take seconds.
    pub(crate) async fn finish(self, state: &AppState) -> Result<Vec<ProgressAnswer>, ApiError> {
        let Self {
            records,
            people,
            material,
            plans,
            agencies,
            account,
            agency,
            in_charge,
            may_write,
        } = self;
        let mut masked = masked::mask(state, material).await?;
        let mut items: HashMap<DocumentId, Vec<PlanItem>> = HashMap::new();
        for plan in plans {
            let read = plan_items::read(state, &plan).await?;
            items.insert(plan, read);
        }
        let around = Around {
            people: &people,
            items: &items,
            agencies: &agencies,
            account: &account,
        };
        Ok(records
            .into_iter()
            .map(|record| {
                let may_amend = may_write
                    && record.level == Level::Edit
                    && (in_charge || record.agency.id == agency);
                answer(record, &around, &mut masked, may_amend)
            })
            .collect())
    }
}

/// What is known besides the entries.
struct Around<'a> {
    people: &'a [CasePerson],
    items: &'a HashMap<DocumentId, Vec<PlanItem>>,
    agencies: &'a BTreeMap<AgencyId, String>,
    account: &'a str,
}

/// An attachment as the reader of its entry sees it.
pub(super) fn attachment(blob: Blob, account: &str, may_amend: bool) -> AttachmentAnswer {
    let may_remove = may_amend && blob.by == account;
    AttachmentAnswer::of(blob, may_remove)
}

pub(super) fn text(content: &Map<String, Value>, field: &str) -> Option<String> {
    content
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The codes of a multiple choice: a list of codes, or code → true.
pub(super) fn codes(content: &Map<String, Value>, field: &str) -> Vec<String> {
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

fn rows<'a>(content: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    let list = content.get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn plan_item(row: &Value, plans: &HashMap<DocumentId, Vec<PlanItem>>) -> Option<PlanItemAnswer> {
    let document = DocumentId::from(row.get("document_id")?.as_str()?);
    let row_id = row.get("row_id")?.as_str()?;
    let item = plans
        .get(&document)
        .and_then(|items| items.iter().find(|item| item.row_id == row_id));
    Some(PlanItemAnswer {
        words: item.map(PlanItem::words),
        row_id: row_id.to_owned(),
        document_id: document.0,
    })
}

fn amendment(amendment: Amendment) -> AmendmentAnswer {
    AmendmentAnswer {
        id: Some(amendment.id),
        at: amendment.recorded_at,
        by: amendment.account.into(),
        reason: text(&amendment.content, "reason"),
        title: text(&amendment.content, "title"),
        content: text(&amendment.content, "content"),
        attached: codes(&amendment.content, "attached"),
        detached: codes(&amendment.content, "detached"),
    }
}

fn answer(
    record: ProgressRecord,
    around: &Around<'_>,
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
                    attached: Vec::new(),
                    detached: Vec::new(),
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
        persons: around
            .people
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
        involved_agencies: rows(content, "involved_agencies")
            .filter_map(|row| {
                let id = AgencyId::from(row.get("org")?.as_str()?);
                Some(NamedAnswer {
                    name: around.agencies.get(&id)?.clone(),
                    id: id.0,
                })
            })
            .collect(),
        plan_item: text(content, "plan_item"),
        plan_items: rows(content, "plan_items")
            .filter_map(|row| plan_item(row, around.items))
            .collect(),
        // A masked reader has none, whatever the store hands out.
        attachments: record
            .attachments
            .into_iter()
            .filter(|_| record.level >= Level::Read)
            .map(|blob| attachment(blob, around.account, may_amend))
            .collect(),
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
            attachments: Vec::new(),
            recorded_at: "2026-11-22T00:00:00.000Z".into(),
        }
    }

    #[test]
    fn a_masked_reader_gets_the_maskers_text_or_nothing() {
        let secret =
            json!({"title": "架空花子さん", "content": "花子さんに電話", "private_note": "秘"});
        // Even if the store handed a content out by mistake.
        let (items, agencies) = (HashMap::new(), BTreeMap::new());
        let around = Around {
            people: &[],
            items: &items,
            agencies: &agencies,
            account: "x",
        };
        let mut record_with_file = record(Level::Masked, Some(secret));
        record_with_file.attachments.push(Blob {
            id: "b".into(),
            name: "架空花子.pdf".into(),
            media_type: "application/pdf".into(),
            size: 1,
            by: "x".into(),
            created_at: String::new(),
            text: store::blobs::TextState::Read,
        });
        let shown = answer(record_with_file, &around, &mut HashMap::new(), false);
        assert!(shown.attachments.is_empty());
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
        let shown = answer(record(Level::Masked, None), &around, &mut masked, false);
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
