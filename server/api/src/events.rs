//! What changed, told to open screens: ids and sequence numbers, never content. A screen that
//! hears of a change fetches it again, and the policy decides again.

use domain::id::{CaseId, DocumentId, MunicipalityId};
use serde::Serialize;
use tokio::sync::broadcast;

/// One change within a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CaseEvent {
    /// A projection was rebuilt.
    Projection { document_id: DocumentId, seq: u64 },
    /// The number of undecided mask suggestions may have changed.
    Masks { document_id: DocumentId },
    /// Members, disclosure, consent, stage or persons.
    Case,
    /// A progress record was added or amended.
    Progress,
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
