//! The audit log: who did what when, as ids and codes.

use std::collections::BTreeMap;

use domain::{
    id::{AccountId, DocumentId, MunicipalityId},
    section::Section,
};
use serde::Serialize;
use store::{Tx, accounts, agencies, audit::Entry, documents};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::ApiError, state::AppState};

pub mod list;
pub mod terms;

/// The operations on the audit log.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(terms::terms))
}

/// One event. Accounts and agencies come with their names, which are no secret within the
/// municipality; cases, persons and documents as ids only.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    pub seq: i64,
    pub at: String,
    pub account: Option<AuditActor>,
    pub membership_id: Option<String>,
    pub agency: Option<AuditActor>,
    /// Stable code, for example `case.view`.
    pub action: String,
    /// `ok`, `denied` or `failed`.
    pub outcome: String,
    pub object_kind: String,
    pub object_id: String,
    pub case_id: Option<String>,
    /// The section of the case that it is about, for documents and entries.
    pub section: Option<&'static str>,
    pub detail: serde_json::Value,
    /// Sealed search words can be opened with `GET /audit/{seq}/terms`.
    pub has_terms: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditActor {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditPage {
    pub items: Vec<AuditEntry>,
    /// For the page before (older events).
    pub next_cursor: Option<String>,
}

/// The cursor is the sequence number of the last event shown.
///
/// # Errors
/// 422 when it is none.
pub(crate) fn read_cursor(cursor: Option<&str>) -> Result<Option<i64>, ApiError> {
    cursor
        .map(|text| {
            text.parse()
                .map_err(|_| ApiError::invalid_field("cursor", "malformed"))
        })
        .transpose()
}

/// Puts names to events and makes them a page. `limit` is what was asked of the store, plus one.
///
/// # Errors
/// Database away.
pub(crate) async fn page(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    mut events: Vec<Entry>,
    limit: usize,
) -> Result<AuditPage, ApiError> {
    let next_cursor = if events.len() > limit {
        events.truncate(limit);
        events.last().map(|event| event.seq.to_string())
    } else {
        None
    };
    let mut ids: Vec<AccountId> = events
        .iter()
        .filter_map(|event| event.account.clone())
        .collect();
    ids.sort();
    ids.dedup();
    let people: BTreeMap<AccountId, String> = accounts::names(tx, municipality, &ids).await?;
    let offices = agencies::by_id(tx, municipality).await?;
    let written: Vec<DocumentId> = events
        .iter()
        .filter(|event| event.object_kind == "document")
        .map(|event| DocumentId::from(event.object.as_str()))
        .collect();
    let sections = documents::sections_of(tx, municipality, &written).await?;
    let section = |event: &Entry| match event.object_kind.as_str() {
        "document" => sections
            .get(&DocumentId::from(event.object.as_str()))
            .copied(),
        // Also the list of them, which is an event about the case.
        _ if event.action.starts_with("progress.") => Some(Section::Progress),
        _ => None,
    };
    let items = events
        .into_iter()
        .map(|event| AuditEntry {
            section: section(&event).map(Section::code),
            seq: event.seq,
            at: event.at,
            account: event.account.map(|id| AuditActor {
                name: people.get(&id).cloned().unwrap_or_default(),
                id: id.0,
            }),
            membership_id: event.membership.map(|id| id.0),
            agency: event.agency.map(|id| AuditActor {
                name: offices
                    .get(&id)
                    .map(|agency| agency.name.clone())
                    .unwrap_or_default(),
                id: id.0,
            }),
            action: event.action,
            outcome: event.outcome,
            object_kind: event.object_kind,
            object_id: event.object,
            case_id: event.case.map(|id| id.0),
            detail: event.detail,
            has_terms: event.has_terms,
        })
        .collect();
    Ok(AuditPage { items, next_cursor })
}
