//! つなぐ, 割当, 引継ぎ and the 支援決定: asking, the lists of what came and went, answering.
//!
//! **Invariant:** what an answer says of a request, the policy gave ([`domain::request::sight`]); who may
//! not know of one gets 404.

use serde::Serialize;
use store::requests::RequestView;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::cases::{answers::NamedAnswer, course::SupportDecision};
use crate::state::AppState;

pub mod answer;
pub mod colleagues;
pub mod create;
pub mod list;
pub mod of_case;
pub mod seen;
pub mod show;

/// The operations on requests.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(of_case::of_case, create::create))
        .routes(routes!(list::list))
        .routes(routes!(colleagues::colleagues))
        .routes(routes!(show::show))
        .routes(routes!(answer::answer))
        .routes(routes!(seen::seen))
}

/// A right that acceptance gives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RightAnswer {
    pub section: &'static str,
    pub level: &'static str,
    pub comment: bool,
    /// First day; missing: from acceptance on.
    pub from: Option<String>,
    /// Last day; missing: open.
    pub to: Option<String>,
}

/// The case a request is about, for those who have a part in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestCase {
    pub id: String,
    pub case_no: String,
}

/// A request as the caller sees it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RequestAnswer {
    pub id: String,
    /// `refer`, `assign`, `handover_lead`, `handover_owner` or `decision`.
    pub kind: &'static str,
    pub kind_label: &'static str,
    /// `requested`, `accepted`, `declined`, `withdrawn` or `completed`.
    pub state: &'static str,
    pub state_label: &'static str,
    pub from_agency: NamedAnswer,
    pub from: NamedAnswer,
    /// Missing where the caller may not know which agencies are around.
    pub to_agency: Option<NamedAnswer>,
    /// Of an assignment.
    pub to: Option<NamedAnswer>,
    /// Answer wanted by.
    pub due_on: Option<String>,
    /// No answer came, and the day is over.
    pub overdue: bool,
    /// Missing: withheld.
    pub words: Option<String>,
    /// `words` are masked, or withheld because they could not be masked.
    pub masked: bool,
    pub requested_at: String,
    pub answer: Option<String>,
    pub answered_by: Option<NamedAnswer>,
    pub answered_at: Option<String>,
    /// The answer was read by those who asked.
    pub seen: bool,
    pub completed_at: Option<String>,
    /// Missing before acceptance, for an agency without a part in the case.
    pub case: Option<RequestCase>,
    /// What acceptance lets the agency see.
    pub rights: Vec<RightAnswer>,
    /// Of a 支援決定.
    pub decision: Option<SupportDecision>,
    /// What the caller may do with it now: `accept`, `decline`, `withdraw`, `complete`.
    pub acts: Vec<&'static str>,
    /// The caller's side was asked.
    pub received: bool,
    /// The caller's side asked.
    pub sent: bool,
}

impl std::fmt::Debug for RequestAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestAnswer({})", self.id)
    }
}

impl RequestAnswer {
    pub(super) fn of(view: RequestView, today: jiff::civil::Date) -> Self {
        Self {
            overdue: view.state.is_open() && view.due_on.is_some_and(|due| due < today),
            id: view.id.0,
            kind: view.kind.code(),
            kind_label: view.kind.label_ja(),
            state: view.state.code(),
            state_label: view.state.label_ja(),
            from_agency: view.from_agency.into(),
            from: view.from.into(),
            to_agency: view.to_agency.map(Into::into),
            to: view.to.map(Into::into),
            due_on: view.due_on.map(|day| day.to_string()),
            words: view.words,
            masked: view.masked,
            requested_at: view.requested_at,
            answer: view.answer,
            answered_by: view.answered_by.map(Into::into),
            answered_at: view.answered_at,
            seen: view.seen,
            completed_at: view.completed_at,
            case: view.case.map(|case| RequestCase {
                id: case.id,
                case_no: case.name,
            }),
            rights: view
                .rights
                .iter()
                .map(|right| RightAnswer {
                    section: right.section.code(),
                    level: right.level.code(),
                    comment: right.comment,
                    from: right.from.map(|day| day.to_string()),
                    to: right.to.map(|day| day.to_string()),
                })
                .collect(),
            decision: view.decision.map(Into::into),
            acts: view.acts.iter().map(|act| act.code()).collect(),
            received: view.received,
            sent: view.sent,
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestList {
    /// The newest first.
    pub items: Vec<RequestAnswer>,
}
