use std::sync::Arc;

use bytes::Bytes;
use collab::identity::Author;
use collab::log::{Entry, Span, UpdateLog};
use collab::shape::Shape;
use domain::erasure::{ErasureGround, ErasureScope, ErasureState, ErasureStep};
use domain::id::{DocumentId, ErasureId};
use domain::role::Role;
use domain::section::DocumentKind;
use yrs::{Text, Transact};

use super::households::together;
use super::on_both;
use super::world::{CANARY, World, caller, municipality, person};
use crate::cases::CreatedCase;
use crate::data_keys::{self, Purpose};
use crate::erasure::{self, Ended, NewErasure, Told};
use crate::keys::KeySource;
use crate::persons;
use crate::testing::{TestStore, noon};
use crate::{Caller, Database, Dialect, DocumentLog, Settings, StoreError, finding};

const GONE: &str = "消える言葉";
const KEPT: &str = "残る言葉";

/// Every document of these tests is one text.
fn shapes(_: DocumentKind, _: &Arc<domain::form::Catalogue>) -> Option<Arc<Shape>> {
    Some(Arc::new(Shape::note()))
}

/// An entry per change: both words typed, the first taken away again.
fn changes() -> Vec<Entry> {
    let mut options = yrs::Options::with_client_id(yrs::ClientID::new(4711));
    options.offset_kind = yrs::OffsetKind::Utf16;
    let doc = yrs::Doc::with_options(options);
    let text = doc.get_or_insert_text("content");
    let mut out = Vec::new();
    let mut add = |update: Vec<u8>, inserted: Vec<Span>, deleted: Vec<Span>| {
        out.push(Entry {
            update: Bytes::from(update),
            author: Author {
                account: "a1".into(),
                membership: "m1".into(),
                agency: "g1".into(),
            },
            at: noon(),
            inserted,
            deleted,
        });
    };
    let span = |clock, len| Span {
        client: 4711,
        clock,
        len,
    };
    let (gone, kept) = (
        u32::try_from(GONE.encode_utf16().count()).unwrap(),
        u32::try_from(KEPT.encode_utf16().count()).unwrap(),
    );
    {
        let mut txn = doc.transact_mut();
        text.push(&mut txn, GONE);
        text.push(&mut txn, KEPT);
        add(txn.encode_update_v1(), vec![span(0, gone + kept)], vec![]);
    }
    {
        let mut txn = doc.transact_mut();
        text.remove_range(&mut txn, 0, gone);
        add(txn.encode_update_v1(), vec![], vec![span(0, gone)]);
    }
    out
}

struct Scene {
    log: DocumentLog,
    manager: Caller,
    approver: Caller,
    case: CreatedCase,
    sheet: DocumentId,
}

async fn scene(world: &World) -> Scene {
    let mut tx = world.db.write().await.unwrap();
    let (own, office) = (
        world.coordinator.viewer.agency.clone(),
        world.department.viewer.agency.clone(),
    );
    let manager = caller(&mut tx, &world.admin, "manager", &own, Role::CoordMgr).await;
    let approver = caller(
        &mut tx,
        &world.admin,
        "approver",
        &office,
        Role::DepartmentApprover,
    )
    .await;
    tx.commit().await.unwrap();
    let case = world.case("消去").await;
    let log = DocumentLog::start(&world.db);
    for (_, document) in &case.documents {
        log.create(document, None).await.unwrap();
        log.append(document, 1, 0, &changes()).await.unwrap();
    }
    let sheet = case
        .documents
        .iter()
        .find(|(kind, _)| *kind == DocumentKind::Assessment)
        .unwrap()
        .1
        .clone();
    Scene {
        log,
        manager,
        approver,
        case,
        sheet,
    }
}

