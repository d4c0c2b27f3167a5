//! Many cases after the pattern of a few, to see how large a municipality may grow. A pattern is a case
//! that came about in the ordinary way; a copy has its rows in [`TABLES`] (what was asked, decided,
//! attached or drafted is not multiplied), with other identifiers,
//! names and days, sealed under keys of its own. Nothing of a copy leads to its pattern.
//!
//! Live documents are binary: in them a word may only be replaced by one of the same length, so all
//! words are held to that. Identifiers and days have fixed lengths anyway.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use domain::id::{CaseId, DataKeyId, MunicipalityId, PersonId};
use jiff::ToSpan;
use jiff::civil::Date;
use sqlx::any::{AnyArguments, AnyRow, AnyTypeInfoKind};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Column, Row, ValueRef};

use crate::crypto::{self, Header, Place, SecretKey};
use crate::data_keys::Purpose;
use crate::database::{Database, Tx};
use crate::documents_log::{ENTRY, SNAPSHOT};
use crate::error::{Result, StoreError};
use crate::keys::Generations;
use crate::persons::{self, Person};
use crate::{outbox, sealed};

const CASE: &str = "case_id = $2";
const PERSON: &str =
    "person_id IN (SELECT person_id FROM case_persons WHERE municipality_id = $1 AND case_id = $2)";
const DOCUMENT: &str =
    "document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)";
const RECORD: &str =
    "record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)";

/// Where the parts of a case stand, what is referred to before what refers to it; and how its rows are
/// found (`$1` municipality, `$2` case).
pub(crate) const TABLES: &[(&str, &str)] = &[
    (
        "persons",
        "id IN (SELECT person_id FROM case_persons WHERE municipality_id = $1 AND case_id = $2)",
    ),
    ("person_facts", PERSON),
    ("person_flags", PERSON),
    ("person_address_allow", PERSON),
    ("cases", "id = $2"),
    ("case_persons", CASE),
    ("case_members", CASE),
    ("case_exclusions", CASE),
    ("disclosures", CASE),
    ("consents", CASE),
    ("consent_overrides", CASE),
    ("sharing_bases", CASE),
    (
        "sharing_basis_members",
        "basis_id IN (SELECT id FROM sharing_bases WHERE municipality_id = $1 AND case_id = $2)",
    ),
    ("documents", CASE),
    ("document_subjects", DOCUMENT),
    ("document_finals", DOCUMENT),
    ("document_projections", DOCUMENT),
    ("mask_scans", DOCUMENT),
    ("mask_releases", DOCUMENT),
    ("consumer_positions", DOCUMENT),
    ("progress_records", CASE),
    ("progress_persons", RECORD),
    ("progress_agencies", RECORD),
    ("progress_amendments", RECORD),
    ("transcripts", CASE),
    ("vectors", CASE),
    ("case_facts", CASE),
    ("case_issue_facts", CASE),
];

/// Rows that go into one statement: as many as are left, in these portions, so that few different
/// statements are prepared.
const PORTIONS: [usize; 4] = [64, 16, 4, 1];

#[derive(Debug, Clone)]
enum Cell {
    Nothing,
    Text(String),
    Number(i64),
    /// An opened value: its place, its row's key, and whose data key seals it.
    Sealed {
        column: &'static str,
        place: &'static str,
        row: String,
        person: Option<PersonId>,
        plain: Vec<u8>,
    },
}

#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The log of a document.
#[derive(Debug)]
struct Log {
    document: String,
    epoch: i64,
    last: i64,
    /// Sequence number and content.
    snapshot: Option<(i64, Vec<u8>)>,
    entries: Vec<(i64, Vec<u8>)>,
}

/// A case with everything that belongs to it, opened.
#[derive(Debug)]
pub struct Pattern {
    municipality: MunicipalityId,
    case: CaseId,
    /// Identifiers that every copy has others for.
    ids: Vec<String>,
    tables: Vec<Table>,
    logs: Vec<Log>,
    /// With the n of ［氏名n］.
    persons: Vec<(i64, Person)>,
}

