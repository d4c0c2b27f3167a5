//! Attachments of the 支援経過: names and contents sealed under the key of the case, contents in parts so
//! that nobody ever needs a whole file in memory. Who reads the entry in the original has its
//! attachments; who reads it masked learns of neither names nor number.

use std::collections::BTreeMap;

use domain::disclosure::Level;
use domain::id::{MunicipalityId, ProgressRecordId};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::cases::CaseAccess;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};

mod texts;
pub use texts::{AttachedText, TextState, Unread};

/// Bytes of a part of an attachment; the last one may be shorter.
pub const PART: usize = 256 << 10;

/// An attachment without its content.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub id: String,
    pub name: String,
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// The account that brought it in.
    pub by: String,
    pub created_at: String,
    pub text: TextState,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({})", self.id)
    }
}

/// Most attachments of one writer in a case that belong to no entry yet.
const WAITING: i64 = 50;
const COLUMNS: &str = "id, media_type, size, name_sealed, created_by, created_at, text_state";

async fn read(tx: &mut Tx, municipality: &MunicipalityId, row: &AnyRow) -> Result<Blob> {
    let id: String = row.try_get("id")?;
    let sealed: Vec<u8> = row.try_get("name_sealed")?;
    Ok(Blob {
        name: tx
            .open_text(municipality, "blobs.name", &id, &sealed)
            .await?,
        media_type: row.try_get("media_type")?,
        size: row.try_get("size")?,
        by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        text: TextState::of(row)?,
        id,
    })
}

fn part_key(id: &str, number: i64) -> String {
    format!("{id}/{number}")
}

