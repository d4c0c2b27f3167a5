//! Data keys: one per case, one for the register, one for the blind index, one for the rest of a
//! municipality; each wrapped by the municipality key.
//!
//! **Erasure:** [`Tx::destroy_key`] removes a wrapped key here. Old backups still hold it, wrapped
//! by the municipality key of then; [`rewrap`] moves every living key to a new generation and drops
//! the old one, after which a backup opens only what the *newest* `data_keys` table still knows.
//! A restore therefore takes that table from the newest backup.

use std::sync::Arc;

use domain::id::{CaseId, DataKeyId, MunicipalityId};
use sqlx::Row;

use crate::crypto::{self, CryptoError, Header, Place, SecretKey};
use crate::database::{Database, Tx, lock};
use crate::error::{Result, StoreError};
use crate::keys::{self, Generations};

/// What a data key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Everything that belongs to no case and no person.
    Municipality,
    /// Persons and households.
    Register,
    /// Blind index of the register (never seals).
    Index,
    /// Everything of one case.
    Case(CaseId),
}

impl Purpose {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Municipality => ("municipality", ""),
            Self::Register => ("register", ""),
            Self::Index => ("index", ""),
            Self::Case(case) => ("case", case.as_str()),
        }
    }
}

/// An unwrapped data key.
#[derive(Debug, Clone)]
pub struct DataKey {
    pub id: DataKeyId,
    pub(crate) key: Arc<SecretKey>,
}

const WRAPPED: &str = "data_keys.wrapped";

impl Database {
    /// The municipality's key generations; with `create` a missing key file is made.
    async fn generations(
        &self,
        municipality: &MunicipalityId,
        create: bool,
    ) -> Result<Generations> {
        if let Some(known) = lock(&self.0.generations).get(municipality) {
            return Ok(known.clone());
        }
        let fresh = create.then(|| self.random::<32>());
        let (source, id) = (self.0.keys.clone(), municipality.clone());
        let loaded = tokio::task::spawn_blocking(move || keys::load(&source, &id, fresh))
            .await
            .map_err(|_| StoreError::Key("key source stopped".into()))??;
        lock(&self.0.generations).insert(municipality.clone(), loaded.clone());
        Ok(loaded)
    }

    fn wrap(
        &self,
        municipality: &MunicipalityId,
        id: &DataKeyId,
        generations: &Generations,
        key: &SecretKey,
    ) -> Result<Vec<u8>> {
        let (generation, kek) = generations
            .last_key_value()
            .ok_or_else(|| StoreError::Key("no municipality key".into()))?;
        let header = Header {
            key: id.clone(),
            epoch: u64::from(*generation),
            seq: 0,
        };
        let place = Place {
            municipality: municipality.as_str(),
            column: WRAPPED,
            row: id.as_str(),
        };
        Ok(crypto::seal(kek, &header, &place, self.random(), &key.0)?)
    }

    fn unwrap_key(
        municipality: &MunicipalityId,
        id: &DataKeyId,
        generations: &Generations,
        wrapped: &[u8],
    ) -> Result<SecretKey> {
        let header = crypto::header(wrapped)?;
        let kek = u32::try_from(header.epoch)
            .ok()
            .and_then(|generation| generations.get(&generation))
            .ok_or(CryptoError::KeyMissing)?;
        let place = Place {
            municipality: municipality.as_str(),
            column: WRAPPED,
            row: id.as_str(),
        };
        let plain = zeroize::Zeroizing::new(crypto::open(kek, &place, wrapped)?);
        let bytes: [u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| CryptoError::Content)?;
        Ok(SecretKey(bytes))
    }
}

