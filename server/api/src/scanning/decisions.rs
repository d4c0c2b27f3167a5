//! What the two documents say: the reviewers' spans in the masks document, and one moment of the
//! text document with the places of those spans in it.

use std::collections::HashMap;

use collab::{
    Shape,
    anchor::{self, Place},
    values,
};
use domain::id::DocumentId;
use serde_json::{Map as Object, Value};
use yrs::ReadTxn;

use super::{reconcile::Status, record::Position};
use crate::{error::ApiError, state::AppState};

/// A span as it stands in the masks document.
#[derive(Debug, Clone)]
pub(super) struct RawSpan {
    pub id: String,
    pub field: String,
    pub start: String,
    pub end: String,
    pub label: String,
    pub person: Option<String>,
    pub status: Status,
    pub manual: bool,
}

/// The masks document at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Decisions {
    pub spans: Vec<RawSpan>,
    /// `None`: there is no masks document.
    pub at: Option<Position>,
}

impl Decisions {
    pub(super) async fn read(
        state: &AppState,
        masks: Option<&DocumentId>,
    ) -> Result<Self, ApiError> {
        let Some(masks) = masks else {
            return Ok(Self::default());
        };
        state
            .hub()
            .read(masks, |view| Self {
                spans: raw_spans(&values::root(&view.txn, &view.shape, "spans")),
                at: Some(Position {
                    epoch: view.epoch,
                    seq: view.seq,
                }),
            })
            .await
            .map_err(ApiError::internal)
    }
}

fn raw_spans(rows: &Value) -> Vec<RawSpan> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let text = |key: &str| row[key].as_str().map(str::to_owned);
            Some(RawSpan {
                id: text("id")?,
                field: text("field")?,
                start: text("start")?,
                end: text("end")?,
                label: text("label").unwrap_or_else(|| "PERSON".to_owned()),
                person: text("person"),
                status: match row["status"].as_str() {
                    Some("accepted") => Status::Accepted,
                    Some("rejected") => Status::Rejected,
                    _ => Status::Pending,
                },
                manual: row["source"].as_str() == Some("manual"),
            })
        })
        .collect()
}

/// What one look at the text document gives: all of one moment.
pub(super) struct Moment {
    pub values: Object<String, Value>,
    pub at: Position,
    /// Span id → where it is, UTF-16. A span is missing when its field is gone.
    pub resolved: HashMap<String, Place>,
}

impl Moment {
    pub(super) async fn look(
        state: &AppState,
        document: &DocumentId,
        spans: Vec<RawSpan>,
    ) -> Result<Self, ApiError> {
        state
            .hub()
            .read(document, move |view| {
                let at = Position {
                    epoch: view.epoch,
                    seq: view.seq,
                };
                Self::of(&view.txn, &view.shape, spans, at)
            })
            .await
            .map_err(ApiError::internal)
    }

    pub(super) fn of<T: ReadTxn>(
        txn: &T,
        shape: &Shape,
        spans: Vec<RawSpan>,
        at: Position,
    ) -> Self {
        let resolved = spans
            .into_iter()
            .filter_map(|span| {
                let text = anchor::text_at(txn, shape, &span.field)?;
                let place = anchor::resolve(txn, &text, &span.start, &span.end)?;
                Some((span.id, place))
            })
            .collect();
        let values = match values::fields(txn, shape) {
            Value::Object(values) => values,
            _ => Object::new(),
        };
        Self {
            values,
            at,
            resolved,
        }
    }
}
