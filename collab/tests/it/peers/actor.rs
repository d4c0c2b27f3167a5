//! A peer with its copy, as a browser keeps it.

use super::plan::Spec;
use crate::support::doc;
use collab::{Identity, Incoming, Outgoing};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;
use yrs::undo::UndoManager;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Doc, GetString, Map, MapPrelim, MapRef, Out, ReadTxn, Text, TextPrelim, TextRef, Transact,
    TransactionMut,
};

/// Origin of what is not this copy's own writing.
const ELSEWHERE: &str = "elsewhere";

/// Something that this peer wrote.
#[derive(Debug, Clone)]
pub struct Own {
    pub update: Vec<u8>,
    /// The field, when it is only text of one.
    pub field: Option<String>,
    pub acked: bool,
}

pub struct Link {
    pub incoming: Incoming,
    pub outgoing: Outgoing,
    pub node: usize,
    pub epoch: u64,
    /// It asked for the document, and has answered the server's question.
    pub answered: bool,
    pub synced: bool,
    /// Payload, and how many of its own updates went before; `None`: after a lie.
    pub barriers: VecDeque<(Vec<u8>, Option<usize>)>,
    pub lied: bool,
    /// Its rights changed since it connected.
    pub touched: bool,
    /// Its right was taken then.
    pub lowered: Option<Instant>,
}

pub struct Actor {
    pub number: usize,
    pub spec: Spec,
    pub identity: Identity,
    pub sheet: bool,
    pub doc: Doc,
    pub client: u64,
    pub epoch: u64,
    pub own: Vec<Own>,
    /// What a former copy wrote and nobody acknowledged, to be sent again.
    pub backlog: Vec<Own>,
    pub link: Option<Link>,
    /// The copy was refused: the next connection begins with a new one.
    pub spoilt: bool,
    caught: Caught,
    undo: UndoManager<()>,
}

/// Letters that only this peer writes; now and then one of two units.
pub fn letters(number: usize, at: usize, len: usize) -> String {
    let letter = |i: usize| {
        let code = match (at + i) % 7 {
            0 => 0xf_0000 + number as u32,
            k => 0xe000 + (number * 16 + k) as u32,
        };
        char::from_u32(code).unwrap()
    };
    (0..len).map(letter).collect()
}

/// Updates that a copy wrote itself.
type Caught = Arc<Mutex<Vec<Vec<u8>>>>;

fn watched(sheet: bool, client: u64) -> (Doc, Caught, UndoManager<()>) {
    let doc = doc(client);
    let caught = Caught::default();
    let catch = Arc::clone(&caught);
    doc.observe_update_v1("own", move |txn, event| {
        if txn.origin() != Some(&ELSEWHERE.into()) {
            catch.lock().unwrap().push(event.update.clone());
        }
    })
    .unwrap();
    let mut undo = UndoManager::with_options(yrs::undo::Options {
        capture_timeout_millis: 0,
        ..Default::default()
    });
    if sheet {
        let fields = doc.get_or_insert_map("fields");
        undo.expand_scope(&doc, &fields);
    } else {
        let content = doc.get_or_insert_text("content");
        undo.expand_scope(&doc, &content);
    }
    (doc, caught, undo)
}

impl Actor {
    pub fn new(number: usize, spec: Spec, identity: Identity, sheet: bool, client: u64) -> Self {
        let (doc, caught, undo) = watched(sheet, client);
        Self {
            number,
            spec,
            identity,
            sheet,
            doc,
            client,
            epoch: 1,
            own: Vec::new(),
            backlog: Vec::new(),
            link: None,
            spoilt: false,
            caught,
            undo,
        }
    }

    /// Begins with an empty copy; what was not acknowledged is kept to be sent again.
    pub fn renew(&mut self, client: u64) {
        let unacked = self.own.drain(..).filter(|own| !own.acked);
        self.backlog.splice(0..0, unacked);
        (self.doc, self.caught, self.undo) = watched(self.sheet, client);
        self.client = client;
    }

    pub fn apply(&self, update: &[u8]) -> Result<(), String> {
        let update = yrs::Update::decode_v1(update).map_err(|e| e.to_string())?;
        let mut txn = self.doc.transact_mut_with(ELSEWHERE);
        txn.apply_update(update).map_err(|e| e.to_string())?;
        if txn.has_missing_updates() {
            return Err(format!("peer {}: the server left a hole", self.number));
        }
        Ok(())
    }

