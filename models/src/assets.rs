//! Where the files that are not part of the binary lie: the ONNX Runtime library, the dictionary
//! and the models.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The assets directory, put together by the setup script.
#[derive(Debug, Clone)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `explicit` (a command-line argument), else the environment's `MUSUBI_ASSETS`, else a folder
    /// `assets` beside the executable or up to three levels above it (`target/assets` for a binary
    /// in `target/release` and for tests in `target/debug/deps`).
    pub fn locate(explicit: Option<&Path>) -> Result<Self> {
        if let Some(path) = explicit {
            return Self::existing(path.to_path_buf());
        }
        if let Some(path) = std::env::var_os("MUSUBI_ASSETS") {
            return Self::existing(PathBuf::from(path));
        }
        let exe = std::env::current_exe().map_err(|source| Error::Io {
            path: PathBuf::from("current_exe"),
            source,
        })?;
        exe.ancestors()
            .skip(1)
            .take(4)
            .map(|folder| folder.join("assets"))
            .find(|folder| folder.is_dir())
            .map(Self::at)
            .ok_or_else(|| Error::AssetsMissing("MUSUBI_ASSETS".to_owned()))
    }

    fn existing(root: PathBuf) -> Result<Self> {
        if root.is_dir() {
            Ok(Self { root })
        } else {
            Err(Error::AssetsMissing(root.display().to_string()))
        }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `libonnxruntime.so.*` (or `.dylib`) in the assets directory.
    pub fn onnxruntime(&self) -> Result<PathBuf> {
        let entries = std::fs::read_dir(&self.root).map_err(|source| Error::Io {
            path: self.root.clone(),
            source,
        })?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| {
                        name.starts_with("libonnxruntime.so")
                            || name == "libonnxruntime.dylib"
                            || name == "onnxruntime.dll"
                    })
            })
            .collect();
        found.sort();
        found
            .pop()
            .ok_or_else(|| Error::AssetsMissing("libonnxruntime".to_owned()))
    }

    /// The folder with the built morphological dictionary.
    pub fn dictionary(&self) -> Result<PathBuf> {
        let path = self.root.join("dictionary");
        if path.join("metadata.json").is_file() {
            Ok(path)
        } else {
            Err(Error::AssetsMissing(path.display().to_string()))
        }
    }

    /// `MUSUBI_MODELS`, else `models` in the assets directory (an installed copy), else
    /// `models/artifacts` in a folder above it (a work tree).
    pub fn models(&self) -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("MUSUBI_MODELS") {
            return Ok(PathBuf::from(path));
        }
        let installed = self.root.join("models");
        if installed.join("manifest.json").is_file() {
            return Ok(installed);
        }
        let root = self
            .root
            .canonicalize()
            .unwrap_or_else(|_| self.root.clone());
        root.ancestors()
            .map(|folder| folder.join("models/artifacts"))
            .find(|folder| folder.join("manifest.json").is_file())
            .ok_or_else(|| Error::AssetsMissing(installed.display().to_string()))
    }
}
