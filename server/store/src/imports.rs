//! Imports (取込) under way: the file, what came of checking it, and how far it got. They belong to the
//! account that sent the file; nobody else sees them.
//!
//! **Invariant:** everything of the file stands under one key of its own. It goes when the import ends,
//! after a day, and with any erasure of the municipality: an upload must not outlive what was erased.

use std::collections::BTreeMap;

use domain::clock::instant_text;
use domain::id::{AccountId, MembershipId, MunicipalityId};
use domain::role::Capability;
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::{Database, Tx, decode, encode};
use crate::error::{Result, StoreError};
use crate::sessions;

/// How long an import that is not finished keeps its file.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long is remembered that an import was made, without anything of the file.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Imports of one account that keep a file at once.
const MOST: i64 = 5;
/// A value is split at this size, so that no row of the database grows without bound.
const PIECE: usize = 4 << 20;

const PLACE: &str = "import_parts.content";

/// How far an import got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// The file is read and compared with what is there.
    Checking,
    /// Differences and errors can be looked at; nothing was written.
    Ready,
    /// Being written, in one transaction.
    Applying,
    /// Written; what was new or changed in documents is carried to them one by one, to the end.
    Filling,
    /// Written; the entries that look-ups need are made.
    Indexing,
    Done,
    /// Nothing was written, or see [`ImportState::cut_short`].
    Failed,
}

/// How often something was begun.
#[derive(Default, Serialize, serde::Deserialize)]
struct Tries {
    state: String,
    count: u32,
}

impl ImportState {
    /// Code in the database and in answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Applying => "applying",
            Self::Filling => "filling",
            Self::Indexing => "indexing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Why an import failed that was written, but got no further; `None`: it was not written.
    #[must_use]
    pub const fn cut_short(self) -> Option<&'static str> {
        match self {
            Self::Filling => Some("cut_off"),
            Self::Indexing => Some("unindexed"),
            _ => None,
        }
    }

    fn parse(code: &str) -> Result<Self> {
        [
            Self::Checking,
            Self::Ready,
            Self::Applying,
            Self::Filling,
            Self::Indexing,
            Self::Done,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.code() == code)
        .ok_or(StoreError::Corrupt("imports.state"))
    }
}

/// An import without its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    pub municipality: MunicipalityId,
    pub id: String,
    /// The standard file it is.
    pub table: String,
    pub state: ImportState,
    pub account: AccountId,
    pub membership: MembershipId,
    scopes: Vec<String>,
    /// Rows by what becomes of them: `create`, `update`, `same`, `error`.
    pub counts: BTreeMap<String, i64>,
    /// Why it failed, as a code.
    pub failure: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

fn from_row(row: &AnyRow) -> Result<Import> {
    let json = |column: &str| row.try_get::<String, _>(column);
    Ok(Import {
        municipality: MunicipalityId(row.try_get("municipality_id")?),
        id: row.try_get("id")?,
        table: row.try_get("table_id")?,
        state: ImportState::parse(&row.try_get::<String, _>("state")?)?,
        account: AccountId(row.try_get("account_id")?),
        membership: MembershipId(row.try_get("membership_id")?),
        scopes: decode(json("scopes")?.as_bytes())?,
        counts: decode(json("counts")?.as_bytes())?,
        failure: row.try_get("failure")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid("json"))
}

/// Whether the caller may bring files of that kind in.
#[must_use]
pub fn may_import(caller: &Caller) -> bool {
    caller.may(Capability::EditPersons) && caller.may(Capability::EditCase)
}

/// Keeps a file that is to be imported.
///
/// # Errors
/// Forbidden; `too_many` while the account has others that are not finished.
pub async fn create(
    tx: &mut Tx,
    caller: &Caller,
    table: &str,
    file: &[u8],
    options: &impl Serialize,
) -> Result<Import> {
    if !may_import(caller) {
        return Err(StoreError::Forbidden);
    }
    let viewer = &caller.viewer;
    let open: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM imports WHERE municipality_id = $1 AND account_id = $2 AND state IN ('checking', 'ready', 'applying', 'filling')",
    )
    .bind(viewer.municipality.as_str())
    .bind(viewer.account.as_str())
    .fetch_one(tx.conn())
    .await?;
    if open >= MOST {
        return Err(StoreError::Invalid("too_many"));
    }
    let now = tx.now_text();
    let import = Import {
        municipality: viewer.municipality.clone(),
        id: tx.database().fresh(),
        table: table.to_owned(),
        state: ImportState::Checking,
        account: viewer.account.clone(),
        membership: viewer.membership.clone(),
        scopes: caller.scopes.clone(),
        counts: BTreeMap::new(),
        failure: None,
        created_at: now.clone(),
        updated_at: now.clone(),
    };
    sqlx::query(
        "INSERT INTO imports (municipality_id, id, table_id, state, account_id, membership_id, scopes, counts, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, '{}', $8, $8)",
    )
    .bind(import.municipality.as_str())
    .bind(import.id.as_str())
    .bind(table)
    .bind(import.state.code())
    .bind(viewer.account.as_str())
    .bind(viewer.membership.as_str())
    .bind(json(&import.scopes)?)
    .bind(now)
    .execute(tx.conn())
    .await?;
    for (number, piece) in (0..).zip(file.chunks(PIECE)) {
        put(tx, &import, "file", number, piece).await?;
    }
    import.put_part(tx, "options", 0, options).await?;
    Ok(import)
}

