//! Text positions. A position without its unit is a bug waiting to happen: JavaScript and Y.js
//! count UTF-16 code units, the models' tokenizers count bytes, our contracts count code points.

use serde::{Deserialize, Serialize};

/// Position in Unicode code points (the unit of every HTTP and command-line contract).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CodePoint(pub usize);

/// Position in UTF-16 code units (Y.Text, browsers).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Utf16(pub usize);

/// Position in bytes of the UTF-8 encoding (Rust `str`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Byte(pub usize);

/// Converts positions within one text. Building costs one pass; each conversion is a table read.
#[derive(Debug, Clone)]
pub struct OffsetMap {
    /// For each code point: byte offset and UTF-16 offset; one closing entry at the end.
    table: Vec<(usize, usize)>,
}

impl OffsetMap {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut table = Vec::with_capacity(text.len() / 2 + 1);
        let mut utf16 = 0;
        for (byte, c) in text.char_indices() {
            table.push((byte, utf16));
            utf16 += c.len_utf16();
        }
        table.push((text.len(), utf16));
        Self { table }
    }

    /// Length of the text in code points.
    #[must_use]
    pub fn len(&self) -> CodePoint {
        CodePoint(self.table.len() - 1)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 1
    }

    /// `None` when the position lies beyond the end.
    #[must_use]
    pub fn to_byte(&self, at: CodePoint) -> Option<Byte> {
        self.table.get(at.0).map(|&(byte, _)| Byte(byte))
    }

    /// `None` when the position lies beyond the end.
    #[must_use]
    pub fn to_utf16(&self, at: CodePoint) -> Option<Utf16> {
        self.table.get(at.0).map(|&(_, utf16)| Utf16(utf16))
    }

    /// `None` when the position is not the start of a code point or lies beyond the end.
    #[must_use]
    pub fn from_byte(&self, at: Byte) -> Option<CodePoint> {
        self.table
            .binary_search_by_key(&at.0, |&(byte, _)| byte)
            .ok()
            .map(CodePoint)
    }

    /// `None` when the position splits a surrogate pair or lies beyond the end.
    #[must_use]
    pub fn from_utf16(&self, at: Utf16) -> Option<CodePoint> {
        self.table
            .binary_search_by_key(&at.0, |&(_, utf16)| utf16)
            .ok()
            .map(CodePoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_survive_the_round_trip(text in "\\PC{0,40}") {
            let map = OffsetMap::new(&text);
            prop_assert_eq!(map.len().0, text.chars().count());
            for at in (0..=map.len().0).map(CodePoint) {
                prop_assert_eq!(map.from_byte(map.to_byte(at).unwrap()), Some(at));
                prop_assert_eq!(map.from_utf16(map.to_utf16(at).unwrap()), Some(at));
            }
        }
    }

    #[test]
    fn a_surrogate_pair_has_no_inner_position() {
        let map = OffsetMap::new("𠮷田");
        assert_eq!(map.from_utf16(Utf16(1)), None);
        assert_eq!(map.from_utf16(Utf16(2)), Some(CodePoint(1)));
        assert_eq!(map.from_byte(Byte(1)), None);
    }
}
