//! `POST /persons/alike`: who of the register may be the person that is being typed in (名寄せ).

use axum::{Json, extract::State};
use domain::likeness::{Grade, Identity};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::audit::{self, Event};

use super::{PersonSummary, closed, person_cases, summary};
use crate::{
    context::CallContext,
    error::{ApiError, Body},
    state::AppState,
};

closed!(AlikeQuery, AlikePerson);

/// What is known so far of somebody; everything may be missing.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlikeQuery {
    pub name: Option<String>,
    /// Hiragana or katakana.
    pub kana: Option<String>,
    /// ISO date, of which the day or the month too may be missing.
    pub birth_date: Option<String>,
    /// Any notation.
    pub phone: Option<String>,
    pub address: Option<String>,
    /// At most 20; 5 when missing.
    pub limit: Option<usize>,
}

/// Longest value that is compared, in characters.
const LONGEST: usize = 200;

impl AlikeQuery {
    fn identity(&self) -> Result<Identity, ApiError> {
        let mut out = Identity::default();
        for (path, field, value) in [
            ("name", "name", &self.name),
            ("kana", "name_kana", &self.kana),
            ("birth_date", "birth_date", &self.birth_date),
            ("phone", "phone_mobile", &self.phone),
            ("address", "address", &self.address),
        ] {
            let Some(value) = value else { continue };
            if value.chars().count() > LONGEST {
                return Err(ApiError::invalid_field(path, "too_long"));
            }
            out.add(field, value);
        }
        Ok(out)
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct AlikePerson {
    #[serde(flatten)]
    pub person: PersonSummary,
    /// The strongest first: `name`, `name_variant`, `name_swapped`, `kana`, `kana_swapped`,
    /// `kana_like`, `given_name`, `birth_date`, `birth_year`, `phone`, `address`.
    pub reasons: Vec<&'static str>,
    /// Both birth dates are known and not the same.
    pub birth_differs: bool,
    /// Not only a telephone that a household may share.
    pub likely: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AlikeList {
    pub items: Vec<AlikePerson>,
}

/// Persons who may be the one described, the most alike first; of those whom the caller may see, by
/// what the caller may see of them.
#[utoipa::path(post, path = "/persons/alike", tag = "persons", request_body = AlikeQuery,
    responses((status = 200, body = AlikeList), (status = 403, description = "forbidden"), (status = 422, description = "invalid")))]
pub async fn alike(
    State(state): State<AppState>,
    call: CallContext,
    Body(query): Body<AlikeQuery>,
) -> Result<Json<AlikeList>, ApiError> {
    let who = query.identity()?;
    let limit = query.limit.unwrap_or(5).clamp(1, 20);
    let mut tx = state.db().read().await?;
    let today = call.caller.viewer.today;
    let items: Vec<AlikePerson> = tx
        .alike(&call.caller, &who, None, limit)
        .await?
        .into_iter()
        .map(|alike| AlikePerson {
            reasons: alike
                .likeness
                .reasons
                .iter()
                .map(|why| why.code())
                .collect(),
            birth_differs: alike.likeness.birth_differs,
            likely: alike.likeness.grade() == Some(Grade::Likely),
            person: summary(&alike.person, person_cases(alike.cases), today),
        })
        .collect();
    let terms = [
        query.name,
        query.kana,
        query.birth_date,
        query.phone,
        query.address,
    ];
    let terms: Vec<String> = terms.into_iter().flatten().collect();
    let event = Event::by(&call.caller, "person.alike", "person", "")
        .terms(terms.join(" "))
        .detail(json!({ "count": items.len() }));
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(AlikeList { items }))
}
