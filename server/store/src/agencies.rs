//! Agencies of a municipality and the legal bodies behind them.

use std::collections::BTreeMap;

use domain::agency::AgencyClass;
use domain::id::{AgencyId, MunicipalityId, OrganisationId};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::accounts::{AdminAccess, trimmed};
use crate::database::Tx;
use crate::error::{Result, StoreError, taken};

/// An agency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agency {
    pub id: AgencyId,
    pub organisation: Option<OrganisationId>,
    pub name: String,
    pub class: AgencyClass,
    /// Option list `org_type`.
    pub org_type: Option<String>,
    pub phone: Option<String>,
    pub active: bool,
    pub version: i64,
}

/// A new agency.
#[derive(Debug, Clone, Deserialize)]
pub struct NewAgency {
    pub name: String,
    pub class: AgencyClass,
    pub org_type: Option<String>,
    pub phone: Option<String>,
    pub organisation: Option<OrganisationId>,
}

/// Changed fields; the class stays, for rights hang on it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AgencyPatch {
    pub name: Option<String>,
    pub org_type: Option<String>,
    pub phone: Option<String>,
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<Agency> {
    Ok(Agency {
        id: AgencyId(row.try_get("id")?),
        organisation: row
            .try_get::<Option<String>, _>("organisation_id")?
            .map(OrganisationId),
        name: row.try_get("name")?,
        class: AgencyClass::from_code(&row.try_get::<String, _>("class")?)
            .ok_or(StoreError::Corrupt("agencies.class"))?,
        org_type: row.try_get("org_type")?,
        phone: row.try_get("phone")?,
        active: row.try_get::<String, _>("state")? == "active",
        version: row.try_get("version")?,
    })
}

/// All agencies of a municipality, by name. Which agencies exist is no secret within it.
///
/// # Errors
/// Database away.
pub async fn list(tx: &mut Tx, municipality: &MunicipalityId) -> Result<Vec<Agency>> {
    let rows =
        sqlx::query("SELECT * FROM agencies WHERE municipality_id = $1 ORDER BY class, name, id")
            .bind(municipality.as_str())
            .fetch_all(tx.conn())
            .await?;
    rows.iter().map(from_row).collect()
}

/// One agency.
///
/// # Errors
/// Database away.
pub async fn get(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    id: &AgencyId,
) -> Result<Option<Agency>> {
    let row = sqlx::query("SELECT * FROM agencies WHERE municipality_id = $1 AND id = $2")
        .bind(municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// All agencies by id, for joining names and classes to what is listed.
///
/// # Errors
/// Database away.
pub async fn by_id(
    tx: &mut Tx,
    municipality: &MunicipalityId,
) -> Result<BTreeMap<AgencyId, Agency>> {
    if let Some(told) = tx.told.agencies.get(municipality) {
        return Ok(told.clone());
    }
    let agencies: BTreeMap<AgencyId, Agency> = list(tx, municipality)
        .await?
        .into_iter()
        .map(|agency| (agency.id.clone(), agency))
        .collect();
    if !tx.writes() {
        tx.told
            .agencies
            .insert(municipality.clone(), agencies.clone());
    }
    Ok(agencies)
}

impl AdminAccess {
    fn require_municipal(&self) -> Result<()> {
        if self.is_municipal() {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }

    /// Creates a legal body.
    ///
    /// # Errors
    /// Without reach over the municipality, or an unusable name.
    pub async fn create_organisation(
        &self,
        tx: &mut Tx,
        name: &str,
        corporate_number: Option<&str>,
    ) -> Result<OrganisationId> {
        self.require_municipal()?;
        let name = trimmed(name, "name", 200)?;
        let id: OrganisationId = tx.database().fresh();
        let now = tx.now_text();
        sqlx::query("INSERT INTO organisations (municipality_id, id, name, corporate_number, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .bind(name)
            .bind(corporate_number.map(str::to_owned))
            .bind(now)
            .execute(tx.conn())
            .await?;
        Ok(id)
    }

    /// Creates an agency.
    ///
    /// # Errors
    /// Name taken, or without reach over the municipality.
    pub async fn create_agency(&self, tx: &mut Tx, new: &NewAgency) -> Result<AgencyId> {
        self.require_municipal()?;
        let name = trimmed(&new.name, "name", 200)?;
        let id: AgencyId = tx.database().fresh();
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO agencies (municipality_id, id, organisation_id, name, class, org_type, phone, state, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', 1, $8)",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(new.organisation.clone().map(|id| id.0))
        .bind(name)
        .bind(new.class.code())
        .bind(new.org_type.clone())
        .bind(new.phone.clone())
        .bind(now)
        .execute(tx.conn())
        .await
        .map_err(taken("agency_name"))?;
        Ok(id)
    }

    /// Changes an agency that stands at `version`.
    ///
    /// # Errors
    /// Conflict, name taken, or out of reach.
    pub async fn update_agency(
        &self,
        tx: &mut Tx,
        id: &AgencyId,
        version: i64,
        patch: &AgencyPatch,
    ) -> Result<()> {
        if !self.reaches_agency(id) {
            return Err(StoreError::NotFound);
        }
        let name = patch
            .name
            .as_deref()
            .map(|name| trimmed(name, "name", 200))
            .transpose()?;
        let done = sqlx::query(
            "UPDATE agencies SET name = COALESCE($4, name), org_type = COALESCE($5, org_type), phone = COALESCE($6, phone), \
             version = version + 1 WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(version)
        .bind(name)
        .bind(patch.org_type.clone())
        .bind(patch.phone.clone())
        .execute(tx.conn())
        .await
        .map_err(taken("agency_name"))?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        match get(tx, &self.municipality, id).await? {
            Some(_) => Err(StoreError::Conflict),
            None => Err(StoreError::NotFound),
        }
    }

    /// Stops an agency: sessions in its memberships end at once, none of them can be chosen.
    ///
    /// # Errors
    /// Unknown agency or without reach over the municipality.
    pub async fn stop_agency(&self, tx: &mut Tx, id: &AgencyId) -> Result<()> {
        self.set_agency_state(tx, id, "stopped").await?;
        sqlx::query(
            "DELETE FROM sessions WHERE municipality_id = $1 AND membership_id IN \
             (SELECT id FROM memberships WHERE municipality_id = $1 AND agency_id = $2)",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// Takes an agency back.
    ///
    /// # Errors
    /// As [`AdminAccess::stop_agency`].
    pub async fn reactivate_agency(&self, tx: &mut Tx, id: &AgencyId) -> Result<()> {
        self.set_agency_state(tx, id, "active").await
    }

    async fn set_agency_state(
        &self,
        tx: &mut Tx,
        id: &AgencyId,
        state: &'static str,
    ) -> Result<()> {
        self.require_municipal()?;
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE agencies SET state = $3, stopped_at = CASE WHEN $3 = 'stopped' THEN $4 ELSE NULL END, version = version + 1 \
             WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(state)
        .bind(now)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        crate::outbox::put(
            tx,
            &self.municipality,
            crate::case_list::AGENCY,
            id.as_str(),
            None,
            serde_json::Value::Null,
        );
        Ok(())
    }
}
