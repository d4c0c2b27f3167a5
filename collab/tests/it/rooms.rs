//! Rooms: durability, permission, presence, limits, lifecycle.

use crate::structs::{Parent, Wire, between, item, text};
use crate::support::{NUMBER, Peer, World, author, identity, number_check, world, world_on};
use bytes::Bytes;
use collab::access::{Change, Denial, Level};
use collab::frame::{Code, Frame};
use collab::memory::Fault;
use collab::{HubError, Limits, Shape, UpdateLog};
use std::sync::Arc;
use std::time::{Duration, Instant};
use yrs::{GetString, Map, Out, ReadTxn, Text};

fn quick() -> Limits {
    Limits {
        presence: Duration::from_millis(5),
        ..Limits::default()
    }
}

#[tokio::test]
async fn two_people_write_and_a_third_reads_it_all() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "相談").await;
    assert!(a.barrier(b"1").await);
    b.settle().await;
    b.insert(2, "受付😀").await;
    assert!(b.barrier(b"2").await);
    a.settle().await;
    let c = Peer::join(&w.hub, "c", &note, 13).await.unwrap();
    assert_eq!(a.content(), "相談受付😀");
    assert_eq!((b.content(), c.content()), (a.content(), a.content()));
    assert_eq!(w.content(&note).await, a.content());
}

#[tokio::test]
async fn nothing_is_seen_or_acknowledged_before_it_is_durable() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    w.log.take(Duration::from_millis(1500), Duration::ZERO);
    a.insert(0, "x").await;
    a.send(Frame::Barrier(b"p").encode()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    a.settle().await;
    b.settle().await;
    assert!(a.acks.is_empty() && b.content().is_empty());
    assert_eq!(w.content(&note).await, "");
    let late = Peer::join(&w.hub, "late", &note, 13).await.unwrap();
    assert_eq!(late.content(), "");
    while a.acks.is_empty() && !a.ended {
        a.read_one(Duration::from_secs(5)).await;
    }
    b.settle().await;
    assert_eq!(a.acks, vec![b"p".to_vec()]);
    assert_eq!(b.content(), "x");
}

#[tokio::test]
async fn what_arrives_during_an_append_shares_the_next() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    w.log.take(Duration::from_millis(50), Duration::ZERO);
    let before = w.log.calls().1;
    for i in 0..100 {
        a.insert(i, "y").await;
    }
    assert!(a.barrier(b"").await);
    assert!(
        w.log.calls().1 - before <= 4,
        "{} appends",
        w.log.calls().1 - before
    );
    assert_eq!(w.content(&note).await.len(), 100);
}

#[tokio::test]
async fn acknowledged_edits_survive_a_crash_at_any_append() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    for i in 0..30 {
        a.insert(0, "a").await;
        if i % 3 == 0 {
            assert!(a.barrier(b"").await);
            b.settle().await;
            let visible = b.content().len();
            // The process dies here: what the disk holds, a new process reads.
            let after = world_on(w.log.after_crash(), quick());
            let text = after.content(&note).await;
            assert!(
                text.len() > i,
                "acknowledged {} but kept {}",
                i + 1,
                text.len()
            );
            assert!(text.len() >= visible, "seen by others but not kept");
        }
    }
}

#[tokio::test]
async fn a_log_that_is_away_is_waited_for() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    w.log.set_fault(Fault::Refuse);
    a.insert(0, "kept").await;
    a.send(Frame::Barrier(b"1").encode()).await;
    a.settle().await;
    assert!(a.acks.is_empty());
    w.log.set_fault(Fault::None);
    assert!(a.barrier(b"2").await);
    assert_eq!(w.content(&note).await, "kept");
}

#[tokio::test]
async fn a_commit_that_may_have_happened_is_not_done_twice() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    w.log.set_fault(Fault::WriteAndFail);
    a.insert(0, "once").await;
    assert!(a.barrier(b"1").await);
    w.log.set_fault(Fault::None);
    a.insert(4, " more").await;
    assert!(a.barrier(b"2").await);
    b.settle().await;
    assert_eq!(b.content(), "once more");
    assert_eq!(w.log.tail(&note), 2);
}

#[tokio::test]
async fn a_log_that_stays_away_is_told_to_the_writer_and_the_others_read_on() {
    let w = world(Limits {
        append_patience: Duration::from_millis(100),
        ..quick()
    });
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    w.log.set_fault(Fault::Refuse);
    a.insert(0, "lost?").await;
    a.send(Frame::Barrier(b"1").encode()).await;
    assert_eq!(a.read_to_end().await, Some(Code::Overloaded as u64));
    assert!(b.barrier(b"1").await, "who wrote nothing stays");
    assert!(a.acks.is_empty() && b.content().is_empty());
    let mut late = Peer::join(&w.hub, "c", &note, 13).await.unwrap();
    assert!(late.content().is_empty(), "nothing undurable is shown");
    // The client kept its copy and sends it when the log is back.
    w.log.set_fault(Fault::None);
    let mut again = Peer::rejoin(&w.hub, "a", &note, a.doc).await.unwrap();
    assert!(again.barrier(b"2").await);
    b.settle().await;
    late.settle().await;
    assert_eq!(
        (b.content().as_str(), late.content().as_str()),
        ("lost?", "lost?")
    );
    assert_eq!(w.content(&note).await, "lost?");
    assert_eq!(w.log.calls().0, 1, "one load: the room was never given up");
}

