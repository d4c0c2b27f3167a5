//! 監査: who did what when, as ids and codes only. The rows of a municipality form a hash chain;
//! search terms are sealed. Events are collected in the transaction and written in one batch when
//! it is committed, so that the chain's head is held only for the length of the commit.

use domain::id::{AccountId, AgencyId, CaseId, MembershipId, MunicipalityId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::Result;

/// How an audited operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Denied,
    Failed,
}

impl Outcome {
    const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// One event. `action` and `object_kind` are stable codes (`case.view`, `session.open` …).
#[derive(Debug, Clone)]
pub struct Event {
    pub municipality: MunicipalityId,
    pub account: Option<AccountId>,
    pub membership: Option<MembershipId>,
    pub agency: Option<AgencyId>,
    pub action: &'static str,
    pub outcome: Outcome,
    pub object_kind: &'static str,
    pub object: String,
    pub case: Option<CaseId>,
    /// Codes, ids and counts; never a name or a text.
    pub detail: serde_json::Value,
    /// Search words: the one thing that may be personal; sealed.
    pub terms: Option<String>,
}

impl Event {
    /// An event by a signed-in caller that went well.
    #[must_use]
    pub fn by(
        caller: &Caller,
        action: &'static str,
        object_kind: &'static str,
        object: impl Into<String>,
    ) -> Self {
        Self {
            municipality: caller.viewer.municipality.clone(),
            account: Some(caller.viewer.account.clone()),
            membership: Some(caller.viewer.membership.clone()),
            agency: Some(caller.viewer.agency.clone()),
            action,
            outcome: Outcome::Ok,
            object_kind,
            object: object.into(),
            case: None,
            detail: serde_json::Value::Null,
            terms: None,
        }
    }

    /// An event without a signed-in caller (sign-in, command line, worker).
    #[must_use]
    pub fn system(
        municipality: &MunicipalityId,
        action: &'static str,
        object_kind: &'static str,
        object: impl Into<String>,
    ) -> Self {
        Self {
            municipality: municipality.clone(),
            account: None,
            membership: None,
            agency: None,
            action,
            outcome: Outcome::Ok,
            object_kind,
            object: object.into(),
            case: None,
            detail: serde_json::Value::Null,
            terms: None,
        }
    }

    #[must_use]
    pub fn in_case(mut self, case: &CaseId) -> Self {
        self.case = Some(case.clone());
        self
    }

    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }

    #[must_use]
    pub fn terms(mut self, terms: impl Into<String>) -> Self {
        self.terms = Some(terms.into());
        self
    }
}

/// Records an event; it becomes durable with the transaction (also with a reading one, on commit).
pub fn record(tx: &mut Tx, event: Event) {
    tx.events.push(event);
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub seq: i64,
    pub at: String,
    pub account: Option<AccountId>,
    pub membership: Option<MembershipId>,
    pub agency: Option<AgencyId>,
    pub action: String,
    pub outcome: String,
    pub object_kind: String,
    pub object: String,
    pub case: Option<CaseId>,
    pub detail: serde_json::Value,
    /// Whether sealed search terms are attached (readable with [`terms`]).
    pub has_terms: bool,
}

fn opt(row: &sqlx::any::AnyRow, column: &str) -> Result<Option<String>> {
    Ok(row.try_get::<Option<String>, _>(column)?)
}

/// Everything that is hashed, in a fixed order with lengths, so that no two events read the same.
fn chain(previous: &str, parts: &[Option<&[u8]>]) -> String {
    let mut hash = Sha256::new();
    hash.update(previous.as_bytes());
    for part in parts {
        match part {
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update([0]),
        }
    }
    hex::encode(hash.finalize())
}

const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

