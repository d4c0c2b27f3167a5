//! How glibc's allocator shares memory among threads.
//!
//! By default every thread that finds another one allocating gets an arena of its own, eight a core,
//! and memory freed in one is never used by another. With a pool of short-lived blocking threads that
//! is a third of what an open document takes.

/// Freed memory at the end of an arena that is given back to the system, in bytes. Less than one
/// inference takes and frees would have it given back and asked for each time: a quarter more
/// processor time for masking with 1 MiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GIVE_BACK: libc::c_int = 16 << 20;
/// Blocks from this size on are mapped from the system each for itself, in bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 8 << 20;

/// One arena a core. Elsewhere than with glibc: nothing.
pub fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let arenas = libc::c_int::try_from(cores).unwrap_or(libc::c_int::MAX);
        for (setting, value) in [
            (libc::M_ARENA_MAX, arenas),
            (libc::M_TRIM_THRESHOLD, GIVE_BACK),
            (libc::M_MMAP_THRESHOLD, MAPPED),
        ] {
            // SAFETY: `mallopt` takes two integers and may be called at any time; an unknown setting
            // or value changes nothing.
            #[allow(unsafe_code, reason = "no crate in the tree offers it without")]
            let _taken = unsafe { libc::mallopt(setting, value) };
        }
    }
}

/// Gives free pages in the middle of the arenas back too: what the models took and freed lies between
/// what stays. Takes some milliseconds. Elsewhere than with glibc: nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `malloc_trim` takes the bytes to keep at the end and may be called at any time.
        #[allow(unsafe_code, reason = "no crate in the tree offers it without")]
        let _gave = unsafe { libc::malloc_trim(0) };
    }
}
