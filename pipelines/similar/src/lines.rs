//! `musubi embed` and `musubi similar`: JSON Lines in, JSON Lines out, in order. Only `id` and `text`
//! are read.

use std::io::{BufRead, Write};

use models::Embedder;
use search::Analyzer;
use serde::{Deserialize, Serialize};

use crate::corpus::{Corpus, Entry, Search};
use crate::{Error, Result};

/// Hits written per query.
const TOP: usize = 50;

#[derive(Deserialize)]
struct Input {
    id: serde_json::Value,
    text: String,
}

fn read(name: &str, input: impl BufRead, mut each: impl FnMut(Input) -> Result<()>) -> Result<()> {
    for (index, line) in input.lines().enumerate() {
        let broken = |message: String| Error::Line {
            source_name: name.to_owned(),
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
        let row: Input = serde_json::from_str(line).map_err(|error| {
            broken(format!(
                "{{\"id\",\"text\"}} の JSON ではありません（{} 文字目）",
                error.column()
            ))
        })?;
        each(row)?;
    }
    Ok(())
}

fn write(output: &mut impl Write, row: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *output, row).map_err(|error| Error::Io(error.into()))?;
    output.write_all(b"\n")?;
    Ok(())
}

/// `{"id","text"}` → `{"id","vector"}`: unit vectors of passages.
pub fn embed(embedder: &Embedder, input: impl BufRead, output: &mut impl Write) -> Result<()> {
    #[derive(Serialize)]
    struct Row {
        id: serde_json::Value,
        vector: Vec<f32>,
    }
    read("標準入力", input, |row| {
        write(
            output,
            &Row {
                vector: embedder.embed_passage(&row.text)?,
                id: row.id,
            },
        )
    })?;
    output.flush()?;
    Ok(())
}

/// Queries `{"id","text"}` → `{"id","hits":[{"id","score"}]}`, the best 50 of the corpus each.
pub fn similar(
    analyzer: &Analyzer,
    embedder: &Embedder,
    corpus_name: &str,
    corpus: impl BufRead,
    queries: impl BufRead,
    output: &mut impl Write,
) -> Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: serde_json::Value,
        hits: Vec<Scored<'a>>,
    }
    #[derive(Serialize)]
    struct Scored<'a> {
        id: &'a serde_json::Value,
        score: f32,
    }
    let mut ids = Vec::new();
    let mut entries = Vec::new();
    read(corpus_name, corpus, |row| {
        entries.push(Entry {
            // Positions stand for ids, which may be numbers; padded so that ties keep the file's order.
            id: format!("{:09}", ids.len()),
            vectors: vec![embedder.embed_passage(&crate::sentences::without_marks(&row.text))?],
            text: row.text,
            ..Entry::default()
        });
        ids.push(row.id);
        Ok(())
    })?;
    let corpus = Corpus::new(analyzer, embedder, entries)?;
    let none = std::collections::BTreeSet::new();
    read("標準入力", queries, |row| {
        let hits = corpus.search(&Search {
            text: &row.text,
            features: &none,
            limit: TOP,
        })?;
        let hits = hits
            .iter()
            .filter_map(|hit| {
                Some(Scored {
                    id: ids.get(hit.id.parse::<usize>().ok()?)?,
                    score: hit.score,
                })
            })
            .collect();
        write(output, &Row { id: row.id, hits })
    })?;
    output.flush()?;
    Ok(())
}
