//! Who belongs to a case (関係者) out of a file: persons of the register who are added to it. Who is in it
//! already is compared; nobody is taken out.

use std::collections::{BTreeMap, BTreeSet};

use ::exchange::{Row, Table};
use domain::{id::PersonId, role::Capability};
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, StoreError, Tx,
    audit::{self, Event},
    cases::{CasePerson, CaseRole},
};

use super::{Planned, Seen, Touched, cases::note, cases::text};
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
pub(super) async fn plan(
    tx: &mut Tx,
    caller: &Caller,
    layout: &Table,
    rows: &[Row],
    seen: &mut Seen,
) -> Result<Vec<Planned>, ApiError> {
    let numbers: BTreeSet<&str> = rows.iter().map(|row| text(row, "case_no")).collect();
    let numbers: Vec<String> = numbers.into_iter().map(str::to_owned).collect();
    let mut cases: BTreeMap<String, (CaseAccess, Vec<CasePerson>)> = BTreeMap::new();
    for (number, (access, _)) in tx.cases_numbered(caller, &numbers).await? {
        let people = access.persons(tx).await?;
        cases.insert(number, (access, people));
    }
    let ids: BTreeSet<PersonId> = rows
        .iter()
        .map(|row| PersonId::from(text(row, "person_id")))
        .collect();
    let ids: Vec<PersonId> = ids.into_iter().collect();
    let register = tx.persons_shown(caller, &ids).await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let mut planned = Planned::of(row);
        let (number, person) = (text(row, "case_no"), text(row, "person_id"));
        let known = register.get(&PersonId::from(person));
        planned.name = [number, known.map_or("", |person| person.name())].join(" ");
        if planned.errors.is_empty() {
            match cases.get(number) {
                None => planned.fail(
                    Some("case_no"),
                    "unknown_case",
                    "この事案番号の事案がありません。番号を確かめてください",
                ),
                Some((access, people)) => {
                    if let Some(line) = seen.ids.insert(format!("{number}\t{person}"), row.line) {
                        planned.fail(
                            Some("person_id"),
                            "duplicate",
                            format!("{line}行目と同じ事案の同じ方です"),
                        );
                    }
                    let there = people.iter().find(|there| {
                        there.person_id.as_ref().map(PersonId::as_str) == Some(person)
                    });
                    match there {
                        // Masked readers are shown nobody's id; their rows say nothing that could be told apart.
                        None if person.is_empty() => {
                            let same = people
                                .iter()
                                .any(|there| there.display == text(row, "name"));
                            if same {
                                planned.id = Some(access.id().0.clone());
                            } else {
                                planned.fail(
                                    Some("person_id"),
                                    "required",
                                    "支援対象者IDを入力してください。台帳のファイルを書き出すと分かります",
                                );
                            }
                        }
                        Some(there) => compare(&mut planned, row, there),
                        None if known.is_none() || is_in(access, person) => planned.fail(
                            Some("person_id"),
                            "unknown_person",
                            "この支援対象者IDの方は台帳にいません。先に台帳へ登録するか、台帳のファイルを取り込んでください",
                        ),
                        None => new(&mut planned, layout, row, access),
                    }
                }
            }
        }
        out.push(planned);
    }
    Ok(out)
}

/// Also of who is not shown: such a person is as one that there is not.
fn is_in(access: &CaseAccess, person: &str) -> bool {
    let persons = &access.facts().persons;
    persons.iter().any(|one| one.person.as_str() == person)
}

fn compare(planned: &mut Planned, row: &Row, there: &CasePerson) {
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

fn new(planned: &mut Planned, layout: &Table, row: &Row, access: &CaseAccess) {
    if !access.may(Capability::EditCase) {
        planned.fail(
            Some("case_no"),
            "forbidden",
            "この事案に関係者を加えることはできません",
        );
        return;
    }
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
