//! This node among the others on its database: follows changes of rights, tells open screens what
//! other nodes did.
//!
//! **Invariant:** a right that was taken away anywhere, on another node or at the command line, is
//! gone from this node's sockets within a second, with the bus or without: the database is asked
//! every [`LOOK`], and a word from the bus only makes it sooner. So is a right whose last day ended.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use collab::{Word, access::Change};
use domain::{clock::Clock, id::MunicipalityId};
use jiff::{civil::Date, tz::TimeZone};
use parking_lot::Mutex;
use store::{municipalities, rights::Recorded};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{events, state::AppState};

/// How often the database is asked whether rights have changed.
const LOOK: Duration = Duration::from_millis(400);
/// How often it is asked for new municipalities.
const ZONES: Duration = Duration::from_secs(60);
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
    let mut days = Days::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => days.look(&state).await,
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

/// The business day of each municipality. When it changes, rights that are bound to days (of the matrix,
/// memberships, consents, bases) begin and end without anybody doing anything: everybody is asked anew.
#[derive(Default)]
struct Days {
    /// Zones are read again every [`ZONES`].
    read: Option<Instant>,
    known: HashMap<MunicipalityId, (TimeZone, Date)>,
}

impl Days {
    async fn look(&mut self, state: &AppState) {
        if self.read.is_none_or(|read| read.elapsed() >= ZONES) {
            match timeout(PATIENCE, zones(state)).await {
                Ok(Ok(zones)) => self.take(zones, state.db().clock().as_ref()),
                Ok(Err(error)) => tracing::warn!(%error, "zones of municipalities cannot be read"),
                Err(_) => tracing::warn!("zones of municipalities cannot be read: no answer"),
            }
            // A database that is away is asked again with the next round.
            self.read = Some(Instant::now());
        }
        for municipality in self.turned(state.db().clock().as_ref()) {
            state
                .hub()
                .access_changed(&Change::Municipality(municipality));
        }
    }

    /// Takes up new municipalities; of those that are known a day that turns meanwhile is still told.
    fn take(&mut self, zones: Vec<(MunicipalityId, TimeZone)>, clock: &dyn Clock) {
        for (municipality, zone) in zones {
            let today = clock.today(&zone);
            self.known
                .entry(municipality)
                .and_modify(|known| known.0 = zone.clone())
                .or_insert((zone, today));
        }
    }

    /// Municipalities in which another day began since the last question.
    fn turned(&mut self, clock: &dyn Clock) -> Vec<MunicipalityId> {
        let mut out = Vec::new();
        for (municipality, (zone, day)) in &mut self.known {
            let today = clock.today(zone);
            if today != *day {
                *day = today;
                out.push(municipality.clone());
            }
        }
        out
    }
}

async fn zones(state: &AppState) -> store::Result<Vec<(MunicipalityId, TimeZone)>> {
    let mut tx = state.db().read().await?;
    let all = municipalities::list(&mut tx).await?;
    Ok(all
        .into_iter()
        .map(|municipality| {
            let zone = municipality.time_zone();
            (municipality.id, zone)
        })
        .collect())
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
    use domain::{
        disclosure::{Disclosure, Level},
        section::{DocumentKind, Section},
    };
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

    /// A right whose last day is today ends with the day, without anybody doing anything.
    #[tokio::test]
    async fn a_day_that_turns_ends_rights() {
        let town = Town::open().await;
        let state = &town.state;
        let partner = town.caller("partner").await;
        let mut tx = state.db().write().await.unwrap();
        let coordinator = town.caller("coordinator").await;
        let access = tx.case_for(&coordinator, &town.case).await.unwrap();
        let row = Disclosure {
            agency: partner.viewer.agency.clone(),
            section: Section::Assessment,
            level: Level::Edit,
            comment: false,
            from: None,
            to: Some(partner.viewer.today),
        };
        access
            .unwrap()
            .set_disclosures(&mut tx, &[row], None)
            .await
            .unwrap();
        // One that outlives the day.
        let (_, token) = store::AdminAccess::of_installation(&"town".into())
            .create_token(
                &mut tx,
                &partner.viewer.membership,
                "night",
                &[],
                jiff::SignedDuration::from_hours(48),
            )
            .await
            .unwrap();
        let partner = sessions::bearer(&mut tx, &token).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let stop = CancellationToken::new();
        let following = tokio::spawn(follow(state.clone(), stop.clone()));
        let sheet = &town.documents[&DocumentKind::Assessment];
        let (_incoming, mut outgoing) = state
            .hub()
            .connect(identity_of(&partner), sheet)
            .await
            .unwrap()
            .split();
        tokio::time::sleep(LOOK * 2).await;
        let midnight = partner
            .viewer
            .today
            .tomorrow()
            .unwrap()
            .in_tz("Asia/Tokyo")
            .unwrap()
            .timestamp();
        let mut ended = Box::pin(async { while outgoing.next().await.is_some() {} });
        town.store
            .clock
            .set(midnight - jiff::SignedDuration::from_secs(1));
        assert!(
            tokio::time::timeout(LOOK * 3, &mut ended).await.is_err(),
            "it holds until the day is over"
        );
        town.store.clock.set(midnight);
        let began = Instant::now();
        tokio::time::timeout(Duration::from_secs(5), &mut ended)
            .await
            .expect("the socket ends");
        drop(ended);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(outgoing.end(), Some(collab::Code::NoPermission));
        stop.cancel();
        following.await.unwrap();
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