#[tokio::test]
async fn two_nodes_on_one_log_converge() {
    let one = world(quick());
    let note = one.note().await;
    let two = world_on(one.log.clone(), quick());
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&two.hub, "b", &note, 12).await.unwrap();
    for _ in 0..10 {
        a.insert(0, "a").await;
        b.insert(0, "b").await;
        assert!(a.barrier(b"").await && b.barrier(b"").await);
    }
    let seq = one.hub.read(&note, |view| view.seq).await.unwrap();
    two.hub.nudge(&note, 1, seq.max(20));
    one.hub.nudge(&note, 1, 20);
    a.settle().await;
    b.settle().await;
    assert_eq!(a.content(), b.content());
    assert_eq!(a.content().len(), 20);
}

#[tokio::test]
async fn who_may_not_is_refused_with_the_code() {
    let w = world(quick());
    let note = w.note().await;
    for (denial, code) in [
        (Denial::NoPermission, Code::NoPermission),
        (Denial::Masked, Code::Masked),
        (Denial::Gone, Code::Gone),
        (Denial::Unavailable, Code::Overloaded),
    ] {
        w.policy.set("x", Err(denial));
        assert_eq!(w.hub.connect(identity("x"), &note).await.err(), Some(code));
    }
    assert_eq!(
        w.hub.connect(identity("y"), &"nowhere".into()).await.err(),
        Some(Code::Gone)
    );
}

#[tokio::test]
async fn a_reader_reads_and_is_refused_when_it_writes() {
    let w = world(quick());
    let note = w.note().await;
    w.policy.set("reader", Ok(Level::Read));
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "text").await;
    a.remove(0, 1).await;
    assert!(a.barrier(b"").await);
    let mut r = Peer::join(&w.hub, "reader", &note, 12).await.unwrap();
    assert_eq!(r.content(), "ext");
    // A stock client answers with everything it has: no news, no refusal.
    let all =
        yrs::Transact::transact(&r.doc).encode_state_as_update_v1(&yrs::StateVector::default());
    r.send(Frame::SyncStep2(&all).encode()).await;
    assert!(r.barrier(b"").await);
    r.insert(0, "no").await;
    assert_eq!(r.read_to_end().await, Some(Code::NoPermission as u64));
    assert_eq!(r.outgoing.end(), Some(Code::NoPermission));
    assert_eq!(w.content(&note).await, "ext");
}

#[tokio::test]
async fn a_refused_update_is_never_acknowledged() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let elsewhere = a.doc.get_or_insert_text("elsewhere");
    a.edit(|t| elsewhere.insert(t, 0, "x")).await;
    assert!(!a.barrier(b"1").await);
    assert_eq!(a.refused, Some(Code::ShapeNotAllowed as u64));
}

#[tokio::test]
async fn a_revoked_right_cuts_the_socket_within_a_second() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    w.policy.set("b", Err(Denial::NoPermission));
    let began = Instant::now();
    w.hub.access_changed(&Change::Documents(vec![note.clone()]));
    tokio::time::sleep(Duration::from_millis(50)).await;
    a.insert(0, "canary").await;
    assert!(a.barrier(b"").await);
    assert_eq!(b.read_to_end().await, Some(Code::NoPermission as u64));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(!b.content().contains("canary"));
    // What was granted lower closes as well; what was granted higher goes on.
    w.policy.set("a", Ok(Level::Read));
    w.hub.access_changed(&Change::Account("acc-a".into()));
    assert_eq!(a.read_to_end().await, Some(Code::NoPermission as u64));
}

#[tokio::test]
async fn queued_frames_do_not_outlive_the_right() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "canary").await;
    assert!(a.barrier(b"").await);
    w.policy.set("b", Err(Denial::NoPermission));
    w.hub.access_changed(&Change::Everything);
    tokio::time::sleep(Duration::from_millis(100)).await;
    b.read_to_end().await;
    assert!(b.content().is_empty());
}

#[tokio::test]
async fn forged_authors_are_refused_and_writing_is_attributed() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "mine").await;
    assert!(a.barrier(b"").await);
    let mut evil = Peer::join(&w.hub, "evil", &note, 11).await.unwrap();
    evil.insert(0, "forged").await;
    assert_eq!(evil.read_to_end().await, Some(Code::ForeignAuthor as u64));
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    b.remove(0, 2).await;
    assert!(b.barrier(b"").await);
    let who = w.hub.authors_of(&note).await.unwrap();
    let wrote = who.iter().find(|f| !f.authored.deletion).unwrap();
    let removed = who.iter().find(|f| f.authored.deletion).unwrap();
    assert_eq!(
        (wrote.field.as_deref(), &wrote.authored.author),
        (Some("content"), &author("a"))
    );
    assert_eq!(
        (removed.authored.span.len, &removed.authored.author),
        (2, &author("b"))
    );
}

