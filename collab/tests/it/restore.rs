//! Going back to a version: exactly, minimally, and together with whoever is typing.

use crate::support::{NUMBER, Peer, World, author, doc, number_check, sheet, world, world_on};
use collab::log::UpdateLog;
use collab::shape::{Field, FieldContent, Scalar, Shape, one_of};
use collab::{HubError, Limits, Past, Snapshot, Version, values};
use domain::id::DocumentId;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use yrs::{
    Any, Assoc, GetString, IndexedSequence, Map, MapPrelim, MapRef, Out, ReadTxn, Text, TextPrelim,
    TextRef, Transact, TransactionMut,
};

const BEFORE: &str = "before_restore";
const AFTER: &str = "restored";

/// Seeds of one change: which field, which way, where, what.
type Change = (u8, u8, u16, u16);

fn content(kind: u8) -> FieldContent {
    match kind % 6 {
        0 | 1 => FieldContent::LiveText { max: 5_000 },
        2 => FieldContent::Scalar(one_of(&["self", "family", "other"])),
        3 => FieldContent::Scalar(Scalar::Integer { min: 0, max: 130 }),
        4 => FieldContent::Scalar(Scalar::Bool),
        _ => FieldContent::Options(vec!["money".into(), "health".into(), "work".into()]),
    }
}

/// A form out of seeds: plain fields, and tables of up to four columns.
fn form(seeds: &[(bool, Vec<u8>)]) -> Vec<Field> {
    seeds
        .iter()
        .enumerate()
        .map(|(n, (table, kinds))| {
            let column = |(c, kind): (usize, &u8)| Field {
                id: format!("c{c}"),
                content: content(*kind),
            };
            Field {
                id: format!("f{n}"),
                content: if *table {
                    FieldContent::Table(kinds.iter().enumerate().map(column).collect())
                } else {
                    content(kinds[0])
                },
            }
        })
        .collect()
}

const WORDS: [&str; 6] = ["相談", "𠮷", "か\u{3099}", "a", "\n", "訪問した。"];

fn change_text(txn: &mut TransactionMut<'_>, text: &TextRef, way: u8, at: u16, what: u16) {
    let units: Vec<u16> = text.get_string(txn).encode_utf16().collect();
    let len = units.len() as u32;
    let mut at = u32::from(at) % (len + 1);
    let inside = |at: u32| {
        units
            .get(at as usize)
            .is_some_and(|u| (0xdc00..0xe000).contains(u))
    };
    if inside(at) {
        at -= 1;
    }
    if way.is_multiple_of(3) && len > 0 {
        let mut end = (at + 1 + u32::from(what) % 7).min(len);
        if inside(end) {
            end += 1;
        }
        if end > at {
            text.remove_range(txn, at, end - at);
        }
    } else {
        text.insert(txn, at, WORDS[what as usize % WORDS.len()]);
    }
}

fn change_cell(
    txn: &mut TransactionMut<'_>,
    map: &MapRef,
    field: &Field,
    (_, way, at, what): Change,
) {
    let id = field.id.as_str();
    match &field.content {
        FieldContent::LiveText { .. } => match map.get(txn, id) {
            Some(Out::YText(text)) => change_text(txn, &text, way, at, what),
            _ => {
                map.insert(txn, id, TextPrelim::new(WORDS[what as usize % WORDS.len()]));
            }
        },
        FieldContent::Scalar(_) if way.is_multiple_of(4) => {
            map.remove(txn, id);
        }
        FieldContent::Scalar(Scalar::OneOf(codes)) => {
            let code = codes[what as usize % codes.len()].to_string();
            map.insert(txn, id, code);
        }
        FieldContent::Scalar(Scalar::Bool) => {
            map.insert(txn, id, what.is_multiple_of(2));
        }
        FieldContent::Scalar(_) => {
            map.insert(txn, id, f64::from(what % 131));
        }
        FieldContent::Options(codes) => {
            let options = match map.get(txn, id) {
                Some(Out::YMap(options)) => options,
                _ => map.insert(txn, id, MapPrelim::default()),
            };
            let code = codes[what as usize % codes.len()].as_str();
            if way.is_multiple_of(3) {
                options.remove(txn, code);
            } else {
                options.insert(txn, code, !way.is_multiple_of(5));
            }
        }
        FieldContent::Table(columns) => {
            let Some(Out::YMap(rows)) = map.get(txn, id) else {
                return;
            };
            let mut ids: Vec<String> = rows.keys(txn).map(str::to_owned).collect();
            ids.sort();
            if ids.is_empty() || way.is_multiple_of(5) {
                // Also one that was there before.
                let id = format!("row{:05}", what % 6);
                let order = MapPrelim::from_iter([("order", Any::from(format!("a{}", at % 10)))]);
                rows.insert(txn, id, order);
                return;
            }
            let row = &ids[at as usize % ids.len()];
            if way % 5 == 1 {
                rows.remove(txn, row);
            } else if let Some(Out::YMap(cells)) = rows.get(txn, row) {
                if way % 5 == 2 {
                    cells.insert(txn, "order", format!("b{}", what % 10));
                } else {
                    let column = &columns[what as usize % columns.len()];
                    change_cell(txn, &cells, column, (0, way / 5, at, what / 7));
                }
            }
        }
    }
}

