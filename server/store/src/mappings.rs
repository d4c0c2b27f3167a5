//! Names that other systems use for our columns and options, kept per municipality under a name.

use domain::role::Capability;
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError};
use crate::imports::may_import;

/// Most mappings of a municipality.
const MOST: i64 = 100;
const PLACE: &str = "exchange_mappings.content";

/// A mapping that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptMapping {
    pub id: String,
    /// The standard file it is for.
    pub table: String,
    pub name: String,
    /// As the pipeline writes it.
    pub content: Value,
    pub version: i64,
    pub updated_at: String,
}

/// Whether the caller may keep mappings for everybody: administrators of the municipality and of the
/// coordinator.
#[must_use]
pub fn may_edit(caller: &Caller) -> bool {
    caller.may(Capability::AdminSettings)
        || (caller.may(Capability::AdminOwnAgency) && may_import(caller))
}

fn require_read(caller: &Caller) -> Result<()> {
    if may_edit(caller) || may_import(caller) {
        Ok(())
    } else {
        Err(StoreError::Forbidden)
    }
}

async fn from_row(tx: &mut Tx, caller: &Caller, row: &AnyRow) -> Result<KeptMapping> {
    let id: String = row.try_get("id")?;
    let sealed: Vec<u8> = row.try_get("content_sealed")?;
    Ok(KeptMapping {
        content: tx
            .open_json(&caller.viewer.municipality, PLACE, &id, &sealed)
            .await?,
        table: row.try_get("table_id")?,
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        updated_at: row.try_get("updated_at")?,
        id,
    })
}

/// The municipality's mappings, by file and name.
///
/// # Errors
/// Forbidden for who neither imports nor keeps them.
pub async fn list(tx: &mut Tx, caller: &Caller) -> Result<Vec<KeptMapping>> {
    require_read(caller)?;
    let rows = sqlx::query(
        "SELECT * FROM exchange_mappings WHERE municipality_id = $1 ORDER BY table_id, name, id",
    )
    .bind(caller.viewer.municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        out.push(from_row(tx, caller, row).await?);
    }
    Ok(out)
}

/// One mapping.
///
/// # Errors
/// As [`list`].
pub async fn find(tx: &mut Tx, caller: &Caller, id: &str) -> Result<Option<KeptMapping>> {
    require_read(caller)?;
    let row = sqlx::query("SELECT * FROM exchange_mappings WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(id)
        .fetch_optional(tx.conn())
        .await?;
    match row {
        Some(row) => Ok(Some(from_row(tx, caller, &row).await?)),
        None => Ok(None),
    }
}

/// Keeps a mapping under a name, in place of the one of that file and name.
///
/// # Errors
/// Forbidden; no name; too many.
pub async fn save(
    tx: &mut Tx,
    caller: &Caller,
    table: &str,
    name: &str,
    content: &Value,
) -> Result<KeptMapping> {
    if !may_edit(caller) {
        return Err(StoreError::Forbidden);
    }
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 60 {
        return Err(StoreError::Invalid("name"));
    }
    let municipality = caller.viewer.municipality.clone();
    let present: Option<String> = sqlx::query_scalar(
        "SELECT id FROM exchange_mappings WHERE municipality_id = $1 AND table_id = $2 AND name = $3",
    )
    .bind(municipality.as_str())
    .bind(table)
    .bind(name)
    .fetch_optional(tx.conn())
    .await?;
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM exchange_mappings WHERE municipality_id = $1")
            .bind(municipality.as_str())
            .fetch_one(tx.conn())
            .await?;
    if present.is_none() && count >= MOST {
        return Err(StoreError::Invalid("too_many"));
    }
    let id = present.unwrap_or_else(|| tx.database().fresh());
    let sealed = tx
        .seal_json(&municipality, &Purpose::Municipality, PLACE, &id, content)
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO exchange_mappings (municipality_id, id, table_id, name, content_sealed, version, updated_by, updated_at) \
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7) ON CONFLICT (municipality_id, id) DO UPDATE SET \
         content_sealed = excluded.content_sealed, version = exchange_mappings.version + 1, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(table)
    .bind(name)
    .bind(sealed)
    .bind(caller.viewer.account.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    find(tx, caller, &id).await?.ok_or(StoreError::NotFound)
}

/// Removes a mapping. `false`: there is none.
///
/// # Errors
/// Forbidden.
pub async fn remove(tx: &mut Tx, caller: &Caller, id: &str) -> Result<bool> {
    if !may_edit(caller) {
        return Err(StoreError::Forbidden);
    }
    let done = sqlx::query("DELETE FROM exchange_mappings WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected() > 0)
}
