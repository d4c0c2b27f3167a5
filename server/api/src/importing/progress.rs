//! 支援経過 out of a file: new entries of the own agency. What is final already is compared and left
//! alone; corrections are made as amendments, by hand.

use std::collections::HashMap;

use ::exchange::Row;
use domain::id::{PersonId, ProgressRecordId};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use store::{
    Caller, CaseAccess, StoreError, Tx,
    audit::{self, Event},
    progress::{NewProgress, ProgressRecord, Visibility},
};

use super::{
    Planned, PlannedChange, Seen, Touched,
    cells::{self, Comparing, text},
};
use crate::error::ApiError;

/// Fields of an entry that stand in its content, as they stand in the file.
const CONTENT: [&str; 8] = [
    "ended_at",
    "method_other",
    "involved_orgs",
    "log_target",
    "title",
    "content",
    "log_kind",
    "plan_item",
];

/// A case as far as it is needed for its entries.
struct Known {
    access: CaseAccess,
    entries: Vec<ProgressRecord>,
}

/// Compares rows with the entries that the caller sees.
pub(super) async fn plan(tx: &mut Tx, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let mut cases: HashMap<String, Known> = HashMap::new();
    for number in of.numbers() {
        if let Some(access) = tx.case_numbered(of.caller, &number).await? {
            let entries = access.progress_records(tx).await?;
            cases.insert(number, Known { access, entries });
        }
    }
    let mut out = Vec::with_capacity(of.rows.len());
    for row in of.rows {
        let mut planned = Planned::of(row);
        let number = text(row, "case_no");
        planned.name = [number, text(row, "performed_at")].join(" ");
        match cases.get(number) {
            Some(known) => one(&mut planned, row, known, of.caller, of.seen),
            None if !number.is_empty() => planned.unknown_case(),
            None if planned.errors.is_empty() => {
                planned.fail(Some("case_no"), "required", "事案番号を入力してください");
            }
            None => {}
        }
        out.push(planned);
    }
    Ok(out)
}

