//! Files of any kind to rows of a standard file: which column of the file is which of ours, what each
//! cell says, what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use calamine::{Data, Reader};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::{self, BookError};
use crate::cell::{fold, option_code, read_cell, write_cell};
use crate::encoding::Encoding;
use crate::reader::{ReadError, Record, Sheet, read};
use crate::table::{Kind, Table};
use crate::writer::Column;

/// Most rows of one import.
pub const MAX_ROWS: usize = 50_000;
/// Stands in a file for a text that must not leave now.
pub const WITHHELD: &str = "（確認中のため出力していません）";
/// Stands in a file for what 住所秘匿 protects.
pub const ADDRESS: &str = "（住所秘匿の方がいるため出力していません）";
/// Longest cell that is looked at, in code points.
const MAX_CELL: usize = 100_000;

/// Names that others use, for our identifiers and codes. Keys are folded by [`Mapping::folded`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Header → identifier of the column; empty: the column is left out.
    pub columns: BTreeMap<String, String>,
    /// Column → name of an option → code.
    pub options: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mapping {
    /// The same mapping with its names in the form in which they are compared.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self {
            columns: self
                .columns
                .iter()
                .map(|(name, id)| (fold(name), id.clone()))
                .collect(),
            options: self
                .options
                .iter()
                .map(|(column, names)| {
                    let names = names.iter().map(|(name, code)| (fold(name), code.clone()));
                    (column.clone(), names.collect())
                })
                .collect(),
        }
    }
}

/// What a column of the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Column(usize),
    /// A 0/1 column of one option.
    Option(usize, String),
    /// Known, and left alone: written by exports, or left out by the mapping.
    Ignored,
    Unknown,
}

/// Reads a CSV file or a workbook (its first sheet with anything in it).
///
/// # Errors
/// As [`read`]; [`ReadError::Workbook`] for a workbook that cannot be read.
pub fn read_any(bytes: &[u8]) -> Result<Sheet, ReadError> {
    let workbook = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0");
    if workbook {
        read_workbook(bytes)
    } else {
        read(bytes)
    }
}

fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        Data::DateTime(at) => date_time_text(*at),
        // #N/A and the like: nothing that could be taken over.
        _ => String::new(),
    }
}

/// ISO text of a workbook's date.
fn date_time_text(at: calamine::ExcelDateTime) -> String {
    let (year, month, day, hour, minute, ..) = at.to_ymd_hms_milli();
    if hour == 0 && minute == 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}")
    }
}

fn read_workbook(bytes: &[u8]) -> Result<Sheet, ReadError> {
    if bytes.len() > crate::reader::MAX_BYTES {
        return Err(ReadError::TooLarge {
            found: bytes.len(),
            limit: crate::reader::MAX_BYTES,
        });
    }
    let mut book = book::open(bytes).map_err(|error| match error {
        BookError::NotAWorkbook => ReadError::Workbook,
        BookError::TooMuch => ReadError::TooMuch,
    })?;
    for name in book.sheet_names() {
        let Some(range) = book::sheet(&mut book, &name).map_err(|_| ReadError::TooMuch)? else {
            continue;
        };
        let top = u64::from(range.start().map_or(0, |(row, _)| row));
        let mut sheet = Sheet {
            encoding: Encoding::Utf8,
            notes: Vec::new(),
            header: Vec::new(),
            header_line: 0,
            records: Vec::new(),
            errors: Vec::new(),
        };
        for (row, line) in range.rows().zip(top + 1..) {
            let mut cells: Vec<String> = row.iter().map(cell_text).collect();
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if sheet.header.is_empty() {
                let filled = cells.iter().filter(|cell| !cell.trim().is_empty()).count();
                // A title above the header.
                if filled == 1 && cells.len() > 2 {
                    sheet.notes.push(cells.concat());
                    continue;
                }
                while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
                    cells.pop();
                }
                sheet.header = cells.iter().map(|cell| cell.trim().to_owned()).collect();
                sheet.header_line = line;
                continue;
            }
            cells.resize(sheet.header.len(), String::new());
            sheet.records.push(Record { line, cells });
        }
        if !sheet.header.is_empty() {
            return Ok(sheet);
        }
    }
    Err(ReadError::Empty)
}

