//! The index over what was written: for each unit its full text and, beside it, the text that masked
//! readers see, in fields of their own. The index holds no rights: who may see which unit is asked of
//! those who know, for what is found here and before it is counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::path::Path;

use tantivy::collector::{Count, TopDocs};
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, EmptyQuery, Occur, PhraseQuery, Query as TantivyQuery,
    RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing,
    TextOptions, Value as _,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{
    DocAddress, DocSet as _, IndexReader, IndexWriter, Order, ReloadPolicy, Score, Searcher,
    TERMINATED, TantivyDocument, Term,
};

use crate::Result;
use crate::analysis::{Analyzer, Morpheme};
use crate::folding::{self, has_kanji};
use crate::query::{Search, Word, inflects, readings};
use crate::sealed::{Random, SealedDirectory};

/// Changes with the fields and with what is put into them: an index of another version is made anew.
pub const VERSION: u32 = 2;

/// Memory of the writing thread before it writes a segment out, in bytes.
const WRITER_HEAP: usize = 64 << 20;
/// Pieces in which long texts are analysed, in characters.
const PIECE: usize = 400;
/// Letters of a unit that are indexed; more nobody writes.
const LONGEST: usize = 200_000;

/// Which of a unit's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Full,
    Masked,
}

/// What is found as one thing.
#[derive(Clone, Default)]
pub struct Unit {
    /// Kind and id: what comes later under the same key takes its place.
    pub key: String,
    /// Empty for what belongs to no case.
    pub case: String,
    pub kind: &'static str,
    /// Days since 1970-01-01.
    pub day: i64,
    /// State of the source: the same stamp, the same text.
    pub stamp: String,
    /// Values, not sentences (names, addresses): nothing in them is inflected, and their reading is a
    /// value of its own.
    pub values: bool,
    pub full: String,
    pub masked: Option<Masked>,
}

/// The text that masked readers see, and what it rests on.
#[derive(Clone, Default)]
pub struct Masked {
    pub text: String,
    pub basis: String,
}

impl std::fmt::Debug for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unit({})", self.key)
    }
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masked")
    }
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Relevance,
    Newest,
    Oldest,
}

/// What to look for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub search: &'a Search,
    pub side: Side,
    /// Kinds of units.
    pub kinds: &'a [&'a str],
    /// Only in these cases; `None`: in all.
    pub cases: Option<&'a HashSet<String>>,
    /// Never in these.
    pub without: &'a HashSet<String>,
    /// For each word of the search: cases in which it counts as found, because somebody in them has
    /// that name. At least one word must stand in the unit itself unless `by_name_alone`.
    pub named: &'a [HashSet<String>],
    pub by_name_alone: bool,
    /// First and last day.
    pub days: (Option<i64>, Option<i64>),
    pub sort: Sort,
    pub limit: usize,
}

/// A unit that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub key: String,
    pub case: String,
    /// What the masked text rests on; empty without one.
    pub basis: String,
    pub day: i64,
    pub score: f32,
}

#[derive(Debug, Clone, Copy)]
struct Texts {
    /// Pairs of letters with their places, and the last letter of each run.
    pairs: Field,
    /// Base forms of inflected words.
    bases: Field,
    /// Pairs of kana of the readings of words with kanji.
    kana: Field,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    key: Field,
    case: Field,
    kind: Field,
    day: Field,
    stamp: Field,
    basis: Field,
    shown: Field,
    full: Texts,
    masked: Texts,
}

impl Fields {
    fn of(&self, side: Side) -> Texts {
        match side {
            Side::Full => self.full,
            Side::Masked => self.masked,
        }
    }
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let key = builder.add_text_field("key", STRING | FAST);
    let case = builder.add_text_field("case", STRING | FAST);
    let kind = builder.add_text_field("kind", STRING);
    let day = builder.add_i64_field("day", INDEXED | FAST);
    let stamp = builder.add_text_field("stamp", STRING | FAST);
    let basis = builder.add_text_field("basis", STRING | FAST);
    let shown = builder.add_text_field("shown", STORED);
    let with = |option| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(option),
        )
    };
    let mut texts = |name: &str| Texts {
        pairs: builder.add_text_field(
            &format!("{name}_pairs"),
            with(IndexRecordOption::WithFreqsAndPositions),
        ),
        bases: builder.add_text_field(&format!("{name}_bases"), with(IndexRecordOption::WithFreqs)),
        kana: builder.add_text_field(
            &format!("{name}_kana"),
            with(IndexRecordOption::WithFreqsAndPositions),
        ),
    };
    let (full, masked) = (texts("full"), texts("masked"));
    let fields = Fields {
        key,
        case,
        kind,
        day,
        stamp,
        basis,
        shown,
        full,
        masked,
    };
    (builder.build(), fields)
}

