//! Keeps the index of one municipality: opens it, makes it, brings it up to date, makes it anew.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{
    form::Catalogue,
    id::{CaseId, MunicipalityId, PersonId, ProgressRecordId},
};
use jiff::civil::Date;
use search::{
    Analyzer, FullText,
    full_text::{Masked, Prepared, Unit, VERSION, Writer},
    sealed,
};
use serde::{Deserialize, Serialize};
use store::{
    Database, Tx,
    search::{Content, Gathered, Kind, Source},
};
use tokio::task::JoinHandle;

use super::{
    Progress, Shelf, folder_of,
    masks::{MaskedEntry, Missing, ToMask},
    texts,
};
use crate::{
    context::blocking,
    error::ApiError,
    scanning::{self, Scan},
    state::AppState,
};

/// Units after which a sweep makes durable what it has.
const COMMIT_AFTER: usize = 50_000;
/// Attachments whose texts are in memory at once.
const ATTACHMENTS_AT_ONCE: usize = 8;

/// Names the index that counts. Beside it stand a folder and a key file of that name.
#[derive(Debug, Serialize, Deserialize)]
struct Current {
    version: u32,
    generation: String,
}

/// What a commit says of itself.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Payload {
    /// Position in the outbox: what was said up to it is in the index, or will be when it is whole.
    /// `None` in an index that nobody has begun to fill.
    position: Option<i64>,
    /// Everything that was there when it began is in it.
    whole: bool,
}

