//! Starts, kills and restarts the binary named by `MUSUBI_BINARY`.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{Client, Database, database};

/// The binary under test.
#[must_use]
pub fn binary() -> PathBuf {
    std::env::var_os("MUSUBI_BINARY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/musubi"),
        PathBuf::from,
    )
}

/// The data set of one of the tests' municipalities.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// One demo account as `musubi demo accounts --json` prints it.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    pub login_id: String,
    pub password: String,
    /// Base32, as an authenticator app takes it.
    pub totp_secret: String,
}

/// A running server on a fresh copy of a data set.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    pub url: String,
    pub data: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// Of `musubi serve` alone.
    pub serve_environment: Vec<(String, String)>,
    /// Where `musubi serve` writes its log; the test's own standard error by default.
    pub log: Option<PathBuf>,
    listen: String,
}

impl Server {
    /// Loads the data sets named (folders in the form of `datasets/demo`) and starts.
    pub async fn start(on: Database, datasets: &[&Path]) -> Result<Self> {
        let url = match on {
            Database::Sqlite => None,
            Database::PostgreSql => Some(database::fresh_postgres()?),
        };
        let mut server = Self::on_folder(tempfile::tempdir()?, url);
        server.load(datasets)?;
        server.launch()?;
        Ok(server)
    }

    /// A server on what is in the folder, with its log in that database (SQLite by default). Not
    /// started yet.
    #[must_use]
    pub fn on_folder(data: tempfile::TempDir, database_url: Option<String>) -> Self {
        let mut environment = vec![("MUSUBI_LOG".to_owned(), "warn".to_owned())];
        environment.extend(database_url.map(|url| ("DATABASE_URL".to_owned(), url)));
        Self {
            child: None,
            url: String::new(),
            data,
            environment,
            serve_environment: Vec::new(),
            log: None,
            listen: "127.0.0.1:0".to_owned(),
        }
    }

    /// Loads data sets into a server that does not run.
    pub fn load(&self, datasets: &[&Path]) -> Result<()> {
        for dataset in datasets {
            self.command(&[
                "demo",
                "--load-only",
                "--dataset",
                dataset.to_str().context("path")?,
            ])?;
        }
        Ok(())
    }

    /// A server with these settings and a data folder of its own, not launched yet.
    pub fn prepared(environment: Vec<(String, String)>) -> Result<Self> {
        Ok(Self {
            child: None,
            url: String::new(),
            data: tempfile::tempdir()?,
            environment,
            serve_environment: Vec::new(),
            log: None,
            listen: "127.0.0.1:0".to_owned(),
        })
    }

    /// A server on the tests' own municipalities: 青葉市 and, to prove separation, 白波町.
    pub async fn with_fixtures(on: Database) -> Result<Self> {
        Self::start(on, &[&fixture("aoba"), &fixture("shiranami")]).await
    }

    /// Runs a subcommand on this server's data and returns its standard output.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(binary())
            .args(arguments)
            .arg("--data")
            .arg(self.data.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} を起動できません", binary().display()))?;
        ensure!(
            output.status.success(),
            "musubi {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `musubi doctor`: whether all is well, and what it says.
    pub fn doctor(&self) -> Result<(bool, String)> {
        let output = Command::new(binary())
            .args(["doctor", "--data"])
            .arg(self.data.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8(output.stdout)?;
        Ok((output.status.success(), said))
    }

    /// Variables that every process of this server gets: which database it works on.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Runs a subcommand on this server's data with something on standard input.
    pub fn command_in(&self, arguments: &[&str], input: &[u8]) -> Result<String> {
        let data = self.data.path().to_str().context("path")?;
        let all: Vec<&str> = arguments.iter().copied().chain(["--data", data]).collect();
        let (code, output, errors) = self.command_with_input(&all, input)?;
        ensure!(code == Some(0), "musubi {arguments:?}: {errors}");
        Ok(output)
    }

    /// Runs a subcommand that reads standard input; returns exit code, output and errors.
    pub fn command_with_input(
        &self,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<(Option<i32>, String, String)> {
        let mut child = Command::new(binary())
            .args(arguments)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("stdin")?.write_all(input)?;
        let output = child.wait_with_output()?;
        Ok((
            output.status.code(),
            String::from_utf8(output.stdout)?,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    /// Starts `musubi serve` and waits until it says where it listens.
    pub fn launch(&mut self) -> Result<()> {
        let log = match &self.log {
            Some(path) => std::fs::File::options()
                .create(true)
                .append(true)
                .open(path)?
                .into(),
            None => Stdio::inherit(),
        };
        let mut child = Command::new(binary())
            .args(["serve", "--listen", &self.listen, "--data"])
            .arg(self.data.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .envs(self.serve_environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let output = child.stdout.take().context("stdout")?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
                if let Some(at) = line.find("http://") {
                    let url = line[at..]
                        .split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches('/')
                        .to_owned();
                    let _nobody_waits_twice = tell.send(url);
                }
            }
        });
        self.child = Some(child);
        match told.recv_timeout(Duration::from_secs(60)) {
            Ok(url) => {
                // A restart listens where clients look for it.
                self.listen = url.trim_start_matches("http://").to_owned();
                self.url = url;
                Ok(())
            }
            Err(_) => bail!("サーバーが 60 秒以内に待受けを始めませんでした"),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Waits until the process that was asked to stop has ended.
    pub fn stopped(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has: what was received is durable and acknowledged then.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), rustix::process::Signal::TERM)?;
            child.wait()?;
        }
        Ok(())
    }

    /// Whether the process runs (and was not ended by a signal or by itself).
    pub fn is_up(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// Resident memory of the process, bytes.
    pub fn resident(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most that was resident since [`Self::forget_peak`], bytes.
    pub fn peak(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// From now on [`Self::peak`] is counted (proc(5), `clear_refs`).
    pub fn forget_peak(&self) -> Result<()> {
        let file = format!("/proc/{}/clear_refs", self.pid().context("pid")?);
        Ok(std::fs::write(file, "5")?)
    }

    fn memory(&self, name: &str) -> Result<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid().context("pid")?))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| name.to_owned())?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Limits the size of the files that the running process may write; `None` lifts the limit.
    pub fn limit_file_size(&self, bytes: Option<u64>) -> Result<()> {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(
            Some(process(self.pid().context("pid")?)?),
            Resource::Fsize,
            limit,
        )?;
        Ok(())
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Who can sign in, by login id.
    pub fn accounts(&self) -> Result<HashMap<String, Account>> {
        let text = self.command(&["demo", "--accounts"])?;
        let accounts: Vec<Account> = serde_json::from_str(&text)?;
        Ok(accounts
            .into_iter()
            .map(|account| (account.login_id.clone(), account))
            .collect())
    }

    /// A client that carries a bearer token of that account.
    pub fn client_of(&self, login_id: &str) -> Result<Client> {
        let token = self.token(login_id)?;
        Ok(Client::with_token(&self.url, &token))
    }

    pub fn token(&self, login_id: &str) -> Result<String> {
        Ok(self
            .command(&["token", "create", "--user", login_id, "--ttl", "1h"])?
            .trim()
            .to_owned())
    }
}

fn process(pid: u32) -> Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid.try_into()?).context("pid")
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: rustix::process::Signal) -> Result<()> {
    rustix::process::kill_process(process(pid)?, signal)?;
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.kill();
    }
}
