//! Live documents over plain HTTP, for networks that let no WebSocket through. A channel is what a
//! socket is: one connection to one room, through [`collab::hub::Hub::connect_at`]. Requests carry its
//! frames; this module keeps what HTTP does not give:
//!
//! - **upwards** every frame has a number, so that a request sent twice is applied once and a gap is
//!   noticed;
//! - **downwards** every frame has a number and is kept until the client says that it arrived. What
//!   is kept is bounded: beyond it the room's own queue fills, and a reader that stays behind is
//!   resynchronised or closed by the room, as on a socket;
//! - a channel ends when nobody asked for it for a while, when its room ends it, or when it is closed.
//!
//! **Invariant:** a channel answers only to the sign-in and membership that opened it, for the one
//! document it was opened for. To everybody else it does not exist.
//!
//! **Invariant:** once a right is revoked nothing that was kept goes out any more, only the refusal.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use collab::{
    frame::{Code, refusal},
    hub::{Connection, Incoming, Outgoing},
};
use domain::id::{AccountId, DocumentId, MembershipId, MunicipalityId};
use parking_lot::Mutex;
use store::Caller;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::shares::{Share, Shares};

/// How long what was kept can still be fetched after the room ended a channel.
const GRACE: Duration = Duration::from_secs(1);

/// Bounds on channels.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Channels that one account may have at once, over all its browsers.
    pub per_account: usize,
    /// Frames and bytes that wait for the client's word before no more are taken from the room. One
    /// frame may be larger: a whole document arrives in one piece.
    pub kept_frames: usize,
    pub kept_bytes: usize,
    /// A channel that no request came for in this time ends. A little over a minute, because a
    /// browser lets a page in the background act once a minute.
    pub idle: Duration,
    /// How long an ended channel can still be asked why it ended.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_account: 32,
            kept_frames: 256,
            kept_bytes: 256 << 10,
            idle: Duration::from_secs(75),
            linger: Duration::from_secs(10),
        }
    }
}

/// The channels of this process.
#[derive(Debug)]
pub struct Channels {
    limits: Limits,
    shares: Arc<Shares>,
    open: Mutex<HashMap<String, Arc<Channel>>>,
}

impl Channels {
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            shares: Shares::new(limits.per_account),
            open: Mutex::default(),
        })
    }

    /// Channels in memory, those included that ended a moment ago.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// A place for one more channel of the account; `None` when it has as many as there may be.
    #[must_use]
    pub(crate) fn place(&self, account: &AccountId) -> Option<Share> {
        self.shares.take(account)
    }

    /// Starts a channel under an `id` that nobody can guess. One that was not let into the room
    /// holds nothing but the refusal, as a socket would have said it.
    pub(crate) fn open(
        self: &Arc<Self>,
        id: String,
        place: Share,
        caller: &Caller,
        document: DocumentId,
        joined: Result<Connection, Code>,
    ) {
        let (incoming, outgoing, refused) = match joined {
            Ok(connection) => {
                let (incoming, outgoing) = connection.split();
                (Some(incoming), Some(outgoing), None)
            }
            Err(code) => (None, None, Some(code)),
        };
        let channel = Arc::new(Channel {
            owner: Owner::of(caller),
            document,
            limits: self.limits,
            up: tokio::sync::Mutex::new(Up {
                incoming,
                received: 0,
            }),
            down: Mutex::new(Down {
                kept: VecDeque::new(),
                bytes: 0,
                last: 0,
                confirmed: 0,
                end: None,
                reader: 0,
                asked: Instant::now(),
            }),
            news: Notify::new(),
            confirmed: Notify::new(),
            closed: CancellationToken::new(),
            ended: CancellationToken::new(),
            _place: place,
        });
        self.open.lock().insert(id.clone(), Arc::clone(&channel));
        let channels = Arc::clone(self);
        tokio::spawn(async move {
            match (outgoing, refused) {
                (Some(outgoing), _) => channel.carry(outgoing).await,
                (None, code) => channel.end(code).await,
            }
            tokio::select! {
                () = channel.closed.cancelled() => {}
                () = sleep(channels.limits.linger) => {}
            }
            channels.open.lock().remove(&id);
        });
    }

    /// The channel, when this caller opened it for this document. Asking keeps it alive.
    #[must_use]
    pub(crate) fn find(
        &self,
        caller: &Caller,
        document: &DocumentId,
        id: &str,
    ) -> Option<Arc<Channel>> {
        let channel = self.open.lock().get(id).cloned()?;
        if channel.owner != Owner::of(caller) || channel.document != *document {
            return None;
        }
        // What its client closed is gone, though it may still be on its way out of the room.
        if channel.closed.is_cancelled() {
            return None;
        }
        channel.down.lock().asked = Instant::now();
        Some(channel)
    }
}