pub(crate) async fn flush(tx: &mut Tx) -> Result<()> {
    let mut events = std::mem::take(&mut tx.events);
    // One municipality after the other, always in the same order: no deadlock between writers.
    events.sort_by(|a, b| a.municipality.cmp(&b.municipality));
    let at = tx.now_text();
    let mut rest = events.as_slice();
    while let Some(first) = rest.first() {
        let municipality = first.municipality.clone();
        let count = rest
            .iter()
            .take_while(|event| event.municipality == municipality)
            .count();
        let (batch, after) = rest.split_at(count);
        rest = after;
        sqlx::query("INSERT INTO audit_heads (municipality_id, seq, hash) VALUES ($1, 0, $2) ON CONFLICT (municipality_id) DO NOTHING")
            .bind(municipality.as_str())
            .bind(GENESIS)
            .execute(tx.conn())
            .await?;
        // The update takes the row lock that orders the chain on PostgreSQL.
        let head = sqlx::query(
            "UPDATE audit_heads SET seq = seq + $2 WHERE municipality_id = $1 RETURNING seq, hash",
        )
        .bind(municipality.as_str())
        .bind(batch.len() as i64)
        .fetch_one(tx.conn())
        .await?;
        let mut seq: i64 = head.try_get::<i64, _>("seq")? - batch.len() as i64;
        let mut hash: String = head.try_get("hash")?;
        for event in batch {
            seq += 1;
            let row = seq.to_string();
            let terms = match &event.terms {
                Some(text) => Some(
                    tx.seal(
                        &municipality,
                        &Purpose::Municipality,
                        "audit.terms",
                        &row,
                        text.as_bytes(),
                    )
                    .await?,
                ),
                None => None,
            };
            let detail = event.detail.to_string();
            hash = chain(
                &hash,
                &[
                    Some(municipality.as_str().as_bytes()),
                    Some(row.as_bytes()),
                    Some(at.as_bytes()),
                    event.account.as_ref().map(|id| id.as_str().as_bytes()),
                    event.membership.as_ref().map(|id| id.as_str().as_bytes()),
                    event.agency.as_ref().map(|id| id.as_str().as_bytes()),
                    Some(event.action.as_bytes()),
                    Some(event.outcome.code().as_bytes()),
                    Some(event.object_kind.as_bytes()),
                    Some(event.object.as_bytes()),
                    event.case.as_ref().map(|id| id.as_str().as_bytes()),
                    Some(detail.as_bytes()),
                    terms.as_deref(),
                ],
            );
            sqlx::query(
                "INSERT INTO audit (municipality_id, seq, at, account_id, membership_id, agency_id, action, outcome, \
                 object_kind, object_id, case_id, detail, terms_sealed, hash) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            )
            .bind(municipality.as_str())
            .bind(seq)
            .bind(at.as_str())
            .bind(event.account.as_ref().map(|id| id.0.clone()))
            .bind(event.membership.as_ref().map(|id| id.0.clone()))
            .bind(event.agency.as_ref().map(|id| id.0.clone()))
            .bind(event.action)
            .bind(event.outcome.code())
            .bind(event.object_kind)
            .bind(event.object.as_str())
            .bind(event.case.as_ref().map(|id| id.0.clone()))
            .bind(detail)
            .bind(terms)
            .bind(hash.as_str())
            .execute(tx.conn())
            .await?;
        }
        sqlx::query("UPDATE audit_heads SET hash = $2 WHERE municipality_id = $1")
            .bind(municipality.as_str())
            .bind(hash)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// What [`verify_chain`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// `rows` events, none missing or altered.
    Intact { rows: i64 },
    /// The first event that does not follow from those before it (or is missing).
    Broken { seq: i64 },
}

/// Recomputes the chain of a municipality.
///
/// # Errors
/// Database away.
pub async fn verify_chain(tx: &mut Tx, municipality: &MunicipalityId) -> Result<Chain> {
    let mut hash = GENESIS.to_owned();
    let mut seq = 0_i64;
    loop {
        let rows = sqlx::query(
            "SELECT * FROM audit WHERE municipality_id = $1 AND seq > $2 ORDER BY seq LIMIT 1000",
        )
        .bind(municipality.as_str())
        .bind(seq)
        .fetch_all(tx.conn())
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            seq += 1;
            if row.try_get::<i64, _>("seq")? != seq {
                return Ok(Chain::Broken { seq });
            }
            let text = |column: &str| -> Result<Option<String>> { opt(row, column) };
            let (at, account, membership, agency) = (
                text("at")?,
                text("account_id")?,
                text("membership_id")?,
                text("agency_id")?,
            );
            let (action, outcome, kind, object) = (
                text("action")?,
                text("outcome")?,
                text("object_kind")?,
                text("object_id")?,
            );
            let (case, detail) = (text("case_id")?, text("detail")?);
            let terms: Option<Vec<u8>> = row.try_get("terms_sealed")?;
            let number = seq.to_string();
            let bytes = |value: &Option<String>| value.clone().map(String::into_bytes);
            let parts: Vec<Option<Vec<u8>>> = vec![
                Some(municipality.as_str().as_bytes().to_vec()),
                Some(number.into_bytes()),
                bytes(&at),
                bytes(&account),
                bytes(&membership),
                bytes(&agency),
                bytes(&action),
                bytes(&outcome),
                bytes(&kind),
                bytes(&object),
                bytes(&case),
                bytes(&detail),
                terms,
            ];
            let parts: Vec<Option<&[u8]>> = parts.iter().map(Option::as_deref).collect();
            hash = chain(&hash, &parts);
            if row.try_get::<String, _>("hash")? != hash {
                return Ok(Chain::Broken { seq });
            }
        }
    }
    // A chain cut at its end is noticed by the head.
    let head = sqlx::query("SELECT seq, hash FROM audit_heads WHERE municipality_id = $1")
        .bind(municipality.as_str())
        .fetch_optional(tx.conn())
        .await?;
    let (head_seq, head_hash) = match head {
        Some(row) => (row.try_get("seq")?, row.try_get::<String, _>("hash")?),
        None => (0, GENESIS.to_owned()),
    };
    if head_seq != seq || head_hash != hash {
        return Ok(Chain::Broken { seq: seq + 1 });
    }
    Ok(Chain::Intact { rows: seq })
}

/// What to list; all parts optional.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub account: Option<AccountId>,
    pub case: Option<CaseId>,
    pub action: Option<String>,
    /// Instants as fixed-width text, first inclusive, second exclusive.
    pub from: Option<String>,
    pub until: Option<String>,
    /// Events before this sequence number (paging: the last `seq` of the page before).
    pub before: Option<i64>,
}

