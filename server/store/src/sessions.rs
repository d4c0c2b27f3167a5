//! Sign-in and sessions.
//!
//! A session begins when the password was right and grows through stages
//! (`totp` or `enrolment` → `password` if it must be changed → `ready`). The token is 256 random
//! bits; only its SHA-256 is stored. Attempts are counted *before* they are verified, per account
//! and source, so that parallel guessing gains nothing and nobody can lock another's source out.
//! Codes of the second factor are counted per account too, from wherever they come: that stage is
//! reached with the right password alone, so an outsider locks nobody out.
//!
//! Functions that count attempts take a writing [`Tx`], and the caller commits whatever the answer.

use std::collections::BTreeSet;

use domain::clock::instant_text;
use domain::disclosure::Viewer;
use domain::id::{AccountId, MembershipId, MunicipalityId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use totp_rs::{Algorithm, Builder, Totp};

use crate::access::Caller;
use crate::accounts::{self, AdminAccess, Former, Hashing, RECOVERY_CODES, TOTP};
use crate::crypto::token_hash;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError};
use crate::memberships::{self, Membership};
use crate::municipalities;

/// A session unused for this long has ended.
pub const IDLE: SignedDuration = SignedDuration::from_mins(60);
/// A session older than this has ended, used or not.
pub const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);
/// A sign-in that has not reached `ready` after this long has ended.
pub const UNFINISHED: SignedDuration = SignedDuration::from_mins(15);
/// Failures before a source has to wait.
const FREE_FAILURES: i64 = 5;

/// How far a sign-in has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The code of the second factor is due.
    Totp,
    /// No second factor yet: it is set up now.
    Enrolment,
    /// The one-time password must be replaced.
    Password,
    Ready,
}

impl Stage {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Enrolment => "enrolment",
            Self::Password => "password",
            Self::Ready => "ready",
        }
    }

    fn parse(code: &str) -> Result<Self> {
        Ok(match code {
            "totp" => Self::Totp,
            "enrolment" => Self::Enrolment,
            "password" => Self::Password,
            "ready" => Self::Ready,
            _ => return Err(StoreError::Corrupt("sessions.stage")),
        })
    }
}

/// A session as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: String,
    pub municipality: MunicipalityId,
    pub account: AccountId,
    pub login_id: String,
    pub name: String,
    pub stage: Stage,
    pub membership: Option<MembershipId>,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    must_change_password: bool,
}

/// Too many failures (from this source, or codes of this account): wait this many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    pub retry_after: i64,
}

/// A counted attempt whose password is still to be verified.
#[derive(Debug)]
pub struct Challenge {
    subject: String,
    source: String,
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    municipality: MunicipalityId,
    account: AccountId,
    phc: String,
    enrolled: bool,
    active: bool,
}

impl Challenge {
    /// Verifies the password. 20–100 ms of CPU: on a blocking thread. An unknown login id takes as
    /// long as a known one.
    #[must_use]
    pub fn verify(&self, hashing: &Hashing, password: &str) -> bool {
        match &self.found {
            Some(found) => hashing.verify(password, &found.phc) && found.active,
            None => {
                let _ = hashing.hash(password);
                false
            }
        }
    }

    /// The account aimed at, for the audit; `None` for an unknown login id.
    #[must_use]
    pub fn account(&self) -> Option<(&MunicipalityId, &AccountId)> {
        self.found
            .as_ref()
            .map(|found| (&found.municipality, &found.account))
    }
}

/// A session that has just begun, with the only copy of its token.
#[derive(Debug)]
pub struct Opened {
    pub token: String,
    pub session: Session,
}

/// Seconds of waiting after so many failures: 30 s doubling to one hour.
fn back_off(failures: i64) -> i64 {
    let doublings = u32::try_from((failures - FREE_FAILURES).clamp(0, 7)).unwrap_or(7);
    (30_i64 << doublings).min(3600)
}

