//! Cases and the right to them. [`Tx::case_for`] loads the facts, asks the policy, and only the
//! [`CaseAccess`] it returns reads or writes the parts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::agency::AgencyClass;
use domain::consent::{Consent, ConsentStatus};
use domain::disclosure::{
    self, CaseFacts, Decision, Disclosure, Excluded, Exclusion, Level, Member, PersonFacts,
    SharingBasis, Viewer,
};
use domain::id::{AccountId, AgencyId, CaseId, DocumentId, MunicipalityId, PersonId};
use domain::role::Capability;
use domain::section::{DocumentKind, Section};
use domain::stage::Stage;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::audit;
use crate::consents;
use crate::course::{self, StepNote};
use crate::data_keys::Purpose;
use crate::database::{Tx, placeholders, rows_for};
use crate::documents;
use crate::error::{Result, StoreError, taken};
use crate::memberships::{date, optional_date};
use crate::persons::{self, NewPerson, Person};
use crate::{agencies, case_list, outbox, progress};

fn json_list<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(what))
}

fn section(code: &str) -> Result<Section> {
    Section::from_code(code).ok_or(StoreError::Corrupt("section"))
}

/// Facts that a reading transaction remembers: a page asks for a few dozen, whoever goes through a
/// municipality for all of them.
const REMEMBERED: usize = 1_000;

/// Everything the policy wants to know of these cases. An id that does not exist is left out.
pub(crate) async fn facts(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[CaseId],
) -> Result<BTreeMap<CaseId, CaseFacts>> {
    if tx.writes() {
        return facts_anew(tx, municipality, ids).await;
    }
    let mut out = BTreeMap::new();
    let mut missing = Vec::new();
    for id in ids {
        match tx.told.facts.get(id) {
            Some(told) if told.municipality == *municipality => {
                out.insert(id.clone(), told.clone());
            }
            _ => missing.push(id.clone()),
        }
    }
    let asked = facts_anew(tx, municipality, &missing).await?;
    if tx.told.facts.len() + asked.len() > REMEMBERED {
        tx.told.facts.clear();
    }
    if asked.len() <= REMEMBERED {
        let told = asked.iter().map(|(id, facts)| (id.clone(), facts.clone()));
        tx.told.facts.extend(told);
    }
    out.extend(asked);
    Ok(out)
}

/// As [`facts`], read from the database in any case: for whoever goes through a municipality.
pub(crate) async fn facts_anew(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[CaseId],
) -> Result<BTreeMap<CaseId, CaseFacts>> {
    let mut out = BTreeMap::new();
    for row in rows_for(
        tx,
        municipality,
        ids,
        "SELECT id, owner_agency_id FROM cases WHERE municipality_id = $1 AND id IN",
        "",
    )
    .await?
    {
        let case = CaseId(row.try_get("id")?);
        out.insert(
            case.clone(),
            CaseFacts {
                municipality: municipality.clone(),
                case,
                owner: AgencyId(row.try_get("owner_agency_id")?),
                members: Vec::new(),
                matrix: Vec::new(),
                exclusions: Vec::new(),
                persons: Vec::new(),
                bases: Vec::new(),
                subjects: BTreeMap::new(),
            },
        );
    }
    if out.is_empty() {
        return Ok(out);
    }
    let case_of = |row: &AnyRow| -> Result<CaseId> { Ok(CaseId(row.try_get("case_id")?)) };
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT m.case_id, m.agency_id, m.valid_from, m.valid_to, g.class FROM case_members m \
         JOIN agencies g ON g.municipality_id = m.municipality_id AND g.id = m.agency_id \
         WHERE g.state = 'active' AND m.municipality_id = $1 AND m.case_id IN",
        "ORDER BY m.case_id, m.agency_id",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            case.members.push(Member {
                agency: AgencyId(row.try_get("agency_id")?),
                class: AgencyClass::from_code(&row.try_get::<String, _>("class")?)
                    .ok_or(StoreError::Corrupt("agencies.class"))?,
                from: date(&row.try_get::<String, _>("valid_from")?)?,
                to: optional_date(row.try_get("valid_to")?)?,
            });
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT case_id, agency_id, section, level, comment, valid_from, valid_to FROM disclosures WHERE municipality_id = $1 AND case_id IN",
        "ORDER BY case_id, agency_id, section",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            case.matrix.push(Disclosure {
                agency: AgencyId(row.try_get("agency_id")?),
                section: section(&row.try_get::<String, _>("section")?)?,
                level: Level::from_code(&row.try_get::<String, _>("level")?)
                    .ok_or(StoreError::Corrupt("disclosures.level"))?,
                comment: row.try_get::<i64, _>("comment")? != 0,
                from: optional_date(row.try_get("valid_from")?)?,
                to: optional_date(row.try_get("valid_to")?)?,
            });
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT case_id, kind, subject_id, about_person FROM case_exclusions WHERE municipality_id = $1 AND case_id IN",
        "",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            let subject: String = row.try_get("subject_id")?;
            let who = match row.try_get::<String, _>("kind")?.as_str() {
                "agency" => Excluded::Agency(AgencyId(subject)),
                "account" => Excluded::Account(AccountId(subject)),
                _ => return Err(StoreError::Corrupt("case_exclusions.kind")),
            };
            let about: String = row.try_get("about_person")?;
            case.exclusions.push(Exclusion {
                who,
                about: (!about.is_empty()).then_some(PersonId(about)),
            });
        }
    }
    // An account that is itself a person of the case does not see the case.
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT p.case_id, a.id FROM case_persons p JOIN accounts a \
         ON a.municipality_id = p.municipality_id AND a.person_id = p.person_id WHERE p.municipality_id = $1 AND p.case_id IN",
        "",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            case.exclusions.push(Exclusion {
                who: Excluded::Account(AccountId(row.try_get("id")?)),
                about: None,
            });
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT c.case_id, c.person_id, p.address_confidential FROM case_persons c \
         JOIN persons p ON p.municipality_id = c.municipality_id AND p.id = c.person_id \
         WHERE c.municipality_id = $1 AND c.case_id IN",
        "ORDER BY c.case_id, c.number",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            let mut person = PersonFacts::new(
                PersonId(row.try_get("person_id")?),
                Consent::of(ConsentStatus::Unconfirmed),
            );
            person.address_confidential = row.try_get::<i64, _>("address_confidential")? != 0;
            case.persons.push(person);
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT c.case_id, c.person_id, l.agency_id FROM case_persons c JOIN person_address_allow l \
         ON l.municipality_id = c.municipality_id AND l.person_id = c.person_id WHERE c.municipality_id = $1 AND c.case_id IN",
        "",
    )
    .await?;
    for row in &rows {
        let person = PersonId(row.try_get("person_id")?);
        if let Some(facts) = out
            .get_mut(&case_of(row)?)
            .and_then(|case| case.persons.iter_mut().find(|p| p.person == person))
        {
            facts
                .address_allowed
                .insert(AgencyId(row.try_get("agency_id")?));
        }
    }
    for (case, person, consent) in consents::latest(tx, municipality, ids).await? {
        if let Some(facts) = out
            .get_mut(&case)
            .and_then(|case| case.persons.iter_mut().find(|p| p.person == person))
        {
            facts.consent = consent;
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT b.id, b.case_id, b.basis, b.meeting, b.valid_from, b.valid_to, b.sections, b.persons, m.agency_id FROM sharing_bases b \
         CROSS JOIN sharing_basis_members m WHERE m.municipality_id = b.municipality_id AND m.basis_id = b.id AND b.ended_at IS NULL AND b.municipality_id = $1 AND b.case_id IN",
        "ORDER BY b.case_id, b.id, m.agency_id",
    )
    .await?;
    let mut last = String::new();
    for row in &rows {
        let Some(case) = out.get_mut(&case_of(row)?) else {
            continue;
        };
        let id: String = row.try_get("id")?;
        let agency = AgencyId(row.try_get("agency_id")?);
        if id == last {
            if let Some(basis) = case.bases.last_mut() {
                basis.agencies.push(agency);
            }
            continue;
        }
        last = id;
        case.bases.push(SharingBasis {
            basis: row.try_get("basis")?,
            agencies: vec![agency],
            persons: json_list(
                &row.try_get::<String, _>("persons")?,
                "sharing_bases.persons",
            )?,
            sections: json_list(
                &row.try_get::<String, _>("sections")?,
                "sharing_bases.sections",
            )?,
            from: date(&row.try_get::<String, _>("valid_from")?)?,
            until: optional_date(row.try_get("valid_to")?)?,
            meeting: row.try_get("meeting")?,
        });
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT d.case_id, d.section, s.person_id FROM documents d CROSS JOIN document_subjects s \
         WHERE s.municipality_id = d.municipality_id AND s.document_id = d.id AND d.section IS NOT NULL AND d.parent_id IS NULL AND d.municipality_id = $1 AND d.case_id IN",
        "ORDER BY d.case_id, d.section, s.person_id",
    )
    .await?;
    for row in &rows {
        if let Some(case) = out.get_mut(&case_of(row)?) {
            let listed = case
                .subjects
                .entry(section(&row.try_get::<String, _>("section")?)?)
                .or_default();
            let person = PersonId(row.try_get("person_id")?);
            if !listed.contains(&person) {
                listed.push(person);
            }
        }
    }
    Ok(out)
}

