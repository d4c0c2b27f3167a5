//! Follows the outbox of every municipality and brings its index up to date, usually within a second.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use domain::id::{CaseId, ErasureId, MunicipalityId, PersonId};
use search::Analyzer;
use store::{municipalities, outbox};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Renewal,
    keeper::Keeper,
    masks::{self, Made},
};
use crate::{context::blocking, error::ApiError, state::AppState};

/// Other nodes' changes are looked for this often.
const LOOK: Duration = Duration::from_secs(1);
/// What comes within this time of a change is written together with it.
const GATHER: Duration = Duration::from_millis(300);
/// After a failure.
const RETRY: Duration = Duration::from_secs(15);
/// Changes taken up at once.
const AT_ONCE: i64 = 2_000;
/// Cases whose masked texts are looked through at once.
const MASK_STEP: usize = 40;
/// So many cases change at once when people write; when it is more, somebody imports, or the rights of an
/// agency changed, and their masked texts give way to people.
const BY_HAND: usize = 8;
/// Models that could not be had are asked for again after this long.
const MODELS: Duration = Duration::from_secs(60);

/// Runs until `stop`. Without the dictionary there is no search.
pub async fn run(state: AppState, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = state.engines().settled() => {}
    }
    let Some(dictionary) = state.engines().dictionary() else {
        return;
    };
    let analyzer = match blocking(move || Analyzer::load(&dictionary)).await {
        Ok(Ok(analyzer)) => analyzer,
        Ok(Err(error)) => {
            tracing::error!(%error, "no search: dictionary not loaded");
            return;
        }
        Err(_) => return,
    };
    *state.search().renewals.lock() = Some(Vec::new());
    keep(&state, &analyzer, &stop).await;
    // Who still waits is told that it was in vain.
    *state.search().renewals.lock() = None;
}

