//! 統合: two entries of the register that are one person, and taking it back.
//!
//! The merged person stays as it was, out of sight (`persons.merged_into`); what the kept one needs
//! of it is copied. In a case that only the merged person stood in, every reference is renamed; in a
//! case that both stood in, rows fall together. A journal says what was done, so that taking it back
//! restores what stood there before, and leaves alone what was changed since.
//!
//! **Invariant:** a merge opens nothing to anybody: 住所秘匿 and flags are united, the lists of agencies
//! that see an address intersected, exclusions joined, and of two consents in one case the stricter
//! holds.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Consent, ConsentStatus};
use domain::disclosure::{self, Level};
use domain::id::{AccountId, AgencyId, CaseId, ConsentId, MunicipalityId, PersonId};
use domain::role::Capability;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use crate::access::Caller;
use crate::cases::{self, CaseRole};
use crate::consents;
use crate::data_keys::Purpose;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};
use crate::households;
use crate::outbox;
use crate::persons::{self, Fact, Person};

const REASON: &str = "person_merges.reason";
const JOURNAL: &str = "person_merges.journal";
const EXCLUSION: &str = "case_exclusions.reason";

/// Where both have a value of their own: the one that stays current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    Kept,
    Merged,
}

/// A merge that is asked for.
#[derive(Debug, Clone)]
pub struct NewMerge {
    /// Versions that the caller compared.
    pub kept_version: i64,
    pub merged_version: i64,
    /// Per field that differs; the kept person's value where none is named. 連絡時の注意 of both is
    /// joined when none is named.
    pub choices: BTreeMap<String, Choice>,
    pub reason: String,
}

/// Two values of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub field: String,
    pub kept: String,
    pub merged: String,
}

/// A case that both persons stand in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedCase {
    pub case: CaseId,
    pub case_no: String,
    pub kept_role: CaseRole,
    pub merged_role: CaseRole,
    /// The role afterwards.
    pub role: CaseRole,
    /// The consent afterwards; for those who may know it.
    pub consent: Option<ConsentStatus>,
}

/// What a merge would do, for who decides on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub kept: Person,
    pub merged: Person,
    /// Fields of which both have a current value, and not the same.
    pub differences: Vec<Difference>,
    /// Cases that the caller may know of: ids and numbers.
    pub kept_cases: Vec<(CaseId, String)>,
    pub merged_cases: Vec<(CaseId, String)>,
    pub shared: Vec<SharedCase>,
    /// Somebody is shut out of what concerns one of them, in a case the caller answers for, and will
    /// be for both.
    pub exclusions: bool,
    pub address_confidential: bool,
    /// Who sees the protected values afterwards.
    pub address_allow: Vec<AgencyId>,
}

/// A merge that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    pub id: String,
    /// Who is no more; `None` when its values cannot be had.
    pub merged: PersonId,
    pub merged_name: String,
    pub reason: String,
    pub at: String,
    pub by: AccountId,
    pub undone_at: Option<String>,
    pub undone_by: Option<AccountId>,
    /// It is the latest that stands: only that one can be taken back.
    pub undoable: bool,
}

/// Whom a caller may merge.
#[derive(Debug)]
pub enum MergeRight {
    /// One of the two does not exist for the caller, or the caller is shut out somewhere.
    Hidden,
    /// Both are known, but an address is kept from the caller.
    Withheld,
    Granted(Box<MergeAccess>),
}

/// The right to merge two persons.
#[derive(Debug)]
pub struct MergeAccess {
    caller: Caller,
    kept: PersonId,
    merged: PersonId,
}

/// The right to see the merges into a person, and to take them back.
#[derive(Debug)]
pub struct MergedAccess {
    caller: Caller,
    kept: PersonId,
}

/// Where somebody stands in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    role: String,
    kinship: Option<String>,
    number: i64,
    added_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ListChange {
    id: String,
    before: String,
    after: String,
}

/// What fell together in a case that both stood in.
#[derive(Debug, Serialize, Deserialize)]
struct Together {
    case: CaseId,
    kept: Place,
    merged: Place,
    /// Role and kinship given to the kept person.
    role: String,
    kinship: Option<String>,
    consents_moved: Vec<String>,
    consent_added: Option<String>,
    bases: Vec<ListChange>,
    overrides: Vec<ListChange>,
    /// Ids, and whether the kept person stood there too.
    documents: Vec<(String, bool)>,
    records: Vec<(String, bool)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Protection {
    before: bool,
    after: bool,
    list_before: Vec<AgencyId>,
    list_after: Vec<AgencyId>,
}

/// What a merge changed. Ids, codes and days.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Journal {
    facts_added: Vec<String>,
    /// A value that became the past, and the one that took its place.
    facts_closed: Vec<(String, Option<String>)>,
    flags_added: Vec<String>,
    protection: Option<Protection>,
    accounts: Vec<String>,
    /// Stays in households that were renamed.
    #[serde(default)]
    stays: Vec<String>,
    /// Cases in which references were renamed.
    renamed: Vec<CaseId>,
    together: Vec<Together>,
    /// Exclusions copied: case, kind, subject.
    exclusions_added: Vec<(CaseId, String, String)>,
}

/// Everybody who was merged into these persons, also by way of others: (merged, kept).
pub(crate) async fn into(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    ids: &[PersonId],
) -> Result<Vec<(PersonId, PersonId)>> {
    let mut out: Vec<(PersonId, PersonId)> = Vec::new();
    let mut layer: Vec<(PersonId, PersonId)> =
        ids.iter().map(|id| (id.clone(), id.clone())).collect();
    // As deep as merges were made of merged persons; each stands below one other only.
    while !layer.is_empty() {
        let ids: Vec<&PersonId> = layer.iter().map(|(id, _)| id).collect();
        let rows = rows_for(
            tx,
            municipality,
            &ids,
            "SELECT id, merged_into FROM persons WHERE municipality_id = $1 AND merged_into IN",
            "ORDER BY id",
        )
        .await?;
        let roots: BTreeMap<&PersonId, &PersonId> =
            layer.iter().map(|(id, root)| (id, root)).collect();
        let mut next = Vec::new();
        for row in &rows {
            let below = PersonId(row.try_get("merged_into")?);
            if let Some(root) = roots.get(&below) {
                next.push((PersonId(row.try_get("id")?), (*root).clone()));
            }
        }
        out.extend(next.iter().cloned());
        layer = next;
    }
    Ok(out)
}

