//! The durable log of documents: `collab`'s [`UpdateLog`] on the file `documents.sqlite` or on
//! PostgreSQL.
//!
//! Entries, snapshots and versions are sealed with the case's data key; epoch and sequence number
//! are part of what is authenticated, so a record cannot be moved or replayed elsewhere. Appends of
//! different documents that arrive while a commit runs go into the next commit together.
//!
//! **Invariant:** an append returns only after the commit (`synchronous=FULL`,
//! `synchronous_commit = on`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use collab::erasure::Past;
use collab::identity::Author;
use collab::log::{Authored, Entry, Loaded, LogError, Snapshot, Span, UpdateLog, Version, surplus};
use collab::shape::Shape;
use domain::clock::instant_text;
use domain::id::{DataKeyId, DocumentId, MunicipalityId};
use domain::section::DocumentKind;
use serde::{Deserialize, Serialize};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor, Row};
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::crypto::{self, CryptoError, Header, Place};
use crate::data_keys::{DataKey, Purpose};
use crate::database::{Database, Dialect, lock};
use crate::error::StoreError;
use crate::log_writer::{self, Append};
use crate::marks::{End, Marks};

/// Longest that PostgreSQL may take for one step before it counts as away. A connection that hangs (a
/// network that swallows everything) says nothing by itself.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same for SQLite, where only the disk can hang.
const PATIENCE_WITH_DISK: Duration = Duration::from_secs(60);
pub(crate) const ENTRY: &str = "document_entries.entry";
pub(crate) const SNAPSHOT: &str = "document_snapshots.snapshot";
const VERSION: &str = "document_versions.state";
const LABEL: &str = "document_versions.label";
/// Before the base64 of a sealed label; no code has it.
const SEALED: &str = "sealed.";

/// The log. Clones share the queue; the writing task ends with the last clone.
#[derive(Debug, Clone)]
pub struct DocumentLog {
    db: Database,
    queue: mpsc::Sender<Append>,
    keys: Arc<Mutex<HashMap<DocumentId, Sealing>>>,
    /// SQLite only; `None` also where the file cannot be had.
    marks: Option<Arc<Mutex<Marks>>>,
}

/// What sealing a document's records needs.
#[derive(Debug, Clone)]
struct Sealing {
    municipality: MunicipalityId,
    key: DataKey,
}

/// The part of an entry beside the update's bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    a: (String, String, String),
    t: i64,
    i: Vec<(u64, u32, u32)>,
    d: Vec<(u64, u32, u32)>,
}

/// A transaction that writes to the log beside the writing task. On SQLite it holds the turn.
struct Writing {
    // Ends before the turn is passed on.
    inner: sqlx::Transaction<'static, sqlx::Any>,
    _turn: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Writing {
    fn conn(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    async fn commit(self) -> Result<(), LogError> {
        self.inner.commit().await.map_err(away)
    }
}

fn spans(list: &[Span]) -> Vec<(u64, u32, u32)> {
    list.iter()
        .map(|span| (span.client, span.clock, span.len))
        .collect()
}

fn from_spans(list: Vec<(u64, u32, u32)>) -> Vec<Span> {
    list.into_iter()
        .map(|(client, clock, len)| Span { client, clock, len })
        .collect()
}

pub(crate) fn corrupt(what: &str) -> LogError {
    LogError::Corrupt(what.to_owned())
}

/// `length(4) · JSON · bytes`.
fn join<T: Serialize>(head: &T, body: &[u8]) -> Result<Vec<u8>, LogError> {
    let head = serde_json::to_vec(head).map_err(|_| corrupt("head"))?;
    let length = u32::try_from(head.len()).map_err(|_| corrupt("head"))?;
    let mut out = Vec::with_capacity(4 + head.len() + body.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    Ok(out)
}

fn split<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), LogError> {
    let (length, rest) = bytes.split_at_checked(4).ok_or_else(|| corrupt("length"))?;
    let length = u32::from_be_bytes(length.try_into().map_err(|_| corrupt("length"))?) as usize;
    let (head, body) = rest
        .split_at_checked(length)
        .ok_or_else(|| corrupt("length"))?;
    Ok((
        serde_json::from_slice(head).map_err(|_| corrupt("head"))?,
        body,
    ))
}

fn encode_entry(entry: &Entry) -> Result<Vec<u8>, LogError> {
    let head = Head {
        a: (
            entry.author.account.0.clone(),
            entry.author.membership.0.clone(),
            entry.author.agency.0.clone(),
        ),
        t: entry.at.as_millisecond(),
        i: spans(&entry.inserted),
        d: spans(&entry.deleted),
    };
    join(&head, &entry.update)
}

fn decode_entry(bytes: &[u8]) -> Result<Entry, LogError> {
    let (head, body): (Head, &[u8]) = split(bytes)?;
    Ok(Entry {
        update: Bytes::copy_from_slice(body),
        author: Author {
            account: head.a.0.into(),
            membership: head.a.1.into(),
            agency: head.a.2.into(),
        },
        at: jiff::Timestamp::from_millisecond(head.t).map_err(|_| corrupt("instant"))?,
        inserted: from_spans(head.i),
        deleted: from_spans(head.d),
    })
}

fn encode_snapshot(snapshot: &Snapshot) -> Result<Vec<u8>, LogError> {
    join(&snapshot.authors, &snapshot.state)
}

fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, LogError> {
    let (authors, body): (Vec<Authored>, &[u8]) = split(bytes)?;
    Ok(Snapshot {
        state: body.to_vec(),
        authors,
    })
}

pub(crate) fn signed(value: u64) -> Result<i64, LogError> {
    i64::try_from(value).map_err(|_| corrupt("number"))
}

pub(crate) fn unsigned(value: i64) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| corrupt("number"))
}

