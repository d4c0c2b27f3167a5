//! The bus between nodes on PostgreSQL's `LISTEN/NOTIFY`: for small installations, which then need no
//! NATS.
//!
//! A commit with a `NOTIFY` takes a lock that is global to the cluster, and a payload holds less than
//! 8,000 bytes: so hints are gathered for some milliseconds and go out together, the last one of each
//! document. The bus counts as up while it hears its own beat.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use collab::bus::{LARGEST_MESSAGE, Line, Message, Note, Post};
use domain::id::DocumentId;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::error::{Result, StoreError};

const CHANNEL: &str = "musubi";
/// What comes within this time goes out together.
const GATHER: Duration = Duration::from_millis(8);
/// `NOTIFY` takes 7,999 bytes.
const PAYLOAD: usize = 7_900;
/// Nothing heard for so long, not even the own beat: the connection is dead.
const SILENCE: Duration = Duration::from_secs(7);
const CONNECT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);
/// A room's presence goes out at most this often.
const PRESENCE: Duration = Duration::from_millis(400);

/// Starts both directions; needs a tokio runtime. They connect by themselves, again and again.
///
/// # Errors
/// The address is none.
pub fn start(url: &str) -> Result<Arc<Post>> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|_| StoreError::Invalid("database_url"))?;
    // One connection listens, one speaks.
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(CONNECT)
        .connect_lazy_with(options.application_name("musubi bus"));
    let (post, messages) = Post::new(PRESENCE);
    tokio::spawn(speak(pool.clone(), messages, post.line()));
    tokio::spawn(hear(pool, post.line(), post.alive()));
    Ok(Arc::new(post))
}

async fn speak(pool: PgPool, mut messages: mpsc::Receiver<Message>, line: Arc<Line>) {
    let mut gathered = Vec::new();
    while let Some(first) = messages.recv().await {
        gathered.push(first);
        sleep(GATHER).await;
        while gathered.len() < 4096
            && let Ok(next) = messages.try_recv()
        {
            gathered.push(next);
        }
        let (payloads, count, too_long) = payloads(std::mem::take(&mut gathered));
        let said = timeout(
            CONNECT,
            sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload")
                .bind(CHANNEL)
                .bind(&payloads)
                .execute(&pool),
        )
        .await;
        match said {
            Ok(Ok(_)) => line.sent(count),
            Ok(Err(error)) => {
                tracing::debug!(error = %StoreError::from(error), "hints not sent");
                sleep(PAUSE).await;
                line.lost(count);
            }
            Err(_) => line.lost(count),
        }
        line.lost(too_long);
    }
}

/// Messages by lines, the last hint of each document only. Returns how many messages these are, and
/// how many were too long for any payload.
fn payloads(messages: Vec<Message>) -> (Vec<String>, u64, u64) {
    let mut last: HashMap<DocumentId, (u64, u64)> = HashMap::new();
    for message in &messages {
        if let Note::Changed {
            document,
            epoch,
            seq,
        } = &message.note
        {
            let at = last.entry(document.clone()).or_default();
            *at = (*at).max((*epoch, *seq));
        }
    }
    let (mut payloads, mut lines, mut count, mut too_long) = (Vec::new(), String::new(), 0, 0);
    for message in messages {
        if let Note::Changed {
            document,
            epoch,
            seq,
        } = &message.note
            && last.get(document) != Some(&(*epoch, *seq))
        {
            continue;
        }
        let line = String::from_utf8(message.encode()).unwrap_or_default();
        if line.is_empty() || line.len() > LARGEST_MESSAGE.min(PAYLOAD) {
            too_long += 1;
            continue;
        }
        if lines.len() + line.len() + 1 > PAYLOAD {
            payloads.push(std::mem::take(&mut lines));
        }
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(&line);
        count += 1;
    }
    if !lines.is_empty() {
        payloads.push(lines);
    }
    (payloads, count, too_long)
}

/// Ends with the bus.
async fn hear(pool: PgPool, line: Arc<Line>, alive: mpsc::WeakSender<Message>) {
    while alive.strong_count() > 0 {
        if let Ok(Ok(mut listener)) = timeout(CONNECT, open(&pool)).await {
            line.connect();
            listen(&mut listener, &line).await;
            line.disconnect();
        }
        sleep(PAUSE).await;
    }
}

async fn open(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Until the connection is lost.
async fn listen(listener: &mut PgListener, line: &Line) {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                for message in notification.payload().lines() {
                    line.take(message.as_bytes());
                }
            }
            // Connected anew, and what was said in between is lost.
            Ok(Ok(None)) => line.gap(),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collab::bus::{Bus, Heard, NodeId};

    fn message(note: Note) -> Message {
        Message {
            from: NodeId(1),
            municipality: None,
            note,
        }
    }

    fn changed(document: &str, seq: u64) -> Message {
        message(Note::Changed {
            document: document.into(),
            epoch: 1,
            seq,
        })
    }

    #[test]
    fn hints_of_one_document_become_one_and_payloads_fit() {
        let mut messages: Vec<Message> = (1..=500).map(|seq| changed("same", seq)).collect();
        messages.extend((0..300).map(|n| changed(&format!("document{n:020}"), 1)));
        messages.push(message(Note::Told {
            topic: "x".into(),
            body: "y".repeat(LARGEST_MESSAGE),
        }));
        let (payloads, count, too_long) = payloads(messages);
        assert_eq!((count, too_long), (301, 1));
        assert!(payloads.len() > 1 && payloads.iter().all(|p| p.len() <= PAYLOAD));
        let back: Vec<Message> = payloads
            .iter()
            .flat_map(|payload| payload.lines())
            .map(|line| Message::decode(line.as_bytes()).unwrap())
            .collect();
        assert_eq!(back.len(), 301);
        assert_eq!(back[0], changed("same", 500));
    }

    #[tokio::test]
    async fn what_one_says_the_other_hears() {
        let url = crate::testing::Postgres::shared().create_database().await;
        let (one, two) = (start(&url).unwrap(), start(&url).unwrap());
        let mut heard = two.listen();
        // Connected.
        assert!(matches!(heard.recv().await.unwrap(), Heard::Gap));
        assert!(two.health().up);
        one.publish(changed("d", 7));
        let Heard::Message(message) = heard.recv().await.unwrap() else {
            panic!("a gap");
        };
        assert_eq!(*message, changed("d", 7));
        assert_eq!(two.health().heard, 1);
    }
}
