//! What several nodes ask each other by way of the database.

use std::collections::BTreeSet;

use bytes::Bytes;
use collab::access::Change;
use collab::identity::Author;
use collab::log::{Entry, LogError, Snapshot, UpdateLog};
use domain::id::DocumentId;
use domain::section::DocumentKind;
use jiff::SignedDuration;

use super::on_both;
use super::world::World;
use crate::crypto::{self, CryptoError};
use crate::data_keys::{self, Purpose};
use crate::testing::{TestStore, noon};
use crate::{Database, Dialect, DocumentLog, StoreError, municipalities, rights};

fn entry(n: u64) -> Entry {
    Entry {
        update: Bytes::from(n.to_string()),
        author: Author::system(),
        at: noon(),
        inserted: Vec::new(),
        deleted: Vec::new(),
    }
}

async fn document(world: &World) -> DocumentId {
    let created = world.case("記録").await;
    let intake = created
        .documents
        .into_iter()
        .find(|(kind, _)| *kind == DocumentKind::Intake);
    intake.unwrap().1
}

on_both! {
    async fn changes_of_rights_are_numbered_in_the_order_of_their_commits(world: &World) {
        let before = world.db.rights_heads().await.unwrap();
        assert!(before.iter().all(|(town, _)| *town != world.town));
        let mut all = Vec::new();
        for n in 0..12 {
            let (db, town) = (world.db.clone(), world.town.clone());
            all.push(tokio::spawn(async move {
                let mut tx = db.write().await.unwrap();
                tx.rights_changed(&town, Change::Account(n.to_string().into()));
                if n % 3 == 0 {
                    // Rolled back: no number is used up.
                    return None;
                }
                Some(tx.commit_rights().await.unwrap().remove(0).seq)
            }));
        }
        let mut given = BTreeSet::new();
        for one in all {
            given.extend(one.await.unwrap());
        }
        assert_eq!(given, (1..=8).collect());
        assert_eq!(world.db.rights_heads().await.unwrap(), [(world.town.clone(), 8)]);
        let changes = world.db.rights_after(&world.town, 5).await.unwrap().unwrap();
        assert_eq!(changes.iter().map(|change| change.seq).collect::<Vec<_>>(), [6, 7, 8]);
        assert!(matches!(changes[0].change, Change::Account(_)));
        // Another municipality has numbers of its own.
        assert_eq!(world.db.rights_after(&"elsewhere".into(), 0).await.unwrap(), Some(Vec::new()));

        // What was swept is missing, and whoever asks is told so.
        world.store.clock.set(noon() + SignedDuration::from_mins(11));
        let mut tx = world.db.write().await.unwrap();
        tx.rights_changed(&world.town, Change::Everything);
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        assert_eq!(rights::sweep(&mut tx).await.unwrap(), 8);
        tx.commit().await.unwrap();
        assert_eq!(world.db.rights_after(&world.town, 5).await.unwrap(), None);
        assert_eq!(world.db.rights_after(&world.town, 8).await.unwrap().unwrap().len(), 1);
    }

    async fn a_node_with_the_old_keys_in_memory_goes_on_under_the_new_generation(world: &World) {
        let other = world.store.reopen().await;
        let seal = async |db: &Database, note: &str| {
            let purpose = Purpose::Note(note.into());
            let mut tx = db.write().await.unwrap();
            let sealed = tx.seal(&world.town, &purpose, "a.b", "1", note.as_bytes()).await.unwrap();
            tx.commit().await.unwrap();
            sealed
        };
        let opens = async |db: &Database, sealed: &[u8]| {
            let mut tx = db.read().await.unwrap();
            tx.open(&world.town, "a.b", "1", sealed).await
        };
        let before = seal(&other, "before").await;
        let known = data_keys::generations(&mut other.read().await.unwrap()).await.unwrap();
        data_keys::rewrap(&world.db, &world.town).await.unwrap();
        let now = data_keys::generations(&mut other.read().await.unwrap()).await.unwrap();
        assert!(now[&world.town] > known[&world.town], "{now:?} after {known:?}");
        // Made on the node that was told nothing: nobody may need the old generation for it.
        let after = seal(&other, "after").await;
        let mut tx = world.db.read().await.unwrap();
        let wrapped: Vec<Vec<u8>> = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE municipality_id = $1")
            .bind(world.town.as_str())
            .fetch_all(tx.conn())
            .await
            .unwrap();
        drop(tx);
        for wrapped in &wrapped {
            assert_eq!(crypto::header(wrapped).unwrap().epoch, u64::try_from(now[&world.town]).unwrap());
        }
        for db in [&world.db, &other, &world.store.reopen().await] {
            assert_eq!(opens(db, &before).await.unwrap(), b"before");
            assert_eq!(opens(db, &after).await.unwrap(), b"after");
        }
        // A key destroyed on one node stays in the other's memory until that forgets what it holds.
        let mut tx = world.db.write().await.unwrap();
        assert_eq!(tx.destroy_key(&world.town, &Purpose::Note("after".into())).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert!(opens(&other, &after).await.is_ok());
        other.forget_keys();
        assert!(matches!(opens(&other, &after).await, Err(StoreError::Crypto(CryptoError::KeyMissing))));
        assert_eq!(opens(&other, &before).await.unwrap(), b"before");
    }

    async fn what_is_compacted_away_is_not_passed_over(world: &World) {
        let id = document(world).await;
        let (one, two) = (DocumentLog::start(&world.db), DocumentLog::start(&world.store.reopen().await));
        one.create(&id, None).await.unwrap();
        let many: Vec<Entry> = (1..=20).map(entry).collect();
        one.append(&id, 1, 0, &many).await.unwrap();
        assert_eq!(two.since(&id, 1, 15).await.unwrap().len(), 5);
        assert_eq!(two.since(&id, 1, 20).await.unwrap(), []);
        let snapshot = Snapshot { state: b"state".to_vec(), authors: Vec::new() };
        one.compact(&id, 1, 20, &snapshot).await.unwrap();
        // Nothing stands after it, and still something is missing.
        assert_eq!(two.since(&id, 1, 15).await.unwrap_err(), LogError::Compacted { upto: 20 });
        assert_eq!(two.since(&id, 1, 20).await.unwrap(), []);
        assert_eq!(two.load(&id).await.unwrap().municipality, Some(world.town.clone()));
        one.append(&id, 1, 20, &[entry(21)]).await.unwrap();
        let heads = two.heads(&[id.clone(), "unknown".into()]).await.unwrap();
        assert_eq!(heads, [(id, 1, 21)]);
        assert_eq!(two.heads(&[]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn one_node_at_a_time_holds_a_claim() {
    let store = TestStore::open(Dialect::Postgres).await;
    let mut tx = store.db.write().await.unwrap();
    let town = super::world::municipality(&mut tx, "town").await;
    tx.commit().await.unwrap();
    let other = store.reopen().await;
    let claim = store.db.claim(&town, "scan d", "one").await.unwrap();
    assert!(claim.is_some());
    assert!(other.claim(&town, "scan d", "two").await.unwrap().is_none());
    assert!(other.claim(&town, "scan e", "two").await.unwrap().is_some());
    store.db.release(claim.unwrap()).await.unwrap();
    let theirs = other.claim(&town, "scan d", "two").await.unwrap();
    assert!(theirs.is_some());
    // A holder that dies gives nothing back.
    assert!(
        store
            .db
            .claim(&town, "scan d", "one")
            .await
            .unwrap()
            .is_none()
    );
    store.clock.set(noon() + SignedDuration::from_secs(91));
    let again = store.db.claim(&town, "scan d", "one").await.unwrap();
    assert!(again.is_some());
    // And what it does late takes nothing from the next.
    other.release(theirs.unwrap()).await.unwrap();
    assert!(other.claim(&town, "scan d", "two").await.unwrap().is_none());
    let mut tx = store.db.read().await.unwrap();
    assert_eq!(municipalities::list(&mut tx).await.unwrap().len(), 1);
}