    /// What was written since the last call.
    pub fn caught(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.caught.lock().unwrap())
    }

    fn fields<T: ReadTxn>(&self, txn: &T) -> Option<MapRef> {
        txn.get_map("fields")
    }

    fn inner<T: ReadTxn>(&self, txn: &T, key: &str) -> Option<MapRef> {
        match self.fields(txn)?.get(txn, key)? {
            Out::YMap(map) => Some(map),
            _ => None,
        }
    }

    fn rows<T: ReadTxn>(&self, txn: &T) -> Vec<(String, MapRef)> {
        let Some(table) = self.inner(txn, "household") else {
            return Vec::new();
        };
        let mut rows: Vec<_> = table
            .iter(txn)
            .filter_map(|(id, row)| match row {
                Out::YMap(row) => Some((id.to_owned(), row)),
                _ => None,
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    /// One of the texts, with its field path.
    pub fn text<T: ReadTxn>(&self, txn: &T, which: usize) -> Option<(TextRef, String)> {
        if !self.sheet {
            return Some((txn.get_text("content")?, "content".into()));
        }
        let rows = self.rows(txn);
        if which > 1 && !rows.is_empty() {
            let (id, row) = &rows[which % rows.len()];
            if let Some(Out::YText(name)) = row.get(txn, "name") {
                return Some((name, format!("household/{id}/name")));
            }
        }
        match self.fields(txn)?.get(txn, "summary")? {
            Out::YText(text) => Some((text, "summary".into())),
            _ => None,
        }
    }

    /// Changes a text; `None` when it is not there.
    pub fn write(
        &mut self,
        which: usize,
        act: impl FnOnce(&TextRef, &mut TransactionMut<'_>),
    ) -> Option<String> {
        let (text, field) = self.text(&self.doc.transact(), which)?;
        act(&text, &mut self.doc.transact_mut());
        Some(field)
    }

    pub fn insert(&mut self, which: usize, at: usize, text: &str) -> Option<String> {
        self.write(which, |target, txn| {
            let len = target.len(txn) as usize;
            target.insert(txn, (at % (len + 1)) as u32, text);
        })
    }

    pub fn delete(&mut self, which: usize, at: usize, len: usize) {
        self.write(which, |target, txn| {
            let size = target.len(txn) as usize;
            if size > 0 {
                let at = at % size;
                target.remove_range(txn, at as u32, len.min(size - at) as u32);
            }
        });
    }

    /// Sets a value of the sheet, once the sheet is there.
    pub fn set(&mut self, map: Option<&str>, key: &str, value: impl Into<Any>) {
        let found = {
            let txn = self.doc.transact();
            match map {
                Some(map) => self.inner(&txn, map),
                None => self
                    .fields(&txn)
                    .filter(|f| f.get(&txn, "summary").is_some()),
            }
        };
        if let Some(map) = found {
            map.insert(&mut self.doc.transact_mut(), key, value.into());
        }
    }

    pub fn add_row(&mut self, id: &str) {
        let found = self.inner(&self.doc.transact(), "household");
        if let Some(table) = found {
            let name = letters(self.number, 1, 2);
            let mut txn = self.doc.transact_mut();
            let row = table.insert(&mut txn, id, MapPrelim::default());
            row.insert(&mut txn, "order", "a0");
            row.insert(&mut txn, "name", TextPrelim::new(name));
        }
    }

    pub fn in_row(&mut self, row: usize, key: &str, value: impl Into<Any>) {
        let rows = self.rows(&self.doc.transact());
        if !rows.is_empty() {
            let row = &rows[row % rows.len()].1;
            row.insert(&mut self.doc.transact_mut(), key, value.into());
        }
    }

    pub fn drop_row(&mut self, row: usize) {
        let (rows, table) = {
            let txn = self.doc.transact();
            (self.rows(&txn), self.inner(&txn, "household"))
        };
        if let (Some(table), false) = (table, rows.is_empty()) {
            let id = &rows[row % rows.len()].0;
            table.remove(&mut self.doc.transact_mut(), id);
        }
    }

    pub fn undo(&mut self) {
        self.undo.undo_blocking();
    }

    pub fn redo(&mut self) {
        self.undo.redo_blocking();
    }

    pub fn content(&self) -> String {
        content(&self.doc, self.sheet)
    }
}

/// Everything in a document, to compare.
pub fn content(doc: &Doc, sheet: bool) -> String {
    use yrs::types::ToJson;
    let txn = doc.transact();
    if sheet {
        txn.get_map("fields")
            .map(|fields| {
                serde_json::to_value(fields.to_json(&txn))
                    .unwrap()
                    .to_string()
            })
            .unwrap_or_default()
    } else {
        txn.get_text("content")
            .map(|text| text.get_string(&txn))
            .unwrap_or_default()
    }
}
