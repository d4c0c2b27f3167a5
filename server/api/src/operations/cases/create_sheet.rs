//! `POST /cases/{id}/sheets`: a sheet that is made when it is needed.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{id::CaseId, section::DocumentKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{Caller, CaseAccess, StoreError, Tx, audit};

use super::{Mode, event, open, tell};
use crate::{
    access::identity_of,
    context::CallContext,
    error::{ApiError, Body},
    events::CaseEvent,
    filling::fill_sheet,
    shapes,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SheetWanted {
    /// `screening`, `plan`, `evaluation` or `meeting`.
    pub form: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CreatedSheet {
    pub document_id: String,
    /// Which one of its kind in the case, from 1: プラン番号（回次）.
    pub number: i64,
}

/// Make a case's screening sheet, or its next plan, evaluation or meeting record. Dates, author and
/// number stand in it already; everything else is offered by `GET /documents/{id}/carry`.
#[utoipa::path(post, path = "/cases/{id}/sheets", tag = "cases", params(("id" = String, Path)), request_body = SheetWanted,
    responses((status = 201, body = CreatedSheet), (status = 403, description = "forbidden"), (status = 404, description = "not_found"),
        (status = 409, description = "sheet_exists: there is one already; draft_sheet: the last one is not final yet"), (status = 422, description = "form")))]
