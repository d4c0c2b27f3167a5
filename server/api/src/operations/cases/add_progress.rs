//! `POST /cases/{id}/progress-records`: what was done, once written unchangeable.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::{AgencyId, CaseId, ProgressRecordId};
use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::{
    CaseAccess, StoreError, Tx, agencies,
    audit::{self, Event},
    progress::{NewProgress, Visibility},
};

use super::{
    Mode, open, plan_items,
    progress::{Entries, ProgressAnswer},
    tell,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    events::CaseEvent,
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddProgress {
    /// ISO date; may be left out when `performed_at` is there.
    #[schema(value_type = Option<String>)]
    pub performed_on: Option<Date>,
    /// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm`, local time of the municipality.
    pub performed_at: Option<String>,
    pub ended_at: Option<String>,
    /// Option list `log_method`.
    pub method: String,
    pub method_other: Option<String>,
    pub title: Option<String>,
    pub content: String,
    /// Whom it is about; empty = everybody in the case.
    #[serde(default)]
    pub persons: Vec<String>,
    /// Option list `visibility`; `case_members` when missing.
    #[schema(value_type = Option<String>)]
    pub visibility: Option<Visibility>,
    /// With `custom`: who sees it besides the own agency.
    #[serde(default)]
    pub agencies: Vec<String>,
    /// Option list `org_type`.
    #[serde(default)]
    pub involved_orgs: Vec<String>,
    /// Option list `log_target`.
    #[serde(default)]
    pub log_target: Vec<String>,
    /// Option list `log_kind`.
    #[serde(default)]
    pub log_kind: Vec<String>,
    pub minutes: Option<u32>,
    /// Agencies of the municipality that took part.
    #[serde(default)]
    pub involved_agencies: Vec<String>,
    pub plan_item: Option<String>,
    /// Items of plans that the entry belongs to.
    #[serde(default)]
    pub plan_items: Vec<PlanItemRef>,
    /// Attachments that were sent before and wait for this entry.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// The draft it was written in. When that is gone the answer is 409 `draft_gone`, and nothing is
    /// recorded: what was finalised on one screen is not finalised a second time on another.
    pub draft_id: Option<String>,
    /// 機微メモ: never leaves the own agency.
    pub private_note: Option<String>,
}

/// An item of a plan.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanItemRef {
    pub document_id: String,
    pub row_id: String,
}

impl std::fmt::Debug for AddProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddProgress")
    }
}

/// Longest text of an entry, in characters.
pub(super) const LONGEST: usize = 10_000;
/// Most members of a list of an entry: agencies, items of plans, attachments.
pub(super) const MOST: usize = 50;

fn day_of(text: &str) -> Option<Date> {
    text.parse::<Date>()
        .ok()
        .filter(|_| text.len() == 10)
        .or_else(|| text.parse::<DateTime>().ok().map(DateTime::date))
}

impl AddProgress {
    fn check(self) -> Result<NewProgress, ApiError> {
        let mut problems = Vec::new();
        let at = self
            .performed_at
            .as_deref()
            .map(|text| (text.contains('T'), day_of(text)));
        let performed_on = match (self.performed_on, at) {
            (Some(day), None) | (None, Some((_, Some(day)))) => Some(day),
            (Some(day), Some((_, Some(same)))) if day == same => Some(day),
            _ => None,
        };
        if performed_on.is_none() {
            problems.push(FieldProblem::new("performed_on", "date"));
        }
        if self
            .ended_at
            .as_deref()
            .is_some_and(|text| day_of(text).is_none())
        {
            problems.push(FieldProblem::new("ended_at", "date"));
        }
        let list = |name: &str, code: &str| {
            domain::form::catalogue()
                .list(name)
                .is_some_and(|list| list.option(code).is_some())
        };
        if !list("log_method", &self.method) {
            problems.push(FieldProblem::new("method", "unknown_option"));
        }
        for (field, name, codes) in [
            ("involved_orgs", "org_type", &self.involved_orgs),
            ("log_target", "log_target", &self.log_target),
            ("log_kind", "log_kind", &self.log_kind),
        ] {
            if codes.iter().any(|code| !list(name, code)) {
                problems.push(FieldProblem::new(field, "unknown_option"));
            }
        }
        for (field, count) in [
            ("involved_agencies", self.involved_agencies.len()),
            ("plan_items", self.plan_items.len()),
            ("attachments", self.attachments.len()),
        ] {
            if count > MOST {
                problems.push(FieldProblem::new(field, "too_many"));
            }
        }
        if self.minutes.is_some_and(|minutes| minutes > 1440) {
            problems.push(FieldProblem::new("minutes", "too_high"));
        }
        if self.content.trim().is_empty() {
            problems.push(FieldProblem::new("content", "required"));
        }
        let texts = [
            ("title", self.title),
            ("content", Some(self.content)),
            ("method_other", self.method_other),
            ("plan_item", self.plan_item),
            ("private_note", self.private_note),
        ];
        let mut content = Map::new();
        for (field, text) in texts {
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            if text.chars().count() > LONGEST {
                problems.push(FieldProblem::new(field, "too_long"));
            }
            content.insert(field.to_owned(), text.into());
        }
        personal_number::refuse(
            content
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), value.as_str()?))),
        )?;
        let Some(performed_on) = performed_on.filter(|_| problems.is_empty()) else {
            return Err(ApiError::invalid(problems));
        };
        if matches!(at, Some((true, _))) {
            content.extend(
                self.performed_at
                    .map(|text| ("performed_at".to_owned(), Value::from(text))),
            );
        }
        content.extend(
            self.ended_at
                .map(|text| ("ended_at".to_owned(), Value::from(text))),
        );
        content.extend(
            self.minutes
                .map(|minutes| ("minutes".to_owned(), Value::from(minutes))),
        );
        for (field, codes) in [
            ("involved_orgs", self.involved_orgs),
            ("log_target", self.log_target),
            ("log_kind", self.log_kind),
        ] {
            if !codes.is_empty() {
                content.insert(field.to_owned(), codes.into());
            }
        }
        if !self.involved_agencies.is_empty() {
            let rows = self.involved_agencies.into_iter();
            let rows: Vec<Value> = rows.map(|id| json!({ "org": id })).collect();
            content.insert("involved_agencies".to_owned(), rows.into());
        }
        if !self.plan_items.is_empty() {
            let rows = self.plan_items.into_iter();
            let rows: Vec<Value> = rows
                .map(|item| json!({ "document_id": item.document_id, "row_id": item.row_id }))
                .collect();
            content.insert("plan_items".to_owned(), rows.into());
        }
        Ok(NewProgress {
            attachments: self.attachments,
            draft: self.draft_id,
            performed_on,
            method: self.method,
            visibility: self.visibility.unwrap_or(Visibility::CaseMembers),
            persons: self.persons.into_iter().map(Into::into).collect(),
            agencies: self.agencies.into_iter().map(Into::into).collect(),
            content,
        })
    }
}