/// Whether an exclusion hides a person (or the whole case) from the viewer.
pub(crate) fn excludes(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> bool {
    facts.exclusions.iter().any(|exclusion| {
        exclusion.hits(viewer) && exclusion.about.as_ref().is_none_or(|about| about == person)
    })
}

/// The plain columns of a case.
#[derive(Debug, Clone)]
struct CaseRow {
    case_no: String,
    program: String,
    title_sealed: Option<Vec<u8>>,
    outcome_sealed: Option<Vec<u8>>,
    stage: Stage,
    urgency: Option<String>,
    received_on: Date,
    closed_on: Option<Date>,
    owner_account: Option<AccountId>,
    lead_agency: Option<AgencyId>,
    similar_ok: bool,
    version: i64,
    /// Of the case's own line: this row, its persons, members and rights. What was written in the
    /// case is added as far as the caller may see it ([`Marks`]).
    updated_at: String,
}

fn case_row(row: &AnyRow) -> Result<CaseRow> {
    Ok(CaseRow {
        case_no: row.try_get("case_no")?,
        program: row.try_get("program")?,
        title_sealed: row.try_get("title_sealed")?,
        outcome_sealed: row.try_get("outcome_sealed")?,
        stage: Stage::from_code(&row.try_get::<String, _>("stage")?)
            .ok_or(StoreError::Corrupt("cases.stage"))?,
        urgency: row.try_get("urgency")?,
        received_on: date(&row.try_get::<String, _>("received_on")?)?,
        closed_on: optional_date(row.try_get("closed_on")?)?,
        owner_account: row
            .try_get::<Option<String>, _>("owner_account_id")?
            .map(AccountId),
        lead_agency: row
            .try_get::<Option<String>, _>("lead_agency_id")?
            .map(AgencyId),
        similar_ok: row.try_get::<i64, _>("similar_ok")? != 0,
        version: row.try_get("version")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// The right to a case, as the policy gave it when it was loaded.
#[derive(Debug, Clone)]
pub struct CaseAccess {
    pub(crate) caller: Caller,
    pub(crate) facts: CaseFacts,
    row: CaseRow,
    /// 見え方の確認: shows, changes nothing.
    preview: bool,
}

/// Role of a person in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseRole {
    /// 支援対象者.
    Client,
    Household,
    Relative,
    Related,
}

impl CaseRole {
    /// As it is stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Household => "household",
            Self::Relative => "relative",
            Self::Related => "related",
        }
    }

    pub(crate) fn parse(code: &str) -> Result<Self> {
        Ok(match code {
            "client" => Self::Client,
            "household" => Self::Household,
            "relative" => Self::Relative,
            "related" => Self::Related,
            _ => return Err(StoreError::Corrupt("case_persons.role")),
        })
    }
}

/// A person of a case as the caller sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CasePerson {
    /// `None` for a masked person: an id would join cases.
    pub person_id: Option<PersonId>,
    /// The n of ［氏名n］.
    pub number: i64,
    /// Name, or ［氏名n］.
    pub display: String,
    pub kana: Option<String>,
    pub role: CaseRole,
    pub kinship: Option<String>,
    pub age: Option<i64>,
    pub gender: Option<String>,
    pub level: Level,
    pub consent: Option<ConsentStatus>,
    pub flags: Vec<String>,
    pub address_confidential: bool,
    /// The birth date is not known to the day, or the age is an estimate.
    pub age_about: bool,
    /// Has died: `age` is that on the day of death.
    pub deceased: bool,
    /// The register's values; protected ones left out. `None` for a masked person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// Id and name of something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    pub id: String,
    pub name: String,
}

/// A line of the case list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseSummary {
    pub id: CaseId,
    pub case_no: String,
    pub program: String,
    pub title: Option<String>,
    pub clients: Vec<CasePerson>,
    pub stage: Stage,
    pub urgency: Option<String>,
    pub received_on: Date,
    pub closed_on: Option<Date>,
    pub owner: Option<Named>,
    pub owner_agency: Named,
    pub lead_agency: Option<Named>,
    pub level: Level,
    pub flags: Vec<String>,
    /// Day of the latest entry of the 支援経過 that the caller may see.
    pub last_progress_on: Option<Date>,
    pub similar_ok: bool,
    pub version: i64,
    /// The latest change that the caller may see something of.
    pub updated_at: String,
}

/// An agency in a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseMember {
    pub agency: Named,
    pub class: AgencyClass,
    pub role: String,
    pub from: Date,
    pub to: Option<Date>,
    /// Whom the agency put in charge of the case (割当), while it is in the case.
    pub charge: Option<Named>,
}

/// Who else sees a section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audience {
    pub agency_id: AgencyId,
    pub name: String,
    pub level: Level,
}

/// A sheet in the list of its section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetView {
    pub id: DocumentId,
    pub number: Option<i64>,
    pub state: documents::DocumentState,
    pub dated_on: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub level: Level,
}

/// A section of a case as the caller sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SectionView {
    pub section: Section,
    /// The sheet, of sections that have only one; a repeated sheet is in `sheets`.
    pub document_id: Option<DocumentId>,
    /// The sheets that exist for the caller, by number.
    pub sheets: Vec<SheetView>,
    pub level: Level,
    pub comment: bool,
    /// Agencies that see it; empty unless the caller reads it itself.
    pub seen_by: Vec<Audience>,
}

/// A client of a new case.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ClientRef {
    Known { person_id: PersonId },
    New(NewPerson),
}

/// A new reception.
#[derive(Debug, Clone, Deserialize)]
pub struct NewCase {
    pub received_on: Date,
    pub clients: Vec<ClientRef>,
    #[serde(default)]
    pub urgency: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    /// 多機関協働 when missing.
    #[serde(default)]
    pub program: Option<String>,
    #[serde(default)]
    pub owner_account: Option<AccountId>,
    /// The coordinator agency; needed when an agency hands a reception in and there are several.
    #[serde(default)]
    pub owner_agency: Option<AgencyId>,
    #[serde(default)]
    pub lead_agency: Option<AgencyId>,
    /// For imports: the number it had.
    #[serde(default)]
    pub case_no: Option<String>,
}

/// What a new case consists of. The Y.Docs themselves are made by the hub, with seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedCase {
    pub case: CaseId,
    pub case_no: String,
    pub clients: Vec<PersonId>,
    pub documents: Vec<(DocumentKind, DocumentId)>,
    /// Masks documents: (parent, masks).
    pub masks: Vec<(DocumentId, DocumentId)>,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// Words: case number, title, name, kana, and what else finds a person.
    pub q: Option<String>,
    /// A part of the case number, and nothing else.
    pub case_no: Option<String>,
    pub stages: Vec<Stage>,
    /// Cases whose owner is the caller.
    pub mine: bool,
    pub limit: usize,
}

/// A part of a case number as it stands in numbers: no wildcard gets through.
pub(crate) fn number_part(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect::<String>()
        .to_ascii_lowercase()
}

/// A case in a list, by the latest change the caller may see something of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub at: String,
    pub case: CaseId,
}

/// A page of cases.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CasePage {
    pub items: Vec<CaseSummary>,
    pub next_cursor: Option<String>,
    /// Cases that match and that the caller may know of.
    pub total: usize,
}

/// Changed fields of a case.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CasePatch {
    pub title: Option<String>,
    pub stage: Option<Stage>,
    pub urgency: Option<String>,
    pub owner_account: Option<AccountId>,
    pub lead_agency: Option<AgencyId>,
    pub similar_ok: Option<bool>,
    pub outcome: Option<String>,
    /// Needed with stage `closed`.
    pub closed_on: Option<Date>,
    /// Kept with a change of stage.
    #[serde(default)]
    pub step: StepNote,
}

