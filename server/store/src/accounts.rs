//! Accounts: who signs in. Managing them goes through [`AdminAccess`].

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::id::{AccountId, AgencyId, MunicipalityId, PersonId};
use domain::role::Capability;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError, taken};

/// Shortest password accepted, in characters (NIST SP 800-63B: length instead of composition).
pub const PASSWORD_MIN: usize = 12;
const PASSWORD_MAX: usize = 256;
/// Recovery codes handed out at enrolment.
pub const RECOVERY_CODES: usize = 10;

/// argon2id with its cost. Runs 20–100 ms of CPU: only on a blocking thread.
#[derive(Debug, Clone)]
pub struct Hashing {
    memory_kib: u32,
    passes: u32,
}

impl Default for Hashing {
    /// 19 MiB, two passes, one lane (OWASP's recommendation).
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
        }
    }
}

impl Hashing {
    /// The cheapest cost there is; for tests.
    #[must_use]
    pub fn cheap() -> Self {
        Self {
            memory_kib: 8,
            passes: 1,
        }
    }

    fn argon2(&self) -> Result<Argon2<'static>> {
        let params = Params::new(self.memory_kib, self.passes, 1, None)
            .map_err(|_| StoreError::Invalid("hashing"))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// PHC string of a password with fresh salt of the operating system.
    ///
    /// # Errors
    /// Only when the cost is not usable.
    pub fn hash(&self, password: &str) -> Result<String> {
        let hash: PasswordHash = self
            .argon2()?
            .hash_password(password.as_bytes())
            .map_err(|_| StoreError::Invalid("password"))?;
        Ok(hash.to_string())
    }

    /// Compares in the time the hash's own parameters take.
    #[must_use]
    pub fn verify(&self, password: &str, phc: &str) -> bool {
        let (Ok(hash), Ok(argon2)) = (PasswordHash::new(phc), self.argon2()) else {
            return false;
        };
        argon2.verify_password(password.as_bytes(), &hash).is_ok()
    }
}

/// Whether a new password is acceptable; the code tells why not.
///
/// # Errors
/// `password_too_short`, `password_too_long`, `password_is_login_id`, `password_repetitive`.
pub fn check_password(password: &str, login_id: &str) -> Result<()> {
    let length = password.chars().count();
    if length < PASSWORD_MIN {
        return Err(StoreError::Invalid("password_too_short"));
    }
    if length > PASSWORD_MAX {
        return Err(StoreError::Invalid("password_too_long"));
    }
    let lower = password.to_lowercase();
    let login = login_id.to_lowercase();
    if login.chars().count() >= 3 && lower.replace(&login, "").chars().count() < 6 {
        return Err(StoreError::Invalid("password_is_login_id"));
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    if distinct.len() < 4 {
        return Err(StoreError::Invalid("password_repetitive"));
    }
    Ok(())
}

/// An account as administrators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    pub id: AccountId,
    pub login_id: String,
    pub name: String,
    pub kana: Option<String>,
    pub email: Option<String>,
    pub profession: Option<String>,
    pub active: bool,
    pub enrolled: bool,
    pub must_change_password: bool,
    pub version: i64,
    pub created_at: String,
}

/// A new account. `password_hash` comes from [`Hashing::hash`] after [`check_password`].
#[derive(Debug, Clone, Deserialize)]
pub struct NewAccount {
    pub login_id: String,
    pub name: String,
    pub kana: Option<String>,
    pub email: Option<String>,
    pub profession: Option<String>,
    #[serde(skip)]
    pub password_hash: String,
    #[serde(skip)]
    pub must_change_password: bool,
}

/// Changed fields of an account; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    pub name: Option<String>,
    pub kana: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub profession: Option<Option<String>>,
}

/// Whose accounts, agencies and memberships may be managed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    Municipality,
    Agency(AgencyId),
}

/// The right to manage accounts, agencies and memberships.
#[derive(Debug, Clone)]
pub struct AdminAccess {
    pub(crate) municipality: MunicipalityId,
    reach: Reach,
}

impl Tx {
    /// The caller's right to administer, if any: the whole municipality for system administrators,
    /// the own agency for its managers.
    #[must_use]
    pub fn admin_for(&self, caller: &Caller) -> Option<AdminAccess> {
        let reach = if caller.may(Capability::AdminAccounts) {
            Reach::Municipality
        } else if caller.may(Capability::AdminOwnAgency) {
            Reach::Agency(caller.viewer.agency.clone())
        } else {
            return None;
        };
        Some(AdminAccess {
            municipality: caller.viewer.municipality.clone(),
            reach,
        })
    }
}

