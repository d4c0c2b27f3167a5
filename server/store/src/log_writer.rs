//! The writing task of the document log: takes what has queued up and commits it together.
//!
//! On SQLite it is a thread with a connection of its own: passing each statement to a pool's thread and
//! back costs more than the statements do.

use collab::log::LogError;
use domain::clock::instant_text;
use domain::id::DocumentId;
use rusqlite::{Connection, params};
use sqlx::{AnyConnection, AssertSqlSafe};
use tokio::sync::{mpsc, oneshot};

use crate::database::{Database, Dialect, SQLITE_PRAGMAS, log_file};
use crate::documents_log::{away, corrupt, head, signed, unsigned};

/// Appends taken into one commit.
const BATCH: usize = 256;

/// Moves the head by compare-and-set: epoch and last sequence number must be what the room saw.
/// (SQLite numbers `$n` by the order of appearance.)
const MOVE_HEAD: &str = "UPDATE document_heads SET last_seq = $1, updated_at = $2 WHERE document_id = $3 AND epoch = $4 AND last_seq = $5";
const READ_HEAD: &str = "SELECT epoch, last_seq FROM document_heads WHERE document_id = $1";
const INSERT: &str = "INSERT INTO document_entries (document_id, epoch, seq, entry_sealed) VALUES";

/// Sealed entries on their way to disk.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) document: DocumentId,
    pub(crate) epoch: i64,
    pub(crate) after: i64,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) answer: oneshot::Sender<Result<(), LogError>>,
}

impl Append {
    fn last(&self) -> Result<i64, LogError> {
        let count = i64::try_from(self.records.len()).map_err(|_| corrupt("number"))?;
        Ok(self.after + count)
    }

    /// Why the head did not move: somebody else was faster, or the document has another epoch.
    fn refused(&self, epoch: u64, last: u64) -> Result<LogError, LogError> {
        Ok(if signed(epoch)? == self.epoch {
            LogError::Behind { last }
        } else {
            LogError::EpochChanged { current: epoch }
        })
    }
}

/// Starts the task; it ends with the last sender. Needs a tokio runtime.
pub(crate) fn start(db: &Database) -> mpsc::Sender<Append> {
    let (queue, appends) = mpsc::channel(1024);
    let db = db.clone();
    match db.dialect() {
        Dialect::Postgres => drop(tokio::spawn(on_postgres(db, appends))),
        Dialect::Sqlite => {
            // Without the thread the queue is closed: every append says that the log has stopped.
            let started = std::thread::Builder::new()
                .name("document-log".to_owned())
                .spawn(move || on_sqlite(&db, appends));
            if let Err(error) = started {
                tracing::error!(%error, "no thread for the document log");
            }
        }
    }
    queue
}

/// Whether the failure spoils the transaction (a refused compare-and-set does not).
fn spoils(error: &LogError) -> bool {
    !matches!(
        error,
        LogError::Behind { .. } | LogError::EpochChanged { .. } | LogError::NotFound
    )
}

type Answers = Vec<Result<(), LogError>>;

fn give(batch: &mut Vec<Append>, answers: Answers) {
    for (append, answer) in batch.drain(..).zip(answers) {
        // The room may be gone; what is written stays written.
        let _ = append.answer.send(answer);
    }
}

// ── SQLite ──────────────────────────────────────────────────────────────────

fn on_sqlite(db: &Database, mut appends: mpsc::Receiver<Append>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut connection = None;
    while let Some(first) = appends.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(more) = appends.try_recv()
        {
            batch.push(more);
        }
        let now = instant_text(db.0.clock.now());
        let turn = db.0.log_turn.blocking_lock();
        let answers = match commit_all(db, &mut connection, &batch, &now) {
            Ok(answers) => answers,
            Err(error) if batch.len() == 1 => vec![Err(error)],
            // One bad record must not fail the others: each for itself.
            Err(_) => batch
                .iter()
                .map(|append| {
                    commit_all(db, &mut connection, std::slice::from_ref(append), &now)
                        .and_then(|mut list| list.pop().unwrap_or(Ok(())))
                })
                .collect(),
        };
        drop(turn);
        give(&mut batch, answers);
    }
}

