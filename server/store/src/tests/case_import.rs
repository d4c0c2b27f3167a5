//! Cases out of files: at the stage they had, under the number they had, by those who may.

use domain::agency::AgencyClass;
use domain::disclosure::{Excluded, Exclusion};
use domain::role::Role;
use domain::stage::Stage;
use jiff::civil::date;

use super::on_both;
use super::world::{CANARY, World, agency, caller, municipality};
use crate::case_import::Standing;
use crate::imports::{self, ImportState};
use crate::{Caller, StoreError};

fn at(stage: Stage) -> Standing {
    Standing {
        stage,
        closed_on: (stage == Stage::Closed).then(|| date(2026, 11, 10)),
        similar_ok: None,
        reason: "取込による".into(),
    }
}

async fn manager(world: &World) -> Caller {
    let mut tx = world.db.write().await.unwrap();
    let office = agency(
        &mut tx,
        &world.admin,
        "移行の機関",
        AgencyClass::Coordinator,
    )
    .await;
    let manager = caller(&mut tx, &world.admin, "manager", &office, Role::CoordMgr).await;
    tx.commit().await.unwrap();
    manager
}

on_both! {
    async fn a_later_stage_is_for_managers_and_stands_in_the_course(world: &World) {
        let manager = manager(world).await;
        let mut new = world.new_case(CANARY);
        let mut tx = world.db.write().await.unwrap();
        let refused = tx.take_in_case(&world.coordinator, &new, &at(Stage::Active)).await;
        assert!(matches!(refused, Err(StoreError::Forbidden)));
        let received = tx.take_in_case(&world.coordinator, &new, &at(Stage::Received)).await.unwrap();
        let access = tx.case_for(&world.coordinator, &received.case).await.unwrap().unwrap();
        assert_eq!(access.steps(&mut tx).await.unwrap().len(), 1);
        new.case_no = Some("H30-12".into());
        let moved = tx.take_in_case(&manager, &new, &at(Stage::Active)).await.unwrap();
        assert_eq!(moved.case_no, "H30-12");
        let access = tx.case_for(&manager, &moved.case).await.unwrap().unwrap();
        assert_eq!(access.stage(), Stage::Active);
        let steps = access.steps(&mut tx).await.unwrap();
        assert_eq!((steps[1].from, steps[1].to), (Some(Stage::Received), Stage::Active));
        assert_eq!(steps[1].reason.as_deref(), Some("取込による"));
        tx.commit().await.unwrap();
    }

    async fn numbers_and_days_that_cannot_be_are_refused(world: &World) {
        let manager = manager(world).await;
        let mut new = world.new_case(CANARY);
        let mut tx = world.db.write().await.unwrap();
        for number in ["2026-0001", "架空太郎"] {
            new.case_no = Some(number.into());
            let refused = tx.take_in_case(&manager, &new, &at(Stage::Received)).await;
            assert!(matches!(refused, Err(StoreError::Invalid("case_no"))), "{number}");
        }
        new.case_no = None;
        for closed_on in [None, Some(date(2026, 11, 1)), Some(date(2999, 1, 1))] {
            let standing = Standing { closed_on, ..at(Stage::Closed) };
            let refused = tx.take_in_case(&manager, &new, &standing).await;
            assert!(matches!(refused, Err(StoreError::Invalid("closed_on"))), "{closed_on:?}");
        }
        let standing = Standing { closed_on: Some(date(2026, 11, 10)), ..at(Stage::Active) };
        let refused = tx.take_in_case(&manager, &new, &standing).await;
        assert!(matches!(refused, Err(StoreError::Invalid("closed_on"))));
    }

    async fn a_hidden_case_has_a_number_and_nothing_else(world: &World) {
        let created = world.case(CANARY).await;
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let out = Exclusion { who: Excluded::Account(world.other.viewer.account.clone()), about: None };
        access.exclude(&mut tx, &out, "利害関係").await.unwrap();
        let numbers = [created.case_no.clone(), "2026-9999".to_owned()];
        let seen = tx.cases_numbered(&world.coordinator, &numbers).await.unwrap();
        assert_eq!(seen.keys().collect::<Vec<_>>(), [&created.case_no]);
        let seen = tx.cases_numbered(&world.other, &numbers).await.unwrap();
        assert!(seen.is_empty());
        let given = tx.numbers_given(&world.other, &numbers).await.unwrap();
        assert_eq!(given.into_iter().collect::<Vec<_>>(), [created.case_no]);
    }

    async fn an_erasure_ends_what_is_still_being_carried_to_documents(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let mut import = imports::create(&mut tx, &world.coordinator, "plan", b"x", &()).await.unwrap();
        import.put_part(&mut tx, "pending", 0, &CANARY).await.unwrap();
        import.keep_only(&mut tx, "pending").await.unwrap();
        assert!(import.file(&mut tx).await.unwrap().is_empty());
        import.advance(&mut tx, ImportState::Filling, None).await.unwrap();
        tx.commit().await.unwrap();
        let due = imports::due(&world.db).await.unwrap();
        assert_eq!(due.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [import.id.as_str()]);
        let mut tx = world.db.write().await.unwrap();
        assert_eq!(imports::end_all(&mut tx, &world.town).await.unwrap(), 1);
        let ended = imports::find(&mut tx, &world.coordinator, &import.id).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.failure.as_deref()), (ImportState::Failed, Some("erasure")));
        assert_eq!(ended.part::<String>(&mut tx, "pending", 0).await.unwrap(), None);
    }

    async fn every_municipality_has_its_turn(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let town = municipality(&mut tx, "elsewhere").await;
        let admin = crate::AdminAccess::of_installation(&town);
        let there = agency(&mut tx, &admin, "多機関協働センター", AgencyClass::Coordinator).await;
        let other = caller(&mut tx, &admin, "foreign", &there, Role::CoordMgr).await;
        let one = caller(&mut tx, &world.admin, "second", &world.coordinator.viewer.agency, Role::CoordMgr).await;
        for sender in [&world.coordinator, &one] {
            for _ in 0..5 {
                imports::create(&mut tx, sender, "plan", b"x", &()).await.unwrap();
            }
        }
        let last = imports::create(&mut tx, &other, "plan", b"x", &()).await.unwrap();
        tx.commit().await.unwrap();
        let due = imports::due(&world.db).await.unwrap();
        assert_eq!(due.len(), 11);
        assert!(due[..2].iter().any(|import| import.id == last.id), "though ten were sent before");
    }

    async fn tries_are_counted_per_state_and_what_never_ends_is_swept(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let mut import = imports::create(&mut tx, &world.coordinator, "plan", b"x", &()).await.unwrap();
        assert_eq!(import.begin(&mut tx).await.unwrap(), Some(1));
        assert_eq!(import.begin(&mut tx).await.unwrap(), Some(2));
        let stale = import.clone();
        import.advance(&mut tx, ImportState::Applying, None).await.unwrap();
        assert_eq!(import.begin(&mut tx).await.unwrap(), Some(1));
        assert_eq!(stale.begin(&mut tx).await.unwrap(), None, "somebody else was at it");
        import.drop_parts(&mut tx).await.unwrap();
        import.advance(&mut tx, ImportState::Indexing, None).await.unwrap();
        assert_eq!(import.begin(&mut tx).await.unwrap(), Some(1), "without a key for it");
        let mut filling = imports::create(&mut tx, &world.coordinator, "plan", b"x", &()).await.unwrap();
        filling.advance(&mut tx, ImportState::Filling, None).await.unwrap();
        for _ in 0..4 {
            imports::create(&mut tx, &world.coordinator, "plan", b"x", &()).await.unwrap();
        }
        let many = imports::create(&mut tx, &world.coordinator, "plan", b"x", &()).await;
        assert!(matches!(many, Err(StoreError::Invalid("too_many"))), "what is carried to documents counts");
        tx.commit().await.unwrap();
        assert_eq!(imports::sweep(&world.db).await.unwrap(), 0);
        world.store.clock.set(crate::testing::noon() + jiff::SignedDuration::from_hours(25));
        assert_eq!(imports::sweep(&world.db).await.unwrap(), 6);
        let mut tx = world.db.read().await.unwrap();
        for (id, why) in [(&import.id, "unindexed"), (&filling.id, "cut_off")] {
            let ended = imports::find(&mut tx, &world.coordinator, id).await.unwrap().unwrap();
            assert_eq!((ended.state, ended.failure.as_deref()), (ImportState::Failed, Some(why)));
        }
    }

    async fn numbers_that_came_with_a_case_are_not_given_again(world: &World) {
        let first = world.case(CANARY).await;
        let mut tx = world.db.write().await.unwrap();
        let (year, count) = first.case_no.split_once('-').unwrap();
        let next: i64 = count.parse::<i64>().unwrap() + 1;
        let mut new = world.new_case(CANARY);
        new.case_no = Some(format!("{year}-{next:04}"));
        crate::cases::create(&mut tx, &world.coordinator, &new).await.unwrap();
        new.case_no = None;
        let after = crate::cases::create(&mut tx, &world.coordinator, &new).await.unwrap();
        assert_eq!(after.case_no, format!("{year}-{:04}", next + 1));
    }
}
