//! The register in bulk: many persons looked at, compared and taken in at once. What is shown passes the
//! same policy as one person does ([`crate::persons`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::PersonId;
use domain::likeness::{Grade, Identity, Likeness};
use domain::role::Capability;
use sqlx::AssertSqlSafe;
use sqlx::Row;

use crate::access::Caller;
use crate::crypto::blind_index;
use crate::data_keys::Purpose;
use crate::database::{Tx, placeholders};
use crate::error::{Result, StoreError};
use crate::persons::{self, Fact, Person, PersonPatch, check_facts, like_kind, load};

/// Persons per entry that are opened to be compared.
const COMPARED: usize = 5;
/// Persons with a key in common beyond which the key says nothing.
const COMMON: usize = 50;

/// A person who looks like an entry of a file, as the caller is shown it.
#[derive(Debug, Clone, PartialEq)]
pub struct LooksAlike {
    pub person: PersonId,
    pub name: String,
    pub likeness: Likeness,
}

impl Tx {
    /// The persons as the caller is shown them; whoever is hidden is not there.
    ///
    /// # Errors
    /// Database away.
    pub async fn persons_shown(
        &mut self,
        caller: &Caller,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, Person>> {
        let seen = persons::visible(self, caller, ids).await?;
        let known: Vec<PersonId> = seen.keys().cloned().collect();
        let mut out = load(self, &caller.viewer.municipality, &known).await?;
        for (id, person) in &mut out {
            let Some((sight, _)) = seen.get(id) else {
                continue;
            };
            persons::withhold(person, caller, *sight);
        }
        Ok(out)
    }

    /// What the caller may see of persons of the register, without them: the register itself, the
    /// protected values. Who is left out is not seen.
    ///
    /// # Errors
    /// Database away.
    pub async fn sight_of_persons(
        &mut self,
        caller: &Caller,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, (bool, bool)>> {
        let seen = persons::visible(self, caller, ids).await?;
        Ok(seen
            .into_iter()
            .map(|(person, (sight, _))| (person, (sight.register, sight.address)))
            .collect())
    }

    /// Every person of the register whom the caller may see at all, by id. For exports; each is asked of
    /// the policy again when it is shown.
    ///
    /// # Errors
    /// Forbidden without access to the register.
    pub async fn person_ids(
        &mut self,
        caller: &Caller,
        after: Option<&PersonId>,
        limit: i64,
    ) -> Result<Vec<PersonId>> {
        caller.require(Capability::ReadPersons)?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM persons WHERE municipality_id = $1 AND merged_into IS NULL AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(caller.viewer.municipality.as_str())
        .bind(after.map_or("", PersonId::as_str))
        .bind(limit)
        .fetch_all(self.conn())
        .await?;
        Ok(ids.into_iter().map(PersonId).collect())
    }

    /// For every entry the persons who are likely to be the same one, the most alike first.
    ///
    /// # Errors
    /// Database away.
    pub async fn alike_many(
        &mut self,
        caller: &Caller,
        entries: &[Identity],
    ) -> Result<Vec<Vec<LooksAlike>>> {
        let municipality = caller.viewer.municipality.clone();
        let key = self.data_key(&municipality, &Purpose::Index).await?;
        let mut wanted: HashMap<(&'static str, String), Vec<(usize, u32)>> = HashMap::new();
        for (at, who) in entries.iter().enumerate() {
            for (sign, text) in who.keys() {
                let kind = like_kind(sign);
                let token = blind_index(&key.key, kind, &text);
                wanted
                    .entry((kind, token))
                    .or_default()
                    .push((at, sign.weight()));
            }
        }
        let mut tokens: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (kind, token) in wanted.keys() {
            tokens.entry(kind).or_default().push(token.clone());
        }
        let mut found: HashMap<(&'static str, String), Vec<PersonId>> = HashMap::new();
        for (kind, tokens) in tokens {
            for chunk in tokens.chunks(300) {
                let sql = format!(
                    "SELECT token, person_id FROM person_index WHERE municipality_id = $1 AND kind = $2 AND token IN ({})",
                    placeholders(3, chunk.len())
                );
                let mut query = sqlx::query(AssertSqlSafe(sql))
                    .bind(municipality.as_str())
                    .bind(kind);
                for token in chunk {
                    query = query.bind(token.as_str());
                }
                for row in query.fetch_all(self.conn()).await? {
                    found
                        .entry((kind, row.try_get("token")?))
                        .or_default()
                        .push(PersonId(row.try_get("person_id")?));
                }
            }
        }
        let mut candidates: Vec<BTreeMap<&PersonId, u32>> = vec![BTreeMap::new(); entries.len()];
        for (key, persons) in &found {
            if persons.len() > COMMON {
                continue;
            }
            for (at, weight) in wanted.get(key).into_iter().flatten() {
                for person in persons {
                    *candidates[*at].entry(person).or_default() += weight;
                }
            }
        }
        let chosen: Vec<Vec<PersonId>> = candidates
            .into_iter()
            .map(|candidates| {
                let mut order: Vec<_> = candidates.into_iter().collect();
                order.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
                order
                    .into_iter()
                    .take(COMPARED)
                    .map(|(person, _)| person.clone())
                    .collect()
            })
            .collect();
        let all: BTreeSet<PersonId> = chosen.iter().flatten().cloned().collect();
        let shown = self
            .persons_shown(caller, &all.into_iter().collect::<Vec<_>>())
            .await?;
        Ok(entries
            .iter()
            .zip(chosen)
            .map(|(who, chosen)| {
                let mut alike: Vec<LooksAlike> = chosen
                    .into_iter()
                    .filter_map(|id| {
                        let person = shown.get(&id)?;
                        let likeness = who.compare(&person.identity());
                        (likeness.grade() == Some(Grade::Likely)).then(|| LooksAlike {
                            name: person.name().to_owned(),
                            person: id,
                            likeness,
                        })
                    })
                    .collect();
                alike.sort_by_key(|alike| std::cmp::Reverse(alike.likeness.weight()));
                alike
            })
            .collect())
    }

    /// Puts many persons into the register, each with its facts. Their index entries are left to
    /// [`persons::refresh_index`], which the caller sees to.
    ///
    /// # Errors
    /// Forbidden, or a field that is not acceptable.
    pub async fn take_in(
        &mut self,
        caller: &Caller,
        entries: &[Vec<Fact>],
    ) -> Result<Vec<PersonId>> {
        caller.require(Capability::EditPersons)?;
        let municipality = caller.viewer.municipality.clone();
        let by = caller.viewer.account.0.clone();
        let now = self.now_text();
        let ids: Vec<PersonId> = entries.iter().map(|_| self.database().fresh()).collect();
        for (ids, entries) in ids.chunks(200).zip(entries.chunks(200)) {
            let rows: Vec<String> = (0..ids.len())
                .map(|n| format!("($1, ${}, 1, 0, $2, $3, $3, 0)", 4 + n))
                .collect();
            let sql = format!(
                "INSERT INTO persons (municipality_id, id, version, address_confidential, created_by, created_at, updated_at, index_version) VALUES {}",
                rows.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(municipality.as_str())
                .bind(by.as_str())
                .bind(now.as_str());
            for id in ids {
                query = query.bind(id.as_str());
            }
            query.execute(self.conn()).await?;
            let purposes: Vec<Purpose> = ids.iter().cloned().map(Purpose::Person).collect();
            let keys = self.create_keys(&municipality, &purposes).await?;
            let mut sealed = Vec::new();
            for ((id, facts), key) in ids.iter().zip(entries).zip(&keys) {
                check_facts(facts)?;
                for fact in facts {
                    let row: String = self.database().fresh();
                    let value = self.seal_under(
                        key,
                        &municipality,
                        "person_facts.value",
                        &row,
                        fact.value.as_bytes(),
                    )?;
                    sealed.push((row, id, fact.field.as_str(), value));
                }
            }
            for chunk in sealed.chunks(500) {
                let rows: Vec<String> = (0..chunk.len())
                    .map(|n| {
                        let at = 4 + 4 * n;
                        format!("($1, ${at}, ${}, ${}, ${}, $2, $3)", at + 1, at + 2, at + 3)
                    })
                    .collect();
                let sql = format!(
                    "INSERT INTO person_facts (municipality_id, id, person_id, field, value_sealed, recorded_at, recorded_by) VALUES {}",
                    rows.join(", ")
                );
                let mut query = sqlx::query(AssertSqlSafe(sql))
                    .bind(municipality.as_str())
                    .bind(now.as_str())
                    .bind(by.as_str());
                for (row, person, field, value) in chunk {
                    query = query
                        .bind(row.as_str())
                        .bind(person.as_str())
                        .bind(*field)
                        .bind(value.as_slice());
                }
                query.execute(self.conn()).await?;
            }
        }
        for id in &ids {
            crate::outbox::put(
                self,
                &municipality,
                "person",
                id.as_str(),
                None,
                serde_json::Value::Null,
            );
        }
        Ok(ids)
    }

    /// Changes a person as [`crate::PersonAccess::update`] does; the index entries are left to
    /// [`persons::refresh_index`].
    ///
    /// # Errors
    /// As there; [`StoreError::Conflict`] also when the person is not seen any more.
    pub async fn update_in_bulk(
        &mut self,
        caller: &Caller,
        person: &PersonId,
        version: i64,
        patch: &PersonPatch,
    ) -> Result<i64> {
        let access = self
            .person_for(caller, person)
            .await?
            .ok_or(StoreError::Conflict)?;
        access.update_unindexed(self, version, patch).await
    }

    /// The case of a number, if the caller may know of it.
    ///
    /// # Errors
    /// Database away.
    pub async fn case_numbered(
        &mut self,
        caller: &Caller,
        number: &str,
    ) -> Result<Option<crate::CaseAccess>> {
        let id: Option<String> =
            sqlx::query_scalar("SELECT id FROM cases WHERE municipality_id = $1 AND case_no = $2")
                .bind(caller.viewer.municipality.as_str())
                .bind(number)
                .fetch_optional(self.conn())
                .await?;
        match id {
            Some(id) => self.case_for(caller, &domain::id::CaseId(id)).await,
            None => Ok(None),
        }
    }
}
