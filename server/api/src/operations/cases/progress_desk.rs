//! `GET /cases/{id}/progress-entry`: everything that writing an entry starts from, in one answer.
//! All of it is offered; nothing is filled in that the writer has not taken.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    id::CaseId,
    progress_template::{self, Template},
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{audit, progress_drafts::Draft, progress_templates::KeptTemplate};

use super::{
    Mode,
    answers::NamedAnswer,
    event, open, plan_items,
    progress::{Entries, ProgressAnswer},
};
use crate::{
    context::CallContext,
    error::ApiError,
    operations::{attachments::AttachmentAnswer, attachments::kinds, persons::closed},
    state::AppState,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct ProgressDesk {
    /// The writer's own, the agency's, the built-in ones.
    pub templates: Vec<TemplateAnswer>,
    /// The last entry that the caller wrote in this case.
    pub last: Option<ProgressAnswer>,
    /// Items of the newest plan that the caller reads.
    pub plan_items: Vec<OfferedItem>,
    /// Number of that plan.
    pub plan_number: Option<i64>,
    /// Drafts of the own agency in this case, the caller's own first.
    pub drafts: Vec<DraftAnswer>,
    /// Attachments of the caller that wait for an entry.
    pub waiting: Vec<AttachmentAnswer>,
    /// Largest attachment, in bytes.
    pub attachment_limit: usize,
    /// Endings of file names that are taken.
    pub attachment_endings: Vec<&'static str>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct TemplateAnswer {
    /// Missing for built-in ones.
    pub id: Option<String>,
    /// `own`, `agency` or `builtin`.
    pub origin: &'static str,
    pub by: Option<String>,
    pub may_remove: bool,
    pub name: String,
    /// Option list `log_method`.
    pub method: Option<String>,
    pub title: Option<String>,
    pub content: String,
    pub log_kind: Vec<String>,
    pub log_target: Vec<String>,
    pub minutes: Option<u32>,
    /// A whole entry that can be finalised as it is.
    pub whole: bool,
}

impl TemplateAnswer {
    fn of(template: Template) -> Self {
        Self {
            id: None,
            origin: "builtin",
            by: None,
            may_remove: false,
            name: template.name,
            method: template.method,
            title: template.title,
            content: template.content,
            log_kind: template.log_kind,
            log_target: template.log_target,
            minutes: template.minutes,
            whole: template.whole,
        }
    }

    pub(crate) fn kept(kept: KeptTemplate, call: &CallContext) -> Self {
        let own = kept.by.id == call.caller.viewer.account.as_str();
        let manages = call.caller.may(domain::role::Capability::AdminOwnAgency);
        Self {
            id: Some(kept.id),
            origin: if kept.shared { "agency" } else { "own" },
            by: Some(kept.by.name),
            may_remove: own || manages,
            ..Self::of(kept.template)
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct OfferedItem {
    pub document_id: String,
    pub row_id: String,
    pub words: String,
    pub action: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct DraftAnswer {
    pub id: String,
    pub version: i64,
    pub by: NamedAnswer,
    pub mine: bool,
    pub updated_at: String,
    /// The form as the screen that wrote it keeps it.
    #[schema(value_type = Object)]
    pub content: Map<String, Value>,
}

impl From<Draft> for DraftAnswer {
    fn from(draft: Draft) -> Self {
        Self {
            id: draft.id,
            version: draft.version,
            by: draft.by.into(),
            mine: draft.mine,
            updated_at: draft.updated_at,
            content: draft.content,
        }
    }
}

closed!(ProgressDesk, TemplateAnswer, OfferedItem, DraftAnswer);

/// Templates, last values, items of the newest plan, and drafts.
#[utoipa::path(get, path = "/cases/{id}/progress-entry", tag = "progress", params(("id" = String, Path)),
    responses((status = 200, body = ProgressDesk), (status = 403, description = "forbidden"), (status = 404, description = "not_found")))]
pub async fn progress_desk(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
) -> Result<Json<ProgressDesk>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Read).await?;
    let drafts = access.progress_drafts(&mut tx).await?;
    let waiting = access.waiting_blobs(&mut tx).await?;
    let kept = store::progress_templates::list(&mut tx, &call.caller).await?;
    let last = access.last_own_progress(&mut tx).await?;
    let last = Entries::of(&mut tx, &access, last.into_iter().collect()).await?;
    let plan = plan_items::readable(&mut tx, &access)
        .await?
        .into_iter()
        .next();
    audit::record(&mut tx, event(&call, "progress.open_entry", &id));
    tx.commit().await?;
    let (mut items, mut plan_number) = (Vec::new(), None);
    if let Some((plan, number)) = plan {
        plan_number = number;
        items = plan_items::read(&state, &plan)
            .await?
            .into_iter()
            .map(|item| OfferedItem {
                document_id: plan.0.clone(),
                words: item.words(),
                row_id: item.row_id,
                action: item.action,
            })
            .filter(|item| !item.words.is_empty())
            .collect();
    }
    let kept = kept
        .into_iter()
        .map(|kept| TemplateAnswer::kept(kept, &call));
    let builtin = progress_template::builtin().iter().cloned();
    Ok(Json(ProgressDesk {
        templates: kept.chain(builtin.map(TemplateAnswer::of)).collect(),
        last: last.finish(&state).await?.pop(),
        plan_items: items,
        plan_number,
        drafts: drafts.into_iter().map(Into::into).collect(),
        waiting: waiting
            .into_iter()
            .map(|blob| AttachmentAnswer::of(blob, true))
            .collect(),
        attachment_limit: state.config().attachment_bytes,
        attachment_endings: kinds::endings(),
    }))
}
