//! Writes down what a program does to the files below one folder, for tests of power loss.
//!
//! Loaded with `LD_PRELOAD`. Stands before libc's functions that open, write, truncate, sync, rename
//! and remove files, makes the system call itself and, when it succeeded and concerns the folder,
//! appends one record to the operation log. What happens with the records (which unsynced writes
//! survive a crash) is decided later, by whoever reads them.
//!
//! * `POWERLOSS_FOLDER`: the folder, as an absolute path without symbolic links
//! * `POWERLOSS_LOG`: the operation log, outside that folder
//! * `POWERLOSS_BREAK`: while this file exists, syncs below the folder fail with EIO
//!
//! A record is `start(8) · end(8) · kind(1) · inode(8) · number(8) · length(4) · a · length(4) · b`,
//! little-endian; times are nanoseconds of `CLOCK_MONOTONIC` before and after the system call.
//!
//! | kind | number | a | b |
//! |---|---|---|---|
//! | 1 opened | 1 created, 2 emptied | path | |
//! | 2 written | offset | bytes | |
//! | 3 truncated | new length | | |
//! | 4 synced | | | |
//! | 5 renamed | | from | to |
//! | 6 removed | | path | |
//! | 7 linked | | from | to |
//!
//! Not seen: writes through `mmap` (SQLite's `-shm`, which is rebuilt from the log after a crash)
//! and paths relative to a directory that is not the current one.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{mode_t, off_t, size_t, ssize_t};

const OPENED: u8 = 1;
const WRITTEN: u8 = 2;
const TRUNCATED: u8 = 3;
const SYNCED: u8 = 4;
const RENAMED: u8 = 5;
const REMOVED: u8 = 6;
const LINKED: u8 = 7;

struct Recorder {
    folder: Vec<u8>,
    log: c_int,
    broken: Option<CString>,
}

static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();

/// Inodes opened below the folder: open addressing, 0 is free. More files than this are not
/// expected of a test, and would not be recorded.
static INODES: [AtomicU64; 16384] = [const { AtomicU64::new(0) }; 16384];
/// The folder's device.
static DEVICE: AtomicU64 = AtomicU64::new(0);

fn recorder() -> Option<&'static Recorder> {
    RECORDER
        .get_or_init(|| {
            let folder = std::env::var_os("POWERLOSS_FOLDER")?.into_vec();
            let mut log = std::env::var_os("POWERLOSS_LOG")?.into_vec();
            log.push(0);
            // SAFETY: the path ends with a zero byte and outlives the call.
            let log = unsafe {
                libc::syscall(
                    libc::SYS_openat,
                    libc::AT_FDCWD,
                    log.as_ptr(),
                    libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC,
                    0o600,
                )
            };
            let log = c_int::try_from(log).ok().filter(|fd| *fd >= 0)?;
            let broken = std::env::var_os("POWERLOSS_BREAK")
                .and_then(|path| CString::new(path.into_vec()).ok());
            Some(Recorder {
                folder,
                log,
                broken,
            })
        })
        .as_ref()
}

fn now() -> u64 {
    let mut at = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `at` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut at) };
    at.tv_sec.unsigned_abs() * 1_000_000_000 + at.tv_nsec.unsigned_abs()
}

/// Appends one record in one system call: `O_APPEND` keeps those of several threads apart.
fn record(to: &Recorder, start: u64, kind: u8, inode: u64, number: i64, a: &[u8], b: &[u8]) {
    let mut out = Vec::with_capacity(41 + a.len() + b.len());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&now().to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&inode.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    for part in [a, b] {
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(part);
    }
    let mut rest = &out[..];
    while !rest.is_empty() {
        // SAFETY: the buffer is valid for its length.
        let wrote = unsafe { libc::syscall(libc::SYS_write, to.log, rest.as_ptr(), rest.len()) };
        match usize::try_from(wrote) {
            Ok(wrote) if wrote > 0 => rest = &rest[wrote.min(rest.len())..],
            // A log with a hole would accuse the program: no log at all is better.
            _ => std::process::abort(),
        }
    }
}

