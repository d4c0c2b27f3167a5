//! What follows from a change of a document: after a pause the projections are rebuilt, texts are
//! scanned, statistics and vectors are refreshed. Works from the hub's change feed; when the models
//! stand and after falling behind it takes up every document whose stored scan is not current.
//!
//! **Invariant:** what somebody changed is scanned at once. What was missed, and vectors, give way to people
//! ([`crate::background`]).

use std::{collections::HashMap, sync::Arc, time::Duration};

use collab::{Word, log::LogError, values};
use domain::{
    form::Definition,
    id::{CaseId, DocumentId, MunicipalityId},
    section::DocumentKind,
};
use jiff::civil::Date;
use serde_json::Value;
use store::{documents::DocumentWork, municipalities, projections::Audience, statistics::Facts};
use tokio::{
    sync::{Notify, broadcast::error::RecvError, mpsc},
    task::{JoinError, JoinSet},
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    embedding::{self, Wanted},
    engines, erasing,
    error::ApiError,
    events::CaseEvent,
    importing, reading, scanning, search_index, shapes,
    state::AppState,
    vectors,
};

/// Nothing was typed for so long.
const QUIET: Duration = Duration::from_millis(1200);
/// Even somebody who never pauses is scanned this often.
const AT_MOST: Duration = Duration::from_secs(10);
/// A failed document is tried again after this long.
const RETRY: Duration = Duration::from_secs(30);
/// Missing documents are made and old sessions swept this often.
const SWEEP: Duration = Duration::from_secs(300);
/// The lists of cases are looked after this often.
const CASE_LISTS: Duration = Duration::from_secs(60);
/// Attachments that have not arrived whole after this long never will.
const RECEIVED: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// So many documents are looked at together for whether they were missed; and so many that were are seen to
/// at once.
const LOOKED_AT: usize = 200;
/// How long what runs beside has for its end.
const LAST: Duration = Duration::from_secs(4);
/// Models that nobody has needed for this long are unloaded.
const REST: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
struct Due {
    first: Instant,
    at: Instant,
}

/// What waits to be done, and when.
#[derive(Debug, Default)]
struct Agenda {
    documents: HashMap<DocumentId, Due>,
}

impl Agenda {
    /// The document changed (again).
    fn postpone(&mut self, document: DocumentId) {
        let now = Instant::now();
        self.documents
            .entry(document)
            .and_modify(|due| due.at = (now + QUIET).min(due.first + AT_MOST))
            .or_insert(Due {
                first: now,
                at: now + QUIET,
            });
    }

    fn retry(&mut self, document: DocumentId) {
        let at = Instant::now() + RETRY;
        self.documents.insert(document, Due { first: at, at });
    }

    fn next(&self) -> Option<Instant> {
        self.documents.values().map(|due| due.at).min()
    }

    fn due_documents(&mut self, now: Instant) -> Vec<DocumentId> {
        self.documents
            .extract_if(|_, due| due.at <= now)
            .map(|(document, _)| document)
            .collect()
    }
}

/// Makes the register's index entries of older versions anew; what fails or is cut off is done at the next
/// start.
async fn refresh_register(state: AppState, stop: CancellationToken) {
    let refreshed = tokio::select! {
        () = stop.cancelled() => return,
        refreshed = store::persons::refresh_index(state.db()) => refreshed,
    };
    match refreshed {
        Ok(0) => {}
        Ok(persons) => tracing::info!(persons, "register index made anew"),
        Err(error) => tracing::warn!(%error, "register index not made anew"),
    }
}

/// Has the lists of cases ready: after the start, when a day begins, when somebody works in a new role.
async fn case_lists(state: AppState, stop: CancellationToken) {
    loop {
        let made = async {
            let mut tx = state.db().read().await?;
            let all = municipalities::list(&mut tx).await?;
            drop(tx);
            for municipality in all {
                let today = state.db().clock().today(&municipality.time_zone());
                state
                    .db()
                    .prepare_case_lists(&municipality.id, today)
                    .await?;
            }
            Ok::<_, store::StoreError>(())
        };
        if let Err(error) = made.await {
            tracing::warn!(%error, "lists of cases not made");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CASE_LISTS) => {}
        }
    }
}

