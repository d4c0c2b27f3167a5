//! The models and the dictionary: checked at start, loaded when first needed, let go when nobody has
//! needed them for a while. Whoever needs them waits the second or two that loading takes. Until the
//! check is done, and when they cannot be loaded, masking fails closed (masked readers get nothing
//! new) and similar cases say so.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use masking::Masker;
use models::{Assets, Manifest, Models};

use crate::error::ApiError;

/// Everything that needs the assets folder.
#[derive(Debug)]
pub struct Engines {
    pub models: Models,
    pub masker: Arc<Masker>,
    pub analyzer: search::Analyzer,
}

/// A failed loading is tried again after this long at the earliest: a file may be back, memory free.
const RETRY: Duration = Duration::from_secs(60);

/// Whether an error says that models are not there yet.
pub(crate) fn are_awaited(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Refused {
            code: "models_not_ready",
            ..
        }
    )
}

/// See the module.
#[derive(Debug, Default)]
pub struct EngineSlot {
    inner: Mutex<Inner>,
    changed: tokio::sync::Notify,
    /// Gives back to the system what the models took.
    give_back: OnceLock<fn()>,
}

#[derive(Debug, Default)]
struct Inner {
    source: Option<(Assets, usize)>,
    version: Option<Arc<str>>,
    now: Now,
}

#[derive(Debug, Default)]
enum Now {
    /// Nobody has said yet what is there.
    #[default]
    Unchecked,
    /// The files are right; nothing is in memory.
    Resting,
    Loading,
    Ready {
        engines: Arc<Engines>,
        used: Instant,
    },
    Failed {
        since: Instant,
    },
}

/// Whether the models can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineState {
    /// Being checked or brought into memory.
    Loading,
    /// Right, and loaded by whoever needs them next.
    Resting,
    Ready,
    Failed,
}

impl EngineSlot {
    /// Checks manifest and hashes on a thread of its own; call once at start. Loads nothing.
    pub fn open(self: &Arc<Self>, assets: Assets, sessions: usize) {
        self.lock().source = Some((assets.clone(), sessions));
        self.on_a_thread(move |slot| {
            let checked = Engines::check(&assets);
            match &checked {
                Ok(version) => tracing::info!(version, "models checked"),
                Err(error) => {
                    tracing::error!(%error, "models not usable: masked readers get nothing new");
                }
            }
            let mut inner = slot.lock();
            match checked {
                Ok(version) => {
                    inner.version = Some(version.into());
                    inner.now = Now::Resting;
                }
                Err(_) => {
                    inner.source = None;
                    inner.now = Now::Failed {
                        since: Instant::now(),
                    };
                }
            }
        });
    }

    /// Says that there is nothing to load (no assets folder).
    pub fn fail(&self, why: &str) {
        tracing::error!(why, "no models: masked readers get nothing new");
        self.lock().now = Now::Failed {
            since: Instant::now(),
        };
        self.changed.notify_waiters();
    }

    /// The engines, loaded if need be. `None` when they cannot be had, or were not checked yet.
    pub async fn get(self: &Arc<Self>) -> Option<Arc<Engines>> {
        loop {
            let waiting = self.changed.notified();
            tokio::pin!(waiting);
            // From here on a change wakes us, also one before the first poll.
            waiting.as_mut().enable();
            let loads = {
                let mut inner = self.lock();
                match &mut inner.now {
                    Now::Ready { engines, used } => {
                        *used = Instant::now();
                        return Some(Arc::clone(engines));
                    }
                    Now::Unchecked => return None,
                    Now::Failed { since } if since.elapsed() < RETRY => return None,
                    Now::Loading => None,
                    Now::Resting | Now::Failed { .. } => {
                        let source = inner.source.clone()?;
                        inner.now = Now::Loading;
                        Some(source)
                    }
                }
            };
            if let Some((assets, sessions)) = loads {
                self.on_a_thread(move |slot| slot.load(&assets, sessions));
            }
            waiting.await;
        }
    }

    fn load(&self, assets: &Assets, sessions: usize) {
        let loaded = Engines::load(assets, sessions);
        let mut inner = self.lock();
        inner.now = match loaded {
            Ok(engines) => {
                tracing::info!(version = engines.models.version, "models loaded");
                inner.version = Some(engines.models.version.as_str().into());
                Now::Ready {
                    engines: Arc::new(engines),
                    used: Instant::now(),
                }
            }
            Err(error) => {
                tracing::error!(%error, "models not loaded: masked readers get nothing new");
                Now::Failed {
                    since: Instant::now(),
                }
            }
        };
    }

