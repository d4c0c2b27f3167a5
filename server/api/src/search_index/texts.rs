//! The words of sheets and entries, as they are indexed and as hits show them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use domain::{
    form::{self, Definition, Field, FieldType, Projected, Projection},
    id::ProgressRecordId,
};
use masking::Hidden;
use serde_json::Value;
use store::progress::ProgressToMask;

use crate::{
    engines::Engines,
    scanning::{self, Basis, SuggestionCache},
};

/// A labelled text of a unit.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The field's label; empty where there is none.
    pub label: String,
    pub text: String,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Part")
    }
}

/// The texts alone, as one that is indexed.
#[must_use]
pub fn joined(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join("\n")
}

/// A masked text without its tokens ［氏名1］: numbers differ from reader to reader, and nobody looks for
/// them.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('［') {
        let (before, token) = rest.split_at(open);
        out.push_str(before);
        match token.find('］') {
            Some(close) => {
                let inside = token[..close].trim_start_matches('［');
                let kind = inside.trim_end_matches(|c: char| c.is_ascii_digit());
                out.push('［');
                // A token ends with its number; anything else in these brackets was written by somebody.
                if kind.len() == inside.len() {
                    out.push_str(inside);
                } else {
                    out.push('…');
                }
                out.push('］');
                rest = &token[close + '］'.len_utf8()..];
            }
            None => {
                out.push_str(token);
                rest = "";
            }
        }
    }
    out.push_str(rest);
    out
}

fn scalar(definition: &Definition, field: &Field, value: &Value) -> Option<String> {
    let label = |code: &str| definition.option_label(field, code).map(str::to_owned);
    match value {
        Value::String(text) if definition.list(field).is_some() => label(text),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => {
            let labels: Vec<String> = form::selected_codes(value)
                .into_iter()
                .filter_map(label)
                .collect();
            (!labels.is_empty()).then(|| labels.join("、"))
        }
        _ => None,
    }
}

fn put(out: &mut Vec<Part>, label: &str, text: String) {
    if !text.trim().is_empty() {
        out.push(Part {
            label: label.to_owned(),
            text,
        });
    }
}

/// What a sheet says, in the order of the form: texts, and choices by their labels.
#[must_use]
pub fn of_sheet(definition: &Definition, values: &Value) -> Vec<Part> {
    let mut out = Vec::new();
    for field in definition.fields() {
        let Some(value) = values
            .get(&field.id)
            .filter(|value| !form::is_empty(Some(value)))
        else {
            continue;
        };
        if field.kind == FieldType::Table {
            for row in value.as_array().into_iter().flatten() {
                for column in &field.columns {
                    let cell = row
                        .get(&column.id)
                        .and_then(|cell| scalar(definition, column, cell));
                    put(&mut out, &column.label, cell.unwrap_or_default());
                }
            }
            continue;
        }
        put(
            &mut out,
            &field.label,
            scalar(definition, field, value).unwrap_or_default(),
        );
    }
    out
}

/// What a sheet says to masked readers, tokens without numbers.
#[must_use]
pub fn of_projection(definition: &Definition, projection: &Projection) -> Vec<Part> {
    let text_of = |field: &Field, shown: &Projected| {
        shown
            .text
            .clone()
            .or_else(|| scalar(definition, field, shown.value.as_ref()?))
            .map(|text| without_tokens(&text))
            .unwrap_or_default()
    };
    let mut out = Vec::new();
    for field in definition.fields() {
        let Some(shown) = projection.get(&field.id) else {
            continue;
        };
        for row in shown.rows.iter().flatten() {
            for column in &field.columns {
                if let Some(cell) = row.cells.get(&column.id) {
                    put(&mut out, &column.label, text_of(column, cell));
                }
            }
        }
        put(&mut out, &field.label, text_of(field, shown));
    }
    out
}

/// What the masked text of an entry rests on besides the entry: the register of its case
/// ([`store::search::Gathered::marks`]), the models and the rules. As for sheets, what another version
/// of the program masked is masked anew.
#[must_use]
pub(super) fn entry_basis(mark: &str, models: &str) -> String {
    format!("{mark}/{models}/{}", scanning::PROGRAM)
}

/// The masked texts of a case's entries, every suggestion replaced, tokens without numbers, and how many
/// of the wanted entries were gone through: at least one, and as many as `time` is enough for. An entry
/// whose masking fails, or that is not there, is missing. Takes long: inference.
pub(super) fn of_records(
    material: &ProgressToMask,
    engines: &Engines,
    known: &SuggestionCache,
    wanted: &[ProgressRecordId],
    time: Duration,
) -> (HashMap<ProgressRecordId, String>, usize) {
    let began = Instant::now();
    let register = scanning::register(&material.persons);
    let basis = Basis::new(&register, engines);
    let mut numbering = scanning::numbering(&material.persons);
    let mut out = HashMap::new();
    for (at, id) in wanted.iter().enumerate() {
        if at > 0 && began.elapsed() >= time {
            return (out, at);
        }
        let Some(entry) = material.entries.iter().find(|entry| entry.id == *id) else {
            continue;
        };
        let mut texts = store::search::record_texts(&entry.content);
        for amendment in &entry.amendments {
            texts.extend(store::search::record_texts(&amendment.content));
        }
        let masked: masking::Result<Vec<String>> = texts
            .into_iter()
            .map(|text| {
                let spans = known.suggest(&basis, &text)?;
                let hidden = spans.iter().map(Hidden::from);
                let replaced = masking::replace(&text, hidden, &mut numbering).text;
                Ok(without_tokens(&replaced))
            })
            .collect();
        match masked {
            Ok(masked) => {
                out.insert(id.clone(), masked.join("\n"));
            }
            Err(error) => {
                tracing::warn!(%error, "entry not masked: not found by masked readers");
            }
        }
    }
    (out, wanted.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_lose_what_tells_persons_apart() {
        assert_eq!(without_tokens("［氏名1］と［住所12］へ"), "［…］と［…］へ");
        assert_eq!(
            without_tokens("［備考］［開いたまま"),
            "［備考］［開いたまま"
        );
        assert_eq!(without_tokens("無し"), "無し");
    }

    #[test]
    fn a_sheet_says_texts_and_labels_of_choices() {
        let definition = form::catalogue().definition("intake_assessment").unwrap();
        let values =
            json!({"summary": "家賃が払えない。", "issues": {"debt": true}, "unknown": "x"});
        let parts = of_sheet(definition, &values);
        let text = joined(&parts);
        assert!(
            text.contains("家賃が払えない。") && text.contains("債務"),
            "{text}"
        );
        assert!(!text.contains('x'));
    }
}
