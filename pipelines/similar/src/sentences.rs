//! Sentences of a text, for matching a detail that the whole text's vector drowns.

/// Shorter pieces are joined to what follows: they say too little alone.
const SHORTEST: usize = 12;
/// A very long case would cost a vector per sentence; the rest is in the whole text's vector.
const MOST: usize = 40;

pub(crate) fn split(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    for c in text.chars() {
        if c != '\n' {
            current.push(c);
        }
        if matches!(c, '。' | '\n' | '！' | '？') && current.chars().count() >= SHORTEST {
            out.push(std::mem::take(&mut current));
            if out.len() == MOST {
                return out;
            }
        }
    }
    if !current.trim().is_empty() {
        match out.last_mut() {
            Some(last) if current.chars().count() < SHORTEST => last.push_str(&current),
            _ => out.push(current),
        }
    }
    out
}

/// Without replacement marks and their numbers: ［氏名1］ says nothing about a situation.
pub(crate) fn without_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('［') {
        out.push_str(&rest[..open]);
        let after = &rest[open..];
        match after.find('］') {
            Some(close)
                if after[..close].chars().count() <= 8
                    && after[..close].ends_with(|c: char| c.is_ascii_digit()) =>
            {
                rest = &after[close + '］'.len_utf8()..];
            }
            _ => {
                out.push('［');
                rest = &after['［'.len_utf8()..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_join() {
        assert_eq!(
            split("はい。夜に眠れないと話していた。以上。"),
            vec!["はい。夜に眠れないと話していた。以上。"]
        );
        assert_eq!(
            split("夜に眠れないと話していた。朝は起きられず学校に行けない。").len(),
            2
        );
        assert!(split("").is_empty());
    }

    #[test]
    fn marks_go_and_other_brackets_stay() {
        assert_eq!(
            without_marks("［氏名1］さんは［注］を［機関12］で見た"),
            "さんは［注］をで見た"
        );
    }
}
