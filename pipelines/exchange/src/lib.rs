//! Files in and out. CSV by the conventions of the data catalogue (§4): UTF-8 with or without BOM
//! or CP932, CRLF, RFC 4180, a Japanese header, optionally a second row of identifiers, cells that
//! spreadsheet programs would run as formulas defused.

mod encoding;
mod reader;
mod writer;

pub use encoding::{Encoding, Unencodable, WhenUnencodable};
pub use reader::{ReadError, Record, RowError, Sheet, read};
pub use writer::{Column, Output, WriteError, WriteOptions, write};

/// Would a spreadsheet program run a cell that starts like this? Full-width forms too: Japanese
/// Excel takes them for the half-width ones.
pub(crate) fn starts_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}
