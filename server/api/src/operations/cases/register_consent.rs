//! `POST /cases/{id}/consents`: a consent, a refusal, a withdrawal.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{
    consent::{Consent, ConsentStatus},
    disclosure::Level,
    id::{CaseId, PersonId},
    section::Section,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    CaseAccess, Tx, agencies, audit,
    consents::{ConsentDetail, NewConsent},
};

use super::{
    Mode, affected,
    answers::effective,
    consents::{ConsentAnswer, consent_answers},
    event, open, rights_changed,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterConsent {
    pub person_id: String,
    #[schema(value_type = String)]
    pub status: ConsentStatus,
    /// Required with an agreement.
    #[schema(value_type = Option<String>)]
    pub obtained_on: Option<Date>,
    #[schema(value_type = Option<String>)]
    pub expires_on: Option<Date>,
    /// With `withdrawn`; today when missing.
    #[schema(value_type = Option<String>)]
    pub withdrawn_on: Option<Date>,
    /// Option list `consent_method`.
    pub method: Option<String>,
    /// With `limited`: only these agencies.
    pub allowed_agencies: Option<Vec<String>>,
    /// Left out whatever the status.
    #[serde(default)]
    pub excluded_agencies: Vec<String>,
    /// With `limited`: only these sections.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_sections: Option<Vec<Section>>,
    pub policy_version: Option<String>,
    pub purpose: Option<String>,
    /// Who agreed in the person's place.
    pub proxy: Option<String>,
    pub note: Option<String>,
}

impl std::fmt::Debug for RegisterConsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RegisterConsent({})", self.status)
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RegisteredConsent {
    pub id: String,
    pub consents: Vec<ConsentAnswer>,
    /// Agencies whose sight changed by this, or which had sight when the person withdrew or
    /// refused: whom to tell.
    pub had_access: Vec<FormerAccess>,
}

#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FormerAccess {
    pub agency_id: String,
    pub name: String,
    pub section: &'static str,
    pub before: &'static str,
    pub after: &'static str,
}

impl RegisterConsent {
    fn check(self, today: Date) -> Result<NewConsent, ApiError> {
        let texts = [
            ("purpose", &self.purpose),
            ("proxy", &self.proxy),
            ("note", &self.note),
            ("policy_version", &self.policy_version),
        ];
        for (field, text) in texts {
            if text
                .as_deref()
                .is_some_and(|text| text.chars().count() > 2000)
            {
                return Err(ApiError::invalid_field(field, "too_long"));
            }
        }
        personal_number::refuse(
            texts
                .into_iter()
                .filter_map(|(path, text)| Some((path.to_owned(), text.as_deref()?))),
        )?;
        let methods = domain::form::catalogue().list("consent_method");
        if self
            .method
            .as_deref()
            .is_some_and(|code| methods.is_none_or(|list| list.option(code).is_none()))
        {
            return Err(ApiError::invalid_field("method", "unknown_option"));
        }
        if self.obtained_on.is_some_and(|day| day > today) {
            return Err(ApiError::invalid_field("obtained_on", "future"));
        }
        let withdrawn_on = self
            .withdrawn_on
            .or((self.status == ConsentStatus::Withdrawn).then_some(today));
        Ok(NewConsent {
            person: PersonId(self.person_id),
            consent: Consent {
                status: self.status,
                obtained_on: self.obtained_on,
                expires_on: self.expires_on,
                withdrawn_on,
                allowed_agencies: self
                    .allowed_agencies
                    .map(|list| list.into_iter().map(Into::into).collect()),
                excluded_agencies: self.excluded_agencies.into_iter().map(Into::into).collect(),
                allowed_sections: self.allowed_sections,
            },
            method: self.method,
            policy_version: self.policy_version,
            detail: ConsentDetail {
                purpose: self.purpose,
                proxy: self.proxy,
                note: self.note,
            },
        })
    }
}

type Sight = Vec<(agencies::Agency, Section, Level)>;

