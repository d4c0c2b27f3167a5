//! `GET /mask-reviews`: documents whose suggestions wait for a decision.

use axum::{Json, extract::State};
use serde::Serialize;
use store::masking;

use crate::{context::CallContext, error::ApiError, state::AppState};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReviewList {
    /// The longest waiting ones.
    pub items: Vec<ReviewItem>,
    /// More wait than are listed.
    pub more: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReviewItem {
    pub document_id: String,
    pub case_id: String,
    pub case_no: String,
    pub kind: &'static str,
    pub section: Option<&'static str>,
    pub pending: i64,
    pub updated_at: String,
}

/// Mask reviews waiting, oldest first.
#[utoipa::path(get, path = "/mask-reviews", tag = "masks", responses((status = 200, body = ReviewList), (status = 403)))]
pub async fn mask_reviews(
    State(state): State<AppState>,
    context: CallContext,
) -> Result<Json<ReviewList>, ApiError> {
    let mut tx = state.db().read().await?;
    let (reviews, more) = masking::reviews(&mut tx, &context.caller).await?;
    let items = reviews
        .into_iter()
        .map(|review| ReviewItem {
            document_id: review.document.0,
            case_id: review.case.0,
            case_no: review.case_no,
            kind: review.section.map_or("", domain::section::Section::code),
            section: review.section.map(domain::section::Section::code),
            pending: review.pending,
            updated_at: review.scanned_at,
        })
        .collect();
    Ok(Json(ReviewList { items, more }))
}
