//! Which texts of a document are scanned.

use domain::{
    form::{self, Definition},
    section::DocumentKind,
};
use serde_json::{Map as Object, Value};

/// The texts of a sheet by path (`summary`, `table/row/column`), in the order of the form.
#[must_use]
pub fn texts(definition: &Definition, values: &Object<String, Value>) -> Vec<(String, String)> {
    let is_text = |field: &form::Field| {
        matches!(
            field.kind,
            form::FieldType::Text | form::FieldType::Textarea
        )
    };
    let mut found = Vec::new();
    for field in definition.fields() {
        let Some(value) = values.get(&field.id) else {
            continue;
        };
        if is_text(field) {
            if let Some(text) = value.as_str() {
                found.push((field.id.clone(), text.to_owned()));
            }
            continue;
        }
        for row in value
            .as_array()
            .filter(|_| field.kind == form::FieldType::Table)
            .into_iter()
            .flatten()
        {
            let Some(id) = row["id"].as_str() else {
                continue;
            };
            for column in field.columns.iter().filter(|column| is_text(column)) {
                if let Some(text) = row[&column.id].as_str() {
                    found.push((format!("{}/{id}/{}", field.id, column.id), text.to_owned()));
                }
            }
        }
    }
    found
}

/// Whether documents of this kind are scanned.
#[must_use]
pub fn is_scanned(kind: DocumentKind) -> bool {
    kind.form().is_some()
}
