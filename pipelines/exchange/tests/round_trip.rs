#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use exchange::{
    Column, Encoding, ReadError, WhenUnencodable, WriteError, WriteOptions, read, write,
};
use proptest::prelude::*;

fn options(encoding: Encoding) -> WriteOptions {
    WriteOptions {
        encoding,
        ..WriteOptions::default()
    }
}

fn columns(count: usize) -> Vec<Column> {
    (0..count)
        .map(|i| Column::text(format!("項目{i}"), format!("field{i}")))
        .collect()
}

fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
    cells
        .iter()
        .map(|row| row.iter().map(|c| (*c).to_owned()).collect())
        .collect()
}

#[test]
fn bytes_of_the_usual_form() {
    let out = write(
        &columns(2),
        &rows(&[&["0312345678", "二行\nある,\"引用\""], &["=1+1", "-5"]]),
        &WriteOptions {
            identifiers: true,
            notes: vec!["定義：受付日が当月".into()],
            ..WriteOptions::default()
        },
    )
    .unwrap();
    assert!(out.bytes.starts_with(b"\xef\xbb\xbf"));
    insta::assert_debug_snapshot!(String::from_utf8(out.bytes).unwrap());
}

#[test]
fn definition_lines_stay_outside_the_data() {
    let wide = [
        Column::text("年月", "month"),
        Column::number("件数", "count"),
    ];
    let notes = vec![
        "受付日が当月の事案を数えます。".to_owned(),
        "未検証".to_owned(),
    ];
    let out = write(
        &wide,
        &rows(&[&["2026-04", "-1"]]),
        &WriteOptions {
            notes: notes.clone(),
            ..WriteOptions::default()
        },
    )
    .unwrap();
    let sheet = read(&out.bytes).unwrap();
    assert_eq!(sheet.notes, notes);
    assert_eq!(
        sheet.records[0].cells,
        ["2026-04", "-1"],
        "figures are not guarded"
    );
    assert_eq!(sheet.records[0].line, 4);
}

#[test]
fn what_cp932_cannot_hold_is_listed_and_replaced_only_when_asked() {
    let data = rows(&[&["山田", "𠮷田"], &["葛\u{e0100}城", "髙橋"]]);
    let refused = write(&columns(2), &data, &options(Encoding::Cp932)).unwrap_err();
    let WriteError::Unencodable(list) = &refused else {
        panic!("{refused}")
    };
    assert_eq!(
        list.iter()
            .map(|u| (u.row, u.column, u.text.as_str()))
            .collect::<Vec<_>>(),
        [(2, 2, "𠮷"), (3, 1, "葛\u{e0100}")]
    );
    let out = write(
        &columns(2),
        &data,
        &WriteOptions {
            when_unencodable: WhenUnencodable::Geta,
            ..options(Encoding::Cp932)
        },
    )
    .unwrap();
    assert_eq!(out.replaced, *list);
    let sheet = read(&out.bytes).unwrap();
    assert_eq!(sheet.encoding, Encoding::Cp932);
    assert_eq!(sheet.records[0].cells, ["山田", "〓田"]);
    assert_eq!(sheet.records[1].cells, ["〓城", "髙橋"]);
}

#[test]
fn errors_carry_line_numbers() {
    let sheet = read("a,b\r\n1,2\r\n\"x\r\ny\",3\r\n4\r\n5,6,7\r\n8,9\r\n".as_bytes()).unwrap();
    assert_eq!(
        sheet
            .errors
            .iter()
            .map(|e| (e.line, e.code))
            .collect::<Vec<_>>(),
        [(5, "column_count"), (6, "column_count")]
    );
    assert_eq!(
        sheet.records.iter().map(|r| r.line).collect::<Vec<_>>(),
        [2, 3, 7]
    );
    assert_eq!(
        read(b"a,b\r\n1,\"2\r\n3,4\r\n"),
        Err(ReadError::OpenQuote { line: 2 })
    );
    assert_eq!(read(b"\x81\x40\xff\xff\x80"), Err(ReadError::Encoding));
    assert_eq!(read(b"PK\x03\x04\0\0"), Err(ReadError::Binary));
    assert_eq!(read(b""), Err(ReadError::Empty));
    assert_eq!(read(b"\xef\xbb\xbf\r\n"), Err(ReadError::Empty));
}

#[test]
fn utf16_text_of_excel_is_read() {
    let mut bytes = b"\xff\xfe".to_vec();
    bytes.extend(
        "氏名\t番号\r\n髙橋\t007\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    let sheet = read(&bytes).unwrap();
    assert_eq!(sheet.encoding, Encoding::Utf16);
    assert_eq!(sheet.records[0].cells, ["髙橋", "007"]);
}

#[test]
fn the_identifier_row_is_recognised() {
    let out = write(
        &columns(2),
        &rows(&[&["x", "y"]]),
        &WriteOptions {
            identifiers: true,
            ..WriteOptions::default()
        },
    )
    .unwrap();
    let mut sheet = read(&out.bytes).unwrap();
    assert!(sheet.take_identifiers(&["field0", "field1"]));
    assert!(!sheet.take_identifiers(&["field0", "field1"]));
    assert_eq!(sheet.records.len(), 1);
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\0]{0,12}",
        "['=+@\\-\t\r\n\",＝＋0-9a-zあ-ん]{0,6}",
        Just("0012".to_owned()),
        Just("\u{feff}x".to_owned()),
    ]
}

proptest! {
    #[test]
    fn utf8_round_trip(data in prop::collection::vec(prop::collection::vec(cell(), 3), 0..6), bom: bool, ids: bool) {
        let encoding = if bom { Encoding::Utf8Bom } else { Encoding::Utf8 };
        let out = write(&columns(3), &data, &WriteOptions { identifiers: ids, ..options(encoding) }).unwrap();
        let mut sheet = read(&out.bytes).unwrap();
        prop_assert_eq!(sheet.take_identifiers(&["field0", "field1", "field2"]), ids);
        prop_assert!(sheet.errors.is_empty());
        prop_assert_eq!(sheet.records.into_iter().map(|r| r.cells).collect::<Vec<_>>(), data);
    }

    #[test]
    fn cp932_round_trip(data in prop::collection::vec(prop::collection::vec("[ -~あ-んァ-ヶ一-三髙﨑①Ⅱ㈱～‐]{0,8}", 2), 0..6)) {
        match write(&columns(2), &data, &options(Encoding::Cp932)) {
            Ok(out) => {
                let sheet = read(&out.bytes).unwrap();
                prop_assert_eq!(sheet.records.into_iter().map(|r| r.cells).collect::<Vec<_>>(), data);
            }
            Err(WriteError::Unencodable(list)) => {
                for one in list {
                    prop_assert!(data[one.row - 2][one.column - 1].contains(&one.text));
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn nothing_written_runs_as_a_formula(text in "[=+@\\-\t\r＝＋－＠'][ -~]{0,8}") {
        let out = write(&columns(1), &[vec![text]], &options(Encoding::Utf8)).unwrap();
        let line = String::from_utf8(out.bytes).unwrap();
        let cell = line.split_once("\r\n").unwrap().1.trim_start_matches('"');
        prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']));
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
