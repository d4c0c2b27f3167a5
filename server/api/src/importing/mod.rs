//! Brings files in (取込): each is read and compared in the background, looked at by who sent it, and then
//! written in one transaction. A node that dies leaves nothing half done: what it was at is taken up by
//! the next one that looks.

mod cases;
mod cells;
mod consents;
mod found_with;
mod persons;
mod progress;
mod relations;
mod sheets;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use ::exchange::{Mapping, Row, Table, Trouble, Understood, read_any, understand};
use collab::access::Change;
use domain::id::{CaseId, DocumentId, MunicipalityId, PersonId, ProgressRecordId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    Caller, StoreError, Tx,
    audit::{self, Event},
    imports::{self, Import, ImportState},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::found_with::refuse_outdated;
use self::{
    cells::Comparing,
    found_with::{FoundWith, Subjects},
};
use crate::{
    context::blocking, error::ApiError, events::CaseEvent, standard_files, state::AppState,
};

/// How often is looked for work that another node was given or left.
const EVERY: Duration = Duration::from_secs(2);
/// What failed is tried again after this long, and after twice as long each time it fails again.
const RETRY: Duration = Duration::from_secs(15);
/// The longest pause before the next try.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How often an import is tried in one state before it is given up.
const TRIES: u32 = 6;
/// How often files that nobody came back for are removed.
const SWEEP: Duration = Duration::from_secs(600);
/// How often the claim on a running import is renewed.
const RENEW: Duration = Duration::from_secs(30);
/// Rows in one part of what came of a check: what one page of the screen shows.
pub(crate) const PART: usize = 100;
/// Rows that are compared with the database at once.
const AT_ONCE: usize = 200;

/// Documents whose rights changed that are named one by one; beyond, every socket is asked again.
const NAMED: usize = 1000;
/// Most clients of one case.
const CLIENTS: usize = 20;

/// What the sender chose.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choices {
    pub mapping: Mapping,
    /// An empty cell takes the value away; otherwise it says nothing.
    pub clear: bool,
    /// Rows with errors are left out; otherwise nothing is written while there are any.
    pub skip_errors: bool,
}

/// What is to be known of the file as a whole.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// `utf-8-bom`, `utf-8`, `cp932`, `utf-16`.
    pub encoding: String,
    pub rows: usize,
    pub header: Vec<String>,
    pub unknown_headers: Vec<String>,
    pub unknown_options: BTreeMap<String, BTreeSet<String>>,
    /// Required columns that are missing, by label.
    pub missing: Vec<String>,
    /// Columns that two headers stand for, by label.
    pub doubled: Vec<String>,
    /// Rows that look like somebody who is in the register already.
    pub alike: usize,
    /// Rows in which something was mended.
    pub mended: usize,
    /// What was there had changed since the last check, so it was checked again.
    pub again: bool,
}

impl Summary {
    /// Whether the file can be written at all.
    pub(crate) fn is_fit(&self) -> bool {
        self.missing.is_empty() && self.doubled.is_empty()
    }
}

/// A value that would change.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlannedChange {
    /// Identifier of the column.
    pub field: String,
    pub label: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Somebody in the register who may be the same person.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LikePerson {
    pub person_id: String,
    pub name: String,
    /// As of `POST /persons/alike`.
    pub reasons: Vec<String>,
}

/// What becomes of a row.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Planned {
    pub line: u64,
    /// The person or entry that is there already.
    pub id: Option<String>,
    pub version: Option<i64>,
    /// Name, or day and number of the case.
    pub name: String,
    pub changes: Vec<PlannedChange>,
    /// What is written.
    pub values: BTreeMap<String, Value>,
    pub notes: Vec<Trouble>,
    pub errors: Vec<Trouble>,
    pub alike: Vec<LikePerson>,
    /// Number of a case that was found though the row does not name it.
    pub found_case: Option<String>,
    pub found_with: FoundWith,
}

