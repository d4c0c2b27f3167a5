//! Files out (出力): the rows that the caller may see, asked of the policy case by case, written into a
//! ZIP as they come. Nothing is held in memory but the rows at hand.
//!
//! **Invariant:** what 住所秘匿 protects is in no file, whoever asks, as it is on no print.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::Arc,
};

use ::exchange::{
    ADDRESS, Choices, Layout, SHEETS, Table, WITHHELD, WriteError, WriteOptions, append, table_id,
    write,
};
use bytes::Bytes;
use domain::{
    disclosure::Level,
    form::{Projected, Projection},
    id::{AgencyId, CaseId, PersonId},
};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, Tx, agencies,
    cases::{CasePerson, CaseRole, CaseSummary},
    persons::{PROTECTED, Person},
};
use tokio::sync::mpsc::{Receiver, Sender};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    error::ApiError,
    operations::{
        cases::progress::{Entries, ProgressAnswer},
        documents::projection,
    },
    scanning,
    state::AppState,
};

/// Persons that are read at once.
const PERSONS: usize = 200;
/// Cases that are read at once.
const CASES: usize = 50;
/// Places of characters that are named; all are counted.
const PLACES: usize = 200;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub tables: Vec<Arc<Table>>,
    /// One case; `None`: the whole register and every case that the caller sees.
    pub case: Option<CaseId>,
    /// Entries of these days (支援経過), cases received on them (the other files of cases).
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub options: WriteOptions,
    pub choices: Choices,
}

impl Plan {
    /// Files that show nothing of cases.
    pub(crate) fn is_register(table: &Table) -> bool {
        matches!(table.id.as_str(), "person" | "household_member")
    }

    /// Whether anything of cases goes out.
    pub(crate) fn has_cases(&self) -> bool {
        self.case.is_some() || self.tables.iter().any(|table| !Self::is_register(table))
    }

    fn covers(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

type Values = BTreeMap<String, Value>;

/// From who reads to who writes.
pub(crate) enum Piece {
    Begin(Arc<Table>),
    Rows(Vec<Values>),
    /// All is said; without it the file is broken off.
    End,
}

/// A character that the encoding cannot hold, and where it stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Place {
    pub file: String,
    pub row: usize,
    pub column: String,
    pub text: String,
}

/// The characters that the encoding cannot hold: the first of them, and how many there are. Runs on a
/// thread of its own.
pub(crate) fn look(mut pieces: Receiver<Piece>, plan: &Plan) -> (Vec<Place>, usize) {
    let (mut places, mut count) = (Vec::new(), 0);
    let mut at: Option<(Arc<Table>, Layout, usize)> = None;
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Begin(table) => {
                let head = 1 + usize::from(plan.options.identifiers);
                let layout = Layout::new(&table, plan.choices);
                at = Some((table, layout, head));
            }
            Piece::Rows(rows) => {
                let Some((table, layout, above)) = &mut at else {
                    continue;
                };
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|values| layout.cells(table, values))
                    .collect();
                if let Err(WriteError::Unencodable(found)) =
                    append(&layout.columns, &cells, &plan.options, *above)
                {
                    count += found.len();
                    let left = PLACES.saturating_sub(places.len());
                    places.extend(found.into_iter().take(left).map(|place| {
                        Place {
                            file: format!("{}.csv", table.id),
                            row: place.row,
                            column: layout
                                .columns
                                .get(place.column.saturating_sub(1))
                                .map_or_else(String::new, |column| column.label.clone()),
                            text: place.text,
                        }
                    }));
                }
                *above += cells.len();
            }
            Piece::End => break,
        }
    }
    (places, count)
}