/// Finds for every header of the file the column it stands for.
#[must_use]
pub fn targets(table: &Table, header: &[String], mapping: &Mapping) -> Vec<Target> {
    let mut known: BTreeMap<String, Target> = BTreeMap::new();
    for (at, column) in table.columns.iter().enumerate() {
        let target = |option: Option<&str>| match (column.output_only, option) {
            (true, _) => Target::Ignored,
            (false, None) => Target::Column(at),
            (false, Some(code)) => Target::Option(at, code.to_owned()),
        };
        for name in [&column.label, &column.id] {
            known.entry(fold(name)).or_insert_with(|| target(None));
        }
        if column.kind == Kind::Multi
            && let Some(list) = &column.options
        {
            for option in &list.options {
                for name in [
                    format!("{}：{}", column.label, option.label),
                    format!("{}:{}", column.id, option.code),
                ] {
                    known
                        .entry(fold(&name))
                        .or_insert_with(|| target(Some(&option.code)));
                }
            }
        }
    }
    header
        .iter()
        .map(|name| {
            let folded = fold(name);
            if let Some(id) = mapping.columns.get(&folded) {
                return if id.is_empty() {
                    Target::Ignored
                } else {
                    known.get(&fold(id)).cloned().unwrap_or(Target::Unknown)
                };
            }
            if folded.is_empty() {
                return Target::Ignored;
            }
            known.get(&folded).cloned().unwrap_or(Target::Unknown)
        })
        .collect()
}

/// Something that is wrong at one place of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Identifier of the column; `None`: the row as a whole.
    pub column: Option<String>,
    /// Header in the file.
    pub header: Option<String>,
    pub code: String,
    pub message: String,
}

/// A row as it is understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column → value; only columns that stand in the file. `Null`: the cell is empty.
    pub values: BTreeMap<String, Value>,
    pub errors: Vec<Trouble>,
    /// What was mended.
    pub notes: Vec<Trouble>,
}

/// A file as rows of a standard file.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    pub encoding: Encoding,
    pub header: Vec<String>,
    /// Headers that are none of ours: offered for mapping.
    pub unknown_headers: Vec<String>,
    /// Column → names that are no option of it: offered for mapping.
    pub unknown_options: BTreeMap<String, BTreeSet<String>>,
    /// Required columns that the file does not have, by label.
    pub missing: Vec<String>,
    /// Columns of ours that two headers stand for, by label.
    pub doubled: Vec<String>,
    pub rows: Vec<Row>,
}

/// Most names of options that are offered for mapping, per column.
const MAX_NAMES: usize = 50;

/// Reads the records of a file against a standard file. `step` hears after each thousand rows how many
/// are done.
#[must_use]
pub fn understand(
    table: &Table,
    mut sheet: Sheet,
    mapping: &Mapping,
    mut step: impl FnMut(usize),
) -> Understood {
    let mapping = mapping.folded();
    let targets = targets(table, &sheet.header, &mapping);
    take_identifier_row(table, &mut sheet, &targets);
    let unknown_headers = sheet
        .header
        .iter()
        .zip(&targets)
        .filter(|(_, target)| **target == Target::Unknown)
        .map(|(name, _)| name.clone())
        .collect();
    let mut seen = BTreeSet::new();
    let mut doubled = Vec::new();
    for target in &targets {
        let key = match target {
            Target::Column(at) => (*at, String::new()),
            Target::Option(at, code) => (*at, code.clone()),
            _ => continue,
        };
        let at = key.0;
        if !seen.insert(key) {
            doubled.push(table.columns[at].label.clone());
        }
    }
    let present: BTreeSet<usize> = seen.iter().map(|(at, _)| *at).collect();
    let missing = table
        .columns
        .iter()
        .enumerate()
        .filter(|(at, column)| column.required && !column.output_only && !present.contains(at))
        .map(|(_, column)| column.label.clone())
        .collect();
    let mut unknown_options: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rows: Vec<Row> = sheet
        .errors
        .iter()
        .map(|error| Row {
            line: error.line,
            values: BTreeMap::new(),
            errors: vec![Trouble {
                column: None,
                header: None,
                code: error.code.to_owned(),
                message: error.message.clone(),
            }],
            notes: Vec::new(),
        })
        .collect();
    for (done, record) in sheet.records.iter().enumerate() {
        if record.cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        rows.push(row(
            table,
            &sheet.header,
            &targets,
            &mapping,
            record,
            &mut unknown_options,
        ));
        if done % 1000 == 999 {
            step(done + 1);
        }
    }
    rows.sort_by_key(|row| row.line);
    Understood {
        encoding: sheet.encoding,
        header: sheet.header,
        unknown_headers,
        unknown_options,
        missing,
        doubled,
        rows,
    }
}

/// The second line of an export may hold the identifiers.
fn take_identifier_row(table: &Table, sheet: &mut Sheet, targets: &[Target]) {
    let Some(first) = sheet.records.first() else {
        return;
    };
    let mut same = 0;
    for (cell, target) in first.cells.iter().zip(targets) {
        let id = match target {
            Target::Column(at) => table.columns[*at].id.clone(),
            Target::Option(at, code) => format!("{}:{code}", table.columns[*at].id),
            _ => continue,
        };
        if *cell != id {
            return;
        }
        same += 1;
    }
    if same > 0 {
        sheet.records.remove(0);
    }
}

