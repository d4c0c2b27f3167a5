//! `POST /session/enrolment/confirm`: the first code of the new secret.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use store::{
    audit::{self, Event},
    sessions::{self, Enrolled},
};

use super::CodeRequest;
use crate::{
    context::{AnySession, Source},
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct EnrolmentAnswer {
    pub stage: &'static str,
    /// Shown this once.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for EnrolmentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentAnswer")
    }
}

/// Confirm the offered secret.
#[utoipa::path(post, path = "/session/enrolment/confirm", tag = "session", request_body = CodeRequest,
    responses((status = 200, body = EnrolmentAnswer), (status = 401, description = "totp_invalid")))]
pub async fn confirm_enrolment(
    State(state): State<AppState>,
    Source(source): Source,
    AnySession(mut session): AnySession,
    Body(request): Body<CodeRequest>,
) -> Result<Json<EnrolmentAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let enrolled =
        sessions::confirm_enrolment(&mut tx, &mut session, &request.plain(), &source).await?;
    if matches!(enrolled, Enrolled::Accepted { .. }) {
        let mut event = Event::system(
            &session.municipality,
            "session.enrolment",
            "account",
            session.account.as_str(),
        );
        event.account = Some(session.account.clone());
        audit::record(&mut tx, event);
    }
    tx.commit().await?;
    match enrolled {
        Enrolled::Accepted {
            stage,
            recovery_codes,
        } => Ok(Json(EnrolmentAnswer {
            stage: stage.code(),
            recovery_codes,
        })),
        Enrolled::Invalid => Err(ApiError::new(StatusCode::UNAUTHORIZED, "totp_invalid")),
        Enrolled::Locked(locked) => Err(ApiError::locked(locked)),
    }
}
