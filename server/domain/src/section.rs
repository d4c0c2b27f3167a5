//! Sections of a case (what disclosure is set for) and kinds of documents (Y.Docs).

use crate::code::coded;

coded! {
    /// A section of a case: the column of the disclosure matrix. A section that is not in this
    /// list does not exist for the policy and stays closed.
    pub enum Section {
        Intake = "intake", "相談受付";
        Assessment = "assessment", "アセスメント";
        Network = "network", "世帯・関係";
        Screening = "screening", "スクリーニング";
        Plan = "plan", "プラン";
        Progress = "progress", "支援経過";
        Meeting = "meeting", "会議";
        Evaluation = "evaluation", "評価";
    }
}

coded! {
    /// Kind of a document: decides its shape and its rights.
    pub enum DocumentKind {
        /// 共有メモ: root Y.Text `content`.
        Note = "note", "共有メモ";
        /// 相談受付票.
        Intake = "intake", "相談受付・申込票";
        /// インテーク・アセスメントシート.
        Assessment = "assessment", "インテーク・アセスメントシート";
        /// People, agencies and ties.
        Network = "network", "世帯・関係";
        /// Mask decisions of a parent document; own rights.
        Masks = "masks", "マスキング";
        Screening = "screening", "スクリーニング";
        Plan = "plan", "プラン";
        /// A 支援経過 entry while draft.
        Progress = "progress", "支援経過（下書き）";
        Meeting = "meeting", "会議";
        Evaluation = "evaluation", "評価";
    }
}

impl DocumentKind {
    /// The section whose disclosure governs a case document of this kind. `None` for notes (their
    /// own sharing list) and masks (the parent's section, reviewers only).
    #[must_use]
    pub const fn section(self) -> Option<Section> {
        match self {
            Self::Intake => Some(Section::Intake),
            Self::Assessment => Some(Section::Assessment),
            Self::Network => Some(Section::Network),
            Self::Screening => Some(Section::Screening),
            Self::Plan => Some(Section::Plan),
            Self::Progress => Some(Section::Progress),
            Self::Meeting => Some(Section::Meeting),
            Self::Evaluation => Some(Section::Evaluation),
            Self::Note | Self::Masks => None,
        }
    }

    /// The form that gives the document its fields.
    #[must_use]
    pub const fn form(self) -> Option<&'static str> {
        match self {
            Self::Intake => Some("intake_application"),
            Self::Assessment => Some("intake_assessment"),
            Self::Screening => Some("screening"),
            Self::Plan => Some("plan"),
            Self::Meeting => Some("meeting"),
            Self::Evaluation => Some("evaluation"),
            Self::Note | Self::Network | Self::Masks | Self::Progress => None,
        }
    }

    /// Whether it is made when somebody needs it, and not with the case.
    #[must_use]
    pub const fn is_made_later(self) -> bool {
        matches!(
            self,
            Self::Screening | Self::Plan | Self::Meeting | Self::Evaluation
        )
    }

    /// Whether a case may have several, each with its number.
    #[must_use]
    pub const fn is_repeated(self) -> bool {
        matches!(self, Self::Plan | Self::Meeting | Self::Evaluation)
    }

    /// The kind whose fields a form gives.
    #[must_use]
    pub fn of_form(form: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.form() == Some(form))
    }
}
