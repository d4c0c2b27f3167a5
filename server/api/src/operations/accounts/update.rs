//! `PATCH /accounts/{id}`: name and the like. The login id stays.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::id::AccountId;
use serde::Deserialize;
use serde_json::json;
use store::{
    accounts::AccountPatch,
    audit::{self, Event},
};

use super::{AccountAnswer, admin, answer};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    operations::present,
    state::AppState,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct UpdateAccount {
    /// The version that was read; another one in between answers 409.
    pub version: i64,
    pub name: Option<String>,
    /// Missing: as it is; `null` or blank: emptied. So with the next two.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub kana: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub profession: Option<Option<String>>,
}

fn filled(given: Option<Option<String>>) -> Option<Option<String>> {
    given.map(|value| {
        value
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    })
}

/// Change an account.
#[utoipa::path(patch, path = "/accounts/{id}", tag = "accounts", params(("id" = String, Path)), request_body = UpdateAccount,
    responses((status = 200, body = AccountAnswer), (status = 403, description = "forbidden"), (status = 404, description = "not_found"), (status = 409, description = "conflict")))]
pub async fn update(
    State(state): State<AppState>,
    call: CallContext,
    Path(id): Path<String>,
    Body(request): Body<UpdateAccount>,
) -> Result<Json<AccountAnswer>, ApiError> {
    let id = AccountId(id);
    let fields: Vec<&str> = [
        ("name", request.name.is_some()),
        ("kana", request.kana.is_some()),
        ("email", request.email.is_some()),
        ("profession", request.profession.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect();
    let patch = AccountPatch {
        name: request.name,
        kana: filled(request.kana),
        email: filled(request.email),
        profession: filled(request.profession),
    };
    let mut tx = state.db().write().await?;
    let admin = admin(&tx, &call)?;
    admin
        .update_account(&mut tx, &id, request.version, &patch)
        .await?;
    let event = Event::by(&call.caller, "account.update", "account", id.as_str());
    audit::record(&mut tx, event.detail(json!({ "fields": fields })));
    let changed = answer(&mut tx, &admin, &id).await?;
    tx.commit().await?;
    Ok(Json(changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_is_not_null() {
        let read = |text: &str| {
            let request: UpdateAccount = serde_json::from_str(text).unwrap();
            (filled(request.kana), filled(request.email))
        };
        assert_eq!(read(r#"{"version":1}"#), (None, None));
        assert_eq!(
            read(r#"{"version":1,"kana":null,"email":" "}"#),
            (Some(None), Some(None))
        );
        assert_eq!(
            read(r#"{"version":1,"kana":"あおば "}"#),
            (Some(Some("あおば".to_owned())), None)
        );
    }
}
