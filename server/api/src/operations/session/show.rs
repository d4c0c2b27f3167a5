//! `GET /session`: who is signed in, as what, and what that may do.

use axum::{Json, extract::State};
use serde::Serialize;
use store::{memberships::Membership, municipalities, sessions};

use crate::{context::AnySession, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionAnswer {
    pub stage: &'static str,
    pub account: SessionAccount,
    pub membership: Option<SessionMembership>,
    pub memberships: Vec<SessionMembership>,
    pub municipality: SessionMunicipality,
    /// Functions switched on for the municipality.
    pub capabilities: Vec<String>,
    /// What the active membership may do; the server enforces it.
    pub permissions: Vec<&'static str>,
    pub expires_at: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionAccount {
    pub id: String,
    pub login_id: String,
    pub name: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionMembership {
    pub id: String,
    pub agency: SessionAgency,
    pub role: &'static str,
    pub role_label: &'static str,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionAgency {
    pub id: String,
    pub name: String,
    pub class: &'static str,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionMunicipality {
    pub id: String,
    pub name: String,
    pub zone: String,
    pub demo: bool,
}

impl From<Membership> for SessionMembership {
    fn from(membership: Membership) -> Self {
        Self {
            id: membership.id.0,
            agency: SessionAgency {
                id: membership.agency.0,
                name: membership.agency_name,
                class: membership.agency_class.code(),
            },
            role: membership.role.code(),
            role_label: membership.role.label_ja(),
        }
    }
}

/// The present session, at any stage.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, body = SessionAnswer), (status = 401, description = "unauthenticated or session_expired")))]
pub async fn show(
    State(state): State<AppState>,
    AnySession(session): AnySession,
) -> Result<Json<SessionAnswer>, ApiError> {
    let mut tx = state.db().read().await?;
    let municipality = municipalities::get(&mut tx, &session.municipality)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let ready = session.stage == sessions::Stage::Ready;
    let choices = if ready {
        sessions::choices(&mut tx, &session).await?
    } else {
        Vec::new()
    };
    let active = choices
        .iter()
        .find(|choice| Some(&choice.id) == session.membership.as_ref())
        .cloned();
    let permissions = active.as_ref().map_or_else(Vec::new, |membership| {
        membership
            .role
            .capabilities()
            .iter()
            .map(|capability| capability.code())
            .collect()
    });
    let functions = municipality.capabilities.as_object().into_iter().flatten();
    Ok(Json(SessionAnswer {
        stage: session.stage.code(),
        account: SessionAccount {
            id: session.account.0,
            login_id: session.login_id,
            name: session.name,
        },
        membership: active.map(Into::into),
        memberships: choices.into_iter().map(Into::into).collect(),
        capabilities: functions
            .filter(|(_, on)| **on != serde_json::Value::Bool(false))
            .map(|(code, _)| code.clone())
            .collect(),
        municipality: SessionMunicipality {
            id: municipality.id.0,
            name: municipality.name,
            zone: municipality.zone,
            demo: municipality.demo,
        },
        permissions,
        expires_at: domain::clock::instant_text(session.expires_at),
    }))
}
