//! `POST /session/totp`: the code of the authenticator app.

use axum::{Json, extract::State};
use store::{audit, sessions};

use super::{CodeRequest, StageAnswer};
use crate::{
    context::{AnySession, Source},
    error::{ApiError, Body},
    operations::session::use_recovery_code::{answer, second_factor_event},
    state::AppState,
};

/// Second factor. A code that was used before is refused as `totp_replayed`.
#[utoipa::path(post, path = "/session/totp", tag = "session", request_body = CodeRequest,
    responses((status = 200, body = StageAnswer), (status = 401, description = "totp_invalid or totp_replayed"), (status = 429, description = "locked")))]
pub async fn verify_totp(
    State(state): State<AppState>,
    Source(source): Source,
    AnySession(mut session): AnySession,
    Body(request): Body<CodeRequest>,
) -> Result<Json<StageAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let checked = sessions::confirm_totp(&mut tx, &mut session, &request.plain(), &source).await?;
    audit::record(
        &mut tx,
        second_factor_event(&session, "session.totp", &checked, &source),
    );
    tx.commit().await?;
    answer(checked)
}
