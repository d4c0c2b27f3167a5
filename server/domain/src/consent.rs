//! 個人情報の共有に関する同意, per person and case.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{code::coded, id::AgencyId, section::Section};

coded! {
    /// State of a person's consent to sharing (option list `consent_status`).
    pub enum ConsentStatus {
        Unconfirmed = "unconfirmed", "未確認";
        Full = "full", "同意あり";
        Limited = "limited", "同意あり（範囲を限定）";
        Verbal = "verbal", "口頭同意（書面未取得）";
        Refused = "refused", "同意しない";
        Withdrawn = "withdrawn", "同意を撤回";
        Incapable = "incapable", "意思確認が困難";
        Expired = "expired", "期限切れ・再確認待ち";
    }
}

impl ConsentStatus {
    /// Whether the person agreed, in whatever form (a 重層的支援会議 takes only such cases).
    #[must_use]
    pub const fn is_agreement(self) -> bool {
        matches!(self, Self::Full | Self::Limited | Self::Verbal)
    }
}

/// The consent that applies to one person in one case (the latest registration).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub status: ConsentStatus,
    /// Agreement counts from this day on. An agreement without a day counts from the start.
    #[serde(default)]
    pub obtained_on: Option<Date>,
    /// Last day the agreement holds.
    #[serde(default)]
    pub expires_on: Option<Date>,
    /// From this day on nothing is covered, whatever the status says.
    #[serde(default)]
    pub withdrawn_on: Option<Date>,
    /// With `limited`: the agencies named. `None` = the limit does not name agencies.
    #[serde(default)]
    pub allowed_agencies: Option<Vec<AgencyId>>,
    /// Agencies the person wants left out; honoured with every status.
    #[serde(default)]
    pub excluded_agencies: Vec<AgencyId>,
    /// With `limited`: the sections named. `None` = the limit does not name sections.
    #[serde(default)]
    pub allowed_sections: Option<Vec<Section>>,
}

impl Consent {
    /// A consent with a status and nothing else.
    #[must_use]
    pub const fn of(status: ConsentStatus) -> Self {
        Self {
            status,
            obtained_on: None,
            expires_on: None,
            withdrawn_on: None,
            allowed_agencies: None,
            excluded_agencies: Vec::new(),
            allowed_sections: None,
        }
    }

    /// The status as it stands on a day: agreements run out and are withdrawn by date.
    #[must_use]
    pub fn status_on(&self, on: Date) -> ConsentStatus {
        if !self.status.is_agreement() {
            self.status
        } else if self.withdrawn_on.is_some_and(|day| on >= day) {
            ConsentStatus::Withdrawn
        } else if self.expires_on.is_some_and(|day| on > day) {
            ConsentStatus::Expired
        } else if self.obtained_on.is_some_and(|day| on < day) {
            ConsentStatus::Unconfirmed
        } else {
            self.status
        }
    }

    /// Whether the person's agreement covers showing a section to an agency on a day.
    ///
    /// A limited agreement that names neither agencies nor sections nor exclusions covers nothing:
    /// its limit is unknown.
    #[must_use]
    pub fn covers(&self, agency: &AgencyId, section: Section, on: Date) -> bool {
        if self.excluded_agencies.contains(agency) {
            return false;
        }
        match self.status_on(on) {
            ConsentStatus::Full | ConsentStatus::Verbal => true,
            ConsentStatus::Limited => {
                let names_something = self.allowed_agencies.is_some()
                    || self.allowed_sections.is_some()
                    || !self.excluded_agencies.is_empty();
                names_something
                    && self
                        .allowed_agencies
                        .as_ref()
                        .is_none_or(|list| list.contains(agency))
                    && self
                        .allowed_sections
                        .as_ref()
                        .is_none_or(|list| list.contains(&section))
            }
            _ => false,
        }
    }

    /// The stricter of two consents that turn out to be one person's: what both cover, and nothing
    /// else. A refusal, a withdrawal, or no answer at all outweighs an agreement.
    #[must_use]
    pub fn strictest(&self, other: &Self) -> Self {
        let mut excluded_agencies = self.excluded_agencies.clone();
        for agency in &other.excluded_agencies {
            if !excluded_agencies.contains(agency) {
                excluded_agencies.push(agency.clone());
            }
        }
        if !(self.status.is_agreement() && other.status.is_agreement()) {
            let stricter = if self.status.severity() >= other.status.severity() {
                self
            } else {
                other
            };
            return Self {
                excluded_agencies,
                ..stricter.clone()
            };
        }
        let status = self.status.max_severity(other.status);
        let limits: Vec<&Self> = [self, other]
            .into_iter()
            .filter(|consent| consent.status == ConsentStatus::Limited)
            .collect();
        // A limit that names nothing covers nothing, whatever the other one names.
        let unknown = limits.iter().any(|consent| {
            consent.allowed_agencies.is_none()
                && consent.allowed_sections.is_none()
                && consent.excluded_agencies.is_empty()
        });
        let agencies = limits
            .iter()
            .map(|consent| consent.allowed_agencies.as_ref());
        let sections = limits
            .iter()
            .map(|consent| consent.allowed_sections.as_ref());
        Self {
            status,
            obtained_on: self.obtained_on.max(other.obtained_on),
            expires_on: earliest(self.expires_on, other.expires_on),
            withdrawn_on: earliest(self.withdrawn_on, other.withdrawn_on),
            allowed_agencies: if unknown {
                Some(Vec::new())
            } else {
                common(agencies)
            },
            excluded_agencies,
            allowed_sections: common(sections),
        }
    }
}