/// Counts an attempt; the count is taken back by [`succeeded`].
async fn attempt(tx: &mut Tx, subject: &str, source: &str) -> Result<Option<Locked>> {
    let now = tx.now();
    // Insert first: two simultaneous first attempts then meet on the row's lock.
    sqlx::query("INSERT INTO sign_in_attempts (subject, source, failures, last_at) VALUES ($1, $2, 0, $3) ON CONFLICT (subject, source) DO NOTHING")
        .bind(subject)
        .bind(source)
        .bind(instant_text(now))
        .execute(tx.conn())
        .await?;
    // A quiet day forgives.
    let forgiven = instant_text(now - SignedDuration::from_hours(24));
    let row = sqlx::query(
        "UPDATE sign_in_attempts SET \
           failures = CASE WHEN locked_until IS NOT NULL AND locked_until > $3 THEN failures \
                           WHEN last_at < $4 THEN 1 ELSE failures + 1 END, \
           last_at = CASE WHEN locked_until IS NOT NULL AND locked_until > $3 THEN last_at ELSE $3 END \
         WHERE subject = $1 AND source = $2 RETURNING failures, locked_until",
    )
    .bind(subject)
    .bind(source)
    .bind(instant_text(now))
    .bind(forgiven)
    .fetch_one(tx.conn())
    .await?;
    let locked_until: Option<String> = row.try_get("locked_until")?;
    if let Some(until) = locked_until {
        let until: Timestamp = until
            .parse()
            .map_err(|_| StoreError::Corrupt("sign_in_attempts.locked_until"))?;
        if until > now {
            return Ok(Some(Locked {
                retry_after: (until.as_second() - now.as_second()).max(1),
            }));
        }
    }
    let failures: i64 = row.try_get("failures")?;
    if failures >= FREE_FAILURES {
        let until = instant_text(now + SignedDuration::from_secs(back_off(failures)));
        sqlx::query(
            "UPDATE sign_in_attempts SET locked_until = $3 WHERE subject = $1 AND source = $2",
        )
        .bind(subject)
        .bind(source)
        .bind(until)
        .execute(tx.conn())
        .await?;
    }
    Ok(None)
}

/// Forgets the failures. The row stays (until [`sweep`]): whoever waits for its lock finds it.
async fn succeeded(tx: &mut Tx, subject: &str, source: &str) -> Result<()> {
    sqlx::query("UPDATE sign_in_attempts SET failures = 0, locked_until = NULL WHERE subject = $1 AND source = $2")
        .bind(subject)
        .bind(source)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Takes back an attempt that was counted in this transaction and was no guess.
async fn uncount(tx: &mut Tx, subject: &str, source: &str) -> Result<()> {
    sqlx::query("UPDATE sign_in_attempts SET failures = failures - 1, locked_until = NULL WHERE subject = $1 AND source = $2 AND failures > 0")
        .bind(subject)
        .bind(source)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Stands for all sources together.
const ANYWHERE: &str = "*";

/// The second factor of an account: one-time and recovery codes together.
fn second_factor(session: &Session) -> String {
    format!("second_factor:{}", session.account)
}

/// Counts a code of the second factor, by its source and by the account.
async fn second_factor_attempt(
    tx: &mut Tx,
    session: &Session,
    subject: &str,
    source: &str,
) -> Result<Option<Locked>> {
    // Always in this order: two attempts at once do not wait for each other's rows.
    if let Some(locked) = attempt(tx, subject, source).await? {
        return Ok(Some(locked));
    }
    attempt(tx, &second_factor(session), ANYWHERE).await
}

async fn second_factor_succeeded(
    tx: &mut Tx,
    session: &Session,
    subject: &str,
    source: &str,
) -> Result<()> {
    succeeded(tx, subject, source).await?;
    succeeded(tx, &second_factor(session), ANYWHERE).await
}

/// Counts an attempt to sign in and says what is to be verified. `source` is the client's address.
///
/// # Errors
/// Database away. The inner error: the source has to wait.
pub async fn challenge(
    tx: &mut Tx,
    login_id: &str,
    source: &str,
) -> Result<Result<Challenge, Locked>> {
    let login_id: String = login_id.trim().to_lowercase().chars().take(200).collect();
    let subject = token_hash(&login_id);
    if let Some(locked) = attempt(tx, &subject, source).await? {
        return Ok(Err(locked));
    }
    let row = sqlx::query("SELECT municipality_id, id, password_hash, state, totp_sealed FROM accounts WHERE login_id = $1")
        .bind(login_id)
        .fetch_optional(tx.conn())
        .await?;
    let found = match row {
        Some(row) => Some(Found {
            municipality: MunicipalityId(row.try_get("municipality_id")?),
            account: AccountId(row.try_get("id")?),
            phc: row.try_get("password_hash")?,
            enrolled: row.try_get::<Option<Vec<u8>>, _>("totp_sealed")?.is_some(),
            active: row.try_get::<String, _>("state")? == "active",
        }),
        None => None,
    };
    Ok(Ok(Challenge {
        subject,
        source: source.to_owned(),
        found,
    }))
}

/// Begins a session when the password was right; `None` otherwise (the attempt stays counted).
///
/// # Errors
/// Database away.
pub async fn open(tx: &mut Tx, challenge: Challenge, verified: bool) -> Result<Option<Opened>> {
    let Some(found) = challenge.found.filter(|found| verified && found.active) else {
        return Ok(None);
    };
    // Stopped or given a new password while the hash was computed?
    let still: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM accounts WHERE municipality_id = $1 AND id = $2 AND state = 'active' AND password_hash = $3",
    )
    .bind(found.municipality.as_str())
    .bind(found.account.as_str())
    .bind(found.phc.as_str())
    .fetch_one(tx.conn())
    .await?;
    if still == 0 {
        return Ok(None);
    }
    succeeded(tx, &challenge.subject, &challenge.source).await?;
    let token = tx.database().fresh_token();
    let id: String = tx.database().fresh();
    let stage = if found.enrolled {
        Stage::Totp
    } else {
        Stage::Enrolment
    };
    let now = tx.now();
    sqlx::query(
        "INSERT INTO sessions (municipality_id, id, token_hash, account_id, stage, created_at, last_seen_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
    )
    .bind(found.municipality.as_str())
    .bind(id.as_str())
    .bind(token_hash(&token))
    .bind(found.account.as_str())
    .bind(stage.code())
    .bind(instant_text(now))
    .bind(instant_text(now + UNFINISHED))
    .execute(tx.conn())
    .await?;
    let session = find(tx, &token).await?.ok_or(StoreError::NotFound)?;
    Ok(Some(Opened { token, session }))
}

fn instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| StoreError::Corrupt("instant"))
}

