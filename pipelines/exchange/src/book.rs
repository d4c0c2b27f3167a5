//! Workbooks (.xlsx) that strangers made, opened only when they fit into memory.

use std::io::{Cursor, Read, Seek};

use calamine::{Data, DataRef, Range, Reader, Xlsx};

use crate::archive::{self, ArchiveError};

/// Cells between the first and the last of a sheet, empty ones included, that are taken into memory.
const MAX_AREA: u64 = 4_000_000;
/// Most bytes of text in the cells of a sheet. A text that stands once in the file may be in every cell.
const MAX_TEXT: u64 = 256 << 20;

/// Why a workbook, or one of its sheets, is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookError {
    NotAWorkbook,
    TooMuch,
}

/// Opens a workbook after its container was measured.
pub(crate) fn open(bytes: &[u8]) -> Result<Xlsx<Cursor<&[u8]>>, BookError> {
    archive::measure(bytes).map_err(|error| match error {
        ArchiveError::NotAnArchive => BookError::NotAWorkbook,
        ArchiveError::TooMuch => BookError::TooMuch,
    })?;
    Xlsx::new(Cursor::new(bytes)).map_err(|_| BookError::NotAWorkbook)
}

/// The cells of a sheet; `None` for one that has none (a chart).
///
/// # Errors
/// They are more than is taken into memory.
pub(crate) fn sheet<R: Read + Seek>(
    book: &mut Xlsx<R>,
    name: &str,
) -> Result<Option<Range<Data>>, BookError> {
    if !fits(book, name) {
        return Err(BookError::TooMuch);
    }
    Ok(book.worksheet_range(name).ok())
}

/// Whether a sheet can be taken in. A tiny file can name a cell in the last row and column, and
/// everything in between would be made.
fn fits<R: Read + Seek>(book: &mut Xlsx<R>, name: &str) -> bool {
    let Ok(mut cells) = book.worksheet_cells_reader(name) else {
        return true;
    };
    let (mut from, mut to) = ((u32::MAX, u32::MAX), (0_u32, 0_u32));
    let mut text = 0_u64;
    while let Ok(Some(cell)) = cells.next_cell() {
        text += match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::String(text) => text.len() as u64,
            DataRef::SharedString(text) => text.len() as u64,
            _ => 0,
        };
        if text > MAX_TEXT {
            return false;
        }
        let (row, column) = cell.get_position();
        from = (from.0.min(row), from.1.min(column));
        to = (to.0.max(row), to.1.max(column));
    }
    let side = |a: u32, b: u32| u64::from(b.saturating_sub(a)) + 1;
    side(from.0, to.0).saturating_mul(side(from.1, to.1)) <= MAX_AREA
}
