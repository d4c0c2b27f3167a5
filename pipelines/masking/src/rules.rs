//! Rules for numbers, contacts and dates: by their form (data/rules.toml) and by the words before
//! them (data/identifiers.toml).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use crate::figures::Figures;
use crate::patterns;
use crate::text::Text;
use crate::{Candidate, Label, Source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    macros: BTreeMap<String, String>,
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifiers {
    identifier: Vec<Identifier>,
}

/// A kind of number: what is written before it and how it is built.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifier {
    name: String,
    label: Label,
    score: f32,
    cues: Vec<String>,
    /// What may stand between the cue and the number: nothing but marks, or a few words.
    gap: Gap,
    shape: String,
    /// Where the form is laid down.
    #[expect(dead_code, reason = "for who reads the file")]
    basis: String,
    #[serde(default)]
    find: Vec<String>,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gap {
    Near,
    Far,
}

impl Identifier {
    fn entry(self) -> Entry {
        let cues = self.cues.join("|");
        let gap = match self.gap {
            Gap::Near => "{near}",
            Gap::Far => "{far}",
        };
        Entry {
            name: self.name,
            label: self.label,
            score: self.score,
            pattern: format!("(?:{cues}){gap}(?P<x>{})", self.shape),
            before: None,
            after: Some("[0-9A-Za-z円万]".to_owned()),
            check: Some(Check::NotDate),
            find: self.find,
            ignore: self.ignore,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    label: Label,
    score: f32,
    pattern: String,
    before: Option<String>,
    after: Option<String>,
    check: Option<Check>,
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "examples are for the tests"))]
    find: Vec<String>,
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "examples are for the tests"))]
    ignore: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Check {
    Phone,
    MyNumber,
    /// No date of the last two centuries written as one number.
    NotDate,
    /// As many digits as no date, room or lot has.
    Long,
}

struct Rule {
    #[cfg_attr(not(test), expect(dead_code, reason = "named in test failures"))]
    name: String,
    label: Label,
    score: f32,
    pattern: Regex,
    before: Option<Regex>,
    after: Option<Regex>,
    check: Option<Check>,
    #[cfg(test)]
    find: Vec<String>,
    #[cfg(test)]
    ignore: Vec<String>,
}

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test compiles every rule"
)]
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/rules.toml")).expect("data/rules.toml");
    let expand = |pattern: &str| {
        Regex::new(&patterns::expand(&file.macros, pattern)).expect("data/rules.toml: pattern")
    };
    let identifiers: Identifiers =
        toml::from_str(include_str!("../data/identifiers.toml")).expect("data/identifiers.toml");
    let identifiers = identifiers.identifier.into_iter().map(Identifier::entry);
    let rules: Vec<Entry> = file.rule.into_iter().chain(identifiers).collect();
    rules
        .iter()
        .map(|entry| Rule {
            name: entry.name.clone(),
            label: entry.label,
            score: entry.score,
            pattern: expand(&entry.pattern),
            before: entry.before.as_deref().map(expand),
            after: entry.after.as_deref().map(expand),
            check: entry.check,
            #[cfg(test)]
            find: entry.find.clone(),
            #[cfg(test)]
            ignore: entry.ignore.clone(),
        })
        .collect()
});

impl Rule {
    /// `locate` leads from bytes of `string` to characters of the text.
    fn find(
        &self,
        string: &str,
        locate: &impl Fn(usize, usize) -> (usize, usize),
        out: &mut Vec<Candidate>,
    ) {
        let mut from = 0;
        while let Some(captures) = self.pattern.captures_at(string, from) {
            let Some(found) = captures.name("x") else {
                break;
            };
            // Only the marked part is used up: the character before the next match may be this one's last.
            from = found.end().max(from + 1);
            while from < string.len() && !string.is_char_boundary(from) {
                from += 1;
            }
            let surface = found.as_str().trim_end();
            let end = found.start() + surface.len();
            if self.accepts(string, found.start(), end) {
                let (start, end) = locate(found.start(), end);
                if start < end {
                    out.push(Candidate::new(
                        start,
                        end,
                        self.label,
                        self.score,
                        Source::Rule,
                    ));
                }
            }
            if from >= string.len() {
                break;
            }
        }
    }

