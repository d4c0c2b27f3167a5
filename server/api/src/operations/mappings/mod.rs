//! Names that other systems use for our columns and options, kept for everybody of the municipality who
//! imports.

use std::sync::Arc;

use ::exchange::{Mapping, Table};
use domain::id::MunicipalityId;
use serde::Serialize;
use store::{Tx, mappings::KeptMapping};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::{ApiError, FieldProblem},
    operations::persons::personal_number,
    standard_files,
    state::AppState,
};

pub mod list;
pub mod remove;
pub mod save;

/// The operations on mappings.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, save::save))
        .routes(routes!(remove::remove))
}

/// A mapping that is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MappingAnswer {
    pub id: String,
    /// The standard file it is for.
    pub table: String,
    pub name: String,
    /// As of `PUT /imports/{id}/choices`.
    #[schema(value_type = Object)]
    pub mapping: Mapping,
    pub version: i64,
    pub updated_at: String,
}

fn answer(kept: KeptMapping) -> Result<MappingAnswer, ApiError> {
    Ok(MappingAnswer {
        mapping: serde_json::from_value(kept.content).map_err(ApiError::internal)?,
        id: kept.id,
        table: kept.table,
        name: kept.name,
        version: kept.version,
        updated_at: kept.updated_at,
    })
}

/// Most names in a mapping.
const MOST: usize = 2000;

/// Whether a mapping names columns and codes that there are.
///
/// # Errors
/// 422 with the names that do not fit.
pub(crate) fn check(table: &Table, mapping: &Mapping) -> Result<(), ApiError> {
    let names = mapping.columns.len()
        + mapping
            .options
            .values()
            .map(|names| names.len())
            .sum::<usize>();
    if names > MOST {
        return Err(ApiError::invalid_field("mapping", "too_many"));
    }
    let words = mapping
        .columns
        .keys()
        .chain(mapping.options.values().flat_map(|names| names.keys()));
    let long = words.clone().any(|word| word.chars().count() > 200);
    if long {
        return Err(ApiError::invalid_field("mapping", "too_long"));
    }
    personal_number::refuse(words.map(|word| ("mapping".to_owned(), word.as_str())))?;
    let mut problems = Vec::new();
    for id in mapping.columns.values().filter(|id| !id.is_empty()) {
        // `column`, or `column:option` of several choices.
        let (column, option) = id
            .split_once(':')
            .map_or((id.as_str(), None), |(a, b)| (a, Some(b)));
        let known = table.position(column).is_some_and(|at| {
            option.is_none_or(|code| {
                table.columns[at]
                    .options
                    .as_ref()
                    .is_some_and(|list| list.option(code).is_some())
            })
        });
        if !known {
            problems.push(FieldProblem::new("mapping.columns", "unknown_column"));
        }
    }
    for (column, names) in &mapping.options {
        let list = table
            .position(column)
            .and_then(|at| table.columns[at].options.as_deref());
        let known = list.is_some_and(|list| names.values().all(|code| list.option(code).is_some()));
        if !known {
            problems.push(FieldProblem::new(
                format!("mapping.options.{column}"),
                "unknown_option",
            ));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(problems))
    }
}

/// A standard file that can be brought in.
///
/// # Errors
/// 422 for any other.
pub(crate) async fn table_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    id: &str,
) -> Result<Arc<Table>, ApiError> {
    standard_files::one(tx, municipality, id)
        .await?
        .filter(|table| table.import)
        .ok_or_else(|| ApiError::invalid_field("table", "unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::exchange::table;

    #[test]
    fn a_mapping_names_what_there_is() {
        let person = table("person").unwrap();
        let mapping = |column: &str, code: &str| Mapping {
            columns: [("氏名（漢字）".to_owned(), column.to_owned())].into(),
            options: [(
                "gender".to_owned(),
                [("M".to_owned(), code.to_owned())].into(),
            )]
            .into(),
        };
        assert!(check(person, &mapping("name", "1")).is_ok());
        assert!(check(person, &mapping("", "1")).is_ok());
        assert!(check(person, &mapping("nonsense", "1")).is_err());
        assert!(check(person, &mapping("name", "77")).is_err());
        let progress = table("progress").unwrap();
        let options = Mapping {
            columns: [("事実".to_owned(), "log_kind:fact".to_owned())].into(),
            ..Mapping::default()
        };
        assert!(check(progress, &options).is_ok());
    }
}
