//! `ingest IN_DIR OUT_DIR`: drafts every file of a folder, for measuring with `score.py`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else {
        return Err("usage: ingest IN_DIR OUT_DIR".into());
    };
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()) else {
            continue;
        };
        let ingest = intake::ingest(&std::fs::read(&path)?, &intake::Hint::default())?;
        std::fs::write(
            Path::new(&to).join(format!("{stem}.json")),
            serde_json::to_vec(&ingest)?,
        )?;
    }
    Ok(())
}
