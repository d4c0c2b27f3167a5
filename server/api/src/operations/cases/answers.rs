//! What a case looks like in answers.

use domain::{
    disclosure::{self, Level},
    role::Capability,
    section::{DocumentKind, Section},
};
use serde::Serialize;
use store::{
    CaseAccess, Tx,
    cases::{self, CasePerson, CaseRole, Named},
};

use super::consents::{ConsentAnswer, consent_answers};
use crate::{error::ApiError, operations::persons::closed};

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct NamedAnswer {
    pub id: String,
    pub name: String,
}

impl From<Named> for NamedAnswer {
    fn from(named: Named) -> Self {
        Self {
            id: named.id,
            name: named.name,
        }
    }
}

closed!(ClientSummary, CasePersonAnswer);

/// A client as a list shows it.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct ClientSummary {
    /// For a masked reader `n1`, `n2` …: good for telling rows apart, good for nothing else.
    pub person_id: String,
    /// Name, or ［氏名1］.
    pub display: String,
    /// Of the dead: on the day of death, where that is known.
    pub age: Option<i64>,
    /// The birth date is not known to the day, or the age is an estimate.
    pub age_about: bool,
    pub deceased: bool,
    /// Option list `gender`.
    pub gender: Option<String>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ConsentState {
    pub person_id: String,
    pub status: &'static str,
}

/// A line of the case list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CaseSummary {
    pub id: String,
    pub case_no: String,
    pub program: String,
    /// Empty where there is none, and for masked readers.
    pub title: String,
    pub clients: Vec<ClientSummary>,
    pub stage: &'static str,
    pub stage_label: &'static str,
    pub urgency: Option<String>,
    pub received_on: String,
    pub closed_on: Option<String>,
    pub owner: Option<NamedAnswer>,
    pub owner_agency: NamedAnswer,
    pub lead_agency: Option<NamedAnswer>,
    /// Highest level over the sections.
    pub level: &'static str,
    pub consent: Vec<ConsentState>,
    /// Option list `risk_flag`.
    pub flags: Vec<String>,
    /// Of the entries the caller may see.
    pub last_progress_on: Option<String>,
    pub similar_ok: bool,
    /// The latest change the caller may see something of.
    pub updated_at: String,
}

impl std::fmt::Debug for CaseSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaseSummary({})", self.id)
    }
}

/// A person of the case.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CasePersonAnswer {
    #[serde(flatten)]
    pub client: ClientSummary,
    pub name: String,
    pub kana: Option<String>,
    /// `client`, `household`, `relative` or `related`.
    pub role: String,
    pub kinship: Option<String>,
    pub birth_date: Option<String>,
    pub risk_flags: Vec<String>,
    pub address_confidential: bool,
    /// The n of ［氏名n］.
    pub number: i64,
    pub level: &'static str,
    pub consent: Option<&'static str>,
    /// Ids under which the person was registered too, before they were merged.
    pub former_ids: Vec<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MemberAnswer {
    pub agency: NamedAnswer,
    pub class: &'static str,
    pub role: String,
    pub from: String,
    /// Last day; `null` = open.
    pub to: Option<String>,
    /// Today lies within the period.
    pub active: bool,
    /// Whom the agency put in charge of the case (割当).
    pub charge: Option<NamedAnswer>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SectionAnswer {
    /// `intake`, `assessment`, `network`, `screening`, `plan`, `progress`, `meeting`, `evaluation`.
    pub section: &'static str,
    /// The sheet of a section that has only one. Missing for `progress`, whose entries are records,
    /// for repeated sheets, and for a screening sheet that nobody made yet.
    pub document_id: Option<String>,
    /// The sheets that exist for the caller, by number.
    pub sheets: Vec<SheetAnswer>,
    /// Whether the caller may make the next sheet of the section.
    pub may_create: bool,
    pub level: &'static str,
    pub comment: bool,
    /// 「この記録を見られる機関」; empty unless the caller reads the section itself.
    pub seen_by: Vec<SeenBy>,
}

/// A sheet in the list of its section.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SheetAnswer {
    pub document_id: String,
    /// プラン番号（回次） and the like; missing for sheets made with the case.
    pub number: Option<i64>,
    /// `draft` or `final`.
    #[schema(value_type = String)]
    pub state: store::documents::DocumentState,
    /// Business date that stands in the sheet.
    pub dated_on: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub level: &'static str,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SeenBy {
    pub agency_id: String,
    pub name: String,
    pub level: &'static str,
}

