//! `cargo run -p masking --example mask [-- REGISTER.json] < notes.jsonl`: the function behind
//! `musubi mask`, without the binary, and with parts of it left out (ablation):
//! `MASK_SOURCES=rule,dictionary,model` listens to these only; `MASK_WITHOUT_MODEL=1` loads no model.
//! With `MASK_OWN_REGISTERS=1` each note carries its own `register` ([`masking::Register`]).
use std::io::{BufRead, BufReader, Cursor, Write};
use std::sync::Arc;

use masking::{Masker, Register, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = models::Assets::locate(None)?;
    let analyzer = search::Analyzer::load(&assets.dictionary()?)?;
    let ner = if std::env::var_os("MASK_WITHOUT_MODEL").is_some() {
        None
    } else {
        let runtime = models::Runtime::init(&assets.onnxruntime()?)?;
        Some(Arc::new(models::Ner::load(&runtime, &assets.models()?, 1)?))
    };
    let common: Register = match std::env::args_os().nth(1) {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => Register::default(),
    };
    let mut masker = Masker::new(ner, analyzer);
    if let Ok(names) = std::env::var("MASK_SOURCES") {
        let sources = names
            .split(',')
            .map(|name| serde_json::from_value(name.into()))
            .collect::<Result<Vec<Source>, _>>()?;
        masker = masker.listening_to(&sources);
    }
    let mut out = std::io::stdout().lock();
    let input = BufReader::new(std::io::stdin());
    if std::env::var_os("MASK_OWN_REGISTERS").is_none() {
        masking::lines::run(&masker, &common, input, &mut out, 1)?;
        return Ok(());
    }
    for line in input.lines() {
        let line = line?;
        let note: Note = serde_json::from_str(&line)?;
        masking::lines::run(&masker, &note.register, Cursor::new(line), &mut out, 1)?;
    }
    out.flush()?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Note {
    register: Register,
}
