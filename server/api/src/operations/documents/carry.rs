//! `GET`, `POST /documents/{id}/carry`: values that stand in another sheet of the case already.
//!
//! **Invariant:** nothing that stands in a sheet is overwritten. Whether a field is empty is decided
//! on the room's own task, where the value is written. Only what the caller reads in the original is
//! offered.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json,
    extract::{Path, State},
};
use collab::values;
use domain::{
    disclosure::Level,
    form::{self, Definition, Field, FieldShape, Form, Source, carried, is_empty, source_of},
    id::DocumentId,
    role::Capability,
    section::DocumentKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{
    Tx,
    audit::{self, Event},
    documents::DocumentAccess,
    sessions,
};
use yrs::{Map as _, ReadTxn};

use crate::{
    access::{ROOM, identity_of},
    context::CallContext,
    drafting::{Mode, Place, Written},
    error::{ApiError, Body},
    filling::fill_rows,
    state::AppState,
};

/// Most fields taken over at once.
const MOST: usize = 200;

/// A value that may be carried over.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Offer {
    /// Field of this sheet.
    pub field: String,
    /// Where it comes from: `plan.items`.
    pub from: String,
    /// Title of the sheet it comes from; empty for what the case itself knows.
    pub title: String,
    /// Number of that sheet, where there are several.
    pub number: Option<i64>,
    /// As the sheet keeps it: text, code, list of codes, or rows.
    #[schema(value_type = Object)]
    pub value: Value,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Offers {
    /// In the order of the form; of one field the nearest source first.
    pub items: Vec<Offer>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Take {
    pub take: Vec<Taken>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub field: String,
    /// As in the offer.
    pub from: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TakeAnswer {
    /// Field → what became of it.
    pub results: BTreeMap<String, Written>,
}

/// What can be carried over into a sheet, from the newest sheets of the case that the caller reads.
#[utoipa::path(get, path = "/documents/{id}/carry", tag = "documents", params(("id" = String, Path)),
    responses((status = 200, body = Offers), (status = 403, description = "not an editor"), (status = 404)))]
pub async fn offers(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
) -> Result<Json<Offers>, ApiError> {
    let mut tx = state.db().read().await?;
    let (_, _, items) = gather(&state, &mut tx, &call, &id.into()).await?;
    tx.commit().await?;
    Ok(Json(Offers { items }))
}

/// Carry values over, as writes of the caller. A field that holds something is left as it is.
#[utoipa::path(post, path = "/documents/{id}/carry", tag = "documents", params(("id" = String, Path)), request_body = Take,
    responses((status = 200, body = TakeAnswer), (status = 403), (status = 404), (status = 422)))]
pub async fn take(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Body(request): Body<Take>,
) -> Result<Json<TakeAnswer>, ApiError> {
    if request.take.len() > MOST {
        return Err(ApiError::invalid_field("take", "too_many"));
    }
    let id: DocumentId = id.into();
    let mut tx = state.db().write().await?;
    // Asked again, and held: until the values stand in the room nobody takes the right away.
    let caller = sessions::caller_again(&mut tx, &call.caller)
        .await?
        .ok_or_else(ApiError::forbidden)?;
    let call = CallContext { caller, ..call };
    let found = tx
        .document_for(&call.caller, &id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    if let Some(case) = &found.info().case {
        tx.hold_case(&found.info().municipality, case).await?;
    }
    let (access, definition, offers) = gather(&state, &mut tx, &call, &id).await?;
    let mut results = BTreeMap::new();
    let mut work = Vec::new();
    for wanted in request.take {
        let offer = offers
            .iter()
            .find(|offer| offer.field == wanted.field && offer.from == wanted.from);
        match offer.and_then(|offer| Some((offer, Target::of(&definition, &offer.field)?))) {
            Some((offer, target)) => work.push((offer.field.clone(), target, offer.value.clone())),
            None => {
                results.insert(wanted.field, Written::Unknown);
            }
        }
    }
    let author = identity_of(&call.caller).author();
    let writing = state.hub().write_as(&author, &id, move |txn| {
        work.into_iter()
            .map(|(field, target, value)| {
                let done = target.write(txn, &value);
                (field, done)
            })
            .collect::<Vec<_>>()
    });
    let (_, written) = tokio::time::timeout(ROOM, writing)
        .await
        .map_err(|_| ApiError::unavailable("overloaded"))?
        .map_err(ApiError::internal)?;
    results.extend(written);
    // A field that is none may be any text: it is counted, not written down.
    let known: BTreeMap<&String, &Written> = results
        .iter()
        .filter(|(field, _)| definition.field(field).is_some())
        .collect();
    let mut event = Event::by(&call.caller, "document.carry", "document", id.as_str())
        .detail(json!({ "results": known, "unknown": results.len() - known.len() }));
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(TakeAnswer { results }))
}