/// What is written goes to the answer piece by piece; a slow reader holds the writer up.
struct Outlet(Sender<io::Result<Bytes>>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the ZIP. Runs on a thread of its own. What cannot be finished is broken off with an error, so
/// that nobody takes it for whole.
pub(crate) fn pack(pieces: Receiver<Piece>, plan: &Plan, out: Sender<io::Result<Bytes>>) {
    if let Err(error) = packed(pieces, plan, out.clone()) {
        // Nobody listening: the download was given up.
        let _given_up = out.blocking_send(Err(error));
    }
}

fn packed(
    mut pieces: Receiver<Piece>,
    plan: &Plan,
    out: Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut archive = ZipWriter::new_stream(io::BufWriter::with_capacity(64 << 10, Outlet(out)));
    let kind = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(true);
    let mut at: Option<(Arc<Table>, Layout, usize)> = None;
    let broken = |error: WriteError| io::Error::other(error.to_string());
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Begin(table) => {
                let layout = Layout::new(&table, plan.choices);
                archive.start_file(format!("{}.csv", table.id), kind)?;
                let head = write(&layout.columns, &[], &plan.options).map_err(broken)?;
                archive.write_all(&head.bytes)?;
                at = Some((table, layout, 1 + usize::from(plan.options.identifiers)));
            }
            Piece::Rows(rows) => {
                let Some((table, layout, above)) = &mut at else {
                    continue;
                };
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|values| layout.cells(table, values))
                    .collect();
                let more =
                    append(&layout.columns, &cells, &plan.options, *above).map_err(broken)?;
                archive.write_all(&more.bytes)?;
                *above += cells.len();
            }
            Piece::End => {
                let mut rest = archive.finish()?;
                return rest.flush();
            }
        }
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// The cases that the plan is about, as far as the caller may know of them.
pub(crate) async fn cases(
    state: &AppState,
    caller: &Caller,
    plan: &Plan,
) -> Result<Vec<CaseId>, ApiError> {
    if !plan.has_cases() {
        return Ok(Vec::new());
    }
    let mut tx = state.db().read().await?;
    if let Some(case) = &plan.case {
        tx.case_for(caller, case)
            .await?
            .ok_or_else(ApiError::not_found)?;
        return Ok(vec![case.clone()]);
    }
    let all = tx.visible_cases(caller).await?;
    let whole = plan.from.is_none() && plan.to.is_none();
    if whole || plan.tables.iter().any(|table| table.id == "progress") {
        return Ok(all);
    }
    // Only what goes into the files is asked about and written down.
    let mut out = Vec::new();
    for ids in all.chunks(CASES) {
        let lines = tx.case_lines(caller, ids).await?;
        out.extend(
            ids.iter()
                .filter(|id| {
                    lines
                        .get(*id)
                        .is_some_and(|(_, line)| plan.covers(line.received_on))
                })
                .cloned(),
        );
    }
    Ok(out)
}

/// Reads everything that is asked for and hands it on. Returns how many rows of which file.
pub(crate) async fn produce(
    state: &AppState,
    caller: &Caller,
    plan: &Plan,
    cases: &[CaseId],
    out: &Sender<Piece>,
) -> Result<BTreeMap<String, u64>, ApiError> {
    let mut counts = BTreeMap::new();
    for table in &plan.tables {
        let mut outlet = Rows { out, count: 0 };
        outlet.send(Piece::Begin(Arc::clone(table))).await?;
        match table.id.as_str() {
            "person" | "household_member" => {
                register(state, caller, plan, table, &mut outlet).await?;
            }
            "progress" => progress(state, caller, plan, cases, &mut outlet).await?,
            _ => of_cases(state, caller, plan, table, cases, &mut outlet).await?,
        }
        counts.insert(table.id.clone(), outlet.count);
    }
    out.send(Piece::End).await.map_err(|_| given_up())?;
    Ok(counts)
}

fn given_up() -> ApiError {
    ApiError::internal("the download was given up")
}

struct Rows<'a> {
    out: &'a Sender<Piece>,
    count: u64,
}

impl Rows<'_> {
    async fn send(&mut self, piece: Piece) -> Result<(), ApiError> {
        if let Piece::Rows(rows) = &piece {
            self.count += rows.len() as u64;
        }
        self.out.send(piece).await.map_err(|_| given_up())
    }
}

fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

fn optional<T: ToString>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |value| Value::String(value.to_string()))
}

fn row<const N: usize>(values: [(&str, Value); N]) -> Values {
    values
        .into_iter()
        .map(|(id, value)| (id.to_owned(), value))
        .collect()
}

