//! What masked readers see of a sheet.

use std::collections::HashMap;

use domain::{
    disclosure::CaseFacts,
    form::{self, Definition, MaskedText, Projected, Projection},
    mask::Numbering,
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
