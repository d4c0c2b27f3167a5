//! The walker against updates written by yjs itself (`tests/vectors/generate.mjs`).
//!
//! `VECTORS=many.json cargo test -p collab --test it real_updates` judges others, such as a long
//! random set.

use crate::structs::{is_misplaced, state};
use crate::support::{author, doc, sheet};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use collab::update::Update;
use collab::walker::{Index, Trial, Writer};
use collab::{Author, Shape};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use yrs::updates::decoder::Decode;
use yrs::{Assoc, GetString, IndexedSequence, ReadTxn, Transact};

#[derive(Deserialize)]
pub struct Vector {
    name: String,
    shape: String,
    accept: bool,
    base: Vec<String>,
    updates: Vec<Sent>,
    result: Value,
    full: String,
    anchors: Vec<Anchor>,
}

#[derive(Deserialize)]
struct Sent {
    client: u64,
    update: String,
}

#[derive(Deserialize)]
struct Anchor {
    index: u32,
    assoc: i8,
    encoded: String,
}

pub fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// Every update of every vector.
pub fn corpus() -> Vec<Vec<u8>> {
    let all = |v: &Vector| {
        let sent = v.updates.iter().map(|s| bytes(&s.update));
        sent.chain(v.base.iter().map(|b| bytes(b)))
            .chain([bytes(&v.full)])
            .collect::<Vec<_>>()
    };
    vectors().iter().flat_map(all).collect()
}

#[test]
fn real_updates_are_judged_as_meant() {
    let vectors = match std::env::var("VECTORS") {
        Ok(path) => serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
        Err(_) => vectors(),
    };
    for vector in vectors {
        let shape = Arc::new(if vector.shape == "note" {
            Shape::note()
        } else {
            sheet()
        });
        let mut index = Index::new(Arc::clone(&shape));
        let replica = doc(1);
        for base in &vector.base {
            index.replay(&bytes(base), &Author::system()).unwrap();
            replica
                .transact_mut()
                .apply_update(yrs::Update::decode_v1(&bytes(base)).unwrap())
                .unwrap();
        }
        let mut verdicts = Vec::new();
        for sent in &vector.updates {
            let me = author(&sent.client.to_string());
            let writer = Writer {
                author: &me,
                may_edit: true,
                server: false,
            };
            let update = bytes(&sent.update);
            let before = state(&replica);
            let mut trial = |trial: Trial<'_>| is_misplaced(trial, &[&before, &update]);
            let verdict = index.verify(&update, writer, &mut trial);
            if verdict.is_ok() {
                replica
                    .transact_mut()
                    .apply_update(yrs::Update::decode_v1(&update).unwrap())
                    .unwrap();
            }
            verdicts.push(verdict);
        }
        if vector.accept {
            for verdict in &verdicts {
                assert!(verdict.is_ok(), "{}: {verdict:?}", vector.name);
            }
            let txn = replica.transact();
            assert!(!txn.has_missing_updates(), "{}", vector.name);
            if let Value::String(expected) = &vector.result {
                assert_eq!(
                    &txn.get_text("content").unwrap().get_string(&txn),
                    expected,
                    "{}",
                    vector.name
                );
            } else {
                let fields = collab::values::fields(&txn, &shape);
                let route = vector.result.get("route").filter(|v| !v.is_null());
                assert_eq!(fields.get("route"), route, "{}", vector.name);
                let summary = vector.result["summary"].as_str().unwrap();
                assert_eq!(
                    fields.get("summary").and_then(Value::as_str).unwrap_or(""),
                    summary,
                    "{}",
                    vector.name
                );
                let rows = vector.result["household"]
                    .as_object()
                    .map_or(0, |rows| rows.len());
                assert_eq!(
                    fields["household"].as_array().map_or(0, Vec::len),
                    rows,
                    "{}",
                    vector.name
                );
            }
            // What a browser answers to our state vector holds no news any more, deletions included.
            drop(txn);
            for (client, ranges) in replica.transact().snapshot().delete_set.iter() {
                for range in ranges.iter() {
                    index.mark_deleted(client.get(), range.start, range.end - range.start);
                }
            }
            let reader = author("reader");
            let writer = Writer {
                author: &reader,
                may_edit: false,
                server: false,
            };
            let verdict = index.verify(&bytes(&vector.full), writer, &mut |_| false);
            assert!(
                verdict
                    .as_ref()
                    .is_ok_and(collab::walker::Verdict::is_empty),
                "{}: {verdict:?}",
                vector.name
            );
            // And the index can be rebuilt from the state alone.
            let mut again = Index::new(shape);
            again.replay(&state(&replica), &Author::system()).unwrap();
        } else {
            let refused = verdicts.iter().filter(|v| v.is_err()).count();
            assert!(refused > 0, "{} was let in", vector.name);
        }
    }
}

#[test]
fn the_parser_agrees_with_yrs() {
    for update in corpus() {
        let ours = Update::parse(&update).unwrap();
        let theirs = yrs::Update::decode_v1(&update).unwrap();
        let mut deletes: Vec<_> = theirs
            .delete_set()
            .iter()
            .flat_map(|(client, ranges)| {
                ranges
                    .iter()
                    .map(|r| (client.get(), r.start, r.end - r.start))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut parsed = ours.deletes.clone();
        deletes.sort_unstable();
        parsed.sort_unstable();
        // yrs joins neighbouring ranges.
        let units = |ranges: &[(u64, u32, u32)]| ranges.iter().map(|r| u64::from(r.2)).sum::<u64>();
        assert_eq!(units(&parsed), units(&deletes));
        for (client, clock) in theirs.state_vector().iter() {
            let end = ours
                .structs
                .iter()
                .filter(|s| s.id.client == client.get())
                .map(|s| s.end())
                .max();
            assert!(end.is_some_and(|end| end >= *clock), "{client}");
        }
    }
}

#[test]
fn relative_positions_are_those_of_yjs() {
    let vector = vectors()
        .into_iter()
        .find(|v| !v.anchors.is_empty())
        .unwrap();
    let replica = doc(1);
    let text = replica.get_or_insert_text("content");
    replica
        .transact_mut()
        .apply_update(yrs::Update::decode_v1(&bytes(&vector.full)).unwrap())
        .unwrap();
    let txn = replica.transact();
    for anchor in &vector.anchors {
        let at = collab::anchor::offset(&txn, &text, &anchor.encoded);
        assert_eq!(
            at.map(|at| at.0 as u32),
            Some(anchor.index),
            "assoc {}",
            anchor.assoc
        );
        let decoded = collab::anchor::decode(&anchor.encoded).unwrap();
        assert_eq!(collab::anchor::encode(&decoded), anchor.encoded);
        let assoc = if anchor.assoc == 0 {
            Assoc::After
        } else {
            Assoc::Before
        };
        if let Some(ours) = text.sticky_index(&txn, anchor.index, assoc)
            && anchor.index > 0
            && (anchor.index as usize) < vector.result.as_str().unwrap().encode_utf16().count()
        {
            assert_eq!(
                collab::anchor::encode(&ours),
                anchor.encoded,
                "index {} assoc {}",
                anchor.index,
                anchor.assoc
            );
        }
    }
}
