//! A past state of a document, and the way back to it.
//!
//! Going back is a new change like any other: only what differs is written, texts by their
//! difference, so that the cursors and the simultaneous typing of others survive; what was written
//! since is not erased from the log, and going back can itself be taken back.

use crate::difference;
use crate::seed::{declare_roots, document as empty_document};
use crate::shape::{MapRule, Plain, Rule, Scalar, Shape};
use crate::values;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Doc, GetString, Map, MapPrelim, MapRef, Out, ReadTxn, Text, TextPrelim, TextRef, Transact,
    TransactionMut, WriteTxn,
};

/// How long the smallest change of one text is looked for. The room waits for it.
const PATIENCE: Duration = Duration::from_millis(40);

/// A state that was kept, opened for reading.
#[derive(Debug)]
pub struct Past {
    doc: Doc,
    shape: Arc<Shape>,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Fields (rows count with their table) that differed and are as they were.
    pub changed: BTreeSet<String>,
    /// Paths whose former value may not stand in the document any more (an option that the form has
    /// no longer, a personal number): left as they are.
    pub left_out: BTreeSet<String>,
}

impl Past {
    /// Opens the state of a version; `None` when it is none. CPU work in proportion to its size.
    #[must_use]
    pub fn open(shape: &Arc<Shape>, state: &[u8]) -> Option<Self> {
        let doc = empty_document(0);
        declare_roots(&doc, shape);
        let update = yrs::Update::decode_v1(state).ok()?;
        doc.transact_mut().apply_update(update).ok()?;
        if doc.transact().has_missing_updates() {
            return None;
        }
        Some(Self {
            doc,
            shape: Arc::clone(shape),
        })
    }

    /// A root as JSON; see [`values::root`].
    #[must_use]
    pub fn root(&self, name: &str) -> Value {
        values::root(&self.doc.transact(), &self.shape, name)
    }

    /// Whether a transaction sees exactly this state.
    pub(crate) fn is_seen_by<T: ReadTxn>(&self, txn: &T) -> bool {
        self.doc.transact().snapshot() == txn.snapshot()
    }

    /// Writes the difference between what `txn` sees and this state. For
    /// [`Hub::restore_as`](crate::hub::Hub::restore_as): the roots that only the server writes stay.
    pub fn restore(&self, txn: &mut TransactionMut<'_>) -> Outcome {
        let then = self.doc.transact();
        let mut way = Way {
            then: &then,
            shape: &self.shape,
            outcome: Outcome::default(),
        };
        let mut roots: Vec<_> = self.shape.roots().filter(|(_, r)| !r.server_only).collect();
        roots.sort_by_key(|(name, _)| *name);
        for (name, root) in roots {
            // A sheet's paths begin with the field.
            let path = if name == "fields" { "" } else { name };
            match self.shape.rule(root.rule) {
                Rule::Text { max } => {
                    let former = then.get_text(name);
                    let former = former.map_or_else(String::new, |text| text.get_string(&then));
                    let now = txn.get_or_insert_text(name);
                    way.text(txn, &now, &former, *max, path);
                }
                Rule::Map(rules) => {
                    let now = txn.get_or_insert_map(name);
                    way.map(txn, rules, then.get_map(name).as_ref(), &now, path);
                }
                Rule::Scalar(_) => {}
            }
        }
        way.outcome
    }
}

struct Way<'p, T> {
    then: &'p T,
    shape: &'p Shape,
    outcome: Outcome,
}

