//! Databases for tests: a SQLite file, or a PostgreSQL server that is started for the test process
//! and stopped with it. The same tests run on both; a missing PostgreSQL fails them, it never skips.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use domain::clock::FixedClock;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::accounts::Hashing;
use crate::database::{Database, Dialect, Settings};
use crate::keys::KeySource;

/// A PostgreSQL server for this process.
#[derive(Debug)]
pub struct Postgres {
    /// URL of the server without a database name, ending in `/`.
    base: String,
    /// Its closing (when the process ends, however) stops the server.
    _guard: Option<(Child, ChildStdin)>,
}

fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .find(|path| path.join("initdb").exists() && path.join("postgres").exists());
    found.pop().or(in_path).unwrap_or_else(|| {
        panic!(
            "PostgreSQL is needed for these tests and was not found: install the package `postgresql`, \
             or set MUSUBI_TEST_PG to the URL of an empty server (postgres://user@host:port/postgres)"
        )
    })
}

/// Starts the server below a shell that waits for its standard input to close: the end of the test
/// process, even a violent one, then stops the server and removes its folder.
fn start() -> Postgres {
    let bin = binaries();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let script = format!(
        "set -e; d=$(mktemp -d /tmp/musubi-pg.XXXXXX); trap 'rm -rf \"$d\"' EXIT; \
         '{bin}/initdb' -D \"$d/data\" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null; \
         '{bin}/postgres' -D \"$d/data\" -h 127.0.0.1 -p {port} -k \"$d\" -F -c max_connections=400 \
           -c log_min_messages=fatal -c shared_buffers=64MB >/dev/null 2>&1 & p=$!; \
         for i in $(seq 1 150); do '{bin}/pg_isready' -q -h 127.0.0.1 -p {port} && break; sleep 0.1; done; \
         '{bin}/pg_isready' -q -h 127.0.0.1 -p {port} && echo ready; cat >/dev/null; kill -INT $p; wait $p || true",
        bin = bin.display(),
    );
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = if root {
        // PostgreSQL refuses to run as root.
        let mut command = Command::new("su");
        command.args(["postgres", "-s", "/bin/sh", "-c", &script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    };
    let mut child = command
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell for PostgreSQL");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("standard output"));
    output
        .read_line(&mut line)
        .expect("PostgreSQL's start to be reported");
    if line.trim() != "ready" {
        let mut reason = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            drop(child.stdin.take());
            let _ = stderr.read_to_string(&mut reason);
        }
        panic!("PostgreSQL at {} did not start: {reason}", bin.display());
    }
    let guard = child.stdin.take().expect("standard input");
    Postgres {
        base: format!("postgres://postgres@127.0.0.1:{port}/"),
        _guard: Some((child, guard)),
    }
}

impl Postgres {
    /// The server of this process, started at first use; `MUSUBI_TEST_PG` names another one.
    ///
    /// # Panics
    /// When there is no PostgreSQL.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var("MUSUBI_TEST_PG") {
            Ok(url) => {
                let (base, _) = url
                    .rsplit_once('/')
                    .expect("MUSUBI_TEST_PG to end in /database");
                Self {
                    base: format!("{base}/"),
                    _guard: None,
                }
            }
            Err(_) => start(),
        })
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn create_database(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        sqlx::any::install_default_drivers();
        let name = format!(
            "musubi_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut connection = sqlx::AnyConnection::connect(&format!("{}postgres", self.base))
            .await
            .expect("PostgreSQL to answer");
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a fresh database");
        let _ = connection.close().await;
        format!("{}{name}", self.base)
    }
}

/// An open, empty store with a clock that stands still.
#[derive(Debug)]
pub struct TestStore {
    pub db: Database,
    pub clock: Arc<FixedClock>,
    /// For opening the same store again.
    pub url: String,
    pub folder: tempfile::TempDir,
}

/// The instant at which the tests' clock stands.
///
/// # Panics
/// Never.
#[must_use]
pub fn noon() -> Timestamp {
    "2026-11-20T03:00:00Z".parse().expect("an instant")
}

impl TestStore {
    /// A store on the given database.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(dialect: Dialect) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match dialect {
            Dialect::Sqlite => format!("sqlite:{}", folder.path().join("musubi.sqlite").display()),
            Dialect::Postgres => Postgres::shared().create_database().await,
        };
        let clock = Arc::new(FixedClock::at(noon()));
        let db = Database::open(settings(&url, &folder, &clock))
            .await
            .expect("the store to open");
        Self {
            db,
            clock,
            url,
            folder,
        }
    }

    /// Opens the same store once more, as a second process or after a crash.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn reopen(&self) -> Database {
        Database::open(settings(&self.url, &self.folder, &self.clock))
            .await
            .expect("the store to open again")
    }
}

fn settings(url: &str, folder: &tempfile::TempDir, clock: &Arc<FixedClock>) -> Settings {
    let keys = KeySource::in_data_dir(folder.path());
    let mut settings = Settings::new(url, folder.path(), keys, clock.clone());
    settings.hashing = Hashing::cheap();
    settings.connections = 4;
    settings
}
