//! The list kept in memory says what the policy says case by case, whatever happened in between.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::ConsentStatus;
use domain::disclosure::{CaseFacts, Disclosure, Excluded, Exclusion, Level};
use domain::section::{DocumentKind, Section};
use domain::stage::Stage;
use jiff::SignedDuration;
use jiff::civil::date;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::on_both;
use super::world::{World, person};
use crate::Caller;
use crate::case_facts::{facts, kept as kept_in_memory};
use crate::cases::{CaseFilter, CasePatch, CaseRole, CreatedCase, Listed, facts_anew};
use crate::persons::{self, PersonPatch};
use crate::progress::{NewProgress, Visibility};
use crate::testing::noon;

const LEVELS: [Level; 4] = [Level::None, Level::Masked, Level::Read, Level::Edit];

/// All pages of a list, and the total that each of them said.
async fn paged(
    world: &World,
    caller: &Caller,
    filter: &CaseFilter,
) -> (Vec<Listed>, BTreeSet<usize>) {
    let (mut out, mut totals, mut cursor) = (Vec::new(), BTreeSet::new(), None::<String>);
    loop {
        let mut tx = world.db.read().await.unwrap();
        let page = tx.cases(caller, filter, cursor.as_deref()).await.unwrap();
        totals.insert(page.total);
        out.extend(page.items.into_iter().map(|line| Listed {
            at: line.updated_at,
            case: line.id,
        }));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (out, totals);
        }
    }
}

/// What is kept of cases is what stands in the database.
async fn compare_facts(world: &World, what: &str) {
    let mut tx = world.db.read().await.unwrap();
    let town = &world.coordinator.viewer.municipality;
    let ids = tx.cases_to_index(town, "", 1_000).await.unwrap();
    let anew = facts_anew(&mut tx, town, &ids).await.unwrap();
    let kept: BTreeMap<_, _> = facts(&mut tx, town, &ids)
        .await
        .unwrap()
        .into_iter()
        .map(|(case, facts)| (case, CaseFacts::clone(&facts)))
        .collect();
    assert_eq!(kept, anew, "{what}");
    // The next to read finds them in memory.
    let mut later = world.db.read().await.unwrap();
    let (_, found) = kept_in_memory(&mut later, town, &ids)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.len(), anew.len(), "{what}");
}

async fn compare(world: &World, what: &str) {
    compare_facts(world, what).await;
    for caller in [
        &world.coordinator,
        &world.department,
        &world.agency,
        &world.other,
        &world.viewer,
        &world.stat,
    ] {
        let all = CaseFilter {
            limit: 3,
            ..CaseFilter::default()
        };
        let filters = [
            all.clone(),
            CaseFilter {
                mine: true,
                ..all.clone()
            },
            CaseFilter {
                stages: vec![Stage::Assessing],
                ..all.clone()
            },
            CaseFilter {
                case_no: Some("2026-0002".into()),
                ..all
            },
        ];
        for filter in filters {
            let mut tx = world.db.read().await.unwrap();
            let slow = tx.listed_one_by_one(caller, &filter).await.unwrap();
            drop(tx);
            let (fast, totals) = paged(world, caller, &filter).await;
            let who = (&caller.name, what, &filter);
            assert_eq!(fast, slow, "{who:?}");
            assert_eq!(totals, BTreeSet::from([slow.len()]), "{who:?}");
        }
    }
}

