//! What a step of the course needs: requirements of each [`Stage`], worked out from what is written
//! down. Pure; the store gathers the facts.
//!
//! A *hard* requirement stops the step. A *soft* one is a warning: who goes on gives a reason, which is
//! kept with the step. Sources: the flow and branches of the ministry's 支援フロー（イメージ）, the rules of
//! dates and results in `datasets/forms` (検証用の最小データ規則); not checked against the 事務マニュアル (未検証).

use jiff::civil::Date;
use serde::Serialize;

use crate::{code::coded, section::Section, stage::Stage};

coded! {
    /// A requirement. The code is stable; the words are for people.
    pub enum Need {
        IntakeFinal = "intake_final", "相談受付・申込票を確定する";
        ConsentGiven = "consent_given", "対象者全員の同意を記録する";
        ScreeningFinal = "screening_final", "スクリーニングシートを確定する";
        ScreeningAccepts = "screening_accepts", "スクリーニングの結果が、受理・アウトリーチ・参加支援のいずれかになっている";
        ScreeningEnds = "screening_ends", "スクリーニングの結果が、終了・つなぎ・中断のいずれかになっている";
        PlanFinal = "plan_final", "プランを確定する";
        PlanItems = "plan_items", "プランに支援の明細を書く";
        PlanReview = "plan_review", "プランに次回見直し日を書く";
        MeetingFinal = "meeting_final", "重層的支援会議の記録を確定する";
        MeetingAgreed = "meeting_agreed", "重層的支援会議でプランが了承されている";
        Decision = "decision", "市町村の支援決定を受ける";
        EvaluationFinal = "evaluation_final", "評価シートを確定する";
        EvaluationCloses = "evaluation_closes", "評価の結果が「終結」で、理由と終結日が入っている";
        EvaluationReplans = "evaluation_replans", "評価の結果が「再プラン」になっている";
        EvaluationContinues = "evaluation_continues", "評価の結果が「現プランのまま継続」になっている";
        ReferralAccepted = "referral_accepted", "つなぐ先の機関が受諾している";
        RequestsSettled = "requests_settled", "返事を待っている依頼がない";
        DatesInOrder = "dates_in_order", "日付の順（受付、スクリーニング、プラン、会議、支援決定、評価、終結）が合っている";
        ClosedAfterReception = "closed_after_reception", "終結日が受付日以後になっている";
    }
}

/// Where a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Sheet(Section),
    Consent,
    /// The requests of the case: つなぐ, 支援決定 …
    Requests,
}

impl Need {
    /// Where it is done.
    #[must_use]
    pub const fn place(self) -> Place {
        match self {
            Self::IntakeFinal | Self::DatesInOrder | Self::ClosedAfterReception => {
                Place::Sheet(Section::Intake)
            }
            Self::ConsentGiven => Place::Consent,
            Self::ScreeningFinal | Self::ScreeningAccepts | Self::ScreeningEnds => {
                Place::Sheet(Section::Screening)
            }
            Self::PlanFinal | Self::PlanItems | Self::PlanReview => Place::Sheet(Section::Plan),
            Self::MeetingFinal | Self::MeetingAgreed => Place::Sheet(Section::Meeting),
            Self::EvaluationFinal
            | Self::EvaluationCloses
            | Self::EvaluationReplans
            | Self::EvaluationContinues => Place::Sheet(Section::Evaluation),
            Self::Decision | Self::ReferralAccepted | Self::RequestsSettled => Place::Requests,
        }
    }
}

/// The screening sheet, when it is final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screened {
    pub on: Option<Date>,
    /// Option list `screen_result`.
    pub result: Option<String>,
}

/// The latest plan, when it is final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    pub on: Option<Date>,
    /// プラン番号（回次）.
    pub number: i64,
    pub items: usize,
    pub next_review_on: Option<Date>,
}

/// The latest final record of a 重層的支援会議.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Met {
    pub on: Option<Date>,
    /// Which plan was talked about; `None` = it does not say.
    pub plan: Option<i64>,
    /// Option list `meeting_result`.
    pub result: Option<String>,
}

/// A 支援決定 that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub on: Date,
    /// Of which plan.
    pub plan: i64,
}

/// The latest final evaluation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluated {
    pub on: Option<Date>,
    /// Option list `eval_result`.
    pub result: Option<String>,
    /// Option list `close_reason`.
    pub close_reason: Option<String>,
    pub closed_on: Option<Date>,
}