/// A failing connection is given up: the next commit opens the file anew.
fn commit_all(
    db: &Database,
    connection: &mut Option<Connection>,
    batch: &[Append],
    now: &str,
) -> Result<Answers, LogError> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => open_file(db).map_err(|error| gone(&error))?,
    };
    let answers = commit_sqlite(&mut open, batch, now)?;
    *connection = Some(open);
    Ok(answers)
}

fn open_file(db: &Database) -> rusqlite::Result<Connection> {
    let connection = Connection::open(log_file(db.data_dir()))?;
    connection.execute_batch(SQLITE_PRAGMAS)?;
    Ok(connection)
}

fn commit_sqlite(
    connection: &mut Connection,
    batch: &[Append],
    now: &str,
) -> Result<Answers, LogError> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(|error| gone(&error))?;
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        let answer = append_sqlite(&transaction, append, now);
        if let Err(error) = &answer
            && spoils(error)
        {
            return Err(error.clone());
        }
        answers.push(answer);
    }
    transaction.commit().map_err(|error| gone(&error))?;
    Ok(answers)
}

fn append_sqlite(connection: &Connection, append: &Append, now: &str) -> Result<(), LogError> {
    let document = append.document.as_str();
    let last = append.last()?;
    let moved = connection
        .prepare_cached(MOVE_HEAD)
        .and_then(|mut statement| {
            statement.execute(params![last, now, document, append.epoch, append.after])
        })
        .map_err(|error| gone(&error))?;
    if moved == 0 {
        let (epoch, last): (i64, i64) = connection
            .prepare_cached(READ_HEAD)
            .and_then(|mut statement| {
                statement.query_row([document], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .map_err(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => LogError::NotFound,
                other => gone(&other),
            })?;
        return Err(append.refused(unsigned(epoch)?, unsigned(last)?)?);
    }
    let mut insert = connection
        .prepare_cached(&format!("{INSERT} ($1, $2, $3, $4)"))
        .map_err(|error| gone(&error))?;
    for (record, seq) in append.records.iter().zip(append.after + 1..) {
        insert
            .execute(params![document, append.epoch, seq, record])
            .map_err(|error| gone(&error))?;
    }
    Ok(())
}

/// SQLite's own words for the failure; they hold neither values nor the statement.
fn gone(error: &rusqlite::Error) -> LogError {
    let words = match error {
        rusqlite::Error::SqliteFailure(error, _) => error.to_string(),
        _ => "unexpected answer".to_owned(),
    };
    LogError::Unavailable(format!("sqlite: {words}"))
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
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(_) => {
                // One bad record must not fail the others: each for itself.
                let mut answers = Vec::with_capacity(batch.len());
                for append in &batch {
                    let one = commit_postgres(&db, std::slice::from_ref(append), &now).await;
                    answers.push(one.and_then(|mut list| list.pop().unwrap_or(Ok(()))));
                }
                answers
            }
        };
        give(&mut batch, answers);
    }
}

async fn commit_postgres(db: &Database, batch: &[Append], now: &str) -> Result<Answers, LogError> {
    let mut transaction = db.0.log_writer.begin_with("BEGIN").await.map_err(away)?;
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        let answer = append_postgres(&mut transaction, append, now).await;
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

async fn append_postgres(
    connection: &mut AnyConnection,
    append: &Append,
    now: &str,
) -> Result<(), LogError> {
    let moved = sqlx::query(MOVE_HEAD)
        .bind(append.last()?)
        .bind(now)
        .bind(append.document.as_str())
        .bind(append.epoch)
        .bind(append.after)
        .execute(&mut *connection)
        .await
        .map_err(away)?;
    if moved.rows_affected() == 0 {
        let (epoch, last) = head(&mut *connection, &append.document).await?;
        return Err(append.refused(epoch, last)?);
    }
    for (chunk, start) in append
        .records
        .chunks(100)
        .zip((append.after + 1..).step_by(100))
    {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| format!("($1, $2, ${}, ${})", 3 + 2 * n, 4 + 2 * n))
            .collect();
        let mut query = sqlx::query(AssertSqlSafe(format!("{INSERT} {}", rows.join(", "))))
            .bind(append.document.as_str())
            .bind(append.epoch);
        for (record, seq) in chunk.iter().zip(start..) {
            query = query.bind(seq).bind(record.clone());
        }
        query.execute(&mut *connection).await.map_err(away)?;
    }
    Ok(())
}
