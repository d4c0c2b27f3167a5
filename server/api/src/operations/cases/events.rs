//! `GET /cases/{id}/events`: what changed, as a stream of server-sent events. Ids and numbers only;
//! a screen that hears of a change fetches it again.
//!
//! **Invariant:** before each event the caller is asked for anew (session, membership, policy); who
//! lost the case hears nothing more and the stream ends.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::sse::{self, KeepAlive, Sse},
};
use axum_extra::extract::CookieJar;
use domain::{
    disclosure::{self, Level},
    id::{CaseId, MunicipalityId},
};
use futures_util::{Stream, stream};
use store::{Caller, audit, sessions};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{Mode, event, open};
use crate::{
    context::{COOKIE, CallContext, caller_of_token},
    error::ApiError,
    events::{CaseEvent, Told},
    shares::Share,
    state::AppState,
};

/// A stream without events is checked this often, so that it ends with the session.
const RECHECK: Duration = Duration::from_secs(60);
/// Proxies cut what is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow a case. Event names: `projection`, `masks`, `case`, `progress`, `transcripts`; after a
/// gap `case`, which means: fetch everything again. More than a score of them for one account
/// answers 429 `too_many_streams`.
pub async fn events(
    State(state): State<AppState>,
    call: CallContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let id = CaseId(id);
    let stream = state
        .streams()
        .take(&call.caller.viewer.account)
        .ok_or_else(too_many)?;
    // Listen first: what happens between the check and the first wait is not lost.
    let changes = state.events().listen();
    let (mut tx, _access) = open(&state, &call, &id, Mode::Read).await?;
    audit::record(&mut tx, event(&call, "case.follow", &id));
    tx.commit().await?;
    let mut tick = interval(RECHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let follower = Follower {
        state,
        headers,
        municipality: call.caller.viewer.municipality,
        case: id,
        changes,
        tick,
        _stream: stream,
    };
    let stream = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Follower {
    state: AppState,
    /// Cookie or bearer token, to ask again who this is.
    headers: HeaderMap,
    municipality: MunicipalityId,
    case: CaseId,
    changes: Receiver<Told>,
    tick: Interval,
    /// Given back when the stream ends.
    _stream: Share,
}

fn too_many() -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams")
        .with(
            "message",
            "同時に開いている画面が多すぎます。使っていない画面を閉じてから、もう一度お試しください。",
        )
        .with("retry_after", 30)
}

impl Follower {
    /// The next event for this caller; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            let change = tokio::select! {
                received = self.changes.recv() => match received {
                    Ok(Some((municipality, case, change))) if municipality == self.municipality && case == self.case => Some(change),
                    Ok(Some(_)) => continue,
                    Ok(None) => Some(CaseEvent::Case),
                    Err(RecvError::Lagged(_)) => Some(CaseEvent::Case),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.tick.tick() => None,
            };
            match (self.allowed(change.as_ref()).await, change) {
                (Ok(Some(true)), Some(change)) => return Some(written(&change)),
                (Ok(Some(_)), _) => {}
                (Ok(None), _) => return None,
                (Err(error), _) => {
                    tracing::warn!(%error, "following a case ended: rights could not be asked");
                    return None;
                }
            }
        }
    }

    async fn caller(&self) -> Result<Option<Caller>, ApiError> {
        let authorization = self
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if let Some(token) = authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim)
        {
            return Ok(caller_of_token(&self.state, token).await.ok());
        }
        let jar = CookieJar::from_headers(&self.headers);
        let Some(cookie) = jar.get(COOKIE) else {
            return Ok(None);
        };
        let mut tx = self.state.db().read().await?;
        let Some(session) = sessions::find(&mut tx, cookie.value()).await? else {
            return Ok(None);
        };
        Ok(sessions::caller(&mut tx, &session).await?)
    }

    /// `None`: the case is gone for this caller. `Some(false)`: the case is there, this event is
    /// not for the caller.
    async fn allowed(&self, change: Option<&CaseEvent>) -> Result<Option<bool>, ApiError> {
        let Some(caller) = self.caller().await? else {
            return Ok(None);
        };
        let mut tx = self.state.db().read().await?;
        let Some(access) = tx.case_for(&caller, &self.case).await? else {
            return Ok(None);
        };
        let shown = match change {
            None => false,
            Some(CaseEvent::Case) => true,
            Some(CaseEvent::Person { person_id }) => {
                disclosure::person_level(&caller.viewer, access.facts(), person_id) > Level::None
            }
            Some(CaseEvent::Progress { record_id }) => {
                access.progress_record(&mut tx, record_id).await?.is_some()
            }
            Some(CaseEvent::Transcripts) => access.reads_transcripts(),
            Some(
                CaseEvent::Projection { document_id, .. } | CaseEvent::Document { document_id },
            ) => tx.document_for(&caller, document_id).await?.is_some(),
            Some(CaseEvent::Masks { document_id }) => tx
                .document_for(&caller, document_id)
                .await?
                .is_some_and(|document| document.may_review()),
        };
        Ok(Some(shown))
    }
}

const fn name(change: &CaseEvent) -> &'static str {
    match change {
        CaseEvent::Projection { .. } => "projection",
        CaseEvent::Masks { .. } => "masks",
        CaseEvent::Case | CaseEvent::Person { .. } | CaseEvent::Document { .. } => "case",
        CaseEvent::Progress { .. } => "progress",
        CaseEvent::Transcripts => "transcripts",
    }
}

