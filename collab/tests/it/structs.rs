//! Updates put together struct by struct, as no editor writes them: parents, neighbours, garbage,
//! holes, repetitions. Whatever the walker lets pass, yrs takes whole, and puts where the walker
//! says.

use crate::support::{author, doc, sheet};
use collab::frame::Code;
use collab::order::is_broken_in_copy;
use collab::walker::{Index, Refused, Trial, Verdict, Writer};
use collab::{Author, Shape};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, Map, MapPrelim, Out, ReadTxn, StateVector, Text, TextPrelim, Transact,
    TransactionMut,
};

pub type Id = (u64, u32);

#[derive(Debug, Clone)]
pub enum Parent {
    Root(&'static str),
    Nested(Id),
}

/// What a struct holds.
#[derive(Debug, Clone)]
pub enum Held {
    Deleted(u32),
    Text(String),
    Value(&'static str),
    Flag,
    Map,
    SharedText,
    /// Kind and bytes of anything else.
    Raw(u8, Vec<u8>),
}

#[derive(Debug, Clone)]
pub enum Piece {
    Skip(u32),
    Gc(u32),
    Item {
        origin: Option<Id>,
        right: Option<Id>,
        parent: Parent,
        key: Option<&'static str>,
        held: Held,
    },
}

/// An item without neighbours.
pub fn item(parent: Parent, key: Option<&'static str>, held: Held) -> Piece {
    Piece::Item {
        origin: None,
        right: None,
        parent,
        key,
        held,
    }
}

/// An item between neighbours.
pub fn between(origin: Option<Id>, right: Option<Id>, held: Held) -> Piece {
    Piece::Item {
        origin,
        right,
        parent: Parent::Root(""),
        key: None,
        held,
    }
}

pub fn text(text: &str) -> Held {
    Held::Text(text.into())
}

type Section = (u64, u32, Vec<Piece>);

#[derive(Debug, Clone, Default)]
pub struct Wire {
    pub sections: Vec<Section>,
    pub deletes: Vec<(u64, Vec<(u32, u32)>)>,
}

impl Wire {
    pub fn of(client: u64, clock: u32, pieces: Vec<Piece>) -> Self {
        Self {
            sections: vec![(client, clock, pieces)],
            deletes: Vec::new(),
        }
    }

    pub fn and(mut self, client: u64, clock: u32, pieces: Vec<Piece>) -> Self {
        self.sections.push((client, clock, pieces));
        self
    }

    pub fn deleting(mut self, client: u64, ranges: &[(u32, u32)]) -> Self {
        self.deletes.push((client, ranges.to_vec()));
        self
    }

