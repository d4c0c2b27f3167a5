//! `POST /session/password`: replace the password.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use store::{
    accounts::check_password,
    audit::{self, Event},
    sessions,
};

use super::StageAnswer;
use crate::{
    context::{AnySession, Source, password_work},
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
pub struct PasswordRequest {
    pub current: String,
    pub next: String,
}

impl std::fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRequest")
    }
}

/// Change the password; other sessions of the account end.
#[utoipa::path(post, path = "/session/password", tag = "session", request_body = PasswordRequest,
    responses((status = 200, body = StageAnswer), (status = 401, description = "invalid_credentials"), (status = 422, description = "password_too_short and the like")))]
pub async fn change_password(
    State(state): State<AppState>,
    Source(source): Source,
    AnySession(mut session): AnySession,
    Body(request): Body<PasswordRequest>,
) -> Result<Json<StageAnswer>, ApiError> {
    check_password(&request.next, &session.login_id)?;
    if request.next == request.current {
        return Err(ApiError::invalid_field("next", "password_unchanged"));
    }
    let mut tx = state.db().write().await?;
    let locked = sessions::password_attempt(&mut tx, &session, &source).await?;
    let hash = sessions::password_hash(&mut tx, &session).await?;
    tx.commit().await?;
    if let Some(locked) = locked {
        return Err(ApiError::locked(locked));
    }
    let hashing = state.db().hashing().clone();
    let (verified, next, hash) = password_work(move || {
        let verified = hashing.verify(&request.current, &hash);
        let next = if verified {
            Some(hashing.hash(&request.next))
        } else {
            None
        };
        (verified, next, hash)
    })
    .await?;
    let Some(next) = next.transpose()?.filter(|_| verified) else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
        ));
    };
    let mut tx = state.db().write().await?;
    let stage = sessions::change_password(&mut tx, &mut session, &hash, &next, &source).await?;
    let mut event = Event::system(
        &session.municipality,
        "session.password_change",
        "account",
        session.account.as_str(),
    );
    event.account = Some(session.account.clone());
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(StageAnswer {
        stage: stage.code(),
    }))
}
