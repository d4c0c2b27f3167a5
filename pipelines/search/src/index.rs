//! The index: named text fields, each searched by words and, weaker, by pairs of characters.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use domain::offset::CodePoint;
use serde::Serialize;
use tantivy::collector::{Count, TopDocs};
use tantivy::directory::MmapDirectory;
use tantivy::query::{
    BooleanQuery, BoostQuery, EmptyQuery, Occur, Query as TantivyQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{
    Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value as _,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, TantivyDocument};

use crate::analysis::{Analyzer, Term, bigrams};
use crate::{Error, Result};

/// Weight of a shared pair of characters against a shared word.
const BIGRAM_BOOST: f32 = 0.35;
/// Smallest heap the writer accepts is 15 MB.
const WRITER_HEAP: usize = 20_000_000;

/// What is indexed under one id.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    pub id: String,
    /// Field name → text. Fields unknown to the index are an error, absent ones stay empty.
    pub fields: BTreeMap<String, String>,
}

/// A search. All words count as "or"; what holds more of them and rarer ones comes first.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    pub text: &'a str,
    /// Field names with their weights.
    pub fields: &'a [(&'a str, f32)],
    /// Only these ids are found or counted; `None` means every id.
    pub permitted: Option<&'a HashSet<String>>,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    pub id: String,
    pub score: f32,
}

/// Hits in order, and how many there are in all.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    pub total: usize,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    words: Field,
    pairs: Field,
}

/// An index in memory or in a folder. One writer; readers see what was committed.
pub struct Index {
    analyzer: Analyzer,
    reader: IndexReader,
    writer: IndexWriter,
    id: Field,
    fields: BTreeMap<String, Pair>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("fields", &self.fields.keys())
            .finish_non_exhaustive()
    }
}

impl Index {
    /// An empty index that lives as long as the value.
    pub fn in_memory(analyzer: Analyzer, fields: &[&str]) -> Result<Self> {
        let (schema, id, fields) = schema(fields);
        Self::with(tantivy::Index::create_in_ram(schema), analyzer, id, fields)
    }

    /// Opens the index in `folder` or makes it. A folder made with other fields is an error: the
    /// caller removes it and indexes again.
    pub fn open(folder: &Path, analyzer: Analyzer, fields: &[&str]) -> Result<Self> {
        let (schema, id, fields) = schema(fields);
        let index = tantivy::Index::open_or_create(MmapDirectory::open(folder)?, schema)?;
        Self::with(index, analyzer, id, fields)
    }

    fn with(
        index: tantivy::Index,
        analyzer: Analyzer,
        id: Field,
        fields: BTreeMap<String, Pair>,
    ) -> Result<Self> {
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let writer = index.writer_with_num_threads(1, WRITER_HEAP)?;
        Ok(Self {
            analyzer,
            reader,
            writer,
            id,
            fields,
        })
    }

    /// Adds `entry` in place of what stood under its id. Visible after [`Index::commit`].
    pub fn put(&mut self, entry: &Entry) -> Result<()> {
        self.remove(&entry.id);
        let mut document = TantivyDocument::default();
        document.add_text(self.id, &entry.id);
        for (name, text) in &entry.fields {
            let pair = self.pair(name)?;
            document.add_pre_tokenized_text(pair.words, pre_tokenized(self.analyzer.terms(text)?));
            document.add_pre_tokenized_text(pair.pairs, pre_tokenized(bigrams(text)));
        }
        self.writer.add_document(document)?;
        Ok(())
    }

    pub fn remove(&mut self, id: &str) {
        self.writer
            .delete_term(tantivy::Term::from_field_text(self.id, id));
    }

    /// Makes all changes visible (and durable in a folder). Takes milliseconds: not for an async worker.
    pub fn commit(&mut self) -> Result<()> {
        self.writer.commit()?;
        self.reader.reload()?;
        Ok(())
    }

    pub fn search(&self, query: &Query<'_>) -> Result<Found> {
        if query.limit == 0 {
            return Ok(Found::default());
        }
        let parsed = self.parse(query)?;
        let searcher = self.reader.searcher();
        let (top, total) = searcher.search(
            &parsed,
            &(TopDocs::with_limit(query.limit).order_by_score(), Count),
        )?;
        let mut hits = Vec::with_capacity(top.len());
        for (score, address) in top {
            let document: TantivyDocument = searcher.doc(address)?;
            if let Some(id) = document.get_first(self.id).and_then(|value| value.as_str()) {
                hits.push(Hit {
                    id: id.to_owned(),
                    score,
                });
            }
        }
        // Equal scores in the order of the ids: the same question has the same answer on every node.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
        Ok(Found { hits, total })
    }

