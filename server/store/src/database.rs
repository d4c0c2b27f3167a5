//! Connections and transactions.
//!
//! SQLite has one writer: writes go through a pool of one connection and `BEGIN IMMEDIATE`, so that
//! `SQLITE_BUSY` cannot arise inside a process; readers see a snapshot (WAL). PostgreSQL uses one
//! pool; reads are `REPEATABLE READ, READ ONLY`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::{Clock, instant_text};
use domain::disclosure::CaseFacts;
use domain::id::{AgencyId, CaseId, DataKeyId, MunicipalityId};
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, Row,
    Transaction,
};

use crate::accounts::Hashing;
use crate::agencies::Agency;
use crate::audit::Event;
use crate::crypto::{CryptoError, SecretKey};
use crate::error::{Result, StoreError};
use crate::keys::{Generations, KeySource};
use crate::migrate::{self, Schema};
use crate::outbox::Change;
use crate::plans;

/// The two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// How to open the store. [`Settings::new`] gives the defaults of production.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:PATH`, `sqlite://PATH` or `postgres://…`.
    pub url: String,
    /// Holds `documents.sqlite` (SQLite), the lock file and usually the keys.
    pub data_dir: PathBuf,
    pub keys: KeySource,
    pub clock: Arc<dyn Clock>,
    /// Connections for reading (SQLite; at most two a core) or in all (PostgreSQL).
    pub connections: u32,
    /// Cost of password hashing; cheap in tests.
    pub hashing: Hashing,
    /// SQLite: pages in the WAL after which it is written back into the database.
    pub checkpoint_pages: u32,
    /// Seed of identifiers and nonces; `None` = from the operating system. Tests only.
    pub seed: Option<u64>,
}

impl Settings {
    /// Production defaults: 8 connections, the usual argon2id cost.
    #[must_use]
    pub fn new(
        url: impl Into<String>,
        data_dir: impl Into<PathBuf>,
        keys: KeySource,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            url: url.into(),
            data_dir: data_dir.into(),
            keys,
            clock,
            connections: 8,
            hashing: Hashing::default(),
            checkpoint_pages: 1000,
            seed: None,
        }
    }
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dialect: Dialect,
    reader: AnyPool,
    writer: AnyPool,
    pub(crate) log_reader: AnyPool,
    pub(crate) log_writer: AnyPool,
    /// SQLite: whose turn it is to write to the log's file. Waiting inside SQLite would be waiting in
    /// pauses of its busy handler.
    pub(crate) log_turn: Arc<tokio::sync::Mutex<()>>,
    /// SQLite: the connection of the log's writing thread, between its commits.
    pub(crate) log_connection: Mutex<Option<rusqlite::Connection>>,
    pub(crate) keys: KeySource,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hashing: Hashing,
    pub(crate) data_dir: PathBuf,
    pub(crate) checkpoint_pages: u32,
    rng: Mutex<StdRng>,
    pub(crate) generations: Mutex<HashMap<MunicipalityId, Generations>>,
    /// Unwrapped data keys; bounded, wiped on eviction.
    pub(crate) unwrapped: Mutex<HashMap<(MunicipalityId, DataKeyId), Arc<SecretKey>>>,
    case_lists: crate::case_list::Shelves,
    case_facts: crate::case_facts::Shelves,
    /// Sheets of municipalities by publication; these never change.
    pub(crate) forms: Mutex<HashMap<(MunicipalityId, u32), Arc<domain::form::Catalogue>>>,
    committed: tokio::sync::watch::Sender<u64>,
}

/// Locks without caring about poisoning: the guarded values are plain caches.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file of the document log on SQLite.
pub(crate) fn log_file(data_dir: &Path) -> PathBuf {
    data_dir.join("documents.sqlite")
}

