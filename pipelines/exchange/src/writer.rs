//! Writing CSV.

use serde::Serialize;

use crate::encoding::{Encoding, Unencodable, WhenUnencodable, to_cp932};
use crate::starts_formula;

/// One column of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Japanese header.
    pub label: String,
    /// Identifier for the optional second row.
    pub id: String,
    /// Figures counted by the program: `-5` is a number here, not a formula.
    pub number: bool,
}

impl Column {
    #[must_use]
    pub fn text(label: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            id: id.into(),
            number: false,
        }
    }

    #[must_use]
    pub fn number(label: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            id: id.into(),
            number: true,
        }
    }
}

#[derive(Debug, Clone)]
pub struct WriteOptions {
    pub encoding: Encoding,
    pub when_unencodable: WhenUnencodable,
    /// A second row with the identifiers.
    pub identifiers: bool,
    /// `'` before cells that would run as formulas.
    pub guard_formulas: bool,
    /// Definition of the figures and the like: written above the header, each line marked `#`.
    pub notes: Vec<String>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            encoding: Encoding::Utf8Bom,
            when_unencodable: WhenUnencodable::Refuse,
            identifiers: false,
            guard_formulas: true,
            notes: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    /// What was replaced by 〓. Empty unless asked for.
    pub replaced: Vec<Unencodable>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    #[error("CP932で表せない文字が{}か所あります。UTF-8で出力するか、〓への置換を選んでください", .0.len())]
    Unencodable(Vec<Unencodable>),
    #[error("{row}行目の列数が見出しと違います（見出し{expected}列、行{found}列）")]
    Ragged {
        row: usize,
        expected: usize,
        found: usize,
    },
    #[error("列がありません")]
    NoColumns,
    #[error("この文字コードでは出力できません")]
    Encoding,
    #[error("CSVを組み立てられませんでした")]
    Build,
}

/// Writes header, rows and notes. Cells stay as they are: a leading zero is text and remains.
pub fn write(
    columns: &[Column],
    rows: &[Vec<String>],
    options: &WriteOptions,
) -> Result<Output, WriteError> {
    if columns.is_empty() {
        return Err(WriteError::NoColumns);
    }
    let mut lines: Vec<Vec<String>> = options
        .notes
        .iter()
        .map(|note| vec![format!("# {}", one_line(note))])
        .collect();
    lines.push(columns.iter().map(|c| c.label.clone()).collect());
    if options.identifiers {
        lines.push(columns.iter().map(|c| c.id.clone()).collect());
    }
    let above = lines.len();
    lines.extend(cells(columns, rows, options, above)?);
    let mut out = encode(&lines, options, 0)?;
    if options.encoding == Encoding::Utf8Bom {
        out.bytes.splice(0..0, *b"\xef\xbb\xbf");
    }
    Ok(out)
}

/// Writes more rows of a file that [`write`] began; `above` = lines that stand there already.
pub fn append(
    columns: &[Column],
    rows: &[Vec<String>],
    options: &WriteOptions,
    above: usize,
) -> Result<Output, WriteError> {
    let lines = cells(columns, rows, options, above)?;
    encode(&lines, options, above)
}

fn cells(
    columns: &[Column],
    rows: &[Vec<String>],
    options: &WriteOptions,
    above: usize,
) -> Result<Vec<Vec<String>>, WriteError> {
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            if row.len() != columns.len() {
                return Err(WriteError::Ragged {
                    row: above + at + 1,
                    expected: columns.len(),
                    found: row.len(),
                });
            }
            let guarded = row.iter().zip(columns).map(|(cell, column)| {
                if options.guard_formulas && !column.number {
                    guard(cell)
                } else {
                    cell.clone()
                }
            });
            Ok(guarded.collect())
        })
        .collect()
}

fn encode(
    lines: &[Vec<String>],
    options: &WriteOptions,
    above: usize,
) -> Result<Output, WriteError> {
    match options.encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => Ok(Output {
            bytes: csv_bytes(lines)?,
            replaced: vec![],
        }),
        Encoding::Cp932 => {
            let mut replaced = Vec::new();
            let mut encoded: Vec<Vec<Vec<u8>>> = Vec::with_capacity(lines.len());
            for (row, line) in lines.iter().enumerate() {
                let mut cells = Vec::with_capacity(line.len());
                for (column, cell) in line.iter().enumerate() {
                    let (bytes, lost) = to_cp932(cell);
                    replaced.extend(lost.into_iter().map(|text| Unencodable {
                        row: above + row + 1,
                        column: column + 1,
                        text,
                    }));
                    cells.push(bytes);
                }
                encoded.push(cells);
            }
            if !replaced.is_empty() && options.when_unencodable == WhenUnencodable::Refuse {
                return Err(WriteError::Unencodable(replaced));
            }
            Ok(Output {
                bytes: csv_bytes(&encoded)?,
                replaced,
            })
        }
        Encoding::Utf16 => Err(WriteError::Encoding),
    }
}

/// `'` before what would run as a formula; also before text that already looks guarded, so that
/// the reader can take exactly one `'` away again.
fn guard(cell: &str) -> String {
    if starts_formula(cell.trim_start_matches('\'')) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn one_line(note: &str) -> String {
    note.replace(['\r', '\n'], " ")
}

/// Quoting is safe on CP932 bytes: its second bytes start at 0x40, so none is `"`, `,`, CR or LF.
fn csv_bytes<C: AsRef<[u8]>>(lines: &[Vec<C>]) -> Result<Vec<u8>, WriteError> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(|_| WriteError::Build)?;
    }
    writer.into_inner().map_err(|_| WriteError::Build)
}
