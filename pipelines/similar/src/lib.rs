//! Like cases: which earlier cases resemble this one, and why. Works on masked texts and on vectors
//! made from them; who may see which case is decided by the caller, who hands in the candidates.

mod corpus;
mod lexical;
pub mod lines;
mod resource;
mod sentences;
mod sieve;

pub use corpus::{
    Corpus, Entry, Hit, Reason, Search, nearest_passage, passages, query_vector, vectors_of,
};
pub use resource::Resource;
pub use sieve::Sieve;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Model(#[from] models::Error),
    #[error(transparent)]
    Search(#[from] search::Error),
    /// A broken input line: where, 1-based number, and what is wrong with it.
    #[error("{source_name} {line} 行目: {message}")]
    Line {
        source_name: String,
        line: usize,
        message: String,
    },
    #[error("入出力: {0}")]
    Io(#[from] std::io::Error),
    #[error("ベクトルの長さが {found} です（{expected} のはず）")]
    Dimension { expected: usize, found: usize },
}

impl Error {
    /// Whether the caller's input is at fault (exit code 2) rather than the machine (1).
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

pub type Result<T> = std::result::Result<T, Error>;
