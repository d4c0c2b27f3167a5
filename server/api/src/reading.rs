//! Reads the text of attachments for the search, one after the other, in a process of its own: what a
//! file does to a parser (a bomb, endless nesting, a crash) ends that process and nothing else. The file
//! goes there part by part and never touches the disk.
//!
//! The process says one byte when it is held to its limits ([`HELD`] or [`HELD_TIGHTER`]) and then, as JSON,
//! what came of the file. How it ends without tells whose fault that was: the file's, of which that is kept,
//! or the machine's (no memory left, a slow database, limits of its surroundings), and then the file is read
//! again later.

use std::{
    collections::HashMap,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use attachments::{LONGEST, Reading, may_hold_text};
use domain::id::MunicipalityId;
use rustix::process::Signal;
use store::{
    StoreError, Tx,
    blobs::{TextState, Unread},
    crypto::CryptoError,
    municipalities,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{error::ApiError, state::AppState};

/// The running program, also after its file was replaced by a newer one.
const PROGRAM: &str = "/proc/self/exe";
/// Its command that reads one attachment (standard input) and says what it found (standard output).
pub const COMMAND: &str = "read-attachment";
/// Longer no file is read. The process itself ends earlier by the processor time it may use.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of an answer: each letter escaped, and what stands around them.
const ANSWER: u64 = 12 * LONGEST as u64 + 1024;
/// How often is looked for what another node was sent or left.
const EVERY: Duration = Duration::from_secs(10);
/// What failed for want of the database or of a process is tried again after this long.
const RETRY: Duration = Duration::from_secs(15);
/// Who reads in a municipality, where several nodes could.
const CLAIM: &str = "attachment_texts";
/// The first byte of the process: it is held to its limits; or to tighter ones, because its surroundings are.
pub const HELD: u8 = b'+';
pub const HELD_TIGHTER: u8 = b'-';
/// A file that could not be read for reasons of the machine is read again after this long, then twice as
/// long, and so on up to the second; after so many times it waits for the next start.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3_600);
const TIMES: u32 = 10;
/// Waiting files looked at together.
const AT_ONCE: i64 = 100;

/// Wakes who reads.
#[derive(Debug, Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut later = Later::default();
    loop {
        let turned = tokio::select! {
            // The process ends with what waits for it.
            () = stop.cancelled() => return,
            turned = turn(&state, &mut later) => turned,
        };
        let pause = match turned {
            Ok(true) => continue,
            Ok(false) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "text of an attachment not read; tried again");
                RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
            () = state.unread().0.notified() => {}
        }
    }
}

/// Files that this machine could not read, and when it tries again.
#[derive(Debug, Default)]
struct Later(HashMap<String, (u32, Option<Instant>)>);

impl Later {
    fn waits(&self, id: &str) -> bool {
        self.0
            .get(id)
            .is_some_and(|(_, at)| at.is_none_or(|at| Instant::now() < at))
    }

    fn failed(&mut self, id: &str) {
        let (times, at) = self.0.entry(id.to_owned()).or_default();
        *times += 1;
        let pause = AGAIN * 2_u32.saturating_pow(*times - 1);
        *at = (*times < TIMES).then(|| Instant::now() + pause.min(AGAIN_AT_MOST));
        if at.is_none() {
            tracing::warn!(attachment = id, "attachment not read until the next start");
        }
    }
}

/// What came of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Done(Reading),
    /// Not the file's fault.
    NotNow,
}

/// Reads one attachment of each municipality, if any waits; `false`: none did.
///
/// # Errors
/// The first of what failed, when each had its turn.
async fn turn(state: &AppState, later: &mut Later) -> Result<bool, ApiError> {
    let mut tx = state.db().read().await?;
    let all = municipalities::list(&mut tx).await?;
    drop(tx);
    let mut result = Ok(false);
    for municipality in all {
        match one_of(state, &municipality.id, later).await {
            Ok(read) => result = result.map(|any| any || read),
            Err(error) => result = result.and(Err(error)),
        }
    }
    result
}

/// Reads an attachment of a municipality, unless another node does; `false`: none waits.
async fn one_of(
    state: &AppState,
    municipality: &MunicipalityId,
    later: &mut Later,
) -> Result<bool, ApiError> {
    if longest_waiting(state, municipality, later).await?.is_none() {
        return Ok(false);
    }
    let holder = state.holder();
    let claim = state.db().claim(municipality, CLAIM, &holder).await?;
    let Some(claim) = claim else {
        return Ok(false);
    };
    let read = one(state, municipality, later).await;
    state.db().release(claim).await?;
    read
}