/// In what a copy differs.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What stands instead of which word; both of the same length in bytes and characters.
    pub words: Vec<(String, String)>,
    /// Values of the register, by the pattern's person and the field.
    pub values: BTreeMap<(PersonId, String), String>,
    /// So many days earlier.
    pub earlier: u16,
}

/// A copy that is ready to be written.
#[derive(Debug)]
pub struct Copy {
    pub case: CaseId,
    keys: Vec<(DataKeyId, &'static str, String, Vec<u8>)>,
    /// In the order of [`TABLES`].
    tables: Vec<Vec<Vec<Ready>>>,
    tokens: Vec<(&'static str, String, PersonId)>,
    logs: Vec<ReadyLog>,
}

/// Its records are sealed.
#[derive(Debug)]
struct ReadyLog {
    key: DataKeyId,
    log: Log,
}

#[derive(Debug)]
enum Ready {
    Nothing,
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
}

fn is_day(bytes: &[u8]) -> bool {
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Days of the time in which there are cases (`2015-01-01` and later), each moved; what is no day stays.
fn move_days(bytes: &mut [u8], earlier: i64) {
    let mut at = 0;
    while at + 10 <= bytes.len() {
        let alone = at == 0 || !bytes.get(at - 1).is_some_and(u8::is_ascii_digit);
        let moved = bytes
            .get(at..at + 10)
            .filter(|part| alone && is_day(part))
            .and_then(|part| std::str::from_utf8(part).ok()?.parse::<Date>().ok())
            .filter(|day| day.year() >= 2015)
            .and_then(|day| day.checked_sub(earlier.days()).ok());
        match (moved, bytes.get_mut(at..at + 10)) {
            (Some(day), Some(part)) => {
                part.copy_from_slice(day.to_string().as_bytes());
                at += 10;
            }
            _ => at += 1,
        }
    }
}

fn cell(row: &AnyRow, column: &str) -> Result<Cell> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Cell::Nothing);
    }
    Ok(match raw.type_info().kind() {
        AnyTypeInfoKind::BigInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::SmallInt => {
            Cell::Number(row.try_get(column)?)
        }
        _ => Cell::Text(row.try_get(column)?),
    })
}

