//! A NATS server of the tests' own, on a free loopback port.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

#[derive(Debug)]
pub struct Nats {
    child: Option<Child>,
    port: u16,
}

impl Nats {
    pub fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut nats = Self { child: None, port };
        nats.launch()?;
        Ok(nats)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it (again) on its port.
    pub fn launch(&mut self) -> Result<()> {
        let program = ["/usr/sbin/nats-server", "/usr/bin/nats-server"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap_or("nats-server");
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server が見つかりません。`make setup-test` を実行してください")?;
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(
                began.elapsed() < Duration::from_secs(10),
                "nats-server が 10 秒以内に待受けを始めませんでした"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _already_gone = self.kill();
    }
}
