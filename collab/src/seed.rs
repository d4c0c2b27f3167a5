//! The first update of a document, written by the server: the containers of fixed fields, so that
//! two browsers never create competing ones.

use crate::shape::{Rule, Shape};
use serde_json::Value;
use yrs::{
    Any, Doc, Map, MapPrelim, MapRef, OffsetKind, Options, ReadTxn, StateVector, TextPrelim,
    Transact, TransactionMut,
};

/// Client id of every seed. The same shape gives the same bytes, so a repeated creation, or a
/// second node, does no harm.
pub const SEED_CLIENT: u64 = 1;

/// An empty gc document that counts as browsers do.
#[must_use]
pub(crate) fn document(client: u64) -> Doc {
    let mut options = Options::with_client_id(yrs::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    options.skip_gc = false;
    options.cleanup_formatting = false;
    Doc::with_options(options)
}

/// Creates the root types of a shape, so that they are typed before anything is applied.
pub(crate) fn declare_roots(doc: &Doc, shape: &Shape) {
    for (name, root) in shape.roots() {
        match shape.rule(root.rule) {
            Rule::Text { .. } => {
                doc.get_or_insert_text(name);
            }
            Rule::Map(_) | Rule::Scalar(_) => {
                doc.get_or_insert_map(name);
            }
        }
    }
}

/// The seed of a shape as a v1 update; `None` when the shape needs none (note, network, masks).
#[must_use]
pub fn seed(shape: &Shape) -> Option<Vec<u8>> {
    let doc = document(SEED_CLIENT);
    declare_roots(&doc, shape);
    let mut roots: Vec<_> = shape.roots().collect();
    roots.sort_by_key(|(name, _)| *name);
    {
        let mut txn = doc.transact_mut();
        for (name, root) in roots {
            let Rule::Map(map) = shape.rule(root.rule) else {
                continue;
            };
            if !map.seeded {
                continue;
            }
            let Some(target) = txn.get_map(name) else {
                continue;
            };
            let mut keys: Vec<_> = map.fixed.iter().collect();
            keys.sort();
            for (key, rule) in keys {
                if !(name == FIELDS && shape.grown().iter().any(|(grown, _)| grown == key)) {
                    insert(&mut txn, &target, key, shape.rule(*rule));
                }
            }
            if root.server_only {
                for (key, value) in shape.meta() {
                    let value = match value {
                        Value::Number(n) => Any::from(n.as_f64().unwrap_or(0.0)),
                        Value::String(text) => Any::from(text.as_str()),
                        _ => Any::Null,
                    };
                    target.insert(&mut txn, &**key, value);
                }
            }
        }
    }
    let state = {
        let txn = doc.transact();
        txn.encode_state_as_update_v1(&StateVector::default())
    };
    let mut parts = vec![state];
    parts.extend(growth(shape).map(|(_, update)| update));
    let whole = if parts.len() == 1 {
        parts.pop()?
    } else {
        yrs::merge_updates_v1(&parts).ok()?
    };
    (whole.len() > 2).then_some(whole)
}

/// Root of a sheet's fields.
const FIELDS: &str = "fields";

/// Creates the container of a field; a scalar has none.
fn insert(txn: &mut TransactionMut<'_>, target: &MapRef, key: &str, rule: &Rule) {
    match rule {
        Rule::Text { .. } => {
            target.insert(txn, key, TextPrelim::new(""));
        }
        Rule::Map(_) => {
            target.insert(txn, key, MapPrelim::default());
        }
        Rule::Scalar(_) => {}
    }
}

/// Client ids of containers that are added to documents later: between those of browsers and those
/// of server-side writes, one for each field. So every node makes the same bytes at any time, and
/// applying them twice does nothing.
const GROWN: std::ops::Range<u64> = 1 << 48..(1 << 48) + (1 << 30);

/// Whether only the server may write under a client id.
pub(crate) const fn is_reserved(client: u64) -> bool {
    client >= GROWN.start && client < GROWN.end
}

/// Client id and update of each container that was added later.
fn growth(shape: &Shape) -> impl Iterator<Item = (u64, Vec<u8>)> {
    shape.grown().iter().filter_map(|(key, number)| {
        let client = GROWN.start + u64::from(*number);
        let rule = shape.rule_at(key)?;
        if !is_reserved(client) || matches!(rule, Rule::Scalar(_)) {
            return None;
        }
        let doc = document(client);
        let target = doc.get_or_insert_map(FIELDS);
        let mut txn = doc.transact_mut();
        insert(&mut txn, &target, key, rule);
        Some((client, txn.encode_update_v1()))
    })
}

/// The containers that a document lacks, each as client id and update.
pub(crate) fn missing(shape: &Shape, txn: &impl ReadTxn) -> Vec<(u64, Vec<u8>)> {
    if shape.grown().is_empty() {
        return Vec::new();
    }
    let there = txn.state_vector();
    growth(shape)
        .filter(|(client, _)| there.get(&yrs::ClientID::new(*client)) == 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Field, FieldContent};
    use proptest::prelude::*;
    use yrs::updates::decoder::Decode;
    use yrs::{GetString, Text, Update};

    /// A sheet with one text that ships and these own texts.
    fn shape(own: &[u32]) -> Shape {
        let names: Vec<String> = own.iter().map(|number| format!("x_{number}")).collect();
        let fields: Vec<Field> = std::iter::once("summary")
            .chain(names.iter().map(String::as_str))
            .map(|id| Field {
                id: id.to_owned(),
                content: FieldContent::LiveText { max: 100 },
            })
            .collect();
        let grown = names.iter().map(String::as_str).zip(own.iter().copied());
        Shape::sheet("assessment", "form", 1, &fields).with_grown(grown)
    }

    fn apply(doc: &Doc, update: &[u8]) {
        let update = Update::decode_v1(update).unwrap();
        doc.transact_mut().apply_update(update).unwrap();
    }

    fn grow(doc: &Doc, shape: &Shape) {
        let missing = missing(shape, &doc.transact());
        for (_, update) in missing {
            apply(doc, &update);
        }
    }

    fn state(doc: &Doc) -> Vec<u8> {
        doc.transact()
            .encode_state_as_update_v1(&StateVector::default())
    }

    #[test]
    fn what_ships_has_the_seed_it_always_had() {
        let plain = seed(&shape(&[])).unwrap();
        let doc = document(7);
        apply(&doc, &seed(&shape(&[3, 9])).unwrap());
        let older = doc.transact().state_vector();
        let parsed = crate::update::Update::parse(&plain).unwrap();
        let end = parsed.structs.last().unwrap().end();
        assert_eq!(older.get(&yrs::ClientID::new(SEED_CLIENT)), end);
    }

    proptest! {
        #[test]
        fn documents_of_any_age_grow_alike(
            mut numbers in proptest::collection::btree_set(0u32..1 << 30, 1..6).prop_map(Vec::from_iter),
            cut in 0usize..6,
            second in 0usize..6,
            words in "[a-z]{1,12}",
        ) {
            let (cut, second) = (cut.min(numbers.len()), second.min(numbers.len()));
            let newest = shape(&numbers);
            // Made under an older version, and grown on two nodes by different ways at once.
            let older = document(11);
            apply(&older, &seed(&shape(&numbers[..cut])).unwrap());
            let other = document(12);
            apply(&other, &state(&older));
            grow(&older, &newest);
            grow(&other, &shape(&numbers[..cut.max(second)]));
            let text = other.get_or_insert_map("fields").get(&other.transact(), "summary");
            let Some(yrs::Out::YText(text)) = text else { panic!("no text") };
            text.insert(&mut other.transact_mut(), 0, &words);
            grow(&other, &newest);
            let (a, b) = (state(&older), state(&other));
            apply(&older, &b);
            apply(&other, &a);
            apply(&older, &b);
            prop_assert_eq!(older.transact().state_vector(), other.transact().state_vector());
            prop_assert!(missing(&newest, &older.transact()).is_empty());
            for number in numbers.drain(..) {
                let field = older.get_or_insert_map("fields").get(&older.transact(), &format!("x_{number}"));
                prop_assert!(matches!(field, Some(yrs::Out::YText(_))));
            }
            let text = older.get_or_insert_map("fields").get(&older.transact(), "summary");
            let Some(yrs::Out::YText(text)) = text else { panic!("no text") };
            prop_assert_eq!(text.get_string(&older.transact()), words);
        }
    }
}
