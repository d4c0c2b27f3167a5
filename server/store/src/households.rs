//! Households of the register (世帯): who stays with whom, from when to when, and why that changed. The
//! household of the 住民票 and the one in which people really live are two things; they may differ.
//!
//! **Invariant:** who stays with whom tells an address. A stay is shown only to who may know the
//! protected values of whoever stays. Of a household in which somebody is kept from the reader neither
//! reasons are shown nor kinship to a head who is not shown: both would speak of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::household::HouseholdKind;
use domain::id::{MunicipalityId, PersonId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use zeroize::Zeroizing;

use crate::access::Caller;
use crate::data_keys::Purpose;
use crate::database::{Tx, rows_for};
use crate::error::{Result, StoreError};
use crate::memberships::optional_date;
use crate::persons::{self, PersonAccess, hold};

/// Place of what is sealed of a stay.
const DETAIL: &str = "household_stays.detail";
/// Kinship of the head (世帯主) to the head.
const HEAD: &str = "self";
/// Longest text of a stay, in characters.
const LONGEST: usize = 500;

/// One stay of a person in a household, as the caller may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    pub id: String,
    pub version: i64,
    pub person: PersonId,
    /// To the head, option list `kinship`; `self` = the head.
    pub kinship: Option<String>,
    /// First day; `None` = not known.
    pub from: Option<Date>,
    /// Last day; `None` = stays there.
    pub to: Option<Date>,
    pub words: Words,
}

impl Stay {
    fn is_current(&self, today: Date) -> bool {
        self.from.is_none_or(|from| from <= today) && self.to.is_none_or(|to| today <= to)
    }

    fn overlaps(&self, from: Option<Date>, to: Option<Date>) -> bool {
        let begins_in_time = match (self.from, to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        };
        let ends_in_time = match (from, self.to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        };
        begins_in_time && ends_in_time
    }
}

/// What is written of a stay. Sealed under the person's key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Of the kinship `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinship_other: Option<String>,
    /// Why somebody came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_because: Option<String>,
    /// Why somebody left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_because: Option<String>,
}

/// Names the type alone: what was written is personal and must not reach a log.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words")
    }
}

impl Words {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self) -> Result<()> {
        let texts = [
            &self.kinship_other,
            &self.joined_because,
            &self.left_because,
        ];
        let long = texts
            .into_iter()
            .flatten()
            .any(|text| text.chars().count() > LONGEST);
        if long {
            return Err(StoreError::Invalid("value_too_long"));
        }
        Ok(())
    }
}

/// A household with the stays that the caller may know of.
#[derive(Debug, Clone, PartialEq)]
pub struct Household {
    pub id: String,
    pub kind: HouseholdKind,
    /// The head first, then in the order in which people came.
    pub stays: Vec<Stay>,
}

impl Household {
    /// The person's own stay on a day.
    #[must_use]
    pub fn stay_of(&self, person: &PersonId, on: Date) -> Option<&Stay> {
        self.stays
            .iter()
            .find(|stay| stay.person == *person && stay.is_current(on))
    }
}

/// A person comes to a household.
#[derive(Debug, Clone)]
pub struct NewStay {
    pub kind: HouseholdKind,
    /// `None` = a new one.
    pub household: Option<String>,
    pub kinship: Option<String>,
    pub kinship_other: Option<String>,
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub reason: Option<String>,
}

/// A change to a stay: what is named is set, the rest stays.
#[derive(Debug, Clone, Default)]
pub struct StayPatch {
    pub kinship: Option<Option<String>>,
    pub kinship_other: Option<Option<String>>,
    pub from: Option<Option<Date>>,
    pub to: Option<Option<Date>>,
    pub joined_because: Option<Option<String>>,
    pub left_because: Option<Option<String>>,
}

fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn kind_of(row: &sqlx::any::AnyRow) -> Result<HouseholdKind> {
    HouseholdKind::from_code(&row.try_get::<String, _>("kind")?)
        .ok_or(StoreError::Corrupt("households.kind"))
}

const STAYS: &str = "SELECT h.kind, s.household_id, s.id, s.version, s.person_id, s.kinship, s.valid_from, s.valid_to, s.detail_sealed \
     FROM household_stays s \
     JOIN households h ON h.municipality_id = s.municipality_id AND h.id = s.household_id \
     JOIN persons p ON p.municipality_id = s.municipality_id AND p.id = s.person_id AND p.merged_into IS NULL \
     WHERE s.municipality_id = $1";