async fn change(w: &World, sheet: &DocumentId, who: &str, fields: &[Field], changes: &[Change]) {
    let (fields, changes) = (fields.to_vec(), changes.to_vec());
    w.hub
        .write_as(&author(who), sheet, move |txn| {
            let root = txn.get_map("fields").unwrap();
            for seeds in changes {
                let field = &fields[seeds.0 as usize % fields.len()];
                change_cell(txn, &root, field, seeds);
            }
        })
        .await
        .unwrap();
}

/// Empty lists and rows' empty cells count as nothing.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, tidy(value)))
            .filter(|(_, value)| !matches!(value, Value::Array(list) if list.is_empty()))
            .collect(),
        Value::Array(list) => list.into_iter().map(tidy).collect(),
        other => other,
    }
}

async fn read(w: &World, sheet: &DocumentId) -> Value {
    tidy(
        w.hub
            .read(sheet, |view| values::fields(&view.txn, &view.shape))
            .await
            .unwrap(),
    )
}

async fn document(w: &World, fields: &[Field]) -> (DocumentId, Arc<Shape>) {
    let document: DocumentId = "sheet1".into();
    let shape = Arc::new(Shape::sheet("intake", "intake_application", 1, fields));
    w.policy
        .shapes
        .lock()
        .unwrap()
        .insert("sheet1".into(), shape.clone());
    w.hub.create(&document, &shape).await.unwrap();
    (document, shape)
}

fn differing(a: &Value, b: &Value) -> BTreeSet<String> {
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    keys(a)
        .into_iter()
        .chain(keys(b))
        .filter(|key| a.get(key) != b.get(key))
        .collect()
}

async fn back_and_forth(seeds: Vec<(bool, Vec<u8>)>, one: Vec<Change>, two: Vec<Change>) {
    let w = world(Limits::default());
    let fields = form(&seeds);
    let (sheet, shape) = document(&w, &fields).await;
    change(&w, &sheet, "a", &fields, &one).await;
    let then = read(&w, &sheet).await;
    let version = w.hub.keep_version(&author("a"), &sheet, "v").await.unwrap();
    change(&w, &sheet, "b", &fields, &two).await;
    let between = read(&w, &sheet).await;
    let back = |version: Version| {
        let (hub, sheet) = (w.hub.clone(), sheet.clone());
        async move {
            hub.restore_as(&author("c"), &sheet, version, BEFORE, AFTER)
                .await
                .unwrap()
        }
    };
    let restored = back(version).await;
    assert_eq!(read(&w, &sheet).await, then);
    assert!(restored.outcome.left_out.is_empty());
    // Nothing but what differs was touched.
    assert_eq!(restored.outcome.changed, differing(&then, &between));
    // The way back again, over the version that was kept on its own.
    let before = w
        .log
        .version(&sheet, restored.before.epoch, restored.before.seq)
        .await
        .unwrap()
        .unwrap();
    let kept = Past::open(&shape, &before.state).unwrap();
    assert_eq!(tidy(kept.root("fields")), between);
    back(before).await;
    assert_eq!(read(&w, &sheet).await, between);
    // And so it is in the log.
    let again = world_on(w.log.after_crash(), Limits::default());
    again
        .policy
        .shapes
        .lock()
        .unwrap()
        .insert("sheet1".into(), shape);
    assert_eq!(read(&again, &sheet).await, between);
}

