//! Random plans: peers write, delete, disconnect and come back while the log stumbles, compacts
//! and the process restarts. At the end all replicas and the log agree, and nothing acknowledged
//! is missing.

use crate::support::{Peer, doc, world, world_on};
use collab::Limits;
use collab::memory::Fault;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u16, u8),
    Delete(u8, u16, u8),
    Read(u8),
    Barrier(u8),
    Reconnect(u8),
    Restart,
    Fault(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u8..4, any::<u16>(), 1_u8..6).prop_map(|(p, at, n)| Step::Insert(p, at, n)),
        4 => (0_u8..4, any::<u16>(), 1_u8..4).prop_map(|(p, at, n)| Step::Delete(p, at, n)),
        3 => (0_u8..4).prop_map(Step::Read),
        3 => (0_u8..4).prop_map(Step::Barrier),
        1 => (0_u8..4).prop_map(Step::Reconnect),
        1 => Just(Step::Restart),
        1 => (0_u8..3).prop_map(Step::Fault),
    ]
}

fn limits() -> Limits {
    Limits {
        compact_entries: 15,
        compact_bytes: 1 << 20,
        outbox_frames: 24,
        ..Limits::default()
    }
}

async fn run(plan: Vec<Step>) {
    const LETTERS: [&str; 6] = ["a", "相", "😀", "zz", "談", "q"];
    let mut w = world(limits());
    let note = w.note().await;
    let name = |p: usize| format!("p{p}");
    let mut peers = Vec::new();
    for p in 0..4_usize {
        peers.push(
            Peer::join(&w.hub, &name(p), &note, 1000 + p as u64)
                .await
                .unwrap(),
        );
    }
    for step in plan {
        match step {
            Step::Insert(p, at, n) => {
                let peer = &mut peers[p as usize];
                let len = peer.content().encode_utf16().count() as u32;
                let text = LETTERS[n as usize % 6].repeat(n as usize);
                peer.insert(u32::from(at) % (len + 1), &text).await;
            }
            Step::Delete(p, at, n) => {
                let peer = &mut peers[p as usize];
                let len = peer.content().encode_utf16().count() as u32;
                if len > 0 {
                    let at = u32::from(at) % len;
                    peer.remove(at, u32::from(n).min(len - at)).await;
                }
            }
            Step::Read(p) => while peers[p as usize].read_one(Duration::from_millis(2)).await {},
            Step::Barrier(p) => {
                if !peers[p as usize].ended {
                    w.log.set_fault(Fault::None);
                    assert!(
                        peers[p as usize].barrier(b"x").await,
                        "refused {:?}",
                        peers[p as usize].refused
                    );
                }
            }
            Step::Reconnect(p) => {
                let p = p as usize;
                let old = std::mem::replace(&mut peers[p].doc, doc(1));
                peers[p] = Peer::rejoin(&w.hub, &name(p), &note, old).await.unwrap();
            }
            Step::Restart => {
                let log = w.log.after_crash();
                w = world_on(log, limits());
                for (p, peer) in peers.iter_mut().enumerate() {
                    let old = std::mem::replace(&mut peer.doc, doc(1));
                    *peer = Peer::rejoin(&w.hub, &name(p), &note, old).await.unwrap();
                }
            }
            Step::Fault(0) => w.log.set_fault(Fault::Refuse),
            Step::Fault(1) => w.log.set_fault(Fault::WriteAndFail),
            Step::Fault(_) => w.log.set_fault(Fault::None),
        }
    }
    w.log.set_fault(Fault::None);
    for peer in &mut peers {
        assert!(peer.barrier(b"end").await, "refused {:?}", peer.refused);
    }
    for peer in &mut peers {
        peer.settle().await;
    }
    let stored = w.content(&note).await;
    for peer in &peers {
        assert_eq!(peer.content(), stored);
        assert_eq!(peer.refused, None);
    }
    let again = world_on(w.log.after_crash(), limits());
    assert_eq!(again.content(&note).await, stored);
}

/// A short set by default; `PLANS=2000` for the long one.
fn cases() -> u32 {
    std::env::var("PLANS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_plans_converge_and_lose_nothing(plan in proptest::collection::vec(step(), 5..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(plan));
    }
}
