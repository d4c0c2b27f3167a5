//! `POST /documents/{id}/restore`: go back to a version, as a new change.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{disclosure::Level, id::DocumentId, role::Capability};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    audit::{self, Event},
    documents::{DocumentAccess, DocumentState},
    sessions,
};

use super::past;
use crate::{
    access::{ROOM, identity_of},
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct RestoreRequest {
    /// Id of a version.
    pub version: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RestoreAnswer {
    pub seq: u64,
    /// The version that holds the state before; going back to it undoes this.
    pub before: String,
    /// Fields that are as they were.
    pub changed: Vec<String>,
    /// Places whose former value may not stand in the sheet any more; they were left as they are.
    pub left_out: Vec<String>,
}

/// Go back to a version. It is written as the caller's change through the live document: open screens
/// follow at once, simultaneous typing survives, and the state before is kept as a version.
#[utoipa::path(post, path = "/documents/{id}/restore", tag = "documents", params(("id" = String, Path)), request_body = RestoreRequest,
    responses((status = 200, body = RestoreAnswer), (status = 403), (status = 404, description = "also a version that is none (any more)"),
        (status = 409, description = "final"), (status = 422, description = "personal_number"), (status = 503, description = "overloaded")))]
pub async fn restore(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<RestoreAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = past::readable(&mut tx, &call.caller, &id).await?;
    may_restore(&access)?;
    drop(tx);
    let epoch = state
        .hub()
        .read(&id, |view| view.epoch)
        .await
        .map_err(past::refused)?;
    let version = past::version(&state, &id, epoch, &request.version).await?;

    let mut tx = state.db().write().await?;
    // Asked again, and held: until the restore is written down nobody takes the right away or closes
    // the sheet. The room and its log need nothing of this transaction.
    let caller = sessions::caller_again(&mut tx, &call.caller)
        .await?
        .ok_or_else(ApiError::forbidden)?;
    if let Some(case) = &access.info().case {
        tx.hold_case(&access.info().municipality, case).await?;
    }
    let access = past::readable(&mut tx, &caller, &id).await?;
    may_restore(&access)?;
    let author = identity_of(&caller).author();
    let label = past::restored_label(&request.version);
    let going = state
        .hub()
        .restore_as(&author, &id, version, past::BEFORE_RESTORE, &label);
    let restored = tokio::time::timeout(ROOM, going)
        .await
        .map_err(|_| ApiError::unavailable("overloaded"))?
        .map_err(past::refused)?;
    let before = past::version_id(restored.before.epoch, restored.before.seq);
    let detail = json!({
        "version": request.version, "before": before, "seq": restored.seq,
        "fields": restored.outcome.changed.len(), "left_out": restored.outcome.left_out.len(),
    });
    let mut event = Event::by(&caller, "document.restore", "document", id.as_str()).detail(detail);
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(RestoreAnswer {
        seq: restored.seq,
        before,
        changed: restored.outcome.changed.into_iter().collect(),
        left_out: restored.outcome.left_out.into_iter().collect(),
    }))
}

/// Whoever may write in the sheet, while it is open.
fn may_restore(access: &DocumentAccess) -> Result<(), ApiError> {
    if access.decision().level < Level::Edit || !access.caller().may(Capability::EditCase) {
        return Err(ApiError::forbidden());
    }
    if access.info().state == DocumentState::Final {
        return Err(ApiError::conflict("final"));
    }
    Ok(())
}
