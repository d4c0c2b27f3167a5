//! Checks of the parent and child lines of a network: what cannot be, and what is worth a second
//! look. Works on opaque node ids.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{form::Severity, wareki::PartialDate};

/// A person in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    pub id: String,
    pub birth: Option<PartialDate>,
}

/// A line from parent to child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentLine {
    pub parent: String,
    pub child: String,
    /// 実親子 (code `bio`); adoption, foster and step lines are not.
    pub biological: bool,
}

/// Something about the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum KinshipIssue {
    /// The person is an own ancestor.
    Cycle { person: String },
    /// More than two biological parents.
    TooManyParents { child: String, count: usize },
    /// The parent was born after the child.
    ParentYounger { parent: String, child: String },
    /// Less than 12 or more than 65 years between biological parent and child.
    UnusualAge {
        parent: String,
        child: String,
        years: i16,
    },
}

impl KinshipIssue {
    /// Impossible things are errors, unusual ones warnings.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Cycle { .. } | Self::TooManyParents { .. } | Self::ParentYounger { .. } => {
                Severity::Error
            }
            Self::UnusualAge { .. } => Severity::Warning,
        }
    }

    /// What to tell people.
    #[must_use]
    pub fn message_ja(&self) -> String {
        match self {
            Self::Cycle { .. } => {
                "親子の線が輪になっています。線の向きを確認してください。".to_owned()
            }
            Self::TooManyParents { count, .. } => {
                format!("実親が{count}人になっています。養親・継親などの種別を確認してください。")
            }
            Self::ParentYounger { .. } => {
                "親の生年月日が子より後になっています。生年月日か線の向きを確認してください。"
                    .to_owned()
            }
            Self::UnusualAge { years, .. } => {
                format!("実親と子の年の差が{years}歳です。生年月日と種別を確認してください。")
            }
        }
    }
}

/// Checks the lines; issues in the order of ids.
#[must_use]
pub fn check_kinship(people: &[Relative], lines: &[ParentLine]) -> Vec<KinshipIssue> {
    let births: BTreeMap<&str, PartialDate> = people
        .iter()
        .filter_map(|person| Some((person.id.as_str(), person.birth?)))
        .collect();
    let mut issues = Vec::new();

    let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in lines {
        children
            .entry(&line.parent)
            .or_default()
            .insert(&line.child);
        if line.biological {
            parents.entry(&line.child).or_default().insert(&line.parent);
        }
    }
    for start in children.keys() {
        // Everybody below; whoever meets himself there is in a ring.
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = children[start].iter().copied().collect();
        while let Some(person) = open.pop() {
            if seen.insert(person) {
                open.extend(children.get(person).into_iter().flatten());
            }
        }
        if seen.contains(start) {
            issues.push(KinshipIssue::Cycle {
                person: (*start).to_owned(),
            });
        }
    }
    for (child, of) in &parents {
        if of.len() > 2 {
            issues.push(KinshipIssue::TooManyParents {
                child: (*child).to_owned(),
                count: of.len(),
            });
        }
    }
    for line in lines {
        let (Some(parent), Some(child)) = (
            births.get(line.parent.as_str()),
            births.get(line.child.as_str()),
        ) else {
            continue;
        };
        let years = child.year - parent.year;
        let ends = || (line.parent.clone(), line.child.clone());
        if line.biological && parent.first_day() > child.last_day() {
            let (parent, child) = ends();
            issues.push(KinshipIssue::ParentYounger { parent, child });
        } else if line.biological && !(12..=65).contains(&years) {
            let (parent, child) = ends();
            issues.push(KinshipIssue::UnusualAge {
                parent,
                child,
                years,
            });
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, year: i16) -> Relative {
        Relative {
            id: id.into(),
            birth: Some(PartialDate {
                year,
                month: None,
                day: None,
                about: false,
            }),
        }
    }

    fn line(parent: &str, child: &str) -> ParentLine {
        ParentLine {
            parent: parent.into(),
            child: child.into(),
            biological: true,
        }
    }

    #[test]
    fn a_usual_family_has_no_issue() {
        let people = [person("m", 1950), person("f", 1948), person("c", 1975)];
        assert!(check_kinship(&people, &[line("m", "c"), line("f", "c")]).is_empty());
    }

    #[test]
    fn rings_and_third_parents_are_errors() {
        let ring = check_kinship(
            &[],
            &[
                line("a", "b"),
                line("b", "c"),
                line("c", "a"),
                line("x", "a"),
            ],
        );
        let persons: Vec<_> = ring
            .iter()
            .map(|issue| (issue.clone(), issue.severity()))
            .collect();
        assert_eq!(
            persons.len(),
            3,
            "x leads into the ring but is not part of it"
        );
        assert!(
            persons
                .iter()
                .all(|(_, severity)| *severity == Severity::Error)
        );
        assert_eq!(check_kinship(&[], &[line("a", "a")]).len(), 1);
        let three = [line("a", "c"), line("b", "c"), line("d", "c")];
        assert_eq!(
            check_kinship(&[], &three),
            [KinshipIssue::TooManyParents {
                child: "c".into(),
                count: 3
            }]
        );
        let adopted = [
            line("a", "c"),
            line("b", "c"),
            ParentLine {
                biological: false,
                ..line("d", "c")
            },
        ];
        assert!(check_kinship(&[], &adopted).is_empty());
        assert!(check_kinship(&[], &[line("a", "c"), line("a", "c"), line("b", "c")]).is_empty());
    }

    #[test]
    fn ages_between_parent_and_child() {
        let check = |parent: i16, child: i16| {
            check_kinship(
                &[person("p", parent), person("c", child)],
                &[line("p", "c")],
            )
        };
        assert!(check(1950, 1962).is_empty());
        assert!(check(1950, 2015).is_empty());
        assert!(matches!(
            check(1950, 1961)[..],
            [KinshipIssue::UnusualAge { years: 11, .. }]
        ));
        assert!(matches!(
            check(1950, 2016)[..],
            [KinshipIssue::UnusualAge { years: 66, .. }]
        ));
        assert!(matches!(
            check(1950, 1949)[..],
            [KinshipIssue::ParentYounger { .. }]
        ));
    }
}
