//! The persons of a case: what texts are looked through for, and the numbers they have.

use std::collections::HashMap;

use domain::mask::Numbering;
use masking::{Register, RegisterPerson};
use store::persons::Person;

/// The case's persons as the masking pipeline knows them.
#[must_use]
pub fn register(persons: &[(i64, Person)]) -> Register {
    let persons = persons
        .iter()
        .map(|(_, person)| {
            let current = |field: &str| person.fields.get(field).cloned();
            let past = |field: &str| {
                person
                    .former
                    .iter()
                    .filter(|fact| fact.field == field)
                    .map(|fact| fact.value.clone())
                    .collect::<Vec<_>>()
            };
            let all = |fields: &[&str]| {
                fields
                    .iter()
                    .flat_map(|field| current(field).into_iter().chain(past(field)))
                    .collect::<Vec<String>>()
            };
            let address = [current("address"), current("address2")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>();
            let mut addresses = all(&["address"]);
            if address.len() == 2 {
                addresses.push(address.join(" "));
                addresses.push(address.concat());
            }
            RegisterPerson {
                id: person.id.0.clone(),
                names: current("name").into_iter().collect(),
                kana: all(&["name_kana"]),
                aliases: all(&["alias"]),
                former_names: past("name")
                    .into_iter()
                    .chain(all(&["former_name"]))
                    .collect(),
                addresses,
                phones: all(&["phone_home", "phone_mobile"]),
                emails: all(&["email"]),
                birth_date: current("birth_date"),
                other_ids: all(&["atena_no"]),
            }
        })
        .collect();
    Register { persons }
}

/// What tells one register from another.
pub(super) fn fingerprint(register: &Register) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(serde_json::to_vec(register).unwrap_or_default());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers of the case's persons: ［氏名n］ with the n that lists show.
#[must_use]
pub fn numbering(persons: &[(i64, Person)]) -> Numbering {
    let last = persons.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let by_number: HashMap<i64, &str> = persons
        .iter()
        .map(|(number, person)| (*number, person.id.as_str()))
        .collect();
    // A number once given to somebody who left the case stays unused.
    let keys: Vec<String> = (1..=last)
        .map(|number| {
            by_number
                .get(&number)
                .map_or_else(|| format!("unused-{number}"), |id| (*id).to_owned())
        })
        .collect();
    masking::numbering(keys.iter().map(String::as_str))
}
