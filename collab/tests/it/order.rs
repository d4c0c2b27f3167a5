//! Letters put between neighbours that no editor would choose: whatever the walker lets pass, every
//! replica shows the same text, in whatever order it hears of it, and the same after loading.

use crate::structs::{Id, Parent, Piece, Wire, between, is_misplaced, item, text};
use crate::support::{author, doc};
use collab::Shape;
use collab::walker::{Index, Trial, Writer};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact};

/// One update: by whom, and what it was made on.
#[derive(Debug, Clone)]
enum Act {
    /// An editor of its own copy.
    Honest {
        who: usize,
        at: u32,
        len: usize,
        remove: bool,
    },
    /// Somebody who puts a letter between any two that there are.
    Hostile { left: usize, right: usize },
    /// That one hears everything.
    Hear(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_usize..2, any::<u32>(), 1_usize..4, prop::bool::weighted(0.3))
            .prop_map(|(who, at, len, remove)| Act::Honest { who, at, len, remove }),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(left, right)| Act::Hostile { left, right }),
        3 => (0_usize..2).prop_map(Act::Hear),
    ]
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
}

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact()
        .encode_state_as_update_v1(&StateVector::default())
}

fn note(client: u64) -> Doc {
    let doc = doc(client);
    doc.get_or_insert_text("content");
    doc
}

fn content(doc: &Doc) -> String {
    doc.get_or_insert_text("content")
        .get_string(&doc.transact())
}

/// The server: what it lets in, and how often it had to look into the document.
struct Server {
    index: Index,
    doc: Doc,
    log: Vec<Vec<u8>>,
    ids: Vec<Id>,
    looks: usize,
}

impl Server {
    fn new() -> Self {
        Self {
            index: Index::new(Arc::new(Shape::note())),
            doc: note(1000),
            log: Vec::new(),
            ids: Vec::new(),
            looks: 0,
        }
    }

    /// The check that refuses, if one does.
    fn take(&mut self, update: Vec<u8>, who: &str) -> Result<(), &'static str> {
        let me = author(who);
        let writer = Writer {
            author: &me,
            may_edit: true,
            server: false,
        };
        let before = state(&self.doc);
        let looks = Cell::new(0);
        let mut trial = |trial: Trial<'_>| {
            looks.set(looks.get() + 1);
            is_misplaced(trial, &[&before, &update])
        };
        let verdict = self.index.verify(&update, writer, &mut trial);
        self.looks += looks.get();
        let verdict = verdict.map_err(|refused| refused.check)?;
        for span in verdict.inserted {
            let clocks = span.clock..span.clock + span.len;
            self.ids.extend(clocks.map(|clock| (span.client, clock)));
        }
        apply(&self.doc, &update);
        self.log.push(update);
        Ok(())
    }
}

/// Plays it, and says whether all agree in the end.
fn play(acts: &[Act]) -> Result<(), String> {
    let mut server = Server::new();
    let people = [note(2), note(7)];
    let (hostile, mut clock) = (5, 0);
    let mut letters = (0_u32..).map(|i| char::from_u32(0x4e00 + i).unwrap());
    for act in acts {
        match *act {
            Act::Honest {
                who,
                at,
                len,
                remove,
            } => {
                let person = &people[who];
                let field = person.get_or_insert_text("content");
                let mut txn = person.transact_mut();
                let size = field.len(&txn);
                if remove && size > 0 {
                    let at = at % size;
                    field.remove_range(&mut txn, at, (len as u32).min(size - at));
                } else {
                    let words: String = letters.by_ref().take(len).collect();
                    field.insert(&mut txn, at % (size + 1), &words);
                }
                let update = txn.encode_update_v1();
                drop(txn);
                server
                    .take(update, ["a", "b"][who])
                    .map_err(|check| format!("an editor is refused: {check}"))?;
            }
            Act::Hostile { left, right } => {
                let ids = &server.ids;
                let pick = |n: usize| (n % (ids.len() + 1)).checked_sub(1).map(|at| ids[at]);
                let word: String = letters.by_ref().take(1).collect();
                let piece = match (pick(left), pick(right)) {
                    (None, None) => item(Parent::Root("content"), None, text(&word)),
                    (left, right) => between(left, right, text(&word)),
                };
                let wire = Wire::of(hostile, clock, vec![piece]);
                clock += u32::from(server.take(wire.encode(), "h").is_ok());
            }
            Act::Hear(who) => {
                for update in &server.log {
                    apply(&people[who], update);
                }
            }
        }
    }
    let expected = content(&server.doc);
    let loaded = note(51);
    apply(&loaded, &state(&server.doc));
    for replica in people.iter().chain([&loaded]) {
        for update in &server.log {
            apply(replica, update);
        }
        let shown = content(replica);
        if shown != expected {
            return Err(format!("{shown} is not {expected}"));
        }
    }
    Ok(())
}