pub(crate) async fn list(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Entry>> {
    let mut sql = String::from("SELECT * FROM audit WHERE municipality_id = $1");
    let mut values: Vec<String> = vec![municipality.0.clone()];
    for (clause, value) in [
        (
            "account_id =",
            filter.account.as_ref().map(|id| id.0.clone()),
        ),
        ("case_id =", filter.case.as_ref().map(|id| id.0.clone())),
        ("action =", filter.action.clone()),
        ("at >=", filter.from.clone()),
        ("at <", filter.until.clone()),
    ] {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {clause} ${}", values.len()));
        }
    }
    let n = values.len();
    sql.push_str(&format!(
        " AND seq < ${} ORDER BY seq DESC LIMIT ${}",
        n + 1,
        n + 2
    ));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = query.bind(value);
    }
    let rows = query
        .bind(filter.before.unwrap_or(i64::MAX))
        .bind(limit.clamp(1, 500))
        .fetch_all(tx.conn())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                seq: row.try_get("seq")?,
                at: row.try_get("at")?,
                account: opt(row, "account_id")?.map(AccountId),
                membership: opt(row, "membership_id")?.map(MembershipId),
                agency: opt(row, "agency_id")?.map(AgencyId),
                action: row.try_get("action")?,
                outcome: row.try_get("outcome")?,
                object_kind: row.try_get("object_kind")?,
                object: row.try_get("object_id")?,
                case: opt(row, "case_id")?.map(CaseId),
                detail: serde_json::from_str(&row.try_get::<String, _>("detail")?)
                    .unwrap_or(serde_json::Value::Null),
                has_terms: row.try_get::<Option<Vec<u8>>, _>("terms_sealed")?.is_some(),
            })
        })
        .collect()
}

/// Lists events for those who may read the audit log.
///
/// # Errors
/// [`crate::StoreError::Forbidden`] without the capability.
pub async fn events(
    tx: &mut Tx,
    caller: &Caller,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Entry>> {
    caller.require(domain::role::Capability::ReadAudit)?;
    list(tx, &caller.viewer.municipality, filter, limit).await
}

/// The sealed search terms of an event, for those who may read the audit log.
///
/// # Errors
/// [`crate::StoreError::Forbidden`] without the capability.
pub async fn terms(tx: &mut Tx, caller: &Caller, seq: i64) -> Result<Option<String>> {
    caller.require(domain::role::Capability::ReadAudit)?;
    let municipality = caller.viewer.municipality.clone();
    let sealed: Option<Option<Vec<u8>>> = sqlx::query_scalar(
        "SELECT terms_sealed FROM audit WHERE municipality_id = $1 AND seq = $2",
    )
    .bind(municipality.as_str())
    .bind(seq)
    .fetch_optional(tx.conn())
    .await?;
    match sealed.flatten() {
        Some(record) => Ok(Some(
            tx.open_text(&municipality, "audit.terms", &seq.to_string(), &record)
                .await?,
        )),
        None => Ok(None),
    }
}
