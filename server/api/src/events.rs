//! What changed, told to open screens: ids and sequence numbers, never content. A screen that
//! hears of a change fetches it again, and the policy decides again.

use domain::id::{CaseId, DocumentId, MunicipalityId, PersonId, ProgressRecordId};
use serde::Serialize;
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

/// Fan-out within this process. Late or slow listeners are told to fetch everything again.
#[derive(Debug)]
pub struct Events {
    sender: broadcast::Sender<(MunicipalityId, CaseId, CaseEvent)>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(1024),
        }
    }
}

impl Events {
    pub fn tell(&self, municipality: &MunicipalityId, case: &CaseId, event: CaseEvent) {
        // Nobody listening is not an error.
        let _listeners = self
            .sender
            .send((municipality.clone(), case.clone(), event));
    }

    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<(MunicipalityId, CaseId, CaseEvent)> {
        self.sender.subscribe()
    }
}
