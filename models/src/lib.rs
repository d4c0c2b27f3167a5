//! Inference with the ONNX models that ship in `models/artifacts`: named entities and sentence
//! embeddings. No database, no HTTP, no async runtime: callers are on threads that may block.
//!
//! **Invariant:** nothing is loaded whose SHA-256 differs from the manifest.
//! **Invariant:** a result depends on its own text only. Quantised activations are scaled over the
//! whole batch, so every inference runs with batch size 1.

pub mod assets;
pub mod embedding;
pub mod manifest;
pub mod ner;
pub mod normalise;
pub mod runtime;
mod viterbi;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use assets::Assets;
pub use embedding::Embedder;
pub use manifest::Manifest;
pub use ner::{Entity, Ner, NerLabel, Reading};
pub use runtime::{Runtime, SessionPool};

/// Why a model could not be loaded or run. Texts are never part of a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("資産フォルダが見つかりません（{0}）。`make setup` を実行してください")]
    AssetsMissing(String),
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {message}")]
    Format { path: PathBuf, message: String },
    #[error("{path}: SHA-256 が manifest.json と一致しません。モデルを入れ直してください")]
    HashMismatch { path: PathBuf },
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
    #[error("トークナイザ: {0}")]
    Tokenizer(String),
    #[error("モデルの出力の形が想定と違います: {0}")]
    Shape(String),
}

impl<T> From<ort::Error<T>> for Error {
    fn from(error: ort::Error<T>) -> Self {
        Self::Runtime(error.to_string())
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Both models, sharing one pool of sessions where the manifest names one file for both.
#[derive(Debug, Clone)]
pub struct Models {
    pub ner: Arc<Ner>,
    pub embedder: Arc<Embedder>,
    /// Version of the artifacts, stored beside every vector and suggestion made with them.
    pub version: String,
}

impl Models {
    /// Checks the manifest in `dir`, then loads. `sessions` bounds how many inferences run at once
    /// (each holds about 100 MB); two suit a machine with two cores.
    pub fn load(runtime: &Runtime, dir: &Path, sessions: usize) -> Result<Self> {
        let manifest = Manifest::open(dir)?;
        let ner_pool = Arc::new(SessionPool::new(
            runtime,
            &dir.join(&manifest.ner.model),
            sessions,
        )?);
        let embedding_pool = if manifest.ner.model == manifest.embedding.model {
            Arc::clone(&ner_pool)
        } else {
            Arc::new(SessionPool::new(
                runtime,
                &dir.join(&manifest.embedding.model),
                sessions,
            )?)
        };
        Ok(Self {
            ner: Arc::new(Ner::with_pool(&manifest, dir, ner_pool)?),
            embedder: Arc::new(Embedder::with_pool(&manifest, dir, embedding_pool)?),
            version: manifest.version,
        })
    }

    /// Loads from the assets directory: ONNX Runtime first, then the models.
    pub fn from_assets(assets: &Assets, sessions: usize) -> Result<Self> {
        let runtime = Runtime::init(&assets.onnxruntime()?)?;
        Self::load(&runtime, &assets.models()?, sessions)
    }
}