pub(crate) fn away(error: sqlx::Error) -> LogError {
    let text = StoreError::from_ref(&error);
    if is_damage(&error) {
        LogError::Corrupt(text)
    } else {
        LogError::Unavailable(text)
    }
}

/// Whether the database says that its files are damaged.
fn is_damage(error: &sqlx::Error) -> bool {
    // SQLite: SQLITE_CORRUPT and SQLITE_NOTADB with their extended codes. PostgreSQL: class XX,
    // data_corrupted and index_corrupted.
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| match code.parse::<i64>() {
        Ok(number) => matches!(number & 0xff, 11 | 26) && code.len() <= 4,
        Err(_) => matches!(&*code, "XX001" | "XX002"),
    })
}

fn hangs() -> LogError {
    LogError::Unavailable("database does not answer".to_owned())
}

fn patience(dialect: Dialect) -> Duration {
    match dialect {
        Dialect::Sqlite => PATIENCE_WITH_DISK,
        Dialect::Postgres => PATIENCE,
    }
}

async fn connection(pool: &AnyPool, patience: Duration) -> Result<PoolConnection<Any>, LogError> {
    timeout(patience, pool.acquire())
        .await
        .map_err(|_| hangs())?
        .map_err(away)
}

/// The answer, if it came in time. A connection that gave none is closed: what it was to do is
/// undone, or has happened without our knowing.
fn in_time<T>(
    mut connection: PoolConnection<Any>,
    answered: Result<Result<T, LogError>, Elapsed>,
) -> Result<T, LogError> {
    answered.unwrap_or_else(|_| {
        connection.close_on_drop();
        Err(hangs())
    })
}

fn store_error(error: StoreError) -> LogError {
    match error {
        StoreError::Crypto(error) => LogError::Corrupt(error.to_string()),
        StoreError::NotFound => LogError::NotFound,
        other => LogError::Unavailable(other.to_string()),
    }
}

fn sealed_error(error: CryptoError) -> LogError {
    LogError::Corrupt(error.to_string())
}

impl DocumentLog {
    /// Starts the log's writing task; needs a tokio runtime.
    #[must_use]
    pub fn start(db: &Database) -> Self {
        let marks = match db.0.dialect {
            Dialect::Postgres => None,
            Dialect::Sqlite => {
                let path = db.0.data_dir.join("documents.marks");
                Marks::open(&path)
                    .inspect_err(|error| tracing::warn!(%error, "documents.marks not opened"))
                    .ok()
                    .map(|marks| Arc::new(Mutex::new(marks)))
            }
        };
        Self {
            db: db.clone(),
            queue: log_writer::start(db, marks.clone()),
            keys: Arc::default(),
            marks,
        }
    }

    fn note(&self, document: &DocumentId, end: End) {
        log_writer::note(self.marks.as_deref(), document, end);
    }