/// The reading side; shared by all who search.
pub struct FullText {
    analyzer: Analyzer,
    index: tantivy::Index,
    reader: IndexReader,
    fields: Fields,
}

impl std::fmt::Debug for FullText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FullText")
    }
}

/// The writing side; one for each index.
pub struct Writer {
    writer: IndexWriter,
    fields: Fields,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// A unit taken apart, ready to be written.
pub struct Prepared {
    key: Term,
    document: TantivyDocument,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared")
    }
}

fn token(text: String, position: usize) -> Token {
    Token {
        offset_from: 0,
        offset_to: 0,
        position,
        text,
        position_length: 1,
    }
}

fn tokens(tokens: Vec<Token>) -> PreTokenizedString {
    PreTokenizedString {
        text: String::new(),
        tokens,
    }
}

/// Pairs of neighbouring letters, and for each run its last letter, so that a single letter is found
/// by what begins with it.
fn pairs(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut position = 0;
    for run in folding::runs(text) {
        for (at, letter) in run.iter().enumerate() {
            let mut text = String::from(letter.folded);
            text.extend(run.get(at + 1).map(|next| next.folded));
            out.push(token(text, position));
            position += 1;
        }
        // Nothing is found across what stands between two runs.
        position += 1;
    }
    out
}

fn kana_pairs(words: &[Morpheme], position: &mut usize, out: &mut Vec<Token>) {
    for run in readings(words) {
        for pair in run.windows(2) {
            out.push(token(pair.iter().map(|(c, _)| *c).collect(), *position));
            *position += 1;
        }
        *position += 2;
    }
}

/// The text in pieces at sentence ends, so that no piece is long however it was typed.
fn pieces(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut from, mut length) = (0, 0);
    for (at, c) in text.char_indices() {
        length += 1;
        if matches!(c, '\n' | '。') || length >= PIECE {
            let end = at + c.len_utf8();
            out.push(&text[from..end]);
            (from, length) = (end, 0);
        }
    }
    out.push(&text[from..]);
    out.retain(|piece| !piece.trim().is_empty());
    out
}

impl FullText {
    /// Opens the index in `folder` (made where there is none) under `key`. An index that was made
    /// otherwise or is damaged is an error: the caller makes a new one.
    ///
    /// # Errors
    /// Unreadable, another key, other fields.
    pub fn open(folder: &Path, key: &[u8; 32], random: Random, analyzer: Analyzer) -> Result<Self> {
        let directory = SealedDirectory::new(folder, key, random);
        let (schema, _) = schema();
        Self::with(tantivy::Index::open_or_create(directory, schema)?, analyzer)
    }

