//! Data keys: one per case, per person and per note, one for the blind index, one for
//! the rest of a municipality; each wrapped by the municipality key.
//!
//! **Erasure:** [`Tx::destroy_key`] removes a wrapped key here. Old backups still hold it, wrapped
//! by the municipality key of then; [`rewrap`] moves every living key to a new generation, writes
//! them to the *ring* beside the key file, and drops the old generation. From then on a backup from
//! before opens only what the ring still knows ([`adopt_ring`]).
//!
//! **Invariant:** a key is destroyed only when no row is sealed under it. Whoever seals in a writing
//! transaction holds the active key's row until the commit, so that a key cannot be taken out of use
//! under an open transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::id::{CaseId, DataKeyId, DocumentId, MunicipalityId, PersonId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::crypto::{self, CryptoError, Header, Place, SecretKey};
use crate::database::{Database, Dialect, Tx, lock};
use crate::error::{Result, StoreError};
use crate::keys::{self, Generations, KeySource};

/// What a data key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Everything that belongs to no case and no person.
    Municipality,
    /// What the register holds beside persons.
    Register,
    /// One person of the register.
    Person(PersonId),
    /// One note outside cases.
    Note(DocumentId),
    /// Blind index of the register (never seals).
    Index,
    /// The file of one import and what was read from it.
    Import(String),
    /// Everything of one case.
    Case(CaseId),
}

