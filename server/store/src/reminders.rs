//! Days that come round: consents to be confirmed again, flags of the register to be reviewed, rights of
//! other agencies that end. For the agency in charge of a case.

use std::collections::BTreeMap;

use domain::disclosure::{self, Level};
use domain::id::{AgencyId, CaseId, PersonId};
use domain::role::Capability;
use domain::section::Section;
use jiff::ToSpan;
use jiff::civil::Date;
use sqlx::Row;

use crate::access::Caller;
use crate::cases;
use crate::consents;
use crate::database::Tx;
use crate::error::{Result, StoreError};
use crate::memberships::date;
use crate::persons;

/// How many days ahead something is shown.
const AHEAD: i32 = 30;
/// Most that are shown.
const SHOWN: usize = 100;

/// What is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReminderKind {
    Consent,
    Flag,
    /// A right of an agency ends.
    Right,
}

/// Something to look at again by a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    pub kind: ReminderKind,
    pub due: Date,
    pub case: CaseId,
    pub case_no: String,
    /// `None` for a right.
    pub person: Option<PersonId>,
    /// Of the person, or of the agency whose right ends.
    pub name: String,
    /// Option list `risk_flag`; of a flag only.
    pub flag: Option<String>,
    /// What the right is to; of a right only.
    pub sections: Vec<Section>,
}

impl Tx {
    /// What comes due within thirty days, or is overdue, in open cases that the caller's agency is in
    /// charge of, the earliest first; of persons whom the caller sees by name. A flag is named once,
    /// with the newest of the person's cases.
    ///
    /// # Errors
    /// Forbidden without access to cases.
    pub async fn reminders(&mut self, caller: &Caller) -> Result<Vec<Reminder>> {
        caller.require(Capability::ReadCases)?;
        let municipality = caller.viewer.municipality.clone();
        let today = caller.viewer.today;
        let until = today
            .checked_add(AHEAD.days())
            .map_err(|_| StoreError::Invalid("today"))?;
        let mut found: Vec<(ReminderKind, Date, CaseId, String, PersonId, Option<String>)> =
            Vec::new();
        let rows = sqlx::query(
            "SELECT DISTINCT c.id, c.case_no, k.person_id FROM consents k \
             JOIN cases c ON c.municipality_id = k.municipality_id AND c.id = k.case_id \
             WHERE k.municipality_id = $1 AND c.owner_agency_id = $2 AND c.stage <> 'closed' AND k.expires_on IS NOT NULL AND k.expires_on <= $3 \
             ORDER BY c.id, k.person_id",
        )
        .bind(municipality.as_str())
        .bind(caller.viewer.agency.as_str())
        .bind(until.to_string())
        .fetch_all(self.conn())
        .await?;
        let mut numbers = BTreeMap::new();
        for row in &rows {
            numbers.insert(
                (
                    CaseId(row.try_get("id")?),
                    PersonId(row.try_get("person_id")?),
                ),
                row.try_get::<String, _>("case_no")?,
            );
        }
        let mut cases: Vec<CaseId> = numbers.keys().map(|(case, _)| case.clone()).collect();
        cases.dedup();
        // Only what applies now can run out.
        for (case, person, consent) in consents::latest(self, &municipality, &cases).await? {
            let due = consent
                .expires_on
                .filter(|due| *due <= until && consent.status.is_agreement())
                .filter(|_| consent.withdrawn_on.is_none_or(|day| day > today));
            if let (Some(due), Some(number)) = (due, numbers.get(&(case.clone(), person.clone()))) {
                found.push((
                    ReminderKind::Consent,
                    due,
                    case,
                    number.clone(),
                    person,
                    None,
                ));
            }
        }
        let rows = sqlx::query(
            "SELECT f.id AS flag_id, f.flag, f.review_on, f.person_id, c.id, c.case_no FROM person_flags f \
             JOIN case_persons p ON p.municipality_id = f.municipality_id AND p.person_id = f.person_id \
             JOIN cases c ON c.municipality_id = p.municipality_id AND c.id = p.case_id \
             WHERE f.municipality_id = $1 AND c.owner_agency_id = $2 AND c.stage <> 'closed' AND f.ended_at IS NULL \
             AND f.review_on IS NOT NULL AND f.review_on <= $3 ORDER BY f.id, c.received_on DESC, c.id DESC",
        )
        .bind(municipality.as_str())
        .bind(caller.viewer.agency.as_str())
        .bind(until.to_string())
        .fetch_all(self.conn())
        .await?;
        let mut last = String::new();
        for row in &rows {
            let flag: String = row.try_get("flag_id")?;
            if flag == last {
                continue;
            }
            last = flag;
            found.push((
                ReminderKind::Flag,
                date(&row.try_get::<String, _>("review_on")?)?,
                CaseId(row.try_get("id")?),
                row.try_get("case_no")?,
                PersonId(row.try_get("person_id")?),
                Some(row.try_get("flag")?),
            ));
        }
        let mut cases: Vec<CaseId> = found.iter().map(|(_, _, case, ..)| case.clone()).collect();
        cases.sort();
        cases.dedup();
        let facts = cases::facts(self, &municipality, &cases).await?;
        found.retain(|(_, _, case, _, person, _)| {
            facts.get(case).is_some_and(|facts| {
                disclosure::case_visible(&caller.viewer, facts)
                    && disclosure::person_level(&caller.viewer, facts, person) >= Level::Read
            })
        });
        found.sort_by(|a, b| (a.1, a.0, &a.3).cmp(&(b.1, b.0, &b.3)));
        found.truncate(SHOWN);
        let mut ids: Vec<PersonId> = found.iter().map(|(.., person, _)| person.clone()).collect();
        ids.sort();
        ids.dedup();
        let known = persons::load(self, &municipality, &ids).await?;
        let mut all: Vec<Reminder> = found
            .into_iter()
            .filter_map(|(kind, due, case, case_no, person, flag)| {
                let name = known.get(&person)?.name().to_owned();
                Some(Reminder {
                    kind,
                    due,
                    case,
                    case_no,
                    person: Some(person),
                    name,
                    flag,
                    sections: Vec::new(),
                })
            })
            .collect();
        all.extend(self.rights_ending(caller, until).await?);
        all.sort_by(|a, b| (a.due, a.kind, &a.case_no).cmp(&(b.due, b.kind, &b.case_no)));
        all.truncate(SHOWN);
        Ok(all)
    }

