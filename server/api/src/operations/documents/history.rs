//! `GET /documents/{id}/history`: who wrote in which field, and when.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{clock::instant_text, disclosure::Level, id::DocumentId, section::Section};
use serde::Serialize;

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryList {
    /// The section of the case that the document is.
    pub section: Option<&'static str>,
    pub items: Vec<HistoryItem>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryItem {
    /// `summary`, `table/row/column`; null for what is deleted by now.
    pub field: Option<String>,
    pub at: String,
    pub by: Option<String>,
    pub agency: Option<String>,
    /// Units inserted.
    pub inserted: u32,
    /// Units deleted.
    pub deleted: u32,
}

/// Contributions joined per field, author and minute, newest first. For readers of the original.
#[utoipa::path(get, path = "/documents/{id}/history", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = HistoryList), (status = 403), (status = 404)))]
pub async fn history(
    State(state): State<AppState>,
    Path(id): Path<String>,
    context: CallContext,
) -> Result<Json<HistoryList>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = tx
        .document_for(&context.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if access.level() < Level::Read {
        return Err(ApiError::forbidden());
    }
    let runs = state
        .hub()
        .authors_of(&id)
        .await
        .map_err(ApiError::internal)?;
    let municipality = &access.info().municipality;
    let accounts: Vec<_> = runs
        .iter()
        .map(|run| run.authored.author.account.clone())
        .collect();
    let names = store::accounts::names(&mut tx, municipality, &accounts).await?;
    let agencies = store::agencies::by_id(&mut tx, municipality).await?;

    let mut joined: BTreeMap<_, (u32, u32, jiff::Timestamp)> = BTreeMap::new();
    for run in runs {
        let authored = run.authored;
        let minute = authored.at.as_second() / 60;
        let key = (
            minute,
            run.field,
            authored.author.account,
            authored.author.agency,
        );
        let entry = joined.entry(key).or_insert((0, 0, authored.at));
        if authored.deletion {
            entry.1 = entry.1.saturating_add(authored.span.len);
        } else {
            entry.0 = entry.0.saturating_add(authored.span.len);
        }
        entry.2 = entry.2.max(authored.at);
    }
    let items = joined
        .into_iter()
        .rev()
        .take(500)
        .map(
            |((_, field, account, agency), (inserted, deleted, at))| HistoryItem {
                field,
                at: instant_text(at),
                by: names.get(&account).cloned(),
                agency: agencies.get(&agency).map(|agency| agency.name.clone()),
                inserted,
                deleted,
            },
        )
        .collect();
    Ok(Json(HistoryList {
        section: access.info().section.map(Section::code),
        items,
    }))
}
