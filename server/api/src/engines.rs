//! The models and the dictionary, loaded in the background: the server answers before they stand.
//! Until then masking fails closed (masked readers get nothing new) and similar cases say so.

use std::sync::{Arc, OnceLock};

use masking::Masker;
use models::{Assets, Models};

/// Everything that needs the assets folder.
#[derive(Debug)]
pub struct Engines {
    pub models: Models,
    pub masker: Arc<Masker>,
    pub analyzer: search::Analyzer,
}

/// A slot that is filled once, or says why it could not be.
#[derive(Debug, Default)]
pub struct EngineSlot {
    state: OnceLock<Result<Arc<Engines>, String>>,
    ready: tokio::sync::Notify,
}

/// Whether the models can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineState {
    Loading,
    Ready,
    Failed,
}

impl EngineSlot {
    /// Loads on a thread of its own; call once at start.
    pub fn load(self: &Arc<Self>, assets: Assets, sessions: usize) {
        let slot = Arc::clone(self);
        std::thread::Builder::new()
            .name("load-models".to_owned())
            .spawn(move || {
                let loaded = Engines::load(&assets, sessions).map(Arc::new);
                match &loaded {
                    Ok(engines) => {
                        tracing::info!(version = engines.models.version, "models loaded")
                    }
                    Err(error) => {
                        tracing::error!(%error, "models not loaded: masked readers get nothing new")
                    }
                }
                let _only_once = slot.state.set(loaded);
                slot.ready.notify_waiters();
            })
            .map_or_else(
                |error| tracing::error!(%error, "no thread for loading the models"),
                drop,
            );
    }

    /// Says that there is nothing to load (no assets folder).
    pub fn fail(&self, why: &str) {
        let _only_once = self.state.set(Err(why.to_owned()));
        self.ready.notify_waiters();
    }

    #[must_use]
    pub fn get(&self) -> Option<Arc<Engines>> {
        self.state.get()?.as_ref().ok().cloned()
    }

    #[must_use]
    pub fn state(&self) -> EngineState {
        match self.state.get() {
            None => EngineState::Loading,
            Some(Ok(_)) => EngineState::Ready,
            Some(Err(_)) => EngineState::Failed,
        }
    }

    /// Waits until loading ended one way or the other.
    pub async fn settled(&self) {
        loop {
            let waiting = self.ready.notified();
            if self.state.get().is_some() {
                return;
            }
            waiting.await;
        }
    }
}

impl Engines {
    /// Loads models and dictionary. Takes a second or two; not on an async worker.
    ///
    /// # Errors
    /// In words: what is missing and what to run.
    pub fn load(assets: &Assets, sessions: usize) -> Result<Self, String> {
        let models = Models::from_assets(assets, sessions).map_err(|error| error.to_string())?;
        let dictionary = assets.dictionary().map_err(|error| error.to_string())?;
        let analyzer = search::Analyzer::load(&dictionary).map_err(|error| error.to_string())?;
        let masker = Masker::new(Some(Arc::clone(&models.ner)), analyzer.clone());
        Ok(Self {
            models,
            masker: Arc::new(masker),
            analyzer,
        })
    }
}
