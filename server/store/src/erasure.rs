//! 消去: requests by one person, approval by another, the carrying out in steps that can each be done
//! again, and the 廃棄記録 that remains.
//!
//! **Invariant:** a data key is destroyed only after nothing stands under it any more, and nothing that
//! survives is lost with it.
//! **Invariant:** what remains says which ids, how many and when; never what they said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use collab::erasure::Past;
use collab::log::LogError;
use collab::shape::Shape;
use domain::clock::instant_text;
use domain::disclosure::Level;
use domain::erasure::{self, ErasedObject, ErasureGround, ErasureScope, ErasureState, ErasureStep};
use domain::form::Catalogue;
use domain::id::{AccountId, CaseId, DocumentId, ErasureId, MunicipalityId, PersonId};
use domain::role::{Capability, Role};
use domain::section::DocumentKind;
use jiff::SignedDuration;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::audit::{self, Event};
use crate::data_keys::{self, Purpose};
use crate::database::{Database, Tx};
use crate::documents_log::{DocumentLog, Rewritten};
use crate::error::{Result, StoreError};
use crate::{accounts, outbox, sealed};

/// Longest reason, in characters.
const REASON_MAX: usize = 1_000;
/// Things erased along with a document.
const OBJECTS_MAX: usize = 200;
/// Values sealed anew in one transaction: others write in between.
const BATCH: usize = 200;
/// A node that stops working on an erasure for this long lost it to another. Should both go on, the
/// steps do no harm twice, and only one can write down that it got further.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// Keys from a command are asked for again after this long.
const WAIT: SignedDuration = SignedDuration::from_secs(60);
const REASON: &str = "erasures.reason";

/// What is asked to be erased.
#[derive(Debug, Clone)]
pub struct NewErasure {
    pub scope: ErasureScope,
    pub ground: ErasureGround,
    /// For [`ErasureScope::Case`].
    pub case: Option<CaseId>,
    /// For the other scopes.
    pub document: Option<DocumentId>,
    /// Erased along: they must be of the document's case.
    pub objects: Vec<Object>,
    /// Why; up to 1,000 characters. Gone with the erasure.
    pub reason: String,
}

/// A thing outside the documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    pub kind: ErasedObject,
    pub id: String,
}

/// A document that an erasure rewrote (`epoch`: its new one) or removed (`None`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    pub id: DocumentId,
    pub epoch: Option<u64>,
}

/// A request, and once carried out the 廃棄記録.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Erasure {
    pub id: ErasureId,
    pub scope: ErasureScope,
    pub ground: ErasureGround,
    pub case: Option<CaseId>,
    pub case_no: Option<String>,
    pub document: Option<DocumentId>,
    pub document_kind: Option<DocumentKind>,
    pub objects: Vec<Object>,
    /// Until it is carried out.
    pub reason: Option<String>,
    pub state: ErasureState,
    pub requested_by: AccountId,
    pub requested_by_name: String,
    pub requested_at: String,
    pub decided_by: Option<AccountId>,
    pub decided_by_name: Option<String>,
    pub decided_at: Option<String>,
    /// The step that comes next, while it is carried out.
    pub step: Option<ErasureStep>,
    /// How many of what: `documents`, `versions`, `finals`, `persons` …
    pub counts: BTreeMap<String, i64>,
    pub documents: Vec<Touched>,
    pub done_at: Option<String>,
}

fn code<T>(text: &str, parse: impl Fn(&str) -> Option<T>, column: &'static str) -> Result<T> {
    parse(text).ok_or(StoreError::Corrupt(column))
}

fn from_row(row: &AnyRow) -> Result<Erasure> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column);
    Ok(Erasure {
        id: ErasureId(text("id")?),
        scope: code(&text("scope")?, ErasureScope::from_code, "erasures.scope")?,
        ground: code(
            &text("ground")?,
            ErasureGround::from_code,
            "erasures.ground",
        )?,
        case: optional("case_id")?.map(CaseId),
        case_no: optional("case_no")?,
        document: optional("document_id")?.map(DocumentId),
        document_kind: optional("document_kind")?
            .map(|kind| code(&kind, DocumentKind::from_code, "erasures.document_kind"))
            .transpose()?,
        objects: crate::database::decode(text("objects")?.as_bytes())?,
        reason: None,
        state: code(&text("state")?, ErasureState::from_code, "erasures.state")?,
        requested_by: AccountId(text("requested_by")?),
        requested_by_name: String::new(),
        requested_at: text("requested_at")?,
        decided_by: optional("decided_by")?.map(AccountId),
        decided_by_name: None,
        decided_at: optional("decided_at")?,
        step: optional("step")?
            .map(|step| code(&step, ErasureStep::from_code, "erasures.step"))
            .transpose()?,
        counts: crate::database::decode(text("counts")?.as_bytes())?,
        documents: crate::database::decode(text("documents")?.as_bytes())?,
        done_at: optional("done_at")?,
    })
}

fn purpose_of(case: Option<&CaseId>, document: Option<&DocumentId>) -> Result<Purpose> {
    match (case, document) {
        (Some(case), _) => Ok(Purpose::Case(case.clone())),
        (None, Some(document)) => Ok(Purpose::Note(document.clone())),
        (None, None) => Err(StoreError::Corrupt("erasures.case_id")),
    }
}

fn day(text: Option<String>) -> Result<Option<Date>> {
    text.map(|text| {
        text.parse()
            .map_err(|_| StoreError::Corrupt("cases.closed_on"))
    })
    .transpose()
}