impl Tx {
    /// Who these ids stand for now: of those that were merged, the person that was kept.
    ///
    /// # Errors
    /// Database away.
    pub async fn merged_into(
        &mut self,
        municipality: &MunicipalityId,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, PersonId>> {
        let mut out = BTreeMap::new();
        let mut layer: Vec<(PersonId, PersonId)> =
            ids.iter().map(|id| (id.clone(), id.clone())).collect();
        while !layer.is_empty() {
            let present: BTreeSet<&PersonId> = layer.iter().map(|(_, now)| now).collect();
            let present: Vec<&PersonId> = present.into_iter().collect();
            let rows = rows_for(
                self,
                municipality,
                &present,
                "SELECT id, merged_into FROM persons WHERE municipality_id = $1 AND merged_into IS NOT NULL AND id IN",
                "",
            )
            .await?;
            let mut kept = BTreeMap::new();
            for row in &rows {
                kept.insert(
                    PersonId(row.try_get("id")?),
                    PersonId(row.try_get("merged_into")?),
                );
            }
            let next: Vec<(PersonId, PersonId)> = layer
                .iter()
                .filter_map(|(asked, now)| Some((asked.clone(), kept.get(now)?.clone())))
                .collect();
            out.extend(next.iter().cloned());
            layer = next;
        }
        Ok(out)
    }

    /// The caller's right to merge `merged` into `kept`: both in the original, and shut out nowhere.
    ///
    /// # Errors
    /// Forbidden without the capability; the same person twice.
    pub async fn merge_for(
        &mut self,
        caller: &Caller,
        kept: &PersonId,
        merged: &PersonId,
    ) -> Result<MergeRight> {
        caller.require(Capability::MergePersons)?;
        for person in [kept, merged] {
            match whole(self, caller, person).await? {
                None => return Ok(MergeRight::Hidden),
                Some(false) => return Ok(MergeRight::Withheld),
                Some(true) => {}
            }
        }
        if kept == merged {
            return Err(StoreError::Invalid("same_entry"));
        }
        Ok(MergeRight::Granted(Box::new(MergeAccess {
            caller: caller.clone(),
            kept: kept.clone(),
            merged: merged.clone(),
        })))
    }

    /// The caller's right to the merges into a person; `None` when it is not seen in the original.
    ///
    /// # Errors
    /// Forbidden without the capability.
    pub async fn merges_for(
        &mut self,
        caller: &Caller,
        kept: &PersonId,
    ) -> Result<Option<MergedAccess>> {
        caller.require(Capability::MergePersons)?;
        let seen = whole(self, caller, kept).await?;
        Ok(seen.filter(|whole| *whole).map(|_| MergedAccess {
            caller: caller.clone(),
            kept: kept.clone(),
        }))
    }

    /// Pairs of persons who are likely to be one, as far as the caller sees both, in the order of the
    /// index; `after` is where the last answer ended. At most `limit` keys are looked at.
    ///
    /// # Errors
    /// Forbidden without the capability.
    pub async fn duplicate_pairs(
        &mut self,
        caller: &Caller,
        after: Option<&str>,
        limit: i64,
    ) -> Result<(Vec<Pair>, Option<String>)> {
        caller.require(Capability::MergePersons)?;
        let municipality = caller.viewer.municipality.clone();
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT token FROM person_index WHERE municipality_id = $1 AND kind = 'like_name' AND token > $2 \
             GROUP BY token HAVING COUNT(*) BETWEEN 2 AND 20 ORDER BY token LIMIT $3",
        )
        .bind(municipality.as_str())
        .bind(after.unwrap_or_default())
        .bind(limit)
        .fetch_all(self.conn())
        .await?;
        let next = (i64::try_from(keys.len()).unwrap_or(i64::MAX) == limit)
            .then(|| keys.last().cloned())
            .flatten();
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for key in keys {
            let ids: Vec<String> = sqlx::query_scalar(
                "SELECT person_id FROM person_index WHERE municipality_id = $1 AND kind = 'like_name' AND token = $2 ORDER BY person_id",
            )
            .bind(municipality.as_str())
            .bind(key)
            .fetch_all(self.conn())
            .await?;
            let ids: Vec<PersonId> = ids.into_iter().map(PersonId).collect();
            let shown = self.persons_shown(caller, &ids).await?;
            let known: Vec<&Person> = ids.iter().filter_map(|id| shown.get(id)).collect();
            for (at, one) in known.iter().enumerate() {
                for other in &known[at + 1..] {
                    let likeness = one.identity().compare(&other.identity());
                    if likeness.grade() == Some(domain::likeness::Grade::Likely)
                        && !likeness.birth_differs
                        && seen.insert((one.id.clone(), other.id.clone()))
                    {
                        out.push(Pair {
                            one: (*one).clone(),
                            other: (*other).clone(),
                            reasons: likeness.reasons.iter().map(|why| why.code()).collect(),
                        });
                    }
                }
            }
        }
        Ok((out, next))
    }
}

/// Two persons who are likely to be one.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub one: Person,
    pub other: Person,
    pub reasons: Vec<&'static str>,
}

/// Whether the caller sees a person without anything left out; `None`: not at all, or shut out in a
/// case of the person's.
async fn whole(tx: &mut Tx, caller: &Caller, person: &PersonId) -> Result<Option<bool>> {
    let municipality = &caller.viewer.municipality;
    let found = persons::visible(tx, caller, std::slice::from_ref(person)).await?;
    let Some((sight, _)) = found.get(person) else {
        return Ok(None);
    };
    let ids = persons::cases_of(tx, municipality, person).await?;
    let facts = cases::facts(tx, municipality, &ids).await?;
    if facts
        .values()
        .any(|case| cases::excludes(&caller.viewer, case, person))
    {
        return Ok(None);
    }
    Ok(Some(sight.register && sight.address))
}

/// The role that says more: a client stays a client.
fn role_of_both(a: CaseRole, b: CaseRole) -> CaseRole {
    let weight = |role| match role {
        CaseRole::Client => 3,
        CaseRole::Household => 2,
        CaseRole::Relative => 1,
        CaseRole::Related => 0,
    };
    if weight(b) > weight(a) { b } else { a }
}

/// Who sees the protected values afterwards: an agency must have been allowed to see those of both.
fn allowed_of_both(kept: &Person, merged: &Person) -> Vec<AgencyId> {
    match (kept.address_confidential, merged.address_confidential) {
        (true, true) => kept
            .address_allow
            .iter()
            .filter(|agency| merged.address_allow.contains(agency))
            .cloned()
            .collect(),
        (false, true) => merged.address_allow.clone(),
        _ => kept.address_allow.clone(),
    }
}

const CAUTION: &str = "contact_caution";
const ANONYMOUS: &str = "is_anonymous";

fn differences(kept: &Person, merged: &Person) -> Vec<Difference> {
    kept.fields
        .iter()
        .filter_map(|(field, value)| {
            let other = merged.fields.get(field)?;
            (other != value).then(|| Difference {
                field: field.clone(),
                kept: value.clone(),
                merged: other.clone(),
            })
        })
        .collect()
}

fn with<'a>(list: &'a [Difference], field: &str) -> Option<&'a Difference> {
    list.iter().find(|difference| difference.field == field)
}

async fn places(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<BTreeMap<CaseId, Place>> {
    let rows = sqlx::query(
        "SELECT case_id, role, kinship, number, added_at FROM case_persons WHERE municipality_id = $1 AND person_id = $2 ORDER BY case_id",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            let place = Place {
                role: row.try_get("role")?,
                kinship: row.try_get("kinship")?,
                number: row.try_get("number")?,
                added_at: row.try_get("added_at")?,
            };
            Ok((CaseId(row.try_get("case_id")?), place))
        })
        .collect()
}

