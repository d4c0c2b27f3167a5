//! `POST /cases/{id}/stage`: the next step of the case.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{course, id::CaseId, role::Capability, stage::Stage};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{audit, cases::CasePatch, course::StepNote};

use super::{
    Mode,
    answers::{CaseDetail, detail},
    course::RequirementAnswer,
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
    /// Why; asked for when a requirement that only warns is not met. Kept with the step; 1,000
    /// characters at most.
    pub reason: Option<String>,
    /// The version that was read; without it the present state is taken.
    pub version: Option<i64>,
}

impl std::fmt::Debug for ChangeStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangeStage({})", self.stage)
    }
}

/// Longest reason, in characters.
const REASON_MAX: usize = 1_000;

/// Move a case to another stage; `next_stages` of the case names the steps allowed, its course
/// (`GET /cases/{id}/course`) what each needs.
#[utoipa::path(post, path = "/cases/{id}/stage", tag = "cases", params(("id" = String, Path)), request_body = ChangeStage,
    responses((status = 200, body = CaseDetail), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict; requirements_missing or reason_required, with the list `missing`"), (status = 422, description = "a step that is not allowed")))]
pub async fn change_stage(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<ChangeStage>,
) -> Result<Json<CaseDetail>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let texts = [("outcome", &request.outcome), ("reason", &request.reason)];
    personal_number::refuse(
        texts
            .into_iter()
            .filter_map(|(path, text)| Some((path.to_owned(), text.as_deref()?))),
    )?;
    let reason = request.reason.map(|text| text.trim().to_owned());
    let reason = reason.filter(|text| !text.is_empty());
    if reason
        .as_deref()
        .is_some_and(|text| text.chars().count() > REASON_MAX)
    {
        return Err(ApiError::invalid_field("reason", "too_long"));
    }
    let today = call.caller.viewer.today;
    if request.closed_on.is_some_and(|day| day > today) {
        return Err(ApiError::invalid_field("closed_on", "future"));
    }
    let former = access.stage();
    let version = request.version.unwrap_or_else(|| access.version());
    let closed_on = (request.stage == Stage::Closed).then(|| request.closed_on.unwrap_or(today));
    let mut missing = Vec::new();
    if access.may(Capability::EditCase)
        && version == access.version()
        && former.may_become(request.stage)
    {
        let (written, _) = access.written(&mut tx).await?;
        missing = course::requirements(former, request.stage, &written, closed_on);
        missing.retain(|requirement| !requirement.met);
        let hard = missing.iter().any(|requirement| requirement.hard);
        if hard || (!missing.is_empty() && reason.is_none()) {
            let list: Vec<RequirementAnswer> = missing.into_iter().map(Into::into).collect();
            let list = serde_json::to_value(list).map_err(ApiError::internal)?;
            let code = if hard {
                "requirements_missing"
            } else {
                "reason_required"
            };
            return Err(ApiError::conflict(code).with("missing", list));
        }
    }
    let needs: Vec<_> = missing.iter().map(|requirement| requirement.need).collect();
    let patch = CasePatch {
        stage: Some(request.stage),
        closed_on,
        outcome: request.outcome,
        step: StepNote {
            entered_on: closed_on,
            reason,
            missing: needs.clone(),
        },
        ..CasePatch::default()
    };
    access.update(&mut tx, version, &patch).await?;
    audit::record(
        &mut tx,
        event(&call, "case.stage", &id)
            .detail(json!({ "from": former, "to": request.stage, "missing": needs })),
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
