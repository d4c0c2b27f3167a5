//! Birth dates without the word: full dates far older than the note itself. What happened on them
//! (結婚, 入社, 施行) tells events apart.

use std::sync::LazyLock;

use regex::Regex;

use crate::figures::Figures;
use crate::text::Text;
use crate::{Candidate, Label, Source};

/// Years between a note and a date from which on the date is taken for a birth date.
const OLD: i32 = 11;

#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?P<era>明治|大正|昭和|平成|令和|[MTSHR明大昭平令])[\ .]?(?P<n>元|[0-9]{1,2})
            (?:\ ?年[の\ ]?[0-9]{1,2}\ ?月[の\ ]?[0-9]{1,2}\ ?日|[./-]\ ?[0-9]{1,2}[./-]\ ?[0-9]{1,2})
        |(?P<year>(?:18|19|20)[0-9]{2})(?:\ ?年[の\ ]?[0-9]{1,2}\ ?月[の\ ]?[0-9]{1,2}\ ?日|[./-][0-9]{1,2}[./-][0-9]{1,2})
        |[0-9]{1,2}[\ -]?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?,?[\ -]?(?P<west>(?:19|20)[0-9]{2})",
    )
    .expect("dates: date")
});

/// Any year, to learn when the note was written.
#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static YEAR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?P<era>平成|令和|[HR])[ .]?(?P<n>元|[0-9]{1,2})(?:年|[./-])|(?P<year>20[0-9]{2})(?:年|[./-])")
        .expect("dates: year")
});

/// What follows or precedes the date of an event.
#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static EVENT_AFTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^ ?(?:付|から|より|以降|まで|[~〜-]|に?(?:入|結婚|離婚|婚姻|設立|死|逝|没|退|就|開|認定|交付|取得|建|築|施行|改正|公布|発|契約|卒|転|来日|移|事故|手術|初診|受診|受傷|受理|申請|決定|廃止|届|別居|同居|失踪|逮捕|判決|確定|登記|相続|着工|竣工|採用|在籍|修了|更新|満了|現在|の(?:[結離入退手事契判大震]))|第)")
        .expect("dates: event after")
});
#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled in every test"
)]
static EVENT_BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("(?:結婚|離婚|婚姻|死亡|逝去|没|入居|入院|入所|退院|退所|契約|初診|発症|受傷|発行|交付|認定|設立|開設|施行|改正|公布|築|竣工|開始|終了|入国|来日|入社|退社|就職|退職|卒業|採用|期限|満了|資格取得|取得|喪失|訪問|受付|作成|記入|記録|更新|判決|確定|登記|相続|申請|決定|届出|起算|有効|事故|現在|面接|相談|開催|日時|日付)(?:年月日|日)?[ ::=(は]*$")
        .expect("dates: event before")
});

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
    let written = YEAR
        .captures_iter(string)
        .filter_map(|captures| year_of(&captures))
        .filter(|year| *year <= 2060)
        .max()
        .unwrap_or(2023)
        .max(2023);
    let mut out = Vec::new();
    for captures in DATE.captures_iter(string) {
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
            || EVENT_AFTER.is_match(tail)
        {
            continue;
        }
        let from = head
            .char_indices()
            .rev()
            .nth(15)
            .map_or(0, |(index, _)| index);
        if EVENT_BEFORE.is_match(&head[from..]) {
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