crate::operations::persons::closed!(Choices, Summary, PlannedChange, LikePerson, Planned);

impl Planned {
    fn of(row: &Row) -> Self {
        Self {
            line: row.line,
            notes: row.notes.clone(),
            errors: row.errors.clone(),
            ..Self::default()
        }
    }

    fn fail(&mut self, column: Option<&str>, code: &str, message: impl Into<String>) {
        self.errors.push(Trouble {
            column: column.map(str::to_owned),
            header: None,
            code: code.to_owned(),
            message: message.into(),
        });
    }

    /// Something to look at that keeps nothing from being written.
    fn remark(&mut self, column: Option<&str>, code: &str, message: impl Into<String>) {
        self.notes.push(Trouble {
            column: column.map(str::to_owned),
            header: None,
            code: code.to_owned(),
            message: message.into(),
        });
    }

    /// `error`, `create`, `update` or `same`.
    fn kind(&self) -> &'static str {
        match (self.errors.is_empty(), &self.id, self.changes.is_empty()) {
            (false, ..) => "error",
            (true, None, _) => "create",
            (true, Some(_), false) => "update",
            (true, Some(_), true) => "same",
        }
    }
}

/// How far the imports that this node works on are, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Rows done, of how many.
    running: Mutex<HashMap<String, (usize, usize)>>,
    turns: Mutex<Turns>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Turns {
    /// How often something was begun here.
    count: u64,
    /// Which of these was the last one of a municipality.
    last: HashMap<MunicipalityId, u64>,
    /// Imports that failed: how often, and when they are tried again.
    resting: HashMap<String, (u32, Instant)>,
}

impl Turns {
    /// Puts those first whose municipality waits longest; what rests is left out.
    fn arrange(&mut self, due: Vec<Import>, now: Instant) -> Vec<Import> {
        self.resting
            .retain(|id, _| due.iter().any(|import| import.id == *id));
        let mut due: Vec<Import> = due
            .into_iter()
            .filter(|import| {
                let rest = self.resting.get(&import.id);
                rest.is_none_or(|(_, until)| *until <= now)
            })
            .collect();
        due.sort_by_key(|import| self.last.get(&import.municipality).copied());
        due
    }

    fn begin(&mut self, import: &Import) {
        self.count += 1;
        self.last.insert(import.municipality.clone(), self.count);
    }

    /// Lets an import rest that failed. Returns how often it did here.
    fn rest(&mut self, import: &str, now: Instant) -> u32 {
        let failed = self.resting.get(import).map_or(0, |(failed, _)| *failed) + 1;
        let pause = RETRY.saturating_mul(1 << failed.min(10)) / 2;
        self.resting
            .insert(import.to_owned(), (failed, now + pause.min(LONGEST_PAUSE)));
        failed
    }

    fn failed(&self, import: &str) -> u32 {
        self.resting.get(import).map_or(0, |(failed, _)| *failed)
    }
}

impl Steps {
    /// There is something to do.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Rows done and in all; `None`: this node is not at it.
    pub(crate) fn of(&self, import: &str) -> Option<(usize, usize)> {
        self.running.lock().get(import).copied()
    }

    fn set(&self, import: &str, done: usize, total: usize) {
        self.running.lock().insert(import.to_owned(), (done, total));
    }

    fn forget(&self, import: &str) {
        self.running.lock().remove(import);
    }
}

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut swept = None::<Instant>;
    loop {
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            if let Err(error) = imports::sweep(state.db()).await {
                tracing::warn!(%error, "old imports not removed");
            }
            swept = Some(Instant::now());
        }
        let pause = match turn(&state).await {
            Ok(true) => continue,
            Ok(false) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "imports not looked for");
                RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
            () = state.imports().wake.notified() => {}
        }
    }
}

