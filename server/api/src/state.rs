//! What every handler can reach.

use std::{sync::Arc, time::Duration};

use collab::{access::Change, bus::Note, hub::Hub, log::UpdateLog};
use domain::{
    clock::Clock,
    id::{DocumentId, MunicipalityId},
};
use store::{Database, DocumentLog, Tx};

use crate::{
    background::Background,
    channels::{self, Channels},
    engines::EngineSlot,
    error::ApiError,
    events::Events,
    importing::Steps,
    nodes::Applied,
    proxies::Network,
    reading::Bell,
    scanning::SuggestionCache,
    search_index::Indexes,
    shares::{Shares, Turn, Turns},
};

/// Streams of events that one account may have open: as many screens, over all its browsers.
const STREAMS: usize = 20;
/// Requests that run a model at once. Each takes a thread of its own beside the worker's.
const INFERENCES: usize = 2;
/// Requests that run a model or wait for it; each may hold an upload.
const INFERENCE_QUEUE: usize = 16;
/// Longer nobody waits for a model.
const INFERENCE_PATIENCE: Duration = Duration::from_secs(30);

/// Settings the API needs.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `/musubi`, or empty for the root.
    pub base_path: String,
    /// Cookies carry `Secure`.
    pub secure_cookies: bool,
    /// Proxies besides this machine's whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Origins besides the request's own host that may use cookies (the `public_url`).
    pub public_origin: Option<String>,
    /// TTF used in charts and pictures.
    pub font: Option<Arc<[u8]>>,
    /// Largest attachment, in bytes.
    pub attachment_bytes: usize,
}

#[derive(Clone)]
pub struct AppState(Arc<Parts>);

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

struct Parts {
    config: ApiConfig,
    db: Database,
    hub: Hub,
    log: Arc<DocumentLog>,
    engines: Arc<EngineSlot>,
    events: Events,
    applied: Applied,
    scans: tokio::sync::Mutex<()>,
    suggestions: SuggestionCache,
    rescans: tokio::sync::broadcast::Sender<DocumentId>,
    streams: Arc<Shares>,
    channels: Arc<Channels>,
    inference: Turns,
    search: Indexes,
    imports: Steps,
    unread: Bell,
    background: Background,
}

impl AppState {
    #[must_use]
    pub fn new(
        config: ApiConfig,
        db: Database,
        hub: Hub,
        log: Arc<DocumentLog>,
        engines: Arc<EngineSlot>,
    ) -> Self {
        Self(Arc::new(Parts {
            config,
            db,
            events: Events::new(hub.clone()),
            hub,
            log,
            engines,
            applied: Applied::default(),
            scans: tokio::sync::Mutex::new(()),
            suggestions: SuggestionCache::default(),
            rescans: tokio::sync::broadcast::Sender::new(4096),
            streams: Shares::new(STREAMS),
            channels: Channels::new(channels::Limits::default()),
            inference: Turns::new(INFERENCES, INFERENCE_QUEUE, INFERENCE_PATIENCE),
            search: Indexes::default(),
            imports: Steps::default(),
            unread: Bell::default(),
            background: Background::default(),
        }))
    }

    #[must_use]
    pub fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    /// Rung when an attachment has come whose text is to be read.
    pub(crate) fn unread(&self) -> &Bell {
        &self.0.unread
    }

    /// Work that gives way to people.
    pub(crate) fn background(&self) -> &Background {
        &self.0.background
    }

    #[must_use]
    pub fn db(&self) -> &Database {
        &self.0.db
    }

    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The documents' log, for versions.
    #[must_use]
    pub fn log(&self) -> &dyn UpdateLog {
        &*self.0.log
    }

    /// The same, as the store has it: for erasure.
    #[must_use]
    pub fn document_log(&self) -> &DocumentLog {
        &self.0.log
    }

    #[must_use]
    pub fn engines(&self) -> &Arc<EngineSlot> {
        &self.0.engines
    }

    #[must_use]
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Commits a change of rights: the one way to do it. Whoever it covers is asked anew, here at
    /// once and on every other node within a second.
    ///
    /// # Errors
    /// As [`Tx::commit`]; then nothing has changed.
    pub(crate) async fn commit_rights(
        &self,
        mut tx: Tx,
        municipality: &MunicipalityId,
        change: Change,
    ) -> Result<(), ApiError> {
        tx.rights_changed(municipality, change);
        for recorded in tx.commit_rights().await? {
            self.0.hub.access_changed(&recorded.change);
            self.0
                .hub
                .tell_nodes(Some(&recorded.municipality), Note::Rights);
            self.0.applied.note(recorded);
        }
        Ok(())
    }

    pub(crate) fn applied(&self) -> &Applied {
        &self.0.applied
    }

    /// This process among those that share the database.
    pub(crate) fn holder(&self) -> String {
        format!("{:016x}", self.0.hub.node().0)
    }

    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &**self.0.db.clock()
    }

    /// One scan at a time: inference is the scarce thing, and two scans of one document would
    /// undo each other's steps.
    pub(crate) async fn scan_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.scans.lock().await
    }

    /// What these texts are looked through for has changed (a name in the register, a person in the
    /// case): the worker takes them up again.
    pub(crate) fn rescan(&self, documents: &[DocumentId]) {
        for document in documents {
            // Nobody listening: the worker looks at everything when it starts.
            let _listeners = self.0.rescans.send(document.clone());
        }
    }

    pub(crate) fn rescans(&self) -> tokio::sync::broadcast::Receiver<DocumentId> {
        self.0.rescans.subscribe()
    }

    /// Open streams of events, by account.
    pub(crate) fn streams(&self) -> &Arc<Shares> {
        &self.0.streams
    }

    /// Live documents over plain HTTP.
    #[must_use]
    pub(crate) fn channels(&self) -> &Arc<Channels> {
        &self.0.channels
    }

    /// A request's turn to run a model. Hold no transaction while waiting.
    ///
    /// # Errors
    /// 503 `overloaded`.
    pub(crate) async fn inference_turn(&self) -> Result<Turn<'_>, ApiError> {
        self.0.inference.wait().await
    }

    /// The full-text indexes of this node.
    #[must_use]
    pub fn search(&self) -> &Indexes {
        &self.0.search
    }

    /// How far the imports are that this node works on.
    pub(crate) fn imports(&self) -> &Steps {
        &self.0.imports
    }

    pub(crate) fn suggestions(&self) -> &SuggestionCache {
        &self.0.suggestions
    }
}