fn row(
    table: &Table,
    header: &[String],
    targets: &[Target],
    mapping: &Mapping,
    record: &Record,
    unknown_options: &mut BTreeMap<String, BTreeSet<String>>,
) -> Row {
    let mut out = Row {
        line: record.line,
        values: BTreeMap::new(),
        errors: Vec::new(),
        notes: Vec::new(),
    };
    let mut chosen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for ((cell, target), name) in record.cells.iter().zip(targets).zip(header) {
        let trouble = |at: usize, code: &str, message: String| Trouble {
            column: Some(table.columns[at].id.clone()),
            header: Some(name.clone()),
            code: code.to_owned(),
            message,
        };
        let at = match target {
            Target::Column(at) | Target::Option(at, _) => *at,
            Target::Ignored | Target::Unknown => continue,
        };
        let column = &table.columns[at];
        if cell.chars().count() > MAX_CELL {
            out.errors.push(trouble(
                at,
                "too_long",
                format!("{}文字までにしてください", column.max_chars),
            ));
            continue;
        }
        if !domain::my_number::find(cell).is_empty() {
            out.errors.push(trouble(
                at,
                "personal_number",
                "マイナンバー（個人番号）と読める12桁の数字があります。取り除いてから取り込んでください".to_owned(),
            ));
            continue;
        }
        if matches!(cell.trim(), WITHHELD | ADDRESS) {
            // What was kept back on the way out says nothing on the way in.
            continue;
        }
        if let Target::Option(_, code) = target {
            let codes = chosen.entry(at).or_default();
            match cell.trim() {
                "" | "0" | "０" => {}
                "1" | "１" | "○" | "〇" | "✓" | "レ" => codes.push(code.clone()),
                _ => out
                    .errors
                    .push(trouble(at, "bool", "1か0で入力してください".to_owned())),
            }
            continue;
        }
        let names = mapping.options.get(&column.id);
        let named = |folded: &str| names.and_then(|names| names.get(folded).cloned());
        match read_cell(column, cell, &named) {
            Ok(read) => {
                if let Some(how) = read.mended {
                    out.notes.push(trouble(at, "mended", how.to_owned()));
                }
                if column.required && read.value.is_null() {
                    out.errors
                        .push(trouble(at, "required", "必ず入力してください".to_owned()));
                }
                out.values.insert(column.id.clone(), read.value);
            }
            Err(error) => {
                if error.code == "unknown_option"
                    && let Some(list) = &column.options
                {
                    let names = unknown_options.entry(column.id.clone()).or_default();
                    for part in cell.split(['|', '｜', '\n', '、']).map(str::trim) {
                        let new = !part.is_empty()
                            && part.chars().count() <= 60
                            && names.len() < MAX_NAMES
                            && option_code(list, part, &named).is_none();
                        if new {
                            names.insert(part.to_owned());
                        }
                    }
                }
                out.errors.push(trouble(at, error.code, error.message));
            }
        }
    }
    for (at, codes) in chosen {
        out.values
            .insert(table.columns[at].id.clone(), codes.into());
    }
    out
}

/// How several choices are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choices {
    /// One column, codes joined by `|`.
    #[default]
    Joined,
    /// A column of 0 and 1 for each option.
    Columns,
}

/// The columns of the file and how a row of the table becomes a line of it.
#[derive(Debug)]
pub struct Layout {
    pub columns: Vec<Column>,
    places: Vec<(usize, Option<String>)>,
}

impl Layout {
    #[must_use]
    pub fn new(table: &Table, choices: Choices) -> Self {
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            match (choices, column.kind, &column.options) {
                (Choices::Columns, Kind::Multi, Some(list)) => {
                    for option in &list.options {
                        columns.push(Column::number(
                            format!("{}：{}", column.label, option.label),
                            format!("{}:{}", column.id, option.code),
                        ));
                        places.push((at, Some(option.code.clone())));
                    }
                }
                (_, Kind::Int | Kind::Number, _) => {
                    columns.push(Column::number(&column.label, &column.id));
                    places.push((at, None));
                }
                _ => {
                    columns.push(Column::text(&column.label, &column.id));
                    places.push((at, None));
                }
            }
        }
        Self { columns, places }
    }

    /// The cells of a row, its values by column.
    #[must_use]
    pub fn cells(&self, table: &Table, values: &BTreeMap<String, Value>) -> Vec<String> {
        self.places
            .iter()
            .map(|(at, option)| {
                let value = values.get(&table.columns[*at].id).unwrap_or(&Value::Null);
                match option {
                    None => match (table.columns[*at].kind, write_cell(value)) {
                        // 昭和30年頃 as people write it; it is read again as it stands.
                        (Kind::PartialDate, text) => text.replace('~', "頃"),
                        (_, text) => text,
                    },
                    Some(code) => {
                        let on = domain::form::contains_code(value, code);
                        if on { "1" } else { "0" }.to_owned()
                    }
                }
            })
            .collect()
    }
}
