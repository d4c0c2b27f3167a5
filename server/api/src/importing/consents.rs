//! Consents out of a file: what was obtained on paper, as the first registration of a person in a case.
//! What is registered is compared and left alone: a file takes no consent back, narrows none, and does
//! not revive what was withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use ::exchange::{Row, Table};
use domain::{
    consent::{Consent, ConsentStatus},
    id::{AgencyId, PersonId},
    likeness::normal,
    role::Capability,
    section::Section,
};
use jiff::civil::Date;
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, StoreError, Tx, agencies,
    audit::{self, Event},
    cases::CasePerson,
    consents::{ConsentDetail, ConsentRecord, NewConsent},
};

use super::{
    Planned, Seen, Touched,
    cases::{named, note},
    cells::{Comparing, day, parts, text},
};
use crate::error::ApiError;

/// A case as far as its consents are concerned.
struct Known {
    access: CaseAccess,
    people: Vec<CasePerson>,
    records: Vec<ConsentRecord>,
}

type Agencies = Vec<(AgencyId, String)>;

/// What a file can register.
const TAKEN: [ConsentStatus; 5] = [
    ConsentStatus::Full,
    ConsentStatus::Limited,
    ConsentStatus::Verbal,
    ConsentStatus::Refused,
    ConsentStatus::Incapable,
];

fn sections(row: &Row) -> Vec<Section> {
    row.values
        .get("allowed_sections")
        .map(domain::form::selected_codes)
        .unwrap_or_default()
        .into_iter()
        .filter_map(Section::from_code)
        .collect()
}

/// Compares rows with what is registered in the cases that the caller may know of.
pub(super) async fn plan(tx: &mut Tx, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let mut cases: BTreeMap<String, Known> = BTreeMap::new();
    for (number, (access, _)) in tx.cases_numbered(of.caller, &of.numbers()).await? {
        let known = Known {
            people: access.persons(tx).await?,
            records: access.consents(tx).await?,
            access,
        };
        cases.insert(number, known);
    }
    let offices: Agencies = agencies::list(tx, &of.caller.viewer.municipality)
        .await?
        .into_iter()
        .map(|agency| (agency.id, agency.name))
        .collect();
    let mut out = Vec::with_capacity(of.rows.len());
    for row in of.rows {
        let mut planned = Planned::of(row);
        let number = text(row, "case_no");
        planned.name = number.to_owned();
        match cases.get(number) {
            _ if !planned.errors.is_empty() => {}
            None => planned.unknown_case(),
            Some(known) if !known.access.may(Capability::ManageConsent) => {
                shown(&mut planned, row, known, &offices);
            }
            Some(known) => one(
                &mut planned,
                of.layout,
                row,
                known,
                &offices,
                of.caller,
                of.seen,
            ),
        }
        out.push(planned);
    }
    Ok(out)
}

/// A row of a case whose consents the caller may not register: what it is shown anyway is no news, and
/// nothing else is looked up, so that the answer does not tell who is in the case.
fn shown(planned: &mut Planned, row: &Row, known: &Known, offices: &Agencies) {
    let id = text(row, "consent_id");
    let there = known
        .records
        .iter()
        .find(|record| record.id.as_str() == id)
        .filter(|record| difference(row, record, offices).is_none());
    match there {
        Some(record) => planned.id = Some(record.id.0.clone()),
        None => planned.fail(
            Some("case_no"),
            "forbidden",
            "この事案の同意を登録することはできません",
        ),
    }
}

/// Whether nothing was ever registered for the person: a file does not bring back what was withdrawn,
/// whatever came after.
fn is_first(records: &[ConsentRecord], person: &PersonId) -> bool {
    records
        .iter()
        .filter(|record| record.person == *person)
        .all(|record| record.consent.status == ConsentStatus::Unconfirmed)
}

fn one(
    planned: &mut Planned,
    layout: &Table,
    row: &Row,
    known: &Known,
    offices: &Agencies,
    caller: &Caller,
    seen: &mut Seen,
) {
    if !text(row, "consent_id").is_empty() {
        let record = planned.named(seen, row, ("consent_id", "同意ID"), |id| {
            known.records.iter().find(|record| record.id.as_str() == id)
        });
        if let Some(field) = record.and_then(|record| difference(row, record, offices)) {
            planned.fail(
                Some(field),
                "fixed",
                "登録した同意は取込で変えられません。事案の「共有・同意」の画面で新しく登録してください",
            );
        }
        return;
    }
    let person = text(row, "person_id");
    let subject = known
        .people
        .iter()
        .find(|there| there.person_id.as_ref().map(PersonId::as_str) == Some(person));
    let Some(subject) = subject.filter(|_| !person.is_empty()) else {
        planned.fail(
            Some("person_id"),
            "unknown_person",
            "この事案にいない方です。この事案の方の支援対象者IDを入力してください",
        );
        return;
    };
    planned.name = [text(row, "case_no"), subject.display.as_str()].join(" ");
    let record = known
        .records
        .iter()
        .find(|record| record.person.as_str() == person);
    if let Some(record) = record.filter(|record| difference(row, record, offices).is_none()) {
        planned.id = Some(record.id.0.clone());
        planned.remark(
            None,
            "present",
            "同じ同意がすでに登録してあるので、加えません",
        );
        return;
    }
    if !is_first(&known.records, &PersonId::from(person)) {
        let now = record.map(|record| record.consent.status);
        planned.fail(
            Some("person_id"),
            "registered",
            if now == Some(ConsentStatus::Unconfirmed) {
                "この方には前に登録した同意の記録があります（いまは「未確認」）。事案の「共有・同意」の画面で登録してください"
            } else {
                "この方の同意はすでに登録してあります。変えるときは事案の「共有・同意」の画面で登録してください"
            },
        );
        return;
    }
    let key = format!("{}\t{person}", text(row, "case_no"));
    if let Some(line) = seen.alike.insert(key, row.line) {
        planned.fail(
            Some("person_id"),
            "duplicate",
            format!("{line}行目と同じ方の同意です。1人につき1行にしてください"),
        );
        return;
    }
    new(planned, layout, row, offices, caller);
}

