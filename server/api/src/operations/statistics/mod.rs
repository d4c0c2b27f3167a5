//! Counts over the municipality's cases by written definitions. Codes and numbers only: there is
//! no personal field in what is counted, and the role 統計 may read it.

use std::{collections::BTreeMap, sync::OnceLock};

use ::statistics::{
    By, Category, Fonts, Month, Period, PeriodError, Row, Table, UNRECORDED,
    count_new_consultations,
};
use domain::form::Catalogue;
use serde::Deserialize;
use serde_json::json;
use store::{
    audit::{self, Event},
    statistics::{self as counts, Counts},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, error::ApiError, state::AppState};

pub mod export_new_consultations;
pub mod new_consultations;
pub mod new_consultations_png;
pub mod new_consultations_svg;
#[cfg(test)]
mod requests;

/// The operations on statistics.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(new_consultations::new_consultations))
        .routes(routes!(new_consultations_svg::new_consultations_svg))
        .routes(routes!(new_consultations_png::new_consultations_png))
        .routes(routes!(export_new_consultations::export_new_consultations))
}

/// What to count.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct Question {
    /// First month, `2026-04`.
    pub from: String,
    /// Last month, included; at most 120 months.
    pub to: String,
    /// `route` (default) or `issue`.
    pub by: Option<String>,
}

impl Question {
    fn by(&self) -> Result<By, ApiError> {
        match self.by.as_deref() {
            None | Some("route") => Ok(By::Route),
            Some("issue") => Ok(By::Issue),
            Some(_) => Err(ApiError::invalid_field("by", "unknown")),
        }
    }

    fn period(&self) -> Result<Period, ApiError> {
        let month = |path: &str, text: &str| {
            text.parse::<Month>()
                .map_err(|_| ApiError::invalid_field(path, "month"))
        };
        Period::new(month("from", &self.from)?, month("to", &self.to)?).map_err(|error| match error
        {
            PeriodError::Month => ApiError::invalid_field("from", "month"),
            PeriodError::Reversed => ApiError::invalid_field("to", "reversed"),
            PeriodError::TooLong(_) => ApiError::invalid_field("to", "too_long"),
        })
    }
}

/// Counts 新規相談受付件数 for the caller and notes it in the audit log.
///
/// # Errors
/// 403 without the capability, 422 for a period or breakdown that cannot be.
async fn count(
    state: &AppState,
    call: &CallContext,
    question: &Question,
    action: &'static str,
    format: &str,
) -> Result<Table, ApiError> {
    let (by, period) = (question.by()?, question.period()?);
    let asked = match by {
        By::Route => counts::By::Route,
        By::Issue => counts::By::Issue,
    };
    let mut tx = state.db().read().await?;
    let counted = counts::new_consultations(
        &mut tx,
        &call.caller,
        &period.from.to_string(),
        &period.to.to_string(),
        asked,
    )
    .await?;
    let detail = json!({ "from": period.from, "to": period.to, "by": by, "format": format, "count": counted.total_cases });
    audit::record(
        &mut tx,
        Event::by(&call.caller, action, "statistics", "new_consultations").detail(detail),
    );
    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    tx.commit().await?;
    Ok(table(&forms, &counted, period, by))
}

/// The option list in the form's order.
fn categories(forms: &Catalogue, by: By) -> Vec<Category> {
    let field = match by {
        By::Route => "route",
        By::Issue => "issues",
    };
    let listed = forms
        .definition("intake_assessment")
        .and_then(|sheet| sheet.list(sheet.field(field)?));
    listed
        .map(|list| {
            list.options
                .iter()
                .map(|option| Category {
                    code: option.code.clone(),
                    label: option.label.clone(),
                })
                .collect()
        })
        .unwrap_or_default()
}

