//! What the model files are, where they come from, and how they were measured.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ner::NerLabel;
use crate::{Error, Result};

/// `models/artifacts/manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Changes with every new set of artifacts: vectors of two versions cannot be compared.
    pub version: String,
    pub files: Vec<Artifact>,
    pub ner: NerModel,
    pub embedding: EmbeddingModel,
}

/// One file beside the manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    /// SPDX expression.
    pub licence: String,
    /// Data and models it was made from, with their licences.
    #[serde(default)]
    pub data: Vec<String>,
    /// Measured figures by name.
    #[serde(default)]
    pub scores: BTreeMap<String, f64>,
}

/// The token classifier.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NerModel {
    pub model: String,
    pub tokenizer: String,
    /// Output classes in order, in the BIOES scheme: `O`, `B-人名`, `I-人名`, …
    pub classes: Vec<String>,
    /// Type name in `classes` → label of this system.
    pub labels: BTreeMap<String, NerLabel>,
    /// Added to the logit of `O` before decoding: negative finds more and errs more.
    #[serde(default)]
    pub outside_bias: f32,
    /// The tokenizer has a piece for line breaks ([`crate::ner::LINE_BREAK`]) and the model was trained
    /// with them; otherwise it reads them as spaces.
    #[serde(default)]
    pub line_breaks: bool,
}

/// The sentence encoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingModel {
    pub model: String,
    pub tokenizer: String,
    pub dimension: usize,
    pub query_prefix: String,
    pub passage_prefix: String,
}

impl Manifest {
    /// Reads the manifest in `dir` and checks size and SHA-256 of every file it names.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("manifest.json");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| Error::Format {
            path: path.clone(),
            message: error.to_string(),
        })?;
        for used in [
            &manifest.ner.model,
            &manifest.ner.tokenizer,
            &manifest.embedding.model,
            &manifest.embedding.tokenizer,
        ] {
            if !manifest.files.iter().any(|artifact| artifact.file == *used) {
                return Err(Error::Format {
                    path,
                    message: format!("{used}: files に記載がありません"),
                });
            }
        }
        for artifact in &manifest.files {
            artifact.check(dir)?;
        }
        Ok(manifest)
    }
}

impl Artifact {
    fn check(&self, dir: &Path) -> Result<()> {
        let path = dir.join(&self.file);
        let (bytes, hash) = sha256(&path)?;
        if bytes == self.bytes && hash.eq_ignore_ascii_case(&self.sha256) {
            Ok(())
        } else {
            Err(Error::HashMismatch { path })
        }
    }
}

fn sha256(path: &Path) -> Result<(u64, String)> {
    let io = |source| Error::Io {
        path: PathBuf::from(path),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        if read == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        bytes += read as u64;
        digest.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, contents: &str) {
        std::fs::write(dir.join("m.onnx"), contents).unwrap();
    }

    fn manifest(dir: &Path, sha256: &str) {
        let json = serde_json::json!({
            "version": "1",
            "files": [{"file": "m.onnx", "sha256": sha256, "bytes": 5, "licence": "MIT"}],
            "ner": {"model": "m.onnx", "tokenizer": "m.onnx", "classes": ["O"], "labels": {}},
            "embedding": {"model": "m.onnx", "tokenizer": "m.onnx", "dimension": 1, "query_prefix": "", "passage_prefix": ""},
        });
        std::fs::write(dir.join("manifest.json"), json.to_string()).unwrap();
    }

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        manifest(dir.path(), HELLO);
        write(dir.path(), "hello");
        Manifest::open(dir.path()).unwrap();
        write(dir.path(), "hellO");
        assert!(matches!(
            Manifest::open(dir.path()),
            Err(Error::HashMismatch { .. })
        ));
        write(dir.path(), "hello!");
        assert!(matches!(
            Manifest::open(dir.path()),
            Err(Error::HashMismatch { .. })
        ));
    }

    #[test]
    fn a_file_without_an_entry_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        manifest(dir.path(), HELLO);
        write(dir.path(), "hello");
        let path = dir.path().join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap().replacen(
            "\"tokenizer\":\"m.onnx\"",
            "\"tokenizer\":\"t.json\"",
            1,
        );
        std::fs::write(&path, text).unwrap();
        assert!(matches!(
            Manifest::open(dir.path()),
            Err(Error::Format { .. })
        ));
    }
}
