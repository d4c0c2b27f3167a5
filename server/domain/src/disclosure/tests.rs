//! Tests of the disclosure policy.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

const TODAY: Date = date(2026, 11, 20);

fn consent(status: ConsentStatus) -> Consent {
    Consent::of(status)
}

fn member(agency: &str) -> Member {
    Member {
        agency: agency.into(),
        class: AgencyClass::Agency,
        from: date(2026, 4, 1),
        to: None,
    }
}

fn row(agency: &str, section: Section, level: Level) -> Disclosure {
    Disclosure {
        agency: agency.into(),
        section,
        level,
        comment: true,
        from: None,
        to: None,
    }
}

fn right(agency: &str, section: Section, level: Level) -> ProposedRight {
    ProposedRight {
        agency: agency.into(),
        class: AgencyClass::Agency,
        section,
        level,
        days: Days::ALL,
    }
}

/// A household case of two persons who both consent; `care` reads the intake and edits the rest.
fn facts() -> CaseFacts {
    CaseFacts {
        municipality: "m1".into(),
        case: "c1".into(),
        owner: "coord".into(),
        members: vec![member("care"), member("school")],
        matrix: vec![
            row("care", Section::Intake, Level::Read),
            row("care", Section::Assessment, Level::Edit),
            row("care", Section::Progress, Level::Masked),
            row("school", Section::Intake, Level::Masked),
        ],
        exclusions: vec![],
        persons: vec![
            PersonFacts::new("p1".into(), consent(ConsentStatus::Full)),
            PersonFacts::new("p2".into(), consent(ConsentStatus::Full)),
        ],
        bases: vec![],
        subjects: BTreeMap::new(),
    }
}

fn viewer(agency: &str, class: AgencyClass, role: Role) -> Viewer {
    Viewer {
        municipality: "m1".into(),
        account: "acc".into(),
        membership: "mem".into(),
        agency: agency.into(),
        agency_class: class,
        role,
        today: TODAY,
    }
}

fn care() -> Viewer {
    viewer("care", AgencyClass::Agency, Role::Agency)
}

fn coordinator() -> Viewer {
    viewer("coord", AgencyClass::Coordinator, Role::Coordinator)
}

fn department() -> Viewer {
    viewer("dept", AgencyClass::Department, Role::DepartmentStaff)
}

fn level(viewer: &Viewer, facts: &CaseFacts, section: Section) -> Level {
    decide(viewer, facts, &facts.sheet(section)).level
}

#[test]
fn a_right_gives_nothing_outside_its_days() {
    let mut facts = facts();
    let until = |facts: &mut CaseFacts, from, to| {
        for row in &mut facts.matrix {
            (row.from, row.to) = (from, to);
        }
    };
    let (before, after) = (TODAY.yesterday().unwrap(), TODAY.tomorrow().unwrap());
    for (from, to, held) in [
        (None, Some(TODAY), true),
        (Some(TODAY), None, true),
        (Some(before), Some(after), true),
        (None, Some(before), false),
        (Some(after), None, false),
    ] {
        until(&mut facts, from, to);
        let (level, comment) = if held {
            (Level::Edit, true)
        } else {
            (Level::None, false)
        };
        let decision = decide(&care(), &facts, &facts.sheet(Section::Assessment));
        assert_eq!(
            (decision.level, decision.comment),
            (level, comment),
            "{from:?} {to:?}"
        );
        assert_eq!(case_visible(&care(), &facts), held);
        // To give it for today is to raise it where it does not hold today.
        facts.persons[0].consent = Consent::of(ConsentStatus::Refused);
        let again = [ProposedRight {
            days: Days {
                from: Some(TODAY),
                to: Some(TODAY),
            },
            ..right("care", Section::Assessment, Level::Read)
        }];
        assert_eq!(
            sharing_needs_confirmation(&facts, &again, TODAY).is_none(),
            held
        );
        facts.persons[0].consent = self::facts().persons[0].consent.clone();
    }
    // A department reads without a row; a row that is over does not open that again.
    facts.matrix = vec![Disclosure {
        to: Some(before),
        ..row("dept", Section::Intake, Level::Masked)
    }];
    assert_eq!(level(&department(), &facts, Section::Intake), Level::None);
    assert_eq!(level(&department(), &facts, Section::Plan), Level::Read);
}

#[test]
fn the_matrix_decides_for_members() {
    let facts = facts();
    assert_eq!(level(&care(), &facts, Section::Intake), Level::Read);
    assert_eq!(level(&care(), &facts, Section::Assessment), Level::Edit);
    assert_eq!(level(&care(), &facts, Section::Progress), Level::Masked);
    assert_eq!(
        level(&care(), &facts, Section::Network),
        Level::None,
        "no row, no right"
    );
    assert!(decide(&care(), &facts, &facts.sheet(Section::Intake)).comment);
    assert!(
        !decide(&care(), &facts, &facts.sheet(Section::Progress)).comment,
        "no comment on masked text"
    );
}

