//! `musubi ingest FILE`: a transcript becomes utterances and a draft, as JSON.

use std::path::PathBuf;

use crate::InputError;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// 文字起こしファイル（VTT, SRT, TXT, CSV, Whisper などの JSON）
    file: PathBuf,
    /// 形式。中身から判別します (auto)
    #[arg(long, default_value = "auto")]
    format: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let length = std::fs::metadata(&arguments.file)
        .map_err(|error| {
            InputError(format!(
                "{} を読めません: {error}",
                arguments.file.display()
            ))
        })?
        .len();
    if length > intake::MAX_BYTES as u64 {
        return Err(InputError(format!(
            "{} は大きすぎます（上限 20MB）。分けて取り込んでください",
            arguments.file.display()
        ))
        .into());
    }
    let bytes = std::fs::read(&arguments.file)?;
    let kind = arguments.format.parse().map_err(|()| {
        InputError(format!(
            "--format 「{}」はありません。auto, vtt, srt, json, txt, csv のどれかにしてください",
            arguments.format
        ))
    })?;
    let hint = intake::Hint {
        kind,
        ..intake::Hint::default()
    };
    let ingest = intake::ingest(&bytes, &hint)
        .map_err(|error| InputError(format!("{}: {}", arguments.file.display(), error)))?;
    println!("{}", serde_json::to_string(&ingest)?);
    Ok(())
}
