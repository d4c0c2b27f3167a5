//! Decides about an update before it is applied.
//!
//! The [`Index`] knows of every struct in the document which *place* it stands at (a text, or a
//! key of a map), whose client id it carries and whether it is deleted, in runs of about twelve
//! bytes each. With that an update is judged completely: who, where, what, how much.

use crate::frame::Code;
use crate::identity::Author;
use crate::log::Span;
use crate::seed::is_reserved;
use crate::shape::{Plain, Rule, RuleId, Scalar, Shape};
use crate::update::{Body, Content, Id, Item, Parent, Struct, Update};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Place of a struct whose parent was collected as garbage.
const GONE: u32 = u32::MAX;
/// No container, no place.
const NONE: u32 = u32::MAX;
/// Not resolved yet; resolving it waits for another struct of the same update.
const OPEN: u32 = u32::MAX - 1;
const WAITING: u32 = u32::MAX - 2;
/// Most client ids that one update may bring along unbound.
const MAX_NEW_CLIENTS: usize = 64;

/// Why an update is refused; for the client only the code and its standard words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    /// For logs and tests: which check; never content.
    pub check: &'static str,
}

fn refuse<T>(code: Code, check: &'static str) -> Result<T, Refused> {
    Err(Refused { code, check })
}

/// Who wants to change the document.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    pub author: &'a Author,
    /// May change the document at all.
    pub may_edit: bool,
    /// The server itself: may write the roots that are its own.
    pub server: bool,
}

/// An update that may be applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What is new in it.
    pub inserted: Vec<Span>,
    /// What it deletes that was not deleted before.
    pub deleted: Vec<Span>,
    /// Beside its news it has structs that are known. Nobody looked at those and yrs skips them, but
    /// yjs follows their references: it must not go out to others as it came.
    pub repeats: bool,
}

/// Which shared type: for looking at the text that an update would leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerAt {
    Root(Box<str>),
    Item(Id),
}

/// Two letters of one text between which a third is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbours {
    pub left: Id,
    pub right: Id,
}

/// What only the document can tell about the update under judgement.
#[derive(Debug, Clone, Copy)]
pub enum Trial<'t> {
    /// Do any of these stand the wrong way round, when the update is applied? Asked where what two
    /// letters were written between does not say so.
    Misplaced(&'t [Neighbours]),
    /// Would it leave a new personal number in one of these texts? Asked only for texts with twelve
    /// digits or more in which digits were inserted or something was deleted.
    LeavesNumber(&'t [ContainerAt]),
}

/// Answers a [`Trial`]; `true` refuses the update.
pub type Try<'f> = dyn FnMut(Trial<'_>) -> bool + 'f;

impl Verdict {
    /// Changes nothing: everything in it is known already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inserted.is_empty() && self.deleted.is_empty()
    }
}

#[derive(Debug, Clone)]
struct Client {
    author: u32,
    next: u32,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    clock: u32,
    len: u32,
    place: u32,
}

/// Where a struct stands: in the sequence of a container, or under a key of it.
#[derive(Debug, Clone)]
struct Place {
    container: u32,
    key: Option<Box<str>>,
    /// What may stand here. `None`: not in the shape (a field of an older form): no change.
    rule: Option<RuleId>,
}

/// A shared type.
#[derive(Debug, Clone)]
struct Container {
    rule: Option<RuleId>,
    /// Where its item stands; `NONE` for a root.
    place: u32,
    at: ContainerAt,
    server_only: bool,
    /// Place of its sequence, if it has content there.
    sequence: u32,
    keys: HashMap<Box<str>, u32>,
    /// Live UTF-16 units in its sequence.
    len: u32,
    /// Digits ever inserted into its sequence.
    digits: u32,
}

/// What the walker knows of a document.
#[derive(Debug, Clone)]
pub struct Index {
    shape: Arc<Shape>,
    authors: Vec<Author>,
    clients: HashMap<u64, Client>,
    containers: Vec<Container>,
    places: Vec<Place>,
    nested: HashMap<Id, u32>,
    roots: HashMap<Box<str>, u32>,
    deleted: Ranges,
    /// By client: what the letters of texts were written between, by clock.
    joints: HashMap<u64, Vec<Joint>>,
}

/// What a run of letters was written between. It goes to the next joint of its client.
#[derive(Debug, Clone, Copy)]
struct Joint {
    clock: u32,
    left: Option<Id>,
    right: Option<Id>,
}

/// Most places that the document is asked for because of one update: a day's work without a
/// connection has fewer, and each costs in proportion to the text.
const MAX_NEIGHBOURS: usize = 8_192;

enum Found {
    At(u32),
    /// Depends on that struct of the same update.
    Needs(usize),
}

struct Undo {
    containers: usize,
    places: usize,
    roots: Vec<Box<str>>,
}

impl Index {
    #[must_use]
    pub fn new(shape: Arc<Shape>) -> Self {
        let mut index = Self {
            shape: Arc::clone(&shape),
            authors: Vec::new(),
            clients: HashMap::new(),
            containers: Vec::new(),
            places: Vec::new(),
            nested: HashMap::new(),
            roots: HashMap::new(),
            deleted: Ranges::default(),
            joints: HashMap::new(),
        };
        for (name, root) in shape.roots() {
            let container = index.add_container(
                Some(root.rule),
                NONE,
                ContainerAt::Root(name.into()),
                root.server_only,
            );
            index.roots.insert(name.into(), container);
        }
        index
    }