#[test]
fn no_membership_no_case() {
    let mut facts = facts();
    let stranger = viewer("clinic", AgencyClass::Agency, Role::Agency);
    facts
        .matrix
        .push(row("clinic", Section::Intake, Level::Edit));
    assert_eq!(level(&stranger, &facts, Section::Intake), Level::None);
    assert!(!case_visible(&stranger, &facts));
    facts.members.push(Member {
        to: Some(date(2026, 11, 19)),
        ..member("clinic")
    });
    assert_eq!(
        level(&stranger, &facts, Section::Intake),
        Level::None,
        "ended yesterday"
    );
    facts.members.push(Member {
        from: date(2026, 11, 21),
        ..member("clinic")
    });
    assert_eq!(
        level(&stranger, &facts, Section::Intake),
        Level::None,
        "begins tomorrow"
    );
    facts.members.push(Member {
        from: TODAY,
        to: Some(TODAY),
        ..member("clinic")
    });
    assert_eq!(level(&stranger, &facts, Section::Intake), Level::Edit);
}

#[test]
fn the_coordinator_in_charge_edits_and_another_coordinator_does_not() {
    let facts = facts();
    for section in Section::ALL {
        assert_eq!(level(&coordinator(), &facts, *section), Level::Edit);
    }
    let other = viewer("coord2", AgencyClass::Coordinator, Role::CoordMgr);
    assert!(!case_visible(&other, &facts));
}

#[test]
fn the_department_reads_unless_its_row_says_otherwise() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Refused);
    assert_eq!(
        level(&department(), &facts, Section::Assessment),
        Level::Read
    );
    facts
        .matrix
        .push(row("dept", Section::Assessment, Level::Masked));
    facts.matrix.push(row("dept", Section::Plan, Level::Edit));
    facts
        .matrix
        .push(row("dept", Section::Progress, Level::None));
    assert_eq!(
        level(&department(), &facts, Section::Assessment),
        Level::Masked
    );
    assert_eq!(level(&department(), &facts, Section::Plan), Level::Edit);
    assert_eq!(level(&department(), &facts, Section::Progress), Level::None);
}

#[test]
fn administration_audit_and_statistics_see_nothing_in_any_agency() {
    let facts = facts();
    let admin = viewer("coord", AgencyClass::Coordinator, Role::Sysadmin);
    let decision = decide(&admin, &facts, &facts.sheet(Section::Intake));
    assert_eq!(decision.reasons, [Reason::RoleWithoutCases]);
    for role in [Role::Sysadmin, Role::Auditor, Role::Stat] {
        for (agency, class) in [
            ("coord", AgencyClass::Coordinator),
            ("dept", AgencyClass::Department),
            ("care", AgencyClass::Agency),
        ] {
            assert!(
                !case_visible(&viewer(agency, class, role), &facts),
                "{role} at {agency}"
            );
        }
    }
}

#[test]
fn view_only_staff_of_the_coordinator_read() {
    let facts = facts();
    let reader = viewer("coord", AgencyClass::Coordinator, Role::Viewer);
    let decision = decide(&reader, &facts, &facts.sheet(Section::Intake));
    assert_eq!(decision.level, Level::Read);
    assert!(!decision.comment);
    assert!(
        decision
            .reasons
            .contains(&Reason::RoleCeiling { level: Level::Read })
    );
    assert!(!may_review_masks(
        &reader,
        &facts,
        &facts.sheet(Section::Intake)
    ));
}

#[test]
fn one_person_without_consent_masks_the_document() {
    let mut facts = facts();
    facts.persons[1].consent = consent(ConsentStatus::Refused);
    let decision = decide(&care(), &facts, &facts.sheet(Section::Assessment));
    assert_eq!(decision.level, Level::Masked);
    assert_eq!(decision.uncovered, [PersonId::from("p2")]);
    facts
        .subjects
        .insert(Section::Assessment, vec!["p1".into()]);
    assert_eq!(
        level(&care(), &facts, Section::Assessment),
        Level::Edit,
        "not about p2"
    );
    assert_eq!(
        level(&care(), &facts, Section::Intake),
        Level::Masked,
        "subjects unknown: everybody"
    );
}

#[test]
fn an_unknown_subject_or_none_at_all_masks() {
    let mut facts = facts();
    facts
        .subjects
        .insert(Section::Intake, vec!["stranger".into()]);
    assert_eq!(level(&care(), &facts, Section::Intake), Level::Masked);
    facts.subjects.clear();
    facts.persons.clear();
    let decision = decide(&care(), &facts, &facts.sheet(Section::Assessment));
    assert_eq!(decision.level, Level::Masked);
    assert!(decision.reasons.contains(&Reason::SubjectsUnknown));
}

#[test]
fn every_status_but_agreement_caps_at_masked() {
    for status in ConsentStatus::ALL {
        let mut facts = facts();
        facts.persons[0].consent = consent(*status);
        let expected = match status {
            ConsentStatus::Full | ConsentStatus::Verbal => Level::Edit,
            _ => Level::Masked,
        };
        assert_eq!(
            level(&care(), &facts, Section::Assessment),
            expected,
            "{status}"
        );
        assert_eq!(
            level(&coordinator(), &facts, Section::Assessment),
            Level::Edit,
            "{status}"
        );
    }
}

#[test]
fn a_protected_address_masks_for_agencies_not_on_the_list() {
    let mut facts = facts();
    facts.persons[0].address_confidential = true;
    assert_eq!(level(&care(), &facts, Section::Assessment), Level::Masked);
    assert_eq!(
        level(&department(), &facts, Section::Assessment),
        Level::Masked
    );
    assert_eq!(
        level(&coordinator(), &facts, Section::Assessment),
        Level::Edit
    );
    assert!(
        !address_visible(&coordinator(), &facts, &"p1".into()),
        "not even the coordinator, off the list"
    );
    assert!(address_visible(&coordinator(), &facts, &"p2".into()));
    facts.persons[0].address_allowed.insert("care".into());
    assert_eq!(level(&care(), &facts, Section::Assessment), Level::Edit);
    assert!(address_visible(&care(), &facts, &"p1".into()));
}

