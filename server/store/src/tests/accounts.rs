use domain::agency::AgencyClass;
use domain::role::{Capability, Role};
use jiff::SignedDuration;
use jiff::civil::date;

use super::on_both;
use super::world::{PASSWORD, SECRET, World, account, agency, membership, municipality};
use crate::accounts::AccountPatch;
use crate::memberships::{MembershipPatch, NewMembership};
use crate::sessions::{self, Enrolled, Locked, SecondFactor, Session, Stage};
use crate::testing::noon;
use crate::{AdminAccess, Database, StoreError};

/// Signs in with a password; the token and the session.
async fn sign_in(
    db: &Database,
    login: &str,
    password: &str,
    source: &str,
) -> Result<Option<(String, Session)>, Locked> {
    let mut tx = db.write().await.unwrap();
    let answer = sessions::challenge(&mut tx, login, source).await.unwrap();
    tx.commit().await.unwrap();
    let challenge = answer?;
    let verified = challenge.verify(db.hashing(), password);
    let mut tx = db.write().await.unwrap();
    let opened = sessions::open(&mut tx, challenge, verified).await.unwrap();
    tx.commit().await.unwrap();
    Ok(opened.map(|opened| (opened.token, opened.session)))
}

async fn code(db: &Database, session: &Session, code: &str, source: &str) -> SecondFactor {
    let mut tx = db.write().await.unwrap();
    let mut session = session.clone();
    let answer = sessions::confirm_totp(&mut tx, &mut session, code, source)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    answer
}

async fn enrolled(world: &World, login: &str) -> domain::id::AccountId {
    let mut tx = world.db.write().await.unwrap();
    let id = account(&mut tx, &world.admin, login).await;
    membership(
        &mut tx,
        &world.admin,
        &id,
        &world.coordinator.viewer.agency,
        Role::Coordinator,
    )
    .await;
    world.admin.enrol(&mut tx, &id, SECRET).await.unwrap();
    tx.commit().await.unwrap();
    id
}

