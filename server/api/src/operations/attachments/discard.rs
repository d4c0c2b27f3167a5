//! `DELETE /cases/{id}/attachments/{attachment_id}`: give up a file that waits for its entry. What
//! belongs to an entry goes by an amendment, which leaves a trace.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::CaseId;
use store::audit::{self, Event};

use crate::{
    context::CallContext,
    error::ApiError,
    operations::cases::{Mode, open},
    state::AppState,
};

/// Give up an attachment of the caller that waits for its entry.
#[utoipa::path(delete, path = "/cases/{id}/attachments/{attachment_id}", tag = "progress",
    params(("id" = String, Path), ("attachment_id" = String, Path)),
    responses((status = 204), (status = 404, description = "not_found")))]
pub async fn discard(
    State(state): State<AppState>,
    Path((case, id)): Path<(String, String)>,
    call: CallContext,
) -> Result<StatusCode, ApiError> {
    let case = CaseId(case);
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    access.discard_blob(&mut tx, &id).await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "progress.attachment_discard",
            "attachment",
            &id,
        )
        .in_case(&case),
    );
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
