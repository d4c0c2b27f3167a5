//! `PATCH /persons/{id}`: a new value begins, the old one becomes the past (or, when it was wrong,
//! goes).

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Path, State},
};
use collab::access::Change;
use domain::id::PersonId;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    persons::{Flag, PersonPatch},
};

use super::{
    FIELDS, PersonAnswer, answer, check_agencies, closed, is_risk_flag, merge::refuse_merged,
    personal_number, stored_name, value_problem,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    events::CaseEvent,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePerson {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    /// Field → new value; `null` ends the present value.
    #[serde(default)]
    pub set: BTreeMap<String, Option<String>>,
    /// Fields of `set` whose old value was wrong and does not become the past.
    #[serde(default)]
    pub corrections: BTreeSet<String>,
    /// First day of the new values; today when missing.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    pub address_confidential: Option<bool>,
    /// Replaces the list of agencies that see the protected values. Of a protected person only the
    /// agencies on it may do so, and the coordinator in charge of the person's (first) case. When the
    /// protection is put on, the list begins empty; only the coordinator in charge may name one with it.
    pub address_allow: Option<Vec<String>>,
    #[serde(default)]
    pub add_flags: Vec<NewFlag>,
    /// Ids of flags that no longer hold.
    #[serde(default)]
    pub end_flags: Vec<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFlag {
    /// Option list `risk_flag`.
    pub flag: String,
    pub basis: Option<String>,
    #[schema(value_type = Option<String>)]
    pub review_on: Option<Date>,
}

closed!(UpdatePerson, NewFlag);

impl UpdatePerson {
    fn check(self, today: Date) -> Result<(i64, PersonPatch), ApiError> {
        let texts = self
            .set
            .iter()
            .filter_map(|(field, value)| Some((format!("set.{field}"), value.as_deref()?)));
        let bases = self.add_flags.iter().enumerate().filter_map(|(at, flag)| {
            Some((format!("add_flags.{at}.basis"), flag.basis.as_deref()?))
        });
        personal_number::refuse(texts.chain(bases))?;
        let mut problems = Vec::new();
        for (field, value) in &self.set {
            let stored = stored_name(field);
            let value = value
                .as_deref()
                .map(str::trim)
                .filter(|value| !value.is_empty());
            if !FIELDS.contains(&stored) {
                problems.push(FieldProblem::new(format!("set.{field}"), "unknown_field"));
            } else if let Some(code) = value.and_then(|value| value_problem(stored, value, today)) {
                problems.push(FieldProblem::new(format!("set.{field}"), code));
            }
        }
        for (at, flag) in self.add_flags.iter().enumerate() {
            if !is_risk_flag(&flag.flag) {
                problems.push(FieldProblem::new(
                    format!("add_flags.{at}.flag"),
                    "unknown_option",
                ));
            }
        }
        if !problems.is_empty() {
            return Err(ApiError::invalid(problems));
        }
        let patch = PersonPatch {
            set: self
                .set
                .into_iter()
                .map(|(field, value)| {
                    (
                        stored_name(&field).to_owned(),
                        value.map(|value| value.trim().to_owned()),
                    )
                })
                .collect(),
            corrections: self
                .corrections
                .iter()
                .map(|field| stored_name(field).to_owned())
                .collect(),
            from: self.from,
            address_confidential: self.address_confidential,
            address_allow: self
                .address_allow
                .map(|list| list.into_iter().map(Into::into).collect()),
            add_flags: self
                .add_flags
                .into_iter()
                .map(|flag| Flag {
                    id: String::new(),
                    flag: flag.flag,
                    basis: flag.basis,
                    review_on: flag.review_on,
                })
                .collect(),
            end_flags: self.end_flags,
        };
        Ok((self.version, patch))
    }
}

/// Change a person.
#[utoipa::path(patch, path = "/persons/{id}", tag = "persons", params(("id" = String, Path)), request_body = UpdatePerson,
    responses((status = 200, body = PersonAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict or merged"), (status = 422, description = "invalid or personal_number")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdatePerson>,
) -> Result<Json<PersonAnswer>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().write().await?;
    let Some(access) = tx.person_for(&call.caller, &id).await? else {
        return Err(refuse_merged(&mut tx, &call, &id).await);
    };
    let (version, patch) = request.check(call.caller.viewer.today)?;
    if let Some(allow) = &patch.address_allow {
        check_agencies(&mut tx, &call.caller, allow).await?;
    }
    access.update(&mut tx, version, &patch).await?;
    let rights = patch.address_confidential.is_some() || patch.address_allow.is_some();
    let detail = json!({
        "fields": patch.set.keys().collect::<Vec<_>>(),
        "address_confidential": patch.address_confidential,
        "address_allow": patch.address_allow,
        "flags_added": patch.add_flags.iter().map(|flag| &flag.flag).collect::<Vec<_>>(),
        "flags_ended": patch.end_flags.len(),
    });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.update", "person", id.as_str()).detail(detail),
    );
    // The change itself may have taken the sight of the protected values away.
    let access = tx
        .person_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let person = answer(&mut tx, &call.caller, &access).await?;
    let municipality = &call.caller.viewer.municipality;
    let cases = tx.cases_with(municipality, &id).await?;
    let named = tx.documents_naming(municipality, &id).await?;
    if rights {
        // Which cases the person is in is more than the caller may know: every open document asks again.
        let change = Change::Municipality(municipality.clone());
        state.commit_rights(tx, municipality, change).await?;
    } else {
        tx.commit().await?;
    }
    state.rescan(&named);
    for case in cases {
        // Each screen asks for itself whether it may hear of the person.
        let event = CaseEvent::Person {
            person_id: id.clone(),
        };
        state.events().tell(municipality, &case, event);
    }
    Ok(Json(person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_patch_names_known_fields_only() {
        let read = |text: &str| {
            serde_json::from_str::<UpdatePerson>(text)
                .unwrap()
                .check(date(2026, 11, 22))
        };
        let (version, patch) = read(
            r#"{"version":3,"set":{"kana":"かくう","phone_home":null},"corrections":["kana"]}"#,
        )
        .unwrap();
        assert_eq!(version, 3);
        assert_eq!(patch.set["name_kana"].as_deref(), Some("かくう"));
        assert_eq!(patch.set["phone_home"], None);
        assert!(patch.corrections.contains("name_kana"));
        assert!(read(r#"{"version":3,"set":{"password":"x"}}"#).is_err());
        assert!(read(r#"{"version":3,"set":{"birth_date":"昭和65年"}}"#).is_err());
        assert!(read(r#"{"version":3,"add_flags":[{"flag":"nonsense"}]}"#).is_err());
    }
}