/// A case with everything its first screen shows.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CaseDetail {
    #[serde(flatten)]
    pub summary: CaseSummary,
    pub persons: Vec<CasePersonAnswer>,
    pub members: Vec<MemberAnswer>,
    pub sections: Vec<SectionAnswer>,
    pub consents: Vec<ConsentAnswer>,
    /// What the caller may do in this case; the server enforces it.
    pub permissions: Vec<&'static str>,
    /// Stages the case may go to from here; empty for those who may not change it.
    pub next_stages: Vec<&'static str>,
    pub outcome: Option<String>,
    pub version: i64,
}

impl std::fmt::Debug for CaseDetail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaseDetail({})", self.summary.id)
    }
}

/// A person's id for the screen: the register's, or one that is good within this answer only.
pub(super) fn person_key(person: &CasePerson) -> String {
    person
        .person_id
        .as_ref()
        .map_or_else(|| format!("n{}", person.number), |id| id.0.clone())
}

fn client(person: &CasePerson) -> ClientSummary {
    ClientSummary {
        person_id: person_key(person),
        display: person.display.clone(),
        age: person.age,
        age_about: person.age_about,
        deceased: person.deceased,
        gender: person.gender.clone(),
    }
}

/// The line of a case.
pub(super) fn summary(case: cases::CaseSummary) -> CaseSummary {
    let mut flags = case.flags;
    if case
        .clients
        .iter()
        .any(|client| client.address_confidential)
        && !flags.iter().any(|flag| flag == "dv_address")
    {
        flags.insert(0, "dv_address".to_owned());
    }
    CaseSummary {
        id: case.id.0,
        case_no: case.case_no,
        program: case.program,
        title: case.title.unwrap_or_default(),
        consent: case
            .clients
            .iter()
            .filter_map(|person| {
                Some(ConsentState {
                    person_id: person_key(person),
                    status: person.consent?.code(),
                })
            })
            .collect(),
        clients: case.clients.iter().map(client).collect(),
        stage: case.stage.code(),
        stage_label: case.stage.label_ja(),
        urgency: case.urgency,
        received_on: case.received_on.to_string(),
        closed_on: case.closed_on.map(|day| day.to_string()),
        owner: case.owner.map(Into::into),
        owner_agency: case.owner_agency.into(),
        lead_agency: case.lead_agency.map(Into::into),
        level: case.level.code(),
        flags,
        last_progress_on: case.last_progress_on.map(|day| day.to_string()),
        similar_ok: case.similar_ok,
        updated_at: case.updated_at,
    }
}

const fn role_code(role: CaseRole) -> &'static str {
    match role {
        CaseRole::Client => "client",
        CaseRole::Household => "household",
        CaseRole::Relative => "relative",
        CaseRole::Related => "related",
    }
}

fn person(person: &CasePerson) -> CasePersonAnswer {
    CasePersonAnswer {
        client: client(person),
        name: person.display.clone(),
        kana: person.kana.clone(),
        role: role_code(person.role).to_owned(),
        kinship: person.kinship.clone(),
        birth_date: person
            .person
            .as_ref()
            .and_then(|known| known.fields.get("birth_date").cloned()),
        risk_flags: person.flags.clone(),
        address_confidential: person.address_confidential,
        number: person.number,
        level: person.level.code(),
        consent: person.consent.map(domain::consent::ConsentStatus::code),
        former_ids: person
            .person
            .iter()
            .flat_map(|known| known.merged.iter().map(|id| id.0.clone()))
            .collect(),
    }
}

/// The agencies of the case.
pub(super) async fn members(
    tx: &mut Tx,
    access: &CaseAccess,
) -> Result<Vec<MemberAnswer>, ApiError> {
    let today = access.caller().viewer.today;
    let members = access.members(tx).await?;
    Ok(members
        .into_iter()
        .map(|member| MemberAnswer {
            active: member.from <= today && member.to.is_none_or(|last| today <= last),
            agency: member.agency.into(),
            class: member.class.code(),
            role: member.role,
            from: member.from.to_string(),
            to: member.to.map(|day| day.to_string()),
            charge: member.charge.map(Into::into),
        })
        .collect())
}

