//! `GET /documents/{id}/history`: who wrote what in which field, and when.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Path, State},
};
use collab::history::{Contribution, What, contributions};
use domain::{clock::instant_text, id::DocumentId, section::DocumentKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::audit::{self, Event};

use super::past::{self, Kind, Names, Person, Place};
use crate::{
    context::CallContext,
    error::{ApiError, Query},
    state::AppState,
};

/// Most characters of words in one part; the rest is in the sheet.
const MOST_WORDS: usize = 400;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
pub struct HistoryQuery {
    /// A field, or `table/row`.
    pub field: Option<String>,
    pub account_id: Option<String>,
    pub agency_id: Option<String>,
    pub cursor: Option<String>,
    /// At most 200; 50 when missing.
    pub limit: Option<usize>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryList {
    /// The section of the case that the document is.
    pub section: Option<&'static str>,
    pub items: Vec<HistoryItem>,
    pub next_cursor: Option<String>,
    /// Everybody who wrote in the document, whatever was asked for.
    pub people: Vec<Person>,
    /// Every field that was written in, in the order of the screen.
    pub fields: Vec<HistoryField>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryField {
    pub id: String,
    pub label: String,
}

/// What one person did in one field, or in one row of a table, with pauses of some minutes at most.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryItem {
    pub id: String,
    /// Beginning, exact to the minute.
    pub since: String,
    pub until: String,
    /// Null for the server's own work.
    pub by: Option<Person>,
    /// Null for what was in a row that is gone.
    pub field: Option<String>,
    pub label: Option<String>,
    /// Id of the row of a table.
    pub row: Option<String>,
    /// Its present place, from 1; null when it is gone.
    pub row_number: Option<usize>,
    /// What it is called, where rows have names (世帯・関係).
    pub row_name: Option<String>,
    pub parts: Vec<HistoryPart>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryKind {
    Text,
    Value,
    Cleared,
    RowAdded,
    RowRemoved,
    /// Of a row or a node: its place.
    Moved,
}

#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct HistoryPart {
    /// `summary`, `table/row/column`, `choices/money`.
    pub path: String,
    /// Label of the column, where the field is a table.
    pub label: Option<String>,
    pub kind: HistoryKind,
    /// Characters (UTF-16 units) put in, of a text.
    pub inserted: u32,
    /// Characters taken away: own ones and others'. The words are gone for good.
    pub deleted: u32,
    /// The words that are still there, in the order of writing.
    pub words: Vec<String>,
    /// There are more words than are given here.
    pub more: bool,
    /// The value, as long as nobody wrote another.
    pub value: Option<Value>,
}

/// Contributions, the newest first. For readers of the original; nobody else learns that there are any.
#[utoipa::path(get, path = "/documents/{id}/history", tag = "documents", params(("id" = String, Path), HistoryQuery),
    responses((status = 200, body = HistoryList), (status = 404), (status = 422, description = "invalid")))]
