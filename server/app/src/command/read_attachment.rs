//! `musubi read-attachment MEDIA_TYPE`: the text of one attachment, for the server, which starts this for
//! each file. The system ends it when the file costs more than a file may.

use std::io::{Read as _, Write as _};

use rustix::process::{Resource, Rlimit, setrlimit};

/// Memory beside the program itself, in bytes.
const MEMORY: u64 = 512 << 20;
/// Processor time, in seconds.
const SECONDS: u64 = 30;
/// Larger files are not read, in bytes; no setting lets larger ones in.
const LARGEST: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// 種類（application/pdf など）。中身は標準入力から読みます
    media_type: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    for (resource, most) in [
        (Resource::Data, MEMORY),
        (Resource::Cpu, SECONDS),
        // Nothing is written, and nothing of the file is left behind when it ends badly.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    let mut file = Vec::new();
    std::io::stdin().take(LARGEST).read_to_end(&mut file)?;
    let reading = attachments::read(&arguments.media_type, &file);
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &reading)?;
    out.flush()?;
    Ok(())
}