#[test]
fn around_a_protected_person_agencies_are_for_the_listed_only() {
    let mut facts = facts();
    let known = |viewer: &Viewer, facts: &CaseFacts| {
        [
            ("coord", AgencyClass::Coordinator),
            ("dept", AgencyClass::Department),
            ("care", AgencyClass::Agency),
            ("school", AgencyClass::Agency),
        ]
        .into_iter()
        .filter(|(agency, class)| agency_visible(viewer, facts, &(*agency).into(), *class))
        .map(|(agency, _)| agency)
        .collect::<Vec<_>>()
    };
    assert_eq!(known(&care(), &facts).len(), 4);
    facts.persons[1].address_confidential = true;
    assert_eq!(known(&care(), &facts), ["coord", "dept", "care"]);
    assert_eq!(known(&department(), &facts), ["coord", "dept"]);
    assert_eq!(
        known(&coordinator(), &facts).len(),
        4,
        "it manages the members"
    );
    facts.persons[1].address_allowed.insert("care".into());
    assert_eq!(known(&care(), &facts).len(), 4);
}

#[test]
fn own_entries_stay_editable_under_the_caps() {
    let mut facts = facts();
    facts.persons[0].address_confidential = true;
    let entry = |agency: &str| DocumentFacts {
        entry_of: Some(agency.into()),
        ..facts.sheet(Section::Progress)
    };
    assert_eq!(decide(&care(), &facts, &entry("care")).level, Level::Edit);
    assert_eq!(
        decide(&care(), &facts, &entry("school")).level,
        Level::Masked
    );
    assert!(may_write_entries(&care(), &facts));
    assert!(
        !may_write_entries(&viewer("school", AgencyClass::Agency, Role::Agency), &facts),
        "progress not disclosed"
    );
    assert!(!may_write_entries(
        &viewer("care", AgencyClass::Agency, Role::Viewer),
        &facts
    ));
    let mut ended = facts.clone();
    ended.members[0].to = Some(date(2026, 11, 1));
    assert_eq!(decide(&care(), &ended, &entry("care")).level, Level::None);
}

#[test]
fn a_text_about_one_person_may_mention_the_others() {
    let mut facts = facts();
    facts.matrix.retain(|row| row.section != Section::Progress);
    facts
        .matrix
        .push(row("care", Section::Progress, Level::Edit));
    let about_p1 = |agency: &str| DocumentFacts {
        case: facts.case.clone(),
        section: Section::Progress,
        subjects: vec!["p1".into()],
        entry_of: Some(agency.into()),
    };
    let (theirs, own) = (about_p1("coord"), about_p1("care"));
    assert_eq!(decide(&care(), &facts, &theirs).level, Level::Edit);
    let refused = CaseFacts {
        persons: vec![
            facts.persons[0].clone(),
            PersonFacts::new("p2".into(), consent(ConsentStatus::Refused)),
        ],
        ..facts.clone()
    };
    let protected = CaseFacts {
        persons: vec![
            facts.persons[0].clone(),
            PersonFacts {
                address_confidential: true,
                ..facts.persons[1].clone()
            },
        ],
        ..facts.clone()
    };
    let kept_from = |who| CaseFacts {
        exclusions: vec![Exclusion {
            who,
            about: Some("p2".into()),
        }],
        ..facts.clone()
    };
    let agency = kept_from(Excluded::Agency("care".into()));
    let account = kept_from(Excluded::Account("acc".into()));
    for (changed, why) in [
        (&refused, "refused"),
        (&protected, "protected"),
        (&agency, "agency kept from p2"),
        (&account, "account kept from p2"),
    ] {
        let entry = decide(&care(), changed, &theirs);
        assert_eq!(
            (entry.level, entry.comment),
            (Level::Masked, false),
            "{why}"
        );
        assert_eq!(
            person_level(&care(), changed, &"p1".into()),
            Level::Edit,
            "{why}: the register of p1 says nothing of p2"
        );
    }
    assert_eq!(
        decide(&care(), &refused, &theirs).uncovered,
        [PersonId::from("p2")]
    );
    for changed in [&refused, &protected, &agency] {
        assert_eq!(decide(&care(), changed, &own).level, Level::Edit);
    }
    assert_eq!(
        decide(&care(), &account, &own).level,
        Level::Masked,
        "colleagues wrote it"
    );
    // The one in charge is asked for no consent; shut out it is like anybody.
    assert_eq!(decide(&coordinator(), &refused, &own).level, Level::Edit);
    assert_eq!(decide(&coordinator(), &account, &own).level, Level::Masked);
    assert_eq!(decide(&department(), &refused, &theirs).level, Level::Read);
    assert_eq!(
        decide(&department(), &protected, &theirs).level,
        Level::Masked
    );
    // A sheet's persons are stated by those who disclose it: consent follows them, protection does not.
    let sheet = |facts: &CaseFacts| {
        let mut facts = facts.clone();
        facts
            .subjects
            .insert(Section::Assessment, vec!["p1".into()]);
        level(&care(), &facts, Section::Assessment)
    };
    assert_eq!(sheet(&refused), Level::Edit);
    assert_eq!(sheet(&protected), Level::Masked);
    assert_eq!(sheet(&agency), Level::Masked);
}

