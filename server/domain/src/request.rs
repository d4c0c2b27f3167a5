//! つなぐ, 割当, 引継ぎ and the asking for a 支援決定: requests between agencies or colleagues, their states,
//! who may do what with them and how much of them is shown. Pure.
//!
//! **Invariant:** an agency that is asked sees the request and nothing of the case until it accepts;
//! what the request says of persons it sees only as far as consent or another basis covers them.

use crate::{
    agency::AgencyClass,
    code::coded,
    disclosure::{self, CaseFacts, Level, Viewer},
    id::{AccountId, AgencyId},
    role::Capability,
    section::Section,
};

coded! {
    /// What is asked.
    pub enum RequestKind {
        /// Another agency is to support too. Accepting makes it a member.
        Refer = "refer", "つなぐ";
        /// A colleague is to look after the case for the own agency.
        Assign = "assign", "割当";
        /// Another agency is to lead in future (主担当機関).
        HandoverLead = "handover_lead", "主担当機関の引継ぎ";
        /// Another 多機関協働事業者 is to take the case over.
        HandoverOwner = "handover_owner", "事案の引継ぎ";
        /// The 市町村所管課 is to decide on a plan.
        Decision = "decision", "支援決定の依頼";
    }
}

coded! {
    /// State of a request.
    pub enum RequestState {
        Requested = "requested", "依頼中";
        Accepted = "accepted", "受諾";
        /// Of a 支援決定: 差戻し.
        Declined = "declined", "辞退";
        Withdrawn = "withdrawn", "取下げ";
        /// Of a 支援決定: decided.
        Completed = "completed", "完了";
    }
}

coded! {
    /// What is done with a request.
    pub enum RequestAct {
        Accept = "accept", "受諾する";
        Decline = "decline", "辞退する";
        Withdraw = "withdraw", "取り下げる";
        Complete = "complete", "完了にする";
    }
}

impl RequestKind {
    /// Whether accepting makes the agency a member with the rights that the request names.
    #[must_use]
    pub const fn shares(self) -> bool {
        matches!(self, Self::Refer | Self::HandoverLead)
    }
}

impl RequestState {
    /// Whether somebody waits for an answer.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested)
    }

    /// The state after an act; `None`: the act is not possible now.
    #[must_use]
    pub const fn after(self, kind: RequestKind, act: RequestAct) -> Option<Self> {
        match (self, act, kind) {
            // A decision is made, not accepted; an assignment is done when it is accepted.
            (Self::Requested, RequestAct::Accept, RequestKind::Decision) => None,
            (Self::Requested, RequestAct::Accept, RequestKind::Assign) => Some(Self::Completed),
            (Self::Requested, RequestAct::Accept, _) => Some(Self::Accepted),
            (Self::Requested, RequestAct::Decline, _) => Some(Self::Declined),
            (Self::Requested, RequestAct::Withdraw, _) => Some(Self::Withdrawn),
            (Self::Requested, RequestAct::Complete, RequestKind::Decision)
            | (Self::Accepted, RequestAct::Complete, _) => Some(Self::Completed),
            _ => None,
        }
    }
}

/// What the policy needs to know of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    pub kind: RequestKind,
    pub state: RequestState,
    pub from_agency: AgencyId,
    pub from_account: AccountId,
    pub to_agency: AgencyId,
    /// Of an assignment: who is asked.
    pub to_account: Option<AccountId>,
}

/// How much of a request is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestSight {
    /// Its words: none, with everything hidden that the masker suggests, or as written.
    pub words: Level,
    /// Whether the viewer may know which case it is about.
    pub case: bool,
    /// Whether the viewer is on the side that was asked.
    pub received: bool,
}

fn asked(viewer: &Viewer, request: &RequestFacts) -> bool {
    match request.kind {
        RequestKind::Assign => request.to_account.as_ref() == Some(&viewer.account),
        // Whichever 所管課 of the municipality.
        RequestKind::Decision => viewer.agency_class == AgencyClass::Department,
        _ => viewer.agency == request.to_agency,
    }
}

/// How much of a request the viewer sees; `None`: it does not exist.
///
/// Seen by the agency that asks, the one that is asked, the agency in charge and the department. Nobody
/// sees one who is shut out of the case; who is shut out of anything about one of its persons reads no
/// words. After 辞退 or 取下げ the agency that was asked keeps no words of a case it has no part in.
#[must_use]
pub fn sight(viewer: &Viewer, facts: &CaseFacts, request: &RequestFacts) -> Option<RequestSight> {
    if viewer.municipality != facts.municipality || viewer.role.ceiling() == Level::None {
        return None;
    }
    let shut_out = |whole: bool| {
        facts
            .exclusions
            .iter()
            .any(|exclusion| exclusion.hits(viewer) && exclusion.about.is_none() == whole)
    };
    if shut_out(true) {
        return None;
    }
    let case = disclosure::case_visible(viewer, facts);
    let received = asked(viewer, request);
    let sent = viewer.agency == request.from_agency;
    let answers = disclosure::answers_for_case(viewer, facts);
    // How another agency divides its work is its own matter.
    let party = if request.kind == RequestKind::Assign {
        sent
    } else {
        sent || received || answers || viewer.agency == request.to_agency
    };
    if !party {
        return None;
    }
    // Once answered it stands for itself no more: what the case lets the agency see counts.
    let over = !request.state.is_open();
    let words = if shut_out(false) || (over && !case) {
        Level::None
    } else if answers {
        // 住所秘匿 is kept from the department too, as in every text.
        if disclosure::texts_protected_from(viewer, facts) && viewer.agency != facts.owner {
            Level::Masked
        } else {
            Level::Read
        }
    } else {
        let covered = facts.persons.iter().all(|known| {
            facts.cover(&known.person, &viewer.agency, Section::Intake, viewer.today) >= Level::Read
        });
        if covered && !facts.persons.is_empty() && !disclosure::texts_protected_from(viewer, facts)
        {
            Level::Read
        } else {
            Level::Masked
        }
    };
    Some(RequestSight {
        words,
        case,
        received,
    })
}

