//! A hub among others on one log: hears hints, beats, and looks into the log by itself when hints
//! may have been lost.

use crate::bus::{Bus, Health, Heard, Message, NodeId, Note};
use crate::hub::{Hub, Shared};
use crate::log::LogError;
use crate::room::Control;
use domain::id::{DocumentId, MunicipalityId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// How often a node says and looks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Says that it lives.
    pub beat: Duration,
    /// A node not heard for so long is dead; its presence ends.
    pub dead: Duration,
    /// Heads of the open documents are compared this often while there is no bus or it is away.
    pub alone: Duration,
    /// And this often while hints come in: one may be lost.
    pub together: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(2),
            dead: Duration::from_secs(7),
            alone: Duration::from_millis(700),
            together: Duration::from_secs(5),
        }
    }
}

/// What several nodes cost and how they do, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Entries of other nodes taken over one by one.
    pub taken_over: u64,
    /// Appends that another node was faster than.
    pub conflicts: u64,
    /// Documents loaded anew because entries were missing or could not be applied.
    pub reloads: u64,
    /// Nodes heard lately, this one not counted.
    pub nodes: u64,
    /// `None`: one node only, or nothing but looking into the log.
    pub bus: Option<Health>,
}

/// A word from another node, or from the bus itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// See [`Note::Told`].
    Told {
        municipality: Option<MunicipalityId>,
        topic: String,
        body: String,
    },
    /// Rights changed somewhere: look into the database.
    Rights,
    /// Words may have been missed.
    Gap,
    /// A node stopped or died; what it had still to do is open.
    Gone(NodeId),
}

/// The hub's part in it.
pub(crate) struct Abroad {
    pub(crate) node: NodeId,
    joined: AtomicBool,
    bus: OnceLock<Arc<dyn Bus>>,
    words: broadcast::Sender<Word>,
    nodes: Mutex<HashMap<NodeId, Instant>>,
    /// The last look into the log failed, and that was said.
    failing: AtomicBool,
    pub(crate) taken_over: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) reloads: AtomicU64,
}

impl Abroad {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            joined: AtomicBool::new(false),
            bus: OnceLock::new(),
            words: broadcast::channel(1024).0,
            nodes: Mutex::new(HashMap::new()),
            failing: AtomicBool::new(false),
            taken_over: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
        }
    }

    pub(crate) fn bus(&self) -> Option<&Arc<dyn Bus>> {
        self.bus.get()
    }

    /// Other nodes may write to the log.
    pub(crate) fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Hints come in.
    fn is_heard(&self) -> bool {
        self.bus.get().is_some_and(|bus| bus.health().up)
    }

    pub(crate) fn publish(&self, municipality: Option<&MunicipalityId>, note: Note) {
        // Hints for nobody: a node that starts loads what it opens, and says that it is there.
        let hint = matches!(note, Note::Changed { .. } | Note::Presence { .. });
        if hint && self.nodes.lock().is_empty() {
            return;
        }
        if let Some(bus) = self.bus.get() {
            bus.publish(Message {
                from: self.node,
                municipality: municipality.cloned(),
                note,
            });
        }
    }
}

impl Hub {
    /// From now on other nodes may write to the same log. `bus`: what carries hints; without one the
    /// hub looks into the log often. Call it once, before the first connection.
    ///
    /// The task ends with the hub.
    pub fn join_nodes(&self, bus: Option<Arc<dyn Bus>>, pace: Pace) -> JoinHandle<()> {
        self.shared().abroad.joined.store(true, Ordering::Relaxed);
        let listening = bus.as_ref().map(|bus| bus.listen());
        if let Some(bus) = bus
            && self.shared().abroad.bus.set(bus).is_err()
        {
            tracing::error!("nodes joined twice");
        }
        tokio::spawn(keep_up(Arc::downgrade(self.shared()), listening, pace))
    }

    /// This process among the nodes.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared().abroad.node
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        let abroad = &self.shared().abroad;
        Figures {
            taken_over: abroad.taken_over.load(Ordering::Relaxed),
            conflicts: abroad.conflicts.load(Ordering::Relaxed),
            reloads: abroad.reloads.load(Ordering::Relaxed),
            nodes: abroad.nodes.lock().len() as u64,
            bus: abroad.bus.get().map(|bus| bus.health()),
        }
    }

    /// Says something to the other nodes' applications. Ids and codes only, at most
    /// [`LARGEST_MESSAGE`](crate::bus::LARGEST_MESSAGE); may be lost.
    pub fn tell_nodes(&self, municipality: Option<&MunicipalityId>, note: Note) {
        self.shared().abroad.publish(municipality, note);
    }

    /// What the other nodes say to the application. Lagging is a gap.
    #[must_use]
    pub fn words(&self) -> broadcast::Receiver<Word> {
        self.shared().abroad.words.subscribe()
    }

    /// Looks into the log for what open documents miss, now.
    ///
    /// # Errors
    /// The log's.
    pub async fn look(&self) -> Result<(), LogError> {
        look(self.shared()).await
    }
}

