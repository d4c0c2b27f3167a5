//! Vectors of cases for 類似事案: made from masked text only, opt-in per case (`similar_ok`), sealed
//! together with the text they were made from.

use domain::disclosure::{self, CaseFacts};
use domain::id::{CaseId, MunicipalityId, PersonId};
use domain::role::Capability;
use domain::section::{DocumentKind, Section};
use domain::stage::Stage;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::{Tx, placeholders};
use crate::error::{Result, StoreError};
use crate::{cases, persons};

/// Masked text and its vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// Masked digest.
    pub text: String,
    pub vector: Vec<f32>,
}

/// A case that may serve as a likeness.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    pub case: CaseId,
    pub part: String,
    /// The caller may open the case; otherwise only the masked digest may be shown, without number.
    pub visible: bool,
    pub stage: Stage,
    pub embedded: Embedded,
}

/// The part that holds the digest and its vector: with it all of a case's vectors are there.
pub const DIGEST: &str = "digest";

/// Whether a case may serve as a likeness.
async fn opted(tx: &mut Tx, municipality: &MunicipalityId, case: &CaseId) -> Result<bool> {
    let opted: Option<i64> =
        sqlx::query_scalar("SELECT similar_ok FROM cases WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(case.as_str())
            .fetch_optional(tx.conn())
            .await?;
    Ok(opted == Some(1))
}

/// Whether vectors of a case are to be made (worker). Of one that did not opt in nothing is kept.
///
/// # Errors
/// Database away.
pub async fn wanted(tx: &mut Tx, municipality: &MunicipalityId, case: &CaseId) -> Result<bool> {
    if opted(tx, municipality, case).await? {
        return Ok(true);
    }
    forget(tx, municipality, case).await?;
    Ok(false)
}

fn row_key(case: &CaseId, part: &str, model: &str) -> String {
    format!("{case}/{part}/{model}")
}

/// Stores a vector (worker). Nothing is stored unless the case opted in.
///
/// # Errors
/// Database away.
pub async fn store(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    part: &str,
    model: &str,
    embedded: &Embedded,
) -> Result<bool> {
    if !wanted(tx, municipality, case).await? {
        return Ok(false);
    }
    let key = row_key(case, part, model);
    let sealed = tx
        .seal_json(
            municipality,
            &Purpose::Case(case.clone()),
            "vectors.vector",
            &key,
            embedded,
        )
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO vectors (municipality_id, case_id, part, model, vector_sealed, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (municipality_id, case_id, part, model) DO UPDATE SET vector_sealed = excluded.vector_sealed, updated_at = excluded.updated_at",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(part)
    .bind(model)
    .bind(sealed)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(true)
}

/// Removes a case's vectors.
///
/// # Errors
/// Database away.
pub async fn forget(tx: &mut Tx, municipality: &MunicipalityId, case: &CaseId) -> Result<()> {
    sqlx::query("DELETE FROM vectors WHERE municipality_id = $1 AND case_id = $2")
        .bind(municipality.as_str())
        .bind(case.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes the vectors of every case a person is in: their digests were masked with what the register
/// said before. A refresh that is under way waits, and sees the change.
pub(crate) async fn forget_person(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<()> {
    let mut cases = persons::cases_of(tx, municipality, person).await?;
    cases.sort();
    for case in cases {
        tx.hold_case(municipality, &case).await?;
        forget(tx, municipality, &case).await?;
    }
    Ok(())
}

/// Cases that opted in and have a scan of such a sheet that `consumer` has not seen, or no digest of the
/// model: of the same text the masks may have become others, and then there are none.
///
/// # Errors
/// Database away.
pub async fn behind(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    consumer: &str,
    model: &str,
    kinds: &[DocumentKind],
    sections: &[Section],
) -> Result<Vec<CaseId>> {
    let sql = format!(
        "SELECT DISTINCT d.case_id FROM documents d \
         JOIN cases c ON c.municipality_id = d.municipality_id AND c.id = d.case_id AND c.similar_ok = 1 \
         JOIN mask_scans s ON s.municipality_id = d.municipality_id AND s.document_id = d.id AND s.epoch = d.epoch AND s.state = 'done' \
         LEFT JOIN consumer_positions p ON p.consumer = $2 AND p.municipality_id = d.municipality_id AND p.document_id = d.id \
         WHERE d.municipality_id = $1 AND d.state <> 'erased' AND d.kind IN ({}) AND d.section IN ({}) \
         AND (p.epoch IS NULL OR p.epoch < d.epoch OR (p.epoch = d.epoch AND p.seq < s.seq) \
         OR NOT EXISTS (SELECT 1 FROM vectors v WHERE v.municipality_id = d.municipality_id AND v.case_id = d.case_id AND v.model = $3 AND v.part = '{DIGEST}')) \
         ORDER BY d.case_id",
        placeholders(4, kinds.len()),
        placeholders(4 + kinds.len(), sections.len()),
    );
    let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(consumer)
        .bind(model);
    for kind in kinds {
        query = query.bind(kind.code());
    }
    for section in sections {
        query = query.bind(section.code());
    }
    let cases = query.fetch_all(tx.conn()).await?;
    Ok(cases.into_iter().map(CaseId).collect())
}

fn shut_out(caller: &Caller, facts: &CaseFacts) -> bool {
    facts
        .exclusions
        .iter()
        .any(|exclusion| exclusion.hits(&caller.viewer))
}

/// Ids of cases that opted in, after one, in their order.
///
/// # Errors
/// Database away.
pub async fn opted_in(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    after: &str,
    limit: i64,
) -> Result<Vec<CaseId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM cases WHERE municipality_id = $1 AND similar_ok = 1 AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(municipality.as_str())
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(CaseId).collect())
}

/// Parts of what one model made of cases that opted in, all when none is named.
async fn rows_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    model: &str,
    of: &[CaseId],
    parts: &[&str],
) -> Result<Vec<AnyRow>> {
    let mut out = Vec::new();
    for chunk in of.chunks(300) {
        let named = match parts {
            [] => String::new(),
            _ => format!(
                "AND v.part IN ({}) ",
                placeholders(3 + chunk.len(), parts.len())
            ),
        };
        let sql = format!(
            "SELECT v.case_id, v.part, v.vector_sealed, c.stage FROM vectors v \
             JOIN cases c ON c.municipality_id = v.municipality_id AND c.id = v.case_id \
             WHERE c.similar_ok = 1 AND v.municipality_id = $1 AND v.model = $2 AND v.case_id IN ({}) {named}\
             ORDER BY v.case_id, v.part",
            placeholders(3, chunk.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(model);
        for case in chunk {
            query = query.bind(case.as_str());
        }
        for part in parts {
            query = query.bind(*part);
        }
        out.extend(query.fetch_all(tx.conn()).await?);
    }
    Ok(out)
}

/// Those parts of the cases' likenesses that the caller may be shown; all parts when none is named. By
/// case, then by part. A case from which the caller is excluded, even about one person only, is left out
/// altogether: even its digest would tell that it exists.
///
/// # Errors
/// Forbidden without the capability.
pub async fn likenesses(
    tx: &mut Tx,
    caller: &Caller,
    model: &str,
    of: &[CaseId],
    parts: &[&str],
) -> Result<Vec<Likeness>> {
    if !caller.may(Capability::ReadSimilar) {
        return Err(StoreError::Forbidden);
    }
    let municipality = caller.viewer.municipality.clone();
    let rows = rows_of(tx, &municipality, model, of, parts).await?;
    let facts = cases::facts(tx, &municipality, of).await?;
    tx.keys_of_cases(&municipality, of).await?;
    let mut out = Vec::new();
    for row in &rows {
        let case = CaseId(row.try_get("case_id")?);
        let part: String = row.try_get("part")?;
        let Some(known) = facts.get(&case).filter(|known| !shut_out(caller, known)) else {
            continue;
        };
        let sealed: Vec<u8> = row.try_get("vector_sealed")?;
        let embedded = tx
            .open_json(
                &municipality,
                "vectors.vector",
                &row_key(&case, &part, model),
                &sealed,
            )
            .await?;
        out.push(Likeness {
            visible: disclosure::case_visible(&caller.viewer, known),
            stage: Stage::from_code(&row.try_get::<String, _>("stage")?)
                .ok_or(StoreError::Corrupt("cases.stage"))?,
            case,
            part,
            embedded,
        });
    }
    Ok(out)
}
