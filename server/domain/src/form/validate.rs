//! Validation of a form's values. The values come as plain JSON:
//! text as string; scalars as they are; chosen options as list of codes (or map code → true);
//! tables as list of rows `{ "id": …, <column>: … }`; missing or null = empty.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Check, Definition, Field, FieldType, Limits, TextFormat, rule::is_empty, rule::selected_codes,
};
use crate::{code::coded, my_number, wareki::PartialDate};

coded! {
    /// How bad an issue is.
    pub enum Severity {
        /// Must be mended before the sheet is finalised.
        Error = "error", "エラー";
        /// Shown; does not stop anything.
        Warning = "warning", "注意";
    }
}

/// Something wrong with a value. The words are made from code, parameters and the label
/// ([`super::message_ja`]); never holds the value itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// `field`, or `table/rowId/column`.
    pub path: String,
    pub code: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    pub severity: Severity,
}

/// What validation needs beside the values.
#[derive(Debug, Clone)]
pub struct Context {
    /// Today in the municipality's zone.
    pub today: Date,
    /// Values from elsewhere, under names with a dot: `case.status`, `case.closed_on` …
    pub outside: Map<String, Value>,
}

impl Context {
    /// A context without values from elsewhere.
    #[must_use]
    pub fn on(today: Date) -> Self {
        Self {
            today,
            outside: Map::new(),
        }
    }
}

/// Reads the text form of a [`PartialDate`] strictly; the day must exist.
pub(crate) fn parse_iso(text: &str) -> Option<PartialDate> {
    let (text, about) = match text.strip_suffix('~') {
        Some(known) if known.len() < 10 => (known, true),
        Some(_) => return None,
        None => (text, false),
    };
    if !text.is_ascii() || ![4, 7, 10].contains(&text.len()) {
        return None;
    }
    let mut parts = text.split('-');
    let number = |part: &str, length: usize| {
        (part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i16>().ok())
            .flatten()
    };
    let year = number(parts.next()?, 4)?;
    let month = parts
        .next()
        .map(|part| number(part, 2).and_then(|m| i8::try_from(m).ok()));
    let day = parts
        .next()
        .map(|part| number(part, 2).and_then(|d| i8::try_from(d).ok()));
    if parts.next().is_some() || month == Some(None) || day == Some(None) {
        return None;
    }
    let date = PartialDate {
        year,
        month: month.flatten(),
        day: day.flatten(),
        about,
    };
    Date::new(year, date.month.unwrap_or(1), date.day.unwrap_or(1))
        .ok()
        .filter(|_| year > 0)?;
    Some(date)
}

/// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm`.
pub(crate) fn is_iso_datetime(text: &str) -> bool {
    match text.len() {
        10 => parse_iso(text).is_some(),
        16 => text.as_bytes()[10] == b'T' && text.parse::<DateTime>().is_ok(),
        _ => false,
    }
}

/// Checks the values of a form. Issues come in the order of the screen, checks across fields last.
#[must_use]
pub fn validate(
    definition: &Definition,
    values: &Map<String, Value>,
    context: &Context,
) -> Vec<Issue> {
    let mut run = Run {
        definition,
        values,
        context,
        issues: Vec::new(),
    };
    for key in values.keys() {
        if definition.field(key).is_none() {
            // The key itself may come from outside and is not repeated.
            run.raise("", "unknown_field", Severity::Error, []);
        }
    }
    for field in definition.fields() {
        run.field(field);
    }
    for check in &definition.checks {
        run.check(check);
    }
    run.issues
}

struct Run<'a> {
    definition: &'a Definition,
    values: &'a Map<String, Value>,
    context: &'a Context,
    issues: Vec<Issue>,
}

impl<'a> Run<'a> {
    fn raise<const N: usize>(
        &mut self,
        path: &str,
        code: &str,
        severity: Severity,
        params: [(&str, String); N],
    ) {
        self.issues.push(Issue {
            path: path.to_owned(),
            code: code.to_owned(),
            params: params
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            severity,
        });
    }