    fn with(index: tantivy::Index, analyzer: Analyzer) -> Result<Self> {
        let (_, fields) = schema();
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            analyzer,
            index,
            reader,
            fields,
        })
    }

    /// The writing side. There must be one only.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn writer(&self) -> Result<Writer> {
        Ok(Writer {
            writer: self.index.writer_with_num_threads(1, WRITER_HEAP)?,
            fields: self.fields,
        })
    }

    /// What was committed with [`Writer::commit`], if anything was.
    ///
    /// # Errors
    /// Unreadable.
    pub fn payload(&self) -> Result<Option<String>> {
        Ok(self.index.load_metas()?.payload)
    }

    /// Everything that is alive, in a new folder under a new key, and nothing else: no term, no stored
    /// text of what was removed. No [`Writer`] of this index may be at work.
    ///
    /// # Errors
    /// Either folder fails.
    pub fn copy_alive(
        &self,
        folder: &Path,
        key: &[u8; 32],
        random: Random,
        payload: &str,
    ) -> Result<Self> {
        let directory = SealedDirectory::new(folder, key, random);
        let (schema, _) = schema();
        let any = self.reader.searcher().num_docs() > 0;
        let index = if any {
            tantivy::indexer::merge_indices(std::slice::from_ref(&self.index), directory)?
        } else {
            tantivy::Index::open_or_create(directory, schema)?
        };
        let copy = Self::with(index, self.analyzer.clone())?;
        let mut writer = copy.writer()?;
        writer.commit(payload)?;
        writer.close()?;
        copy.refresh()?;
        Ok(copy)
    }

    /// Shows what was committed.
    ///
    /// # Errors
    /// Unreadable.
    pub fn refresh(&self) -> Result<()> {
        Ok(self.reader.reload()?)
    }

    #[must_use]
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// Units in the index.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a unit apart. The slow part of indexing; may be done on several threads.
    ///
    /// # Errors
    /// The dictionary fails.
    pub fn prepare(&self, unit: &Unit) -> Result<Prepared> {
        let mut document = TantivyDocument::default();
        document.add_text(self.fields.key, &unit.key);
        document.add_text(self.fields.case, &unit.case);
        document.add_text(self.fields.kind, unit.kind);
        document.add_i64(self.fields.day, unit.day);
        document.add_text(self.fields.stamp, &unit.stamp);
        self.add_texts(&mut document, self.fields.full, &unit.full, unit.values)?;
        if let Some(masked) = &unit.masked {
            self.add_texts(&mut document, self.fields.masked, &masked.text, unit.values)?;
            document.add_text(self.fields.basis, &masked.basis);
            document.add_text(self.fields.shown, &masked.text);
        }
        Ok(Prepared {
            key: Term::from_field_text(self.fields.key, &unit.key),
            document,
        })
    }

    fn add_texts(
        &self,
        document: &mut TantivyDocument,
        to: Texts,
        text: &str,
        values: bool,
    ) -> Result<()> {
        let text = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        document.add_pre_tokenized_text(to.pairs, tokens(pairs(text)));
        if values {
            return Ok(());
        }
        let (mut bases, mut kana) = (Vec::new(), Vec::new());
        let mut position = 0;
        for piece in pieces(text) {
            // What has neither kanji nor kana has no readings and no forms.
            if !piece
                .chars()
                .any(|c| has_kanji(c.encode_utf8(&mut [0; 4])) || ('ぁ'..='ヺ').contains(&c))
            {
                continue;
            }
            let words = self.analyzer.morphemes(piece)?;
            for word in words.iter().filter(|word| inflects(word)) {
                let at = bases.len();
                bases.push(token(word.base.clone(), at));
            }
            kana_pairs(&words, &mut position, &mut kana);
        }
        document.add_pre_tokenized_text(to.bases, tokens(bases));
        document.add_pre_tokenized_text(to.kana, tokens(kana));
        Ok(())
    }

    /// Key and stamp of what the index has of these cases.
    ///
    /// # Errors
    /// Unreadable.
    pub fn stamps(&self, cases: &[String]) -> Result<HashMap<String, String>> {
        let searcher = self.reader.searcher();
        let terms = cases
            .iter()
            .map(|case| Term::from_field_text(self.fields.case, case));
        let query = TermSetQuery::new(terms);
        let all = searcher.search(&query, &tantivy::collector::DocSetCollector)?;
        let all: Vec<DocAddress> = all.into_iter().collect();
        let found = self.columns(&searcher, ["key", "stamp"], &all)?;
        Ok(found.into_iter().map(|[key, stamp]| (key, stamp)).collect())
    }

    /// The keys of all units of a kind.
    ///
    /// # Errors
    /// Unreadable.
    pub fn keys(&self, kind: &str) -> Result<Vec<String>> {
        let searcher = self.reader.searcher();
        let term = Term::from_field_text(self.fields.kind, kind);
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let all = searcher.search(&query, &tantivy::collector::DocSetCollector)?;
        let all: Vec<DocAddress> = all.into_iter().collect();
        let found = self.columns(&searcher, ["key"], &all)?;
        Ok(found.into_iter().map(|[key]| key).collect())
    }

    /// The values of stored columns of units, in the order of the units. A column is opened once for each
    /// segment, and its dictionary read from front to back: every read of a sealed file opens what it
    /// reads, and for each unit anew that would be the whole column.
    fn columns<const N: usize>(
        &self,
        searcher: &Searcher,
        names: [&str; N],
        units: &[DocAddress],
    ) -> Result<Vec<[String; N]>> {
        let mut out: Vec<[String; N]> = units
            .iter()
            .map(|_| std::array::from_fn(|_| String::new()))
            .collect();
        let mut by_segment: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, unit) in units.iter().enumerate() {
            by_segment.entry(unit.segment_ord).or_default().push(at);
        }
        for (segment, places) in by_segment {
            let reader = searcher.segment_reader(segment);
            for (which, name) in names.iter().enumerate() {
                let Some(column) = reader.fast_fields().str(name)? else {
                    continue;
                };
                let mut wanted: Vec<(u64, usize)> = places
                    .iter()
                    .filter_map(|at| Some((column.ords().first(units[*at].doc_id)?, *at)))
                    .collect();
                wanted.sort_unstable();
                let mut ords: Vec<u64> = wanted.iter().map(|(ord, _)| *ord).collect();
                ords.dedup();
                let mut terms = Vec::with_capacity(ords.len());
                column
                    .dictionary()
                    .sorted_ords_to_term_cb(&ords, |term| {
                        terms.push(String::from_utf8_lossy(term).into_owned());
                    })
                    .map_err(tantivy::TantivyError::from)?;
                let mut known = ords.iter().zip(&terms).peekable();
                for (ord, at) in wanted {
                    while known.next_if(|(next, _)| **next < ord).is_some() {}
                    if let Some((_, term)) = known.peek() {
                        out[at][which].clone_from(term);
                    }
                }
            }
        }
        Ok(out)
    }

    /// What is found, best first, at most `limit`, and how many there are in all. **Not for anybody's
    /// eyes before the policy has spoken**, not even the number.
    ///
    /// # Errors
    /// Unreadable.
    pub fn search(&self, wanted: &Wanted<'_>) -> Result<(Vec<Found>, usize)> {
        if wanted.search.is_empty() || wanted.limit == 0 {
            return Ok((Vec::new(), 0));
        }
        let query = self.query(wanted);
        let searcher = self.reader.searcher();
        let (top, total): (Vec<(Score, DocAddress)>, usize) = match wanted.sort {
            Sort::Relevance => searcher.search(
                &query,
                &(TopDocs::with_limit(wanted.limit).order_by_score(), Count),
            )?,
            Sort::Newest | Sort::Oldest => {
                let order = if wanted.sort == Sort::Newest {
                    Order::Desc
                } else {
                    Order::Asc
                };
                let by_day =
                    TopDocs::with_limit(wanted.limit).order_by_fast_field::<i64>("day", order);
                let (top, total) = searcher.search(&query, &(by_day, Count))?;
                (top.into_iter().map(|(_, at)| (0.0, at)).collect(), total)
            }
        };
        let units: Vec<DocAddress> = top.iter().map(|(_, unit)| *unit).collect();
        let days = searcher
            .segment_readers()
            .iter()
            .map(|reader| reader.fast_fields().i64("day"))
            .collect::<tantivy::Result<Vec<_>>>()?;
        let out = self
            .columns(&searcher, ["key", "case", "basis"], &units)?
            .into_iter()
            .zip(top)
            .map(|([key, case, basis], (score, unit))| Found {
                key,
                case,
                basis,
                day: days
                    .get(unit.segment_ord as usize)
                    .and_then(|days| days.first(unit.doc_id))
                    .unwrap_or_default(),
                score,
            })
            .collect();
        Ok((out, total))
    }

    /// The masked text of a unit that was found, as it was indexed.
    ///
    /// # Errors
    /// Unreadable.
    pub fn masked_text(&self, key: &str) -> Result<Option<(String, String)>> {
        let searcher = self.reader.searcher();
        let term = Term::from_field_text(self.fields.key, key);
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let top = searcher.search(&query, &TopDocs::with_limit(1).order_by_score())?;
        let Some((_, address)) = top.first() else {
            return Ok(None);
        };
        let document: TantivyDocument = searcher.doc(*address)?;
        let Some(text) = document
            .get_first(self.fields.shown)
            .and_then(|value| value.as_str())
        else {
            return Ok(None);
        };
        let basis = self.columns(&searcher, ["basis"], &[*address])?;
        let basis = basis.into_iter().map(|[basis]| basis).next();
        Ok(Some((text.to_owned(), basis.unwrap_or_default())))
    }

    fn query(&self, wanted: &Wanted<'_>) -> Box<dyn TantivyQuery> {
        let texts = self.fields.of(wanted.side);
        let mut clauses: Vec<(Occur, Box<dyn TantivyQuery>)> = Vec::new();
        let mut in_text: Vec<(Occur, Box<dyn TantivyQuery>)> = Vec::new();
        let mut named = false;
        for (at, word) in wanted.search.words().iter().enumerate() {
            let found = word_query(texts, word);
            match wanted.named.get(at).filter(|cases| !cases.is_empty()) {
                Some(cases) => {
                    named = true;
                    in_text.push((Occur::Should, found.box_clone()));
                    let by_name = BoostQuery::new(Box::new(self.in_cases(cases)), 0.2);
                    clauses.push((Occur::Must, any(vec![found, Box::new(by_name)])));
                }
                None => {
                    in_text.push((Occur::Should, found.box_clone()));
                    clauses.push((Occur::Must, found));
                }
            }
        }
        if named && !wanted.by_name_alone {
            clauses.push((Occur::Must, Box::new(BooleanQuery::new(in_text))));
        }
        let mut filter = |query: Box<dyn TantivyQuery>| {
            clauses.push((Occur::Must, Box::new(BoostQuery::new(query, 0.0))));
        };
        let kinds = wanted
            .kinds
            .iter()
            .map(|kind| Term::from_field_text(self.fields.kind, kind));
        filter(Box::new(TermSetQuery::new(kinds)));
        if let Some(cases) = wanted.cases {
            filter(Box::new(self.in_cases(cases)));
        }
        if wanted.days.0.is_some() || wanted.days.1.is_some() {
            let bound = |day: Option<i64>| {
                day.map_or(Bound::Unbounded, |day| {
                    Bound::Included(Term::from_field_i64(self.fields.day, day))
                })
            };
            filter(Box::new(RangeQuery::new(
                bound(wanted.days.0),
                bound(wanted.days.1),
            )));
        }
        if !wanted.without.is_empty() {
            clauses.push((Occur::MustNot, Box::new(self.in_cases(wanted.without))));
        }
        Box::new(BooleanQuery::new(clauses))
    }

    fn in_cases(&self, cases: &HashSet<String>) -> TermSetQuery {
        TermSetQuery::new(
            cases
                .iter()
                .map(|case| Term::from_field_text(self.fields.case, case)),
        )
    }

    /// Whether a text stands anywhere in the index's files, removed units included: in the dictionary of
    /// terms with its postings, or in a stored text. For proving that something is gone.
    ///
    /// # Errors
    /// Unreadable.
    pub fn holds(&self, text: &str) -> Result<bool> {
        let runs = folding::folded(text);
        if runs.is_empty() {
            return Ok(false);
        }
        for reader in self.reader.searcher().segment_readers() {
            for texts in [self.fields.full, self.fields.masked] {
                let inverted = reader.inverted_index(texts.pairs)?;
                let mut all: Option<HashSet<u32>> = None;
                for run in &runs {
                    let mut here: Option<HashMap<u32, HashSet<u32>>> = None;
                    for (offset, term) in run_terms(texts.pairs, run) {
                        let mut now: HashMap<u32, HashSet<u32>> = HashMap::new();
                        if let Some(mut postings) = inverted
                            .read_postings(&term, IndexRecordOption::WithFreqsAndPositions)
                            .map_err(tantivy::TantivyError::from)?
                        {
                            let mut positions = Vec::new();
                            let mut document = postings.doc();
                            while document != TERMINATED {
                                use tantivy::postings::Postings as _;
                                postings.positions(&mut positions);
                                let starts = positions
                                    .iter()
                                    .filter_map(|at| at.checked_sub(offset as u32))
                                    .collect::<HashSet<u32>>();
                                let kept = match &here {
                                    None => starts,
                                    Some(before) => before
                                        .get(&document)
                                        .map(|before| before & &starts)
                                        .unwrap_or_default(),
                                };
                                if !kept.is_empty() {
                                    now.insert(document, kept);
                                }
                                document = postings.advance();
                            }
                        }
                        here = Some(now);
                    }
                    let documents: HashSet<u32> = here.unwrap_or_default().into_keys().collect();
                    all = Some(match all {
                        None => documents,
                        Some(before) => &before & &documents,
                    });
                }
                if all.is_some_and(|documents| !documents.is_empty()) {
                    return Ok(true);
                }
            }
            let store = reader
                .get_store_reader(1)
                .map_err(tantivy::TantivyError::from)?;
            for document in store.iter::<TantivyDocument>(None) {
                let document = document?;
                let stored = document
                    .get_first(self.fields.shown)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default();
                if stored.contains(text) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The pairs of a run with their offsets; of a single letter itself.
fn run_terms(field: Field, run: &str) -> Vec<(usize, Term)> {
    let letters: Vec<char> = run.chars().collect();
    if letters.len() == 1 {
        return vec![(0, Term::from_field_text(field, run))];
    }
    letters
        .windows(2)
        .map(|pair| pair.iter().collect::<String>())
        .enumerate()
        .map(|(at, pair)| (at, Term::from_field_text(field, &pair)))
        .collect()
}

fn run_query(field: Field, run: &str) -> Box<dyn TantivyQuery> {
    let mut letters = run.chars();
    if let (Some(only), None) = (letters.next(), letters.next()) {
        // Everything that begins with the letter.
        let next = char::from_u32(only as u32 + 1).unwrap_or(char::MAX);
        return Box::new(RangeQuery::new(
            Bound::Included(Term::from_field_text(field, run)),
            Bound::Excluded(Term::from_field_text(field, &next.to_string())),
        ));
    }
    let mut terms = run_terms(field, run);
    match terms.len() {
        0 => Box::new(EmptyQuery),
        1 => Box::new(TermQuery::new(
            terms.remove(0).1,
            IndexRecordOption::WithFreqs,
        )),
        _ => Box::new(PhraseQuery::new_with_offset(terms)),
    }
}

fn all(mut queries: Vec<Box<dyn TantivyQuery>>) -> Box<dyn TantivyQuery> {
    match queries.len() {
        0 => Box::new(AllQuery),
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::new(
            queries
                .into_iter()
                .map(|query| (Occur::Must, query))
                .collect(),
        )),
    }
}

fn any(mut queries: Vec<Box<dyn TantivyQuery>>) -> Box<dyn TantivyQuery> {
    if queries.len() == 1 {
        return queries.remove(0);
    }
    Box::new(BooleanQuery::new(
        queries
            .into_iter()
            .map(|query| (Occur::Should, query))
            .collect(),
    ))
}

fn word_query(texts: Texts, word: &Word) -> Box<dyn TantivyQuery> {
    let exact = |runs: &[String]| {
        runs.iter()
            .map(|run| run_query(texts.pairs, run))
            .collect::<Vec<_>>()
    };
    let mut ways = vec![all(exact(&word.runs))];
    if let Some(forms) = &word.forms {
        let mut parts = exact(&forms.others);
        parts.extend(forms.bases.iter().map(|base| {
            let term = Term::from_field_text(texts.bases, base);
            Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Box<dyn TantivyQuery>
        }));
        ways.push(Box::new(BoostQuery::new(all(parts), 0.6)));
    }
    if let Some(kana) = &word.kana {
        let read = run_query(texts.kana, kana);
        ways.push(Box::new(BoostQuery::new(read, 0.5)));
    }
    any(ways)
}

impl Writer {
    /// Puts a unit in place of what stood under its key.
    ///
    /// # Errors
    /// The writing thread is gone.
    pub fn put(&self, unit: Prepared) -> Result<()> {
        self.writer.delete_term(unit.key);
        self.writer.add_document(unit.document)?;
        Ok(())
    }

    /// Puts a unit whose key is known not to be there.
    ///
    /// # Errors
    /// The writing thread is gone.
    pub fn add(&self, unit: Prepared) -> Result<()> {
        self.writer.add_document(unit.document)?;
        Ok(())
    }

    /// Takes a unit out.
    pub fn remove(&self, key: &str) {
        self.writer
            .delete_term(Term::from_field_text(self.fields.key, key));
    }

    /// Makes it durable, together with `payload`. Takes milliseconds.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn commit(&mut self, payload: &str) -> Result<()> {
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(payload);
        prepared.commit()?;
        Ok(())
    }

    /// Ends, once segments that are being merged are.
    ///
    /// # Errors
    /// Merging failed.
    pub fn close(self) -> Result<()> {
        Ok(self.writer.wait_merging_threads()?)
    }
}

impl Found {
    /// Places found units in one order, whatever index they come from.
    #[must_use]
    pub fn comes_before(&self, other: &Self, sort: Sort) -> std::cmp::Ordering {
        let by_key = || self.key.cmp(&other.key);
        match sort {
            Sort::Relevance => other.score.total_cmp(&self.score).then_with(by_key),
            Sort::Newest => other.day.cmp(&self.day).then_with(by_key),
            Sort::Oldest => self.day.cmp(&other.day).then_with(by_key),
        }
    }
}
