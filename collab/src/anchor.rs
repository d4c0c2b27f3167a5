//! Positions that survive editing: Yjs relative positions, in the encoding of
//! `Y.encodeRelativePosition`, as base64.
//!
//! A mask span keeps its start associated to the character after it and its end to the character
//! before it: text typed at either border stays outside, text typed within is covered.

use crate::frame::{FrameError, Reader, write_block, write_number};
use crate::shape::Shape;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::offset::Utf16;
use std::ops::Range;
use yrs::{
    Assoc, ClientID, ID, IndexScope, IndexedSequence, Map, Out, ReadTxn, StickyIndex, TextRef,
};

/// Encodes as `Y.encodeRelativePosition` and base64.
#[must_use]
pub fn encode(position: &StickyIndex) -> String {
    let mut out = Vec::with_capacity(16);
    match position.scope() {
        IndexScope::Relative(id) => {
            out.push(0);
            write_number(&mut out, id.client.get());
            write_number(&mut out, u64::from(id.clock));
        }
        IndexScope::Root(name) => {
            out.push(1);
            write_block(&mut out, name.as_bytes());
        }
        IndexScope::Nested(id) => {
            out.push(2);
            write_number(&mut out, id.client.get());
            write_number(&mut out, u64::from(id.clock));
        }
    }
    // lib0 varInt: 0, or -1 with the sign in bit 6.
    out.push(if position.assoc == Assoc::After {
        0
    } else {
        0x41
    });
    STANDARD.encode(out)
}

/// Decodes what [`encode`] or a browser wrote; `None` when it is something else.
#[must_use]
pub fn decode(text: &str) -> Option<StickyIndex> {
    let bytes = STANDARD.decode(text).ok()?;
    read(&mut Reader::new(&bytes)).ok()
}

fn read(input: &mut Reader<'_>) -> Result<StickyIndex, FrameError> {
    let kind = input.number()?;
    let id = |input: &mut Reader<'_>| -> Result<ID, FrameError> {
        Ok(ID::new(ClientID::new(input.number()?), input.number32()?))
    };
    let scope = match kind {
        0 => IndexScope::Relative(id(input)?),
        1 => IndexScope::Root(input.text()?.into()),
        2 => IndexScope::Nested(id(input)?),
        _ => return Err(FrameError::Unknown),
    };
    // Old positions end here.
    let assoc = if input.is_empty() || input.signed()? >= 0 {
        Assoc::After
    } else {
        Assoc::Before
    };
    if input.is_empty() {
        Ok(StickyIndex::new(scope, assoc))
    } else {
        Err(FrameError::Trailing)
    }
}

/// Anchors of a non-empty range of a text; `None` when it is empty or lies outside.
#[must_use]
pub fn anchor<T: ReadTxn>(
    txn: &T,
    text: &TextRef,
    range: Range<Utf16>,
) -> Option<(String, String)> {
    let start = u32::try_from(range.start.0).ok()?;
    let end = u32::try_from(range.end.0).ok()?;
    if start >= end || end > yrs::Text::len(text, txn) {
        return None;
    }
    let start = text.sticky_index(txn, start, Assoc::After)?;
    let end = text.sticky_index(txn, end, Assoc::Before)?;
    Some((encode(&start), encode(&end)))
}

/// Where the anchors are now in `text`; `None` when they are not this text's, or when nothing is
/// left between them.
#[must_use]
pub fn resolve<T: ReadTxn>(
    txn: &T,
    text: &TextRef,
    start: &str,
    end: &str,
) -> Option<Range<Utf16>> {
    let start = offset(txn, text, start)?;
    let end = offset(txn, text, end)?;
    (start < end).then_some(start..end)
}

/// One anchor's offset in `text`.
#[must_use]
pub fn offset<T: ReadTxn>(txn: &T, text: &TextRef, anchor: &str) -> Option<Utf16> {
    let position = decode(anchor)?;
    let found = position.get_offset(txn)?;
    let here: &yrs::branch::Branch = text.as_ref();
    (found.branch.id() == here.id()).then_some(Utf16(found.index as usize))
}

/// The text at a field path: `summary` or `table/row/column` of `fields`, or the name of a root
/// text (`content`).
#[must_use]
pub fn text_at<T: ReadTxn>(txn: &T, shape: &Shape, path: &str) -> Option<TextRef> {
    let (_, root) = shape.roots().find(|(name, _)| *name == path).unzip();
    if let Some(root) = root
        && matches!(shape.rule(root.rule), crate::shape::Rule::Text { .. })
    {
        return txn.get_text(path);
    }
    let mut map = txn.get_map("fields")?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        match (map.get(txn, part)?, parts.peek()) {
            (Out::YText(text), None) => return Some(text),
            (Out::YMap(inner), Some(_)) => map = inner,
            _ => return None,
        }
    }
    None
}
