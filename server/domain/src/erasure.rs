//! 消去: what may be erased, on which ground, by whom, and in which steps it is carried out.
//!
//! Two persons are needed: one requests, another approves. What remains is the 廃棄記録: ids, codes,
//! counts and instants, never content.

use jiff::civil::Date;

use crate::{code::coded, id::AccountId};

coded! {
    /// How far an erasure reaches.
    pub enum ErasureScope {
        /// The present text stays; everything that stood there before is gone.
        Past = "past", "過去の文（いまの内容は残す）";
        /// One record, past and present.
        Document = "document", "記録 1 件";
        /// A whole case and the persons that are in no other.
        Case = "case", "事案全体";
    }
}

coded! {
    /// The ground of an erasure.
    pub enum ErasureGround {
        MistakenEntry = "mistaken_entry", "誤入力";
        RetentionExpired = "retention_expired", "保存期限の満了";
        /// 個人情報の保護に関する法律 第90条・第98条 (訂正請求, 利用停止請求).
        CorrectionOrSuspension = "correction", "訂正・利用停止の請求";
    }
}

coded! {
    /// Where a request stands.
    pub enum ErasureState {
        Requested = "requested", "承認待ち";
        Approved = "approved", "消去の実行中";
        Done = "done", "消去済み（廃棄記録）";
        Rejected = "rejected", "却下";
    }
}

coded! {
    /// Things outside the documents that may be erased along with them.
    pub enum ErasedObject {
        ProgressRecord = "progress_record", "支援経過";
        Transcript = "transcript", "文字起こし";
        Attachment = "attachment", "添付";
        /// What was asked and answered; that it was stays.
        Request = "request", "依頼と返事のことば";
        /// Why a step was taken; the step stays.
        Step = "step", "段階を変えた理由";
    }
}

coded! {
    /// The steps of carrying an erasure out, in their order. Each can be done again: a process that
    /// ends in the middle of one goes on with it.
    pub enum ErasureStep {
        /// A new data key; the former one only opens from now on.
        Rekey = "rekey", "鍵の取替え";
        /// Logs rewritten under a new epoch.
        Documents = "documents", "記録の書直し";
        /// Rows removed, derived state removed.
        Remove = "remove", "派生データの削除";
        /// What survives sealed under the new key, until nothing stands under the former one.
        Reseal = "reseal", "残す内容の封緘のし直し";
        /// The former key destroyed.
        Destroy = "destroy", "旧鍵の廃棄";
        /// The municipality key changed, so that the destroyed key in older backups opens no more.
        Rotate = "rotate", "自治体鍵の更新";
        /// Freed space of the database files.
        Compact = "compact", "空き領域の整理";
        Finish = "finish", "廃棄記録";
    }
}

impl ErasureStep {
    /// The step after this one; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|step| *step == self)?;
        Self::ALL.get(at + 1).copied()
    }
}

/// Why a request is not acceptable. The codes go to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErasureRefused {
    /// Who requested it cannot approve it.
    #[error("same_person")]
    SamePerson,
    /// 保存期限の満了 is no ground for a part of a case.
    #[error("ground")]
    Ground,
    /// The case is still being worked on, or its 保存期限 has not passed.
    #[error("retention")]
    Retention,
}

impl ErasureRefused {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SamePerson => "same_person",
            Self::Ground => "ground",
            Self::Retention => "retention",
        }
    }
}

/// Whether the ground carries the scope. 保存期限の満了 holds for a whole case that is closed and whose
/// 保存期限, where one is set, has passed (`today` after its last day).
///
/// # Errors
/// [`ErasureRefused`].
pub fn check_ground(
    scope: ErasureScope,
    ground: ErasureGround,
    closed_on: Option<Date>,
    retention_until: Option<Date>,
    today: Date,
) -> Result<(), ErasureRefused> {
    if ground != ErasureGround::RetentionExpired {
        return Ok(());
    }
    if scope != ErasureScope::Case {
        return Err(ErasureRefused::Ground);
    }
    let passed = retention_until.is_none_or(|last| last < today);
    if closed_on.is_some() && passed {
        Ok(())
    } else {
        Err(ErasureRefused::Retention)
    }
}

/// Two persons: an account is a person, whatever hat it wears.
///
/// # Errors
/// [`ErasureRefused::SamePerson`].
pub fn check_approver(requester: &AccountId, approver: &AccountId) -> Result<(), ErasureRefused> {
    if requester == approver {
        Err(ErasureRefused::SamePerson)
    } else {
        Ok(())
    }
}

/// Whether the unchangeable values written down at finalising go too. A mistaken entry in the past of
/// a sheet leaves what was finalised; a claim for 訂正・利用停止 does not, nor does the end of the record.
#[must_use]
pub const fn takes_finals(scope: ErasureScope, ground: ErasureGround) -> bool {
    !matches!(
        (scope, ground),
        (ErasureScope::Past, ErasureGround::MistakenEntry)
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_steps_follow_each_other_to_the_end() {
        let mut step = ErasureStep::Rekey;
        let mut seen = vec![step];
        while let Some(next) = step.next() {
            seen.push(next);
            step = next;
        }
        assert_eq!(seen, ErasureStep::ALL);
        assert_eq!(step, ErasureStep::Finish);
    }

    #[test]
    fn retention_covers_closed_cases_whose_time_has_passed() {
        let check = |scope, closed, until| {
            check_ground(
                scope,
                ErasureGround::RetentionExpired,
                closed,
                until,
                date(2026, 4, 1),
            )
        };
        let closed = Some(date(2020, 3, 31));
        assert_eq!(check(ErasureScope::Case, closed, None), Ok(()));
        assert_eq!(
            check(ErasureScope::Case, closed, Some(date(2026, 3, 31))),
            Ok(())
        );
        assert_eq!(
            check(ErasureScope::Case, closed, Some(date(2026, 4, 1))),
            Err(ErasureRefused::Retention)
        );
        assert_eq!(
            check(ErasureScope::Case, None, None),
            Err(ErasureRefused::Retention)
        );
        assert_eq!(
            check(ErasureScope::Document, closed, None),
            Err(ErasureRefused::Ground)
        );
        let open = check_ground(
            ErasureScope::Case,
            ErasureGround::MistakenEntry,
            None,
            None,
            date(2026, 4, 1),
        );
        assert_eq!(open, Ok(()));
    }

    #[test]
    fn nobody_approves_their_own_request() {
        let (a, b) = (AccountId::from("a"), AccountId::from("b"));
        assert_eq!(check_approver(&a, &a), Err(ErasureRefused::SamePerson));
        assert_eq!(check_approver(&a, &b), Ok(()));
    }

    #[test]
    fn finals_stay_only_for_a_mistaken_entry_in_the_past() {
        for scope in ErasureScope::ALL {
            for ground in ErasureGround::ALL {
                let stays = *scope == ErasureScope::Past && *ground == ErasureGround::MistakenEntry;
                assert_eq!(takes_finals(*scope, *ground), !stays);
            }
        }
    }
}
