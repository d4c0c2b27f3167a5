//! A folder of index files that are encrypted on disk and read block by block, so that an index larger
//! than memory is searched in little of it.
//!
//! A file is `magic(4) · nonce prefix(16) · blocks`; a block is up to 8 KiB of plain text, encrypted
//! with XChaCha20-Poly1305 under the folder's key. The nonce ends with the block's number; the file's
//! name is authenticated too, so neither blocks nor files can change places.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use lru::LruCache;
use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};
use zeroize::Zeroizing;

const MAGIC: &[u8; 4] = b"MSX1";
const PREFIX: usize = 16;
const HEADER: usize = MAGIC.len() + PREFIX;
const BLOCK: usize = 8 << 10;
const TAG: usize = 16;
/// Decrypted blocks that are kept for all readers of one folder, in bytes.
const CACHED: usize = 32 << 20;
/// Decrypted ranges that are kept for all readers of one folder, in bytes: columns and dictionaries, which
/// every search asks for in one piece. Of a hundred thousand cases they are some 200 MB.
const RANGES: usize = 256 << 20;
/// From this length on what is asked for in one piece is kept in one piece.
const RANGE: usize = 4 * BLOCK;

/// Where the nonces of files come from: 16 bytes that never come twice.
pub type Random = Arc<dyn Fn() -> [u8; PREFIX] + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct SealedDirectory(Arc<Folder>);

struct Folder {
    root: PathBuf,
    cipher: XChaCha20Poly1305,
    random: Random,
    opened: AtomicU64,
    blocks: Mutex<Blocks>,
    ranges: Mutex<Ranges>,
}

impl fmt::Debug for SealedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedDirectory")
    }
}

/// Blocks lately used, in two halves: when the younger is full the older goes.
#[derive(Default)]
struct Blocks {
    young: HashMap<(u64, u64), Arc<[u8]>>,
    old: HashMap<(u64, u64), Arc<[u8]>>,
}

impl Blocks {
    fn get(&mut self, key: (u64, u64)) -> Option<Arc<[u8]>> {
        if let Some(block) = self.young.get(&key) {
            return Some(Arc::clone(block));
        }
        let block = self.old.remove(&key)?;
        self.put(key, Arc::clone(&block));
        Some(block)
    }

    fn put(&mut self, key: (u64, u64), block: Arc<[u8]>) {
        if self.young.len() >= CACHED / BLOCK / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, block);
    }
}