fn person_row(mut person: Person) -> Values {
    if person.address_confidential {
        person
            .fields
            .retain(|field, _| !PROTECTED.contains(&field.as_str()));
    }
    let flags: BTreeSet<String> = person.flags.iter().map(|flag| flag.flag.clone()).collect();
    let mut out: Values = person
        .fields
        .into_iter()
        .map(|(field, value)| {
            let value = match value.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(value),
            };
            (field, value)
        })
        .collect();
    for mark in ["is_anonymous", "is_deceased", "no_fixed_address"] {
        out.entry(mark.to_owned()).or_insert(Value::Bool(false));
    }
    out.insert("person_id".to_owned(), text(person.id.0));
    out.insert(
        "address_confidential".to_owned(),
        person.address_confidential.into(),
    );
    out.insert("risk_flags".to_owned(), flags.into_iter().collect());
    out.insert("updated_at".to_owned(), text(person.updated_at));
    out
}

/// The persons of the register, or those of the case whom the caller sees by name.
async fn register(
    state: &AppState,
    caller: &Caller,
    plan: &Plan,
    table: &Table,
    out: &mut Rows<'_>,
) -> Result<(), ApiError> {
    let mut after: Option<PersonId> = None;
    loop {
        let mut tx = state.db().read().await?;
        let (ids, last) = match &plan.case {
            Some(case) => {
                let access = tx
                    .case_for(caller, case)
                    .await?
                    .ok_or_else(ApiError::not_found)?;
                let people = access.persons(&mut tx).await?;
                let ids = people.into_iter().filter_map(|person| person.person_id);
                (ids.collect::<Vec<_>>(), true)
            }
            None => {
                let limit = i64::try_from(PERSONS).unwrap_or(i64::MAX);
                let ids = tx.person_ids(caller, after.as_ref(), limit).await?;
                let last = ids.len() < PERSONS;
                (ids, last)
            }
        };
        after = ids.last().cloned();
        let rows = if table.id == "person" {
            let mut shown = tx.persons_shown(caller, &ids).await?;
            ids.iter()
                .filter_map(|id| shown.remove(id))
                .map(person_row)
                .collect()
        } else {
            households(&mut tx, caller, &ids).await?
        };
        drop(tx);
        out.send(Piece::Rows(rows)).await?;
        if last {
            return Ok(());
        }
    }
}

async fn households(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[PersonId],
) -> Result<Vec<Values>, ApiError> {
    let stays = store::households::for_files(tx, caller, ids).await?;
    let known: Vec<PersonId> = stays.keys().cloned().collect();
    let people = tx.persons_shown(caller, &known).await?;
    let mut out = Vec::new();
    for (id, stays) in stays {
        let name = people.get(&id).map(|person| person.name().to_owned());
        for (kind, household, stay) in stays {
            out.push(row([
                ("household_id", text(household)),
                ("household_kind", text(kind.label_ja())),
                ("person_id", text(id.as_str())),
                ("name", optional(name.as_ref())),
                ("kinship", optional(stay.kinship)),
                ("kinship_other", optional(stay.words.kinship_other)),
                ("valid_from", optional(stay.from)),
                ("valid_to", optional(stay.to)),
            ]));
        }
    }
    Ok(out)
}

async fn lines(
    state: &AppState,
    caller: &Caller,
    ids: &[CaseId],
) -> Result<Vec<(CaseAccess, CaseSummary)>, ApiError> {
    let mut tx = state.db().read().await?;
    let mut lines = tx.case_lines(caller, ids).await?;
    Ok(ids.iter().filter_map(|id| lines.remove(id)).collect())
}

/// A file with rows of cases, one case after the other.
async fn of_cases(
    state: &AppState,
    caller: &Caller,
    plan: &Plan,
    table: &Table,
    cases: &[CaseId],
    out: &mut Rows<'_>,
) -> Result<(), ApiError> {
    for ids in cases.chunks(CASES) {
        for (access, summary) in lines(state, caller, ids).await? {
            if !plan.covers(summary.received_on) {
                continue;
            }
            let rows = match table.id.as_str() {
                "case" => {
                    let protected = scanning::address_protected(Some(access.facts()));
                    let mut tx = state.db().read().await?;
                    let people = access.persons(&mut tx).await?;
                    vec![case_row(&summary, &people, protected)]
                }
                "relation" => {
                    let mut tx = state.db().read().await?;
                    let people = access.persons(&mut tx).await?;
                    people
                        .iter()
                        .map(|person| relation_row(&summary, person))
                        .collect()
                }
                "consent" => consent_rows(state, &access, &summary).await?,
                _ => sheet_rows(state, &access, &summary, table).await?,
            };
            if !rows.is_empty() {
                out.send(Piece::Rows(rows)).await?;
            }
        }
    }
    Ok(())
}

