//! Carries approved erasures out, tells the rooms, and has everything derived anew. A node also hears
//! here of what other nodes and the command line erased: other nodes say so at once, and the database
//! is asked besides.
//!
//! **Invariant:** a word from another node only makes a node let go of what it holds: keys, rooms. What
//! was erased it learns from the database.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use collab::{Word, access::Change, bus::Note, hub::Hub};
use domain::{
    clock::instant_text,
    id::{DocumentId, ErasureId, MunicipalityId},
};
use store::{
    StoreError, data_keys,
    erasure::{self, Ended, Told, Touched},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{error::ApiError, events::CaseEvent, search_index, shapes, state::AppState, worker};

/// How often is looked for work that another process approved.
const EVERY: Duration = Duration::from_secs(2);
/// How often is looked whether another process erased something or changed a key.
const LOOK: Duration = Duration::from_millis(500);
/// What other nodes are told under this topic: a document that was rewritten or removed, or nothing,
/// when keys were changed.
const TOPIC: &str = "erasure";

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut past = Past {
        since: instant_text(state.clock().now()),
        heard: HashMap::new(),
        generations: None,
    };
    let mut committed = state.db().subscribe();
    let mut words = state.hub().words();
    if let Err(error) = state.db().take_up_erasures().await {
        tracing::warn!(%error, "erasures not taken up");
    }
    let mut due = Instant::now();
    loop {
        if due <= Instant::now() {
            match turn(&state).await {
                Ok(Some(Ended::Done)) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "erasure not finished; tried again"),
            }
            due = Instant::now() + EVERY;
        }
        if let Err(error) = past.hear(&state).await {
            tracing::warn!(%error, "erasures of other nodes not heard of");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK) => {}
            // Mostly something else was committed; the look is one indexed query.
            _ = committed.changed() => {
                sleep(Duration::from_millis(300)).await;
                due = Instant::now();
            }
            body = told(&mut words) => heard_of(&state, &body),
        }
    }
}

/// One approved erasure, if there is any.
///
/// # Errors
/// Database, log or keys away.
pub async fn turn(state: &AppState) -> Result<Option<Ended>, ApiError> {
    let Some(job) = state.db().next_erasure().await? else {
        return Ok(None);
    };
    let municipality = job.municipality().clone();
    let case = job.erasure().case.clone();
    let mut rewritten = Vec::new();
    let derived = search_index::renewed(state, &municipality, &job.erasure().id, case.as_ref());
    let tell = |told| {
        tell(state.hub(), &told);
        tell_nodes(state.hub(), &municipality, Some(&told));
        if let Told::Epoch(document, _) = told {
            rewritten.push(document);
        }
    };
    let ended = erasure::carry_out(
        state.db(),
        state.document_log(),
        shapes::of,
        job,
        derived,
        tell,
    )
    .await?;
    if ended == Ended::Done {
        tell_nodes(state.hub(), &municipality, None);
        worker::mend(state).await?;
        state.rescan(&rewritten);
    }
    if let Some(case) = case {
        state.events().tell(&municipality, &case, CaseEvent::Case);
    }
    Ok(Some(ended))
}

fn tell(hub: &Hub, told: &Told) {
    match told {
        // A room of another epoch ends with code 6 and is loaded anew.
        Told::Epoch(document, epoch) => hub.nudge(document, *epoch, 0),
        Told::Gone(document) => hub.gone(document),
    }
}

fn tell_nodes(hub: &Hub, municipality: &MunicipalityId, told: Option<&Told>) {
    let touched = told.map(|told| match told {
        Told::Epoch(document, epoch) => Touched {
            id: document.clone(),
            epoch: Some(*epoch),
        },
        Told::Gone(document) => Touched {
            id: document.clone(),
            epoch: None,
        },
    });
    if let Ok(body) = serde_json::to_string(&touched) {
        let topic = TOPIC.to_owned();
        hub.tell_nodes(Some(municipality), Note::Told { topic, body });
    }
}

