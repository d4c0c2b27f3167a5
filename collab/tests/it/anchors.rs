//! Mask anchors under concurrent editing.

use crate::support::doc;
use collab::anchor::{anchor, resolve};
use domain::offset::Utf16;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use yrs::undo::UndoManager;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact};

fn slice(text: &str, range: &std::ops::Range<Utf16>) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    String::from_utf16_lossy(&units[range.start.0..range.end.0])
}

#[test]
fn typing_at_the_borders_stays_outside_and_within_is_covered() {
    let doc = doc(1);
    let text = doc.get_or_insert_text("content");
    let mut txn = doc.transact_mut();
    text.insert(&mut txn, 0, "担当は田中さん");
    let (start, end) = anchor(&txn, &text, Utf16(3)..Utf16(5)).unwrap();
    text.insert(&mut txn, 3, "旧");
    text.insert(&mut txn, 6, "様");
    text.insert(&mut txn, 5, "・");
    let place = resolve(&txn, &text, &start, &end).unwrap();
    assert_eq!(slice(&text.get_string(&txn), &place.range), "田・中");
    assert!(!place.adrift);
    let len = yrs::Text::len(&text, &txn);
    text.remove_range(&mut txn, 0, len);
    let place = resolve(&txn, &text, &start, &end).unwrap();
    assert_eq!((place.range, place.adrift), (Utf16(0)..Utf16(0), true));
}

#[test]
fn anchors_of_another_text_or_garbage_resolve_to_nothing() {
    let doc = doc(1);
    let (one, two) = (doc.get_or_insert_text("one"), doc.get_or_insert_text("two"));
    let mut txn = doc.transact_mut();
    one.insert(&mut txn, 0, "abcdef");
    two.insert(&mut txn, 0, "abcdef");
    let (start, end) = anchor(&txn, &one, Utf16(1)..Utf16(3)).unwrap();
    assert_eq!(resolve(&txn, &two, &start, &end), None);
    assert_eq!(anchor(&txn, &one, Utf16(3)..Utf16(3)), None);
    assert_eq!(anchor(&txn, &one, Utf16(3)..Utf16(9)), None);
    for garbage in ["", "!!", "AA", "////////////", "AwMD"] {
        assert_eq!(resolve(&txn, &one, garbage, &end), None, "{garbage}");
    }
}

/// What one of the three does.
#[derive(Debug, Clone)]
enum Act {
    Insert {
        who: usize,
        at: u32,
        len: u32,
    },
    Delete {
        who: usize,
        at: u32,
        len: u32,
    },
    Undo(usize),
    Redo(usize),
    /// The first tells the second everything.
    Tell(usize, usize),
    Compact,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_usize..3, any::<u32>(), 1_u32..4).prop_map(|(who, at, len)| Act::Insert { who, at, len }),
        5 => (0_usize..3, any::<u32>(), 1_u32..5).prop_map(|(who, at, len)| Act::Delete { who, at, len }),
        3 => (0_usize..3).prop_map(Act::Undo),
        1 => (0_usize..3).prop_map(Act::Redo),
        5 => (0_usize..3, 0_usize..4).prop_map(|(from, to)| Act::Tell(from, to)),
        1 => Just(Act::Compact),
    ]
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).unwrap();
    doc.transact_mut_with("elsewhere")
        .apply_update(update)
        .unwrap();
}

fn tell(from: &Doc, to: &Doc) {
    let diff = from
        .transact()
        .encode_diff_v1(&to.transact().state_vector());
    apply(to, &diff);
}

