//! The course of a case: what steps need, the 支援決定, and what is asked of others.

use domain::agency::AgencyClass;
use domain::consent::ConsentStatus;
use domain::course::{self, Need};
use domain::disclosure::{Confirmation, Disclosure, Excluded, Exclusion, Level};
use domain::id::{AgencyId, CaseId, RequestId};
use domain::request::{RequestAct, RequestKind, RequestState};
use domain::role::Role;
use domain::section::{DocumentKind, Section};
use domain::stage::Stage;
use serde_json::{Value, json};

use super::on_both;
use super::world::{CANARY, World, agency, caller};
use crate::cases::{CasePatch, CreatedCase};
use crate::course::StepNote;
use crate::requests::{self, Answer, Asked, Decision, NewRequest, RequestView};
use crate::{Caller, CaseAccess, Sharing, StoreError, Tx};

async fn open(tx: &mut Tx, who: &Caller, case: &CaseId) -> CaseAccess {
    tx.case_for(who, case).await.unwrap().unwrap()
}

/// Makes a sheet and finalises it with these values.
async fn written(world: &World, created: &CreatedCase, kind: DocumentKind, value: Value) {
    let mut tx = world.db.write().await.unwrap();
    let access = open(&mut tx, &world.coordinator, &created.case).await;
    let sheet = access.create_sheet(&mut tx, kind).await.unwrap();
    let document = tx
        .document_for(&world.coordinator, &sheet.id)
        .await
        .unwrap()
        .unwrap();
    document.finalise(&mut tx, 1, &value, 0).await.unwrap();
    tx.commit().await.unwrap();
}

