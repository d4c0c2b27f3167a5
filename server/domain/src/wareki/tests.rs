//! Tests of the dates; the cases are shared with TypeScript.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
    messages: Vec<Message>,
    formats: Vec<Format>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    input: String,
    #[serde(default)]
    partial: bool,
    not_after: Option<Date>,
    age_on: Option<Date>,
    expected: Option<String>,
    error: Option<WarekiError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    input: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    date: String,
    long: String,
    short: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../datasets/vectors/wareki.json")).unwrap()
}

#[test]
fn the_shared_cases_hold() {
    let vectors = vectors();
    assert!(vectors.cases.len() >= 120);
    let mut wrong = Vec::new();
    for case in vectors.cases {
        let options = Options {
            partial: case.partial,
            not_after: case.not_after,
            age_on: case.age_on,
        };
        let result = parse_with(&case.input, options);
        let right = match (&result, &case.expected, &case.error) {
            (Ok(date), Some(expected), None) => date.to_string() == *expected,
            (Err(error), None, Some(expected)) => error == expected,
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "{:?}: {result:?}, expected {:?} {:?}",
                case.input, case.expected, case.error
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_say_what_is_wrong_and_what_to_do() {
    for case in vectors().messages {
        assert_eq!(
            parse(&case.input).unwrap_err().message_ja(),
            case.message,
            "{}",
            case.input
        );
    }
    for case in vectors().cases {
        if let Some(error) = case.error {
            assert!(error.message_ja().ends_with('。'), "{error}");
        }
    }
}

#[test]
fn dates_are_written_in_the_era_of_their_day() {
    for case in vectors().formats {
        let date = super::super::form::parse_iso(&case.date).unwrap();
        assert_eq!(format_partial(date), case.long);
        if let Some(short) = case.short {
            assert_eq!(format_short(date.full().unwrap()), short);
        }
    }
}

#[test]
fn eras_follow_each_other_without_gap() {
    for pair in Era::ALL.windows(2) {
        assert_eq!(
            pair[0].last_day().unwrap().tomorrow().unwrap(),
            pair[1].first_day()
        );
    }
}

fn any_day() -> impl Strategy<Value = Date> {
    // 1868-01-25 up to about 2150.
    (0_i32..103_000).prop_map(|days| {
        jiff::civil::date(1868, 1, 25).saturating_add(jiff::Span::new().days(days))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(day in any_day(), blanks in any::<bool>()) {
        for text in [format_wareki(day), format_short(day), day.to_string(), day.strftime("%Y%m%d").to_string(), day.strftime("%Y/%-m/%-d").to_string()] {
            prop_assert_eq!(parse(&text), Ok(day), "{}", text);
            let wide: String = text.chars().map(|c| match c {
                '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap_or(c),
                _ => c,
            }).collect();
            let wide = if blanks { format!("　{wide} ") } else { wide };
            prop_assert_eq!(parse(&wide), Ok(day), "{}", wide);
        }
    }

    #[test]
    fn a_day_reads_in_exactly_one_era(day in any_day()) {
        let mut readable = 0;
        for era in Era::ALL {
            let year = day.year() - era.first_day().year() + 1;
            if year >= 1 && parse(&format!("{}{year}年{}月{}日", era.label_ja(), day.month(), day.day())).is_ok() {
                readable += 1;
            }
        }
        prop_assert_eq!(readable, 1);
    }

    #[test]
    fn never_panics(text in "[SHRTM昭和平成令元年月日0-9０-９./一二十〇 -]{0,14}|\\PC{0,20}", partial in any::<bool>()) {
        let _ = parse_with(&text, Options { partial, ..Options::default() }).map_err(|error| error.message_ja());
    }
}

#[test]
fn what_is_about_right_only_stays_so() {
    for text in ["1955~", "1955-03~", "1955", "1955-03", "1955-03-12"] {
        let date: PartialDate = text.parse().unwrap();
        assert_eq!(date.to_string(), text);
        let typed = parse_with(
            &format_partial(date),
            Options {
                partial: true,
                ..Options::default()
            },
        );
        assert_eq!(typed, Ok(date), "{text}: what is shown can be typed");
    }
    assert_eq!(format_partial("1955~".parse().unwrap()), "昭和30年頃");
    for text in ["1955-03-12~", "~", "1955~~", "1955-13", "昭和30年"] {
        assert!(text.parse::<PartialDate>().is_err(), "{text}");
    }
}
