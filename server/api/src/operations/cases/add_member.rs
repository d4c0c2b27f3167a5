//! `POST /cases/{id}/members`: an agency joins the case.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{
    disclosure::{Disclosure, Level},
    id::{AgencyId, CaseId},
    section::Section,
};
use jiff::civil::Date;
use serde::Deserialize;

use super::{
    Mode, affected,
    answers::members,
    list_members::MemberList,
    open, rights_changed,
    set_disclosures::check_days,
    sharing::{ConfirmationInput, confirmation, settle},
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct AddMember {
    pub agency_id: String,
    /// `lead`, `member`, `observer` …; `member` when missing.
    pub role: Option<String>,
    /// First day; today when missing.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// Last day; open when missing.
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
    /// What the agency sees; nothing when missing.
    #[serde(default)]
    pub disclosures: Vec<MemberDisclosure>,
    /// After a 409.
    pub confirmation: Option<ConfirmationInput>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct MemberDisclosure {
    #[schema(value_type = String)]
    pub section: Section,
    #[schema(value_type = String)]
    pub level: Level,
    #[serde(default)]
    pub comment: bool,
    /// First and last day. Both missing: those of the right that it takes the place of, otherwise every
    /// day.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
}

/// The rights as rows of the matrix.
///
/// # Errors
/// 422 for days that end before they begin, or that are all past.
pub(crate) fn rows(
    rights: Vec<MemberDisclosure>,
    agency: &AgencyId,
    today: Date,
) -> Result<Vec<Disclosure>, ApiError> {
    let rows: Vec<Disclosure> = rights
        .into_iter()
        .map(|row| {
            let given = row.level > Level::None;
            Disclosure {
                agency: agency.clone(),
                section: row.section,
                level: row.level,
                comment: row.comment && given,
                from: row.from.filter(|_| given),
                to: row.to.filter(|_| given),
            }
        })
        .collect();
    check_days("disclosures", rows.iter().enumerate(), today)?;
    Ok(rows)
}

fn role(code: Option<String>) -> Result<String, ApiError> {
    let code = code.unwrap_or_else(|| "member".to_owned());
    let good =
        (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if good {
        Ok(code)
    } else {
        Err(ApiError::invalid_field("role", "malformed"))
    }
}

/// Take an agency into the case. What it is to see, and rows of an earlier membership, need consent
/// or another basis: otherwise 409 first.
#[utoipa::path(post, path = "/cases/{id}/members", tag = "cases", params(("id" = String, Path)), request_body = AddMember,
    responses((status = 201, body = MemberList), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "consent_confirmation_required"), (status = 422, description = "invalid")))]
pub async fn add_member(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<AddMember>,
) -> Result<(StatusCode, Json<MemberList>), ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let role = role(request.role)?;
    let confirmation = confirmation(request.confirmation)?;
    let agency = AgencyId(request.agency_id);
    let rows = rows(request.disclosures, &agency, call.caller.viewer.today)?;
    let from = request.from.unwrap_or(call.caller.viewer.today);
    let sharing = access
        .add_member(
            &mut tx,
            &agency,
            &role,
            from,
            request.to,
            &rows,
            confirmation.as_ref(),
        )
        .await?;
    let mut tx = settle(tx, &call, &access, "members", sharing).await?;
    let items = members(&mut tx, &access).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents).await?;
    Ok((StatusCode::CREATED, Json(MemberList { items })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_a_code() {
        assert!(role(None).is_ok_and(|code| code == "member"));
        assert!(role(Some("lead".into())).is_ok());
        assert!(role(Some("主担当".into())).is_err());
        assert!(role(Some(String::new())).is_err());
    }
}
