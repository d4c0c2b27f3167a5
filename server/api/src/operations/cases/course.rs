//! `GET /cases/{id}/course`: where the case stands, how it came there, and what the next step needs.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    course::{self, Place, Requirement},
    id::CaseId,
    request::RequestKind,
    role::Capability,
};
use serde::Serialize;
use store::{audit, course::Step, requests::DecisionView};

use super::{Mode, answers::NamedAnswer, event, open};
use crate::{context::CallContext, error::ApiError, state::AppState};

/// A requirement of a step.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RequirementAnswer {
    /// Stable code, for example `plan_final`.
    pub code: &'static str,
    /// What is to be done or must be so, in Japanese.
    pub label: &'static str,
    /// Stops the step while it is not met; otherwise a reason is asked for.
    pub hard: bool,
    pub met: bool,
    /// Where it is done: a section, `consent` or `requests`.
    pub place: &'static str,
}

impl From<Requirement> for RequirementAnswer {
    fn from(requirement: Requirement) -> Self {
        Self {
            code: requirement.need.code(),
            label: requirement.need.label_ja(),
            hard: requirement.hard,
            met: requirement.met,
            place: match requirement.need.place() {
                Place::Sheet(section) => section.code(),
                Place::Consent => "consent",
                Place::Requests => "requests",
            },
        }
    }
}

/// A step the case took.
#[derive(Serialize, utoipa::ToSchema)]
pub struct StepAnswer {
    pub id: String,
    /// Missing: the reception.
    pub from: Option<&'static str>,
    pub to: &'static str,
    pub to_label: &'static str,
    /// Business date.
    pub entered_on: String,
    /// What was missing when the step was taken; for those who answer for the case.
    pub missing: Vec<&'static str>,
    /// Why; for those who answer for the case.
    pub reason: Option<String>,
    pub by: NamedAnswer,
    pub agency: NamedAnswer,
    pub at: String,
}

impl std::fmt::Debug for StepAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StepAnswer({})", self.id)
    }
}

impl From<Step> for StepAnswer {
    fn from(step: Step) -> Self {
        Self {
            id: step.id,
            from: step.from.map(|stage| stage.code()),
            to: step.to.code(),
            to_label: step.to.label_ja(),
            entered_on: step.entered_on.to_string(),
            missing: step.missing.iter().map(|need| need.label_ja()).collect(),
            reason: step.reason,
            by: step.by.into(),
            agency: step.agency.into(),
            at: step.at,
        }
    }
}

/// A step that is allowed from here.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NextStep {
    pub stage: &'static str,
    pub stage_label: &'static str,
    pub requirements: Vec<RequirementAnswer>,
}

/// A date of the course, by its name.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CourseDate {
    /// `received_on`, `screened_on`, `planned_on`, `meeting_on`, `decided_on`, `evaluated_on`.
    pub name: &'static str,
    pub on: String,
}

/// A 支援決定 that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SupportDecision {
    pub plan_document_id: String,
    /// プラン番号（回次）.
    pub plan_number: i64,
    pub decided_on: Option<String>,
    /// 文書番号.
    pub document_no: Option<String>,
    /// 決裁者.
    pub approver: Option<String>,
}

impl std::fmt::Debug for SupportDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SupportDecision({})", self.plan_document_id)
    }
}

impl From<DecisionView> for SupportDecision {
    fn from(decision: DecisionView) -> Self {
        Self {
            plan_document_id: decision.plan.0,
            plan_number: decision.plan_number,
            decided_on: decision.decided_on.map(|day| day.to_string()),
            document_no: decision.document_no,
            approver: decision.approver,
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Course {
    pub stage: &'static str,
    pub stage_label: &'static str,
    /// The oldest first.
    pub steps: Vec<StepAnswer>,
    /// For the agency in charge and the department; of what they may read.
    pub next: Vec<NextStep>,
    /// Dates that stand in the final sheets; for those as `next`.
    pub dates: Vec<CourseDate>,
    /// For whoever reads the plans.
    pub decisions: Vec<SupportDecision>,
    /// Whether the caller may take a step.
    pub may_change: bool,
    /// What the caller may ask for in this case: `refer`, `assign`, `handover_lead`, `handover_owner`,
    /// `decision`.
    pub may_ask: Vec<&'static str>,
    /// What must be there before the 支援決定 is asked for; for those as `next`.
    pub before_decision: Vec<RequirementAnswer>,
}

/// The course of a case: its stage, the steps it took, what each possible step needs, and the 支援決定.
#[utoipa::path(get, path = "/cases/{id}/course", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, body = Course), (status = 404, description = "not_found")))]
pub async fn course(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<Course>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let stage = access.stage();
    let answers = access.answers_for_it();
    let (mut next, mut dates, mut before_decision) = (Vec::new(), Vec::new(), Vec::new());
    if answers {
        let (written, _) = access.written(&mut tx).await?;
        next = stage
            .next()
            .iter()
            .map(|to| NextStep {
                stage: to.code(),
                stage_label: to.label_ja(),
                requirements: course::requirements(
                    stage,
                    *to,
                    &written,
                    written
                        .evaluation
                        .as_ref()
                        .and_then(|sheet| sheet.closed_on),
                )
                .into_iter()
                .map(Into::into)
                .collect(),
            })
            .collect();
        dates = written
            .dates(None)
            .into_iter()
            .map(|(name, on)| CourseDate {
                name,
                on: on.to_string(),
            })
            .collect();
        before_decision = course::before_decision(&written)
            .into_iter()
            .map(Into::into)
            .collect();
    }
    let answer = Course {
        stage: stage.code(),
        stage_label: stage.label_ja(),
        steps: access
            .steps(&mut tx)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
        next,
        dates,
        decisions: access
            .decisions(&mut tx)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
        may_change: access.may(Capability::EditCase),
        may_ask: RequestKind::ALL
            .iter()
            .filter(|kind| access.may_ask(**kind))
            .map(|kind| kind.code())
            .collect(),
        before_decision,
    };
    audit::record(&mut tx, event(&call, "case.course", &id));
    tx.commit().await?;
    Ok(Json(answer))
}