/// A field to be written into.
enum Target {
    Single(Place),
    Table(String, FieldShape),
}

impl Target {
    fn of(definition: &Definition, field: &str) -> Option<Self> {
        Place::in_form(definition, field)
            .map(Self::Single)
            .or_else(|| {
                let shape = definition.shape().fields.remove(field)?;
                Some(Self::Table(field.to_owned(), shape))
            })
    }

    fn write(&self, txn: &mut yrs::TransactionMut<'_>, value: &Value) -> Written {
        let Some(root) = txn.get_map("fields") else {
            return Written::Unknown;
        };
        match self {
            Self::Single(place) => place.write(txn, &root, value, Mode::FillEmpty),
            Self::Table(field, FieldShape::Table { columns, .. }) => {
                let Some(yrs::Out::YMap(table)) = root.get(txn, field) else {
                    return Written::Unknown;
                };
                if table.len(txn) > 0 {
                    return Written::SkippedNotEmpty;
                }
                fill_rows(txn, &table, columns, value);
                Written::Written
            }
            Self::Table(..) => Written::Unknown,
        }
    }
}

/// The sheet, its form, and what the case's other sheets offer it.
async fn gather(
    state: &AppState,
    tx: &mut Tx,
    call: &CallContext,
    id: &DocumentId,
) -> Result<(DocumentAccess, Form, Vec<Offer>), ApiError> {
    let access = tx
        .document_for(&call.caller, id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let info = access.info();
    let definition = tx.form_of(info).await?.ok_or_else(ApiError::not_found)?;
    if access.level() < Level::Edit || !call.caller.may(Capability::EditCase) {
        return Err(ApiError::forbidden());
    }
    let Some(case) = info.case.clone() else {
        return Err(ApiError::not_found());
    };
    let Some(around) = tx.case_for(&call.caller, &case).await? else {
        return Err(ApiError::not_found());
    };
    let outside = around.outside(tx).await?;
    let sheets: Vec<DocumentAccess> = around
        .documents(tx)
        .await?
        .into_iter()
        .filter(|sheet| sheet.info().id != info.id && sheet.level() >= Level::Read)
        .collect();
    let own = read(state, &info.id).await?;
    let evaluated = own.get("plan_no").and_then(Value::as_i64);
    let mut kept: HashMap<DocumentId, Map<String, Value>> = HashMap::new();
    let mut items = Vec::new();
    for field in definition.fields() {
        for carry in &field.carry {
            let Some(source) = source_of(carry, definition.forms().definitions()) else {
                continue;
            };
            let offer = |title: &str, number, value: &Value| {
                offer(&definition, field, carry, source, title, number, value)
            };
            match source {
                Source::Case(_) => {
                    let value = outside.get(&format!("case.{}", carry.field));
                    items.extend(value.and_then(|value| offer("", None, value)));
                }
                Source::Form(form, _) => {
                    let Some(sheet) = nearest(&sheets, info.number, evaluated, form, &definition)
                    else {
                        continue;
                    };
                    let from = &sheet.info().id;
                    if !kept.contains_key(from) {
                        kept.insert(from.clone(), read(state, from).await?);
                    }
                    let value = kept.get(from).and_then(|values| values.get(&carry.field));
                    let number = sheet.info().number.filter(|_| form.repeated);
                    items.extend(value.and_then(|value| offer(&form.title, number, value)));
                }
            }
        }
    }
    Ok((access, definition, items))
}

/// The sheet that a value is taken from: of the same form the one before, of plans the one that is
/// being evaluated, else the newest.
fn nearest<'a>(
    sheets: &'a [DocumentAccess],
    number: Option<i64>,
    evaluated: Option<i64>,
    form: &Definition,
    own: &Definition,
) -> Option<&'a DocumentAccess> {
    let of_form = || {
        sheets
            .iter()
            .filter(|sheet| sheet.info().form.as_deref() == Some(form.id.as_str()))
    };
    let before = |sheet: &&DocumentAccess| form.id != own.id || sheet.info().number < number;
    let named = |sheet: &&DocumentAccess| {
        sheet.info().kind == DocumentKind::Plan && sheet.info().number == evaluated
    };
    let evaluated = of_form().find(named).filter(|_| evaluated.is_some());
    evaluated.filter(|_| form.id != own.id).or_else(|| {
        of_form()
            .filter(before)
            .max_by_key(|sheet| sheet.info().number)
    })
}

