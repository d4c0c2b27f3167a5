use std::collections::{BTreeMap, BTreeSet};

use domain::consent::ConsentStatus;
use domain::disclosure::{Confirmation, Disclosure, Excluded, Exclusion, Level};
use domain::id::PersonId;
use domain::role::Capability;
use domain::section::{DocumentKind, Section};
use domain::stage::Stage;
use jiff::SignedDuration;
use jiff::civil::date;

use super::on_both;
use super::world::{CANARY, World, agency, caller, municipality, person};
use crate::cases::{self, CaseFilter, CasePatch, CaseRole, ClientRef, CreatedCase};
use crate::masking::{self, ScanState};
use crate::persons::{self, PersonPatch};
use crate::progress::{Attached, NewProgress, Visibility};
use crate::projections::Audience;
use crate::statistics::{self, By, Facts};
use crate::testing::noon;
use crate::vectors::{self, Embedded};
use crate::{AdminAccess, Caller, Sharing, StoreError, audit, documents};

async fn list(world: &World, caller: &Caller, q: Option<&str>) -> cases::CasePage {
    let mut tx = world.db.read().await.unwrap();
    let filter = CaseFilter {
        q: q.map(str::to_owned),
        limit: 50,
        ..CaseFilter::default()
    };
    tx.cases(caller, &filter, None).await.unwrap()
}

fn document(created: &CreatedCase, kind: DocumentKind) -> domain::id::DocumentId {
    created
        .documents
        .iter()
        .find(|(k, _)| *k == kind)
        .unwrap()
        .1
        .clone()
}

fn content(text: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::json!({ "title": "電話", "content": text, "private_note": format!("機微 {text}") })
        .as_object()
        .unwrap()
        .clone()
}

fn entry(visibility: Visibility, text: &str) -> NewProgress {
    NewProgress {
        performed_on: date(2026, 11, 10),
        method: "tel".into(),
        visibility,
        persons: Vec::new(),
        agencies: Vec::new(),
        content: content(text),
        attachments: Vec::new(),
        draft: None,
    }
}

/// Edits the register, is in charge of nothing.
async fn second_coordinator(world: &World, tx: &mut crate::Tx) -> Caller {
    let second = agency(
        tx,
        &world.admin,
        "第二センター",
        domain::agency::AgencyClass::Coordinator,
    )
    .await;
    caller(
        tx,
        &world.admin,
        "second",
        &second,
        domain::role::Role::CoordMgr,
    )
    .await
}

/// Likely duplicates of a person, with the codes of the reasons.
async fn twins(
    tx: &mut crate::Tx,
    caller: &Caller,
    person: &domain::id::PersonId,
) -> Vec<(domain::id::PersonId, Vec<&'static str>)> {
    let access = tx.person_for(caller, person).await.unwrap().unwrap();
    let found = access.duplicates(tx).await.unwrap();
    found
        .into_iter()
        .map(|alike| {
            let reasons = alike.likeness.reasons;
            (
                alike.person.id,
                reasons.iter().map(|reason| reason.code()).collect(),
            )
        })
        .collect()
}

