//! Mask anchors under concurrent editing.

use crate::support::doc;
use collab::anchor::{anchor, resolve};
use domain::offset::Utf16;
use proptest::prelude::*;
use yrs::updates::decoder::Decode;
use yrs::{GetString, ReadTxn, Text, Transact};

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
    let range = resolve(&txn, &text, &start, &end).unwrap();
    assert_eq!(slice(&text.get_string(&txn), &range), "田・中");
    let len = yrs::Text::len(&text, &txn);
    text.remove_range(&mut txn, 0, len);
    assert_eq!(resolve(&txn, &text, &start, &end), None);
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
        let covered = ra.map_or(String::new(), |range| slice(&text, &range));
        let covered: String = covered.chars().filter(|c| *c != 'Z').collect();
        prop_assert_eq!(covered, left);
    }
}