pub async fn create_sheet(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<SheetWanted>,
) -> Result<(StatusCode, Json<CreatedSheet>), ApiError> {
    let kind = DocumentKind::of_form(&request.form)
        .filter(|kind| kind.is_made_later())
        .ok_or_else(|| ApiError::invalid_field("form", "unknown_form"))?;
    let id = CaseId(id);
    let (mut tx, access) = open(&state, &call, &id, Mode::Write).await?;
    let made = match access.create_sheet(&mut tx, kind).await {
        Err(StoreError::Taken("sheet")) => return Err(ApiError::conflict("sheet_exists")),
        Err(StoreError::Taken(_)) => return Err(ApiError::conflict("draft_sheet")),
        made => made?,
    };
    let values = known(&mut tx, &call.caller, &access, kind, made.number).await?;
    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    let detail = json!({ "form": request.form, "number": made.number, "document": made.id });
    audit::record(&mut tx, event(&call, "document.create", &id).detail(detail));
    tx.commit().await?;

    let making = (state.clone(), call, made.clone());
    // On a task of its own: who hangs up now must not leave a sheet without its document.
    tokio::spawn(async move {
        let (state, call, made) = making;
        let shape = |kind| {
            shapes::of(kind, &forms)
                .ok_or_else(|| ApiError::internal("no shape for this kind of document"))
        };
        let hub = state.hub();
        for (document, kind) in [(&made.id, kind), (&made.masks, DocumentKind::Masks)] {
            let shape = shape(kind)?;
            hub.create(document, &shape)
                .await
                .map_err(ApiError::internal)?;
        }
        let form = kind
            .form()
            .and_then(|form| forms.definition(form))
            .ok_or_else(|| ApiError::internal("no form for this kind of document"))?
            .shape();
        let author = identity_of(&call.caller).author();
        hub.write_as(&author, &made.id, move |txn| {
            fill_sheet(txn, &form, &values)
        })
        .await
        .map_err(ApiError::internal)?;
        Ok::<_, ApiError>(())
    })
    .await
    .map_err(ApiError::internal)??;
    tell(&state, &access, CaseEvent::Case);
    let answer = CreatedSheet {
        document_id: made.id.0,
        number: made.number,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What nobody has to type: the day, the author, the number of the plan.
async fn known(
    tx: &mut Tx,
    caller: &Caller,
    access: &CaseAccess,
    kind: DocumentKind,
    number: i64,
) -> Result<Map<String, Value>, ApiError> {
    let viewer = &caller.viewer;
    let today = viewer.today.to_string();
    let (account, agency) = (viewer.account.as_str(), viewer.agency.as_str());
    let values = match kind {
        DocumentKind::Screening => json!({ "screened_on": today, "screened_by": account }),
        DocumentKind::Plan => json!({
            "planned_on": today,
            "planned_by": account,
            "planned_org": agency,
            "plan_kind": if number == 1 { "first" } else { "re" },
            "status": "draft",
        }),
        DocumentKind::Evaluation => {
            let mut values = json!({
                "evaluated_on": today,
                "evaluated_by": account,
                "evaluated_org": agency,
            });
            let plans = access.documents(tx).await?;
            let last = plans
                .iter()
                .filter(|plan| plan.info().kind == DocumentKind::Plan)
                .filter_map(|plan| plan.info().number)
                .max();
            if let Some(last) = last {
                values["plan_no"] = last.into();
            }
            values
        }
        _ => json!({}),
    };
    Ok(match values {
        Value::Object(values) => values,
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::transcripts::tests::Town;

    #[tokio::test]
    async fn what_is_filled_in_exists_in_the_forms() {
        let town = Town::open().await;
        let caller = town.caller("coordinator").await;
        let mut tx = town.state.db().read().await.unwrap();
        let access = tx.case_for(&caller, &town.case).await.unwrap().unwrap();
        for kind in DocumentKind::ALL.iter().filter(|kind| kind.is_made_later()) {
            let form = domain::form::catalogue()
                .definition(kind.form().unwrap())
                .unwrap();
            let values = known(&mut tx, &caller, &access, *kind, 2).await.unwrap();
            let problems = domain::form::validate(
                form,
                &values,
                &domain::form::Context::on(caller.viewer.today),
            );
            assert!(
                problems.iter().all(|issue| issue.code == "required"),
                "{kind}: {problems:?}"
            );
        }
    }

    #[tokio::test]
    async fn sheets_are_made_one_after_the_other_by_those_who_write_the_section() {
        let town = Town::open().await;
        let path = format!("/cases/{}/sheets", town.case);
        let make = |who, form| {
            let (town, path) = (&town, &path);
            async move { town.json(who, "POST", path, &json!({ "form": form })).await }
        };
        for (who, status) in [
            ("nobody", 401),
            ("stranger", 404),
            ("stat", 404),
            ("partner", 403),
        ] {
            assert_eq!(make(who, "plan").await.0, status, "{who}");
        }
        for form in ["intake_application", "consent", "nonsense"] {
            assert_eq!(make("coordinator", form).await.0, 422, "{form}");
        }
        let (status, screening) = make("coordinator", "screening").await;
        assert_eq!((status, &screening["number"]), (201, &json!(1)));
        let (status, refused) = make("coordinator", "screening").await;
        assert_eq!((status, &refused["code"]), (409, &json!("sheet_exists")));
        let (status, plan) = make("coordinator", "plan").await;
        assert_eq!((status, &plan["number"]), (201, &json!(1)));
        let (status, refused) = make("coordinator", "plan").await;
        assert_eq!((status, &refused["code"]), (409, &json!("draft_sheet")));
        // Two meetings may be under way at once.
        for number in 1..=2 {
            let (status, meeting) = make("coordinator", "meeting").await;
            assert_eq!((status, &meeting["number"]), (201, &json!(number)));
        }

        let section = |detail: &Value, name: &str| {
            let sections = detail["sections"].as_array().unwrap().clone();
            sections
                .into_iter()
                .find(|one| one["section"] == name)
                .unwrap()
        };
        let case = format!("/cases/{}", town.case);
        let (_, seen) = town.json("coordinator", "GET", &case, &json!(null)).await;
        let plans = section(&seen, "plan");
        assert_eq!(plans["sheets"][0]["document_id"], plan["document_id"]);
        assert_eq!(plans["sheets"][0]["state"], "draft");
        assert_eq!(
            (&plans["document_id"], &plans["may_create"]),
            (&json!(null), &json!(true))
        );
        let screened = section(&seen, "screening");
        assert_eq!(screened["document_id"], screening["document_id"]);
        assert_eq!(screened["may_create"], false);
        let (_, seen) = town.json("partner", "GET", &case, &json!(null)).await;
        let plans = section(&seen, "plan");
        assert_eq!(
            (&plans["sheets"][0]["level"], &plans["may_create"]),
            (&json!("masked"), &json!(false))
        );

        let filled = format!(
            "/documents/{}/projection",
            plan["document_id"].as_str().unwrap()
        );
        let (_, values) = town.json("coordinator", "GET", &filled, &json!(null)).await;
        assert_eq!(values["fields"]["plan_kind"]["value"], "first");
        assert_eq!(values["fields"]["status"]["value"], "draft");
        assert!(values["fields"]["review_guide"]["value"].is_string());
    }
}
