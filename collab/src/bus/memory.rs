//! The bus in memory, for tests: loses, doubles, delays and reorders on demand, and can be cut.

use super::{Bus, Health, Heard, Message};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;

/// What goes wrong on the way, drawn anew for every message and every listener.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Probabilities, 0 to 1.
    pub loss: f64,
    pub doubling: f64,
    /// Each copy arrives after up to this long, so messages overtake each other.
    pub delay: Duration,
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    faults: Faults,
    links: Vec<(broadcast::Sender<Heard>, bool)>,
}

/// See the module. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct MemoryBus {
    state: Arc<Mutex<State>>,
}

impl MemoryBus {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            links: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// A node's end.
    #[must_use]
    pub fn link(&self) -> Arc<MemoryLink> {
        let mut state = self.state.lock();
        state.links.push((broadcast::channel(1024).0, true));
        Arc::new(MemoryLink {
            bus: self.clone(),
            number: state.links.len() - 1,
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }
}

/// One node's end of a [`MemoryBus`].
#[derive(Debug)]
pub struct MemoryLink {
    bus: MemoryBus,
    number: usize,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl MemoryLink {
    /// Nothing goes out or comes in any more, and the bus knows it.
    pub fn cut(&self) {
        self.bus.state.lock().links[self.number].1 = false;
    }

    /// Connected again; the listener is told that it may have missed something.
    pub fn heal(&self) {
        let mut state = self.bus.state.lock();
        let (sender, up) = &mut state.links[self.number];
        *up = true;
        let _ = sender.send(Heard::Gap);
    }
}

impl Bus for MemoryLink {
    fn publish(&self, message: Message) {
        let message = Arc::new(message);
        let mut state = self.bus.state.lock();
        let State { rng, faults, links } = &mut *state;
        if !links[self.number].1 {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        for (number, (sender, up)) in links.iter().enumerate() {
            if number == self.number || !*up || rng.random_bool(faults.loss) {
                continue;
            }
            for _ in 0..=usize::from(rng.random_bool(faults.doubling)) {
                let heard = Heard::Message(Arc::clone(&message));
                if faults.delay.is_zero() {
                    let _ = sender.send(heard);
                } else {
                    let delay = faults.delay.mul_f64(rng.random());
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = sender.send(heard);
                    });
                }
            }
        }
    }

    fn listen(&self) -> broadcast::Receiver<Heard> {
        self.bus.state.lock().links[self.number].0.subscribe()
    }

    fn health(&self) -> Health {
        Health {
            up: self.bus.state.lock().links[self.number].1,
            sent: self.sent.load(Ordering::Relaxed),
            heard: 0,
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    fn presence_every(&self) -> Duration {
        Duration::from_millis(50)
    }
}
