//! Cases in bulk: found by their numbers, and taken in as they stood where they come from.

use std::collections::{BTreeMap, BTreeSet};

use domain::agency::AgencyClass;
use domain::disclosure::{self, Reach};
use domain::id::CaseId;
use domain::role::Capability;
use domain::stage::Stage;
use jiff::civil::Date;
use sqlx::Row;

use crate::access::Caller;
use crate::cases::{self, CaseAccess, CaseSummary, CreatedCase, NewCase};
use crate::course::{self, StepNote};
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};

/// Where a case stood that comes from elsewhere.
#[derive(Debug, Clone)]
pub struct Standing {
    pub stage: Stage,
    /// With [`Stage::Closed`], and only then.
    pub closed_on: Option<Date>,
    pub similar_ok: Option<bool>,
    /// Kept with the step to the stage.
    pub reason: String,
}

/// Whether a number is of the form that the system itself gives, `2026-0001`.
#[must_use]
pub fn is_own_number(number: &str) -> bool {
    number.split_once('-').is_some_and(|(year, count)| {
        year.len() == 4
            && count.len() >= 4
            && year
                .bytes()
                .chain(count.bytes())
                .all(|b| b.is_ascii_digit())
    })
}

/// Whether a case can have the number: half-width letters, digits and hyphens, at most 40, for the
/// column is not sealed and must hold no words; not of the form that the system itself gives.
#[must_use]
pub fn is_legal_number(number: &str) -> bool {
    (1..=40).contains(&number.len())
        && number
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && number.bytes().any(|b| b.is_ascii_alphanumeric())
        && !is_own_number(number)
}

impl Tx {
    /// The cases of these numbers that the caller may know of, with their lines.
    ///
    /// # Errors
    /// Database away.
    pub async fn cases_numbered(
        &mut self,
        caller: &Caller,
        numbers: &[String],
    ) -> Result<BTreeMap<String, (CaseAccess, CaseSummary)>> {
        let rows = rows_for(
            self,
            &caller.viewer.municipality,
            numbers,
            "SELECT id FROM cases WHERE municipality_id = $1 AND case_no IN",
            "",
        )
        .await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            ids.push(CaseId(row.try_get("id")?));
        }
        let lines = self.case_lines(caller, &ids).await?;
        Ok(lines
            .into_values()
            .map(|found| (found.1.case_no.clone(), found))
            .collect())
    }

    /// How far the caller's rights reach in the cases with these numbers, as far as the caller may know of
    /// them.
    ///
    /// # Errors
    /// Database away.
    pub async fn reach_of_cases(
        &mut self,
        caller: &Caller,
        numbers: &[String],
    ) -> Result<BTreeMap<String, Reach>> {
        if !caller.may(Capability::ReadCases) {
            return Ok(BTreeMap::new());
        }
        let municipality = &caller.viewer.municipality;
        let rows = rows_for(
            self,
            municipality,
            numbers,
            "SELECT id, case_no FROM cases WHERE municipality_id = $1 AND case_no IN",
            "",
        )
        .await?;
        let mut known: BTreeMap<CaseId, String> = BTreeMap::new();
        for row in &rows {
            known.insert(CaseId(row.try_get("id")?), row.try_get("case_no")?);
        }
        let ids: Vec<CaseId> = known.keys().cloned().collect();
        let facts = cases::facts(self, municipality, &ids).await?;
        Ok(facts
            .into_iter()
            .filter(|(_, facts)| disclosure::case_visible(&caller.viewer, facts))
            .filter_map(|(id, facts)| {
                Some((
                    known.remove(&id)?,
                    disclosure::reach(&caller.viewer, &facts),
                ))
            })
            .collect())
    }

    /// Which of these numbers a case has, whoever may know of it: a number can be given only once.
    ///
    /// # Errors
    /// Database away.
    pub async fn numbers_given(
        &mut self,
        caller: &Caller,
        numbers: &[String],
    ) -> Result<BTreeSet<String>> {
        let rows = rows_for(
            self,
            &caller.viewer.municipality,
            numbers,
            "SELECT case_no FROM cases WHERE municipality_id = $1 AND case_no IN",
            "",
        )
        .await?;
        rows.iter().map(|row| Ok(row.try_get("case_no")?)).collect()
    }

    /// Receives a case that was under way elsewhere. It comes in at the stage it had there, as a step of
    /// its own after the reception: nothing says that the steps between were taken here.
    ///
    /// # Errors
    /// As [`cases::create`]; forbidden for who is no coordinator, and at a later stage than the reception
    /// without [`Capability::MigrateCases`]; `case_no`, `closed_on`; [`StoreError::Taken`].
    pub async fn take_in_case(
        &mut self,
        caller: &Caller,
        new: &NewCase,
        standing: &Standing,
    ) -> Result<CreatedCase> {
        caller.require(Capability::EditCase)?;
        if caller.viewer.agency_class != AgencyClass::Coordinator || new.owner_agency.is_some() {
            return Err(StoreError::Forbidden);
        }
        if new
            .case_no
            .as_deref()
            .is_some_and(|number| !is_legal_number(number))
        {
            return Err(StoreError::Invalid("case_no"));
        }
        let moved = standing.stage != Stage::Received;
        if moved {
            caller.require(Capability::MigrateCases)?;
        }
        let closed = standing.stage == Stage::Closed;
        if closed != standing.closed_on.is_some()
            || standing
                .closed_on
                .is_some_and(|day| day < new.received_on || day > caller.viewer.today)
        {
            return Err(StoreError::Invalid("closed_on"));
        }
        let created = cases::create(self, caller, new).await?;
        sqlx::query(
            "UPDATE cases SET stage = $3, closed_on = $4, similar_ok = COALESCE($5, similar_ok) WHERE municipality_id = $1 AND id = $2",
        )
        .bind(caller.viewer.municipality.as_str())
        .bind(created.case.as_str())
        .bind(standing.stage.code())
        .bind(standing.closed_on.map(|day| day.to_string()))
        .bind(standing.similar_ok.map(i64::from))
        .execute(self.conn())
        .await?;
        if moved {
            let note = StepNote {
                entered_on: standing.closed_on,
                reason: Some(standing.reason.clone()),
                missing: Vec::new(),
            };
            let from = Some(Stage::Received);
            course::record(self, caller, &created.case, from, standing.stage, &note).await?;
        }
        Ok(created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_from_elsewhere_is_no_word_and_none_of_ours() {
        for number in ["H30-12", "0012", "R5-A-3", "2024-12", "20240001"] {
            assert!(is_legal_number(number), "{number}");
        }
        let long = "1".repeat(41);
        for number in [
            "",
            "-",
            "2026-0001",
            "2019-12345",
            "架空太郎",
            "H30 12",
            "H30/1",
            &long,
        ] {
            assert!(!is_legal_number(number), "{number}");
        }
    }
}
