//! Entries of the 支援経過 that are being written: kept at every pause, one per writer and case, for the
//! writing agency alone. A colleague of the agency can take one over and go on.

use domain::disclosure::Level;
use domain::id::{AccountId, AgencyId, PersonId};
use serde_json::{Map, Value};
use sqlx::Row;

use crate::accounts;
use crate::cases::{CaseAccess, Named};
use crate::database::Tx;
use crate::error::{Result, StoreError};
use crate::progress::entry_level;

const COLUMN: &str = "progress_drafts.content";

/// A draft as its agency sees it.
#[derive(Clone, PartialEq)]
pub struct Draft {
    pub id: String,
    /// Goes up with every change; 1 at first.
    pub version: i64,
    pub by: Named,
    /// The caller's own.
    pub mine: bool,
    pub updated_at: String,
    /// The form as the screen keeps it.
    pub content: Map<String, Value>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({}, {})", self.id, self.version)
    }
}

impl CaseAccess {
    fn drafts_allowed(&self) -> Result<()> {
        if self.may_write_progress() {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }

    /// The own agency's drafts in this case, the caller's own first. One about somebody from whom the
    /// caller is excluded does not exist for the caller.
    ///
    /// # Errors
    /// Forbidden without the right to write entries.
    pub async fn progress_drafts(&self, tx: &mut Tx) -> Result<Vec<Draft>> {
        self.drafts_allowed()?;
        let viewer = self.caller.viewer.clone();
        let rows = sqlx::query(
            "SELECT id, account_id, version, updated_at, content_sealed FROM progress_drafts \
             WHERE municipality_id = $1 AND case_id = $2 AND agency_id = $3 ORDER BY updated_at DESC, id",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(viewer.agency.as_str())
        .fetch_all(tx.conn())
        .await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            let content: Map<String, Value> = tx
                .open_json(self.municipality(), COLUMN, &id, &sealed)
                .await?;
            let account: String = row.try_get("account_id")?;
            let mine = account == viewer.account.as_str();
            if !mine && !self.sees_draft(tx, &viewer.agency, &content).await? {
                continue;
            }
            out.push(Draft {
                version: row.try_get("version")?,
                updated_at: row.try_get("updated_at")?,
                by: Named {
                    id: account,
                    name: String::new(),
                },
                mine,
                content,
                id,
            });
        }
        let writers: Vec<AccountId> = out
            .iter()
            .map(|draft| AccountId(draft.by.id.clone()))
            .collect();
        let names = accounts::names(tx, self.municipality(), &writers).await?;
        for draft in &mut out {
            draft.by.name = names
                .get(&AccountId(draft.by.id.clone()))
                .cloned()
                .unwrap_or_default();
        }
        out.sort_by_key(|draft| !draft.mine);
        Ok(out)
    }

    /// Only who reads the entry in the original once it is finished.
    async fn sees_draft(
        &self,
        tx: &mut Tx,
        agency: &AgencyId,
        content: &Map<String, Value>,
    ) -> Result<bool> {
        let named: Vec<PersonId> = content
            .get("persons")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(PersonId::from)
            .collect();
        // A draft keeps the ids it was given; somebody merged since is the person who was kept.
        let merged = tx.merged_into(self.municipality(), &named).await?;
        let persons = named
            .iter()
            .map(|id| merged.get(id).unwrap_or(id).clone())
            .collect();
        Ok(entry_level(&self.caller.viewer, &self.facts, agency, persons) >= Level::Read)
    }

    /// Keeps the caller's draft. `version` is what the caller knows of it: 0 = there is none.
    /// Returns id and new version.
    ///
    /// # Errors
    /// Forbidden; conflict: changed or taken over meanwhile.
    pub async fn keep_progress_draft(
        &self,
        tx: &mut Tx,
        version: i64,
        content: &Map<String, Value>,
    ) -> Result<(String, i64)> {
        self.drafts_allowed()?;
        let viewer = self.caller.viewer.clone();
        let now = tx.now_text();
        if version == 0 {
            let id: String = tx.database().fresh();
            let sealed = tx
                .seal_json(self.municipality(), &self.purpose(), COLUMN, &id, content)
                .await?;
            let done = sqlx::query(
                "INSERT INTO progress_drafts (municipality_id, id, case_id, agency_id, account_id, content_sealed, version, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7) ON CONFLICT (municipality_id, case_id, agency_id, account_id) DO NOTHING",
            )
            .bind(self.municipality().as_str())
            .bind(id.as_str())
            .bind(self.id().as_str())
            .bind(viewer.agency.as_str())
            .bind(viewer.account.as_str())
            .bind(sealed)
            .bind(now)
            .execute(tx.conn())
            .await?;
            return if done.rows_affected() == 1 {
                Ok((id, 1))
            } else {
                Err(StoreError::Conflict)
            };
        }
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM progress_drafts WHERE municipality_id = $1 AND case_id = $2 AND agency_id = $3 AND account_id = $4",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(viewer.agency.as_str())
        .bind(viewer.account.as_str())
        .fetch_optional(tx.conn())
        .await?;
        let id = id.ok_or(StoreError::Conflict)?;
        let sealed = tx
            .seal_json(self.municipality(), &self.purpose(), COLUMN, &id, content)
            .await?;
        let done = sqlx::query(
            "UPDATE progress_drafts SET content_sealed = $4, version = version + 1, updated_at = $5 \
             WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(version)
        .bind(sealed)
        .bind(now)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 1 {
            Ok((id, version + 1))
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Takes a colleague's draft over, as it stands at `version`, with its attachments. From then on it
    /// is the caller's.
    ///
    /// # Errors
    /// Not found; `Taken`: the caller has a draft of the own; conflict: changed meanwhile.
    pub async fn take_progress_draft(&self, tx: &mut Tx, id: &str, version: i64) -> Result<Draft> {
        let drafts = self.progress_drafts(tx).await?;
        let draft = drafts
            .iter()
            .find(|draft| draft.id == id)
            .ok_or(StoreError::NotFound)?;
        if draft.mine {
            return Ok(draft.clone());
        }
        if drafts.iter().any(|draft| draft.mine) {
            return Err(StoreError::Taken("draft"));
        }
        let account = self.caller.viewer.account.clone();
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE progress_drafts SET account_id = $4, version = version + 1, updated_at = $5 \
             WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality().as_str())
        .bind(id)
        .bind(version)
        .bind(account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        let attachments = draft.content.get("attachments").and_then(Value::as_array);
        for blob in attachments
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("id").and_then(Value::as_str))
        {
            sqlx::query(
                "UPDATE blobs SET created_by = $5 WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND created_by = $4 AND record_id IS NULL",
            )
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(blob)
            .bind(draft.by.id.as_str())
            .bind(account.as_str())
            .execute(tx.conn())
            .await?;
        }
        let taken = self.progress_drafts(tx).await?;
        taken
            .into_iter()
            .find(|draft| draft.mine)
            .ok_or(StoreError::NotFound)
    }

    /// Throws the caller's own draft away, with the attachments that wait for it.
    ///
    /// # Errors
    /// Not found.
    pub async fn discard_progress_draft(&self, tx: &mut Tx, id: &str) -> Result<()> {
        self.end_progress_draft(tx, id)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => StoreError::NotFound,
                other => other,
            })?;
        for blob in self.waiting_blobs(tx).await? {
            self.discard_blob(tx, &blob.id).await?;
        }
        Ok(())
    }

    /// The caller's draft has become an entry.
    ///
    /// # Errors
    /// Conflict: it is gone, for another screen has ended it, or somebody has taken it over.
    pub(crate) async fn end_progress_draft(&self, tx: &mut Tx, id: &str) -> Result<()> {
        self.drafts_allowed()?;
        let done = sqlx::query(
            "DELETE FROM progress_drafts WHERE municipality_id = $1 AND case_id = $2 AND id = $3 AND agency_id = $4 AND account_id = $5",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(id)
        .bind(self.caller.viewer.agency.as_str())
        .bind(self.caller.viewer.account.as_str())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }
}
