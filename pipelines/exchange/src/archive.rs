//! ZIP containers (workbooks, text documents) that strangers made. What is in one is measured before
//! anybody takes it into memory: a few kilobytes can stand for gigabytes.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// Most bytes that the parts of a container may have, taken together and unpacked.
const MAX_INFLATED: u64 = 256 << 20;
/// Most parts.
const MAX_PARTS: usize = 10_000;
/// Most elements that become something of their own in memory: cells, shared strings, styles, names.
/// Twice what the largest import has.
const MAX_ELEMENTS: u64 = 5_000_000;
/// Begins an entry of a container's list of contents.
const ENTRY: &[u8; 4] = b"PK\x01\x02";
/// Elements that are only parts of a cell or of a string.
const INNER: [&[u8]; 16] = [
    b"v",
    b"f",
    b"t",
    b"is",
    b"r",
    b"row",
    b"rPr",
    b"rPh",
    b"sz",
    b"color",
    b"rFont",
    b"family",
    b"charset",
    b"scheme",
    b"b",
    b"phoneticPr",
];

/// Why a container is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("not a ZIP container")]
    NotAnArchive,
    #[error("holds more than is taken into memory")]
    TooMuch,
}

/// Opens a container. Its parts are not unpacked.
///
/// # Errors
/// No container, or one with more parts than anybody needs.
pub fn open(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, ArchiveError> {
    // Counted before the list is read: it is kept in memory whole.
    let entries = bytes.windows(4).filter(|window| window == ENTRY).count();
    if entries > MAX_PARTS {
        return Err(ArchiveError::TooMuch);
    }
    ZipArchive::new(Cursor::new(bytes)).map_err(|_| ArchiveError::NotAnArchive)
}

/// Unpacks every part once, keeping nothing, and counts bytes and elements: any part may be the one
/// that holds the cells.
///
/// # Errors
/// No container, or its parts are more than is taken into memory, whatever it says of their sizes.
pub fn measure(bytes: &[u8]) -> Result<(), ArchiveError> {
    let mut archive = open(bytes)?;
    let mut count = Count::default();
    for at in 0..archive.len() {
        let Ok(mut part) = archive.by_index(at) else {
            // Locked, or packed in a way that nobody here unpacks.
            continue;
        };
        if part.size() > MAX_INFLATED {
            return Err(ArchiveError::TooMuch);
        }
        count.begin();
        let mut buffer = [0_u8; 64 << 10];
        // A part that is damaged ends here for whoever reads it too.
        while let Ok(read @ 1..) = part.read(&mut buffer) {
            count.take(buffer.get(..read).unwrap_or_default());
            if count.is_too_much() {
                return Err(ArchiveError::TooMuch);
            }
        }
    }
    Ok(())
}

/// What has been unpacked so far.
#[derive(Default)]
struct Count {
    bytes: u64,
    elements: u64,
    /// Inside the name of an element, and what was read of it.
    inside: bool,
    name: Vec<u8>,
}

impl Count {
    fn begin(&mut self) {
        self.inside = false;
    }

    fn is_too_much(&self) -> bool {
        self.bytes > MAX_INFLATED || self.elements > MAX_ELEMENTS
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for byte in bytes {
            match byte {
                b'<' => {
                    self.inside = true;
                    self.name.clear();
                }
                _ if !self.inside => {}
                // A prefix says nothing.
                b':' => self.name.clear(),
                b'/' | b'!' | b'?' if self.name.is_empty() => self.inside = false,
                b' ' | b'>' | b'/' | b'\t' | b'\r' | b'\n' => {
                    self.elements += u64::from(!INNER.contains(&self.name.as_slice()));
                    self.inside = false;
                }
                byte if self.name.len() < 16 => self.name.push(*byte),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn packed(name: &str, mut fill: impl FnMut(&mut dyn Write)) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        fill(&mut writer);
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_unpacks_to_much_more_is_found_out() {
        let zeros = vec![0_u8; 1 << 20];
        let fits = packed("a.bin", |to| to.write_all(&zeros).unwrap());
        assert_eq!(measure(&fits), Ok(()));
        let mut bomb = packed("a.bin", |to| {
            for _ in 0..257 {
                to.write_all(&zeros).unwrap();
            }
        });
        assert!(bomb.len() < 300_000, "{}", bomb.len());
        assert_eq!(measure(&bomb), Err(ArchiveError::TooMuch));
        // The size that both lists tell, told smaller.
        let size = (257_u32 << 20).to_le_bytes();
        while let Some(at) = bomb.windows(4).position(|window| window == size) {
            bomb[at..at + 4].copy_from_slice(&8_u32.to_le_bytes());
        }
        // Whoever unpacks it is told no more than it says.
        let mut archive = open(&bomb).unwrap();
        let mut part = archive.by_index(0).unwrap();
        let (mut buffer, mut unpacked) = ([0_u8; 4096], 0);
        while let Ok(read @ 1..) = part.read(&mut buffer) {
            unpacked += read;
        }
        assert!(unpacked <= 8, "{unpacked}");
    }

    #[test]
    fn many_small_elements_are_much() {
        let line = b"<x:c/><si><t>a</t></si>".repeat(10_000);
        let count = |times: usize| {
            let bytes = packed("xl/a.xml", |to| {
                for _ in 0..times {
                    to.write_all(&line).unwrap();
                }
            });
            measure(&bytes)
        };
        // Two of them count in each: 200,000 for ten thousand lines.
        assert_eq!(count(10), Ok(()));
        assert_eq!(count(251), Err(ArchiveError::TooMuch));
    }

    #[test]
    fn names_are_read_across_pieces_and_without_prefix() {
        let mut count = Count::default();
        for piece in [
            &b"<a"[..],
            b"b:c r='1'><v>1</v></ab:c><!-- x --><",
            b"row><s",
            b"i/>",
        ] {
            count.take(piece);
        }
        assert_eq!(count.elements, 2, "c and si");
    }

    #[test]
    fn what_is_no_container_is_said_to_be_none() {
        assert_eq!(measure(b"a,b"), Err(ArchiveError::NotAnArchive));
        let many = ENTRY.repeat(MAX_PARTS + 1);
        assert_eq!(measure(&many), Err(ArchiveError::TooMuch));
    }
}
