//! 「誰がいつ何を書いたか」: runs of clocks with their authors, small enough to keep with the room.

use crate::identity::Author;
use crate::log::{Authored, Span};
use jiff::Timestamp;

/// Runs of one author that continue each other within this are one run.
const JOIN_SECONDS: i64 = 60;
/// More runs than this are made fewer by telling the time less exactly: about a megabyte.
const MOST_RUNS: usize = 20_000;
/// The steps of that, in seconds: ten minutes, an hour, a day, any time.
const COARSER: [i64; 4] = [600, 3_600, 86_400, i64::MAX];

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
        self.bound();
    }

    pub(crate) fn add_one(&mut self, authored: &Authored) {
        let number = self.number(&authored.author);
        self.run(number, authored.at, authored.span, authored.deletion);
        self.bound();
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

    /// Keeps the journal small. Runs of one author that continue each other become one with the time
    /// of the earlier, from the finest step on; when that is not enough, who deleted what longest ago
    /// is forgotten. Who inserted what never is: client ids are bound to their authors by it.
    fn bound(&mut self) {
        const ENOUGH: usize = MOST_RUNS / 4 * 3;
        if self.runs.len() <= MOST_RUNS {
            return;
        }
        for seconds in COARSER {
            self.join(seconds);
            if self.runs.len() <= ENOUGH {
                return;
            }
        }
        let mut surplus = self.runs.len() - ENOUGH;
        self.runs.retain(|run| {
            let goes = run.deletion && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }

    fn join(&mut self, seconds: i64) {
        self.runs
            .sort_by_key(|run| (run.deletion, run.span.client, run.span.clock));
        self.runs.dedup_by(|next, run| {
            let joins = run.author == next.author
                && run.deletion == next.deletion
                && run.span.client == next.span.client
                && run.span.clock + run.span.len == next.span.clock
                && (next.at.as_second() - run.at.as_second()).abs() < seconds;
            if joins {
                run.span.len += next.span.len;
                run.at = run.at.min(next.at);
            }
            joins
        });
        self.runs.sort_by_key(|run| run.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author {
        Author {
            account: name.into(),
            membership: name.into(),
            agency: "ag".into(),
        }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + n).unwrap()
    }

    fn span(client: u64, clock: u32, len: u32) -> Span {
        Span { client, clock, len }
    }

    /// Everything that was written, as (client, clock) → author.
    fn written(journal: &Journal) -> Vec<(u64, u32, String)> {
        let mut units: Vec<_> = journal
            .all()
            .into_iter()
            .filter(|run| !run.deletion)
            .flat_map(|run| {
                (run.span.clock..run.span.clock + run.span.len)
                    .map(move |clock| (run.span.client, clock, run.author.account.0.clone()))
            })
            .collect();
        units.sort();
        units
    }

    #[test]
    fn steady_typing_costs_a_run_a_minute() {
        let mut journal = Journal::default();
        for n in 0..3_600 {
            let n = u32::try_from(n).unwrap();
            journal.add(&author("a"), second(i64::from(n)), &[span(5, n, 1)], &[]);
        }
        assert_eq!(journal.all().len(), 60);
        // The same person for another agency is told apart, however finely time is told.
        let moved = Author {
            agency: "other".into(),
            ..author("a")
        };
        journal.add(&moved, second(3_600), &[span(5, 3_600, 1)], &[]);
        assert_eq!(journal.all().len(), 61);
        // A reload joins nothing more and loses nothing.
        let mut again = Journal::default();
        for run in journal.all() {
            again.add_one(&run);
        }
        assert_eq!(again.all(), journal.all());
        journal.join(i64::MAX);
        assert_eq!(journal.all().len(), 2);
    }

    #[test]
    fn it_stays_bounded_and_forgets_no_writer() {
        let mut journal = Journal::default();
        let mut clock = [0_u32; 40];
        // Forty people write and take away here and there, for months.
        for n in 0..90_000_u32 {
            let who = (n % 40) as usize;
            let at = second(i64::from(n) * 97);
            journal.add(
                &author(&format!("p{who}")),
                at,
                &[span(who as u64, clock[who], 2)],
                &[span(
                    ((who + 1) % 40) as u64,
                    n.wrapping_mul(7919) % 1_000_003 * 2,
                    1,
                )],
            );
            clock[who] += 2;
            assert!(!n.is_multiple_of(1000) || journal.all().len() <= MOST_RUNS);
        }
        assert!(journal.all().len() <= MOST_RUNS);
        let units = written(&journal);
        assert_eq!(units.len(), 180_000);
        assert!(
            units
                .iter()
                .all(|(client, _, who)| *who == format!("p{client}"))
        );
        // In the order of time, as before.
        assert!(
            journal
                .all()
                .windows(2)
                .all(|pair| pair[0].at <= pair[1].at)
        );
    }
}