/// Works on one import that waits, if there is any. One that fails rests, so that it is nobody's but its
/// own trouble.
///
/// # Errors
/// Database away.
async fn turn(state: &AppState) -> Result<bool, ApiError> {
    let due = imports::due(state.db()).await?;
    let due = state.imports().turns.lock().arrange(due, Instant::now());
    for import in due {
        let name = format!("import:{}", import.id);
        let holder = state.holder();
        let Some(claim) = state
            .db()
            .claim(&import.municipality, &name, &holder)
            .await?
        else {
            continue;
        };
        state.imports().turns.lock().begin(&import);
        let id = import.id.clone();
        let renewing = tokio::spawn({
            let (state, municipality) = (state.clone(), import.municipality.clone());
            async move {
                loop {
                    sleep(RENEW).await;
                    let renewed = state.db().claim(&municipality, &name, &holder).await;
                    if !matches!(renewed, Ok(Some(_))) {
                        return;
                    }
                }
            }
        });
        let worked = attempt(state, import).await;
        renewing.abort();
        state.imports().forget(&id);
        state.db().release(claim).await?;
        let mut turns = state.imports().turns.lock();
        match worked {
            // It was ended meanwhile.
            Ok(())
            | Err(ApiError::Refused {
                code: "conflict", ..
            }) => {
                turns.resting.remove(&id);
            }
            Err(error) => {
                let failed = turns.rest(&id, Instant::now());
                tracing::warn!(%error, failed, "import not finished; tried again");
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// Works on an import, unless that was tried often enough.
async fn attempt(state: &AppState, import: Import) -> Result<(), ApiError> {
    let failed = state.imports().turns.lock().failed(&import.id);
    let mut tx = state.db().write().await?;
    let Some(tries) = import.begin(&mut tx).await? else {
        return Ok(());
    };
    tx.commit().await?;
    if tries > TRIES || failed >= TRIES {
        tracing::error!(state = import.state.code(), "import given up");
        let code = import.state.cut_short().unwrap_or("gave_up");
        return fail(state, import, code).await;
    }
    work(state, import).await
}

async fn work(state: &AppState, import: Import) -> Result<(), ApiError> {
    match import.state {
        ImportState::Checking => check(state, import, false).await,
        ImportState::Applying => apply(state, import).await,
        ImportState::Filling => fill(state, import).await,
        ImportState::Indexing => index(state, import).await,
        ImportState::Ready | ImportState::Done | ImportState::Failed => Ok(()),
    }
}

async fn fail(state: &AppState, import: Import, code: &str) -> Result<(), ApiError> {
    let mut tx = state.db().write().await?;
    let event = Event::system(
        &import.municipality,
        "import.failed",
        "import",
        import.id.as_str(),
    )
    .detail(json!({ "table": import.table, "code": code }));
    audit::record(&mut tx, event);
    import.end(&mut tx, ImportState::Failed, Some(code)).await?;
    tx.commit().await?;
    Ok(())
}

/// Reads the file and compares it with what is there.
async fn check(state: &AppState, mut import: Import, again: bool) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let Some(layout) = standard_files::one(&mut tx, &import.municipality, &import.table).await?
    else {
        drop(tx);
        return fail(state, import, "table").await;
    };
    let Some(caller) = import.caller(&mut tx).await? else {
        drop(tx);
        return fail(state, import, "forbidden").await;
    };
    let file = import.file(&mut tx).await?;
    let choices: Choices = import
        .part(&mut tx, "options", 0)
        .await?
        .unwrap_or_default();
    drop(tx);
    let (progress, id, mapping) = (state.clone(), import.id.clone(), choices.mapping.clone());
    let table = Arc::clone(&layout);
    let read = blocking(move || {
        let sheet = read_any(&file).ok()?;
        let total = sheet.records.len();
        // Reading is about a fifth of the work.
        Some(understand(&table, sheet, &mapping, |done| {
            progress.imports().set(&id, done / 5, total);
        }))
    })
    .await?;
    let Some(understood) = read else {
        return fail(state, import, "unreadable").await;
    };
    let mut summary = summary(&understood);
    summary.again = again;
    let planned = plan(state, &caller, &import, &layout, &understood, &choices).await?;
    summary.alike = planned.iter().filter(|row| !row.alike.is_empty()).count();
    summary.mended = planned.iter().filter(|row| !row.notes.is_empty()).count();
    let mut kinds: BTreeMap<&'static str, Vec<Planned>> = BTreeMap::new();
    for row in planned {
        kinds.entry(row.kind()).or_default().push(row);
    }
    let counts: BTreeMap<String, i64> = kinds
        .iter()
        .map(|(kind, rows)| {
            (
                (*kind).to_owned(),
                i64::try_from(rows.len()).unwrap_or(i64::MAX),
            )
        })
        .collect();
    let mut tx = state.db().write().await?;
    import.clear_results(&mut tx).await?;
    import.put_part(&mut tx, "summary", 0, &summary).await?;
    for (kind, rows) in kinds {
        for (number, part) in (0..).zip(rows.chunks(PART)) {
            import.put_part(&mut tx, kind, number, part).await?;
        }
    }
    let detail = json!({ "table": import.table, "counts": counts });
    audit::record(
        &mut tx,
        Event::by(&caller, "import.check", "import", import.id.as_str()).detail(detail),
    );
    import
        .advance(&mut tx, ImportState::Ready, Some(&counts))
        .await?;
    tx.commit().await?;
    Ok(())
}

fn summary(understood: &Understood) -> Summary {
    Summary {
        encoding: serde_json::to_value(understood.encoding)
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned))
            .unwrap_or_default(),
        rows: understood.rows.len(),
        header: understood.header.clone(),
        unknown_headers: understood.unknown_headers.clone(),
        unknown_options: understood.unknown_options.clone(),
        missing: understood.missing.clone(),
        doubled: understood.doubled.clone(),
        ..Summary::default()
    }
}

async fn plan(
    state: &AppState,
    caller: &Caller,
    import: &Import,
    layout: &Table,
    understood: &Understood,
    choices: &Choices,
) -> Result<Vec<Planned>, ApiError> {
    let total = understood.rows.len();
    let mut out = Vec::with_capacity(total);
    let mut seen = Seen::default();
    for rows in understood.rows.chunks(AT_ONCE) {
        let comparing = Comparing {
            caller,
            layout,
            rows,
            choices,
            seen: &mut seen,
        };
        let mut subjects: Vec<Subjects> = rows.iter().map(Subjects::of_row).collect();
        // Short transactions: an old state of the database is not held for the whole file.
        let mut tx = state.db().read().await?;
        let (mut planned, found_with) = if layout.form.is_some() {
            // Of the rights before the check: what changes meanwhile is noticed.
            let found_with = FoundWith::now(&mut tx, caller, &subjects).await?;
            drop(tx);
            (sheets::plan(state, comparing).await?, found_with)
        } else {
            let planned = match import.table.as_str() {
                "progress" => progress::plan(&mut tx, comparing).await?,
                "case" => cases::plan(&mut tx, comparing).await?,
                "relation" => relations::plan(&mut tx, comparing).await?,
                "consent" => consents::plan(&mut tx, comparing).await?,
                _ => persons::plan(&mut tx, comparing).await?,
            };
            subjects = subjects
                .into_iter()
                .zip(&planned)
                .map(|(named, planned)| named.and_found(planned))
                .collect();
            let found_with = FoundWith::now(&mut tx, caller, &subjects).await?;
            (planned, found_with)
        };
        for (row, subjects) in planned.iter_mut().zip(&subjects) {
            row.found_with = found_with.about(subjects);
        }
        out.extend(planned);
        state
            .imports()
            .set(&import.id, total / 5 + out.len() * 4 / 5, total);
    }
    Ok(out)
}

/// What stood in earlier rows of the file.
#[derive(Default)]
struct Seen {
    /// Id → line.
    ids: HashMap<String, u64>,
    /// Name and birth date, or case, day and text → line.
    alike: HashMap<String, u64>,
    /// Sheet → rows that are added to its table.
    added: HashMap<String, usize>,
}

/// Screens that are to be told, and texts to be looked through again.
#[derive(Default)]
struct Touched {
    documents: Vec<DocumentId>,
    persons: Vec<(PersonId, Vec<CaseId>)>,
    entries: Vec<(CaseId, ProgressRecordId)>,
    cases: Vec<CaseId>,
    /// Documents whose open sockets are to be asked for their rights again.
    rights: Vec<DocumentId>,
    /// What follows the commit, in documents.
    pending: Vec<Pending>,
}

/// Something that is written into documents once the rows are committed. It is kept with the import
/// until it is done, and doing it again does nothing: a node that dies leaves it to the next one.
#[derive(Clone, Serialize, Deserialize)]
enum Pending {
    Case(cases::Made),
    Sheet(sheets::Fill),
}

/// Kind of the parts that hold what is pending.
const PENDING: &str = "pending";

/// Writes what was checked, all or nothing.
async fn apply(state: &AppState, mut import: Import) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let Some(layout) = standard_files::one(&mut tx, &import.municipality, &import.table).await?
    else {
        drop(tx);
        return fail(state, import, "table").await;
    };
    let choices: Choices = import
        .part(&mut tx, "options", 0)
        .await?
        .unwrap_or_default();
    let errors = import.counts.get("error").copied().unwrap_or(0);
    if errors > 0 && !choices.skip_errors {
        drop(tx);
        return fail(state, import, "errors").await;
    }
    let create = parts(&mut tx, &import, "create").await?;
    let update = parts(&mut tx, &import, "update").await?;
    drop(tx);
    let total = create.len() + update.len();
    state.imports().set(&import.id, 0, total);
    if layout.form.is_some() && sheets::moved(state, &layout, &update).await? {
        return check_again(state, import).await;
    }
    let mut tx = state.db().write().await?;
    // With the rights of now, not those of the check.
    let Some(caller) = import.caller(&mut tx).await? else {
        drop(tx);
        return fail(state, import, "forbidden").await;
    };
    let step = |done: usize| state.imports().set(&import.id, done, total);
    let id = import.id.as_str();
    let written = match import.table.as_str() {
        "progress" => progress::write(&mut tx, &caller, id, &create, step).await,
        "case" => cases::write(&mut tx, &caller, id, &create, &update, step).await,
        "relation" => relations::write(&mut tx, &caller, id, &create, step).await,
        "consent" => consents::write(&mut tx, &caller, id, &create, step).await,
        _ if layout.form.is_some() => {
            let rows = update.iter().chain(&create);
            sheets::write(&mut tx, &caller, id, &layout, rows, step).await
        }
        _ => persons::write(&mut tx, &caller, id, &create, &update, step).await,
    };
    let mut touched = match written {
        Ok(touched) => touched,
        Err(StoreError::Conflict) => {
            drop(tx);
            return check_again(state, import).await;
        }
        Err(StoreError::Forbidden | StoreError::NotFound) => {
            drop(tx);
            return fail(state, import, "forbidden").await;
        }
        Err(StoreError::Invalid(_)) => {
            drop(tx);
            return fail(state, import, "invalid").await;
        }
        Err(other) => return Err(other.into()),
    };
    let detail = json!({
        "table": import.table, "counts": import.counts, "skip_errors": choices.skip_errors,
    });
    audit::record(
        &mut tx,
        Event::by(&caller, "import.apply", "import", import.id.as_str()).detail(detail),
    );
    // The file has done its work.
    if touched.pending.is_empty() {
        import.drop_parts(&mut tx).await?;
        import.advance(&mut tx, ImportState::Indexing, None).await?;
    } else {
        import.keep_only(&mut tx, PENDING).await?;
        for (number, part) in (0..).zip(touched.pending.chunks(PART)) {
            import.put_part(&mut tx, PENDING, number, part).await?;
        }
        import.advance(&mut tx, ImportState::Filling, None).await?;
    }
    let municipality = &import.municipality;
    for list in [&mut touched.documents, &mut touched.rights] {
        list.sort();
        list.dedup();
    }
    touched.cases.sort();
    touched.cases.dedup();
    if touched.rights.is_empty() {
        tx.commit().await?;
    } else {
        let change = if touched.rights.len() > NAMED {
            Change::Municipality(municipality.clone())
        } else {
            Change::Documents(touched.rights)
        };
        state.commit_rights(tx, municipality, change).await?;
    }
    state.rescan(&touched.documents);
    for (person_id, cases) in touched.persons {
        for case in cases {
            let event = CaseEvent::Person {
                person_id: person_id.clone(),
            };
            state.events().tell(municipality, &case, event);
        }
    }
    for (case, record_id) in touched.entries {
        let event = CaseEvent::Progress { record_id };
        state.events().tell(municipality, &case, event);
    }
    for case in touched.cases {
        state.events().tell(municipality, &case, CaseEvent::Case);
    }
    // What follows is taken up from the state that was committed, here or by another node.
    Ok(())
}