/// Whose a channel is: the session or token too, not only the person.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    municipality: MunicipalityId,
    account: AccountId,
    membership: MembershipId,
    via: String,
}

impl Owner {
    fn of(caller: &Caller) -> Self {
        Self {
            municipality: caller.viewer.municipality.clone(),
            account: caller.viewer.account.clone(),
            membership: caller.viewer.membership.clone(),
            via: caller.via.clone(),
        }
    }
}

/// One connection to one room, carried by requests.
pub(crate) struct Channel {
    owner: Owner,
    document: DocumentId,
    limits: Limits,
    up: tokio::sync::Mutex<Up>,
    down: Mutex<Down>,
    /// Rung when there is something for a reader.
    news: Notify,
    /// Rung when the client said what arrived.
    confirmed: Notify,
    /// The client closed it.
    closed: CancellationToken,
    /// It is out of the room.
    ended: CancellationToken,
    /// Given back when the channel is forgotten.
    _place: Share,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("document", &self.document)
            .finish_non_exhaustive()
    }
}

struct Up {
    /// `None` once it is out of the room.
    incoming: Option<Incoming>,
    /// Number of the last frame that the room was given.
    received: u64,
}

struct Down {
    /// Number and frame, rising; not confirmed yet.
    kept: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// Number of the newest frame.
    last: u64,
    confirmed: u64,
    /// Close code, when nothing comes any more.
    end: Option<u16>,
    /// The reader whose turn it is; an older one steps back.
    reader: u64,
    /// When a request last came.
    asked: Instant,
}

/// Why frames were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// A frame before these is missing; this many were received.
    Gap(u64),
    /// The channel has ended; reading says why.
    Ended,
}

/// What a reader hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Frame(u64, Bytes),
    /// Nothing comes any more; the code a socket would be closed with.
    End(u16),
}

impl Channel {
    /// Number of the newest frame for the client: who misses it longer than the way takes knows that
    /// something holds it back.
    #[must_use]
    pub(crate) fn newest(&self) -> u64 {
        self.down.lock().last
    }

    /// Gives frames to the room, the first of them being the client's frame number `first` (from 1).
    /// Those that were given before are passed over. Waits while the room is busy. Returns how many
    /// frames the client has sent altogether.
    ///
    /// # Errors
    /// [`NotSent`].
    pub(crate) async fn send(&self, first: u64, frames: &[Bytes]) -> Result<u64, NotSent> {
        let mut up = self.up.lock().await;
        let Some(known) = (up.received + 1).checked_sub(first) else {
            return Err(NotSent::Gap(up.received));
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        for frame in frames.iter().skip(known) {
            let incoming = up.incoming.as_mut().ok_or(NotSent::Ended)?;
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return Err(NotSent::Ended),
                given = incoming.receive(frame.clone()) => given.map_err(|_| NotSent::Ended)?,
            }
            up.received += 1;
        }
        Ok(up.received)
    }

    /// Ends the channel over something that did not even become a frame.
    pub(crate) async fn refuse(&self, code: Code) {
        if let Some(incoming) = &self.up.lock().await.incoming {
            incoming.refuse(code);
        }
    }

    /// The client has everything up to and including frame `number`. `false` when there never was
    /// such a frame.
    #[must_use]
    pub(crate) fn confirm(&self, number: u64) -> bool {
        let mut down = self.down.lock();
        if number > down.last {
            return false;
        }
        down.confirm(number);
        drop(down);
        self.confirmed.notify_waiters();
        true
    }

    /// Reads on after frame `after`, which confirms the frames up to it; whoever read before steps
    /// back. `None` when the client asks for what it confirmed already or what never was: a request
    /// that was held up somewhere must not end the newer one's turn.
    #[must_use]
    pub(crate) fn read(self: &Arc<Self>, after: u64) -> Option<Reader> {
        let mut down = self.down.lock();
        if after < down.confirmed || after > down.last {
            return None;
        }
        down.confirm(after);
        down.reader += 1;
        let turn = down.reader;
        drop(down);
        self.confirmed.notify_waiters();
        self.news.notify_waiters();
        Some(Reader {
            channel: Arc::clone(self),
            turn,
            at: after,
        })
    }