#[test]
fn exclusions_hide_everything() {
    let whole_agency = Exclusion {
        who: Excluded::Agency("care".into()),
        about: None,
    };
    let whole_account = Exclusion {
        who: Excluded::Account("acc".into()),
        about: None,
    };
    for exclusion in [whole_agency, whole_account] {
        let mut facts = facts();
        facts.exclusions.push(exclusion);
        assert!(!case_visible(&care(), &facts));
        let own = DocumentFacts {
            entry_of: Some("care".into()),
            ..facts.sheet(Section::Progress)
        };
        assert_eq!(
            decide(&care(), &facts, &own).level,
            Level::None,
            "own entries too"
        );
    }
    let mut facts = facts();
    facts.exclusions.push(Exclusion {
        who: Excluded::Agency("coord".into()),
        about: None,
    });
    assert!(
        !case_visible(&coordinator(), &facts),
        "the one in charge too"
    );
}

#[test]
fn exclusion_from_one_person_leaves_the_others() {
    let mut facts = facts();
    facts.exclusions.push(Exclusion {
        who: Excluded::Agency("care".into()),
        about: Some("p2".into()),
    });
    assert_eq!(
        level(&care(), &facts, Section::Intake),
        Level::None,
        "about everybody"
    );
    assert_eq!(person_level(&care(), &facts, &"p2".into()), Level::None);
    facts.subjects.insert(Section::Intake, vec!["p1".into()]);
    assert_eq!(
        level(&care(), &facts, Section::Intake),
        Level::Masked,
        "about p1, but it may mention p2"
    );
    assert!(case_visible(&care(), &facts));
    assert_eq!(person_level(&care(), &facts, &"p1".into()), Level::Edit);
}

#[test]
fn a_document_of_another_case_is_not_decided_by_these_facts() {
    let facts = facts();
    let foreign = DocumentFacts {
        case: "c2".into(),
        ..facts.sheet(Section::Intake)
    };
    assert_eq!(decide(&coordinator(), &facts, &foreign).level, Level::None);
}

#[test]
fn masks_belong_to_reviewers_who_may_edit_the_parent() {
    let facts = facts();
    let sheet = facts.sheet(Section::Assessment);
    assert!(may_review_masks(&coordinator(), &facts, &sheet));
    assert!(
        !may_review_masks(&care(), &facts, &sheet),
        "edits, but is no reviewer"
    );
    assert!(!may_review_masks(&department(), &facts, &sheet));
}

#[test]
fn a_meeting_covers_its_members_until_its_last_day() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Refused);
    facts.bases.push(SharingBasis {
        basis: "support_meeting".into(),
        agencies: vec!["care".into()],
        persons: vec!["p1".into()],
        sections: vec![Section::Assessment],
        from: date(2026, 11, 1),
        until: Some(TODAY),
        meeting: Some("mtg1".into()),
    });
    assert_eq!(
        level(&care(), &facts, Section::Assessment),
        Level::Read,
        "as far as the basis reaches"
    );
    assert_eq!(
        level(&care(), &facts, Section::Intake),
        Level::Masked,
        "another section"
    );
    let tomorrow = Viewer {
        today: date(2026, 11, 21),
        ..care()
    };
    assert_eq!(level(&tomorrow, &facts, Section::Assessment), Level::Masked);
    let with = |change: &dyn Fn(&mut SharingBasis)| {
        let mut changed = facts.clone();
        change(&mut changed.bases[0]);
        level(&care(), &changed, Section::Assessment)
    };
    assert_eq!(
        with(&|basis| basis.until = None),
        Level::Masked,
        "a meeting has an end"
    );
    assert_eq!(
        with(&|basis| basis.meeting = None),
        Level::Masked,
        "and must be named"
    );
    assert_eq!(
        with(&|basis| basis.basis = "nonsense".into()),
        Level::Masked
    );
    assert_eq!(
        with(&|basis| basis.basis = "masked".into()),
        Level::Masked,
        "masked sharing stays masked"
    );
    assert_eq!(
        with(&|basis| basis.agencies = vec!["school".into()]),
        Level::Masked
    );
    assert_eq!(
        with(&|basis| basis.persons = vec!["p2".into()]),
        Level::Masked
    );
}

#[test]
fn sharing_without_cover_asks_and_with_cover_does_not() {
    let mut facts = facts();
    let change = [right("clinic", Section::Intake, Level::Read)];
    assert_eq!(
        sharing_needs_confirmation(&facts, &change, TODAY),
        None,
        "both consent"
    );
    facts.persons[1].consent = consent(ConsentStatus::Unconfirmed);
    let asked = sharing_needs_confirmation(&facts, &change, TODAY).unwrap();
    assert_eq!(
        asked.persons,
        [UncoveredPerson {
            person: "p2".into(),
            status: ConsentStatus::Unconfirmed
        }]
    );
    assert_eq!(asked.agencies, [AgencyId::from("clinic")]);
    assert_eq!(asked.sections, [Section::Intake]);
    assert!(
        asked
            .bases
            .iter()
            .all(|basis| basis.confirmable && basis.ceiling >= Level::Read)
    );
    // Raising asks, lowering and leaving do not.
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[right("care", Section::Intake, Level::Edit)],
            TODAY
        )
        .is_some()
    );
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[right("care", Section::Intake, Level::Read)],
            TODAY
        )
        .is_none()
    );
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[right("care", Section::Intake, Level::None)],
            TODAY
        )
        .is_none()
    );
    // Masked sharing is sharing too.
    let masked = sharing_needs_confirmation(
        &facts,
        &[right("clinic", Section::Plan, Level::Masked)],
        TODAY,
    )
    .unwrap();
    assert!(masked.bases.iter().any(|basis| basis.id == "masked"));
    assert!(!asked.bases.iter().any(|basis| basis.id == "masked"));
    // The coordinator in charge and the department need none.
    let dept = ProposedRight {
        class: AgencyClass::Department,
        ..right("dept", Section::Intake, Level::Edit)
    };
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[dept, right("coord", Section::Intake, Level::Edit)],
            TODAY
        )
        .is_none()
    );
}

