//! `POST /documents/{id}/finalise`: close a sheet; its value is kept unchangeable.

use axum::{
    Json,
    extract::{Path, State},
};
use collab::values;
use domain::{
    disclosure::Level,
    form::{self, Context, Definition, Severity},
    id::DocumentId,
    role::Capability,
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    Tx,
    audit::{self, Event},
    documents::DocumentAccess,
    sessions,
};

use crate::{
    access::{ROOM, identity_of},
    context::CallContext,
    error::{ApiError, FieldProblem},
    operations::documents::{draft_or_final, past::FINAL},
    state::AppState,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FinalAnswer {
    pub number: i64,
    pub seq: u64,
}

/// Finalise. Errors of the form's rules answer 422 with their fields; warnings do not hinder.
#[utoipa::path(post, path = "/documents/{id}/finalise", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = FinalAnswer), (status = 403), (status = 404), (status = 409, description = "conflict: already final"), (status = 422)))]
pub async fn finalise(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<FinalAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    drop(tx);
    if access.level() < Level::Edit || !context.caller.may(Capability::EditCase) {
        return Err(ApiError::forbidden());
    }
    let mut tx = state.db().read().await?;
    let definition = tx
        .form_of(access.info())
        .await?
        .ok_or_else(ApiError::not_found)?;
    let around = Context {
        outside: outside(&mut tx, &access).await?,
        ..Context::on(context.caller.viewer.today)
    };
    drop(tx);
    // Rules that are broken are said before anybody has to wait.
    acceptable(&state, &id, &definition, &around).await?;

    let mut tx = state.db().write().await?;
    // Asked again, and held: from here to the commit no right is taken away and no form of words
    // becomes final that was not checked. The room and its log need nothing of this transaction.
    let caller = sessions::caller_again(&mut tx, &context.caller)
        .await?
        .ok_or_else(ApiError::forbidden)?;
    if let Some(case) = &access.info().case {
        tx.hold_case(&access.info().municipality, case).await?;
    }
    let access = tx
        .document_for(&caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if access.level() < Level::Edit || !caller.may(Capability::EditCase) {
        return Err(ApiError::forbidden());
    }
    let around = Context {
        outside: outside(&mut tx, &access).await?,
        ..around
    };
    // Published meanwhile, perhaps.
    let definition = tx
        .form_of(access.info())
        .await?
        .ok_or_else(ApiError::not_found)?;
    let author = identity_of(&caller).author();
    let kept = async {
        let (value, seq) = acceptable(&state, &id, &definition, &around).await?;
        state
            .hub()
            .keep_version(&author, &id, FINAL)
            .await
            .map_err(ApiError::internal)?;
        Ok::<_, ApiError>((value, seq))
    };
    let (value, seq) = tokio::time::timeout(ROOM, kept)
        .await
        .map_err(|_| ApiError::unavailable("overloaded"))??;
    let number = access
        .finalise(&mut tx, seq, &value, definition.forms().version())
        .await?;
    let mut event = Event::by(&caller, "document.finalise", "document", id.as_str());
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    draft_or_final(&state, tx, &access).await?;
    Ok(Json(FinalAnswer { number, seq }))
}

/// What the rules read of the case around the sheet.
async fn outside(tx: &mut Tx, access: &DocumentAccess) -> Result<Map<String, Value>, ApiError> {
    let Some(case) = &access.info().case else {
        return Ok(Map::new());
    };
    Ok(match tx.case_for(access.caller(), case).await? {
        Some(case) => case.outside(tx).await?,
        None => Map::new(),
    })
}

/// What stands in the sheet now, when no rule of its form is broken.
async fn acceptable(
    state: &AppState,
    id: &DocumentId,
    definition: &Definition,
    around: &Context,
) -> Result<(Value, u64), ApiError> {
    let (value, seq) = state
        .hub()
        .read(id, |view| {
            (values::fields(&view.txn, &view.shape), view.seq)
        })
        .await
        .map_err(ApiError::internal)?;
    let fields: Map<String, Value> = value.as_object().cloned().unwrap_or_default();
    let problems: Vec<FieldProblem> = form::validate(definition, &fields, around)
        .into_iter()
        .filter(|issue| issue.severity == Severity::Error)
        .map(|issue| FieldProblem::new(issue.path.clone(), issue.code))
        .collect();
    if problems.is_empty() {
        Ok((value, seq))
    } else {
        Err(ApiError::invalid(problems))
    }
}
