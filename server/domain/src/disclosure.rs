//! The disclosure policy: who may see how much of which document. Pure; the store loads the facts
//! and every read, list, count, search, export, picture and socket asks here.
//!
//! 非開示 < マスク済み閲覧 < 閲覧 < 編集, plus the right to comment.
//!
//! **Invariant:** nothing here opens what the facts do not speak of. Another municipality, an
//! unknown section, no matrix row, an ended membership, an unknown subject: the answer is the
//! lower level.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    agency::AgencyClass,
    code::coded,
    consent::{Consent, ConsentStatus},
    id::{AccountId, AgencyId, CaseId, MembershipId, MunicipalityId, PersonId},
    legal_basis::{self, LegalBasis},
    role::{Capability, Role},
    section::Section,
};

coded! {
    /// How much of a document is shown. Ordered.
    pub enum Level {
        /// 非開示: even its existence is not told.
        None = "none", "非開示";
        /// マスク済み閲覧: the projection, never the document itself.
        Masked = "masked", "マスク済み閲覧";
        Read = "read", "閲覧";
        Edit = "edit", "編集";
    }
}

/// Who looks: an account in its active membership, on a business day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    pub municipality: MunicipalityId,
    pub account: AccountId,
    pub membership: MembershipId,
    pub agency: AgencyId,
    pub agency_class: AgencyClass,
    pub role: Role,
    pub today: Date,
}

/// An agency's membership of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub agency: AgencyId,
    pub class: AgencyClass,
    /// First day.
    pub from: Date,
    /// Last day; `None` = open.
    pub to: Option<Date>,
}

impl Member {
    #[must_use]
    pub fn active_on(&self, on: Date) -> bool {
        self.from <= on && self.to.is_none_or(|to| on <= to)
    }

    #[must_use]
    pub const fn days(&self) -> Days {
        Days {
            from: Some(self.from),
            to: self.to,
        }
    }
}

/// One row of the disclosure matrix. No row = 非開示.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    pub agency: AgencyId,
    pub section: Section,
    pub level: Level,
    #[serde(default)]
    pub comment: bool,
    /// First day; `None` = from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Last day; `None` = open. Outside its days a row gives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

impl Disclosure {
    #[must_use]
    pub fn active_on(&self, on: Date) -> bool {
        self.from.is_none_or(|from| from <= on) && !self.is_over(on)
    }

    #[must_use]
    pub const fn days(&self) -> Days {
        Days {
            from: self.from,
            to: self.to,
        }
    }

    /// The same right; where no days are asked for, it keeps those of the right that it takes the place
    /// of, unless they are over.
    #[must_use]
    pub fn keeping_days(mut self, present: &[Self], today: Date) -> Self {
        let former = present.iter().find(|former| {
            former.agency == self.agency
                && former.section == self.section
                && former.level > Level::None
                && !former.is_over(today)
        });
        if let Some(former) = former
            && self.days() == Days::ALL
            && self.level > Level::None
        {
            (self.from, self.to) = (former.from, former.to);
        }
        self
    }

    /// Whether its last day is past: it gives nothing any more, whoever comes back.
    #[must_use]
    pub fn is_over(&self, on: Date) -> bool {
        self.to.is_some_and(|to| to < on)
    }
}

/// Days on which something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// First day; `None` = from the beginning.
    pub from: Option<Date>,
    /// Last day; `None` = open.
    pub to: Option<Date>,
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self {
        from: None,
        to: None,
    };

    /// The days that are in both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            from: self.from.max(other.from),
            to,
        }
    }

    /// Whether they end before they begin.
    #[must_use]
    pub fn is_reversed(self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if to < from)
    }

    fn covers(self, other: Self) -> bool {
        self.from <= other.from
            && self
                .to
                .is_none_or(|last| other.to.is_some_and(|other| other <= last))
    }
}

/// Whom an exclusion shuts out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    Agency(AgencyId),
    Account(AccountId),
}

/// 除外: shuts an agency or account out of the case, or of everything about one person in it
/// (an abuser may be a client of the same household case).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    pub who: Excluded,
    /// `None` = the whole case.
    pub about: Option<PersonId>,
}

