//! `GET /persons/{id}/merge-preview/{other}`, `GET` and `POST /persons/{id}/merges`,
//! `POST /persons/{id}/merges/{merge_id}/undo`: two entries of the register that are one person.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use collab::access::Change;
use domain::id::{CaseId, PersonId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    Tx, accounts,
    audit::{self, Event},
    cases::CaseRole,
    merges::{Choice, MergeAccess, MergeRight, NewMerge},
};

use super::{
    PersonAnswer, PersonCase, answer, closed, person_cases, personal_number, resolved, stored_name,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    events::CaseEvent,
    state::AppState,
};

closed!(
    MergePreview,
    MergeDifference,
    MergeAnswer,
    MergePersons,
    MergeDone,
    UndoneMerge
);

/// Two values of one field of the register.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MergeDifference {
    pub field: String,
    pub kept: String,
    pub merged: String,
}

/// A case that both persons stand in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MergeSharedCase {
    pub id: String,
    pub case_no: String,
    /// `client`, `household`, `relative` or `related`.
    pub kept_role: String,
    pub merged_role: String,
    /// The role afterwards.
    pub role: String,
    /// The consent afterwards (option list `consent_status`); missing where it is not for the caller.
    pub consent: Option<&'static str>,
}

/// What a merge would do.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MergePreview {
    pub kept: PersonAnswer,
    pub merged: PersonAnswer,
    /// Fields of which both have a current value, and not the same: the one that is not chosen becomes
    /// the past.
    pub differences: Vec<MergeDifference>,
    /// Cases that the caller may know of, in whatever role.
    pub kept_cases: Vec<PersonCase>,
    pub merged_cases: Vec<PersonCase>,
    pub shared: Vec<MergeSharedCase>,
    /// Whoever is shut out of what concerns one of them will be for both.
    pub exclusions: bool,
    pub address_confidential: bool,
    /// Agencies that see the protected values afterwards.
    pub address_allow: Vec<String>,
}

/// A merge to carry out.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergePersons {
    /// Whose entry ends.
    pub other: String,
    pub version: i64,
    pub other_version: i64,
    /// Field → `kept` or `merged`, of those that differ; `kept` where none is named, and of
    /// `contact_caution` both.
    #[serde(default)]
    pub choices: BTreeMap<String, String>,
    pub reason: String,
}

/// A merge that was carried out.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MergeDone {
    pub id: String,
    pub person: PersonAnswer,
}

/// A merge of the past.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MergeAnswer {
    pub id: String,
    pub merged_id: String,
    pub merged_name: String,
    pub reason: String,
    pub at: String,
    pub by: String,
    pub undone_at: Option<String>,
    pub undone_by: Option<String>,
    /// Only the latest that stands can be taken back.
    pub undoable: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MergeList {
    pub items: Vec<MergeAnswer>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoMerge {
    pub version: i64,
}

/// Both persons after a merge was taken back.
#[derive(Serialize, utoipa::ToSchema)]
pub struct UndoneMerge {
    pub person: PersonAnswer,
    /// Who is on their own again.
    pub other_id: String,
}

fn role(role: CaseRole) -> String {
    role.code().to_owned()
}

async fn right(
    tx: &mut Tx,
    call: &CallContext,
    kept: &PersonId,
    merged: &PersonId,
) -> Result<Box<MergeAccess>, ApiError> {
    match tx.merge_for(&call.caller, kept, merged).await? {
        MergeRight::Granted(access) => Ok(access),
        MergeRight::Hidden => Err(ApiError::not_found()),
        MergeRight::Withheld => Err(ApiError::new(StatusCode::FORBIDDEN, "address_withheld")),
    }
}

async fn person(tx: &mut Tx, call: &CallContext, id: &PersonId) -> Result<PersonAnswer, ApiError> {
    let access = tx
        .person_for(&call.caller, id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    answer(tx, &call.caller, &access).await
}

/// Both persons side by side, and what a merge would make of them.
#[utoipa::path(get, path = "/persons/{id}/merge-preview/{other}", tag = "persons",
    params(("id" = String, Path, description = "who is kept"), ("other" = String, Path, description = "whose entry would end")),
    responses((status = 200, body = MergePreview), (status = 403, description = "forbidden or address_withheld"),
        (status = 404, description = "not_found"), (status = 422, description = "same_entry")))]
