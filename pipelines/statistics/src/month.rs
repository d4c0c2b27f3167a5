//! Months and periods of months, as statistics cut time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A calendar month, written `2026-04`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// Why a month or period could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("月は「2026-04」の形で指定してください")]
    Month,
    #[error("期間の終わりが始まりより前です")]
    Reversed,
    #[error("期間は{0}か月以内で指定してください")]
    TooLong(usize),
}

impl Month {
    pub fn new(year: i16, month: i8) -> Result<Self, PeriodError> {
        if (1900..=2200).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year, month })
        } else {
            Err(PeriodError::Month)
        }
    }

    /// The month a business date falls into.
    #[must_use]
    pub fn of(date: Date) -> Self {
        Self {
            year: date.year(),
            month: date.month(),
        }
    }

    #[must_use]
    pub fn year(self) -> i16 {
        self.year
    }

    #[must_use]
    pub fn month(self) -> i8 {
        self.month
    }

    #[must_use]
    pub fn next(self) -> Self {
        if self.month == 12 {
            Self {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Self {
                year: self.year,
                month: self.month + 1,
            }
        }
    }

    /// 年度: April starts a new one.
    #[must_use]
    pub fn fiscal_year(self) -> i16 {
        if self.month >= 4 {
            self.year
        } else {
            self.year - 1
        }
    }

    /// `2026年4月`.
    #[must_use]
    pub fn western(self) -> String {
        format!("{}年{}月", self.year, self.month)
    }

    /// `R8.4`. The month in which an era changed is named by the era it ended in.
    #[must_use]
    pub fn era(self) -> String {
        let (letter, _, first) = era_of(self.year, self.month);
        format!("{letter}{}.{}", self.year - first + 1, self.month)
    }
}

/// `令和8年度`; named by the era of its first month, except 令和元年度 as offices write it.
pub(crate) fn fiscal_year_name(year: i16) -> String {
    if year == 2019 {
        return "令和元年度".to_owned();
    }
    let (_, name, first) = era_of(year, 4);
    format!("{name}{}年度", year - first + 1)
}

/// Era letter, name and first year of the era valid at the end of the month.
fn era_of(year: i16, month: i8) -> (char, &'static str, i16) {
    match (year, month) {
        (y, m) if (y, m) >= (2019, 5) => ('R', "令和", 2019),
        (y, m) if (y, m) >= (1989, 1) => ('H', "平成", 1989),
        (y, m) if (y, m) >= (1926, 12) => ('S', "昭和", 1926),
        _ => ('T', "大正", 1912),
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let (year, month) = text.trim().split_once('-').ok_or(PeriodError::Month)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(PeriodError::Month);
        }
        Self::new(
            year.parse().map_err(|_| PeriodError::Month)?,
            month.parse().map_err(|_| PeriodError::Month)?,
        )
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// From the first to the last month, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: Month,
    pub to: Month,
}

impl Period {
    /// Ten fiscal years: more cannot be read in one table.
    pub const LONGEST: usize = 120;

    pub fn new(from: Month, to: Month) -> Result<Self, PeriodError> {
        if to < from {
            return Err(PeriodError::Reversed);
        }
        let period = Self { from, to };
        if period.len() > Self::LONGEST {
            Err(PeriodError::TooLong(Self::LONGEST))
        } else {
            Ok(period)
        }
    }

    #[must_use]
    pub fn contains(&self, month: Month) -> bool {
        self.from <= month && month <= self.to
    }

    /// Number of months. Never 0 for a period made by [`Period::new`].
    #[must_use]
    pub fn len(&self) -> usize {
        let count = |m: Month| i32::from(m.year) * 12 + i32::from(m.month);
        usize::try_from(count(self.to) - count(self.from) + 1).unwrap_or(0)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The months in order of time.
    pub fn months(self) -> impl Iterator<Item = Month> {
        std::iter::successors(Some(self.from), |m| Some(m.next()))
            .take_while(move |m| *m <= self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_western_era_and_fiscal_names() {
        let april: Month = "2026-04".parse().unwrap();
        assert_eq!(april.western(), "2026年4月");
        assert_eq!(april.era(), "R8.4");
        assert_eq!("2019-04".parse::<Month>().unwrap().era(), "H31.4");
        assert_eq!("2019-05".parse::<Month>().unwrap().era(), "R1.5");
        assert_eq!("2026-03".parse::<Month>().unwrap().fiscal_year(), 2025);
        assert_eq!(fiscal_year_name(2019), "令和元年度");
        assert_eq!(fiscal_year_name(2026), "令和8年度");
    }

    #[test]
    fn wrong_months_and_periods_are_refused() {
        for text in ["2026-13", "2026-4", "26-04", "", "2026/04", "2026-00"] {
            assert_eq!(text.parse::<Month>(), Err(PeriodError::Month), "{text}");
        }
        let (a, b) = ("2026-04".parse().unwrap(), "2026-03".parse().unwrap());
        assert_eq!(Period::new(a, b), Err(PeriodError::Reversed));
        assert!(matches!(
            Period::new("2000-01".parse().unwrap(), a),
            Err(PeriodError::TooLong(_))
        ));
        assert_eq!(Period::new(b, a).unwrap().months().count(), 2);
    }
}