/// What the policy needs to know of a person in the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonFacts {
    pub person: PersonId,
    pub consent: Consent,
    /// 住所秘匿.
    pub address_confidential: bool,
    /// Agencies allowed to know the protected values.
    pub address_allowed: BTreeSet<AgencyId>,
}

impl PersonFacts {
    /// A person with a consent and no protection.
    #[must_use]
    pub const fn new(person: PersonId, consent: Consent) -> Self {
        Self {
            person,
            consent,
            address_confidential: false,
            address_allowed: BTreeSet::new(),
        }
    }
}

/// A ground other than consent, recorded by a confirmation (`409 consent_confirmation_required`
/// answered with basis and reason) or by a 支援会議.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingBasis {
    /// Identifier in `datasets/legal-bases.toml`; an unknown one covers nothing.
    pub basis: String,
    /// The agencies it was confirmed for (of a meeting: its registered members).
    pub agencies: Vec<AgencyId>,
    pub persons: Vec<PersonId>,
    pub sections: Vec<Section>,
    pub from: Date,
    /// Last day. A basis bound to a meeting covers nothing without it.
    pub until: Option<Date>,
    /// The meeting it is bound to.
    pub meeting: Option<String>,
}

impl SharingBasis {
    /// The highest level the basis gives for a person, agency and section on a day.
    #[must_use]
    pub fn ceiling(
        &self,
        person: &PersonId,
        agency: &AgencyId,
        section: Section,
        on: Date,
    ) -> Level {
        let Some(basis) = legal_basis::find(&self.basis) else {
            return Level::None;
        };
        let bound = !basis.meeting_bound || (self.until.is_some() && self.meeting.is_some());
        let named = self.agencies.contains(agency)
            && self.persons.contains(person)
            && self.sections.contains(&section);
        let in_period = self.from <= on && self.until.is_none_or(|until| on <= until);
        if bound && named && in_period {
            basis.ceiling
        } else {
            Level::None
        }
    }
}

/// Everything the policy needs to know of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFacts {
    pub municipality: MunicipalityId,
    pub case: CaseId,
    /// The 多機関協働事業者 in charge.
    pub owner: AgencyId,
    pub members: Vec<Member>,
    pub matrix: Vec<Disclosure>,
    pub exclusions: Vec<Exclusion>,
    pub persons: Vec<PersonFacts>,
    pub bases: Vec<SharingBasis>,
    /// Whom the section's document is about. A missing section is about everybody.
    pub subjects: BTreeMap<Section, Vec<PersonId>>,
}

impl CaseFacts {
    /// The document facts of a section's sheet.
    #[must_use]
    pub fn sheet(&self, section: Section) -> DocumentFacts {
        DocumentFacts {
            case: self.case.clone(),
            section,
            subjects: self.subjects.get(&section).cloned().unwrap_or_default(),
            entry_of: None,
        }
    }

    fn row(&self, agency: &AgencyId, section: Section) -> Option<&Disclosure> {
        self.matrix
            .iter()
            .find(|row| row.agency == *agency && row.section == section)
    }

    fn is_active_member(&self, agency: &AgencyId, on: Date) -> bool {
        self.members
            .iter()
            .any(|member| member.agency == *agency && member.active_on(on))
    }

    /// Whether the agency has a right, or a higher one, on all of these days as things stand.
    fn has(&self, agency: &AgencyId, section: Section, level: Level, days: Days) -> bool {
        let Some(row) = self.row(agency, section).filter(|row| row.level >= level) else {
            return false;
        };
        self.members
            .iter()
            .filter(|member| member.agency == *agency)
            .any(|member| row.days().within(member.days()).covers(days))
    }

    fn person(&self, person: &PersonId) -> Option<&PersonFacts> {
        self.persons.iter().find(|facts| facts.person == *person)
    }

    /// The subjects, or everybody when they are not known.
    fn subjects_of<'a>(&'a self, listed: &'a [PersonId]) -> Vec<&'a PersonId> {
        if listed.is_empty() {
            self.persons.iter().map(|facts| &facts.person).collect()
        } else {
            listed.iter().collect()
        }
    }

