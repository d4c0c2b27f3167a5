//! Rights with days: they begin and end by themselves, and somebody is reminded before they end.

use domain::consent::ConsentStatus;
use domain::disclosure::{Disclosure, Level};
use domain::section::Section;
use jiff::civil::{Date, date};

use super::on_both;
use super::world::World;
use crate::cases::{CaseFilter, CreatedCase};
use crate::reminders::ReminderKind;
use crate::{Caller, Sharing, StoreError, disclosure_presets};
use domain::disclosure_preset::{Preset, PresetRow};

fn on(caller: &Caller, day: Date) -> Caller {
    let mut later = caller.clone();
    later.viewer.today = day;
    later
}

fn rows(caller: &Caller, level: Level, from: Option<Date>, to: Option<Date>) -> Vec<Disclosure> {
    Section::ALL
        .iter()
        .map(|section| Disclosure {
            agency: caller.viewer.agency.clone(),
            section: *section,
            level,
            comment: false,
            from,
            to,
        })
        .collect()
}

async fn set(world: &World, created: &CreatedCase, rows: &[Disclosure]) -> crate::Result<Sharing> {
    let mut tx = world.db.write().await.unwrap();
    let access = tx
        .case_for(&world.coordinator, &created.case)
        .await
        .unwrap()
        .unwrap();
    let done = access.set_disclosures(&mut tx, rows, None).await;
    tx.commit().await.unwrap();
    done
}

/// Whether the case is there for the caller, by its id and in the list.
async fn seen(world: &World, caller: &Caller, created: &CreatedCase) -> (bool, usize) {
    let mut tx = world.db.read().await.unwrap();
    let there = tx.case_for(caller, &created.case).await.unwrap().is_some();
    let filter = CaseFilter {
        limit: 10,
        ..CaseFilter::default()
    };
    let list = tx.cases(caller, &filter, None).await.unwrap();
    assert_eq!(list.total, list.items.len());
    (there, list.total)
}

async fn withdraw(world: &World, created: &CreatedCase) {
    // Later than the consent: the newest counts.
    world
        .store
        .clock
        .set(crate::testing::noon() + jiff::SignedDuration::from_mins(1));
    world
        .consent(created, &created.clients[0], ConsentStatus::Withdrawn)
        .await;
}

