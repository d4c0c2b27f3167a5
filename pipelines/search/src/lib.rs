//! Full-text search in Japanese: morphological analysis, index, query, highlights. Data in, data
//! out; who may see which entry is decided by the caller, who hands in the permitted ids.

pub mod analysis;
pub mod dictionary;
pub mod folding;
pub mod full_text;
pub mod index;
pub mod query;
pub mod sealed;

use std::path::PathBuf;

pub use analysis::{Analyzer, Morpheme, Term};
pub use full_text::FullText;
pub use index::{Entry, Hit, Index, Query};
pub use query::Search;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("辞書 {path}: {message}")]
    Dictionary { path: PathBuf, message: String },
    #[error("形態素解析: {0}")]
    Analysis(String),
    #[error("検索索引: {0}")]
    Index(#[from] tantivy::TantivyError),
    #[error("検索索引のフォルダ: {0}")]
    Directory(#[from] tantivy::directory::error::OpenDirectoryError),
    #[error("索引にない項目です: {0}")]
    UnknownField(String),
}

pub type Result<T> = std::result::Result<T, Error>;