    /// The highest level at which the person may be shown to the agency: consent covers all,
    /// a basis as far as it reaches, nothing covers nothing.
    #[must_use]
    pub fn cover(&self, person: &PersonId, agency: &AgencyId, section: Section, on: Date) -> Level {
        if self
            .person(person)
            .is_some_and(|facts| facts.consent.covers(agency, section, on))
        {
            return Level::Edit;
        }
        let reach = self
            .bases
            .iter()
            .map(|basis| basis.ceiling(person, agency, section, on));
        reach.max().unwrap_or(Level::None)
    }
}

/// What the policy needs to know of a document (or of a 支援経過 entry in SQL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFacts {
    pub case: CaseId,
    pub section: Section,
    /// Whom it is about; empty = everybody in the case.
    pub subjects: Vec<PersonId>,
    /// For an entry written by one agency (支援経過): that agency, which keeps the right to edit
    /// it. `None` for sheets that several write.
    pub entry_of: Option<AgencyId>,
}

/// Why a level came out, in the order in which the rules spoke (for 見え方の確認 and the audit).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    OtherMunicipality,
    OtherCase,
    RoleWithoutCases,
    Excluded,
    Owner,
    Department,
    NotMember,
    NotDisclosed,
    Disclosed {
        level: Level,
    },
    /// No consent or basis covers the person: masked at most.
    ConsentMissing {
        person: PersonId,
    },
    /// The person is covered by a basis that reaches no higher.
    BasisCeiling {
        person: PersonId,
        level: Level,
    },
    /// 住所秘匿 and the agency is not on the person's list: masked at most.
    AddressConfidential {
        person: PersonId,
    },
    /// The viewer is shut out of everything about a person of the case whom the text may mention:
    /// masked at most.
    MayMentionExcluded {
        person: PersonId,
    },
    /// Nobody is known to be the subject: masked at most.
    SubjectsUnknown,
    RoleCeiling {
        level: Level,
    },
    OwnEntry,
}

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub level: Level,
    pub comment: bool,
    pub reasons: Vec<Reason>,
    /// Subjects, and for an entry all persons of the case, that no consent or basis covers.
    pub uncovered: Vec<PersonId>,
}

impl Decision {
    fn none(reason: Reason) -> Self {
        Self {
            level: Level::None,
            comment: false,
            reasons: vec![reason],
            uncovered: Vec::new(),
        }
    }
}

impl Exclusion {
    /// Whether it shuts this viewer out.
    #[must_use]
    pub fn hits(&self, viewer: &Viewer) -> bool {
        match &self.who {
            Excluded::Agency(agency) => *agency == viewer.agency,
            Excluded::Account(account) => *account == viewer.account,
        }
    }
}

/// Whether the viewer is shut out of documents about these persons.
fn excluded(viewer: &Viewer, facts: &CaseFacts, subjects: &[&PersonId]) -> bool {
    facts.exclusions.iter().any(|exclusion| {
        exclusion.hits(viewer)
            && exclusion
                .about
                .as_ref()
                .is_none_or(|person| subjects.contains(&person))
    })
}

/// Whether 住所秘匿 keeps a person's protected values from the viewer; of an unknown person it does.
fn protected_from(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> bool {
    facts.person(person).is_none_or(|known| {
        known.address_confidential && !known.address_allowed.contains(&viewer.agency)
    })
}

/// Whether a text of the case may tell something that 住所秘匿 keeps from the viewer.
#[must_use]
pub fn texts_protected_from(viewer: &Viewer, facts: &CaseFacts) -> bool {
    facts
        .persons
        .iter()
        .any(|known| protected_from(viewer, facts, &known.person))
}

/// Which agencies of a case the viewer may know of. Where somebody with 住所秘匿 stays can be told from
/// the agencies around: from whom the address is kept, so are all but those that every case has.
#[must_use]
pub fn agency_visible(
    viewer: &Viewer,
    facts: &CaseFacts,
    agency: &AgencyId,
    class: AgencyClass,
) -> bool {
    *agency == facts.owner
        || *agency == viewer.agency
        || viewer.agency == facts.owner
        || class == AgencyClass::Department
        || !facts
            .persons
            .iter()
            .any(|known| protected_from(viewer, facts, &known.person))
}

/// What is decided about: a text mentions persons beside its subjects, the register's values of one
/// person do not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    OnePerson,
}

