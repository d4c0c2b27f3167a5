//! A Yjs peer on the socket or on a channel, speaking the frames of the contract: sync, awareness, the durability
//! barrier 100 and the refusal 101.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        protocol::frame::{
            Frame as WsFrame,
            coding::{Data, OpCode},
        },
    },
};
use yrs::{
    Doc, ReadTxn, StateVector, Transact, Update,
    encoding::{
        read::{Cursor, Read},
        write::Write,
    },
    updates::{decoder::Decode, encoder::Encode},
};

use crate::channel::{Channel, Reading, Said};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const BARRIER: u64 = 100;
const REFUSAL: u64 = 101;

/// What the server said besides document content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something was merged into the document.
    Content,
    /// Everything sent before the barrier with this payload is durable.
    Durable(Vec<u8>),
    Refused {
        code: u64,
        reason: String,
    },
    /// The server asked for what it lacks, and was given it.
    Asked,
    /// Who is where: the update as it came.
    Awareness(Vec<u8>),
    Other,
    Closed,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(url: &str, document: &str, query: &str) -> Result<Socket> {
    let url = url.replacen("http://", "ws://", 1);
    let address = format!("{url}/api/collab/{document}?{query}");
    let opened = timeout(Duration::from_secs(30), connect_async(address)).await;
    let (mut socket, _) = opened.context("no connection within 30 s")??;
    if let MaybeTlsStream::Plain(stream) = socket.get_mut() {
        stream.set_nodelay(true)?;
    }
    Ok(socket)
}

/// What carries the frames.
#[derive(Debug)]
enum Line {
    Socket(Box<Socket>),
    Channel(Box<Channel>),
}

#[derive(Debug)]
pub struct Peer {
    pub doc: Doc,
    line: Line,
    /// How long nothing may be heard.
    pub patience: Duration,
    sent: StateVector,
    barriers: u64,
}

impl Peer {
    /// Opens the document and waits until the server's state has arrived.
    pub async fn join(url: &str, document: &str, token: &str) -> Result<Self> {
        Self::open(url, document, token).await?.synced().await
    }

    /// As [`Peer::join`], over plain HTTP.
    pub async fn join_channel(
        url: &str,
        document: &str,
        token: &str,
        reading: Reading,
    ) -> Result<Self> {
        let channel = Channel::open(url, document, token, reading).await?;
        Self::on(Line::Channel(Box::new(channel))).synced().await
    }

    async fn synced(self) -> Result<Self> {
        let mut peer = self;
        peer.send_step1().await?;
        loop {
            match peer.hear().await? {
                Heard::Content => break,
                Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
                Heard::Closed => bail!("closed before the first sync"),
                _ => {}
            }
        }
        Ok(peer)
    }

