//! Counting, and the table that comes of it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::month::{Month, Period};

/// Code of the category for cases whose field is empty.
pub const UNRECORDED: &str = "unrecorded";

/// What one case contributes. No personal fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFact {
    pub received_on: Date,
    /// Code of `route`; `None` or empty when not recorded.
    pub route: Option<String>,
    /// Codes of `issues`; a code said twice counts once.
    pub issues: Vec<String>,
}

/// One option of the list the counts are broken down by, in the form's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    pub code: String,
    pub label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Route,
    Issue,
}

impl By {
    fn key(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Issue => "issue",
        }
    }
}

/// One count. Every month × every category has its row, 0 included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub month: Month,
    pub code: String,
    pub label: String,
    pub count: u32,
}

/// How the figures were counted: shown beside every table, chart and file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub title: String,
    /// What the figures are broken down by, e.g. `相談経路別`.
    pub suffix: String,
    pub unit: String,
    pub lines: Vec<String>,
    /// Checked against the ministry's own form?
    pub verified: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub definition: Definition,
    pub by: By,
    pub period: Period,
    pub categories: Vec<Category>,
    pub rows: Vec<Row>,
    /// Cases per month (each case once, whatever its categories).
    pub month_totals: Vec<(Month, u32)>,
    /// Cases in the period, each once.
    pub total_cases: u32,
}

/// 新規相談受付件数: cases whose 受付日 lies in the period, per month and category.
///
/// `categories` is the option list in the form's order; codes in the facts that it lacks get a
/// category of their own (label = code) so that nothing is silently left out.
#[must_use]
pub fn count_new_consultations(
    facts: &[CaseFact],
    period: Period,
    by: By,
    categories: &[Category],
) -> Table {
    let codes_of = |fact: &CaseFact| -> BTreeSet<String> {
        let mut codes: BTreeSet<String> = match by {
            By::Route => fact.route.iter().cloned().collect(),
            By::Issue => fact.issues.iter().cloned().collect(),
        };
        codes.retain(|code| !code.is_empty());
        if codes.is_empty() {
            codes.insert(UNRECORDED.to_owned());
        }
        codes
    };
    let counted: Vec<(Month, BTreeSet<String>)> = facts
        .iter()
        .map(|fact| (Month::of(fact.received_on), codes_of(fact)))
        .filter(|(month, _)| period.contains(*month))
        .collect();

    let mut categories = categories.to_vec();
    let unknown: BTreeSet<&String> = counted
        .iter()
        .flat_map(|(_, codes)| codes)
        .filter(|code| !categories.iter().any(|category| &&category.code == code))
        .collect();
    // BTreeSet order; 未記入 always last.
    let mut added: Vec<Category> = unknown
        .into_iter()
        .map(|code| Category {
            code: code.clone(),
            label: if code == UNRECORDED {
                "未記入".to_owned()
            } else {
                code.clone()
            },
        })
        .collect();
    added.sort_by_key(|category| category.code == UNRECORDED);
    categories.extend(added);

    let mut rows = Vec::with_capacity(period.len() * categories.len());
    let mut month_totals = Vec::with_capacity(period.len());
    for month in period.months() {
        let of_month: Vec<&BTreeSet<String>> = counted
            .iter()
            .filter(|(m, _)| *m == month)
            .map(|(_, codes)| codes)
            .collect();
        for category in &categories {
            rows.push(Row {
                month,
                code: category.code.clone(),
                label: category.label.clone(),
                count: as_count(
                    of_month
                        .iter()
                        .filter(|codes| codes.contains(&category.code))
                        .count(),
                ),
            });
        }
        month_totals.push((month, as_count(of_month.len())));
    }
    Table {
        definition: definition(by),
        by,
        period,
        categories,
        rows,
        month_totals,
        total_cases: as_count(counted.len()),
    }
}

fn as_count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[derive(Deserialize)]
struct StoredDefinition {
    title: String,
    unit: String,
    verified: bool,
    common: Vec<String>,
    by: std::collections::BTreeMap<String, StoredBreakdown>,
    unverified: String,
}

#[derive(Deserialize)]
struct StoredBreakdown {
    suffix: String,
    lines: Vec<String>,
}

/// The written definition out of `definitions.json`, which a test reads whole.
fn definition(by: By) -> Definition {
    let all: std::collections::BTreeMap<String, StoredDefinition> =
        serde_json::from_str(include_str!("definitions.json")).unwrap_or_default();
    let Some(stored) = all.get("new_consultations") else {
        return Definition {
            title: String::new(),
            suffix: String::new(),
            unit: String::new(),
            lines: vec![],
            verified: false,
        };
    };
    let breakdown = stored.by.get(by.key());
    let mut lines = stored.common.clone();
    lines.extend(breakdown.iter().flat_map(|b| b.lines.clone()));
    if !stored.verified {
        lines.push(stored.unverified.clone());
    }
    Definition {
        title: stored.title.clone(),
        suffix: breakdown.map(|b| b.suffix.clone()).unwrap_or_default(),
        unit: stored.unit.clone(),
        lines,
        verified: stored.verified,
    }
}