fn offer(
    definition: &Definition,
    field: &Field,
    carry: &form::Carry,
    source: Source<'_>,
    title: &str,
    number: Option<i64>,
    value: &Value,
) -> Option<Offer> {
    let value = carried(definition, field, carry, source, value)?;
    Some(Offer {
        field: field.id.clone(),
        from: format!("{}.{}", carry.form, carry.field),
        title: title.to_owned(),
        number,
        value,
    })
}

/// The values of a sheet that are there.
async fn read(state: &AppState, id: &DocumentId) -> Result<Map<String, Value>, ApiError> {
    let values = state
        .hub()
        .read(id, |view| values::fields(&view.txn, &view.shape))
        .await
        .map_err(ApiError::internal)?;
    Ok(match values {
        Value::Object(values) => values
            .into_iter()
            .filter(|(_, value)| !is_empty(Some(value)))
            .collect(),
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filling::fill_sheet, operations::transcripts::tests::Town};
    use collab::identity::Author;

    async fn fill(town: &Town, id: &DocumentId, form: &str, values: Value) {
        let shape = form::catalogue().definition(form).unwrap().shape();
        let values = values.as_object().unwrap().clone();
        town.state
            .hub()
            .write_as(&Author::system(), id, move |txn| {
                fill_sheet(txn, &shape, &values);
            })
            .await
            .unwrap();
    }

    async fn make(town: &Town, form: &str) -> DocumentId {
        let path = format!("/cases/{}/sheets", town.case);
        let (status, made) = town
            .json("coordinator", "POST", &path, &json!({ "form": form }))
            .await;
        assert_eq!(status, 201, "{made}");
        made["document_id"].as_str().unwrap().into()
    }

    fn offered<'a>(offers: &'a Value, field: &str, from: &str) -> Option<&'a Value> {
        let mut items = offers["items"].as_array().unwrap().iter();
        items.find(|offer| offer["field"] == field && offer["from"] == from)
    }

    async fn taking(town: &Town, id: &DocumentId, field: &str, from: &str) -> Value {
        let body = json!({ "take": [{ "field": field, "from": from }] });
        let path = format!("/documents/{id}/carry");
        let (status, answer) = town.json("coordinator", "POST", &path, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["results"][field].clone()
    }

    #[tokio::test]
    async fn a_value_is_offered_and_written_only_where_nothing_stands() {
        let town = Town::open().await;
        let intake = &town.documents[&DocumentKind::Intake];
        fill(
            &town,
            intake,
            "intake_application",
            json!({ "request_text": "家賃が払えない" }),
        )
        .await;
        let plan = make(&town, "plan").await;
        let path = format!("/documents/{plan}/carry");
        for (who, status) in [("nobody", 401), ("stranger", 404), ("partner", 403)] {
            assert_eq!(town.get(who, &path).await.0, status, "{who}");
            let taken = town.json(who, "POST", &path, &json!({ "take": [] })).await;
            assert_eq!(taken.0, status, "{who}");
        }
        let (_, offers) = town.json("coordinator", "GET", &path, &json!(null)).await;
        let offer = offered(&offers, "goal_long", "intake_application.request_text").unwrap();
        assert_eq!(offer["value"], "家賃が払えない");
        assert_eq!(offer["title"], "相談受付・申込票");

        let from = "intake_application.request_text";
        assert_eq!(taking(&town, &plan, "goal_long", from).await, "written");
        assert_eq!(
            taking(&town, &plan, "goal_long", from).await,
            "skipped_not_empty"
        );
        assert_eq!(taking(&town, &plan, "nonsense", from).await, "unknown");
        assert_eq!(taking(&town, &plan, "policy", from).await, "unknown");
        assert_eq!(
            read(&town.state, &plan).await.unwrap()["goal_long"],
            "家賃が払えない"
        );
    }

    #[tokio::test]
    async fn the_next_plan_and_the_evaluation_follow_the_plan_before() {
        let town = Town::open().await;
        let first = make(&town, "plan").await;
        let org = town.caller("coordinator").await.viewer.agency.0;
        let items = json!([
            { "issue": "家賃の滞納", "goal": "分割で払う", "action": "同行する", "org": org, "progress": "4", "progress_note": "完済した" },
            { "issue": "孤立", "goal": "居場所に通う", "action": "見学する", "org": org },
        ]);
        let day = town.caller("coordinator").await.viewer.today.to_string();
        let values = json!({ "services": ["takikan"], "goal_long": "一人で暮らす", "policy": "見守る", "items": items, "lead_org": org, "next_review_on": day });
        fill(&town, &first, "plan", values).await;
        let (status, done) = town
            .json(
                "coordinator",
                "POST",
                &format!("/documents/{first}/finalise"),
                &json!(null),
            )
            .await;
        assert_eq!(status, 200, "{done}");

        let evaluation = make(&town, "evaluation").await;
        assert_eq!(
            read(&town.state, &evaluation).await.unwrap()["plan_no"],
            json!(1)
        );
        assert_eq!(
            taking(&town, &evaluation, "items", "plan.items").await,
            "written"
        );
        let rows = read(&town.state, &evaluation).await.unwrap()["items"].clone();
        assert_eq!(
            (&rows[0]["issue"], &rows[0]["performed"]),
            (&json!("家賃の滞納"), &json!("完済した"))
        );

        let second = make(&town, "plan").await;
        let (_, offers) = town
            .json(
                "coordinator",
                "GET",
                &format!("/documents/{second}/carry"),
                &json!(null),
            )
            .await;
        let offer = offered(&offers, "items", "plan.items").unwrap();
        assert_eq!(
            (&offer["number"], offer["value"].as_array().unwrap().len()),
            (&json!(1), 2)
        );
        assert!(offer["value"][0].get("progress").is_none(), "{offer}");
        assert_eq!(
            taking(&town, &second, "items", "plan.items").await,
            "written"
        );
        assert_eq!(
            taking(&town, &second, "items", "plan.items").await,
            "skipped_not_empty"
        );
        let kept = read(&town.state, &second).await.unwrap();
        assert_eq!(kept["items"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&kept["items"][1]["goal"], &kept["plan_kind"]),
            (&json!("居場所に通う"), &json!("re"))
        );
        // The first plan is offered nothing of the second.
        let (status, _) = town
            .json(
                "coordinator",
                "POST",
                &format!("/documents/{first}/reopen"),
                &json!(null),
            )
            .await;
        assert!(status < 300, "{status}");
        let (_, offers) = town
            .json(
                "coordinator",
                "GET",
                &format!("/documents/{first}/carry"),
                &json!(null),
            )
            .await;
        assert!(offered(&offers, "items", "plan.items").is_none());
    }
}