#[test]
fn a_former_member_counts_as_new() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Withdrawn);
    facts.members[0].to = Some(date(2026, 11, 1));
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[right("care", Section::Intake, Level::Read)],
            TODAY
        )
        .is_some()
    );
}

#[test]
fn a_right_that_lasts_longer_is_shared_anew() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Withdrawn);
    facts.matrix[0].to = Some(date(2026, 12, 10));
    let asked = |facts: &CaseFacts, level, from: Option<Date>, to: Option<Date>| {
        let right = ProposedRight {
            days: Days { from, to },
            ..right("care", Section::Intake, level)
        };
        sharing_needs_confirmation(facts, &[right], TODAY).is_some()
    };
    let last = Some(date(2026, 12, 10));
    assert!(!asked(&facts, Level::Read, None, last));
    assert!(!asked(
        &facts,
        Level::Masked,
        Some(TODAY),
        Some(date(2026, 12, 1))
    ));
    assert!(asked(&facts, Level::Read, None, Some(date(2026, 12, 11))));
    assert!(asked(&facts, Level::Masked, None, None));
    assert!(
        !asked(&facts, Level::Edit, None, Some(date(2026, 11, 1))),
        "what is over shares nothing"
    );
    // The same with the first day, and with a membership that ends before the right does.
    facts.matrix[0].from = Some(date(2026, 12, 1));
    assert!(!asked(&facts, Level::Read, Some(date(2026, 12, 1)), last));
    assert!(asked(&facts, Level::Read, Some(date(2026, 11, 30)), last));
    facts.members[0].to = Some(date(2026, 12, 5));
    assert!(asked(&facts, Level::Read, Some(date(2026, 12, 1)), last));
    // Consent that is over before the first day covers nothing.
    facts.persons[0].consent = Consent {
        expires_on: Some(date(2026, 12, 31)),
        ..consent(ConsentStatus::Full)
    };
    assert!(!asked(&facts, Level::Read, Some(date(2026, 12, 31)), None));
    assert!(asked(&facts, Level::Read, Some(date(2027, 1, 2)), None));
}

#[test]
fn a_right_given_again_without_days_keeps_those_it_had() {
    let limited = Disclosure {
        from: Some(date(2026, 11, 1)),
        to: Some(date(2026, 12, 10)),
        ..row("care", Section::Intake, Level::Masked)
    };
    let present = [limited.clone()];
    let days = |asked: Disclosure, today| asked.keeping_days(&present, today).days();
    let open = row("care", Section::Intake, Level::Read);
    assert_eq!(days(open.clone(), TODAY), limited.days());
    assert_eq!(days(open.clone(), date(2026, 12, 11)), Days::ALL, "over");
    let asked = Disclosure {
        to: Some(date(2026, 11, 30)),
        ..open.clone()
    };
    assert_eq!(days(asked.clone(), TODAY), asked.days());
    for other in [
        row("care", Section::Plan, Level::Read),
        row("school", Section::Intake, Level::Read),
        row("care", Section::Intake, Level::None),
    ] {
        assert_eq!(days(other, TODAY), Days::ALL);
    }
}

#[test]
fn the_reach_tells_rights_apart_and_nothing_else() {
    let facts = facts();
    let viewer = care();
    let before = reach(&viewer, &facts);
    assert_eq!(reach(&viewer, &facts), before);
    let mut narrower = facts.clone();
    narrower.matrix[1].level = Level::Read;
    let mut withdrawn = facts.clone();
    withdrawn.persons[1].consent = consent(ConsentStatus::Withdrawn);
    let mut protected = facts.clone();
    protected.persons[1].address_confidential = true;
    let mut gone = facts.clone();
    gone.members[0].to = Some(date(2026, 11, 1));
    for other in [narrower, withdrawn, protected, gone] {
        assert_ne!(reach(&viewer, &other), before);
    }
    // What others are given, and who is hidden from the viewer.
    let mut others = facts.clone();
    others.matrix[3].level = Level::Edit;
    assert_eq!(reach(&viewer, &others), before);
    assert!(known_by_name(&viewer, &facts, &"p1".into()));
    assert!(!known_by_name(&viewer, &facts, &"p9".into()));
}

