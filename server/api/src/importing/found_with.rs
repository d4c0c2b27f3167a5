//! The rights that a check was made with. What it found is kept for a day; rights can go in that time.
//!
//! **Invariant:** rows are given out only while the rights to everything they speak of are those that
//! they were found with.

use std::collections::{BTreeMap, BTreeSet};

use ::exchange::Row;
use domain::id::PersonId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Caller, StoreError, Tx};

use super::{
    Planned,
    cells::{self, text},
};
use crate::error::ApiError;

/// How many cases or persons are asked for at once.
const AT_ONCE: usize = 300;

/// What a row speaks of.
#[derive(Default)]
pub(super) struct Subjects {
    /// By number.
    cases: BTreeSet<String>,
    persons: BTreeSet<PersonId>,
}

impl Subjects {
    /// What a row of the file names.
    pub(super) fn of_row(row: &Row) -> Self {
        let one = Some(text(row, "person_id")).filter(|id| !id.is_empty());
        Self {
            cases: Some(text(row, "case_no"))
                .filter(|number| !number.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            persons: cells::persons(row)
                .into_iter()
                .chain(one.map(PersonId::from))
                .collect(),
        }
    }

    /// With what was found for the row beyond that.
    pub(super) fn and_found(mut self, planned: &Planned) -> Self {
        let alike = planned.alike.iter().map(|one| one.person_id.as_str());
        self.persons.extend(alike.map(PersonId::from));
        let clients = planned
            .values
            .get("persons")
            .and_then(|list| list.as_array());
        let clients = clients.into_iter().flatten().filter_map(|id| id.as_str());
        self.persons.extend(clients.map(PersonId::from));
        self.cases.extend(planned.found_case.clone());
        self
    }
}

/// See the module. Of what is not in it the caller was told nothing.
#[derive(Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FoundWith {
    /// Number → digest of how far the rights reached; `None`: the case was not shown.
    cases: BTreeMap<String, Option<String>>,
    /// The register and the protected values; `None`: the person was not shown.
    persons: BTreeMap<PersonId, Option<(bool, bool)>>,
}

impl FoundWith {
    /// The rights of now to what rows speak of.
    pub(super) async fn now(
        tx: &mut Tx,
        caller: &Caller,
        subjects: &[Subjects],
    ) -> Result<Self, StoreError> {
        let cases: BTreeSet<&String> = subjects.iter().flat_map(|one| &one.cases).collect();
        let persons: BTreeSet<&PersonId> = subjects.iter().flat_map(|one| &one.persons).collect();
        Self::ask(
            tx,
            caller,
            &cases.into_iter().cloned().collect::<Vec<_>>(),
            &persons.into_iter().cloned().collect::<Vec<_>>(),
        )
        .await
    }

    async fn ask(
        tx: &mut Tx,
        caller: &Caller,
        cases: &[String],
        persons: &[PersonId],
    ) -> Result<Self, StoreError> {
        let mut out = Self::default();
        for numbers in cases.chunks(AT_ONCE) {
            let mut reach = tx.reach_of_cases(caller, numbers).await?;
            for number in numbers {
                let digest = match reach.remove(number) {
                    Some(reach) => Some(digest(&reach)?),
                    None => None,
                };
                out.cases.insert(number.clone(), digest);
            }
        }
        for ids in persons.chunks(AT_ONCE) {
            let mut sight = tx.sight_of_persons(caller, ids).await?;
            for id in ids {
                out.persons.insert(id.clone(), sight.remove(id));
            }
        }
        Ok(out)
    }

    /// As far as a row speaks of it.
    pub(super) fn about(&self, subjects: &Subjects) -> Self {
        let cases = subjects.cases.iter();
        let persons = subjects.persons.iter();
        Self {
            cases: cases
                .filter_map(|number| self.cases.get_key_value(number))
                .map(|(number, digest)| (number.clone(), digest.clone()))
                .collect(),
            persons: persons
                .filter_map(|id| self.persons.get_key_value(id))
                .map(|(id, sight)| (id.clone(), *sight))
                .collect(),
        }
    }
}

fn digest(reach: &domain::disclosure::Reach) -> Result<String, StoreError> {
    let bytes = serde_json::to_vec(reach).map_err(|_| StoreError::Invalid("json"))?;
    Ok(Sha256::digest(bytes)
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Refuses rows that were found with other rights than those of now.
///
/// # Errors
/// 409 `import_rights_changed`.
pub(crate) async fn refuse_outdated(
    tx: &mut Tx,
    caller: &Caller,
    rows: &[Planned],
) -> Result<(), ApiError> {
    let mut then = FoundWith::default();
    for row in rows {
        let found = &row.found_with;
        // Rows of one check were found with the same rights, or they changed while it went on.
        let same = found
            .cases
            .iter()
            .all(|(number, digest)| then.cases.get(number).is_none_or(|known| known == digest))
            && found
                .persons
                .iter()
                .all(|(id, sight)| then.persons.get(id).is_none_or(|known| known == sight));
        if !same {
            return Err(ApiError::conflict("import_rights_changed"));
        }
        then.cases.extend(found.cases.clone());
        then.persons.extend(found.persons.clone());
    }
    let cases: Vec<String> = then.cases.keys().cloned().collect();
    let persons: Vec<PersonId> = then.persons.keys().cloned().collect();
    if FoundWith::ask(tx, caller, &cases, &persons).await? != then {
        return Err(ApiError::conflict("import_rights_changed"));
    }
    Ok(())
}