/// The living session of a token: not expired, the account active.
///
/// # Errors
/// Database away.
pub async fn find(tx: &mut Tx, token: &str) -> Result<Option<Session>> {
    let now = tx.now();
    let row = sqlx::query(
        "SELECT s.*, a.login_id, a.name, a.must_change_password FROM sessions s \
         JOIN accounts a ON a.municipality_id = s.municipality_id AND a.id = s.account_id \
         WHERE s.token_hash = $1 AND a.state = 'active' AND s.expires_at > $2 AND s.last_seen_at > $3",
    )
    .bind(token_hash(token))
    .bind(instant_text(now))
    .bind(instant_text(now - IDLE))
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Session {
        id: row.try_get("id")?,
        municipality: MunicipalityId(row.try_get("municipality_id")?),
        account: AccountId(row.try_get("account_id")?),
        login_id: row.try_get("login_id")?,
        name: row.try_get("name")?,
        stage: Stage::parse(&row.try_get::<String, _>("stage")?)?,
        membership: row
            .try_get::<Option<String>, _>("membership_id")?
            .map(MembershipId),
        last_seen_at: instant(&row.try_get::<String, _>("last_seen_at")?)?,
        expires_at: instant(&row.try_get::<String, _>("expires_at")?)?,
        must_change_password: row.try_get::<i64, _>("must_change_password")? != 0,
    }))
}

impl Session {
    /// Whether [`touch`] is due: at most once a minute, reads stay reads.
    #[must_use]
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_seen_at) > SignedDuration::from_secs(60)
    }
}

/// Notes that a session is in use.
///
/// # Errors
/// Database away.
pub async fn touch(tx: &mut Tx, session: &Session) -> Result<()> {
    let now = tx.now_text();
    sqlx::query("UPDATE sessions SET last_seen_at = $3 WHERE municipality_id = $1 AND id = $2 AND last_seen_at < $3")
        .bind(session.municipality.as_str())
        .bind(session.id.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// Database away.
pub async fn close(tx: &mut Tx, session: &Session) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE municipality_id = $1 AND id = $2")
        .bind(session.municipality.as_str())
        .bind(session.id.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes what has expired (a worker, now and then).
///
/// # Errors
/// Database away.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let now = tx.now();
    let done = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2")
        .bind(instant_text(now))
        .bind(instant_text(now - IDLE))
        .execute(tx.conn())
        .await?;
    sqlx::query("DELETE FROM sign_in_attempts WHERE last_at < $1 AND (locked_until IS NULL OR locked_until < $2)")
        .bind(instant_text(now - SignedDuration::from_hours(48)))
        .bind(instant_text(now))
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected())
}

async fn set_stage(tx: &mut Tx, session: &mut Session, stage: Stage) -> Result<()> {
    let now = tx.now();
    if stage == Stage::Ready && session.membership.is_none() {
        let today = today(tx, &session.municipality).await?;
        let usable =
            memberships::usable(tx, &session.municipality, &session.account, today).await?;
        session.membership = usable.first().map(|membership| membership.id.clone());
    }
    if stage == Stage::Ready {
        session.expires_at = now + ABSOLUTE;
    }
    let done = sqlx::query(
        "UPDATE sessions SET stage = $3, membership_id = $4, expires_at = $5, last_seen_at = $6, enrolment_sealed = NULL \
         WHERE municipality_id = $1 AND id = $2 AND stage = $7",
    )
    .bind(session.municipality.as_str())
    .bind(session.id.as_str())
    .bind(stage.code())
    .bind(session.membership.as_ref().map(|id| id.0.clone()))
    .bind(instant_text(session.expires_at))
    .bind(instant_text(now))
    .bind(session.stage.code())
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Conflict);
    }
    session.stage = stage;
    Ok(())
}