/// Asks for an erasure. Whoever asks reads the original of what is to go; of a whole case it is the
/// department's or the agency's in charge to ask.
///
/// # Errors
/// Forbidden or not found; `Invalid` with `ground`, `retention`, `reason`, `objects`, `document`,
/// `case`; [`StoreError::Conflict`] while the same is asked for already.
pub async fn request(tx: &mut Tx, caller: &Caller, new: &NewErasure) -> Result<ErasureId> {
    caller.require(Capability::EraseRequest)?;
    let municipality = caller.viewer.municipality.clone();
    let reason = new.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(StoreError::Invalid("reason"));
    }
    let (case, document, kind) = target(tx, caller, new).await?;
    let mut facts = (None, None, None);
    if let Some(case) = &case {
        tx.hold_case(&municipality, case).await?;
        let row = sqlx::query(
            "SELECT case_no, closed_on, retention_until FROM cases WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(case.as_str())
        .fetch_one(tx.conn())
        .await?;
        facts = (
            Some(row.try_get::<String, _>("case_no")?),
            day(row.try_get("closed_on")?)?,
            day(row.try_get("retention_until")?)?,
        );
    }
    let (case_no, closed_on, retention_until) = facts;
    erasure::check_ground(
        new.scope,
        new.ground,
        closed_on,
        retention_until,
        caller.viewer.today,
    )
    .map_err(|refused| StoreError::Invalid(refused.code()))?;
    check_objects(tx, &municipality, case.as_ref(), new).await?;
    let open: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM erasures WHERE municipality_id = $1 AND state IN ('requested', 'approved') AND scope = $2 \
         AND COALESCE(case_id, '') = $3 AND COALESCE(document_id, '') = $4",
    )
    .bind(municipality.as_str())
    .bind(new.scope.code())
    .bind(case.as_ref().map_or("", CaseId::as_str))
    .bind(document.as_ref().map_or("", DocumentId::as_str))
    .fetch_one(tx.conn())
    .await?;
    if open > 0 {
        return Err(StoreError::Conflict);
    }
    let id: ErasureId = tx.database().fresh();
    let purpose = purpose_of(case.as_ref(), document.as_ref())?;
    let sealed = tx
        .seal(
            &municipality,
            &purpose,
            REASON,
            id.as_str(),
            reason.as_bytes(),
        )
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO erasures (municipality_id, id, scope, ground, case_id, case_no, document_id, document_kind, objects, reason_sealed, \
         state, requested_by, requested_membership, requested_at, counts, documents) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'requested', $11, $12, $13, '{}', '[]')",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(new.scope.code())
    .bind(new.ground.code())
    .bind(case.as_ref().map(|case| case.0.clone()))
    .bind(case_no)
    .bind(document.as_ref().map(|document| document.0.clone()))
    .bind(kind.map(|kind| kind.code().to_owned()))
    .bind(serde_json::to_string(&new.objects).unwrap_or_else(|_| "[]".into()))
    .bind(sealed)
    .bind(caller.viewer.account.as_str())
    .bind(caller.viewer.membership.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    let mut event = Event::by(caller, "erasure.request", "erasure", id.as_str())
        .detail(json!({ "scope": new.scope, "ground": new.ground, "document": document }));
    event.case = case;
    audit::record(tx, event);
    Ok(id)
}

async fn target(
    tx: &mut Tx,
    caller: &Caller,
    new: &NewErasure,
) -> Result<(Option<CaseId>, Option<DocumentId>, Option<DocumentKind>)> {
    if new.scope == ErasureScope::Case {
        let case = new.case.as_ref().ok_or(StoreError::Invalid("case"))?;
        let access = tx
            .case_for(caller, case)
            .await?
            .ok_or(StoreError::NotFound)?;
        if caller.viewer.role == Role::CoordMgr && access.facts().owner != caller.viewer.agency {
            return Err(StoreError::Forbidden);
        }
        return Ok((Some(case.clone()), None, None));
    }
    let document = new
        .document
        .as_ref()
        .ok_or(StoreError::Invalid("document"))?;
    let access = tx
        .document_for(caller, document)
        .await?
        .ok_or(StoreError::NotFound)?;
    let info = access.info();
    // Masks go with the text they belong to.
    if info.kind == DocumentKind::Masks || access.decision().level < Level::Read {
        return Err(StoreError::Forbidden);
    }
    Ok((info.case.clone(), Some(document.clone()), Some(info.kind)))
}

async fn check_objects(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: Option<&CaseId>,
    new: &NewErasure,
) -> Result<()> {
    if new.objects.is_empty() {
        return Ok(());
    }
    // A whole case takes everything along anyway.
    let (Some(case), true) = (case, new.scope != ErasureScope::Case) else {
        return Err(StoreError::Invalid("objects"));
    };
    if new.objects.len() > OBJECTS_MAX {
        return Err(StoreError::Invalid("objects"));
    }
    for object in &new.objects {
        let sql = format!(
            "SELECT COUNT(*) FROM {} WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
            table_of(object.kind)?
        );
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(case.as_str())
            .bind(object.id.as_str())
            .fetch_one(tx.conn())
            .await?;
        if found == 0 {
            return Err(StoreError::Invalid("objects"));
        }
    }
    Ok(())
}

fn table_of(kind: ErasedObject) -> Result<&'static str> {
    Ok(match kind {
        ErasedObject::ProgressRecord => "progress_records",
        ErasedObject::Transcript => "transcripts",
        ErasedObject::Attachment => "blobs",
        ErasedObject::Request => "case_requests",
        ErasedObject::Step => "case_steps",
        _ => return Err(StoreError::Invalid("objects")),
    })
}

