//! Items of plans that entries of the 支援経過 refer to. The words are read from the plan each time and
//! for each reader; no copy of them stands in an entry.

use collab::values;
use domain::{disclosure::Level, id::DocumentId, section::DocumentKind};
use serde_json::Value;
use store::{CaseAccess, Tx};

use crate::{error::ApiError, state::AppState};

/// A row of a plan's table of issues.
#[derive(Clone, Default)]
pub(super) struct PlanItem {
    pub row_id: String,
    pub issue: String,
    pub goal: String,
    pub action: String,
}

impl PlanItem {
    /// What the item is called: the issue, or what stands in its place.
    pub(super) fn words(&self) -> String {
        let texts = [&self.issue, &self.goal, &self.action];
        let filled = texts.iter().find(|text| !text.trim().is_empty());
        filled.map_or_else(String::new, |text| text.trim().to_owned())
    }
}

/// The plans of the case that the caller reads in the original, with their numbers, the newest first.
pub(super) async fn readable(
    tx: &mut Tx,
    access: &CaseAccess,
) -> Result<Vec<(DocumentId, Option<i64>)>, ApiError> {
    let mut plans: Vec<_> = access
        .documents(tx)
        .await?
        .into_iter()
        .filter(|sheet| sheet.info().kind == DocumentKind::Plan && sheet.level() >= Level::Read)
        .map(|sheet| (sheet.info().id.clone(), sheet.info().number))
        .collect();
    plans.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    Ok(plans)
}

/// The items of a plan. Call it without an open transaction.
pub(super) async fn read(state: &AppState, plan: &DocumentId) -> Result<Vec<PlanItem>, ApiError> {
    let fields = state
        .hub()
        .read(plan, |view| values::fields(&view.txn, &view.shape))
        .await
        .map_err(ApiError::internal)?;
    let rows = fields.get("items").and_then(Value::as_array);
    let text = |row: &Value, column: &str| {
        let value = row.get(column).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(rows
        .into_iter()
        .flatten()
        .map(|row| PlanItem {
            row_id: text(row, "id"),
            issue: text(row, "issue"),
            goal: text(row, "goal"),
            action: text(row, "action"),
        })
        .filter(|item| !item.row_id.is_empty())
        .collect())
}
