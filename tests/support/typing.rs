//! People who type through crashes, and the book of what they were told: which edit was sent, seen
//! by others, acknowledged. Every edit is one word that nobody else writes, so that what is lost,
//! doubled or garbled shows by itself.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use yrs::{Doc, GetString, Map, Out, Text, TextRef, Transact};

use crate::{dice::Dice, power::monotonic, socket::Heard, socket::Peer};

/// Where in a document one types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The text of a note.
    Note,
    /// A text field of a sheet.
    Field(String),
}

impl Place {
    /// The text in this document.
    pub fn text(&self, doc: &Doc) -> Result<TextRef> {
        match self {
            Self::Note => Ok(doc.get_or_insert_text("content")),
            Self::Field(name) => {
                let fields = doc.get_or_insert_map("fields");
                match fields.get(&doc.transact(), name) {
                    Some(Out::YText(text)) => Ok(text),
                    _ => bail!("{name} is no live text"),
                }
            }
        }
    }

    pub fn read(&self, doc: &Doc) -> Result<String> {
        let text = self.text(doc)?;
        Ok(text.get_string(&doc.transact()))
    }
}

/// One word in one document. Instants: [`monotonic`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Edit {
    pub document: String,
    pub word: String,
    pub sent: u64,
    pub acknowledged: Option<u64>,
    /// When somebody else first had it.
    pub seen: Option<u64>,
    pub removal_sent: Option<u64>,
    pub removal_acknowledged: Option<u64>,
}

/// What a client was told when it could not save.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    pub at: u64,
    pub code: u64,
    pub reason: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Book {
    pub edits: Vec<Edit>,
    pub told: Vec<Told>,
    /// Documents made meanwhile, with the instant at which that was answered.
    pub made: BTreeMap<String, u64>,
    #[serde(skip)]
    words: HashMap<String, usize>,
}

/// The words of a text, `[c1.2]` each, in order.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(']')
        .filter_map(|part| part.find('[').map(|at| &part[at..]))
        .filter(|word| word.ends_with(']'))
}

fn before(instant: Option<u64>, at: u64) -> bool {
    instant.is_some_and(|instant| instant <= at)
}

impl Book {
    fn sent(&mut self, document: &str, word: &str) -> usize {
        self.words.insert(word.to_owned(), self.edits.len());
        self.edits.push(Edit {
            document: document.to_owned(),
            word: word.to_owned(),
            sent: monotonic(),
            acknowledged: None,
            seen: None,
            removal_sent: None,
            removal_acknowledged: None,
        });
        self.edits.len() - 1
    }

    /// How many edits have been acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.edits
            .iter()
            .filter(|edit| edit.acknowledged.is_some())
            .count()
    }

    /// Judges the text of a document as a server has it after it failed at the instant `at`.
    /// `all`: everything that was ever sent must be there, because its clients came back with it.
    pub fn check(&self, document: &str, text: &str, at: u64, all: bool) -> Result<()> {
        let mut found: HashMap<&str, usize> = HashMap::new();
        for word in words(text) {
            *found.entry(word).or_default() += 1;
        }
        let mut known = 0;
        for edit in self.edits.iter().filter(|edit| edit.document == document) {
            let count = found.get(edit.word.as_str()).copied().unwrap_or(0);
            known += usize::from(count > 0);
            ensure!(count < 2, "{} stands there {count} times", edit.word);
            let promised = before(edit.acknowledged, at) || before(edit.seen, at);
            let removed = before(edit.removal_sent, at);
            ensure!(
                count == 1 || removed || !(promised || all),
                "{} is lost: sent {}, acknowledged {:?}, seen {:?}, failure {at}",
                edit.word,
                edit.sent,
                edit.acknowledged,
                edit.seen
            );
            ensure!(
                count == 0 || !before(edit.removal_acknowledged, at),
                "{} is back: its removal was acknowledged {:?}, failure {at}",
                edit.word,
                edit.removal_acknowledged
            );
            ensure!(
                count == 0 || edit.sent <= at,
                "{} is there before it was sent",
                edit.word
            );
        }
        ensure!(
            known == found.len(),
            "{} words are there that nobody wrote",
            found.len() - known
        );
        Ok(())
    }

    /// Documents whose making was answered before `at`.
    pub fn made_before(&self, at: u64) -> impl Iterator<Item = &str> {
        self.made
            .iter()
            .filter(move |(_, made)| **made <= at)
            .map(|(document, _)| document.as_str())
    }
}

/// The book and the signals that all typists share.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    book: Arc<Mutex<Book>>,
    closing: Arc<AtomicBool>,
    held: Arc<AtomicBool>,
}

impl Desk {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody types any more; what is not acknowledged yet is still seen to it.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Nobody connects until [`Self::release`]. Without it those who come back would repair what
    /// the server has lost before it is looked at.
    pub fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
    }
}

/// One connection of one person.
#[derive(Debug, Clone)]
pub struct Typist {
    pub desk: Desk,
    /// Unique; part of every word.
    pub name: String,
    pub url: String,
    pub document: String,
    pub place: Place,
    pub token: String,
    pub dice: Dice,
    /// Longest pause between two edits.
    pub pause: Duration,
    /// Whether it takes words of its own out again.
    pub removes: bool,
    /// Edits in the book that are not acknowledged. Empty at first.
    pub open: Vec<usize>,
}

impl Typist {
    /// Types until the desk closes, through lost connections. `settle`: then stays until everything
    /// is acknowledged.
    pub async fn run(mut self, settle: bool) -> Result<()> {
        let name = self.name.clone();
        self.work(settle).await.with_context(|| name)
    }

