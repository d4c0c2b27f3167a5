//! The definitions that ship (`datasets/forms/*.toml`), embedded in the binary.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use super::{Calculation, Check, Condition, Definition, Field, FieldType, OptionList, Pii};

static FORMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../datasets/forms");

static SHIPPED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let files = FORMS
        .files()
        .filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)));
    // The embedded files are checked by the tests below; were they broken all the same, there
    // are no forms, and nothing is shown.
    Arc::new(Catalogue::parse(files).unwrap_or_default())
});

/// All definitions and option lists: those that ship, or a municipality's with what it added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    pub(super) definitions: Vec<Definition>,
    pub(super) lists: Vec<OptionList>,
    pub(super) version: u32,
}

/// What is wrong in a definition file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    #[error("{form}: {field}: {problem}")]
    Field {
        form: String,
        field: String,
        problem: &'static str,
    },
    #[error("option list {list}: {problem}")]
    List { list: String, problem: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    list: Vec<OptionList>,
}

/// The definitions that ship, alike everywhere. A document of a municipality is read by that
/// municipality's definitions: ask the store for them.
#[must_use]
pub fn catalogue() -> &'static Arc<Catalogue> {
    &SHIPPED
}

impl Catalogue {
    /// Reads definition files (name, text): `options.toml` with the lists, the rest sheets. Files
    /// that are not TOML are passed over.
    ///
    /// # Errors
    /// On the first mistake: syntax, unknown keys, duplicate ids, unknown lists or fields.
    pub fn parse<'a>(
        files: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, DefinitionError> {
        let mut definitions = Vec::new();
        let mut lists = Vec::new();
        for (name, text) in files.filter(|(name, _)| name.ends_with(".toml")) {
            let syntax = |error: toml::de::Error| DefinitionError::Syntax {
                file: name.to_owned(),
                message: error.to_string(),
            };
            if name == "options.toml" {
                lists = toml::from_str::<ListFile>(text).map_err(syntax)?.list;
            } else {
                definitions.push(toml::from_str::<Definition>(text).map_err(syntax)?);
            }
        }
        definitions.sort_by(|a, b| a.id.cmp(&b.id));
        let known = definitions.clone();
        let mut names = BTreeSet::new();
        for list in &lists {
            let problem = |problem| DefinitionError::List {
                list: list.id.clone(),
                problem,
            };
            if !names.insert(list.id.as_str()) {
                return Err(problem("defined twice"));
            }
            let codes: BTreeSet<_> = list.options.iter().map(|option| &option.code).collect();
            if list.options.is_empty() || codes.len() != list.options.len() {
                return Err(problem("needs options with different codes"));
            }
        }
        for definition in &mut definitions {
            check(definition, &names)?;
            super::carry::check(definition, &known)?;
            resolve_lists(definition, &lists);
        }
        Ok(Self {
            definitions,
            lists,
            version: 0,
        })
    }

    /// Number of the municipality's publication ([`super::local`]); 0 = as they ship.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// In the order of their ids.
    #[must_use]
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// `None` for an unknown form.
    #[must_use]
    pub fn definition(&self, id: &str) -> Option<&Definition> {
        self.definitions
            .iter()
            .find(|definition| definition.id == id)
    }

    /// All option lists, in the order of the file.
    #[must_use]
    pub fn lists(&self) -> &[OptionList] {
        &self.lists
    }

    /// `None` for an unknown list.
    #[must_use]
    pub fn list(&self, id: &str) -> Option<&OptionList> {
        self.lists.iter().find(|list| list.id == id)
    }

    /// The label of an option, for statistics, CSV and pictures.
    #[must_use]
    pub fn label(&self, list: &str, code: &str) -> Option<&str> {
        self.list(list)?
            .option(code)
            .map(|option| option.label.as_str())
    }
}

/// One definition of a catalogue, which it keeps.
#[derive(Debug, Clone)]
pub struct Form {
    catalogue: Arc<Catalogue>,
    at: usize,
}

impl Form {
    /// `None` for an unknown form.
    #[must_use]
    pub fn of(catalogue: &Arc<Catalogue>, id: &str) -> Option<Self> {
        let at = catalogue
            .definitions
            .iter()
            .position(|definition| definition.id == id)?;
        Some(Self {
            catalogue: Arc::clone(catalogue),
            at,
        })
    }

