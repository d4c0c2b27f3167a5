//! From words to what a caller may see: candidates from the index, then the policy, then the count.
//!
//! **Invariant:** a unit that is read masked is found by its masked text alone, and only while that text
//! rests on what stands today; its place in the order comes from the masked side alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use ::search::{
    FullText,
    full_text::{Found, Side, Sort, Wanted},
    query::Search,
};
use domain::{id::PersonId, role::Capability};
use store::{
    Caller, Tx,
    search::{Conditions, Kind, Seen, SeenPerson},
};

use super::texts;
use crate::{context::blocking, error::ApiError, state::AppState};

/// So many are counted; of more it is said that there are more.
pub const COUNTED: usize = 100;
/// So many of them are persons where other things are looked for too.
const PERSONS: usize = 40;
/// Candidates asked of the index at first.
const FIRST: usize = 300;
/// Candidates looked at in all.
const MOST: usize = 64_000;
/// Units asked of the policy at once.
const AT_ONCE: usize = 150;
/// Persons who may stand for a word.
const NAMED: usize = 300;

/// What somebody is looking for.
#[derive(Clone, Default)]
pub struct Asked {
    pub search: Search,
    /// Empty: all.
    pub kinds: Vec<Kind>,
    pub conditions: Conditions,
    /// First and last day, as numbers.
    pub days: (Option<i64>, Option<i64>),
    pub sort: Sort,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// Something found that the caller may see.
#[derive(Debug, Clone)]
pub struct Hit {
    pub kind: Kind,
    pub id: String,
    pub masked: bool,
    pub case: String,
    pub day: i64,
}

/// Everything found, in order.
#[derive(Debug, Default)]
pub struct Outcome {
    pub hits: Vec<Hit>,
    /// There are more than were counted.
    pub more: bool,
    /// For each word of the search, the persons it may mean, as the caller sees them.
    pub persons: HashMap<PersonId, SeenPerson>,
}

struct Finder<'a> {
    state: &'a AppState,
    index: Arc<FullText>,
    caller: &'a Caller,
}

/// Searches. The transaction's rights count.
///
/// # Errors
/// Database or index away.
pub async fn find(
    state: &AppState,
    index: &Arc<FullText>,
    tx: &mut Tx,
    caller: &Caller,
    asked: &Asked,
) -> Result<Outcome, ApiError> {
    if asked.search.is_empty() {
        return Ok(Outcome::default());
    }
    let finder = Finder {
        state,
        index: Arc::clone(index),
        caller,
    };
    let wants = |kind: Kind| asked.kinds.is_empty() || asked.kinds.contains(&kind);
    let mut out = Outcome::default();
    // Persons belong to no case and have no day: a search that is narrowed by these is not about them.
    let of_cases_alone = !asked.conditions.is_empty() || asked.days != (None, None);
    let mut persons = Vec::new();
    if wants(Kind::Person) && !of_cases_alone {
        let most = if asked.kinds.is_empty() {
            PERSONS
        } else {
            COUNTED
        };
        persons = finder
            .persons(tx, &asked.search, most, &mut out.persons)
            .await?;
        out.more = persons.len() > most;
        persons.truncate(most);
    }
    let named = finder.named(tx, &asked.search, &mut out.persons).await?;
    let mut units = Vec::new();
    if caller.may(Capability::ReadCases) {
        let kinds: Vec<Kind> = [
            Kind::Case,
            Kind::Sheet,
            Kind::Record,
            Kind::Private,
            Kind::Transcript,
            Kind::Attachment,
        ]
        .into_iter()
        .filter(|kind| wants(*kind))
        .collect();
        if !kinds.is_empty() {
            units = finder.units(tx, asked, kinds, named).await?;
        }
    }
    out.more |= persons.len() + units.len() > COUNTED;
    out.hits = persons.into_iter().chain(units).take(COUNTED).collect();
    Ok(out)
}