    async fn work(&mut self, settle: bool) -> Result<()> {
        let mut peer: Option<Peer> = None;
        let mut number = 0;
        let mut unsettled_since: Option<Instant> = None;
        loop {
            if self.desk.is_closing() && (!settle || self.settled()) {
                return Ok(());
            }
            if self.desk.is_closing() {
                let since = *unsettled_since.get_or_insert_with(Instant::now);
                ensure!(
                    since.elapsed() < Duration::from_secs(90),
                    "not everything was acknowledged within 90 s"
                );
            }
            if self.desk.held.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let came = match &mut peer {
                Some(peer) => peer.rejoin(&self.url, &self.document, &self.token).await,
                None => match Peer::join(&self.url, &self.document, &self.token).await {
                    Ok(mut joined) => {
                        joined.patience = Duration::from_secs(45);
                        peer = Some(joined);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            if let (Ok(()), Some(peer)) = (came, &mut peer) {
                self.connected(peer, &mut number).await?;
            }
            // As a provider does: not all at once.
            sleep(Duration::from_millis(30 + self.dice.below(200) as u64)).await;
        }
    }

    /// Types until the connection is lost or the desk closes.
    async fn connected(&mut self, peer: &mut Peer, number: &mut usize) -> Result<()> {
        // What was typed before the connection was lost.
        if !self.settled() && !self.acknowledge(peer).await? {
            return Ok(());
        }
        while !self.desk.is_closing() {
            let sent = if self.removes && self.dice.chance(0.15) {
                self.remove(peer).await
            } else {
                *number += 1;
                let word = format!("[{}.{number}]", self.name);
                self.write(peer, &word).await
            };
            match sent {
                Ok(()) => {}
                Err(Lost::Connection) => return Ok(()),
                Err(Lost::Other(error)) => return Err(error),
            }
            if !self.acknowledge(peer).await? {
                return Ok(());
            }
            sleep(self.pause.mul_f64(self.dice.below(100) as f64 / 100.0)).await;
        }
        Ok(())
    }

    fn settled(&self) -> bool {
        self.open.is_empty()
    }

    async fn write(&mut self, peer: &mut Peer, word: &str) -> Result<(), Lost> {
        let text = self.place.text(&peer.doc).map_err(Lost::Other)?;
        let present = self.place.read(&peer.doc).map_err(Lost::Other)?;
        // Between two words, or at either end: nobody cuts another's word in two.
        let mut between = vec![0];
        let mut at = 0;
        for letter in present.chars() {
            at += letter.len_utf16() as u32;
            if letter == ']' {
                between.push(at);
            }
        }
        let at = if self.dice.chance(0.6) {
            at
        } else {
            *self.dice.pick(&between).unwrap_or(&0)
        };
        text.insert(&mut peer.doc.transact_mut(), at, word);
        let at = self.desk.book().sent(&self.document, word);
        self.open.push(at);
        peer.push().await.map_err(|_| Lost::Connection)
    }

    async fn remove(&mut self, peer: &mut Peer) -> Result<(), Lost> {
        let text = self.place.text(&peer.doc).map_err(Lost::Other)?;
        let present = self.place.read(&peer.doc).map_err(Lost::Other)?;
        let mine = format!("[{}.", self.name);
        let own: Vec<&str> = words(&present).filter(|w| w.starts_with(&mine)).collect();
        let Some(word) = self.dice.pick(&own) else {
            return Ok(());
        };
        let Some(bytes) = present.find(*word) else {
            return Ok(());
        };
        let at: usize = present[..bytes].chars().map(char::len_utf16).sum();
        text.remove_range(&mut peer.doc.transact_mut(), at as u32, word.len() as u32);
        {
            let mut book = self.desk.book();
            let at = *book.words.get(*word).unwrap_or(&usize::MAX);
            if let Some(edit) = book.edits.get_mut(at) {
                edit.removal_sent = Some(monotonic());
                self.open.push(at);
            }
        }
        peer.push().await.map_err(|_| Lost::Connection)
    }

    /// Waits for the acknowledgement of everything sent. `false`: the connection is lost.
    async fn acknowledge(&mut self, peer: &mut Peer) -> Result<bool> {
        let Ok(payload) = peer.send_barrier().await else {
            return Ok(false);
        };
        loop {
            match peer.hear().await {
                Ok(Heard::Durable(echo)) if echo == payload => break,
                Ok(Heard::Refused { code, reason }) => {
                    let at = monotonic();
                    ensure!(code == OVERLOADED, "refused {code}: {reason}");
                    self.desk.book().told.push(Told { at, code, reason });
                    return Ok(false);
                }
                Ok(Heard::Closed) | Err(_) => return Ok(false),
                Ok(Heard::Content) => self.see(peer)?,
                Ok(_) => {}
            }
        }
        let at = monotonic();
        let mut book = self.desk.book();
        for open in self.open.drain(..) {
            if let Some(edit) = book.edits.get_mut(open) {
                edit.acknowledged.get_or_insert(at);
                if edit.removal_sent.is_some() {
                    edit.removal_acknowledged.get_or_insert(at);
                }
            }
        }
        Ok(true)
    }

    fn see(&self, peer: &Peer) -> Result<()> {
        let at = monotonic();
        let text = self.place.read(&peer.doc)?;
        let mine = format!("[{}.", self.name);
        let mut book = self.desk.book();
        for word in words(&text).filter(|word| !word.starts_with(&mine)) {
            let known = book.words.get(word).copied();
            if let Some(edit) = known.and_then(|at| book.edits.get_mut(at)) {
                edit.seen.get_or_insert(at);
            }
        }
        Ok(())
    }
}

enum Lost {
    Connection,
    Other(anyhow::Error),
}

/// Code 7: not saved, come back later.
const OVERLOADED: u64 = 7;