/// Decides what a viewer may do with a document of a case.
///
/// The coordinator in charge edits everything; the department reads (or has what its matrix row
/// says) without consent being asked, since the municipality is responsible for the programme;
/// member agencies have what the matrix gives, at most masked where a subject's consent does not
/// cover them or a subject's address is protected from them. Entries of one's own stay editable.
///
/// Whom a text is about is not everybody it mentions. A person of the case whose address is protected
/// from the viewer, or of whom the viewer is to know nothing, caps every text at masked. So does, in
/// an entry, a person without cover: any author names an entry's persons, and an entry about one of
/// them speaks of the others. A sheet's persons are stated by those who answer for its disclosure.
#[must_use]
pub fn decide(viewer: &Viewer, facts: &CaseFacts, document: &DocumentFacts) -> Decision {
    judge(viewer, facts, document, Holds::Text)
}

fn judge(viewer: &Viewer, facts: &CaseFacts, document: &DocumentFacts, holds: Holds) -> Decision {
    if viewer.municipality != facts.municipality {
        return Decision::none(Reason::OtherMunicipality);
    }
    if document.case != facts.case {
        return Decision::none(Reason::OtherCase);
    }
    let ceiling = viewer.role.ceiling();
    if ceiling == Level::None {
        return Decision::none(Reason::RoleWithoutCases);
    }
    let subjects = facts.subjects_of(&document.subjects);
    if excluded(viewer, facts, &subjects) {
        return Decision::none(Reason::Excluded);
    }

    let section = document.section;
    let owner = viewer.agency == facts.owner;
    let department = viewer.agency_class == AgencyClass::Department;
    // Outside its days a row gives nothing, not what would hold without it.
    let row = facts.row(&viewer.agency, section).map(|row| {
        if row.active_on(viewer.today) {
            (row.level, row.comment)
        } else {
            (Level::None, false)
        }
    });
    let mut reasons = Vec::new();
    let mut uncovered = Vec::new();
    let (mut level, comment) = if owner {
        reasons.push(Reason::Owner);
        (Level::Edit, true)
    } else if department {
        reasons.push(Reason::Department);
        row.unwrap_or((Level::Read, true))
    } else if !facts.is_active_member(&viewer.agency, viewer.today) {
        return Decision::none(Reason::NotMember);
    } else if let Some((level, comment)) = row {
        reasons.push(Reason::Disclosed { level });
        (level, comment)
    } else {
        reasons.push(Reason::NotDisclosed);
        (Level::None, false)
    };

    if !owner {
        if subjects.is_empty() {
            reasons.push(Reason::SubjectsUnknown);
            level = level.min(Level::Masked);
        }
        for person in &subjects {
            if !department {
                let cover = facts.cover(person, &viewer.agency, section, viewer.today);
                if cover < Level::Read {
                    uncovered.push((*person).clone());
                    reasons.push(Reason::ConsentMissing {
                        person: (*person).clone(),
                    });
                } else if cover < level {
                    reasons.push(Reason::BasisCeiling {
                        person: (*person).clone(),
                        level: cover,
                    });
                }
                level = level.min(cover.max(Level::Masked));
            }
            if protected_from(viewer, facts, person) {
                reasons.push(Reason::AddressConfidential {
                    person: (*person).clone(),
                });
                level = level.min(Level::Masked);
            }
        }
    }
    let mentioned = facts
        .persons
        .iter()
        .map(|known| &known.person)
        .filter(|person| holds == Holds::Text && !subjects.contains(person));
    let mut shut_out = false;
    for person in mentioned {
        if let Some(exclusion) = facts
            .exclusions
            .iter()
            .find(|exclusion| exclusion.about.as_ref() == Some(person) && exclusion.hits(viewer))
        {
            reasons.push(Reason::MayMentionExcluded {
                person: person.clone(),
            });
            level = level.min(Level::Masked);
            // Of the own agency's entries an agency that is shut out knows what it wrote itself; an
            // account does not know what its colleagues wrote.
            shut_out |= matches!(exclusion.who, Excluded::Account(_));
        }
        if owner {
            continue;
        }
        if protected_from(viewer, facts, person) {
            reasons.push(Reason::AddressConfidential {
                person: person.clone(),
            });
            level = level.min(Level::Masked);
        }
        if document.entry_of.is_some()
            && !department
            && facts.cover(person, &viewer.agency, section, viewer.today) < Level::Read
        {
            uncovered.push(person.clone());
            reasons.push(Reason::ConsentMissing {
                person: person.clone(),
            });
            level = level.min(Level::Masked);
        }
    }
    if document.entry_of.as_ref() == Some(&viewer.agency) && level < Level::Edit && !shut_out {
        reasons.push(Reason::OwnEntry);
        level = Level::Edit;
    }
    if ceiling < level {
        reasons.push(Reason::RoleCeiling { level: ceiling });
        level = ceiling;
    }
    let comment = comment && level >= Level::Read && viewer.role.has(Capability::CommentCase);
    Decision {
        level,
        comment,
        reasons,
        uncovered,
    }
}

