//! 事案の状態 (option list `case_status`), its order and the steps allowed.

use crate::code::coded;

coded! {
    /// Stage of a case.
    pub enum Stage {
        Received = "received", "受付";
        Screening = "screening", "スクリーニング中";
        ConsentWork = "consent_work", "同意に向けた取組中";
        Assessing = "assessing", "アセスメント中";
        Planning = "planning", "プラン作成中";
        Meeting = "meeting", "会議付議中";
        Decided = "decided", "支援決定";
        Active = "active", "支援中";
        Evaluating = "evaluating", "評価中";
        Closed = "closed", "終結";
        Referred = "referred", "他機関へつなぎ";
        Suspended = "suspended", "中断";
        Reopened = "reopened", "再開";
    }
}

impl Stage {
    /// Position in the usual course (for sorting and for the stage bar).
    #[must_use]
    pub fn order(self) -> usize {
        Self::ALL
            .iter()
            .position(|stage| *stage == self)
            .unwrap_or(usize::MAX)
    }

    /// Whether work on the case has ended (for now).
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Closed | Self::Referred | Self::Suspended)
    }

    /// The stages that may follow.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Received => &[
                Self::Screening,
                Self::ConsentWork,
                Self::Assessing,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Screening => &[
                Self::ConsentWork,
                Self::Assessing,
                Self::Planning,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::ConsentWork => &[
                Self::Screening,
                Self::Assessing,
                Self::Planning,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Assessing => &[
                Self::Screening,
                Self::ConsentWork,
                Self::Planning,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Planning => &[
                Self::Assessing,
                Self::ConsentWork,
                Self::Meeting,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Meeting => &[Self::Planning, Self::Decided, Self::Closed, Self::Suspended],
            Self::Decided => &[Self::Active, Self::Planning, Self::Closed, Self::Suspended],
            Self::Active => &[
                Self::Evaluating,
                Self::Planning,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Evaluating => &[
                Self::Active,
                Self::Planning,
                Self::Meeting,
                Self::Closed,
                Self::Suspended,
            ],
            Self::Closed | Self::Referred | Self::Suspended => &[Self::Reopened],
            Self::Reopened => &[
                Self::Screening,
                Self::ConsentWork,
                Self::Assessing,
                Self::Planning,
                Self::Active,
                Self::Referred,
                Self::Closed,
                Self::Suspended,
            ],
        }
    }

    /// Whether the step is allowed. Staying is no step.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_leads_somewhere_and_none_to_itself() {
        for stage in Stage::ALL {
            assert!(!stage.next().is_empty());
            assert!(!stage.may_become(*stage), "{stage}");
            assert!(
                *stage == Stage::Reopened
                    || !stage.next().contains(&Stage::Reopened)
                    || stage.is_ended()
            );
        }
        assert!(
            !Stage::Received.may_become(Stage::Decided),
            "no decision without plan and meeting"
        );
        assert!(
            !Stage::Closed.may_become(Stage::Active),
            "an ended case is reopened first"
        );
        assert!(Stage::Received.order() < Stage::Closed.order());
    }
}