fn after_second_factor(session: &Session) -> Stage {
    if session.must_change_password {
        Stage::Password
    } else {
        Stage::Ready
    }
}

async fn today(tx: &mut Tx, municipality: &MunicipalityId) -> Result<jiff::civil::Date> {
    let municipality = municipalities::get(tx, municipality)
        .await?
        .ok_or(StoreError::NotFound)?;
    Ok(tx.now().to_zoned(municipality.time_zone()).date())
}

/// Answer to a code of the second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondFactor {
    /// Right; the session is now at this stage.
    Accepted(Stage),
    Invalid,
    /// This code (or a later one) was used already.
    Replayed,
    Locked(Locked),
}

fn totp(secret: &[u8]) -> Result<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_secret(secret)
        .build()
        .map_err(|_| StoreError::Corrupt("totp secret"))
}

/// The step a code belongs to at an instant (one step of skew), if it is right.
fn step_of(secret: &[u8], code: &str, at: Timestamp) -> Result<Option<i64>> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    Ok(totp(secret)?
        .check(&code, seconds)
        .and_then(|step| i64::try_from(step).ok()))
}

/// The code of a secret at an instant (tests, demo sign-in help).
///
/// # Errors
/// Secret too short.
pub fn current_code(secret: &[u8], at: Timestamp) -> Result<String> {
    Ok(totp(secret)?
        .generate(u64::try_from(at.as_second()).unwrap_or(0))
        .to_string())
}

/// Checks a code. The step is stored in one compare-and-set, so that of two simultaneous uses of
/// one code only one is accepted. Commit in every case.
///
/// # Errors
/// [`StoreError::Conflict`] when the session is not at stage `totp`.
pub async fn confirm_totp(
    tx: &mut Tx,
    session: &mut Session,
    code: &str,
    source: &str,
) -> Result<SecondFactor> {
    if session.stage != Stage::Totp {
        return Err(StoreError::Conflict);
    }
    let subject = format!("totp:{}", session.account);
    if let Some(locked) = second_factor_attempt(tx, session, &subject, source).await? {
        return Ok(SecondFactor::Locked(locked));
    }
    let sealed: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT totp_sealed FROM accounts WHERE municipality_id = $1 AND id = $2",
    )
    .bind(session.municipality.as_str())
    .bind(session.account.as_str())
    .fetch_one(tx.conn())
    .await?;
    let sealed = sealed.ok_or(StoreError::Conflict)?;
    let municipality = session.municipality.clone();
    let secret = zeroize::Zeroizing::new(
        tx.open(&municipality, TOTP, session.account.as_str(), &sealed)
            .await?,
    );
    let Some(step) = step_of(&secret, code, tx.now())? else {
        return Ok(SecondFactor::Invalid);
    };
    let done = sqlx::query("UPDATE accounts SET totp_last_step = $3 WHERE municipality_id = $1 AND id = $2 AND totp_last_step < $3")
        .bind(session.municipality.as_str())
        .bind(session.account.as_str())
        .bind(step)
        .execute(tx.conn())
        .await?;
    if done.rows_affected() == 0 {
        // Whoever holds the code guesses nothing; two browsers at once are no attack on the account.
        uncount(tx, &second_factor(session), ANYWHERE).await?;
        return Ok(SecondFactor::Replayed);
    }
    second_factor_succeeded(tx, session, &subject, source).await?;
    let stage = after_second_factor(session);
    set_stage(tx, session, stage).await?;
    Ok(SecondFactor::Accepted(stage))
}

fn recovery_hash(account: &AccountId, code: &str) -> String {
    let code: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_uppercase();
    token_hash(&format!("{account}:{code}"))
}