/// Ranges by number of file, begin and end; those least used go first.
struct Ranges {
    kept: LruCache<(u64, usize, usize), OwnedBytes>,
    /// Of all of them.
    bytes: usize,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            kept: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl Ranges {
    fn put(&mut self, key: (u64, usize, usize), range: OwnedBytes) {
        self.bytes += range.len();
        if let Some((_, other)) = self.kept.push(key, range) {
            self.bytes -= other.len();
        }
        while self.bytes > RANGES
            && let Some((_, least)) = self.kept.pop_lru()
        {
            self.bytes -= least.len();
        }
    }

    fn forget(&mut self, file: u64) {
        let keys: Vec<_> = self.kept.iter().map(|(key, _)| *key).collect();
        for key in keys.into_iter().filter(|(number, ..)| *number == file) {
            if let Some(range) = self.kept.pop(&key) {
                self.bytes -= range.len();
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "index file cannot be opened")
}

fn nonce(prefix: &[u8; PREFIX], block: u64) -> XNonce {
    let mut nonce = [0; PREFIX + 8];
    nonce[..PREFIX].copy_from_slice(prefix);
    nonce[PREFIX..].copy_from_slice(&block.to_be_bytes());
    XNonce::from(nonce)
}

fn name_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

impl Folder {
    fn seal(
        &self,
        name: &[u8],
        prefix: &[u8; PREFIX],
        at: u64,
        plain: &[u8],
    ) -> io::Result<Vec<u8>> {
        let payload = Payload {
            msg: plain,
            aad: name,
        };
        self.cipher
            .encrypt(&nonce(prefix, at), payload)
            .map_err(|_| damaged())
    }

    fn open(
        &self,
        name: &[u8],
        prefix: &[u8; PREFIX],
        at: u64,
        sealed: &[u8],
    ) -> io::Result<Vec<u8>> {
        let payload = Payload {
            msg: sealed,
            aad: name,
        };
        self.cipher
            .decrypt(&nonce(prefix, at), payload)
            .map_err(|_| damaged())
    }
}

impl SealedDirectory {
    /// The folder `root`, which must exist, under a key of its own.
    #[must_use]
    pub fn new(root: &Path, key: &[u8; 32], random: Random) -> Self {
        Self(Arc::new(Folder {
            root: root.to_path_buf(),
            cipher: XChaCha20Poly1305::new(&(*key).into()),
            random,
            opened: AtomicU64::new(0),
            blocks: Mutex::default(),
            ranges: Mutex::default(),
        }))
    }
}

/// An open file. It stays readable when its name is removed.
struct SealedFile {
    folder: Arc<Folder>,
    file: File,
    number: u64,
    name: Vec<u8>,
    prefix: [u8; PREFIX],
    length: usize,
    size: u64,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedFile")
    }
}

impl SealedFile {
    fn open(folder: &Arc<Folder>, path: &Path) -> io::Result<Self> {
        let file = File::open(folder.root.join(path))?;
        let size = file.metadata()?.len();
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        if header[..MAGIC.len()] != *MAGIC {
            return Err(damaged());
        }
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&header[MAGIC.len()..]);
        let body = size - HEADER as u64;
        let whole = (BLOCK + TAG) as u64;
        let rest = body % whole;
        if rest != 0 && rest <= TAG as u64 {
            return Err(damaged());
        }
        let length = body / whole * BLOCK as u64 + rest.saturating_sub(TAG as u64);
        Ok(Self {
            number: folder.opened.fetch_add(1, Ordering::Relaxed),
            folder: Arc::clone(folder),
            file,
            name: name_of(path),
            prefix,
            length: usize::try_from(length).map_err(|_| damaged())?,
            size,
        })
    }

    fn open_block(&self, at: u64) -> io::Result<Vec<u8>> {
        let start = HEADER as u64 + at * (BLOCK + TAG) as u64;
        let end = (start + (BLOCK + TAG) as u64).min(self.size);
        let mut sealed =
            vec![0; usize::try_from(end.saturating_sub(start)).map_err(|_| damaged())?];
        self.file.read_exact_at(&mut sealed, start)?;
        self.folder.open(&self.name, &self.prefix, at, &sealed)
    }

    fn kept_block(&self, at: u64) -> io::Result<Arc<[u8]>> {
        let key = (self.number, at);
        if let Some(block) = locked(&self.folder.blocks).get(key) {
            return Ok(block);
        }
        let block: Arc<[u8]> = self.open_block(at)?.into();
        locked(&self.folder.blocks).put(key, Arc::clone(&block));
        Ok(block)
    }

    fn read<B: AsRef<[u8]>>(
        &self,
        range: Range<usize>,
        block: impl Fn(u64) -> io::Result<B>,
    ) -> io::Result<Vec<u8>> {
        if range.start > range.end || range.end > self.length {
            return Err(damaged());
        }
        let mut out = Vec::with_capacity(range.len());
        let mut at = range.start;
        while at < range.end {
            let block = block((at / BLOCK) as u64)?;
            let block = block.as_ref();
            let from = at % BLOCK;
            let to = block.len().min(from + range.end - at);
            let part = block.get(from..to).filter(|part| !part.is_empty());
            out.extend_from_slice(part.ok_or_else(damaged)?);
            at += to - from;
        }
        Ok(out)
    }
}

impl Drop for SealedFile {
    fn drop(&mut self) {
        locked(&self.folder.ranges).forget(self.number);
    }
}

impl HasLen for SealedFile {
    fn len(&self) -> usize {
        self.length
    }
}

impl FileHandle for SealedFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.len() < RANGE {
            let read = self.read(range, |at| self.kept_block(at))?;
            return Ok(OwnedBytes::new(read));
        }
        let key = (self.number, range.start, range.end);
        if let Some(kept) = locked(&self.folder.ranges).kept.get(&key) {
            return Ok(kept.clone());
        }
        let read = OwnedBytes::new(self.read(range, |at| self.open_block(at))?);
        locked(&self.folder.ranges).put(key, read.clone());
        Ok(read)
    }
}

struct SealedWriter {
    folder: Arc<Folder>,
    file: File,
    name: Vec<u8>,
    prefix: [u8; PREFIX],
    at: u64,
    pending: Zeroizing<Vec<u8>>,
}

impl SealedWriter {
    fn create(folder: &Arc<Folder>, path: &Path, mut file: File) -> io::Result<Self> {
        let prefix = (folder.random)();
        file.write_all(MAGIC)?;
        file.write_all(&prefix)?;
        Ok(Self {
            folder: Arc::clone(folder),
            file,
            name: name_of(path),
            prefix,
            at: 0,
            pending: Zeroizing::new(Vec::with_capacity(BLOCK)),
        })
    }

    fn put_block(&mut self) -> io::Result<()> {
        let sealed = self
            .folder
            .seal(&self.name, &self.prefix, self.at, &self.pending)?;
        self.file.write_all(&sealed)?;
        self.at += 1;
        self.pending.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.put_block()?;
        }
        self.file.sync_data()
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(BLOCK - self.pending.len())];
        self.pending.extend_from_slice(part);
        if self.pending.len() == BLOCK {
            self.put_block()?;
        }
        Ok(part.len())
    }

    /// Whole blocks only: a block is never written twice under one nonce.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for SealedWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.finish()
    }
}

