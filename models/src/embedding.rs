//! Sentence embeddings.

use std::path::Path;
use std::sync::Arc;

use ort::value::Tensor;
use tokenizers::Tokenizer;

use crate::manifest::Manifest;
use crate::normalise::prepare;
use crate::runtime::{Runtime, SessionPool};
use crate::{Error, Result};

/// Longest input in tokens; what is longer is embedded in pieces whose mean is taken.
const MAX_TOKENS: usize = 512;
/// Pieces of a long text, in characters (1.6 characters per token on average).
const PIECE: usize = 400;

pub struct Embedder {
    pool: Arc<SessionPool>,
    tokenizer: Tokenizer,
    dimension: usize,
    query_prefix: String,
    passage_prefix: String,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Embedder {
    /// Loads the encoder alone.
    pub fn load(runtime: &Runtime, dir: &Path, sessions: usize) -> Result<Self> {
        let manifest = Manifest::open(dir)?;
        let pool = SessionPool::new(runtime, &dir.join(&manifest.embedding.model), sessions)?;
        Self::with_pool(&manifest, dir, Arc::new(pool))
    }

    pub(crate) fn with_pool(
        manifest: &Manifest,
        dir: &Path,
        pool: Arc<SessionPool>,
    ) -> Result<Self> {
        let model = &manifest.embedding;
        Ok(Self {
            pool,
            tokenizer: Tokenizer::from_file(dir.join(&model.tokenizer))
                .map_err(|error| Error::Tokenizer(error.to_string()))?,
            dimension: model.dimension,
            query_prefix: model.query_prefix.clone(),
            passage_prefix: model.passage_prefix.clone(),
        })
    }

    /// Length of every vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Unit vector of what somebody is looking for.
    pub fn embed_query(&self, text: &str) -> Result<Vec<f32>> {
        self.embed(&self.query_prefix, text)
    }

    /// Unit vector of what is to be found.
    pub fn embed_passage(&self, text: &str) -> Result<Vec<f32>> {
        self.embed(&self.passage_prefix, text)
    }

    fn embed(&self, prefix: &str, text: &str) -> Result<Vec<f32>> {
        let chars: Vec<char> = text.chars().collect();
        let text = prepare(&chars).text;
        let whole = format!("{prefix}{text}");
        if let Some(vector) = self.embed_piece(&whole)? {
            return Ok(vector);
        }
        let chars: Vec<char> = text.chars().collect();
        let mut sum = vec![0.0; self.dimension];
        for piece in chars.chunks(PIECE) {
            let piece = format!("{prefix}{}", piece.iter().collect::<String>());
            let vector = self
                .embed_piece(&piece)?
                .ok_or_else(|| Error::Shape("tokens".to_owned()))?;
            for (total, value) in sum.iter_mut().zip(vector) {
                *total += value;
            }
        }
        normalise(&mut sum);
        Ok(sum)
    }

    /// `None` when the text is too long for one inference.
    fn embed_piece(&self, text: &str) -> Result<Option<Vec<f32>>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        let count = encoding.len();
        if count > MAX_TOKENS {
            return Ok(None);
        }
        let ids: Vec<i64> = encoding.get_ids().iter().map(|&id| i64::from(id)).collect();
        self.pool.with(|session| {
            let mask = vec![1_i64; count];
            let outputs = session.run(ort::inputs![
                "input_ids" => Tensor::from_array(([1, count], ids))?,
                "attention_mask" => Tensor::from_array(([1, count], mask))?,
            ])?;
            let (_, values) = outputs["sentence_embedding"].try_extract_tensor::<f32>()?;
            if values.len() != self.dimension {
                return Err(Error::Shape(format!("sentence_embedding {}", values.len())));
            }
            let mut vector = values.to_vec();
            normalise(&mut vector);
            Ok(Some(vector))
        })
    }
}

fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        for value in vector {
            *value /= norm;
        }
    }
}
