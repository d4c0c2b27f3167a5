//! The writing task of the document log: takes what has queued up and commits it together.
//!
//! On SQLite it is a thread with a connection of its own: passing each statement to a pool's thread and
//! back costs more than the statements do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use collab::log::LogError;
use domain::clock::instant_text;
use domain::id::DocumentId;
use rusqlite::params;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tokio::sync::{mpsc, oneshot};

use crate::database::{Database, Dialect, lock, log_file, sqlite_setup};
use crate::documents_log::{away, unsigned};
use crate::marks::{End, Marks};

/// Appends taken into one commit.
const BATCH: usize = 256;
/// With so many records in a commit the writers are many, and waiting for more of them costs nobody
/// anything that he would notice: fewer commits and fewer, larger messages to every reader.
const BUSY: usize = 8;
/// How long the next commit is waited for then.
const GATHER: Duration = Duration::from_millis(1);
/// How long a database server may take for one commit. One that was cut off without a word would
/// keep every document waiting.
const COMMIT: Duration = Duration::from_secs(8);

/// Moves the head by compare-and-set: epoch and last sequence number must be what the room saw.
/// (SQLite numbers `$n` by the order of appearance.)
const MOVE_HEAD: &str = "UPDATE document_heads SET last_seq = $1, updated_at = $2 WHERE document_id = $3 AND epoch = $4 AND last_seq = $5";
const READ_HEAD: &str = "SELECT epoch, last_seq FROM document_heads WHERE document_id = $1";
const INSERT: &str =
    "INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) VALUES ($1, $2, $3, $4)";
/// Records that go into one statement.
const TOGETHER: usize = 100;

/// Sealed entries on their way to disk.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) document: DocumentId,
    pub(crate) epoch: i64,
    pub(crate) after: i64,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) answer: oneshot::Sender<Result<(), LogError>>,
}

type Answer = Result<(), LogError>;

impl Append {
    /// Sequence number of the last record.
    fn last(&self) -> i64 {
        self.after
            .saturating_add(i64::try_from(self.records.len()).unwrap_or(i64::MAX))
    }

    /// Why the head did not move: somebody else was faster, or the document has another epoch.
    fn refused(&self, head: Option<(i64, i64)>) -> Answer {
        match head {
            None => Err(LogError::NotFound),
            Some((epoch, last)) if epoch == self.epoch => {
                unsigned(last).and_then(|last| Err(LogError::Behind { last }))
            }
            Some((epoch, _)) => {
                unsigned(epoch).and_then(|current| Err(LogError::EpochChanged { current }))
            }
        }
    }
}

/// Why a batch was not committed.
enum Failure {
    /// One of its statements was refused.
    Statement(LogError),
    /// There is no database to talk to.
    Lost(LogError),
}

/// Starts the task; it ends with the last sender. Needs a tokio runtime.
pub(crate) fn start(db: &Database, marks: Option<Arc<Mutex<Marks>>>) -> mpsc::Sender<Append> {
    let (queue, appends) = mpsc::channel(1024);
    let db = db.clone();
    match db.dialect() {
        Dialect::Postgres => drop(tokio::spawn(on_postgres(db, appends))),
        Dialect::Sqlite => {
            // Without the thread the queue is closed: every append says that the log has stopped.
            let started = std::thread::Builder::new()
                .name("document-log".to_owned())
                .spawn(move || on_sqlite(&db, appends, marks.as_deref()));
            if let Err(error) = started {
                tracing::error!(%error, "no thread for the document log");
            }
        }
    }
    queue
}

/// Remembers how far the document's log has come (SQLite only).
pub(crate) fn note(marks: Option<&Mutex<Marks>>, document: &DocumentId, end: End) {
    if let Some(marks) = marks
        && let Err(error) = lock(marks).note(document, end)
    {
        tracing::debug!(%error, "mark not written");
    }
}

// ── SQLite ──────────────────────────────────────────────────────────────────

