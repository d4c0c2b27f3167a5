//! つなぐ, 割当, 引継ぎ and the 支援決定: asked for, answered, carried out. Who sees and does what is for
//! [`domain::request`] to say; what acceptance shares was confirmed when it was asked for.
//!
//! **Invariant:** an answer takes effect once: the row's state is the lock, and its effect stands in the
//! same transaction.

use std::collections::BTreeMap;

use domain::agency::AgencyClass;
use domain::course::Requirement;
use domain::disclosure::{
    self, CaseFacts, Confirmation, Days, Disclosure, Excluded, Level, Member, Viewer,
};
use domain::id::{AccountId, AgencyId, CaseId, DocumentId, MunicipalityId, RequestId};
use domain::request::{self, RequestAct, RequestFacts, RequestKind, RequestState};
use domain::role::Capability;
use domain::section::Section;
use domain::stage::Stage;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::access::Caller;
use crate::audit::{self, Event};
use crate::cases::{self, CaseAccess, Named};
use crate::consents::{Sharing, list};
use crate::course::{self, StepNote};
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError, taken};
use crate::memberships::{self, optional_date};
use crate::{accounts, agencies, outbox};

/// Longest words of a request or an answer, in characters.
pub const WORDS_MAX: usize = 2_000;
/// Longest 文書番号, in characters.
const DOCUMENT_NO_MAX: usize = 60;
/// Lists show at most this many, the newest first.
const LIST_MAX: usize = 300;
const CONTENT: &str = "case_requests.content";
const ANSWER: &str = "case_requests.answer";

/// What is asked.
#[derive(Clone)]
pub struct NewRequest {
    pub kind: RequestKind,
    /// Not of an assignment; of a 支援決定 the 所管課, which may be missing when there is only one.
    pub to_agency: Option<AgencyId>,
    /// Of an assignment.
    pub to_account: Option<AccountId>,
    pub words: String,
    /// The words with everything hidden that the masker suggests; `None` = they were not masked, and
    /// masked readers get nothing.
    pub masked: Option<String>,
    pub due_on: Option<Date>,
    /// Rows of the matrix that acceptance sets.
    pub rights: Vec<Disclosure>,
}

impl std::fmt::Debug for NewRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewRequest({})", self.kind)
    }
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    Made(RequestId),
    /// Nothing was changed: the protocol of sharing.
    Sharing(Sharing),
    /// Nothing was changed: a 支援決定 is not asked for before these are met.
    Missing(Vec<Requirement>),
}

/// What is done with a request.
#[derive(Clone)]
pub struct Answer {
    pub act: RequestAct,
    pub words: String,
    /// With a 支援決定 that is made.
    pub decision: Option<Decision>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({})", self.act)
    }
}

/// A 支援決定.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    pub decided_on: Date,
    /// 文書番号.
    pub document_no: String,
    /// 決裁者: office and name.
    pub approver: String,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decision({})", self.decided_on)
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    words: String,
    #[serde(default)]
    masked: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    words: String,
    #[serde(default)]
    approver: Option<String>,
}

/// A 支援決定 in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionView {
    pub plan: DocumentId,
    pub plan_number: i64,
    pub decided_on: Option<Date>,
    pub document_no: Option<String>,
    pub approver: Option<String>,
}

/// A request as the caller sees it.
#[derive(Clone, PartialEq)]
pub struct RequestView {
    pub id: RequestId,
    pub kind: RequestKind,
    pub state: RequestState,
    pub from_agency: Named,
    pub from: Named,
    /// `None`: the caller may not know which agencies are around.
    pub to_agency: Option<Named>,
    pub to: Option<Named>,
    pub due_on: Option<Date>,
    /// `None` = withheld.
    pub words: Option<String>,
    /// The words are the masked ones.
    pub masked: bool,
    pub requested_at: String,
    pub answer: Option<String>,
    pub answered_by: Option<Named>,
    pub answered_at: Option<String>,
    /// The answer was read by those who asked.
    pub seen: bool,
    pub completed_at: Option<String>,
    /// Id and number; `None` = the caller has no part in the case (yet).
    pub case: Option<Named>,
    pub rights: Vec<Disclosure>,
    pub decision: Option<DecisionView>,
    /// What the caller may do with it now.
    pub acts: Vec<RequestAct>,
    /// The caller is on the side that was asked.
    pub received: bool,
    /// The caller is on the side that asked.
    pub sent: bool,
}

impl std::fmt::Debug for RequestView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestView({})", self.id)
    }
}

/// A request as it stands.
struct Stored {
    id: RequestId,
    case: CaseId,
    facts: RequestFacts,
    row: AnyRow,
}

pub(crate) fn kind_and_state(row: &AnyRow) -> Result<(RequestKind, RequestState)> {
    let kind = RequestKind::from_code(&row.try_get::<String, _>("kind")?)
        .ok_or(StoreError::Corrupt("case_requests.kind"))?;
    let state = RequestState::from_code(&row.try_get::<String, _>("state")?)
        .ok_or(StoreError::Corrupt("case_requests.state"))?;
    Ok((kind, state))
}

