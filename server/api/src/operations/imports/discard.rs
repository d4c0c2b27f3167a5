//! `DELETE /imports/{id}`: the file goes, nothing is written.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;
use store::{
    audit::{self, Event},
    imports::ImportState,
};

use super::find;
use crate::{context::CallContext, error::ApiError, state::AppState};

/// Give an import up. What is being written cannot be given up any more.
#[utoipa::path(delete, path = "/imports/{id}", tag = "imports", params(("id" = String, Path)),
    responses((status = 204), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "conflict")))]
pub async fn discard(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db().write().await?;
    let import = find(&mut tx, &call, &id).await?;
    if !matches!(import.state, ImportState::Checking | ImportState::Ready) {
        return Err(ApiError::conflict("conflict"));
    }
    audit::record(
        &mut tx,
        Event::by(&call.caller, "import.discard", "import", id)
            .detail(json!({ "table": import.table })),
    );
    import
        .end(&mut tx, ImportState::Failed, Some("discarded"))
        .await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
