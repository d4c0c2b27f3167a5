#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

//! Standard files out and in again, without difference.

use std::collections::BTreeMap;

use exchange::{
    Choices, Encoding, Kind, Layout, Mapping, ReadError, Table, TableColumn, Target,
    WhenUnencodable, WriteError, WriteOptions, read_any, table, tables, targets, understand, write,
};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};

fn value(column: &TableColumn, pick: usize, text: &str) -> Value {
    if pick.is_multiple_of(5) {
        return Value::Null;
    }
    let codes: Vec<&str> = column
        .options
        .as_ref()
        .map(|list| {
            list.options
                .iter()
                .map(|option| option.code.as_str())
                .collect()
        })
        .unwrap_or_default();
    let day = format!(
        "19{:02}-{:02}-{:02}",
        pick % 100,
        pick % 12 + 1,
        pick % 28 + 1
    );
    match column.kind {
        Kind::Text | Kind::Code => {
            let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if line.is_empty() {
                Value::Null
            } else {
                line.into()
            }
        }
        Kind::Long => {
            let text = text.trim().replace("\r\n", "\n").replace('\r', "\n");
            if text.is_empty() {
                Value::Null
            } else {
                text.into()
            }
        }
        Kind::Phone => format!("090-{:04}-{:04}", pick % 10_000, pick % 7919).into(),
        Kind::PostalCode => format!("{:03}-{:04}", pick % 1000, pick % 7919).into(),
        Kind::Int => (pick % 120).into(),
        Kind::Number => json!(f64::from(u32::try_from(pick % 1000).unwrap()) / 4.0),
        Kind::Bool => pick.is_multiple_of(2).into(),
        Kind::Date => day.into(),
        Kind::PartialDate => match pick % 4 {
            0 => day[..4].into(),
            1 => day[..7].into(),
            2 => format!("{}~", &day[..4]).into(),
            _ => day.into(),
        },
        Kind::DateTime => format!("{day}T{:02}:{:02}", pick % 24, pick % 60).into(),
        Kind::Select => codes[pick % codes.len()].into(),
        Kind::Multi => {
            let some: Vec<&str> = codes
                .iter()
                .enumerate()
                .filter(|(at, _)| (pick >> (at % 16)) & 1 == 1)
                .map(|(_, code)| *code)
                .collect();
            if some.is_empty() {
                Value::Null
            } else {
                some.into()
            }
        }
    }
}

/// What comes back for a value: an empty choice of 0/1 columns is an empty list.
fn same(column: &TableColumn, choices: Choices, value: &Value) -> Value {
    if column.kind == Kind::Multi && choices == Choices::Columns && value.is_null() {
        json!([])
    } else {
        value.clone()
    }
}

