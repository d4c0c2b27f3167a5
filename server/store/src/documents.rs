//! Documents (Y.Docs): their place, subjects, rights and finals. Their content lives in the
//! document log; [`crate::documents_log`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::disclosure::{self, CaseFacts, Decision, DocumentFacts, Level, NoteFacts};
use domain::id::{AccountId, AgencyId, CaseId, DocumentId, MunicipalityId, PersonId};
use domain::role::Capability;
use domain::section::{DocumentKind, Section};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::access::Caller;
use crate::cases::{self, CaseAccess};
use crate::data_keys::Purpose;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError, taken};
use crate::outbox;

/// Version of the shapes that documents are created with.
pub const SCHEMA_VERSION: i64 = 1;

/// State of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    Draft,
    Final,
    Erased,
}

impl DocumentState {
    const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Final => "final",
            Self::Erased => "erased",
        }
    }

    fn parse(code: &str) -> Result<Self> {
        Ok(match code {
            "draft" => Self::Draft,
            "final" => Self::Final,
            "erased" => Self::Erased,
            _ => return Err(StoreError::Corrupt("documents.state")),
        })
    }
}

/// The plain columns of a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentInfo {
    pub municipality: MunicipalityId,
    pub id: DocumentId,
    pub case: Option<CaseId>,
    pub kind: DocumentKind,
    pub section: Option<Section>,
    pub form: Option<String>,
    pub schema_version: i64,
    pub parent: Option<DocumentId>,
    pub epoch: u64,
    pub state: DocumentState,
    pub owner_agency: AgencyId,
    pub created_by: Option<AccountId>,
    /// Which one of its kind in the case, from 1; `None` for documents made with the case.
    pub number: Option<i64>,
    /// Business date of the sheet, ISO; follows the field with a little delay.
    pub dated_on: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

