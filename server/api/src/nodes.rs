//! This node among the others on its database: follows changes of rights, tells open screens what
//! other nodes did.
//!
//! **Invariant:** a right that was taken away anywhere, on another node or at the command line, is
//! gone from this node's sockets within a second, with the bus or without: the database is asked
//! every [`LOOK`], and a word from the bus only makes it sooner.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use collab::{Word, access::Change};
use domain::id::MunicipalityId;
use parking_lot::Mutex;
use store::rights::Recorded;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{events, state::AppState};

/// How often the database is asked whether rights have changed.
const LOOK: Duration = Duration::from_millis(400);
/// Longest answer that is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Without an answer for so long nobody can say any more who may read what: all are asked anew, and
/// whose right cannot be confirmed is let go.
const UNSURE: Duration = Duration::from_secs(8);

/// Changes that were made by this process and need not be followed again.
#[derive(Debug, Default)]
pub struct Applied(Mutex<HashSet<(MunicipalityId, i64)>>);

impl Applied {
    pub(crate) fn note(&self, recorded: Recorded) {
        self.0.lock().insert((recorded.municipality, recorded.seq));
    }

    fn take(&self, recorded: &Recorded) -> bool {
        let key = (recorded.municipality.clone(), recorded.seq);
        self.0.lock().remove(&key)
    }

    fn forget_up_to(&self, municipality: &MunicipalityId, seq: i64) {
        self.0
            .lock()
            .retain(|(of, at)| of != municipality || *at > seq);
    }
}

/// Runs until `stop`.
pub async fn follow(state: AppState, stop: CancellationToken) {
    let mut words = state.hub().words();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rights = Rights::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
            word = words.recv() => match word {
                Ok(Word::Rights) => {}
                Ok(Word::Told { municipality: Some(municipality), topic, body }) => {
                    if topic == events::TOPIC {
                        state.events().heard(&municipality, &body);
                    }
                    continue;
                }
                Ok(Word::Gap) | Err(RecvError::Lagged(_)) => state.events().missed(),
                Ok(_) => continue,
                Err(RecvError::Closed) => return,
            },
        }
        rights.look(&state).await;
    }
}

/// How far changes of rights are followed.
struct Rights {
    /// `None` before the first answer: what was before needs no following.
    known: Option<HashMap<MunicipalityId, i64>>,
    answered: Instant,
    /// The last question was not answered, and that was said.
    failing: bool,
}

impl Rights {
    fn new() -> Self {
        Self {
            known: None,
            answered: Instant::now(),
            failing: false,
        }
    }

    async fn look(&mut self, state: &AppState) {
        if self.known.is_some() && state.hub().rooms() == 0 {
            // Nobody to let go; whoever comes is asked for then.
            self.answered = Instant::now();
            return;
        }
        let failure = match timeout(PATIENCE, self.ask(state)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer".to_owned()),
        };
        match &failure {
            None => self.answered = Instant::now(),
            Some(error) if !self.failing => {
                tracing::warn!(error, "changes of rights cannot be read");
            }
            Some(_) => {}
        }
        self.failing = failure.is_some();
        if self.answered.elapsed() >= UNSURE {
            self.answered = Instant::now();
            state.hub().access_changed(&Change::Everything);
        }
    }

    async fn ask(&mut self, state: &AppState) -> store::Result<()> {
        let heads = state.db().rights_heads().await?;
        let Some(known) = &mut self.known else {
            self.known = Some(heads.into_iter().collect());
            return Ok(());
        };
        for (municipality, head) in heads {
            let seen = known.get(&municipality).copied().unwrap_or(0);
            if head <= seen {
                continue;
            }
            let changes = state.db().rights_after(&municipality, seen).await?;
            let upto = match changes {
                Some(changes) if changes.last().is_some_and(|last| last.seq >= head) => {
                    for recorded in &changes {
                        if !state.applied().take(recorded) {
                            state.hub().access_changed(&recorded.change);
                        }
                    }
                    changes.last().map_or(head, |last| last.seq)
                }
                _ => {
                    let everybody = Change::Municipality(municipality.clone());
                    state.hub().access_changed(&everybody);
                    head
                }
            };
            state.applied().forget_up_to(&municipality, upto);
            known.insert(municipality, upto);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::section::DocumentKind;
    use store::sessions;

    use super::*;
    use crate::{access::identity_of, operations::transcripts::tests::Town};

    #[tokio::test]
    async fn what_another_process_changes_is_followed() {
        let town = Town::open().await;
        let state = &town.state;
        let stop = CancellationToken::new();
        let following = tokio::spawn(follow(state.clone(), stop.clone()));
        let sheet = &town.documents[&DocumentKind::Assessment];
        let caller = town.caller("coordinator").await;
        let (_incoming, mut outgoing) = state
            .hub()
            .connect(identity_of(&caller), sheet)
            .await
            .unwrap()
            .split();
        tokio::time::sleep(LOOK).await;
        // As the command line does it: no word to the hub.
        let mut tx = state.db().write().await.unwrap();
        let account = caller.viewer.account.clone();
        store::AdminAccess::of_installation(&"town".into())
            .stop_account(&mut tx, &account)
            .await
            .unwrap();
        tx.rights_changed(&"town".into(), Change::Account(account));
        tx.commit().await.unwrap();
        let began = Instant::now();
        let ended = async { while outgoing.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .expect("the socket ends");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(outgoing.end(), Some(collab::Code::NoPermission));
        stop.cancel();
        following.await.unwrap();
        // Swept in time.
        let mut tx = state.db().write().await.unwrap();
        assert_eq!(store::rights::sweep(&mut tx).await.unwrap(), 0);
        sessions::sweep(&mut tx).await.unwrap();
    }

    #[tokio::test]
    async fn who_fell_behind_the_sweep_asks_for_everybody() {
        let town = Town::open().await;
        let (state, town_id) = (&town.state, MunicipalityId::from("town"));
        let mut rights = Rights::new();
        rights.ask(state).await.unwrap();
        for _ in 0..2 {
            let tx = state.db().write().await.unwrap();
            state
                .commit_rights(tx, &town_id, Change::Account("x".into()))
                .await
                .unwrap();
        }
        assert_eq!(state.applied().0.lock().len(), 2);
        let after = state.db().rights_after(&town_id, 0).await.unwrap();
        assert_eq!(after.unwrap().len(), 2);
        assert_eq!(state.db().rights_after(&town_id, -1).await.unwrap(), None);
        rights.ask(state).await.unwrap();
        assert!(state.applied().0.lock().is_empty());
        let known = rights.known.as_ref().unwrap();
        assert_eq!(known[&town_id], 2);
    }
}