pub async fn preview(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, other)): Path<(String, String)>,
) -> Result<Json<MergePreview>, ApiError> {
    let (id, other) = (PersonId(id), PersonId(other));
    let mut tx = state.db().read().await?;
    let access = right(&mut tx, &call, &id, &other).await?;
    let found = access.preview(&mut tx).await?;
    let preview = MergePreview {
        kept: person(&mut tx, &call, &id).await?,
        merged: person(&mut tx, &call, &other).await?,
        differences: found
            .differences
            .into_iter()
            .map(|one| MergeDifference {
                field: one.field,
                kept: one.kept,
                merged: one.merged,
            })
            .collect(),
        kept_cases: person_cases(found.kept_cases),
        merged_cases: person_cases(found.merged_cases),
        shared: found
            .shared
            .into_iter()
            .map(|case| MergeSharedCase {
                id: case.case.0,
                case_no: case.case_no,
                kept_role: role(case.kept_role),
                merged_role: role(case.merged_role),
                role: role(case.role),
                consent: case.consent.map(|status| status.code()),
            })
            .collect(),
        exclusions: found.exclusions,
        address_confidential: found.address_confidential,
        address_allow: found
            .address_allow
            .into_iter()
            .map(|agency| agency.0)
            .collect(),
    };
    for person in [&id, &other] {
        audit::record(
            &mut tx,
            Event::by(&call.caller, "person.view", "person", person.as_str()),
        );
    }
    tx.commit().await?;
    Ok(Json(preview))
}

/// Commits a change of who is who: rights are asked for again, texts looked through anew.
async fn finish(
    state: &AppState,
    mut tx: Tx,
    call: &CallContext,
    persons: [&PersonId; 2],
    cases: Vec<CaseId>,
) -> Result<(), ApiError> {
    let municipality = &call.caller.viewer.municipality;
    let mut named = Vec::new();
    for person in persons {
        named.extend(tx.documents_naming(municipality, person).await?);
    }
    state
        .commit_rights(tx, municipality, Change::Municipality(municipality.clone()))
        .await?;
    state.rescan(&named);
    for case in cases {
        state.events().tell(municipality, &case, CaseEvent::Case);
    }
    Ok(())
}

