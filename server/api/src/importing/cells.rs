//! What the parts of the import read and say alike.

use std::collections::BTreeSet;

use ::exchange::{Row, Table};
use domain::id::PersonId;
use jiff::civil::Date;
use serde_json::Value;
use store::Caller;

use super::{Choices, Planned, Seen};

/// Rows of a file that are compared with what is there.
pub(super) struct Comparing<'c> {
    pub caller: &'c Caller,
    pub layout: &'c Table,
    pub rows: &'c [Row],
    pub choices: &'c Choices,
    pub seen: &'c mut Seen,
}

impl Comparing<'_> {
    /// The numbers of the cases that the rows are about.
    pub(super) fn numbers(&self) -> Vec<String> {
        let numbers: BTreeSet<&str> = self.rows.iter().map(|row| text(row, "case_no")).collect();
        numbers
            .into_iter()
            .filter(|number| !number.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// A cell as text; empty when there is none.
pub(super) fn text<'a>(row: &'a Row, field: &str) -> &'a str {
    row.values
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A cell as a day.
pub(super) fn day(row: &Row, field: &str) -> Option<Date> {
    text(row, field).parse().ok()
}

/// What stands in one cell, divided.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(['|', '｜', '、', ','])
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// The persons of a cell with ids, each once.
pub(super) fn persons(row: &Row) -> Vec<PersonId> {
    let mut out: Vec<PersonId> = Vec::new();
    for id in parts(text(row, "person_ids")) {
        if !out.iter().any(|known| known.as_str() == id) {
            out.push(PersonId::from(id));
        }
    }
    out
}

impl Planned {
    /// There is no such case, or none that may be known of.
    pub(super) fn unknown_case(&mut self) {
        self.fail(
            Some("case_no"),
            "unknown_case",
            "この事案番号の事案がありません。番号を確かめてください",
        );
    }

    /// The record that a row names by its id, in the column `field` called `what`; nothing, with what is
    /// wrong, when an earlier row named it too or there is none.
    pub(super) fn named<'r, R>(
        &mut self,
        seen: &mut Seen,
        row: &Row,
        (field, what): (&str, &str),
        find: impl FnOnce(&str) -> Option<&'r R>,
    ) -> Option<&'r R> {
        let id = text(row, field);
        if let Some(line) = seen.ids.insert(id.to_owned(), row.line) {
            self.fail(
                Some(field),
                "duplicate",
                format!("{line}行目と同じ{what}です"),
            );
            return None;
        }
        let found = find(id);
        if found.is_some() {
            self.id = Some(id.to_owned());
        } else {
            self.fail(
                Some(field),
                "unknown_record",
                format!("この{what}の記録がありません。新しい行は{what}を空欄にしてください"),
            );
        }
        found
    }
}
