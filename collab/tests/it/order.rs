//! Letters put between neighbours that no editor would choose: whatever the walker lets pass, every
//! replica shows the same text, in whatever order it hears of it, and the same after loading.

use crate::structs::{Held, Id, Parent, Piece, Wire, between, is_misplaced, item, state, text};
use crate::support::{author, doc};
use collab::order::is_broken_in_copy;
use collab::walker::{Index, Neighbours, Trial, Writer};
use collab::{Author, Shape};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, Text, Transact};

/// One update: by whom, and what it was made on.
#[derive(Debug, Clone)]
enum Act {
    /// An editor of its own copy.
    Honest {
        who: usize,
        at: u32,
        len: usize,
        remove: bool,
        /// Sends all that it has once more.
        whole: bool,
    },
    /// Somebody who puts letters between any two that there are.
    Hostile { forged: Vec<Forged>, back: u32 },
    /// Somebody who deletes anything.
    Strike { which: usize, len: u32 },
    /// That one hears everything.
    Hear(usize),
    /// A new replica loads the state and hears the rest later.
    Join,
    /// The server forgets everything but the state.
    Restart,
}

/// Letters that a hostile mind puts somewhere.
#[derive(Debug, Clone)]
struct Forged {
    /// Under which of its ids.
    own: usize,
    left: usize,
    right: usize,
    /// The right neighbour stands in the log directly after the left one.
    next: bool,
    word: &'static str,
}

/// The ids of the hostile one: below, between and above those of the others.
const OWN: [u64; 3] = [1, 5, 9];

fn forged() -> impl Strategy<Value = Forged> {
    let word = prop::sample::select(vec!["x", "x", "xy", "😀", "x😀y"]);
    (
        0..OWN.len(),
        any::<usize>(),
        any::<usize>(),
        any::<bool>(),
        word,
    )
        .prop_map(|(own, left, right, next, word)| Forged {
            own,
            left,
            right,
            next,
            word,
        })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_usize..2, any::<u32>(), 1_usize..4, prop::bool::weighted(0.3), prop::bool::weighted(0.2))
            .prop_map(|(who, at, len, remove, whole)| Act::Honest { who, at, len, remove, whole }),
        6 => (prop::collection::vec(forged(), 1..4), prop_oneof![3 => Just(0), 1 => 1_u32..4])
            .prop_map(|(forged, back)| Act::Hostile { forged, back }),
        1 => (any::<usize>(), 1_u32..4).prop_map(|(which, len)| Act::Strike { which, len }),
        3 => (0_usize..2).prop_map(Act::Hear),
        1 => Just(Act::Join),
        1 => Just(Act::Restart),
    ]
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
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

impl Server {
    /// What a hostile mind sends: its letters, of which the first so many are known already.
    fn forge(&self, forged: &[Forged], back: u32) -> Wire {
        let mut ids = self.ids.clone();
        let mut wire = Wire::default();
        for it in forged {
            let client = OWN[it.own];
            let at = wire.sections.iter().position(|s| s.0 == client);
            let known = self.index.clock(client);
            let at = at.unwrap_or_else(|| {
                let back = back.min(known);
                wire.sections.push((client, known - back, Vec::new()));
                wire.sections.len() - 1
            });
            let begins = wire.sections[at].2.is_empty();
            let mut word = it.word.to_owned();
            if begins {
                let known = known - wire.sections[at].1;
                word.insert_str(0, &"z".repeat(known as usize));
            }
            let pick = |n: usize| (n % (ids.len() + 1)).checked_sub(1).map(|at| ids[at]);
            let left = pick(it.left);
            let right = match left {
                Some((client, clock)) if it.next && ids.contains(&(client, clock + 1)) => {
                    Some((client, clock + 1))
                }
                _ => pick(it.right),
            };
            let piece = match (left, right) {
                (None, None) => item(Parent::Root("content"), None, text(&word)),
                (left, right) => between(left, right, text(&word)),
            };
            let held: u32 = wire.sections[at].2.iter().map(units).sum();
            let first = wire.sections[at].1 + held;
            let new = first.max(known)..first + units(&piece);
            ids.extend(new.map(|clock| (client, clock)));
            wire.sections[at].2.push(piece);
        }
        wire
    }

    fn restart(&mut self) {
        let state = state(&self.doc);
        let mut index = Index::new(Arc::new(Shape::note()));
        for (client, _) in self.doc.transact().state_vector().iter() {
            index.bind(client.get(), self.index.author_of(client.get()).unwrap());
        }
        index.replay(&state, &Author::system()).unwrap();
        self.index = index;
        self.doc = note(1000);
        apply(&self.doc, &state);
    }
}

/// UTF-16 units of a piece of text.
fn units(piece: &Piece) -> u32 {
    match piece {
        Piece::Item {
            held: Held::Text(text),
            ..
        } => text.encode_utf16().count() as u32,
        _ => 0,
    }
}

