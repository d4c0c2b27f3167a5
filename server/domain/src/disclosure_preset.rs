//! Presets of the disclosure matrix (ひな型): what ships, and what a municipality may define. A preset
//! gives nothing by itself: it fills the matrix on the screen, and saving that asks for consent or
//! another basis as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::disclosure::Level;
use crate::section::Section;

/// Longest label and description, in characters.
const LABEL: usize = 40;
const DESCRIPTION: usize = 300;

/// Levels per section for some kinds of agencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetRow {
    /// Codes of the option list `org_type`; empty = every agency that no other row names.
    pub org_types: Vec<String>,
    /// Sections that are not named stay as they are.
    pub levels: BTreeMap<Section, Level>,
}

/// A named table of levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    pub label: String,
    /// For whom it is meant and what it shows.
    pub description: String,
    pub rows: Vec<PresetRow>,
}

/// A preset that ships.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ShippedPreset {
    pub id: String,
    #[serde(flatten)]
    pub preset: Preset,
}

/// Why a preset is not accepted: the field and a stable code.
pub type Problem = (&'static str, &'static str);

impl Preset {
    /// What keeps it from being used.
    ///
    /// # Errors
    /// The first problem, by field.
    pub fn check(&self) -> Result<(), Problem> {
        let length = |text: &str| text.trim().chars().count();
        if length(&self.label) == 0 {
            return Err(("label", "required"));
        }
        if length(&self.label) > LABEL {
            return Err(("label", "too_long"));
        }
        if length(&self.description) == 0 {
            return Err(("description", "required"));
        }
        if length(&self.description) > DESCRIPTION {
            return Err(("description", "too_long"));
        }
        if self.rows.iter().all(|row| row.levels.is_empty()) {
            return Err(("rows", "required"));
        }
        let known = crate::form::catalogue().list("org_type");
        let mut named = BTreeSet::new();
        for row in &self.rows {
            let kinds: Vec<&str> = if row.org_types.is_empty() {
                vec![""]
            } else {
                row.org_types.iter().map(String::as_str).collect()
            };
            for kind in kinds {
                let exists =
                    kind.is_empty() || known.is_some_and(|list| list.option(kind).is_some());
                if !exists {
                    return Err(("rows", "unknown_option"));
                }
                if !named.insert(kind) {
                    return Err(("rows", "twice"));
                }
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct File {
    version: String,
    preset: Vec<ShippedPreset>,
}

static FILE: LazyLock<Option<File>> = LazyLock::new(|| {
    // A broken file would be found by the test below; at run time it must offer nothing.
    toml::from_str(include_str!("../../../datasets/disclosure-presets.toml")).ok()
});

/// What ships, in the order of the file.
#[must_use]
pub fn shipped() -> &'static [ShippedPreset] {
    FILE.as_ref().map_or(&[], |file| file.preset.as_slice())
}

/// Version of what ships.
#[must_use]
pub fn version() -> &'static str {
    FILE.as_ref().map_or("", |file| file.version.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_complete() {
        assert!(shipped().len() >= 4 && !version().is_empty());
        let ids: BTreeSet<&str> = shipped().iter().map(|preset| preset.id.as_str()).collect();
        assert_eq!(ids.len(), shipped().len());
        for preset in shipped() {
            assert_eq!(preset.preset.check(), Ok(()), "{}", preset.id);
            for row in &preset.preset.rows {
                assert_eq!(row.levels.len(), Section::ALL.len(), "{}", preset.id);
            }
        }
        let closed = shipped().iter().find(|preset| preset.id == "none").unwrap();
        assert!(
            closed
                .preset
                .rows
                .iter()
                .flat_map(|row| row.levels.values())
                .all(|level| *level == Level::None)
        );
    }

    #[test]
    fn mistakes_name_the_field() {
        let row = |kinds: &[&str]| PresetRow {
            org_types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            levels: BTreeMap::from([(Section::Intake, Level::Read)]),
        };
        let of = |label: &str, description: &str, rows: Vec<PresetRow>| {
            Preset {
                label: label.to_owned(),
                description: description.to_owned(),
                rows,
            }
            .check()
        };
        assert_eq!(
            of("学校", "学校に", vec![row(&["kyoiku"]), row(&[])]),
            Ok(())
        );
        assert_eq!(
            of(" ", "学校に", vec![row(&[])]),
            Err(("label", "required"))
        );
        assert_eq!(
            of("学校", "", vec![row(&[])]),
            Err(("description", "required"))
        );
        assert_eq!(of("学校", "学校に", vec![]), Err(("rows", "required")));
        assert_eq!(
            of("学校", "学校に", vec![row(&["school"])]),
            Err(("rows", "unknown_option"))
        );
        assert_eq!(
            of(
                "学校",
                "学校に",
                vec![row(&["kyoiku"]), row(&["iryo", "kyoiku"])]
            ),
            Err(("rows", "twice"))
        );
        assert_eq!(
            of(&"あ".repeat(41), "学校に", vec![row(&[])]),
            Err(("label", "too_long"))
        );
    }
}
