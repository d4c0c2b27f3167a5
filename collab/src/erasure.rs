//! Erasing the past of a document, and finding what it holds.
//!
//! **What always stays** in a rewritten document: client ids and the lengths of the runs that were
//! deleted (a CRDT needs them to merge what others still send). Their text does not.

use crate::log::{Authored, Loaded, LogError, Snapshot, Span};
use crate::room;
use crate::seed::{declare_roots, document};
use crate::shape::{Plain, Shape};
use crate::update::{Body, Content, Parent, Update};
use crate::values;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use yrs::Transact;
use yrs::updates::decoder::Decode;

/// What becomes of the past when a log is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// The journal stays whole: who wrote and who deleted.
    Keep,
    /// Of the journal only who wrote what still stands.
    Erase,
}

/// The present state of a loaded log, as the snapshot that takes the place of everything before it.
/// CPU work in proportion to the document: not on an async worker.
///
/// # Errors
/// [`LogError::Corrupt`].
pub fn present(shape: &Arc<Shape>, loaded: &Loaded, past: Past) -> Result<Snapshot, LogError> {
    room::present(shape, loaded, past)
}

/// The insertions of a journal without what was deleted since; `deleted`: client → `[start, end)`.
pub(crate) fn standing(
    authors: Vec<Authored>,
    deleted: &HashMap<u64, Vec<(u32, u32)>>,
) -> Vec<Authored> {
    let mut out = Vec::with_capacity(authors.len());
    for authored in authors.into_iter().filter(|authored| !authored.deletion) {
        let end = authored.span.clock.saturating_add(authored.span.len);
        let mut from = authored.span.clock;
        let mut gone: Vec<(u32, u32)> = deleted
            .get(&authored.span.client)
            .into_iter()
            .flatten()
            .filter(|(start, stop)| *start < end && *stop > from)
            .copied()
            .collect();
        gone.sort_unstable();
        let mut keep = |from: u32, to: u32| {
            if from < to {
                out.push(Authored {
                    span: Span {
                        client: authored.span.client,
                        clock: from,
                        len: to - from,
                    },
                    ..authored.clone()
                });
            }
        };
        for (start, stop) in gone {
            keep(from, start);
            from = from.max(stop);
        }
        keep(from, end);
    }
    out
}

/// All text that updates carry, for looking whether something is still there: what one client wrote in
/// a row is joined (deleted or not), and with a shape what the document shows is read as well. Keys and
/// root names stand among it. An update that cannot be read adds nothing but its place in the count.
#[derive(Debug, Default)]
pub struct Texts {
    pub texts: Vec<String>,
    /// Updates that could not be decoded.
    pub unreadable: usize,
}

/// [`Texts`] of the updates of one document, in the order of its log.
#[must_use]
pub fn texts(shape: Option<&Shape>, updates: &[&[u8]]) -> Texts {
    let mut found = Texts::default();
    let mut runs: BTreeMap<u64, BTreeMap<u32, (u32, String)>> = BTreeMap::new();
    for bytes in updates {
        let Ok(update) = Update::parse(bytes) else {
            found.unreadable += 1;
            continue;
        };
        for part in &update.structs {
            let Body::Item(item) = part.body else {
                continue;
            };
            if let Some(key) = item.key {
                found.texts.push(key.to_owned());
            }
            if let Some(Parent::Root(name)) = item.parent {
                found.texts.push(name.to_owned());
            }
            match item.content {
                Content::Text(text) => {
                    runs.entry(part.id.client)
                        .or_default()
                        .insert(part.id.clock, (part.end(), text.to_owned()));
                }
                Content::Scalar(scalar) => {
                    if let Plain::Text(text) = scalar.0 {
                        found.texts.push(text.to_owned());
                    }
                }
                _ => {}
            }
        }
    }
    for client in runs.into_values() {
        let (mut reached, mut joined) = (0, String::new());
        for (clock, (end, text)) in client {
            if clock != reached && !joined.is_empty() {
                found.texts.push(std::mem::take(&mut joined));
            }
            joined.push_str(&text);
            reached = end;
        }
        found.texts.push(joined);
    }
    if let Some(shape) = shape {
        let doc = document(0);
        declare_roots(&doc, shape);
        {
            let mut txn = doc.transact_mut();
            for bytes in updates {
                let applied = yrs::Update::decode_v1(bytes)
                    .map_err(drop)
                    .and_then(|update| txn.apply_update(update).map_err(drop));
                if applied.is_err() {
                    found.unreadable += 1;
                }
            }
        }
        let txn = doc.transact();
        for (name, _) in shape.roots() {
            strings(&values::root(&txn, shape, name), &mut found.texts);
        }
    }
    found
}

