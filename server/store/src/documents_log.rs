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

use async_trait::async_trait;
use bytes::Bytes;
use collab::erasure::Past;
use collab::identity::Author;
use collab::log::{Authored, Entry, Loaded, LogError, Snapshot, Span, UpdateLog, Version};
use collab::shape::Shape;
use domain::clock::instant_text;
use domain::id::{DataKeyId, DocumentId, MunicipalityId};
use domain::section::DocumentKind;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row};
use tokio::sync::{mpsc, oneshot};

use crate::crypto::{self, CryptoError, Header, Place};
use crate::data_keys::{DataKey, Purpose};
use crate::database::{Database, Dialect, lock};
use crate::error::StoreError;

/// Appends taken into one commit.
const BATCH: usize = 256;
const ENTRY: &str = "document_entries.entry";
const SNAPSHOT: &str = "document_snapshots.snapshot";
const VERSION: &str = "document_versions.state";

/// The log. Clones share the queue; the writing task ends with the last clone.
#[derive(Debug, Clone)]
pub struct DocumentLog {
    db: Database,
    queue: mpsc::Sender<Append>,
    keys: Arc<Mutex<HashMap<DocumentId, Sealing>>>,
}

/// What sealing a document's records needs.
#[derive(Debug, Clone)]
struct Sealing {
    municipality: MunicipalityId,
    key: DataKey,
}

#[derive(Debug)]
struct Append {
    document: DocumentId,
    epoch: i64,
    after: i64,
    records: Vec<Vec<u8>>,
    answer: oneshot::Sender<Result<(), LogError>>,
}

/// The part of an entry beside the update's bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    a: (String, String, String),
    t: i64,
    i: Vec<(u64, u32, u32)>,
    d: Vec<(u64, u32, u32)>,
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

fn corrupt(what: &str) -> LogError {
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

fn signed(value: u64) -> Result<i64, LogError> {
    i64::try_from(value).map_err(|_| corrupt("number"))
}

fn unsigned(value: i64) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| corrupt("number"))
}

fn away(error: sqlx::Error) -> LogError {
    LogError::Unavailable(StoreError::from(error).to_string())
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
        let (queue, appends) = mpsc::channel(1024);
        tokio::spawn(write(db.clone(), appends));
        Self {
            db: db.clone(),
            queue,
            keys: Arc::default(),
        }
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

    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Any>, LogError> {
        let begin = match self.db.0.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        self.db.0.log_writer.begin_with(begin).await.map_err(away)
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

/// Inserts records after moving the head by compare-and-set; the loser learns where the head is.
async fn append_one(
    connection: &mut AnyConnection,
    append: &Append,
    now: &str,
) -> Result<(), LogError> {
    let count = i64::try_from(append.records.len()).map_err(|_| corrupt("number"))?;
    let moved = sqlx::query(
        "UPDATE document_heads SET last_seq = $4, updated_at = $5 WHERE document_id = $1 AND epoch = $2 AND last_seq = $3",
    )
    .bind(append.document.as_str())
    .bind(append.epoch)
    .bind(append.after)
    .bind(append.after + count)
    .bind(now)
    .execute(&mut *connection)
    .await
    .map_err(away)?;
    if moved.rows_affected() == 0 {
        let (epoch, last) = head(connection, &append.document).await?;
        return Err(if signed(epoch)? == append.epoch {
            LogError::Behind { last }
        } else {
            LogError::EpochChanged { current: epoch }
        });
    }
    for (chunk, start) in append
        .records
        .chunks(100)
        .zip((append.after + 1..).step_by(100))
    {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| format!("($1, $2, ${}, ${})", 3 + 2 * n, 4 + 2 * n))
            .collect();
        let sql = format!(
            "INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(append.document.as_str())
            .bind(append.epoch);
        for (record, seq) in chunk.iter().zip(start..) {
            query = query.bind(seq).bind(record.clone());
        }
        query.execute(&mut *connection).await.map_err(away)?;
    }
    Ok(())
}

/// Whether the failure spoils the transaction (a refused compare-and-set does not).
fn spoils(error: &LogError) -> bool {
    !matches!(
        error,
        LogError::Behind { .. } | LogError::EpochChanged { .. } | LogError::NotFound
    )
}

async fn commit_batch(
    db: &Database,
    batch: &[Append],
    now: &str,
) -> Result<Vec<Result<(), LogError>>, LogError> {
    let begin = match db.0.dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    };
    let mut transaction = db.0.log_writer.begin_with(begin).await.map_err(away)?;
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        let answer = append_one(&mut transaction, append, now).await;
        if let Err(error) = &answer
            && spoils(error)
        {
            return Err(error.clone());
        }
        answers.push(answer);
    }
    transaction.commit().await.map_err(away)?;
    Ok(answers)
}

