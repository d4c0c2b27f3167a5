//! `POST /progress-templates`: keep a template under a name.

use axum::{Json, extract::State, http::StatusCode};
use domain::progress_template::{LONGEST, Template};
use serde::Deserialize;
use serde_json::json;
use store::audit::{self, Event};

use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    operations::{cases::progress_desk::TemplateAnswer, persons::personal_number},
    state::AppState,
};

/// Longest name, in characters.
const LONGEST_NAME: usize = 40;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveTemplate {
    /// One of this name is replaced, if it is the caller's own.
    pub name: String,
    /// For everybody in the agency.
    #[serde(default)]
    pub shared: bool,
    /// Option list `log_method`.
    pub method: Option<String>,
    pub title: Option<String>,
    /// `{date}` and `{time}` are filled in when it is taken.
    pub content: String,
    /// Option list `log_kind`.
    #[serde(default)]
    pub log_kind: Vec<String>,
    /// Option list `log_target`.
    #[serde(default)]
    pub log_target: Vec<String>,
    pub minutes: Option<u32>,
}

impl std::fmt::Debug for SaveTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaveTemplate")
    }
}

impl SaveTemplate {
    fn check(self) -> Result<Template, ApiError> {
        let mut problems = Vec::new();
        let known = |list: &str, code: &String| {
            domain::form::catalogue()
                .list(list)
                .is_some_and(|list| list.option(code).is_some())
        };
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            problems.push(FieldProblem::new("name", "required"));
        }
        let longest = [
            ("name", name.as_str(), LONGEST_NAME),
            ("title", self.title.as_deref().unwrap_or_default(), 100),
            ("content", self.content.as_str(), LONGEST),
        ];
        for (field, text, most) in longest {
            if text.chars().count() > most {
                problems.push(FieldProblem::new(field, "too_long"));
            }
        }
        if self.content.trim().is_empty() {
            problems.push(FieldProblem::new("content", "required"));
        }
        for (field, list, codes) in [
            ("method", "log_method", self.method.as_slice()),
            ("log_kind", "log_kind", &self.log_kind[..]),
            ("log_target", "log_target", &self.log_target[..]),
        ] {
            if !codes.iter().all(|code| known(list, code)) {
                problems.push(FieldProblem::new(field, "unknown_option"));
            }
        }
        if self.minutes.is_some_and(|minutes| minutes > 1440) {
            problems.push(FieldProblem::new("minutes", "too_high"));
        }
        personal_number::refuse(longest.map(|(field, text, _)| (field.to_owned(), text)))?;
        if !problems.is_empty() {
            return Err(ApiError::invalid(problems));
        }
        Ok(Template {
            name,
            method: self.method,
            title: self.title.filter(|title| !title.trim().is_empty()),
            content: self.content,
            log_kind: self.log_kind,
            log_target: self.log_target,
            minutes: self.minutes,
            whole: false,
        })
    }
}

/// Keep a template for oneself, or for the own agency. Nothing personal belongs in it.
#[utoipa::path(post, path = "/progress-templates", tag = "progress", request_body = SaveTemplate,
    responses((status = 201, body = TemplateAnswer), (status = 403, description = "forbidden"), (status = 422, description = "invalid, too_many or personal_number")))]
pub async fn save(
    State(state): State<AppState>,
    call: CallContext,
    Body(request): Body<SaveTemplate>,
) -> Result<(StatusCode, Json<TemplateAnswer>), ApiError> {
    call.caller.require(domain::role::Capability::EditCase)?;
    let shared = request.shared;
    let template = request.check()?;
    let mut tx = state.db().write().await?;
    let kept = store::progress_templates::save(&mut tx, &call.caller, &template, shared).await?;
    audit::record(
        &mut tx,
        Event::by(
            &call.caller,
            "progress.template_save",
            "progress_template",
            &kept.id,
        )
        .detail(json!({ "shared": shared })),
    );
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(TemplateAnswer::kept(kept, &call))))
}