/// Runs until `stop`, and until what runs beside has come to its end. Waits for the models before the first
/// scan; projections and statistics do not wait for them.
pub async fn run(state: AppState, stop: CancellationToken) {
    let wanted = Arc::new(Wanted::default());
    let bell = Arc::new(Notify::new());
    let mut beside = JoinSet::new();
    beside.spawn(erasing::run(state.clone(), stop.clone()));
    beside.spawn(search_index::run(state.clone(), stop.clone()));
    beside.spawn(refresh_register(state.clone(), stop.clone()));
    beside.spawn(case_lists(state.clone(), stop.clone()));
    beside.spawn(importing::run(state.clone(), stop.clone()));
    beside.spawn(reading::run(state.clone(), stop.clone()));
    beside.spawn(embedding::run(
        state.clone(),
        Arc::clone(&wanted),
        stop.clone(),
    ));
    beside.spawn(look(
        state.clone(),
        Arc::clone(&bell),
        Arc::clone(&wanted),
        stop.clone(),
    ));
    follow_changes(&state, &bell, &wanted, &mut beside, &stop).await;
    wind_up(beside).await;
}

async fn follow_changes(
    state: &AppState,
    bell: &Notify,
    wanted: &Wanted,
    beside: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    let mut changes = state.hub().subscribe();
    let mut rescans = state.rescans();
    let mut words = state.hub().words();
    let mut agenda = Agenda::default();
    let mut sweep = interval(SWEEP);
    let models = async { state.engines().settled().await };
    tokio::pin!(models);
    let mut models_settled = false;
    loop {
        let next = agenda.next();
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            () = &mut models, if !models_settled => {
                models_settled = true;
                bell.notify_one();
                continue;
            }
            _ = sweep.tick() => {
                tidy(state).await;
                continue;
            }
            () = until(next) => {
                work_off(state, &mut agenda, wanted, stop).await;
                continue;
            }
            Some(ended) = beside.join_next() => {
                note_end(&ended);
                continue;
            }
            changed = changes.recv() => match changed {
                // The node that wrote it sees to it.
                Ok(changed) if !changed.here => continue,
                changed => changed.map(|changed| changed.document),
            },
            word = words.recv() => {
                // What it had still to do is open; and whoever misses words may have missed that.
                let gone = matches!(word, Ok(Word::Gone(_)) | Err(RecvError::Lagged(_)));
                if gone && models_settled {
                    bell.notify_one();
                }
                continue;
            }
            again = rescans.recv() => again,
        };
        match changed {
            Ok(document) => agenda.postpone(document),
            Err(RecvError::Lagged(_)) => bell.notify_one(),
            Err(RecvError::Closed) => return,
        }
    }
}

/// A part of the worker that ends by a panic is a defect, and the others go on.
fn note_end(ended: &Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a part of the worker panicked and is gone until the next start");
    }
}

