//! Who wrote what and when, as it is told; and the moments that are kept.

use crate::support::{Peer, author, sheet, world, world_on};
use collab::history::{Contribution, What, contributions};
use collab::log::{UpdateLog, surplus};
use collab::{Hub, Limits};
use domain::id::DocumentId;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use yrs::{Any, Map, MapPrelim, Out, ReadTxn, StateVector, TextPrelim};

async fn told(hub: &Hub, document: &DocumentId) -> Vec<Contribution> {
    let runs = hub.authors_of(document).await.unwrap();
    let (state, shape) = hub
        .read(document, |view| {
            let state = view.txn.encode_state_as_update_v1(&StateVector::default());
            (state, Arc::clone(&view.shape))
        })
        .await
        .unwrap();
    contributions(&shape, &runs, &state)
}

fn by<'c>(all: &'c [Contribution], who: &str, place: Option<&str>) -> &'c Contribution {
    all.iter()
        .find(|c| c.author == author(who) && c.place.as_deref() == place)
        .unwrap_or_else(|| panic!("{who} at {place:?}: {all:?}"))
}

fn text(inserted: u32, deleted: u32, words: &[&str]) -> What {
    What::Text {
        inserted,
        deleted,
        words: words.iter().map(|w| (*w).to_owned()).collect(),
    }
}

#[tokio::test]
async fn two_people_in_one_text_are_told_apart_and_deleted_words_are_gone() {
    let limits = Limits {
        compact_entries: 3,
        ..Limits::default()
    };
    let w = world(limits.clone());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
    a.insert(0, "母と二人暮らし。夜は眠れない。").await;
    assert!(a.barrier(b"1").await);
    let mut b = Peer::join(&w.hub, "b", &note, 6).await.unwrap();
    b.insert(8, "父は入院中。").await;
    b.remove(14, 2).await;
    assert!(b.barrier(b"2").await);
    let check = |all: &[Contribution]| {
        let parts = |who| by(all, who, Some("content")).parts.clone();
        // Written in one go, and cut in two by the other.
        assert_eq!(
            parts("a")[0].what,
            text(15, 0, &["母と二人暮らし。", "眠れない。"])
        );
        assert_eq!(parts("b")[0].what, text(6, 2, &["父は入院中。"]));
        assert_eq!(all.len(), 2, "the seed is nobody's: {all:?}");
    };
    check(&told(&w.hub, &note).await);
    // Over compaction and reload.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let again = world_on(w.log.after_crash(), limits);
    assert!(w.log.tail(&note) < 4, "compacted: {}", w.log.tail(&note));
    check(&told(&again.hub, &note).await);
}

#[tokio::test]
async fn values_options_and_rows_are_told_as_what_they_are() {
    let w = world(Limits::default());
    let id = w.sheet().await;
    w.hub
        .write_as(&author("a"), &id, |txn| {
            let root = txn.get_map("fields").unwrap();
            root.insert(txn, "route", "self");
            root.insert(txn, "received_on", "2026-11-02");
            let Some(Out::YMap(choices)) = root.get(txn, "choices") else {
                panic!()
            };
            choices.insert(txn, "money", true);
            let Some(Out::YMap(rows)) = root.get(txn, "household") else {
                panic!()
            };
            for row in ["row00001", "row00002"] {
                let order = MapPrelim::from_iter([("order", Any::from("a0"))]);
                let cells = rows.insert(txn, row, order);
                cells.insert(txn, "name", TextPrelim::new("花子"));
                cells.insert(txn, "age", 70);
            }
        })
        .await
        .unwrap();
    w.hub
        .write_as(&author("b"), &id, |txn| {
            let root = txn.get_map("fields").unwrap();
            root.insert(txn, "route", "family");
            root.remove(txn, "received_on");
            let Some(Out::YMap(choices)) = root.get(txn, "choices") else {
                panic!()
            };
            choices.remove(txn, "money");
            let Some(Out::YMap(rows)) = root.get(txn, "household") else {
                panic!()
            };
            rows.remove(txn, "row00002");
        })
        .await
        .unwrap();
    let all = told(&w.hub, &id).await;
    let what = |who: &str, place: &str, path: &str| {
        let found = by(&all, who, Some(place));
        let part = found.parts.iter().find(|part| part.path == path);
        part.unwrap_or_else(|| panic!("{path}: {found:?}"))
            .what
            .clone()
    };
    // Overwritten by now: what it was is not known any more.
    assert_eq!(what("a", "route", "route"), What::Value { stands: None });
    assert_eq!(
        what("b", "route", "route"),
        What::Value {
            stands: Some(json!("family"))
        }
    );
    assert_eq!(what("b", "received_on", "received_on"), What::Cleared);
    assert_eq!(
        what("a", "choices", "choices/money"),
        What::Value { stands: None }
    );
    assert_eq!(what("b", "choices", "choices/money"), What::Cleared);
    assert_eq!(
        what("a", "household/row00001", "household/row00001"),
        What::EntryAdded
    );
    assert_eq!(
        what("a", "household/row00001", "household/row00001/name"),
        text(2, 0, &["花子"])
    );
    assert_eq!(
        what("a", "household/row00001", "household/row00001/age"),
        What::Value {
            stands: Some(json!(70))
        }
    );
    assert_eq!(
        what("b", "household/row00002", "household/row00002"),
        What::EntryRemoved
    );
    assert!(
        !format!("{all:?}").contains("self"),
        "the old value is gone"
    );
    assert_eq!(sheet().kind(), "intake");
}

#[tokio::test]
async fn an_afternoon_s_end_is_kept_when_everybody_has_gone() {
    let w = world(Limits {
        idle: Duration::from_millis(80),
        ..Limits::default()
    });
    let note = w.note().await;
    {
        let mut a = Peer::join(&w.hub, "a", &note, 5).await.unwrap();
        a.insert(0, "短い記録").await;
        assert!(a.barrier(b"1").await);
    }
    let unloaded = async {
        while w.hub.rooms() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), unloaded)
        .await
        .unwrap();
    let kept = w.log.versions(&note).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].label.as_str(), &kept[0].author),
        ("", &author("a"))
    );
    // Opened, read and closed again: nothing new to keep.
    w.content(&note).await;
    tokio::time::timeout(Duration::from_secs(5), async {
        while w.hub.rooms() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(w.log.versions(&note).await.unwrap().len(), 1);
}

#[test]
fn automatic_versions_thin_out_and_named_ones_stay() {
    let now: Timestamp = "2026-11-30T03:00:00Z".parse().unwrap();
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    // Every hour for a year, one in a thousand with a name.
    let all: Vec<(Timestamp, &str)> = (0..8_760)
        .rev()
        .map(|hours| (ago(hours), if hours % 1000 == 999 { "final" } else { "" }))
        .collect();
    let gone = surplus(all.iter().copied(), now);
    let left: Vec<_> = all
        .iter()
        .enumerate()
        .filter(|(n, _)| gone.binary_search(n).is_err())
        .map(|(_, v)| *v)
        .collect();
    assert!(left.iter().filter(|(_, label)| *label == "final").count() == 8);
    assert_eq!(left.iter().filter(|(at, _)| *at > ago(48)).count(), 48);
    assert!((150..175).contains(&left.len()), "{}", left.len());
    // The last of a day, and again nothing to drop.
    let yesterday_s: Vec<_> = left
        .iter()
        .filter(|(at, _)| *at < ago(72) && *at > ago(96))
        .collect();
    assert_eq!(yesterday_s.len(), 1);
    assert!(surplus(left.iter().copied(), now).is_empty());
}