fn case_row(case: &CaseSummary, people: &[CasePerson], protected: bool) -> Values {
    let born: Vec<&str> = people
        .iter()
        .filter(|person| person.role == CaseRole::Client)
        .filter_map(|client| client.person.as_ref()?.fields.get("birth_date"))
        .map(String::as_str)
        .collect();
    let ids: Vec<&str> = case
        .clients
        .iter()
        .filter_map(|client| client.person_id.as_ref().map(PersonId::as_str))
        .collect();
    let names: Vec<&str> = case
        .clients
        .iter()
        .map(|client| client.display.as_str())
        .collect();
    row([
        ("case_no", text(&case.case_no)),
        (
            "case_title",
            match &case.title {
                Some(_) if protected => text(ADDRESS),
                title => optional(title.as_ref()),
            },
        ),
        ("person_ids", text(ids.join("|"))),
        ("clients", text(names.join("、"))),
        ("client_birth_dates", text(born.join("|"))),
        ("stage", text(case.stage.label_ja())),
        ("urgency", optional(case.urgency.as_ref())),
        ("received_on", text(case.received_on.to_string())),
        ("closed_on", optional(case.closed_on)),
        (
            "owner",
            optional(case.owner.as_ref().map(|owner| &owner.name)),
        ),
        ("owner_agency", text(&case.owner_agency.name)),
        (
            "lead_org",
            optional(case.lead_agency.as_ref().map(|agency| &agency.name)),
        ),
        ("last_progress_on", optional(case.last_progress_on)),
        ("similar_ok", case.similar_ok.into()),
    ])
}

/// The word for a role in a case.
pub(crate) const fn role_label(role: CaseRole) -> &'static str {
    match role {
        CaseRole::Client => "支援対象者",
        CaseRole::Household => "世帯員",
        CaseRole::Relative => "親族",
        CaseRole::Related => "関係者",
    }
}

fn relation_row(case: &CaseSummary, person: &CasePerson) -> Values {
    row([
        ("case_no", text(&case.case_no)),
        (
            "person_id",
            optional(person.person_id.as_ref().map(PersonId::as_str)),
        ),
        ("name", text(&person.display)),
        ("role", text(role_label(person.role))),
        ("kinship", optional(person.kinship.as_ref())),
    ])
}

async fn consent_rows(
    state: &AppState,
    access: &CaseAccess,
    case: &CaseSummary,
) -> Result<Vec<Values>, ApiError> {
    let mut tx = state.db().read().await?;
    let people = access.persons(&mut tx).await?;
    let records = access.consents(&mut tx).await?;
    let known = agencies::by_id(&mut tx, &access.caller().viewer.municipality).await?;
    drop(tx);
    let protected = scanning::address_protected(Some(access.facts()));
    let words = |value: Option<String>| match value {
        Some(_) if protected => text(ADDRESS),
        other => optional(other),
    };
    let names = |ids: &[AgencyId]| {
        let names: Vec<&str> = ids
            .iter()
            .filter_map(|id| known.get(id).map(|agency| agency.name.as_str()))
            .collect();
        text(names.join("、"))
    };
    Ok(records
        .into_iter()
        .map(|record| {
            let subject = people
                .iter()
                .find(|person| person.person_id.as_ref() == Some(&record.person))
                .map(|person| person.display.as_str());
            let sections = record
                .consent
                .allowed_sections
                .as_deref()
                .unwrap_or_default();
            row([
                ("consent_id", text(record.id.0)),
                ("case_no", text(&case.case_no)),
                ("person_id", text(record.person.0)),
                ("subject", optional(subject)),
                ("status", text(record.consent.status.code())),
                ("obtained_on", optional(record.consent.obtained_on)),
                ("method", optional(record.method)),
                ("expires_on", optional(record.consent.expires_on)),
                ("withdrawn_on", optional(record.consent.withdrawn_on)),
                (
                    "allowed_sections",
                    sections.iter().map(|section| section.code()).collect(),
                ),
                (
                    "allowed_orgs",
                    names(
                        record
                            .consent
                            .allowed_agencies
                            .as_deref()
                            .unwrap_or_default(),
                    ),
                ),
                ("excluded_orgs", names(&record.consent.excluded_agencies)),
                ("policy_version", optional(record.policy_version)),
                ("purpose", words(record.detail.purpose)),
                ("proxy", words(record.detail.proxy)),
                ("note", words(record.detail.note)),
                ("current", record.current.into()),
            ])
        })
        .collect())
}

