//! 同意 of the persons of a case, as answers show them.

use serde::Serialize;
use store::{CaseAccess, Tx, accounts, cases::CasePerson};

use super::answers::NamedAnswer;
use crate::error::ApiError;

/// A registered consent. The newest one of a person applies.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ConsentAnswer {
    pub id: String,
    pub person_id: String,
    pub display: String,
    /// As it stands today: agreements run out and are withdrawn by date.
    pub status: &'static str,
    pub status_label: &'static str,
    /// As it was registered.
    pub registered_status: &'static str,
    pub obtained_on: Option<String>,
    /// Option list `consent_method`.
    pub method: Option<String>,
    /// Who registered it.
    pub obtained_by: NamedAnswer,
    pub expires_on: Option<String>,
    pub withdrawn_on: Option<String>,
    pub allowed_agencies: Option<Vec<String>>,
    pub excluded_agencies: Vec<String>,
    pub allowed_sections: Option<Vec<&'static str>>,
    pub policy_version: Option<String>,
    pub purpose: Option<String>,
    /// Who agreed in the person's place.
    pub proxy: Option<String>,
    pub note: Option<String>,
    pub recorded_at: String,
    /// The one that applies to the person now.
    pub current: bool,
}

impl std::fmt::Debug for ConsentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsentAnswer({})", self.id)
    }
}

/// The registrations of a case, the newest first; empty for agencies.
pub(super) async fn consent_answers(
    tx: &mut Tx,
    access: &CaseAccess,
    people: &[CasePerson],
) -> Result<Vec<ConsentAnswer>, ApiError> {
    let records = access.consents(tx).await?;
    let viewer = &access.caller().viewer;
    let mut staff: Vec<_> = records
        .iter()
        .map(|record| record.recorded_by.clone())
        .collect();
    staff.sort();
    staff.dedup();
    let names = accounts::names(tx, &viewer.municipality, &staff).await?;
    Ok(records
        .into_iter()
        .map(|record| {
            let known = people
                .iter()
                .find(|person| person.person_id.as_ref() == Some(&record.person));
            let status = record.consent.status_on(viewer.today);
            ConsentAnswer {
                display: known
                    .map(|person| person.display.clone())
                    .unwrap_or_default(),
                id: record.id.0,
                person_id: record.person.0,
                status: status.code(),
                status_label: status.label_ja(),
                registered_status: record.consent.status.code(),
                obtained_on: record.consent.obtained_on.map(|day| day.to_string()),
                method: record.method,
                obtained_by: NamedAnswer {
                    name: names.get(&record.recorded_by).cloned().unwrap_or_default(),
                    id: record.recorded_by.0,
                },
                expires_on: record.consent.expires_on.map(|day| day.to_string()),
                withdrawn_on: record.consent.withdrawn_on.map(|day| day.to_string()),
                allowed_agencies: record
                    .consent
                    .allowed_agencies
                    .map(|list| list.into_iter().map(|agency| agency.0).collect()),
                excluded_agencies: record
                    .consent
                    .excluded_agencies
                    .into_iter()
                    .map(|agency| agency.0)
                    .collect(),
                allowed_sections: record.consent.allowed_sections.map(|list| {
                    list.into_iter()
                        .map(domain::section::Section::code)
                        .collect()
                }),
                policy_version: record.policy_version,
                purpose: record.detail.purpose,
                proxy: record.detail.proxy,
                note: record.detail.note,
                recorded_at: record.recorded_at,
                current: record.current,
            }
        })
        .collect())
}
