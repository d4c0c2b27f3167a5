//! The person register (台帳). What is protected by 住所秘匿 never leaves the store for agencies that
//! are not on the person's list.

use std::collections::BTreeMap;

use domain::{
    id::{CaseId, PersonId},
    role::Capability,
    wareki::PartialDate,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::{
    Caller, PersonAccess, Tx, accounts,
    persons::{Fact, Flag, NewPerson, Person},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::{ApiError, FieldProblem},
    state::AppState,
};

pub mod alike;
pub mod change_stay;
pub mod create;
pub mod duplicates;
pub mod enter_household;
mod households;
pub mod merge;
pub(crate) mod personal_number;
pub mod remove_stay;
pub mod search;
pub mod show;
pub mod update;

/// `Debug` that names the type alone: these values are personal and must not reach a log.
macro_rules! closed {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
pub(crate) use closed;

closed!(
    PersonInput,
    PersonSummary,
    PersonAnswer,
    FormerValue,
    PersonFlag,
    Duplicate
);

/// The operations on the register.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(search::search))
        .routes(routes!(alike::alike))
        .routes(routes!(duplicates::duplicates))
        .routes(routes!(merge::preview))
        .routes(routes!(merge::merges, merge::merge))
        .routes(routes!(merge::undo))
        .routes(routes!(show::show, update::update))
        .routes(routes!(enter_household::enter_household))
        .routes(routes!(change_stay::change_stay, remove_stay::remove_stay))
}

/// A person as typed at reception or into the register. Everything but a name may be missing, and
/// an anonymous person has not even that.
#[derive(Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonInput {
    pub name: Option<String>,
    /// Hiragana or katakana.
    pub kana: Option<String>,
    pub alias: Option<String>,
    pub alias_kana: Option<String>,
    /// Option list `gender`.
    pub gender: Option<String>,
    /// ISO date, of which the day or the month too may be missing; `1955~` is 昭和30年頃.
    pub birth_date: Option<String>,
    /// Where the birth date is not known.
    pub estimated_age: Option<u8>,
    pub is_anonymous: bool,
    pub nationality_lang: Option<String>,
    pub is_deceased: bool,
    /// As `birth_date`.
    pub death_date: Option<String>,
    pub atena_no: Option<String>,
    pub no_fixed_address: bool,
    pub postal_code: Option<String>,
    pub address: Option<String>,
    pub address2: Option<String>,
    pub district: Option<String>,
    pub phone_home: Option<String>,
    pub phone_mobile: Option<String>,
    pub email: Option<String>,
    pub contact_caution: Option<String>,
    pub workplace: Option<String>,
    pub school: Option<String>,
    /// 住所秘匿: only the agencies of `address_allow` see the protected values.
    pub address_confidential: bool,
    pub address_allow: Vec<String>,
    /// Option list `risk_flag`.
    pub risk_flags: Vec<String>,
}

/// Names that the register uses where the web app's are shorter.
fn stored_name(field: &str) -> &str {
    match field {
        "kana" => "name_kana",
        other => other,
    }
}

/// Fields of a person that may be set one by one.
const FIELDS: &[&str] = &[
    "name",
    "name_kana",
    "alias",
    "alias_kana",
    "gender",
    "birth_date",
    "estimated_age",
    "is_anonymous",
    "nationality_lang",
    "is_deceased",
    "death_date",
    "atena_no",
    "no_fixed_address",
    "postal_code",
    "address",
    "address2",
    "district",
    "phone_home",
    "phone_mobile",
    "email",
    "contact_caution",
    "workplace",
    "school",
];

/// What is wrong with one value; `None` = nothing.
pub(crate) fn value_problem(field: &str, value: &str, today: Date) -> Option<&'static str> {
    match field {
        "birth_date" | "death_date" => match value.parse::<PartialDate>().ok() {
            None => Some("date"),
            Some(day) if day.first_day() > today => Some("future"),
            Some(_) => None,
        },
        "gender" => {
            let list = domain::form::catalogue().list("gender");
            list.is_none_or(|list| list.option(value).is_none())
                .then_some("unknown_option")
        }
        "estimated_age" => value
            .parse::<u8>()
            .map_or(true, |age| age > 130)
            .then_some("range"),
        "is_anonymous" | "is_deceased" | "no_fixed_address" => {
            (value != "true" && value != "false").then_some("malformed")
        }
        _ => (value.chars().count() > 2000).then_some("too_long"),
    }
}

