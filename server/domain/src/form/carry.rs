//! Values that stand in another sheet already: from the plan into the evaluation, from the last plan
//! into the next. Offered beside the field, written only when somebody takes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Definition, DefinitionError, Field, FieldShape, FieldType, FormShape, is_empty, selected_codes,
};
use crate::code::coded;

coded! {
    /// How a value is carried over.
    pub enum CarryHow {
        /// As it is; a table row by row.
        Copy = "copy", "そのまま";
        /// The number of chosen options (without なし) or rows.
        Count = "count", "数";
        /// The labels of the chosen options as words.
        Labels = "labels", "選んだ項目の名前";
        /// A row for each chosen option.
        Rows = "rows", "選んだ項目を1行ずつ";
    }
}

/// Where a field's value may be carried over from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carry {
    /// A form, of which the newest other sheet of the case is taken, or `case` for what the case
    /// itself knows.
    pub form: String,
    pub field: String,
    #[serde(default = "copy", skip_serializing_if = "is_copy")]
    pub how: CarryHow,
    /// Column here → column there; with [`CarryHow::Rows`] column here → `label`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

const fn copy() -> CarryHow {
    CarryHow::Copy
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
const fn is_copy(how: &CarryHow) -> bool {
    matches!(how, CarryHow::Copy)
}

/// Names that may be carried over from the case itself.
const CASE: [(&str, FieldType); 2] = [
    ("consent", FieldType::Select),
    ("lead_agency", FieldType::OrgRef),
];

/// What a carry reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source<'a> {
    /// A field of a form.
    Form(&'a Definition, &'a Field),
    /// A value of the case.
    Case(FieldType),
}

impl Source<'_> {
    const fn kind(self) -> FieldType {
        match self {
            Self::Form(_, field) => field.kind,
            Self::Case(kind) => kind,
        }
    }
}

/// The source that a carry names, among the definitions; `None` when there is none.
#[must_use]
pub fn source_of<'a>(carry: &Carry, definitions: &'a [Definition]) -> Option<Source<'a>> {
    if carry.form == "case" {
        return CASE
            .iter()
            .find(|(name, _)| *name == carry.field)
            .map(|(_, kind)| Source::Case(*kind));
    }
    let form = definitions.iter().find(|form| form.id == carry.form)?;
    form.field(&carry.field)
        .filter(|field| field.is_stored())
        .map(|field| Source::Form(form, field))
}

/// What the value of the source is in the target, as the target's document keeps it: text, scalar,
/// list of codes, or rows without ids. `None` when there is nothing, or nothing that fits.
#[must_use]
pub fn carried(
    definition: &Definition,
    target: &Field,
    carry: &Carry,
    source: Source<'_>,
    value: &Value,
) -> Option<Value> {
    let FormShape { mut fields, .. } = definition.shape();
    let shape = fields.remove(&target.id)?;
    let made = match carry.how {
        CarryHow::Copy if target.kind == FieldType::Table => {
            let rows = value.as_array()?.iter().filter_map(Value::as_object);
            let rows: Vec<Value> = rows
                .filter_map(|row| row_of(target, carry, source, row))
                .collect();
            Value::Array(rows)
        }
        CarryHow::Copy => copied(target, source, value)?,
        CarryHow::Count => match source {
            Source::Form(form, field) if field.kind == FieldType::Multiselect => {
                Value::from(named(form, field, value).len())
            }
            _ => Value::from(value.as_array()?.len()),
        },
        CarryHow::Labels => match source {
            Source::Form(form, field) => Value::from(named(form, field, value).join("、")),
            Source::Case(_) => return None,
        },
        CarryHow::Rows => match source {
            Source::Form(form, field) => named(form, field, value)
                .into_iter()
                .map(|label| {
                    let cells = carry
                        .columns
                        .keys()
                        .map(|column| (column.clone(), label.into()));
                    Value::Object(cells.collect())
                })
                .collect(),
            Source::Case(_) => return None,
        },
    };
    if matches!(&made, Value::Array(items) if items.is_empty())
        || (is_empty(Some(&made)) && !made.is_array())
        || (carry.how == CarryHow::Count && made == 0)
    {
        return None;
    }
    fits(&shape, &made).then_some(made)
}

/// Labels of the chosen options, without 「なし」 and the like.
fn named<'a>(form: &'a Definition, field: &Field, value: &Value) -> Vec<&'a str> {
    let chosen = match value {
        Value::String(code) => vec![code.as_str()],
        other => selected_codes(other),
    };
    let Some(list) = form.list(field) else {
        return Vec::new();
    };
    chosen
        .iter()
        .filter_map(|code| list.option(code))
        .filter(|option| !option.exclusive)
        .map(|option| option.label.as_str())
        .collect()
}

