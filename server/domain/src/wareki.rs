//! 和暦: reads dates as people write them and writes dates as they read them.
//!
//! Eras (first days): 明治 1868-01-25, 大正 1912-07-30, 昭和 1926-12-25, 平成 1989-01-08, 令和
//! 2019-05-01. Limits are exact: a day beyond an era's end is an error that names the era's last
//! day and the year that may have been meant, never a silent change to the next era.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::code::coded;

coded! {
    /// Japanese era (option list `era`).
    pub enum Era {
        Meiji = "M", "明治";
        Taisho = "T", "大正";
        Showa = "S", "昭和";
        Heisei = "H", "平成";
        Reiwa = "R", "令和";
    }
}

impl Era {
    /// First day of the era.
    #[must_use]
    pub const fn first_day(self) -> Date {
        match self {
            Self::Meiji => jiff::civil::date(1868, 1, 25),
            Self::Taisho => jiff::civil::date(1912, 7, 30),
            Self::Showa => jiff::civil::date(1926, 12, 25),
            Self::Heisei => jiff::civil::date(1989, 1, 8),
            Self::Reiwa => jiff::civil::date(2019, 5, 1),
        }
    }

    /// Last day of the era; `None` for the present one.
    #[must_use]
    pub const fn last_day(self) -> Option<Date> {
        match self {
            Self::Meiji => Some(jiff::civil::date(1912, 7, 29)),
            Self::Taisho => Some(jiff::civil::date(1926, 12, 24)),
            Self::Showa => Some(jiff::civil::date(1989, 1, 7)),
            Self::Heisei => Some(jiff::civil::date(2019, 4, 30)),
            Self::Reiwa => None,
        }
    }

    /// The era of a day; `None` before 明治.
    #[must_use]
    pub fn of(day: Date) -> Option<Self> {
        Self::ALL
            .iter()
            .rev()
            .copied()
            .find(|era| day >= era.first_day())
    }

    fn base(self) -> i16 {
        self.first_day().year() - 1
    }
}

/// A date of which the month or the day may be unknown. As text: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`; with
/// `~` behind it where even that is about right only (昭和30年頃 is `1955~`, as in ISO 8601-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialDate {
    pub year: i16,
    pub month: Option<i8>,
    pub day: Option<i8>,
    /// 頃, 推定. Of a full date never.
    pub about: bool,
}

/// How many years about may be off, either way.
const ABOUT_YEARS: i16 = 2;

impl PartialDate {
    /// Whether month and day are known.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.month.is_some() && self.day.is_some()
    }

    /// The date when it is fully known.
    #[must_use]
    pub fn full(&self) -> Option<Date> {
        Date::new(self.year, self.month?, self.day?).ok()
    }

    /// The first day it may mean.
    #[must_use]
    pub fn first_day(&self) -> Date {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).unwrap_or(Date::MIN)
    }

    /// The last day it may mean.
    #[must_use]
    pub fn last_day(&self) -> Date {
        match (self.month, self.day) {
            (None, _) => Date::new(self.year, 12, 31).unwrap_or(Date::MAX),
            (Some(month), None) => {
                Date::new(self.year, month, 1).map_or(Date::MAX, Date::last_of_month)
            }
            _ => self.first_day(),
        }
    }

    /// Whether both may mean the same day; what is about right only may be two years off.
    #[must_use]
    pub fn may_equal(&self, other: &Self) -> bool {
        let off = i16::from(self.about || other.about) * ABOUT_YEARS;
        let near = |day: Date, years: i16| (day.year() + years, day.month(), day.day());
        near(self.first_day(), -off) <= near(other.last_day(), 0)
            && near(other.first_day(), -off) <= near(self.last_day(), 0)
    }
}

impl std::str::FromStr for PartialDate {
    type Err = WarekiError;

    /// Reads the text form strictly; the day must exist.
    fn from_str(text: &str) -> Result<Self, WarekiError> {
        super::form::parse_iso(text).ok_or(WarekiError::Unreadable)
    }
}

impl From<Date> for PartialDate {
    fn from(date: Date) -> Self {
        Self {
            year: date.year(),
            month: Some(date.month()),
            day: Some(date.day()),
            about: false,
        }
    }
}

impl std::fmt::Display for PartialDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
            if let Some(day) = self.day {
                write!(f, "-{day:02}")?;
            }
        }
        if self.about {
            f.write_str("~")?;
        }
        Ok(())
    }
}

/// What may be entered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A year, or year and month, is enough.
    pub partial: bool,
    /// Days after this one are an error.
    pub not_after: Option<Date>,
    /// Days more than 120 years before this one are an error (birth dates).
    pub age_on: Option<Date>,
}

