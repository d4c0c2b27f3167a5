//! What changed, told to open screens: ids and sequence numbers, never content. A screen that
//! hears of a change fetches it again, and the policy decides again.

use collab::{bus::Note, hub::Hub};
use domain::id::{CaseId, DocumentId, MunicipalityId, PersonId, ProgressRecordId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// One change within a case. Each says what it is about, so that it is told to those alone who may
/// see that; the subscriber hears no more than its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CaseEvent {
    /// A projection was rebuilt.
    Projection { document_id: DocumentId, seq: u64 },
    /// The number of undecided mask suggestions may have changed.
    Masks { document_id: DocumentId },
    /// Members, disclosure, consent, stage or persons.
    Case,
    /// Something about one person of the case.
    #[serde(rename = "case")]
    Person {
        #[serde(skip)]
        person_id: PersonId,
    },
    /// A document was written to, finalised or reopened.
    #[serde(rename = "case")]
    Document {
        #[serde(skip)]
        document_id: DocumentId,
    },
    /// A progress record was added or amended.
    Progress {
        #[serde(skip)]
        record_id: ProgressRecordId,
    },
    /// A transcript was added or changed.
    Transcripts,
}

/// The name under which events go from node to node.
pub const TOPIC: &str = "case";

/// An event as it goes from node to node: there too it must be known what it is about.
#[derive(Serialize, Deserialize)]
struct Abroad {
    case: CaseId,
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum What {
    Projection { document: DocumentId, seq: u64 },
    Masks { document: DocumentId },
    Case,
    Person { person: PersonId },
    Document { document: DocumentId },
    Progress { record: ProgressRecordId },
    Transcripts,
}

impl From<&CaseEvent> for What {
    fn from(event: &CaseEvent) -> Self {
        match event.clone() {
            CaseEvent::Projection { document_id, seq } => Self::Projection {
                document: document_id,
                seq,
            },
            CaseEvent::Masks { document_id } => Self::Masks {
                document: document_id,
            },
            CaseEvent::Case => Self::Case,
            CaseEvent::Person { person_id } => Self::Person { person: person_id },
            CaseEvent::Document { document_id } => Self::Document {
                document: document_id,
            },
            CaseEvent::Progress { record_id } => Self::Progress { record: record_id },
            CaseEvent::Transcripts => Self::Transcripts,
        }
    }
}

impl From<What> for CaseEvent {
    fn from(what: What) -> Self {
        match what {
            What::Projection { document, seq } => Self::Projection {
                document_id: document,
                seq,
            },
            What::Masks { document } => Self::Masks {
                document_id: document,
            },
            What::Case => Self::Case,
            What::Person { person } => Self::Person { person_id: person },
            What::Document { document } => Self::Document {
                document_id: document,
            },
            What::Progress { record } => Self::Progress { record_id: record },
            What::Transcripts => Self::Transcripts,
        }
    }
}

/// What a listener is told; `None`: something may have been missed.
pub type Told = Option<(MunicipalityId, CaseId, CaseEvent)>;

/// Fan-out to the screens of this process and, as hints, to the other nodes. Late or slow listeners
/// are told to fetch everything again.
#[derive(Debug)]
pub struct Events {
    sender: broadcast::Sender<Told>,
    hub: Hub,
}

impl Events {
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            sender: broadcast::Sender::new(1024),
            hub,
        }
    }

    pub fn tell(&self, municipality: &MunicipalityId, case: &CaseId, event: CaseEvent) {
        let abroad = Abroad {
            case: case.clone(),
            what: What::from(&event),
        };
        if let Ok(body) = serde_json::to_string(&abroad) {
            let topic = TOPIC.to_owned();
            self.hub
                .tell_nodes(Some(municipality), Note::Told { topic, body });
        }
        self.tell_here(municipality, case, event);
    }

    fn tell_here(&self, municipality: &MunicipalityId, case: &CaseId, event: CaseEvent) {
        // Nobody listening is not an error.
        let _listeners = self
            .sender
            .send(Some((municipality.clone(), case.clone(), event)));
    }

    /// Another node told of an event.
    pub fn heard(&self, municipality: &MunicipalityId, body: &str) {
        if let Ok(abroad) = serde_json::from_str::<Abroad>(body) {
            self.tell_here(municipality, &abroad.case, abroad.what.into());
        }
    }

    /// Other nodes may have told of something that was not heard: every screen fetches again.
    pub fn missed(&self) {
        let _listeners = self.sender.send(None);
    }

    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Told> {
        self.sender.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_the_same_on_another_node() {
        let document_id = DocumentId::from("d");
        for event in [
            CaseEvent::Projection {
                document_id: document_id.clone(),
                seq: 7,
            },
            CaseEvent::Masks {
                document_id: document_id.clone(),
            },
            CaseEvent::Case,
            CaseEvent::Person {
                person_id: "p".into(),
            },
            CaseEvent::Document { document_id },
            CaseEvent::Progress {
                record_id: "r".into(),
            },
            CaseEvent::Transcripts,
        ] {
            let wire = serde_json::to_string(&What::from(&event)).unwrap();
            let back: What = serde_json::from_str(&wire).unwrap();
            assert_eq!(CaseEvent::from(back), event, "{wire}");
        }
    }
}
