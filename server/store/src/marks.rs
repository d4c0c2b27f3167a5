//! How far each document's log has come, told by a second file beside `documents.sqlite`.
//!
//! SQLite takes a damaged or cut write-ahead log for one that ends there: whole commits vanish, and
//! what is left looks sound. So after every commit the new end of each document it moved is noted in
//! a ring of fixed records, `documents.marks`. Nothing waits for these writes to reach the disk: a
//! mark that is missing or old only notices less, and a mark can never be ahead of a commit. A
//! document whose log ends before its mark is not opened.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use domain::id::DocumentId;
use sha2::{Digest, Sha256};

/// `number(8) · document(16) · epoch(8) · seq(8) · checksum(8)`, integers big-endian.
const RECORD: usize = 48;
/// Records in the ring: more appends than a WAL holds before it is written back.
const SLOTS: u64 = 4096;

type Name = [u8; 16];

/// Where a log ended: epoch and sequence number.
pub(crate) type End = (u64, u64);

/// The ring.
#[derive(Debug)]
pub(crate) struct Marks {
    file: File,
    next: u64,
    /// Per document: where its log ended when the program began, and the slot that says so.
    witnessed: HashMap<Name, (End, u64)>,
    /// Slots of documents that came back shorter. They are not overwritten.
    kept: HashSet<u64>,
}

/// Documents stand in the file as a hash.
fn name(document: &DocumentId) -> Name {
    let digest = Sha256::digest(document.as_str().as_bytes());
    let mut out = Name::default();
    out.copy_from_slice(&digest[..16]);
    out
}

fn encode(number: u64, name: &Name, (epoch, seq): End) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    out[..8].copy_from_slice(&number.to_be_bytes());
    out[8..24].copy_from_slice(name);
    out[24..32].copy_from_slice(&epoch.to_be_bytes());
    out[32..40].copy_from_slice(&seq.to_be_bytes());
    let sum = Sha256::digest(&out[..40]);
    out[40..].copy_from_slice(&sum[..8]);
    out
}

/// `None` for an empty or torn slot.
fn decode(record: &[u8]) -> Option<(u64, Name, End)> {
    let record: &[u8; RECORD] = record.try_into().ok()?;
    let number = |at: usize| Some(u64::from_be_bytes(record.get(at..at + 8)?.try_into().ok()?));
    if Sha256::digest(&record[..40])[..8] != record[40..] {
        return None;
    }
    let name: Name = record[8..24].try_into().ok()?;
    Some((number(0)?, name, (number(24)?, number(32)?)))
}

impl Marks {
    /// Opens (and creates) the file.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let bytes = std::fs::read(path)?;
        let mut next = 1;
        let mut witnessed: HashMap<Name, (End, u64)> = HashMap::new();
        for (slot, record) in (0..SLOTS).zip(bytes.chunks_exact(RECORD)) {
            let Some((number, name, end)) = decode(record) else {
                continue;
            };
            next = next.max(number + 1);
            let known = witnessed.entry(name).or_insert((end, slot));
            if known.0 < end {
                *known = (end, slot);
            }
        }
        Ok(Self {
            file,
            next,
            witnessed,
            kept: HashSet::new(),
        })
    }

    /// Where the document's log ended when the program began, as far as the ring reaches back.
    pub(crate) fn witnessed(&self, document: &DocumentId) -> Option<End> {
        self.witnessed.get(&name(document)).map(|(end, _)| *end)
    }

    /// Keeps what speaks of documents that are shorter than it (or gone from `heads`).
    pub(crate) fn keep_unmet(&mut self, heads: impl Iterator<Item = (DocumentId, End)>) {
        let heads: HashMap<Name, End> = heads.map(|(id, end)| (name(&id), end)).collect();
        let unmet = |name: &Name, end: &End| heads.get(name).is_none_or(|head| head < end);
        self.kept = self
            .witnessed
            .iter()
            .filter(|(name, (end, _))| unmet(name, end))
            .map(|(_, (_, slot))| *slot)
            .collect();
    }

    /// Notes that the document's log reaches `end` durably.
    ///
    /// # Errors
    /// The file cannot be written. The log is not the worse for it.
    pub(crate) fn note(&mut self, document: &DocumentId, end: End) -> io::Result<()> {
        if self.kept.len() as u64 >= SLOTS {
            return Ok(());
        }
        while self.kept.contains(&(self.next % SLOTS)) {
            self.next += 1;
        }
        let record = encode(self.next, &name(document), end);
        let at = (self.next % SLOTS) * RECORD as u64;
        self.next += 1;
        self.file.write_all_at(&record, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DocumentId {
        DocumentId(text.to_owned())
    }

    #[test]
    fn the_furthest_mark_of_each_document_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.marks");
        let mut marks = Marks::open(&path).unwrap();
        assert_eq!(marks.witnessed(&id("a")), None);
        for seq in 1..=3 {
            marks.note(&id("a"), (1, seq)).unwrap();
        }
        marks.note(&id("b"), (2, 1)).unwrap();
        marks.note(&id("a"), (1, 2)).unwrap();
        let marks = Marks::open(&path).unwrap();
        assert_eq!(marks.witnessed(&id("a")), Some((1, 3)));
        assert_eq!(marks.witnessed(&id("b")), Some((2, 1)));
        assert_eq!(marks.witnessed(&id("c")), None);
    }

    #[test]
    fn a_torn_record_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.marks");
        let mut marks = Marks::open(&path).unwrap();
        marks.note(&id("a"), (1, 7)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = RECORD + 39;
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Marks::open(&path).unwrap().witnessed(&id("a")), None);
        bytes.truncate(at);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Marks::open(&path).unwrap().witnessed(&id("a")), None);
    }

    #[test]
    fn the_ring_is_bounded_and_keeps_what_is_unmet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.marks");
        let mut marks = Marks::open(&path).unwrap();
        marks.note(&id("lost"), (1, 9)).unwrap();
        marks.note(&id("gone"), (1, 1)).unwrap();
        marks.note(&id("sound"), (1, 5)).unwrap();
        let mut marks = Marks::open(&path).unwrap();
        marks.keep_unmet([(id("lost"), (1, 8)), (id("sound"), (1, 5))].into_iter());
        for seq in 1..=2 * SLOTS {
            marks.note(&id("busy"), (1, seq)).unwrap();
        }
        assert_eq!(
            std::fs::metadata(&path).unwrap().len(),
            SLOTS * RECORD as u64
        );
        let marks = Marks::open(&path).unwrap();
        assert_eq!(marks.witnessed(&id("lost")), Some((1, 9)));
        assert_eq!(marks.witnessed(&id("gone")), Some((1, 1)));
        assert_eq!(marks.witnessed(&id("sound")), None);
        assert_eq!(marks.witnessed(&id("busy")), Some((1, 2 * SLOTS)));
    }
}
