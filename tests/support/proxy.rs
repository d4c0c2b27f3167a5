//! What stands between an office and the server: a proxy that knows nothing of WebSockets and, by
//! choice, holds streams back, loses connections or is slow. HTTP/1.1, one request a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// What becomes of a request to upgrade to a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrades {
    /// Answered with 400.
    Refused,
    /// Passed on without the headers that ask for it.
    Stripped,
}

/// How the proxy behaves.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    pub upgrades: Upgrades,
    /// Event streams are passed on when they have ended.
    pub holds_events: bool,
    /// Of a hundred requests so many are lost: before, while or after the server gets them.
    pub loses: u64,
    /// Seed of what is lost.
    pub seed: u64,
    /// Added to each direction.
    pub delay: Duration,
}

impl Behaviour {
    /// Strips upgrades and is otherwise a good proxy.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            upgrades: Upgrades::Stripped,
            holds_events: false,
            loses: 0,
            seed: 1,
            delay: Duration::ZERO,
        }
    }
}

/// A proxy in front of a server; gone when dropped.
#[derive(Debug)]
pub struct Proxy {
    pub url: String,
    lost: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// Where a request is lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// The server never hears of it.
    Before,
    /// The server gets a part of it.
    Half,
    /// The server has done it; the client hears nothing.
    Answer,
    /// The client gets a part of the answer.
    HalfAnswer,
}

impl Proxy {
    /// In front of the server at `server` (`http://host:port`).
    pub async fn start(server: &str, behaviour: Behaviour) -> Result<Self> {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let lost = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&lost);
        let dice = Arc::new(Mutex::new(behaviour.seed));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counter, dice) =
                    (server.clone(), Arc::clone(&counter), Arc::clone(&dice));
                tokio::spawn(async move {
                    let loss = roll(&dice, behaviour.loses).await;
                    // A connection that breaks is what this is about.
                    let _broken = relay(client, &server, behaviour, loss, &counter).await;
                });
            }
        });
        Ok(Self { url, lost, task })
    }

    /// How many requests were lost so far.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn roll(dice: &Mutex<u64>, loses: u64) -> Option<Loss> {
    let mut state = dice.lock().await;
    let mut next = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    };
    if next() % 100 >= loses {
        return None;
    }
    Some(match next() % 4 {
        0 => Loss::Before,
        1 => Loss::Half,
        2 => Loss::Answer,
        _ => Loss::HalfAnswer,
    })
}

async fn relay(
    mut client: TcpStream,
    server: &str,
    behaviour: Behaviour,
    loss: Option<Loss>,
    lost: &AtomicUsize,
) -> Result<()> {
    client.set_nodelay(true)?;
    let (head, mut body) = head_of(&mut client).await?;
    let upgrade = header(&head, "upgrade").is_some();
    if upgrade && behaviour.upgrades == Upgrades::Refused {
        let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(refusal.as_bytes()).await?;
        return Ok(());
    }
    let length: usize = header(&head, "content-length").map_or(Ok(0), str::parse)?;
    let mut rest = vec![0; length.saturating_sub(body.len())];
    client.read_exact(&mut rest).await?;
    body.extend_from_slice(&rest);
    sleep(behaviour.delay).await;
    if loss.is_some() {
        lost.fetch_add(1, Ordering::Relaxed);
    }
    if matches!(loss, Some(Loss::Before)) {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server).await?;
    upstream.set_nodelay(true)?;
    let mut request = one_request(&head).into_bytes();
    request.extend_from_slice(&body);
    if matches!(loss, Some(Loss::Half)) {
        upstream.write_all(&request[..request.len() / 2]).await?;
        return Ok(());
    }
    upstream.write_all(&request).await?;
    let (head, begun) = head_of(&mut upstream).await?;
    let events = header(&head, "content-type").is_some_and(|kind| kind.contains("event-stream"));
    let mut answer = head.into_bytes();
    answer.extend_from_slice(&begun);
    if loss.is_some() || (events && behaviour.holds_events) {
        if events && loss.is_some() {
            // A stream is cut a while after it began.
            let while_it_lasts = upstream.read_to_end(&mut answer);
            let _cut = timeout(Duration::from_millis(200), while_it_lasts).await;
        } else {
            upstream.read_to_end(&mut answer).await?;
        }
        match loss {
            Some(Loss::Answer) => return Ok(()),
            Some(_) if events => answer.truncate(answer.len() - 1),
            Some(_) => answer.truncate(answer.len() / 2),
            None => {}
        }
    }
    sleep(behaviour.delay).await;
    client.write_all(&answer).await?;
    if loss.is_none() {
        let mut buffer = [0; 16 << 10];
        loop {
            // Whoever goes away at one end is gone at the other.
            let mut gone = [0; 1];
            let got = tokio::select! {
                got = upstream.read(&mut buffer) => got?,
                _ = client.read(&mut gone) => 0,
            };
            if got == 0 {
                break;
            }
            sleep(behaviour.delay).await;
            client.write_all(&buffer[..got]).await?;
        }
    }
    client.shutdown().await?;
    Ok(())
}

/// Everything up to the empty line, and what came with it of the body.
async fn head_of(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let got = stream.read(&mut buffer).await?;
        anyhow::ensure!(got > 0, "ended in the middle of a head");
        bytes.extend_from_slice(&buffer[..got]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(at + 4);
            return Ok((String::from_utf8(bytes).context("head")?, body));
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The head without what belongs to the connection: no upgrade, and the connection ends with it.
fn one_request(head: &str) -> String {
    let kept = head.trim_end().lines().filter(|line| {
        let key = line.split(':').next().unwrap_or_default();
        !["connection", "upgrade"]
            .iter()
            .any(|name| key.eq_ignore_ascii_case(name))
    });
    let mut out: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    out.push_str("Connection: close\r\n\r\n");
    out
}