pub async fn history(
    State(state): State<AppState>,
    Path(id): Path<String>,
    call: CallContext,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryList>, ApiError> {
    let before = query.cursor.as_deref().map(read_cursor).transpose()?;
    let id: DocumentId = id.into();
    let mut tx = state.db().read().await?;
    let access = past::readable(&mut tx, &call.caller, &id).await?;
    let mut event = Event::by(&call.caller, "document.history", "document", id.as_str());
    event.case.clone_from(&access.info().case);
    audit::record(&mut tx, event);
    tx.commit().await?;

    let runs = state.hub().authors_of(&id).await.map_err(past::refused)?;
    let present = past::present(&state, &access).await?;
    let mut values = present.values;
    let nodes = past::node_names(&values);
    if access.info().kind == DocumentKind::Network {
        past::name_ends(&mut values);
    }
    let all =
        tokio::task::spawn_blocking(move || contributions(&present.shape, &runs, &present.update))
            .await
            .map_err(ApiError::internal)?;

    let mut tx = state.db().read().await?;
    let municipality = &access.info().municipality;
    let names = Names::of(&mut tx, municipality, all.iter().map(|c| &c.author)).await?;
    let form = tx.form_of(access.info()).await?;
    drop(tx);
    let places = past::places(access.info().kind, form.as_deref());
    let people: BTreeMap<_, Person> = all
        .iter()
        .filter_map(|c| {
            let key = (c.author.agency.clone(), c.author.account.clone());
            Some((key, names.person(&c.author)?))
        })
        .collect();
    let written: BTreeSet<&str> = all
        .iter()
        .filter_map(|c| c.place.as_deref()?.split('/').next())
        .collect();
    let fields = places
        .iter()
        .filter(|place| written.contains(place.id.as_str()))
        .map(|place| HistoryField {
            id: place.id.clone(),
            label: place.label.clone(),
        })
        .collect();

    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let told = Told {
        names: &names,
        places: &places,
        values: &values,
        nodes: &nodes,
    };
    let mut items: Vec<HistoryItem> = numbered(&all)
        .filter(|(cursor, c)| before.is_none_or(|before| *cursor < before) && query.wants(c))
        .filter_map(|(cursor, c)| told.item(cursor, c))
        .take(limit + 1)
        .collect();
    let next_cursor = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|item| item.id.clone()).unwrap_or_default()
    });
    Ok(Json(HistoryList {
        section: past::section(&access),
        items,
        next_cursor,
        people: people.into_values().collect(),
        fields,
    }))
}

/// Beginning in milliseconds, and the how-manieth of those that began then, counted so that older ones
/// come smaller.
type Cursor = (i64, usize);

fn read_cursor(text: &str) -> Result<Cursor, ApiError> {
    text.split_once('.')
        .and_then(|(at, n)| Some((at.parse().ok()?, n.parse().ok()?)))
        .ok_or_else(|| ApiError::invalid_field("cursor", "malformed"))
}

/// Contributions that are the newest first, with their cursors. A beginning never changes, so neither
/// does a cursor, however people go on writing.
fn numbered(all: &[Contribution]) -> impl Iterator<Item = (Cursor, &Contribution)> {
    let mut same: BTreeMap<i64, usize> = BTreeMap::new();
    for c in all {
        *same.entry(c.since.as_millisecond()).or_default() += 1;
    }
    all.iter().map(move |c| {
        let at = c.since.as_millisecond();
        let left = same.entry(at).or_default();
        *left = left.saturating_sub(1);
        ((at, *left), c)
    })
}

impl HistoryQuery {
    fn wants(&self, c: &Contribution) -> bool {
        let field = self.field.as_deref().is_none_or(|field| {
            c.place.as_deref().is_some_and(|place| {
                place
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        });
        let is = |wanted: &Option<String>, id: &str| wanted.as_deref().is_none_or(|w| w == id);
        field
            && is(&self.account_id, c.author.account.as_str())
            && is(&self.agency_id, c.author.agency.as_str())
    }
}

/// What items are told with.
struct Told<'t> {
    names: &'t Names,
    places: &'t [Place],
    values: &'t BTreeMap<String, Value>,
    /// Names of a network's nodes.
    nodes: &'t BTreeMap<String, String>,
}

impl Told<'_> {
    /// `None` when nothing in it is worth a line.
    fn item(&self, (at, n): Cursor, c: &Contribution) -> Option<HistoryItem> {
        let (field, row) = match c.place.as_deref().map(|place| place.split_once('/')) {
            Some(Some((field, row))) => (Some(field), Some(row)),
            Some(None) => (c.place.as_deref(), None),
            None => (None, None),
        };
        let place = field.and_then(|field| self.places.iter().find(|place| place.id == field));
        let found = field.zip(row).and_then(|(field, row)| {
            let rows = self.values.get(field)?.as_array()?;
            let at = rows.iter().position(|known| known["id"] == json!(row))?;
            Some((at + 1, past::row_name(field, &rows[at])))
        });
        let mut parts: Vec<HistoryPart> = Vec::new();
        // In the order of the table's columns; what was done to the row as a whole comes first.
        let mut told: Vec<&collab::history::Part> = c.parts.iter().collect();
        told.sort_by_key(|part| match place.map(|place| &place.kind) {
            Some(Kind::Table(columns)) => {
                part.path.split('/').nth(2).and_then(|column| {
                    Some(columns.iter().position(|known| known.0 == column)? + 1)
                })
            }
            _ => None,
        });
        for part in told.into_iter().filter_map(|part| self.part(part, place)) {
            // Both coordinates of a node are one place.
            let again = part.kind == HistoryKind::Moved
                && parts.iter().any(|known| known.kind == HistoryKind::Moved);
            if !again {
                parts.push(part);
            }
        }
        if parts.iter().any(|part| part.kind == HistoryKind::RowAdded) {
            parts.retain(|part| part.kind != HistoryKind::Moved);
        }
        let label = field.map(|field| place.map_or_else(|| field.to_owned(), |p| p.label.clone()));
        (!parts.is_empty()).then(|| HistoryItem {
            id: format!("{at}.{n}"),
            since: instant_text(c.since),
            until: instant_text(c.until),
            by: self.names.person(&c.author),
            label,
            field: field.map(str::to_owned),
            row: row.map(str::to_owned),
            row_number: found.as_ref().map(|found| found.0),
            row_name: found.and_then(|found| found.1),
            parts,
        })
    }

