//! `GET /cases/{id}/view-as/{agency_id}`: 見え方の確認. The same builders with the agency's eyes.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    disclosure::Level,
    id::{AgencyId, CaseId},
    section::Section,
};
use serde::Serialize;
use serde_json::json;
use store::{agencies, audit};

use super::{
    Mode,
    answers::{CaseDetail, NamedAnswer, detail},
    event, open,
    progress::{Entries, ProgressAnswer},
};
use crate::{
    context::CallContext,
    error::ApiError,
    operations::documents::projection::{self, ProjectionAnswer},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ViewAs {
    pub agency: NamedAnswer,
    /// `false`: for this agency the case does not exist.
    pub visible: bool,
    pub case: Option<CaseDetail>,
    /// The sheets as the agency reads them.
    pub projections: Vec<SectionProjection>,
    pub progress: Vec<ProgressAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SectionProjection {
    pub section: &'static str,
    /// Which one of several sheets.
    pub number: Option<i64>,
    pub projection: ProjectionAnswer,
}

/// The case as an ordinary member of an agency's staff sees it: for those who manage its disclosure.
#[utoipa::path(get, path = "/cases/{id}/view-as/{agency_id}", tag = "cases", params(("id" = String, Path), ("agency_id" = String, Path)),
    responses((status = 200, body = ViewAs), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn view_as(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, agency)): Path<(String, String)>,
) -> Result<Json<ViewAs>, ApiError> {
    let (id, agency) = (CaseId(id), AgencyId(agency));
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let seen = access.view_as(&mut tx, &agency).await?;
    let office = agencies::get(&mut tx, &call.caller.viewer.municipality, &agency)
        .await?
        .ok_or_else(ApiError::not_found)?;
    audit::record(
        &mut tx,
        event(&call, "case.view_as", &id).detail(json!({ "agency": agency })),
    );
    let office = NamedAnswer {
        id: office.id.0,
        name: office.name,
    };
    let Some(seen) = seen else {
        tx.commit().await?;
        return Ok(Json(ViewAs {
            agency: office,
            visible: false,
            case: None,
            projections: Vec::new(),
            progress: Vec::new(),
        }));
    };
    let case = detail(&mut tx, &seen).await?;
    let mut sheets = Vec::new();
    for sheet in seen.documents(&mut tx).await? {
        // Sheets only: the network is drawn, entries are records.
        let section = sheet.info().section.filter(|_| sheet.info().form.is_some());
        sheets.extend(section.map(|section| (section, sheet)));
    }
    sheets.sort_by_key(|(section, sheet)| {
        let place = Section::ALL.iter().position(|other| other == section);
        (place, sheet.info().number)
    });
    let entries = Entries::load(&mut tx, &seen, None).await?;
    tx.commit().await?;
    let mut projections = Vec::new();
    for (section, sheet) in sheets {
        let projection = projection::answer(&state, &sheet, sheet.level() < Level::Read).await?;
        projections.push(SectionProjection {
            section: section.code(),
            number: sheet.info().number,
            projection,
        });
    }
    let progress = entries.finish(&state).await?;
    Ok(Json(ViewAs {
        agency: office,
        visible: true,
        case: Some(case),
        projections,
        progress,
    }))
}