/// Something happens to a case. Returns what.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each thing that moves a list"
)]
async fn step(world: &World, rng: &mut StdRng, cases: &mut Vec<CreatedCase>) -> &'static str {
    let what = rng.random_range(0..17);
    if cases.len() < 3 || (what == 0 && cases.len() < 8) {
        let created = world.case(&format!("世帯{}", cases.len())).await;
        if rng.random() {
            let client = created.clients[0].clone();
            world.consent(&created, &client, ConsentStatus::Full).await;
        }
        cases.push(created);
        return "case";
    }
    let created = cases.choose(rng).unwrap().clone();
    let client = created.clients[0].clone();
    let partner = if rng.random() {
        &world.agency
    } else {
        &world.other
    };
    let agency = partner.viewer.agency.clone();
    let mut tx = world.db.write().await.unwrap();
    let owner = tx
        .case_for(&world.coordinator, &created.case)
        .await
        .unwrap()
        .unwrap();
    let level = *LEVELS.choose(rng).unwrap();
    let section = *Section::ALL.choose(rng).unwrap();
    let row = Disclosure {
        agency: agency.clone(),
        section,
        level,
        comment: false,
        from: None,
        to: None,
    };
    let exclusion = Exclusion {
        who: if rng.random() {
            Excluded::Agency(agency.clone())
        } else {
            Excluded::Account(partner.viewer.account.clone())
        },
        about: rng.random::<bool>().then(|| client.clone()),
    };
    // What the rules refuse changes nothing, and must not change the list either.
    let what = match what {
        0 | 1 => {
            drop(owner.remove_member(&mut tx, &agency).await);
            "remove_member"
        }
        2 | 3 => {
            let rows: Vec<Disclosure> = Section::ALL
                .iter()
                .map(|section| Disclosure {
                    section: *section,
                    ..row.clone()
                })
                .collect();
            let to = rng.random::<bool>().then_some(date(2026, 11, 30));
            drop(
                owner
                    .add_member(
                        &mut tx,
                        &agency,
                        "member",
                        date(2026, 11, 2),
                        to,
                        &rows,
                        None,
                    )
                    .await,
            );
            "add_member"
        }
        4 | 5 => {
            drop(owner.set_disclosures(&mut tx, &[row], None).await);
            "disclosure"
        }
        6 => {
            owner.exclude(&mut tx, &exclusion, "親族").await.unwrap();
            "exclude"
        }
        7 => {
            drop(owner.include(&mut tx, &exclusion).await);
            "include"
        }
        8 | 9 => {
            let visibility = *[
                Visibility::OwnOrg,
                Visibility::Kotaki,
                Visibility::CaseMembers,
                Visibility::ShienMembers,
                Visibility::Custom,
            ]
            .choose(rng)
            .unwrap();
            let new = NewProgress {
                performed_on: date(2026, 11, 10),
                method: "tel".into(),
                visibility,
                persons: vec![client],
                agencies: if visibility == Visibility::Custom {
                    vec![agency]
                } else {
                    Vec::new()
                },
                content: serde_json::Map::new(),
                attachments: Vec::new(),
                draft: None,
            };
            owner.add_progress(&mut tx, &new).await.unwrap();
            "progress"
        }
        10 => {
            let kinds = [
                DocumentKind::Intake,
                DocumentKind::Assessment,
                DocumentKind::Network,
            ];
            let kind = kinds.choose(rng).unwrap();
            let (_, id) = created.documents.iter().find(|(k, _)| k == kind).unwrap();
            tx.work_on(id)
                .await
                .unwrap()
                .unwrap()
                .touched(&mut tx)
                .await
                .unwrap();
            "touched"
        }
        11 => {
            let id = owner
                .add_transcript(&mut tx, "txt", "utf-8", &serde_json::Value::Null)
                .await
                .unwrap();
            if rng.random() {
                owner
                    .update_transcript(&mut tx, &id, 1, &serde_json::json!([1]))
                    .await
                    .unwrap();
            }
            "transcript"
        }
        12 => {
            let child = persons::create(&mut tx, &world.coordinator, &person("子", "こ"))
                .await
                .unwrap();
            owner
                .add_person(&mut tx, &child, CaseRole::Household, None)
                .await
                .unwrap();
            "person"
        }
        13 => {
            let access = tx
                .person_for(&world.coordinator, &client)
                .await
                .unwrap()
                .unwrap();
            let known = access.person(&mut tx).await.unwrap().unwrap();
            let patch = PersonPatch {
                address_confidential: Some(!known.address_confidential),
                ..PersonPatch::default()
            };
            access.update(&mut tx, known.version, &patch).await.unwrap();
            "address"
        }
        14 => {
            let linked = rng.random::<bool>().then_some(&client);
            world
                .admin
                .link_person(&mut tx, &partner.viewer.account, linked)
                .await
                .unwrap();
            "account is a person"
        }
        15 => {
            world.admin.stop_agency(&mut tx, &agency).await.unwrap();
            tx.commit().await.unwrap();
            compare(world, "agency stopped").await;
            tx = world.db.write().await.unwrap();
            world
                .admin
                .reactivate_agency(&mut tx, &agency)
                .await
                .unwrap();
            "agency"
        }
        _ => {
            let patch = CasePatch {
                stage: Some(Stage::Assessing),
                ..CasePatch::default()
            };
            owner
                .update(&mut tx, owner.version(), &patch)
                .await
                .unwrap();
            "stage"
        }
    };
    tx.commit().await.unwrap();
    what
}