async fn put(tx: &mut Tx, import: &Import, kind: &str, number: i64, plain: &[u8]) -> Result<()> {
    let place = format!("{}/{kind}/{number}", import.id);
    let sealed = tx
        .seal(
            &import.municipality,
            &Purpose::Import(import.id.clone()),
            PLACE,
            &place,
            plain,
        )
        .await?;
    sqlx::query(
        "INSERT INTO import_parts (municipality_id, import_id, kind, number, content_sealed) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (municipality_id, import_id, kind, number) DO UPDATE SET content_sealed = excluded.content_sealed",
    )
    .bind(import.municipality.as_str())
    .bind(import.id.as_str())
    .bind(kind)
    .bind(number)
    .bind(sealed)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The caller's imports, the newest first; what was compared under another membership stays there.
///
/// # Errors
/// Database away.
pub async fn list(tx: &mut Tx, caller: &Caller) -> Result<Vec<Import>> {
    let rows = sqlx::query(
        "SELECT * FROM imports WHERE municipality_id = $1 AND account_id = $2 AND membership_id = $3 ORDER BY created_at DESC, id DESC LIMIT 30",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(caller.viewer.membership.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter().map(from_row).collect()
}

/// One of the caller's imports.
///
/// # Errors
/// Database away.
pub async fn find(tx: &mut Tx, caller: &Caller, id: &str) -> Result<Option<Import>> {
    let row = sqlx::query(
        "SELECT * FROM imports WHERE municipality_id = $1 AND account_id = $2 AND id = $3 AND membership_id = $4",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(id)
    .bind(caller.viewer.membership.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.as_ref().map(from_row).transpose()
}

/// The imports that wait for the worker: of each municipality the oldest, so that none is left out
/// because others have more.
///
/// # Errors
/// Database away.
pub async fn due(db: &Database) -> Result<Vec<Import>> {
    let mut tx = db.read().await?;
    let rows = sqlx::query(
        "SELECT * FROM (SELECT imports.*, ROW_NUMBER() OVER (PARTITION BY municipality_id ORDER BY created_at, id) AS place \
         FROM imports WHERE state IN ('checking', 'applying', 'filling', 'indexing')) AS waiting \
         WHERE place <= 20 ORDER BY place, created_at, id",
    )
    .fetch_all(tx.conn())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Removes the files of imports that nobody finished within a day, and forgets the oldest.
///
/// # Errors
/// Database away.
pub async fn sweep(db: &Database) -> Result<usize> {
    let now = db.clock().now();
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "SELECT * FROM imports WHERE state IN ('checking', 'ready', 'applying', 'filling', 'indexing') AND updated_at < $1 ORDER BY id",
    )
    .bind(instant_text(now - KEPT))
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        let import = from_row(row)?;
        let why = import.state.cut_short().unwrap_or("expired");
        import.end(&mut tx, ImportState::Failed, Some(why)).await?;
    }
    let ended = rows.len();
    sqlx::query("DELETE FROM imports WHERE state IN ('done', 'failed') AND updated_at < $1")
        .bind(instant_text(now - REMEMBERED))
        .execute(tx.conn())
        .await?;
    tx.commit().await?;
    Ok(ended)
}

/// Ends every import of a municipality that still has a file: something is being erased, and it may
/// stand in one of them.
pub(crate) async fn end_all(tx: &mut Tx, municipality: &MunicipalityId) -> Result<u64> {
    let rows = sqlx::query(
        "SELECT * FROM imports WHERE municipality_id = $1 AND state IN ('checking', 'ready', 'applying', 'filling') ORDER BY id",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        from_row(row)?
            .end(tx, ImportState::Failed, Some("erasure"))
            .await?;
    }
    Ok(rows.len() as u64)
}

impl Import {
    /// Who sent the file, with the rights of now. `None`: may not work any more.
    ///
    /// # Errors
    /// Database away.
    pub async fn caller(&self, tx: &mut Tx) -> Result<Option<Caller>> {
        let found =
            sessions::caller_in(tx, &self.municipality, &self.account, &self.membership).await?;
        Ok(found
            .map(|caller| Caller {
                scopes: self.scopes.clone(),
                ..caller
            })
            .filter(may_import))
    }

    /// Keeps a part of what came of the check.
    ///
    /// # Errors
    /// Database away.
    pub async fn put_part<T: Serialize + ?Sized>(
        &self,
        tx: &mut Tx,
        kind: &str,
        number: i64,
        value: &T,
    ) -> Result<()> {
        let plain = zeroize::Zeroizing::new(encode(value)?);
        put(tx, self, kind, number, &plain).await
    }

    /// Says that the worker is at it, before it is: what brings a node down is counted too. Returns how
    /// often it was begun in this state; `None`: it has gone on meanwhile.
    ///
    /// # Errors
    /// Database away.
    pub async fn begin(&self, tx: &mut Tx) -> Result<Option<u32>> {
        let there: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM imports WHERE municipality_id = $1 AND id = $2 AND state = $3",
        )
        .bind(self.municipality.as_str())
        .bind(self.id.as_str())
        .bind(self.state.code())
        .fetch_one(tx.conn())
        .await?;
        if there == 0 {
            return Ok(None);
        }
        // The last step has no parts any more, nor a key for them.
        if self.state == ImportState::Indexing {
            return Ok(Some(1));
        }
        let former: Option<Tries> = self.part(tx, "tries", 0).await?;
        let former = former.filter(|former| former.state == self.state.code());
        let tries = Tries {
            state: self.state.code().to_owned(),
            count: former.map_or(0, |former| former.count) + 1,
        };
        self.put_part(tx, "tries", 0, &tries).await?;
        Ok(Some(tries.count))
    }

    /// A part of what came of the check.
    ///
    /// # Errors
    /// Database away, or a part that cannot be read.
    pub async fn part<T: DeserializeOwned>(
        &self,
        tx: &mut Tx,
        kind: &str,
        number: i64,
    ) -> Result<Option<T>> {
        match self.bytes(tx, kind, number).await? {
            Some(plain) => Ok(Some(decode(&plain)?)),
            None => Ok(None),
        }
    }

    async fn bytes(&self, tx: &mut Tx, kind: &str, number: i64) -> Result<Option<Vec<u8>>> {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT content_sealed FROM import_parts WHERE municipality_id = $1 AND import_id = $2 AND kind = $3 AND number = $4",
        )
        .bind(self.municipality.as_str())
        .bind(self.id.as_str())
        .bind(kind)
        .bind(number)
        .fetch_optional(tx.conn())
        .await?;
        match sealed {
            Some(sealed) => {
                let place = format!("{}/{kind}/{number}", self.id);
                Ok(Some(
                    tx.open(&self.municipality, PLACE, &place, &sealed).await?,
                ))
            }
            None => Ok(None),
        }
    }

    /// The file as it was sent; empty when it is gone.
    ///
    /// # Errors
    /// Database away.
    pub async fn file(&self, tx: &mut Tx) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut number = 0;
        while let Some(piece) = self.bytes(tx, "file", number).await? {
            file.extend(piece);
            number += 1;
        }
        Ok(file)
    }

    /// Removes what came of an earlier check.
    ///
    /// # Errors
    /// Database away.
    pub async fn clear_results(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query(
            "DELETE FROM import_parts WHERE municipality_id = $1 AND import_id = $2 AND kind NOT IN ('file', 'options')",
        )
        .bind(self.municipality.as_str())
        .bind(self.id.as_str())
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// Goes on to another state, if it is still in the one that was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was first.
    pub async fn advance(
        &mut self,
        tx: &mut Tx,
        state: ImportState,
        counts: Option<&BTreeMap<String, i64>>,
    ) -> Result<()> {
        let counts = counts.unwrap_or(&self.counts).clone();
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE imports SET state = $4, counts = $5, updated_at = $6 WHERE municipality_id = $1 AND id = $2 AND state = $3",
        )
        .bind(self.municipality.as_str())
        .bind(self.id.as_str())
        .bind(self.state.code())
        .bind(state.code())
        .bind(json(&counts)?)
        .bind(now.as_str())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        self.state = state;
        self.counts = counts;
        self.updated_at = now;
        Ok(())
    }

    /// Ends the import: its file and everything read from it go, with their key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has gone on meanwhile.
    pub async fn end(
        mut self,
        tx: &mut Tx,
        state: ImportState,
        failure: Option<&str>,
    ) -> Result<()> {
        self.advance(tx, state, None).await?;
        self.drop_parts(tx).await?;
        sqlx::query("UPDATE imports SET failure = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality.as_str())
            .bind(self.id.as_str())
            .bind(failure.map(str::to_owned))
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Removes the file and everything read from it but the parts of one kind.
    ///
    /// # Errors
    /// Database away.
    pub async fn keep_only(&self, tx: &mut Tx, kind: &str) -> Result<()> {
        sqlx::query(
            "DELETE FROM import_parts WHERE municipality_id = $1 AND import_id = $2 AND kind <> $3",
        )
        .bind(self.municipality.as_str())
        .bind(self.id.as_str())
        .bind(kind)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// Removes the file and everything read from it, with their key.
    ///
    /// # Errors
    /// Database away.
    pub async fn drop_parts(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query("DELETE FROM import_parts WHERE municipality_id = $1 AND import_id = $2")
            .bind(self.municipality.as_str())
            .bind(self.id.as_str())
            .execute(tx.conn())
            .await?;
        tx.destroy_key(&self.municipality, &Purpose::Import(self.id.clone()))
            .await?;
        Ok(())
    }
}
