//! Calculated fields.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{Calculation, Definition, Field, rule::selected_codes, validate::parse_iso};

/// 満年齢 on a day (by the anniversary; born on 29 February one turns older on 1 March in common
/// years' calendars here). `None` when the day lies before birth.
#[must_use]
pub fn age_on(birth: Date, on: Date) -> Option<i16> {
    let had_birthday = (on.month(), on.day()) >= (birth.month(), birth.day());
    let age = on.year() - birth.year() - i16::from(!had_birthday);
    (age >= 0).then_some(age)
}

/// The value of a calculated field; `None` where the inputs are missing.
#[must_use]
pub fn calculate(
    definition: &Definition,
    field: &Field,
    values: &Map<String, Value>,
    on: Date,
) -> Option<Value> {
    match field.calculation.as_ref()? {
        Calculation::Age {
            birth_date,
            estimated,
        } => age(values, birth_date, estimated.as_deref(), on).map(Value::from),
        Calculation::AgeBand {
            birth_date,
            estimated,
        } => {
            let code = match age(values, birth_date, estimated.as_deref(), on) {
                None => "99",
                Some(0..=19) => "u10",
                Some(20..=29) => "20",
                Some(30..=39) => "30",
                Some(40..=49) => "40",
                Some(50..=59) => "50",
                Some(60..=69) => "60",
                Some(_) => "70",
            };
            Some(Value::from(code))
        }
        Calculation::Count { fields } => {
            let count: usize = fields
                .iter()
                .filter_map(|name| Some((definition.field(name)?, values.get(name)?)))
                .map(|(field, value)| match (definition.list(field), value) {
                    (Some(list), value) => selected_codes(value)
                        .iter()
                        .filter(|code| list.option(code).is_some_and(|option| !option.exclusive))
                        .count(),
                    (None, Value::Array(rows)) => rows.len(),
                    (None, _) => 0,
                })
                .sum();
            Some(Value::from(count))
        }
    }
}

/// From a full date exactly; from a year (and month) alone as if born on its first day.
fn age(values: &Map<String, Value>, birth: &str, estimated: Option<&str>, on: Date) -> Option<i64> {
    let born = values
        .get(birth)
        .and_then(Value::as_str)
        .and_then(parse_iso);
    match born {
        Some(partial) => age_on(partial.first_day(), on).map(i64::from),
        None => values
            .get(estimated?)?
            .as_i64()
            .filter(|age| (0..=150).contains(age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::catalogue;
    use jiff::civil::date;
    use serde_json::json;

    #[test]
    fn ages_turn_on_the_birthday() {
        assert_eq!(age_on(date(1970, 3, 12), date(2026, 3, 11)), Some(55));
        assert_eq!(age_on(date(1970, 3, 12), date(2026, 3, 12)), Some(56));
        assert_eq!(age_on(date(2024, 2, 29), date(2025, 2, 28)), Some(0));
        assert_eq!(age_on(date(2024, 2, 29), date(2025, 3, 1)), Some(1));
        assert_eq!(age_on(date(2027, 1, 1), date(2026, 3, 1)), None);
    }

    #[test]
    fn bands_and_counts() {
        let person = catalogue().definition("person").unwrap();
        let band = |values: Value| {
            calculate(
                person,
                person.field("age_band").unwrap(),
                values.as_object().unwrap(),
                date(2026, 11, 20),
            )
            .unwrap()
        };
        assert_eq!(band(json!({"birth_date": "1970"})), json!("50"));
        assert_eq!(band(json!({"birth_date": "2007-11-20"})), json!("u10"));
        assert_eq!(band(json!({"birth_date": "2006-11-20"})), json!("20"));
        assert_eq!(band(json!({"estimated_age": 81})), json!("70"));
        assert_eq!(band(json!({})), json!("99"));
        let sheet = catalogue().definition("intake_assessment").unwrap();
        let values =
            json!({"issues": ["debt", "poverty"], "issues_extra": {"p8050": true, "pets": false}});
        let count = calculate(
            sheet,
            sheet.field("issue_count").unwrap(),
            values.as_object().unwrap(),
            date(2026, 11, 20),
        );
        assert_eq!(count, Some(json!(3)));
    }
}