async fn look(shared: &Shared) -> Result<(), LogError> {
    let open: Vec<DocumentId> = shared.rooms.lock().keys().cloned().collect();
    for some in open.chunks(500) {
        for (document, epoch, seq) in shared.log.heads(some).await? {
            shared.nudge(&document, epoch, seq);
        }
    }
    Ok(())
}

async fn next(listening: &mut Option<broadcast::Receiver<Heard>>) -> Heard {
    let Some(receiver) = listening else {
        return std::future::pending().await;
    };
    match receiver.recv().await {
        Ok(heard) => heard,
        Err(RecvError::Lagged(_)) => Heard::Gap,
        Err(RecvError::Closed) => {
            *listening = None;
            Heard::Gap
        }
    }
}

async fn keep_up(hub: Weak<Shared>, mut listening: Option<broadcast::Receiver<Heard>>, pace: Pace) {
    let mut beat = interval(pace.beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now() + pace.alone;
    // Beside the hints: a database that hangs must not keep them waiting.
    let mut looking: Option<JoinHandle<()>> = None;
    loop {
        let heard = tokio::select! {
            heard = next(&mut listening) => Some(heard),
            _ = beat.tick() => None,
            () = sleep_until(due) => {
                let Some(shared) = hub.upgrade() else { return };
                let pause = if shared.abroad.is_heard() { pace.together } else { pace.alone };
                due = Instant::now() + pause;
                if looking.as_ref().is_none_or(JoinHandle::is_finished) {
                    looking = Some(tokio::spawn(look_within(shared)));
                }
                continue;
            }
        };
        let Some(shared) = hub.upgrade() else { return };
        match heard {
            Some(Heard::Message(message)) => take(&shared, &message),
            Some(Heard::Gap) => {
                due = Instant::now();
                // Whoever was silent may only not have been heard.
                for heard in shared.abroad.nodes.lock().values_mut() {
                    *heard = due;
                }
                shared.abroad.publish(None, Note::Alive);
                ask_all(&shared);
                let _ = shared.abroad.words.send(Word::Gap);
            }
            None => {
                shared.abroad.publish(None, Note::Alive);
                if shared.abroad.is_heard() {
                    bury(&shared, pace.dead);
                } else {
                    // Who hears nothing knows nothing of the others, and looks sooner.
                    due = due.min(Instant::now() + pace.alone);
                }
            }
        }
    }
}

async fn look_within(shared: Arc<Shared>) {
    let patience = shared.limits.append_patience;
    let weak = Arc::downgrade(&shared);
    drop(shared);
    let looked = timeout(patience, async {
        match weak.upgrade() {
            Some(shared) => look(&shared).await,
            None => Ok(()),
        }
    });
    let failure = match looked.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    if let Some(shared) = weak.upgrade() {
        let failing = &shared.abroad.failing;
        let before = failing.swap(failure.is_some(), Ordering::Relaxed);
        if let (Some(error), false) = (failure, before) {
            tracing::warn!(error, "the log cannot be looked into");
        }
    }
}

/// After a gap: what was missed of presence, and what the others may have missed of us.
fn ask_all(shared: &Shared) {
    for handle in shared.rooms.lock().values() {
        let _ = handle.control.send(Control::AfterGap);
    }
}

fn take(shared: &Shared, message: &Message) {
    if message.from == shared.abroad.node {
        return;
    }
    if message.note != Note::Bye {
        let mut nodes = shared.abroad.nodes.lock();
        if nodes.insert(message.from, Instant::now()).is_none() {
            tracing::info!(node = message.from.0, "another node is there");
            drop(nodes);
            // It may not know of this one yet.
            shared.abroad.publish(None, Note::Alive);
        }
    }
    let to_room = |document: &DocumentId, control: Control| {
        if let Some(handle) = shared.rooms.lock().get(document) {
            let _ = handle.control.send(control);
        }
    };
    match &message.note {
        Note::Alive => {}
        Note::Bye => gone(shared, message.from),
        Note::Changed {
            document,
            epoch,
            seq,
        } => shared.nudge(document, *epoch, *seq),
        Note::Rights => drop(shared.abroad.words.send(Word::Rights)),
        Note::Presence { document, states } => to_room(
            document,
            Control::Sighted(Box::new((message.from, states.clone()))),
        ),
        Note::WhoIsThere { document } => to_room(document, Control::WhoIsThere),
        Note::Told { topic, body } => drop(shared.abroad.words.send(Word::Told {
            municipality: message.municipality.clone(),
            topic: topic.clone(),
            body: body.clone(),
        })),
    }
}

fn bury(shared: &Shared, after: Duration) {
    let dead: Vec<NodeId> = {
        let nodes = shared.abroad.nodes.lock();
        let silent = nodes.iter().filter(|(_, heard)| heard.elapsed() >= after);
        silent.map(|(node, _)| *node).collect()
    };
    for node in dead {
        tracing::warn!(node = node.0, "a node is not heard any more");
        gone(shared, node);
    }
}

fn gone(shared: &Shared, node: NodeId) {
    shared.abroad.nodes.lock().remove(&node);
    for handle in shared.rooms.lock().values() {
        let _ = handle.control.send(Control::NodeGone(node));
    }
    let _ = shared.abroad.words.send(Word::Gone(node));
}
