//! `musubi mask`: JSON Lines in, JSON Lines out, in order.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, sync_channel};

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

/// Texts a worker is given at once: enough that none waits for the slowest line, few enough to stay small.
const BATCH: usize = 32;

/// Reads `{"id","text"}` lines (other fields are ignored, blank lines skipped) and writes
/// `{"id","spans":[{"start","end","label","score","source"}],"masked"}` in the same order; offsets in code
/// points, end exclusive. The first broken line ends the run with [`Error::Line`]; what came before is
/// written. `workers` lines are masked at a time; the model's pool bounds how many of them infer.
///
/// A line is answered at once when no other waits, so that a program may write one and read its
/// answer before it writes the next.
pub fn run(
    masker: &Masker,
    register: &Register,
    input: impl BufRead + Send + 'static,
    output: &mut impl Write,
    workers: usize,
) -> Result<()> {
    let workers = workers.max(1);
    let most = BATCH * workers;
    let lines = reader(input, most);
    // The first of a batch is waited for; the others only come along when they are there.
    while let Ok(first) = lines.recv() {
        let mut batch = Vec::with_capacity(most);
        let mut broken = None;
        for line in std::iter::once(first).chain(lines.try_iter()) {
            match line {
                Ok(input) => batch.push(input),
                Err(error) => broken = Some(error),
            }
            if broken.is_some() || batch.len() == most {
                break;
            }
        }
        for written in masked(masker, register, &batch, workers) {
            output.write_all(&written?)?;
        }
        output.flush()?;
        if let Some(error) = broken {
            return Err(error);
        }
    }
    Ok(())
}

/// Reads ahead, at most `ahead` lines, on a thread of its own that ends with the input, with its first
/// fault or when nobody listens any more.
fn reader(input: impl BufRead + Send + 'static, ahead: usize) -> Receiver<Result<Input>> {
    let (lines, waiting) = sync_channel(ahead);
    std::thread::spawn(move || {
        for (index, line) in input.lines().enumerate() {
            let Some(line) = read(index + 1, line).transpose() else {
                continue;
            };
            let ends = line.is_err();
            if lines.send(line).is_err() || ends {
                return;
            }
        }
    });
    waiting
}

/// One line, with its number from 1; nothing of a blank one.
fn read(number: usize, line: std::io::Result<String>) -> Result<Option<Input>> {
    let broken = |message: String| Error::Line {
        line: number,
        message,
    };
    let line = line.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => broken("UTF-8 ではありません".to_owned()),
        _ => Error::Io(error),
    })?;
    let line = line.strip_prefix('\u{FEFF}').unwrap_or(&line);
    if line.trim().is_empty() {
        return Ok(None);
    }
    // serde_json's message may quote the text: only its position is passed on.
    serde_json::from_str(line).map(Some).map_err(|error| {
        broken(format!(
            "{{\"id\",\"text\"}} の JSON ではありません（{} 文字目）",
            error.column()
        ))
    })
}

/// The output lines of a batch, in its order.
fn masked(
    masker: &Masker,
    register: &Register,
    batch: &[Input],
    workers: usize,
) -> Vec<Result<Vec<u8>>> {
    let share = batch.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> = batch
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|input| line(masker, register, input))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn line(masker: &Masker, register: &Register, input: &Input) -> Result<Vec<u8>> {
    let spans = masker.suggest(&input.text, register)?;
    let masked = mask(&input.text, &spans).text;
    let mut out = serde_json::to_vec(&Output {
        id: &input.id,
        spans: &spans,
        masked,
    })
    .map_err(|error| Error::Io(error.into()))?;
    out.push(b'\n');
    Ok(out)
}
