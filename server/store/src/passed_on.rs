//! What a case's agencies were given and what they opened: the answer to a withdrawn consent
//! (すでに渡った範囲). Read from the audit log, which nobody rewrites.

use std::collections::BTreeMap;

use domain::agency::AgencyClass;
use domain::disclosure::{self, Level};
use domain::id::{AgencyId, DocumentId};
use domain::section::Section;
use jiff::civil::Date;
use serde::Deserialize;
use sqlx::Row;

use crate::cases::CaseAccess;
use crate::database::Tx;
use crate::error::{Result, StoreError};
use crate::{agencies, documents};

/// A right that an agency had to a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRight {
    pub section: Section,
    /// The highest level it had.
    pub level: Level,
    /// Instant of the first right above 非開示.
    pub from: String,
    /// Instant at which the last right ended; `None`: it stands, as far as consent and period let it.
    pub until: Option<String>,
    /// Last day of the right as the matrix has it now.
    pub last_day: Option<Date>,
}

/// What the staff of an agency did in the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Action of the audit log.
    pub action: String,
    pub section: Option<Section>,
    pub first: String,
    pub last: String,
    pub times: i64,
}

/// What went to one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOn {
    pub agency: AgencyId,
    pub name: String,
    pub rights: Vec<GivenRight>,
    pub opened: Vec<Opened>,
}

/// A row of a matrix as the audit log has it; sections and levels of older versions are passed over.
#[derive(Deserialize)]
struct LoggedRow {
    agency: AgencyId,
    section: String,
    level: String,
}

#[derive(Default)]
struct Gathered {
    rights: BTreeMap<Section, GivenRight>,
    opened: BTreeMap<(String, Option<Section>), Opened>,
}

impl Gathered {
    fn set(&mut self, section: Section, level: Level, at: &str) {
        match self.rights.get_mut(&section) {
            Some(right) if level == Level::None => {
                right.until.get_or_insert_with(|| at.to_owned());
            }
            Some(right) => {
                right.level = right.level.max(level);
                right.until = None;
            }
            None if level > Level::None => {
                let right = GivenRight {
                    section,
                    level,
                    from: at.to_owned(),
                    until: None,
                    last_day: None,
                };
                self.rights.insert(section, right);
            }
            None => {}
        }
    }
}

impl CaseAccess {
    /// Per agency beside the one in charge and the department: which sections it was given since when,
    /// and what its staff opened. For those who know the consents.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn passed_on(&self, tx: &mut Tx) -> Result<Vec<PassedOn>> {
        if !self.knows_consents() {
            return Err(StoreError::Forbidden);
        }
        let municipality = self.municipality().clone();
        let mut found: BTreeMap<AgencyId, Gathered> = BTreeMap::new();
        let changes = sqlx::query(
            "SELECT at, action, detail FROM audit WHERE municipality_id = $1 AND case_id = $2 AND outcome = 'ok' \
             AND action IN ('disclosure.set', 'member.add', 'member.remove', 'request.accept') ORDER BY seq",
        )
        .bind(municipality.as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        for row in &changes {
            let at: String = row.try_get("at")?;
            let detail: serde_json::Value =
                serde_json::from_str(&row.try_get::<String, _>("detail")?)
                    .map_err(|_| StoreError::Corrupt("audit.detail"))?;
            if row.try_get::<String, _>("action")? == "member.remove" {
                let agency = detail["agency"].as_str().map(AgencyId::from);
                if let Some(gathered) = agency.and_then(|agency| found.get_mut(&agency)) {
                    for section in Section::ALL {
                        gathered.set(*section, Level::None, &at);
                    }
                }
                continue;
            }
            for row in detail["rows"].as_array().into_iter().flatten() {
                let Ok(row) = serde_json::from_value::<LoggedRow>(row.clone()) else {
                    continue;
                };
                if let (Some(section), Some(level)) = (
                    Section::from_code(&row.section),
                    Level::from_code(&row.level),
                ) {
                    found
                        .entry(row.agency)
                        .or_default()
                        .set(section, level, &at);
                }
            }
        }
        self.add_standing(tx, &mut found).await?;
        for row in &self.facts.matrix {
            let given = found
                .get_mut(&row.agency)
                .and_then(|gathered| gathered.rights.get_mut(&row.section));
            if let Some(right) = given {
                right.last_day = row.to;
            }
        }
        self.add_opened(tx, &mut found).await?;
        let known = agencies::by_id(tx, &municipality).await?;
        let viewer = &self.caller.viewer;
        Ok(found
            .into_iter()
            .filter_map(|(agency, gathered)| {
                let known = known.get(&agency)?;
                let shown = agency != self.facts.owner
                    && known.class != AgencyClass::Department
                    && disclosure::agency_visible(viewer, &self.facts, &agency, known.class);
                shown.then(|| PassedOn {
                    name: known.name.clone(),
                    agency,
                    rights: gathered.rights.into_values().collect(),
                    opened: gathered.opened.into_values().collect(),
                })
            })
            .filter(|passed| !passed.rights.is_empty() || !passed.opened.is_empty())
            .collect())
    }

