//! `musubi serve`: the server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use api::{nodes, state::AppState, worker};
use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Options},
    opening,
};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    /// 待ち受けるアドレスとポート（ポート 0 は空きを選ぶ）
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// このパスの下で動かす（リバースプロキシ用）
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// モデル・辞書・書体の置き場所
    #[arg(long, value_name = "DIR")]
    pub assets: Option<PathBuf>,
}

impl Arguments {
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.options)?;
        if let Some(listen) = &self.listen {
            config.listen.clone_from(listen);
        }
        if let Some(path) = &self.base_path {
            config.set_base_path(path)?;
        }
        if let Some(assets) = &self.assets {
            config.assets = Some(assets.clone());
        }
        Ok(config)
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    opening::start_logging();
    let config = arguments.config()?;
    opening::runtime()?.block_on(async {
        let db = opening::database(&config).await?;
        serve(&config, opening::application(&config, &db), None).await
    })
}

/// Listens until told to stop; then everything received is made durable before the doors close.
pub async fn serve(config: &Config, state: AppState, notice: Option<String>) -> anyhow::Result<()> {
    // A file at its largest allowed size is an error of that write, not the end of the process:
    // a handler once installed stays, and the write returns EFBIG.
    let _file_size = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    let listener = TcpListener::bind(&config.listen).await.with_context(|| {
        format!(
            "{} で待ち受けられません。ほかのプログラムが使っていないか確かめてください",
            config.listen
        )
    })?;
    let address = listener.local_addr()?;
    // Small frames must not wait for the next one.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay not set");
        }
    });
    println!(
        "結（むすび）は http://{address}{}/ で動いています（止めるには Ctrl+C）",
        config.base_path
    );
    if let Some(notice) = notice {
        println!("{notice}");
    }

    let stop = CancellationToken::new();
    let working = tokio::spawn(worker::run(state.clone(), stop.clone()));
    let following = tokio::spawn(nodes::follow(state.clone(), stop.clone()));
    let app = api::router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let closing = {
        let (state, stop) = (state.clone(), stop.clone());
        async move {
            asked_to_stop().await;
            tracing::info!("stopping");
            stop.cancel();
            if !state.hub().shutdown(Duration::from_secs(10)).await {
                tracing::warn!("documents did not drain in time");
            }
        }
    };
    // Event streams never end by themselves.
    let deadline = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(12)).await;
        }
    };
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(closing) => served?,
        () = deadline => {}
    }
    stop.cancel();
    let both = async { tokio::join!(working, following) };
    let _finished = tokio::time::timeout(Duration::from_secs(5), both).await;
    state.db().close().await;
    Ok(())
}

async fn asked_to_stop() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