impl Finder<'_> {
    /// `true`: there are no more.
    async fn candidates(
        &self,
        search: &Search,
        side: Side,
        kinds: Vec<&'static str>,
        limit: usize,
    ) -> Result<(Vec<Found>, bool), ApiError> {
        let (index, search) = (Arc::clone(&self.index), search.clone());
        let found = blocking(move || {
            index.search(&Wanted {
                search: &search,
                side,
                kinds: &kinds,
                cases: None,
                without: &HashSet::new(),
                named: &[],
                by_name_alone: false,
                days: (None, None),
                sort: Sort::Relevance,
                limit,
            })
        })
        .await?;
        let (found, total) = found.map_err(ApiError::internal)?;
        Ok((found, total <= limit))
    }

    /// Persons found by what the caller may see of them; not many more than `most`.
    async fn persons(
        &self,
        tx: &mut Tx,
        search: &Search,
        most: usize,
        seen: &mut HashMap<PersonId, SeenPerson>,
    ) -> Result<Vec<Hit>, ApiError> {
        let mut limit = FIRST;
        loop {
            let mut by_what: HashMap<PersonId, BTreeMap<Class, f32>> = HashMap::new();
            let mut exhausted = true;
            for (side, kind, class) in [
                (Side::Masked, Kind::Person, Class::Name),
                (Side::Full, Kind::Person, Class::Register),
                (Side::Full, Kind::Protected, Class::Address),
            ] {
                let (found, all) = self
                    .candidates(search, side, vec![kind.code()], limit)
                    .await?;
                exhausted &= all;
                for found in found {
                    let Some((_, id)) = Kind::of_key(&found.key) else {
                        continue;
                    };
                    let classes = by_what.entry(PersonId::from(id)).or_default();
                    classes.insert(class, found.score);
                }
            }
            let mut order: Vec<(PersonId, BTreeMap<Class, f32>)> = by_what.into_iter().collect();
            order.sort_by(|(one, a), (other, b)| rank(a, b).then_with(|| one.cmp(other)));
            let hits = self.among(tx, &order, most, seen).await?;
            if exhausted || hits.len() > most || limit >= MOST {
                return Ok(hits);
            }
            limit *= 4;
        }
    }

    /// Those of the candidates that the caller sees by what they were found by, in order; not many more
    /// than `most`.
    async fn among(
        &self,
        tx: &mut Tx,
        candidates: &[(PersonId, BTreeMap<Class, f32>)],
        most: usize,
        seen: &mut HashMap<PersonId, SeenPerson>,
    ) -> Result<Vec<Hit>, ApiError> {
        let mut hits = Vec::new();
        let mut rest = candidates;
        // Once at least, whether there is anything to ask or not.
        loop {
            let (chunk, after) = rest.split_at(rest.len().min(AT_ONCE));
            rest = after;
            let ids: Vec<PersonId> = chunk.iter().map(|(person, _)| person.clone()).collect();
            let mut shown = tx.seen_persons(self.caller, &ids).await?;
            for (person, classes) in chunk {
                let Some(sight) = shown.remove(person) else {
                    continue;
                };
                let by_something_shown = classes.keys().any(|class| match class {
                    Class::Name => true,
                    Class::Register => sight.register,
                    Class::Address => sight.address,
                });
                if by_something_shown {
                    hits.push(Hit {
                        kind: Kind::Person,
                        id: person.0.clone(),
                        masked: false,
                        case: String::new(),
                        day: 0,
                    });
                    seen.insert(person.clone(), sight);
                }
            }
            if rest.is_empty() || hits.len() > most {
                return Ok(hits);
            }
        }
    }

    /// For each word, the cases in which the caller sees somebody by that name.
    async fn named(
        &self,
        tx: &mut Tx,
        search: &Search,
        seen: &mut HashMap<PersonId, SeenPerson>,
    ) -> Result<Vec<HashSet<String>>, ApiError> {
        let mut out = Vec::new();
        for at in 0..search.words().len() {
            let word = search.word(at);
            let (found, _) = self
                .candidates(&word, Side::Masked, vec![Kind::Person.code()], NAMED)
                .await?;
            let ids: Vec<PersonId> = found
                .iter()
                .filter_map(|found| Some(PersonId::from(Kind::of_key(&found.key)?.1)))
                .collect();
            let mut cases = HashSet::new();
            for (person, sight) in tx.seen_persons(self.caller, &ids).await? {
                cases.extend(sight.cases.iter().map(|case| case.0.clone()));
                seen.entry(person).or_insert(sight);
            }
            out.push(cases);
        }
        Ok(out)
    }

    async fn units(
        &self,
        tx: &mut Tx,
        asked: &Asked,
        kinds: Vec<Kind>,
        named: Vec<HashSet<String>>,
    ) -> Result<Vec<Hit>, ApiError> {
        let scope = Arc::new(tx.search_scope(self.caller, &asked.conditions).await?);
        let (named, asked_for) = (Arc::new(named), Arc::new(asked.clone()));
        let version = self.state.engines().version();
        let mut decided: HashMap<String, Option<Seen>> = HashMap::new();
        let mut limit = FIRST;
        loop {
            let (candidates, exhausted) = {
                let (index, scope) = (Arc::clone(&self.index), Arc::clone(&scope));
                let (named, asked) = (Arc::clone(&named), Arc::clone(&asked_for));
                let kinds = kinds.clone();
                blocking(move || merged(&index, &asked, &kinds, &named, &scope, limit))
                    .await?
                    .map_err(ApiError::internal)?
            };
            let mut hits = Vec::new();
            let mut rest = candidates.as_slice();
            loop {
                let (chunk, after) = rest.split_at(rest.len().min(AT_ONCE));
                rest = after;
                // A unit may be found on both sides.
                let unknown: BTreeSet<&String> = chunk
                    .iter()
                    .map(|(_, found)| &found.key)
                    .filter(|key| !decided.contains_key(*key))
                    .collect();
                let unknown: Vec<String> = unknown.into_iter().cloned().collect();
                // The same questions are asked whether something was found or not.
                let mut seen = tx
                    .seen_in_cases(self.caller, &unknown, &asked.conditions)
                    .await?;
                for key in unknown {
                    let answer = seen.remove(&key);
                    decided.insert(key, answer);
                }
                for (side, found) in chunk {
                    let Some((kind, id)) = Kind::of_key(&found.key) else {
                        continue;
                    };
                    let masked = match (decided.get(&found.key), side) {
                        (Some(Some(Seen::Full)), Side::Full) => false,
                        (Some(Some(Seen::Masked { basis })), Side::Masked) => {
                            let wanted = match (kind, version.as_deref()) {
                                (Kind::Record, Some(models)) => texts::entry_basis(basis, models),
                                (Kind::Record, None) => continue,
                                _ => basis.clone(),
                            };
                            if wanted != found.basis {
                                continue;
                            }
                            true
                        }
                        _ => continue,
                    };
                    hits.push(Hit {
                        kind,
                        id: id.to_owned(),
                        masked,
                        case: found.case.clone(),
                        day: found.day,
                    });
                }
                if rest.is_empty() || hits.len() > COUNTED {
                    break;
                }
            }
            if exhausted || hits.len() > COUNTED || limit >= MOST {
                return Ok(hits);
            }
            limit *= 4;
        }
    }
}