impl PersonInput {
    /// Every value that was given, by the register's field names.
    fn values(&self) -> Vec<(&'static str, String)> {
        let flag = |on: bool| on.then(|| "true".to_owned());
        let given: [(&'static str, Option<String>); 23] = [
            ("name", self.name.clone()),
            ("name_kana", self.kana.clone()),
            ("alias", self.alias.clone()),
            ("alias_kana", self.alias_kana.clone()),
            ("gender", self.gender.clone()),
            ("birth_date", self.birth_date.clone()),
            (
                "estimated_age",
                self.estimated_age.map(|age| age.to_string()),
            ),
            ("is_anonymous", flag(self.is_anonymous)),
            ("nationality_lang", self.nationality_lang.clone()),
            ("is_deceased", flag(self.is_deceased)),
            ("death_date", self.death_date.clone()),
            ("atena_no", self.atena_no.clone()),
            ("no_fixed_address", flag(self.no_fixed_address)),
            ("postal_code", self.postal_code.clone()),
            ("address", self.address.clone()),
            ("address2", self.address2.clone()),
            ("district", self.district.clone()),
            ("phone_home", self.phone_home.clone()),
            ("phone_mobile", self.phone_mobile.clone()),
            ("email", self.email.clone()),
            ("contact_caution", self.contact_caution.clone()),
            ("workplace", self.workplace.clone()),
            ("school", self.school.clone()),
        ];
        given
            .into_iter()
            .filter_map(|(field, value)| Some((field, value?.trim().to_owned())))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// Checks the person and makes it ready for the store. `at`: path of the person in the body.
    ///
    /// # Errors
    /// 422 with the fields that are not acceptable, or `personal_number`.
    pub(crate) fn check(&self, at: &str, today: Date) -> Result<NewPerson, ApiError> {
        let values = self.values();
        let path = |field: &str| match (at, field) {
            ("", "name_kana") => "kana".to_owned(),
            ("", field) => field.to_owned(),
            (at, "name_kana") => format!("{at}.kana"),
            (at, field) => format!("{at}.{field}"),
        };
        personal_number::refuse(
            values
                .iter()
                .map(|(field, value)| (path(field), value.as_str())),
        )?;
        let mut problems = Vec::new();
        if !self.is_anonymous && !values.iter().any(|(field, _)| *field == "name") {
            problems.push(FieldProblem::new(path("name"), "required"));
        }
        for (field, value) in &values {
            if let Some(code) = value_problem(field, value, today) {
                problems.push(FieldProblem::new(path(field), code));
            }
        }
        for code in &self.risk_flags {
            if !is_risk_flag(code) {
                problems.push(FieldProblem::new(path("risk_flags"), "unknown_option"));
            }
        }
        if !problems.is_empty() {
            return Err(ApiError::invalid(problems));
        }
        Ok(NewPerson {
            facts: values
                .into_iter()
                .map(|(field, value)| Fact::current(field, value))
                .collect(),
            address_confidential: self.address_confidential,
            address_allow: self
                .address_allow
                .iter()
                .map(|id| id.as_str().into())
                .collect(),
            flags: self
                .risk_flags
                .iter()
                .map(|code| Flag {
                    id: String::new(),
                    flag: code.clone(),
                    basis: None,
                    review_on: None,
                })
                .collect(),
        })
    }
}

fn is_risk_flag(code: &str) -> bool {
    domain::form::catalogue()
        .list("risk_flag")
        .is_some_and(|list| list.option(code).is_some())
}

/// An agency that is allowed to see protected values must exist.
async fn check_agencies(
    tx: &mut Tx,
    caller: &Caller,
    ids: &[domain::id::AgencyId],
) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Ok(());
    }
    let known = store::agencies::by_id(tx, &caller.viewer.municipality).await?;
    if ids.iter().all(|id| known.contains_key(id)) {
        Ok(())
    } else {
        Err(ApiError::invalid_field("address_allow", "unknown_agency"))
    }
}

