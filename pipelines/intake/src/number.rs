//! Numbers, dates and money as people say them: 三十八, 六十五万円, 昭和六十三年、四月十七日.

use std::sync::LazyLock;

use regex::Regex;

/// Full-width ASCII to half-width; one character stays one character, so offsets hold.
#[must_use]
pub(crate) fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// Characters numbers are written with.
pub(crate) const NUM: &str = "[0-9〇零一二三四五六七八九十百千]+";

/// `三十八` → 38, `二一二` → 212, `四〇一` → 401, `1,200` is not taken here.
#[must_use]
pub(crate) fn integer(text: &str) -> Option<i64> {
    if text.is_empty() || text.chars().count() > 12 {
        return None;
    }
    let digit = |c: char| match c {
        '0'..='9' => c.to_digit(10).map(i64::from),
        '〇' | '零' => Some(0),
        c => "一二三四五六七八九"
            .chars()
            .position(|d| d == c)
            .and_then(|at| i64::try_from(at + 1).ok()),
    };
    if !text.contains(['十', '百', '千']) {
        return text
            .chars()
            .try_fold(0_i64, |sum, c| Some(sum * 10 + digit(c)?));
    }
    let (mut total, mut current) = (0_i64, None::<i64>);
    for c in text.chars() {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            c => {
                current = Some(current.unwrap_or(0) * 10 + digit(c)?);
                continue;
            }
        };
        total += current.take().unwrap_or(1) * unit;
    }
    Some(total + current.unwrap_or(0))
}

/// Yen out of `十二万四千円`, `6万`, `70,000円`, `百万`. With the byte range.
pub(crate) fn money(text: &str) -> Vec<(i64, std::ops::Range<usize>)> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&format!(
            r"(?:(?P<man>{NUM}(?:\.[0-9])?)万(?:(?P<rest>{NUM})|、(?P<pause>{NUM})円)?(?P<yen1>円)?|(?P<plain>[0-9]{{1,3}}(?:,[0-9]{{3}})+|{NUM})円)"
        ))
        .ok()
    });
    let Some(pattern) = PATTERN.as_ref() else {
        return vec![];
    };
    pattern
        .captures_iter(text)
        .filter_map(|found| {
            let whole = found.get(0)?;
            let amount = if let Some(man) = found.name("man") {
                let high = match man.as_str().split_once('.') {
                    Some((a, b)) => integer(a)? * 10_000 + integer(b)? * 1_000,
                    None => integer(man.as_str())? * 10_000,
                };
                high + found
                    .name("rest")
                    .or_else(|| found.name("pause"))
                    .map_or(Some(0), |r| integer(r.as_str()))?
            } else {
                integer(&found.name("plain")?.as_str().replace(',', ""))?
            };
            (amount < 1_000_000_000).then(|| (amount, whole.range()))
        })
        .collect()
}

/// A date as far as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub year: Option<i16>,
    pub month: Option<i8>,
    pub day: Option<i8>,
}

impl Said {
    /// ISO text when the date is complete and exists.
    pub(crate) fn iso(self) -> Option<String> {
        let date = jiff::civil::Date::new(self.year?, self.month?, self.day?).ok()?;
        Some(date.to_string())
    }
}

/// Western year of an era year; `None` where the era had no such year (昭和65年).
#[must_use]
pub(crate) fn western(era: &str, year: i64) -> Option<i16> {
    let (first, last) = match era {
        "明治" | "M" | "m" => (1868, 1912),
        "大正" | "T" | "t" => (1912, 1926),
        "昭和" | "S" | "s" => (1926, 1989),
        "平成" | "H" | "h" => (1989, 2019),
        "令和" | "R" | "r" => (2019, 2100),
        _ => return None,
    };
    let western = first + year - 1;
    (year >= 1 && western <= last)
        .then(|| i16::try_from(western).ok())
        .flatten()
}

