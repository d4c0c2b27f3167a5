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

use super::{Progress, Shelf, folder_of, texts};
use crate::{
    context::blocking,
    error::ApiError,
    scanning::{self, Scan},
    state::AppState,
};

/// Entries that are masked in one turn at the model.
const MASKED_AT_ONCE: usize = 16;

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
    /// Position in the outbox.
    position: i64,
    /// Everything that was there when it began is in it.
    whole: bool,
}

impl Payload {
    fn text(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

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
        self.payload.position
    }

    pub(super) fn passed(&mut self, position: i64) {
        self.payload.position = position;
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

    /// Puts everything into the index that is not there yet, and takes out what is no more.
    pub(super) async fn sweep(
        &mut self,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Result<(), ApiError> {
        let began = std::time::Instant::now();
        // What an attempt before this one put is told by the index only after a commit.
        self.commit().await?;
        let mut tx = self.state.db().read().await?;
        let head = tx.outbox_head(&self.municipality).await?;
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
                    Some(self.units_of(&cases, false).await?)
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
            if since_commit >= 50_000 {
                self.commit().await?;
                since_commit = 0;
            }
            told(&self.shelf, done);
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        self.payload = Payload {
            position: head,
            whole: true,
        };
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
        Ok(())
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

    /// Brings cases up to date. With `masks`, texts for masked readers are made too, which may take
    /// long; without, those of entries are left out until later.
    pub(super) async fn cases(&mut self, cases: &[CaseId], masks: bool) -> Result<usize, ApiError> {
        let batch = self.units_of(cases, masks).await?;
        // What was put since the last commit is not told by the index.
        Ok(batch.attachments + self.put(Batch::replacing(batch.units)).await?)
    }

    /// What is to be put for cases; what is no more there is taken out.
    async fn units_of(&self, cases: &[CaseId], masks: bool) -> Result<Batch, ApiError> {
        let ids: Vec<String> = cases.iter().map(|case| case.0.clone()).collect();
        let there = self.index.stamps(&ids).map_err(ApiError::internal)?;
        let mut known = there.clone();
        let mut tx = self.state.db().read().await?;
        let forms = tx.forms(&self.municipality).await?;
        let mut gathered = tx.gather_cases(&self.municipality, cases, &known).await?;
        let version = self.state.engines().version();
        let basis_of = |gathered: &Gathered, case: &CaseId| {
            let mark = gathered.marks.get(case).map_or("", String::as_str);
            let models = version
                .as_deref()
                .filter(|_| gathered.masked.contains(case))?;
            Some(texts::entry_basis(mark, models))
        };
        if masks {
            // What is known under another basis is masked anew, and needs its content again.
            let before = known.len();
            for source in gathered
                .sources
                .iter()
                .filter(|source| source.kind == Kind::Record)
            {
                let (Some(stamp), Some(case)) = (known.get(&source.key), &source.case) else {
                    continue;
                };
                let basis = basis_of(&gathered, case).unwrap_or_else(|| "-".to_owned());
                if stamp
                    .split_once('|')
                    .is_none_or(|(_, known)| known != basis)
                {
                    known.remove(&source.key);
                }
            }
            if known.len() < before {
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
        if masks {
            for case in cases.iter().filter(|case| gathered.masked.contains(*case)) {
                let Some(basis) = basis_of(&gathered, case) else {
                    continue;
                };
                for (key, text) in self.masked_records(case, &gathered).await? {
                    masked.insert(key, (text, basis.clone()));
                }
            }
        }
        let attachments = self.attachments(&gathered).await?;
        let mut units = Vec::new();
        for mut source in gathered.sources {
            let shown = masked.remove(&source.key);
            if source.kind == Kind::Record {
                let later = source
                    .case
                    .as_ref()
                    .is_some_and(|case| gathered.masked.contains(case))
                    && !masks;
                let basis = match (&shown, later) {
                    (Some((_, basis)), _) => basis.as_str(),
                    (None, true) => "later",
                    (None, false) => "-",
                };
                source.stamp = format!("{}|{basis}", source.stamp);
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

    /// The masked texts of a case's entries that are to be written.
    async fn masked_records(
        &self,
        case: &CaseId,
        gathered: &Gathered,
    ) -> Result<HashMap<String, String>, ApiError> {
        let wanted: Vec<ProgressRecordId> = gathered
            .sources
            .iter()
            .filter(|source| {
                source.kind == Kind::Record
                    && source.content.is_some()
                    && source.case.as_ref() == Some(case)
            })
            .filter_map(|source| Some(ProgressRecordId::from(Kind::of_key(&source.key)?.1)))
            .collect();
        let mut out = HashMap::new();
        if wanted.is_empty() {
            return Ok(out);
        }
        let Some(engines) = self.state.engines().get().await else {
            return Ok(out);
        };
        let mut tx = self.state.db().read().await?;
        let material = Arc::new(tx.records_to_mask(&self.municipality, case).await?);
        drop(tx);
        for chunk in wanted.chunks(MASKED_AT_ONCE) {
            let _turn = self.state.scan_turn().await;
            let (state, material) = (self.state.clone(), Arc::clone(&material));
            let (engines, chunk) = (Arc::clone(&engines), chunk.to_vec());
            let masked = blocking(move || {
                texts::of_records(&material, &engines, state.suggestions(), &chunk)
            })
            .await?;
            for (id, text) in masked {
                out.insert(format!("{}:{id}", Kind::Record.code()), text);
            }
        }
        Ok(out)
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