/// A column in which a row says something else than what is registered.
fn difference(row: &Row, record: &ConsentRecord, offices: &Agencies) -> Option<&'static str> {
    let consent = &record.consent;
    let iso = |day: Option<Date>| day.map_or_else(String::new, |day| day.to_string());
    let texts = [
        ("person_id", record.person.0.clone()),
        ("status", consent.status.code().to_owned()),
        ("obtained_on", iso(consent.obtained_on)),
        ("expires_on", iso(consent.expires_on)),
        ("withdrawn_on", iso(consent.withdrawn_on)),
        ("method", record.method.clone().unwrap_or_default()),
        (
            "policy_version",
            record.policy_version.clone().unwrap_or_default(),
        ),
        ("purpose", record.detail.purpose.clone().unwrap_or_default()),
        ("proxy", record.detail.proxy.clone().unwrap_or_default()),
        ("note", record.detail.note.clone().unwrap_or_default()),
    ];
    // One-line cells lose their line breaks on the way in.
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (field, there) in texts {
        let wanted = text(row, field);
        if !wanted.is_empty() && plain(wanted) != plain(&there) {
            return Some(field);
        }
    }
    let wanted = sections(row);
    let there = consent.allowed_sections.clone().unwrap_or_default();
    let set = |sections: &[Section]| {
        sections
            .iter()
            .map(|one| one.code())
            .collect::<BTreeSet<_>>()
    };
    if !wanted.is_empty() && set(&wanted) != set(&there) {
        return Some("allowed_sections");
    }
    let lists = [
        (
            "allowed_orgs",
            consent.allowed_agencies.clone().unwrap_or_default(),
        ),
        ("excluded_orgs", consent.excluded_agencies.clone()),
    ];
    for (field, there) in lists {
        let wanted: BTreeSet<String> = parts(text(row, field)).map(normal).collect();
        let there: BTreeSet<String> = offices
            .iter()
            .filter(|(id, _)| there.contains(id))
            .map(|(_, name)| normal(name))
            .collect();
        if !wanted.is_empty() && wanted != there {
            return Some(field);
        }
    }
    None
}

fn office(
    planned: &mut Planned,
    row: &Row,
    field: &'static str,
    offices: &Agencies,
) -> Vec<AgencyId> {
    let mut out = Vec::new();
    for name in parts(text(row, field)) {
        match named(offices, name) {
            Ok(id) if out.contains(&id) => {}
            Ok(id) => out.push(id),
            Err(_) => planned.fail(
                Some(field),
                "unknown_agency",
                "登録されていない機関か、同じ名前が2つ以上ある機関です。機関の一覧の名前と同じにしてください",
            ),
        }
    }
    out
}

