//! Attachments: name and content sealed, read through the case.

use domain::disclosure::Level;
use domain::role::Capability;
use domain::section::Section;
use serde::Serialize;
use sqlx::Row;

use crate::cases::CaseAccess;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// An attachment without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub id: String,
    pub name: String,
    pub media_type: String,
    pub size: i64,
    pub created_at: String,
}

impl CaseAccess {
    fn reads_blobs(&self) -> bool {
        // Attachments belong to the intake sheet until they can be tied to one entry.
        self.decision(Section::Intake).level >= Level::Read
    }

    /// Keeps an attachment.
    ///
    /// # Errors
    /// Forbidden without the right to edit the intake sheet.
    pub async fn add_blob(
        &self,
        tx: &mut Tx,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<String> {
        if self.writable().is_err()
            || !self.caller.may(Capability::EditCase)
            || self.decision(Section::Intake).level < Level::Edit
        {
            return Err(StoreError::Forbidden);
        }
        let id: String = tx.database().fresh();
        let sealed_name = tx
            .seal(
                self.municipality(),
                &self.purpose(),
                "blobs.name",
                &id,
                name.as_bytes(),
            )
            .await?;
        let sealed = tx
            .seal(
                self.municipality(),
                &self.purpose(),
                "blobs.content",
                &id,
                content,
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO blobs (municipality_id, id, case_id, media_type, size, name_sealed, content_sealed, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(media_type)
        .bind(i64::try_from(content.len()).unwrap_or(i64::MAX))
        .bind(sealed_name)
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        Ok(id)
    }

    /// The case's attachments; none for masked readers, for a name may tell too much.
    ///
    /// # Errors
    /// Database away.
    pub async fn blobs(&self, tx: &mut Tx) -> Result<Vec<Blob>> {
        if !self.reads_blobs() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT id, media_type, size, name_sealed, created_at FROM blobs WHERE municipality_id = $1 AND case_id = $2 ORDER BY created_at, id")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            let name = tx
                .open_text(
                    self.municipality(),
                    "blobs.name",
                    &id,
                    &row.try_get::<Vec<u8>, _>("name_sealed")?,
                )
                .await?;
            out.push(Blob {
                id,
                name,
                media_type: row.try_get("media_type")?,
                size: row.try_get("size")?,
                created_at: row.try_get("created_at")?,
            });
        }
        Ok(out)
    }

    /// Content of an attachment; `None` when there is none for this caller.
    ///
    /// # Errors
    /// Database away.
    pub async fn blob(&self, tx: &mut Tx, id: &str) -> Result<Option<Vec<u8>>> {
        if !self.reads_blobs() {
            return Ok(None);
        }
        let sealed: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT content_sealed FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3")
                .bind(self.municipality().as_str())
                .bind(self.id().as_str())
                .bind(id)
                .fetch_optional(tx.conn())
                .await?;
        match sealed {
            Some(sealed) => Ok(Some(
                tx.open(self.municipality(), "blobs.content", id, &sealed)
                    .await?,
            )),
            None => Ok(None),
        }
    }
}
