//! `GET /cases/{id}/progress-records` and `POST …/search`: the 支援経過 page by page, the newest first.
//!
//! **Invariant:** an entry is found by what the caller sees of it, and by nothing else. Of an entry that
//! is seen masked that is day, method, agency, writer and the masked text: neither persons nor kind nor
//! attachments.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    disclosure::Level,
    id::{CaseId, ProgressRecordId},
    section::Section,
};
use jiff::civil::Date;
use search::folding::folded;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    audit,
    progress::{ProgressChoices, ProgressQuery, ProgressRecord},
};

use super::{
    Mode,
    answers::NamedAnswer,
    event,
    masked::{self, MaskedEntry},
    open,
    progress::{Entries, PersonRef, ProgressAnswer, codes, text},
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, Query},
    state::AppState,
};

/// Entries of a page when nothing is said.
const PAGE: usize = 50;
/// Longest words to look for, in characters.
const LONGEST: usize = 1_000;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub struct PageQuery {
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
    /// For paper (経過一覧): all entries, noted in the audit as printed, and masked when somebody of the
    /// case has 住所秘匿, also for those who read it on the screen.
    pub print: bool,
}

/// What is looked for. Conditions of one list are alternatives, lists add up.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProgressSearch {
    /// ISO date; the day is part of it, as with `to`.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
    /// Option list `log_method`.
    pub methods: Vec<String>,
    /// Accounts.
    pub staff: Vec<String>,
    pub agencies: Vec<String>,
    pub persons: Vec<String>,
    /// Option list `log_kind`.
    pub kinds: Vec<String>,
    /// Only entries with attachments.
    pub with_attachments: bool,
    /// All of these words stand in the entry, its amendments or the names of its attachments.
    pub words: Option<String>,
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
}

impl std::fmt::Debug for ProgressSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProgressSearch")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProgressList {
    pub items: Vec<ProgressAnswer>,
    pub next_cursor: Option<String>,
    /// Entries that match and that the caller sees.
    pub total: usize,
    /// With the first page: what there is to choose from among all that the caller sees.
    pub choices: Option<ChoicesAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChoicesAnswer {
    /// Option list `log_method`.
    pub methods: Vec<String>,
    pub staff: Vec<NamedAnswer>,
    pub agencies: Vec<NamedAnswer>,
    pub persons: Vec<PersonRef>,
}

/// The entries the caller may see, the newest first. Masked readers get masked texts; what cannot
/// be masked now carries `withheld`.
#[utoipa::path(get, path = "/cases/{id}/progress-records", tag = "progress", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = ProgressList), (status = 404, description = "not_found"), (status = 422, description = "cursor")))]
pub async fn list_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<ProgressList>, ApiError> {
    if query.print {
        return on_paper(&state, &call, &CaseId(id)).await;
    }
    let search = ProgressSearch {
        cursor: query.cursor,
        limit: query.limit,
        ..ProgressSearch::default()
    };
    page(&state, &call, &CaseId(id), search).await
}

async fn on_paper(
    state: &AppState,
    call: &CallContext,
    id: &CaseId,
) -> Result<Json<ProgressList>, ApiError> {
    let (mut tx, access) = open(state, call, id, Mode::Read).await?;
    let entries = Entries::load(&mut tx, &access, None).await?;
    let entries = entries.for_paper(&mut tx, &access).await?;
    let level = access.decision(Section::Progress).level;
    let printed = event(call, "progress.print", id).detail(json!({ "level": level }));
    audit::record(&mut tx, printed);
    tx.commit().await?;
    let items = entries.finish(state).await?;
    Ok(Json(ProgressList {
        next_cursor: None,
        total: items.len(),
        choices: None,
        items,
    }))
}

/// The entries that are looked for, the newest first. In a body, for words may be names.
#[utoipa::path(post, path = "/cases/{id}/progress-records/search", tag = "progress", params(("id" = String, Path)), request_body = ProgressSearch,
    responses((status = 200, body = ProgressList), (status = 404, description = "not_found"), (status = 422, description = "invalid")))]
pub async fn search_progress(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(search): Body<ProgressSearch>,
) -> Result<Json<ProgressList>, ApiError> {
    page(&state, &call, &CaseId(id), search).await
}

/// Words as they are compared; `None`: nothing that could stand in a text.
fn wanted(words: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = words.split_whitespace().flat_map(folded).collect();
    (!parts.is_empty()).then_some(parts)
}

fn holds(words: &[String], texts: &[String]) -> bool {
    let runs: Vec<String> = texts.iter().flat_map(|text| folded(text)).collect();
    words
        .iter()
        .all(|word| runs.iter().any(|run| run.contains(word.as_str())))
}

/// Everything that the caller reads of an entry.
fn texts_of(
    record: &ProgressRecord,
    masked: &HashMap<ProgressRecordId, MaskedEntry>,
) -> Vec<String> {
    if record.level < Level::Read {
        let Some(shown) = masked.get(&record.id) else {
            return Vec::new();
        };
        let amended = shown
            .amendments
            .iter()
            .flat_map(|amendment| [&amendment.reason, &amendment.content]);
        return [&shown.title, &shown.content]
            .into_iter()
            .chain(amended)
            .flatten()
            .cloned()
            .collect();
    }
    let fields = [
        "title",
        "content",
        "method_other",
        "plan_item",
        "private_note",
        "reason",
    ];
    let contents = record
        .content
        .iter()
        .chain(record.amendments.iter().map(|amendment| &amendment.content));
    let mut out: Vec<String> = contents
        .flat_map(|content| fields.iter().filter_map(|field| text(content, field)))
        .collect();
    out.extend(record.attachments.iter().map(|blob| blob.name.clone()));
    out
}