    fn lookup(&self, name: &str) -> Option<&'a Value> {
        self.values
            .get(name)
            .or_else(|| self.context.outside.get(name))
    }

    fn field(&mut self, field: &'a Field) {
        let value = self.values.get(&field.id);
        let visible = field
            .visible_when
            .as_ref()
            .is_none_or(|when| when.holds(&|name: &str| self.lookup(name)));
        let required = field.required
            || field
                .required_when
                .as_ref()
                .is_some_and(|when| when.holds(&|name: &str| self.lookup(name)));
        self.value(&field.id, field, value, visible, required);
        if field.kind == FieldType::Table
            && let Some(Value::Array(rows)) = value
        {
            self.rows(field, rows);
        }
        self.other_text(field, value);
    }

    fn rows(&mut self, field: &'a Field, rows: &'a [Value]) {
        let most = field.limits.max_rows.unwrap_or(Limits::ROWS);
        if rows.len() > most {
            self.raise(
                &field.id,
                "too_many_rows",
                Severity::Error,
                [("max", most.to_string())],
            );
        }
        for (at, row) in rows.iter().enumerate() {
            let Value::Object(row) = row else {
                self.raise(&field.id, "wrong_type", Severity::Error, []);
                continue;
            };
            let id = row
                .get("id")
                .and_then(Value::as_str)
                .map_or_else(|| (at + 1).to_string(), ToOwned::to_owned);
            if row
                .keys()
                .any(|key| key != "id" && key != "order" && field.column(key).is_none())
            {
                self.raise(&field.id, "unknown_field", Severity::Error, []);
            }
            if field
                .columns
                .iter()
                .all(|column| is_empty(row.get(&column.id)))
            {
                continue;
            }
            for column in &field.columns {
                let lookup = |name: &str| row.get(name).or_else(|| self.lookup(name));
                let visible = column
                    .visible_when
                    .as_ref()
                    .is_none_or(|when| when.holds(&lookup));
                let required = column.required
                    || column
                        .required_when
                        .as_ref()
                        .is_some_and(|when| when.holds(&lookup));
                let path = format!("{}/{id}/{}", field.id, column.id);
                self.value(&path, column, row.get(&column.id), visible, required);
            }
        }
    }

    fn value(
        &mut self,
        path: &str,
        field: &Field,
        value: Option<&Value>,
        visible: bool,
        required: bool,
    ) {
        let table = field.kind == FieldType::Table
            && matches!(value, Some(Value::Array(rows)) if !rows.is_empty());
        let Some(value) =
            value.filter(|value| table || !is_empty(Some(value)) || wrong_container(field, value))
        else {
            if visible && required && field.is_stored() {
                self.raise(path, "required", Severity::Error, []);
            }
            return;
        };
        if !visible {
            self.raise(path, "not_applicable", Severity::Warning, []);
        }
        match field.kind {
            FieldType::Text | FieldType::Textarea => match value.as_str() {
                Some(text) => self.text(path, field, text),
                None => self.wrong_type(path),
            },
            FieldType::Int | FieldType::Number => match value.as_f64() {
                Some(number) if value.is_number() => self.number(path, field, number),
                _ => self.wrong_type(path),
            },
            FieldType::Date => match value.as_str().map(parse_iso) {
                Some(Some(date)) if date.is_full() || field.limits.partial_date => {
                    self.date(path, field, date.first_day())
                }
                Some(_) => self.raise(path, "invalid_date", Severity::Error, []),
                None => self.wrong_type(path),
            },
            FieldType::Datetime => match value.as_str() {
                Some(text) if is_iso_datetime(text) => {
                    if let Some(date) = parse_iso(&text[..10]) {
                        self.date(path, field, date.first_day());
                    }
                }
                Some(_) => self.raise(path, "invalid_date", Severity::Error, []),
                None => self.wrong_type(path),
            },
            FieldType::Bool => {
                if !value.is_boolean() {
                    self.wrong_type(path);
                }
            }
            FieldType::Select => match value.as_str() {
                Some(code) => {
                    if self
                        .definition
                        .list(field)
                        .and_then(|list| list.option(code))
                        .is_none()
                    {
                        self.raise(path, "unknown_option", Severity::Error, []);
                    }
                }
                None => self.wrong_type(path),
            },
            FieldType::Multiselect => self.options(path, field, value),
            FieldType::UserRef
            | FieldType::OrgRef
            | FieldType::PersonRef
            | FieldType::File
            | FieldType::Signature => {
                if !super::ScalarKind::Reference.accepts(value) {
                    self.wrong_type(path);
                }
            }
            FieldType::Table => {
                if !value.is_array() {
                    self.wrong_type(path);
                }
            }
            FieldType::Calc => self.raise(path, "unknown_field", Severity::Error, []),
        }
    }

    fn wrong_type(&mut self, path: &str) {
        self.raise(path, "wrong_type", Severity::Error, []);
    }

    fn text(&mut self, path: &str, field: &Field, text: &str) {
        let (length, max) = (text.chars().count(), field.max_chars());
        if length > max {
            self.raise(
                path,
                "too_long",
                Severity::Error,
                [("max", max.to_string()), ("length", length.to_string())],
            );
        }
        for range in my_number::find(text) {
            self.raise(
                path,
                "my_number",
                Severity::Error,
                [
                    ("start", range.start.0.to_string()),
                    ("end", range.end.0.to_string()),
                ],
            );
        }
        if let Some(format) = field.limits.format
            && !fits(format, text)
        {
            self.raise(
                path,
                "invalid_format",
                Severity::Warning,
                [("format", format.code().to_owned())],
            );
        }
    }

    fn number(&mut self, path: &str, field: &Field, number: f64) {
        if field.kind == FieldType::Int && number.fract() != 0.0 {
            self.raise(path, "not_integer", Severity::Error, []);
        }
        if let Some(min) = field.limits.min
            && number < min
        {
            self.raise(
                path,
                "too_small",
                Severity::Error,
                [("min", min.to_string())],
            );
        }
        if let Some(max) = field.limits.max
            && number > max
        {
            self.raise(
                path,
                "too_large",
                Severity::Error,
                [("max", max.to_string())],
            );
        }
    }

    fn date(&mut self, path: &str, field: &Field, first_day: Date) {
        if !(1868..=2200).contains(&first_day.year()) {
            self.raise(path, "invalid_date", Severity::Error, []);
        } else if field.limits.not_future && first_day > self.context.today {
            self.raise(path, "future_date", Severity::Error, []);
        }
        if field.pii == super::Pii::BirthDate
            && super::age_on(first_day, self.context.today).is_some_and(|age| age > 120)
        {
            self.raise(path, "too_old", Severity::Error, []);
        }
    }

    fn options(&mut self, path: &str, field: &Field, value: &Value) {
        let well_formed = match value {
            Value::Array(items) => items.iter().all(Value::is_string),
            Value::Object(map) => map.values().all(Value::is_boolean),
            _ => false,
        };
        if !well_formed {
            return self.wrong_type(path);
        }
        let chosen = selected_codes(value);
        let Some(list) = self.definition.list(field) else {
            return self.wrong_type(path);
        };
        if chosen.iter().any(|code| list.option(code).is_none()) {
            self.raise(path, "unknown_option", Severity::Error, []);
        }
        let exclusive = list
            .options
            .iter()
            .find(|option| option.exclusive && chosen.contains(&option.code.as_str()));
        if let Some(option) = exclusive.filter(|_| chosen.len() > 1) {
            self.raise(
                path,
                "exclusive_option",
                Severity::Error,
                [("option", option.code.clone())],
            );
        }
    }

    /// 「その他」 is chosen and the field that says more is empty.
    fn other_text(&mut self, field: &'a Field, value: Option<&'a Value>) {
        let (Some(other), Some(list), Some(value)) = (
            field.other_field.as_deref(),
            self.definition.list(field),
            value,
        ) else {
            return;
        };
        let asks = |code: &str| list.option(code).is_some_and(|option| option.text);
        let chosen = match value {
            Value::String(code) => asks(code),
            _ => selected_codes(value).into_iter().any(asks),
        };
        let Some(target) = self.definition.field(other) else {
            return;
        };
        let already = target.required
            || target
                .required_when
                .as_ref()
                .is_some_and(|when| when.holds(&|name: &str| self.lookup(name)))
            || self.issues.iter().any(|issue| issue.path == other);
        if chosen && !already && is_empty(self.values.get(other)) {
            self.raise(other, "other_text_missing", Severity::Warning, []);
        }
    }

    fn check(&mut self, check: &'a Check) {
        match check {
            Check::Order { dates, severity } => {
                let known: Vec<(&String, PartialDate)> = dates
                    .iter()
                    .filter_map(|name| {
                        let text = self.lookup(name)?.as_str()?;
                        Some((name, parse_iso(text.get(..10).unwrap_or(text))?))
                    })
                    .collect();
                for pair in known.windows(2) {
                    let ((earlier, first), (later, second)) = (&pair[0], &pair[1]);
                    if first.first_day() > second.last_day() {
                        let path = if later.contains('.') { earlier } else { later };
                        self.raise(
                            path,
                            "date_order",
                            *severity,
                            [("earlier", (*earlier).clone()), ("later", (*later).clone())],
                        );
                    }
                }
            }
            Check::Within {
                field,
                of,
                severity,
            } => {
                if let Some(code) = self.lookup(field).and_then(Value::as_str)
                    && !self
                        .lookup(of)
                        .is_some_and(|chosen| super::contains_code(chosen, code))
                {
                    self.raise(field, "not_within", *severity, [("of", of.clone())]);
                }
            }
            Check::Raise {
                when,
                field,
                code,
                severity,
                ..
            } => {
                if when.holds(&|name: &str| self.lookup(name)) {
                    self.raise(field, code, *severity, []);
                }
            }
        }
    }
}