/// What is written down in a case, as far as the course asks for it. Only what the caller may read
/// counts: what is not known is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub received_on: Option<Date>,
    pub intake_final: bool,
    /// Every client agreed, in whatever form.
    pub consent: bool,
    pub screening: Option<Screened>,
    pub plan: Option<Planned>,
    pub meeting: Option<Met>,
    pub decision: Option<Decided>,
    pub evaluation: Option<Evaluated>,
    pub referral_accepted: bool,
    /// Requests that wait for an answer.
    pub open_requests: usize,
}

/// A requirement of a step and whether it is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Requirement {
    pub need: Need,
    /// Stops the step while it is not met; otherwise a reason is asked for.
    pub hard: bool,
    pub met: bool,
}

fn is_one_of(code: Option<&String>, codes: &[&str]) -> bool {
    code.is_some_and(|code| codes.contains(&code.as_str()))
}

impl Written {
    /// The dates that must follow each other, by their names, as far as they are known. `closed_on`: of
    /// the closing that is about to be written down.
    #[must_use]
    pub fn dates(&self, closed_on: Option<Date>) -> Vec<(&'static str, Date)> {
        let screening = self.screening.as_ref();
        let evaluation = self.evaluation.as_ref();
        [
            ("received_on", self.received_on),
            ("screened_on", screening.and_then(|sheet| sheet.on)),
            ("planned_on", self.plan.as_ref().and_then(|plan| plan.on)),
            (
                "meeting_on",
                self.meeting.as_ref().and_then(|meeting| meeting.on),
            ),
            (
                "decided_on",
                self.decision.as_ref().map(|decision| decision.on),
            ),
            ("evaluated_on", evaluation.and_then(|sheet| sheet.on)),
            ("closed_on", closed_on),
        ]
        .into_iter()
        .filter_map(|(name, date)| Some((name, date?)))
        .collect()
    }

    fn in_order(&self, closed_on: Option<Date>) -> bool {
        // A second plan is younger than the meeting and evaluation of the first: they are compared
        // with it only when they speak of it.
        let plan = self.plan.as_ref().map(|plan| plan.number);
        let same = |of: Option<i64>| plan.is_none() || of.is_none() || of == plan;
        let mut known = self.clone();
        if !same(self.meeting.as_ref().and_then(|meeting| meeting.plan)) {
            known.meeting = None;
        }
        if !same(self.decision.as_ref().map(|decision| decision.plan)) {
            known.decision = None;
        }
        if plan.is_some_and(|number| number > 1) {
            known.evaluation = None;
        }
        known
            .dates(closed_on)
            .windows(2)
            .all(|pair| pair[0].1 <= pair[1].1)
    }

    fn meets(&self, need: Need, closed_on: Option<Date>) -> bool {
        let evaluated = |codes: &[&str]| {
            let sheet = self.evaluation.as_ref();
            is_one_of(sheet.and_then(|sheet| sheet.result.as_ref()), codes)
        };
        let screened = |codes: &[&str]| {
            let sheet = self.screening.as_ref();
            is_one_of(sheet.and_then(|sheet| sheet.result.as_ref()), codes)
        };
        match need {
            Need::IntakeFinal => self.intake_final,
            Need::ConsentGiven => self.consent,
            Need::ScreeningFinal => self
                .screening
                .as_ref()
                .is_some_and(|sheet| sheet.result.is_some()),
            Need::ScreeningAccepts => screened(&["accept", "outreach", "sanka"]),
            Need::ScreeningEnds => screened(&["info", "refer", "support_agency", "aborted"]),
            Need::PlanFinal => self.plan.is_some(),
            Need::PlanItems => self.plan.as_ref().is_some_and(|plan| plan.items > 0),
            Need::PlanReview => self
                .plan
                .as_ref()
                .is_some_and(|plan| plan.next_review_on.is_some()),
            Need::MeetingFinal => self.of_this_plan().is_some(),
            Need::MeetingAgreed => self
                .of_this_plan()
                .is_some_and(|meeting| is_one_of(meeting.result.as_ref(), &["ok", "ok_mod"])),
            Need::Decision => self.decision.as_ref().is_some_and(|decision| {
                self.plan
                    .as_ref()
                    .is_some_and(|plan| plan.number == decision.plan)
            }),
            Need::EvaluationFinal => self
                .evaluation
                .as_ref()
                .is_some_and(|sheet| sheet.result.is_some()),
            Need::EvaluationCloses => {
                evaluated(&["close"])
                    && self.evaluation.as_ref().is_some_and(|sheet| {
                        sheet.close_reason.is_some() && sheet.closed_on.is_some()
                    })
            }
            Need::EvaluationReplans => evaluated(&["replan"]),
            Need::EvaluationContinues => evaluated(&["continue"]),
            Need::ReferralAccepted => self.referral_accepted,
            Need::RequestsSettled => self.open_requests == 0,
            Need::DatesInOrder => self.in_order(closed_on),
            Need::ClosedAfterReception => match (self.received_on, closed_on) {
                (Some(received), Some(closed)) => received <= closed,
                _ => true,
            },
        }
    }