    /// All the definitions that hold beside it.
    #[must_use]
    pub fn forms(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }
}

impl std::ops::Deref for Form {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.catalogue.definitions[self.at]
    }
}

/// Puts the lists into the definition that its fields and columns name.
pub(super) fn resolve_lists(definition: &mut Definition, lists: &[OptionList]) {
    let mut used = BTreeSet::new();
    for field in definition.fields() {
        used.extend(field.options.clone());
        let columns = field.columns.iter();
        used.extend(columns.filter_map(|column| column.options.clone()));
    }
    definition.lists = lists
        .iter()
        .filter(|list| used.contains(&list.id))
        .cloned()
        .collect();
}

/// Checks one definition for mistakes that serde cannot see.
pub(super) fn check(
    definition: &Definition,
    lists: &BTreeSet<&str>,
) -> Result<(), DefinitionError> {
    let fail = |field: &str, problem| {
        Err(DefinitionError::Field {
            form: definition.id.clone(),
            field: field.to_owned(),
            problem,
        })
    };
    let mut seen = BTreeSet::new();
    for field in definition.fields() {
        if !seen.insert(field.id.as_str()) {
            return fail(&field.id, "defined twice");
        }
    }
    let known = |name: &str| name.contains('.') || seen.contains(name);
    let conditions = |field: &Field, known: &dyn Fn(&str) -> bool| {
        [&field.required_when, &field.visible_when]
            .into_iter()
            .flatten()
            .flat_map(Condition::fields)
            .all(known)
    };
    for field in definition.fields() {
        if let Some(problem) = field_problem(field, lists) {
            return fail(&field.id, problem);
        }
        if !conditions(field, &known) {
            return fail(&field.id, "condition on an unknown field");
        }
        if field
            .other_field
            .as_deref()
            .is_some_and(|other| !known(other))
        {
            return fail(&field.id, "unknown other_field");
        }
        if let Some(calculation) = &field.calculation
            && !calculation_inputs(definition, calculation).all(&known)
        {
            return fail(&field.id, "calculation from an unknown field");
        }
        let mut columns = BTreeSet::new();
        for column in &field.columns {
            if !columns.insert(column.id.as_str()) || column.id == "order" || column.id == "id" {
                return fail(&column.id, "column defined twice, or a reserved name");
            }
            if column.kind == FieldType::Table || column.kind == FieldType::Calc {
                return fail(&column.id, "a column cannot be a table or calculated");
            }
            if let Some(problem) = field_problem(column, lists) {
                return fail(&column.id, problem);
            }
        }
    }
    if definition.date.as_deref().is_some_and(|date| {
        definition
            .field(date)
            .is_none_or(|field| !matches!(field.kind, FieldType::Date | FieldType::Datetime))
    }) {
        return fail("date", "not a date of this form");
    }
    for item in &definition.checks {
        let names: Vec<&str> = match item {
            Check::Order { dates, .. } => dates.iter().map(String::as_str).collect(),
            Check::Within { field, of, .. } => vec![field, of],
            Check::Raise { when, field, .. } => {
                let mut names = when.fields();
                names.push(field);
                names
            }
        };
        if let Some(name) = names.into_iter().find(|name| !known(name)) {
            return fail(name, "check on an unknown field");
        }
    }
    Ok(())
}

/// Names that a calculation reads, `table/column` resolved to an existing pair or to a name that no
/// form has.
fn calculation_inputs<'a>(
    definition: &'a Definition,
    calculation: &'a Calculation,
) -> impl Iterator<Item = &'a str> {
    let inputs = calculation
        .inputs()
        .into_iter()
        .map(|name| match name.split_once('/') {
            Some((table, column)) => definition
                .field(table)
                .filter(|field| field.column(column).is_some())
                .map_or("", |field| field.id.as_str()),
            None => name,
        });
    let columns = match calculation {
        Calculation::CountRows { table, when } => when
            .fields()
            .into_iter()
            .map(|name| {
                let column = definition.field(table).and_then(|field| field.column(name));
                if column.is_some() {
                    table.as_str()
                } else {
                    name
                }
            })
            .collect(),
        _ => Vec::new(),
    };
    inputs.chain(columns)
}