pub(crate) fn shown(value: &Projected) -> Value {
    if value.withheld {
        return text(WITHHELD);
    }
    match (&value.text, &value.value) {
        (Some(text), _) => text.clone().into(),
        (None, Some(value)) => value.clone(),
        (None, None) => Value::Null,
    }
}

fn fields(projection: &Projection) -> Values {
    projection
        .iter()
        .filter(|(_, value)| value.rows.is_none())
        .map(|(field, value)| (field.clone(), shown(value)))
        .collect()
}

/// The sheets of one kind, or the rows of one of their tables.
async fn sheet_rows(
    state: &AppState,
    access: &CaseAccess,
    case: &CaseSummary,
    table: &Table,
) -> Result<Vec<Values>, ApiError> {
    let mut tx = state.db().read().await?;
    let documents = access.documents(&mut tx).await?;
    let forms = tx.forms(&access.caller().viewer.municipality).await?;
    drop(tx);
    let mut out = Vec::new();
    for document in documents {
        let Some(definition) = document
            .info()
            .form
            .as_deref()
            .filter(|form| SHEETS.contains(form))
            .and_then(|form| forms.definition(form))
        else {
            continue;
        };
        // `None`: the sheet itself; otherwise one of its tables.
        let part = if definition.id == table.id {
            None
        } else {
            let found = definition
                .fields()
                .find(|field| table_id(&definition.id, Some(&field.id)) == table.id);
            match found {
                Some(field) => Some(field.id.as_str()),
                None => continue,
            }
        };
        if document.level() < Level::Masked {
            continue;
        }
        let masked = document.level() == Level::Masked;
        let mut answer = projection::answer(state, &document, masked).await?;
        if !masked {
            projection::leave_out_addresses(state, &document, &mut answer).await?;
        }
        let info = document.info();
        let keys = |values: &mut Values| {
            values.insert("case_no".to_owned(), text(&case.case_no));
            values.insert(
                "number".to_owned(),
                info.number.map_or(Value::Null, Value::from),
            );
        };
        match part {
            None => {
                let mut values = fields(&answer.fields);
                keys(&mut values);
                let state = if info.state == store::documents::DocumentState::Final {
                    "確定"
                } else {
                    "下書き"
                };
                values.insert("state".to_owned(), text(state));
                out.push(values);
            }
            Some(field) => {
                let rows = answer
                    .fields
                    .get(field)
                    .and_then(|value| value.rows.as_ref());
                for (at, cells) in rows.into_iter().flatten().enumerate() {
                    let mut values: Values = cells
                        .cells
                        .iter()
                        .map(|(column, value)| (column.clone(), shown(value)))
                        .collect();
                    keys(&mut values);
                    values.insert("row".to_owned(), (at + 1).into());
                    out.push(values);
                }
            }
        }
    }
    Ok(out)
}

async fn progress(
    state: &AppState,
    caller: &Caller,
    plan: &Plan,
    cases: &[CaseId],
    out: &mut Rows<'_>,
) -> Result<(), ApiError> {
    for ids in cases.chunks(CASES) {
        for (access, summary) in lines(state, caller, ids).await? {
            let mut tx = state.db().read().await?;
            let entries = Entries::load(&mut tx, &access, None).await?;
            drop(tx);
            let protected = scanning::address_protected(Some(access.facts()));
            let rows: Vec<Values> = entries
                .finish(state)
                .await?
                .into_iter()
                .rev()
                .filter(|entry| entry.performed_on.parse().is_ok_and(|day| plan.covers(day)))
                .map(|entry| progress_row(&summary, entry, protected))
                .collect();
            if !rows.is_empty() {
                out.send(Piece::Rows(rows)).await?;
            }
        }
    }
    Ok(())
}

