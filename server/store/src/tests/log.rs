use std::sync::Arc;

use bytes::Bytes;
use collab::identity::Author;
use collab::log::{Authored, Entry, LogError, Snapshot, Span, UpdateLog, Version};
use domain::id::DocumentId;
use domain::section::DocumentKind;

use super::on_both;
use super::world::{CANARY, World};
use crate::testing::noon;
use crate::{Dialect, DocumentLog};

fn author() -> Author {
    Author {
        account: "a1".into(),
        membership: "m1".into(),
        agency: "g1".into(),
    }
}

fn entry(text: &str) -> Entry {
    Entry {
        update: Bytes::copy_from_slice(text.as_bytes()),
        author: author(),
        at: noon(),
        inserted: vec![Span {
            client: u64::MAX >> 11,
            clock: 3,
            len: 4,
        }],
        deleted: vec![Span {
            client: 7,
            clock: 0,
            len: 1,
        }],
    }
}

fn snapshot(text: &str) -> Snapshot {
    let span = Span {
        client: 7,
        clock: 0,
        len: 9,
    };
    Snapshot {
        state: text.as_bytes().to_vec(),
        authors: vec![Authored {
            span,
            author: author(),
            at: noon(),
            deletion: true,
        }],
    }
}

async fn document(world: &World) -> DocumentId {
    let created = world.case("記録").await;
    created
        .documents
        .into_iter()
        .find(|(kind, _)| *kind == DocumentKind::Intake)
        .unwrap()
        .1
}

fn texts(entries: &[(u64, Entry)]) -> Vec<(u64, String)> {
    entries
        .iter()
        .map(|(seq, entry)| (*seq, String::from_utf8(entry.update.to_vec()).unwrap()))
        .collect()
}

