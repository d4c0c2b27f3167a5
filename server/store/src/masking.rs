//! What masking derives: the last scan (texts and spans, sealed) and the reviewed releases.
//! The spans themselves live in the masks document.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::disclosure::{self, DocumentFacts};
use domain::id::{AccountId, CaseId, DocumentId, MunicipalityId, PersonId};
use domain::role::Capability;
use domain::section::{DocumentKind, Section};
use serde::Serialize;
use sqlx::Row;

use crate::access::Caller;
use crate::audit::{self, Event};
use crate::database::{Tx, rows_for};
use crate::documents::{
    DocumentAccess, DocumentInfo, DocumentWork, Register, purpose, registers_of,
};
use crate::error::{Result, StoreError};
use crate::outbox;

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanState {
    Done,
    /// The model was down or the text too long: nothing newer is shown.
    Failed,
}

/// The last scan of a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scan {
    pub epoch: u64,
    pub seq: u64,
    pub state: ScanState,
    /// Undecided spans.
    pub pending: i64,
    pub at: String,
    /// Field → {text, spans}, as the worker wrote it.
    pub value: serde_json::Value,
}

/// A reviewed release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Release {
    pub id: String,
    pub seq: u64,
    pub at: String,
    pub account: AccountId,
    /// Spans that were undecided when it was released with a reason.
    pub pending: i64,
    pub reason: Option<String>,
    pub value: serde_json::Value,
}

/// A document that waits for reviewers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    pub document: DocumentId,
    pub case: CaseId,
    pub case_no: String,
    pub section: Option<Section>,
    pub pending: i64,
    pub scanned_at: String,
}

pub(crate) const SCAN: &str = "mask_scans.scan";

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What tells whether a document must be scanned anew, without the document.
#[derive(Debug)]
pub struct Standing {
    pub document: DocumentId,
    pub kind: DocumentKind,
    pub case: Option<CaseId>,
    /// The masks document.
    pub masks: DocumentId,
    /// Epoch and sequence number at which each projection was made; of the present epoch only.
    pub full: Option<(u64, u64)>,
    pub masked: Option<(u64, u64)>,
    /// The last scan of the present epoch, if it came to an end and can be opened.
    pub scan: Option<Scan>,
}