pub(crate) fn trimmed(text: &str, code: &'static str, max: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(StoreError::Invalid(code));
    }
    Ok(text.to_owned())
}

impl AdminAccess {
    /// The right of whoever holds the machine: command line, demo data. Never from a request.
    #[must_use]
    pub fn of_installation(municipality: &MunicipalityId) -> Self {
        Self {
            municipality: municipality.clone(),
            reach: Reach::Municipality,
        }
    }

    /// Whether the whole municipality may be managed (creating agencies, granting any role).
    #[must_use]
    pub fn is_municipal(&self) -> bool {
        self.reach == Reach::Municipality
    }

    pub(crate) fn reaches_agency(&self, agency: &AgencyId) -> bool {
        match &self.reach {
            Reach::Municipality => true,
            Reach::Agency(own) => own == agency,
        }
    }

    pub(crate) fn own_agency(&self) -> Option<&AgencyId> {
        match &self.reach {
            Reach::Municipality => None,
            Reach::Agency(own) => Some(own),
        }
    }

    /// An agency's manager reaches accounts all of whose memberships are with the agency: an
    /// account with a second hat belongs to the municipality's administrator.
    async fn reaches_account(&self, tx: &mut Tx, account: &AccountId) -> Result<bool> {
        let Reach::Agency(own) = &self.reach else {
            return Ok(true);
        };
        // Nor one with a hat that a manager cannot give: setting its password would be putting it on.
        let row = sqlx::query(
            "SELECT CAST(SUM(CASE WHEN agency_id = $3 AND role NOT IN ('sysadmin', 'department_staff', 'department_approver', 'auditor', 'stat') \
             THEN 1 ELSE 0 END) AS BIGINT) AS inside, \
             CAST(SUM(CASE WHEN agency_id = $3 AND role NOT IN ('sysadmin', 'department_staff', 'department_approver', 'auditor', 'stat') \
             THEN 0 ELSE 1 END) AS BIGINT) AS outside \
             FROM memberships WHERE municipality_id = $1 AND account_id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(account.as_str())
        .bind(own.as_str())
        .fetch_one(tx.conn())
        .await?;
        let inside: Option<i64> = row.try_get("inside")?;
        let outside: Option<i64> = row.try_get("outside")?;
        Ok(inside.unwrap_or(0) > 0 && outside.unwrap_or(0) == 0)
    }

    async fn reach_account(&self, tx: &mut Tx, account: &AccountId) -> Result<()> {
        if self.reaches_account(tx, account).await? {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Creates an account; without a membership it can sign in but do nothing.
    ///
    /// # Errors
    /// `login_id` taken or malformed.
    pub async fn create_account(&self, tx: &mut Tx, new: &NewAccount) -> Result<AccountId> {
        let login_id = normal_login_id(&new.login_id)?;
        let name = trimmed(&new.name, "name", 100)?;
        let id: AccountId = tx.database().fresh();
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO accounts (municipality_id, id, login_id, name, kana, email, profession, state, password_hash, \
             password_changed_at, must_change_password, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9, $10, 1, $9)",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(login_id)
        .bind(name)
        .bind(new.kana.clone())
        .bind(new.email.clone())
        .bind(new.profession.clone())
        .bind(new.password_hash.as_str())
        .bind(now)
        .bind(i64::from(new.must_change_password))
        .execute(tx.conn())
        .await
        .map_err(taken("login_id"))?;
        Ok(id)
    }

    /// The accounts within reach, by login id.
    ///
    /// # Errors
    /// Database away.
    pub async fn accounts(&self, tx: &mut Tx) -> Result<Vec<Account>> {
        let mut sql = "SELECT * FROM accounts a WHERE a.municipality_id = $1".to_owned();
        if self.own_agency().is_some() {
            sql.push_str(
                " AND EXISTS (SELECT 1 FROM memberships m WHERE m.municipality_id = a.municipality_id \
                 AND m.account_id = a.id AND m.agency_id = $2)",
            );
        }
        sql.push_str(" ORDER BY a.login_id");
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(self.municipality.as_str());
        if let Some(own) = self.own_agency() {
            query = query.bind(own.as_str());
        }
        let rows = query.fetch_all(tx.conn()).await?;
        rows.iter().map(from_row).collect()
    }

    /// One account within reach. An agency's manager sees every account that works for the agency.
    ///
    /// # Errors
    /// Database away.
    pub async fn account(&self, tx: &mut Tx, id: &AccountId) -> Result<Option<Account>> {
        if let Some(own) = self.own_agency() {
            let members: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM memberships WHERE municipality_id = $1 AND account_id = $2 AND agency_id = $3",
            )
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .bind(own.as_str())
            .fetch_one(tx.conn())
            .await?;
            if members == 0 {
                return Ok(None);
            }
        }
        let row = sqlx::query("SELECT * FROM accounts WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .fetch_optional(tx.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Changes an account that stands at `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it changed meanwhile, `NotFound` out of reach.
    pub async fn update_account(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        version: i64,
        patch: &AccountPatch,
    ) -> Result<()> {
        self.reach_account(tx, id).await?;
        let name = patch
            .name
            .as_deref()
            .map(|name| trimmed(name, "name", 100))
            .transpose()?;
        let done = sqlx::query(
            "UPDATE accounts SET name = COALESCE($4, name), \
             kana = CASE WHEN $5 = 1 THEN $6 ELSE kana END, email = CASE WHEN $7 = 1 THEN $8 ELSE email END, \
             profession = CASE WHEN $9 = 1 THEN $10 ELSE profession END, version = version + 1 \
             WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(version)
        .bind(name)
        .bind(i64::from(patch.kana.is_some()))
        .bind(patch.kana.clone().flatten())
        .bind(i64::from(patch.email.is_some()))
        .bind(patch.email.clone().flatten())
        .bind(i64::from(patch.profession.is_some()))
        .bind(patch.profession.clone().flatten())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        match self.account(tx, id).await? {
            Some(_) => Err(StoreError::Conflict),
            None => Err(StoreError::NotFound),
        }
    }

    /// Stops an account: its sessions end and its tokens are revoked at once.
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn stop_account(&self, tx: &mut Tx, id: &AccountId) -> Result<()> {
        self.set_state(tx, id, "stopped").await?;
        end_sessions(tx, &self.municipality, id).await?;
        let now = tx.now_text();
        sqlx::query("UPDATE api_tokens SET revoked_at = $3 WHERE municipality_id = $1 AND account_id = $2 AND revoked_at IS NULL")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Lets a stopped account sign in again (with its old password and second factor).
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn reactivate_account(&self, tx: &mut Tx, id: &AccountId) -> Result<()> {
        self.set_state(tx, id, "active").await?;
        end_sessions(tx, &self.municipality, id).await
    }

    async fn set_state(&self, tx: &mut Tx, id: &AccountId, state: &'static str) -> Result<()> {
        self.reach_account(tx, id).await?;
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE accounts SET state = $3, stopped_at = CASE WHEN $3 = 'stopped' THEN $4 ELSE NULL END, version = version + 1 \
             WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(state)
        .bind(now)
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Sets a one-time password (its hash): it must be changed at the next sign-in. Ends sessions.
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn reset_password(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        password_hash: &str,
    ) -> Result<()> {
        self.reach_account(tx, id).await?;
        set_password(tx, &self.municipality, id, password_hash, true).await?;
        end_sessions(tx, &self.municipality, id).await
    }

    /// Takes the second factor and the recovery codes away: the next sign-in enrols anew.
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn reset_second_factor(&self, tx: &mut Tx, id: &AccountId) -> Result<()> {
        self.reach_account(tx, id).await?;
        let done = sqlx::query(
            "UPDATE accounts SET totp_sealed = NULL, version = version + 1 WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        sqlx::query("DELETE FROM recovery_codes WHERE municipality_id = $1 AND account_id = $2")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .execute(tx.conn())
            .await?;
        end_sessions(tx, &self.municipality, id).await
    }

    /// Enrols a known secret (20 bytes or more): demo accounts, restore.
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn enrol(&self, tx: &mut Tx, id: &AccountId, secret: &[u8]) -> Result<()> {
        self.reach_account(tx, id).await?;
        enrol(tx, &self.municipality, id, secret, 0, Former::Replaced).await
    }

    /// Says that an account is a person of the register, whose own records it must not see.
    ///
    /// # Errors
    /// `NotFound` out of reach.
    pub async fn link_person(
        &self,
        tx: &mut Tx,
        id: &AccountId,
        person: Option<&PersonId>,
    ) -> Result<()> {
        self.reach_account(tx, id).await?;
        let before: Option<String> = sqlx::query_scalar(
            "SELECT person_id FROM accounts WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .fetch_optional(tx.conn())
        .await?
        .flatten();
        let done = sqlx::query("UPDATE accounts SET person_id = $3, version = version + 1 WHERE municipality_id = $1 AND id = $2")
            .bind(self.municipality.as_str())
            .bind(id.as_str())
            .bind(person.map(|person| person.0.clone()))
            .execute(tx.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        // Whoever is a person of a case does not see it: the cases of both are listed anew.
        for person in before
            .into_iter()
            .chain(person.map(|person| person.0.clone()))
        {
            crate::outbox::put(
                tx,
                &self.municipality,
                "person",
                person,
                None,
                serde_json::Value::Null,
            );
        }
        Ok(())
    }
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<Account> {
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        login_id: row.try_get("login_id")?,
        name: row.try_get("name")?,
        kana: row.try_get("kana")?,
        email: row.try_get("email")?,
        profession: row.try_get("profession")?,
        active: row.try_get::<String, _>("state")? == "active",
        enrolled: row.try_get::<Option<Vec<u8>>, _>("totp_sealed")?.is_some(),
        must_change_password: row.try_get::<i64, _>("must_change_password")? != 0,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Login ids are compared in lower case; letters, digits and `. _ - @`.
pub(crate) fn normal_login_id(text: &str) -> Result<String> {
    let id = text.trim().to_lowercase();
    let good = (3..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@".contains(&b));
    if good {
        Ok(id)
    } else {
        Err(StoreError::Invalid("login_id"))
    }
}

pub(crate) async fn end_sessions(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE municipality_id = $1 AND account_id = $2")
        .bind(municipality.as_str())
        .bind(account.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) async fn set_password(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
    hash: &str,
    one_time: bool,
) -> Result<()> {
    let now = tx.now_text();
    let done = sqlx::query(
        "UPDATE accounts SET password_hash = $3, password_changed_at = $4, must_change_password = $5, version = version + 1 \
         WHERE municipality_id = $1 AND id = $2",
    )
    .bind(municipality.as_str())
    .bind(account.as_str())
    .bind(hash)
    .bind(now)
    .bind(i64::from(one_time))
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::NotFound)
    }
}

pub(crate) const TOTP: &str = "accounts.totp";

/// What becomes of a second factor that the account has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Former {
    Replaced,
    /// It stays, and the new one is refused: `Conflict`.
    Kept,
}

pub(crate) async fn enrol(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
    secret: &[u8],
    step: i64,
    former: Former,
) -> Result<()> {
    let sealed = tx
        .seal(
            municipality,
            &Purpose::Municipality,
            TOTP,
            account.as_str(),
            secret,
        )
        .await?;
    let done = sqlx::query(
        "UPDATE accounts SET totp_sealed = $3, totp_last_step = $4, version = version + 1 \
         WHERE municipality_id = $1 AND id = $2 AND (totp_sealed IS NULL OR $5 = 1)",
    )
    .bind(municipality.as_str())
    .bind(account.as_str())
    .bind(sealed)
    .bind(step)
    .bind(i64::from(former == Former::Replaced))
    .execute(tx.conn())
    .await?;
    match (done.rows_affected(), former) {
        (1, _) => Ok(()),
        (_, Former::Replaced) => Err(StoreError::NotFound),
        (_, Former::Kept) => Err(StoreError::Conflict),
    }
}

/// Names of accounts for display beside what they did (owner, author). Staff names are no secret
/// within the municipality.
///
/// # Errors
/// Database away.
pub async fn names(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[AccountId],
) -> Result<std::collections::BTreeMap<AccountId, String>> {
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT id, name FROM accounts WHERE municipality_id = $1 AND id IN",
        "",
    )
    .await?;
    rows.iter()
        .map(|row| Ok((AccountId(row.try_get("id")?), row.try_get("name")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_login_id() {
        assert!(check_password("correct horse battery", "tanaka").is_ok());
        assert!(check_password("短い", "tanaka").is_err());
        assert!(check_password("tanakatanaka1", "tanaka").is_err());
        assert!(check_password("aaaaaaaaaaaaaaa", "tanaka").is_err());
        assert!(check_password("春はあけぼのやうやう白く", "tanaka").is_ok());
    }

    #[test]
    fn hashes_verify_and_differ() {
        let hashing = Hashing::cheap();
        let (a, b) = (
            hashing.hash("correct horse").unwrap(),
            hashing.hash("correct horse").unwrap(),
        );
        assert_ne!(a, b);
        assert!(hashing.verify("correct horse", &a));
        assert!(!hashing.verify("correct horsf", &a));
        assert!(
            Hashing::default().verify("correct horse", &a),
            "the hash carries its own cost"
        );
    }
}