on_both! {
    async fn a_document_without_a_log_is_found(world: &World) {
        let id = document(world).await;
        let missing = world.db.documents_without_log().await.unwrap();
        assert!(missing.contains(&(id.clone(), DocumentKind::Intake)) && missing.iter().any(|(_, kind)| *kind == DocumentKind::Masks));
        let log = DocumentLog::start(&world.db);
        log.create(&id, Some(entry("seed"))).await.unwrap();
        let left = world.db.documents_without_log().await.unwrap();
        assert_eq!(left.len() + 1, missing.len());
        assert!(!left.iter().any(|(other, _)| *other == id));
    }

    async fn what_was_appended_is_loaded_after_a_crash(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        assert!(matches!(log.load(&id).await, Err(LogError::NotFound)));
        assert!(matches!(log.create(&DocumentId::from("unknown"), None).await, Err(LogError::NotFound)));
        log.create(&id, Some(entry("seed"))).await.unwrap();
        log.create(&id, Some(entry("another seed"))).await.unwrap();
        log.append(&id, 1, 1, &[entry("two"), entry("three")]).await.unwrap();
        // Not closed: the second process finds what was acknowledged.
        let again = DocumentLog::start(&world.store.reopen().await);
        let loaded = again.load(&id).await.unwrap();
        assert_eq!((loaded.epoch, loaded.snapshot_seq), (1, 0));
        assert_eq!(texts(&loaded.entries), [(1, "seed".into()), (2, "two".into()), (3, "three".into())]);
        assert_eq!(loaded.entries[1].1, entry("two"));
        assert_eq!(texts(&again.since(&id, 1, 2).await.unwrap()), [(3, "three".into())]);
        assert_eq!(again.since(&id, 2, 2).await.unwrap_err(), LogError::EpochChanged { current: 1 });
    }

    async fn a_second_writer_learns_that_it_is_behind(world: &World) {
        let id = document(world).await;
        let (one, two) = (DocumentLog::start(&world.db), DocumentLog::start(&world.store.reopen().await));
        one.create(&id, None).await.unwrap();
        one.append(&id, 1, 0, &[entry("a")]).await.unwrap();
        assert_eq!(two.append(&id, 1, 0, &[entry("b")]).await.unwrap_err(), LogError::Behind { last: 1 });
        two.append(&id, 1, 1, &[entry("b")]).await.unwrap();
        assert_eq!(one.append(&id, 2, 2, &[entry("c")]).await.unwrap_err(), LogError::EpochChanged { current: 1 });
        assert_eq!(one.append(&DocumentId::from("gone"), 1, 0, &[entry("c")]).await.unwrap_err(), LogError::NotFound);
        // Two nodes that race: one wins each place, nothing is lost or doubled.
        let mut all = Vec::new();
        for n in 0..20 {
            let log = if n % 2 == 0 { one.clone() } else { two.clone() };
            let id = id.clone();
            all.push(tokio::spawn(async move {
                let mut after = 2;
                loop {
                    match log.append(&id, 1, after, &[entry(&n.to_string())]).await {
                        Ok(()) => return,
                        Err(LogError::Behind { last }) => after = last,
                        Err(error) => panic!("{error}"),
                    }
                }
            }));
        }
        for one in all {
            one.await.unwrap();
        }
        let loaded = one.load(&id).await.unwrap();
        let mut seen: Vec<String> = texts(&loaded.entries).into_iter().skip(2).map(|(_, text)| text).collect();
        seen.sort_by_key(|text| text.parse::<i32>().unwrap());
        assert_eq!(seen, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    async fn appends_of_many_documents_share_commits(world: &World) {
        let log = DocumentLog::start(&world.db);
        let mut ids = Vec::new();
        for _ in 0..6 {
            let created = world.case("群").await;
            for (_, id) in created.documents {
                log.create(&id, None).await.unwrap();
                ids.push(id);
            }
        }
        let mut all = Vec::new();
        for id in &ids {
            let (log, id) = (log.clone(), id.clone());
            all.push(tokio::spawn(async move {
                for n in 0..20 {
                    log.append(&id, 1, n, &[entry(&n.to_string())]).await.unwrap();
                }
            }));
        }
        for one in all {
            one.await.unwrap();
        }
        for id in &ids {
            assert_eq!(log.load(id).await.unwrap().entries.len(), 20);
        }
    }

    async fn compaction_replaces_and_is_all_or_nothing(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        let many: Vec<Entry> = (1..=250).map(|n| entry(&n.to_string())).collect();
        log.append(&id, 1, 0, &many).await.unwrap();
        log.compact(&id, 1, 248, &snapshot("state 248")).await.unwrap();
        // An older compaction that comes late changes nothing; one beyond the end is refused.
        log.compact(&id, 1, 100, &snapshot("old")).await.unwrap();
        assert_eq!(log.compact(&id, 1, 251, &snapshot("x")).await.unwrap_err(), LogError::Behind { last: 250 });
        assert_eq!(log.compact(&id, 2, 249, &snapshot("x")).await.unwrap_err(), LogError::EpochChanged { current: 1 });
        let loaded = DocumentLog::start(&world.store.reopen().await).load(&id).await.unwrap();
        assert_eq!(loaded.snapshot_seq, 248);
        assert_eq!(loaded.snapshot.unwrap(), snapshot("state 248"));
        assert_eq!(texts(&loaded.entries), [(249, "249".into()), (250, "250".into())]);
        log.append(&id, 1, 250, &[entry("251")]).await.unwrap();
        log.compact(&id, 1, 251, &snapshot("all")).await.unwrap();
        log.append(&id, 1, 251, &[entry("252")]).await.unwrap();
        assert_eq!(log.load(&id).await.unwrap().entries.len(), 1);
    }

    async fn replacing_throws_the_past_away(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        log.append(&id, 1, 0, &[entry("a"), entry("b")]).await.unwrap();
        let version = Version { epoch: 1, seq: 2, at: noon(), author: author(), label: "会議前".into(), state: b"v".to_vec() };
        log.keep_version(&id, &version).await.unwrap();
        log.keep_version(&id, &version).await.unwrap();
        assert_eq!(log.versions(&id).await.unwrap(), [Version { state: Vec::new(), ..version.clone() }]);
        assert_eq!(log.version(&id, 1, 2).await.unwrap().unwrap(), version);
        assert_eq!(log.version(&id, 1, 1).await.unwrap(), None);
        assert_eq!(log.replace(&id, 1, &snapshot("clean")).await.unwrap(), 2);
        assert_eq!(log.replace(&id, 1, &snapshot("x")).await.unwrap_err(), LogError::EpochChanged { current: 2 });
        let loaded = log.load(&id).await.unwrap();
        assert_eq!((loaded.epoch, loaded.entries.len(), loaded.snapshot), (2, 0, Some(snapshot("clean"))));
        assert!(log.versions(&id).await.unwrap().is_empty());
        assert_eq!(log.append(&id, 1, 2, &[entry("late")]).await.unwrap_err(), LogError::EpochChanged { current: 2 });
        log.append(&id, 2, loaded.snapshot_seq, &[entry("new")]).await.unwrap();
    }

    async fn words_in_a_label_are_sealed_and_codes_are_not(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        log.append(&id, 1, 0, &[entry("a"), entry("b")]).await.unwrap();
        let version = |seq, label: &str| Version {
            epoch: 1, seq, at: noon(), author: author(), label: label.into(), state: seq.to_string().into_bytes(),
        };
        let words = format!("kept:{CANARY}の会議の前");
        for kept in [version(1, "final"), version(1, &words), version(1, &words), version(2, "restored:1-1")] {
            log.keep_version(&id, &kept).await.unwrap();
        }
        let stored: Vec<String> = sqlx::query_scalar("SELECT label FROM document_versions WHERE document_id = $1 ORDER BY seq, label")
            .bind(id.as_str()).fetch_all(&world.db.0.log_reader).await.unwrap();
        assert_eq!(stored.len(), 3, "kept once: {stored:?}");
        assert!(stored.iter().all(|label| label.is_ascii() && !label.contains(CANARY)), "{stored:?}");
        assert!(stored.contains(&"final".to_owned()) && stored.contains(&"restored:1-1".to_owned()));
        let mut told: Vec<String> = log.versions(&id).await.unwrap().into_iter().map(|v| v.label).collect();
        told.sort();
        assert_eq!(told, ["final".to_owned(), words, "restored:1-1".to_owned()]);
        assert_eq!(log.version(&id, 1, 1).await.unwrap().unwrap().state, b"1");
        // A label does not open in another's place.
        sqlx::query("UPDATE document_versions SET seq = 7 WHERE document_id = $1 AND label LIKE 'sealed.%'")
            .bind(id.as_str()).execute(&world.db.0.log_writer).await.unwrap();
        assert!(matches!(log.versions(&id).await, Err(LogError::Corrupt(_))));
    }

    async fn automatic_versions_thin_out(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        let entries: Vec<Entry> = (0..40).map(|n| entry(&n.to_string())).collect();
        log.append(&id, 1, 0, &entries).await.unwrap();
        // Every six hours, the ninth with a name.
        for n in 0..40_u64 {
            let at = noon() + jiff::SignedDuration::from_hours(6 * i64::try_from(n).unwrap());
            let label = if n == 9 { "final" } else { "" };
            let version = Version { epoch: 1, seq: n + 1, at, author: author(), label: label.into(), state: b"s".to_vec() };
            log.keep_version(&id, &version).await.unwrap();
        }
        let left = log.versions(&id).await.unwrap();
        assert!((16..=20).contains(&left.len()), "{}", left.len());
        assert!(left.iter().any(|version| version.label == "final"));
        assert_eq!(left.last().unwrap().seq, 40);
        assert_eq!(left.iter().filter(|version| version.seq > 32).count(), 8, "two days are whole");
    }

    async fn a_torn_moved_or_missing_record_is_noticed(world: &World) {
        for (spoil, what) in [
            ("UPDATE document_entries SET entry_sealed = SUBSTR(entry_sealed, 1, LENGTH(entry_sealed) - 3) WHERE seq = 2 AND document_id = $1", "checksum"),
            ("DELETE FROM document_entries WHERE seq = 2 AND document_id = $1", "record 2 is missing"),
            ("DELETE FROM document_entries WHERE seq = 3 AND document_id = $1", "log ends at 2"),
            ("UPDATE document_entries SET entry_sealed = (SELECT e.entry_sealed FROM document_entries e WHERE e.document_id = document_entries.document_id AND e.seq = 1) WHERE seq = 2 AND document_id = $1", "another's place"),
        ] {
            let id = document(world).await;
            let log = DocumentLog::start(&world.db);
            log.create(&id, None).await.unwrap();
            log.append(&id, 1, 0, &[entry("a"), entry("b"), entry("c")]).await.unwrap();
            sqlx::query(spoil).bind(id.as_str()).execute(&world.db.0.log_writer).await.unwrap();
            let Err(LogError::Corrupt(text)) = log.load(&id).await else { panic!("{what}") };
            assert!(text.contains(what), "{text}");
        }
        // A record of one document does not open in another.
        let (a, b) = (document(world).await, document(world).await);
        let log = DocumentLog::start(&world.db);
        for id in [&a, &b] {
            log.create(id, None).await.unwrap();
            log.append(id, 1, 0, &[entry("x")]).await.unwrap();
        }
        sqlx::query("UPDATE document_entries SET entry_sealed = (SELECT e.entry_sealed FROM document_entries e WHERE e.document_id = $2) WHERE document_id = $1")
            .bind(a.as_str()).bind(b.as_str()).execute(&world.db.0.log_writer).await.unwrap();
        assert!(matches!(log.load(&a).await, Err(LogError::Corrupt(_))));
    }

    async fn a_crash_in_the_middle_keeps_the_old_or_the_new(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        log.append(&id, 1, 0, &[entry("a"), entry("b"), entry("c")]).await.unwrap();
        // A compaction that is cut off before its commit: its transaction is dropped.
        let begin = if world.db.dialect() == Dialect::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let mut cut = world.db.0.log_writer.begin_with(begin).await.unwrap();
        sqlx::query("DELETE FROM document_entries WHERE document_id = $1").bind(id.as_str()).execute(&mut *cut).await.unwrap();
        drop(cut);
        let loaded = DocumentLog::start(&world.store.reopen().await).load(&id).await.unwrap();
        assert_eq!(loaded.entries.len(), 3);
        if world.db.dialect() == Dialect::Sqlite {
            // The files as they stand in the middle of use (WAL not written back) are enough.
            let copy = tempfile::tempdir().unwrap();
            for entry in std::fs::read_dir(world.store.folder.path()).unwrap().flatten() {
                if entry.path().is_file() {
                    std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
            }
            let keys = crate::keys::KeySource::in_data_dir(world.store.folder.path());
            let url = format!("sqlite:{}", copy.path().join("musubi.sqlite").display());
            let db = crate::Database::connect(&url, copy.path(), keys, Arc::clone(world.db.clock())).await.unwrap();
            assert_eq!(DocumentLog::start(&db).load(&id).await.unwrap().entries.len(), 3);
        }
    }

    async fn erased_text_leaves_no_bytes_and_none_is_ever_plain(world: &World) {
        let id = document(world).await;
        let log = DocumentLog::start(&world.db);
        log.create(&id, None).await.unwrap();
        log.append(&id, 1, 0, &[entry(CANARY)]).await.unwrap();
        let record: Vec<u8> = sqlx::query_scalar("SELECT entry_sealed FROM document_entries WHERE document_id = $1")
            .bind(id.as_str()).fetch_one(&world.db.0.log_reader).await.unwrap();
        let files = || {
            let mut out = Vec::new();
            for entry in std::fs::read_dir(world.store.folder.path()).unwrap().flatten() {
                if entry.file_name().to_string_lossy().starts_with("documents.sqlite") {
                    out.extend(std::fs::read(entry.path()).unwrap());
                }
            }
            out
        };
        let holds = |needle: &[u8]| files().windows(needle.len()).any(|window| window == needle);
        let tail = &record[record.len() - 24..];
        if world.db.dialect() == Dialect::Sqlite {
            assert!(holds(tail), "the test looks in the right place");
            assert!(!holds(CANARY.as_bytes()));
        }
        log.replace(&id, 1, &snapshot("clean")).await.unwrap();
        if world.db.dialect() == Dialect::Sqlite {
            assert!(!holds(tail), "the sealed record is gone from file and WAL");
        }
    }
}
