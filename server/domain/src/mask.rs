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

/// Makes one key of the notations of one value (half-width and full-width, with and without a space).
pub type Fold = fn(MaskLabel, &str) -> String;

/// Numbers entities within one case: the same entity always gets the same token, ［氏名1］.
/// The caller chooses the key (a person id, or a surface form); it never appears.
#[derive(Debug, Clone, Default)]
pub struct Numbering {
    known: BTreeMap<(MaskLabel, String), usize>,
    counts: BTreeMap<MaskLabel, usize>,
    fold: Option<Fold>,
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

    /// From now on keys that are not known as they are (persons' ids) are folded first.
    #[must_use]
    pub fn folding(mut self, fold: Fold) -> Self {
        self.fold = Some(fold);
        self
    }

    /// Lets another key of somebody known (an id from before two persons were merged) have the same
    /// number.
    pub fn alias(&mut self, label: MaskLabel, key: &str, of: &str) {
        if let Some(number) = self.known.get(&(label, of.to_owned())).copied() {
            self.known.entry((label, key.to_owned())).or_insert(number);
        }
    }

    /// The number of an entity; a new one counts on.
    pub fn number(&mut self, label: MaskLabel, key: &str) -> usize {
        let exact = (label, key.to_owned());
        if let Some(number) = self.known.get(&exact) {
            return *number;
        }
        let entity = self.fold.map_or(exact, |fold| (label, fold(label, key)));
        let count = self.counts.entry(label).or_insert(0);
        *self.known.entry(entity).or_insert_with(|| {
            *count += 1;
            *count
        })
    }

    /// The token that stands for an entity: ［氏名1］.
    pub fn token(&mut self, label: MaskLabel, key: &str) -> String {
        token(label, self.number(label, key))
    }
}

/// The fixed form that stands for the `number`th entity of a kind: ［氏名1］.
#[must_use]
pub fn token(label: MaskLabel, number: usize) -> String {
    format!("［{}{number}］", label.label_ja())
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
        numbering.alias(MaskLabel::Person, "p9", "p2");
        assert_eq!(numbering.token(MaskLabel::Person, "p9"), "［氏名2］");
    }

    #[test]
    fn folded_keys_share_a_number_and_ids_are_taken_as_they_are() {
        let letters = |_: MaskLabel, key: &str| key.chars().filter(|c| c.is_alphabetic()).collect();
        let mut numbering = Numbering::with_persons(["p-1", "p-2"]).folding(letters);
        assert_eq!(numbering.token(MaskLabel::Person, "p-2"), "［氏名2］");
        assert_eq!(numbering.token(MaskLabel::Person, "山田 花"), "［氏名3］");
        assert_eq!(numbering.token(MaskLabel::Person, "山田花"), "［氏名3］");
        assert_eq!(numbering.token(MaskLabel::Person, "山田"), "［氏名4］");
    }
}
