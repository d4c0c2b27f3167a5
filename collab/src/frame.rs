//! Frames on the socket: y-protocols sync and awareness, plus our barrier and refusal.
//!
//! | first varuint | frame |
//! |---|---|
//! | 0 | sync: 0 step 1 (state vector), 1 step 2 (update), 2 update |
//! | 1 | awareness update |
//! | 2 | auth (ignored from clients; 0 = denied with a reason) |
//! | 3 | query awareness |
//! | 100 | durability barrier: echoed once everything received before it is durable |
//! | 101 | refusal: varuint code, varstring reason |
//!
//! Decoding borrows from the input, checks every bound and never panics.

use bytes::Bytes;
use yrs::StateVector;

/// Why the server refuses. The numbers are part of the contract with clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Not decodable, or it builds on changes the server never received.
    Malformed = 1,
    TooLarge = 2,
    NoPermission = 3,
    /// Not what this kind of document may hold.
    ShapeNotAllowed = 4,
    /// A client id that belongs to somebody else.
    ForeignAuthor = 5,
    /// Document gone, or a new epoch began.
    Gone = 6,
    /// Server, log or connection overloaded: keep the copy, come back later.
    Overloaded = 7,
    /// Masked reader: use the projection.
    Masked = 8,
    /// A valid 12-digit マイナンバー.
    PersonalNumber = 9,
    /// What is stored of the document is damaged: neither shown nor changed until it is restored.
    Damaged = 10,
}

impl Code {
    /// Words for the user: what happened and what to do.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => {
                "受信した変更を読み取れませんでした。画面を読み込み直し、未送信の文章があれば貼り付け直してください。"
            }
            Self::TooLarge => {
                "一度に送れる大きさ（1MB）を超えています。文章を分けて貼り付けてください。"
            }
            Self::NoPermission => {
                "この文書を編集・閲覧する権限がありません。権限が変わった可能性があります。担当の多機関協働事業者に確認してください。"
            }
            Self::ShapeNotAllowed => {
                "この欄には入れられない内容です。画面を読み込み直し、もう一度入力してください。"
            }
            Self::ForeignAuthor => {
                "別の利用者の変更として送られたため受け付けませんでした。画面を読み込み直してください。"
            }
            Self::Gone => "文書が新しい版に切り替わりました。画面を読み込み直してください。",
            Self::Overloaded => {
                "サーバーが混み合っているため保存できていません。入力内容は画面に残っています。しばらくすると自動で再送します。"
            }
            Self::Masked => "この文書はマスク済みの閲覧のみ許可されています。",
            Self::PersonalNumber => {
                "マイナンバー（12桁の個人番号）とみられる数字は保存できません。数字を削除してから入力し直してください。"
            }
            Self::Damaged => {
                "この文書の記録に壊れた箇所が見つかったため、表示も保存もできません。入力内容は画面に残っています。システム管理者に連絡してください。"
            }
        }
    }

    /// Code for closing a WebSocket. As in HTTP, and as Yjs' own provider understands it: 4400 +
    /// code for good, 4500 + code for "come back later".
    #[must_use]
    pub fn close_code(self) -> u16 {
        let later = matches!(self, Self::Overloaded | Self::Damaged);
        let range = if later { 4500 } else { 4400 };
        range + self as u16
    }
}