/// Three people and the server. Beside them a text from which nothing is ever deleted: it shows
/// where deleted letters stand, and so what is within a span, without asking an anchor.
///
/// A deletion of one of the two letters at the borders cannot be undone here: an undo writes the
/// letters anew, beside their old places, and nobody but the one who did it knows that they are the
/// same. For everybody else new letters at a border are outside; the scanner sees to them.
fn covers(acts: Vec<Act>, from: usize, len: usize) -> Result<(), TestCaseError> {
    const FIRST: &str = "abcdefghijklmnop";
    let everything = doc(90);
    let whole = everything.get_or_insert_text("content");
    let written: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let people: Vec<Doc> = (1..=3).map(doc).collect();
    let mut undo: Vec<UndoManager<()>> = Vec::new();
    let mut server = doc(91);
    server.get_or_insert_text("content");
    for person in &people {
        let catch = Arc::clone(&written);
        person
            .observe_update_v1("all", move |txn, event| {
                if txn.origin() != Some(&"elsewhere".into()) {
                    catch.lock().unwrap().push(event.update.clone());
                }
            })
            .unwrap();
    }
    let text = |who: usize| people[who].get_or_insert_text("content");
    text(0).insert(&mut people[0].transact_mut_with("first"), 0, FIRST);
    for person in &people[1..] {
        tell(&people[0], person);
    }
    tell(&people[0], &server);
    for person in &people {
        let mut manager = UndoManager::with_options(yrs::undo::Options {
            capture_timeout_millis: 0,
            ..Default::default()
        });
        manager.expand_scope(person, &person.get_or_insert_text("content"));
        undo.push(manager);
    }
    let first = text(0);
    let (start, end) = anchor(
        &people[0].transact(),
        &first,
        Utf16(from)..Utf16(from + len),
    )
    .unwrap();
    let borders = [&FIRST[from..=from], &FIRST[from + len - 1..from + len]];
    let mut letters = (0_u32..).map(|i| char::from_u32(0x4e00 + i).unwrap());
    for act in acts {
        match act {
            Act::Insert { who, at, len } => {
                let words: String = letters.by_ref().take(len as usize).collect();
                let content = text(who);
                let mut txn = people[who].transact_mut();
                let size = content.len(&txn);
                content.insert(&mut txn, at % (size + 1), &words);
            }
            Act::Delete { who, at, len } => {
                let now = text(who).get_string(&people[who].transact());
                let size = now.chars().count() as u32;
                if size == 0 {
                    continue;
                }
                let at = at % size;
                let len = len.min(size - at);
                let content = text(who);
                let gone: String = now.chars().skip(at as usize).take(len as usize).collect();
                let mut txn = if borders.iter().any(|border| gone.contains(border)) {
                    people[who].transact_mut_with("for good")
                } else {
                    people[who].transact_mut()
                };
                content.remove_range(&mut txn, at, len);
            }
            Act::Undo(who) => drop(undo[who].undo_blocking()),
            Act::Redo(who) => drop(undo[who].redo_blocking()),
            Act::Tell(from, 3) => tell(&people[from], &server),
            Act::Tell(from, to) => tell(&people[from], &people[to]),
            Act::Compact => {
                let state = server
                    .transact()
                    .encode_state_as_update_v1(&StateVector::default());
                server = doc(91);
                server.get_or_insert_text("content");
                apply(&server, &state);
            }
        }
    }
    for person in &people {
        tell(person, &server);
    }
    for person in &people {
        tell(&server, person);
    }
    // All that was ever written, without the deletions.
    for update in written.lock().unwrap().iter() {
        let parsed = collab::update::Update::parse(update).unwrap();
        if !parsed.structs.is_empty() {
            prop_assert!(parsed.deletes.is_empty(), "writes and deletes at once");
            apply(&everything, update);
        }
    }
    let whole: Vec<char> = whole.get_string(&everything.transact()).chars().collect();
    let place = |border: &str| whole.iter().position(|c| border.starts_with(*c)).unwrap();
    let within = &whole[place(borders[0])..=place(borders[1])];
    for replica in people.iter().chain([&server]) {
        let text = replica.get_or_insert_text("content");
        let txn = replica.transact();
        let now = text.get_string(&txn);
        let expected: String = now.chars().filter(|c| within.contains(c)).collect();
        let place = resolve(&txn, &text, &start, &end);
        let covered = place.map_or(String::new(), |place| slice(&now, &place.range));
        prop_assert_eq!(
            covered,
            expected,
            "of {} in {}",
            now,
            within.iter().collect::<String>()
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// A span covers what is left of its letters and what was written among them, nothing else, on
    /// every replica, through concurrent writing, undo and compaction.
    #[test]
    fn a_span_covers_what_is_left_and_what_came_between(
        acts in proptest::collection::vec(act(), 1..60), from in 0_usize..10, len in 1_usize..6,
    ) {
        covers(acts, from, len)?;
    }
}

/// A short set by default; `PLANS=20000` for a long one.
fn cases() -> u32 {
    let set = std::env::var("PLANS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(300)
}

proptest! {
    /// Two people edit at once; the marked characters that are left are exactly those covered,
    /// apart from what was typed among them.
    #[test]
    fn a_span_follows_its_characters(
        edits in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_u32..40, 1_u32..4), 1..30),
        from in 0_usize..10, len in 1_usize..6,
    ) {
        let (a, b) = (doc(1), doc(2));
        let (ta, tb) = (a.get_or_insert_text("content"), b.get_or_insert_text("content"));
        ta.insert(&mut a.transact_mut(), 0, "abcdefghijklmnop");
        let marked: String = "abcdefghijklmnop"[from..from + len].to_owned();
        let sync = || {
            let to_b = a.transact().encode_diff_v1(&b.transact().state_vector());
            b.transact_mut().apply_update(yrs::Update::decode_v1(&to_b).unwrap()).unwrap();
            let to_a = b.transact().encode_diff_v1(&a.transact().state_vector());
            a.transact_mut().apply_update(yrs::Update::decode_v1(&to_a).unwrap()).unwrap();
        };
        sync();
        let (start, end) = anchor(&a.transact(), &ta, Utf16(from)..Utf16(from + len)).unwrap();
        for (i, (first, insert, at, n)) in edits.into_iter().enumerate() {
            let (doc, text) = if first { (&a, &ta) } else { (&b, &tb) };
            let mut txn = doc.transact_mut();
            let size = yrs::Text::len(text, &txn);
            let at = at.min(size);
            if insert { text.insert(&mut txn, at, &"Z".repeat(n as usize)); }
            else { text.remove_range(&mut txn, at, n.min(size - at)); }
            drop(txn);
            if i % 3 == 0 { sync(); }
        }
        sync();
        let (ra, rb) = (resolve(&a.transact(), &ta, &start, &end), resolve(&b.transact(), &tb, &start, &end));
        prop_assert_eq!(&ra, &rb);
        let text = ta.get_string(&a.transact());
        let left: String = marked.chars().filter(|c| text.contains(*c)).collect();
        let covered = ra.map_or(String::new(), |place| slice(&text, &place.range));
        let covered: String = covered.chars().filter(|c| *c != 'Z').collect();
        prop_assert_eq!(covered, left);
    }
}
