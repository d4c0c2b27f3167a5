//! Presets of the disclosure matrix that a municipality defined itself. They name no case and no person.

use domain::disclosure_preset::Preset;
use domain::role::Capability;
use sqlx::Row;

use crate::access::Caller;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// Most presets of a municipality.
const MOST: i64 = 50;

/// A municipality's own preset.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnPreset {
    pub id: String,
    pub version: i64,
    pub preset: Preset,
    pub updated_at: String,
}

/// Presets of the caller's municipality, in the order in which they were made.
///
/// # Errors
/// Forbidden for who neither reads cases nor defines presets.
pub async fn list(tx: &mut Tx, caller: &Caller) -> Result<Vec<OwnPreset>> {
    if !caller.may(Capability::ReadCases) && !caller.may(Capability::AdminForms) {
        return Err(StoreError::Forbidden);
    }
    let rows = sqlx::query(
        "SELECT id, version, content, updated_at FROM disclosure_presets WHERE municipality_id = $1 ORDER BY created_at, id",
    )
    .bind(caller.viewer.municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(OwnPreset {
                id: row.try_get("id")?,
                version: row.try_get("version")?,
                preset: serde_json::from_str(&row.try_get::<String, _>("content")?)
                    .map_err(|_| StoreError::Corrupt("disclosure_presets.content"))?,
                updated_at: row.try_get("updated_at")?,
            })
        })
        .collect()
}

fn content(preset: &Preset) -> Result<String> {
    let bytes = crate::database::encode(preset)?;
    String::from_utf8(bytes).map_err(|_| StoreError::Corrupt("disclosure_presets.content"))
}

/// Defines a preset. The caller has checked it ([`Preset::check`]).
///
/// # Errors
/// Forbidden without the right to define them; `Invalid("too_many")`.
pub async fn create(tx: &mut Tx, caller: &Caller, preset: &Preset) -> Result<String> {
    caller.require(Capability::AdminForms)?;
    let municipality = caller.viewer.municipality.clone();
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM disclosure_presets WHERE municipality_id = $1")
            .bind(municipality.as_str())
            .fetch_one(tx.conn())
            .await?;
    if count >= MOST {
        return Err(StoreError::Invalid("too_many"));
    }
    let id: String = tx.database().fresh();
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO disclosure_presets (municipality_id, id, version, content, created_at, updated_at, updated_by) \
         VALUES ($1, $2, 1, $3, $4, $4, $5)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(content(preset)?)
    .bind(now)
    .bind(caller.viewer.account.as_str())
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// Changes the preset that stands at `version`. What was set by it stays as it is.
///
/// # Errors
/// As [`create`]; `NotFound`, `Conflict`.
pub async fn update(
    tx: &mut Tx,
    caller: &Caller,
    id: &str,
    version: i64,
    preset: &Preset,
) -> Result<()> {
    caller.require(Capability::AdminForms)?;
    held(tx, caller, id, Some(version)).await?;
    let now = tx.now_text();
    sqlx::query(
        "UPDATE disclosure_presets SET version = version + 1, content = $3, updated_at = $4, updated_by = $5 \
         WHERE municipality_id = $1 AND id = $2",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(id)
    .bind(content(preset)?)
    .bind(now)
    .bind(caller.viewer.account.as_str())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a preset. What was set by it stays as it is.
///
/// # Errors
/// Forbidden, `NotFound`.
pub async fn remove(tx: &mut Tx, caller: &Caller, id: &str) -> Result<()> {
    caller.require(Capability::AdminForms)?;
    held(tx, caller, id, None).await?;
    sqlx::query("DELETE FROM disclosure_presets WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Keeps the preset from being changed by others until the transaction ends.
async fn held(tx: &mut Tx, caller: &Caller, id: &str, version: Option<i64>) -> Result<()> {
    let present: Option<i64> = sqlx::query_scalar(
        "UPDATE disclosure_presets SET version = version WHERE municipality_id = $1 AND id = $2 RETURNING version",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    match (present, version) {
        (None, _) => Err(StoreError::NotFound),
        (Some(present), Some(version)) if present != version => Err(StoreError::Conflict),
        _ => Ok(()),
    }
}
