//! One cell: how a value is written, and how what people and spreadsheet programs made of it is read.

use domain::form::OptionList;
use domain::wareki::{self, Options};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use serde::Serialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::table::{Kind, TableColumn};

/// What is wrong with a cell; the message says what to do and holds nothing of the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellError {
    pub code: &'static str,
    pub message: String,
}

impl CellError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// A value, and what had to be mended to get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// `Null` for an empty cell. Dates are ISO text, choices codes.
    pub value: Value,
    pub mended: Option<&'static str>,
}

impl Read {
    fn plain(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            mended: None,
        }
    }

    fn mended(value: impl Into<Value>, how: &'static str) -> Self {
        Self {
            value: value.into(),
            mended: Some(how),
        }
    }
}

/// The text of a value. Choices are codes, several joined by `|`.
#[must_use]
pub fn write_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(write_cell).collect::<Vec<_>>().join("|"),
        // A choice as stored in a document: code → whether it is chosen.
        Value::Object(chosen) => chosen
            .iter()
            .filter(|(_, on)| **on == Value::Bool(true))
            .map(|(code, _)| code.as_str())
            .collect::<Vec<_>>()
            .join("|"),
    }
}

/// Folds what is no difference in labels and headers: widths, blanks, brackets' form.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc()
        .filter(|c| !c.is_whitespace() && *c != '\u{feff}')
        .collect::<String>()
        .to_lowercase()
}

/// The code of an option: written as code, as label, or by a name that a mapping gives.
#[must_use]
pub fn option_code(
    list: &OptionList,
    text: &str,
    named: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    if let Some(option) = list.option(text) {
        return Some(option.code.clone());
    }
    let folded = fold(text);
    list.options
        .iter()
        .find(|option| fold(&option.code) == folded || fold(&option.label) == folded)
        .map(|option| option.code.clone())
        .or_else(|| named(&folded).filter(|code| list.option(code).is_some()))
}

/// A number in the notation that Excel gives to long ones, `1.23E+05`: its digits are lost.
fn is_exponent(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    exponent.strip_prefix(['+', '-']).is_some_and(digits) && digits(whole) && digits(fraction)
}

const LOST: &str = "Excelの指数表記（1.23E+05など）になっていて、元の数字が失われています。Excelで列の書式を「文字列」にして入れ直してください";

/// The day behind Excel's serial number (1900 system, as Excel counts it: with a 29 February 1900 that
/// was none).
fn serial(days: i64) -> Option<Date> {
    if !(61..=110_000).contains(&days) {
        return None;
    }
    jiff::civil::date(1899, 12, 30)
        .checked_add(days.days())
        .ok()
}

fn whole(text: &str) -> Option<i64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

const SERIAL: &str = "Excelの日付番号を日付に直しました";

fn date(text: &str, partial: bool) -> Result<Read, CellError> {
    if partial && text.len() < 10 && is_partial(text.trim_end_matches('~')) {
        return Ok(Read::plain(text));
    }
    if text.len() == 5
        && let Some(day) = whole(text).and_then(serial)
    {
        return Ok(Read::mended(day.to_string(), SERIAL));
    }
    // `2022/3/31 0:00`: Excel adds the time.
    let folded: String = text.nfkc().collect();
    let day = match folded.split_once([' ', 'T']) {
        Some((day, time)) if time.trim_matches(['0', ':', ' ']).is_empty() => day,
        _ => folded.as_str(),
    };
    let options = Options {
        partial,
        ..Options::default()
    };
    let found = wareki::parse_with(day, options)
        .map_err(|error| CellError::new("date", error.message_ja()))?;
    if !partial && !found.is_full() {
        return Err(CellError::new(
            "date",
            wareki::WarekiError::Incomplete.message_ja(),
        ));
    }
    Ok(Read::plain(found.to_string()))
}

fn is_partial(text: &str) -> bool {
    let mut parts = text.split('-');
    let of = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))
    };
    of(parts.next(), 4)
        && match parts.next() {
            None => true,
            month => {
                of(month, 2)
                    && month.is_some_and(|m| ("01"..="12").contains(&m))
                    && parts.next().is_none()
            }
        }
}

fn date_time(text: &str) -> Result<Read, CellError> {
    let folded: String = text.trim().nfkc().collect();
    if let Some((day, time)) = folded.split_once(['T', ' ']) {
        let read = date(day, false)?;
        let mut parts = time.trim().splitn(3, ':');
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<i8>().ok());
        let (Some(hour), Some(minute)) = (number(parts.next()), number(parts.next())) else {
            return Err(CellError::new(
                "date",
                "時刻は「13:30」のように入力してください",
            ));
        };
        let Some(day) = read.value.as_str().and_then(|day| day.parse::<Date>().ok()) else {
            return Err(CellError::new("date", "日時として読めません"));
        };
        let at = DateTime::new(day.year(), day.month(), day.day(), hour, minute, 0, 0)
            .map_err(|_| CellError::new("date", "時刻は0:00から23:59までで入力してください"))?;
        return Ok(Read {
            value: at.strftime("%Y-%m-%dT%H:%M").to_string().into(),
            mended: read.mended,
        });
    }
    // A serial number with the time as fraction of the day.
    if let Some((days, fraction)) = folded.split_once('.')
        && days.len() == 5
        && let (Some(day), Ok(part)) = (
            days.parse().ok().and_then(serial),
            format!("0.{fraction}").parse::<f64>(),
        )
    {
        #[expect(clippy::cast_possible_truncation, reason = "minutes of a day")]
        let minutes = (part * 1440.0).round() as i64;
        if let Ok(at) = day.at(0, 0, 0, 0).checked_add(minutes.minutes()) {
            return Ok(Read::mended(
                at.strftime("%Y-%m-%dT%H:%M").to_string(),
                SERIAL,
            ));
        }
    }
    date(&folded, false)
}