/// Plays it, and says whether all agree in the end.
fn play(acts: &[Act]) -> Result<(), String> {
    let mut server = Server::new();
    let people = [note(2), note(7)];
    let mut replicas = Vec::new();
    let mut letters = (0_u32..).map(|i| char::from_u32(0x4e00 + i).unwrap());
    for act in acts {
        match *act {
            Act::Honest {
                who,
                at,
                len,
                remove,
                whole,
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
                let mut update = txn.encode_update_v1();
                drop(txn);
                if whole {
                    update = state(person);
                }
                server
                    .take(update, ["a", "b"][who])
                    .map_err(|check| format!("an editor is refused: {check}"))?;
            }
            Act::Hostile { ref forged, back } => {
                let wire = server.forge(forged, back);
                // Mostly refused.
                let _ = server.take(wire.encode(), "h");
            }
            Act::Strike { which, len } => {
                if let Some(&(client, clock)) = server.ids.get(which % server.ids.len().max(1)) {
                    let len = len.min(server.index.clock(client) - clock);
                    let wire = Wire::default().deleting(client, &[(clock, len)]);
                    server.take(wire.encode(), "h")?;
                }
            }
            Act::Hear(who) => {
                for update in &server.log {
                    apply(&people[who], update);
                }
            }
            Act::Join => {
                let joined = note(50 + replicas.len() as u64);
                apply(&joined, &state(&server.doc));
                replicas.push(joined);
            }
            Act::Restart => server.restart(),
        }
    }
    let expected = content(&server.doc);
    let loaded = note(49);
    apply(&loaded, &state(&server.doc));
    replicas.push(loaded);
    // One transaction for all.
    let at_once = note(48);
    {
        let mut txn = at_once.transact_mut();
        for update in &server.log {
            let update = yrs::Update::decode_v1(update).unwrap();
            txn.apply_update(update).unwrap();
        }
    }
    replicas.push(at_once);
    for replica in people.iter().chain(&replicas) {
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
    assert_eq!(server.take(rest.encode(), "h"), Err("known part"));
}

#[test]
fn what_follows_a_known_beginning_stands_where_that_does() {
    let start = || {
        let mut server = Server::new();
        let words = item(Parent::Root("content"), None, text("ab😀cd"));
        server
            .take(Wire::of(5, 0, vec![words]).encode(), "h")
            .unwrap();
        let within = between(Some((5, 0)), Some((5, 1)), text("you"));
        server
            .take(Wire::of(6, 0, vec![within]).encode(), "a")
            .unwrap();
        let half = Wire::default().deleting(5, &[(1, 2)]);
        server.take(half.encode(), "h").unwrap();
        server
    };
    // Found by fuzzing: three letters of it are known, and the new one would stand behind the last
    // known letter and before the same.
    let around = Wire::of(
        5,
        1,
        vec![Piece::Skip(2), between(None, Some((5, 5)), text("q😀z"))],
    )
    .deleting(5, &[(1, 2)]);
    for restart in [false, true] {
        let start = || {
            let mut server = start();
            if restart {
                server.restart();
            }
            server
        };
        assert_eq!(start().take(around.encode(), "h"), Err("known part"));
        for piece in [
            between(None, Some((5, 5)), text("ab😀cdz")),
            between(None, Some((6, 0)), text("ab😀cdz")),
            between(Some((6, 2)), None, text("ab😀cdz")),
        ] {
            let wire = Wire::of(5, 0, vec![piece.clone()]);
            let verdict = start().take(wire.encode(), "h");
            assert_eq!(verdict, Err("known part"), "{piece:?}");
        }
        // As it was written, with more behind it.
        let mut server = start();
        let front = item(Parent::Root("content"), None, text("ab😀cde"));
        server
            .take(Wire::of(5, 0, vec![front]).encode(), "h")
            .unwrap();
        let within = |clock, left, word: &str| {
            let piece = between(Some(left), Some((6, 1)), text(word));
            Wire::of(5, clock, vec![piece]).encode()
        };
        server.take(within(7, (6, 0), "f"), "h").unwrap();
        // Two runs are not one.
        for left in [(5, 5), (6, 0)] {
            assert_eq!(server.take(within(6, left, "efg"), "h"), Err("known part"));
        }
        // From its beginning, or from anywhere within.
        server.take(within(7, (6, 0), "fg"), "h").unwrap();
        server.take(within(8, (5, 7), "gh"), "h").unwrap();
        assert_eq!(content(&server.doc), "ayfghou\u{fffd}cde");
    }
}

#[test]
fn nothing_stands_before_itself() {
    let copy = note(2);
    let field = copy.get_or_insert_text("content");
    field.insert(&mut copy.transact_mut(), 0, "相談");
    let id = |clock| collab::update::Id { client: 2, clock };
    let is_broken = |left, right| {
        let between = Neighbours {
            left: id(left),
            right: id(right),
        };
        is_broken_in_copy(&copy, &[between])
    };
    assert!(!is_broken(0, 1));
    assert!(is_broken(1, 0));
    assert!(is_broken(1, 1));
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