impl CaseAccess {
    /// Begins an attachment that waits for its entry: name, type and the first part. It is nobody's
    /// until [`CaseAccess::finish_blob`].
    ///
    /// # Errors
    /// Forbidden without the right to write entries.
    pub async fn begin_blob(
        &self,
        tx: &mut Tx,
        name: &str,
        media_type: &str,
        first: &[u8],
    ) -> Result<String> {
        if !self.may_write_progress() {
            return Err(StoreError::Forbidden);
        }
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND created_by = $3 AND record_id IS NULL",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(self.caller.viewer.account.as_str())
        .fetch_one(tx.conn())
        .await?;
        if waiting >= WAITING {
            return Err(StoreError::Invalid("too_many"));
        }
        let id: String = tx.database().fresh();
        let (municipality, purpose) = (self.municipality(), self.purpose());
        let sealed_name = tx
            .seal(municipality, &purpose, "blobs.name", &id, name.as_bytes())
            .await?;
        let sealed = tx
            .seal(municipality, &purpose, "blobs.content", &id, first)
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO blobs (municipality_id, id, case_id, media_type, size, name_sealed, content_sealed, created_by, created_at, agency_id, state) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'receiving')",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(media_type)
        .bind(i64::try_from(first.len()).unwrap_or(i64::MAX))
        .bind(sealed_name)
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .bind(self.caller.viewer.agency.as_str())
        .execute(tx.conn())
        .await?;
        Ok(id)
    }

    /// Adds a further part (from 1) to an attachment that the caller is bringing in.
    ///
    /// # Errors
    /// Not found: another's, or finished.
    pub async fn add_blob_part(
        &self,
        tx: &mut Tx,
        id: &str,
        number: i64,
        content: &[u8],
    ) -> Result<()> {
        self.receiving(tx, id).await?;
        let sealed = tx
            .seal(
                self.municipality(),
                &self.purpose(),
                "blob_parts.content",
                &part_key(id, number),
                content,
            )
            .await?;
        sqlx::query("INSERT INTO blob_parts (municipality_id, blob_id, number, content_sealed) VALUES ($1, $2, $3, $4)")
            .bind(self.municipality().as_str())
            .bind(id)
            .bind(number)
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    async fn receiving(&self, tx: &mut Tx, id: &str) -> Result<()> {
        let found: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND created_by = $4 AND state = 'receiving'",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(id)
        .bind(self.caller.viewer.account.as_str())
        .fetch_one(tx.conn())
        .await?;
        if found == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    /// All of it has arrived: `size` bytes.
    ///
    /// # Errors
    /// Not found: another's, or finished.
    pub async fn finish_blob(&self, tx: &mut Tx, id: &str, size: usize) -> Result<Blob> {
        self.receiving(tx, id).await?;
        sqlx::query(
            "UPDATE blobs SET state = 'ready', size = $3 WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality().as_str())
        .bind(id)
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .execute(tx.conn())
        .await?;
        self.blob(tx, id).await?.ok_or(StoreError::NotFound)
    }

    /// Attachments of the caller in this case that wait for their entry.
    ///
    /// # Errors
    /// Database away.
    pub async fn waiting_blobs(&self, tx: &mut Tx) -> Result<Vec<Blob>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND created_by = $3 AND agency_id = $4 \
             AND record_id IS NULL AND state = 'ready' ORDER BY created_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(self.caller.viewer.account.as_str())
            .bind(self.caller.viewer.agency.as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            out.push(read(tx, self.municipality(), row).await?);
        }
        Ok(out)
    }

    /// Gives up an attachment that waits for its entry.
    ///
    /// # Errors
    /// Not found: there is none of the caller that waits.
    pub async fn discard_blob(&self, tx: &mut Tx, id: &str) -> Result<()> {
        let gone = sqlx::query(
            "DELETE FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND created_by = $4 AND agency_id = $5 AND record_id IS NULL",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(id)
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.agency.as_str())
        .execute(tx.conn())
        .await?
        .rows_affected();
        if gone == 0 {
            return Err(StoreError::NotFound);
        }
        drop_parts(tx, self, id).await
    }

    /// Ties waiting attachments of the caller to an entry.
    pub(crate) async fn attach(
        &self,
        tx: &mut Tx,
        record: &ProgressRecordId,
        ids: &[String],
    ) -> Result<Vec<Blob>> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            let done = sqlx::query(
                "UPDATE blobs SET record_id = $5 WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND created_by = $4 \
                 AND agency_id = $6 AND record_id IS NULL AND state = 'ready'",
            )
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(id.as_str())
            .bind(self.caller.viewer.account.as_str())
            .bind(record.as_str())
            .bind(self.caller.viewer.agency.as_str())
            .execute(tx.conn())
            .await?
            .rows_affected();
            let row = self.row(tx, id).await?;
            match row {
                Some(row) if done == 1 => out.push(read(tx, self.municipality(), &row).await?),
                _ => return Err(StoreError::Invalid("attachments")),
            }
        }
        Ok(out)
    }

    /// Takes an attachment that the caller brought in away from its entry, content and all.
    pub(crate) async fn detach(
        &self,
        tx: &mut Tx,
        record: &ProgressRecordId,
        id: &str,
    ) -> Result<Blob> {
        let row = self.row(tx, id).await?.ok_or(StoreError::NotFound)?;
        let of: Option<String> = row.try_get("record_id")?;
        if of.as_deref() != Some(record.as_str()) {
            return Err(StoreError::NotFound);
        }
        let blob = read(tx, self.municipality(), &row).await?;
        if blob.by != self.caller.viewer.account.as_str() {
            return Err(StoreError::Forbidden);
        }
        sqlx::query("DELETE FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(id)
            .execute(tx.conn())
            .await?;
        drop_parts(tx, self, id).await?;
        Ok(blob)
    }

    async fn row(&self, tx: &mut Tx, id: &str) -> Result<Option<AnyRow>> {
        let sql = format!(
            "SELECT {COLUMNS}, record_id, agency_id, state FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3"
        );
        Ok(sqlx::query(AssertSqlSafe(sql))
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(id)
            .fetch_optional(tx.conn())
            .await?)
    }

    /// An attachment, if the caller may have it: of an entry that the caller reads in the original, or
    /// the caller's own that waits for its entry.
    ///
    /// # Errors
    /// Database away.
    pub async fn blob(&self, tx: &mut Tx, id: &str) -> Result<Option<Blob>> {
        let Some(row) = self.row(tx, id).await? else {
            return Ok(None);
        };
        let state: String = row.try_get("state")?;
        let visible = match row.try_get::<Option<String>, _>("record_id")? {
            Some(record) => self
                .progress_level(tx, &ProgressRecordId(record))
                .await?
                .is_some_and(|level| level >= Level::Read),
            None => {
                let agency: Option<String> = row.try_get("agency_id")?;
                row.try_get::<String, _>("created_by")? == self.caller.viewer.account.as_str()
                    && agency.as_deref() == Some(self.caller.viewer.agency.as_str())
            }
        };
        if !visible || state != "ready" {
            return Ok(None);
        }
        Ok(Some(read(tx, self.municipality(), &row).await?))
    }

    /// A part of an attachment that [`CaseAccess::blob`] gave out, from 0; `None` after the last.
    ///
    /// # Errors
    /// Database away.
    pub async fn blob_part(
        &self,
        tx: &mut Tx,
        blob: &Blob,
        number: i64,
    ) -> Result<Option<Vec<u8>>> {
        match part(tx, self.municipality(), &blob.id, number).await? {
            Some(part) if part.case.as_deref() == Some(self.id().as_str()) => {
                Ok(Some(part.open(tx, self.municipality()).await?))
            }
            _ => Ok(None),
        }
    }

    /// The attachments of these entries. The caller has looked at the entries' levels.
    pub(crate) async fn blobs_of(
        &self,
        tx: &mut Tx,
        records: &[&str],
    ) -> Result<BTreeMap<String, Vec<Blob>>> {
        let select = format!(
            "SELECT {COLUMNS}, record_id FROM blobs WHERE municipality_id = $1 AND record_id IN"
        );
        let rows = rows_for(
            tx,
            self.municipality(),
            records,
            &select,
            "ORDER BY created_at, id",
        )
        .await?;
        let mut out: BTreeMap<String, Vec<Blob>> = BTreeMap::new();
        for row in &rows {
            let record: String = row.try_get("record_id")?;
            let blob = read(tx, self.municipality(), row).await?;
            out.entry(record).or_default().push(blob);
        }
        Ok(out)
    }
}

