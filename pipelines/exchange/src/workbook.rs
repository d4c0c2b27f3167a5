//! The headers of a real workbook against the fields of the forms, by the likeness of their words.
//! It proposes: that a field was checked against the ministry's file is for a person to say.

use std::collections::BTreeSet;

use calamine::{Data, Reader};
use domain::form::{Definition, Field};
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::book::{self, BookError};

/// Longest text that is taken for a header, in code points.
const LONGEST: usize = 60;
/// A row with so many texts is a line of headers.
const HEADER_CELLS: usize = 3;
/// Largest workbook that is read, in bytes.
const LARGEST: usize = 64 << 20;
/// How old workbooks and those with a password begin.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0";
/// Least likeness (0 to 1) at which two labels are put together.
pub const LIKENESS: f64 = 0.6;

/// A text of the workbook that may be a header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Header {
    pub sheet: String,
    /// `B3`.
    pub cell: String,
    pub text: String,
    /// Stands in the first line of headers of its sheet.
    pub in_head: bool,
}

/// A field and the header it is probably called by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matched {
    pub form: String,
    /// `items` or `items.goal`.
    pub field: String,
    pub label: String,
    pub header: Header,
    /// 1 = the same words.
    pub likeness: f64,
}

/// A field without a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub form: String,
    pub field: String,
    pub label: String,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub matched: Vec<Matched>,
    pub missing: Vec<Missing>,
    /// Headers that no field has.
    pub extra: Vec<Header>,
}

/// Why a workbook was not read.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    #[error("ファイルが大きすぎます（64 MB まで）")]
    TooLarge,
    #[error(
        "中身が大きすぎます（展開すると256 MBを超える、セルが400万を超える、または表から遠く離れたセルに値があります）"
    )]
    TooMuch,
    #[error(
        "Excel（xlsx・xlsm）として読めません。xls・ods はExcelで開き、xlsx で保存し直してください"
    )]
    NotAWorkbook,
    #[error(
        "古い形式（xls）か、パスワードで保護されています。Excelで開き、保護を外して xlsx で保存し直してください"
    )]
    Protected,
    #[error("文字の入ったセルがありません")]
    Empty,
}

/// The texts of a workbook that may be headers, sheet by sheet.
///
/// # Errors
/// When it cannot be read, or holds no text.
pub fn headers(bytes: &[u8]) -> Result<Vec<Header>, WorkbookError> {
    if bytes.len() > LARGEST {
        return Err(WorkbookError::TooLarge);
    }
    if bytes.starts_with(COMPOUND) {
        return Err(WorkbookError::Protected);
    }
    let mut book = book::open(bytes).map_err(|error| match error {
        BookError::NotAWorkbook => WorkbookError::NotAWorkbook,
        BookError::TooMuch => WorkbookError::TooMuch,
    })?;
    let mut out = Vec::new();
    for name in book.sheet_names() {
        let sheet = book::sheet(&mut book, &name).map_err(|_| WorkbookError::TooMuch)?;
        let Some(range) = sheet else {
            continue;
        };
        let (top, left) = range.start().unwrap_or((0, 0));
        let mut seen_head = false;
        for (row, cells) in range.rows().enumerate() {
            let texts: Vec<(usize, &str)> = cells
                .iter()
                .enumerate()
                .filter_map(|(at, cell)| match cell {
                    Data::String(text) => Some((at, text.trim())),
                    _ => None,
                })
                .filter(|(_, text)| !text.is_empty() && text.chars().count() <= LONGEST)
                .collect();
            let in_head = !seen_head && texts.len() >= HEADER_CELLS;
            seen_head |= in_head;
            for (column, text) in texts {
                out.push(Header {
                    sheet: name.clone(),
                    cell: address(left as usize + column, top as usize + row),
                    text: text.to_owned(),
                    in_head,
                });
            }
        }
    }
    if out.is_empty() {
        return Err(WorkbookError::Empty);
    }
    Ok(out)
}

/// `(1, 2)` → `B3`.
fn address(mut column: usize, row: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(u8::try_from(column % 26).map_or('?', |at| char::from(b'A' + at)));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{}", row + 1)
}

/// Puts headers and fields together, the most alike first; each is used once. What the server fills
/// in itself needs no header.
#[must_use]
pub fn compare(forms: &[&Definition], headers: &[Header]) -> Comparison {
    struct Wanted<'a> {
        form: &'a Definition,
        table: Option<&'a Field>,
        field: &'a Field,
        folded: String,
    }
    let mut wanted = Vec::new();
    for form in forms {
        for field in form.fields() {
            wanted.push(Wanted {
                form,
                table: None,
                field,
                folded: fold(&field.label),
            });
            wanted.extend(field.columns.iter().map(|column| Wanted {
                form,
                table: Some(field),
                field: column,
                folded: fold(&column.label),
            }));
        }
    }
    let found: Vec<String> = headers.iter().map(|header| fold(&header.text)).collect();
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (at, want) in wanted.iter().enumerate() {
        for (header, text) in found.iter().enumerate() {
            let likeness = likeness(&want.folded, text);
            if likeness >= LIKENESS {
                pairs.push((likeness, at, header));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut fields, mut used) = (BTreeSet::new(), BTreeSet::new());
    let id = |want: &Wanted<'_>| match want.table {
        Some(table) => format!("{}.{}", table.id, want.field.id),
        None => want.field.id.clone(),
    };
    let mut matched = Vec::new();
    for (likeness, at, header) in pairs {
        if fields.contains(&at) || used.contains(&header) {
            continue;
        }
        fields.insert(at);
        used.insert(header);
        let want = &wanted[at];
        matched.push((
            at,
            Matched {
                form: want.form.id.clone(),
                field: id(want),
                label: want.field.label.clone(),
                header: headers[header].clone(),
                likeness,
            },
        ));
    }
    matched.sort_by_key(|(at, _)| *at);
    Comparison {
        matched: matched.into_iter().map(|(_, one)| one).collect(),
        missing: wanted
            .iter()
            .enumerate()
            .filter(|(at, want)| !fields.contains(at) && want.field.is_stored())
            .map(|(_, want)| Missing {
                form: want.form.id.clone(),
                field: id(want),
                label: want.field.label.clone(),
            })
            .collect(),
        extra: headers
            .iter()
            .enumerate()
            .filter(|(at, header)| header.in_head && !used.contains(at))
            .map(|(_, header)| header.clone())
            .collect(),
    }
}