/// Things that only the coordinator in charge does.
const OF_OWNER: &[Capability] = &[
    Capability::EditCase,
    Capability::ManageMembers,
    Capability::ManageDisclosure,
    Capability::ManageConsent,
    Capability::ConfirmSharing,
    Capability::ReviewMasks,
];

/// Things that a reader of the case does with the role's right.
const OF_READERS: &[Capability] = &[Capability::ExportCases, Capability::ReadSimilar];

/// Whether the next sheet of a section can be made, and by this caller.
fn may_create(access: &CaseAccess, section: &cases::SectionView) -> bool {
    let kind = DocumentKind::ALL
        .iter()
        .find(|kind| kind.is_made_later() && kind.section() == Some(section.section));
    kind.is_some_and(|kind| access.may_create(*kind))
        && (kind.is_some_and(|kind| kind.is_repeated()) || section.sheets.is_empty())
}

fn permissions(access: &CaseAccess) -> Vec<&'static str> {
    let mut out: Vec<&'static str> = OF_OWNER
        .iter()
        .filter(|capability| access.may(**capability))
        .map(|capability| capability.code())
        .collect();
    if access.level() >= Level::Read {
        out.extend(
            OF_READERS
                .iter()
                .filter(|capability| access.caller().may(**capability))
                .map(|capability| capability.code()),
        );
    }
    if Section::ALL
        .iter()
        .any(|section| access.decision(*section).comment)
    {
        out.push(Capability::CommentCase.code());
    }
    if access.may_add_persons() {
        out.push("add_persons");
    }
    if access.may_write_progress() {
        out.push("write_progress");
    }
    out
}

/// The case as the access sees it; the same for one's own eyes and for 見え方の確認.
pub(super) async fn detail(tx: &mut Tx, access: &CaseAccess) -> Result<CaseDetail, ApiError> {
    let people = access.persons(tx).await?;
    let sections = access.sections(tx).await?;
    let consents = consent_answers(tx, access, &people).await?;
    let next_stages = if access.may(Capability::EditCase) {
        access
            .stage()
            .next()
            .iter()
            .map(|stage| stage.code())
            .collect()
    } else {
        Vec::new()
    };
    Ok(CaseDetail {
        summary: summary(access.summary(tx).await?),
        persons: people.iter().map(person).collect(),
        members: members(tx, access).await?,
        sections: sections
            .into_iter()
            .map(|section| SectionAnswer {
                may_create: may_create(access, &section),
                section: section.section.code(),
                document_id: section.document_id.map(|id| id.0),
                sheets: section
                    .sheets
                    .into_iter()
                    .map(|sheet| SheetAnswer {
                        document_id: sheet.id.0,
                        number: sheet.number,
                        state: sheet.state,
                        dated_on: sheet.dated_on,
                        created_at: sheet.created_at,
                        updated_at: sheet.updated_at,
                        level: sheet.level.code(),
                    })
                    .collect(),
                level: section.level.code(),
                comment: section.comment,
                seen_by: section
                    .seen_by
                    .into_iter()
                    .map(|other| SeenBy {
                        agency_id: other.agency_id.0,
                        name: other.name,
                        level: other.level.code(),
                    })
                    .collect(),
            })
            .collect(),
        consents,
        permissions: permissions(access),
        next_stages,
        outcome: access.outcome(tx).await?,
        version: access.version(),
    })
}

/// The level an ordinary member of an agency's staff has on a section's sheet.
pub(super) fn effective(
    access: &CaseAccess,
    agency: &store::agencies::Agency,
    section: Section,
) -> Level {
    let facts = access.facts();
    disclosure::audience_level(
        facts,
        &facts.sheet(section),
        &agency.id,
        agency.class,
        access.caller().viewer.today,
    )
    .level
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::PersonId;

    fn case_person(number: i64, id: Option<&str>) -> CasePerson {
        CasePerson {
            person_id: id.map(PersonId::from),
            number,
            display: "［氏名2］".into(),
            kana: None,
            role: CaseRole::Client,
            kinship: None,
            age: None,
            gender: None,
            level: Level::Masked,
            consent: None,
            flags: Vec::new(),
            address_confidential: false,
            age_about: false,
            deceased: false,
            person: None,
        }
    }

    #[test]
    fn a_masked_person_has_no_id_that_would_join_cases() {
        assert_eq!(person(&case_person(2, None)).client.person_id, "n2");
        assert_eq!(person(&case_person(2, Some("p1"))).client.person_id, "p1");
    }
}