/// By what a person was found; whoever may see by a later one sees by the earlier ones too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Name,
    Register,
    Address,
}

/// Who was found by name comes first. The score of a later class never counts beside an earlier one's:
/// the place in the order must not tell of a value that is withheld.
fn rank(a: &BTreeMap<Class, f32>, b: &BTreeMap<Class, f32>) -> std::cmp::Ordering {
    match (a.first_key_value(), b.first_key_value()) {
        (Some((class, score)), Some((other, than))) => {
            class.cmp(other).then_with(|| than.total_cmp(score))
        }
        _ => std::cmp::Ordering::Equal,
    }
}

/// Candidates of both sides in one order; `true`: there are no more.
fn merged(
    index: &FullText,
    asked: &Asked,
    kinds: &[Kind],
    named: &[HashSet<String>],
    scope: &store::search::Scope,
    limit: usize,
) -> ::search::Result<(Vec<(Side, Found)>, bool)> {
    let mut out = Vec::new();
    let mut exhausted = true;
    let texts: Vec<&str> = kinds
        .iter()
        .filter(|kind| **kind != Kind::Case)
        .map(|kind| kind.code())
        .collect();
    let cases: Vec<&str> = kinds
        .iter()
        .filter(|kind| **kind == Kind::Case)
        .map(|kind| kind.code())
        .collect();
    for (kinds, by_name_alone) in [(&texts, false), (&cases, true)] {
        if kinds.is_empty() {
            continue;
        }
        for side in [Side::Full, Side::Masked] {
            let (found, total) = index.search(&Wanted {
                search: &asked.search,
                side,
                kinds,
                cases: scope.cases.as_ref(),
                without: &scope.without,
                named,
                by_name_alone,
                days: asked.days,
                sort: asked.sort,
                limit,
            })?;
            exhausted &= total <= limit;
            out.extend(found.into_iter().map(|found| (side, found)));
        }
    }
    out.sort_by(|(_, a), (_, b)| a.comes_before(b, asked.sort));
    Ok((out, exhausted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_value_moves_nobody() {
        let found = |classes: &[(Class, f32)]| classes.iter().copied().collect::<BTreeMap<_, _>>();
        let by_name = found(&[(Class::Name, 1.0)]);
        let by_more = found(&[(Class::Name, 1.0), (Class::Address, 9.0)]);
        assert!(rank(&by_name, &by_more).is_eq());
        let by_register = found(&[(Class::Register, 2.0), (Class::Address, 9.0)]);
        assert!(rank(&by_register, &found(&[(Class::Register, 3.0)])).is_gt());
        assert!(rank(&by_register, &by_name).is_gt());
    }
}
