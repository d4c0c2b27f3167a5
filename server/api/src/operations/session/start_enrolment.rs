//! `POST /session/enrolment`: a secret for the authenticator app.

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use store::sessions;

use crate::{context::AnySession, error::ApiError, qr, state::AppState};

#[derive(Serialize, utoipa::ToSchema)]
pub struct EnrolmentOffer {
    /// Base32, for typing.
    pub secret: String,
    pub otpauth_url: String,
    pub qr_png_base64: String,
}

impl std::fmt::Debug for EnrolmentOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentOffer")
    }
}

/// Offer a fresh secret. It counts only once confirmed; asking again offers another.
#[utoipa::path(post, path = "/session/enrolment", tag = "session",
    responses((status = 200, body = EnrolmentOffer), (status = 409, description = "the session is not at this stage")))]
pub async fn start_enrolment(
    State(state): State<AppState>,
    AnySession(session): AnySession,
) -> Result<Json<EnrolmentOffer>, ApiError> {
    let mut tx = state.db().write().await?;
    let offer = sessions::begin_enrolment(&mut tx, &session, "Musubi").await?;
    tx.commit().await?;
    let picture = qr::png(&offer.otpauth_url).map_err(ApiError::internal)?;
    Ok(Json(EnrolmentOffer {
        secret: offer.secret,
        otpauth_url: offer.otpauth_url,
        qr_png_base64: STANDARD.encode(picture),
    }))
}
