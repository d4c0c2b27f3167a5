//! Follows the outbox of every municipality and brings its index up to date, usually within a second.

use std::{collections::BTreeSet, time::Duration};

use domain::id::{CaseId, MunicipalityId, PersonId};
use search::Analyzer;
use store::{municipalities, outbox};
use tokio_util::sync::CancellationToken;

use super::keeper::Keeper;
use crate::{context::blocking, error::ApiError, state::AppState};

/// Other nodes' changes are looked for this often.
const LOOK: Duration = Duration::from_secs(1);
/// What comes within this time of a change is written together with it.
const GATHER: Duration = Duration::from_millis(300);
/// After a failure.
const RETRY: Duration = Duration::from_secs(15);
/// Changes taken up at once.
const AT_ONCE: i64 = 2_000;
/// Cases whose masked texts are looked through at once, between changes.
const MASK_STEP: i64 = 20;

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
    let mut towns: Vec<Town> = Vec::new();
    let mut committed = state.db().subscribe();
    loop {
        if let Err(error) = take_up(state, analyzer, &mut towns).await {
            tracing::warn!(%error, "search index not opened; tried again");
            pause(RETRY, stop).await;
        }
        let mut busy = false;
        let mut failed = Vec::new();
        let wanted = state.search().renewals.lock().as_mut().map(std::mem::take);
        for renewal in wanted.unwrap_or_default() {
            let town = towns
                .iter_mut()
                .find(|town| town.municipality == renewal.municipality);
            let renewed = match town {
                Some(town) => town.renew(renewal.case.as_ref(), stop).await,
                None => Ok(()),
            };
            match renewed {
                Ok(()) => {
                    let _nobody_waits = renewal.done.send(());
                }
                Err(error) => {
                    tracing::warn!(%error, "search index not written anew");
                    failed.push(renewal.municipality);
                }
            }
        }
        for town in &mut towns {
            match town.step(stop).await {
                Ok(more) => busy |= more,
                Err(error) => {
                    tracing::warn!(%error, "search index not brought up to date; opened again");
                    failed.push(town.municipality.clone());
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
        if !failed.is_empty() {
            towns.retain(|town| !failed.contains(&town.municipality));
            pause(RETRY, stop).await;
            continue;
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

/// Opens the indexes of municipalities that are new.
async fn take_up(
    state: &AppState,
    analyzer: &Analyzer,
    towns: &mut Vec<Town>,
) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let all = municipalities::list(&mut tx).await?;
    drop(tx);
    for municipality in all {
        if towns
            .iter()
            .any(|town| town.municipality == municipality.id)
        {
            continue;
        }
        towns.push(Town {
            keeper: Keeper::open(state, &municipality.id, analyzer.clone()).await?,
            state: state.clone(),
            municipality: municipality.id,
            unmasked: Some(String::new()),
            renewed: 0,
        });
    }
    Ok(())
}

struct Town {
    state: AppState,
    municipality: MunicipalityId,
    keeper: Keeper,
    /// The case after which masked texts are to be looked through; `None`: all were.
    unmasked: Option<String>,
    /// Erasures whose end was waited for already.
    renewed: usize,
}

#[derive(Default)]
struct Dirty {
    cases: BTreeSet<CaseId>,
    persons: BTreeSet<PersonId>,
    renewals: usize,
    anew: bool,
}

impl Town {
    /// One step; `true`: there may be more to do at once.
    async fn step(&mut self, stop: &CancellationToken) -> Result<bool, ApiError> {
        if !self.keeper.is_whole() {
            self.keeper.sweep(stop).await?;
            self.unmasked = Some(String::new());
            return Ok(true);
        }
        if self.follow().await? {
            return Ok(true);
        }
        self.look_through().await
    }

    /// Takes out what an erasure removed, and writes the index anew without it.
    async fn renew(
        &mut self,
        case: Option<&CaseId>,
        stop: &CancellationToken,
    ) -> Result<(), ApiError> {
        if !self.keeper.is_whole() {
            self.keeper.sweep(stop).await?;
        }
        while self.follow().await? {}
        if let Some(case) = case {
            self.keeper.cases(std::slice::from_ref(case), false).await?;
        }
        self.keeper.forget_persons().await?;
        self.keeper.renew().await?;
        self.renewed += 1;
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
                "erasure" => dirty.renewals += usize::from(change.payload["done"] == true),
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
        let cases: Vec<CaseId> = dirty.cases.into_iter().collect();
        for chunk in cases.chunks(50) {
            // Full texts at once; texts for masked readers follow when the model has seen them.
            self.keeper.cases(chunk, false).await?;
        }
        self.keeper.passed(last);
        self.keeper.commit().await?;
        for chunk in cases.chunks(50) {
            if self.keeper.cases(chunk, true).await? > 0 {
                self.keeper.commit().await?;
            }
        }
        if dirty.renewals > self.renewed {
            self.keeper.forget_persons().await?;
            self.keeper.renew().await?;
        }
        self.renewed = self.renewed.saturating_sub(dirty.renewals);
        Ok(true)
    }

    /// Masked texts that are missing or rest on what is no more: a few cases at a time.
    async fn look_through(&mut self) -> Result<bool, ApiError> {
        let Some(after) = self.unmasked.clone() else {
            return Ok(false);
        };
        let mut tx = self.state.db().read().await?;
        let cases = tx
            .cases_to_index(&self.municipality, &after, MASK_STEP)
            .await?;
        drop(tx);
        let Some(last) = cases.last() else {
            self.unmasked = None;
            return Ok(false);
        };
        if self.keeper.cases(&cases, true).await? > 0 {
            self.keeper.commit().await?;
        }
        self.unmasked = Some(last.0.clone());
        Ok(true)
    }
}