/// Whether the viewer may do this with the request, its state aside.
#[must_use]
pub fn may(viewer: &Viewer, facts: &CaseFacts, request: &RequestFacts, act: RequestAct) -> bool {
    if sight(viewer, facts, request).is_none() || !viewer.role.has(Capability::EditCase) {
        return false;
    }
    let asked = asked(viewer, request);
    let asks = viewer.agency == request.from_agency;
    match (act, request.kind) {
        (RequestAct::Complete | RequestAct::Decline, RequestKind::Decision) => {
            asked && viewer.role.has(Capability::DecideSupport)
        }
        // Only an agency whose staff can be in charge of a case takes one over.
        (RequestAct::Accept, RequestKind::HandoverOwner) => {
            asked
                && viewer.agency_class == AgencyClass::Coordinator
                && viewer.role.has(Capability::ManageDisclosure)
        }
        (RequestAct::Accept | RequestAct::Decline, _) => asked,
        (RequestAct::Withdraw, RequestKind::Assign) => {
            viewer.account == request.from_account || viewer.agency == facts.owner && asks
        }
        // Also what an agency asked for that was in charge before.
        (RequestAct::Withdraw, _) => viewer.agency == facts.owner,
        (RequestAct::Complete, _) => asks || asked,
    }
}

/// What may be done now.
#[must_use]
pub fn acts(viewer: &Viewer, facts: &CaseFacts, request: &RequestFacts) -> Vec<RequestAct> {
    RequestAct::ALL
        .iter()
        .copied()
        .filter(|act| {
            request.state.after(request.kind, *act).is_some() && may(viewer, facts, request, *act)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        consent::{Consent, ConsentStatus},
        disclosure::{Disclosure, Excluded, Exclusion, Member, PersonFacts},
        id::PersonId,
        role::Role,
    };
    use jiff::civil::{Date, date};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const TODAY: Date = date(2026, 11, 30);

    fn viewer(agency: &str, class: AgencyClass, role: Role) -> Viewer {
        Viewer {
            municipality: "town".into(),
            account: format!("{agency}-one").as_str().into(),
            membership: "m".into(),
            agency: agency.into(),
            agency_class: class,
            role,
            today: TODAY,
        }
    }

    fn owner() -> Viewer {
        viewer("owner", AgencyClass::Coordinator, Role::Coordinator)
    }

    fn partner() -> Viewer {
        viewer("partner", AgencyClass::Agency, Role::Agency)
    }

    fn facts(consent: ConsentStatus) -> CaseFacts {
        CaseFacts {
            municipality: "town".into(),
            case: "case".into(),
            owner: "owner".into(),
            members: Vec::new(),
            matrix: Vec::new(),
            exclusions: Vec::new(),
            persons: vec![PersonFacts::new("p1".into(), Consent::of(consent))],
            bases: Vec::new(),
            subjects: BTreeMap::new(),
        }
    }

    fn refer(state: RequestState) -> RequestFacts {
        RequestFacts {
            kind: RequestKind::Refer,
            state,
            from_agency: "owner".into(),
            from_account: "owner-one".into(),
            to_agency: "partner".into(),
            to_account: None,
        }
    }

    #[test]
    fn before_acceptance_the_words_are_all_there_is() {
        let request = refer(RequestState::Requested);
        let seen = sight(&partner(), &facts(ConsentStatus::Full), &request).unwrap();
        assert_eq!(
            (seen.words, seen.case, seen.received),
            (Level::Read, false, true)
        );
        let seen = sight(&partner(), &facts(ConsentStatus::Unconfirmed), &request).unwrap();
        assert_eq!((seen.words, seen.case), (Level::Masked, false));
        let other = viewer("other", AgencyClass::Agency, Role::Agency);
        assert_eq!(sight(&other, &facts(ConsentStatus::Full), &request), None);
        let elsewhere = Viewer {
            municipality: "village".into(),
            ..partner()
        };
        assert_eq!(
            sight(&elsewhere, &facts(ConsentStatus::Full), &request),
            None
        );
    }

    #[test]
    fn what_was_declined_or_withdrawn_leaves_no_words_behind() {
        for state in [RequestState::Declined, RequestState::Withdrawn] {
            let seen = sight(&partner(), &facts(ConsentStatus::Full), &refer(state)).unwrap();
            assert_eq!(seen.words, Level::None);
            let seen = sight(&owner(), &facts(ConsentStatus::Full), &refer(state)).unwrap();
            assert_eq!(seen.words, Level::Read);
        }
    }

    #[test]
    fn who_is_shut_out_sees_no_request_or_no_words() {
        let request = refer(RequestState::Requested);
        let mut shut = facts(ConsentStatus::Full);
        shut.exclusions.push(Exclusion {
            who: Excluded::Agency("partner".into()),
            about: None,
        });
        assert_eq!(sight(&partner(), &shut, &request), None);
        assert!(!may(&partner(), &shut, &request, RequestAct::Accept));
        shut.exclusions[0].about = Some(PersonId::from("p1"));
        assert_eq!(
            sight(&partner(), &shut, &request).unwrap().words,
            Level::None
        );
    }

    #[test]
    fn a_protected_address_masks_the_words() {
        let mut protected = facts(ConsentStatus::Full);
        protected.persons[0].address_confidential = true;
        let request = refer(RequestState::Requested);
        assert_eq!(
            sight(&partner(), &protected, &request).unwrap().words,
            Level::Masked
        );
        let department = viewer("dep", AgencyClass::Department, Role::DepartmentStaff);
        assert_eq!(
            sight(&department, &protected, &request).unwrap().words,
            Level::Masked
        );
    }

    #[test]
    fn only_the_approver_of_the_department_decides() {
        let request = RequestFacts {
            kind: RequestKind::Decision,
            to_agency: "dep".into(),
            ..refer(RequestState::Requested)
        };
        let facts = facts(ConsentStatus::Full);
        let staff = viewer("dep", AgencyClass::Department, Role::DepartmentStaff);
        let approver = viewer("dep", AgencyClass::Department, Role::DepartmentApprover);
        assert_eq!(acts(&staff, &facts, &request), []);
        assert_eq!(
            acts(&approver, &facts, &request),
            [RequestAct::Decline, RequestAct::Complete]
        );
        assert_eq!(acts(&owner(), &facts, &request), [RequestAct::Withdraw]);
        assert_eq!(acts(&partner(), &facts, &request), []);
    }

    #[test]
    fn a_colleague_is_asked_and_nobody_else_answers() {
        let request = RequestFacts {
            kind: RequestKind::Assign,
            to_agency: "owner".into(),
            to_account: Some("owner-two".into()),
            ..refer(RequestState::Requested)
        };
        let facts = facts(ConsentStatus::Full);
        let two = Viewer {
            account: "owner-two".into(),
            ..owner()
        };
        assert_eq!(
            acts(&two, &facts, &request),
            [
                RequestAct::Accept,
                RequestAct::Decline,
                RequestAct::Withdraw
            ]
        );
        assert_eq!(acts(&owner(), &facts, &request), [RequestAct::Withdraw]);
        let department = viewer("dep", AgencyClass::Department, Role::DepartmentApprover);
        assert_eq!(sight(&department, &facts, &request), None);
    }

    #[test]
    fn a_case_goes_only_to_another_coordinator() {
        let request = RequestFacts {
            kind: RequestKind::HandoverOwner,
            ..refer(RequestState::Requested)
        };
        assert!(!may(
            &partner(),
            &facts(ConsentStatus::Full),
            &request,
            RequestAct::Accept
        ));
        let other = viewer("partner", AgencyClass::Coordinator, Role::Coordinator);
        assert!(may(
            &other,
            &facts(ConsentStatus::Full),
            &request,
            RequestAct::Accept
        ));
    }

    proptest! {
        /// No agency reads a word as written of somebody who is not covered for it.
        #[test]
        fn words_as_written_need_cover(
            role in proptest::sample::select(Role::ALL), state in proptest::sample::select(RequestState::ALL),
            kind in proptest::sample::select(RequestKind::ALL), consent in proptest::sample::select(ConsentStatus::ALL),
            member in any::<bool>(),
        ) {
            let mut facts = facts(consent);
            if member {
                facts.members.push(Member { agency: "partner".into(), class: AgencyClass::Agency, from: TODAY, to: None });
                facts.matrix.push(Disclosure { agency: "partner".into(), section: Section::Intake, level: Level::Edit, comment: true , from: None, to: None});
            }
            let request = RequestFacts { kind, ..refer(state) };
            let who = viewer("partner", AgencyClass::Agency, role);
            if let Some(seen) = sight(&who, &facts, &request) {
                prop_assert!(seen.words < Level::Read || consent.is_agreement());
                prop_assert!(role.has(Capability::ReadCases));
                prop_assert!(seen.case == member);
            }
            // Who sees nothing does nothing; what is over stays over.
            for act in RequestAct::ALL {
                if sight(&who, &facts, &request).is_none() {
                    prop_assert!(!may(&who, &facts, &request, *act));
                }
                if matches!(state, RequestState::Declined | RequestState::Withdrawn | RequestState::Completed) {
                    prop_assert_eq!(state.after(kind, *act), None);
                }
            }
        }
    }
}
