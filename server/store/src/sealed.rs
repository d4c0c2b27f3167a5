//! Every sealed column of the main database, in one list: what is sealed anew when a key is replaced,
//! and where to look whether a text is still there. A test compares the list with the migrations.
//! The document log has its own ([`crate::documents_log`]).

use domain::id::{DataKeyId, MunicipalityId};
use sqlx::{AssertSqlSafe, Row};

use crate::crypto::CryptoError;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// A column of a row's key, in the order in which they make up the place of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Text(&'static str),
    Number(&'static str),
}

impl Key {
    const fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}

/// Whose key seals the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The case's, rows found by this condition (`$2` is the case).
    Case(&'static str),
    /// The case's, or for a note outside cases the note's, rows found by document.
    Document,
    /// A person's, a household's, or the municipality's: never sealed anew, only destroyed.
    Other,
}

struct Column {
    table: &'static str,
    column: &'static str,
    place: &'static str,
    keys: &'static [Key],
    owner: Owner,
}

const ID: &[Key] = &[Key::Text("id")];
const BY_CASE: Owner = Owner::Case("case_id = $2");
const BY_RECORD: Owner = Owner::Case(
    "record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)",
);

const BY_BLOB: Owner =
    Owner::Case("blob_id IN (SELECT id FROM blobs WHERE municipality_id = $1 AND case_id = $2)");
/// Values of these columns are large: so many are in memory at once.
const LARGE: &[(&str, usize)] = &[
    ("blobs.content", 16),
    ("blobs.text", 16),
    ("blob_parts.content", 16),
];

const fn column(
    table: &'static str,
    column: &'static str,
    place: &'static str,
    keys: &'static [Key],
    owner: Owner,
) -> Column {
    Column {
        table,
        column,
        place,
        keys,
        owner,
    }
}

#[rustfmt::skip]
const COLUMNS: &[Column] = &[
    column("accounts", "totp_sealed", "accounts.totp", ID, Owner::Other),
    column("audit", "terms_sealed", "audit.terms", &[Key::Number("seq")], Owner::Other),
    column("blob_parts", "content_sealed", "blob_parts.content",
        &[Key::Text("blob_id"), Key::Number("number")], BY_BLOB),
    column("blobs", "name_sealed", "blobs.name", ID, BY_CASE),
    column("blobs", "content_sealed", "blobs.content", ID, BY_CASE),
    column("blobs", "text_sealed", "blobs.text", ID, BY_CASE),
    column("case_exclusions", "reason_sealed", "case_exclusions.reason",
        &[Key::Text("case_id"), Key::Text("kind"), Key::Text("subject_id"), Key::Text("about_person")], BY_CASE),
    column("case_requests", "content_sealed", "case_requests.content", ID, BY_CASE),
    column("case_requests", "answer_sealed", "case_requests.answer", ID, BY_CASE),
    column("case_steps", "reason_sealed", "case_steps.reason", ID, BY_CASE),
    column("cases", "title_sealed", "cases.title", ID, Owner::Case("id = $2")),
    column("cases", "outcome_sealed", "cases.outcome", ID, Owner::Case("id = $2")),
    column("consent_overrides", "reason_sealed", "consent_overrides.reason", ID, BY_CASE),
    column("consents", "detail_sealed", "consents.detail", ID, BY_CASE),
    column("document_finals", "value_sealed", "document_finals.value",
        &[Key::Text("document_id"), Key::Number("number")], Owner::Document),
    column("document_projections", "value_sealed", "document_projections.value",
        &[Key::Text("document_id"), Key::Text("audience")], Owner::Document),
    column("erasures", "reason_sealed", "erasures.reason", ID, Owner::Document),
    column("exchange_mappings", "content_sealed", "exchange_mappings.content", ID, Owner::Other),
    column("household_stays", "detail_sealed", "household_stays.detail", ID, Owner::Other),
    column("import_parts", "content_sealed", "import_parts.content",
        &[Key::Text("import_id"), Key::Text("kind"), Key::Number("number")], Owner::Other),
    column("mask_releases", "reason_sealed", "mask_releases.reason", ID, Owner::Document),
    column("mask_releases", "value_sealed", "mask_releases.value", ID, Owner::Document),
    column("mask_scans", "scan_sealed", "mask_scans.scan", &[Key::Text("document_id")], Owner::Document),
    column("person_facts", "value_sealed", "person_facts.value", ID, Owner::Other),
    column("person_flags", "basis_sealed", "person_flags.basis", ID, Owner::Other),
    column("person_merges", "reason_sealed", "person_merges.reason", ID, Owner::Other),
    column("person_merges", "journal_sealed", "person_merges.journal", ID, Owner::Other),
    column("progress_amendments", "content_sealed", "progress_amendments.content", ID, BY_RECORD),
    column("progress_drafts", "content_sealed", "progress_drafts.content", ID, BY_CASE),
    column("progress_records", "content_sealed", "progress_records.content", ID, BY_CASE),
    column("progress_templates", "content_sealed", "progress_templates.content", ID, Owner::Other),
    column("saved_searches", "content_sealed", "saved_searches.content", ID, Owner::Other),
    column("sessions", "enrolment_sealed", "sessions.enrolment", ID, Owner::Other),
    column("transcripts", "content_sealed", "transcripts.content", ID, BY_CASE),
    column("vectors", "vector_sealed", "vectors.vector",
        &[Key::Text("case_id"), Key::Text("part"), Key::Text("model")], BY_CASE),
];