/// A list or map where none belongs, although it counts as empty.
fn wrong_container(field: &Field, value: &Value) -> bool {
    match value {
        Value::Array(_) => !matches!(field.kind, FieldType::Multiselect | FieldType::Table),
        Value::Object(_) => field.kind != FieldType::Multiselect,
        _ => false,
    }
}

/// Whether a text has the form; digits may be full width.
fn fits(format: TextFormat, text: &str) -> bool {
    use unicode_normalization::UnicodeNormalization;
    let text: String = text.trim().nfkc().collect();
    match format {
        TextFormat::Phone => {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            (9..=20).contains(&digits)
        }
        TextFormat::PostalCode => {
            let digits: String = text.trim_start_matches('〒').trim().chars().filter(|c| !is_hyphen(*c)).collect();
            digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_digit())
        }
        TextFormat::Email => match text.split_once('@') {
            Some((local, host)) => {
                !local.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
                    && !text.contains(char::is_whitespace) && !host.contains('@')
            }
            None => false,
        },
        TextFormat::Kana => text.chars().all(|c| {
            matches!(c, '\u{3041}'..='\u{309f}' | '\u{30a0}'..='\u{30ff}' | ' ' | '\u{3000}' | '(' | ')')
        }),
    }
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '‐' | '‑' | '–' | '—' | '−' | 'ー' | '―')
}