    fn parse(&self, query: &Query<'_>) -> Result<Box<dyn TantivyQuery>> {
        let words: HashSet<String> = self
            .analyzer
            .terms(query.text)?
            .into_iter()
            .map(|term| term.text)
            .collect();
        let pairs: HashSet<String> = bigrams(query.text)
            .into_iter()
            .map(|term| term.text)
            .collect();
        let mut clauses: Vec<(Occur, Box<dyn TantivyQuery>)> = Vec::new();
        for &(name, weight) in query.fields {
            let pair = self.pair(name)?;
            let mut add = |field: Field, texts: &HashSet<String>, boost: f32| {
                let mut texts: Vec<&String> = texts.iter().collect();
                texts.sort();
                for text in texts {
                    let term = tantivy::Term::from_field_text(field, text);
                    let query: Box<dyn TantivyQuery> = Box::new(BoostQuery::new(
                        Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)),
                        boost,
                    ));
                    clauses.push((Occur::Should, query));
                }
            };
            add(pair.words, &words, weight);
            add(pair.pairs, &pairs, weight * BIGRAM_BOOST);
        }
        if clauses.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        let wanted: Box<dyn TantivyQuery> = Box::new(BooleanQuery::new(clauses));
        let Some(permitted) = query.permitted else {
            return Ok(wanted);
        };
        let ids = permitted
            .iter()
            .map(|id| tantivy::Term::from_field_text(self.id, id));
        // A constant filter: it must not add to the score.
        let filter: Box<dyn TantivyQuery> =
            Box::new(BoostQuery::new(Box::new(TermSetQuery::new(ids)), 0.0));
        Ok(Box::new(BooleanQuery::new(vec![
            (Occur::Must, filter),
            (Occur::Must, wanted),
        ])))
    }

    /// Where words of `query` stand in `text` (code points, sorted, without overlap).
    pub fn highlight(&self, text: &str, query: &str) -> Result<Vec<(CodePoint, CodePoint)>> {
        highlight(&self.analyzer, text, query)
    }

    fn pair(&self, name: &str) -> Result<Pair> {
        self.fields
            .get(name)
            .copied()
            .ok_or_else(|| Error::UnknownField(name.to_owned()))
    }
}

/// Where words of `query` stand in `text` (code points, sorted, without overlap).
pub fn highlight(
    analyzer: &Analyzer,
    text: &str,
    query: &str,
) -> Result<Vec<(CodePoint, CodePoint)>> {
    let wanted: HashSet<String> = analyzer
        .terms(query)?
        .into_iter()
        .map(|term| term.text)
        .collect();
    let mut out: Vec<(CodePoint, CodePoint)> = Vec::new();
    for term in analyzer.terms(text)? {
        if !wanted.contains(&term.text) {
            continue;
        }
        match out.last_mut() {
            Some(last) if last.1 >= term.start => last.1 = last.1.max(term.end),
            _ => out.push((term.start, term.end)),
        }
    }
    Ok(out)
}

fn schema(names: &[&str]) -> (Schema, Field, BTreeMap<String, Pair>) {
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | STORED);
    // Every value is added with its tokens, so the tokenizer named here never runs.
    let options = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::WithFreqs),
    );
    let fields = names
        .iter()
        .map(|&name| {
            let words = builder.add_text_field(&format!("{name}_words"), options.clone());
            let pairs = builder.add_text_field(&format!("{name}_pairs"), options.clone());
            (name.to_owned(), Pair { words, pairs })
        })
        .collect();
    (builder.build(), id, fields)
}

fn pre_tokenized(terms: Vec<Term>) -> PreTokenizedString {
    let tokens = terms
        .into_iter()
        .enumerate()
        .map(|(position, term)| Token {
            offset_from: term.start.0,
            offset_to: term.end.0,
            position,
            text: term.text,
            position_length: 1,
        })
        .collect();
    PreTokenizedString {
        text: String::new(),
        tokens,
    }
}
