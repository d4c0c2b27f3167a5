//! Refusals: who, where, what, how much; and hostile bytes.

use crate::support::{NUMBER, author, doc, sheet};
use crate::vectors::corpus;
use collab::frame::Code;
use collab::seed::seed;
use collab::update::{Body, Content, Item, Update};
use collab::walker::{Index, Verdict, Writer};
use collab::{Author, Shape};
use proptest::prelude::*;
use std::sync::Arc;
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, Map, MapPrelim, Out, ReadTxn, StateVector, Text, TextPrelim, Transact,
    TransactionMut,
};

struct Bench {
    index: Index,
    doc: Doc,
}

impl Bench {
    fn new(shape: Shape, client: u64) -> Self {
        let shape = Arc::new(shape);
        let mut index = Index::new(Arc::clone(&shape));
        let doc = doc(client);
        for (root, _) in [("fields", ()), ("meta", ())] {
            doc.get_or_insert_map(root);
        }
        if let Some(seed) = seed(&shape) {
            index.replay(&seed, &Author::system()).unwrap();
            doc.transact_mut()
                .apply_update(yrs::Update::decode_v1(&seed).unwrap())
                .unwrap();
        }
        Self { index, doc }
    }

    fn edit(&self, act: impl FnOnce(&mut TransactionMut<'_>)) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        act(&mut txn);
        txn.encode_update_v1()
    }

    fn judge(&mut self, update: &[u8], who: &str) -> Result<Verdict, Code> {
        let me = author(who);
        let writer = Writer {
            author: &me,
            may_edit: true,
            server: false,
        };
        self.index
            .verify(update, writer, &mut |_| false)
            .map_err(|r| r.code)
    }

    fn try_edit(&mut self, act: impl FnOnce(&mut TransactionMut<'_>)) -> Result<Verdict, Code> {
        let update = self.edit(act);
        self.judge(&update, "me")
    }
}

fn on_fields(
    act: impl FnOnce(&mut TransactionMut<'_>, yrs::MapRef),
) -> impl FnOnce(&mut TransactionMut<'_>) {
    |txn| {
        let fields = txn.get_map("fields").unwrap();
        act(txn, fields);
    }
}

fn inner(txn: &TransactionMut<'_>, map: &yrs::MapRef, key: &str) -> yrs::MapRef {
    match map.get(txn, key) {
        Some(Out::YMap(map)) => map,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn the_seed_is_deterministic_and_serves_the_shape() {
    assert_eq!(seed(&sheet()), seed(&sheet()));
    assert_eq!(seed(&Shape::note()), None);
    assert_eq!(seed(&Shape::network()), None);
    let bench = Bench::new(sheet(), 5);
    let txn = bench.doc.transact();
    let meta = txn.get_map("meta").unwrap();
    assert_eq!(
        meta.get(&txn, "form").unwrap().to_string(&txn),
        "intake_application"
    );
}

#[test]
fn what_the_sheet_allows_goes_in() {
    let mut b = Bench::new(sheet(), 5);
    assert!(
        b.try_edit(on_fields(|t, f| {
            f.insert(t, "route", "self");
        }))
        .is_ok()
    );
    assert!(
        b.try_edit(on_fields(|t, f| {
            f.insert(t, "route", yrs::Any::Null);
        }))
        .is_ok()
    );
    assert!(
        b.try_edit(on_fields(|t, f| {
            f.remove(t, "route");
        }))
        .is_ok()
    );
    assert!(
        b.try_edit(on_fields(|t, f| {
            let c = inner(t, &f, "choices");
            c.insert(t, "money", true);
        }))
        .is_ok()
    );
    assert!(
        b.try_edit(on_fields(|t, f| {
            let table = inner(t, &f, "household");
            let row = table.insert(t, "row123456789", MapPrelim::default());
            row.insert(t, "order", "a0");
            row.insert(t, "name", TextPrelim::new("花子"));
            row.insert(t, "age", 42_i64);
            row.insert(t, "needs", MapPrelim::from([("care", true)]));
        }))
        .is_ok()
    );
    let clock = b.index.clock(5);
    assert!(clock > 5);
    assert_eq!(
        b.index.path(5, clock - 1).as_deref(),
        Some("household/row123456789/needs/care")
    );
}

#[test]
fn values_overwritten_before_they_were_sent_go_in() {
    let mut b = Bench::new(sheet(), 5);
    let before = b.doc.transact().state_vector();
    for route in ["self", "family", "self", "family"] {
        b.edit(on_fields(|t, f| {
            f.insert(t, "route", route);
        }));
    }
    // The three that are gone are one run of deleted units now.
    let update = b.doc.transact().encode_diff_v1(&before);
    let parsed = Update::parse(&update).unwrap();
    assert_eq!(parsed.structs.len(), 2, "{parsed:?}");
    let me = author("me");
    let writer = Writer {
        author: &me,
        may_edit: true,
        server: false,
    };
    b.index.verify(&update, writer, &mut |_| false).unwrap();
    assert_eq!(b.index.path(5, 3).as_deref(), Some("route"));
}

#[test]
fn values_that_an_undo_manager_keeps_are_looked_at_each() {
    let overwritten = |values: &[&str]| {
        let mut b = Bench::new(sheet(), 5);
        let before = b.doc.transact().state_vector();
        let fields = b.doc.get_or_insert_map("fields");
        let mut undo: yrs::undo::UndoManager<()> = yrs::undo::UndoManager::new();
        undo.expand_scope(&b.doc, &fields);
        for value in values {
            b.edit(|t| {
                fields.insert(t, "remark", *value);
            });
        }
        let update = b.doc.transact().encode_diff_v1(&before);
        let parsed = Update::parse(&update).unwrap();
        assert!(
            matches!(
                parsed.structs[0].body,
                Body::Item(Item {
                    content: Content::Scalars(_),
                    ..
                })
            ),
            "{parsed:?}"
        );
        let verdict = b.judge(&update, "me");
        (verdict.map(|verdict| verdict.inserted), b.index.path(5, 1))
    };
    let run = collab::Span {
        client: 5,
        clock: 0,
        len: 3,
    };
    assert_eq!(
        overwritten(&["a", "b", "c"]),
        (Ok(vec![run]), Some("remark".into()))
    );
    let long = "長".repeat(51);
    assert_eq!(
        overwritten(&["a", &long, "c"]).0,
        Err(Code::ShapeNotAllowed)
    );
    assert_eq!(
        overwritten(&["a", NUMBER, "c"]).0,
        Err(Code::PersonalNumber)
    );
}

#[test]
fn what_the_sheet_does_not_allow_stays_out() {
    type Act = Box<dyn FnOnce(&mut TransactionMut<'_>)>;
    let cases: Vec<(&str, Act)> = vec![
        (
            "unknown field",
            Box::new(on_fields(|t, f| {
                f.insert(t, "secret", "x");
            })),
        ),
        (
            "unknown option",
            Box::new(on_fields(|t, f| {
                f.insert(t, "route", "police");
            })),
        ),
        (
            "number for a code",
            Box::new(on_fields(|t, f| {
                f.insert(t, "route", 1_i64);
            })),
        ),
        (
            "no date",
            Box::new(on_fields(|t, f| {
                f.insert(t, "received_on", "昭和65年");
            })),
        ),
        (
            "too long",
            Box::new(on_fields(|t, f| {
                f.insert(t, "remark", "長".repeat(51));
            })),
        ),
        (
            "array",
            Box::new(on_fields(|t, f| {
                f.insert(t, "remark", vec!["a"]);
            })),
        ),
        (
            "container replaced",
            Box::new(on_fields(|t, f| {
                f.insert(t, "summary", TextPrelim::new("x"));
            })),
        ),
        (
            "container removed",
            Box::new(on_fields(|t, f| {
                f.remove(t, "summary");
            })),
        ),
        (
            "text for a table",
            Box::new(on_fields(|t, f| {
                f.insert(t, "household", "x");
            })),
        ),
        (
            "map for a value",
            Box::new(on_fields(|t, f| {
                f.insert(t, "route", MapPrelim::default());
            })),
        ),
        (
            "unknown choice",
            Box::new(on_fields(|t, f| {
                let c = inner(t, &f, "choices");
                c.insert(t, "other", true);
            })),
        ),
        (
            "choice not bool",
            Box::new(on_fields(|t, f| {
                let c = inner(t, &f, "choices");
                c.insert(t, "money", "yes");
            })),
        ),
        (
            "name as row id",
            Box::new(on_fields(|t, f| {
                let h = inner(t, &f, "household");
                h.insert(t, "田中太郎", MapPrelim::default());
            })),
        ),
        (
            "row is a text",
            Box::new(on_fields(|t, f| {
                let h = inner(t, &f, "household");
                h.insert(t, "row12345678", TextPrelim::new(""));
            })),
        ),
        (
            "meta",
            Box::new(|t: &mut TransactionMut<'_>| {
                let meta = t.get_map("meta").unwrap();
                meta.insert(t, "form", "x");
            }),
        ),
        (
            "meta removed",
            Box::new(|t: &mut TransactionMut<'_>| {
                let meta = t.get_map("meta").unwrap();
                meta.remove(t, "form");
            }),
        ),
        (
            "format",
            Box::new(on_fields(|t, f| {
                let Some(Out::YText(text)) = f.get(t, "summary") else {
                    panic!()
                };
                text.insert_with_attributes(t, 0, "x", [("bold".into(), true.into())].into());
            })),
        ),
    ];
    for (name, act) in cases {
        let mut b = Bench::new(sheet(), 5);
        assert_eq!(b.try_edit(act), Err(Code::ShapeNotAllowed), "{name}");
        // Nothing of it stays behind.
        assert_eq!(b.index.clock(5), 0, "{name}");
        let b2 = doc(6);
        let fields = b2.get_or_insert_map("fields");
        b2.transact_mut()
            .apply_update(yrs::Update::decode_v1(&seed(&sheet()).unwrap()).unwrap())
            .unwrap();
        let mut txn = b2.transact_mut();
        fields.insert(&mut txn, "route", "self");
        let update = txn.encode_update_v1();
        drop(txn);
        assert!(b.judge(&update, "other").is_ok(), "{name}");
    }
}

#[test]
fn marks_name_who_made_them() {
    let b = Bench::new(Shape::masks(), 5);
    let spans = b.doc.get_or_insert_map("spans");
    let add = |by: &'static str| {
        let spans = spans.clone();
        move |t: &mut TransactionMut<'_>| {
            let span = spans.insert(t, "span12345678", MapPrelim::default());
            span.insert(t, "status", "accepted");
            span.insert(t, "label", "PERSON");
            span.insert(t, "by", by);
        }
    };
    assert_eq!(
        Bench::new(Shape::masks(), 5).judge(&b.edit(add("acc-somebody")), "me"),
        Err(Code::ShapeNotAllowed)
    );
    let mut b = Bench::new(Shape::masks(), 6);
    let own = b.doc.get_or_insert_map("spans");
    assert!(
        b.try_edit(|t| {
            let s = own.insert(t, "span12345678", MapPrelim::default());
            s.insert(t, "by", "acc-me");
        })
        .is_ok()
    );
}

#[test]
fn networks_hold_people_and_ties() {
    let mut b = Bench::new(Shape::network(), 5);
    let (nodes, homes) = (
        b.doc.get_or_insert_map("nodes"),
        b.doc.get_or_insert_map("households"),
    );
    assert!(
        b.try_edit(|t| {
            let node = nodes.insert(t, "node12345678", MapPrelim::default());
            node.insert(t, "kind", "person");
            node.insert(t, "label", "祖母");
            node.insert(t, "x", 12.5);
            let home = homes.insert(t, "home12345678", MapPrelim::default());
            home.insert(t, "name", "本人世帯");
            let members = home.insert(t, "members", MapPrelim::default());
            members.insert(t, "node12345678", true);
        })
        .is_ok()
    );
    assert_eq!(
        b.try_edit(|t| {
            let n = nodes.insert(t, "node87654321", MapPrelim::default());
            n.insert(t, "kind", "robot");
        }),
        Err(Code::ShapeNotAllowed)
    );
}

#[test]
fn a_client_id_belongs_to_one_person_and_hat() {
    let mut b = Bench::new(Shape::note(), 5);
    let text = b.doc.get_or_insert_text("content");
    assert!(b.try_edit(|t| text.insert(t, 0, "mine")).is_ok());
    let more = b.edit(|t| text.insert(t, 4, " forged"));
    assert_eq!(b.judge(&more, "you"), Err(Code::ForeignAuthor));
    assert!(b.judge(&more, "me").is_ok());
    // Known structs are no news, whoever sends them.
    assert_eq!(b.judge(&more, "you"), Ok(Verdict::default()));
    // The server's own ids are bound too.
    let mut sheet_bench = Bench::new(sheet(), collab::seed::SEED_CLIENT);
    let update = sheet_bench.edit(on_fields(|t, f| {
        f.insert(t, "route", "self");
    }));
    assert_eq!(sheet_bench.judge(&update, "me"), Err(Code::ForeignAuthor));
}

#[test]
fn a_client_id_of_one_membership_is_not_another_s_of_the_same_person() {
    let mut b = Bench::new(Shape::note(), 5);
    let text = b.doc.get_or_insert_text("content");
    assert!(b.try_edit(|t| text.insert(t, 0, "as a clerk")).is_ok());
    let more = b.edit(|t| text.insert(t, 0, "as a volunteer "));
    let same_person = Author {
        membership: "mem-other".into(),
        ..author("me")
    };
    // The agency of a membership may be renamed or merged; it stays the same hat.
    let moved = Author {
        agency: "ag2".into(),
        ..author("me")
    };
    let mut judge = |author: &Author| {
        let writer = Writer {
            author,
            may_edit: true,
            server: false,
        };
        let verdict = b.index.verify(&more, writer, &mut |_| false);
        verdict.map_err(|refused| refused.code)
    };
    assert_eq!(judge(&same_person), Err(Code::ForeignAuthor));
    assert!(judge(&moved).is_ok());
}

#[test]
fn a_forged_beginning_of_a_known_run_changes_nothing() {
    let mut b = Bench::new(Shape::note(), 5);
    let text = b.doc.get_or_insert_text("content");
    assert!(b.try_edit(|t| text.insert(t, 0, "abc")).is_ok());
    // The same client id and clocks with other content, and one more character.
    let forged = doc(5);
    let forged_text = forged.get_or_insert_text("content");
    forged_text.insert(&mut forged.transact_mut(), 0, "XYZd");
    let update = forged
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let verdict = b.judge(&update, "me").unwrap();
    assert_eq!(
        verdict.inserted,
        vec![collab::Span {
            client: 5,
            clock: 3,
            len: 1
        }]
    );
    b.doc
        .transact_mut()
        .apply_update(yrs::Update::decode_v1(&update).unwrap())
        .unwrap();
    assert_eq!(text.get_string(&b.doc.transact()), "abcd");
}

#[test]
fn readers_change_nothing_but_may_repeat_what_is_known() {
    let mut b = Bench::new(Shape::note(), 5);
    let text = b.doc.get_or_insert_text("content");
    let first = b.edit(|t| text.insert(t, 0, "abc"));
    let cut = b.edit(|t| text.remove_range(t, 0, 1));
    let reader = author("reader");
    let reads = Writer {
        author: &reader,
        may_edit: false,
        server: false,
    };
    assert_eq!(
        b.index
            .verify(&first, reads, &mut |_| false)
            .map_err(|r| r.code),
        Err(Code::NoPermission)
    );
    assert!(b.judge(&first, "me").is_ok());
    assert_eq!(
        b.index
            .verify(&cut, reads, &mut |_| false)
            .map_err(|r| r.code),
        Err(Code::NoPermission)
    );
    assert!(b.judge(&cut, "me").is_ok());
    assert_eq!(
        b.index.verify(&cut, reads, &mut |_| false),
        Ok(Verdict::default())
    );
}

#[test]
fn holes_and_unknown_references_are_refused() {
    let mut b = Bench::new(Shape::note(), 5);
    let text = b.doc.get_or_insert_text("content");
    let _lost = b.edit(|t| text.insert(t, 0, "abc"));
    let gapped = b.edit(|t| text.insert(t, 3, "def"));
    assert_eq!(b.judge(&gapped, "me"), Err(Code::Malformed));
    // Deleting what nobody wrote.
    assert_eq!(b.judge(&[0, 1, 77, 1, 0, 5], "me"), Err(Code::Malformed));
    // An origin that nobody wrote: client 9, clock 0, origin (8, 3), "x".
    assert_eq!(
        b.judge(&[1, 1, 9, 0, 0x84, 8, 3, 1, b'x', 0], "me"),
        Err(Code::Malformed)
    );
    // Two structs that need each other: clients 9 and 8.
    assert_eq!(
        b.judge(
            &[
                2, 1, 9, 0, 0x84, 8, 0, 1, b'x', 1, 8, 0, 0x84, 9, 0, 1, b'y', 0
            ],
            "me"
        ),
        Err(Code::Malformed)
    );
}

#[test]
fn texts_have_a_length() {
    let mut b = Bench::new(sheet(), 5);
    let insert = |len: usize| {
        on_fields(move |t, f| {
            let Some(Out::YText(text)) = f.get(t, "summary") else {
                panic!()
            };
            text.insert(t, 0, &"x".repeat(len));
        })
    };
    assert!(b.try_edit(insert(990)).is_ok());
    let mut full = Bench::new(sheet(), 5);
    assert_eq!(full.try_edit(insert(1001)), Err(Code::TooLarge));
    let remove = on_fields(|t, f| {
        let Some(Out::YText(text)) = f.get(t, "summary") else {
            panic!()
        };
        text.remove_range(t, 0, 500);
    });
    assert!(b.try_edit(remove).is_ok());
    assert!(b.try_edit(insert(500)).is_ok());
    assert_eq!(b.try_edit(insert(500)), Err(Code::TooLarge));
}

#[test]
fn personal_numbers_in_values_are_refused() {
    let mut b = Bench::new(sheet(), 5);
    assert_eq!(
        b.try_edit(on_fields(|t, f| {
            f.insert(t, "remark", NUMBER);
        })),
        Err(Code::PersonalNumber)
    );
    let mut b = Bench::new(sheet(), 5);
    let as_key = on_fields(|t, f| {
        let h = inner(t, &f, "household");
        h.insert(t, NUMBER, MapPrelim::default());
    });
    assert_eq!(b.try_edit(as_key), Err(Code::PersonalNumber));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Update::parse(&bytes);
        let mut b = Bench::new(Shape::note(), 5);
        let _ = b.judge(&bytes, "me");
    }

    /// Real updates, cut and bent. Whatever the walker lets pass, yrs takes without a hole.
    #[test]
    fn mutated_updates_never_panic_and_leave_no_hole(
        pick in any::<proptest::sample::Index>(),
        cut in any::<Option<proptest::sample::Index>>(),
        bends in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        as_sheet in any::<bool>(),
    ) {
        let corpus = corpus();
        let mut update = pick.get(&corpus).clone();
        for (at, value) in bends { let at = at.index(update.len()); update[at] = value; }
        if let Some(cut) = cut { update.truncate(cut.index(update.len())); }
        let mut b = Bench::new(if as_sheet { sheet() } else { Shape::note() }, 5);
        let runs = b.index.runs();
        match b.judge(&update, "me") {
            Ok(_) => {
                let decoded = yrs::Update::decode_v1(&update).expect("yrs reads what the walker passed");
                b.doc.transact_mut().apply_update(decoded).unwrap();
                prop_assert!(!b.doc.transact().has_missing_updates());
                for (client, clock) in b.doc.transact().state_vector().iter() {
                    prop_assert_eq!(b.index.clock(client.get()), *clock);
                }
            }
            Err(_) => prop_assert_eq!(b.index.runs(), runs),
        }
    }
}
