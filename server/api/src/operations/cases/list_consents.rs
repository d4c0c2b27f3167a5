//! `GET /cases/{id}/consents`.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::{Deserialize, Serialize};
use store::audit;

use super::{
    Mode,
    consents::{ConsentAnswer, consent_answers},
    event, open,
};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ConsentList {
    pub items: Vec<ConsentAnswer>,
    /// Sharings that were confirmed without consent, the newest first.
    pub overrides: Vec<OverrideAnswer>,
}

/// 同意なし共有の記録.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OverrideAnswer {
    pub id: String,
    /// `disclosures` or `members`.
    pub operation: String,
    pub basis: String,
    pub basis_name: Option<&'static str>,
    pub reason: String,
    pub persons: Vec<String>,
    pub agencies: Vec<String>,
    pub sections: Vec<&'static str>,
    pub account_id: String,
    pub at: String,
}

impl std::fmt::Debug for OverrideAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OverrideAnswer({})", self.id)
    }
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ConsentsQuery {
    /// For paper (同意書): noted in the audit as printed.
    #[serde(default)]
    pub print: bool,
}

/// All registrations of the case and the sharings without consent; empty for agencies.
#[utoipa::path(get, path = "/cases/{id}/consents", tag = "cases", params(("id" = String, Path), ConsentsQuery),
    responses((status = 200, body = ConsentList), (status = 404, description = "not_found")))]
pub async fn list_consents(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Query(query): Query<ConsentsQuery>,
) -> Result<Json<ConsentList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let people = access.persons(&mut tx).await?;
    let items = consent_answers(&mut tx, &access, &people).await?;
    let overrides = access
        .overrides(&mut tx)
        .await?
        .into_iter()
        .map(|record| OverrideAnswer {
            id: record.id,
            operation: record.operation,
            basis_name: domain::legal_basis::find(&record.basis).map(|basis| basis.name.as_str()),
            basis: record.basis,
            reason: record.reason,
            persons: record.persons.into_iter().map(|person| person.0).collect(),
            agencies: record.agencies.into_iter().map(|agency| agency.0).collect(),
            sections: record
                .sections
                .into_iter()
                .map(domain::section::Section::code)
                .collect(),
            account_id: record.account.0,
            at: record.at,
        })
        .collect();
    let action = if query.print {
        "consent.print"
    } else {
        "consent.list"
    };
    audit::record(&mut tx, event(&call, action, &id));
    tx.commit().await?;
    Ok(Json(ConsentList { items, overrides }))
}