/// Whether the viewer may work on the masks of a document: reviewers who may edit the parent.
#[must_use]
pub fn may_review_masks(viewer: &Viewer, facts: &CaseFacts, parent: &DocumentFacts) -> bool {
    viewer.role.has(Capability::ReviewMasks) && decide(viewer, facts, parent).level == Level::Edit
}

/// Whether the viewer may add a 支援経過 entry of the own agency.
#[must_use]
pub fn may_write_entries(viewer: &Viewer, facts: &CaseFacts) -> bool {
    let entry = DocumentFacts {
        entry_of: Some(viewer.agency.clone()),
        ..facts.sheet(Section::Progress)
    };
    let shown = decide(viewer, facts, &facts.sheet(Section::Progress)).level > Level::None;
    shown && decide(viewer, facts, &entry).level == Level::Edit
}

/// The highest level over the sections' sheets. `None`: the case does not exist for the viewer.
#[must_use]
pub fn case_level(viewer: &Viewer, facts: &CaseFacts) -> Level {
    Section::ALL
        .iter()
        .map(|section| decide(viewer, facts, &facts.sheet(*section)).level)
        .max()
        .unwrap_or(Level::None)
}

/// Whether the viewer may know that the case exists (lists, counts, search, similar cases).
#[must_use]
pub fn case_visible(viewer: &Viewer, facts: &CaseFacts) -> bool {
    case_level(viewer, facts) > Level::None
}

/// What a section says of one person alone.
fn level_about(viewer: &Viewer, facts: &CaseFacts, section: Section, person: &PersonId) -> Level {
    let about = DocumentFacts {
        case: facts.case.clone(),
        section,
        subjects: vec![person.clone()],
        entry_of: None,
    };
    judge(viewer, facts, &about, Holds::OnePerson).level
}

/// The sections that say who the persons are and what the case is about.
const CORE: [Section; 2] = [Section::Intake, Section::Assessment];

/// The agency in charge and the department answer for the case; others have what they were given.
#[must_use]
pub fn answers_for_case(viewer: &Viewer, facts: &CaseFacts) -> bool {
    viewer.agency == facts.owner || viewer.agency_class == AgencyClass::Department
}

/// How far a viewer's rights reach in a case: what the policy says of each of its parts. Two that are
/// equal were shown the same. To notice that something was worked out with other rights than those of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    in_charge: bool,
    title: bool,
    writes: bool,
    sheets: Vec<Level>,
    persons: Vec<PersonReach>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PersonReach {
    person: PersonId,
    register: bool,
    address: bool,
    sections: Vec<Level>,
    /// Entries about the person, those of others and those of the own agency.
    entries: [Level; 2],
}

