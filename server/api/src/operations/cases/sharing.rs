//! The protocol of every operation that shares: without consent or another basis it answers
//! `409 consent_confirmation_required` and changes nothing; the second call carries the
//! confirmation with basis and reason. Both are written down.

use axum::http::StatusCode;
use domain::disclosure::{Confirmation, ConfirmationError, ConfirmationRequired};
use domain::legal_basis::LegalBasis;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    CaseAccess, Sharing, Tx, agencies,
    audit::{self, Outcome},
};

use super::{answers::person_key, event};
use crate::{
    context::CallContext,
    error::{ApiError, FieldProblem},
    operations::persons::personal_number,
};

/// The answer to `409 consent_confirmation_required`.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
pub struct ConfirmationInput {
    /// `id` of one of the bases that came with the 409.
    pub basis: String,
    /// Why, for whom, for what.
    pub reason: String,
    /// With a basis bound to a meeting: which one.
    pub meeting: Option<String>,
    /// With a basis bound to a meeting: last day of the cover.
    #[schema(value_type = Option<String>)]
    pub until: Option<Date>,
}

impl std::fmt::Debug for ConfirmationInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfirmationInput({})", self.basis)
    }
}

/// Checks the texts of a confirmation.
///
/// # Errors
/// 422 `personal_number`.
pub(crate) fn confirmation(
    input: Option<ConfirmationInput>,
) -> Result<Option<Confirmation>, ApiError> {
    let Some(input) = input else { return Ok(None) };
    personal_number::refuse([("confirmation.reason".to_owned(), input.reason.as_str())])?;
    Ok(Some(Confirmation {
        basis: input.basis,
        reason: input.reason,
        meeting: input.meeting,
        until: input.until,
    }))
}

/// Lets a sharing that was done go on; otherwise the problem to answer with. What was recorded is
/// committed, since a refused sharing is an event too.
///
/// # Errors
/// 409 `consent_confirmation_required`, or 422 for a confirmation that does not do.
pub(crate) async fn settle(
    mut tx: Tx,
    call: &CallContext,
    access: &CaseAccess,
    operation: &'static str,
    sharing: Sharing,
) -> Result<Tx, ApiError> {
    match sharing {
        Sharing::Done => Ok(tx),
        Sharing::ConfirmationRequired(required) => {
            let problem = required_problem(&mut tx, access, &required).await?;
            let persons: Vec<_> = required
                .persons
                .iter()
                .map(|uncovered| &uncovered.person)
                .collect();
            let detail = json!({
                "operation": operation, "persons": persons, "agencies": required.agencies,
                "sections": required.sections, "level": required.level,
            });
            audit::record(
                &mut tx,
                event(call, "consent.confirmation_required", access.id())
                    .outcome(Outcome::Denied)
                    .detail(detail),
            );
            tx.commit().await?;
            Err(problem)
        }
        Sharing::ConfirmationRefused(error) => {
            let detail = json!({ "operation": operation, "code": error.code() });
            audit::record(
                &mut tx,
                event(call, "consent.confirmation_refused", access.id())
                    .outcome(Outcome::Denied)
                    .detail(detail),
            );
            tx.commit().await?;
            Err(refused_problem(error))
        }
    }
}

fn refused_problem(error: ConfirmationError) -> ApiError {
    let field = match error {
        ConfirmationError::UnknownBasis | ConfirmationError::LevelTooHigh => "confirmation.basis",
        ConfirmationError::ReasonMissing => "confirmation.reason",
        ConfirmationError::MeetingMissing => "confirmation.meeting",
        ConfirmationError::PeriodInvalid => "confirmation.until",
    };
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid")
        .field(FieldProblem::new(field, error.code()))
}

async fn required_problem(
    tx: &mut Tx,
    access: &CaseAccess,
    required: &ConfirmationRequired,
) -> Result<ApiError, ApiError> {
    let people = access.persons(tx).await?;
    let offices = agencies::by_id(tx, &access.caller().viewer.municipality).await?;
    let persons: Vec<Value> = required
        .persons
        .iter()
        .map(|uncovered| {
            let known = people
                .iter()
                .find(|person| person.person_id.as_ref() == Some(&uncovered.person));
            json!({
                "person_id": known.map(person_key),
                "display": known.map_or("（表示できない方）", |person| person.display.as_str()),
                "status": uncovered.status,
                "status_label": uncovered.status.label_ja(),
            })
        })
        .collect();
    let agencies: Vec<Value> = required
        .agencies
        .iter()
        .map(|id| json!({ "id": id, "name": offices.get(id).map(|agency| agency.name.as_str()) }))
        .collect();
    Ok(ApiError::conflict("consent_confirmation_required")
        .with("persons", persons)
        .with("agencies", agencies)
        .with(
            "sections",
            required
                .sections
                .iter()
                .map(|section| section.code())
                .collect::<Vec<_>>(),
        )
        .with("level", required.level.code())
        .with("bases", bases(required)))
}

/// The grounds that may be chosen, with the words to choose by.
fn bases(required: &ConfirmationRequired) -> Vec<Value> {
    required.bases.iter().copied().map(basis_words).collect()
}

/// A ground with the words to choose by.
pub(crate) fn basis_words(basis: &LegalBasis) -> Value {
    json!({
        "id": basis.id, "code": basis.id, "label": basis.name, "name": basis.name, "note": basis.caution, "law": basis.law,
        "members": basis.members, "meeting_bound": basis.meeting_bound, "days_after": basis.days_after,
        "ceiling": basis.ceiling, "verified": basis.verified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::disclosure::Level;

    #[test]
    fn a_refused_confirmation_names_its_field() {
        for (error, field) in [
            (ConfirmationError::UnknownBasis, "confirmation.basis"),
            (ConfirmationError::ReasonMissing, "confirmation.reason"),
            (ConfirmationError::MeetingMissing, "confirmation.meeting"),
            (ConfirmationError::PeriodInvalid, "confirmation.until"),
            (ConfirmationError::LevelTooHigh, "confirmation.basis"),
        ] {
            let ApiError::Refused { status, fields, .. } = refused_problem(error) else {
                panic!("internal")
            };
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(
                (fields[0].path.as_str(), fields[0].code.as_str()),
                (field, error.code())
            );
        }
    }

    #[test]
    fn bases_come_with_words_and_whether_they_are_verified() {
        let all = domain::legal_basis::all().iter().collect();
        let required = ConfirmationRequired {
            rights: Vec::new(),
            persons: Vec::new(),
            agencies: Vec::new(),
            sections: Vec::new(),
            level: Level::Read,
            bases: all,
        };
        let listed = bases(&required);
        assert!(!listed.is_empty());
        for basis in listed {
            assert!(
                basis["label"].is_string()
                    && basis["note"].is_string()
                    && basis["verified"].is_boolean()
            );
        }
    }

    #[test]
    fn a_reason_with_a_personal_number_is_refused() {
        let with = |reason: &str| ConfirmationInput {
            basis: "life".into(),
            reason: reason.into(),
            meeting: None,
            until: None,
        };
        assert!(confirmation(Some(with("番号 123456789018 の方"))).is_err());
        assert!(
            confirmation(Some(with("安否の確認を病院と分担するため")))
                .is_ok_and(|answer| answer.is_some())
        );
        assert!(confirmation(None).is_ok_and(|answer| answer.is_none()));
    }
}