pub(crate) fn info(row: &AnyRow) -> Result<DocumentInfo> {
    Ok(DocumentInfo {
        municipality: MunicipalityId(row.try_get("municipality_id")?),
        id: DocumentId(row.try_get("id")?),
        case: row.try_get::<Option<String>, _>("case_id")?.map(CaseId),
        kind: DocumentKind::from_code(&row.try_get::<String, _>("kind")?)
            .ok_or(StoreError::Corrupt("documents.kind"))?,
        section: match row.try_get::<Option<String>, _>("section")? {
            Some(code) => {
                Some(Section::from_code(&code).ok_or(StoreError::Corrupt("documents.section"))?)
            }
            None => None,
        },
        form: row.try_get("form")?,
        schema_version: row.try_get("schema_version")?,
        parent: row
            .try_get::<Option<String>, _>("parent_id")?
            .map(DocumentId),
        epoch: u64::try_from(row.try_get::<i64, _>("epoch")?)
            .map_err(|_| StoreError::Corrupt("documents.epoch"))?,
        state: DocumentState::parse(&row.try_get::<String, _>("state")?)?,
        owner_agency: AgencyId(row.try_get("owner_agency_id")?),
        created_by: row
            .try_get::<Option<String>, _>("created_by")?
            .map(AccountId),
        number: row.try_get("number")?,
        dated_on: row.try_get("dated_on")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(crate) async fn insert(
    tx: &mut Tx,
    caller: &Caller,
    case: Option<&CaseId>,
    kind: DocumentKind,
    parent: Option<&DocumentId>,
    owner: &AgencyId,
    number: Option<i64>,
) -> Result<DocumentId> {
    let id: DocumentId = tx.database().fresh();
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO documents (municipality_id, id, case_id, kind, section, form, schema_version, parent_id, epoch, state, \
         owner_agency_id, created_by, created_at, updated_at, number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 'draft', $9, $10, $11, $11, $12)",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(id.as_str())
    .bind(case.map(|case| case.0.clone()))
    .bind(kind.code())
    .bind(kind.section().map(|section| section.code().to_owned()))
    .bind(kind.form().map(str::to_owned))
    .bind(SCHEMA_VERSION)
    .bind(parent.map(|parent| parent.0.clone()))
    .bind(owner.as_str())
    .bind(caller.viewer.account.as_str())
    .bind(now)
    .bind(number)
    .execute(tx.conn())
    .await
    .map_err(taken("number"))?;
    Ok(id)
}

/// A case's sheets (no masks, no notes) with their subjects, by kind and number.
pub(crate) async fn sheets(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<Vec<(DocumentInfo, Vec<PersonId>)>> {
    let rows = sqlx::query(
        "SELECT * FROM documents WHERE municipality_id = $1 AND case_id = $2 AND section IS NOT NULL AND parent_id IS NULL \
         AND state <> 'erased' ORDER BY kind, number, id",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .fetch_all(tx.conn())
    .await?;
    let named = sqlx::query(
        "SELECT s.document_id, s.person_id FROM document_subjects s JOIN documents d ON d.municipality_id = s.municipality_id \
         AND d.id = s.document_id WHERE d.municipality_id = $1 AND d.case_id = $2 ORDER BY s.person_id",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .fetch_all(tx.conn())
    .await?;
    let mut persons: BTreeMap<String, Vec<PersonId>> = BTreeMap::new();
    for row in &named {
        persons
            .entry(row.try_get("document_id")?)
            .or_default()
            .push(PersonId(row.try_get("person_id")?));
    }
    rows.iter()
        .map(|row| {
            let info = info(row)?;
            let subjects = persons.remove(info.id.as_str()).unwrap_or_default();
            Ok((info, subjects))
        })
        .collect()
}

/// Creates a 共有メモ outside any case. Its Y.Doc is made by the hub.
///
/// # Errors
/// Forbidden for roles without case content.
pub async fn create_note(tx: &mut Tx, caller: &Caller) -> Result<DocumentId> {
    if caller.viewer.role.ceiling() < Level::Edit || !caller.may(Capability::EditCase) {
        return Err(StoreError::Forbidden);
    }
    let agency = caller.viewer.agency.clone();
    let id = insert(tx, caller, None, DocumentKind::Note, None, &agency, None).await?;
    tx.create_key(&caller.viewer.municipality, &Purpose::Note(id.clone()))
        .await?;
    Ok(id)
}

async fn subjects(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    document: &DocumentId,
) -> Result<Vec<PersonId>> {
    let rows = sqlx::query("SELECT person_id FROM document_subjects WHERE municipality_id = $1 AND document_id = $2 ORDER BY person_id")
        .bind(municipality.as_str())
        .bind(document.as_str())
        .fetch_all(tx.conn())
        .await?;
    rows.iter()
        .map(|row| Ok(PersonId(row.try_get("person_id")?)))
        .collect()
}

/// The right to a document, as the policy gave it.
#[derive(Debug, Clone)]
pub struct DocumentAccess {
    pub(crate) caller: Caller,
    pub(crate) info: DocumentInfo,
    /// Facts of the case; `None` for a note outside cases.
    facts: Option<CaseFacts>,
    decision: Decision,
    review: bool,
    masks: Option<DocumentId>,
}

/// The sections that documents belong to (masks: to that of their text), for lists of events. A
/// document without one, or of another municipality, is left out.
///
/// # Errors
/// Database away.
pub async fn sections_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[DocumentId],
) -> Result<BTreeMap<DocumentId, Section>> {
    let mut out = BTreeMap::new();
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT d.id, COALESCE(d.section, p.section) AS section FROM documents d \
         LEFT JOIN documents p ON p.municipality_id = d.municipality_id AND p.id = d.parent_id \
         WHERE d.municipality_id = $1 AND d.id IN",
        "",
    )
    .await?;
    for row in &rows {
        let section: Option<String> = row.try_get("section")?;
        if let Some(section) = section.as_deref().and_then(Section::from_code) {
            out.insert(DocumentId(row.try_get("id")?), section);
        }
    }
    Ok(out)
}

impl Tx {
    async fn document_row(&mut self, id: &DocumentId) -> Result<Option<DocumentInfo>> {
        let row = sqlx::query("SELECT * FROM documents WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.conn())
            .await?;
        row.as_ref().map(info).transpose()
    }

    async fn masks_of(
        &mut self,
        municipality: &MunicipalityId,
        parent: &DocumentId,
    ) -> Result<Option<DocumentId>> {
        Ok(sqlx::query_scalar::<_, String>(
            "SELECT id FROM documents WHERE municipality_id = $1 AND parent_id = $2 AND kind = 'masks' ORDER BY id LIMIT 1",
        )
        .bind(municipality.as_str())
        .bind(parent.as_str())
        .fetch_optional(self.conn())
        .await?
        .map(DocumentId))
    }

    /// The caller's right to a document; `None` when there is no such document *for this caller*.
    /// A masked reader gets an access whose [`DocumentAccess::level`] is `Masked`: it reads the
    /// projection, never the document.
    ///
    /// # Errors
    /// Database away.
    pub async fn document_for(
        &mut self,
        caller: &Caller,
        id: &DocumentId,
    ) -> Result<Option<DocumentAccess>> {
        let Some(info) = self
            .document_row(id)
            .await?
            .filter(|info| info.municipality == caller.viewer.municipality)
        else {
            return Ok(None);
        };
        if info.state == DocumentState::Erased || !caller.may(Capability::ReadCases) {
            return Ok(None);
        }
        let Some(case) = info.case.clone() else {
            let rows = sqlx::query("SELECT agency_id, account_id, level FROM document_shares WHERE municipality_id = $1 AND document_id = $2")
                .bind(info.municipality.as_str())
                .bind(info.id.as_str())
                .fetch_all(self.conn())
                .await?;
            let mut shared = Vec::new();
            for row in &rows {
                let account: String = row.try_get("account_id")?;
                if account.is_empty() || account == caller.viewer.account.as_str() {
                    let level = Level::from_code(&row.try_get::<String, _>("level")?)
                        .ok_or(StoreError::Corrupt("document_shares.level"))?;
                    shared.push((AgencyId(row.try_get("agency_id")?), level));
                }
            }
            let facts = NoteFacts {
                municipality: info.municipality.clone(),
                agency: info.owner_agency.clone(),
                shared,
            };
            let decision = disclosure::decide_note(&caller.viewer, &facts);
            let visible = decision.level > Level::None;
            return Ok(visible.then(|| DocumentAccess {
                caller: caller.clone(),
                info,
                facts: None,
                decision,
                review: false,
                masks: None,
            }));
        };
        let municipality = info.municipality.clone();
        let Some(facts) = cases::facts(self, &municipality, std::slice::from_ref(&case))
            .await?
            .remove(&case)
        else {
            return Ok(None);
        };
        self.access_to(caller, info, facts).await
    }

    async fn access_to(
        &mut self,
        caller: &Caller,
        info: DocumentInfo,
        facts: CaseFacts,
    ) -> Result<Option<DocumentAccess>> {
        if info.kind == DocumentKind::Masks {
            let Some(parent) = info.parent.clone() else {
                return Ok(None);
            };
            let Some(parent) = self.document_row(&parent).await? else {
                return Ok(None);
            };
            let Some(about) = self.document_facts(&parent, &facts).await? else {
                return Ok(None);
            };
            if !disclosure::may_review_masks(&caller.viewer, &facts, &about)
                || !caller.may(Capability::ReviewMasks)
            {
                return Ok(None);
            }
            let mut decision = disclosure::decide(&caller.viewer, &facts, &about);
            decision.comment = false;
            return Ok(Some(DocumentAccess {
                caller: caller.clone(),
                info,
                facts: Some(facts),
                decision,
                review: true,
                masks: None,
            }));
        }
        let Some(about) = self.document_facts(&info, &facts).await? else {
            return Ok(None);
        };
        let decision = disclosure::decide(&caller.viewer, &facts, &about);
        if decision.level == Level::None {
            return Ok(None);
        }
        let review = disclosure::may_review_masks(&caller.viewer, &facts, &about)
            && caller.may(Capability::ReviewMasks);
        let masks = if review {
            self.masks_of(&info.municipality, &info.id).await?
        } else {
            None
        };
        Ok(Some(DocumentAccess {
            caller: caller.clone(),
            info,
            facts: Some(facts),
            decision,
            review,
            masks,
        }))
    }

    async fn document_facts(
        &mut self,
        info: &DocumentInfo,
        facts: &CaseFacts,
    ) -> Result<Option<DocumentFacts>> {
        // A document without a section (a note in a case) is closed but to the agency in charge:
        // it is treated as an entry nobody disclosed.
        let Some(section) = info.section else {
            return Ok(None);
        };
        Ok(Some(DocumentFacts {
            case: facts.case.clone(),
            section,
            subjects: subjects(self, &info.municipality, &info.id).await?,
            entry_of: (info.kind == DocumentKind::Progress).then(|| info.owner_agency.clone()),
        }))
    }

    /// A document for a background worker; handlers use [`Tx::document_for`].
    ///
    /// # Errors
    /// Database away.
    pub async fn work_on(&mut self, id: &DocumentId) -> Result<Option<DocumentWork>> {
        let Some(info) = self
            .document_row(id)
            .await?
            .filter(|info| info.state != DocumentState::Erased)
        else {
            return Ok(None);
        };
        let masks = self.masks_of(&info.municipality, &info.id).await?;
        Ok(Some(DocumentWork { info, masks }))
    }

    /// Documents of a municipality's cases that have texts to mask, for a worker that starts.
    ///
    /// # Errors
    /// Database away.
    pub async fn documents_with_masks(
        &mut self,
        municipality: &MunicipalityId,
    ) -> Result<Vec<DocumentId>> {
        let found: Vec<String> = sqlx::query_scalar("SELECT parent_id FROM documents WHERE municipality_id = $1 AND kind = 'masks' AND parent_id IS NOT NULL ORDER BY parent_id")
            .bind(municipality.as_str())
            .fetch_all(self.conn())
            .await?;
        Ok(found.into_iter().map(DocumentId).collect())
    }

    /// Documents with texts to mask of every case that a person is in, for a worker: the person's
    /// names changed, so the texts must be looked through anew.
    ///
    /// # Errors
    /// Database away.
    pub async fn documents_naming(
        &mut self,
        municipality: &MunicipalityId,
        person: &PersonId,
    ) -> Result<Vec<DocumentId>> {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT d.parent_id FROM documents d JOIN case_persons p ON p.municipality_id = d.municipality_id AND p.case_id = d.case_id \
             WHERE d.municipality_id = $1 AND p.person_id = $2 AND d.kind = 'masks' AND d.parent_id IS NOT NULL ORDER BY d.parent_id",
        )
        .bind(municipality.as_str())
        .bind(person.as_str())
        .fetch_all(self.conn())
        .await?;
        Ok(found.into_iter().map(DocumentId).collect())
    }

    /// All documents of a case, masks included: whose sockets are checked again when rights change.
    ///
    /// # Errors
    /// Database away.
    pub async fn documents_of(
        &mut self,
        municipality: &MunicipalityId,
        case: &CaseId,
    ) -> Result<Vec<DocumentId>> {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2 ORDER BY id",
        )
        .bind(municipality.as_str())
        .bind(case.as_str())
        .fetch_all(self.conn())
        .await?;
        Ok(found.into_iter().map(DocumentId).collect())
    }
}

/// What was written down when a document was finalised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Final {
    pub number: i64,
    pub seq: u64,
    pub at: String,
    pub account: AccountId,
    /// Publication of the municipality's sheets by which it is read ([`Tx::forms_at`]).
    pub forms_version: u32,
    pub value: serde_json::Value,
}

impl DocumentAccess {
    /// The plain columns.
    #[must_use]
    pub fn info(&self) -> &DocumentInfo {
        &self.info
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Level on this document. A final document is read, not edited.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.info.state == DocumentState::Final {
            self.decision.level.min(Level::Read)
        } else {
            self.decision.level
        }
    }

    /// Whether the caller may comment.
    #[must_use]
    pub fn comment(&self) -> bool {
        self.decision.comment
    }

    /// What the policy said, with reasons.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Facts of the document's case.
    #[must_use]
    pub fn facts(&self) -> Option<&CaseFacts> {
        self.facts.as_ref()
    }

    /// Whether the caller reviews this document's masks.
    #[must_use]
    pub fn may_review(&self) -> bool {
        self.review
    }

    /// The masks document, for reviewers.
    #[must_use]
    pub fn masks(&self) -> Option<&DocumentId> {
        self.masks.as_ref()
    }

    pub(crate) fn municipality(&self) -> &MunicipalityId {
        &self.info.municipality
    }

    pub(crate) fn purpose(&self) -> Purpose {
        purpose(&self.info)
    }

    /// Shares a note with an agency (or with one of its accounts); `None` ends it.
    ///
    /// # Errors
    /// Forbidden for others than the note's own agency; not for documents of a case.
    pub async fn share_note(
        &self,
        tx: &mut Tx,
        agency: &AgencyId,
        account: Option<&AccountId>,
        level: Level,
    ) -> Result<()> {
        if self.info.case.is_some()
            || self.info.owner_agency != self.caller.viewer.agency
            || self.decision.level < Level::Edit
        {
            return Err(StoreError::Forbidden);
        }
        crate::agencies::get(tx, self.municipality(), agency)
            .await?
            .ok_or(StoreError::Invalid("agency"))?;
        let account = account.map_or("", AccountId::as_str);
        if level == Level::None {
            sqlx::query("DELETE FROM document_shares WHERE municipality_id = $1 AND document_id = $2 AND agency_id = $3 AND account_id = $4")
                .bind(self.municipality().as_str())
                .bind(self.info.id.as_str())
                .bind(agency.as_str())
                .bind(account)
                .execute(tx.conn())
                .await?;
        } else {
            sqlx::query(
                "INSERT INTO document_shares (municipality_id, document_id, agency_id, account_id, level) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (municipality_id, document_id, agency_id, account_id) DO UPDATE SET level = excluded.level",
            )
            .bind(self.municipality().as_str())
            .bind(self.info.id.as_str())
            .bind(agency.as_str())
            .bind(account)
            .bind(level.code())
            .execute(tx.conn())
            .await?;
        }
        outbox::put(
            tx,
            self.municipality(),
            "document.access",
            self.info.id.as_str(),
            None,
            serde_json::Value::Null,
        );
        Ok(())
    }

    /// Writes down what the document says now and closes it for editing. `forms_version`: the
    /// publication of the municipality's sheets that the value was checked with.
    ///
    /// # Errors
    /// Forbidden without the right to edit, or already final.
    pub async fn finalise(
        &self,
        tx: &mut Tx,
        seq: u64,
        value: &serde_json::Value,
        forms_version: u32,
    ) -> Result<i64> {
        if self.level() < Level::Edit || !self.caller.may(Capability::EditCase) {
            return Err(StoreError::Forbidden);
        }
        let done = sqlx::query("UPDATE documents SET state = $4, updated_at = $3 WHERE municipality_id = $1 AND id = $2 AND state = 'draft'")
            .bind(self.municipality().as_str())
            .bind(self.info.id.as_str())
            .bind(tx.now_text())
            .bind(DocumentState::Final.code())
            .execute(tx.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        let number: i64 = sqlx::query_scalar("SELECT COUNT(*) + 1 FROM document_finals WHERE municipality_id = $1 AND document_id = $2")
            .bind(self.municipality().as_str())
            .bind(self.info.id.as_str())
            .fetch_one(tx.conn())
            .await?;
        let row = format!("{}/{number}", self.info.id);
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "document_finals.value",
                &row,
                value,
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO document_finals (municipality_id, document_id, number, epoch, seq, value_sealed, account_id, membership_id, at, forms_version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(self.municipality().as_str())
        .bind(self.info.id.as_str())
        .bind(number)
        .bind(i64::try_from(self.info.epoch).unwrap_or(i64::MAX))
        .bind(i64::try_from(seq).unwrap_or(i64::MAX))
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(now)
        .bind(i64::from(forms_version))
        .execute(tx.conn())
        .await?;
        outbox::put(
            tx,
            self.municipality(),
            "document.access",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            serde_json::Value::Null,
        );
        Ok(number)
    }

    /// Opens a final document for a correction; the finals stay.
    ///
    /// # Errors
    /// Forbidden without the right to edit, or not final.
    pub async fn reopen(&self, tx: &mut Tx) -> Result<()> {
        if self.decision.level < Level::Edit || !self.caller.may(Capability::EditCase) {
            return Err(StoreError::Forbidden);
        }
        let done = sqlx::query("UPDATE documents SET state = 'draft', updated_at = $3 WHERE municipality_id = $1 AND id = $2 AND state = 'final'")
            .bind(self.municipality().as_str())
            .bind(self.info.id.as_str())
            .bind(tx.now_text())
            .execute(tx.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        outbox::put(
            tx,
            self.municipality(),
            "document.access",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            serde_json::Value::Null,
        );
        Ok(())
    }

    /// The publication of the municipality's sheets that a final document was closed under; `None`
    /// for drafts.
    ///
    /// # Errors
    /// Database away.
    pub async fn forms_version(&self, tx: &mut Tx) -> Result<Option<u32>> {
        if self.info.state != DocumentState::Final {
            return Ok(None);
        }
        let version: Option<i64> = sqlx::query_scalar(
            "SELECT forms_version FROM document_finals WHERE municipality_id = $1 AND document_id = $2 ORDER BY number DESC LIMIT 1",
        )
        .bind(self.municipality().as_str())
        .bind(self.info.id.as_str())
        .fetch_optional(tx.conn())
        .await?;
        Ok(version.and_then(|version| u32::try_from(version).ok()))
    }

    /// The finals, for readers of the original.
    ///
    /// # Errors
    /// Forbidden for masked readers.
    pub async fn finals(&self, tx: &mut Tx) -> Result<Vec<Final>> {
        if self.decision.level < Level::Read {
            return Err(StoreError::Forbidden);
        }
        let rows = sqlx::query("SELECT * FROM document_finals WHERE municipality_id = $1 AND document_id = $2 ORDER BY number")
            .bind(self.municipality().as_str())
            .bind(self.info.id.as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::new();
        for row in &rows {
            let number: i64 = row.try_get("number")?;
            let key = format!("{}/{number}", self.info.id);
            out.push(Final {
                number,
                seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0),
                at: row.try_get("at")?,
                account: AccountId(row.try_get("account_id")?),
                forms_version: u32::try_from(row.try_get::<i64, _>("forms_version")?).unwrap_or(0),
                value: tx
                    .open_json(
                        self.municipality(),
                        "document_finals.value",
                        &key,
                        &row.try_get::<Vec<u8>, _>("value_sealed")?,
                    )
                    .await?,
            });
        }
        Ok(out)
    }

    /// Says whom the document is about; empty = everybody in the case.
    ///
    /// # Errors
    /// Forbidden unless the caller manages the case's disclosure; a person outside the case.
    pub async fn set_subjects(&self, tx: &mut Tx, persons: &[PersonId]) -> Result<()> {
        let Some(facts) = &self.facts else {
            return Err(StoreError::Forbidden);
        };
        if facts.owner != self.caller.viewer.agency
            || !self.caller.may(Capability::ManageDisclosure)
        {
            return Err(StoreError::Forbidden);
        }
        if persons
            .iter()
            .any(|person| !facts.persons.iter().any(|known| known.person == *person))
        {
            return Err(StoreError::Invalid("person"));
        }
        sqlx::query(
            "DELETE FROM document_subjects WHERE municipality_id = $1 AND document_id = $2",
        )
        .bind(self.municipality().as_str())
        .bind(self.info.id.as_str())
        .execute(tx.conn())
        .await?;
        for person in persons {
            crate::persons::hold(tx, self.municipality(), person).await?;
            sqlx::query("INSERT INTO document_subjects (municipality_id, document_id, person_id) VALUES ($1, $2, $3) ON CONFLICT (municipality_id, document_id, person_id) DO NOTHING")
                .bind(self.municipality().as_str())
                .bind(self.info.id.as_str())
                .bind(person.as_str())
                .execute(tx.conn())
                .await?;
        }
        outbox::put(
            tx,
            self.municipality(),
            "case.access",
            facts.case.as_str(),
            Some(&facts.case),
            serde_json::Value::Null,
        );
        Ok(())
    }
}

/// A sheet that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSheet {
    pub id: DocumentId,
    pub masks: DocumentId,
    /// Which one of its kind in the case, from 1.
    pub number: i64,
}

impl CaseAccess {
    /// The right to a section's sheet (of repeated ones: the newest); `None` when it is not disclosed
    /// or does not exist.
    ///
    /// # Errors
    /// Database away.
    pub async fn document(&self, tx: &mut Tx, section: Section) -> Result<Option<DocumentAccess>> {
        let newest = self.documents(tx).await?.into_iter().rev();
        Ok(newest
            .filter(|access| access.info.section == Some(section))
            .max_by_key(|access| access.info.number))
    }

    /// The rights to all sheets of the case that exist for the caller, by kind and number.
    ///
    /// # Errors
    /// Database away.
    pub async fn documents(&self, tx: &mut Tx) -> Result<Vec<DocumentAccess>> {
        let mut out = Vec::new();
        for (info, _) in sheets(tx, self.municipality(), self.id()).await? {
            let Some(mut access) = tx.access_to(&self.caller, info, self.facts.clone()).await?
            else {
                continue;
            };
            if self.writable().is_err() {
                // 見え方の確認 shows, changes nothing.
                access.decision.level = access.decision.level.min(Level::Read);
                access.review = false;
            }
            out.push(access);
        }
        Ok(out)
    }

    /// Whether the caller may make sheets of a kind that is made when it is needed.
    #[must_use]
    pub fn may_create(&self, kind: DocumentKind) -> bool {
        let section = kind.section().filter(|_| kind.is_made_later());
        self.writable().is_ok()
            && self.caller.may(Capability::EditCase)
            && section.is_some_and(|section| self.decision(section).level == Level::Edit)
    }

    /// Makes the next sheet of a kind, with the document of its masks. Their Y.Docs are made by the
    /// hub.
    ///
    /// # Errors
    /// Forbidden without the right to edit the section; [`StoreError::Taken`] when the case has its
    /// only sheet of the kind already, or the last plan or evaluation is still a draft.
    pub async fn create_sheet(&self, tx: &mut Tx, kind: DocumentKind) -> Result<NewSheet> {
        if !self.may_create(kind) {
            return Err(StoreError::Forbidden);
        }
        tx.hold_case(self.municipality(), self.id()).await?;
        let rows = sqlx::query(
            "SELECT number, state FROM documents WHERE municipality_id = $1 AND case_id = $2 AND kind = $3 ORDER BY number",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(kind.code())
        .fetch_all(tx.conn())
        .await?;
        let mut last = 0;
        for row in &rows {
            last = last.max(row.try_get::<Option<i64>, _>("number")?.unwrap_or(0));
            let state = DocumentState::parse(&row.try_get::<String, _>("state")?)?;
            match state {
                DocumentState::Erased => {}
                _ if !kind.is_repeated() => return Err(StoreError::Taken("sheet")),
                // Two meetings may be under way at once, two plans may not.
                DocumentState::Draft if kind != DocumentKind::Meeting => {
                    return Err(StoreError::Taken("draft_sheet"));
                }
                DocumentState::Draft | DocumentState::Final => {}
            }
        }
        let number = last + 1;
        let (case, owner) = (self.id(), &self.facts.owner);
        let id = insert(
            tx,
            &self.caller,
            Some(case),
            kind,
            None,
            owner,
            Some(number),
        )
        .await?;
        let masks = insert(
            tx,
            &self.caller,
            Some(case),
            DocumentKind::Masks,
            Some(&id),
            owner,
            None,
        )
        .await?;
        outbox::put(
            tx,
            self.municipality(),
            "case",
            case.as_str(),
            Some(case),
            serde_json::Value::Null,
        );
        Ok(NewSheet { id, masks, number })
    }
}

pub(crate) fn purpose(info: &DocumentInfo) -> Purpose {
    match &info.case {
        Some(case) => Purpose::Case(case.clone()),
        None => Purpose::Note(info.id.clone()),
    }
}

/// The persons of a case as the masker knows them: number and all values, in the order of the numbers.
pub type Register = Vec<(i64, crate::persons::Person)>;

/// The persons of a case with all their values, in the order of their numbers: for masking alone.
pub(crate) async fn register_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<Register> {
    let mut registers = registers_of(tx, municipality, std::slice::from_ref(case)).await?;
    Ok(registers.remove(case).unwrap_or_default())
}

/// [`register_of`] for several cases; those without persons are left out.
pub(crate) async fn registers_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[CaseId],
) -> Result<HashMap<CaseId, Register>> {
    let rows = rows_for(
        tx,
        municipality,
        cases,
        "SELECT case_id, person_id, number FROM case_persons WHERE municipality_id = $1 AND case_id IN",
        "ORDER BY case_id, number",
    )
    .await?;
    let (mut order, mut ids) = (Vec::new(), BTreeSet::new());
    for row in &rows {
        let person = PersonId(row.try_get("person_id")?);
        ids.insert(person.clone());
        order.push((
            CaseId(row.try_get("case_id")?),
            row.try_get::<i64, _>("number")?,
            person,
        ));
    }
    let ids: Vec<PersonId> = ids.into_iter().collect();
    let known = crate::persons::load(tx, municipality, &ids).await?;
    let mut out: HashMap<CaseId, Register> = HashMap::new();
    for (case, number, id) in order {
        if let Some(person) = known.get(&id) {
            out.entry(case).or_default().push((number, person.clone()));
        }
    }
    Ok(out)
}

/// A document in the hands of a background worker: derives, never shows.
#[derive(Debug, Clone)]
pub struct DocumentWork {
    pub(crate) info: DocumentInfo,
    masks: Option<DocumentId>,
}

impl DocumentWork {
    /// The plain columns.
    #[must_use]
    pub fn info(&self) -> &DocumentInfo {
        &self.info
    }

    /// The masks document, if the kind has one.
    #[must_use]
    pub fn masks(&self) -> Option<&DocumentId> {
        self.masks.as_ref()
    }

    /// Facts of the case (consent and protection decide what is masked).
    ///
    /// # Errors
    /// Database away.
    pub async fn facts(&self, tx: &mut Tx) -> Result<Option<CaseFacts>> {
        let Some(case) = &self.info.case else {
            return Ok(None);
        };
        Ok(
            cases::facts(tx, &self.info.municipality, std::slice::from_ref(case))
                .await?
                .remove(case),
        )
    }

    /// The persons of the case with all their values, for the masking register, in the order of
    /// their numbers ［氏名n］.
    ///
    /// # Errors
    /// Database away.
    pub async fn register(&self, tx: &mut Tx) -> Result<Register> {
        let Some(case) = &self.info.case else {
            return Ok(Vec::new());
        };
        register_of(tx, &self.info.municipality, case).await
    }

    /// Notes a new epoch of the log (erasure, restored backup): what was derived before is no
    /// longer shown.
    ///
    /// # Errors
    /// Database away.
    pub async fn set_epoch(&self, tx: &mut Tx, epoch: u64) -> Result<()> {
        sqlx::query(
            "UPDATE documents SET epoch = $3 WHERE municipality_id = $1 AND id = $2 AND epoch < $3",
        )
        .bind(self.info.municipality.as_str())
        .bind(self.info.id.as_str())
        .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// Notes the sheet's business date, for the lists.
    ///
    /// # Errors
    /// Database away.
    pub async fn dated(&self, tx: &mut Tx, on: Option<jiff::civil::Date>) -> Result<()> {
        sqlx::query("UPDATE documents SET dated_on = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(self.info.municipality.as_str())
            .bind(self.info.id.as_str())
            .bind(on.map(|day| day.to_string()))
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Notes that the document was written to. The case moves up in the lists of those who may see
    /// the document ([`crate::cases::CaseSummary::updated_at`]), not in others.
    ///
    /// # Errors
    /// Database away.
    pub async fn touched(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now_text();
        sqlx::query("UPDATE documents SET updated_at = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(self.info.municipality.as_str())
            .bind(self.info.id.as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
        outbox::put(
            tx,
            &self.info.municipality,
            "document.touched",
            self.info.id.as_str(),
            self.info.case.as_ref(),
            serde_json::Value::Null,
        );
        Ok(())
    }
}