impl<T: ReadTxn> Way<'_, T> {
    fn changed(&mut self, path: &str) {
        let field = path.split('/').next().unwrap_or_default();
        self.outcome.changed.insert(field.to_owned());
    }

    fn map(
        &mut self,
        txn: &mut TransactionMut<'_>,
        rules: &MapRule,
        then: Option<&MapRef>,
        now: &MapRef,
        path: &str,
    ) {
        let mut keys: BTreeSet<String> = now.keys(txn).map(str::to_owned).collect();
        keys.extend(
            then.into_iter()
                .flat_map(|map| map.keys(self.then))
                .map(str::to_owned),
        );
        for key in keys {
            let Some(rule) = rules.rule_of(&key) else {
                continue;
            };
            let at = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}/{key}")
            };
            let mut former = then.and_then(|map| map.get(self.then, &key));
            let mut present = now.get(txn, &key);
            let entry = !rules.fixed.contains_key(key.as_str());
            if rules.options || entry {
                // Of a set of flags, one that is off is as good as none.
                for flag in [&mut former, &mut present] {
                    if matches!(flag, Some(Out::Any(Any::Bool(false)))) {
                        *flag = None;
                    }
                }
            }
            match self.shape.rule(rule) {
                Rule::Scalar(scalar) => self.scalar(txn, scalar, now, &key, former, present, &at),
                Rule::Text { max } => {
                    let words = match former {
                        Some(Out::YText(text)) => text.get_string(self.then),
                        _ => String::new(),
                    };
                    match present {
                        Some(Out::YText(text)) => self.text(txn, &text, &words, *max, &at),
                        // A container of the seed is always there.
                        _ if words.is_empty() || rules.seeded => {}
                        _ if !self.may_stand(&words, *max) => {
                            self.outcome.left_out.insert(at);
                        }
                        _ => {
                            now.insert(txn, key.as_str(), TextPrelim::new(words));
                            self.changed(&at);
                        }
                    }
                }
                Rule::Map(inner) => match (former, present) {
                    (Some(Out::YMap(then)), Some(Out::YMap(now))) => {
                        self.map(txn, inner, Some(&then), &now, &at);
                    }
                    (Some(Out::YMap(then)), _) if !rules.seeded => {
                        let fresh = now.insert(txn, key.as_str(), MapPrelim::default());
                        self.changed(&at);
                        self.map(txn, inner, Some(&then), &fresh, &at);
                    }
                    (_, Some(Out::YMap(_))) if entry => {
                        now.remove(txn, &key);
                        self.changed(&at);
                    }
                    // Emptied, not taken away: somebody may be writing in it.
                    (_, Some(Out::YMap(now))) => self.map(txn, inner, None, &now, &at),
                    _ => {}
                },
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one value, then and now, and where it stands"
    )]
    fn scalar(
        &mut self,
        txn: &mut TransactionMut<'_>,
        rule: &Scalar,
        now: &MapRef,
        key: &str,
        former: Option<Out>,
        present: Option<Out>,
        at: &str,
    ) {
        let read = |out: &Option<Out>| match out {
            Some(Out::Any(any)) => values::scalar(any),
            _ => None,
        };
        let former_value = read(&former);
        if former_value == read(&present) {
            return;
        }
        let Some(value) = former_value else {
            now.remove(txn, key);
            return self.changed(at);
        };
        if !self.allows(rule, &value) {
            self.outcome.left_out.insert(at.to_owned());
            return;
        }
        let any = match value {
            Value::Bool(flag) => Any::from(flag),
            Value::Number(number) => Any::from(number.as_f64().unwrap_or_default()),
            Value::String(text) => Any::from(text),
            Value::Null | Value::Array(_) | Value::Object(_) => Any::Null,
        };
        now.insert(txn, key, any);
        self.changed(at);
    }

    fn allows(&self, rule: &Scalar, value: &Value) -> bool {
        let plain = match value {
            Value::Bool(flag) => Plain::Bool(*flag),
            Value::Number(number) => Plain::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Plain::Text(text),
            _ => Plain::Empty,
        };
        let free = matches!(rule, Scalar::Text { .. });
        let number = match value {
            Value::String(text) if free => self.holds_number(text),
            _ => false,
        };
        rule.allows(plain, None) && !number
    }

    fn holds_number(&self, text: &str) -> bool {
        self.shape
            .personal_number()
            .is_some_and(|check| check(text))
    }

    fn may_stand(&self, text: &str, max: u32) -> bool {
        text.encode_utf16().count() <= max as usize && !self.holds_number(text)
    }

    fn text(
        &mut self,
        txn: &mut TransactionMut<'_>,
        now: &TextRef,
        former: &str,
        max: u32,
        at: &str,
    ) {
        let present = now.get_string(txn);
        if present == former {
            return;
        }
        if !self.may_stand(former, max) {
            self.outcome.left_out.insert(at.to_owned());
            return;
        }
        for step in difference::steps(&present, former, PATIENCE) {
            if step.remove > 0 {
                now.remove_range(txn, step.at, step.remove);
            }
            if !step.insert.is_empty() {
                now.insert(txn, step.at, &step.insert);
            }
        }
        self.changed(at);
    }
}
