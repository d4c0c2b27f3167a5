//! Power loss: what the library `powerloss` wrote down of a server's file operations is played up to
//! any moment, and an adversary decides what of it had reached the disk.
//!
//! The model of the disk (docs/durability.md): what was written before an fsync or fdatasync of the
//! same file began is durable once that returned; of the rest any set of 512-byte sectors is there,
//! in any order. Names (create, rename, remove, link) reach the disk in the order in which they were
//! made, as a journal keeps them: those up to the last one that concerns a file or folder are durable
//! once that was synced, of the rest any beginning is there. A length changes with the write or
//! truncation that changed it.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use anyhow::{Context, Result, bail, ensure};

use crate::dice::Dice;

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of the operation log.
#[must_use]
pub fn monotonic() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    at.tv_sec.unsigned_abs() * 1_000_000_000 + at.tv_nsec.unsigned_abs()
}

/// Builds the library and returns its path.
pub fn library() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("powerloss/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--message-format=json",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()?;
    ensure!(
        output.status.success(),
        "powerloss: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["target"]["name"] == "powerloss"
            && let Some(file) = message["filenames"][0].as_str()
        {
            return Ok(file.into());
        }
    }
    bail!("cargo did not say where the library is")
}

#[derive(Debug, Clone)]
enum Operation {
    Opened {
        path: PathBuf,
        created: bool,
        emptied: bool,
    },
    Written {
        at: usize,
        bytes: Rc<[u8]>,
    },
    Truncated(usize),
    Synced,
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    Linked(PathBuf, PathBuf),
}

#[derive(Debug, Clone)]
struct Record {
    start: u64,
    end: u64,
    inode: u64,
    operation: Operation,
}

/// Whose fsync does nothing: a disk that lies, or SQLite with less than `synchronous = FULL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    None,
    /// No sync ever reaches the disk, as with `synchronous = OFF`.
    All,
    /// Those of write-ahead logs do not, as with `synchronous = NORMAL`.
    WriteAheadLogs,
}

/// Everything that was done to a folder.
#[derive(Debug)]
pub struct Trace {
    /// The folder as it was before.
    base: PathBuf,
    records: Vec<Record>,
}

/// A moment at which something interesting had just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    LogSynced,
    /// A database file itself: a checkpoint.
    DatabaseSynced,
    Other,
}

fn relative(path: &[u8], folder: &Path) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    Ok(path.strip_prefix(folder)?.to_owned())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>().context("cut record")?;
    *rest = tail;
    Ok(*head)
}

fn take_part<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (part, tail) = rest.split_at_checked(length).context("cut record")?;
    *rest = tail;
    Ok(part)
}

impl Trace {
    /// Reads the operation log `log` of a server that ran on `folder`, which was a copy of `base`
    /// when it began.
    pub fn read(log: &Path, folder: &Path, base: &Path) -> Result<Self> {
        let bytes = std::fs::read(log)?;
        let mut rest = &bytes[..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let start = u64::from_le_bytes(take(&mut rest)?);
            let end = u64::from_le_bytes(take(&mut rest)?);
            let [kind] = take(&mut rest)?;
            let inode = u64::from_le_bytes(take(&mut rest)?);
            let number = usize::try_from(i64::from_le_bytes(take(&mut rest)?))?;
            let (a, b) = (take_part(&mut rest)?, take_part(&mut rest)?);
            let operation = match kind {
                1 => Operation::Opened {
                    path: relative(a, folder)?,
                    created: number & 1 != 0,
                    emptied: number & 2 != 0,
                },
                2 => Operation::Written {
                    at: number,
                    bytes: a.into(),
                },
                3 => Operation::Truncated(number),
                4 => Operation::Synced,
                5 => Operation::Renamed(relative(a, folder)?, relative(b, folder)?),
                6 => Operation::Removed(relative(a, folder)?),
                7 => Operation::Linked(relative(a, folder)?, relative(b, folder)?),
                other => bail!("record of kind {other}"),
            };
            records.push(Record {
                start,
                end,
                inode,
                operation,
            });
        }
        records.sort_by_key(|record| record.end);
        Ok(Self {
            base: base.to_owned(),
            records,
        })
    }