fn progress_row(case: &CaseSummary, entry: ProgressAnswer, protected: bool) -> Values {
    // Free text may name the place; entries have no scan that would say where.
    let hidden = protected && entry.level != Level::Masked.code();
    let words = |value: Option<String>| match value {
        Some(_) if hidden => text(ADDRESS),
        other => optional(other),
    };
    let content = if entry.withheld {
        text(WITHHELD)
    } else {
        words(entry.content)
    };
    let ids: Vec<&str> = entry
        .persons
        .iter()
        .map(|person| person.person_id.as_str())
        .collect();
    let names: Vec<&str> = entry
        .persons
        .iter()
        .map(|person| person.display.as_str())
        .collect();
    row([
        ("record_id", text(entry.id)),
        ("case_no", text(&case.case_no)),
        (
            "performed_at",
            text(entry.performed_at.unwrap_or(entry.performed_on)),
        ),
        ("ended_at", optional(entry.ended_at)),
        ("person_ids", text(ids.join("|"))),
        ("target_person", text(names.join("、"))),
        ("staff", text(entry.staff.name)),
        ("org", text(entry.agency.name)),
        ("method", text(entry.method)),
        ("method_other", words(entry.method_other)),
        (
            "involved_orgs",
            if hidden {
                Value::Null
            } else {
                entry.involved_orgs.into()
            },
        ),
        ("log_target", entry.log_target.into()),
        ("title", words(entry.title)),
        ("content", content),
        ("log_kind", entry.log_kind.into()),
        ("minutes", entry.minutes.map_or(Value::Null, Value::from)),
        ("plan_item", words(entry.plan_item)),
        ("visibility", entry.visibility),
        ("private_note", words(entry.private_note)),
        ("amendments", json!(entry.amendments.len())),
        ("recorded_at", text(entry.recorded_at)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::exchange::{Encoding, tables};
    use std::io::Read;

    fn person() -> Arc<Table> {
        let found = tables().iter().find(|table| table.id == "person");
        Arc::clone(found.unwrap())
    }

    fn plan(encoding: Encoding) -> Plan {
        Plan {
            tables: vec![person()],
            case: None,
            from: None,
            to: None,
            options: WriteOptions {
                encoding,
                ..WriteOptions::default()
            },
            choices: Choices::Joined,
        }
    }

    fn sent(pieces: Vec<Piece>) -> Receiver<Piece> {
        let (send, receive) = tokio::sync::mpsc::channel(16);
        for piece in pieces {
            send.try_send(piece).unwrap_or_else(|_| panic!("full"));
        }
        receive
    }

    fn people() -> Vec<Piece> {
        vec![
            Piece::Begin(person()),
            Piece::Rows(vec![row([("name", text("架空 一郎"))])]),
            Piece::Rows(vec![row([("name", text("𠮷田 花子"))])]),
            Piece::End,
        ]
    }

    fn collected(pieces: Vec<Piece>) -> (Vec<u8>, bool) {
        let (send, mut receive) = tokio::sync::mpsc::channel(64);
        pack(sent(pieces), &plan(Encoding::Utf8Bom), send);
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Ok(piece) = receive.try_recv() {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(_) => whole = false,
            }
        }
        (bytes, whole)
    }

    #[test]
    fn what_is_sent_in_pieces_is_one_file() {
        let (bytes, whole) = collected(people());
        assert!(whole);
        let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive
            .by_name("person.csv")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text.matches('\u{feff}').count(), 1);
        let sheet = ::exchange::read_any(text.as_bytes()).unwrap();
        let at = sheet.column("氏名").unwrap();
        let names: Vec<&str> = sheet
            .records
            .iter()
            .map(|record| record.cells[at].as_str())
            .collect();
        assert_eq!(names, ["架空 一郎", "𠮷田 花子"]);
    }

    #[test]
    fn what_breaks_off_is_not_taken_for_whole() {
        let mut pieces = people();
        pieces.pop();
        assert!(!collected(pieces).1);
    }

    #[test]
    fn characters_are_named_with_file_row_and_column() {
        let (places, count) = look(sent(people()), &plan(Encoding::Cp932));
        assert_eq!(count, 1);
        assert_eq!(
            (
                places[0].file.as_str(),
                places[0].row,
                places[0].column.as_str(),
                places[0].text.as_str()
            ),
            ("person.csv", 3, "氏名", "𠮷")
        );
    }
}