/// Uses a recovery code instead of the second factor; each works once. Commit in every case.
///
/// # Errors
/// [`StoreError::Conflict`] when the session is not at stage `totp`.
pub async fn use_recovery_code(
    tx: &mut Tx,
    session: &mut Session,
    code: &str,
    source: &str,
) -> Result<SecondFactor> {
    if session.stage != Stage::Totp {
        return Err(StoreError::Conflict);
    }
    let subject = format!("recovery:{}", session.account);
    if let Some(locked) = second_factor_attempt(tx, session, &subject, source).await? {
        return Ok(SecondFactor::Locked(locked));
    }
    let now = tx.now_text();
    let done = sqlx::query(
        "UPDATE recovery_codes SET used_at = $4 WHERE municipality_id = $1 AND account_id = $2 AND code_hash = $3 AND used_at IS NULL",
    )
    .bind(session.municipality.as_str())
    .bind(session.account.as_str())
    .bind(recovery_hash(&session.account, code))
    .bind(now)
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(SecondFactor::Invalid);
    }
    second_factor_succeeded(tx, session, &subject, source).await?;
    let stage = after_second_factor(session);
    set_stage(tx, session, stage).await?;
    Ok(SecondFactor::Accepted(stage))
}

/// What the enrolment screen shows.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolment {
    /// Base32.
    pub secret: String,
    /// For authenticator apps, usually as a QR code (Key URI format).
    pub otpauth_url: String,
}

/// Offers a fresh secret; it counts only once confirmed. Calling again offers another.
///
/// # Errors
/// [`StoreError::Conflict`] when the session is not at stage `enrolment`.
pub async fn begin_enrolment(tx: &mut Tx, session: &Session, issuer: &str) -> Result<Enrolment> {
    if session.stage != Stage::Enrolment {
        return Err(StoreError::Conflict);
    }
    let secret: [u8; 20] = tx.database().random();
    let sealed = tx
        .seal(
            &session.municipality,
            &Purpose::Municipality,
            "sessions.enrolment",
            &session.id,
            &secret,
        )
        .await?;
    sqlx::query("UPDATE sessions SET enrolment_sealed = $3 WHERE municipality_id = $1 AND id = $2")
        .bind(session.municipality.as_str())
        .bind(session.id.as_str())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_secret(secret.as_slice())
        .with_account_name(session.login_id.as_str())
        .with_issuer(Some(issuer.replace(':', "：")))
        .build()
        .map_err(|_| StoreError::Invalid("issuer"))?;
    Ok(Enrolment {
        secret: totp.secret().to_base32(),
        otpauth_url: totp.to_url().map_err(|_| StoreError::Invalid("issuer"))?,
    })
}

/// Answer to the first code of a new second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// Done; the recovery codes are shown this once.
    Accepted {
        stage: Stage,
        recovery_codes: Vec<String>,
    },
    Invalid,
    Locked(Locked),
}

/// Confirms the offered secret by its first code, which is thereby used. Commit in every case.
///
/// # Errors
/// [`StoreError::Conflict`] when the session is not at stage `enrolment`, nothing was offered, or the
/// account got its second factor elsewhere meanwhile: a password alone does not replace it.
pub async fn confirm_enrolment(
    tx: &mut Tx,
    session: &mut Session,
    code: &str,
    source: &str,
) -> Result<Enrolled> {
    if session.stage != Stage::Enrolment {
        return Err(StoreError::Conflict);
    }
    let subject = format!("totp:{}", session.account);
    if let Some(locked) = attempt(tx, &subject, source).await? {
        return Ok(Enrolled::Locked(locked));
    }
    let sealed: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT enrolment_sealed FROM sessions WHERE municipality_id = $1 AND id = $2",
    )
    .bind(session.municipality.as_str())
    .bind(session.id.as_str())
    .fetch_optional(tx.conn())
    .await?
    .flatten();
    let sealed = sealed.ok_or(StoreError::Conflict)?;
    let municipality = session.municipality.clone();
    let secret = zeroize::Zeroizing::new(
        tx.open(&municipality, "sessions.enrolment", &session.id, &sealed)
            .await?,
    );
    let Some(step) = step_of(&secret, code, tx.now())? else {
        return Ok(Enrolled::Invalid);
    };
    let account = &session.account;
    accounts::enrol(tx, &municipality, account, &secret, step, Former::Kept).await?;
    // Sign-ins that began without the second factor end; they begin anew with it.
    sqlx::query("DELETE FROM sessions WHERE municipality_id = $1 AND account_id = $2 AND id <> $3 AND stage <> 'ready'")
        .bind(municipality.as_str())
        .bind(account.as_str())
        .bind(session.id.as_str())
        .execute(tx.conn())
        .await?;
    succeeded(tx, &subject, source).await?;
    let recovery_codes = renew_recovery_codes(tx, &municipality, &session.account).await?;
    let stage = after_second_factor(session);
    set_stage(tx, session, stage).await?;
    Ok(Enrolled::Accepted {
        stage,
        recovery_codes,
    })
}

