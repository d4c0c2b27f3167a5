//! Hits as answers show them. Texts are read from where the caller reads them anyway, and the words are
//! looked for in them once more: what does not hold the words in the form the caller sees is left out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ::search::{
    FullText,
    query::{Piece, Search, mark, snippet},
};
use domain::{
    form,
    id::{CaseId, DocumentId, PersonId, ProgressRecordId, TranscriptId},
    section::Section,
};
use serde::Serialize;
use store::{
    Caller, CaseAccess, Tx,
    cases::CaseSummary,
    search::{Kind, SeenPerson, person_texts, record_texts, transcript_texts},
};

use super::find::kind_code;
use crate::{
    context::blocking,
    error::ApiError,
    search_index::{
        find::Hit,
        texts::{self, Part},
    },
};

/// Characters of a snippet.
const WIDTH: usize = 110;
/// Snippets of a hit.
const SNIPPETS: usize = 2;

/// A part of a text.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PieceAnswer {
    pub text: String,
    /// A word of the search.
    pub hit: bool,
}

/// A place in a hit where words stand.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SnippetAnswer {
    /// Label of the field; empty where there is none.
    pub label: String,
    pub pieces: Vec<PieceAnswer>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct HitCase {
    pub id: String,
    pub case_no: String,
    /// Empty where there is none, and for masked readers.
    pub title: String,
    /// Names, or ［氏名1］.
    pub clients: Vec<String>,
    pub stage: &'static str,
    pub stage_label: &'static str,
    pub closed: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct HitAnswer {
    /// `person`, `case`, `sheet`, `record`, `transcript` or `attachment`.
    pub kind: &'static str,
    /// Of the person, case, document, entry or transcript; of an attachment the entry's.
    pub id: String,
    /// The case it belongs to; of a person the first.
    pub case: Option<HitCase>,
    /// Of a person: name and kana.
    pub name: Option<String>,
    pub kana: Option<String>,
    /// Of a person: all cases in which the caller sees them by name.
    pub cases: Vec<HitCase>,
    /// Of a sheet: its section.
    pub section: Option<&'static str>,
    /// Of an attachment: its own id.
    pub attachment: Option<String>,
    /// What was found, in a word: 「相談受付・申込票」, 「電話」, the name of a file ….
    pub heading: String,
    pub day: Option<String>,
    /// The agency that wrote the entry.
    pub agency: Option<String>,
    /// The caller reads it masked, and the masked text was searched.
    pub masked: bool,
    /// 機微メモ of the own agency.
    pub private: bool,
    pub snippets: Vec<SnippetAnswer>,
}

macro_rules! closed_mouth {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
closed_mouth!(PieceAnswer, SnippetAnswer, HitCase, HitAnswer);

/// What is loaded of a hit before the words are looked for in it.
#[derive(Default)]
struct Loaded {
    case: Option<CaseId>,
    name: Option<String>,
    kana: Option<String>,
    cases: Vec<CaseId>,
    section: Option<&'static str>,
    heading: String,
    day: Option<String>,
    agency: Option<String>,
    parts: Vec<Part>,
    /// Of an attachment: its entry.
    record: Option<String>,
    /// No word need stand in it: found by the name of somebody in the case, or far down in a file.
    without_place: bool,
}

fn unlabelled(text: String) -> Part {
    Part {
        label: String::new(),
        text,
    }
}

/// The hits of a page, in order.
pub(super) async fn shown(
    index: &Arc<FullText>,
    tx: &mut Tx,
    caller: &Caller,
    search: &Search,
    page: &[Hit],
    persons: &HashMap<PersonId, SeenPerson>,
) -> Result<Vec<HitAnswer>, ApiError> {
    let mut ids: Vec<CaseId> = page
        .iter()
        .filter(|hit| !hit.case.is_empty())
        .map(|hit| CaseId(hit.case.clone()))
        .collect();
    for hit in page.iter().filter(|hit| hit.kind == Kind::Person) {
        if let Some(seen) = persons.get(&PersonId::from(hit.id.as_str())) {
            ids.extend(seen.cases.iter().take(20).cloned());
        }
    }
    ids.sort();
    ids.dedup();
    let lines = tx.case_lines(caller, &ids).await?;
    let mut loaded = Vec::with_capacity(page.len());
    for hit in page {
        if let Some(found) = load(index, tx, caller, hit, persons, &lines).await? {
            loaded.push((hit.clone(), found));
        }
    }
    let (index, search) = (Arc::clone(index), search.clone());
    let marked = blocking(move || {
        loaded
            .into_iter()
            .map(|(hit, loaded)| {
                let snippets = snippets(&index, &search, &loaded)?;
                Ok((hit, loaded, snippets))
            })
            .collect::<::search::Result<Vec<_>>>()
    })
    .await?
    .map_err(ApiError::internal)?;
    Ok(marked
        .into_iter()
        .filter_map(|(hit, loaded, snippets)| {
            let snippets = snippets?;
            let line = |case: &CaseId| lines.get(case).map(|(_, summary)| case_answer(summary));
            Some(HitAnswer {
                kind: kind_code(hit.kind),
                attachment: (hit.kind == Kind::Attachment).then(|| hit.id.clone()),
                id: match hit.kind {
                    Kind::Attachment => loaded.record.unwrap_or_default(),
                    Kind::Private => hit.id.split('/').next().unwrap_or_default().to_owned(),
                    _ => hit.id,
                },
                case: loaded.case.as_ref().or(loaded.cases.first()).and_then(line),
                cases: loaded.cases.iter().filter_map(line).collect(),
                name: loaded.name,
                kana: loaded.kana,
                section: loaded.section,
                heading: loaded.heading,
                day: loaded.day,
                agency: loaded.agency,
                masked: hit.masked,
                private: hit.kind == Kind::Private,
                snippets,
            })
        })
        .collect())
}

fn case_answer(summary: &CaseSummary) -> HitCase {
    HitCase {
        id: summary.id.0.clone(),
        case_no: summary.case_no.clone(),
        title: summary.title.clone().unwrap_or_default(),
        clients: summary
            .clients
            .iter()
            .map(|client| client.display.clone())
            .collect(),
        stage: summary.stage.code(),
        stage_label: summary.stage.label_ja(),
        closed: summary.closed_on.is_some(),
    }
}

/// Where the words stand; `None`: in nothing that the caller sees.
fn snippets(
    index: &FullText,
    search: &Search,
    loaded: &Loaded,
) -> ::search::Result<Option<Vec<SnippetAnswer>>> {
    let mut found = Vec::new();
    for (at, part) in loaded.parts.iter().enumerate() {
        let marked = mark(index.analyzer(), search, &part.text)?;
        if !marked.words.is_empty() {
            found.push((marked.words.len(), at, marked.ranges));
        }
    }
    if found.is_empty() && !loaded.without_place {
        return Ok(None);
    }
    // What holds most of the words first, then as it stands.
    found.sort_by_key(|(words, at, _)| (usize::MAX - words, *at));
    let answers = found
        .into_iter()
        .take(SNIPPETS)
        .filter_map(|(_, at, ranges)| {
            let part = loaded.parts.get(at)?;
            let pieces = snippet(&part.text, &ranges, WIDTH)
                .into_iter()
                .map(|Piece { text, hit }| PieceAnswer { text, hit })
                .collect();
            Some(SnippetAnswer {
                label: part.label.clone(),
                pieces,
            })
        })
        .collect();
    Ok(Some(answers))
}

fn person_label(field: &str) -> String {
    let catalogue = form::catalogue();
    catalogue
        .definitions()
        .iter()
        .flat_map(|definition| definition.fields())
        .find(|known| known.id == field)
        .map_or_else(String::new, |known| known.label.clone())
}

async fn load(
    index: &Arc<FullText>,
    tx: &mut Tx,
    caller: &Caller,
    hit: &Hit,
    persons: &HashMap<PersonId, SeenPerson>,
    lines: &BTreeMap<CaseId, (CaseAccess, CaseSummary)>,
) -> Result<Option<Loaded>, ApiError> {
    if hit.kind == Kind::Person {
        let id = PersonId::from(hit.id.as_str());
        let Some(access) = tx.person_for(caller, &id).await? else {
            return Ok(None);
        };
        let Some(person) = access.person(tx).await? else {
            return Ok(None);
        };
        let parts = person_texts(&person)
            .into_iter()
            .map(|(field, text)| Part {
                label: person_label(&field),
                text,
            })
            .collect();
        let cases = persons.get(&id).map(|seen| seen.cases.clone());
        return Ok(Some(Loaded {
            name: Some(person.name().to_owned()),
            kana: person.fields.get("name_kana").cloned(),
            cases: cases.unwrap_or_default(),
            heading: "人".to_owned(),
            parts,
            ..Loaded::default()
        }));
    }
    let case = CaseId(hit.case.clone());
    let Some((access, summary)) = lines.get(&case) else {
        return Ok(None);
    };
    let mut loaded = Loaded {
        case: Some(case),
        ..Loaded::default()
    };
    let masked_text = || -> Result<Vec<Part>, ApiError> {
        let key = format!("{}:{}", hit.kind.code(), hit.id);
        let text = index.masked_text(&key).map_err(ApiError::internal)?;
        Ok(text
            .map(|(text, _)| {
                text.lines()
                    .map(|line| unlabelled(line.to_owned()))
                    .collect()
            })
            .unwrap_or_default())
    };
    match hit.kind {
        Kind::Case => {
            loaded.heading = "事案".to_owned();
            loaded.day = Some(summary.received_on.to_string());
            loaded.without_place = true;
            loaded.parts.push(unlabelled(summary.case_no.clone()));
            loaded.parts.extend(summary.title.clone().map(unlabelled));
            if let Some(outcome) = access.outcome(tx).await? {
                loaded.parts.push(unlabelled(outcome));
            }
        }
        Kind::Sheet => {
            let Some(document) = tx
                .document_for(caller, &DocumentId::from(hit.id.as_str()))
                .await?
            else {
                return Ok(None);
            };
            let definition = tx.form_of(document.info()).await?;
            loaded.section = document.info().section.map(Section::code);
            loaded.heading = document.info().kind.label_ja().to_owned();
            loaded.day = document.info().updated_at.get(..10).map(str::to_owned);
            loaded.parts = if hit.masked {
                masked_text()?
            } else {
                let projection = document.projection(tx).await?;
                match (definition, projection) {
                    (Some(definition), Some(projection))
                        if projection.audience == store::projections::Audience::Full =>
                    {
                        texts::of_sheet(&definition, &projection.value)
                    }
                    _ => Vec::new(),
                }
            };
        }
        Kind::Record | Kind::Private => {
            let id = ProgressRecordId::from(hit.id.split('/').next().unwrap_or_default());
            let Some(record) = access.progress_record(tx, &id).await? else {
                return Ok(None);
            };
            loaded.heading = form::catalogue()
                .label("log_method", &record.method)
                .unwrap_or("支援経過")
                .to_owned();
            loaded.day = Some(record.performed_on.to_string());
            loaded.agency = Some(record.agency.name.clone());
            loaded.parts = if hit.kind == Kind::Private {
                let note = tx.private_note(caller, &hit.id).await?;
                note.into_iter()
                    .map(|text| Part {
                        label: "機微メモ".to_owned(),
                        text,
                    })
                    .collect()
            } else if hit.masked {
                masked_text()?
            } else {
                let contents = record
                    .content
                    .iter()
                    .chain(record.amendments.iter().map(|amendment| &amendment.content));
                contents.flat_map(record_texts).map(unlabelled).collect()
            };
        }
        Kind::Transcript => {
            let found = tx
                .transcript_for(caller, &TranscriptId::from(hit.id.as_str()))
                .await?;
            let Some((_, transcript)) = found else {
                return Ok(None);
            };
            loaded.heading = "文字起こし".to_owned();
            loaded.day = transcript.created_at.get(..10).map(str::to_owned);
            loaded.parts = transcript_texts(&transcript.content)
                .into_iter()
                .map(unlabelled)
                .collect();
        }
        Kind::Attachment => {
            let Some(found) = access.attached_text(tx, &hit.id).await? else {
                return Ok(None);
            };
            let Some(record) = access.progress_record(tx, &found.record).await? else {
                return Ok(None);
            };
            loaded.day = Some(record.performed_on.to_string());
            loaded.agency = Some(record.agency.name.clone());
            loaded.parts.push(Part {
                label: "ファイル名".to_owned(),
                text: found.blob.name.clone(),
            });
            loaded.heading = found.blob.name;
            loaded.record = Some(found.record.0);
            // In one piece: of a long text only what it begins with is taken apart into words. A hit
            // further down is shown without its place; a file never changes.
            loaded.parts.extend(found.text.map(unlabelled));
            loaded.without_place = true;
        }
        Kind::Person | Kind::Protected => return Ok(None),
    }
    Ok(Some(loaded))
}
