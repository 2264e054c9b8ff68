//! A cursor older than the segments of its view: entries come from the log, a chunk at a time, until it has caught up.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::filter::{Hit, Scratch, Sieve};
use crate::form::Writer;
use crate::segment::SEGMENT;
use crate::staging::Staging;

/// Entries read under one lock, so that nobody who appends waits for long.
const BATCH: usize = 256;

/// Batches that one refill looks through at most for what passes a filter.
const LOOKED: usize = 4;

/// What reading uses again and again.
#[derive(Debug, Default)]
pub struct Reading {
    /// Entries of one batch.
    pub entries: Vec<Arc<Entry>>,
    /// Which of them pass.
    pub passes: Vec<bool>,
    /// Which of them pass which filters.
    pub hits: Vec<Hit>,
    /// For judging them.
    pub scratch: Scratch,
}

impl Reading {
    /// Judge the entries of the batch; without a filter all of them pass.
    pub fn judge(&mut self, sieve: Option<&Sieve>, history: u64) {
        let (entries, passes) = (&self.entries, &mut self.passes);
        if let Some(sieve) = sieve {
            sieve.judge(history, entries, &mut self.scratch, passes);
        } else {
            passes.clear();
            passes.resize(entries.len(), true);
        }
    }
}

/// What a refill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// There is something to send.
    Ready,
    /// There is nothing to send up to the end that was asked for.
    Reached,
    /// The next entry has left the log.
    Overrun,
    /// Whoever reads the log has to look where he stands: it may have begun another history.
    Turned,
    /// More work than one turn should do is left; nothing to send yet.
    Unready,
}

/// A replay in progress.
#[derive(Debug)]
pub struct Feed {
    /// What goes out.
    pub staging: Staging,
    after: u64,
}

impl Feed {
    /// A replay of everything after `after`.
    pub fn new(after: u64) -> Self {
        Self {
            staging: Staging::new(after),
            after,
        }
    }

    /// A replay that goes on behind what was staged elsewhere, up to `after`.
    pub fn continuing(staging: Staging, after: u64) -> Self {
        Self { staging, after }
    }

    /// Offset up to which everything was staged.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// What was sent, and what needs no sending because it does not pass.
    pub fn settled(&self) -> u64 {
        if self.staging.is_drained() {
            self.after
        } else {
            self.staging.settled()
        }
    }

    /// Go on after `offset`: what lies between is in a gap that was staged, or is not owed.
    pub fn skip_to(&mut self, offset: u64) {
        self.after = offset;
    }

    /// What was `settled` ends here: it goes on after `after`, behind a gap that is yet to be staged.
    pub fn begin_again(&mut self, settled: u64, after: u64) {
        *self = Self {
            staging: Staging::new(settled),
            after,
        };
    }

    /// After the last chunk was sent: the next one, with at most `most` entries up to `upto`, as of a turn of the log. Through a
    /// filter it is of what passes, which is looked for in slices.
    pub fn refill(
        &mut self,
        sieve: Option<&Sieve>,
        (channel, turn): (&Channel, u64),
        (upto, most): (u64, u64),
        writer: &mut Writer<'_>,
        reading: &mut Reading,
    ) -> Refill {
        self.staging.restart();
        let upto = match sieve {
            None => upto.min(self.after.saturating_add(most)),
            Some(_) => upto,
        };
        let (mut left, mut looked) = (most, 0);
        while self.after < upto && left > 0 && !self.staging.is_full() {
            if sieve.is_some() && looked == LOOKED {
                return self.ready_or(Refill::Unready);
            }
            looked += 1;
            let history = match take((channel, turn), self.after, upto, &mut reading.entries) {
                Ok(history) => history,
                Err(missing) => return self.ready_or(missing),
            };
            reading.judge(sieve, history);
            for (entry, passes) in reading.entries.drain(..).zip(&reading.passes) {
                if *passes && left == 0 {
                    break;
                }
                self.after = entry.offset();
                if *passes {
                    left -= 1;
                    self.staging.push_entry(&entry, writer);
                }
            }
        }
        self.ready_or(Refill::Reached)
    }

    /// Whether what comes next is lost, for who may not send it yet.
    pub fn look(&self, channel: &Channel, turn: u64) -> Refill {
        let log = channel.log();
        if log.turn() != turn {
            Refill::Turned
        } else if self.after + 1 < log.first() {
            Refill::Overrun
        } else {
            Refill::Reached
        }
    }

    fn ready_or(&self, otherwise: Refill) -> Refill {
        if self.staging.is_drained() {
            otherwise
        } else {
            Refill::Ready
        }
    }
}

/// The entries after `after`, a batch of them, at least one, and the history they are of; or why there is none.
fn take(
    (channel, turn): (&Channel, u64),
    after: u64,
    upto: u64,
    batch: &mut Vec<Arc<Entry>>,
) -> Result<u64, Refill> {
    batch.clear();
    let log = channel.log();
    if log.turn() != turn {
        return Err(Refill::Turned);
    }
    if after + 1 < log.first() {
        return Err(Refill::Overrun);
    }
    let mut bytes = 0;
    for entry in log.after(after).take(BATCH) {
        if entry.offset() > upto || bytes > SEGMENT {
            break;
        }
        bytes += entry.size();
        batch.push(Arc::clone(entry));
    }
    if batch.is_empty() {
        Err(Refill::Overrun)
    } else {
        Ok(log.history())
    }
}
