//! `POST /cases`: reception of a new case.

use axum::{Json, extract::State, http::StatusCode};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit,
    cases::{self, ClientRef, NewCase},
};

use super::{
    answers::{CaseDetail, detail},
    documents::{self, Initial},
    event,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    operations::persons::{PersonInput, closed, personal_number},
    state::AppState,
};

/// Most clients of one reception.
const CLIENTS: usize = 20;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reception {
    /// ISO date, not after today.
    pub received_on: String,
    pub clients: Vec<ReceptionClient>,
    /// Option list `urgency`.
    pub urgency: Option<String>,
    /// Option list `route`.
    pub route: Option<String>,
    /// A few words to tell cases apart; no names.
    pub title: Option<String>,
    /// 多機関協働 (`takikan`) when missing.
    pub program: Option<String>,
    pub owner_account_id: Option<String>,
    /// The coordinator in charge; needed when an agency hands a reception in and there are several.
    pub owner_agency_id: Option<String>,
    pub lead_agency_id: Option<String>,
}

/// Somebody of the register, or somebody new: exactly one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceptionClient {
    pub person_id: Option<String>,
    pub person: Option<PersonInput>,
}

closed!(Reception, ReceptionClient);

fn unknown(forms: &domain::form::Catalogue, list: &str, code: Option<&str>) -> bool {
    let list = forms.list(list);
    code.is_some_and(|code| list.is_none_or(|list| list.option(code).is_none()))
}

impl Reception {
    fn check(
        self,
        forms: &domain::form::Catalogue,
        today: Date,
    ) -> Result<(NewCase, Initial), ApiError> {
        personal_number::refuse(
            self.title
                .as_deref()
                .map(|title| ("title".to_owned(), title)),
        )?;
        let mut problems = Vec::new();
        let received_on = match self.received_on.parse::<Date>() {
            Ok(day) if day <= today => Some(day),
            Ok(_) => {
                problems.push(FieldProblem::new("received_on", "future"));
                None
            }
            Err(_) => {
                problems.push(FieldProblem::new("received_on", "date"));
                None
            }
        };
        for (field, code) in [
            ("urgency", self.urgency.as_deref()),
            ("route", self.route.as_deref()),
        ] {
            if unknown(forms, field, code) {
                problems.push(FieldProblem::new(field, "unknown_option"));
            }
        }
        if self
            .title
            .as_deref()
            .is_some_and(|title| title.chars().count() > 100)
        {
            problems.push(FieldProblem::new("title", "too_long"));
        }
        // Columns that are not sealed hold codes, never words.
        let is_code = |text: &str| {
            (1..=40).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if self
            .program
            .as_deref()
            .is_some_and(|program| !is_code(program))
        {
            problems.push(FieldProblem::new("program", "malformed"));
        }
        if self.clients.is_empty() {
            problems.push(FieldProblem::new("clients", "required"));
        }
        if self.clients.len() > CLIENTS {
            problems.push(FieldProblem::new("clients", "too_many"));
        }
        let mut clients = Vec::new();
        for (at, client) in self.clients.into_iter().enumerate() {
            match (client.person_id, client.person) {
                (Some(person_id), None) => clients.push(ClientRef::Known {
                    person_id: person_id.into(),
                }),
                (None, Some(person)) => {
                    match person.check(&format!("clients.{at}.person"), today) {
                        Ok(person) => clients.push(ClientRef::New(person)),
                        Err(ApiError::Refused {
                            code: "invalid",
                            fields,
                            ..
                        }) => problems.extend(fields),
                        Err(other) => return Err(other),
                    }
                }
                _ => problems.push(FieldProblem::new(
                    format!("clients.{at}"),
                    "person_or_person_id",
                )),
            }
        }
        let Some(received_on) = received_on.filter(|_| problems.is_empty()) else {
            return Err(ApiError::invalid(problems));
        };
        let new = NewCase {
            received_on,
            clients,
            urgency: self.urgency.clone(),
            title: self
                .title
                .map(|title| title.trim().to_owned())
                .filter(|title| !title.is_empty()),
            program: self.program,
            owner_account: self.owner_account_id.map(Into::into),
            owner_agency: self.owner_agency_id.map(Into::into),
            lead_agency: self.lead_agency_id.map(Into::into),
            case_no: None,
        };
        Ok((
            new,
            Initial {
                received_on,
                today,
                urgency: self.urgency,
                route: self.route,
            },
        ))
    }
}

/// Receive a case: number, persons, sheets with what is known already.
#[utoipa::path(post, path = "/cases", tag = "cases", request_body = Reception,
    responses((status = 201, body = CaseDetail), (status = 403, description = "forbidden"), (status = 404, description = "a client who is not in the register"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<Reception>,
) -> Result<(StatusCode, Json<CaseDetail>), ApiError> {
    call.caller.require(domain::role::Capability::CreateCase)?;
    let mut tx = state.db().write().await?;
    let municipality = &call.caller.viewer.municipality;
    let forms = tx.forms(municipality).await?;
    let (new, initial) = request.check(&forms, call.caller.viewer.today)?;
    if let Some(account) = &new.owner_account
        && store::accounts::names(&mut tx, municipality, std::slice::from_ref(account))
            .await?
            .is_empty()
    {
        return Err(ApiError::invalid_field(
            "owner_account_id",
            "unknown_account",
        ));
    }
    if let Some(agency) = &new.lead_agency
        && store::agencies::get(&mut tx, municipality, agency)
            .await?
            .is_none_or(|agency| !agency.active)
    {
        return Err(ApiError::invalid_field("lead_agency_id", "unknown_agency"));
    }
    let created = cases::create(&mut tx, &call.caller, &new).await?;
    let people = documents::nodes(&mut tx, &call.caller, &new, &created).await?;
    let detail_event = json!({ "case_no": created.case_no, "clients": created.clients });
    audit::record(
        &mut tx,
        event(&call, "case.create", &created.case).detail(detail_event),
    );
    tx.commit().await?;
    // On a task of its own: a client that hangs up now must not leave a case without its documents.
    let making = (state.clone(), call.caller.clone(), created.clone());
    tokio::spawn(async move {
        documents::make(&making.0, &making.1, &making.2, &initial, people).await
    })
    .await
    .map_err(ApiError::internal)??;
    let mut tx = state.db().read().await?;
    let access = tx
        .case_for(&call.caller, &created.case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let answer = detail(&mut tx, &access).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read(value: serde_json::Value) -> Result<(NewCase, Initial), ApiError> {
        serde_json::from_value::<Reception>(value)
            .unwrap()
            .check(domain::form::catalogue(), date(2026, 11, 22))
    }

    #[test]
    fn the_body_of_the_reception_page_is_accepted() {
        let (new, initial) = read(json!({
            "received_on": "2026-11-22", "urgency": "b", "route": "self_visit", "title": " 8050・母入院中 ",
            "clients": [{"person_id": "p1"}, {"person": {"name": "氏名不詳", "kana": "", "estimated_age": 70, "is_anonymous": true}}],
        }))
        .unwrap();
        assert_eq!(new.title.as_deref(), Some("8050・母入院中"));
        assert_eq!(new.clients.len(), 2);
        assert_eq!(initial.route.as_deref(), Some("self_visit"));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let refused = read(json!({
            "received_on": "2026-11-23", "urgency": "x", "program": "架空太郎",
            "clients": [{}, {"person": {"name": " "}}],
        }));
        let Err(ApiError::Refused { fields, .. }) = refused else {
            panic!("accepted")
        };
        let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "received_on",
                "urgency",
                "program",
                "clients.0",
                "clients.1.person.name"
            ]
        );
    }
}
