//! Spans in a text that people write, delete and take back while it is scanned.

use super::{
    decisions::{Decisions, Moment, RawSpan},
    marks::Former,
    plan::plan,
    reconcile::Status,
    record::{Position, Scan},
    texts,
    write::anchored,
};
use crate::shapes;
use collab::{Shape, anchor};
use domain::{form, offset::Utf16, section::DocumentKind};
use proptest::prelude::*;
use std::{collections::HashMap, sync::Arc};
use yrs::{
    Doc, GetString, OffsetKind, Options, ReadTxn, Text, TextRef, Transact, undo::UndoManager,
    updates::decoder::Decode,
};

const FIELD: &str = "summary";
/// What stands there first; of it the letters in capitals are marked.
const FIRST: &str = "abcdefGHIJKlmnopq";

/// What one of two people does, or the scanner.
#[derive(Debug, Clone)]
enum Act {
    Insert { who: usize, at: u32, len: usize },
    Delete { who: usize, at: u32, len: u32 },
    Undo(usize),
    Redo(usize),
    Scan,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_usize..2, any::<u32>(), 1_usize..4)
            .prop_map(|(who, at, len)| Act::Insert { who, at, len }),
        // Near the marked letters more often than anywhere else.
        3 => (0_usize..2, 4_u32..12, 1_u32..7)
            .prop_map(|(who, at, len)| Act::Delete { who, at, len }),
        2 => (0_usize..2, any::<u32>(), 1_u32..7)
            .prop_map(|(who, at, len)| Act::Delete { who, at, len }),
        5 => (0_usize..2).prop_map(Act::Undo),
        1 => (0_usize..2).prop_map(Act::Redo),
        4 => Just(Act::Scan),
    ]
}

struct Desk {
    shape: Arc<Shape>,
    people: Vec<Doc>,
    undo: Vec<UndoManager<()>>,
    server: Doc,
    span: RawSpan,
    scan: Option<Scan>,
}

fn document(shape: &Shape, client: u64) -> Doc {
    let mut options = Options::with_client_id(yrs::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    apply(&doc, &collab::seed::seed(shape).unwrap());
    doc
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).unwrap();
    doc.transact_mut_with("elsewhere")
        .apply_update(update)
        .unwrap();
}

impl Desk {
    fn new() -> Self {
        let shape = shapes::of(DocumentKind::Assessment, form::catalogue()).unwrap();
        let people: Vec<Doc> = (11..13).map(|client| document(&shape, client)).collect();
        let server = document(&shape, 10);
        let mut desk = Self {
            span: RawSpan {
                id: "mark".into(),
                field: FIELD.into(),
                start: String::new(),
                end: String::new(),
                label: "PERSON".into(),
                person: None,
                status: Status::Accepted,
                manual: true,
            },
            undo: Vec::new(),
            scan: None,
            shape,
            people,
            server,
        };
        let text = desk.text(&desk.people[0]);
        text.insert(&mut desk.people[0].transact_mut_with("elsewhere"), 0, FIRST);
        desk.tell_all();
        for person in &desk.people {
            let mut manager = UndoManager::with_options(yrs::undo::Options {
                capture_timeout_millis: 0,
                ..Default::default()
            });
            manager.expand_scope(person, &desk.text(person));
            desk.undo.push(manager);
        }
        let text = desk.text(&desk.server);
        let marked = FIRST.find('G').unwrap()..FIRST.find('l').unwrap();
        let (start, end) = anchor::anchor(
            &desk.server.transact(),
            &text,
            Utf16(marked.start)..Utf16(marked.end),
        )
        .unwrap();
        (desk.span.start, desk.span.end) = (start, end);
        desk
    }

    fn text(&self, doc: &Doc) -> TextRef {
        anchor::text_at(&doc.transact(), &self.shape, FIELD).unwrap()
    }

    fn tell_all(&self) {
        for from in self.people.iter().chain([&self.server]) {
            for to in self.people.iter().chain([&self.server]) {
                if !std::ptr::eq(from, to) {
                    let diff = from
                        .transact()
                        .encode_diff_v1(&to.transact().state_vector());
                    apply(to, &diff);
                }
            }
        }
    }

    fn act(&mut self, act: Act, letters: &mut impl Iterator<Item = char>) {
        match act {
            Act::Insert { who, at, len } => {
                let text = self.text(&self.people[who]);
                let mut txn = self.people[who].transact_mut();
                let size = text.len(&txn);
                let words: String = letters.take(len).collect();
                // The first letter stays the first.
                text.insert(&mut txn, 1 + at % size, &words);
            }
            Act::Delete { who, at, len } => {
                let text = self.text(&self.people[who]);
                let mut txn = self.people[who].transact_mut();
                let size = text.len(&txn);
                if size > 1 {
                    let at = 1 + at % (size - 1);
                    text.remove_range(&mut txn, at, len.min(size - at));
                }
            }
            Act::Undo(who) => drop(self.undo[who].undo_blocking()),
            Act::Redo(who) => drop(self.undo[who].redo_blocking()),
            Act::Scan => {}
        }
        self.tell_all();
    }

