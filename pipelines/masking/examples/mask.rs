//! `cargo run -p masking --example mask [-- REGISTER.json] < notes.jsonl`: the function behind
//! `musubi mask`, without the binary, and with parts of it left out (ablation):
//! `MASK_SOURCES=rule,dictionary,model` listens to these only; `MASK_WITHOUT_MODEL=1` loads no model.
//! A note's own `register` ([`masking::Register`]) goes before the one of the command line.
use std::io::{BufRead, Write};
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
        masker = masker.only(&sources);
    }
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let note: serde_json::Value = serde_json::from_str(&line)?;
        let own = match note.get("register") {
            Some(register) => Some(serde_json::from_value(register.clone())?),
            None => None,
        };
        let register = own.as_ref().unwrap_or(&common);
        masking::lines::run(&masker, register, line.as_bytes(), &mut out)?;
    }
    out.flush()?;
    Ok(())
}