fn round_trip(
    table: &Table,
    seeds: &[(usize, String)],
    options: &WriteOptions,
    choices: Choices,
) -> Result<(), TestCaseError> {
    let layout = Layout::new(table, choices);
    let mut records = Vec::new();
    for (seed, text) in seeds {
        let values: BTreeMap<String, Value> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                (
                    column.id.clone(),
                    value(column, seed.wrapping_mul(31).wrapping_add(at * 7), text),
                )
            })
            .filter(|(id, value)| {
                !value.is_null() || !table.columns[table.position(id).unwrap()].required
            })
            .collect();
        records.push(values);
    }
    let lines: Vec<Vec<String>> = records
        .iter()
        .map(|values| layout.cells(table, values))
        .collect();
    let bytes = match write(&layout.columns, &lines, options) {
        Ok(out) => out.bytes,
        Err(WriteError::Unencodable(places)) => {
            prop_assert!(options.encoding == Encoding::Cp932 && !places.is_empty());
            return Ok(());
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    let sheet = read_any(&bytes).unwrap();
    let found = understand(table, sheet, &Mapping::default(), |_| {});
    prop_assert_eq!(&found.unknown_headers, &Vec::<String>::new());
    prop_assert_eq!(&found.missing, &Vec::<String>::new());
    let kept: Vec<_> = records
        .iter()
        .zip(&lines)
        .filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()))
        .map(|(values, _)| values)
        .collect();
    prop_assert_eq!(found.rows.len(), kept.len());
    for (row, values) in found.rows.iter().zip(kept) {
        let errors: Vec<_> = row
            .errors
            .iter()
            .filter(|error| error.code != "required")
            .collect();
        prop_assert!(errors.is_empty(), "{:?}", errors);
        prop_assert!(row.notes.is_empty(), "{:?}", row.notes);
        for column in table.columns.iter().filter(|column| !column.output_only) {
            let sent = same(
                column,
                choices,
                values.get(&column.id).unwrap_or(&Value::Null),
            );
            prop_assert_eq!(row.values.get(&column.id), Some(&sent), "{}", &column.id);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("MUSUBI_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(48), ..ProptestConfig::default() })]

    #[test]
    fn importable_files_come_back_without_difference(
        seeds in prop::collection::vec((any::<u16>().prop_map(usize::from), "['=+@\\-＝0-9a-zA-Zあ-んア-ン一-三髙﨑①,\"\n葛 ]{0,20}"), 1..4),
        cp932: bool, bom: bool, ids: bool, columns: bool, at: prop::sample::Index,
    ) {
        let options = WriteOptions {
            encoding: if cp932 { Encoding::Cp932 } else if bom { Encoding::Utf8Bom } else { Encoding::Utf8 },
            identifiers: ids,
            ..WriteOptions::default()
        };
        let choices = if columns { Choices::Columns } else { Choices::Joined };
        let able: Vec<&Table> = tables()
            .iter()
            .map(AsRef::as_ref)
            .filter(|table: &&Table| table.import)
            .collect();
        let table = able[at.index(able.len())];
        round_trip(table, &seeds, &options, choices)?;
    }

    #[test]
    fn hostile_files_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), zip: bool) {
        let mut file = if zip { b"PK\x03\x04".to_vec() } else { "氏名,生年月日\r\n".as_bytes().to_vec() };
        file.extend(bytes);
        if let Ok(sheet) = read_any(&file) {
            let _ = understand(table("person").unwrap(), sheet, &Mapping::default(), |_| {});
        }
    }
}

#[test]
fn a_workbook_reads_like_a_file() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "支援対象者の一覧").unwrap();
    for (column, name) in (0..).zip([
        "氏名",
        "生年月日",
        "郵便番号",
        "電話（携帯）",
        "年齢（推定）",
    ]) {
        sheet.write_string(2, column, name).unwrap();
    }
    sheet.write_string(3, 0, "架空 一郎").unwrap();
    let format = Format::new().set_num_format("yyyy/m/d");
    let born = ExcelDateTime::from_ymd(1970, 3, 12).unwrap();
    sheet
        .write_datetime_with_format(3, 1, &born, &format)
        .unwrap();
    sheet.write_number(3, 2, 600_001).unwrap();
    sheet.write_number(3, 3, 9_012_345_678_f64).unwrap();
    sheet.write_number(3, 4, 56).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let found = understand(
        table("person").unwrap(),
        read_any(&bytes).unwrap(),
        &Mapping::default(),
        |_| {},
    );
    let row = &found.rows[0];
    assert_eq!(row.line, 4);
    assert_eq!(row.errors, []);
    assert_eq!(
        (
            &row.values["birth_date"],
            &row.values["postal_code"],
            &row.values["phone_mobile"],
            &row.values["estimated_age"]
        ),
        (
            &json!("1970-03-12"),
            &json!("0600001"),
            &json!("09012345678"),
            &json!(56)
        )
    );
    assert_eq!(row.notes.len(), 2);
}