#[test]
fn confirmations_are_checked_and_open_what_was_asked() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Refused);
    let asked = sharing_needs_confirmation(
        &facts,
        &[right("clinic", Section::Intake, Level::Read)],
        TODAY,
    )
    .unwrap();
    let answer = |basis: &str, reason: &str| Confirmation {
        basis: basis.into(),
        reason: reason.into(),
        meeting: None,
        until: None,
    };
    assert_eq!(
        asked.confirm(&answer("consent", "理由"), TODAY),
        Err(ConfirmationError::UnknownBasis)
    );
    assert_eq!(
        asked.confirm(&answer("nonsense", "理由"), TODAY),
        Err(ConfirmationError::UnknownBasis)
    );
    assert_eq!(
        asked.confirm(&answer("life_protection", "　"), TODAY),
        Err(ConfirmationError::ReasonMissing)
    );
    assert_eq!(
        asked.confirm(&answer("support_meeting", "理由"), TODAY),
        Err(ConfirmationError::MeetingMissing)
    );
    assert_eq!(
        asked.confirm(&answer("masked", "理由"), TODAY),
        Err(ConfirmationError::LevelTooHigh)
    );
    let past = Confirmation {
        until: Some(date(2026, 11, 19)),
        ..answer("life_protection", "理由")
    };
    assert_eq!(
        asked.confirm(&past, TODAY),
        Err(ConfirmationError::PeriodInvalid)
    );
    let meeting = Confirmation {
        meeting: Some("mtg1".into()),
        until: Some(date(2026, 12, 4)),
        ..answer("support_meeting", "早期に体制を組むため")
    };
    facts.bases.extend(asked.confirm(&meeting, TODAY).unwrap());
    facts.members.push(member("clinic"));
    facts
        .matrix
        .push(row("clinic", Section::Intake, Level::Read));
    facts
        .matrix
        .push(row("clinic", Section::Assessment, Level::Read));
    let clinic = viewer("clinic", AgencyClass::Agency, Role::Agency);
    assert_eq!(level(&clinic, &facts, Section::Intake), Level::Read);
    assert_eq!(level(&clinic, &facts, Section::Assessment), Level::Masked);
    assert!(
        sharing_needs_confirmation(
            &facts,
            &[right("clinic", Section::Intake, Level::Read)],
            TODAY
        )
        .is_none()
    );
}

#[test]
fn one_confirmation_of_several_rights_is_not_their_product() {
    let mut facts = facts();
    facts.persons[0].consent = consent(ConsentStatus::Refused);
    facts.subjects.insert(Section::Plan, vec!["p1".into()]);
    facts.subjects.insert(Section::Intake, vec!["p1".into()]);
    let asked = sharing_needs_confirmation(
        &facts,
        &[
            right("clinic", Section::Plan, Level::Read),
            right("shop", Section::Intake, Level::Read),
        ],
        TODAY,
    )
    .unwrap();
    let answer = Confirmation {
        basis: "life_protection".into(),
        reason: "理由".into(),
        meeting: None,
        until: None,
    };
    facts.bases.extend(asked.confirm(&answer, TODAY).unwrap());
    let cover = |agency: &str, section| facts.cover(&"p1".into(), &agency.into(), section, TODAY);
    assert!(cover("clinic", Section::Plan) >= Level::Read);
    assert!(cover("shop", Section::Intake) >= Level::Read);
    assert_eq!(cover("clinic", Section::Intake), Level::None);
    assert_eq!(cover("shop", Section::Plan), Level::None);
}

#[test]
fn notes_belong_to_their_agency_and_those_they_are_shared_with() {
    let note = NoteFacts {
        municipality: "m1".into(),
        agency: "care".into(),
        shared: vec![("school".into(), Level::Read)],
    };
    let at =
        |agency: &str, role| decide_note(&viewer(agency, AgencyClass::Agency, role), &note).level;
    assert_eq!(at("care", Role::Agency), Level::Edit);
    assert_eq!(at("care", Role::Viewer), Level::Read);
    assert_eq!(at("care", Role::Sysadmin), Level::None);
    assert_eq!(at("school", Role::Agency), Level::Read);
    assert_eq!(at("clinic", Role::Agency), Level::None);
    let elsewhere = Viewer {
        municipality: "m2".into(),
        ..care()
    };
    assert_eq!(decide_note(&elsewhere, &note).level, Level::None);
}

#[test]
fn the_list_of_a_protected_address_belongs_to_those_on_it_and_whoever_is_in_charge() {
    let coordinator = coordinator();
    let other = viewer("coord2", AgencyClass::Coordinator, Role::CoordMgr);
    let may = |viewer: &Viewer, confidential, listed: &[&str], in_charge: Option<&str>| {
        let allowed = listed.iter().map(|id| AgencyId::from(*id)).collect();
        may_change_address_list(
            viewer,
            confidential,
            &allowed,
            in_charge.map(AgencyId::from).as_ref(),
        )
    };
    assert!(
        may(&other, false, &[], Some("coord")),
        "nothing is protected"
    );
    assert!(may(&coordinator, true, &[], Some("coord")));
    assert!(!may(&other, true, &[], Some("coord")));
    assert!(!may(&other, true, &[], None), "nobody is in charge");
    assert!(may(&other, true, &["coord2"], Some("coord")));
    assert!(
        may(&coordinator, true, &["coord2"], Some("coord")),
        "no list locks out who is in charge"
    );
    assert!(
        !may(&other, true, &["coord"], Some("coord")),
        "not on the list"
    );
    assert!(
        !may(&care(), true, &["care"], Some("care")),
        "agencies do not edit the register"
    );
}

#[test]
fn view_as_is_an_ordinary_member_of_staff() {
    let facts = facts();
    for (agency, class) in [
        ("care", AgencyClass::Agency),
        ("coord", AgencyClass::Coordinator),
        ("dept", AgencyClass::Department),
    ] {
        let document = facts.sheet(Section::Intake);
        let shown = audience_level(&facts, &document, &agency.into(), class, TODAY);
        assert!(shown.level > Level::None);
        assert_eq!(
            shown.level,
            decide(
                &viewer_as(&facts, &agency.into(), class, TODAY),
                &facts,
                &document
            )
            .level
        );
    }
}