impl Stored {
    fn of(row: AnyRow) -> Result<Self> {
        let (kind, state) = kind_and_state(&row)?;
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            case: CaseId(row.try_get("case_id")?),
            facts: RequestFacts {
                kind,
                state,
                from_agency: AgencyId(row.try_get("from_agency_id")?),
                from_account: AccountId(row.try_get("from_account_id")?),
                to_agency: AgencyId(row.try_get("to_agency_id")?),
                to_account: row
                    .try_get::<Option<String>, _>("to_account_id")?
                    .map(AccountId),
            },
            row,
        })
    }

    fn rights(&self) -> Result<Vec<Disclosure>> {
        crate::database::decode(self.row.try_get::<String, _>("rights")?.as_bytes())
    }

    fn bases(&self) -> Result<Vec<String>> {
        crate::database::decode(self.row.try_get::<String, _>("bases")?.as_bytes())
    }

    fn optional(&self, column: &str) -> Result<Option<String>> {
        Ok(self.row.try_get(column)?)
    }
}

fn words(text: &str, what: &'static str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > WORDS_MAX {
        return Err(StoreError::Invalid(what));
    }
    Ok(text.to_owned())
}

/// Names, as far as the viewer may know of them.
struct Around<'a> {
    viewer: &'a Viewer,
    case: &'a CaseFacts,
    received: bool,
    agencies: &'a BTreeMap<AgencyId, agencies::Agency>,
    accounts: &'a BTreeMap<AccountId, String>,
}

impl Around<'_> {
    fn person(&self, id: &AccountId) -> Named {
        Named {
            id: id.0.clone(),
            name: self.accounts.get(id).cloned().unwrap_or_default(),
        }
    }

    fn agency(&self, id: &AgencyId) -> Option<Named> {
        let agency = self.agencies.get(id)?;
        let shown =
            self.received || disclosure::agency_visible(self.viewer, self.case, id, agency.class);
        shown.then(|| Named {
            id: id.0.clone(),
            name: agency.name.clone(),
        })
    }
}

/// The requests with what the policy knows of their cases, as the caller sees them.
async fn views(tx: &mut Tx, caller: &Caller, stored: Vec<Stored>) -> Result<Vec<RequestView>> {
    let municipality = caller.viewer.municipality.clone();
    let mut cases: Vec<CaseId> = stored.iter().map(|one| one.case.clone()).collect();
    cases.sort();
    cases.dedup();
    let facts = cases::facts(tx, &municipality, &cases).await?;
    let numbers = cases::numbers(tx, &municipality, &cases).await?;
    let known = agencies::by_id(tx, &municipality).await?;
    let mut people: Vec<AccountId> = Vec::new();
    for one in &stored {
        people.push(one.facts.from_account.clone());
        people.extend(one.facts.to_account.clone());
        people.extend(one.optional("answered_by")?.map(AccountId));
    }
    people.sort();
    people.dedup();
    let accounts = accounts::names(tx, &municipality, &people).await?;
    let mut out = Vec::new();
    for one in &stored {
        let Some(case) = facts.get(&one.case) else {
            continue;
        };
        let Some(sight) = request::sight(&caller.viewer, case, &one.facts) else {
            continue;
        };
        let content: Content = tx
            .open_json(
                &municipality,
                CONTENT,
                one.id.as_str(),
                &one.row.try_get::<Vec<u8>, _>("content_sealed")?,
            )
            .await?;
        let answered: Option<Answered> =
            match one.row.try_get::<Option<Vec<u8>>, _>("answer_sealed")? {
                Some(sealed) if sight.words > Level::None => Some(
                    tx.open_json(&municipality, ANSWER, one.id.as_str(), &sealed)
                        .await?,
                ),
                _ => None,
            };
        let decision = match one.optional("plan_document_id")? {
            Some(plan) => Some(DecisionView {
                plan: DocumentId(plan),
                plan_number: one
                    .row
                    .try_get::<Option<i64>, _>("plan_number")?
                    .unwrap_or(0),
                decided_on: optional_date(one.row.try_get("decided_on")?)?,
                document_no: one.optional("document_no")?,
                approver: answered
                    .as_ref()
                    .and_then(|answered| answered.approver.clone()),
            }),
            None => None,
        };
        // Answers were never masked: masked readers have those of their own side alone.
        let answering = if one.facts.state == RequestState::Withdrawn {
            &one.facts.from_agency
        } else {
            &one.facts.to_agency
        };
        let readable = sight.words >= Level::Read || caller.viewer.agency == *answering;
        // Who answered of an agency that may not be named is not named either.
        let around = Around {
            viewer: &caller.viewer,
            case,
            received: sight.received,
            agencies: &known,
            accounts: &accounts,
        };
        let to_agency = around.agency(&one.facts.to_agency);
        let answered_by = one
            .optional("answered_by")?
            .filter(|_| to_agency.is_some())
            .map(|id| around.person(&AccountId(id)));
        out.push(RequestView {
            kind: one.facts.kind,
            state: one.facts.state,
            from_agency: around.agency(&one.facts.from_agency).unwrap_or(Named {
                id: String::new(),
                name: String::new(),
            }),
            from: around.person(&one.facts.from_account),
            to: one.facts.to_account.as_ref().map(|id| around.person(id)),
            due_on: optional_date(one.row.try_get("due_on")?)?,
            // Empty: erased.
            words: match sight.words {
                Level::None => None,
                Level::Masked => content.masked,
                _ => Some(content.words).filter(|words| !words.is_empty()),
            },
            masked: sight.words == Level::Masked,
            requested_at: one.row.try_get("requested_at")?,
            answer: answered
                .map(|answered| answered.words)
                .filter(|words| readable && !words.is_empty()),
            answered_by,
            answered_at: one.optional("answered_at")?,
            seen: one.optional("seen_at")?.is_some(),
            completed_at: one.optional("completed_at")?,
            case: sight.case.then(|| Named {
                id: one.case.0.clone(),
                name: numbers.get(&one.case).cloned().unwrap_or_default(),
            }),
            rights: if sight.received || caller.viewer.agency == case.owner {
                one.rights()?
            } else {
                Vec::new()
            },
            decision,
            acts: request::acts(&caller.viewer, case, &one.facts),
            received: sight.received,
            sent: one.facts.from_agency == caller.viewer.agency
                && (one.facts.kind != RequestKind::Assign
                    || one.facts.from_account == caller.viewer.account),
            to_agency,
            id: one.id.clone(),
        });
    }
    Ok(out)
}