/// `None` for what is there and cannot be opened: a record or a key is damaged or gone.
fn readable<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Crypto(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Tx {
    /// How those of the documents stand that are there and have texts to mask. For the worker.
    ///
    /// # Errors
    /// Database away.
    pub async fn standings(
        &mut self,
        municipality: &MunicipalityId,
        documents: &[DocumentId],
    ) -> Result<Vec<Standing>> {
        let rows = rows_for(
            self,
            municipality,
            documents,
            "SELECT d.id, d.kind, d.case_id, m.id AS masks_id, f.epoch AS full_epoch, f.seq AS full_seq, p.epoch AS masked_epoch, \
             p.seq AS masked_seq, s.epoch, s.seq, s.pending, s.at, s.scan_sealed FROM documents d \
             JOIN documents m ON m.municipality_id = d.municipality_id AND m.parent_id = d.id AND m.kind = 'masks' \
             LEFT JOIN document_projections f ON f.municipality_id = d.municipality_id AND f.document_id = d.id AND f.audience = 'full' AND f.epoch = d.epoch \
             LEFT JOIN document_projections p ON p.municipality_id = d.municipality_id AND p.document_id = d.id AND p.audience = 'masked' AND p.epoch = d.epoch \
             LEFT JOIN mask_scans s ON s.municipality_id = d.municipality_id AND s.document_id = d.id AND s.epoch = d.epoch AND s.state = 'done' \
             WHERE d.state <> 'erased' AND d.municipality_id = $1 AND d.id IN",
            "",
        )
        .await?;
        let mut cases = BTreeSet::new();
        for row in &rows {
            cases.extend(row.try_get::<Option<String>, _>("case_id")?.map(CaseId));
        }
        let cases: Vec<CaseId> = cases.into_iter().collect();
        // Where one key cannot be unwrapped the others are, one by one.
        readable(self.keys_of_cases(municipality, &cases).await)?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let place = |epoch: &str, seq: &str| -> Result<Option<(u64, u64)>> {
                let found: (Option<i64>, Option<i64>) = (row.try_get(epoch)?, row.try_get(seq)?);
                Ok(match found {
                    (Some(epoch), Some(seq)) => Some((unsigned(epoch), unsigned(seq))),
                    _ => None,
                })
            };
            let scan = match (
                place("epoch", "seq")?,
                row.try_get::<Option<Vec<u8>>, _>("scan_sealed")?,
            ) {
                (Some((epoch, seq)), Some(sealed)) => {
                    let (pending, at) = (row.try_get("pending")?, row.try_get("at")?);
                    readable(self.open_json(municipality, SCAN, &id, &sealed).await)?.map(|value| {
                        Scan {
                            epoch,
                            seq,
                            state: ScanState::Done,
                            pending,
                            at,
                            value,
                        }
                    })
                }
                _ => None,
            };
            out.push(Standing {
                kind: DocumentKind::from_code(&row.try_get::<String, _>("kind")?)
                    .ok_or(StoreError::Corrupt("documents.kind"))?,
                case: row.try_get::<Option<String>, _>("case_id")?.map(CaseId),
                masks: DocumentId(row.try_get("masks_id")?),
                full: place("full_epoch", "full_seq")?,
                masked: place("masked_epoch", "masked_seq")?,
                document: DocumentId(id),
                scan,
            });
        }
        Ok(out)
    }

    /// The persons of cases with all their values: for masking alone. Cases without persons are left out;
    /// `None` where a value cannot be opened.
    ///
    /// # Errors
    /// Database away.
    pub async fn registers(
        &mut self,
        municipality: &MunicipalityId,
        cases: &[CaseId],
    ) -> Result<HashMap<CaseId, Option<Register>>> {
        let mut out = HashMap::new();
        if let Some(all) = readable(registers_of(self, municipality, cases).await)? {
            out.extend(all.into_iter().map(|(case, persons)| (case, Some(persons))));
            return Ok(out);
        }
        // One of them hinders none of the others.
        for case in cases {
            let one = registers_of(self, municipality, std::slice::from_ref(case)).await;
            match readable(one)? {
                Some(one) => {
                    out.extend(one.into_iter().map(|(case, persons)| (case, Some(persons))))
                }
                None => {
                    out.insert(case.clone(), None);
                }
            }
        }
        Ok(out)
    }
}

async fn load_scan(tx: &mut Tx, info: &DocumentInfo) -> Result<Option<Scan>> {
    let row = sqlx::query(
        "SELECT s.* FROM mask_scans s JOIN documents d ON d.municipality_id = s.municipality_id AND d.id = s.document_id AND d.epoch = s.epoch \
         WHERE s.municipality_id = $1 AND s.document_id = $2",
    )
    .bind(info.municipality.as_str())
    .bind(info.id.as_str())
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let value = tx
        .open_json(
            &info.municipality,
            SCAN,
            info.id.as_str(),
            &row.try_get::<Vec<u8>, _>("scan_sealed")?,
        )
        .await?;
    Ok(Some(Scan {
        epoch: u64::try_from(row.try_get::<i64, _>("epoch")?).unwrap_or(0),
        seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0),
        state: if row.try_get::<String, _>("state")? == "done" {
            ScanState::Done
        } else {
            ScanState::Failed
        },
        pending: row.try_get("pending")?,
        at: row.try_get("at")?,
        value,
    }))
}

