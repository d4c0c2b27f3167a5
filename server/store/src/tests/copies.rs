//! A copied case is a case like any other, and leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use collab::identity::Author;
use collab::log::{Entry, UpdateLog};
use domain::disclosure::Level;
use domain::section::DocumentKind;
use jiff::civil::date;
use sqlx::Row;

use super::on_both;
use super::world::World;
use crate::cases::CaseFilter;
use crate::copies::{Changes, TABLES};
use crate::progress::{NewProgress, Visibility};
use crate::testing::noon;
use crate::{Dialect, DocumentLog, StoreError};

/// Tables with parts of a case that are not copied, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "accounts",
        "who is a person of the register is said of one account",
    ),
    ("audit", "what was done was done to the pattern"),
    ("blobs", "attachments are not multiplied"),
    ("case_requests", "other agencies were asked once"),
    ("case_steps", "what was decided was decided of the pattern"),
    ("document_entries", "of the log: copied apart"),
    ("document_heads", "of the log: copied apart"),
    ("document_shares", "of notes, which belong to no case"),
    ("document_snapshots", "of the log: copied apart"),
    ("document_versions", "the past is not multiplied"),
    ("erasures", "what was asked for was asked for the pattern"),
    (
        "household_stays",
        "households of the register are made by hand",
    ),
    ("outbox", "written anew"),
    ("person_index", "made anew"),
    ("progress_drafts", "what is not finished is not multiplied"),
];

async fn tables_of_cases(world: &World) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut tx = world.db.read().await.unwrap();
    let sql = match world.db.dialect() {
        Dialect::Sqlite => {
            "SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON 1 = 1 WHERE m.type = 'table' \
             AND c.name IN ('case_id', 'person_id', 'document_id', 'record_id', 'basis_id')"
        }
        Dialect::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.columns WHERE table_schema = current_schema() \
             AND column_name IN ('case_id', 'person_id', 'document_id', 'record_id', 'basis_id')"
        }
    };
    for row in sqlx::query(sql).fetch_all(tx.conn()).await.unwrap() {
        out.insert(row.try_get("name").unwrap());
    }
    out
}

on_both! {
    async fn every_table_is_copied_or_left_out_on_purpose(world: &World) {
        let known: BTreeSet<&str> = TABLES.iter().chain(LEFT_OUT).map(|(name, _)| *name).collect();
        let there = tables_of_cases(world).await;
        assert!(there.len() > 20, "{there:?}");
        for table in there {
            assert!(known.contains(table.as_str()), "{table}: to be copied, or left out with a reason");
        }
    }

    async fn a_copy_is_a_case_of_its_own(world: &World) {
        let log = DocumentLog::start(&world.db);
        let created = world.shared_case("佐藤 花子", Level::Read).await;
        let client = created.clients[0].clone();
        let mut tx = world.db.write().await.unwrap();
        let owner = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let content = serde_json::json!({ "title": "電話", "content": "佐藤さんから2026-11-09に電話" });
        owner.add_progress(&mut tx, &NewProgress {
            performed_on: date(2026, 11, 10),
            method: "tel".into(),
            visibility: Visibility::CaseMembers,
            persons: vec![client.clone()],
            agencies: Vec::new(),
            content: content.as_object().unwrap().clone(),
            attachments: Vec::new(),
            draft: None,
        }).await.unwrap();
        tx.commit().await.unwrap();
        for (_, id) in &created.documents {
            let text = format!("佐藤さん {client}");
            let seed = Entry { update: Bytes::from(text), author: Author::system(), at: noon(), inserted: Vec::new(), deleted: Vec::new() };
            log.create(id, Some(seed)).await.unwrap();
        }

        let pattern = Arc::new(world.db.case_as_pattern(&world.town, &created.case).await.unwrap());
        let copier = world.db.copier(&world.town).await.unwrap();
        let changes = Changes {
            words: vec![("佐藤".into(), "鈴木".into()), (created.case_no.clone(), "2026-9001".into())],
            values: BTreeMap::from([((client.clone(), "name_kana".to_owned()), "すずき はなこ".to_owned())]),
            earlier: 30,
        };
        let uneven = Changes { words: vec![("佐藤".into(), "長谷川".into())], ..changes.clone() };
        let same = |_: &str, _: &[_], value| Ok(value);
        assert!(matches!(copier.copy(&pattern, &uneven, same), Err(StoreError::Invalid("words"))));
        let mut scans = 0;
        let copy = copier.copy(&pattern, &changes, |place, persons, value| {
            scans += usize::from(place == "progress_records.content_sealed" && persons[0].1.name() == "鈴木 花子");
            Ok(value)
        }).unwrap();
        assert_eq!(scans, 1);
        let id = copy.case.clone();
        world.db.write_copies(&world.town, std::slice::from_ref(&pattern), vec![copy]).await.unwrap();

        let filter = CaseFilter { limit: 10, ..CaseFilter::default() };
        let mut tx = world.db.read().await.unwrap();
        for who in [&world.coordinator, &world.agency] {
            assert_eq!(tx.cases(who, &filter, None).await.unwrap().total, 2);
        }
        let access = tx.case_for(&world.agency, &id).await.unwrap().unwrap();
        let line = access.summary(&mut tx).await.unwrap();
        assert_eq!((line.case_no.as_str(), line.clients[0].display.as_str()), ("2026-9001", "鈴木 花子"));
        assert_eq!(line.received_on, date(2026, 10, 3), "thirty days before 2 November");
        let records = access.progress_records(&mut tx).await.unwrap();
        let said = serde_json::to_string(&records).unwrap();
        assert!(said.contains("鈴木さんから2026-10-10に電話") && !said.contains("佐藤"), "{said}");
        for words in ["鈴木", "すずき", "2026-9001"] {
            let filter = CaseFilter { q: Some(words.into()), ..filter.clone() };
            let found = tx.cases(&world.coordinator, &filter, None).await.unwrap();
            assert_eq!(found.items.iter().map(|line| &line.id).collect::<Vec<_>>(), [&id], "{words}");
        }
        let copied = tx.documents_of(&world.town, &id).await.unwrap();
        assert_eq!(copied.len(), 5, "sheets, network and masks");
        let person = line.clients[0].person_id.clone().unwrap();
        drop(tx);
        let kinds = [DocumentKind::Intake, DocumentKind::Assessment, DocumentKind::Network];
        let mut seen = 0;
        for document in copied {
            let mut tx = world.db.read().await.unwrap();
            let work = tx.work_on(&document).await.unwrap().unwrap();
            drop(tx);
            if kinds.contains(&work.info().kind) {
                let loaded = log.load(&document).await.unwrap();
                assert_eq!(loaded.entries[0].1.update, Bytes::from(format!("鈴木さん {person}")));
                seen += 1;
            }
        }
        assert_eq!(seen, kinds.len());
        // Keys of its own: erasing the one leaves the other.
        let mut tx = world.db.read().await.unwrap();
        let keys: Vec<String> = sqlx::query_scalar("SELECT owner_id FROM data_keys WHERE purpose IN ('case', 'person') ORDER BY owner_id")
            .fetch_all(tx.conn()).await.unwrap();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>(), [created.case.0.clone(), client.0, id.0, person.0].iter().collect());
    }
}