async fn renew_recovery_codes(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
) -> Result<Vec<String>> {
    // Crockford's alphabet: nothing that is read as something else.
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    sqlx::query("DELETE FROM recovery_codes WHERE municipality_id = $1 AND account_id = $2")
        .bind(municipality.as_str())
        .bind(account.as_str())
        .execute(tx.conn())
        .await?;
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let random: [u8; 16] = tx.database().random();
        let letters: String = random
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
            .collect();
        let code = format!(
            "{}-{}-{}-{}",
            &letters[..4],
            &letters[4..8],
            &letters[8..12],
            &letters[12..]
        );
        sqlx::query("INSERT INTO recovery_codes (municipality_id, account_id, code_hash) VALUES ($1, $2, $3)")
            .bind(municipality.as_str())
            .bind(account.as_str())
            .bind(recovery_hash(account, &code))
            .execute(tx.conn())
            .await?;
        codes.push(code);
    }
    Ok(codes)
}

/// PHC string of the session's account, to verify `current` on a blocking thread.
///
/// # Errors
/// Database away.
pub async fn password_hash(tx: &mut Tx, session: &Session) -> Result<String> {
    Ok(sqlx::query_scalar(
        "SELECT password_hash FROM accounts WHERE municipality_id = $1 AND id = $2",
    )
    .bind(session.municipality.as_str())
    .bind(session.account.as_str())
    .fetch_one(tx.conn())
    .await?)
}

/// Counts an attempt to name the current password (a stolen session must not guess it freely);
/// call before verifying, [`change_password`] takes it back.
///
/// # Errors
/// Database away.
pub async fn password_attempt(
    tx: &mut Tx,
    session: &Session,
    source: &str,
) -> Result<Option<Locked>> {
    attempt(tx, &format!("password:{}", session.account), source).await
}

/// Replaces the password after the current one was verified against `verified_hash`. Other
/// sessions of the account end. At stage `password` the session becomes ready.
///
/// # Errors
/// [`StoreError::Conflict`] when the password changed meanwhile or the stage does not allow it.
pub async fn change_password(
    tx: &mut Tx,
    session: &mut Session,
    verified_hash: &str,
    next_hash: &str,
    source: &str,
) -> Result<Stage> {
    if !matches!(session.stage, Stage::Password | Stage::Ready) {
        return Err(StoreError::Conflict);
    }
    if password_hash(tx, session).await? != verified_hash {
        return Err(StoreError::Conflict);
    }
    accounts::set_password(
        tx,
        &session.municipality,
        &session.account,
        next_hash,
        false,
    )
    .await?;
    succeeded(tx, &format!("password:{}", session.account), source).await?;
    sqlx::query("DELETE FROM sessions WHERE municipality_id = $1 AND account_id = $2 AND id <> $3")
        .bind(session.municipality.as_str())
        .bind(session.account.as_str())
        .bind(session.id.as_str())
        .execute(tx.conn())
        .await?;
    session.must_change_password = false;
    if session.stage == Stage::Password {
        set_stage(tx, session, Stage::Ready).await?;
    }
    Ok(session.stage)
}

/// The memberships the session's account may choose today.
///
/// # Errors
/// Database away.
pub async fn choices(tx: &mut Tx, session: &Session) -> Result<Vec<Membership>> {
    let today = today(tx, &session.municipality).await?;
    memberships::usable(tx, &session.municipality, &session.account, today).await
}

/// Switches the active membership.
///
/// # Errors
/// [`StoreError::NotFound`] when it is not one of the account's usable memberships.
pub async fn switch_membership(
    tx: &mut Tx,
    session: &mut Session,
    id: &MembershipId,
) -> Result<()> {
    if session.stage != Stage::Ready {
        return Err(StoreError::Conflict);
    }
    if !choices(tx, session)
        .await?
        .iter()
        .any(|membership| membership.id == *id)
    {
        return Err(StoreError::NotFound);
    }
    sqlx::query("UPDATE sessions SET membership_id = $3 WHERE municipality_id = $1 AND id = $2")
        .bind(session.municipality.as_str())
        .bind(session.id.as_str())
        .bind(id.as_str())
        .execute(tx.conn())
        .await?;
    session.membership = Some(id.clone());
    Ok(())
}

