//! A Yjs peer on the socket, speaking the frames of the contract: sync, awareness, the durability
//! barrier 100 and the refusal 101.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use yrs::{
    Doc, ReadTxn, StateVector, Transact, Update,
    encoding::{
        read::{Cursor, Read},
        write::Write,
    },
    updates::{decoder::Decode, encoder::Encode},
};

const SYNC: u64 = 0;
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
    Other,
    Closed,
}

#[derive(Debug)]
pub struct Peer {
    pub doc: Doc,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    sent: StateVector,
    barriers: u64,
}

impl Peer {
    /// Opens the document and waits until the server's state has arrived.
    pub async fn join(url: &str, document: &str, token: &str) -> Result<Self> {
        let mut peer = Self::open(url, document, token).await?;
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
        let url = url.replacen("http://", "ws://", 1);
        let (socket, _) = connect_async(format!("{url}/api/collab/{document}?{query}")).await?;
        let options = yrs::Options {
            offset_kind: yrs::OffsetKind::Utf16,
            ..yrs::Options::default()
        };
        Ok(Self {
            doc: Doc::with_options(options),
            socket,
            sent: StateVector::default(),
            barriers: 0,
        })
    }

    async fn send_step1(&mut self) -> Result<()> {
        let state = self.doc.transact().state_vector().encode_v1();
        let mut frame: Vec<u8> = Vec::new();
        frame.write_var(SYNC);
        frame.write_var(0_u64);
        frame.write_buf(state);
        self.send_raw(frame).await
    }

    pub async fn send_raw(&mut self, frame: Vec<u8>) -> Result<()> {
        self.socket.send(Message::binary(frame)).await?;
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

    /// Waits until the server says that everything pushed so far is on disk.
    pub async fn barrier(&mut self) -> Result<()> {
        self.barriers += 1;
        let payload = self.barriers.to_be_bytes().to_vec();
        let mut frame: Vec<u8> = Vec::new();
        frame.write_var(BARRIER);
        frame.write_buf(&payload);
        self.send_raw(frame).await?;
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

    /// The next thing the server says, within 10 s. A read that fails counts as closed.
    pub async fn hear(&mut self) -> Result<Heard> {
        let message = timeout(Duration::from_secs(10), self.socket.next())
            .await
            .context("nothing heard for 10 s")?;
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(Heard::Closed),
            Some(Ok(_)) => return Ok(Heard::Other),
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
                    return Ok(Heard::Other);
                }
                let update = Update::decode_v1(body)?;
                let mut txn = self.doc.transact_mut();
                txn.apply_update(update)?;
                drop(txn);
                self.sent = self.doc.transact().state_vector();
                Ok(Heard::Content)
            }
            BARRIER => Ok(Heard::Durable(cursor.read_buf()?.to_vec())),
            REFUSAL => Ok(Heard::Refused {
                code: cursor.read_var()?,
                reason: cursor.read_string()?.to_owned(),
            }),
            _ => Ok(Heard::Other),
        }
    }
}
