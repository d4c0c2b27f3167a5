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

use crate::blobs::Blob;
use crate::cases::{CaseAccess, Named};
use crate::data_keys::Purpose;
use crate::database::{Tx, placeholders, rows_for};
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
    /// Attachments of the writer that wait for this entry.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// The draft it was written in: gone with it.
    #[serde(default)]
    pub draft: Option<String>,
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
    /// Empty for masked readers.
    pub attachments: Vec<Blob>,
    pub recorded_at: String,
}

/// Attachments that an amendment adds and takes away, by id.
#[derive(Debug, Clone, Default)]
pub struct Attached {
    pub add: Vec<String>,
    pub remove: Vec<String>,
}

/// What narrows down the entries of a case. Each condition is compared with what the caller sees.
#[derive(Debug, Clone, Default)]
pub struct ProgressQuery {
    pub from: Option<Date>,
    pub to: Option<Date>,
    /// Codes of `log_method`; empty = all, and so for the lists that follow.
    pub methods: Vec<String>,
    pub staff: Vec<AccountId>,
    pub agencies: Vec<AgencyId>,
    /// Entries about one of these persons, or about everybody. An entry that is seen masked is about
    /// nobody in particular, and not found by this.
    pub persons: Vec<PersonId>,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
    /// At most 200.
    pub limit: usize,
}

/// What there is to choose from among the entries that the caller sees.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProgressChoices {
    pub methods: BTreeSet<String>,
    pub staff: Vec<Named>,
    pub agencies: Vec<Named>,
    /// Persons whom entries that the caller reads in the original are about.
    pub persons: BTreeSet<PersonId>,
}

/// A page of entries, the newest first.
#[derive(Debug, Clone)]
pub struct ProgressPage {
    pub items: Vec<ProgressRecord>,
    pub next_cursor: Option<String>,
    /// Entries that match and that the caller sees.
    pub total: usize,
    /// Without a cursor only.
    pub choices: Option<ProgressChoices>,
}

/// An entry before its content is opened.
#[derive(Debug, Clone)]
struct Head {
    id: ProgressRecordId,
    performed_on: String,
    recorded_at: String,
    method: String,
    agency: AgencyId,
    account: AccountId,
    visibility: Visibility,
    subjects: Vec<PersonId>,
    level: Level,
    /// Whether the viewer may know of the agency that wrote it.
    shown: bool,
}

impl Head {
    fn place(&self) -> (&str, &str, &str) {
        (&self.performed_on, &self.recorded_at, self.id.as_str())
    }

    fn matches(&self, query: &ProgressQuery) -> bool {
        let day = |day: Date| day.to_string();
        let within = query.from.is_none_or(|from| self.performed_on >= day(from))
            && query.to.is_none_or(|to| self.performed_on <= day(to));
        within
            && (query.methods.is_empty() || query.methods.contains(&self.method))
            && (query.staff.is_empty() || self.shown && query.staff.contains(&self.account))
            && (query.agencies.is_empty() || self.shown && query.agencies.contains(&self.agency))
            && (query.persons.is_empty()
                || self.level >= Level::Read
                    && (self.subjects.is_empty()
                        || self.subjects.iter().any(|one| query.persons.contains(one))))
    }
}

/// Decides by content whether an entry is looked for.
pub type Looks<'a> = &'a (dyn Fn(&ProgressRecord) -> bool + Send + Sync);

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

/// Entries whose contents are in memory at once while one looks for words.
const OPENED_AT_ONCE: usize = 300;

const CONTENTS: &str =
    "SELECT id, content_sealed FROM progress_records WHERE municipality_id = $1 AND id IN";
