//! `POST /cases/{id}/requests`: ask another agency, a colleague, or the 市町村所管課.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{id::CaseId, request::RequestKind};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::{
    StoreError,
    requests::{Asked, NewRequest, WORDS_MAX},
};

use crate::{
    context::CallContext,
    error::{ApiError, Body},
    events::CaseEvent,
    operations::{
        cases::{
            Mode,
            add_member::{MemberDisclosure, rows},
            course::RequirementAnswer,
            masked, open,
            sharing::{ConfirmationInput, confirmation, settle},
            tell,
        },
        persons::personal_number,
    },
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequestInput {
    /// `refer`, `assign`, `handover_lead`, `handover_owner` or `decision`.
    #[schema(value_type = String)]
    pub kind: RequestKind,
    /// The agency that is asked; with `decision` only needed when there are several 所管課.
    pub to_agency_id: Option<String>,
    /// With `assign`: the colleague.
    pub to_account_id: Option<String>,
    /// What is asked and why; 2,000 characters at most. The agency that is asked reads it, masked where
    /// consent does not cover it.
    #[serde(default)]
    pub words: String,
    /// Answer wanted by.
    #[schema(value_type = Option<String>)]
    pub due_on: Option<Date>,
    /// With `refer` and `handover_lead`: what the agency sees after acceptance.
    #[serde(default)]
    pub disclosures: Vec<MemberDisclosure>,
    /// After a 409.
    pub confirmation: Option<ConfirmationInput>,
}

impl std::fmt::Debug for NewRequestInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewRequestInput({})", self.kind)
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MadeRequest {
    pub id: String,
}

/// Ask. What acceptance would share, and that the agency hears of the case at all, needs consent or
/// another basis: otherwise 409 first.
#[utoipa::path(post, path = "/cases/{id}/requests", tag = "requests", params(("id" = String, Path)), request_body = NewRequestInput,
    responses((status = 201, body = MadeRequest), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "consent_confirmation_required, request_open, not_in_meeting, or requirements_missing with the list `missing`"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn create(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<NewRequestInput>,
) -> Result<(StatusCode, Json<MadeRequest>), ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    if !access.may_ask(request.kind) {
        return Err(ApiError::forbidden());
    }
    personal_number::refuse([("words".to_owned(), request.words.as_str())])?;
    if request.words.trim().is_empty() && request.kind != RequestKind::Assign {
        return Err(ApiError::invalid_field("words", "required"));
    }
    if request.words.chars().count() > WORDS_MAX {
        return Err(ApiError::invalid_field("words", "too_long"));
    }
    let confirmation = confirmation(request.confirmation)?;
    let register = access.register(&mut tx).await?;
    tx.commit().await?;
    // Masked now, with no transaction open: whoever reads it masked gets what was asked, not what the
    // models think of it later.
    let masked = masked::words(&state, register, request.words.clone()).await?;

    let to_agency = request.to_agency_id.map(Into::into);
    let rights = match &to_agency {
        Some(agency) if request.kind.shares() => {
            rows(request.disclosures, agency, call.caller.viewer.today)?
        }
        _ => Vec::new(),
    };
    let new = NewRequest {
        kind: request.kind,
        to_agency,
        to_account: request.to_account_id.map(Into::into),
        words: request.words,
        masked,
        due_on: request.due_on,
        rights,
    };
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let made = match access.ask(&mut tx, &new, confirmation.as_ref()).await {
        Ok(Asked::Made(made)) => made,
        Ok(Asked::Sharing(sharing)) => {
            // Refuses, and writes the attempt down.
            settle(tx, &call, &access, new.kind.code(), sharing).await?;
            return Err(ApiError::conflict("conflict"));
        }
        Ok(Asked::Missing(missing)) => {
            let list: Vec<RequirementAnswer> = missing.into_iter().map(Into::into).collect();
            let list = serde_json::to_value(list).map_err(ApiError::internal)?;
            return Err(ApiError::conflict("requirements_missing").with("missing", list));
        }
        Err(StoreError::Taken(_)) => return Err(ApiError::conflict("request_open")),
        Err(StoreError::Invalid("stage")) => return Err(ApiError::conflict("not_in_meeting")),
        Err(StoreError::Invalid("to_agency")) => {
            return Err(ApiError::invalid_field("to_agency_id", "unknown_agency"));
        }
        Err(StoreError::Invalid("to_account")) => {
            return Err(ApiError::invalid_field("to_account_id", "unknown_account"));
        }
        Err(StoreError::Invalid("due_on")) => {
            return Err(ApiError::invalid_field("due_on", "past"));
        }
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    tell(&state, &access, CaseEvent::Case);
    Ok((StatusCode::CREATED, Json(MadeRequest { id: made.0 })))
}