/// Requests and 廃棄記録, the newest first. Of an open one only who may know of its case learns; once it
/// is carried out it says nothing of anybody.
///
/// # Errors
/// Forbidden for who neither asks nor audits.
pub async fn list(tx: &mut Tx, caller: &Caller) -> Result<Vec<Erasure>> {
    let takes_part = caller.may(Capability::EraseRequest);
    if !takes_part && !caller.may(Capability::ReadAudit) {
        return Err(StoreError::Forbidden);
    }
    let municipality = caller.viewer.municipality.clone();
    let rows = sqlx::query(
        "SELECT * FROM erasures WHERE municipality_id = $1 ORDER BY requested_at DESC, id DESC LIMIT 500",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    let mut out = Vec::new();
    for row in &rows {
        let mut erasure = from_row(row)?;
        if !may_know(tx, caller, &erasure).await? {
            continue;
        }
        if let (true, Some(sealed)) = (
            takes_part,
            row.try_get::<Option<Vec<u8>>, _>("reason_sealed")?,
        ) {
            erasure.reason = Some(
                tx.open_text(&municipality, REASON, erasure.id.as_str(), &sealed)
                    .await?,
            );
        }
        out.push(erasure);
    }
    let who: BTreeSet<AccountId> = out
        .iter()
        .flat_map(|e| [Some(e.requested_by.clone()), e.decided_by.clone()])
        .flatten()
        .collect();
    let names = accounts::names(tx, &municipality, &who.into_iter().collect::<Vec<_>>()).await?;
    for erasure in &mut out {
        erasure.requested_by_name = names
            .get(&erasure.requested_by)
            .cloned()
            .unwrap_or_default();
        erasure.decided_by_name = erasure
            .decided_by
            .as_ref()
            .and_then(|by| names.get(by).cloned());
    }
    Ok(out)
}

async fn may_know(tx: &mut Tx, caller: &Caller, erasure: &Erasure) -> Result<bool> {
    let closed = matches!(erasure.state, ErasureState::Done | ErasureState::Approved);
    match &erasure.case {
        // Auditors see ids and codes of everything; the reason they do not.
        _ if caller.may(Capability::ReadAudit) => Ok(true),
        Some(_) if closed && erasure.scope == ErasureScope::Case => Ok(true),
        Some(case) => Ok(tx.case_for(caller, case).await?.is_some()),
        None => Ok(true),
    }
}

async fn decide(
    tx: &mut Tx,
    caller: &Caller,
    id: &ErasureId,
    state: ErasureState,
) -> Result<Erasure> {
    let municipality = caller.viewer.municipality.clone();
    let row = sqlx::query("SELECT * FROM erasures WHERE municipality_id = $1 AND id = $2")
        .bind(municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or(StoreError::NotFound)?;
    let erasure = from_row(&row)?;
    if !may_know(tx, caller, &erasure).await? {
        return Err(StoreError::NotFound);
    }
    let approved = state == ErasureState::Approved;
    if approved {
        erasure::check_approver(&erasure.requested_by, &caller.viewer.account)
            .map_err(|refused| StoreError::Invalid(refused.code()))?;
    }
    let now = tx.now_text();
    let done = sqlx::query(
        "UPDATE erasures SET state = $3, decided_by = $4, decided_membership = $5, decided_at = $6, step = $7, \
         reason_sealed = CASE WHEN $3 = 'rejected' THEN NULL ELSE reason_sealed END \
         WHERE municipality_id = $1 AND id = $2 AND state = 'requested'",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(state.code())
    .bind(caller.viewer.account.as_str())
    .bind(caller.viewer.membership.as_str())
    .bind(now)
    .bind(approved.then(|| ErasureStep::Rekey.code().to_owned()))
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Conflict);
    }
    let action = if approved {
        "erasure.approve"
    } else {
        "erasure.reject"
    };
    let mut event = Event::by(caller, action, "erasure", id.as_str());
    event.case.clone_from(&erasure.case);
    audit::record(tx, event);
    outbox::put(
        tx,
        &municipality,
        "erasure",
        id.as_str(),
        erasure.case.as_ref(),
        serde_json::Value::Null,
    );
    Ok(erasure)
}

/// Approves somebody else's request: it is carried out from now on and cannot be stopped.
///
/// # Errors
/// Forbidden; `Invalid("same_person")`; not found; [`StoreError::Conflict`] when decided already.
pub async fn approve(tx: &mut Tx, caller: &Caller, id: &ErasureId) -> Result<()> {
    caller.require(Capability::EraseApprove)?;
    decide(tx, caller, id, ErasureState::Approved).await?;
    Ok(())
}

/// Turns a request down, or takes the own one back.
///
/// # Errors
/// Forbidden; not found; [`StoreError::Conflict`] when decided already.
pub async fn reject(tx: &mut Tx, caller: &Caller, id: &ErasureId) -> Result<()> {
    caller.require(Capability::EraseRequest)?;
    let mine: Option<String> = sqlx::query_scalar(
        "SELECT requested_by FROM erasures WHERE municipality_id = $1 AND id = $2",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(id.as_str())
    .fetch_optional(tx.conn())
    .await?;
    if mine.as_deref() != Some(caller.viewer.account.as_str()) {
        caller.require(Capability::EraseApprove)?;
    }
    decide(tx, caller, id, ErasureState::Rejected).await?;
    Ok(())
}

// ── carrying out ────────────────────────────────────────────────────────────

/// What the rooms must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The document goes on under this epoch.
    Epoch(DocumentId, u64),
    /// The document is no more.
    Gone(DocumentId),
}

/// Shapes by kind of document under a municipality's sheets, for rewriting.
pub type Shapes = fn(DocumentKind, &Arc<Catalogue>) -> Option<Arc<Shape>>;

/// An approved erasure in the hands of one node.
#[derive(Debug)]
pub struct Job {
    municipality: MunicipalityId,
    erasure: Erasure,
    lease: String,
}

/// How [`carry_out`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// Keys come from a command: whoever keeps them must add a generation or take the older ones away.
    WaitsForKeys,
    /// A backup is being made; tried again afterwards.
    WaitsForBackup,
}

fn log_error(error: LogError) -> StoreError {
    match error {
        LogError::NotFound => StoreError::NotFound,
        LogError::Corrupt(_) => StoreError::Corrupt("document log"),
        _ => StoreError::Conflict,
    }
}