impl Column {
    fn condition(&self, purpose: &Purpose) -> Option<&'static str> {
        match (self.owner, purpose) {
            (Owner::Case(condition), Purpose::Case(_)) => Some(condition),
            (Owner::Document, Purpose::Case(_)) if self.table == "erasures" => Some("case_id = $2"),
            (Owner::Document, Purpose::Case(_)) => Some(
                "document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
            ),
            (Owner::Document, Purpose::Note(_)) => Some("document_id = $2"),
            _ => None,
        }
    }

    /// At most this many values of the column are read at once.
    fn page(&self, wanted: usize) -> usize {
        LARGE
            .iter()
            .find(|(place, _)| *place == self.place)
            .map_or(wanted, |(_, most)| wanted.min(*most))
    }

    fn key_list(&self) -> String {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name()).collect();
        names.join(", ")
    }

    /// The row's key: as the columns' values and as the place of the value.
    fn key_of(&self, row: &sqlx::any::AnyRow) -> Result<(Vec<KeyValue>, String)> {
        let mut values = Vec::with_capacity(self.keys.len());
        for key in self.keys {
            values.push(match key {
                Key::Text(name) => KeyValue::Text(row.try_get(*name)?),
                Key::Number(name) => KeyValue::Number(row.try_get(*name)?),
            });
        }
        let parts: Vec<String> = values.iter().map(KeyValue::text).collect();
        let place = parts.join("/");
        Ok((values, place))
    }
}

enum KeyValue {
    Text(String),
    Number(i64),
}