fn sqlite_url(path: &Path) -> String {
    let mut out = String::from("sqlite://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out.push_str("?mode=rwc");
    out
}

const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON; \
     PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = ";

// A node that is cut off must not keep its locks: the server ends what it does not hear of.
const POSTGRES_SETTINGS: &str = "SET synchronous_commit = on; SET TIME ZONE 'UTC'; \
     SET default_transaction_isolation = 'read committed'; SET lock_timeout = '15s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET tcp_keepalives_idle = 10; \
     SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = '15s';";

/// How long one waits for a connection; rooms say sooner than pages that nothing is saved.
const ACQUIRE: Duration = Duration::from_secs(20);
const ACQUIRE_FOR_LOG: Duration = Duration::from_secs(5);

/// What every connection to a SQLite file is told first.
pub(crate) fn sqlite_setup(checkpoint_pages: u32) -> String {
    format!("{SQLITE_PRAGMAS}{};", checkpoint_pages.max(1))
}

async fn pool(
    url: &str,
    size: u32,
    dialect: Dialect,
    checkpoint_pages: u32,
    patience: Duration,
) -> Result<AnyPool> {
    let options: AnyConnectOptions = url.parse()?;
    // Statements could be logged with their values otherwise.
    let options = options.disable_statement_logging();
    let setup: Arc<str> = match dialect {
        Dialect::Sqlite => sqlite_setup(checkpoint_pages).into(),
        Dialect::Postgres => POSTGRES_SETTINGS.into(),
    };
    Ok(AnyPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(if dialect == Dialect::Sqlite {
            None
        } else {
            Some(Duration::from_secs(1800))
        })
        .test_before_acquire(dialect == Dialect::Postgres)
        .after_connect(move |connection, _| {
            let setup = Arc::clone(&setup);
            Box::pin(async move {
                connection.execute(AssertSqlSafe(&*setup)).await?;
                Ok(())
            })
        })
        // SQLite itself rolls a transaction back when the disk is full or fails. The ROLLBACK that
        // sqlx sends then is refused, and sqlx takes the connection for one within a transaction for
        // ever: it could begin no other, and it is the only one that writes.
        .before_acquire(|connection, _| {
            let sound = !connection.is_in_transaction();
            Box::pin(async move { Ok(sound) })
        })
        .connect_with(options)
        .await?)
}

impl Database {
    /// Opens (and creates) the store with production defaults and brings its schema up to date.
    ///
    /// # Errors
    /// Database not reachable, a migration edited or failing, data folder not writable.
    pub async fn connect(
        url: &str,
        data_dir: &Path,
        keys: KeySource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::open(Settings::new(url, data_dir, keys, clock)).await
    }

    /// Opens the store with the given settings.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn open(settings: Settings) -> Result<Self> {
        sqlx::any::install_default_drivers();
        std::fs::create_dir_all(&settings.data_dir)?;
        let (dialect, url) = if let Some(rest) = settings.url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            (Dialect::Sqlite, sqlite_url(Path::new(path)))
        } else if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
            (Dialect::Postgres, settings.url.clone())
        } else {
            return Err(StoreError::Invalid("database_url"));
        };
        let log = match dialect {
            Dialect::Sqlite => sqlite_url(&log_file(&settings.data_dir)),
            Dialect::Postgres => url.clone(),
        };
        let open =
            |url, size, patience| pool(url, size, dialect, settings.checkpoint_pages, patience);
        let (writer, log_writer) = match dialect {
            // It creates the file and switches it to WAL.
            Dialect::Sqlite => (open(&url, 1, ACQUIRE).await?, open(&log, 1, ACQUIRE).await?),
            // Rooms must not wait for a page that reads: connections of their own.
            Dialect::Postgres => (
                open(&url, settings.connections.max(2), ACQUIRE).await?,
                open(&log, settings.connections.clamp(2, 4), ACQUIRE_FOR_LOG).await?,
            ),
        };
        {
            let _lock = match dialect {
                Dialect::Sqlite => {
                    Some(migration_lock(settings.data_dir.join("migrate.lock")).await?)
                }
                Dialect::Postgres => None,
            };
            for (pool, schema) in [(&writer, Schema::Main), (&log_writer, Schema::Log)] {
                let mut connection = pool.acquire().await?;
                migrate::run(&mut connection, dialect, schema).await?;
                if dialect == Dialect::Sqlite {
                    plans::put_statistics(&mut connection).await?;
                }
            }
        }
        let (reader, log_reader) = match dialect {
            // After the statistics, which a connection reads when it is opened.
            Dialect::Sqlite => {
                // Readers of a local file wait for the processor, hardly for anything else; each
                // takes a quarter of a megabyte and keeps it.
                let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
                let useful = u32::try_from(2 * cores).unwrap_or(u32::MAX);
                let readers = settings.connections.clamp(1, useful);
                (
                    open(&url, readers, ACQUIRE).await?,
                    open(&log, readers.min(2), ACQUIRE).await?,
                )
            }
            Dialect::Postgres => (writer.clone(), log_writer.clone()),
        };
        let rng = match settings.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::try_from_rng(&mut rand::rngs::SysRng)
                .map_err(|_| StoreError::Key("the operating system gives no randomness".into()))?,
        };
        Ok(Self(Arc::new(Inner {
            dialect,
            reader,
            writer,
            log_reader,
            log_writer,
            log_turn: Arc::default(),
            log_connection: Mutex::default(),
            keys: settings.keys,
            clock: settings.clock,
            hashing: settings.hashing,
            data_dir: settings.data_dir,
            checkpoint_pages: settings.checkpoint_pages,
            rng: Mutex::new(rng),
            generations: Mutex::new(HashMap::new()),
            unwrapped: Mutex::new(HashMap::new()),
            case_lists: crate::case_list::Shelves::default(),
            case_facts: crate::case_facts::Shelves::default(),
            forms: Mutex::new(HashMap::new()),
            committed: tokio::sync::watch::Sender::new(0),
        })))
    }

    /// Which database stands behind.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// The clock given at opening.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Password hashing with the configured cost. Takes 20–100 ms of CPU: call it on a blocking thread.
    #[must_use]
    pub fn hashing(&self) -> &Hashing {
        &self.0.hashing
    }

    /// Folder given at opening.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// A transaction that reads a consistent snapshot. It may record audit events: they are
    /// written, in a transaction of their own, when it is committed.
    ///
    /// # Errors
    /// Database away.
    pub async fn read(&self) -> Result<Tx> {
        let begin = match self.0.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let inner = self.0.reader.begin_with(begin).await?;
        Ok(Tx::new(self.clone(), inner, false))
    }

    /// A transaction that writes. On SQLite the next writer waits until it ends: keep it short, and
    /// do no other waiting inside.
    ///
    /// # Errors
    /// Database away.
    pub async fn write(&self) -> Result<Tx> {
        let begin = match self.0.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        let inner = self.0.writer.begin_with(begin).await?;
        Ok(Tx::new(self.clone(), inner, true))
    }

    /// Wakes after commits that put something into the outbox (in this process).
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.committed.subscribe()
    }

    /// Whether both databases answer (for `/readyz`).
    ///
    /// # Errors
    /// One does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.0.reader).await?;
        sqlx::query("SELECT 1").execute(&self.0.log_reader).await?;
        Ok(())
    }

    /// Settings of the server that would break the promise of durability, as codes for `doctor`.
    ///
    /// # Errors
    /// Database away.
    pub async fn durability_findings(&self) -> Result<Vec<&'static str>> {
        let mut findings = Vec::new();
        match self.0.dialect {
            Dialect::Sqlite => {
                for pool in [&self.0.writer, &self.0.log_writer] {
                    let level: i64 = sqlx::query_scalar("PRAGMA synchronous")
                        .fetch_one(pool)
                        .await?;
                    if level < 2 {
                        findings.push("synchronous_not_full");
                    }
                }
            }
            Dialect::Postgres => {
                for (sql, finding) in [
                    ("SHOW fsync", "fsync_off"),
                    ("SHOW synchronous_commit", "synchronous_commit_off"),
                    ("SHOW full_page_writes", "full_page_writes_off"),
                ] {
                    let value: String = sqlx::query_scalar(sql).fetch_one(&self.0.writer).await?;
                    if value == "off" {
                        findings.push(finding);
                    }
                }
            }
        }
        Ok(findings)
    }

    /// Whether the database files are whole as files: pages, trees, indexes. Reads them through.
    /// `None` on PostgreSQL, which has checks of its own.
    ///
    /// # Errors
    /// Database away, or too damaged to be asked.
    pub async fn files_are_whole(&self) -> Result<Option<bool>> {
        if self.0.dialect == Dialect::Postgres {
            return Ok(None);
        }
        let mut whole = true;
        for pool in [&self.0.reader, &self.0.log_reader] {
            let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
                .fetch_one(pool)
                .await?;
            whole &= found == "ok";
        }
        Ok(Some(whole))
    }

    /// Closes all connections (SQLite: writes the WAL back).
    pub async fn close(&self) {
        {
            // Not in the middle of a commit.
            let _turn = self.0.log_turn.lock().await;
            drop(lock(&self.0.log_connection).take());
        }
        for pool in [
            &self.0.reader,
            &self.0.log_reader,
            &self.0.writer,
            &self.0.log_writer,
        ] {
            pool.close().await;
        }
    }

    pub(crate) fn case_lists(&self) -> &crate::case_list::Shelves {
        &self.0.case_lists
    }

    pub(crate) fn case_facts(&self) -> &crate::case_facts::Shelves {
        &self.0.case_facts
    }

    pub(crate) fn reader(&self) -> &AnyPool {
        &self.0.reader
    }

    pub(crate) fn writer(&self) -> &AnyPool {
        &self.0.writer
    }

    /// The pools to read from: both databases, each once.
    pub(crate) fn pools(&self) -> Vec<&AnyPool> {
        match self.0.dialect {
            Dialect::Sqlite => vec![&self.0.reader, &self.0.log_reader],
            // Both schemas live in one database.
            Dialect::Postgres => vec![&self.0.reader],
        }
    }

    /// Gives freed space back. SQLite: what was deleted is overwritten already (`secure_delete`); small
    /// files are written anew as well, and the write-ahead logs are emptied. PostgreSQL: dead rows go;
    /// what archived WAL segments hold of them stays sealed under a destroyed key.
    ///
    /// # Errors
    /// Database away; [`StoreError::Conflict`] while somebody reads an old state for long.
    pub async fn compact(&self) -> Result<()> {
        /// Writing a file of this size anew holds writers up for about a second.
        const SMALL: i64 = 128 << 20;
        match self.0.dialect {
            Dialect::Sqlite => {
                for pool in [&self.0.writer, &self.0.log_writer] {
                    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
                        .fetch_one(pool)
                        .await?;
                    let size: i64 = sqlx::query_scalar("PRAGMA page_size")
                        .fetch_one(pool)
                        .await?;
                    if pages.saturating_mul(size) <= SMALL {
                        pool.execute("VACUUM").await?;
                    }
                    empty_wal(pool).await?;
                }
            }
            Dialect::Postgres => {
                let rows = sqlx::query(
                    "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
                )
                .fetch_all(&self.0.writer)
                .await?;
                for row in &rows {
                    let name: String = row.try_get("name")?;
                    let sql = format!("VACUUM \"{}\"", name.replace('"', "\"\""));
                    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                        .execute(&self.0.writer)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Held while a backup is made, and while an erasure replaces a key: a backup is of one side of that
    /// or of the other. `None` when somebody else has it. Ends with the file.
    ///
    /// # Errors
    /// Data folder not writable.
    pub fn erasure_lock(&self) -> Result<Option<std::fs::File>> {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.data_dir.join("erasure.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Copies both SQLite databases as they are at one moment each into an existing folder, while others
    /// go on working: first the registry, then the log, so that every document of the copy has its log.
    /// Returns the names of the files.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] on PostgreSQL; database away; a file of that name is there.
    pub async fn copy_to(&self, folder: &Path) -> Result<Vec<&'static str>> {
        if self.0.dialect != Dialect::Sqlite {
            return Err(StoreError::Invalid("database_url"));
        }
        let mut names = Vec::new();
        for (pool, name) in [
            (&self.0.reader, "musubi.sqlite"),
            (&self.0.log_reader, "documents.sqlite"),
        ] {
            let path = folder.join(name);
            let path = path.to_str().ok_or(StoreError::Invalid("folder"))?;
            sqlx::query("VACUUM INTO $1")
                .bind(path)
                .execute(pool)
                .await?;
            std::fs::File::open(path)?.sync_all()?;
            names.push(name);
        }
        Ok(names)
    }

    /// Random bytes: keys and nonces.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        lock(&self.0.rng).fill_bytes(&mut out);
        out
    }

    /// A fresh identifier.
    pub fn fresh<T: From<String>>(&self) -> T {
        let bytes = self.random::<10>();
        let millis = u64::try_from(self.0.clock.now().as_millisecond()).unwrap_or(0);
        T::from(
            uuid::Builder::from_unix_timestamp_millis(millis, &bytes)
                .into_uuid()
                .simple()
                .to_string(),
        )
    }

    /// 256 random bits as 43 characters of URL-safe base64 (session and API tokens).
    #[must_use]
    pub fn fresh_token(&self) -> String {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.random::<32>())
    }
}

/// Writes the write-ahead log back and cuts it to nothing.
async fn empty_wal(pool: &AnyPool) -> Result<()> {
    for _ in 0..100 {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(pool)
            .await?;
        if row.try_get::<i64, _>(0)? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(StoreError::Conflict)
}

async fn migration_lock(path: PathBuf) -> Result<std::fs::File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    Ok(locked.await.map_err(std::io::Error::other)??)
}

/// What a reading transaction has been told: its snapshot does not change, so nothing is asked twice.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) facts: HashMap<CaseId, CaseFacts>,
    /// Heads of the outbox.
    pub(crate) heads: HashMap<MunicipalityId, i64>,
    /// Newest publication of forms.
    pub(crate) forms: HashMap<MunicipalityId, u32>,
    pub(crate) agencies: HashMap<MunicipalityId, BTreeMap<AgencyId, Agency>>,
}

/// One transaction. Dropped without [`Tx::commit`] it is rolled back, its audit events with it.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Any>,
    db: Database,
    now: Timestamp,
    writes: bool,
    /// Empty in a transaction that writes.
    pub(crate) told: Told,
    pub(crate) events: Vec<Event>,
    pub(crate) changes: Vec<Change>,
    pub(crate) rights: Vec<(MunicipalityId, collab::access::Change)>,
}

