//! Presets of the disclosure matrix (開示のひな型): what ships, and the municipality's own.

use std::collections::BTreeMap;

use domain::{
    disclosure::Level,
    disclosure_preset::{self, Preset, PresetRow},
    section::Section,
};
use serde::{Deserialize, Serialize};
use store::{Tx, disclosure_presets};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    context::CallContext, error::ApiError, operations::persons::personal_number, state::AppState,
};

pub mod create;
pub mod list;
pub mod remove;
pub mod update;

/// The operations on presets.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(update::update, remove::remove))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DisclosurePresetList {
    /// Version of what ships.
    pub version: &'static str,
    /// Those that ship first, then the municipality's own.
    pub items: Vec<DisclosurePreset>,
    /// Option list `org_type`, which rows name.
    pub org_types: Vec<OrgType>,
    /// Whether the caller may define presets.
    pub may_edit: bool,
}

/// A kind of agency.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrgType {
    pub code: String,
    pub label: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DisclosurePreset {
    pub id: String,
    /// `null` of one that ships, which nobody changes.
    pub version: Option<i64>,
    pub label: String,
    /// For whom it is meant and what it shows.
    pub description: String,
    pub rows: Vec<DisclosurePresetRow>,
}

/// Levels per section for some kinds of agencies.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisclosurePresetRow {
    /// Option list `org_type`; empty = every agency that no other row names.
    pub org_types: Vec<String>,
    /// Section → level; sections not named stay as they are.
    #[schema(value_type = BTreeMap<String, String>)]
    pub levels: BTreeMap<Section, Level>,
}

/// A preset as it is typed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct DisclosurePresetInput {
    pub label: String,
    pub description: String,
    pub rows: Vec<DisclosurePresetRow>,
}

impl DisclosurePresetInput {
    fn check(self) -> Result<Preset, ApiError> {
        personal_number::refuse([
            ("label".to_owned(), self.label.as_str()),
            ("description".to_owned(), self.description.as_str()),
        ])?;
        let preset = Preset {
            label: self.label.trim().to_owned(),
            description: self.description.trim().to_owned(),
            rows: self
                .rows
                .into_iter()
                .map(|row| PresetRow {
                    org_types: row.org_types,
                    levels: row.levels,
                })
                .collect(),
        };
        match preset.check() {
            Ok(()) => Ok(preset),
            Err((field, code)) => Err(ApiError::invalid_field(field, code)),
        }
    }
}

fn shown(id: &str, version: Option<i64>, preset: &Preset) -> DisclosurePreset {
    DisclosurePreset {
        id: id.to_owned(),
        version,
        label: preset.label.clone(),
        description: preset.description.clone(),
        rows: preset
            .rows
            .iter()
            .map(|row| DisclosurePresetRow {
                org_types: row.org_types.clone(),
                levels: row.levels.clone(),
            })
            .collect(),
    }
}

fn org_types() -> Vec<OrgType> {
    let list = domain::form::catalogue().list("org_type");
    list.into_iter()
        .flat_map(|list| &list.options)
        .map(|option| OrgType {
            code: option.code.clone(),
            label: option.label.clone(),
        })
        .collect()
}

async fn presets(tx: &mut Tx, call: &CallContext) -> Result<DisclosurePresetList, ApiError> {
    let own = disclosure_presets::list(tx, &call.caller).await?;
    let shipped = disclosure_preset::shipped()
        .iter()
        .map(|preset| shown(&preset.id, None, &preset.preset));
    Ok(DisclosurePresetList {
        version: disclosure_preset::version(),
        items: shipped
            .chain(
                own.iter()
                    .map(|own| shown(&own.id, Some(own.version), &own.preset)),
            )
            .collect(),
        org_types: org_types(),
        may_edit: call.caller.may(domain::role::Capability::AdminForms),
    })
}
