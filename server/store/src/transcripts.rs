//! Transcripts of interviews: utterances, speakers, draft and what was accepted, sealed as one value.
//! They are raw text about the household: only who reads the intake sheet's original sees them.

use domain::disclosure::Level;
use domain::id::{AccountId, CaseId, TranscriptId};
use domain::role::Capability;
use domain::section::Section;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::access::Caller;
use crate::cases::CaseAccess;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// A stored transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transcript {
    pub id: TranscriptId,
    pub case: CaseId,
    pub format: String,
    pub encoding: String,
    pub version: i64,
    pub created_by: AccountId,
    pub created_at: String,
    pub updated_at: String,
    /// Utterances, speakers, draft, people, acceptances … as the pipeline wrote them.
    pub content: serde_json::Value,
}

const COLUMN: &str = "transcripts.content";

async fn read(tx: &mut Tx, access: &CaseAccess, row: &AnyRow) -> Result<Transcript> {
    let id = TranscriptId(row.try_get("id")?);
    let sealed: Vec<u8> = row.try_get("content_sealed")?;
    let content = tx
        .open_json(access.municipality(), COLUMN, id.as_str(), &sealed)
        .await?;
    Ok(Transcript {
        id,
        case: CaseId(row.try_get("case_id")?),
        format: row.try_get("format")?,
        encoding: row.try_get("encoding")?,
        version: row.try_get("version")?,
        created_by: AccountId(row.try_get("created_by")?),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        content,
    })
}

impl CaseAccess {
    /// Whether the caller sees the case's transcripts: who reads the originals of both sheets.
    #[must_use]
    pub fn reads_transcripts(&self) -> bool {
        self.decision(Section::Intake).level >= Level::Read
            && self.decision(Section::Assessment).level >= Level::Read
    }

    /// Whether the caller may bring transcripts in and note what was accepted of them.
    #[must_use]
    pub fn writes_transcripts(&self) -> bool {
        self.writable().is_ok()
            && self.caller.may(Capability::EditCase)
            && self.reads_transcripts()
            && self.decision(Section::Intake).level == Level::Edit
    }

    /// Keeps a transcript.
    ///
    /// # Errors
    /// Forbidden without the right to edit the intake sheet.
    pub async fn add_transcript(
        &self,
        tx: &mut Tx,
        format: &str,
        encoding: &str,
        content: &serde_json::Value,
    ) -> Result<TranscriptId> {
        if !self.writes_transcripts() {
            return Err(StoreError::Forbidden);
        }
        let id: TranscriptId = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                COLUMN,
                id.as_str(),
                content,
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO transcripts (municipality_id, id, case_id, format, encoding, content_sealed, version, agency_id, created_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $9)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(format)
        .bind(encoding)
        .bind(sealed)
        .bind(self.caller.viewer.agency.as_str())
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.announce(tx, "case.transcripts");
        Ok(id)
    }

    /// The case's transcripts, the newest first; none for masked readers.
    ///
    /// # Errors
    /// Database away.
    pub async fn transcripts(&self, tx: &mut Tx) -> Result<Vec<Transcript>> {
        if !self.reads_transcripts() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT * FROM transcripts WHERE municipality_id = $1 AND case_id = $2 ORDER BY created_at DESC, id DESC")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::new();
        for row in &rows {
            out.push(read(tx, self, row).await?);
        }
        Ok(out)
    }

    /// Replaces the content of a transcript that stands at `version`.
    ///
    /// # Errors
    /// Forbidden, unknown, or changed meanwhile.
    pub async fn update_transcript(
        &self,
        tx: &mut Tx,
        id: &TranscriptId,
        version: i64,
        content: &serde_json::Value,
    ) -> Result<i64> {
        if !self.writes_transcripts() {
            return Err(StoreError::Forbidden);
        }
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                COLUMN,
                id.as_str(),
                content,
            )
            .await?;
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE transcripts SET content_sealed = $5, version = version + 1, updated_at = $6 \
             WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND version = $4",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(id.as_str())
        .bind(version)
        .bind(sealed)
        .bind(now)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        self.announce(tx, "case.transcripts");
        Ok(version + 1)
    }
}

impl Tx {
    /// A transcript with the right to its case; `None` when there is none for this caller.
    ///
    /// # Errors
    /// Database away.
    pub async fn transcript_for(
        &mut self,
        caller: &Caller,
        id: &TranscriptId,
    ) -> Result<Option<(CaseAccess, Transcript)>> {
        let row = sqlx::query("SELECT * FROM transcripts WHERE municipality_id = $1 AND id = $2")
            .bind(caller.viewer.municipality.as_str())
            .bind(id.as_str())
            .fetch_optional(self.conn())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let case = CaseId(row.try_get("case_id")?);
        let Some(access) = self.case_for(caller, &case).await? else {
            return Ok(None);
        };
        if !access.reads_transcripts() {
            return Ok(None);
        }
        let transcript = read(self, &access, &row).await?;
        Ok(Some((access, transcript)))
    }
}
