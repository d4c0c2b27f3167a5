//! Calculated fields.

use jiff::{ToSpan, civil::Date};
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

/// The value of a calculated field; `None` where the inputs are missing. `outside`: values that come
/// from elsewhere (`case.received_on`), as in [`super::Context`].
#[must_use]
pub fn calculate(
    definition: &Definition,
    field: &Field,
    values: &Map<String, Value>,
    outside: &Map<String, Value>,
    on: Date,
) -> Option<Value> {
    let lookup = |name: &str| values.get(name).or_else(|| outside.get(name));
    let day = |name: &str| {
        let text = lookup(name)?.as_str()?;
        let date = parse_iso(text.get(..10).unwrap_or(text))?;
        date.is_full().then(|| date.first_day())
    };
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
        Calculation::Sum { fields } => {
            let numbers: Vec<f64> = fields
                .iter()
                .flat_map(|name| match name.split_once('/') {
                    Some((table, column)) => lookup(table)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(|row| row.get(column)?.as_f64())
                        .collect(),
                    None => lookup(name)
                        .and_then(Value::as_f64)
                        .into_iter()
                        .collect::<Vec<_>>(),
                })
                .collect();
            (!numbers.is_empty()).then(|| number(numbers.iter().sum()))
        }
        Calculation::CountRows { table, when } => {
            let rows = lookup(table).and_then(Value::as_array);
            let count = rows
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .filter(|row| when.holds(&|name: &str| row.get(name).or_else(|| lookup(name))))
                .count();
            Some(Value::from(count))
        }
        Calculation::Days { from, to } => {
            let span = day(from)?.until(day(to)?).ok()?;
            Some(Value::from(span.get_days()))
        }
        Calculation::DateAfter { date, months, days } => {
            let later = day(date)?
                .checked_add(months.months())
                .and_then(|later| later.checked_add(days.days()))
                .ok()?;
            Some(Value::from(later.to_string()))
        }
    }
}

/// Whole sums as whole numbers, so that 3 is not shown as 3.0.
fn number(sum: f64) -> Value {
    /// Beyond it a double no longer holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if sum.fract() == 0.0 && sum.abs() < EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within the exact range"
        )]
        return Value::from(sum as i64);
    }
    Value::from(sum)
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
                &Map::new(),
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
            &Map::new(),
            date(2026, 11, 20),
        );
        assert_eq!(count, Some(json!(3)));
    }

    fn of(form: &str, field: &str, values: Value, outside: Value) -> Option<Value> {
        let form = catalogue().definition(form).unwrap();
        let outside = outside.as_object().unwrap();
        calculate(
            form,
            form.field(field).unwrap(),
            values.as_object().unwrap(),
            outside,
            date(2026, 11, 20),
        )
    }

    #[test]
    fn sums_rows_and_days() {
        let none = || json!({});
        let evaluation = json!({"items": [
            {"id": "a", "level": "4", "times": 3},
            {"id": "b", "level": "1"},
            {"id": "c", "level": "3", "times": 2.5},
        ]});
        assert_eq!(
            of("evaluation", "times_total", evaluation.clone(), none()),
            Some(json!(5.5))
        );
        assert_eq!(
            of("evaluation", "achieved_count", evaluation, none()),
            Some(json!(2))
        );
        assert_eq!(of("evaluation", "times_total", none(), none()), None);
        assert_eq!(
            of("evaluation", "achieved_count", none(), none()),
            Some(json!(0))
        );
        let screening =
            json!({"issue_field_count": 2, "extra_issue_count": 1, "screened_on": "2026-03-01"});
        assert_eq!(
            of("screening", "issue_total", screening.clone(), none()),
            Some(json!(3))
        );
        let received = json!({"case.received_on": "2026-02-27"});
        assert_eq!(
            of(
                "screening",
                "days_to_screening",
                screening.clone(),
                received
            ),
            Some(json!(2))
        );
        assert_eq!(
            of("screening", "days_to_screening", screening, none()),
            None
        );
        let plan = |day: &str| of("plan", "review_guide", json!({"planned_on": day}), none());
        assert_eq!(plan("2026-11-30"), Some(json!("2027-02-28")));
        assert_eq!(plan("2027-11-30"), Some(json!("2028-02-29")));
        assert_eq!(plan("2026-11"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_sum_is_the_sum_of_its_parts(rows in proptest::collection::vec(proptest::option::of(0..1000_i64), 0..20)) {
            let items: Vec<Value> = rows
                .iter()
                .map(|times| times.map_or_else(|| json!({}), |times| json!({ "times": times })))
                .collect();
            let there: Vec<i64> = rows.into_iter().flatten().collect();
            let expected = (!there.is_empty()).then(|| json!(there.iter().sum::<i64>()));
            proptest::prop_assert_eq!(of("evaluation", "times_total", json!({ "items": items }), json!({})), expected);
        }

        #[test]
        fn the_days_between_lead_back(first in 0..40_000_i32, second in 0..40_000_i32) {
            let at = |days: i32| date(1950, 1, 1).checked_add(days.days()).unwrap().to_string();
            let days = of("screening", "days_to_screening", json!({"screened_on": at(second)}), json!({"case.received_on": at(first)}));
            proptest::prop_assert_eq!(days, Some(json!(second - first)));
        }
    }
}
