//! `POST /postal-codes/search`: the places of a postal code, from the table that ships.

use axum::Json;
use serde::{Deserialize, Serialize};

use super::table;
use crate::{
    context::{CallContext, blocking},
    error::{ApiError, Body},
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostalCodeQuery {
    /// Seven digits in any notation: `105-0011`, `〒１０５００１１`.
    pub code: String,
}

/// Names the type alone: where somebody lives must not reach a log.
impl std::fmt::Debug for PostalCodeQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostalCodeQuery")
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PostalCodePlaces {
    /// More than one where towns share a code; none for a code that is not in use.
    pub items: Vec<PostalCodePlace>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PostalCodePlace {
    pub prefecture: &'static str,
    pub city: &'static str,
    /// Empty where the code stands for the rest of the municipality.
    pub town: &'static str,
}

/// Reads seven digits of any width; hyphens, blanks and 〒 are passed over.
fn digits(text: &str) -> Option<u32> {
    let mut number = String::new();
    for c in text.chars().take(20) {
        match c {
            '０'..='９' => number.extend(char::from_digit(c as u32 - '０' as u32, 10)),
            '0'..='9' => number.push(c),
            '-' | '－' | '‐' | '−' | 'ー' | '〒' => {}
            blank if blank.is_whitespace() => {}
            _ => return None,
        }
    }
    (number.len() == 7).then(|| number.parse().ok())?
}

/// Look up a postal code. It comes in the body: where somebody lives never stands in an address.
#[utoipa::path(post, path = "/postal-codes/search", tag = "postal codes", request_body = PostalCodeQuery,
    responses((status = 200, body = PostalCodePlaces), (status = 422, description = "invalid: not seven digits")))]
pub async fn search(
    _call: CallContext,
    Body(query): Body<PostalCodeQuery>,
) -> Result<Json<PostalCodePlaces>, ApiError> {
    let code = digits(&query.code).ok_or_else(|| ApiError::invalid_field("code", "malformed"))?;
    // The first question unpacks the table.
    let items = blocking(move || table::places(code)).await?;
    let items = items
        .into_iter()
        .map(|place| PostalCodePlace {
            prefecture: place.prefecture,
            city: place.city,
            town: place.town,
        })
        .collect();
    Ok(Json(PostalCodePlaces { items }))
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn codes_are_read_in_any_notation() {
        for text in ["1050011", "105-0011", "〒１０５－００１１", " 105 0011 "] {
            assert_eq!(digits(text), Some(1_050_011), "{text}");
        }
        for text in ["", "105001", "10500111", "105-001a", &"1".repeat(1000)] {
            assert_eq!(digits(text), None, "{text}");
        }
    }
}