    /// Next clock of a client: 0 when it never wrote.
    #[must_use]
    pub fn clock(&self, client: u64) -> u32 {
        self.clients.get(&client).map_or(0, |c| c.next)
    }

    /// Whose client id this is.
    #[must_use]
    pub fn author_of(&self, client: u64) -> Option<&Author> {
        self.clients
            .get(&client)
            .map(|c| &self.authors[c.author as usize])
    }

    /// Binds a client id (while loading, from what the log says).
    pub fn bind(&mut self, client: u64, author: &Author) {
        let author = self.author_number(author);
        self.clients.entry(client).or_insert(Client {
            author,
            next: 0,
            runs: Vec::new(),
        });
    }

    /// Takes a stored update into the index without judging it: it was judged when it came.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be read or does not continue what is there.
    pub fn replay(&mut self, update: &[u8], author: &Author) -> Result<(), Refused> {
        let writer = Writer {
            author,
            may_edit: true,
            server: true,
        };
        self.take_in(update, writer, true, &mut |_| false)
            .map(|_| ())
    }

    /// Judges an update and, when it may be applied, takes it into the index. Nothing changes on
    /// refusal.
    ///
    /// # Errors
    /// [`Refused`] with the code for the client.
    pub fn verify(
        &mut self,
        update: &[u8],
        writer: Writer<'_>,
        trial: &mut Try<'_>,
    ) -> Result<Verdict, Refused> {
        self.take_in(update, writer, false, trial)
    }

    /// Marks what the document deleted on its own account (overwritten values of a map, content of
    /// deleted containers), so that it is no news when a client mentions it.
    pub fn mark_deleted(&mut self, client: u64, clock: u32, len: u32) {
        let end = clock.saturating_add(len);
        let runs = self.clients.get(&client).map_or(&[][..], |c| &c.runs);
        self.deleted.missing(client, clock, end, |from, to| {
            for (_, len, place) in segments(runs, from, to) {
                if let Some(at) = self.places.get(place as usize).filter(|p| p.key.is_none()) {
                    let container = &mut self.containers[at.container as usize];
                    container.len = container.len.saturating_sub(len);
                }
            }
        });
        self.deleted.add(client, clock, end);
    }

    /// Counts the live length of all texts anew (after loading).
    pub fn recount(&mut self) {
        for container in &mut self.containers {
            container.len = 0;
        }
        for (id, client) in &self.clients {
            for run in &client.runs {
                let Some(place) = self.places.get(run.place as usize) else {
                    continue;
                };
                if place.key.is_none() {
                    let gone = self.deleted.covered(*id, run.clock, run.clock + run.len);
                    self.containers[place.container as usize].len += run.len - gone;
                }
            }
        }
    }

    /// Field path (`name`, `table/row/column`, or the root's name) of a struct; `None` when its
    /// parent is collected garbage.
    #[must_use]
    pub fn path(&self, client: u64, clock: u32) -> Option<String> {
        let place = self.place_of(Id { client, clock })?;
        let mut at = self.places.get(place as usize)?;
        let mut parts = Vec::new();
        loop {
            if let Some(key) = &at.key {
                parts.push(&**key);
            }
            let container = &self.containers[at.container as usize];
            match (&container.at, self.places.get(container.place as usize)) {
                (ContainerAt::Item(_), Some(place)) => at = place,
                (ContainerAt::Root(name), _) => {
                    if parts.is_empty() || &**name != "fields" {
                        parts.push(name);
                    }
                    break;
                }
                _ => break,
            }
        }
        parts.reverse();
        Some(parts.join("/"))
    }

    /// Splits a span where its place changes: the part, its path as [`Index::path`] gives it, and
    /// whether it is a container itself (a text, a row) instead of content.
    #[must_use]
    pub fn paths(&self, span: Span) -> Vec<(Span, Option<String>, bool)> {
        let mut found = Vec::new();
        let Some(client) = self.clients.get(&span.client) else {
            return found;
        };
        for (clock, len, place) in segments(
            &client.runs,
            span.clock,
            span.clock.saturating_add(span.len),
        ) {
            found.push((
                Span {
                    client: span.client,
                    clock,
                    len,
                },
                self.path(span.client, clock),
                self.places.get(place as usize).is_some_and(|at| {
                    let rule = at.rule.map(|rule| self.shape.rule(rule));
                    at.key.is_some() && matches!(rule, Some(Rule::Text { .. } | Rule::Map(_)))
                }),
            ));
        }
        found
    }

