//! Sign-in, sign-out and what the session is.

use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::COOKIE, state::AppState};

pub mod change_password;
pub mod close;
pub mod confirm_enrolment;
pub mod instance;
pub mod open;
pub mod show;
pub mod start_enrolment;
pub mod switch_membership;
pub mod use_recovery_code;
pub mod verify_totp;

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open::open, show::show, close::close))
        .routes(routes!(instance::instance))
        .routes(routes!(verify_totp::verify_totp))
        .routes(routes!(use_recovery_code::use_recovery_code))
        .routes(routes!(start_enrolment::start_enrolment))
        .routes(routes!(confirm_enrolment::confirm_enrolment))
        .routes(routes!(change_password::change_password))
        .routes(routes!(switch_membership::switch_membership))
}

/// How far the sign-in has come: `totp`, `enrolment`, `password` or `ready`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StageAnswer {
    pub stage: &'static str,
}

/// A code as typed; full-width digits and spaces are fine.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct CodeRequest {
    pub code: String,
}

impl CodeRequest {
    /// Full-width digits and letters as half-width, without spaces.
    fn plain(&self) -> String {
        self.code
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
                'ー' | '‐' | '−' => '-',
                other => other,
            })
            .collect()
    }
}

fn cookie(state: &AppState, token: String) -> Cookie<'static> {
    let path = format!("{}/", state.config().base_path);
    Cookie::build((COOKIE, token))
        .path(path)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(state.config().secure_cookies)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_be_typed_in_full_width() {
        let typed = CodeRequest {
            code: "１２３ 4５6".into(),
        };
        assert_eq!(typed.plain(), "123456");
    }
}
