//! Masked projection of a form's values: what a マスク済み閲覧 reader gets. Fails closed: what the
//! definition does not know, what has another type, what is not yet scanned is left out.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Definition, Field, FieldType, Pii, ScalarKind, rule::is_empty, rule::selected_codes};
use crate::mask::{MaskLabel, Numbering};

/// What the masking of a free text gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskedText {
    /// The text with its entities replaced.
    Masked(String),
    /// Not scanned yet, or newer than the scan: 「確認中」.
    Withheld,
}

/// A field as masked readers get it. Exactly one of text, value and rows, or `withheld`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Projected {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Scalar, or list of option codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<ProjectedRow>>,
    /// 「確認中」 (or 住所秘匿): there is something, not to be shown now.
    pub withheld: bool,
}

/// A row with a fresh id (`r1`, `r2` …): the document's own ids stay inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectedRow {
    pub id: String,
    pub cells: BTreeMap<String, Projected>,
}

/// Field id → what is shown. Empty fields are missing.
pub type Projection = BTreeMap<String, Projected>;

/// Projects a form's values for masked readers.
///
/// Structured identity (`pii` name, address, birth date …) becomes a token ［氏名1］; free texts
/// go through `mask_text(path, text)`; choices, numbers and dates without such a class are shown;
/// files and signatures are left out. `address_protected`: a person the document is about has
/// 住所秘匿, so fields with `confidential_address` and references to agencies are withheld.
pub fn project_masked(
    definition: &Definition,
    values: &Map<String, Value>,
    address_protected: bool,
    numbering: &mut Numbering,
    mask_text: &mut impl FnMut(&str, &str) -> MaskedText,
) -> Projection {
    let mut projection = Projection::new();
    let mut project = Project {
        definition,
        address_protected,
        numbering,
        mask_text,
    };
    for field in definition.fields() {
        let Some(value) = values.get(&field.id) else {
            continue;
        };
        let shown = if field.kind == FieldType::Table {
            project.table(field, value)
        } else {
            project.cell(&field.id, field, value)
        };
        if let Some(shown) = shown {
            projection.insert(field.id.clone(), shown);
        }
    }
    projection
}

struct Project<'a, F> {
    definition: &'a Definition,
    address_protected: bool,
    numbering: &'a mut Numbering,
    mask_text: &'a mut F,
}

impl<F: FnMut(&str, &str) -> MaskedText> Project<'_, F> {
    fn table(&mut self, field: &Field, value: &Value) -> Option<Projected> {
        let rows: Vec<&Map<String, Value>> = value
            .as_array()?
            .iter()
            .filter_map(Value::as_object)
            .collect();
        if rows.is_empty() {
            return None;
        }
        if field.confidential_address && self.address_protected {
            return Some(withheld());
        }
        let mut shown = Vec::with_capacity(rows.len());
        for (at, row) in rows.into_iter().enumerate() {
            let fresh = format!("r{}", at + 1);
            let id = row.get("id").and_then(Value::as_str).unwrap_or(&fresh);
            let cells = field
                .columns
                .iter()
                .filter_map(|column| {
                    let path = format!("{}/{id}/{}", field.id, column.id);
                    let cell = self.cell(&path, column, row.get(&column.id)?)?;
                    Some((column.id.clone(), cell))
                })
                .collect();
            shown.push(ProjectedRow { id: fresh, cells });
        }
        Some(Projected {
            rows: Some(shown),
            ..Projected::default()
        })
    }

    /// `None`: nothing there, or nothing that may be shown.
    fn cell(&mut self, path: &str, field: &Field, value: &Value) -> Option<Projected> {
        if is_empty(Some(value)) {
            return None;
        }
        // Which agency is nearby tells where somebody stays.
        let tells_where = field.confidential_address || field.kind == FieldType::OrgRef;
        if tells_where && self.address_protected {
            return Some(withheld());
        }
        if let Some(label) = label_of(field.pii) {
            let key = match value {
                Value::String(text) if field.kind == FieldType::PersonRef => text.clone(),
                Value::String(text) => text.split_whitespace().collect(),
                other => other.to_string(),
            };
            return match field.kind {
                FieldType::File | FieldType::Signature | FieldType::Table | FieldType::Calc => None,
                _ => Some(Projected {
                    text: Some(self.numbering.token(label, &key)),
                    ..Projected::default()
                }),
            };
        }
        match field.kind {
            FieldType::Text | FieldType::Textarea => {
                let text = value.as_str()?;
                // Only texts that no person writes (settings) go through unmasked.
                if field.pii == Pii::None && field.automatic {
                    return Some(Projected {
                        text: Some(text.to_owned()),
                        ..Projected::default()
                    });
                }
                Some(match (self.mask_text)(path, text) {
                    MaskedText::Masked(text) => Projected {
                        text: Some(text),
                        ..Projected::default()
                    },
                    MaskedText::Withheld => withheld(),
                })
            }
            FieldType::Int => scalar(&ScalarKind::Int, value),
            FieldType::Number => scalar(&ScalarKind::Number, value),
            FieldType::Bool => scalar(&ScalarKind::Bool, value),
            FieldType::Date => scalar(&ScalarKind::Date { partial: true }, value),
            FieldType::Datetime => scalar(&ScalarKind::Datetime, value),
            FieldType::UserRef | FieldType::OrgRef => scalar(&ScalarKind::Reference, value),
            FieldType::Select => {
                self.definition.option_label(field, value.as_str()?)?;
                Some(shown(value.clone()))
            }
            FieldType::Multiselect => {
                let list = self.definition.list(field)?;
                let codes: Vec<Value> = selected_codes(value)
                    .into_iter()
                    .filter(|code| list.option(code).is_some())
                    .map(Value::from)
                    .collect();
                (!codes.is_empty()).then(|| shown(Value::Array(codes)))
            }
            // A reference to a person is a name even where the definition forgot to say so.
            FieldType::PersonRef => {
                let token = self.numbering.token(MaskLabel::Person, value.as_str()?);
                Some(Projected {
                    text: Some(token),
                    ..Projected::default()
                })
            }
            FieldType::Table | FieldType::Calc | FieldType::File | FieldType::Signature => None,
        }
    }
}

fn scalar(kind: &ScalarKind, value: &Value) -> Option<Projected> {
    kind.accepts(value).then(|| shown(value.clone()))
}

fn shown(value: Value) -> Projected {
    Projected {
        value: Some(value),
        ..Projected::default()
    }
}

fn withheld() -> Projected {
    Projected {
        withheld: true,
        ..Projected::default()
    }
}

/// The label that replaces a structured value; `None` = not replaced as a whole.
const fn label_of(pii: Pii) -> Option<MaskLabel> {
    Some(match pii {
        Pii::Name | Pii::Kana => MaskLabel::Person,
        Pii::Address => MaskLabel::Address,
        Pii::Phone => MaskLabel::Phone,
        Pii::Email => MaskLabel::Email,
        Pii::BirthDate => MaskLabel::Birthdate,
        Pii::IdNumber => MaskLabel::IdNumber,
        Pii::Account => MaskLabel::Account,
        Pii::Facility => MaskLabel::Facility,
        Pii::None | Pii::FreeText | Pii::Sensitive => return None,
    })
}