/// The database's counts as the pipeline's table: every month × category has its row.
fn table(forms: &Catalogue, counted: &Counts, period: Period, by: By) -> Table {
    let mut listed = categories(forms, by);
    let mut cells: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut added: Vec<String> = Vec::new();
    for row in &counted.rows {
        let code = row
            .code
            .clone()
            .filter(|code| !code.is_empty())
            .unwrap_or_else(|| UNRECORDED.to_owned());
        if !listed.iter().any(|category| category.code == code) && !added.contains(&code) {
            added.push(code.clone());
        }
        *cells.entry((row.month.clone(), code)).or_default() += number(row.count);
    }
    // What the list does not know is shown under its code, what was not entered comes last.
    added.sort_by_key(|code| (code == UNRECORDED, code.clone()));
    listed.extend(added.into_iter().map(|code| Category {
        label: if code == UNRECORDED {
            "未記入".to_owned()
        } else {
            code.clone()
        },
        code,
    }));
    let empty = count_new_consultations(&[], period, by, &listed);
    let rows = empty
        .rows
        .into_iter()
        .map(|row| Row {
            count: cells
                .get(&(row.month.to_string(), row.code.clone()))
                .copied()
                .unwrap_or(0),
            ..row
        })
        .collect();
    let month_totals = empty
        .month_totals
        .into_iter()
        .map(|(month, _)| {
            let name = month.to_string();
            (
                month,
                counted
                    .months
                    .iter()
                    .find(|(counted, _)| *counted == name)
                    .map_or(0, |(_, count)| number(*count)),
            )
        })
        .collect();
    Table {
        rows,
        month_totals,
        total_cases: number(counted.total_cases),
        ..empty
    }
}

fn number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(0)
}

/// The charts' font, handed to the painter once. Not on an async worker: it is parsed here.
///
/// # Errors
/// 503 when the assets hold no font that can be used.
fn fonts(state: &AppState) -> Result<Fonts, ApiError> {
    static FONTS: OnceLock<Option<Fonts>> = OnceLock::new();
    let font = state
        .config()
        .font
        .clone()
        .ok_or_else(|| ApiError::unavailable("font_unavailable"))?;
    FONTS
        .get_or_init(|| Fonts::register(font.to_vec(), None).ok())
        .ok_or_else(|| ApiError::unavailable("font_unavailable"))
}

/// `new-consultations-route-2025-06-2026-11.svg`; made of validated parts.
fn file_name(table: &Table, ending: &str) -> String {
    let by = match table.by {
        By::Route => "route",
        By::Issue => "issue",
    };
    format!(
        "new-consultations-{by}-{}-{}.{ending}",
        table.period.from, table.period.to
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::statistics::Count;

    fn cell(month: &str, code: Option<&str>, count: i64) -> Count {
        Count {
            month: month.into(),
            code: code.map(str::to_owned),
            count,
        }
    }

    #[test]
    fn every_month_and_category_has_a_row_and_nothing_counted_is_lost() {
        let counted = Counts {
            rows: vec![
                cell("2026-04", Some("self_visit"), 2),
                cell("2026-04", Some("gone_code"), 1),
                cell("2026-05", None, 3),
            ],
            total_cases: 6,
            months: vec![("2026-04".into(), 3), ("2026-05".into(), 3)],
        };
        let question = Question {
            from: "2026-04".into(),
            to: "2026-06".into(),
            by: None,
        };
        let table = table(
            domain::form::catalogue(),
            &counted,
            question.period().unwrap(),
            By::Route,
        );
        assert_eq!(table.rows.len(), 3 * table.categories.len());
        assert_eq!(table.rows.iter().map(|row| row.count).sum::<u32>(), 6);
        assert_eq!(table.category_total("gone_code"), 1);
        assert_eq!(
            table
                .categories
                .last()
                .map(|category| category.label.as_str()),
            Some("未記入")
        );
        assert_eq!(
            table
                .month_totals
                .iter()
                .map(|(_, count)| *count)
                .collect::<Vec<_>>(),
            [3, 3, 0]
        );
        assert_eq!(
            file_name(&table, "csv"),
            "new-consultations-route-2026-04-2026-06.csv"
        );
    }

    #[test]
    fn the_lists_come_from_the_form() {
        assert!(
            categories(domain::form::catalogue(), By::Route)
                .iter()
                .any(|category| category.label.contains("本人"))
        );
        assert!(categories(domain::form::catalogue(), By::Issue).len() > 10);
    }

    #[test]
    fn periods_and_breakdowns_that_cannot_be_are_refused() {
        let ask = |from: &str, to: &str, by: Option<&str>| Question {
            from: from.into(),
            to: to.into(),
            by: by.map(str::to_owned),
        };
        assert!(ask("2026-13", "2026-04", None).period().is_err());
        assert!(ask("2026-05", "2026-04", None).period().is_err());
        assert!(ask("2000-01", "2026-04", None).period().is_err());
        assert!(ask("2026-04", "2026-04", Some("name")).by().is_err());
    }
}
