//! Transcripts of interviews and the drafts made from them. Only who reads the originals of the
//! sheets sees them; masked readers learn nothing, not even that there are any.

use std::collections::BTreeMap;

use axum::extract::DefaultBodyLimit;
use domain::id::{AccountId, TranscriptId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{CaseAccess, StoreError, Tx, accounts, transcripts::Transcript};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, drafting::Kept, error::ApiError, state::AppState};

pub mod accept;
pub mod assign_speakers;
pub mod create;
pub mod list;
pub mod show;
#[cfg(test)]
pub(crate) mod tests;
pub mod withdraw;

/// Others who note something at the same time: tried again this often.
const TRIES: usize = 8;

/// The operations on transcripts. Uploads have a limit of their own.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .layer(DefaultBodyLimit::max(create::LARGEST_REQUEST))
        .routes(routes!(show::show, assign_speakers::assign_speakers))
        .routes(routes!(accept::accept))
        .routes(routes!(withdraw::withdraw))
}

/// One thing somebody said.
#[derive(Serialize, utoipa::ToSchema)]
pub struct UtteranceAnswer {
    /// Empty where the file names no speaker.
    pub speaker: String,
    /// Seconds from the start of the recording.
    pub start: Option<f64>,
    pub end: Option<f64>,
    pub text: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AcceptedAnswer {
    pub at: String,
    /// Name of the account.
    pub by: String,
}

/// A transcript with its draft.
#[derive(Serialize, utoipa::ToSchema)]
pub struct TranscriptAnswer {
    pub id: String,
    pub case_id: String,
    pub format: String,
    pub encoding: String,
    pub utterances: Vec<UtteranceAnswer>,
    /// Speaker → `worker`, `client`, `family`, `agency`, `other` or `unknown`.
    pub speakers: BTreeMap<String, String>,
    /// `assessment.<field>` or `intake.<field>` → `{value, confidence, evidence:[{utterance,
    /// start, end}]}`; offsets in code points of the utterance.
    #[schema(value_type = Object)]
    pub draft: Value,
    /// Fields of the person register likewise: to be entered there.
    #[schema(value_type = Object)]
    pub person: Value,
    #[schema(value_type = Vec<Object>)]
    pub people: Value,
    #[schema(value_type = Vec<Object>)]
    pub relations: Value,
    #[schema(value_type = Vec<Object>)]
    pub orgs: Value,
    pub accepted: BTreeMap<String, AcceptedAnswer>,
    /// `{code, message, line?, utterance?}`.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Value,
    pub created_at: String,
    pub updated_at: String,
}

impl std::fmt::Debug for UtteranceAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UtteranceAnswer")
    }
}

impl std::fmt::Debug for TranscriptAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TranscriptAnswer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn content(transcript: &Transcript) -> Result<Kept, ApiError> {
    Kept::deserialize(&transcript.content)
        .map_err(|_| ApiError::internal("stored transcript cannot be read"))
}

/// A transcript of a case that the caller may see.
///
/// # Errors
/// 404 for everybody else.
async fn find(
    tx: &mut Tx,
    call: &CallContext,
    id: &TranscriptId,
) -> Result<(CaseAccess, Transcript, Kept), ApiError> {
    let (access, transcript) = tx
        .transcript_for(&call.caller, id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let kept = content(&transcript)?;
    Ok((access, transcript, kept))
}

/// Changes what is noted of a transcript; others who do so at the same time are not overwritten.
/// Nothing is stored when `change` says that there is nothing to store.
async fn note(
    tx: &mut Tx,
    call: &CallContext,
    id: &TranscriptId,
    change: impl Fn(&mut Kept) -> bool,
) -> Result<Kept, ApiError> {
    let mut left = TRIES;
    loop {
        let (access, transcript, mut kept) = find(tx, call, id).await?;
        if !change(&mut kept) {
            return Ok(kept);
        }
        let value = serde_json::to_value(&kept).map_err(ApiError::internal)?;
        match access
            .update_transcript(tx, id, transcript.version, &value)
            .await
        {
            Ok(_) => return Ok(kept),
            Err(StoreError::Conflict) if left > 0 => left -= 1,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn accepted(
    tx: &mut Tx,
    call: &CallContext,
    kept: &Kept,
) -> Result<BTreeMap<String, AcceptedAnswer>, ApiError> {
    let mut ids: Vec<AccountId> = kept
        .accepted
        .values()
        .map(|accepted| AccountId(accepted.by.clone()))
        .collect();
    ids.sort();
    ids.dedup();
    let names = accounts::names(tx, &call.caller.viewer.municipality, &ids).await?;
    Ok(kept
        .accepted
        .iter()
        .map(|(field, accepted)| {
            let by = names
                .get(&AccountId(accepted.by.clone()))
                .cloned()
                .unwrap_or_default();
            (
                field.clone(),
                AcceptedAnswer {
                    at: accepted.at.clone(),
                    by,
                },
            )
        })
        .collect())
}

async fn answer(
    tx: &mut Tx,
    call: &CallContext,
    transcript: Transcript,
    kept: Kept,
) -> Result<TranscriptAnswer, ApiError> {
    Ok(TranscriptAnswer {
        accepted: accepted(tx, call, &kept).await?,
        id: transcript.id.0,
        case_id: transcript.case.0,
        format: transcript.format,
        encoding: transcript.encoding,
        utterances: kept
            .utterances
            .into_iter()
            .map(|one| UtteranceAnswer {
                speaker: one.speaker.unwrap_or_default(),
                start: one.start,
                end: one.end,
                text: one.text,
            })
            .collect(),
        speakers: kept.speakers,
        draft: serde_json::to_value(kept.draft).map_err(ApiError::internal)?,
        person: serde_json::to_value(kept.person).map_err(ApiError::internal)?,
        people: kept.people,
        relations: kept.relations,
        orgs: kept.orgs,
        warnings: kept.warnings,
        created_at: transcript.created_at,
        updated_at: transcript.updated_at,
    })
}