impl DocumentWork {
    /// Stores a scan unless a newer one is there.
    ///
    /// # Errors
    /// Database away.
    pub async fn store_scan(
        &self,
        tx: &mut Tx,
        epoch: u64,
        seq: u64,
        state: ScanState,
        pending: i64,
        value: &serde_json::Value,
    ) -> Result<bool> {
        let sealed = tx
            .seal_json(
                &self.info.municipality,
                &purpose(&self.info),
                SCAN,
                self.info.id.as_str(),
                value,
            )
            .await?;
        let now = tx.now_text();
        let done = sqlx::query(
            "INSERT INTO mask_scans (municipality_id, document_id, epoch, seq, state, pending, at, scan_sealed) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM documents WHERE municipality_id = $1 AND id = $2 AND epoch <= $3 \
             ON CONFLICT (municipality_id, document_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, state = excluded.state, \
             pending = excluded.pending, at = excluded.at, scan_sealed = excluded.scan_sealed \
             WHERE mask_scans.epoch < excluded.epoch OR (mask_scans.epoch = excluded.epoch AND mask_scans.seq <= excluded.seq)",
        )
        .bind(self.info.municipality.as_str())
        .bind(self.info.id.as_str())
        .bind(signed(epoch))
        .bind(signed(seq))
        .bind(match state {
            ScanState::Done => "done",
            ScanState::Failed => "failed",
        })
        .bind(pending)
        .bind(now)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let payload = serde_json::json!({ "seq": seq, "pending": pending });
        outbox::put(
            tx,
            &self.info.municipality,
            "masks",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            payload,
        );
        Ok(true)
    }

    /// The last scan of the present epoch.
    ///
    /// # Errors
    /// Database away.
    pub async fn scan(&self, tx: &mut Tx) -> Result<Option<Scan>> {
        load_scan(tx, &self.info).await
    }
}

impl DocumentAccess {
    fn reviewer(&self) -> Result<()> {
        if self.may_review() {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }

    /// The last scan, for reviewers.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn scan(&self, tx: &mut Tx) -> Result<Option<Scan>> {
        self.reviewer()?;
        load_scan(tx, &self.info).await
    }

    /// Releases the masked projection of a finished review. With undecided spans a reason is needed.
    ///
    /// # Errors
    /// Forbidden; `pending` when spans are undecided and no reason is given.
    pub async fn release_masks(
        &self,
        tx: &mut Tx,
        seq: u64,
        pending: i64,
        reason: Option<&str>,
        value: &serde_json::Value,
    ) -> Result<String> {
        self.reviewer()?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if pending > 0 && reason.is_none() {
            return Err(StoreError::Invalid("pending"));
        }
        let id: String = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "mask_releases.value",
                &id,
                value,
            )
            .await?;
        let sealed_reason = match reason {
            Some(reason) => Some(
                tx.seal(
                    self.municipality(),
                    &self.purpose(),
                    "mask_releases.reason",
                    &id,
                    reason.as_bytes(),
                )
                .await?,
            ),
            None => None,
        };
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO mask_releases (municipality_id, id, document_id, epoch, seq, account_id, membership_id, at, pending, reason_sealed, value_sealed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.info.id.as_str())
        .bind(signed(self.info.epoch))
        .bind(signed(seq))
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(now)
        .bind(pending)
        .bind(sealed_reason)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        let mut event = Event::by(
            &self.caller,
            "masks.release",
            "document",
            self.info.id.as_str(),
        )
        .detail(serde_json::json!({ "seq": seq, "pending": pending }));
        event.case = self.info.case.clone();
        audit::record(tx, event);
        outbox::put(
            tx,
            self.municipality(),
            "masks.release",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            serde_json::Value::Null,
        );
        Ok(id)
    }

    /// The last release of the present epoch: what masked readers get outside live mode.
    ///
    /// # Errors
    /// Database away.
    pub async fn last_release(&self, tx: &mut Tx) -> Result<Option<Release>> {
        let row = sqlx::query(
            "SELECT r.* FROM mask_releases r JOIN documents d ON d.municipality_id = r.municipality_id AND d.id = r.document_id AND d.epoch = r.epoch \
             WHERE r.municipality_id = $1 AND r.document_id = $2 ORDER BY r.at DESC, r.id DESC LIMIT 1",
        )
        .bind(self.municipality().as_str())
        .bind(self.info.id.as_str())
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id: String = row.try_get("id")?;
        let value = tx
            .open_json(
                self.municipality(),
                "mask_releases.value",
                &id,
                &row.try_get::<Vec<u8>, _>("value_sealed")?,
            )
            .await?;
        let reason = match row.try_get::<Option<Vec<u8>>, _>("reason_sealed")? {
            // The reason may speak of persons: reviewers only.
            Some(sealed) if self.may_review() => Some(
                tx.open_text(self.municipality(), "mask_releases.reason", &id, &sealed)
                    .await?,
            ),
            _ => None,
        };
        Ok(Some(Release {
            id,
            seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0),
            at: row.try_get("at")?,
            account: AccountId(row.try_get("account_id")?),
            pending: row.try_get("pending")?,
            reason,
            value,
        }))
    }
}