/// Device, inode and type bits of an open file.
fn status(fd: c_int) -> Option<(u64, u64, mode_t)> {
    // SAFETY: all zeros is a valid `stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is valid for writing.
    let done = unsafe { libc::syscall(libc::SYS_fstat, fd, &raw mut stat) };
    (done == 0).then_some((stat.st_dev, stat.st_ino, stat.st_mode & libc::S_IFMT))
}

fn remember(inode: u64) {
    for step in 0..INODES.len() {
        let slot = &INODES[(inode as usize).wrapping_add(step) % INODES.len()];
        match slot.compare_exchange(0, inode, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return,
            Err(there) if there == inode => return,
            Err(_) => {}
        }
    }
}

/// The inode behind `fd` when it was opened below the folder.
fn followed(fd: c_int) -> Option<u64> {
    let device = DEVICE.load(Ordering::Acquire);
    if device == 0 {
        return None;
    }
    let (dev, inode, kind) = status(fd)?;
    if dev != device || !(kind == libc::S_IFREG || kind == libc::S_IFDIR) {
        return None;
    }
    for step in 0..INODES.len() {
        let there =
            INODES[(inode as usize).wrapping_add(step) % INODES.len()].load(Ordering::Acquire);
        if there == inode {
            return Some(inode);
        }
        if there == 0 {
            return None;
        }
    }
    None
}

/// The path's bytes when it lies below the folder.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn below<'p>(to: &Recorder, path: *const c_char) -> Option<&'p [u8]> {
    if path.is_null() {
        return None;
    }
    // SAFETY: by contract of this function.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let rest = path.strip_prefix(&to.folder[..])?;
    (rest.is_empty() || rest[0] == b'/').then_some(path)
}

/// # Safety
/// As `openat(2)`.
unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let recorder = recorder();
    // SAFETY: `path` is the caller's C string.
    let ours = recorder.and_then(|to| Some((to, unsafe { below(to, path) }?)));
    let was_there = ours.is_some() && {
        // SAFETY: `path` is the caller's C string.
        unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::F_OK) == 0 }
    };
    let start = now();
    // SAFETY: the caller's arguments.
    let fd = unsafe { libc::syscall(libc::SYS_openat, directory, path, flags, mode) } as c_int;
    if fd >= 0
        && let Some((to, path)) = ours
        && let Some((device, inode, _)) = status(fd)
    {
        DEVICE.store(device, Ordering::Release);
        remember(inode);
        let number = i64::from(!was_there) | (i64::from(flags & libc::O_TRUNC != 0) << 1);
        record(to, start, OPENED, inode, number, path, &[]);
    }
    fd
}

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(directory, path, flags, mode) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(directory, path, flags, mode) }
}

const CREATE: c_int = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

/// # Safety
/// As `creat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(libc::AT_FDCWD, path, CREATE, mode) }
}

/// # Safety
/// As `creat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat64(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { open_at(libc::AT_FDCWD, path, CREATE, mode) }
}

/// # Safety
/// `bytes` is valid for `wrote` bytes.
unsafe fn wrote(fd: c_int, start: u64, bytes: *const c_void, wrote: ssize_t, at: Option<off_t>) {
    let (Some(to), Ok(length)) = (recorder(), usize::try_from(wrote)) else {
        return;
    };
    let Some(inode) = followed(fd) else { return };
    let at = at.unwrap_or_else(|| {
        // SAFETY: changes nothing.
        let after = unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) };
        after - wrote as off_t
    });
    // SAFETY: by contract of this function.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    record(to, start, WRITTEN, inode, at, bytes, &[]);
}

/// # Safety
/// As `write(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) } as ssize_t;
    if done > 0 {
        // SAFETY: the kernel has just read that much.
        unsafe { wrote(fd, start, bytes, done, None) };
    }
    done
}

