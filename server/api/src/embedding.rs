//! Has vectors of cases made, one case after the other, giving way to people: nobody waits for them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::id::{CaseId, MunicipalityId};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{engines, state::AppState, vectors};

/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(30);

type Key = (MunicipalityId, CaseId);

/// Cases whose vectors are to be made, each once, and when.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    due: Mutex<HashMap<Key, Instant>>,
    bell: Notify,
}

impl Wanted {
    /// Wants the vectors of a case at an instant, and not before.
    pub(crate) fn put(&self, municipality: MunicipalityId, case: CaseId, at: Instant) {
        self.due.lock().insert((municipality, case), at);
        self.bell.notify_one();
    }

    /// What is due, or when the next will be.
    fn next(&self) -> Result<Key, Option<Instant>> {
        let mut due = self.due.lock();
        let Some((key, at)) = due.iter().min_by_key(|(_, at)| **at) else {
            return Err(None);
        };
        if *at > Instant::now() {
            return Err(Some(*at));
        }
        let key = key.clone();
        due.remove(&key);
        Ok(key)
    }

    #[cfg(test)]
    pub(crate) fn cases(&self) -> Vec<CaseId> {
        let due = self.due.lock();
        due.keys().map(|(_, case)| case.clone()).collect()
    }
}

/// Runs until `stop`.
pub(crate) async fn run(state: AppState, wanted: Arc<Wanted>, stop: CancellationToken) {
    loop {
        let next = wanted.next();
        let work = async {
            match next {
                Ok((municipality, case)) => make(&state, &wanted, municipality, case).await,
                Err(Some(at)) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = wanted.bell.notified() => {}
                },
                Err(None) => wanted.bell.notified().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = work => {}
        }
    }
}

async fn make(state: &AppState, wanted: &Wanted, municipality: MunicipalityId, case: CaseId) {
    match vectors::refresh(state, &municipality, &case).await {
        Ok(_) => {}
        // When they stand, all whose vectors are missing are looked for.
        Err(error) if engines::are_awaited(&error) => {}
        Err(error) => {
            tracing::warn!(case = case.as_str(), %error, "vectors not made");
            let mut due = wanted.due.lock();
            due.entry((municipality, case))
                .or_insert_with(|| Instant::now() + RETRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_case_is_wanted_once_and_the_earliest_comes_first() {
        let wanted = Wanted::default();
        let town = || MunicipalityId::from("town");
        let now = Instant::now();
        for _ in 0..1_000 {
            wanted.put(town(), "a".into(), now + Duration::from_secs(2));
        }
        wanted.put(town(), "b".into(), now + Duration::from_secs(1));
        assert_eq!(wanted.next(), Err(Some(now + Duration::from_secs(1))));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(wanted.next(), Ok((town(), "b".into())));
        assert_eq!(wanted.next(), Ok((town(), "a".into())));
        assert_eq!(wanted.next(), Err(None));
    }
}