    /// Rights that stand in the matrix and not in the log: those that came with the reception.
    async fn add_standing(
        &self,
        tx: &mut Tx,
        found: &mut BTreeMap<AgencyId, Gathered>,
    ) -> Result<()> {
        let rows = sqlx::query(
            "SELECT agency_id, section, level, set_at FROM disclosures WHERE municipality_id = $1 AND case_id = $2 ORDER BY agency_id, section",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        for row in &rows {
            let (Some(section), Some(level)) = (
                Section::from_code(&row.try_get::<String, _>("section")?),
                Level::from_code(&row.try_get::<String, _>("level")?),
            ) else {
                continue;
            };
            let at: String = row.try_get("set_at")?;
            let agency = AgencyId(row.try_get("agency_id")?);
            let today = self.caller.viewer.today;
            let active = self
                .facts
                .members
                .iter()
                .any(|one| one.agency == agency && one.active_on(today));
            let gathered = found.entry(agency).or_default();
            // Rows of an agency that was removed and taken in again stand again.
            let revived = active
                && level > Level::None
                && gathered
                    .rights
                    .get(&section)
                    .is_some_and(|right| right.until.is_some());
            if revived || !gathered.rights.contains_key(&section) {
                gathered.set(section, level, &at);
            }
        }
        Ok(())
    }

    async fn add_opened(
        &self,
        tx: &mut Tx,
        found: &mut BTreeMap<AgencyId, Gathered>,
    ) -> Result<()> {
        let rows = sqlx::query(
            "SELECT agency_id, action, object_kind, object_id, MIN(at) AS first_at, MAX(at) AS last_at, COUNT(*) AS times FROM audit \
             WHERE municipality_id = $1 AND case_id = $2 AND outcome = 'ok' AND agency_id IS NOT NULL AND agency_id <> $3 \
             GROUP BY agency_id, action, object_kind, object_id ORDER BY agency_id, action, object_id",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .bind(self.facts.owner.as_str())
        .fetch_all(tx.conn())
        .await?;
        let mut ids = Vec::new();
        for row in &rows {
            if row.try_get::<String, _>("object_kind")? == "document" {
                ids.push(DocumentId(row.try_get("object_id")?));
            }
        }
        ids.sort();
        ids.dedup();
        let sections = documents::sections_of(tx, self.municipality(), &ids).await?;
        for row in &rows {
            let action: String = row.try_get("action")?;
            let object = DocumentId(row.try_get("object_id")?);
            let section = match action.split('.').next() {
                Some("progress") => Some(Section::Progress),
                Some("network") => Some(Section::Network),
                _ => sections.get(&object).copied(),
            };
            let (first, last, times): (String, String, i64) = (
                row.try_get("first_at")?,
                row.try_get("last_at")?,
                row.try_get("times")?,
            );
            let gathered = found
                .entry(AgencyId(row.try_get("agency_id")?))
                .or_default();
            gathered
                .opened
                .entry((action.clone(), section))
                .and_modify(|known| {
                    known.first = known.first.clone().min(first.clone());
                    known.last = known.last.clone().max(last.clone());
                    known.times += times;
                })
                .or_insert(Opened {
                    action,
                    section,
                    first,
                    last,
                    times,
                });
        }
        Ok(())
    }
}
