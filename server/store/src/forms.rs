//! The sheets of a municipality: what ships with what it added (`domain::form::local`, ADR 0019).
//!
//! A publication never changes once it is made, so what was read of one is kept for good; which one
//! is the newest is asked of the database every time, one row by its key. No node can be behind.

use std::sync::Arc;

use domain::{
    form::{
        self, Catalogue, Form,
        local::{Changes, Extension, Problem},
    },
    id::{AccountId, MunicipalityId},
    role::Capability,
};
use sqlx::Row;

use crate::access::Caller;
use crate::database::{Tx, lock};
use crate::documents::DocumentInfo;
use crate::error::{Result, StoreError};

/// Longest note of a publication, in code points.
pub const MAX_NOTE: usize = 500;
/// Catalogues that are kept in memory.
const KEPT: usize = 256;

/// A publication, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// From 1.
    pub version: u32,
    pub note: String,
    pub changes: Changes,
    pub account: AccountId,
    pub at: String,
}

/// What is being prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Grows with every change.
    pub revision: i64,
    pub extension: Extension,
    pub account: AccountId,
    pub at: String,
}

/// Why a draft is not kept or published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else changed it meanwhile.
    Stale,
    /// There is nothing new to publish.
    Unchanged,
    Problems(Vec<Problem>),
}

/// The right to add to the sheets of the own municipality.
#[derive(Debug, Clone)]
pub struct FormsAccess {
    caller: Caller,
}

fn version(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt("form_publications.version"))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(what))
}

impl Tx {
    /// The sheets of a municipality as they are now.
    ///
    /// # Errors
    /// Database away.
    pub async fn forms(&mut self, municipality: &MunicipalityId) -> Result<Arc<Catalogue>> {
        let newest = newest(self, municipality).await?;
        let found = self.forms_at(municipality, newest).await?;
        found.ok_or(StoreError::Corrupt("form_publications"))
    }

    /// The sheets of a municipality under one of its publications; 0 = as they ship. `None` when
    /// there is no such publication.
    ///
    /// # Errors
    /// Database away.
    pub async fn forms_at(
        &mut self,
        municipality: &MunicipalityId,
        at: u32,
    ) -> Result<Option<Arc<Catalogue>>> {
        if at == 0 {
            return Ok(Some(Arc::clone(form::catalogue())));
        }
        let key = (municipality.clone(), at);
        if let Some(kept) = lock(&self.database().0.forms).get(&key) {
            return Ok(Some(Arc::clone(kept)));
        }
        let Some(extension) = published(self, municipality, at).await? else {
            return Ok(None);
        };
        let made = Arc::new(extension.extend(form::catalogue(), at));
        let db = self.database().clone();
        let mut kept = lock(&db.0.forms);
        if kept.len() >= KEPT {
            kept.clear();
        }
        // Whoever was faster: everybody has the same one.
        Ok(Some(Arc::clone(kept.entry(key).or_insert(made))))
    }

    /// The form that gives a document its fields, as the municipality has it now; `None` for kinds
    /// without one.
    ///
    /// # Errors
    /// Database away.
    pub async fn form_of(&mut self, info: &DocumentInfo) -> Result<Option<Form>> {
        let Some(form) = info.form.as_deref() else {
            return Ok(None);
        };
        let forms = self.forms(&info.municipality).await?;
        Ok(Form::of(&forms, form))
    }

    /// The right to add fields to the sheets, if the caller has it.
    #[must_use]
    pub fn forms_for(&self, caller: &Caller) -> Option<FormsAccess> {
        caller.may(Capability::AdminForms).then(|| FormsAccess {
            caller: caller.clone(),
        })
    }
}

async fn newest(tx: &mut Tx, municipality: &MunicipalityId) -> Result<u32> {
    if let Some(told) = tx.told.forms.get(municipality) {
        return Ok(*told);
    }
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT version FROM form_publications WHERE municipality_id = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(municipality.as_str())
    .fetch_optional(tx.conn())
    .await?;
    let newest = version(newest.unwrap_or(0))?;
    if !tx.writes() {
        tx.told.forms.insert(municipality.clone(), newest);
    }
    Ok(newest)
}

async fn published(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    at: u32,
) -> Result<Option<Extension>> {
    if at == 0 {
        return Ok(Some(Extension::default()));
    }
    let text: Option<String> = sqlx::query_scalar(
        "SELECT extension FROM form_publications WHERE municipality_id = $1 AND version = $2",
    )
    .bind(municipality.as_str())
    .bind(i64::from(at))
    .fetch_optional(tx.conn())
    .await?;
    text.map(|text| parsed(&text, "form_publications.extension"))
        .transpose()
}

impl FormsAccess {
    fn municipality(&self) -> &MunicipalityId {
        &self.caller.viewer.municipality
    }

    /// Number and content of the newest publication; 0 and nothing when there is none.
    ///
    /// # Errors
    /// Database away.
    pub async fn published(&self, tx: &mut Tx) -> Result<(u32, Extension)> {
        let at = newest(tx, self.municipality()).await?;
        let extension = published(tx, self.municipality(), at).await?;
        Ok((at, extension.unwrap_or_default()))
    }