    fn accepts(&self, string: &str, start: usize, end: usize) -> bool {
        let hits = |class: &Option<Regex>, c: Option<char>| match (class, c) {
            (Some(class), Some(c)) => class.is_match(c.encode_utf8(&mut [0; 4])),
            _ => false,
        };
        if start >= end
            || hits(&self.before, string[..start].chars().next_back())
            || hits(&self.after, string[end..].chars().next())
        {
            return false;
        }
        let found = &string[start..end];
        let digits: String = found.chars().filter(char::is_ascii_digit).collect();
        match self.check {
            None => true,
            Some(Check::MyNumber) => domain::my_number::is_valid(&digits),
            Some(Check::Phone) => {
                digits.starts_with('0') && (digits.len() == 10 || digits.len() == 11)
            }
            Some(Check::NotDate) => !is_date(found),
            Some(Check::Long) => {
                let longest = found
                    .split(|c: char| !c.is_ascii_digit())
                    .map(str::len)
                    .max()
                    .unwrap_or(0);
                !is_date(found)
                    && digits.len() >= 7
                    && (longest >= 5 || digits.len() >= 10 || longest == 4 && digits.len() == 8)
            }
        }
    }
}

/// 20240401, 2024-04-01, 2019-2024, 2024/04.
fn is_date(found: &str) -> bool {
    let number = |digits: &str| digits.parse::<u32>().unwrap_or(0);
    let year = |digits: &str| digits.len() == 4 && (1850..=2099).contains(&number(digits));
    let month = |digits: &str| digits.len() <= 2 && (1..=12).contains(&number(digits));
    let day = |digits: &str| digits.len() <= 2 && (1..=31).contains(&number(digits));
    let parts: Vec<&str> = found
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    if found.chars().any(|c| c.is_ascii_alphabetic()) {
        return false;
    }
    match parts.as_slice() {
        [whole] if whole.len() == 8 => year(&whole[..4]) && month(&whole[4..6]) && day(&whole[6..]),
        [first, second] => year(first) && (year(second) || month(second)),
        [first, second, third] => year(first) && month(second) && day(third),
        _ => false,
    }
}

pub(crate) fn find(text: &Text, figures: &Figures) -> Vec<Candidate> {
    let mut out = Vec::new();
    let differs = figures.string != text.string;
    for rule in RULES.iter() {
        rule.find(
            &text.string,
            &|start, end| (text.index_at(start), text.index_at(end)),
            &mut out,
        );
        if differs && rule.label != Label::Email {
            rule.find(
                &figures.string,
                &|start, end| figures.locate(start, end),
                &mut out,
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Original positions of what one rule finds.
    fn found(rule: &Rule, example: &str) -> Vec<(usize, usize)> {
        let text = Text::new(example, None).unwrap();
        let figures = Figures::new(&text);
        let mut out = Vec::new();
        rule.find(
            &text.string,
            &|start, end| (text.index_at(start), text.index_at(end)),
            &mut out,
        );
        rule.find(
            &figures.string,
            &|start, end| figures.locate(start, end),
            &mut out,
        );
        let mut found: Vec<(usize, usize)> = out
            .iter()
            .map(|candidate| text.original(candidate.start, candidate.end))
            .map(|(start, end)| (start.0, end.0))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn every_rule_does_what_its_examples_say() {
        let mut wrong = Vec::new();
        for rule in RULES.iter() {
            assert!(
                !rule.find.is_empty() && !rule.ignore.is_empty(),
                "{}: needs examples",
                rule.name
            );
            for example in &rule.find {
                let (plain, wanted) = patterns::marked(example);
                let got = found(rule, &plain);
                if got != wanted {
                    wrong.push(format!("{}: {example}: {got:?}", rule.name));
                }
            }
            for example in &rule.ignore {
                let got = found(rule, example);
                if !got.is_empty() {
                    wrong.push(format!("{}: {example}: {got:?}", rule.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
