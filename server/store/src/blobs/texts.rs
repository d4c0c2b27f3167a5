//! Texts of attachments: read from them in the background, sealed beside them, found by the search. Who
//! has the attachment has its text, nobody else.

use std::collections::HashMap;

use domain::id::{CaseId, MunicipalityId, ProgressRecordId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Blob, COLUMNS, part, read};
use crate::cases::CaseAccess;
use crate::data_keys::Purpose;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};
use crate::outbox;

const PLACE: &str = "blobs.text";

/// What is known of the text of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum TextState {
    /// Nobody has looked yet.
    Waiting,
    /// It is searched.
    Read,
    /// There is none: a picture, scanned pages.
    None,
    /// A password keeps it.
    Locked,
    /// Damaged, or more than is read.
    Unreadable,
}

impl TextState {
    const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Read,
        Self::None,
        Self::Locked,
        Self::Unreadable,
    ];

    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Read => "read",
            Self::None => "none",
            Self::Locked => "locked",
            Self::Unreadable => "unreadable",
        }
    }

    pub(super) fn of(row: &AnyRow) -> Result<Self> {
        let code: String = row.try_get("text_state")?;
        Self::ALL
            .into_iter()
            .find(|state| state.code() == code)
            .ok_or(StoreError::Corrupt("blobs.text_state"))
    }
}

/// An attachment whose text nobody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub municipality: MunicipalityId,
    pub case: CaseId,
    pub id: String,
    pub media_type: String,
    /// When it came, as fixed-width text.
    pub since: String,
}

/// An attachment with its text, as who reads the entry has it.
#[derive(Clone)]
pub struct AttachedText {
    pub blob: Blob,
    pub record: ProgressRecordId,
    pub text: Option<String>,
}

impl std::fmt::Debug for AttachedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AttachedText({})", self.blob.id)
    }
}

impl CaseAccess {
    /// The text of an attachment of an entry that the caller reads in the original.
    ///
    /// # Errors
    /// Database away.
    pub async fn attached_text(&self, tx: &mut Tx, id: &str) -> Result<Option<AttachedText>> {
        let Some(blob) = self.blob(tx, id).await? else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT record_id, text_sealed FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(id)
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(record) = row.try_get::<Option<String>, _>("record_id")? else {
            return Ok(None);
        };
        let text = match row.try_get::<Option<Vec<u8>>, _>("text_sealed")? {
            Some(sealed) => Some(
                tx.open_text(self.municipality(), PLACE, id, &sealed)
                    .await?,
            ),
            None => None,
        };
        Ok(Some(AttachedText {
            blob,
            record: ProgressRecordId(record),
            text,
        }))
    }
}

impl Tx {
    /// Attachments of a municipality that wait to be read, the longest waiting first, after one of them. For
    /// the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn unread_attachments(
        &mut self,
        municipality: &MunicipalityId,
        after: Option<&Unread>,
        limit: i64,
    ) -> Result<Vec<Unread>> {
        let (since, id) = after.map_or(("", ""), |after| (&after.since, &after.id));
        let rows = sqlx::query(
            "SELECT id, case_id, media_type, created_at FROM blobs WHERE municipality_id = $1 AND text_state = 'waiting' \
             AND state = 'ready' AND case_id IS NOT NULL AND (created_at > $2 OR (created_at = $2 AND id > $3)) \
             ORDER BY created_at, id LIMIT $4",
        )
        .bind(municipality.as_str())
        .bind(since)
        .bind(id)
        .bind(limit)
        .fetch_all(self.conn())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Unread {
                    municipality: municipality.clone(),
                    case: CaseId(row.try_get("case_id")?),
                    id: row.try_get("id")?,
                    media_type: row.try_get("media_type")?,
                    since: row.try_get("created_at")?,
                })
            })
            .collect()
    }

    /// A part of an attachment that is to be read, from 0; `None` after the last. For the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn unread_part(&mut self, unread: &Unread, number: i64) -> Result<Option<Vec<u8>>> {
        match part(self, &unread.municipality, &unread.id, number).await? {
            Some(part) => Ok(Some(part.open(self, &unread.municipality).await?)),
            None => Ok(None),
        }
    }

    /// Keeps what came of reading an attachment, and tells the index. One that is gone meanwhile stays
    /// gone. For the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn put_attachment_text(
        &mut self,
        unread: &Unread,
        state: TextState,
        text: Option<&str>,
    ) -> Result<()> {
        let sealed = match text {
            Some(text) => Some(
                self.seal(
                    &unread.municipality,
                    &Purpose::Case(unread.case.clone()),
                    PLACE,
                    &unread.id,
                    text.as_bytes(),
                )
                .await?,
            ),
            None => None,
        };
        let done = sqlx::query(
            "UPDATE blobs SET text_state = $3, text_sealed = $4 WHERE municipality_id = $1 AND id = $2 AND text_state = 'waiting'",
        )
        .bind(unread.municipality.as_str())
        .bind(unread.id.as_str())
        .bind(state.code())
        .bind(sealed)
        .execute(self.conn())
        .await?;
        if done.rows_affected() > 0 {
            outbox::put(
                self,
                &unread.municipality,
                "case.attachment_text",
                unread.id.as_str(),
                Some(&unread.case),
                serde_json::Value::Null,
            );
        }
        Ok(())
    }

    /// Name and text of attachments, by their ids: for the index, which shows nothing itself.
    ///
    /// # Errors
    /// Database away.
    pub async fn attachment_texts(
        &mut self,
        municipality: &MunicipalityId,
        ids: &[String],
    ) -> Result<HashMap<String, Vec<String>>> {
        let select = format!(
            "SELECT {COLUMNS}, text_sealed FROM blobs WHERE municipality_id = $1 AND id IN"
        );
        let mut out = HashMap::new();
        for row in rows_for(self, municipality, ids, &select, "").await? {
            let blob = read(self, municipality, &row).await?;
            let mut texts = vec![blob.name];
            if let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("text_sealed")? {
                texts.push(
                    self.open_text(municipality, PLACE, &blob.id, &sealed)
                        .await?,
                );
            }
            out.insert(blob.id, texts);
        }
        Ok(out)
    }
}