    /// Rights of other agencies whose last day is today or comes by `until`, one line for the sections
    /// of an agency that end on one day. What is over needs nobody's attention: it gives nothing.
    async fn rights_ending(&mut self, caller: &Caller, until: Date) -> Result<Vec<Reminder>> {
        let municipality = caller.viewer.municipality.clone();
        let rows = sqlx::query(
            "SELECT d.case_id, d.agency_id, d.section, d.valid_to, c.case_no, g.name FROM disclosures d \
             JOIN cases c ON c.municipality_id = d.municipality_id AND c.id = d.case_id \
             JOIN agencies g ON g.municipality_id = d.municipality_id AND g.id = d.agency_id \
             WHERE d.municipality_id = $1 AND d.valid_to IS NOT NULL AND d.valid_to >= $2 AND d.valid_to <= $3 AND d.level <> 'none' \
             AND c.owner_agency_id = $4 AND c.stage <> 'closed' ORDER BY d.case_id, d.agency_id, d.valid_to, d.section",
        )
        .bind(municipality.as_str())
        .bind(caller.viewer.today.to_string())
        .bind(until.to_string())
        .bind(caller.viewer.agency.as_str())
        .fetch_all(self.conn())
        .await?;
        let mut found: BTreeMap<(CaseId, AgencyId, Date), Reminder> = BTreeMap::new();
        for row in &rows {
            let Some(section) = Section::from_code(&row.try_get::<String, _>("section")?) else {
                continue;
            };
            let case = CaseId(row.try_get("case_id")?);
            let due = date(&row.try_get::<String, _>("valid_to")?)?;
            let key = (case.clone(), AgencyId(row.try_get("agency_id")?), due);
            let (case_no, name) = (row.try_get("case_no")?, row.try_get("name")?);
            found
                .entry(key)
                .or_insert_with(|| Reminder {
                    kind: ReminderKind::Right,
                    due,
                    case,
                    case_no,
                    person: None,
                    name,
                    flag: None,
                    sections: Vec::new(),
                })
                .sections
                .push(section);
        }
        let cases: Vec<CaseId> = found.keys().map(|(case, ..)| case.clone()).collect();
        let facts = cases::facts(self, &municipality, &cases).await?;
        Ok(found
            .into_iter()
            .filter(|((case, agency, _), _)| {
                facts.get(case).is_some_and(|facts| {
                    disclosure::case_visible(&caller.viewer, facts)
                        && facts
                            .members
                            .iter()
                            .any(|one| one.agency == *agency && one.active_on(caller.viewer.today))
                })
            })
            .map(|(_, reminder)| reminder)
            .collect())
    }
}