#[tokio::test]
async fn presence_is_stamped_and_cannot_be_forged() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    let mut evil = Peer::join(&w.hub, "evil", &note, 13).await.unwrap();
    let frame = |client: u64, clock: u64, json: &str| {
        let state = collab::presence::State {
            client,
            clock,
            json,
        };
        Frame::Awareness(&collab::presence::encode([state].into_iter())).encode()
    };
    let seen = |peer: &Peer, client: u64| -> Option<String> {
        peer.awareness.iter().rev().find_map(|update| {
            let states = collab::presence::decode(update).unwrap();
            states
                .iter()
                .find(|s| s.client == client)
                .map(|s| s.json.to_owned())
        })
    };
    a.send(frame(4242, 1, r#"{"user":{"name":"議長"},"cursor":3}"#))
        .await;
    b.settle().await;
    let state = seen(&b, 4242).unwrap();
    assert!(
        state.contains(r#""name":"a""#)
            && state.contains(r#""cursor":3"#)
            && !state.contains("議長")
    );
    evil.send(frame(4242, 50, r#"{"cursor":9}"#)).await;
    evil.send(frame(4242, 51, "null")).await;
    b.settle().await;
    assert_eq!(seen(&b, 4242).unwrap(), state);
    // An id under which somebody else has written is taken as well.
    a.insert(0, "x").await;
    evil.send(frame(11, 1, "{}")).await;
    b.settle().await;
    assert!(seen(&b, 11).is_none_or(|s| !s.contains("evil")));
    // Who leaves disappears.
    a.incoming = None;
    b.settle().await;
    assert_eq!(seen(&b, 4242).as_deref(), Some("null"));
    // And a newcomer is told who is there.
    b.send(frame(12, 1, r#"{"typing":true}"#)).await;
    b.settle().await;
    let c = Peer::join(&w.hub, "c", &note, 14).await.unwrap();
    assert!(seen(&c, 12).unwrap().contains("typing"));
}

#[tokio::test]
async fn hostile_messages_close_only_their_sender() {
    let w = world(quick());
    let note = w.note().await;
    let mut by = Peer::join(&w.hub, "by", &note, 11).await.unwrap();
    let shots: [(&[u8], Code); 8] = [
        (&[255, 255, 255, 255, 255, 1, 2, 3], Code::Malformed),
        (&[], Code::Malformed),
        (&[77, 1, 2], Code::Malformed),
        (&[0, 2, 5, 1, 5, 9, 0, 4], Code::Malformed),
        (&[0, 2, 6, 255, 255, 255, 255, 15, 1], Code::Malformed),
        (&[0, 0, 3, 255, 255, 1], Code::Malformed),
        (&[1, 3, 9, 9, 9], Code::Malformed),
        (&[0; 3 << 20], Code::TooLarge),
    ];
    for (shot, code) in shots {
        let mut evil = Peer::join(&w.hub, "evil", &note, 66).await.unwrap();
        evil.send(Bytes::copy_from_slice(shot)).await;
        assert_eq!(
            evil.read_to_end().await,
            Some(code as u64),
            "{:?}",
            &shot[..shot.len().min(10)]
        );
    }
    let mut big = Peer::join(&w.hub, "big", &note, 67).await.unwrap();
    big.insert(0, &"z".repeat((1 << 20) + 1)).await;
    assert_eq!(big.read_to_end().await, Some(Code::TooLarge as u64));
    by.insert(0, "still works").await;
    assert!(by.barrier(b"").await);
}

#[tokio::test]
async fn a_copy_of_another_epoch_is_refused() {
    let w = world(quick());
    let note = w.note().await;
    let join = async |epoch| {
        let joined = w.hub.connect_at(identity("a"), &note, epoch).await;
        joined.map(drop).err()
    };
    assert_eq!(join(None).await, None);
    assert_eq!(join(Some(1)).await, None);
    assert_eq!(join(Some(2)).await, Some(Code::Gone));
    // Replaced: the copy from before is the old one now.
    let loaded = w.log.load(&note).await.unwrap();
    let shape = Arc::new(Shape::note());
    let snapshot = collab::erasure::present(&shape, &loaded, collab::erasure::Past::Erase).unwrap();
    assert_eq!(w.hub.replace(&note, snapshot).await, Ok(2));
    assert_eq!(join(Some(1)).await, Some(Code::Gone));
    assert_eq!(join(Some(2)).await, None);
}

#[tokio::test]
async fn a_document_grows_so_far_and_no_further() {
    let w = world(Limits {
        document: 1_000,
        ..quick()
    });
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, &"z".repeat(900)).await;
    assert!(a.barrier(b"").await);
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    b.insert(0, &"y".repeat(90)).await;
    assert_eq!(b.read_to_end().await, Some(Code::TooLarge as u64));
    // What fits still does.
    a.insert(0, "x").await;
    assert!(a.barrier(b"").await);
    assert_eq!(w.content(&note).await.len(), 901);
}

#[tokio::test]
async fn a_letter_between_two_the_wrong_way_round_closes_only_its_sender() {
    let w = world(quick());
    let note = w.note().await;
    let mut by = Peer::join(&w.hub, "by", &note, 11).await.unwrap();
    by.insert(0, "相談").await;
    assert!(by.barrier(b"").await);
    let (first, second) = (Some((11, 0)), Some((11, 1)));
    let durable = vec![between(second, first, text("記"))];
    // Beside a letter that nobody has yet.
    let own = vec![
        between(first, second, text("記")),
        between(second, Some((66, 0)), text("録")),
    ];
    for pieces in [durable, own] {
        let mut evil = Peer::join(&w.hub, "evil", &note, 66).await.unwrap();
        let update = Wire::of(66, 0, pieces).encode();
        evil.send(Frame::Update(&update).encode()).await;
        assert_eq!(evil.read_to_end().await, Some(Code::Malformed as u64));
    }
    // While what it stands between is on its way, and after both were deleted.
    by.insert(1, "続").await;
    by.insert(0, "前").await;
    by.insert(2, "中").await;
    by.remove(0, 5).await;
    assert!(by.barrier(b"").await);
    assert_eq!(by.content(), "");
    let mut evil = Peer::join(&w.hub, "evil", &note, 66).await.unwrap();
    let update = Wire::of(66, 0, vec![between(second, first, text("記"))]).encode();
    evil.send(Frame::Update(&update).encode()).await;
    assert_eq!(evil.read_to_end().await, Some(Code::Malformed as u64));
    assert_eq!(w.content(&note).await, "");
}

#[tokio::test]
async fn a_personal_number_typed_digit_by_digit_is_stopped() {
    let w = world(quick());
    let note = w.note().await;
    let shape = Shape::note().with_personal_number_check(Arc::new(number_check));
    w.policy
        .shapes
        .lock()
        .unwrap()
        .insert("note1".into(), Arc::new(shape));
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "番号は").await;
    for (i, digit) in NUMBER.chars().enumerate().take(11) {
        a.insert(3 + i as u32, &digit.to_string()).await;
    }
    assert!(a.barrier(b"").await);
    a.insert(14, &NUMBER[11..]).await;
    assert_eq!(a.read_to_end().await, Some(Code::PersonalNumber as u64));
    assert!(!w.content(&note).await.contains(NUMBER));
    // Removing what keeps the digits apart does it too.
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    b.insert(14, &format!("x{}", &NUMBER[11..])).await;
    assert!(b.barrier(b"").await);
    let mut c = Peer::join(&w.hub, "c", &note, 13).await.unwrap();
    c.remove(14, 1).await;
    assert_eq!(c.read_to_end().await, Some(Code::PersonalNumber as u64));
    assert!(!w.content(&note).await.contains(NUMBER));
}

#[tokio::test]
async fn a_personal_number_behind_words_that_were_not_looked_at_is_stopped() {
    let w = world(quick());
    let note = w.note().await;
    let shape = Shape::note().with_personal_number_check(Arc::new(number_check));
    w.policy
        .shapes
        .lock()
        .unwrap()
        .insert("note1".into(), Arc::new(shape));
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    // Looked at, not looked at, and one that hangs on the latter.
    a.insert(0, "電話0312345678と090").await;
    a.insert(16, "番号").await;
    assert!(a.barrier(b"").await);
    a.insert(18, NUMBER).await;
    assert_eq!(a.read_to_end().await, Some(Code::PersonalNumber as u64));
    assert!(!w.content(&note).await.contains(NUMBER));
}

#[tokio::test]
async fn the_server_writes_as_somebody_through_the_same_way() {
    let w = world(quick());
    let sheet = w.sheet().await;
    let mut a = Peer::join(&w.hub, "a", &sheet, 11).await.unwrap();
    let fields = a.doc.get_or_insert_map("fields");
    let (seq, ()) = w
        .hub
        .write_as(&author("b"), &sheet, |txn| {
            let fields = txn.get_map("fields").unwrap();
            fields.insert(txn, "route", "family");
            let Some(Out::YText(text)) = fields.get(txn, "summary") else {
                panic!()
            };
            text.insert(txn, 0, "下書き");
        })
        .await
        .unwrap();
    assert_eq!(seq, 2);
    w.hub
        .write_as(&author("b"), &sheet, |txn| {
            let fields = txn.get_map("fields").unwrap();
            let Some(Out::YText(text)) = fields.get(txn, "summary") else {
                panic!()
            };
            text.insert(txn, 0, "再");
        })
        .await
        .unwrap();
    a.settle().await;
    let txn = yrs::Transact::transact(&a.doc);
    assert_eq!(fields.get(&txn, "route").unwrap().to_string(&txn), "family");
    let Some(Out::YText(text)) = fields.get(&txn, "summary") else {
        panic!()
    };
    assert_eq!(text.get_string(&txn), "再下書き");
    drop(txn);
    let refused = w
        .hub
        .write_as(&author("b"), &sheet, |txn| {
            let fields = txn.get_map("fields").unwrap();
            fields.insert(txn, "route", "nonsense");
        })
        .await;
    assert!(matches!(
        refused,
        Err(HubError::Refused {
            code: Code::ShapeNotAllowed,
            ..
        })
    ));
    let who = w.hub.authors_of(&sheet).await.unwrap();
    assert!(
        who.iter()
            .any(|f| f.field.as_deref() == Some("summary") && f.authored.author == author("b"))
    );
    let value = w
        .hub
        .read(&sheet, |view| {
            collab::values::fields(&view.txn, &view.shape)
        })
        .await
        .unwrap();
    assert_eq!(value["summary"], "再下書き");
    // Nothing to write: nothing appended.
    let (seq, ()) = w.hub.write_as(&author("b"), &sheet, |_| ()).await.unwrap();
    assert_eq!(seq, 3);
}

#[tokio::test]
async fn a_slow_reader_is_resynchronised_and_a_dead_one_closed() {
    let w = world(Limits {
        outbox_frames: 32,
        lag: Duration::from_millis(700),
        ..quick()
    });
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut slow = Peer::join(&w.hub, "slow", &note, 12).await.unwrap();
    let mut dead = Peer::join(&w.hub, "dead", &note, 13).await.unwrap();
    for i in 0..200 {
        a.insert(i, "q").await;
        assert!(a.barrier(b"").await);
    }
    slow.settle().await;
    slow.settle().await;
    assert_eq!(slow.content(), a.content());
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(dead.read_to_end().await, Some(Code::Overloaded as u64));
}

#[tokio::test]
async fn sixty_people_opening_at_once_load_once_and_lose_nothing() {
    let w = world(quick());
    let note = w.note().await;
    w.hub
        .write_as(&author("s"), &note, |t| {
            let c = t.get_text("content").unwrap();
            c.insert(t, 0, "stored");
        })
        .await
        .unwrap();
    let w = world_on(w.log.after_crash(), quick());
    w.log.take(Duration::ZERO, Duration::from_millis(100));
    let joins = (0..60).map(|i| {
        let (hub, note) = (w.hub.clone(), note.clone());
        tokio::spawn(async move {
            let mut peer = Peer::join(&hub, &format!("p{i}"), &note, 100 + i)
                .await
                .unwrap();
            assert!(peer.content().ends_with("stored"), "answered before loaded");
            for _ in 0..5 {
                peer.insert(0, "k").await;
            }
            assert!(peer.barrier(b"").await);
        })
    });
    for join in joins.collect::<Vec<_>>() {
        join.await.unwrap();
    }
    assert_eq!(w.log.calls().0, 1);
    assert_eq!(w.content(&note).await.len(), 6 + 60 * 5);
}

#[tokio::test]
async fn rooms_unload_when_idle_and_come_back() {
    let w = world(Limits {
        idle: Duration::from_millis(80),
        ..quick()
    });
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "abc").await;
    assert!(a.barrier(b"").await);
    drop(a);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(w.hub.rooms(), 0);
    assert_eq!(w.content(&note).await, "abc");
    assert_eq!(w.log.calls().0, 2);
}

#[tokio::test]
async fn compaction_keeps_the_text_and_the_authors_and_forgets_the_deleted() {
    let w = world(Limits {
        compact_entries: 20,
        ..quick()
    });
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "SECRET ").await;
    a.remove(0, 7).await;
    for i in 0..40 {
        a.insert(i, "m").await;
        assert!(a.barrier(b"").await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(w.log.tail(&note) < 30);
    let loaded = w.log.load(&note).await.unwrap();
    let state = loaded.snapshot.unwrap().state;
    assert!(!String::from_utf8_lossy(&state).contains("SECRET"));
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, "m".repeat(40));
    let mut evil = Peer::join(&after.hub, "evil", &note, 11).await.unwrap();
    evil.insert(0, "forged").await;
    assert_eq!(
        evil.read_to_end().await,
        Some(Code::ForeignAuthor as u64),
        "the binding survives compaction"
    );
    assert!(
        after
            .hub
            .authors_of(&note)
            .await
            .unwrap()
            .iter()
            .any(|f| f.authored.author == author("a"))
    );
    let mut back = Peer::rejoin(&after.hub, "a", &note, a.doc).await.unwrap();
    back.insert(0, "n").await;
    assert!(
        back.barrier(b"").await,
        "the owner goes on under the same client id"
    );
}

#[tokio::test]
async fn versions_and_a_new_epoch() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "first").await;
    assert!(a.barrier(b"").await);
    let version = w
        .hub
        .keep_version(&author("a"), &note, "会議前")
        .await
        .unwrap();
    assert_eq!(w.log.versions(&note).await.unwrap().len(), 1);
    let snapshot = collab::Snapshot {
        state: version.state,
        authors: Vec::new(),
    };
    assert_eq!(w.hub.replace(&note, snapshot).await.unwrap(), 2);
    assert_eq!(a.read_to_end().await, Some(Code::Gone as u64));
    assert_eq!(w.hub.read(&note, |view| view.epoch).await.unwrap(), 2);
    assert_eq!(w.content(&note).await, "first");
}

#[tokio::test]
async fn consumers_hear_of_durable_changes() {
    let w = world(quick());
    let note = w.note().await;
    let mut feed = w.hub.subscribe();
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "x").await;
    let changed = tokio::time::timeout(Duration::from_secs(2), feed.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((changed.document, changed.epoch, changed.seq), (note, 1, 1));
    assert_eq!(changed.authors, vec![author("a")]);
}

#[tokio::test]
async fn stopping_saves_and_acknowledges_first() {
    let w: World = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    w.log.take(Duration::from_millis(100), Duration::ZERO);
    a.insert(0, "last words").await;
    a.send(Frame::Barrier(b"1").encode()).await;
    assert!(w.hub.shutdown(Duration::from_secs(3)).await);
    assert_eq!(a.read_to_end().await, Some(Code::Overloaded as u64));
    assert_eq!(a.acks.len(), 1);
    assert_eq!(
        w.hub.connect(identity("b"), &note).await.err(),
        Some(Code::Overloaded)
    );
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, "last words");
}

#[tokio::test]
async fn a_document_takes_so_many_connections() {
    let w = world(Limits {
        connections_per_document: 2,
        ..quick()
    });
    let note = w.note().await;
    let _a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let _b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    assert_eq!(
        Peer::join(&w.hub, "c", &note, 13).await.err(),
        Some(Code::Overloaded)
    );
}

const CONTENT: Parent = Parent::Root("content");

/// A letter, and something that names the letter as its parent: yrs refuses the whole of it.
fn unloadable(client: u64) -> Vec<u8> {
    let nested = item(Parent::Nested((client, 0)), None, text("b"));
    Wire::of(client, 0, vec![item(CONTENT, None, text("a")), nested]).encode()
}

#[tokio::test]
async fn no_update_makes_a_document_unreachable() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "kept").await;
    let gc = crate::structs::Piece::Gc(1);
    let wires = [
        unloadable(66),
        // Waits for its own second letter.
        Wire::of(
            66,
            0,
            vec![
                between(Some((66, 1)), None, text("a")),
                item(CONTENT, None, text("b")),
            ],
        )
        .encode(),
        // An empty deletion at the end of what is known, with something new.
        Wire::of(66, 0, vec![item(CONTENT, None, text("a"))])
            .deleting(66, &[(1, 0)])
            .encode(),
        Wire::of(
            66,
            0,
            vec![gc, between(Some((66, 0)), Some((11, 0)), text("x"))],
        )
        .encode(),
    ];
    for wire in wires {
        let mut evil = Peer::join(&w.hub, "evil", &note, 66).await.unwrap();
        evil.send(Frame::Update(&wire).encode()).await;
        assert!(!evil.barrier(b"").await);
        assert_eq!(evil.refused, Some(Code::Malformed as u64));
    }
    a.insert(4, " on").await;
    assert!(a.barrier(b"").await);
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, "kept on");
}

