//! `GET /cases/{id}/events`: what changed, as a stream of server-sent events. Ids and numbers only;
//! a screen that hears of a change fetches it again.
//!
//! **Invariant:** before each event the caller is asked for anew (session, membership, policy); who
//! lost the case hears nothing more and the stream ends.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::sse::{self, KeepAlive, Sse},
};
use axum_extra::extract::CookieJar;
use domain::{
    disclosure::Level,
    id::{CaseId, MunicipalityId},
    section::Section,
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
    events::CaseEvent,
    state::AppState,
};

/// A stream without events is checked this often, so that it ends with the session.
const RECHECK: Duration = Duration::from_secs(60);
/// Proxies cut what is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow a case. Event names: `projection`, `masks`, `case`, `progress`, `transcripts`; after a
/// gap `case`, which means: fetch everything again.
pub async fn events(
    State(state): State<AppState>,
    call: CallContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let id = CaseId(id);
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
    changes: Receiver<(MunicipalityId, CaseId, CaseEvent)>,
    tick: Interval,
}

impl Follower {
    /// The next event for this caller; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            let change = tokio::select! {
                received = self.changes.recv() => match received {
                    Ok((municipality, case, change)) if municipality == self.municipality && case == self.case => Some(change),
                    Ok(_) => continue,
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
            Some(CaseEvent::Progress) => access.decision(Section::Progress).level > Level::None,
            Some(CaseEvent::Transcripts) => access.level() >= Level::Read,
            Some(CaseEvent::Projection { document_id, .. }) => {
                tx.document_for(&caller, document_id).await?.is_some()
            }
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
        CaseEvent::Case => "case",
        CaseEvent::Progress => "progress",
        CaseEvent::Transcripts => "transcripts",
    }
}

fn written(change: &CaseEvent) -> sse::Event {
    let data = serde_json::to_string(change).unwrap_or_else(|_| "{}".to_owned());
    sse::Event::default().event(name(change)).data(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_its_kind() {
        let document_id = domain::id::DocumentId::from("d");
        for change in [
            CaseEvent::Projection {
                document_id: document_id.clone(),
                seq: 1,
            },
            CaseEvent::Masks { document_id },
            CaseEvent::Case,
            CaseEvent::Progress,
            CaseEvent::Transcripts,
        ] {
            assert_eq!(
                serde_json::to_value(&change).unwrap()["kind"],
                name(&change)
            );
        }
    }
}
