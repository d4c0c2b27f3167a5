//! Turns of imports, and what a check gives out after rights changed.

use domain::{
    agency::AgencyClass,
    disclosure::{Disclosure, Excluded, Exclusion, Level},
    role::Role,
    section::Section,
};
use serde_json::json;
use store::{
    AdminAccess, Caller,
    imports::{self, Import, ImportState},
    persons::{self, Fact, NewPerson},
};

use super::*;
use crate::operations::transcripts::tests::{NAME, Town, token};

async fn sent(town: &Town, caller: &Caller, table: &str, csv: &str) -> Import {
    let mut tx = town.state.db().write().await.unwrap();
    let choices = Choices::default();
    let import = imports::create(&mut tx, caller, table, csv.as_bytes(), &choices)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    import
}

async fn found(town: &Town, caller: &Caller, import: &Import) -> Import {
    let mut tx = town.state.db().read().await.unwrap();
    imports::find(&mut tx, caller, &import.id)
        .await
        .unwrap()
        .unwrap()
}

/// An import that fails whenever it is tried.
async fn broken(town: &Town, caller: &Caller) -> Import {
    let import = sent(town, caller, "person", "氏名\r\n架空 一\r\n").await;
    let mut tx = town.state.db().write().await.unwrap();
    import.put_part(&mut tx, "options", 0, &7).await.unwrap();
    tx.commit().await.unwrap();
    import
}

#[tokio::test]
async fn an_import_that_fails_is_nobody_elses_trouble_and_is_given_up() {
    let town = Town::open().await;
    let caller = town.caller("coordinator").await;
    let bad = broken(&town, &caller).await;
    let good = sent(&town, &caller, "person", "氏名\r\n架空 二\r\n").await;
    while turn(&town.state).await.unwrap() {}
    assert_eq!(found(&town, &caller, &good).await.state, ImportState::Ready);
    assert_eq!(
        found(&town, &caller, &bad).await.state,
        ImportState::Checking
    );
    // Nodes that are restarted again and again, each knowing nothing of the others.
    for _ in 1..TRIES {
        assert!(attempt(&town.state, bad.clone()).await.is_err());
    }
    attempt(&town.state, bad.clone()).await.unwrap();
    let ended = found(&town, &caller, &bad).await;
    assert_eq!(
        (ended.state, ended.failure.as_deref()),
        (ImportState::Failed, Some("gave_up"))
    );
    while turn(&town.state).await.unwrap() {}
}

#[tokio::test]
async fn whoever_waits_longest_comes_first_and_what_failed_rests() {
    let town = Town::open().await;
    let caller = town.caller("coordinator").await;
    let import = sent(&town, &caller, "person", "氏名\r\n").await;
    let of = |municipality: &str, id: &str| {
        let mut other = import.clone();
        other.municipality = municipality.into();
        other.id = id.into();
        other
    };
    let due = || vec![of("a", "a1"), of("b", "b1"), of("a", "a2")];
    let ids = |due: Vec<Import>| due.into_iter().map(|one| one.id).collect::<Vec<_>>();
    let now = Instant::now();
    let mut turns = Turns::default();
    assert_eq!(ids(turns.arrange(due(), now)), ["a1", "b1", "a2"]);
    turns.begin(&of("a", "a1"));
    assert_eq!(ids(turns.arrange(due(), now)), ["b1", "a1", "a2"]);
    turns.begin(&of("b", "b1"));
    assert_eq!(turns.rest("a1", now), 1);
    assert_eq!(ids(turns.arrange(due(), now)), ["a2", "b1"]);
    assert_eq!(ids(turns.arrange(due(), now + RETRY)), ["a1", "a2", "b1"]);
    assert_eq!(turns.rest("a1", now), 2);
    assert_eq!(ids(turns.arrange(due(), now + RETRY)), ["a2", "b1"]);
    for _ in 0..40 {
        turns.rest("a1", now);
    }
    assert_eq!(ids(turns.arrange(due(), now + LONGEST_PAUSE)).len(), 3);
    // What is over is forgotten.
    turns.arrange(vec![of("b", "b1")], now);
    assert_eq!(turns.failed("a1"), 0);
}

