//! 支援経過: immutable entries with amendments, each with its own visibility.

use std::collections::{BTreeMap, BTreeSet};

use domain::agency::AgencyClass;
use domain::disclosure::{self, CaseFacts, DocumentFacts, Level, Viewer};
use domain::id::{
    AccountId, AgencyId, CaseId, MembershipId, MunicipalityId, PersonId, ProgressRecordId,
};
use domain::role::Capability;
use domain::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::cases::{CaseAccess, Named};
use crate::database::{Tx, placeholders};
use crate::error::{Result, StoreError};
use crate::memberships::date;
use crate::{accounts, agencies};

/// Who sees an entry (option list `visibility`), besides what the disclosure matrix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The writing agency alone.
    OwnOrg,
    /// The coordinator in charge and the writing agency.
    Kotaki,
    CaseMembers,
    /// Registered members of a 支援会議 of the case.
    ShienMembers,
    /// The agencies named.
    Custom,
}

impl Visibility {
    const fn code(self) -> &'static str {
        match self {
            Self::OwnOrg => "own_org",
            Self::Kotaki => "kotaki",
            Self::CaseMembers => "case_members",
            Self::ShienMembers => "shien_members",
            Self::Custom => "custom",
        }
    }

    pub(crate) fn parse(code: &str) -> Result<Self> {
        Ok(match code {
            "own_org" => Self::OwnOrg,
            "kotaki" => Self::Kotaki,
            "case_members" => Self::CaseMembers,
            "shien_members" => Self::ShienMembers,
            "custom" => Self::Custom,
            _ => return Err(StoreError::Corrupt("progress_records.visibility")),
        })
    }
}

/// A new entry. `content` holds the fields of the form `progress_record` that are not columns
/// (`title`, `content`, `involved_orgs`, `minutes`, `private_note` …).
#[derive(Debug, Clone, Deserialize)]
pub struct NewProgress {
    pub performed_on: Date,
    /// Option list `log_method`.
    pub method: String,
    pub visibility: Visibility,
    /// Whom it is about; empty = everybody in the case.
    #[serde(default)]
    pub persons: Vec<PersonId>,
    /// With `custom`: the agencies.
    #[serde(default)]
    pub agencies: Vec<AgencyId>,
    pub content: serde_json::Map<String, serde_json::Value>,
}

/// An amendment (訂正・追記).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Amendment {
    pub id: String,
    pub account: Named,
    pub recorded_at: String,
    /// Changed fields and `reason`.
    pub content: serde_json::Map<String, serde_json::Value>,
}

/// An entry as the caller sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProgressRecord {
    pub id: ProgressRecordId,
    pub performed_on: Date,
    pub method: String,
    pub agency: Named,
    pub account: Named,
    pub visibility: Visibility,
    /// `None` when the caller sees the persons masked.
    pub persons: Option<Vec<PersonId>>,
    pub level: Level,
    /// `None`: withheld from a masked reader.
    pub content: Option<serde_json::Map<String, serde_json::Value>>,
    pub amendments: Vec<Amendment>,
    pub recorded_at: String,
}

/// An entry whose texts must go through the masker before the caller sees them.
#[derive(Clone)]
pub struct EntryToMask {
    pub id: ProgressRecordId,
    pub performed_on: Date,
    pub recorded_at: String,
    /// `title` and `content` alone.
    pub content: serde_json::Map<String, serde_json::Value>,
    pub amendments: Vec<Amendment>,
}

/// Everything that masking the entries of a case needs. It says nothing when it is printed.
#[derive(Clone)]
pub struct ProgressToMask {
    /// The oldest first, so that numbers do not change when one is added.
    pub entries: Vec<EntryToMask>,
    /// The case's persons by their number ［氏名n］.
    pub persons: Vec<(i64, crate::persons::Person)>,
    /// Those of them whom the caller must not know of: looked for, not counted.
    pub hidden: BTreeSet<PersonId>,
}

impl std::fmt::Debug for ProgressToMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProgressToMask({})", self.entries.len())
    }
}

impl std::fmt::Debug for EntryToMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EntryToMask({})", self.id)
    }
}

/// The texts of an entry, or of an amendment, that masked readers get (masked).
pub(crate) const MASKED_TEXTS: [&str; 3] = ["title", "content", "reason"];