/// So many waiting documents are named; of more it is said that there are more.
const REVIEWS: usize = 200;

/// Documents with undecided spans that the caller reviews, the longest waiting first, at most
/// [`REVIEWS`]; and whether there are more.
///
/// # Errors
/// Forbidden without the capability.
pub async fn reviews(tx: &mut Tx, caller: &Caller) -> Result<(Vec<Review>, bool)> {
    caller.require(Capability::ReviewMasks)?;
    let mut out = Vec::new();
    if !caller.may(Capability::ReadCases) {
        return Ok((out, false));
    }
    let (viewer, municipality) = (&caller.viewer, caller.viewer.municipality.clone());
    let (mut at, mut document) = (String::new(), String::new());
    loop {
        let rows = sqlx::query(
            "SELECT s.document_id, s.pending, s.at, d.section, c.id AS case_id, c.case_no FROM mask_scans s \
             JOIN documents d ON d.municipality_id = s.municipality_id AND d.id = s.document_id AND d.epoch = s.epoch \
             JOIN cases c ON c.municipality_id = d.municipality_id AND c.id = d.case_id \
             WHERE s.municipality_id = $1 AND s.pending > 0 AND (s.at > $3 OR (s.at = $3 AND s.document_id > $4)) \
             AND c.owner_agency_id = $2 AND d.state <> 'erased' AND d.section IS NOT NULL AND d.parent_id IS NULL \
             ORDER BY s.at, s.document_id LIMIT 200",
        )
        .bind(municipality.as_str())
        .bind(viewer.agency.as_str())
        .bind(at.as_str())
        .bind(document.as_str())
        .fetch_all(tx.conn())
        .await?;
        let Some(last) = rows.last() else {
            return Ok((out, false));
        };
        (at, document) = (last.try_get("at")?, last.try_get("document_id")?);
        let mut cases = BTreeSet::new();
        let mut ids: Vec<String> = Vec::with_capacity(rows.len());
        for row in &rows {
            cases.insert(CaseId(row.try_get("case_id")?));
            ids.push(row.try_get("document_id")?);
        }
        let cases: Vec<CaseId> = cases.into_iter().collect();
        let facts = crate::cases::facts(tx, &municipality, &cases).await?;
        let mut subjects: BTreeMap<String, Vec<PersonId>> = BTreeMap::new();
        for row in rows_for(
            tx,
            &municipality,
            &ids,
            "SELECT document_id, person_id FROM document_subjects WHERE municipality_id = $1 AND document_id IN",
            "ORDER BY person_id",
        )
        .await?
        {
            let about = subjects.entry(row.try_get("document_id")?).or_default();
            about.push(PersonId(row.try_get("person_id")?));
        }
        for row in &rows {
            let (id, case) = (
                row.try_get::<String, _>("document_id")?,
                CaseId(row.try_get("case_id")?),
            );
            let section = Section::from_code(&row.try_get::<String, _>("section")?)
                .ok_or(StoreError::Corrupt("section"))?;
            let reviewer = facts.get(&case).is_some_and(|facts| {
                let about = DocumentFacts {
                    subjects: subjects.remove(&id).unwrap_or_default(),
                    ..facts.sheet(section)
                };
                disclosure::may_review_masks(viewer, facts, &about)
            });
            if !reviewer {
                continue;
            }
            if out.len() == REVIEWS {
                return Ok((out, true));
            }
            out.push(Review {
                document: DocumentId(id),
                case,
                case_no: row.try_get("case_no")?,
                section: Some(section),
                pending: row.try_get("pending")?,
                scanned_at: row.try_get("at")?,
            });
        }
    }
}