#[tokio::test]
async fn garbage_of_ones_own_is_taken() {
    // A row made and deleted while offline arrives as garbage.
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let pieces = vec![
        crate::structs::Piece::Gc(3),
        item(CONTENT, None, text("here")),
        between(Some((11, 1)), Some((11, 2)), text("gone")),
    ];
    let wire = Wire::of(11, 0, pieces)
        .deleting(11, &[(0, 3), (7, 4)])
        .encode();
    a.send(Frame::Update(&wire).encode()).await;
    assert!(a.barrier(b"").await, "{:?}", a.refused);
    assert_eq!(w.content(&note).await, "here");
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, "here");
}

/// As an entry of the log, past the room.
async fn append(w: &World, note: &domain::id::DocumentId, who: &str, wires: &[Vec<u8>]) {
    let loaded = w.log.load(note).await.unwrap();
    let last = loaded.entries.last().map_or(loaded.snapshot_seq, |e| e.0);
    let entries: Vec<_> = wires
        .iter()
        .map(|update| collab::Entry {
            update: update.clone().into(),
            author: author(who),
            at: jiff::Timestamp::UNIX_EPOCH,
            inserted: Vec::new(),
            deleted: Vec::new(),
        })
        .collect();
    w.log
        .append(note, loaded.epoch, last, &entries)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_is_set_aside_and_the_rest_stays_readable() {
    let w = world(Limits {
        compact_entries: 4,
        idle: Duration::from_millis(80),
        ..quick()
    });
    let note = w.note().await;
    let letter = |client, letter: &str| {
        Wire::of(client, 0, vec![item(CONTENT, None, text(letter))]).encode()
    };
    let wires = [
        letter(3, "x"),
        unloadable(66),
        // Builds on it, and was seen by nobody either.
        Wire::of(66, 2, vec![between(Some((66, 1)), None, text("c"))]).encode(),
        Wire::of(
            67,
            0,
            vec![
                between(Some((67, 1)), None, text("d")),
                item(CONTENT, None, text("e")),
            ],
        )
        .encode(),
        letter(4, "y"),
    ];
    append(&w, &note, "evil", &wires).await;
    assert_eq!(w.content(&note).await, "xy");
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    for i in 0..10 {
        a.insert(i, "a").await;
        assert!(a.barrier(b"").await);
    }
    // Whoever looks into it finds it in the log.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(w.log.tail(&note), wires.len() + 10);
    let text = w.content(&note).await;
    assert_eq!(text.len(), 12);
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, text);
    // The ids it would have taken are free.
    let mut b = Peer::join(&after.hub, "evil", &note, 66).await.unwrap();
    b.insert(0, "b").await;
    assert!(b.barrier(b"").await);
}

