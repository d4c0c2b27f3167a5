//! The person register. Values are sealed; exact look-ups and prefixes go over a blind index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::agency::AgencyClass;
use domain::disclosure::{self, CaseFacts, Level, Viewer};
use domain::id::{AccountId, AgencyId, CaseId, MunicipalityId, PersonId};
pub use domain::likeness::normal;
use domain::likeness::{Grade, Identity, Key, Likeness, phone_key};
use domain::role::Capability;
use domain::wareki::{self, PartialDate};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::crypto::blind_index;
use crate::data_keys::Purpose;
use crate::database::{Database, Tx, placeholders, rows_for};
use crate::error::{Result, StoreError};
use crate::memberships::optional_date;
use crate::{case_facts, cases};

/// Fields of a person that 住所秘匿 protects (catalogue identifiers).
pub const PROTECTED: &[&str] = &[
    "postal_code",
    "address",
    "address2",
    "district",
    "phone_home",
    "phone_mobile",
    "email",
    "workplace",
    "school",
];

/// Fields that say who a person is and nothing else.
const NAMING: &[&str] = &["name", "name_kana"];

/// One value of an identity field with its period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Catalogue identifier: `name`, `name_kana`, `alias`, `gender`, `birth_date`, `address` …
    pub field: String,
    pub value: String,
    #[serde(default)]
    pub valid_from: Option<Date>,
    /// Last day; `None` = current.
    #[serde(default)]
    pub valid_to: Option<Date>,
}

impl Fact {
    /// A current value.
    #[must_use]
    pub fn current(field: &str, value: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            value: value.into(),
            valid_from: None,
            valid_to: None,
        }
    }
}

/// A risk flag (注意フラグ).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    #[serde(default)]
    pub id: String,
    /// Option list `risk_flag`.
    pub flag: String,
    #[serde(default)]
    pub basis: Option<String>,
    #[serde(default)]
    pub review_on: Option<Date>,
}

/// A new person.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NewPerson {
    pub facts: Vec<Fact>,
    #[serde(default)]
    pub address_confidential: bool,
    #[serde(default)]
    pub address_allow: Vec<AgencyId>,
    #[serde(default)]
    pub flags: Vec<Flag>,
}

/// A change to a person: for each field named, the current value ends and the new one begins.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PersonPatch {
    /// Field → new value; `None` ends the current value without a new one.
    #[serde(default)]
    pub set: BTreeMap<String, Option<String>>,
    /// The fields of `set` whose old value was wrong and is removed instead of becoming the past.
    #[serde(default)]
    pub corrections: BTreeSet<String>,
    /// First day of the new values; today when missing.
    #[serde(default)]
    pub from: Option<Date>,
    #[serde(default)]
    pub address_confidential: Option<bool>,
    #[serde(default)]
    pub address_allow: Option<Vec<AgencyId>>,
    #[serde(default)]
    pub add_flags: Vec<Flag>,
    #[serde(default)]
    pub end_flags: Vec<String>,
}

/// A person as the caller may see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    pub id: PersonId,
    pub version: i64,
    /// Current values.
    pub fields: BTreeMap<String, String>,
    /// Values of the past.
    pub former: Vec<Fact>,
    pub flags: Vec<Flag>,
    pub address_confidential: bool,
    /// Protected values were left out.
    pub address_withheld: bool,
    /// Agencies allowed to see protected values; only for those who edit the register.
    pub address_allow: Vec<AgencyId>,
    /// Ids under which this person was registered too, before they were merged: older texts and
    /// networks still name them.
    pub merged: Vec<PersonId>,
    pub updated_at: String,
}

impl Person {
    /// Name, or 「匿名」.
    #[must_use]
    pub fn name(&self) -> &str {
        self.fields.get("name").map_or("匿名", String::as_str)
    }

    /// What of the person is compared with others: values of today and of the past.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let mut out = Identity::default();
        for (field, value) in &self.fields {
            out.add(field, value);
        }
        for fact in &self.former {
            out.add(&fact.field, &fact.value);
        }
        out
    }

    fn date(&self, field: &str) -> Option<PartialDate> {
        self.fields.get(field).and_then(|text| text.parse().ok())
    }

    /// Whether [`Self::age_on`] is about right only: the birth date is not known to the day, or the age is
    /// an estimate.
    #[must_use]
    pub fn age_is_about(&self) -> bool {
        match self.date("birth_date") {
            Some(born) => {
                !born.is_full() || self.date("death_date").is_some_and(|died| !died.is_full())
            }
            None => true,
        }
    }

    /// Whether the person has died: marked so, or with a date of death.
    #[must_use]
    pub fn is_deceased(&self) -> bool {
        self.fields
            .get("is_deceased")
            .is_some_and(|value| value == "true")
            || self.date("death_date").is_some()
    }

    /// Age in full years on a day, of the dead on the day of death (`None` when that day is not
    /// known); from the birth date, else the estimate. From a year (and month) alone as if the day were
    /// its first, as statistics count it.
    #[must_use]
    pub fn age_on(&self, day: Date) -> Option<i64> {
        let day = match self.date("death_date") {
            Some(died) => Some(died.first_day().min(day)),
            None => (!self.is_deceased()).then_some(day),
        };
        match (self.date("birth_date").map(|born| born.first_day()), day) {
            (Some(born), Some(day)) if born <= day => {
                let years = i64::from(day.year()) - i64::from(born.year());
                let before = (day.month(), day.day()) < (born.month(), born.day());
                Some(years - i64::from(before))
            }
            (Some(_), _) => None,
            (None, _) => self
                .fields
                .get("estimated_age")
                .and_then(|text| text.parse().ok()),
        }
    }
}

fn digits(text: &str) -> String {
    normal(text).chars().filter(char::is_ascii_digit).collect()
}

/// The rules by which index entries are made: counted up with every change of [`index_terms`],
/// [`like_kind`] or [`domain::likeness`], so that older entries are made anew.
const INDEX_VERSION: i64 = 1;

/// Longest prefix that is indexed, in characters.
const PREFIX: usize = 10;