impl ConsentStatus {
    /// How much stands against sharing; agreements come last.
    const fn severity(self) -> u8 {
        match self {
            Self::Full => 0,
            Self::Verbal => 1,
            Self::Limited => 2,
            Self::Unconfirmed => 3,
            Self::Incapable => 4,
            Self::Expired => 5,
            Self::Refused => 6,
            Self::Withdrawn => 7,
        }
    }

    fn max_severity(self, other: Self) -> Self {
        if self.severity() >= other.severity() {
            self
        } else {
            other
        }
    }
}

fn earliest(a: Option<Date>, b: Option<Date>) -> Option<Date> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// What all lists name; lists that are not there name everything.
fn common<'a, T: Clone + PartialEq + 'a>(
    lists: impl Iterator<Item = Option<&'a Vec<T>>>,
) -> Option<Vec<T>> {
    lists.flatten().fold(None, |common, list| match common {
        None => Some(list.clone()),
        Some(names) => Some(
            names
                .into_iter()
                .filter(|name| list.contains(name))
                .collect(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn any_consent() -> impl Strategy<Value = Consent> {
        let day = || proptest::option::of((1i8..28).prop_map(|day| date(2026, 11, day)));
        let agencies = || {
            proptest::collection::vec(
                (0u8..3).prop_map(|n| AgencyId::from(n.to_string().as_str())),
                0..3,
            )
        };
        let sections = proptest::collection::vec(
            proptest::sample::select(&[Section::Intake, Section::Plan][..]),
            0..2,
        );
        (
            proptest::sample::select(ConsentStatus::ALL),
            (day(), day(), day()),
            proptest::option::of(agencies()),
            agencies(),
            proptest::option::of(sections),
        )
            .prop_map(
                |(status, (from, to, gone), allowed, excluded, sections)| Consent {
                    status,
                    obtained_on: from,
                    expires_on: to,
                    withdrawn_on: gone,
                    allowed_agencies: allowed,
                    excluded_agencies: excluded,
                    allowed_sections: sections,
                },
            )
    }

    proptest! {
        #[test]
        fn the_strictest_covers_what_both_cover(a in any_consent(), b in any_consent(), day in 1i8..28, agency in 0u8..3) {
            let (on, agency) = (date(2026, 11, day), AgencyId::from(agency.to_string().as_str()));
            let both = a.strictest(&b);
            for section in [Section::Intake, Section::Plan, Section::Meeting] {
                let wanted = a.covers(&agency, section, on) && b.covers(&agency, section, on);
                prop_assert_eq!(both.covers(&agency, section, on), wanted);
            }
        }
    }

    #[test]
    fn only_agreements_cover() {
        let agency = AgencyId::from("a");
        for status in ConsentStatus::ALL {
            let expected = matches!(status, ConsentStatus::Full | ConsentStatus::Verbal);
            assert_eq!(
                Consent::of(*status).covers(&agency, Section::Intake, date(2026, 11, 20)),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn a_limit_is_kept_to_agencies_and_sections() {
        let (a, b) = (AgencyId::from("a"), AgencyId::from("b"));
        let on = date(2026, 11, 20);
        let consent = Consent {
            allowed_agencies: Some(vec![a.clone()]),
            allowed_sections: Some(vec![Section::Plan]),
            ..Consent::of(ConsentStatus::Limited)
        };
        assert!(consent.covers(&a, Section::Plan, on));
        assert!(!consent.covers(&a, Section::Intake, on));
        assert!(!consent.covers(&b, Section::Plan, on));
        let except = Consent {
            excluded_agencies: vec![a.clone()],
            ..Consent::of(ConsentStatus::Limited)
        };
        assert!(!except.covers(&a, Section::Plan, on));
        assert!(except.covers(&b, Section::Plan, on));
        let empty = Consent {
            allowed_agencies: Some(vec![]),
            ..Consent::of(ConsentStatus::Limited)
        };
        assert!(!empty.covers(&b, Section::Plan, on));
    }

    #[test]
    fn days_decide() {
        let a = AgencyId::from("a");
        let consent = Consent {
            obtained_on: Some(date(2026, 4, 1)),
            expires_on: Some(date(2027, 3, 31)),
            withdrawn_on: Some(date(2026, 12, 1)),
            ..Consent::of(ConsentStatus::Full)
        };
        assert_eq!(
            consent.status_on(date(2026, 3, 31)),
            ConsentStatus::Unconfirmed
        );
        assert!(consent.covers(&a, Section::Intake, date(2026, 4, 1)));
        assert!(consent.covers(&a, Section::Intake, date(2026, 11, 30)));
        assert_eq!(
            consent.status_on(date(2026, 12, 1)),
            ConsentStatus::Withdrawn
        );
        let expiring = Consent {
            withdrawn_on: None,
            ..consent
        };
        assert!(expiring.covers(&a, Section::Intake, date(2027, 3, 31)));
        assert_eq!(expiring.status_on(date(2027, 4, 1)), ConsentStatus::Expired);
    }
}