    /// Update, v1 encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, self.sections.len() as u64);
        for (client, clock, pieces) in &self.sections {
            number(&mut out, pieces.len() as u64);
            number(&mut out, *client);
            number(&mut out, u64::from(*clock));
            pieces.iter().for_each(|p| piece(&mut out, p));
        }
        number(&mut out, self.deletes.len() as u64);
        for (client, ranges) in &self.deletes {
            number(&mut out, *client);
            number(&mut out, ranges.len() as u64);
            for (clock, len) in ranges {
                number(&mut out, u64::from(*clock));
                number(&mut out, u64::from(*len));
            }
        }
        out
    }
}

fn piece(out: &mut Vec<u8>, piece: &Piece) {
    let (origin, right, parent, key, held) = match piece {
        Piece::Gc(len) | Piece::Skip(len) => {
            out.push(if matches!(piece, Piece::Gc(_)) { 0 } else { 10 });
            return number(out, u64::from(*len));
        }
        Piece::Item {
            origin,
            right,
            parent,
            key,
            held,
        } => (origin, right, parent, key, held),
    };
    let kind = match held {
        Held::Deleted(_) => 1,
        Held::Text(_) => 4,
        Held::Map | Held::SharedText => 7,
        Held::Value(_) | Held::Flag => 8,
        Held::Raw(kind, _) => *kind,
    };
    let flags = u8::from(origin.is_some()) << 7
        | u8::from(right.is_some()) << 6
        | u8::from(key.is_some()) << 5;
    out.push(kind | flags);
    for id in [origin, right].into_iter().flatten() {
        number(out, id.0);
        number(out, u64::from(id.1));
    }
    if origin.is_none() && right.is_none() {
        match parent {
            Parent::Root(name) => {
                out.push(1);
                string(out, name);
            }
            Parent::Nested(id) => {
                out.push(0);
                number(out, id.0);
                number(out, u64::from(id.1));
            }
        }
        if let Some(key) = key {
            string(out, key);
        }
    }
    match held {
        Held::Deleted(len) => number(out, u64::from(*len)),
        Held::Text(text) => string(out, text),
        Held::Value(text) => {
            out.extend([1, 119]);
            string(out, text);
        }
        Held::Flag => out.extend([1, 120]),
        Held::Map => out.push(1),
        Held::SharedText => out.push(2),
        Held::Raw(_, bytes) => out.extend(bytes),
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn string(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// A server's index and document.
struct Bench {
    shape: Arc<Shape>,
    note: bool,
    index: Index,
    doc: Doc,
}

impl Bench {
    fn new(shape: Shape) -> Self {
        let note = shape.kind() == "note";
        let shape = Arc::new(shape);
        let mut bench = Self {
            index: Index::new(Arc::clone(&shape)),
            doc: roots(note),
            note,
            shape,
        };
        if let Some(seed) = collab::seed::seed(&bench.shape) {
            bench.index.replay(&seed, &Author::system()).unwrap();
            apply(&mut bench.doc.transact_mut(), &seed).unwrap();
        }
        bench
    }

    fn judge(&mut self, update: &[u8], who: &str) -> Result<Verdict, Refused> {
        let me = author(who);
        let writer = Writer {
            author: &me,
            may_edit: true,
            server: false,
        };
        let doc = &self.doc;
        let mut trial = |trial: Trial<'_>| is_misplaced(trial, &[&state(doc), update]);
        self.index.verify(update, writer, &mut trial)
    }

    fn take(&mut self, update: &[u8], who: &str) {
        self.judge(update, who).unwrap();
        let mut txn = self.doc.transact_mut();
        apply(&mut txn, update).unwrap();
        drop(txn);
        self.collect();
    }

    /// Tells the index what the document deleted by itself, as the room does.
    fn collect(&mut self) {
        for (client, ranges) in self.doc.transact().snapshot().delete_set.iter() {
            for range in ranges.iter() {
                let len = range.end - range.start;
                self.index.mark_deleted(client.get(), range.start, len);
            }
        }
    }

    /// Forgets everything but the state, as compaction and a restart do.
    fn restart(self) -> Self {
        let state = state(&self.doc);
        let mut again = Self {
            index: Index::new(Arc::clone(&self.shape)),
            doc: roots(self.note),
            note: self.note,
            shape: Arc::clone(&self.shape),
        };
        for (client, _) in self.doc.transact().state_vector().iter() {
            let author = self.index.author_of(client.get()).unwrap();
            again.index.bind(client.get(), author);
        }
        again.index.replay(&state, &Author::system()).unwrap();
        apply(&mut again.doc.transact_mut(), &state).unwrap();
        again.collect();
        again.index.recount();
        again
    }

    /// All there is, whatever the shape says of it: path → value.
    fn values(&self) -> BTreeMap<String, String> {
        values(&self.doc)
    }
}

fn values(doc: &Doc) -> BTreeMap<String, String> {
    let txn = doc.transact();
    let mut all = BTreeMap::new();
    for (root, _) in txn.root_refs().collect::<Vec<_>>() {
        match root {
            "content" => drop(all.insert(
                root.to_owned(),
                txn.get_text(root).unwrap().get_string(&txn),
            )),
            _ => {
                for (key, value) in txn.get_map(root).unwrap().iter(&txn) {
                    let path = if root == "fields" {
                        key.to_owned()
                    } else {
                        format!("{root}/{key}")
                    };
                    all.insert(
                        path,
                        serde_json::to_value(value.to_json(&txn))
                            .unwrap()
                            .to_string(),
                    );
                }
            }
        }
    }
    all
}

fn roots(note: bool) -> Doc {
    let doc = doc(4000);
    if note {
        doc.get_or_insert_text("content");
    } else {
        doc.get_or_insert_map("fields");
        doc.get_or_insert_map("meta");
    }
    doc
}

fn apply(txn: &mut TransactionMut<'_>, update: &[u8]) -> Result<(), String> {
    let update = yrs::Update::decode_v1(update).map_err(|e| e.to_string())?;
    txn.apply_update(update).map_err(|e| e.to_string())
}

pub fn state(doc: &Doc) -> Vec<u8> {
    doc.transact()
        .encode_state_as_update_v1(&StateVector::default())
}

/// The room's answer, where these updates come one after the other.
pub fn is_misplaced(trial: Trial<'_>, updates: &[&[u8]]) -> bool {
    let Trial::Misplaced(neighbours) = trial else {
        return false;
    };
    let copy = doc(4001);
    for update in updates {
        apply(&mut copy.transact_mut(), update).unwrap();
    }
    is_broken_in_copy(&copy, neighbours)
}

/// A sheet with everything a hostile mind may point at. `me` writes under 5, `you` under 6.
///
/// Of 5: a summary, a value that was overwritten, a row that stays and a row that was deleted, so
/// that it and what stood in it are garbage.
fn used_sheet() -> Bench {
    let mut bench = Bench::new(sheet());
    let (mine, yours) = (doc(5), doc(6));
    let seed = collab::seed::seed(&sheet()).unwrap();
    for doc in [&mine, &yours] {
        doc.get_or_insert_map("fields");
        apply(&mut doc.transact_mut(), &seed).unwrap();
    }
    let edit = |doc: &Doc, act: &dyn Fn(&mut TransactionMut<'_>, yrs::MapRef)| {
        let mut txn = doc.transact_mut();
        let fields = txn.get_map("fields").unwrap();
        act(&mut txn, fields);
        txn.encode_update_v1()
    };
    let updates = [
        edit(&mine, &|t, f| {
            let Some(Out::YText(text)) = f.get(t, "summary") else {
                panic!()
            };
            text.insert(t, 0, "ab😀cd");
            f.insert(t, "remark", "old");
        }),
        edit(&mine, &|t, f| {
            f.insert(t, "remark", "new");
            let Some(Out::YMap(table)) = f.get(t, "household") else {
                panic!()
            };
            for id in ["row1aaaaaaaa", "row2aaaaaaaa"] {
                let row = table.insert(t, id, MapPrelim::default());
                row.insert(t, "name", TextPrelim::new("xy"));
                row.insert(t, "age", 5);
            }
        }),
        edit(&mine, &|t, f| {
            let Some(Out::YMap(table)) = f.get(t, "household") else {
                panic!()
            };
            table.remove(t, "row1aaaaaaaa");
            let Some(Out::YText(text)) = f.get(t, "summary") else {
                panic!()
            };
            text.remove_range(t, 4, 1);
        }),
    ];
    for update in updates {
        bench.take(&update, "me");
    }
    let update = edit(&yours, &|t, f| {
        let Some(Out::YText(text)) = f.get(t, "summary") else {
            panic!()
        };
        text.insert(t, 0, "you");
        f.insert(t, "route", "self");
    });
    bench.take(&update, "you");
    bench
}

/// An id under which something stands at this path.
fn at(bench: &Bench, path: &str) -> Id {
    let found =
        (0..bench.index.clock(5)).find(|c| bench.index.path(5, *c).as_deref() == Some(path));
    (5, found.expect(path))
}

/// An id under which garbage stands.
fn garbage(bench: &Bench) -> Id {
    let found = (0..bench.index.clock(5)).find(|c| bench.index.path(5, *c).is_none());
    (5, found.expect("garbage"))
}

fn refused(verdict: Result<Verdict, Refused>) -> (Code, &'static str) {
    let refused = verdict.expect_err("let in");
    (refused.code, refused.check)
}

const ROOT: Parent = Parent::Root("content");

#[test]
fn an_update_is_read_to_its_end() {
    let mut note = Bench::new(Shape::note());
    let decode = (Code::Malformed, "decode");
    let mut update = Wire::of(9, 0, vec![item(ROOT, None, text("a"))]).encode();
    update.push(0);
    assert_eq!(refused(note.judge(&update, "me")), decode);
    // Nothing takes no place.
    for piece in [
        item(ROOT, None, text("")),
        item(ROOT, None, Held::Deleted(0)),
        Piece::Gc(0),
        Piece::Skip(0),
    ] {
        let wire = Wire::of(9, 0, vec![piece.clone(), item(ROOT, None, text("b"))]);
        assert_eq!(
            refused(note.judge(&wire.encode(), "me")),
            decode,
            "{piece:?}"
        );
    }
    update.pop();
    note.take(&update, "me");
}

#[test]
fn a_parent_is_a_container() {
    // A legal text, and an item that names it as its parent.
    let wire = Wire::of(
        9,
        0,
        vec![
            item(ROOT, None, text("a")),
            item(Parent::Nested((9, 0)), None, text("b")),
        ],
    );
    let mut note = Bench::new(Shape::note());
    assert_eq!(
        wire.encode(),
        [
            1, 2, 9, 0, 4, 1, 7, b'c', b'o', b'n', b't', b'e', b'n', b't', 1, b'a', 4, 0, 9, 0, 1,
            b'b', 0
        ]
    );
    assert_eq!(
        refused(note.judge(&wire.encode(), "me")),
        (Code::Malformed, "no container")
    );
    assert!(
        apply(&mut note.doc.transact_mut(), &wire.encode()).is_err(),
        "yrs takes it"
    );
    // Neither one that was there already, a letter, a value, a deleted one.
    let bench = used_sheet();
    let ids = [
        at(&bench, "summary"),
        at(&bench, "remark"),
        at(&bench, "household/row2aaaaaaaa/age"),
    ];
    for id in ids {
        for key in [None, Some("route")] {
            let wire = Wire::of(9, 0, vec![item(Parent::Nested(id), key, Held::Flag)]);
            let mut bench = used_sheet();
            assert_eq!(
                refused(bench.judge(&wire.encode(), "me")),
                (Code::Malformed, "no container"),
                "{id:?}"
            );
            let mut bench = used_sheet().restart();
            assert_eq!(
                refused(bench.judge(&wire.encode(), "me")),
                (Code::Malformed, "no container"),
                "{id:?}"
            );
        }
    }
}

#[test]
fn late_words_in_a_deleted_row_are_taken_and_vanish() {
    // Somebody typed in the row, offline, while it was deleted and the server started anew.
    let bench = used_sheet();
    let row = at(&bench, "household/row1aaaaaaaa");
    let name = at(&bench, "household/row1aaaaaaaa/name");
    for mut bench in [bench, used_sheet().restart()] {
        let before = bench.values();
        let wire = Wire::of(
            9,
            0,
            vec![
                item(Parent::Nested(row), Some("needs"), Held::Map),
                item(Parent::Nested((9, 0)), Some("care"), Held::Flag),
                between(Some((name.0, name.1 + 1)), None, text("z")),
                between(Some((9, 2)), Some((name.0, name.1 + 2)), text("z")),
                Piece::Gc(3),
            ],
        );
        bench.take(&wire.encode(), "other");
        assert_eq!(bench.values(), before);
    }
}

#[test]
fn one_neighbour_cannot_be_garbage_and_the_other_alive() {
    for restart in [false, true] {
        let fresh = || {
            if restart {
                used_sheet().restart()
            } else {
                used_sheet()
            }
        };
        let bench = fresh();
        let live = at(&bench, "summary");
        let mut cases = vec![((9, 0), live), (live, (9, 0))];
        if restart {
            cases.extend([(garbage(&bench), live), (live, garbage(&bench))]);
        }
        for (origin, right) in cases {
            let mut bench = fresh();
            // "123456789018" passes every check that is not made.
            let wire = Wire::of(
                9,
                0,
                vec![
                    Piece::Gc(1),
                    between(Some(origin), Some(right), text("123456789018")),
                ],
            );
            assert_eq!(
                refused(bench.judge(&wire.encode(), "me")),
                (Code::Malformed, "half collected")
            );
        }
    }
}

#[test]
fn a_value_stands_behind_all_others_of_its_key() {
    let first = || item(Parent::Root("fields"), Some("remark"), Held::Value("one"));
    let behind = |left| between(Some(left), None, Held::Value("two"));
    for (left, right) in [
        (Some((9, 0)), Some((9, 1))),
        (Some((9, 1)), Some((9, 0))),
        (None, Some((9, 0))),
    ] {
        let mut bench = Bench::new(sheet());
        bench.take(
            &Wire::of(9, 0, vec![first(), behind((9, 0))]).encode(),
            "me",
        );
        let wire = Wire::of(8, 0, vec![between(left, right, Held::Value("three"))]);
        assert_eq!(
            refused(bench.judge(&wire.encode(), "you")),
            (Code::Malformed, "before a value")
        );
        bench.take(&Wire::of(8, 0, vec![behind((9, 1))]).encode(), "you");
        assert_eq!(bench.values()["remark"], "\"two\"");
    }
}

#[test]
fn a_map_takes_so_many_entries() {
    let mut bench = Bench::new(Shape::network());
    let node = |i: u32| {
        let id: &'static str = Box::leak(format!("node{i:08}").into_boxed_str());
        item(Parent::Root("nodes"), Some(id), Held::Map)
    };
    let most = collab::shape::MAX_ENTRIES as u32;
    let wire = Wire::of(9, 0, (0..most).map(node).collect());
    assert!(bench.judge(&wire.encode(), "me").is_ok());
    let one_more = Wire::of(9, most, vec![node(most)]);
    assert_eq!(
        refused(bench.judge(&one_more.encode(), "me")),
        (Code::TooLarge, "entries")
    );
    // Another value under a known key is no new entry.
    let again = Wire::of(9, most, vec![between(Some((9, 0)), None, Held::Map)]);
    assert!(bench.judge(&again.encode(), "me").is_ok());
}

#[test]
fn a_known_beginning_cannot_move_what_follows() {
    // Two letters of the summary are known; the same struct with one more names another parent.
    let bench = used_sheet();
    let (client, clock) = at(&bench, "summary");
    assert_eq!(clock, 0);
    let next = bench.index.clock(client);
    assert_eq!(
        bench.index.path(client, next - 1).as_deref(),
        Some("household/row2aaaaaaaa/age")
    );
    let mut cases = vec![
        (Parent::Root("meta"), Some("form")),
        (Parent::Root("fields"), Some("route")),
        (
            Parent::Nested(at(&bench, "household/row2aaaaaaaa")),
            Some("age"),
        ),
    ];
    cases.push((
        Parent::Nested(at(&bench, "household/row2aaaaaaaa/name")),
        None,
    ));
    for (parent, key) in cases {
        let mut bench = used_sheet();
        let more = "p".repeat(next as usize + 1);
        let wire = Wire::of(client, 0, vec![item(parent, key, text(&more))]);
        assert!(bench.judge(&wire.encode(), "me").is_err());
    }
    // In a note: the beginning is known, the rest says it stands elsewhere.
    let mut note = Bench::new(Shape::note());
    note.take(
        &Wire::of(9, 0, vec![item(ROOT, None, text("abc"))]).encode(),
        "me",
    );
    note.take(&Wire::of(8, 0, vec![Piece::Gc(2)]).encode(), "you");
    let wire = Wire::of(8, 0, vec![item(ROOT, None, text("abc"))]);
    assert_eq!(
        refused(note.judge(&wire.encode(), "you")),
        (Code::Malformed, "known part")
    );
    let wire = Wire::of(9, 0, vec![between(Some((8, 1)), None, text("abcd"))]);
    assert_eq!(
        refused(note.judge(&wire.encode(), "me")),
        (Code::Malformed, "known part")
    );
    // The honest repetition, longer than what is known.
    note.take(
        &Wire::of(9, 0, vec![item(ROOT, None, text("abcd"))]).encode(),
        "me",
    );
    assert_eq!(note.values()["content"], "abcd");
}

#[test]
fn nobody_waits_for_his_own_later_words() {
    for wire in [
        // A first letter that stands beside the second.
        Wire::of(
            9,
            0,
            vec![
                between(Some((9, 1)), None, text("a")),
                item(ROOT, None, text("b")),
            ],
        ),
        // The same over another client.
        Wire::of(
            9,
            0,
            vec![
                between(Some((8, 1)), None, text("a")),
                item(ROOT, None, text("b")),
            ],
        )
        .and(
            8,
            0,
            vec![
                between(Some((9, 1)), None, text("c")),
                item(ROOT, None, text("d")),
            ],
        ),
        Wire::of(
            9,
            0,
            vec![
                between(Some((8, 0)), None, text("a")),
                item(ROOT, None, text("b")),
            ],
        )
        .and(8, 0, vec![between(None, Some((9, 1)), text("c"))]),
    ] {
        let mut note = Bench::new(Shape::note());
        assert_eq!(
            refused(note.judge(&wire.encode(), "me")),
            (Code::Malformed, "circle")
        );
        let mut txn = note.doc.transact_mut();
        let taken = apply(&mut txn, &wire.encode());
        assert!(
            taken.is_err() || txn.has_missing_updates(),
            "yrs finds a way"
        );
    }
    // References that cross without a circle.
    let mut note = Bench::new(Shape::note());
    let wire = Wire::of(
        9,
        0,
        vec![
            item(ROOT, None, text("a")),
            between(Some((8, 0)), None, text("b")),
        ],
    )
    .and(
        8,
        0,
        vec![
            between(Some((9, 0)), None, text("c")),
            between(Some((9, 1)), None, text("d")),
        ],
    );
    note.take(&wire.encode(), "me");
    assert_eq!(note.values()["content"], "acbd");
}

#[test]
fn a_seeded_container_has_no_rival() {
    // Beside the server's text, or behind it without a word about its deletion; a dead one too.
    let bench = Bench::new(sheet());
    let first =
        (0..bench.index.clock(1)).find(|c| bench.index.path(1, *c).as_deref() == Some("summary"));
    let first = (1, first.unwrap());
    for held in [Held::SharedText, Held::Deleted(1)] {
        for rival in [
            item(Parent::Root("fields"), Some("summary"), held.clone()),
            between(Some(first), None, held.clone()),
        ] {
            let mut bench = Bench::new(sheet());
            let wire = Wire::of(9, 0, vec![rival]);
            assert_eq!(
                refused(bench.judge(&wire.encode(), "me")),
                (Code::ShapeNotAllowed, "seeded container")
            );
        }
    }
}

#[test]
fn nobody_stands_on_both_sides_of_one() {
    let mut note = Bench::new(Shape::note());
    let wire = Wire::of(9, 0, vec![item(ROOT, None, text("ab"))]);
    note.take(&wire.encode(), "me");
    let around = between(Some((9, 0)), Some((9, 0)), text("x"));
    let wire = Wire::of(8, 0, vec![around]);
    assert_eq!(
        refused(note.judge(&wire.encode(), "you")),
        (Code::Malformed, "around itself")
    );
}

#[test]
fn nobody_stands_in_an_update_twice() {
    let mut note = Bench::new(Shape::note());
    note.take(
        &Wire::of(9, 0, vec![item(ROOT, None, text("abc"))]).encode(),
        "me",
    );
    // The second list is known, so nobody looked at it; yrs wrote it over what was there.
    let wire = Wire::of(9, 3, vec![between(Some((9, 2)), None, text("d"))]).and(
        9,
        0,
        vec![item(ROOT, None, text("XYZ"))],
    );
    assert_eq!(
        refused(note.judge(&wire.encode(), "me")),
        (Code::Malformed, "decode")
    );
    // Of two lists of deletions yrs keeps the last, yjs both.
    let wire = Wire::default()
        .deleting(9, &[(0, 1)])
        .deleting(9, &[(2, 1)]);
    assert_eq!(
        refused(note.judge(&wire.encode(), "me")),
        (Code::Malformed, "decode")
    );
}

#[test]
fn what_is_known_already_must_be_readable_too() {
    // No document holds these, and yrs reads some of them more strictly than our parser.
    let raws: [(u8, &[u8]); 8] = [
        (2, &[1, 1, b'{']),
        (3, &[1, 0]),
        (5, &[1, b'{']),
        (6, &[1, b'b', 1, b'{']),
        (7, &[0]),
        (7, &[3, 1, b'p']),
        (8, &[1, 117, 0]),
        (9, &[1, b'g', 118, 0]),
    ];
    for (kind, bytes) in raws {
        let mut note = Bench::new(Shape::note());
        note.take(
            &Wire::of(9, 0, vec![item(ROOT, None, text("a"))]).encode(),
            "me",
        );
        let wire = Wire::of(
            9,
            0,
            vec![
                item(ROOT, None, Held::Raw(kind, bytes.to_vec())),
                between(Some((9, 0)), None, text("b")),
            ],
        );
        let (code, _) = refused(note.judge(&wire.encode(), "me"));
        assert_eq!(code, Code::ShapeNotAllowed, "kind {kind}");
    }
}

#[test]
fn what_was_never_there_makes_no_room() {
    let bench = Bench::new(sheet());
    let summary =
        (0..bench.index.clock(1)).find(|c| bench.index.path(1, *c).as_deref() == Some("summary"));
    let summary = (1, summary.unwrap());
    let full = || {
        let mut bench = Bench::new(sheet());
        let wire = Wire::of(
            9,
            0,
            vec![item(Parent::Nested(summary), None, text(&"x".repeat(900)))],
        );
        bench.take(&wire.encode(), "me");
        bench
    };
    let more = |clock| {
        Wire::of(
            9,
            clock,
            vec![between(Some((9, 899)), None, text(&"x".repeat(101)))],
        )
        .encode()
    };
    assert_eq!(
        full().judge(&more(900), "me").unwrap_err().code,
        Code::TooLarge
    );
    // Typed and deleted before it was sent.
    let mut bench = full();
    let wire = Wire::of(
        9,
        900,
        vec![between(Some((9, 899)), None, Held::Deleted(500))],
    );
    bench.take(&wire.deleting(9, &[(900, 500)]).encode(), "me");
    assert_eq!(
        bench.judge(&more(1400), "me").unwrap_err().code,
        Code::TooLarge
    );
    // One deletion named many times over.
    let mut bench = full();
    bench.take(
        &Wire::default()
            .deleting(9, &[(5, 3), (0, 10), (0, 10), (9, 1)])
            .encode(),
        "me",
    );
    let room = Wire::of(
        9,
        900,
        vec![between(Some((9, 899)), None, text(&"x".repeat(111)))],
    )
    .encode();
    assert_eq!(bench.judge(&room, "me").unwrap_err().code, Code::TooLarge);
    let room = Wire::of(
        9,
        900,
        vec![between(Some((9, 899)), None, text(&"x".repeat(110)))],
    )
    .encode();
    bench.take(&room, "me");
}

/// Ids to point at: everything there is, and what the update itself brings.
fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        6 => (Just(5_u64), 0_u32..26),
        2 => (Just(6_u64), 0_u32..5),
        2 => (Just(1_u64), 0_u32..8),
        4 => (prop_oneof![Just(9_u64), Just(8)], 0_u32..6),
    ]
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        6 => prop_oneof![Just("q"), Just("pq"), Just("😀"), Just("r😀s")].prop_map(text),
        2 => (1_u32..4).prop_map(Held::Deleted),
        1 => Just(Held::Value("family")),
        2 => Just(Held::Flag),
        1 => Just(Held::Map),
        1 => Just(Held::SharedText),
        1 => Just(Held::Raw(5, vec![1, b'{'])),
    ]
}

fn parent() -> impl Strategy<Value = Parent> {
    prop_oneof![
        1 => prop_oneof![Just("fields"), Just("meta"), Just("content")].prop_map(Parent::Root),
        4 => id().prop_map(Parent::Nested),
    ]
}

fn key() -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::of(proptest::sample::select(vec![
        "summary",
        "route",
        "remark",
        "household",
        "money",
        "row3aaaaaaaa",
        "name",
        "age",
        "needs",
        "care",
        "form",
    ]))
}

