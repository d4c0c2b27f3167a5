//! `PUT /imports/{id}/choices`: names for the file's headers and options; it is checked again.

use ::exchange::Mapping;
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use store::imports::ImportState;

use super::{ImportAnswer, answer, find};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    importing::Choices,
    operations::{mappings::check, persons::closed},
    standard_files,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportChoices {
    /// `columns`: header → identifier of the column, empty = left out; `options`: column → name → code.
    #[schema(value_type = Object)]
    pub mapping: Mapping,
    /// An empty cell takes the value away.
    #[serde(default)]
    pub clear: bool,
}

closed!(ImportChoices);

/// Choose what the file's names mean, and check it again.
#[utoipa::path(put, path = "/imports/{id}/choices", tag = "imports", params(("id" = String, Path)), request_body = ImportChoices,
    responses((status = 200, body = ImportAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict"), (status = 422, description = "invalid")))]
pub async fn choose(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<ImportChoices>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let mut tx = state.db().write().await?;
    let mut import = find(&mut tx, &call, &id).await?;
    if import.state != ImportState::Ready {
        return Err(ApiError::conflict("conflict"));
    }
    let table = standard_files::one(&mut tx, &call.caller.viewer.municipality, &import.table)
        .await?
        .ok_or_else(ApiError::not_found)?;
    check(&table, &request.mapping)?;
    let choices = Choices {
        mapping: request.mapping,
        clear: request.clear,
        skip_errors: false,
    };
    import.put_part(&mut tx, "options", 0, &choices).await?;
    import.advance(&mut tx, ImportState::Checking, None).await?;
    let answer = answer(&state, &mut tx, &import).await?;
    tx.commit().await?;
    state.imports().wake();
    Ok(Json(answer))
}
