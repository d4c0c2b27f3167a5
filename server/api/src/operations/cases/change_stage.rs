//! `POST /cases/{id}/stage`: the next step of the case.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{id::CaseId, stage::Stage};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{audit, cases::CasePatch};

use super::{
    Mode,
    answers::{CaseDetail, detail},
    event, open, tell,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    events::CaseEvent,
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeStage {
    #[schema(value_type = String)]
    pub stage: Stage,
    /// With `closed`; today when missing.
    #[schema(value_type = Option<String>)]
    pub closed_on: Option<Date>,
    /// How it ended, in words.
    pub outcome: Option<String>,
    /// The version that was read; without it the present state is taken.
    pub version: Option<i64>,
}

impl std::fmt::Debug for ChangeStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangeStage({})", self.stage)
    }
}

/// Move a case to another stage; `next_stages` of the case names the steps allowed.
#[utoipa::path(post, path = "/cases/{id}/stage", tag = "cases", params(("id" = String, Path)), request_body = ChangeStage,
    responses((status = 200, body = CaseDetail), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict"), (status = 422, description = "a step that is not allowed")))]
pub async fn change_stage(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<ChangeStage>,
) -> Result<Json<CaseDetail>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    personal_number::refuse(
        request
            .outcome
            .as_deref()
            .map(|text| ("outcome".to_owned(), text)),
    )?;
    let today = call.caller.viewer.today;
    if request.closed_on.is_some_and(|day| day > today) {
        return Err(ApiError::invalid_field("closed_on", "future"));
    }
    let former = access.stage();
    let patch = CasePatch {
        stage: Some(request.stage),
        closed_on: (request.stage == Stage::Closed).then(|| request.closed_on.unwrap_or(today)),
        outcome: request.outcome,
        ..CasePatch::default()
    };
    access
        .update(
            &mut tx,
            request.version.unwrap_or_else(|| access.version()),
            &patch,
        )
        .await?;
    audit::record(
        &mut tx,
        event(&call, "case.stage", &id).detail(json!({ "from": former, "to": request.stage })),
    );
    let access = tx
        .case_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let answer = detail(&mut tx, &access).await?;
    tx.commit().await?;
    tell(&state, &access, CaseEvent::Case);
    Ok(Json(answer))
}