impl Database {
    /// A process that starts takes up at once what the one before it left, where there is only one
    /// (SQLite). On PostgreSQL the lease of a node that died ends by itself.
    ///
    /// # Errors
    /// Database away.
    pub async fn take_up_erasures(&self) -> Result<()> {
        if self.dialect() == crate::Dialect::Sqlite {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE erasures SET lease_until = NULL WHERE state = 'approved'")
                .execute(tx.conn())
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Takes the oldest approved erasure that no other node works on.
    ///
    /// # Errors
    /// Database away.
    pub async fn next_erasure(&self) -> Result<Option<Job>> {
        let now = self.clock().now();
        let mut tx = self.read().await?;
        let due = sqlx::query(
            "SELECT * FROM erasures WHERE state = 'approved' AND (lease_until IS NULL OR lease_until < $1) ORDER BY decided_at, id LIMIT 1",
        )
        .bind(instant_text(now))
        .fetch_optional(tx.conn())
        .await?;
        drop(tx);
        let Some(row) = due else { return Ok(None) };
        let mut job = Job {
            municipality: MunicipalityId(row.try_get("municipality_id")?),
            erasure: from_row(&row)?,
            lease: row
                .try_get::<Option<String>, _>("lease_until")?
                .unwrap_or_default(),
        };
        let mut tx = self.write().await?;
        let taken = job.hold(&mut tx, LEASE).await;
        match taken {
            Ok(()) => tx.commit().await?,
            // Another node was faster.
            Err(StoreError::Conflict) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(job))
    }
}

impl Job {
    /// The erasure that is carried out.
    #[must_use]
    pub fn erasure(&self) -> &Erasure {
        &self.erasure
    }

    /// Whose it is.
    #[must_use]
    pub fn municipality(&self) -> &MunicipalityId {
        &self.municipality
    }

    /// Holds the lease on; [`StoreError::Conflict`] when another node has it.
    async fn hold(&mut self, tx: &mut Tx, until: SignedDuration) -> Result<()> {
        let until = tx
            .now()
            .checked_add(until)
            .map_err(|_| StoreError::Corrupt("erasures.lease_until"))?;
        let until = instant_text(until);
        let held = sqlx::query(
            "UPDATE erasures SET lease_until = $3 WHERE municipality_id = $1 AND id = $2 AND state = 'approved' AND COALESCE(lease_until, '') = $4",
        )
        .bind(self.municipality.as_str())
        .bind(self.erasure.id.as_str())
        .bind(until.as_str())
        .bind(self.lease.as_str())
        .execute(tx.conn())
        .await?;
        if held.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        self.lease = until;
        Ok(())
    }

    /// Writes down how far it is, in the transaction of what was done.
    async fn reached(&mut self, tx: &mut Tx, step: ErasureStep) -> Result<()> {
        self.hold(tx, LEASE).await?;
        let counts =
            String::from_utf8_lossy(&crate::database::encode(&self.erasure.counts)?).into_owned();
        let documents = String::from_utf8_lossy(&crate::database::encode(&self.erasure.documents)?)
            .into_owned();
        sqlx::query("UPDATE erasures SET step = $3, counts = $4, documents = $5 WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality.as_str())
            .bind(self.erasure.id.as_str())
            .bind(step.code())
            .bind(counts)
            .bind(documents)
            .execute(tx.conn())
            .await?;
        self.erasure.step = Some(step);
        Ok(())
    }

    fn count(&mut self, what: &str, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        *self.erasure.counts.entry(what.to_owned()).or_insert(0) += number;
    }

    fn purpose(&self) -> Result<Purpose> {
        purpose_of(self.erasure.case.as_ref(), self.erasure.document.as_ref())
    }

    /// Whether something survives under the purpose's key.
    fn rekeys(&self) -> bool {
        match self.erasure.scope {
            ErasureScope::Past => true,
            ErasureScope::Document => self.erasure.case.is_some(),
            _ => false,
        }
    }

    /// The document and the masks that belong to it.
    async fn targets(&self, tx: &mut Tx) -> Result<Vec<DocumentId>> {
        let Some(document) = &self.erasure.document else {
            return Ok(Vec::new());
        };
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM documents WHERE municipality_id = $1 AND (id = $2 OR parent_id = $2) ORDER BY id",
        )
        .bind(self.municipality.as_str())
        .bind(document.as_str())
        .fetch_all(tx.conn())
        .await?;
        Ok(found.into_iter().map(DocumentId).collect())
    }

    /// Every document under the purpose's key that is not erased.
    async fn living(&self, tx: &mut Tx) -> Result<Vec<(DocumentId, DocumentKind)>> {
        let (condition, value) = match (&self.erasure.case, &self.erasure.document) {
            (Some(case), _) => ("case_id = $2", case.as_str()),
            (None, Some(document)) => ("id = $2", document.as_str()),
            (None, None) => return Err(StoreError::Corrupt("erasures.case_id")),
        };
        let sql = format!(
            "SELECT id, kind FROM documents WHERE municipality_id = $1 AND {condition} AND state <> 'erased' ORDER BY id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.municipality.as_str())
            .bind(value)
            .fetch_all(tx.conn())
            .await?;
        rows.iter()
            .map(|row| {
                let kind: String = row.try_get("kind")?;
                Ok((
                    DocumentId(row.try_get("id")?),
                    code(&kind, DocumentKind::from_code, "documents.kind")?,
                ))
            })
            .collect()
    }

    fn touch(&mut self, id: &DocumentId, epoch: Option<u64>) {
        self.erasure.documents.retain(|known| known.id != *id);
        self.erasure.documents.push(Touched {
            id: id.clone(),
            epoch,
        });
    }
}

/// Carries an erasure out, from the step it is at. Whatever ends it in the middle, it is taken up again.
/// `tell` hears of every document as soon as it is rewritten or gone; `derived` is waited for before the
/// erasure is called done, so that what is derived outside the database is written anew too.
///
/// # Errors
/// Database, log or keys away, or `derived` failed: to be taken up again.
pub async fn carry_out(
    db: &Database,
    log: &DocumentLog,
    shapes: Shapes,
    mut job: Job,
    derived: impl Future<Output = Result<()>> + Send,
    mut tell: impl FnMut(Told),
) -> Result<Ended> {
    loop {
        let step = job
            .erasure
            .step
            .ok_or(StoreError::Corrupt("erasures.step"))?;
        match step {
            ErasureStep::Rekey => {
                // No backup may stand with one foot before this and one after it.
                let Some(_lock) = db.erasure_lock()? else {
                    let mut tx = db.write().await?;
                    job.hold(&mut tx, SignedDuration::from_secs(5)).await?;
                    tx.commit().await?;
                    return Ok(Ended::WaitsForBackup);
                };
                rekey(db, &mut job).await?;
            }
            ErasureStep::Documents => documents(db, log, shapes, &mut job, &mut tell).await?,
            ErasureStep::Remove => remove(db, &mut job).await?,
            ErasureStep::Reseal => reseal(db, log, &mut job).await?,
            ErasureStep::Destroy => destroy(db, log, &mut job).await?,
            ErasureStep::Rotate => {
                let above = job.erasure.counts.get("generation").copied().unwrap_or(0);
                let above = u32::try_from(above).unwrap_or(0);
                if !data_keys::rotate(db, &job.municipality, above).await? {
                    let mut tx = db.write().await?;
                    job.hold(&mut tx, WAIT).await?;
                    tx.commit().await?;
                    return Ok(Ended::WaitsForKeys);
                }
                advance(db, &mut job, ErasureStep::Compact).await?;
            }
            ErasureStep::Compact => {
                db.compact().await?;
                advance(db, &mut job, ErasureStep::Finish).await?;
            }
            _ => {
                derived.await?;
                finish(db, &mut job).await?;
                return Ok(Ended::Done);
            }
        }
    }
}

async fn advance(db: &Database, job: &mut Job, step: ErasureStep) -> Result<()> {
    let mut tx = db.write().await?;
    job.reached(&mut tx, step).await?;
    tx.commit().await
}

async fn rekey(db: &Database, job: &mut Job) -> Result<()> {
    let generation = data_keys::generation(db, &job.municipality).await?;
    job.erasure
        .counts
        .insert("generation".into(), i64::from(generation));
    let mut tx = db.write().await?;
    if job.rekeys() {
        let purpose = job.purpose()?;
        tx.replace_key(&job.municipality, &purpose).await?;
    }
    job.reached(&mut tx, ErasureStep::Documents).await?;
    tx.commit().await
}

async fn documents(
    db: &Database,
    log: &DocumentLog,
    shapes: Shapes,
    job: &mut Job,
    tell: &mut impl FnMut(Told),
) -> Result<()> {
    let mut tx = db.read().await?;
    let targets = job.targets(&mut tx).await?;
    let living = job.living(&mut tx).await?;
    let forms = tx.forms(&job.municipality).await?;
    drop(tx);
    match job.erasure.scope {
        ErasureScope::Document => {
            close(db, job, &targets).await?;
            for document in &targets {
                drop_log(log, job, document, tell).await?;
            }
        }
        ErasureScope::Case => {
            let all: Vec<DocumentId> = living.iter().map(|(id, _)| id.clone()).collect();
            close(db, job, &all).await?;
            let mut tx = db.read().await?;
            let all = every_document(&mut tx, job).await?;
            drop(tx);
            for document in &all {
                drop_log(log, job, document, tell).await?;
            }
        }
        _ => {}
    }
    if job.rekeys() {
        for (document, kind) in &living {
            let erased = targets.contains(document);
            if erased && job.erasure.scope == ErasureScope::Document {
                continue;
            }
            let past = if erased { Past::Erase } else { Past::Keep };
            let shape = shapes(*kind, &forms).ok_or(StoreError::Corrupt("documents.kind"))?;
            let epoch = rewrite(db, log, job, document, &shape, past).await?;
            if let Some(epoch) = epoch {
                job.touch(document, Some(epoch));
                tell(Told::Epoch(document.clone(), epoch));
            }
            let mut tx = db.write().await?;
            job.hold(&mut tx, LEASE).await?;
            tx.commit().await?;
        }
    }
    let number = job.erasure.documents.len();
    job.erasure.counts.insert(
        "documents".into(),
        i64::try_from(number).unwrap_or(i64::MAX),
    );
    advance(db, job, ErasureStep::Remove).await
}

async fn every_document(tx: &mut Tx, job: &Job) -> Result<Vec<DocumentId>> {
    let Some(case) = &job.erasure.case else {
        return Ok(Vec::new());
    };
    tx.documents_of(&job.municipality, case).await
}

/// No right opens these any more. A sheet of a case gets an empty one in its place.
async fn close(db: &Database, job: &Job, documents: &[DocumentId]) -> Result<()> {
    let mut tx = db.write().await?;
    let mut successors: BTreeMap<DocumentId, DocumentId> = BTreeMap::new();
    let replaced = job.erasure.scope == ErasureScope::Document && job.erasure.case.is_some();
    // The text before its masks, which point to it.
    let mut ordered = documents.to_vec();
    ordered.sort_by_key(|id| job.erasure.document.as_ref() != Some(id));
    for document in &ordered {
        let closed = sqlx::query("UPDATE documents SET state = 'erased', dated_on = NULL, updated_at = $3 WHERE municipality_id = $1 AND id = $2 AND state <> 'erased'")
            .bind(job.municipality.as_str())
            .bind(document.as_str())
            .bind(tx.now_text())
            .execute(tx.conn())
            .await?;
        if closed.rows_affected() == 0 || !replaced {
            continue;
        }
        let fresh: DocumentId = tx.database().fresh();
        let parent: Option<String> = sqlx::query_scalar(
            "SELECT parent_id FROM documents WHERE municipality_id = $1 AND id = $2",
        )
        .bind(job.municipality.as_str())
        .bind(document.as_str())
        .fetch_one(tx.conn())
        .await?;
        let parent = parent.and_then(|id| successors.get(&DocumentId(id)).cloned());
        sqlx::query(
            "INSERT INTO documents (municipality_id, id, case_id, kind, section, form, form_version, schema_version, parent_id, epoch, state, \
             owner_agency_id, created_by, created_at, updated_at, number) \
             SELECT municipality_id, $3, case_id, kind, section, form, form_version, schema_version, $4, 1, 'draft', owner_agency_id, NULL, $5, $5, number \
             FROM documents WHERE municipality_id = $1 AND id = $2",
        )
        .bind(job.municipality.as_str())
        .bind(document.as_str())
        .bind(fresh.as_str())
        .bind(parent.map(|id| id.0))
        .bind(tx.now_text())
        .execute(tx.conn())
        .await?;
        sqlx::query(
            "INSERT INTO document_subjects (municipality_id, document_id, person_id) \
             SELECT municipality_id, $3, person_id FROM document_subjects WHERE municipality_id = $1 AND document_id = $2",
        )
        .bind(job.municipality.as_str())
        .bind(document.as_str())
        .bind(fresh.as_str())
        .execute(tx.conn())
        .await?;
        successors.insert(document.clone(), fresh);
    }
    if let Some(case) = &job.erasure.case {
        outbox::put(
            &mut tx,
            &job.municipality,
            "case.access",
            case.as_str(),
            Some(case),
            serde_json::Value::Null,
        );
    }
    tx.commit().await
}

async fn drop_log(
    log: &DocumentLog,
    job: &mut Job,
    document: &DocumentId,
    tell: &mut impl FnMut(Told),
) -> Result<()> {
    log.remove(document).await.map_err(log_error)?;
    job.touch(document, None);
    tell(Told::Gone(document.clone()));
    Ok(())
}

/// Rewrites one log, unless it stands under the active key already. Returns its epoch; `None` when the
/// document has no log yet.
async fn rewrite(
    db: &Database,
    log: &DocumentLog,
    job: &Job,
    document: &DocumentId,
    shape: &Arc<Shape>,
    past: Past,
) -> Result<Option<u64>> {
    let purpose = job.purpose()?;
    let mut tx = db.read().await?;
    let active = tx.data_key(&job.municipality, &purpose).await?;
    drop(tx);
    let (epoch, _, key) = match log.head(document).await {
        Ok(head) => head,
        Err(LogError::NotFound) => return Ok(None),
        Err(error) => return Err(log_error(error)),
    };
    if key == active.id {
        raise(db, &job.municipality, document, epoch).await?;
        return Ok(Some(epoch));
    }
    let done = rewrite_log(db, log, &job.municipality, document, shape, past).await?;
    Ok(Some(done.epoch))
}

/// Rewrites one log under a new epoch. The registry has the epoch first: a client that asks which one
/// holds learns of the new one before the old one's log is gone.
async fn rewrite_log(
    db: &Database,
    log: &DocumentLog,
    municipality: &MunicipalityId,
    document: &DocumentId,
    shape: &Arc<Shape>,
    past: Past,
) -> Result<Rewritten> {
    let raised = |epoch| async move {
        raise(db, municipality, document, epoch)
            .await
            .map_err(|error| LogError::Unavailable(error.to_string()))
    };
    let done = log
        .rewrite(document, shape, past, raised)
        .await
        .map_err(log_error)?;
    if past == Past::Keep {
        carry_over(db, municipality, document, done).await?;
    }
    Ok(done)
}

async fn raise(
    db: &Database,
    municipality: &MunicipalityId,
    document: &DocumentId,
    epoch: u64,
) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE documents SET epoch = $3 WHERE municipality_id = $1 AND id = $2 AND epoch < $3",
    )
    .bind(municipality.as_str())
    .bind(document.as_str())
    .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// What was derived from the very state that was rewritten holds for the new epoch too.
async fn carry_over(
    db: &Database,
    municipality: &MunicipalityId,
    document: &DocumentId,
    done: Rewritten,
) -> Result<()> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut tx = db.write().await?;
    for table in ["document_projections", "mask_scans", "mask_releases"] {
        let sql = format!(
            "UPDATE {table} SET epoch = $3, seq = $4 WHERE municipality_id = $1 AND document_id = $2 AND epoch = $5 AND seq = $6"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(document.as_str())
            .bind(number(done.epoch))
            .bind(number(done.seq))
            .bind(number(done.from))
            .bind(number(done.seq.saturating_sub(1)))
            .execute(tx.conn())
            .await?;
    }
    tx.commit().await
}

async fn execute(tx: &mut Tx, sql: &'static str, values: &[&str]) -> Result<u64> {
    let mut query = sqlx::query(sql);
    for value in values {
        query = query.bind((*value).to_owned());
    }
    Ok(query.execute(tx.conn()).await?.rows_affected())
}

async fn remove(db: &Database, job: &mut Job) -> Result<()> {
    let mut tx = db.write().await?;
    let municipality = job.municipality.clone();
    match (job.erasure.scope, job.erasure.case.clone()) {
        (ErasureScope::Case, Some(case)) => {
            tx.hold_case(&municipality, &case).await?;
            for (what, number) in purge_case(&mut tx, &municipality, &case).await? {
                job.count(what, number);
            }
        }
        _ => remove_derived(&mut tx, job).await?,
    }
    // What is erased may stand in a file that somebody is bringing in.
    let ended = crate::imports::end_all(&mut tx, &municipality).await?;
    if ended > 0 {
        job.count("imports", ended);
    }
    sqlx::query("UPDATE erasures SET reason_sealed = NULL WHERE municipality_id = $1 AND id = $2")
        .bind(municipality.as_str())
        .bind(job.erasure.id.as_str())
        .execute(tx.conn())
        .await?;
    job.reached(&mut tx, ErasureStep::Reseal).await?;
    tx.commit().await
}

async fn remove_derived(tx: &mut Tx, job: &mut Job) -> Result<()> {
    let m = job.municipality.0.clone();
    if let Some(case) = &job.erasure.case {
        tx.hold_case(&job.municipality, case).await?;
    }
    let (scope, ground) = (job.erasure.scope, job.erasure.ground);
    for document in job.targets(tx).await? {
        let d = document.as_str();
        // What a worker made of the new epoch stays; it comes from the rewritten state.
        for sql in [
            "DELETE FROM document_projections WHERE municipality_id = $1 AND document_id = $2 \
             AND epoch < (SELECT CASE WHEN state = 'erased' THEN epoch + 1 ELSE epoch END FROM documents WHERE municipality_id = $1 AND id = $2)",
            "DELETE FROM mask_scans WHERE municipality_id = $1 AND document_id = $2 \
             AND epoch < (SELECT CASE WHEN state = 'erased' THEN epoch + 1 ELSE epoch END FROM documents WHERE municipality_id = $1 AND id = $2)",
        ] {
            let gone = execute(tx, sql, &[&m, d]).await?;
            job.count("derived", gone);
        }
        let gone = execute(            tx,
            "DELETE FROM mask_releases WHERE municipality_id = $1 AND document_id = $2 \
             AND epoch < (SELECT CASE WHEN state = 'erased' THEN epoch + 1 ELSE epoch END FROM documents WHERE municipality_id = $1 AND id = $2)",
            &[&m, d],
        )
        .await?;
        job.count("releases", gone);
        if erasure::takes_finals(scope, ground) {
            let gone = execute(                tx,
                "DELETE FROM document_finals WHERE municipality_id = $1 AND document_id = $2 \
                 AND epoch < (SELECT CASE WHEN state = 'erased' THEN epoch + 1 ELSE epoch END FROM documents WHERE municipality_id = $1 AND id = $2)",
                &[&m, d],
            )
            .await?;
            job.count("finals", gone);
        }
        if scope == ErasureScope::Document {
            execute(
                tx,
                "DELETE FROM document_shares WHERE municipality_id = $1 AND document_id = $2",
                &[&m, d],
            )
            .await?;
            execute(
                tx,
                "DELETE FROM document_subjects WHERE municipality_id = $1 AND document_id = $2",
                &[&m, d],
            )
            .await?;
        }
    }
    let Some(case) = job.erasure.case.clone() else {
        return Ok(());
    };
    let c = case.as_str();
    let gone = execute(
        tx,
        "DELETE FROM vectors WHERE municipality_id = $1 AND case_id = $2",
        &[&m, c],
    )
    .await?;
    job.count("vectors", gone);
    if scope == ErasureScope::Document {
        match job.erasure.document_kind {
            Some(DocumentKind::Assessment) => {
                execute(
                    tx,
                    "DELETE FROM case_issue_facts WHERE municipality_id = $1 AND case_id = $2",
                    &[&m, c],
                )
                .await?;
                execute(                    tx,
                    "UPDATE case_facts SET route = NULL WHERE municipality_id = $1 AND case_id = $2",
                    &[&m, c],
                )
                .await?;
            }
            Some(DocumentKind::Intake) => {
                execute(                    tx,
                    "UPDATE case_facts SET contact_method = NULL WHERE municipality_id = $1 AND case_id = $2",
                    &[&m, c],
                )
                .await?;
            }
            _ => {}
        }
    }
    for object in job.erasure.objects.clone() {
        let id = object.id.as_str();
        if object.kind == ErasedObject::Request {
            let gone = crate::requests::forget_words(tx, &job.municipality, &case, id).await?;
            job.count("requests", gone);
            continue;
        }
        if object.kind == ErasedObject::Attachment {
            crate::progress::forget_file_name(tx, &job.municipality, &case, id).await?;
        }
        let (sqls, name): (&[&'static str], &str) = match object.kind {
            ErasedObject::ProgressRecord => (
                &[
                    "DELETE FROM blob_parts WHERE municipality_id = $1 AND blob_id IN (SELECT id FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND record_id = $3)",
                    "DELETE FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND record_id = $3",
                    "DELETE FROM progress_amendments WHERE municipality_id = $1 AND record_id = $3 AND EXISTS (SELECT 1 FROM progress_records r WHERE r.municipality_id = $1 AND r.case_id = $2 AND r.id = $3)",
                    "DELETE FROM progress_agencies WHERE municipality_id = $1 AND record_id = $3 AND EXISTS (SELECT 1 FROM progress_records r WHERE r.municipality_id = $1 AND r.case_id = $2 AND r.id = $3)",
                    "DELETE FROM progress_persons WHERE municipality_id = $1 AND record_id = $3 AND EXISTS (SELECT 1 FROM progress_records r WHERE r.municipality_id = $1 AND r.case_id = $2 AND r.id = $3)",
                    "DELETE FROM progress_records WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
                ],
                "progress_records",
            ),
            ErasedObject::Transcript => (
                &[
                    "DELETE FROM transcripts WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
                ],
                "transcripts",
            ),
            ErasedObject::Step => (
                &[
                    "UPDATE case_steps SET reason_sealed = NULL WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
                ],
                "steps",
            ),
            _ => (
                &[
                    "DELETE FROM blob_parts WHERE municipality_id = $1 AND blob_id = $3 AND EXISTS (SELECT 1 FROM blobs b WHERE b.municipality_id = $1 AND b.case_id = $2 AND b.id = $3)",
                    "DELETE FROM blobs WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
                ],
                "attachments",
            ),
        };
        let mut gone = 0;
        for sql in sqls {
            gone = execute(tx, sql, &[&m, c, id]).await?;
        }
        job.count(name, gone);
    }
    Ok(())
}

/// Removes every row of a case from the main database, with the persons that are in no other and their
/// keys. The logs are gone by then. Returns how many of what.
pub(crate) async fn purge_case(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<Vec<(&'static str, u64)>> {
    let (m, c) = (municipality.as_str(), case.as_str());
    let persons: Vec<String> = sqlx::query_scalar(
        "SELECT p.person_id FROM case_persons p WHERE p.municipality_id = $1 AND p.case_id = $2 \
         AND NOT EXISTS (SELECT 1 FROM case_persons o WHERE o.municipality_id = $1 AND o.person_id = p.person_id AND o.case_id <> $2) \
         AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.municipality_id = $1 AND a.person_id = p.person_id) ORDER BY p.person_id",
    )
    .bind(m)
    .bind(c)
    .fetch_all(tx.conn())
    .await?;
    let mut counts = Vec::new();
    for (name, sql) in [
        (
            "",
            "DELETE FROM progress_amendments WHERE municipality_id = $1 AND record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM progress_agencies WHERE municipality_id = $1 AND record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM progress_persons WHERE municipality_id = $1 AND record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "progress_records",
            "DELETE FROM progress_records WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "transcripts",
            "DELETE FROM transcripts WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "vectors",
            "DELETE FROM vectors WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_issue_facts WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_facts WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM blob_parts WHERE municipality_id = $1 AND blob_id IN (SELECT id FROM blobs WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "attachments",
            "DELETE FROM blobs WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM progress_drafts WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "derived",
            "DELETE FROM mask_scans WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "releases",
            "DELETE FROM mask_releases WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "derived",
            "DELETE FROM document_projections WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "finals",
            "DELETE FROM document_finals WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM document_subjects WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM document_shares WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM consumer_positions WHERE municipality_id = $1 AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM documents WHERE municipality_id = $1 AND case_id = $2 AND parent_id IS NOT NULL",
        ),
        (
            "",
            "DELETE FROM documents WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM sharing_basis_members WHERE municipality_id = $1 AND basis_id IN (SELECT id FROM sharing_bases WHERE municipality_id = $1 AND case_id = $2)",
        ),
        (
            "",
            "DELETE FROM sharing_bases WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "requests",
            "DELETE FROM case_requests WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_steps WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM consent_overrides WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "consents",
            "DELETE FROM consents WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM disclosures WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_exclusions WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_members WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "",
            "DELETE FROM case_persons WHERE municipality_id = $1 AND case_id = $2",
        ),
        // What else was asked for in this case has no object any more.
        (
            "",
            "UPDATE erasures SET reason_sealed = NULL, state = CASE WHEN scope <> 'case' AND state IN ('requested', 'approved') THEN 'rejected' ELSE state END \
              WHERE municipality_id = $1 AND case_id = $2",
        ),
        (
            "cases",
            "DELETE FROM cases WHERE municipality_id = $1 AND id = $2",
        ),
    ] {
        let gone = execute(tx, sql, &[m, c]).await?;
        if !name.is_empty() {
            counts.push((name, gone));
        }
    }
    for person in &persons {
        purge_person(tx, municipality, &PersonId(person.clone())).await?;
    }
    counts.push(("persons", persons.len() as u64));
    outbox::put(
        tx,
        municipality,
        "case.access",
        c,
        Some(case),
        serde_json::Value::Null,
    );
    Ok(counts)
}

/// Removes a person that stands in no case, whoever was merged into it, and households that are empty
/// without them.
async fn purge_person(tx: &mut Tx, municipality: &MunicipalityId, person: &PersonId) -> Result<()> {
    for (merged, _) in crate::merges::into(tx, municipality, std::slice::from_ref(person)).await? {
        purge_one_person(tx, municipality, &merged).await?;
    }
    purge_one_person(tx, municipality, person).await
}

async fn purge_one_person(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<()> {
    let (m, p) = (municipality.as_str(), person.as_str());
    crate::households::remove_stays(tx, municipality, person).await?;
    for sql in [
        "DELETE FROM person_merges WHERE municipality_id = $1 AND (kept_id = $2 OR merged_id = $2)",
        "DELETE FROM person_facts WHERE municipality_id = $1 AND person_id = $2",
        "DELETE FROM person_index WHERE municipality_id = $1 AND person_id = $2",
        "DELETE FROM person_flags WHERE municipality_id = $1 AND person_id = $2",
        "DELETE FROM person_address_allow WHERE municipality_id = $1 AND person_id = $2",
        "DELETE FROM persons WHERE municipality_id = $1 AND id = $2",
    ] {
        execute(tx, sql, &[m, p]).await?;
    }
    tx.destroy_key(municipality, &Purpose::Person(person.clone()))
        .await?;
    Ok(())
}

async fn reseal(db: &Database, log: &DocumentLog, job: &mut Job) -> Result<()> {
    if job.rekeys() {
        let purpose = job.purpose()?;
        let mut tx = db.read().await?;
        let retired = tx.retired_keys(&job.municipality, &purpose).await?;
        drop(tx);
        for former in &retired {
            loop {
                let mut tx = db.write().await?;
                let (done, more) =
                    sealed::reseal(&mut tx, &job.municipality, &purpose, former, BATCH).await?;
                job.hold(&mut tx, LEASE).await?;
                job.count("resealed", done as u64);
                tx.commit().await?;
                if !more {
                    break;
                }
                // Whoever waits for the writer goes first.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        if left_under(db, log, job).await? > 0 {
            // A document was written to under the former key meanwhile.
            return advance(db, job, ErasureStep::Documents).await;
        }
    }
    advance(db, job, ErasureStep::Destroy).await
}

/// Records and values that still stand under keys that are to be destroyed.
async fn left_under(db: &Database, log: &DocumentLog, job: &Job) -> Result<u64> {
    let purpose = job.purpose()?;
    let mut tx = db.read().await?;
    let retired = tx.retired_keys(&job.municipality, &purpose).await?;
    let documents: Vec<DocumentId> = job
        .living(&mut tx)
        .await?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut left = 0;
    for key in &retired {
        let found = sealed::sealed_under(&mut tx, &job.municipality, &purpose, key).await?;
        left += u64::try_from(found).unwrap_or(0);
    }
    drop(tx);
    for key in &retired {
        left += log.sealed_under(&documents, key).await.map_err(log_error)?;
    }
    Ok(left)
}

async fn destroy(db: &Database, log: &DocumentLog, job: &mut Job) -> Result<()> {
    let purpose = job.purpose()?;
    if job.rekeys() && left_under(db, log, job).await? > 0 {
        return advance(db, job, ErasureStep::Documents).await;
    }
    let mut tx = db.write().await?;
    let gone = if job.rekeys() {
        tx.destroy_retired(&job.municipality, &purpose).await?
    } else {
        tx.destroy_key(&job.municipality, &purpose).await?
    };
    job.count("keys", gone);
    job.reached(&mut tx, ErasureStep::Rotate).await?;
    tx.commit().await
}

async fn finish(db: &Database, job: &mut Job) -> Result<()> {
    let mut tx = db.write().await?;
    job.hold(&mut tx, LEASE).await?;
    let now = tx.now_text();
    sqlx::query(
        "UPDATE erasures SET state = 'done', step = NULL, lease_until = NULL, done_at = $3, reason_sealed = NULL WHERE municipality_id = $1 AND id = $2",
    )
    .bind(job.municipality.as_str())
    .bind(job.erasure.id.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    let erasure = &job.erasure;
    // The 廃棄記録 in the chain: altering the row above is noticed.
    let mut event = Event::system(
        &job.municipality,
        "erasure.done",
        "erasure",
        erasure.id.as_str(),
    )
    .detail(json!({
        "scope": erasure.scope,
        "ground": erasure.ground,
        "requested_by": erasure.requested_by,
        "approved_by": erasure.decided_by,
        "documents": erasure.documents.iter().map(|touched| &touched.id).collect::<Vec<_>>(),
        "objects": erasure.objects,
        "counts": erasure.counts,
    }));
    event.case.clone_from(&erasure.case);
    audit::record(&mut tx, event);
    outbox::put(
        &mut tx,
        &job.municipality,
        "erasure",
        erasure.id.as_str(),
        erasure.case.as_ref(),
        serde_json::json!({ "done": true }),
    );
    tx.commit().await
}

/// Documents that erasures rewrote or removed and that were finished or worked on since `since`, for
/// nodes that did not do it themselves. Instants as fixed-width text.
///
/// # Errors
/// Database away.
pub async fn touched_since(tx: &mut Tx, since: &str) -> Result<Vec<(ErasureId, Vec<Touched>)>> {
    let rows = sqlx::query(
        "SELECT id, documents FROM erasures WHERE documents <> '[]' AND (state = 'approved' OR (state = 'done' AND done_at >= $1)) ORDER BY id",
    )
    .bind(since)
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            let documents: String = row.try_get("documents")?;
            Ok((
                ErasureId(row.try_get("id")?),
                crate::database::decode(documents.as_bytes())?,
            ))
        })
        .collect()
}

// ── after a restore ─────────────────────────────────────────────────────────

/// What [`after_restore`] did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Documents that go on under a new epoch.
    pub documents: u64,
    /// Numbers of cases whose key was destroyed after the backup was made: they stay erased.
    pub erased_cases: Vec<String>,
    /// Persons and notes likewise.
    pub erased_others: u64,
}

/// Makes a restored database usable: keys are brought to the present generation, what was erased since
/// the backup stays erased, every document gets a new epoch, and sessions of then end.
///
/// # Errors
/// Database or keys away, a log that cannot be read.
pub async fn after_restore(db: &Database, log: &DocumentLog, shapes: Shapes) -> Result<Restored> {
    let mut restored = Restored::default();
    let mut tx = db.read().await?;
    let municipalities = crate::municipalities::list(&mut tx).await?;
    drop(tx);
    for municipality in municipalities {
        let m = municipality.id;
        for lost in data_keys::adopt_ring(db, &m).await? {
            forget_lost(db, log, &m, &lost, &mut restored).await?;
        }
        let mut tx = db.read().await?;
        let rows = sqlx::query("SELECT id, kind FROM documents WHERE municipality_id = $1 AND state <> 'erased' ORDER BY id")
            .bind(m.as_str())
            .fetch_all(tx.conn())
            .await?;
        let forms = tx.forms(&m).await?;
        drop(tx);
        for row in &rows {
            let document = DocumentId(row.try_get("id")?);
            let kind: String = row.try_get("kind")?;
            let kind = code(&kind, DocumentKind::from_code, "documents.kind")?;
            let shape = shapes(kind, &forms).ok_or(StoreError::Corrupt("documents.kind"))?;
            match rewrite_log(db, log, &m, &document, &shape, Past::Keep).await {
                Ok(_) => restored.documents += 1,
                // Not in the log yet: a worker makes it.
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let mut tx = db.write().await?;
    execute(&mut tx, "DELETE FROM sessions", &[]).await?;
    tx.commit().await?;
    Ok(restored)
}

async fn forget_lost(
    db: &Database,
    log: &DocumentLog,
    municipality: &MunicipalityId,
    lost: &Purpose,
    restored: &mut Restored,
) -> Result<()> {
    let mut tx = db.read().await?;
    let documents = match lost {
        Purpose::Case(case) => tx.documents_of(municipality, case).await?,
        Purpose::Note(note) => vec![note.clone()],
        _ => Vec::new(),
    };
    drop(tx);
    for document in &documents {
        log.remove(document).await.map_err(log_error)?;
    }
    let mut tx = db.write().await?;
    match lost {
        Purpose::Case(case) => {
            let number: Option<String> = sqlx::query_scalar(
                "SELECT case_no FROM cases WHERE municipality_id = $1 AND id = $2",
            )
            .bind(municipality.as_str())
            .bind(case.as_str())
            .fetch_optional(tx.conn())
            .await?;
            purge_case(&mut tx, municipality, case).await?;
            restored.erased_cases.extend(number);
        }
        Purpose::Note(note) => {
            execute(
                &mut tx,
                "UPDATE documents SET state = 'erased' WHERE municipality_id = $1 AND id = $2",
                &[municipality.as_str(), note.as_str()],
            )
            .await?;
            restored.erased_others += 1;
        }
        Purpose::Person(person) => {
            let cases = crate::persons::cases_of(&mut tx, municipality, person).await?;
            // In a case still: its values cannot be read, and are gone; the person's place stays.
            if cases.is_empty() {
                purge_person(&mut tx, municipality, person).await?;
            } else {
                crate::households::remove_stays(&mut tx, municipality, person).await?;
                execute(
                    &mut tx,
                    "DELETE FROM person_facts WHERE municipality_id = $1 AND person_id = $2",
                    &[municipality.as_str(), person.as_str()],
                )
                .await?;
                execute(
                    &mut tx,
                    "DELETE FROM person_merges WHERE municipality_id = $1 AND kept_id = $2",
                    &[municipality.as_str(), person.as_str()],
                )
                .await?;
                execute(
                    &mut tx,
                    "DELETE FROM person_flags WHERE municipality_id = $1 AND person_id = $2",
                    &[municipality.as_str(), person.as_str()],
                )
                .await?;
            }
            restored.erased_others += 1;
        }
        _ => {}
    }
    tx.commit().await
}