/// A single value in the form that the target keeps.
fn copied(target: &Field, source: Source<'_>, value: &Value) -> Option<Value> {
    if is_empty(Some(value)) {
        return None;
    }
    Some(match (target.kind, source.kind()) {
        (FieldType::Date, FieldType::Datetime) => value.as_str()?.get(..10)?.into(),
        (FieldType::Text | FieldType::Textarea, FieldType::Select) => match source {
            Source::Form(form, field) => form.option_label(field, value.as_str()?)?.into(),
            Source::Case(_) => return None,
        },
        (FieldType::Text, _) => {
            let words: Vec<&str> = value.as_str()?.split_whitespace().collect();
            words.join(" ").into()
        }
        (FieldType::Multiselect, _) => selected_codes(value).into_iter().map(Value::from).collect(),
        _ => value.clone(),
    })
}

/// A row with the cells that the carry names; `None` when none of them holds anything.
fn row_of(
    target: &Field,
    carry: &Carry,
    source: Source<'_>,
    row: &Map<String, Value>,
) -> Option<Value> {
    let Source::Form(form, table) = source else {
        return None;
    };
    let mut cells = Map::new();
    for (here, there) in &carry.columns {
        let (Some(column), Some(from), Some(value)) =
            (target.column(here), table.column(there), row.get(there))
        else {
            continue;
        };
        if let Some(value) = copied(column, Source::Form(form, from), value) {
            cells.insert(here.clone(), value);
        }
    }
    (!cells.is_empty()).then_some(Value::Object(cells))
}

/// Whether a value may stand in the document as it is.
fn fits(shape: &FieldShape, value: &Value) -> bool {
    match shape {
        FieldShape::Text { max_chars, .. } => value
            .as_str()
            .is_some_and(|text| text.chars().count() <= *max_chars),
        FieldShape::Scalar(kind) => kind.accepts(value),
        FieldShape::Options { codes } => selected_codes(value)
            .iter()
            .all(|code| codes.iter().any(|known| known == code)),
        FieldShape::Table { columns, max_rows } => value.as_array().is_some_and(|rows| {
            rows.len() <= *max_rows
                && rows.iter().filter_map(Value::as_object).all(|row| {
                    row.iter().all(|(name, cell)| {
                        columns
                            .get(name)
                            .is_some_and(|column| fits(&column.clone().into(), cell))
                    })
                })
        }),
    }
}

/// Whether a value of the source can become one of the target.
fn compatible(target: &Field, source: Source<'_>) -> bool {
    use FieldType::{Date, Datetime, Select, Text, Textarea};
    let options = |field: &Field| field.options.clone();
    match (target.kind, source.kind()) {
        (Text | Textarea, Text | Textarea | Select) | (Date, Datetime) => true,
        (here, there) if here == there => match source {
            Source::Form(_, field) => options(target) == options(field),
            Source::Case(_) => true,
        },
        _ => false,
    }
}

/// Checks what the fields of a form say about carrying over.
///
/// # Errors
/// On an unknown form, field or column, and on kinds that do not go together.
pub(super) fn check(form: &Definition, all: &[Definition]) -> Result<(), DefinitionError> {
    for field in form.fields() {
        for carry in &field.carry {
            if let Some(problem) = problem(form, field, carry, all) {
                return Err(DefinitionError::Field {
                    form: form.id.clone(),
                    field: field.id.clone(),
                    problem,
                });
            }
        }
        if field.columns.iter().any(|column| !column.carry.is_empty()) {
            return Err(DefinitionError::Field {
                form: form.id.clone(),
                field: field.id.clone(),
                problem: "a column is carried with its table",
            });
        }
    }
    Ok(())
}