on_both! {
    async fn it_says_what_the_policy_says(world: &World) {
        let rounds = std::env::var("MUSUBI_CASE_LIST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
        let seed = std::env::var("MUSUBI_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(18);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut cases = Vec::new();
        compare(world, "nothing").await;
        for round in 0..rounds {
            // Some changes fall into the same millisecond: then the identifiers order.
            if rng.random() {
                world.store.clock.set(noon() + SignedDuration::from_secs(round));
            }
            let what = step(world, &mut rng, &mut cases).await;
            compare(world, what).await;
        }
    }

    async fn a_day_ends_a_membership(world: &World) {
        let created = world.case("期限").await;
        world.consent(&created, &created.clients[0], ConsentStatus::Full).await;
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let agency = world.agency.viewer.agency.clone();
        let rows = [Disclosure { agency: agency.clone(), section: Section::Intake, level: Level::Read, comment: false , from: None, to: None}];
        let until = Some(world.agency.viewer.today);
        owner.add_member(&mut tx, &agency, "member", date(2026, 11, 2), until, &rows, None).await.unwrap();
        tx.commit().await.unwrap();
        let filter = CaseFilter { limit: 10, ..CaseFilter::default() };
        assert_eq!(paged(world, &world.agency, &filter).await.0.len(), 1);
        let mut tomorrow = world.agency.clone();
        tomorrow.viewer.today = tomorrow.viewer.today.tomorrow().unwrap();
        assert_eq!(paged(world, &tomorrow, &filter).await, (Vec::new(), BTreeSet::from([0])));
    }

    async fn a_page_shows_nothing_that_the_policy_refuses(world: &World) {
        let created = world.shared_case("黙って", Level::Read).await;
        let filter = CaseFilter { limit: 10, ..CaseFilter::default() };
        assert_eq!(paged(world, &world.agency, &filter).await.0.len(), 1);
        // A change that announces itself nowhere, as no part of the program makes one.
        let mut tx = world.db.write().await.unwrap();
        sqlx::query("DELETE FROM case_members WHERE case_id = $1").bind(created.case.as_str()).execute(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(paged(world, &world.agency, &filter).await.0, Vec::new());
        assert_eq!(paged(world, &world.agency, &filter).await, (Vec::new(), BTreeSet::from([0])), "the list was made anew");
    }

    async fn lists_are_made_beforehand(world: &World) {
        world.shared_case("先に", Level::Read).await;
        let today = world.coordinator.viewer.today;
        world.db.prepare_case_lists(&world.town, today).await.unwrap();
        let one = || async {
            world.db.prepare_case_list(&world.agency).await.unwrap();
            let filter = CaseFilter { limit: 10, ..CaseFilter::default() };
            paged(world, &world.agency, &filter).await.0.len()
        };
        assert_eq!(tokio::join!(one(), one(), one(), one(), one(), one()), (1, 1, 1, 1, 1, 1));
    }
}