// ── properties over arbitrary cases ──────────────────────────────────────────────────────────

const AGENCIES: [&str; 4] = ["coord", "care", "school", "dept"];
const PERSONS: [&str; 3] = ["p1", "p2", "p3"];

fn any_section() -> impl Strategy<Value = Section> {
    prop::sample::select(Section::ALL)
}

fn any_level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL)
}

fn any_agency() -> impl Strategy<Value = AgencyId> {
    prop::sample::select(&AGENCIES).prop_map(AgencyId::from)
}

fn any_person() -> impl Strategy<Value = PersonId> {
    prop::sample::select(&PERSONS).prop_map(PersonId::from)
}

fn any_day() -> impl Strategy<Value = Date> {
    (0_i32..60).prop_map(|days| date(2026, 11, 1).saturating_add(jiff::Span::new().days(days)))
}

prop_compose! {
    fn any_consent()(
        status in prop::sample::select(ConsentStatus::ALL),
        obtained_on in prop::option::of(any_day()),
        expires_on in prop::option::of(any_day()),
        allowed_agencies in prop::option::of(prop::collection::vec(any_agency(), 0..3)),
        excluded_agencies in prop::collection::vec(any_agency(), 0..2),
        allowed_sections in prop::option::of(prop::collection::vec(any_section(), 0..3)),
    ) -> Consent {
        Consent { status, obtained_on, expires_on, withdrawn_on: None, allowed_agencies, excluded_agencies, allowed_sections }
    }
}

prop_compose! {
    fn any_exclusion()(
        agency in prop::option::of(any_agency()),
        about in prop::option::of(any_person()),
    ) -> Exclusion {
        Exclusion { who: agency.map_or_else(|| Excluded::Account("acc".into()), Excluded::Agency), about }
    }
}

prop_compose! {
    fn any_basis()(
        basis in prop::sample::select(&["support_meeting", "life_protection", "masked", "nonsense"]),
        agencies in prop::collection::vec(any_agency(), 0..3),
        persons in prop::collection::vec(any_person(), 0..3),
        sections in prop::collection::vec(any_section(), 0..4),
        from in any_day(),
        until in prop::option::of(any_day()),
        meeting in prop::option::of(Just("mtg".to_owned())),
    ) -> SharingBasis {
        SharingBasis { basis: basis.to_owned(), agencies, persons, sections, from, until, meeting }
    }
}

prop_compose! {
    fn any_facts()(
        members in prop::collection::vec((any_agency(), any_day(), prop::option::of(any_day())), 0..4),
        matrix in prop::collection::vec((any_agency(), any_section(), any_level(), any::<bool>()), 0..12),
        exclusions in prop::collection::vec(any_exclusion(), 0..2),
        persons in prop::collection::vec((any_consent(), any::<bool>(), prop::collection::btree_set(any_agency(), 0..3)), 0..3),
        bases in prop::collection::vec(any_basis(), 0..3),
        subjects in prop::collection::btree_map(any_section(), prop::collection::vec(any_person(), 0..3), 0..4),
    ) -> CaseFacts {
        CaseFacts {
            municipality: "m1".into(),
            case: "c1".into(),
            owner: "coord".into(),
            members: members.into_iter().map(|(agency, from, to)| Member { agency, class: AgencyClass::Agency, from, to }).collect(),
            matrix: matrix.into_iter().map(|(agency, section, level, comment)| Disclosure { agency, section, level, comment, from: None, to: None }).collect(),
            exclusions,
            persons: persons.into_iter().zip(PERSONS).map(|((consent, address_confidential, address_allowed), person)| {
                PersonFacts { person: person.into(), consent, address_confidential, address_allowed }
            }).collect(),
            bases,
            subjects,
        }
    }
}

prop_compose! {
    fn any_viewer()(agency in any_agency(), role in prop::sample::select(Role::ALL), today in any_day()) -> Viewer {
        let class = match agency.as_str() {
            "coord" => AgencyClass::Coordinator,
            "dept" => AgencyClass::Department,
            _ => AgencyClass::Agency,
        };
        Viewer { agency, today, ..viewer("", class, role) }
    }
}

prop_compose! {
    fn any_document()(
        section in any_section(),
        subjects in prop::collection::vec(any_person(), 0..3),
        entry_of in prop::option::of(any_agency()),
    ) -> DocumentFacts {
        DocumentFacts { case: "c1".into(), section, subjects, entry_of }
    }
}