on_both! {
    async fn a_right_ends_by_itself(world: &World) {
        let today = world.coordinator.viewer.today;
        let (next, last) = (today.tomorrow().unwrap(), date(2026, 12, 10));
        let created = world.shared_case("期間", Level::Read).await;
        assert_eq!(set(world, &created, &rows(&world.agency, Level::Read, None, Some(today))).await.unwrap(), Sharing::Done);
        assert_eq!(seen(world, &world.agency, &created).await, (true, 1));
        assert_eq!(seen(world, &on(&world.agency, next), &created).await, (false, 0), "the day after");
        set(world, &created, &rows(&world.agency, Level::Read, Some(next), Some(last))).await.unwrap();
        assert_eq!(seen(world, &world.agency, &created).await, (false, 0), "not yet");
        for (day, there) in [(next, true), (last, true), (last.tomorrow().unwrap(), false)] {
            assert_eq!(seen(world, &on(&world.agency, day), &created).await, (there, usize::from(there)), "{day}");
        }
        let mut tx = world.db.read().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        assert!(access.disclosures().iter().all(|row| (row.from, row.to) == (Some(next), Some(last))));
        let passed = access.passed_on(&mut tx).await.unwrap();
        assert!(passed[0].rights.iter().all(|right| right.last_day == Some(last)), "what went to whom tells its end");
    }

    async fn days_must_be_possible_and_departments_have_none(world: &World) {
        let created = world.shared_case("期間", Level::Read).await;
        let turned = rows(&world.agency, Level::Read, Some(date(2026, 12, 2)), Some(date(2026, 12, 1)));
        assert!(matches!(set(world, &created, &turned).await, Err(StoreError::Invalid("period"))));
        let office = rows(&world.department, Level::Masked, None, Some(date(2026, 12, 1)));
        assert!(matches!(set(world, &created, &office).await, Err(StoreError::Invalid("department_period"))));
    }

    async fn who_is_in_charge_is_reminded(world: &World) {
        let today = world.coordinator.viewer.today;
        let last = today.checked_add(jiff::ToSpan::days(20)).unwrap();
        let created = world.shared_case("期間", Level::Read).await;
        set(world, &created, &rows(&world.agency, Level::Read, None, Some(last))).await.unwrap();
        let due = async |caller: Caller| {
            let mut tx = world.db.read().await.unwrap();
            let all = tx.reminders(&caller).await.unwrap();
            all.into_iter().filter(|one| one.kind == ReminderKind::Right).collect::<Vec<_>>()
        };
        let found = due(world.coordinator.clone()).await;
        assert_eq!(found.len(), 1, "one line for all sections of one day");
        assert_eq!((found[0].due, found[0].sections.len(), &found[0].person), (last, Section::ALL.len(), &None));
        assert!(due(world.agency.clone()).await.is_empty(), "not for the agency itself");
        assert!(due(on(&world.coordinator, last.tomorrow().unwrap())).await.is_empty(), "what is over needs nobody");
        let early = last.checked_sub(jiff::ToSpan::days(31)).unwrap();
        assert!(due(on(&world.coordinator, early)).await.is_empty(), "far away yet");
    }

    async fn what_is_over_does_not_come_back_with_the_agency(world: &World) {
        let today = world.coordinator.viewer.today;
        let created = world.shared_case("期間", Level::Read).await;
        set(world, &created, &rows(&world.agency, Level::Edit, None, Some(today))).await.unwrap();
        let later = on(&world.coordinator, date(2026, 12, 1));
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&later, &created.case).await.unwrap().unwrap();
        let agency = &world.agency.viewer.agency;
        access.remove_member(&mut tx, agency).await.unwrap();
        let access = tx.case_for(&later, &created.case).await.unwrap().unwrap();
        access.add_member(&mut tx, agency, "member", date(2026, 12, 1), None, &[], None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(seen(world, &on(&world.agency, date(2026, 12, 1)), &created).await, (false, 0));
    }

    async fn what_lasts_longer_wants_the_same_confirmation(world: &World) {
        let last = date(2026, 12, 10);
        let created = world.shared_case("期間", Level::Read).await;
        let of = |to| rows(&world.agency, Level::Read, None, to);
        assert_eq!(set(world, &created, &of(Some(last))).await.unwrap(), Sharing::Done);
        withdraw(world, &created).await;
        for longer in [Some(last.tomorrow().unwrap()), None] {
            let asked = set(world, &created, &of(longer)).await.unwrap();
            assert!(matches!(asked, Sharing::ConfirmationRequired(_)), "{longer:?}");
        }
        assert_eq!(set(world, &created, &of(Some(last.yesterday().unwrap()))).await.unwrap(), Sharing::Done, "shorter");
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let agency = &world.agency.viewer.agency;
        let open = of(None);
        let (first, to) = (date(2026, 11, 2), Some(last));
        // The membership is there and goes on; the rights keep their days, so nothing more is shared.
        let done = access.add_member(&mut tx, agency, "observer", first, to, &open, None).await.unwrap();
        assert_eq!(done, Sharing::Done);
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        assert!(access.disclosures().iter().all(|row| row.to == last.yesterday().ok() && row.level == Level::Read));
        let longer = of(Some(last));
        let asked = access.add_member(&mut tx, agency, "observer", first, None, &longer, None).await.unwrap();
        assert!(matches!(asked, Sharing::ConfirmationRequired(_)));
        let turned = rows(&world.agency, Level::Read, Some(last), Some(first));
        let refused = access.add_member(&mut tx, agency, "observer", first, None, &turned, None).await;
        assert!(matches!(refused, Err(StoreError::Invalid("period"))));
        let office = rows(&world.department, Level::Masked, None, Some(last));
        let department = &world.department.viewer.agency;
        let refused = access.add_member(&mut tx, department, "member", first, None, &office, None).await;
        assert!(matches!(refused, Err(StoreError::Invalid("department_period"))));
    }

    async fn a_membership_that_lasts_longer_is_asked_about_too(world: &World) {
        let last = date(2026, 12, 10);
        let created = world.shared_case("期間", Level::Read).await;
        let agency = &world.agency.viewer.agency;
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let first = date(2026, 11, 2);
        access.add_member(&mut tx, agency, "member", first, Some(last), &[], None).await.unwrap();
        tx.commit().await.unwrap();
        withdraw(world, &created).await;
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let asked = access.add_member(&mut tx, agency, "member", first, None, &[], None).await.unwrap();
        assert!(matches!(asked, Sharing::ConfirmationRequired(_)));
        let done = access.add_member(&mut tx, agency, "lead", first, Some(last), &[], None).await.unwrap();
        assert_eq!(done, Sharing::Done);
    }

    async fn a_municipality_has_presets_of_its_own(world: &World) {
        let preset = |label: &str| Preset {
            label: label.into(),
            description: "学校に".into(),
            rows: vec![PresetRow { org_types: vec!["kyoiku".into()], levels: [(Section::Plan, Level::Read)].into() }],
        };
        let mut tx = world.db.write().await.unwrap();
        let refused = disclosure_presets::create(&mut tx, &world.coordinator, &preset("学校")).await;
        assert!(matches!(refused, Err(StoreError::Forbidden)));
        let id = disclosure_presets::create(&mut tx, &world.sysadmin, &preset("学校")).await.unwrap();
        disclosure_presets::update(&mut tx, &world.sysadmin, &id, 1, &preset("学校・園")).await.unwrap();
        let stale = disclosure_presets::update(&mut tx, &world.sysadmin, &id, 1, &preset("x")).await;
        assert!(matches!(stale, Err(StoreError::Conflict)));
        let found = disclosure_presets::list(&mut tx, &world.agency).await.unwrap();
        assert_eq!(found.iter().map(|own| (own.version, &own.preset)).collect::<Vec<_>>(), [(2, &preset("学校・園"))]);
        assert!(matches!(disclosure_presets::list(&mut tx, &world.stat).await, Err(StoreError::Forbidden)));
        assert!(matches!(disclosure_presets::remove(&mut tx, &world.agency, &id).await, Err(StoreError::Forbidden)));
        disclosure_presets::remove(&mut tx, &world.sysadmin, &id).await.unwrap();
        assert!(matches!(disclosure_presets::remove(&mut tx, &world.sysadmin, &id).await, Err(StoreError::NotFound)));
    }
}
