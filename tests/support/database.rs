//! The two databases every test runs on. PostgreSQL is started by the tests themselves, on a
//! free loopback port in a temporary folder, and stopped at the end.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::server::signal;

/// Where a server under test keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    PostgreSql,
}

/// Runs `test` on SQLite and then on PostgreSQL; a failure names the database.
pub async fn each_database<F, Fut>(test: F)
where
    F: Fn(Database) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    for database in [Database::Sqlite, Database::PostgreSql] {
        if let Err(error) = test(database).await {
            panic!("on {database:?}: {error:#}");
        }
    }
}

/// A PostgreSQL of the tests' own. It stops when the test process ends.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
    as_user: bool,
}

static CLUSTER: OnceLock<Result<Mutex<Cluster>, String>> = OnceLock::new();

/// Creates an empty database in the tests' own PostgreSQL and returns its URL.
pub fn fresh_postgres() -> Result<String> {
    let cluster = CLUSTER.get_or_init(|| {
        start()
            .map(Mutex::new)
            .map_err(|error| format!("{error:#}"))
    });
    let cluster = match cluster {
        Ok(cluster) => cluster
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
        Err(message) => bail!("PostgreSQL を起動できません: {message}"),
    };
    cluster.create_database()
}

fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|n| n.to_str()?.parse().ok()) else {
            continue;
        };
        // Gone meanwhile: no child any more.
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Cluster {
    /// Makes and starts a cluster on a free loopback port.
    pub fn start() -> Result<Self> {
        start()
    }

    /// The loopback port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates an empty database and returns its URL.
    pub fn create_database(&self) -> Result<String> {
        let name = self.create()?;
        Ok(format!("postgres://musubi@127.0.0.1:{}/{name}", self.port))
    }

    /// Creates an empty database and returns its name. The user is `musubi`, without a password.
    pub fn create(&self) -> Result<String> {
        let name = format!("t{}", unique());
        let port = self.port.to_string();
        self.run(
            "createdb",
            &[
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "musubi",
                "-T",
                "template0",
                "-E",
                "UTF8",
                "--locale=C",
                &name,
            ],
        )?;
        Ok(name)
    }

    /// As if the power of the database machine failed: `pg_ctl stop -m immediate`.
    pub fn stop_at_once(&self) -> Result<()> {
        let data = self.data()?;
        self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"])
    }

    /// Starts it again; it recovers from its log first.
    pub fn start_again(&self) -> Result<()> {
        let (data, log) = (self.data()?, self.folder.join("log"));
        let log = log.to_str().context("path")?;
        let options = self.options();
        self.run(
            "pg_ctl",
            &["-D", &data, "-w", "-l", log, "-o", &options, "start"],
        )
    }

    /// Stops every process of it with SIGSTOP, as if the machine hung; returns them. Continue them
    /// before anything else is asked of the cluster.
    pub fn hang(&self) -> Result<Vec<u32>> {
        let first = std::fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let postmaster: u32 = first.lines().next().context("postmaster.pid")?.parse()?;
        let mut stopped = vec![postmaster];
        signal(postmaster, Signal::STOP)?;
        // The postmaster starts no more; what it had started just now is found the second time.
        loop {
            let mut more = children(postmaster)?;
            more.retain(|child| !stopped.contains(child));
            if more.is_empty() {
                return Ok(stopped);
            }
            for child in more {
                // It may have ended meanwhile.
                let _gone = signal(child, Signal::STOP);
                stopped.push(child);
            }
        }
    }

    fn data(&self) -> Result<String> {
        let data = self.folder.join("data");
        Ok(data.to_str().context("path")?.to_owned())
    }

    fn options(&self) -> String {
        format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300",
            self.port
        )
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = command(&self.bin.join(program), self.as_user);
        let output = command.args(arguments).stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// PostgreSQL refuses to run as root: then it runs as the package's user.
fn command(program: &std::path::Path, as_user: bool) -> Command {
    if as_user {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn start() -> Result<Cluster> {
    let bin = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .and_then(|entries| {
            entries
                .filter_map(|e| e.ok())
                .map(|e| e.path().join("bin"))
                .filter(|p| p.join("initdb").exists())
                .max()
        })
        .context("initdb が見つかりません。`make setup-test` を実行してください")?;
    let as_user = std::env::var("USER").is_ok_and(|u| u == "root")
        || std::fs::metadata("/proc/self")
            .map(|m| std::os::unix::fs::MetadataExt::uid(&m))
            .unwrap_or(1)
            == 0;
    let folder = tempfile::Builder::new()
        .prefix("musubi-pg-")
        .tempdir()?
        .keep();
    if as_user {
        let status = Command::new("chown")
            .arg("postgres")
            .arg(&folder)
            .status()?;
        ensure!(status.success(), "chown postgres が失敗しました");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let cluster = Cluster {
        folder,
        bin,
        port,
        as_user,
    };
    let data = cluster.data()?;
    cluster.run(
        "initdb",
        &[
            "-D",
            &data,
            "-U",
            "musubi",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
    )?;
    cluster.start_again()?;
    stop_at_exit(&cluster);
    Ok(cluster)
}

/// A watcher process stops the cluster when this process is gone, however it ends.
fn stop_at_exit(cluster: &Cluster) {
    let script = format!(
        "while kill -0 {pid} 2>/dev/null; do sleep 1; done; {run}{ctl} -D {data} -m immediate stop; rm -rf {folder}",
        pid = std::process::id(),
        run = if cluster.as_user {
            "runuser -u postgres -- "
        } else {
            ""
        },
        ctl = cluster.bin.join("pg_ctl").display(),
        data = cluster.folder.join("data").display(),
        folder = cluster.folder.display(),
    );
    let _watcher = Command::new("setsid")
        .args(["sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
