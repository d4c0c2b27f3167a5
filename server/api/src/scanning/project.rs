//! What masked readers see of a sheet.

use std::collections::HashMap;

use domain::{
    disclosure::CaseFacts,
    form::{self, Definition, FieldType, MaskedText, Pii, Projected, Projection},
    mask::{MaskLabel, Numbering},
};
use serde_json::{Map as Object, Value};

use super::{record::Scan, replace::replace, texts::texts};

/// Whether somebody the case is about has 住所秘匿: protected fields are withheld from everybody
/// who reads masked.
#[must_use]
pub fn address_protected(facts: Option<&CaseFacts>) -> bool {
    facts.is_none_or(|facts| {
        facts
            .persons
            .iter()
            .any(|person| person.address_confidential)
    })
}

/// What masked readers see of a sheet. `current` are the document's present values: a text that
/// differs from the scanned one carries `withheld`.
#[must_use]
pub fn project(
    definition: &Definition,
    scan: &Scan,
    current: &Object<String, Value>,
    address_protected: bool,
    numbering: &mut Numbering,
) -> Projection {
    let scanned = texts(definition, &scan.values);
    // The texts first, then the structured fields, with one numbering: ［氏名3］ is one person only.
    let masked: HashMap<&str, String> = scanned
        .iter()
        .filter_map(|(path, text)| {
            let masked = replace(text, scan.spans.get(path)?, numbering);
            Some((path.as_str(), masked))
        })
        .collect();
    let mut projection = form::project_masked(
        definition,
        &scan.values,
        address_protected,
        numbering,
        &mut |path, _| {
            masked.get(path).map_or(MaskedText::Withheld, |text| {
                MaskedText::Masked(text.clone())
            })
        },
    );
    let scanned: HashMap<&String, &String> =
        scanned.iter().map(|(path, text)| (path, text)).collect();
    for (path, text) in texts(definition, current) {
        if scanned.get(&path) == Some(&&text) {
            continue;
        }
        let field = path.split('/').next().unwrap_or_default().to_owned();
        projection
            .entry(field)
            .or_insert_with(Projected::default)
            .withheld = true;
    }
    projection
}

/// What tells where somebody stays.
const PLACES: [MaskLabel; 5] = [
    MaskLabel::Address,
    MaskLabel::PostalCode,
    MaskLabel::Phone,
    MaskLabel::Email,
    MaskLabel::Facility,
];

/// Takes out of a readable projection what tells where a person with 住所秘匿 stays: protected fields
/// whole, of texts the words that the scan found. A text that was not scanned as it
/// stands is withheld.
pub fn without_places(
    definition: &Definition,
    scan: Option<&Scan>,
    shown: &mut Projection,
    numbering: &mut Numbering,
) {
    let scanned: HashMap<String, String> = scan
        .map(|scan| texts(definition, &scan.values).into_iter().collect())
        .unwrap_or_default();
    let mut clean = |path: &str, field: &form::Field, cell: &mut Projected| {
        let place = matches!(
            field.pii,
            Pii::Address | Pii::Phone | Pii::Email | Pii::Facility
        );
        if place || field.confidential_address {
            *cell = kept_back();
            return;
        }
        let Some(text) = &cell.text else { return };
        if field.pii == Pii::None {
            return;
        }
        let known = scanned.get(path) == Some(text);
        let spans = scan.and_then(|scan| scan.spans.get(path));
        *cell = match spans.filter(|_| known) {
            Some(spans) => {
                let places: Vec<_> = spans
                    .iter()
                    .filter(|span| PLACES.iter().any(|place| place.code() == span.label))
                    .cloned()
                    .collect();
                Projected {
                    text: Some(replace(text, &places, numbering)),
                    ..Projected::default()
                }
            }
            None => kept_back(),
        };
    };
    for field in definition.fields() {
        let Some(cell) = shown.get_mut(&field.id) else {
            continue;
        };
        if field.kind == FieldType::Table && !field.confidential_address {
            for row in cell.rows.iter_mut().flatten() {
                for column in &field.columns {
                    if let Some(cell) = row.cells.get_mut(&column.id) {
                        let path = format!("{}/{}/{}", field.id, row.id, column.id);
                        clean(&path, column, cell);
                    }
                }
            }
        } else {
            clean(&field.id, field, cell);
        }
    }
}

fn kept_back() -> Projected {
    Projected {
        withheld: true,
        ..Projected::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanning::ScannedSpan;
    use domain::offset::CodePoint;
    use serde_json::json;

    #[test]
    fn a_print_of_the_original_keeps_names_and_leaves_out_places() {
        let definition = form::catalogue().definition("plan").unwrap();
        let text = "花子は架空町1-2に住む";
        let values = json!({ "goal_long": text, "policy": text });
        let values = values.as_object().unwrap();
        let span = |start, end, label: &str| ScannedSpan {
            id: String::new(),
            start: CodePoint(start),
            end: CodePoint(end),
            label: label.to_owned(),
            person: None,
            rejected: false,
            pending: true,
        };
        let found = vec![span(0, 2, "PERSON"), span(3, 9, "ADDRESS")];
        let scan = Scan {
            values: values.clone(),
            spans: [("goal_long".to_owned(), found)].into(),
            ..Scan::default()
        };
        let shown = |texts: &[(&str, &str)]| -> Projection {
            let cell = |text: &str| Projected {
                text: Some(text.to_owned()),
                ..Projected::default()
            };
            texts
                .iter()
                .map(|(id, text)| ((*id).to_owned(), cell(text)))
                .collect()
        };
        let mut print = shown(&[
            ("goal_long", text),
            ("policy", text),
            ("decision_no", "第3号"),
        ]);
        without_places(
            definition,
            Some(&scan),
            &mut print,
            &mut Numbering::default(),
        );
        assert_eq!(
            print["goal_long"].text.as_deref(),
            Some("花子は［住所1］に住む")
        );
        // Not scanned: kept back. No personal text: shown.
        assert!(print["policy"].withheld && print["policy"].text.is_none());
        assert_eq!(print["decision_no"].text.as_deref(), Some("第3号"));
        // Written since the scan, or never scanned.
        let mut newer = shown(&[("goal_long", "花子は新しい所に住む")]);
        without_places(
            definition,
            Some(&scan),
            &mut newer,
            &mut Numbering::default(),
        );
        assert!(newer["goal_long"].withheld && newer["goal_long"].text.is_none());
        let mut unscanned = shown(&[("goal_long", text)]);
        without_places(definition, None, &mut unscanned, &mut Numbering::default());
        assert!(unscanned["goal_long"].withheld);
    }
}
