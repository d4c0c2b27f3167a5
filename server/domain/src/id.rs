//! Identifiers. All are opaque text without personal content; new ones are UUID v7 in simple
//! form (32 hexadecimal digits), so that they sort by creation.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// A fresh identifier made from the given instant and randomness.
            #[must_use]
            pub fn new(now: jiff::Timestamp, rng: &mut impl rand::Rng) -> Self {
                Self(fresh(now, rng))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )+};
}

ids! {
    /// A municipality: first part of every key; nothing crosses it.
    MunicipalityId,
    /// A legal body that may appear as an agency in several municipalities.
    OrganisationId,
    /// 支援関係機関 (or coordinator, or department) within one municipality.
    AgencyId,
    /// Who signs in.
    AccountId,
    /// Account × agency × role × period.
    MembershipId,
    /// 支援対象者 or 関係者 in the register.
    PersonId,
    /// 事案.
    CaseId,
    /// A Y.Doc: the unit of permission.
    DocumentId,
    /// 同意 of one person in one case.
    ConsentId,
    /// 支援経過 entry (final).
    ProgressRecordId,
    /// An uploaded or pasted transcript.
    TranscriptId,
    /// A data key of the envelope encryption.
    DataKeyId,
    /// 消去の申請 and, once carried out, its 廃棄記録.
    ErasureId,
    /// つなぐ, 割当, 引継ぎ or the asking for a 支援決定.
    RequestId,
}

fn fresh(now: jiff::Timestamp, rng: &mut impl rand::Rng) -> String {
    let mut bytes = [0_u8; 10];
    rng.fill_bytes(&mut bytes);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes)
        .into_uuid()
        .simple()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn ids_sort_by_creation_and_repeat_with_the_seed() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let early = CaseId::new("2026-01-01T00:00:00Z".parse().unwrap(), &mut rng);
        let late = CaseId::new("2026-01-01T00:00:01Z".parse().unwrap(), &mut rng);
        assert!(early < late);
        let mut again = rand::rngs::StdRng::seed_from_u64(7);
        assert_eq!(
            CaseId::new("2026-01-01T00:00:00Z".parse().unwrap(), &mut again),
            early
        );
    }
}
