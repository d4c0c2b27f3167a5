//! Persons of the register out of a file.

use std::collections::BTreeMap;

use ::exchange::{Kind, Row, Table, TableColumn};
use domain::{
    id::PersonId,
    likeness::{Identity, normal},
};
use serde_json::{Value, json};
use store::{
    Caller, StoreError, Tx,
    audit::{self, Event},
    persons::{Fact, PROTECTED, Person, PersonPatch},
};

use super::{Choices, LikePerson, Planned, PlannedChange, Seen, Touched, cells::Comparing};
use crate::{error::ApiError, operations::persons::value_problem};

/// What a cell asks for.
enum Wanted {
    Nothing,
    Empty,
    Value(String),
}

fn wanted(value: &Value, clear: bool) -> Wanted {
    match value {
        Value::Null if clear => Wanted::Empty,
        Value::Null => Wanted::Nothing,
        // A mark that is off is a mark that is not there.
        Value::Bool(false) => Wanted::Empty,
        Value::Bool(true) => Wanted::Value("true".to_owned()),
        Value::String(text) => Wanted::Value(text.clone()),
        other => Wanted::Value(other.to_string()),
    }
}

fn problem(code: &str) -> &'static str {
    match code {
        "date" => "日付として読めません",
        "future" => "今日より後の日付です。日付を確認してください",
        "unknown_option" => "選択肢にありません",
        "range" => "0から130までの整数で入力してください",
        "too_long" => "2000文字までにしてください",
        _ => "値を確認してください",
    }
}

