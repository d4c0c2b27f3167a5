//! Form definitions as data: the screens are built from them. No case and no person is in them, so
//! reading them is not audited.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub mod list;
pub mod show;

/// The operations on forms.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(show::show))
}