fn new(planned: &mut Planned, layout: &Table, row: &Row, offices: &Agencies, caller: &Caller) {
    let status = ConsentStatus::from_code(text(row, "status"));
    match status {
        None => planned.fail(Some("status"), "required", "同意区分を入力してください"),
        Some(status) if !TAKEN.contains(&status) => {
            planned.fail(
                Some("status"),
                "status",
                format!(
                    "取込で登録できる同意区分は「{}」です。撤回と期限切れは、事案の「共有・同意」の画面で登録してください",
                    TAKEN.map(ConsentStatus::label_ja).join("」「"),
                ),
            );
        }
        Some(status) if status.is_agreement() => {
            for (field, what) in [("obtained_on", "取得日"), ("method", "取得方法")] {
                if text(row, field).is_empty() {
                    planned.fail(
                        Some(field),
                        "required",
                        format!("同意には{what}を入力してください"),
                    );
                }
            }
        }
        Some(_) => {}
    }
    let obtained = day(row, "obtained_on");
    if obtained.is_some_and(|on| on > caller.viewer.today) {
        planned.fail(
            Some("obtained_on"),
            "future",
            "今日より後の日付です。日付を確認してください",
        );
    }
    if matches!((obtained, day(row, "expires_on")), (Some(from), Some(to)) if to < from) {
        planned.fail(
            Some("expires_on"),
            "order",
            "有効期限が取得日より前です。日付を確認してください",
        );
    }
    if !text(row, "withdrawn_on").is_empty() {
        planned.fail(
            Some("withdrawn_on"),
            "status",
            "撤回は取込では登録できません。画面で登録してください",
        );
    }
    let allowed = office(planned, row, "allowed_orgs", offices);
    let excluded = office(planned, row, "excluded_orgs", offices);
    let sections = sections(row);
    let limits = !allowed.is_empty() || !sections.is_empty();
    if status == Some(ConsentStatus::Limited) && !limits {
        planned.fail(
            Some("allowed_sections"),
            "required",
            "範囲を限定した同意には、共有してよい項目か機関を入力してください",
        );
    } else if status.is_some() && status != Some(ConsentStatus::Limited) && limits {
        planned.fail(
            Some("status"),
            "limited",
            "共有してよい項目や機関を限るときは、同意区分を「同意あり（範囲を限定）」にしてください",
        );
    }
    let Some(status) = status.filter(|_| planned.errors.is_empty()) else {
        return;
    };
    for field in [
        "status",
        "obtained_on",
        "method",
        "expires_on",
        "allowed_orgs",
        "excluded_orgs",
        "policy_version",
        "purpose",
        "proxy",
        "note",
    ] {
        let value = text(row, field);
        if !value.is_empty() {
            note(planned, layout, field, None, value);
            planned.values.insert(field.to_owned(), value.into());
        }
    }
    if !sections.is_empty() {
        let words: Vec<&str> = sections.iter().map(|one| one.label_ja()).collect();
        note(planned, layout, "allowed_sections", None, &words.join("、"));
    }
    if status.is_agreement() {
        planned.remark(
            None,
            "sight",
            "実行すると、この同意の範囲が支援機関の見え方にすぐ反映されます",
        );
    }
    planned
        .values
        .insert("case_no".to_owned(), text(row, "case_no").into());
    planned
        .values
        .insert("person_id".to_owned(), text(row, "person_id").into());
    planned
        .values
        .insert("sections".to_owned(), json!(sections));
    planned.values.insert("allowed".to_owned(), json!(allowed));
    planned
        .values
        .insert("excluded".to_owned(), json!(excluded));
}

fn registration(planned: &Planned) -> Result<NewConsent, StoreError> {
    let bad = || StoreError::Invalid("row");
    let text = |field: &str| {
        planned
            .values
            .get(field)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let day = |field: &str| text(field).and_then(|day| day.parse().ok());
    let list = |field: &str| planned.values.get(field).cloned().unwrap_or_default();
    let allowed: Vec<AgencyId> = serde_json::from_value(list("allowed")).map_err(|_| bad())?;
    let sections: Vec<Section> = serde_json::from_value(list("sections")).map_err(|_| bad())?;
    Ok(NewConsent {
        person: PersonId(text("person_id").ok_or_else(bad)?),
        consent: Consent {
            status: text("status")
                .and_then(|code| ConsentStatus::from_code(&code))
                .ok_or_else(bad)?,
            obtained_on: day("obtained_on"),
            expires_on: day("expires_on"),
            withdrawn_on: None,
            allowed_agencies: (!allowed.is_empty()).then_some(allowed),
            excluded_agencies: serde_json::from_value(list("excluded")).map_err(|_| bad())?,
            allowed_sections: (!sections.is_empty()).then_some(sections),
        },
        method: text("method"),
        policy_version: text("policy_version"),
        detail: ConsentDetail {
            purpose: text("purpose"),
            proxy: text("proxy"),
            note: text("note"),
        },
    })
}

/// Registers the consents.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    create: &[Planned],
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let mut touched = Touched::default();
    for (at, planned) in create.iter().enumerate() {
        let number = planned
            .values
            .get("case_no")
            .and_then(Value::as_str)
            .ok_or(StoreError::Invalid("row"))?;
        let access = tx
            .case_numbered(caller, number)
            .await?
            .ok_or(StoreError::Conflict)?;
        let new = registration(planned)?;
        // What somebody registered since the check is not passed over.
        tx.hold_case(&caller.viewer.municipality, access.id())
            .await?;
        if !is_first(&access.consents(tx).await?, &new.person) {
            return Err(StoreError::Conflict);
        }
        let id = access
            .register_consent(tx, &new)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => StoreError::Conflict,
                other => other,
            })?;
        audit::record(
            tx,
            Event::by(caller, "consent.register", "case", access.id().as_str())
                .in_case(access.id())
                .detail(json!({
                    "import": import, "consent": id, "person": new.person, "status": new.consent.status,
                })),
        );
        let documents = tx
            .documents_of(&caller.viewer.municipality, access.id())
            .await?;
        touched.rights.extend(documents);
        touched.cases.push(access.id().clone());
        if at % 100 == 99 {
            step(at + 1);
        }
    }
    Ok(touched)
}