fn ascii_digits(text: &str) -> String {
    text.nfkc().filter(char::is_ascii_digit).collect()
}

fn only_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads a cell. `named` gives the code for a folded name that the table of names knows.
///
/// # Errors
/// What is wrong and what to do; never the cell's content.
pub fn read_cell(
    column: &TableColumn,
    text: &str,
    named: &dyn Fn(&str) -> Option<String>,
) -> Result<Read, CellError> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if trimmed.is_empty() {
        return Ok(Read::plain(Value::Null));
    }
    let characters = trimmed.chars().count();
    // Texts are stored as they are; everything else is bounded by what it can mean.
    let most = match column.kind {
        Kind::Text | Kind::Long | Kind::Code | Kind::Phone | Kind::PostalCode => column.max_chars,
        _ => 10_000,
    };
    if characters > most {
        return Err(CellError::new(
            "too_long",
            format!(
                "{characters}文字あります。{}文字までにしてください",
                column.max_chars
            ),
        ));
    }
    match column.kind {
        Kind::Text => {
            if is_exponent(trimmed) {
                return Err(CellError::new("exponent", LOST));
            }
            if trimmed.contains(['\n', '\r']) {
                let joined: Vec<&str> = trimmed
                    .split(['\n', '\r'])
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .collect();
                return Ok(Read::mended(
                    joined.join(" "),
                    "セルの中の改行を空白に直しました",
                ));
            }
            Ok(Read::plain(trimmed))
        }
        Kind::Long => Ok(Read::plain(
            trimmed.replace("\r\n", "\n").replace('\r', "\n"),
        )),
        Kind::Code if is_exponent(trimmed) => Err(CellError::new("exponent", LOST)),
        Kind::Code => Ok(Read::plain(trimmed)),
        Kind::Phone | Kind::PostalCode if is_exponent(trimmed) => {
            Err(CellError::new("exponent", LOST))
        }
        Kind::PostalCode => {
            let digits = ascii_digits(trimmed);
            match digits.len() {
                7 => Ok(Read::plain(trimmed)),
                // Hokkaidō and Akita begin with 0: Excel took it for a number.
                5 | 6 if only_digits(trimmed) => Ok(Read::mended(
                    format!("{digits:0>7}"),
                    "郵便番号の先頭の0を補いました",
                )),
                _ => Err(CellError::new(
                    "postal_code",
                    "郵便番号は7桁で入力してください",
                )),
            }
        }
        Kind::Phone => {
            let lost = only_digits(trimmed)
                && matches!(trimmed.len(), 9 | 10)
                && !trimmed.starts_with('0');
            if lost {
                Ok(Read::mended(
                    format!("0{trimmed}"),
                    "電話番号の先頭の0を補いました",
                ))
            } else {
                Ok(Read::plain(trimmed))
            }
        }
        Kind::Int => {
            let folded: String = trimmed.nfkc().filter(|c| *c != ',').collect();
            whole(&folded)
                .map(Read::plain)
                .ok_or_else(|| CellError::new("number", "整数を半角の数字で入力してください"))
        }
        Kind::Number => {
            let folded: String = trimmed.nfkc().filter(|c| *c != ',').collect();
            folded
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(Read::plain)
                .ok_or_else(|| CellError::new("number", "数を半角の数字で入力してください"))
        }
        Kind::Bool => match fold(trimmed).as_str() {
            "1" | "true" | "はい" | "有" | "あり" | "○" | "〇" | "yes" | "該当" => {
                Ok(Read::plain(true))
            }
            "0" | "false" | "いいえ" | "無" | "なし" | "×" | "no" | "非該当" => {
                Ok(Read::plain(false))
            }
            _ => Err(CellError::new(
                "bool",
                "1（はい）か0（いいえ）で入力してください",
            )),
        },
        Kind::Date => date(trimmed, false),
        Kind::PartialDate => date(trimmed, true),
        Kind::DateTime => date_time(trimmed),
        Kind::Select => choice(column, trimmed, named).map(Read::plain),
        Kind::Multi => {
            let mut codes = Vec::new();
            for part in trimmed
                .split(['|', '｜', '\n', '、'])
                .map(str::trim)
                .filter(|part| !part.is_empty())
            {
                let code = choice(column, part, named)?;
                if !codes.contains(&code) {
                    codes.push(code);
                }
            }
            Ok(Read::plain(codes))
        }
    }
}