    /// Looks through everything that is stored of every document. Returns the damaged ones with what
    /// is wrong; the text names record numbers only.
    ///
    /// # Errors
    /// Database away, or so damaged that the documents cannot be listed.
    pub async fn examine(&self) -> Result<Vec<(DocumentId, String)>, LogError> {
        let rows = sqlx::query_scalar::<_, String>(
            "SELECT id FROM documents WHERE state <> 'erased' ORDER BY id",
        );
        let mut tx = self.db.read().await.map_err(store_error)?;
        let ids = rows.fetch_all(tx.conn()).await.map_err(away)?;
        drop(tx);
        let mut damaged = Vec::new();
        for id in ids.into_iter().map(DocumentId) {
            match self.examine_one(&id).await {
                Ok(()) => {}
                Err(LogError::Corrupt(text)) => damaged.push((id, text)),
                // Registered and not yet made: a worker does it.
                Err(LogError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    async fn examine_one(&self, document: &DocumentId) -> Result<(), LogError> {
        self.load(document).await?;
        for version in self.versions(document).await? {
            self.version(document, version.epoch, version.seq).await?;
        }
        Ok(())
    }

    /// Forgets the keys of a document (after its case's key was destroyed or changed).
    pub fn forget(&self, document: &DocumentId) {
        lock(&self.keys).remove(document);
    }

    /// The data key and place of a document, from the main database.
    async fn place(&self, document: &DocumentId) -> Result<Sealing, LogError> {
        if let Some(place) = lock(&self.keys).get(document) {
            return Ok(place.clone());
        }
        let mut tx = self.db.read().await.map_err(store_error)?;
        let row = sqlx::query(
            "SELECT municipality_id, case_id FROM documents WHERE id = $1 AND state <> 'erased'",
        )
        .bind(document.as_str())
        .fetch_optional(tx.conn())
        .await
        .map_err(away)?
        .ok_or(LogError::NotFound)?;
        let municipality = MunicipalityId(row.try_get("municipality_id").map_err(away)?);
        let case: Option<String> = row.try_get("case_id").map_err(away)?;
        let key = match case {
            Some(case) => {
                tx.data_key(&municipality, &Purpose::Case(case.into()))
                    .await
            }
            None => {
                let own = Purpose::Note(document.clone());
                match tx.data_key(&municipality, &own).await {
                    // Notes had no key of their own at first.
                    Err(StoreError::Crypto(CryptoError::KeyMissing)) => {
                        tx.data_key(&municipality, &Purpose::Municipality).await
                    }
                    other => other,
                }
            }
        }
        .map_err(store_error)?;
        tx.commit().await.map_err(store_error)?;
        let place = Sealing { municipality, key };
        let mut keys = lock(&self.keys);
        if keys.len() >= 4096 {
            keys.clear();
        }
        keys.insert(document.clone(), place.clone());
        Ok(place)
    }

    fn seal(
        &self,
        place: &Sealing,
        column: &'static str,
        row: &str,
        epoch: u64,
        seq: u64,
        plain: &[u8],
    ) -> Result<Vec<u8>, LogError> {
        let header = Header {
            key: place.key.id.clone(),
            epoch,
            seq,
        };
        let at = Place {
            municipality: place.municipality.as_str(),
            column,
            row,
        };
        crypto::seal(&place.key.key, &header, &at, self.db.random(), plain).map_err(sealed_error)
    }

    /// Opens a record that must carry this epoch and sequence number.
    async fn open(
        &self,
        place: &Sealing,
        column: &'static str,
        row: &str,
        epoch: u64,
        seq: u64,
        record: &[u8],
    ) -> Result<Vec<u8>, LogError> {
        let header = crypto::header(record).map_err(sealed_error)?;
        if header.epoch != epoch || header.seq != seq {
            return Err(LogError::Corrupt(format!(
                "record {seq} stands in another's place"
            )));
        }
        let at = Place {
            municipality: place.municipality.as_str(),
            column,
            row,
        };
        let key = if header.key == place.key.id {
            place.key.clone()
        } else {
            self.older_key(&place.municipality, &header.key).await?
        };
        crypto::open(&key.key, &at, record)
            .map_err(|error| LogError::Corrupt(format!("record {seq}: {error}")))
    }

    async fn since_on(
        &self,
        connection: &mut AnyConnection,
        place: &Sealing,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        // Head, snapshot and entries of one moment.
        let begin = match self.db.0.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let mut transaction = connection.begin_with(begin).await.map_err(away)?;
        let (current, last) = head(&mut transaction, document).await?;
        if current != epoch {
            return Err(LogError::EpochChanged { current });
        }
        let covered: Option<i64> = sqlx::query_scalar(
            "SELECT seq FROM document_snapshots WHERE document_id = $1 AND epoch = $2",
        )
        .bind(document.as_str())
        .bind(signed(epoch)?)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(away)?;
        let upto = unsigned(covered.unwrap_or(0))?;
        if after < upto {
            return Err(LogError::Compacted { upto });
        }
        let entries = self
            .entries(&mut transaction, place, document, epoch, after)
            .await?;
        transaction.commit().await.map_err(away)?;
        let reached = entries.last().map_or(after, |(seq, _)| *seq);
        if reached < last {
            return Err(LogError::Corrupt(format!(
                "log ends at {reached}, head says {last}"
            )));
        }
        Ok(entries)
    }

    /// The label as it goes into the table.
    fn sealed_label(
        &self,
        place: &Sealing,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
        label: &str,
    ) -> Result<String, LogError> {
        if is_code(label) {
            return Ok(label.to_owned());
        }
        let record = self.seal(
            place,
            LABEL,
            document.as_str(),
            epoch,
            seq,
            label.as_bytes(),
        )?;
        Ok(format!("{SEALED}{}", BASE64.encode(record)))
    }

    async fn label(
        &self,
        place: &Sealing,
        document: &DocumentId,
        epoch: u64,
        row: &StoredLabel,
    ) -> Result<String, LogError> {
        let Some(sealed) = row.stored.strip_prefix(SEALED) else {
            return Ok(row.stored.clone());
        };
        let record = BASE64.decode(sealed).map_err(|_| corrupt("label"))?;
        let plain = self
            .open(place, LABEL, document.as_str(), epoch, row.seq, &record)
            .await?;
        String::from_utf8(plain).map_err(|_| corrupt("label"))
    }

    async fn older_key(
        &self,
        municipality: &MunicipalityId,
        id: &DataKeyId,
    ) -> Result<DataKey, LogError> {
        let mut tx = self.db.read().await.map_err(store_error)?;
        let key = tx.key_by_id(municipality, id).await.map_err(store_error)?;
        tx.commit().await.map_err(store_error)?;
        Ok(key)
    }

    /// An error when the document's log once reached further than `head`.
    fn not_shorter(&self, document: &DocumentId, head: Option<End>) -> Result<(), LogError> {
        let witnessed = self
            .marks
            .as_ref()
            .and_then(|marks| lock(marks).witnessed(document));
        match witnessed {
            Some(end) if head.is_none_or(|head| head < end) => Err(LogError::Corrupt(format!(
                "log ends at {}, {} was reached",
                head.map_or(0, |(_, seq)| seq),
                end.1
            ))),
            _ => Ok(()),
        }
    }

    async fn begin(&self) -> Result<Writing, LogError> {
        let (turn, begin) = match self.db.0.dialect {
            Dialect::Sqlite => (
                Some(Arc::clone(&self.db.0.log_turn).lock_owned().await),
                "BEGIN IMMEDIATE",
            ),
            Dialect::Postgres => (None, "BEGIN"),
        };
        let inner = self.db.0.log_writer.begin_with(begin).await.map_err(away)?;
        Ok(Writing { inner, _turn: turn })
    }

    /// Takes erased bytes out of the WAL file too.
    async fn checkpoint(&self) -> Result<(), LogError> {
        if self.db.0.dialect == Dialect::Sqlite {
            self.db
                .0
                .log_writer
                .execute("PRAGMA wal_checkpoint(TRUNCATE)")
                .await
                .map_err(away)?;
        }
        Ok(())
    }

    fn now(&self) -> String {
        instant_text(self.db.0.clock.now())
    }

    async fn entries(
        &self,
        connection: &mut AnyConnection,
        place: &Sealing,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        let rows = sqlx::query("SELECT seq, entry_sealed FROM document_entries WHERE document_id = $1 AND epoch = $2 AND seq > $3 ORDER BY seq")
            .bind(document.as_str())
            .bind(signed(epoch)?)
            .bind(signed(after)?)
            .fetch_all(connection)
            .await
            .map_err(away)?;
        let mut out = Vec::with_capacity(rows.len());
        let mut expected = after;
        for row in &rows {
            expected += 1;
            let seq = unsigned(row.try_get("seq").map_err(away)?)?;
            if seq != expected {
                return Err(LogError::Corrupt(format!("record {expected} is missing")));
            }
            let record: Vec<u8> = row.try_get("entry_sealed").map_err(away)?;
            let plain = self
                .open(place, ENTRY, document.as_str(), epoch, seq, &record)
                .await?;
            out.push((seq, decode_entry(&plain)?));
        }
        Ok(out)
    }
}

/// Head of a document: (epoch, last sequence number).
async fn head(
    connection: &mut AnyConnection,
    document: &DocumentId,
) -> Result<(u64, u64), LogError> {
    let (epoch, last, _) = head_and_key(connection, document).await?;
    Ok((epoch, last))
}

/// As [`head`], with the data key that the log was last rewritten under.
async fn head_and_key(
    connection: &mut AnyConnection,
    document: &DocumentId,
) -> Result<(u64, u64, DataKeyId), LogError> {
    let row = sqlx::query(
        "SELECT epoch, last_seq, data_key_id FROM document_heads WHERE document_id = $1",
    )
    .bind(document.as_str())
    .fetch_optional(connection)
    .await
    .map_err(away)?
    .ok_or(LogError::NotFound)?;
    Ok((
        unsigned(row.try_get("epoch").map_err(away)?)?,
        unsigned(row.try_get("last_seq").map_err(away)?)?,
        DataKeyId(row.try_get("data_key_id").map_err(away)?),
    ))
}

async fn heads_on(
    connection: &mut AnyConnection,
    documents: &[DocumentId],
) -> Result<Vec<(DocumentId, u64, u64)>, LogError> {
    let sql = format!(
        "SELECT document_id, epoch, last_seq FROM document_heads WHERE document_id IN ({})",
        crate::database::placeholders(1, documents.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for document in documents {
        query = query.bind(document.as_str());
    }
    let rows = query.fetch_all(connection).await.map_err(away)?;
    rows.iter()
        .map(|row| {
            Ok((
                DocumentId(row.try_get("document_id").map_err(away)?),
                unsigned(row.try_get("epoch").map_err(away)?)?,
                unsigned(row.try_get("last_seq").map_err(away)?)?,
            ))
        })
        .collect()
}

/// What [`DocumentLog::rewrite`] left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// The epoch before and the one it has now.
    pub from: u64,
    pub epoch: u64,
    /// The sequence number of the snapshot that everything stands in now.
    pub seq: u64,
}

impl DocumentLog {
    /// Where the log stands: epoch, last sequence number and the data key it was last rewritten under.
    ///
    /// # Errors
    /// [`LogError::NotFound`], database away.
    pub async fn head(&self, document: &DocumentId) -> Result<(u64, u64, DataKeyId), LogError> {
        let mut connection = self.db.0.log_reader.acquire().await.map_err(away)?;
        head_and_key(&mut connection, document).await
    }

    /// Replaces the log by a snapshot of its present state, under a new epoch and under the key that is
    /// active now. With [`Past::Erase`] nothing that was deleted stays, and no version; with
    /// [`Past::Keep`] the versions are sealed anew and the journal stays. Everything durable is in it:
    /// an append that comes meanwhile makes it start again, one that comes after is refused for its
    /// epoch. `raised` is told the new epoch before anything is written.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn rewrite<F: Future<Output = Result<(), LogError>>>(
        &self,
        document: &DocumentId,
        shape: &Arc<Shape>,
        past: Past,
        raised: impl Fn(u64) -> F,
    ) -> Result<Rewritten, LogError> {
        loop {
            self.forget(document);
            let loaded = self.load(document).await?;
            let last = loaded
                .entries
                .last()
                .map_or(loaded.snapshot_seq, |(seq, _)| *seq);
            let epoch = loaded.epoch;
            let shape = Arc::clone(shape);
            let snapshot = tokio::task::spawn_blocking(move || {
                collab::erasure::present(&shape, &loaded, past)
            })
            .await
            .map_err(|_| corrupt("rewriting stopped"))??;
            raised(epoch + 1).await?;
            match self
                .put_in_place(document, epoch, last, past, &snapshot)
                .await
            {
                Err(LogError::Behind { .. } | LogError::EpochChanged { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return Ok(Rewritten {
                        from: epoch,
                        epoch: epoch + 1,
                        seq: last + 1,
                    });
                }
            }
        }
    }

    async fn put_in_place(
        &self,
        document: &DocumentId,
        epoch: u64,
        last: u64,
        past: Past,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        let place = self.place(document).await?;
        let (next, seq) = (epoch + 1, last + 1);
        let plain = encode_snapshot(snapshot)?;
        let record = self.seal(&place, SNAPSHOT, document.as_str(), next, seq, &plain)?;
        let mut transaction = self.begin().await?;
        let moved = sqlx::query(
            "UPDATE document_heads SET epoch = $2, last_seq = $3, data_key_id = $4, updated_at = $5 \
             WHERE document_id = $1 AND epoch = $6 AND last_seq = $7",
        )
        .bind(document.as_str())
        .bind(signed(next)?)
        .bind(signed(seq)?)
        .bind(place.key.id.as_str())
        .bind(self.now())
        .bind(signed(epoch)?)
        .bind(signed(last)?)
        .execute(transaction.conn())
        .await
        .map_err(away)?;
        if moved.rows_affected() == 0 {
            let (current, last) = head(transaction.conn(), document).await?;
            return Err(if current == epoch {
                LogError::Behind { last }
            } else {
                LogError::EpochChanged { current }
            });
        }
        for sql in [
            "DELETE FROM document_entries WHERE document_id = $1",
            "DELETE FROM document_snapshots WHERE document_id = $1",
        ] {
            sqlx::query(sql)
                .bind(document.as_str())
                .execute(transaction.conn())
                .await
                .map_err(away)?;
        }
        sqlx::query("INSERT INTO document_snapshots (document_id, epoch, seq, snapshot_sealed) VALUES ($1, $2, $3, $4)")
            .bind(document.as_str())
            .bind(signed(next)?)
            .bind(signed(seq)?)
            .bind(record)
            .execute(transaction.conn())
            .await
            .map_err(away)?;
        match past {
            Past::Erase => {
                sqlx::query("DELETE FROM document_versions WHERE document_id = $1")
                    .bind(document.as_str())
                    .execute(transaction.conn())
                    .await
                    .map_err(away)?;
            }
            Past::Keep => {
                self.seal_versions(transaction.conn(), &place, document)
                    .await?
            }
        }
        transaction.commit().await?;
        self.note(document, (next, seq));
        Ok(())
    }

    /// Seals the versions of a document under its present key.
    async fn seal_versions(
        &self,
        connection: &mut AnyConnection,
        place: &Sealing,
        document: &DocumentId,
    ) -> Result<(), LogError> {
        let rows = sqlx::query(
            "SELECT epoch, seq, label, state_sealed FROM document_versions WHERE document_id = $1",
        )
        .bind(document.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(away)?;
        for row in &rows {
            let (epoch, seq): (i64, i64) = (
                row.try_get("epoch").map_err(away)?,
                row.try_get("seq").map_err(away)?,
            );
            let label: String = row.try_get("label").map_err(away)?;
            let record: Vec<u8> = row.try_get("state_sealed").map_err(away)?;
            let (number, place_of) = (unsigned(seq)?, unsigned(epoch)?);
            let plain = self
                .open(
                    place,
                    VERSION,
                    &version_row(document, &label),
                    place_of,
                    number,
                    &record,
                )
                .await?;
            let words = StoredLabel {
                seq: number,
                at: jiff::Timestamp::UNIX_EPOCH,
                stored: label.clone(),
            };
            let words = self.label(place, document, place_of, &words).await?;
            let renewed = self.sealed_label(place, document, place_of, number, &words)?;
            let at = version_row(document, &renewed);
            let sealed = self.seal(place, VERSION, &at, place_of, number, &plain)?;
            sqlx::query(
                "UPDATE document_versions SET state_sealed = $5, label = $6 WHERE document_id = $1 AND epoch = $2 AND seq = $3 AND label = $4",
            )
            .bind(document.as_str())
            .bind(epoch)
            .bind(seq)
            .bind(label)
            .bind(sealed)
            .bind(renewed)
            .execute(&mut *connection)
            .await
            .map_err(away)?;
        }
        Ok(())
    }

    /// Removes the log of a document altogether. Doing it again does nothing.
    ///
    /// # Errors
    /// Database away.
    pub async fn remove(&self, document: &DocumentId) -> Result<(), LogError> {
        let mut transaction = self.begin().await?;
        for sql in [
            "DELETE FROM document_heads WHERE document_id = $1",
            "DELETE FROM document_entries WHERE document_id = $1",
            "DELETE FROM document_snapshots WHERE document_id = $1",
            "DELETE FROM document_versions WHERE document_id = $1",
        ] {
            sqlx::query(sql)
                .bind(document.as_str())
                .execute(transaction.conn())
                .await
                .map_err(away)?;
        }
        transaction.commit().await?;
        self.forget(document);
        Ok(())
    }

    /// How many records of these documents are sealed under a key: 0 before it may be destroyed.
    ///
    /// # Errors
    /// Database away.
    pub async fn sealed_under(
        &self,
        documents: &[DocumentId],
        key: &DataKeyId,
    ) -> Result<u64, LogError> {
        let id = hex::decode(key.as_str()).map_err(|_| corrupt("key id"))?;
        let mut found = 0_u64;
        for document in documents {
            for sql in [
                "SELECT COUNT(*) FROM document_entries WHERE document_id = $1 AND substr(entry_sealed, 2, 16) = $2",
                "SELECT COUNT(*) FROM document_snapshots WHERE document_id = $1 AND substr(snapshot_sealed, 2, 16) = $2",
                "SELECT COUNT(*) FROM document_versions WHERE document_id = $1 AND substr(state_sealed, 2, 16) = $2",
            ] {
                let count: i64 = sqlx::query_scalar(sql)
                    .bind(document.as_str())
                    .bind(id.clone())
                    .fetch_one(&self.db.0.log_reader)
                    .await
                    .map_err(away)?;
                found += unsigned(count)?;
            }
        }
        Ok(found)
    }

    /// Everything the log holds of a document, opened: updates in the order of the log, then the states
    /// of its versions. The second part counts records that no key here opens. For looking whether a
    /// text is still there; nobody is shown it.
    ///
    /// # Errors
    /// Database away.
    pub async fn contents(
        &self,
        municipality: &MunicipalityId,
        document: &DocumentId,
    ) -> Result<Contents, LogError> {
        let mut out = Contents::default();
        let mut tx = self.db.read().await.map_err(store_error)?;
        for (sql, column) in [
            (
                "SELECT snapshot_sealed AS record, '' AS label FROM document_snapshots WHERE document_id = $1",
                SNAPSHOT,
            ),
            (
                "SELECT entry_sealed AS record, '' AS label FROM document_entries WHERE document_id = $1 ORDER BY epoch, seq",
                ENTRY,
            ),
            (
                "SELECT state_sealed AS record, label FROM document_versions WHERE document_id = $1 ORDER BY epoch, seq, label",
                VERSION,
            ),
        ] {
            let rows = sqlx::query(sql)
                .bind(document.as_str())
                .fetch_all(&self.db.0.log_reader)
                .await
                .map_err(away)?;
            for row in &rows {
                let record: Vec<u8> = row.try_get("record").map_err(away)?;
                let label: String = row.try_get("label").map_err(away)?;
                let at = if column == VERSION {
                    version_row(document, &label)
                } else {
                    document.as_str().to_owned()
                };
                let plain = match tx.open(municipality, column, &at, &record).await {
                    Ok(plain) => plain,
                    Err(StoreError::Crypto(_)) => {
                        out.unreadable += 1;
                        continue;
                    }
                    Err(error) => return Err(store_error(error)),
                };
                if let Some(sealed) = label.strip_prefix(SEALED) {
                    let sealed = BASE64.decode(sealed).map_err(|_| corrupt("label"))?;
                    match tx
                        .open(municipality, LABEL, document.as_str(), &sealed)
                        .await
                    {
                        Ok(words) => out.labels.push(words),
                        Err(StoreError::Crypto(_)) => out.unreadable += 1,
                        Err(error) => return Err(store_error(error)),
                    }
                }
                match column {
                    VERSION => out.versions.push(plain),
                    SNAPSHOT => out.updates.push(decode_snapshot(&plain)?.state),
                    _ => out.updates.push(decode_entry(&plain)?.update.to_vec()),
                }
            }
        }
        Ok(out)
    }
}

/// What a log holds, see [`DocumentLog::contents`].
#[derive(Debug, Default)]
pub struct Contents {
    /// Snapshot and entries: Yjs updates, v1 encoding.
    pub updates: Vec<Vec<u8>>,
    /// States of versions: Yjs updates, v1 encoding.
    pub versions: Vec<Vec<u8>>,
    /// Names that users gave to versions.
    pub labels: Vec<Vec<u8>>,
    /// Records whose key is gone.
    pub unreadable: u64,
}

fn version_row(document: &DocumentId, label: &str) -> String {
    format!("{document}/{label}")
}

impl Database {
    /// Documents that are known to the registry and not to the log: the process ended, or the request
    /// was given up, between the two. A worker makes them with their seed.
    ///
    /// # Errors
    /// Database away.
    pub async fn documents_without_log(
        &self,
    ) -> crate::error::Result<Vec<(DocumentId, DocumentKind)>> {
        // The registry first: what is made meanwhile is then not taken for missing for long.
        let mut tx = self.read().await?;
        let rows =
            sqlx::query("SELECT id, kind FROM documents WHERE state <> 'erased' ORDER BY id")
                .fetch_all(tx.conn())
                .await?;
        drop(tx);
        let made = sqlx::query("SELECT document_id FROM document_heads")
            .fetch_all(&self.0.log_reader)
            .await?;
        let made: std::collections::HashSet<String> = made
            .iter()
            .map(|row| row.try_get("document_id"))
            .collect::<std::result::Result<_, _>>()?;
        let mut missing = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            if !made.contains(&id) {
                let kind = DocumentKind::from_code(&row.try_get::<String, _>("kind")?)
                    .ok_or(StoreError::Corrupt("documents.kind"))?;
                missing.push((DocumentId(id), kind));
            }
        }
        Ok(missing)
    }
}

#[async_trait]
impl UpdateLog for DocumentLog {
    async fn create(&self, document: &DocumentId, seed: Option<Entry>) -> Result<(), LogError> {
        let place = self.place(document).await?;
        let now = self.now();
        let mut transaction = self.begin().await?;
        let made = sqlx::query(
            "INSERT INTO document_heads (document_id, municipality_id, data_key_id, epoch, last_seq, created_at, updated_at) \
             VALUES ($1, $2, $3, 1, $4, $5, $5) ON CONFLICT (document_id) DO NOTHING",
        )
        .bind(document.as_str())
        .bind(place.municipality.as_str())
        .bind(place.key.id.as_str())
        .bind(i64::from(seed.is_some()))
        .bind(now)
        .execute(transaction.conn())
        .await
        .map_err(away)?;
        let made = made.rows_affected() == 1;
        if made {
            // It was there, and its whole beginning is lost: it must not begin anew.
            self.not_shorter(document, None)?;
        }
        let end = u64::from(seed.is_some());
        if let (true, Some(seed)) = (made, seed) {
            let record = self.seal(
                &place,
                ENTRY,
                document.as_str(),
                1,
                1,
                &encode_entry(&seed)?,
            )?;
            sqlx::query("INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) VALUES ($1, 1, 1, $2)")
                .bind(document.as_str())
                .bind(record)
                .execute(transaction.conn())
                .await
                .map_err(away)?;
        }
        transaction.commit().await?;
        if made {
            self.note(document, (1, end));
        }
        Ok(())
    }

    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError> {
        let mut place = self.place(document).await?;
        let begin = match self.db.0.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let mut transaction = self.db.0.log_reader.begin_with(begin).await.map_err(away)?;
        let (epoch, last, key) = match head_and_key(&mut transaction, document).await {
            Err(LogError::NotFound) => {
                self.not_shorter(document, None)?;
                return Err(LogError::NotFound);
            }
            head => head?,
        };
        self.not_shorter(document, Some((epoch, last)))?;
        if key != place.key.id {
            // Rewritten under another key, perhaps by another node: what this epoch appends from here
            // is sealed under the key that is active now.
            self.forget(document);
            place = self.place(document).await?;
        }
        let row = sqlx::query("SELECT epoch, seq, snapshot_sealed FROM document_snapshots WHERE document_id = $1 AND epoch = $2")
            .bind(document.as_str())
            .bind(signed(epoch)?)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(away)?;
        let mut loaded = Loaded {
            municipality: Some(place.municipality.clone()),
            epoch,
            ..Loaded::default()
        };
        if let Some(row) = row {
            loaded.snapshot_seq = unsigned(row.try_get("seq").map_err(away)?)?;
            let record: Vec<u8> = row.try_get("snapshot_sealed").map_err(away)?;
            let plain = self
                .open(
                    &place,
                    SNAPSHOT,
                    document.as_str(),
                    epoch,
                    loaded.snapshot_seq,
                    &record,
                )
                .await?;
            loaded.snapshot = Some(decode_snapshot(&plain)?);
        }
        loaded.entries = self
            .entries(
                &mut transaction,
                &place,
                document,
                epoch,
                loaded.snapshot_seq,
            )
            .await?;
        let reached = loaded
            .entries
            .last()
            .map_or(loaded.snapshot_seq, |(seq, _)| *seq);
        transaction.commit().await.map_err(away)?;
        if reached != last {
            // A cut tail would look like a shorter document.
            return Err(LogError::Corrupt(format!(
                "log ends at {reached}, head says {last}"
            )));
        }
        Ok(loaded)
    }

    async fn since(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<(u64, Entry)>, LogError> {
        let place = self.place(document).await?;
        let patience = patience(self.db.0.dialect);
        let mut connection = connection(&self.db.0.log_reader, patience).await?;
        let answered = timeout(
            patience,
            self.since_on(&mut connection, &place, document, epoch, after),
        );
        let answered = answered.await;
        in_time(connection, answered)
    }

    async fn heads(
        &self,
        documents: &[DocumentId],
    ) -> Result<Vec<(DocumentId, u64, u64)>, LogError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let patience = patience(self.db.0.dialect);
        let mut connection = connection(&self.db.0.log_reader, patience).await?;
        let answered = timeout(patience, heads_on(&mut connection, documents)).await;
        in_time(connection, answered)
    }

    async fn append(
        &self,
        document: &DocumentId,
        epoch: u64,
        after: u64,
        entries: &[Entry],
    ) -> Result<(), LogError> {
        if entries.is_empty() {
            return Ok(());
        }
        let place = self.place(document).await?;
        let mut records = Vec::with_capacity(entries.len());
        for (entry, seq) in entries.iter().zip(after + 1..) {
            records.push(self.seal(
                &place,
                ENTRY,
                document.as_str(),
                epoch,
                seq,
                &encode_entry(entry)?,
            )?);
        }
        let (answer, answered) = oneshot::channel();
        let append = Append {
            document: document.clone(),
            epoch: signed(epoch)?,
            after: signed(after)?,
            records,
            answer,
        };
        self.queue
            .send(append)
            .await
            .map_err(|_| LogError::Unavailable("log stopped".into()))?;
        answered
            .await
            .map_err(|_| LogError::Unavailable("log stopped".into()))?
    }

    async fn compact(
        &self,
        document: &DocumentId,
        epoch: u64,
        upto: u64,
        snapshot: &Snapshot,
    ) -> Result<(), LogError> {
        let place = self.place(document).await?;
        let record = self.seal(
            &place,
            SNAPSHOT,
            document.as_str(),
            epoch,
            upto,
            &encode_snapshot(snapshot)?,
        )?;
        let mut transaction = self.begin().await?;
        let (current, last) = head(transaction.conn(), document).await?;
        if current != epoch {
            return Err(LogError::EpochChanged { current });
        }
        if upto > last {
            return Err(LogError::Behind { last });
        }
        let stored = sqlx::query(
            "INSERT INTO document_snapshots (document_id, epoch, seq, snapshot_sealed) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (document_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, snapshot_sealed = excluded.snapshot_sealed \
             WHERE document_snapshots.epoch < excluded.epoch OR document_snapshots.seq < excluded.seq",
        )
        .bind(document.as_str())
        .bind(signed(epoch)?)
        .bind(signed(upto)?)
        .bind(record)
        .execute(transaction.conn())
        .await
        .map_err(away)?;
        if stored.rows_affected() == 1 {
            sqlx::query("DELETE FROM document_entries WHERE document_id = $1 AND (epoch < $2 OR (epoch = $2 AND seq <= $3))")
                .bind(document.as_str())
                .bind(signed(epoch)?)
                .bind(signed(upto)?)
                .execute(transaction.conn())
                .await
                .map_err(away)?;
        }
        transaction.commit().await
    }

    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError> {
        // The case's key may just have been changed.
        self.forget(document);
        loop {
            let mut reading =
                connection(&self.db.0.log_reader, patience(self.db.0.dialect)).await?;
            let (current, last) = head(&mut reading, document).await?;
            drop(reading);
            if current != epoch {
                return Err(LogError::EpochChanged { current });
            }
            match self
                .put_in_place(document, epoch, last, Past::Erase, snapshot)
                .await
            {
                // An append came in between: it is replaced as well.
                Err(LogError::Behind { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.checkpoint().await?;
        Ok(epoch + 1)
    }

    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError> {
        let place = self.place(document).await?;
        let label =
            self.sealed_label(&place, document, version.epoch, version.seq, &version.label)?;
        let row = version_row(document, &label);
        let record = self.seal(
            &place,
            VERSION,
            &row,
            version.epoch,
            version.seq,
            &version.state,
        )?;
        let author = serde_json::to_string(&version.author).map_err(|_| corrupt("author"))?;
        let mut transaction = self.begin().await?;
        let (current, _) = head(transaction.conn(), document).await?;
        if current != version.epoch {
            return Err(LogError::EpochChanged { current });
        }
        if label != version.label {
            // Sealed anew it would not be found by its key.
            for row in label_rows(transaction.conn(), document, version.epoch).await? {
                if row.seq == version.seq
                    && self.label(&place, document, version.epoch, &row).await? == version.label
                {
                    return transaction.commit().await;
                }
            }
        }
        sqlx::query(
            "INSERT INTO document_versions (document_id, epoch, seq, label, at, author, state_sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (document_id, epoch, seq, label) DO NOTHING",
        )
        .bind(document.as_str())
        .bind(signed(version.epoch)?)
        .bind(signed(version.seq)?)
        .bind(label)
        .bind(instant_text(version.at))
        .bind(author)
        .bind(record)
        .execute(transaction.conn())
        .await
        .map_err(away)?;
        if version.label.is_empty() {
            let rows = label_rows(transaction.conn(), document, version.epoch).await?;
            let all = rows.iter().map(|row| (row.at, row.stored.as_str()));
            for at in surplus(all, version.at) {
                sqlx::query("DELETE FROM document_versions WHERE document_id = $1 AND epoch = $2 AND seq = $3 AND label = ''")
                    .bind(document.as_str())
                    .bind(signed(version.epoch)?)
                    .bind(signed(rows[at].seq)?)
                    .execute(transaction.conn())
                    .await
                    .map_err(away)?;
            }
        }
        transaction.commit().await
    }

    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError> {
        let rows = sqlx::query("SELECT epoch, seq, label, at, author FROM document_versions WHERE document_id = $1 ORDER BY epoch, seq, at, label")
            .bind(document.as_str())
            .fetch_all(&self.db.0.log_reader)
            .await
            .map_err(away)?;
        let place = self.place(document).await?;
        let mut versions = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut version = version(row, Vec::new())?;
            let stored = StoredLabel {
                seq: version.seq,
                at: version.at,
                stored: version.label,
            };
            version.label = self.label(&place, document, version.epoch, &stored).await?;
            versions.push(version);
        }
        Ok(versions)
    }

    async fn version(
        &self,
        document: &DocumentId,
        epoch: u64,
        seq: u64,
    ) -> Result<Option<Version>, LogError> {
        let row = sqlx::query("SELECT * FROM document_versions WHERE document_id = $1 AND epoch = $2 AND seq = $3 ORDER BY at, label LIMIT 1")
            .bind(document.as_str())
            .bind(signed(epoch)?)
            .bind(signed(seq)?)
            .fetch_optional(&self.db.0.log_reader)
            .await
            .map_err(away)?;
        let Some(row) = row else { return Ok(None) };
        let place = self.place(document).await?;
        let label: String = row.try_get("label").map_err(away)?;
        let record: Vec<u8> = row.try_get("state_sealed").map_err(away)?;
        let state = self
            .open(
                &place,
                VERSION,
                &version_row(document, &label),
                epoch,
                seq,
                &record,
            )
            .await?;
        let mut version = version(&row, state)?;
        let stored = StoredLabel {
            seq,
            at: version.at,
            stored: label,
        };
        version.label = self.label(&place, document, epoch, &stored).await?;
        Ok(Some(version))
    }
}

/// A version's label as it stands in the table.
struct StoredLabel {
    seq: u64,
    at: jiff::Timestamp,
    stored: String,
}

/// Labels of a document's versions.
async fn label_rows(
    connection: &mut AnyConnection,
    document: &DocumentId,
    epoch: u64,
) -> Result<Vec<StoredLabel>, LogError> {
    let rows = sqlx::query("SELECT seq, at, label FROM document_versions WHERE document_id = $1 AND epoch = $2 ORDER BY seq, at, label")
        .bind(document.as_str())
        .bind(signed(epoch)?)
        .fetch_all(connection)
        .await
        .map_err(away)?;
    rows.iter()
        .map(|row| {
            let at: String = row.try_get("at").map_err(away)?;
            Ok(StoredLabel {
                seq: unsigned(row.try_get("seq").map_err(away)?)?,
                at: at.parse().map_err(|_| corrupt("instant"))?,
                stored: row.try_get("label").map_err(away)?,
            })
        })
        .collect()
}

/// Codes stand plain; whatever a user wrote is sealed.
fn is_code(label: &str) -> bool {
    label.len() <= 64
        && label.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b':' | b'-')
        })
}

fn version(row: &sqlx::any::AnyRow, state: Vec<u8>) -> Result<Version, LogError> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(away);
    Ok(Version {
        epoch: unsigned(row.try_get("epoch").map_err(away)?)?,
        seq: unsigned(row.try_get("seq").map_err(away)?)?,
        at: text("at")?.parse().map_err(|_| corrupt("instant"))?,
        author: serde_json::from_str(&text("author")?).map_err(|_| corrupt("author"))?,
        label: text("label")?,
        state,
    })
}
