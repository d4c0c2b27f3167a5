//! 個人番号 (マイナンバー): which 12-digit numbers are well formed.

/// Whether `text` holds exactly twelve digits (spaces and hyphens between them allowed, full-width
/// too) whose last is the check digit of the others.
///
/// Source: 行政手続における特定の個人を識別するための番号の利用等に関する法律の規定による通知カード及び個人番号カード並びに情報提供
/// ネットワークシステムによる特定個人情報の提供等に関する命令 (総務省令第85号) 第5条: with Pn the n-th digit of
/// the eleven counted from the right and Qn = n + 1 (n ≤ 6) or n − 5 (n ≥ 7), the check digit is
/// 11 − (Σ Pn·Qn mod 11), and 0 where the remainder is 0 or 1.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let mut digits = Vec::with_capacity(12);
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c as u32 - '0' as u32),
            '０'..='９' => digits.push(c as u32 - '０' as u32),
            ' ' | '　' | '-' | '－' | '‐' | '−' | 'ー' => {}
            _ => return false,
        }
    }
    let Some((&check, body)) = digits.split_last() else {
        return false;
    };
    if body.len() != 11 {
        return false;
    }
    let sum: u32 = body
        .iter()
        .rev()
        .zip(1..)
        .map(|(&digit, n)| digit * if n <= 6 { n + 1 } else { n - 5 })
        .sum();
    let expected = match sum % 11 {
        0 | 1 => 0,
        remainder => 11 - remainder,
    };
    check == expected
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn the_check_digit_decides() {
        assert!(is_valid("123456789018"));
        assert!(is_valid("1234 5678 9018"));
        assert!(is_valid("１２３４－５６７８－９０１８"));
        for other in (0..10).filter(|&digit| digit != 8) {
            assert!(!is_valid(&format!("12345678901{other}")));
        }
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        for text in ["", "12345678901", "1234567890188", "12345678901a", "８"] {
            assert!(!is_valid(text), "{text}");
        }
    }

    #[test]
    fn a_remainder_of_one_gives_zero() {
        // 1·Q1(2) + 1·Q11(6)… chosen so that the weighted sum is 12 ≡ 1 (mod 11).
        assert!(is_valid("100000000030"));
    }
}