fn any_piece() -> impl Strategy<Value = Piece> {
    // A neighbour on the right is mostly the next one.
    let neighbours = (id(), 0_u8..5, id()).prop_map(|(left, how, other)| match how {
        0 => (Some(left), None),
        1 => (None, Some(left)),
        2 => (Some(left), Some(other)),
        _ => (Some(left), Some((left.0, left.1 + 1))),
    });
    prop_oneof![
        1 => (1_u32..3).prop_map(Piece::Skip),
        2 => (1_u32..4).prop_map(Piece::Gc),
        5 => (neighbours, held()).prop_map(|((left, right), held)| between(left, right, held)),
        4 => (parent(), key(), held()).prop_map(|(parent, key, held)| item(parent, key, held)),
    ]
}

fn wire() -> impl Strategy<Value = Wire> {
    let pieces = || proptest::collection::vec(any_piece(), 1..4);
    // Clocks of 5 are counted from the next one: some structs are known, or half known.
    let own = (0_u32..5, pieces());
    let fresh = (
        prop_oneof![Just(9_u64), Just(8)],
        prop_oneof![9 => Just(0_u32), 1 => 0_u32..3],
        pieces(),
    );
    let deletes = (id(), 0_u32..5).prop_map(|((client, clock), len)| (client, vec![(clock, len)]));
    (
        proptest::option::weighted(0.4, own),
        proptest::collection::vec(fresh, 0..3),
        proptest::collection::vec(deletes, 0..2),
    )
        .prop_map(|(own, fresh, deletes)| {
            let own = own.map(|(back, pieces)| (5, back, pieces));
            Wire {
                sections: own.into_iter().chain(fresh).collect(),
                deletes,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// What the walker lets pass applies whole, together with what else is in the batch, changes
    /// only what the walker said, and leaves a state from which a restart finds the same.
    #[test]
    fn what_the_walker_lets_pass_yrs_takes_and_puts_there(
        wires in proptest::collection::vec(wire(), 1..4),
        restart in any::<bool>(),
        together in any::<bool>(),
    ) {
        let mut bench = used_sheet();
        if restart { bench = bench.restart(); }
        let next = bench.index.clock(5);
        let mut passed: Vec<(Vec<u8>, Verdict)> = Vec::new();
        let doc = bench.doc.clone();
        let before = bench.values();
        let base = state(&doc);
        let me = author("me");
        let writer = Writer { author: &me, may_edit: true, server: false };
        let mut txn = together.then(|| doc.transact_mut());
        for mut wire in wires {
            for (client, clock, _) in &mut wire.sections {
                if *client == 5 { *clock = next - *clock; }
            }
            let update = wire.encode();
            let runs = bench.index.runs();
            let mut all: Vec<&[u8]> = vec![&base];
            all.extend(passed.iter().map(|(update, _)| &update[..]));
            all.push(&update);
            let mut trial = |trial: Trial<'_>| is_misplaced(trial, &all);
            match bench.index.verify(&update, writer, &mut trial) {
                Err(_) => prop_assert_eq!(bench.index.runs(), runs),
                Ok(verdict) => {
                    let taken = match &mut txn {
                        Some(txn) => apply(txn, &update),
                        None => {
                            let taken = apply(&mut doc.transact_mut(), &update);
                            bench.collect();
                            taken
                        }
                    };
                    prop_assert_eq!(taken, Ok(()), "{:?}", wire);
                    passed.push((update, verdict));
                }
            }
        }
        drop(txn);
        bench.collect();
        let txn = doc.transact();
        prop_assert!(!txn.has_missing_updates());
        for (client, clock) in txn.state_vector().iter() {
            prop_assert_eq!(bench.index.clock(client.get()), *clock);
        }
        drop(txn);
        let mut said = BTreeSet::new();
        for (_, verdict) in &passed {
            for span in verdict.inserted.iter().chain(&verdict.deleted) {
                for (_, path, _) in bench.index.paths(*span) {
                    let path = path.unwrap_or_default();
                    said.insert(path.split('/').next().unwrap().to_owned());
                }
            }
        }
        let after = bench.values();
        for key in before.keys().chain(after.keys()) {
            prop_assert!(
                before.get(key) == after.get(key) || said.contains(key),
                "{} changed, said {:?}", key, said
            );
        }
        // One update after the other gives the same, and so does the state alone.
        let again = if restart { used_sheet().restart() } else { used_sheet() };
        for (update, _) in &passed {
            prop_assert_eq!(apply(&mut again.doc.transact_mut(), update), Ok(()));
        }
        prop_assert_eq!(&again.values(), &after);
        prop_assert_eq!(&bench.restart().values(), &after);
    }
}

/// A short set by default; `PLANS=200000` for the long one.
fn cases() -> u32 {
    std::env::var("PLANS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000)
}
