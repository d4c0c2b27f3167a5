//! Accounts: who signs in. Administrators reach the municipality, an agency's manager its own staff.

use base64::Engine;
use collab::access::Change;
use domain::id::AccountId;
use serde::Serialize;
use store::{
    Database, Tx,
    accounts::{Account, AdminAccess, check_password},
    audit::{self, Event},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    context::{CallContext, blocking},
    error::ApiError,
    operations::memberships::MembershipAnswer,
    state::AppState,
};

pub mod create;
pub mod list;
pub mod reactivate;
pub mod reset_password;
pub mod reset_second_factor;
pub mod show;
pub mod stop;
pub mod update;

/// The operations on accounts.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(show::show, update::update))
        .routes(routes!(stop::stop))
        .routes(routes!(reactivate::reactivate))
        .routes(routes!(reset_second_factor::reset_second_factor))
        .routes(routes!(reset_password::reset_password))
}

/// An account as administrators see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AccountAnswer {
    pub id: String,
    pub login_id: String,
    pub name: String,
    pub kana: Option<String>,
    pub email: Option<String>,
    pub profession: Option<String>,
    /// `false` = stopped: cannot sign in.
    pub active: bool,
    /// Has a second factor.
    pub enrolled: bool,
    /// The next sign-in asks for a new password.
    pub must_change_password: bool,
    pub version: i64,
    pub created_at: String,
    /// Within reach of the caller.
    pub memberships: Vec<MembershipAnswer>,
}

impl AccountAnswer {
    fn new(account: Account, memberships: Vec<MembershipAnswer>) -> Self {
        Self {
            id: account.id.0,
            login_id: account.login_id,
            name: account.name,
            kana: account.kana,
            email: account.email,
            profession: account.profession,
            active: account.active,
            enrolled: account.enrolled,
            must_change_password: account.must_change_password,
            version: account.version,
            created_at: account.created_at,
            memberships,
        }
    }
}

/// A password that works once; shown this one time and kept nowhere.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OneTimePassword {
    pub one_time_password: String,
}

impl std::fmt::Debug for OneTimePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneTimePassword")
    }
}

/// The right to manage accounts.
///
/// # Errors
/// 403 without it.
pub(crate) fn admin(tx: &Tx, call: &CallContext) -> Result<AdminAccess, ApiError> {
    tx.admin_for(&call.caller).ok_or_else(ApiError::forbidden)
}

async fn answer(
    tx: &mut Tx,
    admin: &AdminAccess,
    id: &AccountId,
) -> Result<AccountAnswer, ApiError> {
    let account = admin
        .account(tx, id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let memberships = admin
        .memberships(tx, Some(id))
        .await?
        .into_iter()
        .map(Into::into)
        .collect();
    Ok(AccountAnswer::new(account, memberships))
}

/// One's own account is not stopped or reset from here: nobody locks themselves out by a slip, and
/// an administrator always remains.
fn not_own(call: &CallContext, id: &AccountId) -> Result<(), ApiError> {
    if call.caller.viewer.account == *id {
        Err(ApiError::conflict("own_account"))
    } else {
        Ok(())
    }
}

/// Letters that are not mistaken for each other when read from paper.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Four groups of four: 80 bits.
fn spell(random: &[u8]) -> String {
    let mut out = String::new();
    for (at, byte) in random.iter().take(16).enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push('-');
        }
        out.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    out
}

fn one_time(db: &Database, login_id: &str) -> String {
    loop {
        let random = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(db.fresh_token())
            .unwrap_or_default();
        let password = spell(&random);
        if check_password(&password, login_id).is_ok() {
            return password;
        }
    }
}

/// A fresh one-time password and its hash, made on a blocking thread.
async fn one_time_password(state: &AppState, login_id: &str) -> Result<(String, String), ApiError> {
    let password = one_time(state.db(), login_id);
    let hashing = state.db().hashing().clone();
    let (password, hash) = blocking(move || {
        let hash = hashing.hash(&password);
        (password, hash)
    })
    .await?;
    Ok((password, hash?))
}

/// Audits a change of an account, commits and cuts the account's open documents.
async fn finish(
    state: &AppState,
    mut tx: Tx,
    call: &CallContext,
    action: &'static str,
    id: &AccountId,
) -> Result<(), ApiError> {
    audit::record(
        &mut tx,
        Event::by(&call.caller, action, "account", id.as_str()),
    );
    state
        .commit_rights(
            tx,
            &call.caller.viewer.municipality,
            Change::Account(id.clone()),
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_time_password_is_long_and_easy_to_read_aloud() {
        let spelt = spell(&(0..32).collect::<Vec<u8>>());
        assert_eq!(spelt, "abcd-efgh-ijkm-npqr");
        assert!(check_password(&spelt, "tanaka").is_ok());
        for confusing in *b"l1o0" {
            assert!(!ALPHABET.contains(&confusing));
        }
        let distinct: std::collections::BTreeSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32, "every letter is as likely as any other");
    }
}
