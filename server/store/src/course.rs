//! The course of a case: the steps it took, who took them and why, and what is written down for the
//! next one. What a step needs is for [`domain::course`] to say.

use domain::course::{Decided, Evaluated, Met, Need, Planned, Screened, Written};
use domain::disclosure::{self, Level};
use domain::id::{AccountId, AgencyId, CaseId, DocumentId};
use domain::request::{RequestKind, RequestState};
use domain::section::DocumentKind;
use domain::stage::Stage;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;
use sqlx::Row;

use crate::access::Caller;
use crate::cases::{CaseAccess, Named};
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::documents::DocumentState;
use crate::error::{Result, StoreError};
use crate::memberships::{date, optional_date};
use crate::{accounts, agencies};

const REASON: &str = "case_steps.reason";

/// What is kept with a step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StepNote {
    /// Business date; today when missing.
    pub entered_on: Option<Date>,
    /// Why, above all when something was missing.
    pub reason: Option<String>,
    /// What was missing.
    #[serde(skip)]
    pub missing: Vec<Need>,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: String,
    /// `None`: the reception.
    pub from: Option<Stage>,
    pub to: Stage,
    pub entered_on: Date,
    pub missing: Vec<Need>,
    /// For the agency in charge and the department.
    pub reason: Option<String>,
    pub by: Named,
    pub agency: Named,
    pub at: String,
}

/// A final sheet by which a requirement was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSheet {
    pub document: DocumentId,
    pub number: i64,
    /// Which of its finals, from 1.
    pub final_number: i64,
}

