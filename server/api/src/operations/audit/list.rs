//! `GET /audit`: for auditors and system administrators.

use axum::{Json, extract::State};
use domain::{
    clock::instant_text,
    id::{AccountId, CaseId},
    role::Capability,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event, Filter};

use super::{AuditPage, page, read_cursor};
use crate::{
    context::CallContext,
    error::{ApiError, FieldProblem, Query},
    operations::cases::is_id,
    state::AppState,
};

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
pub struct AuditFilter {
    /// An id; of another municipality it finds nothing.
    pub account_id: Option<String>,
    /// An id; of another municipality it finds nothing.
    pub case_id: Option<String>,
    /// Exactly this code.
    pub action: Option<String>,
    /// First day, in the municipality's zone.
    #[param(value_type = Option<String>)]
    pub from: Option<Date>,
    /// Last day, in the municipality's zone.
    #[param(value_type = Option<String>)]
    pub to: Option<Date>,
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
}

/// Beginning of a day as an instant.
fn start_of(day: Date, zone: &TimeZone) -> Result<String, ApiError> {
    let begin = day
        .to_zoned(zone.clone())
        .map_err(|_| ApiError::invalid_field("from", "date"))?;
    Ok(instant_text(begin.timestamp()))
}

impl AuditFilter {
    /// What is looked for is written down with the look, so it must be what it says: an id, a code.
    fn check(&self) -> Result<(), ApiError> {
        let id = |value: &Option<String>| value.as_deref().is_none_or(is_id);
        let code = |value: &Option<String>| {
            value.as_deref().is_none_or(|code| {
                (1..=64).contains(&code.len())
                    && code
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.')
            })
        };
        let problems: Vec<FieldProblem> = [
            ("account_id", id(&self.account_id)),
            ("case_id", id(&self.case_id)),
            ("action", code(&self.action)),
            (
                "to",
                self.from.zip(self.to).is_none_or(|(from, to)| from <= to),
            ),
        ]
        .into_iter()
        .filter(|(_, good)| !good)
        .map(|(field, _)| {
            FieldProblem::new(
                field,
                if field == "to" {
                    "reversed"
                } else {
                    "malformed"
                },
            )
        })
        .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(problems))
        }
    }
}

/// Events, the newest first. Looking into the log is itself an event.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditFilter),
    responses((status = 200, body = AuditPage), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<AuditFilter>,
) -> Result<Json<AuditPage>, ApiError> {
    call.caller.require(Capability::ReadAudit)?;
    query.check()?;
    let zone = &call.caller.zone;
    let until = match query.to {
        Some(day) => Some(start_of(
            day.tomorrow()
                .map_err(|_| ApiError::invalid_field("to", "date"))?,
            zone,
        )?),
        None => None,
    };
    let filter = Filter {
        account: query.account_id.map(AccountId),
        case: query.case_id.map(CaseId),
        action: query.action,
        from: query.from.map(|day| start_of(day, zone)).transpose()?,
        until,
        before: read_cursor(query.cursor.as_deref())?,
    };
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let mut tx = state.db().read().await?;
    let events = audit::events(&mut tx, &call.caller, &filter, limit as i64 + 1).await?;
    let found = page(&mut tx, &call.caller.viewer.municipality, events, limit).await?;
    let detail =
        json!({ "account": filter.account, "case": filter.case, "count": found.items.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "audit.list", "audit", "").detail(detail),
    );
    tx.commit().await?;
    Ok(Json(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_ids_and_codes() {
        let id = Some("0190f3c0aa0070008000000000000001".to_owned());
        let good = AuditFilter {
            account_id: id.clone(),
            case_id: id,
            action: Some("case.view_as".to_owned()),
            ..AuditFilter::default()
        };
        assert!(good.check().is_ok());
        assert!(AuditFilter::default().check().is_ok());
        for text in ["架空太郎", "", "' OR 1=1 --", "0190f3c0"] {
            let filter = AuditFilter {
                account_id: Some(text.to_owned()),
                case_id: Some(text.to_owned()),
                action: Some(text.to_owned()),
                ..AuditFilter::default()
            };
            let Err(ApiError::Refused { fields, .. }) = filter.check() else {
                panic!("{text} accepted")
            };
            assert_eq!(fields.len(), 3, "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_municipality() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(
            start_of(jiff::civil::date(2026, 11, 22), &tokyo).unwrap(),
            "2026-11-21T15:00:00.000Z"
        );
    }
}