/// Why a text is no date. Code and parameters; [`WarekiError::message_ja`] has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum WarekiError {
    /// Nothing there.
    Empty,
    /// Not a form of a date that is known here.
    Unreadable,
    /// Year 0, or an era that is not known.
    InvalidYear,
    /// The day lies after the era's last day.
    AfterEra {
        era: Era,
        last_year: i16,
        last_month: i8,
        last_day: i8,
        /// The era that the year belongs to, and its year there; missing beyond 2200.
        next: Option<Era>,
        next_year: Option<i16>,
    },
    /// The day lies before the era's first day.
    BeforeEra {
        era: Era,
        first_month: i8,
        first_day: i8,
        /// The era that the year belongs to, and its year there; missing before 明治.
        previous: Option<Era>,
        previous_year: Option<i16>,
    },
    /// There is no such month.
    InvalidMonth { month: i16 },
    /// The month has no such day; `last` is its last.
    InvalidDay { year: i16, month: i8, last: i8 },
    /// Month or day is missing where a full date is asked for.
    Incomplete,
    /// After the last day allowed (today).
    Future,
    /// Earlier than 120 years ago.
    TooOld,
    /// Outside 1868–2200.
    OutOfRange,
}

impl WarekiError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unreadable => "unreadable",
            Self::InvalidYear => "invalid_year",
            Self::AfterEra { .. } => "after_era",
            Self::BeforeEra { .. } => "before_era",
            Self::InvalidMonth { .. } => "invalid_month",
            Self::InvalidDay { .. } => "invalid_day",
            Self::Incomplete => "incomplete",
            Self::Future => "future",
            Self::TooOld => "too_old",
            Self::OutOfRange => "out_of_range",
        }
    }

    /// What to tell the person who typed it: what is wrong and what to do.
    #[must_use]
    pub fn message_ja(&self) -> String {
        match self {
            Self::Empty => "日付を入力してください。".to_owned(),
            Self::Unreadable => {
                "日付として読めません。「昭和45年3月12日」「S45.3.12」「1970-03-12」のように入力してください。".to_owned()
            }
            Self::InvalidYear => "年を確認してください。元号の年は元年（1年）からです。".to_owned(),
            Self::AfterEra { era, last_year, last_month, last_day, next, next_year } => format!(
                "{}は{last_year}年{last_month}月{last_day}日までです。{}",
                era.label_ja(),
                meant_ja(*next, *next_year),
            ),
            Self::BeforeEra { era, first_month, first_day, previous, previous_year } => format!(
                "{}は元年{first_month}月{first_day}日からです。{}",
                era.label_ja(),
                meant_ja(*previous, *previous_year),
            ),
            Self::InvalidMonth { month } => format!("{month}月はありません。月は1から12で入力してください。"),
            Self::InvalidDay { year, month, last } => {
                format!("{year}年{month}月は{last}日までです。日を確認してください。")
            }
            Self::Incomplete => "年月日をすべて入力してください。".to_owned(),
            Self::Future => "今日より後の日付です。日付を確認してください。".to_owned(),
            Self::TooOld => "120年より前の日付です。年を確認してください。".to_owned(),
            Self::OutOfRange => "1868年から2200年までの日付を入力してください。".to_owned(),
        }
    }
}

impl std::fmt::Display for WarekiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for WarekiError {}

/// The year that may have been meant.
fn meant_ja(era: Option<Era>, year: Option<i16>) -> String {
    match (era, year) {
        (Some(era), Some(year)) => format!("{}{}ではありませんか。", era.label_ja(), year_ja(year)),
        _ => "年を確認してください。".to_owned(),
    }
}

fn year_ja(year: i16) -> String {
    if year == 1 {
        "元年".to_owned()
    } else {
        format!("{year}年")
    }
}

/// Reads a full date. See [`parse_with`].
///
/// # Errors
/// As [`parse_with`]; a missing month or day is [`WarekiError::Incomplete`].
pub fn parse(text: &str) -> Result<Date, WarekiError> {
    parse_with(text, Options::default())?
        .full()
        .ok_or(WarekiError::Incomplete)
}