#[tokio::test]
async fn what_was_set_aside_can_be_cleared() {
    let compacting = || Limits {
        compact_entries: 4,
        ..quick()
    };
    let w = world(compacting());
    let note = w.note().await;
    assert_eq!(w.hub.clear_aside(&note).await, Ok(Vec::new()));
    let w = world_on(w.log.after_crash(), compacting());
    let good = Wire::of(3, 0, vec![item(CONTENT, None, text("x"))]).encode();
    append(&w, &note, "c", &[good, unloadable(66)]).await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "kept").await;
    assert!(a.barrier(b"").await);
    let aside = w.hub.set_aside(&note).await.unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].seq, 2);
    assert_eq!(w.log.tail(&note), 3);
    assert_eq!(w.hub.clear_aside(&note).await, Ok(aside));
    assert_eq!(w.hub.set_aside(&note).await, Ok(Vec::new()));
    assert_eq!(w.log.tail(&note), 0);
    // Everybody goes on, under the same epoch, with the same authors, and it is compacted again.
    for i in 0..10 {
        a.insert(i, "a").await;
        assert!(a.barrier(b"").await);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(w.log.tail(&note) < 10, "not compacted");
    assert_eq!(w.hub.read(&note, |view| view.epoch).await, Ok(1));
    let content = w.content(&note).await;
    assert_eq!(content.len(), 15);
    let after = world_on(w.log.after_crash(), quick());
    assert_eq!(after.content(&note).await, content);
    assert_eq!(after.hub.set_aside(&note).await, Ok(Vec::new()));
    let who = after.hub.authors_of(&note).await.unwrap();
    assert!(who.iter().any(|f| f.authored.author == author("a")));
}