/// Dates with fillers and particles between their parts, with the byte range: year, month and day,
/// or month and day, or year alone.
pub(crate) fn dates(text: &str) -> Vec<(Said, std::ops::Range<usize>)> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let gap = r"(?:[、。,\sの]|えーと|えっと|えー|あの|ええと|うーん)*";
        Regex::new(&format!(
            r"(?:(?:(?P<era>明治|大正|昭和|平成|令和|[MTSHRmtshr])\s*(?P<ey>元|{NUM})(?:年|[./-])|(?P<wy>(?:19|20)[0-9]{{2}}|[一二][〇九千][〇一二三四五六七八九百十]{{2,6}})(?:年|[./-])){gap})?(?:(?P<m>{NUM})(?:月|[./-]){gap}(?P<d>{NUM})日?)?"
        ))
        .ok()
    });
    let Some(pattern) = PATTERN.as_ref() else {
        return vec![];
    };
    pattern
        .captures_iter(text)
        .filter_map(|found| {
            let whole = found.get(0)?;
            if whole.as_str().is_empty() {
                return None;
            }
            let year = match (found.name("era"), found.name("ey"), found.name("wy")) {
                (Some(era), Some(year), _) => Some(western(
                    era.as_str(),
                    if year.as_str() == "元" {
                        1
                    } else {
                        integer(year.as_str())?
                    },
                )?),
                (_, _, Some(year)) => i16::try_from(integer(year.as_str())?)
                    .ok()
                    .filter(|y| (1868..=2100).contains(y)),
                _ => None,
            };
            let part = |name: &str, most: i64| {
                found
                    .name(name)
                    .and_then(|m| integer(m.as_str()))
                    .filter(|v| (1..=most).contains(v))
                    .and_then(|v| i8::try_from(v).ok())
            };
            let (month, day) = (part("m", 12), part("d", 31));
            if found.name("m").is_some() && (month.is_none() || day.is_none()) {
                return None;
            }
            (year.is_some() || month.is_some()).then(|| (Said { year, month, day }, whole.range()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoken_integers() {
        for (text, value) in [
            ("三十八", 38),
            ("二一二", 212),
            ("四〇一", 401),
            ("十", 10),
            ("百二十", 120),
            ("千九百八十四", 1984),
            ("一九八四", 1984),
            ("38", 38),
            ("二十", 20),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        assert_eq!(integer(""), None);
        assert_eq!(integer("人"), None);
    }

    #[test]
    fn spoken_money() {
        let amounts = |t: &str| money(t).into_iter().map(|m| m.0).collect::<Vec<_>>();
        assert_eq!(
            amounts("十五日に十二万四千円。手取りで。今、財布に三万くらい"),
            [124_000, 30_000]
        );
        assert_eq!(
            amounts("70,000円と六十五万円、百万くらい、7万1千円"),
            [70_000, 650_000, 1_000_000, 71_000]
        );
        assert_eq!(
            amounts("5万、2千円です。9万7千円と9万、8千円、4,300円"),
            [52_000, 97_000, 98_000, 4_300]
        );
        assert_eq!(amounts("三か月と二回"), Vec::<i64>::new());
    }

    #[test]
    fn spoken_dates() {
        let iso = |t: &str| {
            dates(t)
                .into_iter()
                .filter_map(|d| d.0.iso())
                .collect::<Vec<_>>()
        };
        assert_eq!(iso("えー昭和六十三年、四月十七日です"), ["1988-04-17"]);
        assert_eq!(
            iso("昭和五十四年の、二月の、えー、二十六日。"),
            ["1979-02-26"]
        );
        assert_eq!(iso("一九八四年七月二十日です"), ["1984-07-20"]);
        assert_eq!(iso("平成元年1月8日"), ["1989-01-08"]);
        assert_eq!(iso("1972/5/19"), ["1972-05-19"]);
        assert_eq!(iso("昭和六十五年三月一日"), Vec::<String>::new());
        assert_eq!(iso("平成二年二月三十日"), Vec::<String>::new());
        assert_eq!(
            dates("あ、違います、五月七日です")[0].0,
            Said {
                year: None,
                month: Some(5),
                day: Some(7)
            }
        );
    }
}
