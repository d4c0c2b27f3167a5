//! Work with the models that nobody waits for: texts for masked readers of the search, vectors, scans of
//! what was missed. It gives way to people.
//!
//! **Invariant:** one piece of it at a time in the whole process. While requests are answered a piece
//! begins only when nine times as long has passed as the last one took: at most a tenth of the time, and
//! never nothing. Without requests it goes on without a pause.
//! **Invariant:** what somebody waits for (a scan after a change, an erasure, the index after a change, a
//! word on rights) is no such work and never asks here.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use parking_lot::Mutex;
use tokio::{
    sync::{MutexGuard, oneshot},
    time::{Instant, sleep_until},
};

use crate::{error::ApiError, state::AppState};

/// So long after a request people are taken to be at work.
const AT_WORK: Duration = Duration::from_secs(1);
/// For each piece so many times its own length is left to others while people are at work.
const REST: u32 = 9;
/// What a piece should take at most. A long text is one inference after the other, and each of them gives
/// its session back: a request never waits for more than one.
pub(crate) const PIECE: Duration = Duration::from_millis(100);
/// How much nicer than others threads of pieces are (`nice(2)`): little enough that a request does not wait long for the
/// session of a piece that gets no processor.
const NICENESS: i32 = 5;

/// See the module.
#[derive(Debug, Default)]
pub struct Background {
    /// When a request began or was answered last.
    asked: Mutex<Option<Instant>>,
    /// When the next piece may begin although people are at work.
    resumes: Mutex<Option<Instant>>,
    turn: tokio::sync::Mutex<()>,
}

/// Leave to do one piece; over when dropped.
#[derive(Debug)]
pub(crate) struct Share<'b> {
    of: &'b Background,
    began: Instant,
    _turn: MutexGuard<'b, ()>,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let ended = Instant::now();
        *self.of.resumes.lock() = Some(ended + (ended - self.began) * REST);
    }
}

impl Background {
    /// Somebody asks something, or was answered.
    fn note(&self) {
        *self.asked.lock() = Some(Instant::now());
    }

    /// Leave to do a piece if it may begin now: for a loop that has other things to do than to wait.
    pub(crate) fn at_once(&self) -> Option<Share<'_>> {
        let turn = self.turn.try_lock().ok()?;
        let began = Instant::now();
        if self.begins().is_some_and(|at| at > began) {
            return None;
        }
        Some(Share {
            of: self,
            began,
            _turn: turn,
        })
    }

    /// When a piece may begin; `None`: any time.
    fn begins(&self) -> Option<Instant> {
        let (asked, resumes) = (*self.asked.lock(), *self.resumes.lock());
        Some(resumes?.min(asked? + AT_WORK))
    }

    /// Waits until a piece may begin: those that wait begin in the order in which they came.
    pub(crate) async fn give_way(&self) -> Share<'_> {
        let turn = self.turn.lock().await;
        while let Some(at) = self.begins().filter(|at| *at > Instant::now()) {
            sleep_until(at).await;
        }
        Share {
            of: self,
            began: Instant::now(),
            _turn: turn,
        }
    }

    /// Does a piece of work, on a thread that others go before, as soon as it may begin.
    ///
    /// # Errors
    /// No thread, or the work panicked.
    pub(crate) async fn piece<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let share = self.give_way().await;
        let (done, result) = oneshot::channel();
        std::thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                // Without it the pauses must do.
                if let Err(error) = step_back() {
                    tracing::debug!(%error, "priority not lowered");
                }
                let _nobody_waits = done.send(work());
            })
            .map_err(ApiError::internal)?;
        let result = result.await.map_err(ApiError::internal);
        drop(share);
        result
    }
}

/// Lets others go before this thread.
fn step_back() -> rustix::io::Result<()> {
    let now = rustix::process::getpriority_process(None)?;
    rustix::process::setpriority_process(None, (now + NICENESS).min(19))
}

/// Notes every request of people, when it comes and when it is answered. Streams and sockets are none, nor is
/// what watches over the server (`/metrics`, `/healthz`).
pub(crate) async fn note(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/v1/") {
        return next.run(request).await;
    }
    state.background().note();
    let response = next.run(request).await;
    state.background().note();
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    /// So many pieces of `length` are done within `time`, while somebody asks every `asks`.
    async fn done_within(time: Duration, length: Duration, asks: Option<Duration>) -> usize {
        let background = Background::default();
        let mut done = 0;
        let working = async {
            loop {
                let _share = background.give_way().await;
                sleep(length).await;
                done += 1;
            }
        };
        let asking = async {
            while let Some(pause) = asks {
                background.note();
                sleep(pause).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = working => {}
            () = asking => {}
            () = sleep(time) => {}
        }
        done
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenth_of_the_time_at_most_while_people_work_and_all_of_it_otherwise() {
        let (minute, piece) = (Duration::from_secs(60), Duration::from_millis(100));
        let alone = done_within(minute, piece, None).await;
        assert!(alone >= 590, "{alone}");
        let busy = done_within(minute, piece, Some(Duration::from_millis(20))).await;
        assert!(
            (55..=61).contains(&busy),
            "{busy}: neither more nor nothing"
        );
        // Asked now and then: free from a second after each question.
        let between = done_within(minute, piece, Some(Duration::from_secs(10))).await;
        assert!(between > 500, "{between}");
    }

    #[tokio::test(start_paused = true)]
    async fn leave_at_once_is_given_when_others_would_wait_for_nothing() {
        let background = Background::default();
        background.note();
        let share = background.at_once().unwrap();
        assert!(background.at_once().is_none(), "one piece at a time");
        sleep(Duration::from_millis(50)).await;
        drop(share);
        background.note();
        assert!(background.at_once().is_none(), "people are at work");
        sleep(Duration::from_millis(50) * REST).await;
        assert!(background.at_once().is_some(), "a tenth of the time");
        background.note();
        sleep(AT_WORK).await;
        assert!(background.at_once().is_some(), "nobody is at work");
    }

    #[tokio::test(start_paused = true)]
    async fn one_piece_at_a_time_in_the_order_of_coming() {
        let background = Background::default();
        background.note();
        let order = Mutex::new(Vec::new());
        let piece = async |name| {
            let _share = background.give_way().await;
            order.lock().push(name);
            sleep(Duration::from_millis(50)).await;
            order.lock().push(name);
        };
        let began = Instant::now();
        tokio::join!(piece("a"), piece("b"), piece("c"));
        assert_eq!(*order.lock(), ["a", "a", "b", "b", "c", "c"]);
        // Nobody asked for a second by then.
        assert!(began.elapsed() <= AT_WORK + Duration::from_millis(100));
        assert!(began.elapsed() >= Duration::from_millis(50 * 3 + 450));
    }

    #[tokio::test]
    async fn a_piece_runs_on_a_thread_of_lower_priority_and_a_panic_is_an_error() {
        let background = Background::default();
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let here = nice();
        assert_eq!(
            background.piece(nice).await.unwrap(),
            (here + NICENESS).min(19)
        );
        assert_eq!(nice(), here, "others are as before");
        assert!(background.piece(|| panic!("on purpose")).await.is_err());
        assert_eq!(background.piece(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn requests_are_noted() {
        use tower::ServiceExt as _;

        let town = crate::operations::transcripts::tests::Town::open().await;
        let watching = Request::get("/metrics")
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = crate::router(town.state.clone())
            .oneshot(watching)
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert!(town.state.background().asked.lock().is_none());
        town.get("coordinator", "/cases").await;
        assert!(town.state.background().asked.lock().is_some());
    }
}