/// Under which kind of entry the keys of a likeness stand.
pub(crate) const fn like_kind(key: Key) -> &'static str {
    match key {
        Key::Name => "like_name",
        Key::Kana => "like_kana",
        Key::BirthDate => "birth_date",
        Key::Phone => "phone",
    }
}

/// A birth date as it is looked for: 昭和30年頃 is found by its year.
fn birth_term(value: &str) -> String {
    value.trim().trim_end_matches('~').to_owned()
}

/// The index entries of one value: (kind, text).
fn index_terms(field: &str, value: &str) -> Vec<(&'static str, String)> {
    let kind = match field {
        "name" | "alias" => "name",
        "name_kana" | "alias_kana" => "kana",
        "birth_date" => return vec![("birth_date", birth_term(value))],
        "phone_home" | "phone_mobile" => {
            return phone_key(value)
                .map(|number| ("phone", number))
                .into_iter()
                .collect();
        }
        "atena_no" => return vec![("atena_no", digits(value))],
        _ => return Vec::new(),
    };
    let mut terms = BTreeSet::new();
    // The whole name and each part of it (surname, given name) with all their beginnings.
    let mut starts = vec![normal(value)];
    starts.extend(value.split([' ', '　']).skip(1).map(normal));
    for text in starts {
        let chars: Vec<char> = text.chars().collect();
        for end in 1..=chars.len().min(PREFIX) {
            terms.insert(chars[..end].iter().collect::<String>());
        }
        if chars.len() > PREFIX {
            terms.insert(text);
        }
    }
    terms.into_iter().map(|text| (kind, text)).collect()
}

pub(crate) fn check_facts(facts: &[Fact]) -> Result<()> {
    for fact in facts {
        let known = !fact.field.is_empty()
            && fact.field.len() <= 64
            && fact
                .field
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !known {
            return Err(StoreError::Invalid("field"));
        }
        if fact.value.chars().count() > 2000 {
            return Err(StoreError::Invalid("value_too_long"));
        }
        if fact.field == "birth_date" && fact.value.parse::<PartialDate>().is_err() {
            return Err(StoreError::Invalid("birth_date"));
        }
        if matches!((fact.valid_from, fact.valid_to), (Some(from), Some(to)) if to < from) {
            return Err(StoreError::Invalid("period"));
        }
    }
    Ok(())
}

