//! Merges of two persons of the register, and taking them back.

use std::collections::BTreeMap;

use domain::consent::{Consent, ConsentStatus};
use domain::disclosure::{Confirmation, Excluded, Exclusion, Level};
use domain::id::{AgencyId, PersonId};
use domain::role::Role;
use domain::section::Section;
use jiff::civil::date;
use sqlx::{Column, Row, ValueRef};

use super::households::together;
use super::on_both;
use super::world::{World, caller, person};
use crate::cases::{self, CaseRole, ClientRef};
use crate::consents::{ConsentDetail, NewConsent};
use crate::data_keys::Purpose;
use crate::households::StayPatch;
use crate::merges::{Choice, MergeRight, NewMerge};
use crate::persons::{self, Fact, Flag, NewPerson, PersonPatch};
use crate::progress::{NewProgress, Visibility};
use crate::{Caller, StoreError, Tx};

/// A generator that replays: what it gives depends on the seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }
}

async fn manager(world: &World) -> Caller {
    let mut tx = world.db.write().await.unwrap();
    let agency = world.coordinator.viewer.agency.clone();
    let manager = caller(&mut tx, &world.admin, "manager", &agency, Role::CoordMgr).await;
    tx.commit().await.unwrap();
    manager
}

async fn version(tx: &mut Tx, caller: &Caller, id: &PersonId) -> i64 {
    let access = tx.person_for(caller, id).await.unwrap().unwrap();
    access.person(tx).await.unwrap().unwrap().version
}