/// Who sees what, coordinator in charge and department left out: they need no consent.
async fn sight(tx: &mut Tx, access: &CaseAccess) -> Result<Sight, ApiError> {
    let offices = agencies::by_id(tx, &access.caller().viewer.municipality).await?;
    let partner = |agency: &agencies::Agency| {
        agency.id != access.facts().owner && agency.class != domain::agency::AgencyClass::Department
    };
    Ok(offices
        .into_values()
        .filter(partner)
        .flat_map(|agency| {
            Section::ALL
                .iter()
                .map(move |section| (agency.clone(), *section))
                .collect::<Vec<_>>()
        })
        .map(|(agency, section)| {
            let level = effective(access, &agency, section);
            (agency, section, level)
        })
        .collect())
}

fn had_access(before: Sight, after: &Sight, agreed: bool) -> Vec<FormerAccess> {
    before
        .into_iter()
        .zip(after)
        .filter(|((_, _, before), (_, _, after))| {
            *before > Level::None && (!agreed || after < before)
        })
        .map(|((agency, section, before), (_, _, after))| FormerAccess {
            agency_id: agency.id.0,
            name: agency.name,
            section: section.code(),
            before: before.code(),
            after: after.code(),
        })
        .collect()
}

/// Register the state of a person's consent; it applies at once.
#[utoipa::path(post, path = "/cases/{id}/consents", tag = "cases", params(("id" = String, Path)), request_body = RegisterConsent,
    responses((status = 201, body = RegisteredConsent), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn register_consent(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<RegisterConsent>,
) -> Result<(StatusCode, Json<RegisteredConsent>), ApiError> {
    let case = CaseId(id);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    let new = request.check(call.caller.viewer.today)?;
    let before = sight(&mut tx, &access).await?;
    let id = access.register_consent(&mut tx, &new).await?;
    let detail = json!({ "consent": id, "person": new.person, "status": new.consent.status });
    audit::record(
        &mut tx,
        event(&call, "consent.register", &case).detail(detail),
    );
    let access = tx
        .case_for(&call.caller, &case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let after = sight(&mut tx, &access).await?;
    let people = access.persons(&mut tx).await?;
    let consents = consent_answers(&mut tx, &access, &people).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents).await?;
    let had_access = had_access(before, &after, new.consent.status.is_agreement());
    Ok((
        StatusCode::CREATED,
        Json(RegisteredConsent {
            id: id.0,
            consents,
            had_access,
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::agency::AgencyClass;
    use jiff::civil::date;

    fn at(level: Level) -> Sight {
        let agency = agencies::Agency {
            id: "a".into(),
            organisation: None,
            name: "架空病院".into(),
            class: AgencyClass::Agency,
            org_type: None,
            phone: None,
            active: true,
            version: 1,
        };
        vec![(agency, Section::Intake, level)]
    }

    #[test]
    fn a_withdrawal_names_who_had_access_even_where_a_basis_keeps_it() {
        assert_eq!(
            had_access(at(Level::Edit), &at(Level::Masked), false).len(),
            1
        );
        assert_eq!(
            had_access(at(Level::Read), &at(Level::Read), false).len(),
            1
        );
        assert_eq!(had_access(at(Level::None), &at(Level::None), false), []);
        assert_eq!(
            had_access(at(Level::Masked), &at(Level::Edit), true),
            [],
            "an agreement takes nothing away"
        );
    }

    #[test]
    fn a_withdrawal_without_a_day_is_of_today() {
        let today = date(2026, 11, 22);
        let read = |text: &str| {
            serde_json::from_str::<RegisterConsent>(text)
                .unwrap()
                .check(today)
        };
        let new = read(r#"{"person_id":"p","status":"withdrawn"}"#).unwrap();
        assert_eq!(new.consent.withdrawn_on, Some(today));
        assert!(read(r#"{"person_id":"p","status":"full","obtained_on":"2026-11-23"}"#).is_err());
        assert!(read(r#"{"person_id":"p","status":"full","obtained_on":"2026-11-22","method":"nonsense"}"#).is_err());
        assert!(read(r#"{"person_id":"p","status":"full","obtained_on":"2026-11-22","note":"1234-5678-9018"}"#).is_err());
    }
}
