//! `GET /documents/{id}/comparison`: what differs between two moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, State},
};
use collab::{
    Past,
    difference::{self, Kind as PieceKind},
    hub::FieldAuthor,
};
use domain::{clock::instant_text, id::DocumentId, section::DocumentKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    audit::{self, Event},
    documents::DocumentAccess,
};

use super::{
    past::{self, Kind, LastChange, MomentKind, Names, Place},
    versions::{VersionItem, version_item},
};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

/// How long the best comparison of one text is looked for.
const PATIENCE: Duration = Duration::from_millis(500);
/// The present state, in place of a version's id.
const NOW: &str = "now";

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ComparisonQuery {
    /// Id of a version.
    pub from: String,
    /// Id of a version, or `now`.
    #[serde(default = "now")]
    pub to: String,
}

fn now() -> String {
    NOW.to_owned()
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ComparisonAnswer {
    pub section: Option<&'static str>,
    pub from: VersionItem,
    pub to: VersionItem,
    /// Only fields that differ, in the order of the screen.
    pub fields: Vec<FieldDifference>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FieldDifference {
    pub field: String,
    pub label: String,
    /// Heading of the form under which the field stands.
    pub heading: Option<String>,
    #[serde(flatten)]
    pub difference: Difference,
    /// Rows of a table that differ: as they stand now, then those that are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RowDifference>>,
    /// Who changed the field last, no later than the second moment.
    pub last: Option<LastChange>,
}

/// Of a text its pieces, of anything else the two values.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Difference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Vec<TextPiece>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Same,
    Added,
    Removed,
    /// Of a row: some of its cells.
    Changed,
    /// Of a row: only its place.
    Moved,
}

#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TextPiece {
    pub kind: ChangeKind,
    pub text: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RowDifference {
    pub id: String,
    pub kind: ChangeKind,
    /// What it is called, where rows have names (世帯・関係).
    pub name: Option<String>,
    /// Place in the table, from 1.
    pub number_before: Option<usize>,
    pub number_after: Option<usize>,
    pub cells: Vec<CellDifference>,
    pub last: Option<LastChange>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CellDifference {
    pub column: String,
    pub label: String,
    #[serde(flatten)]
    pub difference: Difference,
}

/// Compare two moments, field by field. For readers of the original.
#[utoipa::path(get, path = "/documents/{id}/comparison", tag = "documents", params(("id" = String, Path), ComparisonQuery),
    responses((status = 200, body = ComparisonAnswer), (status = 404, description = "also a version that is none (any more)")))]
pub async fn compare(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Query(query): Query<ComparisonQuery>,
) -> Result<Json<ComparisonAnswer>, ApiError> {
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = past::readable(&mut tx, &call.caller, &id).await?;
    drop(tx);
    let answer = comparison(&state, &access, &query.from, &query.to).await?;
    let mut tx = state.db().read().await?;
    // Only ids that are some come this far.
    let mut event = Event::by(&call.caller, "document.compare", "document", id.as_str())
        .detail(json!({ "from": query.from, "to": query.to, "fields": answer.fields.len() }));
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;
    Ok(Json(answer))
}

async fn comparison(
    state: &AppState,
    access: &DocumentAccess,
    from: &str,
    to: &str,
) -> Result<ComparisonAnswer, ApiError> {
    let id = &access.info().id;
    let present = past::present(state, access).await?;
    let earlier = past::version(state, id, present.epoch, from).await?;
    let later = match to {
        NOW => None,
        to => Some(past::version(state, id, present.epoch, to).await?),
    };
    let runs = state.hub().authors_of(id).await.map_err(past::refused)?;
    let mut tx = state.db().read().await?;
    let authors = runs
        .iter()
        .map(|run| &run.authored.author)
        .chain([&earlier.author])
        .chain(later.as_ref().map(|version| &version.author));
    let names = Names::of(&mut tx, &access.info().municipality, authors).await?;
    let form = tx.form_of(access.info()).await?;
    drop(tx);
    let to = match &later {
        Some(version) => version_item(version, &names),
        None => VersionItem {
            id: NOW.to_owned(),
            seq: present.seq,
            at: instant_text(state.clock().now()),
            kind: MomentKind::Now,
            label: None,
            restored_from: None,
            by: None,
        },
    };
    let from = version_item(&earlier, &names);
    let section = past::section(access);
    let kind = access.info().kind;
    let fields = tokio::task::spawn_blocking(move || {
        let read = |state: &[u8]| {
            Past::open(&present.shape, state).map(|past| past::fields_of(kind, &past))
        };
        let until = later.as_ref().map(|version| version.at);
        let mut before = read(&earlier.state)?;
        let mut after = match &later {
            Some(version) => read(&version.state)?,
            None => present.values,
        };
        if kind == DocumentKind::Network {
            past::name_ends(&mut before);
            past::name_ends(&mut after);
        }
        let told = Told {
            runs: &runs,
            names: &names,
            until,
        };
        Some(differences(
            &past::places(kind, form.as_deref()),
            &before,
            &after,
            &told,
        ))
    })
    .await
    .map_err(ApiError::internal)?
    .ok_or_else(|| ApiError::internal("a version cannot be read"))?;
    Ok(ComparisonAnswer {
        section,
        from,
        to,
        fields,
    })
}