    /// Says how memory that the models took goes back to the system: that is the allocator's business,
    /// and it keeps pages in between that are free.
    pub fn gives_back_with(&self, give_back: fn()) {
        let _said_already = self.give_back.set(give_back);
    }

    /// Gives freed memory back, after work that took much of it.
    pub(crate) fn give_back(&self) {
        if let Some(give_back) = self.give_back.get() {
            give_back();
        }
    }

    /// Lets go of engines that nobody has asked for since `idle` and nobody holds.
    pub fn rest(self: &Arc<Self>, idle: Duration) {
        let mut inner = self.lock();
        if let Now::Ready { engines, used } = &inner.now
            && used.elapsed() >= idle
            && Arc::strong_count(engines) == 1
        {
            let gone = std::mem::replace(&mut inner.now, Now::Resting);
            drop(inner);
            self.on_a_thread(move |slot| {
                drop(gone);
                tracing::info!("models unloaded");
                slot.give_back();
            });
        }
    }

    /// The dictionary folder, once it is checked: for those who need words and no model.
    #[must_use]
    pub fn dictionary(&self) -> Option<std::path::PathBuf> {
        let (assets, _) = self.lock().source.clone()?;
        assets.dictionary().ok()
    }

    /// Version of the model files, once they are checked: what scans and vectors are made with.
    #[must_use]
    pub fn version(&self) -> Option<Arc<str>> {
        self.lock().version.clone()
    }

    #[must_use]
    pub fn state(&self) -> EngineState {
        match self.lock().now {
            Now::Unchecked | Now::Loading => EngineState::Loading,
            Now::Resting => EngineState::Resting,
            Now::Ready { .. } => EngineState::Ready,
            Now::Failed { .. } => EngineState::Failed,
        }
    }

    /// Waits until it is known whether the models can be used.
    pub async fn settled(&self) {
        loop {
            let waiting = self.changed.notified();
            tokio::pin!(waiting);
            waiting.as_mut().enable();
            if !matches!(self.lock().now, Now::Unchecked) {
                return;
            }
            waiting.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not on an async worker: reading and loading take a while.
    fn on_a_thread(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let slot = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name("models".to_owned())
            .spawn(move || {
                work(&slot);
                slot.changed.notify_waiters();
            });
        if let Err(error) = started {
            tracing::error!(%error, "no thread for the models");
            self.lock().now = Now::Failed {
                since: Instant::now(),
            };
            self.changed.notify_waiters();
        }
    }
}

impl Engines {
    /// Whether everything is there and what its hash says, and the version of the models. Takes about
    /// a tenth of a second.
    ///
    /// # Errors
    /// In words: what is missing and what to run.
    pub fn check(assets: &Assets) -> Result<String, String> {
        let checked = || {
            assets.onnxruntime()?;
            assets.dictionary()?;
            Ok(Manifest::open(&assets.models()?)?.version)
        };
        checked().map_err(|error: models::Error| error.to_string())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Assets {
        Assets::locate(None).expect("the assets that the setup script makes")
    }

    #[tokio::test]
    async fn nothing_is_loaded_before_somebody_asks_and_it_goes_when_nobody_does() {
        let slot = Arc::new(EngineSlot::default());
        assert!(slot.get().await.is_none(), "nobody has said what is there");
        slot.open(assets(), 1);
        slot.settled().await;
        assert_eq!(slot.state(), EngineState::Resting);
        let version = slot.version().unwrap();
        let (first, second) = tokio::join!(slot.get(), slot.get());
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(Arc::ptr_eq(&first, &second), "loaded once");
        assert_eq!(first.models.version, *version);
        slot.rest(Duration::ZERO);
        assert_eq!(slot.state(), EngineState::Ready, "somebody holds them");
        drop((first, second));
        slot.rest(Duration::from_secs(60));
        assert_eq!(slot.state(), EngineState::Ready, "just used");
        slot.rest(Duration::ZERO);
        assert_eq!(slot.state(), EngineState::Resting);
        assert!(slot.get().await.is_some(), "and back again");
    }

    #[tokio::test]
    async fn a_folder_without_models_fails_at_once() {
        let slot = Arc::new(EngineSlot::default());
        let empty = tempfile::tempdir().unwrap();
        slot.open(Assets::at(empty.path()), 1);
        slot.settled().await;
        assert_eq!(slot.state(), EngineState::Failed);
        assert!(slot.get().await.is_none() && slot.version().is_none());
    }
}