/// # Safety
/// As `writev(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const libc::iovec, count: c_int) -> ssize_t {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) } as ssize_t;
    if done > 0 && followed(fd).is_some() {
        let mut bytes = Vec::new();
        for n in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the kernel has accepted `count` parts.
            let part = unsafe { &*parts.add(n) };
            // SAFETY: as above.
            bytes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len)
            });
        }
        // SAFETY: no more was written than the parts hold.
        unsafe { wrote(fd, start, bytes.as_ptr().cast(), done, None) };
    }
    done
}

/// # Safety
/// As `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(
    fd: c_int,
    bytes: *const c_void,
    count: size_t,
    at: off_t,
) -> ssize_t {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, at) } as ssize_t;
    if done > 0 {
        // SAFETY: the kernel has just read that much.
        unsafe { wrote(fd, start, bytes, done, Some(at)) };
    }
    done
}

/// # Safety
/// As `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    count: size_t,
    at: off_t,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    unsafe { pwrite(fd, bytes, count, at) }
}

/// # Safety
/// As `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) } as c_int;
    if done == 0
        && let (Some(to), Some(inode)) = (recorder(), followed(fd))
    {
        record(to, start, TRUNCATED, inode, length, &[], &[]);
    }
    done
}

/// # Safety
/// As `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { ftruncate(fd, length) }
}

fn exists(path: &CStr) -> bool {
    // SAFETY: a C string that outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_faccessat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::F_OK,
        ) == 0
    }
}

fn synced(fd: c_int, call: libc::c_long) -> c_int {
    let broken = recorder().and_then(|to| to.broken.as_deref());
    if broken.is_some_and(exists) && followed(fd).is_some() {
        // SAFETY: this thread's own.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    let start = now();
    // SAFETY: takes a number only.
    let done = unsafe { libc::syscall(call, fd) } as c_int;
    if done == 0
        && let (Some(to), Some(inode)) = (recorder(), followed(fd))
    {
        record(to, start, SYNCED, inode, 0, &[], &[]);
    }
    done
}

/// As `fsync(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fsync)
}

/// As `fdatasync(2)`: the length is part of what it makes durable.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fdatasync)
}

/// # Safety
/// Both are C strings.
unsafe fn two_names(start: u64, kind: u8, from: *const c_char, to: *const c_char) {
    let Some(recorder) = recorder() else { return };
    // SAFETY: by contract of this function.
    let (a, b) = unsafe { (below(recorder, from), below(recorder, to)) };
    if a.is_some() || b.is_some() {
        record(
            recorder,
            start,
            kind,
            0,
            0,
            a.unwrap_or_default(),
            b.unwrap_or_default(),
        );
    }
}

/// # Safety
/// As `rename(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) }
}

/// # Safety
/// As `renameat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
) -> c_int {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            from_directory,
            from,
            to_directory,
            to,
            0,
        )
    } as c_int;
    if done == 0 {
        // SAFETY: the kernel has read both.
        unsafe { two_names(start, RENAMED, from, to) };
    }
    done
}

/// # Safety
/// As `link(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe {
        libc::syscall(
            libc::SYS_linkat,
            libc::AT_FDCWD,
            from,
            libc::AT_FDCWD,
            to,
            0,
        )
    } as c_int;
    if done == 0 {
        // SAFETY: the kernel has read both.
        unsafe { two_names(start, LINKED, from, to) };
    }
    done
}

/// # Safety
/// As `unlink(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

/// # Safety
/// As `unlinkat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    let start = now();
    // SAFETY: the caller's arguments.
    let done = unsafe { libc::syscall(libc::SYS_unlinkat, directory, path, flags) } as c_int;
    if done == 0
        && let Some(to) = recorder()
        // SAFETY: the kernel has read it.
        && let Some(path) = unsafe { below(to, path) }
    {
        record(to, start, REMOVED, 0, 0, path, &[]);
    }
    done
}