const AMENDMENTS: &str = "SELECT id, record_id, agency_id, account_id, recorded_at, content_sealed FROM progress_amendments \
     WHERE municipality_id = $1 AND record_id IN";

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
    only: Option<&ProgressRecordId>,
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
             ON r.municipality_id = x.municipality_id AND r.id = x.record_id WHERE r.municipality_id = $1 AND r.case_id = $2 AND ($3 = '' OR r.id = $3)"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(case.as_str())
            .bind(only.map_or("", ProgressRecordId::as_str))
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
                    readers.insert(case.clone(), about(tx, municipality, &case, None).await?);
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
    /// Forbidden; a person outside the case or whom the caller does not know by name; `custom` without
    /// agencies.
    pub async fn add_progress(&self, tx: &mut Tx, new: &NewProgress) -> Result<ProgressRecordId> {
        if !self.may_write_progress() {
            return Err(StoreError::Forbidden);
        }
        let merged = tx.merged_into(self.municipality(), &new.persons).await?;
        let persons: Vec<PersonId> = new
            .persons
            .iter()
            .map(|id| merged.get(id).unwrap_or(id).clone())
            .collect();
        if persons.iter().any(|person| !self.knows_by_name(person)) {
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
        for person in &persons {
            crate::persons::hold(tx, &self.facts.municipality, person).await?;
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
        self.attach(tx, &id, &new.attachments).await?;
        if let Some(draft) = &new.draft {
            self.end_progress_draft(tx, draft).await?;
        }
        self.announce(tx, "case.progress");
        Ok(id)
    }

    /// The entries the caller may see, the newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn progress_records(&self, tx: &mut Tx) -> Result<Vec<ProgressRecord>> {
        let heads = self.heads(tx, None).await?;
        self.opened(tx, &heads).await
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
        let heads = self.heads(tx, Some(id)).await?;
        Ok(self.opened(tx, &heads).await?.pop())
    }

    /// The caller's level on an entry; `None` when there is none for the caller.
    pub(crate) async fn progress_level(
        &self,
        tx: &mut Tx,
        id: &ProgressRecordId,
    ) -> Result<Option<Level>> {
        Ok(self
            .heads(tx, Some(id))
            .await?
            .first()
            .map(|head| head.level))
    }

    /// A page of the entries the caller may see, the newest first. The policy speaks before anything is
    /// compared, counted or offered as a choice; `looks` decides on content as the caller sees it.
    ///
    /// # Errors
    /// `cursor` malformed, database away.
    pub async fn progress_page(
        &self,
        tx: &mut Tx,
        query: &ProgressQuery,
        looks: Option<Looks<'_>>,
    ) -> Result<ProgressPage> {
        let heads = self.heads(tx, None).await?;
        let choices = match query.cursor {
            None => Some(self.choices(tx, &heads).await?),
            Some(_) => None,
        };
        let mut found: Vec<Head> = heads
            .into_iter()
            .filter(|head| head.matches(query))
            .collect();
        if let Some(looks) = looks {
            let mut kept = BTreeSet::new();
            for chunk in found.chunks(OPENED_AT_ONCE) {
                let opened = self.opened(tx, chunk).await?;
                kept.extend(
                    opened
                        .into_iter()
                        .filter(|one| looks(one))
                        .map(|one| one.id),
                );
            }
            found.retain(|head| kept.contains(&head.id));
        }
        let total = found.len();
        let start = match query.cursor.as_deref() {
            None => 0,
            Some(cursor) => {
                let mut parts = cursor.splitn(3, '~');
                let (Some(day), Some(at), Some(id)) = (parts.next(), parts.next(), parts.next())
                else {
                    return Err(StoreError::Invalid("cursor"));
                };
                found.partition_point(|head| head.place() >= (day, at, id))
            }
        };
        let rest = found.get(start..).unwrap_or_default();
        let page = rest.get(..query.limit.clamp(1, 200)).unwrap_or(rest);
        let next_cursor = page.last().filter(|_| page.len() < rest.len()).map(|head| {
            let (day, at, id) = head.place();
            format!("{day}~{at}~{id}")
        });
        Ok(ProgressPage {
            items: self.opened(tx, page).await?,
            next_cursor,
            total,
            choices,
        })
    }

    /// The last entry that the caller wrote in this case: what is offered again.
    ///
    /// # Errors
    /// Database away.
    pub async fn last_own_progress(&self, tx: &mut Tx) -> Result<Option<ProgressRecord>> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2 AND account_id = $3 AND agency_id = $4 \
             ORDER BY recorded_at DESC, id DESC LIMIT 1",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.agency.as_str())
        .fetch_optional(tx.conn())
        .await?;
        match id {
            Some(id) => self.progress_record(tx, &ProgressRecordId(id)).await,
            None => Ok(None),
        }
    }

    async fn choices(&self, tx: &mut Tx, heads: &[Head]) -> Result<ProgressChoices> {
        let municipality = self.municipality().clone();
        let shown = || heads.iter().filter(|head| head.shown);
        let staff: BTreeSet<AccountId> = shown().map(|head| head.account.clone()).collect();
        let staff: Vec<AccountId> = staff.into_iter().collect();
        let agencies: BTreeSet<&AgencyId> = shown().map(|head| &head.agency).collect();
        let known = agencies::by_id(tx, &municipality).await?;
        let mut names: Vec<Named> = accounts::names(tx, &municipality, &staff)
            .await?
            .into_iter()
            .map(|(id, name)| Named { id: id.0, name })
            .collect();
        names.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(ProgressChoices {
            methods: heads.iter().map(|head| head.method.clone()).collect(),
            staff: names,
            agencies: agencies
                .into_iter()
                .filter_map(|id| known.get(id))
                .map(|agency| Named {
                    id: agency.id.0.clone(),
                    name: agency.name.clone(),
                })
                .collect(),
            persons: heads
                .iter()
                .filter(|head| head.level >= Level::Read)
                .flat_map(|head| head.subjects.iter().cloned())
                .collect(),
        })
    }

    /// Whether the caller may know that this agency is around: where somebody protected stays can be
    /// told from it.
    fn names_agency(
        &self,
        known: &BTreeMap<AgencyId, agencies::Agency>,
        agency: &AgencyId,
    ) -> bool {
        known.get(agency).is_some_and(|one| {
            disclosure::agency_visible(&self.caller.viewer, &self.facts, &one.id, one.class)
        })
    }

    /// Which entries the caller sees, and how, the newest first.
    async fn heads(&self, tx: &mut Tx, only: Option<&ProgressRecordId>) -> Result<Vec<Head>> {
        // The section must be shown at all; an agency still sees its own entries in it.
        if self.decision(Section::Progress).level == Level::None {
            return Ok(Vec::new());
        }
        let municipality = self.facts.municipality.clone();
        let (mut persons, named) = about(tx, &municipality, &self.facts.case, only).await?;
        let rows = sqlx::query(
            "SELECT id, performed_on, recorded_at, method, agency_id, account_id, visibility FROM progress_records \
             WHERE municipality_id = $1 AND case_id = $2 AND ($3 = '' OR id = $3) ORDER BY performed_on DESC, recorded_at DESC, id DESC",
        )
        .bind(municipality.as_str())
        .bind(self.facts.case.as_str())
        .bind(only.map_or("", ProgressRecordId::as_str))
        .fetch_all(tx.conn())
        .await?;
        let known = agencies::by_id(tx, &municipality).await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = ProgressRecordId(row.try_get("id")?);
            let agency = AgencyId(row.try_get("agency_id")?);
            let visibility = Visibility::parse(&row.try_get::<String, _>("visibility")?)?;
            let subjects = persons.remove(id.as_str()).unwrap_or_default();
            let named = named.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            if !self.sees_entry(&agency, visibility, named) {
                continue;
            }
            let level = entry_level(&self.caller.viewer, &self.facts, &agency, subjects.clone());
            if level == Level::None {
                continue;
            }
            let shown = self.names_agency(&known, &agency);
            out.push(Head {
                shown,
                performed_on: row.try_get("performed_on")?,
                recorded_at: row.try_get("recorded_at")?,
                method: row.try_get("method")?,
                account: AccountId(row.try_get("account_id")?),
                agency,
                visibility,
                subjects,
                level,
                id,
            });
        }
        Ok(out)
    }

    /// Opens entries that the caller sees, in their order. What is seen masked stays closed.
    async fn opened(&self, tx: &mut Tx, heads: &[Head]) -> Result<Vec<ProgressRecord>> {
        let mut out = Vec::with_capacity(heads.len());
        for chunk in heads.chunks(OPENED_AT_ONCE) {
            out.extend(self.opened_at_once(tx, chunk).await?);
        }
        let staff: BTreeSet<AccountId> = out
            .iter()
            .flat_map(|entry: &ProgressRecord| {
                std::iter::once(&entry.account)
                    .chain(entry.amendments.iter().map(|amendment| &amendment.account))
            })
            .map(|named| AccountId::from(named.id.as_str()))
            .collect();
        let staff: Vec<AccountId> = staff.into_iter().collect();
        let names = accounts::names(tx, self.municipality(), &staff).await?;
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

    async fn opened_at_once(&self, tx: &mut Tx, heads: &[Head]) -> Result<Vec<ProgressRecord>> {
        let municipality = self.facts.municipality.clone();
        let read: Vec<&str> = heads
            .iter()
            .filter(|head| head.level >= Level::Read)
            .map(|head| head.id.as_str())
            .collect();
        let mut contents = BTreeMap::new();
        for row in rows_for(
            tx,
            &municipality,
            &read,
            CONTENTS,
            "ORDER BY recorded_at, id",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            let content: serde_json::Map<String, serde_json::Value> = tx
                .open_json(&municipality, "progress_records.content", &id, &sealed)
                .await?;
            contents.insert(id, content);
        }
        let mut amendments: BTreeMap<String, Vec<Amendment>> = BTreeMap::new();
        for row in rows_for(
            tx,
            &municipality,
            &read,
            AMENDMENTS,
            "ORDER BY recorded_at, id",
        )
        .await?
        {
            let id: String = row.try_get("id")?;
            let sealed: Vec<u8> = row.try_get("content_sealed")?;
            let mut content: serde_json::Map<String, serde_json::Value> = tx
                .open_json(&municipality, "progress_amendments.content", &id, &sealed)
                .await?;
            // 機微メモ of an amendment belong to the agency that amended, not to the one that wrote the entry.
            if row.try_get::<String, _>("agency_id")? != self.caller.viewer.agency.as_str() {
                content.remove(PRIVATE);
            }
            let record: String = row.try_get("record_id")?;
            amendments.entry(record).or_default().push(Amendment {
                id,
                account: Named {
                    id: row.try_get("account_id")?,
                    name: String::new(),
                },
                recorded_at: row.try_get("recorded_at")?,
                content,
            });
        }
        let mut attachments = self.blobs_of(tx, &read).await?;
        let known = agencies::by_id(tx, &municipality).await?;
        let mut out = Vec::with_capacity(heads.len());
        for head in heads {
            let id = head.id.as_str();
            let mut content = contents.remove(id);
            if head.agency != self.caller.viewer.agency
                && let Some(content) = &mut content
            {
                content.remove(PRIVATE);
            }
            out.push(ProgressRecord {
                performed_on: date(&head.performed_on)?,
                method: head.method.clone(),
                account: Named {
                    id: if head.shown {
                        head.account.0.clone()
                    } else {
                        String::new()
                    },
                    name: String::new(),
                },
                agency: known.get(&head.agency).filter(|_| head.shown).map_or_else(
                    || Named {
                        id: String::new(),
                        name: String::new(),
                    },
                    |agency| Named {
                        id: agency.id.0.clone(),
                        name: agency.name.clone(),
                    },
                ),
                visibility: head.visibility,
                persons: (head.level >= Level::Read).then(|| head.subjects.clone()),
                level: head.level,
                content,
                amendments: amendments.remove(id).unwrap_or_default(),
                attachments: attachments.remove(id).unwrap_or_default(),
                recorded_at: head.recorded_at.clone(),
                id: head.id.clone(),
            });
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
        let seen: Vec<Head> = self
            .heads(tx, None)
            .await?
            .into_iter()
            .filter(|head| head.level == Level::Masked)
            .collect();
        if seen.is_empty() {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT id, content_sealed FROM progress_records WHERE municipality_id = $1 AND case_id = $2")
            .bind(municipality.as_str())
            .bind(self.facts.case.as_str())
            .fetch_all(tx.conn())
            .await?;
        let by_id: BTreeMap<&str, &Head> =
            seen.iter().map(|head| (head.id.as_str(), head)).collect();
        let mut entries = Vec::with_capacity(seen.len());
        for row in &rows {
            let id = ProgressRecordId(row.try_get("id")?);
            let Some(record) = by_id.get(id.as_str()) else {
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
                performed_on: date(&record.performed_on)?,
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
        let mut staff = BTreeSet::new();
        let at: BTreeMap<String, usize> = entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (entry.id.0.clone(), at))
            .collect();
        let known = agencies::by_id(tx, &municipality).await?;
        for row in &rows {
            let record: String = row.try_get("record_id")?;
            let Some(entry) = at.get(&record).and_then(|at| entries.get_mut(*at)) else {
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
            let account: String = if self.names_agency(&known, &AgencyId(row.try_get("agency_id")?))
            {
                row.try_get("account_id")?
            } else {
                String::new()
            };
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
                    .retain(|field, _| MASKED_TEXTS.contains(&field.as_str()));
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

    /// Amends an entry of the own agency; the coordinator in charge may amend any it reads. Attachments
    /// of the caller are added, or taken away with their content; the amendment keeps their names.
    ///
    /// # Errors
    /// Forbidden, unknown, or without a reason.
    pub async fn amend_progress(
        &self,
        tx: &mut Tx,
        id: &ProgressRecordId,
        content: &serde_json::Map<String, serde_json::Value>,
        attachments: &Attached,
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
        let mut content = content.clone();
        let mut removed = Vec::with_capacity(attachments.remove.len());
        for blob in &attachments.remove {
            removed.push(self.detach(tx, id, blob).await?);
        }
        let added = self.attach(tx, id, &attachments.add).await?;
        for (field, blobs) in [("attached", added), ("detached", removed)] {
            if !blobs.is_empty() {
                let names: Vec<String> = blobs.into_iter().map(|blob| blob.name).collect();
                content.insert(field.to_owned(), names.into());
            }
        }
        let amendment: String = tx.database().fresh();
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                "progress_amendments.content",
                &amendment,
                &content,
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

/// Takes the name of an attachment out of what the amendments of its entry say came and went (消去).
///
/// # Errors
/// Database away.
pub(crate) async fn forget_file_name(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    blob: &str,
) -> Result<()> {
    const AMENDED: &str = "progress_amendments.content";
    let rows = sqlx::query(
        "SELECT a.id, a.content_sealed, b.name_sealed FROM progress_amendments a \
         JOIN blobs b ON b.municipality_id = a.municipality_id AND b.record_id = a.record_id \
         WHERE b.municipality_id = $1 AND b.case_id = $2 AND b.id = $3",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(blob)
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        let id: String = row.try_get("id")?;
        let name: Vec<u8> = row.try_get("name_sealed")?;
        let name = tx
            .open_text(municipality, "blobs.name", blob, &name)
            .await?;
        let sealed: Vec<u8> = row.try_get("content_sealed")?;
        let mut content: serde_json::Map<String, serde_json::Value> =
            tx.open_json(municipality, AMENDED, &id, &sealed).await?;
        for field in ["attached", "detached"] {
            if let Some(names) = content.get_mut(field).and_then(|list| list.as_array_mut()) {
                names.retain(|known| known.as_str() != Some(name.as_str()));
            }
        }
        let purpose = Purpose::Case(case.clone());
        let sealed = tx
            .seal_json(municipality, &purpose, AMENDED, &id, &content)
            .await?;
        sqlx::query(
            "UPDATE progress_amendments SET content_sealed = $3 WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}
