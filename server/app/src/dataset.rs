//! The form of a demo municipality (`datasets/demo`, or the tests' own): `municipality.toml` and
//! one file per case. Reading only; [`crate::command::demo`] writes it into the store.

use std::{collections::BTreeMap, path::Path};

use jiff::civil::{Date, DateTime};
use serde::Deserialize;

use crate::InputError;

/// The data set that ships.
static SHIPPED: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../datasets/demo");

#[derive(Debug, Clone, Deserialize)]
pub struct Municipality {
    pub name: String,
    pub code: String,
    pub zone: String,
    pub agencies: Vec<Agency>,
    pub accounts: Vec<Account>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Agency {
    pub id: String,
    pub name: String,
    pub short: String,
    pub org_type: String,
    pub class: String,
    pub phone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    pub login_id: String,
    pub name: String,
    pub kana: String,
    pub profession: Option<String>,
    pub email: Option<String>,
    pub memberships: Vec<Membership>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Membership {
    pub agency: String,
    pub role: String,
    #[serde(with = "toml_date")]
    pub valid_from: Date,
    #[serde(default, with = "toml_date::option")]
    pub valid_to: Option<Date>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    pub case_no: String,
    pub program: String,
    pub stage: String,
    #[serde(with = "toml_date")]
    pub received_on: Date,
    #[serde(default, with = "toml_date::option")]
    pub closed_on: Option<Date>,
    pub urgency: String,
    pub owner: String,
    pub lead_agency: Option<String>,
    #[serde(default)]
    pub similar_ok: bool,
    pub persons: Vec<Person>,
    #[serde(default)]
    pub members: Vec<Member>,
    #[serde(default)]
    pub disclosures: Vec<Disclosure>,
    #[serde(default)]
    pub consents: Vec<Consent>,
    #[serde(default)]
    pub exclusions: Vec<Exclusion>,
    #[serde(default)]
    pub intake: toml::Table,
    #[serde(default)]
    pub assessment: toml::Table,
    #[serde(default)]
    pub screening: toml::Table,
    #[serde(default)]
    pub plans: Vec<toml::Table>,
    #[serde(default)]
    pub meetings: Vec<toml::Table>,
    #[serde(default)]
    pub evaluations: Vec<toml::Table>,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub progress: Vec<Progress>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    #[serde(rename = "ref")]
    pub reference: String,
    pub role: String,
    pub name: String,
    pub kana: Option<String>,
    pub gender: Option<String>,
    #[serde(default, with = "toml_date::option")]
    pub birth_date: Option<Date>,
    pub estimated_age: Option<u32>,
    pub postal_code: Option<String>,
    pub address: Option<String>,
    pub phone_home: Option<String>,
    pub phone_mobile: Option<String>,
    pub email: Option<String>,
    pub kinship: Option<String>,
    pub cohabit: Option<bool>,
    pub alias: Option<String>,
    #[serde(default)]
    pub former_names: Vec<String>,
    pub contact_caution: Option<String>,
    pub nationality_lang: Option<String>,
    #[serde(default)]
    pub address_confidential: bool,
    #[serde(default)]
    pub allow: Vec<String>,
    #[serde(default)]
    pub risk_flags: Vec<RiskFlag>,
    #[serde(default)]
    pub is_deceased: bool,
    #[serde(default, with = "toml_date::option")]
    pub death_date: Option<Date>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RiskFlag {
    pub flag: String,
    pub basis: String,
    #[serde(default, with = "toml_date::option")]
    pub review_on: Option<Date>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    pub agency: String,
    #[serde(with = "toml_date")]
    pub from: Date,
    #[serde(default, with = "toml_date::option")]
    pub to: Option<Date>,
    pub role: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Disclosure {
    pub agency: String,
    pub section: String,
    pub level: String,
}

/// 除外: an agency or an account, from the case or from everything about one person in it.
#[derive(Debug, Clone, Deserialize)]
pub struct Exclusion {
    pub agency: Option<String>,
    /// Login id.
    pub account: Option<String>,
    /// A person's `ref`; missing: the whole case.
    pub about: Option<String>,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Consent {
    pub person: String,
    pub status: String,
    #[serde(default, with = "toml_date::option")]
    pub obtained_on: Option<Date>,
    pub method: Option<String>,
    #[serde(default)]
    pub allowed_agencies: Vec<String>,
    #[serde(default, with = "toml_date::option")]
    pub expires_on: Option<Date>,
    #[serde(default, with = "toml_date::option")]
    pub withdrawn_on: Option<Date>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Network {
    pub nodes: Vec<toml::Table>,
    pub ties: Vec<toml::Table>,
    pub relations: Vec<toml::Table>,
    pub households: Vec<Household>,
}

/// People who live together, as ids of `nodes`.
#[derive(Debug, Clone, Deserialize)]
pub struct Household {
    pub name: String,
    pub members: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Progress {
    #[serde(with = "toml_datetime")]
    pub performed_at: DateTime,
    pub targets: Vec<String>,
    pub staff: String,
    pub agency: String,
    pub method: String,
    #[serde(default)]
    pub involved: Vec<String>,
    pub minutes: Option<u32>,
    pub title: String,
    pub content: String,
}

/// A municipality and its cases in order of their numbers.
#[derive(Debug)]
pub struct Dataset {
    pub municipality: Municipality,
    pub cases: Vec<Case>,
}

impl Dataset {
    /// The shipped one, or the folder named.
    pub fn load(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let municipality = match folder {
            Some(folder) => {
                let cases = folder.join("cases");
                let entries = std::fs::read_dir(&cases).map_err(|error| {
                    InputError(format!("{} を読めません: {error}", cases.display()))
                })?;
                for entry in entries {
                    let path = entry?.path();
                    if path
                        .extension()
                        .is_some_and(|extension| extension == "toml")
                    {
                        files.insert(path.display().to_string(), std::fs::read_to_string(&path)?);
                    }
                }
                let path = folder.join("municipality.toml");
                (
                    path.display().to_string(),
                    std::fs::read_to_string(&path).map_err(|error| {
                        InputError(format!("{} を読めません: {error}", path.display()))
                    })?,
                )
            }
            None => {
                let text = |file: &include_dir::File<'_>| {
                    file.contents_utf8().unwrap_or_default().to_owned()
                };
                for file in SHIPPED
                    .get_dir("cases")
                    .into_iter()
                    .flat_map(include_dir::Dir::files)
                {
                    files.insert(file.path().display().to_string(), text(file));
                }
                (
                    "municipality.toml".to_owned(),
                    SHIPPED
                        .get_file("municipality.toml")
                        .map(text)
                        .unwrap_or_default(),
                )
            }
        };
        let mut cases: Vec<Case> = files
            .iter()
            .map(|(name, text)| parse(name, text))
            .collect::<Result<_, _>>()?;
        cases.sort_by(|a, b| a.case_no.cmp(&b.case_no));
        Ok(Self {
            municipality: parse(&municipality.0, &municipality.1)?,
            cases,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, InputError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        InputError(format!("{name} の {line} 行目: {}", error.message()))
    })
}

/// TOML local dates as civil dates.
mod toml_date {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Date, D::Error> {
        let value = toml::value::Datetime::deserialize(input)?;
        value
            .date
            .ok_or_else(|| D::Error::custom("日付がありません"))?
            .to_string()
            .parse()
            .map_err(D::Error::custom)
    }

    pub mod option {
        use super::{Date, Deserializer};

        pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Date>, D::Error> {
            super::deserialize(input).map(Some)
        }
    }
}

/// TOML local date-times as civil date-times.
mod toml_datetime {
    use jiff::civil::DateTime;
    use serde::{Deserialize, Deserializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<DateTime, D::Error> {
        toml::value::Datetime::deserialize(input)?
            .to_string()
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_data_set_can_be_read() {
        let dataset = Dataset::load(None).unwrap();
        assert_eq!(dataset.municipality.agencies.len(), 8);
        assert_eq!(dataset.municipality.accounts.len(), 20);
        assert!(dataset.cases.len() >= 40);
        let of = |case_no: &str| {
            let found = dataset.cases.iter().find(|case| case.case_no == case_no);
            found.map_or(0, |case| case.network.households.len())
        };
        assert_eq!((of("2026-0147"), of("2026-0139")), (2, 0));
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let error =
            parse::<Municipality>("municipality.toml", "name = \"x\"\ncode = 1\n").unwrap_err();
        assert!(
            error.to_string().starts_with("municipality.toml の 2 行目"),
            "{error}"
        );
    }
}