impl Tx {
    pub(crate) async fn create_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<DataKey> {
        // Only a municipality without any key may get a new key file.
        let first: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM data_keys WHERE municipality_id = $1")
                .bind(municipality.as_str())
                .fetch_one(self.conn())
                .await?;
        let generations = self
            .database()
            .generations(municipality, first == 0)
            .await?;
        let id: DataKeyId = self.database().fresh();
        let key = SecretKey(self.database().random());
        let wrapped = self
            .database()
            .wrap(municipality, &id, &generations, &key)?;
        let (kind, owner) = purpose.columns();
        let now = self.now_text();
        sqlx::query(
            "INSERT INTO data_keys (municipality_id, id, purpose, owner_id, wrapped, state, created_at) \
             VALUES ($1, $2, $3, $4, $5, 'active', $6)",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(kind)
        .bind(owner)
        .bind(wrapped)
        .bind(now)
        .execute(self.conn())
        .await?;
        // Not cached: the transaction may still be rolled back.
        Ok(DataKey {
            id,
            key: Arc::new(key),
        })
    }

    /// The active key of a purpose.
    pub(crate) async fn data_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<DataKey> {
        let (kind, owner) = purpose.columns();
        let row = sqlx::query(
            "SELECT id, wrapped FROM data_keys \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = 'active'",
        )
        .bind(municipality.as_str())
        .bind(kind)
        .bind(owner)
        .fetch_optional(self.conn())
        .await?
        .ok_or(CryptoError::KeyMissing)?;
        let id = DataKeyId(row.try_get("id")?);
        let wrapped: Option<Vec<u8>> = row.try_get("wrapped")?;
        self.unwrapped(municipality, id, wrapped).await
    }

    /// A key by the id in a record's header (also retired ones).
    pub(crate) async fn key_by_id(
        &mut self,
        municipality: &MunicipalityId,
        id: &DataKeyId,
    ) -> Result<DataKey> {
        if let Some(key) = self.database().0.cached_key(municipality, id) {
            return Ok(DataKey {
                id: id.clone(),
                key,
            });
        }
        let wrapped: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT wrapped FROM data_keys WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(self.conn())
        .await?
        .flatten();
        self.unwrapped(municipality, id.clone(), wrapped).await
    }

    async fn unwrapped(
        &mut self,
        municipality: &MunicipalityId,
        id: DataKeyId,
        wrapped: Option<Vec<u8>>,
    ) -> Result<DataKey> {
        let db = self.database().clone();
        if let Some(key) = db.0.cached_key(municipality, &id) {
            return Ok(DataKey { id, key });
        }
        let wrapped = wrapped.ok_or(CryptoError::KeyMissing)?;
        let generations = db.generations(municipality, false).await?;
        let key = Arc::new(Database::unwrap_key(
            municipality,
            &id,
            &generations,
            &wrapped,
        )?);
        db.0.cache_key(municipality, &id, key.clone());
        Ok(DataKey { id, key })
    }

    /// Seals bytes for a row.
    pub(crate) async fn seal(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
        column: &'static str,
        row: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        let key = self.data_key(municipality, purpose).await?;
        let header = Header {
            key: key.id,
            epoch: 0,
            seq: 0,
        };
        let place = Place {
            municipality: municipality.as_str(),
            column,
            row,
        };
        Ok(crypto::seal(
            &key.key,
            &header,
            &place,
            self.database().random(),
            plaintext,
        )?)
    }

    /// Opens what [`Tx::seal`] made.
    pub(crate) async fn open(
        &mut self,
        municipality: &MunicipalityId,
        column: &'static str,
        row: &str,
        record: &[u8],
    ) -> Result<Vec<u8>> {
        let header = crypto::header(record)?;
        let key = self.key_by_id(municipality, &header.key).await?;
        let place = Place {
            municipality: municipality.as_str(),
            column,
            row,
        };
        Ok(crypto::open(&key.key, &place, record)?)
    }

    pub(crate) async fn seal_json<T: serde::Serialize + ?Sized>(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
        column: &'static str,
        row: &str,
        value: &T,
    ) -> Result<Vec<u8>> {
        let plain = zeroize::Zeroizing::new(crate::database::encode(value)?);
        self.seal(municipality, purpose, column, row, &plain).await
    }

    pub(crate) async fn open_json<T: serde::de::DeserializeOwned>(
        &mut self,
        municipality: &MunicipalityId,
        column: &'static str,
        row: &str,
        record: &[u8],
    ) -> Result<T> {
        let plain = zeroize::Zeroizing::new(self.open(municipality, column, row, record).await?);
        crate::database::decode(&plain)
    }

    pub(crate) async fn open_text(
        &mut self,
        municipality: &MunicipalityId,
        column: &'static str,
        row: &str,
        record: &[u8],
    ) -> Result<String> {
        let plain = self.open(municipality, column, row, record).await?;
        String::from_utf8(plain).map_err(|_| StoreError::Crypto(CryptoError::Content))
    }

    /// Destroys every data key of a purpose: what it sealed can no longer be read here. See the
    /// module's text for old backups. Returns how many keys went.
    ///
    /// # Errors
    /// Database away.
    pub async fn destroy_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<u64> {
        let (kind, owner) = purpose.columns();
        let now = self.now_text();
        let rows = sqlx::query(
            "UPDATE data_keys SET wrapped = NULL, state = 'destroyed', destroyed_at = $4 \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state <> 'destroyed' RETURNING id",
        )
        .bind(municipality.as_str())
        .bind(kind)
        .bind(owner)
        .bind(now)
        .fetch_all(self.conn())
        .await?;
        for row in &rows {
            let id = DataKeyId(row.try_get("id")?);
            self.database().0.forget_key(municipality, &id);
        }
        Ok(rows.len() as u64)
    }
}

/// Moves every living data key of a municipality to a new generation of its key, then drops the
/// older generations. A crash in between leaves both generations, and this can simply run again.
///
/// # Errors
/// Keys that come from a command are rotated at their source; database or files away.
pub async fn rewrap(db: &Database, municipality: &MunicipalityId) -> Result<u64> {
    let (source, id, fresh) = (db.0.keys.clone(), municipality.clone(), db.random::<32>());
    let blocking = |error: tokio::task::JoinError| {
        StoreError::Key(format!("key source stopped: {}", error.is_panic()))
    };
    let generations =
        tokio::task::spawn_blocking(move || keys::add_generation(&source, &id, fresh))
            .await
            .map_err(blocking)??;
    lock(&db.0.generations).insert(municipality.clone(), generations.clone());
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "SELECT id, wrapped FROM data_keys WHERE municipality_id = $1 AND wrapped IS NOT NULL",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        let key_id = DataKeyId(row.try_get("id")?);
        let wrapped: Vec<u8> = row.try_get("wrapped")?;
        let key = Database::unwrap_key(municipality, &key_id, &generations, &wrapped)?;
        let wrapped = db.wrap(municipality, &key_id, &generations, &key)?;
        sqlx::query("UPDATE data_keys SET wrapped = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(key_id.as_str())
            .bind(wrapped)
            .execute(tx.conn())
            .await?;
    }
    tx.commit().await?;
    let (source, id) = (db.0.keys.clone(), municipality.clone());
    let left = tokio::task::spawn_blocking(move || keys::drop_old_generations(&source, &id))
        .await
        .map_err(blocking)??;
    lock(&db.0.generations).insert(municipality.clone(), left);
    Ok(rows.len() as u64)
}