fn written(change: &CaseEvent) -> sse::Event {
    let data = serde_json::to_string(change).unwrap_or_else(|_| "{}".to_owned());
    sse::Event::default().event(name(change)).data(data)
}

#[cfg(test)]
mod tests {
    use domain::{
        disclosure::{Disclosure, Excluded, Exclusion},
        section::{DocumentKind, Section},
    };
    use store::{
        cases::CaseRole,
        persons::{self, Fact, NewPerson},
        progress::{NewProgress, Visibility},
    };

    use super::*;
    use crate::operations::transcripts::tests::Town;

    #[test]
    fn the_name_of_an_event_is_its_kind() {
        let document_id = domain::id::DocumentId::from("d");
        for change in [
            CaseEvent::Projection {
                document_id: document_id.clone(),
                seq: 1,
            },
            CaseEvent::Masks {
                document_id: document_id.clone(),
            },
            CaseEvent::Case,
            CaseEvent::Transcripts,
        ] {
            assert_eq!(
                serde_json::to_value(&change).unwrap()["kind"],
                name(&change)
            );
        }
        // What these are about decides who hears them and is not said.
        for change in [
            CaseEvent::Document { document_id },
            CaseEvent::Person {
                person_id: "p".into(),
            },
            CaseEvent::Progress {
                record_id: "r".into(),
            },
        ] {
            assert_eq!(
                serde_json::to_value(&change).unwrap(),
                serde_json::json!({ "kind": name(&change) })
            );
        }
    }

    /// Whether somebody who follows the case hears of a change; `None`: the stream ends.
    async fn hears(town: &Town, who: &str, change: &CaseEvent) -> Option<bool> {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {}", town.token(who));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        let follower = Follower {
            state: town.state.clone(),
            headers,
            municipality: "town".into(),
            case: town.case.clone(),
            changes: town.state.events().listen(),
            tick: interval(RECHECK),
            _stream: town.state.streams().take(&"x".into()).unwrap(),
        };
        follower.allowed(Some(change)).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_change_is_told_to_those_who_may_see_what_changed() {
        let town = Town::open().await;
        let sheet = |kind| CaseEvent::Document {
            document_id: town.documents[&kind].clone(),
        };
        let both = async |change: CaseEvent| {
            (
                hears(&town, "coordinator", &change).await,
                hears(&town, "partner", &change).await,
            )
        };
        assert_eq!(both(CaseEvent::Case).await, (Some(true), Some(true)));
        assert_eq!(hears(&town, "stranger", &CaseEvent::Case).await, None);
        assert_eq!(
            both(sheet(DocumentKind::Intake)).await,
            (Some(true), Some(true)),
            "shown masked"
        );
        assert_eq!(
            both(CaseEvent::Transcripts).await,
            (Some(true), Some(false))
        );

        // The intake sheet is taken back, an entry is kept within the coordinator's house, and the
        // partner is shut out of everything about one person.
        let coordinator = town.caller("coordinator").await;
        let partner = town.caller("partner").await.viewer.agency;
        let mut tx = town.state.db().write().await.unwrap();
        let access = tx
            .case_for(&coordinator, &town.case)
            .await
            .unwrap()
            .unwrap();
        let hidden = Disclosure {
            agency: partner.clone(),
            section: Section::Intake,
            level: Level::None,
            comment: false,
            from: None,
            to: None,
        };
        access
            .set_disclosures(&mut tx, &[hidden], None)
            .await
            .unwrap();
        let entry = |visibility| NewProgress {
            performed_on: jiff::civil::date(2026, 11, 10),
            method: "tel".into(),
            visibility,
            persons: Vec::new(),
            agencies: Vec::new(),
            content: serde_json::Map::new(),
            attachments: Vec::new(),
            draft: None,
        };
        let kept = access
            .add_progress(&mut tx, &entry(Visibility::OwnOrg))
            .await
            .unwrap();
        let shared = access
            .add_progress(&mut tx, &entry(Visibility::CaseMembers))
            .await
            .unwrap();
        let other = NewPerson {
            facts: vec![Fact::current("name", "避難 する人")],
            ..NewPerson::default()
        };
        let other = persons::create(&mut tx, &coordinator, &other)
            .await
            .unwrap();
        access
            .add_person(&mut tx, &other, CaseRole::Related, None)
            .await
            .unwrap();
        let exclusion = Exclusion {
            who: Excluded::Agency(partner),
            about: Some(other.clone()),
        };
        access.exclude(&mut tx, &exclusion, "加害者").await.unwrap();
        let client = access.facts().persons[0].person.clone();
        // The other sheets are about the client, so the partner goes on seeing them.
        for kind in [DocumentKind::Assessment, DocumentKind::Network] {
            let sheet = tx
                .document_for(&coordinator, &town.documents[&kind])
                .await
                .unwrap()
                .unwrap();
            sheet
                .set_subjects(&mut tx, std::slice::from_ref(&client))
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();

        let told = |record_id| CaseEvent::Progress { record_id };
        let person = |person_id| CaseEvent::Person { person_id };
        let only_us = (Some(true), Some(false));
        assert_eq!(both(sheet(DocumentKind::Intake)).await, only_us);
        assert_eq!(
            both(sheet(DocumentKind::Assessment)).await,
            (Some(true), Some(true))
        );
        assert_eq!(both(told(kept)).await, only_us);
        assert_eq!(both(person(other)).await, only_us);
        assert_eq!(both(person(client)).await, (Some(true), Some(true)));
        assert_eq!(
            both(told(shared)).await,
            only_us,
            "about everybody, so also about the person kept away"
        );
    }
}
