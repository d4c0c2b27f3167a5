//! The register: who looks like whom, and what may be seen of it.

use domain::disclosure::{Confirmation, Disclosure, Excluded, Exclusion, Level};
use domain::likeness::Identity;
use domain::section::Section;
use jiff::civil::date;

use super::on_both;
use super::world::{World, person};
use crate::persons::{self, Flag, PersonPatch};
use crate::{Caller, StoreError};

fn identity(values: &[(&str, &str)]) -> Identity {
    let mut out = Identity::default();
    for (field, value) in values {
        out.add(field, value);
    }
    out
}

/// Names and reasons that somebody is shown.
async fn alike(
    world: &World,
    caller: &Caller,
    who: &[(&str, &str)],
) -> Vec<(String, Vec<&'static str>)> {
    let mut tx = world.db.read().await.unwrap();
    let found = tx.alike(caller, &identity(who), None, 5).await.unwrap();
    found
        .into_iter()
        .map(|alike| {
            let reasons = alike
                .likeness
                .reasons
                .iter()
                .map(|reason| reason.code())
                .collect();
            (alike.person.name().to_owned(), reasons)
        })
        .collect()
}

const SAME: &[(&str, &str)] = &[("name", "高橋はな子"), ("name_kana", "たかはし はなこ")];