/// Writes a step down.
pub(crate) async fn record(
    tx: &mut Tx,
    caller: &Caller,
    case: &CaseId,
    from: Option<Stage>,
    to: Stage,
    note: &StepNote,
) -> Result<()> {
    let municipality = caller.viewer.municipality.clone();
    let id: String = tx.database().fresh();
    let reason = match note.reason.as_deref().map(str::trim) {
        Some(reason) if !reason.is_empty() => Some(
            tx.seal(
                &municipality,
                &Purpose::Case(case.clone()),
                REASON,
                &id,
                reason.as_bytes(),
            )
            .await?,
        ),
        _ => None,
    };
    let missing =
        serde_json::to_string(&note.missing).map_err(|_| StoreError::Invalid("missing"))?;
    let now = tx.now_text();
    // The case's row is held by whoever changes its stage.
    let last: i64 = sqlx::query_scalar(
        "SELECT COALESCE(MAX(number), 0) FROM case_steps WHERE municipality_id = $1 AND case_id = $2",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .fetch_one(tx.conn())
    .await?;
    sqlx::query(
        "INSERT INTO case_steps (municipality_id, id, case_id, number, from_stage, to_stage, entered_on, missing, reason_sealed, \
         account_id, membership_id, agency_id, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(municipality.as_str())
    .bind(id)
    .bind(case.as_str())
    .bind(last + 1)
    .bind(from.map(|stage| stage.code().to_owned()))
    .bind(to.code())
    .bind(note.entered_on.unwrap_or(caller.viewer.today).to_string())
    .bind(missing)
    .bind(reason)
    .bind(caller.viewer.account.as_str())
    .bind(caller.viewer.membership.as_str())
    .bind(caller.viewer.agency.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn text(value: &Value, field: &str) -> Option<String> {
    value
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The day of a date or of a date with time.
fn day(value: &Value, field: &str) -> Option<Date> {
    let text = text(value, field)?;
    text.get(..10)?.parse().ok()
}

impl CaseAccess {
    /// What is written down in the case, of what the caller may read, and the latest plan when it is
    /// final.
    ///
    /// # Errors
    /// Database away.
    pub async fn written(&self, tx: &mut Tx) -> Result<(Written, Option<PlanSheet>)> {
        let persons = self.persons(tx).await?;
        let consents: Vec<bool> = persons
            .iter()
            .filter(|person| person.role == crate::cases::CaseRole::Client)
            .map(|client| client.consent.is_some_and(|status| status.is_agreement()))
            .collect();
        let mut out = Written {
            received_on: Some(self.received_on()),
            consent: !consents.is_empty() && consents.iter().all(|given| *given),
            ..Written::default()
        };
        let mut plan: Option<PlanSheet> = None;
        let mut last_plan = 0;
        for sheet in self.documents(tx).await? {
            let info = sheet.info();
            if info.kind == DocumentKind::Plan && info.state != DocumentState::Erased {
                let number = info.number.unwrap_or(0);
                if number > last_plan {
                    // A plan that is under way is the present one, final or not.
                    last_plan = number;
                    plan = None;
                    out.plan = None;
                }
            }
            if info.state != DocumentState::Final || sheet.level() < Level::Read {
                continue;
            }
            if info.kind == DocumentKind::Intake {
                out.intake_final = true;
                continue;
            }
            let Some(last) = sheet.finals(tx).await?.pop() else {
                continue;
            };
            let value = &last.value;
            match info.kind {
                DocumentKind::Screening => {
                    out.screening = Some(Screened {
                        on: day(value, "screened_on"),
                        result: text(value, "result"),
                    });
                }
                DocumentKind::Plan if info.number.unwrap_or(0) == last_plan => {
                    out.plan = Some(Planned {
                        on: day(value, "planned_on"),
                        number: last_plan,
                        items: value
                            .get("items")
                            .and_then(Value::as_array)
                            .map_or(0, Vec::len),
                        next_review_on: day(value, "next_review_on"),
                    });
                    plan = Some(PlanSheet {
                        document: info.id.clone(),
                        number: last_plan,
                        final_number: last.number,
                    });
                }
                DocumentKind::Meeting if text(value, "kind").as_deref() == Some("jyuso") => {
                    let met = Met {
                        on: day(value, "held_at"),
                        plan: value.get("plan_no").and_then(Value::as_i64),
                        result: text(value, "plan_result"),
                    };
                    if out
                        .meeting
                        .as_ref()
                        .is_none_or(|former| former.on <= met.on)
                    {
                        out.meeting = Some(met);
                    }
                }
                DocumentKind::Evaluation => {
                    out.evaluation = Some(Evaluated {
                        on: day(value, "evaluated_on"),
                        result: text(value, "result"),
                        close_reason: text(value, "close_reason"),
                        closed_on: day(value, "closed_on"),
                    });
                }
                _ => {}
            }
        }
        let rows = sqlx::query(
            "SELECT kind, state, plan_number, decided_on FROM case_requests WHERE municipality_id = $1 AND case_id = $2 \
             ORDER BY requested_at, id",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        for row in &rows {
            let (kind, state) = crate::requests::kind_and_state(row)?;
            match (kind, state) {
                (RequestKind::Decision, RequestState::Completed) => {
                    if let Some(on) = optional_date(row.try_get("decided_on")?)? {
                        out.decision = Some(Decided {
                            on,
                            plan: row.try_get::<Option<i64>, _>("plan_number")?.unwrap_or(0),
                        });
                    }
                }
                (RequestKind::Refer, RequestState::Accepted | RequestState::Completed) => {
                    out.referral_accepted = true;
                }
                (kind, RequestState::Requested) if kind != RequestKind::Assign => {
                    out.open_requests += 1;
                }
                _ => {}
            }
        }
        Ok((out, plan))
    }

    /// The steps the case took, the oldest first. Whoever knows of the case sees its stage, so also
    /// when it changed; why is for those who answer for the case.
    ///
    /// # Errors
    /// Database away.
    pub async fn steps(&self, tx: &mut Tx) -> Result<Vec<Step>> {
        let municipality = self.municipality().clone();
        let rows = sqlx::query(
            "SELECT * FROM case_steps WHERE municipality_id = $1 AND case_id = $2 ORDER BY number",
        )
        .bind(municipality.as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        let ids: Vec<AccountId> = rows
            .iter()
            .map(|row| row.try_get("account_id").map(AccountId))
            .collect::<Result<_, _>>()?;
        let names = accounts::names(tx, &municipality, &ids).await?;
        let known = agencies::by_id(tx, &municipality).await?;
        let answers = self.knows_consents();
        let viewer = &self.caller.viewer;
        let reasons = answers
            && !self.facts.exclusions.iter().any(|one| one.hits(viewer))
            && (self.is_owner() || !disclosure::texts_protected_from(viewer, &self.facts));
        let stage = |code: &str| Stage::from_code(code).ok_or(StoreError::Corrupt("case_steps"));
        let mut out = Vec::with_capacity(rows.len());
        for (row, account) in rows.iter().zip(ids) {
            let id: String = row.try_get("id")?;
            let agency = AgencyId(row.try_get("agency_id")?);
            let reason = match row.try_get::<Option<Vec<u8>>, _>("reason_sealed")? {
                Some(sealed) if reasons => {
                    Some(tx.open_text(&municipality, REASON, &id, &sealed).await?)
                }
                _ => None,
            };
            let missing: Vec<Need> = if answers {
                crate::database::decode(row.try_get::<String, _>("missing")?.as_bytes())?
            } else {
                Vec::new()
            };
            // Where somebody protected stays can be told from the agencies around.
            let shown = known.get(&agency).filter(|agency| {
                let viewer = &self.caller.viewer;
                disclosure::agency_visible(viewer, &self.facts, &agency.id, agency.class)
            });
            out.push(Step {
                from: row
                    .try_get::<Option<String>, _>("from_stage")?
                    .map(|code| stage(&code))
                    .transpose()?,
                to: stage(&row.try_get::<String, _>("to_stage")?)?,
                entered_on: date(&row.try_get::<String, _>("entered_on")?)?,
                missing,
                reason,
                by: Named {
                    name: shown
                        .and_then(|_| names.get(&account).cloned())
                        .unwrap_or_default(),
                    id: shown.map(|_| account.0).unwrap_or_default(),
                },
                agency: Named {
                    id: shown.map(|agency| agency.id.0.clone()).unwrap_or_default(),
                    name: shown.map(|agency| agency.name.clone()).unwrap_or_default(),
                },
                at: row.try_get("at")?,
                id,
            });
        }
        Ok(out)
    }
}