impl Database {
    /// Reads a case as a pattern for others.
    ///
    /// # Errors
    /// Database away, a value that does not open, no such case.
    pub async fn case_as_pattern(
        &self,
        municipality: &MunicipalityId,
        case: &CaseId,
    ) -> Result<Pattern> {
        let mut tx = self.read().await?;
        let mut ids = BTreeSet::new();
        let mut tables = Vec::with_capacity(TABLES.len());
        for (name, condition) in TABLES {
            let sql = format!("SELECT * FROM {name} WHERE municipality_id = $1 AND {condition}");
            let rows = sqlx::query(AssertSqlSafe(sql))
                .bind(municipality.as_str())
                .bind(case.as_str())
                .fetch_all(tx.conn())
                .await?;
            let columns: Vec<String> = rows.first().map_or_else(Vec::new, |row| {
                row.columns()
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect()
            });
            let mut table = Table {
                name,
                columns,
                rows: Vec::with_capacity(rows.len()),
            };
            for row in &rows {
                let mut cells = Vec::with_capacity(table.columns.len());
                for column in &table.columns {
                    cells.push(match sealed::place(name, column, row)? {
                        Some((column, place, key)) => {
                            match row.try_get::<Option<Vec<u8>>, _>(column)? {
                                Some(record) => Cell::Sealed {
                                    column,
                                    place,
                                    plain: tx.open(municipality, place, &key, &record).await?,
                                    row: key,
                                    person: match *name {
                                        "person_facts" | "person_flags" => {
                                            Some(PersonId(row.try_get("person_id")?))
                                        }
                                        _ => None,
                                    },
                                },
                                None => Cell::Nothing,
                            }
                        }
                        None => cell(row, column)?,
                    });
                }
                if table.columns.iter().any(|column| column == "id") {
                    ids.insert(row.try_get::<String, _>("id")?);
                }
                table.rows.push(cells);
            }
            if *name == "documents"
                && let Some(parent) = table.columns.iter().position(|name| name == "parent_id")
            {
                // What is referred to first.
                table
                    .rows
                    .sort_by_key(|row| !matches!(row.get(parent), Some(Cell::Nothing)));
            }
            tables.push(table);
        }
        let rows = sqlx::query("SELECT person_id, number FROM case_persons WHERE municipality_id = $1 AND case_id = $2 ORDER BY number")
            .bind(municipality.as_str())
            .bind(case.as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut numbers = Vec::with_capacity(rows.len());
        for row in &rows {
            numbers.push((row.try_get("number")?, PersonId(row.try_get("person_id")?)));
        }
        let all: Vec<PersonId> = numbers.iter().map(|(_, id)| id.clone()).collect();
        let mut known = persons::load(&mut tx, municipality, &all).await?;
        let documents: Vec<String> =
            sqlx::query_scalar("SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2 AND state <> 'erased' ORDER BY id")
                .bind(municipality.as_str())
                .bind(case.as_str())
                .fetch_all(tx.conn())
                .await?;
        let mut logs = Vec::with_capacity(documents.len());
        for document in documents {
            logs.extend(self.log_as_pattern(&mut tx, municipality, document).await?);
        }
        if tables.iter().all(|table| table.rows.is_empty()) {
            return Err(StoreError::NotFound);
        }
        Ok(Pattern {
            municipality: municipality.clone(),
            case: case.clone(),
            ids: ids.into_iter().collect(),
            tables,
            logs,
            persons: numbers
                .into_iter()
                .filter_map(|(number, id)| Some((number, known.remove(&id)?)))
                .collect(),
        })
    }

    async fn log_as_pattern(
        &self,
        tx: &mut Tx,
        municipality: &MunicipalityId,
        document: String,
    ) -> Result<Option<Log>> {
        let pool = &self.0.log_reader;
        let head = sqlx::query("SELECT epoch, last_seq FROM document_heads WHERE document_id = $1")
            .bind(document.as_str())
            .fetch_optional(pool)
            .await?;
        let Some(head) = head else { return Ok(None) };
        let mut log = Log {
            epoch: head.try_get("epoch")?,
            last: head.try_get("last_seq")?,
            document,
            snapshot: None,
            entries: Vec::new(),
        };
        for (sql, place) in [
            (
                "SELECT seq, snapshot_sealed AS record FROM document_snapshots WHERE document_id = $1 AND epoch = $2",
                SNAPSHOT,
            ),
            (
                "SELECT seq, entry_sealed AS record FROM document_entries WHERE document_id = $1 AND epoch = $2 ORDER BY seq",
                ENTRY,
            ),
        ] {
            let rows = sqlx::query(sql)
                .bind(log.document.as_str())
                .bind(log.epoch)
                .fetch_all(pool)
                .await?;
            for row in &rows {
                let record: Vec<u8> = row.try_get("record")?;
                let plain = tx.open(municipality, place, &log.document, &record).await?;
                let seq = row.try_get("seq")?;
                if place == SNAPSHOT {
                    log.snapshot = Some((seq, plain));
                } else {
                    log.entries.push((seq, plain));
                }
            }
        }
        Ok(Some(log))
    }

    /// What wraps the keys of copies.
    ///
    /// # Errors
    /// Keys not readable.
    pub async fn copier(&self, municipality: &MunicipalityId) -> Result<Copier> {
        let generations = self.generations(municipality, false).await?;
        let mut tx = self.read().await?;
        let index = tx.data_key(municipality, &Purpose::Index).await?;
        Ok(Copier {
            db: self.clone(),
            generations,
            index: index.key,
        })
    }

    /// Writes copies, all or none: the registry first, the logs of their documents after it. Indexes and
    /// other consumers hear of them.
    ///
    /// # Errors
    /// Database away; a case number is taken.
    pub async fn write_copies(
        &self,
        municipality: &MunicipalityId,
        patterns: &[Arc<Pattern>],
        copies: Vec<Copy>,
    ) -> Result<()> {
        let mut columns: HashMap<&str, &[String]> = HashMap::new();
        for table in patterns.iter().flat_map(|pattern| &pattern.tables) {
            if !table.columns.is_empty() {
                columns.insert(table.name, &table.columns);
            }
        }
        let mut tx = self.write().await?;
        tx.hold_generation(municipality).await?;
        let now = tx.now_text();
        let text = |text: &str| Ready::Text(text.to_owned());
        let (mut keys, mut tokens) = (Vec::new(), Vec::new());
        let mut tables: Vec<Vec<Vec<Ready>>> = TABLES.iter().map(|_| Vec::new()).collect();
        let (mut heads, mut snapshots, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for copy in copies {
            outbox::put(
                &mut tx,
                municipality,
                "case",
                copy.case.as_str(),
                Some(&copy.case),
                serde_json::Value::Null,
            );
            for (id, purpose, owner, wrapped) in copy.keys {
                if purpose == "person" {
                    outbox::put(
                        &mut tx,
                        municipality,
                        "person",
                        owner.as_str(),
                        None,
                        serde_json::Value::Null,
                    );
                }
                keys.push(vec![
                    text(municipality.as_str()),
                    text(id.as_str()),
                    text(purpose),
                    Ready::Text(owner),
                    Ready::Bytes(wrapped),
                    text("active"),
                    text(&now),
                ]);
            }
            for (all, rows) in tables.iter_mut().zip(copy.tables) {
                all.extend(rows);
            }
            for (kind, token, person) in copy.tokens {
                tokens.push(vec![
                    text(municipality.as_str()),
                    text(kind),
                    Ready::Text(token),
                    Ready::Text(person.0),
                ]);
            }
            for ReadyLog { key, log } in copy.logs {
                heads.push(vec![
                    text(&log.document),
                    text(municipality.as_str()),
                    text(key.as_str()),
                    Ready::Number(log.epoch),
                    Ready::Number(log.last),
                    text(&now),
                    text(&now),
                ]);
                let record = |(seq, sealed)| {
                    vec![
                        text(&log.document),
                        Ready::Number(log.epoch),
                        Ready::Number(seq),
                        Ready::Bytes(sealed),
                    ]
                };
                snapshots.extend(log.snapshot.map(record));
                entries.extend(log.entries.into_iter().map(record));
            }
        }
        let of = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let list = [
            "municipality_id",
            "id",
            "purpose",
            "owner_id",
            "wrapped",
            "state",
            "created_at",
        ];
        insert(tx.conn(), "data_keys", &of(&list), keys).await?;
        for ((name, _), rows) in TABLES.iter().zip(tables) {
            if let Some(columns) = columns.get(name) {
                insert(tx.conn(), name, columns, rows).await?;
            }
        }
        let list = ["municipality_id", "kind", "token", "person_id"];
        // In the order of the table's key: its pages are touched one after the other.
        tokens.sort_by(|a, b| order(a).cmp(&order(b)));
        insert(tx.conn(), "person_index", &of(&list), tokens).await?;
        tx.commit().await?;

        let _turn = match self.dialect() {
            crate::Dialect::Sqlite => Some(Arc::clone(&self.0.log_turn).lock_owned().await),
            crate::Dialect::Postgres => None,
        };
        let mut log = self.0.log_writer.begin().await?;
        let list = [
            "document_id",
            "municipality_id",
            "data_key_id",
            "epoch",
            "last_seq",
            "created_at",
            "updated_at",
        ];
        insert(&mut log, "document_heads", &of(&list), heads).await?;
        let list = ["document_id", "epoch", "seq", "snapshot_sealed"];
        insert(&mut log, "document_snapshots", &of(&list), snapshots).await?;
        let list = ["document_id", "epoch", "seq", "entry_sealed"];
        insert(&mut log, "document_entries", &of(&list), entries).await?;
        log.commit().await?;
        Ok(())
    }
}

fn order(row: &[Ready]) -> Vec<&str> {
    row.iter()
        .map(|value| match value {
            Ready::Text(text) => text.as_str(),
            _ => "",
        })
        .collect()
}

async fn insert(
    connection: &mut sqlx::AnyConnection,
    table: &str,
    columns: &[String],
    rows: Vec<Vec<Ready>>,
) -> Result<()> {
    let mut rows = rows.into_iter();
    for portion in PORTIONS {
        while rows.len() >= portion {
            let values: Vec<String> = (0..portion)
                .map(|row| {
                    let list =
                        crate::database::placeholders(row * columns.len() + 1, columns.len());
                    format!("({list})")
                })
                .collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES {}",
                columns.join(", "),
                values.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in rows.by_ref().take(portion) {
                for (value, column) in row.into_iter().zip(columns) {
                    query = bind(query, value, column);
                }
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

fn bind<'q>(
    query: Query<'q, Any, AnyArguments>,
    value: Ready,
    column: &str,
) -> Query<'q, Any, AnyArguments> {
    match value {
        Ready::Text(text) => query.bind(text),
        Ready::Number(number) => query.bind(number),
        Ready::Bytes(bytes) => query.bind(bytes),
        // PostgreSQL wants to know of which type nothing is.
        Ready::Nothing if column.ends_with("_sealed") => query.bind(None::<Vec<u8>>),
        Ready::Nothing if matches!(column, "form_version" | "number") => query.bind(None::<i64>),
        Ready::Nothing => query.bind(None::<String>),
    }
}

/// Makes copies; works on any thread, without the database.
#[derive(Debug, Clone)]
pub struct Copier {
    db: Database,
    generations: Generations,
    index: Arc<SecretKey>,
}

impl Copier {
    /// A copy with these changes. `edit` may change a sealed value before it is sealed: it is told
    /// table and column, the copy's persons, and the value.
    ///
    /// # Errors
    /// Words of different lengths; what `edit` returns.
    pub fn copy(
        &self,
        pattern: &Pattern,
        changes: &Changes,
        mut edit: impl FnMut(&str, &[(i64, Person)], Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<Copy> {
        let uneven = |(old, new): &(String, String)| {
            old.is_empty() || old.len() != new.len() || old.chars().count() != new.chars().count()
        };
        if changes.words.iter().any(uneven) {
            return Err(StoreError::Invalid("words"));
        }
        let fresh: Vec<String> = pattern.ids.iter().map(|_| self.db.fresh()).collect();
        let (mut old, mut new): (Vec<&str>, Vec<&str>) = pattern
            .ids
            .iter()
            .zip(&fresh)
            .map(|(old, new)| (old.as_str(), new.as_str()))
            .unzip();
        for (before, after) in &changes.words {
            old.push(before);
            new.push(after);
        }
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&old)
            .map_err(|_| StoreError::Invalid("words"))?;
        let told = |plain: &[u8]| {
            let mut out = finder.replace_all_bytes(plain, &new);
            move_days(&mut out, i64::from(changes.earlier));
            out
        };
        let told_text = |text: &str| {
            String::from_utf8(told(text.as_bytes())).map_err(|_| StoreError::Corrupt("copy"))
        };
        let municipality = &pattern.municipality;
        let seal =
            |(id, key): &(DataKeyId, SecretKey), column, row: &str, epoch, seq, plain: &[u8]| {
                let header = Header {
                    key: id.clone(),
                    epoch,
                    seq,
                };
                let place = Place {
                    municipality: municipality.as_str(),
                    column,
                    row,
                };
                crypto::seal(key, &header, &place, self.db.random(), plain)
            };
        let mut keys = Vec::new();
        let mut key = |kind: &'static str, owner: String| -> Result<(DataKeyId, SecretKey)> {
            let (id, key): (DataKeyId, _) = (self.db.fresh(), SecretKey(self.db.random()));
            let wrapped = self.db.wrap(municipality, &id, &self.generations, &key)?;
            keys.push((id.clone(), kind, owner, wrapped));
            Ok((id, key))
        };
        let case = CaseId(told_text(pattern.case.as_str())?);
        let of_case = key("case", case.0.clone())?;
        let mut of_persons = BTreeMap::new();
        let mut people = Vec::with_capacity(pattern.persons.len());
        for (number, person) in &pattern.persons {
            let id = PersonId(told_text(person.id.as_str())?);
            of_persons.insert(person.id.clone(), key("person", id.0.clone())?);
            let mut copied = person.clone();
            for (field, value) in &mut copied.fields {
                *value = match changes.values.get(&(person.id.clone(), field.clone())) {
                    Some(value) => value.clone(),
                    None => told_text(value)?,
                };
            }
            for fact in &mut copied.former {
                fact.value = told_text(&fact.value)?;
            }
            copied.id = id;
            people.push((*number, copied));
        }
        let mut tables = Vec::with_capacity(pattern.tables.len());
        let mut facts: BTreeMap<PersonId, Vec<(String, String)>> = BTreeMap::new();
        for table in &pattern.tables {
            let at = |name: &str| table.columns.iter().position(|column| column == name);
            let (field, ended) = (at("field"), at("valid_to"));
            let mut rows = Vec::with_capacity(table.rows.len());
            for row in &table.rows {
                let mut cells = Vec::with_capacity(row.len());
                for cell in row {
                    cells.push(match cell {
                        Cell::Nothing => Ready::Nothing,
                        Cell::Number(number) => Ready::Number(*number),
                        Cell::Text(text) => Ready::Text(told_text(text)?),
                        Cell::Sealed {
                            column,
                            place,
                            row: old_row,
                            person,
                            plain,
                        } => {
                            let mut plain = told(plain);
                            let name = match field.and_then(|at| row.get(at)) {
                                Some(Cell::Text(name)) => Some(name),
                                _ => None,
                            };
                            if let (Some(person), Some(name), "person_facts") =
                                (person, name, table.name)
                            {
                                let current = !matches!(
                                    ended.and_then(|at| row.get(at)),
                                    Some(Cell::Text(_))
                                );
                                if let Some(value) = changes
                                    .values
                                    .get(&(person.clone(), name.clone()))
                                    .filter(|_| current)
                                {
                                    plain = value.clone().into_bytes();
                                }
                                let value = String::from_utf8(plain.clone())
                                    .map_err(|_| StoreError::Corrupt("person_facts.value"))?;
                                facts
                                    .entry(PersonId(told_text(person.as_str())?))
                                    .or_default()
                                    .push((name.clone(), value));
                            }
                            let plain = edit(&format!("{}.{column}", table.name), &people, plain)?;
                            let key = person
                                .as_ref()
                                .and_then(|person| of_persons.get(person))
                                .unwrap_or(&of_case);
                            let row = told_text(old_row)?;
                            Ready::Bytes(seal(key, place, &row, 0, 0, &plain)?)
                        }
                    });
                }
                rows.push(cells);
            }
            tables.push(rows);
        }
        let mut tokens = Vec::new();
        for (person, facts) in facts {
            let all = facts
                .iter()
                .map(|(field, value)| (field.as_str(), value.as_str()));
            for (kind, token) in persons::tokens(&self.index, all) {
                tokens.push((kind, token, person.clone()));
            }
        }
        let mut logs = Vec::with_capacity(pattern.logs.len());
        for log in &pattern.logs {
            let document = told_text(&log.document)?;
            let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
            let sealed = |place, (seq, plain): &(i64, Vec<u8>)| -> Result<(i64, Vec<u8>)> {
                let (epoch, number) = (unsigned(log.epoch), unsigned(*seq));
                let record = seal(&of_case, place, &document, epoch, number, &told(plain))?;
                Ok((*seq, record))
            };
            let snapshot = log
                .snapshot
                .as_ref()
                .map(|snapshot| sealed(SNAPSHOT, snapshot))
                .transpose()?;
            let entries = log
                .entries
                .iter()
                .map(|entry| sealed(ENTRY, entry))
                .collect::<Result<Vec<_>>>()?;
            logs.push(ReadyLog {
                key: of_case.0.clone(),
                log: Log {
                    document,
                    epoch: log.epoch,
                    last: log.last,
                    snapshot,
                    entries,
                },
            });
        }
        Ok(Copy {
            case,
            keys,
            tables,
            tokens,
            logs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_move_and_nothing_else_does() {
        let mut text = b"2026-03-01T09:00 12026-03-01 1972-03-12 2026-13-01 (2024-02-29)".to_vec();
        move_days(&mut text, 1);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "2026-02-28T09:00 12026-03-01 1972-03-12 2026-13-01 (2024-02-28)"
        );
    }
}