    /// `None` for what no screen shows (the ids that a node stands for).
    fn part(&self, part: &collab::history::Part, place: Option<&Place>) -> Option<HistoryPart> {
        let mut out = history_part(part);
        let mut segments = part.path.split('/').skip(2);
        let (Some(Kind::Table(columns)), Some(column)) =
            (place.map(|place| &place.kind), segments.next())
        else {
            return Some(out);
        };
        if matches!(column, "order" | "x" | "y") {
            out.kind = HistoryKind::Moved;
            return Some(out);
        }
        let known = columns.iter().find(|known| known.0 == column)?;
        out.label = Some(known.1.clone());
        let end = match (column, segments.next()) {
            // Under the id of a member stands whether it belongs to the household.
            ("members", node) => node,
            ("from" | "to", None) => out.value.as_ref().and_then(Value::as_str),
            _ => None,
        };
        if let Some(node) = end {
            out.value = Some(past::node_name(self.nodes, node).into());
        }
        Some(out)
    }
}

fn history_part(part: &collab::history::Part) -> HistoryPart {
    let mut out = HistoryPart {
        path: part.path.clone(),
        label: None,
        kind: HistoryKind::Text,
        inserted: 0,
        deleted: 0,
        words: Vec::new(),
        more: false,
        value: None,
    };
    match &part.what {
        What::Text {
            inserted,
            deleted,
            words,
        } => {
            (out.inserted, out.deleted) = (*inserted, *deleted);
            let mut room = MOST_WORDS;
            for word in words {
                let count = word.chars().count();
                if room == 0 {
                    out.more = true;
                    break;
                }
                out.words.push(word.chars().take(room).collect());
                out.more = count > room;
                room = room.saturating_sub(count);
            }
        }
        What::Value { stands } => {
            out.kind = HistoryKind::Value;
            out.value.clone_from(stands);
        }
        What::Cleared => out.kind = HistoryKind::Cleared,
        What::EntryAdded => out.kind = HistoryKind::RowAdded,
        What::EntryRemoved => out.kind = HistoryKind::RowRemoved,
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use collab::{history::Part, identity::Author};
    use jiff::Timestamp;

    fn contribution(second: i64, place: &str) -> Contribution {
        Contribution {
            author: Author {
                account: "a".into(),
                membership: "m".into(),
                agency: "g".into(),
            },
            since: Timestamp::from_second(second).unwrap(),
            until: Timestamp::from_second(second).unwrap(),
            place: Some(place.into()),
            parts: Vec::new(),
        }
    }

    #[test]
    fn pages_meet_without_gap_or_overlap_while_people_write_on() {
        let mut all: Vec<_> = [50, 40, 40, 40, 30]
            .into_iter()
            .enumerate()
            .map(|(n, at)| contribution(at, &format!("f{n}")))
            .collect();
        let first: Vec<_> = numbered(&all).take(2).map(|(cursor, _)| cursor).collect();
        all.insert(0, contribution(60, "new"));
        let rest: Vec<_> = numbered(&all)
            .filter(|(cursor, _)| *cursor < first[1])
            .map(|(_, c)| c.place.clone().unwrap())
            .collect();
        assert_eq!(rest, ["f2", "f3", "f4"]);
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let part = |words: &[String]| {
            let what = What::Text {
                inserted: 1,
                deleted: 0,
                words: words.to_vec(),
            };
            history_part(&Part {
                path: "summary".into(),
                what,
            })
        };
        let long = part(&["あ".repeat(MOST_WORDS - 1), "いう".into(), "え".into()]);
        assert_eq!(long.words[1], "い");
        assert!(long.more);
        let short = part(&["あ".repeat(MOST_WORDS)]);
        assert!(!short.more);
    }

    #[test]
    fn a_network_is_told_in_names_and_moves_are_one() {
        let values = BTreeMap::from([
            (
                "nodes".to_owned(),
                json!([{"id": "node0001", "label": "花子"}]),
            ),
            (
                "ties".to_owned(),
                json!([{"id": "tie00001", "from": "花子", "to": "包括"}]),
            ),
        ]);
        let nodes = BTreeMap::from([("node0001".to_owned(), "花子".to_owned())]);
        let (names, places) = (Names::nobody(), past::places(DocumentKind::Network, None));
        let told = Told {
            names: &names,
            places: &places,
            values: &values,
            nodes: &nodes,
        };
        let stands = |value: Value| What::Value {
            stands: Some(value),
        };
        let with = |place: &str, parts: &[(&str, What)]| {
            let parts = parts.iter().map(|(path, what)| Part {
                path: (*path).to_owned(),
                what: what.clone(),
            });
            let contribution = Contribution {
                parts: parts.collect(),
                ..contribution(1, place)
            };
            told.item((0, 0), &contribution)
        };
        let kinds = |item: &HistoryItem| item.parts.iter().map(|p| p.kind).collect::<Vec<_>>();
        let moved = with(
            "nodes/node0001",
            &[
                ("nodes/node0001/person_id", stands(json!("0190f3c0"))),
                ("nodes/node0001/x", stands(json!(1))),
                ("nodes/node0001/y", stands(json!(2))),
            ],
        )
        .unwrap();
        assert_eq!(kinds(&moved), [HistoryKind::Moved]);
        assert_eq!(moved.row_name.as_deref(), Some("花子"));
        let tie = with(
            "ties/tie00001",
            &[
                ("ties/tie00001", What::EntryAdded),
                ("ties/tie00001/from", stands(json!("node0001"))),
                ("ties/tie00001/to", stands(json!("node0009"))),
            ],
        )
        .unwrap();
        assert_eq!(tie.row_name.as_deref(), Some("花子 と 包括"));
        assert_eq!(tie.parts[1].value, Some(json!("花子")));
        assert_eq!(tie.parts[2].value, Some(json!("（図にない人・機関）")));
        let home = with(
            "households/home0001",
            &[("households/home0001/members/node0001", What::Cleared)],
        )
        .unwrap();
        assert_eq!(home.parts[0].value, Some(json!("花子")));
        // Ids alone are no news.
        let ids = [("nodes/node0001/person_id", stands(json!("0190f3c0")))];
        assert!(with("nodes/node0001", &ids).is_none());
    }

    #[test]
    fn a_field_is_not_found_by_the_beginning_of_its_name() {
        let query = HistoryQuery {
            field: Some("summary".into()),
            ..HistoryQuery::default()
        };
        assert!(query.wants(&contribution(1, "summary")));
        assert!(!query.wants(&contribution(1, "summary_2")));
        let table = HistoryQuery {
            field: Some("household".into()),
            ..HistoryQuery::default()
        };
        assert!(table.wants(&contribution(1, "household/row00001")));
    }
}
