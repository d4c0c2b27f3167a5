//! The scan as it is kept: sealed in the store, read by projections and by the next scan.

use std::collections::BTreeMap;

use domain::offset::CodePoint;
use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};
use store::{Tx, documents::DocumentWork, masking::ScanState, persons::Person};

use super::{
    marks::Mark,
    register::{fingerprint, register},
};

/// Rules and forms are part of the program: what another version scanned is scanned anew.
pub(crate) const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What a span looks like in a scan. Offsets in code points of the scanned text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScannedSpan {
    pub id: String,
    pub start: CodePoint,
    pub end: CodePoint,
    pub label: String,
    pub person: Option<String>,
    /// Rejected by a reviewer: shown.
    pub rejected: bool,
    /// Nobody decided yet: masked, and waiting.
    pub pending: bool,
}

/// A place in a document's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub epoch: u64,
    pub seq: u64,
}

/// One moment of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The values of the moment, texts included, in the form of `collab::values::fields`.
    pub values: Object<String, Value>,
    /// Path of a text → its spans. A text without an entry was not scanned.
    pub spans: BTreeMap<String, Vec<ScannedSpan>>,
    /// Artifacts that made the suggestions.
    pub model: String,
    /// Version of the program that made the scan.
    #[serde(default)]
    pub program: String,
    /// Fingerprint of the register that the texts were looked through with.
    #[serde(default)]
    pub register: String,
    /// Up to where the decisions in the masks document are in the scan.
    #[serde(default)]
    pub masks: Option<Position>,
    /// Spans that a person made and of which nothing is left: span id → path of the text, and where
    /// it stood.
    #[serde(default)]
    pub emptied: BTreeMap<String, (String, CodePoint)>,
    /// Accepted surfaces whose text is gone: found where they are pasted again.
    #[serde(default)]
    pub lost: Vec<Mark>,
}

impl Scan {
    #[must_use]
    pub fn pending(&self) -> usize {
        self.spans
            .values()
            .flatten()
            .filter(|span| span.pending)
            .count()
    }

    /// The scan as it may be shown with today's register: when a name was added since, no text of it
    /// may, until it has been looked through again.
    #[must_use]
    pub fn for_register(mut self, persons: &[(i64, Person)]) -> Self {
        if self.register != fingerprint(&register(persons)) {
            self.spans.clear();
        }
        self
    }

    /// Whether a scan of the same text and decisions would find the same today.
    pub(super) fn rests_on(&self, model: &str, persons: &[(i64, Person)]) -> bool {
        self.model == model
            && self.program == PROGRAM
            && self.register == fingerprint(&register(persons))
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.spans.values().map(Vec::len).sum()
    }
}

/// A scan out of the store, with the place in the log it was made at.
#[derive(Debug, Clone)]
pub struct StoredScan {
    pub scan: Scan,
    pub epoch: u64,
    pub seq: u64,
    pub at: String,
}

/// The last scan of a document, if it can be read. One that cannot counts as none.
///
/// # Errors
/// Database away.
pub async fn read_scan(tx: &mut Tx, work: &DocumentWork) -> store::Result<Option<StoredScan>> {
    let Some(stored) = work
        .scan(tx)
        .await?
        .filter(|stored| stored.state == ScanState::Done)
    else {
        return Ok(None);
    };
    Ok(serde_json::from_value(stored.value)
        .ok()
        .map(|scan| StoredScan {
            scan,
            epoch: stored.epoch,
            seq: stored.seq,
            at: stored.at,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> (i64, Person) {
        let person = Person {
            id: "p1".into(),
            version: 1,
            fields: BTreeMap::from([("name".to_owned(), name.to_owned())]),
            former: Vec::new(),
            flags: Vec::new(),
            address_confidential: false,
            address_withheld: false,
            address_allow: Vec::new(),
            merged: Vec::new(),
            updated_at: String::new(),
        };
        (1, person)
    }

    fn scan(persons: &[(i64, Person)]) -> Scan {
        Scan {
            spans: BTreeMap::from([("summary".to_owned(), Vec::new())]),
            model: "m1".into(),
            program: PROGRAM.into(),
            register: fingerprint(&register(persons)),
            ..Scan::default()
        }
    }

    #[test]
    fn a_scan_made_with_another_register_shows_no_text() {
        let before = [person("架空太郎")];
        let scan = scan(&before);
        assert_eq!(scan.clone().for_register(&before), scan);
        let renamed = scan.clone().for_register(&[person("架空次郎")]);
        assert!(renamed.spans.is_empty());
        // Nor one that is older than the fingerprint.
        let old = Scan {
            register: String::new(),
            ..scan
        };
        assert!(old.for_register(&before).spans.is_empty());
    }

    #[test]
    fn a_scan_rests_on_model_program_and_register() {
        let before = [person("架空太郎")];
        let scan = scan(&before);
        assert!(scan.rests_on("m1", &before));
        assert!(!scan.rests_on("m2", &before));
        assert!(!scan.rests_on("m1", &[person("架空次郎")]));
        let old: Scan = serde_json::from_value(serde_json::json!({
            "values": {}, "spans": {}, "model": "m1", "register": scan.register
        }))
        .unwrap();
        assert!(!old.rests_on("m1", &before));
    }
}
