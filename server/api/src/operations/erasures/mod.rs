//! 消去: asking, approving by another person, and the 廃棄記録.

use std::collections::BTreeMap;

use serde::Serialize;
use store::erasure::Erasure;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod approve;
pub mod list;
pub mod reject;
pub mod request;

/// The operations on erasures.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, request::request))
        .routes(routes!(approve::approve))
        .routes(routes!(reject::reject))
}

/// A request or, once done, the 廃棄記録. Ids, codes, counts and instants; the reason only while it is
/// open.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErasureAnswer {
    pub id: String,
    /// `past`, `document` or `case`.
    pub scope: &'static str,
    pub scope_label: &'static str,
    /// `mistaken_entry`, `retention_expired` or `correction`.
    pub ground: &'static str,
    pub ground_label: &'static str,
    pub case_id: Option<String>,
    pub case_no: Option<String>,
    pub document_id: Option<String>,
    /// Kind of the document, for example `intake`.
    pub document_kind: Option<&'static str>,
    pub document_label: Option<&'static str>,
    /// Erased along with the document, as numbers by kind: `progress_record`, `transcript`, `attachment`.
    pub objects: BTreeMap<&'static str, usize>,
    /// Until it is carried out; not for auditors.
    pub reason: Option<String>,
    /// `requested`, `approved` (being carried out), `done` or `rejected`.
    pub state: &'static str,
    pub state_label: &'static str,
    pub requested_by: String,
    pub requested_at: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<String>,
    /// What is done next, while it is carried out.
    pub step_label: Option<&'static str>,
    /// How many of what went, for example `documents`, `finals`, `persons`.
    pub counts: BTreeMap<String, i64>,
    /// Ids of the documents that were rewritten or removed.
    pub documents: Vec<String>,
    pub done_at: Option<String>,
    /// Whether the caller asked for it: then somebody else must approve it.
    pub mine: bool,
}

impl ErasureAnswer {
    fn of(erasure: Erasure, account: &domain::id::AccountId) -> Self {
        let mut objects = BTreeMap::new();
        for object in &erasure.objects {
            *objects.entry(object.kind.code()).or_insert(0) += 1;
        }
        // The generation of a key is nothing that was erased.
        let counts = erasure
            .counts
            .into_iter()
            .filter(|(what, number)| what != "generation" && *number > 0)
            .collect();
        Self {
            id: erasure.id.0,
            scope: erasure.scope.code(),
            scope_label: erasure.scope.label_ja(),
            ground: erasure.ground.code(),
            ground_label: erasure.ground.label_ja(),
            case_id: erasure.case.map(|id| id.0),
            case_no: erasure.case_no,
            document_id: erasure.document.map(|id| id.0),
            document_kind: erasure.document_kind.map(|kind| kind.code()),
            document_label: erasure.document_kind.map(|kind| kind.label_ja()),
            objects,
            reason: erasure.reason,
            state: erasure.state.code(),
            state_label: erasure.state.label_ja(),
            mine: erasure.requested_by == *account,
            requested_by: erasure.requested_by_name,
            requested_at: erasure.requested_at,
            decided_by: erasure.decided_by_name,
            decided_at: erasure.decided_at,
            step_label: erasure.step.map(|step| step.label_ja()),
            counts,
            documents: erasure
                .documents
                .into_iter()
                .map(|touched| touched.id.0)
                .collect(),
            done_at: erasure.done_at,
        }
    }
}