fn read_error(error: io::Error, path: &Path) -> OpenReadError {
    if error.kind() == io::ErrorKind::NotFound {
        OpenReadError::FileDoesNotExist(path.to_path_buf())
    } else {
        OpenReadError::wrap_io_error(error, path.to_path_buf())
    }
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = SealedFile::open(&self.0, path).map_err(|error| read_error(error, path))?;
        Ok(Arc::new(file))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        fs::remove_file(self.0.root.join(path)).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                DeleteError::FileDoesNotExist(path.to_path_buf())
            } else {
                DeleteError::IoError {
                    io_error: Arc::new(error),
                    filepath: path.to_path_buf(),
                }
            }
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0
            .root
            .join(path)
            .try_exists()
            .map_err(|error| read_error(error, path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                OpenWriteError::FileAlreadyExists(path.to_path_buf())
            } else {
                OpenWriteError::wrap_io_error(error, path.to_path_buf())
            }
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.0.root.join(path))
            .map_err(failed)?;
        let writer = SealedWriter::create(&self.0, path, file).map_err(failed)?;
        Ok(BufWriter::new(Box::new(writer)))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let read = || {
            let file = SealedFile::open(&self.0, path)?;
            file.read(0..file.length, |at| file.open_block(at))
        };
        read().map_err(|error| read_error(error, path))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let whole = self.0.root.join(path);
        let beside = whole.with_extension("part");
        let mut writer = SealedWriter::create(&self.0, path, File::create(&beside)?)?;
        writer.write_all(data)?;
        writer.finish()?;
        fs::rename(beside, whole)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.0.root)?.sync_data()
    }

    /// One process has the folder (its data folder is locked), and in it one writer.
    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// Overwrites a small file and removes it: a key that is to be gone.
///
/// # Errors
/// The file system refuses. A file that is not there is no error.
pub fn shred(path: &Path) -> io::Result<()> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut file = OpenOptions::new().write(true).open(path)?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counting() -> Random {
        let next = AtomicU64::new(1);
        Arc::new(move || {
            let mut bytes = [0; PREFIX];
            bytes[..8].copy_from_slice(&next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            bytes
        })
    }

    fn write(directory: &SealedDirectory, name: &str, parts: &[&[u8]]) {
        let mut writer = directory.open_write(Path::new(name)).unwrap();
        for part in parts {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.terminate().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_written_is_read_in_any_range(
            lengths in prop::collection::vec(0_usize..9000, 0..4),
            ends in (0.0..=1.0_f64, 0.0..=1.0_f64),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let directory = SealedDirectory::new(folder.path(), &[7; 32], counting());
            let parts: Vec<Vec<u8>> = lengths
                .iter()
                .enumerate()
                .map(|(n, length)| (0..*length).map(|at| (at * 31 + n) as u8).collect())
                .collect();
            let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            write(&directory, "a.idx", &borrowed);
            let plain = parts.concat();
            let file = directory.open_read(Path::new("a.idx")).unwrap();
            prop_assert_eq!(file.len(), plain.len());
            let at = |share: f64| (plain.len() as f64 * share) as usize;
            let (start, end) = (at(ends.0.min(ends.1)), at(ends.0.max(ends.1)));
            let read = file.slice(start..end).read_bytes().unwrap();
            prop_assert_eq!(read.as_slice(), &plain[start..end]);
        }
    }

    #[test]
    fn nothing_stands_there_readable_and_nothing_changes_places() {
        let folder = tempfile::tempdir().unwrap();
        let directory = SealedDirectory::new(folder.path(), &[7; 32], counting());
        let secret = "金糸雀".as_bytes();
        write(&directory, "a.idx", &[secret]);
        directory
            .atomic_write(Path::new("meta.json"), secret)
            .unwrap();
        assert_eq!(
            directory.atomic_read(Path::new("meta.json")).unwrap(),
            secret
        );
        for name in ["a.idx", "meta.json"] {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            assert!(!bytes.windows(3).any(|window| window == &secret[..3]));
        }
        fs::copy(folder.path().join("a.idx"), folder.path().join("b.idx")).unwrap();
        let read = |directory: &SealedDirectory, name: &str| {
            let file = directory.open_read(Path::new(name)).ok()?;
            file.read_bytes().ok()
        };
        assert!(read(&directory, "a.idx").is_some());
        assert!(read(&directory, "b.idx").is_none(), "under another name");
        let other = SealedDirectory::new(folder.path(), &[8; 32], counting());
        assert!(read(&other, "a.idx").is_none(), "under another key");
        let file = OpenOptions::new()
            .write(true)
            .open(folder.path().join("a.idx"))
            .unwrap();
        file.set_len(HEADER as u64 + 5).unwrap();
        assert!(
            directory.open_read(Path::new("a.idx")).is_err(),
            "cut short"
        );
    }

    #[test]
    fn a_shredded_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "secret").unwrap();
        shred(&path).unwrap();
        assert!(!path.exists());
        shred(&path).unwrap();
    }
}
