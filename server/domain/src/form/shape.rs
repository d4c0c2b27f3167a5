//! The shape of a form's document: what may stand in the root map `fields` of its Y.Doc. Plain
//! data, so that the collaboration engine derives its check and its seed without knowing forms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Definition, Field, FieldType, Limits};

/// Shape of a form's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormShape {
    pub form: String,
    pub form_version: String,
    pub schema: u32,
    /// Field id → shape. Fields that are not stored (calculated, automatic) are missing.
    pub fields: BTreeMap<String, FieldShape>,
}

/// Shape of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FieldShape {
    /// Y.Text of at most so many code points. `line`: one line only.
    Text { max_chars: usize, line: bool },
    /// Plain JSON scalar in the map; null or absent = empty.
    Scalar(ScalarKind),
    /// Y.Map option code → true.
    Options { codes: Vec<String> },
    /// Y.Map row id → Y.Map {`order`: string, column …}.
    Table {
        columns: BTreeMap<String, ColumnShape>,
        max_rows: usize,
    },
}

/// A column is a field without further tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ColumnShape {
    Text { max_chars: usize, line: bool },
    Scalar(ScalarKind),
    Options { codes: Vec<String> },
}

/// Type of a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScalarKind {
    /// Whole number.
    Int,
    Number,
    Bool,
    /// `YYYY-MM-DD`; with `partial` also `YYYY-MM` and `YYYY`.
    Date {
        partial: bool,
    },
    /// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm`.
    Datetime,
    /// One of the codes.
    Choice {
        codes: Vec<String>,
    },
    /// Opaque identifier of an account, agency, person or file: at most 64 of `[A-Za-z0-9_-]`.
    Reference,
}

impl ScalarKind {
    /// Whether a JSON value fits; null (= empty) always does.
    #[must_use]
    pub fn accepts(&self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (self, value) {
            (_, Value::Null) | (Self::Number, Value::Number(_)) | (Self::Bool, Value::Bool(_)) => {
                true
            }
            (Self::Int, Value::Number(number)) => number
                .as_f64()
                .is_some_and(|number| number.fract() == 0.0 && number.abs() < 9.0e15),
            (Self::Date { partial }, Value::String(text)) => {
                super::validate::parse_iso(text).is_some_and(|date| *partial || date.is_full())
            }
            (Self::Datetime, Value::String(text)) => super::validate::is_iso_datetime(text),
            (Self::Choice { codes }, Value::String(text)) => codes.iter().any(|code| code == text),
            (Self::Reference, Value::String(text)) => {
                (1..=64).contains(&text.len())
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
            _ => false,
        }
    }
}

impl Definition {
    /// The shape of the form's document.
    #[must_use]
    pub fn shape(&self) -> FormShape {
        FormShape {
            form: self.id.clone(),
            form_version: self.version.clone(),
            schema: self.schema,
            fields: self
                .fields()
                .filter(|field| field.is_stored())
                .filter_map(|field| Some((field.id.clone(), self.field_shape(field)?)))
                .collect(),
        }
    }

    fn codes(&self, field: &Field) -> Vec<String> {
        self.list(field).map_or_else(Vec::new, |list| {
            list.options
                .iter()
                .map(|option| option.code.clone())
                .collect()
        })
    }

    fn field_shape(&self, field: &Field) -> Option<FieldShape> {
        if field.kind == FieldType::Table {
            return Some(FieldShape::Table {
                columns: field
                    .columns
                    .iter()
                    .filter(|column| column.is_stored())
                    .filter_map(|column| Some((column.id.clone(), self.column_shape(column)?)))
                    .collect(),
                max_rows: field.limits.max_rows.unwrap_or(Limits::ROWS),
            });
        }
        Some(self.column_shape(field)?.into())
    }

    fn column_shape(&self, field: &Field) -> Option<ColumnShape> {
        Some(match field.kind {
            FieldType::Text => ColumnShape::Text {
                max_chars: field.max_chars(),
                line: true,
            },
            FieldType::Textarea => ColumnShape::Text {
                max_chars: field.max_chars(),
                line: false,
            },
            FieldType::Int => ColumnShape::Scalar(ScalarKind::Int),
            FieldType::Number => ColumnShape::Scalar(ScalarKind::Number),
            FieldType::Bool => ColumnShape::Scalar(ScalarKind::Bool),
            FieldType::Date => ColumnShape::Scalar(ScalarKind::Date {
                partial: field.limits.partial_date,
            }),
            FieldType::Datetime => ColumnShape::Scalar(ScalarKind::Datetime),
            FieldType::Select => ColumnShape::Scalar(ScalarKind::Choice {
                codes: self.codes(field),
            }),
            FieldType::UserRef
            | FieldType::OrgRef
            | FieldType::PersonRef
            | FieldType::File
            | FieldType::Signature => ColumnShape::Scalar(ScalarKind::Reference),
            FieldType::Multiselect => ColumnShape::Options {
                codes: self.codes(field),
            },
            FieldType::Table | FieldType::Calc => return None,
        })
    }
}

impl From<ColumnShape> for FieldShape {
    fn from(column: ColumnShape) -> Self {
        match column {
            ColumnShape::Text { max_chars, line } => Self::Text { max_chars, line },
            ColumnShape::Scalar(kind) => Self::Scalar(kind),
            ColumnShape::Options { codes } => Self::Options { codes },
        }
    }
}
