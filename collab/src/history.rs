//! 「誰がいつ何を書いたか」 for readers: the journal's runs, put together as a person would tell it.
//!
//! What one author did in one field (or in one row of a table) with pauses of at most
//! [`PAUSE`] is one contribution. Of what was written it carries the words that are still there;
//! deleted words are gone for good, of them only the number is known.

use crate::hub::FieldAuthor;
use crate::identity::Author;
use crate::log::Span;
use crate::seed::{SEED_CLIENT, is_reserved};
use crate::shape::{Plain, Rule, Shape};
use crate::update::{Body, Content, Scalar, Update};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};
use std::collections::{BTreeMap, HashMap};

/// A longer pause begins a new contribution.
pub const PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// A contribution covers no more than this, however steadily somebody types.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// What one author did in one field within some minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    pub author: Author,
    /// Its beginning, exact to the minute; never changes as the author goes on.
    pub since: Timestamp,
    /// When its last run began.
    pub until: Timestamp,
    /// `summary`, `table/row`, `nodes/<id>`, `content`; `None` when what was deleted was in a row that
    /// is gone itself.
    pub place: Option<String>,
    /// By path, in the order of the paths.
    pub parts: Vec<Part>,
}

/// The share of one path in a [`Contribution`].
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `summary`, `table/row/column`, `choices/money`; empty for what is gone with its row.
    pub path: String,
    pub what: What,
}

/// What was done at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// In UTF-16 units.
    Text {
        inserted: u32,
        deleted: u32,
        /// Those of the inserted that are still there, in the order of writing.
        words: Vec<String>,
    },
    /// A value was chosen or entered, and stands unless somebody wrote another.
    Value {
        stands: Option<Value>,
    },
    /// A value was taken away.
    Cleared,
    /// A row, a node, a tie …
    EntryAdded,
    EntryRemoved,
}

/// Content that is in the document, by the ids it was written under.
struct Standing<'s> {
    /// Client → (first clock, length, content), by clock.
    of: HashMap<u64, Vec<(u32, u32, Stands<'s>)>>,
}

