//! 支援経過: pages and filters, drafts, templates, attachments.

use std::collections::BTreeSet;

use domain::consent::ConsentStatus;
use domain::disclosure::{Excluded, Exclusion, Level};
use domain::progress_template::builtin;
use domain::section::Section;
use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::{Map, Value, json};

use super::on_both;
use super::world::{CANARY, World};
use crate::blobs::{self, PART};
use crate::progress::{Attached, NewProgress, ProgressQuery, Visibility};
use crate::testing::noon;
use crate::{Caller, StoreError, Tx, progress_templates};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn entry(day: i8, method: &str, visibility: Visibility, text: &str) -> NewProgress {
    NewProgress {
        performed_on: date(2026, 10, day),
        method: method.into(),
        visibility,
        persons: Vec::new(),
        agencies: Vec::new(),
        content: map(json!({ "content": text })),
        attachments: Vec::new(),
        draft: None,
    }
}

fn query(limit: usize) -> ProgressQuery {
    ProgressQuery {
        limit,
        ..ProgressQuery::default()
    }
}

async fn bring(tx: &mut Tx, access: &crate::CaseAccess, name: &str, parts: &[&[u8]]) -> String {
    let id = access
        .begin_blob(tx, name, "text/plain", parts[0])
        .await
        .unwrap();
    for (number, part) in (1..).zip(&parts[1..]) {
        access.add_blob_part(tx, &id, number, part).await.unwrap();
    }
    let size = parts.iter().map(|part| part.len()).sum();
    access.finish_blob(tx, &id, size).await.unwrap();
    id
}

