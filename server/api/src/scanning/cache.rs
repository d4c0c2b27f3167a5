//! Suggestions of texts that did not change since they were last looked through.

use std::{collections::HashMap, sync::Arc};

use domain::id::DocumentId;
use masking::Register;
use parking_lot::Mutex;

use crate::engines::Engines;

/// Suggestions already computed for a text: unchanged fields cost nothing at the next scan.
#[derive(Debug, Default)]
pub struct SuggestionCache {
    known: Mutex<HashMap<(DocumentId, String), Suggested>>,
}

/// Hash of text, register and model; and what was found.
type Suggested = (u64, Arc<Vec<masking::Span>>);

impl SuggestionCache {
    /// Texts whose suggestions are kept.
    const LIMIT: usize = 4096;

    pub(super) fn suggest(
        &self,
        document: &DocumentId,
        path: &str,
        text: &str,
        register: &Register,
        engines: &Engines,
    ) -> masking::Result<Arc<Vec<masking::Span>>> {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        (
            text,
            serde_json::to_string(register).unwrap_or_default(),
            &engines.models.version,
        )
            .hash(&mut hasher);
        let hash = hasher.finish();
        let key = (document.clone(), path.to_owned());
        if let Some((known, spans)) = self.known.lock().get(&key)
            && *known == hash
        {
            return Ok(Arc::clone(spans));
        }
        let spans = Arc::new(engines.masker.suggest(text, register)?);
        let mut known = self.known.lock();
        if known.len() >= Self::LIMIT {
            known.clear();
        }
        known.insert(key, (hash, Arc::clone(&spans)));
        Ok(spans)
    }
}
