use domain::disclosure::Level;
use sqlx::Executor;

use super::on_both;
use super::world::{CANARY, World};
use crate::audit::{self, Chain, Event};
use crate::data_keys::{self, Purpose};
use crate::outbox::{self, Position};
use crate::persons::PersonPatch;
use crate::progress::{NewProgress, Visibility};
use crate::testing::TestStore;
use crate::{Dialect, StoreError};

/// Every byte of the store: files of SQLite, or all rows of all tables of PostgreSQL as text.
async fn raw(world: &World) -> Vec<u8> {
    let mut out = Vec::new();
    match world.db.dialect() {
        Dialect::Sqlite => {
            for entry in std::fs::read_dir(world.store.folder.path())
                .unwrap()
                .flatten()
            {
                if entry.path().is_file() {
                    out.extend(std::fs::read(entry.path()).unwrap());
                }
            }
        }
        Dialect::Postgres => {
            let mut tx = world.db.read().await.unwrap();
            let tables: Vec<String> = sqlx::query_scalar(
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
            )
            .fetch_all(tx.conn())
            .await
            .unwrap();
            assert!(tables.len() > 40);
            for table in tables {
                let sql = sqlx::AssertSqlSafe(format!("SELECT CAST(t AS TEXT) FROM {table} t"));
                for row in sqlx::query_scalar::<_, String>(sql)
                    .fetch_all(tx.conn())
                    .await
                    .unwrap()
                {
                    // bytea prints as hexadecimal digits: look for those too.
                    out.extend(row.as_bytes());
                }
            }
        }
    }
    out
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

on_both! {
    async fn no_personal_word_stands_unsealed(world: &World) {
        let created = world.shared_case(CANARY, Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let access = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let content = serde_json::json!({ "content": CANARY }).as_object().unwrap().clone();
        let entry = NewProgress {
            performed_on: access.received_on(), method: "tel".into(), visibility: Visibility::CaseMembers,
            persons: Vec::new(), agencies: Vec::new(), content, attachments: Vec::new(), draft: None,
        };
        access.add_progress(&mut tx, &entry).await.unwrap();
        access.add_transcript(&mut tx, "txt", "utf-8", &serde_json::json!([CANARY])).await.unwrap();
        let blob = access.begin_blob(&mut tx, CANARY, "text/plain", CANARY.as_bytes()).await.unwrap();
        access.add_blob_part(&mut tx, &blob, 1, CANARY.as_bytes()).await.unwrap();
        access.finish_blob(&mut tx, &blob, 2 * CANARY.len()).await.unwrap();
        let draft = serde_json::json!({ "content": CANARY }).as_object().unwrap().clone();
        access.keep_progress_draft(&mut tx, 0, &draft).await.unwrap();
        let template = domain::progress_template::builtin()[0].clone();
        let template = domain::progress_template::Template { name: CANARY.into(), ..template };
        crate::progress_templates::save(&mut tx, &world.coordinator, &template, true).await.unwrap();
        let out = domain::disclosure::Exclusion {
            who: domain::disclosure::Excluded::Agency(world.other.viewer.agency.clone()), about: None,
        };
        access.exclude(&mut tx, &out, CANARY).await.unwrap();
        let person = tx.person_for(&world.coordinator, &created.clients[0]).await.unwrap().unwrap();
        let flag = crate::persons::Flag { id: String::new(), flag: "violence".into(), basis: Some(CANARY.into()), review_on: None };
        person.update(&mut tx, 1, &PersonPatch { add_flags: vec![flag], ..PersonPatch::default() }).await.unwrap();
        audit::record(&mut tx, Event::by(&world.coordinator, "person.search", "register", "").terms(CANARY));
        // The test can fail: a plain word is found.
        sqlx::query("UPDATE agencies SET phone = '平文の目印'").execute(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        let bytes = raw(world).await;
        assert!(contains(&bytes, "平文の目印".as_bytes()));
        for word in [CANARY, "かなりあ", "はなこ", "1958-05-06", "09000001234", "090-0000-1234"] {
            assert!(!contains(&bytes, word.as_bytes()), "{word}");
            assert!(!contains(&bytes, hex::encode(word).as_bytes()), "{word} as hexadecimal digits");
        }
    }

    async fn an_edit_breaks_the_audit_chain(world: &World) {
        for n in 0..5 {
            let mut tx = world.db.read().await.unwrap();
            audit::record(&mut tx, Event::by(&world.coordinator, "case.view", "case", format!("c{n}")).terms("語"));
            audit::record(&mut tx, Event::system(&world.town, "worker.run", "worker", ""));
            tx.commit().await.unwrap();
        }
        let check = async || {
            let mut tx = world.db.read().await.unwrap();
            audit::verify_chain(&mut tx, &world.town).await.unwrap()
        };
        let Chain::Intact { rows } = check().await else { panic!() };
        assert_eq!(rows, 10);
        for (edit, mend) in [
            ("UPDATE audit SET account_id = NULL WHERE seq = 5", None),
            ("UPDATE audit SET object_id = 'other' WHERE seq = 7", Some(("UPDATE audit SET object_id = 'c3' WHERE seq = 7", 7))),
        ] {
            let mut tx = world.db.write().await.unwrap();
            let account = world.coordinator.viewer.account.0.clone();
            tx.conn().execute(edit).await.unwrap();
            tx.commit().await.unwrap();
            match mend {
                None => {
                    assert_eq!(check().await, Chain::Broken { seq: 5 });
                    let mut tx = world.db.write().await.unwrap();
                    sqlx::query("UPDATE audit SET account_id = $1 WHERE seq = 5").bind(account).execute(tx.conn()).await.unwrap();
                    tx.commit().await.unwrap();
                }
                Some((mend, seq)) => {
                    assert_eq!(check().await, Chain::Broken { seq });
                    let mut tx = world.db.write().await.unwrap();
                    tx.conn().execute(mend).await.unwrap();
                    tx.commit().await.unwrap();
                }
            }
            assert_eq!(check().await, Chain::Intact { rows: 10 });
        }
        let mut tx = world.db.write().await.unwrap();
        tx.conn().execute("DELETE FROM audit WHERE seq = 10").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(check().await, Chain::Broken { seq: 10 }, "cut at the end");
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(audit::terms(&mut tx, &world.auditor, 1).await.unwrap().as_deref(), Some("語"));
        assert!(matches!(audit::events(&mut tx, &world.coordinator, &audit::Filter::default(), 10).await, Err(StoreError::Forbidden)));
        assert_eq!(audit::events(&mut tx, &world.auditor, &audit::Filter::default(), 3).await.unwrap().len(), 3);
    }

    async fn the_chain_holds_under_concurrency(world: &World) {
        let mut all = Vec::new();
        for n in 0..16 {
            let (db, caller) = (world.db.clone(), world.coordinator.clone());
            all.push(tokio::spawn(async move {
                let mut tx = if n % 2 == 0 { db.read().await.unwrap() } else { db.write().await.unwrap() };
                audit::record(&mut tx, Event::by(&caller, "case.view", "case", n.to_string()));
                outbox::put(&mut tx, &caller.viewer.municipality, "x", n.to_string(), None, serde_json::Value::Null);
                tx.commit().await.unwrap();
            }));
        }
        for one in all {
            one.await.unwrap();
        }
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(audit::verify_chain(&mut tx, &world.town).await.unwrap(), Chain::Intact { rows: 16 });
        let changes = outbox::after(&mut tx, &world.town, 0, 100).await.unwrap();
        let numbers: Vec<i64> = changes.iter().map(|change| change.seq).collect();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>(), "gapless; a reading transaction announces nothing");
    }

    async fn a_rolled_back_transaction_leaves_no_trace(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        crate::cases::create(&mut tx, &world.coordinator, &world.new_case("消える")).await.unwrap();
        audit::record(&mut tx, Event::by(&world.coordinator, "case.create", "case", "x"));
        drop(tx);
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(audit::verify_chain(&mut tx, &world.town).await.unwrap(), Chain::Intact { rows: 0 });
        assert!(tx.visible_cases(&world.coordinator).await.unwrap().is_empty());
        drop(tx);
        assert_eq!(world.case("次").await.case_no, "2026-0001", "the number was not used up");
    }

    async fn positions_only_move_forward(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let at = |epoch, seq| Position { epoch, seq };
        assert_eq!(outbox::position(&mut tx, "index", &world.town, None).await.unwrap(), at(0, 0));
        for (to, moved) in [(at(1, 5), true), (at(1, 5), false), (at(1, 4), false), (at(2, 1), true), (at(1, 9), false), (at(2, 2), true)] {
            assert_eq!(outbox::advance(&mut tx, "index", &world.town, None, to).await.unwrap(), moved, "{to:?}");
        }
        assert_eq!(outbox::position(&mut tx, "index", &world.town, None).await.unwrap(), at(2, 2));
    }

    async fn a_destroyed_key_ends_reading(world: &World) {
        let gone = world.case("消去").await;
        let kept = world.case("存続").await;
        let mut tx = world.db.write().await.unwrap();
        assert_eq!(tx.destroy_key(&world.town, &Purpose::Case(gone.case.clone())).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let title = async |created: &crate::cases::CreatedCase| {
            let access = world.access(&world.coordinator, created).await.unwrap();
            let mut tx = world.db.read().await.unwrap();
            access.summary(&mut tx).await.map(|summary| summary.title)
        };
        assert!(matches!(title(&gone).await, Err(StoreError::Crypto(crate::crypto::CryptoError::KeyMissing))));
        assert_eq!(title(&kept).await.unwrap().as_deref(), Some("存続世帯"));
        // A new generation of the municipality key: what is kept still opens, also after a restart.
        assert!(data_keys::rewrap(&world.db, &world.town).await.unwrap() >= 4);
        assert_eq!(title(&kept).await.unwrap().as_deref(), Some("存続世帯"));
        let file = std::fs::read_to_string(world.store.folder.path().join("keys/town.key")).unwrap();
        assert!(file.starts_with("2 ") && file.lines().count() == 1);
        let again = world.store.reopen().await;
        let mut tx = again.read().await.unwrap();
        let access = tx.case_for(&world.coordinator, &kept.case).await.unwrap().unwrap();
        assert_eq!(access.summary(&mut tx).await.unwrap().title.as_deref(), Some("存続世帯"));
    }

    async fn a_lost_key_file_is_told_and_not_replaced(world: &World) {
        world.case("鍵").await;
        std::fs::remove_file(world.store.folder.path().join("keys/town.key")).unwrap();
        let again = world.store.reopen().await;
        let mut tx = again.write().await.unwrap();
        assert!(matches!(crate::cases::create(&mut tx, &world.coordinator, &world.new_case("x")).await, Err(StoreError::Key(_))));
        assert!(!world.store.folder.path().join("keys/town.key").exists());
    }

    async fn migrations_run_once_and_notice_an_edit(world: &World) {
        let again = world.store.reopen().await;
        again.ping().await.unwrap();
        let findings = again.durability_findings().await.unwrap();
        // The tests' own PostgreSQL runs without fsync, and that is found.
        match (world.db.dialect(), std::env::var("MUSUBI_TEST_PG").is_ok()) {
            (Dialect::Sqlite, _) => assert!(findings.is_empty()),
            (Dialect::Postgres, false) => assert_eq!(findings, ["fsync_off"]),
            (Dialect::Postgres, true) => {}
        }
        let mut tx = world.db.write().await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1").bind(vec![1_u8; 48]).execute(tx.conn()).await.unwrap();
        tx.commit().await.unwrap();
        let TestStore { url, folder, clock, .. } = &world.store;
        let keys = crate::keys::KeySource::in_data_dir(folder.path());
        let refused = crate::Database::connect(url, folder.path(), keys, clock.clone()).await;
        assert!(matches!(refused, Err(StoreError::Migration(_))));
    }

    async fn writers_wait_for_each_other(world: &World) {
        let mut all = Vec::new();
        for n in 0..20 {
            let (db, caller, new) = (world.db.clone(), world.coordinator.clone(), world.new_case(&format!("並行{n}")));
            all.push(tokio::spawn(async move {
                let mut tx = db.write().await.unwrap();
                let created = crate::cases::create(&mut tx, &caller, &new).await.unwrap();
                tx.commit().await.unwrap();
                created.case_no
            }));
        }
        let mut numbers = std::collections::BTreeSet::new();
        for one in all {
            numbers.insert(one.await.unwrap());
        }
        assert_eq!(numbers.len(), 20);
        assert_eq!(numbers.last().unwrap(), "2026-0020");
    }

    async fn errors_say_nothing_about_values(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let error = sqlx::query("INSERT INTO agencies (municipality_id, id, name) VALUES ($1, $2, $3)")
            .bind("town").bind("x").bind(CANARY).execute(tx.conn()).await.unwrap_err();
        let error = StoreError::from(error);
        assert!(!format!("{error} {error:?}").contains(CANARY));
    }
}