on_both! {
    async fn pages_hold_each_entry_once_and_count_only_what_is_seen(world: &World) {
        let created = world.shared_case("経過", Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        for n in 0..23_i8 {
            let visibility = if n % 4 == 0 { Visibility::OwnOrg } else { Visibility::CaseMembers };
            let mut new = entry(1 + n % 7, if n % 2 == 0 { "tel" } else { "visit" }, visibility, &format!("本文{n}"));
            if n % 3 == 0 { new.persons.clone_from(&created.clients) }
            own.add_progress(&mut tx, &new).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        for (access, seen) in [(&own, 23), (&partner, 17)] {
            let whole: Vec<_> = access.progress_records(&mut tx).await.unwrap().into_iter().map(|one| one.id).collect();
            let (mut cursor, mut paged) = (None, Vec::new());
            loop {
                let page = access.progress_page(&mut tx, &ProgressQuery { cursor, ..query(5) }, None).await.unwrap();
                assert_eq!(page.total, seen);
                assert!(page.items.len() <= 5);
                paged.extend(page.items.into_iter().map(|one| one.id));
                cursor = page.next_cursor;
                if cursor.is_none() { break }
            }
            assert_eq!(paged, whole);
            assert_eq!(paged.iter().collect::<BTreeSet<_>>().len(), seen);
        }
        let first = partner.progress_page(&mut tx, &query(5), None).await.unwrap().choices.unwrap();
        assert_eq!(first.methods, BTreeSet::from(["tel".to_owned(), "visit".to_owned()]));
        assert_eq!(first.staff.len(), 1);
        assert_eq!(first.persons, created.clients.iter().cloned().collect());
        let filter = ProgressQuery { methods: vec!["visit".into()], from: Some(date(2026, 10, 2)), to: Some(date(2026, 10, 3)), ..query(50) };
        let page = own.progress_page(&mut tx, &filter, None).await.unwrap();
        assert!(page.total == page.items.len() && page.total > 0);
        assert!(page.items.iter().all(|one| one.method == "visit" && (2..=3).contains(&one.performed_on.day())));
        // Words are compared with what the caller sees.
        let looks = |one: &crate::progress::ProgressRecord| one.content.as_ref().is_some_and(|content| content["content"].as_str().unwrap().contains("本文1"));
        let page = own.progress_page(&mut tx, &query(4), Some(&looks)).await.unwrap();
        assert_eq!((page.total, page.items.len()), (11, 4));
        let rest = own.progress_page(&mut tx, &ProgressQuery { cursor: page.next_cursor, ..query(50) }, Some(&looks)).await.unwrap();
        assert_eq!(rest.items.len(), 7);
        // An entry about everybody is about each; one that is seen masked about nobody in particular.
        let of_person = ProgressQuery { persons: created.clients.clone(), ..query(50) };
        assert_eq!(own.progress_page(&mut tx, &of_person, None).await.unwrap().total, 23);
        drop(tx);
        world.store.clock.set(noon() + SignedDuration::from_secs(9));
        world.consent(&created, &created.clients[0], ConsentStatus::Refused).await;
        let mut tx = world.db.read().await.unwrap();
        let masked = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let page = masked.progress_page(&mut tx, &query(50), None).await.unwrap();
        assert!(page.total > 0 && page.items.iter().all(|one| one.level == Level::Masked && one.content.is_none()));
        assert!(page.choices.unwrap().persons.is_empty());
        assert_eq!(masked.progress_page(&mut tx, &of_person, None).await.unwrap().total, 0);
        for bad in ["", "x", "2026-10-01~x"] {
            let bad = ProgressQuery { cursor: Some(bad.into()), ..query(5) };
            assert!(matches!(masked.progress_page(&mut tx, &bad, None).await, Err(StoreError::Invalid("cursor"))));
        }
    }

    async fn a_draft_is_the_agencys_and_never_overwritten_unseen(world: &World) {
        let created = world.shared_case("下書き", Level::Edit).await;
        let mut tx = world.db.write().await.unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let text = |text: &str| map(json!({ "content": text }));
        let (id, version) = own.keep_progress_draft(&mut tx, 0, &text("一")).await.unwrap();
        assert_eq!(version, 1);
        assert!(matches!(own.keep_progress_draft(&mut tx, 0, &text("二")).await, Err(StoreError::Conflict)), "another screen");
        assert_eq!(own.keep_progress_draft(&mut tx, 1, &text("二")).await.unwrap(), (id.clone(), 2));
        assert!(matches!(own.keep_progress_draft(&mut tx, 1, &text("三")).await, Err(StoreError::Conflict)));
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        assert!(partner.progress_drafts(&mut tx).await.unwrap().is_empty(), "another agency");
        assert!(matches!(partner.take_progress_draft(&mut tx, &id, 2).await, Err(StoreError::NotFound)));
        assert!(matches!(partner.discard_progress_draft(&mut tx, &id).await, Err(StoreError::NotFound)));
        let viewer = tx.case_for(&world.viewer, &created.case).await.unwrap().unwrap();
        assert!(matches!(viewer.progress_drafts(&mut tx).await, Err(StoreError::Forbidden)));
        // A colleague takes it over; what the first still types goes nowhere unseen.
        let mut colleague = world.coordinator.clone();
        colleague.viewer.account = world.other.viewer.account.clone();
        let theirs = tx.case_for(&colleague, &created.case).await.unwrap().unwrap();
        let seen = theirs.progress_drafts(&mut tx).await.unwrap();
        assert_eq!((seen.len(), seen[0].mine, seen[0].content["content"].as_str()), (1, false, Some("二")));
        assert!(matches!(theirs.take_progress_draft(&mut tx, &id, 1).await, Err(StoreError::Conflict)));
        let taken = theirs.take_progress_draft(&mut tx, &id, 2).await.unwrap();
        assert!(taken.mine && taken.version == 3);
        assert!(matches!(own.keep_progress_draft(&mut tx, 2, &text("四")).await, Err(StoreError::Conflict)));
        let (second, _) = own.keep_progress_draft(&mut tx, 0, &text("四")).await.unwrap();
        assert!(matches!(theirs.take_progress_draft(&mut tx, &second, 1).await, Err(StoreError::Taken("draft"))));
        // It becomes an entry once.
        let new = NewProgress { draft: Some(id.clone()), ..entry(1, "tel", Visibility::CaseMembers, "二") };
        assert!(matches!(own.add_progress(&mut tx, &new).await, Err(StoreError::Conflict)), "it is not the caller's any more");
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        theirs.add_progress(&mut tx, &new).await.unwrap();
        assert!(matches!(theirs.add_progress(&mut tx, &new).await, Err(StoreError::Conflict)), "a second time");
        assert!(theirs.progress_drafts(&mut tx).await.unwrap().iter().all(|draft| !draft.mine));
    }

    async fn a_draft_about_somebody_is_hidden_from_who_is_excluded_from_them(world: &World) {
        let created = world.shared_case("除外", Level::Edit).await;
        let mut colleague = world.coordinator.clone();
        colleague.viewer.account = world.other.viewer.account.clone();
        let mut tx = world.db.write().await.unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let about = map(json!({ "content": CANARY, "persons": [created.clients[0].as_str()] }));
        own.keep_progress_draft(&mut tx, 0, &about).await.unwrap();
        let theirs = tx.case_for(&colleague, &created.case).await.unwrap().unwrap();
        assert_eq!(theirs.progress_drafts(&mut tx).await.unwrap().len(), 1);
        let out = Exclusion { who: Excluded::Account(colleague.viewer.account.clone()), about: Some(created.clients[0].clone()) };
        own.exclude(&mut tx, &out, "親族").await.unwrap();
        if let Some(theirs) = tx.case_for(&colleague, &created.case).await.unwrap() {
            assert!(!matches!(theirs.progress_drafts(&mut tx).await, Ok(drafts) if !drafts.is_empty()));
        }
    }

    async fn attachments_follow_their_entry(world: &World) {
        let created = world.shared_case("添付", Level::Edit).await;
        world.disclose(&created, &world.other, Level::Read, Section::ALL).await;
        let mut tx = world.db.write().await.unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let first = vec![b'a'; PART];
        let id = bring(&mut tx, &own, &format!("{CANARY}.txt"), &[&first, CANARY.as_bytes()]).await;
        let own_only = bring(&mut tx, &own, "内部.txt", &[b"x"]).await;
        let partner = tx.case_for(&world.agency, &created.case).await.unwrap().unwrap();
        let reader = tx.case_for(&world.other, &created.case).await.unwrap().unwrap();
        assert_eq!(own.waiting_blobs(&mut tx).await.unwrap().len(), 2);
        for other in [&partner, &reader] {
            assert!(other.blob(&mut tx, &id).await.unwrap().is_none(), "it waits for the writer's entry");
            assert!(other.waiting_blobs(&mut tx).await.unwrap().is_empty());
        }
        let foreign = NewProgress { attachments: vec![id.clone()], ..entry(1, "tel", Visibility::CaseMembers, "x") };
        assert!(matches!(partner.add_progress(&mut tx, &foreign).await, Err(StoreError::Invalid("attachments"))));
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        let record = own.add_progress(&mut tx, &foreign).await.unwrap();
        let hidden = NewProgress { attachments: vec![own_only.clone()], ..entry(1, "tel", Visibility::OwnOrg, "x") };
        let hidden = own.add_progress(&mut tx, &hidden).await.unwrap();
        for other in [&partner, &reader] {
            let blob = other.blob(&mut tx, &id).await.unwrap().unwrap();
            assert_eq!((blob.name.as_str(), blob.size), (format!("{CANARY}.txt").as_str(), (PART + CANARY.len()) as i64));
            assert_eq!(other.blob_part(&mut tx, &blob, 0).await.unwrap().unwrap(), first);
            assert_eq!(other.blob_part(&mut tx, &blob, 1).await.unwrap().unwrap(), CANARY.as_bytes());
            assert!(other.blob_part(&mut tx, &blob, 2).await.unwrap().is_none());
            assert!(other.blob(&mut tx, &own_only).await.unwrap().is_none());
            assert!(matches!(other.discard_blob(&mut tx, &id).await, Err(StoreError::NotFound)));
        }
        assert!(matches!(own.discard_blob(&mut tx, &id).await, Err(StoreError::NotFound)), "an entry's goes by amendment");
        tx.commit().await.unwrap();
        // Masked: neither name nor number.
        world.store.clock.set(noon() + SignedDuration::from_secs(9));
        world.consent(&created, &created.clients[0], ConsentStatus::Refused).await;
        let mut tx = world.db.write().await.unwrap();
        let masked = tx.case_for(&world.other, &created.case).await.unwrap().unwrap();
        assert!(masked.blob(&mut tx, &id).await.unwrap().is_none());
        let shown = masked.progress_record(&mut tx, &record).await.unwrap().unwrap();
        assert!(shown.attachments.is_empty() && shown.level == Level::Masked);
        // Taken away by who brought it in, with a trace.
        let why = map(json!({ "reason": "別の人の書類" }));
        let gone = Attached { remove: vec![id.clone()], ..Attached::default() };
        let wrong = Attached { remove: vec![own_only.clone()], ..Attached::default() };
        assert!(matches!(own.amend_progress(&mut tx, &record, &why, &wrong).await, Err(StoreError::NotFound)), "of another entry");
        own.amend_progress(&mut tx, &record, &why, &gone).await.unwrap();
        let shown = own.progress_record(&mut tx, &record).await.unwrap().unwrap();
        assert!(shown.attachments.is_empty());
        assert_eq!(shown.amendments[0].content["detached"], json!([format!("{CANARY}.txt")]));
        assert!(own.blob(&mut tx, &id).await.unwrap().is_none());
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM blob_parts").fetch_one(tx.conn()).await.unwrap();
        assert_eq!(left, 0);
        assert_eq!(own.progress_record(&mut tx, &hidden).await.unwrap().unwrap().attachments.len(), 1);
    }

    async fn uploads_that_never_arrived_are_swept(world: &World) {
        let created = world.case("途中").await;
        let mut tx = world.db.write().await.unwrap();
        let own = tx.case_for(&world.coordinator, &created.case).await.unwrap().unwrap();
        let half = own.begin_blob(&mut tx, "半分.txt", "text/plain", b"x").await.unwrap();
        own.add_blob_part(&mut tx, &half, 1, b"y").await.unwrap();
        let whole = bring(&mut tx, &own, "全部.txt", &[b"x", b"y"]).await;
        assert!(own.blob(&mut tx, &half).await.unwrap().is_none(), "not shown before it is whole");
        assert_eq!(blobs::sweep(&mut tx, "2000-01-01T00:00:00.000Z").await.unwrap(), 0);
        assert_eq!(blobs::sweep(&mut tx, "2999-01-01T00:00:00.000Z").await.unwrap(), 1);
        assert!(matches!(own.add_blob_part(&mut tx, &half, 2, b"z").await, Err(StoreError::NotFound)));
        let blob = own.blob(&mut tx, &whole).await.unwrap().unwrap();
        assert_eq!(own.blob_part(&mut tx, &blob, 1).await.unwrap().unwrap(), b"y");
    }

    async fn templates_are_the_writers_or_the_agencys(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let mut template = builtin()[0].clone();
        template.name = "月曜の見守り".into();
        let mut colleague: Caller = world.coordinator.clone();
        colleague.viewer.account = world.other.viewer.account.clone();
        progress_templates::save(&mut tx, &world.coordinator, &template, false).await.unwrap();
        template.content = "新しい".into();
        let own = progress_templates::save(&mut tx, &world.coordinator, &template, false).await.unwrap();
        let shared = progress_templates::save(&mut tx, &world.coordinator, &template, true).await.unwrap();
        let list = progress_templates::list(&mut tx, &world.coordinator).await.unwrap();
        assert_eq!(list.iter().map(|one| (one.id.as_str(), one.shared, one.template.content.as_str())).collect::<Vec<_>>(),
            [(own.id.as_str(), false, "新しい"), (shared.id.as_str(), true, "新しい")]);
        let theirs = progress_templates::list(&mut tx, &colleague).await.unwrap();
        assert_eq!(theirs.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [shared.id.as_str()]);
        assert!(progress_templates::list(&mut tx, &world.agency).await.unwrap().is_empty());
        assert!(matches!(progress_templates::list(&mut tx, &world.viewer).await, Err(StoreError::Forbidden)));
        assert!(matches!(progress_templates::remove(&mut tx, &colleague, &own.id).await, Err(StoreError::NotFound)));
        assert!(matches!(progress_templates::remove(&mut tx, &world.agency, &shared.id).await, Err(StoreError::NotFound)));
        progress_templates::remove(&mut tx, &world.coordinator, &own.id).await.unwrap();
        let nameless = domain::progress_template::Template { name: " ".into(), ..template };
        assert!(matches!(progress_templates::save(&mut tx, &world.coordinator, &nameless, false).await, Err(StoreError::Invalid("name"))));
    }
}
