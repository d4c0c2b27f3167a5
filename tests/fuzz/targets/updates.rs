//! The update parser and the walker against yrs: what the walker lets pass, yrs takes whole, puts
//! where the walker says, and a restart from the state finds the same.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use collab::shape::{Field, FieldContent, Scalar, Shape, one_of};
use collab::order::is_broken_in_copy;
use collab::walker::{Index, Trial, Writer};
use collab::{Author, Identity};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, Doc, GetString, Map, MapPrelim, OffsetKind, Options, Out, ReadTxn, StateVector, Text,
    TextPrelim, Transact, TransactionMut,
};

/// One struct, with ids that mostly hit something.
#[derive(Debug, Arbitrary)]
struct Piece {
    kind: u8,
    origin: Option<(u8, u8)>,
    right: Option<(u8, u8)>,
    parent: (u8, u8),
    key: u8,
    len: u8,
}

#[derive(Debug, Arbitrary)]
struct Section {
    client: u8,
    clock: u8,
    pieces: Vec<Piece>,
}

/// An update in parts, or as bytes.
#[derive(Debug, Arbitrary)]
enum Sent {
    Parts {
        sections: Vec<Section>,
        deletes: Vec<(u8, u8, u8)>,
    },
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Case {
    note: bool,
    restart: bool,
    /// All in one transaction, as a batch is committed.
    together: bool,
    sent: Vec<Sent>,
}

const CLIENTS: [u64; 6] = [1, 5, 6, 8, 9, 10];
const KEYS: [&str; 12] = [
    "summary",
    "route",
    "remark",
    "household",
    "money",
    "row3aaaaaaaa",
    "name",
    "age",
    "order",
    "choices",
    "form",
    "x",
];

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

fn id(out: &mut Vec<u8>, (client, clock): (u8, u8)) {
    number(out, CLIENTS[client as usize % CLIENTS.len()]);
    number(out, u64::from(clock % 32));
}

fn write_piece(out: &mut Vec<u8>, piece: &Piece) {
    let len = u64::from(piece.len % 4) + u64::from(piece.len < 200);
    let kind = match piece.kind % 12 {
        0 => 0,
        1 => 10,
        2 => 1,
        3..=6 => 4,
        7 | 8 => 7,
        9 | 10 => 8,
        _ => piece.kind / 12 % 10,
    };
    if kind == 0 || kind == 10 {
        out.push(kind);
        return number(out, len);
    }
    let alone = piece.origin.is_none() && piece.right.is_none();
    let key = piece.key as usize % (KEYS.len() * 2);
    let has_key = key < KEYS.len();
    out.push(
        kind | u8::from(piece.origin.is_some()) << 7
            | u8::from(piece.right.is_some()) << 6
            | u8::from(has_key) << 5,
    );
    for neighbour in [piece.origin, piece.right].into_iter().flatten() {
        id(out, neighbour);
    }
    if alone {
        match piece.parent.0 % 8 {
            0 => {
                out.push(1);
                string(
                    out,
                    ["content", "fields", "meta", "y"][piece.parent.1 as usize % 4],
                );
            }
            _ => {
                out.push(0);
                id(out, piece.parent);
            }
        }
        if has_key {
            string(out, KEYS[key]);
        }
    }
    match kind {
        1 => number(out, len),
        4 => string(out, &"q😀z"[..[1, 5, 6, 1][piece.len as usize % 4]]),
        7 => out.push(piece.len % 3),
        8 => {
            number(out, len);
            for i in 0..len {
                match (piece.kind as u64 + i) % 4 {
                    0 => out.push(120),
                    1 => out.extend([125, 5]),
                    2 => {
                        out.push(119);
                        string(out, "self");
                    }
                    _ => out.push(126),
                }
            }
        }
        _ => {
            string(out, "b");
            string(out, "{}");
        }
    }
}

fn bytes(sent: &Sent) -> Vec<u8> {
    let (sections, deletes) = match sent {
        Sent::Bytes(bytes) => return bytes.clone(),
        Sent::Parts { sections, deletes } => (sections, deletes),
    };
    let mut out = Vec::new();
    number(&mut out, sections.len() as u64);
    for section in sections {
        number(&mut out, section.pieces.len() as u64);
        id(&mut out, (section.client, section.clock));
        for piece in &section.pieces {
            write_piece(&mut out, piece);
        }
    }
    number(&mut out, deletes.len() as u64);
    for (client, clock, len) in deletes {
        number(&mut out, CLIENTS[*client as usize % CLIENTS.len()]);
        number(&mut out, 1);
        number(&mut out, u64::from(clock % 32));
        number(&mut out, u64::from(len % 6));
    }
    out
}

fn sheet() -> Shape {
    let field = |id: &str, content| Field {
        id: id.into(),
        content,
    };
    let name = field("name", FieldContent::LiveText { max: 100 });
    let age = field(
        "age",
        FieldContent::Scalar(Scalar::Integer { min: 0, max: 130 }),
    );
    Shape::sheet(
        "intake",
        "intake_application",
        1,
        &[
            field("summary", FieldContent::LiveText { max: 1000 }),
            field("route", FieldContent::Scalar(one_of(&["self", "family"]))),
            field("remark", FieldContent::Scalar(Scalar::Text { max: 50 })),
            field(
                "choices",
                FieldContent::Options(vec!["money".into(), "health".into()]),
            ),
            field("household", FieldContent::Table(vec![name, age])),
        ],
    )
}

static NOTE: LazyLock<Arc<Shape>> = LazyLock::new(|| Arc::new(Shape::note()));
static SHEET: LazyLock<Arc<Shape>> = LazyLock::new(|| Arc::new(sheet()));

fn author(name: &str) -> Author {
    let identity = Identity {
        municipality: "m1".into(),
        account: name.into(),
        membership: name.into(),
        agency: "ag1".into(),
        name: name.into(),
        agency_name: String::new(),
        scopes: Vec::new(),
        via: String::new(),
    };
    identity.author()
}

fn empty(client: u64, note: bool) -> Doc {
    let mut options = Options::with_client_id(ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    if note {
        doc.get_or_insert_text("content");
    } else {
        doc.get_or_insert_map("fields");
        doc.get_or_insert_map("meta");
    }
    doc
}

fn apply(txn: &mut TransactionMut<'_>, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).expect("yrs reads what the walker passed");
    txn.apply_update(update)
        .expect("yrs takes what the walker passed");
}

fn whole(doc: &Doc) -> Vec<u8> {
    doc.transact()
        .encode_state_as_update_v1(&StateVector::default())
}

/// What came before: (whose, update).
static BEFORE: LazyLock<[Vec<(&'static str, Vec<u8>)>; 2]> =
    LazyLock::new(|| [used_sheet(), used_note()]);

fn used_note() -> Vec<(&'static str, Vec<u8>)> {
    let (mine, yours) = (empty(5, true), empty(6, true));
    let write = |doc: &Doc, act: &dyn Fn(&mut TransactionMut<'_>, yrs::TextRef)| {
        let content = doc.get_or_insert_text("content");
        let mut txn = doc.transact_mut();
        act(&mut txn, content);
        txn.encode_update_v1()
    };
    let first = write(&mine, &|t, c| c.insert(t, 0, "ab😀cd"));
    apply(&mut yours.transact_mut(), &first);
    let second = write(&yours, &|t, c| c.insert(t, 1, "you"));
    let third = write(&mine, &|t, c| c.remove_range(t, 1, 2));
    vec![("me", first), ("you", second), ("me", third)]
}

fn used_sheet() -> Vec<(&'static str, Vec<u8>)> {
    let seed = collab::seed::seed(&SHEET).expect("a seed");
    let (mine, yours) = (empty(5, false), empty(6, false));
    apply(&mut mine.transact_mut(), &seed);
    apply(&mut yours.transact_mut(), &seed);
    let write = |doc: &Doc, act: &dyn Fn(&mut TransactionMut<'_>, yrs::MapRef)| {
        let fields = doc.get_or_insert_map("fields");
        let mut txn = doc.transact_mut();
        act(&mut txn, fields);
        txn.encode_update_v1()
    };
    let in_text = |t: &mut TransactionMut<'_>,
                   f: &yrs::MapRef,
                   act: &dyn Fn(&mut TransactionMut<'_>, yrs::TextRef)| {
        if let Some(Out::YText(text)) = f.get(t, "summary") {
            act(t, text);
        }
    };
    let in_table = |t: &mut TransactionMut<'_>,
                    f: &yrs::MapRef,
                    act: &dyn Fn(&mut TransactionMut<'_>, yrs::MapRef)| {
        if let Some(Out::YMap(table)) = f.get(t, "household") {
            act(t, table);
        }
    };
    vec![
        ("system", seed),
        (
            "me",
            write(&mine, &|t, f| {
                in_text(t, &f, &|t, text| text.insert(t, 0, "ab😀cd"))
            }),
        ),
        (
            "me",
            write(&mine, &|t, f| drop(f.insert(t, "remark", "old"))),
        ),
        (
            "me",
            write(&mine, &|t, f| {
                f.insert(t, "remark", "new");
                in_table(t, &f, &|t, table| {
                    for id in ["row1aaaaaaaa", "row2aaaaaaaa"] {
                        let row = table.insert(t, id, MapPrelim::default());
                        row.insert(t, "name", TextPrelim::new("xy"));
                        row.insert(t, "age", 5);
                    }
                });
            }),
        ),
        (
            "me",
            write(&mine, &|t, f| {
                in_table(t, &f, &|t, table| drop(table.remove(t, "row1aaaaaaaa")));
                in_text(t, &f, &|t, text| text.remove_range(t, 4, 1));
            }),
        ),
        (
            "you",
            write(&yours, &|t, f| {
                in_text(t, &f, &|t, text| text.insert(t, 0, "you"));
                f.insert(t, "route", "self");
            }),
        ),
    ]
}

/// A server's index and document.
struct Bench {
    note: bool,
    index: Index,
    doc: Doc,
}

impl Bench {
    fn new(note: bool) -> Self {
        let shape = if note { &NOTE } else { &SHEET };
        let mut bench = Self {
            note,
            index: Index::new(Arc::clone(shape)),
            doc: empty(4000, note),
        };
        for (who, update) in &BEFORE[usize::from(note)] {
            bench
                .index
                .replay(update, &author(who))
                .expect("what came before");
            apply(&mut bench.doc.transact_mut(), update);
            bench.collect();
        }
        bench
    }

    fn collect(&mut self) {
        for (client, ranges) in self.doc.transact().snapshot().delete_set.iter() {
            for range in ranges.iter() {
                let len = range.end - range.start;
                self.index.mark_deleted(client.get(), range.start, len);
            }
        }
    }

    fn restart(&self) -> Self {
        let state = whole(&self.doc);
        let shape = if self.note { &NOTE } else { &SHEET };
        let mut again = Self {
            note: self.note,
            index: Index::new(Arc::clone(shape)),
            doc: empty(4000, self.note),
        };
        for (client, _) in self.doc.transact().state_vector().iter() {
            let author = self.index.author_of(client.get()).expect("an author");
            again.index.bind(client.get(), author);
        }
        again
            .index
            .replay(&state, &Author::system())
            .expect("a state");
        apply(&mut again.doc.transact_mut(), &state);
        again.collect();
        again.index.recount();
        again
    }

    fn same_clocks(&self) {
        let txn = self.doc.transact();
        assert!(!txn.has_missing_updates(), "the walker let a hole pass");
        for (client, clock) in txn.state_vector().iter() {
            assert_eq!(
                self.index.clock(client.get()),
                *clock,
                "clock of {client:?}"
            );
        }
    }

    /// Path → value.
    fn values(&self) -> BTreeMap<String, String> {
        let txn = self.doc.transact();
        let mut all = BTreeMap::new();
        let mut add = |path: &str, value: String| drop(all.insert(path.to_owned(), value));
        if let Some(content) = txn.get_text("content").filter(|_| self.note) {
            add("content", content.get_string(&txn));
        }
        for root in ["fields", "meta"].into_iter().filter(|_| !self.note) {
            for (key, value) in txn.get_map(root).iter().flat_map(|map| map.iter(&txn)) {
                let value = serde_json::to_value(value.to_json(&txn)).expect("JSON");
                add(&format!("{root}/{key}"), value.to_string());
            }
        }
        all
    }
}

/// The room's answer, where these updates come one after the other.
fn is_misplaced(trial: Trial<'_>, updates: &[Vec<u8>]) -> bool {
    let Trial::Misplaced(neighbours) = trial else {
        return false;
    };
    let copy = empty(4001, true);
    for update in updates {
        apply(&mut copy.transact_mut(), update);
    }
    is_broken_in_copy(&copy, neighbours)
}

fn run(case: &Case) {
    let mut bench = Bench::new(case.note);
    if case.restart {
        bench = bench.restart();
    }
    let before = bench.values();
    let me = author("me");
    let mut said = Vec::new();
    let doc = bench.doc.clone();
    let mut all = vec![whole(&doc)];
    let mut txn = case.together.then(|| doc.transact_mut());
    for sent in case.sent.iter().take(4) {
        let update = bytes(sent);
        let runs = bench.index.runs();
        let writer = Writer {
            author: &me,
            may_edit: true,
            server: false,
        };
        let reader = Writer {
            may_edit: false,
            ..writer
        };
        // Nobody changes anything without the right.
        if let Ok(verdict) = bench.index.verify(&update, reader, &mut |_| false) {
            assert!(verdict.is_empty(), "a reader wrote");
        }
        all.push(update.clone());
        let mut trial = |trial: Trial<'_>| is_misplaced(trial, &all);
        let Ok(verdict) = bench.index.verify(&update, writer, &mut trial) else {
            assert_eq!(bench.index.runs(), runs, "a refused update left something");
            all.pop();
            continue;
        };
        match &mut txn {
            Some(txn) => apply(txn, &update),
            None => {
                apply(&mut doc.transact_mut(), &update);
                bench.collect();
            }
        }
        for span in verdict.inserted.iter().chain(&verdict.deleted) {
            assert!(
                verdict
                    .inserted
                    .iter()
                    .all(|s| bench.index.author_of(s.client) == Some(&me)),
                "written under a foreign id"
            );
            for (_, path, _) in bench.index.paths(*span) {
                said.push(path.unwrap_or_default());
            }
        }
    }
    drop(txn);
    bench.collect();
    bench.same_clocks();
    let after = bench.values();
    for path in before.keys().chain(after.keys()) {
        let name = path.strip_prefix("fields/").unwrap_or(path);
        let told = |said: &String| said == name || said.starts_with(&format!("{name}/"));
        assert!(
            before.get(path) == after.get(path) || said.iter().any(told),
            "{path} changed, said {said:?}"
        );
    }
    let again = bench.restart();
    again.same_clocks();
    assert_eq!(again.values(), after, "a restart finds something else");
}

fuzz_target!(|data: &[u8]| {
    if let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) {
        run(&case);
    }
    // The same bytes as one update.
    run(&Case {
        note: data.first().is_some_and(|b| b % 2 == 0),
        restart: false,
        together: false,
        sent: vec![Sent::Bytes(data.get(1..).unwrap_or_default().to_vec())],
    });
});
