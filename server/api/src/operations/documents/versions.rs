//! `GET /documents/{id}/versions`: moments that were kept.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Path, State},
};
use collab::log::Version;
use domain::{clock::instant_text, id::DocumentId};
use serde::Serialize;

use super::past::{self, MomentKind, Names, Person};
use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VersionList {
    pub items: Vec<VersionItem>,
}

/// A moment of a document.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct VersionItem {
    /// For `comparison` and `restore`. Versions of one moment share it.
    pub id: String,
    pub seq: u64,
    pub at: String,
    pub kind: MomentKind,
    /// Words of whoever kept it.
    pub label: Option<String>,
    /// The version that was gone back to.
    pub restored_from: Option<String>,
    pub by: Option<Person>,
}

pub(super) fn version_item(version: &Version, names: &Names) -> VersionItem {
    let (kind, words, restored_from) = past::meaning(&version.label);
    VersionItem {
        id: past::version_id(version.epoch, version.seq),
        seq: version.seq,
        at: instant_text(version.at),
        kind,
        label: words.map(str::to_owned),
        restored_from: restored_from.map(str::to_owned),
        by: names.person(&version.author),
    }
}

/// Versions of the present epoch, oldest first: what was before an erasure is none any more.
/// Automatic ones of a moment that also has a name are left out.
pub(super) async fn kept(
    state: &AppState,
    id: &DocumentId,
    epoch: u64,
) -> Result<Vec<Version>, ApiError> {
    let mut all = state.log().versions(id).await.map_err(ApiError::internal)?;
    all.retain(|version| version.epoch == epoch);
    let named: BTreeSet<u64> = all
        .iter()
        .filter(|version| !version.label.is_empty())
        .map(|version| version.seq)
        .collect();
    all.retain(|version| !version.label.is_empty() || !named.contains(&version.seq));
    Ok(all)
}

/// Versions, oldest first. For readers of the original.
#[utoipa::path(get, path = "/documents/{id}/versions", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = VersionList), (status = 404)))]
pub async fn versions(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
) -> Result<Json<VersionList>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = past::readable(&mut tx, &call.caller, &id).await?;
    drop(tx);
    let epoch = state
        .hub()
        .read(&id, |view| view.epoch)
        .await
        .map_err(past::refused)?;
    let kept = kept(&state, &id, epoch).await?;
    let mut tx = state.db().read().await?;
    let authors = kept.iter().map(|version| &version.author);
    let names = Names::of(&mut tx, &access.info().municipality, authors).await?;
    let items = kept
        .iter()
        .map(|version| version_item(version, &names))
        .collect();
    Ok(Json(VersionList { items }))
}
