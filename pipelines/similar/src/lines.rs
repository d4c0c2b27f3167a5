//! `musubi embed`, `musubi similar` and `musubi search-resources`: JSON Lines in, JSON Lines out, in
//! order. Only the fields named are read.

use std::io::{BufRead, Write};

use models::Embedder;
use search::Analyzer;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::corpus::{Corpus, Entry, Search};
use crate::resource::Resource;
use crate::{Error, Result};

/// Hits written per query.
const TOP: usize = 50;

/// A line of input: what it must hold is said to whoever wrote another.
trait Input: DeserializeOwned {
    const FIELDS: &'static str;
}

#[derive(Deserialize)]
struct Text {
    id: serde_json::Value,
    text: String,
}

impl Input for Text {
    const FIELDS: &'static str = r#"{"id","text"}"#;
}

#[derive(Deserialize)]
struct ResourceLine {
    id: serde_json::Value,
    #[serde(flatten)]
    resource: Resource,
}

impl Input for ResourceLine {
    const FIELDS: &'static str = r#"{"id","name","kind","fields","eligibility","detail","area"}"#;
}

fn read<Row: Input>(
    name: &str,
    input: impl BufRead,
    mut each: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
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
        let row = serde_json::from_str(line).map_err(|error| {
            broken(format!(
                "{} の JSON ではありません（{} 文字目）",
                Row::FIELDS,
                error.column()
            ))
        })?;
        each(row)?;
    }
    Ok(())
}

/// One line of output, sent off at once: the asking program may wait for it before it asks again.
fn write(output: &mut impl Write, row: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *output, row).map_err(|error| Error::Io(error.into()))?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(())
}

/// `{"id","text"}` → `{"id","vector"}`: unit vectors of passages.
pub fn embed(embedder: &Embedder, input: impl BufRead, output: &mut impl Write) -> Result<()> {
    #[derive(Serialize)]
    struct Row {
        id: serde_json::Value,
        vector: Vec<f32>,
    }
    read("標準入力", input, |row: Text| {
        write(
            output,
            &Row {
                vector: embedder.embed_passage(&row.text)?,
                id: row.id,
            },
        )
    })
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
    let mut candidates = Candidates::new(embedder);
    read(corpus_name, corpus, |row: Text| {
        candidates.push(row.id, row.text)
    })?;
    candidates.answer(analyzer, queries, output)
}

/// Queries `{"id","text"}` → `{"id","hits":[{"id","score"}]}`, the best 50 schemes and services each.
pub fn search_resources(
    analyzer: &Analyzer,
    embedder: &Embedder,
    catalogue_name: &str,
    catalogue: impl BufRead,
    queries: impl BufRead,
    output: &mut impl Write,
) -> Result<()> {
    let mut candidates = Candidates::new(embedder);
    read(catalogue_name, catalogue, |row: ResourceLine| {
        candidates.push(row.id, row.resource.text())
    })?;
    candidates.answer(analyzer, queries, output)
}

struct Candidates<'a> {
    embedder: &'a Embedder,
    ids: Vec<serde_json::Value>,
    entries: Vec<Entry>,
}

impl<'a> Candidates<'a> {
    fn new(embedder: &'a Embedder) -> Self {
        Self {
            embedder,
            ids: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn push(&mut self, id: serde_json::Value, text: String) -> Result<()> {
        let vector = self
            .embedder
            .embed_passage(&crate::sentences::without_marks(&text))?;
        self.entries.push(Entry {
            // Positions stand for ids, which may be numbers; padded so that ties keep the file's order.
            id: format!("{:09}", self.ids.len()),
            vectors: vec![vector],
            text,
            ..Entry::default()
        });
        self.ids.push(id);
        Ok(())
    }

    fn answer(
        self,
        analyzer: &Analyzer,
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
        let ids = self.ids;
        let corpus = Corpus::new(analyzer, self.embedder, self.entries)?;
        let none = std::collections::BTreeSet::new();
        read("標準入力", queries, |row: Text| {
            let hits = corpus.search(&Search {
                text: &row.text,
                whole: None,
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
        })
    }
}