/// The writing task: takes what has queued up and commits it together.
async fn write(db: Database, mut appends: mpsc::Receiver<Append>) {
    let mut batch = Vec::with_capacity(BATCH);
    while appends.recv_many(&mut batch, BATCH).await > 0 {
        // Rows are locked in one order: two nodes' batches cannot deadlock on PostgreSQL.
        batch.sort_by(|a, b| (&a.document, a.after).cmp(&(&b.document, b.after)));
        let now = instant_text(db.0.clock.now());
        let answers = match commit_batch(&db, &batch, &now).await {
            Ok(answers) => answers,
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(_) => {
                // One bad record must not fail the others: each for itself.
                let mut answers = Vec::with_capacity(batch.len());
                for append in &batch {
                    let one = commit_batch(&db, std::slice::from_ref(append), &now).await;
                    answers.push(one.and_then(|mut list| list.pop().unwrap_or(Ok(()))));
                }
                answers
            }
        };
        for (append, answer) in batch.drain(..).zip(answers) {
            // The room may be gone; what is written stays written.
            let _ = append.answer.send(answer);
        }
    }
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
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
        if moved.rows_affected() == 0 {
            let (current, last) = head(&mut transaction, document).await?;
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
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
        }
        sqlx::query("INSERT INTO document_snapshots (document_id, epoch, seq, snapshot_sealed) VALUES ($1, $2, $3, $4)")
            .bind(document.as_str())
            .bind(signed(next)?)
            .bind(signed(seq)?)
            .bind(record)
            .execute(&mut *transaction)
            .await
            .map_err(away)?;
        match past {
            Past::Erase => {
                sqlx::query("DELETE FROM document_versions WHERE document_id = $1")
                    .bind(document.as_str())
                    .execute(&mut *transaction)
                    .await
                    .map_err(away)?;
            }
            Past::Keep => {
                self.seal_versions(&mut transaction, &place, document)
                    .await?
            }
        }
        transaction.commit().await.map_err(away)
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
            let at = version_row(document, &label);
            let (number, place_of) = (unsigned(seq)?, unsigned(epoch)?);
            let plain = self
                .open(place, VERSION, &at, place_of, number, &record)
                .await?;
            let sealed = self.seal(place, VERSION, &at, place_of, number, &plain)?;
            sqlx::query(
                "UPDATE document_versions SET state_sealed = $5 WHERE document_id = $1 AND epoch = $2 AND seq = $3 AND label = $4",
            )
            .bind(document.as_str())
            .bind(epoch)
            .bind(seq)
            .bind(label)
            .bind(sealed)
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
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
        }
        transaction.commit().await.map_err(away)?;
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
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
        if let (1, Some(seed)) = (made.rows_affected(), seed) {
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
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
        }
        transaction.commit().await.map_err(away)
    }

    async fn load(&self, document: &DocumentId) -> Result<Loaded, LogError> {
        let mut place = self.place(document).await?;
        let begin = match self.db.0.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let mut transaction = self.db.0.log_reader.begin_with(begin).await.map_err(away)?;
        let (epoch, last, key) = head_and_key(&mut transaction, document).await?;
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
        let mut transaction = self.db.0.log_reader.begin().await.map_err(away)?;
        let (current, _) = head(&mut transaction, document).await?;
        if current != epoch {
            return Err(LogError::EpochChanged { current });
        }
        let entries = self
            .entries(&mut transaction, &place, document, epoch, after)
            .await?;
        transaction.commit().await.map_err(away)?;
        Ok(entries)
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
        let (current, last) = head(&mut transaction, document).await?;
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
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
        if stored.rows_affected() == 1 {
            sqlx::query("DELETE FROM document_entries WHERE document_id = $1 AND (epoch < $2 OR (epoch = $2 AND seq <= $3))")
                .bind(document.as_str())
                .bind(signed(epoch)?)
                .bind(signed(upto)?)
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
        }
        transaction.commit().await.map_err(away)
    }

    async fn replace(
        &self,
        document: &DocumentId,
        epoch: u64,
        snapshot: &Snapshot,
    ) -> Result<u64, LogError> {
        // The case's key may just have been changed.
        self.forget(document);
        let place = self.place(document).await?;
        let mut transaction = self.begin().await?;
        let (current, last) = head(&mut transaction, document).await?;
        if current != epoch {
            return Err(LogError::EpochChanged { current });
        }
        let (next, seq) = (epoch + 1, last + 1);
        let record = self.seal(
            &place,
            SNAPSHOT,
            document.as_str(),
            next,
            seq,
            &encode_snapshot(snapshot)?,
        )?;
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
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
        if moved.rows_affected() == 0 {
            let (current, last) = head(&mut transaction, document).await?;
            return Err(if current == epoch {
                LogError::Behind { last }
            } else {
                LogError::EpochChanged { current }
            });
        }
        for sql in [
            "DELETE FROM document_entries WHERE document_id = $1",
            "DELETE FROM document_snapshots WHERE document_id = $1",
            "DELETE FROM document_versions WHERE document_id = $1",
        ] {
            sqlx::query(sql)
                .bind(document.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
        }
        sqlx::query("INSERT INTO document_snapshots (document_id, epoch, seq, snapshot_sealed) VALUES ($1, $2, $3, $4)")
            .bind(document.as_str())
            .bind(signed(next)?)
            .bind(signed(seq)?)
            .bind(record)
            .execute(&mut *transaction)
            .await
            .map_err(away)?;
        transaction.commit().await.map_err(away)?;
        self.checkpoint().await?;
        Ok(next)
    }

    async fn keep_version(&self, document: &DocumentId, version: &Version) -> Result<(), LogError> {
        let place = self.place(document).await?;
        let row = version_row(document, &version.label);
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
        let (current, _) = head(&mut transaction, document).await?;
        if current != version.epoch {
            return Err(LogError::EpochChanged { current });
        }
        sqlx::query(
            "INSERT INTO document_versions (document_id, epoch, seq, label, at, author, state_sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (document_id, epoch, seq, label) DO NOTHING",
        )
        .bind(document.as_str())
        .bind(signed(version.epoch)?)
        .bind(signed(version.seq)?)
        .bind(version.label.as_str())
        .bind(instant_text(version.at))
        .bind(author)
        .bind(record)
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
        transaction.commit().await.map_err(away)
    }

    async fn versions(&self, document: &DocumentId) -> Result<Vec<Version>, LogError> {
        let rows = sqlx::query("SELECT epoch, seq, label, at, author FROM document_versions WHERE document_id = $1 ORDER BY epoch, seq, at, label")
            .bind(document.as_str())
            .fetch_all(&self.db.0.log_reader)
            .await
            .map_err(away)?;
        rows.iter().map(|row| version(row, Vec::new())).collect()
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
        version(&row, state).map(Some)
    }
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