/// The next word of another node on erasures; empty when some may have been missed.
async fn told(words: &mut Receiver<Word>) -> String {
    loop {
        match words.recv().await {
            Ok(Word::Told { topic, body, .. }) if topic == TOPIC => return body,
            Ok(Word::Gap) | Err(RecvError::Lagged(_)) => return String::new(),
            Ok(_) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Another node erased something: keys are unwrapped anew, and the document is looked at anew.
fn heard_of(state: &AppState, body: &str) {
    state.db().forget_keys();
    let Ok(Some(touched)) = serde_json::from_str::<Option<Touched>>(body) else {
        return;
    };
    state.document_log().forget(&touched.id);
    match touched.epoch {
        Some(epoch) => tell(state.hub(), &Told::Epoch(touched.id, epoch)),
        // Whether it is gone the database says.
        None => state
            .hub()
            .access_changed(&Change::Documents(vec![touched.id])),
    }
}

/// What other processes are known to have done.
struct Past {
    /// Only what was done since.
    since: String,
    heard: HashMap<ErasureId, Vec<Touched>>,
    /// `None` before the first look.
    generations: Option<BTreeMap<MunicipalityId, i64>>,
}

impl Past {
    /// Rooms of documents that another process rewrote or removed, and keys that were destroyed.
    async fn hear(&mut self, state: &AppState) -> Result<(), StoreError> {
        let mut tx = state.db().read().await?;
        let all = erasure::touched_since(&mut tx, &self.since).await?;
        let generations = data_keys::generations(&mut tx).await?;
        drop(tx);
        if self
            .generations
            .as_ref()
            .is_some_and(|known| *known != generations)
        {
            state.db().forget_keys();
        }
        self.generations = Some(generations);
        for (id, touched) in all {
            if self.heard.get(&id) == Some(&touched) {
                continue;
            }
            follow(state, &touched);
            self.heard.insert(id, touched);
        }
        Ok(())
    }
}

/// Lets go of what is held of these, and has what is derived from them made anew.
fn follow(state: &AppState, touched: &[Touched]) {
    let documents: Vec<DocumentId> = touched.iter().map(|t| t.id.clone()).collect();
    for document in &documents {
        state.document_log().forget(document);
    }
    state.db().forget_keys();
    for document in touched {
        let told = match document.epoch {
            Some(epoch) => Told::Epoch(document.id.clone(), epoch),
            None => Told::Gone(document.id.clone()),
        };
        tell(state.hub(), &told);
    }
    state.rescan(&documents);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access::identity_of, operations::transcripts::tests::Town};
    use collab::{
        Code, Pace,
        bus::{Bus, MemoryBus, Message, NodeId},
    };
    use domain::section::DocumentKind;
    use store::data_keys::Purpose;
    use tokio::time::timeout;

    /// The register of the case: opens with a key in memory, or with one that is unwrapped now.
    async fn register(
        town: &Town,
        db: &store::Database,
    ) -> store::Result<Vec<(i64, store::persons::Person)>> {
        let mut tx = db.read().await?;
        let sheet = &town.documents[&DocumentKind::Assessment];
        let work = tx.work_on(sheet).await?.unwrap();
        work.register(&mut tx).await
    }

    /// Destroys a person's key in another process.
    async fn destroy_key(town: &Town, elsewhere: &store::Database) {
        let person = register(town, elsewhere).await.unwrap().remove(0).1.id;
        let mut tx = elsewhere.write().await.unwrap();
        let purpose = Purpose::Person(person.as_str().into());
        let gone = tx.destroy_key(&"town".into(), &purpose).await.unwrap();
        assert_eq!(gone, 1);
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_word_of_another_node_is_followed_at_once() {
        let town = Town::open().await;
        let (state, bus) = (&town.state, MemoryBus::new(1));
        let (link, there) = (bus.link(), bus.link());
        state.hub().join_nodes(Some(link), Pace::default());
        let say = |body: String| {
            there.publish(Message {
                from: NodeId(4_711),
                municipality: Some("town".into()),
                note: Note::Told {
                    topic: TOPIC.into(),
                    body,
                },
            });
        };
        let sheet = &town.documents[&DocumentKind::Assessment];
        let caller = town.caller("coordinator").await;
        let (_incoming, mut outgoing) = state
            .hub()
            .connect(identity_of(&caller), sheet)
            .await
            .unwrap()
            .split();
        let known = register(&town, state.db()).await.unwrap();
        destroy_key(&town, &town.store.reopen().await).await;
        let still = register(&town, state.db()).await;
        assert_eq!(still.unwrap().len(), known.len(), "the key is in memory");
        let mut words = state.hub().words();
        let touched = Touched {
            id: sheet.clone(),
            epoch: Some(2),
        };
        say(serde_json::to_string(&Some(touched)).unwrap());
        let body = timeout(LOOK, told(&mut words)).await.expect("a word");
        heard_of(state, &body);
        let ended = async { while outgoing.next().await.is_some() {} };
        timeout(LOOK, ended).await.expect("the socket ends");
        assert_eq!(outgoing.end(), Some(Code::Gone));
        assert!(register(&town, state.db()).await.is_err());
    }

    #[tokio::test]
    async fn a_new_generation_of_the_key_is_noticed_without_a_word() {
        let town = Town::open().await;
        let elsewhere = town.store.reopen().await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(town.state.clone(), stop.clone()));
        sleep(LOOK).await;
        register(&town, town.state.db()).await.unwrap();
        destroy_key(&town, &elsewhere).await;
        data_keys::rewrap(&elsewhere, &"town".into()).await.unwrap();
        let noticed = async {
            while register(&town, town.state.db()).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(2), noticed)
            .await
            .expect("the key is forgotten");
        stop.cancel();
        running.await.unwrap();
    }
}