    /// Leaves the room after what was sent; nothing is kept.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Takes frames from the room until it or the client is done.
    async fn carry(&self, mut outgoing: Outgoing) {
        let cut = outgoing.cut();
        loop {
            let idle = self.down.lock().asked + self.limits.idle;
            let frame = tokio::select! {
                biased;
                () = self.closed.cancelled() => return self.end(None).await,
                () = cut.cancelled() => None,
                frame = async { self.wait_for_place().await; outgoing.next().await } => frame,
                () = sleep_until(idle) => {
                    if self.down.lock().asked + self.limits.idle <= Instant::now() {
                        return self.end(None).await;
                    }
                    continue;
                }
            };
            match frame {
                // Also when there is a frame: it may have been taken before the cut.
                _ if cut.is_cancelled() => return self.end(outgoing.end()).await,
                Some(frame) => {
                    self.down.lock().keep(frame);
                    self.news.notify_waiters();
                }
                None => {
                    // What was said before the end still goes out, but not to who comes later: the
                    // room cannot tell us any more that a right was revoked.
                    self.leave(outgoing.end()).await;
                    sleep(GRACE).await;
                    self.withdraw(outgoing.end());
                    return;
                }
            }
        }
    }

    async fn wait_for_place(&self) {
        loop {
            let confirmed = self.confirmed.notified();
            {
                let down = self.down.lock();
                if down.kept.len() < self.limits.kept_frames && down.bytes < self.limits.kept_bytes
                {
                    return;
                }
            }
            confirmed.await;
        }
    }

    /// Out of the room at once; a refusal is all that is said.
    async fn end(&self, code: Option<Code>) {
        self.withdraw(code);
        self.leave(code).await;
    }

    fn withdraw(&self, code: Option<Code>) {
        let mut down = self.down.lock();
        down.kept.clear();
        down.bytes = 0;
        if let Some(code) = code {
            down.keep(refusal(code));
        }
    }

    async fn leave(&self, code: Option<Code>) {
        self.down.lock().end = Some(code.map_or(1000, Code::close_code));
        self.news.notify_waiters();
        self.ended.cancel();
        self.up.lock().await.incoming = None;
    }
}

impl Down {
    fn keep(&mut self, frame: Bytes) {
        self.last += 1;
        self.bytes += frame.len();
        self.kept.push_back((self.last, frame));
    }

    fn confirm(&mut self, number: u64) {
        self.confirmed = self.confirmed.max(number);
        while let Some((_, frame)) = self.kept.pop_front_if(|(kept, _)| *kept <= number) {
            self.bytes -= frame.len();
        }
    }
}

/// One request's turn at reading.
#[derive(Debug)]
pub(crate) struct Reader {
    channel: Arc<Channel>,
    turn: u64,
    /// Number of the last frame it heard.
    at: u64,
}

impl Reader {
    /// What comes next, waiting for it; `None` when another request reads now.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        let channel = Arc::clone(&self.channel);
        loop {
            let news = channel.news.notified();
            match self.look() {
                Look::Heard(piece) => return Some(piece),
                Look::Over => return None,
                Look::Nothing => news.await,
            }
        }
    }

    /// What is there already.
    pub(crate) fn ready(&mut self) -> Option<Piece> {
        match self.look() {
            Look::Heard(piece) => Some(piece),
            Look::Over | Look::Nothing => None,
        }
    }

    fn look(&mut self) -> Look {
        let down = self.channel.down.lock();
        if down.reader != self.turn {
            return Look::Over;
        }
        let next = down.kept.partition_point(|(number, _)| *number <= self.at);
        match (down.kept.get(next), down.end) {
            (Some((number, frame)), _) => {
                self.at = *number;
                Look::Heard(Piece::Frame(*number, frame.clone()))
            }
            (None, Some(code)) => Look::Heard(Piece::End(code)),
            (None, None) => Look::Nothing,
        }
    }
}

enum Look {
    Heard(Piece),
    Nothing,
    Over,
}

