//! Reading values out of a document, for projection, statistics and CSV.

use crate::shape::{Rule, RuleId, Scalar, Shape};
use serde_json::{Map as Object, Number, Value};
use yrs::{Any, GetString, Map, Out, ReadTxn};

/// The `fields` of a sheet as JSON: long text → string; scalar → as it is; multi-choice → sorted
/// array of the chosen codes, also of ids with flags; table → array of rows `{"id", <column>…}` in their order (`order`,
/// then id). Empty fields and fields that the form does not know are left out.
#[must_use]
pub fn fields<T: ReadTxn>(txn: &T, shape: &Shape) -> Value {
    root(txn, shape, "fields")
}

/// Any root as JSON; maps with id keys (`nodes`, `spans`, …) come as rows.
#[must_use]
pub fn root<T: ReadTxn>(txn: &T, shape: &Shape, name: &str) -> Value {
    let Some((_, root)) = shape.roots().find(|(root, _)| *root == name) else {
        return Value::Null;
    };
    match shape.rule(root.rule) {
        Rule::Text { .. } => txn
            .get_text(name)
            .map_or(Value::Null, |text| text.get_string(txn).into()),
        Rule::Map(_) => txn
            .get_map(name)
            .and_then(|map| value(txn, shape, Some(root.rule), Out::YMap(map)))
            .unwrap_or(Value::Object(Object::new())),
        Rule::Scalar(_) => Value::Null,
    }
}

fn value<T: ReadTxn>(txn: &T, shape: &Shape, rule: Option<RuleId>, out: Out) -> Option<Value> {
    match (shape.rule(rule?), out) {
        (Rule::Text { .. }, Out::YText(text)) => {
            let text = text.get_string(txn);
            (!text.is_empty()).then(|| text.into())
        }
        (Rule::Scalar(_), Out::Any(any)) => scalar(&any),
        (Rule::Map(rules), Out::YMap(map)) => {
            if shape.is_options(rules) {
                let mut chosen: Vec<String> = map
                    .iter(txn)
                    .filter(|(key, out)| {
                        rules.rule_of(key).is_some() && matches!(out, Out::Any(Any::Bool(true)))
                    })
                    .map(|(key, _)| key.to_owned())
                    .collect();
                chosen.sort();
                return Some(chosen.into());
            }
            if let Some(Rule::Scalar(Scalar::Bool)) = rules.entries.map(|rule| shape.rule(rule)) {
                // Ids with flags: who belongs to it.
                let mut ids: Vec<String> = map
                    .iter(txn)
                    .filter(|(_, out)| matches!(out, Out::Any(Any::Bool(true))))
                    .map(|(key, _)| key.to_owned())
                    .collect();
                ids.sort();
                return Some(ids.into());
            }
            let mut members: Vec<(String, Value)> = map
                .iter(txn)
                .filter_map(|(key, out)| {
                    Some((key.to_owned(), value(txn, shape, rules.rule_of(key), out)?))
                })
                .collect();
            if rules.entries.is_none() {
                return Some(Value::Object(members.into_iter().collect()));
            }
            members.sort_by(|(id_a, a), (id_b, b)| {
                let order = |row: &Value| {
                    row.get("order")
                        .and_then(Value::as_str)
                        .unwrap_or("")
                        .to_owned()
                };
                order(a).cmp(&order(b)).then_with(|| id_a.cmp(id_b))
            });
            let rows = members.into_iter().map(|(id, mut row)| {
                if let Value::Object(columns) = &mut row {
                    columns.insert("id".into(), id.into());
                }
                row
            });
            Some(Value::Array(rows.collect()))
        }
        _ => None,
    }
}

/// A JSON scalar; `None` for empty and for anything else.
#[must_use]
pub fn scalar(any: &Any) -> Option<Value> {
    match any {
        Any::Bool(flag) => Some((*flag).into()),
        Any::Number(yrs::Number::Int(number)) => Some((*number).into()),
        Any::Number(yrs::Number::Float(number)) => {
            if number.fract() == 0.0 && number.abs() < 9e15 {
                Some((*number as i64).into())
            } else {
                Number::from_f64(*number).map(Value::Number)
            }
        }
        Any::String(text) => (!text.is_empty()).then(|| text.to_string().into()),
        _ => None,
    }
}