/// Where two parts of an attachment meet: up to `reach` bytes before and after, with the number of the
/// later part's row in the order of the table's key. What no key opens is passed over.
pub(crate) async fn each_seam(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    reach: usize,
    mut look: impl FnMut(u64, &[u8]),
) -> Result<()> {
    let keys = sqlx::query(
        "SELECT blob_id, number FROM blob_parts WHERE municipality_id = $1 ORDER BY blob_id, number",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    for (row, key) in (1..).zip(&keys) {
        let (blob, number): (String, i64) = (key.try_get("blob_id")?, key.try_get("number")?);
        let before = opened_part(tx, municipality, &blob, number - 1).await?;
        let after = opened_part(tx, municipality, &blob, number).await?;
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        let mut seam = before
            .get(before.len().saturating_sub(reach)..)
            .unwrap_or_default()
            .to_vec();
        seam.extend_from_slice(after.get(..reach.min(after.len())).unwrap_or_default());
        look(row, &seam);
    }
    Ok(())
}

/// A part of an attachment, still sealed.
struct Part {
    case: Option<String>,
    place: &'static str,
    key: String,
    sealed: Vec<u8>,
}

impl Part {
    async fn open(&self, tx: &mut Tx, municipality: &MunicipalityId) -> Result<Vec<u8>> {
        tx.open(municipality, self.place, &self.key, &self.sealed)
            .await
    }
}

/// A part, from 0; `None` after the last.
async fn part(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    blob: &str,
    number: i64,
) -> Result<Option<Part>> {
    let (sql, place, key) = if number == 0 {
        (
            "SELECT case_id, content_sealed FROM blobs WHERE municipality_id = $1 AND id = $2 AND $3 = 0",
            "blobs.content",
            blob.to_owned(),
        )
    } else {
        (
            "SELECT b.case_id, p.content_sealed FROM blob_parts p JOIN blobs b ON b.municipality_id = p.municipality_id \
             AND b.id = p.blob_id WHERE p.municipality_id = $1 AND p.blob_id = $2 AND p.number = $3",
            "blob_parts.content",
            part_key(blob, number),
        )
    };
    let row = sqlx::query(sql)
        .bind(municipality.as_str())
        .bind(blob)
        .bind(number)
        .fetch_optional(tx.conn())
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Part {
        case: row.try_get("case_id")?,
        place,
        key,
        sealed: row.try_get("content_sealed")?,
    }))
}

async fn opened_part(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    blob: &str,
    number: i64,
) -> Result<Option<Vec<u8>>> {
    let Some(part) = part(tx, municipality, blob, number).await? else {
        return Ok(None);
    };
    match part.open(tx, municipality).await {
        Ok(plain) => Ok(Some(plain)),
        Err(StoreError::Crypto(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn drop_parts(tx: &mut Tx, access: &CaseAccess, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM blob_parts WHERE municipality_id = $1 AND blob_id = $2")
        .bind(access.municipality().as_str())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes attachments that never arrived whole, of uploads begun before `before` (an instant as it is
/// stored). Those that wait for an entry stay as long as the case.
///
/// # Errors
/// Database away.
pub async fn sweep(tx: &mut Tx, before: &str) -> Result<u64> {
    sqlx::query(
        "DELETE FROM blob_parts WHERE EXISTS (SELECT 1 FROM blobs b WHERE b.municipality_id = blob_parts.municipality_id \
         AND b.id = blob_parts.blob_id AND b.state = 'receiving' AND b.created_at < $1)",
    )
    .bind(before)
    .execute(tx.conn())
    .await?;
    let gone = sqlx::query("DELETE FROM blobs WHERE state = 'receiving' AND created_at < $1")
        .bind(before)
        .execute(tx.conn())
        .await?;
    Ok(gone.rows_affected())
}
