//! Random plans over one or two hubs on one log: peers with different rights write, undo, leave
//! and come back, lie and forge; rights change; the log stumbles; hubs die and start again.
//!
//! `PEER_PLANS=2000 PEER_SEED=1 cargo test -p collab --test it peers` runs a long set. A plan that
//! fails is shrunk and saved as JSON, its path is printed, and `PEER_PLAN=PATH` runs it again.
//! Time is virtual: a plan with seconds of waiting takes milliseconds.

mod actor;
mod evil;
mod plan;
mod town;

use plan::Plan;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use town::Tally;

/// Panics anywhere, in tasks of the hub too, where nobody would hear of them.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn run(plan: &Plan) -> Result<Tally, String> {
    let before = PANICS.load(Ordering::SeqCst);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .map_err(|e| e.to_string())?;
        runtime.block_on(town::run(plan))
    }));
    let outcome = outcome.unwrap_or_else(|_| Err("panic".into()));
    if PANICS.load(Ordering::SeqCst) != before {
        return Err(format!("a task panicked ({outcome:?})"));
    }
    outcome
}

/// Leaves out whatever the failure does not need.
fn shrink(mut plan: Plan) -> Plan {
    let mut tries = 300;
    let mut size = plan.steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < plan.steps.len() && tries > 0 {
            let mut smaller = plan.clone();
            smaller.steps.drain(at..(at + size).min(plan.steps.len()));
            tries -= 1;
            if run(&smaller).is_err() {
                plan = smaller;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    plan
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn random_plans_of_many_peers_lose_leak_and_forge_nothing() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    if let Ok(path) = std::env::var("PEER_PLAN") {
        let plan: Plan = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        println!("{:?}", run(&plan).unwrap());
        return;
    }
    let (plans, first) = (number("PEER_PLANS", 40), number("PEER_SEED", 1));
    let began = Instant::now();
    let mut all = Tally::default();
    for seed in first..first + plans {
        let plan = Plan::random(seed);
        let outcome = run(&plan);
        if let Ok(tally) = outcome {
            all.acked += tally.acked;
            all.entries += tally.entries;
            all.lies += tally.lies;
            all.epochs += tally.epochs;
            all.compacted += tally.compacted;
        }
        if let Err(reason) = outcome {
            let smallest = shrink(plan);
            let path = format!("{}/plan-{seed}.json", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&path, serde_json::to_vec_pretty(&smallest).unwrap()).unwrap();
            panic!(
                "plan {seed}: {reason}; {} steps saved: PEER_PLAN={path}",
                smallest.steps.len()
            );
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{plans} plans in {took:.1} s: {:.1} per second; {all:?}",
        plans as f64 / took
    );
    // A run in which nothing happens proves nothing.
    assert!(all.acked > plans as usize && all.lies > 0 && all.entries > plans as usize);
}
