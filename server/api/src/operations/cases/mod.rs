//! Cases: list, reception, detail, disclosure, members, consent, 支援経過, and who looked.
//!
//! **Invariant:** a handler reaches a case only by [`open`], which asks the policy; a case that is
//! not shown answers 404, like one that does not exist.

use collab::access::Change;
use domain::id::{CaseId, DocumentId};
use store::{
    CaseAccess, Tx,
    audit::{self, Event, Outcome},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{context::CallContext, error::ApiError, events::CaseEvent, state::AppState};

pub mod access_log;
pub mod add_member;
pub mod add_person;
pub mod add_progress;
pub mod amend_progress;
pub mod answers;
pub mod change_stage;
pub mod consents;
pub mod course;
pub mod create;
pub mod create_sheet;
pub(crate) mod documents;
pub mod events;
pub mod list;
pub mod list_consents;
pub mod list_members;
pub mod list_progress;
pub(crate) mod masked;
pub mod passed_on;
mod plan_items;
pub mod progress;
pub mod progress_desk;
pub mod progress_drafts;
pub mod register_consent;
pub mod reminders;
pub mod remove_member;
pub mod search;
pub mod set_disclosures;
pub mod sharing;
pub mod show;
pub mod show_disclosures;
pub mod update;
pub mod view_as;

/// The operations on cases. The stream of events ([`events::events`]) is mounted beside them, where no
/// time-out ends it.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(search::search))
        .routes(routes!(show::show, update::update))
        .routes(routes!(change_stage::change_stage))
        .routes(routes!(course::course))
        .routes(routes!(create_sheet::create_sheet))
        .routes(routes!(add_person::add_person))
        .routes(routes!(
            show_disclosures::show_disclosures,
            set_disclosures::set_disclosures
        ))
        .routes(routes!(list_members::list_members, add_member::add_member))
        .routes(routes!(remove_member::remove_member))
        .routes(routes!(
            list_consents::list_consents,
            register_consent::register_consent
        ))
        .routes(routes!(
            list_progress::list_progress,
            add_progress::add_progress
        ))
        .routes(routes!(list_progress::search_progress))
        .routes(routes!(amend_progress::amend_progress))
        .routes(routes!(progress_desk::progress_desk))
        .routes(routes!(progress_drafts::keep))
        .routes(routes!(progress_drafts::take))
        .routes(routes!(progress_drafts::discard))
        .routes(routes!(view_as::view_as))
        .routes(routes!(access_log::access_log))
        .routes(routes!(passed_on::passed_on))
        .routes(routes!(reminders::reminders))
}

/// Whether a transaction reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// Begins a transaction and asks for the case. What the caller may not see is 404, and the attempt
/// is written down.
///
/// # Errors
/// 404.
pub(crate) async fn open(
    state: &AppState,
    call: &CallContext,
    id: &CaseId,
    mode: Mode,
) -> Result<(Tx, CaseAccess), ApiError> {
    let mut tx = match mode {
        Mode::Read => state.db().read().await?,
        Mode::Write => state.db().write().await?,
    };
    if let Some(access) = tx.case_for(&call.caller, id).await? {
        return Ok((tx, access));
    }
    // What came in as an id is written down only when it looks like one.
    let object = if is_id(id.as_str()) {
        id.0.clone()
    } else {
        String::new()
    };
    audit::record(
        &mut tx,
        Event::by(&call.caller, "case.view", "case", object).outcome(Outcome::Denied),
    );
    tx.commit().await?;
    Err(ApiError::not_found())
}

pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// An event of the caller about the case.
pub(crate) fn event(call: &CallContext, action: &'static str, case: &CaseId) -> Event {
    Event::by(&call.caller, action, "case", case.as_str()).in_case(case)
}

/// The documents whose sockets must be checked again; asked before the commit.
pub(crate) async fn affected(
    tx: &mut Tx,
    access: &CaseAccess,
) -> Result<Vec<DocumentId>, ApiError> {
    Ok(tx
        .documents_of(&access.caller().viewer.municipality, access.id())
        .await?)
}

/// Commits a change of rights: open sockets are checked again, open screens fetch again.
pub(crate) async fn rights_changed(
    state: &AppState,
    tx: Tx,
    access: &CaseAccess,
    documents: Vec<DocumentId>,
) -> Result<(), ApiError> {
    let municipality = &access.caller().viewer.municipality;
    let change = Change::Documents(documents);
    state.commit_rights(tx, municipality, change).await?;
    tell(state, access, CaseEvent::Case);
    Ok(())
}

/// Tells open screens.
pub(crate) fn tell(state: &AppState, access: &CaseAccess, event: CaseEvent) {
    state
        .events()
        .tell(&access.caller().viewer.municipality, access.id(), event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_an_id_goes_into_the_log() {
        assert!(is_id("0190f3c0aa0070008000000000000001"));
        assert!(!is_id("架空太郎"));
        assert!(!is_id("0190f3c0-aa00-7000-8000-000000000001"));
    }
}