/// Moves the case without asking what the steps need.
async fn moved(world: &World, created: &CreatedCase, way: &[Stage]) {
    let mut tx = world.db.write().await.unwrap();
    for stage in way {
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let patch = CasePatch {
            stage: Some(*stage),
            step: StepNote {
                reason: Some(format!("{CANARY}のため")),
                missing: vec![Need::IntakeFinal],
                ..StepNote::default()
            },
            ..CasePatch::default()
        };
        access
            .update(&mut tx, access.version(), &patch)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

fn asks(kind: RequestKind, to: Option<&AgencyId>) -> NewRequest {
    NewRequest {
        kind,
        to_agency: to.cloned(),
        to_account: None,
        words: format!("{CANARY}さんの訪問をお願いします。"),
        masked: Some("［氏名1］さんの訪問をお願いします。".into()),
        due_on: None,
        rights: to
            .filter(|_| kind.shares())
            .map(|agency| Disclosure {
                agency: agency.clone(),
                section: Section::Assessment,
                level: Level::Edit,
                comment: true,
                from: None,
                to: None,
            })
            .into_iter()
            .collect(),
    }
}

async fn asked(world: &World, who: &Caller, created: &CreatedCase, new: &NewRequest) -> RequestId {
    let mut tx = world.db.write().await.unwrap();
    let access = open(&mut tx, who, &created.case).await;
    let Asked::Made(id) = access.ask(&mut tx, new, None).await.unwrap() else {
        panic!("not asked");
    };
    tx.commit().await.unwrap();
    id
}

async fn acted(
    world: &World,
    who: &Caller,
    id: &RequestId,
    act: RequestAct,
) -> Result<(), StoreError> {
    let answer = Answer {
        act,
        words: format!("{CANARY}への返事"),
        decision: None,
    };
    answered(world, who, id, &answer).await
}

async fn answered(
    world: &World,
    who: &Caller,
    id: &RequestId,
    answer: &Answer,
) -> Result<(), StoreError> {
    let mut tx = world.db.write().await.unwrap();
    requests::act(&mut tx, who, id, answer).await?;
    tx.commit().await
}

async fn seen(world: &World, who: &Caller, id: &RequestId) -> Option<RequestView> {
    let mut tx = world.db.read().await.unwrap();
    let found = requests::get(&mut tx, who, id).await.unwrap();
    found.map(|(view, _)| view)
}

fn plan() -> Value {
    json!({ "planned_on": "2026-11-05", "next_review_on": "2027-03-01", "items": [{ "issue": "住まい" }] })
}

fn meeting(result: &str) -> Value {
    json!({ "kind": "jyuso", "held_at": "2026-11-08T10:00", "plan_result": result, "plan_no": 1 })
}

fn decision(number: &str) -> Answer {
    Answer {
        act: RequestAct::Complete,
        words: String::new(),
        decision: Some(Decision {
            decided_on: "2026-11-10".parse().unwrap(),
            document_no: number.into(),
            approver: format!("部長 {CANARY}"),
        }),
    }
}

/// A 決裁者 of the department.
async fn approver(world: &World) -> Caller {
    let mut tx = world.db.write().await.unwrap();
    let office = world.department.viewer.agency.clone();
    let made = caller(
        &mut tx,
        &world.admin,
        "approver",
        &office,
        Role::DepartmentApprover,
    )
    .await;
    tx.commit().await.unwrap();
    made
}

const TO_MEETING: &[Stage] = &[Stage::Screening, Stage::Planning, Stage::Meeting];

on_both! {
    async fn steps_are_kept_and_their_reasons_are_for_those_who_answer(world: &World) {
        let created = world.shared_case("甲", Level::Read).await;
        moved(world, &created, &[Stage::Screening, Stage::ConsentWork]).await;
        let mut tx = world.db.read().await.unwrap();
        let own = open(&mut tx, &world.coordinator, &created.case).await.steps(&mut tx).await.unwrap();
        let way: Vec<_> = own.iter().map(|step| (step.from, step.to)).collect();
        assert_eq!(way, [
            (None, Stage::Received),
            (Some(Stage::Received), Stage::Screening),
            (Some(Stage::Screening), Stage::ConsentWork),
        ]);
        assert_eq!(own[0].entered_on, "2026-11-02".parse().unwrap(), "the day of reception");
        assert_eq!(own[1].missing, [Need::IntakeFinal]);
        assert!(own[1].reason.as_deref().is_some_and(|reason| reason.contains(CANARY)));
        let others = open(&mut tx, &world.agency, &created.case).await.steps(&mut tx).await.unwrap();
        assert_eq!(others.len(), 3);
        assert!(others.iter().all(|step| step.reason.is_none() && step.missing.is_empty()));
    }

    async fn what_is_written_down_meets_what_steps_need(world: &World) {
        let created = world.case("甲").await;
        let needs = async |from, to| {
            let mut tx = world.db.read().await.unwrap();
            let (written, _) = open(&mut tx, &world.coordinator, &created.case).await.written(&mut tx).await.unwrap();
            let all = course::requirements(from, to, &written, None);
            all.into_iter().filter(|one| !one.met).map(|one| one.need).collect::<Vec<_>>()
        };
        assert_eq!(needs(Stage::Assessing, Stage::Planning).await, [Need::ScreeningFinal, Need::ScreeningAccepts, Need::ConsentGiven]);
        written(world, &created, DocumentKind::Screening, json!({ "screened_on": "2026-11-04", "result": "accept" })).await;
        assert_eq!(needs(Stage::Assessing, Stage::Planning).await, [Need::ConsentGiven]);
        world.consent(&created, &created.clients[0], ConsentStatus::Verbal).await;
        assert_eq!(needs(Stage::Assessing, Stage::Planning).await, []);
        assert_eq!(needs(Stage::Planning, Stage::Meeting).await, [Need::PlanFinal, Need::PlanItems, Need::PlanReview]);
        written(world, &created, DocumentKind::Plan, plan()).await;
        assert_eq!(needs(Stage::Planning, Stage::Meeting).await, []);
        assert_eq!(needs(Stage::Meeting, Stage::Decided).await, [Need::MeetingFinal, Need::MeetingAgreed, Need::Decision]);
        written(world, &created, DocumentKind::Meeting, json!({ "kind": "shien", "held_at": "2026-11-08T10:00", "plan_result": "ok" })).await;
        assert_eq!(needs(Stage::Meeting, Stage::Decided).await, [Need::MeetingFinal, Need::MeetingAgreed, Need::Decision], "a 支援会議 agrees on no plan");
        written(world, &created, DocumentKind::Meeting, meeting("ok_mod")).await;
        assert_eq!(needs(Stage::Meeting, Stage::Decided).await, [Need::Decision]);
        // A second plan that is under way is the present one.
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let _ = access.create_sheet(&mut tx, DocumentKind::Plan).await.unwrap();
        tx.commit().await.unwrap();
        assert!(needs(Stage::Meeting, Stage::Decided).await.contains(&Need::PlanFinal));
    }

    async fn the_department_decides_on_a_final_plan_and_the_stage_follows(world: &World) {
        let created = world.shared_case("甲", Level::Read).await;
        let approver = approver(world).await;
        moved(world, &created, TO_MEETING).await;
        let new = asks(RequestKind::Decision, None);
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let Asked::Missing(missing) = access.ask(&mut tx, &new, None).await.unwrap() else {
            panic!("asked without a plan");
        };
        assert!(missing.iter().any(|one| one.need == Need::PlanFinal));
        drop(tx);
        written(world, &created, DocumentKind::Plan, plan()).await;
        written(world, &created, DocumentKind::Meeting, meeting("ok")).await;
        let id = asked(world, &world.coordinator, &created, &new).await;
        let view = seen(world, &approver, &id).await.unwrap();
        assert!(view.received && view.acts == [RequestAct::Decline, RequestAct::Complete]);
        assert!(seen(world, &world.agency, &id).await.is_none(), "no business of an agency");
        for who in [&world.coordinator, &world.department] {
            assert!(matches!(answered(world, who, &id, &decision("第1号")).await, Err(StoreError::Forbidden)));
        }
        assert!(matches!(answered(world, &approver, &id, &decision(" ")).await, Err(StoreError::Invalid("document_no"))));
        answered(world, &approver, &id, &decision("青福第1号")).await.unwrap();
        assert!(matches!(answered(world, &approver, &id, &decision("青福第2号")).await, Err(StoreError::Conflict)), "once");

        let mut tx = world.db.read().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        assert_eq!(access.stage(), Stage::Decided);
        let steps = access.steps(&mut tx).await.unwrap();
        assert_eq!((steps.last().unwrap().to, steps.last().unwrap().entered_on), (Stage::Decided, "2026-11-10".parse().unwrap()));
        let decisions = access.decisions(&mut tx).await.unwrap();
        assert_eq!((decisions[0].plan_number, decisions[0].document_no.as_deref()), (1, Some("青福第1号")));
        assert!(decisions[0].approver.as_deref().is_some_and(|name| name.contains(CANARY)));
        assert_eq!(open(&mut tx, &world.agency, &created.case).await.decisions(&mut tx).await.unwrap().len(), 1, "reads the plans");
        drop(tx);
        // The coordinator is told until somebody has read it.
        let view = seen(world, &world.coordinator, &id).await.unwrap();
        assert!(!view.seen && view.state == RequestState::Completed);
        let mut tx = world.db.write().await.unwrap();
        assert!(matches!(requests::saw(&mut tx, &approver, &id).await, Err(StoreError::Forbidden)));
        requests::saw(&mut tx, &world.coordinator, &id).await.unwrap();
        tx.commit().await.unwrap();
        assert!(seen(world, &world.coordinator, &id).await.unwrap().seen);
    }

    async fn a_plan_that_was_changed_is_not_decided_on(world: &World) {
        let created = world.shared_case("甲", Level::Masked).await;
        let approver = approver(world).await;
        written(world, &created, DocumentKind::Plan, plan()).await;
        written(world, &created, DocumentKind::Meeting, meeting("ok")).await;
        moved(world, &created, TO_MEETING).await;
        let id = asked(world, &world.coordinator, &created, &asks(RequestKind::Decision, None)).await;
        let plan_id = seen(world, &approver, &id).await.unwrap().decision.unwrap().plan;
        let mut tx = world.db.write().await.unwrap();
        tx.document_for(&world.coordinator, &plan_id).await.unwrap().unwrap().reopen(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(answered(world, &approver, &id, &decision("第1号")).await, Err(StoreError::Taken("plan_changed"))));
        let empty = Answer { act: RequestAct::Decline, words: " ".into(), decision: None };
        assert!(matches!(answered(world, &approver, &id, &empty).await, Err(StoreError::Invalid("words"))), "差戻し says why");
        acted(world, &approver, &id, RequestAct::Decline).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(open(&mut tx, &world.coordinator, &created.case).await.stage(), Stage::Planning);
        assert!(open(&mut tx, &world.agency, &created.case).await.decisions(&mut tx).await.unwrap().is_empty());
    }

    async fn an_agency_that_is_asked_sees_the_request_and_joins_by_accepting(world: &World) {
        let created = world.case("甲").await;
        let to = world.other.viewer.agency.clone();
        let new = asks(RequestKind::Refer, Some(&to));
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        // Without consent, and without a reason for going on, nothing is asked.
        let Asked::Sharing(Sharing::ConfirmationRequired(required)) = access.ask(&mut tx, &new, None).await.unwrap() else {
            panic!("asked without consent");
        };
        assert_eq!(required.agencies, std::slice::from_ref(&to));
        assert!(required.sections.contains(&Section::Intake) && required.sections.contains(&Section::Assessment));
        let legal = domain::legal_basis::all().iter().find(|basis| basis.confirmable && !basis.meeting_bound && basis.ceiling == Level::Edit).unwrap();
        let confirmed = Confirmation { basis: legal.id.clone(), reason: "生命の危険".into(), meeting: None, until: None };
        let Asked::Made(id) = access.ask(&mut tx, &new, Some(&confirmed)).await.unwrap() else {
            panic!("not asked");
        };
        tx.commit().await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        assert!(matches!(access.ask(&mut tx, &new, Some(&confirmed)).await, Err(StoreError::Taken("request"))), "asked already");
        drop(tx);

        let view = seen(world, &world.other, &id).await.unwrap();
        assert!(view.case.is_none() && view.received && view.words.is_some());
        let mut tx = world.db.read().await.unwrap();
        assert!(tx.case_for(&world.other, &created.case).await.unwrap().is_none(), "not before acceptance");
        assert!(requests::of_caller(&mut tx, &world.agency).await.unwrap().is_empty());
        assert!(matches!(requests::of_caller(&mut tx, &world.stat).await, Err(StoreError::Forbidden)));
        drop(tx);
        assert!(matches!(acted(world, &world.agency, &id, RequestAct::Accept).await, Err(StoreError::NotFound)));
        assert!(matches!(acted(world, &world.coordinator, &id, RequestAct::Accept).await, Err(StoreError::Forbidden)));
        acted(world, &world.other, &id, RequestAct::Accept).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let access = open(&mut tx, &world.other, &created.case).await;
        assert_eq!(access.decision(Section::Assessment).level, Level::Edit);
        assert_eq!(access.decision(Section::Plan).level, Level::None);
        drop(tx);
        acted(world, &world.other, &id, RequestAct::Complete).await.unwrap();
        assert!(matches!(acted(world, &world.other, &id, RequestAct::Complete).await, Err(StoreError::Conflict)));
    }

    async fn acceptance_leaves_the_days_of_what_is_there_and_takes_those_that_were_asked(world: &World) {
        let last = jiff::civil::date(2026, 12, 10);
        let created = world.shared_case("甲", Level::Masked).await;
        let (mut tx, to) = (world.db.write().await.unwrap(), world.agency.viewer.agency.clone());
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let dated = |section, to_day| Disclosure { section, to: to_day, ..asks(RequestKind::Refer, Some(&to)).rights[0].clone() };
        access.set_disclosures(&mut tx, &[dated(Section::Assessment, Some(last))], None).await.unwrap();
        let first = jiff::civil::date(2026, 4, 1);
        access.add_member(&mut tx, &to, "member", first, Some(last), &[], None).await.unwrap();
        tx.commit().await.unwrap();
        let mut new = asks(RequestKind::HandoverLead, Some(&to));
        new.rights.push(dated(Section::Plan, Some(jiff::civil::date(2026, 12, 1))));
        let turned = Disclosure { from: Some(last), ..new.rights[1].clone() };
        let mut tx = world.db.write().await.unwrap();
        let impossible = NewRequest { rights: vec![turned], ..new.clone() };
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        assert!(matches!(access.ask(&mut tx, &impossible, None).await, Err(StoreError::Invalid("period"))));
        drop(tx);
        let id = asked(world, &world.coordinator, &created, &new).await;
        acted(world, &world.agency, &id, RequestAct::Accept).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let facts = access.facts();
        let row = |section| facts.matrix.iter().find(|row| row.agency == to && row.section == section).unwrap();
        assert_eq!((row(Section::Assessment).level, row(Section::Assessment).to), (Level::Edit, Some(last)));
        assert_eq!(row(Section::Plan).to, Some(jiff::civil::date(2026, 12, 1)));
        let member = facts.members.iter().find(|member| member.agency == to).unwrap();
        assert_eq!((member.from, member.to), (first, Some(last)), "who is a member stays one for the same days");
    }

    async fn what_was_confirmed_for_a_request_ends_with_it(world: &World) {
        let created = world.case("甲").await;
        let to = world.other.viewer.agency.clone();
        let new = NewRequest { rights: Vec::new(), ..asks(RequestKind::Refer, Some(&to)) };
        let legal = domain::legal_basis::all().iter().find(|basis| basis.confirmable && !basis.meeting_bound).unwrap();
        let confirmed = Confirmation { basis: legal.id.clone(), reason: "安否の確認".into(), meeting: None, until: None };
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let Asked::Made(id) = access.ask(&mut tx, &new, Some(&confirmed)).await.unwrap() else { panic!("not asked") };
        tx.commit().await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(open(&mut tx, &world.coordinator, &created.case).await.facts().bases.len(), 1);
        drop(tx);
        acted(world, &world.other, &id, RequestAct::Decline).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        assert!(open(&mut tx, &world.coordinator, &created.case).await.facts().bases.is_empty());
        drop(tx);
        let view = seen(world, &world.other, &id).await.unwrap();
        assert!(view.words.is_none() && view.answer.is_none(), "no words stay with who declined");
        let view = seen(world, &world.coordinator, &id).await.unwrap();
        assert!(view.answer.as_deref().is_some_and(|words| words.contains(CANARY)));
    }

    async fn without_consent_the_words_are_masked_and_the_excluded_see_nothing(world: &World) {
        let created = world.case("甲").await;
        world.consent(&created, &created.clients[0], ConsentStatus::Full).await;
        let to = world.other.viewer.agency.clone();
        let id = asked(world, &world.coordinator, &created, &asks(RequestKind::Refer, Some(&to))).await;
        assert!(seen(world, &world.other, &id).await.unwrap().words.unwrap().contains(CANARY));
        world.store.clock.set(crate::testing::noon() + jiff::SignedDuration::from_mins(1));
        world.consent(&created, &created.clients[0], ConsentStatus::Withdrawn).await;
        let view = seen(world, &world.other, &id).await.unwrap();
        assert!(view.masked && view.words.as_deref() == Some("［氏名1］さんの訪問をお願いします。"));
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let exclusion = Exclusion { who: Excluded::Account(world.other.viewer.account.clone()), about: None };
        access.exclude(&mut tx, &exclusion, "関係者").await.unwrap();
        let shut = Exclusion { who: Excluded::Agency(world.agency.viewer.agency.clone()), about: None };
        access.exclude(&mut tx, &shut, "関係者").await.unwrap();
        tx.commit().await.unwrap();
        assert!(seen(world, &world.other, &id).await.is_none());
        assert!(matches!(acted(world, &world.other, &id, RequestAct::Accept).await, Err(StoreError::NotFound)));
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        let new = asks(RequestKind::Refer, Some(&world.agency.viewer.agency));
        assert!(matches!(access.ask(&mut tx, &new, None).await, Err(StoreError::Invalid("to_agency"))), "who is shut out is not asked");
    }

    async fn a_case_is_handed_over_when_the_other_coordinator_accepts(world: &World) {
        let created = world.shared_case("甲", Level::Read).await;
        let mut tx = world.db.write().await.unwrap();
        let west = agency(&mut tx, &world.admin, "西地区多機関協働", AgencyClass::Coordinator).await;
        let taker = caller(&mut tx, &world.admin, "taker", &west, Role::Coordinator).await;
        tx.commit().await.unwrap();
        let id = asked(world, &world.coordinator, &created, &asks(RequestKind::HandoverOwner, Some(&west))).await;
        assert!(world.access(&taker, &created).await.is_none());
        acted(world, &taker, &id, RequestAct::Accept).await.unwrap();
        assert!(world.access(&world.coordinator, &created).await.is_none(), "given away");
        let access = world.access(&taker, &created).await.unwrap();
        assert!(access.is_owner());
        let mut tx = world.db.read().await.unwrap();
        let line = access.summary(&mut tx).await.unwrap();
        assert_eq!(line.owner.unwrap().id, taker.viewer.account.0);
        assert_eq!(open(&mut tx, &world.agency, &created.case).await.decision(Section::Intake).level, Level::Read, "members stay");
    }

    async fn the_lead_and_the_person_in_charge_change_when_they_accept(world: &World) {
        let created = world.shared_case("甲", Level::Read).await;
        let to = world.agency.viewer.agency.clone();
        let id = asked(world, &world.coordinator, &created, &NewRequest { rights: Vec::new(), ..asks(RequestKind::HandoverLead, Some(&to)) }).await;
        acted(world, &world.agency, &id, RequestAct::Accept).await.unwrap();
        let mut tx = world.db.write().await.unwrap();
        let own = world.coordinator.viewer.agency.clone();
        let colleague = caller(&mut tx, &world.admin, "colleague", &own, Role::Coordinator).await;
        tx.commit().await.unwrap();
        let assign = NewRequest { to_account: Some(colleague.viewer.account.clone()), ..asks(RequestKind::Assign, None) };
        let stranger = NewRequest { to_account: Some(world.agency.viewer.account.clone()), ..assign.clone() };
        let mut tx = world.db.write().await.unwrap();
        let access = open(&mut tx, &world.coordinator, &created.case).await;
        assert!(matches!(access.ask(&mut tx, &stranger, None).await, Err(StoreError::Invalid("to_account"))), "no colleague");
        drop(tx);
        let id = asked(world, &world.coordinator, &created, &assign).await;
        assert!(seen(world, &world.agency, &id).await.is_none());
        assert!(matches!(acted(world, &world.coordinator, &id, RequestAct::Accept).await, Err(StoreError::Forbidden)));
        acted(world, &colleague, &id, RequestAct::Accept).await.unwrap();
        let mut tx = world.db.read().await.unwrap();
        let line = open(&mut tx, &world.coordinator, &created.case).await.summary(&mut tx).await.unwrap();
        assert_eq!(line.owner.unwrap().id, colleague.viewer.account.0);
        assert_eq!(line.lead_agency.unwrap().id, to.0);
        drop(tx);
        // A member agency divides its work itself.
        let own = NewRequest { to_account: Some(world.agency.viewer.account.clone()), ..assign };
        let id = asked(world, &world.agency, &created, &own).await;
        assert!(seen(world, &world.coordinator, &id).await.is_none());
        let mine = crate::cases::CaseFilter { mine: true, limit: 10, ..Default::default() };
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(tx.cases(&world.agency, &mine, None).await.unwrap().total, 0);
        drop(tx);
        acted(world, &world.agency, &id, RequestAct::Accept).await.unwrap();
        assert_eq!(seen(world, &world.agency, &id).await.unwrap().state, RequestState::Completed);
        // The case is one's own now, and everybody who may know of the agency sees who it is.
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(tx.cases(&world.agency, &mine, None).await.unwrap().total, 1);
        assert_eq!(tx.listed_one_by_one(&world.agency, &mine).await.unwrap().len(), 1);
        for who in [&world.agency, &world.coordinator] {
            let members = open(&mut tx, who, &created.case).await.members(&mut tx).await.unwrap();
            let member = members.iter().find(|member| member.agency.id == to.0).unwrap();
            assert_eq!(member.charge.as_ref().map(|named| named.id.as_str()), Some(world.agency.viewer.account.as_str()));
        }
    }

    async fn whoever_is_not_in_charge_any_more_hands_nothing_on(world: &World) {
        let created = world.shared_case("甲", Level::Read).await;
        let mut tx = world.db.write().await.unwrap();
        let west = agency(&mut tx, &world.admin, "西地区多機関協働", AgencyClass::Coordinator).await;
        let taker = caller(&mut tx, &world.admin, "taker", &west, Role::Coordinator).await;
        tx.commit().await.unwrap();
        let refer = asked(world, &world.coordinator, &created, &asks(RequestKind::Refer, Some(&world.other.viewer.agency))).await;
        let over = asked(world, &world.coordinator, &created, &asks(RequestKind::HandoverOwner, Some(&west))).await;
        acted(world, &taker, &over, RequestAct::Accept).await.unwrap();
        assert!(matches!(acted(world, &world.other, &refer, RequestAct::Accept).await, Err(StoreError::Conflict)));
        assert!(world.access(&world.other, &created).await.is_none(), "and nothing was shared");
        assert!(matches!(acted(world, &world.coordinator, &refer, RequestAct::Withdraw).await, Err(StoreError::Forbidden)));
    }
}