impl KeyValue {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Of a sealed column: its name, its place and the row's key. `None` for any other column.
pub(crate) fn place(
    table: &str,
    column: &str,
    row: &sqlx::any::AnyRow,
) -> Result<Option<(&'static str, &'static str, String)>> {
    COLUMNS
        .iter()
        .find(|known| known.table == table && known.column == column)
        .map(|known| Ok((known.column, known.place, known.key_of(row)?.1)))
        .transpose()
}

fn owner_of(purpose: &Purpose) -> &str {
    match purpose {
        Purpose::Case(case) => case.as_str(),
        Purpose::Note(note) => note.as_str(),
        _ => "",
    }
}

fn key_bytes(key: &DataKeyId) -> Result<Vec<u8>> {
    hex::decode(key.as_str()).map_err(|_| StoreError::Crypto(CryptoError::KeyId))
}

/// Seals up to `limit` values of a case or note that stand under `former` anew, under the active key.
/// Returns how many there were, and whether some may be left.
///
/// # Errors
/// Database away, a value that does not open.
pub(crate) async fn reseal(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    purpose: &Purpose,
    former: &DataKeyId,
    limit: usize,
) -> Result<(usize, bool)> {
    let mut done = 0;
    let mut more = false;
    for column in COLUMNS {
        let Some(condition) = column.condition(purpose) else {
            continue;
        };
        if done >= limit {
            more = true;
            break;
        }
        let (table, name, keys) = (column.table, column.column, column.key_list());
        let sql = format!(
            "SELECT {keys}, {name} FROM {table} WHERE municipality_id = $1 AND {condition} AND substr({name}, 2, 16) = $3 LIMIT $4"
        );
        let page = column.page(limit - done);
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(owner_of(purpose))
            .bind(key_bytes(former)?)
            .bind(i64::try_from(page).unwrap_or(i64::MAX))
            .fetch_all(tx.conn())
            .await?;
        more |= rows.len() == page;
        done += reseal_rows(tx, municipality, purpose, column, &rows).await?;
    }
    Ok((done, more))
}

/// Seals the values of these rows anew, under the active key. Returns how many there were.
async fn reseal_rows(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    purpose: &Purpose,
    column: &Column,
    rows: &[sqlx::any::AnyRow],
) -> Result<usize> {
    let (table, name) = (column.table, column.column);
    for row in rows {
        let (values, place) = column.key_of(row)?;
        let record: Vec<u8> = row.try_get(name)?;
        let plain =
            zeroize::Zeroizing::new(tx.open(municipality, column.place, &place, &record).await?);
        let sealed = tx
            .seal(municipality, purpose, column.place, &place, &plain)
            .await?;
        let wheres: Vec<String> = column
            .keys
            .iter()
            .enumerate()
            .map(|(n, key)| format!("{} = ${}", key.name(), n + 4))
            .collect();
        // What somebody else wrote meanwhile stands under the active key already.
        let sql = format!(
            "UPDATE {table} SET {name} = $2 WHERE municipality_id = $1 AND {name} = $3 AND {}",
            wheres.join(" AND ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(sealed)
            .bind(record);
        for value in values {
            query = match value {
                KeyValue::Text(text) => query.bind(text),
                KeyValue::Number(number) => query.bind(number),
            };
        }
        query.execute(tx.conn()).await?;
    }
    Ok(rows.len())
}

/// How many values of a case or note stand under a key.
///
/// # Errors
/// Database away.
pub(crate) async fn sealed_under(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    purpose: &Purpose,
    key: &DataKeyId,
) -> Result<i64> {
    let mut found = 0;
    for column in COLUMNS {
        let Some(condition) = column.condition(purpose) else {
            continue;
        };
        let (table, name) = (column.table, column.column);
        let sql = format!(
            "SELECT COUNT(*) FROM {table} WHERE municipality_id = $1 AND {condition} AND substr({name}, 2, 16) = $3"
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(owner_of(purpose))
            .bind(key_bytes(key)?)
            .fetch_one(tx.conn())
            .await?;
        found += count;
    }
    Ok(found)
}

/// A sealed value, opened: for looking whether a text is still there.
#[derive(Debug)]
pub struct Opened {
    pub table: &'static str,
    pub column: &'static str,
    /// Number of the row in the order of the table's key, from 1.
    pub row: u64,
    /// `None`: its key is gone.
    pub plain: Option<Vec<u8>>,
}

/// Opens every sealed value of a municipality, one after the other. Nobody is shown them.
///
/// # Errors
/// Database away; what `look` returns.
pub async fn each(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    mut look: impl FnMut(Opened) -> Result<()>,
) -> Result<()> {
    for column in COLUMNS {
        let page = column.page(500);
        let (table, name, keys) = (column.table, column.column, column.key_list());
        let sql = format!(
            "SELECT {keys}, {name} FROM {table} WHERE municipality_id = $1 ORDER BY {keys} LIMIT $2 OFFSET $3"
        );
        let mut seen = 0_i64;
        loop {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(municipality.as_str())
                .bind(i64::try_from(page).unwrap_or(i64::MAX))
                .bind(seen)
                .fetch_all(tx.conn())
                .await?;
            for row in &rows {
                seen += 1;
                let Some(record) = row.try_get::<Option<Vec<u8>>, _>(name)? else {
                    continue;
                };
                let (_, place) = column.key_of(row)?;
                let plain = match tx.open(municipality, column.place, &place, &record).await {
                    Ok(plain) => Some(plain),
                    Err(StoreError::Crypto(_)) => None,
                    Err(error) => return Err(error),
                };
                look(Opened {
                    table,
                    column: name,
                    row: u64::try_from(seen).unwrap_or(0),
                    plain,
                })?;
            }
            if rows.len() < page {
                break;
            }
        }
    }
    Ok(())
}

/// Every column of text in both databases that is not sealed, one value after the other: codes, ids and
/// names that are no secret within the municipality. `look` gets table, column, row number and value.
///
/// # Errors
/// Database away; what `look` returns.
pub async fn each_plain(
    db: &crate::Database,
    mut look: impl FnMut(&str, &str, u64, &str) -> Result<()>,
) -> Result<()> {
    for pool in db.pools() {
        for (table, column) in text_columns(db, pool).await? {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let sql = format!("SELECT {} FROM {}", quoted(&column), quoted(&table));
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await?;
            for (row, number) in rows.iter().zip(1..) {
                if let Some(text) = row.try_get::<Option<String>, _>(0)? {
                    look(&table, &column, number, &text)?;
                }
            }
        }
    }
    Ok(())
}

async fn text_columns(db: &crate::Database, pool: &sqlx::AnyPool) -> Result<Vec<(String, String)>> {
    let sql = match db.dialect() {
        crate::Dialect::Sqlite => {
            "SELECT m.name AS tab, c.name AS col FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND upper(c.type) = 'TEXT' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY 1, 2"
        }
        crate::Dialect::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS tab, CAST(column_name AS TEXT) AS col FROM information_schema.columns \
             WHERE table_schema = current_schema() AND data_type = 'text' AND table_name NOT LIKE '\\_sqlx%' ORDER BY 1, 2"
        }
    };
    let rows = sqlx::query(sql).fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("tab")?, row.try_get("col")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// (table, column) of every sealed column that migrations make.
    fn declared(migrations: &[(i64, &str, &str)]) -> BTreeSet<(String, String)> {
        let mut declared = BTreeSet::new();
        for (_, _, text) in migrations {
            let mut table = String::new();
            for line in text.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                    table = rest.trim_end_matches(" (").to_owned();
                }
                let words: Vec<&str> = line.split_whitespace().collect();
                if let ["ALTER", "TABLE", altered, "ADD", "COLUMN", added, ..] = words.as_slice()
                    && added.ends_with("_sealed")
                {
                    declared.insert(((*altered).to_owned(), (*added).to_owned()));
                }
                if let ["ALTER", "TABLE", altered, "DROP", "COLUMN", dropped] = words.as_slice() {
                    let dropped = dropped.trim_end_matches(';');
                    declared.remove(&((*altered).to_owned(), dropped.to_owned()));
                }
                let name = words.first().copied().unwrap_or_default();
                if name.ends_with("_sealed") {
                    declared.insert((table.clone(), name.to_owned()));
                }
            }
        }
        declared
    }

    #[test]
    fn the_log_seals_what_erasure_rewrites() {
        // A new table needs its part in `DocumentLog::{rewrite, remove, sealed_under, contents}`.
        let known = [
            ("document_entries", "entry_sealed"),
            ("document_snapshots", "snapshot_sealed"),
            ("document_versions", "state_sealed"),
        ];
        let known: BTreeSet<_> = known
            .iter()
            .map(|(table, column)| ((*table).to_owned(), (*column).to_owned()))
            .collect();
        assert_eq!(declared(crate::migrate::LOG), known);
    }

    #[test]
    fn every_sealed_column_of_the_migrations_is_in_the_list() {
        let declared = declared(crate::migrate::MAIN);
        let listed: BTreeSet<_> = COLUMNS
            .iter()
            .map(|column| (column.table.to_owned(), column.column.to_owned()))
            .collect();
        assert_eq!(listed.len(), COLUMNS.len());
        assert_eq!(listed, declared);
        for column in COLUMNS {
            let expected = format!(
                "{}.{}",
                column.table,
                column.column.trim_end_matches("_sealed")
            );
            assert_eq!(column.place, expected);
        }
    }
}
