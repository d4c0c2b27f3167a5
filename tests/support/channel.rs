//! The socket's frames over plain HTTP, as a client behind a proxy exchanges them. Requests that get
//! no answer are sent again.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use tokio::time::{sleep, timeout};

/// How often a request without an answer is sent again.
const ATTEMPTS: usize = 40;

/// How frames come down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Events,
    Polls,
}

/// One thing a channel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Frame(u64, Vec<u8>),
    End(u16),
}

#[derive(Debug)]
pub struct Channel {
    http: reqwest::Client,
    /// Address of the channel itself.
    pub address: String,
    token: String,
    reading: Reading,
    /// Frames sent so far.
    sent: u64,
    /// Number of the last frame that arrived.
    pub last: u64,
    said: VecDeque<Said>,
    stream: Option<reqwest::Response>,
    text: String,
}

impl Channel {
    pub async fn open(url: &str, document: &str, token: &str, reading: Reading) -> Result<Self> {
        Self::open_with(url, document, token, reading, "").await
    }

    /// Opens it as a client that holds a copy of that epoch.
    pub async fn open_at(url: &str, document: &str, token: &str, epoch: u64) -> Result<Self> {
        let query = format!("?epoch={epoch}");
        Self::open_with(url, document, token, Reading::Polls, &query).await
    }

    async fn open_with(
        url: &str,
        document: &str,
        token: &str,
        reading: Reading,
        query: &str,
    ) -> Result<Self> {
        let http = reqwest::Client::builder()
            // Each request is a connection of its own, so that a lost one is only one.
            .pool_max_idle_per_host(0)
            .build()?;
        let mut channel = Self {
            http,
            address: format!("{url}/api/v1/documents/{document}/channels"),
            token: token.to_owned(),
            reading,
            sent: 0,
            last: 0,
            said: VecDeque::new(),
            stream: None,
            text: String::new(),
        };
        let (status, body) = channel.ask(Method::POST, query, Vec::new()).await?;
        ensure!(
            status == StatusCode::CREATED,
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let id = answer["id"].as_str().context("id")?.to_owned();
        channel.address = format!("{}/{id}", channel.address);
        Ok(channel)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(&self.token)
    }

    /// A request, again and again until it is answered.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        for _ in 0..ATTEMPTS {
            let request = self.request(method.clone(), path).body(body.clone());
            let answered = async {
                let answer = request.send().await?;
                let status = answer.status();
                anyhow::Ok((status, answer.bytes().await?.to_vec()))
            };
            if let Ok(answer) = answered.await {
                return Ok(answer);
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{method} {path}: no answer")
    }

    /// Sends one frame, and again until the server says that it has it.
    pub async fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.sent += 1;
        let path = format!("/frames?first={}&after={}", self.sent, self.last);
        let (status, body) = self.ask(Method::POST, &path, body_of(&[frame])?).await?;
        ensure!(
            status == StatusCode::OK,
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        ensure!(answer["received"] == self.sent, "{answer}");
        Ok(())
    }

    /// The next thing that is said; waits for it.
    pub async fn next(&mut self) -> Result<Said> {
        for _ in 0..ATTEMPTS {
            while let Some(said) = self.said.pop_front() {
                match &said {
                    Said::Frame(number, _) if *number <= self.last => {}
                    Said::Frame(number, _) => {
                        self.last = *number;
                        return Ok(said);
                    }
                    Said::End(_) => return Ok(said),
                }
            }
            match self.reading {
                Reading::Events => self.follow().await?,
                Reading::Polls => self.poll().await?,
            }
        }
        bail!("nothing said")
    }

    async fn poll(&mut self) -> Result<()> {
        let path = format!("/frames?after={}&wait=2", self.last);
        let (status, body) = self.ask(Method::GET, &path, Vec::new()).await?;
        ensure!(
            status == StatusCode::OK,
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_checked(12).context("head of a frame")?;
            let length = u32::from_be_bytes(head[..4].try_into()?);
            let number = u64::from_be_bytes(head[4..].try_into()?);
            let (frame, tail) = tail
                .split_at_checked(usize::try_from(length)?)
                .context("a frame")?;
            rest = tail;
            self.said.push_back(if frame.is_empty() {
                Said::End(u16::try_from(number)?)
            } else {
                Said::Frame(number, frame.to_vec())
            });
        }
        Ok(())
    }

    /// Reads on in the stream of events, opening it where it is not.
    async fn follow(&mut self) -> Result<()> {
        let Some(stream) = &mut self.stream else {
            let path = format!("/events?after={}", self.last);
            let Ok(answer) = self.request(Method::GET, &path).send().await else {
                return Ok(());
            };
            ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
            self.text.clear();
            self.stream = Some(answer);
            return Ok(());
        };
        let chunk = match timeout(Duration::from_secs(2), stream.chunk()).await {
            Err(_) => return Ok(()),
            Ok(chunk) => chunk.ok().flatten(),
        };
        let Some(chunk) = chunk else {
            self.stream = None;
            sleep(Duration::from_millis(20)).await;
            return Ok(());
        };
        self.text.push_str(std::str::from_utf8(&chunk)?);
        while let Some((event, rest)) = self.text.split_once("\n\n") {
            let of = |field: &str| event.lines().find_map(|line| line.strip_prefix(field));
            match (of("event: "), of("id: "), of("data: ")) {
                (Some("end"), _, Some(code)) => self.said.push_back(Said::End(code.parse()?)),
                (None, Some(id), Some(data)) => {
                    let frame = Said::Frame(id.parse()?, STANDARD.decode(data)?);
                    self.said.push_back(frame);
                }
                _ => {}
            }
            self.text = rest.to_owned();
        }
        Ok(())
    }
}

/// Length and frame, one after the other.
pub fn body_of(frames: &[&[u8]]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for frame in frames {
        body.extend_from_slice(&u32::try_from(frame.len())?.to_be_bytes());
        body.extend_from_slice(frame);
    }
    Ok(body)
}
