//! `GET /api/collab/{document}`: the socket of a live document. Speaks y-protocols sync and
//! awareness, the durability barrier 100 and the refusal 101 (see `collab::frame`).

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, header},
    response::Response,
};
use collab::{
    frame::{Code, refusal},
    hub::Connection,
};
use domain::role::Capability;
use futures_util::{SinkExt, Stream, StreamExt, stream::SplitSink};
use serde::Deserialize;
use store::{
    Caller,
    audit::{self, Event},
};

use crate::{
    access::identity_of,
    context::{CallContext, caller_of_token},
    error::{ApiError, Query},
    headers::origin_is_ours,
    operations::cases::is_id,
    state::AppState,
};

/// A client that answers no ping within this time is gone.
const PING_EVERY: Duration = Duration::from_secs(25);
/// How long a client that was told the end has to close its side.
const LINGER: Duration = Duration::from_secs(2);
/// One update of 1 MiB and its frame; more is refused before it is buffered.
pub(crate) const LARGEST_MESSAGE: usize = (1 << 20) + 4096;

#[derive(Deserialize)]
pub struct SocketQuery {
    token: Option<String>,
    /// The epoch of the copy the client holds; another one is refused with code 6.
    epoch: Option<u64>,
}

impl std::fmt::Debug for SocketQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SocketQuery")
    }
}

/// Open the socket. A reader without the right gets a refusal frame and a close, so that stock
/// clients see a reason; who is not signed in gets 401.
pub async fn socket(
    State(state): State<AppState>,
    Path(document): Path<String>,
    Query(query): Query<SocketQuery>,
    headers: HeaderMap,
    signed_in: Result<CallContext, ApiError>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let caller = match query.token {
        Some(token) => caller_of_token(&state, &token).await?,
        None => {
            if !headers.contains_key(header::AUTHORIZATION) && !origin_is_ours(&state, &headers) {
                return Err(ApiError::new(
                    axum::http::StatusCode::FORBIDDEN,
                    "cross_origin",
                ));
            }
            signed_in?.caller
        }
    };
    let document = document.into();
    let joined = if caller.may(Capability::ReadCases) {
        state
            .hub()
            .connect_at(identity_of(&caller), &document, query.epoch)
            .await
    } else {
        Err(Code::NoPermission)
    };
    record(&state, &caller, &document, &joined).await?;
    Ok(upgrade
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .read_buffer_size(2 * 1024)
        .write_buffer_size(4 * 1024)
        .on_upgrade(move |socket| async move {
            match joined {
                Ok(connection) => carry(socket, connection).await,
                Err(code) => refuse(socket, code).await,
            }
        }))
}

/// Notes in the audit log that a live document was opened, or was not.
pub(crate) async fn record<T>(
    state: &AppState,
    caller: &Caller,
    document: &domain::id::DocumentId,
    joined: &Result<T, Code>,
) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    // What came in as an id is written down only when it looks like one.
    let object = if is_id(document.as_str()) {
        document.as_str()
    } else {
        ""
    };
    let event = Event::by(caller, "document.open", "document", object);
    let event = match joined {
        Ok(_) => match tx
            .document_for(caller, document)
            .await?
            .and_then(|access| access.info().case.clone())
        {
            Some(case) => event.in_case(&case),
            None => event,
        },
        Err(_) => event.outcome(audit::Outcome::Denied),
    };
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(())
}

async fn refuse(mut socket: WebSocket, code: Code) {
    let _gone = socket.send(Message::Binary(refusal(code))).await;
    let _gone = socket.send(close_frame(Some(code))).await;
    linger(&mut socket).await;
}

/// Reads on until the client closes too. A socket dropped over unread messages is reset, and then the
/// client may not hear what it was told last.
async fn linger(stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin)) {
    let closing = async { while let Some(Ok(_)) = stream.next().await {} };
    let _gave_up = tokio::time::timeout(LINGER, closing).await;
}

fn close_frame(code: Option<Code>) -> Message {
    Message::Close(Some(CloseFrame {
        code: code.map_or(1000, Code::close_code),
        reason: "".into(),
    }))
}

async fn carry(socket: WebSocket, connection: Connection) {
    let (sink, mut stream) = socket.split();
    let (mut incoming, outgoing) = connection.split();
    let mut writing = tokio::spawn(write(sink, outgoing));
    let refused = loop {
        let message = tokio::select! {
            message = stream.next() => message,
            // The server ended it: a client that ignores the close does not keep the socket.
            _ = &mut writing => return linger(&mut stream).await,
        };
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes,
            // A text message is no frame of ours.
            Some(Ok(Message::Text(_))) => Bytes::from_static(&[255]),
            // Pings are answered below us.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Err(error)) if is_too_long(&error) => {
                incoming.refuse(Code::TooLarge);
                let _ended = tokio::time::timeout(Duration::from_secs(5), &mut writing).await;
                // The rest of the message cannot be read: only time lets the client hear why.
                return tokio::time::sleep(LINGER).await;
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => break false,
        };
        if incoming.receive(bytes).await.is_err() {
            break true;
        }
    };
    if refused {
        let _ended = tokio::time::timeout(Duration::from_secs(5), &mut writing).await;
        return linger(&mut stream).await;
    }
    drop(incoming);
    let _ended = tokio::time::timeout(Duration::from_secs(5), writing).await;
}

/// Beyond [`LARGEST_MESSAGE`]. The type of the error belongs to the library below axum.
fn is_too_long(error: &axum::Error) -> bool {
    error.to_string().contains("Message too long")
}

/// Frames that go out with one system call at most.
const TOGETHER: usize = 64;

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outgoing: collab::hub::Outgoing) {
    let cut = outgoing.cut();
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.tick().await;
    loop {
        let frame = tokio::select! {
            frame = outgoing.next() => frame,
            _ = ping.tick() => {
                if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                    break;
                }
                continue;
            }
        };
        let Some(frame) = frame else { break };
        let sent = tokio::select! {
            biased;
            sent = send_waiting(&mut sink, frame, &mut outgoing) => sent.is_ok(),
            // A send that hangs must not keep a revoked reader connected.
            () = async { cut.cancelled().await; tokio::time::sleep(Duration::from_millis(300)).await } => false,
        };
        if !sent {
            break;
        }
    }
    let closing = async {
        let _gone = sink.send(close_frame(outgoing.end())).await;
        let _gone = sink.close().await;
    };
    let _gone = tokio::time::timeout(Duration::from_millis(500), closing).await;
}

/// This frame and those that wait behind it.
async fn send_waiting(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Bytes,
    outgoing: &mut collab::hub::Outgoing,
) -> Result<(), axum::Error> {
    sink.feed(Message::Binary(first)).await?;
    for _ in 1..TOGETHER {
        let Some(frame) = outgoing.try_next() else {
            break;
        };
        sink.feed(Message::Binary(frame)).await?;
    }
    sink.flush().await
}