/// A room that waits for an append and has nobody any more must not spin.
#[test]
fn a_room_that_only_waits_for_the_log_rests() {
    let (done, over) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let w = world(Limits {
                idle: Duration::from_millis(80),
                ..quick()
            });
            let note = w.note().await;
            let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
            // Long, and shorter than a room waits for an answer.
            w.log.take(Duration::from_secs(5), Duration::ZERO);
            a.insert(0, "x").await;
            drop(a);
            // Virtual time passes only while everybody rests.
            tokio::time::sleep(Duration::from_secs(6)).await;
            assert_eq!(w.log.tail(&note), 1);
        });
        done.send(()).unwrap();
    });
    over.recv_timeout(Duration::from_secs(20))
        .expect("it spins");
}

#[tokio::test]
async fn who_comes_from_another_node_is_not_taken_for_a_forger() {
    let one = world(quick());
    let note = one.note().await;
    let two = world_on(one.log.clone(), quick());
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&one.hub, "b", &note, 12).await.unwrap();
    // The second node has the document open and hears of nothing.
    let mut c = Peer::join(&two.hub, "c", &note, 13).await.unwrap();
    a.insert(0, "of a").await;
    assert!(a.barrier(b"").await);
    b.settle().await;
    b.insert(4, ", of b").await;
    assert!(b.barrier(b"").await);
    let content = b.doc.get_or_insert_text("content");
    let unsent = {
        let mut txn = yrs::Transact::transact_mut(&b.doc);
        content.insert(&mut txn, 4, "?");
        txn.encode_update_v1()
    };
    // The first node dies. A new copy of b's sends again what hangs on words of that node.
    let mut fresh = Peer::join(&two.hub, "b", &note, 14).await.unwrap();
    fresh.send(Frame::Update(&unsent).encode()).await;
    assert!(fresh.barrier(b"").await, "{:?}", fresh.refused);
    // What the old copy holds is a's, too.
    let mut b = Peer::rejoin(&two.hub, "b", &note, b.doc).await.unwrap();
    b.insert(0, "! ").await;
    assert!(b.barrier(b"").await, "{:?}", b.refused);
    c.settle().await;
    assert_eq!(c.content(), "! of a?, of b");
}