async fn keep(state: &AppState, analyzer: &Analyzer, stop: &CancellationToken) {
    let mut kept = Kept::default();
    let mut committed = state.db().subscribe();
    loop {
        if let Err(error) = kept.take_up(state, analyzer).await {
            tracing::warn!(%error, "search indexes not looked for; tried again");
        }
        let wanted = state.search().renewals.lock().as_mut().map(std::mem::take);
        for renewal in wanted.unwrap_or_default() {
            kept.renew(renewal, stop).await;
        }
        let busy = kept.step(stop).await;
        if stop.is_cancelled() {
            return;
        }
        if busy {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
            () = state.search().asked.notified() => {}
            _ = committed.changed() => pause(GATHER, stop).await,
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// The indexes of this node. What fails in one keeps none of the others waiting.
#[derive(Default)]
struct Kept {
    towns: Vec<Town>,
    /// Municipalities whose index failed, and when it is opened again.
    failed: HashMap<MunicipalityId, Instant>,
}

impl Kept {
    /// Opens the indexes of municipalities that are new, or failed a while ago.
    async fn take_up(&mut self, state: &AppState, analyzer: &Analyzer) -> Result<(), ApiError> {
        let mut tx = state.db().read().await?;
        let all = municipalities::list(&mut tx).await?;
        drop(tx);
        let now = Instant::now();
        for municipality in all.into_iter().map(|municipality| municipality.id) {
            if self
                .towns
                .iter()
                .any(|town| town.municipality == municipality)
                || self.failed.get(&municipality).is_some_and(|at| now < *at)
            {
                continue;
            }
            match Keeper::open(state, &municipality, analyzer.clone()).await {
                Ok(keeper) => {
                    self.failed.remove(&municipality);
                    self.towns.push(Town::new(state, municipality, keeper));
                }
                Err(error) => {
                    tracing::warn!(%error, "search index not opened; tried again");
                    self.failed.insert(municipality, now + RETRY);
                }
            }
        }
        Ok(())
    }

    /// Lets go of an index that is not what it should be; later it is opened again from what is on disk.
    fn give_up(&mut self, municipality: MunicipalityId) {
        self.towns.retain(|town| town.municipality != municipality);
        self.failed.insert(municipality, Instant::now() + RETRY);
    }

    /// Does what an erasure waits for. Who is not told that it was done learns that it was not.
    async fn renew(&mut self, renewal: Renewal, stop: &CancellationToken) {
        let Some(town) = self
            .towns
            .iter_mut()
            .find(|town| town.municipality == renewal.municipality)
        else {
            // What stands on disk could not be opened, and may hold what was erased.
            tracing::warn!("search index not open, and not written anew");
            return;
        };
        match town.renew(&renewal, stop).await {
            Ok(()) => {
                let _nobody_waits = renewal.done.send(());
            }
            Err(error) => {
                tracing::warn!(%error, "search index not written anew");
                self.give_up(renewal.municipality);
            }
        }
    }

    /// One step of each; `true`: there may be more to do at once.
    async fn step(&mut self, stop: &CancellationToken) -> bool {
        let (mut busy, mut failed) = (false, Vec::new());
        for town in &mut self.towns {
            match town.step(stop).await {
                Ok(more) => busy |= more,
                Err(error) => {
                    tracing::warn!(%error, "search index not brought up to date; opened again");
                    failed.push(town.municipality.clone());
                }
            }
            if stop.is_cancelled() {
                break;
            }
        }
        for municipality in failed {
            self.give_up(municipality);
        }
        busy
    }
}

struct Town {
    state: AppState,
    municipality: MunicipalityId,
    keeper: Keeper,
    /// Erasures after which this index was written anew and whose end the outbox has still to tell.
    renewed: HashSet<ErasureId>,
    /// Cases that somebody changed by hand and whose masked texts are to be looked through.
    by_hand: BTreeSet<CaseId>,
    /// Likewise cases that changed many at once.
    in_bulk: BTreeSet<CaseId>,
    /// The case after which masked texts of all cases are to be looked through; `None`: all were.
    unmasked: Option<String>,
    masking: [Option<Masking>; 2],
    /// Without models nothing is masked before this.
    models_at: Option<Instant>,
}

/// Places of [`Town::masking`].
const BY_HAND_SLOT: usize = 0;
const OTHERS_SLOT: usize = 1;

/// Masked texts that are being made beside.
struct Masking {
    of: Of,
    cases: Vec<CaseId>,
    made: oneshot::Receiver<Result<Made, ApiError>>,
    _making: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Dirty {
    cases: BTreeSet<CaseId>,
    persons: BTreeSet<PersonId>,
    erasures: Vec<ErasureId>,
    anew: bool,
}

/// Which cases are looked through for masked texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    ByHand,
    InBulk,
    All,
}

impl Town {
    fn new(state: &AppState, municipality: MunicipalityId, keeper: Keeper) -> Self {
        Self {
            state: state.clone(),
            municipality,
            keeper,
            renewed: HashSet::new(),
            by_hand: BTreeSet::new(),
            in_bulk: BTreeSet::new(),
            unmasked: Some(String::new()),
            masking: [None, None],
            models_at: None,
        }
    }

    /// One step; `true`: there may be more to do at once.
    async fn step(&mut self, stop: &CancellationToken) -> Result<bool, ApiError> {
        if !self.keeper.is_whole() {
            self.keeper.sweep(stop).await?;
            // What is under way belongs to an index that is no more.
            (self.masking, self.unmasked) = ([None, None], Some(String::new()));
            return Ok(true);
        }
        if self.follow().await? {
            return Ok(true);
        }
        self.mask().await
    }

    /// Takes out what an erasure removed, and writes the index anew without it.
    async fn renew(&mut self, renewal: &Renewal, stop: &CancellationToken) -> Result<(), ApiError> {
        if !self.keeper.is_whole() {
            self.keeper.sweep(stop).await?;
        }
        while self.follow().await? {}
        if let Some(case) = &renewal.case {
            self.keeper.cases(std::slice::from_ref(case)).await?;
        }
        self.keeper.forget_persons().await?;
        self.keeper.renew().await?;
        self.renewed.insert(renewal.erasure.clone());
        Ok(())
    }

    async fn follow(&mut self) -> Result<bool, ApiError> {
        let mut tx = self.state.db().read().await?;
        let changes =
            outbox::after(&mut tx, &self.municipality, self.keeper.position(), AT_ONCE).await?;
        let Some(last) = changes.last().map(|change| change.seq) else {
            return Ok(false);
        };
        let mut dirty = Dirty::default();
        for change in changes {
            match change.topic.as_str() {
                store::search::REBUILD => dirty.anew = true,
                "person" => {
                    let person = PersonId(change.object);
                    // What is masked in texts of these cases has changed with the register.
                    dirty
                        .cases
                        .extend(tx.cases_with(&self.municipality, &person).await?);
                    dirty.persons.insert(person);
                }
                "erasure" if change.payload["done"] == true => {
                    dirty.erasures.push(ErasureId(change.object));
                }
                _ => {}
            }
            dirty.cases.extend(change.case);
        }
        drop(tx);
        if dirty.anew {
            self.keeper.start_anew().await?;
            return Ok(true);
        }
        let persons: Vec<PersonId> = dirty.persons.into_iter().collect();
        self.keeper.persons(&persons).await?;
        let cases: Vec<CaseId> = dirty.cases.iter().cloned().collect();
        for chunk in cases.chunks(50) {
            self.keeper.cases(chunk).await?;
        }
        let here = |erasure: &ErasureId| self.renewed.contains(erasure);
        if dirty.erasures.iter().all(here) {
            self.keeper.passed(last);
            self.keeper.commit().await?;
        } else {
            // Another node erased something. Until its words are out of the files, the erasure counts as
            // not heard of.
            self.keeper.forget_persons().await?;
            self.keeper.passed(last);
            self.keeper.renew().await?;
        }
        for erasure in &dirty.erasures {
            self.renewed.remove(erasure);
        }
        if dirty.cases.len() <= BY_HAND {
            self.by_hand.extend(dirty.cases);
        } else {
            self.in_bulk.extend(dirty.cases);
        }
        Ok(true)
    }

    /// Has masked texts made that are missing or rest on what is no more, a few cases at a time. Nothing
    /// here waits for a model, and what was changed by hand does not wait for the rest.
    async fn mask(&mut self) -> Result<bool, ApiError> {
        let by_hand = self.mask_in(BY_HAND_SLOT).await?;
        let others = self.mask_in(OTHERS_SLOT).await?;
        Ok(by_hand || others)
    }

    async fn mask_in(&mut self, slot: usize) -> Result<bool, ApiError> {
        if let Some(masking) = &mut self.masking[slot] {
            let made = match masking.made.try_recv() {
                Ok(made) => made?,
                Err(oneshot::error::TryRecvError::Empty) => return Ok(false),
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(ApiError::internal("masked texts not made"));
                }
            };
            if let Some(Masking { of, cases, .. }) = self.masking[slot].take() {
                self.take_in(of, cases, made).await?;
            }
            return Ok(true);
        }
        if self.models_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        self.models_at = None;
        // Even to look what is missing gives way; this loop has more to do than to wait for it.
        let state = self.state.clone();
        let leave = if slot == OTHERS_SLOT {
            let Some(leave) = state.background().at_once() else {
                return Ok(false);
            };
            Some(leave)
        } else {
            None
        };
        let Some((of, cases)) = self.next_to_mask(slot).await? else {
            return Ok(false);
        };
        let missing = self.keeper.missing(&cases).await?;
        drop(leave);
        if missing.cases.is_empty() {
            if missing.needless {
                self.take_in(of, cases, Made::default()).await?;
            } else {
                self.went_through(of, &cases, Vec::new());
            }
            return Ok(true);
        }
        let (send, made) = oneshot::channel();
        let (state, municipality) = (self.state.clone(), self.municipality.clone());
        let making = tokio::spawn(async move {
            let urgent = of == Of::ByHand;
            let made = masks::make(state.clone(), municipality, missing.cases, urgent).await;
            let _nobody_waits = send.send(made);
            state.search().asked.notify_one();
        });
        self.masking[slot] = Some(Masking {
            of,
            cases,
            made,
            _making: AbortOnDropHandle::new(making),
        });
        Ok(false)
    }

    async fn next_to_mask(&mut self, slot: usize) -> Result<Option<(Of, Vec<CaseId>)>, ApiError> {
        let (of, waiting) = if slot == BY_HAND_SLOT {
            (Of::ByHand, &mut self.by_hand)
        } else {
            (Of::InBulk, &mut self.in_bulk)
        };
        let cases: Vec<CaseId> = waiting.iter().take(MASK_STEP).cloned().collect();
        if !cases.is_empty() {
            waiting.retain(|case| !cases.contains(case));
            return Ok(Some((of, cases)));
        }
        if slot == BY_HAND_SLOT {
            return Ok(None);
        }
        let Some(after) = &self.unmasked else {
            return Ok(None);
        };
        let mut tx = self.state.db().read().await?;
        let limit = i64::try_from(MASK_STEP).unwrap_or(i64::MAX);
        let cases = tx.cases_to_index(&self.municipality, after, limit).await?;
        if cases.is_empty() {
            self.unmasked = None;
            return Ok(None);
        }
        Ok(Some((Of::All, cases)))
    }

    /// They are looked through anew.
    fn put_back(&mut self, of: Of, cases: Vec<CaseId>) {
        match of {
            Of::ByHand => self.by_hand.extend(cases),
            Of::InBulk => self.in_bulk.extend(cases),
            // Their turn comes by itself.
            Of::All => {}
        }
    }

    /// Puts what was made into the index; what was not, comes next.
    async fn take_in(&mut self, of: Of, cases: Vec<CaseId>, made: Made) -> Result<(), ApiError> {
        if made.without_models {
            self.models_at = Some(Instant::now() + MODELS);
            self.put_back(of, cases);
            return Ok(());
        }
        if self.keeper.take_in(&cases, &made.texts).await? > 0 {
            self.keeper.commit().await?;
        }
        self.went_through(of, &cases, made.left);
        Ok(())
    }

    /// These were looked through, but for those that are left.
    fn went_through(&mut self, of: Of, cases: &[CaseId], left: Vec<CaseId>) {
        if of != Of::All {
            self.put_back(of, left);
            return;
        }
        let last = cases.iter().take_while(|case| Some(*case) != left.first());
        if let Some(last) = last.last() {
            self.unmasked = Some(last.0.clone());
        }
    }
}

#[cfg(test)]
mod tests;
