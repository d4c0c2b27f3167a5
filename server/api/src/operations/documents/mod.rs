//! Live documents: the socket, the masked projection, mask review, versions and finals.

use collab::access::Change;
use store::{Tx, documents::DocumentAccess};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::ApiError, events::CaseEvent, state::AppState};

pub mod carry;
pub mod compare;
pub mod create;
pub mod finalise;
pub mod finish_masks;
pub mod history;
pub mod keep_version;
pub mod mask_reviews;
pub mod past;
pub mod preview_masks;
pub mod projection;
pub mod reopen;
pub mod restore;
pub mod scan_masks;
pub mod show;
pub mod socket;
pub mod versions;

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(show::show))
        .routes(routes!(projection::projection))
        .routes(routes!(scan_masks::scan_masks))
        .routes(routes!(finish_masks::finish_masks))
        .routes(routes!(preview_masks::preview_masks))
        .routes(routes!(mask_reviews::mask_reviews))
        .routes(routes!(carry::offers, carry::take))
        .routes(routes!(finalise::finalise))
        .routes(routes!(reopen::reopen))
        .routes(routes!(versions::versions, keep_version::keep_version))
        .routes(routes!(history::history))
        .routes(routes!(compare::compare))
        .routes(routes!(restore::restore))
}

/// A document becomes final or a draft again: this is committed, its sockets are asked anew who may
/// write, and the case's readers are told.
async fn draft_or_final(state: &AppState, tx: Tx, access: &DocumentAccess) -> Result<(), ApiError> {
    let info = access.info();
    let change = Change::Documents(vec![info.id.clone()]);
    state.commit_rights(tx, &info.municipality, change).await?;
    if let Some(case) = &info.case {
        let document_id = info.id.clone();
        state.events().tell(
            &info.municipality,
            case,
            CaseEvent::Document { document_id },
        );
    }
    Ok(())
}
