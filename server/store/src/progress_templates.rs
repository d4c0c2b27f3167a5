//! Templates for entries of the 支援経過: a writer's own, and those shared in the agency. The built-in
//! ones are data of the program (`domain::progress_template`).

use domain::id::AccountId;
use domain::progress_template::Template;
use domain::role::Capability;
use sqlx::Row;

use crate::access::Caller;
use crate::accounts;
use crate::cases::Named;
use crate::data_keys::Purpose;
use crate::database::Tx;
use crate::error::{Result, StoreError};

/// Most templates of one writer, and of one agency.
const MOST: usize = 50;

const COLUMN: &str = "progress_templates.content";

/// A template that somebody keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptTemplate {
    pub id: String,
    /// For everybody in the agency.
    pub shared: bool,
    pub by: Named,
    pub template: Template,
}

/// The caller's own templates and those of the caller's agency, by name.
///
/// # Errors
/// Forbidden for who writes no entries.
pub async fn list(tx: &mut Tx, caller: &Caller) -> Result<Vec<KeptTemplate>> {
    caller.require(Capability::EditCase)?;
    let municipality = caller.viewer.municipality.clone();
    let rows = sqlx::query(
        "SELECT id, account_id, shared, content_sealed FROM progress_templates \
         WHERE municipality_id = $1 AND agency_id = $2 AND (shared = 1 OR account_id = $3) ORDER BY id",
    )
    .bind(municipality.as_str())
    .bind(caller.viewer.agency.as_str())
    .bind(caller.viewer.account.as_str())
    .fetch_all(tx.conn())
    .await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.try_get("id")?;
        let sealed: Vec<u8> = row.try_get("content_sealed")?;
        out.push(KeptTemplate {
            template: tx.open_json(&municipality, COLUMN, &id, &sealed).await?,
            shared: row.try_get::<i64, _>("shared")? == 1,
            by: Named {
                id: row.try_get("account_id")?,
                name: String::new(),
            },
            id,
        });
    }
    let writers: Vec<AccountId> = out.iter().map(|one| AccountId(one.by.id.clone())).collect();
    let names = accounts::names(tx, &municipality, &writers).await?;
    for one in &mut out {
        one.by.name = names
            .get(&AccountId(one.by.id.clone()))
            .cloned()
            .unwrap_or_default();
    }
    out.sort_by(|a, b| (a.shared, &a.template.name).cmp(&(b.shared, &b.template.name)));
    Ok(out)
}

/// Keeps a template, in place of the caller's own of that name.
///
/// # Errors
/// Forbidden; no name; too many.
pub async fn save(
    tx: &mut Tx,
    caller: &Caller,
    template: &Template,
    shared: bool,
) -> Result<KeptTemplate> {
    let before = list(tx, caller).await?;
    if template.name.trim().is_empty() {
        return Err(StoreError::Invalid("name"));
    }
    let account = caller.viewer.account.as_str();
    let same = |one: &&KeptTemplate| {
        one.by.id == account && one.shared == shared && one.template.name == template.name
    };
    for old in before.iter().filter(same) {
        remove(tx, caller, &old.id).await?;
    }
    let kind = before
        .iter()
        .filter(|one| one.shared == shared && !same(one));
    if kind.count() >= MOST {
        return Err(StoreError::Invalid("too_many"));
    }
    let municipality = caller.viewer.municipality.clone();
    let id: String = tx.database().fresh();
    let sealed = tx
        .seal_json(&municipality, &Purpose::Municipality, COLUMN, &id, template)
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO progress_templates (municipality_id, id, agency_id, account_id, shared, content_sealed, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(caller.viewer.agency.as_str())
    .bind(account)
    .bind(i64::from(shared))
    .bind(sealed)
    .bind(now)
    .execute(tx.conn())
    .await?;
    let kept = list(tx, caller).await?;
    kept.into_iter()
        .find(|one| one.id == id)
        .ok_or(StoreError::NotFound)
}

/// Forgets a template: the caller's own, or one of the agency by who looks after its accounts.
///
/// # Errors
/// Not found; forbidden.
pub async fn remove(tx: &mut Tx, caller: &Caller, id: &str) -> Result<()> {
    let found = list(tx, caller).await?;
    let one = found
        .iter()
        .find(|one| one.id == id)
        .ok_or(StoreError::NotFound)?;
    let own = one.by.id == caller.viewer.account.as_str();
    if !own && !caller.may(Capability::AdminOwnAgency) {
        return Err(StoreError::Forbidden);
    }
    sqlx::query("DELETE FROM progress_templates WHERE municipality_id = $1 AND id = $2")
        .bind(caller.viewer.municipality.as_str())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
