//! `POST /documents/{id}/versions`: keep the present state under a name.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{disclosure::Level, id::DocumentId, my_number, role::Capability};
use serde::Deserialize;
use store::{
    Tx,
    audit::{self, Event},
    documents::DocumentAccess,
};

use super::{
    past::{self, MomentKind, Names},
    versions::{VersionItem, kept, version_item},
};
use crate::{
    access::{ROOM, identity_of},
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

/// Longest label, in characters.
const LONGEST: usize = 40;
/// Most versions that users keep of one document.
const MOST: usize = 200;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct NewVersion {
    /// What the version is for: 「会議の前」. Up to 40 characters, nothing personal.
    pub label: String,
}

/// Keep the present state. A label with a name of the case's persons or a personal number is refused:
/// versions are listed where names do not stand.
#[utoipa::path(post, path = "/documents/{id}/versions", tag = "documents", params(("id" = String, Path)), request_body = NewVersion,
    responses((status = 201, body = VersionItem), (status = 403), (status = 404), (status = 409, description = "too_many_versions"), (status = 422, description = "invalid")))]
pub async fn keep_version(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Body(request): Body<NewVersion>,
) -> Result<(StatusCode, Json<VersionItem>), ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = past::readable(&mut tx, &call.caller, &id).await?;
    if access.decision().level < Level::Edit || !call.caller.may(Capability::EditCase) {
        return Err(ApiError::forbidden());
    }
    let label = checked(&mut tx, &access, &request.label).await?;
    drop(tx);
    let epoch = state
        .hub()
        .read(&id, |view| view.epoch)
        .await
        .map_err(past::refused)?;
    let named = kept(&state, &id, epoch).await?;
    let named = named
        .iter()
        .filter(|version| past::meaning(&version.label).0 == MomentKind::Kept);
    if named.count() >= MOST {
        return Err(ApiError::conflict("too_many_versions"));
    }
    let author = identity_of(&call.caller).author();
    let label = past::kept_label(&label);
    let keeping = state.hub().keep_version(&author, &id, &label);
    let version = tokio::time::timeout(ROOM, keeping)
        .await
        .map_err(|_| ApiError::unavailable("overloaded"))?
        .map_err(past::refused)?;
    let mut tx = state.db().read().await?;
    let names = Names::of(&mut tx, &access.info().municipality, [&author]).await?;
    let item = version_item(&version, &names);
    let mut event = Event::by(
        &call.caller,
        "document.keep_version",
        "document",
        id.as_str(),
    )
    .detail(serde_json::json!({ "version": item.id }));
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(item)))
}

/// The label without spaces around it.
async fn checked(tx: &mut Tx, access: &DocumentAccess, label: &str) -> Result<String, ApiError> {
    let label = label.trim();
    let wrong = |code: &str| ApiError::invalid_field("label", code);
    if label.is_empty() {
        return Err(wrong("required"));
    }
    if label.chars().count() > LONGEST {
        return Err(wrong("too_long"));
    }
    if label.chars().any(char::is_control) {
        return Err(wrong("malformed"));
    }
    if !my_number::find(label).is_empty() {
        return Err(wrong("personal_number"));
    }
    if let Some(work) = tx.work_on(&access.info().id).await? {
        let persons = work.register(tx).await?;
        let names = persons.iter().flat_map(|(_, person)| {
            ["name", "name_kana", "alias", "former_name"]
                .into_iter()
                .filter_map(|field| person.fields.get(field))
        });
        if names_somebody(label, names.map(String::as_str)) {
            return Err(wrong("personal_name"));
        }
    }
    Ok(label.to_owned())
}

/// Whether one of the names, whole or its family name, stands in the label.
fn names_somebody<'n>(label: &str, names: impl Iterator<Item = &'n str>) -> bool {
    let together = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let label = together(label);
    let mut names = names;
    names.any(|name| {
        let whole = together(name);
        let family = name.split_whitespace().next().unwrap_or_default();
        [whole.as_str(), family]
            .into_iter()
            .any(|part| part.chars().count() >= 2 && label.contains(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_nobody_of_the_case() {
        let names = || ["山本 健一", "林 葉"].into_iter();
        for bad in ["山本さんの会議の前", "山本健一", "林葉さんの件"] {
            assert!(names_somebody(bad, names()), "{bad}");
        }
        // A family name of one letter stands in too many words.
        for good in ["会議の前", "林業の相談の前", "11月分の整理"] {
            assert!(!names_somebody(good, names()), "{good}");
        }
    }
}
