//! Roles and what each may do. A membership (account × agency × period) has one role; the active
//! membership decides. The table below is the only place where roles are given rights.

use crate::{code::coded, disclosure::Level};

coded! {
    /// Role of a membership.
    pub enum Role {
        /// No case content.
        Sysadmin = "sysadmin", "システム管理者";
        DepartmentStaff = "department_staff", "所管課 担当者";
        DepartmentApprover = "department_approver", "所管課 決裁者";
        Coordinator = "coordinator", "多機関協働事業者 職員";
        CoordMgr = "coord_mgr", "多機関協働事業者 管理者";
        Agency = "agency", "支援関係機関 職員";
        AgencyMgr = "agency_mgr", "支援関係機関 管理者";
        Viewer = "viewer", "閲覧のみ";
        /// Sees the audit log (ids), no case content.
        Auditor = "auditor", "監査";
        /// Sees counts, no personal fields.
        Stat = "stat", "統計担当";
    }
}

coded! {
    /// A thing a role may do. Case content additionally needs the policy's consent
    /// ([`crate::disclosure::decide`]): a capability alone opens no case.
    pub enum Capability {
        AdminAccounts = "admin_accounts", "利用者の管理";
        /// Accounts of the own agency only.
        AdminOwnAgency = "admin_own_agency", "自機関の利用者の管理";
        AdminAgencies = "admin_agencies", "機関の管理";
        AdminSettings = "admin_settings", "設定の管理";
        /// Adds fields, options and sections to the sheets of the municipality.
        AdminForms = "admin_forms", "項目の追加";
        ReadPersons = "read_persons", "台帳の閲覧";
        EditPersons = "edit_persons", "台帳の編集";
        /// Of two persons of the register who are one, and back.
        MergePersons = "merge_persons", "台帳の統合";
        ReadCases = "read_cases", "事案の閲覧";
        CreateCase = "create_case", "事案の受付";
        /// Takes cases in that were under way elsewhere, at the stage they had there.
        MigrateCases = "migrate_cases", "途中の段階の事案の取込";
        EditCase = "edit_case", "事案の編集";
        CommentCase = "comment_case", "コメント";
        ManageMembers = "manage_members", "支援機関の追加・削除";
        ManageDisclosure = "manage_disclosure", "開示範囲の変更";
        ManageConsent = "manage_consent", "同意の登録";
        ConfirmSharing = "confirm_sharing", "同意のない共有の確認";
        ReviewMasks = "review_masks", "マスキングの確認";
        HostMeeting = "host_meeting", "支援会議の開催";
        DecideSupport = "decide_support", "支援決定";
        ExportCases = "export_cases", "事案の出力";
        ReadSimilar = "read_similar", "類似事案の閲覧";
        ReadStatistics = "read_statistics", "統計の閲覧";
        ReadAudit = "read_audit", "監査ログの閲覧";
        EraseRequest = "erase_request", "消去の申請";
        /// Of somebody else's request; never of the own.
        EraseApprove = "erase_approve", "消去の承認";
    }
}

