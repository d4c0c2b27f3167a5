//! `POST /exchange-mappings`: keep names under a name.

use ::exchange::Mapping;
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    mappings,
};

use super::{MappingAnswer, answer, check, table_of};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveMapping {
    /// The standard file: `person` or `progress`.
    pub table: String,
    /// Up to 60 characters; one of that name is replaced.
    pub name: String,
    /// As of `PUT /imports/{id}/choices`.
    #[schema(value_type = Object)]
    pub mapping: Mapping,
}

/// Keep a mapping for the municipality. For administrators.
#[utoipa::path(post, path = "/exchange-mappings", tag = "imports", request_body = SaveMapping,
    responses((status = 200, body = MappingAnswer), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn save(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<SaveMapping>,
) -> Result<Json<MappingAnswer>, ApiError> {
    if !mappings::may_edit(&call.caller) {
        return Err(ApiError::forbidden());
    }
    personal_number::refuse([("name".to_owned(), request.name.as_str())])?;
    let content = serde_json::to_value(&request.mapping).map_err(ApiError::internal)?;
    let mut tx = state.db().write().await?;
    let table = table_of(&mut tx, &call.caller.viewer.municipality, &request.table).await?;
    check(&table, &request.mapping)?;
    let kept = mappings::save(&mut tx, &call.caller, &table.id, &request.name, &content).await?;
    let detail = json!({
        "table": table.id, "version": kept.version,
        "columns": request.mapping.columns.len(), "options": request.mapping.options.len(),
    });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "mapping.save", "mapping", kept.id.as_str()).detail(detail),
    );
    tx.commit().await?;
    Ok(Json(answer(kept)?))
}