fn field_problem(field: &Field, lists: &BTreeSet<&str>) -> Option<&'static str> {
    let choice = matches!(field.kind, FieldType::Select | FieldType::Multiselect);
    let text = matches!(field.kind, FieldType::Text | FieldType::Textarea);
    let valid_id = field
        .id
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if field.id.is_empty() || !valid_id {
        Some("an id has lower-case letters, digits and _")
    } else if choice && field.options.is_none() {
        Some("a choice needs an option list")
    } else if field
        .options
        .as_deref()
        .is_some_and(|name| !lists.contains(name))
    {
        Some("unknown option list")
    } else if (field.kind == FieldType::Table) == field.columns.is_empty() {
        Some("columns belong to tables, and tables need them")
    } else if (field.kind == FieldType::Calc) != field.calculation.is_some() {
        Some("a calculation belongs to calc fields, and they need it")
    } else if field.kind == FieldType::Textarea && field.pii == Pii::None && !field.automatic {
        Some("a free text cannot be without personal information")
    } else if text
        && field.pii == Pii::None
        && !field.automatic
        && field.person != super::About::None
    {
        Some("a text about a person needs a pii class")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(&'static str, &'static str)> {
        FORMS
            .files()
            .map(|file| (file.path().to_str().unwrap(), file.contents_utf8().unwrap()))
            .collect()
    }

    #[test]
    fn the_files_that_ship_are_valid() {
        let parsed = Catalogue::parse(files().into_iter()).unwrap();
        assert_eq!(parsed, **catalogue());
        let ids: Vec<_> = parsed.definitions().iter().map(|d| d.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "case",
                "consent",
                "evaluation",
                "household_network",
                "intake_application",
                "intake_assessment",
                "meeting",
                "person",
                "plan",
                "progress_record",
                "screening"
            ]
        );
        assert!(parsed.lists().len() >= 72, "{}", parsed.lists().len());
        assert_eq!(
            parsed.label("route", "houkatsu"),
            Some("包括的相談支援事業者からのつなぎ")
        );
    }

    #[test]
    fn nothing_claims_to_be_verified() {
        for definition in catalogue().definitions() {
            assert!(!definition.verified);
            for field in definition.fields() {
                assert!(!field.verified && field.columns.iter().all(|column| !column.verified));
            }
        }
        assert!(catalogue().lists().iter().all(|list| !list.verified));
    }

    #[test]
    fn labels_within_a_sheet_differ() {
        for definition in catalogue().definitions() {
            let mut labels: Vec<_> = definition.fields().map(Field::csv_header).collect();
            let count = labels.len();
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), count, "{}", definition.id);
        }
    }

    #[test]
    fn codes_in_the_lists_match_the_enums() {
        let codes = |list: &str| -> Vec<&str> {
            catalogue()
                .list(list)
                .unwrap()
                .options
                .iter()
                .map(|option| option.code.as_str())
                .collect()
        };
        let of = |all: Vec<&'static str>| all;
        assert_eq!(
            codes("consent_status"),
            of(crate::consent::ConsentStatus::ALL
                .iter()
                .map(|c| c.code())
                .collect())
        );
        assert_eq!(
            codes("case_status"),
            of(crate::stage::Stage::ALL.iter().map(|c| c.code()).collect())
        );
        assert_eq!(
            codes("section"),
            of(crate::section::Section::ALL
                .iter()
                .map(|c| c.code())
                .collect())
        );
        for role in codes("role") {
            assert!(crate::role::Role::from_code(role).is_some(), "{role}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let with = |from: &str, to: &str| {
            let changed: Vec<_> = files()
                .into_iter()
                .map(|(name, text)| {
                    (
                        name,
                        if name == "intake_application.toml" {
                            text.replacen(from, to, 1)
                        } else {
                            text.to_owned()
                        },
                    )
                })
                .collect();
            Catalogue::parse(changed.iter().map(|(name, text)| (*name, text.as_str())))
                .unwrap_err()
                .to_string()
        };
        assert!(
            with("options = \"contact_method\"", "options = \"nonsense\"")
                .contains("unknown option list")
        );
        assert!(
            with("field = \"contact_method\"", "field = \"nonsense\"").contains("unknown field")
        );
        assert!(with("schema = 1", "schema = 1\nnonsense = 2").contains("nonsense"));
    }
}