    /// Runs of structs held: what the index costs.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.clients.values().map(|c| c.runs.len()).sum()
    }

    fn take_in(
        &mut self,
        update: &[u8],
        writer: Writer<'_>,
        trusted: bool,
        trial: &mut Try<'_>,
    ) -> Result<Verdict, Refused> {
        let Ok(update) = Update::parse(update) else {
            return refuse(Code::Malformed, "decode");
        };
        let mut undo = Undo {
            containers: self.containers.len(),
            places: self.places.len(),
            roots: Vec::new(),
        };
        match self.judge(&update, writer, trusted, trial, &mut undo) {
            Ok(verdict) => Ok(verdict),
            Err(refused) => {
                self.roll_back(undo);
                Err(refused)
            }
        }
    }

    fn judge(
        &mut self,
        update: &Update<'_>,
        writer: Writer<'_>,
        trusted: bool,
        trial: &mut Try<'_>,
        undo: &mut Undo,
    ) -> Result<Verdict, Refused> {
        let fresh = self.fresh(update, writer, trusted)?;
        if !fresh.is_empty() && !writer.may_edit {
            return refuse(Code::NoPermission, "insert");
        }
        let places = self.resolve(&fresh, writer, trusted, undo)?;
        let mut added: HashMap<u32, (u32, u32)> = HashMap::new();
        // Dead on arrival: deleted before it was sent.
        let mut dead: Vec<(u32, Span)> = Vec::new();
        for (part, &place) in fresh.iter().zip(&places) {
            let text = match part.of.body {
                Body::Item(Item {
                    content: Content::Text(text),
                    ..
                }) => text,
                Body::Item(Item {
                    content: Content::Deleted,
                    ..
                })
                | Body::Gc => {
                    dead.push((place, part.span()));
                    continue;
                }
                _ => continue,
            };
            let Some(at) = self.places.get(place as usize) else {
                continue;
            };
            if at.key.is_some() {
                continue;
            }
            let digits = text.chars().filter(|c| c.is_numeric()).count() as u32;
            let sum = added.entry(at.container).or_default();
            sum.0 = sum.0.saturating_add(part.len());
            sum.1 = sum.1.saturating_add(digits);
        }
        let deleted = self.deletions(update, &fresh, &places, writer, trusted)?;
        let neighbours = if trusted {
            Vec::new()
        } else {
            self.neighbours(&fresh, &places)?
        };
        if neighbours.len() > MAX_NEIGHBOURS {
            return refuse(Code::TooLarge, "places");
        }
        if !neighbours.is_empty() && trial(Trial::Misplaced(&neighbours)) {
            return refuse(Code::Malformed, "wrong way round");
        }
        if !trusted {
            // What the same update takes away makes room: a text that is replaced as a whole.
            let mut removed: HashMap<u32, u32> = HashMap::new();
            for span in &deleted {
                let runs = self.clients.get(&span.client).map_or(&[][..], |c| &c.runs);
                for (_, len, place) in segments(runs, span.clock, span.clock + span.len) {
                    if let Some(at) = self.places.get(place as usize).filter(|p| p.key.is_none()) {
                        *removed.entry(at.container).or_default() += len;
                    }
                }
            }
            let mut suspects = Vec::new();
            for (&container, &(units, digits)) in &added {
                let container_now = &self.containers[container as usize];
                let left = container_now
                    .len
                    .saturating_sub(removed.get(&container).copied().unwrap_or(0));
                if let Some(Rule::Text { max }) =
                    container_now.rule.map(|rule| self.shape.rule(rule))
                    && left.saturating_add(units) > *max
                {
                    return refuse(Code::TooLarge, "text length");
                }
                if digits > 0 && container_now.digits.saturating_add(digits) >= 12 {
                    suspects.push(container);
                }
            }
            if self.shape.personal_number().is_some() {
                for span in &deleted {
                    let Some(client) = self.clients.get(&span.client) else {
                        continue;
                    };
                    for (_, _, place) in segments(&client.runs, span.clock, span.clock + span.len) {
                        let Some(place) =
                            self.places.get(place as usize).filter(|p| p.key.is_none())
                        else {
                            continue;
                        };
                        let digits = added.get(&place.container).map_or(0, |sum| sum.1);
                        if self.containers[place.container as usize]
                            .digits
                            .saturating_add(digits)
                            >= 12
                            && !suspects.contains(&place.container)
                        {
                            suspects.push(place.container);
                        }
                    }
                }
                let suspects: Vec<_> = suspects
                    .iter()
                    .map(|&c| self.containers[c as usize].at.clone())
                    .collect();
                if !suspects.is_empty() && trial(Trial::LeavesNumber(&suspects)) {
                    return refuse(Code::PersonalNumber, "text");
                }
            }
        }

        // Nothing below can be refused.
        let mut inserted: Vec<Span> = Vec::with_capacity(fresh.len());
        let author = if fresh.is_empty() {
            0
        } else {
            self.author_number(writer.author)
        };
        for (part, &place) in fresh.iter().zip(&places) {
            let id = part.of.id;
            let entry = self.clients.entry(id.client);
            let client = entry.or_insert_with(|| Client {
                author,
                next: 0,
                runs: Vec::new(),
            });
            push_run(&mut client.runs, part.from, part.len(), place);
            client.next = part.of.end();
            if let Some(joint) = part.joint()
                && self
                    .places
                    .get(place as usize)
                    .is_some_and(|at| at.key.is_none())
            {
                push_joint(self.joints.entry(id.client).or_default(), id.client, joint);
            }
            match inserted.last_mut() {
                Some(last) if last.client == id.client && last.clock + last.len == part.from => {
                    last.len += part.len()
                }
                _ => inserted.push(Span {
                    client: id.client,
                    clock: part.from,
                    len: part.len(),
                }),
            }
        }
        for (container, (units, digits)) in added {
            let container = &mut self.containers[container as usize];
            container.len = container.len.saturating_add(units);
            container.digits = container.digits.saturating_add(digits);
        }
        for (place, span) in &dead {
            if let Some(at) = self.places.get(*place as usize).filter(|p| p.key.is_none()) {
                let container = &mut self.containers[at.container as usize];
                container.len = container.len.saturating_add(span.len);
            }
        }
        for span in deleted.iter().chain(dead.iter().map(|(_, span)| span)) {
            self.mark_deleted(span.client, span.clock, span.len);
        }
        let verdict = Verdict {
            inserted,
            deleted,
            repeats: false,
        };
        let whole = fresh.len() == update.structs.len()
            && fresh.iter().all(|part| part.from == part.of.id.clock);
        Ok(Verdict {
            repeats: !whole && !verdict.is_empty(),
            ..verdict
        })
    }

    /// Whether letters stand between two that an editor may have seen side by side: in the order of
    /// the text, and with nothing between them that either of them was written beside. Otherwise
    /// replicas that hear of it at different times would put it at different places.
    ///
    /// Mostly that follows from what the two were written between. Where it does not (both were
    /// written at the same time), the order is returned that the document must have.
    fn neighbours(
        &self,
        fresh: &[Part<'_, '_>],
        places: &[u32],
    ) -> Result<Vec<Neighbours>, Refused> {
        let parts = by_client(fresh);
        let joint = |id: Id| {
            let of_part = parts.get(&id.client).and_then(|range| {
                let parts = &fresh[range.clone()];
                let at = parts.partition_point(|part| part.of.end() <= id.clock);
                let part = parts.get(at).filter(|part| part.from <= id.clock)?;
                part.joint()
            });
            let joint = of_part.or_else(|| self.joint_of(id))?;
            Some(joint.at(id))
        };
        let mut asked: Vec<Neighbours> = Vec::new();
        for (part, &place) in fresh.iter().zip(places) {
            let Some(Joint { left, right, .. }) = part.joint() else {
                continue;
            };
            let in_text = self.places.get(place as usize);
            if in_text.is_none_or(|at| at.key.is_some()) {
                continue;
            }
            let beyond = left.and_then(joint).map(|joint| joint.right);
            let before = right.and_then(joint).map(|joint| joint.left);
            // Written beside one of them, between the same two.
            if beyond == Some(right) || before == Some(left) || (left, right) == (None, None) {
                continue;
            }
            let (Some(left), Some(right)) = (left, right) else {
                return refuse(Code::Malformed, "not side by side");
            };
            let ordered = [
                Some((left, right)),
                before.flatten().map(|before| (before, left)),
                beyond.flatten().map(|beyond| (right, beyond)),
            ];
            for (left, right) in ordered.into_iter().flatten() {
                let between = Neighbours { left, right };
                if !asked.iter().rev().take(3).any(|known| *known == between) {
                    asked.push(between);
                }
            }
        }
        Ok(asked)
    }

    /// The parts that are not known yet, with the author and order checks.
    fn fresh<'u, 'a>(
        &self,
        update: &'u Update<'a>,
        writer: Writer<'_>,
        trusted: bool,
    ) -> Result<Vec<Part<'u, 'a>>, Refused> {
        let mut fresh: Vec<Part<'u, 'a>> = Vec::with_capacity(update.structs.len());
        let mut new_clients = 0;
        for of in &update.structs {
            // In what is known already, too: yrs decodes all of it, and stricter than we do.
            if let Body::Item(item) = of.body
                && let Content::Other(kind) = item.content
                && !trusted
            {
                return refuse(Code::ShapeNotAllowed, kind);
            }
            let known = match fresh.last() {
                Some(last) if last.of.id.client == of.id.client => last.of.end(),
                _ => self.clock(of.id.client),
            };
            if of.end() <= known || of.body == Body::Skip {
                continue;
            }
            if of.id.clock > known {
                return refuse(Code::Malformed, "gap");
            }
            let first = fresh
                .last()
                .is_none_or(|last| last.of.id.client != of.id.client);
            if first {
                match self.author_of(of.id.client) {
                    Some(author) if !trusted && !same_writer(author, writer.author) => {
                        return refuse(Code::ForeignAuthor, "client id");
                    }
                    Some(_) => {}
                    None if !trusted && !writer.server && is_reserved(of.id.client) => {
                        return refuse(Code::ForeignAuthor, "client id");
                    }
                    None => new_clients += 1,
                }
            }
            fresh.push(Part { of, from: known });
        }
        if new_clients > MAX_NEW_CLIENTS && !trusted {
            return refuse(Code::ForeignAuthor, "many client ids");
        }
        Ok(fresh)
    }

    /// The place of every fresh part, in whatever order they depend on each other.
    fn resolve(
        &mut self,
        fresh: &[Part<'_, '_>],
        writer: Writer<'_>,
        trusted: bool,
        undo: &mut Undo,
    ) -> Result<Vec<u32>, Refused> {
        let mut places = vec![OPEN; fresh.len()];
        // (client, first clock) → part, for references within the update.
        let mut order: Vec<usize> = (0..fresh.len()).collect();
        if fresh.len() > 1 {
            order.sort_unstable_by_key(|&i| (fresh[i].of.id.client, fresh[i].from));
        }
        let mut stack = Vec::new();
        for start in 0..fresh.len() {
            if places[start] != OPEN {
                continue;
            }
            stack.push(start);
            while let Some(&at) = stack.last() {
                match self.find(fresh, &order, &places, at, trusted, undo)? {
                    Found::At(place) => {
                        self.check(&fresh[at], place, writer, trusted)?;
                        places[at] = place;
                        stack.pop();
                    }
                    Found::Needs(other) => {
                        if places[other] != OPEN || other == at {
                            return refuse(Code::Malformed, "circle");
                        }
                        places[at] = WAITING;
                        stack.push(other);
                    }
                }
            }
        }
        Ok(places)
    }

    fn find(
        &mut self,
        fresh: &[Part<'_, '_>],
        order: &[usize],
        places: &[u32],
        at: usize,
        trusted: bool,
        undo: &mut Undo,
    ) -> Result<Found, Refused> {
        let part = &fresh[at];
        let id = part.of.id;
        // The structs of one client are applied in the order of their clocks. One that waits for a
        // later one of its own client, over whatever detour, would wait for ever.
        if let Some(before) = at.checked_sub(1)
            && fresh[before].of.id.client == id.client
            && matches!(places[before], OPEN | WAITING)
        {
            return Ok(Found::Needs(before));
        }
        let Body::Item(item) = part.of.body else {
            return Ok(Found::At(GONE));
        };
        if part.from == id.clock {
            return self.stands_at(fresh, order, places, item, trusted, undo);
        }
        // Its beginning is known: it continues there, and must not say otherwise. yrs and yjs take
        // the parent and the right neighbour from the struct, not from the beginning that they have.
        let last_known = Id {
            clock: part.from - 1,
            ..id
        };
        let Some(begins) = self.place_of(last_known) else {
            return refuse(Code::Malformed, "known part");
        };
        if trusted {
            return Ok(Found::At(begins));
        }
        let in_text = self.places.get(begins as usize);
        if in_text.is_some_and(|at| at.key.is_none()) && !self.is_repeated(item, id, last_known) {
            return refuse(Code::Malformed, "known part");
        }
        match self.stands_at(fresh, order, places, item, trusted, undo)? {
            Found::At(place) if place != begins => refuse(Code::Malformed, "known part"),
            found => Ok(found),
        }
    }

    /// Whether an item that begins with known letters of a text, up to the last one known, says of
    /// them what is known: that they are one run, and what it was written between.
    fn is_repeated(&self, item: Item<'_>, id: Id, last_known: Id) -> bool {
        let joint = self.joint_of(last_known);
        joint
            .filter(|run| run.clock <= id.clock)
            .is_some_and(|run| {
                let run = run.at(id);
                (run.left, run.right) == (item.origin, item.right_origin)
            })
    }

    /// The run that a known letter belongs to.
    fn joint_of(&self, letter: Id) -> Option<Joint> {
        let joints = self.joints.get(&letter.client)?;
        let after = joints.partition_point(|joint| joint.clock <= letter.clock);
        joints.get(after.checked_sub(1)?).copied()
    }

    /// Where its neighbours or its parent put an item.
    fn stands_at(
        &mut self,
        fresh: &[Part<'_, '_>],
        order: &[usize],
        places: &[u32],
        item: Item<'_>,
        trusted: bool,
        undo: &mut Undo,
    ) -> Result<Found, Refused> {
        if item.origin.is_some() && item.origin == item.right_origin && !trusted {
            // Left and right of the same: every replica would find another place for it.
            return refuse(Code::Malformed, "around itself");
        }
        let mut neighbours = [None, None];
        for (slot, reference) in neighbours.iter_mut().zip([item.origin, item.right_origin]) {
            let Some(reference) = reference else { continue };
            match self.look_up(fresh, order, places, reference)? {
                Found::At(place) => *slot = Some(place),
                needs @ Found::Needs(_) => return Ok(needs),
            }
        }
        match neighbours {
            [Some(GONE), Some(place)] | [Some(place), Some(GONE)] if place != GONE => {
                // Garbage is collected by whole containers: no honest replica has a neighbour of
                // each kind. yjs drops such an item, yrs puts it beside the one that is left.
                return if trusted {
                    Ok(Found::At(place))
                } else {
                    refuse(Code::Malformed, "half collected")
                };
            }
            [Some(left), Some(right)] if left != right => {
                return refuse(Code::Malformed, "two parents");
            }
            [Some(place), _] | [None, Some(place)] => return Ok(Found::At(place)),
            [None, None] => {}
        }
        let container = match item.parent {
            Some(Parent::Root(name)) => match self.roots.get(name) {
                Some(&container) => container,
                None if trusted => {
                    let container =
                        self.add_container(None, NONE, ContainerAt::Root(name.into()), true);
                    self.roots.insert(name.into(), container);
                    undo.roots.push(name.into());
                    container
                }
                None => return refuse(Code::ShapeNotAllowed, "root"),
            },
            Some(Parent::Nested(parent)) => {
                let place = match self.look_up(fresh, order, places, parent)? {
                    Found::At(place) => place,
                    needs @ Found::Needs(_) => return Ok(needs),
                };
                match self.nested.get(&parent) {
                    Some(&container) => container,
                    // It was a container and is garbage now: so is this.
                    None if trusted || self.holds_containers(place) => {
                        return Ok(Found::At(GONE));
                    }
                    // yrs refuses the whole update, with everything else that is in it.
                    None => return refuse(Code::Malformed, "no container"),
                }
            }
            None => return refuse(Code::Malformed, "parent"),
        };
        self.place_in(container, item.key, trusted).map(Found::At)
    }

    /// Whether only containers can have stood here.
    fn holds_containers(&self, place: u32) -> bool {
        let Some(at) = self.places.get(place as usize) else {
            return place == GONE;
        };
        let rule = at.rule.map(|rule| self.shape.rule(rule));
        at.key.is_some() && matches!(rule, Some(Rule::Text { .. } | Rule::Map(_)))
    }

    /// The place of an id in the document or in this update.
    fn look_up(
        &self,
        fresh: &[Part<'_, '_>],
        order: &[usize],
        places: &[u32],
        id: Id,
    ) -> Result<Found, Refused> {
        if let Some(place) = self.place_of(id) {
            return Ok(Found::At(place));
        }
        let after = order
            .partition_point(|&i| (fresh[i].of.id.client, fresh[i].from) <= (id.client, id.clock));
        let candidate = after.checked_sub(1).map(|i| order[i]);
        match candidate {
            Some(i) if fresh[i].of.id.client == id.client && id.clock < fresh[i].of.end() => {
                Ok(if matches!(places[i], OPEN | WAITING) {
                    Found::Needs(i)
                } else {
                    Found::At(places[i])
                })
            }
            _ => refuse(Code::Malformed, "unknown reference"),
        }
    }

    /// Whether this content may stand at this place. Creates the container of a nested type.
    fn check(
        &mut self,
        part: &Part<'_, '_>,
        place: u32,
        writer: Writer<'_>,
        trusted: bool,
    ) -> Result<(), Refused> {
        let Body::Item(item) = part.of.body else {
            return Ok(());
        };
        let Some(at) = self.places.get(place as usize) else {
            return Ok(());
        };
        let container = &self.containers[at.container as usize];
        let server_only = container.server_only;
        let rule = at.rule.map(|rule| self.shape.rule(rule));
        if !trusted {
            if server_only && !writer.server {
                return refuse(Code::ShapeNotAllowed, "server's root");
            }
            let in_map = at.key.is_some();
            if in_map && item.right_origin.is_some() {
                // A value comes after all others of its key. Before one, or the wrong way round
                // between two, replicas would differ in which of them is the last.
                return refuse(Code::Malformed, "before a value");
            }
            let seeded = in_map
                && !writer.server
                && container.rule.is_some_and(
                    |rule| matches!(self.shape.rule(rule), Rule::Map(map) if map.seeded),
                );
            let account = if writer.server {
                None
            } else {
                Some(writer.author.account.as_str())
            };
            match (item.content, rule) {
                (_, None) => return refuse(Code::ShapeNotAllowed, "place"),
                (Content::Deleted, Some(Rule::Text { .. })) if !in_map => {}
                (Content::Text(_), Some(Rule::Text { .. })) if !in_map => {}
                (Content::Deleted, Some(Rule::Text { .. } | Rule::Map(_))) if seeded => {
                    return refuse(Code::ShapeNotAllowed, "seeded container");
                }
                // Values that were overwritten before they were sent come as one run.
                (Content::Deleted, Some(_)) if in_map => {}
                (Content::SharedText, Some(Rule::Text { .. }))
                | (Content::Map, Some(Rule::Map(_)))
                    if in_map =>
                {
                    if seeded {
                        return refuse(Code::ShapeNotAllowed, "seeded container");
                    }
                }
                (Content::Scalar(value), Some(Rule::Scalar(rule))) if in_map => {
                    self.check_value(rule, value.0, account)?;
                }
                (Content::Scalars(values), Some(Rule::Scalar(rule))) if in_map => {
                    for value in values.iter() {
                        self.check_value(rule, value, account)?;
                    }
                }
                _ => return refuse(Code::ShapeNotAllowed, "content"),
            }
        }
        if matches!(item.content, Content::Map | Content::SharedText) {
            let rule = at.rule;
            let id = part.of.id;
            let number = self.add_container(rule, place, ContainerAt::Item(id), server_only);
            self.nested.insert(id, number);
        }
        Ok(())
    }

    fn check_value(
        &self,
        rule: &Scalar,
        value: Plain<'_>,
        account: Option<&str>,
    ) -> Result<(), Refused> {
        if !rule.allows(value, account) {
            return refuse(Code::ShapeNotAllowed, "value");
        }
        if let Some(check) = self.shape.personal_number()
            && !is_generated_id(rule, value)
            && holds_personal_number(value, check)
        {
            return refuse(Code::PersonalNumber, "value");
        }
        Ok(())
    }

    /// What of the delete set is new, with the checks.
    fn deletions(
        &self,
        update: &Update<'_>,
        fresh: &[Part<'_, '_>],
        places: &[u32],
        writer: Writer<'_>,
        trusted: bool,
    ) -> Result<Vec<Span>, Refused> {
        let parts = by_client(fresh);
        // Overlaps must not count twice.
        let mut named = Ranges::default();
        for &(client, clock, len) in &update.deletes {
            if len == 0 && !trusted {
                // At the end of what it has, yrs would wait for ever for what follows.
                return refuse(Code::Malformed, "empty deletion");
            }
            named.add(client, clock, clock + len);
        }
        let mut deleted = Vec::new();
        for (&client, ranges) in &named.of {
            let known = match parts.get(&client) {
                Some(parts) => fresh[parts.end - 1].of.end(),
                None => self.clock(client),
            };
            for &(clock, end) in ranges {
                if end > known {
                    return refuse(Code::Malformed, "deletion of unknown");
                }
                self.deleted.missing(client, clock, end, |from, to| {
                    deleted.push(Span {
                        client,
                        clock: from,
                        len: to - from,
                    });
                });
            }
        }
        deleted.sort_unstable_by_key(|span| (span.client, span.clock));
        if deleted.is_empty() || trusted {
            return Ok(deleted);
        }
        if !writer.may_edit {
            return refuse(Code::NoPermission, "delete");
        }
        for span in &deleted {
            let end = span.clock + span.len;
            if let Some(client) = self.clients.get(&span.client) {
                for (_, _, place) in segments(&client.runs, span.clock, end) {
                    self.may_delete(place, writer)?;
                }
            }
            if let Some(range) = parts.get(&span.client) {
                let parts = &fresh[range.clone()];
                let first = parts.partition_point(|part| part.of.end() <= span.clock);
                let places = &places[range.start + first..range.end];
                for (part, &place) in parts[first..].iter().zip(places) {
                    if part.from >= end {
                        break;
                    }
                    self.may_delete(place, writer)?;
                }
            }
        }
        Ok(deleted)
    }

    fn may_delete(&self, place: u32, writer: Writer<'_>) -> Result<(), Refused> {
        let Some(at) = self.places.get(place as usize) else {
            return Ok(());
        };
        if writer.server {
            return Ok(());
        }
        let container = &self.containers[at.container as usize];
        if container.server_only {
            return refuse(Code::ShapeNotAllowed, "server's root");
        }
        let Some(Rule::Map(map)) = container.rule.map(|rule| self.shape.rule(rule)) else {
            return Ok(());
        };
        let holds_container = at
            .rule
            .is_some_and(|rule| !matches!(self.shape.rule(rule), Rule::Scalar(_)));
        if map.seeded && holds_container {
            return refuse(Code::ShapeNotAllowed, "seeded container");
        }
        Ok(())
    }

    fn place_of(&self, id: Id) -> Option<u32> {
        let client = self.clients.get(&id.client)?;
        if id.clock >= client.next {
            return None;
        }
        let after = client.runs.partition_point(|run| run.clock <= id.clock);
        client.runs.get(after.checked_sub(1)?).map(|run| run.place)
    }

    fn place_in(&mut self, number: u32, key: Option<&str>, trusted: bool) -> Result<u32, Refused> {
        let container = &self.containers[number as usize];
        let known = match key {
            Some(key) => container.keys.get(key).copied(),
            None => (container.sequence != NONE).then_some(container.sequence),
        };
        if let Some(place) = known {
            return Ok(place);
        }
        let rule = match (
            container.rule.map(|rule| (rule, self.shape.rule(rule))),
            key,
        ) {
            (Some((_, Rule::Map(map))), Some(key)) => map.rule_of(key),
            (Some((rule, Rule::Text { .. })), None) => Some(rule),
            _ => None,
        };
        if !trusted {
            if rule.is_none() {
                return refuse(Code::ShapeNotAllowed, "key");
            }
            if container.keys.len() >= crate::shape::MAX_ENTRIES {
                return refuse(Code::TooLarge, "entries");
            }
            if let (Some(key), Some(check)) = (key, self.shape.personal_number())
                && check(key)
            {
                return refuse(Code::PersonalNumber, "key");
            }
        }
        let place = self.places.len() as u32;
        self.places.push(Place {
            container: number,
            key: key.map(Into::into),
            rule,
        });
        let container = &mut self.containers[number as usize];
        match key {
            Some(key) => {
                container.keys.insert(key.into(), place);
            }
            None => container.sequence = place,
        }
        Ok(place)
    }

    fn add_container(
        &mut self,
        rule: Option<RuleId>,
        place: u32,
        at: ContainerAt,
        server_only: bool,
    ) -> u32 {
        self.containers.push(Container {
            rule,
            place,
            at,
            server_only,
            sequence: NONE,
            keys: HashMap::new(),
            len: 0,
            digits: 0,
        });
        self.containers.len() as u32 - 1
    }

    fn author_number(&mut self, author: &Author) -> u32 {
        let known = self.authors.iter().position(|a| a == author);
        known.unwrap_or_else(|| {
            self.authors.push(author.clone());
            self.authors.len() - 1
        }) as u32
    }

    fn roll_back(&mut self, undo: Undo) {
        for place in self.places.drain(undo.places..) {
            let container = &mut self.containers[place.container as usize];
            match place.key {
                Some(key) => {
                    container.keys.remove(&key);
                }
                None => container.sequence = NONE,
            }
        }
        for container in self.containers.drain(undo.containers..) {
            if let ContainerAt::Item(id) = container.at {
                self.nested.remove(&id);
            }
        }
        for root in undo.roots {
            self.roots.remove(&root);
        }
    }
}