    /// Comes back after a lost connection with what it has: the handshake sends what the server
    /// lacks. `connected` socket, first sync heard; like a provider it may still have to wait for
    /// its [`Self::barrier`].
    pub async fn rejoin(&mut self, url: &str, document: &str, token: &str) -> Result<()> {
        self.line = Line::Socket(Box::new(
            connect(url, document, &format!("token={token}&acks=1")).await?,
        ));
        self.send_step1().await?;
        // The server's step 1 asks for what it lacks; both must have come.
        let (mut told, mut asked) = (false, false);
        while !(told && asked) {
            match self.hear().await? {
                Heard::Content => told = true,
                Heard::Asked => asked = true,
                Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
                Heard::Closed => bail!("closed before the first sync"),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens the socket without saying anything yet.
    pub async fn open(url: &str, document: &str, token: &str) -> Result<Self> {
        Self::open_with(url, document, &format!("token={token}&acks=1")).await
    }

    /// Opens it as a client that holds a copy of that epoch.
    pub async fn open_at(url: &str, document: &str, token: &str, epoch: u64) -> Result<Self> {
        Self::open_with(
            url,
            document,
            &format!("token={token}&acks=1&epoch={epoch}"),
        )
        .await
    }

    async fn open_with(url: &str, document: &str, query: &str) -> Result<Self> {
        let socket = connect(url, document, query).await?;
        Ok(Self::on(Line::Socket(Box::new(socket))))
    }

    fn on(line: Line) -> Self {
        let options = yrs::Options {
            offset_kind: yrs::OffsetKind::Utf16,
            ..yrs::Options::default()
        };
        Self {
            doc: Doc::with_options(options),
            line,
            patience: Duration::from_secs(10),
            sent: StateVector::default(),
            barriers: 0,
        }
    }

    /// Says what this peer has and so asks for the rest.
    pub async fn send_step1(&mut self) -> Result<()> {
        let state = self.doc.transact().state_vector().encode_v1();
        let mut frame: Vec<u8> = Vec::new();
        frame.write_var(SYNC);
        frame.write_var(0_u64);
        frame.write_buf(state);
        self.send_raw(frame).await
    }

    pub async fn send_raw(&mut self, frame: Vec<u8>) -> Result<()> {
        match &mut self.line {
            Line::Socket(socket) => Ok(socket.send(Message::binary(frame)).await?),
            Line::Channel(channel) => channel.send(&frame).await,
        }
    }

    /// Sends one message of zeros in pieces of that size, as a client would that has more than fits.
    pub async fn send_in_pieces(&mut self, size: usize, piece: usize) -> Result<()> {
        let mut sent = 0;
        while sent < size {
            let length = piece.min(size - sent);
            let opcode = OpCode::Data(if sent == 0 {
                Data::Binary
            } else {
                Data::Continue
            });
            sent += length;
            let frame = WsFrame::message(vec![0; length], opcode, sent == size);
            let Line::Socket(socket) = &mut self.line else {
                bail!("only a socket takes a message in pieces");
            };
            socket.send(Message::Frame(frame)).await?;
        }
        Ok(())
    }

    /// Sends what was written to `doc` since the last time.
    pub async fn push(&mut self) -> Result<()> {
        let update = {
            let txn = self.doc.transact();
            let update = txn.encode_diff_v1(&self.sent);
            self.sent = txn.state_vector();
            update
        };
        self.send_update(&update).await
    }

    pub async fn send_update(&mut self, update: &[u8]) -> Result<()> {
        let mut frame: Vec<u8> = Vec::new();
        frame.write_var(SYNC);
        frame.write_var(2_u64);
        frame.write_buf(update);
        self.send_raw(frame).await
    }

    /// Asks to be told when everything pushed so far is on disk; returns what will be echoed.
    pub async fn send_barrier(&mut self) -> Result<Vec<u8>> {
        self.barriers += 1;
        let payload = self.barriers.to_be_bytes().to_vec();
        let mut frame: Vec<u8> = Vec::new();
        frame.write_var(BARRIER);
        frame.write_buf(&payload);
        self.send_raw(frame).await?;
        Ok(payload)
    }

    /// Waits until the server says that everything pushed so far is on disk.
    pub async fn barrier(&mut self) -> Result<()> {
        let payload = self.send_barrier().await?;
        loop {
            match self.hear().await? {
                Heard::Durable(echo) if echo == payload => return Ok(()),
                Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
                Heard::Closed => bail!("closed before the acknowledgement"),
                _ => {}
            }
        }
    }

    /// Reads until `done` holds for the document.
    pub async fn until(&mut self, done: impl Fn(&Doc) -> bool) -> Result<()> {
        while !done(&self.doc) {
            match self.hear().await? {
                Heard::Refused { code, reason } => bail!("refused {code}: {reason}"),
                Heard::Closed => bail!("closed while waiting"),
                _ => {}
            }
        }
        Ok(())
    }

    /// The next thing the server says, within [`Self::patience`]. A read that fails counts as closed.
    pub async fn hear(&mut self) -> Result<Heard> {
        let message = timeout(self.patience, self.line.next())
            .await
            .with_context(|| format!("nothing heard for {:?}", self.patience))?;
        let Some(bytes) = message else {
            return Ok(Heard::Closed);
        };
        let mut cursor = Cursor::new(&bytes);
        match cursor.read_var::<u64>()? {
            SYNC => {
                let step: u64 = cursor.read_var()?;
                let body = cursor.read_buf()?;
                if step == 0 {
                    let theirs = StateVector::decode_v1(body)?;
                    let update = self.doc.transact().encode_diff_v1(&theirs);
                    let mut frame: Vec<u8> = Vec::new();
                    frame.write_var(SYNC);
                    frame.write_var(1_u64);
                    frame.write_buf(update);
                    self.send_raw(frame).await?;
                    self.sent = self.doc.transact().state_vector();
                    return Ok(Heard::Asked);
                }
                let update = Update::decode_v1(body)?;
                let mut txn = self.doc.transact_mut();
                txn.apply_update(update)?;
                drop(txn);
                self.sent = self.doc.transact().state_vector();
                Ok(Heard::Content)
            }
            AWARENESS => Ok(Heard::Awareness(cursor.read_buf()?.to_vec())),
            BARRIER => Ok(Heard::Durable(cursor.read_buf()?.to_vec())),
            REFUSAL => Ok(Heard::Refused {
                code: cursor.read_var()?,
                reason: cursor.read_string()?.to_owned(),
            }),
            _ => Ok(Heard::Other),
        }
    }
}

impl Line {
    /// The next frame; `None` when there are no more.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            match self {
                Self::Socket(socket) => match socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Some(bytes.to_vec()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                },
                Self::Channel(channel) => match channel.next().await {
                    Ok(Said::Frame(_, frame)) => return Some(frame),
                    Ok(Said::End(_)) | Err(_) => return None,
                },
            }
        }
    }
}
