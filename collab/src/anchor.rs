//! Positions that survive editing: Yjs relative positions, in the encoding of
//! `Y.encodeRelativePosition`, as base64.
//!
//! A mask span keeps its start associated to the character after it and its end to the character
//! before it: text typed at either border stays outside, text typed within is covered.
//!
//! An undone deletion writes the characters anew, left of the places where they stood, and nobody but
//! who did it knows that they are the same. At the end of a span that is inside. At its start it is
//! outside: [`Place::adrift`] says that the character which the start holds to is gone, and with
//! [`behind`] the start holds to the one in front, so that whatever is written there lies inside.

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

/// Where a span is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Empty when nothing of it is left.
    pub range: Range<Utf16>,
    /// The character that the start is anchored to was deleted: it may come back on the left of it,
    /// and others with it.
    pub adrift: bool,
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
    Some((
        before(txn, text, range.start)?,
        behind(txn, text, range.end)?,
    ))
}

/// Anchor in front of the character at `at`: what is written there stands before it.
#[must_use]
pub fn before<T: ReadTxn>(txn: &T, text: &TextRef, at: Utf16) -> Option<String> {
    let position = text.sticky_index(txn, u32::try_from(at.0).ok()?, Assoc::After)?;
    Some(encode(&position))
}

/// Anchor behind the character before `at`, or at the beginning of the text: what is written there
/// stands after it.
#[must_use]
pub fn behind<T: ReadTxn>(txn: &T, text: &TextRef, at: Utf16) -> Option<String> {
    let position = text.sticky_index(txn, u32::try_from(at.0).ok()?, Assoc::Before)?;
    Some(encode(&position))
}

/// Where the anchors are now in `text`; `None` when they are not this text's.
#[must_use]
pub fn resolve<T: ReadTxn>(txn: &T, text: &TextRef, start: &str, end: &str) -> Option<Place> {
    let adrift = is_adrift(txn, &decode(start)?);
    let start = offset(txn, text, start)?;
    let end = offset(txn, text, end)?;
    (start <= end).then_some(Place {
        range: start..end,
        adrift,
    })
}

/// Whether the character that a position stands beside is gone: then it is as far behind it as before.
fn is_adrift<T: ReadTxn>(txn: &T, position: &StickyIndex) -> bool {
    let IndexScope::Relative(id) = position.scope() else {
        return false;
    };
    let index = |assoc| {
        let position = StickyIndex::new(IndexScope::Relative(*id), assoc);
        position.get_offset(txn).map(|found| found.index)
    };
    index(Assoc::Before) == index(Assoc::After)
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