pub(crate) async fn insert_fact(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
    fact: &Fact,
    by: Option<&str>,
) -> Result<String> {
    let id: String = tx.database().fresh();
    let sealed = tx
        .seal(
            municipality,
            &Purpose::Person(person.clone()),
            "person_facts.value",
            &id,
            fact.value.as_bytes(),
        )
        .await?;
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO person_facts (municipality_id, id, person_id, field, value_sealed, valid_from, valid_to, recorded_at, recorded_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(person.as_str())
    .bind(fact.field.as_str())
    .bind(sealed)
    .bind(fact.valid_from.map(|day| day.to_string()))
    .bind(fact.valid_to.map(|day| day.to_string()))
    .bind(now)
    .bind(by.map(str::to_owned))
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// The index entries of a person with these values (field, value): kind and blind token.
pub(crate) fn tokens<'a>(
    key: &crate::crypto::SecretKey,
    values: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeSet<(&'static str, String)> {
    let mut tokens = BTreeSet::new();
    let mut identity = Identity::default();
    for (field, value) in values {
        identity.add(field, value);
        for (kind, text) in index_terms(field, value) {
            tokens.insert((kind, blind_index(key, kind, &text)));
        }
    }
    for (key_kind, text) in identity.keys() {
        let kind = like_kind(key_kind);
        tokens.insert((kind, blind_index(key, kind, &text)));
    }
    tokens
}

/// Rebuilds a person's index entries from all values, also those of the past.
pub(crate) async fn reindex(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<()> {
    sqlx::query("DELETE FROM person_index WHERE municipality_id = $1 AND person_id = $2")
        .bind(municipality.as_str())
        .bind(person.as_str())
        .execute(tx.conn())
        .await?;
    let facts = load_facts(tx, municipality, std::slice::from_ref(person)).await?;
    let key = tx.data_key(municipality, &Purpose::Index).await?;
    let all = facts
        .values()
        .flatten()
        .map(|(_, fact, _)| (fact.field.as_str(), fact.value.as_str()));
    let tokens = tokens(&key.key, all);
    let tokens: Vec<_> = tokens.into_iter().collect();
    for chunk in tokens.chunks(100) {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| format!("($1, ${}, ${}, $2)", 3 + 2 * n, 4 + 2 * n))
            .collect();
        let sql = format!(
            "INSERT INTO person_index (municipality_id, kind, token, person_id) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(municipality.as_str())
            .bind(person.as_str());
        for (kind, token) in chunk {
            query = query.bind(*kind).bind(token.as_str());
        }
        query.execute(tx.conn()).await?;
    }
    sqlx::query("UPDATE persons SET index_version = $3 WHERE municipality_id = $1 AND id = $2")
        .bind(municipality.as_str())
        .bind(person.as_str())
        .bind(INDEX_VERSION)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Makes the index entries of older rules anew, a hundred persons per transaction, so that nobody
/// waits for it. Returns how many persons it made anew; safe to run on several nodes and again.
///
/// # Errors
/// Database away, or a value that cannot be opened.
pub async fn refresh_index(db: &Database) -> Result<u64> {
    let mut done = 0;
    loop {
        match refresh_some(db).await? {
            0 => return Ok(done),
            some => done += some,
        }
    }
}

/// One step of [`refresh_index`]: how many persons were looked at, 0 when none is behind.
///
/// # Errors
/// As [`refresh_index`].
pub async fn refresh_some(db: &Database) -> Result<u64> {
    let mut tx = db.write().await?;
    let behind = sqlx::query(
        "SELECT municipality_id, id FROM persons WHERE merged_into IS NULL AND index_version < $1 ORDER BY index_version, municipality_id, id LIMIT 100",
    )
    .bind(INDEX_VERSION)
    .fetch_all(tx.conn())
    .await?;
    for row in &behind {
        let municipality = MunicipalityId(row.try_get("municipality_id")?);
        let person = PersonId(row.try_get("id")?);
        // Whoever comes second, another node or a change, finds it done.
        let held = sqlx::query(
            "UPDATE persons SET index_version = $3 WHERE municipality_id = $1 AND id = $2 AND index_version < $3",
        )
        .bind(municipality.as_str())
        .bind(person.as_str())
        .bind(INDEX_VERSION)
        .execute(tx.conn())
        .await?;
        if held.rows_affected() > 0 {
            reindex(&mut tx, &municipality, &person).await?;
        }
    }
    tx.commit().await?;
    Ok(behind.len() as u64)
}

pub(crate) type FactRows = BTreeMap<PersonId, Vec<(String, Fact, String)>>;

pub(crate) async fn load_facts(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
) -> Result<FactRows> {
    let sql = "SELECT id, person_id, field, value_sealed, valid_from, valid_to, recorded_at FROM person_facts \
               WHERE municipality_id = $1 AND person_id IN";
    open_facts(tx, municipality, ids, sql).await
}

/// Facts that `sql` finds of these persons.
async fn open_facts(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
    sql: &'static str,
) -> Result<FactRows> {
    let mut out = FactRows::new();
    let order = "ORDER BY person_id, recorded_at, id";
    let rows = rows_for(tx, municipality, ids, sql, order).await?;
    // Each person has a key.
    let mut keys = BTreeSet::new();
    for row in &rows {
        keys.insert(crate::crypto::header(&row.try_get::<Vec<u8>, _>("value_sealed")?)?.key);
    }
    tx.keys_at_once(municipality, &keys.into_iter().collect::<Vec<_>>())
        .await?;
    for row in rows {
        let id: String = row.try_get("id")?;
        let sealed: Vec<u8> = row.try_get("value_sealed")?;
        let value = tx
            .open_text(municipality, "person_facts.value", &id, &sealed)
            .await?;
        let fact = Fact {
            field: row.try_get("field")?,
            value,
            valid_from: optional_date(row.try_get("valid_from")?)?,
            valid_to: optional_date(row.try_get("valid_to")?)?,
        };
        out.entry(PersonId(row.try_get("person_id")?))
            .or_default()
            .push((id, fact, row.try_get("recorded_at")?));
    }
    Ok(out)
}

/// Everything of the persons, nothing left out: for authority checked by the caller.
pub(crate) async fn load(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
) -> Result<BTreeMap<PersonId, Person>> {
    let facts = load_facts(tx, municipality, ids).await?;
    let mut out = assembled(tx, municipality, ids, facts).await?;
    for (merged, kept) in crate::merges::into(tx, municipality, ids).await? {
        if let Some(person) = out.get_mut(&kept) {
            person.merged.push(merged);
        }
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT person_id, agency_id FROM person_address_allow WHERE municipality_id = $1 AND person_id IN",
        "ORDER BY agency_id",
    )
    .await?;
    for row in &rows {
        if let Some(person) = out.get_mut(&PersonId(row.try_get("person_id")?)) {
            person
                .address_allow
                .push(AgencyId(row.try_get("agency_id")?));
        }
    }
    Ok(out)
}

/// What the line of a case shows of persons: of the `clients` name, age and
/// gender as they stand today, of all the flags. For authority checked by the caller.
pub(crate) async fn load_lines(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
    clients: &[PersonId],
) -> Result<BTreeMap<PersonId, Person>> {
    let facts = open_facts(
        tx,
        municipality,
        clients,
        "SELECT id, person_id, field, value_sealed, valid_from, valid_to, recorded_at FROM person_facts \
         WHERE field IN ('name', 'name_kana', 'gender', 'birth_date', 'estimated_age', 'is_deceased', 'death_date') \
         AND valid_to IS NULL AND municipality_id = $1 AND person_id IN",
    )
    .await?;
    assembled(tx, municipality, ids, facts).await
}

/// Persons with these facts and their flags.
async fn assembled(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
    mut facts: FactRows,
) -> Result<BTreeMap<PersonId, Person>> {
    let mut out = BTreeMap::new();
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT * FROM persons WHERE municipality_id = $1 AND id IN",
        "",
    )
    .await?;
    for row in &rows {
        let id = PersonId(row.try_get("id")?);
        let (mut fields, mut former) = (BTreeMap::new(), Vec::new());
        for (_, fact, _) in facts.remove(&id).unwrap_or_default() {
            if fact.valid_to.is_none() {
                // The latest recorded wins, should two be open.
                if let Some(old) = fields.insert(fact.field.clone(), fact.value) {
                    former.push(Fact {
                        field: fact.field,
                        value: old,
                        valid_from: None,
                        valid_to: None,
                    });
                }
            } else {
                former.push(fact);
            }
        }
        let person = Person {
            id: id.clone(),
            version: row.try_get("version")?,
            fields,
            former,
            flags: Vec::new(),
            address_confidential: row.try_get::<i64, _>("address_confidential")? != 0,
            address_withheld: false,
            address_allow: Vec::new(),
            merged: Vec::new(),
            updated_at: row.try_get("updated_at")?,
        };
        out.insert(id, person);
    }
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT id, person_id, flag, basis_sealed, review_on FROM person_flags \
         WHERE ended_at IS NULL AND municipality_id = $1 AND person_id IN",
        "ORDER BY recorded_at, id",
    )
    .await?;
    for row in &rows {
        let id: String = row.try_get("id")?;
        let basis = match row.try_get::<Option<Vec<u8>>, _>("basis_sealed")? {
            Some(record) => Some(
                tx.open_text(municipality, "person_flags.basis", &id, &record)
                    .await?,
            ),
            None => None,
        };
        let flag = Flag {
            id,
            flag: row.try_get("flag")?,
            basis,
            review_on: optional_date(row.try_get("review_on")?)?,
        };
        if let Some(person) = out.get_mut(&PersonId(row.try_get("person_id")?)) {
            person.flags.push(flag);
        }
    }
    Ok(out)
}

/// Takes out what the protection of the address covers.
pub(crate) fn withhold_address(person: &mut Person) {
    person
        .fields
        .retain(|field, _| !PROTECTED.contains(&field.as_str()));
    person
        .former
        .retain(|fact| !PROTECTED.contains(&fact.field.as_str()));
    person.address_withheld = true;
}

/// Takes out of a person what the caller does not see.
pub(crate) fn withhold(person: &mut Person, caller: &Caller, sight: Sight) {
    if !sight.register {
        withhold_register(person);
    } else if !sight.address {
        withhold_address(person);
    }
    if !caller.may(Capability::EditPersons) {
        person.address_allow.clear();
        if !caller.may(Capability::ReadPersons) {
            // An agency learns the flags, not what they rest on.
            for flag in &mut person.flags {
                flag.basis = None;
            }
        }
    }
}

/// Leaves the name and its kana.
pub(crate) fn withhold_register(person: &mut Person) {
    withhold_address(person);
    person
        .fields
        .retain(|field, _| NAMING.contains(&field.as_str()));
    person.former.clear();
    person.flags.clear();
}

pub(crate) async fn set_allow(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
    allow: &[AgencyId],
    by: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM person_address_allow WHERE municipality_id = $1 AND person_id = $2")
        .bind(municipality.as_str())
        .bind(person.as_str())
        .execute(tx.conn())
        .await?;
    let now = tx.now_text();
    for agency in allow.iter().collect::<BTreeSet<_>>() {
        sqlx::query("INSERT INTO person_address_allow (municipality_id, person_id, agency_id, granted_by, granted_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(municipality.as_str())
            .bind(person.as_str())
            .bind(agency.as_str())
            .bind(by)
            .bind(now.as_str())
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

pub(crate) async fn add_flag(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
    flag: &Flag,
    by: &str,
) -> Result<String> {
    let id: String = tx.database().fresh();
    let basis = match &flag.basis {
        Some(text) => Some(
            tx.seal(
                municipality,
                &Purpose::Person(person.clone()),
                "person_flags.basis",
                &id,
                text.as_bytes(),
            )
            .await?,
        ),
        None => None,
    };
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO person_flags (municipality_id, id, person_id, flag, basis_sealed, review_on, recorded_by, recorded_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(person.as_str())
    .bind(flag.flag.as_str())
    .bind(basis)
    .bind(flag.review_on.map(|day| day.to_string()))
    .bind(by)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// Puts a person into the register. An agency that may receive cases may enter persons too; it
/// sees them afterwards only through a case.
///
/// # Errors
/// Forbidden, or a field that is not acceptable.
pub async fn create(tx: &mut Tx, caller: &Caller, new: &NewPerson) -> Result<PersonId> {
    if !caller.may(Capability::EditPersons) && !caller.may(Capability::CreateCase) {
        return Err(StoreError::Forbidden);
    }
    check_facts(&new.facts)?;
    let municipality = caller.viewer.municipality.clone();
    let by = caller.viewer.account.0.clone();
    let id: PersonId = tx.database().fresh();
    let now = tx.now_text();
    sqlx::query(
        "INSERT INTO persons (municipality_id, id, version, address_confidential, created_by, created_at, updated_at) \
         VALUES ($1, $2, 1, $3, $4, $5, $5)",
    )
    .bind(municipality.as_str())
    .bind(id.as_str())
    .bind(i64::from(new.address_confidential))
    .bind(by.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    for fact in new
        .facts
        .iter()
        .filter(|fact| !fact.value.trim().is_empty())
    {
        insert_fact(tx, &municipality, &id, fact, Some(&by)).await?;
    }
    for flag in &new.flags {
        add_flag(tx, &municipality, &id, flag, &by).await?;
    }
    // Who may not edit the register does not say who sees what it protects.
    if caller.may(Capability::EditPersons) {
        set_allow(tx, &municipality, &id, &new.address_allow, &by).await?;
    }
    reindex(tx, &municipality, &id).await?;
    crate::outbox::put(
        tx,
        &municipality,
        "person",
        id.as_str(),
        None,
        serde_json::Value::Null,
    );
    Ok(id)
}

/// The right to see one person of the register.
#[derive(Debug, Clone)]
pub struct PersonAccess {
    pub(crate) caller: Caller,
    pub(crate) person: PersonId,
    pub(crate) sight: Sight,
    pub(crate) edit: bool,
}

/// What of a person's register is shown, the name apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// More than name and kana.
    pub register: bool,
    /// The protected values too.
    pub address: bool,
}

impl Sight {
    /// Of a person of a case who is seen by name in it.
    pub(crate) fn in_case(viewer: &Viewer, facts: &CaseFacts, person: &PersonId) -> Self {
        Self {
            register: disclosure::register_visible(viewer, facts, person),
            address: disclosure::address_visible(viewer, facts, person),
        }
    }
}

/// A person found by the blind index, and by what.
pub(crate) struct Match {
    pub person: PersonId,
    kinds: BTreeSet<&'static str>,
}

impl Match {
    /// Whether it was found by something the searcher may see: a value that is withheld must not be
    /// guessed by looking for it.
    pub fn is_shown(&self, sight: Sight) -> bool {
        self.kinds.iter().any(|kind| match *kind {
            "name" | "kana" => true,
            "phone" => sight.address,
            _ => sight.register,
        })
    }
}

/// Keeps a person from being merged into another until the transaction ends.
pub(crate) async fn hold(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<()> {
    let held = sqlx::query(
        "UPDATE persons SET version = version WHERE municipality_id = $1 AND id = $2 AND merged_into IS NULL",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .execute(tx.conn())
    .await?;
    if held.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// Which of the persons have their address protected.
pub(crate) async fn protected(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
) -> Result<BTreeSet<PersonId>> {
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT id FROM persons WHERE address_confidential <> 0 AND municipality_id = $1 AND id IN",
        "",
    )
    .await?;
    rows.iter()
        .map(|row| Ok(PersonId(row.try_get("id")?)))
        .collect()
}

/// Cases a person is in.
pub(crate) async fn cases_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<Vec<CaseId>> {
    let rows = sqlx::query(
        "SELECT case_id FROM case_persons WHERE municipality_id = $1 AND person_id = $2",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| Ok(CaseId(row.try_get("case_id")?)))
        .collect()
}

/// What the caller may see of persons, and in which cases by name. Who is left out is not seen even by
/// name.
pub(crate) async fn visible(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[PersonId],
) -> Result<BTreeMap<PersonId, (Sight, Vec<CaseId>)>> {
    visible_by(tx, caller, ids, Source::Database).await
}

/// As [`visible`], for a search: what it finds goes through the policy once more before it is shown.
pub(crate) async fn sieved(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[PersonId],
) -> Result<BTreeMap<PersonId, (Sight, Vec<CaseId>)>> {
    visible_by(tx, caller, ids, Source::Memory).await
}

/// Where the facts of cases come from.
#[derive(Clone, Copy)]
enum Source {
    Database,
    /// [`case_facts`].
    Memory,
}

async fn visible_by(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[PersonId],
    source: Source,
) -> Result<BTreeMap<PersonId, (Sight, Vec<CaseId>)>> {
    let mut out = BTreeMap::new();
    // A token narrowed to other things reads nobody, however its owner would be let in.
    if !caller.may(Capability::ReadPersons) && !caller.may(Capability::ReadCases) {
        return Ok(out);
    }
    let (municipality, viewer) = (&caller.viewer.municipality, &caller.viewer);
    let staff = caller.may(Capability::ReadPersons) && viewer.agency_class != AgencyClass::Agency;
    for chunk in ids.chunks(300) {
        let list = placeholders(3, chunk.len());
        let bind = |sql: String, second: &str| {
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(municipality.0.clone())
                .bind(second.to_owned());
            for id in chunk {
                query = query.bind(id.0.clone());
            }
            query
        };
        // An account does not see the person it is itself.
        let rows = bind(
            format!(
                "SELECT id, address_confidential FROM persons WHERE municipality_id = $1 AND merged_into IS NULL \
                 AND id NOT IN (SELECT person_id FROM accounts WHERE municipality_id = $1 AND id = $2 AND person_id IS NOT NULL) \
                 AND id IN ({list})"
            ),
            viewer.account.as_str(),
        )
        .fetch_all(tx.conn())
        .await?;
        let mut confidential = BTreeMap::new();
        for row in &rows {
            confidential.insert(
                PersonId(row.try_get("id")?),
                row.try_get::<i64, _>("address_confidential")? != 0,
            );
        }
        let rows = bind(
            format!(
                "SELECT person_id FROM person_address_allow WHERE municipality_id = $1 AND agency_id = $2 AND person_id IN ({list})"
            ),
            viewer.agency.as_str(),
        )
        .fetch_all(tx.conn())
        .await?;
        let mut allowed = BTreeSet::new();
        for row in &rows {
            allowed.insert(PersonId(row.try_get("person_id")?));
        }
        let rows = rows_for(
            tx,
            municipality,
            chunk,
            "SELECT person_id, case_id FROM case_persons WHERE municipality_id = $1 AND person_id IN",
            "",
        )
        .await?;
        let mut cases_of: BTreeMap<PersonId, Vec<CaseId>> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for row in &rows {
            let case = CaseId(row.try_get("case_id")?);
            all.insert(case.clone());
            cases_of
                .entry(PersonId(row.try_get("person_id")?))
                .or_default()
                .push(case);
        }
        let all: Vec<CaseId> = all.into_iter().collect();
        let facts = match source {
            Source::Database => cases::facts(tx, municipality, &all)
                .await?
                .into_iter()
                .map(|(case, facts)| (case, Arc::new(facts)))
                .collect(),
            Source::Memory => case_facts::facts(tx, municipality, &all).await?,
        };
        for (person, confidential) in confidential {
            let mut by_name = Vec::new();
            let (mut register, mut address) = (false, false);
            let mut excluded = false;
            let cases = cases_of.remove(&person).unwrap_or_default();
            for case in cases.iter().filter_map(|case| facts.get(case)) {
                if disclosure::person_level(viewer, case, &person) >= Level::Read {
                    by_name.push(case.case.clone());
                }
                let sight = Sight::in_case(viewer, case, &person);
                register |= sight.register;
                address |= sight.address;
                excluded |= cases::excludes(viewer, case, &person);
            }
            let named = !by_name.is_empty();
            if !caller.may(Capability::ReadCases) {
                by_name.clear();
            }
            if staff && !excluded {
                let sight = Sight {
                    register: true,
                    address: !confidential || allowed.contains(&person),
                };
                out.insert(person, (sight, by_name));
            } else if named {
                out.insert(person, (Sight { register, address }, by_name));
            }
        }
    }
    Ok(out)
}

impl Tx {
    /// The caller's right to see a person: staff with the register unless excluded in one of the
    /// person's cases, agencies only by name through a case disclosed to them.
    ///
    /// # Errors
    /// Database away.
    pub async fn person_for(
        &mut self,
        caller: &Caller,
        person: &PersonId,
    ) -> Result<Option<PersonAccess>> {
        let found = visible(self, caller, std::slice::from_ref(person)).await?;
        let Some((_, (sight, _))) = found.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(PersonAccess {
            caller: caller.clone(),
            person: person.clone(),
            sight,
            edit: caller.may(Capability::EditPersons),
        }))
    }

    /// Searches the register: beginning of name or kana (also of given name, old names, aliases,
    /// variant characters), telephone, birth date (`1980-01-02`, 昭和30年). At most `limit` persons whom the
    /// caller may see.
    ///
    /// # Errors
    /// Forbidden without access to persons or cases.
    pub async fn find_persons(
        &mut self,
        caller: &Caller,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Person>> {
        if !caller.may(Capability::ReadPersons) && !caller.may(Capability::ReadCases) {
            return Err(StoreError::Forbidden);
        }
        let found = matching(self, &caller.viewer.municipality, query, 500).await?;
        let mut out = Vec::new();
        for found in found {
            if out.len() >= limit {
                break;
            }
            if let Some(access) = self.person_for(caller, &found.person).await?
                && found.is_shown(access.sight)
            {
                out.extend(access.person(self).await?);
            }
        }
        out.sort_by(|a, b| {
            a.fields
                .get("name_kana")
                .cmp(&b.fields.get("name_kana"))
                .then(a.id.cmp(&b.id))
        });
        Ok(out)
    }
}

/// A person of the register who looks like another one, with the reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    /// Without what is withheld from the caller.
    pub person: Person,
    pub likeness: Likeness,
    /// Cases with the person as client that the caller may know of: ids and numbers.
    pub cases: Vec<(CaseId, String)>,
}

/// Most persons that are opened for one comparison.
const COMPARED: usize = 60;

impl Tx {
    /// Persons who look like somebody, the most alike first, at most `limit`. Candidates come from
    /// the blind index; compared is only what the caller may see of them, so that a value that is
    /// withheld gives no sign, and whoever is hidden is not found.
    ///
    /// # Errors
    /// Forbidden without access to persons or cases.
    pub async fn alike(
        &mut self,
        caller: &Caller,
        who: &Identity,
        except: Option<&PersonId>,
        limit: usize,
    ) -> Result<Vec<Alike>> {
        if !caller.may(Capability::ReadPersons) && !caller.may(Capability::ReadCases) {
            return Err(StoreError::Forbidden);
        }
        let municipality = caller.viewer.municipality.clone();
        let key = self.data_key(&municipality, &Purpose::Index).await?;
        let mut candidates: BTreeMap<PersonId, u32> = BTreeMap::new();
        for (sign, text) in who.keys() {
            let kind = like_kind(sign);
            let rows = sqlx::query(
                "SELECT person_id FROM person_index WHERE municipality_id = $1 AND kind = $2 AND token = $3 ORDER BY person_id LIMIT 200",
            )
            .bind(municipality.as_str())
            .bind(kind)
            .bind(blind_index(&key.key, kind, &text))
            .fetch_all(self.conn())
            .await?;
            for row in rows {
                *candidates
                    .entry(PersonId(row.try_get("person_id")?))
                    .or_default() += sign.weight();
            }
        }
        if let Some(except) = except {
            candidates.remove(except);
        }
        let mut order: Vec<_> = candidates.into_iter().collect();
        order.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let mut out = Vec::new();
        for (id, _) in order.into_iter().take(COMPARED) {
            let Some(access) = self.person_for(caller, &id).await? else {
                continue;
            };
            let Some(person) = access.person(self).await? else {
                continue;
            };
            let likeness = who.compare(&person.identity());
            if likeness.grade().is_some() {
                out.push((access, person, likeness));
            }
        }
        out.sort_by_key(|(_, _, likeness)| {
            std::cmp::Reverse((likeness.grade(), likeness.weight()))
        });
        out.truncate(limit);
        let mut answer = Vec::with_capacity(out.len());
        for (access, person, likeness) in out {
            let cases = access.cases_as_client(self).await?;
            answer.push(Alike {
                person,
                likeness,
                cases,
            });
        }
        Ok(answer)
    }
}

/// The birth date that a query asks for: `1980-01-02`, 昭和30年3月, 昭和30年頃. Four bare digits are no year:
/// they may be the end of a telephone number.
fn birth_asked(query: &str) -> Option<PartialDate> {
    let query = query.trim();
    if query.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let options = wareki::Options {
        partial: true,
        ..wareki::Options::default()
    };
    wareki::parse_with(query, options).ok()
}

/// Persons that match a query by the blind index. Not filtered by right: see [`Match::is_shown`].
pub(crate) async fn matching(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    query: &str,
    limit: i64,
) -> Result<Vec<Match>> {
    let text = normal(query);
    if text.is_empty() || text.chars().count() > 100 {
        return Ok(Vec::new());
    }
    let key = tx.data_key(municipality, &Purpose::Index).await?;
    let mut wanted: Vec<(&'static str, String)> = Vec::new();
    // `normal` takes hyphens away, so dates are read from the raw text.
    if let Some(born) = birth_asked(query) {
        wanted.push(("birth_date", birth_term(&born.to_string())));
    }
    wanted.extend(phone_key(query).map(|number| ("phone", number)));
    let number = digits(query);
    if number.len() >= 4 {
        wanted.push(("atena_no", number));
    }
    wanted.push(("name", text.clone()));
    wanted.push(("kana", text));
    let mut out: Vec<Match> = Vec::new();
    for (kind, text) in wanted {
        let rows = sqlx::query("SELECT person_id FROM person_index WHERE municipality_id = $1 AND kind = $2 AND token = $3 ORDER BY person_id LIMIT $4")
            .bind(municipality.as_str())
            .bind(kind)
            .bind(blind_index(&key.key, kind, &text))
            .bind(limit)
            .fetch_all(tx.conn())
            .await?;
        for row in rows {
            let id = PersonId(row.try_get("person_id")?);
            match out.iter_mut().find(|found| found.person == id) {
                Some(found) => {
                    found.kinds.insert(kind);
                }
                None => out.push(Match {
                    person: id,
                    kinds: BTreeSet::from([kind]),
                }),
            }
        }
    }
    Ok(out)
}

impl PersonAccess {
    /// Which person.
    #[must_use]
    pub fn id(&self) -> &PersonId {
        &self.person
    }

    /// Whether the caller may change the person.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.edit
    }

    /// The person, without what is withheld from the caller.
    ///
    /// # Errors
    /// Database away.
    pub async fn person(&self, tx: &mut Tx) -> Result<Option<Person>> {
        let mut found = load(
            tx,
            &self.caller.viewer.municipality,
            std::slice::from_ref(&self.person),
        )
        .await?;
        let Some(mut person) = found.remove(&self.person) else {
            return Ok(None);
        };
        withhold(&mut person, &self.caller, self.sight);
        Ok(Some(person))
    }

    /// Refuses who may not open protected values; says whether the patch puts the protection on.
    /// Asked with what stands in the database now, in the transaction that writes.
    async fn check_protection(&self, tx: &mut Tx, patch: &PersonPatch) -> Result<bool> {
        let municipality = self.caller.viewer.municipality.as_str();
        let confidential: i64 = sqlx::query_scalar(
            "SELECT address_confidential FROM persons WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality)
        .bind(self.person.as_str())
        .fetch_one(tx.conn())
        .await?;
        let listed: Vec<String> = sqlx::query_scalar(
            "SELECT agency_id FROM person_address_allow WHERE municipality_id = $1 AND person_id = $2",
        )
        .bind(municipality)
        .bind(self.person.as_str())
        .fetch_all(tx.conn())
        .await?;
        // The first case counts: receiving the person into another one puts nobody in charge.
        let in_charge: Option<String> = sqlx::query_scalar(
            "SELECT c.owner_agency_id FROM case_persons p \
             JOIN cases c ON c.municipality_id = p.municipality_id AND c.id = p.case_id \
             WHERE p.municipality_id = $1 AND p.person_id = $2 ORDER BY p.added_at, p.case_id LIMIT 1",
        )
        .bind(municipality)
        .bind(self.person.as_str())
        .fetch_optional(tx.conn())
        .await?;
        let protects = confidential == 0 && patch.address_confidential == Some(true);
        let opens = patch.address_confidential == Some(false) || patch.address_allow.is_some();
        // A list that comes with the protection is one of a protected person: what stood on it before
        // was written by anybody, and gives nobody a say.
        let listed = if protects { Vec::new() } else { listed };
        let may = disclosure::may_change_address_list(
            &self.caller.viewer,
            protects || confidential != 0,
            &listed.into_iter().map(AgencyId).collect(),
            in_charge.map(AgencyId).as_ref(),
        );
        if opens && !may {
            return Err(StoreError::Forbidden);
        }
        Ok(protects)
    }

    /// Changes the person that stands at `version`. Returns the new version.
    ///
    /// # Errors
    /// `Forbidden`, `Conflict` when it changed meanwhile, or an unacceptable field.
    pub async fn update(&self, tx: &mut Tx, version: i64, patch: &PersonPatch) -> Result<i64> {
        let version = self.write(tx, version, patch).await?;
        reindex(tx, &self.caller.viewer.municipality, &self.person).await?;
        Ok(version)
    }

    /// As [`Self::update`]; the index entries are left to [`refresh_index`], which the caller sees to.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub(crate) async fn update_unindexed(
        &self,
        tx: &mut Tx,
        version: i64,
        patch: &PersonPatch,
    ) -> Result<i64> {
        let version = self.write(tx, version, patch).await?;
        sqlx::query("UPDATE persons SET index_version = 0 WHERE municipality_id = $1 AND id = $2")
            .bind(self.caller.viewer.municipality.as_str())
            .bind(self.person.as_str())
            .execute(tx.conn())
            .await?;
        Ok(version)
    }

    async fn write(&self, tx: &mut Tx, version: i64, patch: &PersonPatch) -> Result<i64> {
        if !self.edit {
            return Err(StoreError::Forbidden);
        }
        // Who may not see a protected value must not overwrite it unseen.
        if !self.sight.address
            && patch
                .set
                .keys()
                .any(|field| PROTECTED.contains(&field.as_str()))
        {
            return Err(StoreError::Forbidden);
        }
        let municipality = self.caller.viewer.municipality.clone();
        // Nor open it for the own agency.
        let protects = self.check_protection(tx, patch).await?;
        let by = self.caller.viewer.account.0.clone();
        let from = patch.from.unwrap_or(self.caller.viewer.today);
        let new: Vec<Fact> = patch
            .set
            .iter()
            .filter_map(|(field, value)| value.as_ref().map(|value| (field, value)))
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(field, value)| Fact {
                field: field.clone(),
                value: value.clone(),
                valid_from: Some(from),
                valid_to: None,
            })
            .collect();
        check_facts(&new)?;
        let now = tx.now_text();
        let done = sqlx::query(
            "UPDATE persons SET version = version + 1, updated_at = $4, address_confidential = COALESCE($5, address_confidential) \
             WHERE municipality_id = $1 AND id = $2 AND version = $3",
        )
        .bind(municipality.as_str())
        .bind(self.person.as_str())
        .bind(version)
        .bind(now.as_str())
        .bind(patch.address_confidential.map(i64::from))
        .execute(tx.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        let present = load_facts(tx, &municipality, std::slice::from_ref(&self.person)).await?;
        for (id, fact, _) in present.values().flatten() {
            let Some(next) = patch.set.get(&fact.field) else {
                continue;
            };
            if fact.valid_to.is_some() || next.as_deref() == Some(fact.value.as_str()) {
                continue;
            }
            let wrong = patch.corrections.contains(&fact.field)
                || fact.valid_from.is_some_and(|start| start >= from);
            if wrong {
                sqlx::query("DELETE FROM person_facts WHERE municipality_id = $1 AND id = $2")
                    .bind(municipality.as_str())
                    .bind(id.as_str())
                    .execute(tx.conn())
                    .await?;
            } else {
                let last = from.yesterday().map_err(|_| StoreError::Invalid("from"))?;
                sqlx::query(
                    "UPDATE person_facts SET valid_to = $3 WHERE municipality_id = $1 AND id = $2",
                )
                .bind(municipality.as_str())
                .bind(id.as_str())
                .bind(last.to_string())
                .execute(tx.conn())
                .await?;
            }
        }
        for fact in &new {
            let unchanged = present.values().flatten().any(|(_, old, _)| {
                old.field == fact.field && old.valid_to.is_none() && old.value == fact.value
            });
            if !unchanged {
                let mut fact = fact.clone();
                if patch.corrections.contains(&fact.field) {
                    fact.valid_from = None;
                }
                insert_fact(tx, &municipality, &self.person, &fact, Some(&by)).await?;
            }
        }
        // A list from before the protection must not have been planted: it begins empty.
        if protects || patch.address_allow.is_some() {
            let allow = patch.address_allow.as_deref().unwrap_or_default();
            set_allow(tx, &municipality, &self.person, allow, &by).await?;
        }
        for flag in &patch.add_flags {
            add_flag(tx, &municipality, &self.person, flag, &by).await?;
        }
        for id in &patch.end_flags {
            sqlx::query("UPDATE person_flags SET ended_at = $4 WHERE municipality_id = $1 AND person_id = $2 AND id = $3 AND ended_at IS NULL")
                .bind(municipality.as_str())
                .bind(self.person.as_str())
                .bind(id.as_str())
                .bind(now.as_str())
                .execute(tx.conn())
                .await?;
        }
        if !patch.set.is_empty() {
            crate::vectors::forget_person(tx, &municipality, &self.person).await?;
        }
        crate::outbox::put(
            tx,
            &municipality,
            "person",
            self.person.as_str(),
            None,
            serde_json::Value::Null,
        );
        Ok(version + 1)
    }

    /// Persons that are likely to be the same one, the most alike first. Compared is what the caller
    /// may see, of this person as of the others.
    ///
    /// # Errors
    /// Database away.
    pub async fn duplicates(&self, tx: &mut Tx) -> Result<Vec<Alike>> {
        let Some(me) = self.person(tx).await? else {
            return Ok(Vec::new());
        };
        let mut found = tx
            .alike(&self.caller, &me.identity(), Some(&self.person), 10)
            .await?;
        found.retain(|alike| alike.likeness.grade() == Some(Grade::Likely));
        Ok(found)
    }

    /// Who recorded the flags that stand, and when (instants as fixed-width text): by flag. Empty for
    /// agencies, who do not learn what a flag rests on either; a flag of before accounts were kept with
    /// it, or of a file, has nobody.
    ///
    /// # Errors
    /// Database away.
    pub async fn flag_records(
        &self,
        tx: &mut Tx,
    ) -> Result<BTreeMap<String, (Option<AccountId>, String)>> {
        let caller = &self.caller;
        if !caller.may(Capability::EditPersons) && !caller.may(Capability::ReadPersons) {
            return Ok(BTreeMap::new());
        }
        let rows = sqlx::query(
            "SELECT id, recorded_by, recorded_at FROM person_flags \
             WHERE municipality_id = $1 AND person_id = $2 AND ended_at IS NULL",
        )
        .bind(caller.viewer.municipality.as_str())
        .bind(self.person.as_str())
        .fetch_all(tx.conn())
        .await?;
        rows.iter()
            .map(|row| {
                let by: Option<String> = row.try_get("recorded_by")?;
                let at: String = row.try_get("recorded_at")?;
                Ok((row.try_get("id")?, (by.map(AccountId), at)))
            })
            .collect()
    }

    /// Cases with this person as client whom the caller reads by name in them: ids and numbers, the
    /// newest first.
    ///
    /// # Errors
    /// Database away.
    pub async fn cases_as_client(&self, tx: &mut Tx) -> Result<Vec<(CaseId, String)>> {
        if !self.caller.may(Capability::ReadCases) {
            return Ok(Vec::new());
        }
        let municipality = self.caller.viewer.municipality.clone();
        let rows = sqlx::query(
            "SELECT c.id, c.case_no FROM case_persons p \
             JOIN cases c ON c.municipality_id = p.municipality_id AND c.id = p.case_id \
             WHERE p.municipality_id = $1 AND p.person_id = $2 AND p.role = 'client' ORDER BY c.received_on DESC, c.id DESC",
        )
        .bind(municipality.as_str())
        .bind(self.person.as_str())
        .fetch_all(tx.conn())
        .await?;
        let mut numbers = Vec::new();
        for row in rows {
            numbers.push((CaseId(row.try_get("id")?), row.try_get("case_no")?));
        }
        let ids: Vec<CaseId> = numbers.iter().map(|(id, _)| id.clone()).collect();
        let facts = cases::facts(tx, &municipality, &ids).await?;
        numbers.retain(|(id, _)| {
            facts.get(id).is_some_and(|case| {
                disclosure::case_visible(&self.caller.viewer, case)
                    && disclosure::person_level(&self.caller.viewer, case, &self.person)
                        >= Level::Read
            })
        });
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_do_not_grow_older() {
        let age = |values: &[(&str, &str)]| {
            let person = Person {
                id: "p".into(),
                version: 1,
                fields: values
                    .iter()
                    .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
                    .collect(),
                former: Vec::new(),
                flags: Vec::new(),
                address_confidential: false,
                address_withheld: false,
                address_allow: Vec::new(),
                merged: Vec::new(),
                updated_at: String::new(),
            };
            let today = jiff::civil::date(2026, 11, 20);
            (person.age_on(today), person.is_deceased())
        };
        let born = ("birth_date", "1950-12-01");
        assert_eq!(age(&[born]), (Some(75), false));
        assert_eq!(
            age(&[born, ("is_deceased", "true"), ("death_date", "2020-11-30")]),
            (Some(69), true)
        );
        assert_eq!(age(&[born, ("death_date", "2020-12-01")]), (Some(70), true));
        assert_eq!(age(&[born, ("is_deceased", "true")]), (None, true));
        assert_eq!(age(&[born, ("is_deceased", "false")]), (Some(75), false));
        assert_eq!(age(&[("birth_date", "1955")]), (Some(71), false));
        assert_eq!(age(&[("birth_date", "1955-12~")]), (Some(70), false));
        assert_eq!(
            age(&[("estimated_age", "80"), ("is_deceased", "true")]),
            (Some(80), true)
        );
    }

    #[test]
    fn beginnings_of_surname_and_given_name_are_indexed() {
        let terms: Vec<String> = index_terms("name_kana", "やまだ たろう")
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        for wanted in ["や", "やまだ", "やまだたろう", "たろう", "た"] {
            assert!(terms.iter().any(|term| term == wanted), "{wanted}");
        }
        assert!(index_terms("address", "東京都").is_empty());
    }
}
