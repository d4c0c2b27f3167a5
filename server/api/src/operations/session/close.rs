//! `DELETE /session`: sign out.

use axum::{extract::State, http::StatusCode};
use axum_extra::extract::CookieJar;
use collab::access::Change;
use store::{
    audit::{self, Event},
    sessions,
};

use super::cookie;
use crate::{context::AnySession, error::ApiError, state::AppState};

/// Sign out. The cookie goes in any case.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204)))]
pub async fn close(
    State(state): State<AppState>,
    jar: CookieJar,
    session: Result<AnySession, ApiError>,
) -> Result<(CookieJar, StatusCode), ApiError> {
    if let Ok(AnySession(session)) = session {
        let mut tx = state.db().write().await?;
        sessions::close(&mut tx, &session).await?;
        let mut event = Event::system(
            &session.municipality,
            "session.close",
            "account",
            session.account.as_str(),
        );
        event.account = Some(session.account.clone());
        audit::record(&mut tx, event);
        let change = Change::Account(session.account);
        state
            .commit_rights(tx, &session.municipality, change)
            .await?;
    }
    Ok((
        jar.remove(cookie(&state, String::new())),
        StatusCode::NO_CONTENT,
    ))
}