on_both! {
    async fn a_connection_ends_with_what_it_was_opened_with(world: &World) {
        let caller = world.coordinator.clone();
        let (town, membership) = (caller.viewer.municipality.clone(), caller.viewer.membership.clone());
        let id = caller.via.strip_prefix("token:").unwrap().to_owned();
        let mut tx = world.db.write().await.unwrap();
        assert!(sessions::holds(&mut tx, &town, &caller.via, &membership).await.unwrap());
        assert!(!sessions::holds(&mut tx, &town, &caller.via, &world.agency.viewer.membership).await.unwrap());
        for nothing in ["", "token:", "session:x", "other:x"] {
            assert!(!sessions::holds(&mut tx, &town, nothing, &membership).await.unwrap());
        }
        world.admin.revoke_token(&mut tx, &id).await.unwrap();
        assert!(!sessions::holds(&mut tx, &town, &caller.via, &membership).await.unwrap());
    }

    async fn a_stale_enrolment_replaces_no_second_factor(world: &World) {
        let db = &world.db;
        let begun = async || {
            let (token, session) = sign_in(db, "coordinator", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
            assert_eq!(session.stage, Stage::Enrolment);
            let mut tx = db.write().await.unwrap();
            let offer = sessions::begin_enrolment(&mut tx, &session, "結").await.unwrap();
            tx.commit().await.unwrap();
            let secret = totp_rs::Secret::try_from_base32(&offer.secret).unwrap().as_bytes().to_vec();
            (token, session, sessions::current_code(&secret, noon()).unwrap())
        };
        let (stale_token, mut stale, stale_code) = begun().await;
        let (token, mut session, right) = begun().await;
        let mut tx = db.write().await.unwrap();
        let answer = sessions::confirm_enrolment(&mut tx, &mut session, &right, "10.0.0.1").await.unwrap();
        assert!(matches!(answer, Enrolled::Accepted { .. }));
        tx.commit().await.unwrap();
        let mut tx = db.read().await.unwrap();
        assert!(sessions::find(&mut tx, &token).await.unwrap().is_some());
        assert!(sessions::find(&mut tx, &stale_token).await.unwrap().is_none(), "ended");
        drop(tx);
        let mut tx = db.write().await.unwrap();
        let answer = sessions::confirm_enrolment(&mut tx, &mut stale, &stale_code, "10.0.0.1").await;
        assert!(matches!(answer, Err(StoreError::Conflict)));
        drop(tx);

        // Given the factor otherwise: the session goes on, and replaces nothing.
        let mut tx = db.write().await.unwrap();
        world.admin.reset_second_factor(&mut tx, &session.account).await.unwrap();
        tx.commit().await.unwrap();
        let (_, mut stale, stale_code) = begun().await;
        let mut tx = db.write().await.unwrap();
        world.admin.enrol(&mut tx, &session.account, SECRET).await.unwrap();
        let answer = sessions::confirm_enrolment(&mut tx, &mut stale, &stale_code, "10.0.0.1").await;
        assert!(matches!(answer, Err(StoreError::Conflict)));
    }

    async fn the_whole_way_in(world: &World) {
        let db = &world.db;
        let (token, session) = sign_in(db, "COORDINATOR ", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        assert_eq!(session.stage, Stage::Enrolment);
        let mut tx = db.read().await.unwrap();
        assert!(sessions::caller(&mut tx, &session).await.unwrap().is_none(), "no right before the second factor");
        drop(tx);
        let mut tx = db.write().await.unwrap();
        let offer = sessions::begin_enrolment(&mut tx, &session, "結").await.unwrap();
        assert!(offer.otpauth_url.starts_with("otpauth://totp/"));
        let secret = totp_rs::Secret::try_from_base32(&offer.secret).unwrap().as_bytes().to_vec();
        let mut session = session;
        assert_eq!(sessions::confirm_enrolment(&mut tx, &mut session, "000000", "10.0.0.1").await.unwrap(), Enrolled::Invalid);
        let right = sessions::current_code(&secret, noon()).unwrap();
        let Enrolled::Accepted { stage, recovery_codes } =
            sessions::confirm_enrolment(&mut tx, &mut session, &right, "10.0.0.1").await.unwrap() else { panic!() };
        assert_eq!((stage, recovery_codes.len()), (Stage::Ready, 10));
        tx.commit().await.unwrap();

        let mut tx = db.read().await.unwrap();
        let session = sessions::find(&mut tx, &token).await.unwrap().unwrap();
        let caller = sessions::caller(&mut tx, &session).await.unwrap().unwrap();
        assert_eq!(caller.viewer.role, Role::Coordinator);
        assert_eq!(caller.viewer.today, date(2026, 11, 20));
        drop(tx);

        // The code that confirmed the enrolment is used.
        let (_, second) = sign_in(db, "coordinator", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        assert_eq!(second.stage, Stage::Totp);
        assert_eq!(code(db, &second, &right, "10.0.0.1").await, SecondFactor::Replayed);
        // A recovery code works once.
        for expected in [SecondFactor::Accepted(Stage::Ready), SecondFactor::Invalid] {
            let (_, mut again) = sign_in(db, "coordinator", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
            let mut tx = db.write().await.unwrap();
            let answer = sessions::use_recovery_code(&mut tx, &mut again, &recovery_codes[3].to_lowercase(), "10.0.0.1").await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(answer, expected);
        }
    }

    async fn one_code_opens_one_session_however_many_try_at_once(world: &World) {
        enrolled(world, "racer").await;
        let right = sessions::current_code(SECRET, noon()).unwrap();
        let mut all = Vec::new();
        for n in 0..8 {
            let (_, session) = sign_in(&world.db, "racer", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
            let (db, right) = (world.db.clone(), right.clone());
            all.push(tokio::spawn(async move { code(&db, &session, &right, &format!("10.0.1.{n}")).await }));
        }
        let mut accepted = 0;
        for one in all {
            match one.await.unwrap() {
                SecondFactor::Accepted(Stage::Ready) => accepted += 1,
                other => assert_eq!(other, SecondFactor::Replayed),
            }
        }
        assert_eq!(accepted, 1);
    }

    async fn guessing_locks_the_guessing_source_only(world: &World) {
        for _ in 0..5 {
            assert!(sign_in(&world.db, "coordinator", "wrong password!", "203.0.113.9").await.unwrap().is_none());
        }
        let locked = sign_in(&world.db, "coordinator", PASSWORD, "203.0.113.9").await.unwrap_err();
        assert_eq!(locked.retry_after, 30);
        assert!(sign_in(&world.db, "coordinator", PASSWORD, "10.0.0.1").await.unwrap().is_some(), "the owner gets in");
        world.store.clock.set(noon() + SignedDuration::from_secs(31));
        assert!(sign_in(&world.db, "coordinator", "wrong password!", "203.0.113.9").await.unwrap().is_none());
        let longer = sign_in(&world.db, "coordinator", PASSWORD, "203.0.113.9").await.unwrap_err();
        assert!(longer.retry_after > 30, "the wait grows");
        // Unknown ids behave alike.
        for _ in 0..5 {
            assert!(sign_in(&world.db, "nobody", "wrong password!", "203.0.113.9").await.unwrap().is_none());
        }
        assert!(sign_in(&world.db, "nobody", "wrong password!", "203.0.113.9").await.is_err());
    }

    async fn parallel_guesses_are_all_counted(world: &World) {
        let mut all = Vec::new();
        for _ in 0..12 {
            let db = world.db.clone();
            all.push(tokio::spawn(async move { sign_in(&db, "coordinator", "wrong password!", "203.0.113.9").await.is_err() }));
        }
        let mut refused = 0;
        for one in all {
            refused += i32::from(one.await.unwrap());
        }
        assert_eq!(refused, 7, "five are free, the rest waits");
    }

    async fn codes_are_not_guessed(world: &World) {
        enrolled(world, "target").await;
        let (_, session) = sign_in(&world.db, "target", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        for wrong in ["", "12345", "abcdef", "１２３４５６", "000001"] {
            assert_eq!(code(&world.db, &session, wrong, "10.0.0.1").await, SecondFactor::Invalid);
        }
        let right = sessions::current_code(SECRET, noon()).unwrap();
        assert!(matches!(code(&world.db, &session, &right, "10.0.0.1").await, SecondFactor::Locked(_)));
    }

    async fn codes_are_counted_by_account_from_wherever_they_come(world: &World) {
        enrolled(world, "target").await;
        let db = &world.db;
        // Who lacks the password never gets to the codes, and locks nobody out.
        for n in 0..40 {
            let _ = sign_in(db, "target", "wrong password!", &format!("198.51.100.{n}")).await;
        }
        let right = sessions::current_code(SECRET, noon()).unwrap();
        let (_, session) = sign_in(db, "target", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        assert_eq!(code(db, &session, &right, "10.0.0.1").await, SecondFactor::Accepted(Stage::Ready));

        // Who has it guesses from ever new addresses, one-time and recovery codes in turn.
        let (_, session) = sign_in(db, "target", PASSWORD, "203.0.113.1").await.unwrap().unwrap();
        for n in 0..5 {
            let source = format!("203.0.113.{n}");
            let mut session = session.clone();
            let mut tx = db.write().await.unwrap();
            let answer = if n % 2 == 0 {
                sessions::confirm_totp(&mut tx, &mut session, "000001", &source).await.unwrap()
            } else {
                sessions::use_recovery_code(&mut tx, &mut session, "0000-0000-0000-0000", &source).await.unwrap()
            };
            tx.commit().await.unwrap();
            assert_eq!(answer, SecondFactor::Invalid, "{n}");
        }
        let later = |seconds: i64| noon() + SignedDuration::from_secs(seconds);
        let at = async |seconds: i64, given: &str, source: &str| {
            world.store.clock.set(later(seconds));
            let (_, session) = sign_in(db, "target", PASSWORD, source).await.unwrap().unwrap();
            code(db, &session, given, source).await
        };
        assert_eq!(at(1, "000001", "203.0.113.99").await, SecondFactor::Locked(Locked { retry_after: 29 }));
        // The lock ends by itself, and grows when it goes on.
        assert_eq!(at(31, "000001", "203.0.113.100").await, SecondFactor::Invalid);
        assert_eq!(at(32, "000001", "203.0.113.101").await, SecondFactor::Locked(Locked { retry_after: 59 }));
        let right = sessions::current_code(SECRET, later(92)).unwrap();
        assert_eq!(at(92, &right, "10.0.0.1").await, SecondFactor::Accepted(Stage::Ready));
        // A success forgives; codes that were right once are no guesses.
        for _ in 0..7 {
            assert_eq!(at(93, &right, &format!("10.0.1.{}", db.fresh_token())).await, SecondFactor::Replayed);
        }
        let next = sessions::current_code(SECRET, later(153)).unwrap();
        assert_eq!(at(153, &next, "10.0.0.1").await, SecondFactor::Accepted(Stage::Ready));
    }

    async fn a_callers_rights_are_asked_for_again(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let again = sessions::caller_again(&mut tx, &world.agency).await.unwrap().unwrap();
        assert_eq!(again, world.agency);
        world.admin.stop_membership(&mut tx, &world.agency.viewer.membership).await.unwrap();
        assert!(sessions::caller_again(&mut tx, &world.agency).await.unwrap().is_none(), "the membership was stopped");
        let token = world.coordinator.via.strip_prefix("token:").unwrap().to_owned();
        world.admin.revoke_token(&mut tx, &token).await.unwrap();
        assert!(sessions::caller_again(&mut tx, &world.coordinator).await.unwrap().is_none(), "the token was revoked");
    }

    async fn fields_of_an_account_are_left_changed_or_emptied(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let id = account(&mut tx, &world.admin, "fields").await;
        let fields = async |tx: &mut crate::Tx| {
            let found = world.admin.account(tx, &id).await.unwrap().unwrap();
            (found.name, found.kana, found.email, found.profession)
        };
        let some = |text: &str| Some(Some(text.to_owned()));
        let fill = AccountPatch { name: None, kana: some("かな"), email: some("a@b.example"), profession: some("other") };
        world.admin.update_account(&mut tx, &id, 1, &fill).await.unwrap();
        let clear = AccountPatch { kana: Some(None), email: Some(None), ..AccountPatch::default() };
        world.admin.update_account(&mut tx, &id, 2, &clear).await.unwrap();
        assert_eq!(fields(&mut tx).await, ("職員 fields".into(), None, None, Some("other".into())));
    }

    async fn sessions_end(world: &World) {
        let id = enrolled(world, "leaver").await;
        let (token, session) = sign_in(&world.db, "leaver", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        let right = sessions::current_code(SECRET, noon()).unwrap();
        assert_eq!(code(&world.db, &session, &right, "10.0.0.1").await, SecondFactor::Accepted(Stage::Ready));
        let alive = async |at: jiff::Timestamp| {
            world.store.clock.set(at);
            let mut tx = world.db.read().await.unwrap();
            sessions::find(&mut tx, &token).await.unwrap().is_some()
        };
        assert!(alive(noon() + SignedDuration::from_mins(59)).await);
        assert!(!alive(noon() + SignedDuration::from_mins(61)).await, "idle");
        // In use, it lives to the absolute limit.
        for minutes in (0..12 * 60).step_by(50) {
            world.store.clock.set(noon() + SignedDuration::from_mins(minutes));
            let mut tx = world.db.write().await.unwrap();
            let session = sessions::find(&mut tx, &token).await.unwrap().unwrap();
            sessions::touch(&mut tx, &session).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert!(!alive(noon() + SignedDuration::from_hours(12)).await, "absolute");
        // Stopping ends at once, reactivating does not bring it back.
        assert!(alive(noon() + SignedDuration::from_mins(700)).await);
        let mut tx = world.db.write().await.unwrap();
        world.admin.stop_account(&mut tx, &id).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!alive(noon() + SignedDuration::from_mins(700)).await);
        assert!(sign_in(&world.db, "leaver", PASSWORD, "10.0.0.1").await.unwrap().is_none(), "stopped");
        let mut tx = world.db.write().await.unwrap();
        world.admin.reactivate_account(&mut tx, &id).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!alive(noon() + SignedDuration::from_mins(700)).await);
        assert!(sign_in(&world.db, "leaver", PASSWORD, "10.0.0.1").await.unwrap().is_some());
    }

    async fn a_one_time_password_is_replaced(world: &World) {
        let id = enrolled(world, "newcomer").await;
        let mut tx = world.db.write().await.unwrap();
        let once = world.db.hashing().hash("one time password").unwrap();
        world.admin.reset_password(&mut tx, &id, &once).await.unwrap();
        tx.commit().await.unwrap();
        let (_, session) = sign_in(&world.db, "newcomer", "one time password", "10.0.0.1").await.unwrap().unwrap();
        let right = sessions::current_code(SECRET, noon()).unwrap();
        assert_eq!(code(&world.db, &session, &right, "10.0.0.1").await, SecondFactor::Accepted(Stage::Password));
        let mut session = session;
        session.stage = Stage::Password;
        let mut tx = world.db.write().await.unwrap();
        assert!(sessions::caller(&mut tx, &session).await.unwrap().is_none());
        let hash = sessions::password_hash(&mut tx, &session).await.unwrap();
        let next = world.db.hashing().hash("a much better one").unwrap();
        assert!(sessions::change_password(&mut tx, &mut session, "another hash", &next, "10.0.0.1").await.is_err());
        let stage = sessions::change_password(&mut tx, &mut session, &hash, &next, "10.0.0.1").await.unwrap();
        assert_eq!(stage, Stage::Ready);
        assert!(sessions::caller(&mut tx, &session).await.unwrap().is_some());
        tx.commit().await.unwrap();
        assert!(sign_in(&world.db, "newcomer", "one time password", "10.0.0.1").await.unwrap().is_none());
    }

    async fn hats_are_changed_and_run_out(world: &World) {
        let db = &world.db;
        let id = enrolled(world, "twohats").await;
        let mut tx = db.write().await.unwrap();
        let agency = world.agency.viewer.agency.clone();
        let second = world.admin.create_membership(&mut tx, &NewMembership {
            account: id.clone(), agency, role: Role::Agency, valid_from: date(2026, 4, 1), valid_to: Some(date(2026, 11, 20)),
        }).await.unwrap();
        tx.commit().await.unwrap();
        let (token, session) = sign_in(db, "twohats", PASSWORD, "10.0.0.1").await.unwrap().unwrap();
        let right = sessions::current_code(SECRET, noon()).unwrap();
        code(db, &session, &right, "10.0.0.1").await;
        let mut tx = db.write().await.unwrap();
        let mut session = sessions::find(&mut tx, &token).await.unwrap().unwrap();
        assert_eq!(sessions::choices(&mut tx, &session).await.unwrap().len(), 2);
        sessions::switch_membership(&mut tx, &mut session, &second).await.unwrap();
        assert_eq!(sessions::caller(&mut tx, &session).await.unwrap().unwrap().viewer.role, Role::Agency);
        let foreign = world.other.viewer.membership.clone();
        assert!(matches!(sessions::switch_membership(&mut tx, &mut session, &foreign).await, Err(StoreError::NotFound)));
        tx.commit().await.unwrap();
        // 24:00 in Tokyo is 15:00 UTC: the last day of the membership is over.
        world.store.clock.set("2026-11-20T15:00:01Z".parse().unwrap());
        let mut tx = db.read().await.unwrap();
        assert!(sessions::caller(&mut tx, &session).await.unwrap().is_none());
        assert_eq!(sessions::choices(&mut tx, &session).await.unwrap().len(), 1);
    }

    async fn tokens_have_scopes_and_an_end(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let membership = world.coordinator.viewer.membership.clone();
        assert!(world.admin.create_token(&mut tx, &membership, "x", &["everything".into()], SignedDuration::from_hours(1)).await.is_err());
        let scopes = vec!["read_statistics".to_owned()];
        let (id, token) = world.admin.create_token(&mut tx, &membership, "x", &scopes, SignedDuration::from_hours(1)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let caller = sessions::bearer(&mut tx, &token).await.unwrap().unwrap();
        assert!(caller.may(Capability::ReadStatistics) && !caller.may(Capability::ReadCases));
        assert!(sessions::bearer(&mut tx, "mus_nothing").await.unwrap().is_none());
        drop(tx);
        world.store.clock.set(noon() + SignedDuration::from_mins(61));
        let mut tx = world.db.read().await.unwrap();
        assert!(sessions::bearer(&mut tx, &token).await.unwrap().is_none(), "expired");
        drop(tx);
        world.store.clock.set(noon());
        let mut tx = world.db.write().await.unwrap();
        world.admin.revoke_token(&mut tx, &id).await.unwrap();
        assert!(sessions::bearer(&mut tx, &token).await.unwrap().is_none(), "revoked");
    }

    async fn an_agencys_manager_stays_in_the_agency(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let a = world.agency.viewer.agency.clone();
        let manager = super::super::world::caller(&mut tx, &world.admin, "manager", &a, Role::AgencyMgr).await;
        let reach = tx.admin_for(&manager).unwrap();
        assert!(tx.admin_for(&world.agency).is_none());
        let logins: Vec<String> = reach.accounts(&mut tx).await.unwrap().into_iter().map(|account| account.login_id).collect();
        assert_eq!(logins, ["agency", "manager", "viewer"]);
        let foreign = world.other.viewer.account.clone();
        assert!(matches!(reach.stop_account(&mut tx, &foreign).await, Err(StoreError::NotFound)));
        assert!(matches!(reach.reset_second_factor(&mut tx, &foreign).await, Err(StoreError::NotFound)));
        let own = world.agency.viewer.account.clone();
        let up = NewMembership { account: own.clone(), agency: a.clone(), role: Role::Sysadmin, valid_from: date(2026, 4, 1), valid_to: None };
        assert!(matches!(reach.create_membership(&mut tx, &up).await, Err(StoreError::Forbidden)));
        let away = NewMembership { agency: world.other.viewer.agency.clone(), role: Role::Agency, ..up };
        assert!(matches!(reach.create_membership(&mut tx, &away).await, Err(StoreError::NotFound)));
        // A second hat elsewhere takes the account out of the manager's reach.
        let b = world.other.viewer.agency.clone();
        membership(&mut tx, &world.admin, &own, &b, Role::Agency).await;
        assert!(matches!(reach.stop_account(&mut tx, &own).await, Err(StoreError::NotFound)));
        // So does a hat that the manager could not have given, though it is in the own agency.
        let kotaki = world.coordinator.viewer.agency.clone();
        let manager = super::super::world::caller(&mut tx, &world.admin, "kotaki_manager", &kotaki, Role::CoordMgr).await;
        let reach = tx.admin_for(&manager).unwrap();
        let hands_on = world.coordinator.viewer.account.clone();
        reach.reset_second_factor(&mut tx, &hands_on).await.unwrap();
        membership(&mut tx, &world.admin, &hands_on, &kotaki, Role::Sysadmin).await;
        assert!(matches!(reach.reset_second_factor(&mut tx, &hands_on).await, Err(StoreError::NotFound)));
        assert!(matches!(reach.reset_password(&mut tx, &hands_on, "x").await, Err(StoreError::NotFound)));
    }

    async fn changes_meet_their_version(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let id = account(&mut tx, &world.admin, "versioned").await;
        let patch = AccountPatch { name: Some("改名".into()), ..AccountPatch::default() };
        world.admin.update_account(&mut tx, &id, 1, &patch).await.unwrap();
        assert!(matches!(world.admin.update_account(&mut tx, &id, 1, &patch).await, Err(StoreError::Conflict)));
        let membership = membership(&mut tx, &world.admin, &id, &world.agency.viewer.agency, Role::Agency).await;
        let patch = MembershipPatch { role: Some(Role::Coordinator), ..MembershipPatch::default() };
        assert!(matches!(world.admin.update_membership(&mut tx, &membership, 1, &patch).await, Err(StoreError::Invalid("role"))));
        let patch = MembershipPatch { role: Some(Role::AgencyMgr), ..MembershipPatch::default() };
        world.admin.update_membership(&mut tx, &membership, 1, &patch).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        let again = crate::accounts::NewAccount {
            login_id: "Versioned".into(), name: "x".into(), kana: None, email: None, profession: None,
            password_hash: "x".into(), must_change_password: false,
        };
        assert!(matches!(world.admin.create_account(&mut tx, &again).await, Err(StoreError::Taken("login_id"))));
    }

    async fn stopping_an_agency_or_membership_ends_its_rights(world: &World) {
        let mut tx = world.db.write().await.unwrap();
        let town = municipality(&mut tx, "elsewhere").await;
        let there = AdminAccess::of_installation(&town);
        let foreign = agency(&mut tx, &there, "よその機関", AgencyClass::Agency).await;
        assert!(matches!(world.admin.stop_agency(&mut tx, &foreign).await, Err(StoreError::NotFound)), "another municipality");
        let (_, token) = world.admin.create_token(&mut tx, &world.agency.viewer.membership, "t", &[], SignedDuration::from_hours(1)).await.unwrap();
        world.admin.stop_membership(&mut tx, &world.agency.viewer.membership).await.unwrap();
        assert!(sessions::bearer(&mut tx, &token).await.unwrap().is_none());
        world.admin.reactivate_membership(&mut tx, &world.agency.viewer.membership).await.unwrap();
        assert!(sessions::bearer(&mut tx, &token).await.unwrap().is_some());
        world.admin.stop_agency(&mut tx, &world.agency.viewer.agency).await.unwrap();
        assert!(sessions::bearer(&mut tx, &token).await.unwrap().is_none());
    }
}
