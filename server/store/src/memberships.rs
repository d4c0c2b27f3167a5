//! Memberships: account × agency × role × period. 兼務 is normal; one is active in a session.

use domain::agency::AgencyClass;
use domain::id::{AccountId, AgencyId, MembershipId, MunicipalityId};
use domain::role::{Capability, Role};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::accounts::AdminAccess;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// A membership with the agency's name and class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Membership {
    pub id: MembershipId,
    pub account: AccountId,
    pub agency: AgencyId,
    pub agency_name: String,
    pub agency_class: AgencyClass,
    pub role: Role,
    pub valid_from: Date,
    pub valid_to: Option<Date>,
    /// Neither the membership nor its agency is stopped.
    pub active: bool,
    pub version: i64,
}

impl Membership {
    /// Whether it can be used on a day.
    #[must_use]
    pub fn valid_on(&self, day: Date) -> bool {
        self.active && self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

/// A new membership.
#[derive(Debug, Clone, Deserialize)]
pub struct NewMembership {
    pub account: AccountId,
    pub agency: AgencyId,
    pub role: Role,
    pub valid_from: Date,
    pub valid_to: Option<Date>,
}

/// Changed fields of a membership.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct MembershipPatch {
    pub role: Option<Role>,
    /// `Some(None)` opens the end.
    pub valid_to: Option<Option<Date>>,
}

pub(crate) const SELECT: &str = "SELECT m.id, m.account_id, m.agency_id, m.role, m.valid_from, m.valid_to, m.state, m.version, \
     g.name AS agency_name, g.class AS agency_class, g.state AS agency_state \
     FROM memberships m JOIN agencies g ON g.municipality_id = m.municipality_id AND g.id = m.agency_id";

pub(crate) fn date(text: &str) -> Result<Date> {
    text.parse().map_err(|_| StoreError::Corrupt("date"))
}

pub(crate) fn optional_date(text: Option<String>) -> Result<Option<Date>> {
    text.as_deref().map(date).transpose()
}

pub(crate) fn from_row(row: &sqlx::any::AnyRow) -> Result<Membership> {
    let own: String = row.try_get("state")?;
    let agency: String = row.try_get("agency_state")?;
    Ok(Membership {
        id: MembershipId(row.try_get("id")?),
        account: AccountId(row.try_get("account_id")?),
        agency: AgencyId(row.try_get("agency_id")?),
        agency_name: row.try_get("agency_name")?,
        agency_class: AgencyClass::from_code(&row.try_get::<String, _>("agency_class")?)
            .ok_or(StoreError::Corrupt("agencies.class"))?,
        role: Role::from_code(&row.try_get::<String, _>("role")?)
            .ok_or(StoreError::Corrupt("memberships.role"))?,
        valid_from: date(&row.try_get::<String, _>("valid_from")?)?,
        valid_to: optional_date(row.try_get("valid_to")?)?,
        active: own == "active" && agency == "active",
        version: row.try_get("version")?,
    })
}

/// The memberships of an account that can be used on a day, the oldest first.
///
/// # Errors
/// Database away.
pub async fn usable(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
    day: Date,
) -> Result<Vec<Membership>> {
    let sql = format!(
        "{SELECT} WHERE m.municipality_id = $1 AND m.account_id = $2 ORDER BY m.valid_from, m.id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(account.as_str())
        .fetch_all(tx.conn())
        .await?;
    let all: Vec<Membership> = rows.iter().map(from_row).collect::<Result<_>>()?;
    Ok(all
        .into_iter()
        .filter(|membership| membership.valid_on(day))
        .collect())
}

/// In which agencies, of which class, and in which roles people work in a municipality; each once.
pub(crate) async fn desks(
    tx: &mut Tx,
    municipality: &MunicipalityId,
) -> Result<Vec<(AgencyId, AgencyClass, Role)>> {
    let rows = sqlx::query(
        "SELECT DISTINCT m.agency_id, g.class, m.role FROM memberships m \
         JOIN agencies g ON g.municipality_id = m.municipality_id AND g.id = m.agency_id \
         WHERE m.municipality_id = $1 AND m.state = 'active' AND g.state = 'active'",
    )
    .bind(municipality.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            Ok((
                AgencyId(row.try_get("agency_id")?),
                AgencyClass::from_code(&row.try_get::<String, _>("class")?)
                    .ok_or(StoreError::Corrupt("agencies.class"))?,
                Role::from_code(&row.try_get::<String, _>("role")?)
                    .ok_or(StoreError::Corrupt("memberships.role"))?,
            ))
        })
        .collect()
}

/// Who works on cases for the caller's agency today, by name: whom one can ask to look after one.
///
/// # Errors
/// Forbidden for roles that do not work on cases.
pub async fn colleagues(tx: &mut Tx, caller: &Caller) -> Result<Vec<(AccountId, String)>> {
    caller.require(Capability::EditCase)?;
    let viewer = &caller.viewer;
    let sql = format!(
        "{SELECT} JOIN accounts a ON a.municipality_id = m.municipality_id AND a.id = m.account_id \
         WHERE a.state = 'active' AND m.municipality_id = $1 AND m.agency_id = $2 ORDER BY m.account_id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(viewer.municipality.as_str())
        .bind(viewer.agency.as_str())
        .fetch_all(tx.conn())
        .await?;
    let mut ids = Vec::new();
    for row in &rows {
        let hat = from_row(row)?;
        if hat.valid_on(viewer.today) && hat.role.has(Capability::EditCase) {
            ids.push(hat.account);
        }
    }
    let names = crate::accounts::names(tx, &viewer.municipality, &ids).await?;
    let mut out: Vec<(AccountId, String)> = names.into_iter().collect();
    out.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    Ok(out)
}

/// Whether a role goes with a class of agency; and which roles an agency's own manager may give.
fn role_fits(role: Role, class: AgencyClass) -> bool {
    match role {
        Role::Coordinator | Role::CoordMgr => class == AgencyClass::Coordinator,
        Role::DepartmentStaff | Role::DepartmentApprover => class == AgencyClass::Department,
        Role::Agency | Role::AgencyMgr => class == AgencyClass::Agency,
        Role::Sysadmin | Role::Auditor | Role::Stat => class != AgencyClass::Agency,
        _ => true,
    }
}

fn manager_may_give(role: Role) -> bool {
    matches!(
        role,
        Role::Agency | Role::AgencyMgr | Role::Coordinator | Role::CoordMgr | Role::Viewer
    )
}

impl AdminAccess {
    async fn check_role(&self, tx: &mut Tx, agency: &AgencyId, role: Role) -> Result<()> {
        if !self.reaches_agency(agency) {
            return Err(StoreError::NotFound);
        }
        if !self.is_municipal() && !manager_may_give(role) {
            return Err(StoreError::Forbidden);
        }
        let agency = crate::agencies::get(tx, &self.municipality, agency)
            .await?
            .ok_or(StoreError::NotFound)?;
        if role_fits(role, agency.class) {
            Ok(())
        } else {
            Err(StoreError::Invalid("role"))
        }
    }

    /// Gives an account a role in an agency.
    ///
    /// # Errors
    /// `role` does not fit the agency's class, `period` is empty, or out of reach.
    pub async fn create_membership(
        &self,
        tx: &mut Tx,
        new: &NewMembership,
    ) -> Result<MembershipId> {
        self.check_role(tx, &new.agency, new.role).await?;
        if new.valid_to.is_some_and(|to| to < new.valid_from) {
            return Err(StoreError::Invalid("period"));
        }
        // A manager may take in an account without a hat, or one that already works here: not
        // another agency's people.
        if let Some(own) = self.own_agency() {
            let elsewhere: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM memberships WHERE municipality_id = $1 AND account_id = $2 AND agency_id <> $3",
            )
            .bind(self.municipality.as_str())
            .bind(new.account.as_str())
            .bind(own.as_str())
            .fetch_one(tx.conn())
            .await?;
            if elsewhere > 0 {
                return Err(StoreError::NotFound);
            }
        }
        let known: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM accounts WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(new.account.as_str())
        .fetch_one(tx.conn())
        .await?;
        if known == 0 {
            return Err(StoreError::NotFound);
        }
        let id: MembershipId = tx.database().fresh();
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO memberships (municipality_id, id, account_id, agency_id, role, valid_from, valid_to, state, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', 1, $8)",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(new.account.as_str())
        .bind(new.agency.as_str())
        .bind(new.role.code())
        .bind(new.valid_from.to_string())
        .bind(new.valid_to.map(|day| day.to_string()))
        .bind(now)
        .execute(tx.conn())
        .await?;
        Ok(id)
    }

    /// Memberships within reach; of one account when given.
    ///
    /// # Errors
    /// Database away.
    pub async fn memberships(
        &self,
        tx: &mut Tx,
        account: Option<&AccountId>,
    ) -> Result<Vec<Membership>> {
        let mut sql = format!("{SELECT} WHERE m.municipality_id = $1");
        let mut values = vec![self.municipality.0.clone()];
        if let Some(account) = account {
            values.push(account.0.clone());
            sql.push_str(&format!(" AND m.account_id = ${}", values.len()));
        }
        if let Some(own) = self.own_agency() {
            values.push(own.0.clone());
            sql.push_str(&format!(" AND m.agency_id = ${}", values.len()));
        }
        sql.push_str(" ORDER BY m.account_id, m.valid_from, m.id");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(tx.conn()).await?;
        rows.iter().map(from_row).collect()
    }

    /// One membership within reach.
    ///
    /// # Errors
    /// Database away.
    pub async fn membership(&self, tx: &mut Tx, id: &MembershipId) -> Result<Option<Membership>> {
        let found = find(tx, &self.municipality, id).await?;
        Ok(found.filter(|membership| self.reaches_agency(&membership.agency)))
    }

    /// Changes a membership that stands at `version`; its sessions end, so that nobody goes on
    /// with rights of before.
    ///
    /// # Errors
    /// Conflict, role not fitting, or out of reach.
    pub async fn update_membership(
        &self,
        tx: &mut Tx,
        id: &MembershipId,
        version: i64,
        patch: &MembershipPatch,
    ) -> Result<()> {
        let now = self.membership(tx, id).await?.ok_or(StoreError::NotFound)?;
        // Also the present role must be one the manager could give: no demotion of an auditor.
        self.check_role(tx, &now.agency, now.role).await?;
        let role = patch.role.unwrap_or(now.role);
        self.check_role(tx, &now.agency, role).await?;
        let valid_to = patch.valid_to.unwrap_or(now.valid_to);
        if valid_to.is_some_and(|to| to < now.valid_from) {
            return Err(StoreError::Invalid("period"));
        }
        let done = sqlx::query(
            "UPDATE memberships SET role = $4, valid_to = $5, version = version + 1 \
             WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(version)
        .bind(role.code())
        .bind(valid_to.map(|day| day.to_string()))
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        self.end_sessions_of(tx, id).await
    }

    /// Stops a membership; sessions in it end at once.
    ///
    /// # Errors
    /// Out of reach.
    pub async fn stop_membership(&self, tx: &mut Tx, id: &MembershipId) -> Result<()> {
        self.set_membership_state(tx, id, "stopped").await?;
        self.end_sessions_of(tx, id).await
    }

    /// Takes a stopped membership back.
    ///
    /// # Errors
    /// Out of reach.
    pub async fn reactivate_membership(&self, tx: &mut Tx, id: &MembershipId) -> Result<()> {
        self.set_membership_state(tx, id, "active").await
    }

    async fn set_membership_state(
        &self,
        tx: &mut Tx,
        id: &MembershipId,
        state: &'static str,
    ) -> Result<()> {
        let now = self.membership(tx, id).await?.ok_or(StoreError::NotFound)?;
        self.check_role(tx, &now.agency, now.role).await?;
        sqlx::query("UPDATE memberships SET state = $3, version = version + 1 WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .bind(state)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    async fn end_sessions_of(&self, tx: &mut Tx, id: &MembershipId) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE municipality_id = $1 AND membership_id = $2")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .execute(tx.conn())
            .await?;
        Ok(())
    }
}

pub(crate) async fn find(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    id: &MembershipId,
) -> Result<Option<Membership>> {
    let sql = format!("{SELECT} WHERE m.municipality_id = $1 AND m.id = $2");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.as_ref().map(from_row).transpose()
}