    /// The meeting, unless it says that it was about another plan.
    fn of_this_plan(&self) -> Option<&Met> {
        let number = self.plan.as_ref().map(|plan| plan.number);
        self.meeting
            .as_ref()
            .filter(|meeting| meeting.plan.is_none() || meeting.plan == number)
    }
}

/// The needs of a step, with whether they are hard.
const fn needs(from: Stage, to: Stage) -> &'static [(Need, bool)] {
    use Need as N;
    const HARD: bool = true;
    const SOFT: bool = false;
    match (from, to) {
        (Stage::Received, Stage::Screening) => &[(N::IntakeFinal, SOFT)],
        (Stage::Received, Stage::Assessing) => &[(N::IntakeFinal, SOFT), (N::ConsentGiven, SOFT)],
        (Stage::ConsentWork, Stage::Assessing) => &[(N::ConsentGiven, SOFT)],
        (
            Stage::Screening | Stage::ConsentWork | Stage::Assessing | Stage::Reopened,
            Stage::Planning,
        ) => &[
            (N::ScreeningFinal, HARD),
            (N::ScreeningAccepts, SOFT),
            (N::ConsentGiven, SOFT),
            (N::DatesInOrder, SOFT),
        ],
        (Stage::Evaluating, Stage::Planning) => {
            &[(N::EvaluationFinal, HARD), (N::EvaluationReplans, SOFT)]
        }
        (Stage::Planning, Stage::Meeting) => &[
            (N::PlanFinal, HARD),
            (N::PlanItems, HARD),
            (N::PlanReview, HARD),
            (N::ConsentGiven, HARD),
            (N::DatesInOrder, SOFT),
        ],
        (Stage::Evaluating, Stage::Meeting) => {
            &[(N::EvaluationFinal, HARD), (N::ConsentGiven, HARD)]
        }
        (Stage::Meeting, Stage::Decided) => &[
            (N::PlanFinal, HARD),
            (N::MeetingFinal, HARD),
            (N::MeetingAgreed, HARD),
            (N::Decision, HARD),
            (N::DatesInOrder, SOFT),
        ],
        (Stage::Decided | Stage::Reopened, Stage::Active) => &[(N::Decision, SOFT)],
        (Stage::Evaluating, Stage::Active) => {
            &[(N::EvaluationFinal, HARD), (N::EvaluationContinues, SOFT)]
        }
        (
            Stage::Received
            | Stage::Screening
            | Stage::ConsentWork
            | Stage::Assessing
            | Stage::Reopened,
            Stage::Closed,
        ) => &[
            (N::ClosedAfterReception, HARD),
            (N::ScreeningEnds, SOFT),
            (N::RequestsSettled, SOFT),
            (N::DatesInOrder, SOFT),
        ],
        (Stage::Evaluating, Stage::Closed) => &[
            (N::ClosedAfterReception, HARD),
            (N::EvaluationFinal, HARD),
            (N::EvaluationCloses, HARD),
            (N::RequestsSettled, SOFT),
            (N::DatesInOrder, SOFT),
        ],
        (_, Stage::Closed) => &[
            (N::ClosedAfterReception, HARD),
            (N::EvaluationFinal, SOFT),
            (N::EvaluationCloses, SOFT),
            (N::RequestsSettled, SOFT),
            (N::DatesInOrder, SOFT),
        ],
        (_, Stage::Referred) => &[(N::ReferralAccepted, SOFT), (N::RequestsSettled, SOFT)],
        (Stage::Active | Stage::Evaluating, Stage::Suspended) => &[(N::EvaluationFinal, SOFT)],
        _ => &[],
    }
}

/// What the step needs and what of it is met. Steps that are not allowed have no requirements: whether
/// a step is allowed is for [`Stage::may_become`] to say.
///
/// `closed_on`: for a closing, the day that is about to be written down.
#[must_use]
pub fn requirements(
    from: Stage,
    to: Stage,
    written: &Written,
    closed_on: Option<Date>,
) -> Vec<Requirement> {
    needs(from, to)
        .iter()
        .map(|(need, hard)| Requirement {
            need: *need,
            hard: *hard,
            met: written.meets(*need, closed_on),
        })
        .collect()
}

