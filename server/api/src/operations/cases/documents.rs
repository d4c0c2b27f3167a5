//! The live documents of a new case: made with their seeds, then filled with what the reception
//! already knows, as a write of the acting account.

use collab::identity::Author;
use domain::{id::PersonId, section::DocumentKind};
use jiff::civil::Date;
use store::{
    Caller, Tx,
    cases::{ClientRef, CreatedCase, NewCase},
};
use yrs::{Any, Map, MapPrelim, TransactionMut, WriteTxn};

use crate::{access::identity_of, error::ApiError, scanning::fresh_key, shapes, state::AppState};

/// What the reception knows of the sheets.
#[derive(Debug, Clone)]
pub(crate) struct Initial {
    pub received_on: Date,
    pub today: Date,
    pub urgency: Option<String>,
    pub route: Option<String>,
}

/// A client as a node of the network.
pub(crate) struct ClientNode {
    person: PersonId,
    label: String,
    sex: Option<String>,
    birth_date: Option<String>,
}

/// The clients as nodes. Read from what was typed where the caller (an agency) sees the register
/// only through a case.
pub(crate) async fn nodes(
    tx: &mut Tx,
    caller: &Caller,
    new: &NewCase,
    created: &CreatedCase,
) -> Result<Vec<ClientNode>, ApiError> {
    let mut out = Vec::new();
    let mut fresh = new.clients.iter().filter_map(|client| match client {
        ClientRef::New(person) => Some(person),
        ClientRef::Known { .. } => None,
    });
    let known: Vec<&PersonId> = new
        .clients
        .iter()
        .filter_map(|client| match client {
            ClientRef::Known { person_id } => Some(person_id),
            ClientRef::New(_) => None,
        })
        .collect();
    for person in &created.clients {
        let values: std::collections::BTreeMap<String, String> = if known.contains(&person) {
            let Some(access) = tx.person_for(caller, person).await? else {
                continue;
            };
            access
                .person(tx)
                .await?
                .map(|found| found.fields)
                .unwrap_or_default()
        } else {
            let facts = fresh
                .next()
                .map(|person| person.facts.clone())
                .unwrap_or_default();
            facts
                .into_iter()
                .map(|fact| (fact.field, fact.value))
                .collect()
        };
        out.push(ClientNode {
            person: person.clone(),
            label: values
                .get("name")
                .cloned()
                .unwrap_or_else(|| "匿名".to_owned()),
            sex: values.get("gender").cloned(),
            birth_date: values.get("birth_date").cloned(),
        });
    }
    Ok(out)
}

/// Makes the documents. Doing it again does nothing.
pub(crate) async fn make(
    state: &AppState,
    caller: &Caller,
    created: &CreatedCase,
    initial: &Initial,
    people: Vec<ClientNode>,
) -> Result<(), ApiError> {
    let mut tx = state.db().read().await?;
    let forms = tx.forms(&caller.viewer.municipality).await?;
    drop(tx);
    let shape = |kind| {
        shapes::of(kind, &forms)
            .ok_or_else(|| ApiError::internal("no shape for this kind of document"))
    };
    for (kind, id) in &created.documents {
        state
            .hub()
            .create(id, &*shape(*kind)?)
            .await
            .map_err(ApiError::internal)?;
    }
    let masks = shape(DocumentKind::Masks)?;
    for (_, id) in &created.masks {
        state
            .hub()
            .create(id, &masks)
            .await
            .map_err(ApiError::internal)?;
    }
    let author: Author = identity_of(caller).author();
    let mut people = Some(people);
    for (kind, id) in &created.documents {
        let values = values(*kind, caller, created, initial);
        let nodes = if *kind == DocumentKind::Network {
            people.take().unwrap_or_default()
        } else {
            Vec::new()
        };
        if values.is_empty() && nodes.is_empty() {
            continue;
        }
        state
            .hub()
            .write_as(&author, id, move |txn| {
                fill(txn, values);
                place(txn, nodes);
            })
            .await
            .map_err(ApiError::internal)?;
    }
    Ok(())
}

/// Fields of a sheet that are known at reception.
fn values(
    kind: DocumentKind,
    caller: &Caller,
    created: &CreatedCase,
    initial: &Initial,
) -> Vec<(&'static str, String)> {
    let account = caller.viewer.account.0.clone();
    let mut out = Vec::new();
    match kind {
        DocumentKind::Intake => {
            out.push(("received_on", initial.received_on.to_string()));
            out.push(("received_by", account));
            out.push(("received_org", caller.viewer.agency.0.clone()));
            out.extend(
                created
                    .clients
                    .first()
                    .map(|client| ("person_ref", client.0.clone())),
            );
        }
        DocumentKind::Assessment => {
            out.push(("first_received_on", initial.received_on.to_string()));
            out.push(("created_on", initial.today.to_string()));
            out.push(("assignees", account));
            out.extend(initial.urgency.clone().map(|code| ("urgency", code)));
            out.extend(initial.route.clone().map(|code| ("route", code)));
        }
        _ => {}
    }
    out
}

fn fill(txn: &mut TransactionMut<'_>, values: Vec<(&'static str, String)>) {
    if values.is_empty() {
        return;
    }
    let fields = txn.get_or_insert_map("fields");
    for (field, value) in values {
        // It may have been done before, and somebody may have been there since.
        if fields.get(txn, field).is_none() {
            fields.insert(txn, field, Any::from(value));
        }
    }
}

fn place(txn: &mut TransactionMut<'_>, people: Vec<ClientNode>) {
    if people.is_empty() {
        return;
    }
    let nodes = txn.get_or_insert_map("nodes");
    if nodes.len(txn) > 0 {
        return;
    }
    for (at, person) in people.into_iter().enumerate() {
        let mut entries: Vec<(&str, Any)> = vec![
            ("kind", Any::from("person")),
            ("person_id", Any::from(person.person.0)),
            ("label", Any::from(person.label)),
        ];
        if at == 0 {
            entries.push(("index", Any::from(true)));
        }
        entries.extend(person.sex.map(|sex| ("sex", Any::from(sex))));
        entries.extend(person.birth_date.map(|day| ("birth_date", Any::from(day))));
        nodes.insert(txn, fresh_key(), MapPrelim::from_iter(entries));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_fields_filled_at_reception_exist_in_the_forms() {
        for (form, fields) in [
            (
                "intake_application",
                &["received_on", "received_by", "received_org", "person_ref"][..],
            ),
            (
                "intake_assessment",
                &[
                    "first_received_on",
                    "created_on",
                    "assignees",
                    "urgency",
                    "route",
                ][..],
            ),
        ] {
            let definition = domain::form::catalogue().definition(form).unwrap();
            for field in fields {
                assert!(
                    definition
                        .field(field)
                        .is_some_and(domain::form::Field::is_stored),
                    "{form}.{field}"
                );
            }
        }
    }
}
