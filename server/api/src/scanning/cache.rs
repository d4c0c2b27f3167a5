//! Suggestions of texts that were looked through before.

use std::{collections::HashMap, sync::Arc};

use masking::{Register, Span};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::engines::Engines;

/// What suggestions rest on besides the text: the register and the models, as they are now.
pub(crate) struct Basis<'a> {
    register: &'a Register,
    engines: &'a Engines,
    bytes: Vec<u8>,
}

impl<'a> Basis<'a> {
    #[must_use]
    pub(crate) fn new(register: &'a Register, engines: &'a Engines) -> Self {
        let mut bytes = serde_json::to_vec(register).unwrap_or_default();
        bytes.extend_from_slice(engines.models.version.as_bytes());
        Self {
            register,
            engines,
            bytes,
        }
    }

    fn with(&self, text: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.bytes.len() as u64).to_be_bytes());
        hash.update(&self.bytes);
        hash.update(text.as_bytes());
        hash.finalize().into()
    }
}

/// Suggestions by the hash of text, register and models: what did not change costs nothing at the
/// next scan, and a final entry is looked through once. Positions and labels only, no text.
#[derive(Debug, Default)]
pub struct SuggestionCache {
    known: Mutex<HashMap<[u8; 32], Arc<Vec<Span>>>>,
}

impl SuggestionCache {
    /// Texts whose suggestions are kept.
    const LIMIT: usize = 20_000;

    /// # Errors
    /// The model fails.
    pub(crate) fn suggest(&self, basis: &Basis<'_>, text: &str) -> masking::Result<Arc<Vec<Span>>> {
        let key = basis.with(text);
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let spans = Arc::new(basis.engines.masker.suggest(text, basis.register)?);
        let mut known = self.known.lock();
        if known.len() >= Self::LIMIT {
            known.clear();
        }
        known.insert(key, Arc::clone(&spans));
        Ok(spans)
    }
}
