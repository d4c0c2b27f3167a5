//! Messages that no honest client sends. Every one of them must end its sender's connection and
//! leave no trace.

use super::actor::Actor;
use crate::structs::{Held, Parent, Wire, between, item, text};
use crate::support::NUMBER;
use bytes::Bytes;
use collab::frame::Frame;
use yrs::updates::decoder::Decode;
use yrs::{BranchID, Doc, Map, MapPrelim, Out, ReadTxn, StateVector, Text, Transact};

/// Stands in every lie that carries text, and nowhere else.
pub const MARK: &str = "\u{f8f0}\u{f8f1}";

pub const KINDS: usize = 24;

/// What a lie is made of.
pub struct Circumstances {
    /// A client id that nobody has.
    pub client: u64,
    /// A client id of somebody else, and its next clock.
    pub victim: Option<(u64, u32)>,
    pub seed: u64,
}

fn copy(actor: &Actor, client: u64) -> Doc {
    let copy = crate::support::doc(client);
    if actor.sheet {
        copy.get_or_insert_map("fields");
        copy.get_or_insert_map("meta");
    } else {
        copy.get_or_insert_text("content");
    }
    let state = actor
        .doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    copy.transact_mut()
        .apply_update(yrs::Update::decode_v1(&state).unwrap())
        .unwrap();
    copy
}

/// The message; `None` where there is nothing to lie about yet.
pub fn message(actor: &Actor, kind: usize, at: Circumstances) -> Option<Bytes> {
    let Circumstances {
        client,
        victim,
        seed,
    } = at;
    let (main, _) = actor.text(&actor.doc.transact(), 0)?;
    let root = match AsRef::<yrs::branch::Branch>::as_ref(&main).id() {
        BranchID::Root(_) => Parent::Root("content"),
        BranchID::Nested(id) => Parent::Nested((id.client.get(), id.clock)),
    };
    let update = |update: &[u8]| Some(Frame::Update(update).encode());
    let wire = |wire: Wire| update(&wire.encode());
    // An edit that yrs makes willingly, on a copy.
    let edit = |act: &dyn Fn(&mut yrs::TransactionMut<'_>)| {
        let copy = copy(actor, client);
        let mut txn = copy.transact_mut();
        act(&mut txn);
        update(&txn.encode_update_v1())
    };
    let fields = |txn: &yrs::TransactionMut<'_>| txn.get_map("fields").unwrap();
    let marked = || text(MARK);
    match (kind, actor.sheet) {
        // Writing on under somebody else's client id.
        (0 | 1, _) => {
            let (client, clock) = victim?;
            let last = clock.checked_sub(1)?;
            let piece = match kind {
                0 => item(root, None, marked()),
                _ => between(Some((client, last)), None, marked()),
            };
            wire(Wire::of(client, clock, vec![piece]))
        }
        // A hole before it.
        (2, _) => wire(Wire::of(client, 3, vec![item(root, None, marked())])),
        // Beside what nobody wrote.
        (3, _) => wire(Wire::of(
            client,
            0,
            vec![between(Some((client + 1, 7)), None, marked())],
        )),
        // Content that no document holds.
        (4, _) => {
            let format = Held::Raw(6, vec![1, b'b', 4, b't', b'r', b'u', b'e']);
            wire(Wire::of(
                client,
                0,
                vec![item(root.clone(), None, format), item(root, None, marked())],
            ))
        }
        (5, _) => {
            let embed = Held::Raw(5, vec![2, b'{', b'}']);
            wire(Wire::of(client, 0, vec![item(root, None, embed)]))
        }
        (6, _) => wire(Wire::of(client, 0, vec![item(root, None, Held::Map)])),
        // Places that the shape does not have.
        (7, _) => wire(Wire::of(
            client,
            0,
            vec![item(Parent::Root("elsewhere"), None, marked())],
        )),
        (8, true) => edit(&|txn| {
            fields(txn).insert(txn, "secret", MARK);
        }),
        (9, true) => edit(&|txn| {
            if let Some(Out::YMap(table)) = fields(txn).get(txn, "household") {
                table.insert(txn, MARK, MapPrelim::default());
            }
        }),
        // The server's own.
        (10, true) => edit(&|txn| {
            let meta = txn.get_map("meta").unwrap();
            meta.insert(txn, "form", MARK);
        }),
        (11, true) => edit(&|txn| {
            let meta = txn.get_map("meta").unwrap();
            meta.remove(txn, "form");
        }),
        (12, true) => edit(&|txn| {
            fields(txn).remove(txn, "summary");
        }),
        // Values.
        (13, true) => edit(&|txn| {
            fields(txn).insert(txn, "route", MARK);
        }),
        (14, true) => edit(&|txn| {
            fields(txn).insert(txn, "remark", format!("{MARK}{NUMBER}"));
        }),
        // Deletions of nothing.
        (15, _) => wire(Wire::default().deleting(client, &[(0, 3)])),
        (16, _) => {
            let (client, clock) = victim?;
            wire(Wire::default().deleting(client, &[(clock, 0)]))
        }
        // A personal number.
        (17, _) => edit(&|txn| {
            let target = copy_text(actor, txn);
            let at = target.len(txn) / 2;
            target.insert(txn, at, &format!("{MARK}{NUMBER}"));
        }),
        // Too long, as text and as bytes.
        (18, true) => edit(&|txn| copy_text(actor, txn).insert(txn, 0, &MARK.repeat(2501))),
        (18, false) => edit(&|txn| copy_text(actor, txn).insert(txn, 0, &MARK.repeat(8000))),
        // Waits for its own second word; stands on both sides of one.
        (19, _) => wire(Wire::of(
            client,
            0,
            vec![
                between(Some((client, 2)), None, marked()),
                item(root, None, marked()),
            ],
        )),
        (20, _) => {
            let (other, clock) = victim?;
            let last = (other, clock.checked_sub(1)?);
            wire(Wire::of(
                client,
                0,
                vec![between(Some(last), Some(last), marked())],
            ))
        }
        // Not an update, not a frame.
        (21, _) => {
            let mut bytes: Vec<u8> = seed.to_le_bytes().repeat(3);
            bytes.insert(0, 200);
            Some(Frame::Update(&bytes).encode())
        }
        (22, _) => Some(Bytes::from_static(&[77, 1, 2])),
        (23, _) => {
            let mut wire = Wire::of(client, 0, vec![item(root, None, marked())]).encode();
            wire.truncate(wire.len() - 2);
            update(&wire)
        }
        // What an editor may do: for readers.
        (24, _) => edit(&|txn| copy_text(actor, txn).insert(txn, 0, MARK)),
        (25, _) => {
            let copy = copy(actor, client);
            let mut txn = copy.transact_mut();
            let target = copy_text(actor, &txn);
            if target.len(&txn) == 0 {
                return None;
            }
            target.remove_range(&mut txn, 0, 1);
            update(&txn.encode_update_v1())
        }
        // For a note: more client ids than anybody brings along.
        _ => {
            let sections =
                (0..65).map(|i| (client + i, 0, vec![item(root.clone(), None, marked())]));
            let deletes = Vec::new();
            wire(Wire {
                sections: sections.collect(),
                deletes,
            })
        }
    }
}

fn copy_text(actor: &Actor, txn: &yrs::TransactionMut<'_>) -> yrs::TextRef {
    actor.text(txn, 0).unwrap().0
}
