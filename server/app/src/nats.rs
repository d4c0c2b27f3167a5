//! The bus between nodes on NATS. Subjects are `musubi.<deployment>.<municipality>`, `all` for what
//! concerns every node, so that a large installation can let a node hear its municipalities only.
//!
//! Nothing is kept: a hint that cannot go out at once is given up, and whoever missed it looks into
//! the log.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use collab::bus::{LARGEST_MESSAGE, Line, Message, Post};
use domain::id::MunicipalityId;
use futures_util::StreamExt;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// A connection that swallows everything is noticed after two of them.
const PING: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);
const SEND: Duration = Duration::from_secs(1);
/// A room's presence goes out at most this often.
const PRESENCE: Duration = Duration::from_millis(100);

/// Connects in the background, again and again; needs a tokio runtime.
pub fn start(url: &str, deployment: &str) -> Arc<Post> {
    let (post, messages) = Post::new(PRESENCE);
    tokio::spawn(run(
        url.to_owned(),
        format!("musubi.{deployment}"),
        messages,
        post.line(),
    ));
    Arc::new(post)
}

async fn connect(url: &str, line: &Arc<Line>) -> Result<Client, async_nats::ConnectError> {
    let on_event = {
        let line = Arc::clone(line);
        move |event| {
            notice(&line, &event);
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

fn notice(line: &Line, event: &Event) {
    match event {
        Event::Connected => {
            line.connect();
            tracing::info!("bus between nodes connected");
        }
        Event::Disconnected | Event::Closed if line.disconnect() => {
            tracing::warn!("bus between nodes lost; the database is looked into instead");
        }
        // Messages were dropped.
        Event::SlowConsumer(_) => line.gap(),
        _ => {}
    }
}

/// Ends with the bus.
async fn run(url: String, prefix: String, mut messages: mpsc::Receiver<Message>, line: Arc<Line>) {
    let mut told = false;
    while !messages.is_closed() {
        match open(&url, &prefix, &line).await {
            Ok((client, hints)) => {
                told = false;
                // The first connection may be made before anybody can tell of it.
                notice(&line, &Event::Connected);
                carry(&client, hints, &prefix, &mut messages, &line).await;
                line.disconnect();
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
            line.lost(1);
        }
        sleep(PAUSE).await;
    }
}

async fn open(
    url: &str,
    prefix: &str,
    line: &Arc<Line>,
) -> Result<(Client, Subscriber), async_nats::Error> {
    let client = connect(url, line).await?;
    let hints = client.subscribe(format!("{prefix}.>")).await?;
    Ok((client, hints))
}

/// Until one side has no more to say.
async fn carry(
    client: &Client,
    mut hints: Subscriber,
    prefix: &str,
    messages: &mut mpsc::Receiver<Message>,
    line: &Line,
) {
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { return };
                say(client, prefix, &message, line).await;
            }
            hint = hints.next() => {
                let Some(hint) = hint else { return };
                line.take(&hint.payload);
            }
        }
    }
}

async fn say(client: &Client, prefix: &str, message: &Message, line: &Line) {
    let payload = message.encode();
    let fits = payload.len() <= LARGEST_MESSAGE;
    let sent = fits && line.is_up() && {
        let subject = subject(prefix, message.municipality.as_ref());
        matches!(
            timeout(SEND, client.publish(subject, payload.into())).await,
            Ok(Ok(()))
        )
    };
    if sent {
        line.sent(1);
    } else {
        line.lost(1);
    }
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
    use collab::bus::Bus;

    #[test]
    fn a_subject_has_three_parts_whatever_the_id() {
        assert_eq!(subject("musubi.main", None), "musubi.main.all");
        let odd = MunicipalityId::from("13.> 1*");
        assert_eq!(subject("musubi.main", Some(&odd)), "musubi.main.13___1_");
    }

    #[tokio::test]
    async fn without_a_server_hints_are_given_up() {
        // Nobody listens on the discard port.
        let bus = start("nats://127.0.0.1:9", "test");
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
