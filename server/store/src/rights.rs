//! Whose rights changed, for every node on this database. Written in the transaction that changes
//! them, so that no node can miss it: the bus between nodes only says when to look.

use collab::access::Change;
use domain::clock::instant_text;
use domain::id::MunicipalityId;
use jiff::SignedDuration;
use sqlx::{AnyPool, Row};

use crate::database::{Database, Dialect, Tx};
use crate::error::Result;

/// Changes are kept this long; a node that was away longer asks for everybody anew.
const KEPT: SignedDuration = SignedDuration::from_mins(10);

/// A change with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub municipality: MunicipalityId,
    pub seq: i64,
    pub change: Change,
}

impl Tx {
    /// Says that rights in the municipality change with this transaction.
    pub fn rights_changed(&mut self, municipality: &MunicipalityId, change: Change) {
        self.rights.push((municipality.clone(), change));
    }

    /// As [`Tx::commit`]; returns the changes of rights with their numbers.
    ///
    /// # Errors
    /// As [`Tx::commit`].
    pub async fn commit_rights(mut self) -> Result<Vec<Recorded>> {
        let recorded = flush(&mut self).await?;
        self.commit().await?;
        Ok(recorded)
    }
}

pub(crate) async fn flush(tx: &mut Tx) -> Result<Vec<Recorded>> {
    let mut changes = std::mem::take(&mut tx.rights);
    changes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let at = tx.now_text();
    let mut recorded = Vec::with_capacity(changes.len());
    for (municipality, change) in changes {
        // The head's row lock is held until the commit: numbers appear in commit order.
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO rights_heads (municipality_id, seq) VALUES ($1, 1) \
             ON CONFLICT (municipality_id) DO UPDATE SET seq = rights_heads.seq + 1 RETURNING seq",
        )
        .bind(municipality.as_str())
        .fetch_one(tx.conn())
        .await?;
        sqlx::query(
            "INSERT INTO rights_changes (municipality_id, seq, at, change) VALUES ($1, $2, $3, $4)",
        )
        .bind(municipality.as_str())
        .bind(seq)
        .bind(at.as_str())
        .bind(String::from_utf8_lossy(&crate::database::encode(&change)?).into_owned())
        .execute(tx.conn())
        .await?;
        recorded.push(Recorded {
            municipality,
            seq,
            change,
        });
    }
    Ok(recorded)
}

impl Database {
    /// Connections that pages do not take: a busy server must still hear of a right that is gone.
    fn beside(&self) -> &AnyPool {
        match self.0.dialect {
            Dialect::Sqlite => self.reader(),
            Dialect::Postgres => &self.0.log_reader,
        }
    }

    /// How many changes of rights each municipality has seen.
    ///
    /// # Errors
    /// Database away.
    pub async fn rights_heads(&self) -> Result<Vec<(MunicipalityId, i64)>> {
        let rows = sqlx::query("SELECT municipality_id, seq FROM rights_heads")
            .fetch_all(self.beside())
            .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    MunicipalityId(row.try_get("municipality_id")?),
                    row.try_get("seq")?,
                ))
            })
            .collect()
    }

    /// Changes of rights after a number, oldest first. `None`: some of them are swept already.
    ///
    /// # Errors
    /// Database away.
    pub async fn rights_after(
        &self,
        municipality: &MunicipalityId,
        seq: i64,
    ) -> Result<Option<Vec<Recorded>>> {
        let rows = sqlx::query(
            "SELECT seq, change FROM rights_changes WHERE municipality_id = $1 AND seq > $2 ORDER BY seq",
        )
        .bind(municipality.as_str())
        .bind(seq)
        .fetch_all(self.beside())
        .await?;
        let mut changes = Vec::with_capacity(rows.len());
        for (row, expected) in rows.iter().zip(seq + 1..) {
            let text: String = row.try_get("change")?;
            let Ok(change) = serde_json::from_str(&text) else {
                // Of a newer version: more than this one can tell apart.
                return Ok(None);
            };
            let seq: i64 = row.try_get("seq")?;
            if seq != expected {
                return Ok(None);
            }
            changes.push(Recorded {
                municipality: municipality.clone(),
                seq,
                change,
            });
        }
        Ok(Some(changes))
    }
}

/// Removes changes that every living node has seen.
///
/// # Errors
/// Database away.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let before = instant_text(tx.now() - KEPT);
    let done = sqlx::query("DELETE FROM rights_changes WHERE at < $1")
        .bind(before)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected())
}