/// The requests that the caller's side received or sent, the newest first.
///
/// # Errors
/// Forbidden for roles without cases.
pub async fn of_caller(tx: &mut Tx, caller: &Caller) -> Result<Vec<RequestView>> {
    caller.require(Capability::ReadCases)?;
    let mut sql = "SELECT * FROM case_requests WHERE municipality_id = $1 AND (to_agency_id = $2 OR from_agency_id = $2"
        .to_owned();
    if caller.viewer.agency_class == AgencyClass::Department {
        sql.push_str(" OR kind = 'decision'");
    }
    sql.push_str(") ORDER BY requested_at DESC, id DESC LIMIT 1000");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(caller.viewer.municipality.as_str())
        .bind(caller.viewer.agency.as_str())
        .fetch_all(tx.conn())
        .await?;
    let stored = rows
        .into_iter()
        .map(Stored::of)
        .collect::<Result<Vec<_>>>()?;
    let mut out = views(tx, caller, stored).await?;
    out.retain(|view| view.received || view.sent);
    out.truncate(LIST_MAX);
    Ok(out)
}

async fn load(tx: &mut Tx, caller: &Caller, id: &RequestId) -> Result<Option<Stored>> {
    sqlx::query("SELECT * FROM case_requests WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?
        .map(Stored::of)
        .transpose()
}

/// One request; `None` when there is none for the caller. With it the case it is about, for the audit.
///
/// # Errors
/// Database away.
pub async fn get(
    tx: &mut Tx,
    caller: &Caller,
    id: &RequestId,
) -> Result<Option<(RequestView, CaseId)>> {
    if !caller.may(Capability::ReadCases) {
        return Ok(None);
    }
    let Some(stored) = load(tx, caller, id).await? else {
        return Ok(None);
    };
    let case = stored.case.clone();
    let mut found = views(tx, caller, vec![stored]).await?;
    Ok(found.pop().map(|view| (view, case)))
}

/// Notes that an answer was read by the side that asked.
///
/// # Errors
/// Not found, or asked by others.
pub async fn saw(tx: &mut Tx, caller: &Caller, id: &RequestId) -> Result<()> {
    let (view, _) = get(tx, caller, id).await?.ok_or(StoreError::NotFound)?;
    if !view.sent || !caller.may(Capability::EditCase) {
        return Err(StoreError::Forbidden);
    }
    let now = tx.now_text();
    sqlx::query(
        "UPDATE case_requests SET seen_at = $3 WHERE municipality_id = $1 AND id = $2 AND answered_at IS NOT NULL AND seen_at IS NULL",
    )
    .bind(caller.viewer.municipality.as_str())
    .bind(id.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an answer changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    pub case: CaseId,
    /// Members or who is in charge.
    pub rights: bool,
}

/// Answers, withdraws or completes a request, and does what that means.
///
/// # Errors
/// Not found, forbidden, answered already ([`StoreError::Conflict`]), a decision without its parts, a
/// plan that was changed since (`plan_changed`), a refusal without its reason (`words`).
pub async fn act(tx: &mut Tx, caller: &Caller, id: &RequestId, answer: &Answer) -> Result<Acted> {
    let municipality = caller.viewer.municipality.clone();
    let stored = load(tx, caller, id).await?.ok_or(StoreError::NotFound)?;
    // From here to the commit nobody changes the case's rights.
    tx.hold_case(&municipality, &stored.case).await?;
    let stored = load(tx, caller, id).await?.ok_or(StoreError::NotFound)?;
    let facts = cases::facts(tx, &municipality, std::slice::from_ref(&stored.case))
        .await?
        .remove(&stored.case)
        .ok_or(StoreError::NotFound)?;
    if !caller.may(Capability::ReadCases)
        || request::sight(&caller.viewer, &facts, &stored.facts).is_none()
    {
        return Err(StoreError::NotFound);
    }
    if !caller.may(Capability::EditCase)
        || !request::may(&caller.viewer, &facts, &stored.facts, answer.act)
    {
        return Err(StoreError::Forbidden);
    }
    let state = stored
        .facts
        .state
        .after(stored.facts.kind, answer.act)
        .ok_or(StoreError::Conflict)?;
    let said = words(&answer.words, "words")?;
    if answer.act == RequestAct::Decline && said.is_empty() {
        return Err(StoreError::Invalid("words"));
    }
    settle(tx, caller, &stored, state, answer, said).await?;
    let rights = take_effect(tx, caller, &stored, &facts, answer).await?;
    let action = match (answer.act, stored.facts.kind) {
        (RequestAct::Complete, RequestKind::Decision) => "support.decide",
        (RequestAct::Decline, RequestKind::Decision) => "support.return",
        (RequestAct::Accept, _) => "request.accept",
        (RequestAct::Decline, _) => "request.decline",
        (RequestAct::Withdraw, _) => "request.withdraw",
        _ => "request.complete",
    };
    let mut detail = serde_json::json!({ "kind": stored.facts.kind, "state": state });
    if answer.act == RequestAct::Accept && stored.facts.kind.shares() {
        detail["rows"] = serde_json::json!(stored.rights()?);
    }
    audit::record(
        tx,
        Event::by(caller, action, "request", id.as_str())
            .in_case(&stored.case)
            .detail(detail),
    );
    let topic = if rights {
        "case.access"
    } else {
        "case.request"
    };
    outbox::put(
        tx,
        &municipality,
        topic,
        stored.case.as_str(),
        Some(&stored.case),
        serde_json::Value::Null,
    );
    Ok(Acted {
        case: stored.case,
        rights,
    })
}

/// Writes the new state and what was said.
async fn settle(
    tx: &mut Tx,
    caller: &Caller,
    stored: &Stored,
    state: RequestState,
    answer: &Answer,
    said: String,
) -> Result<()> {
    let municipality = caller.viewer.municipality.clone();
    let now = tx.now_text();
    if stored.facts.state == RequestState::Accepted {
        let done = sqlx::query(
            "UPDATE case_requests SET state = $3, completed_by = $4, completed_at = $5 WHERE municipality_id = $1 AND id = $2 AND state = $6",
        )
        .bind(municipality.as_str())
        .bind(stored.id.as_str())
        .bind(state.code())
        .bind(caller.viewer.account.as_str())
        .bind(now)
        .bind(stored.facts.state.code())
        .execute(tx.conn())
        .await?;
        return if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        };
    }
    let decides = stored.facts.kind == RequestKind::Decision && answer.act == RequestAct::Complete;
    let decision = answer.decision.as_ref().filter(|_| decides);
    if decides {
        let Some(decision) = decision else {
            return Err(StoreError::Invalid("decided_on"));
        };
        if decision.decided_on > caller.viewer.today {
            return Err(StoreError::Invalid("decided_on"));
        }
        let number = decision.document_no.trim();
        if number.is_empty() || number.chars().count() > DOCUMENT_NO_MAX {
            return Err(StoreError::Invalid("document_no"));
        }
        if decision.approver.trim().is_empty() || decision.approver.chars().count() > 100 {
            return Err(StoreError::Invalid("approver"));
        }
    }
    let content = Answered {
        words: said,
        approver: decision.map(|decision| decision.approver.trim().to_owned()),
    };
    let sealed = tx
        .seal_json(
            &municipality,
            &Purpose::Case(stored.case.clone()),
            ANSWER,
            stored.id.as_str(),
            &content,
        )
        .await?;
    // Who takes the own request back, or answers it oneself, has nothing to be told of.
    let seen = (answer.act == RequestAct::Withdraw
        || caller.viewer.account == stored.facts.from_account)
        .then(|| now.clone());
    let completed = (state == RequestState::Completed).then(|| now.clone());
    let done = sqlx::query(
        "UPDATE case_requests SET state = $3, answer_sealed = $4, answered_by = $5, answered_membership_id = $6, answered_at = $7, \
         seen_at = $8, completed_by = $9, completed_at = $10, decided_on = $11, document_no = $12 \
         WHERE municipality_id = $1 AND id = $2 AND state = $13",
    )
    .bind(municipality.as_str())
    .bind(stored.id.as_str())
    .bind(state.code())
    .bind(sealed)
    .bind(caller.viewer.account.as_str())
    .bind(caller.viewer.membership.as_str())
    .bind(now)
    .bind(seen)
    .bind(completed.as_ref().map(|_| caller.viewer.account.0.clone()))
    .bind(completed)
    .bind(decision.map(|decision| decision.decided_on.to_string()))
    .bind(decision.map(|decision| decision.document_no.trim().to_owned()))
    .bind(stored.facts.state.code())
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// Does what an answer means. Returns whether rights changed.
async fn take_effect(
    tx: &mut Tx,
    caller: &Caller,
    stored: &Stored,
    facts: &CaseFacts,
    answer: &Answer,
) -> Result<bool> {
    match (stored.facts.kind, answer.act) {
        (_, RequestAct::Withdraw) => {
            end_bases(tx, caller, stored).await?;
            Ok(false)
        }
        (RequestKind::Decision, act) => {
            follow_decision(tx, caller, stored, act, answer).await?;
            Ok(false)
        }
        (_, RequestAct::Decline) => {
            end_bases(tx, caller, stored).await?;
            Ok(false)
        }
        (_, RequestAct::Complete) => Ok(false),
        (kind, RequestAct::Accept) => {
            // Who asked must still be in charge of what is handed on.
            if kind != RequestKind::Assign && stored.facts.from_agency != facts.owner {
                return Err(StoreError::Conflict);
            }
            accept(tx, caller, stored, facts).await?;
            Ok(true)
        }
        _ => Err(StoreError::Conflict),
    }
}

async fn accept(tx: &mut Tx, caller: &Caller, stored: &Stored, facts: &CaseFacts) -> Result<()> {
    let case = &stored.case;
    let to = &stored.facts.to_agency;
    let today = caller.viewer.today;
    match stored.facts.kind {
        RequestKind::Refer | RequestKind::HandoverLead => {
            let lead = stored.facts.kind == RequestKind::HandoverLead;
            let member = facts
                .members
                .iter()
                .find(|member| member.agency == *to && member.active_on(today));
            if member.is_none() || lead {
                let role = if lead { "lead" } else { "member" };
                // Who is a member already stays one for the same days.
                let (from, last) = member.map_or((today, None), |known| (known.from, known.to));
                cases::insert_member(tx, caller, case, to, role, from, last).await?;
            }
            for row in stored.rights()? {
                let row = row.keeping_days(&facts.matrix, today);
                cases::insert_disclosure(tx, caller, case, &row).await?;
            }
            if lead {
                update_case(tx, caller, case, "lead_agency_id", to.as_str()).await?;
            } else {
                touch(tx, caller, case).await?;
            }
        }
        RequestKind::Assign => {
            if *to == facts.owner {
                update_case(
                    tx,
                    caller,
                    case,
                    "owner_account_id",
                    caller.viewer.account.as_str(),
                )
                .await?;
            } else {
                sqlx::query("UPDATE case_members SET account_id = $4 WHERE municipality_id = $1 AND case_id = $2 AND agency_id = $3")
                    .bind(caller.viewer.municipality.as_str())
                    .bind(case.as_str())
                    .bind(to.as_str())
                    .bind(caller.viewer.account.as_str())
                    .execute(tx.conn())
                    .await?;
                touch(tx, caller, case).await?;
            }
        }
        RequestKind::HandoverOwner => hand_over(tx, caller, stored, facts).await?,
        _ => return Err(StoreError::Conflict),
    }
    Ok(())
}

/// The case goes to another 多機関協働事業者: the account that takes it looks after it from now on. The
/// agency that gives it away has no part in it any more, unless it is added again.
async fn hand_over(tx: &mut Tx, caller: &Caller, stored: &Stored, facts: &CaseFacts) -> Result<()> {
    let (municipality, case, to) = (
        caller.viewer.municipality.as_str(),
        stored.case.as_str(),
        stored.facts.to_agency.as_str(),
    );
    let now = tx.now_text();
    sqlx::query(
        "UPDATE cases SET owner_agency_id = $3, owner_account_id = $4, \
         lead_agency_id = CASE WHEN lead_agency_id = $5 THEN $3 ELSE lead_agency_id END, \
         version = version + 1, updated_at = $6 WHERE municipality_id = $1 AND id = $2",
    )
    .bind(municipality)
    .bind(case)
    .bind(to)
    .bind(caller.viewer.account.as_str())
    .bind(facts.owner.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    // The agency in charge is no member beside that; rows of the matrix of either would come to life
    // again with a later membership.
    for sql in [
        "DELETE FROM case_members WHERE municipality_id = $1 AND case_id = $2 AND agency_id IN ($3, $4)",
        "DELETE FROM disclosures WHERE municipality_id = $1 AND case_id = $2 AND agency_id IN ($3, $4)",
    ] {
        sqlx::query(sql)
            .bind(municipality)
            .bind(case)
            .bind(to)
            .bind(facts.owner.as_str())
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

async fn update_case(
    tx: &mut Tx,
    caller: &Caller,
    case: &CaseId,
    column: &'static str,
    value: &str,
) -> Result<()> {
    let now = tx.now_text();
    let sql = format!(
        "UPDATE cases SET {column} = $3, version = version + 1, updated_at = $4 WHERE municipality_id = $1 AND id = $2"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(caller.viewer.municipality.as_str())
        .bind(case.as_str())
        .bind(value)
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn touch(tx: &mut Tx, caller: &Caller, case: &CaseId) -> Result<()> {
    let now = tx.now_text();
    sqlx::query("UPDATE cases SET updated_at = $3 WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(case.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What was confirmed for a sharing that does not come about covers nothing.
async fn end_bases(tx: &mut Tx, caller: &Caller, stored: &Stored) -> Result<()> {
    let now = tx.now_text();
    for basis in stored.bases()? {
        sqlx::query("UPDATE sharing_bases SET ended_at = $3 WHERE municipality_id = $1 AND id = $2 AND ended_at IS NULL")
            .bind(caller.viewer.municipality.as_str())
            .bind(basis)
            .bind(now.as_str())
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// The stage follows the decision: 支援決定, or after 差戻し back to the plan.
async fn follow_decision(
    tx: &mut Tx,
    caller: &Caller,
    stored: &Stored,
    act: RequestAct,
    answer: &Answer,
) -> Result<()> {
    let municipality = caller.viewer.municipality.clone();
    let present: String =
        sqlx::query_scalar("SELECT stage FROM cases WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(stored.case.as_str())
            .fetch_one(tx.conn())
            .await?;
    if Stage::from_code(&present) != Some(Stage::Meeting) {
        return Err(StoreError::Conflict);
    }
    let to = match act {
        RequestAct::Complete => {
            let plan = stored.optional("plan_document_id")?.unwrap_or_default();
            let wanted: Option<i64> = stored.row.try_get("plan_final")?;
            let row = sqlx::query(
                "SELECT d.state, (SELECT MAX(f.number) FROM document_finals f WHERE f.municipality_id = d.municipality_id \
                 AND f.document_id = d.id) AS final FROM documents d WHERE d.municipality_id = $1 AND d.id = $2",
            )
            .bind(municipality.as_str())
            .bind(plan)
            .fetch_optional(tx.conn())
            .await?;
            let same = match row {
                Some(row) => {
                    row.try_get::<String, _>("state")? == "final"
                        && row.try_get::<Option<i64>, _>("final")? == wanted
                }
                None => false,
            };
            if !same {
                return Err(StoreError::Taken("plan_changed"));
            }
            Stage::Decided
        }
        _ => Stage::Planning,
    };
    update_case(tx, caller, &stored.case, "stage", to.code()).await?;
    let note = StepNote {
        entered_on: answer
            .decision
            .as_ref()
            .filter(|_| to == Stage::Decided)
            .map(|decision| decision.decided_on),
        reason: Some(answer.words.clone()),
        ..StepNote::default()
    };
    course::record(tx, caller, &stored.case, Some(Stage::Meeting), to, &note).await
}

impl CaseAccess {
    /// Everything that masking words about this case needs: for those who may ask others.
    ///
    /// # Errors
    /// Database away.
    pub async fn register(&self, tx: &mut Tx) -> Result<Vec<(i64, crate::persons::Person)>> {
        crate::documents::register_of(tx, self.municipality(), self.id()).await
    }

    /// The requests of the case that the caller may see, the newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn requests(&self, tx: &mut Tx) -> Result<Vec<RequestView>> {
        let rows = sqlx::query(
            "SELECT * FROM case_requests WHERE municipality_id = $1 AND case_id = $2 ORDER BY requested_at DESC, id DESC",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        let stored = rows
            .into_iter()
            .map(Stored::of)
            .collect::<Result<Vec<_>>>()?;
        let mut found = views(tx, self.caller(), stored).await?;
        if self.writable().is_err() {
            // 見え方の確認 shows, changes nothing.
            for view in &mut found {
                view.acts.clear();
            }
        }
        Ok(found)
    }

    /// The 支援決定 that were made, the oldest first: for whoever reads the plans.
    ///
    /// # Errors
    /// Database away.
    pub async fn decisions(&self, tx: &mut Tx) -> Result<Vec<DecisionView>> {
        if self.decision(Section::Plan).level < Level::Read {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT id, plan_document_id, plan_number, decided_on, document_no, answer_sealed FROM case_requests \
             WHERE municipality_id = $1 AND case_id = $2 AND kind = 'decision' AND state = 'completed' ORDER BY decided_on, id",
        )
        .bind(self.municipality().as_str())
        .bind(self.id().as_str())
        .fetch_all(tx.conn())
        .await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let answered: Answered = tx
                .open_json(
                    self.municipality(),
                    ANSWER,
                    &id,
                    &row.try_get::<Vec<u8>, _>("answer_sealed")?,
                )
                .await?;
            out.push(DecisionView {
                plan: DocumentId(row.try_get("plan_document_id")?),
                plan_number: row.try_get("plan_number")?,
                decided_on: optional_date(row.try_get("decided_on")?)?,
                document_no: row.try_get("document_no")?,
                approver: answered.approver,
            });
        }
        Ok(out)
    }

    /// Whether the caller may ask for this.
    #[must_use]
    pub fn may_ask(&self, kind: RequestKind) -> bool {
        match kind {
            RequestKind::Decision => self.may(Capability::EditCase),
            RequestKind::Assign => {
                self.writable().is_ok()
                    && self.caller.may(Capability::EditCase)
                    && self.caller.viewer.agency_class != AgencyClass::Department
            }
            _ => self.may(Capability::ManageMembers),
        }
    }

    /// Asks another agency or a colleague. What acceptance would share, and that the agency hears of
    /// the case at all, goes through the protocol of sharing now.
    ///
    /// # Errors
    /// Forbidden; an agency or colleague that cannot be asked (`to_agency`, `to_account`); no words or
    /// too many (`words`); a day that is over (`due_on`); the same asked already ([`StoreError::Taken`]).
    pub async fn ask(
        &self,
        tx: &mut Tx,
        new: &NewRequest,
        confirmation: Option<&Confirmation>,
    ) -> Result<Asked> {
        if !self.may_ask(new.kind) {
            return Err(StoreError::Forbidden);
        }
        tx.hold_case(self.municipality(), self.id()).await?;
        let said = words(&new.words, "words")?;
        if said.is_empty() && new.kind != RequestKind::Assign {
            return Err(StoreError::Invalid("words"));
        }
        if new.due_on.is_some_and(|due| due < self.caller.viewer.today) {
            return Err(StoreError::Invalid("due_on"));
        }
        let (to, to_account) = self.whom(tx, new).await?;
        let mut plan = None;
        if new.kind == RequestKind::Decision {
            let (written, sheet) = self.written(tx).await?;
            let missing: Vec<Requirement> = domain::course::before_decision(&written)
                .into_iter()
                .filter(|one| !one.met)
                .collect();
            if !missing.is_empty() {
                return Ok(Asked::Missing(missing));
            }
            if self.stage() != Stage::Meeting {
                return Err(StoreError::Invalid("stage"));
            }
            plan = sheet;
        }
        let mut bases = Vec::new();
        if new.kind != RequestKind::Assign && new.kind != RequestKind::Decision {
            let rights = self.asked_rights(new, &to);
            let impossible = |right: &Disclosure| {
                right.days().is_reversed() || right.is_over(self.caller.viewer.today)
            };
            if rights.iter().any(impossible) {
                return Err(StoreError::Invalid("period"));
            }
            // As acceptance makes it: who is a member stays one for the same days.
            let membership = self
                .facts
                .members
                .iter()
                .find(|member| member.agency == to && member.active_on(self.caller.viewer.today))
                .map_or(Days::ALL, Member::days);
            let proposed = self.proposed(tx, &rights, |_| Some(membership)).await?;
            match self.cover(&proposed, confirmation) {
                Err(answer) => return Ok(Asked::Sharing(*answer)),
                Ok(Some(covered)) => {
                    bases = self.record_override(tx, new.kind.code(), &covered).await?;
                }
                Ok(None) => {}
            }
        }
        let rights: Vec<&Disclosure> = new.rights.iter().filter(|_| new.kind.shares()).collect();
        let id: RequestId = tx.database().fresh();
        let content = Content {
            words: said,
            masked: new.masked.clone(),
        };
        let sealed = tx
            .seal_json(
                self.municipality(),
                &self.purpose(),
                CONTENT,
                id.as_str(),
                &content,
            )
            .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO case_requests (municipality_id, id, case_id, kind, state, from_agency_id, from_account_id, from_membership_id, \
             to_agency_id, to_account_id, due_on, rights, bases, content_sealed, requested_at, plan_document_id, plan_number, plan_final) \
             VALUES ($1, $2, $3, $4, 'requested', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(self.municipality().as_str())
        .bind(id.as_str())
        .bind(self.id().as_str())
        .bind(new.kind.code())
        .bind(self.caller.viewer.agency.as_str())
        .bind(self.caller.viewer.account.as_str())
        .bind(self.caller.viewer.membership.as_str())
        .bind(to.as_str())
        .bind(to_account.clone().map(|id| id.0))
        .bind(new.due_on.map(|day| day.to_string()))
        .bind(list(&rights)?)
        .bind(list(&bases)?)
        .bind(sealed)
        .bind(now)
        .bind(plan.as_ref().map(|plan| plan.document.0.clone()))
        .bind(plan.as_ref().map(|plan| plan.number))
        .bind(plan.as_ref().map(|plan| plan.final_number))
        .execute(tx.conn())
        .await
        .map_err(taken("request"))?;
        let detail = serde_json::json!({
            "kind": new.kind, "agency": to, "account": to_account, "rows": rights, "due_on": new.due_on,
        });
        audit::record(
            tx,
            Event::by(&self.caller, "request.create", "request", id.as_str())
                .in_case(self.id())
                .detail(detail),
        );
        self.announce(tx, "case.request");
        Ok(Asked::Made(id))
    }

    /// What the agency would come to see, and at least that there is the case.
    fn asked_rights(&self, new: &NewRequest, to: &AgencyId) -> Vec<Disclosure> {
        let row = |section, level| Disclosure {
            agency: to.clone(),
            section,
            level,
            comment: false,
            from: None,
            to: None,
        };
        if new.kind == RequestKind::HandoverOwner {
            return Section::ALL
                .iter()
                .map(|section| row(*section, Level::Read))
                .collect();
        }
        let today = self.caller.viewer.today;
        let member = self
            .facts
            .members
            .iter()
            .any(|member| member.agency == *to && member.active_on(today));
        let mut rights: Vec<Disclosure> = new
            .rights
            .iter()
            .filter(|right| right.level > Level::None)
            .map(|right| right.clone().keeping_days(&self.facts.matrix, today))
            .collect();
        if !member {
            // Rows of an earlier membership come back to life: they count as new.
            for former in &self.facts.matrix {
                if former.agency == *to
                    && former.level > Level::None
                    && !former.is_over(today)
                    && !new
                        .rights
                        .iter()
                        .any(|right| right.section == former.section)
                {
                    rights.push(former.clone());
                }
            }
            if !rights.iter().any(|right| right.section == Section::Intake) {
                rights.push(row(Section::Intake, Level::Masked));
            }
        }
        rights
    }

    /// Who is asked.
    async fn whom(&self, tx: &mut Tx, new: &NewRequest) -> Result<(AgencyId, Option<AccountId>)> {
        let own = &self.caller.viewer.agency;
        if new.kind == RequestKind::Assign {
            let account = new
                .to_account
                .clone()
                .ok_or(StoreError::Invalid("to_account"))?;
            let hats =
                memberships::usable(tx, self.municipality(), &account, self.caller.viewer.today)
                    .await?;
            let shut_out = self.facts.exclusions.iter().any(|exclusion| {
                exclusion.about.is_none() && exclusion.who == Excluded::Account(account.clone())
            });
            let fits = hats
                .iter()
                .any(|hat| hat.agency == *own && hat.role.has(Capability::EditCase));
            return if fits && !shut_out {
                Ok((own.clone(), Some(account)))
            } else {
                Err(StoreError::Invalid("to_account"))
            };
        }
        let known = agencies::by_id(tx, self.municipality()).await?;
        let mut choices = known
            .values()
            .filter(|agency| agency.active)
            .filter(|agency| match new.kind {
                RequestKind::Decision => agency.class == AgencyClass::Department,
                RequestKind::HandoverOwner => {
                    agency.class == AgencyClass::Coordinator && agency.id != self.facts.owner
                }
                _ => agency.class != AgencyClass::Department && agency.id != self.facts.owner,
            })
            .filter(|agency| {
                !self.facts.exclusions.iter().any(|exclusion| {
                    exclusion.about.is_none()
                        && exclusion.who == Excluded::Agency(agency.id.clone())
                })
            });
        let chosen = match (&new.to_agency, new.kind) {
            (Some(asked), _) => choices.find(|agency| agency.id == *asked),
            (None, RequestKind::Decision) => {
                let first = choices.next();
                first.filter(|_| choices.next().is_none())
            }
            (None, _) => None,
        };
        let chosen = chosen.ok_or(StoreError::Invalid("to_agency"))?;
        if new.rights.iter().any(|right| right.agency != chosen.id) {
            return Err(StoreError::Invalid("to_agency"));
        }
        Ok((chosen.id.clone(), None))
    }
}

/// Takes out what a request and its answer say (消去). That it was made, answered and by whom stays.
///
/// # Errors
/// Database away.
pub(crate) async fn forget_words(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    id: &str,
) -> Result<u64> {
    let row = sqlx::query(
        "SELECT answer_sealed FROM case_requests WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok(0);
    };
    let purpose = Purpose::Case(case.clone());
    let nothing = Content {
        words: String::new(),
        masked: None,
    };
    let content = tx
        .seal_json(municipality, &purpose, CONTENT, id, &nothing)
        .await?;
    let answer = match row.try_get::<Option<Vec<u8>>, _>("answer_sealed")? {
        Some(sealed) => {
            let said: Answered = tx.open_json(municipality, ANSWER, id, &sealed).await?;
            let left = Answered {
                words: String::new(),
                ..said
            };
            Some(
                tx.seal_json(municipality, &purpose, ANSWER, id, &left)
                    .await?,
            )
        }
        None => None,
    };
    let done = sqlx::query(
        "UPDATE case_requests SET content_sealed = $4, answer_sealed = $5 WHERE municipality_id = $1 AND case_id = $2 AND id = $3",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(id)
    .bind(content)
    .bind(answer)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