/// Where the parts of each client are: they stand together, by clock.
fn by_client(fresh: &[Part<'_, '_>]) -> HashMap<u64, Range<usize>> {
    let mut parts: HashMap<u64, Range<usize>> = HashMap::new();
    for (i, part) in fresh.iter().enumerate() {
        parts.entry(part.of.id.client).or_insert(i..i).end = i + 1;
    }
    parts
}

impl Joint {
    /// What that letter of the run was written between: the next one of its run came after it.
    fn at(self, id: Id) -> Self {
        let left = if id.clock == self.clock {
            self.left
        } else {
            Some(Id {
                clock: id.clock - 1,
                ..id
            })
        };
        Self { left, ..self }
    }
}

/// Typed on: the same run goes on.
fn push_joint(joints: &mut Vec<Joint>, client: u64, joint: Joint) {
    let goes_on = joints.last().is_some_and(|last| {
        let before = joint.clock.checked_sub(1).map(|clock| Id { client, clock });
        last.right == joint.right && joint.left.is_some() && joint.left == before
    });
    if !goes_on {
        joints.push(joint);
    }
}

/// The unknown rest of a struct.
struct Part<'u, 'a> {
    of: &'u Struct<'a>,
    from: u32,
}

impl<'a> Part<'_, 'a> {
    fn item(&self) -> Option<Item<'a>> {
        match self.of.body {
            Body::Item(item) => Some(item),
            Body::Gc | Body::Skip => None,
        }
    }

    fn joint(&self) -> Option<Joint> {
        let item = self.item()?;
        let id = self.of.id;
        let joint = Joint {
            clock: id.clock,
            left: item.origin,
            right: item.right_origin,
        };
        Some(Joint {
            clock: self.from,
            ..joint.at(Id {
                clock: self.from,
                ..id
            })
        })
    }

    fn len(&self) -> u32 {
        self.of.end() - self.from
    }

    fn span(&self) -> Span {
        Span {
            client: self.of.id.client,
            clock: self.from,
            len: self.len(),
        }
    }
}