fn problem(
    form: &Definition,
    target: &Field,
    carry: &Carry,
    all: &[Definition],
) -> Option<&'static str> {
    let Some(source) = source_of(carry, all) else {
        return Some("carried from an unknown field");
    };
    if !target.is_stored() {
        return Some("only what the document keeps is carried");
    }
    if carry.form == form.id && !form.repeated {
        return Some("carried from the sheet itself");
    }
    let choice = matches!(source.kind(), FieldType::Select | FieldType::Multiselect);
    let text = matches!(target.kind, FieldType::Text | FieldType::Textarea);
    let columns_of = |source: &Field, carry: &Carry| {
        carry.columns.iter().all(|(here, there)| {
            match (target.column(here), source.column(there)) {
                (Some(here), Some(there)) => match source_of(carry, all) {
                    Some(Source::Form(form, _)) => compatible(here, Source::Form(form, there)),
                    _ => false,
                },
                _ => false,
            }
        })
    };
    let fine = match carry.how {
        CarryHow::Copy if target.kind == FieldType::Table => match source {
            Source::Form(_, field) => !carry.columns.is_empty() && columns_of(field, carry),
            Source::Case(_) => false,
        },
        CarryHow::Copy => compatible(target, source),
        CarryHow::Count => {
            target.kind == FieldType::Int
                && matches!(source.kind(), FieldType::Multiselect | FieldType::Table)
        }
        CarryHow::Labels => text && choice,
        CarryHow::Rows => {
            choice
                && !carry.columns.is_empty()
                && carry.columns.iter().all(|(here, there)| {
                    there == "label"
                        && target.column(here).is_some_and(|column| {
                            matches!(column.kind, FieldType::Text | FieldType::Textarea)
                        })
                })
        }
    };
    (!fine).then_some("what is carried does not fit the field")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::form::catalogue;

    fn offered(form: &str, field: &str, from: &str, value: &Value) -> Option<Value> {
        let all = catalogue().definitions();
        let form = catalogue().definition(form).unwrap();
        let field = form.field(field).unwrap();
        let (source, name) = from.split_once('.').unwrap();
        let carry = field
            .carry
            .iter()
            .find(|carry| carry.form == source && carry.field == name)
            .unwrap();
        carried(form, field, carry, source_of(carry, all).unwrap(), value)
    }

    #[test]
    fn a_plan_follows_the_one_before_and_the_evaluation_the_plan() {
        let items = json!([
            {"id": "x1", "order": "a", "issue": "家賃の滞納", "goal": "分割で払う", "progress": "4", "progress_note": "完済", "due": "2026-05-01"},
            {"id": "x2", "order": "b", "issue": "", "progress": "0"},
        ]);
        assert_eq!(
            offered("plan", "items", "plan.items", &items),
            Some(json!([{"issue": "家賃の滞納", "goal": "分割で払う"}]))
        );
        assert_eq!(
            offered("evaluation", "items", "plan.items", &items),
            Some(json!([{"issue": "家賃の滞納", "goal": "分割で払う", "performed": "完済"}]))
        );
        assert_eq!(
            offered("evaluation", "items", "plan.items", &json!([])),
            None
        );
    }

    #[test]
    fn options_become_numbers_words_and_rows() {
        let issues = json!(["debt", "poverty"]);
        assert_eq!(
            offered(
                "screening",
                "issue_field_count",
                "intake_assessment.issues",
                &issues
            ),
            Some(json!(2))
        );
        assert_eq!(
            offered(
                "screening",
                "issue_field_count",
                "intake_assessment.issues",
                &json!([])
            ),
            None
        );
        assert_eq!(
            offered(
                "screening",
                "main_issues",
                "intake_assessment.issues",
                &issues
            ),
            Some(json!("（多重・過重）債務、経済的困窮"))
        );
        assert_eq!(
            offered("plan", "items", "intake_assessment.issues", &issues),
            Some(json!([{"issue": "（多重・過重）債務"}, {"issue": "経済的困窮"}]))
        );
        assert_eq!(
            offered(
                "plan",
                "meeting_on",
                "meeting.held_at",
                &json!("2026-04-01T13:30")
            ),
            Some(json!("2026-04-01"))
        );
        let priority = json!([{"id": "r", "issue": "debt", "priority": 1, "whose": "p1"}]);
        assert_eq!(
            offered(
                "plan",
                "items",
                "intake_assessment.issue_priority",
                &priority
            ),
            Some(json!([{"issue": "（多重・過重）債務", "target": "p1"}]))
        );
    }

    #[test]
    fn what_does_not_fit_is_not_offered() {
        assert_eq!(
            offered(
                "plan",
                "goal_long",
                "plan.goal_long",
                &json!("あ".repeat(10_001))
            ),
            None
        );
        assert_eq!(
            offered("plan", "goal_long", "plan.goal_long", &json!(7)),
            None
        );
        assert_eq!(
            offered("meeting", "consent", "case.consent", &json!("nonsense")),
            None
        );
        assert_eq!(
            offered("meeting", "consent", "case.consent", &json!("full")),
            Some(json!("full"))
        );
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z0-9あ ]{0,12}".prop_map(Value::from),
            prop_oneof![
                "debt",
                "poverty",
                "other",
                "full",
                "3",
                "2026-04-01",
                "2026-04-01T09:00"
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(
                    prop_oneof!["id", "issue", "goal", "org", "task", "due", "debt"],
                    inner,
                    0..5
                )
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever stands in the source: what is offered fits the target's document, and brings no
        /// ids of rows along.
        #[test]
        fn an_offer_fits(value in anything()) {
            let all = catalogue().definitions();
            for form in all {
                let shape = form.shape();
                for field in form.fields() {
                    for carry in &field.carry {
                        let source = source_of(carry, all).unwrap();
                        let Some(offer) = carried(form, field, carry, source, &value) else { continue };
                        prop_assert!(fits(&shape.fields[&field.id], &offer));
                        if let Value::Array(rows) = &offer {
                            prop_assert!(rows.iter().all(|row| row.get("id").is_none() && row.get("order").is_none()));
                        }
                    }
                }
            }
        }
    }
}
