//! Entries of the 支援経過 for masked readers. Unlike sheets they have no reviewed scan: each text
//! goes through the masker with the case's register, and every suggestion is replaced.
//!
//! **Invariant:** fail closed. Without models, register or source a text stays withheld.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use domain::{id::ProgressRecordId, mask::Numbering};
use masking::{Register, Span};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use store::progress::{Amendment, EntryToMask, ProgressToMask};

use crate::{
    context::blocking,
    engines::Engines,
    error::ApiError,
    scanning::{self, ScannedSpan, replace::replace},
    state::AppState,
};

/// What a masked reader is shown of an entry.
#[derive(Debug, Clone, Default)]
pub(super) struct MaskedEntry {
    pub title: Option<String>,
    pub content: Option<String>,
    pub amendments: Vec<MaskedAmendment>,
}

#[derive(Debug, Clone)]
pub(super) struct MaskedAmendment {
    pub at: String,
    pub by: store::cases::Named,
    pub reason: Option<String>,
    pub content: Option<String>,
}

/// Masks the material; an entry that is missing from the answer is withheld.
pub(super) async fn mask(
    state: &AppState,
    material: Option<ProgressToMask>,
) -> Result<HashMap<ProgressRecordId, MaskedEntry>, ApiError> {
    let (Some(material), Some(engines)) = (material, state.engines().get()) else {
        return Ok(HashMap::new());
    };
    let _turn = state.inference_turn().await?;
    blocking(move || {
        let register = scanning::register(&material.persons);
        let mut numbering = scanning::numbering(&material.persons);
        let masker = TextMasker::new(&engines, &register);
        material
            .entries
            .iter()
            .filter_map(|entry| {
                Some((
                    entry.id.clone(),
                    masked_entry(entry, &masker, &mut numbering)?,
                ))
            })
            .collect()
    })
    .await
}

fn masked_entry(
    entry: &EntryToMask,
    masker: &TextMasker<'_>,
    numbering: &mut Numbering,
) -> Option<MaskedEntry> {
    let content = &entry.content;
    Some(MaskedEntry {
        title: masker.field(content, "title", numbering)?,
        content: masker.field(content, "content", numbering)?,
        amendments: entry
            .amendments
            .iter()
            .map(|amendment| masked_amendment(amendment, masker, numbering))
            .collect::<Option<_>>()?,
    })
}

fn masked_amendment(
    amendment: &Amendment,
    masker: &TextMasker<'_>,
    numbering: &mut Numbering,
) -> Option<MaskedAmendment> {
    Some(MaskedAmendment {
        at: amendment.recorded_at.clone(),
        by: amendment.account.clone(),
        reason: masker.field(&amendment.content, "reason", numbering)?,
        content: masker.field(&amendment.content, "content", numbering)?,
    })
}

struct TextMasker<'a> {
    engines: &'a Engines,
    register: &'a Register,
    /// Register and model as they are now: what a remembered suggestion rests on.
    basis: Vec<u8>,
}

impl<'a> TextMasker<'a> {
    fn new(engines: &'a Engines, register: &'a Register) -> Self {
        let mut basis = serde_json::to_vec(register).unwrap_or_default();
        basis.extend_from_slice(engines.models.version.as_bytes());
        Self {
            engines,
            register,
            basis,
        }
    }

    /// The masked text of a field: `Some(None)` when there is none, `None` when masking failed.
    #[expect(
        clippy::option_option,
        reason = "no text and no masking are different things here"
    )]
    fn field(
        &self,
        content: &Map<String, Value>,
        field: &str,
        numbering: &mut Numbering,
    ) -> Option<Option<String>> {
        let Some(text) = content
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        else {
            return Some(None);
        };
        let spans = self.suggest(text)?;
        Some(Some(replace(
            text,
            &spans.iter().map(hidden).collect::<Vec<_>>(),
            numbering,
        )))
    }

    fn suggest(&self, text: &str) -> Option<Arc<Vec<Span>>> {
        let mut hash = Sha256::new();
        hash.update((self.basis.len() as u64).to_be_bytes());
        hash.update(&self.basis);
        hash.update(text.as_bytes());
        let key: [u8; 32] = hash.finalize().into();
        if let Some(known) = SUGGESTED.lock().get(&key) {
            return Some(Arc::clone(known));
        }
        let spans = match self.engines.masker.suggest(text, self.register) {
            Ok(spans) => Arc::new(spans),
            Err(error) => {
                tracing::warn!(%error, "entry not masked: withheld");
                return None;
            }
        };
        let mut known = SUGGESTED.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, Arc::clone(&spans));
        Some(spans)
    }
}

/// Entries do not change, and inference is dear: suggestions are kept by the hash of text, register
/// and model. Positions and labels only, no text.
/// Hash of text, register and model → what was found.
type Suggestions = HashMap<[u8; 32], Arc<Vec<Span>>>;

static SUGGESTED: LazyLock<Mutex<Suggestions>> = LazyLock::new(Mutex::default);
const REMEMBERED: usize = 20_000;

/// A suggestion nobody reviewed: hidden.
fn hidden(span: &Span) -> ScannedSpan {
    let label = serde_json::to_value(span.label)
        .ok()
        .and_then(|label| label.as_str().map(str::to_owned));
    ScannedSpan {
        id: String::new(),
        start: span.start,
        end: span.end,
        label: label.unwrap_or_default(),
        person: span.person.clone(),
        rejected: false,
        pending: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::offset::CodePoint;

    #[test]
    fn every_suggestion_is_hidden() {
        let span = Span {
            start: CodePoint(0),
            end: CodePoint(4),
            label: masking::Label::Person,
            score: 0.2,
            source: masking::Source::Model,
            person: Some("p2".into()),
        };
        let mut numbering = Numbering::with_persons(["p1", "p2"]);
        assert_eq!(
            replace("架空花子さんが来所", &[hidden(&span)], &mut numbering),
            "［氏名2］さんが来所"
        );
    }
}
