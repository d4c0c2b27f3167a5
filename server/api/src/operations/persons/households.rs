//! Households of a person as they are shown, and what a stay may say.

use domain::household::HouseholdKind;
use serde::Serialize;
use store::{
    Caller, PersonAccess, StoreError, Tx,
    audit::{self, Event},
    households::Household,
};

use super::{PersonAnswer, answer, closed, personal_number};
use crate::{
    context::CallContext,
    error::{ApiError, FieldProblem},
    events::CaseEvent,
    state::AppState,
};

/// A household with the stays that the caller may know of.
#[derive(Serialize, utoipa::ToSchema)]
pub struct HouseholdAnswer {
    pub id: String,
    /// `registered` (住民票世帯) or `actual` (実世帯).
    #[schema(value_type = String)]
    pub kind: HouseholdKind,
    /// The person stays there today.
    pub current: bool,
    /// The head first.
    pub stays: Vec<HouseholdStay>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct HouseholdStay {
    pub id: String,
    pub version: i64,
    pub person_id: String,
    pub name: String,
    pub kana: Option<String>,
    /// Of the dead: on the day of death, where that is known.
    pub age: Option<i64>,
    /// The birth date is not known to the day, or the age is an estimate.
    pub age_about: bool,
    pub deceased: bool,
    /// To the head, option list `kinship`; `self` is the head (世帯主).
    pub kinship: Option<String>,
    pub kinship_other: Option<String>,
    /// First day, where it is known.
    pub from: Option<String>,
    /// Last day; missing = stays there.
    pub to: Option<String>,
    pub joined_because: Option<String>,
    pub left_because: Option<String>,
}

closed!(HouseholdAnswer, HouseholdStay);

pub(super) async fn of(
    tx: &mut Tx,
    caller: &Caller,
    access: &PersonAccess,
) -> Result<Vec<HouseholdAnswer>, ApiError> {
    let found = access.households(tx).await?;
    let mut ids: Vec<_> = found
        .iter()
        .flat_map(|household| household.stays.iter().map(|stay| stay.person.clone()))
        .collect();
    ids.sort();
    ids.dedup();
    let people = tx.persons_shown(caller, &ids).await?;
    let today = caller.viewer.today;
    let shown = |household: Household| HouseholdAnswer {
        current: household.stay_of(access.id(), today).is_some(),
        id: household.id,
        kind: household.kind,
        stays: household
            .stays
            .into_iter()
            .filter_map(|stay| {
                let person = people.get(&stay.person)?;
                Some(HouseholdStay {
                    id: stay.id,
                    version: stay.version,
                    person_id: stay.person.0.clone(),
                    name: person.name().to_owned(),
                    kana: person.fields.get("name_kana").cloned(),
                    age: person.age_on(today),
                    age_about: person.age_is_about(),
                    deceased: person.is_deceased(),
                    kinship: stay.kinship,
                    kinship_other: stay.words.kinship_other,
                    from: stay.from.map(|day| day.to_string()),
                    to: stay.to.map(|day| day.to_string()),
                    joined_because: stay.words.joined_because,
                    left_because: stay.words.left_because,
                })
            })
            .collect(),
    };
    Ok(found.into_iter().map(shown).collect())
}

/// Refuses texts and codes that cannot stand in a stay.
pub(super) fn check<'a>(
    kinship: Option<&str>,
    texts: impl Iterator<Item = (&'static str, &'a str)> + Clone,
) -> Result<(), ApiError> {
    personal_number::refuse(texts.clone().map(|(field, text)| (field.to_owned(), text)))?;
    let mut problems = Vec::new();
    let known = |code: &str| {
        domain::form::catalogue()
            .list("kinship")
            .is_some_and(|list| list.option(code).is_some())
    };
    if kinship.is_some_and(|code| !code.is_empty() && !known(code)) {
        problems.push(FieldProblem::new("kinship", "unknown_option"));
    }
    for (field, text) in texts {
        if text.chars().count() > 500 {
            problems.push(FieldProblem::new(field, "too_long"));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(problems))
    }
}

/// Writes down what was done, commits, and shows the person anew.
pub(super) async fn finish(
    state: &AppState,
    mut tx: Tx,
    call: &CallContext,
    access: &PersonAccess,
    action: &'static str,
    stay: &str,
) -> Result<PersonAnswer, ApiError> {
    audit::record(
        &mut tx,
        Event::by(&call.caller, action, "person", access.id().as_str())
            .detail(serde_json::json!({ "stay": stay })),
    );
    let person = answer(&mut tx, &call.caller, access).await?;
    let cases = tx
        .cases_with(&call.caller.viewer.municipality, access.id())
        .await?;
    tx.commit().await?;
    for case in cases {
        // Each screen asks for itself whether it may hear of the person.
        let event = CaseEvent::Person {
            person_id: access.id().clone(),
        };
        state
            .events()
            .tell(&call.caller.viewer.municipality, &case, event);
    }
    Ok(person)
}

/// Why a stay was not written.
pub(super) fn refused(error: StoreError) -> ApiError {
    match error {
        StoreError::Invalid("overlap") => ApiError::invalid_field("from", "overlap"),
        StoreError::Invalid("period") => ApiError::invalid_field("to", "period"),
        StoreError::Invalid("from") => ApiError::invalid_field("from", "required"),
        StoreError::Invalid("household") => ApiError::invalid_field("household_id", "household"),
        other => other.into(),
    }
}