/// Every string in a JSON value, keys included.
pub fn strings(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => out.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                out.push(key.clone());
                strings(member, out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Author;
    use crate::log::Entry;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use yrs::{GetString, ReadTxn, StateVector, Text};

    fn author(name: &str) -> Author {
        Author {
            account: name.into(),
            membership: "m".into(),
            agency: "g".into(),
        }
    }

    fn authored(client: u64, clock: u32, len: u32, deletion: bool) -> Authored {
        Authored {
            span: Span { client, clock, len },
            author: author("a"),
            at: Timestamp::UNIX_EPOCH,
            deletion,
        }
    }

    #[test]
    fn of_the_journal_only_what_stands_is_kept() {
        let journal = vec![
            authored(7, 0, 10, false),
            authored(7, 2, 3, true),
            authored(8, 0, 4, false),
            // Of a letter that the document does not know as deleted: nothing stands of it either.
            authored(9, 0, 1, true),
        ];
        let deleted = HashMap::from([(7, vec![(8, 20), (2, 5)]), (8, vec![(0, 4)])]);
        let spans: Vec<_> = standing(journal, &deleted)
            .into_iter()
            .map(|a| (a.span.client, a.span.clock, a.span.len))
            .collect();
        assert_eq!(spans, [(7, 0, 2), (7, 5, 3)]);
    }

    /// A note typed in pieces, of which some are deleted again; each change an entry of the log.
    fn typed(pieces: &[(String, bool)]) -> (Loaded, String) {
        let doc = document(77);
        let text = doc.get_or_insert_text("content");
        let mut entries = Vec::new();
        let mut change = |edit: &dyn Fn(&mut yrs::TransactionMut<'_>)| {
            let mut txn = doc.transact_mut();
            let before = txn.before_state().get(&yrs::ClientID::new(77));
            edit(&mut txn);
            let update = txn.encode_update_v1();
            let after = txn.state_vector().get(&yrs::ClientID::new(77));
            let deleted = txn
                .delete_set()
                .iter()
                .flat_map(|(client, ranges)| {
                    ranges
                        .iter()
                        .map(|range| Span {
                            client: client.get(),
                            clock: range.start,
                            len: range.end - range.start,
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            let inserted = if after > before {
                vec![Span {
                    client: 77,
                    clock: before,
                    len: after - before,
                }]
            } else {
                Vec::new()
            };
            entries.push(Entry {
                update: update.into(),
                author: author("a"),
                at: Timestamp::UNIX_EPOCH,
                inserted,
                deleted,
            });
        };
        for (piece, deleted) in pieces {
            let at = std::cell::Cell::new(0);
            change(&|txn| {
                at.set(text.len(txn));
                text.insert(txn, at.get(), piece);
            });
            if *deleted {
                let len = u32::try_from(piece.encode_utf16().count()).unwrap();
                change(&|txn| text.remove_range(txn, at.get(), len));
            }
        }
        let content = text.get_string(&doc.transact());
        let entries = (1..).zip(entries).collect();
        let loaded = Loaded {
            epoch: 1,
            entries,
            ..Loaded::default()
        };
        (loaded, content)
    }

    fn shown(shape: &Shape, state: &[u8]) -> String {
        let doc = document(0);
        declare_roots(&doc, shape);
        let mut txn = doc.transact_mut();
        txn.apply_update(yrs::Update::decode_v1(state).unwrap())
            .unwrap();
        drop(txn);
        let text = doc.get_or_insert_text("content");
        text.get_string(&doc.transact())
    }

    proptest! {
        #[test]
        fn the_present_stays_and_the_past_is_gone(
            pieces in proptest::collection::vec(("[あ-ん]{3,6}", any::<bool>()), 1..8)
        ) {
            let shape = Arc::new(Shape::note());
            // What is deleted is told apart from what stays by a letter that stands nowhere else.
            let pieces: Vec<(String, bool)> = pieces
                .into_iter()
                .map(|(piece, deleted)| if deleted { (format!("鴆{piece}鴆"), true) } else { (piece, false) })
                .collect();
            let (loaded, content) = typed(&pieces);
            let log: Vec<&[u8]> = loaded.entries.iter().map(|(_, entry)| &*entry.update).collect();
            let any_deleted = pieces.iter().any(|(_, deleted)| *deleted);
            let holds = |updates: &[&[u8]]| texts(Some(&shape), updates).texts.iter().any(|text| text.contains('鴆'));
            prop_assert_eq!(holds(&log), any_deleted);

            let snapshot = present(&shape, &loaded, Past::Erase).unwrap();
            prop_assert_eq!(shown(&shape, &snapshot.state), content.clone());
            prop_assert!(!holds(&[&snapshot.state]));
            prop_assert!(snapshot.authors.iter().all(|authored| !authored.deletion));
            let standing: u32 = snapshot.authors.iter().map(|authored| authored.span.len).sum();
            prop_assert_eq!(standing as usize, content.encode_utf16().count());
            // And it loads again.
            let again = Loaded { epoch: 2, snapshot_seq: 9, snapshot: Some(snapshot.clone()), entries: Vec::new(), municipality: None };
            prop_assert_eq!(&present(&shape, &again, Past::Keep).unwrap(), &snapshot);
        }
    }

    #[test]
    fn words_typed_letter_by_letter_are_found() {
        let shape = Shape::note();
        let pieces: Vec<_> = "鴻巣の母".chars().map(|c| (c.to_string(), false)).collect();
        let (loaded, _) = typed(&pieces);
        let log: Vec<&[u8]> = loaded.entries.iter().map(|(_, e)| &*e.update).collect();
        assert!(
            texts(None, &log)
                .texts
                .iter()
                .any(|text| text.contains("鴻巣の母"))
        );
        assert_eq!(texts(Some(&shape), &[b"\xff\xff"]).unreadable, 2);
    }

    #[test]
    fn a_state_vector_of_the_whole_stays() {
        let shape = Arc::new(Shape::note());
        let (loaded, _) = typed(&[("消える".into(), true)]);
        let snapshot = present(&shape, &loaded, Past::Erase).unwrap();
        let doc = document(0);
        declare_roots(&doc, &shape);
        let mut txn = doc.transact_mut();
        txn.apply_update(yrs::Update::decode_v1(&snapshot.state).unwrap())
            .unwrap();
        // The lengths are known, so a stale peer that sends the old structs again adds nothing.
        assert_eq!(txn.state_vector().get(&yrs::ClientID::new(77)), 3);
        assert_ne!(txn.state_vector(), StateVector::default());
        let old = yrs::Update::decode_v1(&loaded.entries[0].1.update).unwrap();
        txn.apply_update(old).unwrap();
        drop(txn);
        let text = doc.get_or_insert_text("content");
        assert_eq!(text.get_string(&doc.transact()), "");
    }
}