impl Payload {
    fn text(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

/// In the stamp of an entry in place of what its masked text rests on: it will be made later, or nobody
/// reads the entry masked.
const LATER: &str = "later";
const NOBODY: &str = "-";

/// What is to be written of a few cases.
#[derive(Default)]
struct Batch {
    units: Vec<Unit>,
    /// Keys that the index has.
    known: HashSet<String>,
    /// So many attachments were handed over already.
    attachments: usize,
}

/// A unit taken apart, and whether something stands under its key.
type Written = (Prepared, bool);

/// Days since 1970-01-01, the unit of [`Unit::day`].
#[must_use]
pub(crate) fn day_number(day: Date) -> i64 {
    day.since(Date::constant(1970, 1, 1))
        .map_or(0, |span| i64::from(span.get_days()))
}

fn random_of(db: &Database) -> sealed::Random {
    let db = db.clone();
    Arc::new(move || db.random())
}

fn current_of(folder: &Path) -> Option<Current> {
    let bytes = fs::read(folder.join("current.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn key_file(folder: &Path, generation: &str) -> PathBuf {
    folder.join(format!("{generation}.key"))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = path.with_extension("part");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// Opens the index that is there, if it can be used.
async fn open_current(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    folder: &Path,
    analyzer: &Analyzer,
) -> Result<Option<(String, FullText)>, ApiError> {
    let Some(current) = current_of(folder).filter(|current| current.version == VERSION) else {
        return Ok(None);
    };
    let Ok(sealed) = fs::read(key_file(folder, &current.generation)) else {
        return Ok(None);
    };
    let Ok(key) = tx
        .open_index_key(municipality, &current.generation, &sealed)
        .await
    else {
        return Ok(None);
    };
    let (path, random) = (folder.join(&current.generation), random_of(tx.database()));
    if !path.is_dir() {
        return Ok(None);
    }
    let analyzer = analyzer.clone();
    let opened = blocking(move || FullText::open(&path, &key, random, analyzer)).await?;
    match opened {
        Ok(index) => Ok(Some((current.generation, index))),
        Err(error) => {
            tracing::warn!(%error, "search index cannot be used and is made anew");
            Ok(None)
        }
    }
}

/// The indexes on disk that hold a text in any form: term dictionary, postings or stored text, removed
/// units included. One line for each.
///
/// # Errors
/// Database or keys away.
pub async fn holds(
    db: &Database,
    analyzer: &Analyzer,
    text: &str,
) -> Result<Vec<String>, ApiError> {
    let mut out = Vec::new();
    let mut tx = db.read().await?;
    for municipality in store::municipalities::list(&mut tx).await? {
        let folder = folder_of(db.data_dir(), &municipality.id);
        let opened = open_current(&mut tx, &municipality.id, &folder, analyzer).await?;
        let Some((_, index)) = opened else { continue };
        let text = text.to_owned();
        if blocking(move || index.holds(&text))
            .await?
            .map_err(ApiError::internal)?
        {
            out.push(format!("search_index\t{}", municipality.id));
        }
    }
    Ok(out)
}

/// Throws the index of a municipality away: its key is overwritten, its files removed. Whoever keeps it
/// makes a new one.
///
/// # Errors
/// The folder cannot be written.
pub fn discard(db: &Database, municipality: &MunicipalityId) -> io::Result<()> {
    let folder = folder_of(db.data_dir(), municipality);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            sealed::shred(&path)?;
        }
    }
    fs::remove_dir_all(&folder)
}

/// See the module.
pub(super) struct Keeper {
    state: AppState,
    municipality: MunicipalityId,
    shelf: Arc<Shelf>,
    folder: PathBuf,
    analyzer: Analyzer,
    generation: String,
    index: Arc<FullText>,
    writer: Option<Writer>,
    payload: Payload,
}

impl Keeper {
    /// Opens the index of a municipality, or begins a new one.
    pub(super) async fn open(
        state: &AppState,
        municipality: &MunicipalityId,
        analyzer: Analyzer,
    ) -> Result<Self, ApiError> {
        let folder = folder_of(state.db().data_dir(), municipality);
        fs::create_dir_all(&folder).map_err(ApiError::internal)?;
        let mut tx = state.db().read().await?;
        let opened = open_current(&mut tx, municipality, &folder, &analyzer).await?;
        drop(tx);
        let (generation, index, payload) = match opened {
            Some((generation, index)) => {
                let payload = index.payload().map_err(ApiError::internal)?;
                let payload = payload.and_then(|text| serde_json::from_str(&text).ok());
                (generation, index, payload.unwrap_or_default())
            }
            None => {
                let (generation, index) = fresh(state, municipality, &folder, &analyzer).await?;
                (generation, index, Payload::default())
            }
        };
        let mut keeper = Self {
            state: state.clone(),
            municipality: municipality.clone(),
            shelf: state.search().shelf(municipality),
            folder,
            analyzer,
            generation,
            index: Arc::new(index),
            writer: None,
            payload,
        };
        keeper.tidy()?;
        keeper.take_in_use()?;
        Ok(keeper)
    }

    fn take_in_use(&mut self) -> Result<(), ApiError> {
        self.writer = Some(self.index.writer().map_err(ApiError::internal)?);
        let units = self.index.len();
        *self.shelf.progress.lock() = Some(Progress {
            whole: self.payload.whole,
            done: if self.payload.whole { units } else { 0 },
            total: units,
        });
        *self.shelf.index.write() = Some(Arc::clone(&self.index));
        Ok(())
    }

    /// Removes what belongs to no current index; keys first, and overwritten.
    fn tidy(&self) -> Result<(), ApiError> {
        for entry in fs::read_dir(&self.folder).map_err(ApiError::internal)? {
            let path = entry.map_err(ApiError::internal)?.path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            if stem == self.generation || stem == "current" {
                continue;
            }
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(ApiError::internal)?;
            } else {
                sealed::shred(&path).map_err(ApiError::internal)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.payload.whole
    }

    pub(super) fn position(&self) -> i64 {
        self.payload.position.unwrap_or_default()
    }

    /// What was said up to here is in what the next commit, or the next [`Keeper::renew`], makes durable.
    pub(super) fn passed(&mut self, position: i64) {
        self.payload.position = Some(position);
    }

    /// Begins with an empty index under a new key.
    pub(super) async fn start_anew(&mut self) -> Result<(), ApiError> {
        self.writer = None;
        let (generation, index) = fresh(
            &self.state,
            &self.municipality,
            &self.folder,
            &self.analyzer,
        )
        .await?;
        self.generation = generation;
        self.index = Arc::new(index);
        self.payload = Payload::default();
        self.take_in_use()?;
        self.tidy()
    }

    /// Writes everything that is alive into a new index under a new key; the former key is overwritten.
    pub(super) async fn renew(&mut self) -> Result<(), ApiError> {
        if let Some(writer) = self.writer.take() {
            blocking(move || writer.close())
                .await?
                .map_err(ApiError::internal)?;
        }
        let (generation, key) = new_key(&self.state, &self.municipality, &self.folder).await?;
        let path = self.folder.join(&generation);
        fs::create_dir_all(&path).map_err(ApiError::internal)?;
        let (index, random) = (Arc::clone(&self.index), random_of(self.state.db()));
        let payload = self.payload.text();
        let copy = blocking(move || index.copy_alive(&path, &key, random, &payload)).await?;
        self.index = Arc::new(copy.map_err(ApiError::internal)?);
        make_current(&self.folder, &generation)?;
        self.generation = generation;
        self.take_in_use()?;
        self.tidy()
    }

    /// Says from where on changes must be followed, before anything is put. Who goes on with a sweep that
    /// was cut off keeps that place: what was changed or erased since, by whatever node, is in the index as
    /// it was, and only the outbox tells of it.
    async fn begin(&mut self) -> Result<(), ApiError> {
        if self.payload.position.is_none() {
            let mut tx = self.state.db().read().await?;
            self.payload.position = Some(tx.outbox_head(&self.municipality).await?);
        }
        // What an attempt before this one put is told by the index only after a commit.
        self.commit().await
    }

    /// Puts everything into the index that is not there yet. Afterwards it is whole, unless `stop` ended it;
    /// what is no more, or changed meanwhile, the outbox tells.
    pub(super) async fn sweep(
        &mut self,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Result<(), ApiError> {
        let began = std::time::Instant::now();
        self.begin().await?;
        let mut tx = self.state.db().read().await?;
        let total = tx.size_of_index(&self.municipality).await?;
        drop(tx);
        let mut done = 0;
        let told = |shelf: &Shelf, done: u64| {
            *shelf.progress.lock() = Some(Progress {
                whole: false,
                done,
                total: total.max(done),
            });
        };
        told(&self.shelf, 0);
        let (mut after, mut since_commit) = (String::new(), 0);
        loop {
            let mut tx = self.state.db().read().await?;
            let persons = tx.persons_to_index(&self.municipality, &after, 500).await?;
            drop(tx);
            let Some(last) = persons.last() else { break };
            after.clone_from(&last.0);
            done += persons.len() as u64;
            self.persons(&persons).await?;
            told(&self.shelf, done);
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        after.clear();
        // One part is taken apart while the next is read.
        let mut ahead: Option<JoinHandle<Result<Vec<Written>, ApiError>>> = None;
        loop {
            let mut tx = self.state.db().read().await?;
            let cases = tx.cases_to_index(&self.municipality, &after, 100).await?;
            drop(tx);
            let batch = match cases.last() {
                Some(last) => {
                    after.clone_from(&last.0);
                    Some(self.units_of(&cases, None).await?)
                }
                None => None,
            };
            if let Some(written) = ahead.take() {
                let put = self.hand_over(written.await.map_err(ApiError::internal)??)?;
                done += put as u64;
                since_commit += put;
            }
            let Some(batch) = batch else { break };
            done += batch.attachments as u64;
            since_commit += batch.attachments;
            let index = Arc::clone(&self.index);
            ahead = Some(tokio::spawn(take_apart(index, batch)));
            if since_commit >= COMMIT_AFTER {
                self.commit().await?;
                since_commit = 0;
            }
            told(&self.shelf, done);
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        self.payload.whole = true;
        self.commit().await?;
        let units = self.index.len();
        *self.shelf.progress.lock() = Some(Progress {
            whole: true,
            done: units,
            total: units,
        });
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(
            units,
            seconds,
            per_second = done as f64 / seconds.max(0.001),
            "search index made"
        );
        let state = self.state.clone();
        blocking(move || state.engines().give_back()).await
    }

    /// Makes what was put visible and durable.
    pub(super) async fn commit(&mut self) -> Result<(), ApiError> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        let payload = self.payload.text();
        let (writer, committed) = blocking(move || {
            let committed = writer.commit(&payload);
            (writer, committed)
        })
        .await?;
        self.writer = Some(writer);
        committed.map_err(ApiError::internal)?;
        self.index.refresh().map_err(ApiError::internal)
    }

    /// Brings persons up to date. Not visible before [`Keeper::commit`].
    pub(super) async fn persons(&mut self, persons: &[PersonId]) -> Result<usize, ApiError> {
        let mut tx = self.state.db().read().await?;
        let sources = tx
            .gather_persons(&self.municipality, persons, &HashMap::new())
            .await?;
        let forms = tx.forms(&self.municipality).await?;
        drop(tx);
        let alive: HashSet<&str> = sources.iter().map(|source| source.key.as_str()).collect();
        for person in persons {
            for kind in [Kind::Person, Kind::Protected] {
                let key = format!("{}:{person}", kind.code());
                if !alive.contains(key.as_str()) {
                    self.remove(&key);
                }
            }
        }
        let units = sources
            .into_iter()
            .filter_map(|source| plain_unit(&forms, source, None))
            .collect();
        // What there is of them is not asked for: they count as known.
        self.put(Batch::replacing(units)).await
    }

    /// Takes out persons who are no longer in the register.
    pub(super) async fn forget_persons(&mut self) -> Result<(), ApiError> {
        let (mut there, mut after) = (HashSet::new(), String::new());
        let mut tx = self.state.db().read().await?;
        loop {
            let persons = tx
                .persons_to_index(&self.municipality, &after, 5_000)
                .await?;
            let Some(last) = persons.last() else { break };
            after.clone_from(&last.0);
            there.extend(persons);
        }
        drop(tx);
        for kind in [Kind::Person, Kind::Protected] {
            for key in self.index.keys(kind.code()).map_err(ApiError::internal)? {
                let known =
                    Kind::of_key(&key).is_some_and(|(_, id)| there.contains(&PersonId::from(id)));
                if !known {
                    self.remove(&key);
                }
            }
        }
        self.commit().await
    }

    fn remove(&self, key: &str) {
        if let Some(writer) = &self.writer {
            writer.remove(key);
        }
    }

    /// Brings cases up to date. Texts of entries for masked readers are left out until they are made
    /// ([`Keeper::missing`]).
    pub(super) async fn cases(&mut self, cases: &[CaseId]) -> Result<usize, ApiError> {
        let batch = self.units_of(cases, None).await?;
        // What was put since the last commit is not told by the index.
        Ok(batch.attachments + self.put(Batch::replacing(batch.units)).await?)
    }

    /// Puts texts for masked readers that were made beside, as far as they are still right.
    pub(super) async fn take_in(
        &mut self,
        cases: &[CaseId],
        made: &HashMap<String, MaskedEntry>,
    ) -> Result<usize, ApiError> {
        let batch = self.units_of(cases, Some(made)).await?;
        Ok(batch.attachments + self.put(Batch::replacing(batch.units)).await?)
    }

    /// Which texts of entries masked readers lack, or have on a basis that is no more.
    pub(super) async fn missing(&self, cases: &[CaseId]) -> Result<Missing, ApiError> {
        let known = self.known(cases)?;
        let mut tx = self.state.db().read().await?;
        let gathered = tx.gather_cases(&self.municipality, cases, &known).await?;
        drop(tx);
        let models = self.state.engines().version();
        let mut out = Missing::default();
        let mut of: HashMap<&CaseId, ToMask> = HashMap::new();
        for (source, case, basis) in records(&gathered, &known) {
            if !gathered.masked.contains(case) {
                out.needless |= basis != Some(NOBODY);
                continue;
            }
            let Some(wanted) = basis_of(&gathered, models.as_deref(), case) else {
                continue;
            };
            if basis != Some(wanted.as_str())
                && let Some((_, id)) = Kind::of_key(&source.key)
            {
                let entry = (ProgressRecordId::from(id), source.stamp.clone());
                of.entry(case)
                    .or_insert_with(|| ToMask {
                        case: case.clone(),
                        basis: wanted,
                        entries: Vec::new(),
                    })
                    .entries
                    .push(entry);
            }
        }
        out.cases = cases.iter().filter_map(|case| of.remove(case)).collect();
        Ok(out)
    }

    /// Key → stamp of what the index has of cases.
    fn known(&self, cases: &[CaseId]) -> Result<HashMap<String, String>, ApiError> {
        let ids: Vec<String> = cases.iter().map(|case| case.0.clone()).collect();
        self.index.stamps(&ids).map_err(ApiError::internal)
    }

    /// What is to be put for cases; what is no more there is taken out. With `made`, texts of entries for
    /// masked readers take the place of what stands there without them or on another basis.
    async fn units_of(
        &self,
        cases: &[CaseId],
        made: Option<&HashMap<String, MaskedEntry>>,
    ) -> Result<Batch, ApiError> {
        let there = self.known(cases)?;
        let mut known = there.clone();
        let mut tx = self.state.db().read().await?;
        let forms = tx.forms(&self.municipality).await?;
        let mut gathered = tx.gather_cases(&self.municipality, cases, &known).await?;
        let models = self.state.engines().version();
        let right = |gathered: &Gathered, source: &Source, case: &CaseId| {
            let text = made?.get(&source.key)?;
            let basis = basis_of(gathered, models.as_deref(), case)?;
            (text.stamp == source.stamp && text.basis == basis).then_some(text)
        };
        if made.is_some() {
            // Their content is needed once more.
            let again: Vec<String> = records(&gathered, &known)
                .filter(
                    |(source, case, basis)| match right(&gathered, source, case) {
                        Some(text) => *basis != Some(text.basis.as_str()),
                        None => !gathered.masked.contains(*case) && *basis != Some(NOBODY),
                    },
                )
                .map(|(source, ..)| source.key.clone())
                .collect();
            if !again.is_empty() {
                known.retain(|key, _| !again.contains(key));
                gathered = tx.gather_cases(&self.municipality, cases, &known).await?;
            }
        }
        drop(tx);
        let (gathered, mut masked) = {
            let forms = Arc::clone(&forms);
            blocking(move || {
                let masked = masked_sheets(&forms, &gathered);
                (gathered, masked)
            })
            .await?
        };
        let alive: HashSet<&str> = gathered
            .sources
            .iter()
            .map(|source| source.key.as_str())
            .collect();
        let stays = |key: &str| match Kind::of_key(key) {
            // A known entry is not read again, nor are its private notes.
            Some((Kind::Private, id)) => {
                let record = id.split('/').next().unwrap_or_default();
                alive.contains(format!("{}:{record}", Kind::Record.code()).as_str())
            }
            _ => alive.contains(key),
        };
        for key in there.keys().filter(|key| !stays(key)) {
            self.remove(key);
        }
        // By key: the stamps of entries, which say what their masked texts rest on.
        let mut stamps = HashMap::new();
        for (source, case) in of_cases(&gathered, Kind::Record) {
            let text = right(&gathered, source, case);
            let basis = match text {
                Some(text) => text.basis.as_str(),
                None if gathered.masked.contains(case) => LATER,
                None => NOBODY,
            };
            if let Some(text) = text {
                masked.insert(source.key.clone(), (text.text.clone(), text.basis.clone()));
            }
            stamps.insert(source.key.clone(), format!("{}|{basis}", source.stamp));
        }
        let attachments = self.attachments(&gathered).await?;
        let mut units = Vec::new();
        for mut source in gathered.sources {
            let shown = masked.remove(&source.key);
            if let Some(stamp) = stamps.remove(&source.key) {
                source.stamp = stamp;
            }
            units.extend(plain_unit(&forms, source, shown));
        }
        Ok(Batch {
            units,
            known: there.into_keys().collect(),
            attachments,
        })
    }

    /// Puts the attachments that are new into the index, a few at a time.
    async fn attachments(&self, gathered: &Gathered) -> Result<usize, ApiError> {
        let unread: HashSet<&String> = gathered.unread.iter().collect();
        let new: Vec<&Source> = gathered
            .sources
            .iter()
            .filter(|source| unread.contains(&source.key))
            .collect();
        let mut put = 0;
        for chunk in new.chunks(ATTACHMENTS_AT_ONCE) {
            let id_of = |source: &Source| {
                Kind::of_key(&source.key)
                    .map(|(_, id)| id.to_owned())
                    .unwrap_or_default()
            };
            let ids: Vec<String> = chunk.iter().map(|source| id_of(source)).collect();
            let mut tx = self.state.db().read().await?;
            let mut texts = tx.attachment_texts(&self.municipality, &ids).await?;
            drop(tx);
            let units = chunk
                .iter()
                .filter_map(|source| {
                    Some(Unit {
                        key: source.key.clone(),
                        case: source.case.clone()?.0,
                        kind: source.kind.code(),
                        day: day_number(source.day),
                        stamp: source.stamp.clone(),
                        values: false,
                        full: texts.remove(&id_of(source))?.join("\n"),
                        masked: None,
                    })
                })
                .collect();
            put += self.put(Batch::replacing(units)).await?;
        }
        Ok(put)
    }

    /// Takes units apart and hands them to the writer.
    async fn put(&self, batch: Batch) -> Result<usize, ApiError> {
        if batch.units.is_empty() {
            return Ok(0);
        }
        self.hand_over(take_apart(Arc::clone(&self.index), batch).await?)
    }

    fn hand_over(&self, written: Vec<Written>) -> Result<usize, ApiError> {
        let count = written.len();
        if let Some(writer) = &self.writer {
            for (unit, known) in written {
                let put = if known {
                    writer.put(unit)
                } else {
                    writer.add(unit)
                };
                put.map_err(ApiError::internal)?;
            }
        }
        self.state.search().indexed(count);
        Ok(count)
    }
}

impl Batch {
    /// Units that take the place of what stands under their keys.
    fn replacing(units: Vec<Unit>) -> Self {
        let known = units.iter().map(|unit| unit.key.clone()).collect();
        Self {
            units,
            known,
            attachments: 0,
        }
    }
}

fn of_cases(gathered: &Gathered, kind: Kind) -> impl Iterator<Item = (&Source, &CaseId)> {
    gathered
        .sources
        .iter()
        .filter(move |source| source.kind == kind)
        .filter_map(|source| Some((source, source.case.as_ref()?)))
}

/// Entries that the index has, with their case and what their masked texts there rest on.
fn records<'a>(
    gathered: &'a Gathered,
    known: &'a HashMap<String, String>,
) -> impl Iterator<Item = (&'a Source, &'a CaseId, Option<&'a str>)> {
    of_cases(gathered, Kind::Record).filter_map(|(source, case)| {
        let stamp = known.get(&source.key)?;
        Some((source, case, stamp.split_once('|').map(|(_, basis)| basis)))
    })
}

/// What the masked texts of a case's entries rest on now; `None` when nobody reads them masked, or nothing
/// is known of the models.
fn basis_of(gathered: &Gathered, models: Option<&str>, case: &CaseId) -> Option<String> {
    let mark = gathered.marks.get(case).map_or("", String::as_str);
    let models = models.filter(|_| gathered.masked.contains(case))?;
    Some(texts::entry_basis(mark, models))
}

async fn take_apart(index: Arc<FullText>, batch: Batch) -> Result<Vec<Written>, ApiError> {
    blocking(move || {
        let prepared = prepare(&index, &batch.units)?;
        let known = |unit: &Unit| batch.known.contains(&unit.key);
        Ok::<_, search::Error>(
            prepared
                .into_iter()
                .zip(batch.units.iter().map(known))
                .collect(),
        )
    })
    .await?
    .map_err(ApiError::internal)
}

fn prepare(index: &FullText, units: &[Unit]) -> search::Result<Vec<Prepared>> {
    let half = units.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = units
            .chunks(half)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|unit| index.prepare(unit))
                        .collect::<search::Result<Vec<_>>>()
                })
            })
            .collect();
        let mut out = Vec::with_capacity(units.len());
        for part in parts {
            match part.join() {
                Ok(prepared) => out.extend(prepared?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(out)
    })
}

fn plain_unit(forms: &Catalogue, source: Source, shown: Option<(String, String)>) -> Option<Unit> {
    let masked = shown.map(|(text, basis)| Masked { text, basis });
    let (full, masked) = match source.content? {
        Content::Plain {
            full,
            masked: plain,
        } => {
            let plain = (!plain.is_empty()).then(|| Masked {
                text: plain.join("\n"),
                basis: String::new(),
            });
            (full.join("\n"), masked.or(plain))
        }
        Content::Sheet { form, values } => {
            let definition = forms.definition(&form)?;
            (texts::joined(&texts::of_sheet(definition, &values)), masked)
        }
    };
    Some(Unit {
        key: source.key,
        case: source.case.map(|case| case.0).unwrap_or_default(),
        kind: source.kind.code(),
        day: day_number(source.day),
        stamp: source.stamp,
        values: matches!(source.kind, Kind::Person | Kind::Protected),
        full,
        masked,
    })
}

/// By key: what masked readers see of the last scans of sheets, and what that rests on.
fn masked_sheets(forms: &Catalogue, gathered: &Gathered) -> HashMap<String, (String, String)> {
    let mut out = HashMap::new();
    for source in &gathered.sources {
        let (Some(Content::Sheet { form, .. }), Some(value), Some(case)) = (
            &source.content,
            gathered.scans.get(&source.key),
            &source.case,
        ) else {
            continue;
        };
        let (Some(definition), Some((_, basis))) =
            (forms.definition(form), source.stamp.split_once('/'))
        else {
            continue;
        };
        let Ok(scan) = Scan::deserialize(value) else {
            continue;
        };
        let persons = gathered.registers.get(case).map_or(&[][..], Vec::as_slice);
        let scan = scan.for_register(persons);
        let projection = scanning::project(
            definition,
            &scan,
            &scan.values,
            scanning::address_protected(gathered.facts.get(case)),
            &mut scanning::numbering(persons),
        );
        let text = texts::joined(&texts::of_projection(definition, &projection));
        out.insert(source.key.clone(), (text, basis.to_owned()));
    }
    out
}

async fn new_key(
    state: &AppState,
    municipality: &MunicipalityId,
    folder: &Path,
) -> Result<(String, [u8; 32]), ApiError> {
    let generation: String = state.db().fresh();
    let key: [u8; 32] = state.db().random();
    let mut tx = state.db().read().await?;
    let sealed = tx.seal_index_key(municipality, &generation, &key).await?;
    drop(tx);
    write_private(&key_file(folder, &generation), &sealed).map_err(ApiError::internal)?;
    Ok((generation, key))
}

fn make_current(folder: &Path, generation: &str) -> Result<(), ApiError> {
    let current = Current {
        version: VERSION,
        generation: generation.to_owned(),
    };
    let bytes = serde_json::to_vec(&current).map_err(ApiError::internal)?;
    write_private(&folder.join("current.json"), &bytes).map_err(ApiError::internal)
}

async fn fresh(
    state: &AppState,
    municipality: &MunicipalityId,
    folder: &Path,
    analyzer: &Analyzer,
) -> Result<(String, FullText), ApiError> {
    let (generation, key) = new_key(state, municipality, folder).await?;
    let path = folder.join(&generation);
    fs::create_dir_all(&path).map_err(ApiError::internal)?;
    let (random, analyzer) = (random_of(state.db()), analyzer.clone());
    let index = blocking(move || FullText::open(&path, &key, random, analyzer))
        .await?
        .map_err(ApiError::internal)?;
    make_current(folder, &generation)?;
    Ok((generation, index))
}

#[cfg(test)]
mod tests;
