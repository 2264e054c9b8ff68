//! A cursor older than the segments of its view: entries come from the log, a chunk at a time, until it has caught up.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::{Encoding, Entry};
use crate::segment::SEGMENT;
use crate::staging::Staging;

/// Entries read under one lock, so that nobody who appends waits for long.
const BATCH: usize = 256;

/// What a refill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// There is something to send.
    Ready,
    /// There is nothing to send up to the end that was asked for.
    Reached,
    /// The next entry has left the log.
    Overrun,
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

    /// Go on after `offset`: what lies between is in a gap that was staged.
    pub fn skip_to(&mut self, offset: u64) {
        self.after = offset;
    }

    /// After the last chunk was sent: the next one, with entries up to `upto`.
    pub fn refill(
        &mut self,
        channel: &Channel,
        upto: u64,
        encoding: Encoding,
        batch: &mut Vec<Arc<Entry>>,
    ) -> Refill {
        self.staging.restart();
        while self.after < upto && !self.staging.is_full() {
            batch.clear();
            if !take(channel, self.after, upto, batch) {
                return self.ready_or(Refill::Overrun);
            }
            for entry in batch.drain(..) {
                self.after = entry.offset();
                self.staging.push_entry(&entry, encoding);
            }
        }
        self.ready_or(Refill::Reached)
    }

    fn ready_or(&self, otherwise: Refill) -> Refill {
        if self.staging.is_drained() {
            otherwise
        } else {
            Refill::Ready
        }
    }
}

/// The entries after `after`, a batch of them, at least one; false if the first of them is no longer kept.
fn take(channel: &Channel, after: u64, upto: u64, batch: &mut Vec<Arc<Entry>>) -> bool {
    let log = channel.log();
    if after + 1 < log.first() {
        return false;
    }
    let mut bytes = 0;
    for entry in log.after(after).take(BATCH) {
        if entry.offset() > upto || bytes > SEGMENT {
            break;
        }
        bytes += entry.size();
        batch.push(Arc::clone(entry));
    }
    !batch.is_empty()
}
