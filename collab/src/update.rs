//! Yjs updates, v1 encoding, as they stand on the wire: parsed without being applied.
//!
//! yrs keeps the blocks of an update private and cannot take an update back, so this parser is
//! ours. It accepts exactly what yjs 13.6 and yrs write, borrows all text, checks every bound,
//! allocates in proportion to the input and never panics.

use crate::frame::{FrameError, Reader};
use crate::shape::Plain;
use std::collections::HashSet;

/// Position of a unit in the log of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub client: u64,
    pub clock: u32,
}

/// A decoded update.
#[derive(Debug, Clone, PartialEq)]
pub struct Update<'a> {
    /// In the order of the wire: one group per client, clocks ascending and without holes
    /// (a `Skip` fills them).
    pub structs: Vec<Struct<'a>>,
    /// The delete set: client, first clock, length; grouped by client, in any order within.
    pub deletes: Vec<(u64, u32, u32)>,
}

/// One struct with its clocks `[clock, clock + len)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Struct<'a> {
    pub id: Id,
    pub len: u32,
    pub body: Body<'a>,
}

impl Struct<'_> {
    /// First clock after it; parsing made sure that it fits.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.id.clock + self.len
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body<'a> {
    /// Nothing known, a hole.
    Skip,
    /// Collected garbage.
    Gc,
    Item(Item<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item<'a> {
    pub origin: Option<Id>,
    pub right_origin: Option<Id>,
    /// Only on the wire when there is neither origin.
    pub parent: Option<Parent<'a>>,
    /// Map key; only on the wire when there is neither origin.
    pub key: Option<&'a str>,
    pub content: Content<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parent<'a> {
    Root(&'a str),
    Nested(Id),
}

/// Kinds of content; `pub(crate)` parts are those a document may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content<'a> {
    Deleted,
    Text(&'a str),
    /// Exactly one scalar.
    Scalar(Scalar<'a>),
    /// Several scalars: values of one key that were overwritten one after the other, where an undo
    /// manager keeps them.
    Scalars(Scalars<'a>),
    Map,
    SharedText,
    /// Everything else: JSON, binary, embed, format, array, XML, subdocument, several or nested
    /// values. Well-formed, but no document of ours holds it.
    Other(&'static str),
}

/// A scalar as it stands in an update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalar<'a>(pub(crate) Plain<'a>);

/// Two scalars or more as they stand in an update; parsed once already, without nested values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalars<'a>(&'a [u8]);

impl<'a> Scalars<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = Plain<'a>> {
        let mut input = Reader::new(self.0);
        std::iter::from_fn(move || parse_any(&mut input, 0).ok().flatten())
    }
}

const MAX_DEPTH: usize = 32;

impl<'a> Update<'a> {
    /// Decodes a whole update.
    ///
    /// # Errors
    /// [`FrameError`] when it is truncated, out of range, names a client twice or has bytes left over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut input = Reader::new(bytes);
        let mut structs = Vec::new();
        let mut clients = HashSet::new();
        for _ in 0..input.number()? {
            let count = input.number()?;
            let client = input.number()?;
            once(&mut clients, client)?;
            let mut clock = input.number32()?;
            for _ in 0..count {
                let parsed = parse_struct(&mut input, Id { client, clock })?;
                clock = clock.checked_add(parsed.len).ok_or(FrameError::Number)?;
                structs.push(parsed);
            }
        }
        let mut deletes = Vec::new();
        clients.clear();
        for _ in 0..input.number()? {
            let client = input.number()?;
            once(&mut clients, client)?;
            for _ in 0..input.number()? {
                let clock = input.number32()?;
                let len = input.number32()?;
                clock.checked_add(len).ok_or(FrameError::Number)?;
                deletes.push((client, clock, len));
            }
        }
        if input.is_empty() {
            Ok(Self { structs, deletes })
        } else {
            Err(FrameError::Trailing)
        }
    }
}

/// Nobody writes a client twice. yrs appends the second list to the first, out of order, and then
/// overwrites structs it has; yjs drops the first; of two lists of deletions yrs drops the first.
fn once(clients: &mut HashSet<u64>, client: u64) -> Result<(), FrameError> {
    if clients.insert(client) {
        Ok(())
    } else {
        Err(FrameError::Twice)
    }
}

fn parse_struct<'a>(input: &mut Reader<'a>, id: Id) -> Result<Struct<'a>, FrameError> {
    let info = input.byte()?;
    if info == 0 || info == 10 {
        let len = input.number32()?;
        let body = if info == 0 { Body::Gc } else { Body::Skip };
        return if len == 0 {
            Err(FrameError::Number)
        } else {
            Ok(Struct { id, len, body })
        };
    }
    let origin = if info & 0x80 != 0 {
        Some(parse_id(input)?)
    } else {
        None
    };
    let right_origin = if info & 0x40 != 0 {
        Some(parse_id(input)?)
    } else {
        None
    };
    let (mut parent, mut key) = (None, None);
    if origin.is_none() && right_origin.is_none() {
        parent = Some(match input.number()? {
            1 => Parent::Root(input.text()?),
            0 => Parent::Nested(parse_id(input)?),
            _ => return Err(FrameError::Number),
        });
        if info & 0x20 != 0 {
            key = Some(input.text()?);
        }
    }
    let (content, len) = parse_content(input, info & 0x1f)?;
    if len == 0 {
        return Err(FrameError::Number);
    }
    id.clock.checked_add(len).ok_or(FrameError::Number)?;
    Ok(Struct {
        id,
        len,
        body: Body::Item(Item {
            origin,
            right_origin,
            parent,
            key,
            content,
        }),
    })
}