/// Merge another entry into this one. Everything that named the other names this one from now on.
#[utoipa::path(post, path = "/persons/{id}/merges", tag = "persons", params(("id" = String, Path, description = "who is kept")), request_body = MergePersons,
    responses((status = 201, body = MergeDone), (status = 403, description = "forbidden or address_withheld"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict"), (status = 422, description = "invalid, same_entry or personal_number")))]
pub async fn merge(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<MergePersons>,
) -> Result<(StatusCode, Json<MergeDone>), ApiError> {
    let (id, other) = (PersonId(id), PersonId(request.other));
    let mut tx = state.db().write().await?;
    let access = right(&mut tx, &call, &id, &other).await?;
    personal_number::refuse([("reason".to_owned(), request.reason.as_str())])?;
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(ApiError::invalid_field("reason", "required"));
    }
    if reason.chars().count() > 2000 {
        return Err(ApiError::invalid_field("reason", "too_long"));
    }
    let mut choices = BTreeMap::new();
    for (field, choice) in request.choices {
        let choice = match choice.as_str() {
            "kept" => Choice::Kept,
            "merged" => Choice::Merged,
            _ => {
                return Err(ApiError::invalid_field(
                    &format!("choices.{field}"),
                    "unknown_option",
                ));
            }
        };
        choices.insert(stored_name(&field).to_owned(), choice);
    }
    let new = NewMerge {
        kept_version: request.version,
        merged_version: request.other_version,
        choices,
        reason: reason.to_owned(),
    };
    let (merge, cases) = access.merge(&mut tx, &new).await?;
    let taken: Vec<&String> = new
        .choices
        .iter()
        .filter(|(_, choice)| **choice == Choice::Merged)
        .map(|(field, _)| field)
        .collect();
    let detail = json!({ "merge": merge, "merged": other, "taken": taken, "cases": cases.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.merge", "person", id.as_str()).detail(detail),
    );
    for case in &cases {
        audit::record(
            &mut tx,
            Event::by(&call.caller, "person.merge", "person", id.as_str())
                .in_case(case)
                .detail(json!({ "merge": merge, "merged": other })),
        );
    }
    let person = person(&mut tx, &call, &id).await?;
    finish(&state, tx, &call, [&id, &other], cases).await?;
    Ok((StatusCode::CREATED, Json(MergeDone { id: merge, person })))
}

/// The merges into a person, the latest first, those taken back included.
#[utoipa::path(get, path = "/persons/{id}/merges", tag = "persons", params(("id" = String, Path)),
    responses((status = 200, body = MergeList), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn merges(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<MergeList>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().read().await?;
    let access = tx
        .merges_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let found = access.list(&mut tx).await?;
    let staff: Vec<_> = found
        .iter()
        .flat_map(|merge| [Some(merge.by.clone()), merge.undone_by.clone()])
        .flatten()
        .collect();
    let names = accounts::names(&mut tx, &call.caller.viewer.municipality, &staff).await?;
    let name = |id: &domain::id::AccountId| names.get(id).cloned().unwrap_or_default();
    let items = found
        .into_iter()
        .map(|merge| MergeAnswer {
            by: name(&merge.by),
            undone_by: merge.undone_by.as_ref().map(name),
            id: merge.id,
            merged_id: merge.merged.0,
            merged_name: merge.merged_name,
            reason: merge.reason,
            at: merge.at,
            undone_at: merge.undone_at,
            undoable: merge.undoable,
        })
        .collect();
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.merges", "person", id.as_str()),
    );
    tx.commit().await?;
    Ok(Json(MergeList { items }))
}

/// Take the latest merge back. What was changed since stays.
#[utoipa::path(post, path = "/persons/{id}/merges/{merge_id}/undo", tag = "persons",
    params(("id" = String, Path), ("merge_id" = String, Path)), request_body = UndoMerge,
    responses((status = 200, body = UndoneMerge), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "conflict or later_merge")))]
pub async fn undo(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, merge)): Path<(String, String)>,
    Body(request): Body<UndoMerge>,
) -> Result<Json<UndoneMerge>, ApiError> {
    let id = PersonId(id);
    let mut tx = state.db().write().await?;
    let access = tx
        .merges_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let (other, cases) = access
        .undo(&mut tx, &merge, request.version)
        .await
        .map_err(|error| match error {
            store::StoreError::Invalid("later_merge") => ApiError::conflict("later_merge"),
            other => other.into(),
        })?;
    let detail = json!({ "merge": merge, "merged": other, "cases": cases.len() });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "person.unmerge", "person", id.as_str()).detail(detail),
    );
    for case in &cases {
        audit::record(
            &mut tx,
            Event::by(&call.caller, "person.unmerge", "person", id.as_str())
                .in_case(case)
                .detail(json!({ "merge": merge, "merged": other })),
        );
    }
    let person = person(&mut tx, &call, &id).await?;
    let done = UndoneMerge {
        person,
        other_id: other.0.clone(),
    };
    finish(&state, tx, &call, [&id, &other], cases).await?;
    Ok(Json(done))
}

/// Tells whoever still has an entry open that was merged into another.
pub(super) async fn refuse_merged(tx: &mut Tx, call: &CallContext, id: &PersonId) -> ApiError {
    match resolved(tx, &call.caller, id).await {
        Ok(Some((kept, _))) => ApiError::conflict("merged").with("person_id", kept.0),
        Ok(None) => ApiError::not_found(),
        Err(error) => error,
    }
}