async fn asked(world: &World, by: &Caller, new: &NewErasure) -> Result<ErasureId, StoreError> {
    let mut tx = world.db.write().await.unwrap();
    let id = erasure::request(&mut tx, by, new).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

async fn approved(world: &World, by: &Caller, id: &ErasureId) -> Result<(), StoreError> {
    let mut tx = world.db.write().await.unwrap();
    erasure::approve(&mut tx, by, id).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn carry(world: &World, scene: &Scene) -> Vec<Told> {
    let mut told = Vec::new();
    let job = world.db.next_erasure().await.unwrap().expect("an erasure");
    let ended = erasure::carry_out(
        &world.db,
        &scene.log,
        shapes,
        job,
        async { Ok(()) },
        |one| told.push(one),
    )
    .await
    .unwrap();
    assert_eq!(ended, Ended::Done);
    told
}

async fn places(world: &World, scene: &Scene, text: &str) -> Vec<String> {
    let found = finding::find_text(&world.db, &scene.log, shapes, text)
        .await
        .unwrap();
    assert_eq!(found.unreadable, 0);
    found.places.into_iter().collect()
}

fn past(scene: &Scene) -> NewErasure {
    NewErasure {
        scope: ErasureScope::Past,
        ground: ErasureGround::CorrectionOrSuspension,
        case: None,
        document: Some(scene.sheet.clone()),
        objects: Vec::new(),
        reason: format!("{GONE}は誤り"),
    }
}

on_both! {
    async fn every_step_can_be_done_again(world: &World) {
        let scene = scene(world).await;
        let others = scene.case.documents.len() - 1;
        assert_eq!(places(world, &scene, GONE).await.len(), others + 1);
        let id = asked(world, &scene.manager, &past(&scene)).await.unwrap();
        assert!(places(world, &scene, GONE).await.iter().any(|place| place.starts_with("erasures.reason_sealed")));
        approved(world, &scene.approver, &id).await.unwrap();
        let told = carry(world, &scene).await;
        assert!(told.contains(&Told::Epoch(scene.sheet.clone(), 2)));
        let intact = async |what: &str| {
            // The neighbours keep their past, and nothing is lost.
            let left = places(world, &scene, GONE).await;
            assert!(!left.iter().any(|place| place.contains(scene.sheet.as_str())), "{what}: {left:?}");
            assert!(!left.iter().any(|place| !place.starts_with("document_")), "{what}: {left:?}");
            assert_eq!(places(world, &scene, KEPT).await.len(), others + 1, "{what}");
            let access = world.access(&world.coordinator, &scene.case).await.unwrap();
            let mut tx = world.db.read().await.unwrap();
            assert_eq!(access.summary(&mut tx).await.unwrap().title.as_deref(), Some("消去世帯"), "{what}");
            let living: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM data_keys WHERE owner_id = $1 AND wrapped IS NOT NULL")
                .bind(scene.case.case.as_str()).fetch_one(tx.conn()).await.unwrap();
            assert_eq!(living, 1, "{what}");
        };
        intact("once").await;
        // As after a kill between the work of a step and its being written down.
        for step in ErasureStep::ALL {
            let mut tx = world.db.write().await.unwrap();
            sqlx::query("UPDATE erasures SET state = 'approved', step = $1, lease_until = NULL").bind(step.code()).execute(tx.conn()).await.unwrap();
            tx.commit().await.unwrap();
            carry(world, &scene).await;
            intact(step.code()).await;
        }
        let mut tx = world.db.read().await.unwrap();
        let record = erasure::list(&mut tx, &scene.manager).await.unwrap().remove(0);
        assert_eq!((record.state, record.reason), (ErasureState::Done, None));
        assert_eq!(crate::audit::verify_chain(&mut tx, &world.town).await.unwrap(), crate::audit::Chain::Intact { rows: 11 });
    }

    async fn one_node_works_on_an_erasure(world: &World) {
        let scene = scene(world).await;
        let id = asked(world, &scene.manager, &past(&scene)).await.unwrap();
        approved(world, &scene.approver, &id).await.unwrap();
        let job = world.db.next_erasure().await.unwrap();
        assert!(job.is_some());
        let other = world.store.reopen().await;
        assert!(other.next_erasure().await.unwrap().is_none());
        // It died; the lease ends by itself, and the first one can no longer write anything down.
        world.store.clock.set(noon().checked_add(jiff::SignedDuration::from_secs(31)).unwrap());
        assert!(other.next_erasure().await.unwrap().is_some());
        let late = erasure::carry_out(&world.db, &scene.log, shapes, job.unwrap(), async { Ok(()) }, |_| {}).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    }

    async fn who_asks_and_who_approves(world: &World) {
        let scene = scene(world).await;
        for refused in [&world.coordinator, &world.agency, &world.viewer, &world.auditor, &world.sysadmin] {
            assert!(matches!(asked(world, refused, &past(&scene)).await, Err(StoreError::Forbidden)));
        }
        let id = asked(world, &scene.manager, &past(&scene)).await.unwrap();
        assert!(matches!(asked(world, &scene.manager, &past(&scene)).await, Err(StoreError::Conflict)));
        assert!(matches!(approved(world, &scene.manager, &id).await, Err(StoreError::Invalid("same_person"))));
        assert!(matches!(approved(world, &world.department, &id).await, Err(StoreError::Forbidden)));
        approved(world, &scene.approver, &id).await.unwrap();
        assert!(matches!(approved(world, &scene.approver, &id).await, Err(StoreError::Conflict)));
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(erasure::list(&mut tx, &world.auditor).await.unwrap()[0].reason, None);
        assert!(matches!(erasure::list(&mut tx, &world.agency).await, Err(StoreError::Forbidden)));
    }

    async fn a_whole_case_takes_its_persons_along(world: &World) {
        let scene = scene(world).await;
        let kept = world.case("存続").await;
        assert!(!places(world, &scene, CANARY).await.is_empty());
        let whole = NewErasure { scope: ErasureScope::Case, case: Some(scene.case.case.clone()), document: None, ground: ErasureGround::MistakenEntry, ..past(&scene) };
        let id = asked(world, &scene.manager, &whole).await.unwrap();
        approved(world, &scene.approver, &id).await.unwrap();
        let told = carry(world, &scene).await;
        for (_, document) in &scene.case.documents {
            assert!(told.contains(&Told::Gone(document.clone())), "{told:?}");
        }
        assert!(places(world, &scene, KEPT).await.is_empty() && places(world, &scene, "消去世帯").await.is_empty());
        // The other case's client has the same address; the erased one's is gone.
        let mut tx = world.db.read().await.unwrap();
        let persons: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM persons").fetch_one(tx.conn()).await.unwrap();
        assert_eq!(persons, 1);
        drop(tx);
        assert!(world.access(&world.coordinator, &scene.case).await.is_none());
        assert!(world.access(&world.coordinator, &kept).await.is_some());
    }

    async fn a_backup_of_then_opens_what_the_ring_knows(world: &World) {
        let (gone, kept) = (world.case("消去").await, world.case("存続").await);
        let wrapped = async |case: &CreatedCase| -> Vec<u8> {
            let mut tx = world.db.read().await.unwrap();
            sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE owner_id = $1 AND purpose = 'case'").bind(case.case.as_str()).fetch_one(tx.conn()).await.unwrap()
        };
        let (old_gone, old_kept) = (wrapped(&gone).await, wrapped(&kept).await);
        let mut tx = world.db.write().await.unwrap();
        tx.destroy_key(&world.town, &Purpose::Case(gone.case.clone())).await.unwrap();
        tx.commit().await.unwrap();
        data_keys::rewrap(&world.db, &world.town).await.unwrap();
        // As a restore of yesterday's backup would.
        for (case, old) in [(&gone, old_gone), (&kept, old_kept)] {
            let mut tx = world.db.write().await.unwrap();
            sqlx::query("UPDATE data_keys SET wrapped = $2, state = 'active' WHERE owner_id = $1 AND purpose = 'case'").bind(case.case.as_str()).bind(old).execute(tx.conn()).await.unwrap();
            tx.commit().await.unwrap();
        }
        let again = world.store.reopen().await;
        let lost = data_keys::adopt_ring(&again, &world.town).await.unwrap();
        assert_eq!(lost, [Purpose::Case(gone.case.clone())]);
        let mut tx = again.read().await.unwrap();
        let access = tx.case_for(&world.coordinator, &kept.case).await.unwrap().unwrap();
        assert_eq!(access.summary(&mut tx).await.unwrap().title.as_deref(), Some("存続世帯"));
    }

    async fn whoever_was_erased_since_a_backup_leaves_no_stay_in_it(world: &World) {
        let case = world.case("同居").await;
        let mut tx = world.db.write().await.unwrap();
        let who = &world.coordinator;
        let gone = case.clients[0].clone();
        let kept = persons::create(&mut tx, who, &person("同居 子", "どうきょ こ")).await.unwrap();
        together(&mut tx, who, &[gone.clone(), kept.clone()], 0).await;
        together(&mut tx, who, std::slice::from_ref(&gone), 0).await;
        let old: Vec<u8> = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE owner_id = $1").bind(gone.as_str()).fetch_one(tx.conn()).await.unwrap();
        tx.destroy_key(&world.town, &Purpose::Person(gone.clone())).await.unwrap();
        tx.commit().await.unwrap();
        data_keys::rewrap(&world.db, &world.town).await.unwrap();
        // As a restore of yesterday's backup would.
        let mut tx = world.db.write().await.unwrap();
        sqlx::query("UPDATE data_keys SET wrapped = $2, state = 'active' WHERE owner_id = $1").bind(gone.as_str()).bind(old).execute(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        let again = world.store.reopen().await;
        let done = erasure::after_restore(&again, &DocumentLog::start(&again), shapes).await.unwrap();
        assert_eq!(done.erased_others, 1);
        let mut tx = again.read().await.unwrap();
        let access = tx.person_for(who, &kept).await.unwrap().unwrap();
        let homes = access.households(&mut tx).await.unwrap();
        assert_eq!(homes.len(), 1);
        assert_eq!(homes[0].stays.iter().map(|stay| &stay.person).collect::<Vec<_>>(), [&kept], "whoever stayed with them stays");
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM households").fetch_one(tx.conn()).await.unwrap();
        assert_eq!(left, 1, "where nobody stays any more is no household");
    }
}

/// Keys out of a key service: whoever keeps them adds a generation and takes the old one away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_from_a_command_are_waited_for() {
    let store = TestStore::open(Dialect::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("printed");
    let line = |n: u8| format!("{n} {}\n", hex::encode([n; 32]));
    std::fs::write(&file, line(1)).unwrap();
    let print = format!("cat '{}'", file.display());
    let keys = KeySource::Command(vec!["sh".into(), "-c".into(), print]);
    let url = format!("sqlite:{}", folder.path().join("main.sqlite").display());
    let mut settings = Settings::new(url, folder.path(), keys, store.clock.clone());
    settings.hashing = crate::accounts::Hashing::cheap();
    let db = Database::open(settings).await.unwrap();
    let mut tx = db.write().await.unwrap();
    let town = municipality(&mut tx, "town").await;
    tx.commit().await.unwrap();
    assert_eq!(data_keys::generation(&db, &town).await.unwrap(), 1);
    assert!(
        !data_keys::rotate(&db, &town, 1).await.unwrap(),
        "no newer one"
    );
    std::fs::write(&file, line(1) + &line(2)).unwrap();
    assert!(
        !data_keys::rotate(&db, &town, 1).await.unwrap(),
        "the old one is still there"
    );
    std::fs::write(&file, line(2)).unwrap();
    assert!(data_keys::rotate(&db, &town, 1).await.unwrap());
    db.forget_keys();
    let mut tx = db.write().await.unwrap();
    let sealed = tx
        .seal(&town, &Purpose::Municipality, "a.b", "1", b"text")
        .await
        .unwrap();
    assert_eq!(tx.open(&town, "a.b", "1", &sealed).await.unwrap(), b"text");
}