struct Told<'t> {
    runs: &'t [FieldAuthor],
    names: &'t Names,
    until: Option<Timestamp>,
}

impl Told<'_> {
    fn last(&self, path: &str) -> Option<LastChange> {
        past::last_change(self.runs, self.names, path, self.until)
    }
}

fn differences(
    places: &[Place],
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    told: &Told<'_>,
) -> Vec<FieldDifference> {
    places
        .iter()
        .filter_map(|place| {
            let (then, now) = (before.get(&place.id), after.get(&place.id));
            let (difference, rows) = match &place.kind {
                Kind::Table(columns) => {
                    let rows = rows(&place.id, columns, then, now, told);
                    if rows.is_empty() {
                        return None;
                    }
                    (Difference::default(), Some(rows))
                }
                kind => (cell(*kind == Kind::Text, then, now)?, None),
            };
            Some(FieldDifference {
                field: place.id.clone(),
                label: place.label.clone(),
                heading: place.section.clone(),
                difference,
                rows,
                last: told.last(&place.id),
            })
        })
        .collect()
}

/// `None` when both are the same, or both empty.
fn cell(text: bool, then: Option<&Value>, now: Option<&Value>) -> Option<Difference> {
    let filled = |value: Option<&Value>| {
        value
            .filter(|value| !domain::form::is_empty(Some(value)))
            .cloned()
    };
    let (then, now) = (filled(then), filled(now));
    if then == now {
        return None;
    }
    if !text {
        return Some(Difference {
            pieces: None,
            before: then,
            after: now,
        });
    }
    let words = |value: &Option<Value>| {
        value
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let pieces = difference::pieces(&words(&then), &words(&now), PATIENCE)
        .into_iter()
        .map(|piece| TextPiece {
            kind: match piece.kind {
                PieceKind::Same => ChangeKind::Same,
                PieceKind::Added => ChangeKind::Added,
                PieceKind::Removed => ChangeKind::Removed,
            },
            text: piece.text,
        })
        .collect();
    Some(Difference {
        pieces: Some(pieces),
        ..Difference::default()
    })
}

fn rows(
    table: &str,
    columns: &[(String, String, bool)],
    then: Option<&Value>,
    now: Option<&Value>,
    told: &Told<'_>,
) -> Vec<RowDifference> {
    let list = |value: Option<&Value>| -> Vec<(String, Value)> {
        value
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|row| Some((row["id"].as_str()?.to_owned(), row.clone())))
            .collect()
    };
    let (then, now) = (list(then), list(now));
    let place = |rows: &[(String, Value)], id: &str| rows.iter().position(|(known, _)| known == id);
    // Rows of both moments, in the two orders: whoever has another place among them was moved.
    let kept: BTreeSet<&str> = then
        .iter()
        .filter(|(id, _)| place(&now, id).is_some())
        .map(|(id, _)| id.as_str())
        .collect();
    let order = |rows: &'_ [(String, Value)]| -> Vec<String> {
        rows.iter()
            .filter(|(id, _)| kept.contains(id.as_str()))
            .map(|(id, _)| id.clone())
            .collect()
    };
    let (order_then, order_now) = (order(&then), order(&now));
    let ids = now.iter().map(|(id, _)| id).chain(
        then.iter()
            .map(|(id, _)| id)
            .filter(|id| place(&now, id).is_none()),
    );
    ids.filter_map(|id| {
        let (at_then, at_now) = (place(&then, id), place(&now, id));
        let row_then = at_then.map(|at| &then[at].1);
        let row_now = at_now.map(|at| &now[at].1);
        let cells: Vec<CellDifference> = columns
            .iter()
            .filter_map(|(column, label, text)| {
                let of = |row: Option<&Value>| row.and_then(|row| row.get(column)).cloned();
                let difference = cell(*text, of(row_then).as_ref(), of(row_now).as_ref())?;
                Some(CellDifference {
                    column: column.clone(),
                    label: label.clone(),
                    difference,
                })
            })
            .collect();
        let moved = || {
            let key = |row: Option<&Value>| row.and_then(|row| row.get("order")).cloned();
            let at = |order: &[String]| order.iter().position(|known| known == id);
            key(row_then) != key(row_now) && at(&order_then) != at(&order_now)
        };
        let kind = match (at_then, at_now) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ if !cells.is_empty() => ChangeKind::Changed,
            _ if moved() => ChangeKind::Moved,
            _ => return None,
        };
        Some(RowDifference {
            id: id.clone(),
            kind,
            name: row_now
                .or(row_then)
                .and_then(|row| past::row_name(table, row)),
            number_before: at_then.map(|at| at + 1),
            number_after: at_now.map(|at| at + 1),
            cells,
            last: told.last(&format!("{table}/{id}")),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(difference: &Difference) -> String {
        let pieces = difference.pieces.as_deref().unwrap_or_default();
        pieces
            .iter()
            .map(|piece| match piece.kind {
                ChangeKind::Added => format!("[+{}+]", piece.text),
                ChangeKind::Removed => format!("[-{}-]", piece.text),
                _ => piece.text.clone(),
            })
            .collect()
    }

    #[test]
    fn empty_and_missing_are_one_and_texts_are_compared_in_pieces() {
        assert!(cell(true, None, Some(&json!(""))).is_none());
        assert!(cell(false, Some(&json!([])), None).is_none());
        assert!(cell(false, Some(&json!("self")), Some(&json!("self"))).is_none());
        let text = cell(
            true,
            Some(&json!("夜は眠れない")),
            Some(&json!("夜は少し眠れる")),
        );
        assert_eq!(shown(&text.unwrap()), "夜は[+少し+]眠れ[-ない-][+る+]");
        let value = cell(false, Some(&json!("self")), None).unwrap();
        assert_eq!((value.before, value.after), (Some(json!("self")), None));
    }

    #[test]
    fn a_network_is_told_in_names() {
        let network = |home: Value| {
            BTreeMap::from([
                (
                    "nodes".to_owned(),
                    json!([{"id": "n1", "label": "花子"}, {"id": "n2", "label": "包括"}]),
                ),
                (
                    "ties".to_owned(),
                    json!([{"id": "t1", "from": "n1", "to": "n2"}]),
                ),
                (
                    "households".to_owned(),
                    json!([{"id": "h1", "name": "家", "members": home}]),
                ),
            ])
        };
        let (mut then, mut now) = (network(json!(["n1"])), network(json!(["n1", "gone"])));
        past::name_ends(&mut then);
        past::name_ends(&mut now);
        let names = Names::nobody();
        let told = Told {
            runs: &[],
            names: &names,
            until: None,
        };
        let places = past::places(DocumentKind::Network, None);
        let found = differences(&places, &then, &now, &told);
        assert_eq!(found.len(), 1);
        let row = &found[0].rows.as_ref().unwrap()[0];
        assert_eq!(row.name.as_deref(), Some("家"));
        assert_eq!(row.cells[0].difference.before, Some(json!(["花子"])));
        assert_eq!(
            row.cells[0].difference.after,
            Some(json!(["花子", "（図にない人・機関）"]))
        );
        assert_eq!(
            past::row_name("ties", &now["ties"][0]).as_deref(),
            Some("花子 と 包括")
        );
    }

    #[test]
    fn rows_are_told_by_their_ids() {
        let columns = [
            ("name".to_owned(), "氏名".to_owned(), true),
            ("age".to_owned(), "年齢".to_owned(), false),
        ];
        let then = json!([
            {"id": "r1", "order": "a0", "name": "花子", "age": 70},
            {"id": "r2", "order": "a1", "name": "健一"},
            {"id": "r3", "order": "a2", "name": "由香"},
            {"id": "r4", "order": "a3", "name": "誠"},
        ]);
        let now = json!([
            {"id": "r4", "order": "Zz", "name": "誠"},
            {"id": "r1", "order": "a0", "name": "花子", "age": 71},
            {"id": "r3", "order": "a2", "name": "由香"},
            {"id": "r5", "order": "a3", "name": "実"},
        ]);
        let names = Names::nobody();
        let told = Told {
            runs: &[],
            names: &names,
            until: None,
        };
        let found = rows("family", &columns, Some(&then), Some(&now), &told);
        let all: Vec<_> = found
            .iter()
            .map(|row| {
                (
                    row.id.as_str(),
                    row.kind,
                    row.number_before,
                    row.number_after,
                )
            })
            .collect();
        assert_eq!(
            all,
            [
                ("r4", ChangeKind::Moved, Some(4), Some(1)),
                ("r1", ChangeKind::Changed, Some(1), Some(2)),
                ("r5", ChangeKind::Added, None, Some(4)),
                ("r2", ChangeKind::Removed, Some(2), None),
            ]
        );
        assert_eq!(found[1].cells.len(), 1);
        assert_eq!(found[1].cells[0].difference.after, Some(json!(71)));
        assert_eq!(shown(&found[2].cells[0].difference), "[+実+]");
    }
}