fn day(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// The values of a row as they would be stored.
fn values(row: &Row) -> Map<String, Value> {
    let mut out = Map::new();
    let filled = |value: &&Value| !domain::form::is_empty(Some(value));
    for field in CONTENT.iter().chain(["minutes"].iter()) {
        if let Some(value) = row.values.get(*field).filter(filled) {
            out.insert((*field).to_owned(), value.clone());
        }
    }
    let at = text(row, "performed_at");
    if at.contains('T') {
        out.insert("performed_at".to_owned(), at.into());
    }
    out
}

/// Whom a row is about, in one order.
fn persons(row: &Row) -> Vec<PersonId> {
    let mut out = cells::persons(row);
    out.sort();
    out
}

fn visibility(row: &Row) -> Option<Visibility> {
    match text(row, "visibility") {
        "" => Some(Visibility::CaseMembers),
        code => serde_json::from_value(code.into()).ok(),
    }
}

/// Whether a row says what the entry says; columns that the file does not have are not compared.
fn same(row: &Row, values: &Map<String, Value>, entry: &ProgressRecord) -> bool {
    let Some(mut content) = entry.content.clone() else {
        return false;
    };
    for amendment in &entry.amendments {
        for field in ["title", "content"] {
            if let Some(value) = amendment.content.get(field) {
                content.insert(field.to_owned(), value.clone());
            }
        }
    }
    let stored = |field: &str| {
        content
            .get(field)
            .filter(|value| !domain::form::is_empty(Some(value)))
    };
    let choice = |value: Option<&Value>| {
        value.map(|value| {
            let mut codes: Vec<String> = domain::form::selected_codes(value)
                .into_iter()
                .map(str::to_owned)
                .collect();
            codes.sort();
            codes
        })
    };
    let fields = CONTENT.iter().chain(["minutes"].iter());
    let texts = fields
        .filter(|field| row.values.contains_key(**field))
        .all(|field| match (values.get(*field), stored(field)) {
            (Some(a @ Value::Array(_)), b) => choice(Some(a)) == choice(b),
            (Some(Value::String(a)), Some(Value::String(b))) => {
                // Line ends and outer blanks are no difference.
                a.trim() == b.replace("\r\n", "\n").replace('\r', "\n").trim()
            }
            (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
            (a, b) => a == b,
        });
    let about = entry.persons.clone().map(|mut about| {
        about.sort();
        about
    });
    texts
        && day(text(row, "performed_at")) == Some(entry.performed_on)
        && text(row, "method") == entry.method
        && (!row.values.contains_key("person_ids") || about == Some(persons(row)))
        && (text(row, "visibility").is_empty() || visibility(row) == Some(entry.visibility))
}

fn one(planned: &mut Planned, row: &Row, known: &Known, caller: &Caller, seen: &mut Seen) {
    if !planned.errors.is_empty() {
        return;
    }
    let values = values(row);
    if !text(row, "record_id").is_empty() {
        let entry = planned.named(seen, row, ("record_id", "支援経過ID"), |id| {
            known.entries.iter().find(|entry| entry.id.as_str() == id)
        });
        if entry.is_some_and(|entry| !same(row, &values, entry)) {
            planned.fail(
                Some("record_id"),
                "final",
                "確定した支援経過は取込で変えられません。支援経過の画面で「訂正」してください",
            );
        }
        return;
    }
    if !known.access.may_write_progress() {
        planned.fail(
            Some("case_no"),
            "forbidden",
            "この事案の支援経過に記録を加えることはできません",
        );
        return;
    }
    let Some(on) = day(text(row, "performed_at")) else {
        planned.fail(Some("performed_at"), "date", "支援実施日を入力してください");
        return;
    };
    if on > caller.viewer.today {
        planned.fail(
            Some("performed_at"),
            "future",
            "今日より後の日付です。日付を確認してください",
        );
    }
    // Not even by what is refused is it told who is in the case.
    if persons(row)
        .iter()
        .any(|person| !known.access.knows_by_name(person))
    {
        planned.fail(
            Some("person_ids"),
            "unknown_person",
            "この事案にいない方の支援対象者IDがあります",
        );
    }
    match visibility(row) {
        None => planned.fail(Some("visibility"), "unknown_option", "選択肢にありません"),
        Some(Visibility::Custom) => planned.fail(
            Some("visibility"),
            "custom",
            "「機関・職員を個別指定」は取込では使えません。画面で記録してください",
        ),
        Some(_) => {}
    }
    if !planned.errors.is_empty() {
        return;
    }
    let own = caller.viewer.agency.as_str();
    if let Some(entry) = known
        .entries
        .iter()
        .find(|entry| entry.agency.id == own && same(row, &values, entry))
    {
        // Brought in before, or typed by hand.
        planned.id = Some(entry.id.0.clone());
        planned.remark(
            None,
            "present",
            "同じ内容の記録がすでにあるので、加えません",
        );
        return;
    }
    let key = format!(
        "{}\t{on}\t{}\t{}",
        text(row, "case_no"),
        text(row, "method"),
        text(row, "content")
    );
    if let Some(line) = seen.alike.insert(key, row.line) {
        planned.remark(
            Some("content"),
            "twice",
            format!("{line}行目と同じ日・方法・内容です。二重でないか確かめてください"),
        );
    }
    for field in ["performed_at", "method", "title", "content"] {
        let value = text(row, field);
        if !value.is_empty() {
            let column = ::exchange::table("progress")
                .and_then(|table| Some(&table.columns[table.position(field)?]));
            let shown = column
                .and_then(|column| column.options.as_ref()?.option(value))
                .map_or(value, |option| option.label.as_str());
            planned.changes.push(PlannedChange {
                field: field.to_owned(),
                label: column.map_or_else(String::new, |column| column.label.clone()),
                before: None,
                after: Some(shown.to_owned()),
            });
        }
    }
    planned.values = values.into_iter().collect();
    for field in [
        "case_no",
        "performed_at",
        "method",
        "visibility",
        "person_ids",
    ] {
        planned
            .values
            .insert(field.to_owned(), text(row, field).into());
    }
}

/// Writes the new entries.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    create: &[Planned],
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let mut cases: HashMap<String, CaseAccess> = HashMap::new();
    let mut touched = Touched::default();
    for (at, planned) in create.iter().enumerate() {
        let row = Row {
            line: planned.line,
            values: planned.values.clone(),
            errors: Vec::new(),
            notes: Vec::new(),
        };
        let number = text(&row, "case_no").to_owned();
        if !cases.contains_key(&number) {
            let access = tx
                .case_numbered(caller, &number)
                .await?
                .ok_or(StoreError::Conflict)?;
            cases.insert(number.clone(), access);
        }
        let (Some(access), Some(performed_on), Some(visibility)) = (
            cases.get(&number),
            day(text(&row, "performed_at")),
            visibility(&row),
        ) else {
            return Err(StoreError::Invalid("row"));
        };
        let new = NewProgress {
            performed_on,
            method: text(&row, "method").to_owned(),
            visibility,
            persons: persons(&row),
            agencies: Vec::new(),
            content: values(&row),
            attachments: Vec::new(),
            draft: None,
        };
        let id: ProgressRecordId = access.add_progress(tx, &new).await?;
        audit::record(
            tx,
            Event::by(caller, "progress.add", "progress", id.as_str())
                .in_case(access.id())
                .detail(json!({ "import": import, "method": new.method, "visibility": new.visibility, "persons": new.persons })),
        );
        touched.entries.push((access.id().clone(), id));
        if at % 100 == 99 {
            step(at + 1);
        }
    }
    Ok(touched)
}
