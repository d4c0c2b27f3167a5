//! `GET /cases/{id}/passed-on`: すでに渡った範囲.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{id::CaseId, section::Section};
use serde::Serialize;
use store::audit;

use super::{Mode, event, open};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PassedOnList {
    pub items: Vec<PassedOnAgency>,
}

/// What went to one agency.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PassedOnAgency {
    pub agency_id: String,
    pub name: String,
    /// By section.
    pub rights: Vec<PassedOnRight>,
    pub opened: Vec<PassedOnOpened>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PassedOnRight {
    pub section: &'static str,
    /// The highest level the agency had.
    pub level: &'static str,
    pub from: String,
    /// `null`: the right stands, as far as consent and period let it.
    pub until: Option<String>,
    /// Last day of the right as the matrix has it now.
    pub last_day: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PassedOnOpened {
    /// Action of the audit log.
    pub action: String,
    pub section: Option<&'static str>,
    pub first: String,
    pub last: String,
    pub times: i64,
}

/// Per agency: which sections it was given since when, and what its staff opened. For the agency in
/// charge and the department.
#[utoipa::path(get, path = "/cases/{id}/passed-on", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, body = PassedOnList), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn passed_on(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<PassedOnList>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let items = access
        .passed_on(&mut tx)
        .await?
        .into_iter()
        .map(|passed| PassedOnAgency {
            agency_id: passed.agency.0,
            name: passed.name,
            rights: passed
                .rights
                .into_iter()
                .map(|right| PassedOnRight {
                    section: right.section.code(),
                    level: right.level.code(),
                    from: right.from,
                    until: right.until,
                    last_day: right.last_day.map(|day| day.to_string()),
                })
                .collect(),
            opened: passed
                .opened
                .into_iter()
                .map(|opened| PassedOnOpened {
                    action: opened.action,
                    section: opened.section.map(Section::code),
                    first: opened.first,
                    last: opened.last,
                    times: opened.times,
                })
                .collect(),
        })
        .collect();
    audit::record(&mut tx, event(&call, "case.passed_on", &id));
    tx.commit().await?;
    Ok(Json(PassedOnList { items }))
}
