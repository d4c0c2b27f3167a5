//! `PUT /cases/{id}/disclosures`: who sees how much.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    disclosure::{Disclosure, Level},
    id::CaseId,
    section::Section,
};
use jiff::civil::Date;
use serde::Deserialize;

use super::{
    Mode, affected, open, rights_changed,
    sharing::{ConfirmationInput, confirmation, settle},
    show_disclosures::{DisclosureMatrix, matrix},
};
use crate::{
    context::CallContext,
    error::{ApiError, Body, FieldProblem},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct SetDisclosures {
    /// Rows to set; rows not named stay. Also read as `items` or `matrix`.
    #[serde(alias = "items", alias = "matrix")]
    pub entries: Vec<DisclosureEntry>,
    /// After a 409.
    pub confirmation: Option<ConfirmationInput>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct DisclosureEntry {
    pub agency_id: String,
    #[schema(value_type = String)]
    pub section: Section,
    #[schema(value_type = String)]
    pub level: Level,
    #[serde(default)]
    pub comment: bool,
    /// First day; missing = from the beginning.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// Last day; missing = open. Outside its days the right gives nothing.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
}

/// Refuses days that end before they begin, or that are all past. `at`: where the right stands in what
/// was sent.
///
/// # Errors
/// 422 with the fields `{list}.{at}.to`.
pub(crate) fn check_days<'r>(
    list: &str,
    rights: impl IntoIterator<Item = (usize, &'r Disclosure)>,
    today: Date,
) -> Result<(), ApiError> {
    let mut problems = Vec::new();
    for (at, right) in rights {
        if right.level == Level::None {
            continue;
        }
        if right.days().is_reversed() {
            problems.push(FieldProblem::new(format!("{list}.{at}.to"), "reversed"));
        } else if right.is_over(today) {
            problems.push(FieldProblem::new(format!("{list}.{at}.to"), "past"));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(problems))
    }
}

/// The rows that differ from what stands, with their places: what was sent back unchanged is no
/// operation, even where its days are over.
fn changes(entries: Vec<DisclosureEntry>, present: &[Disclosure]) -> Vec<(usize, Disclosure)> {
    entries
        .into_iter()
        .map(|entry| {
            let given = entry.level > Level::None;
            Disclosure {
                agency: entry.agency_id.into(),
                section: entry.section,
                level: entry.level,
                comment: entry.comment && given,
                from: entry.from.filter(|_| given),
                to: entry.to.filter(|_| given),
            }
        })
        .enumerate()
        .filter(|(_, row)| {
            let former = present
                .iter()
                .find(|former| former.agency == row.agency && former.section == row.section);
            former.map_or(row.level > Level::None, |former| former != row)
        })
        .collect()
}

/// Set rows of the matrix. Raising a level, or giving it for more days, that neither consent nor another
/// basis covers answers 409 first.
#[utoipa::path(put, path = "/cases/{id}/disclosures", tag = "cases", params(("id" = String, Path)), request_body = SetDisclosures,
    responses((status = 200, body = DisclosureMatrix), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "consent_confirmation_required"), (status = 422, description = "invalid")))]
pub async fn set_disclosures(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<SetDisclosures>,
) -> Result<Json<DisclosureMatrix>, ApiError> {
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let confirmation = confirmation(request.confirmation)?;
    let rows = changes(request.entries, &access.facts().matrix);
    check_days(
        "entries",
        rows.iter().map(|(at, row)| (*at, row)),
        call.caller.viewer.today,
    )?;
    let rows: Vec<Disclosure> = rows.into_iter().map(|(_, row)| row).collect();
    let sharing = access
        .set_disclosures(&mut tx, &rows, confirmation.as_ref())
        .await?;
    let mut tx = settle(tx, &call, &access, "disclosures", sharing).await?;
    let access = tx
        .case_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let found = matrix(&mut tx, &access).await?;
    let documents = affected(&mut tx, &access).await?;
    rights_changed(&state, tx, &access, documents).await?;
    Ok(Json(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn entry(agency: &str, level: Level, comment: bool) -> DisclosureEntry {
        DisclosureEntry {
            agency_id: agency.into(),
            section: Section::Intake,
            level,
            comment,
            from: None,
            to: None,
        }
    }

    #[test]
    fn rows_sent_back_unchanged_are_no_change() {
        let present = [Disclosure {
            agency: "a".into(),
            section: Section::Intake,
            level: Level::Read,
            comment: true,
            from: None,
            to: None,
        }];
        let rows = changes(
            vec![
                entry("a", Level::Read, true),
                entry("b", Level::None, true),
                entry("c", Level::Masked, false),
            ],
            &present,
        );
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].0, rows[0].1.agency.as_str()), (2, "c"));
        let ended = changes(vec![entry("a", Level::None, true)], &present);
        assert!(
            ended.len() == 1 && !ended[0].1.comment,
            "no comment without sight"
        );
        let until = DisclosureEntry {
            to: Some(date(2026, 12, 31)),
            ..entry("a", Level::Read, true)
        };
        assert_eq!(
            changes(vec![until], &present)[0].1.to,
            Some(date(2026, 12, 31)),
            "other days are a change"
        );
    }

    #[test]
    fn days_must_lie_ahead() {
        let today = date(2026, 11, 20);
        let of = |from: Option<Date>, to: Option<Date>, level| {
            let entry = DisclosureEntry {
                from,
                to,
                ..entry("a", level, false)
            };
            let rows = changes(vec![entry], &[]);
            check_days("entries", rows.iter().map(|(at, row)| (*at, row)), today).is_ok()
        };
        assert!(of(None, Some(today), Level::Read));
        assert!(of(
            Some(date(2026, 12, 1)),
            Some(date(2026, 12, 1)),
            Level::Read
        ));
        assert!(!of(None, Some(date(2026, 11, 19)), Level::Read));
        assert!(!of(
            Some(date(2026, 12, 2)),
            Some(date(2026, 12, 1)),
            Level::Read
        ));
        assert!(
            of(None, Some(date(2026, 11, 19)), Level::None),
            "nothing is given"
        );
    }

    #[test]
    fn the_list_may_have_any_of_its_names() {
        for name in ["entries", "items", "matrix"] {
            let text =
                format!(r#"{{"{name}":[{{"agency_id":"a","section":"intake","level":"read"}}]}}"#);
            assert_eq!(
                serde_json::from_str::<SetDisclosures>(&text)
                    .unwrap()
                    .entries
                    .len(),
                1,
                "{name}"
            );
        }
    }
}
