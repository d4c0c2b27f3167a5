//! The bus between nodes on NATS. Subjects are `musubi.<deployment>.<municipality>`, `all` for what
//! concerns every node, so that a large installation can let a node hear its municipalities only.
//!
//! Nothing is kept: a hint that cannot go out at once is given up, and whoever missed it looks into
//! the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use collab::bus::{Bus, Health, Heard, LARGEST_MESSAGE, Message};
use domain::id::MunicipalityId;
use futures_util::StreamExt;
use tokio::{
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};

/// A connection that swallows everything is noticed after two of them.
const PING: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);
const SEND: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct NatsBus {
    queue: mpsc::Sender<Message>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    heard: broadcast::Sender<Heard>,
    up: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
}

impl NatsBus {
    /// Connects in the background, again and again; needs a tokio runtime.
    pub fn start(url: &str, deployment: &str) -> Arc<Self> {
        let (queue, messages) = mpsc::channel(4096);
        let state = Arc::new(State {
            heard: broadcast::channel(4096).0,
            up: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        tokio::spawn(run(
            url.to_owned(),
            format!("musubi.{deployment}"),
            messages,
            Arc::clone(&state),
        ));
        Arc::new(Self { queue, state })
    }
}

impl Bus for NatsBus {
    fn publish(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn listen(&self) -> broadcast::Receiver<Heard> {
        self.state.heard.subscribe()
    }

    fn health(&self) -> Health {
        Health {
            up: self.state.up.load(Ordering::Relaxed),
            sent: self.state.sent.load(Ordering::Relaxed),
            heard: self.state.received.load(Ordering::Relaxed),
            lost: self.state.lost.load(Ordering::Relaxed),
        }
    }

    fn presence_every(&self) -> Duration {
        Duration::from_millis(100)
    }
}

async fn connect(url: &str, state: &Arc<State>) -> Result<Client, async_nats::ConnectError> {
    let on_event = {
        let state = Arc::clone(state);
        move |event| {
            notice(&state, &event);
            std::future::ready(())
        }
    };
    ConnectOptions::new()
        .name("musubi")
        .no_echo()
        .ping_interval(PING)
        .connection_timeout(CONNECT)
        .reconnect_delay_callback(|attempt| match attempt {
            0..3 => Duration::from_millis(100),
            _ => Duration::from_secs(1),
        })
        .event_callback(on_event)
        .connect(url)
        .await
}

fn notice(state: &State, event: &Event) {
    match event {
        Event::Connected => {
            state.up.store(true, Ordering::Relaxed);
            let _ = state.heard.send(Heard::Gap);
            tracing::info!("bus between nodes connected");
        }
        Event::Disconnected | Event::Closed if state.up.swap(false, Ordering::Relaxed) => {
            tracing::warn!("bus between nodes lost; the database is looked into instead");
        }
        // Messages were dropped.
        Event::SlowConsumer(_) => drop(state.heard.send(Heard::Gap)),
        _ => {}
    }
}

/// Ends with the bus.
async fn run(
    url: String,
    prefix: String,
    mut messages: mpsc::Receiver<Message>,
    state: Arc<State>,
) {
    let mut told = false;
    while !messages.is_closed() {
        match open(&url, &prefix, &state).await {
            Ok((client, hints)) => {
                told = false;
                // The first connection may be made before anybody can tell of it.
                notice(&state, &Event::Connected);
                carry(&client, hints, &prefix, &mut messages, &state).await;
                state.up.store(false, Ordering::Relaxed);
            }
            // Once: it is tried again for as long as it takes.
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, "bus between nodes not connected; the database is looked into instead");
            }
            Err(_) => {}
        }
        // What nobody can hear is not kept.
        while messages.try_recv().is_ok() {
            state.lost.fetch_add(1, Ordering::Relaxed);
        }
        sleep(PAUSE).await;
    }
}

async fn open(
    url: &str,
    prefix: &str,
    state: &Arc<State>,
) -> Result<(Client, Subscriber), async_nats::Error> {
    let client = connect(url, state).await?;
    let hints = client.subscribe(format!("{prefix}.>")).await?;
    Ok((client, hints))
}

/// Until one side has no more to say.
async fn carry(
    client: &Client,
    mut hints: Subscriber,
    prefix: &str,
    messages: &mut mpsc::Receiver<Message>,
    state: &State,
) {
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { return };
                say(client, prefix, &message, state).await;
            }
            hint = hints.next() => {
                let Some(hint) = hint else { return };
                if let Some(message) = Message::decode(&hint.payload) {
                    state.received.fetch_add(1, Ordering::Relaxed);
                    let _ = state.heard.send(Heard::Message(Arc::new(message)));
                }
            }
        }
    }
}

async fn say(client: &Client, prefix: &str, message: &Message, state: &State) {
    let payload = message.encode();
    let fits = payload.len() <= LARGEST_MESSAGE;
    let sent = fits && state.up.load(Ordering::Relaxed) && {
        let subject = subject(prefix, message.municipality.as_ref());
        matches!(
            timeout(SEND, client.publish(subject, payload.into())).await,
            Ok(Ok(()))
        )
    };
    let counter = if sent { &state.sent } else { &state.lost };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Only what a subject may hold.
fn subject(prefix: &str, municipality: Option<&MunicipalityId>) -> String {
    let part: String = municipality.map_or_else(
        || "all".to_owned(),
        |id| {
            id.as_str()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect()
        },
    );
    format!("{prefix}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_three_parts_whatever_the_id() {
        assert_eq!(subject("musubi.main", None), "musubi.main.all");
        let odd = MunicipalityId::from("13.> 1*");
        assert_eq!(subject("musubi.main", Some(&odd)), "musubi.main.13___1_");
    }

    #[tokio::test]
    async fn without_a_server_hints_are_given_up() {
        // Nobody listens on the discard port.
        let bus = NatsBus::start("nats://127.0.0.1:9", "test");
        bus.publish(Message {
            from: collab::bus::NodeId(1),
            municipality: None,
            note: collab::bus::Note::Alive,
        });
        let began = std::time::Instant::now();
        while bus.health().lost == 0 {
            assert!(began.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(20)).await;
        }
        assert!(!bus.health().up);
    }
}