/// The attachment that waits longest, but for those whose time has not come.
async fn longest_waiting(
    state: &AppState,
    municipality: &MunicipalityId,
    later: &Later,
) -> Result<Option<Unread>, ApiError> {
    let mut after = None;
    loop {
        let mut tx = state.db().read().await?;
        let some = tx
            .unread_attachments(municipality, after.as_ref(), AT_ONCE)
            .await?;
        drop(tx);
        let Some(last) = some.last() else {
            return Ok(None);
        };
        after = Some(last.clone());
        if let Some(unread) = some.into_iter().find(|unread| !later.waits(&unread.id)) {
            return Ok(Some(unread));
        }
    }
}

/// Reads the attachment that waits longest; `false`: another node was quicker.
async fn one(
    state: &AppState,
    municipality: &MunicipalityId,
    later: &mut Later,
) -> Result<bool, ApiError> {
    let Some(unread) = longest_waiting(state, municipality, later).await? else {
        return Ok(false);
    };
    let outcome = if may_hold_text(&unread.media_type) {
        // Whatever goes wrong here, the next file has its turn.
        let outcome = read(state, &unread).await;
        if outcome.is_err() {
            later.failed(&unread.id);
        }
        outcome?
    } else {
        Outcome::Done(Reading::NoText)
    };
    let Outcome::Done(reading) = outcome else {
        tracing::info!(attachment = %unread.id, "attachment not read this time");
        later.failed(&unread.id);
        return Ok(true);
    };
    let (found, text) = match reading {
        Reading::Text(text) => (TextState::Read, Some(text)),
        Reading::NoText => (TextState::None, None),
        Reading::Locked => (TextState::Locked, None),
        Reading::Unreadable => (TextState::Unreadable, None),
    };
    let mut tx = state.db().write().await?;
    tx.put_attachment_text(&unread, found, text.as_deref())
        .await?;
    tx.commit().await?;
    later.0.remove(&unread.id);
    Ok(true)
}

/// Has an attachment read.
async fn read(state: &AppState, unread: &Unread) -> Result<Outcome, ApiError> {
    let mut child = Command::new(PROGRAM)
        .args([COMMAND, &unread.media_type])
        // No secret of the server's surroundings is its business.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What a parser says of a file may hold words of it.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(ApiError::internal)?;
    let outcome = match timeout(PATIENCE, talk(state, unread, &mut child)).await {
        Ok(outcome) => outcome?,
        // Its processor time is limited: it waited for something.
        Err(_) => {
            child.kill().await.map_err(ApiError::internal)?;
            Outcome::NotNow
        }
    };
    if outcome == Outcome::Done(Reading::Unreadable) {
        tracing::info!(attachment = %unread.id, "attachment cannot be read for the search");
    }
    Ok(outcome)
}

/// Sends the file and takes the answer.
async fn talk(state: &AppState, unread: &Unread, child: &mut Child) -> Result<Outcome, ApiError> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Ok(Outcome::NotNow);
    };
    for number in 0.. {
        let mut tx: Tx = state.db().read().await?;
        let part = match tx.unread_part(unread, number).await {
            Ok(part) => part,
            // Its key is gone, and the file with it; or the keys are away.
            Err(StoreError::Crypto(CryptoError::KeyMissing)) => return Ok(Outcome::NotNow),
            // It was damaged.
            Err(StoreError::Crypto(_)) => return Ok(Outcome::Done(Reading::Unreadable)),
            Err(error) => return Err(error.into()),
        };
        drop(tx);
        let Some(part) = part else { break };
        // It may have ended already; then its answer counts, or that there is none.
        if input.write_all(&part).await.is_err() {
            break;
        }
    }
    let _ended_already = input.shutdown().await;
    drop(input);
    let mut answer = Vec::new();
    let taken = output.take(ANSWER).read_to_end(&mut answer).await;
    let status = child.wait().await.map_err(ApiError::internal)?;
    taken.map_err(ApiError::internal)?;
    Ok(outcome(&answer, status))
}