/// A frame as received. Slices point into the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// State vector of the peer.
    SyncStep1(&'a [u8]),
    /// Answer to our state vector.
    SyncStep2(&'a [u8]),
    Update(&'a [u8]),
    Awareness(&'a [u8]),
    Auth,
    QueryAwareness,
    /// Payload to be echoed.
    Barrier(&'a [u8]),
    Refusal {
        code: u64,
        reason: &'a str,
    },
}

/// Not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame ends too early")]
    Truncated,
    #[error("number is out of range")]
    Number,
    #[error("text is not UTF-8")]
    Text,
    #[error("unknown frame type")]
    Unknown,
    #[error("a client stands in it twice")]
    Twice,
    #[error("bytes after the end of the frame")]
    Trailing,
}

/// Longest payload of a barrier.
pub const MAX_BARRIER: usize = 1024;

impl<'a> Frame<'a> {
    /// Decodes one message.
    ///
    /// # Errors
    /// [`FrameError`]; nothing is allocated.
    pub fn decode(message: &'a [u8]) -> Result<Self, FrameError> {
        let mut input = Reader::new(message);
        let frame = match input.number()? {
            0 => match input.number()? {
                0 => Self::SyncStep1(input.block()?),
                1 => Self::SyncStep2(input.block()?),
                2 => Self::Update(input.block()?),
                _ => return Err(FrameError::Unknown),
            },
            1 => Self::Awareness(input.block()?),
            2 => return Ok(Self::Auth),
            3 => Self::QueryAwareness,
            100 => {
                let payload = input.block()?;
                if payload.len() > MAX_BARRIER {
                    return Err(FrameError::Number);
                }
                Self::Barrier(payload)
            }
            101 => Self::Refusal {
                code: input.number()?,
                reason: input.text()?,
            },
            _ => return Err(FrameError::Unknown),
        };
        if input.is_empty() {
            Ok(frame)
        } else {
            Err(FrameError::Trailing)
        }
    }

    /// Encodes; the inverse of [`Frame::decode`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(16 + self.payload_len());
        match *self {
            Self::SyncStep1(block) => tagged(&mut out, &[0, 0], block),
            Self::SyncStep2(block) => tagged(&mut out, &[0, 1], block),
            Self::Update(block) => tagged(&mut out, &[0, 2], block),
            Self::Awareness(block) => tagged(&mut out, &[1], block),
            Self::Auth => out.push(2),
            Self::QueryAwareness => out.push(3),
            Self::Barrier(block) => tagged(&mut out, &[100], block),
            Self::Refusal { code, reason } => {
                out.push(101);
                write_number(&mut out, code);
                write_block(&mut out, reason.as_bytes());
            }
        }
        out.into()
    }

    fn payload_len(&self) -> usize {
        match *self {
            Self::SyncStep1(b)
            | Self::SyncStep2(b)
            | Self::Update(b)
            | Self::Awareness(b)
            | Self::Barrier(b) => b.len(),
            Self::Refusal { reason, .. } => reason.len(),
            Self::Auth | Self::QueryAwareness => 0,
        }
    }
}

/// The refusal frame for a code, with the standard words.
#[must_use]
pub fn refusal(code: Code) -> Bytes {
    Frame::Refusal {
        code: code as u64,
        reason: code.reason(),
    }
    .encode()
}

/// Decodes a peer's state vector.
///
/// # Errors
/// [`FrameError`] when it is truncated, out of range or has bytes left over.
pub fn decode_state(bytes: &[u8]) -> Result<StateVector, FrameError> {
    let mut input = Reader::new(bytes);
    let mut state = StateVector::default();
    for _ in 0..input.number()? {
        let client = input.number()?;
        let clock = input.number32()?;
        state.set_max(yrs::ClientID::new(client), clock);
    }
    if input.is_empty() {
        Ok(state)
    } else {
        Err(FrameError::Trailing)
    }
}

fn tagged(out: &mut Vec<u8>, tag: &[u8], block: &[u8]) {
    out.extend_from_slice(tag);
    write_block(out, block);
}

/// lib0 `varUint`.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// lib0 `varUint8Array`.
pub(crate) fn write_block(out: &mut Vec<u8>, block: &[u8]) {
    write_number(out, block.len() as u64);
    out.extend_from_slice(block);
}

/// Bounds-checked reading of lib0's encodings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was read since, by a later state of the same reader.
    pub(crate) fn until(self, later: &Self) -> &'a [u8] {
        &self.rest[..self.rest.len() - later.rest.len()]
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FrameError> {
        let (&first, rest) = self.rest.split_first().ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    /// `varUint` within JavaScript's safe integers (53 bits).
    pub(crate) fn number(&mut self) -> Result<u64, FrameError> {
        let mut number = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            if shift > 49 {
                return Err(FrameError::Number);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        if number >> 53 == 0 {
            Ok(number)
        } else {
            Err(FrameError::Number)
        }
    }

    pub(crate) fn number32(&mut self) -> Result<u32, FrameError> {
        u32::try_from(self.number()?).map_err(|_| FrameError::Number)
    }

    /// lib0 `varInt`: sign in bit 6 of the first byte.
    pub(crate) fn signed(&mut self) -> Result<i64, FrameError> {
        let first = self.byte()?;
        let mut number = i64::from(first & 0x3f);
        let negative = first & 0x40 != 0;
        let mut more = first & 0x80 != 0;
        let mut shift = 6;
        while more {
            let byte = self.byte()?;
            if shift > 55 {
                return Err(FrameError::Number);
            }
            number |= i64::from(byte & 0x7f) << shift;
            more = byte & 0x80 != 0;
            shift += 7;
        }
        Ok(if negative { -number } else { number })
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FrameError> {
        if len > self.rest.len() {
            return Err(FrameError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn block(&mut self) -> Result<&'a [u8], FrameError> {
        let len = usize::try_from(self.number()?).map_err(|_| FrameError::Number)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, FrameError> {
        std::str::from_utf8(self.block()?).map_err(|_| FrameError::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wire_format_is_y_protocols() {
        assert_eq!(&Frame::SyncStep1(&[0]).encode()[..], &[0, 0, 1, 0]);
        assert_eq!(&Frame::Update(&[1, 2]).encode()[..], &[0, 2, 2, 1, 2]);
        assert_eq!(&Frame::Barrier(&[9]).encode()[..], &[100, 1, 9]);
        assert_eq!(
            &Frame::Refusal {
                code: 3,
                reason: "no"
            }
            .encode()[..],
            &[101, 3, 2, b'n', b'o']
        );
    }

    #[test]
    fn numbers_beyond_javascript_are_refused() {
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]).number(),
            Ok((1 << 53) - 1)
        );
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]).number(),
            Err(FrameError::Number)
        );
        assert_eq!(Reader::new(&[0xff; 20]).number(), Err(FrameError::Number));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Frame::decode(&bytes);
        }

        #[test]
        fn frames_survive_the_round_trip(kind in 0_u8..7, block in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frame = match kind {
                0 => Frame::SyncStep1(&block), 1 => Frame::SyncStep2(&block), 2 => Frame::Update(&block),
                3 => Frame::Awareness(&block), 4 => Frame::QueryAwareness, 5 => Frame::Barrier(&block),
                _ => Frame::Refusal { code: 4, reason: "だめ" },
            };
            let wire = frame.encode();
            prop_assert_eq!(Frame::decode(&wire), Ok(frame));
            for cut in 0..wire.len() { prop_assert!(Frame::decode(&wire[..cut]).is_err()); }
        }
    }
}