fn on_sqlite(db: &Database, mut appends: mpsc::Receiver<Append>, marks: Option<&Mutex<Marks>>) {
    let file = LogFile { db };
    if let Some(marks) = marks {
        match file.ends() {
            Ok(ends) => lock(marks).keep_unmet(ends.into_iter()),
            Err(error) => tracing::warn!(%error, "marks not compared with the log"),
        }
    }
    let mut batch: Vec<Append> = Vec::with_capacity(BATCH);
    let mut busy = false;
    while let Some(first) = appends.blocking_recv() {
        batch.push(first);
        if busy {
            std::thread::sleep(GATHER);
        }
        while batch.len() < BATCH
            && let Ok(more) = appends.try_recv()
        {
            batch.push(more);
        }
        busy = batch
            .iter()
            .map(|append| append.records.len())
            .sum::<usize>()
            >= BUSY;
        let now = instant_text(db.0.clock.now());
        let turn = db.0.log_turn.blocking_lock();
        let answers = match file.commit(&batch, &now) {
            Ok(answers) => answers,
            Err(error) if batch.len() == 1 => vec![Err(error)],
            // One bad record must not fail the others: each for itself.
            Err(_) => batch
                .iter()
                .map(|append| {
                    file.commit(std::slice::from_ref(append), &now)
                        .and_then(|mut list| list.pop().unwrap_or(Ok(())))
                })
                .collect(),
        };
        drop(turn);
        for (append, answer) in batch.drain(..).zip(answers) {
            if answer.is_ok()
                && let (Ok(epoch), Ok(seq)) = (unsigned(append.epoch), unsigned(append.last()))
            {
                note(marks, &append.document, (epoch, seq));
            }
            // The room may be gone; what is written stays written.
            let _ = append.answer.send(answer);
        }
    }
}

/// The log's file as the writing thread sees it. Its connection stands in the database, which closes it.
struct LogFile<'d> {
    db: &'d Database,
}

impl LogFile<'_> {
    /// The connection, out of its place: one that fails is not put back, and the next commit opens the
    /// file anew.
    fn take(&self) -> Result<rusqlite::Connection, LogError> {
        if let Some(open) = lock(&self.db.0.log_connection).take() {
            return Ok(open);
        }
        let path = log_file(self.db.data_dir());
        rusqlite::Connection::open(path)
            .and_then(|open| {
                open.execute_batch(&sqlite_setup(self.db.0.checkpoint_pages))?;
                Ok(open)
            })
            .map_err(|error| failed(&error))
    }

    fn put_back(&self, open: rusqlite::Connection) {
        *lock(&self.db.0.log_connection) = Some(open);
    }

    fn commit(&self, batch: &[Append], now: &str) -> Result<Vec<Answer>, LogError> {
        let mut open = self.take()?;
        let answers = commit_sqlite(&mut open, batch, now).map_err(|error| failed(&error))?;
        self.put_back(open);
        Ok(answers)
    }

    /// The ends of all logs.
    fn ends(&self) -> Result<Vec<(DocumentId, End)>, LogError> {
        let open = self.take()?;
        let rows: Vec<(String, i64, i64)> = open
            .prepare("SELECT document_id, epoch, last_seq FROM document_heads")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect()
            })
            .map_err(|error| failed(&error))?;
        self.put_back(open);
        rows.into_iter()
            .map(|(id, epoch, seq)| Ok((DocumentId(id), (unsigned(epoch)?, unsigned(seq)?))))
            .collect()
    }
}

/// Inserts and commits. A refused compare-and-set does not spoil the transaction.
fn commit_sqlite(
    connection: &mut rusqlite::Connection,
    batch: &[Append],
    now: &str,
) -> rusqlite::Result<Vec<Answer>> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let answers = batch
        .iter()
        .map(|append| append_sqlite(&transaction, append, now))
        .collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(answers)
}

fn append_sqlite(
    connection: &rusqlite::Connection,
    append: &Append,
    now: &str,
) -> rusqlite::Result<Answer> {
    use rusqlite::OptionalExtension;

    let document = append.document.as_str();
    let moved = connection.prepare_cached(MOVE_HEAD)?.execute(params![
        append.last(),
        now,
        document,
        append.epoch,
        append.after
    ])?;
    if moved == 0 {
        let head = connection
            .prepare_cached(READ_HEAD)?
            .query_row([document], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        return Ok(append.refused(head));
    }
    let mut insert = connection.prepare_cached(INSERT)?;
    for (record, seq) in append.records.iter().zip(append.after + 1..) {
        insert.execute(params![document, append.epoch, seq, record])?;
    }
    Ok(Ok(()))
}

/// SQLite's own words for the failure; they hold neither values nor the statement.
fn failed(error: &rusqlite::Error) -> LogError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};

    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            let words = format!("sqlite: {failure}");
            if matches!(failure.code, DatabaseCorrupt | NotADatabase) {
                LogError::Corrupt(words)
            } else {
                LogError::Unavailable(words)
            }
        }
        _ => LogError::Unavailable("sqlite: unexpected answer".to_owned()),
    }
}

// ── PostgreSQL ──────────────────────────────────────────────────────────────

async fn on_postgres(db: Database, mut appends: mpsc::Receiver<Append>) {
    let mut batch = Vec::with_capacity(BATCH);
    while appends.recv_many(&mut batch, BATCH).await > 0 {
        // Rows are locked in one order: two nodes' batches cannot deadlock.
        batch.sort_by(|a, b| (&a.document, a.after).cmp(&(&b.document, b.after)));
        let now = instant_text(db.0.clock.now());
        let answers = match commit_postgres(&db, &batch, &now).await {
            Ok(answers) => answers,
            Err(Failure::Statement(error)) if batch.len() == 1 => vec![Err(error)],
            Err(Failure::Statement(_)) => commit_singly(&db, &batch, &now).await,
            Err(Failure::Lost(error)) => vec![Err(error); batch.len()],
        };
        for (append, answer) in batch.drain(..).zip(answers) {
            // The room may be gone; what is written stays written.
            let _ = append.answer.send(answer);
        }
    }
}

