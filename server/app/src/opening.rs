//! From settings to an open store and a running application state.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use api::{
    access::PolicyAccess,
    engines::EngineSlot,
    state::{ApiConfig, AppState},
};
use collab::{
    Pace,
    bus::Bus,
    hub::{Hub, Limits},
};
use domain::clock::{Clock, SystemClock};
use models::Assets;
use store::{Database, Dialect, Settings, documents_log::DocumentLog, keys::KeySource, notify};

use crate::{config::Config, nats};

/// Log lines go to standard error; `MUSUBI_LOG` chooses what (`info` by default).
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MUSUBI_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn,async_nats=off"));
    let _already_started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written (a full disk) must not end who wanted to write to it: the
        // complaint about it would be printed to the same place, and printing panics then.
        .log_internal_errors(false)
        .try_init();
}

/// One runtime per process; the workers of the API never block.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("実行環境を用意できません")
}

/// Opens the store and brings its schema up to date.
pub async fn database(config: &Config) -> anyhow::Result<Database> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("データフォルダ {} を作れません", config.data.display()))?;
    let url = config
        .database_url
        .clone()
        .unwrap_or_else(|| format!("sqlite:{}", config.data.join("musubi.sqlite").display()));
    let keys = match &config.key_command {
        Some(command) => {
            KeySource::Command(command.split_whitespace().map(str::to_owned).collect())
        }
        None => match &config.keys {
            Some(folder) => KeySource::Files(folder.clone()),
            None => KeySource::in_data_dir(&config.data),
        },
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut settings = Settings::new(url, &config.data, keys, clock);
    settings.checkpoint_pages = config.log.checkpoint_pages;
    Database::open(settings)
        .await
        .context("データベースを開けません")
}

/// The assets folder, if it can be found; the server runs without it, but masks nothing new.
pub fn assets(config: &Config) -> Option<Assets> {
    match Assets::locate(config.assets.as_deref()) {
        Ok(assets) => Some(assets),
        Err(error) => {
            tracing::warn!(%error, "assets not found");
            None
        }
    }
}

/// Hub, engines and state. Call within the runtime.
pub fn application(config: &Config, db: &Database) -> AppState {
    let log = Arc::new(DocumentLog::start(db));
    let access = PolicyAccess::new(db.clone());
    let clock: Arc<dyn Clock> = Arc::clone(db.clock());
    let hub = Hub::new(
        Arc::<DocumentLog>::clone(&log),
        access,
        clock,
        Limits {
            compact_entries: config.log.compact_entries,
            compact_bytes: config.log.compact_bytes,
            ..Limits::default()
        },
        rand::random(),
    );
    if db.dialect() == Dialect::Postgres {
        hub.join_nodes(bus(config), Pace::default());
    }
    let engines = Arc::new(EngineSlot::default());
    engines.gives_back_with(crate::allocator::give_back);
    match assets(config) {
        Some(assets) => engines.open(assets, config.inference_sessions),
        None => engines.fail("assets"),
    }
    let origin = config.public_url.as_deref().map(|url| {
        let end = url
            .find("://")
            .and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
        url[..end.unwrap_or(url.len())].to_owned()
    });
    let api = ApiConfig {
        base_path: config.base_path.clone(),
        secure_cookies: config
            .public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://")),
        trusted_proxies: config
            .trusted_proxies
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect(),
        public_origin: origin,
        font: assets(config).and_then(|assets| font(&assets)),
    };
    AppState::new(api, db.clone(), hub, log, engines)
}

/// What carries hints between the nodes on one PostgreSQL. Without any they look into the log.
fn bus(config: &Config) -> Option<Arc<dyn Bus>> {
    if let Some(url) = &config.nats_url {
        return Some(nats::start(url, &config.deployment));
    }
    match notify::start(config.database_url.as_deref()?) {
        Ok(bus) => Some(bus),
        Err(error) => {
            tracing::warn!(%error, "no bus between nodes");
            None
        }
    }
}

fn font(assets: &Assets) -> Option<Arc<[u8]>> {
    let path: &Path = &assets.root().join("fonts/BIZUDPGothic-Regular.ttf");
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::warn!(%error, "font for charts not found");
            None
        }
    }
}
