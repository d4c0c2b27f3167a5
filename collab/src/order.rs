//! Which of two letters of a text stands first: for the
//! [walker](crate::walker), whose index has no order.
//!
//! An editor puts a letter between two that stand side by side. Other neighbours come from no editor,
//! and Yjs has no rule for them: each replica would find another place for such a letter, and the same
//! replica another one after loading.

use crate::update::Id;
use crate::walker::Neighbours;
use std::cmp::Ordering;
use yrs::updates::decoder::Decode;
use yrs::{Assoc, ClientID, Doc, ID, IndexScope, ReadTxn, StickyIndex, Transact};

/// Whether left stands before right; `None` when both are deleted and nothing visible is between.
/// Where one of them is garbage there is no order to keep.
fn compare<T: ReadTxn>(txn: &T, between: Neighbours) -> Option<Ordering> {
    if between.left == between.right {
        return Some(Ordering::Equal);
    }
    let offset = |id: Id, assoc| {
        let scope = IndexScope::Relative(ID::new(ClientID::new(id.client), id.clock));
        let found = StickyIndex::new(scope, assoc).get_offset(txn)?;
        Some(found.index)
    };
    let (Some(left), Some(right)) = (
        offset(between.left, Assoc::After),
        offset(between.right, Assoc::After),
    ) else {
        return Some(Ordering::Less);
    };
    if left != right {
        return Some(left.cmp(&right));
    }
    // In front of a visible letter stands who is as far as it; behind it nobody is.
    let is_visible = |id, at| offset(id, Assoc::Before) != Some(at);
    if is_visible(between.right, right) {
        Some(Ordering::Less)
    } else if is_visible(between.left, left) {
        Some(Ordering::Greater)
    } else {
        None
    }
}

/// What the document says of neighbours without being changed: `true` when some stand the wrong way
/// round. Those it cannot tell of, because one is not in it or both are deleted, are left in `open`.
pub(crate) fn is_broken(doc: &Doc, all: &[Neighbours], open: &mut Vec<Neighbours>) -> bool {
    let txn = doc.transact();
    let known = txn.state_vector();
    let has = |id: Id| known.get(&ClientID::new(id.client)) > id.clock;
    for &between in all {
        match compare(&txn, between) {
            _ if !has(between.left) || !has(between.right) => open.push(between),
            Some(Ordering::Less) => {}
            Some(_) => return true,
            None => open.push(between),
        }
    }
    false
}

/// As [`is_broken`], of a copy that has all of them and may be written to: a letter directly behind
/// each of two deleted ones shows their order.
pub fn is_broken_in_copy(copy: &Doc, all: &[Neighbours]) -> bool {
    let mut open = Vec::new();
    is_broken(copy, all, &mut open) || open.into_iter().any(|between| is_probed(copy, between))
}

/// The lowest client id stands nearest to its left neighbour.
const PROBE: u64 = 0;

fn is_probed(copy: &Doc, between: Neighbours) -> bool {
    let clock = copy.transact().state_vector().get(&ClientID::new(PROBE));
    let probes = [between.right, between.left];
    let mut update = vec![1, 2, 0];
    crate::frame::write_number(&mut update, u64::from(clock));
    for origin in probes {
        update.push(0x84);
        crate::frame::write_number(&mut update, origin.client);
        crate::frame::write_number(&mut update, u64::from(origin.clock));
        crate::frame::write_block(&mut update, b"x");
    }
    update.push(0);
    let mut txn = copy.transact_mut();
    let applied = yrs::Update::decode_v1(&update).map(|update| txn.apply_update(update));
    let between = Neighbours {
        left: Id {
            client: PROBE,
            clock: clock + 1,
        },
        right: Id {
            client: PROBE,
            clock,
        },
    };
    !matches!(applied, Ok(Ok(()))) || compare(&txn, between) != Some(Ordering::Less)
}