/// Only plans of the case that the caller reads in the original can be named.
async fn check_plan_items(
    tx: &mut Tx,
    access: &CaseAccess,
    items: &[PlanItemRef],
) -> Result<(), ApiError> {
    if items.is_empty() {
        return Ok(());
    }
    let readable = plan_items::readable(tx, access).await?;
    let known = |item: &PlanItemRef| {
        readable
            .iter()
            .any(|(id, _)| id.as_str() == item.document_id)
            && item.row_id.len() <= 64
            && item.row_id.is_ascii()
    };
    if items.iter().all(known) {
        Ok(())
    } else {
        Err(ApiError::invalid_field("plan_items", "unknown"))
    }
}

async fn check_agencies(tx: &mut Tx, access: &CaseAccess, ids: &[String]) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Ok(());
    }
    let known = agencies::by_id(tx, &access.caller().viewer.municipality).await?;
    if ids
        .iter()
        .all(|id| known.contains_key(&AgencyId::from(id.as_str())))
    {
        Ok(())
    } else {
        Err(ApiError::invalid_field("involved_agencies", "unknown"))
    }
}

/// Add an entry of the own agency.
#[utoipa::path(post, path = "/cases/{id}/progress-records", tag = "progress", params(("id" = String, Path)), request_body = AddProgress,
    responses((status = 201, body = ProgressAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "draft_gone"), (status = 422, description = "invalid or personal_number")))]
pub async fn add_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<AddProgress>,
) -> Result<(StatusCode, Json<ProgressAnswer>), ApiError> {
    let case = CaseId(id);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    if !access.may_write_progress() {
        return Err(ApiError::forbidden());
    }
    check_plan_items(&mut tx, &access, &request.plan_items).await?;
    check_agencies(&mut tx, &access, &request.involved_agencies).await?;
    let new = request.check()?;
    let added = access.add_progress(&mut tx, &new).await;
    let id: ProgressRecordId = added.map_err(|error| match error {
        StoreError::Conflict => ApiError::conflict("draft_gone"),
        other => other.into(),
    })?;
    let detail = json!({ "method": new.method, "visibility": new.visibility, "persons": new.persons, "attachments": new.attachments });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "progress.add", "progress", id.as_str())
            .in_case(&case)
            .detail(detail),
    );
    let entries = Entries::load(&mut tx, &access, Some(&id)).await?;
    tx.commit().await?;
    tell(&state, &access, CaseEvent::Progress { record_id: id });
    let answer = entries
        .finish(&state)
        .await?
        .pop()
        .ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::CREATED, Json(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<NewProgress, ApiError> {
        serde_json::from_value::<AddProgress>(value)
            .unwrap()
            .check()
    }

    #[test]
    fn the_day_may_come_alone_or_with_the_time() {
        let day = jiff::civil::date(2026, 11, 22);
        let new = read(json!({"performed_on": "2026-11-22", "method": "tel", "content": "電話"}))
            .unwrap();
        assert_eq!(
            (new.performed_on, new.content.get("performed_at")),
            (day, None)
        );
        let new =
            read(json!({"performed_at": "2026-11-22T10:30", "method": "tel", "content": "電話"}))
                .unwrap();
        assert_eq!(
            (new.performed_on, new.content["performed_at"].as_str()),
            (day, Some("2026-11-22T10:30"))
        );
        for wrong in [
            json!({"method": "tel", "content": "x"}),
            json!({"performed_at": "昭和65年", "method": "tel", "content": "x"}),
        ] {
            assert!(read(wrong).is_err());
        }
        let two = json!({"performed_on": "2026-11-21", "performed_at": "2026-11-22T10:30", "method": "tel", "content": "x"});
        assert!(read(two).is_err(), "two days that differ");
    }

    #[test]
    fn mistakes_are_named_and_personal_numbers_refused() {
        let Err(ApiError::Refused { fields, .. }) =
            read(json!({"performed_on": "2026-11-22", "method": "x", "content": " "}))
        else {
            panic!("accepted")
        };
        assert_eq!(
            fields
                .iter()
                .map(|field| field.path.as_str())
                .collect::<Vec<_>>(),
            ["method", "content"]
        );
        let refused = read(
            json!({"performed_on": "2026-11-22", "method": "tel", "content": "x", "private_note": "123456789018"}),
        );
        assert!(matches!(
            refused,
            Err(ApiError::Refused {
                code: "personal_number",
                ..
            })
        ));
    }
}