/// A short set by default; `PLANS=2000` for the long one.
fn cases() -> u32 {
    std::env::var("PLANS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(48)
}

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(any::<Change>(), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_state_of_any_form_comes_back(
        seeds in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..5)), 1..6),
        one in changes(60), two in changes(60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(back_and_forth(seeds, one, two));
    }

    /// Somebody types, unheard of by the server, while another goes back: all replicas end equal,
    /// and what was typed is there.
    #[test]
    fn typing_and_going_back_converge(
        one in changes(30), two in changes(30), typed in proptest::collection::vec(any::<u16>(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(typed_meanwhile(one, two, typed));
    }
}

async fn typed_meanwhile(one: Vec<Change>, two: Vec<Change>, typed: Vec<u16>) {
    let w = world(Limits::default());
    let fields = form(&[(false, vec![0]), (true, vec![0, 2, 5])]);
    let (sheet, _) = document(&w, &fields).await;
    change(&w, &sheet, "a", &fields, &one).await;
    let version = w.hub.keep_version(&author("a"), &sheet, "v").await.unwrap();
    change(&w, &sheet, "b", &fields, &two).await;
    let mut typist = Peer::join(&w.hub, "t", &sheet, 77).await.unwrap();
    let mut reader = Peer::join(&w.hub, "r", &sheet, 78).await.unwrap();
    // Typed into the replica; the server hears of it only after the restore.
    let root = typist.doc.get_or_insert_map("fields");
    let Some(Out::YText(text)) = root.get(&typist.doc.transact(), "f0") else {
        panic!("a seeded text");
    };
    let before = typist.doc.transact().state_vector();
    const MARKS: [&str; 6] = ["①", "②", "③", "④", "⑤", "⑥"];
    for (at, mark) in typed.iter().zip(MARKS) {
        let mut txn = typist.doc.transact_mut();
        let units: Vec<u16> = text.get_string(&txn).encode_utf16().collect();
        let mut at = usize::from(*at) % (units.len() + 1);
        if units.get(at).is_some_and(|u| (0xdc00..0xe000).contains(u)) {
            at -= 1;
        }
        text.insert(&mut txn, at as u32, mark);
    }
    w.hub
        .restore_as(&author("c"), &sheet, version, BEFORE, AFTER)
        .await
        .unwrap();
    let update = typist.doc.transact().encode_diff_v1(&before);
    typist
        .send(collab::frame::Frame::Update(&update).encode())
        .await;
    assert!(typist.barrier(b"x").await, "refused {:?}", typist.refused);
    typist.settle().await;
    reader.settle().await;
    let shown = |peer: &Peer| match peer
        .doc
        .get_or_insert_map("fields")
        .get(&peer.doc.transact(), "f0")
    {
        Some(Out::YText(text)) => text.get_string(&peer.doc.transact()),
        _ => String::new(),
    };
    let stored = read(&w, &sheet).await;
    let stored = stored["f0"].as_str().unwrap_or_default().to_owned();
    assert_eq!(shown(&typist), stored);
    assert_eq!(shown(&reader), stored);
    for mark in &MARKS[..typed.len()] {
        assert!(stored.contains(mark), "{stored}");
    }
}

#[tokio::test]
async fn a_caret_beside_what_changes_stays_where_it_was() {
    let w = world(Limits::default());
    let note = w.note().await;
    let mut peer = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
    peer.insert(0, "母と二人暮らし。夜は眠れない。").await;
    assert!(peer.barrier(b"1").await);
    let version = w.hub.keep_version(&author("a"), &note, "v").await.unwrap();
    peer.insert(8, "父は入院中。").await;
    assert!(peer.barrier(b"2").await);
    // A caret of a third behind 夜は.
    let mut other = Peer::join(&w.hub, "b", &note, 6).await.unwrap();
    let text = other.doc.get_or_insert_text("content");
    let caret = text
        .sticky_index(&other.doc.transact(), 16, Assoc::Before)
        .unwrap();
    let restored = w
        .hub
        .restore_as(&author("c"), &note, version, BEFORE, AFTER)
        .await
        .unwrap();
    assert_eq!(
        restored.outcome.changed,
        BTreeSet::from(["content".to_owned()])
    );
    other.settle().await;
    assert_eq!(other.content(), "母と二人暮らし。夜は眠れない。");
    let at = caret.get_offset(&other.doc.transact()).unwrap().index;
    assert_eq!(at, 10, "behind 夜は");
    // It is c's doing, and the letters of a are still a's.
    let runs = w.hub.authors_of(&note).await.unwrap();
    let took = runs.iter().find(|run| run.authored.deletion).unwrap();
    assert_eq!(took.authored.author, author("c"));
    assert!(
        runs.iter()
            .filter(|run| !run.authored.deletion)
            .all(|run| run.authored.author == author("a"))
    );
}

#[tokio::test]
async fn what_was_typed_at_the_last_moment_stands_in_the_version_before() {
    let w = world(Limits::default());
    let note = w.note().await;
    let mut peer = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
    peer.insert(0, "はじめ").await;
    assert!(peer.barrier(b"1").await);
    let version = w.hub.keep_version(&author("a"), &note, "v").await.unwrap();
    w.log.take(Duration::from_millis(150), Duration::ZERO);
    peer.insert(3, "、いま打った").await;
    // On its way to disk while the other goes back.
    let restored = w
        .hub
        .restore_as(&author("c"), &note, version, BEFORE, AFTER)
        .await
        .unwrap();
    assert_eq!(w.content(&note).await, "はじめ");
    let before = w
        .log
        .version(&note, restored.before.epoch, restored.before.seq)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(before.label, BEFORE);
    let past = Past::open(&Arc::new(Shape::note()), &before.state).unwrap();
    assert_eq!(past.root("content"), "はじめ、いま打った");
    let labels: Vec<String> = w
        .log
        .versions(&note)
        .await
        .unwrap()
        .into_iter()
        .map(|version| version.label)
        .collect();
    assert!(labels.contains(&AFTER.to_owned()), "{labels:?}");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_differs() {
    let w = world(Limits::default());
    let note = w.note().await;
    let mut peer = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
    peer.insert(0, "同じ").await;
    assert!(peer.barrier(b"1").await);
    let version = w.hub.keep_version(&author("a"), &note, "v").await.unwrap();
    let appends = w.log.calls().1;
    let restored = w
        .hub
        .restore_as(&author("c"), &note, version, BEFORE, AFTER)
        .await
        .unwrap();
    assert!(restored.outcome.changed.is_empty());
    assert_eq!(w.log.calls().1, appends);
}

#[tokio::test]
async fn a_value_that_may_not_stand_any_more_is_left_out_and_named() {
    let older = Shape::sheet(
        "intake",
        "intake_application",
        1,
        &[
            Field {
                id: "route".into(),
                content: FieldContent::Scalar(one_of(&["self", "fax"])),
            },
            Field {
                id: "summary".into(),
                content: FieldContent::LiveText { max: 1000 },
            },
            Field {
                id: "remark".into(),
                content: FieldContent::LiveText { max: 1000 },
            },
        ],
    );
    let newer = Shape::sheet(
        "intake",
        "intake_application",
        2,
        &[
            Field {
                id: "route".into(),
                content: FieldContent::Scalar(one_of(&["self", "family"])),
            },
            Field {
                id: "summary".into(),
                content: FieldContent::LiveText { max: 1000 },
            },
            Field {
                id: "remark".into(),
                content: FieldContent::LiveText { max: 1000 },
            },
        ],
    )
    .with_personal_number_check(Arc::new(number_check));
    let w = world(Limits::default());
    let sheet: DocumentId = "sheet1".into();
    let set = |w: &World, shape: Shape| {
        w.policy
            .shapes
            .lock()
            .unwrap()
            .insert("sheet1".into(), Arc::new(shape));
    };
    set(&w, older.clone());
    w.hub.create(&sheet, &older).await.unwrap();
    w.hub
        .write_as(&author("a"), &sheet, |txn| {
            let root = txn.get_map("fields").unwrap();
            root.insert(txn, "route", "fax");
            for (field, words) in [("summary", "元の文"), ("remark", NUMBER)] {
                let Some(Out::YText(text)) = root.get(txn, field) else {
                    panic!("{field}")
                };
                text.insert(txn, 0, words);
            }
        })
        .await
        .unwrap();
    let version = w.hub.keep_version(&author("a"), &sheet, "v").await.unwrap();
    // The next start has a new form.
    let w = world_on(w.log.after_crash(), Limits::default());
    set(&w, newer);
    w.hub
        .write_as(&author("b"), &sheet, |txn| {
            txn.get_map("meta").unwrap().insert(txn, "schema", 2.0);
            let root = txn.get_map("fields").unwrap();
            root.insert(txn, "route", "family");
            for field in ["summary", "remark"] {
                let Some(Out::YText(text)) = root.get(txn, field) else {
                    panic!("{field}")
                };
                let len = text.len(txn);
                text.remove_range(txn, 0, len);
            }
        })
        .await
        .unwrap();
    let restored = w
        .hub
        .restore_as(&author("c"), &sheet, version, BEFORE, AFTER)
        .await
        .unwrap();
    assert_eq!(
        restored.outcome.changed,
        BTreeSet::from(["summary".to_owned()])
    );
    assert_eq!(
        restored.outcome.left_out,
        BTreeSet::from(["remark".to_owned(), "route".to_owned()])
    );
    let now = read(&w, &sheet).await;
    assert_eq!(now["summary"], "元の文");
    assert_eq!(now["route"], "family");
    // What the server says of the document is of today.
    let schema = w.hub.read(&sheet, |view| {
        view.txn.get_map("meta").unwrap().get(&view.txn, "schema")
    });
    assert_eq!(
        schema.await.unwrap(),
        Some(Out::Any(Any::Number(yrs::Number::Float(2.0))))
    );
}

#[tokio::test]
async fn the_past_of_an_erased_document_is_closed() {
    let w = world(Limits::default());
    let note = w.note().await;
    let mut peer = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
    peer.insert(0, "消す前の文").await;
    assert!(peer.barrier(b"1").await);
    let version = w.hub.keep_version(&author("a"), &note, "v").await.unwrap();
    let clean = doc(9);
    clean
        .get_or_insert_text("content")
        .insert(&mut clean.transact_mut(), 0, "残す文");
    let state = clean
        .transact()
        .encode_state_as_update_v1(&yrs::StateVector::default());
    let snapshot = Snapshot {
        state,
        authors: Vec::new(),
    };
    w.hub.replace(&note, snapshot).await.unwrap();
    // Whoever still holds the old version.
    let answer = w
        .hub
        .restore_as(&author("c"), &note, version, BEFORE, AFTER)
        .await;
    assert_eq!(answer.unwrap_err(), HubError::Gone);
    assert_eq!(w.content(&note).await, "残す文");
    let state = w
        .hub
        .read(&note, |view| {
            view.txn
                .encode_state_as_update_v1(&yrs::StateVector::default())
        })
        .await
        .unwrap();
    let old = "消す前".as_bytes();
    assert!(!state.windows(old.len()).any(|part| part == old));
}

#[tokio::test]
async fn a_text_that_is_replaced_as_a_whole_fits() {
    let w = world(Limits::default());
    let sheet_id = w.sheet().await;
    let fill = |who: &'static str, letter: &'static str| {
        let (hub, id) = (w.hub.clone(), sheet_id.clone());
        async move {
            hub.write_as(&author(who), &id, move |txn| {
                let root = txn.get_map("fields").unwrap();
                let Some(Out::YText(text)) = root.get(txn, "summary") else {
                    panic!()
                };
                let len = text.len(txn);
                text.remove_range(txn, 0, len);
                text.insert(txn, 0, &letter.repeat(900));
            })
            .await
            .unwrap()
        }
    };
    fill("a", "あ").await;
    let version = w
        .hub
        .keep_version(&author("a"), &sheet_id, "v")
        .await
        .unwrap();
    fill("b", "い").await;
    let restored = w
        .hub
        .restore_as(&author("c"), &sheet_id, version, BEFORE, AFTER)
        .await
        .unwrap();
    assert_eq!(restored.outcome.changed.len(), 1);
    assert_eq!(read(&w, &sheet_id).await["summary"], "あ".repeat(900));
    // Beyond its length it is refused as ever.
    let over = w
        .hub
        .write_as(&author("b"), &sheet_id, |txn| {
            let root = txn.get_map("fields").unwrap();
            let Some(Out::YText(text)) = root.get(txn, "summary") else {
                panic!()
            };
            text.remove_range(txn, 0, 10);
            text.insert(txn, 0, &"う".repeat(111));
        })
        .await;
    assert!(
        matches!(
            over,
            Err(HubError::Refused {
                check: "text length",
                ..
            })
        ),
        "{over:?}"
    );
    assert_eq!(sheet().kind(), "intake");
}
