//! `POST /requests/{id}/answer`: accept, decline, withdraw, complete; of a 支援決定 decide or send back.

use axum::{
    Json,
    extract::{Path, State},
};
use collab::access::Change;
use domain::{id::RequestId, request::RequestAct};
use jiff::civil::Date;
use serde::Deserialize;
use store::{
    StoreError,
    requests::{self, Answer, Decision, WORDS_MAX},
};

use super::RequestAnswer;
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    events::CaseEvent,
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerInput {
    /// `accept`, `decline`, `withdraw` or `complete`. A 支援決定 is made with `complete` and sent back
    /// (差戻し) with `decline`.
    #[schema(value_type = String)]
    pub act: RequestAct,
    /// Words for the other side; 2,000 characters at most. `decline` needs them.
    #[serde(default)]
    pub words: String,
    /// With a 支援決定 that is made.
    pub decision: Option<DecisionInput>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionInput {
    /// 支援決定日.
    #[schema(value_type = String)]
    pub decided_on: Date,
    /// 文書番号.
    pub document_no: String,
    /// 決裁者: office and name.
    pub approver: String,
}

impl std::fmt::Debug for DecisionInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DecisionInput({})", self.decided_on)
    }
}

impl std::fmt::Debug for AnswerInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnswerInput({})", self.act)
    }
}

/// Answer a request, take it back, or say that it is done. Acceptance takes effect at once: the agency
/// becomes a member, or the charge changes hands. A 支援決定 moves the case on.
#[utoipa::path(post, path = "/requests/{id}/answer", tag = "requests", params(("id" = String, Path)), request_body = AnswerInput,
    responses((status = 200, body = RequestAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict: answered already, or whoever asked is not in charge any more; plan_changed"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn answer(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<AnswerInput>,
) -> Result<Json<RequestAnswer>, ApiError> {
    let id = RequestId(id);
    let mut texts = vec![("words".to_owned(), request.words.as_str())];
    if let Some(decision) = &request.decision {
        texts.push((
            "decision.document_no".to_owned(),
            decision.document_no.as_str(),
        ));
        texts.push(("decision.approver".to_owned(), decision.approver.as_str()));
    }
    let numbers = personal_number::refuse(texts);
    let too_long = request.words.chars().count() > WORDS_MAX;
    let answer = Answer {
        act: request.act,
        words: request.words,
        decision: request.decision.map(|decision| Decision {
            decided_on: decision.decided_on,
            document_no: decision.document_no,
            approver: decision.approver,
        }),
    };
    let mut tx = state.db().write().await?;
    // Whether there is such a request for the caller is said before anything about the answer.
    if requests::get(&mut tx, &call.caller, &id).await?.is_none() {
        return Err(ApiError::not_found());
    }
    numbers?;
    if too_long {
        return Err(ApiError::invalid_field("words", "too_long"));
    }
    let acted = match requests::act(&mut tx, &call.caller, &id, &answer).await {
        Ok(acted) => acted,
        Err(StoreError::Taken("plan_changed")) => return Err(ApiError::conflict("plan_changed")),
        Err(StoreError::Invalid("words")) => {
            return Err(ApiError::invalid_field("words", "required"));
        }
        Err(StoreError::Invalid(field @ ("decided_on" | "document_no" | "approver"))) => {
            let code = match (field, &answer.decision) {
                ("decided_on", Some(_)) => "future",
                _ => "required",
            };
            return Err(ApiError::invalid_field(&format!("decision.{field}"), code));
        }
        Err(error) => return Err(error.into()),
    };
    let municipality = call.caller.viewer.municipality.clone();
    let (view, _) = requests::get(&mut tx, &call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if acted.rights {
        let documents = tx.documents_of(&municipality, &acted.case).await?;
        state
            .commit_rights(tx, &municipality, Change::Documents(documents))
            .await?;
    } else {
        tx.commit().await?;
    }
    state
        .events()
        .tell(&municipality, &acted.case, CaseEvent::Case);
    Ok(Json(RequestAnswer::of(view, call.caller.viewer.today)))
}
