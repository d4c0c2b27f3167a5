//! What the buses over a network have in common: a bounded queue of what is to go out, listeners for
//! what comes in, and how both do.

use super::{Bus, Health, Heard, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// Messages that may wait, in each direction.
const WAITING: usize = 4_096;

/// The node's side of a bus. Whoever carries its messages has the [`Line`].
#[derive(Debug)]
pub struct Post {
    queue: mpsc::Sender<Message>,
    line: Arc<Line>,
    presence_every: Duration,
}

/// The network's side of a bus: says what came and what went out.
#[derive(Debug)]
pub struct Line {
    heard: broadcast::Sender<Heard>,
    up: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
}

impl Post {
    /// A bus that is down, and the messages to be carried. They end when the bus does.
    #[must_use]
    pub fn new(presence_every: Duration) -> (Self, mpsc::Receiver<Message>) {
        let (queue, messages) = mpsc::channel(WAITING);
        let line = Arc::new(Line {
            heard: broadcast::channel(WAITING).0,
            up: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let post = Self {
            queue,
            line,
            presence_every,
        };
        (post, messages)
    }

    #[must_use]
    pub fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    /// Tells whether the bus is still there, without keeping it.
    #[must_use]
    pub fn alive(&self) -> mpsc::WeakSender<Message> {
        self.queue.downgrade()
    }
}

impl Line {
    /// Connected, for the first time or again: something may have been missed.
    pub fn connect(&self) {
        self.up.store(true, Ordering::Relaxed);
        self.gap();
    }

    /// Not connected any more; whether it was.
    pub fn disconnect(&self) -> bool {
        self.up.swap(false, Ordering::Relaxed)
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Something may have been missed.
    pub fn gap(&self) {
        let _ = self.heard.send(Heard::Gap);
    }

    /// Hands on what came; what is no message of this format is passed over.
    pub fn take(&self, bytes: &[u8]) {
        if let Some(message) = Message::decode(bytes) {
            self.received.fetch_add(1, Ordering::Relaxed);
            let _ = self.heard.send(Heard::Message(Arc::new(message)));
        }
    }

    /// So many went out.
    pub fn sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// So many were given up.
    pub fn lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }
}

impl Bus for Post {
    fn publish(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.line.lost(1);
        }
    }

    fn listen(&self) -> broadcast::Receiver<Heard> {
        self.line.heard.subscribe()
    }

    fn health(&self) -> Health {
        Health {
            up: self.line.is_up(),
            sent: self.line.sent.load(Ordering::Relaxed),
            heard: self.line.received.load(Ordering::Relaxed),
            lost: self.line.lost.load(Ordering::Relaxed),
        }
    }

    fn presence_every(&self) -> Duration {
        self.presence_every
    }
}
