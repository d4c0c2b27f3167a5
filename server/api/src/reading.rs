//! Reads the text of attachments for the search, one after the other, in a process of its own: what a
//! file does to a parser (a bomb, endless nesting, a crash) ends that process and nothing else. The file
//! goes there part by part and never touches the disk.

use std::{process::Stdio, time::Duration};

use attachments::{LONGEST, Reading, may_hold_text};
use store::{
    StoreError, Tx,
    blobs::{TextState, Unread},
    municipalities,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::Notify,
    time::{sleep, timeout},
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
    loop {
        let turned = tokio::select! {
            // The process ends with what waits for it.
            () = stop.cancelled() => return,
            turned = turn(&state) => turned,
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

/// Reads one attachment of each municipality, if any waits; `false`: none did.
async fn turn(state: &AppState) -> Result<bool, ApiError> {
    let mut tx = state.db().read().await?;
    let all = municipalities::list(&mut tx).await?;
    drop(tx);
    let mut any = false;
    for municipality in all {
        let mut tx = state.db().read().await?;
        let waiting = tx.unread_attachment(&municipality.id).await?;
        drop(tx);
        if waiting.is_none() {
            continue;
        }
        let holder = state.holder();
        let claim = state.db().claim(&municipality.id, CLAIM, &holder).await?;
        let Some(claim) = claim else { continue };
        let read = one(state, &municipality.id).await;
        state.db().release(claim).await?;
        any |= read?;
    }
    Ok(any)
}

/// Reads the attachment that waits longest; `false`: another node was quicker.
async fn one(
    state: &AppState,
    municipality: &domain::id::MunicipalityId,
) -> Result<bool, ApiError> {
    let mut tx = state.db().read().await?;
    let waiting = tx.unread_attachment(municipality).await?;
    drop(tx);
    let Some(unread) = waiting else {
        return Ok(false);
    };
    let (found, text) = if may_hold_text(&unread.media_type) {
        match read(state, &unread).await? {
            Reading::Text(text) => (TextState::Read, Some(text)),
            Reading::NoText => (TextState::None, None),
            Reading::Locked => (TextState::Locked, None),
            Reading::Unreadable => (TextState::Unreadable, None),
        }
    } else {
        (TextState::None, None)
    };
    let mut tx = state.db().write().await?;
    tx.put_attachment_text(&unread, found, text.as_deref())
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Has an attachment read. What ends the process that does so makes the file unreadable.
async fn read(state: &AppState, unread: &Unread) -> Result<Reading, ApiError> {
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
    let answer = match timeout(PATIENCE, talk(state, unread, &mut child)).await {
        Ok(answer) => answer?,
        Err(_) => {
            child.kill().await.map_err(ApiError::internal)?;
            None
        }
    };
    let reading = answer.and_then(|answer| serde_json::from_slice(&answer).ok());
    if reading.is_none() {
        tracing::info!(attachment = %unread.id, "attachment cannot be read for the search");
    }
    Ok(reading.unwrap_or(Reading::Unreadable))
}

/// Sends the file and takes the answer. `None`: it ended without one.
async fn talk(
    state: &AppState,
    unread: &Unread,
    child: &mut Child,
) -> Result<Option<Vec<u8>>, ApiError> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Ok(None);
    };
    for number in 0.. {
        let mut tx: Tx = state.db().read().await?;
        let part = match tx.unread_part(unread, number).await {
            Ok(part) => part,
            // Its key is gone, and the file with it.
            Err(StoreError::Crypto(_)) => return Ok(None),
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
    Ok((taken.is_ok() && status.success()).then_some(answer))
}