on_both! {
    async fn who_recorded_a_flag_is_told_to_those_who_see_its_basis(world: &World) {
        let case = world.case("注意").await;
        let id = case.clients[0].clone();
        let mut tx = world.db.write().await.unwrap();
        let flag = Flag { id: String::new(), flag: "violence".into(), basis: Some("警察からの連絡".into()), review_on: None };
        let patch = PersonPatch { add_flags: vec![flag], ..PersonPatch::default() };
        let access = tx.person_for(&world.coordinator, &id).await.unwrap().unwrap();
        let version = access.person(&mut tx).await.unwrap().unwrap().version;
        access.update(&mut tx, version, &patch).await.unwrap();
        let flags = access.person(&mut tx).await.unwrap().unwrap().flags;
        let records = access.flag_records(&mut tx).await.unwrap();
        let (by, at) = &records[&flags[0].id];
        assert_eq!((records.len(), by.as_ref()), (1, Some(&world.coordinator.viewer.account)));
        assert_eq!(*at, tx.now_text());
        let right = Disclosure { agency: world.agency.viewer.agency.clone(), section: Section::Intake, level: Level::Read, comment: false, from: None, to: None };
        let confirmation = Confirmation { basis: "life_protection".into(), reason: "緊急".into(), meeting: None, until: None };
        let given = tx.case_for(&world.coordinator, &case.case).await.unwrap().unwrap();
        let done = given.add_member(&mut tx, &world.agency.viewer.agency, "member", date(2026, 11, 2), None, &[right], Some(&confirmation)).await.unwrap();
        assert_eq!(done, crate::Sharing::Done);
        let theirs = tx.person_for(&world.agency, &id).await.unwrap().unwrap();
        assert_eq!(theirs.person(&mut tx).await.unwrap().unwrap().flags.len(), 1, "they learn the flag");
        assert!(theirs.flag_records(&mut tx).await.unwrap().is_empty());
    }

    async fn a_birth_date_may_be_a_year(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let mut new = person("明治 花", "めいじ はな");
        for fact in &mut new.facts {
            if fact.field == "birth_date" {
                fact.value = "1955~".into();
            }
        }
        let _ = persons::create(&mut tx, &world.coordinator, &new).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        for (asked, count) in [("昭和30年", 1), ("1955年頃", 1), ("昭和30年3月", 0), ("1955-01-01", 0), ("1955", 0)] {
            let found = tx.find_persons(&world.coordinator, asked, 5).await.unwrap();
            assert_eq!(found.len(), count, "{asked}");
            assert!(found.iter().all(|person| person.age_is_about() && person.age_on(jiff::civil::date(2026, 11, 20)) == Some(71)));
        }
        drop(tx);
        let phone = [("phone_mobile", "090-0000-1234"), ("birth_date", "1956-12-01")];
        assert_eq!(alike(world, &world.coordinator, &phone).await, [("明治 花".to_owned(), vec!["birth_year", "phone"])]);
        assert!(alike(world, &world.coordinator, &phone[1..]).await.is_empty(), "a year alone finds nobody");
        let mut tx = world.db.write().await.unwrap();
        for fact in &mut new.facts {
            if fact.field == "birth_date" {
                fact.value = "1955-13".into();
            }
        }
        assert!(matches!(persons::create(&mut tx, &world.coordinator, &new).await, Err(StoreError::Invalid("birth_date"))));
    }

    async fn the_like_are_found_with_reasons(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let _ = persons::create(&mut tx, &world.coordinator, &person("髙橋 はな子", "たかはし はなこ")).await.unwrap();
        let _ = persons::create(&mut tx, &world.coordinator, &person("大野 優子", "おおの ゆうこ")).await.unwrap();
        tx.commit().await.unwrap();
        for (who, wanted) in [
            (vec![("name", "高橋はな子")], Some(("髙橋 はな子", vec!["name_variant"]))),
            (vec![("name", "はな子 髙橋")], Some(("髙橋 はな子", vec!["name_swapped"]))),
            (vec![("name_kana", "ハナコ　タカハシ")], Some(("髙橋 はな子", vec!["kana_swapped"]))),
            (vec![("name_kana", "おの ゆーこ")], Some(("大野 優子", vec!["kana_like"]))),
            (vec![("name", "佐藤 優子"), ("birth_date", "1958-05-06")], Some(("大野 優子", vec!["given_name", "birth_date"]))),
            (vec![("birth_date", "1958-05-06")], None),
            (vec![("name", "田中 太郎"), ("name_kana", "たなか たろう")], None),
            (vec![], None),
        ] {
            let wanted: Vec<_> = wanted.into_iter().map(|(name, why)| (name.to_owned(), why)).collect();
            assert_eq!(alike(world, &world.coordinator, &who).await, wanted, "{who:?}");
        }
        // A family shares a telephone: shown, but no duplicate.
        let by_phone = alike(world, &world.coordinator, &[("name", "他人"), ("phone_home", "+81 90 0000 1234")]).await;
        assert_eq!(by_phone.len(), 2);
        assert!(by_phone.iter().all(|(_, why)| why == &["phone"]), "{by_phone:?}");
    }

    async fn nobody_hidden_is_hinted_at(world: &World) {
        let created = world.case("髙橋 はな子").await;
        let mut who = SAME.to_vec();
        who.extend([("birth_date", "1958-05-06"), ("phone_mobile", "090-0000-1234")]);
        assert_eq!(alike(world, &world.coordinator, &who).await.len(), 1);
        assert!(alike(world, &world.agency, &who).await.is_empty(), "no case is disclosed to the agency");
        let mut tx = world.db.read().await.unwrap();
        for caller in [&world.stat, &world.auditor, &world.sysadmin] {
            assert!(matches!(tx.alike(caller, &identity(&who), None, 5).await, Err(StoreError::Forbidden)));
        }
        drop(tx);
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let hidden = Exclusion { who: Excluded::Agency(world.department.viewer.agency.clone()), about: Some(created.clients[0].clone()) };
        access.exclude(&mut tx, &hidden, "加害の疑い").await.unwrap();
        tx.commit().await.unwrap();
        assert!(alike(world, &world.department, &who).await.is_empty(), "excluded from the person");
    }

    async fn an_agency_is_shown_whom_it_reads_by_name(world: &World) {
        let created = world.shared_case("髙橋 はな子", Level::Read).await;
        let who = [("name", "高橋はな子"), ("phone_mobile", "090-0000-1234")];
        assert_eq!(alike(world, &world.agency, &who).await, [("髙橋 はな子".to_owned(), vec!["name_variant", "phone"])]);
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(&world.coordinator, &created.clients[0]).await.unwrap().unwrap();
        access.update(&mut tx, 1, &PersonPatch { address_confidential: Some(true), ..PersonPatch::default() }).await.unwrap();
        tx.commit().await.unwrap();
        for caller in [&world.agency, &world.department] {
            for (_, why) in alike(world, caller, &who).await {
                assert_eq!(why, ["name_variant"], "a protected number gives no sign");
            }
            assert!(alike(world, caller, &who[1..]).await.is_empty(), "nor alone");
        }
    }

    async fn entries_of_older_rules_are_made_anew(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let _ = persons::create(&mut tx, &world.coordinator, &person("髙橋 はな子", "たかはし はなこ")).await.unwrap();
        // As a database of before this version stands.
        sqlx::query("DELETE FROM person_index").execute(tx.conn()).await.unwrap();
        sqlx::query("UPDATE persons SET index_version = 0").execute(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        assert!(alike(world, &world.coordinator, SAME).await.is_empty());
        assert_eq!(persons::refresh_index(&world.db).await.unwrap(), 1);
        assert_eq!(alike(world, &world.coordinator, SAME).await.len(), 1);
        assert_eq!(persons::refresh_index(&world.db).await.unwrap(), 0);
    }

    /// `MUSUBI_REGISTER_SCALE` says among how many persons; the time is printed.
    async fn the_like_are_found_among_many(world: &World) {
        let many: usize = std::env::var("MUSUBI_REGISTER_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
        let (surnames, given) = (["さとう", "すずき", "たかはし", "たなか", "いとう", "わたなべ", "やまもと", "なかむら"], ["はなこ", "ゆうこ", "けいこ", "いちろう", "たろう", "じろう"]);
        let mut made = 0;
        while made < many {
            let mut tx = world.db.write().await.unwrap();
            for n in made..(made + 500).min(many) {
                // Letters that make the names as many as those of a town.
                let tail: String = [n / 48 % 40, n / 1920 % 40].iter().filter_map(|k| "かきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろ".chars().nth(*k)).collect();
                let kana = format!("{}{tail} {}", surnames[n % 8], given[n / 8 % 6]);
                let born = jiff::civil::date(1930, 1, 1).checked_add(jiff::Span::new().days(i64::try_from(n * 7 % 30_000).unwrap())).unwrap();
                let facts = vec![
                    persons::Fact::current("name", kana.clone()),
                    persons::Fact::current("name_kana", kana),
                    persons::Fact::current("birth_date", born.to_string()),
                    persons::Fact::current("phone_home", format!("0422-{:02}-{:04}", n / 10_000, n % 10_000)),
                ];
                let _ = persons::create(&mut tx, &world.coordinator, &persons::NewPerson { facts, ..persons::NewPerson::default() }).await.unwrap();
            }
            tx.commit().await.unwrap();
            made = (made + 500).min(many);
        }
        let mut times = Vec::new();
        for n in 0..40 {
            let n = n * 7 % many;
            let mut tx = world.db.read().await.unwrap();
            let phone = format!("0422{:02}{:04}", n / 10_000, n % 10_000);
            let who = identity(&[("name_kana", "さとおか ゆーこ"), ("birth_date", "1958-05-06"), ("phone_home", &phone)]);
            let before = std::time::Instant::now();
            let found = tx.alike(&world.coordinator, &who, None, 5).await.unwrap();
            times.push(before.elapsed());
            assert!(!found.is_empty());
        }
        times.sort();
        println!("{many} persons: median {:?}, slowest {:?}", times[20], times[39]);
    }
}