/// A short set by default; `PLANS=100000` for the long one.
fn cases() -> u32 {
    let set = std::env::var("PLANS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_sees_the_same_order(acts in prop::collection::vec(act(), 3..16)) {
        play(&acts).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn nobody_stands_between_two_the_wrong_way_round() {
    let mut server = Server::new();
    let words = |client, clock, words: &str| {
        Wire::of(
            client,
            clock,
            vec![item(Parent::Root("content"), None, text(words))],
        )
    };
    server.take(words(2, 0, "相談").encode(), "a").unwrap();
    let letter = |clock, left, right| Wire::of(5, clock, vec![between(left, right, text("記"))]);
    let (first, second) = (Some((2, 0)), Some((2, 1)));
    assert_eq!(
        server.take(letter(0, second, first).encode(), "h"),
        Err("wrong way round")
    );
    // Nor when both are deleted, which no offset shows.
    let gone = Wire::default().deleting(2, &[(0, 2)]);
    server.take(gone.encode(), "a").unwrap();
    assert_eq!(
        server.take(letter(0, second, first).encode(), "h"),
        Err("wrong way round")
    );
    server.take(letter(0, first, second).encode(), "h").unwrap();
    // Nor with neighbours that come along.
    let own = Wire::of(
        5,
        1,
        vec![
            between(Some((5, 0)), second, text("録")),
            between(Some((5, 1)), Some((5, 0)), text("簿")),
        ],
    );
    assert_eq!(server.take(own.encode(), "h"), Err("wrong way round"));
    // Nor as the rest of something known.
    let rest = Wire::of(
        5,
        0,
        vec![between(first, first.map(|_| (2, 0)), text("記簿"))],
    );
    assert!(server.take(rest.encode(), "h").is_err());
    let rest = Wire::of(5, 0, vec![between(None, first, text("記簿"))]);
    assert_eq!(server.take(rest.encode(), "h"), Err("wrong way round"));
}

#[test]
fn nobody_stands_between_two_with_others_in_between() {
    let mut server = Server::new();
    let append = |client, clock, left, word: &str| {
        Wire::of(client, clock, vec![between(left, None, text(word))]).encode()
    };
    let first = item(Parent::Root("content"), None, text("相談"));
    server
        .take(Wire::of(2, 0, vec![first]).encode(), "a")
        .unwrap();
    server.take(append(5, 0, Some((2, 1)), "記"), "h").unwrap();
    // At the beginning, and before a letter that was written behind others.
    let leap = Wire::of(5, 1, vec![between(None, Some((5, 0)), text("録"))]);
    assert_eq!(server.take(leap.encode(), "h"), Err("not side by side"));
    // Behind a letter that was written before another, and at the end.
    let within = Wire::of(5, 1, vec![between(Some((2, 0)), Some((2, 1)), text("続"))]);
    server.take(within.encode(), "h").unwrap();
    let leap = append(5, 2, Some((5, 1)), "録");
    assert_eq!(server.take(leap, "h"), Err("not side by side"));
    // Over the one that the right neighbour was written behind.
    let leap = Wire::of(5, 2, vec![between(Some((2, 0)), Some((5, 0)), text("録"))]);
    assert_eq!(server.take(leap.encode(), "h"), Err("wrong way round"));
}

#[test]
fn nobody_leaps_over_what_the_left_neighbour_was_written_before() {
    let mut server = Server::new();
    let put = |client, clock, left, right, word: &str| {
        Wire::of(client, clock, vec![between(left, right, text(word))]).encode()
    };
    let first = item(Parent::Root("content"), None, text("相"));
    server
        .take(Wire::of(2, 0, vec![first]).encode(), "a")
        .unwrap();
    // Two write behind it at the same time, and a third before the one of them.
    let (begin, second, third) = (Some((2, 0)), Some((2, 1)), Some((9, 0)));
    server.take(put(2, 1, begin, None, "談"), "a").unwrap();
    server.take(put(9, 0, begin, None, "記"), "b").unwrap();
    server.take(put(5, 0, begin, second, "続"), "h").unwrap();
    assert_eq!(content(&server.doc), "相続談記");
    let leap = put(5, 1, Some((5, 0)), third, "録");
    assert_eq!(server.take(leap, "h"), Err("wrong way round"));
    server.take(put(5, 1, second, third, "録"), "h").unwrap();
}

#[test]
fn who_writes_beside_others_is_not_looked_up() {
    let mut server = Server::new();
    let people = [note(2), note(7)];
    let write = |server: &mut Server, who: usize, at: u32, words: &str| {
        let field = people[who].get_or_insert_text("content");
        let mut txn = people[who].transact_mut();
        field.insert(&mut txn, at, words);
        let update = txn.encode_update_v1();
        drop(txn);
        server.take(update, ["a", "b"][who]).unwrap();
    };
    write(&mut server, 0, 0, "相談記録");
    for at in 2..40 {
        write(&mut server, 0, at, "の");
    }
    write(&mut server, 0, 1, "続");
    write(&mut server, 0, 0, "前");
    for update in &server.log {
        apply(&people[1], update);
    }
    write(&mut server, 1, 3, "中");
    assert_eq!(server.looks, 0);
    // Both wrote at the same place at once, and then one of them between.
    write(&mut server, 0, 1, "甲");
    write(&mut server, 1, 1, "乙");
    for update in &server.log {
        apply(&people[1], update);
    }
    write(&mut server, 1, 2, "間");
    assert_eq!(server.looks, 1);
    // An update that brings it all along is judged as well.
    let mut other = Server::new();
    other.take(state(&server.doc), "a").unwrap();
    assert_eq!(content(&other.doc), content(&server.doc));
}

#[test]
fn an_update_asks_for_so_many_places_and_no_more() {
    let mut server = Server::new();
    for (client, who) in [(2, "a"), (7, "b")] {
        let word = item(Parent::Root("content"), None, text("相"));
        server
            .take(Wire::of(client, 0, vec![word]).encode(), who)
            .unwrap();
    }
    // Between two that were written at the same time: the same place is asked for once.
    let same = || between(Some((2, 0)), Some((7, 0)), text("記"));
    let many = Wire::of(5, 0, (0..9_000).map(|_| same()).collect());
    server.take(many.encode(), "h").unwrap();
    assert_eq!(server.looks, 1);
    let each: Vec<Piece> = (0..9_000)
        .map(|n| between(Some((5, n)), Some((5, (n + 7) % 9_000)), text("録")))
        .collect();
    let many = Wire::of(6, 0, each);
    assert_eq!(server.take(many.encode(), "h"), Err("places"));
}