async fn caller_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
    name: &str,
    membership: &MembershipId,
) -> Result<Option<Caller>> {
    let Some(municipality) = municipalities::get(tx, municipality).await? else {
        return Ok(None);
    };
    let zone = municipality.time_zone();
    let today = tx.now().to_zoned(zone.clone()).date();
    let found = memberships::find(tx, &municipality.id, membership).await?;
    let Some(membership) = found.filter(|m| m.account == *account && m.valid_on(today)) else {
        return Ok(None);
    };
    Ok(Some(Caller {
        viewer: Viewer {
            municipality: municipality.id,
            account: account.clone(),
            membership: membership.id,
            agency: membership.agency,
            agency_class: membership.agency_class,
            role: membership.role,
            today,
        },
        name: name.to_owned(),
        agency_name: membership.agency_name,
        zone,
        scopes: Vec::new(),
        by_token: false,
        via: String::new(),
    }))
}

/// The caller of a ready session whose active membership can be used today; `None` otherwise.
///
/// # Errors
/// Database away.
pub async fn caller(tx: &mut Tx, session: &Session) -> Result<Option<Caller>> {
    let (Stage::Ready, Some(membership)) = (session.stage, session.membership.as_ref()) else {
        return Ok(None);
    };
    let found = caller_of(
        tx,
        &session.municipality,
        &session.account,
        &session.name,
        membership,
    )
    .await?;
    Ok(found.map(|caller| Caller {
        via: format!("session:{}", session.id),
        ..caller
    }))
}

/// Whether the sign-in that a connection was opened with ([`Caller::via`]) still stands: the session
/// is there and acts in the same membership, the token is neither revoked nor expired.
///
/// # Errors
/// Database away.
pub async fn holds(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    via: &str,
    membership: &MembershipId,
) -> Result<bool> {
    let sql = match via.split_once(':') {
        Some(("session", _)) => {
            "SELECT COUNT(*) FROM sessions WHERE municipality_id = $1 AND id = $2 AND membership_id = $3 AND stage = 'ready' AND expires_at > $4"
        }
        Some(("token", _)) => {
            "SELECT COUNT(*) FROM api_tokens WHERE municipality_id = $1 AND id = $2 AND membership_id = $3 AND revoked_at IS NULL AND expires_at > $4"
        }
        _ => return Ok(false),
    };
    let id = via.split_once(':').map_or("", |(_, id)| id);
    let now = tx.now_text();
    let found: i64 = sqlx::query_scalar(sql)
        .bind(municipality.as_str())
        .bind(id)
        .bind(membership.as_str())
        .bind(now)
        .fetch_one(tx.conn())
        .await?;
    Ok(found > 0)
}

/// The caller behind a membership, as it stands today: for checking an open connection again after
/// rights changed. `None` when the account was stopped or the membership cannot be used any more.
///
/// # Errors
/// Database away.
pub async fn caller_in(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    account: &AccountId,
    membership: &MembershipId,
) -> Result<Option<Caller>> {
    let name: Option<String> = sqlx::query_scalar(
        "SELECT name FROM accounts WHERE municipality_id = $1 AND id = $2 AND state = 'active'",
    )
    .bind(municipality.as_str())
    .bind(account.as_str())
    .fetch_optional(tx.conn())
    .await?;
    match name {
        Some(name) => caller_of(tx, municipality, account, &name, membership).await,
        None => Ok(None),
    }
}

/// The caller as it stands now: the sign-in still holds, the membership can still be used, the scopes
/// are those of the sign-in. For operations that ask again before they write.
///
/// # Errors
/// Database away.
pub async fn caller_again(tx: &mut Tx, caller: &Caller) -> Result<Option<Caller>> {
    let viewer = &caller.viewer;
    if !holds(tx, &viewer.municipality, &caller.via, &viewer.membership).await? {
        return Ok(None);
    }
    let found = caller_in(
        tx,
        &viewer.municipality,
        &viewer.account,
        &viewer.membership,
    )
    .await?;
    Ok(found.map(|found| Caller {
        scopes: caller.scopes.clone(),
        by_token: caller.by_token,
        via: caller.via.clone(),
        ..found
    }))
}

/// An API token as listed; the token itself is shown once, when made.
#[derive(Debug, Clone, Serialize)]
pub struct ApiToken {
    pub id: String,
    pub account: AccountId,
    pub membership: MembershipId,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: String,
    pub expires_at: String,
    pub revoked: bool,
}

