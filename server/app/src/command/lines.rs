//! `musubi mask`, `embed`, `similar`, `search-resources`: JSON Lines in, JSON Lines out.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use masking::{Masker, Register};
use models::{Assets, Models};
use search::Analyzer;

use crate::InputError;

#[derive(Debug, clap::Args)]
pub struct MaskArguments {
    /// 台帳 (JSON): {"persons":[{"id","names","kana","aliases","addresses","phones","birth_date"}]}
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// モデル・辞書の置き場所
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct EmbedArguments {
    /// モデル・辞書の置き場所
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct SimilarArguments {
    /// 探す対象 (JSONL): 1 行に {"id","text"}
    #[arg(long, value_name = "FILE")]
    corpus: PathBuf,
    /// モデル・辞書の置き場所
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct ResourceArguments {
    /// 制度・社会資源の一覧 (JSONL): 1 行に {"id","name","kind","fields","eligibility","detail"}
    #[arg(long, value_name = "FILE")]
    catalogue: PathBuf,
    /// モデル・辞書の置き場所
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

/// Each takes about 70 MiB.
const WORKERS: usize = 4;

struct Loaded {
    models: Models,
    analyzer: Analyzer,
}

/// `sessions` inferences of a model at a time.
fn load(assets: Option<&Path>, sessions: usize) -> anyhow::Result<Loaded> {
    let assets = Assets::locate(assets)?;
    let models = Models::from_assets(&assets, sessions)?;
    let analyzer = Analyzer::load(&assets.dictionary()?)?;
    Ok(Loaded { models, analyzer })
}

pub fn mask(arguments: MaskArguments) -> anyhow::Result<()> {
    let register: Register = match &arguments.register {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                InputError(format!("台帳 {} を読めません: {error}", path.display()))
            })?;
            serde_json::from_str(&text).map_err(|error| {
                InputError(format!(
                    "台帳 {} の {} 行目 {} 文字目が正しくありません",
                    path.display(),
                    error.line(),
                    error.column()
                ))
            })?
        }
        None => Register::default(),
    };
    // One thread per session: more sessions than that cost memory and gain little.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WORKERS));
    let Loaded { models, analyzer } = load(arguments.assets.as_deref(), workers)?;
    let masker = Masker::new(Some(models.ner), analyzer);
    let mut output = BufWriter::new(std::io::stdout().lock());
    let input = BufReader::new(std::io::stdin());
    let done = masking::lines::run(&masker, &register, input, &mut output, workers);
    output.flush()?;
    done.map_err(|error| {
        if error.is_input() {
            InputError(error.to_string()).into()
        } else {
            anyhow::Error::new(error)
        }
    })
}

pub fn embed(arguments: EmbedArguments) -> anyhow::Result<()> {
    let Loaded { models, .. } = load(arguments.assets.as_deref(), 1)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let done = similar::lines::embed(&models.embedder, std::io::stdin().lock(), &mut output);
    output.flush()?;
    done.map_err(input_or_failure)
}

pub fn similar(arguments: SimilarArguments) -> anyhow::Result<()> {
    let (name, corpus) = open(&arguments.corpus)?;
    let Loaded { models, analyzer } = load(arguments.assets.as_deref(), 1)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let done = similar::lines::similar(
        &analyzer,
        &models.embedder,
        &name,
        corpus,
        std::io::stdin().lock(),
        &mut output,
    );
    output.flush()?;
    done.map_err(input_or_failure)
}

pub fn search_resources(arguments: ResourceArguments) -> anyhow::Result<()> {
    let (name, catalogue) = open(&arguments.catalogue)?;
    let Loaded { models, analyzer } = load(arguments.assets.as_deref(), 1)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let done = similar::lines::search_resources(
        &analyzer,
        &models.embedder,
        &name,
        catalogue,
        std::io::stdin().lock(),
        &mut output,
    );
    output.flush()?;
    done.map_err(input_or_failure)
}

/// A file to read and the name by which messages call it.
fn open(path: &Path) -> anyhow::Result<(String, BufReader<File>)> {
    let file = File::open(path)
        .map_err(|error| InputError(format!("{} を読めません: {error}", path.display())))?;
    let name = path.file_name().context("file name")?;
    Ok((name.to_string_lossy().into_owned(), BufReader::new(file)))
}

fn input_or_failure(error: similar::Error) -> anyhow::Error {
    if error.is_input() {
        InputError(error.to_string()).into()
    } else {
        error.into()
    }
}