pub(crate) const TITLE: &str = "cases.title";
pub(crate) const OUTCOME: &str = "cases.outcome";

async fn next_number(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    received_on: Date,
) -> Result<String> {
    let year = i64::from(domain::clock::fiscal_year(received_on));
    loop {
        let last: i64 = sqlx::query_scalar(
            "INSERT INTO case_counters (municipality_id, fiscal_year, last) VALUES ($1, $2, 1) \
             ON CONFLICT (municipality_id, fiscal_year) DO UPDATE SET last = case_counters.last + 1 RETURNING last",
        )
        .bind(municipality.as_str())
        .bind(year)
        .fetch_one(tx.conn())
        .await?;
        let number = format!("{year}-{last:04}");
        // Cases that came with their number may have this one.
        let given: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM cases WHERE municipality_id = $1 AND case_no = $2",
        )
        .bind(municipality.as_str())
        .bind(number.as_str())
        .fetch_one(tx.conn())
        .await?;
        if given == 0 {
            return Ok(number);
        }
    }
}

/// The highest number of a year that has five digits: what is made in bulk counts on from there.
///
/// # Errors
/// Database away.
pub async fn highest_of_five(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    year: i16,
) -> Result<Option<String>> {
    let highest: Option<String> = sqlx::query_scalar(
        "SELECT MAX(case_no) FROM cases WHERE municipality_id = $1 AND case_no LIKE $2",
    )
    .bind(municipality.as_str())
    .bind(format!("{year}-_____"))
    .fetch_one(tx.conn())
    .await?;
    Ok(highest)
}

async fn owner_agency(tx: &mut Tx, caller: &Caller, asked: Option<&AgencyId>) -> Result<AgencyId> {
    if caller.viewer.agency_class == AgencyClass::Coordinator
        && asked.is_none_or(|agency| *agency == caller.viewer.agency)
    {
        return Ok(caller.viewer.agency.clone());
    }
    let all = agencies::list(tx, &caller.viewer.municipality).await?;
    let mut coordinators = all
        .into_iter()
        .filter(|agency| agency.class == AgencyClass::Coordinator && agency.active);
    match asked {
        Some(asked) => coordinators
            .find(|agency| agency.id == *asked)
            .map(|agency| agency.id)
            .ok_or(StoreError::Invalid("owner_agency")),
        None => match (coordinators.next(), coordinators.next()) {
            (Some(only), None) => Ok(only.id),
            _ => Err(StoreError::Invalid("owner_agency")),
        },
    }
}

