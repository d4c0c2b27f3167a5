//! The first update of a document, written by the server: the containers of fixed fields, so that
//! two browsers never create competing ones.

use crate::shape::{Rule, Shape};
use serde_json::Value;
use yrs::{
    Any, Doc, Map, MapPrelim, OffsetKind, Options, ReadTxn, StateVector, TextPrelim, Transact,
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
                match shape.rule(*rule) {
                    Rule::Text { .. } => {
                        target.insert(&mut txn, &**key, TextPrelim::new(""));
                    }
                    Rule::Map(_) => {
                        target.insert(&mut txn, &**key, MapPrelim::default());
                    }
                    Rule::Scalar(_) => {}
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
    let txn = doc.transact();
    let state = txn.encode_state_as_update_v1(&StateVector::default());
    (state.len() > 2).then_some(state)
}
