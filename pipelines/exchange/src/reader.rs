//! Reading CSV that people or other programs made.

use serde::Serialize;

use crate::encoding::{Encoding, decode};
use crate::starts_formula;

/// Largest file read at once.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Line of the file on which the record starts, from 1.
    pub line: u64,
    pub cells: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    pub encoding: Encoding,
    /// Lines above the header marked `#`, without the mark.
    pub notes: Vec<String>,
    pub header: Vec<String>,
    pub header_line: u64,
    pub records: Vec<Record>,
    /// Records that were left out, with the reason.
    pub errors: Vec<RowError>,
}

impl Sheet {
    /// Takes the identifier row off when the first record is one (all cells equal the given ids).
    pub fn take_identifiers(&mut self, ids: &[&str]) -> bool {
        let is_one = self.records.first().is_some_and(|record| {
            record
                .cells
                .iter()
                .map(String::as_str)
                .eq(ids.iter().copied())
        });
        if is_one {
            self.records.remove(0);
        }
        is_one
    }

    /// Position of a column by its header.
    #[must_use]
    pub fn column(&self, label: &str) -> Option<usize> {
        self.header.iter().position(|cell| cell == label)
    }
}

/// What is wrong in one line. `code` is stable; the message names line and column, never content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowError {
    pub line: u64,
    pub column: Option<usize>,
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    #[error("ファイルが大きすぎます（{found}バイト）。{limit}バイトまで取り込めます")]
    TooLarge { found: usize, limit: usize },
    #[error("ファイルが空です")]
    Empty,
    #[error("文字コードを判別できません。UTF-8またはCP932（シフトJIS）で保存し直してください")]
    Encoding,
    #[error(
        "CSVではないようです（制御文字が含まれています）。Excelの場合は「CSV UTF-8」で保存してください"
    )]
    Binary,
    #[error("{line}行目で始まる引用符（\"）が閉じられていません")]
    OpenQuote { line: u64 },
    #[error(
        "Excelファイル（.xlsx）として読めません。壊れている、古い形式（.xls）、またはパスワードで保護されています。Excelで開き、表だけを新しいブックに貼り付けて .xlsx で保存し直してください"
    )]
    Workbook,
    #[error(
        "Excelファイル（.xlsx）の中身が大きすぎます（展開すると256 MBを超える、セルが400万を超える、または表から遠く離れたセルに値があります）。表だけを新しいブックに貼り付け、多いときは分けて .xlsx で保存し直してください"
    )]
    TooMuch,
}

/// Reads header and records. Rows whose number of cells differs from the header are reported in
/// `errors` and left out; everything else in the file is still read.
pub fn read(bytes: &[u8]) -> Result<Sheet, ReadError> {
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::TooLarge {
            found: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    let (text, encoding) = decode(bytes).ok_or(ReadError::Encoding)?;
    if text.contains('\0') {
        return Err(ReadError::Binary);
    }
    if let Some(line) = open_quote(&text) {
        return Err(ReadError::OpenQuote { line });
    }
    // Excel's「Unicode テキスト」is tab-separated.
    let first = text
        .lines()
        .find(|line| !line.starts_with('#'))
        .unwrap_or_default();
    let delimiter = if !first.contains(',') && first.contains('\t') {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut sheet = Sheet {
        encoding,
        notes: vec![],
        header: vec![],
        header_line: 0,
        records: vec![],
        errors: vec![],
    };
    let mut lines = Lines {
        text: text.as_bytes(),
        byte: 0,
        line: 1,
    };
    for record in reader.records() {
        // The text is valid UTF-8 and the reader flexible: nothing else can fail.
        let Ok(record) = record else { continue };
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if sheet.header.is_empty() {
            match record.get(0).and_then(|cell| cell.strip_prefix('#')) {
                Some(note) if record.len() == 1 => sheet.notes.push(note.trim_start().to_owned()),
                _ if record.iter().all(str::is_empty) => {}
                _ => {
                    sheet.header = record.iter().map(|cell| cell.trim().to_owned()).collect();
                    sheet.header_line = line;
                }
            }
            continue;
        }
        if record.len() != sheet.header.len() {
            sheet.errors.push(RowError {
                line,
                column: None,
                code: "column_count",
                message: format!(
                    "{line}行目の列数が見出しと違います（見出し{}列、この行{}列）",
                    sheet.header.len(),
                    record.len()
                ),
            });
            continue;
        }
        sheet.records.push(Record {
            line,
            cells: record.iter().map(unguard).collect(),
        });
    }
    if sheet.header.is_empty() {
        Err(ReadError::Empty)
    } else {
        Ok(sheet)
    }
}

/// Line numbers for growing positions. The CSV reader's own count is one short after CRLF, because
/// it sets the start of a record before the LF.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    fn at(&mut self, byte: u64) -> u64 {
        let target = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(c) = self.text.get(self.byte) {
            // Line ends at the position itself belong to what came before.
            if self.byte >= target && !matches!(c, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*c == b'\n');
            self.byte += 1;
        }
        self.line
    }
}

/// Takes away the one `'` the writer put before a formula.
fn unguard(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if starts_formula(rest.trim_start_matches('\'')) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

/// Line of a quoted cell that never ends. A quote opens a cell only at its start.
fn open_quote(text: &str) -> Option<u64> {
    let mut line = 1_u64;
    let mut opened: Option<u64> = None;
    let mut at_start = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match (opened, c) {
            (Some(_), '"') => {
                if chars.peek() == Some(&'"') {
                    chars.next();
                } else {
                    opened = None;
                    at_start = false;
                }
            }
            (Some(_), _) => {}
            (None, '"') if at_start => opened = Some(line),
            (None, ',' | '\n' | '\r' | '\t') => at_start = true,
            (None, _) => at_start = false,
        }
    }
    opened
}
