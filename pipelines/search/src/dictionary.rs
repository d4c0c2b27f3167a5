//! Builds the morphological dictionary from IPADIC's MeCab sources (UTF-8 CSV). Done once by the
//! setup script, so that no dictionary is compiled in or fetched at build time.

use std::path::Path;

use lindera_dictionary::builder::DictionaryBuilder;
use lindera_dictionary::dictionary::metadata::Metadata;

use crate::{Error, Result};

/// Builds the CSV and `.def` files in `source` into the folder `out` (46 MB, some seconds). `out`
/// appears complete or not at all.
pub fn build(source: &Path, out: &Path) -> Result<()> {
    let error = |message: String| Error::Dictionary {
        path: source.to_path_buf(),
        message,
    };
    if !source.join("matrix.def").is_file() {
        return Err(error("matrix.def がありません".to_owned()));
    }
    let metadata: Metadata = serde_json::from_str(include_str!("../data/ipadic-metadata.json"))
        .map_err(|cause| error(cause.to_string()))?;
    let partial = out.with_extension("partial");
    let _ = std::fs::remove_dir_all(&partial);
    DictionaryBuilder::new(metadata)
        .build_dictionary(source, &partial)
        .map_err(|cause| error(cause.to_string()))?;
    let _ = std::fs::remove_dir_all(out);
    std::fs::rename(&partial, out).map_err(|cause| error(cause.to_string()))
}
