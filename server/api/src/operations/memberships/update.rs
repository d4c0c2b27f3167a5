//! `PATCH /memberships/{id}`: role and last day.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{id::MembershipId, role::Role};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use store::{audit::Event, memberships::MembershipPatch};

use super::{MembershipAnswer, answer, finish, not_own};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::{accounts::admin, present},
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct UpdateMembership {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// Last day; `null` opens the end, missing leaves it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Option<Date>>,
}

/// Change a membership; sessions in it end, so that nobody goes on with former rights.
#[utoipa::path(patch, path = "/memberships/{id}", tag = "memberships", params(("id" = String, Path)), request_body = UpdateMembership,
    responses((status = 200, body = MembershipAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "conflict or own_membership")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdateMembership>,
) -> Result<Json<MembershipAnswer>, ApiError> {
    let id = MembershipId(id);
    not_own(&call, &id)?;
    let mut tx = state.db().write().await?;
    let admin = admin(&tx, &call)?;
    let patch = MembershipPatch {
        role: request.role,
        valid_to: request.valid_to,
    };
    admin
        .update_membership(&mut tx, &id, request.version, &patch)
        .await?;
    let changed = answer(&mut tx, &admin, &id).await?;
    let detail = json!({ "role": request.role, "valid_to": request.valid_to.is_some() });
    finish(
        &state,
        tx,
        Event::by(&call.caller, "membership.update", "membership", id.as_str()).detail(detail),
        id,
    )
    .await?;
    Ok(Json(changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_end_is_not_an_untouched_one() {
        let read = |text: &str| {
            serde_json::from_str::<UpdateMembership>(text)
                .unwrap()
                .valid_to
        };
        assert_eq!(read(r#"{"version":1}"#), None);
        assert_eq!(read(r#"{"version":1,"valid_to":null}"#), Some(None));
        assert!(matches!(
            read(r#"{"version":1,"valid_to":"2027-03-31"}"#),
            Some(Some(_))
        ));
    }
}
