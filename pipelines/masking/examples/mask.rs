//! `cargo run -p masking --example mask [-- REGISTER.json] < notes.jsonl`: the function behind
//! `musubi mask`, without the binary. `MASK_WITHOUT_MODEL=1` leaves the model out (ablation).
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = models::Assets::locate(None)?;
    let analyzer = search::Analyzer::load(&assets.dictionary()?)?;
    let ner = if std::env::var_os("MASK_WITHOUT_MODEL").is_some() {
        None
    } else {
        let runtime = models::Runtime::init(&assets.onnxruntime()?)?;
        Some(Arc::new(models::Ner::load(&runtime, &assets.models()?, 1)?))
    };
    let register = match std::env::args_os().nth(1) {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => masking::Register::default(),
    };
    let masker = masking::Masker::new(ner, analyzer);
    masking::lines::run(
        &masker,
        &register,
        std::io::stdin().lock(),
        &mut std::io::stdout().lock(),
    )?;
    Ok(())
}