#[cfg(test)]
mod tests {
    use collab::frame::Frame;
    use domain::section::DocumentKind;

    use super::*;
    use crate::{access::identity_of, operations::transcripts::tests::Town};

    const LIMITS: Limits = Limits {
        per_account: 1,
        kept_frames: 4,
        kept_bytes: 1 << 20,
        idle: Duration::from_secs(60),
        linger: Duration::from_millis(10),
    };

    async fn open(town: &Town, who: &str, limits: Limits) -> (Arc<Channels>, Arc<Channel>) {
        let channels = Channels::new(limits);
        let caller = town.caller(who).await;
        let document = town.documents[&DocumentKind::Assessment].clone();
        let place = channels.place(&caller.viewer.account).unwrap();
        let joined = town
            .state
            .hub()
            .connect(identity_of(&caller), &document)
            .await;
        channels.open("id".into(), place, &caller, document.clone(), joined);
        let channel = channels.find(&caller, &document, "id").unwrap();
        (channels, channel)
    }

    fn barriers(numbers: impl Iterator<Item = u8>) -> Vec<Bytes> {
        numbers
            .map(|number| Frame::Barrier(&[number]).encode())
            .collect()
    }

    /// Numbers of the barriers that come back, until nothing more comes; every frame is confirmed.
    async fn echoes(channel: &Arc<Channel>) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut reader = channel.read(0).unwrap();
        let quiet = Duration::from_millis(300);
        while let Ok(Some(Piece::Frame(number, frame))) =
            tokio::time::timeout(quiet, reader.next()).await
        {
            if let Ok(Frame::Barrier(payload)) = Frame::decode(&frame) {
                heard.extend_from_slice(payload);
            }
            assert!(channel.down.lock().kept.len() <= LIMITS.kept_frames);
            assert!(channel.confirm(number));
        }
        heard
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_sent_again_counts_once_and_what_waits_is_bounded() {
        let town = Town::open().await;
        let (_channels, channel) = open(&town, "coordinator", LIMITS).await;
        assert_eq!(channel.send(1, &barriers(1..=10)).await, Ok(10));
        assert_eq!(channel.send(1, &barriers(1..=10)).await, Ok(10));
        assert_eq!(channel.send(6, &barriers(6..=30)).await, Ok(30));
        assert_eq!(
            channel.send(32, &barriers(32..=32)).await,
            Err(NotSent::Gap(30))
        );
        assert_eq!(echoes(&channel).await, (1..=30).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_frame_stays_until_it_is_confirmed() {
        let town = Town::open().await;
        let (_channels, channel) = open(&town, "coordinator", LIMITS).await;
        let first = channel.read(0).unwrap().next().await;
        assert!(matches!(first, Some(Piece::Frame(1, _))), "{first:?}");
        let mut lost = channel.read(0).unwrap();
        assert_eq!(channel.read(0).unwrap().next().await, first);
        assert_eq!(lost.next().await, None, "another one reads now");
        assert!(channel.confirm(1));
        assert!(!channel.confirm(2), "there is no frame 2 yet");
        assert!(channel.read(0).is_none(), "frame 1 is gone");
        assert!(channel.read(2).is_none());
        assert!(channel.read(1).is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_channel_that_nobody_asks_for_leaves_the_room() {
        let town = Town::open().await;
        let idle = Duration::from_millis(100);
        let (channels, channel) = open(&town, "coordinator", Limits { idle, ..LIMITS }).await;
        let account = channel.owner.account.clone();
        assert!(channels.place(&account).is_none());
        let gone = async {
            while channels.count() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
        assert!(channel.up.lock().await.incoming.is_none());
        assert_eq!(channel.send(1, &barriers(1..=1)).await, Err(NotSent::Ended));
        drop(channel);
        assert!(
            channels.place(&account).is_some(),
            "the place is given back"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_is_not_let_in_hears_why_and_nothing_else() {
        let town = Town::open().await;
        for (who, code) in [("partner", Code::Masked), ("stranger", Code::NoPermission)] {
            let (_channels, channel) = open(&town, who, LIMITS).await;
            let mut reader = channel.read(0).unwrap();
            assert_eq!(reader.next().await, Some(Piece::Frame(1, refusal(code))));
            assert_eq!(reader.next().await, Some(Piece::End(code.close_code())));
        }
    }
}