#[tokio::test]
async fn what_a_check_found_is_given_out_with_the_rights_of_now() {
    let town = Town::open().await;
    let caller = town.caller("coordinator").await;
    let mut tx = town.state.db().write().await.unwrap();
    let access = tx.case_for(&caller, &town.case).await.unwrap().unwrap();
    let client = access.facts().persons[0].person.clone();
    let new = NewPerson {
        facts: vec![Fact::current("name", "架空 次郎")],
        ..NewPerson::default()
    };
    let other = persons::create(&mut tx, &caller, &new).await.unwrap();
    let lines = tx
        .case_lines(&caller, std::slice::from_ref(&town.case))
        .await
        .unwrap();
    let number = lines[&town.case].1.case_no.clone();
    tx.commit().await.unwrap();
    let csv = format!("支援対象者ID,性別\r\n{client},1\r\n{other},2\r\n{client},3\r\n");
    let register = sent(&town, &caller, "person", &csv).await;
    let csv = format!("事案番号,支援対象者ID,事案での立場\r\n{number},{client},世帯員\r\n");
    let relation = sent(&town, &caller, "relation", &csv).await;
    let csv = format!("支援対象者ID,性別\r\n{other},2\r\n");
    let unconcerned = sent(&town, &caller, "person", &csv).await;
    while turn(&town.state).await.unwrap() {}
    let paths = |import: &Import, kind: &str| {
        [
            format!("/imports/{}/rows?kind={kind}", import.id),
            format!("/imports/{}/errors.csv", import.id),
        ]
    };
    for path in paths(&register, "update")
        .iter()
        .chain(&paths(&relation, "error"))
    {
        assert_eq!(town.get("coordinator", path).await.0, 200, "{path}");
    }
    // Shut out of everything about one person since.
    let mut tx = town.state.db().write().await.unwrap();
    let access = tx.case_for(&caller, &town.case).await.unwrap().unwrap();
    let own = Exclusion {
        who: Excluded::Account(caller.viewer.account.clone()),
        about: Some(client.clone()),
    };
    access.exclude(&mut tx, &own, "親族").await.unwrap();
    tx.commit().await.unwrap();
    for path in paths(&register, "update")
        .iter()
        .chain(&paths(&relation, "error"))
    {
        let (status, body) = town.get("coordinator", path).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 409, "{path}: {body}");
        assert!(body.contains("import_rights_changed") && !body.contains(NAME));
    }
    let path = &paths(&unconcerned, "update")[0];
    assert_eq!(
        town.get("coordinator", path).await.0,
        200,
        "of others nothing changed"
    );
    let (status, _) = town
        .json(
            "coordinator",
            "PUT",
            &format!("/imports/{}/choices", register.id),
            &json!({"mapping": {"columns": {}, "options": {}}}),
        )
        .await;
    assert_eq!(status, 200);
    while turn(&town.state).await.unwrap() {}
    let (status, body) = town.get("coordinator", &paths(&register, "error")[1]).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    assert!(
        body.contains("unknown_person") && !body.contains(NAME),
        "{body}"
    );
}

#[tokio::test]
async fn who_may_not_edit_a_case_is_not_told_who_is_in_it() {
    let town = Town::open().await;
    let caller = town.caller("coordinator").await;
    let mut tx = town.state.db().write().await.unwrap();
    let admin = AdminAccess::of_installation(&caller.viewer.municipality);
    let (class, role) = (AgencyClass::Coordinator, Role::Coordinator);
    let (_, second) = token(&mut tx, &admin, "second", class, role).await;
    let access = tx.case_for(&caller, &town.case).await.unwrap().unwrap();
    let client = access.facts().persons[0].person.clone();
    let rights: Vec<Disclosure> = [Section::Intake, Section::Progress]
        .map(|section| Disclosure {
            agency: second.viewer.agency.clone(),
            section,
            level: Level::Masked,
            comment: false,
            from: None,
            to: None,
        })
        .into();
    let (agency, from) = (&second.viewer.agency, jiff::civil::date(2026, 11, 2));
    access
        .add_member(&mut tx, agency, "member", from, None, &rights, None)
        .await
        .unwrap();
    let new = NewPerson {
        facts: vec![Fact::current("name", "架空 次郎")],
        ..NewPerson::default()
    };
    let stranger = persons::create(&mut tx, &second, &new).await.unwrap();
    let lines = tx
        .case_lines(&second, std::slice::from_ref(&town.case))
        .await
        .unwrap();
    let (theirs, line) = &lines[&town.case];
    assert_eq!(line.clients[0].display, "［氏名1］");
    assert!(!theirs.may_add_persons());
    let number = line.case_no.clone();
    tx.commit().await.unwrap();
    let rows = |head: &str, tail: &str| {
        format!(
            "{head}\r\n{number},{client}{tail}\r\n{number},{stranger}{tail}\r\n{number},なし{tail}\r\n"
        )
    };
    let relation = rows("事案番号,支援対象者ID,事案での立場", ",世帯員");
    let consent = rows(
        "事案番号,支援対象者ID,同意区分,取得日,取得方法",
        ",full,2026-11-02,paper",
    );
    let entry = rows(
        "事案番号,支援対象者ID,支援実施日,方法,記録内容",
        ",2026-11-10,tel,電話",
    );
    for (table, csv, code) in [
        ("relation", relation, "forbidden"),
        ("consent", consent, "forbidden"),
        ("progress", entry, "unknown_person"),
    ] {
        let import = sent(&town, &second, table, &csv).await;
        while turn(&town.state).await.unwrap() {}
        let mut tx = town.state.db().read().await.unwrap();
        let found: Vec<Planned> = import.part(&mut tx, "error", 0).await.unwrap().unwrap();
        let codes: Vec<Vec<&str>> = found
            .iter()
            .map(|row| row.errors.iter().map(|error| error.code.as_str()).collect())
            .collect();
        assert_eq!(codes, [[code], [code], [code]], "{table}");
    }
}
