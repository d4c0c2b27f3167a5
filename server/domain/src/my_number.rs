//! マイナンバー (個人番号): recognised so that it can be kept out.
//!
//! Twelve digits; the last is the check digit of 番号法の命令第5条: with Pn the n-th digit from
//! the right of the first eleven and Qn = n+1 (n ≤ 6), n−5 (n ≥ 7), it is 11 − (Σ Pn·Qn mod 11),
//! or 0 when the remainder is 0 or 1.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use crate::offset::CodePoint;

/// Whether these are twelve digits with the right check digit. Accepts full width, blanks and
/// hyphens between the digits.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let found = find(text);
    let blank = |c: char| c.is_whitespace();
    let length = text.trim_matches(blank).chars().count();
    let lead = text.chars().take_while(|c| blank(*c)).count();
    found.len() == 1 && found[0].start.0 == lead && found[0].end.0 == lead + length
}

/// The places where a personal number stands: twelve digits, half or full width, in a row or in
/// equal groups with single blanks or hyphens between them, not part of a longer run of digits nor
/// of an identifier of this system, with the right check digit. Positions in code points, end
/// exclusive.
#[must_use]
pub fn find(text: &str) -> Vec<Range<CodePoint>> {
    let chars: Vec<char> = text.chars().collect();
    let opaque = identifiers(&chars);
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if digit(chars[at]).is_none() {
            at += 1;
            continue;
        }
        // A run: digits with at most one separator between two of them.
        let (mut digits, mut places) = (Vec::new(), Vec::new());
        let mut next = at;
        while next < chars.len() {
            if let Some(value) = digit(chars[next]) {
                digits.push(value);
                places.push(next);
                next += 1;
            } else if is_separator(chars[next])
                && chars.get(next + 1).copied().and_then(digit).is_some()
            {
                next += 1;
            } else {
                break;
            }
        }
        // The whole run, or groups of a longer run that is divided by separators: a number that
        // follows another one must not hide it.
        for window in 0..digits.len().saturating_sub(11) {
            let start = places[window];
            let end = places[window + 11] + 1;
            let free_before = window == 0 || places[window - 1] + 1 != start;
            let free_after = window + 12 == digits.len() || places[window + 12] != end;
            let in_identifier = opaque.iter().any(|id| start < id.end && id.start < end);
            if free_before
                && free_after
                && !in_identifier
                && is_usual_grouping(&places[window..window + 12])
                && check_digit(&digits[window..window + 11]) == digits[window + 11]
            {
                found.push(CodePoint(start)..CodePoint(end));
            }
        }
        at = next.max(at + 1);
    }
    found
}

/// Where opaque identifiers stand (a pasted address of a page holds some): 32 hexadecimal digits in
/// a row, or in the groups 8-4-4-4-12, with a letter among them. One in a few thousand of them has
/// twelve decimal digits in a row.
fn identifiers(chars: &[char]) -> Vec<Range<usize>> {
    let part = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|c| part(c)).count();
        let token = &chars[at..at + length];
        let mut start = at;
        for word in token.split(|c| *c == '-') {
            if is_opaque(word, &[]) {
                found.push(start..start + word.len());
            }
            start += word.len() + 1;
        }
        if is_opaque(token, &[8, 13, 18, 23]) {
            found.push(at..at + length);
        }
        at += length.max(1);
    }
    found
}

/// 32 hexadecimal digits with a letter among them, and hyphens in just these places.
fn is_opaque(word: &[char], hyphens: &[usize]) -> bool {
    word.len() == 32 + hyphens.len()
        && word.iter().enumerate().all(|(place, c)| {
            if hyphens.contains(&place) {
                *c == '-'
            } else {
                c.is_ascii_hexdigit()
            }
        })
        && word.iter().any(char::is_ascii_alphabetic)
}

/// Twelve in a row, or equal groups (4-4-4, 3-3-3-3 …). Other groupings are telephone numbers and
/// the like next to another number, of which one in eleven would pass the check digit.
fn is_usual_grouping(places: &[usize]) -> bool {
    let mut groups = vec![1_usize];
    for pair in places.windows(2) {
        if pair[0] + 1 == pair[1] {
            if let Some(last) = groups.last_mut() {
                *last += 1;
            }
        } else {
            groups.push(1);
        }
    }
    groups.iter().all(|length| *length == groups[0])
}

fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{3000}'
            | '\u{a0}'
            | '-'
            | '－'
            | '‐'
            | '‑'
            | '–'
            | '—'
            | '−'
            | 'ー'
            | 'ｰ'
            | '―'
    )
}

fn digit(c: char) -> Option<u32> {
    c.to_digit(10).or_else(|| match c {
        '０'..='９' => std::iter::once(c)
            .nfkc()
            .next()
            .and_then(|c| c.to_digit(10)),
        _ => None,
    })
}

/// The check digit for the first eleven digits.
fn check_digit(eleven: &[u32]) -> u32 {
    let sum: u32 = eleven
        .iter()
        .rev()
        .zip(1_u32..)
        .map(|(p, n)| p * if n <= 6 { n + 1 } else { n - 5 })
        .sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_check(eleven: &str) -> String {
        let digits: Vec<u32> = eleven.chars().map(|c| c.to_digit(10).unwrap()).collect();
        format!("{eleven}{}", check_digit(&digits))
    }

    #[test]
    fn the_formula_gives_the_known_digits() {
        // Example numbers printed in public explanations of the formula.
        assert!(is_valid("123456789018"));
        assert!(!is_valid("123456789012"));
        assert!(is_valid("１２３４ ５６７８ ９０１８"));
        assert!(is_valid("1234-5678-9018"));
        assert!(!is_valid("1234-5678-901"));
        assert!(!is_valid("1234/5678/9018"));
        assert!(!is_valid("番号123456789018"));
    }

    #[test]
    fn finds_numbers_in_text_but_not_in_longer_ones() {
        let text = "個人番号は1234 5678 9018、電話は090-1234-5678です。";
        let found = find(text);
        assert_eq!(found, [CodePoint(5)..CodePoint(19)]);
        assert!(find("9123456789018").is_empty());
        assert!(find("1234567890180").is_empty());
        assert_eq!(find("123456789018 123456789018").len(), 2);
        assert!(find("2026-11-22 10:30 03-1234-5678").is_empty());
        assert_eq!(find("R8 123456789018").len(), 1);
    }

    #[test]
    fn opaque_identifiers_are_no_numbers_and_hide_none() {
        let plain = "ab123456789018cdefabcdefabcdefab";
        assert_eq!(plain.len(), 32);
        for text in [
            plain.to_owned(),
            format!("https://musubi.example/cases/{plain}/sheets"),
            plain.to_uppercase(),
            "0190f3c0-aa00-7000-8000-123456789018".to_owned(),
            format!("{plain}-{plain}"),
        ] {
            assert!(find(&text).is_empty(), "{text}");
        }
        // Beside an identifier, and where it only looks like one.
        assert_eq!(find(&format!("{plain} 123456789018")).len(), 1);
        assert_eq!(find(&format!("123456789018、{plain}")).len(), 1);
        assert_eq!(
            find("0190f3c0-aa00-7000-8000-abcdefabcdef 1234-5678-9018").len(),
            1
        );
        assert_eq!(
            find("ab123456789018cdefabcdefabcdefabc").len(),
            1,
            "33 letters"
        );
        assert_eq!(
            find("xy123456789018cdefabcdefabcdefab").len(),
            1,
            "not hexadecimal"
        );
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_noticed_unless_the_remainder_folds(eleven in "[0-9]{11}", place in 0_usize..11, other in 0_u8..10) {
            let number = with_check(&eleven);
            prop_assert!(is_valid(&number));
            let spaced: String = number.chars().enumerate().map(|(i, c)| if i % 4 == 0 && i > 0 { format!("　{c}") } else { c.to_string() }).collect();
            prop_assert!(is_valid(&spaced));
            let mut wrong: Vec<u8> = number.bytes().collect();
            wrong[place] = b'0' + other;
            let wrong = String::from_utf8(wrong).unwrap();
            // Remainders 0 and 1 share the digit 0, so only other check digits tell every change.
            if wrong != number && !number.ends_with('0') {
                prop_assert!(!is_valid(&wrong));
            }
        }

        #[test]
        fn an_identifier_is_never_a_number(id in "[0-9a-f]{32}") {
            prop_assume!(id.bytes().any(|byte| byte.is_ascii_alphabetic()));
            let pasted = format!("参照 {id} を見る");
            prop_assert!(find(&pasted).is_empty());
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = find(&text);
        }
    }
}