/// Compares rows with the register.
pub(super) async fn plan(tx: &mut Tx, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let Comparing {
        caller,
        layout,
        rows,
        choices,
        seen,
    } = of;
    let id_of = |row: &Row| {
        row.values
            .get("person_id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let ids: Vec<PersonId> = rows.iter().filter_map(id_of).map(PersonId).collect();
    let present = tx.persons_shown(caller, &ids).await?;
    let mut out = Vec::with_capacity(rows.len());
    let mut new = Vec::new();
    for row in rows {
        let mut planned = Planned::of(row);
        let id = id_of(row);
        if let Some(id) = &id
            && let Some(line) = seen.ids.insert(id.clone(), row.line)
        {
            planned.fail(
                Some("person_id"),
                "duplicate",
                format!("{line}行目と同じ支援対象者IDです。1人につき1行にしてください"),
            );
        }
        let known = id
            .as_ref()
            .and_then(|id| present.get(&PersonId(id.clone())));
        if id.is_some() && known.is_none() {
            planned.fail(
                Some("person_id"),
                "unknown_person",
                "この支援対象者IDの方は台帳にいません。新しい方は支援対象者IDを空欄にしてください",
            );
        }
        compare(&mut planned, layout, row, known, choices, caller);
        if let Some(person) = known {
            planned.id = Some(person.id.0.clone());
            planned.version = Some(person.version);
        }
        if planned.errors.is_empty() && id.is_none() {
            let mut identity = Identity::default();
            for (field, value) in &planned.values {
                identity.add(field, value.as_str().unwrap_or_default());
            }
            if !identity.is_empty() {
                new.push((out.len(), identity));
            }
            twice(&mut planned, seen);
        }
        out.push(planned);
    }
    let identities: Vec<Identity> = new.iter().map(|(_, identity)| identity.clone()).collect();
    let alike = tx.alike_many(caller, &identities).await?;
    for ((at, _), alike) in new.into_iter().zip(alike) {
        out[at].alike = alike
            .into_iter()
            .map(|found| LikePerson {
                person_id: found.person.0,
                name: found.name,
                reasons: found
                    .likeness
                    .reasons
                    .iter()
                    .map(|reason| reason.code().to_owned())
                    .collect(),
            })
            .collect();
    }
    Ok(out)
}

/// Says when the same name and birth date stood in the file before.
fn twice(planned: &mut Planned, seen: &mut Seen) {
    let text = |field: &str| {
        planned
            .values
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if text("name").is_empty() || text("birth_date").is_empty() {
        return;
    }
    let key = format!("{}\t{}", normal(text("name")), text("birth_date"));
    if let Some(line) = seen.alike.insert(key, planned.line) {
        planned.remark(
            Some("name"),
            "twice",
            format!("{line}行目と氏名・生年月日が同じです。同じ方でないか確かめてください"),
        );
    }
}

fn compare(
    planned: &mut Planned,
    layout: &Table,
    row: &Row,
    known: Option<&Person>,
    choices: &Choices,
    caller: &Caller,
) {
    for column in &layout.columns {
        let field = column.id.as_str();
        if column.output_only || field == "person_id" {
            continue;
        }
        let Some(value) = row.values.get(field) else {
            continue;
        };
        let before = known.and_then(|person| person.fields.get(field)).cloned();
        let after = match wanted(value, choices.clear) {
            Wanted::Nothing => continue,
            Wanted::Empty => None,
            Wanted::Value(text) => Some(text),
        };
        if before == after {
            continue;
        }
        let withheld = known.is_some_and(|person| person.address_withheld);
        if withheld && PROTECTED.contains(&field) {
            // What is not seen is not taken away either.
            if after.is_some() {
                planned.fail(
                    Some(field),
                    "protected",
                    "住所秘匿の方の住所・連絡先は、この方法では変えられません",
                );
            }
            continue;
        }
        if let Some(text) = &after
            && let Some(code) = value_problem(field, text, caller.viewer.today)
        {
            planned.fail(Some(field), code, problem(code));
            continue;
        }
        planned
            .values
            .insert(field.to_owned(), after.clone().into());
        planned.changes.push(PlannedChange {
            field: field.to_owned(),
            label: column.label.clone(),
            before: before.map(|value| words(column, value)),
            after: after.map(|value| words(column, value)),
        });
    }
    let after = |field: &str| match planned.values.get(field) {
        Some(value) => value.as_str().map(str::to_owned),
        None => known.and_then(|person| person.fields.get(field).cloned()),
    };
    let (name, anonymous) = (after("name"), after("is_anonymous").is_some());
    let empty = name.is_none() && !anonymous;
    planned.name = match name {
        Some(name) => name,
        None if anonymous => "（匿名）".to_owned(),
        None => String::new(),
    };
    if empty && planned.errors.is_empty() {
        planned.fail(
            Some("name"),
            "required",
            "氏名を入力してください。匿名の方は「匿名相談」を1にしてください",
        );
    }
}

/// A value as the screen shows it.
fn words(column: &TableColumn, value: String) -> String {
    match (column.kind, value.as_str()) {
        (Kind::Bool, "true") => "はい".to_owned(),
        _ => column
            .options
            .as_ref()
            .and_then(|list| list.option(&value))
            .map_or(value, |option| option.label.clone()),
    }
}

/// Writes the rows.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    create: &[Planned],
    update: &[Planned],
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let mut done = 0;
    for rows in create.chunks(1000) {
        let entries: Vec<Vec<Fact>> = rows
            .iter()
            .map(|row| {
                row.values
                    .iter()
                    .filter_map(|(field, value)| Some(Fact::current(field, value.as_str()?)))
                    .collect()
            })
            .collect();
        for id in tx.take_in(caller, &entries).await? {
            audit::record(
                tx,
                Event::by(caller, "person.create", "person", id.as_str())
                    .detail(json!({ "import": import })),
            );
        }
        done += rows.len();
        step(done);
    }
    let mut touched = Touched::default();
    for (at, row) in update.iter().enumerate() {
        let (Some(id), Some(version)) = (&row.id, row.version) else {
            continue;
        };
        let id = PersonId(id.clone());
        let set: BTreeMap<String, Option<String>> = row
            .values
            .iter()
            .map(|(field, value)| (field.clone(), value.as_str().map(str::to_owned)))
            .collect();
        let fields: Vec<&String> = set.keys().collect();
        let event = Event::by(caller, "person.update", "person", id.as_str())
            .detail(json!({ "import": import, "fields": fields }));
        let patch = PersonPatch {
            set,
            ..PersonPatch::default()
        };
        tx.update_in_bulk(caller, &id, version, &patch).await?;
        audit::record(tx, event);
        let municipality = &caller.viewer.municipality;
        touched
            .documents
            .extend(tx.documents_naming(municipality, &id).await?);
        let cases = tx.cases_with(municipality, &id).await?;
        if !cases.is_empty() {
            touched.persons.push((id, cases));
        }
        if at % 100 == 99 {
            step(done + at + 1);
        }
    }
    Ok(touched)
}