    /// How many operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When each operation ended, and what it was.
    #[must_use]
    pub fn moments(&self) -> Vec<(u64, Moment)> {
        let mut names: HashMap<u64, bool> = HashMap::new();
        let mut out = Vec::with_capacity(self.records.len());
        for record in &self.records {
            let moment = match &record.operation {
                Operation::Opened { path, .. } => {
                    let is_log = path.to_string_lossy().ends_with("-wal");
                    names.insert(record.inode, is_log);
                    Moment::Other
                }
                Operation::Synced if names.get(&record.inode) == Some(&true) => Moment::LogSynced,
                Operation::Synced => Moment::DatabaseSynced,
                _ => Moment::Other,
            };
            out.push((record.end, moment));
        }
        out
    }

    /// Writes to `to` what is left of the folder after a power loss at `moment`.
    pub fn crash(&self, moment: u64, dice: &mut Dice, lies: Lies, to: &Path) -> Result<()> {
        let mut disk = Disk::of(&self.base)?;
        for record in &self.records {
            if record.end <= moment {
                disk.follow(record, lies)?;
            } else if record.start <= moment && !matches!(record.operation, Operation::Synced) {
                // It had begun: some of it may be there.
                disk.follow(record, lies)?;
            }
        }
        disk.lose_power(dice);
        disk.write(to)
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Rc<[u8]>),
    Length(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => put(content, *at, bytes),
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    /// With the moment at which each was done.
    pending: Vec<(u64, Change)>,
    /// The path it was opened by; for [`Lies`].
    opened_as: PathBuf,
}

/// A step in the journal of names.
#[derive(Debug, Clone)]
struct Naming {
    at: u64,
    gone: Option<PathBuf>,
    there: Option<(PathBuf, usize)>,
}

impl Naming {
    fn concerns_folder(&self, folder: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(folder);
        self.gone.as_deref().is_some_and(within)
            || self.there.as_ref().is_some_and(|(path, _)| within(path))
    }

    fn concerns_file(&self, file: usize) -> bool {
        self.there.as_ref().is_some_and(|(_, there)| *there == file)
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.gone {
            names.remove(path);
        }
        if let Some((path, file)) = self.there {
            names.insert(path, file);
        }
    }
}

#[derive(Debug, Clone)]
enum Inode {
    File(usize),
    Folder(PathBuf),
}

/// The folder with what is durable and what is not.
#[derive(Debug, Default)]
struct Disk {
    folders: Vec<PathBuf>,
    files: Vec<File>,
    durable: BTreeMap<PathBuf, usize>,
    live: BTreeMap<PathBuf, usize>,
    journal: Vec<Naming>,
    inodes: HashMap<u64, Inode>,
}

impl Disk {
    fn of(base: &Path) -> Result<Self> {
        let mut disk = Self::default();
        let mut waiting = vec![base.to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.strip_prefix(base)?.to_owned();
                if path.is_dir() {
                    disk.folders.push(name);
                    waiting.push(path);
                } else {
                    let file = File {
                        durable: std::fs::read(&path)?,
                        ..File::default()
                    };
                    disk.durable.insert(name, disk.files.len());
                    disk.files.push(file);
                }
            }
        }
        disk.live = disk.durable.clone();
        Ok(disk)
    }

    fn follow(&mut self, record: &Record, lies: Lies) -> Result<()> {
        match &record.operation {
            Operation::Opened {
                path,
                created,
                emptied,
            } => {
                // What is there without having been created is a folder made during the run.
                let made = !created && !self.live.contains_key(path);
                if path.as_os_str().is_empty() || made || self.folders.contains(path) {
                    let folder = Inode::Folder(path.clone());
                    self.inodes.insert(record.inode, folder);
                    return Ok(());
                }
                let known = self.live.get(path).copied().filter(|_| !created);
                let file = match known {
                    Some(file) => file,
                    None => {
                        let file = self.files.len();
                        self.files.push(File::default());
                        self.live.insert(path.clone(), file);
                        self.journal.push(Naming {
                            at: record.end,
                            gone: None,
                            there: Some((path.clone(), file)),
                        });
                        file
                    }
                };
                self.files[file].opened_as.clone_from(path);
                self.inodes.insert(record.inode, Inode::File(file));
                if *emptied {
                    self.files[file]
                        .pending
                        .push((record.end, Change::Length(0)));
                }
            }
            Operation::Written { at, bytes } => {
                self.change(record, Change::Write(*at, Rc::clone(bytes)))?;
            }
            Operation::Truncated(length) => self.change(record, Change::Length(*length))?,
            Operation::Synced => self.sync(record, lies)?,
            Operation::Renamed(from, to) | Operation::Linked(from, to) => {
                let moved = matches!(record.operation, Operation::Renamed(..));
                let file = *self.live.get(from).context("a name nobody gave")?;
                if moved {
                    self.live.remove(from);
                }
                self.live.insert(to.clone(), file);
                self.journal.push(Naming {
                    at: record.end,
                    gone: moved.then(|| from.clone()),
                    there: Some((to.clone(), file)),
                });
            }
            Operation::Removed(path) => {
                self.live.remove(path);
                self.journal.push(Naming {
                    at: record.end,
                    gone: Some(path.clone()),
                    there: None,
                });
            }
        }
        Ok(())
    }