/// Lets everything beside come to its end. What does not in time is cut off where it waits, as by a kill: it
/// is gone on with at the next start.
async fn wind_up(mut beside: JoinSet<()>) {
    let ending = async {
        while let Some(ended) = beside.join_next().await {
            note_end(&ended);
        }
    };
    if timeout(LAST, ending).await.is_err() {
        tracing::warn!("work in the background cut off");
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Does what is due, until `stop`.
async fn work_off(
    state: &AppState,
    agenda: &mut Agenda,
    wanted: &Wanted,
    stop: &CancellationToken,
) {
    for document in agenda.due_documents(Instant::now()) {
        if stop.is_cancelled() {
            return;
        }
        match follow(state, &document).await {
            Ok(Followed::Parent(parent)) => agenda.postpone(parent),
            Ok(Followed::Case(municipality, case)) => {
                wanted.put(municipality, case, Instant::now() + QUIET);
            }
            Ok(Followed::Nothing) => {}
            // As soon as they stand, everything without a current scan is taken up.
            Err(error) if engines::are_awaited(&error) => {}
            Err(error) => {
                tracing::warn!(document = document.as_str(), %error, "derived state not refreshed");
                agenda.retry(document);
            }
        }
    }
}

/// Finds whatever was missed and sees to it, each time the bell rings. However often it rings meanwhile, it
/// looks once more: what was missed since is found too.
async fn look(state: AppState, bell: Arc<Notify>, wanted: Arc<Wanted>, stop: CancellationToken) {
    loop {
        let looked = async {
            bell.notified().await;
            let (found, missed) = mpsc::channel(1);
            let (looked, ()) =
                tokio::join!(stale(&state, found), catch_up(&state, missed, &wanted));
            let missing = missing_vectors(&state, &wanted).await;
            for failed in [looked, missing].into_iter().filter_map(Result::err) {
                if !engines::are_awaited(&failed) {
                    tracing::warn!(error = %failed, "not everything could be looked through; tried again");
                    sleep(RETRY).await;
                    bell.notify_one();
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = looked => {}
        }
    }
}

/// Sees to documents that were missed, what needs no model first: the search waits for it. A few somebody may
/// wait for: they are done at once. Where it is many (another model, a restored database), the rest gives way
/// to people.
async fn catch_up(state: &AppState, mut missed: mpsc::Receiver<DocumentId>, wanted: &Wanted) {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    while few.len() < LOOKED_AT
        && let Some(document) = missed.recv().await
    {
        note_early(state, &document).await;
        few.push(document);
    }
    for document in few {
        note_followed(state, wanted, &document, follow(state, &document).await);
    }
    while let Some(document) = missed.recv().await {
        let _share = state.background().give_way().await;
        note_early(state, &document).await;
        many.push(document);
    }
    for document in many {
        let followed = async {
            match scanning::foresee(state, &document).await {
                // What needs no model is done all the same.
                Err(error) if !engines::are_awaited(&error) => return Err(error),
                _ => {}
            }
            let _share = state.background().give_way().await;
            follow(state, &document).await
        };
        note_followed(state, wanted, &document, followed.await);
    }
}

fn note_followed(
    state: &AppState,
    wanted: &Wanted,
    document: &DocumentId,
    followed: Result<Followed, ApiError>,
) {
    match followed {
        Ok(Followed::Case(municipality, case)) => wanted.put(municipality, case, Instant::now()),
        Ok(_) => {}
        // As soon as they stand, the bell rings.
        Err(error) if engines::are_awaited(&error) => {}
        Err(error) => {
            tracing::warn!(document = document.as_str(), %error, "derived state not refreshed");
            // From now on it is like one that changed.
            state.rescan(std::slice::from_ref(document));
        }
    }
}

async fn note_early(state: &AppState, document: &DocumentId) {
    if let Err(error) = derive_early(state, document).await {
        tracing::warn!(document = document.as_str(), %error, "derived state not refreshed");
    }
}

async fn derive_early(state: &AppState, document: &DocumentId) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let work = tx.work_on(document).await?;
    drop(tx);
    match work {
        Some(work) => derive(state, &work).await,
        None => Ok(()),
    }
}

/// Documents with texts to mask whose stored scan is not of their present state. None of them is
/// loaded for it. What fails does not hinder the rest.
///
/// # Errors
/// The first of what failed.
async fn stale(state: &AppState, found: mpsc::Sender<DocumentId>) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let municipalities = municipalities::list(&mut tx).await?;
    drop(tx);
    let mut result = Ok(());
    for municipality in municipalities {
        let mut tx = state.db().read().await?;
        let all = tx.documents_with_masks(&municipality.id).await?;
        drop(tx);
        for some in all.chunks(LOOKED_AT) {
            match scanning::not_current(state, &municipality.id, some).await {
                Ok(stale) => {
                    for document in stale {
                        if found.send(document).await.is_err() {
                            return result;
                        }
                    }
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
    }
    result
}

/// Wants vectors of cases whose last scan they have not seen: the process ended between the two, or the
/// model is another.
async fn missing_vectors(state: &AppState, wanted: &Wanted) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let municipalities = municipalities::list(&mut tx).await?;
    drop(tx);
    for municipality in municipalities {
        for case in vectors::behind(state, &municipality.id).await? {
            wanted.put(municipality.id.clone(), case, Instant::now());
        }
    }
    Ok(())
}

async fn tidy(state: &AppState) {
    state.engines().rest(REST);
    if let Err(error) = mend(state).await {
        tracing::warn!(%error, "missing documents not made");
    }
    if let Err(error) = sweep_sessions(state).await {
        tracing::warn!(%error, "sweeping sessions failed");
    }
}

/// Makes the documents that a case (or note) has in the database and not in the log: the process
/// ended between the two. They begin with their seed.
///
/// # Errors
/// Database away.
pub async fn mend(state: &AppState) -> Result<usize, ApiError> {
    let mut made = 0;
    for (document, kind) in state.db().documents_without_log().await? {
        let mut tx = state.db().read().await?;
        // Only its own entry in the log is missing: the registry knows whose it is.
        let Some(work) = tx.work_on(&document).await? else {
            continue;
        };
        let forms = tx.forms(&work.info().municipality).await?;
        drop(tx);
        let Some(shape) = shapes::of(kind, &forms) else {
            continue;
        };
        match state.hub().create(&document, &shape).await {
            Ok(()) => {}
            // It was made once and is lost: that must not keep the others from being made.
            Err(error @ LogError::Corrupt(_)) => {
                tracing::error!(document = document.as_str(), %error, "document lost");
                continue;
            }
            Err(error) => return Err(ApiError::internal(error)),
        }
        tracing::info!(
            document = document.as_str(),
            "document made that was missing"
        );
        made += 1;
    }
    Ok(made)
}

/// Does what follows from the documents of a case now: projections, statistics and, as far as the
/// models are there, scans and vectors. For cases that are made in bulk.
///
/// # Errors
/// Database away.
pub async fn settle(
    state: &AppState,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let documents = tx.documents_of(municipality, case).await?;
    drop(tx);
    let mut scanned = false;
    for document in documents {
        match follow(state, &document).await {
            Ok(Followed::Case(..)) => scanned = true,
            Ok(_) => {}
            Err(error) if engines::are_awaited(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if scanned {
        vectors::refresh(state, municipality, case).await?;
    }
    Ok(())
}

async fn sweep_sessions(state: &AppState) -> store::Result<()> {
    let mut tx = state.db().write().await?;
    store::sessions::sweep(&mut tx).await?;
    store::rights::sweep(&mut tx).await?;
    let before = domain::clock::instant_text(tx.now() - RECEIVED);
    store::blobs::sweep(&mut tx, &before).await?;
    tx.commit().await
}

enum Followed {
    Nothing,
    /// Decisions changed: the text document is due.
    Parent(DocumentId),
    /// The case's vector is due.
    Case(MunicipalityId, CaseId),
}

async fn follow(state: &AppState, document: &DocumentId) -> Result<Followed, ApiError> {
    let mut tx = state.db().read().await?;
    let Some(work) = tx.work_on(document).await? else {
        return Ok(Followed::Nothing);
    };
    drop(tx);
    let info = work.info();
    if info.kind == DocumentKind::Masks {
        return Ok(info
            .parent
            .clone()
            .map_or(Followed::Nothing, Followed::Parent));
    }
    let Some(case) = info.case.clone() else {
        return Ok(Followed::Nothing);
    };
    let municipality = info.municipality.clone();
    derive(state, &work).await?;
    state.events().tell(
        &municipality,
        &case,
        CaseEvent::Document {
            document_id: document.clone(),
        },
    );
    if !scanning::is_scanned(info.kind) {
        return Ok(Followed::Nothing);
    }
    scanning::scan(state, document).await?;
    Ok(Followed::Case(municipality, case))
}

/// What needs no model: the full projection and what statistics count.
async fn derive(state: &AppState, work: &DocumentWork) -> Result<(), ApiError> {
    let root = if work.info().kind == DocumentKind::Network {
        "nodes"
    } else {
        "fields"
    };
    let (value, epoch, seq) = state
        .hub()
        .read(&work.info().id, move |view| {
            (
                values::root(&view.txn, &view.shape, root),
                view.epoch,
                view.seq,
            )
        })
        .await
        .map_err(ApiError::internal)?;
    let mut tx = state.db().write().await?;
    let former = work.projection(&mut tx, Audience::Full).await?;
    let stored = work
        .store_projection(&mut tx, Audience::Full, epoch, seq, &value)
        .await?;
    // Another node may have seen more of the document already.
    if stored && let Some(facts) = facts(work.info().kind, &value) {
        work.set_statistics(&mut tx, &facts).await?;
    }
    let form = tx.form_of(work.info()).await?;
    if stored && let Some(on) = form.and_then(|form| dated_on(&form, &value)) {
        work.dated(&mut tx, on).await?;
    }
    // A decision about masks or a rescan is no change of the sheet.
    if former.is_none_or(|former| (former.epoch, former.seq) != (epoch, seq)) {
        work.touched(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The business date of a sheet whose form names one; `None` where lists show no date.
fn dated_on(form: &Definition, values: &Value) -> Option<Option<Date>> {
    let text = values[form.date.as_deref()?].as_str();
    Some(text.and_then(|text| text.get(..10)?.parse().ok()))
}

/// What statistics count of a sheet. Codes only.
fn facts(kind: DocumentKind, values: &Value) -> Option<Facts> {
    let text = |field: &str| values[field].as_str().map(str::to_owned);
    match kind {
        DocumentKind::Intake => Some(Facts {
            received_on: text("received_on").and_then(|day| day.parse().ok()),
            contact_method: text("contact_method"),
            ..Facts::default()
        }),
        DocumentKind::Assessment => Some(Facts {
            route: text("route"),
            urgency: text("urgency"),
            issues: values["issues"].as_array().map(|codes| {
                codes
                    .iter()
                    .filter_map(|code| code.as_str().map(str::to_owned))
                    .collect()
            }),
            ..Facts::default()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use collab::{
        anchor,
        hub::{Hub, Limits},
        identity::Author,
    };
    use domain::offset::Utf16;
    use models::Assets;
    use store::DocumentLog;
    use yrs::{Map, MapPrelim, Out, ReadTxn, Text, TextRef, TransactionMut};

    use super::*;
    use crate::{
        access::PolicyAccess, operations::transcripts::tests::Town, scanning::ScannedSpan,
    };

    /// A word that nothing but a person marks.
    const MARKED: &str = "あの店";

    async fn with_models() -> Town {
        let town = Town::open().await;
        town.state.engines().open(
            Assets::locate(None).expect("the assets that the setup script makes"),
            1,
        );
        town.state.engines().settled().await;
        town
    }

    async fn edit(
        town: &Town,
        sheet: &DocumentId,
        change: impl FnOnce(&mut TransactionMut<'_>, &TextRef) + Send + 'static,
    ) {
        town.state
            .hub()
            .write_as(&Author::system(), sheet, |txn| {
                let fields = txn.get_map("fields").unwrap();
                let Some(Out::YText(summary)) = fields.get(txn, "summary") else {
                    panic!()
                };
                change(txn, &summary);
            })
            .await
            .unwrap();
    }

    async fn missed(state: &AppState) -> Vec<DocumentId> {
        let (found, mut missed) = mpsc::channel(1_000);
        stale(state, found).await.unwrap();
        std::iter::from_fn(|| missed.try_recv().ok()).collect()
    }

    async fn follow_all(state: &AppState) {
        for document in missed(state).await {
            follow(state, &document).await.unwrap();
        }
        assert_eq!(missed(state).await, []);
    }

    /// Marks the first characters of the summary by hand.
    async fn mark(town: &Town, sheet: &DocumentId) {
        let mut tx = town.state.db().read().await.unwrap();
        let work = tx.work_on(sheet).await.unwrap().unwrap();
        drop(tx);
        let (start, end) = town
            .state
            .hub()
            .read(sheet, |view| {
                let text = anchor::text_at(&view.txn, &view.shape, "summary").unwrap();
                let length = MARKED.encode_utf16().count();
                anchor::anchor(&view.txn, &text, Utf16(0)..Utf16(length)).unwrap()
            })
            .await
            .unwrap();
        town.state
            .hub()
            .write_as(&Author::system(), work.masks().unwrap(), |txn| {
                let spans = txn.get_map("spans").unwrap();
                let span = [
                    ("field", "summary".to_owned()),
                    ("start", start),
                    ("end", end),
                    ("label", "FACILITY".to_owned()),
                    ("source", "manual".to_owned()),
                    ("status", "accepted".to_owned()),
                ];
                spans.insert(txn, "span12345678", MapPrelim::from_iter(span));
            })
            .await
            .unwrap();
    }

    async fn summary_spans(town: &Town, sheet: &DocumentId) -> Vec<ScannedSpan> {
        let mut tx = town.state.db().read().await.unwrap();
        let work = tx.work_on(sheet).await.unwrap().unwrap();
        let stored = scanning::read_scan(&mut tx, &work).await.unwrap().unwrap();
        stored.scan.spans["summary"].clone()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn at_start_only_what_is_not_current_is_taken_up() {
        let town = with_models().await;
        let sheet = &town.documents[&DocumentKind::Assessment];
        edit(&town, sheet, |txn, text| {
            text.insert(txn, 0, "母と二人で暮らす。");
        })
        .await;
        assert!(missed(&town.state).await.contains(sheet));
        follow_all(&town.state).await;

        // After a restart nothing is to be done, and no document is loaded to see that.
        let db = town.state.db();
        let log = Arc::new(DocumentLog::start(db));
        let hub = Hub::new(
            Arc::<DocumentLog>::clone(&log),
            PolicyAccess::new(db.clone()),
            Arc::clone(db.clock()),
            Limits::default(),
            8,
        );
        let restarted = AppState::new(
            town.state.config().clone(),
            db.clone(),
            hub,
            log,
            Arc::clone(town.state.engines()),
        );
        assert_eq!(missed(&restarted).await, []);
        assert_eq!(restarted.hub().rooms(), 0);

        // A text newer than its scan.
        edit(&town, sheet, |txn, text| {
            text.insert(txn, 0, "あの店で会った。");
        })
        .await;
        assert_eq!(missed(&restarted).await, std::slice::from_ref(sheet));
        follow_all(&town.state).await;

        // A decision newer than the scan.
        mark(&town, sheet).await;
        assert_eq!(missed(&restarted).await, std::slice::from_ref(sheet));
        follow_all(&town.state).await;

        // Without models only what needs none counts: nothing else could be done about it.
        let blind = AppState::new(
            town.state.config().clone(),
            db.clone(),
            restarted.hub().clone(),
            Arc::new(DocumentLog::start(db)),
            Arc::default(),
        );
        assert_eq!(missed(&blind).await, []);
        edit(&town, sheet, |txn, text| {
            text.insert(txn, 0, "駅で会った。");
        })
        .await;
        assert!(missed(&blind).await.contains(sheet));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_digest_follows_marks_and_names() {
        use domain::id::MunicipalityId;
        use store::{persons::PersonPatch, vectors::likenesses};

        let town = with_models().await;
        let (state, case) = (&town.state, &town.case);
        let municipality = MunicipalityId::from("town");
        let version = state.engines().get().await.unwrap().models.version.clone();
        let caller = town.caller("coordinator").await;
        let mut tx = state.db().write().await.unwrap();
        let access = tx.case_for(&caller, case).await.unwrap().unwrap();
        let like = store::cases::CasePatch {
            similar_ok: Some(true),
            ..Default::default()
        };
        access
            .update(&mut tx, access.version(), &like)
            .await
            .unwrap();
        let client = access.facts().persons[0].person.clone();
        tx.commit().await.unwrap();
        let sheet = &town.documents[&DocumentKind::Assessment];
        edit(&town, sheet, |txn, text| {
            text.insert(txn, 0, "あの店で働く。山影は友人の家にいる。");
        })
        .await;
        follow_all(state).await;
        assert!(vectors::refresh(state, &municipality, case).await.unwrap());
        let stored = async || {
            let mut tx = state.db().read().await.unwrap();
            let all = std::slice::from_ref(case);
            let found = likenesses(&mut tx, &caller, &version, all, &[])
                .await
                .unwrap();
            found
                .into_iter()
                .find(|part| part.part == "digest")
                .map(|part| part.embedded.text)
        };
        assert!(stored().await.unwrap().contains(MARKED));

        // Marked by hand: with the scan the old digest is gone, though the text is the same.
        mark(&town, sheet).await;
        follow_all(state).await;
        assert_eq!(stored().await, None);
        // As after a restart: it is missing, so it is made.
        assert_eq!(vectors::refresh_missing(state).await, 1);
        assert!(!stored().await.unwrap().contains(MARKED));

        // Another name: nothing masked without it is shown before the texts are looked through anew.
        let mut tx = state.db().write().await.unwrap();
        let right = tx.person_for(&caller, &client).await.unwrap().unwrap();
        let version_of = right.person(&mut tx).await.unwrap().unwrap().version;
        let patch = PersonPatch {
            set: [("name".to_owned(), Some("山影".to_owned()))].into(),
            ..PersonPatch::default()
        };
        right.update(&mut tx, version_of, &patch).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stored().await, None);
        let mut tx = state.db().read().await.unwrap();
        let asked = vectors::digest(&mut tx, &municipality, case, &vectors::SECTIONS)
            .await
            .unwrap();
        assert!(asked.is_none_or(|digest| !digest.text.contains("友人")));
        let access = tx.document_for(&caller, sheet).await.unwrap().unwrap();
        drop(tx);
        let shown = async || {
            let answer = crate::operations::documents::projection::answer(state, &access, true);
            answer.await.unwrap().fields["summary"].clone()
        };
        let withheld = shown().await;
        assert!(withheld.withheld && withheld.text.is_none());
        follow_all(state).await;
        let text = shown().await.text.unwrap();
        assert!(text.contains("友人") && !text.contains("山影"), "{text}");
        assert!(vectors::refresh(state, &municipality, case).await.unwrap());
        assert!(!stored().await.unwrap().contains("山影"));

        // A part of it is not enough, and a node that died may have left as much.
        let mut tx = state.db().write().await.unwrap();
        store::vectors::forget(&mut tx, &municipality, case)
            .await
            .unwrap();
        let part = store::vectors::Embedded {
            text: "issues:debt".into(),
            vector: Vec::new(),
        };
        store::vectors::store(&mut tx, &municipality, case, "features", &version, &part)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (wanted, bell) = (Arc::new(Wanted::default()), Arc::new(Notify::new()));
        let stop = CancellationToken::new();
        let looking = tokio::spawn(look(
            state.clone(),
            Arc::clone(&bell),
            Arc::clone(&wanted),
            stop.clone(),
        ));
        for _ in 0..1_000 {
            bell.notify_one();
        }
        let found = async {
            while wanted.cases() != std::slice::from_ref(case) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), found)
            .await
            .expect("looked for");
        stop.cancel();
        looking.await.unwrap();
        assert_eq!(vectors::refresh_missing(state).await, 1);
        assert_eq!(vectors::refresh_missing(state).await, 0);
    }

    #[tokio::test]
    async fn what_runs_beside_comes_to_its_end() {
        let stop = CancellationToken::new();
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut beside = JoinSet::new();
        let (told, done) = (stop.clone(), Arc::clone(&ended));
        beside.spawn(async move {
            told.cancelled().await;
            sleep(Duration::from_millis(100)).await;
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        beside.spawn(async { panic!("on purpose") });
        stop.cancel();
        wind_up(beside).await;
        assert!(ended.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_marked_by_hand_stays_masked_when_it_is_cut_and_pasted() {
        let town = with_models().await;
        let sheet = &town.documents[&DocumentKind::Assessment];
        edit(&town, sheet, |txn, text| {
            text.insert(txn, 0, "あの店で会った。");
        })
        .await;
        mark(&town, sheet).await;
        follow_all(&town.state).await;
        let spans = summary_spans(&town, sheet).await;
        assert_eq!((spans.len(), spans[0].pending), (1, false));

        // Cut; the scan comes before the paste.
        let length = u32::try_from(MARKED.encode_utf16().count()).unwrap();
        edit(&town, sheet, move |txn, text| {
            text.remove_range(txn, 0, length)
        })
        .await;
        follow_all(&town.state).await;
        assert!(summary_spans(&town, sheet).await.is_empty());
        edit(&town, sheet, |txn, text| {
            let end = text.len(txn);
            text.insert(txn, end, MARKED);
        })
        .await;
        follow_all(&town.state).await;
        let spans = summary_spans(&town, sheet).await;
        assert_eq!(spans.len(), 1);
        assert!(spans[0].pending && spans[0].label == "FACILITY");

        // In the masks document too, for the reviewers.
        let mut tx = town.state.db().read().await.unwrap();
        let work = tx.work_on(sheet).await.unwrap().unwrap();
        drop(tx);
        let rows = town
            .state
            .hub()
            .read(work.masks().unwrap(), |view| {
                values::root(&view.txn, &view.shape, "spans")
            })
            .await
            .unwrap();
        let rows = rows.as_array().unwrap();
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| (row["source"].as_str(), row["status"].as_str()))
            .collect();
        rows.sort_unstable();
        // The mark itself waits where it stood: the deletion may be undone.
        assert_eq!(
            rows,
            [
                (Some("manual"), Some("accepted")),
                (Some("manual"), Some("pending"))
            ]
        );
    }
}