/// The agency may change with time, the person and the hat may not.
fn same_writer(a: &Author, b: &Author) -> bool {
    a.account == b.account && a.membership == b.membership
}

/// Our own ids are 32 hexadecimal digits: now and then twelve of them in a row are decimal and have
/// a right check digit. Nobody types those.
fn is_generated_id(rule: &Scalar, value: Plain<'_>) -> bool {
    let Plain::Text(text) = value else {
        return false;
    };
    matches!(rule, Scalar::Code | Scalar::OwnAccount)
        && text.len() == 32
        && text.bytes().all(|b| b.is_ascii_hexdigit())
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}

fn holds_personal_number(value: Plain<'_>, check: &crate::shape::PersonalNumberCheck) -> bool {
    match value {
        Plain::Text(text) => check(text),
        Plain::Number(n) if n.fract() == 0.0 && n.abs() >= 1e11 && n.abs() < 1e12 => {
            check(&format!("{:.0}", n.abs()))
        }
        _ => false,
    }
}

fn push_run(runs: &mut Vec<Run>, clock: u32, len: u32, place: u32) {
    match runs.last_mut() {
        Some(last) if last.place == place && last.clock + last.len == clock => last.len += len,
        _ => runs.push(Run { clock, len, place }),
    }
}

/// The pieces of `[from, to)` with their places.
fn segments(runs: &[Run], from: u32, to: u32) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    let start = runs.partition_point(|run| run.clock + run.len <= from);
    runs[start..]
        .iter()
        .take_while(move |run| run.clock < to)
        .map(move |run| {
            let first = run.clock.max(from);
            (first, (run.clock + run.len).min(to) - first, run.place)
        })
}