#[tokio::test]
async fn who_looks_into_the_log_notices_an_erasure() {
    let one = world(quick());
    let note = one.note().await;
    let two = world_on(one.log.clone(), quick());
    let mut a = Peer::join(&one.hub, "a", &note, 11).await.unwrap();
    a.insert(0, "erased over there").await;
    assert!(a.barrier(b"").await);
    let version = two.hub.keep_version(&author("b"), &note, "").await;
    let snapshot = collab::Snapshot {
        state: version.unwrap().state,
        authors: Vec::new(),
    };
    assert_eq!(two.hub.replace(&note, snapshot).await, Ok(2));
    // A hint from before makes it look.
    one.hub.nudge(&note, 1, 50);
    assert_eq!(a.read_to_end().await, Some(Code::Gone as u64));
}

#[tokio::test]
async fn a_late_hint_of_an_epoch_that_is_over_does_no_harm() {
    let w = world(quick());
    let note = w.note().await;
    let state = w
        .hub
        .keep_version(&author("a"), &note, "")
        .await
        .unwrap()
        .state;
    let authors = Vec::new();
    let snapshot = collab::Snapshot { state, authors };
    w.hub.replace(&note, snapshot).await.unwrap();
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    w.hub.nudge(&note, 1, 50);
    a.insert(0, "x").await;
    assert!(a.barrier(b"").await, "{:?}", a.refused);
    w.hub.nudge(&note, 3, 0);
    assert_eq!(a.read_to_end().await, Some(Code::Gone as u64));
}

