//! Rules for numbers, contacts and dates (data/rules.toml).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

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
        let mut pattern = pattern.to_owned();
        // Macros may use macros; three rounds are more than the file needs.
        for _ in 0..3 {
            for (name, value) in &file.macros {
                pattern = pattern.replace(&format!("{{{name}}}"), value);
            }
        }
        Regex::new(&pattern).expect("data/rules.toml: pattern")
    };
    file.rule
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
    fn find(&self, text: &Text, out: &mut Vec<Candidate>) {
        let mut from = 0;
        while let Some(captures) = self.pattern.captures_at(&text.string, from) {
            let Some(found) = captures.name("x") else {
                break;
            };
            // Only the marked part is used up: the character before the next match may be this one's last.
            from = found.end().max(from + 1);
            while from < text.string.len() && !text.string.is_char_boundary(from) {
                from += 1;
            }
            let (start, mut end) = (text.index_at(found.start()), text.index_at(found.end()));
            while end > start && text.chars[end - 1].is_whitespace() {
                end -= 1;
            }
            if self.accepts(text, start, end) {
                out.push(Candidate::new(
                    start,
                    end,
                    self.label,
                    self.score,
                    Source::Rule,
                ));
            }
            if from >= text.string.len() {
                break;
            }
        }
    }

    fn accepts(&self, text: &Text, start: usize, end: usize) -> bool {
        let hits = |class: &Option<Regex>, c: Option<char>| match (class, c) {
            (Some(class), Some(c)) => class.is_match(c.encode_utf8(&mut [0; 4])),
            _ => false,
        };
        if start >= end || hits(&self.before, text.before(start)) || hits(&self.after, text.at(end))
        {
            return false;
        }
        let found = text.slice(start, end);
        match self.check {
            None => true,
            Some(Check::MyNumber) => {
                domain::my_number::is_valid(&found.replace(|c: char| !c.is_ascii_digit(), ""))
            }
            Some(Check::Phone) => {
                let digits = found.chars().filter(char::is_ascii_digit).count();
                let first = found.chars().find(char::is_ascii_digit);
                first == Some('0') && (digits == 10 || digits == 11)
            }
        }
    }
}

pub(crate) fn find(text: &Text) -> Vec<Candidate> {
    let mut out = Vec::new();
    for rule in RULES.iter() {
        rule.find(text, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Original positions of what one rule finds.
    fn found(rule: &Rule, example: &str) -> Vec<(usize, usize)> {
        let text = Text::new(example, None).unwrap();
        let mut out = Vec::new();
        rule.find(&text, &mut out);
        out.iter()
            .map(|candidate| text.original(candidate.start, candidate.end))
            .map(|(start, end)| (start.0, end.0))
            .collect()
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
                let mut plain = String::new();
                let mut wanted = Vec::new();
                let (mut at, mut open) = (0, 0);
                for c in example.chars() {
                    match c {
                        '《' => open = at,
                        '》' => wanted.push((open, at)),
                        c => {
                            plain.push(c);
                            at += 1;
                        }
                    }
                }
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