/// A person in a list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonSummary {
    pub id: String,
    pub name: String,
    pub display: String,
    pub kana: Option<String>,
    pub birth_date: Option<String>,
    pub gender: Option<String>,
    /// Of the dead: on the day of death, where that is known.
    pub age: Option<i64>,
    /// The birth date is not known to the day, or the age is an estimate.
    pub age_about: bool,
    pub deceased: bool,
    /// Missing when it is protected from the caller's agency.
    pub address: Option<String>,
    pub address_confidential: bool,
    /// Protected values were left out.
    pub address_withheld: bool,
    /// Cases of the person as client that the caller may know of.
    pub cases: Vec<PersonCase>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PersonCase {
    pub id: String,
    pub case_no: String,
}

/// A person with everything the caller may see.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonAnswer {
    #[serde(flatten)]
    pub summary: PersonSummary,
    pub version: i64,
    /// Current values by field.
    pub fields: BTreeMap<String, String>,
    /// Values of the past.
    pub former: Vec<FormerValue>,
    pub flags: Vec<PersonFlag>,
    /// Who sees the protected values; for those who edit the register.
    pub address_allow: Vec<String>,
    /// 住民票世帯 and 実世帯, those of today first. None where the person's address is withheld.
    pub households: Vec<households::HouseholdAnswer>,
    /// Persons that may be the same one.
    pub duplicates: Vec<Duplicate>,
    pub may_edit: bool,
    /// Whether the caller may merge this person with another, and take merges back.
    pub may_merge: bool,
    pub updated_at: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct FormerValue {
    pub field: String,
    pub value: String,
    pub valid_from: Option<String>,
    pub valid_to: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonFlag {
    pub id: String,
    /// Option list `risk_flag`.
    pub flag: String,
    /// What it rests on; not for agencies.
    pub basis: Option<String>,
    pub review_on: Option<String>,
    /// Name of whoever recorded it; not for agencies.
    pub recorded_by: Option<String>,
    /// When; not for agencies.
    pub recorded_at: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct Duplicate {
    pub person_id: String,
    pub name: String,
    /// As of `POST /persons/alike`.
    pub reasons: Vec<&'static str>,
}

fn summary(person: &Person, cases: Vec<PersonCase>, today: Date) -> PersonSummary {
    let field = |name: &str| person.fields.get(name).cloned();
    PersonSummary {
        id: person.id.0.clone(),
        name: person.name().to_owned(),
        display: person.name().to_owned(),
        kana: field("name_kana"),
        birth_date: field("birth_date"),
        gender: field("gender"),
        age: person.age_on(today),
        age_about: person.age_is_about(),
        deceased: person.is_deceased(),
        address: field("address"),
        address_confidential: person.address_confidential,
        address_withheld: person.address_withheld,
        cases,
    }
}

fn person_cases(cases: Vec<(CaseId, String)>) -> Vec<PersonCase> {
    cases
        .into_iter()
        .map(|(id, case_no)| PersonCase { id: id.0, case_no })
        .collect()
}

/// Who an id stands for that was merged into another, and the caller's right to see them; `None` when
/// it was not, or they are not for the caller.
async fn resolved(
    tx: &mut Tx,
    caller: &Caller,
    id: &PersonId,
) -> Result<Option<(PersonId, PersonAccess)>, ApiError> {
    let now = tx
        .merged_into(&caller.viewer.municipality, std::slice::from_ref(id))
        .await?;
    let Some(kept) = now.get(id) else {
        return Ok(None);
    };
    let access = tx.person_for(caller, kept).await?;
    Ok(access.map(|access| (kept.clone(), access)))
}

async fn answer(
    tx: &mut Tx,
    caller: &Caller,
    access: &PersonAccess,
) -> Result<PersonAnswer, ApiError> {
    let person = access.person(tx).await?.ok_or_else(ApiError::not_found)?;
    let cases = person_cases(access.cases_as_client(tx).await?);
    let households = households::of(tx, caller, access).await?;
    let duplicates = access
        .duplicates(tx)
        .await?
        .into_iter()
        .map(|alike| Duplicate {
            person_id: alike.person.id.0.clone(),
            name: alike.person.name().to_owned(),
            reasons: alike
                .likeness
                .reasons
                .iter()
                .map(|why| why.code())
                .collect(),
        })
        .collect();
    let mut records = access.flag_records(tx).await?;
    let staff: Vec<_> = records.values().filter_map(|(by, _)| by.clone()).collect();
    let names = accounts::names(tx, &caller.viewer.municipality, &staff).await?;
    Ok(PersonAnswer {
        summary: summary(&person, cases, caller.viewer.today),
        version: person.version,
        former: person
            .former
            .into_iter()
            .map(|fact| FormerValue {
                field: fact.field,
                value: fact.value,
                valid_from: fact.valid_from.map(|day| day.to_string()),
                valid_to: fact.valid_to.map(|day| day.to_string()),
            })
            .collect(),
        flags: person
            .flags
            .into_iter()
            .map(|flag| {
                let (by, at) = records.remove(&flag.id).unzip();
                PersonFlag {
                    id: flag.id,
                    flag: flag.flag,
                    basis: flag.basis,
                    review_on: flag.review_on.map(|day| day.to_string()),
                    recorded_by: by.flatten().and_then(|by| names.get(&by).cloned()),
                    recorded_at: at,
                }
            })
            .collect(),
        address_allow: person
            .address_allow
            .into_iter()
            .map(|agency| agency.0)
            .collect(),
        fields: person.fields,
        households,
        duplicates,
        may_edit: access.may_edit(),
        may_merge: caller.may(Capability::MergePersons) && !person.address_withheld,
        updated_at: person.updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn codes(error: &ApiError) -> Vec<(String, String)> {
        match error {
            ApiError::Refused { fields, .. } => fields
                .iter()
                .map(|field| (field.path.clone(), field.code.clone()))
                .collect(),
            ApiError::Internal(_) => Vec::new(),
        }
    }

    #[test]
    fn the_body_of_the_reception_page_is_read() {
        let body = serde_json::json!({"name": "架空 花子", "kana": "カクウ ハナコ", "gender": "2", "birth_date": "1950-04-01", "is_anonymous": false});
        let input: PersonInput = serde_json::from_value(body).unwrap();
        let person = input.check("clients.0.person", date(2026, 11, 22)).unwrap();
        let facts: Vec<_> = person
            .facts
            .iter()
            .map(|fact| (fact.field.as_str(), fact.value.as_str()))
            .collect();
        assert_eq!(
            facts,
            [
                ("name", "架空 花子"),
                ("name_kana", "カクウ ハナコ"),
                ("gender", "2"),
                ("birth_date", "1950-04-01")
            ]
        );
        assert!(facts.iter().all(|(field, _)| FIELDS.contains(field)));
    }

    #[test]
    fn mistakes_name_the_field() {
        let today = date(2026, 11, 22);
        let input = PersonInput {
            birth_date: Some("2027-01-01".into()),
            gender: Some("x".into()),
            ..PersonInput::default()
        };
        let found = codes(&input.check("clients.1.person", today).unwrap_err());
        let wanted = [
            ("clients.1.person.name", "required"),
            ("clients.1.person.gender", "unknown_option"),
            ("clients.1.person.birth_date", "future"),
        ];
        assert_eq!(
            found,
            wanted.map(|(path, code)| (path.to_owned(), code.to_owned()))
        );
        assert!(
            PersonInput {
                is_anonymous: true,
                ..PersonInput::default()
            }
            .check("", today)
            .is_ok()
        );
    }

    #[test]
    fn a_personal_number_is_refused_in_any_field() {
        let input = PersonInput {
            name: Some("架空 太郎".into()),
            contact_caution: Some("番号は１２３４５６７８９０１８です".into()),
            ..PersonInput::default()
        };
        let error = input.check("", date(2026, 11, 22)).unwrap_err();
        assert!(matches!(
            error,
            ApiError::Refused {
                code: "personal_number",
                ..
            }
        ));
        assert_eq!(
            codes(&error),
            [("contact_caution".to_owned(), "personal_number".to_owned())]
        );
    }
}
