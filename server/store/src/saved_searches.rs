//! Searches that an account keeps under a name, and those it made last. The words may be names: they are
//! sealed, and nobody but the account reads them.

use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// Most searches that one account keeps.
const MOST_SAVED: usize = 50;
/// Searches that are remembered of each account.
const MOST_RECENT: usize = 20;

const COLUMN: &str = "saved_searches.content";

/// What was searched for: the words and the filters as the screen sent them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Name of a saved search; empty for a recent one.
    #[serde(default)]
    pub name: String,
    pub words: String,
    #[serde(default)]
    pub filters: serde_json::Value,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// A kept search.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedSearch {
    pub id: String,
    pub used_at: String,
    pub kept: Kept,
}

async fn list(tx: &mut Tx, caller: &Caller, kind: &str) -> Result<Vec<SavedSearch>> {
    let municipality = caller.viewer.municipality.clone();
    let rows = sqlx::query(
        "SELECT id, used_at, content_sealed FROM saved_searches WHERE municipality_id = $1 AND account_id = $2 AND kind = $3 \
         ORDER BY used_at DESC, id DESC",
    )
    .bind(municipality.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(kind)
    .fetch_all(tx.conn())
    .await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.try_get("id")?;
        let sealed: Vec<u8> = row.try_get("content_sealed")?;
        out.push(SavedSearch {
            kept: tx.open_json(&municipality, COLUMN, &id, &sealed).await?,
            used_at: row.try_get("used_at")?,
            id,
        });
    }
    Ok(out)
}

async fn insert(tx: &mut Tx, caller: &Caller, kind: &str, kept: &Kept) -> Result<SavedSearch> {
    let municipality = caller.viewer.municipality.clone();
    let id: String = tx.database().fresh();
    let sealed = tx
        .seal_json(&municipality, &Purpose::Municipality, COLUMN, &id, kept)
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO saved_searches (municipality_id, id, account_id, kind, content_sealed, used_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(kind)
    .bind(sealed)
    .bind(now.as_str())
    .execute(tx.conn())
    .await?;
    Ok(SavedSearch {
        id,
        used_at: now,
        kept: kept.clone(),
    })
}

/// The caller's saved searches.
///
/// # Errors
/// Database away.
pub async fn saved(tx: &mut Tx, caller: &Caller) -> Result<Vec<SavedSearch>> {
    list(tx, caller, "saved").await
}

/// The caller's last searches, the newest first.
///
/// # Errors
/// Database away.
pub async fn recent(tx: &mut Tx, caller: &Caller) -> Result<Vec<SavedSearch>> {
    list(tx, caller, "recent").await
}

/// Keeps a search under a name, in place of one of that name.
///
/// # Errors
/// No name, or too many.
pub async fn save(tx: &mut Tx, caller: &Caller, kept: &Kept) -> Result<SavedSearch> {
    if kept.name.trim().is_empty() {
        return Err(StoreError::Invalid("name"));
    }
    let before = saved(tx, caller).await?;
    for same in before.iter().filter(|saved| saved.kept.name == kept.name) {
        remove(tx, caller, &same.id).await?;
    }
    if before
        .iter()
        .filter(|saved| saved.kept.name != kept.name)
        .count()
        >= MOST_SAVED
    {
        return Err(StoreError::Invalid("too_many"));
    }
    insert(tx, caller, "saved", kept).await
}

/// Remembers what was searched for last.
///
/// # Errors
/// Database away.
pub async fn remember(tx: &mut Tx, caller: &Caller, words: &str) -> Result<()> {
    let before = recent(tx, caller).await?;
    if before.first().is_some_and(|last| last.kept.words == words) {
        return Ok(());
    }
    let (same, others): (Vec<_>, Vec<_>) = before
        .into_iter()
        .partition(|recent| recent.kept.words == words);
    for old in same.iter().chain(others.iter().skip(MOST_RECENT - 1)) {
        remove(tx, caller, &old.id).await?;
    }
    let kept = Kept {
        name: String::new(),
        words: words.to_owned(),
        filters: serde_json::Value::Null,
    };
    insert(tx, caller, "recent", &kept).await?;
    Ok(())
}

/// Forgets a kept search of the caller. `false`: there is none.
///
/// # Errors
/// Database away.
pub async fn remove(tx: &mut Tx, caller: &Caller, id: &str) -> Result<bool> {
    let done = sqlx::query(
        "DELETE FROM saved_searches WHERE municipality_id = $1 AND account_id = $2 AND id = $3",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(id)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets what the caller searched for last.
///
/// # Errors
/// Database away.
pub async fn forget_recent(tx: &mut Tx, caller: &Caller) -> Result<()> {
    sqlx::query("DELETE FROM saved_searches WHERE municipality_id = $1 AND account_id = $2 AND kind = 'recent'")
        .bind(caller.viewer.municipality.as_str())
        .bind(caller.viewer.account.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}