/// Stays of households as they stand, nothing left out: for authority checked by the caller.
async fn read(tx: &mut Tx, caller: &Caller, households: &[String]) -> Result<Vec<Household>> {
    let municipality = &caller.viewer.municipality;
    let rows = rows_for(
        tx,
        municipality,
        households,
        &format!("{STAYS} AND s.household_id IN"),
        "ORDER BY s.household_id, s.id",
    )
    .await?;
    let mut out: Vec<Household> = Vec::new();
    for row in rows {
        let household: String = row.try_get("household_id")?;
        let id: String = row.try_get("id")?;
        let words = match row.try_get::<Option<Vec<u8>>, _>("detail_sealed")? {
            Some(sealed) => {
                let text = tx.open_text(municipality, DETAIL, &id, &sealed).await?;
                serde_json::from_str(&text).map_err(|_| StoreError::Corrupt(DETAIL))?
            }
            None => Words::default(),
        };
        let stay = Stay {
            id,
            version: row.try_get("version")?,
            person: PersonId(row.try_get("person_id")?),
            kinship: row.try_get("kinship")?,
            from: optional_date(row.try_get("valid_from")?)?,
            to: optional_date(row.try_get("valid_to")?)?,
            words,
        };
        if out.last().is_none_or(|last| last.id != household) {
            out.push(Household {
                id: household,
                kind: kind_of(&row)?,
                stays: Vec::new(),
            });
        }
        if let Some(last) = out.last_mut() {
            last.stays.push(stay);
        }
    }
    Ok(out)
}

/// Takes out of households what the caller must not know. Those of which nothing is left go.
async fn withhold(tx: &mut Tx, caller: &Caller, households: &mut Vec<Household>) -> Result<()> {
    let people: BTreeSet<PersonId> = households
        .iter()
        .flat_map(|household| household.stays.iter().map(|stay| stay.person.clone()))
        .collect();
    let people: Vec<PersonId> = people.into_iter().collect();
    let seen = persons::visible(tx, caller, &people).await?;
    let known = |person: &PersonId| {
        seen.get(person)
            .is_some_and(|(sight, _)| sight.register && sight.address)
    };
    for household in households.iter_mut() {
        let before = household.stays.len();
        household.stays.retain(|stay| known(&stay.person));
        if household.stays.len() < before {
            for stay in &mut household.stays {
                stay.words = Words::default();
            }
            let heads: Vec<Stay> = household
                .stays
                .iter()
                .filter(|stay| stay.kinship.as_deref() == Some(HEAD))
                .cloned()
                .collect();
            for stay in &mut household.stays {
                if !heads.iter().any(|head| head.overlaps(stay.from, stay.to)) {
                    stay.kinship = None;
                }
            }
        }
        household.stays.sort_by_key(|stay| {
            (
                stay.kinship.as_deref() != Some(HEAD),
                stay.from,
                stay.id.clone(),
            )
        });
    }
    households.retain(|household| !household.stays.is_empty());
    Ok(())
}

impl PersonAccess {
    fn knows_households(&self) -> bool {
        self.sight.register && self.sight.address
    }

