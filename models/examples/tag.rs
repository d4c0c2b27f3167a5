//! The token classifier alone: JSON Lines `{"id","text"}` in, `{"id","spans"}` out. For comparing the
//! runtime with `pipelines/training/tagging.py` on the same model (`MUSUBI_MODELS`).

use std::io::{BufRead as _, Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = models::Assets::locate(None)?;
    let runtime = models::Runtime::init(&assets.onnxruntime()?)?;
    let ner = models::Ner::load(&runtime, &assets.models()?, 1)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let note: serde_json::Value = serde_json::from_str(&line?)?;
        let spans = ner.tag(note["text"].as_str().ok_or("text")?)?;
        writeln!(
            out,
            "{}",
            serde_json::json!({"id": note["id"], "spans": spans})
        )?;
    }
    Ok(())
}