impl Purpose {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Municipality => ("municipality", ""),
            Self::Register => ("register", ""),
            Self::Person(person) => ("person", person.as_str()),
            Self::Note(note) => ("note", note.as_str()),
            Self::Index => ("index", ""),
            Self::Import(import) => ("import", import.as_str()),
            Self::Case(case) => ("case", case.as_str()),
        }
    }

    /// Made with the first value sealed under it, not beforehand.
    const fn made_at_first_use(&self) -> bool {
        matches!(self, Self::Person(_) | Self::Note(_) | Self::Import(_))
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
    pub(crate) async fn generations(
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

    pub(crate) fn wrap(
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

    /// As [`Database::generations`], read from their source again.
    async fn generations_again(&self, municipality: &MunicipalityId) -> Result<Generations> {
        lock(&self.0.generations).remove(municipality);
        self.generations(municipality, false).await
    }

    /// Forgets every key held in memory; what is needed is unwrapped again.
    pub fn forget_keys(&self) {
        lock(&self.0.unwrapped).clear();
        lock(&self.0.generations).clear();
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
        let mut made = self
            .create_keys(municipality, std::slice::from_ref(purpose))
            .await?;
        made.pop()
            .ok_or_else(|| StoreError::Key("no key was made".into()))
    }

    /// Makes a key for each purpose; none of them may have one.
    pub(crate) async fn create_keys(
        &mut self,
        municipality: &MunicipalityId,
        purposes: &[Purpose],
    ) -> Result<Vec<DataKey>> {
        // Only a municipality without any key may get a new key file.
        let first: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT 1 FROM data_keys WHERE municipality_id = $1 LIMIT 1) AS any_key")
                .bind(municipality.as_str())
                .fetch_one(self.conn())
                .await?;
        let mut generations = self
            .database()
            .generations(municipality, first == 0)
            .await?;
        // Held until the commit: the generation cannot be changed under this transaction.
        let current = self.hold_generation(municipality).await?;
        let newest = |generations: &Generations| {
            generations
                .last_key_value()
                .map_or(0, |(n, _)| i64::from(*n))
        };
        if newest(&generations) < current {
            // Another node changed it.
            generations = self.database().generations_again(municipality).await?;
            if newest(&generations) < current {
                return Err(StoreError::Key(
                    "the key source is older than the data keys".into(),
                ));
            }
        }
        let now = self.now_text();
        let mut out = Vec::with_capacity(purposes.len());
        for chunk in purposes.chunks(500) {
            let rows: Vec<String> = (0..chunk.len())
                .map(|n| {
                    let at = 3 + 4 * n;
                    format!(
                        "($1, ${at}, ${}, ${}, ${}, 'active', $2)",
                        at + 1,
                        at + 2,
                        at + 3
                    )
                })
                .collect();
            let sql = format!(
                "INSERT INTO data_keys (municipality_id, id, purpose, owner_id, wrapped, state, created_at) VALUES {}",
                rows.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(municipality.as_str())
                .bind(now.as_str());
            for purpose in chunk {
                let id: DataKeyId = self.database().fresh();
                let key = SecretKey(self.database().random());
                let wrapped = self
                    .database()
                    .wrap(municipality, &id, &generations, &key)?;
                let (kind, owner) = purpose.columns();
                query = query
                    .bind(id.0.clone())
                    .bind(kind)
                    .bind(owner.to_owned())
                    .bind(wrapped);
                // Not cached: the transaction may still be rolled back.
                out.push(DataKey {
                    id,
                    key: Arc::new(key),
                });
            }
            query.execute(self.conn()).await?;
        }
        Ok(out)
    }

    /// The generation that wraps, its row held until the end of a writing transaction.
    pub(crate) async fn hold_generation(&mut self, municipality: &MunicipalityId) -> Result<i64> {
        sqlx::query("INSERT INTO key_generations (municipality_id, generation) VALUES ($1, 0) ON CONFLICT (municipality_id) DO NOTHING")
            .bind(municipality.as_str())
            .execute(self.conn())
            .await?;
        Ok(sqlx::query_scalar(
            "UPDATE key_generations SET generation = generation WHERE municipality_id = $1 RETURNING generation",
        )
        .bind(municipality.as_str())
        .fetch_one(self.conn())
        .await?)
    }

    async fn active_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<Option<(DataKeyId, Option<Vec<u8>>)>> {
        let (kind, owner) = purpose.columns();
        // SQLite has one writer: there nothing can change under a writing transaction.
        let sql = if self.writes() && self.database().dialect() == Dialect::Postgres {
            "SELECT id, wrapped FROM data_keys \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = 'active' FOR SHARE"
        } else {
            "SELECT id, wrapped FROM data_keys \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = 'active'"
        };
        let row = sqlx::query(sql)
            .bind(municipality.as_str())
            .bind(kind)
            .bind(owner)
            .fetch_optional(self.conn())
            .await?;
        row.map(|row| Ok((DataKeyId(row.try_get("id")?), row.try_get("wrapped")?)))
            .transpose()
    }

    /// The active key of a purpose.
    pub(crate) async fn data_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<DataKey> {
        let mut found = self.active_key(municipality, purpose).await?;
        if found.is_none() {
            // Waited for a change of the key: its new row is seen by the next statement only.
            found = self.active_key(municipality, purpose).await?;
        }
        match found {
            Some((id, wrapped)) => self.unwrapped(municipality, id, wrapped).await,
            None if purpose.made_at_first_use() && self.writes() => {
                self.create_key(municipality, purpose).await
            }
            None => Err(CryptoError::KeyMissing.into()),
        }
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

    /// Unwraps keys that are wanted together, in one look.
    pub(crate) async fn keys_at_once(
        &mut self,
        municipality: &MunicipalityId,
        ids: &[DataKeyId],
    ) -> Result<()> {
        let db = self.database().clone();
        let missing: Vec<&DataKeyId> = ids
            .iter()
            .filter(|id| db.0.cached_key(municipality, id).is_none())
            .collect();
        let rows = crate::database::rows_for(
            self,
            municipality,
            &missing,
            "SELECT id, wrapped FROM data_keys WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?;
        self.unwrap_all(municipality, &rows).await
    }

    /// Unwraps the active keys of cases in one look.
    pub(crate) async fn keys_of_cases(
        &mut self,
        municipality: &MunicipalityId,
        cases: &[CaseId],
    ) -> Result<()> {
        let rows = crate::database::rows_for(
            self,
            municipality,
            cases,
            "SELECT id, wrapped FROM data_keys WHERE municipality_id = $1 AND purpose = 'case' AND state = 'active' AND owner_id IN",
            "",
        )
        .await?;
        self.unwrap_all(municipality, &rows).await
    }

    async fn unwrap_all(&mut self, municipality: &MunicipalityId, rows: &[AnyRow]) -> Result<()> {
        for row in rows {
            let id = DataKeyId(row.try_get("id")?);
            self.unwrapped(municipality, id, row.try_get("wrapped")?)
                .await?;
        }
        Ok(())
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
        let key = match Database::unwrap_key(municipality, &id, &generations, &wrapped) {
            // Another node may have changed the generation.
            Err(StoreError::Crypto(CryptoError::KeyMissing)) => {
                let generations = db.generations_again(municipality).await?;
                Database::unwrap_key(municipality, &id, &generations, &wrapped)?
            }
            other => other?,
        };
        let key = Arc::new(key);
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
        self.seal_under(&key, municipality, column, row, plaintext)
    }

    /// As [`Tx::seal`], under a key that is at hand: made or asked for in this transaction.
    pub(crate) fn seal_under(
        &self,
        key: &DataKey,
        municipality: &MunicipalityId,
        column: &'static str,
        row: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        let header = Header {
            key: key.id.clone(),
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

    /// Takes the active key of a purpose out of use: from now on it only opens. What is sealed after the
    /// commit is sealed under a new one.
    ///
    /// # Errors
    /// Database away, keys not writable.
    pub(crate) async fn replace_key(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<DataKey> {
        let (kind, owner) = purpose.columns();
        sqlx::query(
            "UPDATE data_keys SET state = 'retired' \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = 'active'",
        )
        .bind(municipality.as_str())
        .bind(kind)
        .bind(owner)
        .execute(self.conn())
        .await?;
        self.create_key(municipality, purpose).await
    }

    /// Keys of a purpose that only open.
    pub(crate) async fn retired_keys(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<Vec<DataKeyId>> {
        let (kind, owner) = purpose.columns();
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM data_keys \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = 'retired' ORDER BY id",
        )
        .bind(municipality.as_str())
        .bind(kind)
        .bind(owner)
        .fetch_all(self.conn())
        .await?;
        Ok(found.into_iter().map(DataKeyId).collect())
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
        let active = self.destroy(municipality, purpose, "active").await?;
        Ok(active + self.destroy(municipality, purpose, "retired").await?)
    }

    /// Destroys the keys of a purpose that only open.
    pub(crate) async fn destroy_retired(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
    ) -> Result<u64> {
        self.destroy(municipality, purpose, "retired").await
    }

    async fn destroy(
        &mut self,
        municipality: &MunicipalityId,
        purpose: &Purpose,
        state: &'static str,
    ) -> Result<u64> {
        let (kind, owner) = purpose.columns();
        let now = self.now_text();
        let rows = sqlx::query(
            "UPDATE data_keys SET wrapped = NULL, state = 'destroyed', destroyed_at = $4 \
             WHERE municipality_id = $1 AND purpose = $2 AND owner_id = $3 AND state = $5 RETURNING id",
        )
        .bind(municipality.as_str())
        .bind(kind)
        .bind(owner)
        .bind(now)
        .bind(state)
        .fetch_all(self.conn())
        .await?;
        for row in &rows {
            let id = DataKeyId(row.try_get("id")?);
            self.database().0.forget_key(municipality, &id);
        }
        Ok(rows.len() as u64)
    }
}

fn stopped(error: tokio::task::JoinError) -> StoreError {
    StoreError::Key(format!("key source stopped: {}", error.is_panic()))
}

/// The generation that wraps new data keys, by municipality. It changes after keys were destroyed: who
/// holds keys in memory then forgets them.
///
/// # Errors
/// Database away.
pub async fn generations(tx: &mut Tx) -> Result<BTreeMap<MunicipalityId, i64>> {
    let rows = sqlx::query("SELECT municipality_id, generation FROM key_generations")
        .fetch_all(tx.conn())
        .await?;
    rows.iter()
        .map(|row| {
            let municipality = MunicipalityId(row.try_get("municipality_id")?);
            Ok((municipality, row.try_get("generation")?))
        })
        .collect()
}

/// The generation that a municipality's newest key has at its source.
///
/// # Errors
/// Source away.
pub async fn generation(db: &Database, municipality: &MunicipalityId) -> Result<u32> {
    let generations = db.generations_again(municipality).await?;
    Ok(generations.last_key_value().map_or(0, |(n, _)| *n))
}

/// Moves every living data key of a municipality to a new generation of its key, then drops the
/// older generations. A crash in between leaves both generations, and this can simply run again.
/// Returns how many keys there are.
///
/// # Errors
/// Keys that come from a command are rotated at their source; database or files away.
pub async fn rewrap(db: &Database, municipality: &MunicipalityId) -> Result<u64> {
    let (source, id, fresh) = (db.0.keys.clone(), municipality.clone(), db.random::<32>());
    let generations =
        tokio::task::spawn_blocking(move || keys::add_generation(&source, &id, fresh))
            .await
            .map_err(stopped)??;
    let count = wrap_all(db, municipality, generations).await?;
    let (source, id) = (db.0.keys.clone(), municipality.clone());
    let left = tokio::task::spawn_blocking(move || keys::drop_old_generations(&source, &id))
        .await
        .map_err(stopped)??;
    lock(&db.0.generations).insert(municipality.clone(), left);
    Ok(count)
}

/// Makes sure that nothing wrapped by generation `above` or an older one opens any more. `false`: the
/// keys come from a command, and whoever keeps them must first add a generation there, or take the
/// older ones away; ask again later.
///
/// # Errors
/// Source or database away.
pub async fn rotate(db: &Database, municipality: &MunicipalityId, above: u32) -> Result<bool> {
    if matches!(db.0.keys, KeySource::Files(_)) {
        rewrap(db, municipality).await?;
        return Ok(true);
    }
    let generations = db.generations_again(municipality).await?;
    let (newest, oldest) = (generations.last_key_value(), generations.first_key_value());
    if newest.is_none_or(|(n, _)| *n <= above) {
        return Ok(false);
    }
    let gone = oldest.is_some_and(|(n, _)| *n > above);
    if !gone {
        wrap_all(db, municipality, generations).await?;
    }
    Ok(gone)
}

/// Wraps every living data key by the newest of `generations` and writes the ring.
async fn wrap_all(
    db: &Database,
    municipality: &MunicipalityId,
    generations: Generations,
) -> Result<u64> {
    lock(&db.0.generations).insert(municipality.clone(), generations.clone());
    let newest = generations.last_key_value().map_or(0, |(n, _)| *n);
    // First, so that no key is made under an older generation from here on.
    let mut tx = db.write().await?;
    tx.hold_generation(municipality).await?;
    sqlx::query("UPDATE key_generations SET generation = $2 WHERE municipality_id = $1")
        .bind(municipality.as_str())
        .bind(i64::from(newest))
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    while wrap_some(db, municipality, &generations, newest).await? {
        // Whoever waits for the writer goes first.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut tx = db.read().await?;
    let rows = sqlx::query(
        "SELECT id, wrapped FROM data_keys WHERE municipality_id = $1 AND wrapped IS NOT NULL",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    drop(tx);
    let mut ring = keys::Ring::new();
    for row in &rows {
        ring.insert(row.try_get("id")?, row.try_get("wrapped")?);
    }
    let (folder, id) = (db.0.data_dir.join("keys"), municipality.clone());
    tokio::task::spawn_blocking(move || keys::write_ring(&folder, &id, &ring))
        .await
        .map_err(stopped)??;
    Ok(rows.len() as u64)
}

/// Wraps some of the keys that another generation wraps; `false` when there is none left.
async fn wrap_some(
    db: &Database,
    municipality: &MunicipalityId,
    generations: &Generations,
    newest: u32,
) -> Result<bool> {
    const BATCH: i64 = 500;
    let mut tx = db.write().await?;
    // The generation stands in the record's header, after version and key id.
    let rows = sqlx::query(
        "SELECT id, wrapped FROM data_keys WHERE municipality_id = $1 AND wrapped IS NOT NULL AND substr(wrapped, 18, 8) <> $2 LIMIT $3",
    )
    .bind(municipality.as_str())
    .bind(u64::from(newest).to_be_bytes().to_vec())
    .bind(BATCH)
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        let key_id = DataKeyId(row.try_get("id")?);
        let wrapped: Vec<u8> = row.try_get("wrapped")?;
        let key = Database::unwrap_key(municipality, &key_id, generations, &wrapped)?;
        let again = db.wrap(municipality, &key_id, generations, &key)?;
        // What was destroyed meanwhile stays so.
        sqlx::query("UPDATE data_keys SET wrapped = $3 WHERE municipality_id = $1 AND id = $2 AND wrapped = $4")
            .bind(municipality.as_str())
            .bind(key_id.as_str())
            .bind(again)
            .bind(wrapped)
            .execute(tx.conn())
            .await?;
    }
    tx.commit().await?;
    Ok(!rows.is_empty())
}

/// After a backup was restored: data keys whose generation is gone are taken from the ring, and those
/// the ring does not know were destroyed since; that is noted, and they are returned by purpose: cases
/// first, so that persons are looked at when the erased cases are gone.
///
/// # Errors
/// Key source or database away.
pub async fn adopt_ring(db: &Database, municipality: &MunicipalityId) -> Result<Vec<Purpose>> {
    let generations = db.generations_again(municipality).await?;
    let (folder, id) = (db.0.data_dir.join("keys"), municipality.clone());
    let ring = tokio::task::spawn_blocking(move || keys::read_ring(&folder, &id))
        .await
        .map_err(stopped)??;
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "SELECT id, purpose, owner_id, wrapped FROM data_keys WHERE municipality_id = $1 AND wrapped IS NOT NULL ORDER BY id",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    let now = tx.now_text();
    let mut lost = Vec::new();
    for row in &rows {
        let id: String = row.try_get("id")?;
        let wrapped: Vec<u8> = row.try_get("wrapped")?;
        let generation = crypto::header(&wrapped)?.epoch;
        if u32::try_from(generation).is_ok_and(|n| generations.contains_key(&n)) {
            continue;
        }
        let living = ring.get(&id).cloned();
        if living.is_none() {
            let owner: String = row.try_get("owner_id")?;
            match row.try_get::<String, _>("purpose")?.as_str() {
                "case" => lost.push(Purpose::Case(CaseId(owner))),
                "person" => lost.push(Purpose::Person(PersonId(owner))),
                "note" => lost.push(Purpose::Note(DocumentId(owner))),
                _ => {
                    return Err(StoreError::Key(
                        "the key file and the key ring do not belong to this backup".into(),
                    ));
                }
            }
        }
        let state = if living.is_some() {
            "active"
        } else {
            "destroyed"
        };
        sqlx::query(
            "UPDATE data_keys SET wrapped = $3, state = CASE WHEN $4 = 'destroyed' THEN 'destroyed' ELSE state END, \
             destroyed_at = CASE WHEN $4 = 'destroyed' THEN $5 ELSE destroyed_at END WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id)
        .bind(living)
        .bind(state)
        .bind(now.as_str())
        .execute(tx.conn())
        .await?;
    }
    let newest = generations.last_key_value().map_or(0, |(n, _)| *n);
    tx.hold_generation(municipality).await?;
    sqlx::query("UPDATE key_generations SET generation = $2 WHERE municipality_id = $1")
        .bind(municipality.as_str())
        .bind(i64::from(newest))
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    lost.sort_by_key(|purpose| !matches!(purpose, Purpose::Case(_)));
    Ok(lost)
}