    fn change(&mut self, record: &Record, change: Change) -> Result<()> {
        match self.inodes.get(&record.inode) {
            Some(Inode::File(file)) => self.files[*file].pending.push((record.end, change)),
            _ => bail!("a write to a file nobody opened"),
        }
        Ok(())
    }

    fn sync(&mut self, record: &Record, lies: Lies) -> Result<()> {
        let inode = self.inodes.get(&record.inode).context("unknown inode")?;
        let name = match inode {
            Inode::File(file) => self.files[*file].opened_as.clone(),
            Inode::Folder(path) => path.clone(),
        };
        match lies {
            Lies::All => return Ok(()),
            Lies::WriteAheadLogs if name.to_string_lossy().ends_with("-wal") => return Ok(()),
            _ => {}
        }
        let last = self.journal.iter().rposition(|naming| {
            naming.at <= record.start
                && match inode {
                    Inode::File(file) => naming.concerns_file(*file),
                    Inode::Folder(path) => naming.concerns_folder(path),
                }
        });
        if let Inode::File(file) = inode {
            let file = &mut self.files[*file];
            let (done, later) = std::mem::take(&mut file.pending)
                .into_iter()
                .partition(|(at, _)| *at <= record.start);
            file.pending = later;
            let done: Vec<(u64, Change)> = done;
            for (_, change) in done {
                change.apply(&mut file.durable);
            }
        }
        if let Some(last) = last {
            for naming in self.journal.drain(..=last) {
                naming.apply(&mut self.durable);
            }
        }
        Ok(())
    }

    /// What is not durable is kept or lost by chance.
    fn lose_power(&mut self, dice: &mut Dice) {
        let named = dice.below(self.journal.len() + 1);
        for naming in self.journal.drain(..).take(named) {
            naming.apply(&mut self.durable);
        }
        let kept = *dice.pick(&[0.0, 0.1, 0.5, 0.9, 1.0]).unwrap_or(&0.5);
        let (torn, reordered) = (dice.chance(0.6), dice.chance(0.5));
        for file in &mut self.files {
            let mut pending: Vec<Change> = std::mem::take(&mut file.pending)
                .into_iter()
                .map(|(_, change)| change)
                .collect();
            if reordered {
                dice.shuffle(&mut pending);
            }
            for change in pending {
                match &change {
                    Change::Write(at, bytes) if torn => {
                        let mut from = 0;
                        while from < bytes.len() {
                            // To the end of the sector of the disk.
                            let to = bytes.len().min(from + 512 - (at + from) % 512);
                            if dice.chance(kept) {
                                put(&mut file.durable, at + from, &bytes[from..to]);
                            }
                            from = to;
                        }
                    }
                    _ if dice.chance(kept) => change.apply(&mut file.durable),
                    _ => {}
                }
            }
        }
    }

    fn write(&self, to: &Path) -> Result<()> {
        for folder in &self.folders {
            std::fs::create_dir_all(to.join(folder))?;
        }
        for (name, file) in &self.durable {
            let path = to.join(name);
            // A folder made during the run is there as soon as a name in it is: it came first.
            std::fs::create_dir_all(path.parent().unwrap_or(to))?;
            std::fs::write(&path, &self.files[*file].durable)
                .with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
