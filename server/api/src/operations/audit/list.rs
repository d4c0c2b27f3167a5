//! `GET /audit`: for auditors and system administrators.

use axum::{Json, extract::State};
use domain::{
    clock::instant_text,
    id::{AccountId, CaseId},
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event, Filter};

use super::{AuditPage, page, read_cursor};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct AuditFilter {
    pub account_id: Option<String>,
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

/// Events, the newest first. Looking into the log is itself an event.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditFilter),
    responses((status = 200, body = AuditPage), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn list(
    State(state): State<AppState>,
    call: CallContext,
    Query(query): Query<AuditFilter>,
) -> Result<Json<AuditPage>, ApiError> {
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
    fn days_are_those_of_the_municipality() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(
            start_of(jiff::civil::date(2026, 11, 22), &tokyo).unwrap(),
            "2026-11-21T15:00:00.000Z"
        );
    }
}
