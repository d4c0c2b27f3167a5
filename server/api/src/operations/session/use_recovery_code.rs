//! `POST /session/recovery`: a recovery code instead of the authenticator app.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::json;
use store::{
    audit::{self, Event, Outcome},
    sessions::{self, SecondFactor, Session},
};

use super::{CodeRequest, StageAnswer};
use crate::{
    context::{AnySession, Source},
    error::{ApiError, Body},
    state::AppState,
};

/// Second factor by a recovery code; each works once.
#[utoipa::path(post, path = "/session/recovery", tag = "session", request_body = CodeRequest,
    responses((status = 200, body = StageAnswer), (status = 401, description = "totp_invalid"), (status = 429, description = "locked")))]
pub async fn use_recovery_code(
    State(state): State<AppState>,
    Source(source): Source,
    AnySession(mut session): AnySession,
    Body(request): Body<CodeRequest>,
) -> Result<Json<StageAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let checked =
        sessions::use_recovery_code(&mut tx, &mut session, &request.plain(), &source).await?;
    audit::record(
        &mut tx,
        second_factor_event(&session, "session.recovery", &checked, &source),
    );
    tx.commit().await?;
    answer(checked)
}

pub(super) fn second_factor_event(
    session: &Session,
    action: &'static str,
    checked: &SecondFactor,
    source: &str,
) -> Event {
    let outcome = if matches!(checked, SecondFactor::Accepted(_)) {
        Outcome::Ok
    } else {
        Outcome::Denied
    };
    let mut event = Event::system(
        &session.municipality,
        action,
        "account",
        session.account.as_str(),
    )
    .outcome(outcome);
    event.account = Some(session.account.clone());
    event.detail(json!({ "source": source }))
}

pub(super) fn answer(checked: SecondFactor) -> Result<Json<StageAnswer>, ApiError> {
    match checked {
        SecondFactor::Accepted(stage) => Ok(Json(StageAnswer {
            stage: stage.code(),
        })),
        SecondFactor::Invalid => Err(ApiError::new(StatusCode::UNAUTHORIZED, "totp_invalid")),
        SecondFactor::Replayed => Err(ApiError::new(StatusCode::UNAUTHORIZED, "totp_replayed")),
        SecondFactor::Locked(locked) => Err(ApiError::locked(locked)),
    }
}