/// The letters of a label, without widths, spaces, marks and numbering: 「① 氏　名（※）」 → 「氏名」.
fn fold(text: &str) -> String {
    text.nfkc()
        .filter(|c| c.is_alphanumeric() || *c == 'ー')
        .collect::<String>()
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .to_lowercase()
}

/// How alike two folded labels are, 0 to 1: the share of letter pairs they have in common (Dice); what
/// one holds whole of the other counts for more.
fn likeness(a: &str, b: &str) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    if a == b {
        return 1.0;
    }
    let pairs = |text: &str| -> Vec<(char, char)> {
        let letters: Vec<char> = text.chars().collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let (first, mut second) = (pairs(a), pairs(b));
    let total = first.len() + second.len();
    if total == 0 {
        return 0.0;
    }
    let mut common = 0;
    for pair in first {
        if let Some(at) = second.iter().position(|other| *other == pair) {
            second.swap_remove(at);
            common += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of letters")]
    let dice = 2.0 * f64::from(common) / total as f64;
    let shorter = a.chars().count().min(b.chars().count());
    if shorter >= 3 && (a.contains(b) || b.contains(a)) {
        dice.clamp(0.75, 0.99)
    } else {
        dice.min(0.99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::form::catalogue;
    use proptest::prelude::*;
    use rust_xlsxwriter::Workbook;

    fn book(rows: &[&[&str]]) -> Vec<u8> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet().set_name("プラン").unwrap();
        for (row, cells) in (0..).zip(rows) {
            for (column, text) in (0..).zip(*cells) {
                if !text.is_empty() {
                    sheet.write_string(row, column, *text).unwrap();
                }
            }
        }
        book.save_to_buffer().unwrap()
    }

    #[test]
    fn headers_find_their_fields() {
        let bytes = book(&[
            &["プランシート"],
            &["", "作成日", "①解決したい 課題", "実施機関", "ケースコード"],
            &["", "令和8年4月1日", "滞納", "社協"],
        ]);
        let found = headers(&bytes).unwrap();
        assert_eq!((found[0].cell.as_str(), found[0].in_head), ("A1", false));
        assert_eq!((found[1].cell.as_str(), found[1].in_head), ("B2", true));
        let plan = catalogue().definition("plan").unwrap();
        let outcome = compare(&[plan], &found);
        let of = |field: &str| outcome.matched.iter().find(|one| one.field == field);
        assert_eq!(
            (
                of("planned_on").unwrap().likeness,
                of("items").unwrap().likeness
            ),
            (1.0, 1.0)
        );
        assert_eq!(of("items.org").unwrap().header.cell, "D2");
        assert!(outcome.missing.iter().any(|one| one.field == "policy"));
        assert!(
            outcome.missing.iter().all(|one| one.field != "case_no"),
            "filled by the server"
        );
        let extra: Vec<&str> = outcome.extra.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(extra, ["ケースコード"]);
    }

    #[test]
    fn what_is_no_workbook_is_refused() {
        assert!(matches!(
            headers(b"a,b,c\r\n"),
            Err(WorkbookError::NotAWorkbook)
        ));
        assert!(matches!(headers(&[]), Err(WorkbookError::NotAWorkbook)));
        assert!(matches!(headers(&book(&[])), Err(WorkbookError::Empty)));
    }

    #[test]
    fn cells_are_named_as_in_excel() {
        for (column, row, name) in [
            (0, 0, "A1"),
            (25, 9, "Z10"),
            (26, 0, "AA1"),
            (701, 1, "ZZ2"),
            (702, 0, "AAA1"),
        ] {
            assert_eq!(address(column, row), name);
        }
    }

    proptest! {
        #[test]
        fn likeness_is_even_and_bounded(a in "[あ-おa-c]{0,8}", b in "[あ-おa-c]{0,8}") {
            let (there, back) = (likeness(&a, &b), likeness(&b, &a));
            prop_assert!((there - back).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there));
            prop_assert_eq!(there > 0.995, a == b && !a.is_empty());
        }

        /// A workbook with the forms' own labels misses nothing and has nothing over.
        #[test]
        fn own_labels_are_all_found(form in 0..catalogue().definitions().len()) {
            let form = &catalogue().definitions()[form];
            let labels: Vec<&str> = form
                .fields()
                .flat_map(|field| std::iter::once(field).chain(&field.columns))
                .map(|field| field.label.as_str())
                .collect();
            let outcome = compare(&[form], &headers(&book(&[&labels])).unwrap());
            prop_assert_eq!(outcome.missing, vec![]);
            prop_assert_eq!(outcome.extra, vec![]);
        }

        #[test]
        fn broken_files_do_no_harm(mut bytes in Just(book(&[&["氏名", "住所", "電話"]])), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = headers(&bytes);
            let _ = headers(&bytes[..at]);
        }
    }
}