/// Whether the failure is the connection's, not the statement's.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            // Connection exceptions, operator intervention (shutdown, starting up).
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

fn failure(error: sqlx::Error) -> Failure {
    if is_lost(&error) {
        Failure::Lost(away(error))
    } else {
        Failure::Statement(away(error))
    }
}

/// Inserts and commits. A refused compare-and-set does not spoil the transaction.
async fn commit_postgres(
    db: &Database,
    batch: &[Append],
    now: &str,
) -> Result<Vec<Answer>, Failure> {
    let mut connection = db.0.log_writer.acquire().await.map_err(failure)?;
    let committing = async {
        // The usual case, on its way to the server and back once instead of four times.
        if let [append] = batch
            && append.records.len() <= TOGETHER
        {
            let moved = append_postgres(&mut connection, append, now).await;
            return Ok(vec![moved.map_err(failure)?]);
        }
        let mut transaction = connection.begin_with("BEGIN").await.map_err(failure)?;
        let mut answers = Vec::with_capacity(batch.len());
        for append in batch {
            let moved = append_postgres(&mut transaction, append, now).await;
            answers.push(moved.map_err(failure)?);
        }
        transaction.commit().await.map_err(failure)?;
        Ok(answers)
    };
    match tokio::time::timeout(COMMIT, committing).await {
        Ok(committed) => committed,
        Err(_) => {
            // Whatever it still answers belongs to nobody. Should it commit after all, the next
            // append is told that it is behind.
            connection.close_on_drop();
            Err(Failure::Lost(LogError::Unavailable("no answer".into())))
        }
    }
}

/// After one refused statement every append stands for itself; without a database none does.
async fn commit_singly(db: &Database, batch: &[Append], now: &str) -> Vec<Answer> {
    let mut lost: Option<LogError> = None;
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        if let Some(error) = &lost {
            answers.push(Err(error.clone()));
            continue;
        }
        answers.push(
            match commit_postgres(db, std::slice::from_ref(append), now).await {
                Ok(mut list) => list.pop().unwrap_or(Ok(())),
                Err(Failure::Statement(error)) => Err(error),
                Err(Failure::Lost(error)) => {
                    lost = Some(error.clone());
                    Err(error)
                }
            },
        );
    }
    answers
}

/// Moves the head and inserts in one statement, so that it is atomic by itself up to [`TOGETHER`]
/// records.
async fn append_postgres(
    connection: &mut AnyConnection,
    append: &Append,
    now: &str,
) -> Result<Answer, sqlx::Error> {
    let mut chunks = append.records.chunks(TOGETHER);
    let first = chunks.next().unwrap_or_default();
    let mut seq = append.after;
    let mut next = || {
        seq += 1;
        seq
    };
    let rows = |count: usize, from: usize| {
        let rows = (0..count).map(|n| {
            let at = from + 2 * n;
            format!("(CAST(${at} AS BIGINT), CAST(${} AS BYTEA))", at + 1)
        });
        rows.collect::<Vec<_>>().join(", ")
    };
    let moving = format!(
        "WITH moved AS ({MOVE_HEAD} RETURNING document_id) \
         INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) \
         SELECT moved.document_id, CAST($4 AS BIGINT), entry.seq, entry.sealed \
         FROM moved, (VALUES {}) AS entry (seq, sealed)",
        rows(first.len(), 6)
    );
    let mut query = sqlx::query(AssertSqlSafe(moving))
        .bind(append.last())
        .bind(now)
        .bind(append.document.as_str())
        .bind(append.epoch)
        .bind(append.after);
    for record in first {
        query = query.bind(next()).bind(record.clone());
    }
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        let row = sqlx::query(READ_HEAD)
            .bind(append.document.as_str())
            .fetch_optional(connection)
            .await?;
        let head = match row {
            Some(row) => Some((row.try_get("epoch")?, row.try_get("last_seq")?)),
            None => None,
        };
        return Ok(append.refused(head));
    }
    for chunk in chunks {
        let inserting = format!(
            "INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) \
             SELECT $1, CAST($2 AS BIGINT), entry.seq, entry.sealed FROM (VALUES {}) AS entry (seq, sealed)",
            rows(chunk.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(inserting))
            .bind(append.document.as_str())
            .bind(append.epoch);
        for record in chunk {
            query = query.bind(next()).bind(record.clone());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(Ok(()))
}