#[tokio::test]
async fn another_node_s_bad_entry_does_not_stop_this_one() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "one").await;
    assert!(a.barrier(b"").await);
    append(&w, &note, "evil", &[unloadable(66)]).await;
    a.insert(3, " two").await;
    assert!(a.barrier(b"").await);
    b.settle().await;
    assert_eq!(b.content(), "one two");
}

#[tokio::test]
async fn a_value_deleted_before_it_was_named_a_parent_does_not_spoil_the_load() {
    // Committed by itself each, yrs takes the last: the letter is collected by then.
    let w = world(quick());
    let note = w.note().await;
    let wires = [
        Wire::of(3, 0, vec![item(CONTENT, None, text("xy"))]).encode(),
        Wire::default().deleting(3, &[(0, 1)]).encode(),
        Wire::of(
            4,
            0,
            vec![
                item(Parent::Nested((3, 0)), None, text("b")),
                item(CONTENT, None, text("z")),
            ],
        )
        .encode(),
    ];
    append(&w, &note, "evil", &wires).await;
    assert_eq!(w.content(&note).await.len(), 2);
}

/// The first append hangs and comes to nothing.
async fn hanging() -> (World, domain::id::DocumentId) {
    let w = world(Limits {
        append_patience: Duration::ZERO,
        ..quick()
    });
    let note = w.note().await;
    w.log.take(Duration::from_millis(1500), Duration::ZERO);
    w.log.set_fault(Fault::Refuse);
    (w, note)
}

#[tokio::test]
async fn who_comes_back_is_not_told_saved_before_it_is() {
    for fails in [true, false] {
        let (w, note) = hanging().await;
        if !fails {
            w.log.set_fault(Fault::None);
        }
        let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
        a.insert(0, "x").await;
        // The socket drops; the provider comes back and sends again what the server lacks.
        let mut again = Peer::rejoin(&w.hub, "a", &note, a.doc).await.unwrap();
        again.send(Frame::Barrier(b"p").encode()).await;
        again.settle().await;
        assert!(again.acks.is_empty(), "called saved while the log hangs");
        if fails {
            assert_eq!(again.read_to_end().await, Some(Code::Overloaded as u64));
            assert!(again.acks.is_empty());
            assert_eq!(w.log.tail(&note), 0);
        } else {
            assert!(again.read_one(Duration::from_secs(3)).await);
            again.settle().await;
            assert_eq!(again.acks, vec![b"p".to_vec()]);
            assert_eq!(w.log.tail(&note), 1);
        }
    }
}

#[tokio::test]
async fn the_server_is_not_told_saved_before_it_is() {
    let (w, note) = hanging().await;
    let write = |text: &'static str| {
        let (hub, note) = (w.hub.clone(), note.clone());
        tokio::spawn(async move {
            hub.write_as(&author("s"), &note, move |txn| {
                // Finds its words there already the second time.
                let content = txn.get_text("content").unwrap();
                if content.get_string(txn) != text {
                    content.insert(txn, 0, text);
                }
            })
            .await
        })
    };
    let first = write("x");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = write("x");
    assert!(matches!(
        second.await.unwrap(),
        Err(HubError::Unavailable(_))
    ));
    assert!(matches!(
        first.await.unwrap(),
        Err(HubError::Unavailable(_))
    ));
    assert_eq!(w.log.tail(&note), 0);
}

#[tokio::test]
async fn what_is_known_does_not_go_out_again_as_it_came() {
    let w = world(quick());
    let note = w.note().await;
    let mut a = Peer::join(&w.hub, "a", &note, 11).await.unwrap();
    let mut b = Peer::join(&w.hub, "b", &note, 12).await.unwrap();
    a.insert(0, "one").await;
    assert!(a.barrier(b"").await);
    b.settle().await;
    // The known letters name a neighbour that nobody has: yjs would wait for it, with all that follows.
    let pieces = vec![
        between(Some((99, 7)), None, text("one")),
        between(Some((11, 2)), None, text(" two")),
    ];
    a.send(Frame::Update(&Wire::of(11, 0, pieces).encode()).encode())
        .await;
    assert!(a.barrier(b"").await, "{:?}", a.refused);
    let frame = tokio::time::timeout(Duration::from_secs(3), b.outgoing.next()).await;
    let frame = frame.unwrap().unwrap();
    let Ok(Frame::Update(update)) = Frame::decode(&frame) else {
        panic!("{frame:?}")
    };
    let update = collab::update::Update::parse(update).unwrap();
    let clocks: Vec<_> = update
        .structs
        .iter()
        .map(|s| (s.id.client, s.id.clock, s.len))
        .collect();
    assert_eq!(clocks, vec![(11, 3, 4)]);
    assert_eq!(w.content(&note).await, "one two");
}
