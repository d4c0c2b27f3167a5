//! What follows from a change of a document: after a pause the projections are rebuilt, texts are
//! scanned, statistics and vectors are refreshed. Works from the hub's change feed; when the models
//! stand and after falling behind it takes up every document whose stored scan is not current.

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
    sync::{
        Mutex,
        broadcast::error::RecvError,
        mpsc::{self, UnboundedSender},
    },
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    erasing, error::ApiError, events::CaseEvent, importing, reading, scanning, search_index,
    shapes, state::AppState, vectors,
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
/// So many documents are looked at together for whether they were missed.
const LOOKED_AT: usize = 200;
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
    vectors: HashMap<(MunicipalityId, CaseId), Instant>,
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
        let documents = self.documents.values().map(|due| due.at);
        documents.chain(self.vectors.values().copied()).min()
    }

    fn due_documents(&mut self, now: Instant) -> Vec<DocumentId> {
        self.documents
            .extract_if(|_, due| due.at <= now)
            .map(|(document, _)| document)
            .collect()
    }

    fn due_cases(&mut self, now: Instant) -> Vec<(MunicipalityId, CaseId)> {
        self.vectors
            .extract_if(|_, at| *at <= now)
            .map(|(case, _)| case)
            .collect()
    }
}

/// Makes the register's index entries of older versions anew; what fails is tried at the next start.
async fn refresh_register(state: AppState) {
    match store::persons::refresh_index(state.db()).await {
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

/// Runs until `stop`. Waits for the models before the first scan; projections and statistics do
/// not wait for them.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut changes = state.hub().subscribe();
    let mut rescans = state.rescans();
    let mut words = state.hub().words();
    let mut agenda = Agenda::default();
    let mut sweep = interval(SWEEP);
    let models = async { state.engines().settled().await };
    tokio::pin!(models);
    let mut models_settled = false;
    let (found, mut missed) = mpsc::unbounded_channel();
    let turn = Arc::new(Mutex::new(()));
    let look = |beside: &mut JoinSet<()>| {
        beside.spawn(take_up(state.clone(), found.clone(), Arc::clone(&turn)));
    };
    // Ends with the worker.
    let mut beside = JoinSet::new();
    beside.spawn(erasing::run(state.clone(), stop.clone()));
    beside.spawn(search_index::run(state.clone(), stop.clone()));
    beside.spawn(refresh_register(state.clone()));
    beside.spawn(case_lists(state.clone(), stop.clone()));
    beside.spawn(importing::run(state.clone(), stop.clone()));
    beside.spawn(reading::run(state.clone(), stop.clone()));

    loop {
        let next = agenda.next();
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            () = &mut models, if !models_settled => {
                models_settled = true;
                look(&mut beside);
                beside.spawn(missing_vectors(state.clone()));
                continue;
            }
            _ = sweep.tick() => {
                tidy(&state).await;
                continue;
            }
            () = until(next) => {
                work_off(&state, &mut agenda, &stop).await;
                continue;
            }
            Some(document) = missed.recv() => Ok(document),
            changed = changes.recv() => match changed {
                // The node that wrote it sees to it.
                Ok(changed) if !changed.here => continue,
                changed => changed.map(|changed| changed.document),
            },
            word = words.recv() => {
                // What it had still to do is open.
                if matches!(word, Ok(Word::Gone(_))) && models_settled {
                    look(&mut beside);
                }
                continue;
            }
            again = rescans.recv() => again,
        };
        match changed {
            Ok(document) => agenda.postpone(document),
            Err(RecvError::Lagged(_)) => look(&mut beside),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Does what is due, until `stop`.
async fn work_off(state: &AppState, agenda: &mut Agenda, stop: &CancellationToken) {
    let now = Instant::now();
    for document in agenda.due_documents(now) {
        if stop.is_cancelled() {
            return;
        }
        match follow(state, &document).await {
            Ok(Followed::Parent(parent)) => agenda.postpone(parent),
            Ok(Followed::Case(municipality, case)) => {
                agenda
                    .vectors
                    .insert((municipality, case), Instant::now() + QUIET);
            }
            Ok(Followed::Nothing) => {}
            // As soon as they stand, everything without a current scan is taken up.
            Err(error) if is_waiting_for_models(&error) => {}
            Err(error) => {
                tracing::warn!(document = document.as_str(), %error, "derived state not refreshed");
                agenda.retry(document);
            }
        }
    }
    for (municipality, case) in agenda.due_cases(now) {
        if stop.is_cancelled() {
            return;
        }
        match vectors::refresh(state, &municipality, &case).await {
            Ok(_) => {}
            Err(error) if is_waiting_for_models(&error) => {}
            Err(error) => {
                tracing::warn!(case = case.as_str(), %error, "vector not refreshed");
                agenda
                    .vectors
                    .insert((municipality, case), Instant::now() + RETRY);
            }
        }
    }
}

fn is_waiting_for_models(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Refused {
            code: "models_not_ready",
            ..
        }
    )
}

/// Finds whatever was missed, and hands it over as it is found. One that falls in while another looks
/// follows it: what was missed meanwhile is found too.
async fn take_up(state: AppState, found: UnboundedSender<DocumentId>, turn: Arc<Mutex<()>>) {
    let _turn = turn.lock().await;
    if let Err(error) = stale(&state, &found).await {
        tracing::warn!(%error, "documents could not be looked through");
    }
}

/// Documents with texts to mask whose stored scan is not of their present state. None of them is
/// loaded for it.
async fn stale(state: &AppState, found: &UnboundedSender<DocumentId>) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let municipalities = municipalities::list(&mut tx).await?;
    drop(tx);
    for municipality in municipalities {
        let mut tx = state.db().read().await?;
        let all = tx.documents_with_masks(&municipality.id).await?;
        drop(tx);
        for some in all.chunks(LOOKED_AT) {
            for document in scanning::not_current(state, &municipality.id, some).await? {
                if found.send(document).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Vectors of cases whose last scan they have not seen: the process ended between the two, or the
/// model is another.
async fn missing_vectors(state: AppState) {
    let refreshed = async {
        let mut tx = state.db().read().await?;
        let municipalities = municipalities::list(&mut tx).await?;
        drop(tx);
        for municipality in municipalities {
            vectors::refresh_missing(&state, &municipality.id).await?;
        }
        Ok::<_, ApiError>(())
    };
    if let Err(error) = refreshed.await {
        tracing::warn!(%error, "missing vectors not made");
    }
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
            Err(error) if is_waiting_for_models(&error) => {}
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
        let (found, mut missed) = mpsc::unbounded_channel();
        stale(state, &found).await.unwrap();
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
        assert_eq!(
            vectors::refresh_missing(state, &municipality)
                .await
                .unwrap(),
            1
        );
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