/// Reads a date: `S45.3.12`, `昭和45年3月12日`, `昭和四十五年三月十二日`, `令和元年5月1日`,
/// `1970-03-12`, `1970/3/12`, `19700312`, `1970年3月12日`, in half or full width, with blanks
/// between the parts, also followed by 生（まれ） or the day of the week in brackets; with [`Options::partial`] also `昭和45年`, `S45`, `1970年3月`, `1970`, each
/// optionally followed by 頃 or 推定 in brackets, and the text form of [`PartialDate`].
///
/// # Errors
/// When the text is no date, the day does not exist or lies outside its era or the limits.
pub fn parse_with(text: &str, options: Options) -> Result<PartialDate, WarekiError> {
    let text: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    let mut text = text.as_str();
    if text.is_empty() {
        return Err(WarekiError::Empty);
    }
    let mut about = false;
    if options.partial {
        for ending in ["(推定)", "推定", "頃", "ごろ", "~"] {
            if let Some(rest) = text.strip_suffix(ending) {
                (text, about) = (rest, true);
            }
        }
    }
    for ending in ["生まれ", "生"] {
        text = text.strip_suffix(ending).unwrap_or(text);
    }
    if let Some((date, weekday)) = text.strip_suffix(')').and_then(|rest| rest.split_once('('))
        && weekday.chars().count() == 1
        && "月火水木金土日".contains(weekday)
    {
        text = date;
    }
    let (era, rest) = split_era(text);
    let numbers = split_numbers(rest, era.is_some())?;
    let (year, month, day) = (numbers[0], numbers[1], numbers[2]);
    let year = year.ok_or(WarekiError::Unreadable)?;
    if month.is_some_and(|month| !(1..=12).contains(&month)) {
        return Err(WarekiError::InvalidMonth {
            month: month.unwrap_or(0),
        });
    }
    let month = month.and_then(|month| i8::try_from(month).ok());
    let western = match era {
        Some(_) if year < 1 => return Err(WarekiError::InvalidYear),
        Some(era) => era
            .base()
            .checked_add(year)
            .ok_or(WarekiError::OutOfRange)?,
        None => year,
    };
    if !(1868..=2200).contains(&western) {
        // A year far beyond its era is explained by the era first.
        if let (Some(era), true) = (era, western > 2200)
            && era.last_day().is_some()
        {
            return Err(after_era(era, western));
        }
        return Err(WarekiError::OutOfRange);
    }
    let day = match (month, day) {
        (Some(month), Some(day)) => {
            let last = Date::new(western, month, 1).map_or(31, |first| first.last_of_month().day());
            match i8::try_from(day) {
                Ok(day) if (1..=last).contains(&day) => Some(day),
                _ => {
                    return Err(WarekiError::InvalidDay {
                        year: western,
                        month,
                        last,
                    });
                }
            }
        }
        (None, Some(_)) => return Err(WarekiError::Unreadable),
        (_, None) => None,
    };
    let date = PartialDate {
        year: western,
        month,
        day,
        about: about && day.is_none(),
    };
    if let Some(era) = era {
        if era.last_day().is_some_and(|last| date.first_day() > last) {
            return Err(after_era(era, western));
        }
        if date.last_day() < era.first_day() {
            let previous = Era::of(date.first_day());
            return Err(WarekiError::BeforeEra {
                era,
                first_month: era.first_day().month(),
                first_day: era.first_day().day(),
                previous,
                previous_year: previous.map(|previous| western - previous.base()),
            });
        }
    }
    if !options.partial && !date.is_full() {
        return Err(WarekiError::Incomplete);
    }
    if options
        .not_after
        .is_some_and(|today| date.first_day() > today)
    {
        return Err(WarekiError::Future);
    }
    if let Some(today) = options.age_on
        && super::form::age_on(date.last_day(), today).is_some_and(|age| age > 120)
    {
        return Err(WarekiError::TooOld);
    }
    Ok(date)
}

/// The error for a day after the era's end; names the era that the year belongs to.
fn after_era(era: Era, western: i16) -> WarekiError {
    let last = era.last_day().unwrap_or(Date::MAX);
    // The year's last day decides, so that 昭和64年2月 points to 平成元年.
    let next = Date::new(western, 12, 31)
        .ok()
        .filter(|_| western <= 2200)
        .and_then(Era::of);
    WarekiError::AfterEra {
        era,
        last_year: last.year() - era.base(),
        last_month: last.month(),
        last_day: last.day(),
        next,
        next_year: next.map(|next| western - next.base()),
    }
}

fn split_era(text: &str) -> (Option<Era>, &str) {
    for era in Era::ALL {
        if let Some(rest) = text.strip_prefix(era.label_ja()) {
            return (Some(*era), rest);
        }
        let initial = era.label_ja().chars().next().unwrap_or_default();
        if let Some(rest) = text.strip_prefix(initial)
            && rest.starts_with(|c: char| c.is_ascii_digit() || c == '元')
        {
            return (Some(*era), rest);
        }
        let letter = era.code().chars().next().unwrap_or_default();
        if let Some(rest) = text.strip_prefix([letter, letter.to_ascii_lowercase()]) {
            return (Some(*era), rest.strip_prefix('.').unwrap_or(rest));
        }
    }
    (None, text)
}

