//! Conditions: small, serialisable, evaluated alike here and in TypeScript
//! (`datasets/vectors/rules.json` is the common test).
//!
//! A field's value is looked up in the values, then (names with a dot) outside. Then:
//! - `empty`: missing, null, blank text, empty list, empty map or map without a `true`; `false`
//!   and `0` are values. `not_empty` is its opposite.
//! - `eq`: same type and value (numbers by value). Missing equals nothing. `ne`: not `eq`.
//! - `in`: `value` is a list; a scalar equals one of them, or one chosen option is among them.
//! - `contains`: the option is chosen, or the list has the value, or the text has the part.
//! - `gt`, `lt`: two numbers by value, or two texts by code points (ISO dates); else false.
//!
//! Chosen options come as a list of codes or as a map code → true.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::code::coded;

coded! {
    /// Operator of a comparison.
    pub enum Op {
        Eq = "eq", "等しい";
        Ne = "ne", "等しくない";
        In = "in", "いずれか";
        Contains = "contains", "含む";
        Empty = "empty", "空";
        NotEmpty = "not_empty", "空でない";
        Gt = "gt", "より大きい";
        Lt = "lt", "より小さい";
    }
}

/// A condition over the values of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    All(All),
    Any(Any),
    Not(Not),
    Compare(Compare),
}

/// Every one holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct All {
    pub all: Vec<Condition>,
}

/// At least one holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Any {
    pub any: Vec<Condition>,
}

/// It does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Not {
    pub not: Box<Condition>,
}

/// Compares a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    pub field: String,
    pub op: Op,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

/// Whether a value counts as not filled in.
#[must_use]
pub fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.chars().all(char::is_whitespace),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(map)) => !map.values().any(|item| *item == Value::Bool(true)),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}

/// The chosen options of a multiselect value (list of codes, or map code → true), else nothing.
#[must_use]
pub fn selected_codes(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(_, on)| **on == Value::Bool(true))
            .map(|(code, _)| code.as_str())
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a multiselect value has the option.
#[must_use]
pub fn contains_code(value: &Value, code: &str) -> bool {
    selected_codes(value).contains(&code)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

impl Condition {
    /// Whether the condition holds. `lookup` gives the value of a field name.
    pub fn holds<'v>(&self, lookup: &impl Fn(&str) -> Option<&'v Value>) -> bool {
        match self {
            Self::All(All { all }) => all.iter().all(|part| part.holds(lookup)),
            Self::Any(Any { any }) => any.iter().any(|part| part.holds(lookup)),
            Self::Not(Not { not }) => !not.holds(lookup),
            Self::Compare(compare) => compare.holds(lookup(&compare.field)),
        }
    }

    /// Whether the condition holds for these values alone.
    #[must_use]
    pub fn holds_for(&self, values: &Map<String, Value>) -> bool {
        self.holds(&|name: &str| values.get(name))
    }

    /// The names of the fields it reads.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::All(All { all: parts }) | Self::Any(Any { any: parts }) => {
                parts.iter().flat_map(Self::fields).collect()
            }
            Self::Not(Not { not }) => not.fields(),
            Self::Compare(compare) => vec![&compare.field],
        }
    }
}

impl Compare {
    fn holds(&self, actual: Option<&Value>) -> bool {
        let expected = &self.value;
        match self.op {
            Op::Empty => is_empty(actual),
            Op::NotEmpty => !is_empty(actual),
            Op::Eq => actual.is_some_and(|actual| !actual.is_null() && same(actual, expected)),
            Op::Ne => !actual.is_some_and(|actual| !actual.is_null() && same(actual, expected)),
            Op::In => {
                let (Some(actual), Value::Array(choices)) = (actual, expected) else {
                    return false;
                };
                match actual {
                    Value::Array(_) | Value::Object(_) => selected_codes(actual)
                        .iter()
                        .any(|code| choices.iter().any(|choice| choice.as_str() == Some(code))),
                    Value::Null => false,
                    scalar => choices.iter().any(|choice| same(scalar, choice)),
                }
            }
            Op::Contains => match (actual, expected) {
                (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
                (Some(Value::Array(items)), _) => items.iter().any(|item| same(item, expected)),
                (Some(Value::Object(map)), Value::String(code)) => {
                    map.get(code.as_str()) == Some(&Value::Bool(true))
                }
                _ => false,
            },
            Op::Gt => {
                actual.and_then(|actual| order(actual, expected))
                    == Some(std::cmp::Ordering::Greater)
            }
            Op::Lt => {
                actual.and_then(|actual| order(actual, expected)) == Some(std::cmp::Ordering::Less)
            }
        }
    }
}
