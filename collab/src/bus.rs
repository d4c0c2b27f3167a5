//! What the nodes of one installation tell each other.
//!
//! The log is the truth; the bus carries hints and presence. A message may be lost, doubled, late or
//! out of order, and nothing depends on it: whoever hears a hint looks into the log, and whoever
//! hears nothing looks there from time to time (see [`Hub::join_nodes`](crate::Hub::join_nodes)).
//!
//! **Invariant:** no content and no personal data go over the bus but the display name of the
//! account that is present in a document.

mod memory;
mod post;

use crate::identity::Identity;
use domain::id::{AccountId, AgencyId, DocumentId, MembershipId, MunicipalityId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

pub use memory::{Faults, MemoryBus, MemoryLink};
pub use post::{Line, Post};

/// One process: random, new with every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// What one node says to all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub from: NodeId,
    /// Whom it concerns, for subjects by municipality; `None`: every node.
    pub municipality: Option<MunicipalityId>,
    pub note: Note,
}

/// See [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Note {
    /// The node lives.
    Alive,
    /// The node stops.
    Bye,
    /// The document's log ends at `seq` of `epoch`.
    Changed {
        document: DocumentId,
        epoch: u64,
        seq: u64,
    },
    /// Rights changed: look into the database.
    Rights,
    /// Who is where in a document.
    Presence {
        document: DocumentId,
        states: Vec<Sighting>,
    },
    /// A room was opened here: who is there?
    WhoIsThere { document: DocumentId },
    /// A word of the application above; the hub hands it on as it is.
    Told { topic: String, body: String },
}

/// Someone present in a document at another node, or gone from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Awareness id.
    pub client: u64,
    /// Connection at the node that says so; with the node it names the socket.
    pub connection: u64,
    /// When the client last said something, ms since 1970. The latest of one account counts.
    pub at: u64,
    /// `None`: gone.
    pub here: Option<Here>,
}

/// Who it is, by the session, and the client's word on where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    pub account: AccountId,
    pub membership: MembershipId,
    pub agency: AgencyId,
    pub name: String,
    pub agency_name: String,
    /// The client's awareness state, cleaned before it is sent and again before it is shown.
    pub place: String,
}

impl Here {
    pub(crate) fn new(identity: &Identity, place: String) -> Self {
        Self {
            account: identity.account.clone(),
            membership: identity.membership.clone(),
            agency: identity.agency.clone(),
            name: identity.name.clone(),
            agency_name: identity.agency_name.clone(),
            place,
        }
    }

    pub(crate) fn identity(self, municipality: &MunicipalityId) -> Identity {
        Identity {
            municipality: municipality.clone(),
            account: self.account,
            membership: self.membership,
            agency: self.agency,
            name: self.name,
            agency_name: self.agency_name,
            scopes: Vec::new(),
            via: String::new(),
        }
    }
}

/// Number of the wire format. A node that hears another number ignores the message: it looks into
/// the log on its own, only later.
const WIRE: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Wire<N> {
    v: u32,
    f: NodeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<MunicipalityId>,
    n: N,
}

impl Message {
    /// JSON with the format's number.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            v: WIRE,
            f: self.from,
            m: self.municipality.clone(),
            n: &self.note,
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// `None` for what is no message of this format.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire<Note> = serde_json::from_slice(bytes).ok()?;
        (wire.v == WIRE).then_some(Self {
            from: wire.f,
            municipality: wire.m,
            note: wire.n,
        })
    }
}

/// What comes in.
#[derive(Debug, Clone)]
pub enum Heard {
    Message(Arc<Message>),
    /// The connection was lost and is back: messages may have been missed.
    Gap,
}

/// How a bus is, for `/readyz` and `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    pub up: bool,
    /// Messages since the start: handed over, heard, and given up because the bus was away or slow.
    pub sent: u64,
    pub heard: u64,
    pub lost: u64,
}

/// The way to the other nodes. Implemented for NATS, for PostgreSQL's `LISTEN/NOTIFY`, and in
/// memory for tests.
pub trait Bus: Send + Sync + 'static {
    /// Hands a message over. Never waits; what cannot go out is given up.
    fn publish(&self, message: Message);

    /// Everything heard from now on. Whoever lags is told so by the channel: that is a gap.
    fn listen(&self) -> broadcast::Receiver<Heard>;

    fn health(&self) -> Health;

    /// A room's presence goes out at most this often.
    fn presence_every(&self) -> Duration;
}

/// Longest message, bytes: below the 8,000 that PostgreSQL's `NOTIFY` takes.
pub const LARGEST_MESSAGE: usize = 7_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(note: Note) -> Message {
        Message {
            from: NodeId(u64::MAX),
            municipality: Some("town".into()),
            note,
        }
    }

    #[test]
    fn the_wire_is_small_and_has_a_number() {
        let changed = message(Note::Changed {
            document: "0190f3c0aa0070008000000000000001".into(),
            epoch: 1,
            seq: 1_000_000,
        });
        let wire = changed.encode();
        assert!(wire.len() < 160, "{}", wire.len());
        assert_eq!(Message::decode(&wire), Some(changed));
        let next = String::from_utf8(wire)
            .unwrap()
            .replace("\"v\":1", "\"v\":2");
        assert_eq!(Message::decode(next.as_bytes()), None);
    }

    #[test]
    fn every_note_survives_the_wire() {
        let here = Here {
            account: "a".into(),
            membership: "b".into(),
            agency: "c".into(),
            name: "佐藤 花子".into(),
            agency_name: "みどり野市".into(),
            place: r#"{"cursor":1}"#.into(),
        };
        let states = [Some(here), None].map(|here| Sighting {
            client: 7,
            connection: 8,
            at: 9,
            here,
        });
        for note in [
            Note::Alive,
            Note::Bye,
            Note::Rights,
            Note::Presence {
                document: "d".into(),
                states: states.to_vec(),
            },
            Note::WhoIsThere {
                document: "d".into(),
            },
            Note::Told {
                topic: "case".into(),
                body: "{}".into(),
            },
        ] {
            let message = message(note);
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::decode(&bytes);
        }
    }
}
