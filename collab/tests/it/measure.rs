//! Numbers, not assertions: `cargo test -p collab --test it measure -- --ignored --nocapture`.

use crate::support::{Peer, author, doc, world};
use collab::walker::{Index, Writer};
use collab::{Limits, Shape};
use std::sync::Arc;
use std::time::Instant;
use yrs::updates::decoder::Decode;
use yrs::{ReadTxn, StateVector, Text, Transact};

#[test]
#[ignore = "measures"]
fn judging_one_typed_character() {
    const N: u32 = 20_000;
    let source = doc(5);
    let text = source.get_or_insert_text("content");
    let updates: Vec<Vec<u8>> = (0..N)
        .map(|i| {
            let mut txn = source.transact_mut();
            text.insert(&mut txn, i, "a");
            txn.encode_update_v1()
        })
        .collect();
    let mut index = Index::new(Arc::new(Shape::note()));
    let me = author("me");
    let began = Instant::now();
    for update in &updates {
        let writer = Writer {
            author: &me,
            may_edit: true,
            server: false,
        };
        index.verify(update, writer, &mut |_| false).unwrap();
    }
    println!(
        "walker: {:.2} µs per character, {} run(s)",
        began.elapsed().as_secs_f64() * 1e6 / f64::from(N),
        index.runs()
    );
}

#[tokio::test]
#[ignore = "measures"]
async fn a_room_with_one_writer() {
    const N: u32 = 10_000;
    let w = world(Limits::default());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let content = a.doc.get_or_insert_text("content");
    let mut frames = Vec::new();
    for i in 0..N {
        let mut txn = a.doc.transact_mut();
        content.insert(&mut txn, i, "a");
        frames.push(collab::frame::Frame::Update(&txn.encode_update_v1()).encode());
    }
    let began = Instant::now();
    for frame in frames {
        a.send(frame).await;
    }
    assert!(a.barrier(b"").await);
    println!(
        "room, batched: {:.2} µs per update, {} appends",
        began.elapsed().as_secs_f64() * 1e6 / f64::from(N),
        w.log.calls().1
    );
    let began = Instant::now();
    for i in 0..1000 {
        a.insert(N + i, "a").await;
        assert!(a.barrier(b"").await);
    }
    println!(
        "room, one at a time, edit to acknowledgement (client included): {:.2} µs",
        began.elapsed().as_secs_f64() * 1e3
    );
}

/// What the look for personal numbers costs: in a text with many digits every deletion and every
/// digit is looked at.
#[tokio::test]
#[ignore = "measures"]
async fn typing_where_numbers_are_looked_for() {
    const N: u32 = 1_000;
    for size in [1_000_usize, 20_000, 100_000] {
        for checked in [false, true] {
            let w = world(Limits::default());
            let note = w.note().await;
            if checked {
                let check = Arc::new(|text: &str| !domain::my_number::find(text).is_empty());
                let shape = Shape::note().with_personal_number_check(check);
                w.policy
                    .shapes
                    .lock()
                    .unwrap()
                    .insert("note1".into(), Arc::new(shape));
            }
            let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
            let line = "令和8年4月1日 10時30分に電話。次回は5月20日。";
            a.insert(0, &line.repeat(size / line.chars().count())).await;
            assert!(a.barrier(b"").await);
            let began = Instant::now();
            for _ in 0..20 {
                let state = a
                    .doc
                    .transact()
                    .encode_state_as_update_v1(&StateVector::default());
                let update = yrs::Update::decode_v1(&state).unwrap();
                doc(1).transact_mut().apply_update(update).unwrap();
            }
            let took = began.elapsed().as_secs_f64() * 1e6 / 20.0;
            println!("{size} letters, a copy of the document: {took:.1} µs");
            let content = a.doc.get_or_insert_text("content");
            for (kind, letter) in [("letters", "あ"), ("digits", "5"), ("deletions", "")] {
                let mut frames = Vec::new();
                for i in 0..N {
                    let mut txn = a.doc.transact_mut();
                    if letter.is_empty() {
                        content.remove_range(&mut txn, size as u32 / 2, 1);
                    } else {
                        content.insert(&mut txn, size as u32 / 2 + i % 7, letter);
                    }
                    frames.push(collab::frame::Frame::Update(&txn.encode_update_v1()).encode());
                }
                let began = Instant::now();
                for frame in frames {
                    a.send(frame).await;
                }
                assert!(a.barrier(b"").await);
                println!(
                    "{size} letters, {kind}, {}: {:.1} µs per update",
                    if checked {
                        "looked at"
                    } else {
                        "not looked at"
                    },
                    began.elapsed().as_secs_f64() * 1e6 / f64::from(N)
                );
            }
        }
    }
}