fn choice(
    column: &TableColumn,
    text: &str,
    named: &dyn Fn(&str) -> Option<String>,
) -> Result<String, CellError> {
    column
        .options
        .as_deref()
        .and_then(|list| option_code(list, text, named))
        .ok_or_else(|| {
            CellError::new(
                "unknown_option",
                "選択肢にありません。選択肢のコードか名前を入力するか、「名前の対応」で対応する選択肢を選んでください",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;

    fn of(kind: Kind, text: &str) -> Result<(String, bool), &'static str> {
        let column = TableColumn {
            id: "x".into(),
            label: "項目".into(),
            kind,
            options: None,
            required: false,
            max_chars: 200,
            output_only: false,
            own: false,
        };
        read_cell(&column, text, &|_| None)
            .map(|read| (write_cell(&read.value), read.mended.is_some()))
            .map_err(|error| error.code)
    }

    #[test]
    fn dates_are_read_in_every_usual_form() {
        for text in [
            "1970-03-12",
            "昭和45年3月12日",
            "S45.3.12",
            "1970/3/12",
            "19700312",
            "25639",
            "1970/3/12 0:00",
            "Ｓ４５．３．１２",
        ] {
            assert_eq!(of(Kind::Date, text).unwrap().0, "1970-03-12", "{text}");
        }
        assert!(of(Kind::Date, "25639").unwrap().1);
        assert_eq!(
            of(Kind::PartialDate, "昭和45年"),
            Ok(("1970".into(), false))
        );
        assert_eq!(
            of(Kind::PartialDate, "1970-03"),
            Ok(("1970-03".into(), false))
        );
        for text in ["昭和45年頃", "1970~", "1970頃", "S45ごろ"] {
            assert_eq!(of(Kind::PartialDate, text).unwrap().0, "1970~", "{text}");
        }
        assert_eq!(of(Kind::Date, "昭和45年"), Err("date"));
        assert_eq!(
            of(Kind::DateTime, "2026/10/1 9:05").unwrap().0,
            "2026-10-01T09:05"
        );
        assert_eq!(
            of(Kind::DateTime, "46296.5").unwrap(),
            ("2026-10-01T12:00".into(), true)
        );
        assert_eq!(of(Kind::DateTime, "2026-10-01T25:00"), Err("date"));
    }

    #[test]
    fn a_year_that_the_era_does_not_have_is_refused_with_the_year_meant() {
        let birth = &table("person").unwrap().columns
            [table("person").unwrap().position("birth_date").unwrap()];
        let error = read_cell(birth, "昭和65年1月1日", &|_| None).unwrap_err();
        assert_eq!(error.code, "date");
        assert!(
            error.message.contains("昭和は64年1月7日まで") && error.message.contains("平成2年"),
            "{}",
            error.message
        );
    }

    #[test]
    fn what_excel_lost_is_mended_or_named() {
        assert_eq!(of(Kind::PostalCode, "600001"), Ok(("0600001".into(), true)));
        assert_eq!(
            of(Kind::PostalCode, "060-0001"),
            Ok(("060-0001".into(), false))
        );
        assert_eq!(of(Kind::PostalCode, "123"), Err("postal_code"));
        assert_eq!(
            of(Kind::Phone, "9012345678"),
            Ok(("09012345678".into(), true))
        );
        assert_eq!(
            of(Kind::Phone, "03-1234-5678"),
            Ok(("03-1234-5678".into(), false))
        );
        for kind in [Kind::Phone, Kind::Code, Kind::Text, Kind::PostalCode] {
            assert_eq!(of(kind, "1.23E+05"), Err("exponent"));
        }
        assert_eq!(of(Kind::Int, "1.23E+05"), Err("number"));
        assert_eq!(of(Kind::Int, "１，２３４"), Ok(("1234".into(), false)));
        assert_eq!(
            of(Kind::Text, "青葉\r\n太郎"),
            Ok(("青葉 太郎".into(), true))
        );
        assert_eq!(of(Kind::Code, "00012"), Ok(("00012".into(), false)));
        assert_eq!(of(Kind::Text, &"あ".repeat(10_000)), Err("too_long"));
    }

    #[test]
    fn choices_come_as_code_label_or_mapped_name() {
        let person = table("person").unwrap();
        let gender = &person.columns[person.position("gender").unwrap()];
        let named = |name: &str| (name == "m").then(|| "1".to_owned());
        let code = |text: &str| read_cell(gender, text, &named).map(|read| read.value);
        assert_eq!(code("1"), Ok("1".into()));
        assert_eq!(code("女性"), Ok("2".into()));
        assert_eq!(code("Ｍ"), Ok("1".into()));
        assert_eq!(code("X").unwrap_err().code, "unknown_option");
        let progress = table("progress").unwrap();
        let kinds = &progress.columns[progress.position("log_kind").unwrap()];
        let many = read_cell(kinds, "fact|方針（P）|fact", &named)
            .unwrap()
            .value;
        assert_eq!(many, serde_json::json!(["fact", "plan"]));
    }
}