/// What must be there before the 支援決定 is asked for: everything the step needs but the decision.
#[must_use]
pub fn before_decision(written: &Written) -> Vec<Requirement> {
    let mut all = requirements(Stage::Meeting, Stage::Decided, written, None);
    all.retain(|requirement| requirement.hard && requirement.need != Need::Decision);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn complete() -> Written {
        Written {
            received_on: Some(date(2026, 4, 1)),
            intake_final: true,
            consent: true,
            screening: Some(Screened {
                on: Some(date(2026, 4, 10)),
                result: Some("accept".into()),
            }),
            plan: Some(Planned {
                on: Some(date(2026, 4, 20)),
                number: 1,
                items: 2,
                next_review_on: Some(date(2026, 10, 1)),
            }),
            meeting: Some(Met {
                on: Some(date(2026, 5, 1)),
                plan: Some(1),
                result: Some("ok".into()),
            }),
            decision: Some(Decided {
                on: date(2026, 5, 8),
                plan: 1,
            }),
            evaluation: Some(Evaluated {
                on: Some(date(2026, 10, 1)),
                result: Some("close".into()),
                close_reason: Some("goal".into()),
                closed_on: Some(date(2026, 10, 2)),
            }),
            referral_accepted: true,
            open_requests: 0,
        }
    }

    fn missing(from: Stage, to: Stage, written: &Written, closed_on: Option<Date>) -> Vec<Need> {
        let all = requirements(from, to, written, closed_on);
        all.into_iter()
            .filter(|one| !one.met)
            .map(|one| one.need)
            .collect()
    }

    #[test]
    fn a_case_with_everything_written_down_goes_its_way() {
        let way = [
            Stage::Received,
            Stage::Assessing,
            Stage::Planning,
            Stage::Meeting,
            Stage::Decided,
            Stage::Active,
            Stage::Evaluating,
            Stage::Closed,
        ];
        for pair in way.windows(2) {
            let open = missing(pair[0], pair[1], &complete(), Some(date(2026, 10, 2)));
            assert_eq!(open, [], "{} → {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_layered_meeting_takes_only_consented_cases_and_final_plans() {
        let empty = Written::default();
        let open = requirements(Stage::Planning, Stage::Meeting, &empty, None);
        let hard: Vec<Need> = open
            .iter()
            .filter(|one| one.hard && !one.met)
            .map(|one| one.need)
            .collect();
        assert_eq!(
            hard,
            [
                Need::PlanFinal,
                Need::PlanItems,
                Need::PlanReview,
                Need::ConsentGiven
            ]
        );
    }

    #[test]
    fn a_decision_of_an_earlier_plan_is_none_of_this_one() {
        let mut written = complete();
        if let Some(plan) = &mut written.plan {
            plan.number = 2;
        }
        let open = missing(Stage::Meeting, Stage::Decided, &written, None);
        for need in [Need::MeetingFinal, Need::MeetingAgreed, Need::Decision] {
            assert!(open.contains(&need), "{need}");
        }
        assert!(before_decision(&complete()).iter().all(|one| one.met));
        assert!(
            !before_decision(&complete())
                .iter()
                .any(|one| one.need == Need::Decision)
        );
    }

    #[test]
    fn closing_before_reception_is_an_error_and_other_orders_a_warning() {
        let written = complete();
        let early = requirements(
            Stage::Evaluating,
            Stage::Closed,
            &written,
            Some(date(2026, 3, 31)),
        );
        let of = |need| early.iter().find(|one| one.need == need).unwrap();
        assert!(of(Need::ClosedAfterReception).hard && !of(Need::ClosedAfterReception).met);
        assert!(!of(Need::DatesInOrder).hard && !of(Need::DatesInOrder).met);
    }

    fn any_date() -> impl Strategy<Value = Option<Date>> {
        proptest::option::of((0i64..400).prop_map(|days| {
            date(2026, 4, 1)
                .checked_add(jiff::Span::new().days(days))
                .unwrap()
        }))
    }

    fn code(list: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
        proptest::option::of(proptest::sample::select(list).prop_map(str::to_owned))
    }

    fn any_written() -> impl Strategy<Value = Written> {
        let screening = proptest::option::of(
            (any_date(), code(&["info", "refer", "accept", "outreach"]))
                .prop_map(|(on, result)| Screened { on, result }),
        );
        let plan = proptest::option::of((any_date(), 1i64..4, 0usize..3, any_date()).prop_map(
            |(on, number, items, next_review_on)| Planned {
                on,
                number,
                items,
                next_review_on,
            },
        ));
        let meeting = proptest::option::of(
            (
                any_date(),
                proptest::option::of(1i64..4),
                code(&["ok", "ok_mod", "redo"]),
            )
                .prop_map(|(on, plan, result)| Met { on, plan, result }),
        );
        let decision =
            (any_date(), 1i64..4).prop_map(|(on, plan)| on.map(|on| Decided { on, plan }));
        let evaluation = proptest::option::of(
            (
                any_date(),
                code(&["close", "replan", "continue"]),
                code(&["goal", "moved"]),
                any_date(),
            )
                .prop_map(|(on, result, close_reason, closed_on)| Evaluated {
                    on,
                    result,
                    close_reason,
                    closed_on,
                }),
        );
        (
            (
                any_date(),
                any::<bool>(),
                any::<bool>(),
                any::<bool>(),
                0usize..2,
            ),
            (screening, plan, meeting, decision, evaluation),
        )
            .prop_map(
                |(
                    (received_on, intake_final, consent, referral_accepted, open_requests),
                    (screening, plan, meeting, decision, evaluation),
                )| Written {
                    received_on,
                    intake_final,
                    consent,
                    screening,
                    plan,
                    meeting,
                    decision,
                    evaluation,
                    referral_accepted,
                    open_requests,
                },
            )
    }

    fn stage() -> impl Strategy<Value = Stage> {
        proptest::sample::select(Stage::ALL)
    }

    proptest! {
        #[test]
        fn only_steps_that_are_allowed_have_requirements_and_none_twice(from in stage(), to in stage(), written in any_written()) {
            let all = requirements(from, to, &written, None);
            if !from.may_become(to) && to != Stage::Closed && to != Stage::Referred {
                prop_assert!(all.is_empty(), "{} → {}", from, to);
            }
            let mut needs: Vec<Need> = all.iter().map(|one| one.need).collect();
            needs.sort();
            needs.dedup();
            prop_assert_eq!(needs.len(), all.len());
        }

        /// With nothing written down only what asks for no writing is met.
        #[test]
        fn nothing_written_meets_nothing_that_asks_for_writing(from in stage(), to in stage()) {
            let free = [Need::RequestsSettled, Need::DatesInOrder, Need::ClosedAfterReception];
            for one in requirements(from, to, &Written::default(), None) {
                prop_assert_eq!(one.met, free.contains(&one.need), "{}", one.need);
            }
        }

        #[test]
        fn dates_are_in_order_exactly_when_sorting_changes_nothing(written in any_written(), closed_on in any_date()) {
            let first = Written { plan: written.plan.clone().map(|plan| Planned { number: 1, ..plan }), meeting: written.meeting.clone().map(|meeting| Met { plan: None, ..meeting }), decision: written.decision.clone().map(|decided| Decided { plan: 1, ..decided }), ..written };
            let dates: Vec<Date> = first.dates(closed_on).into_iter().map(|(_, date)| date).collect();
            let mut sorted = dates.clone();
            sorted.sort();
            prop_assert_eq!(first.in_order(closed_on), dates == sorted);
        }

        #[test]
        fn no_plan_is_decided_without_a_meeting_that_agreed(written in any_written()) {
            let all = requirements(Stage::Meeting, Stage::Decided, &written, None);
            if all.iter().all(|one| one.met || !one.hard) {
                let plan = written.plan.as_ref().unwrap().number;
                let meeting = written.meeting.as_ref().unwrap();
                prop_assert!(meeting.plan.is_none_or(|number| number == plan));
                prop_assert!(matches!(meeting.result.as_deref(), Some("ok" | "ok_mod")));
                prop_assert_eq!(written.decision.as_ref().unwrap().plan, plan);
            }
        }

        /// Back to working on it needs nothing: what was found wanting is mended there.
        #[test]
        fn the_way_back_is_free(written in any_written()) {
            for (from, to) in [
                (Stage::Meeting, Stage::Planning), (Stage::Decided, Stage::Planning), (Stage::Planning, Stage::Assessing),
                (Stage::Planning, Stage::ConsentWork), (Stage::Closed, Stage::Reopened), (Stage::Suspended, Stage::Reopened),
            ] {
                prop_assert!(requirements(from, to, &written, None).is_empty(), "{} → {}", from, to);
            }
        }
    }
}
