//! Bringing files in (取込): sent, checked in the background, looked at, applied. An import belongs to
//! who sent it; for everybody else it does not exist.

use std::collections::BTreeMap;

use ::exchange::MAX_BYTES;
use axum::extract::DefaultBodyLimit;
use serde::Serialize;
use store::{
    Tx,
    imports::{self, Import, ImportState},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    context::CallContext,
    error::ApiError,
    importing::{Choices, Planned, Summary, refuse_outdated},
    operations::persons::closed,
    state::AppState,
};

pub mod apply;
pub mod choose;
pub mod create;
pub mod discard;
pub mod errors;
pub mod list;
pub mod rows;
pub mod show;

/// Largest file with what multipart puts around it.
const LARGEST_REQUEST: usize = MAX_BYTES + (256 << 10);

/// The operations on imports.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .routes(routes!(show::show, discard::discard))
        .routes(routes!(choose::choose))
        .routes(routes!(rows::rows))
        .routes(routes!(errors::errors))
        .routes(routes!(apply::apply))
}

/// An import in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImportSummary {
    pub id: String,
    /// The standard file, as of `GET /exchange-tables`.
    pub table: String,
    pub title: String,
    /// `checking`, `ready`, `applying`, `filling`, `indexing`, `done` or `failed`.
    pub state: &'static str,
    /// Rows done and in all, while the server is at it.
    pub progress: Option<ImportProgress>,
    /// Rows by what becomes of them: `create`, `update`, `same`, `error`.
    pub counts: BTreeMap<String, i64>,
    /// With `failed`: `expired`, `discarded`, `errors`, `forbidden`, `erasure`, `unreadable`, `invalid`,
    /// `gave_up` (tried too often); `cut_off`: written, but the documents were not all reached;
    /// `unindexed`: written, but not all persons can be found by their names yet.
    pub failure: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImportProgress {
    pub done: usize,
    pub total: usize,
}

/// An import with what is known of its file.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ImportAnswer {
    #[serde(flatten)]
    pub summary: ImportSummary,
    /// `None` before the check is done and after the end.
    pub file: Option<FileFindings>,
    /// What was chosen.
    pub clear: bool,
    pub skip_errors: bool,
    #[schema(value_type = Object)]
    pub mapping: ::exchange::Mapping,
}

/// What was found out about a file as a whole.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FileFindings {
    pub encoding: String,
    pub rows: usize,
    pub header: Vec<String>,
    /// Headers that are none of ours: offered for mapping, left out otherwise.
    pub unknown_headers: Vec<String>,
    /// Column → names that are no option of it: offered for mapping.
    pub unknown_options: BTreeMap<String, Vec<String>>,
    /// Required columns that are missing, by label: nothing can be applied.
    pub missing: Vec<String>,
    /// Columns that two headers stand for: nothing can be applied.
    pub doubled: Vec<String>,
    /// New rows that look like somebody in the register.
    pub alike: usize,
    /// Rows in which something was mended.
    pub mended: usize,
    /// It was checked again, because what is there had changed when it was to be applied.
    pub again: bool,
}

closed!(ImportAnswer, FileFindings);

fn in_short(state: &AppState, import: &Import) -> ImportSummary {
    let working = matches!(
        import.state,
        ImportState::Checking
            | ImportState::Applying
            | ImportState::Filling
            | ImportState::Indexing
    );
    ImportSummary {
        progress: state
            .imports()
            .of(&import.id)
            .filter(|_| working)
            .map(|(done, total)| ImportProgress { done, total }),
        id: import.id.clone(),
        title: ::exchange::table(&import.table)
            .map_or_else(String::new, |table| table.title.clone()),
        table: import.table.clone(),
        state: import.state.code(),
        counts: import.counts.clone(),
        failure: import.failure.clone(),
        created_at: import.created_at.clone(),
        updated_at: import.updated_at.clone(),
    }
}

async fn answer(state: &AppState, tx: &mut Tx, import: &Import) -> Result<ImportAnswer, ApiError> {
    let summary: Option<Summary> = if import.state == ImportState::Checking {
        None
    } else {
        import.part(tx, "summary", 0).await?
    };
    let choices: Choices = import.part(tx, "options", 0).await?.unwrap_or_default();
    Ok(ImportAnswer {
        summary: in_short(state, import),
        file: summary.map(|found| FileFindings {
            encoding: found.encoding,
            rows: found.rows,
            header: found.header,
            unknown_headers: found.unknown_headers,
            unknown_options: found
                .unknown_options
                .into_iter()
                .map(|(column, names)| (column, names.into_iter().collect()))
                .collect(),
            missing: found.missing,
            doubled: found.doubled,
            alike: found.alike,
            mended: found.mended,
            again: found.again,
        }),
        clear: choices.clear,
        skip_errors: choices.skip_errors,
        mapping: choices.mapping,
    })
}

/// One of the caller's imports.
///
/// # Errors
/// 403 for who may not import; 404.
async fn find(tx: &mut Tx, call: &CallContext, id: &str) -> Result<Import, ApiError> {
    if !imports::may_import(&call.caller) {
        return Err(ApiError::forbidden());
    }
    imports::find(tx, &call.caller, id)
        .await?
        .ok_or_else(ApiError::not_found)
}

/// Lets results of a check pass only while the rights they were found with are those of now.
///
/// # Errors
/// 409 `import_rights_changed`; 403 for who may not import any more.
async fn current(tx: &mut Tx, import: &Import, rows: &[Planned]) -> Result<(), ApiError> {
    let caller = import.caller(tx).await?.ok_or_else(ApiError::forbidden)?;
    refuse_outdated(tx, &caller, rows).await
}