/// References to a person within a case that carry nothing else of the person.
const REFERENCES: &[&str] = &[
    "UPDATE case_persons SET person_id = $4 WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3",
    "UPDATE consents SET person_id = $4 WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3",
    "UPDATE document_subjects SET person_id = $4 WHERE municipality_id = $1 AND person_id = $3 \
     AND document_id IN (SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2)",
    "UPDATE progress_persons SET person_id = $4 WHERE municipality_id = $1 AND person_id = $3 \
     AND record_id IN (SELECT id FROM progress_records WHERE municipality_id = $1 AND case_id = $2)",
];

/// Lists of persons that stand in one column.
const LISTS: [&str; 2] = ["sharing_bases", "consent_overrides"];

async fn set_list(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    table: &str,
    id: &str,
    list: &str,
) -> Result<()> {
    let sql = format!("UPDATE {table} SET persons = $3 WHERE municipality_id = $1 AND id = $2");
    sqlx::query(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(id)
        .bind(list)
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn lists_of(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    table: &str,
    case: &CaseId,
) -> Result<Vec<(String, String, Vec<PersonId>)>> {
    let sql = format!(
        "SELECT id, persons FROM {table} WHERE municipality_id = $1 AND case_id = $2 ORDER BY id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(municipality.as_str())
        .bind(case.as_str())
        .fetch_all(tx.conn())
        .await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get("persons")?;
            let list =
                serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("list of persons"))?;
            Ok((row.try_get("id")?, text, list))
        })
        .collect()
}

/// In a case that only one of two persons stands in: lets every reference name the other one.
async fn rename(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    from: &PersonId,
    to: &PersonId,
) -> Result<()> {
    for sql in REFERENCES {
        sqlx::query(*sql)
            .bind(municipality.as_str())
            .bind(case.as_str())
            .bind(from.as_str())
            .bind(to.as_str())
            .execute(tx.conn())
            .await?;
    }
    for table in LISTS {
        for (id, _, mut list) in lists_of(tx, municipality, table, case).await? {
            if list.contains(from) {
                for person in &mut list {
                    if person == from {
                        *person = to.clone();
                    }
                }
                set_list(tx, municipality, table, &id, &consents::list(&list)?).await?;
            }
        }
    }
    for row in exclusions_about(tx, municipality, from).await? {
        if row.case == *case && copy_exclusion(tx, municipality, &row, from, to).await? {
            remove_exclusion(tx, municipality, &row, from).await?;
        }
    }
    Ok(())
}

struct ExclusionRow {
    case: CaseId,
    kind: String,
    subject: String,
    reason: Option<Vec<u8>>,
    added_by: Option<String>,
    added_at: String,
}

impl ExclusionRow {
    fn place(&self, about: &PersonId) -> String {
        format!("{}/{}/{}/{about}", self.case, self.kind, self.subject)
    }
}

async fn exclusions_about(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<Vec<ExclusionRow>> {
    let rows = sqlx::query(
        "SELECT case_id, kind, subject_id, reason_sealed, added_by, added_at FROM case_exclusions \
         WHERE municipality_id = $1 AND about_person = $2 ORDER BY case_id, kind, subject_id",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ExclusionRow {
                case: CaseId(row.try_get("case_id")?),
                kind: row.try_get("kind")?,
                subject: row.try_get("subject_id")?,
                reason: row.try_get("reason_sealed")?,
                added_by: row.try_get("added_by")?,
                added_at: row.try_get("added_at")?,
            })
        })
        .collect()
}