/// A few kilobytes that name the last cell of a sheet must not take the memory of what lies between.
#[test]
fn a_workbook_with_a_cell_far_away_is_refused() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "氏名").unwrap();
    sheet.write(1_048_575, 16_383, "x").unwrap();
    let bytes = book.save_to_buffer().unwrap();
    assert!(bytes.len() < 20_000);
    assert!(matches!(read_any(&bytes), Err(ReadError::TooMuch)));
}

/// A long text stands once in the file, and would be in memory once for each cell that shows it.
#[test]
fn one_long_text_in_very_many_cells_is_refused() {
    let text = "あ".repeat(32_000);
    let book = |rows: u32| {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for row in 0..rows {
            sheet.write(row, 0, &text).unwrap();
        }
        book.save_to_buffer().unwrap()
    };
    assert!(read_any(&book(20)).is_ok());
    let bytes = book(3_000);
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    assert!(matches!(read_any(&bytes), Err(ReadError::TooMuch)));
}

#[test]
fn names_of_others_are_offered_and_mapped() {
    let file = "ケース名,性別,謎の列\r\n架空 一郎,Ｍ,1\r\n架空 花子,女,2\r\n";
    let person = table("person").unwrap();
    let read =
        |mapping: &Mapping| understand(person, read_any(file.as_bytes()).unwrap(), mapping, |_| {});
    let found = read(&Mapping::default());
    assert_eq!(found.unknown_headers, ["ケース名", "謎の列"]);
    assert_eq!(
        found.unknown_options["gender"]
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["女", "Ｍ"]
    );
    let mapping = Mapping {
        columns: [
            ("ケース名".into(), "name".into()),
            ("謎の列".into(), String::new()),
        ]
        .into(),
        options: [(
            "gender".into(),
            [("M".into(), "1".into()), ("女".into(), "2".into())].into(),
        )]
        .into(),
    };
    let found = read(&mapping);
    assert!(found.unknown_headers.is_empty() && found.unknown_options.is_empty());
    assert_eq!(
        found.rows[1].values,
        [
            ("gender".to_owned(), json!("2")),
            ("name".to_owned(), json!("架空 花子"))
        ]
        .into()
    );
    assert_eq!(
        targets(person, &["氏名".into(), "name".into()], &Mapping::default()),
        vec![Target::Column(person.position("name").unwrap()); 2]
    );
}

#[test]
fn errors_say_line_and_column_and_no_content() {
    let number = "123456789018";
    let file = format!(
        "氏名,生年月日,備考欄\r\n架空 一郎,昭和65年1月1日,x\r\n{number},1970-01-01,x\r\n片方だけ\r\n"
    );
    let found = understand(
        table("person").unwrap(),
        read_any(file.as_bytes()).unwrap(),
        &Mapping::default(),
        |_| {},
    );
    let errors: Vec<(u64, &str)> = found
        .rows
        .iter()
        .flat_map(|row| {
            row.errors
                .iter()
                .map(|error| (row.line, error.code.as_str()))
        })
        .collect();
    assert_eq!(
        errors,
        [(2, "date"), (3, "personal_number"), (4, "column_count")]
    );
    assert!(
        !format!(
            "{:?}",
            found.rows.iter().map(|row| &row.errors).collect::<Vec<_>>()
        )
        .contains(number)
    );
}

#[test]
fn what_cp932_cannot_hold_is_refused_or_replaced() {
    let person = table("person").unwrap();
    let layout = Layout::new(person, Choices::Joined);
    let values = [("name".to_owned(), json!("𠮷田 一郎"))].into();
    let lines = [layout.cells(person, &values)];
    let options = WriteOptions {
        encoding: Encoding::Cp932,
        ..WriteOptions::default()
    };
    assert!(
        matches!(write(&layout.columns, &lines, &options), Err(WriteError::Unencodable(places)) if places[0].text == "𠮷")
    );
    let options = WriteOptions {
        when_unencodable: WhenUnencodable::Geta,
        ..options
    };
    assert_eq!(
        write(&layout.columns, &lines, &options)
            .unwrap()
            .replaced
            .len(),
        1
    );
}
