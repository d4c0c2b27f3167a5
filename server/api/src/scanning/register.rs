//! The persons of a case: what texts are looked through for, and the numbers they have.

use std::collections::{BTreeSet, HashMap};

use domain::{
    id::PersonId,
    mask::{MaskLabel, Numbering},
};
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
            // A bare room number stands everywhere.
            addresses.extend(
                all(&["address2", "district"])
                    .into_iter()
                    .filter(|part| part.trim().chars().count() >= 2 && !is_number(part)),
            );
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
                postal_codes: all(&["postal_code"]),
                facilities: all(&["workplace", "school"]),
                birth_date: current("birth_date"),
                other_ids: all(&["atena_no"]),
            }
        })
        .collect();
    Register { persons }
}

fn is_number(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_numeric() || c.is_whitespace() || matches!(c, '-' | '－' | '号' | '室'))
}

/// What tells one register from another.
pub(super) fn fingerprint(register: &Register) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(serde_json::to_vec(register).unwrap_or_default());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a scan made with these persons' names notes of them: for scans that are copied.
#[must_use]
pub fn fingerprint_of(persons: &[(i64, Person)]) -> String {
    fingerprint(&register(persons))
}

/// Numbers as a reader counts them from whom some persons are hidden: like the reader's list without
/// a gap; a hidden person who is mentioned is counted like anybody from outside the case.
#[must_use]
pub fn numbering_for(persons: &[(i64, Person)], hidden: &BTreeSet<PersonId>) -> Numbering {
    if hidden.is_empty() {
        return numbering(persons);
    }
    let seen = persons.iter().map(|(_, person)| &person.id);
    let numbering = masking::numbering(
        seen.filter(|id| !hidden.contains(*id))
            .map(PersonId::as_str),
    );
    with_merged(numbering, persons)
}

/// Marks from before two persons were merged name the one that is no more.
fn with_merged(mut numbering: Numbering, persons: &[(i64, Person)]) -> Numbering {
    for (_, person) in persons {
        for id in &person.merged {
            numbering.alias(MaskLabel::Person, id.as_str(), person.id.as_str());
        }
    }
    numbering
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
    with_merged(masking::numbering(keys.iter().map(String::as_str)), persons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::persons::{Fact, PROTECTED};

    /// A value of each field that nothing but the register tells apart.
    fn value(field: &str) -> &'static str {
        match field {
            "postal_code" => "000-0112",
            "address" => "架空市川辺町6-1-15",
            "address2" => "メゾン架空 203号室",
            "district" => "川辺地区",
            "phone_home" => "0499-01-0024",
            "phone_mobile" => "0900-24-0914",
            "email" => "kakuu@example.com",
            "workplace" => "ことり製作",
            "school" => "川辺南",
            other => panic!("{other} is protected: say how it is looked for"),
        }
    }

    fn person(fields: &[&str], former: &[&str]) -> (i64, Person) {
        let person = Person {
            id: "p1".into(),
            version: 1,
            fields: fields
                .iter()
                .map(|field| ((*field).to_owned(), value(field).to_owned()))
                .collect(),
            former: former
                .iter()
                .map(|field| Fact::current(field, value(field)))
                .collect(),
            flags: Vec::new(),
            address_confidential: true,
            address_withheld: false,
            address_allow: Vec::new(),
            merged: Vec::new(),
            updated_at: String::new(),
        };
        (1, person)
    }

    #[test]
    fn every_protected_value_is_looked_for_and_in_the_fingerprint_also_of_the_past() {
        let nothing = fingerprint(&register(&[person(&[], &[])]));
        for field in PROTECTED {
            for one in [person(&[field], &[]), person(&[], &[field])] {
                let register = register(&[one]);
                let known = serde_json::to_string(&register).unwrap();
                assert!(known.contains(value(field)), "{field}");
                assert_ne!(fingerprint(&register), nothing, "{field}");
            }
        }
    }

    #[test]
    fn a_hidden_person_is_counted_like_somebody_from_outside() {
        let three = ["p1", "p2", "p3"].map(|id| {
            let (_, one) = person(&[], &[]);
            Person {
                id: id.into(),
                ..one
            }
        });
        let persons: Vec<(i64, Person)> = (1..).zip(three).collect();
        let mut all = numbering_for(&persons, &BTreeSet::new());
        assert_eq!(all.token(MaskLabel::Person, "p3"), "［氏名3］");
        let mut some = numbering_for(&persons, &BTreeSet::from(["p2".into()]));
        for (key, token) in [
            ("p3", "［氏名2］"),
            ("outside", "［氏名3］"),
            ("p2", "［氏名4］"),
        ] {
            assert_eq!(some.token(MaskLabel::Person, key), token);
        }
    }

    #[test]
    fn marks_from_before_a_merge_keep_the_number_of_who_is_left() {
        let (_, mut one) = person(&[], &[]);
        one.merged = vec!["p0".into()];
        let persons = [(4, one)];
        for mut numbering in [
            numbering(&persons),
            numbering_for(&persons, &BTreeSet::from(["p7".into()])),
        ] {
            let now = numbering.token(MaskLabel::Person, "p1");
            assert_eq!(numbering.token(MaskLabel::Person, "p0"), now);
        }
    }

    #[test]
    fn a_bare_room_number_is_not_looked_for() {
        let mut one = person(&[], &[]);
        one.1.fields.insert("address2".into(), "105号室".into());
        assert!(register(&[one]).persons[0].addresses.is_empty());
    }
}