on_both! {
    async fn nothing_is_seen_without_disclosure(world: &World) {
        let created = world.case(CANARY).await;
        for stranger in [&world.agency, &world.other, &world.viewer, &world.sysadmin, &world.auditor, &world.stat] {
            assert!(world.access(stranger, &created).await.is_none(), "{:?}", stranger.viewer.role);
            assert_eq!(list(world, stranger, None).await.total, 0);
            assert_eq!(list(world, stranger, Some(CANARY)).await.total, 0);
            let mut tx = world.db.read().await.unwrap();
            for (_, id) in &created.documents {
                assert!(tx.document_for(stranger, id).await.unwrap().is_none());
            }
            for (_, masks) in &created.masks {
                assert!(tx.document_for(stranger, masks).await.unwrap().is_none());
            }
            assert!(tx.person_for(stranger, &created.clients[0]).await.unwrap().is_none());
        }
        assert_eq!(list(world, &world.coordinator, None).await.total, 1);
        assert_eq!(list(world, &world.department, None).await.total, 1);
    }

    async fn another_municipality_never_sees_anything(world: &World) {
        let created = world.shared_case(CANARY, Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let town = municipality(&mut tx, "elsewhere").await;
        let admin = AdminAccess::of_installation(&town);
        let there = agency(&mut tx, &admin, "多機関協働センター", domain::agency::AgencyClass::Coordinator).await;
        let mut foreign = caller(&mut tx, &admin, "foreign", &there, domain::role::Role::CoordMgr).await;
        tx.commit().await.unwrap();
        // Even one who forges the agency of the other municipality.
        for forged in [false, true] {
            if forged {
                foreign.viewer.agency = world.coordinator.viewer.agency.clone();
            }
            let mut tx = world.db.read().await.unwrap();
            assert!(tx.case_for(&foreign, &created.case).await.unwrap().is_none());
            assert!(tx.document_for(&foreign, &document(&created, DocumentKind::Intake)).await.unwrap().is_none());
            assert!(tx.person_for(&foreign, &created.clients[0]).await.unwrap().is_none());
            assert!(tx.find_persons(&foreign, CANARY, 10).await.unwrap().is_empty());
            assert_eq!(list(world, &foreign, None).await.total, 0);
            assert!(tx.admin_for(&foreign).unwrap().accounts(&mut tx).await.unwrap().iter().all(|a| a.login_id == "foreign"));
        }
    }

    async fn levels_say_what_is_shown(world: &World) {
        let masked = world.shared_case(CANARY, Level::Masked).await;
        let access = world.access(&world.agency, &masked).await.unwrap();
        assert_eq!(access.level(), Level::Masked);
        let mut tx = world.db.read().await.unwrap();
        let people = access.persons(&mut tx).await.unwrap();
        assert_eq!(people[0].display, "［氏名1］");
        assert!(people[0].person_id.is_none() && people[0].person.is_none() && people[0].age.is_none());
        let summary = access.summary(&mut tx).await.unwrap();
        assert_eq!(summary.title, None);
        assert!(!serde_json::to_string(&(summary, people)).unwrap().contains(CANARY));
        assert!(tx.person_for(&world.agency, &masked.clients[0]).await.unwrap().is_none());
        assert!(tx.find_persons(&world.agency, CANARY, 10).await.unwrap().is_empty());
        drop(tx);
        assert_eq!(list(world, &world.agency, None).await.total, 1);
        assert_eq!(list(world, &world.agency, Some(CANARY)).await.total, 0, "no oracle for hidden names");
        assert_eq!(list(world, &world.agency, Some("かなりあ")).await.total, 0);

        let read = world.shared_case("夜間飛行子", Level::Read).await;
        let access = world.access(&world.agency, &read).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let people = access.persons(&mut tx).await.unwrap();
        assert_eq!(people[0].display, "夜間飛行子");
        assert_eq!(people[0].age, Some(68));
        assert_eq!(list(world, &world.agency, Some("夜間")).await.total, 1);
        let sheet = access.document(&mut tx, Section::Intake).await.unwrap().unwrap();
        assert_eq!(sheet.level(), Level::Read);
        assert!(sheet.masks().is_none() && !sheet.may_review());
        assert!(tx.document_for(&world.agency, &read.masks[0].1).await.unwrap().is_none(), "masks are for reviewers");
        assert!(tx.document_for(&world.coordinator, &read.masks[0].1).await.unwrap().unwrap().may_review());
        let section = access.sections(&mut tx).await.unwrap();
        let intake = section.iter().find(|s| s.section == Section::Intake).unwrap();
        assert!(intake.seen_by.iter().any(|a| a.agency_id == world.agency.viewer.agency && a.level == Level::Read));
    }

    async fn taking_a_disclosure_or_membership_away_hides(world: &World) {
        let created = world.shared_case(CANARY, Level::Read).await;
        assert!(world.access(&world.agency, &created).await.is_some());
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let rows: Vec<_> = Section::ALL.iter().map(|section| Disclosure {
            agency: world.agency.viewer.agency.clone(), section: *section, level: Level::None, comment: false,
        from: None,
        to: None,
        }).collect();
        assert_eq!(owner.set_disclosures(&mut tx, &rows, None).await.unwrap(), Sharing::Done);
        tx.commit().await.unwrap();
        assert!(world.access(&world.agency, &created).await.is_none());
        assert_eq!(list(world, &world.agency, None).await.total, 0);

        let created = world.shared_case("別件", Level::Read).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        owner.remove_member(&mut tx, &world.agency.viewer.agency).await.unwrap();
        tx.commit().await.unwrap();
        assert!(world.access(&world.agency, &created).await.is_none());
    }

    async fn exclusion_hides_existence(world: &World) {
        let created = world.shared_case(CANARY, Level::Edit).await;
        for who in [Excluded::Agency(world.agency.viewer.agency.clone()), Excluded::Account(world.agency.viewer.account.clone())] {
            let exclusion = Exclusion { who, about: None };
            let mut tx = world.db.write().await.unwrap();
            let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
            owner.exclude(&mut tx, &exclusion, "加害者が利用する機関").await.unwrap();
            tx.commit().await.unwrap();
            assert!(world.access(&world.agency, &created).await.is_none());
            assert_eq!(list(world, &world.agency, None).await.total, 0);
            let mut tx = world.db.write().await.unwrap();
            assert!(tx.person_for(&world.agency, &created.clients[0]).await.unwrap().is_none());
            owner.include(&mut tx, &exclusion).await.unwrap();
            tx.commit().await.unwrap();
            assert!(world.access(&world.agency, &created).await.is_some());
        }
        // A coordinator's account that is excluded does not find the person in the register either.
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let exclusion = Exclusion { who: Excluded::Account(world.department.viewer.account.clone()), about: None };
        owner.exclude(&mut tx, &exclusion, "親族").await.unwrap();
        assert!(tx.find_persons(&world.department, CANARY, 10).await.unwrap().is_empty());
        // A colleague who is the client sees neither the case nor the own entry.
        world.admin.link_person(&mut tx, &world.coordinator.viewer.account, Some(&created.clients[0])).await.unwrap();
        assert!(tx.case_for(&world.coordinator, &created.case).await.unwrap().is_none());
        assert!(tx.person_for(&world.coordinator, &created.clients[0]).await.unwrap().is_none());
    }

    async fn whoever_takes_a_right_away_waits_for_what_rests_on_it(world: &World) {
        let created = world.shared_case(CANARY, Level::Edit).await;
        let mut writing = world.db.write().await.unwrap();
        writing.hold_case(&world.town, &created.case).await.unwrap();
        let exclusion = Exclusion { who: Excluded::Agency(world.agency.viewer.agency.clone()), about: None };
        let (db, coordinator, case) = (world.db.clone(), world.coordinator.clone(), created.case.clone());
        let taking = tokio::spawn(async move {
            let mut tx = db.write().await.unwrap();
            let owner = tx.case_for(&coordinator, &case).await.unwrap().unwrap();
            owner.exclude(&mut tx, &exclusion, "加害者が利用する機関").await.unwrap();
            tx.commit().await.unwrap();
        });
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(!taking.is_finished());
        assert_eq!(writing.case_for(&world.agency, &created.case).await.unwrap().unwrap().level(), Level::Edit);
        writing.commit().await.unwrap();
        taking.await.unwrap();
        assert!(world.access(&world.agency, &created).await.is_none());
    }

    async fn sharing_without_consent_wants_a_confirmation(world: &World) {
        let created = world.case(CANARY).await;
        let agency = world.agency.viewer.agency.clone();
        let rows = vec![Disclosure { agency: agency.clone(), section: Section::Intake, level: Level::Read, comment: false , from: None, to: None}];
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let Sharing::ConfirmationRequired(required) =
            access.add_member(&mut tx, &agency, "member", date(2026, 11, 2), None, &rows, None).await.unwrap() else { panic!() };
        assert_eq!(required.persons[0].person, created.clients[0]);
        assert_eq!(required.persons[0].status, ConsentStatus::Unconfirmed);
        let basis = required.bases.iter().find(|basis| !basis.meeting_bound && basis.ceiling >= Level::Read).unwrap().id.clone();
        let empty = Confirmation { basis: basis.clone(), reason: "  ".into(), meeting: None, until: None };
        assert!(matches!(
            access.add_member(&mut tx, &agency, "member", date(2026, 11, 2), None, &rows, Some(&empty)).await.unwrap(),
            Sharing::ConfirmationRefused(_)
        ));
        tx.commit().await.unwrap();
        assert!(world.access(&world.agency, &created).await.is_none(), "nothing was shared");
        let mut tx = world.db.write().await.unwrap();
        let yes = Confirmation { basis, reason: format!("{CANARY}の生命に危険"), meeting: None, until: Some(date(2026, 12, 20)) };
        assert_eq!(access.add_member(&mut tx, &agency, "member", date(2026, 11, 2), None, &rows, Some(&yes)).await.unwrap(), Sharing::Done);
        tx.commit().await.unwrap();
        let seen = world.access(&world.agency, &created).await.unwrap();
        assert_eq!(seen.decision(Section::Intake).level, Level::Read);
        assert_eq!(seen.decision(Section::Assessment).level, Level::None);
        let mut tx = world.db.read().await.unwrap();
        let overrides = access.overrides(&mut tx).await.unwrap();
        assert_eq!((overrides.len(), overrides[0].operation.as_str()), (1, "members"));
        assert!(overrides[0].reason.contains(CANARY));
        drop(tx);
        // After the basis has run out the agency is down to masked.
        let mut later = world.agency.clone();
        later.viewer.today = date(2026, 12, 21);
        assert_eq!(world.access(&later, &created).await.unwrap().level(), Level::Masked);
    }

    async fn withdrawn_consent_masks_at_once(world: &World) {
        let created = world.shared_case(CANARY, Level::Edit).await;
        assert_eq!(world.access(&world.agency, &created).await.unwrap().level(), Level::Edit);
        world.store.clock.set(noon() + SignedDuration::from_secs(1));
        world.consent(&created, &created.clients[0], ConsentStatus::Withdrawn).await;
        let access = world.access(&world.agency, &created).await.unwrap();
        assert_eq!(access.level(), Level::Masked);
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(access.persons(&mut tx).await.unwrap()[0].display, "［氏名1］");
        let all = world.access(&world.coordinator, &created).await.unwrap().consents(&mut tx).await.unwrap();
        assert_eq!(all.iter().map(|c| (c.consent.status, c.current)).collect::<Vec<_>>(), [(ConsentStatus::Withdrawn, true), (ConsentStatus::Full, false)]);
        assert!(access.consents(&mut tx).await.unwrap().is_empty());
    }

    async fn a_protected_address_is_for_the_listed_only(world: &World) {
        let created = world.shared_case("保護花子", Level::Edit).await;
        let id = created.clients[0].clone();
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        assert!(access.person(&mut tx).await.unwrap().unwrap().fields.contains_key("address"));
        let patch = PersonPatch { address_confidential: Some(true), ..PersonPatch::default() };
        access.update(&mut tx, 1, &patch).await.unwrap();
        tx.commit().await.unwrap();
        // Also the coordinator in charge must be listed.
        for caller in [&world.coordinator, &world.department] {
            let mut tx = world.db.read().await.unwrap();
            let person = tx.person_for(caller, &id).await.unwrap().unwrap().person(&mut tx).await.unwrap().unwrap();
            assert!(person.address_withheld && !serde_json::to_string(&person).unwrap().contains(CANARY));
            assert!(tx.find_persons(caller, "09000001234", 10).await.unwrap().is_empty(), "the number is no way in");
        }
        // An agency that is not listed is capped at masked.
        assert_eq!(world.access(&world.agency, &created).await.unwrap().level(), Level::Masked);
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        let overwrite = PersonPatch { set: BTreeMap::from([("address".into(), Some("x".into()))]), ..PersonPatch::default() };
        assert!(matches!(access.update(&mut tx, 2, &overwrite).await, Err(StoreError::Forbidden)));
        let other = PersonPatch { address_allow: Some(vec![world.other.viewer.agency.clone()]), ..PersonPatch::default() };
        tx.commit().await.unwrap();
        {
            // Once somebody is on the list, who is neither on it nor in charge opens nothing for itself.
            let mut tx = world.db.write().await.unwrap();
            access.update(&mut tx, 2, &other).await.unwrap();
            let second = second_coordinator(world, &mut tx).await;
            let outside = tx.person_for(&second, &id).await.unwrap().unwrap();
            for patch in [
                PersonPatch { address_allow: Some(vec![second.viewer.agency.clone()]), ..PersonPatch::default() },
                PersonPatch { address_confidential: Some(false), ..PersonPatch::default() },
            ] {
                assert!(matches!(outside.update(&mut tx, 3, &patch).await, Err(StoreError::Forbidden)));
            }
        }
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        let allow = vec![world.agency.viewer.agency.clone(), world.coordinator.viewer.agency.clone()];
        access.update(&mut tx, 2, &PersonPatch { address_allow: Some(allow), ..PersonPatch::default() }).await.unwrap();
        tx.commit().await.unwrap();
        let seen = world.access(&world.agency, &created).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let people = seen.persons(&mut tx).await.unwrap();
        assert!(people[0].person.as_ref().unwrap().fields["address"].contains(CANARY));
    }

    async fn members_around_a_protected_person_are_for_the_listed_only(world: &World) {
        let created = world.shared_case("保護花子", Level::Read).await;
        world.disclose(&created, &world.other, Level::Masked, Section::ALL).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let lead = CasePatch { lead_agency: Some(world.agency.viewer.agency.clone()), ..CasePatch::default() };
        owner.update(&mut tx, 1, &lead).await.unwrap();
        tx.commit().await.unwrap();
        let seen = async |caller: &Caller| {
            let mut tx = world.db.read().await.unwrap();
            let case = tx.case_for(caller, &created.case).await.unwrap().unwrap();
            (case.members(&mut tx).await.unwrap().len(), case.summary(&mut tx).await.unwrap().lead_agency.is_some())
        };
        assert_eq!(seen(&world.other).await, (2, true));
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &created.clients[0]).await.unwrap().unwrap();
        let list = vec![world.agency.viewer.agency.clone()];
        access.update(&mut tx, 1, &PersonPatch { address_confidential: Some(true), address_allow: Some(list), ..PersonPatch::default() }).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(seen(&world.other).await, (1, false), "itself");
        assert_eq!(seen(&world.department).await, (0, false));
        assert_eq!(seen(&world.agency).await, (2, true));
        assert_eq!(seen(&world.coordinator).await, (2, true));
    }

    async fn a_withheld_number_is_not_guessed_by_looking_for_it(world: &World) {
        let number = "090-0000-1234";
        let created = world.case("保護花子").await;
        let id = created.clients[0].clone();
        let mut tx = world.db.write().await.unwrap();
        let probe = persons::create(&mut tx, &world.coordinator, &person("別人", "べつじん")).await.unwrap();
        tx.commit().await.unwrap();
        let probed = async || {
            let mut tx = world.db.read().await.unwrap();
            let twins = twins(&mut tx, &world.coordinator, &probe).await;
            (list(world, &world.coordinator, Some(number)).await.total, twins)
        };
        assert_eq!(probed().await, (1, vec![(id.clone(), vec!["birth_date", "phone", "address"])]));
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        access.update(&mut tx, 1, &PersonPatch { address_confidential: Some(true), ..PersonPatch::default() }).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(probed().await, (0, vec![]), "a day of birth alone is no sign");
        assert_eq!(list(world, &world.coordinator, Some("保護")).await.total, 1);
        // With the reading too they are still the same person to look at, but for the number.
        let mut tx = world.db.write().await.unwrap();
        let twin = persons::create(&mut tx, &world.coordinator, &person("保護華子", "かなりあ はなこ")).await.unwrap();
        let twins = twins(&mut tx, &world.coordinator, &twin).await;
        assert!(twins.contains(&(id.clone(), vec!["kana", "birth_date"])), "{twins:?}");
    }

    async fn one_section_gives_the_name_and_not_the_register(world: &World) {
        let created = world.case("本人").await;
        let id = &created.clients[0];
        world.consent(&created, id, ConsentStatus::Full).await;
        world.disclose(&created, &world.agency, Level::Read, &[Section::Plan]).await;
        world.disclose(&created, &world.other, Level::Read, &[Section::Intake]).await;
        let seen = async |caller: &Caller| {
            let mut tx = world.db.write().await.unwrap();
            let case = tx.case_for(caller, &created.case).await.unwrap().unwrap();
            let listed = case.persons(&mut tx).await.unwrap().remove(0);
            let person = tx.person_for(caller, id).await.unwrap().unwrap().person(&mut tx).await.unwrap().unwrap();
            assert_eq!(listed.person.as_ref().unwrap().fields, person.fields);
            assert_eq!((listed.display.as_str(), listed.age), ("本人", Some(68)));
            let title = case.summary(&mut tx).await.unwrap().title;
            let by_birth = tx.find_persons(caller, "1958-05-06", 10).await.unwrap().len();
            drop(tx);
            let by_title = list(world, caller, Some("世帯")).await.total;
            let by_number = list(world, caller, Some("090-0000-1234")).await.total;
            assert_eq!(list(world, caller, Some("かなりあ")).await.total, 1);
            (person.fields.len(), title.is_some(), by_birth, by_title, by_number)
        };
        assert_eq!(seen(&world.agency).await, (2, false, 0, 0, 0));
        assert_eq!(seen(&world.other).await, (6, true, 1, 1, 1));
        assert_eq!(seen(&world.coordinator).await, (6, true, 1, 1, 1));
    }

    async fn a_number_in_an_address_finds_cases_alone(world: &World) {
        let created = world.case("本人").await;
        let by_number = async |number: &str| {
            let mut tx = world.db.read().await.unwrap();
            let filter = CaseFilter { case_no: Some(number.to_owned()), limit: 50, ..CaseFilter::default() };
            tx.cases(&world.coordinator, &filter, None).await.unwrap().total
        };
        for (number, total) in [(created.case_no.as_str(), 1), ("2026-", 1), ("09000001234", 0), ("1958-05-06", 0), ("%", 1), ("9999", 0)] {
            assert_eq!(by_number(number).await, total, "{number}");
        }
    }

    async fn a_narrow_token_reads_nobody(world: &World) {
        let created = world.shared_case("本人", Level::Edit).await;
        for caller in [&world.agency, &world.coordinator, &world.department] {
            let mut narrow = caller.clone();
            narrow.scopes = vec![Capability::ReadStatistics.to_string()];
            let mut tx = world.db.read().await.unwrap();
            assert!(tx.person_for(caller, &created.clients[0]).await.unwrap().is_some());
            assert!(tx.person_for(&narrow, &created.clients[0]).await.unwrap().is_none());
        }
    }

    async fn an_empty_list_is_drawn_up_by_the_coordinator_in_charge(world: &World) {
        let created = world.case("保護花子").await;
        let id = created.clients[0].clone();
        world.store.clock.set(noon() + SignedDuration::from_secs(1));
        let mut tx = world.db.write().await.unwrap();
        let second = second_coordinator(world, &mut tx).await;
        let protect = PersonPatch { address_confidential: Some(true), ..PersonPatch::default() };
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        access.update(&mut tx, 1, &protect).await.unwrap();
        // A case of one's own about the person puts nobody in charge of the list.
        let mut another = world.new_case("x");
        another.clients = vec![ClientRef::Known { person_id: id.clone() }];
        cases::create(&mut tx, &second, &another).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        let outside = tx.person_for(&second, &id).await.unwrap().unwrap();
        assert!(outside.may_edit() && outside.person(&mut tx).await.unwrap().unwrap().address_withheld);
        for patch in [
            PersonPatch { address_allow: Some(vec![second.viewer.agency.clone()]), ..PersonPatch::default() },
            PersonPatch { address_allow: Some(vec![]), ..PersonPatch::default() },
            PersonPatch { address_confidential: Some(false), ..PersonPatch::default() },
        ] {
            assert!(matches!(outside.update(&mut tx, 2, &patch).await, Err(StoreError::Forbidden)));
        }
        let rename = PersonPatch { set: BTreeMap::from([("name".into(), Some("保護 華子".into()))]), ..PersonPatch::default() };
        outside.update(&mut tx, 2, &rename).await.unwrap();
        let both = vec![world.coordinator.viewer.agency.clone(), second.viewer.agency.clone()];
        let in_charge = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        in_charge.update(&mut tx, 3, &PersonPatch { address_allow: Some(both), ..PersonPatch::default() }).await.unwrap();
        // On the list: may go on with it.
        let listed = tx.person_for(&second, &id).await.unwrap().unwrap();
        let alone = vec![second.viewer.agency.clone()];
        listed.update(&mut tx, 4, &PersonPatch { address_allow: Some(alone), ..PersonPatch::default() }).await.unwrap();
        let left = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        let back = PersonPatch { address_allow: Some(vec![world.coordinator.viewer.agency.clone()]), ..PersonPatch::default() };
        left.update(&mut tx, 5, &back).await.expect("no list locks out who is in charge");
        let outside = tx.person_for(&second, &id).await.unwrap().unwrap();
        let again = PersonPatch { address_allow: Some(vec![second.viewer.agency.clone()]), ..PersonPatch::default() };
        assert!(matches!(outside.update(&mut tx, 6, &again).await, Err(StoreError::Forbidden)));
    }

    async fn no_list_is_planted_before_the_protection(world: &World) {
        let shown = async |tx: &mut crate::Tx, id: &PersonId| {
            tx.person_for(&world.coordinator, id).await.unwrap().unwrap().person(tx).await.unwrap().unwrap().address_allow
        };
        let planted = vec![world.other.viewer.agency.clone()];
        let mut tx = world.db.write().await.unwrap();
        // Whoever hands a reception in does not say who sees the protected values.
        let mut new = world.new_case("x");
        new.clients = vec![ClientRef::New(persons::NewPerson { address_allow: planted.clone(), address_confidential: true, ..person("避難", "ひなん") })];
        let handed = cases::create(&mut tx, &world.agency, &new).await.unwrap();
        assert_eq!(shown(&mut tx, &handed.clients[0]).await, []);
        tx.commit().await.unwrap();

        let created = world.case("本人").await;
        let id = &created.clients[0];
        let list = PersonPatch { address_allow: Some(planted.clone()), ..PersonPatch::default() };
        let protect = PersonPatch { address_confidential: Some(true), ..PersonPatch::default() };
        let both = PersonPatch { address_confidential: Some(true), ..list.clone() };
        let mut tx = world.db.write().await.unwrap();
        let second = second_coordinator(world, &mut tx).await;
        let anybody = tx.person_for(&second, id).await.unwrap().unwrap();
        anybody.update(&mut tx, 1, &list).await.unwrap();
        assert!(matches!(anybody.update(&mut tx, 2, &both).await, Err(StoreError::Forbidden)), "not in charge");
        anybody.update(&mut tx, 2, &protect).await.unwrap();
        assert_eq!(shown(&mut tx, id).await, []);
        tx.commit().await.unwrap();
        // The one in charge names the list with the protection.
        let mut tx = world.db.write().await.unwrap();
        let in_charge = tx.person_for(&world.coordinator, id).await.unwrap().unwrap();
        in_charge.update(&mut tx, 3, &PersonPatch { address_confidential: Some(false), ..PersonPatch::default() }).await.unwrap();
        in_charge.update(&mut tx, 4, &both).await.unwrap();
        assert_eq!(shown(&mut tx, id).await, planted);
    }

    async fn the_line_of_a_case_tells_of_nothing_hidden(world: &World) {
        let created = world.case(CANARY).await;
        world.consent(&created, &created.clients[0], ConsentStatus::Full).await;
        world.disclose(&created, &world.agency, Level::Edit, &[Section::Assessment, Section::Progress]).await;
        let newer = {
            world.store.clock.set(noon() + SignedDuration::from_secs(60));
            let newer = world.case("新しい").await;
            world.consent(&newer, &newer.clients[0], ConsentStatus::Full).await;
            world.disclose(&newer, &world.agency, Level::Read, &[Section::Assessment]).await;
            newer
        };
        // (last entry, last change) of the older case, and the order of the list.
        let line = async |caller: &Caller| {
            let page = list(world, caller, None).await;
            let order: Vec<_> = page.items.iter().map(|case| case.id.clone()).collect();
            let case = page.items.into_iter().find(|case| case.id == created.case).unwrap();
            let mut tx = world.db.read().await.unwrap();
            let alone = tx.case_for(caller, &created.case).await.unwrap().unwrap().summary(&mut tx).await.unwrap();
            assert_eq!((alone.last_progress_on, &alone.updated_at), (case.last_progress_on, &case.updated_at));
            (case.last_progress_on, case.updated_at, order[0] == created.case)
        };
        let at = |seconds: i64| domain::clock::instant_text(noon() + SignedDuration::from_secs(seconds));
        let before = line(&world.agency).await;
        assert_eq!(before, (None, at(0), false));

        world.store.clock.set(noon() + SignedDuration::from_secs(120));
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let kept = owner.add_progress(&mut tx, &entry(Visibility::OwnOrg, "x")).await.unwrap();
        let named = NewProgress { agencies: vec![world.other.viewer.agency.clone()], ..entry(Visibility::Custom, "x") };
        owner.add_progress(&mut tx, &named).await.unwrap();
        owner.amend_progress(&mut tx, &kept, serde_json::json!({ "reason": "誤記" }).as_object().unwrap(), &Attached::default()).await.unwrap();
        owner.add_transcript(&mut tx, "txt", "utf-8", &serde_json::Value::Null).await.unwrap();
        tx.work_on(&document(&created, DocumentKind::Intake)).await.unwrap().unwrap().touched(&mut tx).await.unwrap();
        let exclusion = Exclusion { who: Excluded::Account(world.stat.viewer.account.clone()), about: None };
        owner.exclude(&mut tx, &exclusion, "親族").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(line(&world.agency).await, before, "nothing of that is for the agency");
        assert_eq!(line(&world.coordinator).await, (Some(date(2026, 11, 10)), at(120), true));
        let mut tx = world.db.read().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let shown = owner.view_as(&mut tx, &world.agency.viewer.agency).await.unwrap().unwrap();
        assert_eq!(shown.summary(&mut tx).await.unwrap().updated_at, before.1, "the same in 見え方の確認");
        drop(tx);

        world.store.clock.set(noon() + SignedDuration::from_secs(180));
        let mut tx = world.db.write().await.unwrap();
        let named = NewProgress {
            performed_on: date(2026, 11, 3),
            agencies: vec![world.agency.viewer.agency.clone()],
            ..entry(Visibility::Custom, "x")
        };
        owner.add_progress(&mut tx, &named).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(line(&world.agency).await, (Some(date(2026, 11, 3)), at(180), true));

        world.store.clock.set(noon() + SignedDuration::from_secs(240));
        let mut tx = world.db.write().await.unwrap();
        tx.work_on(&document(&newer, DocumentKind::Assessment)).await.unwrap().unwrap().touched(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(line(&world.agency).await, (Some(date(2026, 11, 3)), at(180), false), "a shown sheet moves its case");

        // Shut out of everything about one person: entries about that person tell nothing either.
        world.store.clock.set(noon() + SignedDuration::from_secs(300));
        let mut tx = world.db.write().await.unwrap();
        let child = persons::create(&mut tx, &world.coordinator, &person("こども", "こども")).await.unwrap();
        owner.add_person(&mut tx, &child, CaseRole::Household, None).await.unwrap();
        for kind in [DocumentKind::Assessment, DocumentKind::Intake, DocumentKind::Network] {
            let sheet = tx.document_for(&world.coordinator, &document(&created, kind)).await.unwrap().unwrap();
            sheet.set_subjects(&mut tx, &created.clients).await.unwrap();
        }
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let exclusion = Exclusion { who: Excluded::Agency(world.agency.viewer.agency.clone()), about: Some(child.clone()) };
        owner.exclude(&mut tx, &exclusion, "加害者").await.unwrap();
        tx.commit().await.unwrap();
        world.store.clock.set(noon() + SignedDuration::from_secs(360));
        let mut tx = world.db.write().await.unwrap();
        let about_child = NewProgress { performed_on: date(2026, 11, 19), persons: vec![child], ..entry(Visibility::CaseMembers, "x") };
        owner.add_progress(&mut tx, &about_child).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let seen = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let summary = seen.summary(&mut tx).await.unwrap();
        let entries = seen.progress_records(&mut tx).await.unwrap();
        assert_eq!(summary.last_progress_on, entries.iter().map(|entry| entry.performed_on).max());
        assert!(summary.last_progress_on < Some(date(2026, 11, 19)) && summary.updated_at < at(360));
        drop(tx);
        assert_eq!(line(&world.coordinator).await.0, Some(date(2026, 11, 19)));
    }

    async fn the_register_keeps_the_past_and_finds_it(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let id = persons::create(&mut tx, &world.coordinator, &person("髙橋 花子", "タカハシ ハナコ")).await.unwrap();
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        let patch = PersonPatch {
            set: BTreeMap::from([("name".into(), Some("佐藤 花子".into())), ("name_kana".into(), Some("さとう はなこ".into()))]),
            corrections: BTreeSet::new(),
            from: Some(date(2026, 10, 1)),
            ..PersonPatch::default()
        };
        access.update(&mut tx, 1, &patch).await.unwrap();
        assert!(matches!(access.update(&mut tx, 1, &patch).await, Err(StoreError::Conflict)));
        let person = access.person(&mut tx).await.unwrap().unwrap();
        assert_eq!(person.name(), "佐藤 花子");
        let former = person.former.iter().find(|fact| fact.field == "name").unwrap();
        assert_eq!((former.value.as_str(), former.valid_to), ("髙橋 花子", Some(date(2026, 9, 30))));
        for q in ["佐藤", "さと", "はなこ", "花子", "高橋", "たかはし", "ﾀｶﾊｼ", "1958-05-06", "090-0000-1234"] {
            let found = tx.find_persons(&world.coordinator, q, 10).await.unwrap();
            assert_eq!(found.len(), 1, "{q}");
        }
        assert!(tx.find_persons(&world.coordinator, "田中", 10).await.unwrap().is_empty());
        assert!(tx.find_persons(&world.coordinator, &"あ".repeat(1000), 10).await.unwrap().is_empty());
        assert!(matches!(tx.find_persons(&world.stat, "佐藤", 10).await, Err(StoreError::Forbidden)));
        let twin = persons::create(&mut tx, &world.coordinator, &super::super::world::person("佐藤 華子", "さとう はなこ")).await.unwrap();
        assert_eq!(twins(&mut tx, &world.coordinator, &twin).await, [(id.clone(), vec!["kana", "birth_date", "phone", "address"])]);
        // A correction leaves no past.
        let access = tx.person_for(&world.coordinator, &twin).await.unwrap().unwrap();
        let patch = PersonPatch {
            set: BTreeMap::from([("name".into(), Some("佐藤 花代".into()))]),
            corrections: BTreeSet::from(["name".into()]),
            ..PersonPatch::default()
        };
        access.update(&mut tx, 1, &patch).await.unwrap();
        assert!(access.person(&mut tx).await.unwrap().unwrap().former.is_empty());
        assert!(tx.find_persons(&world.coordinator, "佐藤華子", 10).await.unwrap().is_empty());
    }

    async fn cases_move_by_the_rules(world: &World) {
        let created = world.case("山田").await;
        assert_eq!(created.case_no, "2026-0001");
        assert_eq!(world.case("川田").await.case_no, "2026-0002");
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let step = |stage| CasePatch { stage: Some(stage), ..CasePatch::default() };
        assert!(matches!(access.update(&mut tx, 1, &step(Stage::Decided)).await, Err(StoreError::Invalid("stage"))));
        assert!(matches!(access.update(&mut tx, 1, &step(Stage::Closed)).await, Err(StoreError::Invalid("closed_on"))));
        let early = CasePatch { closed_on: Some(date(2026, 11, 1)), ..step(Stage::Closed) };
        assert!(matches!(access.update(&mut tx, 1, &early).await, Err(StoreError::Invalid("closed_on"))));
        assert_eq!(access.update(&mut tx, 1, &step(Stage::Assessing)).await.unwrap(), 2);
        assert!(matches!(access.update(&mut tx, 1, &step(Stage::Screening)).await, Err(StoreError::Conflict)));
        let child = persons::create(&mut tx, &world.coordinator, &person("山田 一郎", "やまだ いちろう")).await.unwrap();
        access.add_person(&mut tx, &child, CaseRole::Household, Some("son")).await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        assert_eq!(access.persons(&mut tx).await.unwrap().iter().map(|p| p.number).collect::<Vec<_>>(), [1, 2]);
        // An agency hands a reception in: the coordinator owns it.
        let handed = cases::create(&mut tx, &world.agency, &world.new_case("引継")).await.unwrap();
        let owner = tx.case_for(&world.coordinator, &handed.case).await.unwrap().unwrap();
        assert!(owner.is_owner());
        assert!(tx.case_for(&world.agency, &handed.case).await.unwrap().is_some());
        assert!(matches!(cases::create(&mut tx, &world.viewer, &world.new_case("x")).await, Err(StoreError::Forbidden)));
    }

    async fn lists_page_and_filter(world: &World) {
        for n in 0..7 {
            world.store.clock.set(noon() + SignedDuration::from_secs(n));
            world.shared_case(&format!("頁{n}"), if n % 2 == 0 { Level::Read } else { Level::None }).await;
        }
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut tx = world.db.read().await.unwrap();
            let page = tx.cases(&world.agency, &CaseFilter { limit: 3, ..CaseFilter::default() }, cursor.as_deref()).await.unwrap();
            assert_eq!(page.total, 4);
            seen.extend(page.items.iter().map(|item| item.clients[0].display.clone()));
            cursor = page.next_cursor;
            if cursor.is_none() { break }
        }
        assert_eq!(seen, ["頁6", "頁4", "頁2", "頁0"]);
        let mut tx = world.db.read().await.unwrap();
        let filter = CaseFilter { stages: vec![Stage::Closed], limit: 10, ..CaseFilter::default() };
        assert_eq!(tx.cases(&world.coordinator, &filter, None).await.unwrap().total, 0);
        let filter = CaseFilter { mine: true, limit: 10, ..CaseFilter::default() };
        assert_eq!(tx.cases(&world.coordinator, &filter, None).await.unwrap().total, 7);
        assert_eq!(list(world, &world.coordinator, Some("2026-0003")).await.total, 1);
        assert!(matches!(tx.cases(&world.coordinator, &filter, Some("bad")).await, Err(StoreError::Invalid("cursor"))));
    }

    async fn an_entry_about_one_person_shows_the_others_to_nobody(world: &World) {
        let created = world.shared_case("本人", Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let refusing = persons::create(&mut tx, &world.coordinator, &person("こども", "こども")).await.unwrap();
        owner.add_person(&mut tx, &refusing, CaseRole::Household, None).await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let sheet = tx.document_for(&world.coordinator, &document(&created, DocumentKind::Assessment)).await.unwrap().unwrap();
        sheet.set_subjects(&mut tx, &created.clients).await.unwrap();
        let about = NewProgress { persons: created.clients.clone(), ..entry(Visibility::CaseMembers, "こどもは転校した") };
        let id = owner.add_progress(&mut tx, &about).await.unwrap();
        tx.commit().await.unwrap();
        let seen = async |caller: &Caller| {
            let mut tx = world.db.read().await.unwrap();
            let access = tx.case_for(caller, &created.case).await.unwrap().unwrap();
            let people = access.persons(&mut tx).await.unwrap();
            let entry = access.progress_record(&mut tx, &id).await.unwrap().unwrap();
            (people[0].display.clone(), entry.level, entry.content.is_some())
        };
        // The client consents and is shown by name; the entry speaks of the child, who does not.
        assert_eq!(seen(&world.agency).await, ("本人".into(), Level::Masked, false));
        assert_eq!(seen(&world.department).await, ("本人".into(), Level::Read, true), "no consent is asked for the department");
        assert_eq!(seen(&world.coordinator).await, ("本人".into(), Level::Edit, true));
        world.consent(&created, &refusing, ConsentStatus::Full).await;
        assert_eq!(seen(&world.agency).await, ("本人".into(), Level::Edit, true));
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &refusing).await.unwrap().unwrap();
        let patch = PersonPatch { address_confidential: Some(true), ..PersonPatch::default() };
        access.update(&mut tx, 1, &patch).await.unwrap();
        tx.commit().await.unwrap();
        for caller in [&world.agency, &world.department] {
            assert_eq!(seen(caller).await, ("本人".into(), Level::Masked, false));
        }
    }

    async fn entries_keep_to_their_visibility(world: &World) {
        let created = world.shared_case("経過", Level::Edit).await;
        world.disclose(&created, &world.other, Level::Read, Section::ALL).await;
        let mut tx = world.db.write().await.unwrap();
        let by_agency = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let mut ids = Vec::new();
        for visibility in [Visibility::OwnOrg, Visibility::Kotaki, Visibility::CaseMembers] {
            ids.push(by_agency.add_progress(&mut tx, &entry(visibility, CANARY)).await.unwrap());
        }
        let named = NewProgress { agencies: vec![world.other.viewer.agency.clone()], ..entry(Visibility::Custom, "名指し") };
        by_agency.add_progress(&mut tx, &named).await.unwrap();
        let viewer = tx.case_for(&world.viewer, &created.case).await.unwrap().unwrap();
        assert!(matches!(viewer.add_progress(&mut tx, &entry(Visibility::CaseMembers, "x")).await, Err(StoreError::Forbidden)));
        let count = async |tx: &mut crate::Tx, caller: &Caller| {
            tx.case_for(caller, &created.case).await.unwrap().unwrap().progress_records(tx).await.unwrap()
        };
        assert_eq!(count(&mut tx, &world.agency).await.len(), 4);
        assert_eq!(count(&mut tx, &world.coordinator).await.len(), 2);
        let others = count(&mut tx, &world.other).await;
        assert_eq!(others.len(), 2);
        let own = count(&mut tx, &world.agency).await;
        assert!(own.iter().all(|entry| entry.content.as_ref().unwrap().contains_key("private_note")));
        assert!(others.iter().all(|entry| !entry.content.as_ref().unwrap().contains_key("private_note")), "機微メモ stays");
        let reader = tx.case_for(&world.other, &created.case).await.unwrap().unwrap();
        let amendment = serde_json::json!({ "reason": "誤記", "content": "訂正" }).as_object().unwrap().clone();
        assert!(matches!(reader.amend_progress(&mut tx, &ids[2], &amendment, &Attached::default()).await, Err(StoreError::Forbidden)));
        assert!(matches!(reader.amend_progress(&mut tx, &ids[0], &amendment, &Attached::default()).await, Err(StoreError::NotFound)));
        by_agency.amend_progress(&mut tx, &ids[2], &amendment, &Attached::default()).await.unwrap();
        let amended = reader.progress_record(&mut tx, &ids[2]).await.unwrap().unwrap();
        assert_eq!(amended.amendments[0].content["content"], "訂正");
        assert_eq!(amended.account.name, "職員 agency");
        // 機微メモ of the coordinator's amendment are not for the agency whose entry it amends.
        let in_charge = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let secret = serde_json::json!({ "reason": "追記", "content": "追記", "private_note": "内部" }).as_object().unwrap().clone();
        in_charge.amend_progress(&mut tx, &ids[2], &secret, &Attached::default()).await.unwrap();
        for (access, sees) in [(&by_agency, false), (&reader, false), (&in_charge, true)] {
            let entry = access.progress_record(&mut tx, &ids[2]).await.unwrap().unwrap();
            assert_eq!(entry.amendments.iter().any(|amendment| amendment.content.contains_key("private_note")), sees);
        }
        assert!(reader.masked_progress(&mut tx).await.unwrap().is_none(), "nothing to mask for who reads");
        tx.commit().await.unwrap();
        // Masked: that there was a call, not what was said.
        world.store.clock.set(noon() + SignedDuration::from_secs(9));
        world.consent(&created, &created.clients[0], ConsentStatus::Refused).await;
        let mut tx = world.db.read().await.unwrap();
        let masked = count(&mut tx, &world.other).await;
        assert!(masked.iter().all(|entry| entry.content.is_none() && entry.persons.is_none() && entry.amendments.is_empty()));
        // What goes to the masker: just those entries, and of them just the texts.
        let reader = tx.case_for(&world.other, &created.case).await.unwrap().unwrap();
        let material = reader.masked_progress(&mut tx).await.unwrap().unwrap();
        assert_eq!(material.entries.len(), masked.len());
        assert!(material.entries.iter().all(|entry| masked.iter().any(|seen| seen.id == entry.id) && !entry.content.contains_key("private_note")));
        assert!(material.entries.iter().flat_map(|entry| &entry.amendments).all(|amendment| !amendment.content.contains_key("private_note")));
        assert!(!material.persons.is_empty());
        // One's own entries stay readable.
        assert!(count(&mut tx, &world.agency).await.iter().all(|entry| entry.content.is_some()));
    }

    async fn a_scan_that_cannot_be_opened_counts_as_none(world: &World) {
        let created = world.shared_case("破損", Level::Masked).await;
        let other = world.case("無傷").await;
        let (broken, whole) = (document(&created, DocumentKind::Intake), document(&created, DocumentKind::Assessment));
        let value = serde_json::json!({ "values": {} });
        let mut tx = world.db.write().await.unwrap();
        for id in [&broken, &whole] {
            let work = tx.work_on(id).await.unwrap().unwrap();
            work.store_scan(&mut tx, 1, 5, ScanState::Done, 0, &value).await.unwrap();
        }
        sqlx::query("UPDATE mask_scans SET scan_sealed = $1 WHERE document_id = $2")
            .bind(b"damaged".to_vec())
            .bind(broken.as_str())
            .execute(tx.conn())
            .await
            .unwrap();
        let standings = tx.standings(&world.town, &[broken.clone(), whole.clone()]).await.unwrap();
        let scanned = |id: &domain::id::DocumentId| standings.iter().find(|standing| standing.document == *id).unwrap().scan.is_some();
        assert_eq!((standings.len(), scanned(&broken), scanned(&whole)), (2, false, true));
        // So with a register: its case is told apart, and the others are as they were.
        sqlx::query("UPDATE person_facts SET value_sealed = $1 WHERE person_id = $2")
            .bind(b"damaged".to_vec())
            .bind(created.clients[0].as_str())
            .execute(tx.conn())
            .await
            .unwrap();
        let cases = [created.case.clone(), other.case.clone()];
        let registers = tx.registers(&world.town, &cases).await.unwrap();
        assert!(registers[&created.case].is_none());
        assert_eq!(registers[&other.case].as_ref().map(Vec::len), Some(1));
    }

    async fn projections_are_for_their_audience_and_epoch(world: &World) {
        let created = world.shared_case("投影", Level::Masked).await;
        let id = document(&created, DocumentKind::Intake);
        let mut tx = world.db.write().await.unwrap();
        let masked = tx.document_for(&world.agency, &id).await.unwrap().unwrap();
        assert!(masked.projection(&mut tx).await.unwrap().is_none(), "nothing yet, nothing shown");
        let work = tx.work_on(&id).await.unwrap().unwrap();
        assert_eq!(work.register(&mut tx).await.unwrap()[0].1.name(), "投影");
        let (full, view) = (serde_json::json!({ "t": CANARY }), serde_json::json!({ "t": "［氏名1］" }));
        assert!(work.store_projection(&mut tx, Audience::Full, 1, 5, &full).await.unwrap());
        assert!(masked.projection(&mut tx).await.unwrap().is_none(), "the full one is not for masked readers");
        assert!(work.store_projection(&mut tx, Audience::Masked, 1, 5, &view).await.unwrap());
        assert!(!work.store_projection(&mut tx, Audience::Masked, 1, 4, &full).await.unwrap(), "an older one does not win");
        assert_eq!(masked.projection(&mut tx).await.unwrap().unwrap().value, view);
        assert!(matches!(masked.masked_projection(&mut tx).await, Err(StoreError::Forbidden)));
        assert!(matches!(masked.scan(&mut tx).await, Err(StoreError::Forbidden)));
        let owner = tx.document_for(&world.coordinator, &id).await.unwrap().unwrap();
        assert_eq!(owner.projection(&mut tx).await.unwrap().unwrap().value, full);
        assert_eq!(owner.masked_projection(&mut tx).await.unwrap().unwrap().value, view);
        // Scan and review.
        work.store_scan(&mut tx, 1, 5, ScanState::Done, 2, &full).await.unwrap();
        let (waiting, more) = masking::reviews(&mut tx, &world.coordinator).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].pending, more), (1, 2, false));
        assert!(matches!(masking::reviews(&mut tx, &world.agency).await, Err(StoreError::Forbidden)));
        assert!(matches!(owner.release_masks(&mut tx, 5, 2, None, &view).await, Err(StoreError::Invalid("pending"))));
        owner.release_masks(&mut tx, 5, 2, Some("急ぎ"), &view).await.unwrap();
        let release = masked.last_release(&mut tx).await.unwrap().unwrap();
        assert_eq!((release.value, release.reason), (view.clone(), None));
        // A new epoch (erasure) makes everything derived before invisible.
        work.set_epoch(&mut tx, 2).await.unwrap();
        assert!(masked.projection(&mut tx).await.unwrap().is_none());
        assert!(owner.scan(&mut tx).await.unwrap().is_none());
        assert!(masked.last_release(&mut tx).await.unwrap().is_none());
        assert!(!work.store_projection(&mut tx, Audience::Masked, 1, 9, &view).await.unwrap());
    }

    async fn finals_are_kept_and_notes_shared(world: &World) {
        let created = world.shared_case("確定", Level::Edit).await;
        let id = document(&created, DocumentKind::Assessment);
        let mut tx = world.db.write().await.unwrap();
        let access = tx.document_for(&world.agency, &id).await.unwrap().unwrap();
        assert_eq!(access.finalise(&mut tx, 3, &serde_json::json!({ "summary": CANARY }), 0).await.unwrap(), 1);
        let access = tx.document_for(&world.agency, &id).await.unwrap().unwrap();
        assert_eq!(access.level(), Level::Read, "a final document is read");
        assert!(matches!(access.finalise(&mut tx, 3, &serde_json::Value::Null, 0).await, Err(StoreError::Forbidden)));
        assert_eq!(access.finals(&mut tx).await.unwrap()[0].value["summary"], CANARY);
        access.reopen(&mut tx).await.unwrap();
        assert_eq!(tx.document_for(&world.agency, &id).await.unwrap().unwrap().level(), Level::Edit);
        let note = documents::create_note(&mut tx, &world.agency).await.unwrap();
        assert!(tx.document_for(&world.other, &note).await.unwrap().is_none());
        let access = tx.document_for(&world.agency, &note).await.unwrap().unwrap();
        access.share_note(&mut tx, &world.other.viewer.agency, None, Level::Read).await.unwrap();
        let shared = tx.document_for(&world.other, &note).await.unwrap().unwrap();
        assert_eq!(shared.level(), Level::Read);
        assert!(matches!(shared.share_note(&mut tx, &world.other.viewer.agency, None, Level::Edit).await, Err(StoreError::Forbidden)));
        access.share_note(&mut tx, &world.other.viewer.agency, None, Level::None).await.unwrap();
        assert!(tx.document_for(&world.other, &note).await.unwrap().is_none());
        // Its author keeps it under the agency's hat, not under another.
        let author = world.agency.viewer.account.clone();
        let elsewhere = super::super::world::membership(&mut tx, &world.admin, &author, &world.other.viewer.agency, domain::role::Role::Agency).await;
        let other_hat = crate::sessions::caller_in(&mut tx, &world.town, &author, &elsewhere).await.unwrap().unwrap();
        assert!(tx.document_for(&other_hat, &note).await.unwrap().is_none());
        assert_eq!(tx.document_for(&world.agency, &note).await.unwrap().unwrap().level(), Level::Edit);
        assert!(matches!(documents::create_note(&mut tx, &world.auditor).await, Err(StoreError::Forbidden)));
    }

    async fn a_hidden_person_leaves_no_gap_in_the_numbers(world: &World) {
        let created = world.shared_case("本人", Level::Masked).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let hidden = persons::create(&mut tx, &world.coordinator, &person("避難", "ひなん")).await.unwrap();
        owner.add_person(&mut tx, &hidden, CaseRole::Household, None).await.unwrap();
        let child = persons::create(&mut tx, &world.coordinator, &person("こども", "こども")).await.unwrap();
        owner.add_person(&mut tx, &child, CaseRole::Household, None).await.unwrap();
        for (kind, id) in &created.documents {
            if *kind != DocumentKind::Masks {
                let sheet = tx.document_for(&world.coordinator, id).await.unwrap().unwrap();
                sheet.set_subjects(&mut tx, &created.clients).await.unwrap();
            }
        }
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let exclusion = Exclusion { who: Excluded::Agency(world.agency.viewer.agency.clone()), about: Some(hidden.clone()) };
        owner.exclude(&mut tx, &exclusion, "加害者").await.unwrap();
        let reader = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let list = |people: Vec<cases::CasePerson>| people.into_iter().map(|p| (p.number, p.display)).collect::<Vec<_>>();
        assert_eq!(list(reader.persons(&mut tx).await.unwrap()), [(1, "［氏名1］".into()), (2, "［氏名2］".into())]);
        assert_eq!(domain::disclosure::hidden_persons(&world.agency.viewer, reader.facts()), BTreeSet::from([hidden]));
        let all = list(owner.persons(&mut tx).await.unwrap());
        assert_eq!(all.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    }

    async fn what_is_refused_does_not_tell_who_is_in_a_case(world: &World) {
        let created = world.shared_case("本人", Level::Masked).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let hidden = persons::create(&mut tx, &world.coordinator, &person("避難", "ひなん")).await.unwrap();
        owner.add_person(&mut tx, &hidden, CaseRole::Household, None).await.unwrap();
        let stranger = persons::create(&mut tx, &world.coordinator, &person("別人", "べつじん")).await.unwrap();
        tx.commit().await.unwrap();
        // In another case the coordinator knows the hidden person by name: the register shows it.
        let mut tx = world.db.write().await.unwrap();
        let other = cases::NewCase { clients: vec![ClientRef::Known { person_id: hidden.clone() }], ..world.new_case("別件") };
        cases::create(&mut tx, &world.coordinator, &other).await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        for (kind, id) in &created.documents {
            if *kind != DocumentKind::Masks {
                let sheet = tx.document_for(&world.coordinator, id).await.unwrap().unwrap();
                sheet.set_subjects(&mut tx, &created.clients).await.unwrap();
            }
        }
        let own = Excluded::Account(world.coordinator.viewer.account.clone());
        owner.exclude(&mut tx, &Exclusion { who: own, about: Some(hidden.clone()) }, "親族").await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        assert!(tx.person_for(&world.coordinator, &hidden).await.unwrap().is_some());
        assert!(!owner.may_add_persons());
        for asked in [&hidden, &stranger] {
            let added = owner.add_person(&mut tx, asked, CaseRole::Related, None).await;
            assert!(matches!(added, Err(StoreError::Forbidden)));
            let consent = crate::consents::NewConsent {
                person: asked.clone(),
                consent: domain::consent::Consent::of(ConsentStatus::Refused),
                method: None,
                policy_version: None,
                detail: crate::consents::ConsentDetail::default(),
            };
            assert!(matches!(owner.register_consent(&mut tx, &consent).await, Err(StoreError::NotFound)));
        }
        // An agency that reads masked writes entries of its own, about whom it knows by name.
        let right = Disclosure { agency: world.agency.viewer.agency.clone(), section: Section::Progress, level: Level::Edit, comment: true, from: None, to: None };
        owner.set_disclosures(&mut tx, &[right], None).await.unwrap();
        let writer = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        assert!(writer.may_write_progress());
        for asked in [&hidden, &stranger] {
            let about = NewProgress { persons: vec![asked.clone()], ..entry(Visibility::CaseMembers, "訪問") };
            assert!(matches!(writer.add_progress(&mut tx, &about).await, Err(StoreError::Invalid("target_person"))));
        }
    }

    async fn subjects_narrow_whom_a_sheet_is_about(world: &World) {
        let created = world.shared_case("本人", Level::Read).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let child = persons::create(&mut tx, &world.coordinator, &person("こども", "こども")).await.unwrap();
        owner.add_person(&mut tx, &child, CaseRole::Household, None).await.unwrap();
        // A person without consent joins: sheets about everybody fall to masked.
        assert_eq!(tx.case_for(&world.agency, &created.case).await.unwrap().unwrap().decision(Section::Intake).level, Level::Masked);
        let sheet = tx.document_for(&world.coordinator, &document(&created, DocumentKind::Intake)).await.unwrap().unwrap();
        assert!(matches!(sheet.set_subjects(&mut tx, &[PersonId::from("unknown")]).await, Err(StoreError::Invalid("person"))));
        sheet.set_subjects(&mut tx, &created.clients).await.unwrap();
        let access = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        assert_eq!(access.decision(Section::Intake).level, Level::Read);
        assert_eq!(access.decision(Section::Assessment).level, Level::Masked);
        let people = access.persons(&mut tx).await.unwrap();
        assert_eq!(people.iter().map(|p| p.display.as_str()).collect::<Vec<_>>(), ["本人", "［氏名2］"]);
    }

    async fn seeing_as_another_shows_and_changes_nothing(world: &World) {
        let created = world.shared_case(CANARY, Level::Masked).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let seen = owner.view_as(&mut tx, &world.agency.viewer.agency).await.unwrap().unwrap();
        assert!(!serde_json::to_string(&seen.persons(&mut tx).await.unwrap()).unwrap().contains(CANARY));
        assert!(matches!(seen.add_progress(&mut tx, &entry(Visibility::CaseMembers, "x")).await, Err(StoreError::Forbidden)));
        assert!(owner.view_as(&mut tx, &world.other.viewer.agency).await.unwrap().is_none());
        // Seeing as the agency in charge does not hand its rights out either.
        let own = owner.view_as(&mut tx, &world.coordinator.viewer.agency).await.unwrap().unwrap();
        assert!(matches!(own.update(&mut tx, 1, &CasePatch::default()).await, Err(StoreError::Forbidden)));
        assert!(own.document(&mut tx, Section::Intake).await.unwrap().unwrap().level() < Level::Edit);
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        assert!(matches!(partner.view_as(&mut tx, &world.other.viewer.agency).await, Err(StoreError::Forbidden)));
        assert!(matches!(partner.access_log(&mut tx, None, 10).await, Err(StoreError::Forbidden)));
        audit::record(&mut tx, audit::Event::by(&world.agency, "case.view", "case", created.case.as_str()).in_case(&created.case));
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        assert!(owner.access_log(&mut tx, None, 10).await.unwrap().iter().any(|e| e.action == "case.view"));
    }

    async fn transcripts_are_for_readers_of_the_original(world: &World) {
        let created = world.shared_case("文字", Level::Masked).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let value = serde_json::json!({ "utterances": [CANARY] });
        let id = owner.add_transcript(&mut tx, "txt", "utf-8", &value).await.unwrap();
        let (access, transcript) = tx.transcript_for(&world.coordinator, &id).await.unwrap().unwrap();
        assert_eq!(transcript.content, value);
        access.update_transcript(&mut tx, &id, 1, &value).await.unwrap();
        assert!(matches!(access.update_transcript(&mut tx, &id, 1, &value).await, Err(StoreError::Conflict)));
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        assert!(tx.transcript_for(&world.agency, &id).await.unwrap().is_none());
        assert!(partner.transcripts(&mut tx).await.unwrap().is_empty());
        assert!(matches!(partner.add_transcript(&mut tx, "txt", "utf-8", &value).await, Err(StoreError::Forbidden)));
    }

    async fn likenesses_are_opted_in_and_never_of_hidden_cases(world: &World) {
        let created = world.case("類似").await;
        let embedded = Embedded { text: "［氏名1］は".into(), vector: vec![0.5, -1.0] };
        let mut tx = world.db.write().await.unwrap();
        assert!(!vectors::store(&mut tx, &world.town, &created.case, "digest", "m", &embedded).await.unwrap(), "no opt-in");
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        owner.update(&mut tx, 1, &CasePatch { similar_ok: Some(true), ..CasePatch::default() }).await.unwrap();
        assert!(vectors::store(&mut tx, &world.town, &created.case, "digest", "m", &embedded).await.unwrap());
        let of = vectors::opted_in(&mut tx, &world.town, "", 10).await.unwrap();
        assert_eq!(of, std::slice::from_ref(&created.case));
        assert!(vectors::opted_in(&mut tx, &world.town, created.case.as_str(), 10).await.unwrap().is_empty());
        assert!(vectors::likenesses(&mut tx, &world.department, "m", &of, &["001"]).await.unwrap().is_empty());
        let found = vectors::likenesses(&mut tx, &world.department, "m", &of, &[]).await.unwrap();
        assert_eq!((found.len(), found[0].visible, &found[0].embedded), (1, true, &embedded));
        let named = vectors::likenesses(&mut tx, &world.department, "m", &of, &["digest", "features"]).await.unwrap();
        assert_eq!(named, found);
        assert!(vectors::likenesses(&mut tx, &world.department, "another", &of, &[]).await.unwrap().is_empty());
        assert!(matches!(vectors::likenesses(&mut tx, &world.agency, "m", &of, &[]).await, Err(StoreError::Forbidden)));
        let out = Exclusion { who: Excluded::Account(world.department.viewer.account.clone()), about: Some(created.clients[0].clone()) };
        owner.exclude(&mut tx, &out, "親族").await.unwrap();
        assert!(vectors::likenesses(&mut tx, &world.department, "m", &of, &[]).await.unwrap().is_empty());
    }

    async fn statistics_count_by_the_day_of_reception(world: &World) {
        for (n, (month, route)) in [(9, Some("agency")), (10, Some("agency")), (10, Some("self_tel")), (10, None), (11, Some("agency"))].into_iter().enumerate() {
            let mut new = world.new_case(&format!("統計{n}"));
            new.received_on = date(2026, month, 30);
            let mut tx = world.db.write().await.unwrap();
            let created = cases::create(&mut tx, &world.coordinator, &new).await.unwrap();
            let facts = Facts { route: route.map(str::to_owned), issues: Some(vec!["poverty".into(), "debt".into()]), ..Facts::default() };
            statistics::set_facts(&mut tx, &world.town, &created.case, &facts).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = world.db.read().await.unwrap();
        let counts = statistics::new_consultations(&mut tx, &world.stat, "2026-10", "2026-11", By::Route).await.unwrap();
        let rows: Vec<_> = counts.rows.iter().map(|r| (r.month.as_str(), r.code.as_deref(), r.count)).collect();
        assert_eq!(rows, [("2026-10", Some("agency"), 1), ("2026-10", Some("self_tel"), 1), ("2026-10", None, 1), ("2026-11", Some("agency"), 1)]);
        assert_eq!(counts.total_cases, 4);
        let issues = statistics::new_consultations(&mut tx, &world.coordinator, "2026-09", "2026-09", By::Issue).await.unwrap();
        assert_eq!((issues.rows.len(), issues.total_cases), (2, 1));
        assert!(matches!(statistics::new_consultations(&mut tx, &world.agency, "2026-09", "2026-09", By::Issue).await, Err(StoreError::Forbidden)));
        assert!(matches!(statistics::new_consultations(&mut tx, &world.stat, "2026-13", "2026-14", By::Issue).await, Err(StoreError::Invalid("month"))));
    }

    async fn only_the_agency_in_charge_manages(world: &World) {
        let created = world.shared_case("権限", Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let row = Disclosure { agency: world.other.viewer.agency.clone(), section: Section::Intake, level: Level::Edit, comment: true , from: None, to: None};
        assert!(matches!(partner.set_disclosures(&mut tx, std::slice::from_ref(&row), None).await, Err(StoreError::Forbidden)));
        assert!(matches!(partner.remove_member(&mut tx, &world.agency.viewer.agency).await, Err(StoreError::Forbidden)));
        assert!(matches!(partner.update(&mut tx, 1, &CasePatch::default()).await, Err(StoreError::Forbidden)));
        let known = ClientRef::Known { person_id: created.clients[0].clone() };
        let mut stolen = world.new_case("x");
        stolen.clients = vec![known];
        assert!(matches!(cases::create(&mut tx, &world.other, &stolen).await, Err(StoreError::NotFound)), "ids are no keys");
        assert_eq!(partner.disclosures().iter().map(|d| &d.agency).collect::<BTreeSet<_>>().len(), 1);
    }
}
