//! Changes for consumers (index, vectors, alerts, events of a case). Written with the transaction
//! that made them; gapless and in commit order per municipality, so a position is enough for
//! exactly-once effects when the consumer moves it in the transaction of its effect.

use domain::id::{CaseId, DocumentId, MunicipalityId};
use serde::Serialize;
use sqlx::Row;

use crate::database::Tx;
use crate::error::Result;

/// A change to announce; codes and ids only.
#[derive(Debug, Clone)]
pub struct Change {
    pub municipality: MunicipalityId,
    pub topic: &'static str,
    pub object: String,
    pub case: Option<CaseId>,
    pub payload: serde_json::Value,
}

/// A change as a consumer reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Announced {
    pub seq: i64,
    pub at: String,
    pub topic: String,
    pub object: String,
    pub case: Option<CaseId>,
    pub payload: serde_json::Value,
}

/// Announces a change when the transaction is committed.
pub fn put(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    topic: &'static str,
    object: impl Into<String>,
    case: Option<&CaseId>,
    payload: serde_json::Value,
) {
    tx.changes.push(Change {
        municipality: municipality.clone(),
        topic,
        object: object.into(),
        case: case.cloned(),
        payload,
    });
}

pub(crate) async fn flush(tx: &mut Tx) -> Result<()> {
    let mut changes = std::mem::take(&mut tx.changes);
    changes.sort_by(|a, b| a.municipality.cmp(&b.municipality));
    let at = tx.now_text();
    for changes in changes.chunk_by(|a, b| a.municipality == b.municipality) {
        let Some(municipality) = changes.first().map(|change| change.municipality.clone()) else {
            continue;
        };
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        // The head's row lock is held until the commit: numbers appear in commit order.
        let last: i64 = sqlx::query_scalar(
            "INSERT INTO outbox_heads (municipality_id, seq) VALUES ($1, $2) \
             ON CONFLICT (municipality_id) DO UPDATE SET seq = outbox_heads.seq + $2 RETURNING seq",
        )
        .bind(municipality.as_str())
        .bind(count)
        .fetch_one(tx.conn())
        .await?;
        for (change, seq) in changes.iter().zip(last - count + 1..) {
            sqlx::query(
                "INSERT INTO outbox (municipality_id, seq, at, topic, object_id, case_id, payload) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(municipality.as_str())
            .bind(seq)
            .bind(at.as_str())
            .bind(change.topic)
            .bind(change.object.as_str())
            .bind(change.case.as_ref().map(|id| id.0.clone()))
            .bind(change.payload.to_string())
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(())
}

/// Changes after a position, oldest first.
///
/// # Errors
/// Database away.
pub async fn after(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    seq: i64,
    limit: i64,
) -> Result<Vec<Announced>> {
    let rows = sqlx::query(
        "SELECT * FROM outbox WHERE municipality_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    )
    .bind(municipality.as_str())
    .bind(seq)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Announced {
                seq: row.try_get("seq")?,
                at: row.try_get("at")?,
                topic: row.try_get("topic")?,
                object: row.try_get("object_id")?,
                case: row.try_get::<Option<String>, _>("case_id")?.map(CaseId),
                payload: serde_json::from_str(&row.try_get::<String, _>("payload")?)
                    .unwrap_or(serde_json::Value::Null),
            })
        })
        .collect()
}

/// Drops changes up to a position that every consumer has passed.
///
/// # Errors
/// Database away.
pub async fn prune(tx: &mut Tx, municipality: &MunicipalityId, upto: i64) -> Result<u64> {
    let done = sqlx::query("DELETE FROM outbox WHERE municipality_id = $1 AND seq <= $2")
        .bind(municipality.as_str())
        .bind(upto)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected())
}

/// How far a consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub epoch: u64,
    pub seq: u64,
}

/// Position of a consumer in a document's log, or in the outbox (`document` = `None`).
///
/// # Errors
/// Database away.
pub async fn position(
    tx: &mut Tx,
    consumer: &str,
    municipality: &MunicipalityId,
    document: Option<&DocumentId>,
) -> Result<Position> {
    let row = sqlx::query("SELECT epoch, seq FROM consumer_positions WHERE consumer = $1 AND municipality_id = $2 AND document_id = $3")
        .bind(consumer)
        .bind(municipality.as_str())
        .bind(document.map_or("", DocumentId::as_str))
        .fetch_optional(tx.conn())
        .await?;
    Ok(match row {
        Some(row) => Position {
            epoch: u64::try_from(row.try_get::<i64, _>("epoch")?).unwrap_or(0),
            seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0),
        },
        None => Position::default(),
    })
}

/// Moves a position forward, never back within an epoch. `false`: another worker was faster, and
/// the caller drops its effect by rolling back.
///
/// # Errors
/// Database away.
pub async fn advance(
    tx: &mut Tx,
    consumer: &str,
    municipality: &MunicipalityId,
    document: Option<&DocumentId>,
    to: Position,
) -> Result<bool> {
    let now = tx.now_text();
    let done = sqlx::query(
        "INSERT INTO consumer_positions (consumer, municipality_id, document_id, epoch, seq, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (consumer, municipality_id, document_id) DO UPDATE \
         SET epoch = excluded.epoch, seq = excluded.seq, updated_at = excluded.updated_at \
         WHERE consumer_positions.epoch < excluded.epoch \
            OR (consumer_positions.epoch = excluded.epoch AND consumer_positions.seq < excluded.seq)",
    )
    .bind(consumer)
    .bind(municipality.as_str())
    .bind(document.map_or("", DocumentId::as_str))
    .bind(i64::try_from(to.epoch).unwrap_or(i64::MAX))
    .bind(i64::try_from(to.seq).unwrap_or(i64::MAX))
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
