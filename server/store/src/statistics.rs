//! Statistics: a typed projection of each case without personal fields, and counts over it.

use domain::id::{CaseId, MunicipalityId};
use domain::role::Capability;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::database::Tx;
use crate::documents::DocumentWork;
use crate::error::{Result, StoreError};

/// What is counted of a case (codes of the catalogue); `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub received_on: Option<jiff::civil::Date>,
    pub route: Option<String>,
    pub contact_method: Option<String>,
    pub urgency: Option<String>,
    pub gender: Option<String>,
    pub age_band: Option<String>,
    pub household_type: Option<String>,
    /// Replaces the issues when given.
    pub issues: Option<Vec<String>>,
}

/// By what new consultations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Route,
    Issue,
    Gender,
    AgeBand,
    Urgency,
    ContactMethod,
    ConsentStatus,
}

/// A count: cases received in a month with a code (`None` = not entered).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// `2026-11`.
    pub month: String,
    pub code: Option<String>,
    pub count: i64,
}

/// Counts with the number of cases behind them (a case may have several issues).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub rows: Vec<Count>,
    pub total_cases: i64,
    /// Cases per month.
    pub months: Vec<(String, i64)>,
}

/// Updates the projection of a case (worker, import, demo data).
///
/// # Errors
/// Unknown case.
pub async fn set_facts(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    facts: &Facts,
) -> Result<()> {
    let now = tx.now_text();
    let done = sqlx::query(
        "UPDATE case_facts SET received_on = COALESCE($3, received_on), route = COALESCE($4, route), contact_method = COALESCE($5, contact_method), \
         urgency = COALESCE($6, urgency), gender = COALESCE($7, gender), age_band = COALESCE($8, age_band), \
         household_type = COALESCE($9, household_type), updated_at = $10 WHERE municipality_id = $1 AND case_id = $2",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(facts.received_on.map(|day| day.to_string()))
    .bind(facts.route.clone())
    .bind(facts.contact_method.clone())
    .bind(facts.urgency.clone())
    .bind(facts.gender.clone())
    .bind(facts.age_band.clone())
    .bind(facts.household_type.clone())
    .bind(now)
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    if let Some(issues) = &facts.issues {
        sqlx::query("DELETE FROM case_issue_facts WHERE municipality_id = $1 AND case_id = $2")
            .bind(municipality.as_str())
            .bind(case.as_str())
            .execute(tx.conn())
            .await?;
        for issue in issues.iter().collect::<std::collections::BTreeSet<_>>() {
            sqlx::query("INSERT INTO case_issue_facts (municipality_id, case_id, issue) VALUES ($1, $2, $3)")
                .bind(municipality.as_str())
                .bind(case.as_str())
                .bind(issue.as_str())
                .execute(tx.conn())
                .await?;
        }
    }
    Ok(())
}

impl DocumentWork {
    /// Updates the statistics projection of the document's case.
    ///
    /// # Errors
    /// The document belongs to no case.
    pub async fn set_statistics(&self, tx: &mut Tx, facts: &Facts) -> Result<()> {
        let case = self.info().case.as_ref().ok_or(StoreError::NotFound)?;
        set_facts(tx, &self.info().municipality, case, facts).await
    }
}

fn month(text: &str) -> Result<String> {
    let good = text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    if good {
        Ok(text.to_owned())
    } else {
        Err(StoreError::Invalid("month"))
    }
}

/// New consultations per month and code, months `from` to `to` (`2026-04`) inclusive, cut by the
/// day of reception. Counts cover the whole municipality: they carry no personal field.
///
/// # Errors
/// Forbidden without the capability; malformed months.
pub async fn new_consultations(
    tx: &mut Tx,
    caller: &Caller,
    from: &str,
    to: &str,
    by: By,
) -> Result<Counts> {
    caller.require(Capability::ReadStatistics)?;
    let (from, to) = (month(from)?, month(to)?);
    // `~` sorts behind every day of the month.
    let (first, last) = (format!("{from}-01"), format!("{to}~"));
    let municipality = caller.viewer.municipality.0.clone();
    let (code, join) = match by {
        By::Route => ("f.route", ""),
        By::Gender => ("f.gender", ""),
        By::AgeBand => ("f.age_band", ""),
        By::Urgency => ("f.urgency", ""),
        By::ContactMethod => ("f.contact_method", ""),
        By::ConsentStatus => ("f.consent_status", ""),
        By::Issue => (
            "i.issue",
            " LEFT JOIN case_issue_facts i ON i.municipality_id = f.municipality_id AND i.case_id = f.case_id",
        ),
    };
    let sql = format!(
        "SELECT SUBSTR(f.received_on, 1, 7) AS month, {code} AS code, COUNT(*) AS count FROM case_facts f{join} \
         WHERE f.municipality_id = $1 AND f.received_on >= $2 AND f.received_on <= $3 \
         GROUP BY SUBSTR(f.received_on, 1, 7), {code} ORDER BY 1, 2"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(first.as_str())
        .bind(last.as_str())
        .fetch_all(tx.conn())
        .await?;
    let mut out = Vec::new();
    for row in &rows {
        out.push(Count {
            month: row.try_get("month")?,
            code: row.try_get("code")?,
            count: row.try_get("count")?,
        });
    }
    // NULL sorts first on SQLite and last on PostgreSQL.
    out.sort_by(|a, b| {
        (&a.month, a.code.is_none(), &a.code).cmp(&(&b.month, b.code.is_none(), &b.code))
    });
    let rows = sqlx::query(
        "SELECT SUBSTR(received_on, 1, 7) AS month, COUNT(*) AS count FROM case_facts \
         WHERE municipality_id = $1 AND received_on >= $2 AND received_on <= $3 GROUP BY SUBSTR(received_on, 1, 7) ORDER BY 1",
    )
    .bind(municipality)
    .bind(first)
    .bind(last)
    .fetch_all(tx.conn())
    .await?;
    let mut months = Vec::new();
    for row in &rows {
        months.push((
            row.try_get::<String, _>("month")?,
            row.try_get::<i64, _>("count")?,
        ));
    }
    Ok(Counts {
        rows: out,
        total_cases: months.iter().map(|(_, count)| count).sum(),
        months,
    })
}