async fn page(
    state: &AppState,
    call: &CallContext,
    id: &CaseId,
    search: ProgressSearch,
) -> Result<Json<ProgressList>, ApiError> {
    let words = search
        .words
        .as_deref()
        .map(str::trim)
        .filter(|words| !words.is_empty());
    if words.is_some_and(|words| words.chars().count() > LONGEST) {
        return Err(ApiError::invalid_field("words", "too_long"));
    }
    let compared = words.map(wanted);
    let (mut tx, mut access) = open(state, call, id, Mode::Read).await?;
    let material = match &compared {
        Some(Some(_)) => access.masked_progress(&mut tx).await?,
        _ => None,
    };
    // Masking takes its time: without the transaction, and then the policy is asked again.
    let masked = if material.is_some() {
        drop(tx);
        let masked = masked::mask(state, material).await?;
        tx = state.db().read().await?;
        access = tx
            .case_for(&call.caller, id)
            .await?
            .ok_or_else(ApiError::not_found)?;
        masked
    } else {
        HashMap::new()
    };
    let query = ProgressQuery {
        from: search.from,
        to: search.to,
        methods: search.methods,
        staff: search.staff.into_iter().map(Into::into).collect(),
        agencies: search.agencies.into_iter().map(Into::into).collect(),
        persons: search.persons.into_iter().map(Into::into).collect(),
        cursor: search.cursor,
        limit: search.limit.unwrap_or(PAGE).clamp(1, 200),
    };
    let (kinds, attached) = (search.kinds, search.with_attachments);
    let opens = compared.is_some() || !kinds.is_empty() || attached;
    let looks = |record: &ProgressRecord| {
        let of_kind = kinds.is_empty()
            || record.content.as_ref().is_some_and(|content| {
                let chosen = codes(content, "log_kind");
                chosen.iter().any(|kind| kinds.contains(kind))
            });
        of_kind
            && (!attached || !record.attachments.is_empty())
            && match &compared {
                None => true,
                Some(None) => false,
                Some(Some(words)) => holds(words, &texts_of(record, &masked)),
            }
    };
    let found = access
        .progress_page(&mut tx, &query, opens.then_some(&looks))
        .await?;
    let entries = Entries::of(&mut tx, &access, found.items).await?;
    let choices = found.choices.map(|choices| choices_of(choices, &entries));
    let level = access.decision(Section::Progress).level;
    let action = if opens {
        "progress.search"
    } else {
        "progress.list"
    };
    let mut happened =
        event(call, action, id).detail(json!({ "level": level, "total": found.total }));
    if let Some(words) = words {
        happened = happened.terms(words);
    }
    audit::record(&mut tx, happened);
    tx.commit().await?;
    Ok(Json(ProgressList {
        items: entries.finish(state).await?,
        next_cursor: found.next_cursor,
        total: found.total,
        choices,
    }))
}

fn choices_of(choices: ProgressChoices, entries: &Entries) -> ChoicesAnswer {
    let persons = entries.people().iter().filter_map(|person| {
        let id = person.person_id.as_ref()?;
        choices.persons.contains(id).then(|| PersonRef {
            person_id: id.0.clone(),
            display: person.display.clone(),
        })
    });
    ChoicesAnswer {
        persons: persons.collect(),
        methods: choices.methods.into_iter().collect(),
        staff: choices.staff.into_iter().map(Into::into).collect(),
        agencies: choices.agencies.into_iter().map(Into::into).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_are_found_whatever_their_width_and_kana() {
        let texts = ["ハルコさんの家賃、２か月分".to_owned(), "電話".to_owned()];
        let found = |words: &str| wanted(words).is_some_and(|words| holds(&words, &texts));
        assert!(found("はるこ 家賃") && found("2か月　電話"));
        assert!(!found("はるこ 訪問"));
        assert!(wanted("、。！").is_none());
    }

    #[test]
    fn a_masked_entry_is_found_by_its_masked_text_alone() {
        let named = store::cases::Named {
            id: "x".into(),
            name: String::new(),
        };
        let record = ProgressRecord {
            id: "r1".into(),
            performed_on: jiff::civil::date(2026, 11, 22),
            method: "tel".into(),
            agency: named.clone(),
            account: named,
            visibility: store::progress::Visibility::CaseMembers,
            persons: None,
            level: Level::Masked,
            content: json!({"content": "花子"}).as_object().cloned(),
            amendments: Vec::new(),
            attachments: Vec::new(),
            recorded_at: String::new(),
        };
        let shown = MaskedEntry {
            title: None,
            content: Some("［氏名1］に電話".into()),
            amendments: Vec::new(),
        };
        let masked = HashMap::from([(ProgressRecordId::from("r1"), shown)]);
        assert_eq!(texts_of(&record, &masked), ["［氏名1］に電話"]);
        assert!(texts_of(&record, &HashMap::new()).is_empty());
    }
}