/// Puts the same exclusion about another person; `false` when it stands already. The reason is sealed
/// anew, since its place is part of what is sealed.
async fn copy_exclusion(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    row: &ExclusionRow,
    from: &PersonId,
    to: &PersonId,
) -> Result<bool> {
    let sealed = match &row.reason {
        Some(record) => {
            let reason = tx
                .open_text(municipality, EXCLUSION, &row.place(from), record)
                .await?;
            let purpose = Purpose::Case(row.case.clone());
            Some(
                tx.seal(
                    municipality,
                    &purpose,
                    EXCLUSION,
                    &row.place(to),
                    reason.as_bytes(),
                )
                .await?,
            )
        }
        None => None,
    };
    let done = sqlx::query(
        "INSERT INTO case_exclusions (municipality_id, case_id, kind, subject_id, about_person, reason_sealed, added_by, added_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (municipality_id, case_id, kind, subject_id, about_person) DO NOTHING",
    )
    .bind(municipality.as_str())
    .bind(row.case.as_str())
    .bind(row.kind.as_str())
    .bind(row.subject.as_str())
    .bind(to.as_str())
    .bind(sealed)
    .bind(row.added_by.clone())
    .bind(row.added_at.as_str())
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn remove_exclusion(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    row: &ExclusionRow,
    about: &PersonId,
) -> Result<()> {
    delete_exclusion(tx, municipality, &row.case, &row.kind, &row.subject, about).await
}

async fn delete_exclusion(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    kind: &str,
    subject: &str,
    about: &PersonId,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM case_exclusions WHERE municipality_id = $1 AND case_id = $2 AND kind = $3 AND subject_id = $4 AND about_person = $5",
    )
    .bind(municipality.as_str())
    .bind(case.as_str())
    .bind(kind)
    .bind(subject)
    .bind(about.as_str())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Marks the cases as changed and tells whoever follows.
async fn announce(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    persons: [&PersonId; 2],
    cases: &BTreeSet<CaseId>,
    today: Date,
) -> Result<()> {
    for person in persons {
        outbox::put(
            tx,
            municipality,
            "person",
            person.as_str(),
            None,
            serde_json::Value::Null,
        );
    }
    let now = tx.now_text();
    for case in cases {
        sqlx::query("UPDATE cases SET updated_at = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(case.as_str())
            .bind(now.as_str())
            .execute(tx.conn())
            .await?;
        let first: Option<String> = sqlx::query_scalar(
            "SELECT person_id FROM case_persons WHERE municipality_id = $1 AND case_id = $2 ORDER BY number LIMIT 1",
        )
        .bind(municipality.as_str())
        .bind(case.as_str())
        .fetch_optional(tx.conn())
        .await?;
        let first = first.map(PersonId);
        consents::set_consent_fact(tx, municipality, case, first.as_ref(), today).await?;
        crate::vectors::forget(tx, municipality, case).await?;
        outbox::put(
            tx,
            municipality,
            "case.persons",
            case.as_str(),
            Some(case),
            serde_json::Value::Null,
        );
    }
    Ok(())
}

impl MergeAccess {
    fn municipality(&self) -> &MunicipalityId {
        &self.caller.viewer.municipality
    }

    async fn both(&self, tx: &mut Tx) -> Result<(Person, Person)> {
        let ids = [self.kept.clone(), self.merged.clone()];
        let mut found = persons::load(tx, self.municipality(), &ids).await?;
        let kept = found.remove(&self.kept).ok_or(StoreError::NotFound)?;
        let merged = found.remove(&self.merged).ok_or(StoreError::NotFound)?;
        Ok((kept, merged))
    }

    /// Both persons, and what a merge would make of them.
    ///
    /// # Errors
    /// Database away.
    pub async fn preview(&self, tx: &mut Tx) -> Result<Preview> {
        let municipality = self.municipality().clone();
        let viewer = &self.caller.viewer;
        let (kept, merged) = self.both(tx).await?;
        let kept_places = places(tx, &municipality, &self.kept).await?;
        let merged_places = places(tx, &municipality, &self.merged).await?;
        let all: Vec<CaseId> = kept_places
            .keys()
            .chain(merged_places.keys())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect();
        let facts = cases::facts(tx, &municipality, &all).await?;
        let numbers = cases::numbers(tx, &municipality, &all).await?;
        let may = self.caller.may(Capability::ReadCases);
        let known = |case: &CaseId, person: &PersonId| {
            facts.get(case).filter(|facts| {
                may && disclosure::case_visible(viewer, facts)
                    && disclosure::person_level(viewer, facts, person) >= Level::Read
            })
        };
        let listed = |places: &BTreeMap<CaseId, Place>, person: &PersonId| {
            places
                .keys()
                .filter(|case| known(case, person).is_some())
                .filter_map(|case| Some((case.clone(), numbers.get(case)?.clone())))
                .collect::<Vec<_>>()
        };
        let answers = |facts: &disclosure::CaseFacts| disclosure::answers_for_case(viewer, facts);
        let mut shared = Vec::new();
        for (case, place) in &kept_places {
            let (Some(other), Some(facts), Some(case_no)) = (
                merged_places.get(case),
                known(case, &self.kept),
                numbers.get(case),
            ) else {
                continue;
            };
            let consent = |person: &PersonId| {
                let known = facts.persons.iter().find(|known| known.person == *person);
                known.map_or(Consent::of(ConsentStatus::Unconfirmed), |known| {
                    known.consent.clone()
                })
            };
            let both = consent(&self.kept).strictest(&consent(&self.merged));
            let (kept_role, merged_role) =
                (CaseRole::parse(&place.role)?, CaseRole::parse(&other.role)?);
            shared.push(SharedCase {
                case: case.clone(),
                case_no: case_no.clone(),
                kept_role,
                merged_role,
                role: role_of_both(kept_role, merged_role),
                consent: answers(facts).then(|| both.status_on(viewer.today)),
            });
        }
        let exclusions = facts.values().filter(|facts| answers(facts)).any(|facts| {
            facts.exclusions.iter().any(|exclusion| {
                exclusion
                    .about
                    .as_ref()
                    .is_some_and(|about| *about == self.kept || *about == self.merged)
            })
        });
        Ok(Preview {
            differences: differences(&kept, &merged),
            kept_cases: listed(&kept_places, &self.kept),
            merged_cases: listed(&merged_places, &self.merged),
            shared,
            exclusions,
            address_confidential: kept.address_confidential || merged.address_confidential,
            address_allow: allowed_of_both(&kept, &merged),
            kept,
            merged,
        })
    }

    /// Merges. Returns the merge's id and the cases it touched.
    ///
    /// # Errors
    /// `Conflict` when one of the two changed since the versions that were compared; an empty reason.
    pub async fn merge(&self, tx: &mut Tx, new: &NewMerge) -> Result<(String, Vec<CaseId>)> {
        let municipality = self.municipality().clone();
        if new.reason.trim().is_empty() {
            return Err(StoreError::Invalid("reason"));
        }
        self.take_versions(tx, new).await?;
        let mut journal = Journal::default();
        let (kept, merged) = self.both(tx).await?;
        self.merge_facts(tx, &kept, &merged, new, &mut journal)
            .await?;
        self.merge_protection(tx, &kept, &merged, &mut journal)
            .await?;
        self.merge_households(tx, &mut journal).await?;
        journal.accounts = sqlx::query_scalar(
            "UPDATE accounts SET person_id = $3, version = version + 1 WHERE municipality_id = $1 AND person_id = $2 RETURNING id",
        )
        .bind(municipality.as_str())
        .bind(self.merged.as_str())
        .bind(self.kept.as_str())
        .fetch_all(tx.conn())
        .await?;
        let kept_places = places(tx, &municipality, &self.kept).await?;
        let merged_places = places(tx, &municipality, &self.merged).await?;
        let touched: BTreeSet<CaseId> = kept_places
            .keys()
            .chain(merged_places.keys())
            .cloned()
            .collect();
        for case in &touched {
            tx.hold_case(&municipality, case).await?;
        }
        for (case, place) in merged_places {
            if let Some(own) = kept_places.get(&case) {
                let together = self.fall_together(tx, &case, own.clone(), place).await?;
                journal.together.push(together);
            } else {
                rename(tx, &municipality, &case, &self.merged, &self.kept).await?;
                journal.renamed.push(case);
            }
        }
        // What is left stands in cases that both are in (or neither).
        for row in exclusions_about(tx, &municipality, &self.merged).await? {
            if copy_exclusion(tx, &municipality, &row, &self.merged, &self.kept).await? {
                journal
                    .exclusions_added
                    .push((row.case, row.kind, row.subject));
            }
        }
        let id = self.write_down(tx, new, &journal).await?;
        sqlx::query("DELETE FROM person_index WHERE municipality_id = $1 AND person_id = $2")
            .bind(municipality.as_str())
            .bind(self.merged.as_str())
            .execute(tx.conn())
            .await?;
        persons::reindex(tx, &municipality, &self.kept).await?;
        let today = self.caller.viewer.today;
        announce(
            tx,
            &municipality,
            [&self.kept, &self.merged],
            &touched,
            today,
        )
        .await?;
        Ok((id, touched.into_iter().collect()))
    }

    /// Both rows, in the order of their ids, so that two merges at a time wait for each other.
    async fn take_versions(&self, tx: &mut Tx, new: &NewMerge) -> Result<()> {
        let mut rows = [
            (&self.kept, new.kept_version, None),
            (&self.merged, new.merged_version, Some(self.kept.0.clone())),
        ];
        rows.sort_by_key(|(id, _, _)| (*id).clone());
        let now = tx.now_text();
        for (person, version, into) in rows {
            let done = sqlx::query(
                "UPDATE persons SET version = version + 1, updated_at = $4, merged_into = $5 \
                 WHERE municipality_id = $1 AND id = $2 AND version = $3 AND merged_into IS NULL",
            )
            .bind(self.municipality().as_str())
            .bind(person.as_str())
            .bind(version)
            .bind(now.as_str())
            .bind(into)
            .execute(tx.conn())
            .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Conflict);
            }
        }
        Ok(())
    }

    async fn merge_facts(
        &self,
        tx: &mut Tx,
        kept: &Person,
        merged: &Person,
        new: &NewMerge,
        journal: &mut Journal,
    ) -> Result<()> {
        let municipality = self.municipality().clone();
        let by = self.caller.viewer.account.0.clone();
        let today = self.caller.viewer.today;
        let yesterday = today
            .yesterday()
            .map_err(|_| StoreError::Invalid("today"))?;
        let differing = differences(kept, merged);
        let ids = [self.kept.clone(), self.merged.clone()];
        let mut rows = persons::load_facts(tx, &municipality, &ids).await?;
        let own = rows.remove(&self.kept).unwrap_or_default();
        let others = rows.remove(&self.merged).unwrap_or_default();
        let named = kept.fields.contains_key("name") || merged.fields.contains_key("name");
        let close = |fact: &Fact| {
            fact.valid_from
                .map_or(yesterday, |from| from.max(yesterday))
        };
        let mut replaced: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (_, fact, _) in &others {
            let current =
                fact.valid_to.is_none() && merged.fields.get(&fact.field) == Some(&fact.value);
            let mut copy = fact.clone();
            if current && fact.field == ANONYMOUS && named {
                continue;
            }
            let differs = with(&differing, &fact.field).is_some();
            let joined = fact.field == CAUTION && !new.choices.contains_key(CAUTION);
            let wins =
                !differs || (new.choices.get(&fact.field) == Some(&Choice::Merged) || joined);
            if current && differs && joined {
                let own = kept.fields.get(CAUTION).map_or("", String::as_str);
                copy.value = format!("{own}\n{}", fact.value);
                copy.valid_from = Some(today);
            } else if fact.valid_to.is_none() && !(current && wins) {
                copy.valid_to = Some(close(fact));
            }
            // What the kept person has already, as of now or as of the past, is not said twice.
            let said = own.iter().any(|(_, known, _)| {
                known.field == copy.field
                    && known.value == copy.value
                    && known.valid_to.is_none() == copy.valid_to.is_none()
            });
            if said {
                continue;
            }
            let id = persons::insert_fact(tx, &municipality, &self.kept, &copy, Some(&by)).await?;
            if copy.valid_to.is_none() {
                replaced.insert(copy.field.clone(), Some(id.clone()));
            }
            journal.facts_added.push(id);
        }
        if named && !kept.fields.contains_key("name") && kept.fields.contains_key(ANONYMOUS) {
            replaced.insert(ANONYMOUS.to_owned(), None);
        }
        for (id, fact, _) in own {
            if let (None, Some(by)) = (fact.valid_to, replaced.get(&fact.field)) {
                set_last_day(tx, &municipality, &id, Some(close(&fact))).await?;
                journal.facts_closed.push((id, by.clone()));
            }
        }
        for flag in &merged.flags {
            let known = kept.flags.iter().any(|own| {
                own.flag == flag.flag
                    && own.review_on == flag.review_on
                    && (flag.basis.is_none() || own.basis == flag.basis)
            });
            if !known {
                let id = persons::add_flag(tx, &municipality, &self.kept, flag, &by).await?;
                journal.flags_added.push(id);
            }
        }
        Ok(())
    }

    async fn merge_protection(
        &self,
        tx: &mut Tx,
        kept: &Person,
        merged: &Person,
        journal: &mut Journal,
    ) -> Result<()> {
        let after = kept.address_confidential || merged.address_confidential;
        let list = allowed_of_both(kept, merged);
        if after == kept.address_confidential && list == kept.address_allow {
            return Ok(());
        }
        let municipality = self.municipality().clone();
        set_confidential(tx, &municipality, &self.kept, after).await?;
        let by = self.caller.viewer.account.0.clone();
        persons::set_allow(tx, &municipality, &self.kept, &list, &by).await?;
        journal.protection = Some(Protection {
            before: kept.address_confidential,
            after,
            list_before: kept.address_allow.clone(),
            list_after: list,
        });
        Ok(())
    }

    /// Stays go to the kept person. Of two in one household at the same time the merged person's stays
    /// where it is, out of sight with its entry.
    async fn merge_households(&self, tx: &mut Tx, journal: &mut Journal) -> Result<()> {
        journal.stays = sqlx::query_scalar(
            "UPDATE household_stays SET person_id = $3 WHERE municipality_id = $1 AND person_id = $2 AND NOT EXISTS \
             (SELECT 1 FROM household_stays k WHERE k.municipality_id = $1 AND k.person_id = $3 \
              AND k.household_id = household_stays.household_id \
              AND (k.valid_to IS NULL OR household_stays.valid_from IS NULL OR household_stays.valid_from <= k.valid_to) \
              AND (household_stays.valid_to IS NULL OR k.valid_from IS NULL OR k.valid_from <= household_stays.valid_to)) \
             RETURNING id",
        )
        .bind(self.municipality().as_str())
        .bind(self.merged.as_str())
        .bind(self.kept.as_str())
        .fetch_all(tx.conn())
        .await?;
        journal.stays.sort();
        households::reseal(tx, self.municipality(), &journal.stays, &self.kept).await
    }

    /// A case that both stand in.
    async fn fall_together(
        &self,
        tx: &mut Tx,
        case: &CaseId,
        kept: Place,
        merged: Place,
    ) -> Result<Together> {
        let municipality = self.municipality().clone();
        let (m, c) = (municipality.as_str(), case.as_str());
        let (kept_role, merged_role) =
            (CaseRole::parse(&kept.role)?, CaseRole::parse(&merged.role)?);
        let role = role_of_both(kept_role, merged_role);
        let (first, second) = if role == kept_role {
            (&kept.kinship, &merged.kinship)
        } else {
            (&merged.kinship, &kept.kinship)
        };
        let kinship = first.clone().or_else(|| second.clone());
        sqlx::query("DELETE FROM case_persons WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3")
            .bind(m)
            .bind(c)
            .bind(self.merged.as_str())
            .execute(tx.conn())
            .await?;
        sqlx::query("UPDATE case_persons SET role = $4, kinship = $5 WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3")
            .bind(m)
            .bind(c)
            .bind(self.kept.as_str())
            .bind(role.code())
            .bind(kinship.clone())
            .execute(tx.conn())
            .await?;
        let (consents_moved, consent_added) = self.merge_consents(tx, case).await?;
        let mut lists = [Vec::new(), Vec::new()];
        for (table, changes) in LISTS.iter().zip(&mut lists) {
            for (id, before, list) in lists_of(tx, &municipality, table, case).await? {
                let (a, b) = (list.contains(&self.kept), list.contains(&self.merged));
                // A basis covers the one person only if it was given for both; what was done once was
                // done about either.
                let stays = if *table == "sharing_bases" {
                    a && b
                } else {
                    a || b
                };
                let mut after: Vec<PersonId> = list
                    .into_iter()
                    .filter(|person| *person != self.kept && *person != self.merged)
                    .collect();
                if stays {
                    after.push(self.kept.clone());
                }
                if a || b {
                    let after = consents::list(&after)?;
                    set_list(tx, &municipality, table, &id, &after).await?;
                    changes.push(ListChange { id, before, after });
                }
            }
        }
        let [bases, overrides] = lists;
        let documents = self
            .gather(tx, case, "document_subjects", "document_id", "documents")
            .await?;
        let records = self
            .gather(
                tx,
                case,
                "progress_persons",
                "record_id",
                "progress_records",
            )
            .await?;
        Ok(Together {
            case: case.clone(),
            role: role.code().to_owned(),
            kinship,
            kept,
            merged,
            consents_moved,
            consent_added,
            bases,
            overrides,
            documents,
            records,
        })
    }

    /// Lets the rows of a table of references name the kept person. Returns what they hang on, and
    /// whether the kept person stood there already.
    async fn gather(
        &self,
        tx: &mut Tx,
        case: &CaseId,
        table: &str,
        column: &str,
        of: &str,
    ) -> Result<Vec<(String, bool)>> {
        let sql = format!(
            "SELECT r.{column} AS id, k.person_id AS kept FROM {table} r \
             LEFT JOIN {table} k ON k.municipality_id = r.municipality_id AND k.{column} = r.{column} AND k.person_id = $4 \
             WHERE r.municipality_id = $1 AND r.person_id = $3 AND r.{column} IN \
             (SELECT id FROM {of} WHERE municipality_id = $1 AND case_id = $2) ORDER BY r.{column}"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.municipality().as_str())
            .bind(case.as_str())
            .bind(self.merged.as_str())
            .bind(self.kept.as_str())
            .fetch_all(tx.conn())
            .await?;
        let mut out = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            let both = row.try_get::<Option<String>, _>("kept")?.is_some();
            let sql = if both {
                format!(
                    "DELETE FROM {table} WHERE municipality_id = $1 AND {column} = $2 AND person_id = $3 AND person_id <> $4"
                )
            } else {
                format!(
                    "UPDATE {table} SET person_id = $4 WHERE municipality_id = $1 AND {column} = $2 AND person_id = $3"
                )
            };
            sqlx::query(AssertSqlSafe(sql))
                .bind(self.municipality().as_str())
                .bind(id.as_str())
                .bind(self.merged.as_str())
                .bind(self.kept.as_str())
                .execute(tx.conn())
                .await?;
            out.push((id, both));
        }
        Ok(out)
    }

    /// Both persons' registrations become one list, at its end the stricter of what applied.
    async fn merge_consents(
        &self,
        tx: &mut Tx,
        case: &CaseId,
    ) -> Result<(Vec<String>, Option<String>)> {
        let municipality = self.municipality().clone();
        let latest = consents::latest(tx, &municipality, std::slice::from_ref(case)).await?;
        let of = |person: &PersonId| {
            latest
                .iter()
                .find(|(_, known, _)| known == person)
                .map(|(_, _, consent)| consent.clone())
        };
        let (own, other) = (of(&self.kept), of(&self.merged));
        let moved: Vec<String> = sqlx::query_scalar(
            "UPDATE consents SET person_id = $4 WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3 RETURNING id",
        )
        .bind(municipality.as_str())
        .bind(case.as_str())
        .bind(self.merged.as_str())
        .bind(self.kept.as_str())
        .fetch_all(tx.conn())
        .await?;
        if own.is_none() && other.is_none() {
            return Ok((moved, None));
        }
        let none = || Consent::of(ConsentStatus::Unconfirmed);
        let both = own
            .unwrap_or_else(none)
            .strictest(&other.unwrap_or_else(none));
        let id: ConsentId = tx.database().fresh();
        let allowed_agencies = both
            .allowed_agencies
            .as_deref()
            .map(consents::list)
            .transpose()?;
        let allowed_sections = both
            .allowed_sections
            .as_deref()
            .map(consents::list)
            .transpose()?;
        // Later than whatever stands, also within the same instant.
        let last: Option<String> = sqlx::query_scalar(
            "SELECT MAX(recorded_at) FROM consents WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3",
        )
        .bind(municipality.as_str())
        .bind(case.as_str())
        .bind(self.kept.as_str())
        .fetch_one(tx.conn())
        .await?;
        let now = tx.now_text();
        let at = match last {
            Some(last) if last >= now => {
                domain::clock::after(&last).ok_or(StoreError::Corrupt("consents.recorded_at"))?
            }
            _ => now,
        };
        sqlx::query(
            "INSERT INTO consents (municipality_id, id, case_id, person_id, status, obtained_on, expires_on, withdrawn_on, \
             allowed_agencies, excluded_agencies, allowed_sections, recorded_by, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(case.as_str())
        .bind(self.kept.as_str())
        .bind(both.status.code())
        .bind(both.obtained_on.map(|day| day.to_string()))
        .bind(both.expires_on.map(|day| day.to_string()))
        .bind(both.withdrawn_on.map(|day| day.to_string()))
        .bind(allowed_agencies)
        .bind(consents::list(&both.excluded_agencies)?)
        .bind(allowed_sections)
        .bind(self.caller.viewer.account.as_str())
        .bind(at)
        .execute(tx.conn())
        .await?;
        Ok((moved, Some(id.0)))
    }

    async fn write_down(&self, tx: &mut Tx, new: &NewMerge, journal: &Journal) -> Result<String> {
        let municipality = self.municipality().clone();
        let id: String = tx.database().fresh();
        let purpose = Purpose::Person(self.kept.clone());
        let reason = tx
            .seal(
                &municipality,
                &purpose,
                REASON,
                &id,
                new.reason.trim().as_bytes(),
            )
            .await?;
        let sealed = tx
            .seal_json(&municipality, &purpose, JOURNAL, &id, journal)
            .await?;
        let number: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(number), 0) + 1 FROM person_merges WHERE municipality_id = $1 AND kept_id = $2",
        )
        .bind(municipality.as_str())
        .bind(self.kept.as_str())
        .fetch_one(tx.conn())
        .await?;
        let now = tx.now_text();
        sqlx::query(
            "INSERT INTO person_merges (municipality_id, id, kept_id, merged_id, number, reason_sealed, journal_sealed, merged_at, merged_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(self.kept.as_str())
        .bind(self.merged.as_str())
        .bind(number)
        .bind(reason)
        .bind(sealed)
        .bind(now)
        .bind(self.caller.viewer.account.as_str())
        .execute(tx.conn())
        .await?;
        Ok(id)
    }
}