/// See [`Reach`]. Persons who must not appear to the viewer are not in it.
#[must_use]
pub fn reach(viewer: &Viewer, facts: &CaseFacts) -> Reach {
    let entry = |person: &PersonId, of: AgencyId| {
        let about = DocumentFacts {
            case: facts.case.clone(),
            section: Section::Progress,
            subjects: vec![person.clone()],
            entry_of: Some(of),
        };
        decide(viewer, facts, &about).level
    };
    let persons = facts.persons.iter().map(|known| &known.person);
    Reach {
        in_charge: viewer.agency == facts.owner,
        title: title_visible(viewer, facts),
        writes: may_write_entries(viewer, facts),
        sheets: Section::ALL
            .iter()
            .map(|section| decide(viewer, facts, &facts.sheet(*section)).level)
            .collect(),
        persons: persons
            .filter(|person| person_level(viewer, facts, person) > Level::None)
            .map(|person| PersonReach {
                person: person.clone(),
                register: register_visible(viewer, facts, person),
                address: address_visible(viewer, facts, person),
                sections: Section::ALL
                    .iter()
                    .map(|section| level_about(viewer, facts, *section, person))
                    .collect(),
                entries: [
                    entry(person, AgencyId::from("")),
                    entry(person, viewer.agency.clone()),
                ],
            })
            .collect(),
    }
}

/// Whether the viewer knows a person of the case by name. Of anybody else it must not be told whether
/// they are in the case: not even by what is refused.
#[must_use]
pub fn known_by_name(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> bool {
    facts.person(person).is_some() && person_level(viewer, facts, person) >= Level::Read
}

/// How much of a person the viewer sees within the case: `None` = must not appear at all,
/// `Masked` = as ［氏名1］, `Read`/`Edit` = by name.
#[must_use]
pub fn person_level(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> Level {
    Section::ALL
        .iter()
        .map(|section| level_about(viewer, facts, *section, person))
        .max()
        .unwrap_or(Level::None)
}

/// The persons of the case who must not appear to the viewer at all. Their numbers ［氏名n］ must not
/// be missed either: who has some hidden counts the others without a gap.
#[must_use]
pub fn hidden_persons(viewer: &Viewer, facts: &CaseFacts) -> BTreeSet<PersonId> {
    facts
        .persons
        .iter()
        .map(|known| &known.person)
        .filter(|person| person_level(viewer, facts, person) == Level::None)
        .cloned()
        .collect()
}

/// Whether the viewer may see more of a person's register than name, kana and age. One section of
/// any kind gives the name; the record itself goes with the sheets that hold it.
#[must_use]
pub fn register_visible(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> bool {
    if answers_for_case(viewer, facts) {
        return person_level(viewer, facts, person) >= Level::Read;
    }
    CORE.iter()
        .any(|section| level_about(viewer, facts, *section, person) >= Level::Read)
}

/// Whether the viewer may see the words of the case itself: its title and how it ended.
#[must_use]
pub fn title_visible(viewer: &Viewer, facts: &CaseFacts) -> bool {
    if answers_for_case(viewer, facts) {
        return case_level(viewer, facts) >= Level::Read;
    }
    CORE.iter()
        .any(|section| decide(viewer, facts, &facts.sheet(*section)).level >= Level::Read)
}

/// Whether the viewer may see the register's protected values (address, phone, workplace) of a
/// person. With 住所秘匿 even the coordinator in charge must be on the list.
#[must_use]
pub fn address_visible(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> bool {
    register_visible(viewer, facts, person)
        && facts.person(person).is_some_and(|known| {
            !known.address_confidential || known.address_allowed.contains(&viewer.agency)
        })
}

/// Whether the viewer may draw up or change the list of agencies that know a person's protected
/// values (住所秘匿), or lift the protection. Without protection: whoever edits the register. With it:
/// the agencies on the list, and the coordinator in charge whatever the list says, so that nobody
/// who merely edits the register puts the own agency on it and no list locks those in charge out.
///
/// `in_charge`: the agency in charge of the first of the person's cases, if there is any.
#[must_use]
pub fn may_change_address_list(
    viewer: &Viewer,
    confidential: bool,
    allowed: &BTreeSet<AgencyId>,
    in_charge: Option<&AgencyId>,
) -> bool {
    if !viewer.role.has(Capability::EditPersons) {
        return false;
    }
    !confidential
        || allowed.contains(&viewer.agency)
        || (viewer.role.has(Capability::ManageDisclosure) && in_charge == Some(&viewer.agency))
}

/// The level an ordinary member of an agency's staff has on a document (「この記録を見られる機関」).
#[must_use]
pub fn audience_level(
    facts: &CaseFacts,
    document: &DocumentFacts,
    agency: &AgencyId,
    class: AgencyClass,
    today: Date,
) -> Decision {
    decide(&viewer_as(facts, agency, class, today), facts, document)
}

/// The viewer that 見え方の確認 uses: an ordinary member of the agency's staff.
#[must_use]
pub fn viewer_as(facts: &CaseFacts, agency: &AgencyId, class: AgencyClass, today: Date) -> Viewer {
    Viewer {
        municipality: facts.municipality.clone(),
        account: AccountId::from(""),
        membership: MembershipId::from(""),
        agency: agency.clone(),
        agency_class: class,
        role: match class {
            AgencyClass::Coordinator => Role::Coordinator,
            AgencyClass::Department => Role::DepartmentStaff,
            AgencyClass::Agency => Role::Agency,
        },
        today,
    }
}

/// What a note outside any case is shared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteFacts {
    pub municipality: MunicipalityId,
    /// The agency it was written for. Rights follow the active membership: its author keeps none
    /// after leaving the agency, or under another hat.
    pub agency: AgencyId,
    /// Rights given to other agencies.
    pub shared: Vec<(AgencyId, Level)>,
}

/// Decides on a 共有メモ: whoever acts for its agency edits, others as shared. Roles without case
/// content see none, since notes hold case content too.
#[must_use]
pub fn decide_note(viewer: &Viewer, facts: &NoteFacts) -> Decision {
    if viewer.municipality != facts.municipality {
        return Decision::none(Reason::OtherMunicipality);
    }
    let ceiling = viewer.role.ceiling();
    if ceiling == Level::None {
        return Decision::none(Reason::RoleWithoutCases);
    }
    let (level, reason) = if viewer.agency == facts.agency {
        (Level::Edit, Reason::OwnEntry)
    } else {
        let shared = facts
            .shared
            .iter()
            .filter(|(agency, _)| *agency == viewer.agency)
            .map(|(_, level)| *level);
        match shared.max() {
            Some(level) => (level, Reason::Disclosed { level }),
            None => (Level::None, Reason::NotDisclosed),
        }
    };
    let level = level.min(ceiling);
    Decision {
        level,
        comment: level >= Level::Read && viewer.role.has(Capability::CommentCase),
        reasons: vec![reason],
        uncovered: Vec::new(),
    }
}

/// A right that is about to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedRight {
    pub agency: AgencyId,
    pub class: AgencyClass,
    pub section: Section,
    pub level: Level,
    /// The days on which the agency would have it, as far as its membership goes.
    pub days: Days,
}

/// A person for whom no cover was found, with the state of consent to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UncoveredPerson {
    pub person: PersonId,
    pub status: ConsentStatus,
}

/// A right that lacks cover, with just the persons it lacks it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncoveredRight {
    pub agency: AgencyId,
    pub section: Section,
    pub persons: Vec<PersonId>,
}