/// What the process said, or what its end without a word says.
fn outcome(answer: &[u8], status: ExitStatus) -> Outcome {
    let Some((held, said)) = answer.split_first() else {
        // It did not come so far as to be given the file.
        return Outcome::NotNow;
    };
    if status.success()
        && let Ok(reading) = serde_json::from_slice(said)
    {
        return Outcome::Done(reading);
    }
    // Memory or time it was to have was used up, a parser crashed or overflowed its stack: so it will be the
    // next time. What the system kills (`KILL`, for want of memory) or stops it kills for other reasons.
    let own = [
        Signal::ABORT,
        Signal::SEGV,
        Signal::BUS,
        Signal::ILL,
        Signal::FPE,
        Signal::TRAP,
        Signal::SYS,
        Signal::XCPU,
        Signal::XFSZ,
    ];
    let by_itself = match status.signal() {
        Some(signal) => own.iter().any(|own| own.as_raw() == signal),
        None => true,
    };
    if by_itself && *held == HELD {
        Outcome::Done(Reading::Unreadable)
    } else {
        Outcome::NotNow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_it_was_is_told_by_how_the_process_ended() {
        let file = Outcome::Done(Reading::Unreadable);
        let signal = |signal: Signal| ExitStatus::from_raw(signal.as_raw());
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        // The file's: memory (abort), time, stack, a panic.
        for status in [
            signal(Signal::ABORT),
            signal(Signal::XCPU),
            signal(Signal::SEGV),
            exit(101),
        ] {
            assert_eq!(outcome(b"+", status), file, "{status}");
            assert_eq!(outcome(b"+{\"state\":", status), file, "{status}");
            // With less than it should have, anything may be.
            assert_eq!(outcome(b"-", status), Outcome::NotNow, "{status}");
            // Before it was held to anything.
            assert_eq!(outcome(b"", status), Outcome::NotNow, "{status}");
        }
        // The machine's: killed for want of memory, or ended by somebody.
        for status in [
            signal(Signal::KILL),
            signal(Signal::TERM),
            signal(Signal::HUP),
        ] {
            assert_eq!(outcome(b"+", status), Outcome::NotNow, "{status}");
        }
        let text = Outcome::Done(Reading::Text("電話".into()));
        let said = "{\"state\":\"text\",\"text\":\"電話\"}";
        for held in ["+", "-"] {
            assert_eq!(outcome(format!("{held}{said}").as_bytes(), exit(0)), text);
        }
        assert_eq!(outcome(b"+nonsense", exit(0)), file);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_tried_again_later_and_later_and_not_for_ever() {
        let mut later = Later::default();
        assert!(!later.waits("a"));
        let began = Instant::now();
        let mut tries = 0;
        while began.elapsed() < Duration::from_secs(48 * 3_600) {
            if !later.waits("a") {
                later.failed("a");
                tries += 1;
                assert!(later.waits("a"));
            }
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        assert_eq!(tries, TIMES);
        assert!(!later.waits("b"), "others are as before");
    }

    #[tokio::test]
    async fn what_this_machine_cannot_read_waits_and_keeps_no_other_waiting() {
        use crate::operations::transcripts::tests::Town;

        let town = Town::open().await;
        let state = &town.state;
        let path = format!("/cases/{}/attachments", town.case);
        let send = async |name: &str, content: &[u8]| {
            let mut body = format!(
                "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
            )
            .into_bytes();
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n--edge--\r\n");
            let kind = "multipart/form-data; boundary=edge";
            let (status, answer) = town
                .send("coordinator", "POST", &path, Some(kind), body)
                .await;
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        };
        // Where these tests run, the program is not the one that reads: it says nothing that was asked.
        send("memo.txt", "電話をした。".as_bytes()).await;
        send("photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").await;
        let waiting = async || {
            let mut tx = state.db().read().await.unwrap();
            let waiting = tx
                .unread_attachments(&"town".into(), None, 10)
                .await
                .unwrap();
            waiting
                .into_iter()
                .map(|unread| unread.media_type)
                .collect::<Vec<_>>()
        };
        assert_eq!(waiting().await.len(), 2);
        let mut later = Later::default();
        while turn(state, &mut later).await.unwrap() {}
        assert_eq!(waiting().await, ["text/plain"], "not given up for good");
        assert_eq!(later.0.len(), 1);
    }
}
