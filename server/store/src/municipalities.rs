//! Municipalities: first part of every key, with their zone, switched functions and demo mark.

use domain::id::MunicipalityId;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError, taken};

/// A municipality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Municipality {
    pub id: MunicipalityId,
    pub name: String,
    /// IANA name of the zone of its business dates.
    pub zone: String,
    /// Functions switched on: code → true/false or settings.
    pub capabilities: serde_json::Value,
    pub demo: bool,
}

impl Municipality {
    /// The zone; UTC when the name is unknown to this program.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }
}

/// Creates a municipality with its keys. The id becomes a file name: letters, digits, `-`, `_`.
///
/// # Errors
/// Unknown zone, id taken or unusable, keys not writable.
pub async fn create(tx: &mut Tx, municipality: &Municipality) -> Result<()> {
    TimeZone::get(&municipality.zone).map_err(|_| StoreError::Invalid("zone"))?;
    let now = tx.now_text();
    sqlx::query("INSERT INTO municipalities (id, name, zone, capabilities, demo, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(municipality.id.as_str())
        .bind(municipality.name.as_str())
        .bind(municipality.zone.as_str())
        .bind(municipality.capabilities.to_string())
        .bind(i64::from(municipality.demo))
        .bind(now)
        .execute(tx.conn())
        .await
        .map_err(taken("municipality"))?;
    for purpose in [Purpose::Municipality, Purpose::Register, Purpose::Index] {
        tx.create_key(&municipality.id, &purpose).await?;
    }
    Ok(())
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<Municipality> {
    Ok(Municipality {
        id: MunicipalityId(row.try_get("id")?),
        name: row.try_get("name")?,
        zone: row.try_get("zone")?,
        capabilities: serde_json::from_str(&row.try_get::<String, _>("capabilities")?)
            .map_err(|_| StoreError::Corrupt("municipalities.capabilities"))?,
        demo: row.try_get::<i64, _>("demo")? != 0,
    })
}

/// One municipality.
///
/// # Errors
/// Database away.
pub async fn get(tx: &mut Tx, id: &MunicipalityId) -> Result<Option<Municipality>> {
    let row = sqlx::query("SELECT * FROM municipalities WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// All municipalities of the installation (workers, command line).
///
/// # Errors
/// Database away.
pub async fn list(tx: &mut Tx) -> Result<Vec<Municipality>> {
    let rows = sqlx::query("SELECT * FROM municipalities ORDER BY id")
        .fetch_all(tx.conn())
        .await?;
    rows.iter().map(from_row).collect()
}

/// Replaces the switched functions.
///
/// # Errors
/// Unknown municipality.
pub async fn set_capabilities(
    tx: &mut Tx,
    id: &MunicipalityId,
    capabilities: &serde_json::Value,
) -> Result<()> {
    let done = sqlx::query("UPDATE municipalities SET capabilities = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(capabilities.to_string())
        .execute(tx.conn())
        .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::NotFound)
    }
}