impl Table {
    /// Sum of one category over the period.
    #[must_use]
    pub fn category_total(&self, code: &str) -> u32 {
        self.rows
            .iter()
            .filter(|row| row.code == code)
            .map(|row| row.count)
            .sum()
    }

    /// Count of one cell.
    #[must_use]
    pub fn count(&self, month: Month, code: &str) -> u32 {
        self.rows
            .iter()
            .find(|row| row.month == month && row.code == code)
            .map_or(0, |row| row.count)
    }

    /// Header (Japanese), identifiers and records of the wide table for CSV: one line per month,
    /// one column per category, then the cases of the month; the last line holds the totals.
    #[must_use]
    pub fn records(&self) -> (Vec<String>, Vec<String>, Vec<Vec<String>>) {
        let mut header = vec!["年月".to_owned(), "年度".to_owned()];
        let mut ids = vec!["month".to_owned(), "fiscal_year".to_owned()];
        for category in &self.categories {
            header.push(category.label.clone());
            ids.push(format!("{}.{}", self.by.key(), category.code));
        }
        header.push("事案数".to_owned());
        ids.push("cases".to_owned());
        let mut records: Vec<Vec<String>> = self
            .month_totals
            .iter()
            .map(|(month, cases)| {
                let mut record = vec![month.to_string(), month.fiscal_year().to_string()];
                record.extend(
                    self.categories
                        .iter()
                        .map(|c| self.count(*month, &c.code).to_string()),
                );
                record.push(cases.to_string());
                record
            })
            .collect();
        let mut sums = vec!["合計".to_owned(), String::new()];
        sums.extend(
            self.categories
                .iter()
                .map(|c| self.category_total(&c.code).to_string()),
        );
        sums.push(self.total_cases.to_string());
        records.push(sums);
        (header, ids, records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(date: &str, route: Option<&str>, issues: &[&str]) -> CaseFact {
        CaseFact {
            received_on: date.parse().unwrap(),
            route: route.map(str::to_owned),
            issues: issues.iter().map(|i| (*i).to_owned()).collect(),
        }
    }

    fn list(codes: &[&str]) -> Vec<Category> {
        codes
            .iter()
            .map(|c| Category {
                code: (*c).to_owned(),
                label: format!("{c}の名"),
            })
            .collect()
    }

    fn period(from: &str, to: &str) -> Period {
        Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
    }

    #[test]
    fn months_without_cases_appear_and_dates_outside_do_not_count() {
        let facts = [
            fact("2026-03-31", Some("a"), &[]),
            fact("2026-04-01", Some("a"), &[]),
            fact("2026-06-30", Some("b"), &[]),
            fact("2026-07-01", Some("b"), &[]),
        ];
        let table = count_new_consultations(
            &facts,
            period("2026-04", "2026-06"),
            By::Route,
            &list(&["a", "b"]),
        );
        assert_eq!(table.rows.len(), 6);
        assert_eq!(table.total_cases, 2);
        assert_eq!(
            table.month_totals.iter().map(|m| m.1).collect::<Vec<_>>(),
            [1, 0, 1]
        );
        assert_eq!(table.count("2026-05".parse().unwrap(), "a"), 0);
    }

    #[test]
    fn issues_count_several_times_but_each_case_once() {
        let facts = [
            fact("2026-04-02", None, &["x", "y", "x"]),
            fact("2026-04-03", None, &[]),
        ];
        let table = count_new_consultations(
            &facts,
            period("2026-04", "2026-04"),
            By::Issue,
            &list(&["x", "y"]),
        );
        assert_eq!(table.category_total("x"), 1);
        assert_eq!(table.category_total("y"), 1);
        assert_eq!(table.category_total(UNRECORDED), 1);
        assert_eq!(table.total_cases, 2);
        assert_eq!(table.categories.last().unwrap().label, "未記入");
    }

    #[test]
    fn codes_outside_the_list_are_shown_not_dropped() {
        let facts = [fact("2026-04-02", Some("old_code"), &[])];
        let table = count_new_consultations(
            &facts,
            period("2026-04", "2026-04"),
            By::Route,
            &list(&["a"]),
        );
        assert_eq!(table.category_total("old_code"), 1);
    }

    #[test]
    fn the_definition_travels_with_the_table() {
        for by in [By::Route, By::Issue] {
            let table = count_new_consultations(&[], period("2026-04", "2026-04"), by, &[]);
            assert!(
                table
                    .definition
                    .lines
                    .iter()
                    .any(|l| l.contains("受付日が当月"))
            );
            assert!(
                table
                    .definition
                    .lines
                    .iter()
                    .any(|l| l.starts_with("未検証"))
            );
            assert!(!table.definition.suffix.is_empty());
        }
    }

    #[test]
    fn wire_format() {
        let facts = [fact("2026-04-02", Some("a"), &[])];
        let table = count_new_consultations(
            &facts,
            period("2026-04", "2026-05"),
            By::Route,
            &list(&["a"]),
        );
        insta::assert_json_snapshot!(table);
        insta::assert_json_snapshot!(table.records());
    }
}