/// Sets of clocks per client as sorted, disjoint, non-touching ranges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    of: HashMap<u64, Vec<(u32, u32)>>,
}

impl Ranges {
    /// Calls `each` with every part of `[from, to)` that is not in the set.
    fn missing(&self, client: u64, from: u32, to: u32, mut each: impl FnMut(u32, u32)) {
        let mut at = from;
        if let Some(ranges) = self.of.get(&client) {
            let start = ranges.partition_point(|&(_, end)| end <= from);
            for &(first, end) in &ranges[start..] {
                if first >= to {
                    break;
                }
                if first > at {
                    each(at, first);
                }
                at = at.max(end);
            }
        }
        if at < to {
            each(at, to);
        }
    }

    fn covered(&self, client: u64, from: u32, to: u32) -> u32 {
        let mut missing = 0;
        self.missing(client, from, to, |a, b| missing += b - a);
        to - from - missing
    }

    fn add(&mut self, client: u64, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let ranges = self.of.entry(client).or_default();
        // All ranges that overlap or touch become one.
        let start = ranges.partition_point(|&(_, end)| end < from);
        let stop = ranges.partition_point(|&(first, _)| first <= to);
        if start == stop {
            ranges.insert(start, (from, to));
        } else {
            let merged = (ranges[start].0.min(from), ranges[stop - 1].1.max(to));
            ranges.drain(start + 1..stop);
            ranges[start] = merged;
        }
    }
}
