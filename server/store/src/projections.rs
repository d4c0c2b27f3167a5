//! Projections: a document's values as last built by the worker, in full and masked. A masked
//! reader gets only the masked one, and only of the present epoch.

use serde::Serialize;
use sqlx::Row;

use domain::disclosure::Level;
use domain::role::Capability;

use crate::database::Tx;
use crate::documents::{DocumentAccess, DocumentWork, purpose};
use crate::error::{Result, StoreError};
use crate::outbox;

/// For whom a projection was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Readers of the original.
    Full,
    /// マスク済み閲覧.
    Masked,
}

impl Audience {
    const fn code(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Masked => "masked",
        }
    }
}

/// A stored projection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Projection {
    pub audience: Audience,
    pub epoch: u64,
    pub seq: u64,
    pub generated_at: String,
    pub value: serde_json::Value,
}

const COLUMN: &str = "document_projections.value";

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl DocumentWork {
    /// Stores a projection unless a newer one is there. `false`: it was outrun or the epoch passed.
    ///
    /// # Errors
    /// Database away.
    pub async fn store_projection(
        &self,
        tx: &mut Tx,
        audience: Audience,
        epoch: u64,
        seq: u64,
        value: &serde_json::Value,
    ) -> Result<bool> {
        let row = format!("{}/{}", self.info.id, audience.code());
        let sealed = tx
            .seal_json(
                &self.info.municipality,
                &purpose(&self.info),
                COLUMN,
                &row,
                value,
            )
            .await?;
        let now = tx.now_text();
        let done = sqlx::query(
            "INSERT INTO document_projections (municipality_id, document_id, audience, epoch, seq, generated_at, value_sealed) \
             SELECT $1, $2, $3, $4, $5, $6, $7 FROM documents WHERE municipality_id = $1 AND id = $2 AND epoch <= $4 \
             ON CONFLICT (municipality_id, document_id, audience) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, \
             generated_at = excluded.generated_at, value_sealed = excluded.value_sealed \
             WHERE document_projections.epoch < excluded.epoch \
                OR (document_projections.epoch = excluded.epoch AND document_projections.seq <= excluded.seq)",
        )
        .bind(self.info.municipality.as_str())
        .bind(self.info.id.as_str())
        .bind(audience.code())
        .bind(signed(epoch))
        .bind(signed(seq))
        .bind(now)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let payload = serde_json::json!({ "audience": audience, "seq": seq });
        outbox::put(
            tx,
            &self.info.municipality,
            "projection",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            payload,
        );
        Ok(true)
    }

    /// The stored projection of the present epoch.
    ///
    /// # Errors
    /// Database away.
    pub async fn projection(&self, tx: &mut Tx, audience: Audience) -> Result<Option<Projection>> {
        load(tx, &self.info, audience).await
    }
}

async fn load(
    tx: &mut Tx,
    info: &crate::documents::DocumentInfo,
    audience: Audience,
) -> Result<Option<Projection>> {
    // The epoch is compared in the query: what was built before an erasure is never shown.
    let row = sqlx::query(
        "SELECT p.epoch, p.seq, p.generated_at, p.value_sealed FROM document_projections p \
         JOIN documents d ON d.municipality_id = p.municipality_id AND d.id = p.document_id AND d.epoch = p.epoch \
         WHERE p.municipality_id = $1 AND p.document_id = $2 AND p.audience = $3",
    )
    .bind(info.municipality.as_str())
    .bind(info.id.as_str())
    .bind(audience.code())
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let key = format!("{}/{}", info.id, audience.code());
    let value = tx
        .open_json(
            &info.municipality,
            COLUMN,
            &key,
            &row.try_get::<Vec<u8>, _>("value_sealed")?,
        )
        .await?;
    Ok(Some(Projection {
        audience,
        epoch: u64::try_from(row.try_get::<i64, _>("epoch")?).unwrap_or(0),
        seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0),
        generated_at: row.try_get("generated_at")?,
        value,
    }))
}

impl DocumentAccess {
    /// The projection for the caller's level: masked for a masked reader, else full. `None` when
    /// none was built yet: a masked reader then sees nothing.
    ///
    /// # Errors
    /// Database away.
    pub async fn projection(&self, tx: &mut Tx) -> Result<Option<Projection>> {
        let audience = if self.decision().level >= Level::Read {
            Audience::Full
        } else {
            Audience::Masked
        };
        load(tx, &self.info, audience).await
    }

    /// The masked projection as a partner would see it: for reviewers of the masks.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn masked_projection(&self, tx: &mut Tx) -> Result<Option<Projection>> {
        let manages =
            self.decision().level == Level::Edit && self.caller.may(Capability::ManageDisclosure);
        if !manages && !self.may_review() {
            return Err(StoreError::Forbidden);
        }
        load(tx, &self.info, Audience::Masked).await
    }
}
