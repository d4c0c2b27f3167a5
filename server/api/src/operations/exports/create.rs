//! `POST /exports`: a ZIP of standard files with what the caller may see.

use std::{collections::BTreeSet, sync::Arc};

use ::exchange::{Choices, Encoding, Table, WhenUnencodable, WriteOptions};
use axum::{
    body::Body as Stream,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::{disclosure::UncoveredPerson, id::CaseId, legal_basis, role::Capability};
use futures_util::stream;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    Caller, CaseAccess, StoreError,
    audit::{self, Event, Outcome},
};
use tokio::sync::mpsc;

use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Body, FieldProblem},
    exporting::{self, Plan},
    headers,
    operations::{cases::sharing::basis_words, persons::personal_number},
    standard_files,
    state::AppState,
};

/// Cases that are asked of the database at once.
const AT_ONCE: usize = 100;
/// Persons that a refusal names; all are counted.
const NAMED: usize = 20;
/// The ground for work inside the own agency.
const INTERNAL: &str = "internal_use";

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateExport {
    /// Standard files, see `GET /exchange-tables`.
    pub tables: Vec<String>,
    /// One case; missing: the register and every case that the caller sees.
    pub case_id: Option<String>,
    /// First day: of the entries of `progress`, of the reception for the other files of cases.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// Last day.
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
    /// `utf-8-bom` (default), `utf-8` or `cp932`.
    pub encoding: Option<String>,
    /// With `cp932`: replace what it cannot hold by 〓 instead of refusing.
    #[serde(default)]
    pub replace: bool,
    /// A second line with the identifiers.
    #[serde(default)]
    pub identifiers: bool,
    /// Several choices as a column of 0 and 1 for each option.
    #[serde(default)]
    pub choice_columns: bool,
    /// `'` before cells that a spreadsheet program would run as formulas.
    #[serde(default = "yes")]
    pub guard_formulas: bool,
    /// The answer to `409 consent_confirmation_required`.
    pub confirmation: Option<ExportConfirmation>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportConfirmation {
    /// `id` of one of the bases that came with the 409.
    pub basis: String,
    /// What it is for.
    pub reason: String,
}

crate::operations::persons::closed!(ExportConfirmation);

const fn yes() -> bool {
    true
}

impl CreateExport {
    fn plan(&self, caller: &Caller, known: &[Arc<Table>]) -> Result<Plan, ApiError> {
        let mut tables: Vec<Arc<Table>> = Vec::new();
        for id in &self.tables {
            let found = known
                .iter()
                .find(|table| table.id == *id)
                .ok_or_else(|| ApiError::invalid_field("tables", "unknown"))?;
            if !tables.iter().any(|table| table.id == *id) {
                tables.push(Arc::clone(found));
            }
        }
        if tables.is_empty() {
            return Err(ApiError::invalid_field("tables", "required"));
        }
        if matches!((self.from, self.to), (Some(from), Some(to)) if to < from) {
            return Err(ApiError::invalid_field("to", "period"));
        }
        let register = tables.iter().any(|table| Plan::is_register(table));
        if register && !caller.may(Capability::ReadPersons) {
            return Err(ApiError::forbidden());
        }
        let encoding: Encoding = self
            .encoding
            .as_deref()
            .unwrap_or("utf-8-bom")
            .parse()
            .map_err(|()| ApiError::invalid_field("encoding", "unknown"))?;
        Ok(Plan {
            tables,
            case: self.case_id.clone().map(CaseId),
            from: self.from,
            to: self.to,
            options: WriteOptions {
                encoding,
                when_unencodable: if self.replace {
                    WhenUnencodable::Geta
                } else {
                    WhenUnencodable::Refuse
                },
                identifiers: self.identifiers,
                guard_formulas: self.guard_formulas,
                notes: Vec::new(),
            },
            choices: if self.choice_columns {
                Choices::Columns
            } else {
                Choices::Joined
            },
        })
    }

    /// The conditions, as they stand in the audit.
    fn conditions(&self) -> Value {
        json!({
            "tables": self.tables, "from": self.from, "to": self.to, "encoding": self.encoding,
            "replace": self.replace, "identifiers": self.identifiers, "choice_columns": self.choice_columns,
            "guard_formulas": self.guard_formulas, "basis": self.confirmation.as_ref().map(|answer| &answer.basis),
        })
    }
}

/// Export files. Holds what the caller's level shows, masked where it is masked, never what 住所秘匿
/// protects. Where persons of the cases have not agreed to sharing, basis and reason are asked for first.
#[utoipa::path(post, path = "/exports", tag = "exports", request_body = CreateExport,
    responses((status = 200, description = "ZIP of CSV files", content_type = "application/zip"), (status = 403, description = "forbidden"),
        (status = 404, description = "not_found"), (status = 409, description = "consent_confirmation_required"),
        (status = 422, description = "invalid; unencodable with the `places`")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<CreateExport>,
) -> Result<Response, ApiError> {
    if let Some(case) = &request.case_id {
        // Whether there is such a case is said before what may be done with it.
        let mut tx = state.db().read().await?;
        tx.case_for(&call.caller, &CaseId(case.clone()))
            .await?
            .ok_or_else(ApiError::not_found)?;
    }
    if !call.caller.may(Capability::ExportCases) || !call.caller.may(Capability::ReadCases) {
        return Err(ApiError::forbidden());
    }
    let today = call.caller.viewer.today;
    let mut tx = state.db().read().await?;
    let known = standard_files::all(&mut tx, &call.caller.viewer.municipality).await?;
    drop(tx);
    let plan = Arc::new(request.plan(&call.caller, &known)?);
    let cases = exporting::cases(&state, &call.caller, &plan).await?;
    confirm(&state, &call, &request, &cases).await?;
    if plan.options.encoding == Encoding::Cp932
        && plan.options.when_unencodable == WhenUnencodable::Refuse
    {
        refuse_unencodable(&state, &call, &plan, &cases).await?;
    }
    begin(&state, &call, &request, &cases).await?;
    let (pieces, received) = mpsc::channel(4);
    let (out, mut body) = mpsc::channel(16);
    tokio::task::spawn_blocking({
        let plan = plan.clone();
        move || exporting::pack(received, &plan, out)
    });
    tokio::spawn(async move {
        let done = exporting::produce(&state, &call.caller, &plan, &cases, &pieces).await;
        // Dropped without an end the file breaks off.
        drop(pieces);
        let (outcome, counts) = match done {
            Ok(counts) => (Outcome::Ok, json!(counts)),
            Err(error) => {
                tracing::warn!(%error, "export broken off");
                (Outcome::Denied, Value::Null)
            }
        };
        let event = Event::by(&call.caller, "export.done", "export", "zip")
            .outcome(outcome)
            .detail(json!({ "rows": counts }));
        if let Err(error) = note(&state, event).await {
            tracing::warn!(%error, "end of an export not noted");
        }
    });
    let body = stream::poll_fn(move |context| body.poll_recv(context));
    let headers = headers::of_file(
        "application/zip",
        "attachment",
        &format!("musubi-{today}.zip"),
    )?;
    Ok((headers, Stream::from_stream(body)).into_response())
}

async fn note(state: &AppState, event: Event) -> Result<(), StoreError> {
    let mut tx = state.db().write().await?;
    audit::record(&mut tx, event);
    tx.commit().await
}

/// Asks for basis and reason where somebody has not agreed to sharing, and writes the answer down in
/// every case that it is about.
async fn confirm(
    state: &AppState,
    call: &CallContext,
    request: &CreateExport,
    cases: &[CaseId],
) -> Result<(), ApiError> {
    let caller = &call.caller;
    let mut uncovered: Vec<CaseId> = Vec::new();
    let (mut persons, mut count) = (Vec::new(), 0);
    let mut known = BTreeSet::new();
    for ids in cases.chunks(AT_ONCE) {
        let mut tx = state.db().read().await?;
        for (case, (access, _)) in tx.case_lines(caller, ids).await? {
            let open = access.without_agreement();
            if open.is_empty() {
                continue;
            }
            // Who is in several cases is one person.
            let new = open
                .into_iter()
                .filter(|open| known.insert(open.person.clone()))
                .collect::<Vec<_>>();
            count += new.len();
            if persons.len() < NAMED {
                persons.extend(named(&mut tx, &access, &new).await?);
                persons.truncate(NAMED);
            }
            uncovered.push(case);
        }
    }
    if uncovered.is_empty() {
        return Ok(());
    }
    let offered = || {
        legal_basis::all()
            .iter()
            .filter(|basis| basis.id == INTERNAL || (basis.confirmable && !basis.meeting_bound))
    };
    let Some(answer) = &request.confirmation else {
        let event = Event::by(caller, "consent.confirmation_required", "export", "zip")
            .outcome(Outcome::Denied)
            .detail(json!({ "operation": "export", "cases": uncovered.len(), "persons": count }));
        note(state, event).await?;
        let bases: Vec<Value> = offered().map(basis_words).collect();
        return Err(ApiError::conflict("consent_confirmation_required")
            .with("operation", "export")
            .with("persons", persons)
            .with("person_count", count)
            .with("case_count", uncovered.len())
            .with("agencies", Vec::<Value>::new())
            .with("sections", Vec::<Value>::new())
            .with("bases", bases));
    };
    let refused = |field: &str, code: &str| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid")
            .field(FieldProblem::new(field, code))
    };
    let basis = offered()
        .find(|basis| basis.id == answer.basis)
        .ok_or_else(|| refused("confirmation.basis", "unknown_basis"))?;
    if answer.reason.trim().is_empty() {
        return Err(refused("confirmation.reason", "reason_missing"));
    }
    personal_number::refuse([("confirmation.reason".to_owned(), answer.reason.as_str())])?;
    for ids in uncovered.chunks(AT_ONCE) {
        let mut tx = state.db().write().await?;
        for (_, (access, _)) in tx.case_lines(caller, ids).await? {
            let open = access.without_agreement();
            access
                .record_export(&mut tx, &basis.id, answer.reason.trim(), &open)
                .await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The persons of a case who have not agreed, as the dialog shows them.
async fn named(
    tx: &mut store::Tx,
    access: &CaseAccess,
    open: &[UncoveredPerson],
) -> Result<Vec<Value>, ApiError> {
    let people = access.persons(tx).await?;
    Ok(open
        .iter()
        .map(|open| {
            let known = people
                .iter()
                .find(|person| person.person_id.as_ref() == Some(&open.person));
            json!({
                "person_id": open.person,
                "display": known.map_or("（表示できない方）", |person| person.display.as_str()),
                "status": open.status,
                "status_label": open.status.label_ja(),
            })
        })
        .collect())
}

/// Says which characters the encoding cannot hold, and where, before anything is sent.
async fn refuse_unencodable(
    state: &AppState,
    call: &CallContext,
    plan: &Arc<Plan>,
    cases: &[CaseId],
) -> Result<(), ApiError> {
    let (pieces, received) = mpsc::channel(4);
    let looking = blocking({
        let plan = plan.clone();
        move || exporting::look(received, &plan)
    });
    let reading = async {
        let done = exporting::produce(state, &call.caller, plan, cases, &pieces).await;
        drop(pieces);
        done
    };
    let (found, read) = tokio::join!(looking, reading);
    read?;
    let (places, count) = found?;
    if count == 0 {
        return Ok(());
    }
    Err(
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unencodable")
            .with("count", count)
            .with(
                "places",
                serde_json::to_value(places).map_err(ApiError::internal)?,
            ),
    )
}

/// Notes who exports what, in the municipality's log and in that of every case.
async fn begin(
    state: &AppState,
    call: &CallContext,
    request: &CreateExport,
    cases: &[CaseId],
) -> Result<(), ApiError> {
    let mut detail = request.conditions();
    detail["cases"] = cases.len().into();
    note(
        state,
        Event::by(&call.caller, "export.create", "export", "zip").detail(detail),
    )
    .await?;
    for ids in cases.chunks(1000) {
        let mut tx = state.db().write().await?;
        for case in ids {
            let event = Event::by(&call.caller, "case.export", "case", case.as_str())
                .in_case(case)
                .detail(json!({ "tables": request.tables }));
            audit::record(&mut tx, event);
        }
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_real_days_and_no_unknown_words() {
        let read = |text: &str| serde_json::from_str::<CreateExport>(text);
        assert!(read(r#"{"tables": ["person"], "from": "昭和65年"}"#).is_err());
        assert!(read(r#"{"tables": ["person"], "password": "x"}"#).is_err());
        let request = read(r#"{"tables": ["person"]}"#).unwrap();
        assert!(request.guard_formulas && !request.identifiers);
    }
}