/// 機微メモ: never leaves the writing agency.
pub(crate) const PRIVATE: &str = "private_note";

/// Whether an entry of an agency with that visibility is for the viewer at all.
pub(crate) fn is_for(
    viewer: &Viewer,
    facts: &CaseFacts,
    agency: &AgencyId,
    visibility: Visibility,
    named: &[AgencyId],
) -> bool {
    if viewer.agency == *agency {
        return true;
    }
    let in_charge = viewer.agency == facts.owner;
    match visibility {
        Visibility::OwnOrg => false,
        Visibility::Kotaki => in_charge,
        Visibility::CaseMembers => true,
        Visibility::ShienMembers => {
            in_charge
                || viewer.agency_class == AgencyClass::Department
                || facts.bases.iter().any(|basis| {
                    basis.meeting.is_some()
                        && basis.agencies.contains(&viewer.agency)
                        && basis.from <= viewer.today
                        && basis.until.is_some_and(|until| viewer.today <= until)
                })
        }
        Visibility::Custom => named.contains(&viewer.agency),
    }
}

/// The policy's level on an entry about these persons (empty: everybody in the case).
pub(crate) fn entry_level(
    viewer: &Viewer,
    facts: &CaseFacts,
    agency: &AgencyId,
    subjects: Vec<PersonId>,
) -> Level {
    let entry = DocumentFacts {
        case: facts.case.clone(),
        section: Section::Progress,
        subjects,
        entry_of: Some(agency.clone()),
    };
    disclosure::decide(viewer, facts, &entry).level
}