/// Receives a case: number, key, persons, documents of its sections with their masks documents.
///
/// An agency that hands a reception in becomes a member with the right to edit the intake sheet;
/// what it sees there is still for the policy (consent) to say.
///
/// # Errors
/// Forbidden, no client, a client the caller may not see, unknown owner agency.
pub async fn create(tx: &mut Tx, caller: &Caller, new: &NewCase) -> Result<CreatedCase> {
    caller.require(Capability::CreateCase)?;
    if new.clients.is_empty() {
        return Err(StoreError::Invalid("clients"));
    }
    let municipality = caller.viewer.municipality.clone();
    let owner = owner_agency(tx, caller, new.owner_agency.as_ref()).await?;
    let mut clients = Vec::new();
    for client in &new.clients {
        let id = match client {
            ClientRef::Known { person_id } => {
                tx.person_for(caller, person_id)
                    .await?
                    .ok_or(StoreError::NotFound)?;
                person_id.clone()
            }
            ClientRef::New(person) => persons::create(tx, caller, person).await?,
        };
        if !clients.contains(&id) {
            clients.push(id);
        }
    }
    let case_no = match &new.case_no {
        Some(number) => crate::accounts::trimmed(number, "case_no", 40)?,
        None => next_number(tx, &municipality, new.received_on).await?,
    };
    let case: CaseId = tx.database().fresh();
    let purpose = Purpose::Case(case.clone());
    tx.create_key(&municipality, &purpose).await?;
    let title = match &new.title {
        Some(title) => Some(
            tx.seal(
                &municipality,
                &purpose,
                TITLE,
                case.as_str(),
                title.as_bytes(),
            )
            .await?,
        ),
        None => None,
    };
    let owner_account = new
        .owner_account
        .clone()
        .or_else(|| (owner == caller.viewer.agency).then(|| caller.viewer.account.clone()));
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO cases (municipality_id, id, case_no, program, title_sealed, stage, urgency, received_on, owner_account_id, \
         owner_agency_id, lead_agency_id, version, created_by, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $13)",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(case_no.as_str())
    .bind(new.program.clone().unwrap_or_else(|| "takikan".to_owned()))
    .bind(title)
    .bind(Stage::Received.code())
    .bind(new.urgency.clone())
    .bind(new.received_on.to_string())
    .bind(owner_account.map(|id| id.0))
    .bind(owner.as_str())
    .bind(new.lead_agency.clone().map(|id| id.0))
    .bind(caller.viewer.account.as_str())
    .bind(now.as_str())
    .execute(tx.conn())
    .await
    .map_err(taken("case_no"))?;
    for person in &clients {
        insert_person(tx, &municipality, &case, person, CaseRole::Client, None).await?;
    }
    let mut created = CreatedCase {
        case: case.clone(),
        case_no,
        clients,
        documents: Vec::new(),
        masks: Vec::new(),
    };
    for kind in [
        DocumentKind::Intake,
        DocumentKind::Assessment,
        DocumentKind::Network,
    ] {
        let id = documents::insert(tx, caller, Some(&case), kind, None, &owner, None).await?;
        if kind.form().is_some() {
            let masks = documents::insert(
                tx,
                caller,
                Some(&case),
                DocumentKind::Masks,
                Some(&id),
                &owner,
                None,
            )
            .await?;
            created.masks.push((id.clone(), masks));
        }
        created.documents.push((kind, id));
    }
    if caller.viewer.agency != owner {
        insert_member(
            tx,
            caller,
            &case,
            &caller.viewer.agency,
            "referrer",
            caller.viewer.today,
            None,
        )
        .await?;
        insert_disclosure(
            tx,
            caller,
            &case,
            &Disclosure {
                agency: caller.viewer.agency.clone(),
                section: Section::Intake,
                level: Level::Edit,
                comment: true,
                from: None,
                to: None,
            },
        )
        .await?;
    }
    sqlx::query("INSERT INTO case_facts (municipality_id, case_id, received_on, urgency, updated_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(municipality.as_str())
        .bind(case.as_str())
        .bind(new.received_on.to_string())
        .bind(new.urgency.clone())
        .bind(now)
        .execute(tx.conn())
        .await?;
    let note = StepNote {
        entered_on: Some(new.received_on),
        ..StepNote::default()
    };
    course::record(tx, caller, &case, None, Stage::Received, &note).await?;
    outbox::put(
        tx,
        &municipality,
        "case",
        case.as_str(),
        Some(&case),
        serde_json::Value::Null,
    );
    Ok(created)
}

async fn insert_person(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    person: &PersonId,
    role: CaseRole,
    kinship: Option<&str>,
) -> Result<()> {
    persons::hold(tx, municipality, person).await?;
    let number: i64 = sqlx::query_scalar(
        "UPDATE cases SET next_person_number = next_person_number + 1 WHERE municipality_id = $1 AND id = $2 RETURNING next_person_number",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .fetch_one(tx.conn())
    .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO case_persons (municipality_id, case_id, person_id, role, kinship, number, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(person.as_str())
    .bind(role.code())
    .bind(kinship.map(str::to_owned))
    .bind(number - 1)
    .bind(now)
    .execute(tx.conn())
    .await
    .map_err(taken("person"))?;
    Ok(())
}

pub(crate) async fn insert_member(
    tx: &mut Tx,
    caller: &Caller,
    case: &CaseId,
    agency: &AgencyId,
    role: &str,
    from: Date,
    to: Option<Date>,
) -> Result<()> {
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO case_members (municipality_id, case_id, agency_id, role, valid_from, valid_to, added_by, added_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (municipality_id, case_id, agency_id) DO UPDATE SET role = excluded.role, valid_from = excluded.valid_from, \
         valid_to = excluded.valid_to, added_by = excluded.added_by, added_at = excluded.added_at",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(case.as_str())
    .bind(agency.as_str())
    .bind(role)
    .bind(from.to_string())
    .bind(to.map(|day| day.to_string()))
    .bind(caller.viewer.account.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn insert_disclosure(
    tx: &mut Tx,
    caller: &Caller,
    case: &CaseId,
    right: &Disclosure,
) -> Result<()> {
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO disclosures (municipality_id, case_id, agency_id, section, level, comment, set_by, set_at, valid_from, valid_to) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (municipality_id, case_id, agency_id, section) DO UPDATE SET level = excluded.level, \
         comment = excluded.comment, set_by = excluded.set_by, set_at = excluded.set_at, \
         valid_from = excluded.valid_from, valid_to = excluded.valid_to",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(case.as_str())
    .bind(right.agency.as_str())
    .bind(right.section.code())
    .bind(right.level.code())
    .bind(i64::from(right.comment))
    .bind(caller.viewer.account.as_str())
    .bind(now)
    .bind(right.from.map(|day| day.to_string()))
    .bind(right.to.map(|day| day.to_string()))
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl Tx {
    /// The caller's right to a case; `None` when there is no such case *for this caller*.
    ///
    /// # Errors
    /// Database away.
    pub async fn case_for(&mut self, caller: &Caller, id: &CaseId) -> Result<Option<CaseAccess>> {
        if !caller.may(Capability::ReadCases) {
            return Ok(None);
        }
        let municipality = caller.viewer.municipality.clone();
        let Some(facts) = facts(self, &municipality, std::slice::from_ref(id))
            .await?
            .remove(id)
        else {
            return Ok(None);
        };
        if !disclosure::case_visible(&caller.viewer, &facts) {
            return Ok(None);
        }
        let row = sqlx::query("SELECT * FROM cases WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(id.as_str())
            .fetch_one(self.conn())
            .await?;
        Ok(Some(CaseAccess {
            caller: caller.clone(),
            facts,
            row: case_row(&row)?,
            preview: false,
        }))
    }

    /// Keeps the rights to a case as they are until this (writing) transaction ends: whoever changes
    /// its members, disclosure, consent or exclusions waits. For what writes elsewhere, into a live
    /// document, on the strength of a right asked for here.
    ///
    /// # Errors
    /// Database away.
    pub async fn hold_case(&mut self, municipality: &MunicipalityId, id: &CaseId) -> Result<()> {
        // SQLite has one writer anyway; on PostgreSQL this takes the row that every such change updates.
        sqlx::query("UPDATE cases SET version = version WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(id.as_str())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// The cases a person is in, to tell open screens of a change; nobody is shown them.
    ///
    /// # Errors
    /// Database away.
    pub async fn cases_with(
        &mut self,
        municipality: &MunicipalityId,
        person: &PersonId,
    ) -> Result<Vec<CaseId>> {
        persons::cases_of(self, municipality, person).await
    }

    /// Ids of all cases the caller may know of, newest change first: asked case by case, without what
    /// [`crate::case_list`] keeps.
    ///
    /// # Errors
    /// Database away.
    pub async fn visible_cases(&mut self, caller: &Caller) -> Result<Vec<CaseId>> {
        let listed = self
            .listed_one_by_one(caller, &CaseFilter::default())
            .await?;
        Ok(listed.into_iter().map(|listed| listed.case).collect())
    }

    /// Candidates by SQL, then the policy, case by case: what [`crate::case_list`] must say too. For
    /// transactions that write, whose own changes it does not know, and for comparing.
    pub(crate) async fn listed_one_by_one(
        &mut self,
        caller: &Caller,
        filter: &CaseFilter,
    ) -> Result<Vec<Listed>> {
        if !caller.may(Capability::ReadCases) {
            return Ok(Vec::new());
        }
        let municipality = caller.viewer.municipality.clone();
        let mut sql = "SELECT id, updated_at FROM cases c WHERE c.municipality_id = $1".to_owned();
        let mut values = vec![municipality.0.clone()];
        if caller.viewer.agency_class != AgencyClass::Department {
            values.push(caller.viewer.agency.0.clone());
            sql.push_str(
                " AND (c.owner_agency_id = $2 OR EXISTS (SELECT 1 FROM case_members m WHERE m.municipality_id = c.municipality_id \
                 AND m.case_id = c.id AND m.agency_id = $2))",
            );
        }
        if let Some(number) = &filter.case_no {
            values.push(format!("%{}%", number_part(number)));
            sql.push_str(&format!(" AND LOWER(c.case_no) LIKE ${}", values.len()));
        }
        if filter.mine {
            values.push(caller.viewer.account.0.clone());
            let account = values.len();
            values.push(caller.viewer.agency.0.clone());
            let agency = values.len();
            sql.push_str(&format!(
                " AND (c.owner_account_id = ${account} OR EXISTS (SELECT 1 FROM case_members o WHERE o.municipality_id = c.municipality_id \
                 AND o.case_id = c.id AND o.agency_id = ${agency} AND o.account_id = ${account}))",
            ));
        }
        if !filter.stages.is_empty() {
            sql.push_str(&format!(
                " AND c.stage IN ({})",
                placeholders(values.len() + 1, filter.stages.len())
            ));
            values.extend(filter.stages.iter().map(|stage| stage.code().to_owned()));
        }
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        let mut candidates = Vec::new();
        for row in query.fetch_all(self.conn()).await? {
            candidates.push((
                CaseId(row.try_get("id")?),
                row.try_get::<String, _>("updated_at")?,
            ));
        }
        let ids: Vec<CaseId> = candidates.iter().map(|(id, _)| id.clone()).collect();
        let mut known = facts(self, &municipality, &ids).await?;
        known.retain(|_, facts| disclosure::case_visible(&caller.viewer, facts));
        let seen: Vec<(&Viewer, &CaseFacts)> = known
            .values()
            .map(|facts| (&caller.viewer, facts))
            .collect();
        let mut marks = marks(self, &municipality, &seen).await?;
        let mut visible: Vec<Listed> = candidates
            .into_iter()
            .filter(|(id, _)| known.contains_key(id))
            .map(|(case, updated)| {
                let written = marks.remove(&case).unwrap_or_default().updated_at;
                Listed {
                    at: written.max(updated),
                    case,
                }
            })
            .collect();
        // The newest change first: of those the caller may see, so that the order tells of no others.
        visible.sort_by(|a, b| b.cmp(a));
        Ok(visible)
    }

    /// A page of the cases the caller may know of. Counts and pages are made after the policy has
    /// spoken, and words are compared only with what the caller can read, so that neither tells of
    /// hidden cases or names.
    ///
    /// # Errors
    /// `cursor` malformed, database away.
    pub async fn cases(
        &mut self,
        caller: &Caller,
        filter: &CaseFilter,
        cursor: Option<&str>,
    ) -> Result<CasePage> {
        let after = cursor
            .map(|cursor| cursor.split_once('~').ok_or(StoreError::Invalid("cursor")))
            .transpose()?;
        if !caller.may(Capability::ReadCases) {
            return Ok(CasePage::default());
        }
        let among = match filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
            Some(q) => Some(self.cases_with_words(caller, q).await?),
            None => None,
        };
        let limit = filter.limit.clamp(1, 200);
        let part = if self.writes() {
            let mut all = self.listed_one_by_one(caller, filter).await?;
            all.retain(|listed| {
                among
                    .as_ref()
                    .is_none_or(|among| among.contains(&listed.case))
            });
            let total = all.len();
            if let Some((at, id)) = after {
                all.retain(|listed| (listed.at.as_str(), listed.case.as_str()) < (at, id));
            }
            all.truncate(limit + 1);
            case_list::Part {
                cases: all,
                total,
                exact: true,
            }
        } else {
            case_list::part(self, caller, filter, among.as_ref(), after, limit).await?
        };
        let page = part.cases.get(..limit).unwrap_or(&part.cases);
        let next_cursor = page
            .last()
            .filter(|_| part.cases.len() > limit)
            .map(|last| format!("{}~{}", last.at, last.case));
        let ids: Vec<CaseId> = page.iter().map(|listed| listed.case.clone()).collect();
        // The policy again, on what stands today: whatever the list says, nothing else is shown.
        let mut lines = self.case_lines(caller, &ids).await?;
        if part.exact && lines.len() < ids.len() {
            case_list::doubt(self.database(), &caller.viewer.municipality).await;
        }
        Ok(CasePage {
            items: ids
                .iter()
                .filter_map(|id| lines.remove(id).map(|(_, line)| line))
                .collect(),
            next_cursor,
            total: part.total,
        })
    }

    /// The lines of these cases, as far as the caller may know of them, each with the right to it.
    ///
    /// # Errors
    /// Database away.
    pub async fn case_lines(
        &mut self,
        caller: &Caller,
        ids: &[CaseId],
    ) -> Result<BTreeMap<CaseId, (CaseAccess, CaseSummary)>> {
        if !caller.may(Capability::ReadCases) {
            return Ok(BTreeMap::new());
        }
        let municipality = caller.viewer.municipality.clone();
        let mut known = facts(self, &municipality, ids).await?;
        known.retain(|_, facts| disclosure::case_visible(&caller.viewer, facts));
        let ids: Vec<CaseId> = known.keys().cloned().collect();
        let rows = rows_for(
            self,
            &municipality,
            &ids,
            "SELECT * FROM cases WHERE municipality_id = $1 AND id IN",
            "",
        )
        .await?;
        let mut accesses = Vec::new();
        for row in &rows {
            let id = CaseId(row.try_get("id")?);
            if let Some(facts) = known.remove(&id) {
                accesses.push(CaseAccess {
                    caller: caller.clone(),
                    facts,
                    row: case_row(row)?,
                    preview: false,
                });
            }
        }
        let names = Names::load(self, caller, &accesses, Detail::Line).await?;
        let mut out = BTreeMap::new();
        for access in accesses {
            let summary = access.summary_with(self, &names).await?;
            out.insert(access.id().clone(), (access, summary));
        }
        Ok(out)
    }

    /// Cases whose number matches, whoever may know of them, and those whose title or persons match, as
    /// far as the caller reads them.
    async fn cases_with_words(&mut self, caller: &Caller, q: &str) -> Result<HashSet<CaseId>> {
        let (viewer, municipality) = (&caller.viewer, &caller.viewer.municipality);
        let persons: BTreeMap<PersonId, persons::Match> =
            persons::matching(self, municipality, q, 2000)
                .await?
                .into_iter()
                .map(|found| (found.person.clone(), found))
                .collect();
        let found: Vec<&PersonId> = persons.keys().collect();
        let rows = rows_for(
            self,
            municipality,
            &found,
            "SELECT case_id FROM case_persons WHERE municipality_id = $1 AND person_id IN",
            "",
        )
        .await?;
        let (mut out, titles) = case_list::with_words(self, municipality, q).await?;
        let mut candidates: BTreeSet<CaseId> = titles.iter().cloned().collect();
        for row in &rows {
            candidates.insert(CaseId(row.try_get("case_id")?));
        }
        let candidates: Vec<CaseId> = candidates.into_iter().collect();
        for chunk in candidates.chunks(500) {
            for (case, facts) in facts(self, municipality, chunk).await? {
                let of_person = |person: &PersonId| {
                    persons.get(person).is_some_and(|found| {
                        disclosure::person_level(viewer, &facts, person) >= Level::Read
                            && found.is_shown(persons::Sight::in_case(viewer, &facts, person))
                    })
                };
                if titles.contains(&case) && disclosure::title_visible(viewer, &facts)
                    || facts.persons.iter().any(|known| of_person(&known.person))
                {
                    out.insert(case);
                }
            }
        }
        Ok(out)
    }
}

/// What was last written in a case, of all that a viewer may see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    /// Of sheets, entries and transcripts; empty when there is nothing to see.
    pub updated_at: String,
    last_progress_on: Option<Date>,
}

/// What was last written in a case, told apart by who may see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    sheets: Vec<(Section, String)>,
    transcripts: Option<String>,
    entries: Vec<progress::LastWritten>,
}

impl Written {
    /// What of it the viewer may see.
    pub(crate) fn seen(&self, viewer: &Viewer, facts: &CaseFacts) -> Marks {
        let mut out = Marks::default();
        let mut note = |at: &str, performed_on: Option<Date>| {
            if out.updated_at.as_str() < at {
                at.clone_into(&mut out.updated_at);
            }
            out.last_progress_on = out.last_progress_on.max(performed_on);
        };
        let level =
            |section: Section| disclosure::decide(viewer, facts, &facts.sheet(section)).level;
        for (section, at) in &self.sheets {
            if level(*section) > Level::None {
                note(at, None);
            }
        }
        if let Some(at) = &self.transcripts
            && level(Section::Intake).min(level(Section::Assessment)) >= Level::Read
        {
            note(at, None);
        }
        if !self.entries.is_empty() && level(Section::Progress) > Level::None {
            for entry in self
                .entries
                .iter()
                .filter(|entry| entry.is_seen(viewer, facts))
            {
                note(&entry.at, Some(entry.performed_on));
            }
        }
        out
    }
}

/// What was last written in cases. Reads one row for each kind of entry, not each entry: a list of all
/// cases asks here.
pub(crate) async fn written(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[&CaseFacts],
) -> Result<BTreeMap<CaseId, Written>> {
    let ids: Vec<&CaseId> = cases.iter().map(|facts| &facts.case).collect();
    let mut out: BTreeMap<CaseId, Written> = BTreeMap::new();
    let rows = rows_for(
        tx,
        municipality,
        &ids,
        "SELECT case_id, section, MAX(updated_at) AS at FROM documents WHERE section IS NOT NULL AND parent_id IS NULL \
         AND state <> 'erased' AND municipality_id = $1 AND case_id IN",
        "GROUP BY case_id, section",
    )
    .await?;
    for row in &rows {
        let section = section(&row.try_get::<String, _>("section")?)?;
        let case = out.entry(CaseId(row.try_get("case_id")?)).or_default();
        case.sheets.push((section, row.try_get("at")?));
    }
    let rows = rows_for(
        tx,
        municipality,
        &ids,
        "SELECT case_id, MAX(updated_at) AS at FROM transcripts WHERE municipality_id = $1 AND case_id IN",
        "GROUP BY case_id",
    )
    .await?;
    for row in &rows {
        let case = out.entry(CaseId(row.try_get("case_id")?)).or_default();
        case.transcripts = row.try_get("at")?;
    }
    for (case, written) in progress::last_written(tx, municipality, cases).await? {
        out.entry(case).or_default().entries.push(written);
    }
    Ok(out)
}

/// The marks of cases, each as its viewer sees it.
async fn marks(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[(&Viewer, &CaseFacts)],
) -> Result<BTreeMap<CaseId, Marks>> {
    let all: Vec<&CaseFacts> = cases.iter().map(|(_, facts)| *facts).collect();
    let written = written(tx, municipality, &all).await?;
    Ok(cases
        .iter()
        .filter_map(|(viewer, facts)| {
            let written = written.get(&facts.case)?;
            Some((facts.case.clone(), written.seen(viewer, facts)))
        })
        .collect())
}

/// What a page of cases needs of other tables, loaded once.
struct Names {
    agencies: BTreeMap<AgencyId, agencies::Agency>,
    accounts: BTreeMap<AccountId, String>,
    persons: BTreeMap<PersonId, Person>,
    roles: BTreeMap<(CaseId, PersonId), (CaseRole, Option<String>, i64)>,
    marks: BTreeMap<CaseId, Marks>,
}

/// How much of the persons is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What the case's line shows.
    Line,
    Whole,
}

impl Names {
    async fn load(
        tx: &mut Tx,
        caller: &Caller,
        cases: &[CaseAccess],
        detail: Detail,
    ) -> Result<Self> {
        let municipality = caller.viewer.municipality.clone();
        let agencies = agencies::by_id(tx, &municipality).await?;
        let owners: BTreeSet<AccountId> = cases
            .iter()
            .filter_map(|case| case.row.owner_account.clone())
            .collect();
        let accounts =
            crate::accounts::names(tx, &municipality, &owners.into_iter().collect::<Vec<_>>())
                .await?;
        // Names are opened only of persons the caller sees by name.
        let readable: BTreeSet<PersonId> = cases
            .iter()
            .flat_map(|case| {
                case.facts
                    .persons
                    .iter()
                    .map(move |person| (case, &person.person))
            })
            .filter(|(case, person)| {
                disclosure::person_level(&case.caller.viewer, &case.facts, person) >= Level::Read
            })
            .map(|(_, person)| person.clone())
            .collect();
        let readable: Vec<PersonId> = readable.into_iter().collect();
        let ids: Vec<CaseId> = cases.iter().map(|case| case.facts.case.clone()).collect();
        let mut roles = BTreeMap::new();
        let rows = rows_for(tx, &municipality, &ids, "SELECT case_id, person_id, role, kinship, number FROM case_persons WHERE municipality_id = $1 AND case_id IN", "").await?;
        for row in &rows {
            roles.insert(
                (
                    CaseId(row.try_get("case_id")?),
                    PersonId(row.try_get("person_id")?),
                ),
                (
                    CaseRole::parse(&row.try_get::<String, _>("role")?)?,
                    row.try_get("kinship")?,
                    row.try_get("number")?,
                ),
            );
        }
        let persons = match detail {
            Detail::Whole => persons::load(tx, &municipality, &readable).await?,
            Detail::Line => {
                let clients: BTreeSet<&PersonId> = roles
                    .iter()
                    .filter(|(_, (role, ..))| *role == CaseRole::Client)
                    .map(|((_, person), _)| person)
                    .collect();
                let clients: Vec<PersonId> = readable
                    .iter()
                    .filter(|person| clients.contains(person))
                    .cloned()
                    .collect();
                persons::load_lines(tx, &municipality, &readable, &clients).await?
            }
        };
        let seen: Vec<(&Viewer, &CaseFacts)> = cases
            .iter()
            .map(|case| (&case.caller.viewer, &case.facts))
            .collect();
        let marks = marks(tx, &municipality, &seen).await?;
        Ok(Self {
            agencies,
            accounts,
            persons,
            roles,
            marks,
        })
    }

    fn agency(&self, id: &AgencyId) -> Named {
        Named {
            id: id.0.clone(),
            name: self
                .agencies
                .get(id)
                .map_or_else(String::new, |agency| agency.name.clone()),
        }
    }
}

impl CaseAccess {
    /// Which case.
    #[must_use]
    pub fn id(&self) -> &CaseId {
        &self.facts.case
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The facts the policy was asked with.
    #[must_use]
    pub fn facts(&self) -> &CaseFacts {
        &self.facts
    }

    /// The present stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.row.stage
    }

    /// Day of reception.
    #[must_use]
    pub fn received_on(&self) -> Date {
        self.row.received_on
    }

    /// The row's version, for changing it.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.row.version
    }

    /// The highest level over the sections.
    #[must_use]
    pub fn level(&self) -> Level {
        disclosure::case_level(&self.caller.viewer, &self.facts)
    }

    /// What the policy says of a section's sheet.
    #[must_use]
    pub fn decision(&self, section: Section) -> Decision {
        disclosure::decide(&self.caller.viewer, &self.facts, &self.facts.sheet(section))
    }

    /// Whether the caller works for the coordinator in charge.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.caller.viewer.agency == self.facts.owner
    }

    /// Whether the caller's agency answers for the case: the one in charge, or the department.
    #[must_use]
    pub fn answers_for_it(&self) -> bool {
        disclosure::answers_for_case(&self.caller.viewer, &self.facts)
    }

    pub(crate) fn municipality(&self) -> &MunicipalityId {
        &self.facts.municipality
    }

    pub(crate) fn purpose(&self) -> Purpose {
        Purpose::Case(self.facts.case.clone())
    }

    /// Whether the caller, in charge of the case, may do a thing.
    #[must_use]
    pub fn may(&self, capability: Capability) -> bool {
        !self.preview && self.is_owner() && self.caller.may(capability)
    }

    /// Whether the caller may add persons of the register to the case. Whoever is kept from knowing of
    /// somebody in it could learn who that is by trying.
    #[must_use]
    pub fn may_add_persons(&self) -> bool {
        self.may(Capability::EditCase)
            && disclosure::hidden_persons(&self.caller.viewer, &self.facts).is_empty()
    }

    /// Whether the caller knows a person of the case by name. Of anybody else it is not told whether
    /// they are in the case.
    #[must_use]
    pub fn knows_by_name(&self, person: &PersonId) -> bool {
        disclosure::known_by_name(&self.caller.viewer, &self.facts, person)
    }

    pub(crate) fn require(&self, capability: Capability) -> Result<()> {
        if self.may(capability) {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }

    pub(crate) fn writable(&self) -> Result<()> {
        if self.preview {
            Err(StoreError::Forbidden)
        } else {
            Ok(())
        }
    }

    /// The case as an agency sees it (見え方の確認): for those who manage its disclosure. `Some(None)`
    /// inside means that the case does not exist for that agency.
    ///
    /// # Errors
    /// Forbidden, or unknown agency.
    pub async fn view_as(&self, tx: &mut Tx, agency: &AgencyId) -> Result<Option<Self>> {
        self.require(Capability::ManageDisclosure)?;
        let agency = agencies::get(tx, self.municipality(), agency)
            .await?
            .ok_or(StoreError::NotFound)?;
        let viewer = disclosure::viewer_as(
            &self.facts,
            &agency.id,
            agency.class,
            self.caller.viewer.today,
        );
        let caller = Caller {
            viewer,
            agency_name: agency.name,
            ..self.caller.clone()
        };
        let visible = disclosure::case_visible(&caller.viewer, &self.facts);
        Ok(visible.then(|| Self {
            caller,
            facts: self.facts.clone(),
            row: self.row.clone(),
            preview: true,
        }))
    }

    async fn summary_with(&self, tx: &mut Tx, names: &Names) -> Result<CaseSummary> {
        let marks = names.marks.get(self.id()).cloned().unwrap_or_default();
        let level = self.level();
        let title = match &self.row.title_sealed {
            Some(sealed) if disclosure::title_visible(&self.caller.viewer, &self.facts) => Some(
                tx.open_text(self.municipality(), TITLE, self.id().as_str(), sealed)
                    .await?,
            ),
            _ => None,
        };
        let people = self.people_with(names);
        let flags: BTreeSet<String> = people
            .iter()
            .flat_map(|person| person.flags.iter().cloned())
            .collect();
        let clients = people
            .into_iter()
            .filter(|person| person.role == CaseRole::Client)
            .map(|person| CasePerson {
                person: None,
                ..person
            })
            .collect();
        Ok(CaseSummary {
            id: self.id().clone(),
            case_no: self.row.case_no.clone(),
            program: self.row.program.clone(),
            title,
            clients,
            stage: self.row.stage,
            urgency: self.row.urgency.clone(),
            received_on: self.row.received_on,
            closed_on: self.row.closed_on,
            owner: self.row.owner_account.as_ref().map(|id| Named {
                id: id.0.clone(),
                name: names.accounts.get(id).cloned().unwrap_or_default(),
            }),
            owner_agency: names.agency(&self.facts.owner),
            lead_agency: self
                .row
                .lead_agency
                .as_ref()
                .filter(|id| {
                    names.agencies.get(id).is_some_and(|agency| {
                        disclosure::agency_visible(
                            &self.caller.viewer,
                            &self.facts,
                            id,
                            agency.class,
                        )
                    })
                })
                .map(|id| names.agency(id)),
            level,
            flags: flags.into_iter().collect(),
            last_progress_on: marks.last_progress_on,
            similar_ok: self.row.similar_ok,
            version: self.row.version,
            updated_at: marks.updated_at.max(self.row.updated_at.clone()),
        })
    }

    fn people_with(&self, names: &Names) -> Vec<CasePerson> {
        let viewer = &self.caller.viewer;
        let knows_consent = self.answers_for_it();
        let mut out = Vec::new();
        for person in &self.facts.persons {
            let level = disclosure::person_level(viewer, &self.facts, &person.person);
            if level == Level::None {
                continue;
            }
            let Some((role, kinship, number)) =
                names.roles.get(&(self.id().clone(), person.person.clone()))
            else {
                continue;
            };
            let known = names
                .persons
                .get(&person.person)
                .filter(|_| level >= Level::Read);
            let (age, age_about, deceased) = known.map_or((None, false, false), |known| {
                let age = known.age_on(viewer.today);
                (
                    age,
                    age.is_some() && known.age_is_about(),
                    known.is_deceased(),
                )
            });
            let view = known.map(|known| {
                let mut known = known.clone();
                let sight = persons::Sight::in_case(viewer, &self.facts, &person.person);
                if !sight.register {
                    persons::withhold_register(&mut known);
                } else if !sight.address {
                    persons::withhold_address(&mut known);
                }
                known.address_allow.clear();
                if !knows_consent {
                    for flag in &mut known.flags {
                        flag.basis = None;
                    }
                }
                known
            });
            out.push(CasePerson {
                person_id: view.is_some().then(|| person.person.clone()),
                number: *number,
                display: view.as_ref().map_or_else(
                    || format!("［氏名{number}］"),
                    |known| known.name().to_owned(),
                ),
                kana: view
                    .as_ref()
                    .and_then(|known| known.fields.get("name_kana").cloned()),
                role: *role,
                kinship: kinship.clone(),
                age,
                gender: view
                    .as_ref()
                    .and_then(|known| known.fields.get("gender").cloned()),
                level,
                consent: (knows_consent || view.is_some())
                    .then(|| person.consent.status_on(viewer.today)),
                flags: view
                    .as_ref()
                    .map(|known| known.flags.iter().map(|flag| flag.flag.clone()).collect())
                    .unwrap_or_default(),
                address_confidential: person.address_confidential && view.is_some(),
                age_about,
                deceased,
                person: view,
            });
        }
        out.sort_by_key(|person| person.number);
        if out.len() < self.facts.persons.len() {
            for (number, person) in (1..).zip(&mut out) {
                person.number = number;
                if person.person_id.is_none() {
                    person.display = format!("［氏名{number}］");
                }
            }
        }
        out
    }

    /// The case's line.
    ///
    /// # Errors
    /// Database away.
    pub async fn summary(&self, tx: &mut Tx) -> Result<CaseSummary> {
        let names = Names::load(tx, &self.caller, std::slice::from_ref(self), Detail::Line).await?;
        self.summary_with(tx, &names).await
    }

    /// The persons, masked ones as ［氏名n］.
    ///
    /// # Errors
    /// Database away.
    pub async fn persons(&self, tx: &mut Tx) -> Result<Vec<CasePerson>> {
        let names =
            Names::load(tx, &self.caller, std::slice::from_ref(self), Detail::Whole).await?;
        Ok(self.people_with(&names))
    }

    /// How the case ended or stands, in words; for those who see its title.
    ///
    /// # Errors
    /// Database away.
    pub async fn outcome(&self, tx: &mut Tx) -> Result<Option<String>> {
        match &self.row.outcome_sealed {
            Some(sealed) if disclosure::title_visible(&self.caller.viewer, &self.facts) => {
                Ok(Some(
                    tx.open_text(self.municipality(), OUTCOME, self.id().as_str(), sealed)
                        .await?,
                ))
            }
            _ => Ok(None),
        }
    }

    /// The agencies in the case that the caller may know of, also those that left.
    ///
    /// # Errors
    /// Database away.
    pub async fn members(&self, tx: &mut Tx) -> Result<Vec<CaseMember>> {
        let known = agencies::by_id(tx, self.municipality()).await?;
        let rows = sqlx::query("SELECT * FROM case_members WHERE municipality_id = $1 AND case_id = $2 ORDER BY valid_from, agency_id")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut charges = Vec::new();
        for row in &rows {
            charges.extend(
                row.try_get::<Option<String>, _>("account_id")?
                    .map(AccountId),
            );
        }
        let names = crate::accounts::names(tx, self.municipality(), &charges).await?;
        let mut out = Vec::new();
        for row in &rows {
            let id = AgencyId(row.try_get("agency_id")?);
            let viewer = &self.caller.viewer;
            let Some(agency) = known.get(&id).filter(|agency| {
                disclosure::agency_visible(viewer, &self.facts, &agency.id, agency.class)
            }) else {
                continue;
            };
            let to = optional_date(row.try_get("valid_to")?)?;
            let charge = row
                .try_get::<Option<String>, _>("account_id")?
                .filter(|_| to.is_none_or(|last| viewer.today <= last));
            out.push(CaseMember {
                agency: Named {
                    id: id.0,
                    name: agency.name.clone(),
                },
                class: agency.class,
                role: row.try_get("role")?,
                from: date(&row.try_get::<String, _>("valid_from")?)?,
                to,
                charge: charge.and_then(|id| {
                    let name = names.get(&AccountId(id.clone()))?.clone();
                    Some(Named { id, name })
                }),
            });
        }
        Ok(out)
    }

    /// The sections of this version that exist for the caller, with who else sees them.
    ///
    /// # Errors
    /// Database away.
    pub async fn sections(&self, tx: &mut Tx) -> Result<Vec<SectionView>> {
        let known = agencies::by_id(tx, self.municipality()).await?;
        let mut sheets: BTreeMap<Section, Vec<(DocumentKind, SheetView)>> = BTreeMap::new();
        for (info, subjects) in documents::sheets(tx, self.municipality(), self.id()).await? {
            let Some(section) = info.section else {
                continue;
            };
            let about = disclosure::DocumentFacts {
                subjects,
                ..self.facts.sheet(section)
            };
            let level = disclosure::decide(&self.caller.viewer, &self.facts, &about).level;
            if level > Level::None {
                let view = SheetView {
                    id: info.id,
                    number: info.number,
                    state: info.state,
                    dated_on: info.dated_on,
                    created_at: info.created_at,
                    updated_at: info.updated_at,
                    level,
                };
                sheets.entry(section).or_default().push((info.kind, view));
            }
        }
        let today = self.caller.viewer.today;
        let mut out = Vec::new();
        for section in Section::ALL {
            let decision = self.decision(*section);
            if decision.level == Level::None {
                continue;
            }
            let mut seen_by = Vec::new();
            if decision.level >= Level::Read {
                let sheet = self.facts.sheet(*section);
                for agency in known.values().filter(|agency| agency.active) {
                    let member =
                        agency.id == self.facts.owner
                            || agency.class == AgencyClass::Department
                            || self.facts.members.iter().any(|member| {
                                member.agency == agency.id && member.active_on(today)
                            });
                    let level = disclosure::audience_level(
                        &self.facts,
                        &sheet,
                        &agency.id,
                        agency.class,
                        today,
                    )
                    .level;
                    if member && level > Level::None {
                        seen_by.push(Audience {
                            agency_id: agency.id.clone(),
                            name: agency.name.clone(),
                            level,
                        });
                    }
                }
            }
            let of_section = sheets.remove(section).unwrap_or_default();
            out.push(SectionView {
                section: *section,
                // A masked reader reads the projection under the same id; the socket refuses.
                document_id: of_section
                    .first()
                    .filter(|(kind, _)| !kind.is_repeated())
                    .map(|(_, sheet)| sheet.id.clone()),
                sheets: of_section.into_iter().map(|(_, sheet)| sheet).collect(),
                level: decision.level,
                comment: decision.comment,
                seen_by,
            });
        }
        Ok(out)
    }

    /// What conditions and checks of forms read of the case, by the names with a dot: `case.stage`,
    /// `case.received_on`, `case.closed_on`, `case.consent` (of the first client whose consent covers
    /// nothing, else of the first), `case.lead_agency`, and the dates of the sheets the caller may
    /// read: `case.screened_on`, `case.planned_on` and `case.meeting_on` (the first ones),
    /// `case.evaluated_on` (the last); `case.decided_on`: of the last 支援決定.
    ///
    /// # Errors
    /// Database away.
    pub async fn outside(&self, tx: &mut Tx) -> Result<serde_json::Map<String, serde_json::Value>> {
        let summary = self.summary(tx).await?;
        let mut out = serde_json::Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                out.insert(format!("case.{name}"), value.into());
            }
        };
        put("stage", Some(summary.stage.code().to_owned()));
        put("status", Some(summary.stage.code().to_owned()));
        put("received_on", Some(summary.received_on.to_string()));
        put("closed_on", summary.closed_on.map(|day| day.to_string()));
        put("lead_agency", summary.lead_agency.map(|agency| agency.id));
        let consents = || summary.clients.iter().filter_map(|client| client.consent);
        let consent = consents()
            .find(|consent| !consent.is_agreement())
            .or_else(|| consents().next());
        put("consent", consent.map(|status| status.code().to_owned()));
        let decisions = self.decisions(tx).await?;
        let decided_on = decisions.last().and_then(|decision| decision.decided_on);
        put("decided_on", decided_on.map(|day| day.to_string()));
        for section in self.sections(tx).await? {
            let (name, last) = match section.section {
                Section::Screening => ("screened_on", false),
                Section::Plan => ("planned_on", false),
                Section::Meeting => ("meeting_on", false),
                Section::Evaluation => ("evaluated_on", true),
                _ => continue,
            };
            let dates = || {
                let read = |sheet: &&SheetView| sheet.level >= Level::Read;
                let sheets = section.sheets.iter().filter(read);
                sheets.filter_map(|sheet| sheet.dated_on.clone())
            };
            put(name, if last { dates().max() } else { dates().min() });
        }
        Ok(out)
    }

    /// Adds a person to the case. Returns the n of ［氏名n］ by reloading; documents about
    /// everybody are about this person too from now on.
    ///
    /// # Errors
    /// Forbidden, not visible to the caller, or already there.
    pub async fn add_person(
        &self,
        tx: &mut Tx,
        person: &PersonId,
        role: CaseRole,
        kinship: Option<&str>,
    ) -> Result<()> {
        if !self.may_add_persons() {
            return Err(StoreError::Forbidden);
        }
        tx.person_for(&self.caller, person)
            .await?
            .ok_or(StoreError::NotFound)?;
        insert_person(
            tx,
            &self.facts.municipality,
            &self.facts.case,
            person,
            role,
            kinship,
        )
        .await?;
        // What was masked without the person's names is no likeness until it is masked with them.
        crate::vectors::forget(tx, self.municipality(), self.id()).await?;
        self.changed(tx, "case.persons").await
    }

    /// Changes the case that stands at `version`. Returns the new version.
    ///
    /// # Errors
    /// Forbidden, conflict, a step of stages that is not allowed, closing before reception.
    pub async fn update(&self, tx: &mut Tx, version: i64, patch: &CasePatch) -> Result<i64> {
        self.require(Capability::EditCase)?;
        // The step of stages is checked against the row that was loaded: it must be the same one.
        if version != self.row.version {
            return Err(StoreError::Conflict);
        }
        if let Some(stage) = patch.stage
            && stage != self.row.stage
            && !self.row.stage.may_become(stage)
        {
            return Err(StoreError::Invalid("stage"));
        }
        let closed_on = match patch.stage {
            Some(Stage::Closed) => {
                let day = patch
                    .closed_on
                    .or(self.row.closed_on)
                    .ok_or(StoreError::Invalid("closed_on"))?;
                if day < self.row.received_on {
                    return Err(StoreError::Invalid("closed_on"));
                }
                Some(day)
            }
            Some(Stage::Reopened) => None,
            _ => self.row.closed_on,
        };
        let title = match &patch.title {
            Some(text) => Some(
                tx.seal(
                    self.municipality(),
                    &self.purpose(),
                    TITLE,
                    self.id().as_str(),
                    text.as_bytes(),
                )
                .await?,
            ),
            None => None,
        };
        let outcome = match &patch.outcome {
            Some(text) => Some(
                tx.seal(
                    self.municipality(),
                    &self.purpose(),
                    OUTCOME,
                    self.id().as_str(),
                    text.as_bytes(),
                )
                .await?,
            ),
            None => None,
        };
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE cases SET title_sealed = COALESCE($4, title_sealed), outcome_sealed = COALESCE($5, outcome_sealed), \
             stage = COALESCE($6, stage), urgency = COALESCE($7, urgency), owner_account_id = COALESCE($8, owner_account_id), \
             lead_agency_id = COALESCE($9, lead_agency_id), similar_ok = COALESCE($10, similar_ok), closed_on = $11, \
             version = version + 1, updated_at = $12 WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(version)
        .bind(title)
        .bind(outcome)
        .bind(patch.stage.map(|stage| stage.code().to_owned()))
        .bind(patch.urgency.clone())
        .bind(patch.owner_account.clone().map(|id| id.0))
        .bind(patch.lead_agency.clone().map(|id| id.0))
        .bind(patch.similar_ok.map(i64::from))
        .bind(closed_on.map(|day| day.to_string()))
        .bind(now.as_str())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        if let Some(stage) = patch.stage.filter(|stage| *stage != self.row.stage) {
            let from = Some(self.row.stage);
            course::record(tx, &self.caller, self.id(), from, stage, &patch.step).await?;
        }
        if let Some(urgency) = &patch.urgency {
            sqlx::query("UPDATE case_facts SET urgency = $3, updated_at = $4 WHERE municipality_id = $1 AND case_id = $2")
                .bind(self.municipality().as_str())
                .bind(self.id().as_str())
                .bind(urgency.as_str())
                .bind(now)
                .execute(tx.conn())
                .await?;
        }
        outbox::put(
            tx,
            self.municipality(),
            "case",
            self.id().as_str(),
            Some(self.id()),
            serde_json::Value::Null,
        );
        Ok(version + 1)
    }

    /// Announces a change of the case's own line and moves the case up in everybody's list.
    pub(crate) async fn changed(&self, tx: &mut Tx, topic: &'static str) -> Result<()> {
        let now = tx.now_text();
        sqlx::query("UPDATE cases SET updated_at = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality().as_str())
            .bind(self.id().as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
        self.announce(tx, topic);
        Ok(())
    }

    /// Announces a change that not everybody who knows of the case may see: it moves the case up by
    /// what it changed ([`Marks`]), if at all.
    pub(crate) fn announce(&self, tx: &mut Tx, topic: &'static str) {
        outbox::put(
            tx,
            self.municipality(),
            topic,
            self.id().as_str(),
            Some(self.id()),
            serde_json::Value::Null,
        );
    }

    /// Shuts an agency or account out of the case (or of everything about one person in it): even
    /// its existence is hidden.
    ///
    /// # Errors
    /// Forbidden; the agency in charge cannot be excluded.
    pub async fn exclude(&self, tx: &mut Tx, exclusion: &Exclusion, reason: &str) -> Result<()> {
        self.require(Capability::ManageDisclosure)?;
        tx.hold_case(self.municipality(), self.id()).await?;
        let (kind, subject) = match &exclusion.who {
            Excluded::Agency(agency) if *agency == self.facts.owner => {
                return Err(StoreError::Invalid("owner_agency"));
            }
            Excluded::Agency(agency) => ("agency", agency.as_str()),
            Excluded::Account(account) => ("account", account.as_str()),
        };
        let about = exclusion.about.as_ref().map_or("", PersonId::as_str);
        let row = format!("{}/{kind}/{subject}/{about}", self.id());
        let sealed = tx
            .seal(
                self.municipality(),
                &self.purpose(),
                "case_exclusions.reason",
                &row,
                reason.as_bytes(),
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO case_exclusions (municipality_id, case_id, kind, subject_id, about_person, reason_sealed, added_by, added_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (municipality_id, case_id, kind, subject_id, about_person) DO NOTHING",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(kind)
        .bind(subject)
        .bind(about)
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.announce(tx, "case.access");
        Ok(())
    }

    /// Takes an exclusion back.
    ///
    /// # Errors
    /// Forbidden or unknown.
    pub async fn include(&self, tx: &mut Tx, exclusion: &Exclusion) -> Result<()> {
        self.require(Capability::ManageDisclosure)?;
        tx.hold_case(self.municipality(), self.id()).await?;
        let (kind, subject) = match &exclusion.who {
            Excluded::Agency(agency) => ("agency", agency.as_str()),
            Excluded::Account(account) => ("account", account.as_str()),
        };
        let done = sqlx::query(
            "DELETE FROM case_exclusions WHERE municipality_id = $1 AND case_id = $2 AND kind = $3 AND subject_id = $4 AND about_person = $5",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(kind)
        .bind(subject)
        .bind(exclusion.about.as_ref().map_or("", PersonId::as_str))
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.announce(tx, "case.access");
        Ok(())
    }

    /// Who looked at or changed this case (閲覧履歴): for those who manage its disclosure.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn access_log(
        &self,
        tx: &mut Tx,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<audit::Entry>> {
        self.require(Capability::ManageDisclosure)?;
        let filter = audit::Filter {
            case: Some(self.id().clone()),
            before,
            ..audit::Filter::default()
        };
        audit::list(tx, self.municipality(), &filter, limit).await
    }
}

/// 事案番号 of cases.
///
/// # Errors
/// Database away.
pub(crate) async fn numbers(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    cases: &[CaseId],
) -> Result<BTreeMap<CaseId, String>> {
    let rows = rows_for(
        tx,
        municipality,
        cases,
        "SELECT id, case_no FROM cases WHERE municipality_id = $1 AND id IN",
        "",
    )
    .await?;
    rows.iter()
        .map(|row| Ok((CaseId(row.try_get("id")?), row.try_get("case_no")?)))
        .collect()
}
