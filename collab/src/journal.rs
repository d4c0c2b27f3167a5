//! 「誰がいつ何を書いたか」: runs of clocks with their authors, small enough to keep with the room.

use crate::identity::Author;
use crate::log::{Authored, Span};
use jiff::Timestamp;

/// Runs of one author that continue each other within this are one run.
const JOIN_SECONDS: i64 = 60;

#[derive(Debug, Clone, Copy)]
struct Run {
    span: Span,
    author: u32,
    at: Timestamp,
    deletion: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    authors: Vec<Author>,
    runs: Vec<Run>,
}

impl Journal {
    pub(crate) fn add(
        &mut self,
        author: &Author,
        at: Timestamp,
        inserted: &[Span],
        deleted: &[Span],
    ) {
        let number = self.number(author);
        for span in inserted {
            self.run(number, at, *span, false);
        }
        for span in deleted {
            self.run(number, at, *span, true);
        }
    }

    pub(crate) fn add_one(&mut self, authored: &Authored) {
        let number = self.number(&authored.author);
        self.run(number, authored.at, authored.span, authored.deletion);
    }

    pub(crate) fn all(&self) -> Vec<Authored> {
        let full = |run: &Run| Authored {
            span: run.span,
            author: self.authors[run.author as usize].clone(),
            at: run.at,
            deletion: run.deletion,
        };
        self.runs.iter().map(full).collect()
    }

    fn number(&mut self, author: &Author) -> u32 {
        let known = self.authors.iter().position(|a| a == author);
        known.unwrap_or_else(|| {
            self.authors.push(author.clone());
            self.authors.len() - 1
        }) as u32
    }

    fn run(&mut self, author: u32, at: Timestamp, span: Span, deletion: bool) {
        // Several people type at once: look a little way back for the run it continues.
        for run in self.runs.iter_mut().rev().take(32) {
            let joins = run.author == author
                && run.deletion == deletion
                && run.span.client == span.client
                && (at.as_second() - run.at.as_second()).abs() < JOIN_SECONDS;
            if joins && run.span.clock + run.span.len == span.clock {
                run.span.len += span.len;
                return;
            }
            if joins && deletion && span.clock + span.len == run.span.clock {
                // Backspace walks backwards.
                run.span.clock = span.clock;
                run.span.len += span.len;
                return;
            }
        }
        self.runs.push(Run {
            span,
            author,
            at,
            deletion,
        });
    }
}
