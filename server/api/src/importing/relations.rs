//! Who belongs to a case (関係者) out of a file: persons of the register who are added to it. Who is in it
//! already is compared; nobody is taken out.

use std::collections::{BTreeMap, BTreeSet};

use ::exchange::{Row, Table};
use domain::id::PersonId;
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, StoreError, Tx,
    audit::{self, Event},
    cases::{CasePerson, CaseRole},
};

use super::{
    Planned, Touched,
    cases::note,
    cells::{Comparing, text},
};
use crate::{error::ApiError, exporting::role_label};

const ROLES: [CaseRole; 4] = [
    CaseRole::Client,
    CaseRole::Household,
    CaseRole::Relative,
    CaseRole::Related,
];

/// A role by its code or its word.
fn role(text: &str) -> Option<CaseRole> {
    ROLES
        .into_iter()
        .find(|role| role.code() == text || role_label(*role) == text)
}

/// Compares rows with the persons of the cases that the caller may know of.
pub(super) async fn plan(tx: &mut Tx, of: Comparing<'_>) -> Result<Vec<Planned>, ApiError> {
    let mut cases: BTreeMap<String, (CaseAccess, Vec<CasePerson>)> = BTreeMap::new();
    for (number, (access, _)) in tx.cases_numbered(of.caller, &of.numbers()).await? {
        let people = access.persons(tx).await?;
        cases.insert(number, (access, people));
    }
    let ids: BTreeSet<PersonId> = of
        .rows
        .iter()
        .map(|row| PersonId::from(text(row, "person_id")))
        .collect();
    let ids: Vec<PersonId> = ids.into_iter().collect();
    let register = tx.persons_shown(of.caller, &ids).await?;
    let mut out = Vec::with_capacity(of.rows.len());
    for row in of.rows {
        let mut planned = Planned::of(row);
        let (number, person) = (text(row, "case_no"), text(row, "person_id"));
        let known = register.get(&PersonId::from(person));
        planned.name = [number, known.map_or("", |person| person.name())].join(" ");
        match cases.get(number) {
            _ if !planned.errors.is_empty() => {}
            None => planned.unknown_case(),
            Some((access, people)) => {
                let pair = format!("{number}\t{person}");
                if let Some(line) = of.seen.ids.insert(pair, row.line) {
                    planned.fail(
                        Some("person_id"),
                        "duplicate",
                        format!("{line}行目と同じ事案の同じ方です"),
                    );
                }
                match shown(row, people) {
                    Some(there) => compare(&mut planned, row, access, there),
                    // Before anything is looked up: what is answered must not tell who is in a case.
                    None if !access.may_add_persons() => planned.fail(
                        Some("case_no"),
                        "forbidden",
                        "この事案に関係者を加えることはできません",
                    ),
                    None if person.is_empty() => planned.fail(
                        Some("person_id"),
                        "required",
                        "支援対象者IDを入力してください。台帳のファイルを書き出すと分かります",
                    ),
                    None if known.is_none() => planned.fail(
                        Some("person_id"),
                        "unknown_person",
                        "この支援対象者IDの方は台帳にいません。先に台帳へ登録するか、台帳のファイルを取り込んでください",
                    ),
                    None => new(&mut planned, of.layout, row),
                }
            }
        }
        out.push(planned);
    }
    Ok(out)
}

/// Whom of those that the caller is shown in the case a row is about. Masked readers are shown nobody's
/// id; their rows say nothing that could be told apart.
fn shown<'p>(row: &Row, people: &'p [CasePerson]) -> Option<&'p CasePerson> {
    let person = text(row, "person_id");
    people.iter().find(|there| {
        if person.is_empty() {
            there.display == text(row, "name")
        } else {
            there.person_id.as_ref().map(PersonId::as_str) == Some(person)
        }
    })
}

fn compare(planned: &mut Planned, row: &Row, access: &CaseAccess, there: &CasePerson) {
    if text(row, "person_id").is_empty() {
        planned.id = Some(access.id().0.clone());
        return;
    }
    planned.id = there.person_id.clone().map(|id| id.0);
    let wanted = text(row, "role");
    if !wanted.is_empty() && role(wanted) != Some(there.role) {
        planned.fail(
            Some("role"),
            "fixed",
            "事案での立場は取込で変えられません。事案の画面で確かめてください",
        );
    }
    let kinship = text(row, "kinship");
    if !kinship.is_empty() && there.kinship.as_deref() != Some(kinship) {
        planned.fail(
            Some("kinship"),
            "fixed",
            "続柄は取込で変えられません。事案の画面で確かめてください",
        );
    }
}

fn new(planned: &mut Planned, layout: &Table, row: &Row) {
    let Some(role) = role(text(row, "role")) else {
        planned.fail(
            Some("role"),
            "unknown_option",
            "事案での立場は「支援対象者」「世帯員」「親族」「関係者」のどれかにしてください",
        );
        return;
    };
    note(planned, layout, "role", None, role_label(role));
    let kinship = text(row, "kinship");
    if !kinship.is_empty() {
        note(planned, layout, "kinship", None, kinship);
    }
    planned.remark(
        None,
        "unconfirmed",
        "この方の同意を登録するまで、この事案は支援機関にマスクして見えます",
    );
    for (field, value) in [
        ("case_no", text(row, "case_no")),
        ("person_id", text(row, "person_id")),
        ("role", role.code()),
        ("kinship", kinship),
    ] {
        planned.values.insert(field.to_owned(), value.into());
    }
}

/// Adds the persons.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    import: &str,
    create: &[Planned],
    step: impl Fn(usize),
) -> Result<Touched, StoreError> {
    let mut touched = Touched::default();
    for (at, planned) in create.iter().enumerate() {
        let value = |field: &str| planned.values.get(field).and_then(Value::as_str);
        let (Some(number), Some(person), Some(role)) = (
            value("case_no"),
            value("person_id"),
            value("role").and_then(role),
        ) else {
            return Err(StoreError::Invalid("row"));
        };
        // Anew for each: who is in the case decides what the caller may.
        let access = tx
            .case_numbered(caller, number)
            .await?
            .ok_or(StoreError::Conflict)?;
        let person = PersonId::from(person);
        let kinship = value("kinship").filter(|code| !code.is_empty());
        access
            .add_person(tx, &person, role, kinship)
            .await
            .map_err(|error| match error {
                // Somebody was there since the check.
                StoreError::NotFound | StoreError::Taken(_) => StoreError::Conflict,
                other => other,
            })?;
        audit::record(
            tx,
            Event::by(caller, "case.person_add", "case", access.id().as_str())
                .in_case(access.id())
                .detail(json!({ "import": import, "person": person, "role": role })),
        );
        let municipality = &caller.viewer.municipality;
        let documents = tx.documents_of(municipality, access.id()).await?;
        touched.documents.extend(documents.iter().cloned());
        touched.rights.extend(documents);
        touched.cases.push(access.id().clone());
        if at % 100 == 99 {
            step(at + 1);
        }
    }
    Ok(touched)
}
