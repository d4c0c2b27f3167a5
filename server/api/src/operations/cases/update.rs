//! `PATCH /cases/{id}`: title, urgency, owner, lead agency, use for similar cases.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::CaseId;
use serde::Deserialize;
use serde_json::json;
use store::{audit, cases::CasePatch};

use super::{
    Mode, affected,
    answers::{CaseDetail, detail},
    event, open, rights_changed,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateCase {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    pub title: Option<String>,
    /// Option list `urgency`.
    pub urgency: Option<String>,
    pub owner_account_id: Option<String>,
    pub lead_agency_id: Option<String>,
    /// May be found as a similar case (from masked text only).
    pub similar_ok: Option<bool>,
    /// How it ended or stands.
    pub outcome: Option<String>,
}

impl std::fmt::Debug for UpdateCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdateCase")
    }
}

/// Change a case.
#[utoipa::path(patch, path = "/cases/{id}", tag = "cases", params(("id" = String, Path)), request_body = UpdateCase,
    responses((status = 200, body = CaseDetail), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict"), (status = 422, description = "invalid or personal_number")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdateCase>,
) -> Result<Json<CaseDetail>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let texts = [("title", &request.title), ("outcome", &request.outcome)];
    personal_number::refuse(
        texts
            .into_iter()
            .filter_map(|(path, text)| Some((path.to_owned(), text.as_deref()?))),
    )?;
    if request
        .title
        .as_deref()
        .is_some_and(|title| title.chars().count() > 100)
    {
        return Err(ApiError::invalid_field("title", "too_long"));
    }
    let urgencies = domain::form::catalogue().list("urgency");
    if request
        .urgency
        .as_deref()
        .is_some_and(|code| urgencies.is_none_or(|list| list.option(code).is_none()))
    {
        return Err(ApiError::invalid_field("urgency", "unknown_option"));
    }
    if let Some(agency) = &request.lead_agency_id {
        let known = store::agencies::get(
            &mut tx,
            &call.caller.viewer.municipality,
            &agency.as_str().into(),
        )
        .await?;
        known
            .filter(|agency| agency.active)
            .ok_or_else(|| ApiError::invalid_field("lead_agency_id", "unknown_agency"))?;
    }
    if let Some(account) = &request.owner_account_id {
        let account = domain::id::AccountId::from(account.as_str());
        let known = store::accounts::names(
            &mut tx,
            &call.caller.viewer.municipality,
            std::slice::from_ref(&account),
        )
        .await?;
        if known.is_empty() {
            return Err(ApiError::invalid_field(
                "owner_account_id",
                "unknown_account",
            ));
        }
    }
    let changed = json!({
        "title": request.title.is_some(), "urgency": request.urgency, "owner_account": request.owner_account_id,
        "lead_agency": request.lead_agency_id, "similar_ok": request.similar_ok, "outcome": request.outcome.is_some(),
    });
    let patch = CasePatch {
        title: request.title.map(|title| title.trim().to_owned()),
        urgency: request.urgency,
        owner_account: request.owner_account_id.map(Into::into),
        lead_agency: request.lead_agency_id.map(Into::into),
        similar_ok: request.similar_ok,
        outcome: request.outcome,
        ..CasePatch::default()
    };
    access.update(&mut tx, request.version, &patch).await?;
    audit::record(&mut tx, event(&call, "case.update", &id).detail(changed));
    let access = tx
        .case_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let answer = detail(&mut tx, &access).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents.clone()).await?;
    if request.similar_ok.is_some() {
        // Vectors are made, or go.
        state.rescan(&documents);
    }
    Ok(Json(answer))
}
