//! Birth dates without the word: full dates far older than the note itself. What happened on them
//! (結婚, 入社, 施行) tells events apart.

use crate::figures::Figures;
use crate::patterns::PATTERNS;
use crate::text::Text;
use crate::{Candidate, Label, Source};

/// Years between a note and a date from which on the date is taken for a birth date.
const OLD: i32 = 11;

fn year(era: &str, number: &str) -> i32 {
    let number = if number == "元" {
        1
    } else {
        number.parse().unwrap_or(0)
    };
    number
        + match era {
            "明治" | "M" | "明" => 1867,
            "大正" | "T" | "大" => 1911,
            "昭和" | "S" | "昭" => 1925,
            "平成" | "H" | "平" => 1988,
            _ => 2018,
        }
}

fn year_of(captures: &regex::Captures) -> Option<i32> {
    if let (Some(era), Some(number)) = (captures.name("era"), captures.name("n")) {
        return Some(year(era.as_str(), number.as_str()));
    }
    captures
        .name("year")
        .or_else(|| captures.name("west"))
        .and_then(|year| year.as_str().parse().ok())
}

pub(crate) fn find(text: &Text, figures: &Figures) -> Vec<Candidate> {
    let string = &figures.string;
    let written = PATTERNS
        .written_year
        .captures_iter(string)
        .filter_map(|captures| year_of(&captures))
        .filter(|year| *year <= 2060)
        .max()
        .unwrap_or(2023)
        .max(2023);
    let mut out = Vec::new();
    for captures in PATTERNS.full_date.captures_iter(string) {
        let (Some(found), Some(year)) = (captures.get(0), year_of(&captures)) else {
            continue;
        };
        let (head, tail) = (&string[..found.start()], &string[found.end()..]);
        let before = head.chars().next_back();
        let letter = found
            .as_str()
            .starts_with(|c: char| c.is_ascii_alphanumeric());
        let inside = before.is_some_and(|c| {
            letter && (c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '第'))
                || !letter
                    && crate::text::is_kanji(c)
                    && matches!(
                        found.as_str().chars().next(),
                        Some('明' | '大' | '昭' | '平' | '令')
                    )
                    && !c.is_ascii()
        }) && !head.ends_with('日');
        if inside
            || tail.starts_with(|c: char| c.is_ascii_digit())
            || written - year < OLD
            || PATTERNS.event_after.is_match(tail)
        {
            continue;
        }
        let from = head
            .char_indices()
            .rev()
            .nth(15)
            .map_or(0, |(index, _)| index);
        if PATTERNS.event_before.is_match(&head[from..]) {
            continue;
        }
        // In running words a date tells when something was: only one that closes its field is a birth date.
        let closed = tail
            .trim_start_matches([' ', '日'])
            .chars()
            .next()
            .is_none_or(|c| !c.is_alphanumeric() || tail.starts_with(' ') || c == '生');
        if !closed {
            continue;
        }
        let (start, end) = figures.locate(found.start(), found.end());
        if start < end && end <= text.len() {
            out.push(Candidate::new(
                start,
                end,
                Label::Birthdate,
                0.65,
                Source::Rule,
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let text = Text::new(text, None).unwrap();
        find(&text, &Figures::new(&text))
            .iter()
            .map(|candidate| text.slice(candidate.start, candidate.end).to_owned())
            .collect()
    }

    #[test]
    fn old_dates_are_birth_dates_unless_something_happened_on_them() {
        for (text, wanted) in [
            (
                "架空 太郎（昭9・11・30、第一棟）R6.4.1面接",
                vec!["昭9・11・30"],
            ),
            ("架空 太郎、1991/02/05、男", vec!["1991/02/05"]),
            ("昭和五十年の四月八日、本人", vec!["昭和五十年の四月八日"]),
            ("昭和 5O年 4月 l8日", vec!["昭和 5O年 4月 l8日"]),
            ("昭和50年4月8日に入社", vec![]),
            ("1998年4月1日結婚", vec![]),
            ("婚姻日：平成10年4月1日", vec![]),
            ("昭和25年5月4日法律第144号", vec![]),
            ("令和6年4月1日、面接", vec![]),
            ("2024/4/1 訪問", vec![]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }
}
