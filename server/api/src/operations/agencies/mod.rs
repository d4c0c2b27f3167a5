//! Agencies of the municipality. Their names are no secret within it: every signed-in role may
//! read them, for pickers and 「この記録を見られる機関」.

use domain::id::AgencyId;
use serde::Serialize;
use store::{Tx, agencies};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, error::ApiError, state::AppState};

pub mod create;
pub mod list;
pub mod reactivate;
pub mod stop;
pub mod update;

/// The operations on agencies.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(update::update))
        .routes(routes!(stop::stop))
        .routes(routes!(reactivate::reactivate))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AgencyAnswer {
    pub id: String,
    pub name: String,
    /// `coordinator`, `department` or `agency`.
    pub class: &'static str,
    pub class_label: &'static str,
    /// Option list `org_type`.
    pub org_type: Option<String>,
    pub phone: Option<String>,
    /// `false` = stopped.
    pub active: bool,
    pub version: i64,
}

impl From<agencies::Agency> for AgencyAnswer {
    fn from(agency: agencies::Agency) -> Self {
        Self {
            id: agency.id.0,
            name: agency.name,
            class: agency.class.code(),
            class_label: agency.class.label_ja(),
            org_type: agency.org_type,
            phone: agency.phone,
            active: agency.active,
            version: agency.version,
        }
    }
}

async fn answer(tx: &mut Tx, call: &CallContext, id: &AgencyId) -> Result<AgencyAnswer, ApiError> {
    let agency = agencies::get(tx, &call.caller.viewer.municipality, id)
        .await?
        .ok_or_else(ApiError::not_found)?;
    Ok(agency.into())
}
