//! `musubi setup-dictionary SOURCE OUT`: builds the morphological dictionary (used by `make`).

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// MeCab 形式の元データのフォルダ
    source: PathBuf,
    /// 作る場所
    out: PathBuf,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    search::dictionary::build(&arguments.source, &arguments.out)?;
    Ok(())
}
