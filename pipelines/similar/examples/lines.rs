//! `cargo run -p similar --example lines -- embed|similar|resources [FILE]`: the functions
//! behind `musubi embed`, `similar` and `search-resources`, without the binary.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = models::Assets::locate(None)?;
    let runtime = models::Runtime::init(&assets.onnxruntime()?)?;
    let embedder = models::Embedder::load(&runtime, &assets.models()?, 1)?;
    let mut arguments = std::env::args().skip(1);
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("embed"), None) => similar::lines::embed(&embedder, input, &mut output)?,
        (Some("similar"), Some(path)) => {
            let analyzer = search::Analyzer::load(&assets.dictionary()?)?;
            let corpus = std::io::BufReader::new(std::fs::File::open(&path)?);
            similar::lines::similar(&analyzer, &embedder, &path, corpus, input, &mut output)?;
        }
        (Some("resources"), Some(path)) => {
            let analyzer = search::Analyzer::load(&assets.dictionary()?)?;
            let catalogue = std::io::BufReader::new(std::fs::File::open(&path)?);
            similar::lines::search_resources(
                &analyzer,
                &embedder,
                &path,
                catalogue,
                input,
                &mut output,
            )?;
        }
        _ => return Err("embed | similar CORPUS | resources CATALOGUE".into()),
    }
    Ok(())
}
