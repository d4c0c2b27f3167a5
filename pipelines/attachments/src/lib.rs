//! Attached files → the text in them, for the search: PDF, Word, Excel, CSV and plain text.
//!
//! Files come from strangers. Everything here is bounded where a bound can be said (unpacked bytes,
//! operations, letters); against what a parser does with a file nobody foresaw, the server runs this in
//! a process of its own with limits of the system (`musubi read-attachment`).

mod layout;
mod pdf;
mod plain;
mod table;
mod word;

use serde::{Deserialize, Serialize};

/// Longest text that is taken, in code points: a hundred full pages. More is not searched.
pub const LONGEST: usize = 100_000;

/// What came of reading a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "text", rename_all = "snake_case")]
pub enum Reading {
    /// At most [`LONGEST`] code points.
    Text(String),
    /// There is no text in it, or none that can be told: scanned pages, an empty table, letters
    /// without a table that says which they are.
    NoText,
    /// A password is needed.
    Locked,
    /// Damaged, or more than is taken into memory.
    Unreadable,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::NoText => "NoText",
            Self::Locked => "Locked",
            Self::Unreadable => "Unreadable",
        })
    }
}

type Reader = fn(&[u8]) -> Reading;

/// Kinds of files that may hold text, by media type.
const READERS: [(&str, Reader); 5] = [
    ("application/pdf", pdf::read),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        word::read,
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        table::read,
    ),
    ("text/csv", plain::read),
    ("text/plain", plain::read),
];

/// Whether files of this kind may hold text.
#[must_use]
pub fn may_hold_text(media_type: &str) -> bool {
    READERS.iter().any(|(kind, _)| *kind == media_type)
}

/// The text of a file.
#[must_use]
pub fn read(media_type: &str, bytes: &[u8]) -> Reading {
    READERS
        .iter()
        .find(|(kind, _)| *kind == media_type)
        .map_or(Reading::NoText, |(_, read)| read(bytes))
}
