//! What masked text looks like: labels, and replacement in fixed form, stable per person.

use std::collections::BTreeMap;

use crate::code::coded;

coded! {
    /// Kind of a masked entity, as in the contract of `musubi mask`.
    pub enum MaskLabel {
        Person = "PERSON", "氏名";
        Address = "ADDRESS", "住所";
        Facility = "FACILITY", "機関";
        Phone = "PHONE", "電話";
        Email = "EMAIL", "メール";
        IdNumber = "ID_NUMBER", "番号";
        Birthdate = "BIRTHDATE", "生年月日";
        PostalCode = "POSTAL_CODE", "郵便番号";
        Account = "ACCOUNT", "口座";
        OtherId = "OTHER_ID", "ID";
    }
}

/// Numbers entities within one case: the same entity always gets the same token, ［氏名1］.
/// The caller chooses the key (a person id, or a normalised surface form); it never appears.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbering {
    known: BTreeMap<(MaskLabel, String), usize>,
    counts: BTreeMap<MaskLabel, usize>,
}

impl Numbering {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the persons of a case their numbers first, in the register's order, so that tokens
    /// do not depend on where a name appears first.
    #[must_use]
    pub fn with_persons<'a>(persons: impl IntoIterator<Item = &'a str>) -> Self {
        let mut numbering = Self::new();
        for person in persons {
            numbering.number(MaskLabel::Person, person);
        }
        numbering
    }

    /// The number of an entity; a new one counts on.
    pub fn number(&mut self, label: MaskLabel, key: &str) -> usize {
        if let Some(number) = self.known.get(&(label, key.to_owned())) {
            return *number;
        }
        let count = self.counts.entry(label).or_insert(0);
        *count += 1;
        self.known.insert((label, key.to_owned()), *count);
        *count
    }

    /// The token that stands for an entity: ［氏名1］.
    pub fn token(&mut self, label: MaskLabel, key: &str) -> String {
        format!("［{}{}］", label.label_ja(), self.number(label, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_stable_and_of_fixed_form() {
        let mut numbering = Numbering::with_persons(["p1", "p2"]);
        assert_eq!(numbering.token(MaskLabel::Person, "p2"), "［氏名2］");
        assert_eq!(numbering.token(MaskLabel::Person, "山田"), "［氏名3］");
        assert_eq!(numbering.token(MaskLabel::Person, "p1"), "［氏名1］");
        assert_eq!(numbering.token(MaskLabel::Address, "p1"), "［住所1］");
        assert_eq!(numbering.token(MaskLabel::Person, "山田"), "［氏名3］");
    }
}