    /// One scan that finds nothing by itself. Returns what a masked reader sees of the text, with a
    /// block for every masked letter.
    fn scan(&mut self) -> String {
        let definition = form::catalogue().definition("intake_assessment").unwrap();
        let txn = self.server.transact();
        let at = Position { epoch: 1, seq: 1 };
        let moment = Moment::of(&txn, &self.shape, vec![self.span.clone()], at);
        let decisions = Decisions {
            spans: vec![self.span.clone()],
            at: None,
        };
        let former = self
            .scan
            .as_ref()
            .map(|scan| Former::of(definition, scan))
            .unwrap_or_default();
        let all = texts(definition, &moment.values);
        let plan = plan(&former, &decisions, &moment, &all, &HashMap::new());
        assert_eq!(plan.removals, [], "the mark is gone");
        let all: HashMap<String, String> = all.into_iter().collect();
        for wanted in plan.anchorings {
            if wanted.id == self.span.id {
                let made = anchored(&txn, &self.shape, &all, wanted).unwrap();
                self.span.start = made.start.unwrap_or_else(|| self.span.start.clone());
                self.span.end = made.end.unwrap_or_else(|| self.span.end.clone());
            }
        }
        let mut seen: Vec<char> = all[FIELD].chars().collect();
        for span in plan.spans.get(FIELD).into_iter().flatten() {
            seen[span.start.0..span.end.0].fill('█');
        }
        self.scan = Some(Scan {
            values: moment.values,
            spans: plan.spans,
            emptied: plan.emptied,
            lost: plan.lost,
            ..Scan::default()
        });
        seen.into_iter().collect()
    }

    fn now(&self) -> String {
        self.text(&self.server).get_string(&self.server.transact())
    }
}

#[test]
fn a_mark_whose_letters_come_back_one_by_one_never_shows_them() {
    let mut desk = Desk::new();
    desk.scan();
    let mut letters = "あいうえお".chars();
    let steps = [
        (
            Some(Act::Delete {
                who: 0,
                at: 5,
                len: 1,
            }),
            "abcdef████lmnopq",
        ),
        // Somebody writes within it: the surface as it was is nowhere any more.
        (
            Some(Act::Insert {
                who: 1,
                at: 6,
                len: 1,
            }),
            "abcdef█████lmnopq",
        ),
        (Some(Act::Undo(0)), "abcdef██████lmnopq"),
        (
            Some(Act::Delete {
                who: 0,
                at: 5,
                len: 4,
            }),
            "abcdef██lmnopq",
        ),
        (
            Some(Act::Delete {
                who: 0,
                at: 5,
                len: 2,
            }),
            "abcdeflmnopq",
        ),
        (None, "abcdeflmnopq"),
        (Some(Act::Undo(0)), "abcdef██lmnopq"),
        (Some(Act::Undo(0)), "abcdef██████lmnopq"),
    ];
    for (step, (act, expected)) in steps.into_iter().enumerate() {
        if let Some(act) = act {
            desk.act(act, &mut letters);
        }
        assert_eq!(desk.scan(), expected, "step {step}, {}", desk.now());
    }
}

#[test]
fn a_mark_that_no_scan_has_seen_hides_the_clause_before_what_is_gone() {
    let mut desk = Desk::new();
    let mut letters = "、".chars();
    desk.act(
        Act::Insert {
            who: 1,
            at: 2,
            len: 1,
        },
        &mut letters,
    );
    desk.act(
        Act::Delete {
            who: 0,
            at: 6,
            len: 2,
        },
        &mut letters,
    );
    desk.act(Act::Undo(0), &mut letters);
    assert_eq!(desk.now(), "abc、defGHIJKlmnopq");
    assert_eq!(desk.scan(), "abc、████████lmnopq");
}

/// `PLANS=20000` for a long run.
fn cases() -> u32 {
    let set = std::env::var("PLANS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is deleted and brought back, at the borders too, whole or by parts: no scan shows a
    /// marked letter or what stands between two of them, and the rest of the text does not vanish.
    #[test]
    fn what_was_marked_never_becomes_visible(acts in proptest::collection::vec(act(), 1..40)) {
        let mut desk = Desk::new();
        desk.scan();
        let mut letters = (0_u32..).map(|i| char::from_u32(0x4e00 + i).unwrap());
        for act in acts {
            let scans = matches!(act, Act::Scan);
            desk.act(act, &mut letters);
            if !scans {
                continue;
            }
            let (seen, now) = (desk.scan(), desk.now());
            let marked = |c: char| c.is_ascii_uppercase();
            if let (Some(first), Some(last)) = (now.find(marked), now.rfind(marked)) {
                let count = |end: usize| now[..end].chars().count();
                let between: String =
                    seen.chars().skip(count(first)).take(count(last) + 1 - count(first)).collect();
                prop_assert!(between.chars().all(|c| c == '█'), "{} of {}", seen, now);
            }
            prop_assert!(seen.starts_with('a'), "{} of {}", seen, now);
        }
    }
}