impl Role {
    /// The capabilities of the role.
    #[must_use]
    pub const fn capabilities(self) -> &'static [Capability] {
        use Capability as C;
        match self {
            Self::Sysadmin => &[
                C::AdminAccounts,
                C::AdminAgencies,
                C::AdminSettings,
                C::AdminForms,
                C::ReadStatistics,
                C::ReadAudit,
            ],
            Self::DepartmentStaff => &[
                C::AdminForms,
                C::ReadPersons,
                C::MergePersons,
                C::ReadCases,
                C::EditCase,
                C::CommentCase,
                C::ConfirmSharing,
                C::HostMeeting,
                C::ExportCases,
                C::ReadSimilar,
                C::ReadStatistics,
                C::EraseRequest,
            ],
            Self::DepartmentApprover => &[
                C::AdminForms,
                C::ReadPersons,
                C::MergePersons,
                C::ReadCases,
                C::EditCase,
                C::CommentCase,
                C::ConfirmSharing,
                C::HostMeeting,
                C::DecideSupport,
                C::ExportCases,
                C::ReadSimilar,
                C::ReadStatistics,
                C::EraseRequest,
                C::EraseApprove,
            ],
            Self::Coordinator => &[
                C::ReadPersons,
                C::EditPersons,
                C::ReadCases,
                C::CreateCase,
                C::EditCase,
                C::CommentCase,
                C::ManageMembers,
                C::ManageDisclosure,
                C::ManageConsent,
                C::ConfirmSharing,
                C::ReviewMasks,
                C::ExportCases,
                C::ReadSimilar,
                C::ReadStatistics,
            ],
            Self::CoordMgr => &[
                C::AdminOwnAgency,
                C::ReadPersons,
                C::EditPersons,
                C::MergePersons,
                C::ReadCases,
                C::CreateCase,
                C::MigrateCases,
                C::EditCase,
                C::CommentCase,
                C::ManageMembers,
                C::ManageDisclosure,
                C::ManageConsent,
                C::ConfirmSharing,
                C::ReviewMasks,
                C::ExportCases,
                C::ReadSimilar,
                C::ReadStatistics,
                C::EraseRequest,
                C::EraseApprove,
            ],
            Self::Agency => &[C::ReadCases, C::CreateCase, C::EditCase, C::CommentCase],
            Self::AgencyMgr => &[
                C::AdminOwnAgency,
                C::ReadCases,
                C::CreateCase,
                C::EditCase,
                C::CommentCase,
            ],
            Self::Viewer => &[C::ReadCases],
            Self::Auditor => &[C::ReadAudit],
            Self::Stat => &[C::ReadStatistics],
        }
    }

    /// Whether the role has the capability.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.capabilities().contains(&capability)
    }

    /// The highest level this role can reach on any document of a case.
    #[must_use]
    pub fn ceiling(self) -> Level {
        if self.has(Capability::EditCase) {
            Level::Edit
        } else if self.has(Capability::ReadCases) {
            Level::Read
        } else {
            Level::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_are_unique() {
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(*role));
            let json = serde_json::to_string(role).unwrap();
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), *role);
        }
        assert_eq!(Role::from_code("root"), None);
        let mut codes: Vec<_> = Capability::ALL.iter().map(|c| c.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Capability::ALL.len());
    }

    #[test]
    fn administration_audit_and_statistics_see_no_case() {
        for role in [Role::Sysadmin, Role::Auditor, Role::Stat] {
            assert_eq!(role.ceiling(), Level::None, "{role}");
            for capability in [
                Capability::ReadCases,
                Capability::EditCase,
                Capability::ReadPersons,
                Capability::ExportCases,
                Capability::ReadSimilar,
                Capability::ReviewMasks,
            ] {
                assert!(!role.has(capability), "{role} {capability}");
            }
        }
        assert_eq!(Role::Viewer.ceiling(), Level::Read);
    }

    #[test]
    fn only_the_approver_decides_and_only_coordinators_review_masks() {
        let with = |c| {
            Role::ALL
                .iter()
                .copied()
                .filter(|r| r.has(c))
                .collect::<Vec<_>>()
        };
        assert_eq!(with(Capability::DecideSupport), [Role::DepartmentApprover]);
        assert_eq!(
            with(Capability::ReviewMasks),
            [Role::Coordinator, Role::CoordMgr]
        );
        assert_eq!(
            with(Capability::ManageDisclosure),
            [Role::Coordinator, Role::CoordMgr]
        );
        assert_eq!(
            with(Capability::EraseApprove),
            [Role::DepartmentApprover, Role::CoordMgr]
        );
        for role in with(Capability::EraseApprove) {
            assert!(role.has(Capability::EraseRequest), "{role}");
        }
    }
}