/// Body of `409 consent_confirmation_required`. The lists of persons, agencies and sections are for
/// the dialog; what a confirmation covers are the `rights`, not the product of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfirmationRequired {
    #[serde(skip)]
    pub rights: Vec<UncoveredRight>,
    pub persons: Vec<UncoveredPerson>,
    pub agencies: Vec<AgencyId>,
    pub sections: Vec<Section>,
    /// The highest level asked for among the uncovered rights.
    pub level: Level,
    /// The grounds that may be chosen.
    pub bases: Vec<&'static LegalBasis>,
}

/// The answer to a [`ConfirmationRequired`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Identifier of the legal basis.
    pub basis: String,
    pub reason: String,
    #[serde(default)]
    pub meeting: Option<String>,
    #[serde(default)]
    pub until: Option<Date>,
}

/// Why a confirmation is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    #[error("unknown basis")]
    UnknownBasis,
    #[error("a reason is required")]
    ReasonMissing,
    #[error("the basis is bound to a meeting: meeting and last day are required")]
    MeetingMissing,
    #[error("the last day lies before today")]
    PeriodInvalid,
    #[error("the basis does not reach the level asked for")]
    LevelTooHigh,
}

impl ConfirmationError {
    /// Stable code for problem+json.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownBasis => "unknown_basis",
            Self::ReasonMissing => "reason_missing",
            Self::MeetingMissing => "meeting_missing",
            Self::PeriodInvalid => "period_invalid",
            Self::LevelTooHigh => "level_too_high",
        }
    }
}

