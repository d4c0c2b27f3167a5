//! `musubi read-attachment MEDIA_TYPE`: the text of one attachment, for the server, which starts this for
//! each file. The system ends it when the file costs more than a file may. What it says on standard output
//! `api::reading` describes.

use std::io::{Read as _, Write as _};

use api::reading::{HELD, HELD_TIGHTER};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory beside the program itself, in bytes.
const MEMORY: u64 = 512 << 20;
/// Processor time, in seconds: with the signal `XCPU` at first, which tells it from what the system kills for
/// reasons of its own.
const SECONDS: u64 = 30;
const SECONDS_AT_LAST: u64 = 35;
/// Files: those it was started with. So nothing is opened, and nothing is connected to.
const FILES: u64 = 3;
/// Larger files are not read, in bytes; no setting lets larger ones in.
pub const LARGEST: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// 種類（application/pdf など）。中身は標準入力から読みます
    media_type: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    // A program that it started would gain nothing; and it starts none (below).
    rustix::thread::set_no_new_privs(true)?;
    let mut tighter = false;
    for (resource, current, maximum) in [
        (Resource::Data, MEMORY, MEMORY),
        (Resource::Cpu, SECONDS, SECONDS_AT_LAST),
        // Nothing is written, and nothing of the file is left behind when it ends badly.
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
        (Resource::Nofile, FILES, FILES),
        // No further thread or process. It does not hold for root.
        (Resource::Nproc, 0, 0),
    ] {
        // Where the server is held tighter already, that stays.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        tighter |= most < current;
        let limit = Rlimit {
            current: Some(current.min(most)),
            maximum: Some(maximum.min(most)),
        };
        setrlimit(resource, limit)?;
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&[if tighter { HELD_TIGHTER } else { HELD }])?;
    out.flush()?;
    let mut file = Vec::new();
    std::io::stdin().take(LARGEST).read_to_end(&mut file)?;
    let reading = attachments::read(&arguments.media_type, &file);
    serde_json::to_writer(&mut out, &reading)?;
    out.flush()?;
    Ok(())
}
