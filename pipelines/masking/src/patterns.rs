//! The expressions that other modules look for (data/patterns.toml), compiled once. What is hidden for its
//! form alone is a rule instead (data/rules.toml); these need code that looks at what stands around.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

/// What each is for stands beside it in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patterns {
    /// Groups: `era` and `n`, or `year`, or `west`.
    pub full_date: Pattern,
    /// Groups: `era` and `n`, or `year`.
    pub written_year: Pattern,
    pub event_after: Pattern,
    pub event_before: Pattern,
    /// Group: `x`, the date.
    pub date_after_name: Pattern,
    pub next_name: Pattern,
    pub block: Pattern,
    pub building: Pattern,
    pub room: Pattern,
    pub room_after: Pattern,
    pub number_heading: Pattern,
    pub after_number: Pattern,
    /// Group: `x`, the room.
    pub room_before_name: Pattern,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Entry")]
pub(crate) struct Pattern(Regex);

impl Deref for Pattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "examples are for the tests"))]
    find: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "examples are for the tests"))]
    ignore: Vec<String>,
}

impl TryFrom<Entry> for Pattern {
    type Error = regex::Error;

    fn try_from(entry: Entry) -> Result<Self, regex::Error> {
        Regex::new(&entry.pattern).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    macros: BTreeMap<String, String>,
    pattern: toml::Table,
}

/// The file's patterns with their macros written out.
fn expanded() -> Result<toml::Table, toml::de::Error> {
    let mut file: File = toml::from_str(include_str!("../data/patterns.toml"))?;
    for (_, entry) in &mut file.pattern {
        if let Some(toml::Value::String(pattern)) = entry.get_mut("pattern") {
            *pattern = expand(&file.macros, pattern);
        }
    }
    Ok(file.pattern)
}

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test compiles every pattern"
)]
pub(crate) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    expanded()
        .and_then(toml::Table::try_into)
        .expect("data/patterns.toml")
});

/// `pattern` with every {name} of `macros` written out. Macros may use macros; three rounds are more than
/// the files need.
pub(crate) fn expand(macros: &BTreeMap<String, String>, pattern: &str) -> String {
    let mut pattern = pattern.to_owned();
    for _ in 0..3 {
        for (name, value) in macros {
            pattern = pattern.replace(&format!("{{{name}}}"), value);
        }
    }
    pattern
}

/// An example without its 《 》, and what they enclose: positions in characters.
#[cfg(test)]
pub(crate) fn marked(example: &str) -> (String, Vec<(usize, usize)>) {
    let mut plain = String::new();
    let mut marked = Vec::new();
    let (mut at, mut open) = (0, 0);
    for c in example.chars() {
        match c {
            '《' => open = at,
            '》' => marked.push((open, at)),
            c => {
                plain.push(c);
                at += 1;
            }
        }
    }
    (plain, marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions in characters of what is found: of the group `x` where there is one.
    fn found(regex: &Regex, plain: &str) -> Vec<(usize, usize)> {
        let character = |byte: usize| plain[..byte].chars().count();
        regex
            .captures_iter(plain)
            .filter_map(|captures| captures.name("x").or_else(|| captures.get(0)))
            .filter(|found| !found.is_empty())
            .map(|found| (character(found.start()), character(found.end())))
            .collect()
    }

    #[test]
    fn every_pattern_has_its_field_and_does_what_its_examples_say() {
        LazyLock::force(&PATTERNS);
        let entries: BTreeMap<String, Entry> = expanded().unwrap().try_into().unwrap();
        let mut wrong = Vec::new();
        for (name, entry) in entries {
            assert!(
                !entry.find.is_empty() && !entry.ignore.is_empty(),
                "{name}: needs examples"
            );
            let regex = Regex::new(&entry.pattern).unwrap();
            for example in entry.find.iter().chain(&entry.ignore) {
                let (plain, wanted) = marked(example);
                let got = found(&regex, &plain);
                let expected = entry.ignore.contains(example) == wanted.is_empty();
                if got != wanted || !expected {
                    wrong.push(format!("{name}: {example}: {got:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
