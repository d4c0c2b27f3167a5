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
    listen: String,
}

impl Server {
    /// Loads the data sets named (folders in the form of `datasets/demo`) and starts.
    pub async fn start(on: Database, datasets: &[&Path]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut environment = vec![("MUSUBI_LOG".to_owned(), "warn".to_owned())];
        if on == Database::PostgreSql {
            environment.push(("DATABASE_URL".to_owned(), database::fresh_postgres()?));
        }
        let mut server = Self {
            child: None,
            url: String::new(),
            data,
            environment,
            listen: "127.0.0.1:0".to_owned(),
        };
        for dataset in datasets {
            server.command(&[
                "demo",
                "--load-only",
                "--dataset",
                dataset.to_str().context("path")?,
            ])?;
        }
        server.launch()?;
        Ok(server)
    }

    /// A server on the tests' own municipalities: 青葉市 and, to prove separation, 白波町.
    pub async fn with_fixtures(on: Database) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        Self::start(on, &[&root.join("aoba"), &root.join("shiranami")]).await
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
        let mut child = Command::new(binary())
            .args(["serve", "--listen", &self.listen, "--data"])
            .arg(self.data.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
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

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.kill();
    }
}
