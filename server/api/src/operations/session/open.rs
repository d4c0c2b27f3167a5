//! `POST /session`: login id and password.

use axum::{Json, extract::State, http::StatusCode};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event, Outcome},
    sessions,
};

use super::{StageAnswer, cookie};
use crate::{
    context::{Source, password_work},
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
pub struct OpenRequest {
    pub login_id: String,
    pub password: String,
}

impl std::fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenRequest")
    }
}

/// Begin to sign in. The answer for an unknown login id, a wrong password and a stopped account
/// is the same and takes the same time.
#[utoipa::path(post, path = "/session", tag = "session", request_body = OpenRequest,
    responses((status = 200, body = StageAnswer), (status = 401, description = "invalid_credentials"), (status = 429, description = "locked")))]
pub async fn open(
    State(state): State<AppState>,
    Source(source): Source,
    jar: CookieJar,
    Body(request): Body<OpenRequest>,
) -> Result<(CookieJar, Json<StageAnswer>), ApiError> {
    if request.login_id.len() > 200 || request.password.len() > 2000 {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
        ));
    }
    let mut tx = state.db().write().await?;
    let challenge = sessions::challenge(&mut tx, &request.login_id, &source).await?;
    tx.commit().await?;
    let challenge = challenge.map_err(ApiError::locked)?;

    let hashing = state.db().hashing().clone();
    let password = request.password;
    let (challenge, verified) = password_work(move || {
        let verified = challenge.verify(&hashing, &password);
        (challenge, verified)
    })
    .await?;

    let aimed_at = challenge
        .account()
        .map(|(municipality, account)| (municipality.clone(), account.clone()));
    let mut tx = state.db().write().await?;
    let opened = sessions::open(&mut tx, challenge, verified).await?;
    if let Some((municipality, account)) = aimed_at {
        let outcome = if opened.is_some() {
            Outcome::Ok
        } else {
            Outcome::Denied
        };
        let mut event = Event::system(
            &municipality,
            "session.password",
            "account",
            account.as_str(),
        )
        .outcome(outcome);
        event.account = Some(account);
        audit::record(&mut tx, event.detail(json!({ "source": source })));
    }
    tx.commit().await?;
    let Some(opened) = opened else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
        ));
    };
    let jar = jar.add(cookie(&state, opened.token));
    Ok((
        jar,
        Json(StageAnswer {
            stage: opened.session.stage.code(),
        }),
    ))
}
