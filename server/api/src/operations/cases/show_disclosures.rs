//! `GET /cases/{id}/disclosures`: the matrix agency × section.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{id::CaseId, section::Section};
use serde::Serialize;
use store::{CaseAccess, Tx, agencies, audit};

use super::{Mode, answers::effective, event, open};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DisclosureMatrix {
    /// Sections that can be disclosed, in the order of the screen.
    pub sections: Vec<&'static str>,
    pub items: Vec<DisclosureRow>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DisclosureRow {
    pub agency_id: String,
    pub agency_name: String,
    pub section: &'static str,
    /// `none`, `masked`, `read` or `edit`, as it was set.
    pub level: &'static str,
    pub comment: bool,
    /// First day of the right; missing = from the beginning.
    pub from: Option<String>,
    /// Last day; missing = open. Outside its days the right gives nothing.
    pub to: Option<String>,
    /// What the agency really has after consent, bases, protection and period were asked.
    pub effective: &'static str,
}

pub(super) async fn matrix(tx: &mut Tx, access: &CaseAccess) -> Result<DisclosureMatrix, ApiError> {
    let offices = agencies::by_id(tx, &access.caller().viewer.municipality).await?;
    let items = access
        .disclosures()
        .into_iter()
        .filter_map(|row| {
            let agency = offices.get(&row.agency)?;
            Some(DisclosureRow {
                agency_id: row.agency.0,
                agency_name: agency.name.clone(),
                section: row.section.code(),
                level: row.level.code(),
                comment: row.comment,
                from: row.from.map(|day| day.to_string()),
                to: row.to.map(|day| day.to_string()),
                effective: effective(access, agency, row.section).code(),
            })
        })
        .collect();
    Ok(DisclosureMatrix {
        sections: Section::ALL.iter().map(|section| section.code()).collect(),
        items,
    })
}

/// The matrix: all of it for the coordinator in charge and the department, the own rows for an
/// agency. No row = 非開示.
#[utoipa::path(get, path = "/cases/{id}/disclosures", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, body = DisclosureMatrix), (status = 404, description = "not_found")))]
pub async fn show_disclosures(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<DisclosureMatrix>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let found = matrix(&mut tx, &access).await?;
    audit::record(&mut tx, event(&call, "disclosure.view", &id));
    tx.commit().await?;
    Ok(Json(found))
}
