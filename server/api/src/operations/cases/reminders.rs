//! `GET /cases/reminders`: consents and flags to look at again, rights that end (ホーム).

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    reminders::ReminderKind,
};

use crate::{context::CallContext, error::ApiError, operations::persons::closed, state::AppState};

closed!(ReminderAnswer);

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReminderList {
    pub items: Vec<ReminderAnswer>,
}

/// Something to look at again by a day.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ReminderAnswer {
    /// `consent`, `flag`, or `right` (an agency's right ends).
    pub kind: &'static str,
    /// ISO date; may be past.
    pub due: String,
    pub case_id: String,
    pub case_no: String,
    /// Missing of a right.
    pub person_id: Option<String>,
    /// Name of the person, or of the agency whose right ends.
    pub display: String,
    /// Option list `risk_flag`.
    pub flag: Option<String>,
    /// What a right that ends is to.
    pub sections: Vec<&'static str>,
}

/// Consents that run out and flags to review within thirty days, or overdue, and rights of other agencies
/// that end within thirty days, in open cases of the own agency.
#[utoipa::path(get, path = "/cases/reminders", tag = "cases",
    responses((status = 200, body = ReminderList), (status = 403, description = "forbidden")))]
pub async fn reminders(
    State(state): State<AppState>,
    call: CallContext,
) -> Result<Json<ReminderList>, ApiError> {
    let mut tx = state.db().read().await?;
    let items: Vec<ReminderAnswer> = tx
        .reminders(&call.caller)
        .await?
        .into_iter()
        .map(|reminder| ReminderAnswer {
            kind: match reminder.kind {
                ReminderKind::Consent => "consent",
                ReminderKind::Flag => "flag",
                ReminderKind::Right => "right",
            },
            due: reminder.due.to_string(),
            case_id: reminder.case.0,
            case_no: reminder.case_no,
            person_id: reminder.person.map(|person| person.0),
            display: reminder.name,
            flag: reminder.flag,
            sections: reminder
                .sections
                .iter()
                .map(|section| section.code())
                .collect(),
        })
        .collect();
    audit::record(
        &mut tx,
        Event::by(&call.caller, "case.reminders", "case", "")
            .detail(json!({ "count": items.len() })),
    );
    tx.commit().await?;
    Ok(Json(ReminderList { items }))
}