/// Up to three numbers: year, month, day.
fn split_numbers(text: &str, era: bool) -> Result<[Option<i16>; 3], WarekiError> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits_only {
        let cut = |from: usize, to: usize| text[from..to].parse::<i16>().ok();
        match (era, text.len()) {
            (false, 8) => return Ok([cut(0, 4), cut(4, 6), cut(6, 8)]),
            (false, 6) => return Ok([cut(0, 4), cut(4, 6), None]),
            // S450312 as written in older registers.
            (true, 6) => return Ok([cut(0, 2), cut(2, 4), cut(4, 6)]),
            (false, 4) | (true, 1..=2) => return Ok([cut(0, text.len()), None, None]),
            (true, 3) => return Ok([cut(0, 3), None, None]),
            _ => return Err(WarekiError::Unreadable),
        }
    }
    let kanji = text.contains('年');
    let parts: Vec<&str> = if kanji {
        let (year, rest) = text.split_once('年').unwrap_or((text, ""));
        let mut parts = vec![year];
        if !rest.is_empty() {
            let (month, rest) = rest.split_once('月').ok_or(WarekiError::Unreadable)?;
            parts.push(month);
            if !rest.is_empty() {
                parts.push(rest.strip_suffix('日').unwrap_or(rest));
            }
        }
        parts
    } else {
        text.split(['.', '/', '-', '・', '、', ',', '−', '‐', '–', '。'])
            .collect()
    };
    if parts.len() > 3 {
        return Err(WarekiError::Unreadable);
    }
    let mut numbers = [None; 3];
    for (at, part) in parts.iter().enumerate() {
        let number = number(part, at == 0 && era).ok_or(WarekiError::Unreadable)?;
        if at == 0 && !era && part.chars().count() != 4 {
            return Err(WarekiError::Unreadable);
        }
        numbers[at] = Some(number);
    }
    Ok(numbers)
}

/// Arabic or Chinese numerals up to 9999; 元 = 1 where an era's year may stand.
fn number(text: &str, year_of_era: bool) -> Option<i16> {
    if year_of_era && text == "元" {
        return Some(1);
    }
    let length = text.chars().count();
    if text.is_empty() || length > 5 {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return if length <= 4 { text.parse().ok() } else { None };
    }
    let digit = |c: char| {
        "〇一二三四五六七八九"
            .chars()
            .position(|d| d == c)
            .and_then(|d| i16::try_from(d).ok())
    };
    if text.contains(['十', '廿']) {
        let (tens, ones) = match text.split_once('十') {
            Some((tens, ones)) => (
                if tens.is_empty() {
                    1
                } else {
                    single(tens, digit)?
                },
                ones,
            ),
            None => (2, text.strip_prefix('廿')?),
        };
        let ones = if ones.is_empty() {
            0
        } else {
            single(ones, digit)?
        };
        return (tens > 0).then_some(tens * 10 + ones);
    }
    if length > 4 {
        return None;
    }
    text.chars()
        .try_fold(0_i16, |sum, c| Some(sum * 10 + digit(c)?))
}

fn single(text: &str, digit: impl Fn(char) -> Option<i16>) -> Option<i16> {
    let mut chars = text.chars();
    let value = digit(chars.next()?)?;
    chars.next().is_none().then_some(value)
}

/// `昭和45年3月12日`; before 明治 in western years.
#[must_use]
pub fn format_wareki(date: Date) -> String {
    format_partial(PartialDate::from(date))
}

/// As [`format_wareki`], with what is known: `昭和45年3月`, `昭和45年`, `昭和45年頃`. A year in which the era
/// changed is written with both: `昭和64年・平成元年`.
#[must_use]
pub fn format_partial(date: PartialDate) -> String {
    let year_in = |era: Option<Era>| {
        era.map_or_else(
            || format!("{}年", date.year),
            |era| format!("{}{}", era.label_ja(), year_ja(date.year - era.base())),
        )
    };
    let (first, last) = (Era::of(date.first_day()), Era::of(date.last_day()));
    let mut text = if first == last {
        year_in(last)
    } else {
        format!("{}・{}", year_in(first), year_in(last))
    };
    if let Some(month) = date.month {
        text.push_str(&format!("{month}月"));
        if let Some(day) = date.day {
            text.push_str(&format!("{day}日"));
        }
    }
    if date.about {
        text.push('頃');
    }
    text
}

/// `S45.3.12`; before 明治 `1867.1.2`.
#[must_use]
pub fn format_short(date: Date) -> String {
    match Era::of(date) {
        Some(era) => format!(
            "{}{}.{}.{}",
            era.code(),
            date.year() - era.base(),
            date.month(),
            date.day()
        ),
        None => format!("{}.{}.{}", date.year(), date.month(), date.day()),
    }
}

#[cfg(test)]
mod tests;
