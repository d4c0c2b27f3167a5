//! Writes plain values into an empty live sheet or network: demo data, imports.

use std::collections::{BTreeMap, HashMap};

use domain::form::{ColumnShape, FieldShape, FormShape};
use serde_json::{Map as Object, Value};
use yrs::{Any, Map, MapPrelim, MapRef, Out, Text, TextPrelim, TransactionMut, WriteTxn};

use crate::scanning::fresh_key;

/// Writes `values` (field id → value as in `collab::values::fields`) into the seeded `fields` of a
/// sheet. Fields that the form does not keep, and values that do not fit, are left out.
pub fn fill_sheet(txn: &mut TransactionMut<'_>, shape: &FormShape, values: &Object<String, Value>) {
    let fields = txn.get_or_insert_map("fields");
    for (id, value) in values {
        match shape.fields.get(id) {
            Some(FieldShape::Text { .. }) => {
                if let (Some(text), Some(Out::YText(live))) = (value.as_str(), fields.get(txn, id))
                {
                    live.push(txn, text);
                }
            }
            Some(FieldShape::Scalar(kind)) if kind.accepts(value) => {
                fields.insert(txn, id.as_str(), any(value));
            }
            Some(FieldShape::Options { codes }) => {
                if let Some(Out::YMap(options)) = fields.get(txn, id) {
                    choose(txn, &options, codes, value);
                }
            }
            Some(FieldShape::Table { columns, .. }) => {
                let Some(Out::YMap(table)) = fields.get(txn, id) else {
                    continue;
                };
                fill_rows(txn, &table, columns, value);
            }
            Some(FieldShape::Scalar(_)) | None => {}
        }
    }
}

/// Writes rows (a list of cells by column) into a table that has none. Ids of the rows are new.
pub(crate) fn fill_rows(
    txn: &mut TransactionMut<'_>,
    table: &MapRef,
    columns: &BTreeMap<String, ColumnShape>,
    rows: &Value,
) {
    for (at, row) in rows.as_array().into_iter().flatten().enumerate() {
        let Some(cells) = row.as_object() else {
            continue;
        };
        let order = format!("a{at:03}");
        let live = table.insert(
            txn,
            fresh_key(),
            MapPrelim::from_iter([("order", Any::from(order))]),
        );
        for (column, shape) in columns {
            let cell = cells.get(column).filter(|cell| !cell.is_null());
            // Texts and options exist from the start, so that two browsers never create one.
            match shape {
                ColumnShape::Text { .. } => {
                    let text = cell.and_then(Value::as_str).unwrap_or_default();
                    live.insert(txn, column.as_str(), TextPrelim::new(text));
                }
                ColumnShape::Scalar(kind) => {
                    if let Some(cell) = cell.filter(|cell| kind.accepts(cell)) {
                        live.insert(txn, column.as_str(), any(cell));
                    }
                }
                ColumnShape::Options { codes } => {
                    let options = live.insert(txn, column.as_str(), MapPrelim::default());
                    choose(txn, &options, codes, cell.unwrap_or(&Value::Null));
                }
            }
        }
    }
}

fn choose(txn: &mut TransactionMut<'_>, options: &MapRef, codes: &[String], value: &Value) {
    let chosen = value.as_array().map(Vec::as_slice).unwrap_or_default();
    for code in chosen
        .iter()
        .filter_map(Value::as_str)
        .filter(|code| codes.iter().any(|known| known == code))
    {
        options.insert(txn, code, true);
    }
}

fn any(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(flag) => Any::from(*flag),
        Value::Number(number) => Any::from(number.as_f64().unwrap_or_default()),
        Value::String(text) => Any::from(text.as_str()),
        Value::Array(_) | Value::Object(_) => Any::Null,
    }
}

/// Writes nodes, ties and households (name, members) into an empty network. Ends of a tie and
/// members of a household name nodes by their key in `nodes`.
pub fn fill_network(
    txn: &mut TransactionMut<'_>,
    nodes: &[(String, Object<String, Value>)],
    ties: &[Object<String, Value>],
    households: &[(String, Vec<String>)],
) {
    let live_nodes = txn.get_or_insert_map("nodes");
    let live_ties = txn.get_or_insert_map("ties");
    let mut keys: HashMap<&str, String> = HashMap::new();
    let record = |values: &Object<String, Value>| {
        values
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), any(value)))
            .collect::<Vec<_>>()
    };
    for (name, values) in nodes {
        let key = fresh_key();
        live_nodes.insert(txn, key.as_str(), MapPrelim::from_iter(record(values)));
        keys.insert(name, key);
    }
    for tie in ties {
        let end = |which: &str| {
            tie.get(which)
                .and_then(Value::as_str)
                .and_then(|name| keys.get(name))
                .cloned()
        };
        let (Some(from), Some(to)) = (end("from"), end("to")) else {
            continue;
        };
        let mut values = tie.clone();
        values.insert("from".to_owned(), from.into());
        values.insert("to".to_owned(), to.into());
        live_ties.insert(txn, fresh_key(), MapPrelim::from_iter(record(&values)));
    }
    let live_households = txn.get_or_insert_map("households");
    for (name, members) in households {
        let members: Vec<(String, Any)> = members
            .iter()
            .filter_map(|member| Some((keys.get(member.as_str())?.clone(), Any::Bool(true))))
            .collect();
        let live = live_households.insert(
            txn,
            fresh_key(),
            MapPrelim::from_iter([("name", Any::from(name.as_str()))]),
        );
        live.insert(txn, "members", MapPrelim::from_iter(members));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yrs::{Doc, Transact, types::ToJson};

    #[test]
    fn a_network_is_written_under_fresh_keys() {
        let doc = Doc::new();
        let nodes = ["a", "b"].map(|id| {
            let label = Object::from_iter([("label".to_owned(), id.into())]);
            (id.to_owned(), label)
        });
        let tie = [("family", "gen"), ("from", "a"), ("to", "b")]
            .map(|(key, value)| (key.to_owned(), Value::from(value)));
        let home = (
            "家".to_owned(),
            ["a", "b", "gone"].map(str::to_owned).into(),
        );
        let mut txn = doc.transact_mut();
        fill_network(&mut txn, &nodes, &[Object::from_iter(tie)], &[home]);
        let read = |txn: &TransactionMut<'_>, name: &str| -> Object<String, Value> {
            let map = yrs::ReadTxn::get_map(txn, name).unwrap();
            serde_json::from_value(serde_json::to_value(map.to_json(txn)).unwrap()).unwrap()
        };
        let (nodes, ties) = (read(&txn, "nodes"), read(&txn, "ties"));
        let key = |label: &str| {
            nodes
                .iter()
                .find(|(_, node)| node["label"] == label)
                .unwrap()
                .0
        };
        assert!(!nodes.contains_key("a"));
        let tie = ties.values().next().unwrap();
        assert_eq!(
            (tie["from"].as_str(), tie["to"].as_str()),
            (Some(key("a").as_str()), Some(key("b").as_str()))
        );
        let homes = read(&txn, "households");
        let home = homes.values().next().unwrap();
        assert_eq!(home["name"], "家");
        let members = home["members"].as_object().unwrap();
        assert_eq!(members.len(), 2);
        assert!(members[key("a")] == true && members[key("b")] == true);
    }
}