fn not_raised(
    viewer: &Viewer,
    before: &CaseFacts,
    after: &CaseFacts,
    document: &DocumentFacts,
) -> Result<(), TestCaseError> {
    let (was, is) = (
        decide(viewer, before, document),
        decide(viewer, after, document),
    );
    prop_assert!(is.level <= was.level, "{:?} -> {:?}", was, is);
    prop_assert!(was.comment || !is.comment);
    prop_assert!(case_level(viewer, after) <= case_level(viewer, before));
    for person in PERSONS {
        prop_assert!(
            person_level(viewer, after, &person.into())
                <= person_level(viewer, before, &person.into())
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn another_municipality_sees_nothing(facts in any_facts(), viewer in any_viewer(), document in any_document()) {
        let viewer = Viewer { municipality: "m2".into(), ..viewer };
        prop_assert_eq!(decide(&viewer, &facts, &document).level, Level::None);
        prop_assert!(!case_visible(&viewer, &facts));
        prop_assert!(!may_review_masks(&viewer, &facts, &document));
        prop_assert!(!may_write_entries(&viewer, &facts));
    }

    #[test]
    fn adding_an_exclusion_never_raises(facts in any_facts(), viewer in any_viewer(), document in any_document(), exclusion in any_exclusion()) {
        let mut after = facts.clone();
        after.exclusions.push(exclusion);
        not_raised(&viewer, &facts, &after, &document)?;
    }

    #[test]
    fn taking_consent_away_never_raises(facts in any_facts(), viewer in any_viewer(), document in any_document(), status in prop::sample::select(&[ConsentStatus::Refused, ConsentStatus::Withdrawn, ConsentStatus::Unconfirmed, ConsentStatus::Incapable, ConsentStatus::Expired])) {
        for index in 0..facts.persons.len() {
            let mut after = facts.clone();
            after.persons[index].consent.status = status;
            not_raised(&viewer, &facts, &after, &document)?;
        }
    }

    #[test]
    fn taking_away_a_basis_a_row_or_a_member_never_raises_an_agency(facts in any_facts(), viewer in any_viewer(), document in any_document()) {
        for index in 0..facts.bases.len() {
            let mut after = facts.clone();
            after.bases.remove(index);
            not_raised(&viewer, &facts, &after, &document)?;
        }
        let mut after = facts.clone();
        after.members.clear();
        not_raised(&viewer, &facts, &after, &document)?;
        // Without a row the department falls back to reading; for all others no row is no right.
        if viewer.agency_class == AgencyClass::Agency {
            let mut after = facts.clone();
            after.matrix.clear();
            not_raised(&viewer, &facts, &after, &document)?;
        }
    }

    #[test]
    fn protecting_an_address_never_raises(facts in any_facts(), viewer in any_viewer(), document in any_document()) {
        for index in 0..facts.persons.len() {
            let mut after = facts.clone();
            after.persons[index].address_confidential = true;
            after.persons[index].address_allowed.clear();
            not_raised(&viewer, &facts, &after, &document)?;
            let person = after.persons[index].person.clone();
            prop_assert!(!address_visible(&viewer, &after, &person));
        }
    }

    #[test]
    fn agencies_never_pass_their_matrix_row(facts in any_facts(), viewer in any_viewer(), document in any_document()) {
        let document = DocumentFacts { entry_of: None, ..document };
        let decision = decide(&viewer, &facts, &document);
        if viewer.agency_class == AgencyClass::Agency {
            let row = facts.row(&viewer.agency, document.section).map_or(Level::None, |row| row.level);
            prop_assert!(decision.level <= row);
        }
        prop_assert!(decision.level <= viewer.role.ceiling());
        prop_assert!(!decision.comment || decision.level >= Level::Read);
        prop_assert!(!decision.reasons.is_empty());
    }

    #[test]
    fn whoever_reads_is_covered(facts in any_facts(), viewer in any_viewer(), document in any_document()) {
        let document = DocumentFacts { entry_of: None, ..document };
        let decision = decide(&viewer, &facts, &document);
        if viewer.agency_class == AgencyClass::Agency && decision.level >= Level::Read {
            for person in facts.subjects_of(&document.subjects) {
                prop_assert!(facts.cover(person, &viewer.agency, document.section, viewer.today) >= decision.level);
            }
        }
    }

    #[test]
    fn confirmed_sharing_needs_no_second_confirmation(facts in any_facts(), section in any_section(), level in any_level()) {
        let change = [right("care", section, level)];
        if let Some(asked) = sharing_needs_confirmation(&facts, &change, TODAY)
            && let Some(basis) = asked.bases.iter().find(|basis| !basis.meeting_bound)
        {
            let answer = Confirmation { basis: basis.id.clone(), reason: "理由".into(), meeting: None, until: None };
            let mut after = facts.clone();
            after.bases.extend(asked.confirm(&answer, TODAY).unwrap());
            prop_assert!(sharing_needs_confirmation(&after, &change, TODAY).is_none());
        }
    }

    #[test]
    fn a_confirmation_covers_nothing_that_was_not_asked_for(
        facts in any_facts(),
        change in prop::collection::vec((any_agency(), any_section(), any_level()), 1..5),
    ) {
        let change: Vec<ProposedRight> = change.into_iter().map(|(agency, section, level)| right(agency.as_str(), section, level)).collect();
        let Some(asked) = sharing_needs_confirmation(&facts, &change, TODAY) else { return Ok(()) };
        for basis in asked.bases.iter().filter(|basis| !basis.meeting_bound) {
            let answer = Confirmation { basis: basis.id.clone(), reason: "理由".into(), meeting: None, until: None };
            let mut after = facts.clone();
            after.bases.extend(asked.confirm(&answer, TODAY).unwrap());
            for agency in AGENCIES.map(AgencyId::from) {
                for person in PERSONS.map(PersonId::from) {
                    for section in Section::ALL {
                        let asked_for = change.iter().any(|right| right.agency == agency && right.section == *section)
                            && facts.subjects_of(&facts.sheet(*section).subjects).contains(&&person);
                        let (was, is) = (facts.cover(&person, &agency, *section, TODAY), after.cover(&person, &agency, *section, TODAY));
                        prop_assert!(asked_for || is == was, "{agency} {person} {section}: {was} -> {is}");
                    }
                }
            }
        }
    }
}