/// Whether giving these rights needs a confirmation: some right is raised above what the agency
/// has, or lasts on days on which it has none, and a person the section is about is covered neither by
/// consent nor by a basis on the first of its days.
///
/// The coordinator in charge and the department need none.
#[must_use]
pub fn sharing_needs_confirmation(
    facts: &CaseFacts,
    change: &[ProposedRight],
    today: Date,
) -> Option<ConfirmationRequired> {
    let mut rights: BTreeMap<(AgencyId, Section), BTreeSet<PersonId>> = BTreeMap::new();
    let mut persons: BTreeMap<PersonId, ConsentStatus> = BTreeMap::new();
    let mut agencies = BTreeSet::new();
    let mut sections = BTreeSet::new();
    let mut level = Level::None;
    for right in change {
        if right.agency == facts.owner || right.class == AgencyClass::Department {
            continue;
        }
        // What is past shares nothing any more.
        let first = right.days.from.map_or(today, |from| from.max(today));
        let ahead = Days {
            from: Some(first),
            to: right.days.to,
        };
        let over = ahead.to.is_some_and(|last| last < first);
        if over
            || right.level == Level::None
            || facts.has(&right.agency, right.section, right.level, ahead)
        {
            continue;
        }
        let sheet = facts.sheet(right.section);
        for person in facts.subjects_of(&sheet.subjects) {
            if facts.cover(person, &right.agency, right.section, first) >= right.level {
                continue;
            }
            let status = facts
                .person(person)
                .map_or(ConsentStatus::Unconfirmed, |known| {
                    known.consent.status_on(today)
                });
            rights
                .entry((right.agency.clone(), right.section))
                .or_default()
                .insert(person.clone());
            persons.insert(person.clone(), status);
            agencies.insert(right.agency.clone());
            sections.insert(right.section);
            level = level.max(right.level);
        }
    }
    if persons.is_empty() {
        return None;
    }
    Some(ConfirmationRequired {
        rights: rights
            .into_iter()
            .map(|((agency, section), persons)| UncoveredRight {
                agency,
                section,
                persons: persons.into_iter().collect(),
            })
            .collect(),
        persons: persons
            .into_iter()
            .map(|(person, status)| UncoveredPerson { person, status })
            .collect(),
        agencies: agencies.into_iter().collect(),
        sections: sections.into_iter().collect(),
        level,
        bases: legal_basis::all()
            .iter()
            .filter(|basis| basis.confirmable && basis.ceiling >= level)
            .collect(),
    })
}

impl ConfirmationRequired {
    /// Turns an answer into the bases to record: one for each right that was asked for, since a
    /// basis covers every agency in every section it names.
    ///
    /// # Errors
    /// When the basis is unknown or cannot be chosen, the reason is empty, a meeting or its last
    /// day is missing, or the basis does not reach the level.
    pub fn confirm(
        &self,
        answer: &Confirmation,
        today: Date,
    ) -> Result<Vec<SharingBasis>, ConfirmationError> {
        let basis = legal_basis::find(&answer.basis)
            .filter(|basis| basis.confirmable)
            .ok_or(ConfirmationError::UnknownBasis)?;
        if answer.reason.trim().is_empty() {
            return Err(ConfirmationError::ReasonMissing);
        }
        let meeting = answer
            .meeting
            .clone()
            .filter(|meeting| !meeting.trim().is_empty());
        if basis.meeting_bound && (meeting.is_none() || answer.until.is_none()) {
            return Err(ConfirmationError::MeetingMissing);
        }
        if answer.until.is_some_and(|until| until < today) {
            return Err(ConfirmationError::PeriodInvalid);
        }
        if basis.ceiling < self.level {
            return Err(ConfirmationError::LevelTooHigh);
        }
        Ok(self
            .rights
            .iter()
            .map(|right| SharingBasis {
                basis: basis.id.clone(),
                agencies: vec![right.agency.clone()],
                persons: right.persons.clone(),
                sections: vec![right.section],
                from: today,
                until: answer.until,
                meeting: meeting.clone(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
