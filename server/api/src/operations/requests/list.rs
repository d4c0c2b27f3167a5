//! `GET /requests`: 「届いた依頼」 and 「出した依頼」.

use axum::{Json, extract::State};
use store::{
    audit::{self, Event},
    requests,
};

use super::{RequestAnswer, RequestList};
use crate::{context::Unattended, error::ApiError, state::AppState};

/// What the caller's agency was asked and what it asked, up to 300 of them; `received` and `sent` tell
/// them apart. Assignments only of the caller.
#[utoipa::path(get, path = "/requests", tag = "requests",
    responses((status = 200, body = RequestList), (status = 403, description = "forbidden")))]
pub async fn list(
    State(state): State<AppState>,
    Unattended(caller): Unattended,
) -> Result<Json<RequestList>, ApiError> {
    let mut tx = state.db().read().await?;
    let found = requests::of_caller(&mut tx, &caller).await?;
    let ids: Vec<&str> = found.iter().map(|view| view.id.as_str()).collect();
    audit::record(
        &mut tx,
        Event::by(&caller, "request.list", "request", "")
            .detail(serde_json::json!({ "requests": ids })),
    );
    tx.commit().await?;
    let today = caller.viewer.today;
    Ok(Json(RequestList {
        items: found
            .into_iter()
            .map(|view| RequestAnswer::of(view, today))
            .collect(),
    }))
}