impl AdminAccess {
    /// Makes an API token for a membership; returns id and the only copy of the token. Scopes are
    /// capability codes; an empty list means everything the membership may.
    ///
    /// # Errors
    /// Unknown membership, unknown scope, or no time to live.
    pub async fn create_token(
        &self,
        tx: &mut Tx,
        membership: &MembershipId,
        name: &str,
        scopes: &[String],
        ttl: SignedDuration,
    ) -> Result<(String, String)> {
        let membership = self
            .membership(tx, membership)
            .await?
            .ok_or(StoreError::NotFound)?;
        let known: BTreeSet<&str> = domain::role::Capability::ALL
            .iter()
            .map(|capability| capability.code())
            .collect();
        if scopes.iter().any(|scope| !known.contains(scope.as_str())) {
            return Err(StoreError::Invalid("scope"));
        }
        if ttl <= SignedDuration::ZERO || ttl > SignedDuration::from_hours(24 * 366) {
            return Err(StoreError::Invalid("ttl"));
        }
        let token = format!("mus_{}", tx.database().fresh_token());
        let id: String = tx.database().fresh();
        let now = tx.now();
        let scopes = serde_json::to_string(scopes).map_err(|_| StoreError::Invalid("scope"))?;
        sqlx::query(
            "INSERT INTO api_tokens (municipality_id, id, token_hash, account_id, membership_id, name, scopes, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.municipality.as_str())
        .bind(id.as_str())
        .bind(token_hash(&token))
        .bind(membership.account.as_str())
        .bind(membership.id.as_str())
        .bind(name)
        .bind(scopes)
        .bind(instant_text(now))
        .bind(instant_text(now + ttl))
        .execute(tx.conn())
        .await?;
        Ok((id, token))
    }

    /// Tokens of an account within reach.
    ///
    /// # Errors
    /// Database away.
    pub async fn tokens(&self, tx: &mut Tx, account: &AccountId) -> Result<Vec<ApiToken>> {
        if self.account(tx, account).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT * FROM api_tokens WHERE municipality_id = $1 AND account_id = $2 ORDER BY created_at")
            .bind(self.municipality.as_str())
            .bind(account.as_str())
            .fetch_all(tx.conn())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ApiToken {
                    id: row.try_get("id")?,
                    account: AccountId(row.try_get("account_id")?),
                    membership: MembershipId(row.try_get("membership_id")?),
                    name: row.try_get("name")?,
                    scopes: serde_json::from_str(&row.try_get::<String, _>("scopes")?)
                        .map_err(|_| StoreError::Corrupt("api_tokens.scopes"))?,
                    created_at: row.try_get("created_at")?,
                    expires_at: row.try_get("expires_at")?,
                    revoked: row.try_get::<Option<String>, _>("revoked_at")?.is_some(),
                })
            })
            .collect()
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// Unknown token.
    pub async fn revoke_token(&self, tx: &mut Tx, id: &str) -> Result<()> {
        let now = tx.now_text();
        let mut sql = "UPDATE api_tokens SET revoked_at = $3 WHERE municipality_id = $1 AND id = $2 AND revoked_at IS NULL".to_owned();
        if self.own_agency().is_some() {
            sql.push_str(" AND membership_id IN (SELECT id FROM memberships WHERE municipality_id = $1 AND agency_id = $4)");
        }
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(self.municipality.as_str())
            .bind(id)
            .bind(now);
        if let Some(own) = self.own_agency() {
            query = query.bind(own.as_str());
        }
        let done = query.execute(tx.conn()).await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }
}

/// The caller behind a bearer token: an API token, or a session's token when it is ready.
///
/// # Errors
/// Database away.
pub async fn bearer(tx: &mut Tx, token: &str) -> Result<Option<Caller>> {
    if !token.starts_with("mus_") {
        return match find(tx, token).await? {
            Some(session) => caller(tx, &session).await,
            None => Ok(None),
        };
    }
    let now = tx.now_text();
    let row = sqlx::query(
        "SELECT t.id AS token_id, t.municipality_id, t.account_id, t.membership_id, t.scopes, a.name FROM api_tokens t \
         JOIN accounts a ON a.municipality_id = t.municipality_id AND a.id = t.account_id \
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2 AND a.state = 'active'",
    )
    .bind(token_hash(token))
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let municipality = MunicipalityId(row.try_get("municipality_id")?);
    let (account, membership) = (
        AccountId(row.try_get("account_id")?),
        MembershipId(row.try_get("membership_id")?),
    );
    let name: String = row.try_get("name")?;
    let Some(mut caller) = caller_of(tx, &municipality, &account, &name, &membership).await? else {
        return Ok(None);
    };
    caller.scopes = serde_json::from_str(&row.try_get::<String, _>("scopes")?)
        .map_err(|_| StoreError::Corrupt("api_tokens.scopes"))?;
    caller.by_token = true;
    caller.via = format!("token:{}", row.try_get::<String, _>("token_id")?);
    Ok(Some(caller))
}