impl Tx {
    fn new(db: Database, inner: Transaction<'static, Any>, writes: bool) -> Self {
        let now = db.0.clock.now();
        Self {
            inner,
            db,
            now,
            writes,
            told: Told::default(),
            events: Vec::new(),
            changes: Vec::new(),
            rights: Vec::new(),
        }
    }

    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// The store this transaction belongs to.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    /// The instant the transaction began: one for all it writes.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn now_text(&self) -> String {
        instant_text(self.now)
    }

    /// Writes what was recorded (audit, outbox) and commits.
    ///
    /// # Errors
    /// Database away, or a constraint checked at the end. Nothing is kept then.
    pub async fn commit(mut self) -> Result<()> {
        if self.writes {
            return self.finish().await;
        }
        if self.events.is_empty() {
            return Ok(self.inner.rollback().await?);
        }
        let events = std::mem::take(&mut self.events);
        let db = self.db.clone();
        // Give the reading connection back first: no task ever holds two.
        self.inner.rollback().await?;
        let mut writing = db.write().await?;
        writing.now = self.now;
        writing.events = events;
        writing.finish().await
    }

    async fn finish(mut self) -> Result<()> {
        let wake = !self.changes.is_empty();
        crate::audit::flush(&mut self).await?;
        crate::outbox::flush(&mut self).await?;
        crate::rights::flush(&mut self).await?;
        self.inner.commit().await?;
        if wake {
            self.db.0.committed.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

impl Inner {
    pub(crate) fn cached_key(
        &self,
        municipality: &MunicipalityId,
        id: &DataKeyId,
    ) -> Option<Arc<SecretKey>> {
        lock(&self.unwrapped)
            .get(&(municipality.clone(), id.clone()))
            .cloned()
    }

    pub(crate) fn cache_key(
        &self,
        municipality: &MunicipalityId,
        id: &DataKeyId,
        key: Arc<SecretKey>,
    ) {
        let mut cache = lock(&self.unwrapped);
        // Persons have a key each: a list of cases touches hundreds.
        if cache.len() >= 16_384 {
            cache.clear();
        }
        cache.insert((municipality.clone(), id.clone()), key);
    }

    pub(crate) fn forget_key(&self, municipality: &MunicipalityId, id: &DataKeyId) {
        lock(&self.unwrapped).remove(&(municipality.clone(), id.clone()));
    }
}

/// Bad JSON in a sealed or plain column.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Crypto(CryptoError::Content))
}

/// JSON for a column.
pub(crate) fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| StoreError::Crypto(CryptoError::Content))
}

/// The rows that `before (…) after` finds for ids, however many there are: `$1` is the municipality, the
/// IN list is put between. What `after` orders is in order within a few hundred ids.
pub(crate) async fn rows_for<I: AsRef<str>>(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[I],
    before: &str,
    after: &str,
) -> Result<Vec<AnyRow>> {
    let mut out = Vec::new();
    for chunk in ids.chunks(300) {
        let sql = format!("{before} ({}) {after}", placeholders(2, chunk.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(municipality.as_str());
        for id in chunk {
            query = query.bind(id.as_ref());
        }
        out.extend(query.fetch_all(tx.conn()).await?);
    }
    Ok(out)
}

/// `$first, $first+1, …`: an IN list of `count` values.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|n| format!("${n}"))
        .collect::<Vec<_>>()
        .join(", ")
}