fn parse_id(input: &mut Reader<'_>) -> Result<Id, FrameError> {
    Ok(Id {
        client: input.number()?,
        clock: input.number32()?,
    })
}

fn parse_content<'a>(input: &mut Reader<'a>, kind: u8) -> Result<(Content<'a>, u32), FrameError> {
    Ok(match kind {
        1 => (Content::Deleted, input.number32()?),
        2 => {
            let count = input.number32()?;
            for _ in 0..count {
                input.text()?;
            }
            (Content::Other("json"), count)
        }
        3 => {
            input.block()?;
            (Content::Other("binary"), 1)
        }
        4 => {
            let text = input.text()?;
            (Content::Text(text), utf16_len(text))
        }
        5 => {
            input.text()?;
            (Content::Other("embed"), 1)
        }
        6 => {
            input.text()?;
            input.text()?;
            (Content::Other("format"), 1)
        }
        7 => {
            let content = match input.number()? {
                1 => Content::Map,
                2 => Content::SharedText,
                0 => Content::Other("array"),
                4 | 6 => Content::Other("xml"),
                3 | 5 => {
                    input.text()?;
                    Content::Other("xml")
                }
                _ => return Err(FrameError::Unknown),
            };
            (content, 1)
        }
        8 => {
            let count = input.number32()?;
            let begins = *input;
            let mut first = None;
            let mut plain = true;
            for _ in 0..count {
                let value = parse_any(input, 0)?;
                plain &= value.is_some();
                first.get_or_insert(value);
            }
            match first {
                Some(Some(value)) if count == 1 => (Content::Scalar(Scalar(value)), 1),
                Some(_) if plain => (Content::Scalars(Scalars(begins.until(input))), count),
                _ => (Content::Other("values"), count),
            }
        }
        9 => {
            input.text()?;
            parse_any(input, 0)?;
            (Content::Other("subdocument"), 1)
        }
        _ => return Err(FrameError::Unknown),
    })
}

/// One lib0 `any`; `None` for an array, object or binary.
fn parse_any<'a>(input: &mut Reader<'a>, depth: usize) -> Result<Option<Plain<'a>>, FrameError> {
    if depth > MAX_DEPTH {
        return Err(FrameError::Number);
    }
    Ok(Some(match input.byte()? {
        127 | 126 => Plain::Empty,
        125 => Plain::Number(input.signed()? as f64),
        124 => Plain::Number(f64::from(f32::from_be_bytes(fixed(input.take(4)?)?))),
        123 => Plain::Number(f64::from_be_bytes(fixed(input.take(8)?)?)),
        122 => Plain::Number(i64::from_be_bytes(fixed(input.take(8)?)?) as f64),
        121 => Plain::Bool(false),
        120 => Plain::Bool(true),
        119 => Plain::Text(input.text()?),
        118 => {
            for _ in 0..input.number()? {
                input.text()?;
                parse_any(input, depth + 1)?;
            }
            return Ok(None);
        }
        117 => {
            for _ in 0..input.number()? {
                parse_any(input, depth + 1)?;
            }
            return Ok(None);
        }
        116 => {
            input.block()?;
            return Ok(None);
        }
        _ => return Err(FrameError::Unknown),
    }))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], FrameError> {
    bytes.try_into().map_err(|_| FrameError::Truncated)
}

fn utf16_len(text: &str) -> u32 {
    let units = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    u32::try_from(units).unwrap_or(u32::MAX)
}