#[derive(Clone, Copy)]
enum Stands<'s> {
    Text(&'s str),
    Scalar(Plain<'s>),
}

impl<'s> Standing<'s> {
    fn of(update: &Update<'s>) -> Self {
        let mut of: HashMap<u64, Vec<(u32, u32, Stands<'s>)>> = HashMap::new();
        for part in &update.structs {
            let Body::Item(item) = part.body else {
                continue;
            };
            let stands = match item.content {
                Content::Text(text) => Stands::Text(text),
                Content::Scalar(Scalar(plain)) => Stands::Scalar(plain),
                _ => continue,
            };
            of.entry(part.id.client)
                .or_default()
                .push((part.id.clock, part.len, stands));
        }
        Self { of }
    }

    /// What of a span is still there.
    fn within(&self, span: Span) -> impl Iterator<Item = (u32, u32, Stands<'s>)> + '_ {
        let end = span.clock.saturating_add(span.len);
        let all = self.of.get(&span.client).map_or(&[][..], Vec::as_slice);
        let start = all.partition_point(|(clock, len, _)| clock + len <= span.clock);
        all[start..]
            .iter()
            .take_while(move |(clock, ..)| *clock < end)
            .map(move |&(clock, len, stands)| {
                let (from, to) = (clock.max(span.clock), (clock + len).min(end));
                let cut = match stands {
                    Stands::Text(text) => {
                        Stands::Text(units(text, (from - clock) as usize, (to - clock) as usize))
                    }
                    scalar @ Stands::Scalar(_) => scalar,
                };
                (from, to, cut)
            })
    }
}

/// The part of a text between two offsets in UTF-16 units; a character that is cut is left out.
fn units(text: &str, from: usize, to: usize) -> &str {
    let at = |wanted: usize| {
        let mut count = 0;
        for (byte, c) in text.char_indices() {
            if count >= wanted {
                return byte;
            }
            count += c.len_utf16();
        }
        text.len()
    };
    &text[at(from)..at(to)]
}

/// One path's share while it is gathered.
#[derive(Default)]
struct Share {
    inserted: u32,
    deleted: u32,
    words: Vec<String>,
    /// The id after the last word: what follows directly belongs to the same word.
    next: Option<(u64, u32)>,
    value: Option<Value>,
}

struct Open {
    since: Timestamp,
    until: Timestamp,
    shares: BTreeMap<Option<String>, Share>,
}

/// Puts the runs of [`Hub::authors_of`](crate::hub::Hub::authors_of) together, the newest first (by
/// their beginning, so that the order stays while people go on writing). `state`: the document's
/// present state as one v1 update. What the seed wrote is nobody's.
#[must_use]
pub fn contributions(shape: &Shape, runs: &[FieldAuthor], state: &[u8]) -> Vec<Contribution> {
    // A state that cannot be read has no words to show; who wrote where is told all the same.
    let parsed = Update::parse(state).ok();
    let standing = parsed
        .as_ref()
        .map_or_else(|| Standing { of: HashMap::new() }, Standing::of);
    let mut open: HashMap<(&Author, Option<String>), Open> = HashMap::new();
    let mut done = Vec::new();
    for run in runs {
        let authored = &run.authored;
        let seed = (authored.span.client == SEED_CLIENT || is_reserved(authored.span.client))
            && !authored.deletion;
        // The container of a text is no letter of it.
        let hollow = run.container
            && !matches!(
                run.field.as_deref().and_then(|path| shape.rule_at(path)),
                Some(Rule::Map(_))
            );
        if seed || hollow {
            continue;
        }
        let place = run.field.as_deref().map(|path| place_of(shape, path));
        let key = (&authored.author, place);
        let at = authored.at;
        if let Some(earlier) = open.get(&key)
            && (at.duration_since(earlier.until) > PAUSE
                || at.duration_since(earlier.since) > LONGEST)
            && let Some(earlier) = open.remove(&key)
        {
            done.extend(finish(shape, key.0, key.1.clone(), earlier));
        }
        let group = open.entry(key).or_insert_with(|| Open {
            since: at,
            until: at,
            shares: BTreeMap::new(),
        });
        group.until = group.until.max(at);
        let share = group.shares.entry(run.field.clone()).or_default();
        if authored.deletion {
            share.deleted = share.deleted.saturating_add(authored.span.len);
            continue;
        }
        share.inserted = share.inserted.saturating_add(authored.span.len);
        for (from, to, stands) in standing.within(authored.span) {
            match stands {
                Stands::Text(text) => {
                    match share.words.last_mut() {
                        Some(last) if share.next == Some((authored.span.client, from)) => {
                            last.push_str(text);
                        }
                        _ => share.words.push(text.to_owned()),
                    }
                    share.next = Some((authored.span.client, to));
                }
                Stands::Scalar(plain) => share.value = value(plain),
            }
        }
    }
    for ((author, place), group) in open {
        done.extend(finish(shape, author, place, group));
    }
    done.sort_by(|a, b| {
        let key = |c: &Contribution| (c.since, c.place.clone(), c.author.account.clone());
        key(b).cmp(&key(a))
    });
    done
}

fn value(plain: Plain<'_>) -> Option<Value> {
    match plain {
        Plain::Empty => None,
        Plain::Bool(flag) => Some(flag.into()),
        Plain::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some((n as i64).into()),
        Plain::Number(n) => Number::from_f64(n).map(Value::Number),
        Plain::Text(text) => (!text.is_empty()).then(|| text.into()),
    }
}

/// What a person takes for one thing: the field, or the row of a table.
fn place_of(shape: &Shape, path: &str) -> String {
    let mut parts = path.splitn(3, '/');
    let first = parts.next().unwrap_or_default();
    match (shape.rule_at(first), parts.next()) {
        (Some(Rule::Map(map)), Some(entry)) if map.entries.is_some() => format!("{first}/{entry}"),
        _ => first.to_owned(),
    }
}

fn finish(
    shape: &Shape,
    author: &Author,
    place: Option<String>,
    group: Open,
) -> Option<Contribution> {
    let parts: Vec<Part> = group
        .shares
        .into_iter()
        .filter_map(|(path, share)| {
            let what = match path.as_deref().map(|path| shape.rule_at(path)) {
                Some(Some(Rule::Map(_))) => {
                    // A table or an option list of a row comes and goes with its row.
                    let entry = path
                        .as_deref()
                        .is_some_and(|path| path.matches('/').count() == 1);
                    match (entry, share.inserted, share.deleted) {
                        (true, 1.., _) => What::EntryAdded,
                        (true, 0, 1..) => What::EntryRemoved,
                        _ => return None,
                    }
                }
                Some(Some(Rule::Scalar(_))) if share.inserted > 0 => What::Value {
                    stands: share.value,
                },
                Some(Some(Rule::Scalar(_))) => What::Cleared,
                // Text; also what stood in a field of an older form, or in a row that is gone.
                _ => What::Text {
                    inserted: share.inserted,
                    deleted: share.deleted,
                    words: share.words,
                },
            };
            Some(Part {
                path: path.unwrap_or_default(),
                what,
            })
        })
        .collect();
    (!parts.is_empty()).then(|| Contribution {
        author: author.clone(),
        since: group.since,
        until: group.until,
        place,
        parts,
    })
}