async fn merge(
    world: &World,
    caller: &Caller,
    kept: &PersonId,
    merged: &PersonId,
    choices: BTreeMap<String, Choice>,
) -> String {
    let mut tx = world.db.write().await.unwrap();
    let MergeRight::Granted(access) = tx.merge_for(caller, kept, merged).await.unwrap() else {
        panic!("not granted");
    };
    let new = NewMerge {
        kept_version: version(&mut tx, caller, kept).await,
        merged_version: version(&mut tx, caller, merged).await,
        choices,
        reason: "同一人物と本人に確認".into(),
    };
    let (id, _) = access.merge(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn undo(world: &World, caller: &Caller, kept: &PersonId, id: &str) -> Result<(), StoreError> {
    let mut tx = world.db.write().await.unwrap();
    let now = version(&mut tx, caller, kept).await;
    let access = tx.merges_for(caller, kept).await.unwrap().unwrap();
    access.undo(&mut tx, id, now).await?;
    tx.commit().await
}

/// What a merge may touch, opened: table → rows. Versions and times of change count on and are left
/// out; of sealed values what they say.
async fn state(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut tx = world.db.read().await.unwrap();
    let mut out = BTreeMap::new();
    for (table, sealed, place) in [
        ("persons", "", ""),
        ("person_facts", "value_sealed", "person_facts.value"),
        ("person_flags", "basis_sealed", "person_flags.basis"),
        ("person_index", "", ""),
        ("person_address_allow", "", ""),
        ("case_persons", "", ""),
        ("consents", "detail_sealed", "consents.detail"),
        ("case_exclusions", "reason_sealed", "case_exclusions.reason"),
        ("sharing_bases", "", ""),
        (
            "consent_overrides",
            "reason_sealed",
            "consent_overrides.reason",
        ),
        ("document_subjects", "", ""),
        ("progress_persons", "", ""),
        ("household_stays", "detail_sealed", "household_stays.detail"),
        ("case_facts", "", ""),
    ] {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(tx.conn())
            .await
            .unwrap();
        let mut lines = Vec::new();
        for row in rows {
            let mut line = Vec::new();
            for column in row.columns() {
                let name = column.name();
                if ["version", "updated_at", "granted_at", "granted_by"].contains(&name) {
                    continue;
                }
                let raw = row.try_get_raw(column.ordinal()).unwrap();
                let value = if raw.is_null() {
                    "NULL".to_owned()
                } else if name == sealed {
                    let id = if table == "case_exclusions" {
                        ["case_id", "kind", "subject_id", "about_person"]
                            .map(|part| row.get::<String, _>(part))
                            .join("/")
                    } else {
                        row.get::<String, _>("id")
                    };
                    let record: Vec<u8> = row.get(name);
                    tx.open_text(&world.town, place, &id, &record)
                        .await
                        .unwrap()
                } else {
                    row.try_get::<String, _>(name)
                        .unwrap_or_else(|_| row.get::<i64, _>(name).to_string())
                };
                line.push(format!("{name}={value}"));
            }
            lines.push(line.join(" "));
        }
        lines.sort();
        out.insert(table.to_owned(), lines);
    }
    let linked: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT id, person_id FROM accounts ORDER BY id")
            .fetch_all(tx.conn())
            .await
            .unwrap();
    out.insert(
        "accounts".into(),
        linked.iter().map(|row| format!("{row:?}")).collect(),
    );
    out
}

/// Whatever is written of a stay stands under the key of whoever stays there: erasing one of two persons
/// takes nothing of the other along, and leaves nothing behind. Returns how many texts there were.
async fn stays_stand_under_their_own_keys(world: &World) -> usize {
    let mut tx = world.db.read().await.unwrap();
    let rows = sqlx::query(
        "SELECT person_id, detail_sealed FROM household_stays WHERE detail_sealed IS NOT NULL",
    )
    .fetch_all(tx.conn())
    .await
    .unwrap();
    for row in &rows {
        // Version, then the key's id.
        let key = hex::encode(&row.get::<Vec<u8>, _>("detail_sealed")[1..17]);
        let owner: String = sqlx::query_scalar("SELECT owner_id FROM data_keys WHERE id = $1")
            .bind(key)
            .fetch_one(tx.conn())
            .await
            .unwrap();
        assert_eq!(owner, row.get::<String, _>("person_id"));
    }
    rows.len()
}

fn difference(
    before: &BTreeMap<String, Vec<String>>,
    after: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut out = Vec::new();
    for (table, rows) in before {
        let now = &after[table];
        out.extend(
            rows.iter()
                .filter(|row| !now.contains(row))
                .map(|row| format!("- {table} {row}")),
        );
        out.extend(
            now.iter()
                .filter(|row| !rows.contains(row))
                .map(|row| format!("+ {table} {row}")),
        );
    }
    out
}

fn somebody(dice: &mut Dice, office: &AgencyId, agency: &AgencyId) -> NewPerson {
    let mut new = NewPerson::default();
    let fields: [(&str, [&str; 2]); 7] = [
        ("name", ["髙橋 はな子", "高橋 花子"]),
        ("name_kana", ["たかはし はなこ", "たかはし はなこ"]),
        ("birth_date", ["1958-05-06", "1958-06-05"]),
        ("address", ["架空市一番町1-2", "架空市二番町3"]),
        ("phone_mobile", ["090-0000-1234", "090-0000-9999"]),
        (
            "contact_caution",
            ["留守電に用件を残さない", "夫に知られない"],
        ),
        ("is_anonymous", ["true", "true"]),
    ];
    for (field, values) in fields {
        if dice.roll(4) > 0 {
            let mut fact = Fact::current(field, values[usize::from(dice.coin())]);
            fact.valid_from = dice.coin().then(|| date(2026, 4, 1));
            new.facts.push(fact);
        }
        if dice.roll(3) == 0 {
            new.facts.push(Fact {
                field: field.to_owned(),
                value: if field == "birth_date" {
                    "1958-01-01"
                } else {
                    "以前の値"
                }
                .into(),
                valid_from: None,
                valid_to: Some(date(2025, 3, 31)),
            });
        }
    }
    new.address_confidential = dice.roll(3) == 0;
    // Whoever is on no list could not merge.
    new.address_allow.push(office.clone());
    if dice.coin() {
        new.address_allow.push(agency.clone());
    }
    for flag in ["violence", "infection"] {
        if dice.coin() {
            new.flags.push(Flag {
                id: String::new(),
                flag: flag.into(),
                basis: dice.coin().then(|| "警察からの連絡".to_owned()),
                review_on: dice.coin().then(|| date(2027, 1, 1)),
            });
        }
    }
    new
}

/// A case of the given clients with everything that may name them.
async fn case_of(world: &World, dice: &mut Dice, clients: &[&PersonId], others: &[&PersonId]) {
    let mut tx = world.db.write().await.unwrap();
    let mut new = world.new_case("事案");
    new.clients = clients
        .iter()
        .map(|id| ClientRef::Known {
            person_id: (*id).clone(),
        })
        .collect();
    if new.clients.is_empty() {
        new.clients
            .push(ClientRef::New(person("第三者", "だいさんしゃ")));
    }
    let created = cases::create(&mut tx, &world.coordinator, &new)
        .await
        .unwrap();
    let access = tx
        .case_for(&world.coordinator, &created.case)
        .await
        .unwrap()
        .unwrap();
    for other in others {
        let role = [CaseRole::Client, CaseRole::Household, CaseRole::Relative]
            [usize::try_from(dice.roll(3)).unwrap()];
        access
            .add_person(&mut tx, other, role, dice.coin().then_some("wife"))
            .await
            .unwrap();
    }
    let access = tx
        .case_for(&world.coordinator, &created.case)
        .await
        .unwrap()
        .unwrap();
    let about: Vec<PersonId> = clients
        .iter()
        .chain(others)
        .map(|id| (*id).clone())
        .collect();
    for who in &about {
        for _ in 0..dice.roll(3) {
            let status = ConsentStatus::ALL
                [usize::try_from(dice.roll(ConsentStatus::ALL.len() as u64)).unwrap()];
            let mut consent = Consent::of(status);
            consent.obtained_on = Some(date(2026, 11, 2));
            consent.allowed_sections =
                (status == ConsentStatus::Limited).then(|| vec![Section::Intake]);
            let detail = ConsentDetail {
                note: Some("電話で確認".into()),
                ..ConsentDetail::default()
            };
            let new = NewConsent {
                person: who.clone(),
                consent,
                method: None,
                policy_version: None,
                detail,
            };
            access.register_consent(&mut tx, &new).await.unwrap();
        }
        if dice.coin() {
            let exclusion = Exclusion {
                who: Excluded::Agency(world.other.viewer.agency.clone()),
                about: Some(who.clone()),
            };
            access
                .exclude(&mut tx, &exclusion, "加害者の勤め先")
                .await
                .unwrap();
        }
        if dice.coin() {
            let (_, id) = &created.documents[0];
            let document = tx
                .document_for(&world.coordinator, id)
                .await
                .unwrap()
                .unwrap();
            document
                .set_subjects(&mut tx, std::slice::from_ref(who))
                .await
                .unwrap();
        }
        if dice.coin() {
            let entry = NewProgress {
                performed_on: date(2026, 11, 10),
                method: "tel".into(),
                visibility: Visibility::CaseMembers,
                persons: vec![who.clone()],
                agencies: Vec::new(),
                content: serde_json::Map::new(),
                attachments: Vec::new(),
                draft: None,
            };
            access.add_progress(&mut tx, &entry).await.unwrap();
        }
    }
    if dice.coin() {
        let agency = world.agency.viewer.agency.clone();
        let right = domain::disclosure::Disclosure {
            agency: agency.clone(),
            section: Section::Intake,
            level: Level::Read,
            comment: false,
            from: None,
            to: None,
        };
        let confirmation = Confirmation {
            basis: "life_protection".into(),
            reason: "緊急".into(),
            meeting: None,
            until: None,
        };
        let access = tx
            .case_for(&world.coordinator, &created.case)
            .await
            .unwrap()
            .unwrap();
        let done = access
            .add_member(
                &mut tx,
                &agency,
                "member",
                date(2026, 11, 2),
                None,
                &[right],
                Some(&confirmation),
            )
            .await
            .unwrap();
        assert_eq!(done, crate::Sharing::Done);
    }
    tx.commit().await.unwrap();
}

fn rounds() -> u64 {
    std::env::var("MUSUBI_MERGE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

/// Two persons, in cases of their own, in one that both are in, and in one household.
async fn two(world: &World, dice: &mut Dice) -> (PersonId, PersonId) {
    let (office, agency) = (
        &world.coordinator.viewer.agency,
        &world.agency.viewer.agency,
    );
    let mut tx = world.db.write().await.unwrap();
    let one = somebody(dice, office, agency);
    let kept = persons::create(&mut tx, &world.coordinator, &one)
        .await
        .unwrap();
    let other = somebody(dice, office, agency);
    let merged = persons::create(&mut tx, &world.coordinator, &other)
        .await
        .unwrap();
    for members in [
        vec![kept.clone()],
        vec![merged.clone()],
        vec![kept.clone(), merged.clone()],
    ] {
        if dice.coin() {
            together(&mut tx, &world.coordinator, &members, dice.roll(3)).await;
        }
    }
    if dice.coin() {
        world
            .admin
            .link_person(&mut tx, &world.stat.viewer.account, Some(&merged))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    case_of(world, dice, &[&kept], &[]).await;
    case_of(world, dice, &[&merged], &[]).await;
    case_of(world, dice, &[], &[&kept, &merged]).await;
    (kept, merged)
}

fn choices(dice: &mut Dice) -> BTreeMap<String, Choice> {
    [
        "name",
        "birth_date",
        "address",
        "phone_mobile",
        "contact_caution",
    ]
    .into_iter()
    .filter_map(|field| match dice.roll(3) {
        0 => None,
        1 => Some((field.to_owned(), Choice::Kept)),
        _ => Some((field.to_owned(), Choice::Merged)),
    })
    .collect()
}

async fn loaded(world: &World, id: &PersonId) -> persons::Person {
    let mut tx = world.db.read().await.unwrap();
    persons::load(&mut tx, &world.town, std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(id)
        .unwrap()
}

on_both! {
    async fn taking_a_merge_back_restores_what_was(world: &World) {
        let manager = manager(world).await;
        for seed in 0..rounds() {
            let mut dice = Dice(seed);
            let (kept, merged) = two(world, &mut dice).await;
            let before = state(world).await;
            let id = merge(world, &manager, &kept, &merged, choices(&mut dice)).await;
            stays_stand_under_their_own_keys(world).await;
            let between = state(world).await;
            assert!(!difference(&before, &between).is_empty());
            // Nothing but the merged person's own entry names it any more.
            for (table, rows) in &between {
                let own = ["persons", "person_facts", "person_flags", "person_address_allow", "case_exclusions", "household_stays"];
                if !own.contains(&table.as_str()) {
                    assert!(!rows.iter().any(|row| row.contains(merged.as_str())), "seed {seed}: {table}");
                }
            }
            undo(world, &manager, &kept, &id).await.unwrap();
            let after = state(world).await;
            assert_eq!(difference(&before, &after), Vec::<String>::new(), "seed {seed}");
        }
        assert!(stays_stand_under_their_own_keys(world).await > 0);
    }

    async fn what_was_changed_since_stays(world: &World) {
        let manager = manager(world).await;
        for seed in 100..100 + rounds() {
            let mut dice = Dice(seed);
            let (kept, merged) = two(world, &mut dice).await;
            let (own, other) = (loaded(world, &kept).await, loaded(world, &merged).await);
            let id = merge(world, &manager, &kept, &merged, choices(&mut dice)).await;
            let mut tx = world.db.write().await.unwrap();
            let access = tx.person_for(&manager, &kept).await.unwrap().unwrap();
            let now = access.person(&mut tx).await.unwrap().unwrap();
            let set = BTreeMap::from([
                ("phone_mobile".to_owned(), Some("080-7777-7777".to_owned())),
                ("birth_date".to_owned(), None),
                ("email".to_owned(), Some("a@example.com".to_owned())),
            ]);
            let patch = PersonPatch { set, ..PersonPatch::default() };
            access.update(&mut tx, now.version, &patch).await.unwrap();
            let mut new = world.new_case("後から");
            new.clients = vec![ClientRef::Known { person_id: kept.clone() }];
            let later = cases::create(&mut tx, &world.coordinator, &new).await.unwrap();
            tx.commit().await.unwrap();
            undo(world, &manager, &kept, &id).await.unwrap();
            let (now, alone) = (loaded(world, &kept).await, loaded(world, &merged).await);
            assert_eq!((&alone.fields, &alone.former, &alone.flags), (&other.fields, &other.former, &other.flags), "seed {seed}");
            let mut wanted = own.fields.clone();
            wanted.insert("phone_mobile".into(), "080-7777-7777".into());
            wanted.insert("email".into(), "a@example.com".into());
            wanted.remove("birth_date");
            assert_eq!(now.fields, wanted, "seed {seed}");
            assert_eq!((now.address_confidential, &now.address_allow), (own.address_confidential, &own.address_allow));
            let mut tx = world.db.read().await.unwrap();
            let cases = persons::cases_of(&mut tx, &world.town, &kept).await.unwrap();
            assert!(cases.contains(&later.case), "seed {seed}: a case opened since");
        }
    }

    async fn a_stay_goes_back_with_what_was_written_of_it_since(world: &World) {
        let manager = manager(world).await;
        let mut tx = world.db.write().await.unwrap();
        let who = &world.coordinator;
        let kept = persons::create(&mut tx, who, &person("佐藤 一郎", "さとう いちろう")).await.unwrap();
        let merged = persons::create(&mut tx, who, &person("佐藤 一朗", "さとう いちろう")).await.unwrap();
        together(&mut tx, who, std::slice::from_ref(&merged), 1).await;
        tx.commit().await.unwrap();
        let id = merge(world, &manager, &kept, &merged, BTreeMap::new()).await;
        let mut tx = world.db.write().await.unwrap();
        let access = tx.person_for(who, &kept).await.unwrap().unwrap();
        let stay = access.households(&mut tx).await.unwrap()[0].stays[0].clone();
        let patch = StayPatch { joined_because: Some(Some("退院した".into())), ..StayPatch::default() };
        access.change_stay(&mut tx, &stay.id, stay.version, &patch).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stays_stand_under_their_own_keys(world).await, 1);
        undo(world, &manager, &kept, &id).await.unwrap();
        assert_eq!(stays_stand_under_their_own_keys(world).await, 1);
        let mut tx = world.db.write().await.unwrap();
        tx.destroy_key(&world.town, &Purpose::Person(kept)).await.unwrap();
        let access = tx.person_for(who, &merged).await.unwrap().unwrap();
        let homes = access.households(&mut tx).await.unwrap();
        assert_eq!(homes[0].stays[0].words.joined_because.as_deref(), Some("退院した"), "nothing of it went with the other person");
    }

    async fn protection_never_gets_weaker(world: &World) {
        let manager = manager(world).await;
        for seed in 200..200 + rounds() {
            let mut dice = Dice(seed);
            let (kept, merged) = two(world, &mut dice).await;
            let (own, other) = (loaded(world, &kept).await, loaded(world, &merged).await);
            let mut tx = world.db.read().await.unwrap();
            let mut before = BTreeMap::new();
            for person in [&kept, &merged] {
                for case in persons::cases_of(&mut tx, &world.town, person).await.unwrap() {
                    let facts = cases::facts(&mut tx, &world.town, std::slice::from_ref(&case)).await.unwrap();
                    before.insert(case.clone(), facts[&case].clone());
                }
            }
            drop(tx);
            let _ = merge(world, &manager, &kept, &merged, choices(&mut dice)).await;
            let now = loaded(world, &kept).await;
            assert_eq!(now.address_confidential, own.address_confidential || other.address_confidential);
            for person in [&own, &other] {
                if person.address_confidential {
                    assert!(now.address_allow.iter().all(|agency| person.address_allow.contains(agency)), "seed {seed}");
                }
                for flag in &person.flags {
                    assert!(now.flags.iter().any(|known| known.flag == flag.flag && (flag.basis.is_none() || known.basis == flag.basis)), "seed {seed}");
                }
            }
            let mut tx = world.db.read().await.unwrap();
            let after = cases::facts(&mut tx, &world.town, &before.keys().cloned().collect::<Vec<_>>()).await.unwrap();
            let today = date(2026, 11, 20);
            for (case, then) in before {
                for agency in [&world.agency.viewer.agency, &world.other.viewer.agency] {
                    for section in Section::ALL {
                        let was: Vec<Level> = [&kept, &merged]
                            .into_iter()
                            .filter(|id| then.persons.iter().any(|known| known.person == **id))
                            .map(|id| then.cover(id, agency, *section, today))
                            .collect();
                        let is = after[&case].cover(&kept, agency, *section, today);
                        assert!(was.iter().all(|level| is <= *level), "seed {seed}: {was:?} became {is:?}");
                    }
                }
                let exclusions = |facts: &domain::disclosure::CaseFacts, id: &PersonId| {
                    facts.exclusions.iter().filter(|one| one.about.as_ref() == Some(id)).count()
                };
                let wanted = exclusions(&then, &kept).max(exclusions(&then, &merged));
                assert_eq!(exclusions(&after[&case], &kept), wanted, "seed {seed}");
            }
        }
    }

    async fn who_may_not_see_both_may_not_merge(world: &World) {
        let manager = manager(world).await;
        let mut tx = world.db.write().await.unwrap();
        let plain = persons::create(&mut tx, &world.coordinator, &person("佐藤 一郎", "さとう いちろう")).await.unwrap();
        let same = persons::create(&mut tx, &world.coordinator, &person("佐藤 一郎", "さとう いちろう")).await.unwrap();
        let mut guarded = person("佐藤 一郎", "さとう いちろう");
        guarded.address_confidential = true;
        let guarded = persons::create(&mut tx, &world.coordinator, &guarded).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        for caller in [&world.coordinator, &world.agency, &world.viewer, &world.sysadmin, &world.auditor, &world.stat] {
            assert!(matches!(tx.merge_for(caller, &plain, &same).await, Err(StoreError::Forbidden)), "{}", caller.viewer.role);
        }
        for caller in [&manager, &world.department] {
            assert!(matches!(tx.merge_for(caller, &plain, &same).await.unwrap(), MergeRight::Granted(_)));
            assert!(matches!(tx.merge_for(caller, &plain, &guarded).await.unwrap(), MergeRight::Withheld));
            assert!(matches!(tx.merge_for(caller, &"nobody".into(), &plain).await.unwrap(), MergeRight::Hidden));
            assert!(matches!(tx.merge_for(caller, &plain, &plain).await, Err(StoreError::Invalid("same_entry"))));
        }
        let (pairs, _) = tx.duplicate_pairs(&manager, None, 50).await.unwrap();
        assert_eq!(pairs.len(), 3, "each with each of the others");
        drop(tx);
        // Shut out in one case of one of them: that person does not exist.
        let mut tx = world.db.write().await.unwrap();
        let mut new = world.new_case("事案");
        new.clients = vec![ClientRef::Known { person_id: same.clone() }];
        let created = cases::create(&mut tx, &world.coordinator, &new).await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let exclusion = Exclusion { who: Excluded::Account(manager.viewer.account.clone()), about: Some(same.clone()) };
        access.exclude(&mut tx, &exclusion, "親族").await.unwrap();
        assert!(matches!(tx.merge_for(&manager, &plain, &same).await.unwrap(), MergeRight::Hidden));
        tx.commit().await.unwrap();
    }

    async fn the_latest_merge_is_taken_back_first_and_stale_versions_are_refused(world: &World) {
        let manager = manager(world).await;
        let mut tx = world.db.write().await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(persons::create(&mut tx, &world.coordinator, &person("佐藤 一郎", "さとう いちろう")).await.unwrap());
        }
        tx.commit().await.unwrap();
        let first = merge(world, &manager, &ids[0], &ids[1], BTreeMap::new()).await;
        let second = merge(world, &manager, &ids[0], &ids[2], BTreeMap::new()).await;
        assert!(matches!(undo(world, &manager, &ids[0], &first).await, Err(StoreError::Invalid("later_merge"))));
        let third = merge(world, &manager, &ids[3], &ids[0], BTreeMap::new()).await;
        let last = loaded(world, &ids[3]).await;
        assert_eq!(last.merged.len(), 3, "also by way of another");
        let mut tx = world.db.write().await.unwrap();
        let now = tx.merged_into(&world.town, &ids).await.unwrap();
        assert!(ids[..3].iter().all(|id| now[id] == ids[3]));
        assert!(tx.merges_for(&manager, &ids[0]).await.unwrap().is_none(), "is no more");
        let access = tx.merges_for(&manager, &ids[3]).await.unwrap().unwrap();
        assert!(matches!(access.undo(&mut tx, &third, last.version + 1).await, Err(StoreError::Conflict)));
        let other = person("別人", "べつじん");
        let other = persons::create(&mut tx, &world.coordinator, &other).await.unwrap();
        let MergeRight::Granted(access) = tx.merge_for(&manager, &ids[3], &other).await.unwrap() else { panic!("granted") };
        let stale = NewMerge { kept_version: last.version, merged_version: 7, choices: BTreeMap::new(), reason: "x".into() };
        assert!(matches!(access.merge(&mut tx, &stale).await, Err(StoreError::Conflict)));
        drop(tx);
        undo(world, &manager, &ids[3], &third).await.unwrap();
        undo(world, &manager, &ids[0], &second).await.unwrap();
        undo(world, &manager, &ids[0], &first).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let history = tx.merges_for(&manager, &ids[0]).await.unwrap().unwrap().list(&mut tx).await.unwrap();
        assert_eq!(history.len(), 2);
        assert!(history.iter().all(|merge| merge.undone_at.is_some() && !merge.undoable && merge.reason == "同一人物と本人に確認"));
    }

    async fn erasing_the_last_case_reaches_whoever_was_merged(world: &World) {
        let manager = manager(world).await;
        let mut dice = Dice(7);
        let (kept, merged) = two(world, &mut dice).await;
        let _ = merge(world, &manager, &kept, &merged, BTreeMap::new()).await;
        let mut tx = world.db.write().await.unwrap();
        // Who is an account's person is not erased with a case.
        world.admin.link_person(&mut tx, &world.stat.viewer.account, None).await.unwrap();
        let cases = persons::cases_of(&mut tx, &world.town, &kept).await.unwrap();
        assert_eq!(cases.len(), 3);
        for (at, case) in cases.iter().enumerate() {
            crate::erasure::purge_case(&mut tx, &world.town, case).await.unwrap();
            let left = persons::load(&mut tx, &world.town, &[kept.clone(), merged.clone()]).await.unwrap();
            assert_eq!(left.len(), if at + 1 < cases.len() { 2 } else { 0 }, "after {} cases", at + 1);
        }
        tx.commit().await.unwrap();
        for (table, rows) in state(world).await {
            let named = rows.iter().any(|row| row.contains(kept.as_str()) || row.contains(merged.as_str()));
            assert!(!named, "{table}");
        }
        let mut tx = world.db.read().await.unwrap();
        let merges: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM person_merges").fetch_one(tx.conn()).await.unwrap();
        assert_eq!(merges, 0);
        let keys: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM data_keys WHERE owner_id IN ($1, $2) AND wrapped IS NOT NULL")
            .bind(kept.as_str())
            .bind(merged.as_str())
            .fetch_one(tx.conn())
            .await
            .unwrap();
        assert_eq!(keys, 0, "no key opens their values any more");
    }
}
