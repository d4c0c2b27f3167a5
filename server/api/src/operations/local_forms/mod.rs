//! What the municipality adds to the sheets that ship (ADR 0019): a draft, its preview, and
//! publications that never change. No case and no person is in them.

use std::collections::BTreeMap;

use domain::{
    form::local::{Extension, Problem},
    id::AccountId,
};
use serde::Serialize;
use serde_json::Value;
use store::{
    Tx, accounts,
    forms::{Draft, FormsAccess, Publication, Refused},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    context::CallContext,
    error::{ApiError, FieldProblem},
    state::AppState,
};

pub mod drop_draft;
pub mod keep_draft;
pub mod preview;
pub mod publish;
pub mod show;

/// The operations on what a municipality adds to its sheets.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show::show))
        .routes(routes!(keep_draft::keep_draft, drop_draft::drop_draft))
        .routes(routes!(preview::preview))
        .routes(routes!(publish::publish))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LocalFormsAnswer {
    /// Number of the newest publication; 0 = none yet.
    pub version: u32,
    /// What was added (`forms`, `lists`, `options`).
    #[schema(value_type = Object)]
    pub published: Extension,
    pub draft: Option<FormDraftAnswer>,
    /// The newest first.
    pub history: Vec<PublicationAnswer>,
    /// Lists that ship and that options may be added to.
    pub open_lists: Vec<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FormDraftAnswer {
    pub revision: i64,
    #[schema(value_type = Object)]
    pub extension: Extension,
    pub by: String,
    pub at: String,
    /// What keeps it from being published.
    pub problems: Vec<ProblemAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemAnswer {
    /// Id of what it is about.
    pub at: String,
    pub code: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PublicationAnswer {
    pub version: u32,
    pub note: String,
    pub added: usize,
    pub changed: usize,
    pub retired: usize,
    /// Ids of the sheets it touched.
    pub forms: Vec<String>,
    pub by: String,
    pub at: String,
}

fn access(tx: &Tx, call: &CallContext) -> Result<FormsAccess, ApiError> {
    tx.forms_for(&call.caller).ok_or_else(ApiError::forbidden)
}

async fn answer(
    tx: &mut Tx,
    call: &CallContext,
    access: &FormsAccess,
) -> Result<LocalFormsAnswer, ApiError> {
    let shipped = domain::form::catalogue();
    let (version, published) = access.published(tx).await?;
    let draft = match access.draft(tx).await? {
        Some(draft) => Some(draft_answer(tx, call, draft, &published).await?),
        None => None,
    };
    let made = access.history(tx).await?;
    let accounts: Vec<AccountId> = made.iter().map(|made| made.account.clone()).collect();
    let names = accounts::names(tx, &call.caller.viewer.municipality, &accounts).await?;
    let history = made
        .into_iter()
        .map(|made| publication(&names, made))
        .collect();
    let open_lists = shipped
        .lists()
        .iter()
        .filter(|list| domain::form::local::may_grow(shipped, &list.id))
        .map(|list| list.id.clone())
        .collect();
    Ok(LocalFormsAnswer {
        version,
        published,
        draft,
        history,
        open_lists,
    })
}

async fn draft_answer(
    tx: &mut Tx,
    call: &CallContext,
    draft: Draft,
    published: &Extension,
) -> Result<FormDraftAnswer, ApiError> {
    let problems = draft
        .extension
        .problems(domain::form::catalogue(), published)
        .into_iter()
        .map(|problem| ProblemAnswer {
            at: problem.at,
            code: problem.code.to_owned(),
        })
        .collect();
    let municipality = &call.caller.viewer.municipality;
    let mut names = accounts::names(tx, municipality, std::slice::from_ref(&draft.account)).await?;
    Ok(FormDraftAnswer {
        revision: draft.revision,
        by: names.remove(&draft.account).unwrap_or_default(),
        at: draft.at,
        extension: draft.extension,
        problems,
    })
}

fn publication(names: &BTreeMap<AccountId, String>, made: Publication) -> PublicationAnswer {
    PublicationAnswer {
        version: made.version,
        note: made.note,
        added: made.changes.added,
        changed: made.changes.changed,
        retired: made.changes.retired,
        forms: made.changes.forms.into_iter().collect(),
        by: names.get(&made.account).cloned().unwrap_or_default(),
        at: made.at,
    }
}

fn refused(why: Refused) -> ApiError {
    match why {
        Refused::Stale => ApiError::conflict("stale_draft"),
        Refused::Unchanged => ApiError::conflict("nothing_to_publish"),
        Refused::Problems(problems) => ApiError::invalid(problems.into_iter().map(field).collect()),
    }
}

fn field(problem: Problem) -> FieldProblem {
    FieldProblem::new(problem.at, problem.code)
}

/// Largest extension, bytes of JSON.
const LARGEST: usize = 1 << 20;

fn read(value: Value) -> Result<Extension, ApiError> {
    if value.to_string().len() > LARGEST {
        return Err(ApiError::invalid_field("extension", "too_long"));
    }
    // What serde says names what was sent: it is not repeated.
    serde_json::from_value(value).map_err(|_| ApiError::invalid_field("extension", "bad_shape"))
}