    /// Households that the person stays or stayed in, with everybody in them whom the caller may know
    /// of. None where the person's own address is kept from the caller.
    ///
    /// # Errors
    /// Database away.
    pub async fn households(&self, tx: &mut Tx) -> Result<Vec<Household>> {
        if !self.knows_households() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT household_id FROM household_stays WHERE municipality_id = $1 AND person_id = $2 ORDER BY household_id",
        )
        .bind(self.caller.viewer.municipality.as_str())
        .bind(self.person.as_str())
        .fetch_all(tx.conn())
        .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = read(tx, &self.caller, &ids).await?;
        withhold(tx, &self.caller, &mut found).await?;
        // Where the person stays now comes first.
        let today = self.caller.viewer.today;
        found.sort_by_key(|household| {
            (
                household.kind,
                household.stay_of(&self.person, today).is_none(),
                std::cmp::Reverse(household.id.clone()),
            )
        });
        Ok(found)
    }

    fn may_write(&self) -> Result<()> {
        if self.edit && self.knows_households() {
            Ok(())
        } else {
            Err(StoreError::Forbidden)
        }
    }

    /// The person's own stays of a kind, and whether each is in this household.
    async fn own_stays(&self, tx: &mut Tx) -> Result<Vec<(HouseholdKind, String, Stay)>> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT household_id FROM household_stays WHERE municipality_id = $1 AND person_id = $2",
        )
        .bind(self.caller.viewer.municipality.as_str())
        .bind(self.person.as_str())
        .fetch_all(tx.conn())
        .await?;
        let found = read(tx, &self.caller, &ids).await?;
        Ok(found
            .into_iter()
            .flat_map(|household| {
                let (kind, id) = (household.kind, household.id);
                household
                    .stays
                    .into_iter()
                    .map(move |stay| (kind, id.clone(), stay))
            })
            .filter(|(_, _, stay)| stay.person == self.person)
            .collect())
    }

    /// Puts the person into a household, or makes a new one. Where the person stays in another of the
    /// kind, that stay ends the day before (転居・世帯分離). Returns the id of the stay.
    ///
    /// # Errors
    /// `Forbidden` without the right to write the register or to know the address; `NotFound` for a
    /// household of which the caller may not know; `Invalid` for a period that cannot be.
    pub async fn enter_household(&self, tx: &mut Tx, new: &NewStay) -> Result<String> {
        self.may_write()?;
        let municipality = self.caller.viewer.municipality.clone();
        hold(tx, &municipality, &self.person).await?;
        if matches!((new.from, new.to), (Some(from), Some(to)) if to < from) {
            return Err(StoreError::Invalid("period"));
        }
        let household = match &new.household {
            Some(id) => {
                let mut found = read(tx, &self.caller, std::slice::from_ref(id)).await?;
                withhold(tx, &self.caller, &mut found).await?;
                let found = found.pop().ok_or(StoreError::NotFound)?;
                if found.kind != new.kind {
                    return Err(StoreError::Invalid("household"));
                }
                Some(found.id)
            }
            None => None,
        };
        for (kind, id, stay) in self.own_stays(tx).await? {
            if kind != new.kind {
                continue;
            }
            if stay.to.is_none() && new.to.is_none() {
                let from = new.from.ok_or(StoreError::Invalid("from"))?;
                if household.as_ref() == Some(&id) || stay.from.is_some_and(|first| first >= from) {
                    return Err(StoreError::Invalid("overlap"));
                }
                let last = from.yesterday().map_err(|_| StoreError::Invalid("from"))?;
                let patch = StayPatch {
                    to: Some(Some(last)),
                    left_because: Some(stay.words.left_because.clone().or(new.reason.clone())),
                    ..StayPatch::default()
                };
                self.write_stay(tx, &stay, &patch).await?;
            } else if stay.overlaps(new.from, new.to) {
                return Err(StoreError::Invalid("overlap"));
            }
        }
        let now = tx.now_text();
        let household = match household {
            Some(id) => id,
            None => {
                let id: String = tx.database().fresh();
                sqlx::query("INSERT INTO households (municipality_id, id, kind, created_at) VALUES ($1, $2, $3, $4)")
                    .bind(municipality.as_str())
                    .bind(id.as_str())
                    .bind(new.kind.code())
                    .bind(now.as_str())
                    .execute(tx.conn())
                    .await?;
                id
            }
        };
        let words = Words {
            kinship_other: filled(new.kinship_other.clone()),
            joined_because: filled(new.reason.clone()),
            left_because: None,
        };
        words.check()?;
        let id: String = tx.database().fresh();
        let sealed = self.seal_words(tx, &id, &words).await?;
        sqlx::query(
            "INSERT INTO household_stays (municipality_id, id, household_id, person_id, kinship, valid_from, valid_to, detail_sealed, version, recorded_by, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10)",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(household.as_str())
        .bind(self.person.as_str())
        .bind(filled(new.kinship.clone()))
        .bind(new.from.map(|day| day.to_string()))
        .bind(new.to.map(|day| day.to_string()))
        .bind(sealed)
        .bind(self.caller.viewer.account.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.announce(tx);
        Ok(id)
    }

    /// Changes a stay of the person that stands at `version`: kinship, days, reasons. Leaving is a last day.
    ///
    /// # Errors
    /// As [`Self::enter_household`]; `Conflict` when it changed meanwhile.
    pub async fn change_stay(
        &self,
        tx: &mut Tx,
        stay: &str,
        version: i64,
        patch: &StayPatch,
    ) -> Result<()> {
        let (kind, present) = self.stay(tx, stay, version).await?;
        let from = patch.from.unwrap_or(present.from);
        let to = patch.to.unwrap_or(present.to);
        if matches!((from, to), (Some(from), Some(to)) if to < from) {
            return Err(StoreError::Invalid("period"));
        }
        for (other, _, near) in self.own_stays(tx).await? {
            if other == kind && near.id != present.id && near.overlaps(from, to) {
                return Err(StoreError::Invalid("overlap"));
            }
        }
        self.write_stay(tx, &present, patch).await?;
        self.announce(tx);
        Ok(())
    }

    /// Takes a stay out that was entered by mistake; with its last stay a household goes.
    ///
    /// # Errors
    /// As [`Self::change_stay`].
    pub async fn remove_stay(&self, tx: &mut Tx, stay: &str, version: i64) -> Result<()> {
        let (_, present) = self.stay(tx, stay, version).await?;
        let municipality = self.caller.viewer.municipality.clone();
        let household: String = sqlx::query_scalar(
            "DELETE FROM household_stays WHERE municipality_id = $1 AND id = $2 RETURNING household_id",
        )
        .bind(municipality.as_str())
        .bind(present.id.as_str())
        .fetch_one(tx.conn())
        .await?;
        remove_empty(tx, municipality.as_str(), &household).await?;
        self.announce(tx);
        Ok(())
    }

    /// The person's stay, held until the transaction ends.
    async fn stay(&self, tx: &mut Tx, id: &str, version: i64) -> Result<(HouseholdKind, Stay)> {
        self.may_write()?;
        hold(tx, &self.caller.viewer.municipality, &self.person).await?;
        let mut own = self.own_stays(tx).await?;
        own.retain(|(_, _, stay)| stay.id == id);
        let (kind, _, stay) = own.pop().ok_or(StoreError::NotFound)?;
        if stay.version != version {
            return Err(StoreError::Conflict);
        }
        Ok((kind, stay))
    }

    async fn write_stay(&self, tx: &mut Tx, present: &Stay, patch: &StayPatch) -> Result<()> {
        let take = |new: &Option<Option<String>>, old: &Option<String>| {
            new.clone().map_or_else(|| old.clone(), filled)
        };
        let words = Words {
            kinship_other: take(&patch.kinship_other, &present.words.kinship_other),
            joined_because: take(&patch.joined_because, &present.words.joined_because),
            left_because: take(&patch.left_because, &present.words.left_because),
        };
        words.check()?;
        let sealed = self.seal_words(tx, &present.id, &words).await?;
        sqlx::query(
            "UPDATE household_stays SET kinship = $3, valid_from = $4, valid_to = $5, detail_sealed = $6, version = version + 1 \
             WHERE municipality_id = $1 AND id = $2",
        )
        .bind(self.caller.viewer.municipality.as_str())
        .bind(present.id.as_str())
        .bind(take(&patch.kinship, &present.kinship))
        .bind(patch.from.unwrap_or(present.from).map(|day| day.to_string()))
        .bind(patch.to.unwrap_or(present.to).map(|day| day.to_string()))
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    async fn seal_words(&self, tx: &mut Tx, id: &str, words: &Words) -> Result<Option<Vec<u8>>> {
        if words.is_empty() {
            return Ok(None);
        }
        let text = crate::database::encode(words)?;
        let sealed = tx
            .seal(
                &self.caller.viewer.municipality.clone(),
                &Purpose::Person(self.person.clone()),
                DETAIL,
                id,
                &text,
            )
            .await?;
        Ok(Some(sealed))
    }

    fn announce(&self, tx: &mut Tx) {
        crate::outbox::put(
            tx,
            &self.caller.viewer.municipality.clone(),
            "person",
            self.person.as_str(),
            None,
            serde_json::Value::Null,
        );
    }
}

/// Stays that went from one person to another: what is written of them is sealed anew under the key of
/// whoever stays there now, so that it goes with that person and with nobody else.
pub(crate) async fn reseal(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    stays: &[String],
    person: &PersonId,
) -> Result<()> {
    let purpose = Purpose::Person(person.clone());
    for id in stays {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT detail_sealed FROM household_stays WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .fetch_one(tx.conn())
        .await?;
        let Some(sealed) = sealed else { continue };
        let plain = Zeroizing::new(tx.open(municipality, DETAIL, id, &sealed).await?);
        let again = tx.seal(municipality, &purpose, DETAIL, id, &plain).await?;
        sqlx::query(
            "UPDATE household_stays SET detail_sealed = $3 WHERE municipality_id = $1 AND id = $2",
        )
        .bind(municipality.as_str())
        .bind(id.as_str())
        .bind(again)
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Removes every stay of a person, and the households that nobody stays or stayed in without them.
pub(crate) async fn remove_stays(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    person: &PersonId,
) -> Result<()> {
    let mut households: Vec<String> = sqlx::query_scalar(
        "DELETE FROM household_stays WHERE municipality_id = $1 AND person_id = $2 RETURNING household_id",
    )
    .bind(municipality.as_str())
    .bind(person.as_str())
    .fetch_all(tx.conn())
    .await?;
    households.sort();
    households.dedup();
    for household in households {
        remove_empty(tx, municipality.as_str(), &household).await?;
    }
    Ok(())
}

/// Removes a household that nobody stays or stayed in.
async fn remove_empty(tx: &mut Tx, municipality: &str, household: &str) -> Result<()> {
    sqlx::query(
        "DELETE FROM households WHERE municipality_id = $1 AND id = $2 \
         AND NOT EXISTS (SELECT 1 FROM household_stays WHERE municipality_id = $1 AND household_id = $2)",
    )
    .bind(municipality)
    .bind(household)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// In which households persons stay on the caller's day, the one of the 住民票 first: for files. Persons
/// whose address is protected have none there, whoever asks.
///
/// # Errors
/// Database away.
pub async fn for_files(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[PersonId],
) -> Result<BTreeMap<PersonId, Vec<(HouseholdKind, String, Stay)>>> {
    let municipality = &caller.viewer.municipality;
    let rows = rows_for(
        tx,
        municipality,
        ids,
        "SELECT DISTINCT household_id FROM household_stays WHERE municipality_id = $1 AND person_id IN",
        "",
    )
    .await?;
    let mut homes = BTreeSet::new();
    for row in &rows {
        homes.insert(row.try_get::<String, _>("household_id")?);
    }
    if homes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut found = read(tx, caller, &homes.into_iter().collect::<Vec<_>>()).await?;
    let people: BTreeSet<PersonId> = found
        .iter()
        .flat_map(|household| household.stays.iter().map(|stay| stay.person.clone()))
        .collect();
    let people: Vec<PersonId> = people.into_iter().collect();
    let protected = persons::protected(tx, municipality, &people).await?;
    for household in &mut found {
        // A file leaves the house: what is protected from anybody is in none.
        if household
            .stays
            .iter()
            .any(|stay| protected.contains(&stay.person))
        {
            household
                .stays
                .retain(|stay| !protected.contains(&stay.person));
            for stay in &mut household.stays {
                (stay.kinship, stay.words) = (None, Words::default());
            }
        }
    }
    withhold(tx, caller, &mut found).await?;
    let wanted: BTreeSet<&PersonId> = ids.iter().collect();
    let mut out: BTreeMap<PersonId, Vec<_>> = BTreeMap::new();
    for household in found {
        for stay in household.stays {
            if wanted.contains(&stay.person) {
                out.entry(stay.person.clone()).or_default().push((
                    household.kind,
                    household.id.clone(),
                    stay,
                ));
            }
        }
    }
    for stays in out.values_mut() {
        stays.sort_by(|a, b| (a.0, a.2.from, &a.1).cmp(&(b.0, b.2.from, &b.1)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn periods_that_share_a_day_overlap() {
        let stay = |from: Option<Date>, to: Option<Date>| Stay {
            id: String::new(),
            version: 1,
            person: "p".into(),
            kinship: None,
            from,
            to,
            words: Words::default(),
        };
        let (a, b, c) = (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1));
        assert!(stay(Some(a), Some(b)).overlaps(Some(b), None));
        assert!(!stay(Some(a), Some(b)).overlaps(Some(c), None));
        assert!(!stay(Some(b), Some(c)).overlaps(None, Some(a)));
        assert!(stay(None, None).overlaps(Some(a), Some(b)));
        assert!(stay(Some(c), None).overlaps(None, None));
    }
}
