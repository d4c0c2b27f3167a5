//! Entries of the 支援経過 for masked readers. Unlike sheets they have no reviewed scan: each text
//! goes through the masker with the case's register, and every suggestion is replaced.
//!
//! **Invariant:** fail closed. Without models, register or source a text stays withheld.

use std::collections::HashMap;

use domain::{id::ProgressRecordId, mask::Numbering};
use masking::{Hidden, Span};
use serde_json::{Map, Value};
use store::progress::{Amendment, EntryToMask, ProgressToMask};

use crate::{
    context::blocking,
    error::ApiError,
    scanning::{self, Basis, SuggestionCache},
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
    let Some(material) = material else {
        return Ok(HashMap::new());
    };
    let Some(engines) = state.engines().get().await else {
        return Ok(HashMap::new());
    };
    let _turn = state.inference_turn().await?;
    let state = state.clone();
    blocking(move || {
        let register = scanning::register(&material.persons);
        let mut numbering = scanning::numbering_for(&material.persons, &material.hidden);
        let masker = TextMasker {
            known: state.suggestions(),
            basis: Basis::new(&register, &engines),
        };
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

/// The words with everything hidden that the masker suggests; `None` without models: withheld.
pub(crate) async fn words(
    state: &AppState,
    persons: Vec<(i64, store::persons::Person)>,
    text: String,
) -> Result<Option<String>, ApiError> {
    let Some(engines) = state.engines().get().await else {
        return Ok(None);
    };
    let _turn = state.inference_turn().await?;
    let state = state.clone();
    blocking(move || {
        let register = scanning::register(&persons);
        let mut numbering = scanning::numbering(&persons);
        let masker = TextMasker {
            known: state.suggestions(),
            basis: Basis::new(&register, &engines),
        };
        let content = Map::from_iter([("content".to_owned(), Value::from(text))]);
        masker.field(&content, "content", &mut numbering).flatten()
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
    known: &'a SuggestionCache,
    basis: Basis<'a>,
}

impl TextMasker<'_> {
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
        match self.known.suggest(&self.basis, text) {
            Ok(spans) => Some(Some(every_suggestion_hidden(text, &spans, numbering))),
            Err(error) => {
                tracing::warn!(%error, "entry not masked: withheld");
                None
            }
        }
    }
}

/// Nobody reviews the suggestions of an entry: all of them are replaced.
fn every_suggestion_hidden(text: &str, spans: &[Span], numbering: &mut Numbering) -> String {
    masking::replace(text, spans.iter().map(Hidden::from), numbering).text
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
            every_suggestion_hidden("架空花子さんが来所", &[span], &mut numbering),
            "［氏名2］さんが来所"
        );
    }
}