async fn set_last_day(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    fact: &str,
    day: Option<Date>,
) -> Result<()> {
    sqlx::query("UPDATE person_facts SET valid_to = $3 WHERE municipality_id = $1 AND id = $2")
        .bind(municipality.as_str())
        .bind(fact)
        .bind(day.map(|day| day.to_string()))
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn set_confidential(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
    on: bool,
) -> Result<()> {
    sqlx::query(
        "UPDATE persons SET address_confidential = $3 WHERE municipality_id = $1 AND id = $2",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .bind(i64::from(on))
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl MergedAccess {
    fn municipality(&self) -> &MunicipalityId {
        &self.caller.viewer.municipality
    }

    /// The merges into this person, the latest first, those taken back included.
    ///
    /// # Errors
    /// Database away.
    pub async fn list(&self, tx: &mut Tx) -> Result<Vec<Merge>> {
        let municipality = self.municipality().clone();
        let rows = sqlx::query(
            "SELECT id, merged_id, reason_sealed, merged_at, merged_by, undone_at, undone_by FROM person_merges \
             WHERE municipality_id = $1 AND kept_id = $2 ORDER BY number DESC",
        )
        .bind(municipality.as_str())
        .bind(self.kept.as_str())
        .fetch_all(tx.conn())
        .await?;
        let ids: Vec<PersonId> = rows
            .iter()
            .map(|row| Ok(PersonId(row.try_get("merged_id")?)))
            .collect::<Result<_>>()?;
        let known = persons::load(tx, &municipality, &ids).await?;
        let mut out: Vec<Merge> = Vec::new();
        for (row, merged) in rows.iter().zip(ids) {
            let id: String = row.try_get("id")?;
            let undone_at: Option<String> = row.try_get("undone_at")?;
            // Somebody who is on their own again may be hidden from the caller by now.
            if undone_at.is_some() && whole(tx, &self.caller, &merged).await?.is_none() {
                continue;
            }
            let reason = tx
                .open_text(
                    &municipality,
                    REASON,
                    &id,
                    &row.try_get::<Vec<u8>, _>("reason_sealed")?,
                )
                .await?;
            out.push(Merge {
                undoable: undone_at.is_none() && !out.iter().any(|later| later.undone_at.is_none()),
                merged_name: known
                    .get(&merged)
                    .map_or_else(String::new, |person| person.name().to_owned()),
                merged,
                reason,
                at: row.try_get("merged_at")?,
                by: AccountId(row.try_get("merged_by")?),
                undone_at,
                undone_by: row
                    .try_get::<Option<String>, _>("undone_by")?
                    .map(AccountId),
                id,
            });
        }
        Ok(out)
    }

    /// Takes the latest merge back; the kept person stands at `version`. What was changed since stays:
    /// of the person with the kept one, of a case with the person who stands in it. Returns the person
    /// who is on their own again, and the cases touched.
    ///
    /// # Errors
    /// `NotFound`; `Invalid("later_merge")` when a later merge stands; `Conflict`.
    pub async fn undo(
        &self,
        tx: &mut Tx,
        id: &str,
        version: i64,
    ) -> Result<(PersonId, Vec<CaseId>)> {
        let municipality = self.municipality().clone();
        let now = tx.now_text();
        let taken = sqlx::query(
            "UPDATE persons SET version = version + 1, updated_at = $4 WHERE municipality_id = $1 AND id = $2 AND version = $3 AND merged_into IS NULL",
        )
        .bind(municipality.as_str())
        .bind(self.kept.as_str())
        .bind(version)
        .bind(now.as_str())
        .execute(tx.conn())
        .await?;
        if taken.rows_affected() == 0 {
            return Err(StoreError::Conflict);
        }
        let standing = sqlx::query(
            "SELECT id, merged_id, merged_at, journal_sealed FROM person_merges WHERE municipality_id = $1 AND kept_id = $2 AND undone_at IS NULL ORDER BY number DESC",
        )
        .bind(municipality.as_str())
        .bind(self.kept.as_str())
        .fetch_all(tx.conn())
        .await?;
        let at = standing
            .iter()
            .position(|row| {
                row.try_get::<String, _>("id")
                    .is_ok_and(|known| known == id)
            })
            .ok_or(StoreError::NotFound)?;
        if at > 0 {
            return Err(StoreError::Invalid("later_merge"));
        }
        let merged = PersonId(standing[0].try_get("merged_id")?);
        let merged_at: String = standing[0].try_get("merged_at")?;
        let sealed: Vec<u8> = standing[0].try_get("journal_sealed")?;
        let journal: Journal = tx.open_json(&municipality, JOURNAL, id, &sealed).await?;
        let mut touched: BTreeSet<CaseId> = persons::cases_of(tx, &municipality, &self.kept)
            .await?
            .into_iter()
            .collect();
        for case in &touched {
            tx.hold_case(&municipality, case).await?;
        }
        sqlx::query("UPDATE persons SET merged_into = NULL, version = version + 1, updated_at = $3 WHERE municipality_id = $1 AND id = $2")
            .bind(municipality.as_str())
            .bind(merged.as_str())
            .bind(now.as_str())
            .execute(tx.conn())
            .await?;
        self.restore_register(tx, &journal, &merged_at).await?;
        self.restore_references(tx, &journal, &merged).await?;
        for case in &journal.renamed {
            rename(tx, &municipality, case, &self.kept, &merged).await?;
        }
        for together in &journal.together {
            self.part(tx, together, &merged).await?;
        }
        for (case, kind, subject) in &journal.exclusions_added {
            // What was written since relied on it.
            let since: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM progress_records r \
                 JOIN progress_persons p ON p.municipality_id = r.municipality_id AND p.record_id = r.id \
                 WHERE r.municipality_id = $1 AND r.case_id = $2 AND p.person_id = $3 AND r.recorded_at > $4",
            )
            .bind(municipality.as_str())
            .bind(case.as_str())
            .bind(self.kept.as_str())
            .bind(merged_at.as_str())
            .fetch_one(tx.conn())
            .await?;
            if since > 0 {
                continue;
            }
            delete_exclusion(tx, &municipality, case, kind, subject, &self.kept).await?;
        }
        sqlx::query(
            "UPDATE person_merges SET undone_at = $3, undone_by = $4, journal_sealed = NULL WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id)
        .bind(now.as_str())
        .bind(self.caller.viewer.account.as_str())
        .execute(tx.conn())
        .await?;
        persons::reindex(tx, &municipality, &self.kept).await?;
        persons::reindex(tx, &municipality, &merged).await?;
        touched.extend(persons::cases_of(tx, &municipality, &merged).await?);
        let today = self.caller.viewer.today;
        announce(tx, &municipality, [&self.kept, &merged], &touched, today).await?;
        Ok((merged, touched.into_iter().collect()))
    }

    async fn restore_register(
        &self,
        tx: &mut Tx,
        journal: &Journal,
        merged_at: &str,
    ) -> Result<()> {
        let municipality = self.municipality().clone();
        let rows = persons::load_facts(tx, &municipality, std::slice::from_ref(&self.kept)).await?;
        let rows = rows.into_values().next().unwrap_or_default();
        let open = |id: &str| {
            rows.iter()
                .any(|(known, fact, _)| known == id && fact.valid_to.is_none())
        };
        for id in &journal.facts_added {
            sqlx::query("DELETE FROM person_facts WHERE municipality_id = $1 AND id = $2")
                .bind(municipality.as_str())
                .bind(id.as_str())
                .execute(tx.conn())
                .await?;
        }
        for (id, by) in &journal.facts_closed {
            let Some((_, fact, _)) = rows.iter().find(|(known, _, _)| known == id) else {
                continue;
            };
            let newer = rows.iter().any(|(other, known, _)| {
                known.field == fact.field
                    && known.valid_to.is_none()
                    && !journal.facts_added.contains(other)
            });
            // Whoever changed or emptied the field since has the last word.
            if !newer && by.as_deref().is_none_or(open) {
                set_last_day(tx, &municipality, id, None).await?;
            }
        }
        for id in &journal.flags_added {
            sqlx::query("DELETE FROM person_flags WHERE municipality_id = $1 AND id = $2")
                .bind(municipality.as_str())
                .bind(id.as_str())
                .execute(tx.conn())
                .await?;
        }
        if let Some(protection) = &journal.protection {
            let mut known =
                persons::load(tx, &municipality, std::slice::from_ref(&self.kept)).await?;
            let now = known.remove(&self.kept).ok_or(StoreError::NotFound)?;
            let sorted = |list: &[AgencyId]| list.iter().cloned().collect::<BTreeSet<_>>();
            // A protected value that came in since was entered under the protection of the merge.
            let entered = rows.iter().any(|(id, fact, at)| {
                persons::PROTECTED.contains(&fact.field.as_str())
                    && at.as_str() > merged_at
                    && !journal.facts_added.contains(id)
            });
            if !entered
                && now.address_confidential == protection.after
                && sorted(&now.address_allow) == sorted(&protection.list_after)
            {
                set_confidential(tx, &municipality, &self.kept, protection.before).await?;
                let by = self.caller.viewer.account.0.clone();
                persons::set_allow(tx, &municipality, &self.kept, &protection.list_before, &by)
                    .await?;
            }
        }
        Ok(())
    }

    async fn restore_references(
        &self,
        tx: &mut Tx,
        journal: &Journal,
        merged: &PersonId,
    ) -> Result<()> {
        let municipality = self.municipality().clone();
        for account in &journal.accounts {
            sqlx::query("UPDATE accounts SET person_id = $4, version = version + 1 WHERE municipality_id = $1 AND id = $2 AND person_id = $3")
                .bind(municipality.as_str())
                .bind(account.as_str())
                .bind(self.kept.as_str())
                .bind(merged.as_str())
                .execute(tx.conn())
                .await?;
        }
        let mut back = Vec::new();
        for stay in &journal.stays {
            let moved = sqlx::query("UPDATE household_stays SET person_id = $4 WHERE municipality_id = $1 AND id = $2 AND person_id = $3")
                .bind(municipality.as_str())
                .bind(stay.as_str())
                .bind(self.kept.as_str())
                .bind(merged.as_str())
                .execute(tx.conn())
                .await?;
            // Taken out since, as entered by mistake.
            if moved.rows_affected() > 0 {
                back.push(stay.clone());
            }
        }
        households::reseal(tx, &municipality, &back, merged).await
    }

    /// Takes apart what fell together in one case.
    async fn part(&self, tx: &mut Tx, together: &Together, merged: &PersonId) -> Result<()> {
        let municipality = self.municipality().clone();
        let (m, c) = (municipality.as_str(), together.case.as_str());
        let back = sqlx::query(
            "UPDATE case_persons SET role = CASE WHEN role = $4 THEN $5 ELSE role END, \
             kinship = CASE WHEN COALESCE(kinship, '') = $6 THEN $7 ELSE kinship END \
             WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3",
        )
        .bind(m)
        .bind(c)
        .bind(self.kept.as_str())
        .bind(together.role.as_str())
        .bind(together.kept.role.as_str())
        .bind(together.kinship.clone().unwrap_or_default())
        .bind(together.kept.kinship.clone())
        .execute(tx.conn())
        .await?;
        if back.rows_affected() == 0 {
            // The case is no more.
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO case_persons (municipality_id, case_id, person_id, role, kinship, number, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(m)
        .bind(c)
        .bind(merged.as_str())
        .bind(together.merged.role.as_str())
        .bind(together.merged.kinship.clone())
        .bind(together.merged.number)
        .bind(together.merged.added_at.as_str())
        .execute(tx.conn())
        .await?;
        for id in &together.consents_moved {
            sqlx::query(
                "UPDATE consents SET person_id = $3 WHERE municipality_id = $1 AND id = $2",
            )
            .bind(m)
            .bind(id.as_str())
            .bind(merged.as_str())
            .execute(tx.conn())
            .await?;
        }
        if let Some(id) = &together.consent_added {
            // Refused or withdrawn while they were one: holds for both.
            let fresh: ConsentId = tx.database().fresh();
            sqlx::query(
                "INSERT INTO consents (municipality_id, id, case_id, person_id, status, method, obtained_on, expires_on, withdrawn_on, \
                 allowed_agencies, excluded_agencies, allowed_sections, recorded_by, recorded_at) \
                 SELECT municipality_id, $5, case_id, $4, status, method, obtained_on, expires_on, withdrawn_on, \
                 allowed_agencies, excluded_agencies, allowed_sections, recorded_by, recorded_at FROM consents \
                 WHERE municipality_id = $1 AND id = (SELECT id FROM consents WHERE municipality_id = $1 AND case_id = $2 AND person_id = $3 \
                 AND recorded_at > (SELECT recorded_at FROM consents WHERE municipality_id = $1 AND id = $6) ORDER BY recorded_at DESC, id DESC LIMIT 1) \
                 AND status NOT IN ('full', 'verbal', 'limited')",
            )
            .bind(m)
            .bind(c)
            .bind(self.kept.as_str())
            .bind(merged.as_str())
            .bind(fresh.as_str())
            .bind(id.as_str())
            .execute(tx.conn())
            .await?;
            sqlx::query("DELETE FROM consents WHERE municipality_id = $1 AND id = $2")
                .bind(m)
                .bind(id.as_str())
                .execute(tx.conn())
                .await?;
        }
        for (table, changes) in LISTS.iter().zip([&together.bases, &together.overrides]) {
            for change in changes {
                let sql = format!(
                    "UPDATE {table} SET persons = $4 WHERE municipality_id = $1 AND id = $2 AND persons = $3"
                );
                sqlx::query(AssertSqlSafe(sql))
                    .bind(m)
                    .bind(change.id.as_str())
                    .bind(change.after.as_str())
                    .bind(change.before.as_str())
                    .execute(tx.conn())
                    .await?;
            }
        }
        for (table, column, of, rows) in [
            (
                "document_subjects",
                "document_id",
                "documents",
                &together.documents,
            ),
            (
                "progress_persons",
                "record_id",
                "progress_records",
                &together.records,
            ),
        ] {
            for (id, both) in rows {
                self.scatter(tx, (table, column, of), id, *both, merged)
                    .await?;
            }
        }
        Ok(())
    }

    /// Lets a row name the merged person again, if it still names the kept one.
    async fn scatter(
        &self,
        tx: &mut Tx,
        (table, column, of): (&str, &str, &str),
        id: &str,
        both: bool,
        merged: &PersonId,
    ) -> Result<()> {
        let insert = format!(
            "INSERT INTO {table} (municipality_id, {column}, person_id) SELECT $1, $2, $3 \
             WHERE EXISTS (SELECT 1 FROM {of} d JOIN {table} r ON r.municipality_id = d.municipality_id AND r.{column} = d.id AND r.person_id = $4 \
             WHERE d.municipality_id = $1 AND d.id = $2) \
             ON CONFLICT (municipality_id, {column}, person_id) DO NOTHING"
        );
        sqlx::query(AssertSqlSafe(insert))
            .bind(self.municipality().as_str())
            .bind(id)
            .bind(merged.as_str())
            .bind(self.kept.as_str())
            .execute(tx.conn())
            .await?;
        if !both {
            let delete = format!(
                "DELETE FROM {table} WHERE municipality_id = $1 AND {column} = $2 AND person_id = $3"
            );
            sqlx::query(AssertSqlSafe(delete))
                .bind(self.municipality().as_str())
                .bind(id)
                .bind(self.kept.as_str())
                .execute(tx.conn())
                .await?;
        }
        Ok(())
    }
}
