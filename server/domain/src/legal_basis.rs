//! Grounds for sharing, read from `datasets/legal-bases.toml`. None of them is a general licence:
//! each says between whom, for what and until when.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::disclosure::Level;

/// A ground for sharing personal information.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    pub id: String,
    /// What people read, e.g. 支援会議（社会福祉法第106条の6）.
    pub name: String,
    /// Code in the option list `share_basis`.
    pub share_basis: String,
    /// Law and article.
    pub law: String,
    /// Between whom.
    pub members: String,
    /// Who hosts or decides.
    pub host: String,
    /// Which information.
    pub items: String,
    /// Duty of secrecy and where it comes from.
    pub secrecy: String,
    /// Covers only the registered members of a meeting, until its end plus `days_after`.
    pub meeting_bound: bool,
    /// Days after the meeting during which the cover lasts (proposal; the municipality decides).
    #[serde(default)]
    pub days_after: Option<u16>,
    /// The highest level it carries.
    pub ceiling: Level,
    /// May be chosen in the confirmation dialog (consent itself is registered, not chosen).
    pub confirmable: bool,
    /// What the person confirming must keep in mind.
    pub caution: String,
    /// Where the statement comes from.
    pub source: String,
    /// Checked against the text of the law or notice.
    pub verified: bool,
}

#[derive(Deserialize)]
struct File {
    basis: Vec<LegalBasis>,
}

static BASES: LazyLock<Vec<LegalBasis>> = LazyLock::new(|| {
    let text = include_str!("../../../datasets/legal-bases.toml");
    // A broken file would be found by the tests below; at run time it must cover nothing.
    toml::from_str::<File>(text)
        .map(|file| file.basis)
        .unwrap_or_default()
});

/// All grounds, in the order of the file.
#[must_use]
pub fn all() -> &'static [LegalBasis] {
    &BASES
}

/// `None` for an unknown identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static LegalBasis> {
    BASES.iter().find(|basis| basis.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_consistent() {
        let file: File =
            toml::from_str(include_str!("../../../datasets/legal-bases.toml")).unwrap();
        assert_eq!(file.basis.len(), all().len());
        assert!(all().len() >= 8);
        let mut ids: Vec<_> = all().iter().map(|basis| &basis.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all().len());
        for basis in all() {
            assert!(basis.ceiling > Level::None, "{}", basis.id);
            assert!(
                !basis.confirmable || basis.share_basis != "consent",
                "{}",
                basis.id
            );
            assert_eq!(
                basis.days_after.is_some(),
                basis.meeting_bound,
                "{}",
                basis.id
            );
        }
    }

    #[test]
    fn the_support_meeting_is_bound_and_masking_stays_masked() {
        assert!(find("support_meeting").unwrap().meeting_bound);
        assert_eq!(find("masked").unwrap().ceiling, Level::Masked);
        assert!(
            find("layered_meeting").is_none(),
            "a 重層的支援会議 is no basis: it needs consent"
        );
    }
}
