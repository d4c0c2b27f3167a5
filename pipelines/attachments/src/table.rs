//! Workbooks (.xlsx): the texts of the cells, line by line, read as they come.

use std::io::Cursor;

use calamine::{DataRef, Reader as _, Xlsx};
use exchange::archive;

use crate::{Reading, layout::Text};

pub(crate) fn read(bytes: &[u8]) -> Reading {
    if archive::measure(bytes).is_err() {
        return Reading::Unreadable;
    }
    let Ok(mut book) = Xlsx::new(Cursor::new(bytes)) else {
        return Reading::Unreadable;
    };
    let mut text = Text::default();
    for name in book.sheet_names() {
        let Ok(mut cells) = book.worksheet_cells_reader(&name) else {
            continue;
        };
        text.line();
        text.push(&name);
        let mut row = None;
        while let Ok(Some(cell)) = cells.next_cell() {
            if text.is_full() {
                return text.finish();
            }
            let value = match cell.get_value() {
                DataRef::String(value) => value.clone(),
                DataRef::SharedString(value) => (*value).to_owned(),
                DataRef::Int(value) => value.to_string(),
                DataRef::Float(value) => value.to_string(),
                _ => continue,
            };
            if row == Some(cell.get_position().0) {
                text.push("\t");
            } else {
                text.line();
                row = Some(cell.get_position().0);
            }
            text.push(&value);
        }
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::Workbook;

    use super::*;

    #[test]
    fn cells_are_read_line_by_line() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet().set_name("家計").unwrap();
        sheet.write_string(0, 0, "家賃").unwrap();
        sheet.write_number(0, 1, 42_000.0).unwrap();
        sheet.write_string(1, 0, "三箇月の滞納").unwrap();
        let bytes = book.save_to_buffer().unwrap();
        assert_eq!(
            read(&bytes),
            Reading::Text("家計\n家賃\t42000\n三箇月の滞納".to_owned())
        );
        assert_eq!(read(&bytes[..200]), Reading::Unreadable);
    }

    #[test]
    fn one_long_text_in_every_cell_costs_no_more_than_once() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        let long = "あ".repeat(32_000);
        for row in 0..2_000 {
            sheet.write_string(row, 0, &long).unwrap();
        }
        let bytes = book.save_to_buffer().unwrap();
        let Reading::Text(text) = read(&bytes) else {
            panic!("no text")
        };
        assert_eq!(text.chars().count(), crate::LONGEST);
    }
}