/// Whom entries of a case are about and which agencies they name, by record.
async fn about(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<(
    BTreeMap<String, Vec<PersonId>>,
    BTreeMap<String, Vec<AgencyId>>,
)> {
    let mut persons: BTreeMap<String, Vec<PersonId>> = BTreeMap::new();
    let mut named: BTreeMap<String, Vec<AgencyId>> = BTreeMap::new();
    for (table, column) in [
        ("progress_persons", "person_id"),
        ("progress_agencies", "agency_id"),
    ] {
        let sql = format!(
            "SELECT x.record_id, x.{column} AS subject FROM {table} x JOIN progress_records r \
             ON r.municipality_id = x.municipality_id AND r.id = x.record_id WHERE r.municipality_id = $1 AND r.case_id = $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(case.as_str())
            .fetch_all(tx.conn())
            .await?;
        for row in rows {
            let (record, subject): (String, String) =
                (row.try_get("record_id")?, row.try_get("subject")?);
            if column == "person_id" {
                persons.entry(record).or_default().push(PersonId(subject));
            } else {
                named.entry(record).or_default().push(AgencyId(subject));
            }
        }
    }
    Ok((persons, named))
}

/// Entries of a case that are shown to the same readers, and when the latest of them was written.
#[derive(Debug, Clone)]
pub(crate) struct LastWritten {
    agency: AgencyId,
    visibility: Visibility,
    subjects: Vec<PersonId>,
    named: Vec<AgencyId>,
    /// When it was recorded or amended. What was amended in an entry that is shown masked is shown
    /// masked too.
    pub at: String,
    pub performed_on: Date,
}

impl LastWritten {
    /// Whether the viewer, who sees the case's 支援経過, sees these entries.
    pub(crate) fn is_seen(&self, viewer: &Viewer, facts: &CaseFacts) -> bool {
        is_for(viewer, facts, &self.agency, self.visibility, &self.named)
            && entry_level(viewer, facts, &self.agency, self.subjects.clone()) > Level::None
    }
}

/// The latest entries or amendments of each case, told apart by who may see them.
///
/// Entries are taken together by agency and visibility. One by one only those that name their readers,
/// and all of a case in which somebody is excluded: whom an entry is about decides nothing else of
/// whether it is shown.
pub(crate) async fn last_written(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[&CaseFacts],
) -> Result<Vec<(CaseId, LastWritten)>> {
    let mut out = Vec::new();
    let (mut together, mut single) = (Vec::new(), Vec::new());
    for facts in cases {
        if facts.exclusions.is_empty() {
            together.push(&facts.case);
        } else {
            single.push(&facts.case);
        }
    }
    for (ids, one) in [
        (
            together,
            "CASE WHEN r.visibility = 'custom' THEN r.id ELSE '' END",
        ),
        (single, "r.id"),
    ] {
        for chunk in ids.chunks(300) {
            let list = placeholders(2, chunk.len());
            let sql = format!(
                "SELECT r.case_id, r.agency_id, r.visibility, {one} AS one, MAX(r.performed_on) AS performed_on, MAX(r.recorded_at) AS recorded_at, \
                 MAX(a.recorded_at) AS amended_at FROM progress_records r LEFT JOIN progress_amendments a \
                 ON a.municipality_id = r.municipality_id AND a.record_id = r.id \
                 WHERE r.municipality_id = $1 AND r.case_id IN ({list}) GROUP BY r.case_id, r.agency_id, r.visibility, {one}"
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(municipality.as_str());
            for id in chunk {
                query = query.bind(id.as_str());
            }
            let rows = query.fetch_all(tx.conn()).await?;
            let mut readers = BTreeMap::new();
            for row in &rows {
                let case = CaseId(row.try_get("case_id")?);
                let record: String = row.try_get("one")?;
                if !record.is_empty() && !readers.contains_key(&case) {
                    readers.insert(case.clone(), about(tx, municipality, &case).await?);
                }
                let (subjects, named) = match readers.get(&case) {
                    Some((persons, named)) if !record.is_empty() => (
                        persons.get(&record).cloned().unwrap_or_default(),
                        named.get(&record).cloned().unwrap_or_default(),
                    ),
                    _ => (Vec::new(), Vec::new()),
                };
                let recorded: String = row.try_get("recorded_at")?;
                let amended: Option<String> = row.try_get("amended_at")?;
                let written = LastWritten {
                    agency: AgencyId(row.try_get("agency_id")?),
                    visibility: Visibility::parse(&row.try_get::<String, _>("visibility")?)?,
                    subjects,
                    named,
                    at: amended.unwrap_or_default().max(recorded),
                    performed_on: date(&row.try_get::<String, _>("performed_on")?)?,
                };
                out.push((case, written));
            }
        }
    }
    Ok(out)
}

impl CaseAccess {
    fn sees_entry(&self, agency: &AgencyId, visibility: Visibility, named: &[AgencyId]) -> bool {
        is_for(&self.caller.viewer, &self.facts, agency, visibility, named)
    }

    /// Whether the caller may add entries of the own agency.
    #[must_use]
    pub fn may_write_progress(&self) -> bool {
        self.writable().is_ok()
            && self.caller.may(Capability::EditCase)
            && disclosure::may_write_entries(&self.caller.viewer, &self.facts)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// Forbidden; a person outside the case; `custom` without agencies.
    pub async fn add_progress(&self, tx: &mut Tx, new: &NewProgress) -> Result<ProgressRecordId> {
        if !self.may_write_progress() {
            return Err(StoreError::Forbidden);
        }
        if new.persons.iter().any(|person| {
            !self
                .facts
                .persons
                .iter()
                .any(|known| known.person == *person)
        }) {
            return Err(StoreError::Invalid("target_person"));
        }
        if new.visibility == Visibility::Custom && new.agencies.is_empty() {
            return Err(StoreError::Invalid("visibility"));
        }
        if new.performed_on > self.caller.viewer.today {
            return Err(StoreError::Invalid("performed_at"));
        }
        let id: ProgressRecordId = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "progress_records.content",
                id.as_str(),
                &new.content,
            )
            .await?;
        let now = tx.now_text();
        let (municipality, case) = (self.facts.municipality.as_str(), self.facts.case.as_str());
        sqlx::query(
            "INSERT INTO progress_records (municipality_id, id, case_id, performed_on, method, agency_id, account_id, membership_id, \
             visibility, content_sealed, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(municipality)
        .bind(id.as_str())
        .bind(case)
        .bind(new.performed_on.to_string())
        .bind(new.method.as_str())
        .bind(self.caller.viewer.agency.as_str())
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(new.visibility.code())
        .bind(sealed)
        .bind(now)
        .execute(tx.conn())
        .await?;
        for person in &new.persons {
            sqlx::query("INSERT INTO progress_persons (municipality_id, record_id, person_id) VALUES ($1, $2, $3) ON CONFLICT (municipality_id, record_id, person_id) DO NOTHING")
                .bind(municipality)
                .bind(id.as_str())
                .bind(person.as_str())
                .execute(tx.conn())
                .await?;
        }
        for agency in &new.agencies {
            sqlx::query("INSERT INTO progress_agencies (municipality_id, record_id, agency_id) VALUES ($1, $2, $3) ON CONFLICT (municipality_id, record_id, agency_id) DO NOTHING")
                .bind(municipality)
                .bind(id.as_str())
                .bind(agency.as_str())
                .execute(tx.conn())
                .await?;
        }
        self.announce(tx, "case.progress");
        Ok(id)
    }

    /// The entries the caller may see, the newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn progress_records(&self, tx: &mut Tx) -> Result<Vec<ProgressRecord>> {
        self.load_progress(tx, None).await
    }

    /// One entry, if the caller may see it.
    ///
    /// # Errors
    /// Database away.
    pub async fn progress_record(
        &self,
        tx: &mut Tx,
        id: &ProgressRecordId,
    ) -> Result<Option<ProgressRecord>> {
        Ok(self.load_progress(tx, Some(id)).await?.pop())
    }

    async fn load_progress(
        &self,
        tx: &mut Tx,
        only: Option<&ProgressRecordId>,
    ) -> Result<Vec<ProgressRecord>> {
        // The section must be shown at all; an agency still sees its own entries in it.
        if self.decision(Section::Progress).level == Level::None {
            return Ok(Vec::new());
        }
        let municipality = self.facts.municipality.clone();
        let case = self.facts.case.as_str();
        let (persons, named) = about(tx, &municipality, &self.facts.case).await?;
        let rows = sqlx::query(
            "SELECT * FROM progress_records WHERE municipality_id = $1 AND case_id = $2 AND ($3 = '' OR id = $3) \
             ORDER BY performed_on DESC, recorded_at DESC, id DESC",
        )
        .bind(municipality.as_str())
        .bind(case)
        .bind(only.map_or("", ProgressRecordId::as_str))
        .fetch_all(tx.conn())
        .await?;
        let known = agencies::by_id(tx, &municipality).await?;
        let mut out = Vec::new();
        for row in &rows {
            let id = ProgressRecordId(row.try_get("id")?);
            let agency = AgencyId(row.try_get("agency_id")?);
            let visibility = Visibility::parse(&row.try_get::<String, _>("visibility")?)?;
            let subjects = persons.get(id.as_str()).cloned().unwrap_or_default();
            let empty = Vec::new();
            if !self.sees_entry(
                &agency,
                visibility,
                named.get(id.as_str()).unwrap_or(&empty),
            ) {
                continue;
            }
            let level = entry_level(&self.caller.viewer, &self.facts, &agency, subjects.clone());
            if level == Level::None {
                continue;
            }
            let own = agency == self.caller.viewer.agency;
            let content = if level >= Level::Read {
                let sealed: Vec<u8> = row.try_get("content_sealed")?;
                let mut content: serde_json::Map<String, serde_json::Value> = tx
                    .open_json(
                        &municipality,
                        "progress_records.content",
                        id.as_str(),
                        &sealed,
                    )
                    .await?;
                if !own {
                    content.remove(PRIVATE);
                }
                Some(content)
            } else {
                None
            };
            out.push(ProgressRecord {
                performed_on: date(&row.try_get::<String, _>("performed_on")?)?,
                method: row.try_get("method")?,
                account: Named {
                    id: row.try_get("account_id")?,
                    name: String::new(),
                },
                agency: Named {
                    name: known
                        .get(&agency)
                        .map_or_else(String::new, |agency| agency.name.clone()),
                    id: agency.0,
                },
                visibility,
                persons: (level >= Level::Read).then_some(subjects),
                level,
                content,
                amendments: Vec::new(),
                recorded_at: row.try_get("recorded_at")?,
                id,
            });
        }
        let rows = sqlx::query(
            "SELECT a.* FROM progress_amendments a JOIN progress_records r ON r.municipality_id = a.municipality_id AND r.id = a.record_id \
             WHERE r.municipality_id = $1 AND r.case_id = $2 ORDER BY a.recorded_at, a.id",
        )
        .bind(municipality.as_str())
        .bind(case)
        .fetch_all(tx.conn())
        .await?;
        for row in &rows {
            let record: String = row.try_get("record_id")?;
            let Some(entry) = out
                .iter_mut()
                .find(|entry| entry.id.as_str() == record && entry.level >= Level::Read)
            else {
                continue;
            };
            let id: String = row.try_get("id")?;
            let mut content: serde_json::Map<String, serde_json::Value> = tx
                .open_json(
                    &municipality,
                    "progress_amendments.content",
                    &id,
                    &row.try_get::<Vec<u8>, _>("content_sealed")?,
                )
                .await?;
            // 機微メモ of an amendment belong to the agency that amended, not to the one that wrote the entry.
            if row.try_get::<String, _>("agency_id")? != self.caller.viewer.agency.as_str() {
                content.remove(PRIVATE);
            }
            entry.amendments.push(Amendment {
                id,
                account: Named {
                    id: row.try_get("account_id")?,
                    name: String::new(),
                },
                recorded_at: row.try_get("recorded_at")?,
                content,
            });
        }
        let staff: std::collections::BTreeSet<AccountId> = out
            .iter()
            .flat_map(|entry| {
                std::iter::once(&entry.account)
                    .chain(entry.amendments.iter().map(|amendment| &amendment.account))
            })
            .map(|named| AccountId::from(named.id.as_str()))
            .collect();
        let names =
            accounts::names(tx, &municipality, &staff.into_iter().collect::<Vec<_>>()).await?;
        let name = |named: &mut Named| {
            named.name = names
                .get(&AccountId::from(named.id.as_str()))
                .cloned()
                .unwrap_or_default()
        };
        for entry in &mut out {
            name(&mut entry.account);
            entry
                .amendments
                .iter_mut()
                .for_each(|amendment| name(&mut amendment.account));
        }
        Ok(out)
    }

    /// What the masker needs to show the caller the entries that the caller sees masked: their texts,
    /// and the register. For masking only; none of it is shown as it is. `None`: no such entries.
    ///
    /// # Errors
    /// Database away.
    pub async fn masked_progress(&self, tx: &mut Tx) -> Result<Option<ProgressToMask>> {
        let municipality = self.facts.municipality.clone();
        let seen: Vec<ProgressRecord> = self
            .load_progress(tx, None)
            .await?
            .into_iter()
            .filter(|record| record.level == Level::Masked)
            .collect();
        if seen.is_empty() {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT id, content_sealed FROM progress_records WHERE municipality_id = $1 AND case_id = $2")
            .bind(municipality.as_str())
            .bind(self.facts.case.as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut entries = Vec::with_capacity(seen.len());
        for row in &rows {
            let id = ProgressRecordId(row.try_get("id")?);
            let Some(record) = seen.iter().find(|record| record.id == id) else {
                continue;
            };
            let mut content: serde_json::Map<String, serde_json::Value> = tx
                .open_json(
                    &municipality,
                    "progress_records.content",
                    id.as_str(),
                    &row.try_get::<Vec<u8>, _>("content_sealed")?,
                )
                .await?;
            content.retain(|field, _| MASKED_TEXTS.contains(&field.as_str()));
            entries.push(EntryToMask {
                performed_on: record.performed_on,
                recorded_at: record.recorded_at.clone(),
                content,
                amendments: Vec::new(),
                id,
            });
        }
        let rows = sqlx::query(
            "SELECT a.* FROM progress_amendments a JOIN progress_records r ON r.municipality_id = a.municipality_id AND r.id = a.record_id \
             WHERE r.municipality_id = $1 AND r.case_id = $2 ORDER BY a.recorded_at, a.id",
        )
        .bind(municipality.as_str())
        .bind(self.facts.case.as_str())
        .fetch_all(tx.conn())
        .await?;
        let mut staff = std::collections::BTreeSet::new();
        for row in &rows {
            let record: String = row.try_get("record_id")?;
            let Some(entry) = entries.iter_mut().find(|entry| entry.id.as_str() == record) else {
                continue;
            };
            let id: String = row.try_get("id")?;
            let mut content: serde_json::Map<String, serde_json::Value> = tx
                .open_json(
                    &municipality,
                    "progress_amendments.content",
                    &id,
                    &row.try_get::<Vec<u8>, _>("content_sealed")?,
                )
                .await?;
            content.retain(|field, _| MASKED_TEXTS.contains(&field.as_str()));
            let account: String = row.try_get("account_id")?;
            staff.insert(AccountId::from(account.as_str()));
            entry.amendments.push(Amendment {
                id,
                account: Named {
                    id: account,
                    name: String::new(),
                },
                recorded_at: row.try_get("recorded_at")?,
                content,
            });
        }
        let names =
            accounts::names(tx, &municipality, &staff.into_iter().collect::<Vec<_>>()).await?;
        for amendment in entries.iter_mut().flat_map(|entry| &mut entry.amendments) {
            amendment.account.name = names
                .get(&AccountId::from(amendment.account.id.as_str()))
                .cloned()
                .unwrap_or_default();
        }
        entries.sort_by(|a, b| {
            (a.performed_on, &a.recorded_at, &a.id).cmp(&(b.performed_on, &b.recorded_at, &b.id))
        });
        let persons = crate::documents::register_of(tx, &municipality, &self.facts.case).await?;
        let hidden = disclosure::hidden_persons(&self.caller.viewer, &self.facts);
        Ok(Some(ProgressToMask {
            entries,
            persons,
            hidden,
        }))
    }

    /// For a print of entries that the caller reads while somebody of the case has 住所秘匿: takes what
    /// they say out of the records, to be masked like for a masked reader. Paper goes where no right
    /// follows.
    ///
    /// # Errors
    /// Database away.
    pub async fn progress_for_paper(
        &self,
        tx: &mut Tx,
        records: &mut [ProgressRecord],
    ) -> Result<ProgressToMask> {
        let mut material = match self.masked_progress(tx).await? {
            Some(material) => material,
            None => ProgressToMask {
                entries: Vec::new(),
                persons: crate::documents::register_of(tx, self.municipality(), self.id()).await?,
                hidden: disclosure::hidden_persons(&self.caller.viewer, &self.facts),
            },
        };
        for record in records.iter_mut() {
            let Some(mut content) = record.content.take() else {
                continue;
            };
            content.retain(|field, _| MASKED_TEXTS.contains(&field.as_str()));
            let mut amendments = std::mem::take(&mut record.amendments);
            for amendment in &mut amendments {
                amendment
                    .content
                    .retain(|field, _| MASKED_TEXTS.contains(&field.as_str()) || field == "reason");
            }
            record.level = Level::Masked;
            record.persons = None;
            material.entries.push(EntryToMask {
                id: record.id.clone(),
                performed_on: record.performed_on,
                recorded_at: record.recorded_at.clone(),
                content,
                amendments,
            });
        }
        material.entries.sort_by(|a, b| {
            (a.performed_on, &a.recorded_at, &a.id).cmp(&(b.performed_on, &b.recorded_at, &b.id))
        });
        Ok(material)
    }

    /// Amends an entry of the own agency; the coordinator in charge may amend any it reads.
    ///
    /// # Errors
    /// Forbidden, unknown, or without a reason.
    pub async fn amend_progress(
        &self,
        tx: &mut Tx,
        id: &ProgressRecordId,
        content: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String> {
        let entry = self
            .progress_record(tx, id)
            .await?
            .ok_or(StoreError::NotFound)?;
        self.writable()?;
        let own = entry.agency.id == self.caller.viewer.agency.as_str();
        if entry.level < Level::Edit
            || !(own || self.is_owner())
            || !self.caller.may(Capability::EditCase)
        {
            return Err(StoreError::Forbidden);
        }
        let reason = content
            .get("reason")
            .and_then(serde_json::Value::as_str)
            .map_or("", str::trim);
        if reason.is_empty() {
            return Err(StoreError::Invalid("reason"));
        }
        let amendment: String = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "progress_amendments.content",
                &amendment,
                content,
            )
            .await?;
        let now = tx.now_text();
        let membership: &MembershipId = &self.caller.viewer.membership;
        sqlx::query(
            "INSERT INTO progress_amendments (municipality_id, id, record_id, account_id, membership_id, agency_id, content_sealed, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.municipality().as_str())
        .bind(amendment.as_str())
        .bind(id.as_str())
        .bind(self.caller.viewer.account.as_str())
        .bind(membership.as_str())
        .bind(self.caller.viewer.agency.as_str())
        .bind(sealed)
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.announce(tx, "case.progress");
        Ok(amendment)
    }
}
