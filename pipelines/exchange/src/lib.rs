//! Files in and out: CSV, what the sheets are made of, and a real workbook's headers against them.
//! CSV by the conventions of the data catalogue (§4): UTF-8 with or without BOM
//! or CP932, CRLF, RFC 4180, a Japanese header, optionally a second row of identifiers, cells that
//! spreadsheet programs would run as formulas defused.

pub mod archive;
mod book;
mod cell;
mod dictionary;
mod encoding;
mod reader;
mod rows;
mod table;
mod workbook;
mod writer;

pub use cell::{CellError, Read, option_code, read_cell, write_cell};
pub use dictionary::{Listing, csv_specification, dictionary, json_schema};

pub use encoding::{Encoding, Unencodable, WhenUnencodable};
pub use reader::{MAX_BYTES, ReadError, Record, RowError, Sheet, read};
pub use rows::{
    ADDRESS, Choices, Layout, MAX_ROWS, Mapping, Row, Target, Trouble, Understood, WITHHELD,
    read_any, targets, understand,
};
pub use table::{Kind, SHEETS, Table, TableColumn, table, table_id, tables, tables_of};
pub use workbook::{
    Comparison, Header, LIKENESS, Matched, Missing, WorkbookError, compare, headers,
};
pub use writer::{Column, Output, WriteError, WriteOptions, append, write};

/// Would a spreadsheet program run a cell that starts like this? Full-width forms too: Japanese
/// Excel takes them for the half-width ones.
pub(crate) fn starts_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}
