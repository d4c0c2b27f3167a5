//! `POST /cases/{id}/progress-records/{record_id}/amendments`: 訂正・追記. The entry itself stays.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::id::{CaseId, ProgressRecordId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::{
    audit::{self, Event},
    progress::Attached,
};

use super::{
    Mode,
    add_progress::{LONGEST, MOST},
    open,
    progress::{Entries, ProgressAnswer},
    tell,
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    events::CaseEvent,
    operations::persons::personal_number,
    state::AppState,
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendProgress {
    /// Why.
    pub reason: String,
    /// What it should have said, or what is added.
    pub content: Option<String>,
    pub title: Option<String>,
    /// 機微メモ: never leaves the own agency.
    pub private_note: Option<String>,
    /// Attachments that wait for this entry.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// Attachments of this entry that the caller brought in: taken away with their content. Their names
    /// stay in the amendment.
    #[serde(default)]
    pub remove_attachments: Vec<String>,
}

impl std::fmt::Debug for AmendProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AmendProgress")
    }
}

impl AmendProgress {
    fn check(self) -> Result<(Map<String, Value>, Attached), ApiError> {
        let attached = Attached {
            add: self.attachments,
            remove: self.remove_attachments,
        };
        let files = attached.add.len() + attached.remove.len();
        let texts = [
            ("reason", Some(self.reason)),
            ("content", self.content),
            ("title", self.title),
            ("private_note", self.private_note),
        ];
        let mut content = Map::new();
        let mut problems = Vec::new();
        for (field, text) in texts {
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            if text.chars().count() > LONGEST {
                problems.push(FieldProblem::new(field, "too_long"));
            }
            content.insert(field.to_owned(), text.into());
        }
        if !content.contains_key("reason") {
            problems.push(FieldProblem::new("reason", "required"));
        }
        if files > MOST {
            problems.push(FieldProblem::new("attachments", "too_many"));
        }
        if files == 0 && content.len() == usize::from(content.contains_key("reason")) {
            problems.push(FieldProblem::new("content", "required"));
        }
        personal_number::refuse(
            content
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), value.as_str()?))),
        )?;
        if problems.is_empty() {
            Ok((content, attached))
        } else {
            Err(ApiError::invalid(problems))
        }
    }
}

/// Amend an entry of the own agency; the coordinator in charge may amend any.
#[utoipa::path(post, path = "/cases/{id}/progress-records/{record_id}/amendments", tag = "progress",
    params(("id" = String, Path), ("record_id" = String, Path)), request_body = AmendProgress,
    responses((status = 201, body = ProgressAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 422, description = "invalid or personal_number")))]
pub async fn amend_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path((id, record)): Path<(String, String)>,
    Body(request): Body<AmendProgress>,
) -> Result<(StatusCode, Json<ProgressAnswer>), ApiError> {
    let (case, record) = (CaseId(id), ProgressRecordId(record));
    let (mut tx, access) = open(&state, &call, &case, Mode::Write).await?;
    // Whether the entry exists is answered before anything is said about the text.
    access
        .progress_record(&mut tx, &record)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let (content, attached) = request.check()?;
    let amendment = access
        .amend_progress(&mut tx, &record, &content, &attached)
        .await?;
    let detail = json!({ "amendment": amendment, "fields": content.keys().collect::<Vec<_>>(),
        "attached": attached.add, "detached": attached.remove });
    audit::record(
        &mut tx,
        Event::by(&call.caller, "progress.amend", "progress", record.as_str())
            .in_case(&case)
            .detail(detail),
    );
    let entries = Entries::load(&mut tx, &access, Some(&record)).await?;
    tx.commit().await?;
    tell(&state, &access, CaseEvent::Progress { record_id: record });
    let answer = entries
        .finish(&state)
        .await?
        .pop()
        .ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::CREATED, Json(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amendment_says_what_and_why() {
        let read = |text: &str| serde_json::from_str::<AmendProgress>(text).unwrap().check();
        assert!(read(r#"{"reason":"日付の誤り","content":"21日ではなく20日"}"#).is_ok());
        assert!(read(r#"{"reason":" ","content":"21日ではなく20日"}"#).is_err());
        assert!(read(r#"{"reason":"日付の誤り"}"#).is_err());
    }
}
