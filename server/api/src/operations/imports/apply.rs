//! `POST /imports/{id}/apply`: writes what was checked, all or nothing.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use store::imports::ImportState;

use super::{ImportAnswer, answer, find};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    importing::{Choices, Summary},
    state::AppState,
};

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyImport {
    /// Rows with errors are left out. Otherwise nothing is written while there are any.
    pub skip_errors: bool,
}

/// Apply an import. It goes on in the background; should somebody have changed what it changes, nothing
/// is written and the file is checked again.
#[utoipa::path(post, path = "/imports/{id}/apply", tag = "imports", params(("id" = String, Path)), request_body = ApplyImport,
    responses((status = 202, body = ImportAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict: not checked yet; import_errors: rows with errors; import_unfit: columns missing or twice; import_empty")))]
pub async fn apply(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<ApplyImport>,
) -> Result<(StatusCode, Json<ImportAnswer>), ApiError> {
    let mut tx = state.db().write().await?;
    let mut import = find(&mut tx, &call, &id).await?;
    if import.state != ImportState::Ready {
        return Err(ApiError::conflict("conflict"));
    }
    let summary: Summary = import
        .part(&mut tx, "summary", 0)
        .await?
        .unwrap_or_default();
    if !summary.is_fit() {
        return Err(ApiError::conflict("import_unfit"));
    }
    let count = |kind: &str| import.counts.get(kind).copied().unwrap_or(0);
    if count("error") > 0 && !request.skip_errors {
        return Err(ApiError::conflict("import_errors").with("errors", count("error")));
    }
    if count("create") + count("update") == 0 {
        return Err(ApiError::conflict("import_empty"));
    }
    let mut choices: Choices = import
        .part(&mut tx, "options", 0)
        .await?
        .unwrap_or_default();
    choices.skip_errors = request.skip_errors;
    import.put_part(&mut tx, "options", 0, &choices).await?;
    import.advance(&mut tx, ImportState::Applying, None).await?;
    let answer = answer(&state, &mut tx, &import).await?;
    tx.commit().await?;
    state.imports().wake();
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