    /// What is being prepared, if anything.
    ///
    /// # Errors
    /// Database away.
    pub async fn draft(&self, tx: &mut Tx) -> Result<Option<Draft>> {
        let row = sqlx::query(
            "SELECT revision, extension, account_id, at FROM form_drafts WHERE municipality_id = $1",
        )
        .bind(self.municipality().as_str())
        .fetch_optional(tx.conn())
        .await?;
        row.map(|row| {
            Ok(Draft {
                revision: row.try_get("revision")?,
                extension: parsed(
                    &row.try_get::<String, _>("extension")?,
                    "form_drafts.extension",
                )?,
                account: AccountId(row.try_get("account_id")?),
                at: row.try_get("at")?,
            })
        })
        .transpose()
    }

    /// All publications, the newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn history(&self, tx: &mut Tx) -> Result<Vec<Publication>> {
        let rows = sqlx::query(
            "SELECT version, note, changes, account_id, at FROM form_publications WHERE municipality_id = $1 ORDER BY version DESC",
        )
        .bind(self.municipality().as_str())
        .fetch_all(tx.conn())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Publication {
                    version: version(row.try_get("version")?)?,
                    note: row.try_get("note")?,
                    changes: parsed(
                        &row.try_get::<String, _>("changes")?,
                        "form_publications.changes",
                    )?,
                    account: AccountId(row.try_get("account_id")?),
                    at: row.try_get("at")?,
                })
            })
            .collect()
    }

    /// Keeps what is being prepared, in place of the draft of this revision (`None` = there was
    /// none). Whatever is new in it gets its id. Mistakes do not hinder: a draft may be half done.
    ///
    /// # Errors
    /// Database away.
    pub async fn keep_draft(
        &self,
        tx: &mut Tx,
        revision: Option<i64>,
        mut extension: Extension,
    ) -> Result<std::result::Result<(), Refused>> {
        let (_, published) = self.published(tx).await?;
        let before = self.draft(tx).await?;
        if before.as_ref().map(|draft| draft.revision) != revision {
            return Ok(Err(Refused::Stale));
        }
        let mut known = vec![&published];
        known.extend(before.as_ref().map(|draft| &draft.extension));
        let db = tx.database().clone();
        let random = || u32::from_be_bytes(db.random());
        if let Err(problem) = extension.assign_ids(&known, random) {
            return Ok(Err(Refused::Problems(vec![problem])));
        }
        let text = String::from_utf8_lossy(&crate::database::encode(&extension)?).into_owned();
        // The revision in the condition: of two who write at once, one is told.
        let done = sqlx::query(
            "INSERT INTO form_drafts (municipality_id, revision, extension, account_id, at) VALUES ($1, 1, $2, $3, $4) \
             ON CONFLICT (municipality_id) DO UPDATE SET revision = form_drafts.revision + 1, extension = $2, account_id = $3, at = $4 \
             WHERE form_drafts.revision = $5",
        )
        .bind(self.municipality().as_str())
        .bind(text)
        .bind(self.caller.viewer.account.as_str())
        .bind(tx.now_text())
        .bind(revision.unwrap_or(0))
        .execute(tx.conn())
        .await?;
        Ok(if done.rows_affected() == 0 {
            Err(Refused::Stale)
        } else {
            Ok(())
        })
    }

    /// Throws away what is being prepared.
    ///
    /// # Errors
    /// Database away.
    pub async fn drop_draft(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query("DELETE FROM form_drafts WHERE municipality_id = $1")
            .bind(self.municipality().as_str())
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Makes the draft of this revision the newest publication. Whoever commits tells the rooms
    /// ([`Tx::rights_changed`] for the municipality): they take it over.
    ///
    /// # Errors
    /// `note` missing or too long; database away.
    pub async fn publish(
        &self,
        tx: &mut Tx,
        revision: i64,
        note: &str,
    ) -> Result<std::result::Result<Publication, Refused>> {
        let note = crate::accounts::trimmed(note, "note", MAX_NOTE)?;
        let Some(draft) = self.draft(tx).await? else {
            return Ok(Err(Refused::Unchanged));
        };
        if draft.revision != revision {
            return Ok(Err(Refused::Stale));
        }
        let (before, former) = self.published(tx).await?;
        if draft.extension == former {
            return Ok(Err(Refused::Unchanged));
        }
        let problems = draft.extension.problems(form::catalogue(), &former);
        if !problems.is_empty() {
            return Ok(Err(Refused::Problems(problems)));
        }
        let made = Publication {
            version: before + 1,
            note,
            changes: draft.extension.changes_since(&former),
            account: self.caller.viewer.account.clone(),
            at: tx.now_text(),
        };
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        let done = sqlx::query(
            "INSERT INTO form_publications (municipality_id, version, extension, changes, note, account_id, membership_id, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (municipality_id, version) DO NOTHING",
        )
        .bind(self.municipality().as_str())
        .bind(i64::from(made.version))
        .bind(text(crate::database::encode(&draft.extension)?))
        .bind(text(crate::database::encode(&made.changes)?))
        .bind(made.note.as_str())
        .bind(made.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(made.at.as_str())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Err(Refused::Stale));
        }
        self.drop_draft(tx).await?;
        Ok(Ok(made))
    }
}
