//! `cargo run -p masking --example evidence < notes.jsonl > evidence.jsonl`: what the sources say about
//! each letter, for `pipelines/training/fusion.py`.
use std::io::{BufRead, Write};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = models::Assets::locate(None)?;
    let analyzer = search::Analyzer::load(&assets.dictionary()?)?;
    let runtime = models::Runtime::init(&assets.onnxruntime()?)?;
    let ner = Arc::new(models::Ner::load(&runtime, &assets.models()?, 1)?);
    let masker = masking::Masker::new(Some(ner), analyzer);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let note: serde_json::Value = serde_json::from_str(&line?)?;
        let text = note["text"].as_str().unwrap_or_default();
        let rows = masker.evidence(text)?;
        serde_json::to_writer(
            &mut out,
            &serde_json::json!({"id": note["id"], "rows": rows}),
        )?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
