//! `musubi mask`: JSON Lines in, JSON Lines out, in order.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::{Error, Masker, Register, Result, Span, mask};

#[derive(Deserialize)]
struct Input {
    id: serde_json::Value,
    text: String,
}

#[derive(Serialize)]
struct Output<'a> {
    id: &'a serde_json::Value,
    spans: &'a [Span],
    masked: String,
}

/// Reads `{"id","text"}` lines (other fields are ignored, blank lines skipped) and writes
/// `{"id","spans":[{"start","end","label","score","source"}],"masked"}`; offsets in code points, end
/// exclusive. The first broken line ends the run with [`Error::Line`]; what came before is written.
pub fn run(
    masker: &Masker,
    register: &Register,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<()> {
    for (index, line) in input.lines().enumerate() {
        let broken = |message: String| Error::Line {
            line: index + 1,
            message,
        };
        let line = line.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => broken("UTF-8 ではありません".to_owned()),
            _ => Error::Io(error),
        })?;
        let line = line.strip_prefix('\u{FEFF}').unwrap_or(&line);
        if line.trim().is_empty() {
            continue;
        }
        // serde_json's message may quote the text: only its position is passed on.
        let input: Input = serde_json::from_str(line).map_err(|error| {
            broken(format!(
                "{{\"id\",\"text\"}} の JSON ではありません（{} 文字目）",
                error.column()
            ))
        })?;
        let spans = masker.suggest(&input.text, register)?;
        let masked = mask(&input.text, &spans).text;
        serde_json::to_writer(
            &mut *output,
            &Output {
                id: &input.id,
                spans: &spans,
                masked,
            },
        )
        .map_err(|error| Error::Io(error.into()))?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(())
}