/// Carries what is pending to the documents.
async fn fill(state: &AppState, mut import: Import) -> Result<(), ApiError> {
    let rows: i64 = ["create", "update"]
        .iter()
        .filter_map(|kind| import.counts.get(*kind))
        .sum();
    let total = usize::try_from(rows).unwrap_or(0);
    let (mut number, mut done, mut left) = (0, 0, 0);
    loop {
        let mut tx = state.db().read().await?;
        let Some(part) = import
            .part::<Vec<Pending>>(&mut tx, PENDING, number)
            .await?
        else {
            break;
        };
        let Some(caller) = import.caller(&mut tx).await? else {
            drop(tx);
            return fail(state, import, "cut_off").await;
        };
        drop(tx);
        for one in part {
            match one {
                Pending::Case(made) => {
                    cases::carry(state, &caller, made).await?;
                    done += 1;
                }
                Pending::Sheet(fill) => {
                    done += fill.rows();
                    left += sheets::carry(state, &caller, fill).await?;
                }
            }
            state.imports().set(&import.id, done, total);
        }
        number += 1;
    }
    let mut counts = import.counts.clone();
    if left > 0 {
        counts.insert("left".to_owned(), i64::try_from(left).unwrap_or(i64::MAX));
    }
    let mut tx = state.db().write().await?;
    import.drop_parts(&mut tx).await?;
    import
        .advance(&mut tx, ImportState::Indexing, Some(&counts))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Somebody was there since the check: everything is looked at anew.
async fn check_again(state: &AppState, mut import: Import) -> Result<(), ApiError> {
    let mut tx = state.db().write().await?;
    import.advance(&mut tx, ImportState::Checking, None).await?;
    tx.commit().await?;
    check(state, import, true).await
}

async fn parts(tx: &mut Tx, import: &Import, kind: &str) -> Result<Vec<Planned>, ApiError> {
    let mut out = Vec::new();
    let mut number = 0;
    while let Some(part) = import.part::<Vec<Planned>>(tx, kind, number).await? {
        out.extend(part);
        number += 1;
    }
    Ok(out)
}

/// Makes the entries by which the persons are found.
async fn index(state: &AppState, mut import: Import) -> Result<(), ApiError> {
    let rows: i64 = ["create", "update"]
        .iter()
        .filter_map(|kind| import.counts.get(*kind))
        .sum();
    let total = usize::try_from(rows).unwrap_or(0);
    let mut done = 0;
    state.imports().set(&import.id, 0, total);
    loop {
        let some = store::persons::refresh_some(state.db()).await?;
        if some == 0 {
            break;
        }
        done += usize::try_from(some).unwrap_or(0);
        state.imports().set(&import.id, done.min(total), total);
    }
    let mut tx = state.db().write().await?;
    import.advance(&mut tx, ImportState::Done, None).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
