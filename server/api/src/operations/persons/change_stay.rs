//! `PATCH /persons/{id}/households/{stay_id}`: kinship, days and reasons of a stay; leaving is a last day.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::PersonId;
use jiff::civil::Date;
use serde::Deserialize;
use store::households::StayPatch;

use super::{PersonAnswer, closed, households, merge::refuse_merged};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeStay {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    /// Field → new value, `null` empties it: `kinship`, `kinship_other`, `from`, `to`, `joined_because`,
    /// `left_because`. What is not named stays.
    pub set: BTreeMap<String, Option<String>>,
}

closed!(ChangeStay);

impl ChangeStay {
    fn check(self) -> Result<StayPatch, ApiError> {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let mut patch = StayPatch::default();
        let mut problems = Vec::new();
        let mut texts: Vec<(&'static str, String)> = Vec::new();
        let mut kinship = None;
        for (field, value) in self.set {
            let value = filled(value);
            let mut word = |name: &'static str| {
                texts.extend(value.clone().map(|text| (name, text)));
                Some(value.clone())
            };
            match field.as_str() {
                "kinship" => {
                    kinship.clone_from(&value);
                    patch.kinship = Some(value);
                }
                "kinship_other" => patch.kinship_other = word("kinship_other"),
                "joined_because" => patch.joined_because = word("joined_because"),
                "left_because" => patch.left_because = word("left_because"),
                "from" | "to" => {
                    let day = match value.as_deref().map(str::parse::<Date>) {
                        None => None,
                        Some(Ok(day)) => Some(day),
                        Some(Err(_)) => {
                            problems.push(FieldProblem::new(format!("set.{field}"), "date"));
                            continue;
                        }
                    };
                    if field == "from" {
                        patch.from = Some(day);
                    } else {
                        patch.to = Some(day);
                    }
                }
                _ => problems.push(FieldProblem::new(format!("set.{field}"), "unknown_field")),
            }
        }
        if !problems.is_empty() {
            return Err(ApiError::invalid(problems));
        }
        let texts = texts.iter().map(|(field, text)| (*field, text.as_str()));
        households::check(kinship.as_deref(), texts)?;
        Ok(patch)
    }
}

/// Change a stay in a household, or end it.
#[utoipa::path(patch, path = "/persons/{id}/households/{stay_id}", tag = "persons",
    params(("id" = String, Path), ("stay_id" = String, Path)), request_body = ChangeStay,
    responses((status = 200, body = PersonAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict or merged"), (status = 422, description = "invalid or personal_number")))]
pub async fn change_stay(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, stay)): Path<(String, String)>,
    Body(request): Body<ChangeStay>,
) -> Result<Json<PersonAnswer>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().write().await?;
    let Some(access) = tx.person_for(&call.caller, &id).await? else {
        return Err(refuse_merged(&mut tx, &call, &id).await);
    };
    let version = request.version;
    let patch = request.check()?;
    access
        .change_stay(&mut tx, &stay, version, &patch)
        .await
        .map_err(households::refused)?;
    let done = households::finish(&state, tx, &call, &access, "household.change", &stay).await?;
    Ok(Json(done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read(body: &str) -> Result<StayPatch, ApiError> {
        serde_json::from_str::<ChangeStay>(body).unwrap().check()
    }

    #[test]
    fn what_is_not_named_stays() {
        let patch = read(r#"{"version":1,"set":{"to":"2026-11-01","left_because":null}}"#).unwrap();
        assert_eq!(patch.to, Some(Some(date(2026, 11, 1))));
        assert_eq!(patch.left_because, Some(None));
        assert!(patch.from.is_none() && patch.kinship.is_none() && patch.joined_because.is_none());
        for bad in [
            r#"{"version":1,"set":{"to":"11月"}}"#,
            r#"{"version":1,"set":{"household_id":"x"}}"#,
            r#"{"version":1,"set":{"kinship":"cat"}}"#,
            r#"{"version":1,"set":{"left_because":"123456789018"}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
