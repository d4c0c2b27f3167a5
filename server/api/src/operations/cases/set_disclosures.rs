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
use serde::Deserialize;

use super::{
    Mode, affected, open, rights_changed,
    sharing::{ConfirmationInput, confirmation, settle},
    show_disclosures::{DisclosureMatrix, matrix},
};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
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
}

/// The rows that differ from what stands: what was sent back unchanged is no operation.
fn changes(entries: Vec<DisclosureEntry>, present: &[Disclosure]) -> Vec<Disclosure> {
    entries
        .into_iter()
        .map(|entry| Disclosure {
            agency: entry.agency_id.into(),
            section: entry.section,
            level: entry.level,
            comment: entry.comment && entry.level > Level::None,
        })
        .filter(|row| {
            let former = present
                .iter()
                .find(|former| former.agency == row.agency && former.section == row.section);
            former.map_or((Level::None, false), |former| {
                (former.level, former.comment)
            }) != (row.level, row.comment)
        })
        .collect()
}

/// Set rows of the matrix. Raising a level that neither consent nor another basis covers answers
/// 409 first.
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

    fn entry(agency: &str, level: Level, comment: bool) -> DisclosureEntry {
        DisclosureEntry {
            agency_id: agency.into(),
            section: Section::Intake,
            level,
            comment,
        }
    }

    #[test]
    fn rows_sent_back_unchanged_are_no_change() {
        let present = [Disclosure {
            agency: "a".into(),
            section: Section::Intake,
            level: Level::Read,
            comment: true,
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
        assert_eq!(rows[0].agency.as_str(), "c");
        let ended = changes(vec![entry("a", Level::None, true)], &present);
        assert!(
            ended.len() == 1 && !ended[0].comment,
            "no comment without sight"
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
